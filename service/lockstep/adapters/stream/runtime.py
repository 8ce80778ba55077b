"""The runtime: Faust gives group membership, agents and fetching; this gives them the stages.

A source lane feeds the meter of one source partition and publishes what it hands out. A stage lane owns one partition
of judge, notify or deliver: recover, then feed, tick and cut, each cut one transaction. Lanes live for one epoch.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import faust
import structlog
from faust.types import TP

from lockstep.adapters.stream.consumer import Coalescing, Faults, Handed, PassThrough
from lockstep.errors import LockstepError
from lockstep.ports import Batch, Broker, Ownership, Record, Stage, TopicInfo
from lockstep.settings import Settings

log = structlog.get_logger("lockstep.runtime")

COMMIT_EVERY_S = 1.0
STUCK_AFTER_S = 60.0
"""A lane whose lag grows while its position stands still for so long is not alive."""


class SourceStage(Protocol):
    """The meter on one source partition in one assignment (lockstep.measure.meter.Meter)."""

    start: int
    position: int

    def feed(self, batch: Batch) -> None: ...
    def observe(self, *, at_end: bool, now: datetime) -> None: ...
    def flush(self, now: datetime) -> list[Record]: ...


@dataclass(frozen=True)
class SourceSpec:
    """make: (topic as it is, partition, committed position or None, earliest offset kept) → the meter."""

    topic: str
    make: Callable[[TopicInfo, int, int | None, int], SourceStage]


@dataclass(frozen=True)
class StageSpec:
    """name: of its state. inputs: topics with equal partition counts, read by one owner.

    after_cut: called with (partition, stage) after recovery and after every step: acts on what is now durable.
    released: called when the partition is given up.
    """

    name: str
    inputs: tuple[str, ...]
    make: Callable[[int], Stage]
    tick_s: float = 1.0
    after_cut: Callable[[int, Any], None] | None = None
    released: Callable[[int, Any], Awaitable[None]] | None = None


class Observer(Protocol):
    """Told what happens, for metrics."""

    def flushed(self, stage: str, seconds: float) -> None: ...


class _Silent:
    def flushed(self, stage: str, seconds: float) -> None:
        """Nobody listens."""


@dataclass
class LaneStatus:
    """position: next offset to be read; end: of the log, when it was last asked; committed: durable position."""

    topic: str
    partition: int
    position: int
    end: int
    committed: int

    @property
    def lag(self) -> int:
        return max(0, self.end - self.committed)


@dataclass
class RuntimeStatus:
    ready: bool
    ready_reason: str
    live: bool
    live_reason: str
    lanes: list[LaneStatus] = field(default_factory=list)


class _Lane:
    """What both kinds share: where each input stands, a pump that wakes when there is something to do."""

    def __init__(self, runtime: "Runtime", starts: Mapping[TP, int]) -> None:
        self.runtime = runtime
        self.at = {tp: start - 1 for tp, start in starts.items()}  # last offset applied
        self.next: dict[TP, int] = dict(starts)
        self.ends: dict[TP, int] = {}  # of the logs, when they were last asked
        self.durable: dict[TP, int] = dict(starts)
        self.wake = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.moved_at = runtime.loop_time()

    def take(self, tp: TP, batch: Batch) -> None:
        if batch.previous != self.at[tp]:
            self.runtime.fail(
                f"{tp.topic}/{tp.partition}: a batch follows {batch.previous}, applied up to {self.at[tp]}"
            )
            return
        self.feed(batch)
        self.at[tp] = batch.next - 1
        self.next[tp] = batch.next
        self.wake.set()

    def feed(self, batch: Batch) -> None:
        raise RuntimeError("a lane of its own kind feeds")

    async def step(self) -> None:
        raise RuntimeError("a lane of its own kind steps")

    async def pump(self, idle_s: float) -> None:
        """Step at once when the last step is older than the flush interval, else at the interval."""
        interval = self.runtime.settings.flush_interval
        last = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), idle_s)
            wait = last + interval - self.runtime.loop_time()
            if wait > 0:
                await asyncio.sleep(wait)
            self.wake.clear()
            last = self.runtime.loop_time()
            await self.step()


class _SourceLane(_Lane):
    def __init__(self, runtime: "Runtime", spec: SourceSpec, tp: TP, meter: SourceStage) -> None:
        super().__init__(runtime, {tp: meter.start})
        self.spec, self.tp, self.meter = spec, tp, meter
        self.durable[tp] = meter.position
        self._committed = meter.position
        self._committed_at = 0.0

    def feed(self, batch: Batch) -> None:
        self.meter.feed(batch)

    async def step(self) -> None:
        runtime = self.runtime
        began = runtime.loop_time()
        records = self.meter.flush(runtime.clock())
        position = self.meter.position
        if records:
            await asyncio.sleep(runtime.faults.before_cut_s)
            await runtime.broker.publish(records)
            runtime.observer.flushed("meter", runtime.loop_time() - began)
        if position != self.durable[self.tp]:
            self.moved_at = runtime.loop_time()
        self.durable[self.tp] = position
        if position != self._committed and began - self._committed_at >= COMMIT_EVERY_S:
            await self.commit()

    async def commit(self) -> None:
        """The group commit follows what is durable; a loss of it costs a re-read, never an event."""
        position = self.durable[self.tp]
        if position != self._committed:
            await self.runtime.consumer._commit({self.tp: position})
            self._committed, self._committed_at = position, self.runtime.loop_time()


class _StageLane(_Lane):
    def __init__(
        self,
        runtime: "Runtime",
        spec: StageSpec,
        partition: int,
        stage: Stage,
        owned: Ownership,
        starts: Mapping[TP, int],
    ) -> None:
        super().__init__(runtime, starts)
        self.spec, self.partition, self.stage, self.owned = spec, partition, stage, owned
        self._committed = dict(starts)
        self._committed_at = 0.0

    def feed(self, batch: Batch) -> None:
        self.stage.feed(batch)

    async def step(self) -> None:
        runtime = self.runtime
        began = runtime.loop_time()
        self.stage.tick(runtime.clock())
        cut = self.stage.cut()
        positions = dict(self.next)
        if cut or positions != self.durable:
            await asyncio.sleep(runtime.faults.before_cut_s)
            await self.owned.cut(cut, {(tp.topic, tp.partition): n for tp, n in positions.items()})
            runtime.observer.flushed(self.spec.name, runtime.loop_time() - began)
            if positions != self.durable:
                self.moved_at = runtime.loop_time()
            self.durable = positions
        if self.spec.after_cut is not None:
            self.spec.after_cut(self.partition, self.stage)
        if self.durable != self._committed and began - self._committed_at >= COMMIT_EVERY_S:
            await self.commit()

    async def commit(self) -> None:
        """For watching lag only: the position that counts lives with the state."""
        if self.durable != self._committed:
            await self.runtime.consumer._commit(dict(self.durable))
            self._committed, self._committed_at = dict(self.durable), self.runtime.loop_time()


class Runtime:
    """Runs sources and stages on a broker until stopped. on_fatal is called once, when this process cannot go on."""

    def __init__(
        self,
        settings: Settings,
        broker: Broker,
        *,
        transport: Callable[[Any, Any], Any],
        sources: Sequence[SourceSpec],
        stages: Sequence[StageSpec],
        clock: Callable[[], datetime],
        on_fatal: Callable[[str], None],
        observer: Observer | None = None,
        faults: Faults | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """transport: (url, app) → Faust transport. options: further settings of the Faust app."""
        self.settings, self.broker, self.clock = settings, broker, clock
        self.faults = faults or Faults()
        self.observer: Observer = observer or _Silent()
        self._transport = transport
        self._sources = {s.topic: s for s in sources}
        self._stages = list(stages)
        self._stage_of = {topic: s for s in stages for topic in s.inputs}
        self._on_fatal = on_fatal
        self._options = dict(options or {})
        self._lanes: dict[TP, _Lane] = {}
        self._reason = "starting"
        self._failed = False
        self.app: Any = None
        self._watch: asyncio.Task[None] | None = None

    def loop_time(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def consumer(self) -> Any:
        return self.app.consumer

    # ---- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start Faust and its agents; returns when the consumer has been started, not when it is ready."""
        self.app = app = _App(
            self.settings.app_id,
            broker="lockstep://",
            web_enabled=False,
            web_tables_enabled=False,
            web_router_enabled=False,
            worker_redirect_stdouts=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            stream_wait_empty=False,
            stream_buffer_maxsize=64,
            table_standby_replicas=0,
            store="memory://",
            **self._options,
        )
        app.lockstep_host = self
        app.lockstep_broker = self.broker
        app.make_transport = lambda url: self._transport(url, app)
        for name in [*self._sources, *self._stage_of]:
            topic = app.topic(name, schema=PassThrough())
            app.agent(topic, name=f"lockstep-{name}")(self._reader())
        self._reason = "waiting for partitions"
        await app.start()
        self._watch = asyncio.create_task(self._watch_ends(), name="lockstep-watch")

    def _reader(self) -> Any:
        async def read(stream: Any) -> None:
            async for event in stream.noack().events():
                self._receive(event.value)
                if self.faults.slow_agent_s:
                    await asyncio.sleep(self.faults.slow_agent_s)

        return read

    async def stop(self) -> None:
        """Flush, cut, commit, leave the group."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        lanes = list(dict.fromkeys(self._lanes.values()))
        await self._stop_pumps(lanes)
        if not self._failed:
            try:
                for lane in lanes:  # meters first: their samples are then the judge's to read after the restart
                    await lane.step()
                    await lane.commit()  # type: ignore[attr-defined] # both kinds commit
            except LockstepError as error:
                log.warning("stopped without a last flush", reason=str(error))
        await self._release(lanes)
        if self.app is not None:
            await self.app.stop()

    def fail(self, reason: str) -> None:
        """What cannot heal in this process: the supervisor starts a new one, which recovers from what is durable."""
        if not self._failed:
            self._failed = True
            log.error("this worker gives up", reason=reason)
            self._on_fatal(reason)

    # ---- Host: called by the consumer -----------------------------------------------------------------------------

    async def revoked(self) -> None:
        lanes = list(dict.fromkeys(self._lanes.values()))
        self._lanes = {}
        if lanes:
            self._reason = "partitions are being assigned"
        await self._stop_pumps(lanes)
        await self._release(lanes)

    async def begin(self, assigned: set[TP], committed: Mapping[TP, int], epoch: int) -> Mapping[TP, int]:
        self._reason = "recovering"
        await asyncio.sleep(self.faults.before_recovery_s)
        lanes: dict[TP, _Lane] = {}
        places: dict[TP, int] = {}
        try:
            infos = await self.broker.describe({tp.topic for tp in assigned})
            for tp in sorted(assigned):
                if tp.topic in self._sources:
                    lane: _Lane = await self._source_lane(tp, infos[tp.topic], committed.get(tp))
                elif tp.topic in self._stage_of and tp.topic == self._stage_of[tp.topic].inputs[0]:
                    lane = await self._stage_lane(self._stage_of[tp.topic], tp.partition)
                else:
                    continue
                for key, offset in lane.next.items():
                    lanes[key] = lane
                    places[key] = offset
        except LockstepError as error:
            self.fail(str(error))
            return {}
        if epoch == self.consumer.epoch:
            self._lanes = lanes
        else:
            await self._release(list(dict.fromkeys(lanes.values())))
        return places

    async def _source_lane(self, tp: TP, info: TopicInfo, committed: int | None) -> _SourceLane:
        spec = self._sources[tp.topic]
        earliest, _ = (await self.broker.bounds(tp.topic))[tp.partition]
        meter = spec.make(info, tp.partition, committed, earliest)
        if self.faults.no_rewind:
            meter.start = meter.position
        return _SourceLane(self, spec, tp, meter)

    async def _stage_lane(self, spec: StageSpec, partition: int) -> _StageLane:
        owned = self.broker.own(spec.name, partition)
        positions, entries = await owned.recover()
        stage = spec.make(partition)
        stage.restore(entries)
        starts: dict[TP, int] = {}
        for topic in spec.inputs:
            earliest, _ = (await self.broker.bounds(topic))[partition]
            stored = positions.get((topic, partition), 0)
            if stored < earliest and stored:
                log.warning("records were removed before they were read", topic=topic, from_=stored, to=earliest)
            starts[TP(topic, partition)] = max(stored, earliest)
        return _StageLane(self, spec, partition, stage, owned, starts)

    def opened(self, epoch: int) -> None:
        for lane in dict.fromkeys(self._lanes.values()):
            if isinstance(lane, _StageLane):
                if lane.spec.after_cut is not None:
                    lane.spec.after_cut(lane.partition, lane.stage)
                lane.task = asyncio.create_task(self._guarded(lane, lane.spec.tick_s))
            else:
                lane.task = asyncio.create_task(self._guarded(lane, 1.0))
            lane.wake.set()
        self._reason = ""

    async def _guarded(self, lane: _Lane, idle_s: float) -> None:
        try:
            await lane.pump(idle_s)
        except LockstepError as error:
            self.fail(str(error))
        except Exception as error:
            log.exception("a lane broke")
            self.fail(repr(error))

    async def _stop_pumps(self, lanes: Sequence[_Lane]) -> None:
        tasks = [lane.task for lane in lanes if lane.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _release(self, lanes: Sequence[_Lane]) -> None:
        for lane in lanes:
            if isinstance(lane, _StageLane):
                if lane.spec.released is not None:
                    await lane.spec.released(lane.partition, lane.stage)
                await lane.owned.close()

    # ---- data -----------------------------------------------------------------------------------------------------

    def _receive(self, handed: Handed) -> None:
        batch = handed.batch
        tp = TP(batch.topic, batch.partition)
        lane = self._lanes.get(tp)
        if lane is None or handed.epoch != self.consumer.epoch or self._failed:
            return  # of an assignment that is over
        try:
            lane.take(tp, batch)
        except LockstepError as error:
            self.fail(str(error))
        except Exception as error:
            log.exception("a stage broke", topic=batch.topic, partition=batch.partition)
            self.fail(repr(error))

    def wake(self, stage: str, partition: int) -> None:
        """Something outside happened that this stage's owner should look at now."""
        for lane in self._lanes.values():
            if isinstance(lane, _StageLane) and lane.spec.name == stage and lane.partition == partition:
                lane.wake.set()

    # ---- watching -------------------------------------------------------------------------------------------------

    async def _watch_ends(self) -> None:
        """Once a second: where the logs end, whether a source has been read to its end, whether the app crashed."""
        while True:
            await asyncio.sleep(1.0)
            if self.app.crashed:
                self.fail(f"faust crashed: {self.app.crash_reason!r}")
                return
            lanes = dict(self._lanes)
            if not lanes:
                continue
            try:
                ends = await asyncio.wait_for(self.consumer.highwaters(*lanes), 5.0)
            except Exception as error:  # whatever the client raises: the broker did not answer
                log.debug("the broker does not say where its logs end", reason=repr(error))
                ends = {}
            now = self.clock()
            for tp, lane in lanes.items():
                end = ends.get(tp)
                if end is not None:
                    lane.ends[tp] = end
                if isinstance(lane, _SourceLane):
                    lane.meter.observe(at_end=end is not None and lane.next[tp] >= end, now=now)

    def status(self) -> RuntimeStatus:
        """Whether this worker is ready and alive, and where its lanes stand."""
        lanes = [
            LaneStatus(
                tp.topic, tp.partition, lane.next[tp], max(lane.ends.get(tp, 0), lane.next[tp]), lane.durable[tp]
            )
            for tp, lane in self._lanes.items()
        ]
        stuck = ""
        now = self.loop_time()
        for tp, lane in self._lanes.items():
            behind = lane.ends.get(tp, 0) > lane.durable[tp]
            if behind and now - lane.moved_at > STUCK_AFTER_S:
                stuck = (
                    f"{tp.topic}/{tp.partition} has stood still at {lane.durable[tp]} for {now - lane.moved_at:.0f} s"
                )
        live = not stuck and not self._failed
        return RuntimeStatus(not self._reason, self._reason, live, stuck or ("failed" if self._failed else ""), lanes)


class _App(faust.App):  # type: ignore[misc] # faust has no types that hold
    """Opens the gate when Faust's rebalance has ended: after its seek, after it cleared its agents' queues."""

    make_transport: Callable[[Any], Any]

    def _new_transport(self) -> Any:
        return self.make_transport(self.conf.broker_consumer)

    def _new_producer_transport(self) -> Any:
        return self.make_transport(self.conf.broker_producer)

    def on_rebalance_end(self) -> None:
        super().on_rebalance_end()
        consumer: Coalescing = self.consumer
        consumer.open_gate()
