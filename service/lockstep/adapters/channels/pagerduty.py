"""PagerDuty: an event of its Events API v2 for each alert of a message: trigger, acknowledge, resolve.

An event names its alert by the episode's id (`dedup_key`), and PagerDuty makes one incident of all that have the same.
So a message of which half has arrived, or nobody knows how much, is sent again as a whole.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from lockstep.adapters.channels import Secrets, host_of
from lockstep.adapters.outbound.json_post import JsonPosts, PostAnswer, secret_address
from lockstep.errors import DeliveryError, DeliveryReason
from lockstep.notification import ACKNOWLEDGED, CLOSED, HANDLED, SNOOZED, Item, Message
from lockstep.ports import DeliveryLike, Destination, Links, NoLinks, Sent
from lockstep.text.one_line import flat

TIMEOUT_S = 10.0
"""Of one event."""
ATTEMPT_S = 90.0
"""Of all events of a message."""
LONGEST_SUMMARY = 1_024
LONGEST_SOURCE = 255
LONGEST_DETAIL = 1_000
MOST_DETAILS = 30
"""Labels, or teams, of one alert: with LONGEST_DETAIL of each, far below the 512 kB that an event may have."""
LONGEST_ANSWER = 200
MOST_BEGUN = 1_000
"""Messages of which it is remembered how many events have arrived."""

_KEY = re.compile(r"[\w.-]{8,128}")
_SEVERITIES = ("critical", "warning", "info")


def integration_key(secret: str) -> str:
    """The integration key of a service. Raises DeliveryError for what can be none."""
    if not _KEY.fullmatch(secret):
        said = "an integration key of PagerDuty is 32 letters and digits; copy it from the service's Events API v2"
        raise DeliveryError("configuration", said, retryable=True)
    return secret


@dataclass
class _Progress:
    """arrived: events of a message, from the first on. refused: of one that PagerDuty will never take."""

    arrived: int = 0
    refused: DeliveryError | None = None


class PagerDutyChannel:
    """ports.Channel. An attempt goes on where the one before has ended: PagerDuty takes only some 120 events a minute
    of a service, and what begins anew each time would never get further."""

    def __init__(self, secrets: Secrets, *, links: Links | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._secrets, self._links = secrets, links or NoLinks()
        self._posts = JsonPosts(timeout_s=timeout_s)
        self._begun: dict[str, _Progress] = {}

    async def send(self, destination: Destination, delivery: DeliveryLike[Message], *, now: datetime) -> Sent:
        url = secret_address(destination.options["url"], what="the url of PagerDuty")
        where = f"pagerduty/{host_of(url)}"
        key = integration_key(self._secrets(destination.options["routing_key"]))
        progress = self._begun.setdefault(delivery.id, _Progress())
        if len(self._begun) > MOST_BEGUN:
            del self._begun[next(iter(self._begun))]
        for event in islice(self._events(destination, delivery.body), progress.arrived, None):
            document = json.dumps({"routing_key": key, **event}, ensure_ascii=False, separators=(",", ":")).encode()
            refusal = _refusal(where, await self._posts.post(url, document, where=where, now=now), key)
            if refusal is not None and refusal.retryable:
                raise refusal
            # One that it will never take holds up none of the others.
            progress.refused = progress.refused or refusal
            progress.arrived += 1
        self._begun.pop(delivery.id, None)
        if progress.refused is not None:
            raise progress.refused
        return Sent(detail=f"{progress.arrived} events")

    def _events(self, destination: Destination, body: Message) -> Iterator[dict[str, Any]]:
        for place, item in enumerate(body.items):
            page = self._links.page(item, destination) or "" if item.alert_id else ""
            for action in actions(item):
                event = {"event_action": action, "dedup_key": item.episode_id[:255]}
                if action == "trigger":
                    more = body.more if place == 0 else 0
                    event |= trigger(body, item, page=page, chart=self._links.chart(item) or "", more=more)
                yield event

    async def close(self) -> None:
        await self._posts.close()


def actions(item: Item) -> tuple[str, ...]:
    """What is said of an alert to PagerDuty, in this order; nothing of what is no alert, and of a note.

    An alert that is told while somebody has it is opened and acknowledged, so that nobody else is called for long. What
    came and went is resolved: if it was never open there, nothing happens.
    """
    if not item.episode_id:
        return ()
    if item.is_over or (item.state == HANDLED and item.standing == CLOSED):
        return ("resolve",)
    if item.state == HANDLED:
        return ("acknowledge",) if item.standing in (ACKNOWLEDGED, SNOOZED) else ()
    if item.state == "firing" and item.standing == ACKNOWLEDGED:
        return ("trigger", "acknowledge")
    return ("trigger",)


def trigger(body: Message, item: Item, *, page: str = "", chart: str = "", more: int = 0) -> dict[str, Any]:
    """What an event that opens an incident has beside its action. more: alerts of the message that have no event."""
    labels = ", ".join(f"{name} {value}" for name, value in item.labels.items())
    links = [
        {"href": href, "text": text}
        for text, href in (("Alert in Lockstep", page), ("Runbook", item.runbook))
        if href.startswith(("https://", "http://"))
    ]
    event: dict[str, Any] = {
        "client": "Lockstep",
        "payload": {
            "summary": _cut(item.headline or item.rule or body.rule or "alert", LONGEST_SUMMARY),
            "source": _cut(labels or "the whole shop", LONGEST_SOURCE),
            "severity": item.severity if item.severity in _SEVERITIES else "error",
            "component": _cut(item.rule or body.rule, LONGEST_SOURCE),
            "group": _cut(", ".join(body.teams), LONGEST_SOURCE),
            "custom_details": _details(body, item, more),
        },
    }
    if page:
        event["client_url"] = page
    if links:
        event["links"] = links
    if chart:
        event["images"] = [{"src": chart, "alt": _cut(item.headline or "chart", LONGEST_SOURCE)}]
    return event


def _details(body: Message, item: Item, more: int) -> dict[str, Any]:
    said = {
        "now": f"{item.value} {item.span}" if item.value else "",
        item.usual_is or "usual": item.usual,
        "when": item.when if item.at else "",
        "why": ". ".join(item.why),
        "who has it": item.handled or "",
        "owner": item.owner,
        "note": item.note,
        "sent because": body.reason or "",
        "not shown": f"{more} more alerts of this message, which have no incident of their own" if more else "",
    }
    several = {"labels": item.labels, "texts": item.texts}
    return {name: _cut(text, LONGEST_DETAIL) for name, text in said.items() if text} | {
        name: {_cut(key, 100): _cut(text, LONGEST_DETAIL) for key, text in list(texts.items())[:MOST_DETAILS]}
        for name, texts in several.items()
        if texts
    }


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _refusal(where: str, answer: PostAnswer, key: str) -> DeliveryError | None:
    """What an answer means that is no success; None for one that is."""
    status, data = answer.status, _data(answer.text)
    if status == 202 or (answer.is_success and data.get("status") == "success"):
        return None
    if answer.is_success:
        return DeliveryError("ambiguous", f"{where}: an answer that is not PagerDuty's", retryable=True)
    words = _words(data, key)
    says = f"{where}: HTTP {status}{f' {words}' if words else ''}"
    if status == 400 and "routing" in words.lower():
        hint = "check the integration key, which is of one service's Events API v2"
        return DeliveryError("authError", f"{says}; {hint}", retryable=True)
    if (status == 400 and data.get("status") == "invalid event") or status == 413:
        return DeliveryError("clientError", says, retryable=False)
    if status == 429:
        return DeliveryError("rateLimited", says, retryable=True, retry_after_s=answer.after_s)
    if 300 <= status < 400:
        return DeliveryError("clientError", f"{says}: redirects are not followed", retryable=True)
    reason: DeliveryReason = (
        "authError" if status in (401, 403, 407) else "serverError" if status >= 500 else "clientError"
    )
    return DeliveryError(reason, says, retryable=True, retry_after_s=answer.after_s)


def _data(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _words(data: dict[str, Any], key: str) -> str:
    """What PagerDuty says of an event, on one line, without the key."""
    errors = data.get("errors")
    parts = [data.get("message"), *(errors if isinstance(errors, list) else [errors])]
    words = " ".join(str(part) for part in parts if isinstance(part, str)).replace(key, "…")
    return flat(words)[:LONGEST_ANSWER]
