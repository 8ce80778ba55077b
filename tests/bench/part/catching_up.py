"""A backlog read by the service, on Kafka and on SQLite, and by what it is held against.

In each round all of them read the same topics of one broker, one after the other: what is compared was measured under
the same conditions. Both sides keep their state: the service by its transactions, the peers as each does it.
"""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.brokers import Progress as Share
from tests.bench.brokers import fill, fresh_broker, no_progress
from tests.bench.figures import PEER_NAMES
from tests.bench.peers.measure import PeerError, measured
from tests.bench.service import PUBLISHED_S, CatchUp, Service, catch_up, check
from tests.bench.session import Session, folder
from tests.bench.workloads import Workload, peer_20, repeated

COUNT, WARM_TIMES = 300_000, 6
LIMIT_S = 120.0


def run(session: Session, *, peers: Sequence[str] = ()) -> None:
    """peers: those that read it, too."""
    count = session.count(COUNT)
    with session.step(f"making {count:,} events"):
        workload = peer_20(count)
    for n in range(session.rounds):
        if "kafka" in session.brokers:
            with folder() as place:
                try:
                    with fresh_broker("kafka", place) as url:
                        _on_kafka(session, workload, url, place, f"round {n + 1}", peers)
                except LookupError as reason:
                    session.leave_out("kafka", str(reason))
        if "sqlite" in session.brokers:
            on_sqlite(session, workload, "sqlite", f"round {n + 1}")
    if "flink" in peers and "kafka" in session.brokers:
        _warm(session, workload)


def _on_kafka(session: Session, workload: Workload, url: str, place: Path, named: str, peers: Sequence[str]) -> None:
    with session.step(f"{named}: filling Kafka") as progress:
        asyncio.run(fill(url, workload.events, len(workload.events), progress=progress))
    ours = serve_on_kafka(session, workload, url, place, named)
    with session.step(f"{named}: fetch and decode alone"):
        limit = limit_us(url, place, workload.rules)
    session.add("limit.us", limit)
    session.add("limit.share", limit / ours.us)
    session.say("limit.share")
    for peer in peers:
        _peer(session, workload, url, place, named, peer, ours)


def _peer(session: Session, workload: Workload, url: str, place: Path, named: str, peer: str, ours: CatchUp) -> None:
    """A peer on the topics that the service has just read. One that cannot be measured is told with its reason."""
    count = len(workload.events)
    if peer in session.figures.missing:
        return
    try:
        with session.step(f"{named}: {PEER_NAMES[peer]}"):
            found = measured(peer, workload, url, place / peer, count)
    except (LookupError, PeerError) as reason:
        for key in (peer, f"ratio.{peer}"):
            session.leave_out(key, str(reason))
        return
    for part, value in (("us", found.us), ("per_s", found.per_s), ("mb", found.peak_mb)):
        session.add(f"{peer}.{part}", value)
    session.add(f"ratio.{peer}", found.us / ours.us)
    session.say(f"{peer}.us", f"ratio.{peer}")
    if found.wrong:
        session.note(f"{peer}.us", found.wrong)


def _warm(session: Session, workload: Workload) -> None:
    """Flink compiles as it runs: after the first half of many events it is as fast as it will be."""
    ours = session.figures.value("kafka.us")
    count = len(workload.events) * WARM_TIMES
    with folder() as place:
        try:
            with fresh_broker("kafka", place) as url:
                with session.step(f"filling Kafka with {count:,} events") as progress:
                    asyncio.run(fill(url, repeated(workload, WARM_TIMES), count, progress=progress))
                with session.step(PEER_NAMES["flink-warm"]):
                    found = measured("flink", workload, url, place / "flink", count)
            if found.warm_us is None or ours is None:
                raise PeerError("it was never seen half-way")
        except (LookupError, PeerError) as reason:
            for key in ("flink-warm", "ratio.flink-warm"):
                session.leave_out(key, str(reason))
            return
    session.add("flink-warm.us", found.warm_us)
    session.add("flink-warm.per_s", found.per_s)
    session.add("flink-warm.mb", found.peak_mb)
    session.add("ratio.flink-warm", found.warm_us / ours)
    session.say("flink-warm.us", "ratio.flink-warm")
    if found.wrong:
        session.note("flink-warm.us", found.wrong)


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
    workload: Workload,
    url: str,
    place: Path,
    *,
    workers: int = 1,
    progress: Share = no_progress,
    published_s: float = PUBLISHED_S,
    **settings: str,
) -> CatchUp:
    """The backlog of a broker, read and judged; its transitions are those of the reference.

    published_s: for how long they are waited for when all is read. Raises WrongResultError when they are not.
    """
    services = [Service(place / f"worker-{n}", url, workload.rules, **settings) for n in range(workers)]
    try:
        for service in services:
            await service.ready()
        found = await catch_up(services, len(workload.events), progress=progress)
        await check(url, workload.right, within_s=published_s)
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
