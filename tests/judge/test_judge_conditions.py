"""Each condition on small, readable events; expected transitions computed by hand, told by reference and service."""

from dataclasses import replace
from datetime import time

import pytest
from comparison import judged
from judge_pipeline import Pipeline, arrivals
from shorthand import (
    ORDERS,
    ORDERS_ALL,
    SESSIONS,
    SESSIONS_ALL,
    STOCK,
    bounds,
    clock,
    event,
    flow,
    level,
    lines,
    of,
    orders,
    plan,
    ratio,
    rule,
    sessions,
    stock,
    when,
)

from lockstep.rule.condition.kinds import (
    Absence,
    All,
    AnyOf,
    Baseline,
    Hours,
    Level,
    Not,
    Override,
    Severity,
    Spike,
)

WARNING = Severity.WARNING
PREVIOUS = Baseline()


def spike(series=ORDERS, window=60, baseline=PREVIOUS, **more):
    return Spike(of(series), window, baseline, WARNING, **more)


def absence(series=ORDERS_ALL, window=300, *hours):
    return Absence(of(series), window, WARNING, tuple(hours))


@pytest.mark.parametrize(
    ("watched", "told", "until", "expected"),
    [
        pytest.param(
            rule(when(ORDERS, "above 5", window=300)),
            "web: 12:00 x3, 12:04:59 x3",
            "12:10",
            ["12:05 web firing warning", "12:06 web resolved warning"],
            id="a window is its last whole buckets",
        ),
        pytest.param(
            rule(when(ORDERS, "at_most 2", window=120)),
            "web: 12:00 x9, 12:01:30 x2",
            "12:03",
            ["12:03 web firing warning"],
            id="a window that begins before the source is not judged from below",
        ),
        pytest.param(
            rule(when(ORDERS, "above 5", window=3600)),
            "web: 12:00:30 x6",
            "12:01",
            ["12:01 web firing warning"],
            id="a window that begins before the source may breach from above",
        ),
        pytest.param(
            rule(
                when(
                    ORDERS,
                    "above 5",
                    overrides=(Override((("channel", "app"),), (Level(WARNING, bounds("above 1")),)),),
                )
            ),
            "web: 12:00 x5; app: 12:00 x2",
            "12:01",
            ["12:01 app firing warning"],
            id="an override replaces the levels",
        ),
        pytest.param(
            rule(
                when(
                    ORDERS,
                    "above 5",
                    overrides=(
                        Override((("channel", "m*"),), (Level(Severity.CRITICAL, bounds("above 1")),)),
                        Override((("channel", "*"),), (Level(Severity.INFO, bounds("above 0")),)),
                    ),
                )
            ),
            "web: 12:00; mall: 12:00 x2",
            "12:01",
            ["12:01 mall firing critical", "12:01 web firing info"],
            id="the first override that matches wins",
        ),
        pytest.param(
            rule(
                when(
                    ORDERS,
                    "above 5",
                    overrides=(Override((("channel", "app"),), (Level(WARNING, bounds("below 2")),)),),
                )
            ),
            "web: 11:59 x6; app: 12:00:30",
            "12:00:45",
            ["12:00 web firing warning"],
            id="an override in the other direction is not decided early",
        ),
        pytest.param(
            rule(when(flow("sum", field="total"), "at_least 0.3")),
            "web: 12:00 total=0.1, 12:00:01 total=0.1, 12:00:02 total=0.1",
            "12:01",
            ["12:01 web firing warning"],
            id="three times 0.1 is 0.3",
        ),
        pytest.param(
            rule(when(flow("sum", field="total"), "above 5")),
            "web: 12:00 total=6, 12:00:10 total=-20",
            "12:01",
            [],
            id="a sum of what may be negative waits",
        ),
        pytest.param(
            rule(when(flow("sum", field="total"), "above 5")),
            "web: 12:00 total=6",
            "12:00:10",
            [],
            id="a sum of what may be negative is not told early",
        ),
        pytest.param(
            rule(when(flow("sum", field="total"), "at_least 20")),
            "web: 12:00 *20 total=10, 12:01 *3 total=20",
            "12:02",
            ["12:02 web firing warning"],
            id="count does not weigh sums",
        ),
        pytest.param(
            rule(when(ORDERS, "at_least 20")),
            "web: 12:00 *20",
            "12:01",
            ["12:01 web firing warning"],
            id="count weighs counts",
        ),
        pytest.param(
            rule(when(flow("average", field="total"), "above 17")),
            "web: 12:00:05 total=10, 12:01 total=10, 12:01:10 *3 total=20",
            "12:02",
            ["12:02 web firing warning"],
            id="count weighs averages: 70 / 4",
        ),
        pytest.param(
            rule(when(flow("minimum", field="total"), "below 5")),
            "web: 12:00 total=9, 12:01 total=9, 12:01:30 total=4",
            "12:02",
            ["12:02 web firing warning"],
            id="minimum",
        ),
        pytest.param(
            rule(when(flow("maximum", field="total"), "above 5")),
            "web: 12:00 total=9, 12:01 total=-3",
            "12:02",
            ["12:01 web firing warning", "12:02 web resolved warning"],
            id="maximum, also of negatives",
        ),
        pytest.param(
            rule(when(flow("average", field="total"), "above 5")),
            "web: 12:00 total=9; app: 12:01, 12:02",
            "12:03",
            ["12:01 web firing warning", "12:02 app firing warning"],
            id="an average of nothing is no data: keep",
        ),
        pytest.param(
            rule(when(flow("average", field="total"), "above 5"), no_data="ok"),
            "web: 12:00 total=9; app: 12:01 total=1",
            "12:02",
            ["12:01 web firing warning", "12:02 web resolved warning"],
            id="an average of nothing is no data: ok",
        ),
        pytest.param(
            rule(when(flow("average", field="total"), "above 50"), no_data="alert"),
            "web: 12:00 total=9; app: 12:01 total=1, 12:02 total=1",
            "12:03",
            ["12:02 web firing warning"],
            id="an average of nothing is no data: alert",
        ),
        pytest.param(
            rule(when(flow("average", field="total"), "above 5"), hold=60),
            "web: 12:00 total=9, 12:02 total=9; app: 12:03 total=1",
            "12:04",
            ["12:01 web pending warning", "12:03 web firing warning"],
            id="without data for does not run out; the next breach fires at once",
        ),
        pytest.param(
            rule(when(flow("average", field="total"), "above 5"), hold=60),
            "web: 12:00 total=9, 12:02 total=1; app: 12:03 total=1",
            "12:04",
            ["12:01 web pending warning", "12:03 web cancelled warning"],
            id="without data for does not run out; the next clear cancels",
        ),
        pytest.param(
            rule(when(flow("average", field="total"), "above 5"), keep=120),
            "web: 12:00 total=9, 12:01 total=1; app: 12:06 total=1",
            "12:07",
            ["12:01 web firing warning", "12:04 web resolved warning"],
            id="without data keep_firing_for runs out",
        ),
        pytest.param(
            rule(when(flow("distinct", field="customer"), "above 1")),
            "web: 12:00 x5",
            "12:01",
            [],
            id="distinct: one customer five times",
        ),
        pytest.param(
            rule(when(flow("percentile", field="total", quantile=0.9), "above 50")),
            "web: 12:00 total=1, 12:00:01 total=2, 12:00:02 total=100",
            "12:01",
            ["12:01 web firing warning"],
            id="p90 of three is the third",
        ),
        pytest.param(
            rule(when(flow("count", where=(("channel", ("m*", "web")),), by=("country",)), "at_least 2")),
            "web: 12:00; mall: 12:00; app: 12:00",
            "12:01",
            ["12:01 none firing warning"],
            id="where filters by value or prefix",
        ),
    ],
)
def test_threshold_on_flows(watched, told, until, expected):
    """A flow is judged in whole windows against fixed numbers."""
    events = orders(told, customer="c")
    assert lines(judged(plan(watched), events, until=clock(until), tolerance=0.01)) == expected


