"""Rules that change while events come: at one instant of event time, whatever order, cuts and restarts there are."""

from dataclasses import fields, is_dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from comparison import differences, plain
from hypothesis import given
from hypothesis import strategies as st
from judge_pipeline import LATENESS_S, Pipeline, arrivals
from reference import reference_transitions, without_repeats
from shorthand import (
    LONDON,
    ORDERS,
    ORDERS_ALL,
    SESSIONS,
    STOCK,
    Event,
    clock,
    flow,
    level,
    lines,
    many,
    orders,
    plan,
    rule,
    sessions,
    stock,
    when,
)
from test_judge_properties import END, STEPS, conditions, examples, plans, run_to, streams

from lockstep.measure.definition import SeriesDef
from lockstep.rule.condition.bound import Bounds
from lockstep.rule.condition.kinds import (
    All,
    AnyOf,
    Condition,
    NoData,
    Not,
    Override,
    Plan,
    Rule,
    Severity,
    Share,
    Threshold,
    Tolerance,
    series_of_condition,
)
from lockstep.rule.condition.when import is_level_only
from lockstep.rule.versions import Version, changes_in_words, in_force
from lockstep.tools.backtest.replay import replay_events

BORDER_S = int(clock("12:10").timestamp())


def changed(old: Plan, new: Plan) -> Plan:
    """One plan of two, the second from 12:10 on."""
    return in_force([Version(old, None), Version(new, BORDER_S)])


def said(watched: Plan, events: list[Event]) -> list[str]:
    return lines(plain(t) for t in replay_events(watched, events, zone=LONDON, until=END))


def v(number: int, made: Rule) -> Rule:
    """A rule under a version of its own: as the compiler gives it whenever anything that it judges by changes."""
    return replace(made, version=str(number))


LOW, HIGH = v(1, rule(when(STOCK, "at_most 20"))), v(2, rule(when(STOCK, "at_most 25")))
FEW = v(1, rule(when(ORDERS, "above 5"), keep=60))
MANY = v(2, rule(when(ORDERS, "above 2"), keep=60))


SOLD = flow("count", by=("sku",), line_labels=("sku",))
LINE = {"sku": "A", "quantity": 1, "unit_price": 1}
SALE: dict[str, Any] = {"order_id": "o", "total": 1.0}


