"""Publishes what became of the attempts of this worker, some at a time; no delivery waits for it."""

import asyncio
from collections import deque

import msgspec
import structlog

from lockstep.errors import LockstepError
from lockstep.ports import Broker, Record
from lockstep.response.attempt import ATTEMPTS, Attempt

log = structlog.get_logger("lockstep.deliver")

MOST_WAITING = 20_000
"""Attempts that are kept while the broker is away; of more the oldest are left out."""
AT_ONCE = 500
GATHERS_S = 0.1
"""How long attempts are gathered: many end at once."""
RETRY_S = 2.0


class AttemptLog:
    """note: called with each attempt. keep: publishes them for ever."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._waiting: deque[Attempt] = deque(maxlen=MOST_WAITING)
        self._news = asyncio.Event()

    def note(self, attempt: Attempt) -> None:
        """An attempt has ended."""
        self._waiting.append(attempt)
        self._news.set()

    async def keep(self) -> None:
        """Publish for ever."""
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHERS_S)
            try:
                await self.flush()
            except LockstepError as error:
                log.warning("attempts could not be noted", reason=str(error), waiting=len(self._waiting))
                await asyncio.sleep(RETRY_S)

    async def flush(self) -> None:
        """Publish what waits. Raises BrokerError: then it waits on."""
        self._news.clear()
        while self._waiting:
            some = [self._waiting[i] for i in range(min(AT_ONCE, len(self._waiting)))]
            try:
                records = [
                    Record(ATTEMPTS, msgspec.json.encode(attempt), attempt.delivery_id.encode(), 0) for attempt in some
                ]
                await self._broker.publish(records)
            except LockstepError:
                self._news.set()
                raise
            for attempt in some:  # not what was left out at the other end meanwhile
                if self._waiting and self._waiting[0] is attempt:
                    self._waiting.popleft()
