"""A page of flows as bytes, and back.

Two kinds of entries. A page says of each of its rows who it is, how far each source has told it, and the buckets that
may still change: those of the newest blocks, and those of older ones of which a chunk is open. When a block has closed,
what is final of it is written once, as a part, and no page says it again. A quiet source may keep a chunk open for
days; then the rows that it told wait, and the others are final: so a block may have several parts.

Numbers stand in columns, all rows' one after the other. A part says where a bucket lies in a byte, and its totals in
the largest unit that divides them all, most of money in cents.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice, repeat
from typing import Any

from lockstep.judge.state.rows import Page, Table, divided
from lockstep.measure.history import FlowHistory, Source, pack, unit_of

FAR = 1 << 62

Buckets = tuple[int, list[int], list[Any]]
"""A row, its buckets in order, and their totals."""


class _PageValues:
    """The columns of some rows. first: the first of them; `since`: the second from which all buckets are in them."""

    def __init__(self, first: int, since: int) -> None:
        self.count = 0
        self._first, self._since = first, since
        self._places: dict[tuple[str, int, int, int], tuple[list[int], list[int]]] = {}
        self._seen: tuple[list[int], list[int]] = ([], [])
        self._base: tuple[list[int], list[int], list[int], list[Any]] = ([], [], [], [])
        self._open: dict[Source, tuple[list[int], list[int], list[Any]]] = {}
        self._refused: dict[Source, tuple[list[int], list[int], list[Any]]] = {}

    def add(self, row: int, history: FlowHistory, waiting: Iterable[int]) -> None:
        """waiting: its blocks before `since` that have no part."""
        at = row - self._first
        self.count += 1
        for source, (chunk, first, upto) in history.places.items():
            rows, uptos = self._places.setdefault((*source, chunk, first), ([], []))
            rows.append(at)
            uptos.append(upto)
        if history.seen is not None:
            self._seen[0].append(at)
            self._seen[1].append(history.seen)
        for block in waiting:
            self._add_base(at, *history.base(block * history.block_s, (block + 1) * history.block_s))
        self._add_base(at, *history.base(self._since, FAR))
        if history.unsealed:
            for columns, aggregates_of in ((self._open, history.opened()), (self._refused, history.refused())):
                for source, bucket, aggregate in aggregates_of:
                    rows, buckets, aggregates = columns.setdefault(source, ([], [], []))
                    rows.append(at)
                    buckets.append(bucket)
                    aggregates.append(aggregate)
                    self.count += 1

    def _add_base(self, at: int, starts: list[int], totals: list[Any]) -> None:
        if starts:
            rows, counts, all_starts, all_totals = self._base
            rows.append(at)
            counts.append(len(starts))
            all_starts += starts
            all_totals += totals
            self.count += len(starts)

    def state(self) -> list[Any]:
        return [
            [[*place, *columns] for place, columns in self._places.items()],
            self._seen,
            self._base,
            [[*source, *columns] for source, columns in self._open.items()],
            [[*source, *columns] for source, columns in self._refused.items()],
        ]


def written(table: Table[FlowHistory], number: int, upto: int) -> tuple[list[bytes], int]:
    """The pieces of a page, and how many values they have; `parts` comes first. upto: as in `Page`."""
    page, block_s = table.pages[number], table.block_s
    since = -FAR if page.sealed_to is None else page.sealed_to * block_s
    waits: dict[int, list[int]] = defaultdict(list)
    for block in sorted(page.waiting):
        for row in page.waiting[block]:
            waits[row].append(block)
    counts: list[int] = []

    def encode(rows: Sequence[int]) -> bytes:
        columns = _PageValues(rows[0], since)
        for row in rows:
            history = table.histories[row]
            if history is not None:
                columns.add(row, history, waits.get(row, ()))
        counts.append(columns.count)
        names = table.labels[rows[0] : rows[-1] + 1]
        waiting = [[block, sorted(known.intersection(rows))] for block, known in page.waiting.items()]
        return pack([upto, rows[0], names, page.sealed_to, waiting, *columns.state()])

    pieces = [value for _, value in divided(table.rows_of(number), table.sizes.bytes, encode)]
    return pieces, counts[0]


def read(table: Table[FlowHistory], number: int, value: Sequence[Any], empty: FlowHistory) -> None:
    """Take back one piece of a page; its parts come first, in rows of which nobody knows yet who they are."""
    upto, first, names, sealed_to, waiting, places, seen, base, opened, refused = value
    table.reach(first + len(names) - 1)
    page = table.pages[number]
    page.upto, page.sealed_to = upto, sealed_to
    for block, rows in waiting:
        if rows:
            page.waiting.setdefault(block, set()).update(rows)
    of_page = table.histories[first : first + len(names)]
    groups = [None if labels is None else tuple(labels) for labels in names]
    histories: list[Any] = [  # whoever has values has labels
        history if labels is None else history or empty.of_another_group()
        for labels, history in zip(groups, of_page, strict=True)
    ]
    table.put_run(first, groups, histories)
    page.values += len(names) - names.count(None)
    for role, partition, chunk, begin, rows, uptos in places:
        source = (role, partition)
        for at, last in zip(rows, uptos, strict=True):
            histories[at].places[source] = (chunk, begin, last)
    for at, second in zip(*seen, strict=True):
        histories[at].seen = second
    rows, counts, starts, totals = base
    page.values += len(starts)
    begin = 0
    for at, count in zip(rows, counts, strict=True):
        histories[at].put(starts[begin : begin + count], totals[begin : begin + count])
        begin += count
    for columns, put in ((opened, FlowHistory.put_open), (refused, FlowHistory.put_refused)):
        for role, partition, rows, buckets, aggregates in columns:
            page.values += len(rows)
            for at, source, bucket, aggregate in zip(
                rows, repeat((role, partition)), buckets, aggregates, strict=False
            ):
                put(histories[at], source, bucket, aggregate)


# ---- what is final ------------------------------------------------------------------------------------------------


def parts(table: Table[FlowHistory], number: int) -> dict[int, list[bytes]]:
    """block → what of a page has become final in it and was not written yet; the page notes that it is now.

    Final is a bucket that has closed, in a row that no open chunk has a bucket of that block for.
    """
    page, block_s, width = table.pages[number], table.block_s, table.series.bucket_s
    if table.closed is None:
        return {}
    border = table.closed // block_s
    if page.sealed_to is not None and page.sealed_to >= border and not page.waiting:
        return {}
    final: dict[int, list[Buckets]] = defaultdict(list)
    for block, rows in list(page.waiting.items()):
        for row in sorted(rows):
            history = table.histories[row]
            if history is None or block not in history.unsealed:
                rows.discard(row)
                if history is not None:
                    final[block].append((row, *history.base(block * block_s, (block + 1) * block_s)))
        if not rows:
            del page.waiting[block]
    if page.sealed_to is None or page.sealed_to < border:
        since = -FAR if page.sealed_to is None else page.sealed_to * block_s
        for row in table.rows_of(number):
            history = table.histories[row]
            if history is not None:
                _seal(page, history, since, border * block_s, final)
        page.sealed_to = border
    written_parts = {}
    for block, of_rows in sorted(final.items()):
        rows_with_data = [buckets for buckets in of_rows if buckets[1]]
        if rows_with_data:
            pieces = divided(rows_with_data, table.sizes.bytes, lambda rows: _part(rows, width))
            written_parts[block] = [value for _, value in pieces]
    return written_parts


def _seal(page: Page, history: FlowHistory, since: int, until: int, final: dict[int, list[Buckets]]) -> None:
    """Divide what a row has in [since, until) into blocks that are final and blocks that wait."""
    block_s = history.block_s
    for block in history.unsealed:
        if since <= block * block_s < until:
            page.waiting.setdefault(block, set()).add(history.row)
    starts, totals = history.base(since, until)
    low = 0
    while low < len(starts):
        block = starts[low] // block_s
        high = low + 1
        while high < len(starts) and starts[high] < (block + 1) * block_s:
            high += 1
        if block not in history.unsealed:
            final[block].append((history.row, starts[low:high], totals[low:high]))
        low = high


def _part(rows: Sequence[Buckets], width: int) -> bytes:
    begin = min((starts[0] for _, starts, _ in rows), default=0)
    begin -= begin % width
    totals = [total for _, _, some in rows for total in some]
    unit = unit_of(totals) if all(type(total) is int for total in totals) else 1
    return pack(
        [
            begin,
            width,
            [row for row, _, _ in rows],
            bytes([len(starts) for _, starts, _ in rows]),
            bytes([(start - begin) // width for _, starts, _ in rows for start in starts]),
            unit,
            totals if unit == 1 else [total // unit for total in totals],
        ]
    )


def read_part(table: Table[FlowHistory], value: Sequence[Any], empty: FlowHistory) -> None:
    """Take back a part; those of earlier blocks come before it, and earlier ones of its own block."""
    begin, width, rows, counts, places, unit, totals = value
    if not rows:
        return
    table.reach(max(rows))
    buckets, coming = iter(places), iter(totals)
    histories = table.histories
    for row, count in zip(rows, counts, strict=True):
        history = histories[row]
        if history is None:
            history = histories[row] = empty.of_another_group()
        starts = [begin + place * width for place in islice(buckets, count)]
        if unit == 1:
            history.put(starts, list(islice(coming, count)))
        else:
            history.put(starts, [total * unit for total in islice(coming, count)])
