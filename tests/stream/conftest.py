"""A broker of each kind, started, with a clock that the test sets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kafka_for_tests import Broker as Kafka

from lockstep.adapters.stream import open_broker
from lockstep.settings import Settings


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """kafka_address (host:port) is the fixture of tests/conftest.py that starts a real Kafka."""
    if request.param == "sqlite":
        return Settings(broker=f"sqlite:///{tmp_path}/lockstep.db")
    return Settings(broker=f"kafka://{request.getfixturevalue('kafka_address')}", app_id=f"test-{uuid4().hex[:8]}")


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
async def own_broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a broker of its own: what a service stores on one names the topics that it reads."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/lockstep.db"
        return
    kafka = Kafka(tmp_path / "kafka", libs=request.getfixturevalue("kafka_libs"))
    await asyncio.to_thread(kafka.start)
    try:
        await asyncio.to_thread(kafka.wait_ready)
        yield f"kafka://{kafka.address}"
    finally:
        kafka.kill()


@pytest.fixture
async def broker(broker_settings: Settings, clock: Clock) -> AsyncIterator[Any]:
    opened = open_broker(broker_settings, clock=clock)
    await opened.start()
    yield opened
    await opened.stop()


@pytest.fixture
def sqlite_settings(tmp_path: Path) -> Settings:
    return Settings(broker=f"sqlite:///{tmp_path}/lockstep.db", flush_interval=0.02)


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Names that no other test uses on a broker that tests share."""
    suffix = uuid4().hex[:8]
    return lambda name: f"{name}-{suffix}"
