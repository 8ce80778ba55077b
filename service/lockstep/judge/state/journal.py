"""The journal: what came since pages were written, in the order in which it was taken.

Each cut writes what it took as one entry (several, where that is much), small because a group is a row number. An entry
is given up when every page that it speaks of has been written since. Read back, it is taken again exactly as it was.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from lockstep.errors import StateError
from lockstep.judge.rule_facts import Labels
from lockstep.judge.state.rows import Sizes, divided
from lockstep.measure.history import Place, Source, pack, unpack

JOURNAL = b"j"
"""What the keys begin with."""

ROWS_PER_STEP = 1_024
ENTRY_WEIGHS = 8
"""An entry takes as long to read as so many rows."""

PageName = tuple[str, int]
"""(series, number of the page)."""


class Named(msgspec.Struct, array_like=True, frozen=True, tag="n"):
    """Groups that have got a row. What else an entry says of them comes after it."""

    series: str
    rows: list[int]
    labels: list[Labels]


class Told(msgspec.Struct, array_like=True, frozen=True, tag="t"):
    """Partials that were taken, one a row; the others are arguments of `FlowHistory.apply`."""

    series: str
    source: Source
    place: Place
    closed: int | None
    rows: list[int]
    buckets: list[list[tuple[int, Any]]]


class Moved(msgspec.Struct, array_like=True, frozen=True, tag="l"):
    """Values of levels that were taken, one a row: identity, time, offset and value, as in `LevelHistory.apply`.

    asked_from_us: what was older was forgotten then, see `LevelHistory.trim`.
    """

    series: str
    source: Source
    asked_from_us: int | None
    rows: list[int]
    values: list[tuple[str, int, int, int]]


class ChunkOver(msgspec.Struct, array_like=True, frozen=True, tag="c"):
    """A source has come to a later chunk, see `FlowHistory.fold`. place: how far its meter has promised then."""

    source: Source
    place: Place


Step: TypeAlias = Named | Told | Moved | ChunkOver

_DECODER = msgspec.msgpack.Decoder(list[Step])


@dataclass(slots=True)
class Entry:
    """One that is stored. pages: those of its rows, the last one first, while not looked at. weight: in rows."""

    number: int
    pages: list[PageName]
    weight: int


def journal_key(number: int) -> bytes:
    return JOURNAL + pack(number)


def number_of(key: bytes) -> int:
    return int(unpack(key[1:]))


def steps_of(value: bytes) -> list[Step]:
    """The steps of an entry, in order. Raises StateError for bytes that are none."""
    try:
        return _DECODER.decode(value)
    except msgspec.MsgspecError as error:
        raise StateError(f"stored state cannot be read: {error}") from error


def pages_of(step: Step, rows_per_page: int) -> set[PageName]:
    """The pages of the rows that a step names."""
    if isinstance(step, ChunkOver):
        return set()
    return {(step.series, page) for page in {row // rows_per_page for row in step.rows}}


def weight_of(steps: Iterable[Step]) -> int:
    """How long an entry of these steps takes to read, in rows."""
    return ENTRY_WEIGHS + sum(0 if isinstance(step, ChunkOver) else len(step.rows) for step in steps)


class Journal:
    """next: the number of the entry that comes. entries: those that are stored; weight: of all of them."""

    def __init__(self, sizes: Sizes) -> None:
        self.next = 0
        self.weight = 0
        self.entries: deque[Entry] = deque()
        self._sizes = sizes
        self._named: dict[str, Named] = {}
        self._steps: list[Step] = []
        self._of_chunk: dict[int, set[PageName]] = {}  # id of a `ChunkOver` → pages that had something of the chunk
        # What comes is added to the steps of one frame, by series; across series order says nothing.
        self._frame: tuple[Source, Place | None, int | None] | None = None
        self._told: dict[str, Told] = {}
        self._moved: dict[str, Moved] = {}

    # ---- in -------------------------------------------------------------------------------------------------------

    def name(self, series: str, row: int, labels: Labels) -> None:
        """A group has got a row."""
        named = self._named.get(series)
        if named is None:
            named = self._named[series] = Named(series, [], [])
        named.rows.append(row)
        named.labels.append(labels)

    def tell(
        self,
        series: str,
        row: int,
        source: Source,
        place: Place,
        buckets: list[tuple[int, Any]],
        closed: int | None,
    ) -> None:
        """A partial was taken, see `Told`."""
        frame = self._frame
        if frame is None or place is not frame[1] or closed != frame[2] or source != frame[0]:
            self._begin(source, place, closed)
        step = self._told.get(series)
        if step is None or len(step.rows) >= ROWS_PER_STEP:
            step = self._told[series] = Told(series, source, place, closed, [], [])
            self._steps.append(step)
        step.rows.append(row)
        step.buckets.append(buckets)

    def move(
        self, series: str, row: int, source: Source, value: tuple[str, int, int, int], asked_from_us: int | None
    ) -> None:
        """A value of a level was taken, see `Moved`."""
        frame = self._frame
        if frame is None or source != frame[0]:
            self._begin(source, None, None)
        step = self._moved.get(series)
        if step is None or step.asked_from_us != asked_from_us or len(step.rows) >= ROWS_PER_STEP:
            step = self._moved[series] = Moved(series, source, asked_from_us, [], [])
            self._steps.append(step)
        step.rows.append(row)
        step.values.append(value)

    def _begin(self, source: Source, place: Place | None, closed: int | None) -> None:
        self._frame = (source, place, closed)
        self._told, self._moved = {}, {}

    def end_chunk(self, source: Source, place: Place, pages: set[PageName]) -> None:
        """A source has come to a later chunk. pages: those that had something of the one before."""
        step = ChunkOver(source, place)
        self._of_chunk[id(step)] = pages
        self._steps.append(step)
        self._frame = None

    # ---- out ------------------------------------------------------------------------------------------------------

    def close(self, entries: dict[bytes, bytes | None]) -> int:
        """Add what came since the last cut to the entries of this one; returns what it weighs."""
        before = self.weight
        steps = [*self._named.values(), *self._steps]
        for some, value in divided(steps, self._sizes.bytes, pack) if steps else ():
            pages: set[PageName] = set()
            for step in some:
                pages |= self._of_chunk.get(id(step)) or pages_of(step, self._sizes.rows)
            entries[journal_key(self.next)] = value
            self.add(Entry(self.next, sorted(pages, reverse=True), weight_of(some)))
        self.clear()
        return self.weight - before

    def clear(self) -> None:
        """Forget what came since the last cut."""
        self._named, self._steps, self._of_chunk, self._frame = {}, [], {}, None

    def add(self, entry: Entry) -> None:
        """An entry is stored."""
        self.entries.append(entry)
        self.weight += entry.weight
        self.next = entry.number + 1

    def drop_oldest(self, entries: dict[bytes, bytes | None]) -> None:
        """Every page that the oldest entry speaks of has been written since."""
        oldest = self.entries.popleft()
        self.weight -= oldest.weight
        entries[journal_key(oldest.number)] = None
