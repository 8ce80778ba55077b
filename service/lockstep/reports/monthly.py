"""The monthly summary: the month before, beside the one before it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from lockstep.reports.basis import Basis, say_gaps
from lockstep.reports.cell_text import cell_text, change_text, day_words
from lockstep.reports.day_figures import stretch_figures
from lockstep.reports.matters import matters
from lockstep.reports.news import AlertNews
from lockstep.reports.report_record import Report, Section
from lockstep.reports.tables.report_tables import action_table, channel_table, ended_alerts, open_alerts, theme_table
from lockstep.reports.tables.stock_tables import reorder_table, return_table, slow_table, supplier_table
from lockstep.response.standing import Action
from lockstep.shop.whole_shop import Shop
from lockstep.text.rfc3339 import rfc3339_of


def monthly(
    shop: Shop, news: AlertNews, actions: Sequence[Action], at: datetime, *, late: int = 0, id: str = ""
) -> Report:
    """The summary of the calendar month before the day of `at`, in as many days beside those before it.

    news: of that month. late: minutes since it was due.
    """
    basis = Basis(shop, at, news, actions)
    last = basis.today.replace(day=1) - timedelta(1)
    first, count = last.replace(day=1), last.day
    figures = stretch_figures(basis, first, count)
    by_name = {f.name: f for f in figures}
    known = sum(shop.day(first + timedelta(n)) is not None for n in range(count))
    if known < count:
        basis.not_known(f"{count - known} of the {count} days: no fact of them is there")
    orders, revenue = by_name["orders"], by_name["revenue"]
    change = change_text(orders.value, orders.week_before, "")
    said = f"{f', {change} against the {count} days before' if change else ''}"
    headline = (
        f"{last:%B}: {cell_text(orders.value, '', shop.zone)} orders{said}, "
        f"{cell_text(revenue.value, revenue.unit, shop.zone)} of revenue."
    )
    sections = (
        Section(
            name="month",
            title=f"{last:%B %Y}",
            figures=figures,
            tables=(channel_table(basis, first, count), theme_table(basis, first, count)),
        ),
        Section(
            name="products",
            title="Products, as of now",
            tables=(return_table(basis), slow_table(basis), reorder_table(basis), supplier_table(basis)),
        ),
        Section(name="alerts", title="Alerts", tables=(open_alerts(basis), ended_alerts(basis, f"{count} days"))),
        Section(name="actions", title="Actions", tables=(action_table(basis),)),
    )
    say_gaps(basis)
    return Report(
        id=id or f"monthly/{last:%Y-%m}",
        kind="monthly",
        at=rfc3339_of(at),
        zone=shop.zone.key,
        currency=basis.currency,
        title=f"Monthly summary, {last:%B %Y}",
        covers=f"{day_words(first)} to {day_words(last, year=True)}",
        headline=headline,
        matters=matters(basis),
        sections=sections,
        unknown=tuple(basis.unknown),
        late=late,
    )
