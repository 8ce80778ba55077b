"""A notify stage driven along a timeline: transitions and commands come, time passes, workers die and others go on."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from alert_samples import LONDON, NOON, plan, rule

from lockstep.deliver import Deliver
from lockstep.errors import DeliveryError
from lockstep.notify.decide import ALERTS, DELIVERIES, Notify
from lockstep.notify.route import Routing, routing_of
from lockstep.ports import Batch, Sent
from lockstep.response.command import AUDIT, COMMANDS, Acknowledge, Command, PutSilence, decode_command
from lockstep.response.decision import DECISIONS, Decision, decode_decision
from lockstep.response.standing import RESPONSE_STATE, Silence
from lockstep.rule.condition.kinds import Plan
from lockstep.transition import Transition, encode
from lockstep.yaml.document import document_of

RECEIVERS = """
teams: {marketing: [mail], operations: [mail, chat, hook]}
receivers:
  mail: {email: {to: [anna@example.com]}}
  ben: {email: {to: [ben@example.com]}}
  cara: {email: {to: [cara@example.com]}}
  dan: {email: {to: [dan@example.com]}}
  lead: {email: {to: [lead@example.com]}}
  chat: {slack: {channel: "#ops", token: {secret: SLACK_TOKEN}}}
  hook: {webhook: {url: "http://127.0.0.1:9/h", secret: {secret: HOOK}}}
