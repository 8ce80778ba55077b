"""Whatever happens in whatever order: who has to hear hears it once, and who does not hear has a reason for it.

The examples are the same in every run; `LOCKSTEP_TEST_FACTOR=50` looks that many times further, at new ones.
"""

import os
import re
from collections import Counter, defaultdict
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from people_world import (
    BEN,
    DOWN,
    HOOK,
    INHIBITED,
    LEAD,
    MOST_STOCK,
    MUTED,
    PLAIN,
    RELOADS,
    RESTLESS,
    ROUTES,
    STEPS,
    STOCK,
    alert_of,
    played,
)

from lockstep.response.decision import DECISIONS, Decision, decode_decision
from lockstep.response.standing import RESPONSE_STATE
from lockstep.rule.condition.kinds import Severity

FACTOR = float(os.environ.get("LOCKSTEP_TEST_FACTOR", "1"))
OVER_WHEN_MADE = [
    ("silence", "web", 60, -300, "FREQ=DAILY", 0),
    ("alert", DOWN, "app", 2),
    ("jump", -400),
    ("wait", 130),
    ("alert", DOWN, "web", 2),
]
RICH = st.sampled_from([0, 1])
"""The routes with everything in them, without and with a storm cap."""


def examples(count: int) -> Any:
    return settings(deadline=None, max_examples=round(count * FACTOR), derandomize=FACTOR == 1)


@examples(80)
@given(steps=STEPS, routes=RICH, dies_at=st.sets(st.integers(0, 23), max_size=6))
@example(steps=[("flap", "web", 5, 1), ("jump", -400)], routes=0, dies_at=set()).via("a due time that was put back")
@example(steps=[("storm", 1), ("wait", 130), ("down", "#ops")], routes=0, dies_at=set()).via("repeats of who is called")
@example(steps=OVER_WHEN_MADE, routes=0, dies_at=set()).via("a clock that is put back into a silence that was over")
def test_cut_and_resumed_anywhere_the_same_is_decided(steps, routes, dies_at):
    """Deliveries, decisions, answers and what stands are the same, byte for byte, whoever goes on after whichever cut,
    and whatever an owner had decided that lost the partition before its cut."""
    steps = [step for step in steps if step not in (("restart",), ("take over",))]
    whole = played(steps, routes=routes).run.published
    assert played(steps, routes=routes, restarts=True).run.published == whole
    assert played(steps, routes=routes, dies_at=dies_at).run.published == whole


@examples(120)
@given(steps=STEPS, reloads=RELOADS, routes=st.integers(0, len(ROUTES) - 1))
@example(steps=[("storm", 1), ("storm", 1)], reloads=[], routes=1).via("worse while its beginning is kept")
@example(steps=[("storm", 3), ("flap", "web", 6, 1), ("storm", 1)], reloads=[], routes=1).via("flapping in a storm")
@example(steps=[("storm", 1), ("storm", 0)], reloads=[(1, 0)], routes=1).via("storms are taken out of routing.yml")
def test_who_has_to_hear_hears_it_once(steps, reloads, routes):
    """Beginnings, what is worse, and ends: each once a destination and reason, and no end without a beginning."""
    run = played(steps, reloads, routes=routes).run
    assert len({told.id for told in run.told}) == len(run.told)
    # An alert that flaps is one thing to people, whichever of its episodes is told.
    things = {d.episode_id: d.alert_id if d.rule == RESTLESS else d.episode_id for d in run.decisions}
    knows: dict[tuple[str, str], int] = {}
    for told in run.told:
        shown = told.body.get("items", ())
        for item in sorted(shown, key=lambda one: one["state"] != "resolved"):
            key, rank = (told.target, things[item["episode_id"]]), Severity.of(item["severity"])
            match item["state"]:
                case "firing":
                    knows[key] = rank
                case "severity":
                    assert key in knows, f"worse than nothing: {key}"
                    assert knows[key] < rank or item["rule"] == RESTLESS, f"not worse than what was told: {key}"
                    knows[key] = rank
                case "resolved":
                    assert key in knows, f"an end without a beginning, or twice: {key}"
                    del knows[key]
                case "handled":
                    assert key in knows, f"somebody has what nobody was told of: {key}"
        for episode in told.episodes if shown else ():
            if episode not in {item["episode_id"] for item in shown}:
                # What a summary only counts is known from then on, and nobody is told how bad it is.
                knows.setdefault((told.target, things[episode]), 0)
    # An escalation that a reload takes out and another brings back begins anew.
    _each_once(run.decisions, has_steps=not reloads)


def _each_once(decisions: list[Decision], *, has_steps: bool) -> None:
    """Nothing was decided twice: a beginning, an end, a step of an escalation."""
    counts: Counter[tuple[str, ...]] = Counter()
    for d in decisions:
        if d.outcome != "told":
            continue
        pair = d.destination_id, d.episode_id
        if d.reason in ("first", "new_alerts"):
            counts["begins", *pair] += 1
        if d.reason in ("all_over", "some_over", "each") and d.state == "resolved":
            counts["ends", *pair] += 1
        step = re.search(r"step \d+ of \d+(, round \d+ of \d+)?", d.why)
        if has_steps and d.reason == "escalation" and step is not None:
            counts["step", step[0], *pair] += 1
        if d.reason == "worse":
            counts["worse", d.transition_id, *pair] += 1
    assert not {key: count for key, count in counts.items() if count > 1}


