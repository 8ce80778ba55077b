"""Who was told and what people did, in sentences that can be said aloud: on an alert's page and in an account."""

from collections.abc import Mapping, Sequence
from typing import assert_never
from zoneinfo import ZoneInfo

from lockstep.notify.receivers import CHANNELS
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
from lockstep.response.decision import Decision, Reason
from lockstep.text.figures import time_text
from lockstep.text.one_line import flat
from lockstep.transition import Transition, TransitionName, fires_otherwise

UNWATCHED = ("rule_removed", "expired", "closed", "no_data")
"""Reasons of an end of which nobody knows whether it goes on."""
MOST_NAMED = 6
"""Receivers that one sentence names."""
_TOLD: Mapping[Reason, str] = {
    Reason.NEW_ALERTS: "with what came since",
    Reason.WORSE: "it got worse",
    Reason.ALL_OVER: "that it is over",
    Reason.SOME_OVER: "that a part of it is over",
    Reason.REPEAT: "a reminder",
    Reason.ESCALATION: "as nobody had it yet",
    Reason.SILENCE_ENDED: "as it is kept quiet no more",
    Reason.HELD: "as the quiet hours are over",
    Reason.RESPONSE: "what somebody did",
    Reason.FALLBACK: "as another could not be reached",
    Reason.STORM: "with many others",
    Reason.CAUGHT_UP: "with what came while nothing was sent",
    Reason.NEW_RECEIVER: "newly named",
}
"""Why somebody was told more than once, or late; the first time needs no reason."""
_KEPT: Mapping[Reason, str] = {
    Reason.SAME: "nothing is worse than what was sent last",
    Reason.GROUPED: "it is sent in a moment, with others",
    Reason.MAX_ALERTS: "there are too many to send each",
    Reason.NOBODY: "nobody is named who is told of it",
}
"""Why somebody was not told, where what was written down is no sentence for people."""


def changed_words(transition: Transition) -> str:
    """What became of an alert: `It began (critical)`."""
    match transition.state:
        case TransitionName.PENDING:
            return "First seen, and watched: it may pass by itself"
        case TransitionName.FIRING:
            return "It changed" if fires_otherwise(transition) else f"It began ({transition.severity})"
        case TransitionName.SEVERITY:
            return f"It became {transition.severity}"
        case TransitionName.RESOLVED:
            return "It is watched no more" if transition.reason in UNWATCHED else "It is over"
        case TransitionName.CANCELLED:
            return "It passed by itself"
        case _:
            assert_never(transition.state)


def decided_words(decisions: Sequence[Decision]) -> str:
    """Who was told, or why not, where one moment decided for several: `Mail to ops-mail sent`."""
    first = decisions[0]
    match first.outcome:
        case "told":
            by_way: dict[str, list[str]] = {}
            for decision in decisions:
                way = CHANNELS[decision.channel].sends if decision.channel in CHANNELS else "message"
                by_way.setdefault(way, []).append(decision.receiver)
            sent = ", ".join(f"{way} to {_listed(names)}" for way, names in by_way.items())
            why = _TOLD.get(first.reason, "")
            return f"{sent[:1].upper()}{sent[1:]} sent{f': {why}' if why else ''}"
        case "waits":
            return f"{_listed([whom(d) for d in decisions])} hears of it later: {why_words(first)}"
        case "not_told":
            if not any(decision.receiver for decision in decisions):
                return f"Sent to nobody: {why_words(first)}"
            return f"Not sent to {_listed([whom(d) for d in decisions])}: {why_words(first)}"
        case _:
            assert_never(first.outcome)


def whom(decision: Decision) -> str:
    """`ops-mail by email`."""
    if not decision.receiver:
        return "nobody"
    return f"{decision.receiver} by {decision.channel}" if decision.channel else decision.receiver


def why_words(decision: Decision) -> str:
    """Why somebody was not told."""
    return _KEPT.get(decision.reason) or decision.why or decision.reason.replace("_", " ")


def _listed(names: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(names))
    more = len(distinct) - MOST_NAMED
    return ", ".join(distinct[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def answered_words(answer: Answer, zone: ZoneInfo) -> str:
    """What somebody did: `Anna took it`."""
    command = answer.command
    by = command.by or "Somebody"
    if not answer.applied:
        return flat(f"{by} wanted to change something, and it stayed as it was: {answer.why}")
    did = _did(command, zone)
    if not did:
        return flat(f"{answer.why} ({command.by})" if command.by else answer.why)
    return flat(f"{by} {did}")


def _did(command: Command | Deed, zone: ZoneInfo) -> str:
    match command:
        case Acknowledge():
            return "took it" + (f" and wrote: {command.note}" if command.note else "")
        case TakeBack():
            return "gave it back"
        case Assign():
            return f"gave it to {command.to}" if command.to else "gave it to nobody"
        case AddNote():
            return f"wrote: {command.text}"
        case Snooze():
            return f"keeps it quiet until {time_text(command.until, zone)}"
        case Close():
            return "closed it" + (f" and wrote: {command.note}" if command.note else "")
        case _:
            return ""
