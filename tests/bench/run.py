"""`make bench`: what this machine does, measured in one run. Nothing is asserted; ratios are what counts.

Where Java is, the serve figures are taken on a real Kafka, too: a new one for each, so that no figure sees what another
one left behind. `python -m tests.bench.run NAME...` measures only what has these words in its name;
"10 M" asks for a backtest of so many events, which is not measured else.
"""

import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import msgspec
from aiohttp import web
from rich.console import Console
from rich.table import Table
from tests.kafka.broker import Broker, jars

from lockstep.adapters.stream import open_broker
from lockstep.app import utc_now
from lockstep.event import Decoder
from lockstep.ports import Record
from lockstep.rule.language.load import load_texts
from lockstep.settings import load_settings
from lockstep.tools.backtest.replay import backtest
from lockstep.worker.required_topics import prepare

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ZONE = ZoneInfo("Europe/London")
RULES = """\
measures:
  orders:   {count: order.placed}
  revenue:  {sum: total, of: order.placed}
  units:    {sum: lines.quantity, of: order.placed}
  basket:   {average: total, of: order.placed}
  sessions: {count: traffic.session}
  stock:    {last: available, of: stock.level}
rules:
  - {name: OrderSpike, by: [channel], spike: {measure: orders, window: 15m, above: 3x, at_least: 50, usual_at_least: 5}}
  - {name: Rush, by: [channel], spike: {measure: sessions, window: 15m, above: 3x, at_least: 50, usual_at_least: 5}}
  - {name: Revenue, by: [channel], threshold: {measure: revenue, window: 1h, above: 100000000}}
  - {name: Basket, by: [channel], threshold: {measure: basket, window: 1h, above: 100000}}
  - {name: Bestseller, by: [sku], threshold: {measure: units, window: 1h, above: 100000}}
  - {name: LowStock, by: [sku], threshold: {measure: stock, at_most: 3}, clear: {above: 30}}
  - {name: NoOrders, absence: {measure: orders, window: 2h}}
"""
PROBE = """\
measures:
  stock: {last: available, of: stock.level}
rules:
  - {name: Probe, by: [sku], threshold: {measure: stock, at_most: 0}}
"""
ROLES = {"order": "orders", "traffic": "traffic", "stock": "inventory"}
console = Console()


def events(count: int, *, skus: int = 500, seed: int = 1, begin: datetime | None = None) -> Iterator[tuple[str, bytes]]:
    """(topic, event) of a busy shop: half orders, four tenths visits, one tenth stock; 4,000 a minute."""
    draw = random.Random(seed)
    start = begin or datetime(2026, 1, 5, tzinfo=UTC)
    for i in range(count):
        moment = (start + timedelta(seconds=i * 0.015)).isoformat()
        kind = draw.random()
        channel, sku = draw.choice(("web", "app", "market")), f"S{draw.randrange(skus)}"
        if kind < 0.5:
            line = {"sku": sku, "quantity": draw.randrange(1, 4), "unit_price": 9.5}
            data = {"order_id": str(i), "total": draw.randrange(10, 200), "channel": channel, "lines": [line]}
            name = "order.placed"
        elif kind < 0.9:
            name, data = "traffic.session", {"visitor": str(i), "channel": channel}
        else:
            name, data = "stock.level", {"sku": sku, "available": draw.randrange(0, 200)}
        event = {"specversion": "1.0", "id": str(i), "source": "/bench", "type": name, "time": moment, "data": data}
        yield ROLES[name.partition(".")[0]], msgspec.json.encode(event)


