"""What stands of what people did: the latest of each, on the compacted topic `lockstep.response-state`.

Keys are `handling/ALERT_ID`, `silence/ID`, `override/ID` and `action/ID`. A record is a value with `kind`; none means
that nothing stands any more.
"""

import msgspec

RESPONSE_STATE = "lockstep.response-state"
FORMAT = 1

LONGEST_NAME = 100
"""Characters of a person's name."""
LONGEST_COMMENT = 1_000
"""Characters of a note or comment."""


class _Standing(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """format: of the record."""

    format: int = FORMAT


class Note(msgspec.Struct, frozen=True):
    """What somebody wrote about an alert. at: RFC 3339 in UTC."""

    by: str
    at: str
    text: str


class Handling(_Standing, frozen=True, kw_only=True, tag="handling"):
    """What people did about the episode of an alert.

    acknowledged_by: "" while nobody has it. acknowledged_until: when that expires, RFC 3339; None: with the episode.
    assignee: whose it is; "": nobody's. snoozed_until: RFC 3339 or None. closed_by: who said that it is over; "".
    Times are RFC 3339 in UTC.
    """

    alert_id: str
    episode_id: str
    acknowledged_by: str = ""
    acknowledged_at: str | None = None
    acknowledged_until: str | None = None
    assignee: str = ""
    snoozed_by: str = ""
    snoozed_until: str | None = None
    closed_by: str = ""
    closed_at: str | None = None
    notes: tuple[Note, ...] = ()


class Silence(_Standing, frozen=True, kw_only=True, tag="silence"):
    """People hear nothing of the alerts that it matches, from `starts` until `ends`.

    id: for ever. matchers: all of which an alert must meet, as routes write them: `sku=~"KEY-.*"`,
    `severity!=critical`.
    starts, ends: RFC 3339; of one that recurs, of its first occurrence. author, comment: who wants it and why.
    rrule: how it recurs (RFC 5545, `FREQ=WEEKLY;BYDAY=SA`), in `zone`; "": once. zone: IANA name; "": the shop's.
    told: whether people hear when it begins and ends. ended_at: when somebody ended it before its time.
    hits: how many alerts it has kept quiet, counted when it ends.
    """

    id: str
    matchers: tuple[str, ...]
    starts: str
    ends: str
    author: str
    comment: str
    rrule: str = ""
    zone: str = ""
    told: bool = False
    created_at: str = ""
    ended_at: str | None = None
    hits: int = 0


class Override(_Standing, frozen=True, kw_only=True, tag="override"):
    """Who stands in on a schedule.

    who: the receiver that is on call instead. starts, ends: RFC 3339. by: who says so. ended_at: when that was ended.
    created_at: when it was made; of two at one time the one that was made later counts.
    """

    id: str
    schedule: str
    who: str
    starts: str
    ends: str
    by: str = ""
    ended_at: str | None = None
    created_at: str = ""


class Action(_Standing, frozen=True, kw_only=True, tag="action"):
    """Something that somebody is to do, listed in reports until it is closed.

    text: what. assignee: whose it is; "": nobody's yet. by: who added it. created_at: when. due: a day, `2026-12-04`;
    "": none was said. alert_id, episode_id: of the alert it was taken up from; "": none. about: that alert in words,
    `LowStock, sku A-1`. closed_at, closed_by: when it was done or dropped, and who said so; None, "" while it is open.
    Times are RFC 3339 in UTC.
    """

    id: str
    text: str
    assignee: str = ""
    by: str = ""
    created_at: str = ""
    due: str = ""
    alert_id: str = ""
    episode_id: str = ""
    about: str = ""
    closed_at: str | None = None
    closed_by: str = ""


class PlanStanding(_Standing, frozen=True, kw_only=True, tag="plan"):
    """How a campaign stands between the teams: what marketing's plan was answered, and what operations said to it.

    campaign: its name. number: of the announcement that was answered. verdict: yes, change, no or cancelled. revision:
    how often it was told again with other numbers. why: its reasons in sentences. answered_at: when both teams were
    told. reply: `confirmed`, `objected`, or "" while nobody has replied to this number and verdict. by, at, note: who
    did, when, and what with it. headline: the answer in one line. when: the campaign's days, as people read them.
    proposal: what to change of it, a sentence; "" for nothing. reply_by: until when operations are asked to reply; ""
    where it runs already. Times are RFC 3339 in UTC.
    """

    campaign: str
    number: int
    verdict: str
    why: str = ""
    answered_at: str = ""
    reply: str = ""
    by: str = ""
    at: str = ""
    note: str = ""
    revision: int = 0
    headline: str = ""
    when: str = ""
    proposal: str = ""
    reply_by: str = ""


Standing = Handling | Silence | Override | Action | PlanStanding

_DECODER: msgspec.json.Decoder[Standing] = msgspec.json.Decoder(Standing)


def key_of(standing: Standing) -> str:
    """The key of its record."""
    match standing:
        case Handling():
            return f"handling/{standing.alert_id}"
        case Silence():
            return f"silence/{standing.id}"
        case Override():
            return f"override/{standing.id}"
        case Action():
            return f"action/{standing.id}"
        case PlanStanding():
            return f"plan/{standing.campaign}"


def decode_standing(value: bytes) -> Standing:
    """The value in a record of `lockstep.response-state`. Raises msgspec.MsgspecError."""
    return _DECODER.decode(value)
