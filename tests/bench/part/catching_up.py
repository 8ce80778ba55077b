"""A backlog read by the service, on Kafka and on SQLite, and by what it is held against."""

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.bench.brokers import Progress as Share
from tests.bench.brokers import fill, fresh_broker, no_progress
from tests.bench.service import CatchUp, Service, catch_up, check
from tests.bench.session import Session, folder
from tests.bench.workloads import Workload, peer_20

COUNT = 400_000
LIMIT_S = 120.0


def run(session: Session) -> None:
    count = session.count(COUNT)
    with session.step(f"making {count:,} events"):
        workload = peer_20(count)
    for n in range(session.rounds):
        if "kafka" in session.brokers:
            with folder() as place:
                try:
                    with fresh_broker("kafka", place) as url:
                        _on_kafka(session, workload, url, place, f"round {n + 1}")
                except LookupError as reason:
                    session.leave_out("kafka", str(reason))
        if "sqlite" in session.brokers:
            on_sqlite(session, workload, "sqlite", f"round {n + 1}")


def _on_kafka(session: Session, workload: Workload, url: str, place: Path, named: str) -> None:
    with session.step(f"{named}: filling Kafka") as progress:
        asyncio.run(fill(url, workload.events, len(workload.events), progress=progress))
    ours = serve_on_kafka(session, workload, url, place, named)
    with session.step(f"{named}: fetch and decode alone"):
        limit = limit_us(url, place, workload.rules)
    session.add("limit.us", limit)
    session.add("limit.share", limit / ours.us)
    session.say("limit.share")


def serve_on_kafka(session: Session, workload: Workload, url: str, place: Path, named: str) -> CatchUp:
    """The service on a broker that holds the workload already."""
    with session.step(f"{named}: lockstep serve on Kafka") as progress:
        found = asyncio.run(served(workload, url, place, progress=progress))
    session.add("kafka.us", found.us)
    session.add("kafka.per_s", found.per_s)
    session.add("kafka.mb", found.peak_mb)
    session.say("kafka.us")
    return found


def on_sqlite(session: Session, workload: Workload, key: str, named: str) -> None:
    with folder() as place, fresh_broker("sqlite", place) as url:
        with session.step(f"{named}: filling SQLite") as progress:
            asyncio.run(fill(url, workload.events, len(workload.events), progress=progress))
        with session.step(f"{named}: lockstep serve on SQLite, {workload.name}") as progress:
            found = asyncio.run(served(workload, url, place, progress=progress))
    session.add(f"{key}.us", found.us)
    if key == "sqlite":
        session.add("sqlite.per_s", found.per_s)
        session.add("sqlite.mb", found.peak_mb)
    session.say(f"{key}.us")


async def served(
    workload: Workload, url: str, place: Path, *, workers: int = 1, progress: Share = no_progress, **settings: str
) -> CatchUp:
    """The backlog of a broker, read and judged; its transitions are those of the reference.

    Raises WrongResultError when they are not.
    """
    services = [Service(place / f"worker-{n}", url, workload.rules, **settings) for n in range(workers)]
    try:
        for service in services:
            await service.ready()
        found = await catch_up(services, len(workload.events), progress=progress)
        await check(url, workload.right)
    finally:
        for service in services:
            service.stop()
    return found


def limit_us(url: str, place: Path, rules: str) -> float:
    """CPU per event of fetching and decoding with the service's own parts, in a process of its own."""
    file = place / "limit.yml"
    file.write_text(rules)
    command = [sys.executable, "-m", "tests.bench.limit", url, str(file)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT_S).stdout)
