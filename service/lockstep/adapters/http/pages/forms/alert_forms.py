"""What a form of the alert's page asks for, as a command."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from lockstep.labels import stable_id
from lockstep.response.command import Acknowledge, AddNote, Assign, Close, Command, Snooze, TakeBack, Way
from lockstep.response.standing import LONGEST_COMMENT, LONGEST_NAME
from lockstep.text.one_line import flat
from lockstep.text.rfc3339 import SECOND, rfc3339

LARGEST_FORM = 16_384
"""Bytes of a form that is taken."""
SNOOZES: Mapping[str, tuple[str, timedelta]] = {
    "1h": ("1 hour", timedelta(hours=1)),
    "4h": ("4 hours", timedelta(hours=4)),
    "12h": ("12 hours", timedelta(hours=12)),
    "1d": ("a day", timedelta(days=1)),
    "3d": ("3 days", timedelta(days=3)),
    "7d": ("a week", timedelta(days=7)),
}
"""How long an alert can be snoozed on a page → (in words, time)."""


class FormFault(Exception):
    """What somebody filled in cannot be done; the message says what to do, for them."""


def command_of(
    given: Mapping[str, str], form_id: str, alert_id: str, episode_id: str, *, by: str, way: Way, now: datetime
) -> Command:
    """The command of a form that was sent.

    form_id: of the form: what is sent twice has one id, and is done once. Raises FormFault.
    """
    do = given.get("do", "")
    text = given.get("note", "").replace("\r\n", "\n").strip()[:LONGEST_COMMENT]
    to, span = flat(given.get("to", ""))[:LONGEST_NAME], given.get("for", "")
    about: dict[str, Any] = {
        "id": stable_id("form", form_id, do, text, to, span),
        "by": by,
        "way": way,
        "at": moment_text(now),
        "alert_id": alert_id,
        "episode_id": episode_id,
    }
    match do:
        case "acknowledge":
            return Acknowledge(**about, note=text)
        case "take_back":
            return TakeBack(**about)
        case "assign":
            return Assign(**about, to=to)
        case "note":
            if not text:
                raise FormFault("Nothing was written; write the note, then press the button.")
            return AddNote(**about, text=text)
        case "snooze":
            if span not in SNOOZES:
                raise FormFault("Choose for how long it is snoozed.")
            return Snooze(**about, until=moment_text(now + SNOOZES[span][1]))
        case "close":
            return Close(**about, note=text)
        case _:
            raise FormFault("Press one of the buttons.")


def moment_text(moment: datetime) -> str:
    """An instant as commands have it."""
    return rfc3339(round(moment.timestamp() * SECOND))
