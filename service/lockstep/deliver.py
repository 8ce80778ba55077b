"""The deliver stage: lanes, attempts, retry delays, breakers, dead letters. Decided here, sent by adapters/dispatch.

A destination is a lane: one attempt at a time, in order within an episode, and a lane that fails or hangs delays no
other. What is to be attempted is durable before it is attempted, so attempts are at least once, under the same id.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from lockstep.dead import DeadEvent, dead_record
from lockstep.errors import DeliveryError
from lockstep.ports import Batch, Cut, Destination, Record, Sent

DEAD_DELIVERIES = "lockstep.dead-deliveries"
FORMAT = 1

STEPS_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 7200.0, 21600.0)
"""Delays before the second, third, … attempt; the last one repeats."""

LIFE_S = {"email": 3600.0, "slack": 3600.0, "webhook": 3 * 86400.0}
"""How long a delivery is worth trying: people need it soon or by another way."""

LONGEST_RETRY_AFTER_S = 3600.0
BREAKER_AFTER = 5
"""Failures in a row after which a lane only probes."""
PROBE_EVERY_S = 30.0


def retry_delay(attempt: int, *, jitter: float, retry_after_s: float | None = None) -> timedelta:
    """Wait before the attempt after number `attempt` (1 is the first).

    jitter: a draw from [0, 1), made by the caller so that this stays a pure function; the delay is 80 to 120 % of its
    step. retry_after_s: what the destination asked for; never waited shorter than that, at most an hour.
    """
    step = STEPS_S[min(attempt, len(STEPS_S)) - 1] * (0.8 + 0.4 * jitter)
    return timedelta(seconds=max(step, min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)))


@dataclass
class Delivery:
    """One notification to one destination. Times in seconds since the epoch. thread: what it answers to."""

    id: str
    destination: Destination
    rule: str
    episode: str
    episodes: list[str]
    state: str
    body: dict[str, Any]
    sequence: int
    created: float
    attempts: int = 0
    next_at: float = 0.0
    last_error: str = ""
    reason: str = ""
    thread: str | None = None


@dataclass
class _Lane:
    waiting: list[Delivery] = field(default_factory=list)
    busy: str | None = None
    failures: int = 0
    paused_until: float = 0.0


@dataclass
class DeliverCounts:
    """Since the stage began, for metrics. dead: channel and reason → how many."""

    sent: dict[str, int] = field(default_factory=dict)
    failed: dict[tuple[str, str], int] = field(default_factory=dict)
    dead: dict[tuple[str, str], int] = field(default_factory=dict)


class Deliver:
    """ports.Stage over lockstep.deliveries."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._by_id: dict[str, Delivery] = {}
        self._threads: dict[tuple[str, str], str] = {}
        self._cut = Cut()
        self._dirty: set[str] = set()
        self._now = 0.0
        self._sequence = 0
        self._durable = 0
        self.counts = DeliverCounts()

    # ---- ports.Stage ----------------------------------------------------------------------------------------------

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        found: list[Delivery] = []
        for key, value in entries.items():
            row = msgspec.json.decode(value)
            if key[:1] == b"t":
                self._threads[row["destination"], row["episode"]] = row["reference"]
            else:
                row["destination"] = Destination(**row["destination"])
                found.append(Delivery(**row))
        for delivery in sorted(found, key=lambda d: d.sequence):
            self._enqueue(delivery)
        self._sequence = max((d.sequence for d in found), default=0)
        self._durable = self._sequence

    def feed(self, batch: Batch) -> None:
        for offset, value in zip(batch.offsets, batch.values, strict=True):
            try:
                row = json.loads(value or b"null")
                if row["format"] != FORMAT:
                    raise ValueError(f"unknown format {row['format']}")
                destination = Destination(**row["destination"])
                fields = {k: row[k] for k in ("id", "rule", "episode", "episodes", "state", "body")}
            except (ValueError, KeyError, TypeError) as error:
                dead = DeadEvent(batch.topic, batch.partition, offset, "data", f"no delivery: {error}", value)
                self._cut.records.append(dead_record(dead))
                continue
            if fields["id"] in self._by_id:
                continue
            self._sequence += 1
            created = batch.timestamps_ms[batch.offsets.index(offset)] / 1000
            delivery = Delivery(destination=destination, sequence=self._sequence, created=created, **fields)
            self._enqueue(delivery)
            self._dirty.add(delivery.id)

    def _enqueue(self, delivery: Delivery) -> None:
        self._by_id[delivery.id] = delivery
        self._lanes.setdefault(delivery.destination.id, _Lane()).waiting.append(delivery)

    def tick(self, now: datetime) -> None:
        self._now = now.timestamp()

    def cut(self) -> Cut:
        cut, self._cut = self._cut, Cut()
        for number in self._dirty:
            delivery = self._by_id.get(number)
            row = None if delivery is None else msgspec.json.encode(delivery)
            cut.entries[b"d" + number.encode()] = row
        self._dirty.clear()
        self._durable = self._sequence
        return cut

    # ---- attempts -------------------------------------------------------------------------------------------------

    def due(self) -> list[Delivery]:
        """What is to be attempted now, one a lane; each is marked as under way until `sent` or `failed`."""
        found: list[Delivery] = []
        for lane in self._lanes.values():
            if lane.busy is not None or lane.paused_until > self._now:
                continue
            blocked: set[str] = set()
            for delivery in lane.waiting:
                if delivery.sequence > self._durable:
                    break
                if delivery.next_at <= self._now and not blocked.intersection(delivery.episodes):
                    lane.busy = delivery.id
                    references = [self._threads.get((delivery.destination.id, e)) for e in delivery.episodes]
                    delivery.thread = next((r for r in references if r), None)
                    found.append(delivery)
                    break
                blocked.update(delivery.episodes)  # what follows in an episode waits for its beginning
        return found

    def sent(self, delivery: Delivery, sent: Sent) -> None:
        """It arrived."""
        lane = self._lanes[delivery.destination.id]
        lane.busy, lane.failures, lane.paused_until = None, 0, 0.0
        channel = delivery.destination.channel
        self.counts.sent[channel] = self.counts.sent.get(channel, 0) + 1
        if sent.reference:
            for episode in delivery.episodes:
                if delivery.state == "resolved":
                    self._forget_thread(delivery.destination.id, episode)
                elif delivery.thread is None:
                    self._remember_thread(delivery.destination.id, episode, sent.reference)
        self._drop(delivery)

    def failed(self, delivery: Delivery, error: DeliveryError, *, jitter: float) -> None:
        """It did not arrive: try again later, or give it up to the dead letters."""
        lane = self._lanes[delivery.destination.id]
        lane.busy = None
        delivery.attempts += 1
        delivery.last_error, delivery.reason = str(error)[:500], error.reason
        channel = delivery.destination.channel
        key = (channel, error.reason)
        self.counts.failed[key] = self.counts.failed.get(key, 0) + 1
        delay = retry_delay(delivery.attempts, jitter=jitter, retry_after_s=error.retry_after_s)
        delivery.next_at = self._now + delay.total_seconds()
        self._dirty.add(delivery.id)
        if error.retryable:
            lane.failures += 1
            if lane.failures >= BREAKER_AFTER:
                lane.paused_until = self._now + PROBE_EVERY_S
        if not error.retryable or delivery.next_at > delivery.created + LIFE_S.get(channel, 3600.0):
            self._bury(delivery, key)

    def _bury(self, delivery: Delivery, key: tuple[str, str]) -> None:
        self.counts.dead[key] = self.counts.dead.get(key, 0) + 1
        value = msgspec.to_builtins(delivery)
        record = Record(DEAD_DELIVERIES, json.dumps(value).encode(), delivery.id.encode(), 0)
        self._cut.records.append(record)
        self._drop(delivery)

    def _drop(self, delivery: Delivery) -> None:
        self._lanes[delivery.destination.id].waiting.remove(delivery)
        del self._by_id[delivery.id]
        self._dirty.add(delivery.id)

    def _remember_thread(self, destination: str, episode: str, reference: str) -> None:
        self._threads[destination, episode] = reference
        row = {"destination": destination, "episode": episode, "reference": reference}
        self._cut.entries[_thread_key(destination, episode)] = msgspec.json.encode(row)

    def _forget_thread(self, destination: str, episode: str) -> None:
        if self._threads.pop((destination, episode), None) is not None:
            self._cut.entries[_thread_key(destination, episode)] = None

    @property
    def pending(self) -> dict[str, int]:
        """channel → deliveries that wait."""
        found: dict[str, int] = {}
        for delivery in self._by_id.values():
            found[delivery.destination.channel] = found.get(delivery.destination.channel, 0) + 1
        return found


def _thread_key(destination: str, episode: str) -> bytes:
    return f"t{destination}/{episode}".encode()
