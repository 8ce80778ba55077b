"""Events and rules that are measured, with what the reference says of them.

All are made from a seed: the same on every machine. They are kept in `.venv/bench`, as making them and working out
what is right takes longer than many a measurement.
"""

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import reference
from tests.bench.reference import Expected, expected
from tests.workload import shop

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".venv" / "bench"
START = datetime(2026, 1, 5, 10, tzinfo=UTC)
"""A Monday in winter, long ago: no event is ahead of any clock."""
PER_MINUTE = 4_000

Events = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Workload:
    """events: (topic, CloudEvent) in the order of arrival."""

    name: str
    rules: str
    events: Events
    right: Expected


def peer_20(count: int, *, times: int = 1) -> Workload:
    """Twenty rules on 500 products that sell by rank, 4,000 events a minute. times: the rules so many times over."""
    return _kept(f"peer-20x{times}-{count}", shop.rules(times), lambda: _busy_shop(count))


def many_groups(count: int, skus: int) -> Workload:
    """The twenty rules on so many products that sell alike."""
    return _kept(f"groups-{skus}-{count}", shop.rules(), lambda: _busy_shop(count, skus=skus, even=True))


def by_time(workload: Workload) -> Workload:
    """The same events in the order of their own time, as a file of them is replayed."""
    name = f"{workload.name}-by-time"

    def ordered() -> Events:
        return sorted(workload.events, key=lambda row: json.loads(row[1])["time"])

    return _kept(name, workload.rules, ordered)


def _busy_shop(count: int, *, skus: int = 500, even: bool = False) -> Events:
    return list(shop.events(count, max(12, count // PER_MINUTE), skus=skus, even=even, start=START))


def _kept(name: str, rules: str, make: Callable[[], Events]) -> Workload:
    sources = b"".join(Path(module.__file__ or "").read_bytes() for module in (shop, reference)) + rules.encode()
    file = KEPT / f"{name}-{hashlib.sha256(sources + Path(__file__).read_bytes()).hexdigest()[:12]}.pickle"
    if file.exists():
        events, right = pickle.loads(file.read_bytes())
    else:
        events = make()
        right = expected(rules, events)
        KEPT.mkdir(parents=True, exist_ok=True)
        for outdated in KEPT.glob(f"{name}-????????????.pickle"):
            outdated.unlink()
        part = file.with_suffix(".part")
        part.write_bytes(pickle.dumps((events, right)))
        part.rename(file)
    return Workload(name, rules, events, right)
