"""Threshold: a value against numbers, of the rule, of a table, or of another measure."""

from lockstep.measure.definition import Measured
from lockstep.measure.exact import Exact, shown
from lockstep.rule.condition.bound import matches
from lockstep.rule.condition.bound_values import looked_up, settled, without
from lockstep.rule.condition.kinds import Level, Severity, Share, Threshold
from lockstep.rule.condition.period import start_of
from lockstep.rule.condition.view import UNJUDGED, Instant, Kind, Verdict, View, is_complete, value_of

NOTHING: dict[str, float] = {}
"""No further numbers; one object for all verdicts, which nobody changes."""


def levels_of(condition: Threshold | Share, labels: dict[str, str]) -> tuple[Level, ...]:
    """The levels that hold for a group: of the first override that matches, else the rule's own; tables looked up."""
    levels = condition.levels
    for override in condition.overrides:
        if all(matches(labels.get(name, ""), pattern) for name, pattern in override.match):
            levels = override.levels
            break
    return looked_up(levels, labels) if condition.has_tables else levels


def judge_threshold(condition: Threshold, view: View, at: Instant, firing: Severity | None) -> Verdict:
    """The highest level that the value breaches; a window of which a part was not seen is judged where that can do
    nothing but add."""
    start = start_of(condition.window_s, at.end, view.zone)
    flows = condition.flows
    found = value_of(condition.expression, view, at, start, at.end)
    value = None if found is None else shown(found)
    span = (start, at.end) if flows else (None, None)
    if not condition.levels:
        return Verdict(Kind.NO_BOUND, None, value, None, None, span[0], span[1], NOTHING, "", condition.unbound)
    incomplete = not is_complete(flows, view, at, start)
    # What is missing can only add to a count, a sum or a distinct count: a breach from above stands all the same.
    if incomplete and not (isinstance(condition.expression, Measured) and flows[0].is_additive):
        return UNJUDGED
    levels, counts = condition.levels, NOTHING
    if condition.of_measures:
        bounded = settled(condition, view, at)
        if bounded is Kind.UNJUDGED or (incomplete and bounded is Kind.NO_DATA):
            return UNJUDGED
        if isinstance(bounded, Kind):
            return Verdict(Kind.NO_DATA, None, value, None, None, span[0], span[1], NOTHING, "", without(condition))
        levels, counts = bounded
    if found is None:
        return UNJUDGED if incomplete else Verdict(Kind.NO_DATA, None, None, None, None, *span)
    level = _reached(levels, found, firing)
    severity = None if level is None else level.severity
    bounds = (level or levels[0]).breach
    if incomplete and (severity is None or not bounds.is_upward):
        return UNJUDGED
    kind = Kind.CLEAR if severity is None else Kind.BREACH
    return Verdict(kind, severity, value, None, bounds.shown, span[0], span[1], counts, "", bounds.shown_of)


def breached(levels: tuple[Level, ...], value: Exact) -> bool:
    """Whether a value, in millionths, breaches any level."""
    return any(level.breach.hold(value) for level in levels)


def _reached(levels: tuple[Level, ...], value: Exact, firing: Severity | None) -> Level | None:
    """The highest level that breaches, or that fires already and is not clear."""
    for level in reversed(levels):
        if level.breach.hold(value):
            return level
        if firing is not None and level.severity <= firing and level.clear is not None and not level.clear.hold(value):
            return level
    return None
