"""The page for both teams on a real service: what fires comes by itself, and a stop waits for nobody who looks on."""

import asyncio

import aiohttp
import msgspec
from icalendar import Calendar
from test_server import CLOUDEVENT, RULES, _stock, until

from lockstep.app import Service
from lockstep.settings import load_settings

COVER = """\
rules:
  - name: CoverLow
    by: [sku]
    threshold: {measure: days_of_cover, at_most: 7}
"""


async def test_what_fires_is_seen_by_who_looks_on_and_a_stop_waits_for_nobody(tmp_path):
    """From an event that is posted to a part of the page that is open, through every stage; then the calendar and the
    timeline of the same service; and the worker ends with its listener still there."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "stock.yml").write_text(RULES)
    (rules / "cover.yml").write_text(COVER)
    service = Service(load_settings(broker=f"sqlite:///{tmp_path}/shop.db", rules=rules, http_port=0), environ={})
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    await until(lambda: asyncio.sleep(0, service.judging.runtime is not None and service.judging.status().ready))
    base = f"http://127.0.0.1:{service.http.port}"
    async with (
        aiohttp.ClientSession(trust_env=False) as session,
        session.get(f"{base}/today") as page,
        session.get(f"{base}/today/live") as live,
    ):
        assert (page.status, live.status) == (200, 200)
        assert "No alert. Nothing is known of the shop" in await page.text()
        async with session.post(f"{base}/v1/events", json=_stock(1, 5, sku="KEY-1"), headers=CLOUDEVENT) as posted:
            assert posted.status == 202
        alert_id = ""
        async with asyncio.timeout(30):
            async for line in live.content:
                if line.startswith(b"data: {"):
                    parts = msgspec.json.decode(line.removeprefix(b"data: "))
                    if "KEY-1" in parts.get("alerts", ""):
                        # routing.yml names no receiver, which the page says.
                        assert "1 alert kept quiet; see why below" in parts["head"]
                        assert "nobody is named who is told of it" in parts["alerts"] or "no route" in parts["alerts"]
                        alert_id = parts["alerts"].partition("alerts/")[2].partition('"')[0]
                        break
        async with session.get(f"{base}/v1/timeline", params={"alert": alert_id}) as told:
            entries = (await told.json())["entries"]
            assert entries[0]["what"].startswith("It began (warning): LowStock, KEY-1: 5")
        async with session.get(f"{base}/calendar.ics?oncall=true") as calendar:
            assert Calendar.from_ical(await calendar.text())["X-WR-CALNAME"] == "Shop calendar"
        stop.set()
        async with asyncio.timeout(15):
            assert await running == 0
            await live.content.read()
    assert service.stopping.undone == []
