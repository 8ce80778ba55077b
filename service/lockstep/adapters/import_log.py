"""What `lockstep.imports` holds: whether an import of a role goes on, and whether all of it has been judged."""

from collections.abc import Iterator, Sequence

import msgspec
import structlog

from lockstep.event.imports import IMPORTED, ROLES, TOPIC, Mark, mark_of
from lockstep.measure.sample import FORMAT, Frame, decode
from lockstep.ports import Broker

log = structlog.get_logger("lockstep")

FIRST_LOOK, FURTHEST_LOOK = 64, 16_384
"""Records of the samples from their end. While events of an import are there, they are spoken of once a second."""


class ImportLog:
    """The imports of a broker. samples: name of the topic of samples."""

    def __init__(self, broker: Broker, samples: str) -> None:
        self._broker, self._samples = broker, samples
        self._held: set[str] = set()
        self._is_there = False

    async def holds_up(self, role: str) -> bool:
        """Whether the role's own topic has to wait: an import of it goes on, or the judges have not heard all of it."""
        end = await self.end_of(role)
        holds = False
        if end is not None:
            mark = await self.last_mark(role)
            holds = mark is None or not mark.has_ended or await self.told_to(role) < end - 1
        if holds and role not in self._held:
            log.info("live events wait until an import has been read; `lockstep import --end` ends one", role=role)
            self._held.add(role)
        elif not holds and role in self._held:
            log.info("the import has been read; live events go on", role=role)
            self._held.discard(role)
        return holds

    async def end_of(self, role: str) -> int | None:
        """The end of what was imported of a role; None where nothing was, or retention has taken it all."""
        self._is_there = self._is_there or bool(await self._broker.describe([TOPIC]))
        if not self._is_there:
            return None
        earliest, end = (await self._broker.bounds(TOPIC))[ROLES.index(role)]
        return end if earliest < end else None

    async def last_mark(self, role: str) -> Mark | None:
        """The mark that is the last record of a role's import; None where that is an event, or there is no record."""
        end = await self.end_of(role)
        mark = None
        if end is not None:
            async for batch in self._broker.read(TOPIC, ROLES.index(role), end - 1, end):
                mark = mark_of(batch.values[-1])
        return mark

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


def _frames(values: Sequence[bytes | None]) -> Iterator[Frame]:
    for value in values:
        try:
            frame = decode(value or b"")
        except msgspec.MsgspecError:
            continue  # the judge says what is wrong with it
        if frame.format == FORMAT:
            yield frame
