"""When a group can change: the next bucket end after one, by what its rule reads and by what its histories have."""

from dataclasses import replace
from datetime import date, time

import pytest
from rooms import past_of, runtime_of, second
from shorthand import LONDON, ORDERS, ORDERS_ALL, SESSIONS_ALL, STOCK, flow, level, of, rule, when

from lockstep.alert import State
from lockstep.judge.group import Shared
from lockstep.judge.next import Schedule
from lockstep.rule.condition.kinds import Absence, All, Baseline, Hours, Rule, Severity, Spike, Tolerance
from lockstep.rule.condition.period import DAY
from lockstep.rule.condition.view import Kind
from lockstep.text.rfc3339 import SECOND

WARNING = Severity.WARNING
FALLS = rule(when(ORDERS, "below 5", window=300))
RISES = rule(when(ORDERS, "above 5", window=300))
RISE_OF_15M = rule(Spike(of(ORDERS), 900, Baseline(previous_s=900), WARNING, above=2.0, below=0.5))
WORKDAY = Hours(frozenset(range(5)), time(9), time(17))
SILENT = rule(Absence(of(ORDERS), 3_600, WARNING, (WORKDAY,)))
SOLD = flow("count", by=("sku",))
SELLS_OUT = rule(All((when(SOLD, "above 5"), when(STOCK, "at_most 10", window=None)), WARNING))


@pytest.mark.parametrize(
    ("made", "minutes", "last", "expected"),
    [
        pytest.param(FALLS, "11:00 12:00", "12:00", "12:01", id="its bucket closes"),
        pytest.param(FALLS, "12:00", "12:01", "12:06", id="its bucket leaves the window"),
        pytest.param(FALLS, "11:58 12:00", "12:01", "12:04", id="the earlier one leaves first"),
        pytest.param(FALLS, "12:00", "12:06", None, id="nothing is left to change"),
        pytest.param(FALLS, "10:00", "10:01", "10:05", id="its history is as long as the window"),
        pytest.param(RISES, "12:00", "12:01", None, id="what leaves begins no rise"),
        pytest.param(RISES, "12:00 12:03", "12:01", "12:04", id="what comes may"),
        pytest.param(RISE_OF_15M, "12:00", "12:01", "12:16", id="from window into baseline"),
        pytest.param(RISE_OF_15M, "12:00", "12:16", "12:31", id="out of the baseline"),
        pytest.param(replace(FALLS, forget_after_s=60), "12:00", "12:02", None, id="it is forgotten before"),
        pytest.param(replace(FALLS, forget_after_s=60), "12:00 13:00", "12:02", "13:01", id="until its next event"),
        pytest.param(SILENT, "15:30", "16:31", "17:01", id="its hours end"),
        pytest.param(SILENT, "16:30", "17:31", "2026-01-15 10:00", id="an hour of the next day's is over"),
        pytest.param(
            rule(when(ORDERS, "below 5", window=DAY)), "12:00", "12:01", "2026-01-15 00:00", id="its day ends"
        ),
    ],
)
def test_the_next_change_by_flows(made: Rule, minutes, last, expected):
    """A bucket that comes or leaves, a history that is long enough, hours, a calendar window."""
    runtime = runtime_of(made)
    schedule = Schedule(past_of(runtime, flows={ORDERS: minutes}))
    end = schedule.next_change(runtime.group(("web",)), second(last))
    assert end == (None if expected is None else second(expected))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(State.INACTIVE, None, id="no rise begins by what leaves"),
        pytest.param(State.FIRING, "12:06", id="but one ends by it"),
        pytest.param(State.COOLING, "12:06", id="or begins again when it has cooled"),
    ],
)
def test_what_leaves_the_window_matters_while_an_alert_is_watched(state, expected):
    runtime = runtime_of(RISES)
    group = runtime.group(("web",))
    group.alert.state = state
    end = Schedule(past_of(runtime, flows={ORDERS: "12:00"})).next_change(group, second("12:01"))
    assert end == (None if expected is None else second(expected))


@pytest.mark.parametrize(
    ("values", "last", "asleep", "expected"),
    [
        pytest.param("12:03:20=9", "12:01", False, "12:02", id="a sale closes first"),
        pytest.param("12:03:20=9", "12:02", False, "12:04", id="then the value that comes"),
        pytest.param("12:03:20=9", "12:01", True, "12:04", id="no sale matters while the stock is clear"),
        pytest.param("12:03=9", "12:03", False, "12:04", id="one at a bucket's end belongs to the next"),
        pytest.param("11:00=9", "12:02", False, None, id="no new value"),
    ],
)
def test_the_next_change_by_levels(values, last, asleep, expected):
    """A rule that reads a flow, too, sees its levels at bucket ends."""
    runtime = runtime_of(SELLS_OUT)
    group = runtime.group(("A",))
    group.asleep = asleep
    past = past_of(runtime, flows={SOLD: "12:01"}, levels={STOCK: values}, labels=("A",))
    end = Schedule(past).next_change(group, second(last))
    assert end == (None if expected is None else second(expected))


