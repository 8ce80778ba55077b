"""What people ask of notify: one record of `lockstep.commands` each, applied in the order of the log.

Whoever gives a command waits for its `Answer` on `lockstep.audit`: it says whether it was applied, and every change is
found there with who asked for it and when.
"""

from typing import Any, Literal

import msgspec

from lockstep.labels import stable_id
from lockstep.response.standing import Action, Override, Silence

COMMANDS = "lockstep.commands"
AUDIT = "lockstep.audit"
FORMAT = 1
MOST_DIGITS = 9
"""Of the number of a campaign's announcement, where somebody writes it."""

Way = Literal["page", "link", "button", "api", "cli", "lockstep"]
"""By which way a command came: `link` of a message, `button` in a chat; `lockstep`: from a stage of ours."""


class _Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=False):
    """Any command.

    id: made by who gives it, so that the same one twice (an idempotency key, a second click) is applied once.
    by: the name of the person, or of the token. way: how it came. at: when it was given, RFC 3339 in UTC. request: what
    was asked for under the id, as a digest, where somebody chose the id: another request with it is refused; "": nobody
    did.
    """

    id: str
    by: str
    way: Way
    at: str
    format: int = FORMAT
    request: str = ""


class Acknowledge(_Command, frozen=True, kw_only=True, tag="acknowledge"):
    """Somebody has an alert: nothing repeats or escalates until its episode is over, or until `until`.

    alert_id: which. episode_id: which episode was seen; "": the one that is open now. A command about an episode that
    is over is refused. until: when it expires, RFC 3339; None: as the route says (`ack_timeout`). note: what to say
    with it.
    """

    alert_id: str
    episode_id: str = ""
    until: str | None = None
    note: str = ""


class TakeBack(_Command, frozen=True, kw_only=True, tag="take_back"):
    """Nobody has the alert any more: its acknowledgement, snooze or end by hand is taken back."""

    alert_id: str
    episode_id: str = ""


class Assign(_Command, frozen=True, kw_only=True, tag="assign"):
    """The alert is somebody's from now on. to: the name of the person; "": nobody's."""

    alert_id: str
    to: str
    episode_id: str = ""


class AddNote(_Command, frozen=True, kw_only=True, tag="note"):
    """Something to know about the alert, shown in its timeline and in later messages."""

    alert_id: str
    text: str
    episode_id: str = ""


class Snooze(_Command, frozen=True, kw_only=True, tag="snooze"):
    """Nothing more is said of the episode until then, unless it gets worse or is over; what fires then is told."""

    alert_id: str
    until: str
    episode_id: str = ""


class Close(_Command, frozen=True, kw_only=True, tag="close"):
    """The episode is over for people, as somebody says: they hear of it again only if it gets worse or begins anew."""

    alert_id: str
    episode_id: str = ""
    note: str = ""


class PutSilence(_Command, frozen=True, kw_only=True, tag="put_silence"):
    """A silence is made, or takes the place of the one with its id."""

    silence: Silence


class EndSilence(_Command, frozen=True, kw_only=True, tag="end_silence"):
    """A silence ends now; one that has not begun never does."""

    silence_id: str


class PutOverride(_Command, frozen=True, kw_only=True, tag="put_override"):
    """Somebody stands in for whoever is on call."""

    override: Override


class EndOverride(_Command, frozen=True, kw_only=True, tag="end_override"):
    """Who stands in no longer does; what lies behind is kept."""

    override_id: str


class AddAction(_Command, frozen=True, kw_only=True, tag="add_action"):
    """Somebody is to do something; it is listed until it is closed. action: as it was asked for."""

    action: Action


class AssignAction(_Command, frozen=True, kw_only=True, tag="assign_action"):
    """An action is somebody's from now on. to: the name of the person; "": nobody's yet."""

    action_id: str
    to: str


class CloseAction(_Command, frozen=True, kw_only=True, tag="close_action"):
    """An action is done, or dropped. note: what to say with it."""

    action_id: str
    note: str = ""


class WriteReport(_Command, frozen=True, kw_only=True, tag="write_report"):
    """A report that is due has been composed: it is kept and sent, unless another one with its id was before.

    report_id: `daily/2026-11-30`. title, text: what channels show that can show texts alone. document: what programs
    get, and every channel that can show it; {} in the audit, as `lockstep.reports` has it.
    """

    report_id: str
    title: str
    text: str
    document: dict[str, Any] = {}


