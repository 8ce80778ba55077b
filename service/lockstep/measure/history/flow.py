"""The history of a flow: its buckets in blocks, and how a window of them is read.

A flow keeps, per bucket, a folded base and the open partial of the current chunk of each source partition. A partial
that is not newer than what is known is ignored, a newer one overwrites, a higher chunk folds the open one first; so
replays, duplicates and frozen meters change nothing. Storage is in blocks of buckets: a flush rewrites only the blocks
that changed, and expiry drops whole blocks. A block of which every chunk is over is sealed: in memory it is two numbers
a bucket. All but the newest buckets that are closed are packed (`segments`), because weeks of them are kept to be read
once a week; what is stored is the same.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, MutableSequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from lockstep.measure.aggregate import add, merge_all, merger, valuer
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.exact import Exact
from lockstep.measure.history.segments import NOTHING_PACKED, Segments
from lockstep.measure.history.source import Source

BUCKETS_PER_BLOCK = 240

RECENT_BUCKETS = 60
"""The newest so many buckets, an hour of minutes, are never packed: they are read and changed all the time."""

PACKED_AT_ONCE = 40
"""So many buckets with data are packed together; one at a time would cost more than it gains."""

Place = tuple[int, int, int]
"""(chunk, first offset of it that is counted, last one): how far a series has been told by a source."""


@dataclass(slots=True)
class Late:
    """What came for a closed bucket and was refused: how much of it, for counting it once."""

    bucket: int
    first_offset: int
    last_offset: int


@dataclass(slots=True)
class _Block:
    """base: folded; open: per source the current chunk's partial; refused: per source what was last seen too late."""

    base: dict[int, Any] = field(default_factory=dict)
    open: dict[Source, dict[int, Any]] = field(default_factory=dict)
    refused: dict[Source, dict[int, Any]] = field(default_factory=dict)


