"""One step of an alert at a time: what each verdict leaves in it. Minutes of event time, from 0."""

from typing import Any

import pytest
from shorthand import ORDERS, SESSIONS, rule, when

from lockstep.alert import Alert, State, apply_verdict, due, run_timer, would_fire
from lockstep.rule.condition.kinds import AnyOf, NoData, Rule, Severity, Tolerance
from lockstep.rule.condition.view import Kind, Verdict

MINUTE = 60_000_000
WARNING = Severity.WARNING
PLAIN = rule(when(ORDERS, "above 5"))
BREACH = Verdict(Kind.BREACH, WARNING, 6.0)
CLEAR = Verdict(Kind.CLEAR, None, 1.0)
NO_DATA = Verdict(Kind.NO_DATA)


def alert(state: State, **changed: Any) -> Alert:
    """One whose last verdict was a breach at minute 10."""
    given = {"state": state, "kind": Kind.BREACH, "at": 10 * MINUTE, "since": 10 * MINUTE, "verdict": BREACH}
    return Alert("a", **(given | changed))


def steps(watched: Alert, of: Rule, *verdicts: tuple[int, Verdict]) -> list[str]:
    """`12 resolved`: the changes that these verdicts, each at a minute, lead to."""
    changes = [c for minute, verdict in verdicts for c in apply_verdict(watched, of, verdict, minute * MINUTE)]
    return [f"{c.at // MINUTE} {c.name.value}" for c in changes]


@pytest.mark.parametrize("state", [State.INACTIVE, State.PENDING, State.FIRING, State.COOLING, State.RESOLVED])
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("minute", "expected"), [(11, 11), (9, 10)])
def test_when_it_was_judged_last_never_goes_back(state: State, kind: Kind, minute: int, expected: int) -> None:
    """Its timers run from there: one that went back would run them before what they are to come after."""
    watched = alert(state)
    apply_verdict(watched, PLAIN, Verdict(kind, WARNING if kind is Kind.BREACH else None), minute * MINUTE)
    assert watched.at == expected * MINUTE


@pytest.mark.parametrize(
    ("state", "verdict", "expected"),
    [
        pytest.param(State.FIRING, Verdict(Kind.NO_BOUND), ["11 resolved"], id="nothing to compare with any more"),
        pytest.param(State.PENDING, Verdict(Kind.NO_BOUND), ["11 cancelled"], id="and not yet told"),
        pytest.param(State.FIRING, Verdict(Kind.UNJUDGED), [], id="nobody is to conclude anything"),
        pytest.param(State.PENDING, Verdict(Kind.UNJUDGED), [], id="nor from that"),
        pytest.param(State.FIRING, Verdict(Kind.CLOSED), ["11 resolved"], id="after hours"),
        pytest.param(State.INACTIVE, Verdict(Kind.CLOSED), [], id="nothing to end"),
    ],
)
def test_verdicts_that_are_neither_breach_nor_clear(state: State, verdict: Verdict, expected: list[str]) -> None:
    assert steps(alert(state), PLAIN, (11, verdict)) == expected


def test_a_for_goes_on_through_what_could_not_be_judged() -> None:
    watched = alert(State.PENDING)
    held = rule(when(ORDERS, "above 5"), hold=300)
    assert steps(watched, held, (12, Verdict(Kind.UNJUDGED))) == []
    assert due(watched, held) == 15 * MINUTE


def test_what_cools_down_does_not_begin_again_after_hours() -> None:
    """It breached when it ended, and was closed since."""
    watched = alert(State.COOLING, ended_at=8 * MINUTE)
    cooling = rule(when(ORDERS, "above 5"), cool_down_s=600)
    assert steps(watched, cooling, (12, Verdict(Kind.CLOSED))) == []
    assert run_timer(watched, cooling, 18 * MINUTE) == []
    assert watched.state is State.RESOLVED
    again = alert(State.COOLING, ended_at=8 * MINUTE)
    assert [c.name.value for c in run_timer(again, cooling, 18 * MINUTE)] == ["firing"]


@pytest.mark.parametrize("state", [State.INACTIVE, State.COOLING, State.RESOLVED])
def test_what_changes_nothing_leaves_the_last_numbers(state: State) -> None:
    """Of an alert that is over, those of its end are shown."""
    watched = alert(state)
    assert steps(watched, PLAIN, (11, CLEAR)) == []
    assert (watched.verdict, watched.kind) == (BREACH, Kind.CLEAR)


