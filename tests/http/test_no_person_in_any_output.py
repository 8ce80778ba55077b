"""Personal data in every free field of every event, through the real service: nothing of it stands in any output.

What is asked is everything that the service answers, whatever is added later; what it sends to mail, Slack and
webhooks; what it writes on its topics, and its log. What colleagues write themselves is shown to colleagues.
"""

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from test_report_service import SECRET, morning
from test_server import until

from lockstep.adapters.stream.log import SHIFT
from lockstep.app import Service, utc_now
from lockstep.settings import load_settings
from lockstep.text.personal_data import FREE_TEXT, PERSONAL
from lockstep.tools.demo.stand_ins import HOST, Hook, Mailbox, Slack, hook_server, mail_server, slack_server
from lockstep.tools.published_schemas import EXAMPLE_DATA

PERSON = "Erika Mustermann"
SHAPES = (
    "erika.mustermann@example.com",
    "+49 171 5550123",
    "Heidestrasse 17",
    "DE89 3704 0044 0532 0130 00",
    "4111 1111 1111 1111",
)
"""How one reaches a person, and where they live and pay."""
ALL = f"{PERSON}, {', '.join(SHAPES)}"
LETTER = f"I am {PERSON} and I have waited for my parcel since last week, where is it, please call me"
TRACES = ("Erika", "Mustermann", "mustermann@", "5550123", "Heidestr", "3704 0044", "4111 1111")
"""What must stand nowhere."""
SOURCE = f"/shop/{SHAPES[0]}"
EVENT_ID = re.compile(rf"{re.escape(SOURCE)} [0-9]+ {re.escape(ALL)}")
OF_PERSONS = ("customer", "visitor", "cart_id", "checkout_id", "landing", "order_id")
"""Fields that are of one person or one order: no label can be made of them."""
FIXED = ("currency", "status", "action", "expires_on", "expected_on", "starts", "ends", "country", "name", "topic")
"""Fields whose values are given, and the name of a system."""
WRITTEN = ("theme", "reason")

NOTE = "Ben Kollege, ben.kollege@example.org, has called the 3PL"
"""What a colleague writes."""

RULES = """\
measures:
  orders: {count: order.placed}
  cancelled: {count: order.cancelled}
  shipped: {count: order.shipped}
  returns: {count: order.returned}
  refunds: {count: order.refunded}
  failed: {count: payment.failed}
  feedback: {count: feedback.received}
  sessions: {count: traffic.session}
  clicks: {count: ad.clicked}
  listed: {count: product.listed}
  lots: {count: stock.lot}
  receipts: {count: stock.receipt}
  suppliers: {count: supplier.updated}
  stock: {last: available, of: stock.level}
rules:
  - {name: Orders, by: [channel, campaign, note, sku], threshold: {measure: orders, window: 1h, at_least: 1},
     say: {summary: "{{ labels.note }} {{ labels.campaign }} {{ campaigns }} {{ campaigns_ahead }}"}}
  - {name: Cancelled, by: [reason], threshold: {measure: cancelled, window: 1h, at_least: 1}}
  - {name: Shipped, by: [carrier, location], threshold: {measure: shipped, window: 1h, at_least: 1}}
  - {name: Returns, by: [reason, sku], threshold: {measure: returns, window: 1h, at_least: 1}}
  - {name: Refunds, by: [reason], threshold: {measure: refunds, window: 1h, at_least: 1}}
  - {name: Failed, by: [method, provider, reason], threshold: {measure: failed, window: 1h, at_least: 1}}
  - {name: Feedback, by: [theme], threshold: {measure: feedback, window: 1h, at_least: 1}}
  - {name: NewTheme, by: [theme], new_value: {label: theme, measure: feedback, in: 30d}}
  - {name: Sessions, by: [channel, campaign], threshold: {measure: sessions, window: 1h, at_least: 1}}
  - {name: Clicks, by: [campaign], threshold: {measure: clicks, window: 1h, at_least: 1}}
  - {name: Listed, by: [category, supplier], threshold: {measure: listed, window: 1h, at_least: 1}}
  - {name: Lots, by: [lot], threshold: {measure: lots, window: 1h, at_least: 1}}
  - {name: Receipts, by: [purchase_order], threshold: {measure: receipts, window: 1h, at_least: 1}}
  - {name: Suppliers, by: [supplier], threshold: {measure: suppliers, window: 1h, at_least: 1}}
  - {name: Stock, by: [sku, location], threshold: {measure: stock, at_most: 1000}}
  - {name: Room, threshold: {measure: room_left, at_most: 100000000}}
  - {name: Cover, by: [sku], threshold: {measure: days_of_cover, at_most: 365}}
"""
ROUTING = """\
teams: {marketing: [mail, chat, hook], operations: [mail, chat, hook]}
promotions: {to: hook}
receivers:
  mail: {email: {to: [team@shop.example]}}
  chat: {slack: {channel: "#shop", token: {secret: BOT}}}
  hook: {webhook: {url: "URL", secret: {secret: HOOK}}}
"""
SHOP = 'currency: GBP\nreport: {{daily: "{}"}}\npacks: [returns, feedback, promotions]\n'
CALENDAR = "pr: [{name: Fair in Berlin, on: 12-24}]\n"
TOPICS = ("orders", "traffic", "inventory", "plans", "lockstep.dead-events")
"""What is taken in, and what was refused of it, for operators."""


