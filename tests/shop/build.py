"""Hand-made shops, short to write. Any test has it as `from shop_build import …` (tests/conftest.py names it so).

    shop = shop_of(
        *history(weeks=8, web={"orders": 60, "sessions": 2_000}, app={"orders": 40, "sessions": 1_000}),
        *today("12:00", web={"orders": 25, "sessions": 900}),
        product("A-1", sells=4, stock=40, receipts=[receipt(500, "2026-12-04")]),
        plan("SUMMER", "2026-12-02", "2026-12-05", ["A-1"], orders=300),
        capacity(150, "2026-11-30"),
    )
    business(shop, "product", ("A-1",), NOON)["days_of_cover"].value == 10

TODAY is Monday, 30 November 2026, in Berlin. Orders of a day are spread over its hours as HOURS says.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from lockstep.calendar import Calendar, Entry, calendar_of
from lockstep.shop.facts import (
    COUNTS,
    HOURLY,
    MONEY,
    CapacityFacts,
    DayFacts,
    Fact,
    Lot,
    Place,
    PlanFacts,
    ProductFacts,
    Receipt,
)
from lockstep.shop.shop_settings import ShopSettings
from lockstep.shop.whole_shop import Shop
from lockstep.text.rfc3339 import rfc3339_of

BERLIN = ZoneInfo("Europe/Berlin")
TODAY = date(2026, 11, 30)
HOURS = (0, 0, 0, 0, 0, 0, 0, 0, 4, 6, 8, 8, 8, 6, 6, 6, 6, 8, 10, 12, 8, 4, 0, 0)
"""Of 100 orders of a day, how many come in each hour of the wall clock: 26 by noon."""

EUR = ShopSettings(currency="EUR")


def at(clock: str = "12:00", day: date | str = TODAY, zone: ZoneInfo = BERLIN) -> datetime:
    """An instant by the wall clock: `at("06:00", "2026-12-01")`."""
    of = date.fromisoformat(day) if isinstance(day, str) else day
    return datetime.combine(of, time.fromisoformat(clock), zone)


NOON = at("12:00")


def shop_of(
    *facts: Fact,
    settings: ShopSettings = EUR,
    calendar: Calendar | None = None,
    zone: ZoneInfo = BERLIN,
    **changed: Any,
) -> Shop:
    """A shop of these facts; changed: settings that are other than `settings`."""
    of = ShopSettings(**{**{f: getattr(settings, f) for f in settings.__dataclass_fields__}, **changed})
    shop = Shop(zone, of, calendar)
    for fact in facts:
        shop.put(fact)
    return shop


def marked(*, closed: Sequence[str] = (), holidays: Sequence[str] = (), campaigns: Sequence[str] = ()) -> Calendar:
    """A calendar with these days, `2026-12-25`."""
    days = {"closed": closed, "holiday": holidays, "campaign": campaigns}
    calendar = calendar_of(
        Entry(kind, f"{kind} {day}", first=date.fromisoformat(day), last=date.fromisoformat(day))
        for kind, listed in days.items()
        for day in listed
    )
    assert calendar is not None
    return calendar


# ---- days -----------------------------------------------------------------------------------------------------------


def hours_of(day: date, count: int, until: datetime | None = None, zone: ZoneInfo = BERLIN) -> list[int]:
    """A count spread over the hours of a day as HOURS says: 23 to 25 of them, fewer where it goes on `until`."""
    moment, end = at("00:00", day, zone).astimezone(UTC), at("00:00", day + timedelta(1), zone).astimezone(UTC)
    last = end if until is None else min(end, until.astimezone(UTC))
    numbers, weights, seen = [], [], 0
    while moment < last:
        weights.append(HOURS[moment.astimezone(zone).hour])
        moment += timedelta(hours=1)
    whole = sum(weights) or 1
    for n in range(len(weights)):
        upto = count * sum(weights[: n + 1]) // whole
        numbers.append(upto - seen)
        seen = upto
    return numbers


def day(
    day: date | str,
    channel: str = "",
    *,
    upto: datetime | None = None,
    currency: str = "EUR",
    zone: ZoneInfo = BERLIN,
    **numbers: Any,
) -> DayFacts:
    """One day of one channel. numbers: by the names of COUNTS, MONEY (minor units, or by currency) and any other field.

    upto: None for a day that is over. The counts of HOURLY are spread over its hours, but for those that
    `by_hour={"orders": […]}` gives.
    """
    of = date.fromisoformat(day) if isinstance(day, str) else day
    counts = {name: numbers.pop(name) for name in COUNTS if name in numbers}
    money = {name: numbers.pop(name) for name in MONEY if name in numbers}
    given = numbers.pop("by_hour", {})
    by_hour = {name: hours_of(of, counts[name], upto, zone) for name in HOURLY if counts.get(name)}
    return DayFacts(
        upto=rfc3339_of(upto or at("00:00", of + timedelta(1), zone)),
        day=of.isoformat(),
        channel=channel,
        counts={**counts, **{name: sum(hours) for name, hours in given.items()}},
        money={name: amount if isinstance(amount, dict) else {currency: amount} for name, amount in money.items()},
        by_hour={**by_hour, **given},
        **numbers,
    )


def days(
    of: date | str, *, upto: datetime | None = None, whole: Any = None, **channels: dict[str, Any]
) -> list[DayFacts]:
    """A day of each channel and of the whole shop, which has their sums; whole: what it has besides."""
    parts = [day(of, channel, upto=upto, **numbers) for channel, numbers in channels.items()]
    counts: dict[str, int] = {}
    money: dict[str, dict[str, int]] = {}
    hours: dict[str, list[int]] = {}
    for part in parts:
        for name, count in part.counts.items():
            counts[name] = counts.get(name, 0) + count
        for name, amounts in part.money.items():
            for currency, amount in amounts.items():
                sums = money.setdefault(name, {})
                sums[currency] = sums.get(currency, 0) + amount
        for name, numbers in part.by_hour.items():
            known = hours.setdefault(name, [0] * len(numbers))
            hours[name] = [a + b for a, b in zip(known, numbers, strict=True)]
    return [*parts, day(of, upto=upto, by_hour=hours, **{**counts, **money, **(whole or {})})]


def history(
    weeks: int = 8,
    until: date | str = TODAY,
    *,
    whole: Any = None,
    weekdays: Sequence[float] = (1,) * 7,
    **channels: Any,
) -> list[DayFacts]:
    """Whole days of so many weeks before `until`, all alike. weekdays: factors of the counts, Monday first.

    Without channels it is of the whole shop alone: `history(whole={"orders": 100})`.
    """
    end = date.fromisoformat(until) if isinstance(until, str) else until
    facts: list[DayFacts] = []
    for n in range(7 * weeks, 0, -1):
        of = end - timedelta(n)
        factor = weekdays[of.weekday()]
        facts += days(
            of,
            whole=_times(whole or {}, factor),
            **{channel: _times(numbers, factor) for channel, numbers in channels.items()},
        )
    return facts


def _times(numbers: dict[str, Any], factor: float) -> dict[str, Any]:
    return {name: round(n * factor) if isinstance(n, int) else n for name, n in numbers.items()}


def today(clock: str = "12:00", *, whole: Any = None, **channels: dict[str, Any]) -> list[DayFacts]:
    """TODAY up to a clock; the numbers are what has come so far."""
    return days(TODAY, upto=at(clock), whole=whole, **channels)


# ---- products -------------------------------------------------------------------------------------------------------


def product(
    sku: str = "A-1",
    *,
    sells: int | Sequence[int] = 0,
    stock: int | None = 0,
    known_days: int = 56,
    upto: datetime = NOON,
    out_of_stock: Iterable[int] = (),
    held: dict[str, int] | None = None,
    held_since: str = "",
    **fields: Any,
) -> ProductFacts:
    """A product with lists of so many days before today, and today, on which nothing was sold yet.

    sells: units a day, or the whole list. out_of_stock: days ago on which it could not be bought, 1 is yesterday; it
    sells nothing then. stock: available at the location "", None where none was told. held: location → units.
    """
    of = upto.astimezone(BERLIN).date()
    out = set(out_of_stock)
    if isinstance(sells, int):
        units = [0 if ago in out else sells for ago in range(known_days, 0, -1)] + [0]
    else:
        units = list(sells)
    in_stock = [int(ago not in out) for ago in range(len(units) - 1, -1, -1)]
    places = {"": Place(available=stock, at=rfc3339_of(upto))} if stock is not None else {}
    for location, count in (held or {}).items():
        known = places.get(location, Place(at=rfc3339_of(upto)))
        places[location] = Place(available=known.available, held=count, held_since=held_since, at=known.at)
    given: dict[str, Any] = {
        "units": units,
        "in_stock": in_stock,
        "available": stock,
        "stock_at": rfc3339_of(upto) if stock is not None else "",
        "places": places,
        "listed_on": (of - timedelta(len(units) - 1)).isoformat(),
        "currency": "EUR",
        **fields,
    }
    return ProductFacts(upto=rfc3339_of(upto), sku=sku, day=of.isoformat(), **given)


def receipt(
    quantity: int, on: str, *, first: str = "", order: str = "PO-1", status: str = "planned", **fields: Any
) -> Receipt:
    """A delivery to the shop, expected on a day; first: the day that was told first."""
    return Receipt(
        quantity=quantity, expected_on=on, first_expected_on=first or on, status=status, purchase_order=order, **fields
    )


def lot(quantity: int, expires_on: str, name: str = "L-1", location: str = "") -> Lot:
    return Lot(lot=name, quantity=quantity, expires_on=expires_on, location=location)


# ---- plans and capacity ---------------------------------------------------------------------------------------------


def plan(
    campaign: str,
    first: str,
    last: str,
    skus: Sequence[str] = (),
    *,
    orders: float | None = None,
    sessions: float | None = None,
    **fields: Any,
) -> PlanFacts:
    """A campaign over whole days, first and last included; `starts` and `ends` may be given instead."""
    given: dict[str, Any] = {
        "starts": rfc3339_of(at("00:00", first)),
        "ends": rfc3339_of(at("23:59:59", last)),
        "told_at": rfc3339_of(_a_week_before(first)),
        **fields,
    }
    return PlanFacts(
        upto=given["told_at"],
        campaign=campaign,
        skus=list(skus),
        expected_orders=orders,
        expected_sessions=sessions,
        **given,
    )


def capacity(per_day: float, first: str, last: str = "", *, told_at: datetime | None = None) -> CapacityFacts:
    """What operations declared for whole days, first and last included (last: the first alone)."""
    starts = at("00:00", first)
    told = rfc3339_of(told_at or _a_week_before(first))
    return CapacityFacts(
        upto=told,
        starts=rfc3339_of(starts),
        ends=rfc3339_of(at("23:59:59", last or first)),
        orders_per_day=per_day,
        told_at=told,
    )


def _a_week_before(first: str) -> datetime:
    return at("00:00", min(date.fromisoformat(first), TODAY) - timedelta(7))
