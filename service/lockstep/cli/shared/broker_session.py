"""A command that needs the broker: opened, acted upon, closed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from lockstep.cli.shared.output import fail
from lockstep.ports import Broker
from lockstep.settings import Settings

T = TypeVar("T")


def with_broker(settings: Settings, act: Callable[[Broker], Awaitable[T]], *, looks: bool = False) -> T:
    """What `act` returns of the broker that the settings name, opened for it alone.

    looks: what only looks makes no file. "0 alerts" from a file that nobody ever wrote would be a false comfort.
    """
    from lockstep.adapters import logs
    from lockstep.adapters.stream import open_broker
    from lockstep.app import utc_now

    logs.configure(settings.log_format, "warning")  # to standard error: on the other one, programs read our answer
    if looks and settings.is_sqlite:
        from lockstep.adapters.stream.sqlite import path_of

        path, _ = path_of(settings.broker)
        if not path.exists():
            fail(f"{path}: there is no such file; name the broker with --broker, or begin with `lockstep serve`")

    async def run() -> T:
        broker = open_broker(settings, clock=utc_now, patience_s=settings.broker_patience)
        await broker.start()
        try:
            return await act(broker)
        finally:
            await broker.stop()

    return asyncio.run(run())
