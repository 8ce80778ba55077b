"""What ElastAlert's rules do at their edges (P1 to P16), told with rules as their authors write them.

The documented spike examples stand in test_spikes_of_elastalert.py.
"""

import pytest
from comparison import judged
from judge_pipeline import Pipeline
from rulefiles import MEASURES, compiled, of_events
from shorthand import LONDON, clock, lines, orders, sessions

from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest.replay import replay_events

RISE = "above: 3x, at_least: 1, usual_at_least: 1"
HOUR = f"spike: {{measure: orders, window: 1h, {RISE}}}"
MINUTE = f"spike: {{measure: orders, window: 1m, {RISE}}}"


def _said(rule: str, told: str, until: str) -> list[str]:
    return lines(judged(compiled(rule), orders(told), until=clock(until)))


def test_p1_a_rule_speaks_with_its_second_window():
    """Both hours have been seen at 12:00, two hours after the first order and not later."""
    assert _said(HOUR, "web: 10:00 *5, 11:30 *20", "12:00") == ["12:00 firing warning"]


def test_p1_an_alert_costs_no_memory():
    """ElastAlert clears its reference at a match and is mute for two timeframes; here the next rise is told."""
    assert _said(MINUTE, "web: 12:00 *5, 12:01 *20, 12:02 *5, 12:03 *20", "12:04") == [
        "12:02 firing warning",
        "12:03 resolved warning",
        "12:04 firing warning",
    ]


@pytest.mark.parametrize("measure", ["orders", "revenue"])
def test_p2_no_minimum_is_no_alarm_of_nothing(measure):
    """With no threshold at all ElastAlert fires for 0 against 0; here not even 1 against 0 is a multiple."""
    assert _said(f"spike: {{measure: {measure}, window: 1m, above: 3x}}", "web: 12:00, 12:05", "12:06") == []


def test_p3_a_first_hit_is_no_spike():
    """A group that nobody has seen before: neither its first order nor the four after one are a spike."""
    told = "web: 12:00 *9, 12:01 *9; app: 12:01, 12:02 *4"
    assert _said("by: [channel], spike: {measure: orders, window: 1m, above: 3x}", told, "12:03") == []


@pytest.mark.parametrize("begin", ["05:00:00", "05:07:22", "05:30:01", "05:59:59"])
def test_p4_a_reference_is_a_whole_window(begin):
    """An even pace never fires, at whichever second it began: no hour is compared with the few seconds before it."""
    hour, minute, second = map(int, begin.split(":"))
    times = [hour * 3600 + minute * 60 + second + 15 * n for n in range(4 * 60 * 3)]
    told = ", ".join(f"{t // 3600:02}:{t // 60 % 60:02}:{t % 60:02}" for t in times)
    assert _said(HOUR, f"web: {told}", "08:20") == []


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        pytest.param("10 10 100 10 25", ["firing"], id="a promotion among four weeks hides no rise"),
        pytest.param("10 0 10 10 19", [], id="an outage among them makes none"),
        pytest.param("100 10 100 10 100", [], id="half of them are above: 55 is usual, 100 is no double"),
    ],
)
def test_p6_one_odd_week_is_outvoted(counts, expected):
    """The median of four weeks, where a mean would be 32.5 and 7.5."""
    days = ["2025-12-17", "2025-12-24", "2025-12-31", "2026-01-07", "2026-01-14"]
    events = orders("web: 10:00", day=days[0])
    for day, count in zip(days, counts.split(), strict=True):
        events += orders(f"web: 12:00 *{count}", day=day) if count != "0" else []
    rule = "spike: {measure: orders, window: 1h, baseline: {same_time_of_week: 4}, above: 2x, usual_at_least: 5}"
    said = replay_events(compiled(rule), events, zone=LONDON, until=clock("12:01"))
    assert [t.state for t in said] == expected


def test_p7_a_rise_that_lasts_stays_told():
    """Against days the new level does not become the usual one while it lasts."""
    events = [e for d in (11, 12, 13) for e in orders("web: 10:00, 12:00 *10, 13:00 *10", day=f"2026-01-{d}")]
    events += orders("web: 12:00 *40, 13:00 *40, 14:00 *10")
    rule = f"spike: {{measure: orders, window: 1h, baseline: {{same_time_of_day: 3}}, {RISE}}}"
    assert lines(judged(compiled(rule), events, until=clock("14:30"))) == [
        "12:01 firing warning",
        "14:01 resolved warning",
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(
            "web: 12:00, 12:59:59.999999",
            ["13:00 firing warning", "13:01 resolved warning"],
            id="a window has its start in it",
        ),
        pytest.param("web: 12:00, 13:00", [], id="and its end not: exactly an hour apart is never together"),
        pytest.param("web: 12:00:59, 13:00", [], id="it is whole minutes: the one of 12:00 has left"),
        pytest.param("web: 12:01, 13:00:59", ["13:01 firing warning"], id="the first and the last second"),
    ],
)
def test_p9_the_edges_of_a_window(told, expected):
    """[start, end) in whole buckets."""
    rule = "threshold: {measure: orders, window: 1h, at_least: 2}"
    assert _said(rule, told, "13:01") == expected


def test_p10_decimals_are_kept():
    """int(0.9) is 0 in ElastAlert."""
    rule = "threshold: {measure: revenue, window: 1m, above: 1.7}"
    assert _said(rule, "web: 12:00 total=0.9, 12:00:01 total=0.9, 12:01 total=1.7", "12:02") == [
        "12:01 firing warning",
        "12:02 resolved warning",
    ]


