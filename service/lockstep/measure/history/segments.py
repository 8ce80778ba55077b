"""Segments: old buckets of a series in a fraction of their bytes, read where they lie.

A seasonal rule keeps weeks of buckets and reads each of them once a week. A history packs those that nothing changes
any more into segments, each in the smallest of three forms:

- `BitPlanes`, small whole numbers in many of the buckets (orders a minute): plane k has a bit for each bucket, which is
  bit k of its number. The numbers 3, 0, 1 are the planes 101 and 001, written from the first bucket on; their sum is
  two ones in the first and one, times two, in the second: 2 × 1 + 1 × 2. A plane of few ones is a list of their places.
- `Numbers`, all other numbers: where the buckets lie, and what is in them, each in the narrowest array that fits.
- `Encoded`, what is no number (sketches, histograms): the bytes that state would have of them, decoded when they are
  read.

No form rounds: what is read is what was packed. A segment never changes. Weakness: a change needs its rows taken out
(`Segments.taken_from`), so only what is closed should be packed.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, pairwise, zip_longest
from math import inf
from operator import attrgetter
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from lockstep.measure.aggregate import add, merge_all, merge_average, merge_money

Merge = Callable[[Any, Any], Any]
"""How two totals of the series become one, see `lockstep.measure.aggregate.merger`."""

Rows = tuple[list[int], list[Any]]
"""Starts of buckets, ascending, and the totals that belong to them."""

MOST_ROWS = 2_048
"""So many buckets with data a segment has at most: what goes in by hundreds is merged until it has half of them."""
MOST_ENCODED = 960
MOST_BITS = 8_192
"""So many buckets a bit plane spans at most: to read a window, a number of so many bits is shifted."""
NOTHING_PACKED = -(1 << 62)
"""A second before all events."""
_MOST_SPAN = 65_536  # places are 16 bits
_PLANES = 8
_NEAR = (1 << 60) - 1
_UNITS = (1_000_000, 10_000)
"""Sums are kept in millionths: of whole things, and of money in cents, most of that is zeros."""
_encoded = msgspec.msgpack.Encoder().encode
_decoded = msgspec.msgpack.Decoder().decode


class Segment(Protocol):
    """Some buckets of a series in order, at least one. Windows are [start, end) in seconds."""

    @property
    def first(self) -> int:
        """The start of the first bucket."""
        ...

    @property
    def last(self) -> int:
        """The start of the last bucket."""
        ...

    def __len__(self) -> int:
        """How many buckets have data."""
        ...

    def rows(self, start: int, end: int) -> Rows:
        """The buckets of a window."""
        ...

    def merged(self, start: int, end: int, merge: Merge) -> Any:
        """The totals of a window, merged; None where there are none."""
        ...

    def next_start(self, after: int) -> int | None:
        """The first bucket that starts after this second."""
        ...

    def newest_start(self, before: int) -> int | None:
        """The last bucket that starts before this second."""
        ...


Plane: TypeAlias = "int | array[int]"
"""A bit for each bucket, the first of them the lowest; or, where few are set, the places of these."""


class BitPlanes:
    """Whole numbers from 1 to 255 times a unit; no bit in any plane: no data."""

    __slots__ = ("_count", "_planes", "_step", "_unit", "first", "last")

    def __init__(self, first: int, last: int, step: int, unit: int, planes: Sequence[Plane], count: int) -> None:
        self.first, self.last, self._step, self._unit = first, last, step, unit
        self._planes = tuple(planes)
        self._count = count

    @classmethod
    def of(cls, starts: Sequence[int], numbers: Sequence[int], step: int, unit: int) -> "BitPlanes":
        first, last = starts[0], starts[-1]
        size = (last - first) // step + 1
        planes: list[Plane] = []
        for k in range(max(numbers).bit_length()):
            places = array("H", [(at - first) // step for at, n in zip(starts, numbers, strict=True) if n >> k & 1])
            planes.append(places if _are_few(len(places), size) else _bits(places))
        return cls(first, last, step, unit, planes, len(starts))

    def __len__(self) -> int:
        return self._count

    def rows(self, start: int, end: int) -> Rows:
        low, high = self._window(start, end)
        if low >= high:
            return [], []
        numbers: dict[int, int] = {}
        for k, plane in enumerate(self._planes):
            worth = self._unit << k
            if isinstance(plane, int):
                places: Iterable[int] = _ones(plane >> low & (1 << high - low) - 1, low)
            else:
                places = plane[bisect_left(plane, low) : bisect_left(plane, high)]
            for place in places:
                numbers[place] = numbers.get(place, 0) + worth
        first, step = self.first, self._step
        known = sorted(numbers)
        return [first + place * step for place in known], [numbers[place] for place in known]

    def merged(self, start: int, end: int, merge: Merge) -> Any:
        if merge is not add:
            return merge_all(merge, self.rows(start, end)[1])
        low, high = self._window(start, end)
        if low >= high:
            return None
        mask = (1 << high - low) - 1
        total = 0
        for k, plane in enumerate(self._planes):
            if isinstance(plane, int):
                total += (plane >> low & mask).bit_count() << k
            else:
                total += (bisect_left(plane, high) - bisect_left(plane, low)) << k
        return total * self._unit or None

    def next_start(self, after: int) -> int | None:
        low = max(0, (after - self.first) // self._step + 1)
        soonest = _MOST_SPAN
        for plane in self._planes:
            if isinstance(plane, int):
                rest = plane >> low
                near = rest & _NEAR or rest  # the sign of a long number is much work, and the next bucket mostly near
                if near:
                    soonest = min(soonest, low + (near & -near).bit_length() - 1)
            else:
                at = bisect_left(plane, low)
                if at < len(plane):
                    soonest = min(soonest, plane[at])
            if soonest == low:
                break
        return None if soonest == _MOST_SPAN else self.first + soonest * self._step

    def newest_start(self, before: int) -> int | None:
        _, high = self._window(self.first, before)
        newest = -1
        for plane in self._planes:
            if isinstance(plane, int):
                newest = max(newest, (plane & (1 << max(high, 0)) - 1).bit_length() - 1)
            else:
                at = bisect_left(plane, high)
                if at:
                    newest = max(newest, plane[at - 1])
            if newest == high - 1:
                break
        return None if newest < 0 else self.first + newest * self._step

    def _window(self, start: int, end: int) -> tuple[int, int]:
        """The places [low, high) of a window."""
        first, step = self.first, self._step
        return max(0, -((first - start) // step)), min(-((first - end) // step), (self.last - first) // step + 1)

    def joined(self, later: "BitPlanes") -> "BitPlanes | None":
        """One segment of both; None where it would span too much, or they count in other units."""
        size = (later.last - self.first) // self._step + 1
        if later._unit != self._unit or size > _MOST_SPAN:
            return None
        shift = (later.first - self.first) // self._step
        planes: list[Plane] = []
        for mine, other in zip_longest(self._planes, later._planes, fillvalue=_NO_ONES):
            if isinstance(mine, int) or isinstance(other, int):
                if size > MOST_BITS:
                    return None
                bits = _bits(mine) | _bits(other) << shift
                planes.append(array("H", _ones(bits)) if _are_few(bits.bit_count(), size) else bits)
            else:
                planes.append(mine + array("H", [place + shift for place in other]))
        return BitPlanes(self.first, later.last, self._step, self._unit, planes, self._count + later._count)


_NO_ONES: "array[int]" = array("H")


def _are_few(ones: int, size: int) -> bool:
    """Whether the places of so many ones take less than a bit for each bucket."""
    return ones * 16 + 500 < size or size > MOST_BITS


def _bits(plane: Plane) -> int:
    if isinstance(plane, int):
        return plane
    bits = bytearray((plane[-1] >> 3) + 1 if plane else 0)
    for place in plane:
        bits[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(bits, "little")


def _ones(bits: int, low: int = 0) -> Iterator[int]:
    """The places of the ones, the first bit's being `low`."""
    digits = f"{bits:b}"[::-1]
    at = digits.find("1")
    while at >= 0:
        yield low + at
        at = digits.find("1", at + 1)


