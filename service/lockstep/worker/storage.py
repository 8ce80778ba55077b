"""Looking after what the broker keeps: its file, and what is older than its retention. Kafka does both itself."""

import asyncio
from collections.abc import Callable

import structlog

from lockstep.adapters.stream import WorkerBroker
from lockstep.errors import BrokerError

log = structlog.get_logger("lockstep")

HOUSEKEEPING_S = 60.0
FILE_POLL_S = 1.0


async def watch_file(broker: WorkerBroker, on_fatal: Callable[[str], None]) -> None:
    """Give up when the embedded broker's file is not the one at its path any more."""
    while True:
        await asyncio.sleep(FILE_POLL_S)
        try:
            broker.verify()
        except BrokerError as error:
            log.error("this worker gives up", reason=str(error))
            on_fatal(str(error))
            return


async def keep_retention(broker: WorkerBroker) -> None:
    """Remove what is older than its retention, for ever."""
    while True:
        try:
            await broker.retain()
        except BrokerError as error:
            log.warning("retention did not run", reason=str(error))
        await asyncio.sleep(HOUSEKEEPING_S)