@examples(120)
@given(steps=STEPS, routes=RICH)
@example(steps=[("storm", 2), ("alert", DOWN, "web", 0), ("storm", 1)], routes=1).via("an end beside what began anew")
def test_nothing_critical_is_unsaid_and_every_silence_has_its_reason(steps, routes):
    """When all that held messages back is over, who should know of a critical alert does; the rest has a last word."""
    world = played(steps, routes=routes)
    run = world.run
    last: dict[tuple[str, str], Decision] = {}
    heard: dict[tuple[str, str], int] = defaultdict(int)
    for decision in run.decisions:
        key = decision.destination_id, decision.episode_id
        last[key] = decision
        if decision.outcome == "told":
            heard[key] = max(heard[key], Severity.of(decision.severity))
    assert {d.outcome for d in last.values()} <= {"told", "not_told"}, "something still waits"
    assert all(d.why for d in run.decisions)
    assert world.expected <= last.keys(), "nothing was decided of somebody to whom the routes lead"
    told_of_stock = {key for key, rank in heard.items() if rank == Severity.CRITICAL}
    for (name, channel), (episode, rank, _) in world.open.items():
        standing = run.standing.get(f"handling/{alert_of(name, channel)}") or {}
        if rank < Severity.CRITICAL or standing.get("closed_by"):
            continue
        for destination in world.hearing(name, {"rule": name, "channel": channel, "severity": "critical"}):
            key = destination, episode
            if heard[key] < Severity.CRITICAL:
                # Only `max_alerts` keeps back what is critical, while so many critical ones are told.
                others = [e for d, e in told_of_stock if d == destination and _rule_of(run.decisions, e) == STOCK]
                assert name == STOCK, (name, channel, last.get(key))
                reasons = {d.reason for d in run.decisions if (d.destination_id, d.episode_id) == key}
                assert "max_alerts" in reasons, last[key]
                assert len(others) >= MOST_STOCK


def _rule_of(decisions: list[Decision], episode: str) -> str:
    return next(d.rule for d in decisions if d.episode_id == episode)


@examples(60)
@given(steps=STEPS, routes=RICH)
def test_what_nobody_has_is_escalated(steps, routes):
    """Each step of both rounds is decided, each for somebody; and none of what somebody has, or has closed."""
    world = played(steps, routes=routes)
    run = world.run
    lead = next(d.id for d in run.routing.by_id.values() if d.target == LEAD)
    for (name, channel), (episode, rank, _) in world.open.items():
        if name == DOWN and rank > Severity.INFO and alert_of(name, channel) not in world.answered:
            steps_told = [d for d in run.decisions if (d.destination_id, d.episode_id) == (lead, episode)]
            told = [d.reason for d in steps_told if d.outcome == "told"]
            assert told, [(d.outcome, d.reason, d.why) for d in steps_told]
    standing: dict[str, dict[str, Any]] = {}
    for topic, key, value in run.published:
        if topic == RESPONSE_STATE and key.startswith(b"handling/"):
            standing[key.decode().removeprefix("handling/")] = msgspec.json.decode(value) if value else {}
        elif topic == DECISIONS:
            decision = decode_decision(value or b"")
            who = standing.get(decision.alert_id, {})
            if decision.outcome == "told" and decision.reason in ("repeat", "escalation"):
                assert not {"acknowledged_by", "closed_by"} & {name for name in who if who[name]}, (decision.why, who)


@examples(120)
@given(steps=STEPS, routes=RICH)
def test_no_message_to_who_is_not_to_hear(steps, routes):
    """Nothing of a silenced channel while it is silenced, nothing of what is inhibited while its cause fires, nothing
    to Ben at lunch but what is critical. What waits for the summary of a storm has been decided before."""
    world = played(steps, routes=routes)
    summed_up = {d.delivery_id for d in world.run.decisions if d.reason in ("storm", "caught_up")}
    for n, told in enumerate(world.run.told):
        for item in () if told.id in summed_up else told.body.get("items", ()):
            channel, is_critical = item["labels"].get("channel"), item["severity"] == "critical"
            for quiet in world.silenced:
                assert not (channel == quiet.channel and quiet.holds(n, told.at)), ("silenced", told)
            for quiet in world.inhibited:
                hushed = item["rule"] in INHIBITED and not is_critical and channel == quiet.channel
                assert not (hushed and quiet.holds(n, told.at)), ("inhibited", told)
            if told.target == BEN and MUTED[0] <= told.at < MUTED[1]:
                assert is_critical, ("muted", told)


@examples(40)
@given(steps=STEPS)
def test_programs_hear_every_change_at_once(steps):
    """Whatever is silenced, muted, inhibited, acknowledged, flapping or grouped."""
    world = played([step for step in steps if step[0] not in ("down", "up")], routes=ROUTES.index(PLAIN))
    heard = [(told.episodes[0], told.state) for told in world.run.told if told.target == HOOK]
    assert heard == world.news
