"""What only Kafka has: transactions in foreign topics, codecs, retention by configuration, brokers that are away."""

import asyncio
import gc
import logging
import selectors
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from faust.types import TP
from kafka_for_tests import Broker, held_ports
from structlog.testing import capture_logs

from lockstep.adapters.stream import transport_for
from lockstep.adapters.stream.kafka.broker import BATCH_BYTES, KafkaBroker
from lockstep.adapters.stream.kafka.client_logs import FloodFilter
from lockstep.adapters.stream.kafka.connection import LEAST_CONNECT_S
from lockstep.adapters.stream.kafka.options import client_options, servers_of
from lockstep.adapters.stream.kafka.topics import LARGEST_RECORD
from lockstep.adapters.stream.kafka.transport import assignor_for
from lockstep.adapters.stream.lanes import SourceSpec, StageSpec
from lockstep.adapters.stream.runtime import Runtime
from lockstep.errors import BrokerError, Fenced, SettingsError
from lockstep.ports import Batch, Cut, Record, TopicSpec
from lockstep.settings import Settings
from lockstep.worker.required_topics import prepare

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def name() -> str:
    """A topic, stage or group that no other test uses."""
    return f"t-{uuid4().hex[:8]}"


@pytest.fixture
async def broker(kafka_address: str, name: str) -> AsyncIterator[KafkaBroker]:
    opened = KafkaBroker(Settings(broker=f"kafka://{kafka_address}", app_id=name), clock=lambda: NOW)
    await opened.start()
    yield opened
    await opened.stop()


async def topic(broker: KafkaBroker, name: str, partitions: int = 1) -> str:
    await broker.declare([TopicSpec(name, partitions, retention_s=3600)])
    return name


async def values(broker: KafkaBroker, name: str) -> list[bytes | None]:
    start, end = (await broker.bounds(name))[0]
    return [v async for batch in broker.read(name, 0, start, end) for v in batch.values]


async def marked(broker: KafkaBroker, name: str, expected: list[bytes]) -> None:
    """Exactly this is read as soon as the markers of the transactions before are in the topic.

    Kafka answers a commit or an abort before its markers have reached every partition. Until then a reader sees less,
    never anything else; a transaction that nobody ended would hold it up for TRANSACTION_S, six times this patience.
    """
    async with asyncio.timeout(10):
        while (found := await values(broker, name)) != expected:
            assert found == expected[: len(found)]
            await asyncio.sleep(0.01)


async def transaction(producer: AIOKafkaProducer, name: str, texts: list[str], *, commit: bool) -> None:
    await producer.begin_transaction()
    for text in texts:
        await producer.send_and_wait(name, text.encode(), partition=0)
    await (producer.commit_transaction() if commit else producer.abort_transaction())


@pytest.mark.kafka
@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_compressed_topics_are_read(broker: KafkaBroker, kafka_address: str, name: str, codec: str) -> None:
    await topic(broker, name)
    sent = [f"order {i} " * 20 for i in range(300)]
    async with AIOKafkaProducer(bootstrap_servers=kafka_address, compression_type=codec) as producer:
        for text in sent:
            await producer.send(name, text.encode(), partition=0)
        await producer.flush()
    assert await values(broker, name) == [s.encode() for s in sent]


@pytest.mark.kafka
async def test_what_was_aborted_is_not_read(broker: KafkaBroker, kafka_address: str, name: str) -> None:
    """Aborted records and markers in the middle and at the end; what is still open is behind the end."""
    await topic(broker, name)
    async with AIOKafkaProducer(bootstrap_servers=kafka_address, transactional_id=name) as producer:
        await transaction(producer, name, ["a", "b"], commit=True)
        await transaction(producer, name, ["lost"], commit=False)
        await transaction(producer, name, ["c"], commit=True)
        await transaction(producer, name, ["lost", "lost"], commit=False)
        async with asyncio.timeout(10):
            while await broker.bounds(name) != {0: (0, 10)}:
                await asyncio.sleep(0.01)
        assert await values(broker, name) == [b"a", b"b", b"c"]
        await producer.begin_transaction()
        await producer.send_and_wait(name, b"open", partition=0)
        assert await broker.bounds(name) == {0: (0, 10)}
        await producer.commit_transaction()
    await marked(broker, name, [b"a", b"b", b"c", b"open"])


