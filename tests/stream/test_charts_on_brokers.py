"""Charts on both brokers: published by who judges, found by who sends, and in the mail that a spike leads to."""

import asyncio
import importlib.util
import sys
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import msgspec
import pytest

from lockstep.adapters.charts.board import CHARTS, MOST_KEPT, ChartBoard, record_of
from lockstep.adapters.charts.curve import Chart, Marked, NoChart, Point, Spot
from lockstep.adapters.charts.painter import Painter
from lockstep.adapters.charts.pictures import DrawnPictures
from lockstep.adapters.stream import open_broker
from lockstep.app import Service, utc_now
from lockstep.ports import Broker, Record, TopicSpec
from lockstep.settings import Settings, load_settings

CHART = Chart(
    points=(Point(0.0, 5.0, None, None, 20.0), Point(60.0, None, 4.0, 1.5, 20.0), Point(120.0, 21.0, 4.0, 1.5, 20.0)),
    unit="money EUR",
    severity="warning",
    value=21.0,
    reference=20.0,
    reference_is="limit",
    told_at=120.0,
    fired=120.0,
    window=(60.0, 120.0),
    before=Spot(60.0, 4.0),
    ahead=Spot(180.0, 30.0),
    until=200.0,
    marks=(Marked("SUMMER", 0.0, 60.0), Marked("Easter", 0.0, 60.0, "holiday")),
)


@pytest.fixture
async def charts(broker: Broker) -> str:
    """The topic is one of the names that cannot be chosen: what other tests published there is of other ids."""
    await broker.declare([TopicSpec(CHARTS, 1, retention_s=3600)])
    return CHARTS


async def test_a_chart_is_found_as_it_was_published(broker: Broker, charts: str, unique: Any) -> None:
    """By a reader that began before, and by one that begins now: every worker finds the same."""
    one, none = unique("t1"), unique("t2")
    early = ChartBoard(broker)
    await early.refresh()
    await broker.publish([record_of(one, CHART), record_of(none, NoChart.NEW)])
    for board in (early, ChartBoard(broker)):
        assert await board.find(one, wait_s=10) == CHART
        assert await board.find(none, wait_s=10) is None
        assert (board.why_none(one), board.why_none(none)) == ("", NoChart.NEW.value)


async def test_a_chart_of_an_earlier_version_is_found(broker: Broker, charts: str, unique: Any) -> None:
    """It had campaigns alone, points without a range, and no reason."""
    name = unique("old")
    old = {
        "format": 1,
        "transition_id": name,
        "chart": {
            "points": [[0.0, 5.0, None, None, 20.0], [60.0, 21.0, 4.0, 1.5, 20.0]],
            "severity": "warning",
            "value": 21.0,
            "reference": 20.0,
            "reference_is": "limit",
            "told_at": 60.0,
            "fired": 60.0,
            "campaigns": [["SUMMER", 0.0, 60.0]],
        },
    }
    await broker.publish([Record(CHARTS, msgspec.json.encode(old), name.encode())])
    chart = await ChartBoard(broker).find(name, wait_s=10)
    assert chart is not None
    assert chart.marks == (Marked("SUMMER", 0.0, 60.0),)
    assert chart.points[-1].usual == (2.5, 5.5)


async def test_a_chart_that_is_on_its_way_is_waited_for(broker: Broker, charts: str, unique: Any) -> None:
    """As long as was said, and no longer."""
    board, name = ChartBoard(broker), unique("t")
    assert await board.find(name, wait_s=0) is None
    waiting = asyncio.create_task(board.find(name, wait_s=30))
    await asyncio.sleep(0)
    await broker.publish([record_of(name, CHART)])
    assert await waiting == CHART


async def test_what_cannot_be_read_is_passed_over(broker: Broker, charts: str, unique: Any) -> None:
    """Of a newer version, or no chart at all."""
    name, newer = unique("t"), unique("n")
    value = (record_of(newer, CHART).value or b"").replace(b'"format":1', b'"format":2')
    await broker.publish([Record(CHARTS, b"{"), Record(CHARTS, None, b"k"), Record(CHARTS, value)])
    await broker.publish([record_of(name, CHART)])
    board = ChartBoard(broker)
    assert await board.find(name, wait_s=10) == CHART
    assert await board.find(newer, wait_s=0) is None


async def test_a_topic_that_is_not_there_holds_no_charts(sqlite_settings: Settings, clock: Any) -> None:
    """As before the first start."""
    opened = open_broker(sqlite_settings, clock=clock)
    await opened.start()
    assert await ChartBoard(opened).find("t", wait_s=0) is None
    assert MOST_KEPT > 100
    await opened.stop()


