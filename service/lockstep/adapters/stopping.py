"""Stopping: every step has a bound, all of them together have one, and what was left undone is said.

Nothing is lost by a step that was left undone: the next start goes on from what is durable. But a supervisor waits, and
libraries that have lost their broker may not end at all, or block the event loop while they try.
"""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

log = structlog.get_logger("lockstep.stopping")

LIMIT_S = 18.0
"""All steps together."""
LAST_RESORT_S = 19.5
"""Then the process ends, whatever holds it."""
EXIT_UNDONE = 75
"""Stopped as asked, with something left undone."""
SAY_S = 1.0


class Stopping:
    """One stop, step by step.

    undone: what could not be brought to an end, in words. hangs: whether something of it may still be running.
    current: the step that is being taken.
    """

    def __init__(self, *, limit_s: float = LIMIT_S, begins: Callable[[], None] | None = None) -> None:
        """begins: called at the first step."""
        self.undone: list[str] = []
        self.hangs = False
        self.current = ""
        self._limit_s, self._begins = limit_s, begins
        self._end: float | None = None

    def left_s(self) -> float:
        """How much of the limit is left; it runs from the first call."""
        now = asyncio.get_running_loop().time()
        if self._end is None:
            self._end = now + self._limit_s
            if self._begins is not None:
                self._begins()
        return max(0.0, self._end - now)

    async def step(self, what: str, body: Callable[[], Awaitable[Any]], *, at_most_s: float) -> None:
        """Do one step, for at most so long and no longer than is left of the limit.

        what: its name, for what is said of a step that was not done in time. body: what is to be done; where it raises,
        it is left undone.
        """
        self.current = what
        seconds = min(at_most_s, self.left_s())
        task = asyncio.ensure_future(body())
        task.add_done_callback(lambda t: t.cancelled() or t.exception())  # retrieved, also when it ends later
        try:
            await asyncio.wait([task], timeout=seconds)
        finally:
            if not task.done():
                task.cancel()  # not waited for: it may be what does not end
        if not task.done():
            self.hangs = True
            self.leave(f"{what}: no end in {seconds:.1f} s")
        elif task.cancelled():
            self.leave(f"{what}: cancelled")
        elif (error := task.exception()) is not None:
            self.leave(f"{what}: {error!r}")

    def leave(self, what: str) -> None:
        """Note something that is left undone."""
        self.undone.append(what)


class LastResort:
    """Ends the process that did not end by itself. A thread, because the event loop may be what is held up."""

    def __init__(self, stopping: Callable[[], Stopping | None], *, limit_s: float = LAST_RESORT_S) -> None:
        self._stopping, self._limit_s = stopping, limit_s
        self._timer: threading.Timer | None = None

    def arm(self) -> None:
        """From now on the process has `limit_s`; calling again changes nothing."""
        if self._timer is None:
            self._timer = threading.Timer(self._limit_s, self.leave, ["no end in time"])
            self._timer.daemon = True
            self._timer.start()

    def leave(self, reason: str) -> None:
        """End now, without another word to anybody."""
        stopping = self._stopping()
        undone = [] if stopping is None else [*stopping.undone, stopping.current or "stopping"]
        # Whoever is held up may hold the log, too.
        saying = threading.Thread(
            target=lambda: log.error("stopped by force", reason=reason, undone="; ".join(undone)), daemon=True
        )
        saying.start()
        saying.join(SAY_S)
        self.end(EXIT_UNDONE)

    def end(self, code: int) -> None:
        """End now: what hangs is not waited for."""
        os._exit(code)
