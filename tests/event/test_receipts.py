"""What a door says became of an event is what the meter makes of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop_events import event, raw

from lockstep.adapters.ingest import receipts
from lockstep.adapters.ingest.receipts import Outcome, Receipts, unknown_type
from lockstep.errors import BrokerError
from lockstep.event import Decoder
from lockstep.measure.dead_events import parse_dead
from lockstep.measure.meter import Meter, MeterSettings
from lockstep.ports import Batch, Record
from lockstep.tools.send import shifted

CHUNK = 16
DECODER = Decoder()
LIMIT_S = 300
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
ALL = (Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.FUTURE)


class _Log:
    """A broker of one partition: publishing appends, reading gives batches of five."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.stuck = False
        self.reads: list[tuple[int, int]] = []

    async def publish(self, records: Sequence[Record]) -> list[tuple[int, int]]:
        first = len(self.records)
        self.records += records
        return [(0, first + i) for i in range(len(records))]

    async def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Batch]:
        self.reads.append((start, end))
        if self.stuck:
            raise BrokerError("away")
        for begin in range(start, end, 5):
            yield self.batch(begin, min(begin + 5, end))
            await asyncio.sleep(0)

    def batch(self, start: int, end: int) -> Batch:
        values = [r.value for r in self.records[start:end]]
        at_ms = round(NOW.timestamp() * 1000)
        return Batch(
            "orders", 0, range(start, end), values, [None] * len(values), [at_ms] * len(values), start - 1, end
        )


def _door(log: Any, most_between: int | None = None) -> Receipts:
    return Receipts(
        log,
        clock=lambda: NOW,
        chunk_size=CHUNK,
        future_limit_s=LIMIT_S,
        decoder=DECODER,
        most_between=most_between,
    )


def _event(number: int, ahead_s: int = 0) -> Record:
    return Record("orders", raw(id=f"e-{number}", time=(NOW + timedelta(seconds=ahead_s)).isoformat()))


def _meter() -> Meter:
    asked = MeterSettings(
        role="orders", topic="orders", partition=0, partitions=1, source="s", samples_topic="x", samples_partitions=1,
        chunk_size=CHUNK, lateness_us=0, future_limit_us=LIMIT_S * 1_000_000, idle_after_us=1, position=None,
        earliest=0,
    )  # fmt: skip
    return Meter(asked, [], DECODER)


EVENTS = st.one_of(
    st.builds(_event, st.integers(0, 30), st.sampled_from([-9_000, 0, LIMIT_S, LIMIT_S + 1, 90_000])),
    st.just(Record("orders", b"{")),
    st.just(Record("orders", raw("cart.filled"))),
    st.just(Record("orders", None)),
)


@settings(deadline=None)
@given(
    posts=st.lists(st.lists(EVENTS, min_size=1, max_size=12), min_size=1, max_size=12),
    doors=st.lists(st.integers(0, 2), min_size=1, max_size=12),
    anew=st.integers(0, 12),
)
def test_the_receipts_are_what_the_meter_counts(posts: list[list[Record]], doors: list[int], anew: int) -> None:
    """Whatever was published before, in one POST or several, by this door, another or one that has just begun."""
    log = _Log()

    async def publish() -> list[receipts.Receipt]:
        open_doors, told = [_door(log) for _ in range(3)], []
        for number, records in enumerate(posts):
            if number == anew:
                open_doors[0] = _door(log)
            told += await open_doors[doors[number % len(doors)]].publish(records)
        return told

    told = asyncio.run(publish())
    meter = _meter()
    meter.feed(log.batch(0, len(log.records)))
    dead = [parse_dead(r.value, r.headers) for r in meter.flush(NOW) if r.topic == "lockstep.dead-events"]
    counts = meter.take_counts()
    assert {d.offset for d in dead if d.reason == "future"} == {
        offset for offset, receipt in enumerate(told) if receipt.outcome is Outcome.FUTURE
    }
    assert counts.duplicates == sum(receipt.outcome is Outcome.DUPLICATE for receipt in told)
    odd = counts.unknown + sum(d.reason != "future" for d in dead)  # no door lets these in
    assert counts.events + odd == sum(receipt.outcome is Outcome.ACCEPTED for receipt in told)


