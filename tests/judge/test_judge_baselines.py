"""What a window is compared with: calendar days, thin history, the noise of counts, and how far is far."""

from datetime import date, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from comparison import differences, judged, plain
from hypothesis import given
from hypothesis import strategies as st
from reference import moment, reference_transitions
from shorthand import LONDON, ORDERS, Event, clock, event, flow, lines, of, orders, plan, rule
from test_judge_properties import examples

from lockstep.calendar import Calendar, Day, Entry, calendar_of
from lockstep.explanation import ask
from lockstep.measure.noise import Noise, beta_tail, mean_within, noise_of, tellable_from
from lockstep.rule.condition.baseline_windows import Borders, choices
from lockstep.rule.condition.kinds import Absence, Baseline, Hours, Severity, Spike
from lockstep.rule.condition.period import same_wall_clock
from lockstep.tools.backtest.replay import replay_events, replayed

FIRST = date(2026, 1, 5)
"""A Monday."""


HOURLY = flow("count", bucket_s=3600)
HALF_HOURLY = flow("count", bucket_s=1800)


def spike(baseline, window=3600, series=HOURLY, **more):
    return Spike(of(series), window, baseline, Severity.WARNING, **more)


def calendar(**days: str) -> Calendar:
    """`campaign="3 4"`: marked are the third and the fourth day after FIRST."""
    marked = [
        Entry(kind, kind, tuple(Day(on=FIRST + timedelta(days=int(n))) for n in text.split()))
        for kind, text in days.items()
    ]
    found = calendar_of(marked)
    assert found is not None
    return found


def daily(text: str, at: str = "12:00", step: int = 1) -> list[Event]:
    """`4 5 . 11`: so many orders at noon of each day, from FIRST on; `.` is a day without."""
    found = []
    for i, n in enumerate(text.split()):
        if n != ".":
            found += orders(f"web: {at} x{n}", day=(FIRST + timedelta(days=i * step)).isoformat())
    return found


def last(condition: Spike, events: list[Event], hold: int = 0) -> list[tuple[str, float, float, str]]:
    """What is said at the time of the last event: state, value, usual, of what."""
    found = judged(plan(rule(condition, hold=hold)), events)
    at = max(t["at"] for t in found) if found else 0
    newest = max(e["time"] for e in events)
    if at < clock(newest.replace("T", " ").removesuffix("Z")).timestamp() * 1e6:
        return []
    return [(t["state"], t["value"], t["baseline"], t["baseline_of"]) for t in found if t["at"] == at]


# ---- the calendar ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("marked", "text", "expected"),
    [
        pytest.param(
            {"holiday": "1 2"},
            "5 40 40 5 5 11",
            [("firing", 11.0, 5.0, "3 of the last 5 days")],
            id="marked days are no part of what is usual",
        ),
        pytest.param(
            {"campaign": "0 2 3 5"},
            "20 5 20 20 5 30",
            [],
            id="a campaign day is compared with campaign days",
        ),
        pytest.param(
            {"campaign": "0 2 3 5"},
            "20 5 20 20 5 41",
            [("firing", 41.0, 20.0, "the last 3 campaign days")],
            id="and can be out of the ordinary among them",
        ),
        pytest.param(
            {"campaign": "3 5"},
            "5 5 5 20 5 30",
            [("firing", 30.0, 5.0, "4 of the last 5 days, because only 1 campaign day is known")],
            id="with too few like it, it is compared with ordinary days",
        ),
        pytest.param(
            {"campaign": "0 2 3", "holiday": "5"},
            "20 5 20 20 5 30",
            [],
            id="two ordinary days are too few",
        ),
        pytest.param({"closed": "5"}, "5 5 5 5 5 30", [], id="a closed day is not judged by ordinary days"),
        pytest.param(
            {"closed": "0 1 2 5"},
            "1 1 1 5 5 3",
            [("firing", 3.0, 1.0, "the last 3 closed days")],
            id="but by closed days, where there are enough",
        ),
    ],
)
def test_days_of_the_calendar(marked, text, expected):
    """Marked days are left out, or are the usual of their kind."""
    assert last(spike(Baseline(days=5, calendar=calendar(**marked)), above=2.0), daily(text)) == expected


