"""A report as HTML: the same words, tiles and tables in a mail and on its page.

A mail carries its styles in every tag, since that is what mail programs show; a page may not (its policy takes styles
from our own host alone) and has classes. Everything that is not ours is escaped.
"""

from collections.abc import Mapping, Sequence
from html import escape
from zoneinfo import ZoneInfo

from lockstep.adapters.charts.sparkline import HEIGHT, WIDTH, sparkline
from lockstep.adapters.report_views.report_sheet import LIGHT, dark_sheet, page_sheet
from lockstep.reports.cell_text import curve_name, curve_words, figure_text
from lockstep.reports.comparison import Comparison, comparisons
from lockstep.reports.renderings.report_words import (
    bars,
    due_words,
    foot,
    late_words,
    nothing_words,
    stake_words,
    table_text,
)
from lockstep.reports.report_record import Column, Figure, Matter, Report, Section, Table
from lockstep.text.figures import PERCENT, measured_text
from lockstep.text.one_line import flat

WIDEST, WIDEST_PAGE = 4, 7
"""Columns that stand side by side in a mail, and on a page; a row of more is a line of words. Most mails are read on
phones, and a page is no wider than its card."""
_TEAMS = ("marketing", "operations")


def report_page(report: Report) -> str:
    """The inside of its page."""
    return _Html(inline=False).report(report)


def report_document(report: Report, *, sheet: str = "") -> str:
    """A page of its own, to be kept as a file. sheet: where its sheet is linked; "": the sheet is in it."""
    style = f'<link rel="stylesheet" href="{escape(sheet)}">' if sheet else f"<style>{_file_sheet()}</style>"
    return (
        f"{_head(report)}{style}</head>"
        f'<body class="r-page"><div class="r-wrap">{report_page(report)}</div></body></html>\n'
    )


def report_mail(report: Report, *, page: str = "", charts: Mapping[str, tuple[str, str, str]] | None = None) -> str:
    """The HTML part of its mail. page: the address of its page; "" for none. charts: `curve_name` → where the small
    chart is found in light, in dark, and what it shows; the others are drawn in letters."""
    html = _Html(inline=True, charts=charts or {})
    link = html.el("p", "r-grey", html.link(page, "See it as a page")) if page else ""
    preview = f'<div style="display:none;max-height:0;overflow:hidden">{escape(report.headline)}</div>'
    return (
        f'{_head(report)}<meta name="supported-color-schemes" content="light dark"><style>{dark_sheet()}</style></head>'
        f'<body class="r-page" style="{LIGHT["r-page"]}">{preview}'
        f"{html.el('div', 'r-wrap', html.report(report) + link)}</body></html>"
    )


def _file_sheet() -> str:
    dark = "@media (prefers-color-scheme:dark){.r-page{background:#0c111d;color:#f5f5f6}}"
    return f":root{{color-scheme:light dark}}.r-page{{{LIGHT['r-page']}}}{page_sheet()}{dark}"


def _head(report: Report) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(flat(report.title))}</title>'
    )


