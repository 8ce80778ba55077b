"""What `lockstep.imports` holds: whether an import of a role goes on, and whether all of it has been judged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import structlog

from lockstep.event.imports import IMPORTED, ROLES, TOPIC, Mark, MarkKind, OpenImport, Standing, mark_of, mark_record
from lockstep.measure.sample import FORMAT, Frame, decode
from lockstep.ports import Broker
from lockstep.text.rfc3339 import SECOND

log = structlog.get_logger("lockstep")

FIRST_LOOK, FURTHEST_LOOK = 64, 16_384
"""Records of the samples from their end. While events of an import are there, they are spoken of once a second."""


class _Timed(msgspec.Struct):
    time: datetime


_TIMED = msgspec.json.Decoder(_Timed)


@dataclass(frozen=True, slots=True)
class ImportState:
    """How the imports of a role stand.

    end: offset after the last record. ended_at: offset of the mark of the last import's end, None where one goes on or
    there was none. written_at: when the broker got what was imported last. reached: the time of the last event, where
    there is one behind the last mark.
    """

    end: int
    standing: Standing
    ended_at: int | None
    written_at: datetime
    reached: datetime | None


class ImportLog:
    """The imports of a broker. samples: name of the topic of samples. clock: for the times of marks."""

    def __init__(self, broker: Broker, samples: str, *, clock: Callable[[], datetime]) -> None:
        self._broker, self._samples, self._clock = broker, samples, clock
        self._held: set[str] = set()
        self._is_there = False
        self._served: set[str] = set()
        self._searched: dict[str, int] = {}

    # ---- what a worker asks ----------------------------------------------------------------------------------------

    async def holds_up(self, role: str) -> bool:
        """Whether the role's own topic has to wait: an import of it goes on, or the judges have not heard all of it."""
        state = await self.state(role)
        holds = state is not None and state.standing.is_open
        if state is not None and state.ended_at is not None:
            holds = await self.told_to(role) < state.ended_at
        if holds and role not in self._held:
            log.info(
                "live events wait until an import has been read; `lockstep import --status` says how it stands",
                role=role,
            )
            self._held.add(role)
        elif not holds and role in self._held:
            log.info("the import has been read; live events go on", role=role)
            self._held.discard(role)
        return holds

    async def goes_live(self, role: str) -> bool:
        """Say that a service is about to judge the role's own events; whether it may, or has to wait.

        Asked when the first of them is there. Who asks for an import later than this is said is refused.
        """
        while not await self.holds_up(role):
            state = await self.state(role)
            if not self._is_there or (state is not None and state.standing.is_served):
                return True
            await self._say_served(role)
        return False

    async def note_reader(self, role: str) -> int:
        """Say that a service is about to judge imported events of the role: when they end, no other import begins.

        Returns from which offset on end marks count: those before were followed by another import.
        """
        state = await self.state(role)
        if state is not None and not state.standing.is_served and await self.told_to(role) < 0:
            await self._say_served(role)
            state = await self.state(role)
        if state is None:
            return 0
        return state.end if state.ended_at is None else state.ended_at

    async def _say_served(self, role: str) -> None:
        now_us = round(self._clock().timestamp() * SECOND)
        await self._broker.publish([mark_record(role, Mark(MarkKind.SERVED, now_us))])

    # ---- how it stands ---------------------------------------------------------------------------------------------

    async def end_of(self, role: str) -> int | None:
        """The end of what was imported of a role; None where nothing was, or retention has taken it all."""
        bounds = await self._bounds(role)
        return None if bounds is None else bounds[1]

    async def _bounds(self, role: str) -> tuple[int, int] | None:
        self._is_there = self._is_there or bool(await self._broker.describe([TOPIC]))
        if not self._is_there:
            return None
        earliest, end = (await self._broker.bounds(TOPIC))[ROLES.index(role)]
        return (earliest, end) if earliest < end else None

    async def state(self, role: str) -> ImportState | None:
        """How the imports of a role stand; None where there is no record, or retention has taken them all."""
        bounds = await self._bounds(role)
        if bounds is None:
            return None
        earliest, end = bounds
        marks: list[tuple[int, int, Mark]] = []  # (offset, when the broker got it, mark) behind the last event
        written_ms, event = 0, None
        start, reach = end, FIRST_LOOK
        while event is None and start > earliest:
            upto, start = start, max(earliest, end - reach)
            here: list[tuple[int, int, Mark]] = []
            async for batch in self._broker.read(TOPIC, ROLES.index(role), start, upto):
                for offset, at_ms, value in zip(batch.offsets, batch.timestamps_ms, batch.values, strict=True):
                    mark = mark_of(value)
                    if mark is None:
                        event, written_ms = value or b"", at_ms
                        here = []
                    else:
                        here.append((offset, at_ms, mark))
            marks = [*here, *marks]
            reach *= 4
        standing = self._standing(role, event, marks)
        if _is_only_asked(standing, marks) and await self._is_served(role, earliest, marks[0][0]):
            standing = self._standing(role, event, marks)
        if standing.is_served:
            self._served.add(role)
        written_ms = max([written_ms, *(at_ms for _, at_ms, mark in marks if mark.kind is not MarkKind.SERVED)])
        ended_at = max((offset for offset, _, mark in marks if mark.kind is MarkKind.ENDED), default=None)
        return ImportState(
            end=end,
            standing=standing,
            ended_at=None if standing.is_open else ended_at,
            written_at=datetime.fromtimestamp(written_ms / 1_000, UTC),
            reached=None if event is None else _time_of(event),
        )

    def _standing(self, role: str, event: bytes | None, marks: Sequence[tuple[int, int, Mark]]) -> Standing:
        standing = Standing(is_served=role in self._served)
        for record in [*([] if event is None else [None]), *(mark for _, _, mark in marks)]:
            standing = standing.after(record)
        return standing

    async def _is_served(self, role: str, start: int, end: int) -> bool:
        """Whether a service has said before an offset that it reads the role; noted where it has."""
        start = max(start, self._searched.get(role, 0))
        async for batch in self._broker.read(TOPIC, ROLES.index(role), start, end):
            for mark in map(mark_of, batch.values):
                if mark is not None and mark.kind is MarkKind.SERVED:
                    self._served.add(role)
                    return True
        self._searched[role] = end
        return False

    async def open_imports(self, topics: Mapping[str, str]) -> list[OpenImport]:
        """Those that have not ended. topics: role → topic."""
        imports = []
        for role, topic in topics.items():
            state = await self.state(role)
            if state is not None and state.standing.is_open:
                imports.append(OpenImport(role, topic, await self.waiting(topic), state.written_at, state.reached))
        return imports

    async def waiting(self, topic: str) -> int:
        """How many events of an input topic wait while an import of its role goes on: none was judged before."""
        if not await self._broker.describe([topic]):
            return 0
        return sum(end - earliest for earliest, end in (await self._broker.bounds(topic)).values())

    # ---- what has been judged --------------------------------------------------------------------------------------

    async def told_to(self, role: str) -> int:
        """The last offset of a role's import up to which every samples partition has been told; -1: none."""
        if not await self._broker.describe([self._samples]):
            return -1
        bounds = await self._broker.bounds(self._samples)
        offsets = [await self._told_in(partition, role, *bounds[partition]) for partition in bounds]
        return min(offsets, default=-1)

    async def _told_in(self, partition: int, role: str, earliest: int, end: int) -> int:
        seen_from, reach = end, FIRST_LOOK
        while seen_from > earliest and reach <= FURTHEST_LOOK:
            start = max(earliest, end - reach)
            offset = -1
            async for batch in self._broker.read(self._samples, partition, start, seen_from):
                for frame in _frames(batch.values):
                    if (frame.role, frame.partition) == (role, IMPORTED) and frame.progress is not None:
                        offset = max(offset, frame.upto)
            if offset >= 0:
                return offset
            seen_from, reach = start, reach * 4
        return -1

    async def is_live(self, role: str) -> bool:
        """Whether the service has told of events of the role's own topic: then its event time is theirs."""
        if not await self._broker.describe([self._samples]):
            return False
        earliest, end = (await self._broker.bounds(self._samples))[0]
        async for batch in self._broker.read(self._samples, 0, max(earliest, end - FURTHEST_LOOK), end):
            for frame in _frames(batch.values):
                is_own = frame.role == role and frame.partition != IMPORTED
                if is_own and frame.progress is not None and frame.progress.newest is not None:
                    return True
        return False


