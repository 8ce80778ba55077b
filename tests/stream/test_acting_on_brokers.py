"""From the event to the acknowledgement, on both brokers: fire, acknowledge by API, and another worker shows it."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp

from lockstep.adapters.response_board import ResponseBoard
from lockstep.adapters.stream import open_broker
from lockstep.app import Service, utc_now
from lockstep.settings import load_settings

RULES = """\
measures:
  stock: {last: available, of: stock.level}
rules:
  - name: LowStock
    by: [sku]
    threshold: {measure: stock, at_most: 20}
"""
CLOUDEVENT = {"content-type": "application/cloudevents+json"}


@asynccontextmanager
async def _worker(settings):
    """A worker that is ready."""
    service, stop = Service(settings, environ={}), asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    try:
        async with asyncio.timeout(120):
            while not service.judging.status().ready:
                assert not running.done()
                await asyncio.sleep(0.05)
        yield service
    finally:
        stop.set()
        await running


async def _until(fact, timeout_s=60):
    async with asyncio.timeout(timeout_s):
        while not (value := await fact()):
            await asyncio.sleep(0.05)
        return value


async def test_what_one_worker_took_another_shows(own_broker, tmp_path):
    """The one that was asked shows it in its next answer; another one, or another reader of the file, soon."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "stock.yml").write_text(RULES)
    settings = load_settings(
        broker=own_broker,
        rules=rules,
        http_port=0,
        lateness=0,
        link_key="k" * 40,
    )
    sku = "A-1"
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(_worker(settings))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        base = f"http://127.0.0.1:{first.http.port}"
        event = {
            "id": "1",
            "source": "/shop",
            "type": "stock.level",
            "time": utc_now().isoformat(),
            "data": {"sku": sku, "available": 3},
        }
        async with session.post(f"{base}/v1/events", json=event, headers=CLOUDEVENT) as answer:
            assert answer.status == 202, await answer.text()

        async def fires():
            async with session.get(f"{base}/v1/alerts", params={"label": f"sku={sku}"}) as answer:
                return (await answer.json())["alerts"]

        (alert,) = await _until(fires)
        number = alert["alert_id"]
        async with session.post(f"{base}/v1/alerts/{number}/acknowledge", json={"by": "Anna"}) as answer:
            said = await answer.json()
            assert (answer.status, said["handling"]["acknowledged_by"]) == (200, "Anna"), said
        async with session.get(f"{base}/v1/alerts/{number}") as answer:
            assert (await answer.json())["handling"]["acknowledged_by"] == "Anna"
        if settings.is_sqlite:  # a file has one worker; others read it
            broker = open_broker(settings, clock=utc_now)
            await broker.start()
            stack.push_async_callback(broker.stop)
            board = ResponseBoard(broker, clock=utc_now)
            await board.refresh()
            handling = board.handling(number)
            assert handling is not None
            assert handling.acknowledged_by == "Anna"
            return
        second = await stack.enter_async_context(_worker(settings))
        other = f"http://127.0.0.1:{second.http.port}"

        async def shows():
            async with session.get(f"{other}/v1/alerts/{number}") as answer:
                return answer.status == 200 and (await answer.json())["handling"]

        assert (await _until(shows))["acknowledged_by"] == "Anna"
        # And the other way: the partition of notify may be with either of them now.
        async with session.post(f"{other}/v1/alerts/{number}/note", json={"text": "it is the fair"}) as answer:
            assert answer.status == 200, await answer.text()

        async def noted():
            async with session.get(f"{base}/v1/alerts/{number}") as answer:
                return [note["text"] for note in (await answer.json())["handling"]["notes"]]

        assert await _until(noted) == ["it is the fair"]
