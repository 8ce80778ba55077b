"""A detector speaks of what differs from what it learned, and of nothing else; it forgets nothing in a cut."""

import math
import random
from datetime import timedelta

import pytest
from shop_series import START, alarms, bursty, hours, orders, poisson, readings, usual, wall_s

from lockstep.measure.anomaly_detector import LEARNING, SENSITIVITY, Detector, Incidents, Statistic
from lockstep.measure.history import pack, unpack

DAY_60 = 60 * 24
"""The first hour of the sixty-first day, a Friday."""


def _minutes(count, value, step_s=300):
    """(start, local, value) every five minutes; `value` gets the number and the hour of the day."""
    for i in range(count):
        at = START + timedelta(seconds=i * step_s)
        yield int(at.timestamp()), at, value(i, at.hour + at.minute / 60)


def _noise(draw, share=1.0):
    return lambda i, hour: 50 + draw.gauss(0, share)


# ---- silent ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "is_count"),
    [
        pytest.param(lambda i, h: 0.0, False, id="always zero"),
        pytest.param(lambda i, h: 45.123, False, id="always the same"),
        pytest.param(lambda i, h: 80.0 if 9 <= h < 18 else 20.0, False, id="a square wave without noise"),
        pytest.param(lambda i, h: 50 + 30 * math.sin(h / 24 * 2 * math.pi), False, id="a smooth day"),
        pytest.param(lambda i, h: float(i % 977 == 0), True, id="a count that is nearly always zero"),
        pytest.param(lambda i, h: float(i % 3), True, id="a count that goes round"),
    ],
)
def test_nothing_happens(value, is_count):
    """What only repeats itself is never spoken of, however exactly it does."""
    read = readings(_minutes(4_000, value), is_count=is_count)
    assert alarms(read) == []


def test_noise():
    """A fortnight of five minutes: nothing at `low`, at the default one alarm in two of them."""
    read = [readings(_minutes(4_000, _noise(random.Random(seed))), is_count=False) for seed in range(10)]
    assert [alarms(r, SENSITIVITY["low"]) for r in read] == [[]] * 10
    assert sum(len(alarms(r)) for r in read) <= 6


@pytest.mark.parametrize("mean", [0.05, 1, 20, 200])
@pytest.mark.parametrize("noise", [poisson, bursty])
def test_quiet_shop_weeks(mean, noise):
    """At the default less than one alarm a month, over a change of the clocks, and few as time goes on."""
    found = [alarms(readings(orders(seed, days=120, mean=mean, noise=noise))) for seed in (3, 4, 5)]
    assert max(map(len, found)) <= 5
    assert sum(map(len, found)) <= 4 * len(found)
    assert sum(i >= 60 * 24 for f in found for i in f) <= len(found)


def test_growth_is_no_anomaly():
    """A shop that triples in four months: no more is told than of one that stays as it is."""
    grown = [orders(seed, days=120, change=lambda i, local: 1 + 2 * i / (120 * 24)) for seed in (4, 5, 6)]
    assert sum(len(alarms(readings(g))) for g in grown) <= 4


def test_a_change_of_the_clocks_is_no_anomaly():
    """The shape of the day moves by an hour in UTC, and stays on the wall; in UTC it would be spoken of."""
    values = orders(1, days=92, mean=200)
    change = next(i for i, (_, local, _) in enumerate(values) if local.utcoffset())
    on_the_wall = alarms(readings(values))
    in_utc = alarms(readings([(at, local - (local.utcoffset() or timedelta()), v) for at, local, v in values]))
    assert [i for i in on_the_wall if i >= change] == []
    assert [i for i in in_utc if i >= change] != []


def test_heavy_tails_become_quieter():
    """Noise with wild values: what it has done often is spoken of ever less; half of the alarms come early."""
    draw = random.Random(2)
    wild = [(at, local, draw.gauss(0, 1) / math.sqrt(draw.gammavariate(2, 0.5))) for at, local in hours(360)]
    found = alarms(readings(wild, is_count=False))
    assert len(found) <= 12
    assert sum(i >= 180 * 24 for i in found) <= len(found) / 2 + 1


