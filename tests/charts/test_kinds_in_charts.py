"""Each kind of condition in a chart: projections, changes, anomalies, levels and formulas of them."""

from datetime import UTC, datetime, timedelta

import pytest
from chart_samples import (
    CHANGE,
    COVER,
    FALL,
    LONDON,
    MIXED,
    PROJECTION,
    SINCE,
    STOCK,
    TODAY,
    charted,
    charts,
    first_chart,
    frames,
    judged,
    plan_of,
    stock_events,
    unusual,
)
from hypothesis import given
from hypothesis import strategies as st

from lockstep.adapters.charts.curve import Chart, NoChart, Spot
from lockstep.adapters.charts.drawing import LIGHT, standalone
from lockstep.adapters.charts.history import shown_levels
from lockstep.judge.judge import Judge
from lockstep.judge.state import Sizes
from lockstep.measure.history import LevelHistory
from lockstep.measure.history.level import LEAST_CHANGES
from lockstep.rule.condition.kind.anomaly import PAST
from lockstep.text.rfc3339 import SECOND


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, LONDON):%a %H:%M}"


def _values(chart: Chart) -> list[tuple[str, float | None]]:
    return [(_clock(point.at), point.value) for point in chart.points]


# ---- projections -----------------------------------------------------------------------------------------------------


def test_a_level_falls_towards_its_limit():
    """30 in four hours are 70 in nine hours and twenty minutes."""
    chart = first_chart(*PROJECTION)
    assert _values(chart) == [
        ("Mon 08:00", 100),
        ("Mon 10:00", 90),
        ("Mon 11:00", 80),
        ("Mon 12:00", 70),
        ("Mon 12:01", 70),
    ]
    assert {point.limit for point in chart.points} == {0}
    assert chart.ahead == Spot(chart.told_at + 9 * 3600 + 20 * 60, 0)
    assert (chart.until, chart.steps) == (chart.told_at + 86_400, True)


def test_an_end_shows_that_it_does_not_get_there():
    """Nothing was sold for four hours: the line ends where the rule looks no further."""
    ended = next(c for t, c in charts(*PROJECTION) if t.state == "resolved")
    assert isinstance(ended, Chart)
    assert ended.ahead == Spot(ended.told_at + 86_400, 40)


def test_the_orders_of_a_day_grow_towards_their_limit():
    """From midnight on, in the shop's time, until the day is over."""
    chart = first_chart(*TODAY)
    assert [_clock(at) for at in (chart.points[0].at, chart.told_at, chart.until)] == [
        "Tue 00:10",
        "Tue 14:34",
        "Wed 00:00",
    ]
    assert [point.value for point in chart.points] == sorted(point.value for point in chart.points)
    assert chart.ahead is not None
    assert (chart.ahead.value, chart.steps) == (400, False)
    assert chart.told_at < chart.ahead.at < chart.until


def test_a_level_that_is_sold_at_the_pace_of_a_flow():
    """290 in stock, 288 sold in a day."""
    chart = first_chart(*COVER)
    assert chart.value == 290
    assert chart.ahead == Spot(chart.told_at + 290 / 288 * 86_400, 0)


def test_what_is_reached_has_nothing_ahead():
    """Sold out is no line to the limit."""
    rule = "by: [sku], projection: {measure: stock, reaches: 0, within: 30m, window: 4h}"
    chart = first_chart(rule, "stock A-1: 90, 89 at 10:00, 88 at 11:00, 0 at 13:00")
    assert (chart.value, chart.ahead, chart.until) == (0, None, None)


# ---- changes ---------------------------------------------------------------------------------------------------------


def test_a_change_shows_what_it_was_and_what_it_is():
    """Both marks stand at the instant of the change."""
    chart = first_chart(*CHANGE)
    assert _values(chart) == [("Mon 08:00", 35), ("Mon 09:10", 33), ("Mon 09:30", 90)]
    assert chart.before == Spot(chart.told_at, 33)
    assert (chart.reference, chart.reference_is) == (33, "before")
    assert {point.limit for point in chart.points} == {None}, "`by` is a difference, no height in the chart"


