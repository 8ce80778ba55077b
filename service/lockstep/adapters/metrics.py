"""Metrics for Prometheus: one registry of our own, no label whose values could grow without end."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from lockstep import VERSION
from lockstep.tools.receipts import Outcome

disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no annotation here


class Metrics:
    """What a worker counts. Observes the runtime and the dispatcher."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        build = Gauge("lockstep_build_info", "Version of this worker", ["version"], registry=registry)
        build.labels(VERSION).set(1)
        self.events = Counter("lockstep_events", "Events counted", ["topic"], registry=registry)
        self.duplicates = Counter("lockstep_events_duplicate", "Events that came before", ["topic"], registry=registry)
        self.unknown = Counter(
            "lockstep_events_unknown", "Events of a type that is not ours", ["topic"], registry=registry
        )
        self.dead = Counter(
            "lockstep_events_dead", "Events refused to the dead-letter topic", ["topic"], registry=registry
        )
        self.posts = Counter(
            "lockstep_http_events", "Events that came by POST, by what became of them", ["outcome"], registry=registry
        )
        for outcome in (*Outcome, "refused"):
            self.posts.labels(outcome)
        self.late = Gauge(
            "lockstep_events_late", "Buckets' worth of events that came too late, ever", registry=registry
        )
        self.older = Gauge("lockstep_levels_older", "Level values older than the newest, ever", registry=registry)
        self.overlaps = Gauge(
            "lockstep_chunk_overlaps", "Chunks whose head retention had removed, ever", registry=registry
        )
        self.transitions = Gauge("lockstep_transitions", "Transitions decided, ever", registry=registry)
        self.lag = Gauge("lockstep_lag", "Records not yet taken in", ["topic", "partition"], registry=registry)
        self.watermark_delay = Gauge(
            "lockstep_watermark_delay_seconds", "How far the watermark is behind the clock", ["role"], registry=registry
        )
        self.flush = Histogram(
            "lockstep_flush_duration_seconds",
            "Time of one flush or cut",
            ["stage"],
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        )
        self.sent = Counter("lockstep_notifications", "Attempts to deliver", ["channel"], registry=registry)
        self.failed = Counter(
            "lockstep_notifications_failed", "Attempts that failed", ["channel", "reason"], registry=registry
        )
        self.duration = Histogram(
            "lockstep_notification_duration_seconds", "Time of one attempt", ["channel"], registry=registry
        )
        self.age = Histogram(
            "lockstep_alert_to_delivery_seconds",
            "From deciding a delivery to its arrival",
            ["channel", "severity"],
            registry=registry,
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200),
        )
        self.pending = Gauge("lockstep_deliveries_pending", "Deliveries that wait", ["channel"], registry=registry)
        self.oldest = Gauge(
            "lockstep_oldest_pending_delivery_age_seconds",
            "Age of the oldest delivery that waits",
            ["channel"],
            registry=registry,
        )
        self.breakers = Gauge(
            "lockstep_destination_breaker_open", "Destinations that are only probed", ["channel"], registry=registry
        )
        self.dead_deliveries = Counter(
            "lockstep_deliveries_dead", "Deliveries given up", ["channel", "reason"], registry=registry
        )
        self.refused_files = Gauge(
            "lockstep_rule_files_refused", "Rule files whose last good version is in force", registry=registry
        )
        self.ready = Gauge("lockstep_ready", "1 when ready", registry=registry)
        self.storage = Gauge("lockstep_storage_size_bytes", "Size of the embedded broker's file", registry=registry)

    def posted(self, outcomes: Mapping[str, int]) -> None:
        """outcomes: how many events of one POST had which outcome."""
        for outcome, count in outcomes.items():
            self.posts.labels(outcome).inc(count)

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

    def text(self) -> bytes:
        return generate_latest(self.registry)
