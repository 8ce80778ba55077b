"""The rows of one round as pages of events. It blocks, and belongs on a thread of its own.

A page is what is published at once: some of the rows, in the order of the cursor, as events that were not given before.
"""

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from lockstep.adapters.channels import Secrets
from lockstep.adapters.convert.cells import CellFault
from lockstep.adapters.convert.conversion import events_of_objects
from lockstep.adapters.convert.field_values import Setting
from lockstep.adapters.ingest.receipts import Receipt
from lockstep.adapters.ingest.records import record_of
from lockstep.adapters.sql.cursor_value import CursorValue, NoCursor, cursor_value
from lockstep.adapters.sql.database import Database, row_line
from lockstep.adapters.sql.source_file import Source
from lockstep.adapters.sql.source_state import SourceState, digest_of
from lockstep.errors import EventError
from lockstep.notify.receivers import SecretName
from lockstep.ports import Record

ROWS, BYTES = 1_000, 1 << 20
"""A page is full with so many rows, or so many bytes of them."""
MOST_OF_ONE_VALUE = 100_000
"""Rows with one value of the cursor, where several rows make an event and so a page must not end between them."""
ALL_REFUSED = 10
"""Rows that are refused while none gives an event, at which a source stops."""
MOST_REMEMBERED = 200_000
"""Events of several rows of which it is noticed that their rows differ in the cursor."""


class _Identity(msgspec.Struct):
    id: str
    source: str


_identity = msgspec.json.Decoder(_Identity)


@dataclass(frozen=True)
class RefusedRow:
    """A row that gave no event: its value of the cursor, why, and the row itself as JSON."""

    cursor: CursorValue
    why: str
    line: bytes


@dataclass
class Page:
    """reached: the cursor's value in its last row. digests: of what is new: its events and its refused rows.

    rows: how many were read. pending: rows without a value of the cursor, which are left until they have one. odd: rows
    that the query should not have given.
    """

    reached: CursorValue | None = None
    records: list[Record] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)
    rows: int = 0
    pending: int = 0
    odd: int = 0


def opened(source: Source, secrets: Secrets) -> Database:
    """The database of a source. Raises DeliveryError for a secret that is not set, SettingsError for no address."""
    url = secrets(source.url.secret) if isinstance(source.url, SecretName) else source.url
    return Database(url, named=f"source '{source.name}'", asked="query")


@dataclass(frozen=True, slots=True)
class _Row:
    cursor: CursorValue
    line: bytes


