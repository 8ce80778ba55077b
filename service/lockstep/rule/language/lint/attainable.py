"""Bounds that can never be met or always are, and numbers that may be meant in two ways.

What a measure can come to is known from its aggregate and the event model: a count is never below 0, the share of a
part of the same events never above 1. A bound outside of that never speaks, or always does, and nobody would notice.
"""

import re
from collections.abc import Iterator
from math import ceil, floor, inf
from typing import Any, Literal

from lockstep.event import is_known_field
from lockstep.measure.definition import Aggregate, Expression, Measured, series_of
from lockstep.measure.possible_values import WHOLE_NUMBERS, Range, share_of, values_of
from lockstep.rule.condition.bound import Bounds
from lockstep.rule.condition.kind_table import kind_of
from lockstep.rule.condition.kinds import All, Condition, Leaf, Level, Rule, Share, Spike, Threshold
from lockstep.rule.condition.when import parts_of
from lockstep.rule.language import quantity
from lockstep.rule.language.lint.clear import span
from lockstep.shop.catalogue import business_of
from lockstep.text.figures import PERCENT
from lockstep.yaml.document import Document, Fault, Pointer

_ADD_UP = (Aggregate.COUNT, Aggregate.DISTINCT, Aggregate.SUM)
BOUNDS = ("above", "at_least", "below", "at_most")
_NUMBERS = frozenset({*BOUNDS, "usual_at_least", "of_at_least", "reaches", "plus", "otherwise"})
_ERROR: tuple[str, Literal["error", "warning"]] = ("LS148", "error")
_WARNING: tuple[str, Literal["error", "warning"]] = ("LS149", "warning")


def bound_faults(document: Document, rule: Rule, index: int) -> list[Fault]:
    """What is wrong with the numbers of a compiled rule, whatever happens in the shop: a count is never below 0.

    document: the file that the rule stands in, for what its author wrote. index: its place in that file's `rules`.
    """
    pointer: Pointer = ("rules", index)
    faults: list[Fault] = []
    for condition, at in _leaves(rule.condition, pointer):
        faults += _faults_of(document, condition, at)
    for all_of, at in _joined(rule.condition, pointer):
        faults += _contradictions(document, all_of, at)
    return faults + _unguarded(document, rule.condition, pointer, guarded=False) + _readings(document, pointer)


# ---- one condition ---------------------------------------------------------------------------------------------------


def _faults_of(document: Document, leaf: Leaf, at: Pointer) -> list[Fault]:
    if isinstance(leaf, Threshold):
        return _threshold_faults(document, leaf, (*at, "threshold"))
    if isinstance(leaf, Share):
        return _share_faults(document, leaf, at)
    kind = kind_of(leaf)
    return [
        document.fault((*at, kind.word(leaf), number.key), number.message, number.remedy, "LS148")
        for number in kind.never_met(leaf)
    ]


def _threshold_faults(document: Document, condition: Threshold, place: Pointer) -> list[Fault]:
    values = values_of(condition.expression)
    whole = isinstance(condition.expression, Measured) and condition.expression.series.aggregate in WHOLE_NUMBERS
    return [
        f
        for level, where in _levels(condition, place)
        for f in _level_faults(document, level, where, values, whole=whole)
    ] + _percents(document, condition, place)


def _share_faults(document: Document, condition: Share, at: Pointer) -> list[Fault]:
    word = condition.word
    place = (*at, word)
    values = values_of(condition.expression)
    faults = []
    if word == "share":
        values = share_of(condition.part, condition.whole, is_bounded=condition.confidence is not None)
        faults = [f for _, where in _levels(condition, place) for f in _wholes(document, where, values)]
    named_at = {(f.line, f.column) for f in faults}
    faults += [
        f
        for level, where in _levels(condition, place)
        for f in _level_faults(document, level, where, values, whole=False)
        if (f.line, f.column) not in named_at
    ]
    return faults


def _level_faults(document: Document, level: Level, at: Pointer, values: Range, *, whole: bool) -> list[Fault]:
    """What is wrong with the numbers of one level: a bound that never or always holds, a clear that never does.

    at: where the bounds stand. values: the lowest and the highest that the measure can come to. whole: it comes to
    whole numbers alone, so that nothing lies between 0 and 1.
    """
    faults = []
    said = None if level.breach.sources else _judged(level.breach, values, whole=whole)
    if said is not None:
        is_always, message, way_out, word = said
        place = (*at, word) if document.stands((*at, word)) else at
        faults.append(document.fault(place, message, way_out, "LS148", level="warning" if is_always else "error"))
    said = None if level.clear is None or level.clear.sources else _judged(level.clear, values, whole=whole)
    if said is not None and not said[0]:
        own = next((p for p in ((*at, "clear"), (*at[:-1], "clear")) if document.stands(p)), at)
        faults.append(document.fault(own, f"'clear' can never hold: {said[1]}", said[2], "LS125"))
    return faults


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
    given = [(word, written) for word in BOUNDS if (written := document.find((*at, word))) is not None]
    faults = []
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
        faults.append(document.fault((*at, word), message, remedy, code, level=level))
    return faults


