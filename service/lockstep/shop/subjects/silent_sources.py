"""A source of the shop that has fallen silent while others go on: since when, and which numbers are as of then.

Facts go on with the time of all sources, so nothing in them looks old when one of them brings nothing more: a shop
whose visits are no longer told looks like one that nobody visits.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from lockstep.shop.day_sums import day_bounds, instant, known_at
from lockstep.shop.subjects.day_course import day_course
from lockstep.shop.whole_shop import Shop
from lockstep.text.days import day_text

LEAST_USUAL = 10
"""So many are usual in the hours in which nothing came: of fewer it may be chance (of ten once in 20,000 times)."""
STOCK_SILENT = timedelta(hours=24)
"""No stock of any product was told for so long: how often it is told differs from shop to shop."""
LOOKED_BACK_DAYS = 7

_COUNTED = {
    "orders": ("orders", "orders, revenue and the room that is left"),
    "sessions": ("visits", "visits and conversion"),
}
"""Count of HOURLY → (the source in words, the numbers that are made of it)."""


@dataclass(frozen=True)
class SilentSource:
    """what: comes no more, in words. since: from when on, to the hour for what is counted. usual: how many come in that
    time of today; None for stock. numbers: what is as of then."""

    what: str
    since: datetime
    usual: int | None
    numbers: str

    def sentence(self, shop: Shop, at: datetime) -> str:
        local = self.since.astimezone(shop.zone)
        day = "" if local.date() == shop.day_of(at) else f"{day_text(local.date())} "
        by_now = " by now" if day else ""
        usual = "" if self.usual is None else f", where {self.usual:,} are usual{by_now}"
        return (
            f"No {self.what} came since {day}{local:%H:%M}{usual}: {self.numbers} are as of then. Operations: ask "
            f"IT why no {self.what} come from the shop."
        )


def silent_sources(shop: Shop, at: datetime) -> list[SilentSource]:
    """Those of orders, traffic and stock that are silent; none on which nothing was ever told."""
    counted = (_silent_count(shop, name, *words, at) for name, words in _COUNTED.items())
    return [one for one in (*counted, _silent_stock(shop, at)) if one is not None]


def _silent_count(shop: Shop, name: str, what: str, numbers: str, at: datetime) -> SilentSource | None:
    today, moment = shop.day_of(at), known_at(shop, at)
    if shop.day_of(moment) != today or (shop.calendar is not None and "closed" in shop.calendar.kinds(today)):
        return None
    course = day_course(shop, today, name, at)
    hours = len(course.came) - 1  # the one that goes on says nothing yet
    first = max((hour + 1 for hour, count in enumerate(course.came) if count), default=0)
    usual = sum(course.usual[first:hours], Fraction(0))
    if first > hours or usual < LEAST_USUAL:
        return None
    since = day_bounds(today, shop.zone)[0] + timedelta(hours=first)
    for ago in range(1, LOOKED_BACK_DAYS + 1) if not first else ():
        day = today - timedelta(ago)
        facts = shop.day(day)
        numbers_of_day = [] if facts is None else facts.by_hour.get(name, [])
        last = max((hour + 1 for hour, count in enumerate(numbers_of_day) if count), default=0)
        if last:
            since = day_bounds(day, shop.zone)[0] + timedelta(hours=last)
            break
    return SilentSource(what, since, round(usual), numbers)


def _silent_stock(shop: Shop, at: datetime) -> SilentSource | None:
    newest = max((product.stock_at for product in shop.products.values() if product.stock_at), default="")
    if not newest or at - instant(newest) < STOCK_SILENT:
        return None
    return SilentSource("stock levels", instant(newest), None, "what is available and how long it lasts")
