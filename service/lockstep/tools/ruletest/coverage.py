"""What tests leave open: rules that no test fires, severities never reached, parts of conditions never true.

A part is judged by the live judge as a rule of its own, on the same events.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lockstep.rule.condition.kind_table import kind_of
from lockstep.rule.condition.kinds import Condition, Leaf, Rule, Severity, Share, Threshold
from lockstep.rule.condition.when import parts_of
from lockstep.tools.backtest.replay import replayed
from lockstep.tools.ruletest.runner import Outcome
from lockstep.tools.ruletest.suite import part_of
from lockstep.transition import TransitionName


@dataclass(frozen=True)
class Gap:
    """One thing that the tests leave open. place: where the rule stands."""

    rule: str
    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: rule '{self.rule}': {self.what}"


def gaps(rules: Sequence[Rule], outcomes: Sequence[Outcome]) -> list[Gap]:
    """What the tests of these rules leave open, in the order of the rules."""
    every_gap: list[Gap] = []
    for rule in rules:
        own = [o for o in outcomes if any(r.name == rule.name and r.place == rule.place for r in o.test.plan.rules)]
        every_gap += [Gap(rule.name, rule.place, what) for what in _left_open(rule, own)]
    return every_gap


def _left_open(rule: Rule, outcomes: Sequence[Outcome]) -> Iterator[str]:
    fired = [e for o in outcomes for e in o.episodes if e.rule == rule.name and e.fired is not None]
    named = any(a.rule == rule.name for o in outcomes for a in o.test.awaited)
    if not fired:
        yield "no test has it fire" if named or outcomes else "no test looks at it"
        return
    if not any(o.passed and all(e.rule != rule.name or e.fired is None for e in o.episodes) for o in outcomes):
        yield "no test has it stay silent"
    if not any(e.first(TransitionName.RESOLVED) for e in fired):
        yield "no test has it end"
    reached = {t.severity for e in fired for t in e.transitions}
    for severity in _severities(rule.condition):
        if severity.word not in reached:
            yield f"severity {severity.word} is never reached"
    if rule.for_s and not any(
        t.state is TransitionName.CANCELLED for o in outcomes for t in o.transitions if t.rule == rule.name
    ):
        yield "no test has it end before 'for' is over"
    if isinstance(rule.condition, Threshold | Share):
        for override in rule.condition.overrides:
            if not any(_matches(override.match, e.labels) for e in fired):
                shown = ", ".join(f"{label}: {pattern}" for label, pattern in override.match)
                yield f"the override for {shown} never fires"
    for said, part in _parts(rule.condition):
        if not any(_is_ever_true(replace(rule, condition=part, for_s=0), o) for o in outcomes):
            yield f"{said} is never true"


def _severities(condition: Condition) -> Iterable[Severity]:
    """Those that a rule on a single condition may reach."""
    return kind_of(condition).severities(condition) if isinstance(condition, Leaf) else ()


def _matches(match: Iterable[tuple[str, str]], labels: dict[str, str]) -> bool:
    def fits(value: str, pattern: str) -> bool:
        return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern

    return all(fits(labels.get(label, ""), pattern) for label, pattern in match)


def _parts(condition: Condition, path: str = "") -> Iterator[tuple[str, Condition]]:
    """Conditions within a condition, and the two directions of a spike."""
    if isinstance(condition, Leaf):
        yield from ((f"{path}{word}", part) for word, part in kind_of(condition).directions(condition))
    for (word, *place), part in parts_of(condition):
        here = path + word + "".join(f"[{i + 1}]" for i in place)
        yield here, part
        yield from _parts(part, f"{here}.")


def _is_ever_true(rule: Rule, outcome: Outcome) -> bool:
    test = outcome.test
    plan = replace(part_of(test.plan, [rule.name]), rules=(rule,))
    transitions = replayed(plan, test.events, zone=test.times.zone, until=test.until).transitions
    return any(t.state is TransitionName.FIRING for t in transitions)