AT_MOST_30 = when(STOCK, "at_most 30", window=None)


@pytest.mark.parametrize(
    ("watched", "told", "until", "expected"),
    [
        pytest.param(
            rule(AT_MOST_30),
            "A: 12:00 35, 12:00:01 30, 12:00:02 28, 12:00:03 31, 12:00:04 29",
            "12:01",
            ["12:00:01 A firing warning", "12:00:03 A resolved warning", "12:00:04 A firing warning"],
            id="each value is judged, also within a minute",
        ),
        pytest.param(
            rule(AT_MOST_30),
            "A: 12:00:07 35, 12:00:07 28",
            "12:01",
            ["12:00:07 A firing warning"],
            id="at equal times the later wins",
        ),
        pytest.param(
            rule(AT_MOST_30),
            "A: 12:00:07 28, 12:00:07 35",
            "12:01",
            ["12:00:07 A firing warning", "12:00:07 A resolved warning"],
            id="at equal times each is judged",
        ),
        pytest.param(
            rule(AT_MOST_30),
            "A: 12:00 100 WH1, 12:00:01 5 WH2, 12:01 90 WH1",
            "12:05",
            [],
            id="warehouses are added, no flapping",
        ),
        pytest.param(
            rule(when(level(by=("location", "sku")), "at_most 30", window=None)),
            "A: 12:00 100 WH1, 12:00:01 5 WH2",
            "12:05",
            ["12:00:01 WH2 A firing warning"],
            id="by warehouse each is judged alone",
        ),
        pytest.param(
            rule(when(level(by=()), "at_most 30", window=None)),
            "A: 12:00 20; B: 12:00:01 15, 12:00:02 5",
            "12:05",
            ["12:00 firing warning", "12:00:01 resolved warning", "12:00:02 firing warning"],
            id="without labels all are added",
        ),
        pytest.param(
            rule(when(STOCK, "at_most 30 clear above 40", window=None)),
            "A: 12:00 30, 12:01 35, 12:02 40, 12:03 41",
            "12:05",
            ["12:00 A firing warning", "12:03 A resolved warning"],
            id="a level's band",
        ),
        pytest.param(
            rule(AT_MOST_30, hold=60),
            "A: 12:00:10 30, 12:00:50 29",
            "12:05",
            ["12:00:10 A pending warning", "12:01:10 A firing warning"],
            id="for on a level runs on the watermark",
        ),
        pytest.param(
            rule(AT_MOST_30, hold=60),
            "A: 12:00:10 30, 12:01:10 31",
            "12:05",
            ["12:00:10 A pending warning", "12:01:10 A cancelled warning"],
            id="clear at breach + for cancels",
        ),
        pytest.param(
            rule(AT_MOST_30, hold=60),
            "A: 12:00:10 30, 12:01:10.000001 31",
            "12:05",
            ["12:00:10 A pending warning", "12:01:10 A firing warning", "12:01:10.000001 A resolved warning"],
            id="clear after breach + for resolves",
        ),
        pytest.param(
            rule(AT_MOST_30, keep=60),
            "A: 12:00 30, 12:01 31, 12:02 30",
            "12:05",
            ["12:00 A firing warning"],
            id="a breach at the end of keep_firing_for stops it",
        ),
        pytest.param(
            rule(AT_MOST_30, keep=60),
            "A: 12:00 30, 12:01 31, 12:02:01 30",
            "12:05",
            ["12:00 A firing warning", "12:02 A resolved warning", "12:02:01 A firing warning"],
            id="keep_firing_for runs out before the next value",
        ),
        pytest.param(
            rule(AT_MOST_30, hold=60),
            "A: 12:00:10 30",
            "12:01:10",
            ["12:00:10 A pending warning", "12:01:10 A firing warning"],
            id="a timer due at the last instant runs",
        ),
        pytest.param(
            rule(when(STOCK, "info at_most 60", "warning at_most 30", "critical at_most 0", window=None)),
            "A: 12:00 50, 12:01 0, 12:02 30, 12:03 61",
            "12:05",
            [
                "12:00 A firing info",
                "12:01 A severity critical",
                "12:02 A severity warning",
                "12:03 A resolved warning",
            ],
            id="three levels of a level",
        ),
        pytest.param(
            rule(
                when(
                    STOCK,
                    "at_most 20",
                    window=None,
                    overrides=(Override((("sku", "KEY-*"),), (Level(Severity.CRITICAL, bounds("at_most 60")),)),),
                )
            ),
            "KEY-1: 12:00 55; B: 12:00 55",
            "12:05",
            ["12:00 KEY-1 firing critical"],
            id="key products have another level",
        ),
    ],
)
def test_threshold_on_levels(watched, told, until, expected):
    """A level is judged at each value, at the value's own time."""
    assert lines(judged(plan(watched), stock(told), until=clock(until))) == expected


