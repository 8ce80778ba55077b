"""When the numbers of an answer to a campaign are so much other than those that both teams were told that they hear it.

An answer is made anew every quarter of an hour, and its numbers are never quite the same. Under the same verdict it is
told again only where a team would act otherwise: a product runs out two days earlier or later, or no longer does; a
day's expected orders are other by more than a fifth, and by more than chance; what can be shipped is other by more than
a tenth. Numbers are compared with those that were told, not with those of the step before, and not within a day of
being told. So what swings about a border is told once a day at most, and what creeps is told once it has come far.

Only days to come are looked at: of today other rules tell, and its forecast moves with each hour.
"""

from collections.abc import Iterator
from datetime import date, timedelta

from msgspec.structs import replace

from lockstep.shop.day_sums import instant
from lockstep.shop.facts import PlanNumbers
from lockstep.text.days import day_text

QUIET = timedelta(hours=24)
"""So long after an answer was told the same verdict is not told again."""
FEWEST_DAYS = 2
"""A product that runs out is told again when it is so many days earlier or later; as many as the campaign has, where
that is one. To last counts as running out on the day after its end."""


def told_next(
    last_told: PlanNumbers, now: PlanNumbers, stretch: tuple[date, date], *, today: date
) -> PlanNumbers | None:
    """The numbers that both teams are to be told; None while those that they were told will do.

    last_told: what they were told last. now: what the answer says, at its `at`. stretch: first and last day of the
    campaign that are not over. today: the shop's day of that instant.
    """
    if instant(now.at) - instant(last_told.at) < QUIET:
        return None
    changed = changes(last_told, now, stretch, today=today)
    return replace(now, revision=last_told.revision + 1, changed=changed) if changed else None


def changes(last_told: PlanNumbers, now: PlanNumbers, stretch: tuple[date, date], *, today: date) -> list[str]:
    """What is notably other than both teams were told, sentences; see `told_next`."""
    return [*_moved_stock(last_told, now, stretch), *_moved_days(last_told, now, today)]


def _moved_stock(last_told: PlanNumbers, now: PlanNumbers, stretch: tuple[date, date]) -> Iterator[str]:
    first, last = stretch
    fewest = min(FEWEST_DAYS, (last - first).days + 1)
    for sku in sorted({*last_told.out_from, *now.out_from}):
        # It was told to be out from a day on: if that is over by now, from the first that is not.
        before, after = (max(first, _out_from(numbers, sku, last)) for numbers in (last_told, now))
        if abs((after - before).days) < fewest:
            continue
        if after > last:
            yield f"Product {sku} lasts until it ends now; it was to be sold out from {day_text(before)}."
        elif before > last:
            yield f"Product {sku} is sold out from {day_text(after)} now; it was to last until it ends."
        else:
            yield f"Product {sku} is sold out from {day_text(after)} now, not from {day_text(before)}."


def _out_from(numbers: PlanNumbers, sku: str, last: date) -> date:
    """The day after its end for what lasts."""
    return date.fromisoformat(numbers.out_from[sku]) if sku in numbers.out_from else last + timedelta(1)


def _moved_days(last_told: PlanNumbers, now: PlanNumbers, today: date) -> Iterator[str]:
    for day in sorted({*now.expected, *now.capacity}):
        if day <= today.isoformat():
            continue
        words = day_text(date.fromisoformat(day))
        expected, was = now.expected.get(day), last_told.expected.get(day)
        if expected is not None and was is not None and _is_other_forecast(was, expected):
            yield f"On {words} {expected:,} orders are expected now, not {was:,}."
        capacity, could = now.capacity.get(day), last_told.capacity.get(day)
        if capacity is not None and could is not None and 10 * abs(capacity - could) > could:
            yield f"On {words} {capacity:,} orders can be shipped now, not {could:,}."
        elif capacity is not None and could is None and day in last_told.expected:
            yield f"On {words} {capacity:,} orders can be shipped; that was not known."


def _is_other_forecast(was: int, now: int) -> bool:
    """More than a fifth, and more than twice the root: two days of a small shop differ by that for no reason."""
    change = abs(now - was)
    return 5 * change > was and change * change > 4 * was
