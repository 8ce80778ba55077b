"""The timeline of an alert in words: it fired, who was told and why, who was not and why not, who did what."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from lockstep.notification import badge
from lockstep.notify.message_reason import unit_of
from lockstep.response.command import (
    Acknowledge,
    AddNote,
    Answer,
    Assign,
    Close,
    Command,
    Deed,
    Snooze,
    TakeBack,
)
from lockstep.response.decision import Decision
from lockstep.text.figures import measured_text, time_text
from lockstep.transition import Transition, TransitionName, fires_otherwise

MOST_SHOWN = 200
"""Rows of one timeline, the newest."""
_WAYS = {"page": "on the page", "link": "by a link", "button": "in Slack", "api": "by the API", "cli": "on a terminal"}


@dataclass(frozen=True)
class Happening:
    """A row. kind: `alert`, `told`, `not_told`, `waits`, `person` or `refused`; it is the row's colour. at: local time.
    what: the sentence. details: (whom, why) of a decision, where it concerns several."""

    at: str
    kind: str
    what: str
    details: tuple[tuple[str, str], ...] = ()


def happenings(events: Iterable[Transition | Decision | Answer], zone: ZoneInfo) -> list[Happening]:
    """The rows of a timeline, newest first; what one moment decided for several is one row."""
    rows: list[Happening] = []
    together: list[Decision] = []
    for event in events:
        if isinstance(event, Decision):
            if together and _moment(together[-1]) != _moment(event):
                rows.append(_decided(together, zone))
                together = []
            together.append(event)
            continue
        if together:
            rows.append(_decided(together, zone))
            together = []
        rows.append(_changed(event, zone) if isinstance(event, Transition) else _answered(event, zone))
    if together:
        rows.append(_decided(together, zone))
    return rows[: -MOST_SHOWN - 1 : -1]


def _moment(decision: Decision) -> tuple[str, str]:
    return decision.at, decision.outcome


def _changed(transition: Transition, zone: ZoneInfo) -> Happening:
    number = (
        ""
        if transition.value is None
        else f": {measured_text(transition.value, unit_of(transition), transition.limit)}"
    )
    words = {
        TransitionName.PENDING: "Noticed, and not told yet",
        TransitionName.FIRING: "Changed" if fires_otherwise(transition) else f"Fired, {transition.severity}",
        TransitionName.SEVERITY: f"{badge('severity', transition.severity).capitalize()}",
        TransitionName.RESOLVED: "Over",
        TransitionName.CANCELLED: "Over before it fired",
    }
    reason = f" ({transition.reason.replace('_', ' ')})" if transition.reason else ""
    return Happening(time_text(transition.at, zone), "alert", f"{words[transition.state]}{number}{reason}")


def _decided(decisions: Sequence[Decision], zone: ZoneInfo) -> Happening:
    outcome, at = decisions[0].outcome, time_text(decisions[0].at, zone)
    whom = {d.destination_id: _whom(d) for d in decisions}
    names = ", ".join(list(whom.values())[:6]) + (f" and {len(whom) - 6} more" if len(whom) > 6 else "")
    reasons = list(dict.fromkeys(d.why or d.reason.replace("_", " ") for d in decisions))
    said = {"told": f"Told {names}", "waits": f"{names}: later", "not_told": f"Not told: {names}"}[outcome]
    if len(reasons) == 1 and outcome == "waits":
        return Happening(at, outcome, f"{names}: {_small(reasons[0])}")
    if len(reasons) == 1:
        return Happening(at, outcome, f"{said}, because {_small(reasons[0])}")
    return Happening(at, outcome, said, tuple((_whom(d), d.why or d.reason.replace("_", " ")) for d in decisions[:20]))


def _whom(decision: Decision) -> str:
    if not decision.receiver:
        return "nobody"
    return f"{decision.receiver} ({decision.channel})" if decision.channel else decision.receiver


def _small(text: str) -> str:
    """A sentence as it goes on behind another: its first letter small, but for a name or an abbreviation."""
    return text[:1].lower() + text[1:] if text[1:2].islower() and text.split(" ", 1)[0] in _BEGINNINGS else text


_BEGINNINGS = {"It", "The", "This", "Nobody", "Somebody", "Silenced", "Muted", "Acknowledged", "Inhibited", "First"}


def _answered(answer: Answer, zone: ZoneInfo) -> Happening:
    command = answer.command
    way = _WAYS.get(command.way, "")
    who = f"{command.by or 'Somebody'}{f' ({way})' if way else ''}"
    did = _did(command)
    if not answer.applied:
        said = f"{who} could not do something: {answer.why}"
    else:
        said = f"{who} {did}" if did else answer.why
    return Happening(time_text(answer.decided_at, zone), "person" if answer.applied else "refused", said)


def _did(command: Command | Deed) -> str:
    match command:
        case Acknowledge():
            return "has it" + (f": {command.note}" if command.note else "")
        case TakeBack():
            return "gave it back"
        case Assign():
            return f"assigned it to {command.to}" if command.to else "assigned it to nobody"
        case AddNote():
            return f"wrote: {command.text}"
        case Snooze():
            return "snoozed it"
        case Close():
            return "closed it" + (f": {command.note}" if command.note else "")
        case _:
            return ""