@pytest.mark.parametrize(
    ("watched", "told", "until", "expected"),
    [
        pytest.param(
            rule(spike(above=2.0, at_least=3)),
            "web: 12:00 x4, 12:01 x8, 12:02 x17",
            "12:03",
            ["12:03 web firing warning"],
            id="above means more than the ratio",
        ),
        pytest.param(
            rule(spike(above=2.0, at_least=20)),
            "web: 12:00 x4, 12:01 x19, 12:02 x4, 12:03 x20",
            "12:04",
            ["12:04 web firing warning"],
            id="a rise needs a value of at_least",
        ),
        pytest.param(
            rule(spike(above=2.0, usual_at_least=5)),
            "web: 12:00 x4, 12:01 x19, 12:02 x5, 12:03 x11",
            "12:04",
            ["12:04 web firing warning"],
            id="a ratio needs a baseline of usual_at_least",
        ),
        pytest.param(
            rule(spike(above=2.0, at_least=1)),
            "web: 12:00, 12:05 x50",
            "12:06",
            [],
            id="a baseline of nothing has no ratio",
        ),
        pytest.param(
            rule(spike(above=2.0, at_least=1, usual_at_least=0)),
            "web: 12:00, 12:05 x50",
            "12:06",
            ["12:06 web firing warning"],
            id="a baseline of nothing, when the rule says so",
        ),
        pytest.param(
            rule(spike(below=0.5)),
            "web: 12:00 x8, 12:01 x4, 12:02 x1, 12:03 x1",
            "12:04",
            ["12:03 web firing warning", "12:04 web resolved warning"],
            id="below means less than the ratio",
        ),
        pytest.param(
            rule(spike(above=2.0, below=0.5)),
            "web: 12:00 x4, 12:01 x9, 12:02 x4",
            "12:03",
            ["12:02 web firing warning"],
            id="either direction suffices",
        ),
        pytest.param(
            rule(spike(above=2.0, clear_below=1.5)),
            "web: 12:00 x4, 12:01 x9, 12:02 x14, 12:03 x20",
            "12:04",
            ["12:02 web firing warning", "12:04 web resolved warning"],
            id="clear below a smaller ratio",
        ),
        pytest.param(
            rule(spike(baseline=Baseline(previous_s=180), above=2.0)),
            "web: 12:00 x2, 12:02 x4, 12:03 x5",
            "12:04",
            ["12:04 web firing warning"],
            id="previous is the mean per window length",
        ),
        pytest.param(
            rule(spike(baseline=Baseline(previous_s=180), above=2.0)),
            "web: 12:00:01 x2, 12:02 x4, 12:03 x5",
            "12:04",
            [],
            id="a baseline that begins before the source is not judged",
        ),
        pytest.param(
            rule(spike(deviations=3)),
            "web: 12:00 x9, 12:01 x18, 12:02 x31",
            "12:03",
            ["12:03 web firing warning"],
            id="deviations: 18 + 3 x 4.243 is 30.7",
        ),
        pytest.param(
            rule(spike(deviations=3)),
            "web: 12:00 x16, 12:01 x3",
            "12:02",
            ["12:02 web firing warning"],
            id="deviations alone mean both directions",
        ),
        pytest.param(
            rule(spike(deviations=3, above=1.1)),
            "web: 12:00 x16, 12:01 x3",
            "12:02",
            [],
            id="deviations hold in the named direction only",
        ),
        pytest.param(
            rule(spike(flow("average", field="total"), above=2.0)),
            "web: 12:00 total=10, 12:01 total=21, 12:01:01 total=21",
            "12:02",
            ["12:02 web firing warning"],
            id="an average against the average before",
        ),
        pytest.param(
            rule(spike(above=2.0, at_least=3)),
            "web: 12:00 x4, 12:01 x9",
            "12:01:30",
            ["12:02 web firing warning"],
            id="a rise is told early",
        ),
        pytest.param(rule(spike(below=0.5)), "web: 12:00 x8, 12:01 x1", "12:01:30", [], id="a fall waits"),
    ],
)
def test_spike_against_the_previous_stretch(watched, told, until, expected):
    """A window is compared with the stretch just before it."""
    assert lines(judged(plan(watched), orders(told), until=clock(until))) == expected


