"""A report on its way: due in notify, composed, written once, sent to every destination, shown as a page."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from alert_samples import NOON
from report_samples import ACTIONS, NEWS, SIX, sample_shop
from timeline import RULES, Timeline

from lockstep.adapters.channels.apprise import title_and_body
from lockstep.adapters.channels.msteams import message_document
from lockstep.adapters.mail.leads import Leads
from lockstep.adapters.mail.letter import message_of
from lockstep.adapters.report_views.report_board import ReportBoard
from lockstep.adapters.slack_api.message_blocks import rendered
from lockstep.adapters.stream.sqlite import SqliteBroker
from lockstep.notification import Message, body_of
from lockstep.ports import Destination, Record, TopicSpec
from lockstep.reports.daily import daily
from lockstep.reports.renderings.report_markdown import markdown
from lockstep.reports.report_body import report_document, report_in, short_text
from lockstep.response.command import WriteReport
from lockstep.response.report_due import REPORTS, ReportDue, due_key
from lockstep.shop.shop_settings import ShopSettings
from lockstep.text.rfc3339 import rfc3339_of

REPORT = daily(sample_shop(campaigns=False), NEWS, ACTIONS, SIX)
DOCUMENT = report_document(REPORT)
PAGE = "https://shop.example/lockstep/reports/daily/2026-11-30"


def command(number: str = "daily/2026-11-30", **changed: Any) -> WriteReport:
    given: dict[str, Any] = {
        "id": f"report {number}",
        "by": "Lockstep",
        "way": "lockstep",
        "at": "",
        "report_id": number,
        "title": REPORT.title,
        "text": short_text(REPORT),
        "document": DOCUMENT,
    }
    return WriteReport(**{**given, **changed})


def test_the_document_is_the_report_and_its_text():
    assert report_in(DOCUMENT) == REPORT
    assert DOCUMENT["type"] == "report.daily"
    assert DOCUMENT["markdown"] == markdown(REPORT)
    assert report_in({**DOCUMENT, "data": {"mood": "calm"}}) is None


# ---- through notify -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restarts", [False, True], ids=["one stage", "a restart after every step"])
def test_through_notify_it_is_sent_once_to_everybody(restarts):
    """NOON is in London; the report is due a quarter of an hour later."""
    line = Timeline(rules=replace(RULES, shop=ShopSettings(report_at="12:15")), restarts=restarts)
    line.step(0).step(15 * 60 - 1)
    assert published(line) == []
    line.step(1)
    number = f"daily/{NOON.date()}"
    (due,) = published(line)
    assert (due["id"], due["due_at"]) == (number, rfc3339_of(NOON + timedelta(minutes=15)))
    line.step(5).feed(command(number), command(number, id="of another worker", text="another"))
    line.step(60)
    sent = [told for told in line.told if told.state == "report"]
    assert sorted(told.target for told in sent) == ["#ops", "anna@example.com", "http://127.0.0.1:9/h"]
    documents = [told.body.get("report") or told.body for told in sent]
    assert all(document == DOCUMENT for document in documents)
    first, second = line.answers[-2:]
    assert (first["applied"], second["applied"]) == (True, False)
    assert first["command"]["document"] == {}  # the audit does not repeat it
    assert published(line) == [due, DOCUMENT, None]


def published(line: Timeline) -> list[Any]:
    """What is on the topic of reports."""
    return [value and msgspec.json.decode(value) for topic, _, value in line.published if topic == REPORTS]


# ---- in channels ----------------------------------------------------------------------------------------------------


@dataclass
class Delivery:
    id: str
    body: Message
    attempts: int = 0
    created: float = 0.0
    thread: str | None = None


def message() -> Message:
    """As notify puts it on the log."""
    line = Timeline(rules=replace(RULES, shop=ShopSettings(report_at="12:15")))
    line.step(0).step(15 * 60).feed(command(f"daily/{NOON.date()}"))
    (told,) = (t for t in line.told if t.target == "anna@example.com")
    body = body_of(told.body)
    assert isinstance(body, Message)
    return body


def test_a_mail_has_the_text_and_the_page():
    delivery = Delivery("d1", message())
    destination = Destination(id="x", channel="email", target="both@shop.example", receiver="mail")
    mail = message_of(
        destination, delivery, sender="Lockstep <l@shop.example>", now=SIX.astimezone(UTC), leads=Leads(report=PAGE)
    )
    assert mail["Subject"] == REPORT.title
    assert mail["X-Lockstep-Report"] == REPORT.id
    assert mail["References"] is None
    text, html = (part.get_content() for part in mail.iter_parts())
    assert text.replace("\r\n", "\n") == markdown(REPORT)
    assert REPORT.matters[0].act in html
    assert f'href="{PAGE}"' in html


def test_slack_has_blocks_and_no_attachment():
    shown = rendered(message(), report_page=PAGE)
    assert shown.attachments == []
    assert shown.text.startswith(f"{REPORT.title}: ")
    assert shown.blocks[0]["text"]["text"] == REPORT.title
    assert PAGE in str(shown.blocks[-2])


def test_a_channel_that_shows_texts_alone_has_the_headline_and_what_matters_most():
    body = message()
    title, text = title_and_body(body, {})
    assert REPORT.title in title
    assert REPORT.matters[0].act in text
    assert REPORT.matters[0].act in message_document(body, "d1").decode()


# ---- read back ------------------------------------------------------------------------------------------------------


async def test_the_board_knows_what_is_due_and_what_was_written(tmp_path):
    broker = SqliteBroker(
        f"sqlite:///{tmp_path}/shop.db", group="lockstep", clock=lambda: datetime(2026, 11, 30, 6, tzinfo=UTC)
    )
    await broker.start()
    await broker.declare([TopicSpec(REPORTS, 1, compacted=True)])
    board = ReportBoard(broker)

    async def put(key: str, value: Any) -> None:
        raw = None if value is None else msgspec.json.encode(value)
        await broker.publish([Record(REPORTS, raw, key.encode(), 0)])
        await board.refresh()

    due = ReportDue(id=REPORT.id, kind="daily", due_at="2026-11-30T05:00:00Z", decided_at="2026-11-30T05:00:00Z")
    await put(due_key(REPORT.id), due)
    assert board.due() == [due]
    await put(REPORT.id, DOCUMENT)
    await put(due_key(REPORT.id), None)
    assert (board.due(), board.ids(), board.report(REPORT.id)) == ([], [REPORT.id], REPORT)
    assert board.latest("daily") == REPORT
    assert board.latest("daily", before=REPORT.id) is None
    await put("daily/2026-12-01", {"type": "report.daily", "data": {"of": "a newer version"}})
    assert board.report("daily/2026-12-01") is None
    await put(REPORT.id, None)
    assert board.ids() == ["daily/2026-12-01"]
    await broker.stop()
