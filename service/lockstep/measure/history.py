"""Histories: what the judge remembers of a series, in blocks, and how a window of it is read.

A flow keeps, per bucket, a folded base and the open partial of the current chunk of each source partition. A partial
that is not newer than what is known is ignored, a newer one overwrites, a higher chunk folds the open one first; so
replays, duplicates and frozen meters change nothing. Storage is in blocks of buckets: a flush rewrites only the blocks
that changed, and expiry drops whole blocks. A block of which every chunk is over is sealed: in memory it is two numbers
a bucket.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, MutableSequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from lockstep.errors import StateError
from lockstep.measure.aggregate import add, merge_all, merger, valuer
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.exact import Exact

BUCKETS_PER_BLOCK = 240

Source = tuple[str, int]
"""(role, partition) of a source."""

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

    starts and totals are parallel: the bucket starts (seconds) that have data, and their aggregates. Blocks that are
    not sealed lie beside them with what their totals are made of.
    seen: the newest start that expired.
    """

    __slots__ = (
        "_blocks",
        "_merge",
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
        for number in [n for n, block in self._blocks.items() if not block.open and not block.refused]:
            del self._blocks[number]  # sealed: its base is what the totals say
        return bool(folded)

    def _rows(self, number: int) -> Iterable[tuple[int, Any]]:
        """(bucket, total) of a block."""
        lo = bisect_left(self.starts, number * self.block_s)
        hi = bisect_left(self.starts, (number + 1) * self.block_s, lo)
        return zip(self.starts[lo:hi], self.totals[lo:hi], strict=True)

    def _retotal(self, block: _Block, bucket: int) -> None:
        total = block.base.get(bucket)
        for opened in block.open.values():
            part = opened.get(bucket)
            if part is not None:
                total = part if total is None else self._merge(total, part)
        self._set_total(bucket, total)

    def _set_total(self, bucket: int, total: Any) -> None:
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
        at = bisect_left(self.starts, before // self.block_s * self.block_s)
        gone = {start // self.block_s for start in self.starts[:at]}
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

    # ---- out ------------------------------------------------------------------------------------------------------

    def aggregate(self, start: int, end: int) -> Any:
        """The merged aggregate of the buckets in [start, end), None when there is none."""
        lo = bisect_left(self.starts, start)
        hi = bisect_left(self.starts, end, lo)
        if lo == hi:
            return None
        if hi - lo == 1:
            return self.totals[lo]
        return sum(self.totals[lo:hi]) if self._merge is add else merge_all(self._merge, self.totals[lo:hi])

    def value(self, start: int, end: int) -> Exact | None:
        """The measure over [start, end), in millionths; None for nothing (the caller knows whether that is zero)."""
        merged = self.aggregate(start, end)
        return None if merged is None else self._value(merged)

    def next_start(self, after: int) -> int | None:
        """The first bucket with data that starts after this second."""
        at = bisect_right(self.starts, after)
        return self.starts[at] if at < len(self.starts) else None

    def newest_start(self, before: int) -> int | None:
        """The last bucket with data that starts before this second."""
        at = bisect_left(self.starts, before)
        return self.starts[at - 1] if at else None

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


@dataclass(slots=True)
class _Identity:
    """One thing's level: its values in time order, the newest one last. Values in millionths, times in µs."""

    values: list[tuple[int, int, int]] = field(default_factory=list)  # (time, offset, value)
    source: Source = ("", 0)


class LevelHistory:
    """One level series: per identity the newest value, and older ones as long as a bucket end may ask for them.

    moved: by how much the newest value changed the sum; None when it was the first of all.
    rested_us: how long the values before it had been as they were; who calls that stale compares it with nothing.
    """

    __slots__ = ("_identities", "dirty", "marks", "moved", "older", "rested_us")

    def __init__(self) -> None:
        self._identities: dict[str, _Identity] = {}
        self.marks: dict[Source, int] = {}
        self.dirty = False
        self.older = 0
        self.moved: int | None = None
        self.rested_us = 0

    def apply(self, source: Source, identity: str, time_us: int, offset: int, value: int, *, grain_us: int = 0) -> bool:
        """Take a value; False when it changes nothing: seen before, or older than the newest of its identity.

        grain_us: the past is asked for at multiples of this only, so of each such stretch the last value is enough.
        """
        if self.has_seen(source, offset):
            return False
        self.marks[source] = offset
        self.dirty = True
        known = self._identities.get(identity)
        if known is None:
            known = self._identities[identity] = _Identity()
        if known.values and time_us < known.values[-1][0]:
            self.older += 1
            return False
        if known.values:
            newest, _, before = known.values[-1]
            self.moved = value - before
        else:
            newest, self.moved = time_us, None if len(self._identities) == 1 else value
        if len(self._identities) > 1:
            newest = max(k.values[-1][0] for k in self._identities.values() if k.values)
        self.rested_us = time_us - newest
        known.source = source
        if grain_us and known.values and known.values[-1][0] // grain_us == time_us // grain_us:
            known.values.pop()
        known.values.append((time_us, offset, value))
        return True

    def has_seen(self, source: Source, offset: int) -> bool:
        """Whether the value at this place has been taken before."""
        mark = self.marks.get(source)
        return mark is not None and offset <= mark

    def trim(self, before_us: int | None) -> None:
        """Forget values that no instant at or after `before_us` can ask for (None: only the newest is asked for)."""
        for known in self._identities.values():
            keep = len(known.values) - 1
            if before_us is not None:
                # The newest value strictly before the instant is still in force at it.
                while keep > 0 and known.values[keep][0] >= before_us:
                    keep -= 1
            if keep > 0:
                del known.values[:keep]
                self.dirty = True

    def now(self) -> int:
        """The sum of the newest values, in millionths."""
        return sum(k.values[-1][2] for k in self._identities.values())

    def newest_us(self) -> int:
        """When the newest value was set."""
        return max(k.values[-1][0] for k in self._identities.values())

    def newest_before(self, instant_us: int) -> int | None:
        """When the newest value before an instant was set."""
        times = [t for k in self._identities.values() for t, _, _ in k.values if t < instant_us]
        return max(times, default=None)

    def as_of(self, instant_us: int, stale_us: int | None) -> int | None:
        """The sum of the values in force just before an instant, in millionths.

        None when none is, or the newest is stale.
        """
        total, newest = 0, None
        for known in self._identities.values():
            for time_us, _, value in reversed(known.values):
                if time_us < instant_us:
                    total += value
                    newest = time_us if newest is None else max(newest, time_us)
                    break
        if newest is None or (stale_us is not None and instant_us - newest >= stale_us):
            return None
        return total

    def fallen(self, start_us: int, end_us: int, grain_us: int) -> int:
        """What the identities lost between the multiples of grain_us in [start_us, end_us], in millionths, their rises
        left aside."""
        total = 0
        for known in self._identities.values():
            before: int | None = None  # at the last multiple looked at
            at, newest = start_us, None
            for time_us, _, value in known.values:
                if time_us >= end_us:
                    break
                if time_us >= at:
                    if before is not None and newest is not None and newest < before:
                        total += before - newest
                    before = newest
                    at = time_us // grain_us * grain_us + grain_us
                newest = value
            if before is not None and newest is not None and newest < before:
                total += before - newest
        return total

    def next_time(self, after_us: int) -> int | None:
        """The first kept value that was set at or after an instant."""
        times = [t for k in self._identities.values() for t, _, _ in k.values if t >= after_us]
        return min(times, default=None)

    def state(self) -> list[Any]:
        return [
            [[*s, mark] for s, mark in self.marks.items()],
            [[name, *k.source, k.values] for name, k in self._identities.items()],
            self.older,
            self.moved,
        ]

    def restore(self, state: list[Any]) -> None:
        marks, identities, self.older, self.moved = state
        self.marks = {(role, p): mark for role, p, mark in marks}
        self._identities = {
            name: _Identity([(t, o, v) for t, o, v in values], (role, p)) for name, role, p, values in identities
        }


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder().decode


def pack(state: Any) -> bytes:
    return _ENCODE(state)


def unpack(value: bytes) -> Any:
    """Raises StateError for bytes that are no state of ours."""
    try:
        return _DECODE(value)
    except msgspec.MsgspecError as error:
        raise StateError(f"stored state cannot be read: {error}") from error
