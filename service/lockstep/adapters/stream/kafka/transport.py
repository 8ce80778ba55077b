"""The Faust transport for Kafka: group membership by Faust and aiokafka, fetched runs as they come.

What is different from Faust's own: records of one assignment are never taken by a fetch of an earlier one; every run
is checked against the position that it must begin at; what belongs together is assigned together; a commit that fails
is no reason to crash; only committed records are read.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiokafka
import structlog
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchError
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport import base
from faust.transport.drivers import aiokafka as stock
from faust.types import TP
from mode.threads import WorkerThread

from lockstep.adapters.stream.consumer import Coalescing
from lockstep.adapters.stream.kafka.broker import FETCH_BYTES, MOST_RECORDS, KafkaBroker
from lockstep.adapters.stream.kafka.lean import Run, take
from lockstep.adapters.stream.pace import Pace
from lockstep.errors import BrokerError
from lockstep.ports import Batch

log = structlog.get_logger("lockstep.kafka")

REBALANCE_S = 10.0
"""How long a worker may take to give its partitions up: the longest last flush."""
FETCH_WAIT_S = 0.2
"""How long a broker holds an empty fetch; a partition that joins a fetch under way waits for it."""
FETCH_EVERY_S, FETCHES_AT_ONCE = 0.008, 5
"""What was fetched of sources is handed on no faster than this in the long run, so that events that come one by one
come a few at a time; so many at once after a rest. What stages say to each other waits for nothing, and takes along
what is there: the client asks a broker for nothing more while anything of it has not been handed on."""
COMMIT_S = 2.0
CLIENT_S, THREAD_S = 3.0, 1.0
"""How long the client may take to stop, and then its thread to end."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A run and the positions before and after it. An empty one says that only control records were there."""

    start: int
    next: int
    run: Run


def assignor_for(together: Sequence[Sequence[str]]) -> type[AbstractPartitionAssignor]:
    """Spreads partitions evenly; partition p of topics that one owner reads together goes to one worker."""

    class Assignor(AbstractPartitionAssignor):  # type: ignore[misc] # aiokafka is not typed for us
        name = "lockstep"
        version = 0

        @classmethod
        def assign(
            cls, cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]
        ) -> dict[str, ConsumerProtocolMemberAssignment]:
            wanted = {topic for m in members.values() for topic in m.subscription}
            groups = [tuple(t for t in group if t in wanted) for group in together]
            tied = {topic for group in groups for topic in group}
            groups += [(topic,) for topic in sorted(wanted - tied)]
            given: dict[str, dict[str, list[int]]] = {member: {} for member in members}
            turn = itertools.cycle(sorted(members))
            for group in groups:
                partitions = {t: cluster.partitions_for_topic(t) or set() for t in group}
                for p in sorted(set().union(*partitions.values())):
                    member = next(turn)
                    for topic in group:
                        if p in partitions[topic]:
                            given[member].setdefault(topic, []).append(p)
            return {m: ConsumerProtocolMemberAssignment(cls.version, sorted(t.items()), b"") for m, t in given.items()}

        @classmethod
        def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
            return ConsumerProtocolMemberMetadata(cls.version, sorted(topics), b"")

        @classmethod
        def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
            """Nothing is remembered: every assignment starts from what is durable."""

    return Assignor


class _Worker(WorkerThread):  # type: ignore[misc] # mode has no types that hold
    """The thread itself. Its service waits for it on the event loop, so that wait must end."""

    def __init__(self, service: Any, **options: Any) -> None:
        super().__init__(service, **options)
        self.daemon = True  # a client that does not end must not keep the process

    def stop(self) -> None:
        self.is_stopped.wait(THREAD_S)


