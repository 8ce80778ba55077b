"""The event clock of a quiet partition: never set back by what does not advance it, never standing for ever."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shop_events import TIME, raw

from lockstep.event import Decoder
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.meter import Meter, MeterSettings, wanted_fields
from lockstep.measure.sample import Progress, decode
from lockstep.ports import Batch

BEGIN = datetime.fromisoformat(TIME)
LATENESS_S, IDLE_AFTER_S, POLL_S = 10, 30, 5
SERIES = (SeriesDef(Aggregate.COUNT, "traffic.session", "traffic"),)


class Partition:
    """A log with its broker's clock, read by one meter after the other.

    append_time: whether the broker's times stand in it. remembers: False lets a new meter know nothing of what was
    promised, as when the samples of before are gone.
    """

    def __init__(self, *, append_time: bool = True, remembers: bool = True) -> None:
        self.now = BEGIN
        self._append_time, self._remembers = append_time, remembers
        self.log: list[tuple[bytes, int]] = []
        self.told: list[Progress] = []
        self.failing = False
        self._at = self._committed = 0
        self._meter = self._new_meter()

    def _new_meter(self) -> Meter:
        before = self.told[-1].promise if self._remembers and self.told else None
        given = MeterSettings(
            role="traffic",
            topic="traffic",
            partition=0,
            partitions=1,
            source="t-1",
            samples_topic="lockstep.samples",
            samples_partitions=1,
            chunk_size=16,
            lateness_us=LATENESS_S * 1_000_000,
            future_limit_us=300_000_000,
            idle_after_us=IDLE_AFTER_S * 1_000_000,
            position=self._committed or None,
            earliest=0,
            before=before,
        )
        return Meter(given, SERIES, Decoder(wanted_fields(SERIES)))

    def arrive(self, value: bytes) -> None:
        self.log.append((value, round(self.now.timestamp() * 1000)))

    def event(self, number: int, *, age_s: float = 0) -> None:
        """A session that happened `age_s` before the broker gets it."""
        time = (self.now - timedelta(seconds=age_s)).isoformat()
        self.arrive(raw("traffic.session", id=f"s-{number}", time=time, data={}))

    def poll(self) -> None:
        """A fetch, what it found, and a flush; then time goes on."""
        if not self.failing:
            rows, start = self.log[self._at :], self._at
            if rows:
                self._at = len(self.log)
                values, times = zip(*rows, strict=True)
                offsets = range(start, self._at)
                none = [None] * len(rows)
                self._meter.feed(
                    Batch(
                        topic="traffic",
                        partition=0,
                        offsets=offsets,
                        values=values,
                        keys=none,
                        timestamps_ms=times,
                        previous=start - 1,
                        next=self._at,
                        headers=None,
                        append_time=self._append_time,
                    )
                )
        self._meter.observe(at_end=not self.failing, now=self.now)
        records = self._meter.flush(self.now)
        frames = [decode(r.value) for r in records if r.topic == "lockstep.samples" and r.value is not None]
        self.told += [f.progress for f in frames if f.progress is not None]
        self._committed = self._meter.position
        self.now += timedelta(seconds=POLL_S)

    def wait(self, seconds: int) -> None:
        for _ in range(seconds // POLL_S):
            self.poll()

    def restart(self) -> None:
        self._meter = self._new_meter()
        self._at = self._meter.start

    @property
    def delay_s(self) -> float:
        """How far what was promised is behind the last poll."""
        watermark = self.told[-1].watermark
        assert watermark is not None
        return (self.now - timedelta(seconds=POLL_S)).timestamp() - watermark / 1e6

    @property
    def is_behind(self) -> bool:
        return self._meter.clock.behind_since is not None

    @property
    def is_caught_up(self) -> bool:
        return self._meter.clock.is_caught_up


AT_REST_S = LATENESS_S + IDLE_AFTER_S + POLL_S


def _again(p: Partition) -> None:
    p.arrive(p.log[0][0])


NOT_ADVANCING: dict[str, Callable[[Partition], None]] = {
    "a duplicate": _again,
    "a late one": lambda p: p.event(9, age_s=3600),
    "one from the future": lambda p: p.event(9, age_s=-3600),
    "no event at all": lambda p: p.arrive(b"{"),
    "an unknown type": lambda p: p.arrive(raw("pigeon.landed", id="p-1", data={})),
}


@pytest.mark.parametrize("what", NOT_ADVANCING)
@pytest.mark.parametrize(
    ("append_time", "restarts", "remembers"),
    [
        pytest.param(True, False, True, id="the broker's times"),
        pytest.param(False, False, True, id="producers' times"),
        pytest.param(True, True, True, id="the broker's times, restarted"),
        pytest.param(False, True, True, id="producers' times, restarted"),
        pytest.param(True, True, False, id="the broker's times, restarted, nothing known of before"),
    ],
)
def test_a_record_that_does_not_advance_event_time(what, append_time, restarts, remembers):
    """After an hour of quiet it costs the watermark one more `idle_after`, not the hour."""
    p = Partition(append_time=append_time, remembers=remembers)
    p.event(1)
    p.wait(3600)
    assert p.delay_s <= AT_REST_S
    NOT_ADVANCING[what](p)
    if restarts:
        p.restart()
    p.wait(IDLE_AFTER_S)
    if remembers:  # else only the judge still knows what was promised
        assert p.delay_s <= AT_REST_S + IDLE_AFTER_S
    p.wait(2 * POLL_S)
    assert p.delay_s <= AT_REST_S
    assert not p.is_behind


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("append_time", [True, False])
def test_a_replay_of_old_events_leaps_nowhere(append_time, restarts):
    """Event time goes on at wall speed from the last one, whatever the time of day is; and it is seen to be behind."""
    p = Partition(append_time=append_time)
    p.event(1, age_s=30 * 86_400)
    p.wait(600)
    if restarts:
        p.restart()
        p.wait(600)
    assert p.delay_s == pytest.approx(30 * 86_400 + AT_REST_S, abs=POLL_S)
    assert p.is_behind


def test_a_restart_ends_nothing_that_was_told_of_a_partition_that_is_behind():
    """Until it is known again to be behind, it is not taken for caught up."""
    p = Partition()
    p.event(1, age_s=30 * 86_400)
    p.wait(600)
    p.restart()
    for _ in range(600 // POLL_S):
        p.poll()
        assert not p.is_caught_up
    p.event(2)
    p.wait(IDLE_AFTER_S)
    assert p.is_caught_up


def test_a_trickle_of_duplicates_is_seen():
    """It keeps the partition from being idle: the watermark stands, and that is said."""
    p = Partition()
    p.event(1)
    for _ in range(30):
        p.wait(20)
        p.arrive(p.log[0][0])
    assert p.told[-1].watermark == p.told[0].watermark
    assert p.is_behind


def test_what_nobody_has_to_wait_for_stays_so():
    """A partition that never had an event follows the others, also after a record that is none; a backlog is read."""
    p = Partition()
    p.wait(60)
    assert p.told[-1].silent
    p.arrive(b"{")
    p.poll()
    assert p.told[-1].silent
    p.failing = True
    p.poll()
    assert not p.told[-1].silent


STEPS = st.one_of(
    st.tuples(st.just("wait"), st.integers(0, 90)),
    st.tuples(st.just("event"), st.integers(0, 20)),
    st.tuples(st.just("late"), st.integers(60, 7200)),
    st.tuples(
        st.sampled_from(["again", "future", "broken", "restart", "fails", "answers", "down"]), st.integers(1, 300)
    ),
)


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(STEPS, max_size=40), append_time=st.booleans())
@example(steps=[("event", 0), ("wait", 90), ("again", 1), ("restart", 1), ("wait", 90)] * 3, append_time=False)
@example(steps=[("event", 0), ("wait", 90), *[("late", 7200)] * 40, ("restart", 1), ("wait", 90)], append_time=True)
def test_whatever_comes_the_promise_holds_and_is_kept_up(steps, append_time):
    """Over records, failed fetches and restarts the watermark never goes back, and at the log's end it is never further
    behind than lateness, `idle_after` and the delay of the events themselves."""
    p = Partition(append_time=append_time)
    promised = float("-inf")
    newest_s = float("-inf")
    slowest_s = 0.0  # the longest way to us of an event that advanced event time
    number, quiet_since = 0, p.now
    unseen: datetime | None = None  # since when an event that advances waits for the log's end to be seen
    for step, n in [*steps, ("answers", 0), ("wait", 60)]:
        number += 1
        if step in ("event", "late"):
            at_s = p.now.timestamp() - n
            if at_s > newest_s:
                newest_s, slowest_s, unseen = at_s, max(slowest_s, n), unseen or p.now
            p.event(number, age_s=n)
        elif step == "again" and p.log:
            p.arrive(p.log[n % len(p.log)][0])
        elif step == "future":
            p.event(number, age_s=-3600)
        elif step == "broken":
            p.arrive(b"{")
        elif step == "restart":
            p.restart()
        elif step == "down":
            p.now += timedelta(seconds=n)
            p.restart()
        elif step in ("fails", "answers"):
            p.failing = step == "fails"
        if step not in ("wait", "answers") or p.failing:
            quiet_since = p.now
        for _ in range(1 + (n // POLL_S if step == "wait" else 0)):
            now = p.now
            p.poll()
            if p.failing:
                quiet_since = p.now
                continue
            if unseen is not None:
                slowest_s = max(slowest_s, slowest_s + (0 if append_time else (now - unseen).total_seconds()))
                unseen = None
            watermark = p.told[-1].watermark
            if watermark is None:
                continue
            assert watermark / 1e6 >= promised
            promised = watermark / 1e6
            quiet_s = (now - quiet_since).total_seconds()
            if quiet_s >= IDLE_AFTER_S + POLL_S:
                assert p.delay_s <= AT_REST_S + slowest_s
                assert (p.told[-1].newest is None) or not p.told[-1].silent
            at_most = max(newest_s + 0.001, now.timestamp() - IDLE_AFTER_S)
            assert promised <= at_most - LATENESS_S
