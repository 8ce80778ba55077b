"""Compiles the numbers of a threshold or a share for each severity, their clears, and the overrides of a rule."""

from collections.abc import Sequence
from dataclasses import replace

from lockstep.measure.definition import Expression
from lockstep.rule.condition.bound import Bounds
from lockstep.rule.condition.kinds import Condition, Level, Override, Severity, Share, Threshold
from lockstep.rule.language.compile.bound import Compared, bounds_of, compared_of
from lockstep.rule.language.compile.context import FileContext, Scope, Stop
from lockstep.rule.language.form import BoundsModel, LevelModel, LevelsModel, RuleModel
from lockstep.rule.language.lint.attainable import BOUNDS, may_be_percent
from lockstep.rule.language.lint.clear import clear_fault, is_empty, span
from lockstep.text.figures import PERCENT
from lockstep.yaml.document import Pointer, did_you_mean


def levels_of(
    context: FileContext,
    own: BoundsModel,
    levels: LevelsModel | None,
    clear: Bounds | None,
    pointer: Pointer,
    severity: Severity,
    compared: Compared,
) -> tuple[Level, ...]:
    """One level for a single number, else one for each severity, the lowest first.

    own: the number beside `levels`, of which only one may be given. clear: of the rule, for levels without their own.
    pointer: where the condition stands. severity: of a single number.
    """
    breach = bounds_of(context, own, pointer, compared)
    if levels is None:
        if not breach.is_set:
            context.note(
                pointer, "no number to compare with", "add above, below, at_least or at_most", "LS124", key=True
            )
            raise Stop
        _check_breach(context, breach, pointer)
        beside = pointer[:-1] if pointer[-1] in ("threshold", "share", "ratio") else pointer
        _check_clear(context, breach, clear, (*beside, "clear"))
        return (Level(severity, breach, clear),)
    if breach.is_set:
        context.note(pointer, "both a number and 'levels'", "keep one of them", "LS124", key=True)
    compiled: list[Level] = []
    for word in ("info", "warning", "critical"):
        level: LevelModel | None = getattr(levels, word)
        if level is None:
            continue
        at = (*pointer, "levels", word)
        bounds = bounds_of(context, level, at, compared)
        if not bounds.is_set:
            context.note(
                at, f"level '{word}' has no number", "add above, below, at_least or at_most", "LS124", key=True
            )
            continue
        _check_breach(context, bounds, at)
        own_clear = clear
        if level.clear is not None:
            own_clear = bounds_of(context, level.clear, (*at, "clear"), compared)
        _check_clear(context, bounds, own_clear, at)
        lower = compiled[-1] if compiled else None
        known = lower is not None and not lower.breach.sources and not bounds.sources
        if lower is not None and known and _implies(lower.breach, bounds):
            context.note(
                at,
                f"'{word}' always holds when '{lower.severity.word}' does, which nobody will ever see",
                "the higher severity needs the harder number",
                "LS129",
                level="warning",
            )
        compiled.append(Level(Severity.of(word), bounds, own_clear))
    if not compiled:
        context.note(pointer, "'levels' names no level", "add warning or critical", "LS124", key=True)
        raise Stop
    return tuple(compiled)


def _check_breach(context: FileContext, breach: Bounds, pointer: Pointer) -> None:
    if breach.sources:
        return  # what it comes to is known when it is judged
    if is_empty(breach):
        context.note(
            pointer,
            "no number is on both sides, this can never hold",
            "for outside of a band write any: [threshold …, threshold …]",
            "LS124",
        )


def _check_clear(context: FileContext, breach: Bounds, clear: Bounds | None, pointer: Pointer) -> None:
    if clear is None:
        return
    if not clear.is_set:
        context.note(pointer, "'clear' has no number", "add above, below, at_least or at_most", "LS125")
        return
    fault = clear_fault(breach, clear)
    if fault is not None:
        context.note(pointer, fault.message, fault.remedy, "LS125")


def _implies(one: Bounds, other: Bounds) -> bool:
    """Whether other holds wherever one does."""
    (low, high), (other_low, other_high) = span(one), span(other)
    low_in = other_low < low or (other_low == low and (other.above != low or one.above == low))
    high_in = other_high > high or (other_high == high and (other.below != high or one.below == high))
    return low_in and high_in


def is_in_percent(context: FileContext, expression: Expression, places: Sequence[Pointer]) -> bool:
    """Whether an author reads a value in percents, as one of the numbers that it is compared with is like `25%`.

    places: where these numbers stand, alone, by `levels` or below a `clear`; named conditions and variables put in.
    """
    if not may_be_percent(expression):
        return False
    levels = [(*place, "levels", severity.word) for place in places for severity in Severity]
    return any(
        isinstance(number := context.document.find((*at, *step, word)), str) and number.strip().endswith("%")
        for at in (*places, *levels)
        for step in ((), ("clear",))
        for word in BOUNDS
    )


def overridden(
    context: FileContext, condition: Condition, model: RuleModel, pointer: Pointer, scope: Scope
) -> Condition:
    """The condition with the levels of each override. pointer: of the rule. scope: the rule's, not its condition's."""
    if not isinstance(condition, Threshold | Share):
        message = "only a threshold, a share or a ratio has overrides"
        context.note((*pointer, "overrides"), message, "remove them", "LS128", key=True)
        return condition
    given = model.threshold or model.share or model.ratio
    assert given is not None
    scope = context.within(given.by, pointer, scope)
    measure = model.threshold.measure if model.threshold is not None else ""
    compared = compared_of(context, measure, condition.window_s, scope)
    overrides = []
    for i, override in enumerate(model.overrides):
        at = (*pointer, "overrides", i)
        severity = Severity.of(override.severity) if override.severity else scope.severity
        clear = None
        if override.clear is not None:
            clear = bounds_of(context, override.clear, (*at, "clear"), compared)
        for label in override.match:
            if label not in scope.by:
                context.note(
                    (*at, "match", label),
                    f"it is not by '{label}'",
                    did_you_mean(label, scope.by),
                    "LS128",
                    key=True,
                )
        levels = levels_of(context, override, override.levels, clear, at, severity, compared)
        overrides.append(Override(tuple(sorted(override.match.items())), levels))
    if isinstance(condition, Threshold) and not condition.unit:
        places = [(*pointer, "overrides", i) for i in range(len(overrides))]
        unit = PERCENT if is_in_percent(context, condition.expression, places) else ""
        return replace(condition, overrides=tuple(overrides), unit=unit)
    return replace(condition, overrides=tuple(overrides))
