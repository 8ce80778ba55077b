"""A calendar file (iCalendar, RFC 5545) as Google, Outlook and others export it, read by libraries within bounds."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from typing import Any

import recurring_ical_events
from icalendar import Calendar

MOST_EVENTS = 5_000
"""Events of one file."""
MOST_A_DAY = 24
"""Times of a day that one event recurs at."""
_TOO_OFTEN = ("SECONDLY", "MINUTELY")


class CalendarFault(Exception):
    """The file cannot be used. line: where, from 1."""

    def __init__(self, message: str, remedy: str, line: int = 1) -> None:
        super().__init__(message)
        self.message, self.remedy, self.line = message, remedy, line


class IcalText:
    """events: as they stand in the file. query: when they are, with what recurs, exceptions of it and time zones."""

    def __init__(self, text: str, *, event: str) -> None:
        """event: what people call one, `a shift`. Raises CalendarFault."""
        self._text = text
        if "BEGIN:VCALENDAR" not in text.upper():
            raise CalendarFault("this is no calendar: it has no BEGIN:VCALENDAR", "export it as iCalendar (.ics)")
        with unreadable():
            calendar = Calendar.from_ical(text)
            self.events: list[Any] = calendar.walk("VEVENT")
            self._check(event)
            self.query = recurring_ical_events.of(calendar, components=["VEVENT"])

    def _check(self, name: str) -> None:
        events = self.events
        if len(events) > MOST_EVENTS:
            raise CalendarFault(f"{len(events):,} events; at most {MOST_EVENTS:,}", "export the coming months alone")
        for event in events:
            rules = event.get("RRULE", [])
            for rule in rules if isinstance(rules, list) else [rules]:
                self._check_rule(rule, name)
            if "DTSTART" not in event:
                raise CalendarFault(
                    f"event '{title(event)}' has no start", "give it a DTSTART", self.line_of("BEGIN:VEVENT")
                )

    def _check_rule(self, rule: Mapping[str, list[Any]], name: str) -> None:
        """What the library would look for without an end, or find by the million in a day. Raises CalendarFault."""
        often = {str(word).upper() for word in rule.get("FREQ", [])}.intersection(_TOO_OFTEN)
        if often:
            line = self.line_of(f"FREQ={min(often)}")
            raise CalendarFault(f"{name} recurs {min(often)}", "let it recur HOURLY at most", line)
        # A rule says its times of a day by lists that multiply: 24 hours by 60 minutes by 60 seconds.
        times = prod(len(rule.get(part, [])) or 1 for part in ("BYHOUR", "BYMINUTE", "BYSECOND"))
        if times > MOST_A_DAY:
            line = self.line_of("RRULE")
            raise CalendarFault(f"{name} recurs at {times:,} times of a day", f"let it be {MOST_A_DAY} at most", line)
        if any(every < 1 for every in rule.get("INTERVAL", [])):
            raise CalendarFault(f"{name} recurs with an INTERVAL below 1", "write 1 or more", self.line_of("RRULE"))

    def line_of(self, *texts: str) -> int:
        """The line on which one of these begins; 1 where none does, as long lines are folded."""
        for text in texts:
            for number, line in enumerate(self._text.splitlines(), 1):
                if line.upper().startswith(text.upper()) or (text.startswith("FREQ") and text in line.upper()):
                    return number
        return 1


@contextmanager
def unreadable() -> Iterator[None]:
    """Whatever two libraries raise within it for a text that is no calendar becomes a CalendarFault."""
    try:
        yield
    except CalendarFault:
        raise
    except Exception as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise CalendarFault(f"no calendar that can be read: {first[:200]}", "export it anew") from error


def title(event: Any) -> str:
    """What an event is called, without space around it."""
    return " ".join(str(event.get("SUMMARY", "")).split())


def is_cancelled(event: Any) -> bool:
    return str(event.get("STATUS", "")).upper() == "CANCELLED"
