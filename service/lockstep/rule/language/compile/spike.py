"""Compiles a spike: its directions, its baseline, its chance and when it is over."""

from math import inf

from lockstep.calendar import Calendar
from lockstep.measure.definition import Aggregate, Expression, Measured, series_of
from lockstep.rule.condition.kinds import Baseline, Spike
from lockstep.rule.condition.period import DAY, WEEK, Period, Window
from lockstep.rule.language import quantity
from lockstep.rule.language.compile.context import FileContext, Scope
from lockstep.rule.language.compile.window import warn_of_rolling
from lockstep.rule.language.form import BaselineForm, BaselineModel, ClearModel, SpikeModel
from lockstep.rule.language.lint.attainable import is_of_few
from lockstep.rule.language.lint.warnings import least_usual
from lockstep.yaml.document import Pointer

LEAST_USUAL = 5
"""What is usually less is too little for a ratio."""
CHANCE_WITHOUT_MINIMUMS = 0.001
"""A count that is compared by a bare ratio must be so unlikely, else 1 to 3 would be a spike."""


def spike_of(
    context: FileContext, model: SpikeModel, clear: ClearModel | None, pointer: Pointer, scope: Scope
) -> Spike:
    """A spike in numbers and seconds; what cannot be is noted, what is unwise as a warning.

    clear: what stands beside the spike under `clear`. pointer: of the rule or part in which the spike stands. scope:
    what the rule gives it.
    """
    at = (*pointer, "spike")
    scope = context.within(model.by, at, scope)
    expression = context.expression(model.measure, (*at, "measure"), scope)
    if any(s.is_level for s in series_of(expression)):
        context.note(
            (*at, "measure"), f"'{model.measure}' is a level and has no window to compare", "use a flow", "LS126"
        )
    above, above_by = _rise_of(context, model, at)
    below, below_by = _fall_of(context, model, at)
    alone = model.above is None and model.below is None
    warn_of_rolling(context, at, model.window)
    baseline = _baseline_of(context, model.baseline, model.window, (*at, "baseline"))
    few = is_of_few(
        expression
    )  # what guards an average is said by the whole rule, see `lockstep.rule.language.lint.attainable`
    if not few and model.at_least is None and model.below is None and above_by is None and model.chance is None:
        context.note(
            at,
            "a spike without 'at_least' fires on small numbers",
            "add 'at_least: 20'",
            "LS127",
            level="warning",
            key=True,
        )
    clears = _clear_of(context, model, clear, (*pointer, "clear"))
    spike = Spike(
        expression=expression,
        window_s=model.window,
        baseline=baseline,
        severity=scope.severity,
        above=above,
        below=below,
        deviations=model.deviations,
        at_least=model.at_least,
        usual_at_least=model.usual_at_least,
        clear_below=clears["below"][0],
        clear_above=clears["above"][0],
        above_by=above_by,
        below_by=below_by,
        clear_below_by=clears["below"][1],
        clear_above_by=clears["above"][1],
        chance=_chance_of(context, model, expression, at),
        hours=tuple(model.hours),
        closed=_closed_of(context, model),
    )
    if not few and model.usual_at_least is None and (alone or above is not None or below is not None):
        # A fall that chance must not make needs so many for even 0 to be rare enough.
        least = max(LEAST_USUAL, least_usual(spike))
        context.note(
            at,
            "a spike without 'usual_at_least' compares with next to nothing",
            f"add 'usual_at_least: {least}' (a usual value below it is not compared with)",
            "LS127",
            level="warning",
            key=True,
        )
    return spike


def _closed_of(context: FileContext, model: SpikeModel) -> Calendar | None:
    """The closed days that bound it: all of it where it has hours, else its falls."""
    falls = model.below is not None or model.above is None
    looks = not isinstance(model.baseline, BaselineModel) or "closed" in model.baseline.without
    if context.calendar is None or not looks or not (falls or model.hours):
        return None
    return context.calendar.only(["closed"])


def _rise_of(context: FileContext, model: SpikeModel, at: Pointer) -> tuple[float | None, float | None]:
    ratio, difference = model.above or (None, None)
    if ratio is not None and ratio < 1:
        context.note(
            (*at, "above"),
            f"{ratio:g}x of the usual is no rise",
            f"write {1 + ratio:g}x for {ratio:.0%} more than usual",
            "LS105",
        )
    if difference is not None and difference < 0:
        context.note((*at, "above"), "less than usual is no rise", f"write {-difference:g} more", "LS105")
    return ratio, difference


def _fall_of(context: FileContext, model: SpikeModel, at: Pointer) -> tuple[float | None, float | None]:
    ratio, difference = model.below or (None, None)
    if ratio is not None and ratio > 1:
        context.note((*at, "below"), f"{ratio:g}x of the usual is no fall", "write one like 0.5x", "LS105")
    if difference is not None and difference > 0:
        context.note((*at, "below"), "more than usual is no fall", f"write {difference:g} less", "LS105")
    return ratio, None if difference is None else -difference


