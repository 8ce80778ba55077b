"""The words of a report that every rendering of it says alike: Markdown, mail, page and chat."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from lockstep.reports.cell_text import cell_text, day_words, long_moment, money_words, short_moment
from lockstep.reports.report_record import Matter, Report, Section
from lockstep.text.figures import PERCENT, measured_text

_BARS = "▁▂▃▄▅▆▇█"


def foot(report: Report) -> str:
    """As of when it was made, of what."""
    return f"{report.id}, of {report.covers}, as of {long_moment(report.at, ZoneInfo(report.zone))}"


def late_words(report: Report) -> str:
    """That it comes late."""
    return f"It comes {report.late:,} minutes late: the service was not there when it was due."


def nothing_words(report: Report) -> str:
    """What is said where nothing matters; that nothing is known is no good news."""
    if report.unknown:
        return "Nothing that is known needs anybody. What could not be known stands at the end."
    return "Nothing needs anybody."


def stake_words(matter: Matter, report: Report) -> str:
    """`1,200 GBP at stake`; "" where nobody knows."""
    return "" if matter.at_stake is None else f"{money_words(matter.at_stake, report.currency)} at stake"


def due_words(matter: Matter, report: Report) -> str:
    """`now`, `today`, `by Tue 1 Dec`, `by Tue 1 Dec 14:00`; "" where there is no hurry."""
    if not matter.due:
        return ""
    if matter.due <= report.at:
        return "now"
    zone = ZoneInfo(report.zone)
    local = datetime.fromisoformat(matter.due).astimezone(zone)
    if local.time() != time():
        return f"by {short_moment(matter.due, zone)}"
    last = local.date() - timedelta(1)  # until the first moment of a day is by the end of the one before
    today = datetime.fromisoformat(report.at).astimezone(zone).date()
    return "today" if last == today else f"by {day_words(last)}"


def stake_and_due(matter: Matter, report: Report) -> str:
    """Both, `1,200 GBP at stake, today`; "" where nobody knows either."""
    return ", ".join(filter(None, (stake_words(matter, report), due_words(matter, report))))


def section_time(section: Section) -> str:
    """Of the meeting, `18 min, 30%`; "" for a section that has no time of its own."""
    return f"{section.minutes} min, {measured_text(section.share, PERCENT)}" if section.minutes else ""


def bars(curve: tuple[int | float | None, ...]) -> str:
    """A small chart in letters: `▁▃█`; a gap for what is not known."""
    known = [n for n in curve if n is not None]
    most = max(known, default=0)
    if len(known) < 2 or most <= 0:
        return ""
    return "".join(" " if n is None else _BARS[min(7, max(0, round(n / most * 7)))] for n in curve)


def table_text(value: int | float | str | None, unit: str, zone: ZoneInfo) -> str:
    """A cell of a table, in which what is not known is a dash."""
    return "–" if value is None else cell_text(value, unit, zone)
