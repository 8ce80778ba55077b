"""A message that stands in Slack, edited in place: what has become of an alert is seen where it was told first.

Slack gives the message back as it was posted, with additions of its own; an alert's attachment is known by the ids of
its blocks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lockstep.adapters.slack_api.markup import escaped
from lockstep.adapters.slack_api.message_blocks import (
    OPEN,
    Block,
    Rendered,
    attachment,
    buttons,
    one_of_several,
    rendered,
)
from lockstep.notification import HANDLED, Message

NOBODY = "Nobody has it any more"


def edited(
    posted: Mapping[str, Any], body: Message, *, pages: Mapping[str, str] | None = None, answered: bool = True
) -> Rendered | None:
    """The message with what a later one says of its alerts; None where it is about none of them.

    posted: as Slack gives it. pages: episode id → the address of the alert's page. answered: see `rendered`.
    """
    attachments = [_kept(one) for one in _dicts(posted.get("attachments"))]
    places = {episode: place for place, one in enumerate(attachments) if (episode := _episode_of(one))}
    if not any(item.episode_id[:200] in places for item in body.items):
        return None
    is_one = len(places) == 1
    for item in body.items:
        place = places.get(item.episode_id[:200])
        if place is None:
            continue
        page = (pages or {}).get(item.episode_id, "")
        if item.state == HANDLED:
            said = item.handled or NOBODY
            _answer(attachments[place], item.alert_id, item.episode_id, said, page=page, handled=bool(item.handled))
        elif is_one:
            attachments[place] = attachment(body, item, page=page, answered=answered)
        else:
            attachments[place] = one_of_several(item, page=page, is_first=place == 0, answered=answered)
    if all(item.state == HANDLED for item in body.items):
        return Rendered(_text_of(posted), _dicts(posted.get("blocks")), attachments)
    fresh = rendered(body, pages=pages)
    if is_one and len(body.items) == 1:
        return Rendered(fresh.text, fresh.blocks, attachments)
    going_on = sum(1 for one in attachments if _block(one, "open/") is not None)
    ends = "all over" if not going_on else f"{going_on} of {len(places)} go on"
    head = f"*{len(places)} alerts*, {ends}"
    block = {**fresh.blocks[0], "text": {"type": "mrkdwn", "text": head, "verbatim": True}}
    return Rendered(fresh.text, [block], attachments)


def with_answer(posted: Mapping[str, Any], alert_id: str, episode_id: str, said: str, *, handled: bool) -> Rendered:
    """The message after somebody did something about one of its alerts with a button.

    said: what became of it, in words: `Anna has it since 14:05`. handled: whether somebody has it now.
    """
    attachments = [_kept(one) for one in _dicts(posted.get("attachments"))]
    for one in attachments:
        if _episode_of(one) == episode_id[:200]:
            _answer(one, alert_id, episode_id, said, page="", handled=handled)
    return Rendered(_text_of(posted), _dicts(posted.get("blocks")), attachments)


def _answer(one: dict[str, Any], alert_id: str, episode_id: str, said: str, *, page: str, handled: bool) -> None:
    """Have an attachment say what somebody did, with the buttons that are left; page: "": the one that it has."""
    blocks: list[Block] = []
    if not any(str(block.get("block_id", "")).startswith("actions/") for block in one["blocks"]):
        one["blocks"] = [block for block in one["blocks"] if not str(block.get("block_id", "")).startswith("answer/")]
        one["blocks"].append(_said(said, episode_id))
        return
    for block in one["blocks"]:
        block_id = str(block.get("block_id", ""))
        if block_id.startswith("actions/"):
            elements = _dicts(block.get("elements"))
            page = page or next((str(e["url"]) for e in elements if e.get("action_id") == OPEN and "url" in e), "")
            blocks.append(_said(said, episode_id))
            # Where nobody hears of a button, there is none that would have to change.
            is_answered, is_only = any(e.get("action_id") != OPEN for e in elements), len(elements) == 1
            changed = buttons(alert_id, episode_id, page=page, handled=handled, only_first=is_only)
            blocks.append(changed if is_answered else block)
        elif not block_id.startswith("answer/"):
            blocks.append(block)
    one["blocks"] = blocks


def _text_of(posted: Mapping[str, Any]) -> str:
    return str(posted.get("text", ""))[:3_000]


def _said(text: str, episode_id: str) -> Block:
    element = {"type": "mrkdwn", "text": f"*{escaped(text)[:1_000]}*", "verbatim": True}
    return {"type": "context", "block_id": f"answer/{episode_id[:200]}", "elements": [element]}


def _kept(one: Mapping[str, Any]) -> dict[str, Any]:
    """An attachment without what Slack has added to it, which it does not take back."""
    return {key: one[key] for key in ("color", "blocks") if key in one} | {"blocks": _dicts(one.get("blocks"))}


def _episode_of(one: Mapping[str, Any]) -> str:
    """The episode that an attachment tells of; "" for none."""
    for prefix in ("open/", "over/"):
        block = _block(one, prefix)
        if block is not None:
            return str(block["block_id"])[len(prefix) :]
    return ""


def _block(one: Mapping[str, Any], prefix: str) -> Block | None:
    for block in _dicts(one.get("blocks")):
        if str(block.get("block_id", "")).startswith(prefix):
            return block
    return None


def _dicts(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [dict(one) for one in value if isinstance(one, Mapping)]
