"""Times and lengths as people write them, in the shop's zone. Every error names the way out after a semicolon."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from lockstep.text.time_units import DAY_S, WEEK_S

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = r"(?P<clock>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)"
_DATED = re.compile(rf"(?P<date>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(?:[ T]+{_CLOCK})?")
_NAMED = re.compile(rf"(?:week +(?P<week>[0-9]+) +)?(?:(?P<day>[a-z]{{3,9}}) +)?{_CLOCK}")
_NUMBERED = re.compile(rf"day +(?P<number>[0-9]+) +{_CLOCK}")
_LENGTH = re.compile(
    r"([0-9]+(?:\.[0-9]+)?) *(seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?|d|weeks?|w)(?![a-z])", re.IGNORECASE
)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": DAY_S, "w": WEEK_S}
LONGEST_S = 400 * DAY_S
"""A test covers at most a bit more than a year."""
HINT = "write 10:05, Mon 10:05, week 6 Mon 10:05, day 3 10:05, 2026-04-06 10:05 or +90m [LS192]"


def length_s(text: str) -> int:
    """`2h`, `1h 30m`, `5 weeks`, `20 min` in seconds. Raises ValueError."""
    parts = _LENGTH.findall(text)
    rest = _LENGTH.sub("", text).strip()
    if not parts or rest:
        hint = f"{text.strip()}m or {text.strip()}h" if text.strip().isdigit() else "2h, 90m, 1h 30m or 5 weeks"
        raise ValueError(f"'{text.strip()[:60]}' is no length; write {hint} [LS104]")
    total = round(sum(float(n) * _SECONDS[unit[0].lower()] for n, unit in parts))
    if not 0 < total <= LONGEST_S:
        raise ValueError(f"'{text.strip()}' is no length for a test; write one up to 400d [LS104]")
    return total


@dataclass(frozen=True)
class Times:
    """Reads the times of one test. start: its beginning, in the shop's zone."""

    start: datetime

    @property
    def zone(self) -> ZoneInfo:
        zone = self.start.tzinfo
        assert isinstance(zone, ZoneInfo)
        return zone

    def moment(self, text: str) -> datetime:
        """A time as people write it, in UTC; without a date the first such one from the start on. Raises ValueError."""
        said = " ".join(text.split())
        if said.startswith("+"):
            return self.after(self.start, length_s(said[1:]))
        lowered = said.lower()
        if match := _DATED.fullmatch(said):
            return self._at(_date(match["date"]), match["clock"] or "00:00")
        if match := _NUMBERED.fullmatch(lowered):
            if not 1 <= int(match["number"]) <= 400:
                raise ValueError(f"'{said}' is no day of a test; count from day 1, the start [LS192]")
            return self._at(self.start.date() + timedelta(days=int(match["number"]) - 1), match["clock"])
        if match := _NAMED.fullmatch(lowered):
            return self._next(said, match["week"], match["day"], match["clock"])
        raise ValueError(f"'{said[:60]}' is no time; {HINT}")

    def after(self, begin: datetime, seconds: int) -> datetime:
        """Whole days later at the same time on the wall, anything else in passing time. begin: aware."""
        if seconds % DAY_S:
            return begin.astimezone(UTC) + timedelta(seconds=seconds)
        local = begin.astimezone(self.zone)
        wall = local.replace(tzinfo=None) + timedelta(seconds=seconds)
        return wall.replace(tzinfo=self.zone, fold=local.fold).astimezone(UTC)

    def shown(self, moment: datetime) -> str:
        """As in `moment`: the clock alone on the first day, else with weekday and date."""
        local = moment.astimezone(self.zone)
        clock = local.strftime("%H:%M" if not local.second and not local.microsecond else "%H:%M:%S")
        return clock if local.date() == self.start.date() else f"{local:%a %Y-%m-%d} {clock}"

    def _next(self, said: str, week: str | None, day: str | None, clock: str) -> datetime:
        first = self.start.date()
        if day is not None:
            if day[:3] not in _DAYS:
                raise ValueError(f"'{said}' names no day of the week; {HINT}")
            first += timedelta(days=(_DAYS.index(day[:3]) - first.weekday()) % 7)
        instant = self._at(first, clock)
        if instant < self.start:
            instant = self._at(first + timedelta(days=7 if day is not None else 1), clock)
        if week is not None:
            if not 1 <= int(week) <= 56:
                raise ValueError(f"'{said}' is no week of a test; count from week 1, that of the start [LS192]")
            instant = self.after(instant, (int(week) - 1) * WEEK_S) if int(week) > 1 else instant
        return instant

    def _at(self, day: date, clock: str) -> datetime:
        return datetime.combine(day, clock_time(clock), self.zone).astimezone(UTC)


def clock_time(text: str) -> time:
    """`9:05` or `09:05:30`. Raises ValueError."""
    try:
        return time.fromisoformat(text.zfill(8 if text.count(":") == 2 else 5))
    except ValueError:
        raise ValueError(f"'{text}' is no time of a day; {HINT}") from None


def _date(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is no date; {HINT}") from None
    if not 1971 <= day.year <= 8900:
        raise ValueError(f"'{text}' is no date for a test; write one near today [LS192]")
    return day


def start_of(text: str, zone: ZoneInfo) -> datetime:
    """The beginning of a story, `2026-03-02 09:00`, in the shop's zone. Raises ValueError."""
    said = " ".join(text.split())
    match = _DATED.fullmatch(said)
    if match is None:
        raise ValueError(f"'{said[:60]}' is no beginning; write one like 2026-03-02 09:00 [LS192]")
    return datetime.combine(_date(match["date"]), clock_time(match["clock"] or "00:00"), zone)
