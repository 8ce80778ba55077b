"""What every broker promises, held to by each of them."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from lockstep.adapters.stream import open_broker
from lockstep.errors import Fenced, SettingsError
from lockstep.ports import Batch, Broker, Cut, Record, TopicSpec
from lockstep.settings import Settings

Unique = Callable[[str], str]


async def read_all(broker: Broker, topic: str, partition: int = 0) -> list[Batch]:
    start, end = (await broker.bounds(topic))[partition]
    return [batch async for batch in broker.read(topic, partition, start, end)]


async def values(broker: Broker, topic: str, partition: int = 0) -> list[bytes | None]:
    return [value for batch in await read_all(broker, topic, partition) for value in batch.values]


async def cut_values(broker: Broker, topic: str, expected: list[bytes]) -> None:
    """What cuts published is read, soon: Kafka answers a commit before its markers have reached every partition."""
    async with asyncio.timeout(10):
        while (found := await values(broker, topic)) != expected:
            assert found == expected[: len(found)]
            await asyncio.sleep(0.01)


async def topic(broker: Broker, name: str, partitions: int = 1, *, compacted: bool = False) -> str:
    await broker.declare([TopicSpec(name, partitions, compacted=compacted, retention_s=None if compacted else 3600)])
    return name


async def stage(broker: Broker, name: str, partitions: int = 1) -> str:
    await broker.declare([TopicSpec(f"lockstep.{name}-state", partitions, compacted=True)])
    return name


async def test_records_come_back_in_order_with_all_their_parts(broker: Broker, unique: Unique) -> None:
    name = await topic(broker, unique("orders"))
    headers = (("ce_id", b"\xffa"), ("ce_type", b"order.placed"))
    placed = await broker.publish(
        [Record(name, b"one", b"k1", headers=headers), Record(name, None, b"k2"), Record(name, b"", None)]
    )
    assert placed == [(0, 0), (0, 1), (0, 2)]
    batches = await read_all(broker, name)
    assert [v for b in batches for v in b.values] == [b"one", None, b""]
    assert [k for b in batches for k in b.keys] == [b"k1", b"k2", None]
    assert [o for b in batches for o in b.offsets] == [0, 1, 2]
    assert batches[0].headers is not None
    assert tuple(batches[0].headers[0]) == headers
    assert all(len(b.timestamps_ms) == len(b) for b in batches)


async def test_a_moment_has_a_position(broker: Broker, unique: Unique, clock: Any) -> None:
    """The first record that the broker got since then, in each partition; the end where nothing is that new."""
    name = await topic(broker, unique("orders"), 2)
    for value in (b"a", b"b", b"c"):
        await broker.publish([Record(name, value, partition=0)])
        clock.move(minutes=1)
    (times,) = [b.timestamps_ms for b in await read_all(broker, name)]

    async def at(ms: float) -> Any:
        return await broker.positions_at(name, datetime.fromtimestamp(ms / 1000, UTC))

    assert await at(0) == {0: 0, 1: 0}
    assert await at(times[2]) == {0: list(times).index(times[2]), 1: 0}
    assert await at(times[2] + 1) == {0: 3, 1: 0}


async def test_batches_follow_each_other_without_a_hole(broker: Broker, unique: Unique) -> None:
    """20,000 records come in several batches, each saying which offset came before it."""
    name = await topic(broker, unique("orders"))
    for first in range(0, 20_000, 5_000):
        await broker.publish([Record(name, str(i).encode()) for i in range(first, first + 5_000)])
    batches = await read_all(broker, name)
    assert [v for b in batches for v in b.values] == [str(i).encode() for i in range(20_000)]
    position = 0
    for batch in batches:
        assert (batch.previous, batch.offsets[0]) == (position - 1, position)
        position = batch.next
    assert position == 20_000


@pytest.mark.parametrize(("start", "end"), [(0, 10), (3, 7), (9, 10), (5, 5)])
async def test_a_part_is_read(broker: Broker, unique: Unique, start: int, end: int) -> None:
    name = await topic(broker, unique("orders"))
    await broker.publish([Record(name, str(i).encode()) for i in range(10)])
    found = [v async for batch in broker.read(name, 0, start, end) for v in batch.values]
    assert found == [str(i).encode() for i in range(start, end)]


async def test_bounds_of_each_partition(broker: Broker, unique: Unique) -> None:
    name = await topic(broker, unique("orders"), 3)
    assert await broker.bounds(name) == {0: (0, 0), 1: (0, 0), 2: (0, 0)}
    await broker.publish([Record(name, b"x", partition=1), Record(name, b"y", partition=1)])
    assert await broker.bounds(name) == {0: (0, 0), 1: (0, 2), 2: (0, 0)}


async def test_a_key_has_one_partition_and_keys_spread(broker: Broker, unique: Unique) -> None:
    name = await topic(broker, unique("orders"), 4)
    keys = [f"sku-{i}".encode() for i in range(40)]
    first = await broker.publish([Record(name, b"a", key) for key in keys])
    again = await broker.publish([Record(name, b"b", key) for key in keys])
    assert [p for p, _ in first] == [p for p, _ in again]
    assert {p for p, _ in first} == {0, 1, 2, 3}


async def test_many_publish_at_once(broker: Broker, unique: Unique) -> None:
    name = await topic(broker, unique("orders"))
    placed = await asyncio.gather(*(broker.publish([Record(name, str(i).encode())]) for i in range(200)))
    offsets = sorted(offset for ((_, offset),) in placed)
    assert offsets == list(range(200))
    found = await values(broker, name)
    assert [found[offset] for ((_, offset),) in placed] == [str(i).encode() for i in range(200)]


async def test_a_publisher_that_gives_up_hurts_nobody(broker: Broker, unique: Unique) -> None:
    """A request whose client went away is cancelled; everybody else's records still become durable."""
    name = await topic(broker, unique("orders"))
    for _ in range(20):
        task = asyncio.create_task(broker.publish([Record(name, b"gone")]))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await asyncio.wait_for(broker.publish([Record(name, b"last")]), 10)
    assert (await values(broker, name))[-1] == b"last"