def _typed(data: Mapping[str, Any], shape: str) -> dict[str, Any]:
    """An event's data as it comes from forms that are filled in carelessly."""

    def of(name: str, value: Any) -> Any:
        match value:
            case dict():
                return {key: of(key, one) for key, one in value.items()}
            case list():
                return [of(name, one) for one in value]
            case str() if name in FIXED:
                return value
            case str() if name in OF_PERSONS:
                return f"{value} {ALL}"
            case str() if name in WRITTEN and shape == LETTER:
                return LETTER
            case str():
                return value if shape == LETTER else f"{value} {shape}"
            case _:
                return value

    typed = {name: of(name, value) for name, value in data.items()}
    if "lines" in typed:
        typed["lines"] = [{**line, "note": ALL} for line in typed["lines"]]
    return typed | {"note": f"{shape} {ALL}", "email": SHAPES[0], "phone": SHAPES[1], "address": {"street": ALL}}


def _events() -> Iterator[dict[str, Any]]:
    """Two hours of every type of event, with each shape, and some as they should be."""
    now = utc_now()
    number = 0
    for minutes in (130, 100, 70, 40, 20, 12, 1):
        for kind, data in EXAMPLE_DATA.items():
            for shape in ("", LETTER, *SHAPES):
                number += 1
                shown = _typed(data, shape) if shape else dict(data)
                if "starts" in shown:
                    shown |= {
                        "starts": f"{now - timedelta(hours=3):%FT%TZ}",
                        "ends": f"{now + timedelta(days=2):%FT%TZ}",
                    }
                yield {
                    "specversion": "1.0",
                    "id": f"{number} {ALL}",
                    "source": SOURCE,
                    "subject": ALL,
                    "type": kind,
                    "time": f"{now - timedelta(minutes=minutes):%FT%T}.{number % 1000:03}Z",
                    "data": shown,
                }


@dataclass
class Said:
    """All that a service gave out: (what it is, its text)."""

    service: Service
    mailbox: Mailbox
    slack: Slack
    hook: Hook
    answers: dict[str, str] = field(default_factory=dict)
    records: list[tuple[str, str]] = field(default_factory=list)
    log: str = ""

    def everything(self) -> Iterator[tuple[str, str]]:
        yield from self.answers.items()
        yield from self.records
        for mail in self.mailbox.mails:
            yield "a mail's head", str(mail.items())
            for part in mail.walk():
                if part.get_content_maintype() == "text":
                    yield f"a mail as {part.get_content_type()}", part.get_content()
        yield "Slack", json.dumps([self.slack.messages, self.slack.responses], ensure_ascii=False)
        for body in self.hook.received.values():
            yield f"a webhook of {body['type']}", json.dumps(body, ensure_ascii=False)
        yield "the log", self.log


