"""A PostgreSQL that is stopped while it is asked, and started again: nothing is lost, and nothing is counted twice."""

import asyncio
import gc
import json
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import postgres_for_tests
import pytest
from test_polling_on_brokers import PATIENCE_S, Shop, serving
from till import QUERY, Reader, Till, source_of

from lockstep.adapters.sql.source_state import SourceState
from lockstep.worker import polling
from lockstep.worker.polling import FIRST_WAIT_S, MOST_WAIT_S, wait_s

# psycopg warns of a cursor that was cut off in the middle of its rows.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


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


async def test_a_database_that_hangs(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of its answer: it is said, other sources go on, and the service stops when it is asked to."""
    monkeypatch.setattr(polling, "ANSWER_S", 2.0)
    till = Till(server.new_database())
    shop = Shop(tmp_path, f"sqlite:///{tmp_path}/shop.db", till)
    source_of(shop.rules)
    (good,) = json.loads((shop.rules / "sources.yml").read_text())["sources"]
    slow = {**good, "name": "slow", "query": QUERY.replace("total", "total + length(pg_sleep(600)::text) AS total")}
    (shop.rules / "sources.yml").write_text(json.dumps({"sources": [slow, good]}))
    till.order((1, "00:00"))
    async with serving(shop) as live:
        await shop.has_events(1)
        async with asyncio.timeout(PATIENCE_S):
            while (status := await shop.status("slow")) is None:
                await asyncio.sleep(0.1)
        assert status.why == "the database has not answered for 2 s"
        assert (await live.get("/readyz"))[0] == 200
        till.order((2, "00:30"))
        await shop.has_events(2)
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < PATIENCE_S / 2
    hanging = [thread for thread in threading.enumerate() if thread.name == "lockstep-slow"]
    await asyncio.to_thread(server.kill)
    for thread in hanging:
        await asyncio.to_thread(thread.join, PATIENCE_S)
    gc.collect()


def test_a_page_is_what_is_held(tmp_path: Path) -> None:
    """However many rows there are to be read."""
    (tmp_path / "till.db").touch()
    many = "WITH RECURSIVE n(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n WHERE number < 200000) "
    many += "SELECT number, '2026-11-24 09:00:00' AS placed, 1 AS total, 'web' AS shop FROM n WHERE number > :cursor"
    source = source_of(tmp_path, query=many, cursor="number", **{"from": 0})
    reader = Reader(Till(f"sqlite:///{tmp_path}/till.db"), source)
    state = SourceState(source.name, source.column, {})
    rows = 0
    tracemalloc.start()
    try:
        for page in reader.pages(state):
            assert page.reached is not None
            state.take(state.step(page.reached, page.digests, refused=0, overlap=source.overlap))
            rows += page.rows
            if rows >= 20_000:
                break
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows == 20_000
    assert peak < 12_000_000


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
