"""The SQLite file: what it promises beyond the broker contract."""

import asyncio
import os
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lockstep.adapters.stream import open_broker
from lockstep.adapters.stream.log import MOST_BYTES
from lockstep.adapters.stream.sqlite import SqliteBroker, path_of
from lockstep.app import EXIT_FATAL, Service
from lockstep.errors import BrokerError, Fenced, SettingsError, StateError
from lockstep.ports import Cut, Record, TopicSpec
from lockstep.settings import Settings
from lockstep.worker.storage import FILE_POLL_S, watch_file


@pytest.fixture
async def opened(sqlite_settings: Settings, clock: Any):
    broker = open_broker(sqlite_settings, clock=clock)
    await broker.start()
    await broker.declare([TopicSpec("orders", 2, retention_s=3600), TopicSpec("state", 1, compacted=True)])
    yield broker
    await broker.stop()


async def test_retention_removes_what_is_old_and_no_offset_is_used_again(opened: SqliteBroker, clock: Any) -> None:
    await opened.publish([Record("orders", b"old", partition=0)] * 12_000)
    await opened.publish([Record("state", b"kept", b"k")])
    clock.move(minutes=59)
    await opened.publish([Record("orders", b"new", partition=0), Record("orders", b"new", partition=1)])
    assert await opened.retain() == 0
    clock.move(minutes=2)
    assert await opened.retain() == 12_000
    assert await opened.bounds("orders") == {0: (12_000, 12_001), 1: (0, 1)}
    clock.move(hours=2)
    assert await opened.retain() == 2
    assert await opened.bounds("orders") == {0: (12_001, 12_001), 1: (1, 1)}
    assert await opened.publish([Record("orders", b"next", partition=0)]) == [(0, 12_001)]
    assert await opened.bounds("state") == {0: (0, 1)}


async def test_records_carry_the_time_at_which_they_were_written(opened: SqliteBroker, clock: Any) -> None:
    await opened.publish([Record("orders", b"x", partition=0)])
    clock.move(seconds=5)
    await opened.publish([Record("orders", b"y", partition=0)])
    (batch,) = [b async for b in opened.read("orders", 0, 0, 2)]
    now_ms = round(clock().timestamp() * 1000)
    assert list(batch.timestamps_ms) == [now_ms - 5_000, now_ms]
    assert batch.append_time


async def test_another_process_appends_to_the_same_file(
    opened: SqliteBroker, sqlite_settings: Settings, clock: Any
) -> None:
    """Topics, records and offsets of one are seen by the other."""
    other = open_broker(sqlite_settings, clock=clock)
    await other.start()
    try:
        assert await other.publish([Record("orders", b"theirs", partition=0)]) == [(0, 0)]
        assert await opened.publish([Record("orders", b"ours", partition=0)]) == [(0, 1)]
        assert await other.bounds("orders") == {0: (0, 2), 1: (0, 0)}
        await other.declare([TopicSpec("later", 1)])
        assert set(await opened.describe(["later"])) == {"later"}
    finally:
        await other.stop()


async def test_large_values_come_in_smaller_batches(opened: SqliteBroker) -> None:
    """A thousand events of a megabyte are never in memory at once."""
    big = bytes(256 << 10)
    await opened.publish([Record("orders", big, partition=0)] * 300)
    sizes = [sum(len(v or b"") for v in batch.values) async for batch in opened.read("orders", 0, 0, 300)]
    assert sum(sizes) == 300 * len(big)
    assert max(sizes) <= MOST_BYTES + 128 * len(big)
    assert len(sizes) > 1


async def test_one_refused_operation_costs_only_itself(opened: SqliteBroker) -> None:
    with pytest.raises(BrokerError, match="there is no topic 'nowhere'"):
        await opened.publish([Record("orders", b"half", partition=0), Record("nowhere", b"x", partition=0)])
    with pytest.raises(sqlite3.Error):
        await opened.publish([Record("orders", object(), partition=0)])  # type: ignore[arg-type] # a fault of a caller
    assert await opened.publish([Record("orders", b"fine", partition=0)]) == [(0, 0)]
    with pytest.raises(SettingsError, match="topic 'orders' has 2 partitions"):
        await opened.declare([TopicSpec("later", 1), TopicSpec("orders", 4)])
    assert await opened.describe(["later"]) == {}


