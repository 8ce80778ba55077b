"""Compiles conditions: which kind it is, and all kinds but the spike."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from math import prod

from lockstep.calendar import Calendar
from lockstep.measure.definition import Aggregate, Expression, Measured, Operation, series_of
from lockstep.rule.condition.kinds import (
    ANOMALY_BUCKETS_S,
    ANOMALY_CHOICE_S,
    Absence,
    All,
    Anomaly,
    AnyOf,
    Change,
    Condition,
    Level,
    NewValue,
    Not,
    Projection,
    Severity,
    Share,
    Threshold,
)
from lockstep.rule.condition.period import Period
from lockstep.rule.language.compile.bound import clear_bounds_of, compared_of
from lockstep.rule.language.compile.context import FileContext, Note, Scope
from lockstep.rule.language.compile.levels import is_in_percent, levels_of
from lockstep.rule.language.compile.spike import spike_of
from lockstep.rule.language.compile.window import warn_of_rolling
from lockstep.rule.language.fewer_labels import plain
from lockstep.rule.language.form import (
    AnomalyModel,
    ChangeModel,
    ClearModel,
    NewValueModel,
    PartModel,
    ProjectionModel,
    RatioModel,
    ShareModel,
    ThresholdModel,
)
from lockstep.text.figures import PERCENT
from lockstep.text.time_units import DAY_S
from lockstep.yaml.document import Pointer, did_you_mean

LONGEST_LOOK_S = 31 * DAY_S
"""How far back the values of a level are kept for a comparison."""
MOST_EXPECTED = 1_000
"""Groups that one rule may expect by name."""

Named = Callable[[str, Pointer], Expression]
"""The expression of a measure's name; what is wrong with it is noted and ends the rule."""


def condition_of(context: FileContext, model: PartModel, pointer: Pointer, scope: Scope) -> Condition:
    """The condition that a rule or a part of one names. pointer: of the rule or part. scope: what the rule gives it."""
    if model.threshold is not None:
        return _threshold_of(context, model.threshold, model.clear, pointer, scope)
    if model.spike is not None:
        return spike_of(context, model.spike, model.clear, pointer, scope)
    for word, given in (("share", model.share), ("ratio", model.ratio)):
        if given is not None:
            return _share_of(context, given, model.clear, (*pointer, word), scope)
    if model.clear is not None:
        message = "only a threshold, a spike, a share or a ratio has a 'clear'"
        context.note((*pointer, "clear"), message, "remove it", "LS122", key=True)
    more = _more_of(context, model, pointer, scope)
    if more is not None:
        return more
    if model.absence is not None:
        at = (*pointer, "absence")
        window = model.absence.stretch
        bounded = bool(model.absence.hours) or isinstance(window, Period)
        closed = context.calendar.only(["closed"]) if context.calendar is not None and bounded else None
        scope = context.within(model.absence.labels, at, scope)
        expression = context.expression(model.absence.measure, (*at, "measure"), scope)
        wrong = next((s for s in series_of(expression) if not s.is_additive), None)
        if wrong is not None or _divides(expression):
            what = "a division by nothing" if wrong is None else f"the {wrong.aggregate} of nothing"
            what = "a level" if wrong is not None and wrong.is_level else what
            context.note(
                (*at, "measure"), f"{what} is never 0, so it is never absent", "use a count of events", "LS123"
            )
        own = set(map(plain, scope.grouping.by)) == set(scope.by)
        expected = expected_of(model.absence.expected, (*at, "expected"), context.note, scope.by, own)
        return Absence(expression, window, scope.severity, tuple(model.absence.hours), expected, closed)
    if model.all is not None:
        parts = [condition_of(context, p, (*pointer, "all", i), scope) for i, p in enumerate(model.all)]
        return All(tuple(parts), scope.severity)
    if model.any is not None:
        parts = [condition_of(context, p, (*pointer, "any", i), scope) for i, p in enumerate(model.any)]
        return AnyOf(tuple(parts), scope.severity)
    assert model.not_ is not None
    return Not(condition_of(context, model.not_, (*pointer, "not"), scope), scope.severity)


def _more_of(context: FileContext, model: PartModel, pointer: Pointer, scope: Scope) -> Condition | None:
    if model.projection is not None:
        scope = context.within(model.projection.by, (*pointer, "projection"), scope)
    named = partial(context.expression, scope=scope)
    if model.change is not None:
        return change_of(model.change, (*pointer, "change"), named, context.note, scope.severity)
    if model.new_value is not None:
        at = (*pointer, "new_value")
        return new_value_of(model.new_value, at, named, context.note, scope.severity, scope.by)
    if model.anomaly is not None:
        return anomaly_of(model.anomaly, (*pointer, "anomaly"), named, context.note, scope.severity, context.calendar)
    if model.projection is not None:
        return projection_of(model.projection, (*pointer, "projection"), named, context.note, scope.severity)
    return None


