"""On call, escalation, storms, downtime and heartbeats as notify runs them: what goes out, and what is decided."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from open_alert import NOON, transition

from lockstep.measure.definition import Aggregate, Measured, SeriesDef
from lockstep.notify.decide import Notify
from lockstep.notify.route import Routing, routing_of
from lockstep.ports import Batch
from lockstep.response.command import Acknowledge, Command, DestinationDown, EndOverride, PutOverride
from lockstep.response.decision import decode_decision
from lockstep.response.standing import Override
from lockstep.rule.condition.bound import Bounds
from lockstep.rule.condition.kinds import Level, NoData, Plan, Rule, Severity, Threshold
from lockstep.transition import Transition, encode
from lockstep.yaml.document import document_of

LONDON = ZoneInfo("Europe/London")
STOCK = SeriesDef(Aggregate.COUNT, "order.placed", "orders")
ROUTING = """\
teams: {operations: ["oncall:day"]}
receivers:
  anna: {email: {to: [anna@example.com]}}
  ben: {email: {to: [ben@example.com]}}
  lead: {email: {to: [lead@example.com]}}
  board: {email: {to: [board@example.com]}}
  hook: {webhook: {url: "https://example.com/h", secret: {secret: HOOK}}}
schedules:
  day: {zone: Europe/London, rotations: [{who: [anna, ben], every: 1d, from: 2026-11-24 09:00}]}
escalations:
  watch:
    steps: [{after: 15m, to: "oncall:day"}, {after: 30m, to: lead}]
    unresolved: {after: 4h, to: board}