async def test_a_file_that_failed_promises_nothing_more(
    opened: SqliteBroker, sqlite_settings: Settings, clock: Any
) -> None:
    """Nothing of the failed transaction is there, what waited behind it is refused as well; others may write."""
    log = opened.log
    began, failing = threading.Event(), threading.Event()
    first, second = threading.Event(), threading.Event()

    def hold(writer: sqlite3.Connection) -> None:
        began.set()
        first.wait(10)

    def fail(writer: sqlite3.Connection) -> None:
        failing.set()
        second.wait(10)
        writer.execute("insert into nowhere values(1)")  # what SQLite also raises for a disk that is full

    held = log.submit(hold)
    assert began.wait(10)
    lost = [log.submit(log.append([(Record("orders", b"beside", partition=0), 0)])), log.submit(fail)]
    first.set()
    assert failing.wait(10)
    lost.append(log.submit(log.append([(Record("orders", b"behind", partition=0), 0)])))
    second.set()
    for future in lost:
        with pytest.raises(BrokerError, match=r"lockstep\.db: no such table: nowhere"):
            future.result(10)
    assert held.result(10) is None
    with pytest.raises(BrokerError, match="no such table"):
        await opened.publish([Record("orders", b"after", partition=0)])
    other = open_broker(sqlite_settings, clock=clock)
    await other.start()
    try:
        assert await other.publish([Record("orders", b"theirs", partition=0)]) == [(0, 0)]
    finally:
        await other.stop()


async def test_a_cut_that_cannot_be_published_leaves_nothing(opened: SqliteBroker) -> None:
    owned = opened.own("judge", 0)
    await owned.recover()
    with pytest.raises(BrokerError):
        await owned.cut(Cut([Record("orders", b"x"), Record("nowhere", b"x")], {b"k": b"v"}), {("s", 0): 1})
    assert await opened.own("judge", 0).recover() == ({}, {})
    assert await opened.bounds("orders") == {0: (0, 0), 1: (0, 0)}


async def test_who_never_recovered_may_not_cut(opened: SqliteBroker) -> None:
    with pytest.raises(Fenced):
        await opened.own("judge", 0).cut(Cut(), {("s", 0): 1})


async def test_unknown_topics_have_no_bounds(opened: SqliteBroker) -> None:
    with pytest.raises(BrokerError, match="nowhere"):
        await opened.bounds("nowhere")


async def test_after_the_stop_nothing_is_accepted(sqlite_settings: Settings, clock: Any) -> None:
    broker = open_broker(sqlite_settings, clock=clock)
    await broker.start()
    log = broker.log
    await broker.stop()
    with pytest.raises(BrokerError, match="closed"):
        log.submit(lambda writer: None).result(timeout=5)


async def test_a_file_of_another_format(sqlite_settings: Settings, clock: Any, tmp_path: Path) -> None:
    broker = open_broker(sqlite_settings, clock=clock)
    await broker.start()
    await broker.stop()
    with sqlite3.connect(tmp_path / "lockstep.db") as file:
        file.execute("update meta set value = '99' where name = 'format'")
    file.close()
    with pytest.raises(StateError, match="format 99"):
        await open_broker(sqlite_settings, clock=clock).start()


async def test_a_file_that_is_no_database(sqlite_settings: Settings, clock: Any, tmp_path: Path) -> None:
    (tmp_path / "lockstep.db").write_bytes(b"a shopping list, longer than a header of SQLite" * 40)
    with pytest.raises(SettingsError, match=r"lockstep\.db"):
        await open_broker(sqlite_settings, clock=clock).start()


async def test_the_size_counts_the_write_ahead_log(opened: SqliteBroker) -> None:
    before = opened.size_bytes()
    await opened.publish([Record("orders", bytes(1000), partition=0)] * 1000)
    assert opened.size_bytes() > before + 1_000_000


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///lockstep.db", (Path("lockstep.db"), "full")),
        ("sqlite:////var/lib/lockstep.db", (Path("/var/lib/lockstep.db"), "full")),
        ("sqlite:///data/lockstep.db?sync=normal", (Path("data/lockstep.db"), "normal")),
    ],
)
def test_path_of(url: str, expected: tuple[Path, str]) -> None:
    assert path_of(url) == expected


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///a.db?sync=sometimes"])
def test_a_url_that_names_no_file(url: str) -> None:
    with pytest.raises(SettingsError, match="LOCKSTEP_BROKER"):
        path_of(url)


@pytest.mark.parametrize("url", ["redis://localhost", "lockstep.db"])
def test_a_broker_of_an_unknown_kind(url: str, clock: Callable[[], Any]) -> None:
    with pytest.raises(SettingsError, match="neither sqlite"):
        open_broker(Settings(broker=url), clock=clock)


# ---- the file goes away ----------------------------------------------------------------------------------------------