@pytest.mark.parametrize(
    ("old", "new", "events", "expected"),
    [
        pytest.param(
            [LOW],
            [HIGH],
            stock("A: 12:01 23, 12:12 24"),
            ["12:10 A firing warning"],
            id="a level is judged anew at the border",
        ),
        pytest.param(
            [HIGH],
            [LOW],
            stock("A: 12:01 23, 12:12 24"),
            ["12:01 A firing warning", "12:10 A resolved warning"],
            id="what fired is over when the new number says so",
        ),
        pytest.param(
            [LOW],
            [HIGH],
            stock("A: 12:01 15, 12:12 24, 12:14 30"),
            ["12:01 A firing warning", "12:14 A resolved warning"],
            id="what both versions find goes on as one episode",
        ),
        pytest.param(
            [FEW],
            [MANY],
            orders("web: 12:03 x3, 12:09 x3, 12:12 x3"),
            ["12:13 web firing warning", "12:15 web resolved warning"],
            id="a flow is judged by the new number after the border",
        ),
        pytest.param(
            [MANY],
            [],
            orders("web: 12:09 x3, 12:12 x3"),
            ["12:10 web firing warning", "12:10 web resolved warning"],
            id="a removed rule ends what fires",
        ),
        pytest.param(
            [LOW],
            [],
            stock("A: 12:01 15; B: 12:12 15"),
            ["12:01 A firing warning", "12:10 A resolved warning"],
            id="a removed rule of a level hears nothing more",
        ),
        pytest.param(
            [],
            [LOW],
            stock("A: 12:01 15; B: 12:12 15"),
            ["12:10 A firing warning", "12:12 B firing warning"],
            id="a new rule speaks of what it finds, from the border on",
        ),
        pytest.param(
            [v(1, rule(when(ORDERS, "above 2"), keep=600))],
            [v(2, rule(when(ORDERS_ALL, "above 2"), keep=600))],
            orders("web: 12:05 x3, 12:12 x3"),
            ["12:06 web firing warning", "12:10 web resolved warning", "12:13 firing warning"],
            id="other labels are other alerts",
        ),
        pytest.param(
            [FEW, v(1, rule(when(SESSIONS, "above 1"), name="S"))],
            [FEW],
            orders("web: 12:09 x6, 12:10 x6"),
            ["12:10 web firing warning", "12:13 web resolved warning"],
            id="what the edit does not touch notices nothing",
        ),
        pytest.param(
            [v(1, rule(when(ORDERS, "above 2"), hold=600))],
            [v(2, rule(when(ORDERS, "above 2", window=300), hold=300))],
            orders("web: 12:08 x3, 12:09 x3, 12:10 x3, 12:11 x3, 12:12 x3, 12:13 x3"),
            ["12:09 web pending warning", "12:14 web firing warning", "12:19 web resolved warning"],
            id="a clock that runs goes on under the new length",
        ),
        pytest.param(
            [v(1, rule(when(ORDERS, "above 2"), hold=600))],
            [v(2, rule(when(ORDERS, "above 5"), hold=60))],
            orders("web: 12:07 x3, 12:08 x3, 12:09 x3, 12:10 x3"),
            ["12:08 web pending warning", "12:11 web cancelled warning"],
            id="a shorter clock does not end by what the old number said",
        ),
        pytest.param(
            [v(1, rule(when(STOCK, "at_most 20"), hold=600))],
            [v(2, rule(when(STOCK, "at_most 25"), hold=60))],
            stock("A: 12:05 15, 12:12 30"),
            ["12:05 A pending warning", "12:10 A firing warning", "12:12 A resolved warning"],
            id="a shorter clock of a level ends at the border, not before",
        ),
        pytest.param(
            [v(1, rule(when(SOLD, "above 2"), keep=600))],
            [v(2, rule(when(STOCK, "at_most 20")))],
            [*many("order.placed", "-: 12:08 x3", lines=[LINE], **SALE), *stock("A: 12:05 15, 12:12 15")],
            ["12:09 A firing warning", "12:10 A firing warning", "12:10 A resolved warning"],
            id="a rule on flows that becomes one on levels is another one",
        ),
    ],
)
def test_a_change_at_an_instant(old, new, events, expected):
    """12:10 is the border: what lies at or before it is judged by the old rules."""
    assert said(changed(plan(*old), plan(*new)), events)[: len(expected)] == expected
    assert len(said(changed(plan(*old), plan(*new)), events)) == len(expected)


TODAY = date(2026, 1, 14)
NIGHT = timedelta(hours=11, minutes=50)
"""So much later the twenty minutes of a stream have the shop's midnight in their middle."""


def shifted(condition: Condition, by: int) -> Condition:
    """Other numbers, everything else as it was."""

    def moved(bounds: Bounds) -> Bounds:
        words = ("above", "below", "at_least", "at_most")
        return replace(bounds, **{w: getattr(bounds, w) + by for w in words if getattr(bounds, w) is not None})

    match condition:
        case Threshold() | Share():
            levels = [replace(x, breach=moved(x.breach), clear=x.clear and moved(x.clear)) for x in condition.levels]
            return replace(condition, levels=tuple(levels))
        case All() | AnyOf():
            return replace(condition, parts=tuple(shifted(p, by) for p in condition.parts))
        case Not(part=part):
            return replace(condition, part=shifted(part, by))
        case _:
            return condition


