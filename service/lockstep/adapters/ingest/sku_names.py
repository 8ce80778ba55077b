"""Skus of things that a sender names otherwise, learned from what else it says and kept on `lockstep.skus`.

Shopify's webhook of a stock level names an inventory item and no sku; which sku that is, its products say. Each door
reads the topic on before it asks, so that all workers name a thing alike, also after a restart.
"""

import asyncio
from collections.abc import Mapping

import structlog

from lockstep.ports import Broker, Record

log = structlog.get_logger("lockstep.http")

TOPIC = "lockstep.skus"
"""One partition, compacted. Key: what the sender calls it, `shopify/inventory_items/4401`; value: its sku."""
MOST_NAMES = 200_000
"""Names that are kept; what is beyond keeps the sender's own."""


class SkuNames:
    """What is known of them. topic: another one for tests on a broker that they share."""

    def __init__(self, broker: Broker, *, topic: str = TOPIC, most: int = MOST_NAMES) -> None:
        self._broker, self._topic, self._most = broker, topic, most
        self._skus: dict[str, str] = {}
        self._next = 0
        self._reading = asyncio.Lock()

    async def known(self) -> Mapping[str, str]:
        """Name → sku, read on to the end of the topic. Raises BrokerError."""
        async with self._reading:
            if await self._broker.describe([self._topic]):
                earliest, end = (await self._broker.bounds(self._topic))[0]
                start = max(self._next, earliest)
                if start < end:
                    async for batch in self._broker.read(self._topic, 0, start, end):
                        for key, sku in zip(batch.keys, batch.values, strict=True):
                            self._take(key, sku)
                self._next = end
        return self._skus

    async def learn(self, skus: Mapping[str, str]) -> None:
        """Publish those that are new or different. Raises BrokerError: then none of them is known to be kept."""
        if not skus:
            return
        known = await self.known()
        records = [
            Record(self._topic, sku.encode(), name.encode())
            for name, sku in skus.items()
            if known.get(name) != sku and (name in known or len(known) < self._most)
        ]
        if records:
            await self._broker.publish(records)

    def _take(self, key: bytes | None, sku: bytes | None) -> None:
        if key is None or sku is None:
            return
        name = key.decode(errors="replace")
        if name not in self._skus and len(self._skus) >= self._most:
            return
        self._skus[name] = sku.decode(errors="replace")
        if len(self._skus) == self._most:
            log.warning("no more skus are learned; others keep their sender's number", most=self._most)
