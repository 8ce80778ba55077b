"""The table: of what was planted, what each team heard, when and in which words; and what else was said.

The rules are judged by the backtest's core, and their words are notify's.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tests.simshop.planted import TEAMS, Heard, Planted, agrees, planted
from tests.simshop.script import LIVED_FROM, ZONE
from tests.simshop.whole_life import life

from lockstep.adapters.rule_files import load_rules
from lockstep.errors import RuleError
from lockstep.notify.message import Writer, labels_text
from lockstep.rule.condition.kinds import Plan, Rule
from lockstep.text.figures import time_text
from lockstep.tools.backtest.replay import episodes, replayed
from lockstep.transition import Transition

MOST_A_WEEK = 2
"""What was not planted may be said so often by a rule in a week."""
AT_ONCE = 256
"""Events that are judged together."""
ROOT = Path(__file__).parents[2]
RULES = (ROOT / "rules", Path(__file__).parent / "rules")
SEEDS = (1, 2)
"""Of which the repository has the tables. Rules may be tuned to the first, never to the second."""


@dataclass(frozen=True)
class Said:
    """What a rule said when it fired: the line for both teams, and each team's words; "" for one that is not told."""

    rule: str
    labels: Mapping[str, str]
    at: datetime
    headline: str
    words: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"{self.rule} {labels_text(self.labels)}" if self.labels else self.rule


@dataclass(frozen=True)
class Row:
    """One thing that had to be heard, or that could be. said: None when it was not. fault: "" when all is well."""

    of: Planted
    wanted: str
    said: Said | None
    fault: str = ""

    @property
    def minutes(self) -> int | None:
        return None if self.said is None else round((self.said.at - self.of.starts) / timedelta(minutes=1))


