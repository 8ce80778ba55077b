"""The Faust app as Lockstep uses it: groups, agents and fetching; no tables, and transports of our own."""

from collections.abc import Callable
from typing import Any

import faust
from faust.tables import TableManager

from lockstep.adapters.stream.consumer import Coalescing


class NoTables(TableManager):  # type: ignore[misc] # faust has no types that hold
    """Faust waits a second for tables to be registered; there are none."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class FaustApp(faust.App):  # type: ignore[misc] # faust has no types that hold
    """Opens the gate when Faust's rebalance has ended: after its seek, after it cleared its agents' queues."""

    make_transport: Callable[[Any], Any]

    def _new_transport(self) -> Any:
        return self.make_transport(self.conf.broker_consumer)

    def _new_producer_transport(self) -> Any:
        return self.make_transport(self.conf.broker_producer)

    def _create_directories(self) -> None:
        """Faust's tables would live there; we have none, and leave no folder where we are started."""

    def on_rebalance_end(self) -> None:
        super().on_rebalance_end()
        consumer: Coalescing = self.consumer
        consumer.open_gate()
