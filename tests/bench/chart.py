"""The CPU that an event costs, as bars: for the terminal, and as SVG for the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rich.bar import Bar
from rich.table import Table
from tests.bench.figures import PEER_NAMES, PEERS, Figures

OURS, OTHERS = "#2563eb", "#94a3b8"
WIDTH, LABEL, NUMBER, ROW, TOP = 760, 210, 70, 30, 40
TITLE = "CPU per event, 20 rules, catching up on Kafka (µs, less is better)"


@dataclass(frozen=True)
class Row:
    name: str
    us: float
    is_ours: bool


def rows_of(figures: Figures) -> Sequence[Row]:
    """What was measured of the service, its limit and its peers."""
    named = [("limit.us", "fetch and decode alone", True), ("kafka.us", "Lockstep", True)]
    named += [(f"{peer}.us", PEER_NAMES[peer], False) for peer in PEERS]
    values = [(name, figures.value(key), is_ours) for key, name, is_ours in named]
    return [Row(name, value, is_ours) for name, value, is_ours in values if value is not None]


def terminal(rows: Sequence[Row]) -> Table:
    table = Table(title=TITLE, box=None, show_header=False)
    most = max(row.us for row in rows)
    for row in rows:
        table.add_row(
            row.name, Bar(most, 0, row.us, width=50, color="blue" if row.is_ours else "white"), f"{row.us:.1f}"
        )
    return table


def svg(rows: Sequence[Row]) -> str:
    """Readable on a light page and on a dark one."""
    most = max(row.us for row in rows)
    height = TOP + ROW * len(rows) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"',
        f'  role="img" aria-label="{escape(TITLE)}" font-family="system-ui, sans-serif" font-size="14">',
        "<style>text { fill: #1f2937 } @media (prefers-color-scheme: dark) { text { fill: #e5e7eb } }</style>",
        f'<text x="0" y="20" font-weight="600">{escape(TITLE)}</text>',
    ]
    for n, row in enumerate(rows):
        y, length = TOP + n * ROW, max(1.0, row.us / most * (WIDTH - LABEL - NUMBER))
        colour = OURS if row.is_ours else OTHERS
        lines += [
            f'<text x="{LABEL - 10}" y="{y + 16}" text-anchor="end">{escape(row.name)}</text>',
            f'<rect x="{LABEL}" y="{y + 2}" width="{length:.1f}" height="{ROW - 10}" rx="2" fill="{colour}"/>',
            f'<text x="{LABEL + length + 8:.1f}" y="{y + 16}">{row.us:.1f}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
