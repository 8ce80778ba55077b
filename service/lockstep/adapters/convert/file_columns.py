"""Where the columns of a file are found in its rows: names whatever their case, with a * for anything."""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import translate
from typing import Any, Protocol

CELL, HEADER, EXPORTED = "@cell", "@header", "@exported"
"""Columns that no file has: of a mapping with `per_column` what stands in the column and its name; the time of the
export."""


class Columns(Protocol):
    """The columns of one file, as a mapping asks for them."""

    @property
    def names(self) -> Sequence[str]:
        """What there is, to say what may have been meant; () where anything may be."""
        ...

    def index(self, name: str) -> int | None:
        """The place of a column in each row; None where there is none."""
        ...

    def star(self, name: str) -> str | None:
        """What stands for the * in the name of a column; None where there is no such column."""
        ...

    def constant(self, name: str) -> str | None:
        """What stands above the table under a name, `# Start date`; None where nothing does."""
        ...

    def each(self, name: str) -> tuple[int, "Columns"] | None:
        """The place of a list in each row, and the columns of its elements; None where rows hold no lists."""
        ...


def normal(name: str) -> str:
    """A name without case and without doubled blanks."""
    return " ".join(name.split()).casefold()


def fits(pattern: str, names: Iterable[str]) -> list[str]:
    """The normal names that a name fits, in their order; * stands for anything."""
    wanted = normal(pattern)
    if "*" not in wanted:
        return [name for name in names if name == wanted]
    matches = re.compile(translate(wanted.replace("[", "[[]").replace("?", "[?]"))).match
    return [name for name in names if matches(name)]


class TableColumns:
    """The columns of a table: its header, and what the lines above it say.

    names: the header's cells. above: name → text, such as `# Start date` → `20261101`.
    """

    def __init__(self, names: Sequence[str], above: Mapping[str, str]) -> None:
        self._names = tuple(names)
        self._places: dict[str, int] = {}
        for place, name in enumerate(names):
            self._places.setdefault(normal(name), place)  # of two that are called the same the first is meant
        self._above = {normal(name): text for name, text in above.items()}

    @property
    def names(self) -> Sequence[str]:
        return [name for name in self._names if name.strip()]

    @property
    def width(self) -> int:
        """Cells of a row."""
        return len(self._names)

    def index(self, name: str) -> int | None:
        fitting = fits(name, self._places)
        return self._places[fitting[0]] if fitting else None

    def star(self, name: str) -> str | None:
        place = self.index(name)
        if place is None or place >= len(self._names):
            return None
        before, _, after = " ".join(name.split()).partition("*")
        whole = " ".join(self._names[place].split())
        return whole[len(before) : len(whole) - len(after)]

    def constant(self, name: str) -> str | None:
        return self._above.get(normal(name))

    def each(self, name: str) -> None:
        return None


class CellColumns:
    """The columns of a table whose rows are made longer by one cell of theirs and the name of its column."""

    def __init__(self, columns: Columns, width: int) -> None:
        self._columns, self._width = columns, width
        self.names, self.star, self.constant, self.each = columns.names, columns.star, columns.constant, columns.each

    def index(self, name: str) -> int | None:
        extra = {CELL: self._width, HEADER: self._width + 1}
        return extra[name] if name in extra else self._columns.index(name)


class NamedColumns:
    """Columns that a mapping has names of its own for: of each list of names the first that is there is meant."""

    def __init__(self, columns: Columns, own: Mapping[str, Sequence[str]]) -> None:
        self._columns = columns
        self._own = {
            normal(name): next((n for n in called if self._is_there(n)), called[0]) for name, called in own.items()
        }
        self.names = [*columns.names, *own] if columns.names else ()

    def _is_there(self, name: str) -> bool:
        return self._columns.index(name) is not None or self._columns.constant(name) is not None

    def called(self, name: str) -> str:
        """The name that a column has in the file."""
        return self._own.get(normal(name), name)

    def index(self, name: str) -> int | None:
        return self._columns.index(self.called(name))

    def star(self, name: str) -> str | None:
        return self._columns.star(self.called(name))

    def constant(self, name: str) -> str | None:
        return self._columns.constant(self.called(name))

    def each(self, name: str) -> tuple[int, Columns] | None:
        return self._columns.each(self.called(name))


class AnyColumns:
    """Every column there may be: to look at a mapping without a file."""

    names: Sequence[str] = ()

    def index(self, name: str) -> int | None:
        return 0

    def star(self, name: str) -> str | None:
        return ""

    def constant(self, name: str) -> str | None:
        return None

    def each(self, name: str) -> tuple[int, Columns] | None:
        return 0, self


class ObjectColumns:
    """The paths that a mapping asks of JSON objects, in the order in which it asks: each is a place in a row."""

    names: Sequence[str] = ()

    def __init__(self) -> None:
        self.paths: list[tuple[str, ObjectColumns | None]] = []

    def index(self, name: str) -> int | None:
        for place, (path, elements) in enumerate(self.paths):
            if path == name and elements is None:
                return place
        self.paths.append((name, None))
        return len(self.paths) - 1

    def star(self, name: str) -> str | None:
        return None

    def constant(self, name: str) -> str | None:
        return None

    def each(self, name: str) -> tuple[int, Columns] | None:
        for place, (path, elements) in enumerate(self.paths):
            if path == name and elements is not None:
                return place, elements
        columns = ObjectColumns()
        self.paths.append((name, columns))
        return len(self.paths) - 1, columns


Row = Sequence[Any]
"""Cells as text; in JSON, where a mapping asks for `each` of a list, the rows of its elements."""
