"""Bounds: the numbers that a value is compared with, and where they come from when they do not stand in the rule:
another measure, or a table beside the rule file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import ceil, floor

from lockstep.measure.definition import Expression, OfExpression
from lockstep.measure.exact import SCALE, Exact, Written, exact, fraction
from lockstep.rule.condition.period import Window


@dataclass(frozen=True)
class OfMeasure(OfExpression):
    """times × a measure + plus, settled each time anew.

    what: the measure as messages name it; no part of what the bound is, so that a measure may be renamed.
    window_s: the window of its flows that ends where the verdict's does; None when it reads levels only.
    """

    what: str = field(compare=False, repr=False)
    expression: Expression
    window_s: Window | None
    times: float = 1.0
    plus: float = 0.0

    @property
    def said(self) -> str:
        """`1.5 × reorder_point + 10`."""
        return _said(self.what, self.times, self.plus)

    def number(self, value: Exact) -> Fraction:
        """The bound when the measure is `value`, in units; value: in millionths."""
        return Fraction(value) / SCALE * fraction(self.times) + fraction(self.plus)


Row = tuple[tuple[str, ...], float | None]
"""Patterns, one a label (`*` stands for anything, anywhere), and the number; None: no bound."""


@dataclass(frozen=True)
class OfTable:
    """times × a number of a table + plus, the same for a group until the table is edited.

    labels: the columns that pick a row. rows: the most specific first, so that the first that matches counts.
    otherwise: for groups without a row; None: they have no bound.
    """

    file: str
    column: str
    labels: tuple[str, ...]
    rows: tuple[Row, ...]
    otherwise: float | None = None
    times: float = 1.0
    plus: float = 0.0

    @cached_property
    def _exact(self) -> dict[tuple[str, ...], float | None]:
        return {match: number for match, number in self.rows if not any("*" in cell for cell in match)}

    @cached_property
    def _patterns(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row[0] not in self._exact)

    @property
    def said(self) -> str:
        """`at_most in thresholds.csv`."""
        return _said(f"{self.column} in {self.file}", self.times, self.plus)

    def number(self, labels: Mapping[str, str]) -> tuple[Written | None, str]:
        """The bound of a group and where it stands, in words; None: it has none."""
        values = tuple(labels.get(name, "") for name in self.labels)
        row = self._row(values)
        if row is None:
            return self.otherwise, f"otherwise in {self.file}"
        match, number = row
        where = _said(f"{self.column} of {', '.join(match)} in {self.file}", self.times, self.plus)
        if number is None or (self.times == 1 and self.plus == 0):
            return number, where
        return fraction(number) * fraction(self.times) + fraction(self.plus), where

    @property
    def numbers(self) -> list[Fraction]:
        """Those that any group may have."""
        rows = (n for _, n in self.rows if n is not None)
        own = [fraction(n) * fraction(self.times) + fraction(self.plus) for n in rows]
        return own if self.otherwise is None else [*own, fraction(self.otherwise)]

    def _row(self, values: tuple[str, ...]) -> Row | None:
        if values in self._exact:
            return values, self._exact[values]
        for row in self._patterns:
            if all(matches(value, pattern) for value, pattern in zip(values, row[0], strict=True)):
                return row
        return None


Source = OfMeasure | OfTable


@dataclass(frozen=True)
class Bounds:
    """Numbers that a value is compared with; every one that is set must hold. above and below exclude the number.

    sources: word → where its number comes from, as long as it has none (see `lockstep.rule.condition.bound_values`).
    of: word → where its number came from, in words; a number of the rule itself has no entry.
    """

    above: Written | None = None
    below: Written | None = None
    at_least: Written | None = None
    at_most: Written | None = None
    sources: tuple[tuple[str, Source], ...] = ()
    of: tuple[tuple[str, str], ...] = ()

    @cached_property
    def _exact(self) -> tuple[Exact | None, Exact | None, Exact | None, Exact | None]:
        above, below, at_least, at_most = (
            None if n is None else exact(n) for n in (self.above, self.below, self.at_least, self.at_most)
        )
        return above, below, at_least, at_most

    def hold(self, value: Exact) -> bool:
        """Whether all the numbers that are set hold for a value, which is in millionths: the condition breaches."""
        above, below, at_least, at_most = self._exact
        return (
            (above is None or value > above)
            and (below is None or value < below)
            and (at_least is None or value >= at_least)
            and (at_most is None or value <= at_most)
        )

    @property
    def least(self) -> int | None:
        """The least whole millionth that is not too low; None: none is."""
        above, _, at_least, _ = self._exact
        numbers = [n for n in (None if above is None else floor(above) + 1, at_least) if n is not None]
        return max(map(ceil, numbers), default=None)

    @property
    def most(self) -> int | None:
        """The greatest whole millionth that is not too high; None: none is."""
        _, below, _, at_most = self._exact
        numbers = [n for n in (None if below is None else ceil(below) - 1, at_most) if n is not None]
        return min(map(floor, numbers), default=None)

    @property
    def shown(self) -> float | None:
        """The number that a message names: of a band its lower end; None while it is a measure's and not known yet."""
        numbers = (self.above, self.at_least, self.below, self.at_most)
        return next((float(n) for n in numbers if n is not None), None)

    @property
    def shown_of(self) -> str:
        """Where the number that a message names came from; "" for one of the rule itself."""
        if not self.of:
            return ""
        shown = next(w for w in ("above", "at_least", "below", "at_most") if getattr(self, w) is not None)
        return dict(self.of).get(shown, "")

    @property
    def is_set(self) -> bool:
        numbers = (self.above, self.below, self.at_least, self.at_most)
        return bool(self.sources) or any(n is not None for n in numbers)

    @property
    def is_upward(self) -> bool:
        """Whether a higher value can only breach more, and the numbers stay what they are."""
        return self.below is None and self.at_most is None and not self.sources


def _said(what: str, times: float, plus: float) -> str:
    more = "" if plus == 0 else f" {'+' if plus > 0 else '-'} {abs(plus):g}"
    return f"{f'{times:g} × ' if times != 1 else ''}{what}{more}"


def specificity(match: tuple[str, ...]) -> tuple[int, int]:
    """Sorts the patterns of a table, the most specific first: cells without `*`, then characters beside it."""
    return -sum("*" not in cell for cell in match), -sum(len(cell.replace("*", "")) for cell in match)


def matches(value: str, pattern: str) -> bool:
    """Whether a label's value is like a pattern, in which `*` stands for anything, anywhere."""
    first, *rest = pattern.split("*")
    if not rest or not value.startswith(first):
        return value == pattern
    *middle, last = rest
    at = len(first)
    for piece in middle:
        start = value.find(piece, at)
        if start < 0:
            return False
        at = start + len(piece)
    return len(value) - at >= len(last) and value.endswith(last)
