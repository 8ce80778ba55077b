"""ports.Broker on Kafka: exact appends, committed reads, owned partitions with transactions."""

import asyncio
import collections
import functools
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka import errors as kafka_errors
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, PartitionRecords
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.record.memory_records import MemoryRecords

from lockstep.adapters.stream.kafka.connection import Connection
from lockstep.adapters.stream.kafka.lean import take
from lockstep.adapters.stream.kafka.options import REQUEST_S
from lockstep.adapters.stream.kafka.ownership import KafkaOwnership
from lockstep.adapters.stream.kafka.producer import OUT_OF_ORDER, close_producer, submit, unsent
from lockstep.adapters.stream.kafka.topics import Topics
from lockstep.errors import BrokerError, Fenced
from lockstep.ports import Batch, Ownership, Positions, Record, TopicInfo, TopicSpec
from lockstep.settings import Settings

MOST_RECORDS = 8_192
"""Records handed on at once, give or take one batch of the producer."""
BATCH_BYTES = 512 << 10
"""Of one of our batches; below the limit of any topic."""
FETCH_BYTES = 4 << 20

EARLIEST, LATEST = -2, -1

FOLLOWING = 16
"""The first of the numbers by which connections that wait for news are kept; those of the client's own are below."""

TP = tuple[str, int]
Waiting = tuple[Sequence[tuple[Record, int]], "asyncio.Future[list[tuple[int, int]]]"]
"""Records with their partitions, and who waits to hear where they are."""


