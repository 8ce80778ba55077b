"""Exact numbers: what is compared with a limit is a whole number of millionths or a fraction of them, never rounded.

Sums and counts are integers of a millionth already; averages, quotients and means are fractions of them. A number that
an author wrote stands for the decimal that was written: 0.1 is a tenth, not the nearest double. Only what is shown is a
float, rounded once.
"""

from fractions import Fraction
from functools import lru_cache

SCALE = 1_000_000
"""Numbers are kept as integers of a millionth."""

Exact = int | Fraction
"""A number of millionths: 4_666_666 + 2/3 is 14 / 3."""

Written = float | Fraction
"""A number in units: as it was written, or calculated from others without rounding."""


@lru_cache(maxsize=4_096, typed=True)
def _decimal(number: float) -> Fraction:
    return Fraction(repr(number))


def fraction(number: Written) -> Fraction:
    """The decimal that was written: 0.1 is 1/10."""
    return number if isinstance(number, Fraction) else _decimal(float(number))


@lru_cache(maxsize=4_096, typed=True)
def parts(number: Written) -> tuple[int, int]:
    """(numerator, denominator) of what was written, to multiply both sides of a comparison with."""
    return fraction(number).as_integer_ratio()


def whole(number: Exact) -> Exact:
    """An int where it is one: those are compared much faster."""
    return number if isinstance(number, int) or number.denominator != 1 else number.numerator


@lru_cache(maxsize=4_096, typed=True)
def exact(number: Written) -> Exact:
    """The millionths of a number in units."""
    return whole(fraction(number) * SCALE)


def size(number: Exact) -> Exact:
    """The number without its sign."""
    return -number if number < 0 else number


def product(a: Exact, b: Exact) -> Exact:
    """a × b, in millionths."""
    return whole(Fraction(a * b) / SCALE)


def quotient(a: Exact, b: Exact) -> Exact:
    """a / b of two numbers of the same unit, in millionths. b: not 0."""
    if isinstance(a, int) and isinstance(b, int):
        rounded, rest = divmod(a * SCALE, b)
        return Fraction(a * SCALE, b) if rest else rounded
    return whole(Fraction(a) * SCALE / b)


def part_of(number: Exact, numerator: int, denominator: int) -> Exact:
    """numerator / denominator of a number."""
    if isinstance(number, int):
        rounded, rest = divmod(number * numerator, denominator)
        return Fraction(number * numerator, denominator) if rest else rounded
    return whole(number * Fraction(numerator, denominator))


def shown(number: Exact) -> float:
    """The nearest float, in units."""
    if isinstance(number, int):
        return number / SCALE
    return number.numerator / (number.denominator * SCALE)
