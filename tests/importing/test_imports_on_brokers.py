"""`lockstep import` beside `lockstep serve`, on both brokers: baselines know the past, and nobody is told of it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from kafka_for_tests import Broker

from lockstep.adapters.stream import open_broker
from lockstep.app import Service, utc_now
from lockstep.judge.publish import ALERTS
from lockstep.settings import Settings, load_settings
from lockstep.transition import Transition, decode

SECRET = {"LOCKSTEP_SECRET_HOOK": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
RULES = """\
measures:
  orders: {count: order.placed}
  stock: {last: available, of: stock.level}
rules:
  - name: Busy
    by: [channel]
    threshold: {measure: orders, window: 10m, at_least: 15}
  - name: Surge
    by: [channel]
    spike: {measure: orders, window: 10m, baseline: {same_time_of_day: 5}, above: 3x, at_least: 8, usual_at_least: 1}
  - name: LowStock
    by: [sku]
    threshold: {measure: stock, at_most: 20}
    clear: {above: 30}
"""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def order(number: object, at: datetime) -> dict[str, Any]:
    data = {"order_id": str(number), "total": 10, "lines": [], "channel": "web"}
    return {"id": f"o{number}", "source": "/shop", "type": "order.placed", "time": at.isoformat(), "data": data}


def level(sku: str, available: int, at: datetime) -> dict[str, Any]:
    data = {"sku": sku, "available": available}
    return {"id": f"{sku} {at}", "source": "/shop", "type": "stock.level", "time": at.isoformat(), "data": data}


def past(now: datetime) -> list[dict[str, Any]]:
    """Eight days: an order every five minutes, a busy hour; B was low and is not, A was and is."""
    orders = [order(n, now - 8 * DAY + timedelta(minutes=5 * n)) for n in range(8 * 24 * 12)]
    busy = [order(f"busy{n}", now - 3 * DAY - HOUR + timedelta(seconds=10 * n)) for n in range(60)]
    a = [level("A", 50, now - 7 * DAY), level("A", 15, now - 2 * DAY), level("A", 25, now - HOUR)]
    b = [level("B", 10, now - 6 * DAY), level("B", 60, now - 5 * DAY)]
    return [*orders, *busy, *a, *b]


class Shop:
    """A broker, its rules and a webhook receiver. told: (rule, state, label) of what the receiver heard."""

    def __init__(self, folder: Path, broker: str, url: str, told: list[tuple[str, ...]]) -> None:
        self.folder, self.told = folder, told
        rules = folder / "rules"
        rules.mkdir()
        (rules / "shop.yml").write_text(RULES)
        receivers = f'{{hook: {{webhook: {{url: "{url}", secret: {{secret: HOOK}}}}}}}}'
        (rules / "routing.yml").write_text(f"teams: {{operations: [hook]}}\nreceivers: {receivers}\n")
        self.environ = {"LOCKSTEP_BROKER": broker, "LOCKSTEP_RULES": str(rules), "LOCKSTEP_IDLE_AFTER": "1", **SECRET}
        self.settings: Settings = load_settings(broker=broker, rules=rules, http_port=0, idle_after=1, lateness=1)

    def file(self, name: str, events: list[dict[str, Any]]) -> str:
        path = self.folder / name
        path.write_text("".join(json.dumps({"specversion": "1.0", **event}) + "\n" for event in events))
        return str(path)

    async def run(self, *arguments: str) -> tuple[int, str]:
        """`lockstep import`; (exit code, what it said)."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lockstep", "import", *arguments),
            env={**os.environ, **self.environ, "COLUMNS": "200"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    async def published(self) -> list[Transition]:
        broker = open_broker(self.settings, clock=utc_now)
        await broker.start()
        try:
            start, end = (await broker.bounds(ALERTS))[0]
            return [decode(v) async for batch in broker.read(ALERTS, 0, start, end) for v in batch.values if v]
        finally:
            await broker.stop()

    async def heard(self, *expected: tuple[str, ...]) -> None:
        """Wait until the receiver has heard of these, and see that it heard of nothing else."""
        async with asyncio.timeout(120):
            while len(self.told) < len(expected):
                await asyncio.sleep(0.05)
        assert sorted(self.told) == sorted(expected)


class serving:  # noqa: N801 # used like a function
    """A service in this process that has been started."""

    def __init__(self, shop: Shop) -> None:
        self.service, self.stop = Service(shop.settings, environ=SECRET), asyncio.Event()

    async def __aenter__(self) -> "serving":
        self.task = asyncio.create_task(self.service.run(self.stop))
        async with asyncio.timeout(60):
            while not self.service.judging.status().ready:
                assert not self.task.done()
                await asyncio.sleep(0.05)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        assert await self.task == 0

    async def post(self, *events: dict[str, Any]) -> None:
        url = f"http://127.0.0.1:{self.service.http.port}/v1/events"
        body = json.dumps([{"specversion": "1.0", **event} for event in events])
        headers = {"Content-Type": "application/cloudevents-batch+json"}
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
            assert answer.status == 202, await answer.text()


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shop]:
    told: list[tuple[str, ...]] = []

    async def receive(asked: web.Request) -> web.Response:
        body = (await asked.json())["data"]
        told.append((body["rule"], body["state"], *body["labels"].values()))
        return web.Response(status=204)

    receiver = web.Application()
    receiver.router.add_post("/", receive)
    runner = web.AppRunner(receiver)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    kafka = None
    if request.param == "kafka":
        kafka = Broker(tmp_path / "kafka", libs=request.getfixturevalue("kafka_libs"))
        await asyncio.to_thread(kafka.start)
        await asyncio.to_thread(kafka.wait_ready)
    broker = f"sqlite:///{tmp_path}/shop.db" if kafka is None else f"kafka://{kafka.address}"
    try:
        yield Shop(tmp_path, broker, f"http://127.0.0.1:{runner.addresses[0][1]}/", told)
    finally:
        await runner.cleanup()
        if kafka is not None:
            kafka.kill()


