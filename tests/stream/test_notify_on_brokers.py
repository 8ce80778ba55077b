"""Notify on both brokers, with the time handed in: escalation, storms, heartbeat and what was missed, each once.

Before each step an owner decides it and loses the partition before its cut; the next one reads the same and goes on.
What is published is what notify decides in memory, where nothing is ever lost.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from lockstep.adapters.stream import open_broker
from lockstep.app import utc_now
from lockstep.errors import Fenced
from lockstep.labels import stable_id
from lockstep.measure.definition import Aggregate, Measured, SeriesDef
from lockstep.notify.decide import ALERTS, DELIVERIES, Notify
from lockstep.notify.route import Routing, routing_of
from lockstep.ports import Batch, Broker, Cut, Ownership, Record
from lockstep.response.command import COMMANDS, Acknowledge, Command
from lockstep.response.decision import DECISIONS
from lockstep.rule.condition.bound import Bounds
from lockstep.rule.condition.kinds import Level, NoData, Plan, Rule, Severity, Threshold
from lockstep.settings import Settings
from lockstep.transition import Transition, TransitionName, encode
from lockstep.worker.required_topics import prepare
from lockstep.yaml.document import document_of

LONDON = ZoneInfo("Europe/London")
STOCK = SeriesDef(Aggregate.COUNT, "order.placed", "orders")
ROUTING = """\
teams: {operations: [ops]}
receivers:
  ops: {email: {to: [ops@example.com]}}
  anna: {email: {to: [anna@example.com]}}
  lead: {email: {to: [lead@example.com]}}
  watchdog: {webhook: {url: "https://watchdog.example.com/beat", secret: {secret: BEAT}}}
schedules: {day: {zone: UTC, rotations: [{who: [anna], every: 1w, from: 2020-01-06 09:00}]}}
escalations: {watch: {steps: [{after: 15m, to: "oncall:day"}, {after: 30m, to: lead}]}}
"""
PLAN = Plan(
    (
        Rule(
            name="LowStock",
            by=("sku",),
            condition=Threshold(Measured(STOCK), 900, (Level(Severity.WARNING, Bounds(above=20)),)),
            for_s=0,
            keep_firing_for_s=0,
            no_data=NoData.KEEP,
            teams=("operations",),
        ),
    ),
    (STOCK,),
)
INPUT = (ALERTS, COMMANDS)
PATIENCE_S = 20.0
MINUTE = 60.0


def _routing(more: str) -> Routing:
    document, faults = document_of("routing.yml", (ROUTING + more).encode())
    assert document is not None, faults
    routing, wrong = routing_of(document)
    assert routing is not None, wrong
    return routing


@dataclass
class NotifyOwners:
    """One owner of notify's partition after another. offset_s: by how much our clock is ahead of the broker's.

    twin: a stage that nobody takes anything from, which reads the same at the same times; expected: what it publishes.
    """

    broker: Broker
    routing: Routing
    offset_s: float = 0.0
    expected: list[tuple[str, Any]] = field(default_factory=list)
    owners: list[Ownership] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.twin, self.begun = self._stage(), utc_now()

    def _stage(self) -> Notify:
        return Notify(PLAN, self.routing, zone=LONDON, group_wait_s=0.0)

    async def step(self, *records: Transition | Command, after_s: float = 0.0, late: bool = False) -> None:
        """Records come, and time passes. late: they came when the broker says, and not now."""
        self.offset_s += after_s
        await self.broker.publish([_record(record) for record in records])
        former, _, cut, positions = await self._taken_over(late=late)
        owner, batches, again, positions = await self._taken_over(late=late)
        assert _rows(again.records) == _rows(cut.records), "the next owner decides the same"
        with pytest.raises(Fenced):  # the former one comes back with what it had decided
            await former.cut(cut, positions)
        await owner.cut(again, positions)
        for batch in batches:
            self.twin.feed(batch)
        self.twin.tick(self.now)
        self.expected += _rows(self.twin.cut().records)

    @property
    def now(self) -> Any:
        return self.begun + timedelta(seconds=self.offset_s)

    async def _taken_over(self, *, late: bool) -> tuple[Ownership, list[Batch], Cut, dict[tuple[str, int], int]]:
        """Another owner, what it read, and what it decides before its cut."""
        owner = self.broker.own("notify", 0)
        self.owners.append(owner)
        stored, entries = await owner.recover()
        stage, batches = self._stage(), []
        stage.restore(dict(entries))
        positions = {(topic, 0): stored.get((topic, 0), 0) for topic in INPUT}
        for topic, partition in positions:
            _, end = (await self.broker.bounds(topic))[partition]
            async for batch in self.broker.read(topic, partition, positions[topic, partition], end):
                stamp = round(self.now.timestamp() * 1000)
                stamps = batch.timestamps_ms if late else [stamp] * len(batch)
                batches.append(msgspec.structs.replace(batch, timestamps_ms=stamps))
            positions[topic, partition] = end
        for batch in batches:
            stage.feed(batch)
        stage.tick(self.now)
        return owner, batches, stage.cut(), positions

    async def published(self) -> list[tuple[str, Any]]:
        """Deliveries and decisions, as they stand on the log."""
        rows = []
        for topic in (DELIVERIES, DECISIONS):
            for partition, (start, end) in (await self.broker.bounds(topic)).items():
                async for batch in self.broker.read(topic, partition, start, end):
                    rows += [(topic, json.loads(value or b"null")) for value in batch.values]
        return rows

    async def told(self) -> list[tuple[str, str]]:
        """(to whom, why or what) of each delivery, in order; and nothing else was decided than in memory."""
        of_memory = [row for topic in (DELIVERIES, DECISIONS) for row in self.expected if row[0] == topic]
        loop = asyncio.get_running_loop()
        patience = loop.time() + PATIENCE_S
        while len(rows := await self.published()) < len(of_memory) and loop.time() < patience:
            await asyncio.sleep(0.02)  # a cut that is committed is seen a moment later
        assert rows == of_memory
        sent = [row for topic, row in rows if topic == DELIVERIES]
        assert len({row["id"] for row in sent}) == len(sent)
        return [(row["destination"]["receiver"], row["body"].get("reason") or row["state"]) for row in sent]


def _rows(records: list[Record]) -> list[tuple[str, Any]]:
    return [(r.topic, json.loads(r.value or b"null")) for r in records if r.topic in (DELIVERIES, DECISIONS)]


def _record(value: Transition | Command) -> Record:
    if isinstance(value, Transition):
        return Record(ALERTS, encode(value), value.alert_id.encode(), 0)
    return Record(COMMANDS, msgspec.json.encode(value), value.id.encode(), 0)


def _alert(run: NotifyOwners, sku: str, state: str = "firing", severity: str = "warning") -> Transition:
    number = {"firing": 1, "resolved": 2}[state]
    alert, at = stable_id("alert", "LowStock", "sku", sku), run.now.isoformat()
    return Transition(
        transition_id=stable_id("transition", alert, number),
        alert_id=alert,
        episode_id=stable_id("episode", alert),
        number=number,
        rule="LowStock",
        labels={"sku": sku},
        state=TransitionName(state),
        at=at,
        started_at=at,
        severity=severity,
        value=3.0,
        baseline=None,
        ratio=None,
        limit=20.0,
        window_start=at,
        window_end=at,
        so_far=False,
        watermark=at,
        rule_version="v1",
    )


@pytest.fixture
async def owned_by(own_broker: str) -> AsyncIterator[Any]:
    """Makes the owners of notify's partition, with so much more in routing.yml."""
    settings = Settings(broker=own_broker)
    broker = open_broker(settings, clock=utc_now)
    await broker.start()
    await prepare(settings, broker)
    made: list[NotifyOwners] = []

    def make(more: str) -> NotifyOwners:
        made.append(NotifyOwners(broker, _routing(more)))
        return made[-1]

    yield make
    for owner in (owner for run in made for owner in run.owners):
        await owner.close()
    await broker.stop()


