"""Lanes: one source partition with its meter, or one owned partition with its stage, in one assignment."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from faust.types import TP

from lockstep.adapters.stream.consumer import Faults, within
from lockstep.adapters.stream.pump import Pump
from lockstep.ports import Batch, Broker, Cut, Ownership, Record, Stage, TopicInfo
from lockstep.settings import Settings

STUCK_AFTER_S = 60.0
"""A lane that is behind and stands still for so long is not alive; nor one whose position the group does not learn."""

METER_IDLE_S = 1.0
"""How long a meter to which nothing comes is left alone: it tells how far it is once a second."""

STATE_EVERY_S = 1.0
"""What a stage has to store and nobody waits for is stored this often, so a new owner reads that much again."""

SLICE_S = 0.01
"""A batch is fed in slices of about so long; between two of them the event loop serves requests, answers of the broker
and whoever else waits."""
LEAST_EVENTS, MOST_EVENTS = 128, 8_192
"""Events that a meter is fed at once, at least and at most."""
FAR_BEHIND = 16_384
"""Events between a meter and the end of its log from which on nobody waits for its next flush, and events in a flush
then: what costs is each flush, not each event."""
STEP_AT_LATEST_S = 5.0
"""Nevertheless it flushes after so long; and a lane in the middle of a batch, which waits for its end, steps."""
ASK_AGAIN_S = 0.5
"""How long a lane whose first batch has to wait lets pass between two questions whether it still has to."""


def _has_no_more(_stage: object) -> bool:
    return False


class SourceStage(Protocol):
    """The meter on one source partition in one assignment (lockstep.measure.meter.Meter)."""

    start: int
    position: int

    def feed(self, batch: Batch) -> None: ...
    def observe(self, *, at_end: bool, now: datetime) -> None: ...
    def flush(self, now: datetime) -> list[Record]: ...


class Gate(Protocol):
    """What a source topic's first batch may have to wait for."""

    async def is_shut(self) -> bool:
        """Whether it has to wait."""

    async def opens(self, partition: int) -> bool:
        """Asked when the first batch of a partition is there, until it says True: whether it may be fed.

        Who answers has said before, where all that could shut the gate see it, that it is open for good.
        """


class OpenGate:
    """Of a topic whose first batch need not wait."""

    async def is_shut(self) -> bool:
        return False

    async def opens(self, partition: int) -> bool:
        return True


OPEN = OpenGate()


@dataclass(frozen=True)
class SourceSpec:
    """make: (topic as it is, partition, committed position or None, earliest offset kept) → the meter."""

    topic: str
    make: Callable[[TopicInfo, int, int | None, int], Awaitable[SourceStage]]
    gate: Gate = OPEN


@dataclass(frozen=True)
class StageSpec:
    """name: of its state. inputs: topics with equal partition counts, read by one owner.

    interval_s: shortest time between two cuts; None: the flush interval, which gathers what changes often.
    after_cut: called with (partition, stage) after recovery and after every step: acts on what is now durable, all that
    the last `cut` handed out; the stage may have been fed more meanwhile.
    goes_on: has a stage do one more piece of what it was fed, and says whether there was one: what one record brings
    may be the work of minutes.
    released: called when the partition is given up.
    can_wait: whether nobody waits for what the stage would cut now, because nothing of it is published: then it is cut
    every `store_every_s`. None: it never waits.
    """

    name: str
    inputs: tuple[str, ...]
    make: Callable[[int], Stage]
    tick_s: float = 1.0
    interval_s: float | None = None
    after_cut: Callable[[int, Any], None] | None = None
    goes_on: Callable[[Any], bool] = _has_no_more
    released: Callable[[int, Any], Awaitable[None]] | None = None
    can_wait: Callable[[Any], bool] | None = None
    store_every_s: float = STATE_EVERY_S


class Observer(Protocol):
    """Told what happens, for metrics."""

    def flushed(self, stage: str, seconds: float) -> None: ...