class _Html:
    """inline: whether styles stand in every tag, as mails need it. charts: pictures that a mail brings along."""

    def __init__(self, *, inline: bool, charts: Mapping[str, tuple[str, str, str]] | None = None) -> None:
        self._inline, self._charts = inline, charts or {}

    def el(self, tag: str, classes: str, content: str, more: str = "") -> str:
        """An element; content is markup already."""
        style = ";".join(filter(None, (LIGHT.get(name, "") for name in classes.split()))) if self._inline else ""
        said = f' style="{style}"' if style else ""
        return f'<{tag} class="{classes}"{said}{more}>{content}</{tag}>'

    def link(self, address: str, text: str) -> str:
        return self.el("a", "r-link", escape(text), f' href="{escape(address)}"')

    def report(self, report: Report) -> str:
        parts = [
            self.el(
                "div",
                "r-card",
                self.el("h1", "r-title", escape(report.title)) + self.el("p", "r-headline", escape(report.headline)),
            )
        ]
        if report.late:
            parts.append(self.el("div", "r-late", escape(late_words(report))))
        parts.append(self.el("h2", "r-h2", "What matters"))
        parts += [self._matter(matter, report) for matter in report.matters]
        if not report.matters:
            parts.append(self.el("div", "r-card", nothing_words(report)))
        parts += [self._section(section, report) for section in report.sections]
        if report.unknown:
            items = "".join(f"<li>{escape(text)}</li>" for text in report.unknown)
            parts.append(
                self.el("div", "r-gap", f"<b>What this report could not know</b>{self.el('ul', 'r-list', items)}")
            )
        parts.append(self.el("p", "r-grey", escape(foot(report))))
        return "".join(parts)

    def _matter(self, matter: Matter, report: Report) -> str:
        team = matter.who if matter.who in _TEAMS else "both"
        stake, due = stake_words(matter, report), due_words(matter, report)
        head = self.el("span", f"r-who r-who-{team}", escape(matter.who.capitalize()))
        head += self.el("span", "r-stake", escape(stake)) if stake else ""
        head += self.el("span", "r-due", escape(due)) if due else ""
        because = self.el("div", "r-grey", escape(matter.because)) if matter.because else ""
        return self.el(
            "div",
            f"r-matter r-{team}",
            f"<div>{head}</div>{self.el('div', 'r-act', escape(matter.act))}"
            f"{self.el('div', 'r-soft', escape(matter.what))}{because}",
        )

    def _section(self, section: Section, report: Report) -> str:
        time = f", {section.minutes} min ({measured_text(section.share, PERCENT)})" if section.minutes else ""
        parts = []
        if section.lines:
            parts.append(self.el("ul", "r-list", "".join(f"<li>{escape(line)}</li>" for line in section.lines)))
        if section.figures:
            parts.append("".join(self._tile(figure, report, curve_name(section, figure)) for figure in section.figures))
        parts += [self._table(table, ZoneInfo(report.zone), section) for table in section.tables]
        return self.el("h2", "r-h2", escape(section.title + time)) + self.el("div", "r-card", "".join(parts))

    def _tile(self, figure: Figure, report: Report, chart: str) -> str:
        lines = [
            self.el("div", "r-name", escape(figure.title)),
            self.el("div", "r-value", escape(figure_text(figure, ZoneInfo(report.zone)))),
            *(self._against(compared) for compared in comparisons(figure, report)),
        ]
        if figure.why and figure.value is None:
            lines.append(self.el("div", "r-against", escape(figure.why)))
        lines.append(self._curve(figure, report, chart))
        return self.el("div", "r-tile", "".join(lines))

    def _curve(self, figure: Figure, report: Report, chart: str) -> str:
        """The small chart: drawn on a page, a picture in a mail, in letters where a mail has none."""
        if not self._inline:
            return sparkline(figure.curve, usual=figure.usual, alt=curve_words(figure, ZoneInfo(report.zone)))
        if chart in self._charts:
            source, _, alt = self._charts[chart]
            size = f'width="{WIDTH}" height="{HEIGHT}"'
            return f'<img src="{source}" alt="{escape(alt)}" {size} style="{LIGHT["r-chart"]}" class="r-chart">'
        drawn = bars(figure.curve)
        return self.el("div", "r-bars", drawn) if drawn else ""

    def _against(self, compared: Comparison) -> str:
        mark = "" if compared.is_good is None else "r-good" if compared.is_good else "r-bad"
        change = escape(compared.change)
        said = f" {self.el('span', mark, change)}" if change and mark else f" {change}"
        return self.el("div", "r-against", f"{escape(compared.name)} {escape(compared.other)}{said}")

    def _table(self, table: Table, zone: ZoneInfo, section: Section) -> str:
        title = self.el("h3", "r-h3", escape(table.title)) if table.title != section.title else ""
        if not table.rows:
            return title + self.el("div", "r-grey", escape(table.empty or "None."))
        widest = WIDEST if self._inline else WIDEST_PAGE
        rows = self._lines(table, zone) if len(table.columns) > widest else self._grid(table, zone)
        more = self.el("div", "r-grey", f"and {table.more:,} more") if table.more else ""
        more += self.el("div", "r-grey", escape(table.note)) if table.note else ""
        return title + rows + more

    def _lines(self, table: Table, zone: ZoneInfo) -> str:
        """Each row as a line of words: `A-1  Available 3 · Cover 1.2 days`."""
        rows = []
        for row in table.rows:
            first, *rest = (
                (column, table_text(value, column.unit, zone))
                for value, column in zip(row, table.columns, strict=True)
                if value is not None
            )
            said = " · ".join(
                (f"{self.el('span', 'r-grey', escape(column.title))} " if column.title else "") + escape(text)
                for column, text in rest
            )
            rows.append(self.el("div", "r-row", f"<b>{escape(first[1])}</b>&ensp;{said}"))
        return "".join(rows)

    def _grid(self, table: Table, zone: ZoneInfo) -> str:
        head = "".join(self.el("th", f"r-th{_side(c)}", escape(c.title)) for c in table.columns)
        rows = "".join(f"<tr>{self._cells(row, table.columns, zone)}</tr>" for row in table.rows)
        wide = " r-wide" if len(table.columns) > WIDEST else ""
        return self.el("table", f"r-table{wide}", f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>")

    def _cells(self, row: Sequence[int | float | str | None], columns: Sequence[Column], zone: ZoneInfo) -> str:
        return "".join(
            self.el(
                "td",
                f"r-td{_side(column)}{' r-first' if n == 0 else ''}{' r-none' if value is None else ''}",
                escape(table_text(value, column.unit, zone)),
                f' data-name="{escape(column.title)}"',
            )
            for n, (value, column) in enumerate(zip(row, columns, strict=True))
        )


def _side(column: Column) -> str:
    return "" if column.unit in ("text", "day", "moment") else " r-num"
