"""`window: day` and `week`: the shop's calendar, judged once at the end, earlier only where nothing can undo it."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from comparison import differences, judged, with_numbers
from hypothesis import given
from hypothesis import strategies as st
from judge_pipeline import Pipeline, arrivals
from reference import moment, reference_transitions
from shorthand import LONDON, clock, event, flow, level, of, orders, plan, ratio, rule, stock, when
from test_judge_properties import examples, run_to

from lockstep.calendar import Day, Entry, calendar_of
from lockstep.measure.definition import Operation
from lockstep.rule.condition.bound import Bounds, OfMeasure
from lockstep.rule.condition.kinds import (
    Absence,
    All,
    AnyOf,
    Baseline,
    Hours,
    Level,
    Not,
    Severity,
    Share,
    Spike,
    Threshold,
)
from lockstep.rule.condition.period import DAY, WEEK, Period
from lockstep.tools.backtest.replay import replay_events

HOURLY = flow("count", bucket_s=3600)
VISITS = flow("count", "traffic.session", bucket_s=3600)
TOTAL = flow("sum", field="total", bucket_s=3600)
UNITS = flow("sum", field="lines.quantity", bucket_s=3600)
AVERAGE = flow("average", field="total", bucket_s=3600)
SHOP = flow("count", by=(), bucket_s=3600)
NINE_PM = Period("day", time(21, 15))


def per_day(text: str, first: str = "2026-01-05", at: str = "12:00") -> list:
    """`4 5 . 11`: so many orders at noon of each day; `.` is a day without."""
    found, day = [], date.fromisoformat(first)
    for n, count in enumerate(text.split()):
        if count != ".":
            found += orders(f"web: {at} x{count}", day=(day + timedelta(days=n)).isoformat())
    return found


def said(condition, events, until=None, zone=LONDON, **more) -> list[tuple]:
    """State, instant, value and whether it was early; the same as the reference's."""
    watched = plan(rule(condition, **more))
    end = None if until is None else clock(until)
    judged(watched, events, zone=zone, until=end)
    found = replay_events(watched, events, zone=zone, until=end)
    return [(str(t.state), t.at[5:16], t.value, t.so_far) for t in found]


# ---- once, at the end -----------------------------------------------------------------------------------------------


def test_a_day_is_judged_once_at_its_end():
    """From midnight to midnight, and over with the first day that is well again."""
    events = per_day("9 9 3 2 9 9")
    assert said(when(HOURLY, "below 5", window=DAY), events, until="2026-01-10 00:00") == [
        ("firing", "01-08T00:00", 3.0, False),
        ("resolved", "01-10T00:00", 9.0, False),
    ]


def test_chance_speaks_at_most_once_a_day():
    """What a day that moves on every hour tells again and again is told for each day once."""
    random = Random(7)
    hours = sorted(random.sample(range(24 * 30), 180))  # six a day on average
    events = [event("order.placed", clock("2026-01-01 00:30") + timedelta(hours=n), n, channel="web") for n in hours]
    for each in events:
        each["data"] |= {"order_id": "o", "total": 1.0, "lines": []}
    days = said(when(HOURLY, "below 6", window=DAY), events)
    rolling = said(when(HOURLY, "below 6", window=86_400), events)
    assert {at[-5:] for _, at, _, _ in days} == {"00:00"}
    assert len(days) < len(rolling) / 2


