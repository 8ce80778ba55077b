"""What a chart shows is what the judge measured, and nothing that it no longer knows."""

from datetime import datetime

import msgspec
import pytest
from chart_samples import DAYS, FEW, RETURNS, SPIKE, STOCK, charts, first_chart, judged

from lockstep.adapters.charts.history import LEAST_POINTS, chart_of, keep_longer_s
from lockstep.judge.level_trail import LevelTrail
from lockstep.rule.condition.view import Instant, value_of
from lockstep.text.rfc3339 import SECOND


@pytest.mark.parametrize(("rule", "story"), [SPIKE, FEW, DAYS, RETURNS], ids=["spike", "few", "days", "share"])
def test_the_last_point_is_what_was_told(rule, story):
    """The dot stands at the number of the headline; before it are three to eight windows."""
    seen = 0
    for transition, chart in charts(rule, story):
        if chart is not None:
            last = chart.points[-1]
            assert (last.value, last.baseline, last.limit) == (transition.value, transition.baseline, transition.limit)
            assert last.at == chart.told_at == datetime.fromisoformat(transition.window_end).timestamp()
            window = chart.window[1] - chart.window[0]
            assert chart.points[0].at >= chart.told_at - 8 * window
            assert chart.points[-1].at - chart.points[0].at > 3 * window
            seen += 1
    assert seen


def test_every_point_is_the_measure_at_its_instant():
    """Counted anew from the judge's own buckets."""
    replay, plan = judged(*FEW)
    fired = next(t for t in replay.transitions if t.state == "firing")
    chart = chart_of(replay.judge, fired, plan, fired_at=None, currency="")
    view, expression = replay.judge.seen("R", ()).view, plan.rules[0].condition.expression
    for point in chart.points[:-1]:
        end = int(point.at)
        assert point.value == value_of(expression, view, Instant(end, end * SECOND), end - 3600, end) / SECOND
        assert point.limit == 20
    assert {p.value for p in chart.points[:20]} == {60.0}


def test_an_end_shows_when_it_had_fired():
    """From the beginning of the episode to its end."""
    by_state = {t.state: (t, c) for t, c in charts(*SPIKE) if c is not None}
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
        if chart is not None:
            assert all(whole[p.at] == p.value for p in chart.points)


def charts_by_state(rule, story, *, kept=True):
    return [(t.state, c) for t, c in charts(rule, story, kept=kept)]


def test_of_what_began_just_now_there_is_nothing_to_see():
    """Fewer points than make a line."""
    rule = "threshold: {measure: orders, window: 1h, above: 5}"
    assert LEAST_POINTS == 4
    assert [c for _, c in charts(rule, "orders: 10 at 08:00")] == [None]


@pytest.mark.parametrize(
    ("rule", "story"),
    [
        pytest.param(
            "by: [sku], threshold: {measure: stock, at_most: 20}", "stock A-1: 35, 20 at 09:30", id="two values"
        ),
        pytest.param(
            "by: [sku], change: {measure: stock, by: 10}", "stock A-1: 35, 90 at 09:30, 30 at 09:40", id="a change"
        ),
        pytest.param(
            "by: [sku], projection: {measure: stock, reaches: 0, within: 1d, window: 4h}",
            "stock A-1: 100, 90 at 10:00, 80 at 11:00, 70 at 12:00, 40 at 13:00",
            id="a projection",
        ),
        pytest.param(
            "by: [channel], new_value: {label: channel, measure: orders, in: 1d}",
            "orders web: 1/h for 3 days; orders tiktok: 1 at Wed 20:00",
            id="a new value",
        ),
    ],
)
def test_what_has_no_past_has_no_chart(rule, story):
    """Two values are no line; a new value has been nothing before."""
    seen = list(charts(rule, story))
    assert seen
    assert {c for _, c in seen} == {None}


def test_a_level_is_shown_by_its_values():
    """Each at its own time, up to the one that was told."""
    by_state = {t.state: c for t, c in charts(*STOCK)}
    fired, ended = by_state["firing"], by_state["resolved"]
    assert fired is not None
    assert ended is not None
    values = [(p.at - fired.points[0].at, p.value) for p in fired.points]
    assert values == [(0, 60), (1800, 45), (3600, 30), (5400, 20)]
    assert {p.limit for p in fired.points} == {20}
    assert (fired.steps, fired.window, fired.told_at) == (True, None, fired.fired)
    assert [p.value for p in ended.points] == [60, 45, 30, 20, 12, 90]
    assert ended.fired == fired.fired


def test_a_level_whose_past_is_not_known_begins_with_what_is():
    """After a restart the judge knows one value more than it has seen."""
    trail = LevelTrail(["s"])
    trail.note(("s", ("A-1",)), 60, 20, (0, 35))
    assert list(trail.of(("s", ("A-1",)))) == [(0, 35), (60, 20)]
    assert list(trail.of(("s", ("A-2",)))) == []


def test_so_many_levels_are_remembered():
    """Those that moved last; the others begin anew, and of each the last values are there."""
    trail = LevelTrail(["s"], most_groups=2)
    for n, name in enumerate(("a", "b", "a", "c", *["c"] * 100)):
        trail.note(("s", (name,)), n, n, None)
    assert [len(trail.of(("s", (name,)))) for name in "abc"] == [2, 0, 32]
    assert trail.of(("s", ("c",)))[-1] == (103, 103)


def test_another_version_of_the_rule_shows_nothing():
    """Its numbers are not those that were told."""
    replay, plan = judged(*FEW)
    fired = next(t for t in replay.transitions if t.state == "firing")
    for changed in ({"rule_version": "another"}, {"rule": "Gone"}, {"value": 12345.0}, {"labels": {"x": "y"}}):
        assert (
            chart_of(replay.judge, msgspec.structs.replace(fired, **changed), plan, fired_at=None, currency="") is None
        )


def test_a_combination_shows_the_part_that_was_told():
    """Of revenue and orders that which the message is about, in money."""
    rule = (
        "any: [{threshold: {measure: revenue, window: 1h, above: 100000}}, "
        "{threshold: {measure: orders, window: 1h, below: 20}}]"
    )
    chart = next(c for t, c in charts(rule, FEW[1]) if t.state == "firing")
    assert chart is not None
    assert chart.points[0].value == 60


def test_so_much_is_kept_for_it():
    """Eight short windows, at least three long ones, and nothing for levels."""
    kept = {}
    for window, story in (("15m", "orders: 1 at 08:00"), ("4h", "orders: 1 at 08:00"), ("2d", "orders: 1 at 08:00")):
        _, plan = judged(f"threshold: {{measure: orders, window: {window}, above: 5}}", story)
        (kept[window],) = keep_longer_s(plan).values()
    assert kept == {"15m": 2 * 3600, "4h": 24 * 3600, "2d": 6 * 24 * 3600}
    _, plan = judged("by: [sku], threshold: {measure: stock, at_most: 20}", "stock A-1: 35")
    assert set(keep_longer_s(plan).values()) == {0}