def rss_mb(pid: int) -> float:
    """Resident memory of a process, MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def bench_backtest(folder: Path, table: Table, count: int) -> None:
    """Events from a file, against decoding alone."""
    path = folder / "events.ndjson"
    with path.open("wb") as out:
        for _, value in events(count):
            out.write(value + b"\n")
    plan = load_texts({"bench.yml": RULES}).plan
    began = time.perf_counter()
    result = backtest(plan, [path], zone=ZONE)
    seconds = time.perf_counter() - began
    rate = result.events / seconds
    judging, measuring = (getrusage(who).ru_maxrss / 1024 for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
    with path.open("rb") as lines:
        values = [line.rstrip() for line in islice(lines, 200_000)]
    began = time.perf_counter()
    Decoder().decode(values)
    limit = len(values) / (time.perf_counter() - began)
    table.add_row(
        f"backtest, {count:,} events, 7 rules",
        f"{seconds:.1f} s, {rate:,.0f}/s",
        f"{rate / limit:.2f} of decoding alone",
    )
    table.add_row("  peak memory, judging and measuring", f"{judging:,.0f} + {measuring:,.0f} MB", "")


class Worker:
    """A `lockstep serve` process."""

    def __init__(self, folder: Path, broker: str, rules: str, port: int, **settings: str) -> None:
        self.rules = folder / "rules"
        self.rules.mkdir(exist_ok=True)
        (self.rules / "bench.yml").write_text(rules)
        hook = f'{{webhook: {{url: "http://127.0.0.1:{port}/", secret: {{secret: HOOK}}}}}}'
        routing = f"teams: {{marketing: [hook], operations: [hook]}}\nreceivers:\n  hook: {hook}\n"
        (self.rules / "routing.yml").write_text(routing)
        self.http = 18480 + random.randrange(1000)
        env = {**os.environ, "LOCKSTEP_SECRET_HOOK": SECRET, "LOCKSTEP_BROKER": broker, "LOCKSTEP_LOG_LEVEL": "warning"}
        env |= {"LOCKSTEP_HTTP_PORT": str(self.http), "LOCKSTEP_RULES": str(self.rules), **settings}
        self.began = time.perf_counter()
        self.process = subprocess.Popen([sys.executable, "-m", "lockstep", "serve"], env=env, cwd=folder)

    async def ready(self) -> float:
        """Seconds from exec to ready."""
        async with aiohttp.ClientSession() as session:
            while self.process.poll() is None:
                try:
                    async with session.get(f"http://127.0.0.1:{self.http}/readyz") as answer:
                        if answer.status == 200:
                            return time.perf_counter() - self.began
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.02)
        raise RuntimeError(f"the worker ended with {self.process.returncode}")

    async def counted(self) -> float:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.http}/metrics") as answer,
        ):
            text = await answer.text()
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("lockstep_events_total"))

    async def lag(self) -> float:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.http}/metrics") as answer,
        ):
            text = await answer.text()
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("lockstep_lag_records{"))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


async def bench_serve(
    name: str, url: str, folder: Path, table: Table, *, workers: int = 1, count: int = 300_000
) -> None:
    """A backlog, read to its end."""
    app_id = f"bench-{random.randrange(10**6)}"
    settings = load_settings(broker=url, app_id=app_id)
    broker = open_broker(settings, clock=utc_now)
    await broker.start()
    await prepare(settings, broker)
    batch: list[Record] = []
    for topic, value in events(count):
        batch.append(Record(topic, value, str(len(batch)).encode()))
        if len(batch) == 5_000:
            await broker.publish(batch)
            batch = []
    await broker.publish(batch)
    await broker.stop()
    running = [Worker(folder, url, RULES, 9, LOCKSTEP_APP_ID=app_id) for _ in range(workers)]
    try:
        ready = max([await w.ready() for w in running])
        began = time.perf_counter()
        head_start = sum([await w.counted() for w in running])  # read before the last one was ready
        while sum([await w.counted() for w in running]) < count * 0.999 or sum([await w.lag() for w in running]) > 50:
            if time.perf_counter() - began > 120:
                break
            await asyncio.sleep(0.1)
        seconds = time.perf_counter() - began
        memory = max(rss_mb(w.process.pid) for w in running)
    finally:
        for worker in running:
            worker.stop()
    table.add_row(
        f"serve on {name}, {workers} worker(s), backlog of {count:,}",
        f"{(count - head_start) / seconds:,.0f}/s",
        f"{memory:.0f} MB",
    )
    table.add_row("  start to ready", f"{ready:.1f} s", "")


async def bench_latency(name: str, url: str, folder: Path, table: Table) -> None:
    """From publishing an event to its webhook."""
    arrived: dict[str, float] = {}
    sent: dict[str, float] = {}

    async def receive(request: web.Request) -> web.Response:
        body = await request.json()
        if body["type"] == "alert.firing":
            arrived[body["data"]["labels"]["sku"]] = time.perf_counter()
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    app_id = f"bench-{random.randrange(10**6)}"
    worker = Worker(folder, url, PROBE, runner.addresses[0][1], LOCKSTEP_APP_ID=app_id)
    broker = open_broker(load_settings(broker=url, app_id=app_id), clock=utc_now)
    try:
        await worker.ready()
        await broker.start()
        for rate, count in ((20, 100), (500, 2_500)):
            begin = time.perf_counter()
            for i in range(count):
                wait = begin + i / rate - time.perf_counter()
                if wait > 0:
                    await asyncio.sleep(wait)
                sku = f"{rate}-{i}"
                data = {"sku": sku, "available": 0 if i % 25 == 0 or rate == 20 else 50}
                event = {
                    "id": sku,
                    "source": "/bench",
                    "type": "stock.level",
                    "time": utc_now().isoformat(),
                    "data": data,
                }
                sent[sku] = time.perf_counter()
                await broker.publish([Record("inventory", json.dumps(event).encode(), sku.encode())])
            expected = [s for s in sent if s.startswith(f"{rate}-") and (rate == 20 or int(s.split("-")[1]) % 25 == 0)]
            deadline = time.perf_counter() + 20
            while not all(s in arrived for s in expected) and time.perf_counter() < deadline:
                await asyncio.sleep(0.05)
            times = sorted((arrived[s] - sent[s]) * 1000 for s in expected if s in arrived)
            p50, p99 = statistics.median(times), times[int(len(times) * 0.99) - 1]
            lost = len(expected) - len(times)
            said = f"p50 {p50:.0f} ms, p99 {p99:.0f} ms" + (f", {lost} never came" if lost else "")
            table.add_row(f"event to webhook on {name}, {rate}/s", said, f"{len(times)} alerts")
    finally:
        await broker.stop()
        worker.stop()
        await runner.cleanup()


def bench_series(table: Table) -> None:
    """Memory of a judge with many series: what each costs is what the larger number has more than the smaller."""
    for what, name, sizes in (
        ("plain", "two hours of history", (1_000, 100_000)),
        ("seasonal", "six weeks of a value an hour", (200, 400)),
    ):
        before: tuple[int, float] | None = None
        for n in sizes:
            command = [sys.executable, "-m", "tests.bench.series", what, str(n)]
            found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            series, grown = int(found[0]), float(found[1])
            each = "" if before is None else f"{(grown - before[1]) * 1024 / (series - before[0]):.1f} KB each"
            table.add_row(f"judge with {series:,} series, {name}", f"{grown:,.0f} MB more", each)
            before = series, grown


@contextmanager
def broker_url(name: str, folder: Path) -> Iterator[str]:
    """The URL of a broker that nobody has used. Raises LookupError where Kafka cannot be had."""
    if name == "SQLite":
        yield f"sqlite:///{folder}/bench.db"
        return
    node = Broker(folder / "kafka", libs=jars())
    try:
        yield f"kafka://{node.start().wait_ready().address}"
    finally:
        node.stop()


def main(words: list[str]) -> None:
    table = Table(title="Lockstep on this machine")
    for column in ("what", "measured", "beside"):
        table.add_column(column)

    def wanted(name: str) -> bool:
        return all(word in name for word in words)

    with tempfile.TemporaryDirectory() as name:
        if wanted("backtest"):
            bench_backtest(Path(name), table, 1_000_000)
        if "10 M" in words:
            bench_backtest(Path(name), table, 10_000_000)
        if wanted("series"):
            bench_series(table)
    measured: list[tuple[str, str, Callable[[str, Path], Coroutine[Any, Any, None]]]] = []
    for broker in ("SQLite", "Kafka"):
        measured.append((broker, "serve 1", lambda url, folder, b=broker: bench_serve(b, url, folder, table)))
        if broker == "Kafka":
            measured.append(
                (broker, "serve 2", lambda url, folder: bench_serve("Kafka", url, folder, table, workers=2))
            )
        measured.append((broker, "latency", lambda url, folder, b=broker: bench_latency(b, url, folder, table)))
    for broker, what, measure in measured:
        if not wanted(f"{broker} {what}"):
            continue
        with tempfile.TemporaryDirectory() as name:
            try:
                with broker_url(broker, Path(name)) as url:
                    asyncio.run(measure(url, Path(name)))
            except LookupError as fault:
                table.add_row(f"{what} on {broker}", "not measured", str(fault))
    console.print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