class AnswerPlan(_Command, frozen=True, kw_only=True, tag="answer_plan"):
    """A campaign is answered: both teams are told, once for each announcement, verdict and revision.

    campaign: its name. number: of the announcement. verdict: yes, change, no, or cancelled. revision: how often its
    numbers have become notably other since; 0 of a version that did not tell it. why: for both teams, in
    lines, what to do first. facts: what programs get of it beside, its days, products and clashes; {} in the audit.
    """

    campaign: str
    number: int
    verdict: str
    why: str
    facts: dict[str, Any] = {}
    revision: int = 0


class ReplyToPlan(_Command, frozen=True, kw_only=True, tag="reply_to_plan"):
    """Somebody confirms a campaign or objects to it; both teams are told.

    A reply is to the answer: `confirmed` of a yes says that operations carry the campaign as it is planned, of a change
    or a no that it is to be changed as proposed; `objected` of a yes that they cannot, of a change or a no that they
    carry it as it is planned all the same.

    campaign: its name. number: of the announcement that was seen; a reply to an older one is refused. reply: which of
    the two. note: what to say with it; an objection says why. seen: the verdict that was seen, where the reply was
    given beside one: a reply to another one than stands is refused; "": whatever stands.
    """

    campaign: str
    number: int
    reply: Literal["confirmed", "objected"]
    note: str = ""
    seen: str = ""


class DestinationDown(_Command, frozen=True, kw_only=True, tag="destination_down"):
    """Deliver says that a destination cannot be reached: escalation hurries on, and its fallback is told.

    destination_id: whose. why: the last error, in words. delivery_id: of the delivery that was given up, or waits while
    its lane only probes. is_given_up: which of the two; versions before this one did not say.
    """

    destination_id: str
    why: str
    delivery_id: str = ""
    is_given_up: bool = False


def down_id(destination_id: str, delivery_id: str, *, is_given_up: bool) -> str:
    """The id of the command that says that a delivery does not arrive, or was given up."""
    return stable_id("given up" if is_given_up else "down", destination_id, delivery_id)


class DestinationUp(_Command, frozen=True, kw_only=True, tag="destination_up"):
    """Deliver says that a destination takes deliveries again."""

    destination_id: str


Command = (
    Acknowledge
    | TakeBack
    | Assign
    | AddNote
    | Snooze
    | Close
    | PutSilence
    | EndSilence
    | PutOverride
    | EndOverride
    | AddAction
    | AssignAction
    | CloseAction
    | WriteReport
    | AnswerPlan
    | ReplyToPlan
    | DestinationDown
    | DestinationUp
)


class MakeToken(_Command, frozen=True, kw_only=True, tag="make_token"):
    """A token of the API was made.

    name: whose it is. role: what it may do.
    """

    name: str
    role: str


class RemoveToken(_Command, frozen=True, kw_only=True, tag="remove_token"):
    """A token of the API was taken back.

    name: whose it was.
    """

    name: str


class ReloadRules(_Command, frozen=True, kw_only=True, tag="reload_rules"):
    """Somebody asked that the folder of rules be looked at."""


class ReplayDelivery(_Command, frozen=True, kw_only=True, tag="replay_delivery"):
    """A delivery that was given up was sent once more, with its id.

    delivery_id: which. receiver: whom it is for.
    """

    delivery_id: str
    receiver: str


Deed = MakeToken | RemoveToken | ReloadRules | ReplayDelivery
"""What notify has no part in: done at once by whoever says so, and never on `lockstep.commands`."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A record of `lockstep.audit`: what became of a command, published in the cut that applied it.

    id: the command's. command: as it was given, or what was done without notify. applied: whether it changed anything.
    why: in words why it was refused, or what it changed ("Anna has LowStock, sku A-1"). decided_at: when, RFC 3339 in
    UTC.
    """

    id: str
    command: Command | Deed
    applied: bool
    why: str
    decided_at: str
    format: int = FORMAT


_COMMANDS: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_ANSWERS = msgspec.json.Decoder(Answer)


def decode_command(value: bytes) -> Command:
    """The command in a record of `lockstep.commands`. Raises msgspec.MsgspecError."""
    return _COMMANDS.decode(value)


def decode_answer(value: bytes) -> Answer:
    """The answer in a record of `lockstep.audit`. Raises msgspec.MsgspecError."""
    return _ANSWERS.decode(value)
