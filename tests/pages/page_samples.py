"""A small shop's alerts as they stand on the log, and the real server with the pages over them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from lockstep.adapters.alert_board import TOPIC as ALERT_STATE
from lockstep.adapters.alert_board import AlertBoard
from lockstep.adapters.charts.board import ChartBoard, record_of
from lockstep.adapters.charts.curve import Chart, Point
from lockstep.adapters.command_door import CommandDoor
from lockstep.adapters.http.access import Access
from lockstep.adapters.http.calendar_feed.calendar_operations import SHOP, CalendarOperations
from lockstep.adapters.http.calendar_feed.ical import DutyShift
from lockstep.adapters.http.operations.timeline_operations import TimelineOperations
from lockstep.adapters.http.pages.action_pages import ActionPages
from lockstep.adapters.http.pages.alert_pages import AlertPages
from lockstep.adapters.http.pages.known import Known
from lockstep.adapters.http.pages.mute_pages import MutePages
from lockstep.adapters.http.pages.on_call_pages import OnCallPages
from lockstep.adapters.http.pages.pages import Pages
from lockstep.adapters.http.pages.shop.timeline_pages import TimelinePages
from lockstep.adapters.http.pages.shop.today_pages import ShopSource, TodayPages
from lockstep.adapters.http.pages.silence_pages import SilencePages
from lockstep.adapters.http.pages.visitor import Visitors
from lockstep.adapters.http.server import HttpServer
from lockstep.adapters.http.token_book import TokenBook
from lockstep.adapters.links import Purpose, SignedLinks, Signer
from lockstep.adapters.response_board import ResponseBoard
from lockstep.adapters.stream import open_broker
from lockstep.adapters.timeline.topic_reader import AccountReader
from lockstep.judge.publish import ALERTS
from lockstep.measure.definition import Aggregate, Measured, SeriesDef
from lockstep.notify.message import Writer
from lockstep.notify.quiet.matchers import Matcher
from lockstep.notify.quiet.preview import Preview, preview
from lockstep.notify.route import Routing, routing_of
from lockstep.ports import Broker, Destination, Record
from lockstep.response.command import AUDIT, COMMANDS, Acknowledge, AddNote, Answer, Command, decode_command
from lockstep.response.decision import DECISIONS, Decision, Reason
from lockstep.response.standing import RESPONSE_STATE, Handling, Note, Standing, key_of
from lockstep.rule.condition.kinds import Baseline, NoData, Rule, Severity, Spike
from lockstep.rule.judged_verdict import Judged, Stretch
from lockstep.settings import Settings, load_settings
from lockstep.shop.facts import Fact
from lockstep.shop.whole_shop import Shop
from lockstep.transition import Transition, TransitionName, encode
from lockstep.worker.required_topics import prepare
from lockstep.yaml.document import document_of

NOW = datetime(2026, 11, 24, 3, 12, 0, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")
ANNA = Destination("anna", "email", "anna@shop.example", "marketing-mail")
LONG = "A very long headline of a rule whose author had much to say about what it means and for whom, " * 3


def rule(name: str, *teams: str, **changed: Any) -> Rule:
    series = Measured(SeriesDef(Aggregate.COUNT, "order.placed", "orders"))
    condition = Spike(series, 900, Baseline(weeks=4), Severity.WARNING, above=2.0)
    ways = {"runbook": "https://wiki.shop.example/orders", "owner": "Ben", **changed}
    return Rule(
        name=name,
        by=("channel",),
        condition=condition,
        for_s=0,
        keep_firing_for_s=0,
        no_data=NoData.KEEP,
        teams=teams or ("marketing", "operations"),
        **ways,
    )


RULES = {
    r.name: r
    for r in (
        rule(
            "OrdersFell",
            say={
                "marketing": "Web takes hardly any orders: pause its campaigns until it does.",
                "operations": "Check checkout and payment of web now, then the shop's status page.",
            },
        ),
        rule("StockLow", "operations"),
        rule("SpendHigh", "marketing", runbook=None),
        rule("LongWords", say={"marketing": LONG, "operations": LONG}),
    )
}


def verdict(value: float, usual: float, at: datetime) -> Judged:
    return Judged(
        kind="spike",
        of="count of order.placed",
        verdict="breach",
        value=value,
        baseline=usual,
        baseline_of="the last 4 weeks",
        ratio=value / usual,
        limit=usual / 2,
        limit_of="",
        window_start=(at - timedelta(minutes=15)).isoformat(),
        window_end=at.isoformat(),
        counts={"windows": 4.0, "sigma": 4.5},
        asked={"below": 0.5, "at_least": 50.0},
        history=tuple(
            Stretch((at - timedelta(weeks=w, minutes=15)).isoformat(), (at - timedelta(weeks=w)).isoformat(), usual + w)
            for w in (4, 3, 2, 1)
        ),
    )


def transition(rule_name: str, state: str = "firing", *, ago_min: float = 7, **changed: Any) -> Transition:
    at = NOW - timedelta(minutes=ago_min)
    labels = changed.pop("labels", {"channel": "web"})
    name = f"{rule_name}-{'-'.join(labels.values())}"
    value, usual = changed.pop("value", 3.0), changed.pop("baseline", 41.0)
    number = {"pending": 1, "firing": 2, "severity": 3, "resolved": 4}[state]
    return Transition(
        **{
            "transition_id": f"t-{name}-{state}",
            "alert_id": f"a-{name}",
            "episode_id": f"e-{name}",
            "number": number,
            "rule": rule_name,
            "labels": labels,
            "state": TransitionName(state),
            "at": at.isoformat().replace("+00:00", "Z"),
            "started_at": (NOW - timedelta(minutes=changed.pop("began_min", 12))).isoformat().replace("+00:00", "Z"),
            "severity": "critical",
            "value": value,
            "baseline": usual,
            "ratio": value / usual,
            "limit": usual / 2,
            "window_start": (at - timedelta(minutes=15)).isoformat(),
            "window_end": at.isoformat(),
            "so_far": False,
            "watermark": at.isoformat(),
            "rule_version": "v1",
            "explanation": verdict(value, usual, at),
            **changed,
        }
    )


def decision(of: Transition, receiver: str, channel: str, outcome: str, reason: Reason, why: str) -> Decision:
    return Decision(
        alert_id=of.alert_id,
        episode_id=of.episode_id,
        transition_id=of.transition_id,
        rule=of.rule,
        labels=of.labels,
        severity=of.severity,
        state=of.state.value,
        at=of.at,
        outcome=outcome,  # type: ignore[arg-type] # one of three words
        reason=reason,
        why=why,
        receiver=receiver,
        channel=channel,
        destination_id=f"{channel}/{receiver}",
    )


def records(transitions: list[Transition]) -> list[Record]:
    """As judges publish them."""
    return [
        record
        for t in transitions
        for record in (
            Record(ALERTS, encode(t), t.alert_id.encode(), 0),
            Record(ALERT_STATE, encode(t), t.alert_id.encode(), 0),
        )
    ]


def decided(*decisions: Decision) -> list[Record]:
    return [Record(DECISIONS, msgspec.json.encode(d), d.alert_id.encode(), 0) for d in decisions]


def stands(*standing: Standing) -> list[Record]:
    return [Record(RESPONSE_STATE, msgspec.json.encode(s), key_of(s).encode(), 0) for s in standing]


def answered(answer: Answer) -> Record:
    return Record(AUDIT, msgspec.json.encode(answer), answer.id.encode(), 0)


FELL = transition("OrdersFell")
HANDLED = transition("StockLow", severity="warning", labels={"sku": "85099B"}, ago_min=31, began_min=31)
SILENCED = transition("SpendHigh", severity="warning", labels={"campaign": "قميص أزرق"}, ago_min=55, began_min=55)
LONG_ONE = transition("LongWords", severity="info", labels={"sku": "X" * 110}, ago_min=40, began_min=40)
OVER = transition("StockLow", "resolved", severity="warning", labels={"sku": "22423"}, ago_min=3, began_min=90)


def sample_records() -> list[Record]:
    """One alert of each kind."""
    chart = Chart(
        points=tuple(
            Point(
                at=(FELL_AT - timedelta(minutes=15 * n)).timestamp(),
                value=3.0 if n == 0 else 38.0 + n,
                baseline=41.0,
                sigma=4.5,
                limit=20.5,
            )
            for n in range(8, -1, -1)
        ),
        fired=FELL_AT.timestamp(),
        severity="critical",
        value=3.0,
        reference=41.0,
        reference_is="usual",
        told_at=FELL_AT.timestamp(),
        window=((FELL_AT - timedelta(minutes=15)).timestamp(), FELL_AT.timestamp()),
    )
    return [
        *records(
            [
                transition("OrdersFell", "pending", ago_min=12, severity="warning"),
                FELL,
                HANDLED,
                SILENCED,
                LONG_ONE,
                OVER,
                transition("StockLow", "pending", severity="warning", labels={"sku": "84879"}, ago_min=2, began_min=2),
            ]
        ),
        *decided(
            decision(FELL, "marketing-mail", "email", "told", Reason.FIRST, "it is the first of its group"),
            decision(FELL, "shop-slack", "slack", "told", Reason.FIRST, "it is the first of its group"),
            decision(
                FELL,
                "night-phone",
                "email",
                "not_told",
                Reason.MUTED,
                "muted by nights until Tue 24 Nov 2026 07:00 GMT",
            ),
            decision(HANDLED, "operations-mail", "email", "told", Reason.FIRST, "it is the first of its group"),
            decision(
                SILENCED,
                "marketing-mail",
                "email",
                "not_told",
                Reason.SILENCED,
                "silenced by Anna until Mon 30 Nov 2026 08:00 GMT: summer campaign",
            ),
            decision(LONG_ONE, "marketing-mail", "email", "told", Reason.FIRST, "it is the first of its group"),
        ),
        *stands(
            Handling(
                alert_id=HANDLED.alert_id,
                episode_id=HANDLED.episode_id,
                acknowledged_by="Ben",
                acknowledged_at=(NOW - timedelta(minutes=20)).isoformat().replace("+00:00", "Z"),
                notes=(Note("Ben", NOW.isoformat().replace("+00:00", "Z"), "The truck is late, it comes at 9."),),
            )
        ),
        answered(
            Answer(
                id="c1",
                command=Acknowledge(id="c1", by="Ben", way="link", at=HANDLED.at, alert_id=HANDLED.alert_id, note=""),
                applied=True,
                why="Ben has StockLow, sku 85099B",
                decided_at=(NOW - timedelta(minutes=20)).isoformat().replace("+00:00", "Z"),
            )
        ),
        answered(
            Answer(
                id="c2",
                command=AddNote(
                    id="c2",
                    by="Ben",
                    way="page",
                    at=HANDLED.at,
                    alert_id=HANDLED.alert_id,
                    text="The truck is late, it comes at 9.",
                ),
                applied=True,
                why="noted",
                decided_at=(NOW - timedelta(minutes=1)).isoformat().replace("+00:00", "Z"),
            )
        ),
        record_of(FELL.transition_id, chart),
    ]


FELL_AT = datetime.fromisoformat(FELL.at)


ROUTING = """\
teams: {marketing: [anna], operations: [ben]}
schedules:
  nights: {zone: Europe/London, rotations: [{who: [ben, clara], every: 1w, from: "2026-07-06 09:00"}]}
