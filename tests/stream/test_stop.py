"""A worker that is asked to stop ends, whatever its broker, its clients or its own libraries do meanwhile."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka_for_tests import Broker, held_ports

from lockstep.adapters.stopping import EXIT_UNDONE, LAST_RESORT_S, LIMIT_S, Stopping

RULES = """\
measures: {orders: {count: order.placed}}
rules: [{name: A, threshold: {measure: orders, above: 5, window: 1m}}]
"""
PATIENCE_S = 60.0
"""For what a machine under load does; what is waited for with it is looked for by itself."""


class Worker:
    """`lockstep serve` in a process of its own. lines: what it has logged so far."""

    def __init__(self, process: "asyncio.subprocess.Process", port: int) -> None:
        self.process, self.port = process, port
        self.lines: list[dict[str, Any]] = []
        self._read = asyncio.create_task(self._reading())
        self._news = asyncio.Condition()

    async def _reading(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            async with self._news:
                self.lines.append(json.loads(line) if line.startswith(b"{") else {"event": line.decode()})
                self._news.notify_all()

    def said(self, what: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if what in line["event"]]

    async def until(self, what: str) -> None:
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: self.said(what) or self._read.done())
        assert self.said(what), self.lines

    async def ended(self, *, within_s: float = LAST_RESORT_S) -> int:
        """Its exit code. It must have come `within_s` of the signal."""
        async with asyncio.timeout(within_s + 1):
            code = await self.process.wait()
        await self._read
        return code


@asynccontextmanager
async def serving(folder: Path, broker: str, **environ: str) -> AsyncIterator[Worker]:
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "r.yml").write_text(RULES)
    (port,) = held_ports(1)
    given = {"LOCKSTEP_BROKER": broker, "LOCKSTEP_RULES": str(folder / "rules"), "LOCKSTEP_HTTP_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lockstep", "serve"),
        env={**os.environ, **given, "LOCKSTEP_LOG_FORMAT": "json", **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield Worker(process, port)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@contextmanager
def kafka(folder: Path, libs: Path) -> Iterator[Broker]:
    broker = Broker(folder / "kafka", libs=libs).start()
    try:
        broker.wait_ready()
        yield broker
    finally:
        broker.kill()


async def ready(worker: Worker) -> None:
    """It owns its partitions."""

    async def is_ready() -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        except OSError:
            return False
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer.startswith(b"HTTP/1.1 200")

    async with asyncio.timeout(PATIENCE_S):
        while not await is_ready():
            assert worker.process.returncode is None, worker.lines
            await asyncio.sleep(0.1)


# ---- a broker that is away -------------------------------------------------------------------------------------------


@pytest.mark.kafka
@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_the_broker_goes_and_then_the_workers_are_asked_to_stop(tmp_path: Path, kafka_libs: Path, how: str) -> None:
    """Two workers, one broker that dies or answers nothing any more: both end by themselves, and say what they left."""

    async def run(broker: Broker) -> None:
        url = f"kafka://{broker.address}"
        async with serving(tmp_path, url) as one, serving(tmp_path, url) as two:
            for worker in (one, two):
                await ready(worker)
            getattr(broker, how)()
            for worker in (one, two):
                worker.process.terminate()
            for worker in (one, two):
                code = await worker.ended()  # 0 where nothing was under way
                said = worker.said("left undone") or worker.said("stopped by force")
                assert [bool(line["undone"]) for line in said] == [True] * (code == EXIT_UNDONE)
                assert code in (0, EXIT_UNDONE)
                assert not worker.said("Traceback")

    with kafka(tmp_path, kafka_libs) as broker:
        asyncio.run(run(broker))


@pytest.mark.kafka
def test_an_impatient_operator_is_obeyed(tmp_path: Path, kafka_libs: Path) -> None:
    """Ctrl-C again and again while the broker hangs: the second one that is meant as one ends the worker at once."""

    async def run(broker: Broker) -> None:
        async with serving(tmp_path, f"kafka://{broker.address}") as worker:
            await ready(worker)
            broker.freeze()
            while worker.process.returncode is None:
                worker.process.send_signal(signal.SIGINT)
                await asyncio.sleep(0.2)
            assert await worker.ended() == EXIT_UNDONE
            assert worker.said("stopped by force")[0]["reason"] == "asked again"

    with kafka(tmp_path, kafka_libs) as broker:
        asyncio.run(run(broker))


@pytest.mark.parametrize("signals", [(signal.SIGTERM,), (signal.SIGINT, signal.SIGTERM)], ids=["one", "two at once"])
async def test_the_broker_was_never_there(tmp_path: Path, signals: tuple[signal.Signals, ...]) -> None:
    """Nothing has begun, so nothing is left undone."""
    (port,) = held_ports(1)
    async with serving(tmp_path, f"kafka://127.0.0.1:{port}") as worker:
        await worker.until("waiting for the broker")
        assert not worker.said("listening")  # what was posted now would be refused
        for number in signals:
            worker.process.send_signal(number)
        assert await worker.ended() == 0
        assert worker.said("stopped")


@pytest.mark.kafka
@pytest.mark.parametrize("when", ["listening", "topics are kept once", "nobody is told", "serving"])
def test_asked_while_it_starts(tmp_path: Path, kafka_libs: Path, when: str) -> None:
    """Whatever it had begun is ended, and nothing is left that the next start would trip over."""

    async def run(broker: Broker) -> None:
        url = f"kafka://{broker.address}"
        async with serving(tmp_path, url) as worker:
            await worker.until(when)
            worker.process.terminate()
            assert await worker.ended() in (0, EXIT_UNDONE)
            assert worker.said("stopped")
            assert not worker.said("Traceback")
        async with serving(tmp_path, url) as worker:
            await ready(worker)
            worker.process.terminate()
            assert await worker.ended() == 0

    with kafka(tmp_path, kafka_libs) as broker:
        asyncio.run(run(broker))


# ---- others that do not end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", id="half a body"),
        pytest.param(b"POST /v1/events HTTP/1.1\r\nHost: x\r\n", id="half a head"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", id="a connection that is kept"),
    ],
)
async def test_a_client_that_does_not_finish(tmp_path: Path, sent: bytes) -> None:
    """Its request is dropped, and everything else is ended as it should be."""
    async with serving(tmp_path, f"sqlite:///{tmp_path}/lockstep.db") as worker:
        await ready(worker)
        _, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(sent)
        await writer.drain()
        worker.process.terminate()
        try:
            assert await worker.ended() == 0
        finally:
            writer.close()


async def test_each_step_has_a_bound_and_all_of_them_one() -> None:
    """What a step raises, or that it does not end, is left undone and said; the steps behind it are taken."""
    taken = []

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def refuses_to_be_cancelled() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if len(taken) > 3:
                    raise

    async def breaks() -> None:
        raise AssertionError("its own")

    async def is_cancelled() -> None:
        raise asyncio.CancelledError

    async def ends() -> None:
        taken.append(1)

    stopping = Stopping(limit_s=0.1)
    for what, body in (
        ("a", hangs),
        ("b", ends),
        ("c", breaks),
        ("d", is_cancelled),
        ("e", refuses_to_be_cancelled),
        ("f", ends),
    ):
        await stopping.step(what, body, at_most_s=0.02)
    assert stopping.undone == [
        "a: no end in 0.0 s",
        "c: AssertionError('its own')",
        "d: cancelled",
        "e: no end in 0.0 s",
    ]
    assert stopping.hangs
    assert len(taken) == 2
    taken += [1, 1]
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def test_a_step_takes_no_longer_than_is_left_of_the_whole() -> None:
    """However long it may by itself: the steps before it have used up the rest."""

    async def hangs() -> None:
        await asyncio.Event().wait()

    stopping = Stopping(limit_s=0.1)
    for what in ("a", "b", "c"):
        await stopping.step(what, hangs, at_most_s=PATIENCE_S)
    assert stopping.undone == ["a: no end in 0.1 s", "b: no end in 0.0 s", "c: no end in 0.0 s"]


def test_an_event_loop_that_is_held_up() -> None:
    """A library that blocks the loop blocks every bound in it, and the signal; a thread ends the process."""
    program = (
        "import asyncio, time\n"
        "from lockstep.adapters.stopping import LastResort, Stopping\n"
        "async def block(): time.sleep(600)\n"
        "async def run():\n"
        "    stopping = Stopping()\n"
        "    LastResort(lambda: stopping, limit_s=0.1).arm()\n"
        "    await stopping.step('leaving the group', block, at_most_s=0.01)\n"
        "asyncio.run(run())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == EXIT_UNDONE
    assert "leaving the group" in done.stdout + done.stderr


def test_a_stop_takes_twenty_seconds_at_the_most() -> None:
    assert LIMIT_S < LAST_RESORT_S < 20
