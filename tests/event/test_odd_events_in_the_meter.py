"""The meter among odd events: the bad ones become dead events as they came, the good ones count."""

import json
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop_events import TIME, raw

from lockstep.event import Decoder
from lockstep.measure.dead_events import TOPIC, DeadEvent, parse_dead
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.meter import Meter, MeterSettings, wanted_fields
from lockstep.measure.sample import decode
from lockstep.ports import Batch, Headers, Record

NOW = datetime.fromisoformat(TIME) + timedelta(seconds=5)
SERIES = (
    SeriesDef(Aggregate.COUNT, "traffic.session", "traffic", by=("gift",)),
    SeriesDef(Aggregate.SUM, "traffic.spend", "traffic", field="amount"),
)


def meter(*, position: int | None = None) -> Meter:
    given = MeterSettings(
        role="traffic",
        topic="traffic",
        partition=3,
        partitions=4,
        source="t-1",
        samples_topic="lockstep.samples",
        samples_partitions=1,
        chunk_size=16,
        lateness_us=10_000_000,
        future_limit_us=300_000_000,
        idle_after_us=30_000_000,
        position=position,
        earliest=0,
    )
    return Meter(given, SERIES, Decoder(wanted_fields(SERIES)))


def batch(values: list[bytes | None], *, start: int = 0, headers: list[Headers] | None = None) -> Batch:
    offsets = range(start, start + len(values))
    return Batch(
        topic="traffic",
        partition=3,
        offsets=offsets,
        values=values,
        keys=[None] * len(values),
        timestamps_ms=[int(NOW.timestamp() * 1000)] * len(values),
        previous=start - 1,
        next=start + len(values),
        headers=headers,
    )


def dead_events(records: list[Record]) -> list[DeadEvent]:
    return [parse_dead(r.value, r.headers) for r in records if r.topic == TOPIC]


def counted(records: list[Record]) -> dict[tuple[str, ...], int]:
    """Labels → sessions in the newest partial."""
    found = {}
    for record in records:
        if record.topic != TOPIC and record.value is not None:
            for partial in decode(record.value).partials:
                if partial.series == SERIES[0].id:
                    found[partial.labels] = sum(total for _, total in partial.buckets)
    return found


def session(number: int, **data: object) -> bytes:
    return raw("traffic.session", id=f"s-{number}", data=data)


LATER = (datetime.fromisoformat(TIME) + timedelta(seconds=400)).isoformat()
ODD: list[tuple[bytes | None, str | None]] = [
    (None, "tombstone"),
    (b"", "json"),
    (b"\xff\xfe", "json"),
    (b'{"specversion":', "json"),
    (b"[]", "envelope"),
    (raw("traffic.session", time="2026-11-24T09:30:00"), "envelope"),
    (raw("traffic.session", time="0001-01-01T00:00:00Z"), "envelope"),
    (raw("traffic.session", id="ahead", time=LATER), "future"),
    (raw("traffic.spend", data={"amount": 1e13, "channel": "a"}), "number"),
    (raw("traffic.spend", data={"amount": -1, "channel": "a"}), "number"),
    (raw("traffic.spend", data={"amount": "1", "channel": "a"}), "data"),
    (session(90, count=0), "number"),
    (session(91, gift="\ud83d\ude00").replace(b'"\\ud83d', b'"\\ud83d\\ud83d'), "json"),
    (session(92).replace(b'{"specversion"', b'{"x":' + b"[" * 3000 + b"]" * 3000 + b',"specversion"'), "json"),
    (raw("cart.filled"), None),
]
"""A value and the reason for which it is refused; None where it is ignored."""


@pytest.mark.parametrize(("value", "reason"), ODD)
def test_a_bad_event_is_told_with_its_place_reason_and_bytes(value: bytes | None, reason: str | None) -> None:
    """Its sender can find it, and its neighbours count."""
    subject = meter()
    subject.feed(batch([session(1), value, session(2)]))
    records = subject.flush(NOW)
    dead = dead_events(records)
    assert [(d.topic, d.partition, d.offset, d.reason, d.value) for d in dead] == (
        [] if reason is None else [("traffic", 3, 1, reason, value)]
    )
    assert all(d.detail for d in dead)
    assert counted(records) == {("none",): 2}
    assert (subject.counts.events, subject.counts.dead, subject.counts.unknown) == (
        2,
        0 if reason is None else 1,
        1 if reason is None else 0,
    )


