"""What follows from a rule alone, and which version of a rule follows which."""

from dataclasses import replace

import pytest
from rooms import runtime_of, second
from shorthand import LONDON, ORDERS, ORDERS_ALL, SESSIONS, STOCK, flow, level, of, plan, ratio, rule, when

from lockstep.judge.handover import is_judged_by
from lockstep.judge.histories import Kept, kept_for
from lockstep.judge.rule_facts import NEVER, rule_facts
from lockstep.judge.rule_set import RuleSet
from lockstep.rule.condition.kinds import All, Baseline, Rule, Severity, Spike
from lockstep.rule.condition.period import DAY
from lockstep.text.rfc3339 import SECOND

WARNING, HOUR = Severity.WARNING, 3_600
FEW = rule(when(ORDERS, "above 5", window=300))
LOW = rule(when(STOCK, "at_most 20", window=None))
SOLD = flow("count", by=("sku",))
BOTH = rule(All((when(SOLD, "above 5"), when(STOCK, "at_most 10", window=None)), WARNING))
WEEKLY = rule(Spike(of(ORDERS), HOUR, Baseline(weeks=4), WARNING, above=2.0))

BUSY = rule(Spike(of(ORDERS), HOUR, Baseline(weeks=4), WARNING, above=2.0, at_least=9.0))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(FEW, {"offsets": (0, 300), "is_level_only": False, "is_plain": True, "borders": None}, id="flow"),
        pytest.param(LOW, {"offsets": (0,), "is_level_only": True, "is_plain": True, "width": 60}, id="level"),
        pytest.param(BOTH, {"offsets": (0, 60), "is_level_only": False, "is_plain": False}, id="both"),
        pytest.param(rule(when(ratio(ORDERS, SESSIONS), "below 1")), {"roles": ("orders", "traffic")}, id="two topics"),
        pytest.param(
            rule(when(ORDERS_ALL, "below 1")), {"expected": frozenset([()]), "is_plain": False}, id="no labels"
        ),
        pytest.param(replace(FEW, forget_after_s=60), {"is_plain": False}, id="forgotten within its window"),
        pytest.param(
            rule(All((when(ORDERS, "above 5"), when(ORDERS_ALL, "above 9")), WARNING)),
            {"own_flows": (ORDERS,), "wide_flows": (ORDERS_ALL,), "wide": {ORDERS_ALL.id: ()}},
            id="fewer labels",
        ),
        pytest.param(rule(when(level(stale_after_s=60), "at_most 1", window=None)), {"fades": True}, id="grows stale"),
        pytest.param(
            rule(when(ORDERS, "below 5", window=DAY)),
            {"periods": (DAY,), "changes_by_time": True, "kept_s": 2 * DAY.longest_s + HOUR + 60},
            id="a day",
        ),
        pytest.param(WEEKLY, {"early_s": HOUR, "is_plain": False, "is_screened": False}, id="seasonal"),
        pytest.param(BUSY, {"is_screened": True}, id="seasonal, from a number on, further back than it is known"),
        pytest.param(FEW, {"since": -NEVER // SECOND, "until": NEVER, "expires": NEVER}, id="no borders"),
    ],
)
def test_what_follows_from_a_rule(made: Rule, expected):
    facts = rule_facts(made, LONDON)
    assert {name: getattr(facts, name) for name in expected} == expected


def test_a_series_is_kept_as_long_as_the_most_demanding_rule_asks():
    """And longer for somebody who looks at it besides; of a level the narrowest bucket counts at which it is read."""
    fine = replace(BOTH, bucket_s=10)
    rules = [rule_facts(made, LONDON) for made in (FEW, WEEKLY, LOW, BOTH, fine)]
    kept = kept_for(rules, {ORDERS.id: 7})
    assert kept[ORDERS.id].buckets_s == rules[1].kept_s + 7 > rules[0].kept_s + 7
    assert kept[STOCK.id] == Kept(grain_s=10)
    assert kept_for(rules[2:3], {}) == {}


@pytest.mark.parametrize(
    ("made", "closed", "begun", "expected"),
    [
        pytest.param(FEW, None, True, 0, id="nothing has closed yet: whatever comes may be the first"),
        pytest.param(FEW, second("12:00"), True, second("12:01"), id="the end of its next bucket"),
        pytest.param(replace(FEW, bucket_s=10), second("12:00"), True, second("12:00:10"), id="of its own width"),
        pytest.param(
            replace(FEW, until_s=second("12:00:30")), second("12:00"), True, second("12:00:30"), id="its last instant"
        ),
        pytest.param(
            replace(FEW, since_s=second("12:00:20")), second("12:00"), False, second("12:00:20"), id="its first instant"
        ),
        pytest.param(
            replace(FEW, since_s=second("12:00:20")), second("12:00"), True, second("12:01"), id="which is over"
        ),
    ],
)
def test_from_when_on_time_itself_asks_something_of_a_rule(made: Rule, closed: int | None, begun: bool, expected: int):
    """Before that, a promise moves only groups with new data, and those whose visit is due."""
    runtime = runtime_of(made)
    runtime.closed, runtime.begun = closed, begun
    assert runtime.due_us == expected * SECOND
    runtime.unmet = {()}
    assert runtime.due_us == 0, "it waits for the first event"