receivers:
  anna: {email: {to: [anna@shop.example]}}
  ben: {email: {to: [ben@shop.example]}}
  clara: {email: {to: [clara@shop.example]}}
"""


def routing(text: str = ROUTING) -> Routing:
    document, _ = document_of("routing.yml", text.encode())
    assert document is not None
    read, faults = routing_of(document)
    assert read is not None, faults
    return read


SHIFTS = [DutyShift("night", "ben", NOW, NOW + timedelta(hours=8))]


async def commands(broker: Broker) -> list[Command]:
    """What has been asked of notify so far."""
    _, end = (await broker.bounds(COMMANDS))[0]
    return [
        decode_command(value)
        async for batch in broker.read(COMMANDS, 0, 0, end)
        for value in batch.values
        if value is not None
    ]


@dataclass
class Served:
    """url: of the pages. links: signed as for messages. known, broker, tokens, whole_shop: what they read."""

    url: str
    links: SignedLinks
    known: Known
    broker: Broker
    tokens: TokenBook
    today: TodayPages
    whole_shop: Shop
    counted: list[int]

    def put(self, *facts: Fact) -> None:
        """The shop's facts are other ones now."""
        for fact in facts:
            self.whole_shop.put(fact)
        self.counted[0] += 1

    def path(self, link: str | None) -> str:
        """A link as it is reached here."""
        assert link is not None
        return link.replace("https://alerts.shop.example", self.url)


