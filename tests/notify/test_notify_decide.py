"""Who hears what: every transition once per destination, people in groups, and the same again after any restart."""

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from alert_samples import ANNA, HOOK, LONDON, NOON, OPS, ROUTING, batch, plan, rule, transition
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.errors import StateError
from lockstep.labels import partition_of
from lockstep.notify.decide import DELIVERIES, Notify
from lockstep.notify.pipeline.group_message import MOST_ITEMS
from lockstep.notify.route import Routing
from lockstep.ports import Cut
from lockstep.response.decision import DECISIONS
from lockstep.rule.condition.kinds import Plan


def _stage(rules: Plan | None = None, routing: Routing = ROUTING, partitions: int = 4) -> Notify:
    return Notify(rules or plan(), routing, zone=LONDON, delivery_partitions=partitions)


def _deliveries(cut: Cut, channel: str | None = None) -> list[dict[str, Any]]:
    found = [json.loads(r.value or b"") for r in cut.records if r.topic == DELIVERIES]
    return [d for d in found if channel in (None, d["destination"]["channel"])]


class _Run:
    """A stage that is fed and ticked as the runtime does it: every step ends in a cut."""

    def __init__(self, stage: Notify) -> None:
        self.stage = stage
        self.now = NOON
        self.offset = 0
        self.out: list[dict[str, Any]] = []

    def feed(self, *values: Any) -> "_Run":
        self.stage.feed(batch(*values, start=self.offset))
        self.offset += len(values)
        return self.step(0)

    def step(self, seconds: float) -> "_Run":
        self.now += timedelta(seconds=seconds)
        self.stage.tick(self.now)
        self.out += _deliveries(self.stage.cut())
        return self

    def to(self, channel: str) -> list[dict[str, Any]]:
        return [d for d in self.out if d["destination"]["channel"] == channel]


def test_a_firing_goes_to_every_destination_of_its_teams():
    """The webhook hears it in the same cut; people after the group's wait, with each team's part."""
    run = _Run(_stage()).feed(transition())
    assert [d["destination"]["id"] for d in run.out] == ["hook"]
    assert run.out[0]["body"]["data"]["team"] == "operations"
    run.step(9.9)
    assert len(run.out) == 1
    run.step(0.1)
    assert [d["destination"]["id"] for d in run.out[1:]] == ["anna", "ops"]
    assert list(run.out[1]["body"]["items"][0]["texts"]) == ["marketing", "operations"]
    assert list(run.out[2]["body"]["items"][0]["texts"]) == ["operations"]


@pytest.mark.parametrize(
    ("state", "changed", "told"),
    [
        pytest.param("pending", {}, 0, id="pending is nobody's business yet"),
        pytest.param("cancelled", {}, 0, id="cancelled never was"),
        pytest.param("firing", {}, 3, id="firing"),
        pytest.param("resolved", {}, 3, id="resolved"),
        pytest.param("severity", {"severity": "critical", "previous_severity": "warning"}, 3, id="worse"),
        pytest.param("severity", {"severity": "warning", "previous_severity": "critical"}, 0, id="better"),
    ],
)
def test_which_transitions_are_told(state, changed, told):
    """Beginnings, ends and what gets worse."""
    run = _Run(_stage()).feed(transition(state, **changed)).step(10)
    assert len(run.out) == told


WORSE = {"severity": "critical", "previous_severity": "warning"}


@pytest.mark.parametrize(
    ("told", "state", "channels"),
    [
        pytest.param([("severity", "web", WORSE)], "severity", ["web"], id="worse news of one belongs to its thread"),
        pytest.param([("severity", "web", WORSE), ("firing", "app", {})], "firing", ["web", "app"], id="news is news"),
        pytest.param(
            [("resolved", "web", {"severity": "critical"}), ("firing", "app", {})],
            "firing",
            ["app", "web"],
            id="what goes on stands before what is over",
        ),
        pytest.param([("resolved", "web", {}), ("resolved", "app", {})], "resolved", ["web", "app"], id="two ends"),
    ],
)
def test_what_a_message_of_several_is(told, state, channels):
    """Its state says whether it opens a thread; its items are in the order in which they matter."""
    run = _Run(_stage()).feed(*(transition(s, channel, **changed) for s, channel, changed in told)).step(10)
    (message,) = run.to("slack")
    assert message["state"] == message["body"]["state"] == state
    assert [item["labels"]["channel"] for item in message["body"]["items"]] == channels


