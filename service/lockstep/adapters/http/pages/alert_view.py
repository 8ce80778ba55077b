"""What a page shows of an alert: what, how bad, what to do, who has it, and all that led to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from lockstep.adapters.http.pages.explained import ExplainedPart, business_parts, explained
from lockstep.adapters.http.pages.happenings import Happening, happenings
from lockstep.adapters.timeline.told_and_done import UNWATCHED
from lockstep.notification import Item
from lockstep.notify.message import Writer, facts
from lockstep.notify.units import with_units
from lockstep.response.command import Answer
from lockstep.response.decision import Decision
from lockstep.response.standing import Handling
from lockstep.rule.condition.kinds import Rule
from lockstep.text.label_words import alert_in_words
from lockstep.text.one_line import first_sentence, sentences_of
from lockstep.text.short_time import short_time
from lockstep.transition import Transition, TransitionName

ENDED = (TransitionName.RESOLVED, TransitionName.CANCELLED)
SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True)
class AlertView:
    """item: as messages tell it. title: what happened, or which one ended. tone: its colour, a severity, `over` or
    `pending`. about: the rule and its labels. when: since when it goes on, or from when to when it did. standing: what
    people did that stands, in words, most important first. is_handled: whether anything stands. is_taken: whether
    somebody has it, so that nothing is left for the others. now: what the judge
    says at this moment; "": nothing. charted: what its chart shows, `orders within 15 minutes`; "" where nobody can
    say.
    """

    item: Item
    title: str
    tone: str
    word: str
    about: str
    when: str
    alert_id: str
    episode_id: str
    is_open: bool
    is_handled: bool
    is_taken: bool
    standing: tuple[str, ...]
    notes: tuple[tuple[str, str, str], ...]
    now: str
    parts: Sequence[ExplainedPart]
    timeline: Sequence[Happening]
    charted: str = ""

    @property
    def todos(self) -> list[tuple[str, str]]:
        """(team, what it does now, in one sentence); the team "" where it is everybody's."""
        parts = [(part.team, first_sentence(part.to_do)[0]) for part in self.item.team_parts if part.to_do]
        return [("", parts[0][1])] if len(parts) > 1 and len({text for _, text in parts}) == 1 else parts

    @property
    def meanings(self) -> list[tuple[str, str]]:
        """(team, what else it is told), where it is told more; what all are told once, the team "", where it begins."""
        parts = {
            part.team: sentences_of(f"{first_sentence(part.to_do)[1]} {part.meaning}") for part in self.item.team_parts
        }
        shared = [one for one in next(iter(parts.values()), []) if all(one in further for further in parts.values())]
        own = {team: [one for one in further if one not in shared] for team, further in parts.items()}
        begins = bool(shared) and next(iter(parts.values()))[0] == shared[0]
        rows = [("", shared), *own.items()] if begins else [*own.items(), ("", shared)]
        return [(team, " ".join(further)) for team, further in rows if further]

    @property
    def runbook(self) -> str:
        return self.item.runbook if self.item.runbook.startswith(("https://", "http://")) else ""


def headline_of(writer: Writer, transition: Transition, rule: Rule | None) -> str:
    """The one line of an alert in a list; of one that ended, which it was: it is so no more."""
    if transition.state in ENDED:
        return alert_in_words(transition.rule, transition.labels)
    return writer.headline(transition, rule)


def tone_of(transition: Transition) -> tuple[str, str]:
    """(colour, word) of how an alert stands."""
    if transition.state in ENDED:
        return "over", "over"
    if transition.state is TransitionName.PENDING:
        return "pending", "watched"
    return (transition.severity if transition.severity in SEVERITIES else "warning"), transition.severity


def standing_of(handling: Handling | None, episode_id: str, zone: ZoneInfo, now: datetime) -> list[str]:
    """What people did about this episode that still stands, in words."""
    if handling is None or handling.episode_id != episode_id:
        return []

    def when(word: str, moment: str | None) -> str:
        return f" {word} {short_time(moment, zone, now)}" if moment else ""

    lines = []
    if handling.closed_by:
        lines.append(f"{handling.closed_by} closed it{when('at', handling.closed_at)}")
    if handling.acknowledged_by:
        until = when("until", handling.acknowledged_until)
        since = when("since", handling.acknowledged_at)
        lines.append(f"{handling.acknowledged_by} has it{since}{',' if since and until else ''}{until}")
    if handling.assignee and handling.assignee != handling.acknowledged_by:
        lines.append(f"given to {handling.assignee}")
    if handling.snoozed_until and datetime.fromisoformat(handling.snoozed_until) > now:
        lines.append(f"{handling.snoozed_by} keeps it quiet{when('until', handling.snoozed_until)}")
    return lines


def alert_view(
    transitions: Sequence[Transition],
    events: Sequence[Transition | Decision | Answer],
    handling: Handling | None,
    rules: Mapping[str, Rule],
    writer: Writer,
    *,
    now: datetime,
    says_now: str = "",
) -> AlertView:
    """The page of one episode.

    transitions: of the episode, oldest first, at least one. events: its timeline. says_now: what the judge says of the
    alert at this moment.
    """
    last, zone = transitions[-1], writer.zone
    rule = rules.get(last.rule)
    teams = rule.teams if rule is not None else ()
    fired_at = next((t.at for t in transitions if t.state is TransitionName.FIRING), "")
    begun = next((t for t in reversed(transitions) if t.state not in ENDED), None)
    item = writer.item(last, rule, teams, fired_at=fired_at, begun=begun)
    tone, word = tone_of(last)
    standing = standing_of(handling, last.episode_id, zone, now) if last.state not in ENDED else []
    is_current = handling is not None and handling.episode_id == last.episode_id
    notes = handling.notes if handling is not None and is_current else ()
    judged = next((t.explanation for t in reversed(transitions) if t.explanation is not None), None)
    labels = ", ".join(f"{name} {value}" for name, value in item.labels.items())
    since = short_time(last.started_at, zone, now)
    return AlertView(
        item=item,
        title=item.title if last.state not in ENDED else f"{_ended_word(last)}: {headline_of(writer, last, rule)}",
        tone=tone,
        word=word,
        about=f"{last.rule}, {labels or 'the whole shop'}",
        when=f"since {since}" if last.state not in ENDED else f"{since} to {_end(last.at, zone, now, since)}",
        alert_id=last.alert_id,
        episode_id=last.episode_id,
        is_open=last.state not in ENDED,
        is_handled=bool(standing),
        is_taken=bool(standing and handling is not None and (handling.acknowledged_by or handling.closed_by)),
        standing=tuple(standing),
        notes=tuple((note.by, short_time(note.at, zone, now), note.text) for note in notes),
        now=says_now,
        parts=(*explained(judged, zone), *business_parts(last.made_of, zone)),
        timeline=happenings(events, zone, lambda t: facts(with_units(t, rule, writer.currency)).number),
        charted="" if not (of := facts(last).of) or item.window == "now" else f"{of} {item.span}",
    )


def _ended_word(transition: Transition) -> str:
    if transition.state is TransitionName.CANCELLED:
        return "Passed by itself"
    return "Watched no more" if transition.reason in UNWATCHED else "Over"


def _end(moment: str, zone: ZoneInfo, now: datetime, since: str) -> str:
    """When it ended, behind when it began, which may be of another day."""
    short = short_time(moment, zone, now)
    return short if " " in short or " " not in since else f"today {short}"
