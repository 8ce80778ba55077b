"""What an earlier version stored and published of messages is read, sent and gone on with."""

import json
from typing import Any

import msgspec
import pytest
from alert_samples import NOON
from stored_messages import STORED, arrived, attempted, go_on, notify

from lockstep.adapters.mail.mail_html import html_part
from lockstep.adapters.mail.mail_text import text_part
from lockstep.adapters.slack_api.message_blocks import plain_text, rendered
from lockstep.deliver import Deliver
from lockstep.notification import Message, body_of


def _stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(STORED.read_text())
    return found


def _read(deliveries: list[str]) -> list[dict[str, Any]]:
    return [json.loads(text) for text in deliveries]


def test_groups_that_wait_are_told_as_they_were_written():
    """Whoever upgrades at noon reads at a minute past what the version before had gathered, word for word."""
    stored = _stored()
    gone_on, expected = _read(go_on(notify(stored["notify"]))), _read(stored["then"])
    assert [d["id"] for d in gone_on] == [d["id"] for d in expected]
    for told, before in zip(gone_on[:4], expected[:4], strict=True):  # of what waited, not of what is said above it
        assert told["body"]["items"] == before["body"]["items"]
        assert told["body"].get("reason") == before["body"].get("reason")
        assert told["episodes"] == before["episodes"]


def test_without_the_groups_something_else_is_told():
    """The control: the comparison above notices a state that is not read."""
    assert _read(go_on(notify()))[:4] != _read(_stored()["then"])[:4]


def test_deliveries_on_their_way_are_attempted_as_they_were_written():
    """One a destination, each with its body; what has just failed is not tried at once."""
    stored = _stored()
    stage = Deliver()
    stage.restore({key.encode(): value.encode() for key, value in stored["deliver"].items()})
    stage.confirm()
    rows = {row["id"]: row for row in _read([v for k, v in stored["deliver"].items() if k.startswith("d")])}
    due = stage.due(NOON)
    assert [d.destination.channel for d in due] == ["webhook", "email", "slack"]
    assert [rows[d.id]["attempts"] for d in due] == [0, 0, 0]
    assert [json.loads(msgspec.json.encode(d.body)) for d in due] == [rows[d.id]["body"] for d in due]
    assert [d.severity for d in due] == ["critical", "warning", "critical"]


def test_what_stands_on_the_log_is_stored_as_it_was():
    """Deliver reads what notify of the version before has published, and would store what that version did."""
    stored = _stored()
    assert attempted([*stored["first"], *stored["then"]]) == stored["deliver"]


@pytest.mark.parametrize("without", [(), ("why", "more", "owner", "rule")], ids=["of today", "of the first version"])
def test_a_message_that_was_published_can_be_sent(without):
    """Each item with its headline and its numbers; what the first version did not write is not missed."""
    sent = 0
    for row in _read(_stored()["then"]):
        if "items" in row["body"]:
            items = [{k: v for k, v in item.items() if k not in without} for item in row["body"]["items"]]
            message = body_of({**row["body"], "items": items})
            assert isinstance(message, Message)
            for shown in (text_part(message), html_part(message), plain_text(message), str(rendered(message))):
                assert all(item.headline in shown for item in message.items)
            assert "OrderSpike" in text_part(message) or "Flapper" in text_part(message)
            sent += 1
    assert sent == 8


def test_a_message_that_is_none_is_dead_and_not_tried():
    """It could never be sent, and nobody waits for it."""
    stage = Deliver()
    row = _read(_stored()["then"])[0]
    row["body"]["items"] = [{"headline": "what else?"}]
    stage.feed(arrived([json.dumps(row)]))
    (dead,) = stage.cut().records
    assert dead.topic == "lockstep.dead-events"
    assert dict(dead.headers)["detail"].startswith(b"no delivery: Object missing required field")
    assert stage.pending == {}
