"""Steady sales, and everything that is no news: no rule says anything at an edge of what is known.

Controls beside them show the same rules speaking, so silence is not deafness; for restarts the control is
`test_a_broken_scheme_is_noticed` in test_judge_properties.py.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from comparison import judged
from judge_pipeline import Pipeline, arrivals
from shorthand import LONDON, ORDERS, Event, clock, event, flow, lines, of, plan, rule, when

from lockstep.rule.condition.kinds import Baseline, Severity, Spike
from lockstep.tools.backtest.replay import replay_events


def spike(baseline, window=300, series=ORDERS, **more):
    return Spike(of(series), window, baseline, Severity.WARNING, **more)


WATCHED = plan(
    rule(spike(Baseline(previous_s=600), above=2.0, at_least=5, usual_at_least=6), name="Rise"),
    rule(spike(Baseline(previous_s=600), below=0.5, usual_at_least=2), name="Fall"),
    rule(when(ORDERS, "above 30", window=300), name="Many"),
    rule(when(ORDERS, "below 5", window=300), name="Few"),
)
"""Ten orders are in every five minutes.

After an outage the stretch before is small: `usual_at_least` keeps the end of it from being a rise.
"""


def steady(begin: str, end: str, every_s: int = 30, day: str = "2026-01-14") -> list[Event]:
    """An order every half minute in [begin, end)."""
    found, at = [], clock(begin, day)
    while at < clock(end, day):
        found.append(event("order.placed", at, at.isoformat(), order_id="o", total=10.0, lines=[], channel="web"))
        at += timedelta(seconds=every_s)
    return found


def read(pipeline: Pipeline) -> None:
    """Everything that has come is measured, judged and cut."""
    pipeline.measure(("orders", 0))
    pipeline.commit_source(("orders", 0))
    pipeline.judge(0)
    pipeline.cut(0)


def let_come(pipeline: Pipeline, events: list[Event], late_s: float = 0) -> None:
    for each in events:
        pipeline.arrive(each, 0, late_s)


def idle(pipeline: Pipeline, until: datetime) -> None:
    """Nothing comes, and the meter sees the end of the log all the while."""
    meter = pipeline._meters["orders", 0]
    while pipeline.now < until:
        pipeline.now += timedelta(seconds=10)
        meter.observe(at_end=True, now=pipeline.now)
        pipeline._flush(("orders", 0))
    read(pipeline)


def rules_of(said) -> set[str]:
    return {t["rule"] for t in said}


# ---- half-filled windows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", ["12:00", "12:00:20", "12:02:30", "12:04:59"])
def test_no_alert_from_a_half_filled_window(begin):
    """A shop that begins to sell, in the middle of a window or of a bucket: nothing fell, nothing rose."""
    assert replay_events(WATCHED, steady(begin, "12:40"), zone=LONDON) == []


def test_a_filled_window_does_speak():
    """The control: half as much after all was known is a fall."""
    events = [*steady("12:00", "12:20"), *steady("12:20", "12:40", every_s=120)]
    assert {t.rule for t in replay_events(WATCHED, events, zone=LONDON)} == {"Fall", "Few"}


# ---- restarts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["meter", "judge", "both"])
@pytest.mark.parametrize("minute", [3, 17, 31])
def test_no_alert_from_a_restart(what, minute):
    """Whatever dies in the middle of a window, before or after its cut, it comes back with all of it."""
    pipeline = Pipeline(WATCHED)
    coming = arrivals(WATCHED, steady("12:00", "12:40"), sources=1, jitter=[0.0], spread=[0], again=[])
    for i, item in enumerate(coming):
        pipeline.arrive(*item)
        if i % 5 == 0:
            pipeline.measure(("orders", 0))
            pipeline.judge(0)
            if i % 10 == 0:
                pipeline.commit_source(("orders", 0))
                pipeline.cut(0)
        if i == minute * 2:
            if what != "judge":
                pipeline.crash_meter(("orders", 0))
            if what != "meter":
                pipeline.crash_judge(0)
    assert lines(pipeline.finish(clock("12:40"))) == []


# ---- old events -----------------------------------------------------------------------------------------------------


def test_no_alert_from_a_back_fill():
    """A thousand orders of last week are sent in afterwards: they are late, and nobody's now."""
    pipeline = Pipeline(WATCHED)
    let_come(pipeline, steady("12:00", "12:30"))
    read(pipeline)
    old = steady("12:00", "12:30", every_s=2, day="2026-01-07")
    let_come(pipeline, old, late_s=7 * 86_400 + 1_800)
    read(pipeline)
    let_come(pipeline, steady("12:30", "12:50"))
    assert lines(pipeline.finish(clock("12:50"))) == []


def test_the_same_orders_now_do_speak():
    """The control: a thousand orders of now are many."""
    pipeline = Pipeline(WATCHED)
    let_come(pipeline, steady("12:00", "12:30"))
    let_come(pipeline, steady("12:30", "12:50", every_s=2))
    assert rules_of(pipeline.finish(clock("12:50"))) == {"Rise", "Many"}


def test_no_alert_from_a_late_batch():
    """Sixty orders of ten minutes ago come at once, after their buckets were closed: refused, not added to now."""
    pipeline = Pipeline(WATCHED)
    let_come(pipeline, steady("12:00", "12:30"))
    read(pipeline)
    late = [{**e, "id": f"late {e['id']}"} for e in steady("12:19", "12:21", every_s=2)]
    let_come(pipeline, late, late_s=600)
    read(pipeline)
    let_come(pipeline, steady("12:30", "12:50"))
    assert lines(pipeline.finish(clock("12:50"))) == []
    assert pipeline.judges[0].counts.late > 0


