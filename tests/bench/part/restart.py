"""A service with 100,000 groups is stopped and started again: how long until it is ready."""

import asyncio
from pathlib import Path

from tests.bench import process
from tests.bench.brokers import Progress as Share
from tests.bench.brokers import fill, fresh_broker
from tests.bench.part.catching_up import served
from tests.bench.service import Service
from tests.bench.session import Session, folder
from tests.bench.workloads import Workload, many_groups

COUNT, GROUPS = 300_000, 100_000


def run(session: Session) -> None:
    count = session.count(COUNT)
    with session.step(f"making {count:,} events of {GROUPS:,} products"):
        workload = many_groups(count, GROUPS)
    for broker in session.brokers:
        with folder() as place:
            try:
                with fresh_broker(broker, place) as url, session.step(f"restart on {broker}") as progress:
                    seconds, cpu, memory = asyncio.run(_measured(workload, url, place, progress))
            except LookupError as reason:
                session.leave_out(f"restart.{broker}", str(reason))
                continue
        session.add(f"restart.{broker}.s", seconds)
        if broker == "kafka":
            session.add("restart.kafka.cpu", cpu)
            session.add("restart.kafka.mb", memory)
        session.say(f"restart.{broker}.s")


async def _measured(workload: Workload, url: str, place: Path, progress: Share) -> tuple[float, float, float]:
    """(seconds, seconds of CPU, MB) when it is ready again."""
    await fill(url, workload.events, len(workload.events))
    await served(workload, url, place, progress=progress)
    service = Service(place / "again", url, workload.rules)
    try:
        return await service.ready(), process.cpu_s(service.pid), process.rss_mb(service.pid)
    finally:
        service.stop()
