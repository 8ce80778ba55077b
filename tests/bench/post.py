"""POST /v1/events: how many a second are durable, how long each takes, and what each costs the worker in CPU.

`python -m tests.bench.post [sqlite|kafka] [SECONDS]`: single events on one connection and on 32, batches of 500.
`python -m tests.bench.post [sqlite|kafka] behind [EVENTS]`: single events while the worker catches up with so many.
The client writes bare HTTP on sockets of its own: a library for clients costs as much as the server.
"""

import asyncio
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.bench.brokers import fill, fresh_broker
from tests.bench.process import cpu_s
from tests.bench.service import Service, catch_up
from tests.workload import shop

from lockstep.app import utc_now

CASES = ((1, 1), (1, 32), (500, 1))
"""(events in a POST, connections) that are measured."""
PER_MINUTE = 4_000
"""Events in a minute of the workload."""
EVENTS = 100_000
"""As many as one case posts at most."""
BACKLOG = 1_000_000

_TIME = re.compile(rb'"time":"[^"]+"')


@dataclass(frozen=True)
class Posts:
    """What POSTs of one kind came to. cpu_us: of the worker, for each event; refused: answers other than 202.

    latencies_ms: of each request, sorted.
    """

    size: int
    connections: int
    seconds: float
    cpu_us: float
    latencies_ms: Sequence[float]
    refused: int

    @property
    def events_s(self) -> float:
        return self.size * len(self.latencies_ms) / self.seconds

    def quantile_ms(self, share: float) -> float:
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(len(self.latencies_ms) * share))]


def requests(size: int, seed: int) -> Iterator[bytes]:
    """Whole requests of so many events each; no event comes twice, nor with another seed."""
    kind = "cloudevents" if size == 1 else "cloudevents-batch"
    values = (value for _, value in shop.events(EVENTS, EVENTS // PER_MINUTE, seed=seed))
    while some := list(islice(values, size)):
        fresh = [value.replace(b'"id":"e-', b'"id":"p%d-' % seed, 1) for value in some]
        body = fresh[0] if size == 1 else b"[" + b",".join(fresh) + b"]"
        head = f"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/{kind}+json\r\n"
        yield head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def of_now(request: bytes) -> bytes:
    """The request as a shop sends it: what happens now."""
    return _TIME.sub(f'"time":"{utc_now():%Y-%m-%dT%H:%M:%S.%fZ}"'.encode(), request)


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """The head of the next request or answer, which is read whole."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].split(None, 1)
    await reader.readexactly(int(length[0]) if length else 0)
    return head


async def post(
    port: int,
    pid: int,
    coming: Iterator[bytes],
    *,
    size: int,
    connections: int,
    stop: asyncio.Event,
    pause_s: float = 0,
) -> Posts:
    """POST until `stop` is set, each connection its next request when the last one is answered. pid: of the worker.

    coming: requests of `size` events. pause_s: between an answer and the next request.
    """
    latencies: list[float] = []
    refused = 0

    async def client() -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while not stop.is_set() and (request := next(coming, None)) is not None:
                request = of_now(request)
                began = time.perf_counter()
                writer.write(request)
                if (await read_head(reader)).split(None, 2)[1] == b"202":
                    latencies.append((time.perf_counter() - began) * 1000)
                else:
                    refused += 1
                if pause_s:
                    await asyncio.sleep(pause_s)
        finally:
            writer.close()

    began, cpu = time.perf_counter(), cpu_s(pid)
    await asyncio.gather(*(client() for _ in range(connections)))
    took, spent = time.perf_counter() - began, cpu_s(pid) - cpu
    count = max(1, size * len(latencies))
    return Posts(size, connections, took, spent / count * 1e6, sorted(latencies), refused)


class _Hooks(asyncio.Protocol):
    """Takes a webhook and hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self._transport, asyncio.WriteTransport)
        self._transport.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        self._transport.close()


@asynccontextmanager
async def worker_on(url: str, folder: Path) -> AsyncIterator[Service]:
    """A worker that is ready, with the twenty rules of the workload; its webhooks are taken."""
    receiver = await asyncio.get_running_loop().create_server(_Hooks, "127.0.0.1", 0)
    hooks = receiver.sockets[0].getsockname()[1]
    worker = Service(folder, url, shop.rules(), hook=hooks, source_partitions="0")
    try:
        await worker.ready()
        yield worker
    finally:
        worker.stop()
        receiver.close()


async def bench_posts(url: str, folder: Path, seconds: float) -> list[Posts]:
    """Each of CASES in turn, for so long, on a worker with the twenty rules of the workload."""
    measured = []
    async with worker_on(url, folder) as worker:
        for seed, (size, connections) in enumerate(CASES):
            most = 4_000 if size == 1 else 100
            coming = iter(list(islice(requests(size, seed), round(most * seconds))))  # made before the clock runs
            stop = asyncio.Event()
            asyncio.get_running_loop().call_later(seconds, stop.set)
            measured.append(await post(worker.port, worker.pid, coming, size=size, connections=connections, stop=stop))
    return measured


async def bench_posts_behind(url: str, folder: Path, count: int) -> tuple[Posts | None, float, float]:
    """Twenty single events a second while a worker catches up with so many: (the POSTs, seconds, CPU µs an event).

    Without POSTs where `count` is negative: what catching up takes by itself.
    """
    events = abs(count)
    await fill(url, shop.events(events, max(1, events // PER_MINUTE)), events, partitions=0)
    coming = iter(list(islice(requests(1, 99), 20_000)))
    stop = asyncio.Event()
    posting = None
    async with worker_on(url, folder) as worker:
        if count > 0:
            posting = asyncio.create_task(
                post(worker.port, worker.pid, coming, size=1, connections=1, stop=stop, pause_s=0.05)
            )
        await catch_up([worker], events)
        seconds, cpu = time.perf_counter() - worker.began, cpu_s(worker.pid)
        stop.set()
        return (None if posting is None else await posting), seconds, cpu / events * 1e6


def main(broker: str, words: Sequence[str]) -> None:
    table = Table(title=f"POST /v1/events, {broker}")
    latency = ("p50 ms", "p99 ms", "max ms")
    for name in ("events a POST", "connections", "events/s", *latency, "CPU µs an event", "refused"):
        table.add_column(name, justify="right")

    def add(p: Posts) -> None:
        cells = [p.events_s, p.quantile_ms(0.5), p.quantile_ms(0.99), p.quantile_ms(1), p.cpu_us]
        table.add_row(str(p.size), str(p.connections), *(f"{cell:,.1f}" for cell in cells), str(p.refused))

    with tempfile.TemporaryDirectory() as folder, fresh_broker(broker, Path(folder)) as url:
        if words[:1] == ["behind"]:
            count = int(words[1]) if len(words) > 1 else BACKLOG
            posts, seconds, cpu_us = asyncio.run(bench_posts_behind(url, Path(folder), count))
            if posts is not None:
                add(posts)
            table.caption = f"{abs(count):,} events in {seconds:.1f} s from exec, {cpu_us:.1f} µs of CPU each"
        else:
            for posts in asyncio.run(bench_posts(url, Path(folder), float(words[0]) if words else 5)):
                add(posts)
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
