"""`python -m tests.simshop --seed 1 --out events.ndjson.gz`: a simulated life of a shop, as events or as a table."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from tests.simshop.whole_life import life, write


def main() -> int:
    """Write the events, and say what they are."""
    parser = argparse.ArgumentParser(prog="python -m tests.simshop", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weeks", type=int, default=2, choices=(1, 2), help="that are lived, after six of history")
    parser.add_argument("--out", type=Path, help="where the events go, one a line; .gz is compressed")
    asked = parser.parse_args()
    events, truth = life(asked.seed, asked.weeks)
    if asked.out is not None:
        write(events, asked.out)
    for kind, count in Counter(e["type"] for e in events).most_common():
        sys.stdout.write(f"{count:>8,}  {kind}\n")
    sys.stdout.write(f"{len(events):>8,}  events, {truth.orders:,} orders\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