def test_weeks_of_the_calendar():
    """A marked day in an earlier week is left out; fewer than three ordinary weeks say nothing."""
    weeks = Baseline(weeks=4, calendar=calendar(holiday="7"))
    assert last(spike(weeks, above=2.0), daily("5 40 5 5 11", step=7)) == [
        ("firing", 11.0, 5.0, "3 of the last 4 weeks")
    ]
    assert last(spike(weeks, above=2.0), daily("5 40 5 11", step=7)) == []


@pytest.mark.parametrize(
    ("at", "is_told"),
    [pytest.param("00:20", False, id="the window touches the holiday"), pytest.param("01:10", True, id="it does not")],
)
def test_a_window_belongs_to_every_day_that_it_touches(at, is_told):
    """Half an hour of a holiday in it makes a window a holiday's: these look back an hour."""
    condition = spike(Baseline(days=3, calendar=calendar(holiday="0")), 3600, HALF_HOURLY, above=2.0)
    events = [*daily("5", "01:10"), *daily("5 5 5 11", at)]
    # The day after the holiday is looked at by the days that follow: of three, one touches the holiday.
    found = last(condition, events)
    assert bool(found) == is_told if at == "00:20" else found == []


MARKS = st.dictionaries(
    st.sampled_from(["campaign", "holiday", "closed"]),
    st.lists(st.integers(-1, 9), min_size=1, max_size=4).map(lambda days: " ".join(map(str, days))),
    max_size=2,
)
NEAR_MIDNIGHT = ["22:00", "22:30", "23:00", "23:30", "23:50", "00:00", "00:10", "00:50", "01:00", "01:30", "02:00"]


@st.composite
def marked_baselines(draw: st.DrawFn) -> Baseline:
    marks = draw(MARKS)
    marked = calendar(**marks) if marks else None
    third = draw(st.sampled_from([None, Baseline(previous_s=3600)]))
    days = draw(st.integers(1, 4))
    least = draw(st.sampled_from([None, 1, days]))
    second = Baseline(days=days, known_at_least=least, calendar=marked, otherwise=third)
    if draw(st.booleans()):
        return Baseline(weeks=1, calendar=draw(st.sampled_from([None, marked])), otherwise=second)
    return second


@st.composite
def nights(draw: st.DrawFn, first: date) -> list[Event]:
    """Orders around midnight on nine days."""
    found = []
    for i in range(draw(st.integers(8, 40))):
        day = first + timedelta(days=draw(st.integers(0, 8)))
        at = clock(f"{day} {draw(st.sampled_from(NEAR_MIDNIGHT))}")
        found.append(event("order.placed", at, i, order_id="o", total=10.0, lines=[], channel="web"))
    return found


@examples(40)
@given(
    marked_baselines(),
    nights(FIRST),
    st.sampled_from([1800, 3600, 7200]),
    st.sampled_from([{"above": 1.5}, {"below": 0.75}, {"above_by": 1.0}, {"above": 1.0, "chance": 0.3}]),
    st.sampled_from([0, 5400]),
)
def test_marked_days_and_thin_history(baseline, events, window, form, hold):
    """Visited only when something can change, a rule with a calendar says what judging every bucket says."""
    watched = plan(rule(spike(baseline, window, HALF_HOURLY, **form), hold=hold, forget_after_s=3 * 86_400))
    judged(watched, events)


SPRING, AUTUMN = date(2026, 3, 24), date(2026, 10, 20)
"""Five days before the clocks change in London."""


@examples(10)
@given(st.data(), st.sampled_from([SPRING, AUTUMN]), st.sampled_from([1800, 3600, 7200]))
def test_calendars_where_the_clocks_change(data, first, window):
    """Days of 23 and 25 hours among marked ones, windows that straddle the change; buckets are in UTC."""
    moved = [Day(on=first + timedelta(days=n)) for n in data.draw(st.lists(st.integers(3, 7), max_size=2))]
    marked = calendar_of([Entry("holiday", "h", tuple(moved))] if moved else [])
    baseline = Baseline(days=3, known_at_least=data.draw(st.sampled_from([1, 2])), calendar=marked)
    judged(plan(rule(spike(baseline, window, HALF_HOURLY, above=1.0))), data.draw(nights(first)))


