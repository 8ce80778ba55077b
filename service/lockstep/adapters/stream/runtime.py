"""The runtime: Faust gives group membership, agents and fetching; this gives them the stages.

It recovers what a partition needs, makes its lane (lanes.py), hands batches to it, and commits how far it is. Lanes
live for one epoch.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from faust.types import TP

from lockstep.adapters.stopping import Stopping
from lockstep.adapters.stream.consumer import Faults, Handed, PassThrough
from lockstep.adapters.stream.faust_app import FaustApp, NoTables
from lockstep.adapters.stream.lanes import Lane, Observer, SourceLane, SourceLanes, SourceSpec, StageLane, StageSpec
from lockstep.errors import LockstepError, StateError
from lockstep.ports import Broker, TopicInfo
from lockstep.settings import Settings

log = structlog.get_logger("lockstep.runtime")

COMMIT_EVERY_S = 0.5
COMMIT_S = 5.0
STOP_S = 1.5
"""How long a last flush may take when the service stops."""
TELL_S, END_S, RELEASE_S, LEAVE_S = 2.0, 1.0, 4.5, 5.0
"""Then the other steps of a stop: a broker that is away answers none of them."""
NEVER_S = 1e9
"""Faust's own watching goes by acknowledgements, which nobody gives here."""


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
        self._lanes: dict[TP, Lane] = {}
        self._reason = "starting"
        self.failed = False
        self.app: Any = None
        self._stopping = False
        self.moved = asyncio.Event()
        self.turn = asyncio.Lock()
        self._watch: list[asyncio.Task[None]] = []

    def loop_time(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def consumer(self) -> Any:
        return self.app.consumer

    # ---- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start Faust and its agents; returns when the consumer has been started, not when it is ready."""
        self.app = app = FaustApp(
            self.settings.app_id,
            broker="lockstep://",
            web_enabled=False,
            web_tables_enabled=False,
            web_router_enabled=False,
            worker_redirect_stdouts=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            stream_wait_empty=False,
            stream_buffer_maxsize=16,
            table_standby_replicas=0,
            store="memory://",
            broker_commit_livelock_soft_timeout=NEVER_S,
            stream_processing_timeout=NEVER_S,
            TableManager=NoTables,
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
        timers = [self._watch_ends, self._tell_always]
        if not self.settings.is_sqlite:
            timers.append(partial(self._keep_lease, self.settings.kafka_session_timeout))
        self._watch = [asyncio.create_task(self._timer(body)) for body in timers]

    def _reader(self) -> Any:
        async def read(stream: Any) -> None:
            async for event in stream.noack().events():
                await self._receive(event.value)
                if self.faults.slow_agent_s:
                    await asyncio.sleep(self.faults.slow_agent_s)

        return read

    async def stop(self, stopping: Stopping | None = None) -> None:
        """Flush, cut, commit, leave the group: each in its time, whatever the broker does meanwhile."""
        stopping = stopping or Stopping()
        self._stopping = True
        self._reason = "stopping"
        await stopping.step("ending the timers", partial(_end_tasks, self._watch), at_most_s=END_S)
        lanes = list(dict.fromkeys(self._lanes.values()))
        self._lanes = {}
        if not self.failed:
            for lane in lanes:
                lane.pump.close()
            pumps = [task for lane in lanes if (task := lane.pump.task) is not None]
            late = pumps and (await asyncio.wait(pumps, timeout=min(STOP_S, stopping.left_s())))[1]
            if late:
                stopping.leave(f"the last flush of {len(late)} partitions: no end in {STOP_S:g} s")
            await stopping.step("committing positions", partial(self._tell, lanes), at_most_s=TELL_S)
        await stopping.step("ending the stages", partial(self._stop_pumps, lanes), at_most_s=END_S)
        await stopping.step("giving the partitions up", partial(self._release, lanes), at_most_s=RELEASE_S)
        if self.app is not None:
            await stopping.step("leaving the group", self.app.stop, at_most_s=LEAVE_S)

    def fail(self, reason: str) -> None:
        """What cannot heal in this process: the supervisor starts a new one, which recovers from what is durable."""
        if not self.failed:
            self.failed = True
            log.error("this worker gives up", reason=reason)
            self._on_fatal(reason)

    # ---- Host: called by the consumer -----------------------------------------------------------------------------

    def together(self) -> list[tuple[str, ...]]:
        """Topics whose partitions of one number must be assigned to one worker."""
        return [s.inputs for s in self._stages]

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
        lanes: dict[TP, Lane] = {}
        places: dict[TP, int] = {}
        sources = SourceLanes(self)
        kept = False
        try:
            infos = await self.broker.describe({tp.topic for tp in assigned})
            held = {tp.topic: False for tp in assigned if tp.topic in self._sources}
            for topic in held:
                held[topic] = await self._sources[topic].gate.is_shut()
            for tp in sorted(assigned):
                if tp.topic in self._sources:
                    source = await self._source_lane(sources, tp, infos[tp.topic], committed.get(tp))
                    source.is_held = held[tp.topic]
                    lane: Lane = source
                elif tp.topic in self._stage_of and tp.topic == self._stage_of[tp.topic].inputs[0]:
                    lane = await self._stage_lane(self._stage_of[tp.topic], tp.partition)
                else:
                    continue
                for key, offset in lane.next.items():
                    lanes[key] = lane
                    places[key] = offset
            if epoch == self.consumer.epoch and not self._stopping:
                self._lanes, kept = lanes, True
        except LockstepError as error:
            self.fail(str(error))
            return {}
        except Exception as error:
            log.exception("recovery broke")
            self.fail(repr(error))
            return {}
        finally:
            if not kept:
                await self._release(list(dict.fromkeys(lanes.values())))
        return places

    async def _source_lane(self, sources: SourceLanes, tp: TP, info: TopicInfo, committed: int | None) -> SourceLane:
        spec = self._sources[tp.topic]
        earliest, end = (await self.broker.bounds(tp.topic))[tp.partition]
        _check_end(tp, committed or 0, end)
        meter = await spec.make(info, tp.partition, committed, earliest)
        if self.faults.no_rewind:
            meter.start = meter.position
        return sources.add(tp, meter, end=end, gate=spec.gate)

    async def _stage_lane(self, spec: StageSpec, partition: int) -> StageLane:
        owned = self.broker.own(spec.name, partition)
        positions, entries = await owned.recover()
        try:
            stage = spec.make(partition)
            stage.restore(entries)
            starts: dict[TP, int] = {}
            for topic in spec.inputs:
                earliest, end = (await self.broker.bounds(topic))[partition]
                stored = positions.get((topic, partition), 0)
                _check_end(TP(topic, partition), stored, end)
                if stored < earliest and stored:
                    log.warning("records were removed before they were read", topic=topic, from_=stored, to=earliest)
                starts[TP(topic, partition)] = max(stored, earliest)
        except BaseException:  # an assignment that ended meanwhile cancels us; nobody else would close it
            await owned.close()
            raise
        return StageLane(self, spec, partition, stage, owned, starts)

    def held(self) -> set[str]:
        """Topics that are not to be fetched now: their first batch has to wait."""
        return {lane.tp.topic for lane in self._lanes.values() if isinstance(lane, SourceLane) and lane.is_held}

    def opened(self, epoch: int) -> None:
        for pump, lane in {lane.pump: lane for lane in self._lanes.values()}.items():
            pump.wake.set()
            pump.task = asyncio.create_task(self._guarded(lane))
        if not self._stopping:
            self._reason = ""

    async def _guarded(self, lane: Lane) -> None:
        try:
            if isinstance(lane, StageLane):
                lane.act()
            await lane.pump.run()
        except LockstepError as error:
            self.fail(str(error))
        except Exception as error:
            log.exception("a lane broke")
            self.fail(repr(error))

    async def _timer(self, body: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """body: called here, so that a timer that is cancelled before it began leaves nothing behind."""
        try:
            await body()
        except Exception as error:
            log.exception("a timer broke")
            self.fail(repr(error))

    async def _stop_pumps(self, lanes: Sequence[Lane]) -> None:
        await _end_tasks([task for lane in lanes if (task := lane.pump.task) is not None])

    async def _release(self, lanes: Sequence[Lane]) -> None:
        """All at once: each may have to wait until its broker counts as gone."""
        results = await asyncio.gather(
            *(lane.release() for lane in lanes if isinstance(lane, StageLane)), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    # ---- data -----------------------------------------------------------------------------------------------------

    async def _receive(self, handed: Handed) -> None:
        batch = handed.batch
        tp = TP(batch.topic, batch.partition)
        lane = self._lanes.get(tp)

        def is_current() -> bool:
            """Whether it is not of an assignment that is over."""
            return self._lanes.get(tp) is lane and handed.epoch == self.consumer.epoch and not self.failed

        if lane is None or not is_current():
            return
        try:
            await lane.take(tp, batch, is_current)
        except LockstepError as error:
            self.fail(str(error))
        except Exception as error:
            log.exception("a stage broke", topic=batch.topic, partition=batch.partition)
            self.fail(repr(error))

    def wake(self, stage: str, partition: int) -> None:
        """Something outside happened that this stage's owner should look at now."""
        for lane in self._lanes.values():
            if isinstance(lane, StageLane) and lane.spec.name == stage and lane.partition == partition:
                lane.pump.wake.set()

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
                async with asyncio.timeout(5.0):
                    ends = await self.consumer.highwaters(*lanes)
            except Exception as error:  # whatever the client raises: the broker did not answer
                log.debug("the broker does not say where its logs end", reason=repr(error))
                ends = {}
            now = self.clock()
            for tp, lane in lanes.items():
                end = ends.get(tp)
                if end is not None:
                    # What lies between the last record and the end may be markers that nobody is handed.
                    lane.ends[tp] = lane.next[tp] if await self._all_handed(tp, lane, end) else end
                if isinstance(lane, SourceLane):
                    if lane.is_held:
                        await lane.ask()
                    lane.meter.observe(at_end=end is not None and lane.next[tp] >= lane.ends[tp], now=now)
                lane.watch(self.loop_time())

    async def _tell_always(self) -> None:
        while True:
            await self.moved.wait()
            self.moved.clear()
            if not await self._tell(list(dict.fromkeys(self._lanes.values()))):
                self.moved.set()
            await asyncio.sleep(COMMIT_EVERY_S)

    async def _tell(self, lanes: Sequence[Lane]) -> bool:
        """Commit to the group how far the lanes are; whether it knows now.

        It is for watching lag, and for a meter the place to go on from: a loss of it costs a re-read, never a record.
        """
        news = {lane: {tp: n for tp, n in lane.durable.items() if lane.committed.get(tp) != n} for lane in lanes}
        every = {tp: n for positions in news.values() for tp, n in positions.items()}
        try:
            async with asyncio.timeout(COMMIT_S):
                if every and not await self.consumer._commit(every):
                    return False
        except Exception as error:  # whatever the client raises; the next one says it all again
            log.debug("the group was not told", reason=repr(error))
            return False
        for lane, positions in news.items():
            lane.told(positions)
        return True

    async def _all_handed(self, tp: TP, lane: Lane, end: int) -> bool:
        if lane.next[tp] >= end:
            return True
        if self.consumer.handed.get(tp) != lane.at[tp]:
            return False
        position = await self.consumer.position(tp)
        return position is not None and position >= end and self.consumer.handed.get(tp) == lane.at[tp]

    async def _keep_lease(self, session_s: float) -> None:
        """A process that was not scheduled for a session's length has lost its partitions, whatever it believes."""
        last = self.loop_time()
        while True:
            await asyncio.sleep(session_s / 12)
            now = self.loop_time()
            if now - last > session_s:
                self.fail(f"not scheduled for {now - last:.1f} s, longer than the session of {session_s:g} s")
                return
            last = now

    def status(self) -> RuntimeStatus:
        """Whether this worker is ready and alive, and where its lanes stand."""
        lanes = [
            LaneStatus(
                tp.topic, tp.partition, lane.next[tp], max(lane.ends.get(tp, 0), lane.next[tp]), lane.durable[tp]
            )
            for tp, lane in self._lanes.items()
        ]
        now = self.loop_time()
        stuck = "failed" if self.failed else next(filter(None, (lane.stuck(now) for lane in self._lanes.values())), "")
        ready = not self._reason and not self.failed
        return RuntimeStatus(ready, self._reason or stuck if not ready else "", not stuck, stuck, lanes)


async def _end_tasks(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _check_end(tp: TP, position: int, end: int) -> None:
    if position > end:
        raise StateError(
            f"topic '{tp.topic}', partition {tp.partition} ends at {end}, but was read up to {position}: it was made "
            "again, or lost its tail; start under another LOCKSTEP_APP_ID, or on another file"
        )