# ---- heard ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "within", "rises"),
    [
        pytest.param(lambda i, local: 0.0 if 9 <= local.hour < 15 else 1.0, 24, False, id="no orders from 9 to 15"),
        pytest.param(lambda i, local: 3.0 if 11 <= local.hour < 14 else 1.0, 24, True, id="three times at noon"),
        pytest.param(lambda i, local: 12.0 if local.hour == 3 else 1.0, 24, True, id="a rush at night"),
        pytest.param(lambda i, local: 2.0, 24, True, id="a sales day"),
        pytest.param(lambda i, local: 0.3 if local.hour > 17 else 1.0, 24, False, id="no evening"),
        pytest.param(lambda i, local: 0.5, 48, False, id="half, and it stays so"),
        pytest.param(lambda i, local: 1.8, 48, True, id="much more, and it stays so"),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_something_happens(change, within, rises, seed):
    """Heard while it happens, on the side that it is on, and before it at most once in two months."""
    stays = within > 24
    values = orders(
        seed,
        days=64,
        mean=60,
        change=lambda i, local: change(i, local) if i >= DAY_60 and (stays or i < DAY_60 + within) else 1.0,
    )
    read = readings(values)
    found = alarms(read)
    during = [i for i in found if DAY_60 <= i < DAY_60 + within]
    assert during
    assert read[during[0]].rises is rises
    assert sum(i < DAY_60 for i in found) <= 2


def test_one_incident_is_one_alarm():
    """A morning without orders is many strange hours and one alarm."""
    values = orders(4, days=62, mean=60, change=lambda i, local: 0.0 if DAY_60 + 8 <= i < DAY_60 + 16 else 1.0)
    read = readings(values)
    found = [i for i in alarms(read) if i >= DAY_60]
    assert len(found) == 1
    assert sum(r.surprise >= 4 for r in read[DAY_60:]) > 2


@pytest.mark.parametrize("apart", [60, 400])
def test_a_wild_value_does_not_deafen(apart):
    """A hundred times the usual, and later again: both are heard, and a third of it, too, once the rest is over."""
    draw = random.Random(6)
    wild = {2_000: 5_000.0, 2_000 + apart: 5_000.0, 2_000 + apart + 1_500: 150.0}
    read = readings(_minutes(4_000, lambda i, h: wild.get(i, 50 + draw.gauss(0, 2))), is_count=False)
    assert [i for i in alarms(read) if i >= 2_000] == sorted(wild)


@pytest.mark.parametrize(
    ("usually", "value", "speaks"),
    [
        pytest.param(0.02, 1, False, id="1 where 0 is usual is chance"),
        pytest.param(0.02, 3, False, id="3 where 0 is usual"),
        pytest.param(0.02, 12, True, id="12 where 0 is usual"),
        pytest.param(1.0, 3, False, id="3 where 1 is usual is no spike"),
        pytest.param(1.0, 20, True, id="20 where 1 is usual"),
        pytest.param(9.0, 18, False, id="twice 9"),
        pytest.param(400.0, 800, True, id="twice 400"),
    ],
)
def test_counts_have_a_noise_of_their_own(usually, value, speaks):
    """The same ratio is chance for few and news for many."""
    draw = random.Random(8)
    values = list(_minutes(3_001, lambda i, h: float(value if i == 3_000 else poisson(draw, usually))))
    assert (alarms(readings(values))[-1:] == [3_000]) is speaks


def test_sides():
    """Only falls: a rise is learned and not spoken of."""
    draw = random.Random(9)
    detector = Detector()
    odd = {1_000: 80.0, 2_000: 20.0}
    read = [
        detector.observe(at, at, v, rises=False)
        for at, _, v in _minutes(2_100, lambda i, h: odd.get(i, 50 + draw.gauss(0, 1)))
    ]
    assert [(i, read[i].rises) for i in alarms(read)] == [(2_000, False)]


def test_the_explanation():
    """The statistic that spoke, the side and what is usual at that time."""
    values = orders(1, days=61, mean=20, change=lambda i, local: 15.0 if i == DAY_60 + 3 else 1.0)
    read = readings(values)[DAY_60 + 3]
    local = values[DAY_60 + 3][1]
    assert read.statistic in (Statistic.TIME_OF_DAY, Statistic.TIME_OF_WEEK)
    assert read.rises
    assert read.expected == pytest.approx(20 * usual(local), abs=1.5)


# ---- gaps and learning ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step_s", "learning"),
    [
        pytest.param(300, 432, id="a day and a half of five minutes"),
        pytest.param(3_600, LEARNING, id="as many values of an hour"),
    ],
)
def test_learning_says_nothing(step_s, learning):
    """Before there is enough to compare with, nothing is surprising, and it says that it is learning."""
    draw = random.Random(1)
    values = _minutes(learning + 1, lambda i, h: 1e6 if i == 100 else draw.gauss(50, 1), step_s)
    read = readings(values, is_count=False)
    assert {r.surprise for r in read[:learning]} == {0.0}
    assert [r.is_learning for r in read] == [True] * learning + [False]