class Round:
    """One question to a database, from where the source was read to.

    Its pages are read one after the other; the state must have taken one before the next is asked for.
    """

    def __init__(
        self, source: Source, state: SourceState, database: Database, *, topics: Mapping[str, str], setting: Setting
    ) -> None:
        """topics: role → topic. setting: of the conversion."""
        self._source, self._state, self._database = source, state, database
        self._topics, self._setting = topics, setting
        self._page = Page()
        self._held: list[_Row] = []
        self._held_bytes = 0
        self._values: dict[tuple[str, ...], CursorValue] = {}
        self._columns: tuple[str, ...] = ()

    def _floor(self) -> tuple[CursorValue, object]:
        """(the value before which rows are no news, what is given to the database for it)."""
        source, cursor = self._source, self._state.cursor
        if cursor is not None:
            # Never before the beginning: what is older has been imported, or was not meant.
            floor = replace(cursor, at=max(cursor.back(source.overlap).at, source.start.at))
            return floor, floor.bound()
        # Nothing is known yet of how the column writes its times; what SQLite has is text, as it stands in the file.
        if isinstance(source.start_text, int) or self._database.is_sqlite:
            return source.start, source.start_text
        kind = "time" if source.start.has_zone else "local"
        return source.start, CursorValue(source.start.at, kind).bound()

    def pages(self) -> Generator[Page, None, None]:
        """Raises EventError for what the database refuses and for rows that cannot be taken as they are.

        RuleError where the mapping does not fit the columns.
        """
        floor, bound = self._floor()
        asked_from = cursor_value(bound)  # up to a day before the floor, where the column has nothing finer
        last: CursorValue | None = None
        column = self._source.column
        with closing(self._database.rows(self._source.query, bound)) as rows:
            for row in rows:
                value = _cell(row, column)
                if value is None:
                    self._page.pending += 1
                    continue
                cursor = self._cursor(value, last or self._state.cursor)
                if last is not None and cursor.at < last.at:
                    raise EventError(
                        "sql",
                        f"the rows are not in the order of '{column}': {cursor} stands behind {last}; "
                        f"end the query with ORDER BY {column}",
                    )
                if cursor.at < floor.at:
                    self._page.odd += cursor.at < asked_from.at
                    continue
                if self._is_full(cursor):
                    yield self._made()
                last = cursor
                line, self._columns = row_line(row), tuple(row)
                self._check_one_value(row, cursor)
                self._held.append(_Row(cursor, line))
                self._held_bytes += len(line)
        yield self._made()

    def _cursor(self, value: object, before: CursorValue | None) -> CursorValue:
        try:
            cursor = cursor_value(value)
        except NoCursor as error:
            raise EventError("sql", f"'{self._source.column}': {error}") from error
        if before is not None and before.kind != cursor.kind:
            way_out = "let the query give it in one form, or give the source another name"
            raise EventError(
                "sql", f"'{self._source.column}' was a {_KINDS[before.kind]}, and is a {_KINDS[cursor.kind]}; {way_out}"
            )
        start = self._source.start
        if ((cursor.kind == "id"), cursor.has_zone) != ((start.kind == "id"), start.has_zone):
            raise EventError(
                "sql", f"'{self._source.column}' is a {_KINDS[cursor.kind]}; write 'from' as one, such as {cursor}"
            )
        return cursor

    def _is_full(self, cursor: CursorValue) -> bool:
        if len(self._held) < ROWS and self._held_bytes < BYTES:
            return False
        if not self._source.one_per or cursor.at != self._held[-1].cursor.at:
            return True
        if len(self._held) >= MOST_OF_ONE_VALUE:
            raise EventError(
                "sql",
                f"more than {MOST_OF_ONE_VALUE:,} rows have {cursor} in '{self._source.column}'; "
                "name a column that tells them apart",
            )
        return False

    def _check_one_value(self, row: Mapping[str, Any], cursor: CursorValue) -> None:
        """Raises EventError where rows of one event differ in the cursor: some could be read without the others."""
        if not self._source.one_per:
            return
        key = tuple(str(_cell(row, name, absent="")) for name in self._source.one_per)
        before = self._values.setdefault(key, cursor)
        if before.at != cursor.at:
            raise EventError(
                "sql",
                f"the rows of {' '.join(key)} differ in '{self._source.column}' ({before} and {cursor}); "
                "name a column that is the same in all rows of an event, as the time of the order",
            )
        if len(self._values) > MOST_REMEMBERED:
            del self._values[next(iter(self._values))]

    def _made(self) -> Page:
        """The page of the rows that are held, which are forgotten."""
        page, held = self._page, self._held
        self._page, self._held, self._held_bytes = Page(), [], 0
        page.rows = len(held)
        if not held:
            return page
        page.reached = held[-1].cursor
        new: set[bytes] = set()

        def is_new(digest: bytes) -> bool:
            if digest in new or self._state.knows(digest):
                return False
            new.add(digest)
            page.digests.append(digest)
            return True

        def refuse(number: int, fault: CellFault) -> None:
            if is_new(digest_of(b"row", held[number].line)):
                page.refused.append(RefusedRow(held[number].cursor, f"{fault}; {fault.remedy}", held[number].line))

        lines = [row.line for row in held]
        events = events_of_objects(lines, self._columns, self._source.mapping, self._setting, refuse)
        if not events and len(page.refused) >= ALL_REFUSED:
            # Rather the mapping is wrong than all of them: nothing is left behind before somebody has looked at it.
            first = page.refused[0]
            raise EventError("sql", f"all {len(held):,} rows are refused, the one with {first.cursor}: {first.why}")
        for event in events:
            name = _identity.decode(event)
            if is_new(digest_of(b"event", name.source.encode(), name.id.encode())):
                self._take(page, event)
        return page

    def _take(self, page: Page, event: bytes) -> None:
        try:
            record = record_of(event, self._topics)
        except EventError as error:
            page.refused.append(RefusedRow(page.reached or self._source.start, str(error), event))
            return
        if not isinstance(record, Receipt):
            page.records.append(record)


_KINDS = {
    "id": "number",
    "time": "time with a zone",
    "local": "time without a zone",
    "day": "day",
    "text": "time as a text",
}


def _cell(row: Mapping[str, Any], column: str, *, absent: object = ...) -> object:
    """The value of a column by its name, whatever its case. Raises EventError where there is none and no `absent`."""
    if column in row:
        return row[column]
    name = next((name for name in row if name.casefold() == column.casefold()), None)
    if name is not None:
        return row[name]
    if absent is not ...:
        return absent
    raise EventError("sql", f"the query gives no column '{column}'; it gives {', '.join(row)}: name one of these")