async def test_what_several_are_told_is_drawn_once(broker: Broker, charts: str, unique: Any) -> None:
    """Two mails of one change have the same picture; what has no chart, or none that is published, has none."""
    name = unique("t")
    await broker.publish([record_of(name, CHART)])
    painter = Painter(drawing_s=60)
    pictures = DrawnPictures(ChartBoard(broker), painter, ZoneInfo("Europe/London"), at_most_s=90)
    item = _peers().item()
    try:
        shown = msgspec.structs.replace(item, chart=name)
        first, second = await asyncio.gather(pictures.of(shown), pictures.of(shown))
        assert first is not None
        assert first is second
        assert first.light.startswith(b"\x89PNG")
        assert first.dark not in (None, first.light)
        assert first.alt == "21 EUR where 20 EUR is the limit"
        assert await pictures.of(msgspec.structs.replace(item, chart=msgspec.UNSET)) is None
        assert await pictures.of(msgspec.structs.replace(item, chart=unique("never"))) is None
    finally:
        await pictures.close()


async def test_a_message_waits_for_its_picture_no_longer_than_the_bound(
    broker: Broker, charts: str, unique: Any, tmp_path: Path
) -> None:
    """Whatever hangs: the process that draws, or the broker that has the chart."""
    name, hangs = unique("t"), tmp_path / "hangs.py"
    hangs.write_text("import sys, time\nsys.stdin.buffer.read(4)\ntime.sleep(600)\n")
    await broker.publish([record_of(name, CHART)])
    board = ChartBoard(broker)
    assert await board.find(name, wait_s=10) == CHART
    pictures = DrawnPictures(board, Painter(drawing_s=600, program=hangs), ZoneInfo("Europe/London"), at_most_s=0.3)
    async with asyncio.timeout(30):
        assert await pictures.of(msgspec.structs.replace(_peers().item(), chart=name)) is None
        await pictures.close()


# ---- from the event to the mail --------------------------------------------------------------------------------------

RULES = """\
measures:
  orders: {count: order.placed}
rules:
  - name: ManyOrders
    threshold: {measure: orders, window: 1m, above: 5}
"""
ROUTING = """\
receivers:
  shop: {email: {to: anna@example.com}}
teams:
  marketing: [shop]
  operations: [shop]
"""


def _peers() -> Any:
    """The SMTP server of the channels' tests."""
    path = Path(__file__).parents[1] / "channels" / "channel_peers.py"
    spec = importlib.util.spec_from_file_location("channel_peers", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault("channel_peers", importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


async def test_a_spike_arrives_with_its_chart(broker_settings: Settings, tmp_path: Path) -> None:
    """Events in, a mail out: its picture is in it, in light and in dark, and needs nothing from elsewhere."""
    rules, peers = tmp_path / "rules", _peers()
    rules.mkdir()
    (rules / "rules.yml").write_text(RULES)
    (rules / "routing.yml").write_text(ROUTING)
    inbox = peers.Inbox()
    async with peers.smtp_server(inbox) as port:
        settings = load_settings(
            broker=broker_settings.broker,
            app_id=broker_settings.app_id,
            rules=rules,
            http_port=0,
            lateness=0,
            group_wait=0.2,
            smtp_port=port,
        )
        service, stop = Service(settings, environ={}), asyncio.Event()
        running = asyncio.create_task(service.run(stop))
        async with asyncio.timeout(120):
            while not service.judging.status().ready:
                await asyncio.sleep(0.05)
            await _sell(service)
            while not inbox.mails:
                await asyncio.sleep(0.05)
        stop.set()
        await running
    mail = message_from_bytes(inbox.mails[0].content, policy=default)
    assert isinstance(mail, EmailMessage)
    assert mail["Subject"].startswith("Warning: ManyOrders")
    pictures = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    html = mail.get_body(("html",))
    assert html is not None
    shown = html.get_content()
    assert len(pictures) == 2
    for part in pictures:
        assert part.get_content().startswith(b"\x89PNG")
        assert f'src="cid:{part["Content-ID"].strip("<>")}"' in shown
    assert "is the limit" in shown


async def _sell(service: Service) -> None:
    """An order a minute for nine minutes, then ten at once in the bucket that is open."""
    now = utc_now()
    moments = [now - timedelta(minutes=n) for n in range(9, 0, -1)] + [now] * 10
    events = [
        {
            "id": f"o-{n}",
            "source": "/shop",
            "type": "order.placed",
            "time": at.isoformat(),
            "data": {"order_id": f"o-{n}", "total": 20, "lines": []},
        }
        for n, at in enumerate(moments)
    ]
    headers = {"content-type": "application/cloudevents-batch+json"}
    url = f"http://127.0.0.1:{service.http.port}/v1/events"
    async with aiohttp.ClientSession() as session, session.post(url, json=events, headers=headers) as answer:
        assert answer.status == 202, await answer.text()
