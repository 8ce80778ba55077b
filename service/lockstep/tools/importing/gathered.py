"""The events to be imported, in the order of time: files may be larger than memory, and in any order."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Self

from lockstep.event import Decoder, Refused, role_of, type_of
from lockstep.text.figures import duration_words
from lockstep.text.rfc3339 import SECOND

MOST_PLACES = 3
MOST_FAULTS = 200
"""Kinds of faults that are told apart."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE event (source TEXT, id TEXT, role TEXT, type TEXT, time_us INTEGER, value BLOB, there INTEGER DEFAULT 0);
CREATE UNIQUE INDEX identity ON event (source, id);
"""


def microseconds(moment: datetime) -> int:
    """Since 1970, of a moment with a zone."""
    return (moment - _EPOCH) // _MICROSECOND


class Order(NamedTuple):
    """Where an event stands in an import of its role: by time, then by what names it."""

    time_us: int
    source: str
    id: str


@dataclass
class RefusedEvents:
    """What is no event, or cannot count, for one reason. places: of the first few."""

    reason: str
    count: int = 0
    places: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        where = ", ".join(self.places) + (", …" if self.count > len(self.places) else "")
        return f"{self.count:,} refused: {self.reason} ({where})"


@dataclass(frozen=True)
class Stretch:
    """Events of one type: how many, and from when to when, in microseconds."""

    type: str
    count: int
    first_us: int
    last_us: int


class Gathered:
    """Events by what names them, on disk in a folder that lasts as long as this does.

    read: events that were read. refused: by reason. unknown: of a type that is not ours. twice: source and id stood
    there before.
    """

    def __init__(self, folder: Path, *, now: datetime) -> None:
        """now: what is said to happen later is refused."""
        self._db = sqlite3.connect(folder / "events.db", isolation_level=None)
        self._db.executescript(_TABLES)
        self._db.execute("BEGIN")
        self._decoder = Decoder()
        self._now_us = microseconds(now)
        self.read = self.unknown = self.twice = 0
        self.refused: dict[str, RefusedEvents] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    # ---- in -------------------------------------------------------------------------------------------------------

    def add(self, values: Sequence[bytes], places: Sequence[str]) -> None:
        """Take events as JSON. places: where each stands, for what is refused."""
        self.read += len(values)
        rows = []
        for value, event, place in zip(values, self._decoder.decode(values), places, strict=True):
            if event is None:
                self.unknown += 1
                continue
            if event.__class__ is Refused:
                self._refuse(f"{event.reason}: {event.detail}", place)
                continue
            time_us = microseconds(event.time)
            ahead_us = time_us - self._now_us
            if ahead_us > 0:
                what = f"future: its time is {duration_words(ahead_us / SECOND)} ahead of the clock"
                self._refuse(f"{what}; check the time zone, or leave it out", place)
                continue
            kind = type_of(event)
            rows.append((event.source, event.id, role_of(kind, event.data), kind, time_us, value))
        before = self._db.total_changes
        self._db.executemany(
            "INSERT OR IGNORE INTO event (source, id, role, type, time_us, value) VALUES (?, ?, ?, ?, ?, ?)", rows
        )
        self.twice += len(rows) - (self._db.total_changes - before)

    def _refuse(self, reason: str, place: str) -> None:
        if reason not in self.refused and len(self.refused) >= MOST_FAULTS:
            reason = "there are more kinds of faults; mend those above first"
        refused = self.refused.setdefault(reason, RefusedEvents(reason))
        refused.count += 1
        if len(refused.places) < MOST_PLACES:
            refused.places.append(place)

    def mark_there(self, values: Sequence[bytes | None]) -> Order | None:
        """Note which events have been imported before, of records as they were; returns where the last of them stands.

        None where none of the records is an event.
        """
        decoded = self._decoder.decode(values)
        events = [event for event in decoded if event is not None and event.__class__ is not Refused]
        self._db.executemany(
            "UPDATE event SET there = 1 WHERE source = ? AND id = ?", [(event.source, event.id) for event in events]
        )
        return max((Order(microseconds(e.time), e.source, e.id) for e in events), default=None)

    # ---- out ------------------------------------------------------------------------------------------------------

    @property
    def refused_count(self) -> int:
        return sum(refused.count for refused in self.refused.values())

    def roles(self) -> list[str]:
        """The roles of which there are events, sorted."""
        return sorted(role for (role,) in self._db.execute("SELECT DISTINCT role FROM event"))

    def there(self, role: str) -> int:
        """How many events of a role have been imported before."""
        return self._count("role = ? AND there", role)

    def between(self, role: str, after: Order | None, before_us: int | None) -> int:
        """How many of a role are new, stand after a place in the order and before an instant."""
        where, values = _where(role, after, before_us)
        return self._count(where, *values)

    def older(self, role: str, than: Order | None) -> int:
        """How many of a role are new and do not stand after a place: an import goes on, never back."""
        if than is None:
            return 0
        return self._count("role = ? AND NOT there AND (time_us, source, id) <= (?, ?, ?)", role, *than)

    def younger(self, role: str, after: Order | None, since_us: int | None) -> int:
        """How many of a role are new, stand after a place and happened at or after an instant."""
        if since_us is None:
            return 0
        where, values = _where(role, after, None)
        return self._count(f"{where} AND time_us >= ?", *values, since_us)

    def stretches(self, role: str, after: Order | None, before_us: int | None) -> list[Stretch]:
        """The same as `between`, by type."""
        where, values = _where(role, after, before_us)
        rows = self._db.execute(
            f"SELECT type, COUNT(*), MIN(time_us), MAX(time_us) FROM event WHERE {where} GROUP BY type", values
        )
        return [Stretch(*row) for row in rows]

    def in_order(
        self, roles: Sequence[tuple[str, Order | None, int | None]], at_once: int
    ) -> Iterator[list[tuple[str, bytes]]]:
        """(role, event) of what is to be published, by time: many at a time. roles: as for `between`."""
        parts = [_where(*role) for role in roles]
        where = " OR ".join(f"({part})" for part, _ in parts)
        values = [value for _, of_part in parts for value in of_part]
        cursor = self._db.execute(
            f"SELECT role, value FROM event WHERE {where or '0'} ORDER BY time_us, source, id", values
        )
        while rows := cursor.fetchmany(at_once):
            yield rows

    def _count(self, where: str, *values: object) -> int:
        (count,) = self._db.execute(f"SELECT COUNT(*) FROM event WHERE {where}", values).fetchone()
        return int(count)


def _where(role: str, after: Order | None, before_us: int | None) -> tuple[str, list[object]]:
    where: str = "role = ? AND NOT there"
    values: list[object] = [role]
    if after is not None:
        where += " AND (time_us, source, id) > (?, ?, ?)"
        values += after
    if before_us is not None:
        where += " AND time_us < ?"
        values.append(before_us)
    return where, values
