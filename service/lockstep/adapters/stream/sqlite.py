"""The embedded broker: one process, one file, nothing to install. And the Faust transport that reads it."""

import asyncio
import contextlib
import fcntl
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeVar

from aiokafka.partitioner import DefaultPartitioner
from faust.transport import base
from faust.transport.consumer import Consumer as FaustConsumer
from faust.transport.consumer import ensure_TP
from faust.types import TP

from lockstep.adapters.stream.consumer import Coalescing, within
from lockstep.adapters.stream.log import POLL_S, Log, Operation
from lockstep.adapters.stream.pace import Pace
from lockstep.errors import BrokerError, SettingsError
from lockstep.ports import Batch, Cut, Ownership, Positions, Record, TopicInfo, TopicSpec

MOST_RECORDS = 8_192
"""Records in one fetch."""
FETCH_EVERY_S, FETCHES_AT_ONCE = 0.008, 5
"""As on Kafka: what comes one by one is fetched a few at a time, and what one event sets off waits for nothing."""

T = TypeVar("T")


def path_of(url: str) -> tuple[Path, str]:
    """(file, synchronous) of `sqlite:///FILE?sync=normal`; four slashes for an absolute path."""
    rest = url.removeprefix("sqlite://")
    name, _, query = rest.partition("?")
    name = name[1:] if name.startswith("/") else name
    if not name:
        raise SettingsError(f"LOCKSTEP_BROKER: '{url}' names no file; write sqlite:///lockstep.db")
    synchronous = dict(p.partition("=")[::2] for p in query.split("&") if p).get("sync", "full")
    if synchronous not in ("normal", "full"):
        raise SettingsError(f"LOCKSTEP_BROKER: sync={synchronous}; write sync=normal or sync=full")
    return Path(name), synchronous


class _Answers:
    """Brings what the log's writer did to the event loop: all of one commit in one step.

    A Future of `concurrent.futures` for each, wrapped for the loop, would be told one by one, and twice each.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrived: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._news: dict[Callable[[], None], None] = {}

    def expect(self) -> "_Answer":
        """An answer that is waited for on the loop."""
        return _Answer(self._loop.create_future(), self._arrived)

    def on_news(self, callback: Callable[[], None]) -> None:
        """Call back, on the loop, after each commit of this process."""
        self._news[callback] = None

    def off_news(self, callback: Callable[[], None]) -> None:
        self._news.pop(callback, None)

    def bring(self) -> None:
        """All answers of a commit have been given. Called on the writer's thread."""
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile: nobody waits
            self._loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        while self._arrived:
            future, result, error = self._arrived.popleft()
            if future.done():  # who waited was cancelled
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        for callback in tuple(self._news):
            callback()


@dataclass(frozen=True, slots=True)
class _Answer:
    """log.Answer for one who waits on the event loop."""

    future: "asyncio.Future[Any]"
    arrived: "deque[tuple[asyncio.Future[Any], Any, BaseException | None]]"

    def set_running_or_notify_cancel(self) -> bool:
        return not self.future.cancelled()

    def set_result(self, result: Any, /) -> None:
        self.arrived.append((self.future, result, None))

    def set_exception(self, exception: BaseException, /) -> None:
        self.arrived.append((self.future, None, exception))


