"""What both Faust transports share: whole batches, one seek per assignment, and a gate until the rebalance has ended.

Faust fetches before it has sought and empties its agents' queues after, and it seeks more than once; each of these
loses or repeats records. So an epoch rises at every revocation and every assignment; each epoch seeks exactly once, to
where the host says; nothing is handed out before that seek and before Faust's `on_rebalance_end`; and every batch
says which offset was handed out before it. Positions are committed by the host, never by Faust's acknowledgements.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import faust
from faust.types import TP, ConsumerMessage
from msgspec.structs import replace

from lockstep.ports import Batch


@dataclass(frozen=True, slots=True)
class Handed:
    """A batch on its way to an agent, with the epoch in which it was fetched."""

    batch: Batch
    epoch: int


@dataclass(frozen=True)
class Faults:
    """Switches that widen races or take a protection away, so that the kill tests can fail. All off in service.

    after_seek_s: wait after the seek. ungated: hand out before the rebalance has ended. no_rewind: meters resume at the
    committed position. slow_agent_s: agents take their time. before_cut_s: wait between taking a cut and sending it.
    before_recovery_s: wait before an owned partition is recovered. torn_cut: send entries apart from positions.
    inside_cut_s: wait between writing a cut and committing it (Kafka).
    """

    after_seek_s: float = 0.0
    ungated: bool = False
    no_rewind: bool = False
    slow_agent_s: float = 0.0
    before_cut_s: float = 0.0
    before_recovery_s: float = 0.0
    torn_cut: bool = False
    inside_cut_s: float = 0.0


async def within(seconds: float, event: asyncio.Event) -> bool:
    """Wait for an event; False when it did not come in time. (asyncio.wait_for of 3.11 may swallow a cancellation.)"""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


class Host(Protocol):
    """Who owns the stages behind the agents."""

    faults: Faults

    async def revoked(self) -> None:
        """Everything of the epoch before is over."""

    async def begin(self, assigned: set[TP], committed: Mapping[TP, int], epoch: int) -> Mapping[TP, int]:
        """Build what this epoch needs and say where each partition is to be read from."""

    def held(self) -> set[str]:
        """Topics of which nothing is to be fetched now."""

    def opened(self, epoch: int) -> None:
        """Batches of this epoch are handed out from now on."""


class PassThrough(faust.Schema):  # type: ignore[misc] # faust has no types that hold
    """Values reach agents as the transport made them."""

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:
        return message.value

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:
        return None


class Coalescing:
    """Mixin in front of a Faust consumer. The app carries the host as `app.lockstep_host`."""

    app: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        self.epoch = 0
        self._sought = self._open_epoch = -1
        self._between = True
        self._seek_lock = asyncio.Lock()
        self._gate = asyncio.Event()
        self.handed: dict[TP, int] = {}
        super().__init__(*args, **options)

    @property
    def _host(self) -> Host:
        return self.app.lockstep_host  # type: ignore[no-any-return] # set by the runtime

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self.epoch += 1
        self._between = True
        self._gate.clear()
        await self._host.revoked()
        await super().on_partitions_revoked(revoked)  # type: ignore[misc] # the mixin stands before a consumer

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self.epoch += 1
        self._between = False
        self._gate.clear()
        await self._host.revoked()
        await super().on_partitions_assigned(assigned, generation_id)  # type: ignore[misc] # as above

    def open_gate(self) -> None:
        """Faust's rebalance has ended; hand out, if this epoch has sought or has nothing to seek."""
        nothing = not self._between and not self.assignment()  # type: ignore[attr-defined] # of the consumer behind
        if self._open_epoch != self.epoch and (self._sought == self.epoch or nothing):
            self._open_epoch = self.epoch
            self._gate.set()
            self._host.opened(self.epoch)

    async def perform_seek(self) -> None:
        """Called by Faust's recovery, and by its fetch loop whenever the flow is off; does its work once an epoch."""
        async with self._seek_lock:
            epoch = self.epoch
            assigned = set(self.assignment())  # type: ignore[attr-defined] # of the consumer behind
            if self._sought == epoch or self._between or not assigned:
                return
            committed = await self.committed_positions(assigned)
            places = await self._host.begin(assigned, committed, epoch)
            if epoch != self.epoch:
                return
            for tp, offset in places.items():
                await self.seek(tp, offset)  # type: ignore[attr-defined] # of the consumer behind
                if epoch != self.epoch:
                    return
                self.handed[tp] = offset - 1
            self._sought = epoch
            if self._host.faults.ungated:
                self._open_early(assigned)
            await asyncio.sleep(self._host.faults.after_seek_s)

    def _open_early(self, assigned: set[TP]) -> None:
        """Test only: fetch and hand out before Faust empties its queues, as its own recovery of tables does."""
        self.open_gate()
        self.app.flow_control.resume()
        self.resume_partitions(assigned)  # type: ignore[attr-defined] # of the consumer behind
        self.resume_flow()  # type: ignore[attr-defined] # of the consumer behind

    async def committed_positions(self, assigned: set[TP]) -> Mapping[TP, int]:
        """What the group committed of these partitions; those without a commit are left out."""
        raise RuntimeError("each transport reads commits its own way")

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, list[Batch]]:
        epoch = self.epoch
        if self._open_epoch != epoch:
            if not await within(timeout, self._gate):
                return {}
            epoch = self.epoch
        held = self._host.held()
        if held:
            active_partitions = {tp for tp in active_partitions or self.assignment() if tp.topic not in held}  # type: ignore[attr-defined] # of the consumer behind
            if not active_partitions:
                await asyncio.sleep(timeout)
                return {}
        fetched = await super()._getmany(active_partitions, timeout)  # type: ignore[misc] # of the consumer behind
        if epoch != self.epoch or self._open_epoch != epoch:
            return {}
        batches = {}
        for tp, records in fetched.items():
            batch = self.make_batch(tp, records)
            if batch is not None:
                batches[tp] = [replace(batch, previous=self.handed.get(tp, -1))]
                self.handed[tp] = batch.next - 1
        return batches

    def make_batch(self, tp: TP, records: Any) -> Batch | None:
        """What the consumer behind fetched, as a batch."""
        raise RuntimeError("each transport fetches its own kind of records")

    def _to_message(self, tp: TP, batch: Batch) -> ConsumerMessage:
        handed = Handed(batch, self.epoch)
        return ConsumerMessage(
            topic=tp.topic,
            partition=tp.partition,
            offset=batch.next - 1,
            timestamp=0.0,
            timestamp_type=1,
            headers=(),
            key=None,
            value=handed,
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets between batches are no gaps: nobody acknowledges single offsets here."""
