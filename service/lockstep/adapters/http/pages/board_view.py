"""What `/` shows: the alerts that fire, those that somebody has, those of which people hear nothing, what is over."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import nlargest, nsmallest

from lockstep.adapters.http.pages.alert_view import ENDED, SEVERITIES, headline_of, standing_of, tone_of
from lockstep.notification import Audience
from lockstep.notify.message import Writer
from lockstep.notify.receivers import CHANNELS
from lockstep.response.decision import Decision, Reason
from lockstep.response.standing import Handling, Silence
from lockstep.rule.condition.kinds import Rule
from lockstep.text.figures import time_text
from lockstep.text.one_line import isolated
from lockstep.transition import Transition, TransitionName

MOST_LOOKED_AT = 500
"""Open alerts that are sorted into sections, the most severe first; of more only their number is said."""
MOST_ROWS = 100
"""Rows of one section."""
MOST_OVER = 20
"""Rows of what is over, the last ones."""
_HELD = {
    Reason.SILENCED: "silenced",
    Reason.INHIBITED: "inhibited",
    Reason.MUTED: "held by a mute time",
    Reason.FLAPPING: "flapping",
    Reason.MAX_ALERTS: "one of too many",
    Reason.GROUPED: "waits for its group",
    Reason.NOBODY: "nobody is told of it",
    Reason.DEAD: "its destinations cannot be reached",
}


_RANKS = {severity: rank for rank, severity in enumerate(SEVERITIES)}

Noted = tuple[Transition, str]
"""An alert, and what is said beside it."""


@dataclass(frozen=True)
class Row:
    """One alert. note: who has it, or why nobody hears of it; "": nothing of that kind."""

    alert_id: str
    tone: str
    word: str
    headline: str
    since: str
    teams: str
    note: str


@dataclass(frozen=True)
class Section:
    """Alerts of one kind. more: how many are not shown."""

    title: str
    empty: str
    rows: Sequence[Row]
    more: int = 0


@dataclass(frozen=True)
class BoardView:
    """team: whose alerts alone; "": all. uncounted: open alerts that were not looked at."""

    sections: Sequence[Section]
    teams: Sequence[str]
    team: str
    uncounted: int


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
        into.append((transition, "; ".join(standing) or quiet))
    ended = nlargest(MOST_OVER, (t for t in chosen if t.state is TransitionName.RESOLVED), key=lambda t: t.at)
    over = [(t, time_text(t.at, writer.zone)) for t in ended]

    def section(title: str, empty: str, noted: list[Noted]) -> Section:
        rows = [_row(transition, rules, writer, note=note) for transition, note in noted[:MOST_ROWS]]
        return Section(title, empty, rows, max(0, len(noted) - MOST_ROWS))

    sections = [
        section("Fires", "Nothing fires that nobody has.", fires),
        section("Somebody has it", "", handled),
        section("People hear nothing of it", "", held),
        section("Not told yet", "", pending),
        section("Over within a day", "", over),
    ]
    shown = [section for section in sections if section.rows or section.empty]
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


def _row(transition: Transition, rules: Mapping[str, Rule], writer: Writer, *, note: str = "") -> Row:
    rule = rules.get(transition.rule)
    tone, word = tone_of(transition)
    teams = ", ".join(rule.teams) if rule is not None else ""
    return Row(
        alert_id=transition.alert_id,
        tone=tone,
        word=word,
        headline=isolated(headline_of(writer, transition, rule), transition.labels.values()),
        since=time_text(transition.started_at, writer.zone),
        teams=teams,
        note=note,
    )
