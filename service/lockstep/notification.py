"""What a channel is given to say: a message to people with its items, or a document for programs."""

import re
from collections.abc import Mapping, Sequence
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


ENDS = ("all clear ", "not watched ", "no data any more")
"""How the headline of an end begins."""

ACKNOWLEDGED, SNOOZED, CLOSED = "acknowledged", "snoozed", "closed"
"""What stands of what people did about an alert, for other programs that keep the like."""


class PlanNews(msgspec.Struct, frozen=True, kw_only=True):
    """Which campaign an item tells of, for the page and the buttons that go with it.

    campaign: its name. number: of the announcement. may_reply: whether the reader is asked what operations say to it;
    who only planned it is not. is_open: whether nobody has replied to this answer yet. verdict: of the answer, yes,
    change or no; "" of a version that did not say.
    """

    campaign: str
    number: int
    may_reply: bool = False
    is_open: bool = False
    verdict: str = ""


class TeamPart(NamedTuple):
    """What one team is told of an item.

    team: as a title; "" where nobody else is told anything, or all are told the same. to_do: what to do; "" for a
    further line. meaning: how it stands, what it means in the other team's numbers, or the reasons; "" for none.
    stands_out: whether what to do is to be seen first.
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
    says what to do; UNSET: nobody has said. because: in a few words from where on it is told, where its bars do not
    show that; UNSET: none.
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
    because: str | msgspec.UnsetType = msgspec.UNSET

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
        """The word before it: how severe it is, that somebody has it, or that it is over."""
        if self.is_unknown:
            return "ended"
        return "in hand" if self.is_taken else badge(self.state, self.severity)

    @property
    def line(self) -> str:
        """All that a list of messages has place for: how severe it is, that it is over or who has it, and what."""
        return line_of(self.headline, self.state, (self.is_taken and self.handled) or self.badge)

    @property
    def audience(self) -> str:
        """Whose it is, behind "for": `marketing and operations`; "" where nobody is told anything of an alert."""
        return " and ".join(self.texts) if self.alert_id else ""

    @property
    def is_taken(self) -> bool:
        """Whether it tells that somebody has it, so that nothing is left to do for the others."""
        return self.state == HANDLED and bool(self.standing)

    @property
    def is_unknown(self) -> bool:
        """Whether it has ended because nobody looks any more, so that it may go on."""
        return self.state == "resolved" and self.headline.startswith(ENDS[1:])

    @property
    def in_short(self) -> str:
        """What each team is to do, as one line: `Marketing: Add no budget. Operations: Plan overtime.`"""
        if self.is_taken:
            return "Nothing is left for you to do."
        said: dict[str, list[str]] = {}
        for team in self.texts:
            part = self._part(team)
            said.setdefault(part.to_do or part.meaning, []).append(team)
        if self.is_over or not (self.alert_id or self.campaign):
            return " ".join(said)
        return " ".join(f"{_titled(' and '.join(teams))}: {text}" for text, teams in said.items())

    @property
    def span(self) -> str:
        """The stretch that the value is of, so that it can stand behind its number: `within 2 hours`, or `now`."""
        return self.window if self.window == "now" else f"within {self.window}"

    @property
    def when(self) -> str:
        """When it began, and when it ended, when it has, in the shop's time: `Tue 24 Nov 11:40 to 12:00`.

        The day is said once where it is the same; the zone where the clocks were changed meanwhile.
        """
        if not self.at:
            return ""
        (day, begin, zone), (last_day, end, last_zone) = _parts(self.since), _parts(self.at)
        if zone != last_zone:
            begin, end = f"{begin} {zone}", f"{end} {last_zone}"
        if self.since == self.at:
            return f"{day} {begin}"
        if self.is_over:
            return f"{day} {begin} to {end}" if day == last_day else f"{day} {begin} to {last_day} {end}"
        return f"{last_day} {end}, since {begin}" if day == last_day else f"{last_day} {end}, since {day} {begin}"

    @property
    def team_parts(self) -> list[TeamPart]:
        """What each team is told, in their order; one without a team where nobody else is told anything, or all are
        told the same of an end.

        So they are of what is no alert's, such as that a silence begins; one for each line of it. Of a campaign each
        team's first line says what to do, and the others, which all have, why. What all teams are told stands once,
        behind what each is.
        """
        if self.campaign is not None and self.texts:
            return self._plan_parts()
        if (self.is_over or not self.alert_id) and len(set(self.texts.values())) == 1:
            first, *others = next(iter(self.texts.values())).split("\n")
            if others:
                return [TeamPart("", line) for line in (first, *others)]
            return [self._part(next(iter(self.texts)))._replace(team="")]
        parts = [self._part(team) for team in self.texts]
        if len(parts) < 2:
            return [part._replace(team="") for part in parts]
        own, shared = _apart([part.meaning for part in parts])
        if len({part.to_do for part in parts}) == 1 and parts[0].stands_out:
            meaning = " ".join(filter(None, [*own, shared]))
            return [parts[0]._replace(team="", meaning=meaning)]
        parts = [part._replace(meaning=meaning) for part, meaning in zip(parts, own, strict=True)]
        return [*parts, TeamPart("", "", shared)] if shared else parts

    def _plan_parts(self) -> list[TeamPart]:
        """A campaign's: what each team is to do, and the lines below it once."""
        lines = {team: text.split("\n") for team, text in self.texts.items()}
        first = {team: of[0] for team, of in lines.items()}
        is_alike = len(set(first.values())) == 1
        to_dos = [
            TeamPart("" if is_alike else _titled(team), text, stands_out=True)
            for team, text in list(first.items())[: 1 if is_alike else None]
        ]
        return [*to_dos, *(TeamPart("", "", line) for line in next(iter(lines.values()))[1:])]

    def _part(self, team: str) -> TeamPart:
        """A team's text, what to do apart from the rest of it."""
        text, name = self.texts[team], _titled(team)
        to_do = "" if isinstance(self.to_do, msgspec.UnsetType) else self.to_do.get(team, "")
        if self.is_taken:
            return TeamPart(name, "", text)
        if not to_do or to_do not in text:
            return TeamPart(name, text)  # nobody has said, or the text is another one by now
        before, _, after = text.partition(to_do)
        return TeamPart(name, to_do, f"{before.strip()} {after.strip()}".strip(), stands_out=True)

    def noted(self, note: str) -> "Item":
        """The item with one more note below it, before the one that it has."""
        return msgspec.structs.replace(self, note="; ".join(filter(None, (note, self.note))))


