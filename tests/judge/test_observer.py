"""Who watches a judge is told all of it and changes nothing; a shortcut changes nothing but the work."""

from dataclasses import dataclass, field
from typing import Any

from shorthand import LONDON, ORDERS, STOCK, clock, of, orders, plan, rule, stock, when

from lockstep.alert import State
from lockstep.judge.group import Group
from lockstep.judge.group_view import GroupView
from lockstep.judge.next import Schedule
from lockstep.judge.rule_facts import FAR
from lockstep.rule.condition.kinds import Baseline, Plan, Rule, Severity, Spike
from lockstep.rule.condition.view import Instant
from lockstep.text.rfc3339 import SECOND
from lockstep.tools.backtest.replay import Attached, Replay, replayed
from lockstep.transition import Transition

WATCHED = plan(rule(when(ORDERS, "above 2")), rule(when(STOCK, "at_most 20", window=None), name="S"))
EVENTS = [*orders("web: 12:00, 12:01 x3, 12:02, 19:00"), *stock("A: 12:00:30 35, 12:01:30 20, 12:02:30 25")]


@dataclass
class Notes:
    """What an observer was told, in order. sees: the rules of which it wants every verdict."""

    sees: str = "RS"
    judged: list[tuple[str, str, State, int | None]] = field(default_factory=list)
    emitted_: list[Transition] = field(default_factory=list)
    views: list[GroupView] = field(default_factory=list)
    oldest: list[int | None] = field(default_factory=list)

    def sees_every_verdict(self, rule: Rule) -> bool:
        return rule.name in self.sees

    def judging(self, group: Group, at: Instant, view: GroupView) -> None:
        value = view.level(STOCK, at.us, newest=True) if at.newest else view.flow(ORDERS, at.end - 60, at.end)
        moment = f"{at.us // SECOND % 86_400 // 60 // 60:02}:{at.us // SECOND % 3_600 / 60:g}"
        self.judged.append((group.facts.rule.name, moment, group.alert.state, value and value // SECOND))

    def emitted(self, group: Group, transition: Transition, view: GroupView) -> None:
        assert group.alert.episode_id == transition.episode_id
        self.emitted_.append(transition)
        self.views.append(view)

    def expiring(self) -> None:
        self.oldest += [view.first_seen(ORDERS, 0, FAR) for view in self.views[:1]]


def told(events: list[dict[str, Any]] = EVENTS, watched: Plan = WATCHED, **attached: Any) -> Replay:
    until = clock("19:10")
    return replayed(watched, events, zone=LONDON, until=until, attach=lambda: Attached(**attached), at_once=1)


def test_an_observer_hears_of_every_verdict_and_every_transition():
    """Also of quiet ones, before they step the alert; and what is told is what would be without it."""
    notes = Notes()
    seen = told(observer=notes)
    assert seen.transitions == told().transitions == sorted(notes.emitted_, key=lambda t: (t.at, t.rule))
    assert len(seen.transitions) == 4
    assert sorted(notes.judged, key=lambda judged: judged[:2]) == [
        ("R", "12:1", State.INACTIVE, 1),
        ("R", "12:2", State.INACTIVE, 3),
        ("R", "12:3", State.FIRING, 1),
        ("R", "19:1", State.RESOLVED, 1),
        ("S", "12:0.5", State.INACTIVE, 35),
        ("S", "12:1.5", State.INACTIVE, 20),
        ("S", "12:2.5", State.FIRING, 25),
    ]


def test_of_other_rules_an_observer_sees_what_is_judged_all_the_same():
    """Every transition, and the verdicts on groups that may be other than clear, or were: not that of 12:01."""
    notes = Notes(sees="S")
    seen = told(observer=notes)
    assert seen.transitions == told().transitions == sorted(notes.emitted_, key=lambda t: (t.at, t.rule))
    assert [moment for name, moment, *_ in notes.judged if name == "R"] == ["12:2", "12:3", "19:1"]
    assert len([name for name, *_ in notes.judged if name == "S"]) == 3


def test_an_observer_is_told_before_old_buckets_go():
    """A view that it kept still sees them; the judge keeps them for longer where it is asked to."""
    hours = ", ".join(f"2026-01-13 {hour:02}:00" for hour in range(2, 24, 2))
    events = orders(f"web: 2026-01-13 00:00 x3, {hours}, 12:00")
    notes = Notes()
    brief, long = told(events, observer=notes), told(events, keep_longer_s={ORDERS.id: 30 * 86_400})
    first = int(clock("00:00", "2026-01-13").timestamp())
    assert notes.oldest[0] == first
    assert notes.oldest[-1] is not None
    assert notes.oldest[-1] > first
    assert brief.judge is not None
    assert long.judge is not None
    assert list(brief.judge.histories.flows) == []
    assert len(long.judge.histories.flows[ORDERS.id, ("web",)].starts) == 13


class _TooFew:
    """Knows that a rise to three orders is none while there are fewer."""

    def __init__(self) -> None:
        self.asked: list[State] = []

    def quiet_until(self, group: Group, end: int, view: GroupView, schedule: Schedule) -> int | None:
        self.asked.append(group.alert.state)
        value = view.flow(ORDERS, end - 300, end)
        return schedule.after(group, end) if value is not None and value < 3 * SECOND else None


def test_a_shortcut_that_is_right_changes_nothing_but_the_work():
    """It is asked of quiet groups alone."""
    before = Baseline(previous_s=300, otherwise=Baseline(days=7))
    rise = plan(rule(Spike(of(ORDERS), 300, before, Severity.WARNING, above=2.0, at_least=1.0)))
    events = orders("web: 12:00, 12:04, 12:08, 12:10 x6, 12:20, 12:30 x3")
    shortcut = _TooFew()
    short, whole = told(events, rise, shortcut=shortcut), told(events, rise)
    assert short.transitions == whole.transitions
    assert [t.state.value for t in short.transitions] == ["firing", "resolved"]
    assert set(shortcut.asked) == {State.INACTIVE, State.RESOLVED}
    assert short.judge is not None
    assert whole.judge is not None
    assert short.judge.counts.visits < whole.judge.counts.visits