@pytest.mark.parametrize(
    ("day", "told", "expected"),
    [
        # 2026-03-29: 01:00 GMT becomes 02:00 BST, the day has 23 hours.
        pytest.param("2026-03-29", {"2026-03-28": "01:40", "2026-03-29": "00:40"}, [11.0, 5.0], id="23 hours, before"),
        pytest.param("2026-03-29", {"2026-03-28": "02:10", "2026-03-29": "01:10"}, [11.0, 5.0], id="23 hours, across"),
        # 2026-10-25: 02:00 BST becomes 01:00 GMT, the day has 25 hours; 01:10 GMT is the second 01:10 of the day.
        pytest.param("2026-10-25", {"2026-10-24": "00:10", "2026-10-25": "01:10"}, [11.0, 5.0], id="25 hours, twice"),
    ],
)
def test_a_window_that_straddles_a_clock_change(day, told, expected):
    """It is an hour of real time, and so is the one of the day before at the same time on the wall."""
    series = flow("count", bucket_s=600)
    events = [e for (d, at), n in zip(told.items(), (5, 11), strict=True) for e in orders(f"web: {at} x{n}", day=d)]
    events += orders("web: 12:00", day=(date.fromisoformat(day) - timedelta(days=2)).isoformat())
    found = judged(plan(rule(spike(Baseline(days=1), 3600, series, above=2.0))), events, until=clock(f"{day} 03:00"))
    assert [[t["value"], t["baseline"]] for t in found if t["state"] == "firing"][-1:] == [expected]


@examples(60)
@given(
    st.sampled_from(["Europe/London", "America/New_York", "Australia/Sydney", "UTC"]),
    st.integers(0, 366 * 24 * 4),
    st.sampled_from([Baseline(weeks=4), Baseline(days=3)]),
)
def test_borders_hold_until_the_clocks_change(zone, quarter, baseline):
    """From one bucket end up to the next leap every earlier window lies as far back as is said, and no further one."""
    zone, first = ZoneInfo(zone), int(clock("2026-01-01 00:00").timestamp()) + quarter * 900
    (choice,) = choices(baseline, 3600, None)
    borders, until = Borders(((baseline, 3600),), {0, 3600}, 900).at(first, zone)
    for end in (*range(first, min(until, first + 3 * 86_400), 900), until - 900):
        backs = {end - same_wall_clock(end, back, zone) for back in choice.backs}
        assert set(borders) == {0, 3600, *backs, *(b + 3600 for b in backs)}, (end, until)


OFFICE = Hours(frozenset(range(5)), time(9), time(17))


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        pytest.param({"holiday": "1"}, "01-06 11:00", id="a holiday may sell"),
        pytest.param({"closed": "1"}, "01-07 11:00", id="on a closed day nothing is expected"),
        pytest.param({"closed": "1 2 3 4 7 8 9 10 11 14 15"}, "01-21 11:00", id="closed for two weeks"),
    ],
)
def test_absence_on_closed_days(marked, expected):
    """Hours of a closed day are no expected hours. The last order was on Monday the 5th."""
    watched = Absence(of(HOURLY), 7200, Severity.WARNING, (OFFICE,), (), calendar(**marked).only(["closed"]))
    found = judged(
        plan(rule(watched, forget_after_s=30 * 86_400)), daily("5", "16:00"), until=clock("2026-01-22 08:00")
    )
    assert [moment(t["at"]).strftime("%m-%d %H:%M") for t in found] == [expected]


@examples(8)
@given(nights(FIRST), MARKS)
def test_absence_with_a_calendar(events, marks):
    """Whatever is closed, an absence is looked at when it becomes one."""
    closed = calendar(**marks).only(["closed"]) if marks else None
    hours = (OFFICE, Hours(frozenset({5}), time(22), time(0)))
    watched = plan(rule(Absence(of(HALF_HOURLY), 3600, Severity.WARNING, hours, (), closed)))
    judged(watched, events, until=clock("2026-01-16 12:00"))


# ---- thin history ---------------------------------------------------------------------------------------------------


def chained(**more) -> Baseline:
    return Baseline(weeks=4, otherwise=Baseline(days=3, otherwise=Baseline(previous_s=3600)), **more)