class LiveGate:
    """The gate of a role's own topic: its first batch waits for what is imported of the role."""

    def __init__(self, imports: ImportLog, role: str) -> None:
        self._imports, self._role = imports, role

    async def is_shut(self) -> bool:
        return await self._imports.holds_up(self._role)

    async def opens(self, partition: int) -> bool:
        return await self._imports.goes_live(self._role)


class ImportGate:
    """The gate of `lockstep.imports`: never shut, but it is said that somebody reads what was imported.

    ends_from: called with (partition, offset from which on end marks count) before anything is fed.
    """

    def __init__(self, imports: ImportLog, ends_from: Callable[[int, int], None]) -> None:
        self._imports, self._ends_from = imports, ends_from

    async def is_shut(self) -> bool:
        return False

    async def opens(self, partition: int) -> bool:
        self._ends_from(partition, await self._imports.note_reader(ROLES[partition]))
        return True


def _is_only_asked(standing: Standing, marks: Sequence[tuple[int, int, Mark]]) -> bool:
    """Whether an import is open only because it was asked for, after one that ended: perhaps too late."""
    return standing.is_open and not standing.has_begun and marks[0][2].kind is not MarkKind.ASKED


def _time_of(event: bytes) -> datetime | None:
    try:
        return _TIMED.decode(event).time
    except msgspec.MsgspecError:
        return None


def _frames(values: Sequence[bytes | None]) -> Iterator[Frame]:
    for value in values:
        try:
            frame = decode(value or b"")
        except msgspec.MsgspecError:
            continue  # the judge says what is wrong with it
        if frame.format == FORMAT:
            yield frame
