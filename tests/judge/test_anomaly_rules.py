"""Anomaly rules: each closed bucket of a group is seen once and in order, however the service is fed, cut, restored."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from comparison import plain
from hypothesis import given
from hypothesis import strategies as st
from judge_pipeline import Pipeline, arrivals
from shorthand import LONDON, Event, clock, event, flow, lines, of, orders, plan, rule, when
from test_judge_properties import STEPS, examples, run_to

from lockstep.calendar import Calendar, Day, Entry, calendar_of
from lockstep.measure.anomaly_detector import SENSITIVITY, Detector, Incidents
from lockstep.rule.condition.kind.anomaly import Watch, wall_s
from lockstep.rule.condition.kinds import All, Anomaly, AnyOf, Not, Plan, Rule, Severity
from lockstep.rule.language.quantity import duration_s
from lockstep.rule.versions import Version, in_force
from lockstep.tools.backtest.replay import replay_events

WARNING, HOUR, DAY = Severity.WARNING, 3_600, 86_400
START = clock("2026-03-20 00:00")  # nine days before the clocks change
WINTER = clock("2026-02-02 00:00")
HOURLY = flow("count", bucket_s=HOUR)
SHOP = flow("count", by=(), bucket_s=HOUR)
MINUTES = flow("count")
HALVES = flow("count", bucket_s=1_800)
ODD = {200: 90, 201: 80, 230: 0, 231: 0, 232: 0, 233: 0, 260: 150}


def anomaly(series=HOURLY, bucket: int = HOUR, **more: Any) -> Anomaly:
    return Anomaly(of(series), bucket, WARNING, **more)


def marked(kind: str, *days: int, start: datetime) -> Calendar:
    """These days, counted from `start`, and no others."""
    found = calendar_of([Entry(kind, kind, tuple(Day(on=start.date() + timedelta(days=d)) for d in days))])
    assert found is not None
    return found


def hourly(counts: Sequence[int], *, channel: str = "web", start: datetime = START) -> list[Event]:
    """One event an hour that stands for so many orders; none where there were none."""
    found = []
    for i, n in enumerate(counts):
        at = start + timedelta(hours=i, minutes=i * 7 % 50 + 5)
        if n:
            data = {"order_id": "o", "total": 1.0, "lines": [], "channel": channel, "count": n}
            found.append(event("order.placed", at, f"{channel}/{at}", **data))
    return found


def counts(hours: int, odd: dict[int, int], seed: int = 1) -> list[int]:
    """A shop that sells by day and little by night."""
    draw = random.Random(seed)
    return [odd.get(i, draw.randint(8, 16) if 8 <= i % 24 < 20 else draw.randint(0, 2)) for i in range(hours)]


def expected(found: Sequence[int], sensitivity: str = "medium") -> list[str]:
    """What is to be told of one group: the detector asked by hand, bucket by bucket."""
    detector, incidents = Detector(is_count=True), Incidents()
    said, was_open = [], False
    first = next(i for i, n in enumerate(found) if n)
    for i, n in list(enumerate(found))[first + 1 :]:  # the first bucket is not known from its beginning
        at = int(START.timestamp()) + i * HOUR
        reading = detector.observe(at, wall_s(at, LONDON), float(n))
        if not reading.is_learning:
            incidents.take(reading)
        is_open = incidents.worth >= SENSITIVITY[sensitivity]
        if is_open != was_open:
            was_open = is_open
            moment = datetime.fromtimestamp(at + HOUR, UTC)
            said.append(f"{moment:%Y-%m-%d %H:%M} web {'firing' if was_open else 'resolved'} warning")
    return said


def told(watched: Plan, events: list[Event], until: datetime | None = None) -> list[dict[str, Any]]:
    return [plain(t) for t in replay_events(watched, events, zone=LONDON, until=until)]


@pytest.mark.parametrize("sensitivity", ["low", "medium", "high"])
def test_each_hour_is_seen(sensitivity):
    """The rule tells what the detector says of hour after hour, empty ones included, over a change of the clocks."""
    found = counts(300, ODD)
    watched = plan(rule(anomaly(sensitivity=sensitivity)))
    said = lines(told(watched, hourly(found), until=START + timedelta(hours=300)))
    assert said == expected(found, sensitivity)
    assert len(said) >= 2


def test_the_verdict_explains_itself():
    """Value, what is usual then, which statistic spoke and how surprised it was."""
    said = replay_events(plan(rule(anomaly())), hourly(counts(203, ODD)), zone=LONDON)
    first = said[0]
    assert (first.value, first.window_start, first.window_end) == (90.0, "2026-03-28T08:00:00Z", "2026-03-28T09:00:00Z")
    assert first.baseline == pytest.approx(12, abs=4)
    assert first.counts["surprise"] >= SENSITIVITY["medium"]
    assert first.counts["rises"] == 1


# ---- marked days and days that begin anew --------------------------------------------------------------------------

SALE = (8, 9, 12, 15, 16, 17, 18, 19, 20)
"""Days of a sale: on each thrice as much is sold; before the seventh of them too little is known of such days."""


def sale(odd: dict[int, int]) -> list[Event]:
    """24 days, and what was odd in single hours."""
    found = [n if i in odd else n * 3 if i // 24 in SALE else n for i, n in enumerate(counts(24 * 24, odd))]
    return hourly(found, start=WINTER)


def hours_of(day: int, orders: int) -> dict[int, int]:
    """So many an hour from 9 to 15 of a day."""
    return dict.fromkeys(range(day * 24 + 9, day * 24 + 15), orders)


def days_of(said: Sequence[str]) -> list[int]:
    """The days, from WINTER on, on which something began."""
    return [(date.fromisoformat(s[:10]) - WINTER.date()).days for s in said if " firing " in s]


CAMPAIGN = marked("campaign", *SALE, start=WINTER)


@pytest.mark.parametrize(
    ("calendar", "odd", "expected"),
    [
        pytest.param(None, {}, [8, 21, 22], id="without a calendar a sale is told, and what is usual after it"),
        pytest.param(CAMPAIGN, {}, [], id="a planned one is not told, nor the days after it"),
        pytest.param(marked("holiday", *SALE, start=WINTER), {}, [], id="whatever it is marked as"),
        pytest.param(marked("closed", *SALE, start=WINTER), {}, [], id="closed days are not judged"),
        pytest.param(marked("closed", *SALE, start=WINTER), hours_of(20, 90), [], id="whatever happens on them"),
        pytest.param(CAMPAIGN, hours_of(8, 0), [], id="on the first day of its kind nothing is known"),
        pytest.param(CAMPAIGN, hours_of(20, 0), [20], id="on the ninth it is: nothing is sold"),
        pytest.param(CAMPAIGN, hours_of(22, 36), [22], id="a sale has taught nothing of ordinary days"),
    ],
)
def test_marked_days(calendar, odd, expected):
    """A planned day is compared with its own kind, and an ordinary one with ordinary ones."""
    assert days_of(lines(told(plan(rule(anomaly(calendar=calendar))), sale(odd)))) == expected


def test_a_marked_day_says_what_it_is_compared_with():
    """How many days of its kind, and what is usual on them."""
    first = replay_events(plan(rule(anomaly(calendar=CAMPAIGN))), sale(hours_of(20, 0)), zone=LONDON)[0]
    assert first.baseline_of == "the last 8 campaign days"
    assert first.baseline == pytest.approx(36, abs=12)


@pytest.mark.parametrize(
    ("calendar", "day", "expected"),
    [
        pytest.param(None, 2, "it is learning: 59 buckets so far, 91 more to come, 3d19h", id="ordinary days"),
        pytest.param(
            marked("campaign", 0, 4, start=WINTER), 4, "only 1 campaign day is known", id="the second of its kind"
        ),
        pytest.param(
            marked("holiday", 0, 1, 2, 4, start=WINTER),
            4,
            "it is learning: 83 buckets of holidays so far, 67 more to come",
            id="enough days, too short",
        ),
        pytest.param(marked("closed", 4, start=WINTER), 4, "the shop is closed on that day", id="closed"),
    ],
)
def test_why_it_is_not_judged(calendar, day, expected):
    """What is missing is said."""
    condition = anomaly(calendar=calendar)
    watch = _watched(hourly([9] * (day * 24 + 12), start=WINTER), condition)
    assert watch.verdict(condition).baseline_of == expected


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        pytest.param(200, "; 'bucket: 5m' would do, with about 17 each, and learns for 1d12h", id="many"),
        pytest.param(60, "; 'bucket: 15m' would do, with about 15 each, and learns for 1d13h30m", id="some"),
        pytest.param(26, "; 'bucket: 30m' would do, with about 13 each, and learns for 3d3h", id="a few"),
        pytest.param(23, "", id="an hour is right for few"),
    ],
)
def test_a_bucket_that_suits_the_series_learns_sooner(orders, expected):
    """Where more comes than an hour needs, it is said which bucket would do and how long that one learns."""
    said = _watched(hourly([orders] * 60, start=WINTER), anomaly()).verdict(anomaly()).baseline_of
    assert said == "it is learning: 59 buckets so far, 91 more to come, 3d19h" + expected


FIVE = flow("count", bucket_s=300)
TAKEN = flow("sum", field="total", bucket_s=300)


def steady(*counts: int, total: float = 1.0, channel: str = "web", start: datetime = START) -> list[Event]:
    """For each hour so many orders, evenly spread."""
    found = []
    for i, n in enumerate(counts):
        for k in range(n):
            at = start + timedelta(hours=i, seconds=HOUR * k // n + 7)
            data = {"order_id": "o", "total": total, "lines": [], "channel": channel}
            found.append(event("order.placed", at, f"{channel}/{at}/{k}", **data))
    return found


@pytest.mark.parametrize(
    ("orders", "suits", "learns"),
    [
        pytest.param(200, "5m", "1d12h", id="many"),
        pytest.param(60, "15m", "1d13h30m", id="some"),
        pytest.param(26, "30m", "3d3h", id="a few"),
        pytest.param(12, "1h", "6d6h", id="an hour is right for few"),
    ],
)
def test_its_bucket_suits_the_group(orders, suits, learns):
    """Of a day and a half it is said what suits so far, and after that in what it goes on, with all that it learned."""
    condition = anomaly(FIVE, 300, chooses=True)
    watch = _watched(steady(*[orders] * 30), condition)
    assert watch.verdict(condition).baseline_of == (
        "it is learning: its bucket is chosen after 36 hours, 29 are known; "
        f"so far {suits} suits, which is learned for {learns}"
    )
    bucket_s = duration_s(suits)
    alone = anomaly(flow("count", bucket_s=bucket_s), bucket_s)
    chosen, by_itself = (_watched(steady(*[orders] * 40), c) for c in (condition, alone))
    assert (chosen.bucket_s, chosen.learned) == (bucket_s, by_itself.learned)
    assert chosen.verdict(condition).value == by_itself.verdict(alone).value


@pytest.mark.parametrize(
    ("orders", "total", "bucket_s"),
    [
        pytest.param(36, 50.0, 300, id="three orders each"),
        pytest.param(10, 50.0, 900, id="empty ones in five minutes"),
        pytest.param(3, 50.0, 1_800, id="two of three quarters of an hour are empty"),
        pytest.param(36, 0.0, 3_600, id="never anything"),
    ],
)
def test_the_bucket_of_a_sum_is_seldom_empty(orders, total, bucket_s):
    """What is summed says nothing of chance; where hours are empty, so may shorter ones be."""
    condition = anomaly(TAKEN, 300, chooses=True)
    night = [0 if i % 24 < 6 else orders for i in range(60)]
    assert _watched(steady(*night, total=total), condition).bucket_s == bucket_s


def test_an_edit_keeps_what_was_learned_in_the_same_bucket():
    """From an hour that is named to one that is chosen and back; another length learns anew."""
    chooses, hour, five = anomaly(FIVE, 300, chooses=True), anomaly(), anomaly(FIVE, 300)
    chosen = _watched(steady(*[12] * 40), chooses)
    assert chooses.key == hour.key != five.key
    assert [chosen.under(c).learned for c in (chooses, hour, five)] == [39, 39, 0]
    assert chosen.under(hour).under(chooses).bucket_s == HOUR
    assert _watched(steady(*[200] * 40), chooses).under(hour).learned == 0


@pytest.mark.parametrize("combination", [All, AnyOf])
def test_each_is_as_surprised_as_it_asks_to_be(combination):
    """Two of one measure that differ in sensitivity share what is learned and not what they say of it."""
    found = hourly(counts(300, {200: 90, 260: 31, 280: 40}))
    low, high = anomaly(sensitivity="low"), anomaly(sensitivity="high")
    alone = {c.sensitivity: lines(told(plan(rule(c)), found)) for c in (low, high)}
    assert alone["low"] != alone["high"]
    expected = alone["low" if combination is All else "high"]
    for parts in ((low, high), (high, low)):
        assert lines(told(plan(rule(combination(parts, WARNING))), found)) == expected


def test_a_new_entry_forgets_nothing():
    """The calendar is not part of what names the things learned."""
    assert anomaly().key == anomaly(calendar=marked("campaign", 3, start=WINTER), learn_from=date(2026, 11, 9)).key


def test_this_is_normal_now():
    """From that day on it is as if the group were seen for the first time, and what was open ends."""
    found = [*counts(220, {}), *[0] * 20, *(n * 4 for n in counts(220, {}, seed=2)), 300]
    begins = WINTER.date() + timedelta(days=10)  # hour 240, when it sells again
    until = WINTER + timedelta(hours=len(found))
    said = lines(told(plan(rule(anomaly(learn_from=begins))), hourly(found, start=WINTER), until=until))
    assert said == [
        "2026-02-11 09:00 web firing warning",  # nothing is sold
        "2026-02-12 01:00 web resolved warning",  # the first bucket of the day
        "2026-02-21 05:00 web firing warning",  # 300 at night; four times as many as before are not told
    ]


def test_a_day_that_has_not_come_changes_nothing():
    """Nor one before anything was learned."""
    found = hourly(counts(300, ODD))
    expected_lines = lines(told(plan(rule(anomaly())), found))
    for day in (date(2026, 6, 1), START.date() - timedelta(days=1)):
        assert lines(told(plan(rule(anomaly(learn_from=day))), found)) == expected_lines


def test_directions():
    """Only falls: the rise is not told, the missing hours are."""
    watched = plan(rule(anomaly(rises=False)))
    said = lines(told(watched, hourly(counts(300, {**ODD, 200: 90, 260: 9}))))
    assert said
    assert [s for s in said if "2026-03-28 09:00" in s] == []


def test_a_combination_holds_the_last_verdict_between_hours():
    """With a threshold, judged every minute; the anomaly counts from the end of its hour to the end of the next."""
    watched = plan(rule(All((anomaly(MINUTES), when(MINUTES, "at_least 1", window=60)), WARNING)))
    events = hourly(counts(203, {200: 90})) + orders("web: 2026-03-28 09:20:30 *9, 2026-03-28 10:20:30 *9")
    assert lines(told(watched, events))[:4] == [
        "2026-03-28 09:13 web firing warning",  # the order of the next hour, while the last one was strange
        "2026-03-28 09:14 web resolved warning",
        "2026-03-28 09:21 web firing warning",
        "2026-03-28 09:22 web resolved warning",
    ]


def test_learning_is_not_clear():
    """`not` an anomaly says nothing while there is nothing to compare with."""
    watched = plan(rule(Not(anomaly(), WARNING)))
    said = lines(told(watched, hourly([1, *[9] * 169])))
    assert said == ["2026-03-26 08:00 web firing warning"]  # the end of the 151st whole hour


def test_silence_costs_a_group_not_an_hour():
    """A shop that is silent for two years is looked at for a week, and goes on then with what it knew."""
    events = hourly([9] * 200) + hourly([12] * 3, start=START + timedelta(days=730))
    assert _watched(events, anomaly(SHOP), labels=()).learned == 199 + 7 * 24 - 1 + 3


def test_a_forgotten_group_learns_anew():
    """After `forget_after` it is not known any more."""
    later = START + timedelta(days=40)
    assert _watched(hourly(counts(200, {})) + hourly([12] * 30, start=later), anomaly()).learned == 30


def _watched(events: list[Event], condition: Anomaly, labels: tuple[str, ...] = ("web",)) -> Watch:
    """What is known of a group after some events."""
    watched = plan(rule(condition))
    pipeline = Pipeline(watched, sources=1, samples=1)
    for item in arrivals(watched, events, sources=1, jitter=[0.0], spread=[0], again=[]):
        pipeline.arrive(*item)
    pipeline.finish(datetime.fromisoformat(events[-1]["time"]) + timedelta(hours=1))
    seen = pipeline.judges[0].seen(watched.rules[0].name, labels)
    assert seen is not None
    return seen.view.watches[condition.key]


APART = marked("campaign", 0, 1, 3, 5, 7, 9, 11, start=START)
ANEW = START.date() + timedelta(days=4)


@examples(6)
@given(
    st.dictionaries(st.integers(150, 298), st.integers(0, 120), max_size=12),
    st.sampled_from([(1, 1), (3, 1), (2, 4)]),
    st.lists(st.floats(0, 59), min_size=1, max_size=7),
    st.lists(st.integers(0, 5), min_size=1, max_size=7),
    STEPS,
    st.sampled_from([0, 60]),
)
def test_cut_anywhere_and_fed_in_any_order(odd, shape, jitter, spread, steps, busy_until):
    """With meters and judges that die, over partitions, out of order, a group forgotten and back: nothing changes."""
    sources, samples = shape
    watched = plan(
        rule(anomaly(sensitivity="high"), forget_after_s=DAY),
        rule(All((anomaly(MINUTES), when(MINUTES, "at_least 1", window=60)), WARNING), name="S", keep=1_800),
        rule(anomaly(HALVES, 1_800, sensitivity="high", calendar=APART, learn_from=ANEW), name="T"),
        rule(anomaly(FIVE, 300, sensitivity="high", chooses=True), name="U"),
    )
    busy = [60 if i < busy_until else 8 for i in range(60)]
    events = hourly(counts(300, odd)) + hourly(counts(80, {}), channel="app")
    events += hourly([9] * 40, channel="app", start=START + timedelta(hours=200))
    events += steady(*busy, 0, 40, *busy[:8], 0, 0, channel="shop")
    until = START + timedelta(hours=301)
    coming = arrivals(watched, events, sources=sources, jitter=jitter, spread=spread, again=[])
    pipeline = Pipeline(watched, sources=sources, samples=samples)
    said = run_to(pipeline, coming, steps, until)
    assert lines(said) == lines(told(watched, events, until=until))


def test_a_dropped_state_is_noticed():
    """The comparison can fail: a judge that forgets what was learned says something else."""
    watched = plan(rule(anomaly()))
    events = hourly(counts(220, ODD))
    until = START + timedelta(hours=221)
    expected_lines = lines(told(watched, events, until=until))
    for remembers in (True, False):
        pipeline = Pipeline(watched, sources=1, samples=1, remembers=remembers)
        for i, item in enumerate(arrivals(watched, events, sources=1, jitter=[0.0], spread=[0], again=[])):
            pipeline.arrive(*item)
            if i % 50 == 49:
                pipeline.measure(("orders", 0))
                pipeline.commit_source(("orders", 0))
                pipeline.judge(0)
                pipeline.cut(0)
                pipeline.crash_judge(0)
        assert (lines(pipeline.finish(until)) == expected_lines) is remembers


SPLIT = int(clock("2026-03-28 06:00").timestamp())  # before the odd hours


def _renamed(condition: Anomaly) -> Rule:
    return replace(rule(condition, name="Renamed"), version="2", was=("R",))


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("is_announced", [False, True])
def test_a_rename_keeps_what_was_learned(is_announced, is_restarted):
    """At a border in event time, or at a start with other files: the same is told, under the new name."""
    old, new = replace(rule(anomaly()), version="1"), _renamed(anomaly())
    versions = in_force([Version(plan(old), None), Version(plan(new), SPLIT)])
    events, until = hourly(counts(300, ODD)), START + timedelta(hours=300)
    expected_lines = lines(told(plan(old), events, until=until))
    pipeline, is_edited = Pipeline(versions if is_announced else plan(old)), False
    for item in arrivals(versions, events, sources=1, jitter=[0.0], spread=[0], again=[]):
        pipeline.arrive(*item)
        if is_restarted:
            pipeline.step(("orders", 0))
            pipeline.commit_source(("orders", 0))
            pipeline.crash_judge(0)
        if not (is_announced or is_edited) and item[0]["time"] > "2026-03-28T06":
            is_edited = True
            pipeline.edit(plan(new))
    found = pipeline.finish(until)
    assert {t["rule"] for t in found if t["at"] > SPLIT * 1_000_000} == {"Renamed"}
    assert lines(found) == expected_lines
    assert len(expected_lines) >= 2


def test_a_rename_without_was_learns_anew():
    """The comparison can fail: another rule has seen nothing yet."""
    old, new = replace(rule(anomaly()), version="1"), replace(_renamed(anomaly()), was=())
    versions = in_force([Version(plan(old), None), Version(plan(new), SPLIT)])
    events = hourly(counts(240, ODD))
    assert lines(told(plan(old), events))[:1] == ["2026-03-28 09:00 web firing warning"]
    assert lines(told(versions, events)) == []


@pytest.mark.parametrize("is_restarted", [False, True])
def test_another_sensitivity_keeps_what_was_learned(is_restarted):
    """From the border on it counts, whether the judge was restarted since or not."""
    old = replace(rule(anomaly(sensitivity="low")), version="1")
    new = replace(rule(anomaly(sensitivity="high")), version="2")
    versions = in_force([Version(plan(old), None), Version(plan(new), SPLIT)])
    events, until = hourly(counts(300, {200: 20})), START + timedelta(hours=300)
    pipeline = Pipeline(versions)
    for item in arrivals(versions, events, sources=1, jitter=[0.0], spread=[0], again=[]):
        pipeline.arrive(*item)
        if is_restarted:
            pipeline.step(("orders", 0))
            pipeline.commit_source(("orders", 0))
            pipeline.crash_judge(0)
    found = lines(pipeline.finish(until))
    assert found == lines(told(plan(new), events, until=until))
    assert found != lines(told(plan(old), events, until=until))
