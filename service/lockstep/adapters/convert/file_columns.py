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

    def indexes(self, name: str) -> Sequence[int]:
        """The places of all columns that a name with a * fits, in their order."""
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
        return next(iter(self.indexes(name)), None)

    def indexes(self, name: str) -> Sequence[int]:
        return [self._places[fitting] for fitting in fits(name, self._places)]

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
        self.indexes = columns.indexes

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

    def indexes(self, name: str) -> Sequence[int]:
        return self._columns.indexes(self.called(name))

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

    def indexes(self, name: str) -> Sequence[int]:
        return (0,)

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

    def index(self, name: str) -> int:
        for place, (path, elements) in enumerate(self.paths):
            if path == name and elements is None:
                return place
        self.paths.append((name, None))
        return len(self.paths) - 1

    def indexes(self, name: str) -> Sequence[int]:
        return (self.index(name),)

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


class PackedColumns:
    """The fields of cells that hold several, each with its name: `sku:A-1|quantity:2`. A cell is a row of its own.

    A part without a name belongs to the field before it, as a name of a product may hold the separator. Of two fields
    of one name the first counts.
    """

    names: Sequence[str] = ()

    def __init__(self, places: Sequence[int], separator: str, colon: str) -> None:
        self._places, self._separator, self._colon = places, separator, colon
        self._asked: list[str] = []

    def index(self, name: str) -> int:
        name = normal(name)
        if name not in self._asked:
            self._asked.append(name)
        return self._asked.index(name)

    def indexes(self, name: str) -> Sequence[int]:
        return (self.index(name),)

    def star(self, name: str) -> str | None:
        return None

    def constant(self, name: str) -> str | None:
        return None

    def each(self, name: str) -> None:
        return None

    def rows(self, row: "Row") -> Iterable["Row"]:
        """The rows that stand in the cells of a row; a blank cell is none."""
        for place in self._places:
            if row[place].strip():
                fields = self._fields(row[place])
                yield [fields.get(name, "") for name in self._asked]

    def _fields(self, text: str) -> dict[str, str]:
        fields: dict[str, str] = {}
        last = ""
        for part in text.split(self._separator):
            name, colon, value = part.partition(self._colon)
            if colon and _FIELD.fullmatch(name):
                last = normal(name)
                fields.setdefault(last, value)
            elif last:
                fields[last] += f"{self._separator}{part}"
        return fields


_FIELD = re.compile(r"[^\W\d][\w-]*")


class QueryColumns:
    """The columns of a query's rows, which are JSON objects: a mapping may name what stands within one.

    names: of the columns. objects: the paths that are asked for.
    """

    def __init__(self, names: Sequence[str], objects: ObjectColumns) -> None:
        self.names, self._objects = names, objects

    def _path(self, name: str) -> str | None:
        """The path with the column as the query calls it, whatever its case; None where it gives no such column."""
        end = next((place for place, sign in enumerate(name) if sign in ".["), len(name))
        column, inner = name[:end], name[end:]
        called = column if column in self.names else None
        called = called or next((own for own in self.names if own.casefold() == column.casefold()), None)
        return None if called is None else f"{called}{inner}"

    def index(self, name: str) -> int | None:
        path = self._path(name)
        return None if path is None else self._objects.index(path)

    def indexes(self, name: str) -> Sequence[int]:
        fitting = fits(name, map(normal, self.names)) if "*" in name else []
        places = [self.index(name), *(self._objects.index(own) for own in self.names if normal(own) in fitting)]
        return [place for place in places if place is not None]

    def star(self, name: str) -> str | None:
        return None

    def constant(self, name: str) -> str | None:
        return None

    def each(self, name: str) -> "tuple[int, Columns] | None":
        return self._objects.each(self._path(name) or name)


Row = Sequence[Any]
"""Cells as text; in JSON, where a mapping asks for `each` of a list, the rows of its elements."""
