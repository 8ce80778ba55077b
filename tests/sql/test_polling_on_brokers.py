"""`lockstep serve` beside sources.yml, on both brokers: rows of a database are events, and a dead one delays nobody."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kafka_for_tests import Broker
from till import QUERY, Till, source_of

from lockstep.adapters.sql.source_status import SourceStatus, statuses
from lockstep.adapters.stream import open_broker
from lockstep.app import Service, utc_now
from lockstep.measure.dead_events import TOPIC as DEAD_EVENTS
from lockstep.measure.dead_events import parse_dead
from lockstep.settings import Settings, load_settings

RULES = """\
measures: {orders: {count: order.placed}}
rules: [{name: Busy, threshold: {measure: orders, window: 1m, at_least: 1000}}]
"""
PATIENCE_S = 60


class Shop:
    """A broker, a folder with rules and sources.yml, and a till that the sources ask."""

    def __init__(self, folder: Path, broker: str, till: Till) -> None:
        self.rules, self.till = folder / "rules", till
        self.rules.mkdir()
        (self.rules / "ours.yml").write_text(RULES)
        self.settings: Settings = load_settings(broker=broker, rules=self.rules, http_port=0)
        self.secrets = {"LOCKSTEP_SECRET_TILL": till.url}

    async def events(self) -> list[str]:
        """Ids of all events of orders on the broker."""
        values = await self._values("orders")
        return [json.loads(value)["id"] for value, _ in values]

    async def dead(self) -> list[str]:
        """Why rows gave no event."""
        dead = [parse_dead(*pair) for pair in await self._values(DEAD_EVENTS)]
        return [row.detail for row in dead if row.reason == "row"]

    async def _values(self, topic: str) -> list[tuple[bytes, Any]]:
        broker = open_broker(self.settings, clock=utc_now)
        await broker.start()
        try:
            return [
                (value, batch.headers[i] if batch.headers else None)
                for partition, (start, end) in (await broker.bounds(topic)).items()
                async for batch in broker.read(topic, partition, start, end)
                for i, value in enumerate(batch.values)
                if value is not None
            ]
        finally:
            await broker.stop()

    async def status(self, name: str = "till") -> SourceStatus | None:
        broker = open_broker(self.settings, clock=utc_now)
        await broker.start()
        try:
            return (await statuses(broker)).get(name)
        finally:
            await broker.stop()

    async def has_events(self, count: int) -> None:
        """Wait for so many, and see that each is there once."""
        async with asyncio.timeout(PATIENCE_S):
            while len(events := await self.events()) < count:
                await asyncio.sleep(0.1)
        assert {number: times for number, times in Counter(events).items() if times > 1} == {}
        assert len(events) == count


class serving:  # noqa: N801 # used like a function
    """A service in this process that has been started."""

    def __init__(self, shop: Shop) -> None:
        self.service, self.stop = Service(shop.settings, environ=shop.secrets), asyncio.Event()

    async def __aenter__(self) -> "serving":
        self.task = asyncio.create_task(self.service.run(self.stop))
        async with asyncio.timeout(PATIENCE_S):
            while not self.service.judging.status().ready:
                assert not self.task.done()
                await asyncio.sleep(0.05)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        assert await self.task == 0

    async def get(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.service.http.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
async def shop(request: pytest.FixtureRequest, tmp_path: Path, till: Till) -> AsyncIterator[Shop]:
    kafka = None
    if request.param == "kafka":
        kafka = Broker(tmp_path / "kafka", libs=request.getfixturevalue("kafka_libs"))
        await asyncio.to_thread(kafka.start)
        await asyncio.to_thread(kafka.wait_ready)
    broker = f"sqlite:///{tmp_path}/shop.db" if kafka is None else f"kafka://{kafka.address}"
    try:
        yield Shop(tmp_path, broker, till)
    finally:
        if kafka is not None:
            kafka.kill()


async def test_rows_become_events_once(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """What is new, also after a restart, also what is committed late; a refused row is a dead event."""
    source_of(shop.rules)
    shop.till.order(*((number, "00:00") for number in range(2_500)))
    async with serving(shop) as live:
        await shop.has_events(2_500)
        shop.till.ask("INSERT INTO orders VALUES (9000, '2026-11-24 09:01:00', NULL, 'web')")
        shop.till.order((2_500, "02:00"), (2_501, "01:30"))
        await shop.has_events(2_502)
        _, metrics = await live.get("/metrics")
        assert 'lockstep_source_events_total{source="till"} 2502.0' in metrics
        assert 'lockstep_source_rows_refused_total{source="till"} 1.0' in metrics
        assert 'lockstep_source_failing{source="till"} 0.0' in metrics
    shop.till.order((2_502, "02:00"), (2_503, "00:30"))
    async with serving(shop):
        await shop.has_events(2_504)
    (dead,) = await shop.dead()
    assert dead.startswith("row with placed 2026-11-24 09:01:00")
    assert "total: is blank" in dead
    status = await shop.status()
    assert status is not None
    assert (status.refused, status.why) == (1, "")
    assert status.cursor.startswith("2026-11-24 09:02:00")
    assert "is asked every 1 s" not in capsys.readouterr().out  # shorter than the lateness


async def test_a_source_that_fails_delays_nobody(shop: Shop) -> None:
    """It is said in its status and a metric; the service is ready, other sources go on, and mended it goes on, too."""
    source_of(shop.rules)
    written = json.loads((shop.rules / "sources.yml").read_text())
    (till,) = written["sources"]
    broken = {**till, "name": "broken", "query": QUERY.replace("total", "totl")}
    (shop.rules / "sources.yml").write_text(json.dumps({"sources": [broken, till]}))
    shop.till.order((1, "00:00"))
    async with serving(shop) as live:
        await shop.has_events(1)
        async with asyncio.timeout(PATIENCE_S):
            while (status := await shop.status("broken")) is None:
                await asyncio.sleep(0.1)
        assert "query: the database says: " in status.why
        assert status.answered_at is None
        assert (await live.get("/readyz"))[0] == 200
        assert 'lockstep_source_failing{source="broken"} 1.0' in (await live.get("/metrics"))[1]
        mended = {**till, "name": "broken", "mapping": "other"}
        other = (shop.rules / "mappings" / "till.yml").read_text().replace("/till", "/other")
        (shop.rules / "mappings" / "other.yml").write_text(other)
        (shop.rules / "sources.yml").write_text(json.dumps({"sources": [mended, till]}))
        async with asyncio.timeout(PATIENCE_S):
            while len(await shop.events()) < 2:
                await asyncio.sleep(0.1)
        async with asyncio.timeout(PATIENCE_S):
            while (status := await shop.status("broken")) is None or status.is_failing:
                await asyncio.sleep(0.1)
    assert await shop.events() == ["1", "1"]  # of /till and of /other
