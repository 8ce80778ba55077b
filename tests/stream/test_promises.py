"""What was promised of a source partition is found again, however much the others have said since."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lockstep.adapters.promises import FURTHEST_LOOK, SILENT_S, last_promise, unread_events
from lockstep.adapters.stream import open_broker
from lockstep.app import Service
from lockstep.event import Decoder
from lockstep.measure.sample import Frame, Progress, Promise, encode
from lockstep.ports import Broker, Record, TopicSpec
from lockstep.settings import Settings
from lockstep.worker.required_topics import SAMPLES, prepare


def told(topic: str, partition: int, promise: Promise | None, *, source: str = "id-1", upto: int = 7) -> Record:
    progress = Progress(None, None, None, False, promise=promise)
    place = {"chunk_size": 16, "chunk": 0, "first": 0, "upto": upto}
    frame = Frame(role="orders", partition=partition, partitions=2, source=source, **place, progress=progress)
    return Record(topic, encode(frame), partition=0)


@pytest.mark.parametrize("others", [0, 63, 64, 5_000, FURTHEST_LOOK])
async def test_the_newest_of_the_partition(broker: Broker, unique: Callable[[str], str], others: int) -> None:
    """Not an older one, not that of another partition or of a topic that was made again; beyond reach: none."""
    topic = unique("samples")
    await broker.declare([TopicSpec(topic, 2, retention_s=3600)])
    await broker.publish([told(topic, 0, Promise(1, 2, 3)), told(topic, 0, Promise(4, 5, 6))])
    await broker.publish([Record(topic, b"no frame", partition=0)])
    await broker.publish([told(topic, 1, Promise(7, 8, 9)), told(topic, 0, Promise(7, 8, 9), source="id-0")] * 2)
    await broker.publish([told(topic, 1, None)] * others)
    found = await last_promise(broker, topic, source="id-1", partition=0)
    assert found == (None if others == FURTHEST_LOOK else Promise(4, 5, 6))
    assert await last_promise(broker, topic, source="id-2", partition=0) is None


async def test_events_that_no_worker_reads(broker: Broker, unique: Callable[[str], str], clock: Any) -> None:
    """Those behind the furthest that any worker has told, once none has spoken for a while; of other topics all."""
    orders, traffic, samples = (unique(name) for name in ("orders", "traffic", "samples"))

    async def unread(*topics: str, after_s: float = SILENT_S + 1) -> int:
        now = max(clock(), datetime.now(UTC)) if "kafka" in type(broker).__module__ else clock()
        return await unread_events(broker, samples, topics, now=now + timedelta(seconds=after_s))

    await broker.declare([TopicSpec(name, 2, retention_s=3600) for name in (orders, traffic)])
    assert await unread(orders) == 0
    await broker.publish([Record(orders, b"x", partition=0)] * 10)
    assert await unread(orders, after_s=0) == 10  # nobody ever read it
    await broker.declare([TopicSpec(samples, 1, retention_s=3600)])
    source = (await broker.describe([orders]))[orders].id
    await broker.publish([told(samples, 0, None, source=source), told(samples, 0, None, source="made before it")])
    await broker.publish([Record(samples, b"no frame", partition=0)])
    assert await unread(orders, after_s=0) == 0  # a worker speaks
    assert await unread(orders) == 2
    assert await unread("no-such-topic") == 0
    await broker.publish([told(samples, 0, None, source=source, upto=-1)])  # one that begins again
    assert await unread(orders) == 2
    await broker.publish([Record(traffic, b"x", partition=1)])
    assert await unread(orders, traffic) == 3
    await broker.publish([told(samples, 0, None, source=source, upto=9)])
    assert await unread(orders) == 0


async def test_what_was_read_long_ago_is_not_called_unread(
    sqlite_settings: Settings, unique: Callable[[str], str], clock: Any
) -> None:
    """Where the end of the samples topic does not reach back to the last word on a partition."""
    broker = open_broker(sqlite_settings, clock=clock)
    await broker.start()
    try:
        await broker.declare([TopicSpec(name, 1, retention_s=3600) for name in ("orders", "samples")])
        await broker.publish([Record("orders", b"x", partition=0)])
        await broker.publish([told("samples", 0, None)] * (FURTHEST_LOOK + 1))
        assert await unread_events(broker, "samples", ["orders"], now=clock() + timedelta(minutes=1)) == 0
    finally:
        await broker.stop()


async def test_a_service_hands_it_to_its_meters(tmp_path: Path) -> None:
    """So a partition that is quiet over a restart goes on from where it stood."""
    (tmp_path / "rules").mkdir()
    service = Service(Settings(broker=f"sqlite:///{tmp_path}/lockstep.db", rules=tmp_path / "rules"), environ={})
    await service.broker.start()
    try:
        await prepare(service.settings, service.broker)
        info = (await service.broker.describe(["orders"]))["orders"]
        promise = Promise(4, 5, 6)
        await service.broker.publish([told(SAMPLES, 0, promise, source=info.id)])
        meter = await service.stages.meter_maker("orders", service.judging.plan, Decoder())(info, 0, None, 0)
        assert meter.clock.promise(now_us=0) == promise
    finally:
        await service.broker.stop()
