"""Promotion hooks on the wire: a real service, a receiver that is down and comes back, a restart in between."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import jsonschema
from aiohttp import web
from channel_peers import SECRET, HttpPeer, http_server
from standardwebhooks import Webhook

from lockstep.app import Service, utc_now
from lockstep.settings import load_settings

RULES = """\
measures:
  stock: {last: available, of: stock.level, stale_after: 1h}
rules:
  - name: LowStock
    by: [sku]
    threshold: {measure: stock, at_most: 20}
    clear: {above: 30}
"""
ROUTING = """\
teams: {{marketing: []}}
receivers:
  adverts: {{webhook: {{url: "{url}/adverts", secret: {{secret: HOOK}}}}}}
promotions: {{to: adverts, rules: LowStock, resume_after: 0s}}
"""
CLOUDEVENT = {"content-type": "application/cloudevents+json"}
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "promotion.schema.json").read_text())


async def until(fact: Callable[[], bool]) -> None:
    """Wait for a fact by asking again."""
    async with asyncio.timeout(60):
        while not fact():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(folder: Path, routing: str) -> AsyncIterator[Service]:
    """A service with this routing.yml, over the file of the folder."""
    rules = folder / "rules"
    rules.mkdir(exist_ok=True)
    (rules / "stock.yml").write_text(RULES)
    (rules / "routing.yml").write_text(routing)
    settings = load_settings(broker=f"sqlite:///{folder}/shop.db", rules=rules, http_port=0, charts=False)
    service, stop = Service(settings, environ={"LOCKSTEP_SECRET_HOOK": SECRET}), asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    await until(lambda: service.judging.runtime is not None and service.judging.status().ready)
    yield service
    stop.set()
    assert await task == 0


async def stock(service: Service, available: int, *, sku: str = "A-1") -> None:
    moment = utc_now().isoformat()
    event = {"id": f"{sku} {moment}", "source": "/shop", "type": "stock.level", "time": moment}
    body = {**event, "data": {"sku": sku, "available": available}}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{service.http.port}/v1/events", json=body, headers=CLOUDEVENT) as answer,
    ):
        assert answer.status == 202


class Receiver:
    """Marketing's program: down at first, then it takes each document once, by its id."""

    def __init__(self, *, refuses: int) -> None:
        self.refuses = refuses
        self.peer = HttpPeer(self._behave)
        self.taken: dict[str, dict] = {}

    async def _behave(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = Webhook(SECRET).verify(raw, dict(request.headers))  # by a library that is not ours
        jsonschema.validate(body, SCHEMA)
        if len(self.peer.requests) <= self.refuses:
            return web.Response(status=503, headers={"Retry-After": "1"})
        self.taken[request.headers["webhook-id"]] = body
        return web.Response(status=204)

    async def has(self, count: int) -> list[tuple[str, str, int]]:
        await until(lambda: len(self.taken) >= count)
        return [(b["type"], b["data"]["sku"], b["data"]["number"]) for b in self.taken.values()]


async def test_a_pause_arrives_though_the_receiver_was_down_and_its_resume_after_a_restart(tmp_path):
    """Each with one id in all its attempts, signed and as the published schema says; stock that wavers below `clear`
    says nothing, and neither does the restart."""
    receiver = Receiver(refuses=1)
    async with http_server(receiver.peer) as url:
        async with running(tmp_path, ROUTING.format(url=url)) as service:
            for available in (12, 25, 8, 30, 19):
                await stock(service, available)
            assert await receiver.has(1) == [("promotion.pause", "A-1", 1)]
            refused, *again = (headers["webhook-id"] for _, headers, _ in receiver.peer.requests)
            assert set(again) == {refused} == receiver.taken.keys()
        async with running(tmp_path, ROUTING.format(url=url)) as service:
            await stock(service, 5, sku="B-2")
            assert (await receiver.has(2))[1:] == [("promotion.pause", "B-2", 1)]
            await stock(service, 31)
            await receiver.has(3)  # an end and a start that are read at once resume nothing
            await stock(service, 12)
            said = await receiver.has(4)
    assert said[2:] == [("promotion.resume", "A-1", 1), ("promotion.pause", "A-1", 2)]
    assert len({headers["webhook-id"] for _, headers, _ in receiver.peer.requests}) == 4
