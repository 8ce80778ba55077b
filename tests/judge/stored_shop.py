"""A shop under one rule of every kind, and what was stored of it in the middle of a month.

`python tests/judge/stored_shop.py` writes `stored/pinned.json` and the state of the newest format anew. Do so only for
what is added: what stands there is a promise to those who already run this program.
"""

import gzip
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from judge_pipeline import Pipeline
from shorthand import LONDON, Event, event

from lockstep.adapters.rule_files import load_rules
from lockstep.notify.decide import ALERTS, DELIVERIES, Notify
from lockstep.notify.route import Routing
from lockstep.ports import Batch, Destination
from lockstep.rule.condition.kinds import All, Anomaly, AnyOf, Condition, Not, Plan

STORED = Path(__file__).parent / "stored"
PINNED = STORED / "pinned.json"
STATES = {
    "the first version": STORED / "state.json.gz",
    "format 3": STORED / "state-3.json.gz",
    "format 4": STORED / "state-4.json.gz",
    "format 5": STORED / "state-5.json.gz",
}
"""What wrote them: the first version with a promise to keep, and the last one of each format (the newest: by now)."""

BEGIN = datetime.fromisoformat("2026-01-05T00:00:00+00:00")
"""A Monday."""
MIDDLE = BEGIN + timedelta(days=28, hours=12, minutes=37)
"""ManyOrders, LowStock and SoldOutWithTraffic are open then, for web and for A and KEY-1."""
MORNING = (BEGIN + timedelta(days=28)).isoformat()
OF_WHAT_IS_USUAL = ("Rise", "Weekly", "ByChance", "Unusual", "UnusualBasket")
END = BEGIN + timedelta(days=29, hours=18)

HOOK = Destination("hook", "webhook", "http://127.0.0.1:1/h", "hook", {"secret": "HOOK"})
ANNA = Destination("anna", "email", "anna@example.com", "mail")
ROUTING = Routing({"hook": (HOOK,), "mail": (ANNA,)}, {"marketing": ("hook",), "operations": ("mail",)})


def plan() -> Plan:
    """The rules of `stored/`."""
    found = load_rules(STORED)
    assert not found.faults, found.faults
    return found.plan


def _order(at: datetime, number: str, channel: str, sku: str = "A") -> Event:
    lines = [{"sku": sku, "quantity": 1, "unit_price": 10}]
    more = {"order_id": number, "total": 10, "currency": "GBP", "customer": f"c{at.hour}", "channel": channel}
    return event("order.placed", at, number, lines=lines, **more)


def events() -> Iterator[Event]:
    """Five weeks of quiet weekdays, on the last Monday a rush of orders and two products that run out."""
    for day in range(30):
        morning = BEGIN + timedelta(days=day, hours=9)
        if morning.weekday() > 4:
            continue
        for slot in range(32):
            at = morning + timedelta(minutes=15 * slot)
            yield _order(at, f"o{day}-{slot}", "app" if slot % 4 == 3 else "web", "B" if slot % 2 else "A")
            yield event("traffic.session", at, f"s{day}-{slot}", channel="web", sku="A", campaign=f"c{day // 7}")
        yield event("order.shipped", morning, f"h{day}", order_id="x", hours_to_ship=day % 7, channel="web")
        for sku, available in (("A", 100 - day), ("KEY-1", 120 - day)):
            yield event("stock.level", morning, f"l{day}-{sku}", sku=sku, available=available)
    rush = BEGIN + timedelta(days=28, hours=12)
    for n in range(40):
        yield _order(rush + timedelta(minutes=n), f"r{n}", "web")
    for minutes, sku, available in ((5, "A", 15), (20, "KEY-1", 50), (30, "A", 0), (90, "A", 80), (95, "KEY-1", 130)):
        yield event("stock.level", rush + timedelta(minutes=minutes), f"f{minutes}", sku=sku, available=available)


