"""The composition root: builds the parts, starts and stops them. The only reader of the clock."""

import asyncio
import json
import os
import random
import signal
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from lockstep.adapters.stream import open_broker
from lockstep.adapters.stream.consumer import Faults
from lockstep.adapters.stream.runtime import Runtime, SourceSpec, StageSpec
from lockstep.dead import TOPIC as DEAD_EVENTS
from lockstep.event import Decoder
from lockstep.judge import ALERT_STATE, ALERTS, Judge
from lockstep.measure.meter import Meter, MeterSettings, wanted_fields
from lockstep.ports import TopicInfo, TopicSpec
from lockstep.rule.condition import Plan
from lockstep.settings import Settings

log = structlog.get_logger("lockstep")

SAMPLES = "lockstep.samples"
COMMANDS = "lockstep.commands"
DELIVERIES = "lockstep.deliveries"
DEAD_DELIVERIES = "lockstep.dead-deliveries"


def utc_now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)


def topic_specs(settings: Settings) -> list[TopicSpec]:
    """Every topic of ours, as it must exist."""
    many = 1 if settings.is_sqlite else 4
    keep, keep_alerts = round(settings.retention), round(settings.alert_retention)
    return [
        TopicSpec(SAMPLES, settings.samples_partitions or many, retention_s=keep),
        TopicSpec(ALERTS, 1, retention_s=keep_alerts),
        TopicSpec(ALERT_STATE, 1, compacted=True),
        TopicSpec(DELIVERIES, settings.delivery_partitions or many, retention_s=keep),
        TopicSpec(COMMANDS, 1, retention_s=keep),
        TopicSpec(DEAD_EVENTS, 1, retention_s=keep),
        TopicSpec(DEAD_DELIVERIES, 1, retention_s=keep),
    ]


def source_specs(settings: Settings) -> list[TopicSpec]:
    """The input topics, as Lockstep makes them where they are missing."""
    many = settings.source_partitions or (1 if settings.is_sqlite else 4)
    return [TopicSpec(name, many, retention_s=round(settings.retention)) for name in settings.topics.values()]


def faults_from_environment(environ: Mapping[str, str]) -> Faults:
    """LOCKSTEP_TEST_FAULTS: the switches of the kill tests as JSON; never set in service."""
    return Faults(**json.loads(environ.get("LOCKSTEP_TEST_FAULTS", "{}")))
