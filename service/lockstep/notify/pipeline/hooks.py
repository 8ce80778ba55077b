"""What plugs into the pipeline of notify: parts that keep people from being told, and parts that have others told.

Each part owns its entries of notify's state, under keys that begin with \\x1f and its own word, as `flap` does. Moments
are seconds since the epoch. `hushed` is asked when a message would go out, not when a transition comes, so what began
while a group waited counts; whatever it stops stays with the pipeline, which asks again when something has ended.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from lockstep.notification import Body, Item, Message, PlanNews
from lockstep.notify.routing.route_options import RouteOptions
from lockstep.ports import Destination, Record
from lockstep.response.command import Answer, Command
from lockstep.response.decision import Reason
from lockstep.response.standing import Standing
from lockstep.rule.condition.kinds import Severity
from lockstep.transition import Transition

Facts = Mapping[str, str]
"""What routes, silences and inhibitions match an alert by: its labels, and `rule`, `severity` and `team`."""


@dataclass(frozen=True)
class Hush:
    """Why people are not told now.

    why: in words, with names and times: "silenced by Anna until 18:00: summer campaign". until: when to ask again;
    None: when an `Ended` says so.
    """

    reason: Reason
    why: str
    until: float | None = None


@dataclass(frozen=True)
class Ended:
    """Something that hushed alerts is over: what is held is looked at again, and told now if it still fires.

    why: in words: "the silence of Anna is over". again: of which open alerts people hear once more although they were
    told before it began; None: only of what was held.
    """

    why: str
    again: Callable[[Facts], bool] | None = None


@dataclass(frozen=True)
class Notice:
    """What people hear that is no alert's: that a silence begins, for one.

    id: for ever the same. teams: whose people; (): everybody's. severity: in which colour it is shown. plan: the
    campaign that it tells of. own: team → what it is to do, and what is said beside it where the team reads it alone;
    "" → of every other team; both stand above the text.
    """

    id: str
    headline: str
    text: str
    teams: tuple[str, ...] = ()
    severity: Literal["info", "warning"] = "info"
    plan: PlanNews | None = None
    own: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class ProgramDocument:
    """What a destination gets that is no alert's: a program JSON as a published schema says, people a message.

    id: of the delivery. body: of what it gets. life_s: for how many seconds it is worth trying. subject: what it is
    about, `promotion/A-1`: of one subject documents arrive in the order in which they were decided; None: in any.
    """

    id: str
    destination: Destination
    state: str
    body: Body
    life_s: float
    subject: str | None = None


@dataclass(frozen=True)
class Call:
    """An open episode is to be told to further receivers, as an escalation's step says.

    to: as a route's `to`: names of receivers, `team`, `oncall:SCHEDULE`. why: "nobody has it after 15 minutes".
    """

    episode_id: str
    to: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Applied:
    """What became of a command.

    why: what it changed, or why it was refused, in words. standing: what stands now. records, documents: what else is
    published and sent for it.
    """

    applied: bool
    why: str
    standing: tuple[Standing, ...] = ()
    records: tuple[Record, ...] = ()
    documents: tuple[ProgramDocument, ...] = ()


@dataclass
class Happened:
    """What a part says when time has passed.

    standing: what of it stands otherwise than before. gone: keys of `lockstep.response-state` that stand no more.
    answers: what becomes known on the audit topic though nobody commanded it now: that a silence is over, and what it
    kept quiet. records: what else is published.
    """

    ended: list[Ended] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    standing: list[Standing] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    documents: list[ProgramDocument] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


class Part(Protocol):
    """What every part has: its share of notify's state, and the time."""

    def hear(self, transition: Transition) -> None:
        """A transition to firing, severity (also to a lower one) or resolved, before anybody is told."""

    def apply(self, command: Command, moment: float) -> Applied | None:
        """Apply a command; None: it is none of this part's. moment: when the broker got it."""

    def tick(self, moment: float) -> Happened:
        """Time passes; called before anything is told at that moment."""

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what cuts stored; other entries are left alone."""

    def cut(self) -> dict[bytes, bytes | None]:
        """The entries that changed since the last cut."""


class Hushing(Part, Protocol):
    """Silences, inhibitions, mute times: asked in this order."""

    def hushed(self, facts: Facts, severity: Severity, moment: float, options: RouteOptions) -> Hush | None:
        """Why people are not told of an alert now. options: of the path that leads to them."""


class Schedules(Part, Protocol):
    """Who is on call."""

    def on_call(self, schedule: str, moment: float) -> Sequence[str]:
        """Names of receivers; none where there is a gap."""


class Escalations(Part, Protocol):
    """Who hears of an alert that nobody has; its steps come as `Call`."""

    def begin(self, transition: Transition, escalation: str, moment: float) -> None:
        """An alert was told on a path with an escalation; the same again changes nothing."""

    def end(self, episode_id: str, *, is_closed: bool = False) -> None:
        """Somebody has it, it is snoozed or over. is_closed: somebody said by hand that it is over."""

    def hurry(self, episode_id: str, why: str, moment: float) -> None:
        """A destination that was to be told of it is dead: the next step is due now."""


@dataclass(frozen=True)
class Planned:
    """A delivery before the last word.

    about: (alert, episode) of each item in the body, in order. tells: of a summary, every item that it tells or counts.
    whys: episode → why it is told, and what is known of that in words.
    """

    number: str
    destination: Destination
    rule: str
    state: str
    about: tuple[tuple[str, str], ...]
    body: Message
    reason: Reason
    tells: tuple[Item, ...] = ()
    whys: Mapping[str, tuple[Reason, str]] = field(default_factory=dict)


class StormCap(Part, Protocol):
    """What stands between a decided message to people and its delivery when there are very many of them."""

    def take(self, planned: Planned, moment: float) -> Planned | None:
        """The delivery as it goes out; None: kept for a summary."""

    def summaries(self, moment: float) -> Sequence[Planned]:
        """The summaries that are due; in an order that a restart does not change."""
