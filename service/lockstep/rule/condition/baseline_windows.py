"""What a window is compared with: which earlier windows, and what is done when too few of them are known.

A baseline is a list of choices, tried in order; the first of which enough is known is used, and the verdict says which
it was and why not an earlier one. For `{same_time_of_week: 4, otherwise: {same_time_of_day: 7}}` on a holiday they are:
three holidays at this time of day within the four weeks, then the four weeks without their marked days, then the same
of the seven days.

A window belongs to every local day that it touches. It is compared with windows whose days are marked as its own are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from lockstep.calendar import Calendar
from lockstep.measure.bucket import bucket_end
from lockstep.rule.condition.kinds import Baseline
from lockstep.rule.condition.period import CLOCK_CHANGE_S, Period, Window
from lockstep.text.time_units import DAY_S

LEAST_LIKE_DAYS = 3
"""So many marked days make a usual of their own."""
LOOK_AHEAD_DAYS = 40

Dates = tuple[date, date]
"""The first and the last local day that a window touches."""


@dataclass(frozen=True)
class Choice:
    """One way to know what is usual.

    backs: how many days back each window lies; empty: the stretch of `previous_s` seconds just before.
    least: how many of them must be known. of: `week`, `day`, `campaign day`, … (what one of backs is).
    asked: how many there would be were no day marked. marked: the kind of the window's own day, for like days.
    """

    of: str
    backs: tuple[int, ...] = ()
    least: int = 1
    asked: int = 1
    previous_s: int = 0
    marked: str = ""

    def known(self, count: int) -> str:
        """`the last 4 weeks`, `3 of the last 4 weeks`, `the last 3 holidays`."""
        if self.previous_s:
            return f"the {_length(self.previous_s)} before"
        if self.marked or count == self.asked:
            return f"the last {_many(count, self.of)}" if count > 1 else f"the last {self.of}"
        return f"{count} of the last {_many(self.asked, self.of)}"

    def shortage(self, count: int) -> str:
        """`only 2 weeks are known`."""
        if self.previous_s:
            return f"the {_length(self.previous_s)} before are not known"
        left_out = "" if self.marked or len(self.backs) == self.asked else " unmarked"
        few = f"only {count}" if count else "no"
        return f"{few}{left_out} {self.of + 's' if count > 1 else self.of} {'are' if count > 1 else 'is'} known"


def _many(count: int, of: str) -> str:
    return f"{count} {of}{'' if count == 1 else 's'}"


def _length(seconds: int) -> str:
    for size, word in ((DAY_S, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % size == 0:
            return _many(seconds // size, word)
    return _many(seconds, "second")


LIKE_DAYS = {"campaign": "campaign day", "holiday": "holiday", "closed": "closed day"}


def chain(baseline: Baseline) -> Iterator[Baseline]:
    """A baseline and what stands in for it."""
    link: Baseline | None = baseline
    while link is not None:
        yield link
        link = link.otherwise


def is_dated(baseline: Baseline) -> bool:
    """Whether what a window is compared with depends on its day, because a calendar marks days: on a holiday those are
    other holidays."""
    return any(b.calendar is not None for b in chain(baseline))


def is_seasonal(baseline: Baseline) -> bool:
    """Whether a baseline looks at earlier days or weeks, and not only at the stretch just before the window."""
    return any(_backs(b) for b in chain(baseline))


def _backs(baseline: Baseline) -> tuple[int, ...]:
    if baseline.weeks:
        return tuple(7 * i for i in range(1, baseline.weeks + 1))
    return tuple(range(1, (baseline.days or 0) + 1))


def _choices(baseline: Baseline, window: Window, dates: Dates | None) -> Iterator[Choice]:
    step = window.days if isinstance(window, Period) else 1
    for link in chain(baseline):
        backs = _backs(link)
        if not backs:
            assert isinstance(window, int)  # before a day is the day before
            length = link.previous_s or window
            kind = Choice("", previous_s=length)
            yield kind
            continue
        of = "week" if link.weeks else "day"
        least = link.known_at_least or min(len(backs), 3)
        if dates is None or link.calendar is None:
            yield Choice(of, backs, least, len(backs))
            continue
        today = link.calendar.kinds_over(*dates)
        if today:
            alike = tuple(b for b in range(step, backs[-1] + 1, step) if _kinds(link.calendar, dates, b) == today)
            name = "closed" if "closed" in today else min(today)
            most = max(len(backs), LEAST_LIKE_DAYS)
            yield Choice(LIKE_DAYS[name], alike[:most], LEAST_LIKE_DAYS, len(alike[:most]), marked=name)
            if "closed" in today:
                return  # what a shop sells on ordinary days says nothing about a day on which it is closed
        unmarked = tuple(b for b in backs if not _kinds(link.calendar, dates, b))
        yield Choice(of, unmarked, least, len(backs))


def _kinds(calendar: Calendar, dates: Dates, back: int) -> frozenset[str]:
    shift = timedelta(days=back)
    return calendar.kinds_over(dates[0] - shift, dates[1] - shift)


@lru_cache(maxsize=4_096)
def choices(baseline: Baseline, window: Window, dates: Dates | None) -> tuple[Choice, ...]:
    """What a window may be compared with, best first. dates: None where no calendar matters."""
    return tuple(_choices(baseline, window, dates))


def dates_of(baseline: Baseline, window: Window, end: int, zone: ZoneInfo) -> Dates | None:
    """The local days of the window that ends at `end`, all of a period; None where they do not matter."""
    if not is_dated(baseline):
        return None
    if isinstance(window, Period):
        return window.dates(end, zone)
    return datetime.fromtimestamp(end - window, zone).date(), datetime.fromtimestamp(end - 1, zone).date()


# ---- when it changes ----------------------------------------------------------------------------------------------


def offsets(chosen: tuple[Choice, ...], window_s: int, at: tuple[int, ZoneInfo] | None = None) -> set[int]:
    """How long after its end a bucket enters or leaves the window or one that it is compared with, in seconds.

    A window of 1 hour and the same of a day ago: a bucket is in the first from 0 to 3,600 seconds after its end, in the
    other from 86,400 to 90,000, so these four are its borders.
    chosen: what the window is compared with. at: (bucket end, zone) of the windows, where the clocks may have changed
    between them; None: they have not, see `Borders`.
    """
    borders = {0, window_s}
    for choice in chosen:
        if choice.previous_s:
            borders.add(window_s + choice.previous_s)
        for back in choice.backs:
            distance = back * DAY_S if at is None else _distance(at[0], back, at[1])
            borders |= {distance, distance + window_s}
    return borders


def _distance(end: int, days: int, zone: ZoneInfo) -> int:
    """The seconds from the same time on the wall so many days earlier."""
    local = datetime.fromtimestamp(end, zone)
    earlier = (local - timedelta(days=days)).replace(fold=local.fold)
    now, then = local.utcoffset(), earlier.utcoffset()
    assert now is not None  # every time of a zone has one
    assert then is not None
    return days * DAY_S + int((then - now).total_seconds())


def furthest(baseline: Baseline, window_s: int) -> int:
    """The largest of the `offsets` that there can be on any day, in seconds."""
    previous = max((link.previous_s or window_s for link in chain(baseline) if not _backs(link)), default=0)
    return max(previous, furthest_back(baseline)) + window_s


def furthest_back(baseline: Baseline) -> int:
    """How far before a window the earliest of the days or weeks lies that it is compared with, in seconds."""
    backs = [_furthest_back(link) for link in chain(baseline)]
    return max(backs) * DAY_S + CLOCK_CHANGE_S if max(backs) else 0


def next_choices(baseline: Baseline, window_s: int, end: int, width: int, zone: ZoneInfo) -> int:
    """The first bucket end after `end` whose choices may be others than those at `end`.

    width: of a bucket, in seconds. Looks ahead as far as LOOK_AHEAD_DAYS; where nothing changes until then, that far.
    """
    now = choices(baseline, window_s, dates_of(baseline, window_s, end, zone))
    at = end
    for _ in range(2 * LOOK_AHEAD_DAYS):
        last_turns = _midnight_after(at - 1, zone) // width * width + width
        first_turns = bucket_end(_midnight_after(at - window_s, zone) + window_s, width)
        at = min(last_turns, first_turns)
        if choices(baseline, window_s, dates_of(baseline, window_s, at, zone)) != now:
            break
    return at


class Borders:
    """When the windows of a rule with seasonal baselines begin and end, and until when that stays so.

    It changes with the day where the calendar matters, and at every change of the clocks: then the window of a week ago
    leaps by an hour. baselines: each with the window that is compared, in seconds. fixed: the borders of the rule's
    other conditions.
    """

    def __init__(self, baselines: tuple[tuple[Baseline, int], ...], fixed: set[int], width: int) -> None:
        self._baselines, self._fixed, self._width = baselines, fixed, width
        links = [link for baseline, _ in baselines for link in chain(baseline)]
        self._backs = {back for link in links for back in range(_furthest_back(link) + 1)}
        self._known: list[tuple[int, int, tuple[int, ...]]] = []

    def at(self, end: int, zone: ZoneInfo) -> tuple[tuple[int, ...], int]:
        """(offsets, until): which `offsets` there are at the bucket end `end`, ascending, and how long that stays so.

        Up to the bucket end before `until` they hold, and a verdict changes only where a bucket enters or leaves a
        window; at `until` the day or the clocks may have moved the windows themselves.
        """
        for since, until, borders in self._known:
            if since <= end < until:
                return borders, until
        wanted = set(self._fixed)
        until = self._next_leap(end, zone)
        for baseline, window in self._baselines:
            current = choices(baseline, window, dates_of(baseline, window, end, zone))
            # As far as they are now: an hour more and an hour less would be two thirds of all looks, for nothing.
            wanted |= offsets(current, window, (end, zone))
            if is_dated(baseline):
                until = min(until, next_choices(baseline, window, end, self._width, zone))
        entry = (end, until, tuple(sorted(wanted)))
        self._known = [entry, *self._known[:3]]
        return entry[2], until

    def _next_leap(self, end: int, zone: ZoneInfo) -> int:
        """The first bucket end after `end` at which the same time on the wall may lie at another distance."""
        furthest_back, width = max(self._backs), self._width
        soonest = end + LOOK_AHEAD_DAYS * DAY_S
        months = range((end - (furthest_back + 1) * DAY_S) // _MONTH, soonest // _MONTH + 1)
        for change in (c for month in months for c in _clock_changes(month, zone)):
            for back in self._backs:
                for shift in (-CLOCK_CHANGE_S, 0, CLOCK_CHANGE_S):
                    at = bucket_end(change + back * DAY_S + shift, width)
                    if end < at < soonest:
                        soonest = at
        return soonest


_MONTH = 32 * DAY_S


def _furthest_back(link: Baseline) -> int:
    return max(_backs(link), default=0)


@lru_cache(maxsize=1_024)
def _clock_changes(month: int, zone: ZoneInfo) -> tuple[int, ...]:
    """The instants within 32 days at which the zone's clocks change."""

    def ahead(instant: int) -> object:
        return datetime.fromtimestamp(instant, zone).utcoffset()

    changes = []
    for day in range(month * _MONTH, (month + 1) * _MONTH, DAY_S):
        low, high = day, day + DAY_S
        if ahead(low) != ahead(high):
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if ahead(middle) == ahead(low) else (low, middle)
            changes.append(high)
    return tuple(changes)


def _midnight_after(instant: int, zone: ZoneInfo) -> int:
    """The first instant of the local day after the one of `instant`."""
    tomorrow = datetime.fromtimestamp(instant, zone).date() + timedelta(days=1)
    midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone)
    return int(midnight.astimezone(UTC).timestamp())