def _threshold_of(
    context: FileContext, model: ThresholdModel, clear: ClearModel | None, pointer: Pointer, scope: Scope
) -> Threshold:
    at = (*pointer, "threshold")
    scope = context.within(model.by, at, scope)
    expression = context.expression(model.measure, (*at, "measure"), scope)
    flows = [s for s in series_of(expression) if not s.is_level]
    if flows and model.window is None:
        context.note(at, f"'{model.measure}' is a flow and needs a window", "add 'window: 15m'", "LS120", key=True)
    if not flows and model.window is not None:
        context.note(
            (*at, "window"), f"'{model.measure}' is a level and has no window", "remove 'window'", "LS121", key=True
        )
    warn_of_rolling(context, at, model.window)
    compared = compared_of(context, model.measure, model.window if flows else None, scope)
    bounds = clear_bounds_of(context, clear, (*pointer, "clear"), compared)
    levels = levels_of(context, model, model.levels, bounds, at, scope.severity, compared)
    unit = PERCENT if is_in_percent(context, expression, (at, (*pointer, "clear"))) else ""
    window = model.window if flows else None
    return Threshold(expression, window, levels, graded=model.levels is not None, unit=unit)


def _share_of(
    context: FileContext, model: ShareModel | RatioModel, clear: ClearModel | None, at: Pointer, scope: Scope
) -> Condition:
    scope = context.within(model.by, at, scope)
    compared = compared_of(context, "", model.window, scope)
    bounds = clear_bounds_of(context, clear, (*at[:-1], "clear"), compared)
    levels = partial(levels_of, context, model, model.levels, bounds, at, scope.severity, compared)
    return share_of(model, at, partial(context.expression, scope=scope), context.note, levels)


def _divides(expression: Expression) -> bool:
    return isinstance(expression, Operation) and (
        expression.op == "/" or _divides(expression.left) or _divides(expression.right)
    )


def expected_of(
    expected: Mapping[str, list[str]], at: Pointer, note: Note, by: tuple[str, ...], own: bool
) -> tuple[tuple[str, ...], ...]:
    """The groups that are expected: every combination of the values of the rule's labels.

    expected: label → its values, as the author wrote them. at: where they stand. by: the rule's labels, in the order of
    the answer. own: the absence is by all of them, and not by fewer.
    """
    if not expected:
        return ()
    named = {label.removeprefix("lines."): values for label, values in expected.items()}
    strange = next((label for label in named if label not in by), None)
    missing = next((label for label in by if label not in named), None)
    if strange is not None or not own:
        remedy = did_you_mean(strange or "", by) if by and own else "expect groups where the rule has them"
        note(at, f"it is not by '{strange or next(iter(named))}'", remedy, "LS187", key=True)
    elif missing is not None:
        note(at, f"which '{missing}' is expected is not said", f"add '{missing}: […]'", "LS187", key=True)
    elif prod(len(set(values)) for values in named.values()) > MOST_EXPECTED:
        note(at, f"more than {MOST_EXPECTED:,} groups are expected", "name fewer", "LS187", key=True)
    else:
        return tuple(product(*(sorted(set(named[label])) for label in by)))
    return ()


def change_of(model: ChangeModel, at: Pointer, named: Named, note: Note, severity: Severity) -> Change:
    """A change in numbers and seconds.

    at: where the model stands, for the faults that are noted. named: reads a measure's name. severity: of a breach. The
    other compilers of a kind below take the same.
    """
    expression = named(model.measure, (*at, "measure"))
    series = series_of(expression)
    flows = [s for s in series if not s.is_level]
    by, by_ratio = model.by or (None, None)
    if flows and model.window is None:
        note(at, f"'{model.measure}' is a flow and needs a window", "add 'window: 1h'", "LS120", key=True)
    if flows and model.by is None:
        note(at, "a flow is never quite what it was", "add 'by: 20%'", "LS181", key=True)
    if model.window is None and len(series) > 1:
        note(at, f"'{model.measure}' has several levels, none of which is the one before", "add 'window: 1h'", "LS181")
    if not flows and model.window is not None and model.window > LONGEST_LOOK_S:
        note((*at, "window"), "the values of a level are not kept that long", "write at most 31d", "LS181")
    return Change(
        expression,
        model.window,
        severity,
        by,
        by_ratio,
        up=model.direction in ("up", "both"),
        down=model.direction in ("down", "both"),
    )


def new_value_of(
    model: NewValueModel, at: Pointer, named: Named, note: Note, severity: Severity, by: tuple[str, ...]
) -> NewValue:
    """A new value in numbers and seconds. by: the rule's labels, of which the one that may be new has to be one."""
    expression = named(model.measure, (*at, "measure"))
    if not isinstance(expression, Measured) or expression.series.aggregate is not Aggregate.COUNT:
        note(
            (*at, "measure"), f"'{model.measure}' is no count of events", "use one like {count: order.placed}", "LS180"
        )
    word = "label" if model.label is not None else "field"
    label = (model.label or model.field or "").removeprefix("lines.")
    if label not in by:
        remedy = did_you_mean(label, by) if by else ""
        remedy = remedy if remedy.startswith("did") else f"add 'by: [{', '.join((*by, label))}]'"
        note((*at, word), f"the rule is not by '{label}', each value needs an alert of its own", remedy, "LS180")
    learn = model.in_ if model.learn is None else model.learn
    window = min(3_600, model.in_) if model.window is None else model.window
    if window > model.in_:
        note((*at, "window"), "it would be told as new longer than it is", "make 'window' shorter than 'in'", "LS180")
    if learn < model.in_:
        note(
            (*at, "learn"),
            "what is seen after 'learn' and before 'in' is called new without knowing it",
            "learn for as long as 'in', unless the broker holds the history",
            "LS180",
            level="warning",
        )
    return NewValue(expression, window, model.in_, learn, severity)


