"""The runtime on a SQLite file, with stages small enough to check by counting."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from faust.types import TP
from stream_toys import STEP, TOPICS, ToyJudge, ToyMeter, events, published, totals, toy_runtime, truth, utc_now

from lockstep.adapters.stream import open_broker
from lockstep.adapters.stream.consumer import Faults
from lockstep.adapters.stream.lanes import STATE_EVERY_S, STUCK_AFTER_S, Lane, SourceLanes, StageLane, StageSpec
from lockstep.adapters.stream.pace import Pace
from lockstep.adapters.stream.runtime import Runtime
from lockstep.adapters.stream.sqlite import SqliteBroker, SqliteConsumer, SqliteTransport
from lockstep.errors import SettingsError, StateError
from lockstep.ports import Batch, Cut, Record
from lockstep.settings import Settings

PATIENCE_S = 20.0


async def until(true: Callable[[], bool | Awaitable[bool]]) -> None:
    """Look until it is so; fails after PATIENCE_S."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = true()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.002)


@pytest.fixture
async def broker(sqlite_settings: Settings) -> AsyncIterator[SqliteBroker]:
    opened = open_broker(sqlite_settings, clock=utc_now)
    await opened.start()
    await opened.declare(TOPICS)
    yield opened
    await opened.stop()


@asynccontextmanager
async def running(settings: Settings, broker: SqliteBroker, **options: Any) -> AsyncIterator[Runtime]:
    """A ready runtime; what made it give up, if anything did, is in its `reasons`."""
    reasons: list[str] = []
    runtime = toy_runtime(settings, broker, on_fatal=reasons.append, **options)
    runtime.reasons = reasons  # type: ignore[attr-defined] # for the tests below
    await runtime.start()
    try:
        await until(lambda: runtime.status().ready or bool(reasons))
        yield runtime
    finally:
        await runtime.stop()


async def caught_up(broker: SqliteBroker, runtime: Runtime, orders: int) -> None:
    """Every order is in a published sample, and every sample in a cut."""

    async def done() -> bool:
        lanes = runtime.status().lanes
        samples = (await broker.bounds("samples"))[0][1]
        read = sum(lane.committed for lane in lanes if lane.topic == "orders")
        return read == orders and all(lane.committed == samples for lane in lanes if lane.topic == "samples")

    await until(done)


async def test_everything_is_counted_once_over_starts_and_stops(
    sqlite_settings: Settings, broker: SqliteBroker
) -> None:
    """Stopped in the middle of a backlog and started again, four times: the totals and the alerts are the truth's."""
    records = events(1, 20_000)
    await broker.publish(records[:10_000])
    for part in range(4):
        async with running(sqlite_settings, broker) as runtime:
            await broker.publish(records[10_000 + part * 2_500 : 12_500 + part * 2_500])
            if part == 3:
                await caught_up(broker, runtime, 20_000)
    assert (await totals(broker), sorted(await published(broker, "alerts"))) == truth(records)


async def test_a_stop_publishes_what_was_taken_in(sqlite_settings: Settings, broker: SqliteBroker) -> None:
    """After a clean stop the committed position is the position: nothing is read again."""
    slow = sqlite_settings.model_copy(update={"flush_interval": 30.0})
    async with running(slow, broker) as runtime:
        await broker.publish(events(2, 50))
        await until(lambda: sum(lane.position for lane in runtime.status().lanes if lane.topic == "orders") == 50)
    committed = broker.log.committed(sqlite_settings.app_id)
    assert sum(n for (topic, _), n in committed.items() if topic == "orders") == 50
    assert sum(sum(_sample(v).values()) for v in await published(broker, "samples")) == 50


def _sample(value: bytes) -> Mapping[str, int]:
    found: dict[str, int] = json.loads(value)["n"]
    return found


