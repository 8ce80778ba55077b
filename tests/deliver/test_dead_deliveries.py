"""What was given up is sent once more as what it was, once for each command, and is known to be no longer dead."""

import json
from datetime import timedelta

from delivery_samples import GONE, HOOK, START, Kept, record

from lockstep.adapters.outbound.dead_deliveries import DeadDeliveries, to_destination
from lockstep.adapters.stream import open_broker
from lockstep.deliver import DEAD_DELIVERIES, Deliver
from lockstep.notify.pipeline.outbox import DELIVERIES
from lockstep.ports import Record
from lockstep.response.command import AUDIT, ReplayDelivery, decode_answer
from lockstep.settings import Settings
from lockstep.worker.required_topics import topic_specs


def deed(row) -> ReplayDelivery:
    return ReplayDelivery(
        id=f"r-{row['id']}",
        by="Anna",
        way="cli",
        at="2026-11-30T01:00:00Z",
        delivery_id=row["id"],
        receiver=row["destination"]["receiver"],
    )


async def test_a_replay_is_the_same_delivery(tmp_path):
    """Byte for byte what notify decided, on its partition, beside who asked for it; then nothing is dead any more."""
    kept = Kept().feed(record("d1", HOOK)).cut()
    (delivery,) = kept.stage.due(START)
    kept.stage.failed(delivery, GONE, now=START, jitter=0.5)
    records = [r for r in kept.stage.cut().records if r.topic == DEAD_DELIVERIES]
    now = [START]
    settings = Settings(broker=f"sqlite:///{tmp_path}/shop.db", rules=tmp_path)
    broker = open_broker(settings, clock=lambda: now[0])
    await broker.start()
    try:
        await broker.declare(topic_specs(settings))
        await broker.publish([Record(DELIVERIES, record("d1", HOOK), b"k", 0), *records])
        letters = DeadDeliveries(broker)
        dead = await letters.all()
        assert [row["id"] for row in dead] == ["d1"]
        assert to_destination(dead, HOOK.receiver) == to_destination(dead, HOOK.target) == dead
        assert to_destination(dead, "another") == []
        now[0] += timedelta(minutes=1)
        await letters.replay(dead, deed)
        assert await letters.all() == []
        (batch,) = [b async for b in broker.read(DELIVERIES, 0, 0, 2)]
        first, again = map(json.loads, batch.values)
        assert again == first
        stage = Deliver()
        stage.feed(batch)
        assert list(stage.pending.values()) == [1]
        (audit,) = [b async for b in broker.read(AUDIT, 0, 0, 1)]
        said = decode_answer(audit.values[0])
        assert said.why == f"Anna had a delivery to {HOOK.receiver} sent once more"
    finally:
        await broker.stop()