def apart(found: Any) -> Any:
    """Read for itself: its groups are spread over the partitions by all of their labels."""
    match found:
        case SeriesDef():
            return replace(found, key=None)
        case tuple():
            return tuple(apart(each) for each in found)
        case _ if is_dataclass(found):
            return replace(found, **{f.name: apart(getattr(found, f.name)) for f in fields(found) if f.init})
        case _:
            return found


@st.composite
def edits(draw: st.DrawFn, made: Rule) -> Rule | None:
    """What somebody made of a rule; None: it was removed."""

    def other(condition: Condition) -> Rule:
        new = rule(condition, name=made.name)
        hold = None if is_level_only(condition) else made.tolerance
        return replace(made, condition=condition, by=new.by, bucket_s=new.bucket_s, tolerance=hold)

    kinds = [
        "nothing",
        "removed",
        "numbers",
        "clocks",
        "clocks",
        "condition",
        "parts",
        "parts",
        "parts",
        "overrides",
        "name",
        "name",
        "policy",
        "day",
    ]
    match draw(st.sampled_from([*kinds, "day"])):
        case "removed":
            return None
        case "numbers":
            return other(shifted(made.condition, draw(st.sampled_from([-1, 1]))))
        case "condition":
            return other(draw(conditions()))
        case "parts" if isinstance(made.condition, All | AnyOf):
            parts = draw(st.permutations(made.condition.parts))
            parts = draw(st.sampled_from([parts, parts[:-1], [*parts, shifted(parts[0], 1)]]))
            found = replace(made.condition, parts=tuple(parts))
            shared = any(s.by != made.by for s in series_of_condition(found))
            return other(found if shared or draw(st.booleans()) else apart(found))
        case "overrides" if isinstance(made.condition, Threshold):
            levels = shifted(made.condition, draw(st.sampled_from([-2, 2]))).levels
            pattern = (made.by[0], draw(st.sampled_from(["a*", "A", "web"]))) if made.by else ("channel", "*")
            return other(replace(made.condition, overrides=(Override((pattern,), levels),)))
        case "clocks":
            hold = draw(st.sampled_from([None, None, Tolerance(2, 3)]))
            return replace(
                made,
                for_s=draw(st.sampled_from([0, 30, 90])),
                keep_firing_for_s=draw(st.sampled_from([0, 30, 90])),
                cool_down_s=draw(st.sampled_from([0, 45, 150])),
                tolerance=None if is_level_only(made.condition) else hold,
            )
        case "name":
            return replace(made, name=f"{made.name}x", was=(made.name,))
        case "policy":
            no_data = NoData(draw(st.sampled_from(["keep", "ok", "alert"])))
            return replace(made, no_data=no_data, forget_after_s=draw(st.sampled_from([7 * 86_400, 300])))
        case "day":
            return replace(made, expires=draw(st.sampled_from([None, TODAY, TODAY - timedelta(days=1)])))
        case _:
            return made


@st.composite
def changing(draw: st.DrawFn) -> list[Plan]:
    """Two or three versions of up to two rules, each an edit of the one before."""
    rules = [replace(r, expires=draw(st.sampled_from([None, None, TODAY]))) for r in draw(plans()).rules[:2]]
    rules = [v(0, r) for r in rules]
    found = [plan(*rules)]
    for number in range(draw(st.integers(1, 2))):
        edited = [(r, draw(edits(r))) for r in rules]
        rules = [old if new == old else v(number + 1, new) for old, new in edited if new is not None]
        found.append(plan(*rules))
    return found


def later(events: list[Event], by: timedelta) -> list[Event]:
    return [e | {"time": (datetime.fromisoformat(e["time"]) + by).isoformat().replace("+00:00", "Z")} for e in events]


def versions(plans: list[Plan], by: timedelta = timedelta(0)) -> Plan:
    """The second from 12:06 on, the third from 12:13; or so much later."""
    borders = [None, *(int((clock(text) + by).timestamp()) for text in ("12:06", "12:13"))]
    return in_force([Version(p, b) for p, b in zip(plans, borders, strict=False)])


