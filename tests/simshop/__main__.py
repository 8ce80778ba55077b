"""`python -m tests.simshop --seed 1`: what two teams hear of a shop's simulated life; `--out FILE` writes its events.

The exit code is 0 when each planted thing was told and nothing else was said too often, 1 otherwise.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from tests.simshop.planted import TEAMS
from tests.simshop.table import (
    MOST_A_WEEK,
    RULES,
    SEEDS,
    Table,
    after_text,
    heard_file,
    markdown,
    table,
    verdict,
)
from tests.simshop.whole_life import life, write


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simshop", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weeks", type=int, default=2, choices=(1, 2), help="that are lived, after six of history")
    parser.add_argument("--out", type=Path, help="write the events there, one a line (.gz: compressed), and end")
    parser.add_argument("--rules", type=Path, action="append", help="folder or file; default: the shipped ones")
    parser.add_argument("--markdown", type=Path, help="write the table with every word there")
    parser.add_argument("--heard", action="store_true", help="write the tables of both seeds anew, in simshop/heard/")
    parser.add_argument("--outline", type=Path, help="write the table without the words there")
    asked = parser.parse_args()
    if asked.heard:
        for seed in SEEDS:
            heard_file(seed).write_text(markdown(table(seed)), encoding="utf-8")
        return 0
    if asked.out is not None:
        events, truth = life(asked.seed, asked.weeks)
        write(events, asked.out)
        for kind, count in Counter(e["type"] for e in events).most_common():
            sys.stdout.write(f"{count:>8,}  {kind}\n")
        sys.stdout.write(f"{len(events):>8,}  events, {truth.orders:,} orders, in {asked.out}\n")
        return 0
    made = table(asked.seed, asked.rules or RULES, asked.weeks)
    if asked.markdown is not None:
        asked.markdown.write_text(markdown(made), encoding="utf-8")
    if asked.outline is not None:
        asked.outline.write_text(markdown(made, words=False), encoding="utf-8")
    _show(made)
    return 0 if made.is_right else 1


def _show(made: Table) -> None:
    console = Console()
    grid = Grid(box=box.SIMPLE_HEAD, title=f"seed {made.seed}", title_justify="left")
    for name in ("planted", "rule", "after", *(f"{team} heard" for team in TEAMS), "verdict"):
        grid.add_column(name, overflow="fold")
    before = None
    for row in made.rows:
        said = row.said
        texts = ["–", "–"] if said is None else [said.words[team] or "–" for team in TEAMS]
        planted = row.of.name if row.of is not before else ""
        name = row.wanted if said is None else said.name
        colour = "red" if row.fault else "green" if row.wanted else "dim"
        grid.add_row(planted, name, after_text(row.minutes), *texts, f"[{colour}]{verdict(row)}[/]")
        before = row.of
    console.print(grid)
    often = Counter(said.rule for said in made.else_said)
    console.print("what else was said: " + (", ".join(f"{r} {n}" for r, n in sorted(often.items())) or "nothing"))
    for (week, rule), count in made.noisy.items():
        console.print(f"[red]{rule}: {count} times in week {week}, at most {MOST_A_WEEK} are bearable[/]")
    missed = sum(1 for row in made.rows if row.fault)
    console.print(f"{len(made.rows)} rows, {missed} wrong; {len(made.else_said)} alerts of nothing that was planted")


if __name__ == "__main__":
    sys.exit(main())
