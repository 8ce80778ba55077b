"""A button that somebody pressed in Slack: proved by Slack's signature, read, and what it asks for as a command."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from slack_sdk.signature import Clock, SignatureVerifier

from lockstep.adapters.slack_api.message_blocks import ACKNOWLEDGE, CONFIRM, SNOOZE, SNOOZE_S, TAKE_BACK
from lockstep.labels import stable_id
from lockstep.response.command import MOST_DIGITS, Acknowledge, Command, ReplyToPlan, Snooze, TakeBack
from lockstep.response.standing import LONGEST_NAME
from lockstep.text.one_line import flat
from lockstep.text.rfc3339 import rfc3339_of


@dataclass(frozen=True)
class Press:
    """action: which button, by its id. alert_id, episode_id: of what; of CONFIRM campaign and number; seen: the verdict
    that it stands below, "" of a button of a version before this one. by: who pressed it, as Slack calls them.
    id: of this press, the same when Slack sends it again. message: where the button stands, as it is now.
    response_url: where the message can be changed for half an hour.
    """

    id: str
    action: str
    alert_id: str
    episode_id: str
    by: str
    message: Mapping[str, Any]
    response_url: str
    seen: str = ""


class _At(Clock):
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> float:
        return self._now.timestamp()


def is_signed(raw: bytes, headers: Mapping[str, str], secrets: Sequence[str], *, now: datetime) -> bool:
    """Whether Slack has signed this body within the last five minutes, with one of these secrets.

    headers: by names in small letters.
    """
    timestamp, signature = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
    for secret in secrets:
        try:
            if SignatureVerifier(secret, _At(now)).is_valid(raw, timestamp, signature):
                return True
        except (ValueError, TypeError):
            # What is no number, no text or not ASCII: the library lets it out.
            continue
    return False


def press_of(raw: bytes) -> Press | None:
    """The button that was pressed, as the body of the request says; None where it says of none. Raises ValueError."""
    (payload,) = parse_qs(raw.decode("utf-8"), strict_parsing=True).get("payload", [""])
    given = json.loads(payload)
    if not isinstance(given, dict) or given.get("type") != "block_actions":
        return None
    actions = given.get("actions")
    if not isinstance(actions, list) or not actions or not isinstance(actions[0], dict):
        return None
    action, user, message = actions[0], given.get("user"), given.get("message")
    user, message = user if isinstance(user, dict) else {}, message if isinstance(message, dict) else {}
    value = action.get("value")
    if value is None:
        return None  # it only leads somewhere
    about = json.loads(str(value))
    if not isinstance(about, list) or [type(part) for part in about] not in ([str, str], [str, str, str]):
        raise ValueError("no button of ours")
    names = (user.get(name) for name in ("name", "username", "id"))
    by = flat(str(next((name for name in names if name), "somebody in Slack")))[:LONGEST_NAME]
    parts = (action.get("action_ts"), user.get("id"), message.get("ts"), action.get("action_id"), value)
    return Press(
        id=stable_id("press", *map(str, parts)),
        action=str(action.get("action_id", "")),
        alert_id=about[0],
        episode_id=about[1],
        seen="".join(about[2:]),
        by=by,
        message=message,
        response_url=str(given.get("response_url", "")),
    )


def command_of(press: Press, now: datetime) -> Command | None:
    """What a press asks for; None where nothing is to be done."""
    head: dict[str, Any] = {"id": press.id, "by": press.by, "way": "button", "at": rfc3339_of(now)}
    about = {**head, "alert_id": press.alert_id, "episode_id": press.episode_id}
    match press.action:
        case name if name == CONFIRM:
            if not press.episode_id.isdecimal() or len(press.episode_id) > MOST_DIGITS:
                return None
            number = int(press.episode_id)
            return ReplyToPlan(campaign=press.alert_id, number=number, reply="confirmed", seen=press.seen, **head)
        case name if name == ACKNOWLEDGE:
            return Acknowledge(**about)
        case name if name == TAKE_BACK:
            return TakeBack(**about)
        case name if name == SNOOZE:
            return Snooze(**about, until=rfc3339_of(now + timedelta(seconds=SNOOZE_S)))
        case _:
            return None
