"""When a silence holds: once, or again and again by a rule of RFC 5545 in a time zone.

An occurrence is a stretch of the wall clock: every Saturday from midnight to midnight, of 23, 24 or 25 hours.
Rules are read by dateutil, which looks for the first time of one that never comes up to the year 9999: a second for
each, on the one thread that decides. So a rule has to hold on the day on which it begins, as `DaysOfRule` finds by
itself before dateutil is asked: what has come once comes again within 400 years.
"""

import re
from calendar import isleap, monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

from lockstep.errors import CommandError
from lockstep.notify.quiet.wall_clock import begins_at, ends_at, shown_at

LONGEST_ONCE = timedelta(days=366)
LONGEST_OCCURRENCE = timedelta(days=31)
"""Of what recurs."""
LONGEST_RULE = 200
"""Characters."""
_LOOKS_AHEAD = timedelta(days=5 * 366)
"""So far the next occurrence is looked for; what has none by then has none: a leap day comes within it, but in 2100."""
_ALWAYS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTH"}
_PARTS = {
    "DAILY": _ALWAYS,
    "WEEKLY": _ALWAYS,
    "MONTHLY": _ALWAYS | {"BYMONTHDAY", "BYSETPOS"},
    "YEARLY": _ALWAYS | {"BYMONTHDAY", "BYSETPOS", "BYYEARDAY"},
}
"""FREQ → what may stand beside it."""
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_BYDAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_LARGEST = {"BYMONTHDAY": 31, "BYYEARDAY": 366, "BYSETPOS": 366}
_UNTIL = re.compile(r"([0-9]{8})(?:T([0-9]{6})(Z?))?")
_HINT = "write one like FREQ=WEEKLY;BYDAY=SA"
MOST_TIMES = 1_000
"""COUNT, and INTERVAL."""


@dataclass(frozen=True)
class Stretch:
    """One stretch [begin, end) of time, in seconds since 1970."""

    begin: float
    end: float


@dataclass(frozen=True)
class Recurrence:
    """Stretches of the wall clock in a zone.

    first, length: the first one begins then, without a zone, and lasts so long by the clock on the wall. rule: what
    the later ones follow; None: there is none. count: how many there are; None: as the rule goes on. last: none begins
    later, by the wall clock; None: as it goes on.
    """

    first: datetime
    length: timedelta
    zone: ZoneInfo
    rule: rrule | None = None
    count: int | None = None
    last: datetime | None = None

    def at(self, moment: float) -> Stretch | None:
        """The stretch that holds at a moment, else the next one; None: there is none any more.

        Of several that hold the one that ends last.
        """
        holding: Stretch | None = None
        for stretch in self._stretches(moment):
            if stretch.begin > moment:
                return holding or stretch
            if moment < stretch.end and (holding is None or stretch.end > holding.end):
                holding = stretch
        return holding

    def next_begin(self, moment: float) -> float | None:
        """When the next stretch begins, whether or not one holds; None: there is none any more."""
        return next((stretch.begin for stretch in self._stretches(moment) if stretch.begin > moment), None)

    def _stretches(self, moment: float) -> Iterator[Stretch]:
        now = shown_at(moment, self.zone)
        for wall in self._begins(now + _LOOKS_AHEAD):
            if wall + self.length < now - timedelta(days=1):
                continue  # days before: what its instants are does not matter
            begin, end = begins_at(wall, self.zone), ends_at(wall + self.length, self.zone)
            if begin < end:  # else the clock skips all of it
                yield Stretch(begin, end)

    def _begins(self, horizon: datetime) -> Iterator[datetime]:
        if self.rule is None:
            return iter((self.first,))
        last = horizon if self.last is None else min(horizon, self.last)
        return islice(iter(self.rule.replace(until=last)), self.count)


def recurrence_of(starts: datetime, ends: datetime, rule: str, zone: ZoneInfo) -> Recurrence:
    """When something holds that does so first from `starts` until `ends`, aware, and then as `rule` says.

    rule: RRULE of RFC 5545 by days, weeks, months or years; "": once. Raises CommandError with the way out.
    """
    first, last = (moment.astimezone(zone).replace(tzinfo=None, microsecond=0) for moment in (starts, ends))
    if ends <= starts or last <= first:
        raise CommandError("it ends before it begins", "put its end behind its beginning")
    if not rule:
        if ends - starts > LONGEST_ONCE:
            raise CommandError("it is longer than a year", f"make it at most {LONGEST_ONCE.days} days")
        # As it was given: the wall clock would move an end in an hour that comes twice.
        return _Once(first, last - first, zone, starts=starts.timestamp(), ends=ends.timestamp())
    if last - first > LONGEST_OCCURRENCE:
        most = LONGEST_OCCURRENCE.days
        raise CommandError(f"each time lasts longer than {most} days", f"make it at most {most} days, or once")
    parsed, days, count, until = _parsed(rule, first, zone)
    recurrence = Recurrence(first, last - first, zone, parsed, count, until)
    begins = days.first_from(first.date())
    if begins is None or (until is not None and until < first):
        raise CommandError(f"'{rule[:100]}' never comes", "change its days or months, or until when it goes on")
    if begins != first.date():
        wall = datetime.combine(begins, first.time())
        raise CommandError(
            f"by '{rule[:100]}' it begins at {wall:%a %Y-%m-%d %H:%M} first, and not at {first:%a %Y-%m-%d %H:%M}",
            f"let it start then, {begins_iso(wall, zone)}",
        )
    return recurrence


