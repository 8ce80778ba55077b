"""Events and rules that are measured, with what the reference says of them.

All are made from a seed: the same on every machine. They are kept in `.venv/bench`, as making them and working out
what is right takes longer than many a measurement.
"""

import hashlib
import json
import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench import reference
from tests.bench import shop_50 as fifty
from tests.bench.reference import Expected, expected
from tests.workload import shop

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".venv" / "bench"
START = datetime(2026, 1, 5, 10, tzinfo=UTC)
"""A Monday in winter, long ago: no event is ahead of any clock."""
PER_MINUTE = 4_000
TIME = b'"time":"'

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
    return _kept(f"peer-20x{times}-{count}", shop.rules(times), lambda: _busy_shop(count), breaches_too=times == 1)


def many_groups(count: int, skus: int) -> Workload:
    """The twenty rules on so many products that sell alike."""
    return _kept(f"groups-{skus}-{count}", shop.rules(), lambda: _busy_shop(count, skus=skus, even=True))


def shop_50(count: int) -> Workload:
    """Fifty rules with seasons on a shop of 20,000 products, see `shop_50.py`."""
    rules = fifty.rules(count / (fifty.DAYS * fifty.MINUTES))
    return _kept(f"shop-50-{count}", rules, lambda: list(fifty.events(count, START)))


def by_time(workload: Workload) -> Workload:
    """The same events in the order of their own time, as a file of them is replayed."""
    name = f"{workload.name}-by-time"

    def ordered() -> Events:
        return sorted(workload.events, key=lambda row: json.loads(row[1]).get("time", ""))

    return _kept(name, workload.rules, ordered)


def repeated(workload: Workload, times: int) -> Iterator[tuple[str, bytes]]:
    """The events so many times over, each time later: for a peer that must run for long before it is fast."""
    minutes = sorted({value[(at := value.index(TIME) + len(TIME)) : at + 16] for _, value in workload.events})
    first, last = (datetime.fromisoformat(m.decode() + ":00+00:00") for m in (minutes[0], minutes[-1]))
    span = last - first + timedelta(minutes=1)
    for n in range(times):
        later = {m: f"{datetime.fromisoformat(m.decode()) + n * span:%Y-%m-%dT%H:%M}".encode() for m in minutes}
        for topic, value in workload.events:
            at = value.index(TIME) + len(TIME)
            yield topic, value[:at] + later[value[at : at + 16]] + value[at + 16 :]


def _busy_shop(count: int, *, skus: int = 500, even: bool = False) -> Events:
    return list(shop.events(count, max(12, count // PER_MINUTE), skus=skus, even=even, start=START))


def _kept(name: str, rules: str, make: Callable[[], Events], *, breaches_too: bool = False) -> Workload:
    sources = b"".join(Path(module.__file__ or "").read_bytes() for module in (shop, fifty, reference)) + rules.encode()
    file = KEPT / f"{name}-{hashlib.sha256(sources + Path(__file__).read_bytes()).hexdigest()[:12]}.pickle"
    if file.exists():
        events, right = pickle.loads(file.read_bytes())
    else:
        events = make()
        right = expected(rules, events, breaches_too=breaches_too)
        KEPT.mkdir(parents=True, exist_ok=True)
        for outdated in KEPT.glob(f"{name}-????????????.pickle"):
            outdated.unlink(missing_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_bytes(pickle.dumps((events, right)))
        part.rename(file)
    return Workload(name, rules, events, right)
