"""PagerDuty: which events a message becomes, whatever died when, and where the key never goes."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from channel_peers import NOW, HttpPeer, Letter, body, http_server, item, mixed, says
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lockstep.adapters.channels import secrets_from
from lockstep.adapters.channels.pagerduty import PagerDutyChannel, actions, trigger
from lockstep.errors import DeliveryError
from lockstep.notification import ACKNOWLEDGED, CAME_AND_WENT, CLOSED, HANDLED, SNOOZED, Item, Message
from lockstep.notify.receivers import can_edit
from lockstep.ports import Destination

KEY = "0123456789abcdef0123456789ABCDEF"
SECRETS = secrets_from({"LOCKSTEP_SECRET_PD": KEY})
HAS_IT = {"handled": "Anna has it since 14:05", "standing": ACKNOWLEDGED}


class Pages:
    """ports.Links that lead to an alert's page and picture."""

    def page(self, item: Item, destination: Destination) -> str | None:
        return f"https://alerts.example/act/{item.episode_id}"

    def mute(self, rule: str, destination: Destination) -> str | None:
        return None

    def chart(self, item: Item) -> str | None:
        return "https://alerts.example/chart/1"


@dataclass
class LocalPagerDuty:
    """As much of it as its incidents: open or acknowledged by dedup key, and how often each was opened.

    fault: (number of the event, from 1) → an answer instead of its own, or None; `arrives` says whether it is taken.
    """

    faults: dict[int, Any] = field(default_factory=dict)
    arrives: bool = True
    events: list[dict[str, Any]] = field(default_factory=list)
    incidents: dict[str, str] = field(default_factory=dict)
    opened: dict[str, int] = field(default_factory=dict)
    asked: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        behaviour = self.faults.get(self.asked)
        if behaviour is None or self.arrives:
            self.take(json.loads(await request.read()))
        if behaviour is not None:
            answer: web.StreamResponse = await behaviour(request)
            return answer
        return web.json_response({"status": "success", "message": "Event processed"}, status=202)

    def take(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        key, action = event["dedup_key"], event["event_action"]
        if action == "trigger" and key not in self.incidents:
            self.incidents[key] = "triggered"
            self.opened[key] = self.opened.get(key, 0) + 1
        elif action == "acknowledge" and key in self.incidents:
            self.incidents[key] = "acknowledged"
        elif action == "resolve":
            self.incidents.pop(key, None)


def service_at(url: str) -> Destination:
    return Destination("d", "pagerduty", "integration PD", "pager", {"routing_key": "PD", "url": f"{url}/v2/enqueue"})


async def deliver(pager: LocalPagerDuty, *letters: Letter) -> None:
    async with http_server(HttpPeer(pager.answer)) as url:
        channel = PagerDutyChannel(SECRETS, links=Pages())
        for letter in letters:
            await channel.send(service_at(url), letter, now=NOW)
        await channel.close()


def handled(**changed: Any) -> Item:
    return replace(item(), state=HANDLED, **changed)


async def test_an_alert_opens_an_incident():
    """Named by its episode, with its words, numbers and links; the key is in the body alone."""
    pager = LocalPagerDuty()
    await deliver(pager, Letter("l1", body(item(severity="critical", runbook="https://shop.example/r"))))
    (event,) = pager.events
    details = event["payload"].pop("custom_details")
    assert event == {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": "episode-web",
        "client": "Lockstep",
        "client_url": "https://alerts.example/act/episode-web",
        "links": [
            {"href": "https://alerts.example/act/episode-web", "text": "Alert in Lockstep"},
            {"href": "https://shop.example/r", "text": "Runbook"},
        ],
        "images": [
            {
                "src": "https://alerts.example/chart/1",
                "alt": "OrderSpike, web: 62 within 15 minutes, usually 20",
            }
        ],
        "payload": {
            "summary": "OrderSpike, web: 62 within 15 minutes, usually 20",
            "source": "channel web",
            "severity": "critical",
            "component": "OrderSpike",
            "group": "marketing, operations",
        },
    }
    assert (details["now"], details["usual"], details["labels"]) == ("62 within 15 minutes", "20", {"channel": "web"})
    assert set(details["texts"]) == {"marketing", "operations"}


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        pytest.param(item(), ("trigger",), id="fires"),
        pytest.param(item("severity"), ("trigger",), id="is worse"),
        pytest.param(replace(item("severity"), **HAS_IT), ("trigger",), id="is worse than what somebody has"),
        pytest.param(replace(item(), **HAS_IT), ("trigger", "acknowledge"), id="is told while somebody has it"),
        pytest.param(item("resolved"), ("resolve",), id="is over"),
        pytest.param(replace(item(), state=CAME_AND_WENT), ("resolve",), id="came and went"),
        pytest.param(handled(**HAS_IT), ("acknowledge",), id="somebody has it"),
        pytest.param(handled(handled="Anna snoozed it", standing=SNOOZED), ("acknowledge",), id="snoozed"),
        pytest.param(handled(handled="Anna closed it", standing=CLOSED), ("resolve",), id="closed"),
        pytest.param(handled(handled="Anna wrote: look"), (), id="a note"),
        pytest.param(handled(), (), id="taken back"),
        pytest.param(handled(episode_id="", alert_id=""), (), id="no alert"),
    ],
)
def test_what_is_said_of_an_alert(of: Item, expected: tuple[str, ...]):
    """A note is no acknowledgement: it must not end anybody's escalation."""
    assert actions(of) == expected


