"""Transitions, rules and routings that the tests of notify share."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from lockstep.labels import stable_id
from lockstep.measure.definition import Aggregate, Measured, SeriesDef
from lockstep.notify.route import Routing
from lockstep.ports import Batch, Destination
from lockstep.rule.condition.bound import Bounds
from lockstep.rule.condition.kinds import Level, NoData, Plan, Rule, Severity, Threshold
from lockstep.transition import Transition, TransitionName, encode

LONDON = ZoneInfo("Europe/London")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ORDERS = SeriesDef(Aggregate.COUNT, "order.placed", "orders")


def rule(name: str = "OrderSpike", teams: tuple[str, ...] = ("marketing", "operations"), **changed: Any) -> Rule:
    return Rule(
        **{
            "name": name,
            "by": ("channel",),
            "condition": Threshold(Measured(ORDERS), 900, (Level(Severity.WARNING, Bounds(above=20)),)),
            "for_s": 0,
            "keep_firing_for_s": 0,
            "no_data": NoData.KEEP,
            "teams": teams,
            "place": "rules/orders.yml:14",
            **changed,
        }
    )


def plan(*rules: Rule) -> Plan:
    return Plan(rules or (rule(),), (ORDERS,))


def transition(state: str = "firing", channel: str = "web", *, minute: int = 0, **changed: Any) -> Transition:
    """OrderSpike of a channel, `minute` minutes after NOON; its episode began at NOON."""
    at = NOON + timedelta(minutes=minute)
    name = changed.pop("rule", "OrderSpike")
    alert = stable_id("alert", name, "channel", channel)
    episode = changed.pop("episode_id", stable_id("episode", alert))
    number = changed.pop("number", {"pending": 0, "firing": 1, "severity": 2, "resolved": 3, "cancelled": 4}[state])
    return Transition(
        **{
            "transition_id": stable_id("transition", episode, number),
            "alert_id": alert,
            "episode_id": episode,
            "number": number,
            "rule": name,
            "labels": {"channel": channel},
            "state": TransitionName(state),
            "at": at.isoformat(),
            "started_at": NOON.isoformat(),
            "severity": "warning",
            "value": 62.0,
            "baseline": 20.0,
            "ratio": 3.1,
            "limit": None,
            "window_start": (at - timedelta(minutes=15)).isoformat(),
            "window_end": at.isoformat(),
            "so_far": False,
            "watermark": at.isoformat(),
            "rule_version": "v1",
            **changed,
        }
    )


def batch(*values: Transition | bytes | None, start: int = 0, topic: str = "lockstep.alerts") -> Batch:
    raw = [encode(v) if isinstance(v, Transition) else v for v in values]
    return Batch(
        topic=topic,
        partition=0,
        offsets=range(start, start + len(raw)),
        values=raw,
        keys=[None] * len(raw),
        timestamps_ms=[0] * len(raw),
        previous=start - 1,
        next=start + len(raw),
    )


HOOK = Destination("hook", "webhook", "http://127.0.0.1:1/h", "ops-hook", {"secret": "HOOK"})
ANNA = Destination("anna", "email", "anna@example.com", "mail")
OPS = Destination("ops", "slack", "#ops", "ops-slack", {"token": "SLACK"})
ROUTING = Routing(
    {"ops-hook": (HOOK,), "mail": (ANNA,), "ops-slack": (OPS,)},
    {"marketing": ("mail",), "operations": ("ops-hook", "ops-slack", "mail")},
)