def test_a_rule_for_one_team_is_not_told_to_another():
    """`teams: [marketing]` reaches the mail only, and says nothing to operations there."""
    run = _Run(_stage(plan(rule(teams=("marketing",))))).feed(transition()).step(10)
    assert [d["destination"]["id"] for d in run.out] == ["anna"]
    assert list(run.out[0]["body"]["items"][0]["texts"]) == ["marketing"]


def test_everybody_hears_the_end_of_a_removed_rule():
    """Its teams are gone with it; whoever heard the beginning must hear the end."""
    run = _Run(_stage(plan(rule("Other")))).feed(transition("resolved", reason="rule_removed")).step(10)
    assert {d["destination"]["id"] for d in run.out} == {"hook", "anna", "ops"}


def test_a_delivery_goes_to_the_partition_of_its_destination():
    """One destination is one lane, and a lane has one owner."""
    stage = _stage(partitions=4)
    stage.feed(batch(transition(), transition("resolved", minute=9)))
    records = [r for r in stage.cut().records if r.topic == DELIVERIES]
    assert {r.partition for r in records} == {partition_of((HOOK.id,), 4)}
    assert {r.key for r in records} == {b"hook"}


def test_one_group_is_one_message():
    """Three channels within ten seconds: one mail that names all, the webhook has three."""
    run = _Run(_stage())
    run.feed(transition(channel="web")).step(4).feed(transition(channel="app", severity="critical")).step(5)
    run.feed(transition(channel="shop")).step(1)
    (mail,) = run.to("email")
    assert [i["labels"]["channel"] for i in mail["body"]["items"]] == ["app", "web", "shop"]
    subject = "3 alerts. Critical: OrderSpike, app: 62 within 15 minutes, usually 20"
    assert (mail["body"]["subject"], mail["body"]["severity"]) == (subject, "critical")
    assert len(run.to("webhook")) == 3


def test_rules_are_not_grouped_with_each_other():
    """Two rules are two messages."""
    run = _Run(_stage(plan(rule(), rule("OrderDrop")))).feed(transition(), transition(rule="OrderDrop")).step(10)
    assert sorted(d["rule"] for d in run.to("email")) == ["OrderDrop", "OrderSpike"]


def test_what_came_and_went_is_one_note():
    """Nobody was told of the beginning: no alarm, one note with the numbers of the beginning."""
    run = _Run(_stage()).feed(transition()).step(3).feed(transition("resolved", minute=4, value=1.0)).step(7)
    (mail,) = run.to("email")
    (item,) = mail["body"]["items"]
    assert (item["state"], mail["state"], item["value"]) == ("fired and resolved", "resolved", "62")
    assert mail["body"]["subject"] == "Came and went: OrderSpike, web: 62 within 15 minutes, usually 20"
    assert item["texts"]["marketing"] == "Nothing to do: it was over before you could be told."
    assert [d["state"] for d in run.to("webhook")] == ["firing", "resolved"]


def test_what_was_told_before_and_got_worse_and_ended_has_only_ended():
    """A rise and an end in one group, of an episode that is known: one line says that it is over."""
    run = _Run(_stage()).feed(transition()).step(10)
    run.feed(transition("severity", severity="critical", previous_severity="warning"), transition("resolved")).step(10)
    first, second = run.to("email")
    assert [i["state"] for i in second["body"]["items"]] == ["resolved"]
    assert first["body"]["subject"] == "Warning: OrderSpike, web: 62 within 15 minutes, usually 20"
    assert second["body"]["subject"].startswith("All clear at once. It was: OrderSpike, web: 62 within 15 minutes")


def test_what_got_worse_before_it_was_told_is_told_once():
    """The message has the newer severity, and still tells of a beginning."""
    run = _Run(_stage())
    run.feed(transition(), transition("severity", severity="critical", previous_severity="warning")).step(10)
    (item,) = run.to("email")[0]["body"]["items"]
    assert (item["state"], item["severity"]) == ("firing", "critical")


