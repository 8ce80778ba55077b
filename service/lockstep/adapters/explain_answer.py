"""The answer to `lockstep explain` and GET /v1/explain: what the judges say, with what was published of each alert."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from lockstep.errors import RuleError
from lockstep.explanation import ask, public
from lockstep.judge.judge import Judge
from lockstep.labels import stable_id
from lockstep.notify.message import limit_text
from lockstep.notify.message_reason import unit_of
from lockstep.notify.self_alerts import REFUSED
from lockstep.rule.condition.kinds import Plan
from lockstep.text.figures import number_text, time_text
from lockstep.transition import Refusal, Transition, TransitionName

MOST_TOLD = 10
"""Transitions that are shown below an explanation."""


def labels_from(pairs: Iterable[str]) -> dict[str, str]:
    """`sku=A-1`, `channel=web` as labels. Raises RuleError."""
    labels = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise RuleError(f"'{pair}' is no label; write one like sku=A-1")
        labels[name] = value
    return labels


def named(
    what: str, wanted: Mapping[str, str], rules: Iterable[str], transitions: Iterable[Transition]
) -> tuple[str, Mapping[str, str]]:
    """(rule, labels) of what was asked for.

    what: the name of a rule, or the id of an alert, an episode or a transition. wanted: labels that were asked for
    beside. rules: the names of all rules. transitions: what was said, by which an id is known.
    """
    if what not in set(rules):
        for t in transitions:
            earlier = (
                [stable_id("transition", t.episode_id, n) for n in range(1, t.number)] if t.rule == REFUSED else []
            )
            if what in (t.alert_id, t.episode_id, t.transition_id, *earlier):
                return t.rule, t.labels
    return what, wanted


def from_worker(
    what: str,
    wanted: Mapping[str, str],
    *,
    plan: Plan,
    judges: Mapping[int, Judge],
    partitions: int,
    published: Sequence[Transition],
    zone: ZoneInfo,
) -> dict[str, Any]:
    """The answer of one worker: of the groups that it judges itself; of others what was published last.

    judges: by partition, of `partitions`; where they are fewer, other workers may know more. published: the latest
    transition of every alert. Raises RuleError for a rule that there is not, or a label that it is not by.
    """
    rule, labels = named(what, wanted, {r.name for r in plan.rules}, published)
    if rule == REFUSED:
        return from_refusals(published, labels, zone)
    is_whole = len(judges) == partitions
    asked = judges.values() if judges else [Judge(plan, zone=zone)]
    explanations = [public(e) for e in ask(asked, rule, labels) if e.known or is_whole]
    explained = {e["alert_id"] for e in explanations}
    latest = by_alert(published)
    answer = [{**e, "told": latest.get(e["alert_id"], [])} for e in explanations]
    if not is_whole:
        elsewhere = [
            t
            for t in published
            if t.rule == rule and t.alert_id not in explained and labels.items() <= t.labels.items()
        ]
        answer += from_transitions(rule, elsewhere)["explanations"]
    return {"source": "worker", "rule": rule, "explanations": answer, "other_workers_may_know_more": not is_whole}


def by_alert(transitions: Iterable[Transition]) -> dict[str, list[dict[str, Any]]]:
    """Alert id → its last transitions, oldest first."""
    transitions_of: dict[str, list[dict[str, Any]]] = {}
    for t in transitions:
        transitions_of.setdefault(t.alert_id, []).append(msgspec.to_builtins(t))
    return {key: rows[-MOST_TOLD:] for key, rows in transitions_of.items()}


def from_transitions(rule: str, transitions: Sequence[Transition]) -> dict[str, Any]:
    """What is known of alerts from what was published of them alone: no verdict on the present."""
    explanations = []
    for t in transitions:
        usual = f" where {number_text(t.baseline, unit_of(t))} is usual" if t.baseline is not None else ""
        limit = f", the limit is {limit_text(t)}" if t.limit is not None else ""
        explanations.append(_bare(t, f"{t.state} then: it was {number_text(t.value, unit_of(t))}{usual}{limit}"))
    return {"source": "lockstep.alert-state", "rule": rule, "explanations": explanations}


def _bare(t: Transition, why: str) -> dict[str, Any]:
    return {
        "rule": t.rule,
        "rule_version": t.rule_version,
        "place": "",
        "by": sorted(t.labels),
        "labels": dict(t.labels),
        "alert_id": t.alert_id,
        "known": True,
        "at": t.at,
        "watermark": t.watermark,
        "clock": None,
        "why": why,
        "verdict": None,
        "last": {},
        "made_of": msgspec.to_builtins(t.made_of),
        "told": [msgspec.to_builtins(t)],
    }


def from_refusals(transitions: Iterable[Transition], wanted: Mapping[str, str], zone: ZoneInfo) -> dict[str, Any]:
    """What there is to say of rule files that are refused, or were within a day.

    transitions: the last one of each alert. wanted: labels, of which there is one, `file`; RuleError for another.
    """
    for name in wanted:
        if name != "file":
            raise RuleError(f"rule '{REFUSED}' is not by '{name}'; write file=stock.yml")
    explanations = []
    for t in transitions:
        if t.rule != REFUSED or not wanted.items() <= t.labels.items():
            continue
        refusal = t.refusal or Refusal((t.fault,))
        begun = time_text(t.started_at, zone)
        if t.state is TransitionName.RESOLVED:
            why = f"{t.labels['file']} is refused no more: it was from {begun} to {time_text(t.at, zone)}"
        else:
            instead = f"; in force instead: {refusal.in_force}" if refusal.in_force else ""
            why = f"{t.labels['file']} is refused since {begun}{instead}"
        explanations.append(
            {
                **_bare(t, why),
                "by": ["file"],
                "faults": list(refusal.faults),
                "owners": list(refusal.owners),
                "teams": list(refusal.teams),
                "in_force": refusal.in_force,
            }
        )
    return {"source": "lockstep.alert-state", "rule": REFUSED, "explanations": explanations}
