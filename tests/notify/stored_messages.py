"""What notify and deliver store and publish of one noon, so that a later version can be held to reading it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from alert_samples import LONDON, NOON, ROUTING, batch, plan, rule, transition

from lockstep.deliver import Deliver
from lockstep.errors import DeliveryError
from lockstep.notify.decide import DELIVERIES, Notify
from lockstep.ports import Batch, Cut, Sent
from lockstep.rule.condition.kinds import Flapping

STORED = Path(__file__).parent / "stored" / "noon.json"
"""Written once, by the first version of the program that promises to read it: entries and records as they were."""

SAY = {"summary": "{{ labels.channel }}: {{ value }} orders", "operations": "Stock of {{ labels.sku }} may run out."}
RULES = plan(
    rule(say=SAY, runbook="https://shop.example/spikes", owner="Ada", max_alerts=2),
    rule("Flapper", flapping=Flapping(2, 3600)),
)
FIRST = (
    transition(),
    transition(channel="app", severity="critical"),
    transition(rule="Flapper", minute=1),
    transition("resolved", rule="Flapper", minute=2),
    transition(rule="Flapper", minute=3, number=4),
)
"""What is heard before the state is stored: groups wait, one alert flaps, the rule's text for operations is broken."""
THEN = (
    transition("resolved", minute=4),
    transition(channel="shop", minute=4),
    transition(channel="kiosk", minute=4),
    transition("severity", "app", minute=5, severity="critical", previous_severity="warning"),
)

Kept = dict[str, str]
"""Entries or records as text: all of it is JSON."""


def notify(entries: Kept | None = None) -> Notify:
    stage = Notify(RULES, ROUTING, zone=LONDON, public_url="https://alerts.example")
    stage.restore({key.encode(): value.encode() for key, value in (entries or {}).items()})
    return stage


def begin(stage: Notify) -> tuple[list[str], Kept]:
    """The deliveries of the FIRST, as published, and what is stored while people's groups still wait."""
    stage.feed(batch(*FIRST))
    stage.tick(NOON)
    cut = stage.cut()
    return published(cut), kept(cut)


def go_on(stage: Notify) -> list[str]:
    """The deliveries that follow, of what waited and of what is heard THEN."""
    found: list[str] = []
    for seconds, heard in ((11, ()), (12, THEN), (12, ()), (30, ()), (7200, ()), (7300, ())):
        stage.feed(batch(*heard, start=len(FIRST)))
        stage.tick(NOON + timedelta(seconds=seconds))
        found += published(stage.cut())
    return found


def attempted(deliveries: list[str]) -> Kept:
    """What deliver stores when Slack has taken its first message, the webhook has failed and mails still wait."""
    stage = Deliver()
    stage.feed(arrived(deliveries))
    entries = kept(stage.cut())
    stage.confirm()
    for delivery in stage.due(NOON):
        if delivery.destination.channel == "slack":
            stage.sent(delivery, Sent(reference="171.1"), now=NOON)
        elif delivery.destination.channel == "webhook":
            down = DeliveryError("serverError", "webhook/x: HTTP 503", retryable=True)
            stage.failed(delivery, down, now=NOON, jitter=0.5)
    cut = stage.cut()
    gone = {key.decode() for key, value in cut.entries.items() if value is None}
    return {key: value for key, value in {**entries, **kept(cut)}.items() if key not in gone}


def arrived(deliveries: list[str]) -> Batch:
    values = [text.encode() for text in deliveries]
    count = len(values)
    stamps = [round(NOON.timestamp() * 1000)] * count
    return Batch(DELIVERIES, 0, range(count), values, [None] * count, stamps, -1, count)


def published(cut: Cut) -> list[str]:
    return [(r.value or b"").decode() for r in cut.records if r.topic == DELIVERIES]


def kept(cut: Cut) -> Kept:
    return {key.decode(): value.decode() for key, value in sorted(cut.entries.items()) if value is not None}


def noon() -> dict[str, Any]:
    """Everything, as this version of the program writes it."""
    first, entries = begin(notify())
    then = go_on(notify(entries))
    return {"first": first, "notify": entries, "then": then, "deliver": attempted([*first, *then])}


if __name__ == "__main__":
    STORED.parent.mkdir(exist_ok=True)
    STORED.write_text(json.dumps(noon(), indent=1, ensure_ascii=False) + "\n")
