"""The topics of a worker: which there must be, made where they are missing, and checked."""

import structlog

from lockstep.adapters.charts.board import CHARTS
from lockstep.adapters.http.token_book import TOKENS
from lockstep.adapters.ingest.sku_names import TOPIC as SKUS
from lockstep.adapters.rulebook import TOPIC as RULES
from lockstep.adapters.sql.source_status import TOPIC as SOURCES
from lockstep.deliver import DEAD_DELIVERIES
from lockstep.errors import SettingsError
from lockstep.event.imports import ROLES
from lockstep.event.imports import TOPIC as IMPORTS
from lockstep.judge.publish import ALERT_STATE, ALERTS
from lockstep.measure.dead_events import TOPIC as DEAD_EVENTS
from lockstep.notify.decide import DELIVERIES
from lockstep.ports import Broker, TopicSpec, state_topic
from lockstep.response.attempt import ATTEMPTS
from lockstep.response.command import AUDIT, COMMANDS
from lockstep.response.decision import DECISIONS
from lockstep.response.report_due import REPORTS
from lockstep.response.standing import RESPONSE_STATE
from lockstep.settings import Settings
from lockstep.shop.facts import SHOP
from lockstep.text.time_units import DAY_S

log = structlog.get_logger("lockstep")

SAMPLES = "lockstep.samples"
AUDIT_KEPT_S = 400 * DAY_S
"""Who did what is asked for a year later, too."""
CHARTS_KEPT_S = 2 * DAY_S
"""A message that is a day late is given up; nobody asks for its chart later."""


def partitions_of(settings: Settings, setting: int) -> int:
    """A number of partitions, or the broker's default where it is 0."""
    return setting or (1 if settings.is_sqlite else 4)


def topic_specs(settings: Settings) -> list[TopicSpec]:
    """Every topic of ours, as it must exist."""
    keep, keep_alerts = round(settings.retention), round(settings.alert_retention)
    samples = partitions_of(settings, settings.samples_partitions)
    deliveries = partitions_of(settings, settings.delivery_partitions)
    return [
        TopicSpec(SAMPLES, samples, retention_s=keep),
        TopicSpec(ALERTS, 1, retention_s=keep_alerts),
        TopicSpec(ALERT_STATE, 1, compacted=True),
        TopicSpec(DELIVERIES, deliveries, retention_s=keep),
        TopicSpec(COMMANDS, 1, retention_s=keep),
        TopicSpec(AUDIT, 1, retention_s=AUDIT_KEPT_S),
        TopicSpec(DECISIONS, 1, retention_s=keep_alerts),
        TopicSpec(RESPONSE_STATE, 1, compacted=True),
        TopicSpec(REPORTS, 1, compacted=True),
        TopicSpec(ATTEMPTS, 1, retention_s=keep),
        TopicSpec(CHARTS, 1, retention_s=min(keep, CHARTS_KEPT_S)),
        TopicSpec(DEAD_EVENTS, 1, retention_s=keep),
        TopicSpec(DEAD_DELIVERIES, 1, retention_s=keep),
        TopicSpec(RULES, 1, compacted=True),
        TopicSpec(SKUS, 1, compacted=True),
        TopicSpec(TOKENS, 1, compacted=True),
        TopicSpec(SOURCES, 1, compacted=True),
        TopicSpec(SHOP, 1, compacted=True),
        TopicSpec(IMPORTS, len(ROLES), retention_s=keep),
        *([] if settings.is_sqlite else _state_specs(samples, deliveries)),
    ]


def _state_specs(samples: int, deliveries: int) -> list[TopicSpec]:
    return [
        TopicSpec(state_topic("judge"), samples, compacted=True),
        TopicSpec(state_topic("notify"), 1, compacted=True),
        TopicSpec(state_topic("sources"), 1, compacted=True),
        TopicSpec(state_topic("deliver"), deliveries, compacted=True),
    ]


def source_specs(settings: Settings) -> list[TopicSpec]:
    """The input topics, as Lockstep makes them where they are missing."""
    count = partitions_of(settings, settings.source_partitions)
    return [TopicSpec(name, count, retention_s=round(settings.retention)) for name in settings.topics.values()]


async def prepare(settings: Settings, broker: Broker) -> list[str]:
    """Make our topics, and the input topics that are missing; returns the names of those still missing."""
    await broker.declare(topic_specs(settings))
    names = list(settings.topics.values())
    known = await broker.describe(names)
    if settings.create_source_topics:
        await broker.declare([s for s in source_specs(settings) if s.name not in known])
        return []
    return [name for name in names if name not in known]


async def check_sources(settings: Settings, broker: Broker) -> None:
    """Warn of input topics without the broker's times. Raises SettingsError for one that is compacted."""
    for info in (await broker.describe(settings.topics.values())).values():
        if info.compacted and info.name != settings.topic_plans:
            raise SettingsError(
                f"topic '{info.name}' is compacted: counts over it would be wrong; set cleanup.policy=delete"
            )
        if not info.append_time:
            log.warning(
                "the topic carries its producers' times; set message.timestamp.type=LogAppendTime", topic=info.name
            )