@pytest.mark.parametrize("total", ["0.9", True, None, [1]])
def test_p10_what_is_no_number_is_listed(total):
    """It is neither 0 nor 1, and costs only itself."""
    pipeline = Pipeline(compiled("threshold: {measure: revenue, window: 1m, above: 0.5}"))
    good, bad = orders("web: 12:00 total=0.6"), orders("web: 12:00:30 total=9")
    for each in (*good, *({**e, "data": {**e["data"], "total": total}} for e in bad)):
        pipeline.arrive(each)
    (told,) = pipeline.finish(clock("12:01"))
    assert (told["state"], told["value"], [d.reason for d in pipeline.dead]) == ("firing", 0.6, ["data"])


EVEN = "web: 12:00 *5, 13:00 *5, 14:00 *10, " + ", ".join(f"15:{n:02}" for n in range(35))


def test_p11_the_example_fires_when_it_is_said_to():
    """5, 5, 10, 35 an hour: at the 31st order of the fourth hour."""
    assert _said(HOUR, EVEN, "15:40") == ["15:31 firing warning"]


def test_p12_an_alert_shows_what_it_looked_at():
    """Its instant, its window, its value and the usual one; not the oldest event that it still remembers."""
    (told,) = judged(compiled(HOUR), orders(EVEN), until=clock("15:40"))
    begins, ends = (int(clock(text).timestamp() * 1e6) for text in ("14:31", "15:31"))
    assert (told["at"], told["window_start"], told["window_end"]) == (ends, begins, ends)
    assert (told["value"], told["baseline"]) == (31.0, 10.0)


def test_p13_a_replay_is_as_long_as_its_day():
    """realert counts from when a message was sent, so that a replayed day sends one; cool_down is event time."""
    rule = "threshold: {measure: orders, window: 1m, above: 5}, cool_down: 1h"
    told = "web: 09:00 x6, 09:50 x6, 11:00 x6, 12:05 x6"
    first, second = (judged(compiled(rule), orders(told), until=clock("13:00")) for _ in range(2))
    assert [line for line in lines(first) if "firing" in line] == [
        "09:01 firing warning",
        "11:01 firing warning",
        "12:06 firing warning",
    ]
    assert [t["transition_id"] for t in first] == [t["transition_id"] for t in second]


def test_p14_one_breach_is_one_alert():
    """frequency tells a hundred events ten times."""
    rule = "threshold: {measure: orders, window: 1h, at_least: 10}"
    told = ", ".join(f"12:{n // 2:02}:{n % 2 * 30:02}" for n in range(100))
    assert _said(rule, f"web: {told}", "13:00") == ["12:05 firing warning"]


SHARE = "share: {measure: orders, of: sessions, window: 1m, above: 40%, of_at_least: 50}"


@pytest.mark.parametrize(
    ("bought", "visits", "expected"),
    [
        pytest.param(1, 2, "ok", id="1 of 2 is no 50 %"),
        pytest.param(30, 49, "ok", id="nor is 30 of 49"),
        pytest.param(21, 50, "warning", id="21 of 50 is 42 %"),
        pytest.param(20, 50, "ok", id="20 of 50 is not above 40 %"),
        pytest.param(0, 0, "ok", id="0 of 0 is nothing"),
    ],
)
def test_p15_a_share_has_a_least_number(bought, visits, expected):
    """min_denominator is 0 by default there, and must be said here."""
    events = [*orders("web: 12:00"), *sessions("web: 12:00")]
    events += [
        *(orders(f"web: 12:01 *{bought}") if bought else ()),
        *(sessions(f"web: 12:01 *{visits}") if visits else ()),
    ]
    assert of_events(SHARE, events, "12:02") == expected


def test_p15_without_one_a_rule_is_refused():
    """`lockstep check` names it."""
    text = MEASURES + "  - {name: R, share: {measure: orders, of: sessions, window: 1m, above: 40%}}\n"
    assert [f.code for f in load_texts({"r.yml": text}).faults] == ["LS183"]


@pytest.mark.parametrize(
    ("rule", "told", "until", "expected"),
    [
        pytest.param(
            "absence: {measure: orders, window: 1h}",
            "",
            "23:00",
            [],
            id="nothing was ever seen: no data, nobody is dead",
        ),
        pytest.param(
            "by: [channel], absence: {measure: orders, window: 1h}",
            "web: 12:00, 12:30, 13:10, 13:50",
            "14:00",
            [],
            id="a channel that nobody named is not missed",
        ),
        pytest.param(
            "by: [channel], absence: {measure: orders, window: 1h, expected: {channel: app}}",
            "web: 12:00, 12:30, 13:10, 13:50",
            "14:00",
            ["13:00 app firing warning"],
            id="one that is expected is, an hour after the source began",
        ),
        pytest.param(
            "absence: {measure: orders, window: 1h}",
            "web: 12:00:20",
            "14:00",
            ["13:01 firing warning"],
            id="the first window counts as well",
        ),
        pytest.param(
            "absence: {measure: orders, window: 24h}",
            "web: 12:00, 2026-01-15 12:30, 2026-01-17 12:00",
            "2026-01-17 13:00",
            [
                "2026-01-15 12:01 firing warning",
                "2026-01-15 12:31 resolved warning",
                "2026-01-16 12:31 firing warning",
                "2026-01-17 12:01 resolved warning",
            ],
            id="windows of a day speak each time",
        ),
    ],
)
def test_p16_flatlines(rule, told, until, expected):
    """What was never there, what is expected, and what has just begun."""
    events = [*orders(told), *sessions("web: 12:00, 22:30")] if told else sessions("web: 12:00, 22:30")
    assert lines(judged(compiled(rule), events, until=clock(until))) == expected
