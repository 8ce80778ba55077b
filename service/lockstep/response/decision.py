"""Why somebody was told, or was not: a record of `lockstep.decisions` for each alert and destination."""

from enum import StrEnum
from typing import Literal

import msgspec

DECISIONS = "lockstep.decisions"
FORMAT = 1


class Reason(StrEnum):
    """Why a destination was told, or was not.

    Told: FIRST of a group, NEW_ALERTS in a group that was told, WORSE, ALL_OVER, SOME_OVER, REPEAT, ESCALATION,
    SILENCE_ENDED (or a snooze, an inhibition, an acknowledgement that expired), HELD (until a mute time was over),
    EACH (programs hear everything), RESPONSE (somebody acknowledged or closed it), FALLBACK (another is dead), STORM
    (in a summary of many), CAUGHT_UP (in a summary after downtime), NEW_RECEIVER (routing.yml leads to it since it
    fires).
    Not told: SILENCED, INHIBITED, MUTED (until a mute time is over), ACKNOWLEDGED, SNOOZED, CLOSED, SAME (as was sent),
    GROUPED (it waits for its group), FLAPPING, MAX_ALERTS, SHORT_LIVED (over before anybody was told), DEAD (the
    destination), NOBODY (no route has a receiver), PAST (imported time).
    """

    FIRST = "first"
    NEW_ALERTS = "new_alerts"
    WORSE = "worse"
    ALL_OVER = "all_over"
    SOME_OVER = "some_over"
    REPEAT = "repeat"
    ESCALATION = "escalation"
    SILENCE_ENDED = "silence_ended"
    HELD = "held"
    EACH = "each"
    RESPONSE = "response"
    FALLBACK = "fallback"
    STORM = "storm"
    CAUGHT_UP = "caught_up"
    NEW_RECEIVER = "new_receiver"

    SILENCED = "silenced"
    INHIBITED = "inhibited"
    MUTED = "muted"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    CLOSED = "closed"
    SAME = "same"
    GROUPED = "grouped"
    FLAPPING = "flapping"
    MAX_ALERTS = "max_alerts"
    SHORT_LIVED = "short_lived"
    DEAD = "dead"
    NOBODY = "nobody"
    PAST = "past"


Outcome = Literal["told", "waits", "not_told"]
"""`waits`: it is told later, or with others; a later record says what became of it."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What notify decided of one alert for one destination.

    at: when, RFC 3339 in UTC, by the clock. state: the transition's name that was decided on, or `firing` where a timer
    decided. receiver, channel, destination_id: whom it concerns; "" where nobody was found. why: in words for people,
    with names and times: "silenced by Anna until 18:00: summer campaign". delivery_id: of the delivery; "" unless told.
    route: the path of the route that led there, as `lockstep route` prints it.
    """

    alert_id: str
    episode_id: str
    transition_id: str
    rule: str
    labels: dict[str, str]
    severity: str
    state: str
    at: str
    outcome: Outcome
    reason: Reason
    why: str
    receiver: str = ""
    channel: str = ""
    destination_id: str = ""
    delivery_id: str = ""
    route: str = ""
    format: int = FORMAT


_DECODER = msgspec.json.Decoder(Decision)


def decode_decision(value: bytes) -> Decision:
    """The decision in a record of `lockstep.decisions`. Raises msgspec.MsgspecError."""
    return _DECODER.decode(value)