async def test_a_new_service_has_a_past(shop: Shop) -> None:
    """What still holds is told once; what came and went is history; live events are compared with what was imported."""
    now = datetime.now(UTC)
    file = shop.file("past.ndjson", past(now))
    code, said = await shop.run(file)
    assert code == 0, said
    assert "2,369 events imported" in said
    async with serving(shop) as live:
        await shop.heard(("LowStock", "firing", "A"))
        await live.post(*(order(f"live{n}", utc_now()) for n in range(30)))
        await shop.heard(("LowStock", "firing", "A"), ("Busy", "firing", "web"), ("Surge", "firing", "web"))
    published = await shop.published()
    silent = {(t.rule, str(t.state), *t.labels.values()) for t in published if t.past}
    episodes = [("Busy", "web"), ("Surge", "web"), ("LowStock", "B")]
    assert silent >= {(rule, state, label) for rule, label in episodes for state in ("firing", "resolved")}
    code, said = await shop.run(file)
    assert (code, "0 events imported, 2,369 there already" in said) == (0, True), said
    code, said = await shop.run(shop.file("older.ndjson", [order("older", now - 4 * DAY)]))
    assert code == 1
    assert "1 event of orders refused: " in said
    way_out = "LOCKSTEP_BROKER=sqlite:///new.db" if shop.settings.is_sqlite else r"--delete --topic 'lockstep\..*'"
    assert way_out in said


async def test_live_events_wait_for_an_import_beside_the_service(shop: Shop) -> None:
    """One that was broken off goes on with the same files; what came live meanwhile is judged after it."""
    now = datetime.now(UTC)
    events = past(now)
    async with serving(shop) as live:
        half = shop.file("half.ndjson", [e for e in events if e["time"] < (now - 4 * DAY).isoformat()])
        code, said = await shop.run(half, "--more")
        assert code == 0, said
        await live.post(level("A", 28, utc_now()), level("C", 5, utc_now()))
        code, said = await shop.run(shop.file("past.ndjson", events))
        assert code == 0, said
        assert "there already" in said
        # Of A nobody would have heard if its live level, which is not above 30, had been judged first.
        await shop.heard(("LowStock", "firing", "A"), ("LowStock", "firing", "C"))