"""
GIVEN: dict[str, Any] = {"by": "ben", "way": "page", "at": "2026-11-24T12:00:00Z"}


def _routing(more: str = "") -> Routing:
    document, faults = document_of("routing.yml", (ROUTING + more).encode())
    assert document is not None
    routing, wrong = routing_of(document)
    assert routing is not None, [*faults, *wrong]
    return routing


ESCALATES = "routes: [{to: team, escalation: watch}]\n"


def _rule() -> Rule:
    return Rule(
        name="LowStock",
        by=("sku",),
        condition=Threshold(Measured(STOCK), 900, (Level(Severity.WARNING, Bounds(above=20)),)),
        for_s=0,
        keep_firing_for_s=0,
        no_data=NoData.KEEP,
        teams=("operations",),
    )


class _Run:
    """Notify on one line of time, cut after each step, and started anew whenever one likes."""

    def __init__(self, routing: Routing, *, now: datetime = NOON) -> None:
        self.routing, self.now, self.stored = routing, now, {}
        self.deliveries: list[dict[str, Any]] = []
        self.decisions: list[Any] = []
        self.answers: list[dict[str, Any]] = []
        self._offset = 0
        self.restart()

    def restart(self) -> "_Run":
        self.notify = Notify(Plan((_rule(),), (STOCK,)), self.routing, zone=LONDON, public_url="https://shop.example")
        self.notify.restore(self.stored)
        return self

    def feed(self, *values: Transition | Command, at: datetime | None = None) -> "_Run":
        """at: when the log got them; None: now."""
        for value in values:
            is_alert = isinstance(value, Transition)
            raw = encode(value) if is_alert else msgspec.json.encode(value)
            self._offset += 1
            self.notify.feed(
                Batch(
                    topic="lockstep.alerts" if is_alert else "lockstep.commands",
                    partition=0,
                    offsets=[self._offset],
                    values=[raw],
                    keys=[None],
                    timestamps_ms=[round((at or self.now).timestamp() * 1000)],
                    previous=self._offset - 1,
                    next=self._offset + 1,
                )
            )
        return self

    def step(self, minutes: float, *, every_s: float = 10) -> "_Run":
        end = self.now + timedelta(minutes=minutes)
        while self.now < end:
            self.now += timedelta(seconds=every_s)
            self.tick()
        return self

    def tick(self) -> "_Run":
        self.notify.tick(self.now)
        cut = self.notify.cut()
        for key, value in cut.entries.items():
            if value is None:
                self.stored.pop(key, None)
            else:
                self.stored[key] = value
        for record in cut.records:
            assert record.value is not None or record.topic == "lockstep.response-state"
            match record.topic:
                case "lockstep.deliveries":
                    self.deliveries.append(json.loads(record.value))
                case "lockstep.decisions":
                    self.decisions.append(decode_decision(record.value))
                case "lockstep.audit":
                    self.answers.append(json.loads(record.value))
        return self

    @property
    def to(self) -> list[str]:
        """Who was sent something, in order."""
        return [d["destination"]["target"].partition("@")[0] for d in self.deliveries]


def _override(number: int, who: str, starts: str, ends: str) -> PutOverride:
    override = Override(id=f"o{number}", schedule="day", who=who, starts=starts, ends=ends)
    return PutOverride(id=f"c{number}", override=override, **GIVEN)


def test_a_colleague_takes_a_shift_and_gives_it_back():
    """Whoever is on call when it is told hears of it; an end goes to who heard of the beginning."""
    run = _Run(_routing()).feed(transition(episode="E1", alert="A1")).step(1)
    assert run.to == ["anna"]
    run.feed(_override(1, "ben", "2026-11-24T12:00:00Z", "2026-11-25T09:00:00Z")).step(1)
    assert run.answers[-1]["applied"]
    run.restart().feed(transition(episode="E2", alert="A2")).step(1)
    assert run.to == ["anna", "ben"]
    run.feed(EndOverride(id="c2", override_id="o1", **GIVEN)).step(1)
    run.feed(transition(episode="E3", alert="A3")).feed(transition("resolved", episode="E2", alert="A2")).step(1)
    assert run.to == ["anna", "ben", "anna", "ben"]


def test_nobody_on_call_is_a_decision():
    """A gap is no silence without a reason."""
    gap = ROUTING.replace("every: 1d", "every: 1d, until: 2026-11-24 10:00")
    document, _ = document_of("routing.yml", gap.encode())
    assert document is not None
    known, faults = routing_of(document)
    assert known is not None, faults
    run = _Run(known).feed(transition()).step(1)
    assert run.to == []
    assert [(d.outcome, d.reason) for d in run.decisions] == [("not_told", "nobody")]


def test_an_escalation_goes_on_until_somebody_has_it():
    """On-call again after a quarter of an hour, then the lead; each with its reason."""
    run = _Run(_routing(ESCALATES)).feed(transition()).step(40)
    assert run.to == ["anna", "anna", "lead"]
    assert [d["body"]["reason"] for d in run.deliveries][1:] == [
        "nobody has it after 15 minutes (escalation watch, step 1 of 2)",
        "nobody has it after 30 minutes (escalation watch, step 2 of 2)",
    ]
    assert [(d.outcome, d.reason) for d in run.decisions if d.outcome == "told"] == [
        ("told", "first"),
        ("told", "escalation"),
        ("told", "escalation"),
    ]


def test_the_first_acknowledgement_ends_it_and_leadership_hears_of_what_lasts():
    """After a restart, too."""
    run = _Run(_routing(ESCALATES)).feed(transition()).step(20)
    run.feed(Acknowledge(id="a", alert_id="A1", **GIVEN)).step(1).restart().step(200)
    assert run.to[:2] == ["anna", "anna"]
    assert "lead" not in run.to
    assert "board" not in run.to
    run.step(30)
    assert run.to[-1] == "board"
    assert run.deliveries[-1]["body"]["reason"].endswith("it is still open after 4 hours (escalation watch)")


def test_a_dead_destination_hurries_the_next_step():
    """Nobody waits a quarter of an hour for a mail that never arrived."""
    run = _Run(_routing(ESCALATES)).feed(transition()).step(1)
    (first,) = run.deliveries
    down = DestinationDown(
        id="d",
        by="deliver",
        way="lockstep",
        at="2026-11-24T12:01:00Z",
        destination_id=first["destination"]["id"],
        why="550 no such user",
        delivery_id=first["id"],
    )
    run.feed(down).step(0.5)
    assert len(run.deliveries) == 2
    assert "cannot be reached" in run.deliveries[-1]["body"]["reason"]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_storm_is_one_summary_and_every_message_has_its_decision(restarts):
    """Three go out, the rest comes a minute later; what waited was told in the summary, what is critical at once."""
    routes = 'routes: [{to: team, group_by: ["..."], group_wait: 0s}]\n'
    run = _Run(_routing(f"storms: {{above: 3, per: 1m}}\n{routes}"))
    for n in range(8):
        severity = "critical" if n == 6 else "warning"
        run.feed(transition(severity=severity, episode=f"E{n}", alert=f"A{n}")).step(1 / 60, every_s=1)
        if restarts:
            run.restart()
    assert [d["episodes"] for d in run.deliveries] == [["E0"], ["E1"], ["E2"], ["E6"]]
    run.step(1.5, every_s=1)
    summary = run.deliveries[-1]
    assert (summary["body"]["subject"].partition(". ")[0], summary["body"]["more"]) == ("4 alerts", 1)
    assert summary["episodes"] == ["E3", "E4", "E5", "E7"]
    waited = {d.episode_id for d in run.decisions if d.outcome == "waits" and d.reason == "storm"}
    told = {d.episode_id: d.delivery_id for d in run.decisions if d.outcome == "told" and d.reason == "storm"}
    assert (waited, {*told}, {*told.values()}) == ({*summary["episodes"]}, {*summary["episodes"]}, {summary["id"]})
    run.feed(transition("resolved", episode="E3", alert="A3", severity="warning")).step(1)
    assert run.deliveries[-1]["state"] == "resolved"  # who heard of it in the summary hears that it is over


def test_after_downtime_what_came_and_went_is_one_summary_and_webhooks_get_everything():
    """What still fires is told as ever."""
    known = replace(_routing(), teams={"operations": ("oncall:day", "hook")})
    run = _Run(known).tick()
    run.now += timedelta(hours=2)
    run.restart()
    back = run.now
    for n, minute in enumerate((20, 40)):
        run.feed(transition(episode=f"E{n}", alert=f"A{n}", minute=minute), at=back)
        run.feed(transition("resolved", episode=f"E{n}", alert=f"A{n}", minute=minute + 10), at=back)
    run.feed(transition(episode="E9", alert="A9", minute=60), at=back).step(1)
    hooks = [d["body"]["type"] for d in run.deliveries if d["destination"]["channel"] == "webhook"]
    assert hooks == ["alert.firing", "alert.resolved", "alert.firing", "alert.resolved", "alert.firing"]
    mails = [d for d in run.deliveries if d["destination"]["channel"] == "email"]
    assert [sorted(m["episodes"]) for m in mails] == [["E9"], ["E0", "E1"]]
    assert mails[1]["body"]["reason"].startswith("Lockstep was away or up to 1 hour behind")
    assert [
        d.reason for d in run.decisions if d.outcome == "told" and d.episode_id == "E0" and d.channel == "email"
    ] == ["caught_up"]


def test_a_heartbeat_goes_out_as_a_delivery():
    """At its interval, to the program alone, worth trying for as long."""
    run = _Run(_routing("heartbeat: {to: hook, every: 5m}\n")).tick().step(11)
    assert [(d["body"]["type"], d["body"]["data"]["number"], d["life_s"]) for d in run.deliveries] == [
        ("heartbeat", 1, 300.0),
        ("heartbeat", 2, 300.0),
        ("heartbeat", 3, 300.0),
    ]
    assert len({d["id"] for d in run.deliveries}) == 3


def test_a_step_waits_for_its_hours():
    """The lead hears in office hours: of an alert at noon at one, when these begin, and not of one that was over."""
    office = 'mute_times:\n  office: [{times: ["13:00-18:00"], zone: UTC}]\n'
    steps = "escalations:\n  watch: {steps: [{after: 30m, to: lead, active: office}]}\n"
    document, _ = document_of(
        "routing.yml", (ROUTING.partition("escalations:")[0] + steps + office + ESCALATES).encode()
    )
    assert document is not None
    routing, faults = routing_of(document)
    assert routing is not None, faults
    run = _Run(routing).feed(transition(), transition(episode="E2", alert="A2")).step(45)
    run.feed(transition("resolved", minute=45, episode="E2", alert="A2")).step(14)
    assert "lead" not in run.to
    run.restart().step(2)
    assert run.to[-1] == "lead"
    assert run.deliveries[-1]["episodes"] == ["E1"]
