"""Bands: within one no verdict is a breach, and a table finds who leaves it when a bucket closes."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rooms import BEGINS, past_of, runtime_of
from shorthand import ORDERS, SESSIONS, bounds, flow, level, of, ratio, rule, when
from test_judge_properties import examples

from lockstep.judge.group_view import GroupView
from lockstep.judge.screen.band_table import BandTable
from lockstep.judge.screen.table_memory import WarmGroups
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.exact import SCALE
from lockstep.measure.history import LevelHistory
from lockstep.measure.sample import Partial
from lockstep.rule.condition.bound import Bounds, OfTable
from lockstep.rule.condition.condition_kind import Band, widest
from lockstep.rule.condition.kinds import (
    Absence,
    All,
    AnyOf,
    Baseline,
    Change,
    Condition,
    Level,
    Override,
    Severity,
    Share,
    Spike,
    series_of_condition,
)
from lockstep.rule.condition.verdicts import judge, resolve, screen_of
from lockstep.rule.condition.view import Instant, Kind
from lockstep.text.rfc3339 import SECOND

WEB = ("web",)
BASKET = flow("average", field="total")
LARGEST = flow("maximum", field="total")
CONVERSION = ratio(ORDERS, SESSIONS)


def levels(*texts: str) -> tuple[Level, ...]:
    return tuple(Level(Severity.WARNING, bounds(text)) for text in texts)


def overridden(condition: Condition, **by_channel: str) -> Condition:
    """With a level of its own for some channels."""
    overrides = tuple(Override((("channel", name),), levels(text)) for name, text in by_channel.items())
    return condition.__class__(**{**vars(condition), "overrides": overrides})


def between(low: float, high: float) -> Condition:
    made = when(ORDERS, "above 0", window=300)
    return made.__class__(**{**vars(made), "levels": (Level(Severity.WARNING, Bounds(at_least=low, at_most=high)),)})


def share(*texts: str, least: float = 0.0, confidence: float | None = None) -> Share:
    """Of sessions the orders."""
    return Share(of(ORDERS), of(SESSIONS), 300, levels(*texts), least, confidence)


def spike(expression: SeriesDef = ORDERS, **more: float) -> Spike:
    """Against the ten minutes before."""
    return Spike(of(expression), 300, Baseline(previous_s=600), Severity.WARNING, **more)


def change(expression: SeriesDef = ORDERS, **more: Any) -> Change:
    """Of five minutes against the five before."""
    return Change(of(expression), 300, Severity.WARNING, **more)


CONDITIONS: list[Condition] = [
    when(ORDERS, "below 5", window=300),
    when(ORDERS, "warning at_most 6", "critical below 2", window=300),
    when(ORDERS, "warning below 3", "critical above 20", window=300),
    between(6, 9),
    overridden(when(ORDERS, "below 2", window=300), web="below 6"),
    when(BASKET, "below 40", window=300),
    when(BASKET, "above 60.5", window=300),
    when(LARGEST, "at_least 70", window=120),
    when(CONVERSION, "below 0.5", window=300),
    when(CONVERSION, "at_least 1.5", window=300),
    share("below 0.5", least=4.0),
    share("above 1.2", least=2.0),
    overridden(share("above 2"), web="at_least 1.5"),
    share("above 0.6", confidence=0.8),
    share("below 0.4", least=2.0, confidence=0.6),
    spike(below=0.6),
    spike(below=0.7, usual_at_least=3.0, deviations=0.5),
    spike(below=0.8, below_by=1.0, above=1.2, at_least=4.0),
    spike(above=1.1, below=0.9, usual_at_least=0.0, chance=0.3),
    spike(BASKET, above=1.05),
    spike(BASKET, below=0.95, above=1.1),
    spike(deviations=1.0),
    spike(deviations=0.6, usual_at_least=3.0),
    change(),
    change(by=4.0),
    change(by=3.0, up=False),
    change(BASKET, by_ratio=0.1),
    change(by_ratio=0.5, by=2.0, down=False),
    change(by_ratio=1.0),
    Absence(of(ORDERS), 180, Severity.WARNING),
    Absence(of(BASKET), 180, Severity.WARNING),
    Absence(CONVERSION, 120, Severity.WARNING),
]


def band(condition: Condition) -> Band:
    found = screen_of(condition)
    assert isinstance(found, Band)
    return found


class Told:
    """A past of the series of a condition in which one group is told of."""

    def __init__(self, condition: Condition) -> None:
        self.runtime = runtime_of(rule(condition))
        self.past = past_of(self.runtime)
        self.condition = resolve(condition, {"channel": "web"})
        self._upto = 0

    def tell(self, series: SeriesDef, amounts: Mapping[int, list[int]]) -> int | None:
        """So many events by minute after BEGINS, each with its amount in units."""
        self._upto += 1
        buckets = [(BEGINS + m * 60, _aggregate(series, each)) for m, each in sorted(amounts.items()) if each]
        place = (0, 0, self._upto)
        partial = Partial(series.id, WEB, buckets)
        changed, _ = self.past.histories.take_partial((series.source, 0), place, partial, closed=None)
        return changed

    def breaches(self, end: int) -> bool:
        view = GroupView(self.past)
        view.look_at_labels(WEB)
        return judge(self.condition, view, Instant(end, end * SECOND), None).kind is Kind.BREACH

    def is_met(self, end: int) -> bool:
        view = GroupView(self.past)
        view.look_at_labels(WEB)
        figures = band(self.condition).read(view, end)
        return figures is not None and band(self.condition).is_met(figures)


def _aggregate(series: SeriesDef, amounts: list[int]) -> object:
    if series.aggregate is Aggregate.COUNT:
        return len(amounts)
    if series.aggregate is Aggregate.AVERAGE:
        return [sum(amounts) * SCALE, len(amounts)]
    return max(amounts) * SCALE


minutes = st.lists(st.lists(st.integers(20, 90), max_size=5), min_size=12, max_size=12)


@examples(150)
@given(st.sampled_from(CONDITIONS), minutes, minutes)
def test_within_the_band_nothing_breaches(condition, orders, sessions):
    """At every bucket end, whatever the window has."""
    told = Told(condition)
    for series in series_of_condition(condition):
        told.tell(series, dict(enumerate(sessions if series == SESSIONS else orders)))
    for minute in range(2, 20):
        end = BEGINS + minute * 60
        assert told.is_met(end) or not told.breaches(end)


@pytest.mark.parametrize(
    ("condition", "orders", "is_met"),
    [
        pytest.param(when(ORDERS, "below 100", window=300), 99, True, id="just below"),
        pytest.param(when(ORDERS, "below 100", window=300), 101, False, id="just above a lower limit"),
        pytest.param(when(ORDERS, "warning below 50", "critical above 100", window=300), 101, True, id="just above"),
        pytest.param(when(ORDERS, "warning below 50", "critical above 100", window=300), 99, False, id="between"),
        pytest.param(between(100, 200), 100, True, id="at the lower end of a range"),
        pytest.param(between(100, 200), 99, False, id="below a range"),
        pytest.param(overridden(when(ORDERS, "below 10", window=300), web="below 100"), 99, True, id="by an override"),
        pytest.param(overridden(when(ORDERS, "below 100", window=300), web="below 10"), 99, False, id="an override's"),
        pytest.param(when(CONVERSION, "below 0.5", window=300), 49, True, id="a quotient"),
        pytest.param(when(CONVERSION, "below 0.5", window=300), 51, False, id="a quotient above its limit"),
        pytest.param(share("above 0.5"), 51, True, id="a share"),
        pytest.param(share("above 0.5"), 49, False, id="a share below its limit"),
        pytest.param(share("above 0.5", least=100.0), 51, True, id="of just enough"),
        pytest.param(share("above 0.5", least=101.0), 51, False, id="of too little"),
        pytest.param(spike(below=0.5), 24, True, id="half of what is usual"),
        pytest.param(spike(below=0.5), 26, False, id="more than half"),
        pytest.param(spike(below=0.5, above=2.0), 101, True, id="twice"),
        pytest.param(spike(below=0.5, above=2.0), 99, False, id="less than twice"),
        pytest.param(spike(below=0.5, usual_at_least=51.0), 24, False, id="of what is too little"),
        pytest.param(change(by=100.0), 101, True, id="a hundred more than the window before"),
        pytest.param(change(by=100.0), 99, False, id="less than a hundred more"),
    ],
)
def test_the_ends_of_a_band(condition, orders, is_met):
    """A hundred sessions, and so many orders after a hundred in twice the time."""
    told = Told(condition)
    told.tell(ORDERS, {3: [1] * 100, 12: [1] * orders})
    if SESSIONS in series_of_condition(condition):
        told.tell(SESSIONS, {11: [1] * 100})
    assert told.is_met(BEGINS + 900) is is_met


def test_of_a_table_the_easiest_number_counts():
    """For all groups together; each then has its own."""
    rows = ((("app",), 20.0), (("web",), 5.0), (("shop",), None))
    source = OfTable("low.csv", "few", ("channel",), rows, otherwise=9.0, times=2.0, plus=1.0)
    made = when(ORDERS, "below 1", window=300)
    condition = made.__class__(
        **{**vars(made), "levels": (Level(Severity.WARNING, Bounds(sources=(("below", source),))),)}
    )
    assert [
        band(one).low
        for one in (condition, resolve(condition, {"channel": "web"}), resolve(condition, {"channel": "x"}))
    ] == [(41, 1), (11, 1), (9, 1)]
    assert screen_of(resolve(condition, {"channel": "shop"})) is None


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param(overridden(when(ORDERS, "below 5"), web="above 9"), id="some groups rise, some fall"),
        pytest.param(when(ratio(ORDERS, SESSIONS), "below 5", window=None), id="levels"),
    ],
)
def test_what_has_no_screen(condition):
    """What may be told before its bucket has closed is no band."""
    assert screen_of(condition) is None


def test_the_widest_of_several_misses_none():
    """Rules that read the same are compared at once."""
    conditions = (
        when(ORDERS, "below 5"),
        when(ORDERS, "below 8"),
        when(ORDERS, "warning below 2", "critical above 90"),
    )
    one = widest([band(condition) for condition in conditions])
    assert (one.low, one.high, one.least) == ((8, 1), (90, 1), None)


class Table:
    """A table for some rules on orders, of which one group is told of minute by minute."""

    def __init__(self, *conditions: Condition) -> None:
        self._told = Told(conditions[0])
        self.runtimes = [runtime_of(rule(condition)) for condition in conditions]
        self.table = BandTable(self.runtimes, self._told.past)
        self._sold: dict[int, list[int]] = {}

    def sell(self, minute: int, orders: int) -> None:
        """So many orders in a minute after BEGINS, also in one that has closed: a meter tells of it anew."""
        self._sold[minute] = [1] * orders
        changed = self._told.tell(ORDERS, self._sold)
        assert changed is not None
        self.table.take(WEB, [BEGINS + minute * 60], changed)

    def close(self, minute: int) -> None:
        """All minutes before one close."""
        self.table.advance_to(BEGINS + minute * 60)
        for runtime in self.runtimes:
            runtime.closed = self.table.closed

    @property
    def visits(self) -> list[int | None]:
        """For each rule the minute at whose begin it is to look at the group; None: it has none."""
        groups = [runtime.groups.get(WEB) for runtime in self.runtimes]
        at = [None if group is None else group.visit_at for group in groups]
        return [None if instant is None else (instant // SECOND - BEGINS) // 60 for instant in at]

    def cools(self, minute: int) -> list[bool]:
        return [self.table.cools(r.groups[WEB], BEGINS + minute * 60) for r in self.runtimes if WEB in r.groups]


def test_a_group_is_cold_until_its_bucket_closes_outside():
    """Whose band it leaves looks at it at that bucket end; the others do not."""
    table = Table(when(ORDERS, "below 5", window=300), when(ORDERS, "below 3", window=300))
    table.sell(0, 4)
    assert table.visits == [None, None]
    table.close(1)
    assert table.visits == [1, None]


def test_each_bucket_is_looked_at_when_it_closes():
    table = Table(when(ORDERS, "below 5", window=60))
    for minute, orders in enumerate((9, 8, 4)):
        table.sell(minute, orders)
        table.close(minute + 1)
    assert table.visits == [3]


def test_a_bucket_that_leaves_is_looked_at_when_it_does():
    """Minute by minute: at the sixth the window has lost the nine orders of the first."""
    table = Table(when(ORDERS, "below 5", window=300))
    table.sell(0, 9)
    table.sell(2, 4)
    visits = []
    for minute in range(1, 7):
        table.close(minute)
        visits += table.visits
    assert visits == [None] * 5 + [6]


def test_what_comes_for_a_bucket_that_has_closed_is_looked_at_with_the_next():
    table = Table(when(ORDERS, "warning below 2", "critical above 20", window=300))
    table.sell(0, 9)
    table.close(2)
    table.sell(1, 15)
    assert table.visits == [None]
    table.close(3)
    assert table.visits == [3]


def test_what_leaves_the_window_is_seen():
    """Without anything new: five minutes lose their first."""
    table = Table(when(ORDERS, "below 5", window=300))
    table.sell(0, 4)
    table.sell(2, 6)
    table.close(5)
    table.runtimes[0].groups.clear()
    table.close(6)
    assert table.visits == [None]
    table.close(8)
    assert table.visits == [8]


def test_many_buckets_that_close_at_once_are_looked_at_one_by_one():
    table = Table(when(ORDERS, "below 5", window=300))
    table.sell(0, 9)
    table.sell(4, 7)
    table.close(3_000)
    assert table.visits == [10]
    assert table.cools(10) == [False]
    assert table.cools(3_000) == [False]


def test_a_warm_group_is_looked_at_whatever_it_gets_until_it_is_within_again():
    table = Table(when(ORDERS, "below 5", window=300))
    table.sell(0, 3)
    table.close(1)
    table.runtimes[0].groups[WEB].visit_at = None
    table.sell(1, 1)
    assert table.visits == [2]
    table.close(2)
    assert table.cools(2) == [False]
    table.sell(2, 7)
    table.close(3)
    assert table.cools(3) == [True]
    table.runtimes[0].groups[WEB].visit_at = None
    table.sell(3, 1)
    assert table.visits == [None]


LEFT = level(by=("channel",))
LITTLE = when(LEFT, "below 9", window=None)


@pytest.mark.parametrize(
    ("parts", "screened"),
    [
        pytest.param((LITTLE, when(ORDERS, "below 5")), band(when(ORDERS, "below 5")), id="the part on a flow"),
        pytest.param(
            (when(BASKET, "below 5"), when(ORDERS, "above 5")),
            screen_of(when(ORDERS, "above 5")),
            id="a rise first",
        ),
        pytest.param((LITTLE, when(LEFT, "above 2", window=None)), None, id="levels alone"),
    ],
)
def test_an_all_is_clear_where_a_part_is(parts, screened):
    assert screen_of(All(parts, Severity.WARNING)) == screened
    assert screen_of(AnyOf(parts, Severity.WARNING)) is None


def left(amount: int, *, seconds: int = 61) -> LevelHistory:
    """A level that was set so many seconds after BEGINS."""
    history = LevelHistory()
    history.apply(("inventory", 0), "A", (BEGINS + seconds) * SECOND, 0, amount * SCALE)
    return history


def test_a_group_that_sleeps_is_woken_by_its_level_alone():
    """Until it is cold: whoever is warm again is looked at."""
    group = runtime_of(rule(All((when(ORDERS, "above 5"), LITTLE), Severity.WARNING))).group(WEB)
    warm = WarmGroups()
    warm.add(group)
    group.asleep = True
    warm.schedule(WEB, BEGINS + 60)
    warm.begin(group, BEGINS + 60)
    assert group.visit_at is None
    warm.wake(WEB, LEFT, left(8), (BEGINS + 61) * SECOND)
    assert group.visit_at == (BEGINS + 120) * SECOND
    warm.discard(group)
    warm.begin(group, BEGINS + 60)
    assert group.visit_at == (BEGINS + 60) * SECOND


@pytest.mark.parametrize(
    ("history", "asleep", "visit"),
    [
        pytest.param(left(9), True, None, id="9 is not below 9"),
        pytest.param(left(8), True, 120, id="8 is"),
        pytest.param(left(9), False, 120, id="it is awake"),
        pytest.param(left(9, seconds=121), True, 120, id="at that bucket end it was another"),
    ],
)
def test_a_value_that_keeps_a_group_asleep_does_not_wake_it(history, asleep, visit):
    """Of "few left, and many orders", one that is not few: nothing is to be looked at, at no bucket end."""
    group = runtime_of(rule(All((when(ORDERS, "above 5"), LITTLE), Severity.WARNING))).group(WEB)
    warm = WarmGroups()
    warm.add(group)
    group.asleep = asleep
    warm.wake(WEB, LEFT, history, (BEGINS + 61) * SECOND)
    assert group.visit_at == (None if visit is None else (BEGINS + visit) * SECOND)


def test_a_group_that_is_known_by_its_level_alone_is_looked_at():
    """It has no order, which is fewer than five."""
    runtime = runtime_of(rule(All((LITTLE, when(ORDERS, "below 5", window=300)), Severity.WARNING)))
    table = BandTable([runtime], past_of(runtime))
    table.advance_to(BEGINS + 60)
    table.take_level(WEB, LEFT, left(8), (BEGINS + 61) * SECOND)
    table.advance_to(BEGINS + 120)
    assert runtime.groups[WEB].visit_at == (BEGINS + 120) * SECOND


def test_before_its_source_has_begun_nothing_is_not_zero():
    """A group that is known by its level is looked at: the first order of anybody makes it one with none."""
    runtime = runtime_of(rule(All((LITTLE, when(ORDERS, "below 5", window=300)), Severity.WARNING)))
    table = BandTable([runtime], past_of(runtime_of(rule(LITTLE))))
    table.advance_to(BEGINS + 60)
    table.take_level(WEB, LEFT, left(8), (BEGINS + 61) * SECOND)
    table.advance_to(BEGINS + 120)
    assert runtime.groups[WEB].visit_at == (BEGINS + 120) * SECOND
    assert not table.cools(runtime.groups[WEB], BEGINS + 120)


def test_after_a_restore_all_groups_are_looked_at_once():
    table = Table(when(ORDERS, "below 5", window=300))
    table.sell(0, 4)
    table.close(2)
    again = BandTable([runtime := runtime_of(table.runtimes[0].rule)], table._told.past)
    runtime.closed = BEGINS + 120
    again.begin()
    assert runtime.groups[WEB].visit_at == (BEGINS + 180) * SECOND
