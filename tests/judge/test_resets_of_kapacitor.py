"""Kapacitor's reset tables and what else of it concerns judging (P25 to P32), and what is said here instead.

A reset is a `clear` of the level. The values are those of Kapacitor's documentation and of its own tests; where the
states differ, both are given: differences are deliberate and stated in rules/README.md.
"""

from datetime import timedelta

import pytest
from comparison import judged
from judge_pipeline import Pipeline
from rulefiles import compiled, of_events, of_levels
from shorthand import clock, lines, orders, stock

SAME = ""


def _three(*rows: str) -> str:
    """`60 50` of info, warning, critical: above the first number, clear below the second."""
    words = ("info", "warning", "critical")
    levels = ", ".join(
        f"{word}: {{above: {row.split()[0]}, clear: {{below: {row.split()[1]}}}}}"
        for word, row in zip(words, rows, strict=True)
    )
    return f"by: [sku], threshold: {{measure: stock, levels: {{{levels}}}}}"


@pytest.mark.parametrize(
    ("rule", "values", "kapacitor", "here"),
    [
        pytest.param(
            _three("60 50", "70 60", "80 70"),
            "61 73 64 85 62 56 47",
            "info warning warning critical info info ok",
            "info warning warning critical warning info ok",
            id="P32: the documented example: at 62 the warning is not clear yet",
        ),
        pytest.param(
            _three("40 10", "60 20", "80 30"),
            "45 40 30 9 45 61 30 19 45 61 81 29",
            "info info info ok info warning warning ok info warning critical ok",
            "info info info ok info warning warning info info warning critical warning",
            id="P32: wide bands: from warning at 19 to info, from critical at 29 to warning, never past a band",
        ),
        pytest.param(
            _three("40 30", "60 50", "80 70"),
            "45 40 30 29 45 61 49 29 45 61 81 69 50 41 25",
            "info info info ok info warning info ok info warning critical warning warning info ok",
            SAME,
            id="P32: bands that do not overlap fall level by level",
        ),
        pytest.param(
            _three("40 30", "60 50", "80 70"),
            "81 75 69 55 45 35 29",
            "critical critical warning warning info info ok",
            SAME,
            id="P32: it begins as critical and falls through all of them",
        ),
        pytest.param(
            "by: [sku], threshold: {measure: stock, levels: {warning: {above: 60, clear: {below: 50}}, "
            "critical: {above: 80}}}",
            "81 79 55 49 61 81 40",
            "critical warning warning ok warning critical ok",
            SAME,
            id="P32: a level without a reset ends where it does not hold",
        ),
        pytest.param(
            "by: [sku], threshold: {measure: stock, levels: {warning: {below: 20, clear: {above: 40}}, "
            "critical: {below: 5, clear: {above: 10}}}}",
            "19 25 4 9 11 39 41",
            "warning warning critical critical warning warning ok",
            SAME,
            id="P32: the same downwards, as stock is watched",
        ),
        pytest.param(
            _three("60 50", "70 60", "80 70"),
            "61 60 50 49 60 61",
            "info info info ok ok info",
            SAME,
            id="P32: neither the number of a level nor that of its reset is past it",
        ),
        pytest.param(
            _three("60 50", "70 60", "80 70"),
            "55 65 55 85 55",
            "ok info info critical info",
            "ok info info critical info",
            id="P32: a band holds what fires and begins nothing",
        ),
    ],
)
def test_p32_resets(rule, values, kapacitor, here):
    """An alert falls to the highest level whose clear does not hold yet."""
    assert of_levels(rule, values) == (here or kapacitor)


def test_p30_only_changes_are_told():
    """Every CRITICAL point sends in Kapacitor unless stateChangesOnly is asked for; here 13 values make three."""
    rule = _three("40 30", "60 50", "80 70")
    told = "A: " + ", ".join(
        f"12:{n:02} {v}" for n, v in enumerate([81, 82, 83, 84, 85, 86, 87, 88, 69, 68, 67, 20, 19])
    )
    assert lines(judged(compiled(rule), stock(told), until=clock("12:13"))) == [
        "12:00 A firing critical",
        "12:08 A severity warning",
        "12:11 A resolved warning",
    ]


# ---- stateDuration and stateCount -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hold", "counts", "expected"),
    [
        pytest.param("2m", "9 9 9 9", "pending pending warning warning", id="a state that lasts for two minutes"),
        pytest.param("2m", "9 9 1 9", "pending pending ok pending", id="it begins anew when the state is left"),
        pytest.param(
            "3 of 3 buckets", "9 9 9 1", "pending pending warning ok", id="a state that lasts for three points"
        ),
        pytest.param("2 of 3 buckets", "9 1 9 1", "pending pending warning ok", id="or for two of three"),
    ],
)
def test_a_state_that_lasts(hold, counts, expected):
    """stateDuration and stateCount are `for`, as a time and in buckets."""
    told = ", ".join(f"12:0{n} x{c}" for n, c in enumerate(counts.split()))
    rule = f"threshold: {{measure: orders, window: 1m, above: 5}}, for: {hold}"
    assert of_events(rule, orders(f"web: {told}"), "12:01", "12:02", "12:03", "12:04") == expected


