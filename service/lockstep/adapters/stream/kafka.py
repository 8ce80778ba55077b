"""Kafka as the broker: topics as they must be, exact appends, committed reads, owned partitions with transactions.

An owned partition has a producer of its own whose transactional id is made of the stage and the partition. Opening it
makes the broker end or abort what a former owner left open, and refuse that owner from then on. So recovery opens the
producer first and reads the state second, and each cut is one transaction of records, entries and positions.
"""

import asyncio
import collections
import contextlib
import functools
import json
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka import errors as kafka_errors
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import create_conn
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.protocol.admin import CreateTopicsRequest, DescribeConfigsRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.record.memory_records import MemoryRecords

from lockstep.adapters.stream.kafka_requests import TopicsRequest
from lockstep.adapters.stream.lean import take
from lockstep.errors import BrokerError, Fenced, SettingsError, StateError
from lockstep.ports import Batch, Cut, Ownership, Positions, Record, TopicInfo, TopicSpec, state_topic
from lockstep.settings import Settings
from lockstep.text.host import host_fault

log = structlog.get_logger("lockstep.kafka")

FORMAT = 1
POSITION = b"__position"
"""Key of the record that says, with each cut, which input the state has reached."""

PATIENCE_S = 60.0
"""How long a question is asked again before the broker counts as gone."""
REQUEST_S = 30.0
CONNECT_S = 5.0
LEAST_CONNECT_S = 0.1
"""How long one server is waited for when all of them are tried in turn; the least, where patience is about to end."""
TRANSACTION_S = 60.0
"""A transaction left open is aborted by the broker after this, if no next owner did it earlier."""
CLOSE_S = 2.0
METADATA_AGE_S = 10.0
MOST_RECORDS = 8_192
"""Records handed on at once, give or take one batch of the producer."""
BATCH_BYTES = 512 << 10
"""Of one of our batches; below the limit of any topic."""
FETCH_BYTES = 4 << 20
LARGEST_RECORD = 8 << 20
"""What topics that we create take; Kafka's own default is 1 MiB."""
COMPACTION_LAG_S = 3_600
STATE_SEGMENT_BYTES = 64 << 20
"""Compaction leaves the newest segment alone, and recovery reads it: it should not be Kafka's default of 1 GiB."""

EARLIEST, LATEST = -2, -1
TOPIC, NODE = 2, 4
"""Kinds of configuration."""

T = TypeVar("T")
TP = tuple[str, int]

FENCED = (kafka_errors.ProducerFenced, kafka_errors.InvalidProducerEpoch, kafka_errors.InvalidProducerIdMapping)
FORBIDDEN = (
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.GroupAuthorizationFailedError,
    kafka_errors.ClusterAuthorizationFailedError,
    kafka_errors.TransactionalIdAuthorizationFailed,
)
TOO_LARGE = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)


def servers_of(url: str) -> list[str]:
    """host:port of each broker in kafka://HOST[:PORT][,HOST[:PORT]]."""
    names = [n.strip() for n in url.removeprefix("kafka://").rstrip("/").split(",")]
    if not all(names):
        raise SettingsError(f"LOCKSTEP_BROKER: '{url}' names no broker; write kafka://HOST:PORT[,HOST:PORT]")
    servers = []
    for name in names:
        host, _, port = name.rpartition(":") if ":" in name.rsplit("]", 1)[-1] else (name, "", "9092")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise SettingsError(f"LOCKSTEP_BROKER: '{name}' in '{url}' is no HOST:PORT; write kafka://HOST:PORT")
        fault = host_fault(host)
        if fault is not None:
            raise SettingsError(f"LOCKSTEP_BROKER: {'; '.join(fault)}")
        servers.append(f"{host}:{port}")
    return servers


