"""Event time that stays behind though the log was read to its end is told, until it has caught up."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lockstep.app import Service, utc_now
from lockstep.labels import stable_id
from lockstep.notify.self_alerts import BEHIND, CAUGHT_UP, behind_due
from lockstep.ports import Record
from lockstep.settings import Settings

NOON = datetime.fromisoformat("2026-03-02T12:00:00+00:00")
HERE, ELSEWHERE = ("orders", 0), ("orders", 3)


def told(*behind: tuple[str, int], known: Any = (HERE,), before: Any = ()) -> Any:
    return behind_due(dict.fromkeys(behind, "it stands"), set(known), before, now=NOON)


@pytest.mark.parametrize(
    ("behind", "known", "open_at", "states"),
    [
        pytest.param([HERE], [HERE], [], ["firing"], id="it begins"),
        pytest.param([HERE], [HERE], [HERE], [], id="it was said, perhaps by the worker before"),
        pytest.param([], [HERE], [HERE], ["resolved"], id="it has caught up"),
        pytest.param([], [], [HERE], [], id="not read to its end yet"),
        pytest.param([], [HERE], [ELSEWHERE], [], id="another worker's partition"),
    ],
)
def test_what_is_said(behind: Any, known: Any, open_at: Any, states: Any) -> None:
    """Each episode once, and ended by whoever knows that it is over."""
    new = told(*behind, known=known, before=told(*open_at))
    assert [t.state.value for t in new] == states
    assert {t.alert_id for t in new} <= {stable_id("alert", BEHIND, "orders", 0)}
    assert [t.reason for t in new] == [CAUGHT_UP if s == "resolved" else "" for s in states]


def order(number: int, *, age: timedelta) -> Record:
    event = {"specversion": "1.0", "id": f"o-{number}", "source": "/t", "type": "order.placed"}
    data = {"order_id": str(number), "total": 1, "lines": [{"sku": "A", "quantity": 1, "unit_price": 1}]}
    return Record("orders", json.dumps({**event, "time": (utc_now() - age).isoformat(), "data": data}).encode())


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await true():
            await asyncio.sleep(0.05)


async def test_a_service_tells_it(tmp_path: Path) -> None:
    """A file of last month, sent to a live service, is judged as last month; an event of now ends that."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "r.yml").write_text(
        "measures: {orders: {count: order.placed}}\n"
        "rules: [{name: A, threshold: {measure: orders, above: 5, window: 1m}}]\n"
    )
    given = {"broker": f"sqlite:///{tmp_path}/lockstep.db", "rules": tmp_path / "rules", "http_port": 0}
    service, stop = Service(Settings(**given, lateness=0, idle_after=0.2), environ={}), asyncio.Event()
    running = asyncio.create_task(service.run(stop))

    async def ready() -> bool:
        return bool(service.judging.status().ready)

    async def firing() -> bool:
        return [t.state.value for t in service.board.alerts(rule=BEHIND)] == ["firing"]

    async def over() -> bool:
        return [t.state.value for t in service.board.alerts(rule=BEHIND, every=True)] == ["resolved"]

    await until(ready)
    await service.broker.publish([order(1, age=timedelta(days=30))])
    await until(firing)
    (alert,) = service.board.alerts(rule=BEHIND)
    assert alert.labels == {"topic": "orders", "partition": "0"}
    assert "4 weeks" in alert.fault or "30 days" in alert.fault
    text = (await service.collector.text()).decode()
    assert 'lockstep_event_time_behind_seconds{partition="0",topic="orders"} 2.5' in text
    await service.broker.publish([order(2, age=timedelta())])
    await until(over)
    stop.set()
    assert await running == 0
