"""A PostgreSQL that is stopped while it is asked, and started again: nothing is lost, and nothing is counted twice."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import postgres_for_tests
import pytest
from test_polling_on_brokers import PATIENCE_S, Shop, serving
from till import Till, source_of

from lockstep.worker.polling import FIRST_WAIT_S, MOST_WAIT_S, wait_s


@pytest.fixture
def server() -> Iterator[Any]:
    if not postgres_for_tests.is_installed():
        pytest.skip(postgres_for_tests.NO_POSTGRES)
    own = postgres_for_tests.PostgresServer().start()
    yield own
    own.remove()


async def test_a_database_that_is_stopped(server: Any, tmp_path: Path) -> None:
    """The service stays ready and says why nothing comes; the password is in none of it."""
    till = Till(server.new_database())
    shop = Shop(tmp_path, f"sqlite:///{tmp_path}/shop.db", till)
    source_of(shop.rules)
    till.order((1, "00:00"))
    async with serving(shop) as live:
        await shop.has_events(1)
        await asyncio.to_thread(server.kill)
        async with asyncio.timeout(PATIENCE_S):
            while (status := await shop.status()) is None or not status.is_failing:
                await asyncio.sleep(0.1)
        assert "query: the database says: " in status.why
        assert "secret" not in status.why
        assert status.since is not None
        assert (await live.get("/readyz"))[0] == 200
        assert (await live.get("/healthz"))[0] == 200
        await asyncio.to_thread(server.start)
        till.order((2, "00:30"), (3, "01:00"))
        await shop.has_events(3)
        async with asyncio.timeout(PATIENCE_S):
            while (status := await shop.status()) is None or status.is_failing:
                await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("every_s", "failures", "expected"),
    [
        pytest.param(60, 0, 60, id="it answers"),
        pytest.param(60, 1, FIRST_WAIT_S, id="the first failure"),
        pytest.param(60, 3, FIRST_WAIT_S * 4, id="the third"),
        pytest.param(60, 1_000, MOST_WAIT_S, id="for a day"),
        pytest.param(3_600, 1_000, 3_600, id="one that is asked once an hour"),
    ],
)
def test_how_long_is_waited(every_s: float, failures: int, expected: float) -> None:
    """Longer each time, and no longer than five minutes, or than it is asked anyway."""
    assert wait_s(every_s, failures) == expected