@pytest.mark.kafka
async def test_a_topic_made_again_has_another_id(broker: KafkaBroker, kafka_address: str, name: str) -> None:
    """Offsets of the old one mean nothing in the new one, so it must be seen."""
    await topic(broker, name)
    before = (await broker.describe([name]))[name]
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_address)
    await admin.start()
    await admin.delete_topics([name])
    await admin.close()
    async with asyncio.timeout(10):
        while await broker.describe([name]):
            await asyncio.sleep(0.01)
    await topic(broker, name)
    after = (await broker.describe([name]))[name]
    assert before.id != after.id
    assert (after.append_time, after.retention_s, after.compacted) == (True, 3600, False)


@pytest.mark.kafka
async def test_state_topics_are_compacted_late(broker: KafkaBroker, name: str) -> None:
    await broker.declare([TopicSpec(name, 1, compacted=True)])
    config = (await broker.topics.find([name]))[name].config
    assert config["cleanup.policy"] == "compact"
    assert int(config["min.compaction.lag.ms"]) >= 3_600_000
    assert (await broker.describe([name]))[name].retention_s is None


@pytest.mark.kafka
async def test_records_of_every_size(broker: KafkaBroker, name: str) -> None:
    """Larger than a batch and than Kafka's own limit; too large even for our topics is a clear error, and over."""
    await topic(broker, name)
    sizes = [10, BATCH_BYTES + 1, 3 << 20, 10]
    await broker.publish([Record(name, b"x" * size, partition=0) for size in sizes])
    assert [len(v or b"") for v in await values(broker, name)] == sizes
    with pytest.raises(BrokerError, match=r"refuses a record of \d+ bytes; raise its max.message.bytes") as caught:
        await broker.publish([Record(name, b"x" * (LARGEST_RECORD + 1), partition=0)])
    assert name in str(caught.value)
    assert not caught.value.retryable
    await broker.publish([Record(name, b"after", partition=0)])
    assert (await values(broker, name))[-1] == b"after"


@pytest.mark.kafka
async def test_what_is_published_at_one_time_goes_together(broker: KafkaBroker, name: str) -> None:
    """Each hears where its own records are, in its order; what is too large costs only who published it."""
    name = await topic(broker, name)
    large, lost = [Record(name, bytes(LARGEST_RECORD + 1), partition=0)], [Record(f"{name}-missing", b"x")]
    several = [[Record(name, b"%d-%d" % (who, n), partition=0) for n in range(3)] for who in range(20)]
    await broker.publish([Record(name, b"first", partition=0)])  # all that follow know the topic, and go in one request
    outcomes = await asyncio.gather(
        *(broker.publish(records) for records in [*several[:5], large, *several[5:10], large, *several[10:], lost]),
        return_exceptions=True,
    )
    missing = outcomes.pop()
    too_large = [outcomes.pop(11), outcomes.pop(5)]
    places = outcomes
    assert all("refuses a record" in str(refused) for refused in too_large)
    assert "there is no topic" in str(missing)
    assert await broker.publish([Record(name, b"later")])
    read = await values(broker, name)
    for who, found in enumerate(places):
        assert isinstance(found, list)
        assert [read[offset] for _, offset in found] == [b"%d-%d" % (who, n) for n in range(3)]
    assert len(read) == 62


@pytest.mark.kafka
async def test_a_cut_that_is_refused_leaves_nothing(broker: KafkaBroker, name: str) -> None:
    """An entry beyond the limit: nothing of the cut is seen, and no reader of the topics has to wait for it."""
    await topic(broker, name)
    await broker.declare([TopicSpec(f"lockstep.{name}-state", 1, compacted=True)])
    owned = broker.own(name, 0)
    await owned.recover()
    with pytest.raises(BrokerError, match=f"lockstep.{name}-state"):
        await owned.cut(Cut([Record(name, b"alert")], {b"k": b"x" * (LARGEST_RECORD + 1)}), {("s", 0): 1})
    await owned.close()
    await broker.publish([Record(name, b"next", partition=0)])
    await marked(broker, name, [b"next"])
    again = broker.own(name, 0)
    assert await again.recover() == ({}, {})
    await again.close()


