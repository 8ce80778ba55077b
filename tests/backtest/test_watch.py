"""A watched replay: the same transitions, and around each episode the numbers that the judge itself would give."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest import curves as watch
from lockstep.tools.backtest.replay import replayed
from lockstep.tools.retail import ZONE

BEGIN = datetime(2026, 1, 5, 9, tzinfo=UTC)
MANY = """\
measures: {orders: {count: order.placed}}
rules:
  - {name: Many, by: [channel], threshold: {measure: orders, window: 10m, above: 5}}
"""
SPIKE = """\
measures: {orders: {count: order.placed}}
rules:
  - name: Spike
    spike: {measure: orders, window: 10m, baseline: previous, above: 3x, at_least: 5, usual_at_least: 1}
"""
LOW = """\
measures: {stock: {last: available, of: stock.level}}
rules:
  - {name: Low, by: [sku], threshold: {measure: stock, at_most: 20}, clear: {above: 30}}
"""


def order(minute, number=0):
    moment = BEGIN + timedelta(minutes=minute, seconds=number)
    data = {"order_id": f"{minute}-{number}", "total": 1, "channel": "web", "lines": []}
    return {
        "id": f"{minute}-{number}",
        "source": "/t",
        "type": "order.placed",
        "time": moment.isoformat(),
        "data": data,
    }


def level(minute, available):
    moment = BEGIN + timedelta(minutes=minute)
    data = {"sku": "A", "available": available}
    return {"id": f"s{minute}", "source": "/t", "type": "stock.level", "time": moment.isoformat(), "data": data}


def watched(rules, events, most=watch.MOST):
    plan = load_texts({"rules.yml": rules}).plan
    found = replayed(plan, events, zone=ZONE, watch=True, most=most)
    assert found.transitions == replayed(plan, events, zone=ZONE).transitions
    return found


def minutes(curve):
    return {round((p.at - BEGIN.timestamp()) / 60): p for p in curve.points}


def test_a_curve_holds_the_windows_that_the_judge_sees():
    """One order a minute, four a minute from 2:00 to 2:10: the count of each ten minutes, at each whole step."""
    counts = {m: 4 if 120 <= m < 130 else int(m % 3 == 0) for m in range(300)}
    events = [order(m, n) for m, count in counts.items() for n in range(count)]
    found = watched(MANY, events)
    (curve,) = found.curves.values()
    points = minutes(curve)
    assert len(points) == len(curve.points) > 60
    for minute, point in points.items():
        if minute >= 10:
            assert point.value == sum(counts[m] for m in range(minute - 10, minute)), minute
            assert point.limit == 5
    assert min(points) <= 121 - 60
    assert max(points) >= 140 + 28


def test_a_curve_holds_the_usual_too():
    """For a spike: the baseline of each instant, which is the stretch before the window."""
    counts = {m: 9 if 120 <= m < 126 else 1 for m in range(200)}
    found = watched(SPIKE, [order(m, n) for m, count in counts.items() for n in range(count)])
    (curve,) = found.curves.values()
    for minute, point in minutes(curve).items():
        if minute >= 20:
            assert point.baseline == sum(counts[m] for m in range(minute - 20, minute - 10)), minute
            assert point.limit == (3 * point.baseline if point.value >= point.baseline else None)


def test_a_curve_of_a_level_holds_every_value():
    """Some before the episode, all in it, some after."""
    values = [90, 60, 35, 18, 12, 5, 25, 80, 70, 65]
    found = watched(LOW, [level(i * 7, v) for i, v in enumerate(values)])
    (curve,) = found.curves.values()
    assert curve.steps
    assert [p.value for p in curve.points] == values
    assert {p.limit for p in curve.points} == {20}


def test_a_long_episode_is_seen_more_coarsely():
    """Ten days of firing have no more points than two hours."""
    events = [order(m, n) for m in range(0, 14_400, 5) for n in range(4)]
    (curve,) = watched(MANY, events).curves.values()
    times = [p.at for p in curve.points]
    assert 60 < len(times) <= watch.MOST_POINTS
    assert times[-1] - times[0] > 9 * 86_400
    assert times == sorted(set(times))


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        pytest.param(watch.Most(per_rule=3), 3, id="of one rule"),
        pytest.param(watch.Most(in_all=2), 2, id="of all rules"),
    ],
)
def test_so_many_episodes_are_watched(most, expected):
    """The first ones; the others are told all the same."""
    found = watched(LOW, [level(i, 10 if i % 2 else 50) for i in range(20)], most)
    assert len(found.curves) == expected
    assert len({t.episode_id for t in found.transitions}) == 10


def test_a_combination_shows_its_first_part_throughout():
    """Also where the second part decides that nothing is wrong."""
    rules = """\