async def test_a_compacted_topic_keeps_the_newest_of_each_key(broker: Broker, unique: Unique) -> None:
    name = await topic(broker, unique("state"), compacted=True)
    for i in range(6):
        await broker.publish([Record(name, str(i).encode(), b"even" if i % 2 == 0 else b"odd")])
    newest: dict[bytes | None, bytes | None] = {}
    for batch in await read_all(broker, name):
        newest.update(zip(batch.keys, batch.values, strict=True))
    assert newest == {b"even": b"4", b"odd": b"5"}
    assert (await broker.bounds(name))[0][1] == 6


async def test_declaring_again_changes_nothing(broker: Broker, unique: Unique) -> None:
    name = await topic(broker, unique("orders"), 2)
    before = await broker.describe([name])
    await broker.publish([Record(name, b"x", partition=0)])
    await topic(broker, name, 2)
    assert await broker.describe([name]) == before
    assert await values(broker, name) == [b"x"]


async def test_describe_leaves_out_what_is_missing(broker: Broker, unique: Unique) -> None:
    orders, state = await topic(broker, unique("orders"), 2), await topic(broker, unique("state"), compacted=True)
    found = await broker.describe([orders, unique("nothing"), state])
    assert set(found) == {orders, state}
    assert (found[orders].partitions, found[orders].compacted) == (2, False)
    assert (found[state].partitions, found[state].compacted) == (1, True)
    assert found[orders].id != found[state].id


@pytest.mark.parametrize(
    ("partitions", "compacted", "said"),
    [
        pytest.param(4, False, "4 partitions", id="another partition count"),
        pytest.param(2, True, "compacted", id="another cleanup policy"),
    ],
)
async def test_a_topic_that_is_not_as_it_must_be(
    broker: Broker, unique: Unique, partitions: int, compacted: bool, said: str
) -> None:
    """The error names the topic and what is wrong, and nothing changes."""
    name = await topic(broker, unique("orders"), 2)
    with pytest.raises(SettingsError) as caught:
        await broker.declare([TopicSpec(name, partitions, compacted=compacted)])
    assert name in str(caught.value)
    assert said in str(caught.value)
    found = (await broker.describe([name]))[name]
    assert (found.partitions, found.compacted) == (2, False)


