"""Topics of a cluster: as they are, made as they must be, and checked."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import errors as kafka_errors
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import CreateTopicsRequest, DescribeConfigsRequest

from lockstep.adapters.stream.kafka.connection import FORBIDDEN, Connection
from lockstep.adapters.stream.kafka.options import REQUEST_S
from lockstep.adapters.stream.kafka.requests import TopicsRequest
from lockstep.errors import SettingsError
from lockstep.ports import TopicInfo, TopicSpec

log = structlog.get_logger("lockstep.kafka")

LARGEST_RECORD = 8 << 20
"""What topics that we create take; Kafka's own default is 1 MiB."""
COMPACTION_LAG_S = 3_600
STATE_SEGMENT_BYTES = 64 << 20
"""Compaction leaves the newest segment alone, and recovery reads it: it should not be Kafka's default of 1 GiB."""

TOPIC, NODE = 2, 4
"""Kinds of configuration."""


@dataclass(frozen=True)
class Topic:
    """A topic as the broker describes it. led: whether every partition has a leader."""

    info: TopicInfo
    replicas: int
    led: bool
    config: Mapping[str, str]


class Topics:
    """Asks a cluster for its topics, and makes them. replication: of those; 0 is the cluster's default."""

    def __init__(self, connection: Connection, *, replication: int) -> None:
        self._connection = connection
        self._wanted_replication = replication

    async def find(self, names: Sequence[str]) -> dict[str, Topic]:
        """Those that exist. Raises BrokerError."""
        if not names:
            return {}
        return await self._connection.ask(f"describing {', '.join(names)}", lambda: self._try_topics(names))

    async def _try_topics(self, names: Sequence[str]) -> dict[str, Topic]:
        response = await self._connection.any_node(TopicsRequest(list(names)))
        rows = {}
        for row in response.to_object()["topics"]:
            error = kafka_errors.for_code(row["error_code"])
            if error is kafka_errors.NoError:
                rows[row["name"]] = row
            elif error is not kafka_errors.UnknownTopicOrPartitionError:
                raise error(row["name"])
        configs = await self._configs(TOPIC, list(rows))
        topics = {}
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
            topics[name] = Topic(info, replicas, all(p["leader"] >= 0 for p in row["partitions"]), config)
        missing = [name for name in names if name not in rows]
        if missing and await self._is_known_elsewhere(missing):
            raise kafka_errors.LeaderNotAvailableError(", ".join(missing))
        return topics

    async def _is_known_elsewhere(self, names: Sequence[str]) -> bool:
        """Whether any node knows any of these topics: another one may not have heard of a new topic yet."""
        nodes = [broker.nodeId for broker in self._connection.client.cluster.brokers()]
        for node in nodes if len(nodes) > 1 else ():
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                response = await self._connection.client.send(node, TopicsRequest(list(names)))
                if any(row["error_code"] == 0 for row in response.to_object()["topics"]):
                    return True
        return False

    async def _configs(self, kind: int, names: Sequence[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        request = DescribeConfigsRequest([(kind, name, None) for name in names])
        response = await (
            self._connection.client.send(int(names[0]), request) if kind == NODE else self._connection.any_node(request)
        )
        configs = {}
        for code, message, _, name, entries in response.resources:
            error = kafka_errors.for_code(code)
            if error is not kafka_errors.NoError:
                raise error(message)
            configs[name] = {entry[0]: entry[1] for entry in entries}
        return configs

    async def declare(self, specs: Sequence[TopicSpec]) -> None:
        """As ports.Broker has it."""
        known = await self.find([s.name for s in specs])
        missing = [s for s in specs if s.name not in known]
        if missing:
            replication = await self._replication()
            await self._connection.ask("creating topics", lambda: self._create(missing, replication))
            known |= await self._connection.ask("creating topics", lambda: self._created([s.name for s in missing]))
            if replication == 1:
                log.warning(
                    "topics are kept once: a broker's disk lost is events lost; set LOCKSTEP_KAFKA_REPLICATION=3",
                    topics=[s.name for s in missing],
                )
        for spec in specs:
            self._check(spec, known[spec.name])

    async def _replication(self) -> int:
        """What is set, else the broker's default."""
        if self._wanted_replication:
            return self._wanted_replication

        async def default() -> int:
            node = str(self._connection.client.get_random_node())
            return int((await self._configs(NODE, [node]))[node]["default.replication.factor"])

        try:
            return await self._connection.ask("reading the default replication", default)
        except SettingsError as error:
            raise SettingsError(f"{error}, or set LOCKSTEP_KAFKA_REPLICATION") from error

    async def _create(self, specs: Sequence[TopicSpec], replication: int) -> None:
        wanted: list[Any] = [
            (s.name, s.partitions, replication, [], list(_config(s, replication).items())) for s in specs
        ]
        controller = self._connection.client.cluster.controller
        request = CreateTopicsRequest(wanted, timeout=round(REQUEST_S * 1000), validate_only=False)
        if controller is None:
            raise kafka_errors.NotControllerError
        response = await self._connection.client.send(controller.nodeId, request)
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

    async def _created(self, names: Sequence[str]) -> dict[str, Topic]:
        """The answer of the first node that knows all of them; another one may not have heard of them yet."""
        topics = await self._try_topics(names)
        if len(topics) < len(names) or not all(t.led for t in topics.values()):
            raise kafka_errors.LeaderNotAvailableError
        return topics

    def _check(self, spec: TopicSpec, topic: Topic) -> None:
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
