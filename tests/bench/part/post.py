"""Single events by POST on one connection, one after the other, each answered when it is durable."""

import asyncio
import itertools
import time
from pathlib import Path

import aiohttp
from tests.bench.brokers import fresh_broker
from tests.bench.post import Posts, post, requests, worker_on
from tests.bench.service import Service, WrongResultError
from tests.bench.session import Session, folder

SECONDS, MOST_A_SECOND = 6.0, 5_000
COUNTED_S = 60.0


def run(session: Session) -> None:
    for broker in session.brokers:
        with folder() as place:
            try:
                with fresh_broker(broker, place) as url, session.step(f"POST on {broker}"):
                    posts = asyncio.run(_measured(url, place, session.seconds(SECONDS)))
            except LookupError as reason:
                session.leave_out(f"post.{broker}", str(reason))
                continue
        session.add(f"post.{broker}.per_s", posts.events_s)
        session.add(f"post.{broker}.p50", posts.quantile_ms(0.5))
        session.say(f"post.{broker}.per_s")


async def _measured(url: str, place: Path, seconds: float) -> Posts:
    """One connection for so long. Raises WrongResultError unless each event is counted once in the end."""
    coming = iter(list(itertools.islice(requests(1, 0), round(MOST_A_SECOND * seconds))))  # before the clock runs
    stop = asyncio.Event()
    async with worker_on(url, place) as worker:
        asyncio.get_running_loop().call_later(seconds, stop.set)
        posts = await post(worker.port, worker.pid, coming, size=1, connections=1, stop=stop)
        if posts.refused:
            raise WrongResultError(f"{posts.refused} of {len(posts.latencies_ms) + posts.refused} POSTs were refused")
        await _counted(worker, len(posts.latencies_ms))
    return posts


async def _counted(worker: Service, count: int) -> None:
    """Until the worker has counted so many events. Raises WrongResultError when it counts others."""
    deadline = time.perf_counter() + COUNTED_S
    async with aiohttp.ClientSession() as session:
        while (counted := (await worker.progress(session)).counted) != count:
            if counted > count or time.perf_counter() > deadline:
                raise WrongResultError(f"{counted} events were counted of {count} that were answered")
            await asyncio.sleep(0.05)
