"""CPU of meter and judge by stage, without a broker: by events a flush, by rules, by groups that are alive.

`python -m tests.bench.stages [EVENTS]`. What counts are the ratios of one run: a flush of few events against
one of many, ten times the rules against the rules, many groups against few.
"""

import gc
import sys

from rich.console import Console
from rich.table import Table
from tests.workload.fold import Fold
from tests.workload.shop import events, rules

from lockstep.cli.shared.process import collect_rarely
from lockstep.rule.language.load import load_texts

MINUTES_OF = 4_000
"""Events in a minute of the workload."""
STORE_EVERY = 12
"""Flushes after which a judge is cut that has nothing to publish: about a second, as in the service."""
ROWS = (
    ("20 rules, 8,000 a flush", 1, 500, 8_000),
    ("20 rules, 2,000 a flush", 1, 500, 2_000),
    ("20 rules, 200 a flush", 1, 500, 200),
    ("20 rules, 20 a flush", 1, 500, 20),
    ("200 rules, 2,000 a flush", 10, 500, 2_000),
    ("100,000 products, 2,000 a flush", 1, 100_000, 2_000),
)
STAGES = ("meter: decode and fold", "meter: flush", "judge: decode", "judge: take")


def measured(times: int, skus: int, per_flush: int, n: int) -> Fold:
    """A whole run over so many events."""
    plan = load_texts({"rules.yml": rules(times)}).plan
    assert plan is not None
    fold = Fold(plan, samples=4)
    coming = list(events(n, max(1, n // MINUTES_OF), skus=skus, even=skus > 500))
    gc.collect()
    fold.run(coming, per_flush, store_every=STORE_EVERY)
    return fold


def main() -> None:
    collect_rarely()  # as `serve` does
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    table = Table(title="CPU µs an event")
    for name in ("workload", "all", *STAGES, "judge: cut"):
        table.add_column(name, justify="left" if name == "workload" else "right")
    for name, times, skus, per_flush in ROWS:
        n = max(asked // 5, 1) if per_flush < 200 else asked
        spent = measured(times, skus, per_flush, n).spent
        cells = [sum(spent.values()), *(spent[stage] for stage in (*STAGES, "judge: cut"))]
        table.add_row(name, *(f"{seconds / n * 1e6:.1f}" for seconds in cells))
    Console().print(table)


if __name__ == "__main__":
    main()