def weekly(text, days, time_of_day):
    """`web` orders at the same UTC time on several days: `3 3 3 9`."""
    return [e for n, day in zip(text.split(), days, strict=True) for e in orders(f"web: {time_of_day} x{n}", day=day)]


@pytest.mark.parametrize(
    ("baseline", "days", "text", "expected"),
    [
        pytest.param(
            Baseline(weeks=3),
            ["2026-01-07", "2026-01-14", "2026-01-21", "2026-01-28"],
            "4 5 40 11",
            True,
            id="the median of three weeks is 5",
        ),
        pytest.param(
            Baseline(weeks=3),
            ["2026-01-07", "2026-01-14", "2026-01-21", "2026-01-28"],
            "4 6 40 11",
            False,
            id="the median of three weeks is 6",
        ),
        pytest.param(
            Baseline(weeks=4),
            ["2026-01-07", "2026-01-14", "2026-01-21", "2026-01-28"],
            "4 5 40 11",
            True,
            id="three of four weeks suffice",
        ),
        pytest.param(
            Baseline(weeks=4),
            ["2026-01-14", "2026-01-21", "2026-01-28"],
            "5 5 11",
            False,
            id="two of four weeks do not",
        ),
        pytest.param(Baseline(weeks=1), ["2026-01-21", "2026-01-28"], "5 11", True, id="one of one suffices"),
        pytest.param(
            Baseline(days=3), ["2026-01-25", "2026-01-26", "2026-01-27", "2026-01-28"], "5 5 5 11", True, id="days"
        ),
        pytest.param(
            Baseline(days=2),
            ["2026-01-26", "2026-01-27", "2026-01-28"],
            "4 5 11",
            True,
            id="the median of two is their mean",
        ),
    ],
)
def test_spike_against_the_season(baseline, days, text, expected):
    """The usual is the median of the same window in earlier weeks or days that have been seen whole."""
    events = weekly(text, days, "12:00")
    watched = plan(rule(spike(baseline=baseline, above=2.0)))
    found = [t for t in judged(watched, events, until=clock("2026-01-28 12:01")) if t["at"] // 86_400_000_000 == 20481]
    assert bool(found) == expected


@pytest.mark.parametrize(
    ("days", "times", "until"),
    [
        pytest.param(
            ["2026-03-16", "2026-03-23", "2026-03-30"],
            ["12:00", "12:00", "11:00"],
            "2026-03-30 11:01",
            id="the clock went forward on the 29th",
        ),
        pytest.param(
            ["2026-10-12", "2026-10-19", "2026-10-26"],
            ["11:00", "11:00", "12:00"],
            "2026-10-26 12:01",
            id="the clock went back on the 25th",
        ),
    ],
)
def test_the_same_time_of_week_is_a_local_time(days, times, until):
    """Noon is noon in London, although it is another hour in UTC after the clock change."""
    events = [e for day, at, n in zip(days, times, (5, 5, 11), strict=True) for e in orders(f"web: {at} x{n}", day=day)]
    watched = plan(rule(spike(baseline=Baseline(weeks=2), above=2.0)))
    found = judged(watched, events, until=clock(until))
    assert [(t["state"], t["value"], t["baseline"]) for t in found] == [("firing", 11.0, 5.0)]


@pytest.mark.parametrize(
    ("eve", "before", "day", "after"),
    [
        pytest.param("2026-03-28", "12:00", "2026-03-29", "11:00", id="23 hours"),
        pytest.param("2026-10-24", "11:00", "2026-10-25", "12:00", id="25 hours"),
    ],
)
def test_days_of_23_and_25_hours(eve, before, day, after):
    """Days are counted on the wall clock: the same hour on the day of the change finds the day before's."""
    events = orders(f"web: {before} x5", day=eve) + orders(f"web: {after} x11", day=day)
    found = judged(plan(rule(spike(baseline=Baseline(days=1), above=2.0))), events)
    assert [(t["value"], t["baseline"]) for t in found] == [(11.0, 5.0)]


WEEKDAYS = frozenset(range(5))
OFFICE = Hours(WEEKDAYS, time(9), time(17))


@pytest.mark.parametrize(
    ("watched", "told", "until", "expected"),
    [
        pytest.param(
            rule(absence()), "web: 12:00, 12:02", "12:10", ["12:08 firing warning"], id="nothing for five minutes"
        ),
        pytest.param(
            rule(absence()),
            "web: 12:00, 12:02, 12:08:10",
            "12:10",
            ["12:08 firing warning", "12:09 resolved warning"],
            id="an order ends it",
        ),
        pytest.param(
            rule(absence(ORDERS)),
            "web: 12:00; app: 12:06",
            "12:07",
            ["12:06 web firing warning"],
            id="for a known group",
        ),
        pytest.param(
            rule(absence(ORDERS_ALL, 300, OFFICE)),
            "web: 16:54, 16:59",
            "23:00",
            [],
            id="the window must lie within the hours",
        ),
        pytest.param(
            rule(absence(ORDERS_ALL, 300, OFFICE)),
            "web: 16:54",
            "23:00",
            ["17:00 firing warning"],
            id="the window ends with the hours",
        ),
        pytest.param(
            rule(absence(ORDERS_ALL, 300, OFFICE)),
            "web: 16:58",
            "2026-01-15 09:06",
            ["2026-01-15 09:05 firing warning"],
            id="the next day it begins anew",
        ),
        pytest.param(
            rule(absence(ORDERS_ALL, 300, OFFICE), hold=120),
            "web: 16:54",
            "23:00",
            ["17:00 pending warning", "17:02 firing warning"],
            id="outside of the hours nothing is judged, and nothing is cleared",
        ),
        pytest.param(
            rule(absence(ORDERS_ALL, 300, OFFICE)),
            "web: 2026-01-16 16:58",
            "2026-01-19 09:05",
            ["2026-01-19 09:05 firing warning"],
            id="from Friday to Monday",
        ),
        pytest.param(
            rule(absence(ORDERS_ALL, 600, Hours(frozenset({2, 3}), time(0), time(0)))),
            "web: 23:55",
            "2026-01-15 02:00",
            ["2026-01-15 00:06 firing warning"],
            id="days that touch at midnight are one stretch",
        ),
        pytest.param(
            rule(absence(ORDERS_ALL, 600, Hours(frozenset({2, 4}), time(0), time(0)))),
            "web: 23:55",
            "2026-01-15 23:00",
            [],
            id="days that do not touch are not",
        ),
        pytest.param(
            rule(
                absence(
                    ORDERS_ALL, 600, Hours(frozenset({2}), time(18), time(0)), Hours(frozenset({3}), time(0), time(2))
                )
            ),
            "web: 23:55",
            "2026-01-15 02:00",
            ["2026-01-15 00:06 firing warning"],
            id="an evening and the morning after are one stretch",
        ),
        pytest.param(
            rule(absence(ORDERS_ALL, 300, OFFICE)),
            "web: 2026-07-15 15:54",
            "2026-07-15 20:00",
            ["2026-07-15 16:00 firing warning"],
            id="hours are the shop's, in summer",
        ),
    ],
)
def test_absence(watched, told, until, expected):
    """Nothing for so long, while something is expected."""
    assert lines(judged(plan(watched), orders(told), until=clock(until))) == expected


CONVERSION = ratio(ORDERS, SESSIONS)
SILENT = Absence(of(ORDERS_ALL), 60, WARNING)
BUSY = when(SESSIONS_ALL, "above 2")
LOW = when(STOCK, "at_most 20", window=None)
SOLD = when(flow("count", by=("sku",), line_labels=("sku",)), "at_least 3")


@pytest.mark.parametrize(
    ("watched", "events", "until", "expected"),
    [
        pytest.param(
            rule(when(CONVERSION, "below 0.25")),
            orders("web: 12:00, 12:01") + sessions("web: 12:00 x4, 12:01 x5"),
            "12:03",
            ["12:02 web firing warning"],
            id="a ratio, then a division by zero that changes nothing",
        ),
        pytest.param(
            rule(when(CONVERSION, "below 0.25"), no_data="ok"),
            orders("web: 12:00, 12:01") + sessions("web: 12:00 x4, 12:01 x5"),
            "12:03",
            ["12:02 web firing warning", "12:03 web resolved warning"],
            id="a division by zero that counts as clear",
        ),
        pytest.param(
            rule(when(CONVERSION, "above 0.1")),
            orders("web: 12:00, 12:01") + sessions("web: 12:01 x5"),
            "12:02",
            ["12:02 web firing warning"],
            id="a formula needs every part complete",
        ),
        pytest.param(
            rule(when(CONVERSION, "above 0.1"), no_data="alert"),
            orders("web: 12:00, 12:01, 12:02, 12:03") + sessions("web: 12:02:30 x5"),
            "12:03",
            ["12:01 web firing warning"],
            id="a topic without any event yet is no data",
        ),
        pytest.param(
            rule(when(CONVERSION, "above 0.1")),
            orders("web: 12:00"),
            "12:05",
            [],
            id="a topic that never had an event holds nobody up",
        ),
        pytest.param(
            rule(All((SILENT, BUSY), Severity.CRITICAL)),
            orders("web: 12:00") + sessions("web: 12:00 x3, 12:01 x3, 12:02"),
            "12:03",
            ["12:02 firing critical", "12:03 resolved critical"],
            id="all: no orders although there is traffic",
        ),
        pytest.param(
            rule(AnyOf((SILENT, BUSY), Severity.INFO)),
            orders("web: 12:00, 12:01") + sessions("web: 12:00, 12:01 x3"),
            "12:03",
            ["12:02 firing info"],
            id="any: one suffices",
        ),
        pytest.param(
            rule(Not(BUSY, WARNING)),
            sessions("web: 12:00 x3, 12:01 x2, 12:02 x3"),
            "12:03",
            ["12:02 firing warning", "12:03 resolved warning"],
            id="not",
        ),
        pytest.param(
            rule(AnyOf((when(CONVERSION, "above 9"), when(ORDERS, "above 1")), WARNING), no_data="alert"),
            orders("web: 12:00 x2, 12:01"),
            "12:02",
            ["12:01 web firing warning"],
            id="any: unknown or false is unknown",
        ),
        pytest.param(
            rule(All((LOW, SOLD), WARNING)),
            stock("A: 11:00 15, 12:00:40 40")
            + orders("-: 12:00 x3, 12:01 x3", lines=[{"sku": "A", "quantity": 1, "unit_price": 1}]),
            "12:03",
            [],
            id="a level in a rule with a flow is that of the bucket's end",
        ),
        pytest.param(
            rule(All((LOW, SOLD), WARNING)),
            stock("A: 11:00 15, 12:01 40")
            + orders("-: 12:00 x3, 12:01 x3", lines=[{"sku": "A", "quantity": 1, "unit_price": 1}]),
            "12:03",
            ["12:01 A firing warning", "12:02 A resolved warning"],
            id="a value at the bucket's end belongs to the next",
        ),
        pytest.param(
            rule(
                All((LOW, when(level(by=("sku",), where=(("location", ("WH2",)),)), "at_most 5", window=None)), WARNING)
            ),
            stock("A: 12:00 15 WH1, 12:01 5 WH2, 12:02 6 WH2"),
            "12:05",
            ["12:01 A firing warning", "12:02 A resolved warning"],
            id="only levels inside: judged at each value",
        ),
        pytest.param(
            rule(SOLD),
            orders("-: 12:00", lines=[{"sku": "A", "quantity": 1, "unit_price": 1}] * 3),
            "12:01",
            [],
            id="an order counts once for a product that it names three times",
        ),
        pytest.param(
            rule(when(flow("sum", field="lines.quantity", by=("sku",), line_labels=("sku",)), "at_least 3")),
            orders(
                "-: 12:00",
                lines=[
                    {"sku": "A", "quantity": 1, "unit_price": 1},
                    {"sku": "B", "quantity": 2, "unit_price": 1},
                    {"sku": "A", "quantity": 2, "unit_price": 1},
                ],
            ),
            "12:00:30",
            ["12:01 A firing warning"],
            id="the lines of one product are added, and never negative",
        ),
        pytest.param(
            rule(when(flow("sum", field="lines.quantity"), "at_least 5")),
            orders(
                "web: 12:00",
                lines=[{"sku": "A", "quantity": 3, "unit_price": 1}, {"sku": "B", "quantity": 2, "unit_price": 1}],
            ),
            "12:01",
            ["12:01 web firing warning"],
            id="the lines of an order are added",
        ),
    ],
)
def test_several_measures(watched, events, until, expected):
    """Formulas, combinations, levels with flows, lines of orders."""
    assert lines(judged(plan(watched), events, until=clock(until))) == expected


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        pytest.param(("channel",), [], id="mixed"),
        pytest.param(
            ("channel", "currency"), ["12:01 web EUR firing warning", "12:01 web GBP firing warning"], id="grouped"
        ),
    ],
)
def test_currencies_are_not_added(by, expected):
    """A sum over two currencies has no value; by currency each has one."""
    events = orders("web: 12:00", currency="EUR") + orders("web: 12:00:10", currency="GBP")
    watched = rule(when(flow("sum", field="total", by=by), "at_least 10"))
    assert lines(judged(plan(watched), events, until=clock("12:01"))) == expected


