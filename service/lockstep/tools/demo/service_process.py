"""The demo's service: a process of its own, in a folder of its own, with the shop's clock and the demo's receivers."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp

from lockstep.adapters.rule_files import calendar_file, rule_files, shop_file
from lockstep.errors import LockstepError
from lockstep.text.rfc3339 import rfc3339_of
from lockstep.tools.demo.stand_ins import HOST, Mailbox, Slack
from lockstep.tools.retail import ZONE

GROUP_WAIT_S = 0.05
"""How long the service gathers for people; ten seconds in real life, too long for somebody who watches."""
START_S = 60.0
CLOCK_S = 60.0
SHOP_FILE = Path(__file__).parent / "data" / "shop.yml"
"""What the shop says of itself, where the folder that is shown has no shop.yml."""
MARKETING, OPERATIONS = "marketing@shop.example", "operations@shop.example"
ROUTING = """\
teams:
  marketing: [marketing-mail, shop-slack, shop-hook]
  operations: [operations-mail, shop-slack, shop-hook]
receivers:
  marketing-mail: {{email: {{to: [{marketing}]}}}}
  operations-mail: {{email: {{to: [{operations}]}}}}
  shop-slack: {{slack: {{channel: "#shop", token: {{secret: DEMO_SLACK}}}}}}
  shop-hook: {{webhook: {{url: "{hook}", secret: {{secret: DEMO_HOOK}}}}}}
"""


class DemoError(LockstepError):
    """The demo could not be shown: something that it needs is missing, or the service did not do its part."""


def write_rules(rules: Path, folder: Path, hook: str) -> None:
    """The shipped rules, with a routing that leads to the receivers of the demo."""
    folder.mkdir()
    beside = (calendar_file([rules]), shop_file([rules]) or SHOP_FILE)
    for file in [*rule_files([rules]), *(file for file in beside if file is not None)]:
        shutil.copy(file, folder / file.name)
    routing = ROUTING.format(marketing=MARKETING, operations=OPERATIONS, hook=hook)
    (folder / "routing.yml").write_text(routing, encoding="utf-8")


def environment(folder: Path, *, mailbox: Mailbox, slack: Slack, token: str, secret: str) -> dict[str, str]:
    """The service's environment: nothing of the caller's own settings reaches the demo, and nothing of it the world."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCKSTEP_")}
    port = _free_port()
    return kept | {
        "LOCKSTEP_BROKER": f"sqlite:///{folder / 'lockstep.db'}",
        "LOCKSTEP_RULES": str(folder / "rules"),
        "LOCKSTEP_TIMEZONE": str(ZONE),
        "LOCKSTEP_HTTP_HOST": HOST,
        "LOCKSTEP_HTTP_PORT": str(port),
        "LOCKSTEP_PUBLIC_URL": f"http://{HOST}:{port}",
        "LOCKSTEP_LOG_FORMAT": "json",
        "LOCKSTEP_GROUP_WAIT": str(GROUP_WAIT_S),
        "LOCKSTEP_SMTP_HOST": HOST,
        "LOCKSTEP_SMTP_PORT": str(mailbox.port),
        "LOCKSTEP_SMTP_FROM": "lockstep@shop.example",
        "LOCKSTEP_SLACK_BASE_URL": slack.url,
        "LOCKSTEP_SECRET_DEMO_SLACK": token,
        "LOCKSTEP_SECRET_DEMO_HOOK": secret,
    }


def _free_port() -> int:
    """A port that nobody has: links in messages name it before the service listens."""
    with socket.socket() as sample:
        sample.bind((HOST, 0))
        port: int = sample.getsockname()[1]
        return port


@dataclass
class ServiceProcess:
    """log: what it says. begins, begun_s: what its clock showed when it was set last, and when that was, by our own."""

    url: str
    log: Path
    begins: datetime
    begun_s: float
    _process: asyncio.subprocess.Process

    @property
    def now(self) -> datetime:
        """What its clock shows, or a moment before: it was set before it said so."""
        return self.begins + timedelta(seconds=asyncio.get_running_loop().time() - self.begun_s)

    async def set_clock(self, to: datetime) -> None:
        """Have its clock show another time. Raises DemoError where it does not."""
        assert self._process.stdin is not None
        said = rfc3339_of(to)
        self._process.stdin.write(f"{said}\n".encode())
        await self._process.stdin.drain()
        is_set = re.compile(rf'"to": ?"{re.escape(said)}"')
        await until(lambda: is_set.search(self.log.read_text(encoding="utf-8")) is not None, "its clock", CLOCK_S)
        self.begins, self.begun_s = to, asyncio.get_running_loop().time()


async def until(is_so: Callable[[], bool], what: str, within_s: float) -> None:
    """Wait for a fact. what: it is, for who is told that it did not come. Raises DemoError after so many seconds."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                if is_so():
                    return
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise DemoError(f"{what} did not come within {within_s:g} s") from error


@asynccontextmanager
async def service(folder: Path, environ: Mapping[str, str], clock: datetime) -> AsyncIterator[ServiceProcess]:
    """The service, ready; ended with the block. clock: what its clock shows at first."""
    log = folder / "serve.log"
    begun_s = asyncio.get_running_loop().time()
    command = (sys.executable, "-m", "lockstep", "demo-service", rfc3339_of(clock))
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=said, stderr=said, env=dict(environ), cwd=folder
        )
    try:
        try:
            async with asyncio.timeout(START_S):
                url = await _ready(process, log)
        except TimeoutError as error:
            raise DemoError(f"the service was not ready after {START_S:g} s; see {log}") from error
        running = ServiceProcess(url, log, clock, begun_s, process)
        # Its clock began at some moment of its start: set, we know what it shows. It is never set back.
        await running.set_clock(running.now)
        yield running
    finally:
        await _ended(process)


async def _ready(process: asyncio.subprocess.Process, log: Path) -> str:
    async with aiohttp.ClientSession(trust_env=False) as session:
        while True:
            if process.returncode is not None:
                raise DemoError(f"the service ended with {process.returncode} while it started; see {log}")
            urls = _listening(log)
            if urls:
                url = urls[0]
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{url}/readyz") as answer:
                        if answer.status == 200:
                            return url
            await asyncio.sleep(0.05)


def _listening(log: Path) -> re.Match[str] | None:
    """Where the service says that it listens."""
    return re.search(rf"http://{re.escape(HOST)}:\d+", log.read_text(encoding="utf-8"))


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 10.0)
        except TimeoutError:
            process.kill()
            await process.wait()
