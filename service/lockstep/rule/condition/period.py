"""Calendar windows: the days and weeks of the shop's time zone, which are judged once, at their end.

A window is either a length in seconds, which moves on from bucket to bucket, or a `Period`. A local day lasts 23, 24 or
25 hours; a week is that of ISO 8601, from Monday's midnight to the next.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from lockstep.text.time_units import DAY_S

CLOCK_CHANGE_S = 3_600
"""How far a daylight-saving change can shift the same wall-clock time."""


@dataclass(frozen=True)
class Period:
    """A day or a week of the shop. word: `day` or `week`. by: of a day only up to this time, then it is judged."""

    word: str
    by: time | None = None

    @property
    def days(self) -> int:
        return 7 if self.word == "week" else 1

    @property
    def longest_s(self) -> int:
        """How long it lasts at most."""
        return self.days * DAY_S + CLOCK_CHANGE_S

    def __str__(self) -> str:
        """As rules and explanations say it."""
        return self.word if self.by is None else f"{self.word} until {self.by:%H:%M}"

    def bounds(self, end: int, zone: ZoneInfo, back: int = 0) -> tuple[int, int]:
        """[start, end) of the period that holds the second before `end`, or of that so many days earlier."""
        today = datetime.fromtimestamp(end - 1, zone).date()
        return _bounds(self, today - timedelta(days=back), zone)

    def start(self, end: int, zone: ZoneInfo) -> int:
        return self.bounds(end, zone)[0]

    def is_end(self, instant: int, zone: ZoneInfo) -> bool:
        return self.bounds(instant, zone)[1] == instant

    def last_end(self, instant: int, zone: ZoneInfo) -> int:
        """The newest end at or before an instant."""
        end = self.bounds(instant, zone)[1]
        return end if end <= instant else self.bounds(instant, zone, self.days)[1]

    def next_end(self, after: int, zone: ZoneInfo) -> int:
        """The first end after an instant."""
        end = self.bounds(after + 1, zone)[1]
        return end if end > after else self.bounds(after + 1, zone, -self.days)[1]

    def dates(self, end: int, zone: ZoneInfo) -> tuple[date, date]:
        """The first and the last local day of the period that holds the second before `end`."""
        first = datetime.fromtimestamp(self.start(end, zone), zone).date()
        return first, first + timedelta(days=self.days - 1)


DAY, WEEK = Period("day"), Period("week")
Window = int | Period
"""Seconds, or a period of the calendar."""


@lru_cache(maxsize=16_384)
def _bounds(period: Period, day: date, zone: ZoneInfo) -> tuple[int, int]:
    first = day - timedelta(days=day.weekday() if period.word == "week" else 0)
    last = first + timedelta(days=period.days)
    begins = datetime.combine(first, time(), zone)
    ends = datetime.combine(last, time(), zone) if period.by is None else datetime.combine(first, period.by, zone)
    return _second(begins), _second(ends)


def _second(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp())


@lru_cache(maxsize=65_536)
def same_wall_clock(instant: int, days: int, zone: ZoneInfo) -> int:
    """The instant that many days earlier at the same local time, so that a 23- or 25-hour day shifts nothing."""
    local = datetime.fromtimestamp(instant, zone)
    earlier = (local.replace(tzinfo=None) - timedelta(days=days)).replace(tzinfo=zone, fold=local.fold)
    return int(earlier.astimezone(UTC).timestamp())


def start_of(window: Window | None, end: int, zone: ZoneInfo) -> int:
    """Where the window that ends at `end` begins: of a period that goes on, its beginning."""
    return window.start(end, zone) if isinstance(window, Period) else end - (window or 0)


def earlier(window: Window, end: int, days: int, zone: ZoneInfo) -> tuple[int, int]:
    """The same window so many days earlier; of a period that goes on, the whole one."""
    if isinstance(window, Period):
        return window.bounds(end, zone, days)
    then = same_wall_clock(end, days, zone)
    return then - window, then


def longest_s(window: Window | None) -> int:
    """How long a window lasts at most, in seconds."""
    return window.longest_s if isinstance(window, Period) else window or 0
