"""Producers of the Kafka client: a batch is queued, a failure is told in our words, the end has a bound."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka_errors
from aiokafka.errors import KafkaError

from lockstep.adapters.stream.kafka.connection import FORBIDDEN
from lockstep.errors import BrokerError, Fenced
from lockstep.ports import Record

log = structlog.get_logger("lockstep.kafka")

CLOSE_S = 2.0

FENCED = (kafka_errors.ProducerFenced, kafka_errors.InvalidProducerEpoch, kafka_errors.InvalidProducerIdMapping)
OUT_OF_ORDER = kafka_errors.OutOfOrderSequenceNumber
"""A record before it in its partition was refused: the broker takes none that follows it."""
TOO_LARGE = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)


async def submit(producer: AIOKafkaProducer, builder: Any, tp: tuple[str, int]) -> "asyncio.Future[Any]":
    """Queue a batch. The queue is full while the broker is away; then this waits, as long as that takes."""
    while True:
        try:
            future: asyncio.Future[Any] = await producer.send_batch(builder, tp[0], partition=tp[1])
        except kafka_errors.KafkaTimeoutError:
            continue
        future.add_done_callback(_read)
        return future


def _read(future: "asyncio.Future[Any]") -> None:
    """Take note of a failure, so that asyncio does not log it when the future is collected: it is told elsewhere."""
    if future.done() and not future.cancelled():
        future.exception()


def unsent(topic: str, records: Sequence[Record], error: BaseException) -> BrokerError:
    """The error of ours for records that could not be written. records: those of the batch, where they are known."""
    if isinstance(error, FENCED):
        return Fenced("another worker owns this partition now")
    if isinstance(error, TOO_LARGE):
        size = max(len(r.value or b"") + len(r.key or b"") for r in records)
        return BrokerError(
            f"topic '{topic}' refuses a record of {size} bytes; raise its max.message.bytes "
            f"(kafka-configs --alter --topic {topic} --add-config max.message.bytes={2 * size})",
            retryable=False,
        )
    if isinstance(error, FORBIDDEN):
        return BrokerError(f"Kafka does not allow writing to '{topic}'; give this user the right", retryable=False)
    return BrokerError(f"writing to '{topic}' failed: {error!r}", retryable=bool(getattr(error, "retriable", False)))


async def close_producer(producer: AIOKafkaProducer) -> None:
    """Stop, but not for longer than CLOSE_S: a producer waits for ever for a broker that is away."""
    task = asyncio.create_task(producer.stop())
    done, _ = await asyncio.wait([task], timeout=CLOSE_S)
    if not done:
        task.cancel()
        await asyncio.wait([task], timeout=CLOSE_S)
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await producer.client.close()
    elif not task.cancelled() and isinstance(task.exception(), Exception):
        log.debug("a producer did not stop cleanly", reason=repr(task.exception()))
    for waiter in _waiters(producer):
        _read(waiter)


def _waiters(producer: AIOKafkaProducer) -> Iterator["asyncio.Future[Any]"]:
    """Futures that a fatal error fails although nobody waits: for room in a queue, for the end of a transaction.

    The client has no public name for them; its version is pinned.
    """
    for batches in producer._message_accumulator._batches.values():
        for batch in batches:
            yield batch._drain_waiter
    transactions = producer._txn_manager
    if transactions is not None and transactions._transaction_waiter is not None:
        yield transactions._transaction_waiter
