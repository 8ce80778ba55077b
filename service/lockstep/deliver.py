"""The deliver stage: lanes, attempts, retry delays, breakers, dead letters. Decided here, sent by adapters/dispatch.

A destination is a lane: one attempt at a time, in order within an alert or a document's subject, and a lane that fails
or hangs delays no other. What is to be attempted is durable before it is attempted, so attempts are at least once,
under the same id.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from lockstep.errors import DeliveryError, StateError
from lockstep.labels import stable_id
from lockstep.measure.dead_events import DeadEvent, dead_record
from lockstep.notification import Audience, Body, body_of, severity_of
from lockstep.notify.receivers import CHANNELS, life_s
from lockstep.ports import Batch, Cut, Destination, Record, Sent
from lockstep.response.command import COMMANDS, DestinationDown, DestinationUp, down_id
from lockstep.text.rfc3339 import moment_text
from lockstep.text.time_units import DAY_S

DEAD_DELIVERIES = "lockstep.dead-deliveries"
FORMAT = 1

STEPS_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 7200.0, 21600.0)
"""Delays before the second, third, … attempt; the last one repeats."""

LONGEST_RETRY_AFTER_S = 3600.0
BREAKER_AFTER = 5
"""Failures in a row after which a lane only probes."""
PROBE_EVERY_S = 30.0
THREAD_LIFE_S = 30.0 * DAY_S
MOST_TOLD_OF = 1_000
"""Deliveries of a lane that notify hears of when nothing arrives there any more."""
BY = "deliver"
"""Who gives the commands that say which destinations cannot be reached."""


def retry_delay(attempt: int, *, jitter: float, retry_after_s: float | None = None) -> timedelta:
    """Wait before the attempt after number `attempt` (1 is the first).

    jitter: a draw from [0, 1), made by the caller so that this stays a pure function; the delay is 80 to 120 % of its
    step. retry_after_s: what the destination asked for; never waited shorter than that, but at most an hour for it.
    """
    step = STEPS_S[min(attempt, len(STEPS_S)) - 1] * (0.8 + 0.4 * jitter)
    return timedelta(seconds=max(step, min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)))


@dataclass(eq=False)
class Delivery:
    """One notification to one destination. Times in seconds since the epoch.

    alerts, episodes: what it is about. state: firing, severity or resolved. created: when it was decided.
    first_at: of the first attempt, None before. thread: the reference of the message that it answers to. life_s: for
    how many seconds it is worth trying; None: as its channel says. subject: what a document is about, `promotion/A-1`.
    """

    id: str
    destination: Destination
    rule: str
    state: str
    alerts: list[str]
    episodes: list[str]
    body: Body
    sequence: int
    created: float
    attempts: int = 0
    first_at: float | None = None
    next_at: float = 0.0
    last_error: str = ""
    reason: str = ""
    thread: str | None = None
    life_s: float | None = None
    subject: str | None = None

    @property
    def order(self) -> list[str]:
        """Of one of these, deliveries arrive in the order in which they were decided."""
        return self.alerts if self.subject is None else [*self.alerts, self.subject]

    @property
    def severity(self) -> str:
        """Of what it tells; "" where its body does not say."""
        return severity_of(self.body)


@dataclass
class _Lane:
    """One destination. failures: in a row; paused_until: no attempt before, of whatever delivery. is_down: notify was
    told that it cannot be reached."""

    waiting: dict[str, Delivery] = field(default_factory=dict)
    busy: str | None = None
    failures: int = 0
    paused_until: float = 0.0
    last_error: str = ""
    reason: str = ""
    is_down: bool = False


class Deliver:
    """ports.Stage over lockstep.deliveries."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._by_id: dict[str, Delivery] = {}
        self._threads: dict[tuple[str, str], tuple[str, float]] = {}
        self._cut = Cut()
        self._dirty: set[str] = set()
        self._sequence = 0
        self._handed = 0  # sequence number that the last cut went up to
        self._durable = 0  # the same of the last cut that became visible
        self._given_up: list[Delivery] = []
        self._people_told = False  # since the last cut

    # ---- ports.Stage ----------------------------------------------------------------------------------------------

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        deliveries: list[Delivery] = []
        for key, value in entries.items():
            row = msgspec.json.decode(value)
            stored = row.pop("format", None)
            if stored != FORMAT:
                raise StateError(f"lockstep.deliver-state: an entry of format {stored}, this version reads {FORMAT}")
            match key[:1]:
                case b"t":
                    self._threads[row["destination"], row["episode"]] = row["reference"], row["at"]
                case b"l":
                    self._lanes[key[1:].decode()] = _Lane(**row)
                case _:
                    row.update(destination=Destination(**row["destination"]), body=body_of(row["body"]))
                    deliveries.append(Delivery(**row))
        for delivery in sorted(deliveries, key=lambda d: d.sequence):
            self._enqueue(delivery)
        self._sequence = self._handed = self._durable = max((d.sequence for d in deliveries), default=0)

    def feed(self, batch: Batch) -> None:
        for offset, value, arrived_ms in zip(batch.offsets, batch.values, batch.timestamps_ms, strict=True):
            if value is None:
                continue
            try:
                row = msgspec.json.decode(value)
                stored = row.pop("format")
                if stored > FORMAT:
                    raise StateError(f"{batch.topic}: a delivery of format {stored}, this version reads {FORMAT}")
                row.update(destination=Destination(**row["destination"]), body=body_of(row["body"]))
                delivery = Delivery(sequence=self._sequence + 1, created=arrived_ms / 1000, **row)
            except (msgspec.MsgspecError, KeyError, TypeError, AttributeError) as error:
                dead = DeadEvent(batch.topic, batch.partition, offset, "data", f"no delivery: {error}", value)
                self._cut.records.append(dead_record(dead))
                continue
            if delivery.id not in self._by_id:
                self._sequence += 1
                self._enqueue(delivery)
                self._dirty.add(delivery.id)

    def tick(self, now: datetime) -> None:
        moment = now.timestamp()
        for delivery in list(self._by_id.values()):
            lane = self._lanes[delivery.destination.id]
            given_up = delivery.attempts > 0 or lane.failures >= BREAKER_AFTER
            if given_up and lane.busy != delivery.id and self._ends(delivery) < moment:
                delivery.last_error = delivery.last_error or lane.last_error
                delivery.reason = delivery.reason or lane.reason
                self._bury(delivery, moment)
        for key in [k for k, (_, at) in self._threads.items() if at < moment - THREAD_LIFE_S]:
            self._forget_thread(*key)

    def cut(self) -> Cut:
        cut, self._cut = self._cut, Cut()
        for number in self._dirty:
            delivery = self._by_id.get(number)
            cut.entries[b"d" + number.encode()] = None if delivery is None else _encoded(_row(delivery))
        self._dirty.clear()
        self._handed = self._sequence
        self._people_told = False
        return cut

    def only_stores(self) -> bool:
        """Whether the next cut would only say how attempts ended: nobody waits for it.

        That people were told is to be stored at once: after a crash they would be told again, and unlike a program they
        cannot see by its id that it is the same.
        """
        return self._sequence == self._handed and not self._cut.records and not self._people_told

    # ---- attempts -------------------------------------------------------------------------------------------------

    def confirm(self) -> None:
        """The last cut has become visible: what was fed before it may be attempted."""
        self._durable = self._handed

    def due(self, now: datetime) -> list[Delivery]:
        """What is to be attempted now, one a lane; each is under way until `sent` or `failed`."""
        taken = [self.take(destination, now) for destination in list(self._lanes)]
        return [delivery for delivery in taken if delivery is not None]

    def take(self, destination: str, now: datetime) -> Delivery | None:
        """The next attempt of a lane, which is then under way; None when there is nothing to do or not yet."""
        lane, moment = self._lanes.get(destination), now.timestamp()
        if lane is None or lane.busy is not None or lane.paused_until > moment:
            return None
        held: set[str] = set()
        for delivery in lane.waiting.values():
            if delivery.sequence > self._durable:
                return None
            if delivery.next_at <= moment and held.isdisjoint(delivery.order):
                lane.busy = delivery.id
                delivery.thread = self._thread(delivery)
                return delivery
            held.update(delivery.order)  # what follows in an alert waits for what came before
        return None

    def sent(self, delivery: Delivery, sent: Sent, *, now: datetime) -> None:
        """A delivery has arrived. sent: what its destination answered, such as the message that later ones answer."""
        destination, moment = delivery.destination, now.timestamp()
        way = CHANNELS.get(destination.channel)
        self._people_told |= way is None or way.audience is Audience.PEOPLE
        self._drop(delivery)
        lane = self._lanes[destination.id]
        if lane.is_down:
            lane.is_down = False
            number = stable_id("up", destination.id, delivery.id)
            up = DestinationUp(id=number, by=BY, way="lockstep", at=moment_text(moment), destination_id=destination.id)
            self._cut.records.append(Record(COMMANDS, msgspec.json.encode(up), number.encode(), 0))
        self._settle(destination.id, failures=0, paused_until=0.0)
        for episode in delivery.episodes:
            if delivery.state == "resolved":
                self._forget_thread(destination.id, episode)
            elif sent.reference and (destination.id, episode) not in self._threads:
                self._remember_thread(destination.id, episode, sent.reference, moment)

    def failed(self, delivery: Delivery, error: DeliveryError, *, now: datetime, jitter: float) -> None:
        """A delivery did not arrive: it is tried again later, or given up to the dead letters.

        error: why, and whether another attempt may help. jitter: a draw from [0, 1), made by the caller.
        """
        destination, moment = delivery.destination, now.timestamp()
        lane = self._lanes[destination.id]
        lane.busy = None
        delivery.attempts += 1
        delivery.first_at = moment if delivery.first_at is None else delivery.first_at
        delivery.last_error, delivery.reason = str(error)[:500], error.reason
        delay = retry_delay(delivery.attempts, jitter=jitter, retry_after_s=error.retry_after_s)
        delivery.next_at = moment + delay.total_seconds()
        self._dirty.add(delivery.id)
        if error.retryable:
            lane.last_error, lane.reason = delivery.last_error, delivery.reason
            failures = lane.failures + 1
            pause = moment + PROBE_EVERY_S if failures >= BREAKER_AFTER else 0.0
            # "Not now" is said to everybody who comes from us, not to this delivery alone.
            asked = moment + delay.total_seconds() if error.retry_after_s is not None else 0.0
            if failures == BREAKER_AFTER:
                for waiting in list(lane.waiting.values())[:MOST_TOLD_OF]:
                    self._tell_down(waiting, moment)
            self._settle(destination.id, failures=failures, paused_until=max(lane.paused_until, pause, asked))
        if not error.retryable or delivery.next_at > self._ends(delivery):
            self._bury(delivery, moment)

    @property
    def pending(self) -> dict[str, int]:
        """channel → deliveries that wait."""
        counts: dict[str, int] = {}
        for delivery in self._by_id.values():
            counts[delivery.destination.channel] = counts.get(delivery.destination.channel, 0) + 1
        return counts

    @property
    def paused(self) -> dict[str, int]:
        """channel → destinations that are only probed."""
        counts: dict[str, int] = {}
        for lane in self._lanes.values():
            if lane.failures >= BREAKER_AFTER and lane.waiting:
                channel = next(iter(lane.waiting.values())).destination.channel
                counts[channel] = counts.get(channel, 0) + 1
        return counts

    def oldest(self, now: datetime) -> dict[str, float]:
        """channel → age in seconds of its oldest delivery that waits."""
        ages: dict[str, float] = {}
        for delivery in self._by_id.values():
            channel, age = delivery.destination.channel, now.timestamp() - delivery.created
            ages[channel] = max(ages.get(channel, 0.0), age)
        return ages

    def take_given_up(self) -> list[Delivery]:
        """What was given up since the last call, for the log and the metrics."""
        given_up, self._given_up = self._given_up, []
        return given_up

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _enqueue(self, delivery: Delivery) -> None:
        self._by_id[delivery.id] = delivery
        self._lanes.setdefault(delivery.destination.id, _Lane()).waiting[delivery.id] = delivery

    def _settle(self, destination: str, *, failures: int, paused_until: float) -> None:
        """How a lane stands: in the state while it fails, gone with its last delivery when it does not."""
        lane, key = self._lanes[destination], b"l" + destination.encode()
        if failures or lane.is_down:
            lane.failures, lane.paused_until = failures, paused_until
            row = {"failures": failures, "paused_until": paused_until, "last_error": lane.last_error}
            row |= {"reason": lane.reason, **({"is_down": True} if lane.is_down else {})}
            self._cut.entries[key] = _encoded(row)
            return
        # Also of one that was down and never counted a failure; to take away what is not there is fine.
        self._cut.entries[key] = None
        lane.failures, lane.paused_until, lane.last_error, lane.reason = 0, 0.0, "", ""
        if not lane.waiting:
            del self._lanes[destination]

    @staticmethod
    def _ends(delivery: Delivery) -> float:
        of_channel = life_s(delivery.destination.channel)
        return delivery.created + (of_channel if delivery.life_s is None else min(of_channel, delivery.life_s))

    def _tell_down(self, delivery: Delivery, moment: float, *, is_given_up: bool = False) -> None:
        """Notify hears that a delivery does not arrive, so that somebody else is told."""
        destination = delivery.destination.id
        lane = self._lanes[destination]
        number = down_id(destination, delivery.id, is_given_up=is_given_up)
        down = DestinationDown(
            id=number,
            by=BY,
            way="lockstep",
            at=moment_text(moment),
            destination_id=destination,
            why=delivery.last_error or lane.last_error,
            delivery_id=delivery.id,
            is_given_up=is_given_up,
        )
        self._cut.records.append(Record(COMMANDS, msgspec.json.encode(down), number.encode(), 0))
        if not lane.is_down:
            lane.is_down = True
            self._settle(destination, failures=lane.failures, paused_until=lane.paused_until)

    def _bury(self, delivery: Delivery, moment: float) -> None:
        self._given_up.append(delivery)
        self._tell_down(delivery, moment, is_given_up=True)
        value = _encoded({**_row(delivery), "given_up_at": moment})
        self._cut.records.append(Record(DEAD_DELIVERIES, value, delivery.id.encode(), 0))
        if delivery.state == "resolved":
            for episode in delivery.episodes:
                self._forget_thread(delivery.destination.id, episode)
        self._drop(delivery)

    def _drop(self, delivery: Delivery) -> None:
        lane = self._lanes[delivery.destination.id]
        del lane.waiting[delivery.id]
        if lane.busy == delivery.id:
            lane.busy = None
        del self._by_id[delivery.id]
        self._dirty.add(delivery.id)

    def _thread(self, delivery: Delivery) -> str | None:
        """The message that this one answers to: never for news, which belongs where everybody looks."""
        if delivery.state == "firing":
            return None
        threads = {self._threads.get((delivery.destination.id, episode), (None,))[0] for episode in delivery.episodes}
        return threads.pop() if len(threads) == 1 else None

    def _remember_thread(self, destination: str, episode: str, reference: str, moment: float) -> None:
        self._threads[destination, episode] = reference, moment
        row = {"destination": destination, "episode": episode, "reference": reference, "at": moment}
        self._cut.entries[_thread_key(destination, episode)] = _encoded(row)

    def _forget_thread(self, destination: str, episode: str) -> None:
        if self._threads.pop((destination, episode), None) is not None:
            self._cut.entries[_thread_key(destination, episode)] = None


OF_SOME = ("life_s", "subject")
"""What only some deliveries say."""


def _row(delivery: Delivery) -> dict[str, Any]:
    """As it is stored; without what only some deliveries say, as before there were any."""
    return {name: value for name, value in vars(delivery).items() if name not in OF_SOME or value is not None}


def _encoded(row: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"format": FORMAT, **row})


def _thread_key(destination: str, episode: str) -> bytes:
    return f"t{destination}/{episode}".encode()
