"""Bounds that can never be met or always are, and numbers that may be meant in two ways.

What a measure can come to is known from its aggregate and the event model: a count is never below 0, the share of a
part of the same events never above 1. A bound outside of that never speaks, or always does, and nobody would notice.
"""

import re
from collections.abc import Iterator
from math import ceil, floor, inf
from typing import Any, Literal

from lockstep.event import is_known_field, is_non_negative
from lockstep.measure.definition import Aggregate, Expression, Measured, Number, SeriesDef, series_of
from lockstep.rule.condition.kinds import (
    All,
    AnyOf,
    Bounds,
    Change,
    Condition,
    Level,
    Not,
    Projection,
    Rule,
    Share,
    Spike,
    Threshold,
)
from lockstep.rule.language import quantity
from lockstep.rule.language.lint.clear import span
from lockstep.yaml.document import Document, Fault, Pointer

Range = tuple[float, float]
"""The least and the greatest value that a measure can have."""

_ANY: Range = (-inf, inf)
_WHOLE_NUMBERS = (Aggregate.COUNT, Aggregate.DISTINCT)
_ADD_UP = (Aggregate.COUNT, Aggregate.DISTINCT, Aggregate.SUM)
_BOUNDS = ("above", "at_least", "below", "at_most")
_NUMBERS = frozenset({*_BOUNDS, "usual_at_least", "of_at_least", "reaches", "plus", "otherwise"})
_ERROR: tuple[str, Literal["error", "warning"]] = ("LS148", "error")
_WARNING: tuple[str, Literal["error", "warning"]] = ("LS149", "warning")


def bound_faults(document: Document, rule: Rule, index: int) -> list[Fault]:
    """What is wrong with the numbers of a compiled rule, whatever happens in the shop."""
    pointer: Pointer = ("rules", index)
    faults: list[Fault] = []
    for condition, at in _leaves(rule.condition, pointer):
        faults += _faults_of(document, condition, at)
    for all_of, at in _joined(rule.condition, pointer):
        faults += _contradictions(document, all_of, at)
    return faults + _unguarded(document, rule.condition, pointer, guarded=False) + _readings(document, pointer)


def values_of(expression: Expression) -> Range:
    """What an expression can come to, as far as the event model says it."""
    match expression:
        case Measured(series):
            return (0.0, inf) if _is_non_negative(series) else _ANY
        case Number(value):
            return value, value
    (low, high), (other_low, other_high) = values_of(expression.left), values_of(expression.right)
    if expression.op == "+":
        return low + other_low, high + other_high
    if expression.op == "-":
        return low - other_high, high - other_low
    return (0.0, inf) if low >= 0 and other_low >= 0 else _ANY


def share_of(part: Expression, whole: Expression, *, is_bounded: bool) -> Range:
    """What a share can come to: at most 1 where the part is of the same events, more where it may be of other ones."""
    return (0.0, 1.0) if is_bounded or _is_part_of(part, whole) else (0.0, inf)


def _is_non_negative(series: SeriesDef) -> bool:
    if series.aggregate in _WHOLE_NUMBERS:
        return True
    return series.field is not None and is_non_negative(series.event_type, series.field)


def _is_part_of(part: Expression, whole: Expression) -> bool:
    if not isinstance(part, Measured) or not isinstance(whole, Measured):
        return False
    one, all_of = part.series, whole.series
    same = (one.event_type, one.by, one.line_labels, one.aggregate) == (
        all_of.event_type, all_of.by, all_of.line_labels, all_of.aggregate,
    )  # fmt: skip
    return same and set(all_of.where) <= set(one.where)


# ---- one condition ---------------------------------------------------------------------------------------------------


