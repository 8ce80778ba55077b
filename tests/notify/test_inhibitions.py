"""Inhibitions: what hushes what, that nothing hushes itself, and that a restart knows what fires."""

from typing import Any

import pytest
from alert_samples import NOON, transition
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lockstep.notify.quiet.inhibition_form import InhibitionModel, inhibitions_of
from lockstep.notify.quiet.inhibitions import Inhibition, Inhibitions
from lockstep.notify.routing.route_options import RouteOptions
from lockstep.response.command import TakeBack
from lockstep.rule.condition.kinds import Severity
from lockstep.transition import Transition

FORM: TypeAdapter[Any] = TypeAdapter(list[InhibitionModel])
DOWN = {"source": "rule=ShopDown", "target": "severity!=critical", "equal": ["channel"]}


def inhibitions(*written: dict[str, Any]) -> tuple[Inhibition, ...]:
    return inhibitions_of(FORM.validate_python([*written]))


def alert(rule: str, state: str = "firing", *, severity: str = "warning", **labels: str) -> Transition:
    return transition(state, rule=rule, labels=labels, severity=severity)


def facts(rule: str, severity: str = "warning", team: str = "operations", **labels: str) -> dict[str, str]:
    return {**labels, "rule": rule, "severity": severity, "team": team}


class Run:
    """The part as notify drives it; `restarts` makes a new one of its entries after every step."""

    def __init__(self, *written: dict[str, Any], restarts: bool = False) -> None:
        self.written, self.restarts = written, restarts
        self.entries: dict[bytes, bytes] = {}
        self.fires: list[dict[str, str]] = []
        self.part = self.new()

    def new(self) -> Inhibitions:
        part = Inhibitions(inhibitions(*self.written), lambda t: ("marketing", "operations"), lambda: self.fires)
        part.restore(self.entries)
        return part

    def hear(self, *heard: Transition) -> "Run":
        for one in heard:
            self.part.hear(one)
            self._cut()
            alert_facts = {**one.labels, "rule": one.rule}
            self.fires = [
                f for f in self.fires if not alert_facts.items() <= f.items() or len(f) != len(alert_facts) + 2
            ]
            if one.state != "resolved":
                self.fires += [
                    {**alert_facts, "severity": one.severity, "team": team} for team in ("marketing", "operations")
                ]
        return self

    def tick(self) -> list[str]:
        ended = [e.why for e in self.part.tick(NOON.timestamp()).ended]
        self._cut()
        return ended

    def why(self, asked: dict[str, str]) -> str | None:
        severity = Severity.of(asked["severity"])
        hush = self.part.hushed(asked, severity, NOON.timestamp(), RouteOptions())
        assert hush is None or hush.until is None
        return None if hush is None else hush.why

    def _cut(self) -> None:
        for key, value in self.part.cut().items():
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value
        if self.restarts:
            self.part = self.new()


@pytest.fixture(params=[False, True], ids=["runs on", "restarts after every step"])
def make(request: pytest.FixtureRequest) -> Any:
    return lambda *written: Run(*written, restarts=request.param)


def test_while_the_source_fires(make):
    """And with the same labels; its end is told of, and with it what was hushed."""
    run = make(DOWN)
    low = facts("LowStock", channel="web")
    assert run.tick() == []
    assert run.why(low) is None
    run.hear(alert("ShopDown", channel="web", severity="critical"))
    assert run.why(low) == "inhibited: ShopDown, channel web fires"
    assert run.why(facts("LowStock", channel="shop")) is None
    assert run.why(facts("LowStock", severity="critical", channel="web")) is None
    assert run.tick() == []
    run.hear(alert("ShopDown", "resolved", channel="web", severity="critical"))
    assert run.why(low) is None
    assert run.tick() == ["ShopDown, channel web no longer inhibits it"]
    assert run.tick() == []


@pytest.mark.parametrize(
    ("source", "target", "hushed"),
    [
        pytest.param({"channel": "web"}, {"channel": "web"}, True, id="the same value"),
        pytest.param({"channel": "web"}, {"channel": "shop"}, False, id="another value"),
        pytest.param({}, {}, False, id="a label that both lack is not equal"),
        pytest.param({}, {"channel": "web"}, False, id="the source lacks it"),
        pytest.param({"channel": "web"}, {}, False, id="the target lacks it"),
        pytest.param({"channel": ""}, {}, False, id="an empty label is not a missing one"),
        pytest.param({"channel": ""}, {"channel": ""}, True, id="two empty labels are equal"),
    ],
)
def test_equal_labels_are_on_both_sides(make, source, target, hushed):
    """Else an alert of the whole shop would hush every other one that has no channel."""
    run = make(DOWN).hear(alert("ShopDown", severity="critical", **source))
    assert (run.why(facts("LowStock", **target)) is not None) is hushed