def straight(watched: Plan, events: list[Event]) -> list[dict[str, Any]]:
    """What is said when nothing is out of order and nothing dies."""
    pipeline = Pipeline(watched)
    for item in arrivals(watched, events, sources=1, jitter=[0.0], spread=[0], again=[]):
        pipeline.arrive(*item)
    return pipeline.finish(END)


def without_numbers(transitions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Early or late, the same transitions; the numbers of an early one are those of so far."""
    return [{k: t[k] for k in ("rule", "transition_id", "state", "at", "severity")} for t in transitions]


@examples(120)
@given(
    changing(),
    streams(),
    st.sampled_from([timedelta(0), NIGHT]),
    st.sampled_from([(1, 1), (3, 1), (1, 4), (2, 4)]),
    st.lists(st.floats(0, LATENESS_S - 1), min_size=1, max_size=7),
    st.lists(st.integers(0, 5), min_size=1, max_size=7),
    STEPS,
)
def test_versions_cut_anywhere_and_fed_in_any_order(plans, events, by, shape, jitter, spread, steps):
    """Out of order, over partitions, with meters and judges that die: what the reference says of the edited rules."""
    watched, told, until = versions(plans, by), later(events, by), END + by
    sources, samples = shape
    coming = arrivals(watched, told, sources=sources, jitter=jitter, spread=spread, again=[])
    found = run_to(Pipeline(watched, sources=sources, samples=samples), coming, steps, until)
    differing = differences(reference_transitions(watched, told, zone=LONDON, until=until), found)
    assert not differing, "\n".join(differing)


@examples(60)
@given(changing(), streams(), st.integers(0, 50), st.sampled_from([(1, 1), (2, 4)]))
def test_a_change_that_is_heard_of_in_time(plans, events, place, shape):
    """Announced before its border, after any number of events: the same as if it had always been known.

    A new rule is told of what lies before the announcement from the log, so that it knows as much.
    """
    before, after = in_force([Version(plans[0], None)]), versions(plans[:2])
    sources, samples = shape
    coming = arrivals(after, events, sources=sources, jitter=[0.0], spread=[0, 1], again=[])
    early = [item for item in coming if item[0]["time"] < "2026-01-14T12:05"]
    pipeline = Pipeline(before, sources=sources, samples=samples)
    for item in early[:place]:
        pipeline.arrive(*item)
    for source in pipeline.logs:
        pipeline.measure(source)
        pipeline.commit_source(source)
    for n in range(samples):
        pipeline.judge(n)
        pipeline.cut(n)
    pipeline.change_plan(after)
    for item in (*early[place:], *coming[len(early) :]):
        pipeline.arrive(*item)
    assert without_numbers(pipeline.finish(END)) == without_numbers(straight(after, events))


OF_SKU = [flow("count", by=("sku",), line_labels=("sku",)), STOCK]
OF_PLACE = [flow("count", "stock.level", by=("location",)), level(by=("location",))]
"""The groups of both have the same values, as `none` is one of every label: only the names tell them apart."""


@st.composite
def reshaped(draw: st.DrawFn) -> list[Plan]:
    """One rule, again and again about something else: on flows or on levels alone, by one label or another, or gone."""
    found = []
    for number in range(3):
        series = draw(st.sampled_from([*OF_SKU, *OF_PLACE, *OF_SKU, None]))
        if series is None:
            found.append(plan())
            continue
        bound = draw(st.sampled_from(["at_most 3", "at_least 1", "at_least 0"]))
        hold, keep = draw(st.sampled_from([0, 30, 300])), draw(st.sampled_from([0, 90, 600]))
        found.append(plan(v(number, rule(when(series, bound), hold=hold, keep=keep))))
    return found


@examples(50)
@given(
    reshaped(),
    streams(),
    st.sampled_from([(1, 1), (2, 4)]),
    st.lists(st.floats(0, LATENESS_S - 1), min_size=1, max_size=7),
    STEPS,
)
def test_a_rule_that_becomes_about_something_else(plans, events, shape, jitter, steps):
    """Two versions of it may be at work at once, where one's topic is behind: neither touches what the other knows."""
    told = [{**e, "data": e["data"] | ({"location": "A"} if "location" in e["data"] else {})} for e in events]
    watched = versions(plans)
    sources, samples = shape
    coming = arrivals(watched, told, sources=sources, jitter=jitter, spread=[0, 1], again=[])
    found = run_to(Pipeline(watched, sources=sources, samples=samples), coming, steps, END)
    expected = reference_transitions(watched, told, zone=LONDON, until=END)
    assert without_repeats(expected)
    differing = differences(expected, found)
    assert not differing, "\n".join(differing)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param(
            [v(2, rule(when(STOCK, "at_most 20")))],
            ["12:09 A firing warning", "12:10 A firing warning", "12:10 A resolved warning"],
            id="a rule on flows becomes one on levels alone",
        ),
        pytest.param(
            [v(2, rule(when(level(by=("location",)), "at_most 20")))],
            ["12:09 A firing warning", "12:10 A firing warning", "12:10 A resolved warning"],
            id="its groups are told apart by another label, with the same value",
        ),
    ],
)
def test_a_version_begins_before_the_one_before_it_has_ended(new, expected):
    """Stock is ahead of the orders, and a crash comes in between: what the old rule opened is ended all the same."""
    watched = changed(plan(v(1, rule(when(SOLD, "above 2"), keep=600))), plan(*new))
    sold = many("order.placed", "-: 12:08 x3, 12:10:30", lines=[LINE], **SALE)
    pipeline = Pipeline(watched)
    for told in (*sold, *stock("A: 12:05 15 A, 12:12 15 A")):
        pipeline.arrive(told)
        pipeline.step()
        pipeline.crash_judge(0)
    assert lines(pipeline.finish(END)) == expected


