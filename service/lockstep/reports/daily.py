"""The daily report: yesterday against usual, the same weekday and the forecast; today; what matters."""

from collections.abc import Sequence
from datetime import datetime

from lockstep.reports.basis import Basis
from lockstep.reports.cell_text import day_words, figure_text
from lockstep.reports.composed import composed, than, today_words
from lockstep.reports.day_figures import (
    fulfilment_figures,
    return_figures,
    spend_figures,
    today_figures,
    trade_figures,
)
from lockstep.reports.news import AlertNews
from lockstep.reports.report_record import Figure, Report, Section
from lockstep.reports.tables.report_tables import (
    action_table,
    calendar_table,
    campaign_table,
    channel_table,
    ended_alerts,
    open_alerts,
    theme_table,
)
from lockstep.reports.tables.stock_tables import back_table, late_table, return_table, stock_table
from lockstep.response.standing import Action
from lockstep.shop.whole_shop import Shop

CAMPAIGN_DAYS = 14


def daily(
    shop: Shop, news: AlertNews, actions: Sequence[Action], at: datetime, *, late: int = 0, id: str = ""
) -> Report:
    """The report of the day before `at`, and of that day as it begins.

    news: of the 24 hours before `at`. late: minutes since it was due. id: `daily/` and the day of `at` where it is "".
    """
    basis = Basis(shop, at, news, actions)
    yesterday, today = basis.yesterday, basis.today
    trade, now = trade_figures(basis, yesterday), today_figures(basis)
    sections = (
        Section(
            name="yesterday",
            title=f"Yesterday, {day_words(yesterday)}",
            note=f"Beside each number: a usual {yesterday:%A}, the {yesterday:%A} before, and what was expected.",
            figures=(*trade, *spend_figures(basis, yesterday)),
            tables=(channel_table(basis, yesterday, 1),),
        ),
        Section(
            name="today",
            title=f"Today, {day_words(today)}",
            figures=now,
            tables=(campaign_table(basis, CAMPAIGN_DAYS), calendar_table(basis, CAMPAIGN_DAYS)),
        ),
        Section(name="stock", title="Stock", tables=(stock_table(basis), back_table(basis), late_table(basis))),
        Section(name="fulfilment", title="Fulfilment", figures=fulfilment_figures(basis, yesterday)),
        Section(
            name="returns",
            title="Returns",
            figures=return_figures(basis, yesterday),
            tables=(return_table(basis),),
        ),
        Section(name="feedback", title="What customers said", tables=(theme_table(basis, yesterday, 1),)),
        Section(name="alerts", title="Alerts", tables=(open_alerts(basis), ended_alerts(basis, "24 hours"))),
        Section(name="actions", title="Actions", tables=(action_table(basis),)),
    )
    return composed(
        basis,
        "daily",
        id=id or f"daily/{today.isoformat()}",
        title=f"Daily report, {day_words(today, year=True)}",
        covers=day_words(yesterday, year=True),
        headline=headline(
            basis, "Yesterday", trade, before=f"the {yesterday:%A} before", ahead=today_words(basis, now)
        ),
        sections=sections,
        late=late,
    )


def headline(basis: Basis, when: str, trade: Sequence[Figure], *, before: str, ahead: str) -> str:
    """`Yesterday: 312 orders, 12% more than a usual Sunday; 8,420 GBP. Today 330 are expected, 400 can be shipped.`

    before: what stands as `week_before`, which orders are compared with where nothing is usual. ahead: what is
    to come, a sentence behind a space; "": nobody knows.
    """
    figures = {f.name: f for f in trade}
    orders, revenue = figures["orders"], figures["revenue"]
    if orders.value is None:
        return f"{when}: nothing is known of its orders.{ahead}"
    zone, is_usual, end = basis.shop.zone, orders.usual is not None, basis.known_until(basis.yesterday)
    compared = than(
        orders,
        orders.usual if is_usual else orders.week_before,
        f"a usual {basis.yesterday:%A}" if is_usual else before,
    )
    if end is not None:
        compared = f" until {day_words(end.astimezone(zone))} {end.astimezone(zone):%H:%M}, where what is known ends"
    taken = "" if revenue.value is None else f"; {figure_text(revenue, zone)}"
    return f"{when}: {figure_text(orders, zone)} orders{compared}{taken}.{ahead}"