@pytest.mark.parametrize(
    ("baseline", "text", "expected"),
    [
        pytest.param(
            chained(),
            ". " * 19 + "5 5 11",
            [],
            id="the hour before was empty: a ratio of nothing",
        ),
        pytest.param(
            chained(),
            "1 " + ". " * 6 + "5 " + ". " * 3 + "5 5 5 11",
            [("firing", 11.0, 5.0, "the last 3 days, because only 2 weeks are known")],
            id="from weeks to days",
        ),
        pytest.param(
            chained(known_at_least=2),
            "5 " + ". " * 6 + "5 " + ". " * 3 + "1 1 1 11",
            [("firing", 11.0, 5.0, "2 of the last 4 weeks")],
            id="a rule says how many it needs",
        ),
        pytest.param(
            Baseline(weeks=3, calendar=calendar(holiday="0 1"), otherwise=Baseline(days=2)),
            "1 " + ". " * 6 + "5 " + ". " * 6 + "5 " + ". " * 4 + "5 5 11",
            [("firing", 11.0, 5.0, "the last 2 days, because only 2 unmarked weeks are known")],
            id="because days are marked",
        ),
    ],
)
def test_thin_history(baseline, text, expected):
    """Too few weeks are known: the days before, and the verdict says so."""
    assert last(spike(baseline, above=2.0), daily(text)) == expected


def test_thin_history_down_to_the_stretch_before():
    """On its second day a rule has one day behind it; the hour before has to do."""
    events = [*daily("5"), *orders("web: 11:00 x1, 12:00 x9", day="2026-01-06")]
    found = judged(plan(rule(spike(chained(), above=2.0))), events)
    because = "no week is known and only 1 day is known"
    assert [(t["value"], t["baseline"], t["baseline_of"]) for t in found if t["state"] == "firing"][-1:] == [
        (9.0, 1.0, f"the 1 hour before, because {because}")
    ]


# ---- how far is far -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "told", "expected"),
    [
        pytest.param({"above_by": 20}, "4 24", [], id="20 more is not more than 20 more"),
        pytest.param({"above_by": 20}, "4 25", ["firing"], id="more than 20 more"),
        pytest.param({"above_by": 20}, ". 21", ["firing"], id="a difference needs no baseline"),
        pytest.param({"below_by": 5}, "12 7", [], id="5 less is not more than 5 less"),
        pytest.param({"below_by": 5}, "12 6", ["firing"], id="more than 5 less"),
        pytest.param({"above": 2.0, "above_by": 10}, "4 14", [], id="both: the ratio alone does not suffice"),
        pytest.param({"above": 2.0, "above_by": 10}, "20 35", [], id="both: the difference alone does not suffice"),
        pytest.param({"above": 2.0, "above_by": 10}, "12 25", ["firing"], id="both"),
        pytest.param({"above_by": 10, "usual_at_least": 5}, "4 40", [], id="a usual value that is too small"),
        pytest.param({"above_by": 10, "clear_below_by": 5}, "4 15 20 24", ["firing", "resolved"], id="clear: 5 more"),
    ],
)
def test_forms_of_a_spike(form, told, expected):
    """A ratio, a difference, or both."""
    text = ", ".join(f"12:{i:02} x{n}" for i, n in enumerate(told.split()) if n != ".")
    events = orders(f"web: {text}")
    if told.startswith("."):
        events = orders(f"web: 11:50, {text}")
    watched = plan(rule(spike(Baseline(previous_s=60), 60, ORDERS, **form)))
    found = judged(watched, events, until=clock(f"12:{len(told.split()):02}"))
    assert [t["state"] for t in found if t["at"] > clock("12:01").timestamp() * 1e6] == expected


# ---- the noise of counts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "is_told"),
    [
        pytest.param("1 1 1 1 3", False, id="1 to 3 is no spike"),
        pytest.param("1 1 1 1 5", False, id="nor is 1 to 5"),
        pytest.param("1 1 1 1 12", True, id="1 to 12 is one"),
        pytest.param("20 20 20 20 41", True, id="twice of many is one"),
        pytest.param("10 40 12 44 60", False, id="weeks that differ much make noise"),
        pytest.param("20 20 400 20 60", True, id="one odd week makes none"),
    ],
)
def test_the_noise_of_counts(told, is_told):
    """With `chance: 1 in 1000` and low minimums, a count speaks only when chance does not explain it."""
    condition = spike(Baseline(weeks=4), above=1.5, at_least=1, usual_at_least=1, chance=0.001)
    assert bool(last(condition, daily(told, step=7))) == is_told


