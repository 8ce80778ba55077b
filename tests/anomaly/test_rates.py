"""Whatever a series is like, what it often does is told ever less; what is told at `low` is told at `high`."""

import random
from datetime import timedelta
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop_series import HOUR, LONDON, START, alarms, open_at
from wild_series import MONTH_S, WILD

from lockstep.measure.anomaly_detector import SENSITIVITY, Detector, Incidents, Reading, Statistic
from lockstep.measure.history import pack, unpack
from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest.replay import replay_events
from lockstep.transition import TransitionName

MONTHS = 8


@pytest.mark.parametrize(
    ("name", "seed"),
    [(name, seed) for name, wild in WILD.items() for seed in (21, 22)[: 2 if wild.step_s == HOUR else 1]],
)
def test_the_rate_settles(name, seed):
    """At the default at most one alarm a month, the first included, and fewer than that in the second half."""
    wild = WILD[name]
    months = MONTHS if wild.step_s == HOUR else 2
    detector = Detector(is_count=wild.is_count)
    read = [detector.observe(at, local, value) for at, local, value in wild.buckets(seed, months)]
    found = {s: [read[i].at_s - read[0].at_s for i in alarms(read, bar)] for s, bar in SENSITIVITY.items()}
    assert len(found["medium"]) <= MONTHS
    assert sum(at >= MONTH_S * months / 2 for at in found["medium"]) <= months / 2
    assert len(found["low"]) <= MONTHS / 2
    assert len(found["low"]) <= len(found["medium"]) <= len(found["high"])


def test_what_recurs_hides_nothing_on_the_other_side():
    """A batch order every fifty hours is told no more; that nothing is sold for half a day is, and 100,000 are."""
    draw = random.Random(7)
    odd = dict.fromkeys(range(2_520, 2_532), 0.0) | {2_720: 1e6}
    detector, read = Detector(), []
    for hour in range(2_800):
        value = odd.get(hour, 100 + draw.gauss(0, 10) + (9_900 if hour >= 500 and hour % 50 == 0 else 0))
        read.append(detector.observe(int(START.timestamp()) + hour * HOUR, hour * HOUR, value))
    found = alarms(read)
    told = [i for i in found if 500 <= i < 2_500 and i % 50 == 0]
    assert 500 in told
    assert len(told) <= 4
    assert max(told) <= 700
    assert any(2_520 <= i < 2_534 for i in found)


# ---- sensitivities --------------------------------------------------------------------------------------------------

SURPRISES = st.one_of(
    st.just(0.0), st.floats(2, 6), st.sampled_from([*SENSITIVITY.values(), 2.0, 4.0, 99.0, 1e9]), st.floats(0, 1e6)
)
READ = st.lists(st.tuples(st.integers(1, 40 * 86_400), SURPRISES, st.booleans()), max_size=60)


def _readings(read: list[tuple[int, float, bool]]) -> list[Reading]:
    times = accumulate(gap for gap, _, _ in read)
    return [
        Reading(at, surprise, Statistic.VALUE if surprise else None, rises, 0.0, is_learning=False)
        for at, (_, surprise, rises) in zip(times, read, strict=True)
    ]


@settings(max_examples=200)
@given(READ)
def test_high_holds_medium_and_medium_holds_low(read):
    """At every instant: what is open at a lower sensitivity is open at each higher one."""
    low, medium, high = (open_at(_readings(read), SENSITIVITY[s]) for s in ("low", "medium", "high"))
    assert all(a <= b <= c for a, b, c in zip(low, medium, high, strict=True))


@settings(max_examples=100)
@given(READ, st.integers(0, 60))
def test_incidents_are_cut_anywhere(read, cut):
    """Stored and taken back, an incident that is going on included: the same worth at each instant."""
    whole, cut_one = Incidents(), Incidents()
    for i, reading in enumerate(_readings(read)):
        if i == cut:
            stored = unpack(pack(cut_one.state()))
            cut_one = Incidents()
            cut_one.restore(stored)
        whole.take(reading)
        cut_one.take(reading)
        assert cut_one.worth == whole.worth
    assert cut_one.state() == whole.state()


RULES = """
measures:
  revenue: {sum: total, of: order.placed}
rules:
  - name: Low
    anomaly: {measure: revenue, sensitivity: low, bucket: 1h}
  - name: Medium
    anomaly: {measure: revenue, bucket: 1h}
  - name: High
    anomaly: {measure: revenue, sensitivity: high, bucket: 1h}
"""


def test_a_batch_order_every_fifty_hours():
    """Twenty weeks of one: 58 alarms would be one each; `low` says less than `medium`, `medium` less than `high`."""
    draw = random.Random(7)
    events: list[dict[str, Any]] = []
    for hour in range(24 * 7 * 20):
        total = draw.gauss(10_000, 500) if hour >= 500 and (hour - 500) % 50 == 0 else draw.gauss(100, 10)
        events.append(
            {
                "specversion": "1.0",
                "id": str(hour),
                "source": "/shop",
                "type": "order.placed",
                "time": (START + timedelta(hours=hour, minutes=5)).isoformat(),
                "data": {"order_id": "o", "total": round(total, 2), "lines": [], "currency": "GBP"},
            }
        )
    loaded = load_texts({"rules.yml": RULES})
    assert not loaded.errors
    said = [t.rule for t in replay_events(loaded.plan, events, zone=LONDON) if t.state is TransitionName.FIRING]
    assert said.count("Low") == 1
    assert said.count("Medium") <= 5
    assert said.count("Medium") < said.count("High") <= 20
