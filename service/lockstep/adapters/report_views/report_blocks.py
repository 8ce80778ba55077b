"""A report as Slack shows it: how it stands, what each team does, and where the rest is; within the limits of Block
Kit. A message that has no page to lead to has every part itself."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from lockstep.adapters.slack_api.markup import cut, escaped, linked
from lockstep.reports.cell_text import figure_text
from lockstep.reports.comparison import comparisons
from lockstep.reports.renderings.report_words import (
    Group,
    above_matters,
    above_words,
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
from lockstep.reports.report_record import Figure, Report, Section, Table

MOST_BLOCKS = 50
LONGEST_BLOCK = 3_000
LONGEST_ALL = 12_000
"""Characters of all blocks of a message."""
LONGEST_LINE = 400
LONGEST_TITLE = 150

Block = dict[str, Any]


def report_text(report: Report) -> str:
    """What a phone's lock screen shows."""
    return cut(f"{report.title}: {report.headline}", LONGEST_BLOCK)


def report_blocks(report: Report, *, teams: Sequence[str] = (), page: str = "") -> list[Block]:
    """The blocks of a report. teams: for whom; where it is one, what it does comes first. page: the address of its
    page; "" for none: then every part is a block, and what finds no place is left out from the end on, which is said.
    """
    head = [
        {"type": "header", "text": {"type": "plain_text", "text": report.title[:LONGEST_TITLE], "emoji": False}},
        _section(f"*{cut(report.headline, LONGEST_LINE)}*"),
    ]
    if report.late:
        head.append(_section(f":warning: {escaped(late_words(report))}"))
    above, shown = above_words(report), groups(report, teams)
    head += [_section(f"*{escaped(above)}*")] if above else []
    head += [_section(_group(group, report)) for group in shown]
    if page:
        head.append(_section(linked(page, "The whole report, with all numbers")))
    last: Block = {"type": "context", "elements": [{"type": "mrkdwn", "text": cut(foot(report), LONGEST_LINE)}]}
    body = [] if page else [_section(text) for text in _texts(report, shown)]
    room = LONGEST_ALL - sum(map(_size, [*head, last])) - 200
    kept: list[Block] = []
    for block in body:
        room -= _size(block)
        if room < 0 or len(head) + len(kept) >= MOST_BLOCKS - 2:
            break
        kept.append(block)
    if len(kept) < len(body):
        rest = f"… {len(body) - len(kept)} parts found no place here; the mail and `lockstep report` have the rest."
        kept.append(_section(rest))
    return [*head, *kept, last]


def _size(block: Block) -> int:
    text = block.get("text")
    return len(text["text"]) if isinstance(text, dict) else sum(len(e["text"]) for e in block.get("elements", ()))


def _section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:LONGEST_BLOCK]}}


def _group(group: Group, report: Report) -> str:
    """What one team does, in bold where the message is for it."""
    head = f"*{cut(group.head, 100)}:*"
    if not group.tasks:
        return f"{head} {nothing_words(report)}"
    lines = [head]
    for number, task in enumerate(group.tasks, 1):
        act = cut(task.act, LONGEST_LINE)
        lines.append(f"{number}. {f'*{act}*' if group.is_own else act}{f' · {escaped(task.due)}' if task.due else ''}")
        lines[-1] += f"\n_{cut(task.why, LONGEST_LINE)}_" if task.why else ""
    return "\n".join([*lines, *([f"and {group.more:,} more"] if group.more else [])])


def _texts(report: Report, shown: Sequence[Group]) -> list[str]:
    """The parts as texts, each fit for one block."""
    texts = [f"*{above_matters(report)}*"] if report.matters else []
    for number, matter in enumerate(report.matters, 1):
        said = stake_and_due(matter, report)
        texts.append(
            f"{number}. {f'*{escaped(said)}*: ' if said else ''}{cut(matter.what, LONGEST_LINE)}\n"
            f"{cut(who_does(matter, shown), LONGEST_LINE)}"
        )
    for section in report.sections:
        texts += _section_texts(section, report)
    if report.unknown:
        lines = [f"• {cut(text, LONGEST_LINE)}" for text in report.unknown]
        texts.append("\n".join([":grey_question: *What this report could not know*", *lines]))
    return texts


def _section_texts(section: Section, report: Report) -> list[str]:
    time = section_time(section, report)
    lines = [
        f"*{cut(section.title, LONGEST_TITLE)}*{f' ({time})' if time else ''}",
        *([cut(section.result, LONGEST_LINE)] if section.result else []),
        *(f"• {cut(line, LONGEST_LINE)}" for line in section.lines),
    ]
    lines += [_figure(figure, report) for figure in known_figures(section)]
    texts, begun = [], lines
    for table in section.tables:
        rows = _table(table, ZoneInfo(report.zone)) if table.rows else []
        if sum(map(len, begun)) + sum(map(len, rows)) > LONGEST_BLOCK - 200:
            texts.append("\n".join(begun))
            begun = []
        begun += rows
    begun += [cut(text, LONGEST_LINE) for text in small_words(section)]
    return [*texts, "\n".join(begun)] if begun else texts


def _figure(figure: Figure, report: Report) -> str:
    against = ", ".join(compared.text for compared in comparisons(figure, report))
    line = f"{escaped(figure.title)}: *{escaped(figure_text(figure, ZoneInfo(report.zone)))}*"
    return line + (f"  {escaped(against)}" if against else "")


def _table(table: Table, zone: ZoneInfo) -> list[str]:
    lines = [f"_{cut(table.title, LONGEST_TITLE)}_"]
    for row in table.rows:
        first, *rest = (
            (column.title, table_text(value, column.unit, zone))
            for value, column in zip(row, table.columns, strict=True)
            if value is not None
        )
        said = " · ".join(" ".join(filter(None, part)) for part in rest)
        lines.append(f"• *{cut(first[1], 120)}* {cut(said, LONGEST_LINE)}")
    if table.more:
        lines.append(f"… and {table.more:,} more")
    return lines