async def test_two_posts_at_once_are_told_apart() -> None:
    """The same event twice at the same time: one of them is the first."""
    door = _door(_Log())
    told = await asyncio.gather(*(door.publish([_event(1)]) for _ in range(5)))
    assert [receipt.outcome for (receipt,) in told] == [Outcome.ACCEPTED, *[Outcome.DUPLICATE] * 4]


async def test_only_two_chunks_are_read_however_far_the_log_went() -> None:
    """The first POST of a busy shop costs no more than its last."""
    log = _Log()
    log.records = [_event(number) for number in range(100)]
    door = _door(log)
    (told,) = await door.publish([_event(20)])  # long ago: it counts anew
    assert (told.outcome, log.reads) == (Outcome.ACCEPTED, [(80, 101)])
    (told,) = await door.publish([_event(99)])
    assert (told.outcome, log.reads[1:]) == (Outcome.DUPLICATE, [])


async def test_what_the_door_published_is_not_read_back() -> None:
    """After its first look a door that is alone reads nothing; beside another one it reads what that one wrote."""
    log = _Log()
    door, other = _door(log), _door(log)
    for number in range(4):
        await door.publish([_event(number), _event(number + 100)])
    assert log.reads == [(0, 2)]
    await other.publish([_event(7)])
    (told,) = await door.publish([_event(7)])
    assert (told.outcome, log.reads[2:]) == (Outcome.DUPLICATE, [(8, 9)])


async def test_a_busy_neighbour_is_not_read_whole() -> None:
    """Of many records between two POSTs only the last are looked at: an answer must not cost a topic."""
    log = _Log()
    door = _door(log, most_between=3)
    await door.publish([_event(0)])
    log.records += [_event(number) for number in range(1, 9)]
    told = [(await door.publish([_event(number)]))[0].outcome for number in (8, 2)]
    assert (told, log.reads[1:]) == ([Outcome.DUPLICATE, Outcome.ACCEPTED], [(6, 9)])


async def test_what_the_broker_took_is_accepted_though_it_cannot_be_read_back() -> None:
    """The events are safe; that is what the sender must know."""
    log = _Log()
    log.stuck = True
    known = unknown_type("cart.filled")
    told = await _door(log).publish([_event(1), known, _event(1)])
    assert told == [receipts.ACCEPTED, known, receipts.ACCEPTED]
    assert len(log.records) == 2


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param(
            ["09:00:00Z", "11:00:00Z"], ["07:30:00Z", "09:30:00Z"], id="the newest is now, the rest keeps step"
        ),
        pytest.param(["11:00:00+02:00", "09:15:00Z"], ["11:15:00+02:00", "09:30:00Z"], id="in any zone"),
        pytest.param(["noon", "09:00:00Z"], ["noon", "09:30:00Z"], id="what has no time is refused later, as it is"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_events_are_moved_to_now(times: list[str], expected: list[str]) -> None:
    """`send --now`: an example works on any day."""
    moved = shifted([raw(time=f"2011-01-05T{time}" if time != "noon" else time) for time in times], now=NOW)
    assert [json.loads(m)["time"].removeprefix("2026-11-24T") for m in moved] == expected
    assert all(json.loads(m)["data"] == event()["data"] for m in moved)


def test_how_far_ahead_an_event_is_stands_in_words() -> None:
    """As people say it, in two units at most."""
    told = asyncio.run(_door(_Log()).publish([_event(1, ahead_s=90_000)]))
    assert [receipt.detail for receipt in told] == [
        "its time is 1 day 1 hour ahead of the broker's clock; it is not counted, `lockstep dead events` lists it"
    ]
