"""Attempts, order, retries, breakers and dead letters: decided by the time that is handed in."""

from datetime import timedelta

import pytest
from delivery_samples import ANNA, DOWN, GONE, HOOK, OTHER, SLACK, START, Kept, record
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.deliver import BREAKER_AFTER, PROBE_EVERY_S, Deliver, retry_delay
from lockstep.errors import DeliveryError, StateError
from lockstep.notify.receivers import life_s
from lockstep.ports import Destination, Sent

HALF = 0.5  # the jitter that changes nothing


def _after(seconds: float):
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("attempt", "jitter", "retry_after_s", "expected"),
    [
        pytest.param(1, HALF, None, 5.0, id="the first step"),
        pytest.param(3, HALF, None, 120.0, id="the third step"),
        pytest.param(99, HALF, None, 21600.0, id="the last step repeats"),
        pytest.param(1, 0.0, None, 4.0, id="a fifth less"),
        pytest.param(1, HALF, 60.0, 60.0, id="what was asked for"),
        pytest.param(4, HALF, 1.0, 600.0, id="never shorter than the step"),
        pytest.param(1, HALF, 86400.0, 3600.0, id="at most an hour"),
        pytest.param(1, HALF, float("inf"), 3600.0, id="for ever is an hour"),
    ],
)
def test_retry_delay(attempt, jitter, retry_after_s, expected):
    """Steps that grow, a little jitter, and the destination's own wish within limits."""
    delay = retry_delay(attempt, jitter=jitter, retry_after_s=retry_after_s)
    assert delay.total_seconds() == pytest.approx(expected)


def test_nothing_is_attempted_before_it_is_durable():
    """An attempt that a crash forgets could never be told from one that was made."""
    kept = Kept().feed(record("d1"))
    kept.stage.tick(START)
    assert kept.due() == []
    cut = kept.stage.cut()
    assert kept.due() == []  # serialised, not yet visible
    kept.keep(cut)
    kept.stage.confirm()
    assert kept.due() == ["d1"]


def test_how_an_attempt_ended_may_wait_and_news_may_not():
    """What is to be attempted, and what was given up, is stored at once."""
    kept = Kept()
    assert kept.stage.only_stores()
    kept.feed(record("d1"), record("d2", alert="a2"))
    assert not kept.stage.only_stores()
    (first,) = kept.cut().stage.due(START)
    assert kept.stage.only_stores()
    kept.stage.sent(first, Sent(), now=START)
    assert kept.stage.only_stores()
    assert set(kept.entries) == {b"dd1", b"dd2"}
    assert set(kept.cut().entries) == {b"dd2"}
    (second,) = kept.stage.due(START)
    kept.stage.failed(second, GONE, now=START, jitter=HALF)
    assert not kept.stage.only_stores(), "a dead letter is published"


@pytest.mark.parametrize(("told", "waits"), [(HOOK, True), (ANNA, False), (SLACK, False)])
def test_that_people_were_told_is_stored_at_once(told: Destination, waits: bool):
    """A crash before that would tell them again, and they cannot see by an id that it is the same."""
    kept = Kept().feed(record("d1", told)).cut()
    (delivery,) = kept.stage.due(START)
    kept.stage.sent(delivery, Sent(), now=START)
    assert kept.stage.only_stores() is waits
    assert kept.cut().stage.only_stores()


def test_a_lane_has_one_attempt_at_a_time_and_lanes_are_apart():
    """Two destinations, one attempt each; the next one of a lane follows the outcome."""
    kept = Kept().feed(record("d1"), record("d2", alert="a2"), record("d3", OTHER)).cut()
    first, third = kept.stage.due(START)
    assert [first.id, third.id] == ["d1", "d3"]
    assert kept.due() == []
    kept.stage.sent(first, Sent(), now=START)
    assert kept.due() == ["d2"]


def test_the_end_waits_for_the_beginning_of_its_alert():
    """A firing that failed holds back its resolved and the next episode, but nobody else's alert."""
    kept = Kept().feed(
        record("fire"),
        record("resolve", state="resolved"),
        record("again", episodes=("e2",)),
        record("else", alert="a2", episodes=("e9",)),
    )
    kept.cut()
    (fire,) = kept.stage.due(START)
    kept.stage.failed(fire, DOWN, now=START, jitter=HALF)
    (other,) = kept.stage.due(START)
    assert other.id == "else"
    kept.stage.sent(other, Sent(), now=START)
    assert kept.due(_after(4.9)) == []
    order = []
    while found := kept.stage.due(_after(5)):
        order += [d.id for d in found]
        kept.stage.sent(found[0], Sent(), now=_after(5))
    assert order == ["fire", "resolve", "again"]


