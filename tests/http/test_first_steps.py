"""A service with nothing configured: it runs, says what to do next, and goes on when there are rules."""

import asyncio
import os
import subprocess
import sys

import aiohttp
import structlog

from lockstep.app import Service
from lockstep.settings import load_settings

RULES = """\
measures: {stock: {last: available, of: stock.level}}
rules: [{name: LowStock, by: [sku], threshold: {measure: stock, at_most: 20}}]
"""


async def _read(session, url):
    """(status, text) of an answer; None while nobody listens."""
    try:
        async with session.get(url) as answer:
            return answer.status, await answer.text()
    except aiohttp.ClientError:
        return None


async def _until(fact):
    """Wait for a fact, by asking again."""
    async with asyncio.timeout(60):
        while not (answer := await fact()):
            await asyncio.sleep(0.05)
        return answer


async def test_nothing_is_configured_until_there_are_rules(tmp_path):
    """Three lines, a page that says the same, ready when a file of rules is there; other files are none."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "routing.yml").write_text("teams: {}\nreceivers: {}\n")
    (rules / "limits.csv").write_text("sku,at_most\n")
    settings = load_settings(broker=f"sqlite:///{tmp_path}/shop.db", rules=rules, http_port=0)
    with structlog.testing.capture_logs() as logs:
        service, stop = Service(settings, environ={}), asyncio.Event()
        running = asyncio.create_task(service.run(stop))
        async with aiohttp.ClientSession() as session:

            def base():
                return f"http://127.0.0.1:{service.http.port}"

            async def waits():
                return "there are no rules" in service.judging.waiting_for

            await _until(waits)
            _, page = await _read(session, f"{base()}/")
            for step in ("<code>lockstep init</code>", "<code>lockstep convert FILE --out events.ndjson</code>"):
                assert step in page
            assert f"{base()}/v1/events" in page
            status, reason = await _read(session, f"{base()}/readyz")
            assert status == 503
            assert "there are no rules in" in reason
            (rules / "stock.yml").write_text(RULES)

            async def is_ready():
                answer = await _read(session, f"{base()}/readyz")
                return answer is not None and answer[0] == 200

            await _until(is_ready)
            _, page = await _read(session, f"{base()}/")
            assert "All is well. Nothing to do." in page
            assert "lockstep init" not in page
        stop.set()
        assert await running == 0
    steps = [line["event"] for line in logs if line["event"][:3] in ("1. ", "2. ", "3. ")]
    assert len(steps) == 3
    assert f"what is put into {rules}/ is taken at once" in steps[0]


def test_the_folder_that_nobody_named_is_made(tmp_path):
    """`lockstep serve` in an empty folder is no error; what is written there later is noticed."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LOCKSTEP_")}
    with (tmp_path / "log").open("wb") as log:
        service = subprocess.Popen(
            [sys.executable, "-m", "lockstep", "serve", "--http-port", "0"],
            cwd=tmp_path,
            env=environ,
            stderr=log,
        )
    try:
        with (tmp_path / "log").open(encoding="utf-8") as said:
            text = ""
            while "3. send events" not in text:
                assert service.poll() is None, text
                text += said.readline()
    finally:
        service.terminate()
        assert service.wait(60) == 0
    assert (tmp_path / "rules").is_dir()
