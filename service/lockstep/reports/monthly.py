"""The monthly summary: the month before, beside the one before it and the same one a year ago."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import msgspec

from lockstep.reports.basis import Basis
from lockstep.reports.cell_text import day_words, figure_text
from lockstep.reports.comparison import comparison_names
from lockstep.reports.composed import by_the_day, composed
from lockstep.reports.day_figures import stretch_figures
from lockstep.reports.news import AlertNews
from lockstep.reports.report_record import Report, Section
from lockstep.reports.tables.report_tables import (
    action_table,
    channel_table,
    ended_alerts,
    open_alerts,
    theme_table,
)
from lockstep.reports.tables.stock_tables import reorder_table, return_table, slow_table, supplier_table
from lockstep.response.standing import Action
from lockstep.shop.whole_shop import Shop


def monthly(
    shop: Shop,
    news: AlertNews,
    actions: Sequence[Action],
    at: datetime,
    *,
    year_before: Report | None = None,
    late: int = 0,
    id: str = "",
) -> Report:
    """The summary of the calendar month before the day of `at`; months are compared by the day.

    news: of that month. year_before: the summary of the same month a year ago; None: none was kept. late: minutes since
    it was due.
    """
    basis = Basis(shop, at, news, actions)
    last = basis.today.replace(day=1) - timedelta(1)
    days, before = _month(last), _month(last.replace(day=1) - timedelta(1))
    figures = stretch_figures(basis, days, before, year_before=year_before)
    _say_gaps_of(basis, days, before, year_before)
    sections = (
        Section(
            name="month",
            title=f"{last:%B %Y}",
            figures=figures,
            tables=(channel_table(basis, days[0], len(days)), theme_table(basis, days[0], len(days))),
        ),
        Section(
            name="products",
            title=f"Products, {day_words(basis.today)}",
            tables=(return_table(basis), slow_table(basis), reorder_table(basis), supplier_table(basis)),
        ),
        Section(
            name="alerts",
            title=f"Alerts, {day_words(basis.today)}",
            tables=(open_alerts(basis), ended_alerts(basis, f"{len(days)} days")),
        ),
        Section(name="actions", title=f"Actions, {day_words(basis.today)}", tables=(action_table(basis),)),
    )
    report = composed(
        basis,
        "monthly",
        id=id or f"monthly/{last:%Y-%m}",
        title=f"Monthly summary, {last:%B %Y}",
        covers=f"{day_words(days[0])} to {day_words(last, year=True)}",
        headline="",
        sections=sections,
        late=late,
    )
    return msgspec.structs.replace(report, headline=_headline(basis, report, last))


def _month(last: date) -> list[date]:
    """The days of the month of which this is the last one."""
    return [last.replace(day=n) for n in range(1, last.day + 1)]


def month_id(at: datetime, *, years_before: int = 0) -> str:
    """The id of the summary that is due at a local time; years_before: of the same month so many years ago."""
    last = at.date().replace(day=1) - timedelta(1)
    return f"monthly/{last.year - years_before:04}-{last.month:02}"


def _headline(basis: Basis, report: Report, last: date) -> str:
    """`November: 3,120 orders, 6% more a day than October; 80,400 EUR.`"""
    figures = {f.name: f for f in report.sections[0].figures}
    orders, revenue = figures["orders"], figures["revenue"]
    if orders.value is None:
        return f"{last:%B}: nothing is known of its orders."
    _, before, year_before, _ = comparison_names(report)
    said = by_the_day(orders, orders.week_before, orders.before_days, before)
    said += by_the_day(orders, orders.year_before, orders.year_before_days, year_before)
    zone = basis.shop.zone
    taken = "" if revenue.value is None else f"; {figure_text(revenue, zone)}"
    return f"{last:%B}: {figure_text(orders, zone)} orders{said}{taken}."


def _say_gaps_of(basis: Basis, days: Sequence[date], before: Sequence[date], year_before: Report | None) -> None:
    for month in (days, before):
        known = sum(basis.shop.day(day) is not None for day in month)
        if known < len(month):
            basis.not_known(f"{len(month) - known} of the {len(month)} days of {month[0]:%B}: nothing was told of them")
    if year_before is None:
        basis.not_known(f"{days[0]:%B} {days[0].year - 1}: no summary of it is kept, so nothing is compared with it")