@pytest.mark.kafka
async def test_a_fence_leaves_no_error_that_nobody_reads(broker: KafkaBroker, name: str) -> None:
    """Batches that wait behind the fenced one fail too; an unread failure would be logged whenever Python tidies up."""
    unread: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unread.append(context))
    await topic(broker, name)
    await broker.declare([TopicSpec(f"lockstep.{name}-state", 1, compacted=True)])
    old, new = broker.own(name, 0), broker.own(name, 0)
    await old.recover()
    await new.recover()
    batches = [Record(name, b"x" * (BATCH_BYTES - 1000), partition=0) for _ in range(3)]
    with pytest.raises(Fenced):
        await old.cut(Cut(batches), {})
    await old.close()
    await new.close()
    gc.collect()
    assert unread == []


@pytest.mark.kafka
async def test_missing_input_topics_are_named(broker: KafkaBroker, name: str) -> None:
    settings = Settings(
        broker=broker.settings.broker, create_source_topics=False, topic_orders=f"{name}-a", topic_traffic=f"{name}-b"
    )
    assert {f"{name}-a", f"{name}-b"} <= set(await prepare(settings, broker))
    await topic(broker, f"{name}-a")
    missing = await prepare(settings, broker)
    assert f"{name}-b" in missing
    assert f"{name}-a" not in missing


@pytest.mark.kafka
async def test_a_broker_that_is_down_is_waited_for(tmp_path: Path, kafka_libs: Path) -> None:
    """One line that it waits and for what, one that it answers, and nothing from the client's log."""
    kafka = Broker(tmp_path, libs=kafka_libs)
    opened = KafkaBroker(Settings(broker=f"kafka://{kafka.address}"), clock=lambda: NOW)
    with capture_logs() as said:
        starting = asyncio.create_task(opened.start())
        try:
            await asyncio.to_thread(kafka.start)
            await asyncio.to_thread(kafka.wait_ready)
            await asyncio.wait_for(starting, 30)
            assert await opened.describe(["orders"]) == {}
        finally:
            starting.cancel()
            await opened.stop()
            kafka.kill()
    assert [line["event"] for line in said] == ["waiting for the broker", "the broker answers"]
    assert kafka.address in said[0]["reason"]


