"""What needs a long past, of which the older part is imported: seasons, and what an anomaly rule has learned."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import get_args

from comparison import differences, plain, with_numbers
from hypothesis import given
from hypothesis import strategies as st
from reference import micros, reference_transitions
from shorthand import LONDON, ORDERS, clock, lines, plan, rule, when
from test_anomaly_rules import (
    APART,
    DAY,
    FIVE,
    HALVES,
    MINUTES,
    ODD,
    START,
    WARNING,
    anomaly,
    counts,
    hourly,
    steady,
    told,
)
from test_imports import import_then_live, said
from test_judge_properties import MARCH_CLOSED, MORNINGS, STEPS, examples, plans, spikes, weeks

from lockstep.rule.condition.kinds import All, Anomaly, AnyOf, Baseline, Condition, Not

SHAPES = st.sampled_from([(1, 1), (3, 1), (2, 4)])
JITTER = st.lists(st.floats(0, 59), min_size=1, max_size=7)
SPREAD = st.lists(st.integers(0, 5), min_size=1, max_size=7)


@examples(25)
@given(
    condition=spikes([ORDERS], st.builds(Baseline, days=st.integers(1, 4))),
    events=weeks(),
    hold=st.sampled_from([0, 90]),
    hours=st.sampled_from([(), (), MORNINGS]),
    closed=st.sampled_from([None, MARCH_CLOSED]),
    split_minutes=st.integers(60, 6 * 24 * 60),
    shape=SHAPES,
    spread=SPREAD,
    before=STEPS,
    after=STEPS,
)
def test_seasons(condition, events, hold, hours, closed, split_minutes, shape, spread, before, after):
    """The same time of day in days that were imported, across a clock change, says what it says in live ones."""
    watched = plan(rule(replace(condition, hours=hours, closed=closed), hold=hold))
    split = clock("2026-03-26 08:00") + timedelta(minutes=split_minutes)
    until = datetime.fromisoformat(max(e["time"] for e in events)) + timedelta(minutes=10)
    pipeline = import_then_live(
        watched,
        events,
        split=split,
        ended=split,
        until=max(until, split),
        shape=shape,
        jitter=[0.0],
        spread=spread,
        before=before,
        after=after,
    )
    past, _, live = said(pipeline)
    expected = reference_transitions(watched, events, zone=LONDON, until=max(until, split))
    as_live = [*map(plain, past), *map(plain, live)]
    unequal = differences(expected, as_live, numbers_of=with_numbers(watched), tolerance=0.011)
    assert not unequal, "\n".join(unequal)
    assert not pipeline.dead
    assert all(micros(t.at) < micros(split.isoformat()) for t in past)


@examples(8)
@given(
    st.dictionaries(st.integers(150, 298), st.integers(0, 120), max_size=12),
    st.integers(1, 300 * 60),
    SHAPES,
    JITTER,
    SPREAD,
    STEPS,
    STEPS,
)
def test_what_is_usual(odd, split_minutes, shape, jitter, spread, before, after):
    """An anomaly rule learns from what was imported, and goes on in the middle of an hour, a day or its learning."""
    watched = plan(
        rule(anomaly(sensitivity="high"), forget_after_s=DAY),
        rule(All((anomaly(MINUTES), when(MINUTES, "at_least 1", window=60)), WARNING), name="S", keep=1_800),
        rule(anomaly(HALVES, 1_800, sensitivity="high", calendar=APART), name="T"),
        rule(anomaly(FIVE, 300, sensitivity="high", chooses=True), name="U"),
    )
    busy = [60] * 50
    events = hourly(counts(300, ODD | odd)) + hourly(counts(80, {}), channel="app")
    events += steady(*busy, 0, 40, *busy[:8], 0, 0, channel="shop")
    split, until = START + timedelta(minutes=split_minutes), START + timedelta(hours=301)
    pipeline = import_then_live(
        watched,
        events,
        split=split,
        ended=split,
        until=until,
        shape=shape,
        jitter=jitter,
        spread=spread,
        before=before,
        after=after,
    )
    past, _, live = said(pipeline)
    as_live = sorted([*map(plain, past), *map(plain, live)], key=_in_order)
    assert lines(as_live) == lines(sorted(told(watched, events, until=until), key=_in_order))
    assert not pipeline.dead


def test_an_hour_of_which_half_was_imported():
    """It is one hour to the detector, with all of its orders, and told because it is not over when live events come."""
    watched = plan(rule(anomaly()))
    events = [e for n in (45, 45) for e in hourly([0] * 200 + [n])]
    events[0]["time"] = (START + timedelta(hours=200, minutes=10)).isoformat()
    events[1] |= {"time": (START + timedelta(hours=200, minutes=50)).isoformat(), "id": "second half"}
    events = [*hourly(counts(200, {})), *events, *hourly([0] * 201 + [10, 10, 10])]
    split = START + timedelta(hours=200, minutes=30)
    pipeline = import_then_live(
        watched,
        events,
        split=split,
        ended=split,
        until=START + timedelta(hours=204),
        shape=(1, 1),
        jitter=[0.0],
        spread=[0],
        before=[],
        after=[],
    )
    past, again, live = said(pipeline)
    assert not [*past, *again]
    assert (live[0].value, live[0].window_start) == (90.0, "2026-03-28T08:00:00Z")


def leaves(condition):
    """The kinds of which a condition is made, itself included."""
    parts = condition.parts if isinstance(condition, All | AnyOf) else ()
    parts = (condition.part,) if isinstance(condition, Not) else parts
    return {type(condition)}.union(*map(leaves, parts))


def test_every_kind_of_condition_is_imported_and_goes_live():
    """A new kind has to come into one of these properties."""
    kinds = {Anomaly}

    @examples(200)
    @given(plans())
    def look(watched):
        for each in watched.rules:
            kinds.update(leaves(each.condition))

    look()
    assert kinds == set(get_args(Condition))


def _in_order(transition):
    return transition["at"], transition["rule"], sorted(transition["labels"].items()), transition["number"]
