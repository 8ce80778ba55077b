"""Datadog's recovery thresholds and the truth tables of its composite monitors (P38, P39), and what is said here.

A recovery threshold is a `clear`; `&&`, `||` and `!` are `all`, `any` and `not`. Differences are deliberate and stated
in rules/README.md: no data is a verdict of its own and not worth an alert unless the rule says so.
"""

import pytest
from comparison import judged
from rulefiles import compiled, of_events, of_levels
from shorthand import LONDON, Event, clock, event, lines, orders, sessions

from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest.replay import replay_events


@pytest.mark.parametrize(
    ("breach", "clear", "values", "expected"),
    [
        pytest.param("above: 80", "at_most: 70", "80 81 71 70", "ok warning warning ok", id="> 80 recovers at <= 70"),
        pytest.param("at_least: 80", "below: 70", "79 80 70 69", "ok warning warning ok", id=">= 80 recovers at < 70"),
        pytest.param("below: 20", "at_least: 30", "20 19 29 30", "ok warning warning ok", id="< 20 recovers at >= 30"),
        pytest.param("at_most: 20", "above: 30", "21 20 30 31", "ok warning warning ok", id="<= 20 recovers at > 30"),
        pytest.param("above: 80", "", "80 81 80", "ok warning ok", id="without one it is over when it does not hold"),
        pytest.param("at_most: 20", "", "21 20 21", "ok warning ok", id="the same downwards"),
    ],
)
def test_recovery_thresholds(breach, clear, values, expected):
    """Which side of the number a value has to be on, for each of the four comparisons."""
    ends = f", clear: {{{clear}}}" if clear else ""
    assert of_levels(f"by: [sku], threshold: {{measure: stock, {breach}}}{ends}", values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param("60 61 81 75 70 65 50", "ok warning critical critical warning warning ok", id="up and down again"),
        pytest.param("81 70 60 51 50", "critical warning warning warning ok", id="through the band of the warning"),
        pytest.param("81 50", "critical ok", id="at once, where both have recovered"),
        pytest.param("81 71 61 81", "critical critical warning critical", id="back up within one episode"),
    ],
)
def test_the_documented_thresholds(values, expected):
    """critical 80, warning 60, critical_recovery 70, warning_recovery 50."""
    levels = "warning: {above: 60, clear: {at_most: 50}}, critical: {above: 80, clear: {at_most: 70}}"
    assert of_levels(f"by: [sku], threshold: {{measure: stock, levels: {{{levels}}}}}", values) == expected


def test_a_recovery_window_is_keep_firing_for():
    """Recovered for three minutes on end, not for one."""
    rule = "threshold: {measure: orders, window: 1m, above: 5}, keep_firing_for: 3m"
    events = orders("web: 12:00 x6, 12:02 x6, 12:10")
    assert lines(judged(compiled(rule), events)) == ["12:01 firing warning", "12:07 resolved warning"]


# ---- composite monitors ---------------------------------------------------------------------------------------------

ALERT, WARN, OK, NONE = "critical", "warning", "ok", "no data"
VALUES = {ALERT: 100, WARN: 20, OK: 1}
GRADED = "levels: {warning: {above: 10}, critical: {above: 50}}"
A = f"threshold: {{measure: basket, window: 1m, {GRADED}}}"
B = f"threshold: {{measure: spend, window: 1m, {GRADED}}}"
ALL = f"all: [{{{A}}}, {{{B}}}]"
ANY = f"any: [{{{A}}}, {{{B}}}]"


def _minute(at: str, a: str, b: str) -> list[Event]:
    """One minute in which the two averages are so; nothing comes where one has no data."""
    found = []
    if a != NONE:
        found += orders(f"web: {at} total={VALUES[a]}")
    if b != NONE:
        found.append(event("traffic.spend", clock(at), at, amount=VALUES[b], channel="web"))
    return found


