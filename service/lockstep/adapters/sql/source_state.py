"""What is remembered of a source: where it was read to, and what it gave shortly before that.

It is stored in the transaction that publishes the events of a page, so both are there or neither is. Rows within the
overlap are read again each time; what gave an event, or was refused, is known by its digest as long as it can come
again. So a row counts once, also where it was committed late, or another worker goes on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from lockstep.adapters.sql.cursor_value import CursorValue
from lockstep.errors import StateError

FORMAT = 1
DIGEST = 16
"""Bytes of a digest: two rows of a shop's whole life share one with a chance below one in a million million."""


def digest_of(*parts: bytes) -> bytes:
    """What an event, or a row that is none, is known by."""
    return blake2b(b"\0".join(parts), digest_size=DIGEST).digest()


class _Position(msgspec.Struct, frozen=True):
    """column: that `at` and `form` are a value of; refused: rows so far; next_page: number of the next digests."""

    format: int
    column: str
    at: int
    form: str
    refused: int
    next_page: int


class _Given(msgspec.Struct, frozen=True, array_like=True):
    """Digests of what rows up to a value of the cursor gave."""

    up_to: int
    digests: bytes


@dataclass(frozen=True)
class Step:
    """What a page changes. entries: to be stored with its events; then it is to be taken."""

    entries: Mapping[bytes, bytes | None]
    position: _Position
    given: _Given | None
    gone: tuple[int, ...]

    @property
    def cursor(self) -> CursorValue:
        """Where the source has been read to then."""
        return CursorValue(self.position.at, self.position.form)

    @property
    def refused(self) -> int:
        """Rows that gave no event then, since it was first asked."""
        return self.position.refused


class SourceState:
    """One source. cursor: the last value up to which all rows that the database showed have been read; None: none."""

    def __init__(self, name: str, column: str, entries: Mapping[bytes, bytes]) -> None:
        """entries: all that is stored, also of other sources. Raises StateError where they are of another column."""
        self._key = name.encode() + b"/"
        self._column = column
        self._pages: dict[int, _Given] = {}
        self._known: set[bytes] = set()
        stored = entries.get(self._key + b"cursor")
        self._position = None if stored is None else msgspec.json.decode(stored, type=_Position)
        if self._position is not None and self._position.format != FORMAT:
            raise StateError(
                f"source '{name}': its state has format {self._position.format}, this program knows {FORMAT}; "
                "use the program that wrote it"
            )
        if self._position is not None and self._position.column != column:
            raise StateError(
                f"source '{name}' was read by '{self._position.column}' so far, up to {self.cursor}; now it is "
                f"'{column}': give it another name, and say with 'from' where it begins"
            )
        before = self._key + b"given/"
        for key, value in entries.items():
            if key.startswith(before):
                self._remember(int(key.removeprefix(before)), msgspec.msgpack.decode(value, type=_Given))

    @property
    def cursor(self) -> CursorValue | None:
        return None if self._position is None else CursorValue(self._position.at, self._position.form)

    @property
    def refused(self) -> int:
        """Rows that gave no event, since it was first asked."""
        return 0 if self._position is None else self._position.refused

    def knows(self, digest: bytes) -> bool:
        """Whether it was given, and may be read again."""
        return digest in self._known

    def step(self, reached: CursorValue, digests: Sequence[bytes], *, refused: int, overlap: int) -> Step:
        """What changes when a page becomes durable; nothing does before `take`.

        reached: the value of the page's last row. digests: what is new of it. refused: how many rows of it are, for the
        first time.
        """
        cursor = self.cursor
        newest = reached if cursor is None or reached.at >= cursor.at else cursor
        number = 0 if self._position is None else self._position.next_page
        given = _Given(reached.at, b"".join(digests)) if digests else None
        gone = tuple(n for n, page in self._pages.items() if page.up_to < newest.at - overlap)
        position = _Position(
            FORMAT, self._column, newest.at, newest.form, self.refused + refused, number + (given is not None)
        )
        entries: dict[bytes, bytes | None] = {self._key + b"cursor": msgspec.json.encode(position)}
        entries |= {self._page_key(n): None for n in gone}
        if given is not None:
            entries[self._page_key(number)] = msgspec.msgpack.encode(given)
        return Step(entries, position, given, gone)

    def changes(self, step: Step) -> bool:
        """Whether a step has anything to be stored."""
        return step.position != self._position or step.given is not None or bool(step.gone)

    def take(self, step: Step) -> None:
        """It is durable."""
        for number in step.gone:
            self._known.difference_update(_cut(self._pages.pop(number).digests))
        if step.given is not None:
            self._remember(step.position.next_page - 1, step.given)
        self._position = step.position

    def _remember(self, number: int, given: _Given) -> None:
        self._pages[number] = given
        self._known.update(_cut(given.digests))

    def _page_key(self, number: int) -> bytes:
        return self._key + b"given/%d" % number


def _cut(digests: bytes) -> Iterator[bytes]:
    return (digests[i : i + DIGEST] for i in range(0, len(digests), DIGEST))
