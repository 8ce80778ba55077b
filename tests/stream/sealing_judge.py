"""A judge in a process of its own, on recorded samples, that kills itself in the middle of a cut which seals.

`python sealing_judge.py BROKER APP_ID STAGE SAMPLES ALERTS DIES_AT`: it goes on from what is stored to the end of the
samples, and ends with 0, unless a cut comes before that is the one of number DIES_AT to seal.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from tests.workload import quiet
from tests.workload.fold import Fold

from lockstep.adapters.stream import open_broker
from lockstep.adapters.stream.kafka.broker import KafkaBroker
from lockstep.judge.judge import Judge
from lockstep.judge.publish import ALERTS
from lockstep.judge.state import Sizes
from lockstep.judge.state.journal import JOURNAL
from lockstep.judge.state.rows import PAGE, PART
from lockstep.measure.sample import Frame, decode, encode
from lockstep.ports import Broker, Cut
from lockstep.rule.condition.kinds import Plan
from lockstep.rule.language.load import load_texts
from lockstep.settings import Settings

SIZES = Sizes(rows=4, journal=30, bytes=1_000, buckets=5)
FRAMES_PER_CUT = 6


def plan() -> Plan:
    found = load_texts({"rules.yml": quiet.RULES})
    assert found.plan is not None
    return found.plan


class _Recorder:
    """Takes the frames that a judge would take."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def take(self, frame: Frame) -> None:
        self.frames.append(encode(frame))

    def only_stores(self) -> bool:
        return True

    def cut(self) -> Cut:
        return Cut()


def recorded() -> list[bytes]:
    """The frames of a quiet shop."""
    recorder: Any = _Recorder()
    fold = Fold(plan(), make=lambda plan, partition, partitions: recorder, chunk_size=40)
    fold.run(quiet.events(seed=3), 12)
    return list(recorder.frames)


def judge() -> Judge:
    return Judge(plan(), zone=ZoneInfo("Europe/London"), sizes=SIZES)


def seals(entries: Mapping[bytes, bytes | None]) -> bool:
    """Whether a cut writes a part and a page and gives a journal entry up."""
    kinds = {key[:1] for key, value in entries.items() if value is not None}
    return {PAGE, PART} <= kinds and any(key[:1] == JOURNAL and value is None for key, value in entries.items())


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Deadly(dict[bytes, bytes | None]):
    """Entries that are deadly to read twice: the log writes what is new first, and then removes what is not needed."""

    reads = 0

    def items(self) -> Any:
        self.reads += 1
        if self.reads == 2:
            die()
        return super().items()


class _DeadlyBroker(KafkaBroker):
    """Dies when all records of a cut have been written and the cut is not committed."""

    is_deadly = False

    async def send(self, producer: Any, placed: Any) -> Any:
        sent = await super().send(producer, placed)
        if self.is_deadly:
            die()
        return sent


async def samples_of(broker: Broker, topic: str, start: int) -> list[tuple[int, bytes]]:
    _, end = (await broker.bounds(topic))[0]
    found: list[tuple[int, bytes]] = []
    async for batch in broker.read(topic, 0, start, end):
        found += [(offset, value or b"") for offset, value in zip(batch.offsets, batch.values, strict=True)]
    return found


def in_cuts(samples: list[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    for first in range(0, len(samples), FRAMES_PER_CUT):
        yield samples[first : first + FRAMES_PER_CUT]


def utc_now() -> datetime:
    return datetime.now(UTC)


async def run(url: str, app_id: str, stage: str, topic: str, alerts: str, dies_at: int) -> None:
    settings = Settings(broker=url, app_id=app_id)
    is_kafka = url.startswith("kafka")
    broker: Any = (_DeadlyBroker if is_kafka else open_broker)(settings, clock=utc_now)
    await broker.start()
    owned = broker.own(stage, 0)
    positions, entries = await owned.recover()
    stage_judge = judge()
    stage_judge.restore(entries)
    sealed = 0
    for samples in in_cuts(await samples_of(broker, topic, positions.get((topic, 0), 0))):
        for _, value in samples:
            stage_judge.take(decode(value))
        cut = stage_judge.cut()
        cut.records[:] = [replace(record, topic=alerts) for record in cut.records if record.topic == ALERTS]
        if seals(cut.entries):
            sealed += 1
            if sealed == dies_at and is_kafka:
                broker.is_deadly = True
            elif sealed == dies_at:
                cut.entries = _Deadly(cut.entries)
        await owned.cut(cut, {(topic, 0): samples[-1][0] + 1})
    await owned.close()
    await broker.stop()


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:6], int(sys.argv[6])))