async def test_escalation(owned_by):
    """Each step once, whoever owns the partition when it is due; none after somebody has it."""
    run = owned_by("routes: [{to: team, escalation: watch}]\n")
    await run.step(_alert(run, "A"), _alert(run, "B"))
    await run.step(after_s=14 * MINUTE)
    assert [who for who, _ in await run.told()] == ["ops"]
    has_b = Acknowledge(id="1", by="Ben", way="api", at=run.now.isoformat(), alert_id=_alert(run, "B").alert_id)
    await run.step(has_b, after_s=30.0)
    await run.step(after_s=30.0)
    await run.step(after_s=14 * MINUTE)
    await run.step(after_s=MINUTE)
    await run.step(after_s=60 * MINUTE)
    told = await run.told()
    assert [who for who, _ in told] == ["ops", "anna", "lead"]
    assert "nobody has it after 15 minutes" in told[1][1]
    assert "nobody has it after 30 minutes" in told[2][1]


async def test_storm(owned_by):
    """The first few one by one, what is critical at once, the rest as one a minute later."""
    run = owned_by("storms: {above: 2, per: 1m}\nroutes: [{to: team, group_by: ['...'], group_wait: 0s}]\n")
    for number in range(5):
        await run.step(_alert(run, f"A-{number}"), after_s=1.0)
    await run.step(_alert(run, "worst", severity="critical"), after_s=1.0)
    assert len(await run.told()) == 3
    await run.step(after_s=MINUTE)
    await run.step(after_s=MINUTE)
    told = await run.told()
    assert [who for who, _ in told] == ["ops"] * 4
    assert told[-1][1] == "more than 2 messages were to go to you within 1 minute: this is all the rest"


async def test_what_was_missed(owned_by):
    """What began and ended while nobody read the log comes as one summary, and what still fires as ever."""
    run = owned_by("routes: [{to: team, group_wait: 0s}]\n")
    await run.step()
    missed = [_alert(run, f"A-{n}", state) for n in range(3) for state in ("firing", "resolved")]
    await run.step(*missed, _alert(run, "open"), after_s=120 * MINUTE, late=True)
    await run.step(after_s=10.0)
    await run.step(after_s=15.0)
    await run.step(after_s=MINUTE)
    told = await run.told()
    assert [who for who, _ in told] == ["ops", "ops"]
    assert told[0][1] == "it has begun"
    assert told[1][1].startswith("Lockstep was away or up to ")


async def test_heartbeat(owned_by):
    """One an interval, with numbers that follow each other, and not those that a pause has missed."""
    run = owned_by("heartbeat: {to: watchdog, every: 5m}\n")
    for after_s in (0.0, 4 * MINUTE, MINUTE, 5 * MINUTE, 60 * MINUTE, MINUTE):
        await run.step(after_s=after_s)
    await run.told()
    beats = [row["body"]["data"]["number"] for topic, row in await run.published() if topic == DELIVERIES]
    assert beats == [1, 2, 3, 4]
