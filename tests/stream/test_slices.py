"""A batch is fed in slices, so that requests are answered while a worker catches up. The time is the test's own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st
from stream_toys import TOPICS, toy_runtime, utc_now

from lockstep.adapters.stream import open_broker
from lockstep.adapters.stream.lanes import (
    FAR_BEHIND,
    LEAST_EVENTS,
    METER_IDLE_S,
    SLICE_S,
    STEP_AT_LATEST_S,
    SourceLane,
    SourceLanes,
    StageLane,
    StageSpec,
)
from lockstep.adapters.stream.runtime import Runtime
from lockstep.ports import Batch, Cut, Record
from lockstep.settings import Settings

SAMPLES, ORDERS, MORE = TP("samples", 0), TP("orders", 0), TP("orders", 1)


def batch(tp: TP, start: int, end: int) -> Batch:
    """Records whose values are their offsets."""
    offsets = range(start, end)
    values = [str(offset).encode() for offset in offsets]
    return Batch(tp.topic, tp.partition, offsets, values, [], [0] * len(values), start - 1, end)


class Slow:
    """A meter, or a stage, for which time passes while it is fed."""

    start = position = 0

    def __init__(self, spent: "Spent", seconds: float) -> None:
        self._spent, self._seconds = spent, seconds
        self.fed: list[list[int]] = []

    def feed(self, batch: Batch) -> None:
        self.fed.append(list(batch.offsets))
        self._spent.now += self._seconds * len(batch)

    def observe(self, *, at_end: bool, now: datetime) -> None: ...

    def flush(self, now: datetime) -> list[Record]:
        return []

    def restore(self, entries: Any) -> None: ...

    def tick(self, now: datetime) -> None: ...

    def cut(self) -> Cut:
        return Cut()


class Spent:
    """The time of a runtime, and how often its loop went round."""

    def __init__(self) -> None:
        self.now, self.turns = 0.0, 0

    async def count(self) -> None:
        """Somebody else who wants the loop."""
        while True:
            self.turns += 1
            await asyncio.sleep(0)


@pytest.fixture
def spent() -> Spent:
    return Spent()


@pytest.fixture
async def runtime(sqlite_settings: Settings, spent: Spent) -> AsyncIterator[Runtime]:
    broker = open_broker(sqlite_settings, clock=utc_now)
    await broker.start()
    await broker.declare(TOPICS)
    made = toy_runtime(sqlite_settings, broker, on_fatal=lambda reason: None)
    made.loop_time = lambda: spent.now  # type: ignore[method-assign] # the test's own time
    yield made
    await broker.stop()


def source_lane(runtime: Runtime, tp: TP, meter: Slow, *, end: int = 0) -> SourceLane:
    return SourceLanes(runtime).add(tp, meter, end=end)


class Jumping(Slow):
    """A stage to which each record brings pieces of work, which it does one by one."""

    left = done = 0

    def feed(self, batch: Batch) -> None:
        assert not self.left, "what a record brings is done before the next one is fed"
        super().feed(batch)
        self.left += 20

    def goes_on(self) -> bool:
        if not self.left:
            return False
        self.left, self.done = self.left - 1, self.done + 1
        self._spent.now += SLICE_S / 2
        return True


def stage_lane(runtime: Runtime, stage: Slow) -> StageLane:
    spec = StageSpec("slow", (SAMPLES.topic,), lambda _: stage)
    if isinstance(stage, Jumping):
        spec = replace(spec, goes_on=Jumping.goes_on)
    return StageLane(runtime, spec, 0, stage, runtime.broker.own("slow", 0), {SAMPLES: 0})


async def fed(spent: Spent, *taking: Any) -> int:
    """How often the loop went round for others while these were fed."""
    counting = asyncio.create_task(spent.count())
    await asyncio.sleep(0)
    before = spent.turns
    await asyncio.gather(*taking)
    counting.cancel()
    return spent.turns - before


async def test_a_stage_gives_the_loop_back_between_slices(runtime: Runtime, spent: Spent) -> None:
    """Records that take 4 ms each: three of them are a slice, and after each the loop goes round."""
    stage = Slow(spent, 0.004)
    lane = stage_lane(runtime, stage)
    turns = await fed(spent, lane.take(SAMPLES, batch(SAMPLES, 0, 30), lambda: True))
    assert turns >= 30 / 3 - 1
    assert [offset for slice_ in stage.fed for offset in slice_] == list(range(30))
    assert (lane.at[SAMPLES], lane.next[SAMPLES]) == (29, 30)


@pytest.mark.parametrize("size", [1, 3])
async def test_what_one_record_brings_is_sliced_too(runtime: Runtime, spent: Spent, size: int) -> None:
    """Two pieces of twenty are a slice, and all are done when the batch counts as taken."""
    stage = Jumping(spent, 0.0)
    turns = await fed(spent, stage_lane(runtime, stage).take(SAMPLES, batch(SAMPLES, 0, size), lambda: True))
    assert turns >= size * 20 / 2 - 1
    assert (stage.done, stage.left) == (20 * size, 0)
    assert stage.fed == [[offset] for offset in range(size)]


async def test_a_meter_is_fed_what_takes_a_slice(runtime: Runtime, spent: Spent) -> None:
    """Of events that become dear, fewer at once, until they are as few as it makes sense."""
    meter = Slow(spent, SLICE_S / 100)
    turns = await fed(spent, source_lane(runtime, ORDERS, meter).take(ORDERS, batch(ORDERS, 0, 8_192), lambda: True))
    sizes = [len(slice_) for slice_ in meter.fed]
    assert (sizes[:4], sum(sizes)) == ([1_024, 512, 256, LEAST_EVENTS], 8_192)
    assert turns >= len(sizes) - 1
    cheap = Slow(spent, SLICE_S / 10_000)
    await fed(spent, source_lane(runtime, ORDERS, cheap).take(ORDERS, batch(ORDERS, 0, 8_192), lambda: True))
    assert [len(slice_) for slice_ in cheap.fed] == [1_024, 2_048, 4_096, 1_024]


async def test_lanes_take_turns(runtime: Runtime, spent: Spent) -> None:
    """However many lanes have a batch, the loop is held for one slice."""
    meters = [Slow(spent, SLICE_S / 128), Slow(spent, SLICE_S / 128)]
    lanes = [source_lane(runtime, tp, meter) for tp, meter in zip((ORDERS, MORE), meters, strict=True)]
    turns = await fed(spent, *(lane.take(lane.tp, batch(lane.tp, 0, 2_048), lambda: True) for lane in lanes))
    assert turns >= sum(len(meter.fed) for meter in meters) - 1


async def test_what_is_fed_is_what_the_position_says(runtime: Runtime, spent: Spent) -> None:
    """Between two slices a cut takes what was fed, and an assignment that ends leaves the rest to the next owner."""
    stage = Slow(spent, SLICE_S)
    lane = stage_lane(runtime, stage)
    positions: list[int] = []

    def is_current() -> bool:
        positions.append(lane.next[SAMPLES])
        return len(positions) < 4

    await lane.take(SAMPLES, batch(SAMPLES, 0, 30), is_current)
    assert positions == [0, 1, 2, 3]
    assert (stage.fed, lane.at[SAMPLES]) == ([[0], [1], [2]], 2)


async def test_far_behind_a_meter_gathers_what_makes_a_flush_cheap(runtime: Runtime, spent: Spent) -> None:
    """Near the end of the log each flush is for somebody who waits."""
    lanes = SourceLanes(runtime)
    lane = lanes.add(ORDERS, Slow(spent, 0.0), end=4 * FAR_BEHIND)
    waits = []
    for start in range(0, 4 * FAR_BEHIND, FAR_BEHIND // 2):
        await lane.take(ORDERS, batch(ORDERS, start, start + FAR_BEHIND // 2), lambda: True)
        waits.append(lanes.can_wait())
        if not waits[-1]:
            await lanes.step()
    assert waits == [True, False, True, False, True, False, False, False]
    lane.ends[ORDERS] *= 2
    await lane.take(ORDERS, batch(ORDERS, 4 * FAR_BEHIND, 4 * FAR_BEHIND + 1), lambda: True)
    assert lanes.can_wait()
    spent.now += STEP_AT_LATEST_S
    assert not lanes.can_wait()


class Telling(Slow):
    """A meter that hands out how often it was flushed."""

    flushes = 0

    def flush(self, now: datetime) -> list[Record]:
        self.flushes += 1
        return [Record("samples", b"%d" % self.flushes, partition=0)]


async def test_meters_are_flushed_together_and_none_for_nothing(runtime: Runtime, spent: Spent) -> None:
    """One publish for all that were fed; who is far behind, or has nothing to say, costs the others nothing."""
    lanes, meters = SourceLanes(runtime), [Telling(spent, 0.0) for _ in range(4)]
    ends = (4 * FAR_BEHIND, 100, 100, 0)
    behind, first, second, _ = (
        lanes.add(TP("orders", n), meter, end=end) for n, (meter, end) in enumerate(zip(meters, ends, strict=True))
    )

    async def flushed() -> list[int]:
        if not lanes.can_wait():
            await lanes.step()
        return [meter.flushes for meter in meters]

    assert await flushed() == [0, 0, 0, 1], "what it begins with is told at once where there are no events to be read"
    for lane in (behind, first, second):
        await lane.take(lane.tp, batch(lane.tp, 0, 50), lambda: True)
    assert await flushed() == [0, 1, 1, 1]
    assert await flushed() == [0, 1, 1, 1]
    spent.now += METER_IDLE_S * 0.6
    assert await flushed() == [0, 1, 1, 1]
    await first.take(first.tp, batch(first.tp, 50, 51), lambda: True)
    assert await flushed() == [0, 2, 2, 2], "those that are due soon go along"
    spent.now += METER_IDLE_S
    assert await flushed() == [0, 3, 3, 3]
    lanes.pump.close()
    assert await lanes.step()
    assert [meter.flushes for meter in meters] == [1, 4, 4, 4], "the last flush is of all"


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12, unique=True).map(sorted), st.data())
def test_parts_are_the_batch(offsets: list[int], data: st.DataObject) -> None:
    """Each follows the one before it, holes and control records behind the last one included."""
    whole = Batch(
        "orders", 0, offsets, [b"%d" % n for n in offsets], [], offsets, offsets[0] - 1, offsets[-1] + 3,
        [(("n", b"%d" % n),) for n in offsets],
    )  # fmt: skip
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(offsets) - 1)))) - {len(offsets)})
    parts = [whole.part(begin, end) for begin, end in zip([0, *cuts], [*cuts, len(offsets)], strict=True)]
    assert [n for part in parts for n in part.offsets] == offsets
    assert [v for part in parts for v in part.values] == whole.values
    assert [h for part in parts for h in part.headers or ()] == whole.headers
    assert parts[0].previous == whole.previous
    assert all(part.previous == before.next - 1 for before, part in pairwise(parts))
    assert parts[-1].next == whole.next
