"""Shifts of a calendar file (iCalendar, RFC 5545), as Google, Outlook and on-call services export them.

An event is a shift, its title says whose. What recurs, exceptions of it and time zones are read by a library.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import recurring_ical_events
from icalendar import Calendar

from lockstep.notify.oncall.schedules import instant
from lockstep.text.time_units import WEEK_S

MOST_EVENTS = 5_000
"""Events of one file."""
_TOO_OFTEN = ("SECONDLY", "MINUTELY")
_WEEKS_KEPT = 120
"""Weeks whose shifts are remembered; of more the oldest asked are reckoned again."""


class CalendarFault(Exception):
    """The file cannot be used. line: where, from 1."""

    def __init__(self, message: str, remedy: str, line: int = 1) -> None:
        super().__init__(message)
        self.message, self.remedy, self.line = message, remedy, line


@dataclass(frozen=True)
class Title:
    """What an event is called, without space around it. line: where that stands first."""

    text: str
    line: int


class ShiftCalendar:
    """schedules.Layer over the events of a file.

    Where several are on at one time, the one that began last counts: a shift that was taken over is entered above the
    longer one. Whole days and times without a zone are those of the schedule's zone; what was cancelled is left out.
    """

    def __init__(self, text: str, zone: ZoneInfo, names: Mapping[str, str]) -> None:
        """text: of the file. names: title of an event → receiver; a title that is not there is a receiver's own name.

        Raises CalendarFault.
        """
        self._zone = zone
        self._names = {_plain(title): receiver for title, receiver in names.items()}
        self._text = text
        if "BEGIN:VCALENDAR" not in text.upper():
            raise CalendarFault("this is no calendar: it has no BEGIN:VCALENDAR", "export it as iCalendar (.ics)")
        try:
            self._calendar = Calendar.from_ical(text)
            events = self._calendar.walk("VEVENT")
            self._check(events)
            self._query = recurring_ical_events.of(self._calendar, components=["VEVENT"])
            self._weeks: dict[int, tuple[tuple[float, float, str], ...]] = {}
            self._shifts(0)
        except CalendarFault:
            raise
        except Exception as error:  # whatever two libraries raise for a text that is no calendar
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise CalendarFault(f"no calendar that can be read: {first[:200]}", "export it anew") from error
        self._titles = tuple(dict.fromkeys(_title(event) for event in events if not _is_cancelled(event)))

    def _check(self, events: list[Any]) -> None:
        if len(events) > MOST_EVENTS:
            raise CalendarFault(f"{len(events):,} events; at most {MOST_EVENTS:,}", "export the coming months alone")
        for event in events:
            rules = event.get("RRULE", [])
            for rule in rules if isinstance(rules, list) else [rules]:
                often = {str(word).upper() for word in rule.get("FREQ", [])}.intersection(_TOO_OFTEN)
                if often:
                    line = self._line_of(f"FREQ={min(often)}")
                    raise CalendarFault(f"a shift recurs {min(often)}", "let it recur HOURLY at most", line)
            if "DTSTART" not in event:
                raise CalendarFault(
                    f"event '{_title(event)}' has no start", "give it a DTSTART", self._line_of("BEGIN:VEVENT")
                )

    def titles(self) -> Iterator[Title]:
        """Every title once."""
        for title in self._titles:
            yield Title(title, self._line_of(f"SUMMARY:{title}", "SUMMARY"))

    def receiver(self, title: str) -> str:
        """Whom a title means."""
        return self._names.get(_plain(title), title)

    def receivers(self) -> frozenset[str]:
        return frozenset(self.receiver(title) for title in self._titles)

    def at(self, moment: float) -> str | None:
        on = [shift for shift in self._shifts(int(moment // WEEK_S)) if shift[0] <= moment < shift[1]]
        return self.receiver(max(on, key=lambda shift: (shift[0], -shift[1], shift[2]))[2]) if on else None

    def next_edge(self, moment: float) -> float | None:
        week = int(moment // WEEK_S)
        edges = (edge for start, end, _ in self._shifts(week) for edge in (start, end) if edge > moment)
        # A week without a change is passed over by its end: the next one may have some.
        return min((*edges, float((week + 1) * WEEK_S)))

    def _shifts(self, week: int) -> tuple[tuple[float, float, str], ...]:
        """(start, end, title) of the shifts that touch a week, counted from 1970."""
        known = self._weeks.get(week)
        if known is None:
            begin, end = (datetime.fromtimestamp(n * WEEK_S, UTC) for n in (week, week + 1))
            known = tuple(
                (start, stop, _title(event))
                for event in self._query.between(begin, end)
                if not _is_cancelled(event)
                for start, stop in [(self._instant(event["DTSTART"].dt), self._instant(event["DTEND"].dt))]
                if start < stop
            )
            if len(self._weeks) >= _WEEKS_KEPT:
                del self._weeks[next(iter(self._weeks))]
            self._weeks[week] = known
        return known

    def _instant(self, moment: date | datetime) -> float:
        if not isinstance(moment, datetime):
            moment = datetime.combine(moment, time())
        return instant(moment, self._zone) if moment.tzinfo is None else moment.timestamp()

    def _line_of(self, *texts: str) -> int:
        """The line on which one of these begins; 1 where none does, as long lines are folded."""
        for text in texts:
            for number, line in enumerate(self._text.splitlines(), 1):
                if line.upper().startswith(text.upper()) or (text.startswith("FREQ") and text in line.upper()):
                    return number
        return 1


def _title(event: Any) -> str:
    return " ".join(str(event.get("SUMMARY", "")).split())


def _plain(title: str) -> str:
    return " ".join(title.split()).casefold()


def _is_cancelled(event: Any) -> bool:
    return str(event.get("STATUS", "")).upper() == "CANCELLED"