def client_options(settings: Settings) -> dict[str, Any]:
    """What every client of the library needs to know to get in. Raises SettingsError."""
    protocol = settings.kafka_security_protocol.upper()
    options: dict[str, Any] = {
        "bootstrap_servers": servers_of(settings.broker),
        "client_id": settings.app_id,
        "security_protocol": protocol,
        "metadata_max_age_ms": round(METADATA_AGE_S * 1000),
        "request_timeout_ms": round(REQUEST_S * 1000),
    }
    if protocol not in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"):
        raise SettingsError(
            f"LOCKSTEP_KAFKA_SECURITY_PROTOCOL: '{protocol}'; write PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
        )
    if protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(settings)
    if protocol.startswith("SASL"):
        if settings.kafka_sasl_username is None or settings.kafka_sasl_password is None:
            raise SettingsError(
                f"{protocol} needs a user: set LOCKSTEP_KAFKA_SASL_USERNAME and LOCKSTEP_KAFKA_SASL_PASSWORD"
            )
        mechanism = settings.kafka_sasl_mechanism.upper()
        if mechanism not in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
            raise SettingsError(
                f"LOCKSTEP_KAFKA_SASL_MECHANISM: '{mechanism}'; write PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
            )
        options["sasl_mechanism"] = mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    return options


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
        if settings.kafka_ssl_certfile is not None:
            context.load_cert_chain(settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"the TLS files cannot be used: {error}; "
            "see LOCKSTEP_KAFKA_SSL_CAFILE, LOCKSTEP_KAFKA_SSL_CERTFILE and LOCKSTEP_KAFKA_SSL_KEYFILE"
        ) from error
    return context


class FloodFilter(logging.Filter):
    """Lets one record of a kind through in EVERY_S; the client writes 75 errors a second while a broker is away."""

    EVERY_S = 30.0

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = (record.name, str(record.msg))
        last, held = self._kinds.get(kind, (None, 0))
        if last is not None and record.created - last < self.EVERY_S:
            self._kinds[kind] = (last, held + 1)
            return False
        self._kinds[kind] = (record.created, 0)
        if held:
            record.msg = f"{record.msg} (and {held} more like this in {record.created - (last or 0):.0f} s)"
        return True


_FLOOD = FloodFilter()


def limit_client_logs() -> None:
    """Put the filter on every logger of the client: one on a parent would not see the records of its children."""
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.partition(".")[0] == "aiokafka" and isinstance(logger, logging.Logger):
            logger.addFilter(_FLOOD)


@dataclass(frozen=True)
class _Topic:
    """A topic as the broker describes it."""

    info: TopicInfo
    replicas: int
    led: bool
    config: Mapping[str, str]


