"""What the shop can ship in a day, how much of it is used, and what room is left."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from lockstep.shop.day_sums import counted, day_bounds, instant
from lockstep.shop.facts import CapacityFacts, DayFacts
from lockstep.shop.forecast import Forecast, forecast
from lockstep.shop.shop_settings import ShopSettings
from lockstep.shop.whole_shop import Made, Shop
from lockstep.text.figures import number_text

MEASURES = ("capacity_today", "capacity_used", "capacity_projected", "room_left", "work_units_today", "forecast_gap")
"""What `measures` makes."""

WORK_DAYS = 28
WORK_PARTS = {"order": "orders", "line": "lines", "gift_wrap": "gift_wrapped", "special_shipping": "special_shipping"}
"""What work is made of in shop.yml → the count of COUNTS that it is of."""
LEAST_EXPECTED = 10
"""Where fewer orders are expected by now, nothing is said of a gap."""


_Parts = tuple[tuple[str, int | float | str], ...]


@dataclass(frozen=True)
class Capacity:
    """Orders a day. of: who says so, in words. is_closed: none, as the shop is closed. work: where capacity is counted
    in work units, these; orders are then as many as usual ones are so much work, and an_order is the work of one."""

    orders: Fraction
    of: str
    is_closed: bool = False
    work: Fraction | None = None
    an_order: Fraction = Fraction(1)


def capacity_of(shop: Shop, day: date) -> Capacity | None:
    """What can be shipped on a day: declared for it, else none on closed days, else what is usual of its weekday or of
    any day; None where nobody said.

    A declaration is for a day when it covers half of it, or half of itself lies in it (`from now until midnight`). Of
    two the one that was told later counts.
    """
    covering = [one for one in shop.capacities.values() if _is_for(one, day, shop)]
    if covering:
        latest = max(covering, key=lambda one: (instant(one.told_at or one.upto), one.starts, one.orders_per_day))
        if latest.work_units_per_day is not None:
            return _in_work(shop, day, latest.work_units_per_day, "declared for the day")
        return Capacity(Fraction(str(latest.orders_per_day)), "declared for the day")
    settings = shop.settings
    if settings.closed_capacity and shop.calendar is not None and "closed" in shop.calendar.kinds(day):
        return Capacity(Fraction(0), "a closed day", True)
    if day.weekday() in settings.capacity_by_weekday:
        return Capacity(Fraction(str(settings.capacity_by_weekday[day.weekday()])), f"of a {day:%A} in shop.yml")
    if settings.work_per_day is not None:
        return _in_work(shop, day, settings.work_per_day, "of any day in shop.yml")
    if settings.capacity_per_day is not None:
        return Capacity(Fraction(str(settings.capacity_per_day)), "of any day in shop.yml")
    return None


def _in_work(shop: Shop, day: date, units: float, of: str) -> Capacity:
    """So many work units as orders: whole ones, each as much work as an order of the last 28 days was on average."""
    known = shop.day_of(instant(shop.upto)) if shop.upto else day
    an_order = work_of_an_order(shop, min(day, known) - timedelta(1))
    work = Fraction(str(units))
    words = f"{of}: {number_text(float(work))} work units, {number_text(float(an_order))} an order"
    return Capacity(Fraction(work // an_order), words, work=work, an_order=an_order)


def work_of_an_order(shop: Shop, last: date) -> Fraction:
    """Work units of an order, the mean of 28 days up to `last`; without orders that of one with a single line."""
    counts = {name: counted(shop, name, last, WORK_DAYS) for name in ("orders", *WORK_PARTS.values())}
    work = work_units(counts, shop.settings) / counts["orders"] if counts["orders"] else Fraction(0)
    plain = shop.settings.work.get("order", Fraction(0)) + shop.settings.work.get("line", Fraction(0))
    return work or plain or Fraction(1)


def _is_for(one: CapacityFacts, day: date, shop: Shop) -> bool:
    starts, ends = instant(one.starts), instant(one.ends)
    begin, over = day_bounds(day, shop.zone)
    # `ends` is the last moment, so a second belongs to it.
    common = min(ends + timedelta(seconds=1), over) - max(starts, begin)
    if common <= timedelta(seconds=1):
        return False
    return 2 * common >= over - begin or 2 * common >= ends - starts


def no_capacity(shop: Shop, day: date, today: date) -> str:
    return f"no capacity is declared for {'today' if day == today else day.isoformat()}"


def measures(shop: Shop, at: datetime) -> dict[str, Made]:
    """What is of the whole shop and of today."""
    today = shop.day_of(at)
    facts = shop.day(today) or DayFacts(upto="", day=today.isoformat())
    expected = forecast(shop, today, at)
    capacity = capacity_of(shop, today)
    return {
        **_room(shop, facts, expected, capacity),
        "work_units_today": _work_today(shop, facts),
        "forecast_gap": _forecast_gap(expected),
    }


def _room(shop: Shop, facts: DayFacts, expected: Forecast | str, capacity: Capacity | None) -> dict[str, Made]:
    today = date.fromisoformat(facts.day)
    orders = facts.counts.get("orders", 0)
    why = no_capacity(shop, today, today)
    if capacity is None:
        return {
            "capacity_today": Made(None, "orders", (), why),
            "capacity_used": Made(None, "%", (), why),
            "capacity_projected": Made(None, "%", (), why),
            "room_left": Made(None, "orders", (), why),
        }
    ways = ((f"orders that can be shipped, {capacity.of}", float(capacity.orders)),)
    closed = "today is closed" if capacity.is_closed else "nothing can be shipped today"
    used = Made(None, "%", ways, closed)
    projected = Made(None, "%", ways, closed if not isinstance(expected, str) else expected)
    room = Made(None, "orders", ways, closed if capacity.is_closed else str(expected))
    if capacity.orders > 0:
        used = Made(orders / capacity.orders, "%", (("orders today", orders), *ways))
    if not isinstance(expected, str):
        made_of = (("orders expected today", expected.orders), *ways)
        if capacity.orders > 0:
            projected = Made(expected.orders / capacity.orders, "%", made_of)
        if not capacity.is_closed:
            room = Made(max(0, int(capacity.orders) - expected.orders), "orders", made_of)
    in_orders = {"capacity_used": used, "capacity_projected": projected, "room_left": room}
    in_work = {} if capacity.work is None else _in_work_units(shop, facts, expected, capacity, ways)
    return {"capacity_today": Made(capacity.orders, "orders", ways), **in_orders, **in_work}


def _in_work_units(
    shop: Shop, facts: DayFacts, expected: Forecast | str, capacity: Capacity, ways: _Parts
) -> dict[str, Made]:
    """What is used, projected and left where capacity is counted in work: today's orders by what they are, those that
    are still to come by what one usually is. Nothing where there is nothing to add to what orders say."""
    if not capacity.work:
        return {}
    done = work_units(facts.counts, shop.settings)
    made = {"capacity_used": Made(done / capacity.work, "%", (("work units today", float(done)), *ways))}
    if isinstance(expected, str):
        return made
    coming = max(0, expected.orders - facts.counts.get("orders", 0))
    whole = done + coming * capacity.an_order
    made_of = (("work units today", float(done)), ("orders still to come today", coming), *ways)
    room = max(Fraction(0), capacity.work - whole) // capacity.an_order
    return {
        **made,
        "capacity_projected": Made(whole / capacity.work, "%", made_of),
        "room_left": Made(room, "orders", made_of),
    }


def _work_today(shop: Shop, facts: DayFacts) -> Made:
    if not shop.days:
        return Made(None, "units", (), "nothing is known of orders yet")
    parts = ("orders", "lines", "gift_wrapped", "special_shipping")
    made_of = tuple((name.replace("_", " "), facts.counts.get(name, 0)) for name in parts)
    return Made(work_units(facts.counts, shop.settings), "units", made_of)


def work_units(counts: dict[str, int], settings: ShopSettings) -> Fraction:
    """The work in orders, in that of an order without anything: `work` of shop.yml says what each part costs."""
    return sum(
        (settings.work.get(part, Fraction(0)) * counts.get(name, 0) for part, name in WORK_PARTS.items()), Fraction(0)
    )


def _forecast_gap(expected: Forecast | str) -> Made:
    if isinstance(expected, str):
        return Made(None, "%", (), expected)
    by_now = expected.expected_so_far
    made_of = (("orders so far", expected.so_far), ("expected so far", round(float(by_now), 1)))
    if by_now < LEAST_EXPECTED:
        return Made(None, "%", made_of, f"fewer than {LEAST_EXPECTED} orders are expected by now")
    return Made((expected.so_far - by_now) / by_now, "%", made_of)