def test_it_hears_what_somebody_does():
    """An incident is changed where it stands: notify sends an acknowledgement only where that is so."""
    assert can_edit(service_at("https://events.pagerduty.com"))


async def test_an_incident_ends_with_its_alert():
    """Opened, acknowledged, ended; the other one goes on."""
    pager = LocalPagerDuty()
    await deliver(
        pager,
        Letter("l1", body(item(), item(channel="app"))),
        Letter("l2", body(handled(**HAS_IT), state=HANDLED)),
    )
    assert pager.incidents == {"episode-web": "acknowledged", "episode-app": "triggered"}
    await deliver(pager, Letter("l3", body(item("resolved"), state="resolved")))
    assert pager.incidents == {"episode-app": "triggered"}
    assert pager.opened == {"episode-web": 1, "episode-app": 1}


async def test_what_has_no_event_of_its_own_is_counted():
    """Of more alerts than a message names PagerDuty hears by number."""
    pager = LocalPagerDuty()
    await deliver(pager, Letter("l1", mixed()))
    assert [(event["event_action"], event["dedup_key"]) for event in pager.events] == [
        ("trigger", "episode-app"),
        ("trigger", "episode-web"),
        ("resolve", "episode-kiosk"),
        ("resolve", "episode-shop"),
    ]
    said = [event.get("payload", {}).get("custom_details", {}).get("not shown") for event in pager.events]
    assert said == ["7 more alerts of this message, which have no incident of their own", None, None, None]


THREE = Letter("l1", body(item(), item(channel="app"), item("resolved", "kiosk")))
EVENTS = [("trigger", "episode-web"), ("trigger", "episode-app"), ("resolve", "episode-kiosk")]


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("how", ["kill", "drop", "busy"])
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_a_message_cut_off_anywhere_is_sent_again(number: int, how: str, arrives: bool):
    """Each alert has one incident, whichever event was the last, and whether or not it has arrived."""
    reached = asyncio.Event()

    async def fault(request: web.Request) -> web.StreamResponse:
        reached.set()
        if how == "busy":
            return web.Response(status=503)
        if how == "kill":
            await asyncio.Event().wait()
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    pager = LocalPagerDuty({number: fault}, arrives)
    async with http_server(HttpPeer(pager.answer)) as url:
        channel = PagerDutyChannel(SECRETS)
        attempt = asyncio.create_task(channel.send(service_at(url), THREE, now=NOW))
        await reached.wait()
        if how == "kill":
            attempt.cancel()
        (outcome,) = await asyncio.gather(attempt, return_exceptions=True)
        assert isinstance(outcome, DeliveryError | asyncio.CancelledError)
        if how == "kill":
            await channel.close()
            channel = PagerDutyChannel(SECRETS)  # which knows nothing of it
        await channel.send(service_at(url), THREE, now=NOW)
        await channel.close()
    assert pager.opened == {"episode-web": 1, "episode-app": 1}
    assert pager.incidents == {"episode-web": "triggered", "episode-app": "triggered"}
    assert list(dict.fromkeys((e["event_action"], e["dedup_key"]) for e in pager.events)) == EVENTS


