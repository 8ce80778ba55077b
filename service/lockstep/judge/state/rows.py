"""Rows and pages: the groups of a series by number, and which of them are written together.

A group is named once, by its row in the table of its series; what is stored of it says the row. Rows are written by
pages of a few hundred. With 512 rows a page, row 1,300 of `orders by sku` stands on page 2. The row of a group that is
forgotten is given to the next new one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from lockstep.judge.rule_facts import Labels
from lockstep.measure.definition import SeriesDef
from lockstep.measure.history import BUCKETS_PER_BLOCK, FlowHistory, LevelHistory, pack

SeriesKey = tuple[str, Labels]

PAGE, PART = b"p", b"c"
"""What the keys begin with."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is stored together.

    rows: of a page. journal: so many rows it may have before pages are written, however small they are.
    bytes: an entry is divided where it would have more, as far as it has several rows.
    old_entries: so many entries of an earlier format are given up in one cut, and some more.
    buckets: of a block, at most 255.
    """

    rows: int = 512
    journal: int = 4_096
    bytes: int = 1 << 20
    old_entries: int = 2_000
    buckets: int = BUCKETS_PER_BLOCK


@dataclass(slots=True)
class Page:
    """What is known of how some rows are stored.

    upto: the number of the last journal entry that is in them; -1: they were never written. pieces: in how many
    entries they were. values: how many numbers these have.
    sealed_to: the block before which all buckets stand in parts of their own. parts: block → how many. waiting: block →
    rows of which that is not so, since a chunk that has buckets in it is still open.
    old_keys: entries of an earlier format in which its rows stand as long as they were never written.
    """

    upto: int = -1
    pieces: int = 0
    values: int = 0
    sealed_to: int | None = None
    parts: dict[int, int] = field(default_factory=dict)
    waiting: dict[int, set[int]] = field(default_factory=dict)
    old_keys: list[bytes] = field(default_factory=list)


H = TypeVar("H", FlowHistory, LevelHistory)


class Table(Generic[H]):
    """The groups of one series.

    closed: no bucket that ends at or before this second accepts anything more; None: as far as is known, all do.
    block_s: how long a block is.
    """

    def __init__(self, series: SeriesDef, sizes: Sizes) -> None:
        self.series, self.sizes = series, sizes
        self.block_s = sizes.buckets * series.bucket_s
        self.labels: list[Labels | None] = []
        self.histories: list[H | None] = []
        self.pages: list[Page] = []
        self.closed: int | None = None
        self._free: list[int] = []

    def add(self, labels: Labels, history: H) -> int:
        """Give a group a row."""
        row = self._free.pop() if self._free else len(self.labels)
        self.put(row, labels, history)
        return row

    def put(self, row: int, labels: Labels, history: H) -> None:
        """Put a group where it was."""
        self.reach(row)
        self.labels[row], self.histories[row] = labels, history
        history.row = row

    def put_run(self, first: int, labels: Sequence[Labels | None], histories: Sequence[H | None]) -> None:
        """Put groups where they were, one a row from `first` on."""
        end = first + len(labels)
        self.reach(end - 1)
        self.labels[first:end], self.histories[first:end] = labels, histories
        for row, history in enumerate(histories, first):
            if history is not None:
                history.row = row

    def reach(self, row: int) -> None:
        """Have so many rows; those that are new have no group."""
        missing = row + 1 - len(self.labels)
        if missing > 0:
            self.labels += [None] * missing
            self.histories += [None] * missing
            while len(self.pages) * self.sizes.rows <= row:
                self.pages.append(Page())

    def remove(self, row: int) -> None:
        """A group is forgotten."""
        self.labels[row] = self.histories[row] = None
        self._free.append(row)
        for rows in self.page_of(row).waiting.values():
            rows.discard(row)

    def find_free(self) -> None:
        """After all rows were put back."""
        self._free = [row for row, labels in enumerate(self.labels) if labels is None]

    def page_of(self, row: int) -> Page:
        return self.pages[row // self.sizes.rows]

    def rows_of(self, page: int) -> range:
        """The rows of a page by its number."""
        first = page * self.sizes.rows
        return range(first, min(first + self.sizes.rows, len(self.labels)))

    def groups(self) -> Iterator[tuple[Labels, H]]:
        for labels, history in zip(self.labels, self.histories, strict=True):
            if labels is not None and history is not None:
                yield labels, history


def page_key(series: str, page: int, piece: int) -> bytes:
    return PAGE + pack([series, page, piece])


def part_key(series: str, page: int, block: int, part: int) -> bytes:
    return PART + pack([series, page, block, part])


T = TypeVar("T")


def divided(
    items: Sequence[T], most_bytes: int, encode: Callable[[Sequence[T]], bytes]
) -> list[tuple[Sequence[T], bytes]]:
    """Items as few values, each of at most so many bytes, with those that are in it; one that is larger stands alone.

    All of them are encoded together first.
    """
    value = encode(items)
    if len(value) <= most_bytes or len(items) < 2:
        return [(items, value)]
    half = len(items) // 2
    return [*divided(items[:half], most_bytes, encode), *divided(items[half:], most_bytes, encode)]
