"""Microsoft Teams: what a workflow is posted, what no word of an event can become, and where its address never goes."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from channel_peers import NOW, HttpPeer, Letter, answers, body, http_server, item, mixed
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lockstep.adapters.channel_table import build_channels
from lockstep.adapters.channels import secrets_from
from lockstep.adapters.channels.msteams import LARGEST, MOST_ITEMS, TeamsChannel, message_document
from lockstep.errors import DeliveryError
from lockstep.notification import HANDLED, Item, Message
from lockstep.ports import Destination
from lockstep.settings import Settings

OPS = Destination("d", "msteams", "workflow FLOW", "ops", {"workflow": "FLOW"})

ALLOWED = {
    "AdaptiveCard": {"$schema", "version", "msteams", "fallbackText", "body"},
    "Container": {"style", "separator", "items", "id"},
    "RichTextBlock": {"inlines", "spacing", "id"},
    "TextRun": {"text", "weight", "isSubtle", "size"},
    "Image": {"url", "altText", "size"},
    "ActionSet": {"actions"},
    "Action.OpenUrl": {"title", "url"},
}
"""What the schema of Adaptive Cards 1.4 has of these, and `msteams`, which is Teams' own."""
WORDS = {
    "style": {"emphasis", "good", "attention", "warning", "accent"},
    "spacing": {"None", "Small"},
    "weight": {"Bolder"},
    "size": {"Small", "Medium", "Large", "Stretch"},
}


class Pages:
    """ports.Links that lead to an alert's page and picture."""

    def page(self, item: Item, destination: Destination) -> str | None:
        return f"https://alerts.example/act/{item.episode_id}"

    def mute(self, rule: str, destination: Destination) -> str | None:
        return None

    def chart(self, item: Item) -> str | None:
        return f"https://alerts.example/chart/{item.chart}"


def parts(element: Any) -> Iterator[dict[str, Any]]:
    """An element and everything in it."""
    if isinstance(element, list):
        for each in element:
            yield from parts(each)
    elif isinstance(element, dict) and "type" in element:
        yield element
        for key in ("body", "items", "inlines", "actions"):
            yield from parts(element.get(key))


def card_of(document: bytes) -> dict[str, Any]:
    message = json.loads(document)
    (attachment,) = message["attachments"]
    assert message["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    content: dict[str, Any] = attachment["content"]
    return content


def read(element: Any) -> str:
    """What is read there, a line for each block."""
    blocks = [part for part in parts(element) if part["type"] == "RichTextBlock"]
    return "\n".join("".join(run["text"] for run in block["inlines"]) for block in blocks)


async def _sent(letter: Letter, **ways: Any) -> tuple[str, dict[str, str], bytes]:
    """(path, headers, body) as the workflow got them."""
    peer = HttpPeer(answers(202))
    async with http_server(peer) as url:
        channel = TeamsChannel(secrets_from({"LOCKSTEP_SECRET_FLOW": f"{url}/workflows/1?sig=s"}), **ways)
        await channel.send(OPS, letter, now=NOW)
        await channel.close()
    ((path, headers, raw),) = peer.requests
    return path, headers, raw


async def test_a_message_is_a_card():
    """One of Adaptive Cards 1.4, as workflows take it, whose first element names the delivery."""
    path, headers, raw = await _sent(Letter("l1", body()), links=Pages())
    content = card_of(raw)
    assert (path, headers["content-type"]) == ("/workflows/1", "application/json")
    assert (content["type"], content["version"], content["body"][0]["id"]) == ("AdaptiveCard", "1.4", "l1")
    assert read(content) == (
        "Warning: OrderSpike, web: 62 within 15 minutes, usually 20\n"
        "For marketing and operations\n"
        "Marketing: Find out whether a campaign, price or post of yours brings it, and ask operations whether they can "
        "carry it before you add to it.\n"
        "Operations: Check that stock, staff and systems can carry it, and tell marketing if they cannot.\n"
        "Above the limit of 40 (usually 20) since Tue 24 Nov 11:40.\n"
        "Tue 24 Nov 12:00, since 11:40 · OrderSpike, channel web"
    )
    (picture,) = [part for part in parts(content) if part["type"] == "Image"]
    assert picture["url"] == "https://alerts.example/chart/t-firing-web"


@pytest.mark.parametrize(
    ("of", "style"),
    [
        (item(), "warning"),
        (item(severity="critical"), "attention"),
        (item(severity="info"), "accent"),
        (item("resolved"), "good"),
        (replace(item(), state=HANDLED, handled="Anna has it since 14:05"), "emphasis"),
    ],
)
def test_its_colour_says_how_bad_it_is(of: Item, style: str):
    """At one glance; Teams has a shade of each for light and for dark."""
    (alert,) = card_of(message_document(body(of), "l1"))["body"]
    assert alert["style"] == style


def test_links_are_ours_and_the_rule_s():
    """The alert's page and the runbook; whose runbook is no address has none."""
    spike = item(runbook="https://shop.example/spikes?a=1&b=2")
    pages = {spike.episode_id: "https://alerts.example/act/1"}
    content = card_of(message_document(body(spike), "l1", pages=pages))
    links = [(part["title"], part["url"]) for part in parts(content) if part["type"] == "Action.OpenUrl"]
    assert links == [
        ("I'm on it, or see details", "https://alerts.example/act/1"),
        ("What to do, step by step", "https://shop.example/spikes?a=1&b=2"),
    ]
    content = card_of(message_document(body(item(runbook="javascript:alert(1)")), "l1"))
    assert [part for part in parts(content) if part["type"].startswith("Action")] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("**bold** [us](https://evil.example) <at>all</at>", None, id="markdown"),
        pytest.param("{{DATE(2017-02-14T06:08:39Z)}}", "{\u200b{DATE(2017-02-14T06:08:39Z)}}", id="a date"),
        pytest.param("${name} {{{x", "$\u200b{name} {\u200b{\u200b{x", id="a template"),
        pytest.param("خصومات 3", None, id="from right to left"),
    ],
)
def test_labels_are_shown_as_they_are(text: str, shown: str | None):
    """They stand in text runs, which know no markdown, and hold nothing that Teams would fill in."""
    spike = item(headline=text, texts={"marketing": text}, labels={"sku": text})
    content = card_of(message_document(body(replace(spike, handled=text, owner=text)), "l1"))
    runs = [part["text"] for part in parts(content) if part["type"] == "TextRun"]
    written = text if shown is None else shown
    assert len([run for run in runs if written in run.replace("\u2068", "").replace("\u2069", "")]) == 4
    others = [part for part in parts(content) if part["type"] not in ("TextRun", "RichTextBlock", "Container")]
    assert [part for part in others if text in json.dumps({**part, "body": []}, ensure_ascii=False)] == []


