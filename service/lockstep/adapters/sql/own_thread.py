"""A thread for one database: what blocks there blocks nobody else, and never keeps a process from ending."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class OwnThread:
    """Does one job after the other. A job that hangs holds up those behind it, which can be given up meanwhile."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        # A daemon, as the interpreter would wait for others at its end.
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def run(self, job: Callable[[], T]) -> T:
        """What a job returns, or raises. One that has not begun when the caller is cancelled is left out."""
        future: Future[T] = Future()
        self._jobs.put((job, future))
        return await asyncio.wrap_future(future)

    def later(self, job: Callable[[], object]) -> None:
        """Have a job done that nobody waits for."""
        self._jobs.put((job, Future()))

    def close(self) -> None:
        """End when all jobs are done."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (taken := self._jobs.get()) is not None:
            job, future = taken
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = job()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
