"""Hours in which something is expected: whether a window lies within them, and when that changes.

A window counts only when all of it lies within one stretch of hours. Days that the calendar closes have no hours.
Stretches that touch at midnight are one. All of it is local time of the shop; days of 23 and 25 hours are themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from lockstep.calendar import Calendar
from lockstep.rule.condition.kinds import Absence, Hours, Spike
from lockstep.text.time_units import DAY_S

EVERY_DAY = (Hours(frozenset(range(7)), time(0, 0), time(0, 0)),)
"""The hours of a rule that names none, where the calendar closes days."""


@dataclass(frozen=True)
class OpenHours:
    """hours: in which something is expected. closed: days on which nothing is, whatever the hours say."""

    hours: tuple[Hours, ...]
    closed: Calendar | None = None

    def hold(self, start: int, end: int, zone: ZoneInfo) -> bool:
        """Whether [start, end) lies within one stretch."""
        return _hold(self, start, end, zone)

    def changes(self, window_s: int, after: int, zone: ZoneInfo) -> Iterator[int]:
        """Instants after `after` from which on a window that ends there lies within the hours, or does no longer.

        Those of the next nine days and a window; where there are none, one at which to look again.
        """
        opens_again = False
        for opens, closes in stretches(self.hours, after, zone, window_s // DAY_S + 9, self.closed):
            end = opens + window_s
            if end > after and end <= closes:
                opens_again = True
                yield end
            if closes >= after:
                yield closes + 1
        if self.closed is not None and not opens_again:
            yield after + 8 * DAY_S  # closed for so long


def hours_of(condition: Absence | Spike) -> OpenHours | None:
    """What bounds a condition; None: it is judged at any time."""
    if condition.hours:
        return OpenHours(condition.hours, condition.closed)
    return None if condition.closed is None else OpenHours(EVERY_DAY, condition.closed)


@lru_cache(maxsize=16_384)
def _hold(open_hours: OpenHours, start: int, end: int, zone: ZoneInfo) -> bool:
    days = (end - start) // DAY_S + 2
    return any(o <= start and end <= c for o, c in stretches(open_hours.hours, start, zone, days, open_hours.closed))


def stretches(
    hours: tuple[Hours, ...], around: int, zone: ZoneInfo, days: int, closed: Calendar | None = None
) -> tuple[tuple[int, int], ...]:
    """Stretches [start, end) in seconds in which something is expected, from `days` before to `days` after `around`.

    closed: the calendar of days without hours; None: there are none.
    Stretches that touch or overlap (24:00 to 00:00) are one.
    """
    return _stretches(hours, datetime.fromtimestamp(around, zone).date(), zone, days, closed)


@lru_cache(maxsize=1_024)
def _stretches(
    hours: tuple[Hours, ...], today: date, zone: ZoneInfo, days: int, closed: Calendar | None
) -> tuple[tuple[int, int], ...]:
    by_day: list[tuple[int, int]] = []
    for shift in range(-days, days + 1):
        day = today + timedelta(days=shift)
        if closed is not None and closed.kinds(day):
            continue
        for entry in hours:
            if day.weekday() not in entry.weekdays:
                continue
            opens = datetime.combine(day, entry.start, zone)
            last = day if entry.end > entry.start else day + timedelta(days=1)
            closes = datetime.combine(last, entry.end, zone)
            by_day.append((int(opens.timestamp()), int(closes.timestamp())))
    merged: list[tuple[int, int]] = []
    for opens_s, closes_s in sorted(by_day):
        if merged and opens_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], closes_s))
        else:
            merged.append((opens_s, closes_s))
    return tuple(merged)
