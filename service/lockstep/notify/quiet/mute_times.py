"""Mute times: stretches of the wall clock in which people hear nothing of a route's alerts, or outside of which.

A route names some as `mute`, in which nothing is told, and some as `active`, outside of which nothing is. What is
critical passes, unless the route says otherwise. What was held comes in one digest when nothing holds it any more.
"""

import calendar
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from heapq import merge
from math import inf
from zoneinfo import ZoneInfo

import msgspec

from lockstep.errors import StateError
from lockstep.labels import stable_id
from lockstep.notify.pipeline.hooks import Applied, Ended, Facts, Happened, Hush
from lockstep.notify.quiet.recurrence import Stretch
from lockstep.notify.quiet.wall_clock import begins_at, ends_at, shown_at
from lockstep.notify.routing.route_options import RouteOptions
from lockstep.response.command import Command
from lockstep.response.decision import Reason
from lockstep.rule.condition.kinds import Severity
from lockstep.text.figures import time_text
from lockstep.text.time_units import DAY_S
from lockstep.transition import Transition

UTC = ZoneInfo("UTC")
KEY = b"\x1fmute\x1f"
"""The key of the entry in the state of notify; no rule's name begins so."""
FORMAT = 1
MINUTES_A_DAY = 24 * 60
LOOKS_AHEAD_DAYS = 9 * 366
"""So far the next stretch is looked for: a 29 February is at most eight years away."""
ENDLESS_S = 3.0 * 366 * DAY_S
"""What goes on for so long never ends."""
_MOST_STEPS = 5_000
"""From one mute time into the next, to find out when all of them are over."""

_JUST_BEFORE_S = 0.5
"""Stretches begin and end with whole seconds."""

Span = tuple[int, int]
"""The first and the last, both included."""


@dataclass(frozen=True)
class Interval:
    """Times of day on some days; what is empty is not restricted.

    zone: whose clock; None: the shop's. times: (begin, end) in minutes since midnight; one that ends at or before its
    begin ends on the next day. weekdays: 0 is Monday. days_of_month: -1 is the last day. months, years: as numbers.
    """

    zone: ZoneInfo | None = None
    times: tuple[Span, ...] = ()
    weekdays: frozenset[int] = frozenset()
    days_of_month: tuple[Span, ...] = ()
    months: frozenset[int] = frozenset()
    years: tuple[Span, ...] = ()

    def is_on(self, day: date) -> bool:
        """Whether its times begin on a day."""
        if self.years and not any(first <= day.year <= last for first, last in self.years):
            return False
        if self.months and day.month not in self.months:
            return False
        if self.weekdays and day.weekday() not in self.weekdays:
            return False
        if not self.days_of_month:
            return True
        length = calendar.monthrange(day.year, day.month)[1]
        counted = ((_counted(first, length), _counted(last, length)) for first, last in self.days_of_month)
        return any(first <= day.day <= last for first, last in counted)

    def __str__(self) -> str:
        """All that it says, so that a change of it is seen."""
        zone = "" if self.zone is None else self.zone.key
        days = f"{sorted(self.weekdays)} {self.days_of_month} {sorted(self.months)} {self.years}"
        return f"{zone} {self.times} {days}"

    def stretches(self, moment: float) -> Iterator[Stretch]:
        """Those that are not over at a moment, in the order in which they begin; several may hold at a time."""
        zone = self.zone or UTC
        today = shown_at(moment, zone).date()
        for shift in range(-2, LOOKS_AHEAD_DAYS):
            day = today + timedelta(days=shift)
            if not self.is_on(day):
                continue
            midnight = datetime.combine(day, time())
            for begin, end in self.times or ((0, MINUTES_A_DAY),):
                last = end if end > begin else end + MINUTES_A_DAY
                begins = begins_at(midnight + timedelta(minutes=begin), zone)
                ends = ends_at(midnight + timedelta(minutes=last), zone)
                if begins < ends and ends > moment:  # where the clock skips all of it, it is none
                    yield Stretch(begins, ends)


def _counted(day: int, length: int) -> int:
    """A day of a month from its beginning; below 1 where a month is too short to have it."""
    return day if day > 0 else length + day + 1


@dataclass(frozen=True)
class MuteTime:
    """A mute time by its name: when any of its intervals is."""

    name: str
    intervals: tuple[Interval, ...]

    def in_zone(self, zone: ZoneInfo) -> "MuteTime":
        """With that zone where it names none."""
        return MuteTime(self.name, tuple(replace(i, zone=i.zone or zone) for i in self.intervals))

    def at(self, moment: float) -> Stretch | None:
        """The stretch that holds at a moment, else the next one; None: there is none within LOOKS_AHEAD_DAYS.

        Stretches that touch are one; the end of one that goes on for ENDLESS_S is infinite. Of one that holds, the
        begin may be later than its true one, but not than the moment.
        """
        joined: Stretch | None = None
        for stretch in merge(*(i.stretches(moment) for i in self.intervals), key=lambda s: s.begin):
            if joined is None:
                joined = stretch
            elif stretch.begin > joined.end:
                break
            else:
                joined = Stretch(joined.begin, max(joined.end, stretch.end))
            if joined.end - max(moment, joined.begin) > ENDLESS_S:
                return Stretch(joined.begin, inf)
        return joined


