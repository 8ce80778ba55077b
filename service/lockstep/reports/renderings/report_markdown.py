"""A report as Markdown: what is pasted into a chat or a wiki, and what webhooks carry beside the data."""

import re
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from lockstep.reports.cell_text import figure_text
from lockstep.reports.comparison import comparison_names, comparisons
from lockstep.reports.renderings.report_words import (
    Group,
    above_matters,
    above_words,
    bars,
    foot,
    groups,
    known_figures,
    late_words,
    nothing_words,
    section_time,
    small_words,
    stake_and_due,
    table_text,
    who_does,
)
from lockstep.reports.report_record import Figure, Matter, Report, Section, Table
from lockstep.text.one_line import flat

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~])")


def markdown(report: Report, teams: Sequence[str] = ()) -> str:
    """The whole report. teams: for whom; where it is one, what it does comes first."""
    lines = [f"# {_plain(report.title)}", "", f"**{_plain(report.headline)}**", ""]
    if report.late:
        lines += [f"_{late_words(report)}_", ""]
    above, shown = above_words(report), groups(report, teams)
    lines += [f"## {_plain(above)}", ""] if above else []
    for group in shown:
        lines += _group(group, report)
    if report.matters:
        lines += [f"## {above_matters(report)}", ""]
    for number, matter in enumerate(report.matters, 1):
        lines += _matter(number, matter, report, shown)
    for section in report.sections:
        lines += _section(section, report)
    if report.unknown:
        lines += ["## What this report could not know", "", *(f"- {_plain(text)}" for text in report.unknown), ""]
    lines.append(f"_{_plain(foot(report))}_")
    return "\n".join(lines).rstrip() + "\n"


def _group(group: Group, report: Report) -> list[str]:
    if not group.tasks:
        return [f"**{_plain(group.head)}:** {nothing_words(report)}", ""]
    lines = [f"**{_plain(group.head)}:**", ""]
    for number, task in enumerate(group.tasks, 1):
        lines.append(f"{number}. **{_plain(task.act)}**{f' · {task.due}' if task.due else ''}  ")
        lines += [f"   {_plain(task.why)}"] if task.why else []
    return [*lines, *([f"   and {group.more:,} more, below"] if group.more else []), ""]


def _matter(number: int, matter: Matter, report: Report, shown: Sequence[Group]) -> list[str]:
    said = stake_and_due(matter, report)
    lines = [f"{number}. {_plain(matter.what)}{f' — {said}' if said else ''}  "]
    lines.append(f"   {_plain(who_does(matter, shown))}")
    if matter.because:
        lines[-1] += f" _({_plain(matter.because)})_"
    return [*lines, ""]


def _section(section: Section, report: Report) -> list[str]:
    time = section_time(section, report)
    lines = [f"## {_plain(section.title)}", ""]
    lines += [f"_{time}_", ""] if time else []
    lines += [_plain(section.result), ""] if section.result else []
    lines += [f"- {_plain(text)}" for text in section.lines]
    lines += [""] if section.lines else []
    figures = known_figures(section)
    if figures:
        lines += [f"_{_plain(section.note)}_", ""] if section.note else []
        lines += _figures(figures, report)
    for table in section.tables:
        lines += _table(table, ZoneInfo(report.zone)) if table.rows else []
    small = small_words(section)
    return [*lines, *(f"_{_plain(text)}_  " for text in small), *([""] if small else [])]


def _figures(figures: Sequence[Figure], report: Report) -> list[str]:
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


def _table(table: Table, zone: ZoneInfo) -> list[str]:
    lines = [f"### {_plain(table.title)}", ""]  # also where it is that of its section: a table is found by its title
    lines += [f"| {' | '.join(_plain(c.title) for c in table.columns)} |", f"|{'---|' * len(table.columns)}"]
    for row in table.rows:
        cells = (table_text(value, column.unit, zone) for value, column in zip(row, table.columns, strict=True))
        lines.append(f"| {' | '.join(map(_plain, cells))} |")
    if table.more:
        lines += ["", f"… and {table.more:,} more"]
    if table.note:
        lines += ["", _plain(table.note)]
    return [*lines, ""]


def _plain(text: str) -> str:
    """A text that cannot become markup, on one line."""
    return _SPECIAL.sub(r"\\\1", flat(text))
