"""Rule files in the shortest words, and what their alerts are in after each step, for tables of peers' behaviour."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from comparison import judged
from shorthand import Event, clock, stock

from lockstep.rule.condition.kinds import Plan
from lockstep.rule.language.load import load_texts

MEASURES = """
measures:
  orders:   {count: order.placed}
  basket:   {average: total, of: order.placed}
  revenue:  {sum: total, of: order.placed}
  sessions: {count: traffic.session}
  spend:    {average: amount, of: traffic.spend}
  stock:    {last: available, of: stock.level}
rules:
"""


def compiled(*rules: str) -> Plan:
    """Rules on these measures; one without a name is called R."""
    texts = [r if "name:" in r else f"name: R, {r}" for r in rules]
    found = load_texts({"rules.yml": MEASURES + "".join(f"  - {{{text}}}\n" for text in texts)})
    assert not [f for f in found.faults if f.level == "error"], found.faults
    return found.plan


def states(said: Iterable[Mapping[str, Any]], instants: Iterable[datetime]) -> list[str]:
    """What the one alert of these transitions is in after each instant: ok, pending, info, warning or critical."""
    told = list(said)
    found = []
    for instant in instants:
        before = [t for t in told if t["at"] <= instant.timestamp() * 1e6]
        last = before[-1] if before else {"state": "resolved", "severity": ""}
        fires = last["state"] in ("firing", "severity")
        found.append(last["severity"] if fires else "pending" if last["state"] == "pending" else "ok")
    return found


def of_levels(rule: str, values: str) -> str:
    """The states of a rule by sku on one product, whose level has one of these values each minute."""
    instants = [clock("12:00") + timedelta(minutes=n) for n in range(len(values.split()))]
    told = ", ".join(f"{at:%H:%M} {value}" for at, value in zip(instants, values.split(), strict=True))
    return " ".join(states(judged(compiled(rule), stock(f"A: {told}"), until=instants[-1]), instants))


def of_events(rule: str, events: list[Event], *ends: str) -> str:
    """The states of a rule with one alert at these bucket ends."""
    instants = [clock(end) for end in ends]
    return " ".join(states(judged(compiled(rule), events, until=instants[-1]), instants))