class MuteTimes:
    """All mute times; asked when people would be told. What is stored is only as of which file they are."""

    def __init__(self, mute_times: Mapping[str, MuteTime], zone: ZoneInfo, held_by: Iterable[str] = ()) -> None:
        """mute_times: by name. zone: the shop's, in which people read until when. held_by: what else of routing.yml
        holds messages, as texts: where that is not as it was, what is held is looked at again."""
        self._mute_times = {name: mute_time.in_zone(zone) for name, mute_time in mute_times.items()}
        self._zone = zone
        self._asked: dict[str, tuple[float, Stretch | None]] = {}
        self._held_before: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[float, float, str]] = {}
        texts = [
            *held_by,
            *(f"{name} {interval}" for name in sorted(mute_times) for interval in mute_times[name].intervals),
        ]
        self._file = stable_id("quiet", *texts) if texts else ""
        self._stored_file: str | None = None  # None: nothing is stored
        self._is_new, self._is_dirty = True, False

    def hear(self, transition: Transition) -> None:
        """None changes a mute time."""

    def apply(self, command: Command, moment: float) -> Applied | None:
        """None changes one: they stand in routing.yml."""
        return None

    def tick(self, moment: float) -> Happened:
        """After a start what is held is looked at again: the file may say otherwise now."""
        if not self._is_new:
            return Happened()
        self._is_new = False
        before, self._stored_file = self._stored_file, self._file or None
        self._is_dirty = before != self._stored_file
        if before is None or not self._is_dirty:
            return Happened()
        return Happened(ended=[Ended("what held it is no longer in routing.yml")])

    def hushed(self, facts: Facts, severity: Severity, moment: float, options: RouteOptions) -> Hush | None:
        """Why an alert is not told now; until: when nothing of its route holds it any more."""
        if not (options.mute or options.active) or (severity is Severity.CRITICAL and not options.mutes_critical):
            return None
        held = self._held(moment, options)
        if held is None:
            return None
        until, words = held
        if until == inf:
            return Hush(Reason.MUTED, "muted for good, by the mute and active times of its route")
        return Hush(Reason.MUTED, f"muted until {self._time(until)} ({words})", until)

    def holds(self, name: str, moment: float) -> bool:
        """Whether a moment lies in a mute time; in one that is not there none does."""
        stretch = self._at(name, moment)
        return stretch is not None and stretch.begin <= moment

    def never_is(self, name: str, moment: float) -> bool:
        """Whether no stretch of a mute time comes any more."""
        return self._at(name, moment) is None

    def never_free(self, options: RouteOptions, moment: float) -> str | None:
        """Why a route with these options tells nothing any more from a moment on; None where it does at some time."""
        held = self._held(moment, options)
        return held[1] if held is not None and held[0] == inf else None

    def _held(self, moment: float, options: RouteOptions) -> tuple[float, str] | None:
        """(until when, by what in the end) nothing is told from a moment on; None: it is told now.

        What holds last is named: so it is the same whenever it is asked for.
        """
        key = options.mute, options.active
        since, until, words = self._held_before.get(key, (inf, 0.0, ""))
        if since <= moment < until:
            return until, words
        asked, held = moment, self._holding(moment, options)
        if held is None:
            return None
        for _ in range(_MOST_STEPS):
            following = None if held[0] == inf else self._holding(held[0], options)
            if following is None:
                break
            held = following
            if held[0] - asked > ENDLESS_S:
                held = inf, "its mute and active times leave no time between them"
        if held[0] < inf:
            # Several may hold until then: the first of those that do so in the end, whichever was met on the way.
            last = self._holding(held[0] - _JUST_BEFORE_S, options)
            held = held[0], held[1] if last is None else last[1]
        self._held_before[key] = asked, *held
        return held

    def _holding(self, moment: float, options: RouteOptions) -> tuple[float, str] | None:
        """(until when, which) of what holds at a moment what takes a route: a mute time, or that no active one does."""
        for name in options.mute:
            stretch = self._at(name, moment)
            if stretch is not None and stretch.begin <= moment:
                return stretch.end, f"mute time {name}"
        active = [(name, self._at(name, moment)) for name in options.active if name in self._mute_times]
        if not active or any(stretch is not None and stretch.begin <= moment for _, stretch in active):
            return None
        begins = min((stretch.begin for _, stretch in active if stretch is not None), default=inf)
        return begins, f"outside of {' and '.join(name for name, _ in active)}"

    def _at(self, name: str, moment: float) -> Stretch | None:
        mute_time = self._mute_times.get(name)
        if mute_time is None:
            return None
        asked = self._asked.get(name)
        # From when it was asked for up to its end a stretch is the answer; that there is none is one for a day.
        if asked is None or not asked[0] <= moment < (asked[0] + DAY_S if asked[1] is None else asked[1].end):
            asked = self._asked[name] = moment, mute_time.at(moment)
        return asked[1]

    def _time(self, moment: float) -> str:
        return time_text(datetime.fromtimestamp(moment, self._zone).isoformat(), self._zone)

    def cut(self) -> dict[bytes, bytes | None]:
        """The entries that changed since the last cut."""
        if not self._is_dirty:
            return {}
        self._is_dirty = False
        file = self._stored_file
        return {KEY: None if file is None else msgspec.json.encode({"format": FORMAT, "file": file})}

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what cuts stored; other entries are left alone."""
        if KEY in entries:
            row = msgspec.json.decode(entries[KEY])
            if row.get("format") != FORMAT:
                stored = row.get("format")
                raise StateError(f"lockstep.notify-state: mute times of format {stored}, this version reads {FORMAT}")
            self._stored_file = row["file"]
