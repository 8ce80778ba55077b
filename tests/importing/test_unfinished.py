"""An import that was broken off while live events wait for its end is told, shown and counted."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from lockstep.adapters.alert_board import AlertBoard
from lockstep.adapters.import_log import ImportLog
from lockstep.adapters.rulebook import RuleBook
from lockstep.adapters.stream import open_broker
from lockstep.app import Service
from lockstep.event.imports import ROLES, TOPIC, Mark, MarkKind, OpenImport, mark_record
from lockstep.judge.publish import ALERTS
from lockstep.notify.message import Writer
from lockstep.notify.self_alerts import STANDS_STILL_AFTER, UNFINISHED, WENT_ON, unfinished_due, unfinished_rule
from lockstep.ports import Broker, Record
from lockstep.settings import Settings
from lockstep.text.rfc3339 import SECOND
from lockstep.transition import Transition, decode
from lockstep.worker.event_time import EventTime
from lockstep.worker.open_imports import OpenImports
from lockstep.worker.own_alerts import OwnAlertPublisher
from lockstep.worker.required_topics import SAMPLES, prepare

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")
LONG, SHORT = timedelta(hours=2), STANDS_STILL_AFTER - timedelta(seconds=1)
TEAMS = ("marketing", "operations")


def broken_off(since: timedelta = LONG, *, waiting: int = 12, role: str = "orders") -> OpenImport:
    return OpenImport(role, role, waiting, NOON - since, NOON - timedelta(days=9))


def due(*imports: OpenImport, before: list[Transition] | None = None) -> list[Transition]:
    return unfinished_due(imports, before or [], now=NOON, zone=LONDON)


@pytest.mark.parametrize(
    ("imports", "before", "states"),
    [
        pytest.param([broken_off()], [], ["firing"], id="it begins"),
        pytest.param([broken_off()], due(broken_off()), [], id="it was said, by whichever worker"),
        pytest.param([broken_off(SHORT)], [], [], id="perhaps it goes on"),
        pytest.param([broken_off(waiting=0)], [], [], id="nobody waits"),
        pytest.param([], due(broken_off()), ["resolved"], id="it has ended"),
        pytest.param([broken_off(SHORT)], due(broken_off()), ["resolved"], id="it goes on"),
        pytest.param([broken_off(STANDS_STILL_AFTER)], due(broken_off()), ["resolved", "firing"], id="it went on once"),
        pytest.param(
            [broken_off(), broken_off(role="traffic")], due(broken_off()), ["firing"], id="another one beside it"
        ),
    ],
)
def test_what_is_said(imports: list[OpenImport], before: list[Transition], states: list[str]) -> None:
    """Each stand once, and its end; what several workers say of it has the same ids."""
    new = due(*imports, before=before)
    assert [t.state.value for t in new] == states
    assert [t.transition_id for t in due(*imports, before=before)] == [t.transition_id for t in new]
    assert {t.reason for t in new if t.state.value == "resolved"} <= {WENT_ON}


def test_its_message() -> None:
    """Which import, since when, how far, how many events wait, and both ways out; then that it is over."""
    (begun,) = due(broken_off())
    item = Writer(LONDON).item(begun, unfinished_rule(TEAMS), TEAMS)
    assert item.headline == "orders: nothing is judged, an import has not ended"
    assert begun.severity == "critical"
    assert set(item.texts.values()) == {
        "The import of orders stands still since Mon 2 Mar 2026 10:00 GMT, at events of Sat 21 Feb 2026 12:00 GMT; "
        "12 live events wait in topic 'orders' for its end, as of Mon 2 Mar 2026 12:00 GMT. Give the same "
        "`lockstep import` command again and it goes on where it was broken off; or end it with "
        "`lockstep import --end`: what was imported counts, and live events are judged from there. "
        "`lockstep import --status` says how it stands."
    }
    (over,) = unfinished_due([], [begun], now=NOON + timedelta(minutes=5), zone=LONDON)
    item = Writer(LONDON).item(over, unfinished_rule(TEAMS), TEAMS)
    assert item.headline == "all clear after 5 minutes: ImportUnfinished, orders, the import goes on or has ended"
    assert set(item.texts.values()) == {"What came live meanwhile is judged when all of it has been read."}


def order(number: object, at: datetime) -> bytes:
    data = {"order_id": str(number), "total": 10, "lines": []}
    event = {"specversion": "1.0", "id": f"o{number}", "source": "/shop", "type": "order.placed"}
    return json.dumps({**event, "time": at.isoformat(), "data": data}).encode()


def mark(kind: MarkKind) -> Record:
    return mark_record("orders", Mark(kind, round(NOON.timestamp() * SECOND)))


HALF_AN_IMPORT = [
    mark(MarkKind.ASKED),
    mark(MarkKind.BEGUN),
    Record(TOPIC, order(1, NOON - timedelta(days=9)), None, 0),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "r.yml").write_text(
        "measures: {orders: {count: order.placed}}\n"
        "rules: [{name: Busy, threshold: {measure: orders, at_least: 2, window: 5m}}]\n"
    )
    return Settings(broker=f"sqlite:///{tmp_path}/lockstep.db", rules=tmp_path / "rules", http_port=0)


@pytest.fixture
async def broker(settings: Settings) -> AsyncIterator[Any]:
    opened = open_broker(settings, clock=lambda: NOON)
    await opened.start()
    await prepare(settings, opened)
    yield opened
    await opened.stop()


async def test_a_worker_tells_it(broker: Broker, settings: Settings) -> None:
    """Among the other alerts, by what the broker holds, once; and that it is over."""
    assert ROLES.index("orders") == 0
    now = NOON

    def publisher() -> OwnAlertPublisher:
        """Of a worker that has just begun."""
        imports = OpenImports(ImportLog(broker, SAMPLES, clock=lambda: now), settings.topics)
        book = RuleBook(broker, settings.rules, clock=lambda: now)
        board = AlertBoard(broker, clock=lambda: now)
        event_time = EventTime({}, clock=lambda: now)
        return OwnAlertPublisher(broker, board, book, event_time, imports, alone=True, zone=LONDON, clock=lambda: now)

    async def told() -> list[Transition]:
        start, end = (await broker.bounds(ALERTS))[0]
        return [decode(v) async for batch in broker.read(ALERTS, 0, start, end) for v in batch.values if v]

    await broker.publish([*HALF_AN_IMPORT, Record("orders", order("live", NOON))])
    await publisher().publish_unfinished()
    assert await told() == []
    now = NOON + timedelta(minutes=6)
    for _ in range(3):
        await publisher().publish_unfinished()
    (begun,) = await told()
    assert (begun.rule, begun.labels) == (UNFINISHED, {"topic": "orders"})
    assert "1 live event waits in topic 'orders' for its end, as of Mon 2 Mar 2026 12:06 GMT" in begun.fault
    await broker.publish([mark(MarkKind.ENDED)])
    for _ in range(3):
        await publisher().publish_unfinished()
    assert [(t.state.value, t.reason) for t in await told()] == [("firing", ""), ("resolved", WENT_ON)]


async def test_a_running_service_shows_it(settings: Settings) -> None:
    """/readyz stays 200 and says what waits; so do the metrics; both forget it when the import has ended."""
    service, stop = Service(settings, environ={}), asyncio.Event()
    running = asyncio.create_task(service.run(stop))

    async def ready(*, unfinished: bool) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, asyncio.timeout(60):
            while True:
                await asyncio.sleep(0.05)
                if service.http.port == 0:
                    continue
                async with session.get(f"http://127.0.0.1:{service.http.port}/readyz") as answer:
                    body: dict[str, Any] = await answer.json()
                if answer.status == 200 and ("imports" in body) == unfinished:
                    return body

    async def metrics() -> list[str]:
        text = (await service.collector.text()).decode()
        return [line for line in text.splitlines() if "import" in line and 'topic="orders"' in line]

    assert await ready(unfinished=False) == {"ready": True, "reason": ""}
    assert await metrics() == [
        'lockstep_import_stands_still_seconds{topic="orders"} 0.0',
        'lockstep_events_waiting_for_import{topic="orders"} 0.0',
    ]
    await service.broker.publish([*HALF_AN_IMPORT, Record("orders", order("live", NOON))])
    (said,) = (await ready(unfinished=True))["imports"]
    assert {**said, "last_record_at": ""} == {
        "import": "orders",
        "topic": "orders",
        "events_waiting": 1,
        "last_record_at": "",
        "reached": "2026-02-21T12:00:00Z",
        "way_out": "give the same `lockstep import` again to go on with it, or `lockstep import --end`",
    }
    still, waiting = await metrics()
    assert float(still.split()[-1]) > 0
    assert waiting == 'lockstep_events_waiting_for_import{topic="orders"} 1.0'
    await service.broker.publish([mark(MarkKind.ENDED)])
    assert await ready(unfinished=False) == {"ready": True, "reason": ""}
    stop.set()
    assert await running == 0