@dataclass(frozen=True)
class Table:
    """rows: what was planted, in the order of time. else_said: what no planted trouble explains. noisy: (week, rule) →
    how often, where that is more than MOST_A_WEEK. said: all that was, the history's, too."""

    seed: int
    rows: tuple[Row, ...]
    else_said: tuple[Said, ...]
    said: tuple[Said, ...] = ()

    @property
    def noisy(self) -> dict[tuple[int, str], int]:
        often = Counter(((said.at - LIVED_FROM) // timedelta(weeks=1) + 1, said.rule) for said in self.else_said)
        return {key: count for key, count in sorted(often.items()) if count > MOST_A_WEEK}

    @property
    def is_right(self) -> bool:
        return not self.noisy and not any(row.fault for row in self.rows)


def heard_file(seed: int) -> Path:
    """Where the table of a seed stands, with every word."""
    return Path(__file__).parent / "heard" / f"seed_{seed}.md"


def table(seed: int, rules: Sequence[Path] = RULES, weeks: int = 2) -> Table:
    """Judge a seed's life. Raises RuleError when the rules cannot be used."""
    loaded = load_rules(*rules)
    if loaded.errors:
        raise RuleError("; ".join(map(str, loaded.errors)))
    events, truth = life(seed, weeks)
    # The shop's numbers in texts are those of the last portion, so portions are small.
    said = list(_said(loaded.plan, replayed(loaded.plan, events, zone=ZONE, at_once=AT_ONCE).transitions))
    ends = LIVED_FROM + timedelta(weeks=weeks)
    return compared(seed, said, [p for p in planted(truth) if p.starts < ends])


def compared(seed: int, said: Sequence[Said], happened: Sequence[Planted]) -> Table:
    """What was said beside what happened."""
    rows = tuple(row for one in happened for row in _rows(one, said))
    explained = {id(s) for s in said for p in happened if p.explains(s.rule, s.labels, s.at)}
    rest = tuple(s for s in said if id(s) not in explained and s.at >= LIVED_FROM)
    return Table(seed, rows, rest, tuple(said))


def _said(plan: Plan, transitions: Iterable[Transition]) -> Iterable[Said]:
    """All that fired, the earliest first, in the words that a receiver of each team gets."""
    rules = {rule.name: rule for rule in plan.rules}
    writer = Writer(ZONE, currency="GBP")
    fired = [e.announcement for e in episodes(transitions) if e.fired is not None]
    for transition in sorted(fired, key=lambda t: (t.at, t.rule, sorted(t.labels.items()))):
        yield _words(transition, rules.get(transition.rule), writer)


def _words(transition: Transition, rule: Rule | None, writer: Writer) -> Said:
    hear = TEAMS if rule is None else rule.teams
    return Said(
        transition.rule,
        transition.labels,
        datetime.fromisoformat(transition.at),
        writer.headline(transition, rule),
        {team: writer.team_text(transition, rule, team) if team in hear else "" for team in TEAMS},
    )


def _rows(one: Planted, said: Sequence[Said]) -> Iterable[Row]:
    """What had to be heard of one thing, then what else was said of it; where nothing had to be, a row that says so."""
    of_it = [s for s in said if one.explains(s.rule, s.labels, s.at)]
    chosen = []
    for heard in one.hears:
        first = next((s for s in of_it if s.rule in heard.rules and agrees(heard.labels, s.labels)), None)
        chosen.append(first)
        yield Row(one, " or ".join(heard.rules), first, _fault(heard, first))
    for rule_said in of_it:
        if rule_said not in chosen:
            yield Row(one, "", rule_said)
    if not one.hears and not of_it:
        yield Row(one, "", None)


def _fault(heard: Heard, said: Said | None) -> str:
    if said is None:
        return "nobody heard of it"
    if said.at > heard.by:
        return f"late: had to be heard by {time_text(heard.by.isoformat(), ZONE)}"
    for team in TEAMS:
        if not said.words[team]:
            return f"{team} did not hear of it"
        missing = [w for w in heard.words.get(team, ()) if w not in f"{said.headline} {said.words[team]}"]
        if missing:
            return f"{team} was not told {', '.join(map(repr, missing))}"
    return ""


# ---- as people read it ----------------------------------------------------------------------------------------------


def verdict(row: Row) -> str:
    if row.fault:
        return row.fault
    if row.wanted:
        return "told"
    return "quiet, as it had to be" if row.said is None else "also said"


def after_text(minutes: int | None) -> str:
    """`+35 min`, `+2 h 5 min`, `+3 d 4 h`: after it began."""
    if minutes is None:
        return "–"
    sign, left = ("+", minutes) if minutes >= 0 else ("−", -minutes)
    days, hours, rest = left // 1_440, left % 1_440 // 60, left % 60
    if days:
        return f"{sign}{days} d {hours} h"
    return f"{sign}{hours} h {rest} min" if hours else f"{sign}{rest} min"


def markdown(made: Table, *, words: bool = True) -> str:
    """The whole table. words: with what each team heard; without, it says who heard of what and when."""
    heads = ["planted", "began", "rule", "after", *(f"{team} heard" for team in TEAMS if words), "verdict"]
    lines = [f"# Two weeks of a shop, seed {made.seed}", "", _line(heads), "|---" * len(heads) + "|"]
    before = None
    for row in made.rows:
        began = _short(row.of.starts)
        first = (f"**{row.of.name}**: {row.of.what}", began) if row.of is not before else ("", "")
        before = row.of
        said = row.said
        name = said.name if said is not None else row.wanted
        texts = ["–" if said is None else _cell(said, team) for team in TEAMS if words]
        lines.append(_line([*first, name, after_text(row.minutes), *texts, verdict(row)]))
    lines += ["", "## What else was said", ""]
    often = Counter(said.rule for said in made.else_said)
    if not often:
        lines.append("Nothing.")
    for rule, count in sorted(often.items()):
        lines.append(f"- {rule}: {count} in two weeks")
        lines += [f"  - {_short(s.at)} {s.headline if words else s.name}" for s in made.else_said if s.rule == rule]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(said: Said, team: str) -> str:
    words = said.words[team]
    return f"{said.headline}. {words}".replace("|", "\\|") if words else "–"


def _short(moment: datetime) -> str:
    local = moment.astimezone(ZONE)
    return f"{local:%a} {local.day} {local:%b %H:%M}"