def _faults_of(document: Document, condition: Condition, at: Pointer) -> list[Fault]:
    match condition:
        case Threshold():
            place, values = (*at, "threshold"), values_of(condition.expression)
            whole = isinstance(condition.expression, Measured) and (
                condition.expression.series.aggregate in _WHOLE_NUMBERS
            )
            return [
                f
                for level, where in _levels(condition, place)
                for f in _level_faults(document, level, where, values, whole=whole)
            ] + _percents(document, condition, place)
        case Share():
            word = "share" if _stands(document, (*at, "share")) else "ratio"
            place = (*at, word)
            values = values_of(condition.expression)
            found = []
            if word == "share":
                values = share_of(condition.part, condition.whole, is_bounded=condition.confidence is not None)
                found = [f for _, where in _levels(condition, place) for f in _wholes(document, where, values)]
            told = {(f.line, f.column) for f in found}
            found += [
                f
                for level, where in _levels(condition, place)
                for f in _level_faults(document, level, where, values, whole=False)
                if (f.line, f.column) not in told
            ]
            return found
        case Change(by_ratio=ratio) if ratio is not None and ratio > 1 and not condition.up:
            if values_of(condition.expression)[0] >= 0:
                message = f"a fall by {ratio:.0%} can never be, nothing falls by more than 100%"
                return [document.fault((*at, "change", "by"), message, "write one like 50%", "LS148")]
        case Projection():
            low = values_of(condition.measure)[0]
            is_level = all(s.is_level for s in series_of(condition.measure))
            if is_level and condition.reaches < low:
                message = f"it is never less than {low:g}, so it never reaches {condition.reaches:g}"
                return [document.fault((*at, "projection", "reaches"), message, f"write {low:g} or more", "LS148")]
        case Spike(below=below, below_by=None) if below == 0 and condition.rises is False:
            message = "nothing is less than 0 times its usual value"
            return [document.fault((*at, "spike", "below"), message, "write one like 0.5x, or an absence", "LS148")]
        case _:
            pass
    return []


def _level_faults(document: Document, level: Level, at: Pointer, values: Range, *, whole: bool) -> list[Fault]:
    """Of a bound that never or always holds, and of a clear that never does."""
    found = []
    said = None if level.breach.sources else _judged(level.breach, values, whole=whole)
    if said is not None:
        is_always, message, way_out, word = said
        place = (*at, word) if _stands(document, (*at, word)) else at
        found.append(document.fault(place, message, way_out, "LS148", level="warning" if is_always else "error"))
    said = None if level.clear is None or level.clear.sources else _judged(level.clear, values, whole=whole)
    if said is not None and not said[0]:
        own = next((p for p in ((*at, "clear"), (*at[:-1], "clear")) if _stands(document, p)), at)
        found.append(document.fault(own, f"'clear' can never hold: {said[1]}", said[2], "LS125"))
    return found


def _judged(bounds: Bounds, values: Range, *, whole: bool) -> tuple[bool, str, str, str] | None:
    """(whether it always holds or never, what is wrong, the way out, at which bound); None where it depends."""
    low, high = values
    lower = next((w for w in ("above", "at_least") if getattr(bounds, w) is not None), "")
    upper = next((w for w in ("below", "at_most") if getattr(bounds, w) is not None), "")
    least, most = (float(n) for n in span(bounds))
    between = f"write a number between {_number(low)} and {_number(high)}" if high < inf else "write a larger number"
    if lower and (least > high or (least == high and bounds.above is not None)):
        return False, f"it is never more than {_number(high)}, so '{lower}' can never be met", between, lower
    if upper and (most < low or (most == low and bounds.below is not None)):
        return False, f"it is never less than {_number(low)}, so '{upper}' can never be met", between, upper
    if whole and lower and upper and least <= most:
        first = floor(least) + 1 if bounds.above is not None and bounds.above >= least else ceil(least)
        last = ceil(most) - 1 if bounds.below is not None and bounds.below <= most else floor(most)
        if first > last:
            message = f"no whole number is between {least:g} and {most:g}, so it can never be met"
            return False, message, "set the numbers further apart", lower
    if lower and not upper and (least < low or (least == low and bounds.above is None)):
        message = f"it is never less than {_number(low)}, so '{lower}' is always met"
        return True, message, f"{between}, or remove it", lower
    if upper and not lower and (most > high or (most == high and bounds.below is None)):
        message = f"it is never more than {_number(high)}, so '{upper}' is always met"
        return True, message, f"{between}, or remove it", upper
    return None