def test_dead_events_are_told_once_and_not_again_after_a_restart() -> None:
    """What an earlier assignment published is not told again; what came after its position is."""
    values = [session(1), b"bad", session(2), b"worse"]
    first = meter()
    first.feed(batch(values[:3]))
    assert [d.offset for d in dead_events(first.flush(NOW))] == [1]
    assert dead_events(first.flush(NOW + timedelta(seconds=2))) == []
    second = meter(position=first.position)
    assert second.start == 0
    second.feed(batch(values))
    records = second.flush(NOW)
    assert [(d.offset, d.value) for d in dead_events(records)] == [(3, b"worse")]
    assert counted(records) == {("none",): 2}


def test_the_same_dead_event_makes_the_same_record() -> None:
    """A kill before the position was committed tells it twice; readers see one key."""
    keys = []
    for _ in range(2):
        subject = meter()
        subject.feed(batch([b"bad"]))
        keys.append([(r.key, r.value, r.headers) for r in subject.flush(NOW) if r.topic == TOPIC])
    assert keys[0] == keys[1]
    assert len(keys[0]) == 1


def test_binary_mode_counts_and_its_dead_event_keeps_the_data() -> None:
    """In Kafka's binary mode the record's value is the data alone; that is what is kept."""
    headers: Headers = (
        ("ce_id", b"b-1"),
        ("ce_source", b"/s"),
        ("ce_type", b"traffic.session"),
        ("ce_time", TIME.encode()),
    )
    subject = meter()
    subject.feed(batch([b'{"gift": "red"}', b'{"count": "x"}', session(1)], headers=[headers, headers, ()]))
    records = subject.flush(NOW)
    assert counted(records) == {("red",): 1, ("none",): 1}
    assert [(d.offset, d.reason, d.value) for d in dead_events(records)] == [(1, "data", b'{"count": "x"}')]


@pytest.mark.parametrize(
    ("gift", "label"),
    [
        ("red", "red"),
        (True, "true"),
        (7, "7"),
        ("", "none"),
        (None, "none"),
        pytest.param("x" * 300, "none", id="too long for a label"),
        pytest.param(["a"], "none", id="a list"),
    ],
)
def test_extra_fields_as_labels(gift: object, label: str) -> None:
    """What the contract does not name can be a label; what cannot be one is `none`."""
    subject = meter()
    subject.feed(batch([session(1, gift=gift)]))
    assert counted(subject.flush(NOW)) == {(label,): 1}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(range(-2, len(ODD))), max_size=40), st.data())
def test_any_mixture_cut_anywhere_counts_the_same(picks: list[int], data: st.DataObject) -> None:
    """Bad events shift nothing: the same counts and dead events however the batches are cut."""
    values = [
        session(i, gift="red" if pick == -1 else None) if pick < 0 else ODD[pick][0] for i, pick in enumerate(picks)
    ]
    cuts = sorted({0, len(values), *data.draw(st.lists(st.integers(0, len(values)), max_size=4))})
    whole, pieces = meter(), meter()
    whole.feed(batch(values))
    told = whole.flush(NOW)
    told_in_pieces: list[Record] = []
    for begin, end in pairwise(cuts):
        pieces.feed(batch(values[begin:end], start=begin))
        told_in_pieces += pieces.flush(NOW)
    assert dead_events(told) == dead_events(told_in_pieces)
    assert pieces.counts == whole.counts
    assert pieces.position == whole.position == len(values)


def test_the_detail_is_for_people() -> None:
    """It names the field, in words."""
    subject = meter()
    subject.feed(batch([session(1, count=0)]))
    (dead,) = dead_events(subject.flush(NOW))
    assert dead.detail == "data.count: must be at least 1"
    assert json.loads(dead.value or b"")["id"] == "s-1"
