"""A backtest of a file of events, per second of CPU and against decoding alone."""

import json
import subprocess
import sys
from typing import Any

from tests.bench.reference import differences, moves_of
from tests.bench.service import WrongResultError
from tests.bench.session import Session, folder
from tests.bench.workloads import Workload, by_time, peer_20

COUNT = 300_000
LIMIT_S = 900.0


def run(session: Session, *, count: int = COUNT) -> None:
    count = session.count(count)
    with session.step(f"making {count:,} events"):
        workload = by_time(peer_20(count))
    with session.step(f"backtest of {count:,} events"):
        found = replayed(workload)
    session.add("backtest.per_s", found["events"] / found["cpu_s"])
    session.add("backtest.share", found["decoding_s"] / found["seconds"])
    session.add("backtest.mb", found["peak_mb"])
    session.say("backtest.per_s", "backtest.share", "backtest.mb")


def replayed(workload: Workload) -> dict[str, Any]:
    """What `tests.bench.replay` prints. Raises WrongResultError when it was told what the reference does not say."""
    with folder() as place:
        rules, events, transitions = (place / name for name in ("rules.yml", "events.ndjson", "transitions.ndjson"))
        rules.write_text(workload.rules)
        with events.open("wb") as out:
            out.writelines(value + b"\n" for _, value in workload.events)
        command = [sys.executable, "-m", "tests.bench.replay", *map(str, (rules, events, transitions))]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT_S)
        found: dict[str, Any] = json.loads(done.stdout)
        wrong = differences(moves_of(transitions.read_bytes().splitlines()), workload.right)
    if found["refused"] != workload.right.refused:
        wrong = [*wrong, f"{found['refused']} events refused instead of {workload.right.refused}"]
    if wrong:
        raise WrongResultError("; ".join(wrong))
    return found
