"""Two workers on Kafka: who owns notify is frozen, or killed, while an escalation is due; each step comes once."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from email import message_from_bytes
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from kafka_for_tests import Broker, held_ports

from lockstep.adapters.stream import open_broker
from lockstep.app import utc_now
from lockstep.errors import LockstepError
from lockstep.notify.decide import DELIVERIES
from lockstep.response.decision import DECISIONS, Decision, decode_decision
from lockstep.settings import Settings
from lockstep.worker.required_topics import prepare

pytestmark = pytest.mark.kafka

RULES = """\
measures:
  stock: {last: available, of: stock.level}
rules:
  - name: LowStock
    by: [sku]
    teams: [operations]
    threshold: {measure: stock, at_most: 20}
"""
ROUTING = """\
teams: {operations: [ops]}
receivers:
  ops: {email: {to: [ops@example.com]}}
  anna: {email: {to: [anna@example.com]}}
  lead: {email: {to: [lead@example.com]}}
escalations: {watch: {steps: [{after: 5s, to: anna}, {after: 15s, to: lead}]}}
routes: [{to: team, group_wait: 0s, escalation: watch}]
"""
PATIENCE_S = 120.0
T = TypeVar("T")


class _Inbox:
    """An SMTP server's handler."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        number = message_from_bytes(envelope.original_content or b"")["Message-ID"]
        self.mails += [(recipient, str(number)) for recipient in envelope.rcpt_tos]
        return "250 ok"


class _Served:
    """A `lockstep serve` of its own."""

    def __init__(self, folder: Path, name: str, environ: dict[str, str]) -> None:
        (self.port,) = held_ports(1)
        self.log, self._environ = folder / f"{name}.log", {**environ, "LOCKSTEP_HTTP_PORT": str(self.port)}
        self.process: Any = None

    async def start(self) -> None:
        with self.log.open("wb") as out:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "lockstep", "serve"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self._environ,
                cwd=self.log.parent,
            )

    async def is_ready(self) -> bool:
        assert self.process.returncode is None, self.log.read_text()[-2000:]
        with contextlib.suppress(aiohttp.ClientError):
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.port}/readyz") as answer,
            ):
                return answer.status == 200
        return False

    async def post(self, path: str, body: Any, kind: str = "application/json") -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{self.port}{path}", json=body, headers={"content-type": kind}) as answer,
        ):
            assert answer.status in (200, 202), await answer.text()
            return await answer.json()

    async def end(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            await self.process.wait()


async def _until(fact: Callable[[], Awaitable[T]]) -> T:
    async with asyncio.timeout(PATIENCE_S):
        while not (value := await fact()):
            await asyncio.sleep(0.05)
        return value


@pytest.fixture
async def inbox() -> AsyncIterator[tuple[_Inbox, int]]:
    """A mail server, and its port."""
    handler = _Inbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(handler, hostname="inbox.test"), "127.0.0.1")
    yield handler, server.sockets[0].getsockname()[1]
    server.close()


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
async def test_each_step_comes_once(how, tmp_path, kafka_libs, inbox):
    """The frozen one, when it wakes up, gives its partition up with whatever it had decided."""
    mails, smtp_port = inbox
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "stock.yml").write_text(RULES)
    (rules / "routing.yml").write_text(ROUTING)
    kafka = Broker(tmp_path / "kafka", libs=kafka_libs)
    await asyncio.to_thread(kafka.start)
    await asyncio.to_thread(kafka.wait_ready)
    settings = Settings(broker=f"kafka://{kafka.address}")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LOCKSTEP_")},
        "LOCKSTEP_BROKER": settings.broker,
        "LOCKSTEP_RULES": str(rules),
        "LOCKSTEP_SMTP_PORT": str(smtp_port),
        "LOCKSTEP_CHARTS": "false",
        "LOCKSTEP_KAFKA_SESSION_TIMEOUT": "3",
        "LOCKSTEP_KAFKA_HEARTBEAT_INTERVAL": "0.5",
    }
    workers = [_Served(tmp_path, name, environ) for name in ("one", "two")]
    broker = open_broker(settings, clock=utc_now)
    await broker.start()

    async def read(topic: str) -> list[bytes]:
        values: list[bytes] = []
        with contextlib.suppress(LockstepError):
            for partition, (start, end) in (await broker.bounds(topic)).items():
                async for batch in broker.read(topic, partition, start, end):
                    values += [value for value in batch.values if value is not None]
        return values

    async def told() -> list[Decision]:
        return [d for d in map(decode_decision, await read(DECISIONS)) if d.outcome == "told"]

    try:
        await prepare(settings, broker)
        for worker in workers:
            await worker.start()
        for worker in workers:
            await _until(worker.is_ready)
        event = {"id": "1", "source": "/shop", "type": "stock.level", "time": utc_now().isoformat()}
        event["data"] = {"sku": "A-1", "available": 3}
        await workers[0].post("/v1/events", event, "application/cloudevents+json")

        async def owner_and_other() -> list[_Served]:
            # Whoever owns notify says which alerts fire.
            owns = [worker for worker in workers if '"alert fires"' in worker.log.read_text()]
            return [*owns, *(worker for worker in workers if worker not in owns)] if owns and await told() else []

        owner, other = await _until(owner_and_other)
        owner.process.send_signal(how)
        decided = await _until(lambda: _at_least(told, 3))
        if how is signal.SIGSTOP:
            owner.process.send_signal(signal.SIGCONT)
            await owner.process.wait()  # it was not there for longer than the session
        # What the other one answers, it has decided after everything that came before.
        alert = decided[0].alert_id
        answer = await other.post(f"/v1/alerts/{alert}/acknowledge", {"by": "Ben"})
        assert answer["applied"]
        assert [(d.receiver, d.reason.value) for d in await told()] == [
            ("ops", "first"),
            ("anna", "escalation"),
            ("lead", "escalation"),
        ]
        assert len(await read(DELIVERIES)) == 3
        await _until(lambda: asyncio.sleep(0, len({number for _, number in mails.mails}) == 3))
        assert {to for to, _ in mails.mails} == {"ops@example.com", "anna@example.com", "lead@example.com"}
    finally:
        for worker in workers:
            await worker.end()
        await broker.stop()
        kafka.kill()


async def _at_least(told: Callable[[], Awaitable[list[Decision]]], count: int) -> list[Decision]:
    decisions = await told()
    return decisions if len(decisions) >= count else []
