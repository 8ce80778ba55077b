"""What was promised of a source partition is found again, however much the others have said since."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lockstep.adapters.promises import FURTHEST_LOOK, last_promise
from lockstep.app import Service
from lockstep.measure.sample import Frame, Progress, Promise, encode
from lockstep.ports import Broker, Record, TopicSpec
from lockstep.settings import Settings
from lockstep.worker.topics import SAMPLES, prepare


def told(topic: str, partition: int, promise: Promise | None, *, source: str = "id-1") -> Record:
    progress = Progress(None, None, None, False, promise=promise)
    place = {"chunk_size": 16, "chunk": 0, "first": 0, "upto": 7}
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
        meter = await service.stages.meter_maker("orders", service.judging.plan)(info, 0, None, 0)
        assert meter.clock.promise(now_us=0) == promise
    finally:
        await service.broker.stop()