def test_two_episodes_that_begin_at_the_border():
    """The old rule's ends where it begins; the new one's, of the same alert, has ids of its own."""
    watched = changed(plan(v(1, rule(when(SOLD, "above 2"), keep=600))), plan(v(2, rule(when(STOCK, "at_most 20")))))
    sold = many("order.placed", "-: 12:09 x3", lines=[LINE], **SALE)
    found = straight(watched, [*sold, *stock("A: 12:05 15, 12:12 30")])
    assert lines(found) == [
        "12:10 A firing warning",
        "12:10 A firing warning",
        "12:10 A resolved warning",
        "12:12 A resolved warning",
    ]
    assert without_repeats(found)
    assert len({t["alert_id"] for t in found}) == 1


def test_a_border_that_is_forgotten_while_the_next_edit_is_on_its_way():
    """What came of the first edit counts as the first version now: it judges its alerts up to the next border."""
    first, second, third = plan(LOW), plan(HIGH), plan(v(3, rule(when(STOCK, "at_most 28"))))
    pipeline = Pipeline(in_force([Version(first, None), Version(second, int(clock("12:02").timestamp()))]))
    pipeline.arrive(stock("A: 12:05 24")[0])
    pipeline.step()
    pipeline.change_plan(in_force([Version(second, None), Version(third, BORDER_S)]))
    pipeline.arrive(stock("A: 12:06 26")[0])
    assert lines(pipeline.finish(END)) == [
        "12:05 A firing warning",
        "12:06 A resolved warning",
        "12:10 A firing warning",
    ]