async def reassign(runtime: Runtime, broker: SqliteBroker, times: int) -> list[Record]:
    """Revoke and assign everything again and again while orders come in; returns the orders."""
    sent: list[Record] = []
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(times):
            await runtime.consumer._assign()
            while runtime.app.rebalancing and not runtime.reasons:  # type: ignore[attr-defined] # set by `running`
                orders = events(len(sent), 20)
                await broker.publish(orders)
                sent += orders
    return sent


@pytest.mark.parametrize("faults", [Faults(), Faults(after_seek_s=0.1, slow_agent_s=0.02)])
async def test_reassignments_lose_and_repeat_nothing(
    sqlite_settings: Settings, broker: SqliteBroker, faults: Faults
) -> None:
    async with running(sqlite_settings, broker, faults=faults) as runtime:
        sent = await reassign(runtime, broker, 10)
        await until(lambda: runtime.status().ready)
        await caught_up(broker, runtime, len(sent))
        assert runtime.reasons == []  # type: ignore[attr-defined] # set by `running`
    assert len(sent) > 0
    assert (await totals(broker), sorted(await published(broker, "alerts"))) == truth(sent)


async def test_a_fetch_of_an_earlier_assignment_takes_nothing(sqlite_settings: Settings, broker: SqliteBroker) -> None:
    """A fetch that waits while everything is assigned anew leaves to the new assignment what that has sought."""
    async with running(sqlite_settings, broker) as runtime:
        consumer = runtime.consumer
        consumer._pace = Pace(every_s=1.0, burst=1)  # after this one, every fetch waits
        for sent in range(1, 4):
            await broker.publish([Record("orders", b"a", partition=0)])
            await caught_up(broker, runtime, sent)
            await consumer._assign()
            await until(lambda: runtime.status().ready)
        assert runtime.reasons == []  # type: ignore[attr-defined] # set by `running`
    assert await totals(broker) == {"a": 3}


async def test_without_the_gate_batches_are_lost_and_seen_to_be_lost(
    sqlite_settings: Settings, broker: SqliteBroker
) -> None:
    """The control of the test above: what is handed out before the rebalance has ended vanishes with Faust's queues.

    The next batch does not follow, and the worker gives up instead of counting on.
    """
    faults = Faults(ungated=True, after_seek_s=0.1, slow_agent_s=0.02)
    async with running(sqlite_settings, broker, faults=faults) as runtime:
        sent = 0
        while not runtime.reasons and sent < 100_000:  # type: ignore[attr-defined] # set by `running`
            sent += len(await reassign(runtime, broker, 1)) + 20
            await broker.publish(events(sent, 20))
            await until(lambda: bool(runtime.reasons) or _read(runtime) == sent)  # type: ignore[attr-defined] # noqa: B023 # awaited in this turn
        assert "a batch follows" in runtime.reasons[0]  # type: ignore[attr-defined] # as above


def _read(runtime: Runtime) -> int:
    return sum(lane.position for lane in runtime.status().lanes if lane.topic == "orders")


async def test_a_hole_ends_the_worker(sqlite_settings: Settings, broker: SqliteBroker) -> None:
    """A batch that does not follow what was applied is not applied, nor is anything after it."""

    class Losing(SqliteConsumer):  # type: ignore[misc] # faust has no types that hold
        def make_batch(self, tp: TP, records: Any) -> Batch | None:
            batch: Batch | None = super().make_batch(tp, records)
            if tp.topic == "orders" and records.offsets[0] > 0:
                self.handed[tp] += 1
            return batch

    class Transport(SqliteTransport):
        Consumer = Losing

    async with running(sqlite_settings, broker, transport=Transport) as runtime:
        await broker.publish([Record("orders", b"a", partition=0)])
        await caught_up(broker, runtime, 1)
        await broker.publish([Record("orders", b"a", partition=0)] * 5)
        await until(lambda: bool(runtime.reasons))  # type: ignore[attr-defined] # set by `running`
        assert runtime.reasons == ["orders/0: a batch follows 1, applied up to 0"]  # type: ignore[attr-defined] # as above
        assert not runtime.status().live
        assert not runtime.status().ready
    assert await totals(broker) == {"a": 1}