class LaneHost(Protocol):
    """What a lane asks of the runtime that it belongs to."""

    settings: Settings
    broker: Broker
    clock: Callable[[], datetime]
    faults: Faults
    observer: Observer
    failed: bool
    moved: asyncio.Event
    """Set when a position has become durable that the group has not heard of."""
    turn: asyncio.Lock
    """Held while a slice is fed, and until the event loop has gone round after it: lanes take turns."""

    def loop_time(self) -> float: ...
    def fail(self, reason: str) -> None: ...


class Lane:
    """What both kinds share: where each input stands, and the pump that publishes what comes of it."""

    def __init__(self, runtime: LaneHost, starts: Mapping[TP, int], pump: Pump) -> None:
        self.runtime = runtime
        self.pump = pump
        self.at = {tp: start - 1 for tp, start in starts.items()}  # last offset applied
        self.next: dict[TP, int] = dict(starts)
        self.ends: dict[TP, int] = {}  # of the logs, when they were last asked
        self.durable: dict[TP, int] = dict(starts)
        self.committed: dict[TP, int] = dict(starts)  # what the group was told
        self.behind_since: float | None = None
        self.untold_since: float | None = None
        self.is_feeding = False  # in the middle of a batch
        self.has_more = False  # not all is done that it was fed

    async def take(self, tp: TP, batch: Batch, is_current: Callable[[], bool]) -> None:
        """Feed a batch in slices; between two of them the lane may step, as between two batches.

        is_current: whether this lane is still to be fed it; asked before each slice, because assignments end meanwhile.
        """
        if batch.previous != self.at[tp]:
            self.runtime.fail(
                f"{tp.topic}/{tp.partition}: a batch follows {batch.previous}, applied up to {self.at[tp]}"
            )
            return
        runtime, fed = self.runtime, 0
        self.is_feeding = True
        try:
            while self.is_feeding:
                async with runtime.turn:
                    if not is_current():
                        return
                    began = runtime.loop_time()
                    fed = self.feed(tp, batch, fed)
                    self.is_feeding = fed < len(batch) or self.has_more
                    self.pump.wake.set()
                    if self.is_feeding or runtime.loop_time() - began > SLICE_S / 2:
                        await asyncio.sleep(0)
        finally:
            self.is_feeding = False

    def feed(self, tp: TP, batch: Batch, begin: int) -> int:
        """Feed a slice of the batch from there on; the place in the batch that is next then."""
        raise RuntimeError("a lane of its own kind feeds")

    def fed(self, tp: TP, part: Batch) -> None:
        """So much has been applied."""
        self.at[tp] = part.next - 1
        self.next[tp] = part.next

    def stuck(self, now: float) -> str:
        """What stands still, "" for nothing. now: loop time."""
        for since, what in (
            (self.behind_since, "has stood still"),
            (self.untold_since, "cannot commit its position"),
        ):
            if since is not None and now - since > STUCK_AFTER_S:
                where = ", ".join(f"{tp.topic}/{tp.partition} at {at}" for tp, at in self.durable.items())
                return f"{where} {what} for {now - since:.0f} s"
        return ""

    def watch(self, now: float) -> None:
        """Note since when this lane is behind, and since when the group has not heard of its position."""
        if all(self.ends.get(tp, 0) <= at for tp, at in self.durable.items()):
            self.behind_since = None
        elif self.behind_since is None:
            self.behind_since = now
        if self.durable == self.committed:
            self.untold_since = None
        elif self.untold_since is None:
            self.untold_since = now

    def reached(self, positions: Mapping[TP, int]) -> None:
        """These are durable now."""
        if positions != self.durable:
            self.durable = dict(positions)
            self.behind_since = None
            self.runtime.moved.set()

    def told(self, positions: Mapping[TP, int]) -> None:
        """The group knows these."""
        self.committed.update(positions)
        self.untold_since = None


