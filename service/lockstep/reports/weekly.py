"""The weekly agenda of both teams' meeting: its parts with their shares of time, and what each team must know of the
other. The shares are those of a well-known guide to such meetings: leadership below 10 %, marketing 30, operations 30,
issues 20, actions the rest."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import msgspec

from lockstep.reports.basis import Basis
from lockstep.reports.cell_text import change_text, day_words
from lockstep.reports.composed import composed
from lockstep.reports.daily import headline
from lockstep.reports.day_figures import made_figure, stretch_figures
from lockstep.reports.news import AlertLine, AlertNews
from lockstep.reports.report_record import Figure, Report, Section, Table, Todo
from lockstep.reports.tables.report_tables import (
    action_table,
    calendar_table,
    campaign_table,
    channel_table,
    ended_alerts,
    owned_alerts,
    theme_table,
    unowned_alerts,
)
from lockstep.reports.tables.short_table import Row, day_column, number_column, short_table, text_column
from lockstep.reports.tables.stock_tables import (
    expiring_table,
    late_table,
    location_table,
    new_table,
    product_forecast_table,
    reorder_table,
    return_table,
    shelf_table,
    slow_table,
    stock_table,
    supplier_table,
)
from lockstep.reports.todo import NOBODY
from lockstep.response.standing import Action
from lockstep.shop.day_sums import plan_days
from lockstep.shop.forecast import expected_day
from lockstep.shop.stakes import full_days
from lockstep.shop.whole_shop import Shop, plain
from lockstep.text.days import list_text
from lockstep.text.figures import many, measured_number, measured_text
from lockstep.text.one_line import capital
from lockstep.text.rfc3339 import rfc3339_of

SHARES = (("leadership", 0.08), ("marketing", 0.30), ("operations", 0.30), ("issues", 0.20), ("actions", 0.12))
"""Of the meeting's time, in its order."""
AHEAD_DAYS = 7
CAMPAIGN_DAYS = 28
LONG_CRITICAL_HOURS = 4
"""What is critical for longer is an issue for leadership."""


def weekly(
    shop: Shop,
    news: AlertNews,
    actions: Sequence[Action],
    at: datetime,
    *,
    before: Report | None = None,
    late: int = 0,
    id: str = "",
) -> Report:
    """The agenda of the week after `at`, made of the seven days before it.

    news: of these seven days. before: the last agenda, against which changes of the forecast are told. late: minutes
    since it was due. The meeting is as long as shop.yml says.
    """
    basis = Basis(shop, at, news, actions)
    first = basis.today - timedelta(7)
    days = [first + timedelta(n) for n in range(7)]
    week = stretch_figures(basis, days, [day - timedelta(7) for day in days])
    shares = dict(SHARES)
    minutes = minutes_of(shares, shop.settings.meeting_minutes)
    parts = {
        "leadership": _leadership(basis, week),
        "marketing": _marketing(basis, first),
        "operations": _operations(basis, before),
        "issues": _issues(basis),
        "actions": _actions(basis),
    }
    sections = [
        msgspec.structs.replace(part, share=shares[name], minutes=minutes[name]) for name, part in parts.items()
    ]
    return composed(
        basis,
        "weekly",
        id=id or f"weekly/{basis.today.isoformat()}",
        title=f"Weekly agenda, {day_words(basis.today, year=True)}",
        covers=f"{day_words(first)} to {day_words(basis.yesterday, year=True)}",
        headline=headline(basis, "Last week", week, before="the week before", ahead=_ahead(basis)),
        sections=sections,
        late=late,
        also=_unowned(basis),
    )