@pytest.mark.parametrize(("step_s", "learning"), [(300, 432), (900, LEARNING), (3_600, LEARNING)])
def test_how_long_it_learns(step_s, learning):
    """After each bucket, how many are left until one is judged."""
    detector, left = Detector(), []
    for at, _, v in _minutes(learning + 2, lambda i, h: 50.0, step_s):
        detector.observe(at, at, v)
        left.append(detector.still_to_learn(step_s))
    assert left == [*range(learning - 1, -1, -1), 0, 0]


def test_missing_is_not_zero():
    """Missing buckets, a night without any and a week of silence of the source change nothing."""
    draw = random.Random(7)
    values = [
        (at, local, v if draw.random() > 0.2 and not 0 <= local.hour < 5 and not 1_000 <= i < 1_168 else None)
        for i, (at, local, v) in enumerate(orders(7, days=90, mean=60))
    ]
    assert len(alarms(readings(values))) <= 1


def test_a_mean_does_not_span_a_gap():
    """After a long gap the means of several buckets begin anew: a high value before it is not held against it."""
    detector = Detector()
    draw = random.Random(3)
    values = list(_minutes(1_000, _noise(draw)))
    for at, _, v in values:
        detector.observe(at, at, v)
    last = values[-1][0]
    for i in range(1, 12):  # eleven of twelve: nearly enough for a mean
        detector.observe(last + i * 300, last + i * 300, 54.0)
    after = [detector.observe(last + 86_400 + i * 300, last + 86_400 + i * 300, 50.0) for i in range(11)]
    assert {r.statistic for r in after} <= {None, Statistic.VALUE, Statistic.TIME_OF_DAY, Statistic.TIME_OF_WEEK}


# ---- state ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 1, 75, LEARNING - 1, LEARNING, 300, 600, 1_199])
def test_cut_anywhere(cut):
    """Stored and taken back, in the middle of learning too: the same readings and the same incidents."""
    values = orders(2, days=50, change=lambda i, local: 8.0 if i in (500, 900, 901) else 1.0)
    whole, incidents = Detector(is_count=True), Incidents()
    expected = []
    for at, local, v in values:
        read = whole.observe(at, wall_s(local), v)
        incidents.take(read)
        expected.append((read, incidents.worth))
    detector, said = Detector(is_count=True), Incidents()
    found = []
    for i, (at, local, v) in enumerate(values):
        if i == cut:
            stored = pack([detector.state(), said.state()])
            detector, said = Detector(is_count=True), Incidents()
            state, incident_state = unpack(stored)
            detector.restore(state)
            said.restore(incident_state)
        read = detector.observe(at, wall_s(local), v)
        said.take(read)
        found.append((read, said.worth))
    assert found == expected
    assert whole.state() == detector.state()
    assert len(alarms([read for read, _ in expected])) >= 2


def test_memory_is_bounded():
    """A series costs less than 5 KB once it has learned, and never more than 10 KB, however long it goes on."""
    draw = random.Random(1)
    detector = Detector()
    sizes = []
    for at, _, v in _minutes(6_000, _noise(draw)):
        detector.observe(at, at, v)
        sizes.append(len(pack(detector.state())) if at % 30_000 == 0 else 0)
    assert max(sizes) < 10_000
    assert max(sizes[1_000:]) < 5_000


def test_time_never_looks_ahead():
    """What comes later changes nothing of what was said."""
    values = orders(1, days=40)
    assert (
        readings(values)[:600] == readings([*values[:600], *((at, local, 1e6) for at, local, _ in values[600:])])[:600]
    )