@pytest.mark.parametrize("more", [(), ("A: 12:06 30",)])
def test_rules_that_change_without_a_border(more):
    """Nobody knows what the old version was but by its state: on flows it is not what a rule on levels goes on with."""
    old, new = plan(v(1, rule(when(SOLD, "above 2"), keep=600))), plan(v(2, rule(when(STOCK, "at_most 20"))))
    pipeline = Pipeline(old)
    for told in many("order.placed", "-: 12:01 x3, 12:04", lines=[LINE], **SALE):
        pipeline.arrive(told)
        pipeline.step()
    pipeline.change_plan(new)
    for text in more:
        pipeline.arrive(stock(text)[0])
    found = pipeline.finish(END)
    assert [(t["state"], t["number"]) for t in found] == [("firing", 1), ("resolved", 2)]
    assert lines(found)[-1] == "12:03 A resolved warning"


def test_a_rule_that_comes_back():
    """Gone from 12:06 to 12:13: what fired has ended, and begins anew."""
    watched = versions([plan(LOW), plan(), plan(LOW)])
    assert said(watched, stock("A: 12:01 15, 12:18 16")) == [
        "12:01 A firing warning",
        "12:06 A resolved warning",
        "12:13 A firing warning",
    ]


@pytest.mark.parametrize("by", [(1, 2, 3), (1, 1, 2)])
def test_a_level_that_skips_a_version(by):
    """Its first value comes after the last border: nothing is said of the time before."""
    watched = versions([plan(v(number, replace(LOW, for_s=number))) for number in by])
    assert said(watched, stock("B: 12:19 15")) == ["12:19 B pending warning", f"12:19:0{by[2]} B firing warning"]


def test_a_part_over_fewer_labels_that_is_dropped():
    """Its groups are spread over the partitions by other labels then: what was open ends, and may begin anew."""
    shared = replace(ORDERS, key=())
    old = v(1, rule(AnyOf((when(shared, "below 1"), when(ORDERS_ALL, "above 100")), Severity.WARNING)))
    watched = changed(plan(old), plan(v(2, rule(when(ORDERS, "below 1")))))
    for samples in (1, 4):
        pipeline = Pipeline(watched, samples=samples)
        coming = arrivals(
            watched, orders("web: 12:01; shop: 12:02, 12:12"), sources=1, jitter=[0.0], spread=[0], again=[]
        )
        for item in coming:
            pipeline.arrive(*item)
        assert [line for line in lines(pipeline.finish(END)) if "web" in line] == [
            "12:03 web firing warning",
            "12:10 web resolved warning",
            "12:11 web firing warning",
        ]


KEPT = AnyOf((when(ORDERS, "above 5 clear below 3"), when(SESSIONS, "above 5 clear below 3")), Severity.WARNING)
BUSY, IDLE = orders("web: 12:08 x6"), sessions("web: 12:02")
HELD = orders("web: 12:09 x4, 12:10 x4, 12:11 x4, 12:12 x2, 12:14 x4")


@pytest.mark.parametrize(
    ("parts", "until"),
    [
        pytest.param(KEPT.parts, "12:13", id="nothing of them"),
        pytest.param(KEPT.parts[::-1], "12:13", id="their order"),
        pytest.param((when(SESSIONS, "above 99"), *KEPT.parts), "12:13", id="one more"),
        pytest.param((KEPT.parts[0], when(SESSIONS, "above 99")), "12:13", id="another one"),
        pytest.param((shifted(KEPT.parts[0], -1), KEPT.parts[1]), "12:14", id="its own numbers"),
    ],
)
def test_an_edit_of_an_any_keeps_what_its_parts_hold(parts, until):
    """Orders breached before the border and are not clear after it: two of them are below 3, not below 2."""
    found = said(
        changed(plan(v(1, rule(KEPT))), plan(v(2, rule(AnyOf(parts, Severity.WARNING))))), [*IDLE, *BUSY, *HELD]
    )
    assert found == ["12:09 web firing warning", f"{until} web resolved warning"]


def test_a_level_whose_first_value_comes_after_the_last_day():
    """The rule was given a last day, at 12:06; what comes later says nothing, also not of the time before."""
    watched = versions([plan(LOW), plan(replace(HIGH, expires=TODAY - timedelta(days=1)))])
    assert said(watched, stock("A: 12:12 15")) == []