def _ahead(basis: Basis) -> str:
    """` This week 1,284 are expected, more than can be shipped on 5 days.`; "" where nothing can be expected."""
    days = [plain(expected_day(basis.shop, basis.today + timedelta(n), basis.at).value) for n in range(AHEAD_DAYS)]
    known = [orders for orders in days if orders is not None]
    if len(known) < AHEAD_DAYS:
        return ""
    full = len(full_days(basis.shop, basis.at, AHEAD_DAYS))
    over = f", more than can be shipped on {many(full, 'day')}" if full else ""
    return f" This week {sum(known):,} are expected{over}."


def minutes_of(shares: dict[str, float], minutes: int) -> dict[str, int]:
    """The minutes of each part: rounded down, what is left over goes to the last one."""
    each = {name: int(share * minutes) for name, share in shares.items()}
    last = list(each)[-1]
    each[last] += minutes - sum(each.values())
    return each


def _leadership(basis: Basis, week: tuple[Figure, ...]) -> Section:
    """Results, and what only leadership can decide."""
    long = [a for a in basis.news.open if a.severity == "critical" and _hours(basis, a) >= LONG_CRITICAL_HOURS]
    lines = list(dict.fromkeys(_long_words(basis, alert) for alert in long))
    late = [a for a in basis.actions if a.closed_at is None and a.due and a.due < basis.today.isoformat()]
    lines += [
        f"{a.assignee or 'Nobody yet'}, overdue since {day_words(date.fromisoformat(a.due))}: {a.text}" for a in late
    ]
    return Section(
        name="leadership",
        title="Leadership",
        result=f"{many(len(lines), 'thing')} for leadership to decide." if lines else "Nothing waits for leadership.",
        lines=tuple(lines),
        figures=week,
    )


def _unowned(basis: Basis) -> list[Todo]:
    """Actions that nobody does, which a meeting decides; those that are overdue are what matters."""
    today = basis.today.isoformat()
    return [
        Todo(
            who=NOBODY,
            act=capital(action.text),
            what=f"Asked {day_words(basis.shop.day_of(datetime.fromisoformat(action.created_at)))}"
            if action.created_at
            else "",
            due=rfc3339_of(basis.start_of(date.fromisoformat(action.due) + timedelta(1))) if action.due else "",
        )
        for action in basis.actions
        if action.closed_at is None and not action.assignee and not (action.due and action.due < today)
    ]


def _actions(basis: Basis) -> Section:
    """What is to be done, by whom."""
    table = action_table(basis)
    count = len(table.rows) + table.more
    unowned = sum(action.closed_at is None and not action.assignee for action in basis.actions)
    result = f"{many(count, 'action')} to go through{f', {unowned:,} of them with nobody to do it' if unowned else ''}."
    return Section(name="actions", title="Actions", result=result if count else "No action is open.", tables=(table,))


def _long_words(basis: Basis, alert: AlertLine) -> str:
    has_it = f"{alert.has_it} is on it" if alert.has_it else 'nobody has said "I\'m on it"'
    return f"{capital(alert.headline)}: critical for {measured_text(_hours(basis, alert), 'hours')} and {has_it}"


def _hours(basis: Basis, alert: AlertLine) -> float:
    return (basis.at - datetime.fromisoformat(alert.since)).total_seconds() / 3600


def _marketing(basis: Basis, first: date) -> Section:
    """What operations must know of marketing: campaigns, channels, spend."""
    lines = []
    for channel in basis.shop.channels():
        change = plain(basis.made("channel", channel)["spend_change"].value)
        if change is not None and (change >= 1.5 or change <= 0.5):
            lines.append(f"Spend on the channel {channel} is {measured_number(change)} times what it usually is")
    return Section(
        name="marketing",
        title="Marketing: what operations must know",
        owner="marketing",
        result=_campaigns_words(basis),
        lines=tuple(lines),
        tables=(
            campaign_table(basis, CAMPAIGN_DAYS),
            calendar_table(basis, CAMPAIGN_DAYS),
            channel_table(basis, first, 7),
            theme_table(basis, first, 7),
        ),
    )


