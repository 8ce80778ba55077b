"""Where the histories of a judge are stored: pages of rows, and a journal of what came since they were written.

A cut writes one journal entry. The journal may be as long as all pages together; where it is longer, the pages that the
oldest entry speaks of are written, a few in each cut, until it can be given up: so much is written for what was told,
and so much is read at a start. A page that something expires from is written in that cut.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from lockstep.judge.rule_facts import Labels
from lockstep.judge.state import flow_pages, level_pages
from lockstep.judge.state.format3 import BLOCK, HEAD, LEVEL, read_block, read_head, series_of_key
from lockstep.judge.state.journal import (
    JOURNAL,
    ChunkOver,
    Entry,
    Journal,
    Moved,
    Named,
    PageName,
    Step,
    Told,
    number_of,
    pages_of,
    steps_of,
    weight_of,
)
from lockstep.judge.state.rows import PAGE, PART, SeriesKey, Sizes, Table, page_key, part_key
from lockstep.measure.definition import SeriesDef
from lockstep.measure.history import FlowHistory, LevelHistory, Place, Source, pack, unpack

WRITTEN_PER_ROW = 2
"""While the journal is too long, so many values of pages are written for each row that is added to it."""

Buckets = list[tuple[int, Any]]
Stored = Mapping[bytes, list[tuple[bytes, bytes]]]
"""What a key begins with → the entries."""


@dataclass(frozen=True, slots=True)
class Again:
    """What is to be taken once more. rows: what the step says of those that have not been written since."""

    step: Told | Moved | ChunkOver
    entry: Entry
    rows: list[tuple[Any, Any]]


class Store:
    """flows, levels: (series id, labels) → its history.

    Who changes a history says so here, in the order of the changes.
    """

    def __init__(self, series: Mapping[str, SeriesDef], sizes: Sizes, *, stores: bool = True) -> None:
        """stores: False where no cut will ask what changed; then it is not noted."""
        self._stores = stores
        self.flows: dict[SeriesKey, FlowHistory] = {}
        self.levels: dict[SeriesKey, LevelHistory] = {}
        self._sizes = sizes
        self._journal = Journal(sizes)
        self._empty = {s.id: FlowHistory(s, sizes.buckets) for s in series.values() if not s.is_level}
        self._flows: dict[str, Table[FlowHistory]] = {name: Table(series[name], sizes) for name in self._empty}
        self._levels: dict[str, Table[LevelHistory]] = {s.id: Table(s, sizes) for s in series.values() if s.is_level}
        self._values = 0  # of all pages
        self._may_write = 0  # values of pages, as the journal has grown
        self._due: dict[PageName, None] = {}  # pages that are written in the next cut
        self._old: deque[PageName] = deque()  # pages of which rows stand in entries of an earlier format
        self._changed: dict[bytes, bytes | None] = {}  # entries that nobody needs any more, or that say less now

    def flows_of(self, series: str) -> Iterator[tuple[Labels, FlowHistory]]:
        """The groups of a flow."""
        table = self._flows.get(series)
        return iter(()) if table is None else table.groups()

    def levels_of(self, series: str) -> Iterator[tuple[Labels, LevelHistory]]:
        """The groups of a level."""
        table = self._levels.get(series)
        return iter(()) if table is None else table.groups()

    # ---- what happens ---------------------------------------------------------------------------------------------

    def begin_flow(self, key: SeriesKey) -> FlowHistory:
        """A group has its first event."""
        history = self.flows[key] = self._empty[key[0]].of_another_group()
        row = self._flows[key[0]].add(key[1], history)
        if self._stores:
            self._journal.name(key[0], row, key[1])
        return history

    def begin_level(self, key: SeriesKey) -> LevelHistory:
        """A group has its first value."""
        level = self.levels[key] = LevelHistory()
        row = self._levels[key[0]].add(key[1], level)
        if self._stores:
            self._journal.name(key[0], row, key[1])
        return level

    def tell(
        self, series: str, history: FlowHistory, source: Source, place: Place, buckets: Buckets, closed: int | None
    ) -> None:
        """A partial is taken, with these arguments of `FlowHistory.apply`."""
        if not self._stores:
            return
        self._note(series, history, buckets, closed)
        self._journal.tell(series, history.row, source, place, buckets, closed)

    def _note(self, series: str, history: FlowHistory, buckets: Buckets, closed: int | None) -> None:
        table = self._flows[series]
        if closed is not None:
            if table.closed is None or closed > table.closed:
                table.closed = closed
            return
        # What a new series is told of the past may belong to blocks that were final.
        page = table.page_of(history.row)
        if page.sealed_to is None:
            return
        for bucket, _ in buckets:
            block = bucket // history.block_s
            if block < page.sealed_to:
                page.waiting.setdefault(block, set()).add(history.row)

    def move(
        self,
        series: str,
        level: LevelHistory,
        source: Source,
        value: tuple[str, int, int, int],
        asked_from_us: int | None,
    ) -> None:
        """A value of a level is taken, see `Moved`."""
        if self._stores:
            self._journal.move(series, level.row, source, value, asked_from_us)

    def end_chunk(self, source: Source, place: Place, changed: Mapping[FlowHistory, str]) -> None:
        """A source has come to a later chunk. changed: histories that had something of the one before → series."""
        if changed and self._stores:
            self._journal.end_chunk(source, place, self._pages_of(changed))

    def _pages_of(self, histories: Mapping[FlowHistory, str]) -> set[PageName]:
        return {(series, history.row // self._sizes.rows) for history, series in histories.items()}

    def expired(self, series: str, before: int, changed: Iterable[FlowHistory]) -> None:
        """Blocks that end at or before a second were dropped. changed: who had any, or is forgotten next."""
        if not self._stores:
            return
        table = self._flows[series]
        for history in changed:
            self._due[series, history.row // self._sizes.rows] = None
        for number, page in enumerate(table.pages):
            for block in [block for block in page.parts if (block + 1) * table.block_s <= before]:
                for part in range(page.parts.pop(block)):
                    self._changed[part_key(series, number, block, part)] = None
                self._due[series, number] = None
            for block in [block for block in page.waiting if (block + 1) * table.block_s <= before]:
                del page.waiting[block]

    def forget(self, key: SeriesKey) -> None:
        """A flow has nothing more to remember; `expired` was told of it."""
        self._flows[key[0]].remove(self.flows.pop(key).row)

    # ---- out ------------------------------------------------------------------------------------------------------

    def cut(self, entries: dict[bytes, bytes | None]) -> None:
        """Add what changed since the last time to the entries of a cut."""
        entries.update(self._changed)
        self._changed = {}
        self._may_write += WRITTEN_PER_ROW * self._journal.close(entries)
        due, self._due = self._due, {}
        for name in due:
            self._write(name, entries)
        given_up = 0
        while self._old and given_up < self._sizes.old_entries:
            series, number = self._old.popleft()
            given_up += len(self._table(series).pages[number].old_keys)
            self._write((series, number), entries)
        self._shorten(entries)

    def _shorten(self, entries: dict[bytes, bytes | None]) -> None:
        """Write pages until the journal is as short as it has to be, or enough was written for now."""
        journal = self._journal
        while journal.weight > max(self._sizes.journal, self._values):
            oldest = journal.entries[0]
            while oldest.pages:
                if self._may_write <= 0:
                    return
                series, number = oldest.pages.pop()
                if self._table(series).pages[number].upto < oldest.number:
                    self._may_write -= self._write((series, number), entries)
            journal.drop_oldest(entries)
        self._may_write = min(self._may_write, 0)

    def _write(self, name: PageName, entries: dict[bytes, bytes | None]) -> int:
        """Write a page as it is now; returns how many values it has."""
        series, number = name
        upto = self._journal.next - 1
        flows = self._flows.get(series)
        if flows is None:
            page = self._levels[series].pages[number]
            pieces, values = level_pages.written(self._levels[series], number, upto)
        else:
            page = flows.pages[number]
            for block, parts in flow_pages.parts(flows, number).items():
                first = page.parts.get(block, 0)
                page.parts[block] = first + len(parts)
                entries.update({part_key(series, number, block, n): part for n, part in enumerate(parts, first)})
            pieces, values = flow_pages.written(flows, number, upto)
        entries.update({page_key(series, number, n): None for n in range(len(pieces), page.pieces)})
        entries.update({page_key(series, number, n): piece for n, piece in enumerate(pieces)})
        entries.update(dict.fromkeys(page.old_keys))
        self._values += values - page.values
        page.upto, page.pieces, page.values, page.old_keys = upto, len(pieces), values, []
        return values

    def _table(self, series: str) -> "Table[FlowHistory] | Table[LevelHistory]":
        return self._levels[series] if series in self._levels else self._flows[series]

    # ---- and back -------------------------------------------------------------------------------------------------

    def restore(self, entries: Mapping[bytes, bytes]) -> Iterator[Again]:
        """Take back what cuts stored. Yields what is to be taken once more, in order; it is taken as it comes.

        What is of a series that is no more is removed with the next cut.
        """
        stored: dict[bytes, list[tuple[bytes, bytes]]] = {}
        for entry in entries.items():
            stored.setdefault(entry[0][:1], []).append(entry)
        self._read_parts(stored)
        self._read_pages(stored)
        old = self._read_format3(stored)
        for number, key, value in sorted((number_of(key), key, value) for key, value in stored.get(JOURNAL, ())):
            yield from self._read_entry(number, key, steps_of(value))
        tables: list[Table[Any]] = [*self._flows.values(), *self._levels.values()]
        for table in tables:
            table.find_free()
        self._journal.next = max([self._journal.next, *(page.upto + 1 for table in tables for page in table.pages)])
        self._give_rows(old)

    def has(self, series: str) -> bool:
        """Whether a series is measured."""
        return series in self._flows or series in self._levels

    def _read_parts(self, stored: Stored) -> None:
        parts = []
        for key, value in stored.get(PART, ()):
            series, number, block, part = unpack(key[1:])
            if series in self._flows:
                parts.append((block, part, series, number, value))
            else:
                self._changed[key] = None
        # In order of time: what is old is packed as it comes, and not taken apart for what is older still.
        for block, part, series, number, value in sorted(parts, key=itemgetter(0, 1)):
            table = self._flows[series]
            flow_pages.read_part(table, unpack(value), self._empty[series])
            table.pages[number].parts[block] = part + 1

    def _read_pages(self, stored: Stored) -> None:
        for key, value in stored.get(PAGE, ()):
            series, number, _ = unpack(key[1:])
            if not self.has(series):
                self._changed[key] = None
                continue
            if series in self._flows:
                flow_pages.read(self._flows[series], number, unpack(value), self._empty[series])
            else:
                level_pages.read(self._levels[series], number, unpack(value))
            self._table(series).pages[number].pieces += 1
        for series, flows in self._flows.items():
            self.flows.update({(series, labels): history for labels, history in flows.groups()})
            self._values += sum(page.values for page in flows.pages)
        for series, levels in self._levels.items():
            self.levels.update({(series, labels): level for labels, level in levels.groups()})
            self._values += sum(page.values for page in levels.pages)

    def _read_entry(self, number: int, key: bytes, steps: list[Step]) -> Iterator[Again]:
        known = [step for step in steps if isinstance(step, ChunkOver) or self.has(step.series)]
        if len(known) < len(steps):
            # The series may be measured again one day, and its rows would be those of other groups.
            self._changed[key] = pack(known) if known else None
        if not known:
            return
        entry = Entry(number, [], weight_of(known))
        self._journal.add(entry)
        pages: set[PageName] = set()
        for step in known:
            pages |= pages_of(step, self._sizes.rows)
            if isinstance(step, Named):
                self._name_again(step, number)
            elif isinstance(step, Told):
                unwritten = self._unwritten(self._flows[step.series], step.rows, step.buckets, number)
                for history, buckets in unwritten:
                    self._note(step.series, history, buckets, step.closed)
                yield Again(step, entry, unwritten)
            elif isinstance(step, Moved):
                yield Again(step, entry, self._unwritten(self._levels[step.series], step.rows, step.values, number))
            else:
                yield Again(step, entry, [])
        entry.pages = sorted(pages.union(entry.pages), reverse=True)

    def _unwritten(self, table: Any, rows: Iterable[int], said: Iterable[Any], number: int) -> list[tuple[Any, Any]]:
        """(history, what an entry says of it), of the rows whose page was not written since."""
        per_page, histories = self._sizes.rows, table.histories
        written = self._written_since(table, number)
        if not written:
            return [(histories[row], one) for row, one in zip(rows, said, strict=True)]
        return [(histories[row], one) for row, one in zip(rows, said, strict=True) if row // per_page not in written]

    def _written_since(self, table: Any, number: int) -> set[int]:
        """The pages that were written with an entry of the journal, or after it."""
        return {n for n, page in enumerate(table.pages) if page.upto >= number}

    def had_chunk(self, entry: Entry, changed: Mapping[FlowHistory, str]) -> None:
        """An entry says that a chunk is over of which these had something."""
        entry.pages += self._pages_of(changed)

    def _name_again(self, step: Named, number: int) -> None:
        table: Table[Any] = self._table(step.series)
        known: dict[SeriesKey, Any] = self.levels if step.series in self._levels else self.flows
        empty = self._empty.get(step.series)
        written = self._written_since(table, number)
        table.reach(max(step.rows))
        for row, labels in zip(step.rows, step.labels, strict=True):
            if row // self._sizes.rows not in written:
                key = (step.series, labels)
                history = known.get(key)  # where it stands in entries of an earlier format
                if history is None:
                    history = known[key] = LevelHistory() if empty is None else empty.of_another_group()
                table.put(row, labels, history)

    # ---- an earlier format ----------------------------------------------------------------------------------------

    def _read_format3(self, stored: Stored) -> dict[SeriesKey, list[bytes]]:
        """Take back what was stored by series; returns the keys of each."""
        keys: dict[SeriesKey, list[bytes]] = {}
        blocks: list[tuple[int, SeriesKey, bytes]] = []
        for entry, value in (*stored.get(HEAD, ()), *stored.get(BLOCK, ()), *stored.get(LEVEL, ())):
            key, rest = series_of_key(entry)
            if not self.has(key[0]):
                self._changed[entry] = None
                continue
            keys.setdefault(key, []).append(entry)
            if entry[:1] == LEVEL:
                level = self.levels[key] = LevelHistory()
                level.restore(unpack(value))
                continue
            if key not in self.flows:
                self.flows[key] = self._empty[key[0]].of_another_group()
            if entry[:1] == HEAD:
                read_head(self.flows[key], value)
            else:
                blocks.append((rest[0], key, value))
        for _, key, value in sorted(blocks, key=itemgetter(0)):
            read_block(self.flows[key], value)
        return keys

    def _give_rows(self, old: Mapping[SeriesKey, list[bytes]]) -> None:
        """Have what was stored by series written in pages, a few in each cut."""
        pages: dict[PageName, None] = {}
        for (series, labels), keys in old.items():
            table = self._table(series)
            history: Any = self.levels[series, labels] if series in self._levels else self.flows[series, labels]
            if history.row < 0:
                self._journal.name(series, table.add(labels, history), labels)
            table.page_of(history.row).old_keys += keys
            pages[series, history.row // self._sizes.rows] = None
        self._old.extend(pages)
