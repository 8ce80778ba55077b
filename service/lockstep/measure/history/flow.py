"""The history of a flow: its buckets in blocks, and how a window of them is read.

A flow keeps, per bucket, its total, and of the buckets that an open chunk has told of also what they are made of: a
folded base and the partial of each source partition. A partial that is not newer than what is known is ignored, a newer
one overwrites, a higher chunk folds the open one first; so replays, duplicates and frozen meters change nothing. When
its chunk is over a bucket is two numbers. All but the newest buckets that are closed are packed (`segments`), because
weeks of them are kept to be read once a week. Expiry drops whole blocks of buckets. How a flow is stored is not its
business: it says what it is made of (`base`, `opened`, `refused`), and takes that back.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, MutableSequence, Sequence
from dataclasses import dataclass
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

_NOTHING: dict[Any, Any] = {}
"""What a history has none of. All share it, and nothing is put into it: where it stands, a dict of its own comes first.

Most of many groups have no chunk open, and an empty dict each of what is open would be a fifth of their memory."""

Place = tuple[int, int, int]
"""(chunk, first offset of it that is counted, last one): how far a series has been told by a source."""


@dataclass(slots=True)
class Late:
    """What came for a closed bucket and was refused: how much of it, for counting it once."""

    bucket: int
    first_offset: int
    last_offset: int


class FlowHistory:
    """One flow series: its buckets in order, exact under replays.

    starts and totals are parallel: the bucket starts (seconds) that have data, and their aggregates. Older buckets may
    be packed; while there are any, starts is not empty.
    places: how far each source has told it. seen: the newest start that expired.
    row: under which number it is stored among the groups of its series; set by who stores it.
    """

    __slots__ = (
        "_base",
        "_bucket_s",
        "_merge",
        "_open",
        "_packed",
        "_packed_to",
        "_refused",
        "_value",
        "block_s",
        "is_additive",
        "places",
        "row",
        "seen",
        "starts",
        "totals",
    )

    def __init__(self, series: SeriesDef, buckets_per_block: int = BUCKETS_PER_BLOCK) -> None:
        is_additive = series.aggregate in (Aggregate.COUNT, Aggregate.SUM)
        self._begin(buckets_per_block * series.bucket_s, series.bucket_s, is_additive, merger(series), valuer(series))

    def _begin(
        self,
        block_s: int,
        bucket_s: int,
        is_additive: bool,
        merge: Callable[[Any, Any], Any],
        value: Callable[[Any], Exact | None],
    ) -> None:
        self.block_s, self._bucket_s, self.is_additive = block_s, bucket_s, is_additive
        self._merge, self._value = merge, value
        self._open: dict[Source, dict[int, Any]] = _NOTHING  # the current chunk's partial of each source
        self._base: dict[int, Any] = _NOTHING  # of buckets that are in a partial: what is folded of them
        self._refused: dict[Source, dict[int, Any]] = _NOTHING  # what was last seen too late of the current chunk
        self._packed: Segments | None = None
        self._packed_to = NOTHING_PACKED  # the start of the newest bucket that is packed
        self.starts: array[int] = array("q")
        self.totals: MutableSequence[Any] = array("q") if merge is add else []
        self.places: dict[Source, Place] = {}
        self.seen: int | None = None
        self.row = -1

    def of_another_group(self) -> "FlowHistory":
        """An empty history of the same series."""
        other = type(self).__new__(type(self))
        other._begin(self.block_s, self._bucket_s, self.is_additive, self._merge, self._value)
        return other

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
        changed: int | None = None
        late: list[Late] = []
        width = self._bucket_s
        opened = self._open.get(source)
        if opened is None:
            opened = self._begin_chunk(source)
        for bucket, aggregate in buckets:
            known = opened.get(bucket)
            if closed is not None and bucket + width <= closed:
                if self._seen_late(source, bucket, known) != aggregate:
                    self.put_refused(source, bucket, aggregate)
                    late.append(Late(bucket, known_place[2] + 1 if known_place else place[1], place[2]))
                continue
            if known == aggregate:
                continue
            if known is not None and bucket == self.starts[-1] and len(self._open) == 1 and bucket not in self._base:
                # The newest bucket, and nobody else has told of it: most of what comes.
                opened[bucket] = aggregate
                self._set_newest_total(aggregate)
            else:
                self._set_open(opened, bucket, aggregate)
            if changed is None or bucket < changed:
                changed = bucket
        if closed is not None and len(self.starts) > PACKED_AT_ONCE:
            self._pack(closed - width + 1)
        return changed, late

    def _seen_late(self, source: Source, bucket: int, known: Any) -> Any:
        refused = self._refused.get(source)
        return known if refused is None else refused.get(bucket, known)

    def fold(self, source: Source) -> bool:
        """The chunk of this source is over: its open partial becomes part of the base. Whether there was one."""
        opened = self._open.pop(source, None)
        gone = self._refused.pop(source, None)
        if not self._refused:
            self._refused = _NOTHING
        if not self._open:
            self._open = self._base = _NOTHING  # of every bucket it is what the total says
            return bool(opened or gone)
        for bucket, aggregate in opened.items() if opened else ():
            if any(bucket in part for part in self._open.values()):
                old = self._base.get(bucket)
                self._put_base(bucket, aggregate if old is None else self._merge(old, aggregate))
            else:
                self._base.pop(bucket, None)  # it is what the total says
        return bool(opened or gone)

    def _begin_chunk(self, source: Source) -> dict[int, Any]:
        """The partial of a source that has none open."""
        opened: dict[int, Any] = {}
        if self._open:
            self._open[source] = opened
        else:
            self._open = {source: opened}
        return opened

    def _put_base(self, bucket: int, folded: Any) -> None:
        if self._base:
            self._base[bucket] = folded
        else:
            self._base = {bucket: folded}

    def _set_open(self, opened: dict[int, Any], bucket: int, aggregate: Any) -> None:
        """Set what an open partial says of a bucket."""
        starts = self.starts
        if not starts or bucket > starts[-1]:
            opened[bucket] = aggregate
            self._set_total(bucket, aggregate)
            return
        if bucket not in opened and not any(bucket in part for part in self._open.values()):
            known = self.aggregate(bucket, bucket + 1)
            if known is not None:
                self._put_base(bucket, known)
        opened[bucket] = aggregate
        if len(self._open) == 1:  # no other source has any
            folded = self._base.get(bucket)
            self._set_total(bucket, aggregate if folded is None else self._merge(folded, aggregate))
            return
        total = self._base.get(bucket)
        for part in self._open.values():
            partial = part.get(bucket)
            if partial is not None:
                total = partial if total is None else self._merge(total, partial)
        self._set_total(bucket, total)

    def rows(self, start: int, end: int) -> Iterable[tuple[int, Any]]:
        """(bucket, total) of the buckets in [start, end), in order."""
        lo = bisect_left(self.starts, start)
        hi = bisect_left(self.starts, end, lo)
        recent = zip(self.starts[lo:hi], self.totals[lo:hi], strict=True)
        if self._packed is None or start > self._packed_to:
            return recent
        return chain(zip(*self._packed.rows(start, end), strict=True), recent)

    def _pack(self, before: int) -> None:
        """Pack all but the recent of the buckets that start before this second, of more than PACKED_AT_ONCE in all."""
        width = self._bucket_s
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

    def _set_newest_total(self, total: Any) -> None:
        try:
            self.totals[-1] = total
        except OverflowError:  # a sum beyond 64 bits
            self.totals = [*self.totals[:-1], total]

    def expire(self, before: int) -> bool:
        """Drop the blocks that end at or before this second; whether there were any."""
        border = before // self.block_s * self.block_s
        at = bisect_left(self.starts, border)
        is_changed = self._expire_packed(border)
        for part in (*self._open.values(), *self._refused.values(), self._base):
            for bucket in [bucket for bucket in part if bucket < border]:
                del part[bucket]
                is_changed = True
        if at:
            self.seen = self.starts[at - 1]
            del self.starts[:at]
            del self.totals[:at]
        return is_changed or at > 0

    def _expire_packed(self, border: int) -> bool:
        """Drop what is packed and starts before this second; whether there was any."""
        if self._packed is None:
            return False
        expired = self._packed.expire(border)
        self._packed_to = self._packed.last
        if expired:
            self.seen = expired[-1]
        return bool(expired)

    # ---- out ------------------------------------------------------------------------------------------------------

    def aggregate(self, start: int, end: int) -> Any:
        """The merged aggregate of the buckets in [start, end), None when there is none."""
        if start <= self._packed_to:
            return self._aggregate_from_packed(start, end)
        starts = self.starts
        if not starts or start > starts[-1]:
            return None
        lo = bisect_left(starts, start)
        hi = bisect_left(starts, end, lo)
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

    def starts_since(self, since: int) -> Iterable[int]:
        """The buckets with data that start at or after a second."""
        if since > self._packed_to:
            return self.starts[bisect_left(self.starts, since) :]
        return self._all_since(since)

    def _all_since(self, since: int) -> Iterator[int]:
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

    # ---- what it is made of, and back ------------------------------------------------------------------------------

    @property
    def unsealed(self) -> Collection[int]:
        """The numbers of the blocks of which a chunk that is open told something, or was refused it."""
        parts = (*self._open.values(), *self._refused.values())
        return {bucket // self.block_s for part in parts for bucket in part} if parts else ()

    def base(self, start: int, end: int) -> tuple[list[int], list[Any]]:
        """Starts and totals in [start, end) without what is open."""
        if start > self._packed_to:
            low = bisect_left(self.starts, start)
            high = bisect_left(self.starts, end, low)
            starts, totals = list(self.starts[low:high]), list(self.totals[low:high])
        else:
            rows = list(self.rows(start, end))
            starts, totals = [bucket for bucket, _ in rows], [total for _, total in rows]
        if not self._open:
            return starts, totals
        opened = {bucket for part in self._open.values() for bucket in part}
        base = self._base
        rows = [
            (bucket, base[bucket] if bucket in opened else total)
            for bucket, total in zip(starts, totals, strict=True)
            if bucket not in opened or bucket in base
        ]
        return [bucket for bucket, _ in rows], [total for _, total in rows]

    def opened(self) -> Iterator[tuple[Source, int, Any]]:
        """(source, bucket, aggregate) of the open partials."""
        return _each(self._open)

    def refused(self) -> Iterator[tuple[Source, int, Any]]:
        """(source, bucket, aggregate) of what came too late in chunks that are open."""
        return _each(self._refused)

    def put(self, starts: Sequence[int], totals: Sequence[Any]) -> None:
        """Take back buckets without what is open of them, in order; blocks come before those that are newer."""
        if not starts:
            return
        if self.starts and starts[0] <= self.starts[-1]:
            for bucket, total in zip(starts, totals, strict=True):
                self._set_total(bucket, total)
        else:
            try:
                self.totals.extend(totals)
            except OverflowError:  # some of them may have been taken
                self.totals = [*self.totals[: len(self.starts)], *totals]
            self.starts.extend(starts)
        if len(self.starts) > PACKED_AT_ONCE:
            self._pack(self.starts[-1])

    def put_open(self, source: Source, bucket: int, aggregate: Any) -> None:
        """Take back a bucket of an open partial; `put` comes first."""
        opened = self._open.get(source)
        self._set_open(self._begin_chunk(source) if opened is None else opened, bucket, aggregate)

    def put_refused(self, source: Source, bucket: int, aggregate: Any) -> None:
        """Take back what came too late."""
        if self._refused:
            self._refused.setdefault(source, {})[bucket] = aggregate
        else:
            self._refused = {source: {bucket: aggregate}}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept but when it was last seen."""
        return not self.starts and not any(self._open.values()) and not any(self._refused.values())


def _each(parts: dict[Source, dict[int, Any]]) -> Iterator[tuple[Source, int, Any]]:
    for source, part in parts.items():
        for bucket, aggregate in part.items():
            yield source, bucket, aggregate
