"""A report as Markdown: what is pasted into a chat or a wiki, and what webhooks carry beside the data."""

import re
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from lockstep.reports.cell_text import (
    cell_text,
    day_words,
    figure_text,
    long_moment,
    money_words,
    short_moment,
)
from lockstep.reports.comparison import comparison_names, comparisons
from lockstep.reports.report_record import Figure, Matter, Report, Section, Table
from lockstep.text.one_line import flat

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~])")
_BARS = "▁▂▃▄▅▆▇█"


def markdown(report: Report) -> str:
    """The whole report."""
    zone = ZoneInfo(report.zone)
    lines = [f"# {_plain(report.title)}", "", f"**{_plain(report.headline)}**", ""]
    if report.late:
        lines += [f"_{late_words(report)}_", ""]
    lines += ["## What matters", ""]
    for number, matter in enumerate(report.matters, 1):
        lines += _matter(number, matter, report, zone)
    if not report.matters:
        lines += [nothing_words(report), ""]
    for section in report.sections:
        lines += _section(section, report)
    if report.unknown:
        lines += ["## What this report could not know", "", *(f"- {_plain(text)}" for text in report.unknown), ""]
    lines.append(f"_{_plain(foot(report))}_")
    return "\n".join(lines).rstrip() + "\n"


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


def _matter(number: int, matter: Matter, report: Report, zone: ZoneInfo) -> list[str]:
    said = ", ".join(filter(None, (stake_words(matter, report), due_words(matter, report))))
    lines = [f"{number}. **{_plain(matter.what)}**{f' — {said}' if said else ''}  "]
    lines.append(f"   {_plain(matter.who.capitalize())}: {_plain(matter.act)}.")
    if matter.because:
        lines[-1] += f" _({_plain(matter.because)})_"
    return [*lines, ""]


def _section(section: Section, report: Report) -> list[str]:
    time = f" ({section.minutes} min, {round(section.share * 100)}%)" if section.minutes else ""
    lines = [f"## {_plain(section.title)}{time}", ""]
    lines += [f"- {_plain(text)}" for text in section.lines]
    lines += [""] if section.lines else []
    if section.figures:
        lines += _figures(section.figures, report)
    for table in section.tables:
        lines += _table(table, ZoneInfo(report.zone))
    return lines


def _figures(figures: tuple[Figure, ...], report: Report) -> list[str]:
    rows = [(figure, {c.name: c for c in comparisons(figure, report)}) for figure in figures]
    shown = [name for name in comparison_names(report) if any(name in compared for _, compared in rows)]
    is_curved = any(len(f.curve) > 1 for f in figures)
    head = [
        "",
        "Now" if not shown else "Value",
        *(f"{name[0].upper()}{name[1:]}" for name in shown),
        *(["Days before"] if is_curved else []),
    ]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for figure, compared in rows:
        cells = [_plain(figure.title), f"**{figure_text(figure, ZoneInfo(report.zone))}**"]
        for name in shown:
            one = compared.get(name)
            cells.append("" if one is None else one.other + (f" ({one.change})" if one.change else ""))
        if is_curved:
            cells.append(bars(figure.curve))
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def bars(curve: tuple[int | float | None, ...]) -> str:
    """A small chart in letters: `▁▃█`; a gap for what is not known."""
    known = [n for n in curve if n is not None]
    most = max(known, default=0)
    if len(known) < 2 or most <= 0:
        return ""
    return "".join(" " if n is None else _BARS[min(7, max(0, round(n / most * 7)))] for n in curve)


def _table(table: Table, zone: ZoneInfo) -> list[str]:
    lines = [f"### {_plain(table.title)}", ""]  # also where it is that of its section: a table is found by its title
    if not table.rows:
        return [*lines, _plain(table.empty or "None."), ""]
    lines += [f"| {' | '.join(_plain(c.title) for c in table.columns)} |", f"|{'---|' * len(table.columns)}"]
    for row in table.rows:
        cells = (table_text(value, column.unit, zone) for value, column in zip(row, table.columns, strict=True))
        lines.append(f"| {' | '.join(map(_plain, cells))} |")
    if table.more:
        lines += ["", f"… and {table.more:,} more"]
    if table.note:
        lines += ["", _plain(table.note)]
    return [*lines, ""]


def table_text(value: int | float | str | None, unit: str, zone: ZoneInfo) -> str:
    """A cell of a table, in which what is not known is a dash."""
    return "–" if value is None else cell_text(value, unit, zone)


def _plain(text: str) -> str:
    """A text that cannot become markup, on one line."""
    return _SPECIAL.sub(r"\\\1", flat(text))