class KafkaBroker:
    """ports.Broker on a Kafka cluster, 3.1 or newer."""

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime], patience_s: float | None = None) -> None:
        """patience_s: how long `start` waits for a cluster that is away; None: for ever, as a service does."""
        self.settings = settings
        self._patience_s = patience_s
        self.options = client_options(settings)
        self._clock = clock
        self._running: AIOKafkaClient | None = None
        self._producer: AIOKafkaProducer | None = None
        self._producer_lock = asyncio.Lock()
        self._partitioner = DefaultPartitioner()
        self._known: set[str] = set()
        self.inside_cut_s = 0.0
        """Test only: wait between writing a cut and committing it."""

    @property
    def client(self) -> AIOKafkaClient:
        if self._running is None:
            raise BrokerError(f"{self.settings.broker}: the broker has not answered yet, or is being left")
        return self._running

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

    # ---- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        limit_client_logs()
        loop = asyncio.get_running_loop()
        began, delay, said = loop.time(), 0.2, False

        def left_s() -> float | None:
            return None if self._patience_s is None else began + self._patience_s - loop.time()

        while (reason := await self._connect(left_s())) is not None:
            left = left_s()
            if left is not None:
                if left <= 0:
                    raise BrokerError(
                        f"{self.settings.broker}: no broker answers: {reason}; is it running, is the address right?"
                    )
                # A pause that has grown must not take more than is left: it was asked for in seconds, not in tries.
                delay = min(delay, left)
            elif not said:
                log.warning("waiting for the broker", broker=self.settings.broker, reason=reason)
                said = True
            await asyncio.sleep(delay)
            delay = min(delay * 1.5, 5.0)
        if said:
            log.info("the broker answers", waited_s=round(loop.time() - began, 1))

    async def _connect(self, left_s: float | None) -> str | None:
        """Why there is no connection yet; None when there is one. Raises SettingsError for what waiting cannot cure.

        left_s: how long all servers may take together; None: CONNECT_S each, as long as it takes then.
        """
        reasons = []
        servers = self.options["bootstrap_servers"]
        each_s = CONNECT_S if left_s is None else min(CONNECT_S, max(LEAST_CONNECT_S, left_s / len(servers)))
        for server in servers:
            host, _, port = server.rpartition(":")
            options = {
                k: v for k, v in self.options.items() if k not in ("bootstrap_servers", "metadata_max_age_ms")
            } | {"request_timeout_ms": round(CONNECT_S * 1000)}
            try:
                # Tried by itself because the client's own start says neither why it failed nor when to try again.
                # Its own timeout is one for each step, and to connect is several.
                async with asyncio.timeout(each_s):
                    connection = await create_conn(host.strip("[]"), int(port), **options)
            except ssl.SSLCertVerificationError as error:
                raise SettingsError(
                    f"{server}: its certificate is not trusted: {error.verify_message}; see LOCKSTEP_KAFKA_SSL_CAFILE"
                ) from error
            except (kafka_errors.SaslAuthenticationFailed, kafka_errors.UnsupportedSaslMechanismError) as error:
                raise SettingsError(
                    f"{server} does not let us in: {error}; see LOCKSTEP_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD"
                ) from error
            except (KafkaError, OSError, TimeoutError) as error:
                reasons.append(f"{server}: {str(error) or 'no answer'}")
                continue
            await connection.close()
            client = AIOKafkaClient(**self.options)
            try:
                async with asyncio.timeout(left_s):
                    await client.bootstrap()
            except (KafkaError, TimeoutError) as error:
                await client.close()
                reasons.append(f"{server}: {str(error) or 'no answer'}")
                continue
            self._running = client
            return None
        return "; ".join(reasons)

    async def stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await close_producer(producer)
        client, self._running = self._running, None
        if client is not None:
            await client.close()

    async def _ask(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer, at most PATIENCE_S. Raises BrokerError."""
        loop = asyncio.get_running_loop()
        end, delay = loop.time() + PATIENCE_S, 0.05
        while True:
            try:
                return await attempt()
            except FORBIDDEN as error:
                raise SettingsError(f"{what}: Kafka does not allow it: {error}; give this user the rights") from error
            except NotImplementedError as error:
                raise SettingsError(f"{what}: this Kafka is too old; use 3.1 or newer") from error
            except (KafkaError, OSError, TimeoutError) as error:
                if loop.time() > end:
                    raise BrokerError(f"{what}: the broker did not answer for {PATIENCE_S:.0f} s: {error!r}") from error
                with contextlib.suppress(KafkaError, OSError, TimeoutError):
                    async with asyncio.timeout(delay):  # asyncio.wait_for of 3.11 may swallow a cancellation
                        await self.client.force_metadata_update()
                await asyncio.sleep(delay)
                delay = min(delay * 2, 1.0)

    async def _any_node(self, request: Any) -> Any:
        return await self.client.send(self.client.get_random_node(), request)

    # ---- topics ---------------------------------------------------------------------------------------------------

    async def describe(self, topics: Iterable[str]) -> Mapping[str, TopicInfo]:
        return {name: t.info for name, t in (await self._topics(list(topics))).items()}

    async def _topics(self, names: Sequence[str]) -> dict[str, _Topic]:
        if not names:
            return {}
        return await self._ask(f"describing {', '.join(names)}", lambda: self._try_topics(names))

    async def _try_topics(self, names: Sequence[str]) -> dict[str, _Topic]:
        response = await self._any_node(TopicsRequest(list(names)))
        rows = {}
        for row in response.to_object()["topics"]:
            error = kafka_errors.for_code(row["error_code"])
            if error is kafka_errors.NoError:
                rows[row["name"]] = row
            elif error is not kafka_errors.UnknownTopicOrPartitionError:
                raise error(row["name"])
        configs = await self._configs(TOPIC, list(rows))
        found = {}
        for name, row in rows.items():
            config = configs[name]
            policy = {p.strip() for p in config["cleanup.policy"].split(",")}
            kept_ms = int(config["retention.ms"]) if "delete" in policy else -1
            info = TopicInfo(
                name,
                str(row["topic_id"]),
                len(row["partitions"]),
                "compact" in policy,
                config["message.timestamp.type"] == "LogAppendTime",
                None if kept_ms < 0 else kept_ms // 1000,
            )
            replicas = min(len(p["replicas"]) for p in row["partitions"])
            found[name] = _Topic(info, replicas, all(p["leader"] >= 0 for p in row["partitions"]), config)
        missing = [name for name in names if name not in rows]
        if missing and await self._is_known_elsewhere(missing):
            raise kafka_errors.LeaderNotAvailableError(", ".join(missing))
        return found

    async def _is_known_elsewhere(self, names: Sequence[str]) -> bool:
        """Whether any node knows any of these topics: another one may not have heard of a new topic yet."""
        nodes = [broker.nodeId for broker in self.client.cluster.brokers()]
        for node in nodes if len(nodes) > 1 else ():
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                response = await self.client.send(node, TopicsRequest(list(names)))
                if any(row["error_code"] == 0 for row in response.to_object()["topics"]):
                    return True
        return False

    async def _configs(self, kind: int, names: Sequence[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        request = DescribeConfigsRequest([(kind, name, None) for name in names])
        response = await (self.client.send(int(names[0]), request) if kind == NODE else self._any_node(request))
        found = {}
        for code, message, _, name, entries in response.resources:
            error = kafka_errors.for_code(code)
            if error is not kafka_errors.NoError:
                raise error(message)
            found[name] = {entry[0]: entry[1] for entry in entries}
        return found

    async def declare(self, specs: Sequence[TopicSpec]) -> None:
        known = await self._topics([s.name for s in specs])
        missing = [s for s in specs if s.name not in known]
        if missing:
            replication = await self._replication()
            await self._ask("creating topics", lambda: self._create(missing, replication))
            known |= await self._ask("creating topics", lambda: self._created([s.name for s in missing]))
            if replication == 1:
                log.warning(
                    "topics are kept once: a broker's disk lost is events lost; set LOCKSTEP_KAFKA_REPLICATION=3",
                    topics=[s.name for s in missing],
                )
        for spec in specs:
            self._check(spec, known[spec.name])

    async def _replication(self) -> int:
        """What is set, else the broker's default."""
        if self.settings.kafka_replication:
            return self.settings.kafka_replication

        async def default() -> int:
            node = str(self.client.get_random_node())
            return int((await self._configs(NODE, [node]))[node]["default.replication.factor"])

        try:
            return await self._ask("reading the default replication", default)
        except SettingsError as error:
            raise SettingsError(f"{error}, or set LOCKSTEP_KAFKA_REPLICATION") from error

    async def _create(self, specs: Sequence[TopicSpec], replication: int) -> None:
        wanted: list[Any] = [
            (s.name, s.partitions, replication, [], list(_config(s, replication).items())) for s in specs
        ]
        controller = self.client.cluster.controller
        request = CreateTopicsRequest(wanted, timeout=round(REQUEST_S * 1000), validate_only=False)
        if controller is None:
            raise kafka_errors.NotControllerError
        response = await self.client.send(controller.nodeId, request)
        for name, code, message in response.topic_errors:
            error = kafka_errors.for_code(code)
            if error in (kafka_errors.NoError, kafka_errors.TopicAlreadyExistsError):
                continue  # another worker may have been quicker
            if error is kafka_errors.InvalidReplicationFactorError:
                raise SettingsError(
                    f"topic '{name}' cannot be kept {replication} times: {message}; "
                    "start more brokers or lower LOCKSTEP_KAFKA_REPLICATION"
                )
            if error.retriable or error in FORBIDDEN:
                raise error(message)
            raise SettingsError(f"topic '{name}' cannot be created: {message or error.__name__}; create it by hand")

    async def _created(self, names: Sequence[str]) -> dict[str, _Topic]:
        """The answer of the first node that knows all of them; another one may not have heard of them yet."""
        found = await self._try_topics(names)
        if len(found) < len(names) or not all(t.led for t in found.values()):
            raise kafka_errors.LeaderNotAvailableError
        return found

    def _check(self, spec: TopicSpec, topic: _Topic) -> None:
        info, policy = topic.info, topic.config["cleanup.policy"]
        if info.partitions != spec.partitions:
            raise SettingsError(
                f"topic '{spec.name}' has {info.partitions} partitions but must have {spec.partitions} partitions; "
                "set the partitions back, or delete the topic while no worker runs"
            )
        must = "compact" if spec.compacted else "delete"
        if policy != must:
            be = "be" if spec.compacted else "not be"
            raise SettingsError(
                f"topic '{spec.name}' has cleanup.policy={policy} but must {be} compacted; "
                f"kafka-configs --alter --topic {spec.name} --add-config cleanup.policy={must}"
            )
        if topic.replicas >= 3 and int(topic.config["min.insync.replicas"]) < 2:
            log.warning(
                "what the topic acknowledges can be lost with one broker; set min.insync.replicas=2", topic=spec.name
            )

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
        found, ends = await asyncio.gather(self._offsets(tps, at_ms), self.ends(tps))
        return {p: found[topic, p] if found[topic, p] >= 0 else ends[topic, p] for _, p in tps}

    async def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Where what is committed ends."""
        return await self._offsets([(topic, p) for topic, p in tps], LATEST)

    async def _offsets(self, tps: Sequence[TP], place: int) -> dict[TP, int]:
        """place: EARLIEST, LATEST, or a time in Unix milliseconds, for which -1 means that nothing is that new."""
        for topic in {topic for topic, _ in tps}:
            await self._know(topic)
        where = ", ".join(f"{topic}/{p}" for topic, p in tps)
        return await self._ask(f"asking for the offsets of {where}", lambda: self._try_offsets(tps, place))

    async def _try_offsets(self, tps: Sequence[TP], place: int) -> dict[TP, int]:
        nodes: dict[int, dict[str, list[tuple[int, int]]]] = {}
        for topic, p in tps:
            nodes.setdefault(self._leader(topic, p), {}).setdefault(topic, []).append((p, place))
        requests = [OffsetRequest(-1, READ_COMMITTED, list(topics.items())) for topics in nodes.values()]
        found = {}
        for response in await asyncio.gather(*map(self.client.send, nodes, requests)):
            for topic, rows in response.topics:
                for p, code, _, offset, *_ in rows:
                    error = kafka_errors.for_code(code)
                    if error is not kafka_errors.NoError:
                        raise error(f"{topic}/{p}")
                    found[topic, p] = offset
        return found

    def _leader(self, topic: str, partition: int) -> int:
        leader = self.client.cluster.leader_for_partition(TopicPartition(topic, partition))
        if leader is None or leader < 0:
            raise kafka_errors.LeaderNotAvailableError(f"{topic}/{partition}")
        return int(leader)

    async def _know(self, topic: str) -> list[int]:
        """Follow this topic's metadata; its partitions. Only of what exists: the client's own request may create."""
        if topic not in self._known:
            if topic not in await self._topics([topic]):
                raise BrokerError(f"there is no topic '{topic}'", retryable=False)
            self._known.add(topic)

        async def partitions() -> list[int]:
            await self.client.add_topic(topic)
            # Metadata of fewer topics, asked for a moment earlier, may have replaced what we had.
            found = self.client.cluster.partitions_for_topic(topic)
            if found is None:
                await self.client.force_metadata_update()
                raise kafka_errors.LeaderNotAvailableError(topic)
            return sorted(found)

        return await self._ask(f"finding {topic}", partitions)

    async def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Batch]:
        await self._know(topic)
        earliest, last = (await self._bounds(topic, [partition]))[partition]
        position, end, before, nothing = max(start, earliest), min(end, last), start, 0
        while position < end:
            attempt = functools.partial(self._fetch, topic, partition, position)
            records, stable = await self._ask(f"reading {topic}/{partition}", attempt)
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
        tp = TopicPartition(topic, partition)
        aborted = [(a["producer_id"], a["first_offset"]) for a in row["aborted_transactions"] or ()]
        records = PartitionRecords(
            tp, MemoryRecords(row["message_set"]), aborted, position, None, None, True, READ_COMMITTED
        )
        return records, row["last_stable_offset"]

    # ---- writing --------------------------------------------------------------------------------------------------

    async def publish(self, records: Sequence[Record]) -> list[tuple[int, int]]:
        if not records:
            return []
        placed = await self.placed(records)
        producer = await self._publisher()
        try:
            return await self.send(producer, placed)
        except BrokerError:
            # Its sequence numbers may have a hole now, and the broker would refuse everything after it.
            if self._producer is producer:
                self._producer = None
                await close_producer(producer)
            raise

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

        return await self._ask("opening a producer", attempt)

    async def placed(self, records: Sequence[Record]) -> list[tuple[Record, int]]:
        """Each record with its partition."""
        partitions = {topic: await self._know(topic) for topic in {r.topic for r in records}}
        found = []
        for record in records:
            every = partitions[record.topic]
            place = record.partition
            if place is None:
                place = self._partitioner(record.key, every, every)
            elif place not in every:
                raise BrokerError(f"there is no topic '{record.topic}' with partition {place}", retryable=False)
            found.append((record, place))
        return found

    async def send(self, producer: AIOKafkaProducer, placed: Sequence[tuple[Record, int]]) -> list[tuple[int, int]]:
        """Write batches of our own making, in order in each partition; returns when all are durable."""
        groups: dict[TP, list[int]] = collections.defaultdict(list)
        for i, (record, partition) in enumerate(placed):
            groups[record.topic, partition].append(i)
        now_ms = round(self._clock().timestamp() * 1000)
        offsets = [(0, 0)] * len(placed)

        async def one(tp: TP, indexes: Sequence[int]) -> None:
            batches = []
            builder, held = producer.create_batch(), list[int]()
            for i in indexes:
                record = placed[i][0]
                fields = {"timestamp": now_ms, "key": record.key, "value": record.value}
                headers = list(record.headers)
                if builder.append(**fields, headers=headers) is None:
                    batches.append((held, await _submit(producer, builder, tp)))
                    builder, held = producer.create_batch(), []
                    builder.append(**fields, headers=headers)
                held.append(i)
            batches.append((held, await _submit(producer, builder, tp)))
            results = await asyncio.gather(*(future for _, future in batches), return_exceptions=True)
            for (held, _), result in zip(batches, results, strict=True):
                if isinstance(result, BaseException):
                    raise _unsent(tp[0], [placed[i][0] for i in held], result) from result
                for n, i in enumerate(held):
                    offsets[i] = (tp[1], result.offset + n)

        outcomes = await asyncio.gather(*(one(tp, i) for tp, i in groups.items()), return_exceptions=True)
        failures = [
            _unsent(tp[0], [], o) if isinstance(o, KafkaError) else o
            for tp, o in zip(groups, outcomes, strict=True)
            if o is not None
        ]
        # The fence makes other sends fail in other ways; it is the cause.
        for failure in sorted(failures, key=lambda f: not isinstance(f, Fenced)):
            raise failure
        return offsets

    # ---- owned partitions -----------------------------------------------------------------------------------------

    def own(self, stage: str, partition: int) -> Ownership:
        return _KafkaOwnership(self, stage, partition)


async def _submit(producer: AIOKafkaProducer, builder: Any, tp: TP) -> "asyncio.Future[Any]":
    """Queue a batch. The queue is full while the broker is away; then this waits, as long as that takes."""
    while True:
        try:
            future: asyncio.Future[Any] = await producer.send_batch(builder, tp[0], partition=tp[1])
        except kafka_errors.KafkaTimeoutError:
            continue
        return future


def _unsent(topic: str, records: Sequence[Record], error: BaseException) -> BrokerError:
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


def _config(spec: TopicSpec, replication: int) -> dict[str, str]:
    config = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(LARGEST_RECORD)}
    if replication >= 3:
        config["min.insync.replicas"] = "2"
    if spec.compacted:
        config["cleanup.policy"] = "compact"
        config["min.compaction.lag.ms"] = str(COMPACTION_LAG_S * 1000)
        config["segment.bytes"] = str(STATE_SEGMENT_BYTES)
    else:
        config["cleanup.policy"] = "delete"
        config["retention.ms"] = "-1" if spec.retention_s is None else str(spec.retention_s * 1000)
    return config


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


class _KafkaOwnership:
    """ports.Ownership: a transactional producer, and one partition of the compacted topic lockstep.<stage>-state."""

    def __init__(self, broker: KafkaBroker, stage: str, partition: int) -> None:
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
