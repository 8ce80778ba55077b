"""Slack: what is shown, what can never be smuggled in, and where the token never goes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from channel_peers import (
    ENVIRON,
    NOW,
    HttpPeer,
    Letter,
    answers,
    body,
    http_server,
    item,
    mixed,
    says,
    slack_blocks,
    slack_text,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from message_states import MEANING, TO_DO, states
from msgspec.structs import replace
from slack_sdk.models.blocks import Block

from lockstep.adapters.channels import secrets_from
from lockstep.adapters.channels.slack import SlackChannel
from lockstep.adapters.slack_api.message_blocks import plain_text
from lockstep.errors import DeliveryError
from lockstep.notification import Item, Picture
from lockstep.ports import Destination

GOLDEN = Path(__file__).parent / "golden"
OPS = Destination("d", "slack", "#ops", "ops", {"token": "SLACK"})


async def _sent(letter: Letter) -> tuple[str, dict[str, str], dict[str, object]]:
    """(path, headers, arguments) as Slack got them."""
    peer = HttpPeer(says({"ok": True, "ts": "171.5", "channel": "C1"}))
    async with http_server(peer) as url:
        channel = SlackChannel(secrets_from(ENVIRON), base_url=f"{url}/api/")
        await channel.send(OPS, letter, now=NOW)
        await channel.close()
    ((path, headers, raw),) = peer.requests
    return path, headers, json.loads(raw)


async def test_a_message_is_posted_once_with_its_id():
    """chat.postMessage with the bot's token; the delivery's id travels along."""
    path, headers, arguments = await _sent(Letter("l1", body()))
    assert path == "/api/chat.postMessage"
    assert headers["authorization"] == "Bearer xoxb-test"
    assert arguments["channel"] == "#ops"
    assert arguments["metadata"] == {"event_type": "lockstep_alert", "event_payload": {"delivery_id": "l1"}}
    assert "thread_ts" not in arguments


@pytest.mark.parametrize(("state", "broadcast"), [("resolved", None), ("severity", True)])
async def test_what_answers_goes_into_the_thread(state, broadcast):
    """The end is said in the thread; worse news is shown in the channel as well."""
    changed = {"severity": "critical"} if state == "severity" else {}
    _, _, arguments = await _sent(Letter("l1", body(item(state, **changed)), thread="171.1"))
    assert arguments["thread_ts"] == "171.1"
    assert arguments.get("reply_broadcast") == broadcast


def test_what_people_read():
    """One of each kind, whole."""
    assert f"{plain_text(mixed())}\n===\n{slack_text(mixed())}\n" == (GOLDEN / "slack-mixed.txt").read_text()


@settings(deadline=None)
@given(
    texts=st.dictionaries(st.text(min_size=1, max_size=60), st.text(max_size=1000), max_size=6),
    headline=st.text(max_size=300),
    count=st.integers(1, 30),
)
def test_slack_s_limits_are_kept(texts, headline, count):
    """Slack's own models accept every block, and their sum stays below what Slack takes."""
    items = [
        item(texts=texts, headline=headline, runbook="https://x.example/" + "y" * 90, episode_id=f"e{n}")
        for n in range(count)
    ]
    pages = {f"e{n}": "https://alerts.example/act/" + "z" * 160 for n in range(count)}
    shown = slack_blocks(body(*items), pages=pages)
    assert len(shown) <= 50
    assert len({block["block_id"] for block in shown if "block_id" in block}) == len(shown)
    for block in shown:
        parsed = Block.parse(block)
        assert parsed is not None
        parsed.validate_json()
    assert len(slack_text(body(*items), pages=pages)) + 170 * min(count, 8) <= 12_000
    assert len(plain_text(body(item(headline=headline)))) <= 4_000


@pytest.mark.parametrize("text", ["<!channel> now", "<@U123>", "@here", "<https://evil.example|our shop>", "a & b"])
def test_labels_cannot_speak(text):
    """Nobody is called and no link is made by what an event says."""
    shown = slack_text(body(item(texts={"marketing": text}, headline=text)))
    assert "<" not in shown
    assert "@here" not in shown
    assert shown.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").count("&") == 0
    assert "<" not in plain_text(body(item(headline=text)))


