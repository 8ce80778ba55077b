"""`make bench`: what the service does on this machine, held to its targets and, where they can be had, to its peers.

`python -m tests.bench.run [PART...] [--quick]` measures all parts or those named. What counts are CPU and the ratios of
one run; the clock says more of the machine. Every run is compared with a reference (`reference.py`); one with a wrong
alert ends the benchmark. Nothing is asserted about time: a target that is not met is told, and that is all.
"""

import argparse
import logging
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog
from rich.console import Console, RenderableType
from rich.table import Table
from tests.bench import chart
from tests.bench.figures import FURTHER, TARGETS, Figures, Line
from tests.bench.part import backtest, catching_up, convert, fifty_rules, latency, memory, post, restart, scaling
from tests.bench.session import Session
from tests.bench.workloads import KEPT, ROOT

PEERS = ("bytewax", "quix", "pathway", "flink")
PARTS: dict[str, Callable[[Session], None]] = {
    "peers": partial(catching_up.run, peers=PEERS),
    "shop-50": fifty_rules.run,
    "backtest": backtest.run,
    "convert": convert.run,
    "latency": latency.run,
    "post": post.run,
    "restart": restart.run,
    "scaling": scaling.run,
}
ONLY_BY_NAME: dict[str, Callable[[Session], None]] = {
    "serve": catching_up.run,  # what `peers` measures, too, without them
    "series": memory.run,
    "backtest-10m": partial(backtest.run, count=10_000_000),
}
"""What takes too long, or is asked too seldom, to be part of every run."""
QUICK = 0.1
BROKERS = ("kafka", "sqlite")
RESULTS = KEPT / "results.json"


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.run", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join([*PARTS, *ONLY_BY_NAME])}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the events, one round: is anything broken?")
    parser.add_argument("--rounds", type=int, default=3, help="of what is compared in turn")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the figures, as JSON")
    parser.add_argument("--broker", choices=BROKERS, action="append", help="only this one; all else is left out")
    asked = parser.parse_args(words)
    unknown = set(asked.parts) - PARTS.keys() - ONLY_BY_NAME.keys()
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join([*PARTS, *ONLY_BY_NAME])}")
    console = Console()
    # What the service warns of on a broker of a few minutes is known.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    size, rounds = (QUICK, 1) if asked.quick else (1, asked.rounds)
    session = Session(console, size=size, rounds=rounds, brokers=asked.broker or BROKERS)
    began = time.perf_counter()
    figures = session.figures
    figures.about |= {"commit": commit(), "machine": machine()}
    try:
        for name in asked.parts or PARTS:
            (PARTS | ONLY_BY_NAME)[name](session)
    finally:  # what was measured before Ctrl-C is worth keeping
        figures.about |= {"at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "load": f"{os.getloadavg()[0]:.0f}"}
        figures.write(asked.results)
        show(figures, console)
    minutes = (time.perf_counter() - began) / 60
    console.print(f"{minutes:.1f} minutes; figures in {asked.results}", highlight=False)
    return 0


def show(figures: Figures, console: Console) -> None:
    """The tables and the bars of what was measured."""
    for table in tables(figures):
        console.print(table)
    bars = chart.rows_of(figures)
    if len(bars) > 1:
        console.print(chart.terminal(bars))
    about = figures.about
    console.print(f"commit {about['commit']}, {about['machine']}, load {about['load']} at the end", highlight=False)


def commit() -> str:
    told = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return told.stdout.strip() or "unknown"


def machine() -> str:
    """Cores and interpreter: what a reader needs to know that these are not his."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}"


def tables(figures: Figures) -> list[RenderableType]:
    """The targets with a verdict each, and all else that was measured; without what nobody asked for."""
    found: list[RenderableType] = []
    for title, lines in (("targets", TARGETS), ("further", FURTHER)):
        rows = [row for line in lines if (row := _row(figures, line)) is not None]
        if not rows:
            continue
        table = Table(title=title)
        for name in ("what", "measured", "rounds", *(["at least", "verdict"] if title == "targets" else [])):
            table.add_column(name, justify="right" if name in ("measured", "at least") else "left")
        for row in rows:
            table.add_row(*row[: len(table.columns)])
        found.append(table)
    return found


def _row(figures: Figures, line: Line) -> tuple[str, ...] | None:
    value = figures.value(line.key)
    if value is None:
        reason = figures.why_missing(line.key)
        return (line.what, "not measured", reason, line.target, "not met" if line.target else "") if reason else None
    low, high = figures.spread(line.key)
    spread = f"{line.shown(low)} to {line.shown(high)}" if len(figures.rounds[line.key]) > 1 else ""
    spread = "; ".join(part for part in (spread, figures.notes.get(line.key, "")) if part)
    met = line.is_met(value)
    verdict = "" if met is None else "met" if met else "[bold red]not met"
    return line.what, f"{line.shown(value)} {line.unit}".strip(), spread, line.target, verdict


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
