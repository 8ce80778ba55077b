"""Hysteresis inside an `any`: each part goes on for itself between its breach and its clear.

Expected transitions computed by hand, told by the reference and by the service.
"""

import pytest
from comparison import judged
from judge_pipeline import Pipeline
from shorthand import (
    LONDON,
    ORDERS,
    SESSIONS,
    Event,
    clock,
    flow,
    level,
    lines,
    many,
    orders,
    plan,
    rule,
    sessions,
    stock,
    when,
)

from lockstep.explanation import explain
from lockstep.rule.condition.held_parts import carried
from lockstep.rule.condition.kinds import All, AnyOf, Not, Severity
from lockstep.tools.backtest.replay import replayed

MANY = when(ORDERS, "above 5 clear below 3")
VISITED = when(SESSIONS, "above 5 clear below 3")
EITHER = AnyOf((MANY, VISITED), Severity.WARNING)
GRADED = AnyOf(
    (
        when(ORDERS, "warning above 5 clear below 3", "critical above 9 clear below 8", graded=True),
        when(SESSIONS, "warning above 5 clear below 3", "critical above 9 clear below 8", graded=True),
    ),
    Severity.WARNING,
)
SHORT = level(stale_after_s=120)
SOLD = flow("count", by=("sku",), line_labels=("sku",))
LINES = {"order_id": "o", "total": 1.0, "lines": [{"sku": "A", "quantity": 1, "unit_price": 1}]}


def told(bought: str, visits: str) -> list[Event]:
    return sorted([*orders(bought), *sessions(visits)], key=lambda e: e["time"])


@pytest.mark.parametrize(
    ("condition", "bought", "visits", "expected"),
    [
        pytest.param(
            EITHER,
            "web: 12:00 x6, 12:01 x4, 12:02 x2, 12:04",
            "web: 12:00 x4, 12:01 x4, 12:02 x4, 12:03 x4, 12:04",
            ["12:01 web firing warning", "12:03 web resolved warning"],
            id="a part that never breached holds nothing, though it is not clear",
        ),
        pytest.param(
            EITHER,
            "web: 12:00 x6, 12:01 x4, 12:02 x2, 12:04",
            "web: 12:00 x4, 12:01 x6, 12:02 x4, 12:03 x2, 12:04",
            ["12:01 web firing warning", "12:04 web resolved warning"],
            id="a part that breaches while the alert fires holds from then on",
        ),
        pytest.param(
            EITHER,
            "web: 12:00 x6, 12:01 x2, 12:02 x4, 12:04",
            "web: 12:00 x4, 12:01 x6, 12:02 x2, 12:04",
            ["12:01 web firing warning", "12:03 web resolved warning"],
            id="what was clear once holds no more",
        ),
        pytest.param(
            AnyOf((MANY, VISITED), Severity.CRITICAL),
            "web: 12:00 x6, 12:01 x4, 12:02 x2, 12:04",
            "web: 12:00, 12:04",
            ["12:01 web firing critical", "12:03 web resolved critical"],
            id="the severity of the rule says nothing of its parts",
        ),
        pytest.param(
            GRADED,
            "web: 12:00 x10, 12:01 x7, 12:02 x4, 12:03 x2, 12:04",
            "web: 12:00 x8, 12:01 x8, 12:02 x8, 12:03, 12:04",
            ["12:01 web firing critical", "12:02 web severity warning", "12:04 web resolved warning"],
            id="each at its own severity: nine visits were never critical",
        ),
        pytest.param(
            AnyOf((Not(VISITED, Severity.WARNING), MANY), Severity.WARNING),
            "web: 12:00 x6, 12:01 x4, 12:02 x2, 12:04",
            "web: 12:00 x6, 12:01 x6, 12:02 x4, 12:04",
            ["12:01 web firing warning"],
            id="under a not nothing is held: four visits are not above five",
        ),
        pytest.param(
            All((when(ORDERS, "at_least 0"), EITHER), Severity.WARNING),
            "web: 12:00 x6, 12:01 x4, 12:02 x2, 12:04",
            "web: 12:00 x4, 12:01 x4, 12:02 x4, 12:03 x4, 12:04",
            ["12:01 web firing warning", "12:03 web resolved warning"],
            id="in an all",
        ),
        pytest.param(
            AnyOf((All((MANY, VISITED), Severity.WARNING), when(ORDERS, "above 9")), Severity.WARNING),
            "web: 12:00 x10, 12:01 x4, 12:02 x6, 12:03 x4, 12:04",
            "web: 12:00 x4, 12:01 x4, 12:02 x6, 12:03 x4, 12:04",
            ["12:01 web firing warning", "12:02 web resolved warning", "12:03 web firing warning"],
            id="an all in it holds when all of it held",
        ),
    ],
)
def test_each_part_holds_for_itself(condition, bought, visits, expected):
    assert lines(judged(plan(rule(condition)), told(bought, visits), until=clock("12:04:30"))) == expected