def _after(rule: str, a: str, b: str, before: str = OK) -> str:
    """The state at the end of a minute in which the parts are a and b, after one in which both were `before`."""
    events = [*_minute("12:00", before, before), *_minute("12:01", a, b)]
    return of_events(rule, events, "12:01", "12:02").partition(" ")[2]


@pytest.mark.parametrize(
    ("a", "b", "both", "either"),
    [
        (ALERT, ALERT, ALERT, ALERT),
        (ALERT, WARN, WARN, ALERT),
        (ALERT, OK, OK, ALERT),
        (WARN, WARN, WARN, WARN),
        (WARN, OK, OK, WARN),
        (OK, OK, OK, OK),
    ],
)
def test_all_takes_the_least_severe_and_any_the_most(a, b, both, either):
    """The table of `&&` and `||` where there is data: as documented, in either order."""
    for left, right in ((a, b), (b, a)):
        assert (_after(ALL, left, right), _after(ANY, left, right)) == (both, either)


LAST = "last known"


@pytest.mark.parametrize(
    ("b", "policy", "both", "either"),
    [
        pytest.param(WARN, "alert", WARN, WARN, id="Warn, notify: No Data and Warn there, the rule's severity here"),
        pytest.param(WARN, "keep", LAST, WARN, id="Warn, do not notify: as there"),
        pytest.param(WARN, "ok", OK, WARN, id="Warn, evaluate as OK"),
        pytest.param(ALERT, "keep", LAST, ALERT, id="Alert, do not notify"),
        pytest.param(OK, "alert", OK, WARN, id="OK, notify: No Data there for ||, the rule's severity here"),
        pytest.param(OK, "keep", OK, LAST, id="OK, do not notify: as there"),
        pytest.param(OK, "ok", OK, OK, id="OK, evaluate as OK"),
        pytest.param(NONE, "alert", WARN, WARN, id="No Data, notify"),
        pytest.param(NONE, "keep", LAST, LAST, id="No Data, do not notify"),
    ],
)
def test_p39_no_data_is_neither(b, policy, both, either):
    """Datadog takes No Data for alert-worthy; here it is unknown, and `no_data` says what an unknown result does."""
    for rule, expected in ((ALL, both), (ANY, either)):
        for a, other in ((NONE, b), (b, NONE)):
            for before in (OK, WARN):
                said = _after(f"{rule}, no_data: {policy}", a, other, before)
                assert said == (before if expected is LAST else expected), (rule[:3], a, other, before)


@pytest.mark.parametrize(("rule", "severity"), [("all", "critical"), ("any", "info")])
def test_an_alert_without_data_says_so(rule, severity):
    """It is of the rule's severity, and its reason is no_data; Datadog has a status of its own for it."""
    events = [*_minute("12:00", OK, OK), *_minute("12:01", NONE, NONE), *orders("web: 12:02 total=1")]
    watched = compiled(f"{rule}: [{{{A}}}, {{{B}}}], severity: {severity}, no_data: alert")
    told = replay_events(watched, events, zone=LONDON, until=clock("12:02"))
    assert [(t.state, t.severity, t.reason) for t in told] == [("firing", severity, "no_data")]


@pytest.mark.parametrize(
    ("a", "policy", "expected"),
    [
        (ALERT, "keep", OK),
        (WARN, "keep", OK),
        (OK, "keep", WARN),
        (NONE, "keep", LAST),
        (NONE, "ok", OK),
        (NONE, "alert", WARN),
    ],
)
def test_not_turns_breach_and_clear_around(a, policy, expected):
    """`!A`: what holds is OK, what does not is of the rule's severity, no data stays no data."""
    for before in (OK, ALERT):
        was = WARN if before is OK else OK
        found = _after(f"not: {{{A}}}, no_data: {policy}", a, OK, before)
        assert found == (was if expected is LAST else expected)