def _number(value: float) -> str:
    """1 is the end of shares alone, which are percents to people."""
    return "100%" if value == 1 else f"{value:g}"


def _contradictions(document: Document, condition: All, at: Pointer) -> list[Fault]:
    """Parts of an `all` about one value that no value meets together."""
    seen: dict[Any, Bounds] = {}
    for i, part in enumerate(condition.parts):
        if not isinstance(part, Threshold) or len(part.levels) != 1 or part.overrides or part.levels[0].breach.sources:
            continue
        bounds = part.levels[0].breach
        key = (part.expression, part.window_s)
        if key in seen:
            (low, high), (other_low, other_high) = span(seen[key]), span(bounds)
            if max(low, other_low) > min(high, other_high):
                message = "no value meets this and an earlier part of 'all', so it can never hold"
                return [document.fault((*at, "all", i), message, "write any: […], or widen one of them", "LS148")]
        seen.setdefault(key, bounds)
    return []


# ---- two readings ----------------------------------------------------------------------------------------------------


def _wholes(document: Document, at: Pointer, values: Range) -> list[Fault]:
    """Bounds of a share that are meant as percents, or as a least number of the whole: `at_least: 5` is 500 %."""
    given = [(word, written) for word in _BOUNDS if (written := _at(document, (*at, word))) is not None]
    found = []
    for word, written in given:
        number = written if isinstance(written, int | float) and not isinstance(written, bool) else None
        if number is None or number <= 1:
            continue
        message = f"'{word}: {number:g}' of a share is {number:.0%}"
        remedy = f"write {number:g}% for {number:g} percent, or {number * 100:g}%"
        is_least = word == "at_least" and len(given) > 1
        if is_least:
            remedy = f"write 'of_at_least: {number:g}' for the least number of the whole, or {number:g}%"
        never = is_least or (number > values[1] and word in ("above", "at_least"))
        code, level = _ERROR if never else _WARNING
        found.append(document.fault((*at, word), message, remedy, code, level=level))
    return found


def _percents(document: Document, condition: Threshold, at: Pointer) -> list[Fault]:
    """A percent of a value that is no part of anything: 20 % of a stock is not 20 % of what it was."""
    expression = condition.expression
    if not isinstance(expression, Measured):
        return []
    series = expression.series
    is_known = series.field is not None and is_known_field(series.event_type, series.field)
    if series.aggregate not in _ADD_UP and not (series.aggregate is Aggregate.LAST and is_known):
        return []
    found = []
    for _, where in _levels(condition, at):
        for word in _BOUNDS:
            written = _at(document, (*where, word))
            if isinstance(written, str) and written.strip().endswith("%"):
                number = written.strip().removesuffix("%")
                name = series.name or "it"
                message = f"'{word}: {written.strip()}' is {float(number) / 100:g} here, '{name}' is no part of another"
                remedy = f"write {number} for the number, or a 'share', a 'ratio' or a 'spike' for a part of something"
                found.append(document.fault((*where, word), message, remedy, "LS149", level="warning"))
    return found


def _readings(document: Document, pointer: Pointer) -> list[Fault]:
    """Numbers such as `10.000`, which are ten to us and may be ten thousand to their author."""
    found: list[Fault] = []
    rows = document.text.split("\n")

    def look(node: Any, at: Pointer) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key in _NUMBERS and isinstance(value, int | float | str) and not isinstance(value, bool):
                    line, column = document.place((*at, key))
                    row = rows[line - 1][column - 1 :].lstrip("\"'") if line <= len(rows) else ""
                    written = re.match(r"[-0-9.]+(?![0-9%x])", row)
                    readings = quantity.readings(written[0]) if written is not None else None
                    if readings is not None:
                        message, remedy = f"{key} {readings[0]}", readings[1]
                        found.append(document.fault((*at, key), message, remedy, "LS149", level="warning"))
                look(value, (*at, key))
        elif isinstance(node, list):
            for i, value in enumerate(node):
                look(value, (*at, i))

    look(_at(document, pointer), pointer)
    return found


