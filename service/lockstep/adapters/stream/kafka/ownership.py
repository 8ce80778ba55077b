"""An owned partition on Kafka: a producer whose transactional id is the stage and the partition, and its state.

Opening the producer makes the broker end or abort what a former owner left open, and refuse that owner from then on. So
recovery opens the producer first and reads the state second, and each cut is one transaction of records, entries and
positions.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from lockstep.adapters.stream.kafka.producer import CLOSE_S, FENCED, close_producer
from lockstep.errors import BrokerError, Fenced, StateError
from lockstep.ports import Batch, Cut, Positions, Record, state_topic
from lockstep.settings import Settings

FORMAT = 1
POSITION = b"__position"
"""Key of the record that says, with each cut, which input the state has reached."""
TRANSACTION_S = 60.0
"""A transaction left open is aborted by the broker after this, if no next owner did it earlier."""


class TransactionBroker(Protocol):
    """What an owned partition asks of its broker."""

    settings: Settings
    inside_cut_s: float

    async def open_producer(self, **options: Any) -> AIOKafkaProducer: ...
    async def ends(self, tps: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]: ...
    def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Batch]: ...
    async def placed(self, records: Sequence[Record]) -> list[tuple[Record, int]]: ...
    async def send(self, producer: AIOKafkaProducer, placed: Sequence[tuple[Record, int]]) -> list[tuple[int, int]]: ...


class KafkaOwnership:
    """ports.Ownership: a transactional producer, and one partition of the compacted topic lockstep.<stage>-state."""

    def __init__(self, broker: TransactionBroker, stage: str, partition: int) -> None:
        self._broker = broker
        self._stage, self._partition = stage, partition
        self._topic = state_topic(stage)
        self._producer: AIOKafkaProducer | None = None
        self._sending = self._fenced = False

    async def recover(self) -> tuple[Positions, Mapping[bytes, bytes]]:
        broker = self._broker
        # First the producer: what is read afterwards is all that a former owner will ever have written.
        self._producer = await broker.open_producer(
            transactional_id=f"{broker.settings.app_id}-{self._stage}-{self._partition}",
            transaction_timeout_ms=round(TRANSACTION_S * 1000),
        )
        try:
            entries = await self._read_state()
        except BaseException:  # an assignment that ended meanwhile cancels us; nobody else would close it
            await self.close()
            raise
        return _positions(self._topic, entries.pop(POSITION, None)), entries

    async def _read_state(self) -> dict[bytes, bytes]:
        entries: dict[bytes, bytes] = {}
        end = (await self._broker.ends([(self._topic, self._partition)]))[self._topic, self._partition]
        async for batch in self._broker.read(self._topic, self._partition, 0, end):
            for key, value in zip(batch.keys, batch.values, strict=True):
                if key is None:
                    continue
                if value is None:
                    entries.pop(key, None)
                else:
                    entries[key] = value
        return entries

    async def cut(self, cut: Cut, positions: Positions) -> None:
        broker, producer = self._broker, self._producer
        if producer is None:
            raise RuntimeError("recover comes before the first cut")
        if self._fenced:
            raise Fenced(f"{self._stage} {self._partition}: another worker owns it now")
        rows = [[topic, p, n] for (topic, p), n in positions.items()]
        state = {**cut.entries, POSITION: json.dumps({"format": FORMAT, "positions": rows}).encode()}
        records = [*cut.records, *(Record(self._topic, v, key=k, partition=self._partition) for k, v in state.items())]
        placed = await broker.placed(records)
        try:
            await producer.begin_transaction()
            self._sending = True
            await broker.send(producer, placed)
            await asyncio.sleep(broker.inside_cut_s)
            self._sending = False
            await producer.commit_transaction()
        except (*FENCED, Fenced) as error:
            self._fenced = True
            raise Fenced(f"{self._stage} {self._partition}: another worker owns it now") from error
        except BrokerError:
            await self._abort()
            raise
        except (KafkaError, AssertionError) as error:
            # The client asserts its states: after a failure it takes no further transaction.
            raise BrokerError(f"{self._stage} {self._partition}: the cut failed: {error!r}", retryable=False) from error

    async def _abort(self) -> None:
        """So that readers of our topics need not wait until the broker gives the transaction up."""
        if self._producer is not None and self._sending and not self._fenced:
            self._sending = False
            with contextlib.suppress(KafkaError, AssertionError, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._producer.abort_transaction()

    async def close(self) -> None:
        await self._abort()
        producer, self._producer = self._producer, None
        if producer is not None:
            await close_producer(producer)


def _positions(topic: str, value: bytes | None) -> Positions:
    if value is None:
        return {}
    row = json.loads(value)
    if row["format"] != FORMAT:
        raise StateError(
            f"{topic}: its position has format {row['format']}, this program knows {FORMAT}; use the one that wrote it"
        )
    return {(name, partition): offset for name, partition, offset in row["positions"]}
