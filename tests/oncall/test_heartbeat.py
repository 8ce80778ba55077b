"""The heartbeat: one an interval, whatever clocks and restarts do, as its schema says."""

import json
from datetime import UTC, datetime
from pathlib import Path

from jsonschema import Draft202012Validator
from open_alert import transition

from lockstep.deliver import Deliver
from lockstep.errors import DeliveryError
from lockstep.notify.heartbeat import Heartbeat, HeartbeatPlan
from lockstep.ports import Batch, Destination

T0 = 1_780_000_000.0
HOOK = Destination("d1", "webhook", "https://watchdog.example.com/beat", "watchdog", {"secret": "BEAT"})
PLAN = HeartbeatPlan((HOOK,), 300)
SCHEMA = Path(__file__).parents[2] / "schemas" / "heartbeat.schema.json"


def _sent(part: Heartbeat, begin: float, end: float) -> list[tuple[float, int]]:
    beats = []
    for n in range(int(begin), int(end)):
        beats += [(float(n), d.body["data"]["number"]) for d in part.tick(T0 + n).documents]
    return beats


def test_one_an_interval_as_its_schema_says():
    """The first at once, and each says when the next one comes."""
    part = Heartbeat(PLAN)
    part.hear(transition())
    (first,) = part.tick(T0).documents
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(first.body)
    assert (first.destination, first.state, first.life_s) == (HOOK, "heartbeat", 300.0)
    assert first.body == {
        "type": "heartbeat",
        "timestamp": "2026-05-28T20:26:40Z",
        "data": {
            "number": 1,
            "every_s": 300,
            "next_at": "2026-05-28T20:31:40Z",
            "last_change_at": "2026-11-24T12:00:00+00:00",
        },
    }
    assert _sent(part, 1, 1_000) == [(300.0, 2), (600.0, 3), (900.0, 4)]


def test_a_restart_neither_repeats_nor_skips_one():
    """Due times and numbers stand in the state, and a pause is made up for by one."""
    part, stored = Heartbeat(PLAN), {}
    assert _sent(part, 0, 400) == [(0.0, 1), (300.0, 2)]
    stored.update(part.cut())
    part = Heartbeat(PLAN)
    part.restore(stored)
    assert _sent(part, 400, 700) == [(600.0, 3)]
    stored.update(part.cut())
    part = Heartbeat(PLAN)
    part.restore(stored)
    assert _sent(part, 5_000, 5_400) == [(5_000.0, 4), (5_300.0, 5)]


def test_a_clock_that_is_put_back_does_not_silence_it():
    """No longer than the interval."""
    part = Heartbeat(PLAN)
    assert _sent(part, 0, 10) == [(0.0, 1)]
    assert _sent(part, -86_400, -86_000) == [(-86_100.0, 2)]


def test_one_that_cannot_be_delivered_is_given_up_after_its_interval():
    """Heartbeats of yesterday prove nothing, and would come by the hundred when the program is back."""
    (document,) = Heartbeat(PLAN).tick(T0).documents
    row = {
        "format": 1,
        "id": document.id,
        "destination": {
            "id": HOOK.id,
            "channel": "webhook",
            "target": HOOK.target,
            "receiver": "watchdog",
            "options": {},
        },
        "rule": "",
        "state": document.state,
        "alerts": [],
        "episodes": [],
        "body": document.body,
        "life_s": document.life_s,
    }
    deliver = Deliver()
    value = json.dumps(row).encode()
    ms = [int(T0 * 1000)]
    deliver.feed(Batch("lockstep.deliveries", 0, [0], [value], [None], ms, previous=-1, next=1))
    deliver.cut()
    deliver.confirm()
    now = T0
    for _ in range(20):
        moment = datetime.fromtimestamp(now, UTC)
        for delivery in deliver.due(moment):
            error = DeliveryError("connection", "refused", retryable=True)
            deliver.failed(delivery, error, now=moment, jitter=0.5)
        deliver.tick(moment)
        now += 30
    (given_up,) = deliver.take_given_up()
    assert (given_up.id, given_up.attempts >= 2) == (document.id, True)
    assert deliver.pending == {}
