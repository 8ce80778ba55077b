"""Threshold: a value against numbers, of the rule, of a table, or of another measure."""

from typing import assert_never

from lockstep.measure.definition import Measured, Number, Operation
from lockstep.measure.exact import SCALE, Exact, shown
from lockstep.measure.possible_values import only_grows
from lockstep.rule.condition import levels as by_levels
from lockstep.rule.condition.bound_values import settled, without
from lockstep.rule.condition.condition_kind import Band, ConditionKind, Figures, Rise, Screen
from lockstep.rule.condition.kinds import Level, Severity, Threshold
from lockstep.rule.condition.period import start_of
from lockstep.rule.condition.view import UNJUDGED, Instant, Kind, Verdict, View, is_complete, value_of
from lockstep.rule.condition.words import USUAL
from lockstep.text.rfc3339 import SECOND

NOTHING: dict[str, float] = {}
"""No further numbers; one object for all verdicts, which nobody changes."""


def judge_threshold(condition: Threshold, view: View, at: Instant, firing: Severity | None) -> Verdict:
    """The highest level that the value breaches; a window of which a part was not seen is judged where that can do
    nothing but add."""
    start = start_of(condition.window_s, at.end, view.zone)
    flows = condition.flows
    measured = value_of(condition.expression, view, at, start, at.end)
    value = None if measured is None else shown(measured)
    span = (start, at.end) if flows else (None, None)
    if not condition.levels:
        return Verdict(
            kind=Kind.NO_BOUND,
            severity=None,
            value=value,
            baseline=None,
            limit=None,
            window_start=span[0],
            window_end=span[1],
            counts=NOTHING,
            baseline_of="",
            limit_of=condition.unbound,
        )
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
            return Verdict(
                kind=Kind.NO_DATA,
                severity=None,
                value=value,
                baseline=None,
                limit=None,
                window_start=span[0],
                window_end=span[1],
                counts=NOTHING,
                baseline_of="",
                limit_of=without(condition),
            )
        levels, counts = bounded
    if measured is None:
        return UNJUDGED if incomplete else Verdict(Kind.NO_DATA, None, None, None, None, *span)
    level = _reached(levels, measured, firing)
    severity = None if level is None else level.severity
    bounds = (level or levels[0]).breach
    if incomplete and (severity is None or not bounds.is_upward):
        return UNJUDGED
    kind = Kind.CLEAR if severity is None else Kind.BREACH
    return Verdict(
        kind=kind,
        severity=severity,
        value=value,
        baseline=None,
        limit=bounds.shown,
        window_start=span[0],
        window_end=span[1],
        counts=counts,
        baseline_of="",
        limit_of=bounds.shown_of,
    )


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


def _may_be_early(condition: Threshold) -> bool:
    match condition.expression:
        case Measured(series):
            upward = bool(condition.levels) and all(level.breach.is_upward for level in condition.levels)
            return upward and only_grows(series)
        case Number() | Operation():  # of a formula: more events of one of its series may undo it
            return False
        case _:
            assert_never(condition.expression)


def _only_rises(condition: Threshold) -> bool:
    if not isinstance(condition.expression, Measured) or condition.of_measures:
        return False  # what leaves the window of a bound moves the bound
    series = condition.expression.series
    return series.is_level or (all(level.breach.is_upward for level in condition.levels) and only_grows(series))


def _screen(condition: Threshold) -> Screen | None:
    """Of all its levels, those of overrides and tables, too."""
    expression, window_s = condition.expression, condition.window_s
    levels = by_levels.loosest(condition)
    if not isinstance(window_s, int) or levels is None or any(s.is_level for s in condition.series):
        return None
    if isinstance(expression, Measured) and only_grows(expression.series):
        rising = sum(bounds.is_upward for bounds in levels)
        if rising == len(levels):
            return Rise(expression.series, window_s, by_levels.least_of(levels))
        if rising and not by_levels.is_alike(condition):
            return None  # some groups may have a verdict before a bucket has closed, others not

    def read(view: View, end: int) -> Figures | None:
        value = value_of(expression, view, Instant(end, end * SECOND), end - window_s, end)
        return None if value is None else (value, SCALE)

    low, high = by_levels.clear_between(levels)
    return Band(("value", expression, window_s), read, low, high)


WORDS = USUAL


THRESHOLD = ConditionKind(
    of=Threshold,
    identity=("expression", "window_s", "levels", "overrides", "graded", "unbound"),
    yaml_words=("threshold",),
    word=lambda _: "threshold",
    judge=judge_threshold,
    when=by_levels.when_of_levels,
    for_group=by_levels.for_group,
    is_alike=by_levels.is_alike,
    may_be_early=_may_be_early,
    clears_early=False,
    only_rises=_only_rises,
    screen=_screen,
    window=lambda condition: condition.window_s,
    hours=lambda _: (),
    lengths_s=by_levels.lengths_s,
    looks_back_s=by_levels.looks_back_s,
    learns_s=lambda _: 0,
    severities=by_levels.severities,
    directions=lambda _: (),
    never_met=lambda _: (),
    template_names=lambda _: frozenset({"limit", "baseline"}),
    words=WORDS,
)