def test_what_is_held_survives_a_restart():
    """Orders hold, visits do not: the judge that takes over knows which."""
    pipeline = Pipeline(plan(rule(EITHER)))
    for each in told("web: 12:00 x6, 12:01 x4, 12:02 x2, 12:04", "web: 12:00 x4, 12:01 x4, 12:02 x4, 12:04"):
        pipeline.arrive(each)
        pipeline.step()
        pipeline.crash_judge(0)
    assert lines(pipeline.finish(clock("12:04"))) == ["12:01 web firing warning", "12:03 web resolved warning"]


def test_a_part_without_data_holds_what_it_held():
    """Nobody knows how much is on stock; the alert on it goes on until somebody says so."""
    watched = rule(AnyOf((when(SHORT, "at_most 5 clear above 10"), when(SOLD, "above 5")), Severity.WARNING))
    events = [*stock("A: 12:00:30 4, 12:05:30 7, 12:06:30 11"), *many("order.placed", "-: 12:03 x6, 12:08", **LINES)]
    assert lines(judged(plan(watched), events, until=clock("12:08"))) == [
        "12:01 A firing warning",
        "12:07 A resolved warning",
    ]


def test_the_explanation_says_which_part_goes_on():
    events = told("web: 12:00 x6, 12:01 x4", "web: 12:00 x4, 12:01 x4")
    judge = replayed(plan(rule(EITHER)), events, zone=LONDON, until=clock("12:02")).judge
    verdict = explain(judge, "R", ("web",)).verdict
    assert [(part.verdict, part.held) for part in verdict.parts] == [("breach", True), ("clear", False)]
    assert verdict.held


W, C = Severity.WARNING, Severity.CRITICAL


@pytest.mark.parametrize(
    ("old", "new", "held", "expected"),
    [
        pytest.param(EITHER, EITHER, ((W, ()), (None, ())), ((W, ()), (None, ())), id="nothing is edited"),
        pytest.param(
            EITHER,
            AnyOf((VISITED, MANY), W),
            ((W, ()), (None, ())),
            ((None, ()), (W, ())),
            id="their order",
        ),
        pytest.param(
            EITHER,
            AnyOf((when(ORDERS, "above 4"), *EITHER.parts), W),
            ((W, ()), (C, ())),
            ((None, ()), (W, ()), (C, ())),
            id="one more",
        ),
        pytest.param(
            EITHER,
            AnyOf((when(ORDERS, "above 4"), VISITED), W),
            ((W, ()), (C, ())),
            ((W, ()), (C, ())),
            id="the numbers of one",
        ),
        pytest.param(EITHER, MANY, ((W, ()), (C, ())), (), id="an any that becomes something else"),
        pytest.param(EITHER, All(EITHER.parts, W), ((W, ()), (C, ())), (), id="an any that becomes an all"),
        pytest.param(
            All((MANY, EITHER), W),
            All((EITHER, VISITED), W),
            ((None, ()), (None, ((W, ()), (C, ())))),
            ((None, ((W, ()), (C, ()))), (None, ())),
            id="an any inside an all that moves",
        ),
    ],
)
def test_what_an_edit_leaves(old, new, held, expected):
    assert carried(old, new, held) == expected
