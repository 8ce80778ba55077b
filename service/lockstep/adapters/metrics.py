"""Metrics for Prometheus: one registry of our own, no label whose values could grow without end.

What is counted ends in `_total` and only grows while the process lives, also when rules are edited, a partition comes
back or records are read again. Every series of a failure is there from the start, at 0: an alert on its increase would
miss the first one otherwise.
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from lockstep import VERSION
from lockstep.adapters.inbound.senders import OTHER, SENDERS
from lockstep.adapters.inbound.translation import WebhookOutcome
from lockstep.adapters.ingest.receipts import Outcome
from lockstep.errors import DELIVERY_REASONS
from lockstep.rule.condition.kinds import Severity
from lockstep.transition import Transition, TransitionName

disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no annotation here

AGES_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
SLICE_S = 0.01
"""How long metrics are written before others have their turn."""
FLUSHES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Growth:
    """Totals that outlive a process, or are read again, as what each of them grew by in this process."""

    def __init__(self) -> None:
        self._counted: dict[Hashable, int] = {}

    def by(self, key: Hashable, total: int, *, restored: int) -> int:
        """What is new since the last call. restored: the total that was there before this owner began to count."""
        counted = max(self._counted.get(key, 0), restored)
        self._counted[key] = max(counted, total)
        return max(0, total - counted)


class _Alerts(Collector):
    """What is pending or firing, as the alert board has it when it is asked."""

    def __init__(self, alerts: Callable[[], Iterable[Transition]]) -> None:
        self._alerts = alerts
        self._seen: set[tuple[str, str, str]] = set()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "lockstep_alerts", "Alerts that are pending or firing; every worker tells all", labels=SERIES_OF_ALERTS
        )
        tally = Tally(
            (t.rule, t.severity, "pending" if t.state is TransitionName.PENDING else "firing") for t in self._alerts()
        )
        self._seen |= tally.keys()  # one that is over stays, at 0
        for series in sorted(self._seen):
            family.add_metric(series, tally[series])
        yield family


SERIES_OF_ALERTS = ("rule", "severity", "state")


class Metrics:
    """What a worker counts. Observes the runtime and the dispatcher.

    topics: names of the input topics. channels: by which people are told. alerts: what is pending or firing now.
    """

    def __init__(
        self, *, topics: Iterable[str], channels: Iterable[str], alerts: Callable[[], Iterable[Transition]]
    ) -> None:
        self.registry = CollectorRegistry()
        topics, channels = tuple(topics), tuple(channels)
        failures = [(channel, reason) for channel in channels for reason in DELIVERY_REASONS]
        self._gauge("lockstep_build_info", "Version of this worker", "version").labels(VERSION).set(1)
        ProcessCollector(registry=self.registry)
        self.registry.register(_Alerts(alerts))

        by_topic = [(topic,) for topic in topics]
        self.events = self._counter("lockstep_events", "Events counted", by_topic, "topic")
        self.duplicates = self._counter("lockstep_events_duplicate", "Events that came before", by_topic, "topic")
        self.unknown = self._counter("lockstep_events_unknown", "Events of a type that is not ours", by_topic, "topic")
        self.dead = self._counter("lockstep_events_dead", "Events refused to the dead-letter topic", by_topic, "topic")
        self.posts = self._counter(
            "lockstep_http_events",
            "Events that came by POST, by what became of them",
            [(outcome,) for outcome in (*Outcome, "refused")],
            "outcome",
        )
        self.webhooks = self._counter(
            "lockstep_webhooks_in",
            "Webhooks of shops and tools, by their topic and what became of them",
            [
                (sender.name, topic, outcome)
                for sender in SENDERS
                for topic in (*sender.topics, OTHER)
                for outcome in WebhookOutcome
            ],
            "sender",
            "topic",
            "outcome",
        )
        self.late = self._counter("lockstep_events_late", "Buckets of series that events came too late for")
        self.older = self._counter("lockstep_levels_older", "Level values older than the newest")
        self.overlaps = self._counter("lockstep_chunk_overlaps", "Chunks whose head retention had removed")
        self.transitions = self._counter("lockstep_transitions", "Transitions decided")

        self.lag = self._gauge("lockstep_lag_records", "Records not yet taken in", "topic", "partition")
        self.watermark_delay = self._gauge(
            "lockstep_watermark_delay_seconds", "How far the watermark is behind the clock", "role"
        )
        self.flush = self._histogram("lockstep_flush_duration_seconds", "Time of one flush or cut", FLUSHES_S, "stage")

        by_channel = [(channel,) for channel in channels]
        self.sent = self._counter("lockstep_notifications", "Attempts to deliver", by_channel, "channel")
        self.failed = self._counter(
            "lockstep_notifications_failed", "Attempts that failed", failures, "channel", "reason"
        )
        self.dead_deliveries = self._counter(
            "lockstep_deliveries_dead", "Deliveries given up", failures, "channel", "reason"
        )
        self.duration = self._histogram(
            "lockstep_notification_duration_seconds", "Time of one attempt", Histogram.DEFAULT_BUCKETS, "channel"
        )
        self.age = self._histogram(
            "lockstep_alert_to_delivery_seconds",
            "From deciding a delivery to its arrival",
            AGES_S,
            "channel",
            "severity",
        )
        for channel in channels:
            self.duration.labels(channel)
            for severity in Severity:
                self.age.labels(channel, severity.word)
        self.pending = self._gauge("lockstep_deliveries_pending", "Deliveries that wait", "channel")
        self.oldest = self._gauge(
            "lockstep_oldest_pending_delivery_age_seconds", "Age of the oldest delivery that waits", "channel"
        )
        self.breakers = self._gauge("lockstep_destination_breaker_open", "Destinations that are only probed", "channel")
        self.refused_files = self._gauge(
            "lockstep_rule_files_refused", "Rule files whose last good version is in force"
        )
        self.import_stands_still = self._gauge(
            "lockstep_import_stands_still_seconds",
            "How long nothing has come to an import that has not ended; 0 where none is open",
            "topic",
        )
        self.waiting_for_import = self._gauge(
            "lockstep_events_waiting_for_import", "Live events that wait until an import has ended", "topic"
        )
        self.event_time_behind = self._gauge(
            "lockstep_event_time_behind_seconds",
            "How far event time stays behind though the partition was read to its end; 0 when it does not",
            "topic",
            "partition",
        )
        self.source_events = self._counter("lockstep_source_events", "Events of databases that are asked", (), "source")
        self.source_rows_refused = self._counter(
            "lockstep_source_rows_refused", "Rows of databases that gave no event", (), "source"
        )
        self.sources_failing = self._gauge(
            "lockstep_source_failing", "1 while a database that is asked does not answer as it should", "source"
        )
        self.sources_answered = self._gauge(
            "lockstep_source_answered_timestamp_seconds", "When a database that is asked answered last", "source"
        )
        self.ready = self._gauge("lockstep_ready", "1 when ready")
        self.storage = self._gauge("lockstep_storage_size_bytes", "Size of the embedded broker's file")

    def _counter(self, name: str, text: str, series: Iterable[tuple[str, ...]] = (), *labels: str) -> Counter:
        """series: the values of the labels that are there from the start."""
        counter = Counter(name, text, labels, registry=self.registry)
        for values in series:
            counter.labels(*values)
        return counter

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=tuple(buckets))

    def posted(self, outcomes: Mapping[str, int]) -> None:
        """outcomes: how many events of one POST had which outcome."""
        for outcome, count in outcomes.items():
            self.posts.labels(outcome).inc(count)

    def webhook_in(self, sender: str, topic: str, outcome: WebhookOutcome) -> None:
        """topic: one that becomes events, or OTHER."""
        self.webhooks.labels(sender, topic, outcome).inc()

    def source_gave(self, source: str, *, events: int, refused: int) -> None:
        self.source_events.labels(source).inc(events)
        self.source_rows_refused.labels(source).inc(refused)

    def source_answered(self, source: str, now: datetime) -> None:
        self.sources_answered.labels(source).set(now.timestamp())

    def sources_left(self) -> None:
        self.sources_failing.clear()
        self.sources_answered.clear()

    def source_failing(self, source: str, *, failing: bool) -> None:
        self.source_gave(source, events=0, refused=0)  # there from the start, at 0
        self.sources_failing.labels(source).set(int(failing))

    def flushed(self, stage: str, seconds: float) -> None:
        self.flush.labels(stage).observe(seconds)

    def attempted(self, channel: str, severity: str, reason: str, seconds: float, since_created_s: float) -> None:
        self.sent.labels(channel).inc()
        self.duration.labels(channel).observe(seconds)
        if reason:
            self.failed.labels(channel, reason).inc()
        else:
            self.age.labels(channel, severity).observe(max(0.0, since_created_s))

    def given_up(self, channel: str, reason: str) -> None:
        self.dead_deliveries.labels(channel, reason).inc()

    async def text(self) -> bytes:
        """All of them for Prometheus. POSTs and health checks are answered between two slices of them.

        Not after each metric: under load whoever gives the loop back gets it again after every lane had its slice, and
        forty such turns are a second.
        """
        parts, loop = [], asyncio.get_running_loop()
        began = loop.time()
        for metric in self.registry.collect():
            parts.append(generate_latest(_Single(metric)))
            if loop.time() - began > SLICE_S:
                await asyncio.sleep(0)
                began = loop.time()
        return b"".join(parts)


class _Single(Collector):
    """One metric as all that there is to be written."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return (self._metric,)
