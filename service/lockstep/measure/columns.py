"""What events say, in columns: the skus of many events, their totals.

A column is known by the function that makes it (`texts("sku")`; the same arguments give the same function), and is made
once for all the series that read it.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from lockstep.labels import NONE
from lockstep.measure.aggregate import LARGEST
from lockstep.measure.exact import SCALE
from lockstep.text.personal_data import FREE_TEXT, PERSONAL, is_free_text, is_written, looks_personal

Labels = tuple[str, ...]

Key = str | Labels
"""Label values to count by: a single one as it is, because its hash is known already and no tuple has to be made."""

Made = TypeVar("Made")
Column = Callable[["Columns"], Made]
"""Makes a column of the rows, or something else that several series read off them."""

Places = Sequence[int] | None
"""Some of the rows, by their places; None: each of them, in order."""

MOST_REMEMBERED = 100_000
"""Values of a column that are known to show nothing of a person."""

MOST_COLUMNS = 4_096
"""So many columns have a name at a time; one that lost its name is made anew for each series that reads it."""


class Columns:
    """The data of events of one type, or the lines of orders, as rows and in columns.

    rows: objects with the fields as attributes.
    """

    __slots__ = ("_made", "rows")

    def __init__(self, rows: Sequence[Any]) -> None:
        self.rows = rows
        self._made: dict[Column[Any], Any] = {}

    def get(self, column: Column[Made]) -> Made:
        """The column; whoever reads it changes nothing in it."""
        made: Made | None = self._made.get(column)
        if made is None:
            made = self._made[column] = column(self)
        return made


def picked(column: Sequence[Made], places: Places) -> Sequence[Made]:
    """The values of a column at these places."""
    return column if places is None else [column[n] for n in places]


def label_text(value: Any) -> str:
    """How an event's value reads as a label."""
    if value.__class__ is str:
        return value or NONE
    if value is None:
        return NONE
    return str(msgspec.json.encode(value, order="sorted"), "utf-8")


@lru_cache(MOST_COLUMNS)
def values(name: str) -> Column[list[Any]]:
    """What stands under a name."""
    read = attrgetter(name)
    return lambda columns: list(map(read, columns.rows))


@lru_cache(MOST_COLUMNS)
def numbers(name: str) -> Column[list[int | None]]:
    """In millionths; None for what is no number or too large (an extra field may be anything)."""
    read = attrgetter(name)

    def made(columns: Columns) -> list[int | None]:
        raw_values = list(map(read, columns.rows))
        if set(map(type, raw_values)) == {float} and min(raw_values) >= -LARGEST and max(raw_values) <= LARGEST:
            return [round(v * SCALE) for v in raw_values]
        return [
            round(v * SCALE) if (v.__class__ is float or v.__class__ is int) and -LARGEST <= v <= LARGEST else None
            for v in raw_values
        ]

    return made


@lru_cache(MOST_COLUMNS)
def texts(name: str) -> Column[list[str]]:
    """What stands under a name, as it reads as a label; of `lines` how many there are. An email address or a telephone
    number is PERSONAL, whoever sent it, and what a customer wrote FREE_TEXT: labels are read by many."""
    read = attrgetter(name)
    if name == "lines":
        return lambda columns: [str(len(v or ())) for v in map(read, columns.rows)]
    impersonal: set[str] = set()
    written = is_written(name)

    def made(columns: Columns) -> list[str]:
        column = [v if v.__class__ is str and v else label_text(v) for v in map(read, columns.rows)]
        unseen = set(column) - impersonal  # a value is looked at once, not with every event
        if not unseen:
            return column
        hidden = {v: PERSONAL for v in unseen if looks_personal(v)}
        if written:
            hidden |= {v: FREE_TEXT for v in unseen if v not in hidden and is_free_text(v)}
        if len(impersonal) > MOST_REMEMBERED:
            impersonal.clear()
        impersonal.update(unseen.difference(hidden))
        return [hidden.get(v, v) for v in column] if hidden else column

    return made


@lru_cache(MOST_COLUMNS)
def keys(names: Labels) -> Column[Sequence[Key]]:
    """The label values under these names, as keys to count by."""
    if not names:
        return lambda columns: [()] * len(columns.rows)
    if len(names) == 1:
        return texts(names[0])
    columns_of_names = [texts(name) for name in names]
    return lambda columns: list(zip(*map(columns.get, columns_of_names), strict=True))


@lru_cache(MOST_COLUMNS)
def chosen(where: tuple[tuple[str, tuple[str, ...]], ...]) -> Column[Sequence[int]]:
    """The places of the rows that have the allowed labels; where: (label, allowed values), all must hold."""
    tests = [(texts(name), _matcher(allowed)) for name, allowed in where]

    def made(columns: Columns) -> Sequence[int]:
        places: Sequence[int] = range(len(columns.rows))
        for column, is_allowed in tests:
            text = columns.get(column)
            places = [n for n in places if is_allowed(text[n])]
        return places

    return made


def _matcher(allowed: Iterable[str]) -> Callable[[str], bool]:
    exact = frozenset(a for a in allowed if not a.endswith("*"))
    prefixes = tuple(a[:-1] for a in allowed if a.endswith("*"))
    return lambda text: text in exact or text.startswith(prefixes) if prefixes else text in exact


def counts(columns: Columns) -> Sequence[int]:
    """How many events each event stands for; empty: each for itself alone."""
    weights = [data.count for data in columns.rows]
    return () if weights.count(1) == len(weights) else weights


def lines(columns: Columns) -> tuple[Columns, list[int]]:
    """The lines of all orders, and for each of them the place of its order."""
    parts = [data.lines or () for data in columns.rows]
    return Columns([line for part in parts for line in part]), [n for n, part in enumerate(parts) for _ in part]