@pytest.mark.parametrize(
    ("zone", "days", "hours"),
    [
        pytest.param("Europe/London", "2026-03-28", 23, id="the clocks go forward"),
        pytest.param("Europe/London", "2026-10-24", 25, id="and back"),
        pytest.param("Africa/Cairo", "2026-04-23", 23, id="where midnight itself is left out"),
        pytest.param("Asia/Kolkata", "2026-03-28", 24, id="half past the hour"),
    ],
)
def test_days_of_23_and_25_hours(zone, days, hours):
    """An order every hour: the day counts as many as it has hours, the day after 24 again."""
    shop = ZoneInfo(zone)
    begin = datetime.fromisoformat(days).replace(tzinfo=shop).timestamp()
    hourly = (datetime.fromtimestamp(begin + n * 3600, tz=UTC) for n in range(4 * 24 + 2))
    events = [
        event("order.placed", at, n, order_id="o", total=1.0, lines=[], channel="web") for n, at in enumerate(hourly)
    ]
    minutes = flow("count")
    counted = replay_events(plan(rule(when(minutes, "at_least 0", window=DAY))), events, zone=shop)
    assert [t.value for t in counted][:1] == [1.0]  # so far: it only rises
    few = plan(rule(when(minutes, "below 24", window=DAY)))
    found = [(t.value, t.window_start, t.window_end) for t in judged_only(few, events, shop)]
    if hours == 23:
        assert [value for value, _, _ in found] == [23.0, 24.0]
    else:
        assert found == []
    many = plan(rule(when(minutes, "above 24", window=DAY)))
    assert [t["value"] for t in judged(many, events, zone=shop)][:1] == ([25.0] if hours == 25 else [])


def judged_only(watched, events, zone):
    judged(watched, events, zone=zone)
    return replay_events(watched, events, zone=zone)


def test_a_week_begins_on_monday():
    """Seven days of the shop, judged at Monday's midnight; also where the clocks change within."""
    events = per_day("1 1 1 1 1 1 1 " * 2 + "2 2 2 2 2 2 2 1 1", first="2026-03-16")
    condition = when(HOURLY, "below 8", window=WEEK)
    assert said(condition, events, until="2026-04-08 00:00", forget_after_s=21 * 86_400) == [
        ("firing", "03-29T23:00", 7.0, False),
        ("resolved", "04-05T23:00", 14.0, False),
    ]


# ---- early ----------------------------------------------------------------------------------------------------------


def test_what_nothing_can_undo_is_told_at_once_and_then_not_again():
    """The eleventh order of Tuesday, then no word more of Tuesday; over when a whole day was well."""
    events = [
        *per_day("9"),
        *orders("web: 10:00 x8, 14:00 x3, 18:00 x5", day="2026-01-06"),
        *per_day("4 4", "2026-01-07"),
    ]
    assert said(when(HOURLY, "above 10", window=DAY), events, until="2026-01-09 12:00") == [
        ("firing", "01-06T15:00", 11.0, True),
        ("resolved", "01-08T00:00", 4.0, False),
    ]


def test_severities_rise_within_the_day_and_fall_at_its_end():
    """The next day's number so far never makes it milder."""
    events = [
        *orders("web: 10:00 x11, 14:00 x10", day="2026-01-06"),
        *orders("web: 10:00 x12", day="2026-01-07"),
        *per_day("1 1", "2026-01-08"),
    ]
    levels = ["warning above 10", "critical above 20"]
    watched = plan(rule(when(HOURLY, *levels, window=DAY)))
    judged(watched, events, until=clock("2026-01-09 12:00"))
    found = replay_events(watched, events, zone=LONDON, until=clock("2026-01-09 12:00"))
    assert [(str(t.state), t.at[5:16], t.severity) for t in found] == [
        ("firing", "01-06T11:00", "warning"),
        ("severity", "01-06T15:00", "critical"),
        ("severity", "01-08T00:00", "warning"),
        ("resolved", "01-09T00:00", "warning"),
    ]


def test_between_breach_and_clear_it_goes_on():
    """A day in the band ends nothing and begins nothing."""
    events = per_day("4 8 11 8 8 7 8")
    assert said(when(HOURLY, "above 10 clear below 8", window=DAY), events, until="2026-01-12 00:00") == [
        ("firing", "01-07T13:00", 11.0, True),
        ("resolved", "01-11T00:00", 7.0, False),
    ]


def test_a_first_day_that_was_not_seen_whole():
    """Too much is too much, too little of half a day is nothing."""
    assert said(when(HOURLY, "above 3", window=DAY), per_day("4"), until="2026-01-07 00:00")[0][1] == "01-05T13:00"
    assert said(when(HOURLY, "below 5", window=DAY), per_day("4 9"), until="2026-01-07 00:00") == []


def test_keep_firing_for_counts_from_the_verdict():
    """Two days well before it is over."""
    events = per_day("9 3 9 9 9 9")
    found = said(when(HOURLY, "below 5", window=DAY), events, keep=86_400, until="2026-01-10 12:00")
    assert [f[:2] for f in found] == [("firing", "01-07T00:00"), ("resolved", "01-09T00:00")]


