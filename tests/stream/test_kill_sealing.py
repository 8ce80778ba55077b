"""kill -9 in a cut that writes pages and parts and gives journal entries up: all of it is there, or nothing."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import sealing_judge
from sealing_judge import judge, recorded
from tests.workload.fold import remembered

from lockstep.judge.publish import ALERTS
from lockstep.measure.sample import decode
from lockstep.ports import Broker, Record, TopicSpec, state_topic
from lockstep.settings import Settings

KILLS = 4
REPOSITORY = Path(__file__).parents[2]


async def worker(*arguments: str) -> int:
    """How a judge in a process of its own ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(sealing_judge.__file__)),
        *arguments,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    async with asyncio.timeout(120):
        return await process.wait()


async def test_a_judge_dies_in_the_middle_of_sealing(
    broker: Broker, broker_settings: Settings, unique: Callable[[str], str]
) -> None:
    """The next one goes on from the cut before; alerts and histories are those of one that never died."""
    stage, samples, alerts = unique("judge"), unique("samples"), unique("alerts")
    await broker.declare(
        [
            TopicSpec(samples, 1, retention_s=3_600),
            TopicSpec(alerts, 1, retention_s=3_600),
            TopicSpec(state_topic(stage), 1, compacted=True),
        ]
    )
    frames = recorded()
    await broker.publish([Record(samples, frame, partition=0) for frame in frames])
    arguments = (broker_settings.broker, broker_settings.app_id, stage, samples, alerts)
    ends = [await worker(*arguments, str(1 + number % 2)) for number in range(KILLS)]
    assert ends == [-signal.SIGKILL] * KILLS
    assert await worker(*arguments, "0") == 0

    whole = judge()
    for frame in frames:
        whole.take(decode(frame))
    said = [record.value or b"" for record in whole.cut().records if record.topic == ALERTS]
    owned = broker.own(stage, 0)
    positions, entries = await owned.recover()
    await owned.close()
    again = judge()
    again.restore(entries)
    assert positions == {(samples, 0): len(frames)}
    assert remembered(again.histories) == remembered(whole.histories)
    _, end = (await broker.bounds(alerts))[0]
    published = [value or b"" async for batch in broker.read(alerts, 0, 0, end) for value in batch.values]
    assert len(said) > 50
    assert sorted(published) == sorted(said)
