"""Who hears of an alert that nobody has: steps, pauses, hurry, hours, clocks that jump, restarts."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_alert import transition

from lockstep.notify.oncall.escalations import Escalation, EscalationRuns, Step
from lockstep.rule.condition.kinds import Severity
from lockstep.transition import TransitionName

T0 = 1_780_000_000.0
MINUTE = 60.0
WATCH = Escalation(
    "watch",
    (Step(0, ("oncall:day",)), Step(900, ("lead",)), Step(1_800, ("boss",), severity=Severity.CRITICAL)),
    repeat=1,
    unresolved=Step(4 * 3_600, ("leadership",), severity=Severity.CRITICAL),
)


def _never(name: str, moment: float) -> bool:
    return False


class _Watched:
    """Runs that are cut and restored whenever one likes, on one line of time."""

    def __init__(self, escalation: Escalation = WATCH, within=_never) -> None:
        self._escalations, self._within = {escalation.name: escalation}, within
        self.stored: dict[bytes, bytes] = {}
        self.runs = EscalationRuns(self._escalations, within)
        self.calls: list[tuple[int, tuple[str, ...], str]] = []

    def restart(self) -> None:
        self._store()
        self.runs = EscalationRuns(self._escalations, self._within)
        self.runs.restore(self.stored)

    def _store(self) -> None:
        for key, value in self.runs.cut().items():
            if value is None:
                self.stored.pop(key, None)
            else:
                self.stored[key] = value

    def tick(self, minutes: float) -> None:
        for call in self.runs.tick(T0 + minutes * MINUTE).calls:
            self.calls.append((round(minutes), call.to, call.why))

    def until(self, begin: float, end: float) -> None:
        """A tick every ten seconds."""
        for n in range(round(begin * 6), round(end * 6) + 1):
            self.tick(n / 6)

    @property
    def said(self) -> list[str]:
        return [f"{minute} {to[0]}" for minute, to, _ in self.calls]


FIRING = transition(severity="critical")
EPISODE = FIRING.episode_id


def _begun(escalation: Escalation = WATCH, within=_never, *, first=FIRING) -> _Watched:
    watched = _Watched(escalation, within)
    watched.runs.hear(first)
    watched.runs.begin(first, "watch", T0)
    return watched


def test_steps_come_in_their_time_and_again_until_somebody_has_it():
    """After the last step everybody waits as long as before it; leadership comes last."""
    watched = _begun()
    watched.until(0, 300)
    assert watched.said == [
        "0 oncall:day",
        "15 lead",
        "30 boss",
        "45 oncall:day",
        "60 lead",
        "75 boss",
        "240 leadership",
    ]
    assert [why for _, _, why in watched.calls][1:5:3] == [
        "nobody has it after 15 minutes (escalation watch, step 2 of 3)",
        "nobody has it after 1 hour (escalation watch, step 2 of 3, round 2 of 2)",
    ]
    assert watched.calls[-1][2] == "it is still open after 4 hours (escalation watch)"


def test_the_first_answer_ends_it():
    """But not what is said of an alert that stays open for hours although somebody has it."""
    watched = _begun()
    watched.until(0, 20)
    watched.runs.end(EPISODE)
    watched.until(20, 300)
    assert watched.said == ["0 oncall:day", "15 lead", "240 leadership"]


def test_what_was_closed_by_hand_is_no_matter_of_leadership():
    """For people it is over."""
    watched = _begun()
    watched.tick(0)
    watched.runs.end(EPISODE, is_closed=True)
    watched.until(1, 300)
    assert watched.said == ["0 oncall:day"]


def test_the_end_of_the_episode_ends_all_of_it():
    """And leaves nothing in the state."""
    watched = _begun()
    watched.until(0, 20)
    watched.runs.hear(transition("resolved", minute=20, severity="critical"))
    watched.until(20, 300)
    watched.restart()
    assert (watched.said, watched.stored) == (["0 oncall:day", "15 lead"], {})


def test_a_pause_leaves_what_was_left_of_the_wait():
    """Snoozed after five minutes for an hour: ten minutes after it is told again the lead hears, nobody twice."""
    watched = _begun()
    watched.until(0, 5)
    watched.runs.end(EPISODE)
    watched.until(5, 65)
    watched.restart()
    watched.runs.begin(FIRING, "watch", T0 + 65 * MINUTE)
    watched.until(65, 80)
    assert watched.said == ["0 oncall:day", "75 lead"]


def test_a_dead_destination_hurries_the_next_step_once():
    """Two destinations of one step that die together hurry once; those after keep their distance."""
    watched = _begun()
    watched.until(0, 3)
    watched.runs.hurry(EPISODE, "mail to anna@example.com was given up", T0 + 3 * MINUTE)
    watched.runs.hurry(EPISODE, "slack #night was given up", T0 + 3 * MINUTE)
    watched.until(3, 25)
    assert watched.said == ["0 oncall:day", "3 lead", "18 boss"]
    assert watched.calls[1][2] == "mail to anna@example.com was given up (escalation watch, step 2 of 3)"


def test_a_step_waits_for_its_severity_and_others_do_not_wait_for_it():
    """The boss hears of a critical alert alone; when it gets so, at once."""
    first = transition(severity="warning")
    watched = _begun(first=first)
    watched.until(0, 50)
    assert watched.said == ["0 oncall:day", "15 lead", "45 oncall:day"]
    watched.runs.hear(transition("severity", minute=50, severity="critical"))
    watched.until(50, 51)
    assert watched.said[3:] == ["50 boss"]


def test_a_step_waits_for_its_hours():
    """A mute time that holds it, or an active time outside of which it waits: told when that is over."""
    muted = Step(60, ("a",), mute=("nights",))
    active = Step(120, ("b",), active=("office",))
    hours = {"nights": (0, 100 * MINUTE), "office": (200 * MINUTE, 300 * MINUTE)}
    watched = _begun(
        Escalation("watch", (muted, active, Step(180, ("c",)))),
        lambda name, at: hours[name][0] <= at - T0 < hours[name][1],
    )
    watched.until(0, 250)
    assert watched.said == ["3 c", "100 a", "200 b"]


@pytest.mark.parametrize(
    ("jump", "expected"),
    [
        pytest.param(180.0, ["0 oncall:day", "185 lead", "200 boss"], id="three hours ahead: the lead gets his time"),
        pytest.param(-600.0, ["0 oncall:day", "-580 lead", "-565 boss"], id="ten hours back: no longer than a wait"),
    ],
)
def test_a_clock_that_jumps_neither_skips_nor_repeats_a_step(jump, expected):
    """One step at once where several would be due, and none waits longer than it ever could."""
    watched = _begun()
    watched.until(0, 5)
    watched.until(5 + jump, 42 + jump)
    assert watched.said[:3] == expected


def test_an_escalation_that_was_taken_out_is_over():
    """Of a routing that no longer names it."""
    watched = _begun()
    watched.tick(0)
    watched._escalations = {}
    watched.restart()
    watched.until(1, 60)
    watched.restart()
    assert (watched.said, watched.stored) == (["0 oncall:day"], {})


_EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.floats(0.1, 40)),
        st.tuples(st.just("jump"), st.floats(-120, 300)),
        st.tuples(st.sampled_from(["end", "begin", "hurry"]), st.just(0.0)),
        st.tuples(st.just("severity"), st.sampled_from([1.0, 2.0, 3.0])),
    ),
    max_size=60,
)


def _played(events, restarts: frozenset[int]) -> list[tuple[int, tuple[str, ...], str]]:
    watched, now = _begun(), 0.0
    watched.tick(now)
    for n, (kind, value) in enumerate(events):
        if n in restarts:
            watched.restart()
        match kind:
            case "tick" | "jump":
                now += value
            case "end":
                watched.runs.end(EPISODE)
            case "begin":
                watched.runs.begin(FIRING, "watch", T0 + now * MINUTE)
            case "hurry":
                watched.runs.hurry(EPISODE, "it is dead", T0 + now * MINUTE)
            case "severity":
                word = Severity(int(value)).word
                watched.runs.hear(msgspec.structs.replace(FIRING, state=TransitionName.SEVERITY, severity=word))
        watched.tick(now)
    return watched.calls


@settings(deadline=None)
@given(_EVENTS, st.frozensets(st.integers(0, 59)))
def test_no_step_is_told_twice_and_a_restart_anywhere_changes_nothing(events, restarts):
    """Whatever people, clocks and destinations do."""
    calls = _played(events, frozenset())
    assert _played(events, restarts) == calls
    steps = [why.split(":")[0] for _, _, why in calls]
    assert len(steps) == len({*steps})


@settings(deadline=None)
@given(st.lists(st.floats(0.1, 40), max_size=40))
def test_everybody_has_the_time_to_answer_that_the_timetable_gives(waits):
    """However late the service looks: the steps stay in their order, and fifteen minutes lie between two of them."""
    calls = _played([("tick", wait) for wait in waits], frozenset())
    steps = [(minute, to[0]) for minute, to, _ in calls if to != ("leadership",)]
    order = ["oncall:day", "lead", "boss"] * 2
    assert [to for _, to in steps] == order[: len(steps)]
    assert all(b - a >= 14 for (a, _), (b, _) in pairwise(steps))