class SourceLane(Lane):
    """Feeds the meter of one source partition."""

    def __init__(
        self,
        runtime: LaneHost,
        tp: TP,
        meter: SourceStage,
        pump: Pump,
        *,
        end: int,
        gate: Gate = OPEN,
    ) -> None:
        """end: of the log, as it was when the meter was made."""
        super().__init__(runtime, {tp: meter.start}, pump)
        self._gate = gate
        self.tp, self.meter = tp, meter
        self.durable = {tp: meter.position}
        self.committed = dict(self.durable)
        self.ends = {tp: end}
        self.is_held = False  # the first batch has to wait
        self._is_free = False  # the gate has opened
        self._at_once = 1_024  # events of the next slice
        self._has_flushed = False
        self._flushed, self._flushed_at = meter.start, runtime.loop_time()  # offset and time of the last flush

    async def ask(self) -> None:
        """Learn whether the first batch has to wait."""
        if not self._is_free:
            self.is_held = await self._gate.is_shut()

    async def take(self, tp: TP, batch: Batch, is_current: Callable[[], bool]) -> None:
        # Asked when the batch is there: what it has to wait for may have begun until just before its events came.
        while not self._is_free and is_current():
            self._is_free = await self._gate.opens(tp.partition)
            self.is_held = not self._is_free
            if self.is_held:
                await within(ASK_AGAIN_S, self.pump.closing)
        await super().take(tp, batch, is_current)

    def watch(self, now: float) -> None:
        super().watch(now)
        if self.is_held:
            self.behind_since = None

    def feed(self, tp: TP, batch: Batch, begin: int) -> int:
        """As many events as took SLICE_S before: what an event costs depends on the rules and the machine."""
        runtime, end = self.runtime, min(begin + self._at_once, len(batch))
        part = batch if (begin, end) == (0, len(batch)) else batch.part(begin, end)
        began = runtime.loop_time()
        self.meter.feed(part)
        took = runtime.loop_time() - began
        if took > SLICE_S:
            self._at_once = max(LEAST_EVENTS, self._at_once // 2)
        elif took < SLICE_S / 2 and len(part) == self._at_once:
            self._at_once = min(MOST_EVENTS, self._at_once * 2)
        self.fed(tp, part)
        return end

    def is_due(self, *, idle_s: float = METER_IDLE_S) -> bool:
        """Whether somebody waits for its next flush: it was fed, or has told nothing for so long.

        Far behind, it gathers as many events as make a flush cheap; in the middle of a batch it waits for the end.
        """
        since_s, reached = self.runtime.loop_time() - self._flushed_at, self.next[self.tp]
        if reached == self._flushed:
            # What it begins with is told at once, unless there are events that say more of it.
            return since_s >= idle_s or (not self._has_flushed and reached >= self.ends[self.tp])
        is_gathering = reached + FAR_BEHIND < self.ends[self.tp] and reached - self._flushed < FAR_BEHIND
        return not (is_gathering or self.is_feeding) or since_s >= STEP_AT_LATEST_S

    def flush(self, now: datetime) -> list[Record]:
        """What its meter hands out."""
        self._has_flushed = True
        self._flushed, self._flushed_at = self.next[self.tp], self.runtime.loop_time()
        return self.meter.flush(now)


class SourceLanes:
    """The source lanes of one assignment. They publish together: one request to the broker for all of them."""

    def __init__(self, runtime: LaneHost) -> None:
        self.lanes: list[SourceLane] = []
        self._runtime = runtime
        interval_s = runtime.settings.flush_interval
        self.pump = Pump(runtime, self.step, interval_s=interval_s, idle_s=METER_IDLE_S, can_wait=self.can_wait)

    def add(self, tp: TP, meter: SourceStage, *, end: int, gate: Gate = OPEN) -> SourceLane:
        """end: of the log, as it was when the meter was made."""
        lane = SourceLane(self._runtime, tp, meter, self.pump, end=end, gate=gate)
        self.lanes.append(lane)
        return lane

    def can_wait(self) -> bool:
        """Whether nobody misses the next flush."""
        return not any(lane.is_due() for lane in self.lanes)

    async def step(self) -> bool:
        """Publish what the meters hand out that are due; whether there was anything."""
        runtime, is_last = self._runtime, self.pump.closing.is_set()
        began, now = runtime.loop_time(), runtime.clock()
        # Meters without news go along a little early, so that they tell together how far they are.
        due = [lane for lane in self.lanes if is_last or lane.is_due(idle_s=METER_IDLE_S / 2)]
        records = [record for lane in due for record in lane.flush(now)]
        positions = [(lane, lane.meter.position) for lane in due]
        if records:
            await asyncio.sleep(runtime.faults.before_cut_s)
            await runtime.broker.publish(records)
            runtime.observer.flushed("meter", runtime.loop_time() - began)
        for lane, position in positions:
            lane.reached({lane.tp: position})
        return bool(records)


class StageLane(Lane):
    """Feeds one owned partition of a stage; each cut is one transaction."""

    def __init__(
        self,
        runtime: LaneHost,
        spec: StageSpec,
        partition: int,
        stage: Stage,
        owned: Ownership,
        starts: Mapping[TP, int],
    ) -> None:
        interval_s = runtime.settings.flush_interval if spec.interval_s is None else spec.interval_s
        pump = Pump(
            runtime,
            self.step,
            interval_s=interval_s,
            idle_s=spec.tick_s,
            can_wait=self.can_wait,
            asks_every_s=spec.store_every_s,
        )
        super().__init__(runtime, starts, pump)
        self.spec, self.partition, self.stage, self.owned = spec, partition, stage, owned
        self._cut_at = float("-inf")  # loop time of the last cut

    def feed(self, tp: TP, batch: Batch, begin: int) -> int:
        """Record by record until SLICE_S has gone: one may be a single alert, the next five hundred series, or a jump
        in time over which a stage goes piece by piece."""
        until, ends = self.runtime.loop_time() + SLICE_S, max(1, len(batch))
        place = begin
        while True:
            self.has_more = self._goes_on(until)
            if self.has_more or place == ends or (place > begin and self.runtime.loop_time() >= until):
                return place
            part = batch if len(batch) <= 1 else batch.part(place, place + 1)
            self.stage.feed(part)
            self.fed(tp, part)
            place += 1

    def _goes_on(self, until: float) -> bool:
        """Have the stage finish what it was fed; whether the loop time came before the end."""
        while self.spec.goes_on(self.stage):
            if self.runtime.loop_time() >= until:
                return True
        return False

    def can_wait(self) -> bool:
        """Whether nobody misses the next cut yet."""
        if self.is_feeding and self.runtime.loop_time() - self.pump.stepped_at < STEP_AT_LATEST_S:
            return True
        if self.spec.can_wait is None or self.runtime.loop_time() - self._cut_at >= self.spec.store_every_s:
            return False
        return self.spec.can_wait(self.stage)

    async def step(self) -> bool:
        """Cut; whether there was anything to be cut."""
        runtime = self.runtime
        began = runtime.loop_time()
        self.stage.tick(runtime.clock())
        cut = self.stage.cut()
        positions = dict(self.next)
        has_news = bool(cut) or positions != self.durable
        if has_news:
            if runtime.faults.torn_cut:
                await self._tear(cut)
            await asyncio.sleep(runtime.faults.before_cut_s)
            await self.owned.cut(cut, _plain(positions))
            runtime.observer.flushed(self.spec.name, runtime.loop_time() - began)
            self.reached(positions)
            self._cut_at = began
        self.act()
        return has_news

    def act(self) -> None:
        """Let the outside act on what is durable; not when we are about to leave."""
        if self.spec.after_cut is not None and not self.pump.closing.is_set():
            self.spec.after_cut(self.partition, self.stage)

    async def release(self) -> None:
        """The partition is given up."""
        if self.spec.released is not None:
            await self.spec.released(self.partition, self.stage)
        await self.owned.close()

    async def _tear(self, cut: Cut) -> None:
        """Test only: half of the cut becomes durable before the rest, and without the position."""
        await self.owned.cut(Cut(list(cut.records), {}), _plain(self.durable))
        cut.records.clear()


def _plain(positions: Mapping[TP, int]) -> dict[tuple[str, int], int]:
    return {(tp.topic, tp.partition): n for tp, n in positions.items()}
