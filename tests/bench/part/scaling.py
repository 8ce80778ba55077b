"""What the cost of an event depends on: events a flush, rules, groups, workers."""

import asyncio

from tests.bench.brokers import fill, fresh_broker
from tests.bench.part.catching_up import served
from tests.bench.service import CatchUp
from tests.bench.session import Session, folder
from tests.bench.stages import measured
from tests.bench.workloads import Workload, many_groups, peer_20

COUNT, FEW = 300_000, 20_000
GROUPS = (500, 100_000)
TIMES = {20: 1, 200: 10}
PARTITIONS = 4


def run(session: Session) -> None:
    _flushes(session)
    try:
        if "kafka" not in session.brokers:
            raise LookupError("it was not asked for")
        _rules(session)
        _groups(session)
        _workers(session)
    except LookupError as reason:
        for key in ("rules", "groups", "workers"):
            session.leave_out(key, str(reason))


def _flushes(session: Session) -> None:
    """Without a broker: there nobody can say how many events a flush has."""
    us = {}
    for per_flush, count in ((8_000, COUNT), (20, FEW)):
        with session.step(f"{per_flush:,} events a flush"):
            count = session.count(count)
            us[per_flush] = sum(measured(1, 500, per_flush, count).spent.values()) / count * 1e6
        session.add(f"flush.{per_flush}.us", us[per_flush])
    session.add("flush.ratio", us[20] / us[8_000])
    session.say("flush.ratio")


def _rules(session: Session) -> None:
    us = {}
    for rules, times in TIMES.items():
        us[rules] = _on_kafka(session, f"{rules} rules", peer_20(session.count(COUNT), times=times)).us
        session.add(f"rules.{rules}.us", us[rules])
    session.add("rules.ratio", us[200] / us[20])
    session.say("rules.ratio")


def _groups(session: Session) -> None:
    us = {}
    for groups in GROUPS:
        found = _on_kafka(session, f"{groups:,} products", many_groups(session.count(COUNT), groups))
        us[groups] = found.us
        session.add(f"groups.{groups}.us", found.us)
    session.add("groups.100000.mb", found.peak_mb)
    session.add("groups.ratio", us[100_000] / us[500])
    session.say("groups.ratio")


def _workers(session: Session) -> None:
    workload = peer_20(session.count(COUNT))
    for workers in (1, 2):
        found = _on_kafka(session, f"{workers} worker(s)", workload, workers=workers, partitions=PARTITIONS)
        session.add(f"workers.{workers}.per_s", found.per_s)
    session.add("workers.2.us", found.us)
    session.say("workers.1.per_s", "workers.2.per_s")


def _on_kafka(session: Session, named: str, workload: Workload, *, workers: int = 1, partitions: int = 1) -> CatchUp:
    with folder() as place, fresh_broker("kafka", place) as url, session.step(f"scaling: {named}") as progress:
        asyncio.run(fill(url, workload.events, len(workload.events), partitions=partitions))
        return asyncio.run(served(workload, url, place, workers=workers, progress=progress))