def test_a_version_whose_topic_never_had_an_event_holds_nobody_up():
    """Sessions never come: what orders say is heard under the versions after, to the end."""
    conditions_of_all = [when(SESSIONS, "above 0"), when(ORDERS, "above 100"), when(ORDERS, "at_most 100")]
    watched = versions([plan(v(n, rule(c))) for n, c in enumerate(conditions_of_all)])
    assert said(watched, orders("web: 12:03")) == ["12:14 web firing warning"]


def test_a_level_that_comes_after_a_version_and_a_restart():
    """Its first value comes when two versions are over: it is not what the stock was at either border."""
    edited = [
        plan(v(1, rule(when(SOLD, "above 9")))),
        plan(v(2, rule(when(STOCK, "at_most 20")))),
        plan(v(3, rule(when(SOLD, "above 9")))),
    ]
    pipeline = Pipeline(versions(edited))
    pipeline.arrive(stock("A: 12:16 5")[0])
    pipeline.step()
    pipeline.crash_judge(0)
    for told in many("order.placed", "-: 12:01, 12:19", lines=[LINE], **SALE):
        pipeline.arrive(told)
    assert lines(pipeline.finish(END)) == []


def test_a_level_that_went_over_before_its_judge_did():
    """Its value from behind the border has come, the topic has no watermark yet, and another judge goes on."""
    pipeline = Pipeline(changed(plan(LOW), plan(HIGH)), sources=2)
    first, after, end = stock("A: 12:01 15, 12:10:30 15, 12:13 30")
    for told in (first, after):
        pipeline.arrive(told)
        pipeline.step()
    pipeline.crash_judge(0)
    for partition, told in enumerate(stock("B: 12:12 50, 12:12 50")):
        pipeline.arrive(told, partition)
        pipeline.step()
    pipeline.arrive(end)
    pipeline.finish(END)
    assert lines(pipeline.said) == ["12:01 A firing warning", "12:13 A resolved warning"]
    assert len({t["episode_id"] for t in pipeline.said}) == 1


def test_a_rule_that_expires_before_the_next_version_begins():
    """The first value after the border comes before the watermark has told that the last day is over."""
    first, second = (v(n, replace(LOW, expires=TODAY, for_s=n)) for n in (0, 1))
    watched = in_force([Version(plan(first), None), Version(plan(second), int(clock("2026-01-15 00:03").timestamp()))])
    pipeline = Pipeline(watched)
    for told in stock("A: 23:58 15, 2026-01-15 00:09 15"):
        pipeline.arrive(told)
    assert lines(pipeline.finish(clock("2026-01-15 00:10"))) == [
        "23:58 A firing warning",
        "2026-01-15 00:00 A resolved warning",
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param("A: 12:09 30, 12:12:30 30", [("Low", "firing", "12:11:00Z")], id="after the border"),
        pytest.param("A: 12:08 30, 12:12:30 30", [("R", "firing", "12:10:00Z")], id="at the border"),
    ],
)
def test_a_level_that_becomes_stale_near_the_border(told, expected):
    """The version that covers the instant says so, also where only the next value tells of the time after."""
    old = v(1, rule(when(level(stale_after_s=120), "at_most 20"), no_data="alert"))
    new = replace(v(2, old), name="Low", was=("R",))
    found = replay_events(changed(plan(old), plan(new)), stock(told), zone=LONDON, until=clock("12:13"))
    assert [(t.rule, t.state, t.at[11:]) for t in found] == [*expected, ("Low", "resolved", "12:12:30Z")]


def test_a_rule_by_another_name():
    """`was` carries what is open over, with its ids."""
    other = replace(v(2, rule(when(STOCK, "at_most 20"), name="Low")), was=("R",))
    found = replay_events(changed(plan(LOW), plan(other)), stock("A: 12:01 15, 12:12 30"), zone=LONDON, until=END)
    assert [(t.rule, t.state) for t in found] == [("R", "firing"), ("Low", "resolved")]
    assert len({t.episode_id for t in found}) == 1


