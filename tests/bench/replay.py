"""A backtest in a process of its own: `python -m tests.bench.replay RULES EVENTS TRANSITIONS`.

Writes the transitions to a file, one a line, and prints what it took, and what decoding alone takes, as JSON.
"""

import json
import sys
import time
from itertools import islice
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from zoneinfo import ZoneInfo

from lockstep.cli.shared.process import collect_rarely
from lockstep.event import Decoder
from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest.event_files import Limits
from lockstep.tools.backtest.replay import backtest, json_line

DECODED = 200_000


def _cpu_s() -> float:
    """Of this process and of the one beside it that reads and measures, once that has ended."""
    return sum(used.ru_utime + used.ru_stime for used in map(getrusage, (RUSAGE_SELF, RUSAGE_CHILDREN)))


def main(rules: Path, events: Path, transitions: Path) -> None:
    plan = load_texts({"bench.yml": rules.read_text()}).plan
    assert plan is not None
    collect_rarely()
    cpu, begun = _cpu_s(), time.perf_counter()
    one_process = Limits(beside=sys.maxsize)  # as on one core; beside it another would be started, for half a second
    replay = backtest(plan, [events], zone=ZoneInfo("Europe/London"), limits=one_process)
    seconds, cpu = time.perf_counter() - begun, _cpu_s() - cpu
    transitions.write_text("".join(json_line(transition) + "\n" for transition in replay.transitions))
    with events.open("rb") as lines:
        values = [line.rstrip() for line in islice(lines, DECODED)]
    begun = time.perf_counter()
    Decoder().decode(values)
    decoding = (time.perf_counter() - begun) / len(values) * (replay.events + replay.bad)
    found = {
        "events": replay.events,
        "refused": replay.bad,
        "seconds": seconds,
        "cpu_s": cpu,
        "decoding_s": decoding,
        "peak_mb": sum(getrusage(who).ru_maxrss / 1024 for who in (RUSAGE_SELF, RUSAGE_CHILDREN)),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