def _campaigns_words(basis: Basis) -> str:
    plans = basis.plans(CAMPAIGN_DAYS)
    if not plans:
        return f"No campaign runs, and none begins in the next {CAMPAIGN_DAYS} days."
    no = [plan.campaign for plan in plans if basis.answer(plan).verdict != "yes"]
    lacks = f"; {list_text(no)} cannot be served as planned" if no else ", all of which can be served"
    return f"{many(len(plans), 'campaign')} now or in the next {CAMPAIGN_DAYS} days{lacks}."


def _operations(basis: Basis, before: Report | None) -> Section:
    """What marketing must know of operations: forecast, stock, receipts, suppliers, what can be shipped."""
    full, reorder = full_days(basis.shop, basis.at, AHEAD_DAYS), reorder_table(basis)
    days = list_text([day_words(day.day) for day in full], AHEAD_DAYS)
    return Section(
        name="operations",
        title="Operations: what marketing must know",
        owner="operations",
        result=(f"More is expected than can be shipped on {days}; " if full else "No day of the week is too full; ")
        + f"{many(len(basis.shortages), 'product')} sold out or running out, "
        f"{len(reorder.rows) + reorder.more:,} to order.",
        figures=(
            made_figure(basis, "capacity_today", "Capacity today"),
            made_figure(basis, "room_left", "Room for more orders today"),
            made_figure(basis, "backlog", "Backlog now", good="down"),
        ),
        tables=(
            forecast_table(basis, before),
            product_forecast_table(basis),
            reorder,
            stock_table(basis),
            late_table(basis),
            supplier_table(basis),
            expiring_table(basis),
            *((shelf_table(basis),) if basis.shop.settings.shelf_life else ()),
            slow_table(basis),
            location_table(basis),
            new_table(basis),
        ),
    )


def _issues(basis: Basis) -> Section:
    """What went wrong: open alerts without an owner first, returns, what ended."""
    returns, unowned = return_table(basis), sum(not alert.has_it for alert in basis.news.open)
    return Section(
        name="issues",
        title="Issues",
        result=f"{many(len(basis.news.open), 'alert')} open, {unowned:,} of them with nobody on it; "
        f"{many(len(returns.rows) + returns.more, 'product')} sent back often.",
        tables=(
            unowned_alerts(basis),
            owned_alerts(basis),
            returns,
            ended_alerts(basis, "7 days"),
        ),
    )


def forecast_table(basis: Basis, before: Report | None) -> Table:
    """The next days' orders, beside what the last agenda expected of them."""
    expected_before = forecast_of(before)
    plans = [(plan.campaign, *plan_days(plan, basis.shop.zone)) for plan in basis.plans(AHEAD_DAYS)]
    rows: list[Row] = []
    for n in range(AHEAD_DAYS):
        day = basis.today + timedelta(n)
        now = plain(expected_day(basis.shop, day, basis.at).value)
        then = expected_before.get(day.isoformat())
        marks = [campaign for campaign, first, last in plans if first <= day <= last]
        change = change_text(now, then, "") if then is not None else ""
        rows.append((day.isoformat(), now, then, change or None, ", ".join(marks) or None))
    note = "" if before is not None else "There is no earlier agenda to compare with."
    if before is None:
        basis.not_known("changes of the forecast: there is no earlier agenda to compare with")
    return short_table(
        "forecast",
        "Orders expected, and what changed",
        (
            day_column("day", "Day"),
            number_column("expected", "Expected"),
            number_column("before", "Last agenda"),
            text_column("change", "Change"),
            text_column("campaigns", "Campaigns"),
        ),
        rows,
        empty="No day is known.",
        note=note,
    )


def forecast_of(agenda: Report | None) -> dict[str, int]:
    """Day → orders that an agenda expected."""
    for section in agenda.sections if agenda is not None else ():
        for table in section.tables:
            if table.name == "forecast":
                return {str(row[0]): row[1] for row in table.rows if isinstance(row[1], int)}
    return {}
