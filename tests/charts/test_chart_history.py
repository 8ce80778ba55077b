"""What a chart shows is what the judge measured, and nothing that it no longer knows."""

from datetime import datetime

import msgspec
import pytest
from chart_samples import DAYS, FEW, MIXED, RETURNS, SPIKE, STOCK, charts, first_chart, plan_of, told

from lockstep.adapters.charts.curve import LEAST_POINTS, Chart, NoChart
from lockstep.adapters.charts.history import chart_of, keep_longer_s, shown_levels
from lockstep.rule.condition.view import Instant, value_of
from lockstep.text.rfc3339 import SECOND


@pytest.mark.parametrize(
    ("rule", "story"), [SPIKE, FEW, DAYS, RETURNS, MIXED], ids=["spike", "few", "days", "share", "formula"]
)
def test_the_last_point_is_what_was_told(rule, story):
    """The dot stands at the number of the headline; before it are three to eight windows."""
    seen = 0
    for transition, chart in charts(rule, story):
        if isinstance(chart, Chart):
            last = chart.points[-1]
            assert (last.value, last.baseline, last.limit) == (transition.value, transition.baseline, transition.limit)
            assert last.at == chart.told_at == datetime.fromisoformat(transition.window_end).timestamp()
            window = chart.window[1] - chart.window[0]
            assert chart.points[0].at >= chart.told_at - 8 * window
            assert chart.points[-1].at - chart.points[0].at > 3 * window
            seen += 1
    assert seen


def test_what_fires_in_a_bucket_that_is_open_ends_with_what_was_told_so_far():
    """As the service does it: the bucket's last value may be another one, the message and its chart are not."""
    told_so_far, chart = next(charts(*SPIKE, early=True, at_once=1))
    assert told_so_far.so_far
    assert isinstance(chart, Chart)
    assert (chart.points[-1].value, chart.told_at, chart.fired) == (20, chart.points[-1].at, chart.told_at)
    later = next(c for _, c in charts(*SPIKE))
    assert chart.points[:-1] == later.points[:-1]


def test_every_point_is_the_measure_at_its_instant():
    """Counted anew from the judge's own buckets."""
    fired, live = next((t, live) for t, live in told(*FEW) if t.state == "firing")
    chart = chart_of(live.judge, fired, live.plan, fired_at=None, currency="")
    view, expression = live.judge.seen("R", ()).view, live.plan.rules[0].condition.expression
    for point in chart.points[:-1]:
        end = int(point.at)
        assert point.value == value_of(expression, view, Instant(end, end * SECOND), end - 3600, end) / SECOND
        assert point.limit == 20
    assert {p.value for p in chart.points[:20]} == {60.0}


def test_an_end_shows_when_it_had_fired():
    """From the beginning of the episode to its end."""
    by_state = {t.state: (t, c) for t, c in charts(*SPIKE) if isinstance(c, Chart)}
    fired, ended = by_state["firing"][0], by_state["resolved"]
    assert ended[1].fired == datetime.fromisoformat(fired.at).timestamp()
    assert ended[1].ended == datetime.fromisoformat(ended[0].at).timestamp()
    assert by_state["firing"][1].ended is None


def test_the_limit_of_a_spike_follows_what_is_usual():
    """Three times as much, whatever it was."""
    chart = first_chart(*SPIKE)
    several = [p for p in chart.points if p.baseline]
    assert len(several) > 20
    assert all(p.limit == pytest.approx(3 * p.baseline) for p in several)


def test_what_was_removed_is_not_counted_as_nothing():
    """A judge that keeps no more than its rule asks for: no point is of half a window, and none reads zero."""
    longer, shorter = dict(charts_by_state(*FEW)), dict(charts_by_state(*FEW, kept=False))
    whole = {p.at: p.value for p in longer["firing"].points}
    for chart in shorter.values():
        if isinstance(chart, Chart):
            assert all(whole[p.at] == p.value for p in chart.points)


def charts_by_state(rule, story, *, kept=True):
    return [(t.state, c) for t, c in charts(rule, story, kept=kept)]


def test_of_what_began_just_now_there_is_nothing_to_see():
    """Fewer points than make a line."""
    rule = "threshold: {measure: orders, window: 1h, above: 5}"
    assert LEAST_POINTS == 4
    assert [c for _, c in charts(rule, "orders: 10 at 08:00")] == [NoChart.SHORT]


