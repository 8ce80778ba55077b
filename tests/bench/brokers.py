"""A broker that nobody has used, its topics, what is written to it and what is read from it."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
from tests.kafka.broker import Broker, jars

from lockstep.adapters.stream import WorkerBroker, open_broker
from lockstep.app import utc_now
from lockstep.ports import Record
from lockstep.settings import Settings, load_settings
from lockstep.worker.required_topics import prepare

AT_ONCE = 5_000
"""Records that are written together."""

Progress = Callable[[float], None]
"""Told which share of something is done, from 0 to 1."""


def no_progress(_: float) -> None: ...


@contextmanager
def fresh_broker(name: str, folder: Path) -> Iterator[str]:
    """The URL of a new broker, `kafka` or `sqlite`. Raises LookupError where Kafka cannot be had."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "sqlite":
        yield f"sqlite:///{folder}/bench.db"
        return
    node = Broker(folder / "kafka", libs=jars(), heap="1g")
    try:
        yield f"kafka://{node.start().wait_ready().address}"
    finally:
        node.stop()


def settings_for(url: str, *, partitions: int = 1) -> Settings:
    """partitions: of the input topics, where they are made."""
    return load_settings(broker=url, source_partitions=partitions)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[WorkerBroker]:
    broker = open_broker(settings, clock=utc_now)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


class _Subject(msgspec.Struct):
    sku: str = ""
    lines: list["_Subject"] = []


class _Event(msgspec.Struct):
    data: _Subject


def key_of(value: bytes) -> bytes | None:
    """The product that an event is about: what its producer would key it by. None of what is no event."""
    try:
        data = msgspec.json.decode(value, type=_Event).data
    except msgspec.MsgspecError:
        return None
    return (data.sku or data.lines[0].sku).encode()


async def fill(
    url: str, events: Iterable[tuple[str, bytes]], count: int, *, partitions: int = 1, progress: Progress = no_progress
) -> None:
    """Make the topics and write events in their order, keyed by product."""
    settings = settings_for(url, partitions=partitions)
    async with connected(settings) as broker:
        await prepare(settings, broker)
        waiting: list[Record] = []
        written = 0
        for topic, value in events:
            waiting.append(Record(topic, value, key_of(value)))
            if len(waiting) == AT_ONCE:
                await broker.publish(waiting)
                written += len(waiting)
                waiting = []
                progress(written / count)
        await broker.publish(waiting)


async def values_of(url: str, topic: str) -> list[bytes]:
    """All values of a topic, partition by partition."""
    async with connected(settings_for(url)) as broker:
        found: list[bytes] = []
        for partition, (earliest, end) in (await broker.bounds(topic)).items():
            async for batch in broker.read(topic, partition, earliest, end):
                found += [value for value in batch.values if value is not None]
        return found