# ---- spikes ---------------------------------------------------------------------------------------------------------


def spike(window=DAY, series=HOURLY, **more):
    return Spike(of(series), window, more.pop("baseline", Baseline(days=1)), Severity.WARNING, **more)


def test_a_day_against_the_day_before():
    """The day after a quiet one is no rise where a minimum of the usual is asked for."""
    found = said(spike(below=0.5, usual_at_least=4), per_day("8 8 3 8 8"), until="2026-01-10 00:00")
    assert found == [("firing", "01-08T00:00", 3.0, False), ("resolved", "01-09T00:00", 8.0, False)]


def test_a_day_against_the_same_weekday():
    """Sundays are quiet, so this Sunday's eleven are told as soon as they are there."""
    weeks = "8 8 8 8 8 8 2 " * 4
    condition = spike(baseline=Baseline(weeks=4), above=2.0, at_least=5)
    found = said(condition, per_day(weeks + "8 8 8 8 8 8 11 8"), until="2026-02-10 00:00")
    assert found[0] == ("firing", "02-08T13:00", 11.0, True)


def test_a_week_against_weeks():
    """The median of three."""
    condition = spike(WEEK, baseline=Baseline(weeks=3), below=0.5, usual_at_least=5)
    events = per_day("1 1 1 1 1 1 1 " * 4 + "1 . . . . 1 . 1 1")
    assert said(condition, events, until="2026-02-10 00:00", forget_after_s=21 * 86_400) == [
        ("firing", "02-09T00:00", 2.0, False)
    ]


def test_a_closed_day_ends_a_fall_of_the_day_before():
    """At its end nothing is judged, so nothing goes on."""
    closed = calendar_of([Entry("closed", "one day", (Day(on=date(2026, 1, 9)),))])
    condition = spike(below=0.5, usual_at_least=4, closed=closed)
    watched = plan(rule(condition))
    events = per_day("8 8 8 3 . 8 8")
    judged(watched, events)
    found = [(str(t.state), t.at[5:16], t.reason) for t in replay_events(watched, events, zone=LONDON)]
    assert found == [("firing", "01-09T00:00", ""), ("resolved", "01-10T00:00", "closed")]


# ---- absence --------------------------------------------------------------------------------------------------------


def test_nothing_on_a_whole_day():
    """Told at its end, and over with the next event."""
    found = said(Absence(of(HOURLY), DAY, Severity.CRITICAL), per_day("1 . 1"), until="2026-01-08 00:00")
    assert found == [("firing", "01-07T00:00", 0.0, False), ("resolved", "01-07T13:00", 1.0, False)]


MINUTES = flow("count")


def test_nothing_by_a_quarter_past_nine():
    """From midnight to 21:15, whatever comes then ends it; days on which something came are well."""
    events = [*per_day("1 1"), *orders("web: 22:00", day="2026-01-07"), *orders("web: 21:14", day="2026-01-08")]
    events += [*orders("web: 21:15", day="2026-01-09"), *orders("web: 00:00", day="2026-01-10")]
    found = said(Absence(of(MINUTES), NINE_PM, Severity.CRITICAL), events, until="2026-01-10 23:00")
    assert [f[:3] for f in found] == [
        ("firing", "01-07T21:15", 0.0),
        ("resolved", "01-07T22:01", 1.0),
        ("firing", "01-09T21:15", 0.0),
        ("resolved", "01-09T21:16", 1.0),
    ]


def test_nothing_is_expected_on_closed_days_and_outside_of_its_days():
    """Friday is closed, Saturday and Sunday are no days of it."""
    closed = calendar_of([Entry("closed", "one day", (Day(on=date(2026, 1, 9)),))])
    weekdays = (Hours(frozenset(range(5)), time(0), time(0)),)
    condition = Absence(of(MINUTES), NINE_PM, Severity.CRITICAL, weekdays, (), closed)
    events = [*per_day("1 1 1 1"), *orders("web: 22:00", day="2026-01-12")]
    assert [f[:2] for f in said(condition, events)] == [("firing", "01-12T21:15"), ("resolved", "01-12T22:01")][:1]
    always = replace(condition, hours=())
    assert said(always, events)[0][1] == "01-10T21:15"