async def _ask_all(base: str, session: aiohttp.ClientSession, service: Service, said: Said) -> None:
    """Every path that answers a GET, of every alert, report and campaign that there is."""

    async def ask(path: str, **query: str) -> str:
        async with session.get(f"{base}{path}", params=query, allow_redirects=False) as answer:
            assert answer.status < 500, (path, await answer.text())
            text = await answer.text(errors="replace")
            said.answers[f"GET {path} {query or ''} ({answer.status})"] = text
            return text if answer.status == 200 else ""

    alerts = json.loads(await ask("/v1/alerts", state="all"))["alerts"]
    numbers = [alert["alert_id"] for alert in alerts]
    reports = [*service.reports.ids()]
    plans = [quote(name, safe="") for name in service.shop_board.shop.plans]
    known = {
        "/alerts/{id}": numbers,
        "/v1/alerts/{id}": numbers,
        "/v1/alerts/{id}/chart.svg": numbers,
        "/v1/alerts/{id}/chart.png": numbers[:2],
        "/reports/{kind}/{name}": reports,
        "/v1/reports/{kind}/{name}": reports,
        "/v1/campaigns/{campaign}": plans,
    }
    for path in service.http.paths:
        head, brace, _ = path.partition("{")
        tail = path.rpartition("}")[2] if brace else ""
        if path == "/today/live":
            continue
        for name in known.get(path, ()) if brace else ("",):
            await ask(f"{head}{name}{tail}")
    for number in numbers:
        page = said.answers[f"GET /alerts/{number}  (200)"]
        for place in set(re.findall(r"\.\./((?:chart|look)/[^\"\s]+)", page)):
            await ask(f"/{place}")
        for path in ("/v1/timeline", "/timeline"):
            await ask(path, alert=number, format="md")
            await ask(path, alert=number)
        for path in ("/v1/explain", "/v1/why"):
            await ask(path, what=number)
            await ask(path, alert=number)
    span = {"from": f"{utc_now() - timedelta(hours=12):%FT%TZ}", "to": f"{utc_now():%FT%TZ}"}
    for form in ("json", "md"):
        assert await ask("/v1/timeline", format=form, **span)
        await ask("/timeline", format=form, **span)
    await ask("/today", screen="wall")
    for place in set(re.findall(r"/calendar\.ics[^\"<\s]*", said.answers["GET /today  (200)"])):
        await ask(place.replace("&amp;", "&"))
    assert await ask("/calendar.ics", oncall="true")
    async with session.get(f"{base}/today/live") as live:
        said.answers["GET /today/live"] = (await live.content.readuntil(b"\n\n")).decode()


def _records(path: str) -> Iterator[tuple[str, str]]:
    """What stands on the topics that are no input. An event's own id goes with its values from meter to judge."""
    with sqlite3.connect(path) as database:
        topics = dict(database.execute("select id, topic from tp"))
        for partition, table in ((f"id >> {SHIFT}", "log"), ("tp", "klog")):
            for number, key, value in database.execute(f"select {partition}, key, value from {table}"):
                if topics[number] not in TOPICS:
                    raw = (bytes(key or b"") + b" " + bytes(value or b"")).decode("utf-8", errors="replace")
                    if topics[number] == "lockstep.samples":
                        raw = EVENT_ID.sub("", raw)
                    yield f"a record of {topics[number]}", raw


async def _give(base: str, session: aiohttp.ClientSession, path: str, **body: Any) -> tuple[int, str]:
    async with session.post(f"{base}{path}", json=body) as answer:
        return answer.status, await answer.text()