class SqliteBroker:
    """ports.Broker on a file."""

    def __init__(self, url: str, *, group: str, clock: Callable[[], datetime]) -> None:
        self._path, self._synchronous = path_of(url)
        self._clock = clock
        self.group = group
        self._log: Log | None = None
        self._partitioner = DefaultPartitioner()

    @property
    def log(self) -> Log:
        if self._log is None:
            raise BrokerError(f"{self._path}: not opened yet, or closed already")
        return self._log

    async def start(self) -> None:
        self._log = Log(
            self._path, now_ms=lambda: round(self._clock().timestamp() * 1000), synchronous=self._synchronous
        )
        self.answers = _Answers(asyncio.get_running_loop())
        self._log.on_commit(self.answers.bring)

    async def stop(self) -> None:
        if self._log is not None:
            log, self._log = self._log, None
            await asyncio.to_thread(log.close)

    async def run(self, operation: Operation[T]) -> T:
        """Run an operation in the log's next transaction; what it returned, when that is durable."""
        log, answer = self.log, self.answers.expect()
        log.run(operation, answer)
        result: T = await answer.future
        return result

    def verify(self) -> None:
        """Raises BrokerError when the file is not the one at its path any more."""
        self.log.verify()

    async def describe(self, topics: Iterable[str]) -> Mapping[str, TopicInfo]:
        self.log.refresh()
        return {name: self.log.topics[name] for name in topics if name in self.log.topics}

    async def declare(self, specs: Sequence[TopicSpec]) -> None:
        await self.run(self.log.declare(specs))
        self.log.refresh()

    async def publish(self, records: Sequence[Record]) -> list[tuple[int, int]]:
        return await self.run(self.log.append(self._placed(records)))

    def _placed(self, records: Sequence[Record]) -> list[tuple[Record, int]]:
        return [(r, self._partition(r) if r.partition is None else r.partition) for r in records]

    def _partition(self, record: Record) -> int:
        info = self.log.topics.get(record.topic)
        if info is None:
            self.log.refresh()
            info = self.log.topics.get(record.topic)
        if info is None or info.partitions == 1:
            return 0
        every = list(range(info.partitions))
        return int(self._partitioner(record.key, every, every))

    async def bounds(self, topic: str) -> Mapping[int, tuple[int, int]]:
        self.log.refresh()
        if topic not in self.log.topics:
            raise BrokerError(f"there is no topic '{topic}'", retryable=False)
        count = self.log.topics[topic].partitions
        return {p: (self.log.earliest((topic, p)), self.log.next[topic, p]) for p in range(count)}

    async def positions_at(self, topic: str, moment: datetime) -> Mapping[int, int]:
        at_ms = round(moment.timestamp() * 1000)
        return {p: self.log.first_since((topic, p), at_ms) for p in await self.bounds(topic)}

    async def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Batch]:
        self.log.refresh()
        position = start
        while position < end:
            batch = self.log.read((topic, partition), position, min(MOST_RECORDS, end - position))
            if batch is None or batch.offsets[0] >= end:
                return
            if batch.offsets[-1] >= end:  # a compacted topic has holes
                keep = next(i for i, o in enumerate(batch.offsets) if o >= end)
                batch = Batch(
                    topic,
                    partition,
                    batch.offsets[:keep],
                    batch.values[:keep],
                    batch.keys[:keep],
                    batch.timestamps_ms[:keep],
                    position - 1,
                    end,
                    None if batch.headers is None else batch.headers[:keep],
                )
            yield batch
            position = batch.next
            await asyncio.sleep(0)

    async def news(self, positions: Positions, *, wait_s: float) -> list[Batch]:
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        until = loop.time() + wait_s
        self.answers.on_news(woken.set)
        try:
            while True:
                woken.clear()
                self.log.refresh()
                batches = [self._batch_at(tp, position) for tp, position in positions.items()]
                new = [batch for batch in batches if batch is not None]
                left_s = until - loop.time()
                if new or left_s <= 0:
                    return new
                await within(min(left_s, POLL_S), woken)  # of what another process commits nobody tells us
        finally:
            self.answers.off_news(woken.set)

    def _batch_at(self, tp: tuple[str, int], position: int) -> Batch | None:
        """None where the partition ends at this position."""
        end = self.log.next[tp]
        if position >= end:
            return None
        batch = self.log.read(tp, position, MOST_RECORDS)
        return batch if batch is not None else Batch(*tp, [], [], [], [], position - 1, end)

    async def written(self, topic: str) -> Mapping[int, int]:
        return {partition: end for partition, (_, end) in (await self.bounds(topic)).items()}

    def own(self, stage: str, partition: int) -> Ownership:
        return _SqliteOwnership(self, stage, partition)

    async def retain(self) -> int:
        """Remove what is older than its topic's retention."""
        return await asyncio.to_thread(self.log.retain, round(self._clock().timestamp() * 1000))

    def faust_options(self) -> dict[str, Any]:
        """Nothing of Faust needs setting for one process on one file."""
        return {}

    def size_bytes(self) -> int:
        return self.log.size_bytes()


class _SqliteOwnership:
    """ports.Ownership: one SQL transaction a cut, an epoch as the fence."""

    def __init__(self, broker: SqliteBroker, stage: str, partition: int) -> None:
        self._broker = broker
        self._stage = f"{broker.group}/{stage}"
        self._partition = partition
        self._epoch = 0

    async def recover(self) -> tuple[Positions, Mapping[bytes, bytes]]:
        take_over = self._broker.log.take_over(self._stage, self._partition)
        self._epoch, positions, entries = await self._broker.run(take_over)
        return positions, entries

    async def cut(self, cut: Cut, positions: Positions) -> None:
        log = self._broker.log
        records = self._broker._placed(cut.records)
        await self._broker.run(
            log.cut(self._stage, self._partition, self._epoch, records, cut.entries, dict(positions))
        )

    async def close(self) -> None:
        """The next owner's epoch ends this one; nothing is held open."""


def _open_lock(path: str) -> IO[str]:
    return open(path, "w")


