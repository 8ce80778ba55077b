"""The figures of one day or stretch: what it came to, what is usual, a week before, and what was expected."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from statistics import median
from typing import Literal

from lockstep.reports.basis import Basis
from lockstep.reports.report_record import Figure, Report
from lockstep.shop.exchange import money_unit
from lockstep.shop.whole_shop import plain
from lockstep.text.figures import MONEY, whole

CURVE_DAYS = 14
"""Days of a small chart."""

Number = int | float | None
OfDay = Callable[[date], Number]
Good = Literal["up", "down", ""]


def _share(part: Number, whole: Number) -> Number:
    return part / whole if part is not None and whole else None


def _figure(
    basis: Basis,
    name: str,
    title: str,
    day: date,
    of: OfDay,
    *,
    unit: str = "",
    good: Good = "",
    forecast: Number = None,
) -> Figure:
    """The figure of a day. of: the number of any day; None where it is not known."""
    value = of(day)
    known = [number for d in basis.usual_days(day) if (number := of(d)) is not None]
    usual = median(known) if known else None
    if usual is not None and unit.startswith(MONEY):
        usual = whole(usual)
    return Figure(
        name=name,
        title=title,
        unit=unit,
        value=value,
        usual=plain(usual),
        week_before=of(day - timedelta(7)),
        forecast=forecast,
        good=good,
        curve=tuple(of(day - timedelta(n)) for n in range(CURVE_DAYS - 1, -1, -1)),
        why="" if value is not None else "no event told of it",
    )


def trade_figures(basis: Basis, day: date) -> tuple[Figure, ...]:
    """Visits, orders, conversion, revenue of a day that is over."""
    money = money_unit(basis.currency)

    def conversion(d: date) -> Number:
        return _share(basis.count(d, "orders"), basis.count(d, "sessions"))

    def order_value(d: date) -> Number:
        revenue, orders = basis.money(d, "revenue"), basis.count(d, "orders")
        return whole(Fraction(revenue, orders)) if revenue is not None and orders else None

    return (
        _figure(basis, "sessions", "Visits", day, _count_of(basis, "sessions"), good="up"),
        _figure(
            basis,
            "orders",
            "Orders",
            day,
            _count_of(basis, "orders"),
            good="up",
            forecast=basis.expected_at_start(day),
        ),
        _figure(basis, "conversion", "Conversion", day, conversion, unit="%", good="up"),
        _figure(basis, "revenue", "Revenue", day, _money_of(basis, "revenue"), unit=money, good="up"),
        _figure(basis, "order_value", "Value of an order", day, order_value, unit=money, good="up"),
    )


def fulfilment_figures(basis: Basis, day: date) -> tuple[Figure, ...]:
    """Shipped, late, hours to ship of a day that is over; the backlog of now."""

    def hours(d: date) -> Number:
        facts = basis.shop.day(d)
        return None if facts is None else facts.hours_to_ship

    def late(d: date) -> Number:
        return _share(basis.count(d, "late"), basis.count(d, "delivered"))

    return (
        _figure(basis, "shipped", "Shipped", day, _count_of(basis, "shipped"), good="up"),
        _figure(basis, "hours_to_ship", "Hours to ship", day, hours, unit="hours", good="down"),
        _figure(basis, "late", "Delivered late", day, late, unit="%", good="down"),
        made_figure(basis, "backlog", "Backlog now", good="down"),
        made_figure(basis, "backlog_age", "Oldest order in it", unit="hours", good="down"),
    )


def return_figures(basis: Basis, day: date) -> tuple[Figure, ...]:
    """What came back on a day that is over."""
    money = money_unit(basis.currency)
    return (
        _figure(basis, "returned_units", "Units returned", day, _count_of(basis, "returned_units"), good="down"),
        _figure(basis, "refunds", "Refunds", day, _money_of(basis, "refunds"), unit=money, good="down"),
        _figure(basis, "cancelled", "Orders cancelled", day, _count_of(basis, "cancelled"), good="down"),
    )


def spend_figures(basis: Basis, day: date) -> tuple[Figure, ...]:
    """What marketing spent on a day that is over."""
    money = money_unit(basis.currency)
    return (_figure(basis, "spend", "Spend", day, _money_of(basis, "spend"), unit=money),)


def made_figure(basis: Basis, name: str, title: str, *, unit: str = "", good: Good = "") -> Figure:
    """A business measure of the whole shop as of now."""
    made = basis.made("shop")[name]
    value = plain(made.value)
    if value is None and made.why:
        basis.not_known(f"{title.lower()}: {made.why}")
    return Figure(
        name=name, title=title, unit=unit or made.unit, value=value, good=good, made_of=made.made_of, why=made.why
    )


def today_figures(basis: Basis) -> tuple[Figure, ...]:
    """Today as it stands: what has come, what is expected, what can be shipped."""
    day = basis.today
    so_far = basis.count(day, "orders") or 0
    usual = [orders for d in basis.usual_days(day) if (orders := basis.count(d, "orders")) is not None]
    expected = made_figure(basis, "expected_today", "Orders expected today")
    return (
        Figure(
            name="expected_today",
            title=expected.title,
            value=expected.value,
            usual=plain(median(usual)) if usual else None,
            week_before=basis.count(day - timedelta(7), "orders"),
            made_of=(*expected.made_of, ("orders so far", so_far)),
            why=expected.why,
        ),
        made_figure(basis, "capacity_today", "Capacity today"),
        made_figure(basis, "capacity_projected", "Capacity it will use", unit="%", good="down"),
        made_figure(basis, "room_left", "Room for more orders"),
    )


def _count_of(basis: Basis, name: str) -> OfDay:
    return lambda day: basis.count(day, name)


def _money_of(basis: Basis, name: str) -> OfDay:
    return lambda day: basis.money(day, name)


def _known(days: Sequence[date], of: OfDay) -> list[int | float]:
    return [number for day in days if (number := of(day)) is not None]


def stretch_figures(
    basis: Basis, days: Sequence[date], before: Sequence[date], *, year_before: Report | None = None
) -> tuple[Figure, ...]:
    """Sums of days, beside those of the stretch before, which stand as `week_before`. year_before: the summary of the
    same month a year ago; None: there is none."""
    past = {f.name: f for section in year_before.sections for f in section.figures} if year_before is not None else {}
    money = money_unit(basis.currency)
    counts: tuple[tuple[str, str, Good], ...] = (
        ("sessions", "Visits", "up"),
        ("orders", "Orders", "up"),
        ("shipped", "Shipped", "up"),
        ("returned_units", "Units returned", "down"),
    )
    sums: tuple[tuple[str, str, Good], ...] = (
        ("revenue", "Revenue", "up"),
        ("spend", "Spend", ""),
        ("refunds", "Refunds", "down"),
    )

    def figure(name: str, title: str, of: OfDay, unit: str, good: Good) -> Figure:
        now, then, last_year = _known(days, of), _known(before, of), past.get(name)
        if last_year is not None and last_year.unit != unit:  # of a shop that told its money in another currency
            last_year = None
        return Figure(
            name=name,
            title=title,
            unit=unit,
            value=sum(now) if now else None,
            week_before=sum(then) if then else None,
            year_before=None if last_year is None else last_year.value,
            days=len(now),
            before_days=len(then),
            year_before_days=0 if last_year is None else last_year.days,
            good=good,
            curve=tuple(of(day) for day in [*before, *days][-2 * CURVE_DAYS :]),
            why="" if now else "nothing is known of it",
        )

    by_count = {name: figure(name, title, _count_of(basis, name), "", good) for name, title, good in counts}
    by_money = {name: figure(name, title, _money_of(basis, name), money, good) for name, title, good in sums}
    orders, sessions = by_count["orders"], by_count["sessions"]
    conversion = Figure(
        name="conversion",
        title="Conversion",
        unit="%",
        value=_share(orders.value, sessions.value),
        week_before=_share(orders.week_before, sessions.week_before),
        year_before=_share(orders.year_before, sessions.year_before),
        good="up",
        why="" if sessions.value else "there are no visits",
    )
    return (
        by_count["sessions"],
        by_count["orders"],
        conversion,
        by_money["revenue"],
        by_money["spend"],
        by_count["shipped"],
        by_count["returned_units"],
        by_money["refunds"],
    )