async def test_the_next_attempt_goes_on_where_the_last_one_ended():
    """A message with more events than PagerDuty takes in a minute would else begin anew for ever."""
    pager = LocalPagerDuty({3: says({"status": "throttle"}, 429, Retry_After="7")}, arrives=False)
    async with http_server(HttpPeer(pager.answer)) as url:
        channel = PagerDutyChannel(SECRETS)
        with pytest.raises(DeliveryError) as raised:
            await channel.send(service_at(url), THREE, now=NOW)
        assert (raised.value.reason, raised.value.retry_after_s) == ("rateLimited", 7.0)
        await channel.send(service_at(url), THREE, now=NOW)
        await channel.close()
    assert [(event["event_action"], event["dedup_key"]) for event in pager.events] == EVENTS
    assert pager.asked == 4


async def test_an_event_that_is_refused_holds_up_none_of_the_others():
    """The others arrive, and the dead letter says what PagerDuty has against it."""
    invalid = {"status": "invalid event", "message": "Event object is invalid", "errors": [f"bad source {KEY}\n"]}
    pager = LocalPagerDuty({1: says(invalid, 400)}, arrives=False)
    async with http_server(HttpPeer(pager.answer)) as url:
        channel = PagerDutyChannel(SECRETS)
        with pytest.raises(DeliveryError) as raised:
            await channel.send(service_at(url), THREE, now=NOW)
        await channel.close()
    assert (raised.value.reason, raised.value.retryable) == ("clientError", False)
    assert str(raised.value).endswith(": HTTP 400 Event object is invalid bad source …")
    assert [event["dedup_key"] for event in pager.events] == ["episode-app", "episode-kiosk"]


@settings(deadline=None)
@given(
    texts=st.dictionaries(st.text(min_size=1, max_size=60), st.text(max_size=3000), max_size=60),
    labels=st.dictionaries(st.text(max_size=250), st.text(max_size=250), max_size=60),
    headline=st.text(max_size=3000),
    severity=st.sampled_from(["info", "warning", "critical", ""]),
)
def test_the_limits_of_pagerduty_are_kept(texts, labels, headline, severity):
    """Summary, source and the whole of an event."""
    of = replace(item(), texts=texts, labels=labels, headline=headline, severity=severity, note=headline)
    event = trigger(body(of), of, page="https://a.example/" + "z" * 900, more=3)
    payload = event["payload"]
    assert 1 <= len(payload["summary"]) <= 1_024
    assert 1 <= len(payload["source"]) <= 255
    assert payload["severity"] in ("critical", "error", "warning", "info")
    assert len(json.dumps(event).encode()) < 512_000


@pytest.mark.parametrize("key", ["", "with space", "https://events.pagerduty.com/x", "short"])
async def test_a_key_that_can_be_none_is_said_and_not_repeated(key: str):
    """Such as the address of the service instead."""
    channel = PagerDutyChannel(secrets_from({"LOCKSTEP_SECRET_PD": key}))
    with pytest.raises(DeliveryError) as raised:
        await channel.send(service_at("http://127.0.0.1:1"), Letter("l1", body()), now=NOW)
    assert (raised.value.reason, raised.value.retryable) == ("configuration", True)
    assert not key or key not in str(raised.value)


def test_a_message_of_none():
    """A notice, such as that a silence begins, is no incident."""
    notice: Message = body(handled(episode_id="", alert_id=""))
    assert [actions(each) for each in notice.items] == [()]