# ---- combinations and formulas ---------------------------------------------------------------------------------------


def test_a_part_says_all_day_what_the_day_before_was():
    """Yesterday was poor, and now an hour is, too."""
    poor, quiet = when(HOURLY, "below 5", window=DAY), when(HOURLY, "below 1", window=3600)
    events = [
        *per_day("9 3"),
        *orders("web: 06:30, 07:30, 08:30, 10:30", day="2026-01-07"),
        *per_day("9", "2026-01-08"),
    ]
    found = said(All((poor, quiet), Severity.WARNING), events, until="2026-01-07 12:00")
    assert [f[:2] for f in found] == [
        ("firing", "01-07T00:00"),
        ("resolved", "01-07T07:00"),
        ("firing", "01-07T10:00"),
        ("resolved", "01-07T11:00"),
        ("firing", "01-07T12:00"),
    ]


def test_a_formula_over_a_day():
    """Orders for each visit, of whole days."""
    visits = [event("traffic.session", clock("11:00", f"2026-01-0{n}"), n, channel="web", count=8) for n in (5, 6, 7)]
    events = [*per_day("4 4 1"), *visits]
    found = said(when(ratio(HOURLY, VISITS), "below 0.3", window=DAY), events, until="2026-01-08 00:00")
    assert found == [("firing", "01-08T00:00", 0.125, False)]


# ---- what is kept ----------------------------------------------------------------------------------------------------


def every_hour(days: int, but: dict[int, int] | None = None) -> list:
    """An order in the first minute of every hour of so many days; but: day → how many hours of it have one."""
    first, found = clock("2026-01-05 00:00"), []
    for day in range(days):
        for hour in range((but or {}).get(day, 24)):
            at = first + timedelta(days=day, hours=hour)
            found.append(event("order.placed", at, at.isoformat(), channel="web", order_id="o", total=1.0, lines=[]))
    return found


@pytest.mark.parametrize(
    ("condition", "but", "expected"),
    [
        pytest.param(
            when(MINUTES, "below 24", window=DAY), {3: 23}, [("01-09T00:00", 23.0, None)], id="the whole of a day"
        ),
        pytest.param(
            Spike(of(MINUTES), DAY, Baseline(weeks=2), Severity.WARNING, below=0.9, usual_at_least=24),
            {16: 20},
            [("01-22T00:00", 20.0, 24.0)],
            id="the same day of two weeks",
        ),
        pytest.param(
            Spike(of(MINUTES), WEEK, Baseline(weeks=2), Severity.WARNING, below=0.99, usual_at_least=168),
            {23: 20},
            [("02-02T00:00", 164.0, 168.0)],
            id="two weeks of weeks",
        ),
    ],
)
def test_nothing_is_dropped_that_a_verdict_will_ask_for(condition, but, expected):
    """Blocks of minutes expire every few hours; the first hour of a week two weeks before it is still there."""
    pipeline = Pipeline(plan(rule(condition)))
    for n, order in enumerate(every_hour(29, but)):
        pipeline.arrive(order, 0, 0.0)
        if n % 6 == 5:
            pipeline.measure(("orders", 0))
            pipeline.commit_source(("orders", 0))
            pipeline.judge(0)
            pipeline.cut(0)
    found = [t for t in pipeline.finish(clock("2026-02-03 00:00")) if t["state"] == "firing"]
    assert [(moment(t["at"]).isoformat()[5:16], t["value"], t["baseline"]) for t in found] == expected