class _Thread(stock.AIOKafkaConsumerThread):  # type: ignore[misc] # faust has no types that hold
    """Runs the client's consumer in a thread of its own, so that heartbeats go on while stages work."""

    Worker = _Worker
    shutdown_timeout = CLIENT_S + 1.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._pace = Pace(every_s=FETCH_EVERY_S, burst=FETCHES_AT_ONCE)
        self._of_stages = {topic for inputs in self.app.lockstep_host.together() for topic in inputs}

    async def on_thread_stop(self) -> None:
        """Stop the client, whatever it raises and however long it would take.

        While the broker is away its own stop raises a cancellation in the middle, or waits for an answer. Faust takes
        neither: the thread would end without a word, and whoever waits for its word would wait.
        """
        stopping = asyncio.create_task(super().on_thread_stop())
        await asyncio.wait([stopping], timeout=CLIENT_S)
        if not stopping.done():
            stopping.cancel()
            log.warning("the client did not stop", after_s=CLIENT_S)
        elif stopping.cancelled() or stopping.exception() is not None:
            log.debug("the client did not stop cleanly", reason=repr(stopping))
            if self._consumer is not None:
                with contextlib.suppress(KafkaError, OSError, TimeoutError):
                    async with asyncio.timeout(CLIENT_S):
                        await self._consumer._client.close()

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        broker: KafkaBroker = self.app.lockstep_broker
        settings = broker.settings
        return aiokafka.AIOKafkaConsumer(
            **broker.options,
            group_id=settings.app_id,
            partition_assignment_strategy=[assignor_for(self.app.lockstep_host.together())],
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=round(settings.kafka_session_timeout * 1000),
            heartbeat_interval_ms=round(settings.kafka_heartbeat_interval * 1000),
            rebalance_timeout_ms=round(max(REBALANCE_S, settings.kafka_session_timeout) * 1000),
            max_poll_interval_ms=round(self.app.conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=round(FETCH_WAIT_S * 1000),
        )

    async def take_batches(self, active: set[TP] | None, timeout: float, epoch: int) -> dict[TP, Fetched]:
        """What has been fetched; waits at most `timeout` seconds for something. Nothing once the epoch is over."""
        fetched: dict[TP, Fetched] = await self.call_thread(self._take, active, timeout, epoch)
        return fetched

    async def _take(self, active: set[TP] | None, timeout: float, epoch: int) -> dict[TP, Fetched]:
        consumer = self._ensure_consumer()
        fetcher, subscriptions = consumer._fetcher, consumer._subscription
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        with subscriptions.fetch_context():
            while self.consumer.flow_active:
                if consumer._closed or fetcher._closed:
                    raise ConsumerStoppedError
                # Seeks run in this thread too, after the epoch has changed: so a fetch of an earlier epoch, still
                # waiting here, cannot take records from behind the seek and lose them.
                if epoch != self.consumer.epoch:
                    break
                wait_s = self._wait_s(fetcher._records, loop.time())
                if not subscriptions.reassignment_in_progress and not wait_s:
                    fetched = self._drain(fetcher, subscriptions, active)
                    if fetched:
                        self._pace.take(loop.time())
                        return fetched
                left = end - loop.time()
                if left <= 0:
                    break
                waiter = fetcher._create_fetch_waiter()
                done, _ = await asyncio.wait([waiter], timeout=min(left, wait_s or left))
                if done:
                    waiter.result()  # raises what the coordinator refuses for good
                else:
                    waiter.cancel()
        return {}

    def _wait_s(self, fetched: Iterable[TP], now: float) -> float:
        """How long what was fetched of these partitions has to wait."""
        if any(tp.topic in self._of_stages for tp in fetched):
            return 0.0
        return self._pace.wait_s(now)

    def _drain(self, fetcher: Any, subscriptions: Any, active: set[TP] | None) -> dict[TP, Fetched]:
        fetched: dict[TP, Fetched] = {}
        for tp in list(fetcher._records):
            if active and tp not in active:
                if not subscriptions.is_assigned(tp):
                    del fetcher._records[tp]
                continue
            result = fetcher._records[tp]
            if isinstance(result, FetchError):
                if fetched:
                    break  # it will be raised by the next call
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
                result.check_raise()
            more = False
            if result.check_assignment(tp) and result.has_more():
                records = result._partition_records
                start = records.next_fetch_offset
                run, more = self._run(result, records)
                fetched[TP(tp.topic, tp.partition)] = Fetched(start, records.next_fetch_offset, run)
            if not more:
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
        return fetched

    def _run(self, result: Any, records: Any) -> tuple[Run, bool]:
        if self.app.lockstep_broker.settings.kafka_lean:
            run, more = take(records, MOST_RECORDS, keyed=False)
            result._update_position()
            return run, more
        rows = result.getall(MOST_RECORDS)
        run = Run(keyed=False, append_time=all(r.timestamp_type == 1 for r in rows))
        run.add(rows)
        return run, result.has_more()

    async def committed(self, tps: Iterable[TP]) -> dict[TP, int]:
        """What the group committed, in one request."""
        return dict(await self.call_thread(self._committed, list(tps)))

    async def _committed(self, tps: Sequence[TP]) -> dict[TP, int]:
        asked = [TopicPartition(tp.topic, tp.partition) for tp in tps]
        committed = await self._ensure_consumer()._coordinator.fetch_committed_offsets(asked)
        return {TP(tp.topic, tp.partition): c.offset for tp, c in committed.items() if c.offset >= 0}

    async def seek_in_thread(self, tp: TP, offset: int) -> None:
        await self.call_thread(self._seek, TopicPartition(tp.topic, tp.partition), offset)

    async def _seek(self, tp: TopicPartition, offset: int) -> None:
        self._ensure_consumer().seek(tp, offset)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        consumer = self._ensure_consumer()
        mine = {
            TopicPartition(tp.topic, tp.partition): OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
            if tp in self.assignment()
        }
        try:
            async with asyncio.timeout(COMMIT_S):  # asyncio.wait_for of 3.11 may swallow a cancellation
                await consumer.commit(mine)
        except (KafkaError, TimeoutError) as error:
            # A position that the group does not know costs a re-read; whoever is behind is seen by the lane itself.
            log.debug("a position was not committed", reason=repr(error))
            return False
        return len(mine) == len(offsets)


class _ThreadedConsumer(stock.Consumer):  # type: ignore[misc] # faust has no types that hold
    """Faust's consumer on that thread."""

    epoch: int
    _thread: _Thread

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, Fetched]:
        return await self._thread.take_batches(active_partitions, timeout, self.epoch)

    async def _seek(self, partition: TP, offset: int) -> None:
        await self._thread.seek_in_thread(partition, offset)

    async def create_topic(self, *args: Any, **options: Any) -> None:
        """Topics are declared through the broker before Faust starts."""

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        broker: KafkaBroker = self.app.lockstep_broker
        ends = await broker.ends([(tp.topic, tp.partition) for tp in partitions])
        return {TP(topic, p): end for (topic, p), end in ends.items()}

    def highwater(self, tp: TP) -> int:
        return 0  # only for Faust's own monitor

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's watching goes by acknowledgements, which nobody gives here; the runtime watches positions."""