def test_one_source_for_all(make):
    """Where `equal: []` says so."""
    run = make({**DOWN, "equal": []}).hear(alert("ShopDown", severity="critical"))
    assert run.why(facts("LowStock", sku="A")) == "inhibited: ShopDown fires"


def test_nothing_inhibits_itself(make):
    """An alert that meets both sides: neither by itself nor by another one that does."""
    run = make({"source": "severity=~.*", "target": "severity=~.*", "equal": []})
    run.hear(alert("A", sku="1"), alert("A", sku="2"))
    assert run.why(facts("A", sku="1")) is None
    assert run.why(facts("A", sku="2")) is None


def test_what_meets_both_sides_is_inhibited_by_what_meets_one(make):
    """A warning of the rule is, by something that is no target."""
    run = make({"source": "rule=~Low|Down", "target": "rule=Low", "equal": []})
    run.hear(alert("Low", sku="1"), alert("Down"))
    assert run.why(facts("Low", sku="1")) == "inhibited: Down fires"
    assert run.why(facts("Down")) is None


def test_what_is_inhibited_inhibits(make):
    """Down hushes Low, and Low hushes Slow though nobody hears of it."""
    run = make(
        {"source": "rule=Down", "target": "rule=Low", "equal": []},
        {"source": "rule=Low", "target": "rule=Slow", "equal": []},
    ).hear(alert("Low"), alert("Down"))
    assert run.why(facts("Slow")) == "inhibited: Low fires"


def test_of_a_circle_all_are_told(make):
    """Two that hush each other would be a silence that nobody has made; with a cause beside them they are hushed."""
    run = make(
        {"source": "rule=A", "target": "rule=B", "equal": []},
        {"source": "rule=B", "target": "rule=A", "equal": []},
        {"source": "rule=Down", "target": "rule=A", "equal": []},
    ).hear(alert("A"), alert("B"))
    assert run.why(facts("A")) is None
    assert run.why(facts("B")) is None
    run.hear(alert("Down"))
    assert run.why(facts("A")) == "inhibited: Down fires"
    assert run.why(facts("B")) == "inhibited: A fires"


def test_a_source_that_changes_its_severity(make):
    """It is one as long as it is critical."""
    run = make({"source": ["rule=A", "severity=critical"], "target": "rule=B", "equal": []})
    run.hear(alert("A", severity="critical"))
    assert run.why(facts("B"))
    run.hear(alert("A", "severity"))
    assert run.why(facts("B")) is None
    assert run.tick() == ["A no longer inhibits it"]
    run.hear(alert("A", "severity", severity="critical"))
    assert run.why(facts("B"))


def test_teams(make):
    """A source concerns each of its teams; `team` can be among what is equal."""
    run = make({"source": ["rule=A", "team=marketing"], "target": "rule=B", "equal": "team"}).hear(alert("A"))
    assert run.why(facts("B", team="marketing"))
    assert run.why(facts("B", team="operations")) is None


def test_the_same_source_is_named_whatever_came_first(make):
    """Of several the first by name, so that a restart says the same."""
    run = make({**DOWN, "equal": []}).hear(alert("ShopDown", channel="web"), alert("ShopDown", channel="app"))
    assert run.why(facts("LowStock")) == "inhibited: ShopDown, channel app fires"
    run.hear(alert("ShopDown", "resolved", channel="app"))
    assert run.why(facts("LowStock")) == "inhibited: ShopDown, channel web fires"


def test_many_ends_are_one(make):
    """What is held is looked at once."""
    run = make({**DOWN, "equal": []}).hear(*(alert("ShopDown", sku=str(n)) for n in range(5)))
    run.tick()
    run.hear(*(alert("ShopDown", "resolved", sku=str(n)) for n in range(5)))
    assert run.tick() == ["ShopDown, sku 0; ShopDown, sku 1; ShopDown, sku 2 and 2 more no longer inhibit it"]


def test_imported_time_is_no_source(make):
    """Nobody is told of it, nor is anything hushed by it."""
    run = make({**DOWN, "equal": []}).hear(transition("firing", rule="ShopDown", past=True))
    assert run.why(facts("LowStock")) is None


def test_a_new_inhibition_knows_what_fires():
    """What began before it was written is a source; of one that is gone nothing is left."""
    run = Run()
    run.fires = [facts("ShopDown", channel="web", team=team) for team in ("marketing", "operations")]
    run.tick()
    assert run.entries == {}
    run.written = (DOWN,)
    run.part = run.new()
    assert run.tick() == []
    assert run.why(facts("LowStock", channel="web"))
    run.written = ()
    run.part = run.new()
    assert run.tick() == []  # that the file says otherwise is told by its mute times
    assert run.entries == {}


