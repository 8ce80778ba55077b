"""POSTs are answered while a worker catches up: a backlog is judged beside them, not before them."""

import asyncio
from itertools import islice
from pathlib import Path

import aiohttp
from tests.workload import shop

from lockstep.adapters.stream import open_broker
from lockstep.app import Service, utc_now
from lockstep.ports import Record
from lockstep.settings import Settings, load_settings
from lockstep.worker.required_topics import prepare

BACKLOG = 120_000


async def _publish_backlog(settings: Settings) -> None:
    broker = open_broker(settings, clock=utc_now)
    await broker.start()
    await prepare(settings, broker)
    coming = shop.events(BACKLOG, BACKLOG // 4_000)
    while some := list(islice(coming, 5_000)):
        await broker.publish([Record(topic, value) for topic, value in some])
    await broker.stop()


async def test_posts_are_answered_while_a_backlog_is_judged(tmp_path: Path) -> None:
    """Several before it is done; each has to have its turn several times until it is answered."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "rules.yml").write_text(shop.rules())
    url = f"sqlite:///{tmp_path}/shop.db?sync=normal"  # the disk's time is not what is looked at
    settings = load_settings(broker=url, rules=rules, http_port=0)
    await _publish_backlog(settings)
    service, stop = Service(settings, environ={}), asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    behind: list[int] = []

    def left() -> int:
        status = service.judging.status()
        return sum(lane.lag for lane in status.lanes) if status.ready else BACKLOG

    async with aiohttp.ClientSession() as session, asyncio.timeout(120):
        while left() == BACKLOG:  # not ready, or nothing has been read
            await asyncio.sleep(0.01)
        while (now_left := left()) > 1_000:
            event = {"id": f"p-{len(behind)}", "source": "/shop", "type": "traffic.session", "data": {}}
            event["time"] = utc_now().isoformat()
            headers = {"content-type": "application/cloudevents+json"}
            async with session.post(
                f"http://127.0.0.1:{service.http.port}/v1/events", json=event, headers=headers
            ) as answer:
                assert answer.status == 202
            behind.append(now_left)
    stop.set()
    assert await running == 0
    assert len(behind) >= 4