def _chance_of(context: FileContext, model: SpikeModel, expression: Expression, at: Pointer) -> float | None:
    """How rare chance must make it. A count without any minimum is judged by its own noise all the same."""
    if isinstance(expression, Measured) and expression.series.aggregate is Aggregate.COUNT:
        ratio_alone = model.above is not None and model.above[1] is None and model.below is None
        bare = ratio_alone and model.deviations is None and model.at_least is None and model.usual_at_least is None
        return CHANCE_WITHOUT_MINIMUMS if model.chance is None and bare else model.chance
    if model.chance is not None:
        context.note((*at, "chance"), "only a count has a noise of its own", "write deviations: 4", "LS112", key=True)
    return None


def _baseline_of(context: FileContext, model: BaselineForm, window: Window, at: Pointer) -> Baseline:
    if isinstance(model, str):
        if isinstance(window, Period):
            return Baseline(weeks=1) if window == WEEK else Baseline(days=1)
        return Baseline(previous_s=window)
    otherwise = None
    if model.otherwise is not None:
        otherwise = _baseline_of(context, model.otherwise, window, (*at, "otherwise"))
    if isinstance(window, Period) and model.previous is not None:
        message = f"a {window} is compared with whole {window}s"
        remedy = "write previous, or same_time_of_week: 4" + (", or same_time_of_day: 7" if window == DAY else "")
        context.note((*at, "previous"), message, remedy, "LS230")
    if window == WEEK and model.same_time_of_day is not None:
        message = "a week is compared with weeks"
        context.note((*at, "same_time_of_day"), message, "write same_time_of_week: 4", "LS230", key=True)
    if model.previous is not None:
        return Baseline(model.previous)
    calendar = None if context.calendar is None else context.calendar.only(model.without)
    return Baseline(
        None,
        model.same_time_of_week,
        model.same_time_of_day,
        model.known_at_least,
        calendar,
        otherwise,
        kinds=tuple(model.without),
    )


def _clear_of(
    context: FileContext, model: SpikeModel, clear: ClearModel | None, at: Pointer
) -> dict[str, tuple[float | None, float | None]]:
    """The ratios and differences at which a spike is over; a rise needs one below, a fall one above."""
    clears: dict[str, tuple[float | None, float | None]] = {"above": (None, None), "below": (None, None)}
    if clear is None:
        return clears
    for word in ("above", "below"):
        value = getattr(clear, word)
        if value is not None:
            clears[word] = context.read(quantity.away, value, (*at, word))
    ratios = {word: ratio for word, (ratio, _) in clears.items() if ratio is not None}
    steps = {word: step for word, (_, step) in clears.items() if step is not None}
    if clear.at_least is not None or clear.at_most is not None or not (ratios or steps):
        context.note(at, "a spike clears by a ratio", "write clear: {below: 1.5x}", "LS125")
    (up, up_by), (down, down_by) = model.above or (None, None), model.below or (None, None)
    _check_clear_of(context, up, down, ratios, {*steps, *_opposite(model)}, (0, inf), "x", at)
    _check_clear_of(context, up_by, down_by, steps, {*ratios, *_opposite(model)}, (-inf, inf), " more", at)
    return clears


def _check_clear_of(
    context: FileContext,
    rise: float | None,
    fall: float | None,
    clears: dict[str, float],
    free: set[str],
    ends: tuple[float, float],
    unit: str,
    at: Pointer,
) -> None:
    """Notes what a clear cannot be: never met, or met while the spike still breaches.

    rise, fall: the ratio, or the difference, at which a rise or a fall breaches; None: it has none. clears: the numbers
    of the clear by word. free: the words that it need not have, because something else says enough. ends: the lowest
    and the highest number that there is. unit: `x` of ratios, for the way out. at: where the clear stands.
    """
    lowest, highest = ends
    if clears.get("above", lowest) >= clears.get("below", highest):
        context.note(at, "'clear' can never hold", "widen it", "LS125")
    elif rise is not None and clears.get("below", lowest if "below" in free else highest) > rise:
        context.note(at, "'clear' holds while it breaches", f"write below: {rise:g}{unit} or less", "LS125")
    elif fall is not None and clears.get("above", highest if "above" in free else lowest) < fall:
        less = f"{fall:g}{unit}" if fall >= 0 else f"{-fall:g} less"
        context.note(at, "'clear' holds while it breaches", f"write above: {less} or more", "LS125")


def _opposite(model: SpikeModel) -> set[str]:
    """The words that a clear may leave out because the spike goes the other way, too."""
    return ({"below"} if model.below is not None else set()) | ({"above"} if model.above is not None else set())
