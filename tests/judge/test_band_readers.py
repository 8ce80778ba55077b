"""What a band reads is what its verdict is made of: one that reads or asks for a little else misses a breach.

`test_bands` holds the bands to the verdicts. Here the same comparison sees each of them go wrong, so that it would be
seen if one did; and the bands of earlier days are held to their verdicts.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from rooms import BEGINS
from shorthand import ORDERS, of
from test_bands import BASKET, CONVERSION, Told, change, share, spike

from lockstep.judge.group_view import GroupView
from lockstep.measure.definition import SeriesDef
from lockstep.rule.condition.condition_kind import Band, Figures, Rise
from lockstep.rule.condition.kinds import Absence, Baseline, Condition, Severity, Spike, series_of_condition
from lockstep.rule.condition.verdicts import screen_of
from lockstep.rule.condition.view import View
from lockstep.text.time_units import DAY_S

SHOPS = 400
"""So many shops are tried until a mutant misses a breach."""
WEB = ("web",)


def further(limit: tuple[int, int] | None, *, up: bool) -> tuple[int, int]:
    """A limit that is a twentieth harder to reach."""
    assert limit is not None
    number = Fraction(*limit)
    by = max(abs(number) / 20, Fraction(1, 1_000))
    return (number + by if up else number - by).as_integer_ratio()


def read_otherwise(made: Band, change_it: Callable[[Figures], Figures]) -> Band:
    def read(view: View, end: int) -> Figures | None:
        figures = made.read(view, end)
        return None if figures is None else change_it(figures)

    return replace(made, read=read)


MUTANTS: dict[str, Callable[[Band], Band]] = {
    "low": lambda b: replace(b, low=further(b.low, up=False)),
    "high": lambda b: replace(b, high=further(b.high, up=True)),
    "least": lambda b: replace(b, least=None if b.least is None else b.least + b.least // 20),
    "the bucket before": lambda b: replace(b, read=lambda view, end: b.read(view, end - 60)),
    "the bucket after": lambda b: replace(b, read=lambda view, end: b.read(view, end + 60)),
    "a larger part": lambda b: read_otherwise(b, lambda f: (f[0] + abs(f[0]) // 20, f[1])),
    "a smaller part": lambda b: read_otherwise(b, lambda f: (f[0] - abs(f[0]) // 20, f[1])),
    "a larger whole": lambda b: read_otherwise(b, lambda f: (f[0], f[1] + f[1] // 20)),
    "a smaller whole": lambda b: read_otherwise(b, lambda f: (f[0], f[1] - f[1] // 20)),
}
BORDERS = ("the bucket before", "the bucket after")


def caught(condition: Condition, *names: str) -> Iterator[Any]:
    for name in (*names, *BORDERS):
        yield condition, name


SEASON = Baseline(days=2)


def of_days(expression: SeriesDef = ORDERS, baseline: Baseline = SEASON, **more: Any) -> Spike:
    """Five minutes against the same of the two days before."""
    return Spike(of(expression), 300, baseline, Severity.WARNING, **more)


DAILY: list[Condition] = [
    of_days(below=0.6),
    of_days(below=0.5, usual_at_least=4.0),
    of_days(above=1.4, at_least=5.0, usual_at_least=1.0),
    of_days(above=1.5, below=0.5, deviations=0.5),
    of_days(BASKET, above=1.1, below=0.9),
    of_days(above=1.3, chance=0.3),
    of_days(baseline=Baseline(days=3, known_at_least=1), below=0.8),
    of_days(baseline=Baseline(days=3, otherwise=Baseline(previous_s=600)), below=0.7),
    of_days(deviations=1.0),
]


@pytest.mark.parametrize(
    ("condition", "mutant"),
    [
        *caught(share("below 0.5", least=4.0), "low", "least", "a larger part", "a smaller whole"),
        *caught(share("above 1.2", least=2.0), "high", "least", "a smaller part", "a larger whole"),
        *caught(spike(below=0.6), "low", "a larger part", "a smaller whole"),
        *caught(spike(below=0.7, usual_at_least=3.0, deviations=0.5), "least"),
        *caught(spike(below=0.8, below_by=1.0, above=1.2, at_least=4.0), "low", "high"),
        *caught(change(by=4.0), "low", "high"),
        *caught(change(by_ratio=0.5, by=2.0, down=False), "high", "a smaller part", "a larger whole"),
        *caught(change(BASKET, by_ratio=0.1), "low", "high"),
        *caught(Absence(of(ORDERS), 180, Severity.WARNING), "low"),
        *caught(Absence(CONVERSION, 120, Severity.WARNING), "low"),
        *caught(DAILY[0], "low", "a larger part", "a smaller whole"),
        *caught(DAILY[1], "low", "least"),
        *caught(DAILY[2], "high", "a smaller part", "a larger whole"),
        *caught(DAILY[4], "low", "high"),
        *caught(DAILY[7], "low"),
        *caught(spike(deviations=0.6, usual_at_least=3.0), "high", "least", "a smaller part", "a larger whole"),
        *caught(DAILY[8], "high"),
    ],
)
def test_a_reader_that_is_wrong_misses_a_breach(condition, mutant):
    """In one of some hundred shops, however little is wrong with it; the reader that is right misses none there."""
    mutated = MUTANTS[mutant](band_of(condition))
    for seed in range(SHOPS):
        told, ends = shop(condition, seed)
        breaching = [end for end in ends if told.breaches(end)]
        assert all(is_met(told, band_of(condition), end) for end in breaching)
        if not all(is_met(told, mutated, end) for end in breaching):
            return
    pytest.fail(f"no shop showed the mutant '{mutant}'")


@pytest.mark.parametrize("condition", DAILY)
def test_within_the_band_of_earlier_days_nothing_breaches(condition):
    breaches = 0
    for seed in range(30):
        told, ends = shop(condition, seed)
        for end in ends:
            is_breach = told.breaches(end)
            breaches += is_breach
            assert is_met(told, band_of(condition), end) or not is_breach
    assert breaches


def band_of(condition: Condition) -> Band:
    """Of a rise what a bucket end is compared with."""
    found = screen_of(condition)
    made = found.closer if isinstance(found, Rise) else found
    assert made is not None
    return made


def shop(condition: Condition, seed: int) -> tuple[Told, list[int]]:
    """A quarter of an hour of orders and sessions, on one day or on four, and the bucket ends to judge."""
    dice, told = Random(seed), Told(condition)
    days = 4 if condition in DAILY else 1
    for series in series_of_condition(condition):
        most = dice.choice((2, 5, 9))
        amounts = {}
        for day in range(days):
            of_day = dice.choice((most, most, max(1, most // 2)))
            for minute in range(15):
                orders = dice.randrange(of_day + 1) if series == ORDERS or dice.random() < 0.9 else 0
                amounts[day * DAY_S // 60 + minute] = [dice.randrange(20, 90) for _ in range(orders)]
        told.tell(series, amounts)
    return told, [BEGINS + day * DAY_S + minute * 60 for day in range(days) for minute in range(2, 20)]


def is_met(told: Told, made: Band, end: int) -> bool:
    view = GroupView(told.past)
    view.look_at_labels(WEB)
    figures = made.read(view, end)
    return figures is not None and made.is_met(figures)
