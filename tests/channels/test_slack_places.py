"""Where a message stands in Slack: never twice, whatever died when, and edited in place as its alerts go on."""

import asyncio
from dataclasses import replace as changed
from datetime import timedelta

import msgspec
import pytest
from channel_peers import ENVIRON, NOW, HttpPeer, Letter, answers, body, http_server, item
from slack_peer import AFTER, BEFORE, LocalSlack, slack_at

from lockstep.adapters.channels import secrets_from
from lockstep.adapters.channels.slack import SlackChannel
from lockstep.errors import DeliveryError
from lockstep.notification import HANDLED, Item, Message
from lockstep.ports import Destination

OPS = Destination("d", "slack", "#ops", "ops", {"token": "SLACK"})
LATER = NOW + timedelta(seconds=40)


class Pages:
    """ports.Links that lead to an alert's page."""

    def page(self, item: Item, destination: Destination) -> str | None:
        return f"https://a.example/act/{item.episode_id}"

    def mute(self, rule: str, destination: Destination) -> str | None:
        return None

    def chart(self, item: Item) -> str | None:
        return None


def channel_of(url: str, timeout_s: float = 20.0, **ways) -> SlackChannel:
    secrets = secrets_from({**ENVIRON, "LOCKSTEP_SECRET_SIGNING": "8f742231b10e"})
    return SlackChannel(secrets, base_url=url, timeout_s=timeout_s, signing_secrets=["SIGNING"], **ways)


def both(state: str = "firing", **of_web) -> Message:
    return body(item(state, "web", **of_web), item("firing", "app"), state=state)


def attachment_of(message: dict, episode: str) -> dict:
    (one,) = [a for a in message["attachments"] if a["blocks"][0]["block_id"].endswith(f"/{episode}")]
    return one


def words(part: dict) -> str:
    return str(part)


METHODS = ("chat.postMessage", "conversations.history", "conversations.list", "chat.update", "conversations.replies")


@pytest.mark.parametrize("how", ["drop", "kill", "ambiguous"])
@pytest.mark.parametrize("place", [BEFORE, AFTER])
@pytest.mark.parametrize("method", METHODS)
async def test_a_message_stands_there_once_whatever_died_when(method, place, how):
    """A first message and an answer in its thread, each cut off at every call that it makes, then tried again by a
    worker that knows nothing of it: every person sees each once, and the first says how it ended."""
    slack = LocalSlack()
    broken: list[str] = []

    def fault(called: str, where: str):
        if (called, where) != (method, place) or broken:
            return None
        broken.append(called)
        if how == "kill":
            attempts[-1].cancel()
            return "hang"
        return "drop" if how == "drop" else {"ok": False, "error": "fatal_error"}

    attempts: list[asyncio.Task] = []
    slack.at = fault
    async with slack_at(slack) as url:

        async def delivered(letter: Letter) -> str:
            for attempt in range(3):
                channel = channel_of(url)
                tried = changed(letter, attempts=letter.attempts + (0 if how == "kill" else attempt))
                attempts.append(asyncio.create_task(channel.send(OPS, tried, now=NOW + timedelta(seconds=attempt * 9))))
                try:
                    return str((await attempts[-1]).reference)
                except (DeliveryError, asyncio.CancelledError):
                    continue
                finally:
                    await channel.close()
            raise AssertionError("it was never delivered")

        reference = await delivered(Letter("l1", body()))
        assert reference == "C0000001/1795521630.000000"
        # What stands in the channel is looked up for the second one, too: it may have been posted there.
        ended = await delivered(Letter("l2", body(item("resolved"), state="resolved"), thread=reference, attempts=1))
    assert broken or method == "conversations.list"
    assert len(slack.texts()) == 1
    (answered,) = slack.texts(thread="1795521630.000000")
    assert answered.startswith("All clear after ")
    assert ended.startswith("C0000001/")
    assert slack.posted[0]["text"].startswith("All clear after ")


