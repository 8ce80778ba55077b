"""Values meet their limits exactly: whatever is divided on the way, nothing that was rounded is compared."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import nextafter
from statistics import median
from zoneinfo import ZoneInfo

import pytest
from comparison import judged
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shorthand import ORDERS, SESSIONS, clock, flow, lines, of, orders, sessions

from lockstep.measure.definition import SeriesDef
from lockstep.measure.exact import SCALE, exact, shown
from lockstep.rule.condition.bound import Bounds
from lockstep.rule.condition.kind.share import surely
from lockstep.rule.condition.kinds import Baseline, Change, Level, Severity, Share, Spike
from lockstep.rule.condition.verdicts import judge
from lockstep.rule.condition.view import Instant, Kind
from lockstep.rule.language.load import load_texts
from lockstep.rule.language.quantity import number, ratio

RULES = """
measures:
  orders: {count: order.placed}
  basket: {average: total, of: order.placed}
  revenue: {sum: total, of: order.placed}
  sessions: {count: traffic.session}
  conversion: {formula: orders / sessions}
  paid: {formula: revenue * 1.1}
rules:
  - {name: R, by: [channel], CONDITION}
"""
SPIKE = "spike: {{measure: orders, window: {}, baseline: {{previous: {}}}, above: {}, at_least: 1, usual_at_least: 1}}"


@pytest.mark.parametrize(
    ("condition", "told", "expected"),
    [
        pytest.param(
            SPIKE.format("5m", "30m", "3x"),
            orders("web: 12:00 *28, 12:30 *14"),
            [],
            id="14 is not above three times 28 in 30 minutes, which are 4.666… in 5",
        ),
        pytest.param(
            SPIKE.format("5m", "30m", "3x"),
            orders("web: 12:00 *28, 12:30 *15"),
            ["12:31 web firing warning", "12:36 web resolved warning"],
            id="15 is above it",
        ),
        pytest.param(
            SPIKE.format("7m", "21m", "120%"),
            orders("web: 12:00 *35, 12:21 *14"),
            [],
            id="14 is not above 120 % of 35 in three windows",
        ),
        pytest.param(
            "spike: {measure: orders, window: 7m, baseline: {previous: 21m}, above: 2x, at_least: 1, "
            "usual_at_least: 11.666666}",
            orders("web: 12:00 *35, 12:21 *40"),
            ["12:22 web firing warning", "12:29 web resolved warning"],
            id="a usual value of 35 / 3 is at least 11.666666",
        ),
        pytest.param(
            "spike: {measure: orders, window: 7m, baseline: {previous: 21m}, above: 2x, at_least: 1, "
            "usual_at_least: 11.666667}",
            orders("web: 12:00 *35, 12:21 *40"),
            [],
            id="and less than 11.666667",
        ),
        pytest.param(
            "threshold: {measure: conversion, window: 1m, above: 33.3%}",
            [*orders("web: 12:00 *333"), *sessions("web: 12:00 *1000")],
            [],
            id="333 in 1000 are not above 33.3 %",
        ),
        pytest.param(
            "threshold: {measure: conversion, window: 1m, at_least: 33.3%}",
            [*orders("web: 12:00 *333"), *sessions("web: 12:00 *1000")],
            ["12:01 web firing warning"],
            id="but at least 33.3 %",
        ),
        pytest.param(
            "share: {measure: orders, of: sessions, window: 1m, above: 33.3%, of_at_least: 1}",
            [*orders("web: 12:00 *333"), *sessions("web: 12:00 *1000")],
            [],
            id="a share neither",
        ),
        pytest.param(
            "threshold: {measure: orders, window: 1m, above: {measure: sessions, times: 1.1}}",
            [*orders("web: 12:00 *33"), *sessions("web: 12:00 *30")],
            [],
            id="33 is not above 1.1 times 30",
        ),
        pytest.param(
            "threshold: {measure: paid, window: 1m, above: 3.3}",
            orders("web: 12:00", total=3.0),
            [],
            id="3.00 with ten percent is not above 3.3",
        ),
        pytest.param(
            "threshold: {measure: basket, window: 1m, above: {measure: basket, window: 2m}}",
            orders("web: 12:00 *3", total=0.1) + orders("web: 12:01 *7", total=0.1),
            [],
            id="an average is not above itself",
        ),
    ],
)
def test_a_limit_that_is_reached_is_not_passed(condition, told, expected):
    """`above` and `below` exclude the number, `at_least` includes it, after any division; the slow judge agrees."""
    begun = [*orders("other: 11:00"), *sessions("other: 11:00")]
    loaded = load_texts({"r.yml": RULES.replace("CONDITION", condition)})
    assert loaded.errors == ()
    found = judged(loaded.plan, begun + told, zone=ZoneInfo("UTC"), until=clock("12:40"))
    assert lines(t for t in found if t["labels"]["channel"] == "web") == expected


class Numbers:
    """The histories of a group, given as numbers: window → millionths."""

    zone = ZoneInfo("UTC")

    def __init__(self, flows: Mapping[tuple[int, int], int]) -> None:
        self._flows = flows

    def flow(self, series: SeriesDef, start: int, end: int) -> int:
        return self._flows[start, end]

    def complete_from(self, series: SeriesDef) -> float:
        return 0.0

    def has_events(self, series: SeriesDef, before: int) -> bool:
        return True


SUM = flow("sum", field="total")
WEEK = 7 * 86_400
END = 100 * WEEK
DECIMALS = st.decimals(min_value="0.01", max_value="9", places=2)
COUNTS = st.integers(0, 200).map(lambda n: n * SCALE)
CENTS = st.integers(0, 20_000).map(lambda n: n * SCALE // 100)


@st.composite
def near(draw: st.DrawFn, limit: Fraction) -> int:
    """A value on a limit, or a step beside it."""
    return max(int(limit) + draw(st.integers(-1, 2)), 0)


@st.composite
def spikes(draw: st.DrawFn) -> tuple[Spike, int, list[int], int]:
    """(condition, value, the windows it is compared with, seconds of one that is as long as all of them)."""
    measure = draw(st.sampled_from([ORDERS, SUM]))
    amounts = COUNTS if measure is ORDERS else CENTS
    before = draw(st.lists(amounts, min_size=3, max_size=6))
    stretch = draw(st.sampled_from([0, 700, 900, 1_100, 1_800]))
    usual = Fraction(before[0] * 300, stretch) if stretch else Fraction(median(map(Fraction, before)))
    times = draw(DECIMALS)
    by = draw(DECIMALS)
    kind = draw(st.sampled_from(["above", "below", "above_by", "below_by", "usual_at_least", "deviations"]))
    spread = Fraction(median([abs(b - usual) for b in map(Fraction, before)])) if not stretch else Fraction(0)
    limit = {
        "above": usual * Fraction(times),
        "below": usual * Fraction(times),
        "above_by": usual + Fraction(by) * SCALE,
        "below_by": usual - Fraction(by) * SCALE,
        "usual_at_least": usual,
        "deviations": usual + Fraction(times) * Fraction("1.4826") * spread,
    }[kind]
    value = draw(st.one_of(near(limit), amounts))
    asked = {kind: float(by if kind.endswith("_by") else times)}
    if kind == "usual_at_least":
        asked = {"above": 1.0, kind: draw(st.sampled_from([shown(usual), round(shown(usual), 6)]))}
        asked[kind] = draw(st.sampled_from([asked[kind], nextafter(asked[kind], 1e9)]))
    baseline = Baseline(previous_s=stretch) if stretch else Baseline(weeks=len(before))
    return Spike(of(measure), 300, baseline, Severity.WARNING, **asked), value, before, stretch


@settings(max_examples=300, deadline=None, derandomize=True)
@given(spikes())
def test_a_spike_is_what_fractions_say(drawn):
    """Ratios, differences, deviations and minimums of any usual value, against `fractions.Fraction`."""
    spike, value, before, stretch = drawn
    flows = {(END - 300, END): value}
    if stretch:
        flows[END - 300 - stretch, END - 300] = before[0]
        usual, spread = Fraction(before[0], SCALE) * 300 / stretch, Fraction(0)
    else:
        flows |= {(END - n * WEEK - 300, END - n * WEEK): v for n, v in enumerate(before, 1)}
        units = [Fraction(v, SCALE) for v in before]
        usual = Fraction(median(units))
        spread = Fraction(median([abs(v - usual) for v in units]))
    now = Fraction(value, SCALE)

    def asked(name: str) -> Fraction | None:
        given = getattr(spike, name)
        return None if given is None else Fraction(repr(given))

    distance = abs(now - usual)
    holds = {
        "above": lambda n: now > n * usual and (usual > 0 or spike.usual_at_least is not None),
        "below": lambda n: now < n * usual and usual > 0,
        "above_by": lambda n: now > usual + n,
        "below_by": lambda n: now < usual - n,
        "usual_at_least": lambda n: usual >= n,
        "deviations": lambda n: (
            usual > 0
            and distance > n * Fraction("1.4826") * spread
            and (spike.series[0].aggregate.value != "count" or distance**2 > n**2 * usual)
        ),
    }
    expected = all(hold(limit) for name, hold in holds.items() if (limit := asked(name)) is not None)
    verdict = judge(spike, Numbers(flows), Instant(END, END * SCALE), None)
    assert verdict.kind is (Kind.BREACH if expected else Kind.CLEAR)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(-300, 300), st.integers(-300, 300), DECIMALS, st.booleans())
@example(133, 100, Decimal("0.33"), False)
def test_a_change_is_what_fractions_say(now, before, by, is_ratio):
    """By a number, or by a part of what it was."""
    condition = Change(of(SUM), 300, Severity.WARNING, **{"by_ratio" if is_ratio else "by": float(by)})
    flows = {(END - 300, END): now * SCALE // 100, (END - 600, END - 300): before * SCALE // 100}
    moved = abs(Fraction(now, 100) - Fraction(before, 100))
    far = Fraction(by) * (abs(Fraction(before, 100)) if is_ratio else 1)
    verdict = judge(condition, Numbers(flows), Instant(END, END * SCALE), None)
    assert verdict.kind is (Kind.BREACH if moved > 0 and moved >= far else Kind.CLEAR)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 60), st.integers(1, 60), DECIMALS, st.sampled_from(["above", "below", "at_least", "at_most"]))
@example(333, 1000, Decimal("0.333"), "above")
@example(1, 3, Decimal("0.33"), "above")
def test_a_share_is_what_fractions_say(part, whole, limit, word):
    """A part of a whole against a percent."""
    level = Level(Severity.WARNING, Bounds(**{word: float(limit)}))
    condition = Share(of(ORDERS), of(SESSIONS), 300, (level,), 1.0)

    class Two(Numbers):
        def flow(self, series: SeriesDef, start: int, end: int) -> int:
            return (part if series == ORDERS else whole) * SCALE

    share, bound = Fraction(part, whole), Fraction(limit)
    expected = {"above": share > bound, "below": share < bound, "at_least": share >= bound, "at_most": share <= bound}
    verdict = judge(condition, Two({}), Instant(END, END * SCALE), None)
    assert verdict.kind is (Kind.BREACH if expected[word] else Kind.CLEAR)


@pytest.mark.parametrize(
    ("part", "whole", "bounds", "expected"),
    [
        pytest.param(0, 10, Bounds(at_least=0.0), True, id="the lowest share of none is none"),
        pytest.param(0, 10, Bounds(above=0.0), False, id="which is not above none"),
        pytest.param(1, 1, Bounds(at_least=1.0), False, id="one of one is not surely all"),
        pytest.param(0, 1, Bounds(at_most=0.0), False, id="nor none of one surely none"),
        pytest.param(10, 10, Bounds(at_most=1.0), True, id="the highest share of all is all"),
        pytest.param(10, 10, Bounds(below=1.0), False, id="which is not below all"),
        pytest.param(12, 10, Bounds(at_most=1.0), True, id="more than all counts as all"),
        pytest.param(200, 1000, Bounds(above=0.17), True, id="200 in 1,000 are surely more than 17 %"),
        pytest.param(2, 10, Bounds(above=0.17), False, id="2 in 10 are not"),
        pytest.param(200, 1000, Bounds(below=0.23), True, id="and surely less than 23 %"),
        pytest.param(2, 10, Bounds(below=0.23), False, id="2 in 10 may be more"),
        pytest.param(1, 2, Bounds(above=0.2, below=0.9), False, id="both ends must hold"),
    ],
)
def test_a_share_that_is_sure(part, whole, bounds, expected):
    """The ends of Wilson's interval, without a root that could be rounded over the limit."""
    assert surely(bounds, Fraction(part, whole), Fraction(whole), 0.95) is expected


@given(st.decimals(min_value="0.1", max_value="999.9", places=1))
@settings(max_examples=200, deadline=None, derandomize=True)
@example(Decimal("33.3"))
def test_a_percent_is_the_number_that_was_written(percent):
    """`33.3%` is 0.333, not the double beside it."""
    assert exact(number(f"{percent}%")) == exact(ratio(f"{percent}%")) == percent * SCALE / 100