def test_a_level_is_known_as_it_was_at_the_end_of_the_day():
    """A part of a combination is asked all day what it said at midnight, whatever the stock has been since."""
    for_each = Operation("/", of(SHOP), of(level(by=())))
    both = All((when(for_each, "above 1", window=DAY), when(SHOP, "above 2", window=3600)), Severity.WARNING)
    events = [*per_day("9 9"), *stock("A: 11:00 4", day="2026-01-06")]
    events += [*stock("A: 09:00 90, 10:00 80, 11:00 70, 12:00 60", day="2026-01-07")]
    events += orders("web: 01:30, 09:30, 10:30, 11:30, 12:30, 13:30 x3", day="2026-01-07")
    pipeline = Pipeline(plan(rule(both)))
    for each in sorted(events, key=lambda e: e["time"]):
        pipeline.arrive(each, 0, 0.0)
        for role in ("orders", "inventory"):
            pipeline.measure((role, 0))
            pipeline.commit_source((role, 0))
        pipeline.judge(0)
        pipeline.cut(0)
    found = [(t["state"], moment(t["at"]).isoformat()[5:16]) for t in pipeline.finish(clock("2026-01-07 16:00"))]
    assert found == [("firing", "01-07T14:00"), ("resolved", "01-07T15:00")]


# ---- against the reference -------------------------------------------------------------------------------------------

PERIODS = st.sampled_from([DAY, DAY, WEEK])
NUMBERS = st.sampled_from([0, 1, 2, 3, 5])
SEVERITIES = st.sampled_from(list(Severity))
CLOSED = calendar_of([Entry("closed", "some", (Day(on=date(2026, 3, 27)), Day(on=date(2026, 3, 31))))])
HOLIDAYS = calendar_of(
    [
        Entry("holiday", "some", tuple(Day(on=date(2026, 3, n)) for n in (25, 27, 28, 30))),
        Entry("closed", "Sundays", (Day(weekday=6),)),
    ]
)
DAYS = (Hours(frozenset({0, 1, 2, 3, 4}), time(0), time(0)),)
MEASURES = [HOURLY, UNITS, TOTAL, AVERAGE, SHOP, ratio(HOURLY, VISITS)]
STOCK = replace(level(by=("channel",)), event_type="stock.level")


@st.composite
def thresholds(draw: st.DrawFn) -> Threshold:
    rising = draw(st.booleans())
    word, back = ("above", "below") if rising else ("below", "above")
    first = draw(NUMBERS)
    texts = [f"{word} {first}"]
    if draw(st.booleans()):
        texts.append(f"critical {word} {first + (2 if rising else -2)}")
    if draw(st.booleans()):
        texts[0] += f" clear {back} {first + (-1 if rising else 1)}"
    found = when(draw(st.sampled_from(MEASURES)), *texts, window=draw(PERIODS))
    if draw(st.integers(0, 4)) == 0 and found.series[0].by:
        source = OfMeasure("other", of(VISITS), draw(st.sampled_from([found.window_s, 86_400])))
        bound = Bounds(sources=((word, source),))
        return replace(found, levels=(Level(Severity.WARNING, bound),))
    return found


@st.composite
def spikes(draw: st.DrawFn) -> Spike:
    window = draw(PERIODS)
    days = st.builds(Baseline, days=st.integers(1, 4), calendar=st.sampled_from([None, HOLIDAYS]))
    weeks = st.builds(Baseline, weeks=st.integers(1, 2), calendar=st.sampled_from([None, HOLIDAYS]))
    above = draw(st.sampled_from([None, 1.0, 1.5]))
    below = draw(st.sampled_from([None, None, 0.75]))
    deviations = draw(st.sampled_from([None, None, 0.5]))
    if above is None and below is None and deviations is None:
        above = 1.5
    return Spike(
        of(draw(st.sampled_from([HOURLY, UNITS, SHOP]))),
        window,
        draw(weeks if window == WEEK else st.one_of(days, days, weeks)),
        draw(SEVERITIES),
        above=above,
        below=below,
        deviations=deviations,
        usual_at_least=draw(st.sampled_from([None, 0, 1])),
        clear_below=draw(st.sampled_from([None, 1.0])) if above else None,
        hours=draw(st.sampled_from([(), (), DAYS])),
        closed=draw(st.sampled_from([None, None, CLOSED])),
    )


@st.composite
def absences(draw: st.DrawFn) -> Absence:
    window = draw(st.sampled_from([DAY, WEEK, Period("day", time(9)), Period("day", time(21))]))
    hours = draw(st.sampled_from([(), (), DAYS]))
    expected = draw(st.sampled_from([(), (("web",), ("shop",))]))
    return Absence(of(HOURLY), window, draw(SEVERITIES), hours, expected, draw(st.sampled_from([None, CLOSED])))


