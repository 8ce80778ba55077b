"""`lockstep demo`, and the service that it watches."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import typer

from lockstep.cli.shared.arguments import moment
from lockstep.cli.shared.output import fail
from lockstep.cli.shared.process import TERMINATED, collect_rarely


def demo(
    speed: Annotated[float, typer.Option(help="Seconds that the shown days take")] = 4.0,
) -> None:
    """Replay weeks of a real shop: alerts, a report, and a campaign that is answered."""
    from lockstep.tools.demo.run import run_demo

    async def run() -> int:
        # Its service is a process of its own, and is ended before it, as after Ctrl-C.
        whole = asyncio.current_task()
        assert whole is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, whole.cancel)
        return await run_demo(seconds=speed)

    try:
        raise SystemExit(asyncio.run(run()))
    except asyncio.CancelledError:
        raise SystemExit(TERMINATED) from None


class SetClock:
    """A clock that is set, and goes on from there as fast as any other."""

    def __init__(self, at: datetime, present: Callable[[], datetime]) -> None:
        self._present = present
        self.set(at)

    def set(self, at: datetime) -> None:
        self._ahead = at - self._present()

    def __call__(self) -> datetime:
        return self._present() + self._ahead


def demo_service(at: Annotated[str, typer.Argument(help="What the clock shows at the start")]) -> None:
    """Run `lockstep serve` in the days of the demo's shop, by a clock that standard input sets: an instant a line."""
    collect_rarely()
    import structlog

    from lockstep.adapters import logs
    from lockstep.app import serve, utc_now
    from lockstep.settings import load_settings

    settings = load_settings()
    logs.configure(settings.log_format, settings.log_level)
    begins = moment(at, "AT")
    if begins is None:
        fail("the demo's service needs the instant at which its clock begins")
    clock = SetClock(begins, utc_now)
    asked = sys.stdin.fileno()

    def read() -> None:
        # A line is short and written at once, so it is never read in parts.
        lines = os.read(asked, 4096).decode().split()
        if not lines:  # whoever set the clock has gone
            asyncio.get_running_loop().remove_reader(asked)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        clock.set(datetime.fromisoformat(lines[-1]))
        structlog.get_logger("lockstep").info("the clock is set", to=lines[-1])

    async def run() -> int:
        asyncio.get_running_loop().add_reader(asked, read)
        return await serve(settings, clock=clock)

    raise SystemExit(asyncio.run(run()))
