"""The parts of a worker by themselves, on a real file and without anything running."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lockstep.app import Service
from lockstep.errors import SettingsError
from lockstep.event import Decoder
from lockstep.measure.meter import Meter
from lockstep.notify.self_alerts import REFUSED, Place
from lockstep.ports import Batch, TopicSpec
from lockstep.settings import Settings
from lockstep.tools.published_schemas import example_event
from lockstep.transition import TransitionName
from lockstep.worker.event_time import EventTime
from lockstep.worker.required_topics import check_sources, prepare

RULES = """
measures: {orders: {count: order.placed}}
rules: [{name: Many, threshold: {measure: orders, window: 5m, above: 9}}]
"""
NOW = datetime(2026, 11, 24, 9, 31, tzinfo=UTC)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """Built, with its broker and topics; nothing is judged."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "orders.yml").write_text(RULES)
    built = Service(Settings(broker=f"sqlite:///{tmp_path}/lockstep.db", rules=tmp_path / "rules"), environ={})
    await built.broker.start()
    await prepare(built.settings, built.broker)
    yield built
    await built.broker.stop()


def orders(*times: datetime, start: int = 0, arrived: datetime = NOW) -> Batch:
    """One batch of orders that happened at these times."""
    offsets = range(start, start + len(times))
    events = [
        {**example_event("order.placed"), "id": f"o-{n}", "time": time.isoformat()}
        for n, time in zip(offsets, times, strict=True)
    ]
    none, at_ms = [None] * len(times), [round(arrived.timestamp() * 1000)] * len(times)
    return Batch("orders", 0, offsets, [json.dumps(e).encode() for e in events], none, at_ms, start - 1, offsets.stop)


async def meter_of(service: Service, *, committed: int | None = None) -> Meter:
    """The meter of an assignment that begins now."""
    await service.rules.begin()
    plan = service.judging.plan
    info = (await service.broker.describe(["orders"]))["orders"]
    return await service.stages.meter_maker("orders", plan, Decoder())(info, 0, committed, 0)


async def test_what_is_read_again_is_counted_once(service: Service) -> None:
    """A meter begins at its chunk's head, so the one of the next assignment reads what the last one has counted."""

    async def counted() -> str:
        text = (await service.collector.text()).decode()
        return text.partition('lockstep_events_total{topic="orders"} ')[2].partition("\n")[0]

    first = await meter_of(service)
    first.feed(orders(NOW, NOW))
    assert [await counted(), await counted()] == ["2.0", "2.0"]
    service.stages.forget()
    second = await meter_of(service, committed=2)
    second.feed(orders(NOW, NOW, NOW))
    assert await counted() == "3.0"
    assert (service.stages.meters, service.stages.judges) == ({("orders", 0): second}, {})


async def test_event_time_that_stays_behind(service: Service) -> None:
    """Nothing is said of a partition that was not read to its end; then how far behind it is, or that it is not."""
    meter, place, now = await meter_of(service), ("orders", 0), NOW
    event_time = EventTime({place: meter}, clock=lambda: now)

    def said() -> tuple[set[Place], dict[Place, float], set[Place]]:
        return event_time.read_to_end(), event_time.behind_s(), event_time.caught_up()

    def wait(seconds: int) -> None:
        nonlocal now
        for _ in range(seconds):
            now += timedelta(seconds=1)
            meter.observe(at_end=True, now=now)
            meter.flush(now)

    meter.feed(orders(NOW - timedelta(hours=1)))
    assert said() == (set(), {}, set())
    wait(300)
    late_s = 3_600 + service.settings.lateness + service.settings.idle_after
    assert said() == ({place}, {place: pytest.approx(late_s, abs=1)}, set())
    meter.feed(orders(now, start=1, arrived=now))
    wait(1)
    assert said() == ({place}, {}, {place})


async def test_a_file_that_is_refused_is_told_before_anything_is_judged(service: Service) -> None:
    """The others are in force, and whoever edits rules hears of it by an alert of Lockstep's own."""
    (service.settings.rules / "typo.yml").write_text("rules: [{name: X, treshold: {}}]\n")
    await service.rules.begin()
    state = service.rules.state()
    assert {f["name"]: f["state"] for f in state["files"]} == {"orders.yml": "in force", "typo.yml": "refused"}
    await service.board.refresh()
    (alert,) = service.board.alerts(rule=REFUSED)
    assert (alert.labels, alert.state) == ({"file": "typo.yml"}, TransitionName.FIRING)
    assert (service.judging.runtime, service.judging.status().ready) == (None, False)


async def test_a_compacted_topic_of_events_is_refused(service: Service) -> None:
    """Compaction removes events that were to be counted; plans are the one topic that may be."""
    settings = service.settings.model_copy(update={"topic_orders": "squeezed", "topic_plans": "planned"})
    await service.broker.declare([TopicSpec("planned", 1, compacted=True)])
    await check_sources(settings, service.broker)
    await service.broker.declare([TopicSpec("squeezed", 1, compacted=True)])
    with pytest.raises(SettingsError, match=r"topic 'squeezed' is compacted: .*; set cleanup.policy=delete"):
        await check_sources(settings, service.broker)