def begins_iso(wall: datetime, zone: ZoneInfo) -> str:
    """A time of the wall clock as somebody can write it: `2026-11-28T00:00:00+00:00`."""
    return datetime.fromtimestamp(begins_at(wall, zone), zone).isoformat()


@dataclass(frozen=True)
class _Once(Recurrence):
    """One stretch between two instants."""

    starts: float = 0.0
    ends: float = 0.0

    def _stretches(self, moment: float) -> Iterator[Stretch]:
        if moment < self.ends:
            yield Stretch(self.starts, self.ends)


@dataclass(frozen=True)
class DaysOfRule:
    """On which days a rule holds, but for its INTERVAL, which counts from the day on which it begins.

    frequency: FREQ. months, month_days, year_days, positions: of BYMONTH, BYMONTHDAY, BYYEARDAY, BYSETPOS; empty: any.
    week_days: of BYDAY, (which of them in its month or year, from the end where negative; 0: each, weekday).
    """

    frequency: str
    months: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    year_days: frozenset[int] = frozenset()
    positions: frozenset[int] = frozenset()
    week_days: frozenset[tuple[int, int]] = frozenset()

    def first_from(self, day: date) -> date | None:
        """The first such day from one on, that included; None: none within _LOOKS_AHEAD, but for a leap day in 2100."""
        if not (self.month_days or self.year_days or self.week_days or (self.months and self.frequency == "DAILY")):
            # Weeks, months and years hold on the day on which they begin: no other day of a month is named.
            return day if not self.months or day.month in self.months else self._in_month(day)
        ahead = (day + timedelta(days=n) for n in range(_LOOKS_AHEAD.days))
        return next((d for d in ahead if self._is_on(d) and (not self.positions or self._is_at_position(d))), None)

    def _in_month(self, day: date) -> date | None:
        ahead = (day + timedelta(days=n) for n in range(_LOOKS_AHEAD.days))
        return next((d for d in ahead if d.month in self.months and self._is_like(d, day)), None)

    def _is_like(self, day: date, begin: date) -> bool:
        return day.weekday() == begin.weekday() if self.frequency == "WEEKLY" else day.day == begin.day

    def _is_on(self, day: date) -> bool:
        if self.months and day.month not in self.months:
            return False
        month, year = monthrange(day.year, day.month)[1], 366 if isleap(day.year) else 365
        if self.month_days and self.month_days.isdisjoint((day.day, day.day - month - 1)):
            return False
        number = day.timetuple().tm_yday
        if self.year_days and self.year_days.isdisjoint((number, number - year - 1)):
            return False
        if not self.week_days:
            return True
        # In a year with months, of each of these.
        at, length = (number, year) if self.frequency == "YEARLY" and not self.months else (day.day, month)
        places = {0, (at - 1) // 7 + 1, -((length - at) // 7 + 1)}
        return any(weekday == day.weekday() and place in places for place, weekday in self.week_days)

    def _is_at_position(self, day: date) -> bool:
        is_year = self.frequency == "YEARLY"
        begin = date(day.year, 1 if is_year else day.month, 1)
        length = (366 if isleap(day.year) else 365) if is_year else monthrange(day.year, day.month)[1]
        days = [d for d in (begin + timedelta(days=n) for n in range(length)) if self._is_on(d)]
        place = days.index(day)
        return not self.positions.isdisjoint((place + 1, place - len(days)))


def _days_of(parts: Mapping[str, str]) -> DaysOfRule:
    """Raises CommandError for numbers of days that there are not."""

    def numbers(key: str) -> frozenset[int]:
        values = parts[key].split(",") if key in parts else []
        for value in values:
            if not re.fullmatch(r"[+-]?[0-9]{1,3}", value) or not 1 <= abs(int(value)) <= _LARGEST.get(key, 12):
                raise CommandError(f"{key} '{value[:20]}' is none", f"write numbers from 1 to {_LARGEST.get(key, 12)}")
        return frozenset(map(int, values))

    frequency = parts["FREQ"]
    named = [_BYDAY.fullmatch(text) for text in parts["BYDAY"].split(",")] if "BYDAY" in parts else []
    if None in named:
        raise CommandError(f"BYDAY '{parts['BYDAY'][:40]}' is no day", "write MO,TU or, of a month, 1MO,-1FR")
    days = frozenset((int(match[1] or 0), _WEEKDAYS.index(match[2])) for match in named if match is not None)
    counted = {place != 0 for place, _ in days}
    if counted == {True, False}:
        raise CommandError(
            "BYDAY names some days with a number and some without", "write all of them with one, or none"
        )
    if True in counted and frequency in ("DAILY", "WEEKLY"):
        raise CommandError(f"BYDAY counts days of a month, and FREQ is {frequency}", "write FREQ=MONTHLY, or no number")
    return DaysOfRule(
        frequency, numbers("BYMONTH"), numbers("BYMONTHDAY"), numbers("BYYEARDAY"), numbers("BYSETPOS"), days
    )


def _parsed(text: str, first: datetime, zone: ZoneInfo) -> tuple[rrule, DaysOfRule, int | None, datetime | None]:
    """(the rule without its end, its days, COUNT, UNTIL by the wall clock)"""
    shown = text[:100]
    if len(text) > LONGEST_RULE or not text.isascii() or not text.isprintable():
        raise CommandError(f"'{shown!a}' is no rule of at most {LONGEST_RULE} plain characters", _HINT)
    parts: dict[str, str] = {}
    for part in text.upper().removeprefix("RRULE:").strip(";").split(";"):
        key, _, value = part.partition("=")
        if key in parts:
            raise CommandError(f"'{shown}' says {key} twice", "remove one")
        if not value or key not in _PARTS["YEARLY"]:
            more = " (the time of day is that of starts)" if key in ("BYHOUR", "BYMINUTE", "BYSECOND") else ""
            raise CommandError(f"'{shown}' is no rule, '{key}' is not understood", f"{_HINT}{more}")
        parts[key] = value
    if any(not month.isdecimal() or not 1 <= int(month) <= 12 for month in parts.get("BYMONTH", "1").split(",")):
        raise CommandError(f"BYMONTH '{parts['BYMONTH']}' is no month", "write numbers from 1 to 12")
    frequency = parts.get("FREQ", "")
    if frequency not in _PARTS:
        raise CommandError(f"'{shown}' has no FREQ of {', '.join(_PARTS)}", _HINT)
    for key in parts.keys() - _PARTS[frequency]:
        fitting = next(name for name, known in _PARTS.items() if key in known)
        raise CommandError(f"{key} says nothing of FREQ={frequency}", f"write FREQ={fitting}")
    if frequency == "DAILY" and parts.get("INTERVAL", "1") != "1" and {"BYDAY", "BYMONTH"} & parts.keys():
        raise CommandError(f"'{shown}' counts days and names some", "remove INTERVAL, or BYDAY and BYMONTH")
    count = _number(parts.pop("COUNT"), "COUNT") if "COUNT" in parts else None
    until = _until(parts.pop("UNTIL"), zone) if "UNTIL" in parts else None
    if count is not None and until is not None:
        raise CommandError(f"'{shown}' has both COUNT and UNTIL", "remove one")
    if "INTERVAL" in parts:
        _number(parts["INTERVAL"], "INTERVAL")
    if "BYSETPOS" in parts and not parts.keys() & {"BYDAY", "BYMONTHDAY", "BYYEARDAY"}:
        raise CommandError(f"'{shown}' has BYSETPOS, and names no days", "add BYDAY=MO,TU,WE,TH,FR, for one")
    days = _days_of(parts)
    try:
        rule = rrulestr(";".join(f"{key}={value}" for key, value in parts.items()), dtstart=first)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise CommandError(f"'{shown}' is no rule, {error}", _HINT) from None
    assert isinstance(rule, rrule)  # of one line without dates dateutil makes nothing else
    return rule, days, count, until


def _number(text: str, name: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MOST_TIMES:
        raise CommandError(f"{name} '{text}' is no number from 1 to {MOST_TIMES:,}", "change it")
    return int(text)


def _until(text: str, zone: ZoneInfo) -> datetime:
    """The last instant of it by the wall clock; a day alone is meant with all of it."""
    match = _UNTIL.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        wall = datetime.strptime(match[1] + (match[2] or "235959"), "%Y%m%d%H%M%S")  # noqa: DTZ007  # by the wall
    except ValueError:
        raise CommandError(f"UNTIL '{text}' is no time", "write one like UNTIL=20261231") from None
    return wall.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) if match[3] else wall


def aware(text: str) -> datetime | None:
    """An instant as RFC 3339 writes it, with its offset; None for what is none, or not of the years 2000 to 2200."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None or not 2000 <= moment.year <= 2200:
        return None
    return moment
