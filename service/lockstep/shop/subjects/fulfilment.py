"""Orders that wait to be shipped, how old the oldest is, and deliveries that came late."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from lockstep.shop.day_sums import counted, day_bounds, facts_of, known_at, last_days
from lockstep.shop.whole_shop import Made, Shop

MEASURES = ("backlog", "backlog_age", "late_rate")
"""What `measures` makes."""

BACKLOG_DAYS = 28
LATE_DAYS = 7
LEAST_DELIVERED = 20


@dataclass(frozen=True)
class Backlog:
    """orders: that wait. hours: age of the oldest. at_the_start: how many waited when the 28 days began, as it is
    estimated. is_older: whether the oldest is of the time before them."""

    orders: int
    hours: Fraction
    placed: int
    gone: int
    at_the_start: int
    is_older: bool


def backlog(shop: Shop, at: datetime) -> Backlog:
    """First in, first out, by the hour: shipped and cancelled orders are the oldest ones that wait.

    How many waited when the 28 days began is not told by any fact. It is taken from how long orders took then: as many
    as come in so many hours. An order that is neither shipped nor cancelled for 28 days is not looked at any longer; of
    some that are never shipped (vouchers) the backlog is too large by what came in 28 days of them: cancel them, or
    tell them as shipped.
    """
    today, now = shop.day_of(at), known_at(shop, at)
    open_before = _waiting_at_start(shop, today)
    placed = gone = 0
    left = open_before  # of those that waited at the start
    queue: deque[tuple[datetime, int]] = deque()
    for moment, came, went in _hours(shop, today):
        placed += came
        gone += went
        if came > 0:
            queue.append((moment, came))
        taken = min(went, left)
        left, went = left - taken, went - taken
        while went > 0 and queue:
            first, count = queue.popleft()
            if count > went:
                queue.appendleft((first, count - went))
            went -= min(went, count)
    orders = left + sum(count for _, count in queue)
    begin = day_bounds(today - timedelta(BACKLOG_DAYS - 1), shop.zone)[0]
    oldest = begin if left else queue[0][0] if queue else now
    hours = Fraction(max(0, int((now - oldest).total_seconds())), 3600)
    return Backlog(orders, hours, placed, gone, open_before, left > 0)


def _hours(shop: Shop, today: date) -> Iterator[tuple[datetime, int, int]]:
    """(its first moment, orders placed, orders shipped or cancelled) of each hour in which anything was."""
    for day in last_days(today, BACKLOG_DAYS):
        facts = shop.day(day)
        if facts is None:
            continue
        placed, shipped, cancelled = (facts.by_hour.get(name, []) for name in ("orders", "shipped", "cancelled"))
        begin = day_bounds(day, shop.zone)[0]
        for n in range(max(len(placed), len(shipped), len(cancelled))):
            came, went = _at(placed, n), _at(shipped, n) + _at(cancelled, n)
            if came or went:
                yield begin + timedelta(hours=n), came, went


def _at(numbers: list[int], n: int) -> int:
    return numbers[n] if n < len(numbers) else 0


def _waiting_at_start(shop: Shop, today: date) -> int:
    """Orders a day times the days that orders took (Little's law), over the first week of the 28 days that is known."""
    first = today - timedelta(BACKLOG_DAYS - 1)
    if shop.first_day:
        first = max(first, date.fromisoformat(shop.first_day))
    week = list(facts_of(shop, min(first + timedelta(6), today - timedelta(1)), 7))
    hours = [
        (Fraction(str(f.hours_to_ship)), f.counts.get("shipped", 0))
        for f in week
        if f.hours_to_ship is not None and f.counts.get("shipped")
    ]
    shipped = sum(count for _, count in hours)
    if not shipped:
        return 0
    mean = sum(took * count for took, count in hours) / shipped
    return round(Fraction(shipped, len(week)) * mean / 24)


def measures(shop: Shop, at: datetime) -> dict[str, Made]:
    if not shop.days:
        nothing = "nothing is known of orders yet"
        return {
            "backlog": Made(None, "orders", (), nothing),
            "backlog_age": Made(None, "hours", (), nothing),
            "late_rate": Made(None, "%", (), nothing),
        }
    return {**_backlog_made(shop, at), "late_rate": _late_rate(shop, at)}


def _backlog_made(shop: Shop, at: datetime) -> dict[str, Made]:
    known = backlog(shop, at)
    made_of = (
        (f"orders placed in {BACKLOG_DAYS} days", known.placed),
        ("shipped or cancelled in them", known.gone),
        ("waiting when they began, estimated from the hours that orders took", known.at_the_start),
    )
    if not known.gone:
        why = f"no order was told to be shipped in {BACKLOG_DAYS} days"
        return {"backlog": Made(None, "orders", made_of, why), "backlog_age": Made(None, "hours", made_of, why)}
    return {
        "backlog": Made(known.orders, "orders", made_of),
        "backlog_age": Made(known.hours, "hours", (("orders in the backlog", known.orders), *made_of)),
    }


def _late_rate(shop: Shop, at: datetime) -> Made:
    today = shop.day_of(at)
    delivered, late = (counted(shop, name, today, LATE_DAYS) for name in ("delivered", "late"))
    made_of = ((f"late deliveries of {LATE_DAYS} days", late), ("all of them", delivered))
    if delivered < LEAST_DELIVERED:
        why = f"fewer than {LEAST_DELIVERED} deliveries are known of {LATE_DAYS} days"
        return Made(None, "%", made_of, why)
    return Made(Fraction(late, delivered), "%", made_of)