@asynccontextmanager
async def served(
    folder: Path,
    given: list[Record] | None = None,
    *,
    now: datetime = NOW,
    whole_shop: Shop | None = None,
    rules: Mapping[str, Rule] = RULES,
    routes: Routing | None = None,
    says_now: str = "it fires since 03:00: orders is 3 (asked: critical below 0.5x of 41)",
    **changed: Any,
) -> AsyncIterator[Served]:
    """The server with the pages, over a file on which these records lie. whole_shop: what is known of its days."""
    settings: Settings = load_settings(
        broker=f"sqlite:///{folder}/shop.db", http_port=0, public_url="https://alerts.shop.example", **changed
    )

    def clock() -> datetime:
        return now

    whole_shop = whole_shop or Shop(LONDON)
    broker = open_broker(settings, clock=clock)
    await broker.start()
    try:
        await prepare(settings, broker)
        await broker.publish(sample_records() if given is None else given)
        board, responses = AlertBoard(broker, clock=clock), ResponseBoard(broker, clock=clock)
        tokens = TokenBook(broker)
        await tokens.refresh()
        signer = Signer(lambda: ["a-key-of-the-tests"])
        links = SignedLinks(signer, base_url="https://alerts.shop.example", life_s=30 * 86400.0, clock=clock)
        known = Known(
            board=board,
            responses=responses,
            charts=ChartBoard(broker),
            rules=lambda: rules,
            writer=Writer(whole_shop.zone, None, whole_shop.settings.currency or "EUR"),
            says_now=lambda alert_id: says_now,
            clock=clock,
            plans=lambda: whole_shop.plans,
        )
        await board.refresh()
        await responses.refresh()
        access = Access(settings, tokens)
        visitors = Visitors(signer, public_url=None, access=access, clock=clock)
        pages = AlertPages(
            known,
            pages=Pages(),
            visitors=visitors,
            links=links,
            door=CommandDoor(broker, responses),
            pictures=None,
            first_steps=lambda: None,
            has_tokens=lambda: access.has_tokens,
            within_s=0.2,
            answer_s=0.2,
        )
        accounts = AccountReader(broker, known.rules, known.writer)
        counted = [0]
        source = ShopSource(
            shop=lambda: whole_shop,
            is_kept=lambda: True,
            changes=lambda: (board.changes, responses.changes, counted[0]),
        )
        today = TodayPages(pages, source, calendar_token=lambda: links.token(Purpose.CALENDAR, SHOP))
        calendar = CalendarOperations(lambda: whole_shop, links, shifts=lambda: SHIFTS, clock=clock)

        async def previewed(matchers: Sequence[Matcher]) -> Preview:
            return preview(matchers, board.latest_of_each(), lambda t: rules[t.rule].teams, now=now)

        owners = [
            pages,
            ActionPages(pages),
            MutePages(pages),
            OnCallPages(pages, lambda: routes or routing()),
            SilencePages(pages, previewed),
            TimelinePages(pages, accounts),
            TimelineOperations(accounts),
            today,
            calendar,
        ]
        http = HttpServer(settings, access, owners)
        await http.start()
        try:
            keeping = asyncio.create_task(today.live.keep())
            yield Served(f"http://127.0.0.1:{http.port}", links, known, broker, tokens, today, whole_shop, counted)
            keeping.cancel()
            await today.live.close()
        finally:
            await http.stop()
    finally:
        await broker.stop()