class Reminder(ToyJudge):
    """Says on a tick what was put on its list from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.list: list[bytes] = []

    def tick(self, now: Any) -> None:
        self._alerts += [Record("alerts", what, partition=0) for what in self.list]
        self.list = []


async def test_a_stage_that_is_woken_steps_at_once(sqlite_settings: Settings, broker: SqliteBroker) -> None:
    """Not at its next tick, which is an hour away."""
    made: list[Reminder] = []

    def make(partition: int) -> Reminder:
        made.append(Reminder())
        return made[-1]

    stages = [StageSpec("toy", ("samples",), make, tick_s=3600.0)]
    async with running(sqlite_settings, broker, stages=stages) as runtime:
        made[0].list.append(b"now")
        runtime.wake("other", 0)
        runtime.wake("toy", 0)

        async def said() -> bool:
            return await published(broker, "alerts") == [b"now"]

        await until(said)


async def test_after_cut_sees_only_what_is_durable(sqlite_settings: Settings, broker: SqliteBroker) -> None:
    """It is called after recovery, before anything is fed, and after each cut, when that is durable."""
    seen: list[tuple[int, int]] = []
    released: list[int] = []

    class Handing(ToyJudge):
        """Notes what it has handed out: more may be fed while that becomes durable."""

        handed: int | None = None

        def cut(self) -> Cut:
            self.handed = sum(self.total(key) for key in self.state)
            return super().cut()

    def act(partition: int, stage: Handing) -> None:
        handed = sum(stage.total(key) for key in stage.state) if stage.handed is None else stage.handed
        seen.append((partition, handed - _durable_total(broker)))

    async def release(partition: int, stage: ToyJudge) -> None:
        released.append(partition)

    stages = [StageSpec("toy", ("samples",), lambda _: Handing(), after_cut=act, released=release)]
    async with running(sqlite_settings, broker, stages=stages) as runtime:
        await broker.publish([Record("orders", b"a", partition=0)] * 100)
        await caught_up(broker, runtime, 100)
        await until(lambda: len(seen) >= 2)
    assert set(seen) == {(0, 0)}
    assert released == [0]
    before = len(seen)
    async with running(sqlite_settings, broker, stages=stages):
        await until(lambda: len(seen) > before)
    assert seen[before] == (0, 0)


def _durable_total(broker: SqliteBroker) -> int:
    judge = ToyJudge()
    rows = broker.log._reader.execute("select key, value from entry").fetchall()
    judge.restore(dict(rows))
    return sum(judge.total(key) for key in judge.state)


class Broken(ToyJudge):
    def feed(self, batch: Batch) -> None:
        super().feed(batch)
        raise ZeroDivisionError("a fault of ours")


async def test_a_stage_that_breaks_publishes_nothing_of_what_broke_it(
    sqlite_settings: Settings, broker: SqliteBroker
) -> None:
    """The worker gives up with the reason; the next one starts from the last good cut."""
    async with running(sqlite_settings, broker, stages=[StageSpec("toy", ("samples",), lambda _: Broken())]) as runtime:
        await broker.publish(events(5, 1_000))
        await until(lambda: bool(runtime.reasons))  # type: ignore[attr-defined] # set by `running`
        assert "a fault of ours" in runtime.reasons[0]  # type: ignore[attr-defined] # as above
        await asyncio.gather(
            *(lane.pump.task for lane in runtime._lanes.values() if lane.pump.task), return_exceptions=True
        )
    assert await totals(broker) == {}
    assert await published(broker, "alerts") == []
    async with running(sqlite_settings, broker) as runtime:
        await caught_up(broker, runtime, 1_000)
    assert (await totals(broker), sorted(await published(broker, "alerts"))) == truth(events(5, 1_000))


class Stubborn(ToyJudge):
    """Refuses to hand over a cut."""

    def cut(self) -> Cut:
        raise StateError("chunk size 256 was 512 before")


async def test_state_that_does_not_fit_ends_the_worker_with_its_reason(
    sqlite_settings: Settings, broker: SqliteBroker
) -> None:
    stages = [StageSpec("toy", ("samples",), lambda _: Stubborn())]
    async with running(sqlite_settings, broker, stages=stages) as runtime:
        await until(lambda: bool(runtime.reasons))  # type: ignore[attr-defined] # set by `running`
        assert runtime.reasons == ["chunk size 256 was 512 before"]  # type: ignore[attr-defined] # as above


async def test_a_stage_with_two_inputs_is_one_owner(sqlite_settings: Settings, broker: SqliteBroker) -> None:
    """Both positions are part of the same cut and are recovered together."""
    stages = [StageSpec("toy", ("samples", "alerts"), lambda _: Echo())]
    await broker.publish([Record("samples", b"s", partition=0)] * 3 + [Record("alerts", b"a", partition=0)] * 2)
    async with running(sqlite_settings, broker, stages=stages, sources=[]) as runtime:
        await until(lambda: sorted(lane.committed for lane in runtime.status().lanes) == [2, 3])
    positions, entries = await broker.own("toy", 0).recover()
    assert positions == {("samples", 0): 3, ("alerts", 0): 2}
    assert entries == {b"samples": b"3", b"alerts": b"2"}


class Echo:
    """ports.Stage: how many records came from each topic."""

    def __init__(self) -> None:
        self.counts: dict[bytes, int] = {}

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        self.counts = {key: int(value) for key, value in entries.items()}

    def feed(self, batch: Batch) -> None:
        self.counts[batch.topic.encode()] = self.counts.get(batch.topic.encode(), 0) + len(batch)

    def tick(self, now: Any) -> None:
        """Time is nothing to it."""

    def cut(self) -> Cut:
        return Cut(entries={key: str(count).encode() for key, count in self.counts.items()})


async def test_one_worker_a_file(sqlite_settings: Settings, broker: SqliteBroker) -> None:
    async with running(sqlite_settings, broker):
        second = toy_runtime(sqlite_settings, broker, on_fatal=lambda reason: None)
        with pytest.raises(SettingsError, match="in use by another `lockstep serve`"):
            await second.start()
        await second.stop()


async def test_a_topic_made_again_is_refused(sqlite_settings: Settings, broker: SqliteBroker) -> None:
    """A position behind the end of the log is another topic's."""
    owned = broker.own("toy", 0)
    await owned.recover()
    await owned.cut(Cut(), {("samples", 0): 7})
    async with running(sqlite_settings, broker) as runtime:
        (reason,) = runtime.reasons  # type: ignore[attr-defined] # set by `running`
        assert "topic 'samples', partition 0 ends at 0, but was read up to 7" in reason