# ---- averages --------------------------------------------------------------------------------------------------------


def is_of_few(expression: Expression) -> bool:
    """Whether a single event can make a value of it that looks like any other: an average, a ratio, a percentile."""
    return not isinstance(expression, Measured) or expression.series.aggregate not in _ADD_UP


def _unguarded(document: Document, condition: Condition, at: Pointer, *, guarded: bool) -> list[Fault]:
    """Spikes of averages that nothing keeps from speaking of a handful of events: their minimums are averages, too."""
    match condition:
        case Spike(expression=expression) if is_of_few(expression) and not guarded:
            counted = _count_of(document, expression)
            guard = f"{{threshold: {{measure: {counted}, window: {_window(document, at)}, at_least: 20}}}}"
            return [
                document.fault(
                    (*at, "spike"),
                    "a spike of an average fires on a single event, 'at_least' and 'usual_at_least' are averages here",
                    f"ask for a number of events as well: all: [{{spike: …}}, {guard}]",
                    "LS127",
                    level="warning",
                    key=True,
                )
            ]
        case All(parts=parts):
            counts = guarded or any(
                isinstance(p, Threshold | Share) and (isinstance(p, Share) or not is_of_few(p.expression))
                for p in parts
            )
            return [f for i, p in enumerate(parts) for f in _unguarded(document, p, (*at, "all", i), guarded=counts)]
        case AnyOf(parts=parts):
            return [f for i, p in enumerate(parts) for f in _unguarded(document, p, (*at, "any", i), guarded=guarded)]
        case Not(part=part):
            return _unguarded(document, part, (*at, "not"), guarded=guarded)
    return []


def _count_of(document: Document, expression: Expression) -> str:
    """The name of a measure of this file that counts the events of an expression, or what it would be."""
    kinds = [s.event_type for s in series_of(expression)]
    measures = document.data.get("measures")
    for name, measure in measures.items() if isinstance(measures, dict) else ():
        if isinstance(measure, dict) and measure.get("count") in kinds and len(measure) == 1:
            return str(name)
    return f"a count of {kinds[0]}" if kinds else "a count"


def _window(document: Document, at: Pointer) -> str:
    return str(_at(document, (*at, "spike", "window")) or "1h")


# ---- walking ---------------------------------------------------------------------------------------------------------


def _leaves(condition: Condition, at: Pointer) -> Iterator[tuple[Condition, Pointer]]:
    match condition:
        case All(parts=parts) | AnyOf(parts=parts):
            word = "all" if isinstance(condition, All) else "any"
            for i, part in enumerate(parts):
                yield from _leaves(part, (*at, word, i))
        case Not(part=part):
            yield from _leaves(part, (*at, "not"))
        case _:
            yield condition, at


def _joined(condition: Condition, at: Pointer) -> Iterator[tuple[All, Pointer]]:
    match condition:
        case All(parts=parts):
            yield condition, at
            for i, part in enumerate(parts):
                yield from _joined(part, (*at, "all", i))
        case AnyOf(parts=parts):
            for i, part in enumerate(parts):
                yield from _joined(part, (*at, "any", i))
        case Not(part=part):
            yield from _joined(part, (*at, "not"))


def _levels(condition: Threshold | Share, at: Pointer) -> list[tuple[Level, Pointer]]:
    """The levels of a condition, each with where its bounds stand."""
    if not condition.graded:
        return [(level, at) for level in condition.levels]
    return [(level, (*at, "levels", level.severity.word)) for level in condition.levels]


def _at(document: Document, pointer: Pointer) -> Any:
    node = document.data
    for step in pointer:
        inside = isinstance(node, list) and isinstance(step, int) and step < len(node)
        if not inside and not (isinstance(node, dict) and step in node):
            return None
        node = node[step]
    return node


def _stands(document: Document, pointer: Pointer) -> bool:
    return _at(document, pointer) is not None