def test_the_noise_is_among_the_numbers():
    """What chance would do is in the verdict, with how much the weeks scatter beyond chance."""
    condition = spike(Baseline(weeks=4), above=1.5, chance=0.001)
    events = daily("20 20 20 20 41", step=7)
    fired = replay_events(plan(rule(condition)), events, zone=LONDON)[-1]
    assert (fired.counts["windows"], fired.counts["dispersion"]) == (4, 1.0)
    assert fired.counts["chance"] == pytest.approx(Noise(20, 4).rises(41))
    assert 1e-5 < fired.counts["chance"] < 1e-3


@pytest.mark.parametrize(
    ("weeks", "count", "is_told"),
    [
        pytest.param("60 100 140", 0, True, id="a day of nothing after 60, 100 and 140"),
        pytest.param("140 60 100", 0, True, id="in any order"),
        pytest.param("30 40 50", 0, True, id="after 30, 40 and 50"),
        pytest.param("20 100 300", 0, True, id="after weeks of bursts, too"),
        pytest.param("60 100 140", 45, False, id="but not every low day: weeks that differ much make noise"),
        pytest.param("100 100 100", 50, True, id="weeks that are alike make little"),
        pytest.param("100 100 400", 50, True, id="one odd week makes none"),
        pytest.param("5 5 5", 0, False, id="where 5 are usual, none may be chance"),
        pytest.param("9 9 9", 0, True, id="where 9 are usual it hardly is"),
    ],
)
def test_an_outage_can_be_told_from_three_weeks(weeks, count, is_told):
    """`chance: 1 in 1000` on a fall with three known weeks."""
    condition = spike(Baseline(weeks=3), below=0.8, usual_at_least=5, chance=0.001)
    over = (FIRST + timedelta(weeks=3)).isoformat()
    events = [*daily(f"{weeks} {count or '.'}", step=7), *orders("app: 12:00", day=over)]
    watched = plan(rule(condition, forget_after_s=14 * 86_400))
    found = judged(watched, events, until=clock("13:00", over))
    assert lines(found) == ([f"{over} 13:00 web firing warning"] if is_told else [])


def test_three_weeks_scatter_as_they_do():
    """Corrected for three weeks, the median deviation of 60, 100 and 140 is twice what it is: the smaller counts."""
    condition = spike(Baseline(weeks=3), above=1.5, at_least=20, usual_at_least=5, chance=0.001)
    assert last(condition, daily("60 100 140 330", step=7)) == [("firing", 330.0, 100.0, "the last 3 weeks")]


@pytest.mark.parametrize("windows", [1, 3, 4, 8])
@pytest.mark.parametrize("chance", [0.05, 0.001, 1e-6])
def test_what_a_fall_needs(chance, windows):
    """Just above the usual value that `check` names none is rare enough, just below not."""
    from_ = tellable_from(chance, windows)
    falls = [noise_of([m] * windows, m, 0.0, windows, falling=True).falls(0) for m in (from_ * 0.99, from_ * 1.01)]
    assert falls[0] > chance > falls[1]


def test_chance_begins_and_does_not_end():
    """While nothing comes, the usual value slides and with it the chance; the rest of the rule says when it is over."""
    condition = spike(Baseline(weeks=3), 3600, ORDERS, below=0.8, usual_at_least=5, chance=0.001)
    events = []
    for week, minutes in enumerate([30, 40, 50]):
        day = (FIRST + timedelta(weeks=week)).isoformat()
        events += orders("web: " + ", ".join(f"12:{m:02}" for m in range(minutes)), day=day)
    over = (FIRST + timedelta(weeks=3)).isoformat()
    watched = plan(rule(condition, forget_after_s=14 * 86_400))
    found = judged(watched, [*events, *orders("app: 12:00", day=over)], until=clock("14:00", over))
    assert lines(found) == [f"{over} 13:00 web firing warning", f"{over} 13:36 web resolved warning"]
    assert [(t["value"], t["baseline"]) for t in found] == [(0.0, 40.0), (0.0, 4.0)]
    replay = replayed(watched, [*events, *orders("app: 12:00", day=over)], zone=LONDON, until=clock("13:33", over))
    (told,) = ask([replay.judge], "R", {"channel": "web"})
    assert told.why.startswith(
        "it goes on firing: chance alone may do this by now, but what else the rule asks for holds: "
        "count of order.placed is 0 where 7 is usual"
    )