def test_keep_firing_for_runs_from_the_first_clear_verdict() -> None:
    """However often it is looked at meanwhile; a breach in between begins it anew."""
    kept = rule(when(ORDERS, "above 5"), keep=300)
    watched = alert(State.FIRING)
    assert steps(watched, kept, (11, CLEAR), (12, CLEAR), (13, CLEAR)) == []
    assert due(watched, kept) == 16 * MINUTE
    assert steps(watched, kept, (14, BREACH), (15, CLEAR)) == []
    assert due(watched, kept) == 20 * MINUTE


def test_only_a_pending_alert_is_made_to_fire_by_a_count_of_buckets() -> None:
    """One that cools down waits for its end, whatever breaches."""
    tolerant = rule(when(ORDERS, "above 5"), tolerance=Tolerance(2, 3))
    assert would_fire(alert(State.PENDING, breaches=1), tolerant, 11 * MINUTE)
    assert not would_fire(alert(State.PENDING, breaches=0), tolerant, 11 * MINUTE)
    assert not would_fire(alert(State.COOLING, breaches=1), tolerant, 11 * MINUTE)
    assert not would_fire(alert(State.PENDING, breaches=1), PLAIN, 11 * MINUTE)


# ---- what the parts of an `any` hold ---------------------------------------------------------------------------------

ANY = rule(AnyOf((when(ORDERS, "above 5 clear below 3"), when(SESSIONS, "above 9 clear below 7")), WARNING))


def of_parts(kind: Kind, *parts: Kind) -> Verdict:
    made = tuple(Verdict(k, WARNING if k is Kind.BREACH else None) for k in parts)
    return Verdict(kind, WARNING if kind is Kind.BREACH else None, parts=made)


def held(watched: Alert) -> list[bool]:
    """Whether each part is held."""
    return [severity is not None for severity, _ in watched.held]


def test_each_part_is_held_until_it_is_clear_itself() -> None:
    watched = alert(State.INACTIVE)
    steps(watched, ANY, (11, of_parts(Kind.BREACH, Kind.BREACH, Kind.CLEAR)))
    assert held(watched) == [True, False]
    steps(watched, ANY, (12, of_parts(Kind.BREACH, Kind.CLEAR, Kind.BREACH)))
    assert held(watched) == [False, True]
    steps(watched, ANY, (13, of_parts(Kind.NO_DATA, Kind.CLEAR, Kind.NO_DATA)))
    assert held(watched) == [False, True]


def test_a_part_that_is_clear_while_the_alert_is_kept_firing_is_held_no_more() -> None:
    """Its band does not stop the clock then."""
    kept = rule(ANY.condition, keep=300)
    watched = alert(State.INACTIVE)
    steps(watched, kept, (11, of_parts(Kind.BREACH, Kind.BREACH, Kind.CLEAR)))
    assert steps(watched, kept, (12, of_parts(Kind.CLEAR, Kind.CLEAR, Kind.CLEAR))) == []
    assert held(watched) == [False, False]


def test_what_is_held_counts_while_it_fires() -> None:
    """A pending one may be cancelled within the band, and of one that is over nothing is held."""
    before = ((WARNING, ()), (None, ()))
    assert alert(State.FIRING, held=before).holding == before
    for state in (State.INACTIVE, State.PENDING, State.COOLING, State.RESOLVED):
        assert alert(state, held=before).holding == ()


@pytest.mark.parametrize(
    ("verdict", "no_data", "expected"),
    [
        pytest.param(of_parts(Kind.BREACH, Kind.NO_DATA, Kind.BREACH), NoData.KEEP, [False, True], id="a breach"),
        pytest.param(of_parts(Kind.NO_DATA, Kind.NO_DATA, Kind.CLEAR), NoData.ALERT, [False, False], id="no data"),
    ],
)
def test_an_episode_begins_with_nothing_held(verdict: Verdict, no_data: NoData, expected: list[bool]) -> None:
    """The one before it ended with its hours, its first part held."""
    watched = alert(State.RESOLVED, held=((WARNING, ()), (None, ())))
    assert steps(watched, rule(ANY.condition, no_data=no_data.value), (11, verdict)) == ["11 firing"]
    assert held(watched) == expected


def test_what_is_clear_all_along_remembers_nothing() -> None:
    """Most groups are: what is stored of them stays as small as it was."""
    watched = alert(State.INACTIVE)
    steps(watched, ANY, (11, of_parts(Kind.CLEAR, Kind.CLEAR, Kind.CLEAR)), (12, Verdict(Kind.UNJUDGED)))
    assert watched.held == ()


def test_what_is_held_is_of_the_group_s_own_condition() -> None:
    """Overrides and rows of tables make it another one than the rule's."""
    watched = alert(State.INACTIVE)
    breach = of_parts(Kind.BREACH, Kind.BREACH, Kind.CLEAR)
    apply_verdict(watched, PLAIN, breach, 11 * MINUTE, condition=ANY.condition)
    assert held(watched) == [True, False]