def test_documents_of_one_subject_arrive_in_order_over_a_restart():
    """A promotion that is resumed before its pause has arrived would stay paused for good."""
    pause, resume = ("promotion.pause", "promotion.resume")
    kept = Kept().feed(
        record("pause", state=pause, alerts=[], episodes=(), subject="promotion/A-1"),
        record("resume", state=resume, alerts=[], episodes=(), subject="promotion/A-1"),
        record("other", state=pause, alerts=[], episodes=(), subject="promotion/B-2"),
    )
    kept.cut()
    (first,) = kept.stage.due(START)
    kept.stage.failed(first, DOWN, now=START, jitter=HALF)
    kept = kept.cut().restart()
    order = []
    for moment in (START, _after(4.9), _after(5), _after(5)):
        for delivery in kept.stage.due(moment):
            order.append(delivery.id)
            kept.stage.sent(delivery, Sent(), now=moment)
    assert order == ["other", "pause", "resume"]


def test_a_retry_survives_a_restart():
    """The time of the next attempt, the count of attempts and the last error are state."""
    kept = Kept().feed(record("d1"), record("d2", alert="a2")).cut()
    (first,) = kept.stage.due(START)
    kept.stage.failed(first, DOWN, now=START, jitter=HALF)
    kept.cut().restart()
    assert kept.due(_after(1)) == ["d2"]
    kept.restart()
    again = kept.stage.take("hook", _after(5))
    assert again is not None
    assert (again.id, again.attempts, again.last_error, again.reason) == ("d1", 1, str(DOWN), "serverError")


def test_a_delivery_that_stands_in_the_log_again_changes_nothing():
    """While it waits: its attempts, and when the next one is due, are what they were; it arrives once."""
    kept = Kept().feed(record("d1")).cut()
    (first,) = kept.stage.due(START)
    kept.stage.failed(first, DOWN, now=START, jitter=HALF)
    kept.feed(record("d1")).cut()
    assert kept.due(_after(4.9)) == []
    (again,) = kept.stage.due(_after(5))
    assert (again.id, again.attempts) == ("d1", 1)
    kept.feed(record("d1")).cut()  # while it is under way
    kept.stage.sent(again, Sent(), now=_after(5))
    assert kept.cut().due(_after(99)) == []
    assert kept.entries == {}


def test_what_arrived_is_forgotten():
    """No entry is left behind."""
    kept = Kept().feed(record("d1")).cut()
    assert len(kept.entries) == 1
    (first,) = kept.stage.due(START)
    kept.stage.sent(first, Sent(), now=START)
    kept.cut()
    assert kept.entries == {}
    assert kept.stage.pending == {}


def test_what_can_never_arrive_is_dead_at_once():
    """A receiver that is gone: one attempt, then the dead letters with everything that is known."""
    kept = Kept().feed(record("d1")).cut()
    (first,) = kept.stage.due(START)
    kept.stage.failed(first, GONE, now=_after(2), jitter=HALF)
    kept.cut()
    (dead,) = kept.records
    assert {k: dead[k] for k in ("format", "id", "attempts", "reason", "last_error", "rule", "body")} == {
        "format": 1,
        "id": "d1",
        "attempts": 1,
        "reason": "clientError",
        "last_error": "webhook/x: HTTP 410",
        "rule": "OrderSpike",
        "body": {"n": "d1"},
    }
    assert dead["destination"]["target"] == HOOK.target
    assert dead["first_at"] == dead["given_up_at"] == _after(2).timestamp()
    assert [d.id for d in kept.stage.take_given_up()] == ["d1"]
    assert kept.stage.take_given_up() == []
    assert [*kept.entries] == [b"lhook"], "that it is down, until something arrives there"


@pytest.mark.parametrize(("destination", "attempts"), [(ANNA, 6), (SLACK, 6), (HOOK, 18)])
def test_after_the_last_try_it_is_dead(destination, attempts):
    """People are tried for an hour, webhooks for three days."""
    kept = Kept().feed(record("d1", destination)).cut()
    now, made = START, 0
    while kept.stage.pending:
        for delivery in kept.stage.due(now):
            made += 1
            kept.stage.failed(delivery, DOWN, now=now, jitter=HALF)
        now += timedelta(seconds=5)
        kept.stage.tick(now)
    kept.cut()
    assert made == attempts
    assert kept.records[0]["id"] == "d1"
    assert (now - START).total_seconds() <= life_s(destination.channel)


