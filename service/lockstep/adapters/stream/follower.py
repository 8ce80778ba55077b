"""Follows public topics into a read model: one question to the broker for all of them, answered when there is news."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from lockstep.errors import LockstepError
from lockstep.ports import Batch, Broker

log = structlog.get_logger("lockstep.follow")

AT_ONCE = 500
"""Records that are taken before the event loop is given back."""
WAIT_S = 1.0
"""How long one question to the broker waits for news."""
RETRY_S = 2.0


class Follower:
    """Hands every record of some topics on, once, in the order of its partition."""

    def __init__(self, broker: Broker, topics: Mapping[str, int | None], take: Callable[[Batch], None]) -> None:
        """topics: name → how many records before its end to begin at; None: at its beginning. take: what to do with
        records; must not fail."""
        self._broker, self._topics, self._take = broker, topics, take
        self._next: dict[tuple[str, int], int] = {}
        self._turn = asyncio.Lock()
        self._readings = 0

    @property
    def has_begun(self) -> bool:
        """Whether one of the topics was there."""
        return bool(self._next)

    def next_of(self, topic: str) -> int:
        """The offset of partition 0 up to which all has been taken."""
        return self._next.get((topic, 0), 0)

    async def refresh(self) -> None:
        """Read on to the end of each topic. Raises BrokerError."""
        async with self._turn:
            await self._begin()
            for topic in {name: None for name, _ in self._next}:
                for partition, (earliest, end) in (await self._broker.bounds(topic)).items():
                    start = max(earliest, self._next.get((topic, partition), 0))
                    if start < end:
                        async for batch in self._broker.read(topic, partition, start, end):
                            await self._hand_on(batch)
                    self._next[topic, partition] = max(start, end)
            self._readings += 1

    async def read_on(self) -> None:
        """Take what is new, or wait a moment for it; where another does so already, until it has.

        Raises BrokerError.
        """
        if not self._next:
            await self.refresh()
        before = self._readings
        async with self._turn:
            if self._readings != before:
                return
            for batch in await self._broker.news(self._next, wait_s=WAIT_S):
                await self._hand_on(batch)
            self._readings += 1

    async def follow(self, what: str, *, after: Callable[[], None] = lambda: None) -> None:
        """Read on for ever. what: whose read model it is, for the log. after: called at least about once a second."""
        while True:
            try:
                await self.refresh()
                after()
                while self._next:
                    await self.read_on()
                    after()
            except LockstepError as error:
                log.warning(f"{what} stands still", reason=str(error))
            await asyncio.sleep(RETRY_S)

    async def _begin(self) -> None:
        """Where to begin in topics that were not there before."""
        known = {topic for topic, _ in self._next}
        missing = [topic for topic in self._topics if topic not in known]
        for topic in await self._broker.describe(missing) if missing else ():
            look_back = self._topics[topic]
            for partition, (earliest, end) in (await self._broker.bounds(topic)).items():
                start = earliest if look_back is None else max(earliest, end - look_back)
                self._next[topic, partition] = start

    async def _hand_on(self, batch: Batch) -> None:
        """Each part of a batch is taken whole and is then behind us: whoever waits here may be cancelled."""
        for begin in range(0, max(1, len(batch)), AT_ONCE):
            part = batch.part(begin, min(begin + AT_ONCE, len(batch)))
            self._take(part)
            self._next[batch.topic, batch.partition] = part.next
            await asyncio.sleep(0)