@pytest.mark.parametrize(
    ("value", "label"),
    [(True, "true"), (False, "false"), (3, "3"), (None, "none"), ("", "none"), ("x", "x")],
)
def test_labels_are_text(value, label):
    """What an event carries becomes the text of a label in one way."""
    events = [event("order.placed", clock("12:00"), 1, order_id="o", total=1.0, lines=[], vip=value)]
    found = judged(plan(rule(when(flow("count", by=("vip",)), "at_least 1"))), events, until=clock("12:01"))
    assert [t["labels"] for t in found] == [{"vip": label}]


@pytest.mark.parametrize(
    ("told", "forget", "expected"),
    [
        pytest.param(
            "web: 12:00 x6, 12:05:30 x6; app: 12:06",
            180,
            [
                "12:01 web firing warning",
                "12:02 web resolved warning",
                "12:06 web firing warning",
                "12:07 web resolved warning",
            ],
            id="a forgotten group is known again by its next event",
        ),
        pytest.param(
            "web: 12:00 x6; app: 12:06 x6",
            86400,
            [
                "12:01 web firing warning",
                "12:02 web resolved warning",
                "12:07 app firing warning",
                "12:08 app resolved warning",
            ],
            id="a group that is kept",
        ),
    ],
)
def test_forgetting(told, forget, expected):
    """A quiet group is dropped without a word."""
    watched = rule(when(ORDERS, "above 5"), forget_after_s=forget)
    assert lines(judged(plan(watched), orders(told), until=clock("12:10"))) == expected


