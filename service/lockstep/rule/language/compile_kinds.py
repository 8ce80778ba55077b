"""Compiles the conditions beyond threshold, spike and absence: change, new_value, share, ratio, projection."""

from collections.abc import Callable, Mapping
from itertools import product
from math import prod
from typing import Literal, Protocol

from lockstep.calendar import Calendar
from lockstep.measure.definition import Aggregate, Expression, Measured, series_of
from lockstep.rule.condition.kinds import (
    ANOMALY_BUCKETS_S,
    Anomaly,
    Change,
    Level,
    NewValue,
    Projection,
    Severity,
    Share,
)
from lockstep.rule.language.form import (
    AnomalyModel,
    ChangeModel,
    NewValueModel,
    ProjectionModel,
    RatioModel,
    ShareModel,
)
from lockstep.yaml.document import Pointer, did_you_mean

DAY_S = 86_400
LONGEST_LOOK_S = 31 * DAY_S
"""How far back the values of a level are kept for a comparison."""


class Note(Protocol):
    """Notes a fault at a place of the document."""

    def __call__(
        self,
        pointer: Pointer,
        message: str,
        remedy: str,
        code: str,
        *,
        level: Literal["error", "warning"] = "error",
        key: bool = False,
    ) -> None: ...


Named = Callable[[str, Pointer], Expression]
"""The expression of a measure's name; what is wrong with it is noted and ends the rule."""


MOST_EXPECTED = 1_000
"""Groups that one rule may expect by name."""


def expected_of(
    expected: Mapping[str, list[str]], at: Pointer, note: Note, by: tuple[str, ...], own: bool
) -> tuple[tuple[str, ...], ...]:
    """Every combination of the values of the rule's labels. own: the absence is by all of them."""
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
    expression = named(model.measure, (*at, "measure"))
    if any(s.is_level for s in series_of(expression)):
        message = f"'{model.measure}' reads a level, an anomaly watches what happens in each bucket"
        note((*at, "measure"), message, "use a flow, or a 'change' or 'projection' of the level", "LS189")
    if model.bucket not in ANOMALY_BUCKETS_S:
        message = "an anomaly judges buckets of a length that fills the hour"
        note((*at, "bucket"), message, "write 5m, 10m, 15m, 20m, 30m or 1h", "LS189")
    return Anomaly(
        expression,
        model.bucket,
        severity,
        model.sensitivity,
        model.direction in ("up", "both"),
        model.direction in ("down", "both"),
        calendar=None if calendar is None else calendar.only(model.without),
        learn_from=model.learn_from,
    )


def share_of(
    model: ShareModel | RatioModel, at: Pointer, named: Named, note: Note, levels: Callable[[], tuple[Level, ...]]
) -> Share:
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
    )


def projection_of(model: ProjectionModel, at: Pointer, named: Named, note: Note, severity: Severity) -> Projection:
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
