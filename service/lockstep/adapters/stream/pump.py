"""A pump: publishes what has been made of a lane's input, soon after it came and not too often."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from lockstep.adapters.stream.consumer import within

GATHERS = 3
"""What comes is gathered for so many times as long as the last step took, so that steps take a quarter of the time."""
LEAST_S = 0.025
"""But a step is not followed by the next one any sooner: each costs all stages behind it something, too."""


NEVER_S = 1e9


class PumpHost(Protocol):
    """What a pump asks of the runtime that it belongs to."""

    failed: bool

    def loop_time(self) -> float: ...


def _never() -> bool:
    return False


class Pump:
    """Steps when it is woken, and every `idle_s` in any case.

    At once where the last step that had something to do is long ago; else what comes meanwhile is gathered: for
    GATHERS times as long as that step took, from LEAST_S after its beginning on, up to `interval_s` after it.

    wake: set when there is something to do. closing: set for one last step. task: while it runs. stepped_at: loop time
    at which the last step began that had something to do, or this pump was made.
    """

    def __init__(
        self,
        host: PumpHost,
        step: Callable[[], Awaitable[bool]],
        *,
        interval_s: float,
        idle_s: float,
        can_wait: Callable[[], bool] = _never,
        asks_every_s: float = NEVER_S,
    ) -> None:
        """step: publishes what there is and says whether there was anything. can_wait: whether nobody misses that;
        while it is so, asked again every `asks_every_s`."""
        self._host, self._step, self._can_wait = host, step, can_wait
        self._interval_s, self._idle_s, self._asks_every_s = interval_s, idle_s, min(asks_every_s, idle_s)
        self.wake = asyncio.Event()
        self.closing = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.stepped_at = host.loop_time()

    def close(self) -> None:
        """Have it end with a last step."""
        self.closing.set()
        self.wake.set()

    async def run(self) -> None:
        """A step is never cut short: what a stage handed over and nobody published would be lost."""
        gathers_s, idle_s = 0.0, self._idle_s
        while True:
            await within(idle_s, self.wake)
            if self._can_wait() and not self.closing.is_set():
                self.wake.clear()
                idle_s = self._asks_every_s
                continue
            idle_s = self._idle_s
            wait_s = self.stepped_at + gathers_s - self._host.loop_time()
            if wait_s > 0:
                await within(wait_s, self.closing)
            self.wake.clear()
            closing = self.closing.is_set()
            began = self._host.loop_time()
            if self._host.failed:  # a stage that broke in the middle of a batch has folded half of it
                return
            if await self._step():
                self.stepped_at = began
                gathers_s = max(LEAST_S, (1 + GATHERS) * (self._host.loop_time() - began))
                gathers_s = min(self._interval_s, gathers_s)
            if closing:
                return
