"""What a measure can come to, as far as its aggregate and the event model say it: a count is never below 0."""

from math import inf
from typing import assert_never

from lockstep.event import is_non_negative
from lockstep.measure.definition import Aggregate, Expression, Measured, Number, Operation, SeriesDef

Range = tuple[float, float]
"""The least and the greatest value that a measure can have."""

_ANY: Range = (-inf, inf)
WHOLE_NUMBERS = (Aggregate.COUNT, Aggregate.DISTINCT)


def values_of(expression: Expression) -> Range:
    """What an expression can come to, as far as the event model says it."""
    match expression:
        case Measured(series):
            return (0.0, inf) if _is_non_negative(series) else _ANY
        case Number(value):
            return value, value
        case Operation(op, left, right):
            (low, high), (other_low, other_high) = values_of(left), values_of(right)
            if op == "+":
                return low + other_low, high + other_high
            if op == "-":
                return low - other_high, high - other_low
            return (0.0, inf) if low >= 0 and other_low >= 0 else _ANY
        case _:
            assert_never(expression)


def share_of(part: Expression, whole: Expression, *, is_bounded: bool) -> Range:
    """What a share can come to: at most 1 where the part is of the same events as the whole, else as much as may be.

    is_bounded: it is at most 1 whatever it is of, as the end of an interval of probabilities is.
    """
    return (0.0, 1.0) if is_bounded or _is_part_of(part, whole) else (0.0, inf)


def _is_non_negative(series: SeriesDef) -> bool:
    if series.aggregate in WHOLE_NUMBERS:
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


def only_grows(series: SeriesDef) -> bool:
    """Whether more events can only add to it: a count, or a sum of what is declared never negative.

    Weakness: money in a second currency takes such a sum its value, also where it was told before.
    """
    if series.aggregate is Aggregate.SUM:
        return series.field is not None and is_non_negative(series.event_type, series.field)
    return series.aggregate is Aggregate.COUNT