def test_the_next_change_of_what_several_groups_share():
    """The orders of the whole shop are looked at once for all channels, when they enter or leave a window."""
    made = rule(All((when(ORDERS, "above 0", window=300), when(ORDERS_ALL, "above 5", window=300)), WARNING))
    runtime = runtime_of(made)
    shared = Shared(runtime, {ORDERS_ALL.id: ()})
    schedule = Schedule(past_of(runtime, flows={ORDERS_ALL: "12:00"}, labels=()))
    ends = [schedule.after_shared(shared, second(last)) for last in ("12:00", "12:01", "12:06")]
    assert ends == [second("12:01"), second("12:06"), None]


@pytest.mark.parametrize(
    ("changes", "state", "last", "expected"),
    [
        pytest.param({"for_s": 90}, State.PENDING, "12:01", "12:02:30", id="`for` ends before anything leaves"),
        pytest.param({"for_s": 600}, State.PENDING, "12:01", "12:06", id="something leaves before `for` ends"),
        pytest.param({"tolerance": Tolerance(3, 4)}, State.PENDING, "12:01", "12:02", id="each bucket counts"),
        pytest.param({"cool_down_s": 30}, State.COOLING, "12:01", "12:01:30", id="it has cooled"),
        pytest.param({"expires": date(2026, 1, 13)}, State.FIRING, "12:01", "2026-01-14 00:00", id="it has expired"),
        pytest.param({"expires": date(2026, 1, 13)}, State.INACTIVE, "12:01", None, id="nothing to end by expiry"),
    ],
)
def test_the_next_visit(changes, state, last, expected):
    """A timer may come before a change, and nothing after the rule's last day."""
    runtime = runtime_of(replace(FALLS, **changes))
    group = runtime.group(("web",))
    alert = group.alert
    alert.state, alert.kind = state, Kind.BREACH
    alert.since = alert.ended_at = second("12:01") * SECOND
    instant = Schedule(past_of(runtime, flows={ORDERS: "12:00"})).after(group, second(last))
    assert instant == (None if expected is None else second(expected) * SECOND)


@pytest.mark.parametrize(
    ("judged_at", "expected"),
    [
        pytest.param("12:01", "12:02", id="its newest value grows stale"),
        pytest.param("12:02", None, id="that was judged"),
    ],
)
def test_the_next_visit_between_values(judged_at, expected):
    """A rule on levels alone is looked at when one is stale, in microseconds."""
    brief = level(stale_after_s=120)
    runtime = runtime_of(rule(when(brief, "at_most 20", window=None)))
    group = runtime.group(("A",))
    group.alert.at = second(judged_at) * SECOND
    schedule = Schedule(past_of(runtime, levels={brief: "11:00=9 12:00=30"}, labels=("A",)))
    assert schedule.after_value(group) == (None if expected is None else second(expected) * SECOND)


@pytest.mark.parametrize(
    ("end", "is_open", "expected"),
    [
        pytest.param("12:00", False, False, id="not before its first event"),
        pytest.param("12:01", False, True, id="from its bucket on"),
        pytest.param("13:00", False, True, id="an hour after the start of the last"),
        pytest.param("13:01", False, False, id="and no longer"),
        pytest.param("18:00", True, True, id="but as long as it fires"),
    ],
)
def test_who_is_known(end, is_open, expected):
    """A group of which nothing has come for `forget_after` is judged no more."""
    runtime = runtime_of(replace(FALLS, forget_after_s=3_600))
    group = runtime.group(("web",))
    group.alert.state = State.FIRING if is_open else State.INACTIVE
    assert Schedule(past_of(runtime, flows={ORDERS: "12:00"})).is_known(group, second(end)) is expected


def test_an_expected_group_is_known_from_the_first_event_of_its_topics():
    """Also of another group, and for ever: the whole shop is such a group."""
    runtime = runtime_of(rule(Absence(of(SESSIONS_ALL), 3_600, WARNING)))
    schedule = Schedule(past_of(runtime))
    ends = ("10:00", "10:01", "2026-12-31 00:00")
    assert [schedule.is_known(runtime.group(()), second(end)) for end in ends] == [False, True, True]
    assert schedule.next_change(runtime.group(()), second("09:00")) == second("10:01")


def test_a_schedule_changes_nothing():
    """It is asked as often as one likes: no group is made or scheduled, nothing is to be stored."""
    runtime = runtime_of(FALLS)
    past = past_of(runtime, flows={ORDERS: "12:00"})
    past.histories.store({})
    group = runtime.group(("web",))
    assert [Schedule(past).after(group, second("12:01")) for _ in range(3)] == [second("12:06") * SECOND] * 3
    entries: dict[bytes, bytes | None] = {}
    past.histories.store(entries)
    assert (runtime.heap, group.visit_at, list(runtime.groups), entries) == ([], None, [("web",)], {})
    assert past.zone is LONDON
