"""Deliveries that were given up, and how one is sent once more: the same delivery, with its id, on its topic again.

A replay is no new delivery: programs know by `webhook-id` that they have seen it, mail clients by its Message-ID. It is
tried for as long as it was worth trying at first, and is on the audit topic with who asked for it.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from lockstep.adapters.command_door import audit_record
from lockstep.deliver import DEAD_DELIVERIES, FORMAT, OF_SOME
from lockstep.labels import partition_of
from lockstep.notify.pipeline.outbox import DELIVERIES
from lockstep.ports import Broker, Record
from lockstep.response.command import ReplayDelivery

LOOKED_BACK = 20_000
"""Records of each partition, from its end, that are looked at."""
MOST_REPLAYED = 1_000
"""Deliveries of one command."""
_AS_DECIDED = ("id", "destination", "rule", "state", "alerts", "episodes", "body")

Dead = Mapping[str, Any]
"""A record of `lockstep.dead-deliveries`."""


class DeadDeliveries:
    """Reads what was given up, and publishes it again."""

    def __init__(self, broker: Broker, *, looked_back: int = LOOKED_BACK) -> None:
        self._broker, self._looked_back = broker, looked_back

    async def all(self) -> list[Dead]:
        """Those that were given up and not replayed since, oldest first. Raises BrokerError."""
        dead: dict[str, Dead] = {}
        async for row, _ in self._rows(DEAD_DELIVERIES):
            dead.pop(row["id"], None)
            dead[row["id"]] = row
        given_up_ms = {number: row["given_up_at"] * 1000 for number, row in dead.items()}
        if dead:
            async for row, at_ms in self._rows(DELIVERIES):
                if at_ms > given_up_ms.get(row["id"], at_ms):
                    dead.pop(row["id"], None)
        return list(dead.values())

    async def replay(self, dead: Sequence[Dead], deed: Callable[[Dead], ReplayDelivery]) -> list[ReplayDelivery]:
        """Put deliveries on their topic once more, each with its deed on the audit topic, all of it or nothing.

        deed: who asks for it, of each. Raises BrokerError.
        """
        partitions = len(await self._broker.bounds(DELIVERIES))
        deeds, records = [], []
        for row in dead[:MOST_REPLAYED]:
            done = deed(row)
            deeds.append(done)
            key = row["destination"]["id"]
            value = {"format": FORMAT, **{name: row[name] for name in _AS_DECIDED}}
            value |= {name: row[name] for name in OF_SOME if row.get(name) is not None}
            partition = partition_of((key,), partitions)
            records.append(Record(DELIVERIES, msgspec.json.encode(value), key.encode(), partition))
            records.append(audit_record(done, f"{done.by} had a delivery to {done.receiver} sent once more"))
        if records:
            await self._broker.publish(records)
        return deeds

    async def _rows(self, topic: str) -> AsyncIterator[tuple[dict[str, Any], int]]:
        """(what a record says, when the broker got it in Unix milliseconds)"""
        if not await self._broker.describe([topic]):
            return
        for partition, (earliest, end) in (await self._broker.bounds(topic)).items():
            async for batch in self._broker.read(topic, partition, max(earliest, end - self._looked_back), end):
                for value, at_ms in zip(batch.values, batch.timestamps_ms, strict=True):
                    try:
                        row = msgspec.json.decode(value or b"")
                        if topic == DELIVERIES or {"given_up_at", *_AS_DECIDED} <= row.keys():
                            yield row, at_ms
                    except (msgspec.MsgspecError, AttributeError):
                        continue  # deliver says what is wrong with it


def to_destination(dead: Collection[Dead], name: str) -> list[Dead]:
    """Those of a receiver, or of one address of its. name: as routing.yml has it, or as messages name the address."""
    return [row for row in dead if name in (row["destination"].get("receiver"), row["destination"].get("target"))]
