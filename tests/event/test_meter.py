"""What the meter makes of good events: their times, and the order in which it tells levels."""

from datetime import datetime, timedelta

import pytest
from shop_events import raw

from lockstep.event import Decoder
from lockstep.labels import partition_of
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.meter import Meter, MeterSettings, wanted_fields
from lockstep.measure.sample import LevelValue, decode
from lockstep.ports import Batch

NOW = datetime.fromisoformat("2026-11-24T09:31:00Z")
LEVELS = (
    SeriesDef(Aggregate.LAST, "stock.level", "inventory", field="available", by=("sku",), bucket_s=0),
    SeriesDef(Aggregate.LAST, "stock.receipt", "inventory", field="quantity", by=("sku",), bucket_s=0),
    SeriesDef(Aggregate.LAST, "stock.level", "inventory", field="on_hand", by=("sku",), bucket_s=0),
)


def meter_of(series: tuple[SeriesDef, ...] = LEVELS, *, samples: int = 1) -> Meter:
    """A meter of a partition of which nothing was read yet. samples: partitions of what it publishes."""
    given = MeterSettings(
        role="inventory",
        topic="inventory",
        partition=0,
        partitions=1,
        source="t-1",
        samples_topic="lockstep.samples",
        samples_partitions=samples,
        chunk_size=64,
        lateness_us=0,
        future_limit_us=300_000_000,
        idle_after_us=30_000_000,
        position=None,
        earliest=0,
    )
    return Meter(given, series, Decoder(wanted_fields(series)))


def feed(meter: Meter, *values: bytes) -> None:
    """It reads these events next."""
    first = meter.position
    end = first + len(values)
    none, arrived = [None] * len(values), [int(NOW.timestamp() * 1000)] * len(values)
    meter.feed(Batch("inventory", 0, range(first, end), values, none, arrived, first - 1, end))


def fed(*values: bytes, series: tuple[SeriesDef, ...] = LEVELS) -> Meter:
    """A meter that has read these events."""
    meter = meter_of(series)
    feed(meter, *values)
    return meter


def stock(number: int, time: str = "2026-11-24T09:30:00Z", **more: float) -> bytes:
    return raw("stock.level", id=f"s-{number}", time=time, data={"sku": "A", "available": number, **more})


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(["2026-11-24T09:30:00.000001Z", "2026-11-24T09:30:59.999999Z"], id="to the microsecond"),
        pytest.param(["2026-11-24T09:30:00Z", "2026-11-22T23:59:59.5Z"], id="days apart"),
        pytest.param(["2026-11-24T10:30:00+01:00", "2026-11-24T09:30:01Z", "2026-11-24T04:30:02-05:00"], id="zones"),
        pytest.param(["2026-10-25T00:59:59Z", "2026-10-25T03:00:00+01:00"], id="a day that is longer in London"),
        pytest.param(["1970-01-02T00:00:00Z"], id="long ago"),
    ],
)
def test_an_event_time_is_kept_to_the_microsecond(times):
    """Whatever zone it was written in, and whatever came with it."""
    levels = [level for frame in fed(*map(stock, range(len(times)), times)).frames(NOW) for level in frame.levels]
    assert [level.time_us for level in levels] == [
        round(datetime.fromisoformat(time).timestamp() * 1_000_000) for time in times
    ]


def test_a_heartbeat_moves_the_event_time_of_any_topic():
    """It is no value of anything: only the watermark goes on, up to its time."""
    beat = raw("source.heartbeat", time="2026-11-24T09:30:40Z", data={"name": "erp", "topic": "inventory"})
    meter = fed(stock(0), beat)
    meter.clock.observe(at_end=True, now_us=round(NOW.timestamp() * 1_000_000))
    assert meter.clock.watermark == round(datetime.fromisoformat("2026-11-24T09:30:40Z").timestamp() * 1_000_000)
    assert len([level for frame in meter.frames(NOW) for level in frame.levels]) == 1


def test_what_one_event_says_of_levels_stands_together():
    """In the order of the events, and within one in the order of the series."""
    receipt = raw(
        "stock.receipt", id="r", data={"sku": "A", "quantity": 7, "expected_on": "2026-12-01", "status": "planned"}
    )
    values = [stock(0, on_hand=10), receipt, stock(2), stock(3, on_hand=13)]
    told: list[LevelValue] = [level for frame in fed(*values).frames(NOW) for level in frame.levels]
    available, planned, on_hand = (level.id for level in LEVELS)
    assert [(level.offset, level.series, level.value // 1_000_000) for level in told] == [
        (0, available, 0),
        (0, on_hand, 10),
        (1, planned, 7),
        (2, available, 2),
        (3, available, 3),
        (3, on_hand, 13),
    ]


HOME = partition_of(["A"], 4)
"""Where A's samples go when there are four partitions."""


@pytest.mark.parametrize(
    ("time", "later_s", "told"),
    [
        pytest.param("2026-11-24T09:30:00.01Z", 0.05, {0, HOME}, id="at once: where A lives, and the first"),
        pytest.param("2026-11-24T09:30:01Z", 0.05, {0, 1, 2, 3}, id="event time has come a second further: all"),
        pytest.param("2026-11-24T09:30:00.01Z", 1, {0, 1, 2, 3}, id="a second later: all"),
        pytest.param("2026-11-24T09:30:00Z", 0.05, {0, HOME}, id="no later event, which is a value all the same"),
        pytest.param(None, 0.05, set(), id="no event: nobody"),
        pytest.param(None, 1, {0, 1, 2, 3}, id="no event for a second: all"),
    ],
)
def test_who_is_told_how_far_a_partition_was_read(time, later_s, told):
    """A partition without samples hears of it once a second, of event time or of ours."""
    assert HOME != 0
    meter = meter_of(samples=4)
    feed(meter, stock(0, "2026-11-24T09:30:00Z"))
    assert {record.partition for record in meter.flush(NOW)} == {0, 1, 2, 3}
    if time is not None:
        feed(meter, stock(1, time))
    records = meter.flush(NOW + timedelta(seconds=later_s))
    assert {record.partition for record in records} == told
    assert meter.position == 1 + (time is not None)


def test_what_changed_and_how_far_that_goes_is_one_frame():
    """One for each samples partition: a flush is as many records as it reaches partitions."""
    meter = meter_of(samples=4)
    feed(meter, stock(0))
    told = [(record.partition, decode(record.value or b"")) for record in meter.flush(NOW)]
    assert [(partition, len(frame.levels), frame.progress is not None) for partition, frame in told] == [
        (partition, int(partition == HOME), True) for partition in range(4)
    ]


def test_what_is_told_of_an_earlier_chunk_is_no_promise_of_this_one():
    """Samples of the chunk that is over stand in a frame of their own: its last offset is another."""
    meter = meter_of()
    feed(meter, *(stock(n) for n in range(64)), stock(64))
    frames = [decode(record.value or b"") for record in meter.flush(NOW)]
    assert [(f.chunk, f.upto, len(f.levels), f.progress is not None) for f in frames] == [
        (0, 63, 64, False),
        (1, 64, 1, True),
    ]