NO = "\u200b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("~strike~", "∼strike∼", id="struck through"),
        pytest.param("*_x_*", "∗ˍxˍ∗", id="bold and italic"),
        pytest.param("`code`", "ˋcodeˋ", id="code"),
        pytest.param(":tada: ndjson:100:", f":{NO}tada: ndjson:{NO}100:", id="emoji"),
        pytest.param("@here", f"@{NO}here", id="a mention"),
        pytest.param("<!channel>", "&lt;!channel&gt;", id="a mention of Slack's own form"),
        pytest.param("> said", f"{NO}&gt; said", id="a quote"),
        pytest.param("http://evil.example/x", "http://evil.example/x", id="an address, which verbatim keeps a text"),
        pytest.param("A_B-C*D~E", "A_B-C*D~E", id="within a word nothing is markup, and a sku can be copied"),
        pytest.param("12:00:30", "12:00:30", id="a time"),
        pytest.param("06:00-22:00", "06:00-22:00", id="hours"),
    ],
)
def test_labels_are_shown_as_they_are(text, shown):
    """No sign of a label is markup: it is kept where Slack reads nothing into it, else one that looks like it stands
    there, or one that cannot be seen beside it."""
    message = body(item(texts={"marketing": f"{text}"}, headline=f"{text} x"))
    for block in slack_blocks(message):
        texts = [block["text"]] if "text" in block else block["elements"]
        assert all(one.get("verbatim", one.get("type") == "button") for one in texts)
    first, whose, said, *_ = slack_text(message).split("\n")
    assert first == f":large_orange_circle: *Warning: {shown.removeprefix(NO)} x*"
    assert (whose, said) == ("For marketing", shown)


def test_what_to_do_stands_out():
    """In bold, behind its team; what means the same to both is said once, below."""
    lines = slack_text(states()["translated"]).split("\n")
    said = [line for line in lines[lines.index(f"*Marketing: {TO_DO['marketing']}*") :] if line]
    assert said[1:3] == [f"*Operations: {TO_DO['operations']}*", MEANING]
    assert MEANING not in said[3:]


def test_of_several_the_worst_one_can_be_taken_on_and_all_are_behind_one_button():
    """Sixteen buttons would be none; each title leads to its page."""
    items = [item(channel=f"c{n}") for n in range(4)]
    pages = {one.episode_id: f"https://a.example/act/{one.episode_id}" for one in items}
    message = body(replace(items[0], severity="critical"), *items[1:], overview="https://a.example/")
    rows = [block["elements"] for block in slack_blocks(message, pages=pages) if block["type"] == "actions"]
    assert [button["text"]["text"] for row in rows for button in row] == ["I'm on it", "See all 4"]
    head, first, *_ = slack_text(message, pages=pages).split("\n")
    assert head == "*4 alerts: 1 critical, 3 warnings*"
    assert first.startswith(":red_circle: *<https://a.example/act/episode-c0|Critical: ")


def test_of_very_many_what_to_do_is_said_of_the_worst():
    """The others are there, with their page behind them."""
    items = [
        replace(item(channel=f"c{n}"), texts={"operations": f"Do {n}."}, to_do={"operations": f"Do {n}."})
        for n in range(7)
    ]
    shown = slack_text(body(*items))
    assert [n for n in range(7) if f"Do {n}." in shown] == [0, 1, 2]
    assert all(f"OrderSpike, c{n}" in shown for n in range(7))


def test_a_lock_screen_shows_what_happened_whose_it_is_and_what_to_do():
    """In this order, as it is cut from the end."""
    one = item(teams=("operations",), headline="47566 is sold out", texts={"operations": "Call in hands."})
    shown = plain_text(body(replace(one, to_do={"operations": "Call in hands."})))
    assert shown == "Warning: 47566 is sold out. Operations: Call in hands."


def test_several_rules_are_not_called_by_one_of_them():
    """What comes together in a storm, and what is of one rule: people count alerts."""
    one = item()
    for rule in ("OrderSpike", "LowStock"):
        assert slack_text(body(one, replace(one, rule=rule, episode_id="e2"))).startswith("*2 alerts: 2 warnings*")


def test_only_what_is_ours_is_a_link():
    """The runbook and where more is said; nothing ends such a link early."""
    shown = item(runbook="https://shop.example/run|book>?a=1&b=2")
    text = slack_text(body(replace(shown, more="https://alerts.example/v1/explain?what=a")))
    assert "<https://shop.example/run%7Cbook%3E?a=1&amp;b=2|What to do, step by step>\n" in text
    assert "More: <https://alerts.example/v1/explain?what=a>\n" in text


