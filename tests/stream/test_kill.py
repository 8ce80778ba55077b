"""kill -9 at random moments: every count, and every alert once. On the embedded broker, in processes of their own."""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import stream_toys
from stream_toys import STEP, TOPICS, events, published, totals, truth, utc_now

from lockstep.adapters.stream import open_broker
from lockstep.adapters.stream.sqlite import SqliteBroker
from lockstep.ports import Record
from lockstep.settings import Settings

KILLS = int(os.environ.get("LOCKSTEP_TEST_KILLS", "10"))
PATIENCE_S = 30.0


@asynccontextmanager
async def worker(settings: Settings, faults: dict[str, object]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(stream_toys.__file__)),
        settings.broker,
        env=os.environ | {"LOCKSTEP_TEST_FAULTS": json.dumps(faults)},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ends_within(process: asyncio.subprocess.Process, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        return False
    return True


async def samples_end(broker: SqliteBroker) -> int:
    return (await broker.bounds("samples"))[0][1]


async def finished(settings: Settings, broker: SqliteBroker, orders: int, **faults: object) -> None:
    """A worker that counts everything that there is and then ends."""
    async with worker(settings, faults) as process, asyncio.timeout(PATIENCE_S):
        while not await caught_up(broker, settings, orders):
            assert not await ends_within(process, 0.02)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def killed(settings: Settings, broker: SqliteBroker, seed: int, kills: int, **faults: object) -> list[Record]:
    """Orders, while one worker after the other is killed in the middle of its work; the last one may finish."""
    draw = random.Random(seed)
    sent: list[Record] = []

    async def send() -> None:
        orders = events(draw.randrange(1 << 30), draw.randrange(1, 60))
        await broker.publish(orders)
        sent.extend(orders)

    for _ in range(kills):
        await send()
        async with worker(settings, faults) as process, asyncio.timeout(PATIENCE_S):
            before = await samples_end(broker)
            while await samples_end(broker) == before:
                await send()
                assert not await ends_within(process, 0.005)
            for _ in range(draw.randrange(12)):
                await send()
                assert not await ends_within(process, draw.uniform(0.0, 0.03))
    await finished(settings, broker, len(sent), **faults)
    return sent


async def caught_up(broker: SqliteBroker, settings: Settings, orders: int) -> bool:
    committed = broker.log.committed(settings.app_id)
    read = sum(n for (topic, _), n in committed.items() if topic == "orders")
    return read == orders and committed.get(("samples", 0)) == await samples_end(broker)


@pytest.fixture
async def broker(sqlite_settings: Settings) -> AsyncIterator[SqliteBroker]:
    opened = open_broker(sqlite_settings, clock=utc_now)
    await opened.start()
    await opened.declare(TOPICS)
    yield opened
    await opened.stop()


@pytest.mark.parametrize(("before_cut_s", "after_seek_s"), [(0.01, 0.02), (0.05, 0.0), (0.0, 0.0)])
async def test_killed_workers_lose_and_repeat_nothing(
    sqlite_settings: Settings, broker: SqliteBroker, before_cut_s: float, after_seek_s: float
) -> None:
    """Two windows are widened: between taking a cut and sending it, and between the seek and the first batch."""
    seed = random.randrange(1 << 30)
    sent = await killed(sqlite_settings, broker, seed, KILLS, before_cut_s=before_cut_s, after_seek_s=after_seek_s)
    found = (await totals(broker), sorted(await published(broker, "alerts")))
    assert found == truth(sent), f"seed {seed}"


async def test_without_the_rewind_counts_are_wrong(sqlite_settings: Settings, broker: SqliteBroker) -> None:
    """A control: a meter that goes on in the middle of a chunk has forgotten the chunk's head."""
    sent: list[Record] = []
    for seed in range(2):
        orders = events(seed, 100)
        await broker.publish(orders)
        sent += orders
        await finished(sqlite_settings, broker, len(sent), no_rewind=True)
    assert await totals(broker) != truth(sent)[0]


async def test_a_torn_cut_says_alerts_twice(sqlite_settings: Settings, broker: SqliteBroker) -> None:
    """A control: alerts that are visible before the position that they belong to are said again."""
    sent = events(2, 20 * STEP)
    await broker.publish(sent)
    async with worker(sqlite_settings, {"torn_cut": True, "before_cut_s": 2.0}) as process, asyncio.timeout(PATIENCE_S):
        while not await published(broker, "alerts"):
            assert not await ends_within(process, 0.005)
        process.kill()
    await finished(sqlite_settings, broker, len(sent))
    counts, alerts = truth(sent)
    said = sorted(await published(broker, "alerts"))
    assert await totals(broker) == counts
    assert set(said) == set(alerts)
    assert len(said) > len(alerts)


async def test_sigterm_ends_a_worker_in_the_middle_of_a_backlog(
    sqlite_settings: Settings, broker: SqliteBroker
) -> None:
    """It flushes, cuts and commits what it has taken in, and leaves the rest, which would take it many minutes."""
    await broker.publish(events(3, 100_000))
    async with worker(sqlite_settings, {"slow_agent_s": 120.0}) as process, asyncio.timeout(PATIENCE_S):
        while await samples_end(broker) == 0:
            assert not await ends_within(process, 0.005)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    committed = broker.log.committed(sqlite_settings.app_id)
    assert 0 < sum(n for (topic, _), n in committed.items() if topic == "orders") < 100_000
