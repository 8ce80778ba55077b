"""Very many messages: the first few, a summary a minute, and everything critical at once."""

from hypothesis import given, settings
from hypothesis import strategies as st
from planned_samples import BEN, item, planned

from lockstep.notification import CAME_AND_WENT
from lockstep.notify.pipeline.hooks import Planned
from lockstep.notify.summaries.storms import StormLimit, Storms
from lockstep.response.decision import Reason

T0 = 1_780_000_000.0
LIMIT = StormLimit(above=3, per_s=60)


def _restarted(storms: Storms, stored: dict[bytes, bytes]) -> Storms:
    for key, value in storms.cut().items():
        if value is None:
            stored.pop(key, None)
        else:
            stored[key] = value
    again = Storms(LIMIT, overview="https://lockstep.example.com/")
    again.restore(stored)
    return again


def _states(message: Planned) -> list[tuple[str, str]]:
    return [(i.alert_id, i.state) for i in message.body.items]


def test_the_first_go_out_and_the_rest_comes_as_one():
    """After a minute, most severe first, the others counted, with the address of all that is open."""
    storms = Storms(LIMIT, overview="https://lockstep.example.com/")
    passed = [storms.take(planned(item(n, severity="info" if n < 6 else "warning")), T0 + n) for n in range(9)]
    assert [p is not None for p in passed] == [True] * 3 + [False] * 6
    assert storms.summaries(T0 + 62) == []
    (summary,) = storms.summaries(T0 + 63)
    assert _states(summary) == [("A6", "firing"), ("A7", "firing"), ("A8", "firing")]
    assert (summary.reason, summary.body.subject, summary.body.more) == (
        Reason.STORM,
        "6 alerts. Warning: alert 6",
        3,
    )
    assert summary.body.reason == "more than 3 messages were to go to you within 1 minute: this is all the rest"
    assert summary.body.remarks(shown=3) == [
        "… and 3 more.",
        "You get this because more than 3 messages were to go to you within 1 minute: this is all the rest.",
    ]
    assert len(summary.about) == 6
    assert storms.summaries(T0 + 64) == []


def test_destinations_are_counted_by_themselves():
    """A storm for one is none for another."""
    storms = Storms(LIMIT)
    assert all(storms.take(planned(item(n)), T0) for n in range(3))
    assert storms.take(planned(item(3)), T0) is None
    assert storms.take(planned(item(3), to=BEN), T0) is not None


def test_what_is_critical_goes_out_at_once():
    """In the middle of a storm; and what was kept of it before is not said again."""
    storms = Storms(LIMIT)
    for n in range(5):
        storms.take(planned(item(n)), T0)
    assert storms.take(planned(item(3, "severity", "critical")), T0 + 1) is not None
    (summary,) = storms.summaries(T0 + 60)
    assert _states(summary) == [("A4", "firing")]


def test_an_episode_is_in_a_summary_once():
    """As it began and ended meanwhile, or as its end alone where it was told before."""
    storms = Storms(LIMIT)
    for n in range(3):
        storms.take(planned(item(n)), T0)
    storms.take(planned(item(3)), T0)
    storms.take(planned(item(3, "resolved")), T0 + 1)
    storms.take(planned(item(0, "resolved")), T0 + 2)
    (summary,) = storms.summaries(T0 + 60)
    assert sorted(_states(summary)) == [("A0", "resolved"), ("A3", CAME_AND_WENT)]
    assert summary.state == "resolved"


def test_a_clock_that_is_put_back_does_not_hold_a_summary():
    """No longer than a minute."""
    storms = Storms(LIMIT)
    for n in range(4):
        storms.take(planned(item(n)), T0)
    assert storms.summaries(T0 - 86_400) == []
    assert len(storms.summaries(T0 - 86_400 + 60)) == 1


def test_nothing_is_kept_of_a_destination_that_is_quiet():
    """The state forgets who was sent a few messages."""
    storms, stored = Storms(LIMIT), {}
    storms.take(planned(item(1)), T0)
    storms = _restarted(storms, stored)
    assert stored
    storms.summaries(T0 + 61)
    _restarted(storms, stored)
    assert stored == {}


_STEPS = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from(["firing", "severity", "resolved"]),
        st.sampled_from(["info", "warning", "critical"]),
        st.floats(0, 40),
    ),
    max_size=60,
)


def _played(steps, restarts: frozenset[int]) -> list[Planned]:
    storms, stored, sent, now = Storms(LIMIT, overview="https://lockstep.example.com/"), {}, [], T0
    for n, (number, state, severity, wait) in enumerate(steps):
        if n in restarts:
            storms = _restarted(storms, stored)
        now += wait
        sent += storms.summaries(now)
        passed = storms.take(planned(item(number, state, severity)), now)
        sent += [] if passed is None else [passed]
    return [*sent, *storms.summaries(now + 61)]


@settings(deadline=None)
@given(_STEPS, st.frozensets(st.integers(0, 59)))
def test_nothing_critical_is_kept_nothing_is_lost_and_a_restart_changes_nothing(steps, restarts):
    """Every alert that was to be told is in some message, or counted in one."""
    sent = _played(steps, frozenset())
    assert _played(steps, restarts) == sent
    critical = [f"E{n}{state}" for n, state, severity, _ in steps if severity == "critical" and state != "resolved"]
    assert [
        p.number
        for p in sent
        if p.reason is not Reason.STORM and p.body.severity == "critical" and p.state != "resolved"
    ] == critical
    assert {alert for message in sent for alert, _ in message.about} == {f"A{n}" for n, *_ in steps}
    assert len({p.number for p in sent if p.reason is Reason.STORM}) == sum(p.reason is Reason.STORM for p in sent)