async def test_the_meter_hears_whether_its_log_was_read_to_the_end(
    sqlite_settings: Settings, broker: SqliteBroker
) -> None:
    meters: list[ToyMeter] = []

    async def make(info: Any, partition: int, committed: int | None, earliest: int) -> ToyMeter:
        meters.append(ToyMeter(partition, committed, earliest))
        return meters[-1]

    from lockstep.adapters.stream.lanes import SourceSpec

    await broker.publish(events(6, 10))
    async with running(sqlite_settings, broker, sources=[SourceSpec("orders", make)]) as runtime:
        await until(lambda: all(meter.at_end for meter in meters))
        assert [meter.at_end[-1] for meter in meters] == [True, True]
        assert runtime.status().live


async def test_status_says_where_the_lanes_stand(sqlite_settings: Settings, broker: SqliteBroker) -> None:
    reasons: list[str] = []
    runtime = toy_runtime(sqlite_settings, broker, on_fatal=reasons.append)
    assert (runtime.status().ready, runtime.status().ready_reason) == (False, "starting")
    await runtime.start()
    await until(lambda: runtime.status().ready)
    await broker.publish([Record("orders", b"a", partition=1)] * 7)
    await caught_up(broker, runtime, 7)
    status = runtime.status()
    assert {(lane.topic, lane.partition, lane.position, lane.lag) for lane in status.lanes} == {
        ("orders", 0, 0, 0),
        ("orders", 1, 7, 0),
        ("samples", 0, 1, 0),
    }
    await runtime.stop()
    assert (runtime.status().ready, runtime.status().ready_reason) == (False, "stopping")


