"""What the calendar says of the time that a chart shows: campaigns, holidays, closed days."""

from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from lockstep.adapters.charts.curve import Marked
from lockstep.calendar import Calendar, Entry

MOST_MARKS = 5
MOST_DAYS = 400
"""Days of a chart that are looked at, from its last one back."""


def marks(spans: Iterable[Marked], first: float, last: float) -> tuple[Marked, ...]:
    """Those that lie in [first, last] in seconds, cut to it, in the order of time.

    Of more than MOST_MARKS campaigns are shown first, then the longest.
    """
    shown = [
        Marked(span.name, max(first, span.start), min(last, span.end), span.kind)
        for span in spans
        if span.start < last and span.end > first
    ]
    shown.sort(key=lambda span: (span.kind != "campaign", span.start - span.end, span.start, span.name))
    return tuple(sorted(shown[:MOST_MARKS], key=lambda span: (span.start, span.end, span.name)))


def days_of(calendar: Calendar | None, first: float, last: float, zone: ZoneInfo) -> Iterator[Marked]:
    """The entries of a calendar on the days that [first, last] touches, each stretch of days by itself."""
    if calendar is None:
        return
    ends = datetime.fromtimestamp(last, zone).date()
    begins = max(datetime.fromtimestamp(first, zone).date(), ends - timedelta(MOST_DAYS))
    days = [begins + timedelta(n) for n in range((ends - begins).days + 1)]
    for entry in calendar.for_people:
        start = None
        for day in [*days, None]:
            if day is not None and entry.is_on(day):
                start = start or day
            elif start is not None:
                end = days[-1] + timedelta(1) if day is None else day
                yield _mark(entry, datetime.combine(start, time(), zone), datetime.combine(end, time(), zone))
                start = None


def _mark(entry: Entry, start: datetime, end: datetime) -> Marked:
    return Marked(entry.name, start.timestamp(), end.timestamp(), entry.kind)
