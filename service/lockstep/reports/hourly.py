"""The hours of a launch: what came in the last whole hour and today, room that is left, stock of what is promoted."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

from lockstep.reports.basis import Basis
from lockstep.reports.cell_text import day_words, figure_text
from lockstep.reports.composed import composed, than
from lockstep.reports.day_figures import today_figures
from lockstep.reports.news import AlertNews
from lockstep.reports.report_record import Figure, Report, Section, Table
from lockstep.reports.tables.report_tables import campaign_table, ended_alerts, open_alerts
from lockstep.reports.tables.short_table import AVAILABLE, COVER, SKU, Row, number_column, short_table
from lockstep.response.standing import Action
from lockstep.shop.day_sums import instant
from lockstep.shop.whole_shop import Shop, plain


def hourly(
    shop: Shop, news: AlertNews, actions: Sequence[Action], at: datetime, *, late: int = 0, id: str = ""
) -> Report:
    """The report of the last whole hour before `at`. news: of that hour. late: minutes since it was due."""
    basis = Basis(shop, at, news, actions)
    local = at.astimezone(shop.zone)
    day = shop.day_of(at - timedelta(hours=1))
    # Hours since the day's first moment: on a day that changes its clocks there are 23 or 25.
    index = int((at - basis.start_of(day)).total_seconds() // 3600) - 1
    hour = tuple(_hour_figure(basis, name, title, day, index) for name, title in _HOURLY)
    now = today_figures(basis)
    by_name = {f.name: f for f in (*hour, *now)}
    hour_text = f"{(local - timedelta(hours=1)):%H:%M} to {local:%H:%M}"
    orders = by_name["orders"]
    came = "nothing is known of its orders"
    if orders.value is not None:
        hour_of = f"in this hour of a usual {day:%A}"
        usual = f", and none {hour_of}" if orders.usual == 0 else than(orders, orders.usual, hour_of)
        came = f"{figure_text(orders, shop.zone)} orders{usual}"
    sections = (
        Section(name="hour", title=f"The hour {hour_text}", figures=hour),
        Section(
            name="today", title=f"Today, {day_words(basis.today)}", figures=now, tables=(campaign_table(basis, 1),)
        ),
        Section(name="promoted", title="Stock of what is promoted", tables=(_promoted_table(basis),)),
        Section(name="alerts", title="Alerts", tables=(open_alerts(basis), ended_alerts(basis, "the last hour"))),
    )
    return composed(
        basis,
        "hourly",
        id=id or f"hourly/{at.astimezone(UTC):%Y-%m-%dT%HZ}",
        title=f"Launch report, {day_words(local)} {local:%H:%M}",
        covers=f"the hour to {local:%H:%M}",
        headline=f"{hour_text}: {came}.{_room_words(by_name, shop.zone)}",
        sections=sections,
        late=late,
        until=basis.start_of(basis.today + timedelta(1)),
    )


def _room_words(figures: Mapping[str, Figure], zone: ZoneInfo) -> str:
    """` Room for 25 more orders today.`, ` No room for more orders today: …`; "" where nobody knows."""
    room, expected, capacity = (figures[name] for name in ("room_left", "expected_today", "capacity_today"))
    if room.value is None:
        return ""
    if room.value:
        return f" Room for {figure_text(room, zone)} more orders today."
    if expected.value is None or capacity.value is None:
        return " No room for more orders today."
    numbers = f"{figure_text(expected, zone)} are expected and {figure_text(capacity, zone)} can be shipped"
    return f" No room for more orders today: {numbers}."


_HOURLY = (("sessions", "Visits"), ("orders", "Orders"), ("shipped", "Shipped"))


def _hour_figure(basis: Basis, name: str, title: str, day: date, index: int) -> Figure:
    """index: hours of the day before the one that is told."""

    def of(d: date) -> int | None:
        facts = basis.shop.day(d)
        end = basis.start_of(d) + timedelta(hours=index + 1)
        if facts is None or index < 0 or instant(facts.upto) < end - timedelta(minutes=10):
            return None
        hours = facts.by_hour.get(name, [])
        return hours[index] if index < len(hours) else 0

    known = [n for d in basis.usual_days(day) if (n := of(d)) is not None]
    facts = basis.shop.day(day)
    hours = facts.by_hour.get(name, []) if facts else []
    value = of(day)
    return Figure(
        name=name,
        title=title,
        value=value,
        usual=plain(median(known)) if known else None,
        week_before=of(day - timedelta(7)),
        good="up",
        curve=tuple(hours[: index + 1]),
        why="" if value is not None else "nothing is known of this hour",
    )


def _promoted_table(basis: Basis) -> Table:
    promoted = {sku for plan in basis.plans(1) for sku in plan.skus}
    rows: list[Row] = []
    for sku in sorted(promoted & basis.shop.products.keys()):
        product = basis.shop.products[sku]
        cover = basis.number("days_of_cover", "product", sku)
        sold = product.units[-1] if product.units and product.day == basis.today.isoformat() else None
        rows.append((sku, product.available, sold, cover))
    return short_table(
        "promoted",
        "Products of running campaigns",
        (SKU, AVAILABLE, number_column("sold", "Sold today"), COVER),
        rows,
        empty="No running campaign names a product.",
        most=30,
    )