@settings(deadline=None)
@given(
    texts=st.dictionaries(st.text(min_size=1, max_size=60), st.text(max_size=1000), max_size=6),
    labels=st.dictionaries(st.text(max_size=250), st.text(max_size=250), max_size=20),
    headline=st.text(max_size=300),
    count=st.integers(1, 30),
)
def test_the_limits_of_teams_are_kept(texts, labels, headline, count):
    """No message is as large as Teams refuses, all of it is of Adaptive Cards, and none is without an alert."""
    one = item(texts=texts, headline=headline, labels=labels, runbook="https://x.example/" + "y" * 900)
    items = [replace(one, episode_id=f"e{n}", owner=headline * 9, note=headline * 9) for n in range(count)]
    pages = {f"e{n}": "https://alerts.example/act/" + "z" * 400 for n in range(count)}
    document = message_document(body(*items), "l1", pages=pages, chart="https://alerts.example/chart/" + "z" * 400)
    assert len(document) <= LARGEST
    content = card_of(document)
    for part in parts(content):
        kind, *rest = part["type"], part.keys() - {"type"}
        assert rest[0] <= ALLOWED[kind]
        assert {key: part[key] for key in WORDS if key in part and part[key] not in WORDS[key]} == {}
    shown = [part for part in content["body"] if part["type"] == "Container"]
    assert 1 <= len(shown) <= MOST_ITEMS
    left = count - len(shown)
    assert (f"… and {left} more." in read(content)) == (left > 0)


@pytest.mark.parametrize(
    "message", [body(*[item(texts={"a": "😀\n\x01" * 900})] * 12), body(item(labels={"a\x01": "\x02" * 9_999}))]
)
def test_what_takes_more_bytes_than_characters_is_cut_by_bytes(message: Message):
    """Of signs of four bytes, and of those that JSON escapes."""
    document = message_document(message, "l1")
    assert len(document) <= LARGEST
    assert "Container" in {part["type"] for part in card_of(document)["body"]}


def test_several_are_one_card():
    """Each alert on its own colour, what came and went with the ends."""
    content = card_of(message_document(mixed(), "l1"))
    heading, *alerts = [part for part in content["body"] if part["type"] == "Container" or "inlines" in part]
    assert read(heading) == "11 alerts, 1 critical"
    assert [part.get("style") for part in alerts] == ["attention", "warning", "good", "good", None, None]
    assert read(alerts[-2]) == "… and 7 more."


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("http://flow.example/token-in-path", id="in the clear"),
        pytest.param("ftp://flow.example/token-in-path", id="no http"),
        pytest.param("token-in-path", id="no address"),
        pytest.param("https://token-in-path@flow.example/", id="with a user"),
        pytest.param("https://${token-in-path}/", id="not filled in"),
    ],
)
async def test_an_address_that_can_be_none_is_said_and_not_repeated(address: str):
    """Only what goes by TLS carries the secret; to this machine's loopback it passes no network."""
    channel = TeamsChannel(secrets_from({"LOCKSTEP_SECRET_FLOW": address}))
    with pytest.raises(DeliveryError) as raised:
        await channel.send(OPS, Letter("l1", body()), now=NOW)
    assert (raised.value.reason, raised.value.retryable) == ("configuration", True)
    assert "token-in-path" not in str(raised.value)


@pytest.mark.parametrize("arrived", [False, True])
async def test_a_worker_that_dies_around_the_call_loses_nothing(arrived: bool):
    """What is tried again after a kill before the call is seen once; after it, twice: a workflow can only post."""
    there = asyncio.Event()

    async def takes(request: web.Request) -> web.StreamResponse:
        there.set()
        if len(peer.requests) == 1 and arrived:
            await asyncio.Event().wait()
        return web.Response(status=202)

    peer = HttpPeer(takes)
    async with http_server(peer) as url:
        secrets = secrets_from({"LOCKSTEP_SECRET_FLOW": f"{url}/x"})
        channel = TeamsChannel(secrets)
        attempt = asyncio.create_task(channel.send(OPS, Letter("l1", body()), now=NOW))
        if arrived:
            await there.wait()
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        await channel.close()
        again = TeamsChannel(secrets)
        await again.send(OPS, Letter("l1", body()), now=NOW)
        await again.close()
    assert [card_of(raw)["body"][0]["id"] for _, _, raw in peer.requests] == ["l1"] * (2 if arrived else 1)


def test_it_is_in_the_table():
    """As routing.yml names it."""
    assert isinstance(build_channels(Settings(), {})["msteams"], TeamsChannel)
