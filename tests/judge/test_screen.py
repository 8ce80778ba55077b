"""Screens: below what a screen names no verdict is a breach, and just at it one is; a table finds who reaches it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_pipeline import Pipeline
from rooms import BEGINS, past_of, runtime_of, second
from shorthand import LONDON, ORDERS, STOCK, clock, event, flow, of, orders, plan, rule, when
from test_judge_properties import examples

from lockstep.alert import State
from lockstep.judge.screen.flow_table import FlowTable
from lockstep.judge.screen.level_table import LevelTable
from lockstep.measure.exact import SCALE
from lockstep.measure.sample import LevelValue, Partial
from lockstep.rule.condition.condition_kind import Rise, lowest
from lockstep.rule.condition.kinds import Baseline, Condition, Override, Severity, Spike
from lockstep.rule.condition.verdicts import screen_of
from lockstep.text.rfc3339 import SECOND
from lockstep.tools.backtest.replay import replay_events

START = clock("10:00")
WINDOW, BEFORE = 300, 600


def spike(**more: float) -> Spike:
    return Spike(of(ORDERS), WINDOW, Baseline(previous_s=BEFORE), Severity.WARNING, **more)


CONDITIONS: list[Condition] = [
    when(ORDERS, "above 6", window=WINDOW),
    when(ORDERS, "at_least 6", window=WINDOW),
    spike(above=2.0, at_least=3.0),
    spike(above=1.3),
    spike(above_by=4.0),
    spike(above=1.5, above_by=2.0, at_least=5.0, usual_at_least=1.0),
    spike(above=2.0, deviations=1.0),
    spike(above=2.0, chance=0.2),
]


def screen(condition: Condition) -> Rise:
    found = screen_of(condition)
    assert found is not None
    return found


@examples(60)
@given(st.sampled_from(CONDITIONS), st.lists(st.integers(0, 9), min_size=18, max_size=18))
def test_what_does_not_reach_it_never_fires(condition, minutes):
    """Of every bucket end: the window's orders are fewer than the screen names, or it may have fired there."""
    data = {"channel": "web", "order_id": "o", "total": 1, "lines": []}
    events = [
        event("order.placed", START + timedelta(minutes=i, seconds=n), f"{i}-{n}", **data)
        for i, orders in enumerate(minutes)
        for n in range(orders)
    ]
    told = replay_events(plan(rule(condition)), events, zone=LONDON)
    begin = int(START.timestamp())

    def total(start: int, end: int) -> int:
        first, last = max((start - begin) // 60, 0), max((end - begin) // 60, 0)
        return sum(minutes[first:last]) * SCALE

    for transition in told:
        end = int(datetime.fromisoformat(transition.at).timestamp())
        if transition.state.value == "firing":
            assert total(end - WINDOW, end) >= screen(condition).least_until(end, total)


@pytest.mark.parametrize(
    ("condition", "usual", "least"),
    [
        pytest.param(CONDITIONS[0], 0, 6, id="above a number"),
        pytest.param(CONDITIONS[2], 10, 10, id="twice ten in twice the time"),
        pytest.param(CONDITIONS[2], 1, 3, id="at least"),
        pytest.param(CONDITIONS[3], 20, 13, id="1.3 times"),
        pytest.param(CONDITIONS[4], 20, 14, id="four more"),
        pytest.param(CONDITIONS[5], 20, 15, id="the largest of all"),
        pytest.param(CONDITIONS[2], None, 3, id="without a value of the stretch before"),
    ],
)
def test_what_it_names(condition, usual, least):
    """The number of the rule, or what follows from the stretch before."""
    assert screen(condition).least_until(1_000, lambda *_: None if usual is None else usual * SCALE) == least * SCALE


@pytest.mark.parametrize(
    "condition",
    [
        spike(below_by=5.0),
        Spike(of(flow("sum", field="total")), WINDOW, Baseline(previous_s=BEFORE), Severity.WARNING, deviations=3.0),
        Spike(of(ORDERS), WINDOW, Baseline(weeks=4), Severity.WARNING, below_by=5.0),
    ],
)
def test_what_has_none(condition):
    """A fall by a difference, or deviations alone of what is no count: a verdict is asked."""
    assert screen_of(condition) is None


def test_the_lowest_of_several_misses_none():
    """Rules that ask about the same stretches are screened at once: by the least of each of their limits."""
    screens = [screen(c) for c in (spike(above=2.0, at_least=9.0), spike(above=1.5, above_by=4.0, at_least=12.0))]
    one = lowest(screens)
    assert (one.least, one.times, one.over, one.more) == (9 * SCALE, 3, 2, None)
    assert one.least_until(1_000, lambda *_: 20 * SCALE) == 15 * SCALE


WEB = ("web",)


class Table:
    """A table of orders by channel for some rules, of which one group is told of minute by minute."""

    def __init__(self, *conditions: Condition) -> None:
        self.runtimes = [runtime_of(rule(condition)) for condition in conditions]
        self._past = past_of(self.runtimes[0])
        self.histories = self._past.histories
        self.told = FlowTable(ORDERS, self.runtimes, self.histories)
        self._upto = 0

    def sell(self, minute: int, orders: int) -> None:
        """So many orders in a minute after BEGINS, with those of it that were told before."""
        self._upto += 1
        partial = Partial(ORDERS.id, WEB, [(BEGINS + minute * 60, orders)])
        place = (0, 0, self._upto)
        changed, _ = self._past.histories.take_partial(("orders", 0), place, partial, closed=self.told.closed)
        assert changed is not None
        self.told.take(WEB, [changed], changed)

    def close(self, minute: int) -> None:
        """All minutes before one close."""
        self.told.advance_to(BEGINS + minute * 60)
        for runtime in self.runtimes:
            runtime.closed = self.told.closed

    @property
    def visits(self) -> list[int | None]:
        """For each rule the minute at whose begin it is to look at the group; None: it has none."""
        groups = [runtime.groups.get(WEB) for runtime in self.runtimes]
        at = [None if group is None else group.visit_at for group in groups]
        return [None if instant is None else (instant // SECOND - BEGINS) // 60 for instant in at]

    def cools(self, minute: int) -> list[bool]:
        groups = [runtime.groups[WEB] for runtime in self.runtimes if WEB in runtime.groups]
        return [self.told.cools(group, BEGINS + minute * 60) for group in groups]


def test_a_group_is_cold_until_its_open_bucket_has_what_it_needs():
    """What the window had before counts; a rule of which the limit is higher stays cold."""
    table = Table(when(ORDERS, "at_least 6", window=WINDOW), when(ORDERS, "at_least 60", window=WINDOW))
    table.sell(0, 3)
    table.close(3)
    table.sell(3, 2)
    assert (table.visits, [*map(len, (r.fresh for r in table.runtimes))]) == ([None, None], [0, 0])
    table.sell(3, 3)
    assert (table.visits, [*map(len, (r.fresh for r in table.runtimes))]) == ([4, None], [1, 0])


def test_what_comes_for_a_later_bucket_counts_when_that_is_the_open_one():
    table = Table(when(ORDERS, "at_least 6", window=WINDOW))
    table.sell(0, 1)
    table.close(1)
    table.sell(2, 6)
    assert table.visits == [None]
    table.close(2)
    assert table.visits == [3]


def test_many_buckets_that_close_at_once_are_looked_at_one_by_one():
    """Also before any has closed: the group is due at the first that it reaches."""
    table = Table(when(ORDERS, "at_least 6", window=WINDOW))
    table.sell(0, 1)
    table.sell(4, 5)
    table.close(60)
    assert table.visits == [5]
    table.close(3_000)
    assert table.cools(3_000) == [True]


def test_a_group_is_looked_at_when_what_is_usual_shrinks():
    """Without any new data: ten minutes before the window lose their first bucket."""
    table = Table(Spike(of(ORDERS), 600, Baseline(previous_s=600), Severity.WARNING, above=2.0, at_least=3.0))
    table.sell(0, 9)
    table.sell(12, 4)
    table.close(19)
    assert table.cools(19) == [True]
    table.runtimes[0].groups.clear()
    table.close(20)
    assert table.visits == [21]


def test_a_warm_group_is_looked_at_whatever_it_gets():
    """Until a bucket end finds it below its limit, and the open bucket, too."""
    table = Table(when(ORDERS, "at_least 6", window=WINDOW))
    table.sell(0, 6)
    table.close(4)
    table.runtimes[0].groups[WEB].visit_at = None
    table.sell(4, 1)
    assert (table.visits, table.cools(4)) == ([5], [False])
    table.close(5)
    table.runtimes[0].groups[WEB].visit_at = None
    assert table.cools(5) == [False]
    table.close(6)
    assert table.cools(6) == [True]
    table.sell(6, 2)
    assert table.visits == [None]


def test_a_group_stays_warm_for_what_its_open_bucket_has():
    """The bucket that closed has too little, the next one had enough before it was the open one."""
    table = Table(when(ORDERS, "at_least 6", window=60))
    table.sell(0, 6)
    table.close(1)
    table.sell(1, 1)
    table.sell(2, 6)
    table.close(2)
    assert table.cools(2) == [False]


def test_after_a_restore_all_groups_are_looked_at_once():
    table = Table(when(ORDERS, "at_least 6", window=WINDOW))
    table.sell(0, 6)
    table.close(2)
    again = FlowTable(ORDERS, [runtime := runtime_of(table.runtimes[0].rule)], table.histories)
    runtime.closed = BEGINS + 120
    again.begin()
    assert runtime.groups[WEB].visit_at == (BEGINS + 180) * SECOND


LIMITS = ("below 5", "at_most 12", "above 60")


@pytest.mark.parametrize(
    ("values", "judged"),
    [
        pytest.param("12:00=30", [], id="between all limits"),
        pytest.param("12:00=13", [], id="just above the lower ones"),
        pytest.param("12:00=60", [], id="just at the upper one"),
        pytest.param("12:00=12", ["at_most 12"], id="at one of them"),
        pytest.param("12:00=4", ["below 5", "at_most 12"], id="below two"),
        pytest.param("12:00=61", ["above 60"], id="above"),
    ],
)
def test_a_value_between_all_limits_is_judged_by_no_rule(values, judged):
    """And one beyond a limit by those rules alone that it is beyond the limit of."""
    runtimes = [runtime_of(rule(when(STOCK, limit, window=None), name=limit)) for limit in LIMITS]
    past = past_of(runtimes[0], levels={STOCK: values}, labels=("A",))
    table = LevelTable(STOCK, runtimes, past.histories.levels)
    assert [group.facts.rule.name for group in table.moved(("A",))] == judged
    assert [r.rule.name for r in runtimes if r.groups] == judged


def test_an_override_has_limits_of_its_own():
    """Of product A 12 is little, of all others it is not."""
    low = when(STOCK, "below 5", window=None)
    override = Override((("sku", "A"),), when(STOCK, "below 13", window=None).levels)
    runtime = runtime_of(rule(replace(low, overrides=(override,))))
    past = past_of(runtime, levels={STOCK: "12:00=12"}, labels=("A",))
    sample = LevelValue(STOCK.id, ("B",), "B", second("12:00") * SECOND, 9, 12 * SCALE, "e")
    past.histories.take_level(("inventory", 0), sample, asked_from_us=0)
    table = LevelTable(STOCK, [runtime], past.histories.levels)
    assert [len(list(table.moved((sku,)))) for sku in ("A", "B")] == [1, 0]


def test_a_value_is_judged_by_a_rule_whose_alert_is_open():
    """Whatever it is. A rule that wakes counts as judged when the newest value was set."""
    runtime = runtime_of(rule(when(STOCK, "below 5", window=None)))
    past = past_of(runtime, levels={STOCK: "12:00=4"}, labels=("A",))
    table = LevelTable(STOCK, [runtime], past.histories.levels)
    (group,) = table.moved(("A",))
    assert group.alert.at == second("12:00") * SECOND
    group.alert.state = State.FIRING
    table.settle(group)
    quiet = LevelTable(STOCK, [runtime], past_of(runtime, levels={STOCK: "12:00=9"}, labels=("A",)).histories.levels)
    assert list(quiet.moved(("A",))) == []
    quiet.settle(group)
    assert list(quiet.moved(("A",))) == [group]
    group.alert.state = State.RESOLVED
    quiet.settle(group)
    assert list(quiet.moved(("A",))) == []


def test_what_is_usual_shrinks_while_nothing_comes():
    """A bucket leaves the stretch before, and what stands in the window is a breach: told before its end has come."""
    rise = Spike(of(ORDERS), 120, Baseline(previous_s=240), Severity.WARNING, above=2.0, at_least=3.0)
    pipeline = Pipeline(plan(rule(rise)))
    events = orders("app: 11:40; web: 11:41, 12:00 x8, 12:02, 12:05 x4; app: 12:06:05, 12:07:10")
    for one in sorted(events, key=lambda e: str(e["time"])):
        pipeline.arrive(one)
        pipeline.step()
    assert [(t["state"], t["labels"], t["at"]) for t in pipeline.said] == [
        ("firing", {"channel": "web"}, int(clock("12:07").timestamp()) * SCALE)
    ]
