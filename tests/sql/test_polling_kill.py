"""kill -9 of workers that ask a database: each row is one event, on a file and on Kafka with several workers."""

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from kafka_for_tests import Broker
from test_polling_on_brokers import PATIENCE_S, Shop
from till import Till, source_of

from lockstep.adapters.stream import open_broker
from lockstep.app import utc_now
from lockstep.errors import BrokerError
from lockstep.worker.required_topics import prepare

MARKER = 10_000_000
"""The number of an order that is placed when all others are there."""


@asynccontextmanager
async def worker(shop: Shop, **faults: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A `lockstep serve` of its own; killed in the end."""
    settings = shop.settings
    environ = {
        "LOCKSTEP_BROKER": settings.broker,
        "LOCKSTEP_RULES": str(settings.rules),
        "LOCKSTEP_HTTP_PORT": "0",
        "LOCKSTEP_KAFKA_SESSION_TIMEOUT": "3",
        "LOCKSTEP_KAFKA_HEARTBEAT_INTERVAL": "0.5",
        "LOCKSTEP_TEST_FAULTS": json.dumps(faults),
    }
    with (settings.rules.parent / "workers.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lockstep", "serve"),
            env={**os.environ, **shop.secrets, **environ},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Watch:
    """Looks how much there is of the orders."""

    def __init__(self, shop: Shop) -> None:
        self._broker = open_broker(shop.settings, clock=utc_now)
        self._settings = shop.settings

    async def __aenter__(self) -> "Watch":
        await self._broker.start()
        await prepare(self._settings, self._broker)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._broker.stop()

    async def end(self) -> int:
        try:
            return sum(end for _, end in (await self._broker.bounds("orders")).values())
        except BrokerError:
            return 0

    async def grows(self, before: int) -> None:
        """Wait until another page is there than those that were before."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.end() == before:
                await asyncio.sleep(0.01)


async def settled(shop: Shop, count: int, **faults: Any) -> Counter[str]:
    """How often the events of so many rows are there, when a worker has read all of them, and then once more."""
    async with worker(shop, **faults) as process, asyncio.timeout(PATIENCE_S):
        for marker in (MARKER, MARKER + 1):
            while len({*await shop.events()} - {str(MARKER), str(MARKER + 1)}) < count:
                assert process.returncode is None
                await asyncio.sleep(0.2)
            shop.till.order((marker, "00:59"))
            while str(marker) not in await shop.events():
                assert process.returncode is None
                await asyncio.sleep(0.2)
    return Counter(number for number in await shop.events() if int(number) < MARKER)


def wrong(times: Counter[str], rows: int) -> dict[str, int]:
    """The rows that are not one event, and how many they are."""
    return {str(number): times[str(number)] for number in range(rows) if times[str(number)] != 1}


@pytest.fixture
def sqlite_shop(tmp_path: Path) -> Shop:
    (tmp_path / "till.db").touch()
    return Shop(tmp_path, f"sqlite:///{tmp_path}/shop.db", Till(f"sqlite:///{tmp_path}/till.db"))


async def test_killed_workers_lose_and_repeat_nothing(sqlite_shop: Shop) -> None:
    """Between reading a page and its commit, and anywhere else, while rows go on coming, some of them late."""
    shop, seed = sqlite_shop, random.randrange(1 << 30)
    draw = random.Random(seed)
    source_of(shop.rules)
    rows = 0

    def order(count: int) -> None:
        nonlocal rows
        shop.till.order(*((rows + i, f"00:{draw.randrange(59):02d}") for i in range(count)))
        rows += count

    order(4_500)
    async with Watch(shop) as watch:
        for _ in range(5):
            before = await watch.end()
            order(draw.randrange(1, 1_500))
            async with worker(shop, before_cut_s=0.1):
                await watch.grows(before)
                order(draw.randrange(100))
                await asyncio.sleep(draw.uniform(0, 0.4))
    times = await settled(shop, rows)
    assert wrong(times, rows) == {}, f"seed {seed}"


async def test_control_a_torn_page_is_seen(sqlite_shop: Shop) -> None:
    """Events that are there before what is remembered of them come again after a kill, and the comparison says so."""
    shop = sqlite_shop
    source_of(shop.rules)
    shop.till.order(*((number, "00:00") for number in range(300)))
    async with Watch(shop) as watch, worker(shop, torn_cut=True, before_cut_s=60):
        await watch.grows(0)
    times = await settled(shop, 300)
    assert len(wrong(times, 300)) == 300


@pytest.mark.kafka
async def test_two_workers_on_kafka(tmp_path: Path, kafka_libs: Path, postgres_server: Any) -> None:
    """One of them asks; killed within a transaction, or asleep for longer than its session, the other one goes on."""
    seed = random.randrange(1 << 30)
    draw = random.Random(seed)
    kafka = Broker(tmp_path / "kafka", libs=kafka_libs)
    await asyncio.to_thread(kafka.start)
    await asyncio.to_thread(kafka.wait_ready)
    shop = Shop(tmp_path, f"kafka://{kafka.address}", Till(postgres_server.new_database()))
    source_of(shop.rules)
    rows = 0

    def order(count: int) -> None:
        nonlocal rows
        shop.till.order(*((rows + i, f"00:{draw.randrange(59):02d}") for i in range(count)))
        rows += count

    faults = {"inside_cut_s": 0.2, "before_cut_s": 0.1}
    try:
        order(3_000)
        async with Watch(shop) as watch, AsyncExitStack() as stack:
            workers: list[asyncio.subprocess.Process] = []
            for hurt in ("kill", "freeze", "kill", "freeze"):
                workers = [process for process in workers if process.returncode is None]  # one that slept gives up
                while len(workers) < 2:
                    workers.append(await stack.enter_async_context(worker(shop, **faults)))
                before = await watch.end()
                order(draw.randrange(1_000, 3_000))
                await watch.grows(before)
                await asyncio.sleep(draw.uniform(0, 0.5))
                victim = draw.choice(workers)
                with suppress(ProcessLookupError):
                    victim.send_signal(signal.SIGKILL if hurt == "kill" else signal.SIGSTOP)
                    await asyncio.sleep(draw.uniform(3, 6))  # longer than its session: another one has its partitions
                    victim.send_signal(signal.SIGCONT)
                await asyncio.sleep(1)
        times = await settled(shop, rows)
        assert wrong(times, rows) == {}, f"seed {seed}"
    finally:
        kafka.kill()