class _FileConsumer(FaustConsumer):  # type: ignore[misc] # faust has no types that hold
    """Reads the file for Faust; the one member of its group, so it is assigned everything."""

    epoch: int

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._broker: SqliteBroker = self.app.lockstep_broker
        self._topics: list[str] = []
        self._assigned: set[TP] = set()
        self._positions: dict[TP, int] = {}
        self._generation = 0
        self._last: TP | None = None  # the partition that was read last
        self._wake = asyncio.Event()
        self._pace = Pace(every_s=FETCH_EVERY_S, burst=FETCHES_AT_ONCE)
        self._file_lock: Any = None

    async def on_start(self) -> None:
        await super().on_start()
        self._file_lock = _open_lock(f"{self._broker.log.path}.{self.app.conf.id}.lock")
        try:
            fcntl.flock(self._file_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(
                f"{self._broker.log.path} is in use by another `lockstep serve`; stop it, or give this one another file"
            ) from error
        self._broker.answers.on_news(self._wake.set)

    async def on_stop(self) -> None:
        await super().on_stop()
        if self._file_lock is not None:
            self._broker.answers.off_news(self._wake.set)
            self._file_lock.close()

    async def create_topic(self, *args: Any, **options: Any) -> None:
        """Topics are declared through the broker before Faust starts."""

    async def subscribe(self, topics: Iterable[str]) -> None:
        self._topics = list(topics)
        self.add_future(self._assign())

    async def _assign(self) -> None:
        log = self._broker.log
        log.refresh()
        known = [t for t in self._topics if t in log.topics]
        assigned = {TP(t, p) for t in known for p in range(log.topics[t].partitions)}
        self.app.on_rebalance_start()
        await self.on_partitions_revoked(self._assigned)
        self._generation += 1
        self.app.consumer_generation_id = self._generation
        self._assigned = assigned
        await self.on_partitions_assigned(set(assigned), self._generation)

    def assignment(self) -> set[TP]:
        return set(self._assigned)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        return {}

    async def _seek(self, partition: TP, offset: int) -> None:
        self._positions[ensure_TP(partition)] = offset

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        for tp, offset in partitions.items():
            self._positions[ensure_TP(tp)] = offset

    async def position(self, tp: TP) -> int | None:
        return self._positions.get(tp)

    def highwater(self, tp: TP) -> int:
        return self._broker.log.next[tp.topic, tp.partition]

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        self._broker.log.refresh()
        return {tp: self.highwater(tp) for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        return {tp: self._broker.log.earliest((tp.topic, tp.partition)) for tp in partitions}

    def topic_partitions(self, topic: str) -> int | None:
        info = self._broker.log.topics.get(topic)
        return None if info is None else info.partitions

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        return partition

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    def close(self) -> None:
        """Nothing is open but the log, which the broker closes."""

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        log = self._broker.log
        plain = {(tp.topic, tp.partition): offset for tp, offset in offsets.items()}
        await self._broker.run(log.commit(self.app.conf.id, plain))
        return True

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, Batch]:
        """Batches from the current positions; waits for the first at most `timeout` seconds.

        Nothing once the epoch is over: the positions are then those of the next one, which would miss what we took.
        """
        log, epoch = self._broker.log, self.epoch
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        await asyncio.sleep(min(timeout, self._pace.wait_s(loop.time())))
        while self.flow_active and not self.should_stop and epoch == self.epoch:
            self._wake.clear()
            log.refresh()
            batches: dict[TP, Batch] = {}
            count = 0
            for tp in self._in_turn(active_partitions or set()):
                if count >= MOST_RECORDS:  # the loop is not held for longer; the others are first the next time
                    break
                position = self._positions.get(tp)
                if position is not None and position < log.next[tp.topic, tp.partition]:
                    batch = log.read((tp.topic, tp.partition), position, MOST_RECORDS)
                    if batch is None:
                        self._positions[tp] = log.next[tp.topic, tp.partition]
                    else:
                        batches[tp] = batch
                        self._positions[tp] = batch.next
                        count += len(batch)
                        self._last = tp
            left = end - loop.time()
            if batches:
                self._pace.take(loop.time())
            if batches or left <= 0:
                return batches
            await within(min(left, POLL_S), self._wake)  # another process may have written meanwhile
        return {}

    def _in_turn(self, partitions: Iterable[TP]) -> list[TP]:
        """Sorted, from the one behind that which was read last on."""
        ordered = sorted(partitions)
        after = 0 if self._last is None else bisect_right(ordered, self._last)
        return ordered[after:] + ordered[:after]


class SqliteConsumer(Coalescing, _FileConsumer):  # type: ignore[misc] # the mixin narrows what is fetched
    """The consumer that agents are fed from."""

    async def committed_positions(self, assigned: set[TP]) -> Mapping[TP, int]:
        committed = self._broker.log.committed(self.app.conf.id)
        return {tp: committed[tp.topic, tp.partition] for tp in assigned if (tp.topic, tp.partition) in committed}

    def make_batch(self, tp: TP, records: Batch) -> Batch | None:
        expected = self.handed.get(tp, -1)
        if records.previous != expected:
            raise BrokerError(f"{tp.topic}/{tp.partition}: fetched behind {records.previous}, expected {expected}")
        return records


class SqliteProducer(base.Producer):  # type: ignore[misc] # faust has no types that hold
    """Faust wants one; Lockstep publishes through the broker."""

    async def create_topic(self, *args: Any, **options: Any) -> None:
        """Topics are declared through the broker before Faust starts."""

    async def flush(self) -> None:
        """Nothing is ever waiting here."""


class SqliteTransport(base.Transport):  # type: ignore[misc] # faust has no types that hold
    Consumer = SqliteConsumer
    Producer = SqliteProducer
    driver_version = "lockstep-sqlite"