@st.composite
def shares(draw: st.DrawFn) -> Share:
    rising = when(HOURLY, f"{draw(st.sampled_from(['above', 'below']))} {draw(st.sampled_from([0.5, 1, 2]))}")
    return Share(of(HOURLY), of(VISITS), draw(PERIODS), rising.levels, 1)


def single() -> st.SearchStrategy:
    return st.one_of(thresholds(), thresholds(), spikes(), spikes(), absences(), shares())


def own() -> st.SearchStrategy:
    return single().filter(lambda c: all(s.by for s in c.series))


@st.composite
def conditions(draw: st.DrawFn):
    if draw(st.integers(0, 2)):
        return draw(single())
    rolling = when(
        HOURLY,
        f"{draw(st.sampled_from(['above', 'below']))} {draw(NUMBERS)}",
        window=draw(st.sampled_from([3600, 7200])),
    )
    parts = [draw(own()), draw(st.one_of(own(), st.just(rolling)))]
    if draw(st.booleans()):
        parts[0] = Not(parts[0], Severity.INFO)
    return draw(st.sampled_from([All, AnyOf]))(tuple(parts), draw(SEVERITIES))


@st.composite
def streams(draw: st.DrawFn) -> list:
    """Orders and visits of ten days around the change of the clocks, many of them next to midnight."""
    found = []
    first = clock("2026-03-23 00:00")
    for i in range(draw(st.integers(5, 45))):
        seconds = draw(st.sampled_from([0, 1800, 9 * 3600, 20 * 3600, 22 * 3600 + 1800, 23 * 3600, 86_399]))
        at = first + timedelta(days=draw(st.integers(0, 12)), seconds=seconds)
        kind = draw(st.sampled_from(["order.placed", "order.placed", "order.placed", "traffic.session"]))
        data = {"channel": draw(st.sampled_from(["web", "web", "app"])), "count": draw(st.integers(1, 2))}
        if kind == "order.placed":
            line = {"sku": "A", "quantity": draw(st.integers(0, 3)), "unit_price": 1}
            data |= {"order_id": "o", "total": draw(st.sampled_from([1.5, 3, -1])), "lines": [line]}
        found.append(event(kind, at, i, **data))
    return found


@st.composite
def plans(draw: st.DrawFn):
    return plan(
        *(
            rule(
                draw(conditions()),
                keep=draw(st.sampled_from([0, 0, 3600, 90_000])),
                no_data=draw(st.sampled_from(["keep", "ok", "alert"])),
                name=f"R{n}",
                forget_after_s=draw(st.sampled_from([7 * 86_400, 21 * 86_400, 2 * 86_400])),
                cool_down_s=draw(st.sampled_from([0, 0, 30 * 3600])),
            )
            for n in range(draw(st.integers(1, 2)))
        )
    )


@examples(50)
@given(plans(), streams(), st.randoms(use_true_random=False), st.integers(0, 40))
def test_the_service_says_what_the_reference_says(watched, events, random, more):
    """In any order of the file, up to any hour."""
    shuffled = list(events)
    random.shuffle(shuffled)
    until = max(datetime.fromisoformat(e["time"]) for e in events) + timedelta(hours=more)
    judged(watched, shuffled, until=until)


@examples(30)
@given(
    plans(),
    streams(),
    st.sampled_from([(1, 1), (2, 2)]),
    st.lists(st.integers(0, 5), min_size=1, max_size=7),
    st.lists(st.integers(0, 10**6), min_size=5, max_size=40),
)
def test_cut_and_resumed_anywhere(watched, events, shape, spread, steps):
    """Meters and judges that die on any day say the same."""
    sources, samples = shape
    coming = arrivals(
        watched, sorted(events, key=lambda e: e["time"]), sources=sources, jitter=[0.0], spread=spread, again=[]
    )
    until = clock("2026-04-08 00:00")
    said_by_service = run_to(Pipeline(watched, sources=sources, samples=samples), coming, steps, until)
    expected = reference_transitions(watched, events, zone=LONDON, until=until)
    found = differences(expected, said_by_service, numbers_of=with_numbers(watched), tolerance=0.011)
    assert not found, "\n".join(found)