async def test_the_token_goes_nowhere_else(monkeypatch):
    """Redirects end there, and the environment's proxies see nothing: the library would use both."""
    elsewhere = HttpPeer(says({"ok": True, "ts": "1"}))
    async with http_server(elsewhere) as other:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, other)
        peer = HttpPeer(answers(307, Location=f"{other}/api/chat.postMessage"))
        async with http_server(peer) as url:
            channel = SlackChannel(secrets_from(ENVIRON), base_url=f"{url}/api/")
            with pytest.raises(DeliveryError, match="redirects are not followed"):
                await channel.send(OPS, Letter("l1", body()), now=NOW)
            await channel.close()
    assert len(peer.requests) == 1
    assert elsewhere.requests == []


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_one_attempt_is_one_request(status):
    """The library's own retries would post twice and wait inside the lane."""
    peer = HttpPeer(answers(status, Retry_After="1"))
    async with http_server(peer) as url:
        channel = SlackChannel(secrets_from(ENVIRON), base_url=f"{url}/api/")
        with pytest.raises(DeliveryError):
            await channel.send(OPS, Letter("l1", body()), now=NOW)
        await channel.close()
    assert len(peer.requests) == 1


PNG = b"\x89PNG chart"


class Drawn:
    """ports.Pictures: every item has this one."""

    async def of(self, item: Item) -> Picture | None:
        return Picture(PNG, None, "62 where 20 is the usual")

    async def of_report(self, document: Mapping[str, Any]) -> dict[str, Picture]:
        return {"yesterday/orders": Picture(PNG, None, "Orders, the oldest first: 96, 128")}

    async def close(self) -> None:
        pass


async def _with_chart(behave, letter: Letter) -> tuple[HttpPeer, str | None]:
    """(what Slack was asked, the reference of the message) of a message whose chart has been added, or could not be."""
    peer = HttpPeer(behave)
    async with http_server(peer) as url:
        channel = SlackChannel(secrets_from(ENVIRON), base_url=f"{url}/api/", pictures=Drawn())
        try:
            sent = await channel.send(OPS, letter, now=NOW)
            assert await channel.added(within_s=60)
        finally:
            await channel.close()
    return peer, sent.reference


def _slack(asked: dict[str, dict[str, str]] | None = None, **changed):
    """Slack's answers to the three calls of a file; changed: method → answer. asked: method → what stood behind the
    `?`, where the library puts the arguments of these."""

    async def behave(request: web.Request) -> web.StreamResponse:
        method = request.path.rpartition("/")[2]
        if asked is not None:
            asked[method] = dict(request.query)
        if method in changed:
            status, answer = changed[method]
            return web.json_response(answer, status=status)
        if method == "files.getUploadURLExternal":
            place = str(request.url.origin() / "upload" / "here")
            return web.json_response({"ok": True, "upload_url": place, "file_id": "F1"})
        return web.json_response({"ok": True, "ts": "171.5", "channel": "C1", "files": []})

    return behave


@pytest.mark.parametrize(("thread", "expected"), [(None, "171.5"), ("171.1", "171.1"), ("C1/171.1", "171.1")])
async def test_the_chart_goes_into_the_thread_of_its_message(thread, expected):
    """After the message, by the three calls of a file; the bytes go without the token."""
    asked: dict[str, dict[str, str]] = {}
    peer, reference = await _with_chart(_slack(asked), Letter("l1", body(), thread=thread))
    edits = ("/api/conversations.history", "/api/chat.update")
    assert [path for path, _, _ in peer.requests if path not in edits] == [
        *("/api/chat.postMessage", "/api/files.getUploadURLExternal", "/upload/here"),
        "/api/files.completeUploadExternal",
    ]
    assert reference == "C1/171.5"
    (_, headers, raw) = next(asked for asked in peer.requests if asked[0] == "/upload/here")
    assert raw == PNG
    assert "authorization" not in headers
    arguments = asked["files.completeUploadExternal"]
    assert (arguments["channel_id"], arguments["thread_ts"]) == ("C1", expected)
    assert json.loads(arguments["files"])[0]["id"] == "F1"


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"files.getUploadURLExternal": (200, {"ok": False, "error": "missing_scope"})}, id="no scope"),
        pytest.param({"files.getUploadURLExternal": (200, {"ok": True})}, id="an answer without an address"),
        pytest.param({"files.getUploadURLExternal": (200, [])}, id="an answer that is not Slack's"),
        pytest.param({"here": (500, {})}, id="the bytes are refused"),
        pytest.param({"here": (302, {})}, id="the bytes are sent elsewhere"),
        pytest.param({"files.completeUploadExternal": (503, {})}, id="it is not shared"),
    ],
)
async def test_a_chart_that_fails_fails_no_message(changed):
    """The message was sent, once."""
    peer, reference = await _with_chart(_slack(**changed), Letter("l1", body()))
    assert reference == "C1/171.5"
    assert [path for path, _, _ in peer.requests].count("/api/chat.postMessage") == 1


async def test_a_message_that_is_not_sent_has_no_chart():
    """Nothing is drawn for what nobody sees."""
    with pytest.raises(DeliveryError):
        await _with_chart(says({"ok": False, "error": "not_in_channel"}), Letter("l1", body()))
