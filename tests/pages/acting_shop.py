"""A real service with a mail server and a Slack of ours behind it, and somebody who acts there without scripts."""

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
from kafka_for_tests import held_ports

from lockstep.app import Service, utc_now
from lockstep.settings import load_settings
from lockstep.tools.demo.stand_ins import HOST, Mailbox, Slack, mail_server, slack_server

RULES = """\
measures:
  stock: {last: available, of: stock.level}
rules:
  - name: LowStock
    by: [sku]
    threshold: {measure: stock, levels: {warning: {at_most: 20}, critical: {at_most: 2}}}
    say: {operations: "Order {{ labels.sku }} now: {{ value }} are left."}
"""
ROUTING = """\
teams: {operations: [mail, chat]}
schedules:
  day: {zone: Europe/London, rotations: [{who: [chat], every: 1w, from: "2026-11-02 09:00"}]}
receivers:
  mail: {email: {to: [ben@shop.example]}}
  chat: {slack: {channel: "#shop", token: {secret: BOT}}}
"""
CLOUDEVENT = {"content-type": "application/cloudevents+json"}
SIGNING = "8f742231b10e8888abcd99yyyzzz85a5"


async def until(fact, timeout_s: float = 60.0):
    """Wait for a fact by asking again."""
    async with asyncio.timeout(timeout_s):
        while not (known := fact()):
            await asyncio.sleep(0.02)
        return known


@dataclass
class Running:
    """A service with a mail server and a Slack behind it. http: somebody's browser, without scripts."""

    url: str
    service: Service
    mailbox: Mailbox
    slack: Slack
    http: aiohttp.ClientSession

    async def stock(self, sku: str, available: int) -> None:
        moment = utc_now().isoformat()
        event = {"id": moment, "source": "/shop", "type": "stock.level", "time": moment}
        body = {**event, "data": {"sku": sku, "available": available}}
        async with self.http.post(f"{self.url}/v1/events", json=body, headers=CLOUDEVENT) as answer:
            assert answer.status == 202

    async def mail_about(self, sku: str, *, after: int = 0) -> str:
        """The text of the next mail that names a sku."""

        def texts() -> list[str]:
            bodies = [mail.get_body(("plain",)) for mail in self.mailbox.mails[after:]]
            return [text for body in bodies if body is not None and sku in (text := body.get_content())]

        return (await until(texts))[0]

    async def page(self, url: str) -> str:
        async with self.http.get(url) as answer:
            assert answer.status == 200
            return await answer.text()

    async def press(self, url: str, do: str, **given: str) -> str:
        """The page that follows a button."""
        (form, *_) = re.findall(r'name="form" value="([^"]+)"', await self.page(url))
        async with self.http.post(url, data={"form": form, "do": do, **given}) as answer:
            assert answer.status == 200
            return await answer.text()

    async def press_in_slack(self, document: object, *, secret: str = SIGNING, age_s: float = 0) -> int:
        """Slack sends what somebody pressed; the status that it is answered."""
        raw = urlencode({"payload": json.dumps(document)}).encode()
        at = str(int(utc_now().timestamp() - age_s))
        sign = hmac.new(secret.encode(), b"v0:" + at.encode() + b":" + raw, hashlib.sha256).hexdigest()
        headers = {
            "X-Slack-Request-Timestamp": at,
            "X-Slack-Signature": f"v0={sign}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        async with self.http.post(f"{self.url}/v1/slack/interactions", data=raw, headers=headers) as answer:
            return answer.status


@asynccontextmanager
async def running_shop(folder: Path, *, routing: str = ROUTING) -> AsyncIterator[Running]:
    rules = folder / "rules"
    rules.mkdir()
    (rules / "stock.yml").write_text(RULES)
    (rules / "routing.yml").write_text(routing)
    (port,) = held_ports(1)
    url = f"http://{HOST}:{port}"
    async with (
        mail_server(folder / "mails") as mailbox,
        slack_server(folder / "slack", token="xoxb-1") as slack,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), trust_env=False) as http,
    ):
        settings = load_settings(
            broker=f"sqlite:///{folder}/shop.db",
            rules=rules,
            http_port=port,
            public_url=url,
            group_wait=0.05,
            charts=False,
            smtp_host=HOST,
            smtp_port=mailbox.port,
            slack_base_url=slack.url,
        )
        environ = {"LOCKSTEP_SECRET_BOT": "xoxb-1", "LOCKSTEP_SECRET_SLACK_SIGNING": SIGNING}
        service, stop = Service(settings, environ=environ), asyncio.Event()
        running = asyncio.create_task(service.run(stop))
        await until(lambda: service.judging.runtime is not None and service.judging.status().ready)
        yield Running(url, service, mailbox, slack, http)
        stop.set()
        assert await running == 0