class FlowHistory:
    """One flow series: its buckets in order, exact under replays.

    starts and totals are parallel: the bucket starts (seconds) that have data, and their aggregates. Older buckets may
    be packed; while there are any, starts is not empty. Blocks that are not sealed lie beside them with what their
    totals are made of.
    seen: the newest start that expired.
    """

    __slots__ = (
        "_blocks",
        "_merge",
        "_packed",
        "_packed_to",
        "_value",
        "block_s",
        "dirty",
        "head_dirty",
        "is_additive",
        "places",
        "seen",
        "starts",
        "totals",
    )

    def __init__(self, series: SeriesDef) -> None:
        self.block_s = BUCKETS_PER_BLOCK * series.bucket_s
        self.is_additive = series.aggregate in (Aggregate.COUNT, Aggregate.SUM)
        self._merge = merger(series)
        self._value = valuer(series)
        self._blocks: dict[int, _Block] = {}  # those that are not sealed
        self._packed: Segments | None = None
        self._packed_to = NOTHING_PACKED  # the start of the newest bucket that is packed
        self.starts: array[int] = array("q")
        self.totals: MutableSequence[Any] = array("q") if self._merge is add else []
        self.places: dict[Source, Place] = {}
        self.seen: int | None = None
        self.dirty: set[int] = set()
        self.head_dirty = False

    # ---- in -------------------------------------------------------------------------------------------------------

    def apply(
        self, source: Source, place: Place, buckets: list[tuple[int, Any]], *, closed: int | None
    ) -> tuple[int | None, list[Late]]:
        """Take a partial. closed: buckets that end at or before this second accept nothing more.

        A later `first` in the same chunk means that retention took the chunk's head: what we have is folded, too.

        Returns the start of the earliest bucket whose total changed (None: none did), and what came too late.
        """
        known_place = self.places.get(source)
        if known_place is not None:
            if place <= known_place:
                return None, []
            if place[:2] > known_place[:2]:
                self.fold(source)
        self.places[source] = place
        self.head_dirty = True
        changed: int | None = None
        late: list[Late] = []
        width = self.block_s // BUCKETS_PER_BLOCK
        for bucket, aggregate in buckets:
            number = bucket // self.block_s
            block = self._blocks.get(number)
            if block is None:
                block = self._blocks[number] = _Block(dict(self._rows(number)))
            opened = block.open.get(source)
            known = None if opened is None else opened.get(bucket)
            if closed is not None and bucket + width <= closed:
                refused = block.refused.setdefault(source, {})
                seen = refused.get(bucket, known)
                if seen != aggregate:
                    refused[bucket] = aggregate
                    self.dirty.add(number)
                    late.append(Late(bucket, known_place[2] + 1 if known_place else place[1], place[2]))
                continue
            if known == aggregate:
                continue
            if opened is None:
                opened = block.open[source] = {}
            opened[bucket] = aggregate
            self.dirty.add(number)
            self._retotal(block, bucket)
            if changed is None or bucket < changed:
                changed = bucket
        if closed is not None and len(self.starts) > PACKED_AT_ONCE:
            self._pack(closed - width + 1)
        return changed, late

    def fold(self, source: Source) -> bool:
        """The chunk of this source is over: its open partial becomes part of the base."""
        folded: list[int] = []
        for number, block in self._blocks.items():
            opened = block.open.pop(source, None)
            if opened:
                for bucket, aggregate in opened.items():
                    old = block.base.get(bucket)
                    block.base[bucket] = aggregate if old is None else self._merge(old, aggregate)
            gone = block.refused.pop(source, None)
            if opened or gone:
                folded.append(number)
        self.dirty.update(folded)
        # The others are sealed: their base is what the totals say. A new dict, since an old one never shrinks.
        self._blocks = {n: block for n, block in self._blocks.items() if block.open or block.refused}
        return bool(folded)

    def rows(self, start: int, end: int) -> Iterable[tuple[int, Any]]:
        """(bucket, total) of the buckets in [start, end), in order."""
        lo = bisect_left(self.starts, start)
        hi = bisect_left(self.starts, end, lo)
        recent = zip(self.starts[lo:hi], self.totals[lo:hi], strict=True)
        if self._packed is None or start > self._packed_to:
            return recent
        return chain(zip(*self._packed.rows(start, end), strict=True), recent)

    def _rows(self, number: int) -> Iterable[tuple[int, Any]]:
        """(bucket, total) of a block."""
        return self.rows(number * self.block_s, (number + 1) * self.block_s)

    def _pack(self, before: int) -> None:
        """Pack all but the recent of the buckets that start before this second, of more than PACKED_AT_ONCE in all."""
        width = self.block_s // BUCKETS_PER_BLOCK
        before = min(before, self.starts[-1] - RECENT_BUCKETS * width)
        if self.starts[PACKED_AT_ONCE - 1] >= before:
            return
        upto = bisect_left(self.starts, before)
        if self._packed is None:
            self._packed = Segments(width)
        self._packed.add(self.starts[:upto], self.totals[:upto])
        self._packed_to = self._packed.last
        del self.starts[:upto]
        del self.totals[:upto]

    def _unpack(self, start: int) -> None:
        """Take back what is packed and starts at this second or later: something is to be changed there."""
        assert self._packed is not None
        starts, totals = self._packed.taken_from(start)
        self._packed_to = self._packed.last
        self.starts[:0] = array("q", starts)
        self.totals[:0] = array("q", totals) if isinstance(self.totals, array) else totals

    def _retotal(self, block: _Block, bucket: int) -> None:
        total = block.base.get(bucket)
        for opened in block.open.values():
            part = opened.get(bucket)
            if part is not None:
                total = part if total is None else self._merge(total, part)
        self._set_total(bucket, total)

    def _set_total(self, bucket: int, total: Any) -> None:
        if bucket <= self._packed_to:
            self._unpack(bucket)
        starts = self.starts
        at = len(starts) if not starts or bucket > starts[-1] else bisect_left(starts, bucket)
        try:
            if at < len(starts) and starts[at] == bucket:
                self.totals[at] = total
                return
            self.totals.insert(at, total)
        except OverflowError:  # a sum beyond 64 bits, which has no value but is kept exactly
            self.totals = list(self.totals)
            self._set_total(bucket, total)
            return
        starts.insert(at, bucket)

    def expire(self, before: int) -> list[int]:
        """Drop the blocks that end at or before this second; returns their numbers."""
        border = before // self.block_s * self.block_s
        at = bisect_left(self.starts, border)
        expired = self._expire_packed(border)
        gone = {start // self.block_s for start in (*expired, *self.starts[:at])}
        gone.update(n for n in self._blocks if (n + 1) * self.block_s <= before)
        for number in gone:
            self._blocks.pop(number, None)
            self.dirty.discard(number)
        if at:
            self.seen = self.starts[at - 1]
            self.head_dirty = True
            del self.starts[:at]
            del self.totals[:at]
        return sorted(gone)

    def _expire_packed(self, border: int) -> list[int]:
        """Drop what is packed and starts before this second; returns the starts."""
        if self._packed is None:
            return []
        expired = self._packed.expire(border)
        self._packed_to = self._packed.last
        if expired:
            self.seen = expired[-1]
            self.head_dirty = True
        return expired

    # ---- out ------------------------------------------------------------------------------------------------------

    def aggregate(self, start: int, end: int) -> Any:
        """The merged aggregate of the buckets in [start, end), None when there is none."""
        if start <= self._packed_to:
            return self._aggregate_from_packed(start, end)
        lo = bisect_left(self.starts, start)
        hi = bisect_left(self.starts, end, lo)
        if lo == hi:
            return None
        if hi - lo == 1:
            return self.totals[lo]
        return sum(self.totals[lo:hi]) if self._merge is add else merge_all(self._merge, self.totals[lo:hi])

    def _aggregate_from_packed(self, start: int, end: int) -> Any:
        """As `aggregate`, of a window that begins before the last packed bucket is over."""
        assert self._packed is not None
        older = self._packed.merged(start, end, self._merge)
        newer = self.aggregate(self._packed_to + 1, end)
        return older if newer is None else newer if older is None else self._merge(older, newer)

    def value(self, start: int, end: int) -> Exact | None:
        """The measure over [start, end), in millionths; None for nothing (the caller knows whether that is zero)."""
        merged = self.aggregate(start, end)
        return None if merged is None else self._value(merged)

    def next_start(self, after: int) -> int | None:
        """The first bucket with data that starts after this second."""
        if after < self._packed_to:
            assert self._packed is not None
            return self._packed.next_start(after)
        at = bisect_right(self.starts, after)
        return self.starts[at] if at < len(self.starts) else None

    def starts_since(self, since: int) -> Iterator[int]:
        """The buckets with data that start at or after a second."""
        start = self.next_start(since - 1)
        while start is not None:
            yield start
            start = self.next_start(start)

    def newest_start(self, before: int) -> int | None:
        """The last bucket with data that starts before this second."""
        at = bisect_left(self.starts, before)
        if at:
            return self.starts[at - 1]
        return None if self._packed is None else self._packed.newest_start(before)

    def last_seen(self, before: int) -> int | None:
        """As `newest_start`, also for what has expired since."""
        newest = self.newest_start(before)
        return newest if newest is not None or self.seen is None or self.seen >= before else self.seen

    @property
    def last_start(self) -> int | None:
        return self.starts[-1] if self.starts else None

    # ---- state ----------------------------------------------------------------------------------------------------

    def head(self) -> list[Any]:
        return [[[*source, *place] for source, place in self.places.items()], self.seen]

    def block(self, number: int) -> list[Any] | None:
        block = self._blocks.get(number)
        if block is None:
            rows = list(self._rows(number))
            return [rows, [], []] if rows else None
        return [
            list(block.base.items()),
            [[*source, list(part.items())] for source, part in block.open.items()],
            [[*source, list(part.items())] for source, part in block.refused.items()],
        ]

    def restore_head(self, head: list[Any]) -> None:
        rows, self.seen = head
        self.places = {(role, p): (chunk, first, upto) for role, p, chunk, first, upto in rows}

    def restore_block(self, number: int, parts: list[Any]) -> None:
        base, opened, refused = parts
        if not opened and not refused:
            for bucket, total in base:
                self._set_total(bucket, total)
            if len(self.starts) > PACKED_AT_ONCE:
                self._pack(self.starts[-1])
            return
        block = self._blocks[number] = _Block(
            dict(base),
            {(role, p): dict(rows) for role, p, rows in opened},
            {(role, p): dict(rows) for role, p, rows in refused},
        )
        for bucket in sorted({*block.base, *(b for part in block.open.values() for b in part)}):
            self._retotal(block, bucket)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept but when it was last seen."""
        return not self.starts and not self._blocks
