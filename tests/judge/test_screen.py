"""Screens: below what a screen names no verdict is a breach, and just at it one is."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shorthand import LONDON, ORDERS, clock, event, of, plan, rule, when
from test_judge_properties import examples

from lockstep.measure.exact import SCALE
from lockstep.rule.condition.condition_kind import Screen
from lockstep.rule.condition.kinds import Baseline, Condition, Severity, Spike
from lockstep.rule.condition.verdicts import screen_of
from lockstep.tools.backtest.replay import replay_events

START = clock("10:00")
WINDOW, BEFORE = 300, 600


def spike(**more: float) -> Spike:
    return Spike(of(ORDERS), WINDOW, Baseline(previous_s=BEFORE), Severity.WARNING, **more)


CONDITIONS: list[Condition] = [
    when(ORDERS, "above 6", window=WINDOW),
    when(ORDERS, "at_least 6", window=WINDOW),
    spike(above=2.0, at_least=3.0),
    spike(above=1.3),
    spike(above_by=4.0),
    spike(above=1.5, above_by=2.0, at_least=5.0, usual_at_least=1.0),
    spike(above=2.0, deviations=1.0),
    spike(above=2.0, chance=0.2),
]


def screen(condition: Condition) -> Screen:
    found = screen_of(condition)
    assert found is not None
    return found


@examples(60)
@given(st.sampled_from(CONDITIONS), st.lists(st.integers(0, 9), min_size=18, max_size=18))
def test_what_does_not_reach_it_never_fires(condition, minutes):
    """Of every bucket end: the window's orders are fewer than the screen names, or it may have fired there."""
    data = {"channel": "web", "order_id": "o", "total": 1, "lines": []}
    events = [
        event("order.placed", START + timedelta(minutes=i, seconds=n), f"{i}-{n}", **data)
        for i, orders in enumerate(minutes)
        for n in range(orders)
    ]
    told = replay_events(plan(rule(condition)), events, zone=LONDON)
    begin = int(START.timestamp())

    def total(start: int, end: int) -> int:
        first, last = max((start - begin) // 60, 0), max((end - begin) // 60, 0)
        return sum(minutes[first:last]) * SCALE

    for transition in told:
        end = int(datetime.fromisoformat(transition.at).timestamp())
        if transition.state.value == "firing":
            assert total(end - WINDOW, end) >= screen(condition).least_until(end, total)


@pytest.mark.parametrize(
    ("condition", "usual", "least"),
    [
        pytest.param(CONDITIONS[0], 0, 6, id="above a number"),
        pytest.param(CONDITIONS[2], 10, 10, id="twice ten in twice the time"),
        pytest.param(CONDITIONS[2], 1, 3, id="at least"),
        pytest.param(CONDITIONS[3], 20, 13, id="1.3 times"),
        pytest.param(CONDITIONS[4], 20, 14, id="four more"),
        pytest.param(CONDITIONS[5], 20, 15, id="the largest of all"),
        pytest.param(CONDITIONS[2], None, 3, id="without a value of the stretch before"),
    ],
)
def test_what_it_names(condition, usual, least):
    """The number of the rule, or what follows from the stretch before."""
    assert screen(condition).least_until(1_000, lambda *_: None if usual is None else usual * SCALE) == least * SCALE


@pytest.mark.parametrize(
    "condition",
    [
        when(ORDERS, "below 6", window=WINDOW),
        spike(below=0.5),
        Spike(of(ORDERS), WINDOW, Baseline(previous_s=BEFORE), Severity.WARNING, deviations=3.0),
    ],
)
def test_what_falls_has_none(condition):
    """Less is more of a breach there: a verdict is asked."""
    assert screen_of(condition) is None
