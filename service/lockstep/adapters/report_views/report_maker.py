"""Makes a report of what a worker knows: its shop, its alerts, what people did about them."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import assert_never

from lockstep.adapters.alert_board import AlertBoard
from lockstep.adapters.report_views.report_board import ReportBoard
from lockstep.adapters.response_board import ResponseBoard
from lockstep.notify.message import Writer
from lockstep.reports.daily import daily
from lockstep.reports.hourly import hourly
from lockstep.reports.monthly import month_id, monthly
from lockstep.reports.news import AlertNews, alert_news
from lockstep.reports.report_record import Report
from lockstep.reports.weekly import weekly
from lockstep.response.report_due import Kind
from lockstep.response.standing import Action, Handling
from lockstep.rule.condition.kinds import Rule
from lockstep.shop.whole_shop import Shop
from lockstep.transition import Transition, decode

SPANS: Mapping[Kind, timedelta] = {
    "daily": timedelta(hours=24),
    "weekly": timedelta(days=7),
    "monthly": timedelta(days=31),
    "hourly": timedelta(hours=1),
}
"""How far back the alerts of a report go."""


def made_report(
    kind: Kind,
    shop: Shop,
    news: AlertNews,
    actions: Iterable[Action],
    at: datetime,
    *,
    before: Report | None = None,
    year_before: Report | None = None,
    late: int = 0,
    id: str = "",
) -> Report:
    """The report of a kind. before: the last one of it. year_before: of a month, that of the same one a year ago."""
    listed = tuple(actions)
    match kind:
        case "daily":
            return daily(shop, news, listed, at, late=late, id=id)
        case "weekly":
            return weekly(shop, news, listed, at, before=before, late=late, id=id)
        case "monthly":
            return monthly(shop, news, listed, at, year_before=year_before, late=late, id=id)
        case "hourly":
            return hourly(shop, news, listed, at, late=late, id=id)
        case _:
            assert_never(kind)


def news_from(
    kind: Kind,
    transitions: Iterable[Transition],
    at: datetime,
    *,
    writer: Writer,
    rules: Mapping[str, Rule],
    handling: Callable[[str], Handling | None] = lambda _: None,
) -> AlertNews:
    """The alerts of a report. rules: those in force, by name, for their words."""

    def acts(transition: Transition) -> dict[str, str]:
        rule = rules.get(transition.rule)
        return {} if rule is None else {team: writer.own_words(transition, rule, team) for team in rule.teams}

    return alert_news(
        transitions,
        since=at - SPANS[kind],
        until=at,
        headline=lambda transition: writer.headline(transition, rules.get(transition.rule)),
        handling=handling,
        acts=acts,
    )


class ReportMaker:
    """The boards of one worker, as reports need them."""

    def __init__(
        self,
        shop: Callable[[], Shop],
        alerts: AlertBoard,
        responses: ResponseBoard,
        reports: ReportBoard,
        *,
        writer: Writer,
        rules: Callable[[], Mapping[str, Rule]],
    ) -> None:
        self._shop, self._alerts, self._responses, self._reports = shop, alerts, responses, reports
        self._writer, self._rules = writer, rules

    @property
    def known_to(self) -> datetime | None:
        """Event time up to which the shop is known; None: nothing is."""
        upto = self._shop().upto
        return datetime.fromisoformat(upto) if upto else None

    async def composed(self, kind: Kind, at: datetime, *, late: int = 0, id: str = "") -> Report:
        """The report as of an instant, computed beside the event loop, as it may take seconds."""
        news, actions = self.news(kind, at), self._responses.actions()
        # A copy: the shop goes on being read while the report is made.
        shop = self._shop()
        held = replace(
            shop,
            days=dict(shop.days),
            products=dict(shop.products),
            plans=dict(shop.plans),
            capacities=dict(shop.capacities),
        )
        before = self._reports.latest(kind, before=id or f"{kind}/{at.astimezone(shop.zone):%Y-%m-%d}")
        month = month_id(at.astimezone(shop.zone), years_before=1)
        year_before = self._reports.report(month) if kind == "monthly" else None
        return await asyncio.to_thread(
            made_report, kind, held, news, actions, at, before=before, year_before=year_before, late=late, id=id
        )

    def news(self, kind: Kind, at: datetime) -> AlertNews:
        """The alerts of a report: what was published in its stretch, and what is open since before it."""
        published = [decode(value) for value in self._responses.published_since(at - SPANS[kind])]
        known = {transition.episode_id for transition in published}
        older = [
            each
            for transition in self._alerts.open()
            if transition.episode_id not in known
            for each in (self._responses.transitions(transition.alert_id, transition.episode_id) or [transition])
        ]
        return news_from(
            kind,
            [*older, *self._with_beginnings(published)],
            at.astimezone(UTC),
            writer=self._writer,
            rules=self._rules(),
            handling=self._responses.handling,
        )

    def _with_beginnings(self, published: Iterable[Transition]) -> Iterable[Transition]:
        """What was published in a stretch, with what came before of the same episodes."""
        by_id: dict[str, Transition] = {}
        for transition in published:
            for earlier in self._responses.transitions(transition.alert_id, transition.episode_id):
                by_id[earlier.transition_id] = earlier
            by_id[transition.transition_id] = transition
        return by_id.values()