async def test_what_is_published_waits_for_nobody(sqlite_settings: Settings, broker: SqliteBroker) -> None:
    """State that nobody sees is stored once in STATE_EVERY_S; an alert takes all of it along at once."""
    judge, now = ToyJudge(), [100.0]
    runtime = toy_runtime(sqlite_settings, broker, on_fatal=lambda reason: None)
    runtime.loop_time = lambda: now[0]  # type: ignore[method-assign] # the test's own time
    owned = broker.own("toy", 0)
    await owned.recover()
    spec = StageSpec("toy", ("samples",), lambda _: judge, can_wait=ToyJudge.only_stores)
    lane = StageLane(runtime, spec, 0, judge, owned, {SAMPLES: 0})

    async def take(offset: int, count: int) -> bool:
        """Whether what it says may wait."""
        value = json.dumps({"p": 0, "c": 0, "u": offset, "n": {"a": count}}).encode()
        batch = Batch("samples", 0, [offset], [value], [], [0], offset - 1, offset + 1)
        await lane.take(SAMPLES, batch, lambda: True)
        return lane.can_wait()

    assert not await take(0, 1), "the first one is stored at once"
    assert await lane.step()
    assert not await lane.step(), "a step without anything new does nothing"
    now[0] += STATE_EVERY_S * 0.9
    assert await take(1, 2)
    now[0] += STATE_EVERY_S * 0.2
    assert not lane.can_wait()
    assert await lane.step()
    assert await take(2, 3)
    assert not await take(3, STEP)
    assert await lane.step()
    assert (await published(broker, "alerts"), _durable_total(broker)) == ([b"a:1"], STEP)


SAMPLES = TP("samples", 0)


@pytest.fixture
async def lane(sqlite_settings: Settings, broker: SqliteBroker) -> Lane:
    runtime = toy_runtime(sqlite_settings, broker, on_fatal=lambda reason: None)
    return Lane(runtime, {SAMPLES: 10}, SourceLanes(runtime).pump)


async def test_a_lane_that_is_behind_and_stands_still_is_stuck(lane: Lane) -> None:
    lane.ends[SAMPLES] = 11
    lane.watch(100.0)
    assert lane.stuck(100.0 + STUCK_AFTER_S) == ""
    assert "samples/0 at 10 has stood still for 61 s" in lane.stuck(101.0 + STUCK_AFTER_S)


async def test_a_lane_that_had_nothing_to_do_is_not_stuck(lane: Lane) -> None:
    """Idle for an hour, then one record: behind from now on, not for an hour."""
    lane.ends[SAMPLES] = 10
    lane.watch(100.0)
    lane.ends[SAMPLES] = 11
    lane.watch(3_700.0)
    assert lane.stuck(3_700.0) == ""


async def test_a_lane_that_is_behind_but_moves_is_not_stuck(lane: Lane) -> None:
    lane.ends[SAMPLES] = 1_000
    for step in range(10):
        lane.watch(100.0 + step * STUCK_AFTER_S * 0.9)
        assert lane.stuck(100.0 + step * STUCK_AFTER_S * 0.9) == ""
        lane.reached({SAMPLES: 11 + step})
        lane.told(lane.durable)


async def test_a_position_that_cannot_be_committed_is_said(lane: Lane) -> None:
    """It moves, and the group does not hear of it."""
    for step in range(70):
        lane.reached({SAMPLES: 11 + step})
        lane.watch(100.0 + step)
    assert "cannot commit its position for 69 s" in lane.stuck(169.0)
