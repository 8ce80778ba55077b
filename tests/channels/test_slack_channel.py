"""Slack: what is shown, what can never be smuggled in, and where the token never goes."""

import json
from pathlib import Path

import pytest
from channel_peers import ENVIRON, NOW, HttpPeer, Letter, answers, body, http_server, item, mixed, says
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from slack_sdk.models.blocks import Block

from lockstep.adapters.channels import secrets_from
from lockstep.adapters.channels.slack import SlackChannel, blocks, plain_text
from lockstep.errors import DeliveryError
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
    shown = "\n---\n".join(b["text"]["text"] for b in blocks(mixed()))
    assert f"{plain_text(mixed())}\n===\n{shown}\n" == (GOLDEN / "slack-mixed.txt").read_text()


@settings(deadline=None)
@given(
    texts=st.dictionaries(st.text(min_size=1, max_size=60), st.text(max_size=1000), max_size=6),
    headline=st.text(max_size=300),
    count=st.integers(1, 30),
)
def test_slack_s_limits_are_kept(texts, headline, count):
    """Slack's own models accept every block, and their sum stays below what Slack takes."""
    found = blocks(body(*[item(texts=texts, headline=headline, runbook="https://x.example/" + "y" * 90)] * count))
    for block in found:
        parsed = Block.parse(block)
        assert parsed is not None
        parsed.validate_json()
    assert sum(len(b["text"]["text"]) for b in found) <= 12_000
    assert len(plain_text(body(item(headline=headline)))) <= 4_000


@pytest.mark.parametrize("text", ["<!channel> now", "<@U123>", "@here", "<https://evil.example|our shop>", "a & b"])
def test_labels_cannot_speak(text):
    """Nobody is called and no link is made by what an event says."""
    (block,) = blocks(body(item(texts={"marketing": text}, headline=text)))
    shown = block["text"]["text"]
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
    (block,) = blocks(body(item(texts={"marketing": f"{text}"}, headline=f"{text} x")))
    assert block["text"]["verbatim"] is True
    first, _, _, said, *_ = block["text"]["text"].split("\n")
    assert first == f":large_orange_circle: *Warning:* {shown} x"
    assert said == f"*Marketing:* {shown}"


def test_only_what_is_ours_is_a_link():
    """The runbook and where more is said; nothing ends such a link early."""
    shown = item(runbook="https://shop.example/run|book>?a=1&b=2")
    (block,) = blocks(body(replace(shown, more="https://alerts.example/v1/explain?what=a")))
    text = block["text"]["text"]
    assert "<https://shop.example/run%7Cbook%3E?a=1&amp;b=2>\n" in text
    assert "<https://alerts.example/v1/explain?what=a>\n" in text


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