class KafkaConsumer(Coalescing, _ThreadedConsumer):  # type: ignore[misc] # the mixin narrows what is fetched
    """The consumer that agents are fed from."""

    async def committed_positions(self, assigned: set[TP]) -> Mapping[TP, int]:
        return await self._thread.committed(assigned)

    def make_batch(self, tp: TP, records: Fetched) -> Batch | None:
        expected = self.handed.get(tp, -1) + 1
        if records.start != expected:
            # Retention took what was not read yet, or the log was cut back: only a new start can tell what is left.
            raise BrokerError(f"{tp.topic}/{tp.partition}: fetched from {records.start}, expected {expected}")
        return records.run.batch(tp.topic, tp.partition, start=records.start, next_=records.next)


class _NoProducer(base.Producer):  # type: ignore[misc] # faust has no types that hold
    """Faust wants one; Lockstep publishes through the broker."""

    async def create_topic(self, *args: Any, **options: Any) -> None:
        """Topics are declared through the broker before Faust starts."""

    async def flush(self) -> None:
        """Nothing is ever waiting here."""


class KafkaTransport(stock.Transport):  # type: ignore[misc] # faust has no types that hold
    """Chosen for kafka:// by `transport_for`."""

    Consumer = KafkaConsumer
    Producer = _NoProducer
    driver_version = f"lockstep-kafka aiokafka={aiokafka.__version__}"

    def __init__(self, url: Any, app: Any, **options: Any) -> None:
        super().__init__(url, app, **options)
        app.lockstep_broker.inside_cut_s = app.lockstep_host.faults.inside_cut_s