class _Skipping(selectors.DefaultSelector):
    """Where a loop would sleep, its clock goes on at once instead; what is ready comes first."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing would ever happen here")
        if not ready and timeout is not None:
            self.now += timeout
        return ready


def _skipping_loop() -> asyncio.AbstractEventLoop:
    """For peers in the same process, and servers that answer when the kernel does: there, only time is waited for."""
    selector = _Skipping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign] # the seam that asyncio has for a clock
    return loop


@pytest.mark.parametrize(
    ("servers", "reasons"),
    [
        pytest.param(("closed",), ("Connect call failed",), id="nobody listens: its pauses grow"),
        pytest.param(("silent",), ("no answer",), id="somebody listens and says nothing"),
        pytest.param(("silent", "closed"), ("no answer", "Connect call failed"), id="every server has its share"),
    ],
)
def test_patience_is_in_seconds(servers: tuple[str, ...], reasons: tuple[str, ...]) -> None:
    """Neither a pause nor a try goes on beyond it, but for the least that a try is given."""

    async def took() -> float:
        heard: list[asyncio.StreamWriter] = []
        silent = await asyncio.start_server(lambda _, writer: heard.append(writer), "127.0.0.1", 0)
        ports = {"silent": silent.sockets[0].getsockname()[1], "closed": 9}
        url = "kafka://" + ",".join(f"127.0.0.1:{ports[server]}" for server in servers)
        opened = KafkaBroker(Settings(broker=url), clock=lambda: NOW, patience_s=2.8)
        began = asyncio.get_running_loop().time()
        with pytest.raises(BrokerError, match="no broker answers") as raised:
            await opened.start()
        ended = asyncio.get_running_loop().time()
        for writer in heard:
            writer.close()
            await writer.wait_closed()
        silent.close()
        await silent.wait_closed()
        assert all(reason in str(raised.value) for reason in reasons), raised.value
        return ended - began

    with asyncio.Runner(loop_factory=_skipping_loop) as runner:
        assert runner.run(took()) == pytest.approx(2.8, abs=LEAST_CONNECT_S + 0.001)


def test_held_ports_are_let_go_at_the_end() -> None:
    """Or every run of the tests ends in warnings of sockets that nobody closed."""
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import broker; broker.held_ports(2)"
    done = subprocess.run(
        [sys.executable, "-W", "always::ResourceWarning", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


@pytest.mark.kafka
async def test_a_user_and_a_password(tmp_path: Path, kafka_libs: Path, name: str) -> None:
    """SASL reaches every client: topics, publishing, transactions; a wrong password is the operator's, at once."""
    port, controller = held_ports(2)
    kafka = Broker(
        tmp_path,
        libs=kafka_libs,
        ports=[port, controller],
        listeners=f"SASL://127.0.0.1:{port},CTL://127.0.0.1:{controller}",
        advertised_listeners=f"SASL://127.0.0.1:{port}",
        inter_broker_listener_name="SASL",
        listener_security_protocol_map="SASL:SASL_PLAINTEXT,CTL:PLAINTEXT",
        sasl_enabled_mechanisms="PLAIN",
        sasl_mechanism_inter_broker_protocol="PLAIN",
        listener_name_sasl_plain_sasl_jaas_config="org.apache.kafka.common.security.plain.PlainLoginModule required"
        ' username="kafka" password="inner" user_kafka="inner" user_lockstep="secret";',
    ).start()

    def settings(password: str) -> Settings:
        return Settings(
            broker=f"kafka://{kafka.address}",
            app_id=name,
            kafka_security_protocol="SASL_PLAINTEXT",
            kafka_sasl_username="lockstep",
            kafka_sasl_password=password,
        )

    try:
        user = {"sasl_plain_username": "lockstep", "sasl_plain_password": "secret"}
        await asyncio.to_thread(kafka.wait_ready, security_protocol="SASL_PLAINTEXT", **user)
        opened = KafkaBroker(settings("secret"), clock=lambda: NOW)
        await opened.start()
        with pytest.raises(SettingsError, match="LOCKSTEP_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD"):
            await KafkaBroker(settings("wrong"), clock=lambda: NOW).start()
        await topic(opened, name)
        await opened.declare([TopicSpec(f"lockstep.{name}-state", 1, compacted=True)])
        owned = opened.own(name, 0)
        await owned.recover()
        await owned.cut(Cut([Record(name, b"a")]), {("s", 0): 1})
        await owned.close()
        await opened.publish([Record(name, b"b")])
        async with running(opened, name, f"{name}-samples") as (_, collected):
            await until(lambda: collected.values == [b"a", b"b"])
        await opened.stop()
    finally:
        kafka.kill()


# ---- through Faust -------------------------------------------------------------------------------------------------


class Forward:
    """SourceStage: every value goes on as it is."""

    def __init__(self, to: str) -> None:
        self._to, self.start, self.position = to, 0, 0
        self._waiting: list[Record] = []
        self._next = 0
        self.at_end = False

    def feed(self, batch: Batch) -> None:
        self._waiting += [Record(self._to, v, partition=0) for v in batch.values]
        self._next = batch.next

    def observe(self, *, at_end: bool, now: datetime) -> None:
        self.at_end = at_end

    def flush(self, now: datetime) -> list[Record]:
        records, self._waiting = self._waiting, []
        self.position = self._next
        return records


