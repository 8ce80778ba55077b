"""A served worker that is killed in the middle of a channel's network call, at a chosen point of it."""

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from enum import StrEnum
from pathlib import Path

import aiohttp
from kafka_for_tests import held_ports

from lockstep.app import utc_now

RULES = """\
measures:
  stock: {last: available, of: stock.level}
rules:
  - name: LowStock
    by: [sku]
    threshold: {measure: stock, at_most: 20}
"""
PATIENCE_S = 120.0
CLOUDEVENT = {"content-type": "application/cloudevents+json"}


class Point(StrEnum):
    """Where a call is when its worker dies."""

    CONNECTED = "before anything was sent"
    ASKED = "before the receiver had it"
    TAKEN = "before its answer came"
    ANSWERED = "when it had been answered"


class Death:
    """Kills a worker when every one of several calls is at one point: the receivers hold their connections until then.

    at: where; None: nowhere.
    """

    def __init__(self, worker: "Worker", calls: int) -> None:
        self._worker, self._calls = worker, calls
        self.at: Point | None = None
        self._arrived, self._is_dead = 0, asyncio.Event()

    def comes_at(self, point: Point) -> None:
        self.at, self._arrived, self._is_dead = point, 0, asyncio.Event()

    async def met(self, point: Point) -> bool:
        """Whether the worker died at this point of a call."""
        if self.at is not point:
            return False
        self._arrived += 1
        if self._arrived == self._calls:
            self.at = None
            self._worker.kill()
            self._is_dead.set()
        await self._is_dead.wait()
        return True


class HoldingProxy:
    """What a worker takes for one receiver.

    asked, last: what is in the call that is watched, and in the last of it, before its answer.
    """

    def __init__(self, death: Death, *, asked: bytes, last: bytes | None = None) -> None:
        self._death, self._asked, self._last = death, asked, last or asked
        self._tasks: set[asyncio.Task[None]] = set()
        self._to = 0

    @asynccontextmanager
    async def listening(self, port: int, *, to: int) -> AsyncIterator[None]:
        """port: where it listens. to: the receiver's."""
        self._to = to
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        try:
            yield
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        writers = [writer]
        try:
            if not await self._death.met(Point.CONNECTED):
                there, here = await asyncio.open_connection("127.0.0.1", self._to)
                writers.append(here)
                await self._pass_on(reader, writer, there, here)
        except OSError:
            pass  # a worker that is killed resets its connections
        finally:
            for one in writers:
                one.close()
                with suppress(OSError):
                    await one.wait_closed()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        here: asyncio.StreamWriter,
    ) -> None:
        sent = bytearray()

        async def forth() -> None:
            while chunk := await reader.read(65_536):
                sent.extend(chunk)
                if self._asked in sent and await self._death.met(Point.ASKED):
                    break
                here.write(chunk)
                await here.drain()
            here.close()

        async def back() -> None:
            while chunk := await there.read(65_536):
                if self._last in sent and await self._death.met(Point.TAKEN):
                    break
                writer.write(chunk)
                await writer.drain()
                if self._last in sent and await self._death.met(Point.ANSWERED):
                    break
            writer.close()

        await asyncio.gather(forth(), back())


class Worker:
    """`lockstep serve` on a SQLite file, started again where it left off."""

    def __init__(self, folder: Path, routing: str, **environ: str) -> None:
        rules = folder / "rules"
        rules.mkdir()
        (rules / "stock.yml").write_text(RULES)
        (rules / "routing.yml").write_text(routing)
        self._file, self._log, (self._http,) = folder / "shop.db", folder / "worker.log", held_ports(1)
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith("LOCKSTEP_")} | {
            "LOCKSTEP_BROKER": f"sqlite:///{self._file}",
            "LOCKSTEP_RULES": str(rules),
            "LOCKSTEP_HTTP_PORT": str(self._http),
            "LOCKSTEP_CHARTS": "false",
            "LOCKSTEP_GROUP_WAIT": "0.1",
            **environ,
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Until it is ready."""
        with self._log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "lockstep",
                "serve",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self._environ,
                cwd=self._file.parent,
            )
        async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_S):
            while not await self._is_ready(session):
                assert self._process.returncode is None, self._log.read_text()[-2000:]
                await asyncio.sleep(0.05)

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"http://127.0.0.1:{self._http}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def kill(self) -> None:
        """At once, wherever it is."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def died(self) -> None:
        """Until it has."""
        assert self._process is not None
        async with asyncio.timeout(PATIENCE_S):
            await self._process.wait()

    async def fire(self, sku: str) -> None:
        """Stock of it runs low."""
        event = {
            "id": f"low-{sku}",
            "source": "/shop",
            "type": "stock.level",
            "time": utc_now().isoformat(),
            "data": {"sku": sku, "available": 3},
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{self._http}/v1/events", json=event, headers=CLOUDEVENT) as answer,
        ):
            assert answer.status == 202, await answer.text()

    async def settled(self, deliveries: int) -> None:
        """Until so many were decided in all, and each has had its last word."""
        async with asyncio.timeout(PATIENCE_S):
            while not self._is_settled(deliveries):
                assert self._process is not None
                assert self._process.returncode is None, self._log.read_text()[-2000:]
                await asyncio.sleep(0.05)

    def _is_settled(self, deliveries: int) -> bool:
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as log:
            (decided,) = log.execute("select sum(next) from tp where topic = 'lockstep.deliveries'").fetchone()
            (taken,) = log.execute("select max(positions) from owner where stage = 'lockstep/deliver'").fetchone()
            (waiting,) = log.execute(
                "select count(*) from entry where stage = 'lockstep/deliver' and substr(key, 1, 1) = cast('d' as blob)"
            ).fetchone()
        return (
            decided >= deliveries and ["lockstep.deliveries", 0, decided] in json.loads(taken or "[]") and not waiting
        )
