"""Formulas: what a condition looks at, worked out from its series, exactly."""

from collections.abc import Callable
from typing import assert_never

from lockstep.measure.definition import Expression, Measured, Number, Operation, SeriesDef
from lockstep.measure.exact import SCALE, Exact, exact, product, quotient, size

LARGEST_RESULT = 10**300 * SCALE
"""What no float can show has no value."""


def evaluate(expression: Expression, read: Callable[[SeriesDef], Exact | None]) -> Exact | None:
    """The number of an expression, in millionths.

    None (no_data) when any part has none, a division by zero is asked for, or it leaves every range.
    """
    match expression:
        case Measured(series):
            return read(series)
        case Number(value):
            return exact(value)
        case Operation(op, left, right):
            a, b = evaluate(left, read), evaluate(right, read)
            if a is None or b is None or (op == "/" and not b):
                return None
            result = _operations[op](a, b)
            return result if size(result) <= LARGEST_RESULT else None
        case _:
            assert_never(expression)


_operations: dict[str, Callable[[Exact, Exact], Exact]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": product,
    "/": quotient,
}