def test_a_rate_limit_pauses_the_destination():
    """ "Not now" is meant for all that we have for it, and its length is the destination's."""
    kept = Kept().feed(record("d1"), record("d2", alert="a2"), record("d3", OTHER)).cut()
    first, other = kept.stage.due(START)
    kept.stage.failed(first, DeliveryError("rateLimited", "x", retryable=True, retry_after_s=40), now=START, jitter=0)
    kept.stage.sent(other, Sent(), now=START)
    assert kept.due(_after(39)) == []
    kept.cut().restart()
    assert kept.due(_after(39)) == []
    assert kept.due(_after(40)) == ["d1"]


def test_a_destination_that_fails_is_probed():
    """After a few failures in a row one attempt each half a minute, also after a restart; a success ends that."""
    kept = Kept().feed(*(record(f"d{n}", alert=f"a{n}") for n in range(10))).cut()
    assert kept.stage.oldest(_after(7)) == {"webhook": 7.0}
    for _ in range(BREAKER_AFTER):
        (delivery,) = kept.stage.due(START)
        kept.stage.failed(delivery, DOWN, now=START, jitter=HALF)
    assert kept.stage.paused == {"webhook": 1}
    assert kept.due(_after(PROBE_EVERY_S - 1)) == []
    kept.cut().restart()
    assert kept.due(_after(PROBE_EVERY_S - 1)) == []
    now = _after(PROBE_EVERY_S)
    probe = kept.stage.take("hook", now)
    assert probe is not None
    assert kept.due(now) == []
    kept.stage.sent(probe, Sent(), now=now)
    assert kept.stage.paused == {}
    assert len(kept.due(now)) == 1
    assert not any(key.startswith(b"l") for key in kept.cut().entries)


def test_a_message_s_own_fault_pauses_nobody():
    """Five messages that the receiver will never take say nothing about the sixth."""
    kept = Kept().feed(*(record(f"d{n}", alert=f"a{n}") for n in range(BREAKER_AFTER + 1))).cut()
    for _ in range(BREAKER_AFTER):
        (delivery,) = kept.stage.due(START)
        kept.stage.failed(delivery, GONE, now=START, jitter=HALF)
    assert kept.due() == [f"d{BREAKER_AFTER}"]


def test_what_a_paused_lane_never_tried_dies_with_its_time():
    """Behind a dead relay nothing waits for ever; each letter says what was wrong with it, or else with the relay."""
    own = DeliveryError("ambiguous", "email/anna: no answer to DATA", retryable=True)
    kept = Kept().feed(*(record(f"d{n}", ANNA, alert=f"a{n}") for n in range(8))).cut()
    for n in range(BREAKER_AFTER):
        (delivery,) = kept.stage.due(START)
        kept.stage.failed(delivery, own if n == 0 else DOWN, now=START, jitter=HALF)
    kept.stage.tick(_after(life_s("email") + 1))
    kept.cut()
    assert {r["id"]: (r["last_error"], r["reason"]) for r in kept.records} == {
        "d0": (str(own), "ambiguous"),
        **{f"d{n}": (str(DOWN), "serverError") for n in range(1, 8)},
    }
    assert kept.stage.pending == {}


def test_what_waited_for_us_is_tried_once():
    """Lockstep was down for a day: the delivery is old through no fault of its destination."""
    kept = Kept().feed(record("d1", ANNA)).cut()
    kept.stage.tick(_after(86400))
    assert kept.due(_after(86400)) == ["d1"]


def test_the_end_is_said_in_the_thread_of_the_beginning():
    """The reference is state; it goes when the episode ends."""
    kept = Kept().feed(record("fire", SLACK), record("end", SLACK, state="resolved")).cut()
    (fire,) = kept.stage.due(START)
    assert fire.thread is None
    kept.stage.sent(fire, Sent(reference="171.5"), now=START)
    kept.cut().restart()
    (end,) = kept.stage.due(START)
    assert end.thread == "171.5"
    kept.stage.sent(end, Sent(reference="171.6"), now=START)
    assert kept.cut().entries == {}


def test_a_thread_stays_that_of_the_first_message():
    """Worse news is said in it, and becomes no thread of its own."""
    states = ("firing", "severity", "resolved")
    kept = Kept().feed(*(record(state, SLACK, state=state) for state in states)).cut()
    threads = []
    for n in range(len(states)):
        (delivery,) = kept.stage.due(START)
        threads.append(delivery.thread)
        kept.stage.sent(delivery, Sent(reference=f"171.{n}"), now=START)
    assert threads == [None, "171.0", "171.0"]


