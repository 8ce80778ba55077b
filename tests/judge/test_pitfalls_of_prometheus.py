"""What rules of Prometheus and Grafana do at their edges (P17 to P24), told with rules as their authors write them."""

import pytest
from comparison import judged
from judge_pipeline import Pipeline
from rulefiles import compiled, of_events
from shorthand import clock, lines, orders, sessions, stock

BASKET = "threshold: {measure: basket, window: 1m, above: 5}"
MANY = "threshold: {measure: orders, window: 1m, above: 5}"


@pytest.mark.parametrize(
    ("rule", "told", "expected"),
    [
        pytest.param(
            f"{BASKET}, for: 2m",
            "web: 12:00 total=9, 12:02 total=9, 12:03 total=9",
            "pending pending warning warning",
            id="a sample that is missing does not start for anew",
        ),
        pytest.param(
            f"{BASKET}, for: 2m",
            "web: 12:00 total=9, 12:01 total=9, 12:03 total=9",
            "pending pending pending warning",
            id="at the end of for it is waited for",
        ),
        pytest.param(
            f"{BASKET}, for: 2m",
            "web: 12:00 total=9, 12:01 total=1, 12:02 total=9, 12:03 total=9",
            "pending ok pending pending",
            id="a clear one does",
        ),
        pytest.param(
            f"{MANY}, for: 3 of 4 buckets",
            "web: 12:00 x6, 12:01, 12:02 x6, 12:03 x6",
            "pending pending pending warning",
            id="unless it is forgiven",
        ),
        pytest.param(
            BASKET, "web: 12:00 total=9", "warning warning warning warning", id="a series without data is not resolved"
        ),
        pytest.param(BASKET, "web: 12:00 total=1", "ok ok ok ok", id="and does not fire"),
        pytest.param(f"{BASKET}, no_data: ok", "web: 12:00 total=9", "warning ok ok ok", id="unless the rule says so"),
        pytest.param(
            f"{BASKET}, no_data: alert",
            "web: 12:00 total=1",
            "ok warning warning warning",
            id="or says that it is an alert",
        ),
    ],
)
def test_p17_missing_is_not_clear(rule, told, expected):
    """Four minutes of an average."""
    events = [*orders(told), *sessions("web: 12:03:59")]
    assert of_events(rule, events, "12:01", "12:02", "12:03", "12:04") == expected


@pytest.mark.parametrize(
    ("rule", "events", "expected"),
    [
        pytest.param(
            "threshold: {measure: orders, window: 5m, above: 5}, for: 1m",
            orders("web: 12:00 x6"),
            ["12:01 pending warning", "12:02 firing warning", "12:06 resolved warning"],
            id="for 1m is a minute, however long the window",
        ),
        pytest.param(
            f"{MANY}, for: 90s",
            orders("web: 12:00 x6, 12:01 x6, 12:02 x6"),
            ["12:01 pending warning", "12:02:30 firing warning", "12:04 resolved warning"],
            id="it ends between two buckets",
        ),
        pytest.param(
            "by: [sku], threshold: {measure: stock, at_most: 20}",
            stock("A: 12:00 30, 12:00:10 20, 12:00:12 30"),
            ["12:00:10 A firing warning", "12:00:12 A resolved warning"],
            id="two seconds of low stock are seen",
        ),
    ],
)
def test_p18_timers_are_of_event_time(rule, events, expected):
    """Nothing waits for a tick of an evaluation, and nothing passes between two."""
    assert lines(judged(compiled(rule), events, until=clock("12:10"))) == expected


def test_p19_a_hold_outlasts_the_service():
    """Down for three hours in the middle of it: it fires at its own instant, with no hour of tolerance, no grace."""
    pipeline = Pipeline(compiled("by: [sku], threshold: {measure: stock, at_most: 20}, for: 2h"))
    for each in stock("A: 12:00 10"):
        pipeline.arrive(each)
    pipeline.step()
    assert lines(pipeline.said) == ["12:00 A pending warning"]
    pipeline.commit_source(("inventory", 0))
    pipeline.crash_meter(("inventory", 0))
    pipeline.crash_judge(0)
    for each in stock("B: 15:00 99"):
        pipeline.arrive(each)
    assert lines(pipeline.finish(clock("15:00"))) == ["12:00 A pending warning", "14:00 A firing warning"]


def test_p20_an_alert_is_its_rule_and_its_labels():
    """What else is in the events, and what the value is, makes no other alert."""
    events = [
        e
        for n, campaign in enumerate(["spring", "summer", "autumn"])
        for e in orders(f"web: 12:0{n} x{6 + n} total={n}", campaign=campaign)
    ]
    said = judged(compiled(f"by: [channel], {MANY}"), events, until=clock("12:04"))
    assert lines(said) == ["12:01 web firing warning", "12:04 web resolved warning"]
    assert [t["labels"] for t in said] == [{"channel": "web"}] * 2


def test_p23_who_is_missing_is_named():
    """absent() loses the labels."""
    rule = "by: [channel], absence: {measure: orders, window: 1h, expected: {channel: [app, shop]}}"
    said = judged(compiled(rule), orders("web: 12:00, 12:40, 13:10; app: 12:20"), until=clock("13:30"))
    assert [(t["state"], t["labels"]) for t in said] == [
        ("firing", {"channel": "shop"}),
        ("firing", {"channel": "app"}),
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param("app: 11:00; web: 12:00 x6", ["12:01 web firing warning"], id="the first six of a channel"),
        pytest.param("web: 12:00:59 x6", ["12:01 web firing warning"], id="the first six of all"),
    ],
)
def test_p24_the_first_event_counts(told, expected):
    """rate() of a new counter misses what made it begin."""
    found = judged(compiled(f"by: [channel], {MANY}"), orders(told), until=clock("12:01"))
    assert lines(found) == expected


def test_a_ratio_reads_one_instant():
    """Rules of one group see different data in Prometheus, so that a healthy service has less than 100 %."""
    rule = "ratio: {measure: orders, of: sessions, window: 1m, of_at_least: 1, below: 1}"
    both = "web: 12:00 x9, 12:00:59.999999, 12:01, 12:02 x5"
    events = [*orders(both), *sessions(both)]
    assert lines(judged(compiled(rule), events, until=clock("12:03"))) == []
