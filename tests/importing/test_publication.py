"""What of the events is published, in which order, and why the rest is not."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from lockstep.adapters.stream import open_broker
from lockstep.event.imports import IMPORTED, ROLES, TOPIC, MarkKind, mark_of
from lockstep.measure.sample import Frame, Progress, encode
from lockstep.ports import Broker, Record
from lockstep.settings import Settings, load_settings
from lockstep.tools.importing.gathered import Gathered, microseconds
from lockstep.tools.importing.publication import Publication, RolePlan
from lockstep.worker.required_topics import SAMPLES, prepare

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ORDERS = ROLES.index("orders")
SIGNS = {MarkKind.ASKED: "?", MarkKind.BEGUN: "<", MarkKind.ENDED: ">", MarkKind.SERVED: "!"}


def order(number: object, minute: int) -> bytes:
    time = (NOW - timedelta(days=1) + timedelta(minutes=minute)).isoformat()
    data = {"order_id": str(number), "total": 10, "lines": []}
    event = {"specversion": "1.0", "id": f"o{number}", "source": "/shop", "type": "order.placed", "time": time}
    return json.dumps({**event, "data": data}).encode()


def level(minute: int) -> bytes:
    time = (NOW - timedelta(days=1) + timedelta(minutes=minute)).isoformat()
    event = {"specversion": "1.0", "id": f"s{minute}", "source": "/shop", "type": "stock.level", "time": time}
    return json.dumps({**event, "data": {"sku": "A", "available": 5}}).encode()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(broker=f"sqlite:///{tmp_path}/shop.db")


@pytest.fixture
async def broker(settings: Settings) -> AsyncIterator[Any]:
    opened = open_broker(settings, clock=lambda: NOW)
    await opened.start()
    await prepare(settings, opened)
    yield opened
    await opened.stop()


async def imported(
    broker: Broker, settings: Settings, folder: Path, *values: bytes, ends: bool = True
) -> tuple[list[RolePlan], Gathered]:
    publication = Publication(broker, settings.topics, SAMPLES, clock=lambda: NOW)
    gathered = Gathered(Path(mkdtemp(dir=folder)), now=NOW)
    gathered.add(values, [f"file:{n}" for n in range(1, len(values) + 1)])
    plans = await publication.plan(gathered)
    await publication.publish(gathered, plans, rate=0, ends=ends, progress=lambda _: None)
    return plans, gathered


async def log(broker: Broker, role: str = "orders") -> list[str]:
    """The ids of what was imported, `?` where it is asked for, `<` where it begins, `>` where it ends, `!` where a
    service says that it reads the role."""
    partition, ids = ROLES.index(role), []
    start, end = (await broker.bounds(TOPIC))[partition]
    async for batch in broker.read(TOPIC, partition, start, end):
        for value in batch.values:
            mark = mark_of(value)
            ids.append(json.loads(value or b"")["id"] if mark is None else SIGNS[mark.kind])
    return ids


async def test_in_the_order_of_time_and_each_once(broker: Broker, settings: Settings, tmp_path: Path) -> None:
    """Whatever order the files have; of one id the first counts; what is no event, unknown or to come is refused."""
    late = json.loads(order("late", 0)) | {"time": (NOW + timedelta(minutes=1)).isoformat()}
    odd = json.dumps({**json.loads(order(9, 0)), "type": "newsletter.sent"}).encode()
    values = [order(2, 7), order(1, 3), level(5), order(2, 7), b"{", json.dumps(late).encode(), odd]
    plans, gathered = await imported(broker, settings, tmp_path, *values)
    assert await log(broker) == ["?", "<", "o1", "o2", ">"]
    assert await log(broker, "inventory") == ["?", "<", "s5", ">"]
    assert {plan.role: plan.new for plan in plans} == {"orders": 2, "inventory": 1}
    assert (gathered.twice, gathered.unknown, gathered.refused_count) == (1, 1, 2)
    said = "\n".join(map(str, gathered.refused.values()))
    assert "json: " in said
    assert "future: its time is 1 minute ahead of the clock; check the time zone, or leave it out (file:6)" in said


async def test_again_and_on(broker: Broker, settings: Settings, tmp_path: Path) -> None:
    """What is there is left out; what follows goes on, in a new import where the one before has ended; what stands
    before the last record does not go in any more."""
    await imported(broker, settings, tmp_path, order(1, 3), order(2, 7), ends=False)
    assert await log(broker) == ["?", "<", "o1", "o2"]
    (plan,), _ = await imported(broker, settings, tmp_path, order(1, 3), order(2, 7), order(3, 9))
    assert await log(broker) == ["?", "<", "o1", "o2", "o3", ">"]
    assert (plan.there, plan.new, plan.refused) == (2, 1, 0)
    (plan,), _ = await imported(broker, settings, tmp_path, order(1, 3), order(2, 7), order(3, 9))
    assert await log(broker) == ["?", "<", "o1", "o2", "o3", ">"]
    assert (plan.there, plan.new, plan.refused) == (3, 0, 0)
    (plan,), _ = await imported(broker, settings, tmp_path, order("old", 5), order(4, 11))
    assert await log(broker) == ["?", "<", "o1", "o2", "o3", ">", "?", "<", "o4", ">"]
    assert (plan.there, plan.new, plan.refused) == (0, 1, 1)
    assert plan.why == (
        "the import of orders has come to 2026-03-01 09:09:00 UTC, and goes on from there; import all files of a kind "
        "with one command"
    )


async def test_up_to_where_the_topic_has_events_itself(broker: Broker, settings: Settings, tmp_path: Path) -> None:
    """Which no service has read: they are judged after the import."""
    await broker.publish([Record("orders", order("live", 6)), Record("orders", order("live2", 8))])
    (plan,), _ = await imported(broker, settings, tmp_path, order(1, 3), order(2, 6), order(3, 7))
    assert await log(broker) == ["?", "<", "o1", ">"]
    assert (plan.new, plan.live) == (1, 2)


@pytest.mark.parametrize("partition", [0, IMPORTED])
async def test_event_time_does_not_go_back(broker: Broker, settings: Settings, tmp_path: Path, partition: int) -> None:
    """Once live events have been judged, or all of an import that has ended, nothing is published, no mark either."""
    await imported(broker, settings, tmp_path, order(1, 3))
    before = await log(broker)
    at = microseconds(NOW)
    progress = Progress(at, at, at, silent=False)
    place = {"chunk_size": 16, "chunk": 0, "first": 0, "upto": 2, "partitions": 1, "source": "id"}
    frame = Frame(role="orders", partition=partition, **place, progress=progress)  # type: ignore[arg-type]
    await broker.publish([Record(SAMPLES, encode(frame), partition=0)])
    (plan,), _ = await imported(broker, settings, tmp_path, order(2, 4))
    assert await log(broker) == before
    assert (plan.new, plan.refused) == (0, 1)
    assert plan.why.endswith("import into a new one (LOCKSTEP_BROKER=sqlite:///new.db), and serve that")


async def test_what_was_begun_is_ended(broker: Broker, settings: Settings, tmp_path: Path) -> None:
    """By `--end`, once."""
    await imported(broker, settings, tmp_path, order(1, 3), level(4), ends=False)
    publication = Publication(broker, settings.topics, SAMPLES, clock=lambda: NOW)
    assert await publication.end() == ["orders", "inventory"]
    assert await publication.end() == []
    assert await log(broker) == ["?", "<", "o1", ">"]


async def test_a_killed_import_goes_on(broker: Broker, settings: Settings, tmp_path: Path) -> None:
    """With the same command: every event is there once, in order."""
    count = 30_000
    file = tmp_path / "orders.ndjson"
    file.write_bytes(
        b"".join(
            order(n, 0).replace(b"09:00:00", b"08:%02d:%02d" % (n // 60 % 60, n % 60)) + b"\n" for n in range(count)
        )
    )
    command = [sys.executable, "-m", "lockstep", "import", str(file)]
    environ = {**os.environ, "LOCKSTEP_BROKER": settings.broker}
    process = await asyncio.create_subprocess_exec(*command, "--rate", "4000", env=environ)
    while (await broker.bounds(TOPIC))[ORDERS][1] < 2_000:
        assert process.returncode is None
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    there = (await broker.bounds(TOPIC))[ORDERS][1]
    assert there < count
    process = await asyncio.create_subprocess_exec(*command, env=environ)
    assert await process.wait() == 0
    ids = await log(broker)
    assert (ids[:2], ids[-1], len(ids), len({*ids})) == (["?", "<"], ">", count + 3, count + 3)