def anomaly_of(
    model: AnomalyModel, at: Pointer, named: Named, note: Note, severity: Severity, calendar: Calendar | None
) -> Anomaly:
    """An anomaly with what its author left open. calendar: the shop's; it keeps the kinds of days that it names."""
    expression = named(model.measure, (*at, "measure"))
    if any(s.is_level for s in series_of(expression)):
        message = f"'{model.measure}' reads a level, an anomaly watches what happens in each bucket"
        note((*at, "measure"), message, "use a flow, or a 'change' or 'projection' of the level", "LS189")
    if model.bucket is not None and model.bucket not in ANOMALY_BUCKETS_S:
        message = "an anomaly judges buckets of a length that fills the hour"
        note((*at, "bucket"), message, "write 5m, 10m, 15m, 20m, 30m or 1h", "LS189")
    return Anomaly(
        expression,
        model.bucket or ANOMALY_CHOICE_S[0],
        severity,
        model.sensitivity,
        model.direction in ("up", "both"),
        model.direction in ("down", "both"),
        calendar=None if calendar is None else calendar.only(model.without),
        learn_from=model.learn_from,
        chooses=model.bucket is None,
        kinds=tuple(model.without),
    )


def share_of(
    model: ShareModel | RatioModel, at: Pointer, named: Named, note: Note, levels: Callable[[], tuple[Level, ...]]
) -> Share:
    """A share or a ratio. levels: compiles its numbers, asked when its measures are known to be there."""
    part, whole = named(model.measure, (*at, "measure")), named(model.of, (*at, "of"))
    flows = [s for s in (*series_of(part), *series_of(whole)) if not s.is_level]
    confidence = model.confidence if isinstance(model, ShareModel) else None
    if flows and model.window is None:
        note(at, f"'{model.measure}' of '{model.of}' needs a window", "add 'window: 1h'", "LS120", key=True)
    if not flows and model.window is not None:
        note((*at, "window"), "levels have no window", "remove 'window'", "LS121", key=True)
    if isinstance(model, ShareModel):
        for word, expression in (("measure", part), ("of", whole)):
            single = isinstance(expression, Measured) and expression.series.aggregate is Aggregate.COUNT
            if not single:
                note((*at, word), f"a share counts, '{getattr(model, word)}' is no count", "write ratio: …", "LS182")
    if model.of_at_least is None or model.of_at_least <= 0:
        note(
            at if model.of_at_least is None else (*at, "of_at_least"),
            f"without a least number of '{model.of}' one in one is 100 %",
            "add 'of_at_least: 50'",
            "LS183",
            key=True,
        )
    return Share(
        part,
        whole,
        model.window if flows else None,
        levels(),
        model.of_at_least or 1.0,
        confidence,
        graded=model.levels is not None,
        word="share" if isinstance(model, ShareModel) else "ratio",
    )


def projection_of(model: ProjectionModel, at: Pointer, named: Named, note: Note, severity: Severity) -> Projection:
    """A projection: of a level, with a pace of its own or another measure's, or of a flow to the end of the day."""
    measure = named(model.measure, (*at, "measure"))
    pace = None if model.pace is None else named(model.pace, (*at, "pace"))
    series = series_of(measure)
    within = None if model.within == "day" else model.within
    window = model.window if model.window is not None else (7 * DAY_S if within is not None else 7_200)
    if all(s.is_level for s in series):
        if pace is None and len(series) > 1:
            note(at, f"'{model.measure}' has several levels, what they lose is not known", "add 'pace: …'", "LS184")
        if pace is not None and any(not s.is_additive for s in series_of(pace)):
            note((*at, "pace"), f"'{model.pace}' does not add up to a pace", "use a count or a sum", "LS184")
        if pace is None and window > LONGEST_LOOK_S:
            note((*at, "window"), "the values of a level are not kept that long", "write at most 31d", "LS184")
    else:
        if pace is not None:
            note((*at, "pace"), f"'{model.measure}' is a flow and has its own pace", "remove 'pace'", "LS184", key=True)
        if within is not None:
            note((*at, "within"), "a flow adds up over the shop's day", "write within: day", "LS184")
        wrong = next((s for s in series if not s.is_additive), None)
        if wrong is not None:
            message = f"'{model.measure}' does not add up over a day"
            note((*at, "measure"), message, "use a count or a sum", "LS184")
    return Projection(measure, pace, model.reaches, within, window, severity)