def test_no_inhibition_keeps_nothing(make):
    """Nor is anything asked."""
    run = make().hear(alert("ShopDown", channel="web"))
    assert run.tick() == []
    assert run.why(facts("LowStock", channel="web")) is None
    assert run.entries == {}
    command = TakeBack(id="1", by="Anna", way="page", at="2026-11-24T12:00:00Z", alert_id="a")
    assert run.part.apply(command, NOON.timestamp()) is None


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"equal": None}, "Field required"),
        ({"source": "ShopDown"}, "'ShopDown' is no matcher, it has no value; write rule=ShopDown if that is a rule"),
        ({"source": []}, "at least 1 item"),
        ({"target": 5}, "this is no matcher; write one like rule=LowStock"),
        ({"source_matchers": ["a=b"]}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_no_inhibition(changed, says):
    """Each with the way out."""
    written = {key: value for key, value in {**DOWN, **changed}.items() if value is not None}
    with pytest.raises(ValidationError) as refused:
        inhibitions(written)
    assert says in str(refused.value)


def test_in_words():
    """As `check` names one."""
    assert [str(i) for i in inhibitions(DOWN, {**DOWN, "equal": []})] == [
        "rule=ShopDown inhibits severity!=critical with the same channel",
        "rule=ShopDown inhibits severity!=critical",
    ]


SIDES = st.sampled_from(["rule=A", "rule=B", "rule=~A|C", "severity=critical", "rule!=A", "team=marketing"])
WRITTEN = st.lists(
    st.fixed_dictionaries({"source": SIDES, "target": SIDES, "equal": st.sampled_from([[], ["x"], ["team"]])}),
    max_size=4,
)
HEARD = st.lists(
    st.tuples(
        st.sampled_from("ABC"),
        st.sampled_from(["firing", "severity", "resolved"]),
        st.sampled_from(["warning", "critical"]),
        st.sampled_from([{}, {"x": "1"}, {"x": ""}]),
    ),
    max_size=15,
)
ALL = [
    facts(rule, severity, team, **labels)
    for rule in "ABC"
    for severity in ("warning", "critical")
    for team in ("marketing", "operations")
    for labels in ({}, {"x": "1"}, {"x": ""})
]


def _by_hand(written: list[dict[str, Any]], fires: dict[Any, dict[str, str]], asked: dict[str, str]) -> bool:
    """Whether something inhibits an alert: by looking at all alerts for all inhibitions, and up from each."""

    def causes(target: list[dict[str, str]], key: Any) -> set[Any]:
        return {
            other
            for i in inhibitions(*written)
            for seen in target
            if all(m.matches(seen) for m in i.target) and all(label in seen for label in i.equal)
            for other, base in fires.items()
            if other != key
            for source in ({**base, "team": team} for team in ("marketing", "operations"))
            if all(m.matches(source) for m in i.source)
            and all(source.get(label) == seen[label] for label in i.equal)
            and not (
                all(m.matches(seen) for m in i.source)
                and any(
                    all(m.matches({**base, "team": team}) for m in i.target)
                    and all(m.matches({**base, "team": team}) for m in j.source)
                    for team in ("marketing", "operations")
                    for j in inhibitions(*written)
                )
            )
        }

    me = (asked["rule"], asked.get("x"))
    pending, seen_keys = causes([asked], me), {me}
    while pending:
        key = pending.pop()
        if key in seen_keys:
            continue
        seen_keys.add(key)
        above = causes([{**fires[key], "team": team} for team in ("marketing", "operations")], key)
        if not above:
            return True
        pending |= above
    return False


OF_ONE_TEAM = [{"source": "team=marketing", "target": "rule=A", "equal": []}]
"""Two alerts of rule A would inhibit each other for operations."""


@example(OF_ONE_TEAM, [("A", "firing", "warning", {}), ("A", "firing", "warning", {"x": "1"})], set())
@settings(max_examples=100, deadline=None)
@given(WRITTEN, HEARD, st.sets(st.integers(0, 15)))
def test_the_same_as_by_hand_with_a_restart_anywhere(written, heard, restarts):
    """Whatever fires and ends, and wherever it is cut and taken up."""
    run, plain = Run(*written), Run(*written)
    fires: dict[Any, dict[str, str]] = {}
    for n, (rule, state, severity, labels) in enumerate(heard):
        one = alert(rule, state, severity=severity, **labels)
        run.hear(one)
        plain.hear(one)
        if state == "resolved":
            fires.pop((rule, labels.get("x")), None)
        else:
            fires[rule, labels.get("x")] = {**labels, "rule": rule, "severity": severity}
        if n in restarts:
            run.part = run.new()
        if n % 3 == 2:
            assert run.tick() == plain.tick()
    for asked in ALL:
        assert run.why(asked) == plain.why(asked)
        assert (run.why(asked) is not None) is _by_hand(written, fires, asked)