@pytest.mark.parametrize(
    ("state", "episodes", "expected"),
    [
        pytest.param("severity", ("e1",), "171.1", id="worse news of one episode"),
        pytest.param("resolved", ("e1", "e2"), None, id="the end of two messages belongs to neither"),
        pytest.param("firing", ("e1", "e3"), None, id="news of one more is never hidden in a thread"),
        pytest.param("firing", ("e1",), None, id="nor is a beginning that is told again"),
        pytest.param("resolved", ("e3",), None, id="a beginning that was never told"),
    ],
)
def test_what_goes_into_a_thread(state, episodes, expected):
    """Only what answers to exactly one message."""
    kept = Kept().feed(record("d1", SLACK), record("d2", SLACK, alert="a2", episodes=("e2",))).cut()
    for reference in ("171.1", "171.2"):
        (delivery,) = kept.stage.due(START)
        kept.stage.sent(delivery, Sent(reference=reference), now=START)
    kept.feed(record("d3", SLACK, state=state, episodes=episodes)).cut()
    (third,) = kept.stage.due(START)
    assert third.thread == expected


def test_an_old_thread_is_forgotten():
    """An episode whose end never came leaves nothing behind."""
    kept = Kept().feed(record("d1", SLACK)).cut()
    (delivery,) = kept.stage.due(START)
    kept.stage.sent(delivery, Sent(reference="171.1"), now=START)
    assert len(kept.cut().entries) == 1
    kept.stage.tick(_after(31 * 86400))
    assert kept.cut().entries == {}


@pytest.mark.parametrize(
    "value",
    [b"", b"\xff", b"[]", b"{}", b'{"format": 1, "id": 3}', record("x", surprise=1), record("x", format="2")],
    ids=repr,
)
def test_a_bad_record_costs_only_itself(value):
    """It goes to the dead events; the next one is attempted."""
    kept = Kept().feed(value, None, record("d1"))
    cut = kept.stage.cut()
    assert [(r.topic, dict(r.headers)["offset"]) for r in cut.records] == [("lockstep.dead-events", b"0")]
    kept.stage.confirm()
    assert kept.due() == ["d1"]


def test_formats_of_a_newer_version_are_a_clear_error():
    """A downgrade must not throw away what it cannot read."""
    with pytest.raises(StateError, match="a delivery of format 2"):
        Kept().feed(record("d1", format=2))
    with pytest.raises(StateError, match="an entry of format 7"):
        Deliver().restore({b"dx": b'{"format": 7}'})


@settings(deadline=None, max_examples=150)
@given(
    deliveries=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), min_size=1, max_size=12),
    fates=st.lists(st.sampled_from(["sent", "down", "gone", "crash", "lost"]), max_size=60),
    jitter=st.floats(0, 0.99),
)
def test_whatever_happens_every_delivery_arrives_or_dies(deliveries, fates, jitter):
    """Failures and restarts anywhere: nothing is lost, and within an alert nothing overtakes.

    `crash` forgets what was not cut; `lost` is an attempt that arrived while its worker died.
    """
    destinations = {"a": HOOK, "b": ANNA}
    rows = [
        (f"d{n}", destinations[d], alert) for n, (d, alert) in enumerate(deliveries)
    ]  # d0, d1, … in the order of the log
    kept = Kept().feed(*(record(number, d, alert=alert) for number, d, alert in rows)).cut()
    arrived: list[str] = []
    left = list(fates)
    now = START
    while kept.stage.pending:
        for delivery in kept.stage.due(now):
            fate = left.pop() if left else "sent"
            if fate in ("sent", "lost"):
                arrived.append(delivery.id)
            if fate in ("crash", "lost"):
                kept.restart()
                break
            if fate == "sent":
                kept.stage.sent(delivery, Sent(), now=now)
            else:
                kept.stage.failed(delivery, DOWN if fate == "down" else GONE, now=now, jitter=jitter)
        else:
            now += timedelta(seconds=5)
            kept.stage.tick(now)
            kept.cut()
            kept.stage.confirm()
    kept.cut()
    dead = [r["id"] for r in kept.records]
    assert len(dead) == len(set(dead))
    assert set(arrived) | set(dead) == {number for number, _, _ in rows}
    for name, alert in {(d.id, alert) for _, d, alert in rows}:
        mine = [number for number, d, a in rows if (d.id, a) == (name, alert)]
        firsts = [number for number in dict.fromkeys(arrived) if number in mine]
        assert firsts == sorted(firsts, key=mine.index)
    assert [k for k in kept.entries if k.startswith(b"d")] == []
