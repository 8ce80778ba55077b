"""The rows that make one event, as an order has several: they stand together, near each other, or anywhere.

Rows of one event may stand APART rows from each other, so that a file sorted by time is read in one go and few rows are
held at once. Those of a `scattered` mapping are gathered in a temporary database on disk.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import msgspec

from lockstep.adapters.convert.cells import CellFault
from lockstep.adapters.convert.file_columns import Row

APART = 1_000
"""Rows after which an event is complete that none of them belonged to."""
MOST_ROWS = 10_000
"""Rows of one event: as many as an order may have lines."""
REMEMBERED = 200_000
"""Events that are complete and of which a later row is still noticed."""
_AT_ONCE = 2_000

Key = tuple[str, ...]


@dataclass(slots=True)
class Group:
    """The rows of one event in their order. numbers: their lines. last: when the newest came, in rows of the file."""

    numbers: list[int] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    last: int = 0


class KeyOf:
    """What is the same in all rows of an event. A row in which it is blank belongs to the event above."""

    def __init__(self, places: Sequence[int], name: str) -> None:
        self._places, self._name = places, name
        self._above: Key | None = None

    def __call__(self, row: Row) -> Key:
        key = tuple([row[place].strip() for place in self._places])
        if not any(key):
            if self._above is None:
                raise CellFault(
                    "is blank, and so it is in all rows above", "say with 'when' which rows count", column=self._name
                )
            return self._above
        self._above = key
        return key


class Near:
    """Gathers events whose rows stand at most APART rows from each other."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._open: dict[Key, Group] = {}
        self._complete: dict[int, None] = {}
        self._count = 0
        self._current: tuple[Key, Group] | None = None
        self.held = 0
        """Rows that are held now."""

    def add(self, number: int, row: Row, key: Key) -> Sequence[Group]:
        """The events that are complete now. Raises CellFault for a row that cannot be part of one."""
        self._count += 1
        if self._current is not None and self._current[0] == key:
            group = self._current[1]
        else:
            group = self._open.get(key) or self._begun(key)
            self._current = (key, group)
        if len(group.rows) >= MOST_ROWS:
            raise CellFault(
                f"has more than {MOST_ROWS:,} rows", "name the column of the order in 'one_per'", column=self._name
            )
        group.numbers.append(number)
        group.rows.append(row)
        group.last = self._count
        self.held += 1
        return self._completed() if self._count % APART == 0 else ()

    def rest(self) -> Iterator[Group]:
        """What is still open at the end of the file."""
        yield from self._open.values()
        self._open.clear()
        self.held = 0

    def _begun(self, key: Key) -> Group:
        if hash(key) in self._complete:
            raise CellFault(
                f"stands more than {APART:,} rows further up already",
                "sort the file by it, or write scattered: true",
                text=" ".join(key),
                column=self._name,
            )
        group = self._open[key] = Group()
        return group

    def _completed(self) -> Sequence[Group]:
        done = [(key, group) for key, group in self._open.items() if self._count - group.last >= APART]
        for key, group in done:
            del self._open[key]
            self._complete[hash(key)] = None
            self.held -= len(group.rows)
        for old in list(self._complete)[: max(0, len(self._complete) - REMEMBERED)]:
            del self._complete[old]
        return [group for _, group in done]


class Scattered:
    """Gathers events whose rows stand anywhere, in a temporary database that SQLite keeps on disk."""

    held = 0

    def __init__(self) -> None:
        self._database: sqlite3.Connection | None = None
        self._waiting: list[tuple[bytes, int, bytes]] = []

    def add(self, number: int, row: Row, key: Key) -> Sequence[Group]:
        """Nothing is complete before the end of the file."""
        text = [cell.encode("utf-8", "surrogatepass") if isinstance(cell, str) else cell for cell in row]
        self._waiting.append(("\x1f".join(key).encode("utf-8", "surrogatepass"), number, msgspec.msgpack.encode(text)))
        if len(self._waiting) >= _AT_ONCE:
            self._stored()
        return ()

    def rest(self) -> Iterator[Group]:
        """All events, in the order of their first rows."""
        database = self._stored()
        rows = database.execute(
            "SELECT min(rowid) OVER (PARTITION BY key) AS first, number, row FROM rows ORDER BY first, rowid"
        )
        for _, of_one in groupby(rows, key=lambda stored: stored[0]):
            group = Group()
            for _, number, row in of_one:
                if len(group.rows) < MOST_ROWS:
                    group.numbers.append(number)
                    group.rows.append([_text(cell) for cell in msgspec.msgpack.decode(row)])
            yield group
        database.close()

    def _stored(self) -> sqlite3.Connection:
        """The database with all rows so far; it is made for the first of them."""
        if self._database is None:
            self._database = sqlite3.connect("")
            self._database.execute("CREATE TABLE rows (key BLOB, number INTEGER, row BLOB)")
        self._database.executemany("INSERT INTO rows VALUES (?, ?, ?)", self._waiting)
        self._waiting.clear()
        return self._database


def _text(cell: Any) -> Any:
    return cell.decode("utf-8", "surrogatepass") if isinstance(cell, bytes) else cell
