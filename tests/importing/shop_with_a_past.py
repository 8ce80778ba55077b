"""A shop with a past, its broker, rules and receiver, for tests of imports beside a service."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from kafka_for_tests import Broker, held_ports

from lockstep.adapters.stream import open_broker
from lockstep.app import Service, utc_now
from lockstep.event.imports import ROLES
from lockstep.event.imports import TOPIC as IMPORTS
from lockstep.judge.publish import ALERTS
from lockstep.measure.dead_events import TOPIC as DEAD_EVENTS
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
        (rules / "ours.yml").write_text(RULES)
        receivers = f'{{hook: {{webhook: {{url: "{url}", secret: {{secret: HOOK}}}}}}}}'
        (rules / "routing.yml").write_text(f"teams: {{operations: [hook]}}\nreceivers: {receivers}\n")
        self.environ = {"LOCKSTEP_BROKER": broker, "LOCKSTEP_RULES": str(rules), "LOCKSTEP_IDLE_AFTER": "1", **SECRET}
        self.settings: Settings = load_settings(broker=broker, rules=rules, http_port=0, idle_after=1, lateness=1)

    def change(self, **settings: str) -> None:
        """Change settings, of commands and of services that are started from here on."""
        self.environ |= {f"LOCKSTEP_{name.upper()}": value for name, value in settings.items()}
        self.settings = self.settings.model_copy(update=settings)

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

    async def imported(self, role: str) -> int:
        """How many records there are of the imports of a role."""
        broker = open_broker(self.settings, clock=utc_now)
        await broker.start()
        try:
            return (await broker.bounds(IMPORTS))[ROLES.index(role)][1] if await broker.describe([IMPORTS]) else 0
        finally:
            await broker.stop()

    async def dead_events(self) -> int:
        broker = open_broker(self.settings, clock=utc_now)
        await broker.start()
        try:
            return sum(end for _, end in (await broker.bounds(DEAD_EVENTS)).values())
        finally:
            await broker.stop()

    async def as_live(self, file: str, until: datetime) -> set[tuple[str, ...]]:
        """(rule, state, label, instant) of what would have been said, had the events of a file been live."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lockstep", "backtest", str(self.settings.rules), "--events", file, "--json"),
            *("--until", until.isoformat()),
            env={**os.environ, **self.environ},
            stdout=asyncio.subprocess.PIPE,
        )
        lines, _ = await process.communicate()
        said = map(json.loads, lines.splitlines())
        return {(t["rule"], t["state"], *t["labels"].values(), t["at"]) for t in said}


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
        await post_events(self.service.http.port, *events)


class ServedApart:
    """A service in a process of its own, which can be killed. It has the same port every time."""

    def __init__(self, shop: Shop) -> None:
        (self.port,) = held_ports(1)
        self._shop = shop
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it is ready."""
        with (self._shop.folder / "serve.log").open("a") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "lockstep", "serve"),
                env={**os.environ, **self._shop.environ, "LOCKSTEP_HTTP_PORT": str(self.port)},
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(90):
            while (await self.readiness())[0] != 200:
                assert self._process.returncode is None
                await asyncio.sleep(0.05)

    async def readiness(self) -> tuple[int, dict[str, Any]]:
        """(status, body) of /readyz; status 0 while nobody answers."""
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.port}/readyz") as answer,
            ):
                return answer.status, await answer.json()
        except aiohttp.ClientError:
            return 0, {}

    async def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.wait()

    async def post(self, *events: dict[str, Any]) -> None:
        await post_events(self.port, *events)


async def post_events(port: int, *events: dict[str, Any]) -> None:
    """POST them; they are taken."""
    url = f"http://127.0.0.1:{port}/v1/events"
    body = json.dumps([{"specversion": "1.0", **event} for event in events])
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        assert answer.status == 202, await answer.text()


BROKERS = ("sqlite", pytest.param("kafka", marks=pytest.mark.kafka))
"""What the fixture of a shop is parametrised with."""


@asynccontextmanager
async def shop_of(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop on the broker that the fixture asks for, with a receiver that listens."""
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
