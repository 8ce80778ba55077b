"""Microsoft Teams: an Adaptive Card, posted to the address of a workflow that puts it into a chat or a channel.

A workflow can only post: no threads, no edits, no look whether an earlier attempt has arrived. After a crash around the
call a message may come twice; the first element of its card has the delivery's id, by which a workflow of one's own can
tell.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from lockstep.adapters.channels import Secrets
from lockstep.adapters.outbound.json_post import JsonPosts, PostAnswer, secret_address
from lockstep.errors import DeliveryError, DeliveryReason
from lockstep.notification import HANDLED, Item, Message
from lockstep.ports import DeliveryLike, Destination, Links, NoLinks, Sent

TIMEOUT_S = 15.0
LARGEST = 27_000
"""Bytes of a message; Teams takes none of 28 kB."""
MOST_ITEMS = 8
LONGEST_HEADLINE = 900
LONGEST_TEXTS = 1_600
"""Bytes of what all teams are told of one alert."""
LONGEST_FACT = 400
LONGEST_LINK = 1_500

Element = dict[str, Any]

_STYLES = {"critical": "attention", "warning": "warning", "info": "accent"}
_SHORT_FORM = re.compile(r"(?<=[{$])(?=\{)")
"""Within `{{DATE(…)}}`, which Teams would fill in also where it reads no markdown, and within `${…}` of templates."""
_NOTHING = "\u200b"


def checked(secret: str) -> str:
    """The address of a workflow. Raises DeliveryError for what can be none."""
    return secret_address(secret, what="the address of a Teams workflow")


class TeamsChannel:
    """ports.Channel."""

    def __init__(self, secrets: Secrets, *, links: Links | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._secrets, self._links = secrets, links or NoLinks()
        self._posts = JsonPosts(timeout_s=timeout_s)

    async def send(self, destination: Destination, delivery: DeliveryLike[Message], *, now: datetime) -> Sent:
        where = f"msteams/{destination.receiver}"
        url = checked(self._secrets(destination.options["workflow"]))
        body = delivery.body
        pages = {item.episode_id: self._links.page(item, destination) or "" for item in body.items[:MOST_ITEMS]}
        chart = self._links.chart(body.items[0]) if body.items else None
        document = message_document(body, delivery.id, pages=pages, chart=chart or "")
        answer = await self._posts.post(url, document, where=where, now=now)
        refusal = _refusal(where, answer)
        if refusal is not None:
            raise refusal
        return Sent(detail=f"HTTP {answer.status}")

    async def close(self) -> None:
        await self._posts.close()


def message_document(
    body: Message, delivery_id: str, *, pages: Mapping[str, str] | None = None, chart: str = ""
) -> bytes:
    """What a workflow is posted, in UTF-8, never larger than LARGEST: what finds no place is counted below.

    pages: episode id → the address of the alert's page. chart: where the picture of the first item is fetched from.
    """
    for shown in range(min(len(body.items), MOST_ITEMS), -1, -1):
        content = card(body, delivery_id, shown=shown, pages=pages or {}, chart=chart)
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": content,
        }
        document = _encoded({"type": "message", "attachments": [attachment]})
        if len(document) <= LARGEST:
            break
    return document


def card(body: Message, delivery_id: str, *, shown: int, pages: Mapping[str, str], chart: str) -> Element:
    """An Adaptive Card 1.4 with the first `shown` items.

    What anybody wrote stands in text runs, which know no markdown; the only links are actions: ours, and the rule's
    runbook.
    """
    elements = []
    if body.count > 1:
        elements.append(_rich([_run(_cut(body.lead, LONGEST_FACT), bold=True)], size="Large"))
        elements += [_rich([_run(_cut(body.same, LONGEST_FACT), bold=True)])] if body.same else []
    for place, item in enumerate(body.items[:shown]):
        page = pages.get(item.episode_id, "")
        if body.count == 1:
            elements.append(_alert(body, item, page=page, chart=chart))
        else:
            elements.append(_one_of_several(item, page, with_to_do=place < body.to_do_of))
    foot = body.remarks(shown=shown)
    elements += [_rich([_run(_cut(line, LONGEST_FACT), subtle=True)], size="Small", spacing="Small") for line in foot]
    if body.overview:
        elements += _actions([(f"See all {body.count:,}", body.overview)])
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        # This one may be read as markdown: no word of an event stands in it.
        "fallbackText": "An alert that this version of Teams cannot show.",
        "body": [
            {**element, "id": delivery_id[:200]} if place == 0 else element for place, element in enumerate(elements)
        ],
    }


def _alert(body: Message, item: Item, *, page: str, chart: str) -> Element:
    """What is said of one alert, on the colour of its severity."""
    if item.state == HANDLED:
        # What somebody did is one line; an earlier message says the rest.
        said = item.handled or item.badge.capitalize()
        lines = [_rich([_run(_cut(said, LONGEST_FACT), bold=True)])]
        about = body.about(item) if item.labels or item.rule else item.headline
        lines.append(_rich([_run(_cut(about, LONGEST_FACT), subtle=True)], spacing="None"))
        lines += [_rich([run], spacing="Small") for runs in _texts(item) for run in runs if not item.alert_id]
        return _container("emphasis", [*lines, *_actions([("See details", page)])])
    elements = [*_head(item), *(_rich(runs, spacing="Small") for runs in _texts(item))]
    if not item.is_over and item.value_bar:
        numbers = f"{item.value} {item.span}, {item.usual_is} {item.usual}"
        elements.append(_rich([_run(_cut(numbers, LONGEST_FACT))], spacing="Small"))
    if item.because:
        elements.append(_rich([_run(_cut(item.because, LONGEST_FACT))], spacing="Small"))
    if chart:
        alt = _plain(_cut(item.headline, LONGEST_FACT)) or "chart"
        elements.append({"type": "Image", "url": chart, "altText": alt, "size": "Stretch"})
    runbook, owner = ("", "") if item.is_over else (item.runbook, item.owner)
    small = [item.when, body.about(item), f"Owner: {owner}" if owner else ""]
    for text in (" · ".join(filter(None, small)), f"Note: {item.note}" if item.note else ""):
        if text:
            elements.append(_rich([_run(_cut(text, LONGEST_FACT), subtle=True)], size="Small", spacing="Small"))
    word = "See details" if item.is_over or item.handled else "I'm on it, or see details"
    return _container(_style(item), [*elements, *_actions([(word, page), ("What to do, step by step", runbook)])])


def _head(item: Item) -> list[Element]:
    """How bad it is, what happened and whose it is; who has it."""
    head = [_run(f"{item.badge.capitalize()}: ", bold=True), _run(_cut(item.title, LONGEST_HEADLINE), bold=True)]
    elements = [_rich(head[1:] if item.is_over and item.line == item.title else head, size="Medium")]
    if item.audience and not item.is_over:
        whose = _run(_cut(f"For {item.audience}", LONGEST_FACT), subtle=True)
        elements.append(_rich([whose], size="Small", spacing="None"))
    if item.handled:
        elements.append(_rich([_run(_cut(item.handled, LONGEST_FACT), bold=True)], spacing="Small"))
    return elements


def _one_of_several(item: Item, page: str, *, with_to_do: bool) -> Element:
    """One of the alerts of a message: what it is, and what to do."""
    parts = [part for part in item.team_parts if part.to_do] if with_to_do and not item.handled else []
    share = LONGEST_TEXTS // max(2, 2 * len(parts))
    elements = _head(item)
    for part in parts:
        lead = [_run(f"{_cut(part.team, 60)}: ", bold=True)] if part.team else []
        elements.append(_rich([*lead, _run(_cut(part.to_do, share))], spacing="Small"))
    return _container(_style(item), [*elements, *_actions([("See details", page)])])


def _style(item: Item) -> str:
    if item.is_taken or item.is_unknown:
        return "emphasis"
    return "good" if item.is_over else _STYLES.get(item.severity, "warning")


def _texts(item: Item) -> list[list[Element]]:
    """What each team is told, to do in bold; texts give way where there is too much."""
    parts = item.team_parts[:MOST_ITEMS]
    share = LONGEST_TEXTS // max(1, len(parts))
    said = []
    for part in parts:
        name = f"{_cut(part.team, 60)}: " if part.team else ""
        to_do = _cut(part.to_do, share)
        meaning = _cut(part.meaning, max(60, share - len(to_do.encode())))
        runs = [_run(f"{name}{to_do}", bold=part.stands_out)] if part.to_do else []
        said.append([*runs, *([_run(f" {meaning}" if runs else meaning)] if part.meaning else [])])
    return said


def _fact(name: str, text: str) -> Element:
    words = [_run(f"{_cut(name, 80)}: ", subtle=True), _run(_cut(text, LONGEST_FACT))]
    return _rich(words, spacing="None")


def _container(style: str, items: list[Element]) -> Element:
    return {"type": "Container", "style": style, "separator": True, "items": items}


def _actions(links: Iterable[tuple[str, str]]) -> list[Element]:
    actions = [
        {"type": "Action.OpenUrl", "title": title, "url": url}
        for title, url in links
        if url.startswith(("https://", "http://")) and len(url.encode()) <= LONGEST_LINK
    ]
    return [{"type": "ActionSet", "actions": actions}] if actions else []


def _run(text: str, *, bold: bool = False, subtle: bool = False) -> Element:
    run: Element = {"type": "TextRun", "text": _plain(text)}
    if bold:
        run["weight"] = "Bolder"
    if subtle:
        run["isSubtle"] = True
    return run


def _rich(runs: list[Element], *, size: str = "", spacing: str = "") -> Element:
    if size:
        runs = [{**run, "size": size} for run in runs]
    return {"type": "RichTextBlock", "inlines": runs, **({"spacing": spacing} if spacing else {})}


def _plain(text: str) -> str:
    """Text that Teams shows as it is, also where it would fill something in."""
    return _SHORT_FORM.sub(_NOTHING, text)


def _encoded(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _cut(text: str, longest: int) -> str:
    """The text in at most that many bytes of JSON, as it is sent; a cut one ends in "…"."""
    return _fitting(text, longest, lambda part: len(_encoded(_plain(part))) - 2)


def _fitting(text: str, longest: int, size: Callable[[str], int]) -> str:
    if size(text) <= longest:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(text[:middle] + "…") <= longest else (low, middle - 1)
    return text[:low] + "…"


_HINTS = {
    "WorkflowTriggerIsNotEnabled": "turn the workflow on",
    "WorkflowNotFound": "make a new workflow, and set the secret to its address",
    "TriggerInputSchemaMismatch": "its trigger must be 'When a Teams webhook request is received'",
    "DirectApiAuthorizationRequired": "let anyone trigger the workflow, or copy its address with its `sig`",
}
"""What a workflow says of its own settings → what to do."""
_CONNECTOR_FAILED = "Webhook message delivery failed"
"""How the retired connectors of Office 365 begin what is a failure, with status 200."""


def _refusal(where: str, answer: PostAnswer) -> DeliveryError | None:
    """What an answer means that is no success; None for one that is."""
    status = answer.status
    if answer.is_success and not answer.text.startswith(_CONNECTOR_FAILED):
        return None
    if answer.is_success:
        hint = "connectors of Office 365 are retired; make a workflow instead"
        return DeliveryError("serverError", f"{where}: {_CONNECTOR_FAILED}; {hint}", retryable=True)
    code = _code(answer.text)
    says = f"{where}: HTTP {status}{f' {code}' if code else ''}"
    if code in _HINTS:
        return DeliveryError("configuration", f"{says}; {_HINTS[code]}", retryable=True)
    if status == 429:
        return DeliveryError("rateLimited", says, retryable=True, retry_after_s=answer.after_s)
    if 300 <= status < 400:
        return DeliveryError("clientError", f"{says}: redirects are not followed", retryable=True)
    if status == 413:
        return DeliveryError("clientError", f"{says}: Teams does not take it", retryable=False)
    if status in (400, 401, 403, 404, 407, 410):
        reason: DeliveryReason = "authError" if status in (401, 403, 407) else "configuration"
        hint = "look at the workflow and its last runs, and at the proxies between"
        return DeliveryError(reason, f"{says}; {hint}", retryable=True)
    reason = "serverError" if status >= 500 else "clientError"
    return DeliveryError(reason, says, retryable=True, retry_after_s=answer.after_s)


def _code(text: str) -> str:
    """The code of Azure's error document, `{"error": {"code": …}}`; "" without."""
    try:
        error = json.loads(text).get("error")
        code = str(error.get("code"))
    except (ValueError, AttributeError, RecursionError):
        return ""
    return code if re.fullmatch(r"[A-Za-z]{1,60}", code) else ""