def test_a_new_rule_is_filled_from_the_log():
    """Orders of the hour before the rule existed count, and none of them is late for it."""
    first, second = (
        plan(v(1, rule(when(ORDERS, "above 100"), name="A"))),
        plan(v(1, rule(when(SESSIONS, "at_least 50", window=1200)))),
    )
    events = [*orders("web: 12:01 x40"), *[e for m in range(12) for e in _sessions(m)]]
    after = changed(first, plan(*first.rules, *second.rules))
    pipeline = Pipeline(in_force([Version(first, None)]))
    coming = arrivals(after, events, sources=1, jitter=[0.0], spread=[0], again=[])
    for item in coming:
        pipeline.arrive(*item)
        pipeline.measure(("orders", 0))
        pipeline.measure(("traffic", 0))
        pipeline.commit_source(("traffic", 0))
        pipeline.judge(0)
        pipeline.cut(0)
    pipeline.change_plan(after)
    assert lines(pipeline.finish(END)) == ["12:11 web firing warning"]
    assert pipeline.dead == []


def test_the_past_of_a_new_rule_comes_in_two_parts():
    """Half of it is not judged, and the whole counts as complete."""
    first = plan(v(1, rule(when(ORDERS, "above 100"), name="A")))
    few = v(1, rule(when(SESSIONS, "at_most 30", window=600), name="Few"))
    most = v(1, rule(when(SESSIONS, "at_most 100", window=600), name="Most"))
    pipeline = Pipeline(in_force([Version(first, None)]))
    for one in sorted(
        [*orders("web: 12:01 x40"), *[e for m in range(15) for e in _sessions(m)]], key=lambda e: e["time"]
    ):
        pipeline.arrive(one)
        pipeline.measure(("orders", 0))
        pipeline.measure(("traffic", 0))
        pipeline.commit_source(("traffic", 0))
        pipeline.judge(0)
        pipeline.cut(0)
    pipeline.change_plan(changed(first, plan(*first.rules, few, most)))
    pipeline.measure(("traffic", 0), 20)
    pipeline.judge(0)
    pipeline.cut(0)
    assert pipeline.said == []
    said = pipeline.finish(clock("12:15"))
    assert [(t["rule"], line) for t, line in zip(said, lines(said), strict=True)] == [
        ("Most", "12:14 web firing warning")
    ]
    assert pipeline.dead == []


def _sessions(minute: int) -> list[Event]:
    return sessions(f"web: 12:{minute:02} x5")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            "rules:\n  - {name: LowStock, threshold: {measure: stock, at_most: 20}}\n",
            "rules:\n  - {name: LowStock, threshold: {measure: stock, at_most: 25}, for: 5m}\n",
            ["LowStock: at_most 20 → 25", "LowStock: for none → 5m"],
            id="numbers",
        ),
        pytest.param(
            "rules:\n  - {name: LowStock, threshold: {measure: stock, at_most: 20}}\n",
            "rules:\n  - {name: LowStock, threshold: {measure: stock, at_most: {file: limits.csv, otherwise: 5}}}\n",
            ["LowStock: at_most 20 → file limits.csv, otherwise 5"],
            id="a number that stands elsewhere now",
        ),
        pytest.param(
            "measures: {a: {count: order.placed}}\nrules:\n  - {name: A}\n",
            "measures: {b: {count: order.placed}}\nrules:\n  - {name: B}\n",
            ["A: removed", "measure a: removed", "B: new", "measure b: new"],
            id="names",
        ),
        pytest.param("rules: []", "rules: []  # a comment", [], id="nothing"),
    ],
)
def test_changes_in_words(old, new, expected):
    """A log line for each thing that somebody edited."""
    assert changes_in_words({"r.yml": old}, {"r.yml": new}) == expected
