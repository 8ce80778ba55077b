"""When a silence holds: once, or again and again by a rule of RFC 5545 in a time zone.

An occurrence is a stretch of the wall clock: every Saturday from midnight to midnight, of 23, 24 or 25 hours.
Rules are read by dateutil. What would let it search for ever, or take a second each time, is refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
"""FREQ → what may stand beside it. Of days and weeks none can be left over by what may: dateutil would look for one day
by day up to the year 9999."""
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
        days = LONGEST_OCCURRENCE.days
        raise CommandError(f"each time lasts longer than {days} days", f"make it at most {days} days, or once")
    parsed, count, until = _parsed(rule, first, zone)
    recurrence = Recurrence(first, last - first, zone, parsed, count, until)
    begins = next(recurrence._begins(first + _LOOKS_AHEAD), None)
    if begins is None:
        raise CommandError(f"'{rule}' never comes", "change its days or months")
    if begins != first:
        raise CommandError(
            f"by '{rule}' it begins at {begins:%a %Y-%m-%d %H:%M} first, and not at {first:%a %Y-%m-%d %H:%M}",
            f"let it start then, {begins_iso(begins, zone)}",
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


def _parsed(text: str, first: datetime, zone: ZoneInfo) -> tuple[rrule, int | None, datetime | None]:
    """(the rule without its end, COUNT, UNTIL by the wall clock)"""
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
    try:
        rule = rrulestr(";".join(f"{key}={value}" for key, value in parts.items()), dtstart=first)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise CommandError(f"'{shown}' is no rule, {error}", _HINT) from None
    assert isinstance(rule, rrule)  # of one line without dates dateutil makes nothing else
    return rule, count, until


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