class Collect:
    """ports.Stage: remembers what it was fed."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []

    def restore(self, entries: Any) -> None:
        """There is nothing to take back."""

    def feed(self, batch: Batch) -> None:
        self.values += batch.values

    def tick(self, now: datetime) -> None:
        """Time is nothing to it."""

    def cut(self) -> Cut:
        return Cut()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


class running:  # noqa: N801 # used like a function
    """A runtime that reads `source` through a meter into a stage."""

    def __init__(self, broker: KafkaBroker, source: str, samples: str) -> None:
        self.broker, self.source, self.samples = broker, source, samples
        self.meter, self.stage, self.reasons = Forward(samples), Collect(), list[str]()

    async def __aenter__(self) -> tuple[Runtime, Collect]:
        await topic(self.broker, self.samples)
        stage = self.broker.settings.app_id
        await self.broker.declare([TopicSpec(f"lockstep.{stage}-state", 1, compacted=True)])

        async def meter(*_: object) -> Forward:
            return self.meter

        self.runtime = Runtime(
            self.broker.settings,
            self.broker,
            transport=transport_for(self.broker.settings),
            sources=[SourceSpec(self.source, meter)],
            stages=[StageSpec(stage, (self.samples,), lambda _: self.stage)],
            clock=lambda: datetime.now(UTC),
            on_fatal=self.reasons.append,
            options=self.broker.faust_options(),
        )
        await self.runtime.start()
        return self.runtime, self.stage

    async def __aexit__(self, *_: object) -> None:
        await self.runtime.stop()
        assert self.reasons == []


@pytest.mark.kafka
@pytest.mark.parametrize("lean", [True, False], ids=["lean", "the client's own records"])
async def test_through_faust(kafka_address: str, name: str, lean: bool) -> None:
    """Aborted and compressed records, and markers at the log's end: all that is committed arrives once, in order, and
    the position reaches the end, or nobody would ever be called idle."""
    settings = Settings(broker=f"kafka://{kafka_address}", app_id=name, kafka_lean=lean, flush_interval=0.02)
    broker = KafkaBroker(settings, clock=lambda: NOW)
    await broker.start()
    try:
        await topic(broker, name)
        options = {"bootstrap_servers": kafka_address, "transactional_id": name, "compression_type": "zstd"}
        async with AIOKafkaProducer(**options) as producer:
            await transaction(producer, name, [f"a{i}" for i in range(20)], commit=True)
            await transaction(producer, name, ["lost"], commit=False)
            run = running(broker, name, f"{name}-samples")
            async with run as (runtime, stage):
                await until(lambda: len(stage.values) == 20)
                await transaction(producer, name, ["lost"], commit=False)
                await transaction(producer, name, ["b"], commit=True)
                await transaction(producer, name, ["lost"], commit=False)
                end = 20 + 1 + 4 * 2  # 20 records, their marker, and four of one with theirs
                await until(lambda: run.meter.position == end)
                await until(lambda: len(stage.values) == 21)
                await until(lambda: run.meter.at_end)
                await until(lambda: all(lane.lag == 0 for lane in runtime.status().lanes if lane.topic == name))
                async with asyncio.timeout(20):
                    # What was committed on the way is committed once more.
                    while await runtime.consumer.committed_positions({TP(name, 0)}) not in ({}, {TP(name, 0): end}):
                        await asyncio.sleep(0.01)
        assert stage.values == [*(f"a{i}".encode() for i in range(20)), b"b"]
    finally:
        await broker.stop()


@pytest.mark.kafka
async def test_a_stage_goes_on_with_what_retention_has_left(kafka_address: str, name: str) -> None:
    """Records that it had not read are gone: it says so, and reads the next ones at once."""
    settings = Settings(broker=f"kafka://{kafka_address}", app_id=name, flush_interval=0.02)
    broker = KafkaBroker(settings, clock=lambda: NOW)
    await broker.start()
    samples = f"{name}-samples"
    try:
        await topic(broker, name)
        async with running(broker, name, samples) as (_, stage):
            await broker.publish([Record(samples, b"read", partition=0)])
            await until(lambda: stage.values == [b"read"])
        await broker.publish([Record(samples, value, partition=0) for value in (b"gone", b"gone", b"left")])
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_address)
        await admin.start()
        await admin.delete_records({TopicPartition(samples, 0): RecordsToDelete(3)})
        await admin.close()
        with capture_logs() as said:
            async with running(broker, name, samples) as (_, stage):
                await until(lambda: stage.values == [b"left"])
        removed = [(line["from_"], line["to"]) for line in said if "were removed before" in line["event"]]
        assert removed == [(1, 3)]
    finally:
        await broker.stop()


# ---- without a broker ----------------------------------------------------------------------------------------------


class Cluster:
    """What an assignor asks of the client's metadata."""

    def __init__(self, **partitions: int) -> None:
        self._partitions = partitions

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        count = self._partitions.get(topic)
        return None if count is None else set(range(count))


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_what_belongs_together_is_assigned_together(workers: int) -> None:
    """Every partition once; evenly within a topic; alerts and commands to one worker."""
    cluster = Cluster(orders=4, samples=4, alerts=1, commands=1, plans=1)
    assignor = assignor_for([("samples",), ("alerts", "commands")])
    member = assignor.metadata(["orders", "samples", "alerts", "commands", "plans", "not made yet"])
    given = assignor.assign(cluster, {f"worker-{i}": member for i in range(workers)})
    assert len(given) == workers
    owners = [(t, p, who) for who, a in given.items() for t, parts in a.assignment for p in parts]
    assert sorted((t, p) for t, p, _ in owners) == sorted(
        [("alerts", 0), ("commands", 0), ("plans", 0), *((t, p) for t in ("orders", "samples") for p in range(4))]
    )
    assert len({who for t, _, who in owners if t in ("alerts", "commands")}) == 1
    for each in ("orders", "samples"):
        assert len({who for t, _, who in owners if t == each}) == min(workers, 4)