def test_two_values_are_a_change():
    """They are what the message is about."""
    chart = first_chart(CHANGE[0], "stock A-1: 35, 90 at 09:30")
    assert [value for _, value in _values(chart)] == [35, 90]


def test_a_level_compared_with_itself_two_hours_ago():
    """The mark stands where the comparison looks, on the line."""
    chart = first_chart(*SINCE)
    assert chart.before == Spot(chart.told_at - 7_200, 90)
    held = [point.value for point in chart.points if point.at < chart.before.at]
    assert held[-1] == 95 if chart.before.at <= chart.points[1].at else held[-1] == 90


def test_a_flow_compared_with_the_window_before():
    """60 orders in the hour before, 24 in this one."""
    chart = first_chart(*FALL)
    assert chart.before == Spot(chart.told_at - 3_600, 60)
    on_line = min(chart.points, key=lambda point: abs(point.at - chart.before.at))
    assert on_line.value == 60
    assert {point.baseline for point in chart.points} == {None}


# ---- anomalies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restarts", [False, True], ids=["one judge", "restarts"])
def test_an_anomaly_shows_what_its_detector_expected(restarts):
    """Two days of hours, each with what was usual then; the one that fired lies outside. A restart forgets nothing."""
    plan, events = unusual()
    seen = (
        (transition, live) for news, live in judged(plan, events, restarts=restarts, at_once=6) for transition in news
    )
    fired, chart = next((t, c) for t, c in charted(seen) if t.state == "firing")
    assert isinstance(chart, Chart)
    assert len(chart.points) == PAST
    *before, last = chart.points
    assert (last.value, last.baseline, last.at) == (fired.value, fired.baseline, chart.fired)
    assert [b.at - a.at for a, b in zip(chart.points, chart.points[1:], strict=False)] == [3600] * (PAST - 1)
    assert all(point.low <= point.baseline <= point.high for point in chart.points[-24:])
    assert last.value > last.high
    inside = [point.low <= point.value <= point.high for point in before if point.low is not None]
    assert len(inside) > 24
    assert sum(inside) >= 0.9 * len(inside)


def test_the_values_of_an_anomaly_are_the_orders_of_its_hours():
    """Counted anew from the events."""
    plan, events = unusual()
    seen = ((transition, live) for news, live in judged(plan, events) for transition in news)
    chart = next(c for t, c in charted(seen) if t.state == "firing")
    for point in chart.points:
        of_hour = (
            e["data"]["count"] for e in events if 0 < point.at - datetime.fromisoformat(e["time"]).timestamp() <= 3600
        )
        assert point.value == sum(of_hour)


def test_an_anomaly_in_a_combination_has_its_chart():
    """Where it is the part that was told."""
    plan, events = unusual(
        "all: [{anomaly: {measure: orders, bucket: 1h}}, {threshold: {measure: revenue, window: 1h, above: 1}}]"
    )
    seen = ((transition, live) for news, live in judged(plan, events) for transition in news)
    chart = next(c for t, c in charted(seen) if t.state == "firing")
    assert isinstance(chart, Chart)
    assert chart.points[-1].high is not None


# ---- levels ----------------------------------------------------------------------------------------------------------


def test_a_level_s_changes_survive_restarts():
    """Each frame by another judge: the chart is the same."""
    restarted = [c for _, c in charts(*STOCK, restarts=True, at_once=1)]
    assert restarted == [c for _, c in charts(*STOCK)]
    assert all(isinstance(chart, Chart) for chart in restarted)


def test_so_many_changes_are_kept():
    """The last ones; of a level that goes on there are never fewer."""
    story = ", ".join(f"{100 + n % 2} at {8 + n // 60:02d}:{n % 60:02d}" for n in range(1, 150))
    chart = first_chart(STOCK[0], f"stock A-1: 100, {story}, 5 at 11:00")
    assert LEAST_CHANGES <= len(chart.points) <= 2 * LEAST_CHANGES + 1
    assert chart.points[-1].value == 5


def test_without_charts_no_changes_are_kept():
    assert {c for _, c in charts(*STOCK, kept=False)} == {NoChart.GONE}