def test_no_alert_from_a_feed_that_hung():
    """For half an hour nothing could be read, then all of it comes at once: every order counts at its own time."""
    pipeline = Pipeline(WATCHED)
    let_come(pipeline, steady("12:00", "12:20"))
    read(pipeline)
    let_come(pipeline, steady("12:20", "12:50"))
    read(pipeline)
    assert lines(pipeline.finish(clock("12:50"))) == []


def test_a_source_that_comes_back_with_a_heap_of_old_events():
    """While it is silent the fall is true and told; the heap of old orders that comes back with it is no rise."""
    pipeline = Pipeline(WATCHED)
    let_come(pipeline, steady("12:00", "12:20"))
    read(pipeline)
    idle(pipeline, clock("12:52"))
    assert rules_of(pipeline.said) == {"Fall", "Few"}
    for each in steady("12:20", "12:50"):
        pipeline.arrive(each, 0, (clock("12:52") - datetime.fromisoformat(each["time"])).total_seconds())
    read(pipeline)
    let_come(pipeline, steady("12:52", "13:20"))
    said = pipeline.finish(clock("13:20"))
    assert rules_of(said) == {"Fall", "Few"}
    assert [t["state"] for t in said if t["rule"] == "Few"] == ["firing", "resolved"]


# ---- clock changes --------------------------------------------------------------------------------------------------

SHAPE = [1, 1, 1, 1, 2, 4, 8, 16, 30, 40, 44, 46, 44, 42, 40, 36, 32, 26, 20, 14, 8, 4, 2, 1]
"""Orders in each hour of the day on the wall."""
HOURLY = flow("count", bucket_s=3600)


def shop_days(first: date, days: int) -> list[Event]:
    """A shop whose customers live by the clock on the wall."""
    found = []
    at = datetime(first.year, first.month, first.day, tzinfo=LONDON).timestamp()
    for i in range(days * 24):
        moment = datetime.fromtimestamp(at + i * 3600, LONDON)
        utc = datetime.fromtimestamp(at + i * 3600, UTC)
        data = {"order_id": "o", "total": 10.0, "lines": [], "channel": "web", "count": SHAPE[moment.hour]}
        found.append(event("order.placed", utc, i, **data))
    return found


@pytest.mark.parametrize(
    "first", [pytest.param(date(2026, 3, 9), id="forward"), pytest.param(date(2026, 10, 5), id="back")]
)
@pytest.mark.parametrize(
    "baseline", [pytest.param(Baseline(weeks=2), id="weeks"), pytest.param(Baseline(days=3), id="days")]
)
@pytest.mark.parametrize("window", [3600, 7200])
def test_no_alert_from_a_clock_change(first, baseline, window):
    """Four weeks around it: 23 and 25 hours, windows across the change, and the weeks after it."""
    limits = {"above": 1.5, "below": 0.6, "usual_at_least": 8}
    watched = plan(rule(spike(baseline, window, HOURLY, **limits)))
    assert replay_events(watched, shop_days(first, 28), zone=LONDON) == []


def test_days_in_utc_do_speak():
    """The control: whoever compares with the same hour in UTC has a week of false alarms."""
    limits = {"above": 1.5, "below": 0.6, "usual_at_least": 8}
    watched = plan(rule(spike(Baseline(weeks=2), 3600, HOURLY, **limits)))
    assert len(replay_events(watched, shop_days(date(2026, 3, 9), 28), zone=ZoneInfo("UTC"))) > 10


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        pytest.param(when(ORDERS, "above 2", window=600), ["12:01 web firing warning"], id="a count"),
        pytest.param(
            when(flow("sum", field="total"), "at_least 6", window=600), ["12:01 web firing warning"], id="a sum"
        ),
        pytest.param(
            when(flow("distinct", field="customer"), "above 2", window=600),
            ["12:01 web firing warning"],
            id="a distinct count",
        ),
        pytest.param(when(flow("distinct", field="customer"), "below 4", window=600), [], id="but not below"),
        pytest.param(when(flow("average", field="total"), "above 1", window=600), [], id="an average moves either way"),
    ],
)
@pytest.mark.parametrize("no_data", ["keep", "alert"])
def test_what_is_missing_can_only_add_to(condition, expected, no_data):
    """Before the first full window a breach stands that more data cannot undo; the slow judge agrees."""
    data = {"order_id": "o", "total": 2.0, "lines": []}
    events = [event("order.placed", clock("12:00"), c, channel="web", customer=c, **data) for c in ("x", "y", "z")]
    told = judged(plan(rule(condition, no_data=no_data)), events, until=clock("12:05"))
    assert lines(told) == expected


def test_before_the_first_full_window_mixed_currencies_are_no_alert():
    """A sum without a value is no data only where its whole window is known."""
    condition = when(flow("sum", field="total"), "above 100", window=600)
    data = {"order_id": "o", "total": 2.0, "lines": [], "channel": "web"}
    events = [event("order.placed", clock("12:00"), c, currency=c, **data) for c in ("EUR", "USD")]
    events.append(event("order.placed", clock("12:12"), "later", **{**data, "channel": "app"}))
    told = judged(plan(rule(condition, no_data="alert")), events, until=clock("12:12"))
    assert lines(told) == ["12:10 web firing warning", "12:11 web resolved warning"]