# ---- versions -----------------------------------------------------------------------------------------------------

OLD = replace(FEW, version="1", until_s=second("12:10"))
NEW = replace(FEW, version="2", since_s=second("12:10"))
BACK = replace(FEW, version="1", since_s=second("12:30"))
RENAMED = replace(FEW, name="S", was=("R",), version="3")


def test_a_version_follows_another_at_one_border():
    rules = RuleSet(plan(OLD, NEW, LOW), LONDON)
    old, new, other = rules.rules
    assert (old.after, new.before, new.after, other.before) == (new, old, None, None)
    assert (rules.is_changing, rules.of_series[ORDERS.id]) == (True, [old, new])
    rules.forget(old)
    assert (rules.rules, rules.of_series[ORDERS.id], old.ended) == ([new, other], [new], True)


@pytest.mark.parametrize(
    ("name", "edition", "rules", "expected"),
    [
        pytest.param("R", OLD.edition, (OLD, NEW), 0, id="its own"),
        pytest.param("R", NEW.edition, (OLD, NEW), 1, id="its own in its stretch of time"),
        pytest.param("R", BACK.edition, (OLD, NEW), 0, id="the same version in another stretch"),
        pytest.param("R", "9", (OLD, NEW), 1, id="what came of the rule last"),
        pytest.param("R", "9", (RENAMED,), 0, id="under its later name"),
        pytest.param("T", "9", (OLD, RENAMED), None, id="nobody's"),
    ],
)
def test_whose_the_state_of_a_version_is(name, edition, rules, expected):
    known = RuleSet(plan(*rules), LONDON)
    assert known.heir(name, edition) is (None if expected is None else known.rules[expected])


def test_a_level_is_kept_from_where_the_slowest_rule_asks():
    """None: no rule asks for its past. Of a rule that has judged nothing, all of it."""
    rules = RuleSet(plan(BOTH, LOW), LONDON)
    assert rules.asked_from_us(STOCK.id) == 0
    rules.rules[0].closed = 600
    assert rules.asked_from_us(STOCK.id) == 600 * SECOND
    assert RuleSet(plan(LOW), LONDON).asked_from_us(STOCK.id) is None


def test_a_flow_is_judged_up_to_where_the_slowest_rule_is():
    """Never beyond the watermark of its topic, and of this topic's series alone."""
    rules = RuleSet(plan(FEW, rule(when(ratio(ORDERS, SESSIONS), "below 1"), name="S")), LONDON)
    assert rules.judged_to("orders", 900) == {ORDERS.id: 0}
    for runtime, closed in zip(rules.rules, (840, 600), strict=True):
        runtime.closed = closed
    assert rules.judged_to("orders", 900) == rules.judged_to("orders", 720) == {ORDERS.id: 600}
    assert rules.judged_to("orders", 540) == {ORDERS.id: 540}


@pytest.mark.parametrize(
    ("gone_over", "moment", "expected"),
    [
        pytest.param(False, "12:10", [True, False], id="at the border it is the old one's"),
        pytest.param(False, "12:11", [False, False], id="after it nobody's, before the group goes over"),
        pytest.param(True, "12:11", [False, True], id="then the new one's"),
        pytest.param(True, "12:09", [False, True], id="also one that is older, for the alert is there"),
    ],
)
def test_which_version_judges_a_value_of_a_level(gone_over, moment, expected):
    old = replace(LOW, version="1", until_s=second("12:10"))
    new = replace(LOW, version="2", since_s=second("12:10"))
    versions = RuleSet(plan(old, new), LONDON).rules
    versions[1].group(("A",)).begun = gone_over
    assert [is_judged_by(v, ("A",), second(moment) * SECOND) for v in versions] == expected


def test_the_first_of_its_groups_makes_what_it_shares_and_the_last_takes_it_away():
    """While a group's own part is clear, it hears nothing of what it has in common with others."""
    made = rule(All((when(ORDERS, "above 0"), when(ORDERS_ALL, "above 5")), WARNING))
    runtime = runtime_of(made)
    web, app = runtime.group(("web",)), runtime.group(("app",))
    for group in (web, app):
        group.listen(60, deaf=False)
    (shared,) = runtime.shared.values()
    assert (web.shared, app.shared, shared.listeners) == (shared, shared, {("web",), ("app",)})
    assert runtime.sharing == {(ORDERS_ALL.id, ()): [shared]}
    assert runtime.heap == [(60 * SECOND, shared.labels)]
    web.listen(120, deaf=True)
    assert (web.shared, shared.listeners) == (None, {("app",)})
    app.turn_away()
    assert (runtime.shared, runtime.sharing) == ({}, {(ORDERS_ALL.id, ()): []})
