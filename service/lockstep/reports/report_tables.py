"""Tables of a report that are not of products: channels, campaigns, themes, alerts, actions."""

from datetime import date, datetime, timedelta
from statistics import median

from lockstep.reports.basis import Basis, plain
from lockstep.reports.cell_text import money_unit
from lockstep.reports.news import AlertLine
from lockstep.reports.report_record import Column, Table, Value

MOST_ROWS = 12


def _table(
    name: str,
    title: str,
    columns: tuple[Column, ...],
    rows: list[tuple[Value, ...]],
    *,
    empty: str,
    most: int = MOST_ROWS,
) -> Table:
    return Table(
        name=name, title=title, columns=columns, rows=tuple(rows[:most]), empty=empty, more=max(0, len(rows) - most)
    )


def channel_table(basis: Basis, first: date, count: int) -> Table:
    """Each channel's `count` days from `first`, with its conversion, cost to serve and ROAS as of now."""
    days = [first + timedelta(n) for n in range(count)]
    money = money_unit(basis.currency)
    rows: list[tuple[Value, ...]] = []
    for channel in basis.shop.channels():
        made = basis.made("channel", channel)
        sums = [sum(basis.count(day, name, channel) or 0 for day in days) for name in ("sessions", "orders")]
        revenue = sum(basis.money(day, "revenue", channel) or 0 for day in days)
        spend = sum(basis.money(day, "spend", channel) or 0 for day in days)
        rows.append(
            (
                channel,
                *sums,
                plain(made["channel_conversion"].value),
                revenue,
                spend,
                plain(made["roas"].value),
                basis.minor("cost_to_serve", "channel", channel),
                plain(made["channel_return_rate"].value),
            )
        )
    rows.sort(key=lambda row: (-int(row[4] or 0), str(row[0])))
    return _table(
        "channels",
        "By channel",
        (
            Column(name="channel", title="Channel", unit="text"),
            Column(name="sessions", title="Visits"),
            Column(name="orders", title="Orders"),
            Column(name="conversion", title="Conversion, 28 days", unit="%"),
            Column(name="revenue", title="Revenue", unit=money),
            Column(name="spend", title="Spend", unit=money),
            Column(name="roas", title="Revenue / spend, 7 days", unit="x"),
            Column(name="cost_to_serve", title="Cost to serve an order", unit=money),
            Column(name="return_rate", title="Sent back, 7 days", unit="%"),
        ),
        rows,
        empty="No event named a channel.",
    )


def campaign_table(basis: Basis, within_days: int) -> Table:
    """The campaigns that run and that come, and whether they can be served."""
    rows: list[tuple[Value, ...]] = []
    for plan in basis.plans(within_days):
        said = basis.answer(plan)
        rows.append(
            (plan.campaign, plan.starts, plan.ends, ", ".join(plan.skus) or None, said.verdict, said.suggestion or None)
        )
    return _table(
        "campaigns",
        "Campaigns today" if within_days == 1 else f"Campaigns, now and in the next {within_days} days",
        (
            Column(name="campaign", title="Campaign", unit="text"),
            Column(name="starts", title="Starts", unit="moment"),
            Column(name="ends", title="Ends", unit="moment"),
            Column(name="skus", title="Products", unit="text"),
            Column(name="answer", title="Can it be served?", unit="text"),
            Column(name="suggestion", title="So", unit="text"),
        ),
        rows,
        empty="None runs and none is planned.",
    )


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
    rows: list[tuple[Value, ...]] = [
        (theme, said, round(usual[theme], 1), said - round(usual[theme], 1))
        for theme, said in sorted(now.items(), key=lambda item: (-(item[1] - usual[item[0]]), item[0]))
    ]
    return _table(
        "themes",
        "What customers said",
        (
            Column(name="theme", title="Theme", unit="text"),
            Column(name="count", title="Times"),
            Column(name="usual", title="Usual"),
            Column(name="more", title="More than usual"),
        ),
        rows,
        empty="No feedback came in.",
    )


def open_alerts(basis: Basis) -> Table:
    return _alerts("open_alerts", "Firing now", basis.news.open, ended=False, empty=basis.news.why or "Nothing fires.")


def ended_alerts(basis: Basis, span: str) -> Table:
    empty = basis.news.why or f"Nothing ended in {span}."
    return _alerts("ended_alerts", f"Over in {span}", basis.news.ended, ended=True, empty=empty)


def _alerts(name: str, title: str, alerts: tuple[AlertLine, ...], *, ended: bool, empty: str) -> Table:
    rows: list[tuple[Value, ...]] = [
        (a.severity, a.headline, a.since, a.ended if ended else (a.has_it or "nobody"), a.about) for a in alerts
    ]
    last = (
        Column(name="ended", title="Over", unit="moment")
        if ended
        else Column(name="has_it", title="Who has it", unit="text")
    )
    return _table(
        name,
        title,
        (
            Column(name="severity", title="", unit="text"),
            Column(name="headline", title="What", unit="text"),
            Column(name="since", title="Since", unit="moment"),
            last,
            Column(name="alert", title="Alert", unit="text"),
        ),
        rows,
        empty=empty,
        most=15,
    )


def action_table(basis: Basis) -> Table:
    """The open actions, the oldest first, with owner and age."""
    rows: list[tuple[Value, ...]] = []
    for action in sorted(basis.actions, key=lambda a: (a.created_at, a.id)):
        if action.closed_at is None:
            age = (basis.at - datetime.fromisoformat(action.created_at)).days if action.created_at else None
            rows.append((action.text, action.assignee or "nobody yet", age, action.due or None, action.about or None))
    return _table(
        "actions",
        "Open actions",
        (
            Column(name="action", title="What", unit="text"),
            Column(name="owner", title="Who", unit="text"),
            Column(name="age", title="Open for", unit="days"),
            Column(name="due", title="By", unit="day"),
            Column(name="about", title="From", unit="text"),
        ),
        rows,
        empty="No action is open.",
        most=30,
    )
