"""A report as HTML: the same words, tiles and tables in a mail and on its page.

A mail carries its styles in every tag, since that is what mail programs show; a page may not (its policy takes styles
from our own host alone) and has classes. Everything that is not ours is escaped.
"""

from collections.abc import Mapping, Sequence
from html import escape
from zoneinfo import ZoneInfo

from lockstep.adapters.charts.sparkline import HEIGHT, WIDTH, sparkline
from lockstep.adapters.report_views.report_sheet import LIGHT, dark_sheet, page_sheet
from lockstep.reports.cell_text import SAME, SENTENCE, curve_name, curve_words, figure_text
from lockstep.reports.comparison import Comparison, comparisons
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
from lockstep.reports.report_record import Column, Figure, Matter, Report, Section, Table
from lockstep.reports.todo import TEAMS
from lockstep.text.one_line import capital, flat

BESIDE = 4
"""Columns of a table that stand side by side: more have no room on a phone. The others stand small below each row."""


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


def report_mail(
    report: Report,
    *,
    teams: Sequence[str] = (),
    page: str = "",
    charts: Mapping[str, tuple[str, str, str]] | None = None,
) -> str:
    """The HTML part of its mail. teams: for whom; where it is one, what it does comes first. page: the address of its
    page; "" for none. charts: `curve_name` → where the small
    chart is found in light, in dark, and what it shows; the others are drawn in letters."""
    html = _Html(inline=True, charts=charts or {})
    link = html.el("p", "r-grey", html.link(page, "See it as a page")) if page else ""
    preview = f'<div style="display:none;max-height:0;overflow:hidden">{escape(report.headline)}</div>'
    return (
        f'{_head(report)}<meta name="supported-color-schemes" content="light dark"><style>{dark_sheet()}</style></head>'
        f'<body class="r-page" style="{LIGHT["r-page"]}">{preview}'
        f"{html.el('div', 'r-wrap', html.report(report, teams) + link)}</body></html>"
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

    def report(self, report: Report, teams: Sequence[str] = ()) -> str:
        """All of it. teams: for whom."""
        above, shown = above_words(report), groups(report, teams)
        head = self.el("div", "r-title", escape(report.title)) + self.el("h1", "r-headline", escape(report.headline))
        parts = [self.el("div", "r-head", head)]
        if report.late:
            parts.append(self.el("div", "r-late", escape(late_words(report))))
        parts += [self.el("h2", "r-h2", escape(above))] if above else []
        parts += [self._group(group, report) for group in shown]
        if report.matters:
            parts.append(self.el("h2", "r-h2", above_matters(report)))
            rows = "".join(self._matter(n, matter, report, shown) for n, matter in enumerate(report.matters, 1))
            parts.append(self.el("div", "r-card", rows))
        sections, unknown = [self._section(section, report) for section in report.sections], self._unknown(report)
        # Of a shop of which nothing is known that comes first.
        is_known = any(known_figures(section) for section in report.sections)
        parts += [*sections, unknown] if is_known else [unknown, *sections]
        parts.append(self.el("p", "r-grey", escape(foot(report))))
        return "".join(parts)

    def _unknown(self, report: Report) -> str:
        items = self.el("ul", "r-list", "".join(f"<li>{escape(text)}</li>" for text in report.unknown))
        return self.el("div", "r-gap", f"<b>What this report could not know</b>{items}") if report.unknown else ""

    def _group(self, group: Group, report: Report) -> str:
        """What one team does; of the other team than the one it is for it is small."""
        team = group.who if group.who in TEAMS else "both"
        classes = f"r-group r-{team}"
        if not group.tasks:
            head = self.el("span", f"r-team r-team-{team}", f"{escape(group.head)}:")
            return self.el("div", f"{classes} r-idle", f"{head} {nothing_words(report)}")
        act = "r-act" if group.is_own else "r-act-other"
        tasks = "".join(
            self.el("div", "r-task", self._act(f"{n}. {task.act}", task.due, act) + self._why(task.why))
            for n, task in enumerate(group.tasks, 1)
        )
        more = self.el("div", "r-why", f"and {group.more:,} more, below") if group.more else ""
        return self.el("div", classes, self.el("h2", f"r-team r-team-{team}", f"{escape(group.head)}:") + tasks + more)

    def _act(self, act: str, due: str, classes: str) -> str:
        when = f" {self.el('span', 'r-due', f'· {escape(due)}')}" if due else ""
        return self.el("div", classes, f"{escape(act)}{when}")

    def _why(self, why: str) -> str:
        return self.el("div", "r-why", escape(why)) if why else ""

    def _matter(self, number: int, matter: Matter, report: Report, shown: Sequence[Group]) -> str:
        said = capital(stake_and_due(matter, report))
        because = f" ({matter.because})" if matter.because else ""
        return self.el(
            "div",
            "r-row" if number > 1 else "r-row r-first-row",
            f"{number}. {f'<b>{escape(said)}</b>: ' if said else ''}{escape(matter.what)}"
            + self.el("div", "r-grey", escape(who_does(matter, shown) + because)),
        )

    def _section(self, section: Section, report: Report) -> str:
        time, figures = section_time(section, report), known_figures(section)
        parts = [self.el("div", "r-result", escape(section.result))] if section.result else []
        if section.lines:
            parts.append(self.el("ul", "r-list", "".join(f"<li>{escape(line)}</li>" for line in section.lines)))
        if figures:
            parts += [self.el("div", "r-grey", escape(section.note))] if section.note else []
            parts.append("".join(self._tile(figure, report, curve_name(section, figure)) for figure in figures))
        parts += [self._table(table, ZoneInfo(report.zone), section) for table in section.tables if table.rows]
        parts += [self.el("div", "r-small", escape(text)) for text in small_words(section)]
        head = escape(section.title) + (f" {self.el('span', 'r-time', time)}" if time else "")
        return self.el("h2", "r-h2", head) + self.el("div", "r-card", "".join(parts))

    def _tile(self, figure: Figure, report: Report, chart: str) -> str:
        lines = [
            self.el("div", "r-name", escape(figure.title)),
            self.el("div", "r-value", escape(figure_text(figure, ZoneInfo(report.zone)))),
            *(self._against(compared) for compared in comparisons(figure, report)),
        ]
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
        if compared.change == SAME:
            return self.el("div", "r-against", f"{escape(compared.name)}: {SAME}")
        change = escape(compared.change)
        said = f" {self.el('span', mark, change)}" if change and mark else f" {change}"
        return self.el("div", "r-against", f"{escape(compared.name)} {escape(compared.other)}{said}")

    def _table(self, table: Table, zone: ZoneInfo, section: Section) -> str:
        title = self.el("h3", "r-h3", escape(table.title)) if table.title != section.title else ""
        beside = 1 if table.columns[0].unit == SENTENCE else BESIDE
        titles = table.columns[:beside] if beside > 1 else ()
        head = "".join(
            self.el("th", f"r-th{' r-right' if _side(c) == ' r-num' else ''}", escape(c.title)) for c in titles
        )
        rows = "".join(self._row(row, table.columns, zone, beside) for row in table.rows)
        more = self.el("div", "r-grey", f"and {table.more:,} more") if table.more else ""
        more += self.el("div", "r-grey", escape(table.note)) if table.note else ""
        grid = self.el("table", "r-table", (f"<thead><tr>{head}</tr></thead>" if head else "") + rows)
        return title + grid + more

    def _row(
        self, row: Sequence[int | float | str | None], columns: Sequence[Column], zone: ZoneInfo, beside: int
    ) -> str:
        """The first columns side by side, the others as words below: `Units in it 500 · Missing for 4 days`."""
        texts = [
            (column, "" if value is None else table_text(value, column.unit, zone))
            for value, column in zip(row, columns, strict=True)
        ]
        cells = "".join(
            self.el("td", f"r-td{_side(column)}{'' if n else ' r-first'}", escape(text or "–"))
            for n, (column, text) in enumerate(texts[:beside])
        )
        rest = " · ".join(
            f"{column.title}{':' * (column.unit == 'text' and bool(column.title))} {text}".strip()
            for column, text in texts[beside:]
            if text
        )
        below = self.el("td", "r-below", escape(rest), f' colspan="{min(beside, len(columns))}"') if rest else ""
        return f"<tr>{cells}</tr>" + (f"<tr>{below}</tr>" if below else "")


def _side(column: Column) -> str:
    if column.unit == "day":
        return " r-day"
    return "" if column.unit in ("text", SENTENCE, "moment") else " r-num"
