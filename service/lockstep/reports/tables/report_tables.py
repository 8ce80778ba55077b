"""Tables of a report that are not of products: channels, campaigns, themes, alerts, actions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from statistics import median

from lockstep.calendar import SHOWN_KINDS
from lockstep.reports.basis import Basis
from lockstep.reports.news import AlertLine
from lockstep.reports.report_record import Column, Table
from lockstep.reports.tables.short_table import (
    Row,
    day_column,
    moment_column,
    number_column,
    sentence_column,
    short_table,
    text_column,
)
from lockstep.reports.todo import NOBODY
from lockstep.shop.exchange import money_unit
from lockstep.shop.facts import PlanFacts
from lockstep.shop.plans.plan_words import Verdict
from lockstep.shop.whole_shop import plain
from lockstep.text.figures import many, measured_text
from lockstep.text.one_line import capital


def channel_table(basis: Basis, first: date, count: int) -> Table:
    """Each channel's `count` days from `first`, with its conversion, cost to serve and ROAS as of now."""
    days = [first + timedelta(n) for n in range(count)]
    money = money_unit(basis.currency)
    rows: list[Row] = []
    for channel in basis.shop.channels():
        made = basis.made("channel", channel)
        sums = [sum(basis.count(day, name, channel) or 0 for day in days) for name in ("sessions", "orders")]
        revenue, spend = (_paid(basis, name, channel, days) for name in ("revenue", "spend"))
        rows.append(
            (
                channel,
                sums[1],
                revenue,
                plain(made["channel_conversion"].value),
                sums[0],
                spend,
                plain(made["roas"].value),
                plain(made["complex_share"].value),
                basis.minor("cost_to_serve", "channel", channel),
                plain(made["channel_return_rate"].value),
            )
        )
    rows.sort(key=lambda row: (-int(row[2] or 0), str(row[0])))
    return short_table(
        "channels",
        "By channel",
        (
            text_column("channel", "Channel"),
            number_column("orders", "Orders"),
            number_column("revenue", "Revenue", money),
            number_column("conversion", "Conversion, 28 days", "%"),
            number_column("sessions", "Visits"),
            number_column("spend", "Spend", money),
            number_column("roas", "Revenue / spend, 7 days", "x"),
            number_column("complex_share", "Complex orders, 7 days", "%"),
            number_column("cost_to_serve", "Cost to serve an order", money),
            number_column("return_rate", "Sent back, 7 days", "%"),
        ),
        rows,
        empty="No event named a channel.",
    )


def _paid(basis: Basis, name: str, channel: str, days: Sequence[date]) -> int | None:
    """A sum of money over days; None where there is some and none of it can be told in the report's currency."""
    sums = [basis.money(day, name, channel) for day in days]
    known = [minor for minor in sums if minor is not None]
    has_some = any(facts.money.get(name) for day in days if (facts := basis.shop.day(day, channel)) is not None)
    return sum(known) if known or not has_some else None


def campaign_table(basis: Basis, within_days: int) -> Table:
    """The campaigns that run and that come, and whether they can be served."""
    rows: list[Row] = []
    for plan in basis.plans(within_days):
        said = basis.answer(plan)
        rows.append(
            (
                plan.campaign,
                plan.starts,
                plan.ends,
                _ANSWERS[said.verdict],
                said.suggestion or None,
                _expects(plan),
                ", ".join(plan.skus) or None,
            )
        )
    return short_table(
        "campaigns",
        "Campaigns today" if within_days == 1 else f"Campaigns, now and in the next {within_days} days",
        (
            text_column("campaign", "Campaign"),
            moment_column("starts", "Starts"),
            moment_column("ends", "Ends"),
            text_column("answer", "Can it be served?"),
            text_column("suggestion", "So"),
            text_column("expects", "Marketing expects"),
            text_column("skus", "Products"),
        ),
        rows,
        empty="None runs and none is planned.",
    )


_ANSWERS: Mapping[Verdict, str] = {"yes": "yes", "change": "not as planned", "no": "no"}


def _expects(plan: PlanFacts) -> str | None:
    """`5,000 visits, 60 orders`; None where marketing said neither."""
    expects = ((plan.expected_sessions, "visits"), (plan.expected_orders, "orders"))
    said = ", ".join(measured_text(number, unit) for number, unit in expects if number)
    return f"{said}, planned anew {many(plan.number - 1, 'time')}" if said and plan.number > 1 else said or None


