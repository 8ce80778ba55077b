"""From handing an event over to the webhook that it leads to, at the rate asked for, with twenty rules."""

import asyncio
import itertools
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web
from aiokafka import AIOKafkaProducer
from tests.bench import process
from tests.bench.brokers import Progress as Share
from tests.bench.brokers import connected, fresh_broker, settings_for
from tests.bench.service import Service, WrongResultError
from tests.bench.session import Session, folder
from tests.workload import shop

from lockstep.app import utc_now
from lockstep.worker.required_topics import prepare

RATES = {20: 10.0, 500: 20.0}
"""Events a second → how many seconds are measured."""
WARM_UP_S, ARRIVED_S = 2.0, 60.0
FIRES_EVERY = 25
"""One event in so many is the last piece of a product; at 20 a second each one is, or too few would be measured."""
FIRING = ("K1", "K2", "K3")
"""The rules that such an event fires; the time of the last is measured."""
RATE_SHARE = 0.98
"""Events that come later than this share of their rate were not sent at the rate asked for."""

Send = Callable[[str, bytes, bytes], Awaitable[object]]
"""(topic, key, event)"""


def run(session: Session, rates: Mapping[int, float] = RATES, *, rate_share: float = RATE_SHARE) -> None:
    """rates: as RATES has them. rate_share: the least that is to be reached of a rate."""
    for broker in session.brokers:
        for rate, seconds in rates.items():
            with folder() as place:
                try:
                    with fresh_broker(broker, place) as url, session.step(f"{rate} events/s on {broker}") as progress:
                        found = asyncio.run(_measured(url, place, rate, session.seconds(seconds), rate_share, progress))
                except (LookupError, TooSlowError) as reason:
                    session.leave_out(f"latency.{broker}.{rate}", str(reason))
                    continue
            for part, value in found.items():
                session.add(f"latency.{broker}.{rate}.{part}", value)
            session.say(*(f"latency.{broker}.{rate}.{part}" for part in found))


class TooSlowError(Exception):
    """The events could not be sent at the rate asked for: what was measured is another rate."""


class _Receiver:
    """A webhook endpoint. arrived: (rule, product) → when its alert came first."""

    def __init__(self) -> None:
        self.arrived: dict[tuple[str, str], float] = {}
        self.times = Counter[str]()

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        now = time.perf_counter()
        body = msgspec.json.decode(await request.read())
        self.times[request.headers["webhook-id"]] += 1
        if body["type"] == "alert.firing":
            self.arrived.setdefault((body["data"]["rule"], body["data"]["labels"].get("sku", "")), now)
        return web.Response(status=204)


@asynccontextmanager
async def _listening(receiver: _Receiver) -> AsyncIterator[int]:
    """The port on which it listens."""
    runner = web.ServerRunner(web.Server(receiver))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _sender(url: str, service: Service) -> AsyncIterator[Send]:
    """How a producer hands events over: to Kafka itself, to the embedded broker by POST."""
    if url.startswith("kafka://"):
        producer = AIOKafkaProducer(bootstrap_servers=url.removeprefix("kafka://"))
        await producer.start()
        try:
            yield lambda topic, key, value: producer.send(topic, value, key)
        finally:
            await producer.stop()
        return
    async with aiohttp.ClientSession(headers={"Content-Type": "application/cloudevents+json"}) as session:

        async def post(_topic: str, _key: bytes, value: bytes) -> None:
            async with session.post(service.url("/v1/events"), data=value) as answer:
                answer.raise_for_status()

        yield post


async def _measured(
    url: str, place: Path, rate: int, seconds: float, rate_share: float, progress: Share
) -> dict[str, float]:
    receiver = _Receiver()
    settings = settings_for(url)
    async with connected(settings) as broker:
        await prepare(settings, broker)
    async with _listening(receiver) as port:
        service = Service(place, url, shop.rules(), hook=port)
        try:
            await service.ready()
            async with _sender(url, service) as send:
                return await _at_rate(service, send, receiver, rate, seconds, rate_share, progress)
        finally:
            service.stop()


async def _at_rate(
    service: Service, send: Send, receiver: _Receiver, rate: int, seconds: float, rate_share: float, progress: Share
) -> dict[str, float]:
    warm_up = min(WARM_UP_S, seconds)
    sent: dict[str, float] = {}
    posts: set[asyncio.Future[object]] = set()
    cpu, begun = 0.0, 0.0
    count, warm = round(rate * (seconds + warm_up)), round(rate * warm_up)
    begin = time.perf_counter()
    for n, (topic, sku, event, fires) in enumerate(itertools.islice(_events(rate, utc_now), count)):
        wait = begin + n / rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        if n == warm:
            cpu, begun = process.cpu_s(service.pid), time.perf_counter()
        if fires and n >= warm:
            sent[sku] = time.perf_counter()
        post = asyncio.ensure_future(send(topic, sku.encode(), event()))
        posts.add(post)
        post.add_done_callback(posts.discard)
        progress(n / count)
    ended = time.perf_counter()
    cores = (process.cpu_s(service.pid) - cpu) / (ended - begun)
    await asyncio.gather(*posts)
    if (count - warm) / (ended - begun) < rate * rate_share:
        raise TooSlowError(f"only {(count - warm) / (ended - begun):.0f} of {rate} events/s could be sent")
    wanted = {(rule, sku) for sku in sent for rule in FIRING}
    deadline = time.perf_counter() + ARRIVED_S
    while not wanted <= receiver.arrived.keys() and time.perf_counter() < deadline:
        await asyncio.sleep(0.05)
    missing = wanted - receiver.arrived.keys()
    repeated = [name for name, times in receiver.times.items() if times > 1]
    if missing or repeated:
        raise WrongResultError(f"{len(missing)} of {len(wanted)} webhooks never came, {len(repeated)} came twice")
    waited = sorted((max(receiver.arrived[rule, sku] for rule in FIRING) - at) * 1000 for sku, at in sent.items())
    return {
        "cpu": cores,
        "p50": statistics.median(waited),
        "p99": waited[min(len(waited) - 1, int(len(waited) * 0.99))],
        "max": waited[-1],
    }


def _events(rate: int, now: Callable[[], datetime]) -> Iterator[tuple[str, str, Callable[[], bytes], bool]]:
    """(topic, product, makes the event as it is now, whether it is the last piece of a product that nobody else sells).

    The others are what a shop has besides: two visits for an order.
    """
    for n in itertools.count():
        fires = rate <= min(RATES) or n % FIRES_EVERY == 0
        sku = f"LAST-{n}" if fires else f"SKU-{n * 7 % 500:06d}"
        common = {"channel": shop.CHANNELS[n % len(shop.CHANNELS)], "campaign": f"CMP-{n % shop.CAMPAIGNS:02d}"}
        if fires:
            topic, kind, data = "inventory", "stock.level", {"sku": sku, "available": 0, "location": "L-1"}
        elif n % 3:
            topic, kind, data = "traffic", "traffic.session", {"visitor": f"v-{n}", "sku": sku} | common
        else:
            line = {"sku": sku, "quantity": 1, "unit_price": 50.5}
            topic, kind = "orders", "order.placed"
            data = {"order_id": f"o-{n}", "total": 50.5, "lines": [line]} | common
        event = {"specversion": "1.0", "id": f"e-{n}", "source": "/shop", "type": kind, "data": data}
        yield topic, sku, lambda event=event: msgspec.json.encode(event | {"time": now().isoformat()}), fires