@pytest.mark.parametrize(("usual", "least"), [(1, 8), (5, 16), (20, 39)])
def test_the_numbers_of_the_handbook(usual, least):
    """From which count on four such weeks make it rarer than once in a thousand windows."""
    noise = noise_of([usual] * 4, usual, 0.0, 4, falling=False)
    assert (noise.rises(least - 1) > 0.001, noise.rises(least) <= 0.001) == (True, True)


@pytest.mark.parametrize("mean", [0.5, 3.0, 20.0])
@pytest.mark.parametrize("windows", [1, 4, 8])
def test_the_tails_are_those_of_the_distribution(mean, windows):
    """Added up one by one, the probabilities give the same."""
    noise = Noise(mean, windows, 1.7)
    center = mean + 0.5 / windows
    ratio = 1.7 * (1 + 1 / windows)
    p, r = 1 / ratio, center / (ratio - 1)
    likely = [p**r]
    for k in range(60):
        likely.append(likely[-1] * (k + r) / (k + 1) * (1 - p))
    for count in (0, 1, 5, 30):
        assert noise.falls(count) == pytest.approx(sum(likely[: count + 1]), abs=1e-9)
        assert noise.rises(count) == pytest.approx(1 - sum(likely[:count]), abs=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "x", "expected"),
    [(1, 1, 0.3, 0.3), (2, 3, 0.5, 0.6875), (0.5, 0.5, 0.5, 0.5), (5, 1, 0.0, 0.0), (5, 1, 1.0, 1.0)],
)
def test_the_incomplete_beta_function(a, b, x, expected):
    """Values that can be worked out on paper."""
    assert beta_tail(a, b, x) == pytest.approx(expected, abs=1e-12)


def _poisson(random: Random, mean: float) -> int:
    """How many arrivals of a unit rate fall into `mean`."""
    count, left = 0, random.expovariate(1.0)
    while left < mean:
        count += 1
        left += random.expovariate(1.0)
    return count


@pytest.mark.parametrize("mean", [0.5, 3.0, 30.0])
@pytest.mark.parametrize("weeks", [4, 8])
def test_false_alarms_are_as_rare_as_the_rule_says(mean, weeks):
    """Counts in which nothing changes: `chance: 1 in 100` speaks at most about once in a hundred windows.

    The usual is the median of noisy weeks, so a little more than stated is allowed, not twice as much.
    """
    random = Random(20260105)
    trials, rises, falls = 4_000, 0, 0
    for _ in range(trials):
        known = sorted(_poisson(random, mean) for _ in range(weeks))
        usual = (known[weeks // 2 - 1] + known[weeks // 2]) / 2
        away = sorted(abs(k - usual) for k in known)
        mad = (away[weeks // 2 - 1] + away[weeks // 2]) / 2
        level = mean_within([float(k) for k in known], usual, 1.4826 * mad)
        now, values = _poisson(random, mean), [float(k) for k in known]
        falling = now < usual
        noise = noise_of(values, level, 1.4826 * mad, weeks, falling=falling)
        rises += not falling and noise.rises(now) <= 0.01
        falls += falling and noise.falls(now) <= 0.01
    assert max(rises, falls) / trials <= 0.02


def test_a_bare_ratio_on_the_same_counts_cries_all_day():
    """The control: without the bound every eighth window of such counts is more than twice its usual."""
    random = Random(20260105)
    alarms = 0
    for _ in range(4_000):
        known = sorted(_poisson(random, 3.0) for _ in range(4))
        usual = (known[1] + known[2]) / 2
        alarms += _poisson(random, 3.0) > 2 * usual > 0
    assert alarms / 4_000 > 0.05


def test_the_comparison_looks_at_the_words():
    """A service that named other stretches would be noticed."""
    events = [*daily("5 5 5 11"), *daily("1 1 1 1", "14:00")]
    watched = plan(rule(spike(Baseline(days=3), above=2.0)))
    said = [plain(t) for t in replay_events(watched, events, zone=ZoneInfo("Europe/London"))]
    told = reference_transitions(watched, events, zone=LONDON)
    assert differences(told, said, numbers_of=frozenset(["R"])) == []
    wrong = [{**t, "baseline_of": "the last 4 days"} for t in said]
    assert differences(told, wrong, numbers_of=frozenset(["R"]))