async def test_what_was_just_decided_is_posted_without_a_look():
    """One call for each message, where nobody can have sent it before."""
    slack = LocalSlack()
    async with slack_at(slack) as url:
        channel = channel_of(url)
        await channel.send(OPS, Letter("l1", body()), now=NOW)
        await channel.send(OPS, Letter("l2", body(), created=NOW.timestamp() + 1), now=NOW + timedelta(seconds=2))
        await channel.close()
    assert slack.asked["chat.postMessage"] == 2
    assert slack.asked["conversations.history"] <= 1  # of the first one, nobody knows what was before the start


@pytest.mark.parametrize("method", ["conversations.list", "conversations.history"])
async def test_without_the_scope_to_look_it_is_posted_again(method):
    """Rather twice than not at all; the log says once which scope is missing."""
    slack = LocalSlack(forbidden={method})
    async with slack_at(slack) as url:
        channel = channel_of(url)
        sent = await channel.send(OPS, Letter("l1", body(), attempts=1), now=LATER)
        await channel.close()
    assert sent.reference == "C0000001/1795521630.000000"
    assert len(slack.posted) == 1


async def test_a_message_is_edited_as_its_alerts_go_on():
    """Two alerts in one message: one ends, one gets worse, the other ends. Each time its own part changes, and the
    head says how many go on."""
    slack = LocalSlack()
    async with slack_at(slack) as url:
        channel = channel_of(url, links=Pages())
        reference = (await channel.send(OPS, Letter("l1", both()), now=NOW)).reference
        first = slack.posted[0]
        assert attachment_of(first, "episode-web")["color"] == "#b54708"
        await channel.send(OPS, Letter("l2", body(item("resolved", "web")), thread=reference), now=NOW)
        assert attachment_of(first, "episode-web")["color"] == "#067647"
        assert attachment_of(first, "episode-app")["color"] == "#b54708"
        assert "1 of 2 go on" in words(first["blocks"])
        worse = body(item("severity", "app", severity="critical"), state="severity")
        await channel.send(OPS, Letter("l3", worse, thread=reference), now=NOW)
        assert attachment_of(first, "episode-app")["color"] == "#b42318"
        await channel.send(OPS, Letter("l4", body(item("resolved", "app")), thread=reference), now=NOW)
        await channel.close()
    assert "all over" in words(first["blocks"])
    assert "acknowledge" not in words(first["attachments"])
    assert len(slack.texts()) == 1
    assert len(slack.texts(thread=first["ts"])) == 3
    assert [m.get("reply_broadcast") for m in slack.posted[1:]] == [None, True, None]


async def test_who_has_it_is_seen_in_the_message_itself():
    """The answer in the thread is one line; the message has another button."""
    slack = LocalSlack()
    async with slack_at(slack) as url:
        channel = channel_of(url, links=Pages())
        reference = (await channel.send(OPS, Letter("l1", body()), now=NOW)).reference
        handled = msgspec.structs.replace(item(), state=HANDLED, handled="Anna has it since 14:05")
        await channel.send(OPS, Letter("l2", body(handled, state=HANDLED), thread=reference), now=NOW)
        await channel.close()
    first, answer = slack.posted
    assert "'snooze'" in words(first["attachments"])
    assert "Anna has it since 14:05" in words(first["attachments"])
    assert "'take_back'" in words(first["attachments"])
    assert "'acknowledge'" not in words(first["attachments"])
    assert "OrderSpike, channel web" in words(first["attachments"])
    assert "actions" not in words(answer["attachments"])


async def test_buttons_are_there_where_somebody_hears_of_them():
    """While no signing secret is set, a message has the one button that leads to the page."""
    slack = LocalSlack()
    async with slack_at(slack) as url:
        for names in (["SIGNING"], ["MISSING"]):
            secrets = secrets_from({**ENVIRON, "LOCKSTEP_SECRET_SIGNING": "8f742231b10e"})
            channel = SlackChannel(secrets, base_url=url, links=Pages(), signing_secrets=names)
            await channel.send(OPS, Letter(names[0], body()), now=NOW)
            await channel.close()
    pressed = [
        [
            e["action_id"]
            for a in m["attachments"]
            for b in a["blocks"]
            for e in b.get("elements", ())
            if "action_id" in e
        ]
        for m in slack.posted
    ]
    assert pressed == [["acknowledge", "snooze", "open"], ["open"]]