def _percents(document: Document, condition: Threshold, at: Pointer) -> list[Fault]:
    """A percent of a value that is no part of anything: 20 % of a stock is not 20 % of what it was."""
    expression = condition.expression
    if not isinstance(expression, Measured) or may_be_percent(expression):
        return []
    faults = []
    for _, where in _levels(condition, at):
        for word in BOUNDS:
            written = document.find((*where, word))
            if isinstance(written, str) and written.strip().endswith("%"):
                number = written.strip().removesuffix("%")
                name = expression.series.name or "it"
                message = f"'{word}: {written.strip()}' is {float(number) / 100:g} here, '{name}' is no part of another"
                remedy = f"write {number} for the number, or a 'share', a 'ratio' or a 'spike' for a part of something"
                faults.append(document.fault((*where, word), message, remedy, "LS149", level="warning"))
    return faults


def may_be_percent(expression: Expression) -> bool:
    """Whether a value of it can be meant as a part of something: an average of rates, a formula; not a count."""
    if not isinstance(expression, Measured):
        return True
    series = expression.series
    business = business_of(series)
    if business is not None:
        return business.unit == PERCENT
    is_known = series.field is not None and is_known_field(series.event_type, series.field)
    return series.aggregate not in _ADD_UP and not (series.aggregate is Aggregate.LAST and is_known)


def _readings(document: Document, pointer: Pointer) -> list[Fault]:
    """Numbers such as `10.000`, which are ten to us and may be ten thousand to their author."""
    faults: list[Fault] = []
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
                        faults.append(document.fault((*at, key), message, remedy, "LS149", level="warning"))
                look(value, (*at, key))
        elif isinstance(node, list):
            for i, value in enumerate(node):
                look(value, (*at, i))

    look(document.find(pointer), pointer)
    return faults


# ---- averages --------------------------------------------------------------------------------------------------------


def is_of_few(expression: Expression) -> bool:
    """Whether a single event can make a value of it that looks like any other: an average, a ratio, a percentile."""
    return not isinstance(expression, Measured) or expression.series.aggregate not in _ADD_UP


def _unguarded(document: Document, condition: Condition, at: Pointer, *, guarded: bool) -> list[Fault]:
    """Spikes of averages that nothing keeps from speaking of a handful of events: their minimums are averages, too."""
    if isinstance(condition, Spike) and is_of_few(condition.expression) and not guarded:
        counted = _count_of(document, condition.expression)
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
    if isinstance(condition, All):
        guarded = guarded or any(
            isinstance(p, Threshold | Share) and (isinstance(p, Share) or not is_of_few(p.expression))
            for p in condition.parts
        )
    return [
        f for steps, part in parts_of(condition) for f in _unguarded(document, part, (*at, *steps), guarded=guarded)
    ]


def _count_of(document: Document, expression: Expression) -> str:
    """The name of a measure of this file that counts the events of an expression, or what it would be."""
    kinds = [s.event_type for s in series_of(expression)]
    measures = document.data.get("measures")
    for name, measure in measures.items() if isinstance(measures, dict) else ():
        if isinstance(measure, dict) and measure.get("count") in kinds and len(measure) == 1:
            return str(name)
    return f"a count of {kinds[0]}" if kinds else "a count"


def _window(document: Document, at: Pointer) -> str:
    return str(document.find((*at, "spike", "window")) or "1h")


# ---- walking ---------------------------------------------------------------------------------------------------------


def _leaves(condition: Condition, at: Pointer) -> Iterator[tuple[Leaf, Pointer]]:
    if isinstance(condition, Leaf):
        yield condition, at
    for steps, part in parts_of(condition):
        yield from _leaves(part, (*at, *steps))


def _joined(condition: Condition, at: Pointer) -> Iterator[tuple[All, Pointer]]:
    if isinstance(condition, All):
        yield condition, at
    for steps, part in parts_of(condition):
        yield from _joined(part, (*at, *steps))


def _levels(condition: Threshold | Share, at: Pointer) -> list[tuple[Level, Pointer]]:
    """The levels of a condition, each with where its bounds stand."""
    if not condition.graded:
        return [(level, at) for level in condition.levels]
    return [(level, (*at, "levels", level.severity.word)) for level in condition.levels]
