"""What `/` shows: alerts that nobody has, the worst first; who has the others, of which nobody hears, what ended."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import nlargest, nsmallest

from lockstep.adapters.http.pages.alert_view import ENDED, SEVERITIES, headline_of, standing_of, tone_of
from lockstep.notification import Audience
from lockstep.notify.advice import advice
from lockstep.notify.message import Writer, direction_of
from lockstep.notify.message_reason import leaf_of
from lockstep.notify.receivers import CHANNELS
from lockstep.response.decision import Decision, Reason
from lockstep.response.standing import Handling, Silence
from lockstep.rule.condition.kinds import Rule
from lockstep.text.figures import many
from lockstep.text.label_words import labels_in_words, rule_in_words
from lockstep.text.one_line import cut_text, flat, isolated
from lockstep.text.short_time import short_time
from lockstep.transition import Transition, TransitionName

MOST_LOOKED_AT = 500
"""Open alerts that are sorted into sections, the most severe first; of more only their number is said."""
MOST_ROWS = 100
"""Rows of one section."""
MOST_OVER = 20
"""Rows of what is over, the last ones."""
MOST_TEXTS = 20
"""Alerts of which it is said what each team does, the worst; the others say it on their own pages."""
LONGEST_TEXT = 170
_HELD = {
    Reason.SILENCED: "silenced",
    Reason.INHIBITED: "told with a graver alert",
    Reason.MUTED: "told later, when people want to hear of it",
    Reason.FLAPPING: "told when it has settled: it comes and goes",
    Reason.MAX_ALERTS: "one of too many to tell",
    Reason.GROUPED: "told in a moment, with others",
    Reason.NOBODY: "nobody is named who is told of it",
    Reason.DEAD: "told to nobody: mail or chat cannot be reached",
}
"""Why nobody hears of an alert, in words."""
FIRES, HANDLED, UNHEARD, UNSURE, OVER = "fires", "handled", "unheard", "unsure", "over"
"""Kinds of sections."""


_RANKS = {severity: rank for rank, severity in enumerate(SEVERITIES)}

Noted = tuple[Transition, str]
"""An alert, and what is said beside it."""


@dataclass(frozen=True)
class Row:
    """One alert. since: when it began, short; of what is over, when it ended. note: who has it, or why nobody hears of
    it; "": nothing of that kind. kind: its rule, in words. todos: (team, what it does now), the team "" where it is
    everybody's. subject: what it is about, in words; "" for the whole shop. labels: the same as events have it. also:
    (what, alert id) of alerts about the same that are no graver.
    """

    alert_id: str
    tone: str
    word: str
    headline: str
    since: str
    note: str
    kind: str = ""
    todos: Sequence[tuple[str, str]] = ()
    subject: str = ""
    labels: Sequence[str] = ()
    also: Sequence[tuple[str, str]] = ()

    def is_named_in(self, text: str) -> bool:
        """Whether a text names what the alert is about."""
        return not self.labels or any(label in text for label in self.labels)


@dataclass(frozen=True)
class Section:
    """Alerts of one kind: FIRES, HANDLED, UNHEARD, UNSURE or OVER. count: of all; of FIRES those of one thing are one.
    critical: how many of the rows are. more:
    how many are not shown."""

    kind: str
    title: str = ""
    rows: Sequence[Row] = ()
    count: int = 0
    critical: int = 0
    more: int = 0


@dataclass(frozen=True)
class BoardView:
    """headline, tone: whether anything needs somebody. team: whose alerts alone; "": all. uncounted: open alerts that
    were not looked at."""

    sections: Sequence[Section]
    teams: Sequence[str] = ()
    team: str = ""
    uncounted: int = 0

    def section(self, kind: str) -> Section:
        """Of a kind; an empty one where there is none."""
        return next((section for section in self.sections if section.kind == kind), Section(kind))

    @property
    def headline(self) -> str:
        """The whole board in a few words."""
        fires, handled, unheard = (self.section(kind).count for kind in (FIRES, HANDLED, UNHEARD))
        if fires:
            return f"{many(fires, 'alert')} {'needs' if fires == 1 else 'need'} somebody"
        if handled:
            return f"Nothing more to take: somebody has {'the one alert' if handled == 1 else f'all {handled} alerts'}"
        if unheard:
            return f"Nothing to take: {many(unheard, 'alert')} kept quiet"
        return "All is well. Nothing to do."

    @property
    def tone(self) -> str:
        """The colour of the worst alert that nobody has; `info` where others go on, `over` where none does."""
        nobodys = next((row.tone for row in self.section(FIRES).rows), "")
        return nobodys or ("info" if any(self.section(kind).count for kind in (HANDLED, UNHEARD)) else "over")


def board_view(
    alerts: Iterable[Transition],
    rules: Mapping[str, Rule],
    writer: Writer,
    *,
    handling: Callable[[str], Handling | None],
    decisions: Callable[[str, str], Sequence[Decision]],
    silenced: Callable[[Transition], Silence | None],
    now: datetime,
    team: str = "",
) -> BoardView:
    """The board. alerts: the last transition of each, also of those that ended. silenced: what keeps an alert quiet,
    also one that was told before."""
    teams = sorted({name for rule in rules.values() for name in rule.teams})
    chosen = [t for t in alerts if not team or t.rule not in rules or team in rules[t.rule].teams]
    going_on = [t for t in chosen if t.state not in ENDED]
    fires: list[Noted] = []
    handled: list[Noted] = []
    held: list[Noted] = []
    pending: list[Noted] = []
    for transition in nsmallest(MOST_LOOKED_AT, going_on, key=_weight):
        standing = standing_of(handling(transition.alert_id), transition.episode_id, writer.zone, now)
        silence = silenced(transition)
        quiet = "" if standing or silence else _quiet(decisions(transition.alert_id, transition.episode_id))
        quiet = quiet if silence is None else f"silenced by {silence.author}: {silence.comment}"
        is_pending = transition.state is TransitionName.PENDING
        into = pending if is_pending else handled if standing else held if quiet else fires
        into.append((transition, " · ".join(standing) or quiet))
    handled.sort(key=lambda noted: noted[0].started_at, reverse=True)
    ended = nlargest(MOST_OVER, (t for t in chosen if t.state is TransitionName.RESOLVED), key=lambda t: t.at)

    def section(kind: str, title: str, noted: list[Noted], *, texts: int = 0) -> Section:
        rows = [
            _row(transition, rules, writer, now=now, note=note, has_texts=place < texts, team=team)
            for place, (transition, note) in enumerate(noted[:MOST_ROWS])
        ]
        shown, more = _by_subject(rows) if kind == FIRES else rows, max(0, len(noted) - MOST_ROWS)
        # What one thing brings is one card, and is counted as that.
        return Section(kind, title, shown, len(shown) + more, sum(row.tone == "critical" for row in shown), more)

    sections = [
        section(FIRES, "Nobody has it yet", fires, texts=MOST_TEXTS),
        section(HANDLED, "Somebody is on it", handled),
        section(UNHEARD, "Kept quiet: nobody is told", held),
        section(UNSURE, "Watched: may pass by itself", pending),
        section(OVER, "Over since yesterday", [(t, "") for t in ended]),
    ]
    shown = [section for section in sections if section.rows]
    return BoardView(shown, teams, team, max(0, len(going_on) - MOST_LOOKED_AT))


def _weight(transition: Transition) -> tuple[int, str]:
    is_pending = transition.state is TransitionName.PENDING
    return (9 if is_pending else _RANKS.get(transition.severity, 1)), transition.started_at


def _quiet(decisions: Sequence[Decision]) -> str:
    """Why nobody hears of an alert, by the last word on each destination; "" where somebody was told."""
    last: dict[str, Decision] = {}
    for decision in decisions:
        way = CHANNELS.get(decision.channel)
        if way is not None and way.audience is Audience.PROGRAMS:
            continue  # they hear everything
        if decision.outcome == "told":
            return ""
        last[decision.destination_id] = decision
    kept = [d for d in last.values() if d.reason in _HELD]
    if not kept or len(kept) < len(last):
        return ""
    return kept[0].why or _HELD[kept[0].reason]


def _row(
    transition: Transition,
    rules: Mapping[str, Rule],
    writer: Writer,
    *,
    now: datetime,
    note: str,
    has_texts: bool,
    team: str,
) -> Row:
    rule = rules.get(transition.rule)
    tone, word = tone_of(transition)
    moment = transition.at if transition.state in ENDED else transition.started_at
    return Row(
        alert_id=transition.alert_id,
        tone=tone,
        word=word,
        headline=_title(headline_of(writer, transition, rule), transition),
        since=short_time(moment, writer.zone, now),
        note=note,
        kind=rule_in_words(transition.rule),
        todos=_todos(transition, rule, writer, team) if has_texts and rule is not None else (),
        subject=labels_in_words(transition.labels),
        labels=tuple(map(flat, transition.labels.values())),
    )


def _title(line: str, transition: Transition) -> str:
    """A headline that stands by itself: with a capital, unless it begins with a name, which is as it is written."""
    names = tuple(filter(None, (transition.rule, *transition.labels.values())))
    if line.partition(" ")[0].isalpha() and not line.startswith(names):
        line = f"{line[0].upper()}{line[1:]}"
    return isolated(line, transition.labels.values())


def _by_subject(rows: Sequence[Row]) -> list[Row]:
    """The gravest of each subject, with the others beside it: what one product brings is one trouble."""
    first: dict[str, Row] = {}
    for n, row in enumerate(rows):
        name = row.subject or f"{n}"
        worst = first.get(name)
        if worst is None:
            first[name] = row
        else:
            what = row.kind if row.headline == worst.headline else row.headline
            first[name] = replace(worst, also=(*worst.also, (what, row.alert_id)))
    return list(first.values())


def _todos(transition: Transition, rule: Rule, writer: Writer, only: str) -> list[tuple[str, str]]:
    """What each team of a rule does about an alert: the rule's words, else what anybody could do. only: of this team
    alone; "": of all."""
    texts = {}
    for team in [only] if only else rule.teams:
        text = flat(writer.own_words(transition, rule, team))
        if not rule.say.get(team):
            leaf, direction = leaf_of(transition), direction_of(transition)
            what = advice(team, rule, leaf, direction=direction, is_missing=transition.value is None)
            text = f"{what[:1].upper()}{what[1:]}."
        texts[team] = cut_text(text, LONGEST_TEXT)
    if len(texts) > 1 and len(set(texts.values())) == 1:
        return [("", next(iter(texts.values())))]
    return list(texts.items())
