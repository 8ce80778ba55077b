"""Shifts of a calendar file (iCalendar, RFC 5545), as Google, Outlook and on-call services export them.

An event is a shift, its title says whose. What recurs, exceptions of it and time zones are read by a library.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from lockstep.calendar.ical_text import IcalText, is_cancelled, title, unreadable
from lockstep.notify.oncall.schedules import instant
from lockstep.text.time_units import WEEK_S

_WEEKS_KEPT = 120
"""Weeks whose shifts are remembered; of more the oldest asked are reckoned again."""


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
        self._names = {_plain(name): receiver for name, receiver in names.items()}
        self._ical = IcalText(text, event="a shift")
        self._weeks: dict[int, tuple[tuple[float, float, str], ...]] = {}
        with unreadable():
            self._shifts(0)
            self._titles = tuple(dict.fromkeys(title(event) for event in self._ical.events if not is_cancelled(event)))

    def titles(self) -> Iterator[Title]:
        """Every title once."""
        for text in self._titles:
            yield Title(text, self._ical.line_of(f"SUMMARY:{text}", "SUMMARY"))

    def receiver(self, name: str) -> str:
        """Whom a title means."""
        return self._names.get(_plain(name), name)

    def receivers(self) -> frozenset[str]:
        return frozenset(self.receiver(name) for name in self._titles)

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
                (start, stop, title(event))
                for event in self._ical.query.between(begin, end)
                if not is_cancelled(event)
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


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()