@pytest.mark.parametrize(
    ("condition", "a", "b", "expected"),
    [
        pytest.param("not: {all: [A, B]}", ALERT, WARN, OK, id="!(a && b): both hold"),
        pytest.param("not: {all: [A, B]}", ALERT, OK, WARN, id="!(a && b): one does not"),
        pytest.param("not: {all: [A, B]}", NONE, OK, WARN, id="!(a && b): one does not, whatever the other is"),
        pytest.param("all: [A, {not: B}]", ALERT, OK, ALERT, id="a && !b: as severe as a"),
        pytest.param("all: [A, {not: B}]", ALERT, WARN, OK, id="a && !b: b holds"),
        pytest.param("any: [{all: [A, B]}, B]", ALERT, WARN, WARN, id="(a && b) || b: no more than b"),
        pytest.param("any: [{all: [A, B]}, A]", ALERT, WARN, ALERT, id="(a && b) || a: as severe as a"),
        pytest.param("all: [{any: [A, B]}, A]", WARN, ALERT, WARN, id="(a || b) && a: no more than a"),
    ],
)
def test_nested(condition, a, b, expected):
    """A combination is a part like any other, with the severity that it came to."""
    text = condition.replace("A", f"{{{A}}}").replace("B", f"{{{B}}}")
    assert _after(text, a, b) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param("12 7 4", "warning warning ok", id="the part without levels has its band, whatever the severity"),
        pytest.param("12 4", "warning ok", id="and is over below it"),
    ],
)
def test_a_band_in_a_combination(values, expected):
    """A part's own clear counts for as long as the alert fires."""
    told = ", ".join(f"12:0{n} x{v} total=20" for n, v in enumerate(values.split()))
    ends = [f"12:0{n + 1}" for n in range(len(values.split()))]
    rule = f"all: [{{threshold: {{measure: orders, window: 1m, above: 10}}, clear: {{below: 5}}}}, {{{A}}}]"
    assert of_events(f"{rule}, severity: critical", orders(f"web: {told}"), *ends) == expected


# ---- what else ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spike", "told", "expected"),
    [
        pytest.param("above: 2x, at_least: 1", "12:01 x9", "ok", id="% of 0 is nothing"),
        pytest.param("above: 5 more, at_least: 1", "12:01 x9", "warning", id="a change needs no divisor"),
        pytest.param("above: 2x, at_least: 10, usual_at_least: 1", "12:00 x2, 12:01 x9", "ok", id="and has a minimum"),
        pytest.param("above: 2x, at_least: 9, usual_at_least: 1", "12:00 x2, 12:01 x9", "warning", id="the control"),
    ],
)
def test_p38_a_change_in_percent(spike, told, expected):
    """(a-b)/b of b = 0 is undefined, and 1 to 2 is 100 %: ratios of nothing are none, and minimums are asked for."""
    rule = f"spike: {{measure: orders, window: 1m, baseline: previous, {spike}}}"
    assert of_events(rule, orders(f"web: 11:59, {told}"), "12:02") == expected


def test_p39_groups_meet_by_their_labels_not_by_values():
    """A part cannot be by another label, whose values might be alike by chance."""
    rule = (
        "rules:\n  - {name: R, by: [channel], all: [{threshold: {measure: orders, window: 1m, above: 1}}, "
        "{threshold: {measure: sessions, by: [campaign], window: 1m, above: 1}}]}"
    )
    measures = "measures:\n  orders: {count: order.placed}\n  sessions: {count: traffic.session}\n"
    assert [f.code for f in load_texts({"r.yml": measures + rule}).faults] == ["LS186"]


def test_a_group_of_one_part_only():
    """Datadog looks at groups that all monitors report; here a count of a group that never came is 0."""
    low = "threshold: {measure: sessions, window: 1m, below: 1}"
    rule = f"by: [channel], all: [{{threshold: {{measure: orders, window: 1m, above: 1}}}}, {{{low}}}]"
    events = [*orders("web: 12:00 x2; app: 12:00 x2"), *sessions("app: 12:00")]
    assert lines(judged(compiled(rule), events, until=clock("12:01"))) == ["12:01 web firing warning"]
