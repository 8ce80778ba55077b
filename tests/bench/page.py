"""The figures of a run in tests/README.md, with its chart: `python -m tests.bench.page RESULTS.json...`

Of several files the later one's figures count. What stands between the two marks of the page is replaced.
"""

import sys
from pathlib import Path

from tests.bench import chart
from tests.bench.figures import FURTHER, TARGETS, Figures, Line
from tests.bench.workloads import ROOT

README, CHART = ROOT / "tests" / "README.md", ROOT / "tests" / "bench" / "chart.svg"
BEGIN, END = "<!-- figures of make bench -->", "<!-- end of the figures -->"


def merged(files: list[Path]) -> Figures:
    found = Figures()
    for file in files:
        figures = Figures.read(file)
        for part in ("rounds", "missing", "notes", "about"):
            getattr(found, part).update(getattr(figures, part))
    return found


def section(figures: Figures) -> str:
    """Two tables, targets first; the chart is a file beside."""
    about = figures.about
    load = f"load {about['load']} at the end (by the clock all is slower beside other work)"
    lines = [f"Commit {about['commit']}, {about['at']}, {about['machine']}, {load}.", ""]
    if chart.rows_of(figures):
        lines += [f"![{chart.TITLE}](bench/{CHART.name})", ""]
    lines += ["| | measured | rounds | at least | |", "|---|---:|---|---:|---|"]
    lines += [row for line in TARGETS if (row := _row(figures, line, target=True))]
    lines += ["", "| also measured | | rounds |", "|---|---:|---|"]
    lines += [row for line in FURTHER if (row := _row(figures, line, target=False))]
    return "\n".join(lines)


def _row(figures: Figures, line: Line, *, target: bool) -> str:
    value = figures.value(line.key)
    what = line.what.strip() if target or not line.what.startswith(" ") else f"– {line.what.strip()}"
    if value is None:
        reason = figures.why_missing(line.key)
        if not reason:
            return ""
        cells = [what, "not measured", reason]
        return "| " + " | ".join([*cells, line.target, "not met"] if target else cells) + " |"
    low, high = figures.spread(line.key)
    spread = f"{line.shown(low)} to {line.shown(high)}" if len(figures.rounds[line.key]) > 1 else ""
    spread = "; ".join(part for part in (spread, figures.notes.get(line.key, "")) if part)
    cells = [what, f"{line.shown(value)} {line.unit}".strip(), spread]
    verdict = "met" if line.is_met(value) else "**not met**"
    return "| " + " | ".join([*cells, line.target, verdict] if target else cells) + " |"


def write(figures: Figures) -> None:
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{README} has no place for the figures; write {BEGIN} and {END} where they belong")
    README.write_text(f"{before}{BEGIN}\n{section(figures)}\n{END}{after}")
    rows = chart.rows_of(figures)
    if rows:
        CHART.write_text(chart.svg(rows))


if __name__ == "__main__":
    write(merged([Path(name) for name in sys.argv[1:]]))
