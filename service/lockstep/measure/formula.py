"""Formulas: what a condition looks at, worked out from its series."""

from collections.abc import Callable

from lockstep.measure.definition import Expression, Measured, Number, Operation, SeriesDef


def evaluate(expression: Expression, read: Callable[[SeriesDef], float | None]) -> float | None:
    """The number of an expression; None (no_data) when any part has none or a division by zero is asked for."""
    match expression:
        case Measured(series):
            return read(series)
        case Number(value):
            return value
        case Operation(op, left, right):
            a, b = evaluate(left, read), evaluate(right, read)
            if a is None or b is None:
                return None
            match op:
                case "+":
                    return a + b
                case "-":
                    return a - b
                case "*":
                    return a * b
                case "/":
                    return a / b if b else None
                case _:
                    raise ValueError(f"unknown operation {op!r}")