def told(stored: list[dict[bytes, bytes]] | None = None) -> tuple[list[bytes], list[dict[bytes, bytes]]]:
    """The transitions of the whole shop, and what is stored in the MIDDLE.

    stored: what the judges begin with after the MIDDLE; None: what they stored themselves.
    """
    shop = Pipeline(plan(), samples=2)
    inbox = sorted(events(), key=lambda e: str(e["time"]))
    for one in inbox:
        if datetime.fromisoformat(one["time"]) <= MIDDLE:
            shop.arrive(one)
    shop.step()
    kept = [dict(entries) for entries in shop.stored]
    shop.take_back([dict(entries) for entries in (kept if stored is None else stored)])
    for one in inbox:
        if datetime.fromisoformat(one["time"]) > MIDDLE:
            shop.arrive(one)
    shop.finish(END)
    return shop.published, kept


def deliveries(published: list[bytes], *, restart_after: int | None = None) -> list[dict[str, Any]]:
    """What a notify stage that ticks after each transition delivers. restart_after: so many transitions."""
    stage, now, kept, found = _notify({}), END, {}, []
    for number, value in enumerate(published):
        if number == restart_after:
            stage = _notify(kept)
        stage.feed(Batch(ALERTS, 0, range(number, number + 1), [value], [None], [0], number - 1, number + 1))
        for _ in range(2):
            stage.tick(now)
            cut = stage.cut()
            kept = {key: value for key, value in {**kept, **cut.entries}.items() if value is not None}
            found += [msgspec.json.decode(r.value or b"") for r in cut.records if r.topic == DELIVERIES]
            now += timedelta(seconds=40)
    return found


def _notify(entries: dict[bytes, bytes]) -> Notify:
    stage = Notify(plan(), ROUTING, zone=LONDON)
    stage.restore(entries)
    return stage


def anomaly_keys(condition: Condition) -> list[str]:
    """What names the learned state of every anomaly within a condition."""
    match condition:
        case Anomaly():
            return [condition.key]
        case All(parts) | AnyOf(parts):
            return [key for part in parts for key in anomaly_keys(part)]
        case Not(part):
            return anomaly_keys(part)
        case _:
            return []


def of_last_monday(published: list[bytes]) -> list[bytes]:
    """The transitions from that morning on of the rules whose verdicts are plain: no baseline, nothing learned."""
    found = [(value, msgspec.json.decode(value)["data"]) for value in published]
    return [value for value, t in found if t["at"] >= MORNING and t["rule"] not in OF_WHAT_IS_USUAL]


def pinned() -> dict[str, Any]:
    """Every id that is stored or published, as this version of the program makes it."""
    rules, published = plan(), of_last_monday(told()[0])
    transitions = [msgspec.json.decode(value)["data"] for value in published]
    return {
        "series": {s.id: f"{s.aggregate} {s.name} by {', '.join(s.by)}" for s in rules.series},
        "versions": {rule.name: rule.version for rule in rules.rules},
        "anomalies": {rule.name: keys for rule in rules.rules if (keys := anomaly_keys(rule.condition))},
        "transitions": {
            t["transition_id"]: [t["rule"], *t["labels"].values(), t["state"], t["at"], t["alert_id"], t["episode_id"]]
            for t in transitions
        },
        "deliveries": {d["id"]: [d["destination"]["id"], d["rule"], d["state"]] for d in deliveries(published)},
    }


def stored(writer: str = "the first version") -> list[dict[bytes, bytes]]:
    """The judges' state in the MIDDLE, see STATES."""
    return msgspec.msgpack.decode(gzip.decompress(STATES[writer].read_bytes()), type=list[dict[bytes, bytes]])


if __name__ == "__main__":
    PINNED.write_text(json.dumps(pinned(), indent=1) + "\n")
    STATES["format 5"].write_bytes(gzip.compress(msgspec.msgpack.encode(told()[1]), mtime=0))