def _delete(path: Path) -> None:
    path.unlink()


def _replace(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").rename(path)


def _delete_what_is_written_ahead(path: Path) -> None:
    path.with_name(path.name + "-wal").unlink()


def _move_the_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


GONE: dict[str, Callable[[Path], None]] = {
    "deleted": _delete,
    "replaced": _replace,
    "without its -wal": _delete_what_is_written_ahead,
    "moved": _move_the_folder,
}


@pytest.mark.parametrize("how", GONE)
async def test_nothing_is_accepted_into_a_file_that_is_gone(tmp_path: Path, clock: Any, how: str) -> None:
    """It would be acknowledged and lost: the open file has no name any more."""
    path = tmp_path / "shop" / "lockstep.db"
    path.parent.mkdir()
    broker = open_broker(Settings(broker=f"sqlite:///{path}"), clock=clock)
    await broker.start()
    try:
        await broker.declare([TopicSpec("orders", 1, retention_s=3600)])
        broker.verify()
        GONE[how](path)
        with pytest.raises(BrokerError, match=r"was (deleted|replaced) while this service used it"):
            broker.verify()
        for _ in range(2):
            with pytest.raises(BrokerError, match=r"was (deleted|replaced) while this service used it"):
                await broker.publish([Record("orders", b"x")])
    finally:
        await broker.stop()


@pytest.mark.parametrize("how", GONE)
async def test_a_service_whose_file_is_gone_ends(tmp_path: Path, how: str) -> None:
    """Also when nothing comes in: its supervisor starts it again, or somebody reads why."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "r.yml").write_text(
        "measures: {orders: {count: order.placed}}\n"
        "rules: [{name: A, threshold: {measure: orders, above: 5, window: 1m}}]\n"
    )
    path = tmp_path / "shop" / "lockstep.db"
    path.parent.mkdir()
    settings = Settings(broker=f"sqlite:///{path}", rules=tmp_path / "rules", http_port=0)
    service = Service(settings, environ={})
    running = asyncio.create_task(service.run(asyncio.Event()))
    async with asyncio.timeout(30):
        while not service.judging.status().ready:
            await asyncio.sleep(0.01)
        GONE[how](path)
        assert await running == EXIT_FATAL
    assert service.fatal is not None
    assert "while this service used it" in service.fatal.result()


@pytest.mark.parametrize("how", GONE)
async def test_a_file_that_is_gone_is_noticed_though_nothing_is_written(tmp_path: Path, clock: Any, how: str) -> None:
    """Not even what the service says of itself every second: it may be waiting for something else."""
    path = tmp_path / "shop" / "lockstep.db"
    path.parent.mkdir()
    broker = open_broker(Settings(broker=f"sqlite:///{path}"), clock=clock)
    await broker.start()
    said: list[str] = []
    try:
        watching = asyncio.create_task(watch_file(broker, said.append))
        GONE[how](path)
        async with asyncio.timeout(10 * FILE_POLL_S):
            await watching
    finally:
        await broker.stop()
    assert [re.sub("deleted|replaced", "gone", text.partition(": ")[2])[:44] for text in said] == [
        "the file (or its -wal) was gone while this s"
    ]


@pytest.mark.parametrize(("query", "synchronous"), [("", 2), ("?sync=full", 2), ("?sync=normal", 1)])
async def test_what_is_acknowledged_is_on_the_disk_unless_less_is_asked_for(
    tmp_path: Path, clock: Any, query: str, synchronous: int
) -> None:
    """SQLite's `full` waits for the disk at every commit (2), `normal` now and then (1)."""
    broker = open_broker(Settings(broker=f"sqlite:///{tmp_path}/lockstep.db{query}"), clock=clock)
    await broker.start()
    try:
        (found,) = await asyncio.wrap_future(
            broker.log.submit(lambda writer: writer.execute("pragma synchronous").fetchone())  # type: ignore[attr-defined] # of the embedded one
        )
        assert found == synchronous
    finally:
        await broker.stop()


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        pytest.param("{}/prodution/lockstep.db", "make it, or name another$", id="misspelt"),
        pytest.param("var/lib/lockstep/lockstep.db", "four slashes", id="an absolute path with three slashes"),
    ],
)
async def test_a_folder_that_is_missing(tmp_path: Path, clock: Any, name: str, advice: str) -> None:
    """It is no new and empty shop."""
    broker = open_broker(Settings(broker=f"sqlite:///{name.format(tmp_path)}"), clock=clock)
    with pytest.raises(SettingsError, match=advice):
        await broker.start()
    assert os.listdir(tmp_path) == []