@pytest.mark.parametrize("error", ["message_not_found", "cant_update_message", "edit_window_closed", "missing_scope"])
async def test_what_cannot_be_edited_is_still_answered(error):
    """The end stands in the thread, and the delivery is done."""
    slack = LocalSlack()
    slack.at = lambda method, place: {"ok": False, "error": error} if method == "chat.update" else None
    async with slack_at(slack) as url:
        channel = channel_of(url)
        reference = (await channel.send(OPS, Letter("l1", body()), now=NOW)).reference
        await channel.send(OPS, Letter("l2", body(item("resolved")), thread=reference), now=NOW)
        await channel.close()
    assert len(slack.posted) == 2


async def test_a_message_of_an_earlier_version_is_answered_to():
    """Its reference has no channel: it is not edited."""
    slack = LocalSlack()
    async with slack_at(slack) as url:
        channel = channel_of(url)
        await channel.send(OPS, Letter("l1", body(item("resolved")), thread="171.1"), now=NOW)
        await channel.close()
    assert slack.asked["chat.update"] == 0
    assert slack.texts(thread="171.1")


class Charted(Pages):
    """With a picture that can be fetched."""

    def chart(self, item: Item) -> str | None:
        return "https://a.example/chart/x"


async def test_a_chart_is_shown_by_its_address_and_left_out_where_slack_cannot_fetch_it():
    """Slack refuses the message then; it goes out at once without, and so do later ones."""
    slack = LocalSlack()

    def fault(method: str, place: str):
        is_shown = place == BEFORE and method == "chat.postMessage" and refusing
        return {"ok": False, "error": "invalid_blocks"} if is_shown and slack.asked[method] == 2 else None

    slack.at, refusing = fault, True
    async with slack_at(slack) as url:
        channel = channel_of(url, links=Charted())
        for n in range(3):
            await channel.send(OPS, Letter(f"l{n}", body()), now=NOW)
        await channel.close()
    assert ["https://a.example/chart/x" in words(m["attachments"]) for m in slack.posted] == [True, False, False]


HOOK = Destination("d", "slack", "an incoming webhook", "ops", {"webhook": "HOOK"})


@pytest.mark.parametrize(
    ("status", "said", "reason", "retryable"),
    [
        (200, "ok", None, None),
        (400, "invalid_payload", "clientError", False),
        (403, "invalid_token", "configuration", True),
        (404, "no_service", "configuration", True),
        (410, "channel_is_archived", "configuration", True),
        (429, "", "rateLimited", True),
        (500, "rollup_error", "serverError", True),
    ],
)
async def test_an_incoming_webhook_posts(status, said, reason, retryable):
    """What it cannot do is not offered: no button but the one that leads to the page."""
    peer = HttpPeer(answers(status, said))
    async with http_server(peer) as url:
        secrets = secrets_from({"LOCKSTEP_SECRET_HOOK": f"{url}/services/T/B/x"})
        channel = SlackChannel(secrets, base_url=f"{url}/api/", links=Pages())
        if reason is None:
            assert (await channel.send(HOOK, Letter("l1", body()), now=NOW)).reference is None
        else:
            with pytest.raises(DeliveryError) as raised:
                await channel.send(HOOK, Letter("l1", body()), now=NOW)
            assert (raised.value.reason, raised.value.retryable) == (reason, retryable)
            assert "services" not in str(raised.value)
        await channel.close()
    ((path, headers, raw),) = peer.requests
    document = msgspec.json.decode(raw)
    assert path == "/services/T/B/x"
    assert "authorization" not in headers
    assert "OrderSpike" in document["text"]
    assert [
        b["action_id"]
        for a in document["attachments"]
        for x in a["blocks"]
        for b in x.get("elements", ())
        if "action_id" in b
    ] == ["open"]


async def test_what_is_no_incoming_webhook_gets_nothing():
    """The messages are not for whoever is named by mistake."""
    channel = SlackChannel(
        secrets_from({"LOCKSTEP_SECRET_HOOK": "https://evil.example/x"}), base_url="https://slack.com/api/"
    )
    with pytest.raises(DeliveryError, match=r"no address below https://hooks\.slack\.com/"):
        await channel.send(HOOK, Letter("l1", body()), now=NOW)
    await channel.close()