async def test_the_first_owner_finds_nothing(broker: Broker, unique: Unique) -> None:
    owned = broker.own(await stage(broker, unique("judge")), 0)
    assert await owned.recover() == ({}, {})
    await owned.close()


async def test_a_cut_becomes_visible_together_and_is_recovered(broker: Broker, unique: Unique) -> None:
    """Records, entries and positions of every cut; an entry of None is deleted."""
    judge, alerts = await stage(broker, unique("judge")), await topic(broker, unique("alerts"))
    owned = broker.own(judge, 0)
    await owned.recover()
    await owned.cut(Cut([Record(alerts, b"a1"), Record(alerts, b"a2")], {b"x": b"1", b"y": b"1"}), {("s", 0): 10})
    await owned.cut(Cut([Record(alerts, b"a3")], {b"x": b"2", b"y": None, b"z": b""}), {("s", 0): 25, ("t", 0): 3})
    await owned.cut(Cut(), {("s", 0): 26, ("t", 0): 3})
    await cut_values(broker, alerts, [b"a1", b"a2", b"a3"])
    await owned.close()

    successor = broker.own(judge, 0)
    assert await successor.recover() == ({("s", 0): 26, ("t", 0): 3}, {b"x": b"2", b"z": b""})
    await successor.close()


async def test_a_restart_recovers(broker_settings: Settings, clock: Any, unique: Unique) -> None:
    """Another process on the same broker goes on from the last cut, and offsets go on too."""
    first = open_broker(broker_settings, clock=clock)
    await first.start()
    judge, alerts = await stage(first, unique("judge")), await topic(first, unique("alerts"))
    owned = first.own(judge, 0)
    await owned.recover()
    await owned.cut(Cut([Record(alerts, b"a")], {b"k": b"v"}), {("s", 0): 7})
    await owned.close()
    known = await first.describe([alerts])
    await first.stop()

    second = open_broker(broker_settings, clock=clock)
    await second.start()
    try:
        assert await second.describe([alerts]) == known
        await cut_values(second, alerts, [b"a"])
        again = second.own(judge, 0)
        assert await again.recover() == ({("s", 0): 7}, {b"k": b"v"})
        await again.cut(Cut([Record(alerts, b"b")]), {("s", 0): 8})
        await cut_values(second, alerts, [b"a", b"b"])
        await again.close()
    finally:
        await second.stop()


async def test_a_former_owner_is_fenced(broker: Broker, unique: Unique) -> None:
    """Nothing of its cut becomes visible: no record, no entry, no position."""
    judge, alerts = await stage(broker, unique("judge")), await topic(broker, unique("alerts"))
    old = broker.own(judge, 0)
    await old.recover()
    await old.cut(Cut([Record(alerts, b"old")], {b"k": b"old"}), {("s", 0): 1})
    new = broker.own(judge, 0)
    assert await new.recover() == ({("s", 0): 1}, {b"k": b"old"})
    with pytest.raises(Fenced):
        await old.cut(Cut([Record(alerts, b"frozen")], {b"k": b"frozen"}), {("s", 0): 99})
    await new.cut(Cut([Record(alerts, b"new")], {b"k": b"new"}), {("s", 0): 2})
    await cut_values(broker, alerts, [b"old", b"new"])
    await old.close()
    await new.close()
    last = broker.own(judge, 0)
    assert await last.recover() == ({("s", 0): 2}, {b"k": b"new"})
    await last.close()


async def test_partitions_and_stages_have_their_own_state(broker: Broker, unique: Unique) -> None:
    judge, notify = await stage(broker, unique("judge"), 2), await stage(broker, unique("notify"))
    owners = [broker.own(judge, 0), broker.own(judge, 1), broker.own(notify, 0)]
    for number, owned in enumerate(owners):
        assert await owned.recover() == ({}, {})
        await owned.cut(Cut(entries={b"k": str(number).encode()}), {("s", 0): number + 1})
    for owned in owners:
        await owned.close()
    for number, (name, partition) in enumerate([(judge, 0), (judge, 1), (notify, 0)]):
        owned = broker.own(name, partition)
        assert await owned.recover() == ({("s", 0): number + 1}, {b"k": str(number).encode()})
        await owned.close()
