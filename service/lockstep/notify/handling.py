"""What people do about an alert: acknowledge, assign, note, snooze, close, take back. Applied to its open episode.

An acknowledgement ends repeats and escalation; a snooze keeps everything back until its end, closing until the alert
begins anew. A severity above that of then breaks through each of them. What stands is told in every later message.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from lockstep.notification import ACKNOWLEDGED, CLOSED, SNOOZED
from lockstep.notify.pipeline.episodes import Episode, Listener
from lockstep.notify.pipeline.hooks import Applied, Hush
from lockstep.response.command import Acknowledge, AddNote, Assign, Close, Snooze, TakeBack
from lockstep.response.decision import Reason
from lockstep.response.standing import LONGEST_COMMENT, LONGEST_NAME, Handling, Note
from lockstep.text.figures import clock_text, duration_words
from lockstep.text.rfc3339 import moment_text

HandlingCommand = Acknowledge | TakeBack | Assign | AddNote | Snooze | Close

LONGEST_UNTIL = timedelta(days=366)
"""An acknowledgement or a snooze lasts no longer."""
MOST_NOTES = 50
"""Notes that are kept of an episode, the last ones."""


@dataclass(frozen=True)
class Handled:
    """What became of a command about an episode.

    tells: what the others are told of it, in words; "": nothing. is_released: nobody has it any more, or it is open
    again: what that held back is looked at once more. ends_escalation: nobody else is to be called.
    """

    applied: Applied
    tells: str = ""
    is_released: bool = False
    ends_escalation: bool = False


class _Refused(Exception):
    """Why a command changes nothing, in words."""


def handle(
    command: HandlingCommand,
    episode: Episode,
    moment: float,
    *,
    ack_timeout_s: float | None,
    zone: ZoneInfo,
) -> Handled:
    """Apply a command to an episode that is open. moment: when the broker got it.

    ack_timeout_s: when an acknowledgement expires that does not say so itself; None: with the episode.
    """
    before = episode.handling or Handling(alert_id=episode.alert_id, episode_id=episode.episode_id)
    try:
        by = _name(command.by)
        after, what, tells = _applied(command, before, by, moment, ack_timeout_s, zone)
    except _Refused as refusal:
        return Handled(Applied(applied=False, why=str(refusal)))
    episode.handling = after
    if isinstance(command, Snooze | Close):
        episode.hushed_rank = episode.rank
    return Handled(
        Applied(applied=True, why=f"{what}: {title(episode)}", standing=(after,)),
        tells=what if tells else "",
        is_released=isinstance(command, TakeBack),
        ends_escalation=isinstance(command, Acknowledge | Snooze | Close),
    )


def _applied(
    command: HandlingCommand,
    before: Handling,
    by: str,
    moment: float,
    ack_timeout_s: float | None,
    zone: ZoneInfo,
) -> tuple[Handling, str, bool]:
    """What stands then, what was done in words, and whether others hear of it."""
    now = moment_text(moment)
    change: Callable[..., Handling] = lambda **changed: msgspec.structs.replace(before, **changed)  # noqa: E731
    match command:
        case Acknowledge():
            until = _until(command.until, moment)
            if until is None and ack_timeout_s is not None:
                until = moment_text(moment + ack_timeout_s)
            if before.acknowledged_by == by and before.acknowledged_until == until:
                raise _Refused(f"{by} has it already")
            notes = _noted(before, by, now, command.note) if command.note else before.notes
            after = change(acknowledged_by=by, acknowledged_at=now, acknowledged_until=until, notes=notes)
            return after, f"{by} has it{'' if until is None else f' until {clock_text(until, zone)}'}", True
        case TakeBack():
            if not (before.acknowledged_by or before.snoozed_until or before.closed_by):
                raise _Refused("nobody has it, and it is neither snoozed nor closed: there is nothing to take back")
            return freed(before), f"{by} has taken back that {_standing_words(before, zone)}", True
        case Assign():
            to = _name(command.to) if command.to else ""
            if to == before.assignee:
                raise _Refused(f"it is {to}'s already" if to else "it is nobody's already")
            return change(assignee=to), f"{by} has given it to {to or 'nobody'}", True
        case AddNote():
            return change(notes=_noted(before, by, now, command.text)), f"{by} wrote: {command.text.strip()}", False
        case Snooze():
            until = _until(command.until, moment)
            if until is None:
                raise _Refused("a snooze needs an end; give `until`")
            return change(snoozed_by=by, snoozed_until=until), f"{by} snoozed it until {clock_text(until, zone)}", True
        case Close():
            if before.closed_by:
                raise _Refused(f"{before.closed_by} has closed it already")
            notes = _noted(before, by, now, command.note) if command.note else before.notes
            return change(closed_by=by, closed_at=now, notes=notes), f"{by} closed it", True


def freed(handling: Handling) -> Handling:
    """What is left of it when nobody has it any more: whose it is, and the notes."""
    return msgspec.structs.replace(
        handling,
        acknowledged_by="",
        acknowledged_at=None,
        acknowledged_until=None,
        snoozed_by="",
        snoozed_until=None,
        closed_by="",
        closed_at=None,
    )


def broken_through(handling: Handling) -> Handling:
    """What still stands of it when the alert has got worse than it was when it was snoozed or closed."""
    return msgspec.structs.replace(handling, snoozed_by="", snoozed_until=None, closed_by="", closed_at=None)


def expires_at(handling: Handling | None) -> float | None:
    """When the first of what stands of it expires, seconds since the epoch."""
    if handling is None:
        return None
    ends = [t for t in (handling.acknowledged_until, handling.snoozed_until) if t is not None]
    return min((datetime.fromisoformat(t).timestamp() for t in ends), default=None)


def expired(handling: Handling, moment: float) -> tuple[Handling, str]:
    """What still stands of it by now, and in words what does not."""
    words = []
    if handling.acknowledged_until is not None and _seconds(handling.acknowledged_until) <= moment:
        words.append(f"{handling.acknowledged_by} no longer has it, the acknowledgement has expired")
        handling = msgspec.structs.replace(handling, acknowledged_by="", acknowledged_at=None, acknowledged_until=None)
    if handling.snoozed_until is not None and _seconds(handling.snoozed_until) <= moment:
        words.append(f"the snooze of {handling.snoozed_by} is over")
        handling = msgspec.structs.replace(handling, snoozed_by="", snoozed_until=None)
    return handling, ", and ".join(words)


def is_answered(episode: Episode) -> bool:
    """Whether nobody else has to be called: somebody has it, or wants to hear no more of it as it is."""
    handling = episode.handling
    return handling is not None and bool(handling.acknowledged_by or handling.snoozed_until or handling.closed_by)


def handled_hush(episode: Episode, listener: Listener, moment: float, zone: ZoneInfo) -> Hush | None:
    """Why a destination is not told because of what people did; what is worse than it was then is told."""
    handling = episode.handling
    if handling is None or listener.waits in (Reason.RESPONSE, Reason.ESCALATION):
        return None
    if episode.rank <= episode.hushed_rank:
        if handling.closed_by:
            return Hush(Reason.CLOSED, f"closed by {handling.closed_by}")
        # Who knows that it began hears its end at once: that is good news, and ends work.
        is_end_of_known = episode.is_over and listener.told > 0
        if handling.snoozed_until is not None and _seconds(handling.snoozed_until) > moment and not is_end_of_known:
            until = handling.snoozed_until
            why = f"snoozed by {handling.snoozed_by} until {clock_text(until, zone)}"
            return Hush(Reason.SNOOZED, why, _seconds(until))
    if not handling.acknowledged_by or episode.is_over:
        return None
    # Who has not heard of it, or not of how bad it is, hears that; and who has it.
    is_known = listener.told >= episode.rank or listener.waits is Reason.REPEAT
    ends = handling.acknowledged_until
    if not is_known or (ends is not None and _seconds(ends) <= moment):
        return None
    why = f"acknowledged by {handling.acknowledged_by}"
    return Hush(Reason.ACKNOWLEDGED, why, None if ends is None else _seconds(ends))


def handled_words(handling: Handling | None, zone: ZoneInfo) -> str:
    """Who has an alert and what was said of it, for a message; "" where nobody did anything."""
    if handling is None:
        return ""
    parts = [_standing_words(handling, zone)]
    if handling.assignee:
        parts.append(f"{handling.assignee} was asked to take it")
    if handling.notes:
        note = handling.notes[-1]
        parts.append(f"{note.by} wrote: {note.text}")
    return "; ".join(filter(None, parts))


def standing(handling: Handling | None) -> str | msgspec.UnsetType:
    """The strongest of what stands, as an item says it."""
    if handling is None:
        return msgspec.UNSET
    if handling.closed_by:
        return CLOSED
    if handling.acknowledged_by:
        return ACKNOWLEDGED
    return msgspec.UNSET if handling.snoozed_until is None else SNOOZED


def _standing_words(handling: Handling, zone: ZoneInfo) -> str:
    if handling.closed_by:
        return f"{handling.closed_by} closed it {clock_text(handling.closed_at or '', zone)}"
    parts = []
    if handling.acknowledged_by:
        until = handling.acknowledged_until
        ends = "" if until is None else f", until {clock_text(until, zone)}"
        parts.append(
            f"{handling.acknowledged_by} has it since {clock_text(handling.acknowledged_at or '', zone)}{ends}"
        )
    if handling.snoozed_until is not None:
        parts.append(f"{handling.snoozed_by} snoozed it until {clock_text(handling.snoozed_until, zone)}")
    return "; ".join(parts)


def title(episode: Episode) -> str:
    """The episode's alert, for who gave a command: `LowStock, sku A-1`."""
    labels = ", ".join(f"{name} {value}" for name, value in episode.labels.items())
    return f"{episode.rule}, {labels or 'the whole shop'}"


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _name(text: str) -> str:
    """Somebody's name, fit for one line."""
    name = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not name:
        raise _Refused("it is not said who; give a name")
    if len(name) > LONGEST_NAME:
        raise _Refused(f"the name '{name[:20]}…' is longer than {LONGEST_NAME} characters")
    return name


def _noted(before: Handling, by: str, now: str, text: str) -> tuple[Note, ...]:
    """The notes with one more; a note is fit for one line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not line:
        raise _Refused("the note is empty")
    if len(line) > LONGEST_COMMENT:
        raise _Refused(f"the note is longer than {LONGEST_COMMENT:,} characters")
    return (*before.notes, Note(by, now, line))[-MOST_NOTES:]


def _until(text: str | None, moment: float) -> str | None:
    if text is None:
        return None
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        raise _Refused(f"'{text[:50]}' is no time; write one like 2026-11-24T18:00:00Z") from None
    if until.tzinfo is None:
        raise _Refused(f"'{text[:50]}' has no zone; write one like 2026-11-24T18:00:00Z")
    if until.timestamp() <= moment:
        raise _Refused(f"'{text[:50]}' lies in the past")
    if until.timestamp() > moment + LONGEST_UNTIL.total_seconds():
        raise _Refused(f"'{text[:50]}' is more than {duration_words(LONGEST_UNTIL.total_seconds())} away")
    return moment_text(until.timestamp())
