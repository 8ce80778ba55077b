"""A report as Slack shows it: what matters first, then every part; within the limits of Block Kit."""

from typing import Any
from zoneinfo import ZoneInfo

from lockstep.adapters.slack_api.markup import cut, escaped, linked
from lockstep.reports.cell_text import figure_text
from lockstep.reports.comparison import comparisons
from lockstep.reports.renderings.report_words import (
    bars,
    foot,
    late_words,
    nothing_words,
    section_time,
    stake_and_due,
    table_text,
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


def report_blocks(report: Report, *, page: str = "") -> list[Block]:
    """The blocks of a report. page: the address of its page; "" for none.

    What finds no place is left out from the end on, and it is said that the page has it.
    """
    head = [
        {"type": "header", "text": {"type": "plain_text", "text": report.title[:LONGEST_TITLE], "emoji": False}},
        _section(f"*{cut(report.headline, LONGEST_LINE)}*"),
    ]
    if report.late:
        head.append(_section(f":warning: {escaped(late_words(report))}"))
    foot_lines = [cut(foot(report), LONGEST_LINE)]
    if page:
        foot_lines.append(f"The whole report: {linked(page)}")
    last: Block = {"type": "context", "elements": [{"type": "mrkdwn", "text": "\n".join(foot_lines)}]}
    body = [_section(text) for text in _texts(report)]
    room = LONGEST_ALL - sum(map(_size, [*head, last])) - 200
    kept: list[Block] = []
    for block in body:
        room -= _size(block)
        if room < 0 or len(head) + len(kept) >= MOST_BLOCKS - 2:
            break
        kept.append(block)
    if len(kept) < len(body):
        where = "its page has the rest" if page else "the mail and `lockstep report` have the rest"
        kept.append(_section(f"… {len(body) - len(kept)} parts found no place here; {where}."))
    return [*head, *kept, last]


def _size(block: Block) -> int:
    text = block.get("text")
    return len(text["text"]) if isinstance(text, dict) else sum(len(e["text"]) for e in block.get("elements", ()))


def _section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:LONGEST_BLOCK]}}


def _texts(report: Report) -> list[str]:
    """The parts as texts, each fit for one block."""
    texts = ["*What matters*" if report.matters else "*What matters*\n" + nothing_words(report)]
    for number, matter in enumerate(report.matters, 1):
        said = stake_and_due(matter, report)
        texts.append(
            f"{number}. *{cut(matter.who.capitalize(), 100)}: {cut(matter.act, LONGEST_LINE)}*\n"
            f"{cut(matter.what, LONGEST_LINE)}{f' — *{escaped(said)}*' if said else ''}"
        )
    for section in report.sections:
        texts += _section_texts(section, report)
    if report.unknown:
        lines = [f"• {cut(text, LONGEST_LINE)}" for text in report.unknown]
        texts.append("\n".join([":grey_question: *What this report could not know*", *lines]))
    return texts


def _section_texts(section: Section, report: Report) -> list[str]:
    time = section_time(section)
    lines = [
        f"*{cut(section.title, LONGEST_TITLE)}{f' ({time})' if time else ''}*",
        *(f"• {cut(line, LONGEST_LINE)}" for line in section.lines),
    ]
    lines += [_figure(figure, report) for figure in section.figures]
    texts, begun = [], lines
    for table in section.tables:
        rows = _table(table, ZoneInfo(report.zone))
        if sum(map(len, begun)) + sum(map(len, rows)) > LONGEST_BLOCK - 200:
            texts.append("\n".join(begun))
            begun = []
        begun += rows
    return [*texts, "\n".join(begun)] if begun else texts


def _figure(figure: Figure, report: Report) -> str:
    against = ", ".join(compared.text for compared in comparisons(figure, report))
    drawn = bars(figure.curve)
    line = f"{escaped(figure.title)}: *{escaped(figure_text(figure, ZoneInfo(report.zone)))}*"
    return line + (f"  {escaped(against)}" if against else "") + (f"  {drawn}" if drawn else "")


def _table(table: Table, zone: ZoneInfo) -> list[str]:
    lines = [f"_{cut(table.title, LONGEST_TITLE)}_"]
    if not table.rows:
        return [f"{lines[0]}: {cut(table.empty or 'none', LONGEST_LINE)}"]
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