class KafkaBroker:
    """ports.Broker on a Kafka cluster, 3.1 or newer."""

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime], patience_s: float | None = None) -> None:
        """patience_s: how long `start` waits for a cluster that is away; None: for ever, as a service does."""
        self.settings = settings
        self._connection = Connection(settings, patience_s=patience_s)
        self.topics = Topics(self._connection, replication=settings.kafka_replication)
        self._clock = clock
        self._producer: AIOKafkaProducer | None = None
        self._producer_lock = asyncio.Lock()
        self._waiting: list[Waiting] = []
        self._sending: asyncio.Task[None] | None = None
        self._partitioner = DefaultPartitioner()
        self._known: set[str] = set()
        self._following: set[int] = set()
        self.inside_cut_s = 0.0
        """Test only: wait between writing a cut and committing it."""

    @property
    def options(self) -> dict[str, Any]:
        """What every client of the library needs to know to get in."""
        return self._connection.options

    @property
    def client(self) -> AIOKafkaClient:
        return self._connection.client

    def faust_options(self) -> dict[str, Any]:
        """Settings of the Faust app that go with this broker."""
        return {
            "broker_session_timeout": self.settings.kafka_session_timeout,
            "broker_heartbeat_interval": self.settings.kafka_heartbeat_interval,
            "broker_request_timeout": max(REQUEST_S, self.settings.kafka_session_timeout),
        }

    def verify(self) -> None:
        """There is no file."""

    async def retain(self) -> int:
        """The cluster removes what is old by itself."""
        return 0

    def size_bytes(self) -> int | None:
        return None

    async def start(self) -> None:
        await self._connection.start()

    async def stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await close_producer(producer)
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
        await self._connection.stop()

    async def describe(self, topics: Iterable[str]) -> Mapping[str, TopicInfo]:
        return {name: t.info for name, t in (await self.topics.find(list(topics))).items()}

    async def declare(self, specs: Sequence[TopicSpec]) -> None:
        await self.topics.declare(specs)

    # ---- reading --------------------------------------------------------------------------------------------------

    async def bounds(self, topic: str) -> Mapping[int, tuple[int, int]]:
        return await self._bounds(topic, await self._know(topic))

    async def _bounds(self, topic: str, partitions: Sequence[int]) -> dict[int, tuple[int, int]]:
        tps = [(topic, p) for p in partitions]
        first, last = await asyncio.gather(self._offsets(tps, EARLIEST), self._offsets(tps, LATEST))
        return {p: (first[topic, p], last[topic, p]) for p in partitions}

    async def positions_at(self, topic: str, moment: datetime) -> Mapping[int, int]:
        tps = [(topic, p) for p in await self._know(topic)]
        at_ms = round(moment.timestamp() * 1000)
        starts, ends = await asyncio.gather(self._offsets(tps, at_ms), self.ends(tps))
        return {p: starts[topic, p] if starts[topic, p] >= 0 else ends[topic, p] for _, p in tps}

    async def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Where what is committed ends."""
        return await self._offsets([(topic, p) for topic, p in tps], LATEST)

    async def _offsets(self, tps: Sequence[TP], place: int, *, isolation: int = READ_COMMITTED) -> dict[TP, int]:
        """place: EARLIEST, LATEST, or a time in Unix milliseconds, for which -1 means that nothing is that new."""
        for topic in {topic for topic, _ in tps}:
            await self._know(topic)
        where = ", ".join(f"{topic}/{p}" for topic, p in tps)
        return await self._connection.ask(
            f"asking for the offsets of {where}", lambda: self._try_offsets(tps, place, isolation)
        )

    async def _try_offsets(self, tps: Sequence[TP], place: int, isolation: int) -> dict[TP, int]:
        nodes: dict[int, dict[str, list[tuple[int, int]]]] = {}
        for topic, p in tps:
            nodes.setdefault(self._leader(topic, p), {}).setdefault(topic, []).append((p, place))
        requests = [OffsetRequest(-1, isolation, list(topics.items())) for topics in nodes.values()]
        offsets = {}
        for response in await asyncio.gather(*map(self.client.send, nodes, requests)):
            for topic, rows in response.topics:
                for p, code, _, offset, *_ in rows:
                    error = kafka_errors.for_code(code)
                    if error is not kafka_errors.NoError:
                        raise error(f"{topic}/{p}")
                    offsets[topic, p] = offset
        return offsets

    def _leader(self, topic: str, partition: int) -> int:
        leader = self.client.cluster.leader_for_partition(TopicPartition(topic, partition))
        if leader is None or leader < 0:
            raise kafka_errors.LeaderNotAvailableError(f"{topic}/{partition}")
        return int(leader)

    async def _know(self, topic: str) -> list[int]:
        """Follow this topic's metadata; its partitions. Only of what exists: the client's own request may create."""
        if topic not in self._known:
            if topic not in await self.topics.find([topic]):
                raise BrokerError(f"there is no topic '{topic}'", retryable=False)
            self._known.add(topic)
        elif (now := self.client.cluster.partitions_for_topic(topic)) is not None:
            return sorted(now)

        async def partitions() -> list[int]:
            await self.client.add_topic(topic)
            # Metadata of fewer topics, asked for a moment earlier, may have replaced what we had.
            known = self.client.cluster.partitions_for_topic(topic)
            if known is None:
                await self.client.force_metadata_update()
                raise kafka_errors.LeaderNotAvailableError(topic)
            return sorted(known)

        return await self._connection.ask(f"finding {topic}", partitions)

    async def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Batch]:
        await self._know(topic)
        earliest, last = (await self._bounds(topic, [partition]))[partition]
        position, end, before, nothing = max(start, earliest), min(end, last), start, 0
        while position < end:
            attempt = functools.partial(self._fetch, topic, partition, position)
            records, stable = await self._connection.ask(f"reading {topic}/{partition}", attempt)
            if not records._records.has_next():
                # The end is committed, yet nothing is there: compaction has taken all that was behind this position.
                # Asked twice, because a broker that throttles us answers with nothing, too.
                nothing += stable >= end
                if nothing >= 2:
                    return
                continue
            more = True
            while more and position < end:
                run, more = take(records, MOST_RECORDS)
                position = records.next_fetch_offset
                batch = run.batch(topic, partition, start=before, next_=position, end=end)
                if len(batch):
                    before = batch.next
                    yield batch

    async def _fetch(self, topic: str, partition: int, position: int) -> tuple[Any, int]:
        """(records of the client from `position` on, end of what is committed as this broker knows it)."""
        request = FetchRequest(100, 1, 8 * FETCH_BYTES, READ_COMMITTED, [(topic, [(partition, position, FETCH_BYTES)])])
        response = await self.client.send(self._leader(topic, partition), request)
        ((_, (row,)),) = ((t["topics"], t["partitions"]) for t in response.to_object()["topics"])
        error = kafka_errors.for_code(row["error_code"])
        if error is kafka_errors.OffsetOutOfRangeError:
            raise BrokerError(f"{topic}/{partition}: retention removed offset {position} while it was read")
        if error is not kafka_errors.NoError:
            raise error(f"{topic}/{partition}")
        return _records(topic, row, position), row["last_stable_offset"]

    async def news(self, positions: Positions, *, wait_s: float) -> list[Batch]:
        for topic, _ in positions:
            await self._know(topic)
        # A broker answers one connection in order: what is asked there meanwhile would wait behind this question.
        line = next(number for number in itertools.count(FOLLOWING) if number not in self._following)
        self._following.add(line)
        try:
            return await self._connection.ask(
                f"following {', '.join(topic for topic, _ in positions)}",
                lambda: self._try_news(positions, wait_s, line),
            )
        finally:
            self._following.discard(line)

    async def _try_news(self, positions: Positions, wait_s: float, line: int) -> list[Batch]:
        nodes: dict[int, dict[str, list[tuple[int, int, int]]]] = {}
        for (topic, p), position in positions.items():
            nodes.setdefault(self._leader(topic, p), {}).setdefault(topic, []).append((p, position, FETCH_BYTES))
        batches: list[Batch] = []

        async def ask(node: int, topics: dict[str, list[tuple[int, int, int]]]) -> None:
            request = FetchRequest(round(wait_s * 1000), 1, 8 * FETCH_BYTES, READ_COMMITTED, list(topics.items()))
            response = await self.client.send(node, request, group=line)  # the client's key of a connection
            for topic in response.to_object()["topics"]:
                for row in topic["partitions"]:
                    batches.extend(await self._new_batches(topic["topics"], row, positions))

        asking = [asyncio.ensure_future(ask(node, topics)) for node, topics in nodes.items()]
        try:
            # The first that has something ends the wait of all; what the others would have said, they say next time.
            while asking and not batches:
                done, waiting = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
                asking = list(waiting)
        finally:
            for one in asking:
                one.cancel()
        return batches

    async def _new_batches(self, topic: str, row: Any, positions: Positions) -> list[Batch]:
        """What an answer has of one partition; where retention has removed the position, where it begins now."""
        partition = row["partition"]
        position = positions[topic, partition]
        error = kafka_errors.for_code(row["error_code"])
        if error is kafka_errors.OffsetOutOfRangeError:
            earliest, _ = (await self._bounds(topic, [partition]))[partition]
            return [Batch(topic, partition, [], [], [], [], position - 1, earliest)]
        if error is not kafka_errors.NoError:
            raise error(f"{topic}/{partition}")
        records = _records(topic, row, position)
        batches = []
        more = records._records.has_next()
        while more:
            run, more = take(records, MOST_RECORDS)
            batches.append(run.batch(topic, partition, start=position, next_=records.next_fetch_offset))
            position = records.next_fetch_offset
        return batches

    async def written(self, topic: str) -> Mapping[int, int]:
        tps = [(topic, p) for p in await self._know(topic)]
        ends = await self._offsets(tps, LATEST, isolation=READ_UNCOMMITTED)
        return {p: end for (_, p), end in ends.items()}

    # ---- writing --------------------------------------------------------------------------------------------------

    async def publish(self, records: Sequence[Record]) -> list[tuple[int, int]]:
        if not records:
            return []
        placed = await self.placed(records)
        future: asyncio.Future[list[tuple[int, int]]] = asyncio.get_running_loop().create_future()
        self._waiting.append((placed, future))  # nothing is awaited here: the list is replaced when a send begins
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_waiting())
        return await future

    async def _send_waiting(self) -> None:
        """Send until nobody waits; what came while one send was under way goes together in the next."""
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                await self._send_together(waiting)
        finally:
            self._sending = None
            _fail(self._waiting, BrokerError(f"{self.settings.broker}: the broker is being left"))
            self._waiting = []

    async def _send_together(self, waiting: "Sequence[Waiting]") -> None:
        """Send what several wait for. A record that cannot be sent costs only those who wait for it."""
        try:
            outcomes = await self._published([record for placed, _ in waiting for record in placed])
        except Exception as error:
            _fail(waiting, error)
            return
        except asyncio.CancelledError:
            _fail(waiting, BrokerError(f"{self.settings.broker}: the broker is being left"))
            raise
        begin = 0
        for placed, future in waiting:
            own = outcomes[begin : begin + len(placed)]
            begin += len(placed)
            try:
                places = _places(own)
            except Exception as error:
                _fail([(placed, future)], error)
                continue
            if not future.done():
                future.set_result(places)

    async def _published(self, placed: Sequence[tuple[Record, int]]) -> "list[tuple[int, int] | BaseException]":
        """As `_outcomes`, by the producer of all who publish."""
        outcomes: list[tuple[int, int] | BaseException] = [(0, 0)] * len(placed)
        left = list(range(len(placed)))
        while left:
            producer = await self._publisher()
            for i, outcome in zip(left, await self._outcomes(producer, [placed[i] for i in left]), strict=True):
                outcomes[i] = outcome
            if any(isinstance(outcomes[i], BaseException) for i in left) and self._producer is producer:
                # Its sequence numbers may have a hole now, and the broker would refuse everything after it.
                self._producer = None
                await close_producer(producer)
            # What was on its way behind the hole is not written, through no fault of its own.
            behind = [i for i in left if isinstance(getattr(outcomes[i], "__cause__", None), OUT_OF_ORDER)]
            left = behind if len(behind) < len(left) else []
        return outcomes

    async def _publisher(self) -> AIOKafkaProducer:
        async with self._producer_lock:
            if self._producer is None:
                self._producer = await self.open_producer(enable_idempotence=True)
            return self._producer

    async def open_producer(self, **options: Any) -> AIOKafkaProducer:
        """A started producer. Raises BrokerError."""

        async def attempt() -> AIOKafkaProducer:
            producer = AIOKafkaProducer(**self.options, acks="all", max_batch_size=BATCH_BYTES, **options)
            try:
                async with asyncio.timeout(REQUEST_S):
                    await producer.start()
            except BaseException:
                await close_producer(producer)
                raise
            return producer

        return await self._connection.ask("opening a producer", attempt)

    async def placed(self, records: Sequence[Record]) -> list[tuple[Record, int]]:
        """Each record with its partition."""
        partitions = {topic: await self._know(topic) for topic in {r.topic for r in records}}
        placements = []
        for record in records:
            every = partitions[record.topic]
            place = record.partition
            if place is None:
                place = self._partitioner(record.key, every, every)
            elif place not in every:
                raise BrokerError(f"there is no topic '{record.topic}' with partition {place}", retryable=False)
            placements.append((record, place))
        return placements

    async def send(self, producer: AIOKafkaProducer, placed: Sequence[tuple[Record, int]]) -> list[tuple[int, int]]:
        """Write batches of our own making, in order in each partition; returns when all are durable."""
        return _places(await self._outcomes(producer, placed))

    async def _outcomes(
        self, producer: AIOKafkaProducer, placed: Sequence[tuple[Record, int]]
    ) -> "list[tuple[int, int] | BaseException]":
        """(partition, offset) of each record, or why it could not be written."""
        groups: dict[TP, list[int]] = collections.defaultdict(list)
        for i, (record, partition) in enumerate(placed):
            groups[record.topic, partition].append(i)
        now_ms = round(self._clock().timestamp() * 1000)
        outcomes: list[tuple[int, int] | BaseException] = [(0, 0)] * len(placed)

        async def write(tp: TP, indexes: Sequence[int]) -> None:
            batches = []
            builder, held = producer.create_batch(), list[int]()
            for i in indexes:
                record = placed[i][0]
                fields = {"timestamp": now_ms, "key": record.key, "value": record.value}
                headers = list(record.headers)
                if builder.append(**fields, headers=headers) is None:
                    batches.append((held, await submit(producer, builder, tp)))
                    builder, held = producer.create_batch(), []
                    builder.append(**fields, headers=headers)
                held.append(i)
            batches.append((held, await submit(producer, builder, tp)))
            for held, written in batches:  # one after the other: all are under way
                try:
                    result = await written
                except Exception as error:
                    failure = unsent(tp[0], [placed[i][0] for i in held], error)
                    failure.__cause__ = error
                    for i in held:
                        outcomes[i] = failure
                    continue
                for n, i in enumerate(held):
                    outcomes[i] = (tp[1], result.offset + n)

        async def write_or_tell_why(tp: TP, indexes: Sequence[int]) -> None:
            try:
                await write(tp, indexes)
            except Exception as error:
                for i in indexes:
                    outcomes[i] = unsent(tp[0], [], error) if isinstance(error, KafkaError) else error

        if len(groups) == 1:  # a single event: a task of its own would only be waited for
            ((tp, indexes),) = groups.items()
            await write_or_tell_why(tp, indexes)
        else:
            await asyncio.gather(*(write_or_tell_why(tp, indexes) for tp, indexes in groups.items()))
        return outcomes

    def own(self, stage: str, partition: int) -> Ownership:
        return KafkaOwnership(self, stage, partition)


def _records(topic: str, row: Any, position: int) -> PartitionRecords:
    """The client's view of one partition in the answer to a fetch."""
    aborted = [(a["producer_id"], a["first_offset"]) for a in row["aborted_transactions"] or ()]
    return PartitionRecords(
        TopicPartition(topic, row["partition"]),
        MemoryRecords(row["message_set"]),
        aborted,
        position,
        None,
        None,
        True,
        READ_COMMITTED,
    )


def _places(outcomes: "Sequence[tuple[int, int] | BaseException]") -> list[tuple[int, int]]:
    """Where all of them are. Raises what kept one from being written."""
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    # The fence makes other sends fail in other ways; it is the cause.
    for failure in sorted(failures, key=lambda f: not isinstance(f, Fenced)):
        raise failure
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]


def _fail(waiting: "Sequence[Waiting]", error: Exception) -> None:
    for _, future in waiting:
        if not future.done():
            future.set_exception(error)
