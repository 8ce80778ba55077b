"""The daily report: yesterday against usual, the same weekday and the forecast; today; what matters."""

from collections.abc import Sequence
from datetime import datetime

from lockstep.reports.basis import Basis, say_gaps
from lockstep.reports.cell_text import cell_text, change_text, day_words
from lockstep.reports.day_figures import (
    fulfilment_figures,
    return_figures,
    spend_figures,
    today_figures,
    trade_figures,
)
from lockstep.reports.matters import matters
from lockstep.reports.news import AlertNews
from lockstep.reports.report_record import Figure, Report, Section
from lockstep.reports.tables.report_tables import (
    action_table,
    campaign_table,
    channel_table,
    ended_alerts,
    open_alerts,
    theme_table,
)
from lockstep.reports.tables.stock_tables import back_table, late_table, return_table, stock_table
from lockstep.response.standing import Action
from lockstep.shop.whole_shop import Shop
from lockstep.text.rfc3339 import rfc3339_of

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
            figures=(*trade, *spend_figures(basis, yesterday)),
            tables=(channel_table(basis, yesterday, 1),),
        ),
        Section(
            name="today",
            title=f"Today, {day_words(today)}",
            figures=now,
            tables=(campaign_table(basis, CAMPAIGN_DAYS),),
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
    say_gaps(basis)
    return Report(
        id=id or f"daily/{today.isoformat()}",
        kind="daily",
        at=rfc3339_of(at),
        zone=shop.zone.key,
        currency=basis.currency,
        title=f"Daily report, {day_words(today, year=True)}",
        covers=day_words(yesterday, year=True),
        headline=headline(basis, "Yesterday", trade, now),
        matters=matters(basis),
        sections=sections,
        unknown=tuple(basis.unknown),
        late=late,
    )


def headline(basis: Basis, when: str, trade: Sequence[Figure], now: Sequence[Figure], *, than: str = "usual") -> str:
    """than: what `usual` of the figures is.

    `Yesterday 312 orders and 8,420 GBP, +12% against usual; today 330 expected of 400 that can be shipped.`"""
    figures = {f.name: f for f in (*trade, *now)}
    zone = basis.shop.zone

    def text(name: str) -> str:
        return cell_text(figures[name].value, figures[name].unit, zone)

    orders = figures["orders"]
    if orders.value is None:
        begin = f"{when}: nothing is known of its orders"
    else:
        change = change_text(orders.value, orders.usual, "")
        against = "" if not change else f", as many as {than}" if change == "the same" else f", {change} against {than}"
        begin = f"{when} {text('orders')} orders{against}, {text('revenue')} of revenue"
    expected, capacity = figures.get("expected_today"), figures.get("capacity_today")
    if expected is None or expected.value is None:
        return f"{begin}."
    today = f"today {text('expected_today')} are expected"
    if capacity is not None and capacity.value is not None:
        today += f" and {text('capacity_today')} can be shipped"
    return f"{begin}; {today}."