measures: {orders: {count: order.placed}, counted: {count: stock.level}}
rules:
  - name: Both
    all:
      - threshold: {measure: orders, window: 10m, at_least: 5}
      - threshold: {measure: counted, window: 30m, at_most: 0}
"""
    events = [order(m) for m in range(300)] + [level(m, 5) for m in range(0, 150, 3)]
    (curve,) = watched(rules, events).curves.values()
    assert {p.value for p in curve.points if p.at >= BEGIN.timestamp() + 600} == {10}


def test_watching_changes_nothing():
    """Five days of many conditions: history that is kept longer, groups that come and go."""
    draw = random.Random(4)
    rules = """\
measures:
  orders: {count: order.placed}
  stock: {last: available, of: stock.level, stale_after: 1d}
rules:
  - {name: Many, by: [channel], threshold: {measure: orders, window: 2h, above: 14}, for: 20m, keep_firing_for: 1h}
  - name: Daily
    spike: {measure: orders, window: 3h, baseline: {same_time_of_day: 3}, above: 1.3x, below: 0.7x}
  - {name: Low, by: [sku], threshold: {measure: stock, at_most: 20}, clear: {above: 30}, no_data: alert}
  - {name: Silence, absence: {measure: orders, window: 20m, hours: Mon-Fri 09:00-18:00}}
  - name: Both
    all: [{threshold: {measure: orders, window: 1h, at_least: 5}}, {absence: {measure: orders, window: 5m}}]
"""
    events = [
        order(m, n) | {"data": {"order_id": "x", "total": 1, "channel": draw.choice("ab"), "lines": []}}
        for m in range(7_200)
        if 8 <= (m // 60 + 9) % 24 < 20
        for n in range(draw.random() < 0.15)
    ] + [level(m, draw.randrange(60)) for m in range(0, 7_200, 97)]
    found = watched(rules, events)
    fired = {t.episode_id: t for t in found.transitions if t.state == "firing"}
    assert {t.rule for t in fired.values()} == {"Many", "Daily", "Low", "Silence", "Both"}
    assert found.curves.keys() <= fired.keys()
    for episode, curve in found.curves.items():
        assert len(curve.points) >= 2, fired[episode].rule


def test_an_anomaly_shows_what_was_expected_then():
    """Its detector learns on: the expectation of an earlier instant cannot be asked for later, so it is noted."""
    rules = """\
measures: {orders: {count: order.placed}}
rules:
  - {name: Odd, anomaly: {measure: orders}}
"""
    hours = 24 * 21
    counts = {h * 60 + 7 * i: 1 for h in range(hours) for i in range(5 if h < hours - 3 else 0)}
    counts |= {(hours - 3) * 60 + m: 4 for m in range(180)}
    events = [order(m, n) for m, count in counts.items() for n in range(count)]
    found = watched(rules, events)
    fired = next(t for t in found.transitions if t.state == "firing")
    points = found.curves[fired.episode_id].points
    assert len({p.baseline for p in points}) > 1
    assert (fired.value, fired.baseline) in {(p.value, p.baseline) for p in points}
