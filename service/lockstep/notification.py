"""What a channel is given to say: a message to people with its items, or a document for programs."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from lockstep.text.one_line import isolated


class Audience(Enum):
    """Who reads what a channel carries. PEOPLE get a Message, with what came within a while in one; PROGRAMS get a
    Document for each transition, at once."""

    PEOPLE = "people"
    PROGRAMS = "programs"


HANDLED = "handled"
"""State of an item, or message, that tells what somebody did about an alert that goes on."""
OPEN = ("firing", "severity", HANDLED)
"""States of an item that tells of an alert that goes on; every other one tells of an end."""
CAME_AND_WENT = "fired and resolved"
"""State of an item whose alert was over before anybody was told that it fired."""


ACKNOWLEDGED, SNOOZED, CLOSED = "acknowledged", "snoozed", "closed"
"""What stands of what people did about an alert, for other programs that keep the like."""


class PlanNews(msgspec.Struct, frozen=True, kw_only=True):
    """Which campaign an item tells of, for the page and the buttons that go with it.

    campaign: its name. number: of the announcement. may_reply: whether the reader is asked what operations say to it;
    who only planned it is not. is_open: whether nobody has replied to this announcement yet.
    """

    campaign: str
    number: int
    may_reply: bool = False
    is_open: bool = False


class TeamPart(NamedTuple):
    """What one team is told of an item.

    team: as a title; "" where all are told the same. to_do: the rule's words, which say what to do; "" for a further
    line. meaning: how it stands, what it means in the other team's numbers, or the reasons; "" for none. stands_out:
    whether what to do has to be told apart from such a meaning, here or in a later part.
    """

    team: str
    to_do: str
    meaning: str = ""
    stands_out: bool = False

    @property
    def whole(self) -> str:
        """Both as one text, for channels that have one size of letters."""
        return f"{self.to_do} {self.meaning}".strip()


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One transition as people read it; every text is plain, and fit for one line.

    state: `firing`, `severity` (it got worse), HANDLED, `resolved` or CAME_AND_WENT. value, usual: numbers with their
    units; usual is "" where there is nothing to compare. usual_is: what `usual` is: `usual`, `before` or `limit`.
    window: the stretch that the value is of, `15 minutes`, or `now`. at: when it happened. since: when the breach
    began; of an end, when it fired. value_bar, usual_bar: as bars of one scale; "" where they cannot be drawn.
    texts: team → what it means for that team. why: lines that say what led to it. more: where all numbers are.
    note: what is odd about the message itself. chart: the transition whose chart shows it; UNSET where none can.
    handled: who has it, in words, "Anna has it since 14:05"; UNSET: nobody. standing: the strongest of CLOSED,
    ACKNOWLEDGED and SNOOZED that stands; UNSET: none, though somebody may have written something. plan: the campaign
    that it tells of, where it is no alert's; UNSET: none. to_do: team → the part of its text that
    says what to do; UNSET: nobody has said.
    What has a default was not written by the first version.
    """

    state: str
    severity: str
    rule: str = ""
    headline: str
    labels: dict[str, str]
    value: str
    usual: str
    usual_is: str
    window: str
    at: str
    since: str
    value_bar: str
    usual_bar: str
    texts: dict[str, str]
    why: tuple[str, ...] = ()
    more: str = ""
    note: str = ""
    handled: str | msgspec.UnsetType = msgspec.UNSET
    runbook: str = ""
    owner: str = ""
    alert_id: str
    episode_id: str
    chart: str | msgspec.UnsetType = msgspec.UNSET
    standing: str | msgspec.UnsetType = msgspec.UNSET
    plan: PlanNews | msgspec.UnsetType = msgspec.UNSET
    to_do: dict[str, str] | msgspec.UnsetType = msgspec.UNSET

    @property
    def campaign(self) -> PlanNews | None:
        """The campaign that it tells of; None where it is another notice or an alert's."""
        return None if isinstance(self.plan, msgspec.UnsetType) else self.plan

    @property
    def is_over(self) -> bool:
        """Whether it tells of an end."""
        return self.state not in OPEN

    @property
    def title(self) -> str:
        """The headline for a screen, where it stands by itself: with a capital, unless it begins with a name, which is
        as it is written; labels that are written from right to left stay by themselves."""
        line, names = self.headline, tuple(filter(None, (self.rule, *self.labels.values())))
        if line.partition(" ")[0].isalpha() and not line.startswith(names):
            line = f"{line[0].upper()}{line[1:]}"
        return isolated(line, self.labels.values())

    @property
    def badge(self) -> str:
        """The word before it: how severe it is, or that it is over."""
        return badge(self.state, self.severity)

    @property
    def span(self) -> str:
        """The stretch that the value is of, so that it can stand behind its number: `within 2 hours`, or `now`."""
        return self.window if self.window == "now" else f"within {self.window}"

    @property
    def when(self) -> str:
        """When it began, and when it ended, when it has; the day said once where it is the same."""
        if self.since == self.at:
            return self.at
        (day, begin, zone), (last_day, end, last_zone) = _parts(self.since), _parts(self.at)
        same_day = (day, zone) == (last_day, last_zone)
        if self.is_over:
            return f"{day} {begin} to {end} {zone}" if same_day else f"{self.since} to {self.at}"
        return f"{self.at}, since {begin}" if same_day else f"{self.at}, since {self.since}"

    @property
    def team_parts(self) -> list[TeamPart]:
        """What each team is told, in their order; one without a team where all are told the same of an end.

        So they are of what is no alert's, such as that a silence begins; one for each line of it. Of a campaign the
        first line says what to do, and the others why. What means the same to all teams is said once, behind them.
        """
        if (self.is_over or not self.alert_id) and len(set(self.texts.values())) == 1:
            first, *others = next(iter(self.texts.values())).split("\n")
            if self.campaign is not None and others:
                return [TeamPart("", first, stands_out=True), *(TeamPart("", "", line) for line in others)]
            if others:
                return [TeamPart("", line) for line in (first, *others)]
            return [self._part(next(iter(self.texts)))._replace(team="")]
        parts = [self._part(team) for team in self.texts]
        same = {part.meaning for part in parts}
        if len(parts) < 2 or len(same) > 1 or same == {""}:
            return parts
        return [*(part._replace(meaning="") for part in parts), TeamPart("", "", same.pop())]

    def _part(self, team: str) -> TeamPart:
        """A team's text, what to do apart from the rest of it."""
        text, name = self.texts[team], f"{team[:1].upper()}{team[1:]}"
        to_do = "" if isinstance(self.to_do, msgspec.UnsetType) else self.to_do.get(team, "")
        before, _, after = text.partition(to_do) if to_do else (text, "", "")
        meaning = f"{before.strip()} {after.strip()}".strip()
        if meaning in ("", text):
            return TeamPart(name, text)  # there is nothing else, or the text is another one by now
        return TeamPart(name, to_do, meaning, stands_out=True)

    @property
    def why_parts(self) -> list[tuple[str, str]]:
        """(name, text) of what says why it was sent, and of where more is said."""
        reasons = [("Why", ". ".join(self.why))] if self.why else []
        return [*reasons, ("More", self.more)] if self.more else reasons

    def noted(self, note: str) -> "Item":
        """The item with one more note below it, before the one that it has."""
        return msgspec.structs.replace(self, note="; ".join(filter(None, (note, self.note))))


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What people are sent: the transitions of one rule, the most severe that goes on first.

    state: `firing` while anything in it goes on. severity: of the most severe item. teams: who shares the destination.
    more: how many items found no place. summary: whether it gathers what came after too many messages.
    reason: why it was sent, in words that go on after "because": "it is the first of its group"; UNSET: nobody
    has said. overview: of a summary, the address of all that is open. report: what the whole message is, for channels
    that can show one: its item says it in short.
    """

    subject: str
    state: str
    rule: str
    severity: str
    teams: tuple[str, ...]
    items: tuple[Item, ...]
    more: int = 0
    summary: bool = False
    reason: str | msgspec.UnsetType = msgspec.UNSET
    overview: str | msgspec.UnsetType = msgspec.UNSET
    report: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET

    def about(self, item: Item) -> str:
        """The rule, and what it is about by name: `LowStock, sku A-1`; its headline may be the author's, without."""
        if not item.alert_id:
            return self.rule
        labels = ", ".join(f"{name} {value}" for name, value in item.labels.items())
        return f"{item.rule or self.rule}, {labels or 'the whole shop'}"

    @property
    def lead(self) -> str:
        """What stands above several items: how many there are, and of which rule where all of them are of one."""
        count = f"{len(self.items) + self.more:,} alerts"
        rules = {item.rule or self.rule for item in self.items}
        is_of_one = rules == {self.rule} and not self.overview
        return f"{self.rule}: {count}" if is_of_one else count

    def remarks(self, *, shown: int) -> list[str]:
        """What stands below the items. shown: how many of them stand above."""
        lines = []
        more = len(self.items) - shown + self.more
        if more > 0:
            lines.append(f"… and {more} more.")
        if self.summary:
            lines.append(
                "Summary: there were so many messages of this rule that the latest were gathered into this one."
            )
        if self.overview:
            lines.append(f"Everything that is open: {self.overview}")
        return lines


