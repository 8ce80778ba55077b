"""Sums over the days of a shop, and where its days begin and end."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from lockstep.shop.facts import DayFacts, Money, PlanFacts, ProductFacts
from lockstep.shop.whole_shop import Shop


@lru_cache(maxsize=4_096)
def instant(text: str) -> datetime:
    """RFC 3339 as an aware datetime in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


@lru_cache(maxsize=4_096)
def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """First moment of a day and of the next, in UTC: 23 to 25 hours lie between."""
    start = datetime.combine(day, time(), zone).astimezone(UTC)
    return start, datetime.combine(day + timedelta(1), time(), zone).astimezone(UTC)


def known_at(shop: Shop, at: datetime) -> datetime:
    """Up to when the shop is known: `at`, or where its facts end, if that is earlier."""
    return min(at.astimezone(UTC), instant(shop.upto)) if shop.upto else at.astimezone(UTC)


def last_days(last: date, count: int) -> Iterator[date]:
    """`count` days up to and with `last`, the oldest first."""
    return (last - timedelta(n) for n in range(count - 1, -1, -1))


def facts_of(shop: Shop, last: date, count: int, channel: str = "") -> Iterator[DayFacts]:
    """What is known of the `count` days up to and with `last`."""
    for day in last_days(last, count):
        facts = shop.day(day, channel)
        if facts is not None:
            yield facts


def counted(shop: Shop, name: str, last: date, count: int, channel: str = "") -> int:
    """How many of a count of COUNTS, in the `count` days up to and with `last`."""
    return sum(facts.counts.get(name, 0) for facts in facts_of(shop, last, count, channel))


def paid(shop: Shop, name: str, last: date, count: int, channel: str = "") -> Money:
    """How much money of MONEY, likewise, by currency."""
    sums: Money = {}
    for facts in facts_of(shop, last, count, channel):
        add_money(sums, facts.money.get(name, {}))
    return sums


def add_money(sums: Money, more: Money) -> None:
    for currency, minor in more.items():
        sums[currency] = sums.get(currency, 0) + minor


def plan_bounds(plan: PlanFacts) -> tuple[datetime, datetime]:
    """First moment of a campaign, and the one after its last."""
    return _bounds(plan.starts, plan.ends)


@lru_cache(maxsize=4_096)
def _bounds(starts: str, ends: str) -> tuple[datetime, datetime]:
    start, last = instant(starts), instant(ends)
    # Somebody who writes 23:59 or 23:59:59 means the whole day.
    end = last.replace(second=0, microsecond=0) + timedelta(minutes=1) if last.minute == 59 else last
    return start, max(start, end)


def plan_days(plan: PlanFacts, zone: ZoneInfo) -> tuple[date, date]:
    """First and last day of a campaign, in the shop's zone."""
    return _days(plan.starts, plan.ends, zone)


@lru_cache(maxsize=4_096)
def _days(starts: str, ends: str, zone: ZoneInfo) -> tuple[date, date]:
    start, end = _bounds(starts, ends)
    last = max(start, end - timedelta(seconds=1))
    return start.astimezone(zone).date(), last.astimezone(zone).date()


def is_running(plan: PlanFacts, at: datetime) -> bool:
    start, end = plan_bounds(plan)
    return not plan.cancelled and start <= at < end


def on_days(product: ProductFacts, numbers: list[int], last: date, count: int, *, since: int = 0) -> list[int]:
    """A list of a product over the `count` days up to and with `last`, the oldest first.

    Fewer where the list does not reach back so far. since: what a day has that came after the facts were written.
    """
    ahead = (last - date.fromisoformat(product.day)).days
    reached = [*numbers, *[since] * min(ahead, count)] if ahead > 0 else numbers[: len(numbers) + ahead]
    return reached[-count:] if count else []