def theme_table(basis: Basis, first: date, count: int) -> Table:
    """What customers said, and how much more of it than usual on as many days."""
    days = [first + timedelta(n) for n in range(count)]
    now: dict[str, int] = {}
    for day in days:
        facts = basis.shop.day(day)
        for theme, said in (facts.themes if facts else {}).items():
            now[theme] = now.get(theme, 0) + said
    usual: dict[str, float] = {}
    for theme in now:
        per_day = [
            median([facts.themes.get(theme, 0) for d in basis.usual_days(day) if (facts := basis.shop.day(d))] or [0])
            for day in days
        ]
        usual[theme] = sum(per_day)
    rows: list[Row] = [
        (theme, said, plain(usual[theme]), plain(said - usual[theme]))
        for theme, said in sorted(now.items(), key=lambda item: (-(item[1] - usual[item[0]]), item[0]))
    ]
    return short_table(
        "themes",
        "What customers said",
        (
            text_column("theme", "Theme"),
            number_column("count", "Times"),
            number_column("usual", "Usual"),
            number_column("more", "More than usual"),
        ),
        rows,
        empty="No feedback came in.",
    )


def calendar_table(basis: Basis, within_days: int) -> Table:
    """What is in the calendar beside campaigns: content and PR first, then holidays and closed days; each stretch of
    days by itself. Weekdays on which the shop is always closed are no news; a newsletter of each Tuesday is."""
    calendar = basis.shop.calendar
    days = [basis.today + timedelta(n) for n in range(within_days)]
    rows: list[tuple[bool, Row]] = []
    for entry in calendar.for_people if calendar is not None else ():
        if entry.kind == "campaign" or (entry.kind == "closed" and any(on.weekday is not None for on in entry.on)):
            continue
        for first, last in _stretches([day for day in days if entry.is_on(day)]):
            row = (
                entry.name,
                _CALENDAR_WORDS[entry.kind],
                first.isoformat(),
                last.isoformat() if last > first else None,
            )
            rows.append((entry.kind not in SHOWN_KINDS, row))
    rows.sort(key=lambda item: (item[0], str(item[1][2]), str(item[1][0])))
    return short_table(
        "calendar",
        f"Content, PR and holidays, {within_days} days",
        (text_column("name", "What"), text_column("kind", ""), day_column("first", "On"), day_column("last", "Until")),
        (row for _, row in rows),
        empty="The calendar has none." if calendar is not None else "No calendar is set up, which would list them.",
    )


_CALENDAR_WORDS = {"content": "content", "pr": "PR", "holiday": "holiday", "closed": "closed"}


def _stretches(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """First and last of each run of days, of days in order."""
    first = None
    for n, day in enumerate(days):
        first = first or day
        if n + 1 == len(days) or days[n + 1] != day + timedelta(1):
            yield first, day
            first = None


def open_alerts(basis: Basis) -> Table:
    return _alerts(basis, "open_alerts", "Open now", basis.news.open, _HAS_IT, empty="No alert is open.")


def ended_alerts(basis: Basis, span: str) -> Table:
    title, empty = f"Over in {span}", f"Nothing ended in {span}."
    return _alerts(basis, "ended_alerts", title, basis.news.ended, _ENDED, empty=empty)


def unowned_alerts(basis: Basis) -> Table:
    """What fires and nobody has."""
    alerts, title = [a for a in basis.news.open if not a.has_it], 'Nobody has said "I\'m on it"'
    return _alerts(basis, "without_owner", title, alerts, None, empty="Every open alert has somebody.")


def owned_alerts(basis: Basis) -> Table:
    """What fires and somebody has."""
    alerts, title = [a for a in basis.news.open if a.has_it], "Somebody is on it"
    return _alerts(basis, "with_owner", title, alerts, _HAS_IT, empty="None.")


Also = tuple[Column, Callable[[AlertLine], str]]
"""A column more of a table of alerts, and what it has."""
_HAS_IT: Also = (text_column("has_it", "Who is on it"), lambda alert: alert.has_it or "nobody")
_ENDED: Also = (moment_column("ended", "Over"), lambda alert: alert.ended)


def _alerts(
    basis: Basis, name: str, title: str, alerts: Sequence[AlertLine], also: Also | None, *, empty: str
) -> Table:
    also_of = () if also is None else (also,)
    return short_table(
        name,
        title,
        (
            sentence_column("headline", "What"),
            moment_column("since", "Since"),
            *(column for column, _ in also_of),
            text_column("severity", "How grave"),
            text_column("alert", "Alert"),
        ),
        ((capital(a.headline), a.since, *(of(a) for _, of in also_of), a.severity, a.about) for a in alerts),
        empty=basis.news.why or empty,
        most=15,
    )


def action_table(basis: Basis) -> Table:
    """The open actions, the oldest first, with owner and age."""
    rows: list[Row] = []
    for action in sorted(basis.actions, key=lambda a: (a.created_at, a.id)):
        if action.closed_at is None:
            age = (basis.at - datetime.fromisoformat(action.created_at)).days if action.created_at else None
            rows.append((action.text, action.assignee or NOBODY, action.due or None, age, action.about or None))
    return short_table(
        "actions",
        "Open actions",
        (
            sentence_column("action", "What"),
            text_column("owner", "Who"),
            day_column("due", "By"),
            number_column("age", "Open for", "days"),
            text_column("about", "From"),
        ),
        rows,
        empty="No action is open.",
        most=30,
    )