"""
RULES = plan(rule(), rule("LowStock"), rule("ShopDown"))


def routing(routes: str = "", *, without: str = "") -> Routing:
    """RECEIVERS with more below. without: a receiver that is not there."""
    lines = [line for line in RECEIVERS.splitlines() if not (without and line.startswith(f"  {without}:"))]
    document, faults = document_of("routing.yml", "\n".join([*lines, routes]).encode())
    assert document is not None, faults
    compiled, faults = routing_of(document)
    assert compiled is not None, [str(f) for f in faults]
    return compiled


@dataclass
class Told:
    """A message or document that went out. at: seconds after NOON."""

    at: float
    target: str
    state: str
    episodes: list[str]
    body: dict[str, Any]
    id: str


class Timeline:
    """One stage after another over one state; `at` is seconds after NOON.

    restarts: after each cut another one goes on. is_doomed: what comes and what a tick decides is first decided by a
    worker that loses the partition before its cut; the next owner is given the same.
    """

    def __init__(self, routes: Routing | str = "", *, rules: Plan = RULES, restarts: bool = False) -> None:
        self.routing = routes if isinstance(routes, Routing) else routing(routes)
        self.rules, self.restarts, self.is_doomed = rules, restarts, False
        self.at, self.offset = 0.0, 0
        self.entries: dict[bytes, bytes] = {}
        self.told: list[Told] = []
        self.decisions: list[Decision] = []
        self.answers: list[dict[str, Any]] = []
        self.standing: dict[str, Any] = {}
        self.published: list[tuple[str, bytes, bytes | None]] = []
        self.stage = self._stage()

    def _stage(self) -> Notify:
        stage = Notify(self.rules, self.routing, zone=LONDON)
        stage.restore(dict(self.entries))
        return stage

    @property
    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.at)

    def die(self) -> None:
        """The worker dies with what it had not cut; another one goes on."""
        self.stage = self._stage()

    def reload(self, routes: Routing | str) -> None:
        """routing.yml is another one."""
        self.routing = routes if isinstance(routes, Routing) else routing(routes)
        self.die()

    def feed(self, *given: Transition | Command) -> "Timeline":
        """Records come, and are cut after a tick, as in service."""
        batches = [self._batch(value, self.offset + n) for n, value in enumerate(given)]
        self.offset += len(given)
        return self._decide(*batches)

    def _batch(self, value: Transition | Command, offset: int) -> Batch:
        is_alert = isinstance(value, Transition)
        raw = encode(value) if isinstance(value, Transition) else msgspec.json.encode(value)
        stamp = round(self.now.timestamp() * 1000)
        topic = ALERTS if is_alert else COMMANDS
        return Batch(topic, 0, range(offset, offset + 1), [raw], [None], [stamp], offset - 1, offset + 1)

    def step(self, seconds: float) -> "Timeline":
        """Time passes in one tick."""
        self.at += seconds
        return self._decide()

    def _decide(self, *batches: Batch) -> "Timeline":
        for is_lost in (True, False) if self.is_doomed else (False,):
            for one in batches:
                self.stage.feed(one)
            self.stage.tick(self.now)
            if is_lost:  # also the cut that it would have made
                self.stage.cut()
                self.die()
        self.cut()
        return self

    def until(self, at: float) -> "Timeline":
        """Time passes, a tick a second as in service."""
        while self.at < at:
            self.step(min(1.0, at - self.at))
        return self

    def cut(self) -> None:
        cut = self.stage.cut()
        for key, value in cut.entries.items():
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value
        for record in cut.records:
            self._take(record.topic, record.key or b"", record.value)
        if self.restarts:
            self.die()

    def _take(self, topic: str, key: bytes, value: bytes | None) -> None:
        self.published.append((topic, key, value))
        if topic == DELIVERIES:
            row = json.loads(value or b"")
            self.told.append(
                Told(self.at, row["destination"]["target"], row["state"], row["episodes"], row["body"], row["id"])
            )
        elif topic == DECISIONS:
            self.decisions.append(decode_decision(value or b""))
        elif topic == AUDIT:
            self.answers.append(json.loads(value or b""))
        elif topic == RESPONSE_STATE:
            self.standing[key.decode()] = None if value is None else json.loads(value)

    def to(self, target: str) -> list[tuple[float, str]]:
        """(when, the channels with the state of each) of every message to a target: `(10.0, "web firing")`."""
        return [
            (told.at, ", ".join(f"{i['labels'].get('channel', '')} {i['state']}" for i in told.body["items"]))
            for told in self.told
            if told.target == target
        ]

    def reasons(self, target: str) -> list[str]:
        """Why each message to a target was sent."""
        return [told.body["reason"] for told in self.told if told.target == target]

    def why(self, target: str = "") -> list[str]:
        """Every decision for a target, `outcome reason`."""
        ids = {d.id for known in self.routing.destinations.values() for d in known if d.target == target}
        return [f"{d.outcome} {d.reason}" for d in self.decisions if d.destination_id in ids or not target]


class Sender:
    """The deliver stage behind a timeline's deliveries, whose own news goes back into it.

    answer: (target, seconds after NOON) → what an attempt ends in there and then. seen: (when, target, delivery's id)
    of every attempt; arrived: of those that arrived.
    """

    def __init__(self, run: Timeline, answer: Callable[[str, float], Sent | DeliveryError]) -> None:
        self.run, self._answer = run, answer
        self.seen: list[tuple[float, str, str]] = []
        self.arrived: list[tuple[float, str, str]] = []
        self._stage, self._read, self._offset = Deliver(), 0, 0

    def until(self, at: float) -> "Sender":
        """Time passes, a tick a second; attempts are made when they are due, and again as deliver says."""
        while self.run.at < at:
            self.run.step(min(1.0, at - self.run.at))
            self._take()
            for delivery in self._stage.due(self.run.now):
                outcome = self._answer(delivery.destination.target, self.run.at)
                attempt = self.run.at, delivery.destination.target, delivery.id
                self.seen.append(attempt)
                if isinstance(outcome, Sent):
                    self.arrived.append(attempt)
                    self._stage.sent(delivery, outcome, now=self.run.now)
                else:
                    self._stage.failed(delivery, outcome, now=self.run.now, jitter=0.5)
            self._stage.tick(self.run.now)
            self._cut()
        return self

    def _take(self) -> None:
        new = [value for topic, _, value in self.run.published[self._read :] if topic == DELIVERIES]
        self._read = len(self.run.published)
        stamps = [round(self.run.now.timestamp() * 1000)] * len(new)
        offsets = range(self._offset, self._offset + len(new))
        if new:
            self._stage.feed(
                Batch(DELIVERIES, 0, offsets, new, [None] * len(new), stamps, self._offset - 1, self._offset + len(new))
            )
        self._offset += len(new)
        self._cut()

    def _cut(self) -> None:
        cut = self._stage.cut()
        self._stage.confirm()
        self.run.feed(*(decode_command(r.value or b"") for r in cut.records if r.topic == COMMANDS))


def ack(alert_id: str, *, by: str = "Anna", number: str = "", at: float = 0.0, **more: Any) -> Acknowledge:
    return Acknowledge(id=number or f"ack-{by}-{at}", by=by, way="api", at=moment(at), alert_id=alert_id, **more)


def silence(*matchers: str, at: float, ends: float, number: str = "s1", **more: Any) -> PutSilence:
    """From `at` until `ends`, seconds after NOON."""
    return PutSilence(
        id=f"put-{number}-{at}",
        by="Anna",
        way="api",
        at=moment(at),
        silence=Silence(
            id=number,
            matchers=matchers,
            starts=moment(at),
            ends=moment(ends),
            author="Anna",
            comment="a campaign",
            **more,
        ),
    )


def moment(at: float) -> str:
    """Seconds after NOON as RFC 3339."""
    return (NOON + timedelta(seconds=at)).isoformat().replace("+00:00", "Z")