class Picture(msgspec.Struct, frozen=True):
    """A chart as PNG, for screens in light and in dark. dark: None where only the other could be drawn. alt: what it
    shows, for who cannot see it."""

    light: bytes
    dark: bytes | None
    alt: str


Document = Mapping[str, Any]
"""What programs are sent: JSON as a published schema says; no code of ours looks into it."""

Body = Message | Document


def report_id_of(message: Message) -> str:
    """The id of the report that a message is; "" where it is none."""
    if isinstance(message.report, msgspec.UnsetType):
        return ""
    data = message.report.get("data")
    return str(data.get("id", "")) if isinstance(data, Mapping) else ""


def body_of(stored: Mapping[str, Any]) -> Body:
    """The body of a delivery as it stands on the log. Raises msgspec.ValidationError for a message that is none."""
    return msgspec.convert(stored, Message) if "items" in stored else stored


def severity_of(body: Body) -> str:
    """How severe what it tells is; "" where it does not say."""
    if isinstance(body, Message):
        return body.severity
    data = body.get("data")
    return str(data.get("severity", "")) if isinstance(data, Mapping) else ""


def badge(state: str, severity: str) -> str:
    """The word before what is told: how severe it is, or that it is over."""
    if state not in OPEN:
        return "over" if state == "resolved" else "came and went"
    return f"now {severity}" if state == "severity" else severity


def _parts(moment: str) -> tuple[str, str, str]:
    """Day, time and zone of what `figures.time_text` made."""
    day, time, zone = moment.rsplit(" ", 2)
    return day, time, zone