def test_a_flood_in_the_clients_log() -> None:
    """One of a kind in 30 s; the next one says how many were held back. Other kinds pass."""
    flood = FloodFilter()
    said = []
    for second in range(61):
        for message in ("Unable connect to node %s", "Failed fetch"):
            record = logging.LogRecord("aiokafka.client", logging.ERROR, "client.py", 1, message, (1,), None)
            record.created = float(second)
            if flood.filter(record):
                said.append((second, record.msg))
    assert said == [
        (0, "Unable connect to node %s"),
        (0, "Failed fetch"),
        (30, "Unable connect to node %s (and 29 more like this in 30 s)"),
        (30, "Failed fetch (and 29 more like this in 30 s)"),
        (60, "Unable connect to node %s (and 29 more like this in 30 s)"),
        (60, "Failed fetch (and 29 more like this in 30 s)"),
    ]


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("kafka://one:9092", ["one:9092"]),
        ("kafka://one", ["one:9092"]),
        ("kafka://one:1,two:2/", ["one:1", "two:2"]),
        ("kafka://[::1]:9093", ["[::1]:9093"]),
        ("kafka://[::1]", ["[::1]:9092"]),
    ],
)
def test_servers(url: str, servers: list[str]) -> None:
    assert servers_of(url) == servers


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"broker": "kafka://"}, "names no broker"),
        ({"broker": "kafka://one:port"}, "no HOST:PORT"),
        ({"broker": "kafka://one:99999"}, "no HOST:PORT"),
        ({"broker": "kafka://one:9092,a..b:9092"}, "LOCKSTEP_BROKER: 'a..b' is no host"),
        ({"kafka_security_protocol": "TLS"}, "LOCKSTEP_KAFKA_SECURITY_PROTOCOL: 'TLS'; write PLAINTEXT, SSL"),
        (
            {"kafka_security_protocol": "SASL_PLAINTEXT"},
            "LOCKSTEP_KAFKA_SASL_USERNAME and LOCKSTEP_KAFKA_SASL_PASSWORD",
        ),
        (
            {
                "kafka_security_protocol": "SASL_PLAINTEXT",
                "kafka_sasl_username": "u",
                "kafka_sasl_password": "p",
                "kafka_sasl_mechanism": "GSSAPI",
            },
            "LOCKSTEP_KAFKA_SASL_MECHANISM: 'GSSAPI'; write PLAIN",
        ),
        ({"kafka_security_protocol": "SSL", "kafka_ssl_cafile": "nowhere.pem"}, "LOCKSTEP_KAFKA_SSL_CAFILE"),
    ],
)
def test_settings_that_cannot_work(options: dict[str, str], said: str) -> None:
    """Each says which setting to look at, before anything is connected."""
    with pytest.raises(SettingsError) as caught:
        client_options(Settings(**{"broker": "kafka://one:9092", **options}))
    assert said in str(caught.value)
