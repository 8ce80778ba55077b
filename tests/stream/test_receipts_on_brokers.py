"""What became of an event is told from the records of either broker."""

import json
from datetime import UTC, datetime

import pytest

from lockstep.adapters.ingest.receipts import Outcome, Receipts
from lockstep.ports import Record, TopicSpec


def _event(topic, number, *, year=2025):
    value = {
        "id": str(number),
        "source": "/s",
        "type": "traffic.session",
        "time": f"{year}-03-02T08:00:00Z",
        "data": {},
    }
    return Record(topic, json.dumps(value).encode(), str(number).encode())


@pytest.mark.parametrize("partitions", [1, 3])
async def test_each_event_is_told_what_became_of_it(broker, unique, partitions):
    """The first of an id, its repeats, one of the future; by this door and by one that begins later."""
    topic = unique("traffic")
    await broker.declare([TopicSpec(topic, partitions)])
    door = Receipts(broker, clock=lambda: datetime.now(UTC), chunk_size=16, future_limit_s=300)
    sent = [_event(topic, number) for number in (1, 2, 1, 3)] + [_event(topic, 4, year=2090)]
    first = [receipt.outcome for receipt in await door.publish(sent)]
    accepted, again = Outcome.ACCEPTED, Outcome.DUPLICATE
    assert first == [accepted, accepted, again, accepted, Outcome.FUTURE]
    later = Receipts(broker, clock=lambda: datetime.now(UTC), chunk_size=16, future_limit_s=300)
    for other in (door, later):
        assert [receipt.outcome for receipt in await other.publish(sent)] == [again] * 5
