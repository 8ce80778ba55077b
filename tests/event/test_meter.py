"""What the meter makes of good events: their times, and the order in which it tells levels."""

from datetime import datetime

import pytest
from shop_events import raw

from lockstep.event import Decoder
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.meter import Meter, MeterSettings, wanted_fields
from lockstep.measure.sample import LevelValue
from lockstep.ports import Batch

NOW = datetime.fromisoformat("2026-11-24T09:31:00Z")
LEVELS = (
    SeriesDef(Aggregate.LAST, "stock.level", "inventory", field="available", by=("sku",), bucket_s=0),
    SeriesDef(Aggregate.LAST, "stock.receipt", "inventory", field="quantity", by=("sku",), bucket_s=0),
    SeriesDef(Aggregate.LAST, "stock.level", "inventory", field="on_hand", by=("sku",), bucket_s=0),
)


def fed(*values: bytes, series: tuple[SeriesDef, ...] = LEVELS) -> Meter:
    """A meter that has read these events."""
    given = MeterSettings(
        role="inventory",
        topic="inventory",
        partition=0,
        partitions=1,
        source="t-1",
        samples_topic="lockstep.samples",
        samples_partitions=1,
        chunk_size=64,
        lateness_us=0,
        future_limit_us=300_000_000,
        idle_after_us=30_000_000,
        position=None,
        earliest=0,
    )
    meter = Meter(given, series, Decoder(wanted_fields(series)))
    none, arrived = [None] * len(values), [int(NOW.timestamp() * 1000)] * len(values)
    meter.feed(Batch("inventory", 0, range(len(values)), values, none, arrived, -1, len(values)))
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
