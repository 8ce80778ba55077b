"""Runs a test through the meter and judge that serve runs, and says what differs from what was expected."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from lockstep.notify.message import Writer, limit_text
from lockstep.notify.message_reason import unit_of
from lockstep.rule.condition.kinds import Rule
from lockstep.text.figures import number_text
from lockstep.tools.backtest.replay import replayed
from lockstep.tools.ruletest.suite import Awaited, Test
from lockstep.transition import Transition, TransitionName


@dataclass(frozen=True)
class JudgedEpisode:
    """One episode, as it was: its transitions in order."""

    transitions: tuple[Transition, ...]

    @property
    def rule(self) -> str:
        return self.transitions[0].rule

    @property
    def labels(self) -> dict[str, str]:
        return self.transitions[0].labels

    def first(self, name: TransitionName) -> Transition | None:
        return next((t for t in self.transitions if t.state is name), None)

    @cached_property
    def fired(self) -> Transition | None:
        return self.first(TransitionName.FIRING)

    @property
    def changes(self) -> tuple[Transition, ...]:
        return tuple(t for t in self.transitions if t.state is TransitionName.SEVERITY)


@dataclass(frozen=True)
class Difference:
    """What was expected against what happened. episode: the one that comes nearest; None: there is none.

    parts: (what, expected, happened); awaited None: an alert that nobody expected.
    """

    awaited: Awaited | None
    episode: JudgedEpisode | None
    parts: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of a test."""

    test: Test
    episodes: tuple[JudgedEpisode, ...]
    differences: tuple[Difference, ...]
    transitions: tuple[Transition, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.differences


def run(test: Test) -> Outcome:
    """The outcome of a test."""
    transitions = replayed(test.plan, test.events, zone=test.times.zone, until=test.until).transitions
    episodes = tuple(_episodes(transitions))
    return Outcome(test, episodes, tuple(_differences(test, episodes)), tuple(transitions))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _episodes(transitions: Iterable[Transition]) -> list[JudgedEpisode]:
    by_id: dict[str, list[Transition]] = {}
    for transition in transitions:
        by_id.setdefault(transition.episode_id, []).append(transition)
    return [JudgedEpisode(tuple(parts)) for parts in by_id.values()]


def _differences(test: Test, episodes: Sequence[JudgedEpisode]) -> Iterable[Difference]:
    free = list(episodes)
    open_: list[Awaited] = []
    for awaited in test.awaited:
        if awaited.said.never is not None:
            continue
        same = [t for t in free if _could_be(awaited, t)]
        match = next((t for t in same if not _compared(awaited, t, test)), None)
        if match is None:
            open_.append(awaited)
        else:
            free.remove(match)
    for awaited in open_:
        # Nearest in time among those that nothing else expects: what is shown is what the author has to mend.
        same = sorted((t for t in free if _could_be(awaited, t)), key=lambda t: _distance(awaited, t))
        if same:
            free.remove(same[0])
            yield Difference(awaited, same[0], tuple(_compared(awaited, same[0], test)))
        else:
            yield Difference(awaited, None)
    silent = [a for a in test.awaited if a.said.never is not None]
    for episode in free:
        if episode.fired is not None:
            broken = next((a for a in silent if _could_be(a, episode)), None)
            yield Difference(broken, episode) if broken is not None else Difference(None, episode)


def _could_be(awaited: Awaited, episode: JudgedEpisode) -> bool:
    fits = awaited.rule == episode.rule and awaited.labels.items() <= episode.labels.items()
    return fits and (awaited.said.never is not None or (episode.fired is None) == (awaited.said.cancelled is not None))


def _distance(awaited: Awaited, episode: JudgedEpisode) -> float:
    at = awaited.fires[0] if awaited.fires else awaited.cancelled
    return 0.0 if at is None else abs((moment((episode.fired or episode.transitions[0]).at) - at).total_seconds())


def _compared(awaited: Awaited, episode: JudgedEpisode, test: Test) -> list[tuple[str, str, str]]:
    """(what, expected, happened) of everything that differs."""
    said, shown, fired = awaited.said, test.times.shown, episode.fired
    differences: list[tuple[str, str, str]] = []

    def at(what: str, expected: datetime | None, happened: Transition | None, *, nothing: str = "not") -> None:
        if expected is not None and (happened is None or moment(happened.at) != expected):
            differences.append((what, shown(expected), nothing if happened is None else shown(moment(happened.at))))

    at("pending", awaited.pending, episode.first(TransitionName.PENDING), nothing="it fired at once")
    at("cancelled", awaited.cancelled, episode.first(TransitionName.CANCELLED))
    if awaited.fires is not None and fired is not None and not awaited.fires[0] <= moment(fired.at) <= awaited.fires[1]:
        first, last = (shown(m) for m in awaited.fires)
        differences.append(("fires", first if first == last else f"{first} - {last}", shown(moment(fired.at))))
    ended = episode.first(TransitionName.RESOLVED)
    at("over", awaited.over, ended, nothing="it goes on")
    if said.over == "never" and ended is not None:
        differences.append(("over", "never", shown(moment(ended.at))))
    if fired is None:
        return differences
    if said.severity is not None and fired.severity != said.severity:
        differences.append(("severity", said.severity, fired.severity))
    if said.becomes is not None:
        differences += _changes(awaited, episode, test)
    for what, expected, happened in (("value", said.value, fired.value), ("usual", said.usual, fired.baseline)):
        if expected is not None and (happened is None or not _same(expected, happened)):
            differences.append((what, f"{expected:.12g}", "none" if happened is None else f"{happened:.12g}"))
    rule = test.rules[episode.rule]
    if said.hears is not None:
        facts = {**fired.labels, "rule": fired.rule, "severity": fired.severity}
        hear = test.routing.receivers_heard(rule.teams, facts, moment=moment(fired.at).timestamp())
        if sorted(hear) != sorted(said.hears):
            differences.append(("hears", ", ".join(said.hears) or "nobody", ", ".join(hear) or "nobody"))
    for team, parts in (said.says or {}).items():
        text = words(fired, rule, team, test)
        differences += [
            (f"says to {team}" if team != "summary" else "says", f"…{p}…", text) for p in parts if p not in text
        ]
    return differences


def _changes(awaited: Awaited, episode: JudgedEpisode, test: Test) -> list[tuple[str, str, str]]:
    happened = [(t.severity, moment(t.at)) for t in episode.changes]
    same = len(happened) == len(awaited.becomes) and all(
        word == was and (at is None or at == when)
        for (word, at), (was, when) in zip(awaited.becomes, happened, strict=True)
    )
    if same:
        return []
    expected = ", ".join(awaited.said.becomes or []) or "nothing else"
    shown = ", ".join(f"{word} at {test.times.shown(when)}" for word, when in happened)
    return [("becomes", expected, shown or "nothing else")]


def _same(expected: float, happened: float) -> bool:
    """Equal as precisely as it was written: 0.33 is a third."""
    decimals = len(f"{expected:.12f}".rstrip("0").partition(".")[2])
    return round(happened, decimals) == expected or abs(happened - expected) <= 1e-9 * abs(expected)


def words(transition: Transition, rule: Rule, team: str, test: Test) -> str:
    """The text that a team would read; of `summary` the headline."""
    writer = Writer(test.times.zone)
    return writer.headline(transition, rule) if team == "summary" else writer.team_text(transition, rule, team)


def numbers(transition: Transition) -> str:
    """`value 40, usually 6`."""
    usual = "" if transition.baseline is None else f", usually {number_text(transition.baseline, unit_of(transition))}"
    limit = "" if usual or transition.limit is None else f", the limit is {limit_text(transition)}"
    return f"value {number_text(transition.value, unit_of(transition))}{usual}{limit}"