def test_a_group_that_fires_is_not_forgotten():
    """Silence that fires goes on firing, however long."""
    watched = rule(when(ORDERS, "below 1"), forget_after_s=180)
    found = judged(plan(watched), orders("web: 12:00, 12:30; app: 12:40"), until=clock("12:33"))
    assert lines(found) == ["12:02 web firing warning", "12:31 web resolved warning", "12:32 web firing warning"]


def test_a_group_that_fell_silent_is_forgotten_when_its_alert_ends():
    """The quiet clock runs out at 12:07:30; at 12:08 the condition holds again, but nobody knows the group any more."""
    ever = when(replace(ORDERS, key=()), "at_least 0")
    few = All((ever, when(SESSIONS_ALL, "at_most 1", window=120)), WARNING)
    events = [*orders("web: 12:00"), *sessions("-: 12:00, 12:05 x2, 12:20")]
    found = judged(plan(rule(few, keep=90, forget_after_s=300)), events, until=clock("12:12"))
    assert lines(found) == ["12:02 web firing warning", "12:07:30 web resolved warning"]


def test_a_group_is_not_judged_early_before_it_is_known():
    """Two buckets are open; the second one's first group has no value in the first, not even 0."""
    watched = plan(rule(when(ORDERS, "at_least 0")))
    pipeline = Pipeline(watched)
    for item in arrivals(
        watched, orders("web: 12:02:35; app: 12:03:59"), sources=1, jitter=[0.0], spread=[0], again=[]
    ):
        pipeline.arrive(*item)
    assert lines(pipeline.finish(clock("12:05"))) == ["12:03 web firing warning", "12:04 app firing warning"]


def test_duplicates_count_once():
    """The same id from the same source is the same event."""
    once = orders("web: 12:00 x3")
    assert judged(plan(rule(when(ORDERS, "above 5"))), once * 3, until=clock("12:01")) == []


def test_an_absence_that_is_expected_no_more_has_no_say_in_an_any():
    """At 12:10 the hours end, though nothing happens: what is left of the alert is a warning."""
    visited = when(SESSIONS_ALL, "warning above 0", window=1800, graded=True)
    watched = rule(
        AnyOf((visited, absence(ORDERS_ALL, 60, Hours(frozenset({2}), time(12, 5), time(12, 10)))), Severity.CRITICAL)
    )
    events = [*orders("web: 12:00, 12:20"), *sessions("web: 12:00, 12:03, 12:20")]
    assert lines(judged(plan(watched), events, until=clock("12:12"))) == [
        "12:01 firing warning",
        "12:06 severity critical",
        "12:11 severity warning",
    ]
