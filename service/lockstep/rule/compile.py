"""Rule files → Plan: names resolved, words turned into numbers, everything that can be wrong said with its place."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal

from lockstep.document import Document, Fault, Pointer, did_you_mean
from lockstep.event import TYPES, field_kind, known_paths, line_fields
from lockstep.labels import stable_id
from lockstep.measure.definition import (
    Aggregate,
    Expression,
    Measured,
    Number,
    Operation,
    SeriesDef,
    series_of,
)
from lockstep.rule import quantity
from lockstep.rule.condition import (
    Absence,
    All,
    AnyOf,
    Baseline,
    Bounds,
    Condition,
    Level,
    NoData,
    Not,
    Override,
    Rule,
    Severity,
    Spike,
    Threshold,
    series_of_condition,
)
from lockstep.rule.model import (
    AGGREGATES,
    BoundsModel,
    LevelModel,
    LevelsModel,
    MeasureModel,
    PartModel,
    RatioClearModel,
    RuleModel,
    SpikeModel,
    ThresholdModel,
)

_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


@dataclass(frozen=True)
class NamedMeasure:
    """A measure and where it stands."""

    name: str
    model: MeasureModel
    document: Document

    @property
    def pointer(self) -> Pointer:
        return ("measures", self.name)


class Stop(Exception):
    """This rule cannot be compiled; why has been noted."""


class Compiler:
    """Compiles the rules of one document; faults are gathered, a rule with an error is left out."""

    def __init__(self, document: Document, measures: Mapping[str, NamedMeasure]) -> None:
        self._document = document
        self._measures = measures
        self.faults: list[Fault] = []

    def rule(self, model: RuleModel, index: int) -> Rule | None:
        """The rule, or None when something in it is wrong."""
        before = len(self.faults)
        pointer: Pointer = ("rules", index)
        try:
            rule = self._rule(model, pointer)
        except Stop:
            return None
        return None if any(f.level == "error" for f in self.faults[before:]) else rule

    def note(
        self,
        pointer: Pointer,
        message: str,
        remedy: str,
        code: str,
        *,
        level: Literal["error", "warning"] = "error",
        key: bool = False,
    ) -> None:
        self.faults.append(self._document.fault(pointer, message, remedy, code, level=level, key=key))

    def _rule(self, model: RuleModel, pointer: Pointer) -> Rule:
        by = tuple(sorted({label.removeprefix("lines.") for label in model.by}))
        if 0 in _lengths(model):
            self.note(pointer, f"rule '{model.name}': a window of zero holds nothing", "write one like 15m", "LS145")
            raise Stop
        bucket_s = _bucket_s(model)
        scope = _Scope(by, tuple(sorted(set(model.by))), bucket_s, Severity[model.severity.upper()])
        condition = self._condition(model, pointer, scope)
        if model.overrides:
            condition = self._overridden(condition, model, pointer, scope)
        series = series_of_condition(condition)
        self._check_labels(model, series, pointer)
        rule = Rule(
            name=model.name,
            by=by,
            condition=condition,
            for_s=model.for_,
            keep_firing_for_s=model.keep_firing_for,
            no_data=NoData(model.no_data),
            teams=tuple(model.teams),
            say=dict(model.say),
            runbook=model.runbook,
            forget_after_s=model.forget_after,
            bucket_s=bucket_s if any(not s.is_level for s in series) else 0,
            place=f"{self._document.path}:{self._document.place(pointer)[0]}",
        )
        judged_by = (rule.by, rule.condition, rule.for_s, rule.keep_firing_for_s, rule.no_data, rule.forget_after_s)
        return replace(rule, version=stable_id("rule-1", rule.name, repr(judged_by))[:12])

    # ---- conditions -----------------------------------------------------------------------------------------------

    def _condition(self, model: PartModel, pointer: Pointer, scope: "_Scope") -> Condition:
        if model.threshold is not None:
            return self._threshold(model.threshold, model.clear, pointer, scope)
        if model.spike is not None:
            return self._spike(model.spike, model.clear, pointer, scope)
        if model.clear is not None:
            self.note((*pointer, "clear"), "only a threshold or a spike has a 'clear'", "remove it", "LS122", key=True)
        if model.absence is not None:
            at = (*pointer, "absence")
            expression = self._expression(model.absence.measure, (*at, "measure"), scope)
            if any(s.is_level for s in series_of(expression)):
                self.note(at, "a level is never absent", "use a flow such as a count of events", "LS123")
            return Absence(expression, model.absence.window, scope.severity, tuple(model.absence.hours))
        if model.all is not None:
            parts = [self._condition(p, (*pointer, "all", i), scope) for i, p in enumerate(model.all)]
            return All(tuple(parts), scope.severity)
        if model.any is not None:
            parts = [self._condition(p, (*pointer, "any", i), scope) for i, p in enumerate(model.any)]
            return AnyOf(tuple(parts), scope.severity)
        assert model.not_ is not None
        return Not(self._condition(model.not_, (*pointer, "not"), scope), scope.severity)

    def _threshold(
        self, model: ThresholdModel, clear: RatioClearModel | None, pointer: Pointer, scope: "_Scope"
    ) -> Threshold:
        at = (*pointer, "threshold")
        expression = self._expression(model.measure, (*at, "measure"), scope)
        flows = [s for s in series_of(expression) if not s.is_level]
        if flows and model.window is None:
            self.note(at, f"'{model.measure}' is a flow and needs a window", "add 'window: 15m'", "LS120", key=True)
        if not flows and model.window is not None:
            self.note(
                (*at, "window"), f"'{model.measure}' is a level and has no window", "remove 'window'", "LS121", key=True
            )
        bounds = self._clear_bounds(clear, (*pointer, "clear"))
        levels = self._levels(model, model.levels, bounds, at, scope.severity)
        return Threshold(expression, model.window if flows else None, levels)

    def _levels(
        self,
        own: BoundsModel,
        levels: LevelsModel | None,
        clear: Bounds | None,
        pointer: Pointer,
        severity: Severity,
    ) -> tuple[Level, ...]:
        breach = _bounds(own)
        if levels is None:
            if not breach.is_set:
                self.note(
                    pointer, "no number to compare with", "add above, below, at_least or at_most", "LS124", key=True
                )
                raise Stop
            self._check_clear(breach, clear, (*pointer[:-1], "clear") if clear is not None else pointer)
            return (Level(severity, breach, clear),)
        if breach.is_set:
            self.note(pointer, "both a number and 'levels'", "keep one of them", "LS124", key=True)
        found = []
        for word in ("info", "warning", "critical"):
            level: LevelModel | None = getattr(levels, word)
            if level is None:
                continue
            bounds = _bounds(level)
            at = (*pointer, "levels", word)
            if not bounds.is_set:
                self.note(
                    at, f"level '{word}' has no number", "add above, below, at_least or at_most", "LS124", key=True
                )
                continue
            own_clear = _bounds(level.clear) if level.clear is not None else clear
            self._check_clear(bounds, own_clear, at)
            found.append(Level(Severity[word.upper()], bounds, own_clear))
        if not found:
            self.note(pointer, "'levels' names no level", "add warning or critical", "LS124", key=True)
            raise Stop
        return tuple(found)

    def _check_clear(self, breach: Bounds, clear: Bounds | None, pointer: Pointer) -> None:
        if clear is None:
            return
        if not clear.is_set:
            self.note(pointer, "'clear' has no number", "add above, below, at_least or at_most", "LS125")
            return
        lowest = max((n for n in (clear.above, clear.at_least) if n is not None), default=float("-inf"))
        highest = min((n for n in (clear.below, clear.at_most) if n is not None), default=float("inf"))
        up = next((n for n in (breach.above, breach.at_least) if n is not None), None)
        down = next((n for n in (breach.below, breach.at_most) if n is not None), None)
        if lowest > highest or (lowest == highest and (clear.above == lowest or clear.below == highest)):
            self.note(pointer, "'clear' can never hold", "widen it", "LS125")
        elif up is not None and down is None and highest == float("inf"):
            self.note(pointer, "'clear' holds while it breaches", f"write clear: {{below: {up:g}}}", "LS125")
        elif down is not None and up is None and lowest == float("-inf"):
            self.note(pointer, "'clear' holds while it breaches", f"write clear: {{above: {down:g}}}", "LS125")
        elif up is not None and down is None and highest > up:
            self.note(pointer, f"'clear' begins above {up:g}, where it breaches", f"write at most {up:g}", "LS125")
        elif down is not None and up is None and lowest < down:
            self.note(pointer, f"'clear' begins below {down:g}, where it breaches", f"write at least {down:g}", "LS125")

    def _clear_bounds(self, clear: RatioClearModel | None, pointer: Pointer) -> Bounds | None:
        if clear is None:
            return None
        found: dict[str, float] = {}
        for word in ("above", "below", "at_least", "at_most"):
            value = getattr(clear, word)
            if value is not None:
                found[word] = self._quantity(quantity.number, value, (*pointer, word))
        return Bounds(**found)

    def _quantity(self, read: Any, value: object, pointer: Pointer) -> float:
        try:
            return float(read(value))
        except ValueError as error:
            message, _, remedy = str(error).partition("; ")
            remedy, _, code = remedy.rpartition(" [")
            self.note(pointer, message, remedy, code.rstrip("]"))
            raise Stop from error

    def _spike(self, model: SpikeModel, clear: RatioClearModel | None, pointer: Pointer, scope: "_Scope") -> Spike:
        at = (*pointer, "spike")
        expression = self._expression(model.measure, (*at, "measure"), scope)
        if not any(not s.is_level for s in series_of(expression)):
            self.note(at, f"'{model.measure}' is a level and has no window to compare", "use a flow", "LS126", key=True)
        baseline = Baseline(previous_s=model.window)
        if model.baseline != "previous":
            given = model.baseline
            baseline = Baseline(given.previous, given.same_time_of_week, given.same_time_of_day)
        if model.usual_at_least is None:
            self.note(
                at,
                "a spike without 'usual_at_least' compares with next to nothing",
                "add 'usual_at_least: 5' (a usual value below it is not compared with)",
                "LS127",
                level="warning",
                key=True,
            )
        if model.at_least is None and model.below is None:
            self.note(
                at,
                "a spike without 'at_least' fires on small numbers",
                "add 'at_least: 20'",
                "LS127",
                level="warning",
                key=True,
            )
        ratios: dict[str, float] = {}
        if clear is not None:
            for word in ("above", "below"):
                value = getattr(clear, word)
                if value is not None:
                    ratios[word] = self._quantity(quantity.ratio, value, (*pointer, "clear", word))
            if clear.at_least is not None or clear.at_most is not None or not ratios:
                self.note((*pointer, "clear"), "a spike clears by a ratio", "write clear: {below: 1.5x}", "LS125")
            if model.above is not None and ratios.get("below", 0) > model.above:
                self.note(
                    (*pointer, "clear"), "'clear' holds while it breaches", f"write below {model.above:g}x", "LS125"
                )
        return Spike(
            expression=expression,
            window_s=model.window,
            baseline=baseline,
            severity=scope.severity,
            above=model.above,
            below=model.below,
            deviations=model.deviations,
            at_least=model.at_least,
            usual_at_least=model.usual_at_least,
            clear_below=ratios.get("below"),
            clear_above=ratios.get("above"),
        )

    def _overridden(self, condition: Condition, model: RuleModel, pointer: Pointer, scope: "_Scope") -> Condition:
        if not isinstance(condition, Threshold):
            self.note((*pointer, "overrides"), "only a threshold has overrides", "remove them", "LS128", key=True)
            return condition
        overrides = []
        for i, override in enumerate(model.overrides):
            at = (*pointer, "overrides", i)
            severity = Severity[override.severity.upper()] if override.severity else scope.severity
            clear = _bounds(override.clear) if override.clear is not None else None
            for label in override.match:
                if label not in scope.by:
                    self.note(
                        (*at, "match", label),
                        f"the rule is not by '{label}'",
                        did_you_mean(label, scope.by),
                        "LS128",
                        key=True,
                    )
            levels = self._levels(override, override.levels, clear, at, severity)
            overrides.append(Override(tuple(sorted(override.match.items())), levels))
        return replace(condition, overrides=tuple(overrides))

    # ---- measures -------------------------------------------------------------------------------------------------

    def _expression(self, name: str, pointer: Pointer, scope: "_Scope", seen: tuple[str, ...] = ()) -> Expression:
        measure = self._measures.get(name)
        if measure is None:
            self.note(pointer, f"unknown measure '{name}'", did_you_mean(name, self._measures), "LS130")
            raise Stop
        if name in seen:
            self.note(pointer, f"the formula of '{name}' uses itself", "break the circle", "LS131")
            raise Stop
        model = measure.model
        if model.formula is not None:
            return self._formula(model.formula, name, pointer, scope, (*seen, name))
        return Measured(self._series(measure, pointer, scope))

    def _formula(self, text: str, name: str, pointer: Pointer, scope: "_Scope", seen: tuple[str, ...]) -> Expression:
        def bad(what: str) -> Stop:
            self.note(
                pointer, f"formula '{text}' of '{name}': {what}", "write names, numbers, + - * / and ( )", "LS131"
            )
            return Stop()

        def build(node: ast.expr) -> Expression:
            match node:
                case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                    return Operation(_OPERATORS[type(op)], build(left), build(right))
                case ast.UnaryOp(op=ast.USub(), operand=operand):
                    return Operation("-", Number(0.0), build(operand))
                case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                    return Number(float(value))
                case ast.Name(id=other):
                    return self._expression(other, pointer, scope, seen)
                case _:
                    raise bad(f"column {node.col_offset + 1} is not understood")

        try:
            return build(ast.parse(text.strip(), mode="eval").body)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            column = getattr(error, "offset", None)
            raise bad(f"column {column} is not understood" if column else "it is not understood") from error

    def _series(self, measure: NamedMeasure, pointer: Pointer, scope: "_Scope") -> SeriesDef:
        model = measure.model
        kind = next(k for k in (*AGGREGATES, "percentile") if getattr(model, k) is not None)
        event_type = model.count if kind == "count" else model.of
        assert event_type is not None
        if event_type not in TYPES:
            self.note(
                pointer,
                f"measure '{measure.name}': unknown event type '{event_type}'",
                did_you_mean(event_type, TYPES),
                "LS132",
            )
            raise Stop
        field = None if kind == "count" else str(getattr(model, kind))
        in_lines = set(line_fields(event_type))
        top = {p for p in known_paths(event_type) if not p.startswith("lines.")}
        line_labels: list[str] = []
        by: list[str] = []
        for label in scope.spelled:
            plain = label.removeprefix("lines.")
            by.append(plain)
            if label != plain or (plain in in_lines and plain not in top):
                line_labels.append(plain)
        if (
            field is not None
            and kind not in ("distinct",)
            and field_kind(event_type, field) not in ("number", "unknown")
        ):
            self.note(
                pointer,
                f"measure '{measure.name}': '{field}' of {event_type} is no number",
                did_you_mean(field, [p for p in known_paths(event_type) if field_kind(event_type, p) == "number"]),
                "LS133",
            )
        if kind in ("sum", "average") and field is not None and line_labels and not field.startswith("lines."):
            self.note(
                pointer,
                f"'{measure.name}' adds up '{field}' of whole orders, the rule is by '{line_labels[0]}' of their lines",
                "an order would count once per line; use lines.quantity or group by a label of the order",
                "LS134",
            )
        where = []
        for label, allowed in sorted(model.where.items()):
            plain = label.removeprefix("lines.")
            in_line = label != plain or (plain in in_lines and plain not in top)
            where.append((f"lines.{plain}" if in_line else plain, tuple(sorted(allowed))))
        return SeriesDef(
            aggregate=Aggregate(kind),
            event_type=event_type,
            source=TYPES[event_type].role,
            field=field,
            quantile=model.quantile,
            where=tuple(where),
            by=tuple(sorted(by)),
            line_labels=tuple(sorted(line_labels)),
            bucket_s=0 if kind == "last" else scope.bucket_s,
            stale_after_s=model.stale_after,
        )

    def _check_labels(self, model: RuleModel, series: tuple[SeriesDef, ...], pointer: Pointer) -> None:
        for i, label in enumerate(model.by):
            at = (
                (*pointer, "by", i)
                if isinstance(self._document.data["rules"][pointer[1]].get("by"), list)
                else (*pointer, "by")
            )
            plain = label.removeprefix("lines.")
            for s in series:
                path = f"lines.{plain}" if plain in s.line_labels else plain
                if field_kind(s.event_type, path) == "unknown":
                    known = {
                        p.removeprefix("lines.")
                        for p in known_paths(s.event_type)
                        if field_kind(s.event_type, p) == "text"
                    }
                    self.note(
                        at,
                        f"{s.event_type} has no '{label}' of its own",
                        f"{did_you_mean(plain, known)} (an extra field is fine, too)",
                        "LS135",
                        level="warning",
                    )
            if plain in ("order_id", "customer", "visitor"):
                self.note(
                    at, f"one alert for each '{label}' will be very many", "group by less", "LS136", level="warning"
                )


@dataclass(frozen=True)
class _Scope:
    """What a rule gives its measures: labels, sorted; as spelled; the bucket; the severity."""

    by: tuple[str, ...]
    spelled: tuple[str, ...]
    bucket_s: int
    severity: Severity


def _bounds(model: BoundsModel) -> Bounds:
    return Bounds(model.above, model.below, model.at_least, model.at_most)


def _lengths(model: PartModel) -> list[int]:
    """Every window and baseline length in a rule, in seconds."""
    found: list[int] = []
    if model.threshold is not None and model.threshold.window is not None:
        found.append(model.threshold.window)
    if model.absence is not None:
        found.append(model.absence.window)
    if model.spike is not None:
        found.append(model.spike.window)
        if model.spike.baseline != "previous" and model.spike.baseline.previous is not None:
            found.append(model.spike.baseline.previous)
    parts = chain(model.all or (), model.any or (), [model.not_] if model.not_ is not None else [])
    return found + [n for part in parts for n in _lengths(part)]


def _bucket_s(model: PartModel) -> int:
    """The widest base slice of which all windows are multiples."""
    lengths = _lengths(model)
    return next((width for width in (60, 10) if all(n % width == 0 for n in lengths)), 1)