@pytest.mark.parametrize(
    ("rule", "story", "why"),
    [
        pytest.param(
            "by: [sku], threshold: {measure: stock, at_most: 20}",
            "stock A-1: 35, 20 at 09:30",
            NoChart.SHORT,
            id="two values are no line",
        ),
        pytest.param(
            "by: [channel], new_value: {label: channel, measure: orders, in: 1d}",
            "orders web: 1/h for 3 days; orders tiktok: 1 at Wed 20:00",
            NoChart.NEW,
            id="a new value has been nothing before",
        ),
        pytest.param(
            "no_data: alert, threshold: {measure: conversion, window: 1h, below: 0.01}",
            "orders: 1/min for 3h; sessions: 2/min for 3h, 1 at 15:00",
            NoChart.NO_DATA,
            id="there is no number",
        ),
    ],
)
def test_what_has_no_past_has_no_chart(rule, story, why):
    """And it is said why."""
    seen = list(charts(rule, story))
    assert seen
    assert {c for t, c in seen if t.state == "firing"} == {why}


def test_a_level_is_shown_by_its_values():
    """Each at its own time, up to the one that was told."""
    by_state = {t.state: c for t, c in charts(*STOCK)}
    fired, ended = by_state["firing"], by_state["resolved"]
    assert isinstance(fired, Chart)
    assert isinstance(ended, Chart)
    values = [(p.at - fired.points[0].at, p.value) for p in fired.points]
    assert values == [(0, 60), (1800, 45), (3600, 30), (5400, 20)]
    assert {p.limit for p in fired.points} == {20}
    assert (fired.steps, fired.window, fired.told_at) == (True, None, fired.fired)
    assert [p.value for p in ended.points] == [60, 45, 30, 20, 12, 90]
    assert ended.fired == fired.fired


@pytest.mark.parametrize("change", ["rule_version", "rule", "value", "labels"])
@pytest.mark.parametrize("case", [FEW, STOCK], ids=["few", "level"])
def test_another_version_of_the_rule_shows_nothing(case, change):
    """Its numbers are not those that were told."""
    fired, live = next((t, live) for t, live in told(*case) if t.state == "firing")
    other = {"rule_version": "another", "rule": "Gone", "value": 12345.0, "labels": {"x": "y"}}
    changed = msgspec.structs.replace(fired, **{change: other[change]})
    assert chart_of(live.judge, changed, live.plan, fired_at=None, currency="") is NoChart.GONE


def test_a_combination_shows_the_part_that_was_told():
    """Of revenue and orders that which the message is about, in money."""
    rule = (
        "any: [{threshold: {measure: revenue, window: 1h, above: 100000}}, "
        "{threshold: {measure: orders, window: 1h, below: 20}}]"
    )
    chart = next(c for t, c in charts(rule, FEW[1]) if t.state == "firing")
    assert isinstance(chart, Chart)
    assert chart.points[0].value == 60


def test_of_parts_on_one_measure_it_is_that_with_the_window_that_was_told():
    """Orders of a quarter of an hour and of an hour have the same name and, when there are none, the same value."""
    rule = (
        "any: [{threshold: {measure: orders, window: 15m, below: 1}}, "
        "{threshold: {measure: orders, window: 1h, below: 1}}]"
    )
    chart = first_chart(rule, "orders: 4/h for 8h, 1 at 20:00")
    assert chart.window is not None
    assert chart.window[1] - chart.window[0] == 900
    assert {p.value for p in chart.points[:-15]} <= {1.0, 0.0}


def test_so_much_is_kept_for_it():
    """Eight short windows, at least three long ones, nothing for levels; a projection shows its own day."""
    kept = {}
    for window in ("15m", "4h", "2d"):
        plan = plan_of(f"threshold: {{measure: orders, window: {window}, above: 5}}")
        (kept[window],) = keep_longer_s(plan).values()
        assert shown_levels(plan) == {}
    assert kept == {"15m": 2 * 3600, "4h": 24 * 3600, "2d": 6 * 24 * 3600}
    for rule in (
        "by: [sku], threshold: {measure: stock, at_most: 20}",
        "projection: {measure: orders, reaches: 400, within: day, window: 2h}",
        "anomaly: {measure: orders}",
        "by: [channel], new_value: {label: channel, measure: orders, in: 1d}",
    ):
        assert set(keep_longer_s(plan_of(rule)).values()) == {0}


def test_a_level_that_may_be_stale_keeps_each_value():
    """What changed nothing says that it was known."""
    plan = plan_of("by: [sku], threshold: {measure: stock, at_most: 20}")
    assert list(shown_levels(plan).values()) == [False]
    assert list(shown_levels(plan_of("by: [sku], threshold: {measure: fresh, at_most: 20}")).values()) == [True]
