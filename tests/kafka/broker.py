"""A real Apache Kafka for tests: one broker, or a cluster in which every node is broker and controller (KRaft).

Nodes live in a folder of their own and keep their data over kill and restart. Everything listens on 127.0.0.1.
"""

import asyncio
import atexit
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

HERE = Path(__file__).parent
LIBS = HERE / "libs"

WAY_OUT = "apt-get install --no-install-recommends maven"
"""The one command that brings Java and Maven on Debian and Ubuntu."""

READY_S = 60.0
PROPERTIES: Mapping[str, object] = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CTL",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CTL:PLAINTEXT",
    # A topic that nobody declared must be missing, or a forgotten declaration would never show.
    "auto.create.topics.enable": "false",
    "num.partitions": 4,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    # A restart after kill -9 waits until the controller has given up the old process: 3 s instead of 12 s.
    "broker.session.timeout.ms": 1500,
    "broker.heartbeat.interval.ms": 300,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.num.partitions": 1,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "log.cleaner.dedupe.buffer.size": 4 << 20,
}
LOGGING = """\
rootLogger.level=warn
rootLogger.appenderRef.c.ref=C
appender.c.type=Console
appender.c.name=C
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d{HH:mm:ss.SSS} %p %c{1}: %m%n
"""


def jars() -> Path:
    """The folder with the broker's jars, fetched on first use. Raises LookupError with what is missing."""
    if shutil.which("java") is None:
        raise LookupError(f"there is no Java; run: {WAY_OUT}")
    if any(LIBS.glob("kafka_2*.jar")):
        return LIBS
    if shutil.which("mvn") is None:
        raise LookupError(f"there is no Maven; run: {WAY_OUT}")
    part = LIBS.with_name(f"libs.{uuid.uuid4().hex[:8]}")
    done = subprocess.run(
        ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={part}"],
        cwd=HERE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        shutil.rmtree(part, ignore_errors=True)
        raise LookupError(f"Maven could not fetch the jars: {(done.stdout + done.stderr).strip()[-500:]}")
    # Renamed when complete: a fetch that was cut short must not pass for a Kafka.
    if any(LIBS.glob("kafka_2*.jar")):  # another process was faster, and a broker may run from there
        shutil.rmtree(part)
        return LIBS
    shutil.rmtree(LIBS, ignore_errors=True)
    part.rename(LIBS)
    return LIBS


_held: list[socket.socket] = []


@atexit.register
def _let_go() -> None:
    while _held:
        _held.pop().close()


def held_ports(count: int) -> list[int]:
    """Ports on which a server of this session may listen, and nobody else.

    A port that was chosen and let go may be given to any socket on the machine before the server takes it, or while it
    is down: even to a client that tries to reach it, which then is connected with itself. These stay bound until the
    process ends. A server that sets SO_REUSEADDR (Java's and asyncio's do) may listen on a port that is bound so and
    on which nobody listens.
    """
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
    _held.extend(sockets)
    return [s.getsockname()[1] for s in sockets]


class Broker:
    """One node. `start` after `kill` or `stop` goes on with the same data."""

    def __init__(
        self,
        folder: Path,
        *,
        libs: Path,
        ports: Sequence[int] | None = None,
        node: int = 1,
        voters: Mapping[int, int] | None = None,
        cluster_id: str | None = None,
        heap: str = "384m",
        **settings: object,
    ) -> None:
        """ports: of clients and of the controller. voters: node → controller port of the whole cluster.

        settings: broker settings by name, `_` for `.`.
        """
        self.folder, self.libs, self.heap = folder, libs, heap
        self.port, controller = ports or held_ports(2)
        self.address = f"127.0.0.1:{self.port}"
        self.node = node
        self._cluster_id = cluster_id or uuid.uuid4().hex[:22]
        self._process: subprocess.Popen[bytes] | None = None
        voters = voters or {node: controller}
        self.size = len(voters)
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "server.properties"
        replicas, in_sync = self.size, min(2, self.size)
        properties = {
            **PROPERTIES,
            "node.id": node,
            "log.dirs": folder / "log",
            "listeners": f"PLAINTEXT://{self.address},CTL://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.quorum.voters": ",".join(f"{i}@127.0.0.1:{port}" for i, port in voters.items()),
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": in_sync,
            **{name.replace("_", "."): value for name, value in settings.items()},
        }
        self._config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        (folder / "log4j2.properties").write_text(LOGGING)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> "Broker":
        with (self.folder / "broker.out").open("ab") as out:
            if not (self.folder / "log" / "meta.properties").exists():
                subprocess.run(
                    self._java(
                        "128m", "kafka.tools.StorageTool", "format", "-t", self._cluster_id, "-c", str(self._config)
                    ),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    check=True,
                    timeout=READY_S,
                )
            self._process = subprocess.Popen(
                self._java(self.heap, "kafka.Kafka", str(self._config)),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        return self

    def _java(self, heap: str, *arguments: str) -> list[str]:
        return [
            "java",
            "-cp",
            f"{self.libs}/*",
            f"-Xmx{heap}",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            *arguments,
        ]

    def wait_ready(self, timeout_s: float = READY_S, **client: object) -> "Broker":
        """Until this node sees the whole cluster. client: what aiokafka needs to be let in."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if not self.running:
                raise RuntimeError(f"the broker has ended: {self.output()}")
            if self._listens() and asyncio.run(self._nodes(client)) == self.size:
                return self
            time.sleep(0.05)
        raise TimeoutError(f"the broker is not ready after {timeout_s} s: {self.output()}")

    def _listens(self) -> bool:
        """Asked first because the client logs an error for every refused connection."""
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.2).close()
        except OSError:
            return False
        return True

    async def _nodes(self, options: Mapping[str, object]) -> int:
        client = AIOKafkaAdminClient(bootstrap_servers=self.address, request_timeout_ms=2000, **options)
        try:
            await client.start()
            return len((await client.describe_cluster())["brokers"])
        except (KafkaError, OSError, TimeoutError):
            return 0
        finally:
            await client.close()

    def output(self) -> str:
        return (self.folder / "broker.out").read_text(errors="replace")[-3000:]

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nobody answers, as behind a network that drops packets."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None and self.running:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """SIGTERM; the JVM ends with 143."""
        if self._process is not None and self.running:
            self._process.terminate()
            self._process.wait(READY_S)


class Cluster:
    """Several nodes that replicate everything to each other."""

    def __init__(self, folder: Path, *, libs: Path, nodes: int = 3) -> None:
        ports = [held_ports(2) for _ in range(nodes)]
        voters = {i + 1: port for i, (_, port) in enumerate(ports)}
        cluster_id = uuid.uuid4().hex[:22]
        self.nodes = [
            Broker(
                folder / str(i + 1),
                libs=libs,
                ports=ports[i],
                node=i + 1,
                voters=voters,
                cluster_id=cluster_id,
                heap="256m",
            )
            for i in range(nodes)
        ]
        self.address = ",".join(n.address for n in self.nodes)

    def start(self) -> "Cluster":
        for node in self.nodes:  # all must run before any is ready
            node.start()
        for node in self.nodes:
            node.wait_ready()
        return self

    def node(self, number: int) -> Broker:
        return next(n for n in self.nodes if n.node == number)

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()