def test_twenty_messages_then_one_summary():
    """A rule that never rests: twenty messages, then one summary when the first is ten minutes old."""
    run = _Run(_stage())
    for n in range(50):
        run.feed(transition(channel=f"c{n}")).step(11)
    assert len(run.to("email")) == 20
    assert not any(d["body"]["summary"] for d in run.to("email"))
    run.step(60)
    assert len(run.to("email")) == 20
    run.step(1)
    summary = run.to("email")[20]["body"]
    assert summary["summary"]
    assert len(summary["items"]) + summary["more"] == 30
    assert len(run.to("webhook")) == 50


@settings(deadline=None, max_examples=15)
@given(gaps=st.lists(st.integers(0, 40), min_size=40, max_size=120))
def test_never_more_than_twenty_in_ten_minutes(gaps):
    """Whatever the rhythm: in any ten minutes at most twenty messages, and everybody is mentioned."""
    run = _Run(_stage())
    sent: list[datetime] = []
    for n, gap in enumerate(gaps):
        run.feed(transition(channel=f"c{n}"))
        for _ in range(gap):
            before = len(run.to("email"))
            run.step(1)
            sent += [run.now] * (len(run.to("email")) - before)
    for _ in range(130):
        run.step(5)
    for first in sent:
        assert len([s for s in sent if first <= s < first + timedelta(minutes=10)]) <= 20
    assert sum(len(d["body"]["items"]) + d["body"]["more"] for d in run.to("email")) == len(gaps)


def test_a_message_is_bounded_and_keeps_what_is_severe():
    """A thousand groups at once: the worst are named, the rest is counted."""
    flood = [transition(channel=f"c{n}", severity="critical" if n == 7 else "warning") for n in range(1000)]
    body = _Run(_stage()).feed(*flood).step(10).to("email")[0]["body"]
    assert len(body["items"]) == MOST_ITEMS
    assert body["more"] == 1000 - MOST_ITEMS
    assert body["items"][0]["labels"] == {"channel": "c7"}


def test_a_clock_that_is_put_back_delays_a_message_by_minutes_at_most():
    """An hour back: the group waits as long as it could ever have waited, not an hour."""
    run = _Run(_stage()).feed(transition()).step(-3600)
    assert run.to("email") == []
    run.step(600)
    assert len(run.to("email")) == 1


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff{", id="no text"),
        pytest.param(b'{"data": {}}', id="no transition"),
        pytest.param(transition(at="yesterday"), id="no time"),
        pytest.param(transition(at="2026-11-24T12:00:00"), id="a time without a zone"),
        pytest.param(transition(severity="horrible"), id="no severity"),
    ],
)
def test_a_bad_record_costs_only_itself(value):
    """It goes to the dead events with its place; the next one is told."""
    stage = _stage()
    stage.feed(batch(value, transition()))
    cut = stage.cut()
    assert [r.topic for r in cut.records if r.topic != DECISIONS] == ["lockstep.dead-events", DELIVERIES]
    assert dict(cut.records[0].headers)["offset"] == b"0"


def test_an_unknown_command_is_recorded_and_nothing_else():
    """It is not lost silently."""
    stage = _stage()
    stage.feed(batch(b'{"type": "silence"}', topic="lockstep.commands"))
    (dead,) = stage.cut().records
    assert dict(dead.headers)["topic"] == b"lockstep.commands"
    assert dict(dead.headers)["detail"] == b"no command: Object missing required field `kind`"


def test_what_lies_on_another_topic_is_no_transition():
    """Whoever may write commands cannot make alerts of them."""
    stage = _stage()
    stage.feed(batch(transition(), topic="lockstep.commands"))
    assert [r.topic for r in stage.cut().records] == ["lockstep.dead-events"]


def test_a_broken_text_is_reported_once():
    """The author hears of it once, however many alerts it would have been in."""
    stage = _stage(plan(rule(say={"operations": "{{ labels.nope }}"})))
    stage.feed(batch(transition(), transition(channel="app")))
    (report,) = stage.take_reports()
    assert "rules/orders.yml:14" in report
    assert stage.take_reports() == []