MOST_TO_DO, TO_DO_OF_MANY = 5, 3
"""Of so many items what to do is said; of more for so many of them, and of the others that they are there."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What people are sent: the transitions of one rule, the most severe that goes on first.

    state: `firing` while anything in it goes on. severity: of the most severe item. teams: who shares the destination.
    more: how many items found no place. summary: whether it gathers what came after too many messages.
    reason: why it was sent, in words that go on after "because": "it got worse"; UNSET: nobody has said. evident:
    whether the message says that itself, as it does that something has begun. overview: of a message of several, the
    address of all that is open. report: what the whole message is, for channels that can show one: its item says it in
    short.
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
    evident: bool | msgspec.UnsetType = msgspec.UNSET
    overview: str | msgspec.UnsetType = msgspec.UNSET
    report: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET

    def about(self, item: Item) -> str:
        """The rule, and what it is about by name: `LowStock, sku A-1`; its headline may be the author's, without."""
        if not item.alert_id:
            return self.rule
        labels = ", ".join(f"{name} {value}" for name, value in item.labels.items())
        return f"{item.rule or self.rule}, {labels or 'the whole shop'}"

    @property
    def count(self) -> int:
        """How many alerts it tells of."""
        return len(self.items) + self.more

    @property
    def lead(self) -> str:
        """What stands above several items: how many there are, and how bad: `5 alerts: 1 critical, 3 warnings, 1 over`;
        of more than are here, how many are critical."""
        if all(item.is_over for item in self.items):
            is_gone = all(item.state == CAME_AND_WENT for item in self.items)
            return f"{self.count:,} alerts {'came and went' if is_gone else 'are over'}"
        kinds: dict[str, int] = {}
        for item in self.items:
            kind = "over" if item.is_over else item.severity
            kinds[kind] = kinds.get(kind, 0) + 1
        if self.more:
            critical = kinds.get("critical")
            return f"{self.count:,} alerts{f', {critical:,} critical' if critical else ''}"
        counts = (f"{n:,} {kind}{'s' if kind == 'warning' and n > 1 else ''}" for kind, n in kinds.items())
        return f"{self.count:,} alerts: {', '.join(counts)}"

    @property
    def to_do_of(self) -> int:
        """Of how many of its items what to do is said: of a few of all, of very many of the worst."""
        return 0 if self.same else len(self.items) if self.count <= MOST_TO_DO else TO_DO_OF_MANY

    @property
    def same(self) -> str:
        """What is left to do, where that is the same for all of several that are over; "" else."""
        said = {item.in_short if item.is_over else "" for item in self.items}
        return said.pop() if len(self.items) > 1 and len(said) == 1 else ""

    @property
    def because(self) -> str:
        """Why it was sent, where it does not say that itself: `You get this because it got worse.`; "" for nothing."""
        return f"You get this because {self.reason}." if self.reason and self.evident is not True else ""

    def remarks(self, *, shown: int) -> list[str]:
        """What stands below the items. shown: how many of them stand above."""
        lines = []
        more = self.count - shown
        if more > 0:
            lines.append(f"… and {more:,} more.")
        if self.summary:
            lines.append("There were so many messages that the latest were gathered into this one.")
        return [*lines, *filter(None, [self.because])]


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