class _Places:
    """Where buckets lie: starts in steps from the first on. Without gaps there is nothing to keep."""

    __slots__ = ("_steps", "first", "last", "step")

    def __init__(self, starts: Sequence[int], step: int) -> None:
        self.first, self.last, self.step = starts[0], starts[-1], step
        size = (self.last - self.first) // step + 1
        self._steps: Sequence[int] = (
            range(size) if size == len(starts) else array("H", [(start - self.first) // step for start in starts])
        )

    def __len__(self) -> int:
        return len(self._steps)

    def until(self, second: int) -> int:
        """How many buckets start before a second."""
        return bisect_left(self._steps, -((self.first - second) // self.step))

    def starts(self, low: int, high: int) -> list[int]:
        first, step = self.first, self.step
        return [first + place * step for place in self._steps[low:high]]

    def next_start(self, after: int) -> int | None:
        at = bisect_right(self._steps, (after - self.first) // self.step)
        return self.first + self._steps[at] * self.step if at < len(self._steps) else None

    def newest_start(self, before: int) -> int | None:
        at = self.until(before)
        return self.first + self._steps[at - 1] * self.step if at else None


class _Listed:
    """A segment that says where each of its buckets lies."""

    __slots__ = ("_places", "first", "last")

    def __init__(self, places: _Places) -> None:
        self._places = places
        self.first, self.last = places.first, places.last

    def __len__(self) -> int:
        return len(self._places)

    def next_start(self, after: int) -> int | None:
        return self._places.next_start(after)

    def newest_start(self, before: int) -> int | None:
        return self._places.newest_start(before)


class Numbers(_Listed):
    """Whole numbers times a unit; alone, or each in a pair `[number, other]`.

    others: of averages the counts; of money the one currency that all of it is in; None: they stand alone.
    """

    __slots__ = ("_numbers", "_others", "_unit")

    def __init__(
        self, places: _Places, unit: int, numbers: Sequence[int], others: "Sequence[int] | Currency | None" = None
    ) -> None:
        super().__init__(places)
        self._unit, self._numbers, self._others = unit, numbers, others

    def rows(self, start: int, end: int) -> Rows:
        low, high = self._places.until(start), self._places.until(end)
        unit, others = self._unit, self._others
        numbers = [number * unit for number in self._numbers[low:high]]
        starts = self._places.starts(low, high)
        if others is None:
            return starts, numbers
        if isinstance(others, Currency):
            return starts, [[number, others.code] for number in numbers]
        return starts, [[number, other] for number, other in zip(numbers, others[low:high], strict=True)]

    def merged(self, start: int, end: int, merge: Merge) -> Any:
        low, high = self._places.until(start), self._places.until(end)
        if low >= high:
            return None
        numbers, others = self._numbers[low:high], self._others
        if merge is add:
            return sum(numbers) * self._unit
        if merge is merge_average and others is not None and not isinstance(others, Currency):
            return [sum(numbers) * self._unit, sum(others[low:high])]
        if merge is merge_money and isinstance(others, Currency):
            return [sum(numbers) * self._unit, others.code]
        return merge_all(merge, self.rows(start, end)[1])


class Currency(NamedTuple):
    """What all of a segment's money is in; None: no event said so."""

    code: str | None


class Encoded(_Listed):
    """Any totals, as the bytes that state would have of them."""

    __slots__ = ("_bytes", "_ends")

    def __init__(self, places: _Places, totals: Sequence[Any]) -> None:
        super().__init__(places)
        pieces = [_encoded(total) for total in totals]
        self._ends = array("I", accumulate(len(piece) for piece in pieces))
        self._bytes = b"".join(pieces)

    def rows(self, start: int, end: int) -> Rows:
        low, high = self._places.until(start), self._places.until(end)
        begins = [self._ends[low - 1] if low else 0, *self._ends[low:high]]
        totals = [_decoded(self._bytes[begin:stop]) for begin, stop in pairwise(begins)]
        return self._places.starts(low, high), totals

    def merged(self, start: int, end: int, merge: Merge) -> Any:
        return merge_all(merge, self.rows(start, end)[1])


def packed(starts: Sequence[int], totals: Sequence[Any], step: int) -> Segment:
    """The smallest segment of these buckets. step: their starts are multiples of it apart, in seconds."""
    places = _Places(starts, step)
    if all(type(total) is int for total in totals):
        unit = unit_of(totals)
        if min(totals) > 0 and max(totals) // unit < 1 << _PLANES:
            numbers = [total // unit for total in totals]
            size = (starts[-1] - starts[0]) // step + 1
            as_bits = max(numbers).bit_length() * size if size <= MOST_BITS else inf
            as_places = 16 * sum(number.bit_count() for number in numbers)
            if min(as_bits, as_places) < 24 * len(starts):  # a place and a number for each: two bytes and one
                return BitPlanes.of(starts, numbers, step, unit)
        return Numbers(places, unit, _narrowest(totals, unit))
    if all(type(total) is list and len(total) == 2 and type(total[0]) is int for total in totals):
        amounts, others = [total[0] for total in totals], [total[1] for total in totals]
        unit = unit_of(amounts)
        if all(type(other) is int for other in others):
            return Numbers(places, unit, _narrowest(amounts, unit), _narrowest(others, 1))
        if all(other == others[0] for other in others):
            return Numbers(places, unit, _narrowest(amounts, unit), Currency(others[0]))
    return Encoded(places, totals)


def unit_of(numbers: Sequence[int]) -> int:
    """The largest unit in which sums are likely to be whole that these are multiples of."""
    return next((unit for unit in _UNITS if all(number % unit == 0 for number in numbers)), 1)


def _narrowest(numbers: Sequence[int], unit: int) -> Sequence[int]:
    """In units, in the narrowest array; a list for what is beyond 64 bits."""
    shortened = [number // unit for number in numbers]
    least, most = min(shortened), max(shortened)
    for code, bits in (("B", 8), ("H", 16), ("I", 32)) if least >= 0 else (("b", 7), ("h", 15), ("i", 31)):
        if -(1 << bits) <= least and most < 1 << bits:
            return array(code, shortened)
    return array("q", shortened) if least >= -(1 << 63) and most < 1 << 63 else shortened


class Segments:
    """The packed buckets of one series: all that are older than those that it keeps as they are."""

    __slots__ = ("_segments", "_since", "_step")

    def __init__(self, step: int) -> None:
        """step: the width of a bucket, in seconds."""
        self._step = step
        self._segments: list[Segment] = []
        self._since = NOTHING_PACKED  # what starts before it has expired; it may still be in the first segment

    @property
    def last(self) -> int:
        """The start of the newest bucket; NOTHING_PACKED where there is none."""
        return self._segments[-1].last if self._segments else NOTHING_PACKED

    # ---- in -------------------------------------------------------------------------------------------------------

    def add(self, starts: Sequence[int], totals: Sequence[Any]) -> None:
        """Pack buckets that are newer than all before."""
        low = 0
        while low < len(starts):
            high = bisect_left(starts, starts[low] + _MOST_SPAN * self._step, low)
            self._segments.append(packed(starts[low:high], totals[low:high], self._step))
            low = high
            self._join_last()

    def _join_last(self) -> None:
        """Join the last two while they are of a size: what is packed is packed again only as that grows by half."""
        while len(self._segments) > 1 and 2 * len(self._segments[-1]) >= len(self._segments[-2]):
            joined = self._joined(*self._segments[-2:])
            if joined is None:
                return
            self._segments[-2:] = [joined]

    def _joined(self, earlier: Segment, later: Segment) -> Segment | None:
        """Both in one; None where that would be too large."""
        if isinstance(earlier, BitPlanes) and isinstance(later, BitPlanes):
            joined = earlier.joined(later)
            if joined is not None:
                return joined
        most = MOST_ENCODED if isinstance(earlier, Encoded) or isinstance(later, Encoded) else MOST_ROWS
        span = (later.last - earlier.first) // self._step + 1
        if len(earlier) + len(later) > most or span > _MOST_SPAN:
            return None
        return packed(*_appended(self._rows_of(earlier), self._rows_of(later)), self._step)

    def _rows_of(self, segment: Segment) -> Rows:
        return segment.rows(max(segment.first, self._since), segment.last + 1)

    def taken_from(self, start: int) -> Rows:
        """Take out what starts at this second or later, with the rest of its segment."""
        rows: Rows = [], []
        while self._segments and self._segments[-1].last >= start:
            rows = _appended(self._rows_of(self._segments.pop()), rows)
        if not self._segments:
            self._since = NOTHING_PACKED
        return rows

    def expire(self, before: int) -> list[int]:
        """Forget what starts before this second; returns the starts."""
        gone, _ = self.rows(self._since, before)
        self._since = max(self._since, before)
        while self._segments and self._segments[0].last < before:
            del self._segments[0]
        if self._segments:
            oldest = self._segments[0]
            if before - oldest.first > oldest.last - before:  # more than half of it, and then again of what is left
                self._segments[0] = packed(*self._rows_of(oldest), self._step)
        else:
            self._since = NOTHING_PACKED
        return gone

    # ---- out ------------------------------------------------------------------------------------------------------

    def rows(self, start: int, end: int) -> Rows:
        """The buckets in [start, end)."""
        rows: Rows = [], []
        for segment in self._within(start, end):
            rows = _appended(rows, segment.rows(max(start, self._since), end))
        return rows

    def merged(self, start: int, end: int, merge: Merge) -> Any:
        """The totals of the buckets in [start, end), merged; None where there are none."""
        start = max(start, self._since)
        merged = None
        for segment in self._within(start, end):
            part = segment.merged(start, end, merge)
            if part is not None:
                merged = part if merged is None else merge(merged, part)
        return merged

    def _within(self, start: int, end: int) -> list[Segment]:
        low = bisect_left(self._segments, start, key=_last)
        return self._segments[low : bisect_left(self._segments, end, low, key=_first)]

    def next_start(self, after: int) -> int | None:
        """The first bucket that starts after this second."""
        after = max(after, self._since - 1)
        at = bisect_right(self._segments, after, key=_last)
        return self._segments[at].next_start(after) if at < len(self._segments) else None

    def newest_start(self, before: int) -> int | None:
        """The last bucket that starts before this second."""
        at = bisect_left(self._segments, before, key=_first)
        newest = self._segments[at - 1].newest_start(before) if at else None
        return None if newest is None or newest < self._since else newest


_first, _last = attrgetter("first"), attrgetter("last")


def _appended(earlier: Rows, later: Rows) -> Rows:
    return earlier[0] + later[0], earlier[1] + later[1]