def test_state_of_another_format_is_a_clear_error():
    """A downgrade must not read what it does not know."""
    with pytest.raises(StateError, match=r"lockstep\.notify-state: a group of format 99"):
        _stage().restore({b"x": b'{"format": 99}'})


_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["firing", "severity", "resolved"]),
        st.sampled_from(["web", "app", "shop"]),
        st.integers(0, 30),  # seconds until the next one
    ),
    max_size=40,
)


def _sequence(events: list[tuple[str, str, int]]) -> list[tuple[Any, int]]:
    """Transitions as judge could make them: each number of an alert once."""
    return [
        (transition(state, channel, number=n, severity="critical", previous_severity="info"), wait)
        for n, (state, channel, wait) in enumerate(events)
    ]


def _play(steps: list[tuple[Any, int]], crashes: set[int]) -> list[bytes | None]:
    """Deliveries as published, where a crash loses the work since the last cut and what follows starts from it."""
    stage, entries, published = _stage(), {}, []
    now, tail = NOON, [(None, 5)] * 130
    for n, (value, wait) in enumerate([*steps, *tail]):
        for attempt in range(2 if n in crashes else 1):
            if attempt or n in crashes:
                stage = _stage()
                stage.restore(entries)
            if value is not None:
                stage.feed(batch(value, start=n))
            stage.tick(now)
            if n in crashes and not attempt:
                stage.cut()  # decided, serialised, and lost before it became visible
        cut = stage.cut()
        published += [r.value for r in cut.records]
        for key, entry in cut.entries.items():
            if entry is None:
                entries.pop(key, None)
            else:
                entries[key] = entry
        now += timedelta(seconds=wait)
    return published


@settings(deadline=None, max_examples=60)
@given(events=_EVENTS, crashes=st.sets(st.integers(0, 80)))
def test_a_restart_at_any_point_changes_nothing(events, crashes):
    """Cut and restored anywhere: the same deliveries and decisions, byte for byte, with the same ids."""
    steps = _sequence(events)
    assert _play(steps, crashes) == _play(steps, set())


@settings(deadline=None, max_examples=60)
@given(events=_EVENTS, crashes=st.sets(st.integers(0, 80)), late=st.integers(0, 60))
def test_a_later_start_groups_otherwise_and_still_tells_all_once(events, crashes, late):
    """A group {t1, t2} that is decided again as {t1, t2, t3} tells t3, and nobody hears t1 twice."""
    steps = [(value, wait + late) for value, wait in _sequence(events)]
    records = [json.loads(value or b"") for value in _play(steps, crashes)]
    published = [record for record in records if "body" in record]
    ids = Counter(d["id"] for d in published)
    assert set(ids.values()) <= {1}
    for destination in (ANNA, OPS):
        mine = [d for d in published if d["destination"]["id"] == destination.id]
        told = [i["episode_id"] for d in mine for i in d["body"]["items"]]
        assert {t.episode_id for t, _ in steps} == set(told)


def test_a_restart_that_forgets_the_group_is_noticed():
    """The control: without its state the stage would lose a message, so the property above can fail."""
    stage = _stage()
    stage.feed(batch(transition()))
    stage.tick(NOON)
    stage.cut()
    fresh = _stage()
    fresh.tick(NOON + timedelta(seconds=10))
    assert _deliveries(fresh.cut(), "email") == []


@pytest.mark.parametrize("more", [0, 1, 40])
def test_a_subject_is_bounded_and_keeps_how_much_else_there_is(more):
    """A long summary gives way, how many there are does not."""
    long = {"summary": "{{ labels.channel }} " + "x" * 280}
    run = _Run(_stage(plan(rule(say=long))))
    run.feed(*(transition(channel=f"c{n}") for n in range(more + 1))).step(10)
    subject = run.to("email")[0]["body"]["subject"]
    assert subject.startswith(f"{more + 1} alerts. Warning: c" if more else "Warning: c")
    assert subject.endswith("x…")
    assert len(subject) <= 200