def line_of(headline: str, state: str, standing: str) -> str:
    """A headline behind how it stands; of an end it says so itself, but where an earlier version wrote it."""
    if state == "resolved" and headline.startswith(ENDS):
        return f"{headline[0].upper()}{headline[1:]}"
    return f"{standing[:1].upper()}{standing[1:]}: {headline}"


def badge(state: str, severity: str) -> str:
    """The word before what is told: how severe it is, or that it is over."""
    if state not in OPEN:
        return "over" if state == "resolved" else "came and went"
    return f"now {severity}" if state == "severity" else severity


def _titled(team: str) -> str:
    return f"{team[:1].upper()}{team[1:]}"


_SENTENCES = re.compile(r"(?<=[.!?]) (?=[^a-z])")


def _apart(texts: Sequence[str]) -> tuple[list[str], str]:
    """Of several texts what each says alone, and what all of them say, a sentence at a time. Of one that goes on in
    another text the longer one stands."""
    first, *others = (_SENTENCES.split(text) if text else [] for text in texts)
    shared = {}  # sentence → what each text says of it
    for sentence in first:
        same = [next((s for s in other if _is_same(s, sentence)), None) for other in others]
        if all(same):
            shared[sentence] = [sentence, *map(str, same)]
    said = {s for sentences in shared.values() for s in sentences}
    own = [" ".join(s for s in sentences if s not in said) for sentences in (first, *others)]
    return own, " ".join(max(sentences, key=len) for sentences in shared.values())


def _is_same(one: str, other: str) -> bool:
    return one.startswith(other.removesuffix(".")) or other.startswith(one.removesuffix("."))


def _parts(moment: str) -> tuple[str, str, str]:
    """Day, time and zone of what `figures.time_text` made; the year is no news."""
    day, time, zone = moment.rsplit(" ", 2)
    return re.sub(r" \d{4}$", "", day), time, zone