# ---- shift and join -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spike", "told", "expected"),
    [
        pytest.param(
            "below: 0.5x, usual_at_least: 10",
            "web: 11:00 *20; app: 11:00, 12:00",
            ["12:01 web firing warning"],
            id="now is missing: 0 of 20 is a fall",
        ),
        pytest.param(
            "above: 15 more, at_least: 20",
            "app: 10:30, 11:00; web: 12:00 *20",
            ["12:01 web firing warning"],
            id="the period before is missing: 20 of 0 are 20 more",
        ),
        pytest.param(
            "above: 3x, at_least: 20",
            "app: 10:30, 11:00; web: 12:00 *20",
            [],
            id="the period before is missing: no multiple of nothing",
        ),
        pytest.param(
            "above: 3x, at_least: 20, usual_at_least: 1",
            "web: 11:00:30 *6, 11:59:59.999999, 12:00:00.5 *22",
            ["12:01 web firing warning"],
            id="nothing has to be at the same second: 22 of 7",
        ),
    ],
)
def test_p25_both_sides_of_a_comparison_are_always_there(spike, told, expected):
    """Kapacitor joins a stream with itself shifted and drops what has no partner; here the history is looked up."""
    rule = f"by: [channel], spike: {{measure: orders, window: 1h, baseline: previous, {spike}}}"
    found = judged(compiled(rule), orders(f"app: 10:00; {told}"), until=clock("12:01"))
    assert [line for line in lines(found) if "web" in line] == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param(
            "threshold: {measure: basket, window: 1m, below: 5}", "ok ok ok", id="an average of nothing is not low"
        ),
        pytest.param(
            "spike: {measure: basket, window: 1m, below: 0.5x, usual_at_least: 1}", "ok ok ok", id="nor a fall"
        ),
        pytest.param(
            "spike: {measure: basket, window: 1m, above: 2x, at_least: 1, usual_at_least: 0}",
            "ok ok ok",
            id="and what comes after it is no rise",
        ),
        pytest.param(
            "threshold: {measure: orders, window: 1m, below: 1}", "ok warning ok", id="a count of nothing is 0"
        ),
    ],
)
def test_p26_missing_is_not_zero(rule, expected):
    """fill(0) makes a number of a hole; here only counts and sums of nothing are 0."""
    events = orders("web: 12:00 total=40, 12:02 total=40")
    assert of_events(rule, events, "12:01", "12:02", "12:03") == expected


# ---- sigma ----------------------------------------------------------------------------------------------------------

POINTS = (97.1, 92.6, 95.6, 93.1, 92.6, 95.8, 92.7, 16.0)
"""The points of Kapacitor's own test, where the last one is 2.4699 deviations from a mean that it is part of."""


def test_p27_a_point_never_judges_itself():
    """With itself in it no point of eight is more than 2.475 deviations away; without it this one is more than 100."""
    mean = sum(POINTS) / len(POINTS)
    spread = (sum((p - mean) ** 2 for p in POINTS) / (len(POINTS) - 1)) ** 0.5
    assert round(abs(POINTS[-1] - mean) / spread, 4) == 2.4699
    days = [clock("12:00") + timedelta(days=n) for n in range(len(POINTS))]
    events = orders("web: 09:00")
    events += [e for at, p in zip(days, POINTS, strict=True) for e in orders(f"web: 12:00 total={p}", day=f"{at:%F}")]
    rule = "spike: {measure: basket, window: 1h, baseline: {same_time_of_day: 7}, deviations: 100, usual_at_least: 1}"
    (told,) = judged(compiled(rule), events, until=days[-1] + timedelta(hours=1))
    assert (told["state"], told["value"], told["baseline"]) == ("firing", 16.0, 93.1)


# ---- deadman --------------------------------------------------------------------------------------------------------

QUIET = "absence: {measure: orders, window: 1h}"


@pytest.mark.parametrize(
    ("rule", "told", "until", "expected"),
    [
        pytest.param(
            QUIET,
            "web: 11:00, 11:40, 12:10:30",
            "15:00",
            ["13:11 firing warning"],
            id="an hour after the last event, not at the second full hour",
        ),
        pytest.param(QUIET, "web: 11:00, 12:00, 12:59:30, 13:59", "14:00", [], id="one event is not none"),
        pytest.param(QUIET, "web: 12:00", "12:59", [], id="it is not dead before its first hour is over"),
        pytest.param(
            f"by: [channel], {QUIET}",
            "web: 11:00, 11:40, 12:10; app: 12:20, 12:40, 13:10",
            "13:30",
            ["13:11 web firing warning"],
            id="each group by itself",
        ),
        pytest.param(
            "by: [channel], absence: {measure: orders, window: 1h, expected: {channel: [web, app]}}",
            "web: 11:00, 11:40, 12:20",
            "12:30",
            ["12:00 app firing warning"],
            id="a group that never had a point, when it is expected",
        ),
    ],
)
def test_p28_nothing_for_an_hour(rule, told, until, expected):
    """Timers run from the last event, in event time: a replay needs no clock and says the same."""
    assert lines(judged(compiled(rule), orders(told), until=clock(until))) == expected


def test_p29_what_is_older_than_the_newest_counts_where_it_belongs():
    """A barrier drops what is older than itself; here it counts in its own minute, and what is too late is listed."""
    pipeline = Pipeline(compiled("threshold: {measure: orders, window: 1m, above: 3}"))
    for told, late_s in (("12:00 x2", 0), ("12:01:30", 0), ("12:00:50 x2", 45), ("12:05", 0), ("12:00:40", 280)):
        for each in orders(f"web: {told}"):
            pipeline.arrive(each, 0, late_s)
        pipeline.step(("orders", 0))
    assert lines(pipeline.finish(clock("12:06"))) == ["12:01 firing warning", "12:02 resolved warning"]
    assert [dead.reason for dead in pipeline.dead] == ["late"]
