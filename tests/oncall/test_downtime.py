"""After downtime: what came and went unseen is one summary; the rest is told as ever."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from open_alert import NOON, transition
from planned_samples import ANNA, BEN, item
from planned_samples import planned as planned_message

from lockstep.notification import CAME_AND_WENT
from lockstep.notify.pipeline.hooks import Planned
from lockstep.notify.summaries.downtime import STORED_EVERY_S, Downtime
from lockstep.response.decision import Reason

T0 = NOON.timestamp()
HOUR = 3_600.0


def _firing(number: int, at: float, *, state: str = "firing"):
    """Alert `number`, which began so many seconds after noon."""
    began = (datetime.fromtimestamp(T0, UTC) + timedelta(seconds=at)).isoformat()
    return msgspec.structs.replace(transition(state, episode=f"E{number}", alert=f"A{number}"), at=began)


def _gone(*numbers: int, to=ANNA) -> Planned:
    return planned_message(*(item(n, CAME_AND_WENT) for n in numbers), to=to)


def _restarted(part: Downtime, stored: dict[bytes, bytes]) -> Downtime:
    for key, value in part.cut().items():
        if value is None:
            stored.pop(key, None)
        else:
            stored[key] = value
    again = Downtime(overview="https://lockstep.example.com/")
    again.restore(stored)
    return again


def _back_after_an_hour() -> Downtime:
    """Notify ticked at noon, and now again at one."""
    part, stored = Downtime(), {}
    part.tick(T0)
    part = _restarted(part, stored)
    part.read(_firing(1, 600), T0 + HOUR)
    part.read(_firing(2, 1_200), T0 + HOUR)
    part.tick(T0 + HOUR)
    return part


def test_what_came_and_went_in_an_hour_of_downtime_is_one_summary():
    """For each destination of people, with what it is and how far behind the service was."""
    part = _back_after_an_hour()
    now = T0 + HOUR + 10
    assert part.take(_gone(1), now) is None
    assert part.take(_gone(2, to=BEN), now) is None
    assert part.summaries(now + 19) == []
    anna, ben = part.summaries(now + 20)
    assert [(p.destination, p.reason, p.about) for p in (anna, ben)] == [
        (ANNA, Reason.CAUGHT_UP, (("A1", "E1"),)),
        (BEN, Reason.CAUGHT_UP, (("A2", "E2"),)),
    ]
    assert anna.body.subject == "Came and went: alert 1"
    assert anna.body.reason == (
        "Lockstep was away or up to 40 minutes behind when this began and ended; it watches again"
    )
    assert part.summaries(now + HOUR) == []


def test_what_still_fires_is_told_as_ever():
    """Only what came and went leaves its message."""
    part = _back_after_an_hour()
    both = planned_message(item(1), item(2, CAME_AND_WENT))
    left = part.take(both, T0 + HOUR + 10)
    assert left is not None
    assert (left.number, left.about, left.body.items) == (both.number, (("A1", "E1"),), (item(1),))
    (summary,) = part.summaries(T0 + HOUR + 30)
    assert summary.about == (("A2", "E2"),)


@pytest.mark.parametrize(
    ("began", "arrived", "is_unseen"),
    [
        pytest.param(-10, 0, False, id="in time"),
        pytest.param(-10, -601, True, id="on the log for more than ten minutes"),
        pytest.param(-10, -600, False, id="for ten minutes"),
        pytest.param(-5_000, 0, False, id="judged late but told in time: it is not notify that was away"),
    ],
)
def test_unseen_is_what_the_log_had_for_long(began, arrived, is_unseen):
    """By the broker's time against the clock."""
    part = Downtime()
    for n in range(100):
        part.tick(T0 + n)
    now = T0 + 100
    part.read(_firing(1, 100 + began), now + arrived)
    part.tick(now)
    assert (part.take(_gone(1), now + 10) is None) == is_unseen


def test_a_restart_of_a_minute_is_no_downtime():
    """Nor is one of ten minutes, less the minute in which the last tick was stored."""
    part, stored = Downtime(), {}
    part.tick(T0)
    part = _restarted(part, stored)
    part.read(_firing(1, 100), T0 + 540)
    part.tick(T0 + 540)
    assert part.take(_gone(1), T0 + 550) is not None


def test_what_a_mute_time_held_stays_in_its_digest():
    """It was not missed."""
    part = _back_after_an_hour()
    held = _gone(1)
    held = Planned(held.number, held.destination, held.rule, held.state, held.about, held.body, Reason.HELD)
    assert part.take(held, T0 + HOUR + 10) is held


def test_the_last_tick_is_stored_once_a_minute():
    """An idle notify cuts no oftener for it."""
    part = Downtime()
    cuts = 0
    for n in range(600):
        part.tick(T0 + n)
        cuts += bool(part.cut())
    assert cuts == 600 / STORED_EVERY_S


def test_more_that_is_read_puts_the_summary_off_but_not_for_ever():
    """One summary of a long backlog; five minutes at most."""
    part = _back_after_an_hour()
    part.take(_gone(1), T0 + HOUR)
    sent = []
    for n in range(400):
        part.read(_firing(100 + n, 700), T0 + HOUR)
        part.tick(T0 + HOUR + n)
        sent += [(n, planned.about) for planned in part.summaries(T0 + HOUR + n)]
    assert sent == [(300, (("A1", "E1"),))]


@example([(0, 0.0, 0.0, False)] * 10 + [(0, 0.0, 601.0, True)], frozenset({0, 10}))
@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.floats(0, 700), st.floats(0, 900), st.booleans()), max_size=40),
    st.frozensets(st.integers(0, 39)),
)
def test_cut_and_resumed_anywhere_it_says_the_same_and_nothing_is_lost(steps, restarts):
    """Each that came and went is in one message to its destination."""

    def played(cuts) -> list[Planned]:
        part, stored, sent, now = Downtime(overview="https://lockstep.example.com/"), {}, [], T0
        for n, (number, wait, late, asks) in enumerate(steps):
            now += wait
            part.read(_firing(number, now - T0), now - late)
            part.tick(now)
            if asks:
                passed = part.take(_gone(number), now)
                sent += [] if passed is None else [passed]
            sent += part.summaries(now)
            if n in cuts:
                part = _restarted(part, stored)
        part.tick(now + 301)
        return [*sent, *part.summaries(now + 301)]

    sent = played(frozenset())
    assert played(restarts) == sent
    asked = sorted(f"E{number}" for number, _, _, asks in steps if asks)
    assert {episode for planned in sent for _, episode in planned.about} == {*asked}
