"""A report whose worker is killed at every step from due to sent: it comes to everybody, and as one message.

Real processes and SIGKILL: one that ends just before its time; then as soon as it is seen on the log that the report is
due, that it was composed and given, that it is written; then in the middle of its calls, at each point of them.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack, closing, suppress
from datetime import datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from zoneinfo import ZoneInfo

from channel_peers import SECRET, HttpPeer, Inbox, http_server, says, smtp_server
from kafka_for_tests import held_ports
from killed_worker import PATIENCE_S, Death, HoldingProxy, Point, Worker

from lockstep.app import utc_now

ROUTING = """\
teams: {{operations: [mail, hook], marketing: [mail]}}
receivers:
  mail: {{email: {{to: [both@example.com]}}}}
  hook: {{webhook: {{url: "http://127.0.0.1:{webhook}/hook", secret: {{secret: HOOK}}}}}}
"""
ENTRY = (
    "select count(*) from entry where stage = 'lockstep/notify' and key = cast(char(31)||'report'||char(31)||? as blob)"
)


def morning() -> tuple[str, datetime]:
    """A zone in which it is between eight and nine in the morning, and the clock there: reports are caught up with."""
    now = utc_now()
    east = (8 - now.hour + 12) % 24 - 12
    zone = f"Etc/GMT{-east:+d}" if east else "Etc/GMT"
    return zone, now.astimezone(ZoneInfo(zone))


class Log:
    """The worker's file, read from outside."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "shop.db"

    def count(self, query: str, *given: str) -> int:
        try:
            with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as log:
                return int(log.execute(query, given).fetchone()[0] or 0)
        except sqlite3.OperationalError:  # there is no file yet, or no table in it
            return 0

    def has(self, key: str) -> bool:
        """Whether a key stands on the topic of reports, or did and was taken back."""
        return bool(self.count("select count(*) from klog where key = cast(? as blob)", key))

    def length(self, topic: str) -> int:
        """How many records a topic ever had."""
        return self.count("select sum(next) from tp where topic = ?", topic)


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not fact():
            await asyncio.sleep(0.003)


async def test_a_report_survives_the_death_of_its_worker_at_every_step(tmp_path):
    """Never twice, never none: one delivery for each destination, with one id, whatever was killed."""
    zone, local = morning()
    number = f"daily/{local.date()}"
    inbox, hook, log = Inbox(), HttpPeer(says({})), Log(tmp_path)
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(http_server(hook))
        ports = {"webhook": int(base.rpartition(":")[2]), "mail": await stack.enter_async_context(smtp_server(inbox))}
        held = dict(zip(ports, held_ports(len(ports)), strict=True))
        worker = Worker(
            tmp_path,
            ROUTING.format(**held),
            LOCKSTEP_TIMEZONE=zone,
            LOCKSTEP_SMTP_HOST="127.0.0.1",
            LOCKSTEP_SMTP_PORT=str(held["mail"]),
            LOCKSTEP_SMTP_TLS="none",
            LOCKSTEP_SMTP_FROM="Lockstep <l@shop.example>",
            LOCKSTEP_SECRET_HOOK=SECRET,
        )
        death = Death(worker, calls=2)
        asked = {"webhook": (b"POST /hook", b"report.daily"), "mail": (b"DATA\r\n", b"\r\n.\r\n")}
        for channel, port in ports.items():
            first, last = asked[channel]
            proxy = HoldingProxy(death, asked=first, last=last)
            await stack.enter_async_context(proxy.listening(held[channel], to=port))
        stack.push_async_callback(worker.died)
        stack.callback(worker.kill)

        async def killed_when(fact: Callable[[], bool]) -> None:
            await worker.start()
            await until(fact)
            worker.kill()
            await worker.died()

        def reports_at(time: datetime) -> None:
            # No other kind is due meanwhile, whatever day it is.
            later = f"{local + timedelta(hours=3):%H:%M}"
            others = f'agenda: {local + timedelta(3):%a}, monthly: {{at: "{later}", to: [hook]}}'
            (tmp_path / "rules" / "shop.yml").write_text(f'report: {{daily: "{time:%H:%M}", {others}}}\n')

        # It is not due yet, and the schedule stands; then its time comes while nobody is there.
        reports_at(local + timedelta(hours=2))
        await killed_when(lambda: log.count(ENTRY, "daily") == 1)
        assert not log.has(f"due/{number}")
        reports_at(local - timedelta(minutes=2))
        await killed_when(lambda: log.has(f"due/{number}"))  # it is due
        await killed_when(lambda: log.length("lockstep.commands") >= 1)  # composed, and given
        death.comes_at(Point.CONNECTED)
        with suppress(AssertionError):  # its calls may be at the point before it is ready
            await killed_when(lambda: log.has(number))  # written, with its deliveries in the same cut
        await worker.died()
        assert log.has(number)
        assert log.length("lockstep.deliveries") == 2
        for point in Point:
            death.comes_at(point)
            with suppress(AssertionError):  # its calls may be at the point before it is ready
                await worker.start()
            await worker.died()
        await worker.start()
        await worker.settled(2)
        worker.kill()
        await worker.died()
        # Another start, and nothing more is due, written or sent.
        death.at = None
        before = len(inbox.mails), len(hook.requests), log.length("lockstep.reports")
        commands = log.length("lockstep.commands")
        await worker.start()
        await worker.fire("LAST")
        await worker.settled(4)
        assert log.length("lockstep.reports") == before[2]
        assert log.length("lockstep.commands") == commands
    mails = [message_from_bytes(mail.original_content or b"") for mail in inbox.mails]
    ids = [str(mail["Message-ID"]) for mail in mails if mail["X-Lockstep-Report"]]
    hooks = [headers["webhook-id"] for _, headers, sent in hook.requests if b"report.daily" in sent]
    assert len(set(ids)) == len(set(hooks)) == 1
    assert ids
    assert hooks
    # What a receiver had and could not answer may come once more, with its id: never a second report.
    assert len(ids) <= 3
    assert len(hooks) <= 3
