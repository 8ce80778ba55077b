"""The spike examples of ElastAlert's documentation (`spike_height: 3`, `timeframe: 1h`), and what is said here instead.

Hours of 2026-01-14 from noon on; a number is that hour's count. Differences are deliberate and stated in
rules/README.md: whole aligned hours are compared, a breach is one episode, nothing is asked to be compared with
nothing, and small counts are judged by their own noise.
"""

import pytest
from comparison import judged
from shorthand import clock, flow, orders, plan, rule

from lockstep.rule.condition.kinds import Condition, Spike
from lockstep.rule.language.load import load_texts

HOURLY = flow("count", bucket_s=3600)

RULES = """
measures:
  orders: {count: order.placed}
rules:
  - name: R
    by: [channel]
    spike: {measure: orders, window: 1h, SPIKE}
"""


def _condition(text: str) -> Condition:
    """The condition of a rule file, on series of whole hours."""
    (found,) = load_texts({"r.yml": RULES.replace("SPIKE", text)}).plan.rules
    assert isinstance(found.condition, Spike)
    made = {name: getattr(found.condition, name) for name in Spike.__dataclass_fields__}
    return Spike(**{**made, "expression": type(found.condition.expression)(HOURLY)})


def _hours(text: str) -> str:
    return ", ".join(f"{12 + i}:00 *{n}" for i, n in enumerate(text.split()) if n != "0")


PLAIN = "above: 3x, at_least: 1, usual_at_least: 1"


@pytest.mark.parametrize(
    ("spike", "told", "expected"),
    [
        pytest.param(PLAIN, "5 5 10 35", ["firing 35 of 10"], id="5 5 10 35: the fourth hour is 3.5 times the third"),
        pytest.param(f"{PLAIN}, chance: 1 in 1000", "5 5 10 35", ["firing 35 of 10"], id="and no chance"),
        pytest.param(
            PLAIN, "0 20 100 100", ["firing 100 of 20", "resolved 100 of 100"], id="0 20 100 100: 5 times, then usual"
        ),
        pytest.param(
            "above: 3x, at_least: 1",
            "0 20 100 100",
            ["firing 100 of 20", "resolved 100 of 100"],
            id="0 20 100 100: 20 after nothing is no ratio",
        ),
        pytest.param(
            "above: 3x, at_least: 1, usual_at_least: 0",
            "0 20 100 100",
            ["firing 20 of 0", "resolved 100 of 100"],
            id="0 20 100 100: a rule may say that nothing is a usual value",
        ),
        pytest.param(
            "above: 19 more",
            "0 20 100 100",
            ["firing 20 of 0", "resolved 100 of 100"],
            id="0 20 100 100: a difference needs no usual value",
        ),
        pytest.param(
            PLAIN,
            "2 1 20 81",
            ["firing 20 of 1"],
            id="2 1 20 81: 20 times, then 4 times, one episode",
        ),
        pytest.param(
            "above: 3x, at_least: 30, usual_at_least: 10",
            "2 1 20 81",
            ["firing 81 of 20"],
            id="2 1 20 81: threshold_cur 30 and threshold_ref 10, only the last",
        ),
        pytest.param("above: 3x", "2 1 4 2", [], id="P3: 1 to 4 is no spike, also without minimums"),
        pytest.param(PLAIN, "2 1 4 2", ["firing 4 of 1", "resolved 2 of 4"], id="P3: with minimums of 1 it is one"),
        pytest.param("above: 3x, at_least: 1", "4 0 0 9", [], id="P2: nothing is no usual value"),
        pytest.param(
            PLAIN,
            "10 40 50 60",
            ["firing 40 of 10", "resolved 50 of 40"],
            id="P7: a new level that stays is over when it is the usual",
        ),
        pytest.param(
            "above: 3x, at_least: 1, usual_at_least: 1, baseline: {previous: 3h}",
            "10 10 10 40 50 60",
            ["firing 40 of 10", "resolved 50 of 20"],
            id="P7: against three hours",
        ),
        pytest.param("below: 0.3x, usual_at_least: 10", "20 5 0 20", ["firing 5 of 20", "resolved 0 of 5"], id="down"),
    ],
)
def test_the_documented_series(spike, told, expected):
    """Whole hours against the whole hour before."""
    hours = len(told.split())
    events = orders(f"web: 11:00; web: {_hours(told)}" if told.startswith("0") else f"web: {_hours(told)}")
    found = judged(plan(rule(_condition(spike))), events, until=clock(f"{12 + hours}:00"))
    assert [f"{t['state']} {t['value']:g} of {t['baseline']:g}" for t in found] == expected


def test_p8_a_key_that_falls_silent_is_a_fall():
    """ElastAlert forgets a key whose windows are both empty; here silence is 0, and told at its hour."""
    events = orders("web: 12:00 *20; app: 12:00, 13:00, 14:00, 15:00")
    watched = plan(rule(_condition("below: 0.5x, usual_at_least: 10")))
    assert [(t["state"], t["value"]) for t in judged(watched, events, until=clock("16:00"))] == [
        ("firing", 0.0),
        ("resolved", 0.0),
    ]


def test_p14_a_hundred_events_are_one_episode():
    """One breach is one episode, however many events are in it."""
    events = orders("web: 12:00 *5; web: 13:00 x100, 14:00 x2")
    found = judged(plan(rule(_condition(PLAIN))), events, until=clock("15:00"))
    assert [t["state"] for t in found] == ["firing", "resolved"]


def test_p5_every_morning_is_a_spike_of_the_hour_before():
    """The control for `previous`, and what weeks and days make of the same two weeks: nothing."""
    day = [1, 1, 1, 1, 2, 6, 20, 40, 40, 38, 36, 36, 38, 36, 34, 30, 26, 20, 12, 8, 5, 3, 2, 1]
    events = [
        e
        for n in range(14)
        for e in orders(
            "web: " + ", ".join(f"{hour:02}:00 *{c}" for hour, c in enumerate(day)), day=f"2026-01-{n + 5:02}"
        )
    ]
    told = {}
    for name, baseline in (
        ("before", "previous"),
        ("days", "{same_time_of_day: 7}"),
        ("weeks", "{same_time_of_week: 1}"),
    ):
        watched = plan(rule(_condition(f"{PLAIN}, baseline: {baseline}")))
        told[name] = len([t for t in judged(watched, events) if t["state"] == "firing"])
    assert told == {"before": 14, "days": 0, "weeks": 0}