@pytest.mark.parametrize("sizes", [Sizes(), Sizes(rows=1, journal=0)], ids=["journal", "pages"])
@pytest.mark.parametrize("off", [range(9), range(2, 4), range(2, 9), range(0)], ids=str)
def test_what_came_while_nobody_kept_changes_is_no_hole_in_a_chart(sizes, off):
    """Charts are switched off for some time, and on again: what is known is the end of what was, without a gap."""
    plan = plan_of(STOCK[0])
    values = [("08:00", 60), ("08:30", 50), ("09:00", 40), ("10:00", 30), ("11:00", 25), ("12:00", 22), ("13:00", 8)]
    entries: dict[bytes, bytes] = {}
    seen: list[tuple[str, int]] = []
    for n, frame in enumerate(frames(plan, stock_events(*((at, value, 0) for at, value in values)))):
        judge = Judge(plan, zone=LONDON, sizes=sizes, shown_levels={} if n in off else shown_levels(plan))
        judge.restore(entries)
        judge.take(frame)
        changes = [(_clock(at / SECOND), total // SECOND) for at, total in _changes(judge)]
        entries = {k: v for k, v in (entries | judge.cut().entries).items() if v is not None}
        seen += [(_clock(level.time_us / SECOND), level.value // SECOND) for level in frame.levels]
        assert changes == (seen[-len(changes) :] if changes else [])
        if frame.levels:
            assert bool(changes) is (n not in off)
    assert len(seen) == len(values)


def _changes(judge: Judge) -> list[tuple[int, int]]:
    return [change for level in judge.histories.levels.values() for change in level.changes()]


def test_a_sum_beyond_all_numbers_is_not_shown():
    """And begins anew with what fits."""
    level, most = LevelHistory(), 9 * 10**18
    for n, (place, value) in enumerate([("a", most), ("b", most), ("b", 5)]):
        level.apply(("inventory", 0), place, n, n, value)
        level.note_change(n, every_value=False)
    assert list(level.changes()) == []
    level.apply(("inventory", 0), "b", 4, 4, 6)
    level.note_change(4, every_value=False)
    assert list(level.changes()) == [(2, most + 5), (4, most + 6)]


def test_several_values_at_one_instant_show_the_one_that_was_told():
    """Two orders in one second take the stock to 20 and 19: it fires at 20."""
    chart = first_chart(STOCK[0], "stock A-1: 60, 40 at 08:30, 30 at 09:00, 20 at 09:30, 19 at 09:30")
    assert chart.points[-1].value == chart.value == 20


def test_a_level_that_was_stale_has_a_gap():
    """Nobody knew it then."""
    rule = "by: [sku], threshold: {measure: fresh, at_most: 20}"
    chart = first_chart(rule, "fresh A-1: 60, 50 at 08:30, 45 at 13:00, 20 at 13:30")
    assert _values(chart) == [
        ("Mon 08:00", 60),
        ("Mon 08:30", 50),
        ("Mon 10:30", None),
        ("Mon 13:00", 45),
        ("Mon 13:30", 20),
    ]


def _first_of_stock(rule: str, *said: tuple[str, int, int]) -> Chart:
    seen = ((transition, live) for news, live in judged(plan_of(rule), stock_events(*said)) for transition in news)
    chart = next(c for t, c in charted(seen) if t.state == "firing")
    assert isinstance(chart, Chart)
    return chart


def test_a_formula_of_levels_changes_with_either():
    """Stock less what is reserved; what one event says of both is one step."""
    rule = "by: [sku], threshold: {measure: free, at_most: 20}"
    chart = _first_of_stock(rule, ("08:00", 60, 0), ("08:30", 50, 0), ("09:00", 50, 10), ("10:00", 45, 30))
    assert _values(chart) == [("Mon 08:00", 60), ("Mon 08:30", 50), ("Mon 09:00", 40), ("Mon 10:00", 15)]
    assert chart.steps


def test_a_level_in_a_formula_with_a_flow_is_what_it_was_then():
    """Cover is the stock of that time, not of now, over the units of that hour."""
    chart = next(c for t, c in charts(*MIXED) if t.state == "resolved")
    assert isinstance(chart, Chart)
    assert chart.points[0].value == pytest.approx(10, abs=8)
    assert len({point.value for point in chart.points}) > 3


def test_a_limit_that_is_another_level_is_drawn_as_it_was():
    """What is reserved grows, and so does the line."""
    rule = "by: [sku], threshold: {measure: stock, at_most: {measure: reserved}}"
    chart = _first_of_stock(rule, ("08:00", 90, 20), ("08:30", 80, 30), ("09:00", 60, 30), ("10:00", 25, 30))
    assert [(point.value, point.limit) for point in chart.points] == [(90, 20), (80, 30), (60, 30), (25, 30)]


def test_a_level_that_several_groups_share_is_shown_to_each():
    """The stock of a product, in an alert on the product and a channel."""
    rule = (
        "by: [channel, sku], all: [{threshold: {measure: stock, by: [sku], at_most: 20}}, "
        "{threshold: {measure: units, window: 1h, above: 2}}]"
    )
    stock = stock_events(("08:00", 60, 0), ("08:30", 45, 0), ("09:00", 30, 0), ("10:00", 12, 0))
    orders = [
        {
            "id": f"o-{n}",
            "source": "/s",
            "type": "order.placed",
            "time": (datetime(2026, 3, 2, 8, tzinfo=UTC) + timedelta(minutes=10 * n)).isoformat(),
            "data": {
                "order_id": f"o-{n}",
                "total": 10,
                "channel": "web",
                "lines": [{"sku": "A-1", "quantity": 1, "unit_price": 10}],
            },
        }
        for n in range(24)
    ]
    seen = ((t, live) for news, live in judged(plan_of(rule), [*stock, *orders], at_once=1) for t in news)
    transition, chart = next((t, c) for t, c in charted(seen) if t.state == "firing")
    assert transition.labels == {"channel": "web", "sku": "A-1"}
    assert isinstance(chart, Chart)
    assert [value for _, value in _values(chart)] == [60, 45, 30, 12, 12]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.integers(-5, 5)), min_size=1, max_size=90),
    st.integers(0, 30),
    st.booleans(),
)
def test_changes_are_the_end_of_what_the_sum_was(values, begin, every_value):
    """Of several things, told in any order, kept from some value on, and taken back from what was stored: in the order
    of time, never a sum that was not, and the last one is what it is now."""
    level = LevelHistory()
    sums: list[int] = []
    noted = 0
    for n, (place, at, value) in enumerate(values):
        if level.apply(("inventory", 0), place, at, n, value):
            sums.append(level.now())
            if n >= begin:
                noted += 1
                level.note_change(at, every_value=every_value)
        again = LevelHistory()
        again.restore(level.state())
        level = again
    changes = list(level.changes())
    assert bool(changes) is bool(noted)
    if not changes:
        return
    assert [at for at, _ in changes] == sorted(at for at, _ in changes)
    kept = [total for _, total in changes]
    assert kept[-1] == level.now()
    run = sums if every_value else [total for n, total in enumerate(sums) if not n or total != sums[n - 1]]
    assert kept == run[-len(kept) :]
    assert len(kept) <= 2 * LEAST_CHANGES


# ---- business measures -----------------------------------------------------------------------------------------------

SPEND = (
    "traffic.spend channel=tv amount=100: 1/day for 12 days; "
    "traffic.spend channel=tv amount=300: nothing until day 9 09:00, then 1/h for 1h"
)


def test_a_jump_of_spend_stands_beside_what_is_usual():
    """The measure is a multiple of the usual, so that is a line at 1. It was 1 for a week: that is enough to see it."""
    (fired, chart), (_, ended) = charts("by: [channel], threshold: {measure: spend_change, above: 2}", SPEND)
    assert isinstance(chart, Chart)
    assert [(point.value, point.baseline, point.limit) for point in chart.points] == [(1, 1, 2), (3, 1, 2)]
    assert chart.points[-1].at == chart.fired == datetime.fromisoformat(fired.at).timestamp()
    assert isinstance(ended, Chart)
    assert [point.value for point in ended.points] == [1, 3, 4, 1]
    assert {point.baseline for point in ended.points} == {1}
    drawing = standalone(chart, LONDON, LIGHT)
    assert {text for text in ("measured", "usual", "limit", "firing") if f">{text}</text>" in drawing} == {
        "measured",
        "usual",
        "limit",
        "firing",
    }