@pytest.fixture
async def said(tmp_path, capfd):
    """A service that was told of many people, and all that it said."""
    rules = tmp_path / "rules"
    rules.mkdir()
    zone, local = morning()
    for name, text in {
        "labels.yml": RULES,
        "calendar.yml": CALENDAR,
        "shop.yml": SHOP.format(f"{local + timedelta(hours=9):%H:%M}"),
    }.items():
        (rules / name).write_text(text)
    async with AsyncExitStack() as stack:
        mailbox = await stack.enter_async_context(mail_server(tmp_path / "mails"))
        slack = await stack.enter_async_context(slack_server(tmp_path / "slack", token="xoxb-1"))
        heard: list[dict[str, Any]] = []
        hook = await stack.enter_async_context(hook_server(tmp_path / "hook", secret=SECRET, on_alert=heard.append))
        (rules / "routing.yml").write_text(ROUTING.replace("URL", hook.url))
        settings = load_settings(
            broker=f"sqlite:///{tmp_path}/shop.db",
            rules=rules,
            http_port=0,
            timezone=zone,
            public_url="https://alerts.example",
            group_wait=0.2,
            smtp_host=HOST,
            smtp_port=mailbox.port,
            smtp_tls="none",
            smtp_from="Lockstep <lockstep@shop.example>",
            slack_base_url=slack.url,
            idle_after=1,
            lateness=1,
        )
        service = Service(settings, environ={"LOCKSTEP_SECRET_HOOK": SECRET, "LOCKSTEP_SECRET_BOT": "xoxb-1"})
        stop = asyncio.Event()
        running = asyncio.create_task(service.run(stop))

        async def is_ready() -> bool:
            return service.judging.runtime is not None and service.judging.status().ready

        await until(is_ready, 60)
        base = f"http://{HOST}:{service.http.port}"
        result = Said(service, mailbox, slack, hook)
        session = await stack.enter_async_context(aiohttp.ClientSession(trust_env=False))
        headers = {"content-type": "application/cloudevents-batch+json"}
        events = [*_events()]
        for first in range(0, len(events), 200):
            batch = json.dumps(events[first : first + 200]).encode()
            async with session.post(f"{base}/v1/events", data=batch, headers=headers) as posted:
                assert posted.status == 202, await posted.text()

        async def is_told() -> bool:
            shop, rules_told = service.shop_board.shop, {a.rule for a in service.board.open()}
            is_known = bool(PERSONAL in shop.products and shop.plans and slack.messages and hook.received)
            labels = {value for t in service.board.latest_of_each() for value in t.labels.values()}
            is_labelled = {PERSONAL, FREE_TEXT, "sizing", "A-1"} <= labels
            return is_known and is_labelled and {"Room", "Cover", "Orders", "Feedback", "Stock", "Lots"} <= rules_told

        await until(is_told, 120)
        # Facts reach that minute: a report of a later one would wait for them.
        due = datetime.fromisoformat(service.shop_board.shop.upto).astimezone(local.tzinfo)
        (rules / "shop.yml").write_text(SHOP.format(f"{due:%H:%M}"))
        status, text = await _give(base, session, "/v1/rules/reload")
        assert status == 200, text

        async def is_reported() -> bool:
            mails = [mail for mail in mailbox.mails if str(mail["X-Lockstep-Report"]).startswith("daily/")]
            is_sent = bool(mails) and "report.daily" in {body["type"] for body in hook.received.values()}
            return is_sent and bool(service.reports.ids("daily"))

        await until(is_reported, 60)
        (alert, *_) = (a.alert_id for a in service.board.open() if a.rule == "Stock")  # no time that passes ends it
        for path, body in (
            (f"/v1/alerts/{alert}/acknowledge", {"note": NOTE, "by": "Ben"}),
            (f"/v1/alerts/{alert}/note", {"text": NOTE, "by": "Ben"}),
            ("/v1/silences", {"matchers": ["rule=Clicks"], "comment": NOTE, "by": "Ben", "for": "1h"}),
            ("/v1/actions", {"text": NOTE, "assignee": "Ben", "by": "Ben"}),
        ):
            status, text = await _give(base, session, path, **body)
            assert status < 300, (path, text)
        plan = {"starts": f"{utc_now():%FT%TZ}", "ends": f"{utc_now() + timedelta(days=1):%FT%TZ}", "skus": ["A-1"]}
        assert (await _give(base, session, "/v1/campaigns", campaign="SPRING", **plan))[0] < 300
        for shape in SHAPES:
            for odd in ({"campaign": f"SPRING {shape}"}, {"campaign": "SPRING", "skus": [shape]}):
                status, text = await _give(base, session, "/v1/campaigns", **plan | odd)
                assert (status, shape in text) == (400, False)
        await _ask_all(base, session, service, result)
        stop.set()
        assert await running == 0
        result.records += _records(f"{tmp_path}/shop.db")
        result.log = "\n".join(capfd.readouterr())
        yield result


async def test_nothing_of_a_person_is_said(said):
    """By any page, answer, message, report, record or line of the log; what a colleague wrote goes to no program."""
    leaks: dict[str, set[str]] = {}
    for what, text in said.everything():
        for trace in TRACES:
            if trace in text:
                where = text.index(trace)
                leaks.setdefault(f"{what}: {trace}", set()).add(text[max(0, where - 80) : where + 60])
    assert leaks == {}
    # Otherwise nothing could come out.
    labels = {value for t in said.service.board.latest_of_each() for value in t.labels.values()}
    assert {PERSONAL, FREE_TEXT, "sizing", "A-1"} <= labels
    assert PERSONAL in said.service.shop_board.shop.products
    assert any(path.startswith("GET /reports/daily/") and "(200)" in path for path in said.answers)
    shown = {path for path, text in said.answers.items() if "ben.kollege" in text}
    assert any(path.startswith("GET /alerts/") for path in shown)
    assert not [body for body in said.hook.received.values() if "ben.kollege" in json.dumps(body)]
