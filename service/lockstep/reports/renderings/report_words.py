"""The words of a report that every rendering of it says alike: Markdown, mail, page and chat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from lockstep.reports.cell_text import cell_text, day_words, long_moment, short_moment, stake_money
from lockstep.reports.report_record import Figure, Matter, Report, Section, Todo
from lockstep.reports.todo import TEAMS, todos
from lockstep.response.report_due import Kind
from lockstep.text.one_line import capital

_BARS = "▁▂▃▄▅▆▇█"


def foot(report: Report) -> str:
    """As of when it was made, of what."""
    return f"{report.id}, of {report.covers}, as of {long_moment(report.at, ZoneInfo(report.zone))}"


def late_words(report: Report) -> str:
    """That it comes late."""
    return f"It comes {report.late:,} minutes late: the service was not there when it was due."


def stake_words(of: Matter | Todo, report: Report) -> str:
    """`1,200 GBP at stake`; "" where nobody knows."""
    return "" if of.at_stake is None else f"{stake_money(of.at_stake, report.currency)} at stake"


def due_words(of: Matter | Todo, report: Report) -> str:
    """`now`, `today`, `by Tue 1 Dec`, `by Tue 1 Dec 14:00`; "" where there is no hurry."""
    if not of.due:
        return ""
    if of.due <= report.at:
        return "now"
    zone = ZoneInfo(report.zone)
    local = datetime.fromisoformat(of.due).astimezone(zone)
    if local.time() != time():
        return f"by {short_moment(of.due, zone)}"
    last = local.date() - timedelta(1)  # until the first moment of a day is by the end of the one before
    today = datetime.fromisoformat(report.at).astimezone(zone).date()
    return "today" if last == today else f"by {day_words(last)}"


def stake_and_due(of: Matter | Todo, report: Report) -> str:
    """Both, `1,200 GBP at stake, today`; "" where nobody knows either."""
    return ", ".join(filter(None, (stake_words(of, report), due_words(of, report))))


# ---- what each team does --------------------------------------------------------------------------------------------

MOST_TODO: Mapping[Kind, int] = {"daily": 3, "weekly": 3, "monthly": 3, "hourly": 1}
"""What one team is told to do first; all of what matters stands below."""
_WHEN: Mapping[Kind, str] = {"daily": "today", "weekly": "", "monthly": "", "hourly": "now"}
_ABOVE: Mapping[Kind, str] = {"weekly": "To decide in this meeting", "monthly": "Open today, {today}"}


@dataclass(frozen=True)
class Task:
    """act: what to do. due: by when, `by Fri 4 Dec`, `today`; "": no hurry. why: what is so, what is at stake."""

    act: str
    due: str
    why: str


@dataclass(frozen=True)
class Group:
    """What one team or person does. head: whose it is, `Marketing today`. is_own: whether it is whom the report is for.
    tasks: the first ones; none: nothing is to be done. more: how many others stand below."""

    who: str
    head: str
    is_own: bool
    tasks: tuple[Task, ...]
    more: int


def groups(report: Report, teams: Sequence[str] = ()) -> list[Group]:
    """What each team does, and then each person. teams: for whom the report is; where it is one, it comes first."""
    own = teams[0] if len(teams) == 1 and teams[0] in TEAMS else ""
    listed = report.todo or todos(report.matters)  # an older version kept what matters alone
    names = dict.fromkeys((*filter(None, (own,)), *TEAMS, *(todo.who for todo in listed)))
    return [_group(who, [t for t in listed if t.who == who], report, is_own=own in ("", who)) for who in names]


def _group(who: str, listed: Sequence[Todo], report: Report, *, is_own: bool) -> Group:
    when = _WHEN[report.kind] if who in TEAMS else ""
    tasks = tuple(_task(todo, report, is_first=n == 0) for n, todo in enumerate(listed[: MOST_TODO[report.kind]]))
    return Group(
        who=who,
        head=f"{capital(who)}{f' {when}' if when else ''}",
        is_own=is_own,
        tasks=tasks,
        more=len(listed) - len(tasks),
    )


def _task(todo: Todo, report: Report, *, is_first: bool) -> Task:
    """Of the first one it is said why, of the others what is at stake: all of it stands below."""
    stake, due = stake_words(todo, report), due_words(todo, report)
    what = todo.what if is_first or not stake else ""
    return Task(todo.act, due, ". ".join(filter(None, (what, stake))))


def above_words(report: Report) -> str:
    """What stands above what each team does, where it needs a word."""
    today = datetime.fromisoformat(report.at).astimezone(ZoneInfo(report.zone)).date()
    return _ABOVE.get(report.kind, "").format(today=day_words(today))


def nothing_words(report: Report) -> str:
    """What is said to a team that has nothing to do; that nothing is known is no good news."""
    return "nothing that is known." if report.unknown and not report.matters else "nothing to do."


def above_matters(report: Report) -> str:
    """What stands above all that matters."""
    what = "Open today" if report.kind == "monthly" else "What matters"
    return f"{what}, by money at stake" if any(m.at_stake for m in report.matters) else what


def who_does(matter: Matter, shown: Sequence[Group]) -> str:
    """`Operations: Order 20 units. Marketing: Do not promote it`; the first team alone where that stands above already.
    shown: what stands above."""
    above = {task.act for group in shown for task in group.tasks}
    first = capital(matter.who) if matter.act in above else f"{capital(matter.who)}: {matter.act}"
    if not matter.also or matter.also in above:
        return first
    return f"{first}. {capital(next(team for team in TEAMS if team != matter.who))}: {matter.also}"


# ---- its parts ------------------------------------------------------------------------------------------------------


def section_time(section: Section, report: Report) -> str:
    """Of the meeting, `18 of 60 minutes`; "" for a section that has no time of its own."""
    minutes = sum(s.minutes for s in report.sections)
    return f"{section.minutes:,} of {minutes:,} minutes" if section.minutes else ""


def known_figures(section: Section) -> list[Figure]:
    """Those that have a number."""
    return [figure for figure in section.figures if figure.value is not None]


def small_words(section: Section) -> list[str]:
    """What is said small at a section's end: which of its numbers are not known, which tables have no row."""
    unknown = [figure.title for figure in section.figures if figure.value is None]
    said = [f"Not known: {', '.join(unknown)}."] if unknown else []
    return said + [f"{table.title}: {table.empty or 'none.'}" for table in section.tables if not table.rows]


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
