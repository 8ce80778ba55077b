"""What deciding costs: decisions a second, memory of an open alert, and how long a transition waits for its delivery.

`python tests/bench/decisions.py [ALERTS]` prints the figures with that many alerts open, 10,000 by default. One notify
stage in one process, as in service; what the broker takes is not in it.
"""

import json
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).parents[1] / "notify"))  # alert_samples, when it is run by itself

from alert_samples import batch, plan, rule, transition

from lockstep.notify.decide import Notify
from lockstep.notify.route import Routing, routing_of
from lockstep.response.decision import DECISIONS
from lockstep.yaml.document import document_of

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ROUTING = """\
teams: {marketing: [mail], operations: [chat, hook]}
receivers:
  mail: {email: {to: [anna@example.com]}}
  chat: {slack: {channel: "#ops", token: {secret: SLACK_TOKEN}}}
  hook: {webhook: {url: "http://127.0.0.1:9/h", secret: {secret: HOOK}}}
routes:
  - {match: severity=critical, to: [chat, hook], group_wait: 0s, repeat_interval: 4h}
  - {match: 'channel=~"c.*"', group_by: [rule], group_wait: 0s, repeat_interval: 24h}
"""


def _routing() -> Routing:
    document, _ = document_of("routing.yml", ROUTING.encode())
    assert document is not None
    routing, faults = routing_of(document)
    assert routing is not None, faults
    return routing


def _stage() -> Notify:
    return Notify(plan(rule()), _routing(), zone=ZoneInfo("Europe/London"))


def _filled(alerts: int) -> tuple[Notify, dict[bytes, bytes | None], int, float]:
    """A stage with so many open alerts that were told, what it stored, its decisions, and how long it was at it."""
    stage, now, decisions, busy_s = _stage(), NOON, 0, 0.0
    stage.restore({})
    entries: dict[bytes, bytes | None] = {}
    for begin in range(0, alerts, 500):
        part = batch(*(transition(channel=f"c{n}") for n in range(begin, min(alerts, begin + 500))), start=begin)
        began = perf_counter()
        stage.feed(part)
        now += timedelta(seconds=1)
        stage.tick(now)
        cut = stage.cut()
        busy_s += perf_counter() - began
        decisions += sum(1 for record in cut.records if record.topic == DECISIONS)
        entries.update(cut.entries)
    return stage, entries, decisions, busy_s


def measured(alerts: int, *, samples: int = 500) -> dict[str, float]:
    """The figures with so many open alerts. samples: transitions that are timed one by one while these are open."""
    tracemalloc.start()
    _, entries, _, _ = _filled(alerts)
    memory = tracemalloc.get_traced_memory()[0] - sum(len(k) + len(v or b"") for k, v in entries.items())
    tracemalloc.stop()
    stage, entries, decisions, busy_s = _filled(alerts)
    now, offset = NOON + timedelta(seconds=alerts), alerts
    idle = []
    for _ in range(100):
        now += timedelta(seconds=1)
        began = perf_counter()
        stage.tick(now)
        stage.cut()
        idle.append(perf_counter() - began)
    waits = []
    for n in range(samples):
        now += timedelta(seconds=31)  # so that the cap of messages does not hold one back
        one = batch(transition(channel=f"d{n}", severity="critical"), start=offset)
        offset += 1
        began = perf_counter()
        stage.feed(one)
        stage.tick(now)
        stage.cut()
        waits.append(perf_counter() - began)
    fresh = _stage()
    began = perf_counter()
    fresh.restore({key: value for key, value in entries.items() if value is not None})
    return {
        "alerts": alerts,
        "decisions_per_s": round(decisions / busy_s),
        "transitions_per_s": round(alerts / busy_s),
        "memory_per_open_alert_bytes": round(memory / alerts),
        "idle_tick_p99_ms": round(sorted(idle)[98] * 1000, 3),
        "transition_to_delivery_p50_ms": round(sorted(waits)[len(waits) // 2] * 1000, 2),
        "transition_to_delivery_p99_ms": round(sorted(waits)[len(waits) * 99 // 100] * 1000, 2),
        "restart_s": round(perf_counter() - began, 2),
    }


if __name__ == "__main__":
    print(json.dumps(measured(int(sys.argv[1]) if sys.argv[1:] else 10_000), indent=1))
