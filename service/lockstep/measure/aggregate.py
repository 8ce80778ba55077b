"""Aggregates: how the numbers of one bucket become one, and how buckets become a window.

Every aggregate is a plain value that can be stored and sent: an int, a short list or bytes. `merge` is exact in any
order and any grouping, so order never shows in a number: sums are integers of a millionth, percentiles count in fixed
logarithmic buckets (DDSketch, Masson et al. 2019), distinct counts keep hashes and, beyond a bound, a theta sketch
(Dasgupta et al. 2016), which keeps the k smallest hashes whatever the order.
"""

import math
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

from ddsketch.mapping import LogarithmicMapping

from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.exact import SCALE, Exact, exact, part_of

LARGEST = 9_000_000_000_000
"""A number beyond ± this is refused at the door: a millionth of it still fits 63 bits."""

SUM_LIMIT = 2**63 - 1
"""A sum that leaves 64 bits is no_data."""

EXACT_DISTINCT = 512
"""Up to so many different values a distinct count is exact."""

SKETCH_LG_K = 12
"""Beyond, the sketch keeps 4,096 hashes: a standard error of 1.6 %."""

PERCENTILE_ACCURACY = 0.01
"""A percentile is within 1 % of the true value."""

MIXED = "*"
"""The currency of a sum over several currencies: it has no value."""

_MAPPING = LogarithmicMapping(PERCENTILE_ACCURACY)
_KEY_OFFSET = 10_000  # keys of positive numbers become positive, so that sorted keys are sorted numbers


def percentile_key(number: int) -> int:
    """The bucket of a number (in millionths) in a percentile's counts; sorted keys are sorted numbers."""
    if number == 0:
        return 0
    key = int(_MAPPING.key(abs(number) / SCALE)) + _KEY_OFFSET
    return key if number > 0 else -key


def distinct_hash(text: str) -> int:
    """A value's 63-bit hash, the same everywhere."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


def merge_average(a: list[int], b: list[int]) -> list[int]:
    return [a[0] + b[0], a[1] + b[1]]


def merge_money(a: list[Any], b: list[Any]) -> list[Any]:
    currency = a[1] if b[1] is None or a[1] == b[1] else b[1] if a[1] is None else MIXED
    return [a[0] + b[0], currency]


def _merge_percentile(a: dict[int, int], b: dict[int, int]) -> dict[int, int]:
    if len(a) < len(b):
        a, b = b, a
    merged = dict(a)
    for key, count in b.items():
        merged[key] = merged.get(key, 0) + count
    return merged


def _sketches() -> Any:
    """The library of sketches. Imported when the first is made: it brings numpy, and few shops count so many values."""
    import datasketches

    return datasketches


def _sketch(value: list[int] | bytes) -> Any:
    if isinstance(value, bytes):
        return _sketches().compact_theta_sketch.deserialize(value)
    sketch = _sketches().update_theta_sketch(SKETCH_LG_K)
    for item in value:
        sketch.update(item)
    sketch.trim()
    return sketch.compact()


def merge_distinct(a: list[int] | bytes, b: list[int] | bytes) -> list[int] | bytes:
    if isinstance(a, list) and isinstance(b, list):
        both = sorted({*a, *b})
        return both if len(both) <= EXACT_DISTINCT else bytes(_sketch(both).serialize())
    union = _sketches().theta_union(SKETCH_LG_K)
    union.update(_sketch(a))
    union.update(_sketch(b))
    return bytes(union.get_result().serialize())


def add(a: int, b: int) -> int:
    return a + b


def merger(series: SeriesDef) -> Callable[[Any, Any], Any]:
    """The function that merges two aggregates of this series; associative and commutative."""
    match series.aggregate:
        case Aggregate.SUM if series.tracks_currency:
            return merge_money
        case Aggregate.COUNT | Aggregate.SUM:
            return add
        case Aggregate.AVERAGE:
            return merge_average
        case Aggregate.MINIMUM:
            return min
        case Aggregate.MAXIMUM:
            return max
        case Aggregate.DISTINCT:
            return merge_distinct
        case Aggregate.PERCENTILE:
            return _merge_percentile
        case Aggregate.LAST | Aggregate.WHOLE:
            raise ValueError("a level is not merged")


def _money_value(aggregate: list[Any]) -> Exact | None:
    return None if aggregate[1] == MIXED else _sum_value(aggregate[0])


def _count_value(aggregate: int) -> int:
    return aggregate * SCALE


def _sum_value(aggregate: int) -> Exact | None:
    return aggregate if abs(aggregate) <= SUM_LIMIT else None


def _average_value(aggregate: list[int]) -> Exact | None:
    total, count = aggregate
    return part_of(total, 1, count) if count and abs(total) <= SUM_LIMIT else None


def _distinct_value(aggregate: list[int] | bytes) -> Exact:
    return len(aggregate) * SCALE if isinstance(aggregate, list) else exact(_sketch(aggregate).get_estimate())


def percentile_value(counts: dict[int, int], quantile: float) -> Exact | None:
    """The nearest-rank percentile of a histogram, within PERCENTILE_ACCURACY."""
    total = sum(counts.values())
    if not total:
        return None
    rank = max(1, math.ceil(quantile * total - 1e-9))
    for key in sorted(counts):
        rank -= counts[key]
        if rank <= 0:
            if key == 0:
                return 0
            magnitude = exact(_MAPPING.value(abs(key) - _KEY_OFFSET))
            return magnitude if key > 0 else -magnitude
    return None


def valuer(series: SeriesDef) -> Callable[[Any], Exact | None]:
    """The function that turns a merged aggregate into the measure's number, in millionths; None where it has none
    (no_data)."""
    match series.aggregate:
        case Aggregate.COUNT:
            return _count_value
        case Aggregate.SUM if series.tracks_currency:
            return _money_value
        case Aggregate.SUM:
            return _sum_value
        case Aggregate.AVERAGE:
            return _average_value
        case Aggregate.MINIMUM | Aggregate.MAXIMUM:
            return _sum_value
        case Aggregate.DISTINCT:
            return _distinct_value
        case Aggregate.PERCENTILE:
            quantile = series.quantile or 0.5
            return lambda counts: percentile_value(counts, quantile)
        case Aggregate.LAST | Aggregate.WHOLE:
            raise ValueError("a level has no aggregate")


def merge_all(merge: Callable[[Any, Any], Any], aggregates: Iterable[Any]) -> Any:
    """All of them merged, or None when there are none."""
    merged = None
    for aggregate in aggregates:
        merged = aggregate if merged is None else merge(merged, aggregate)
    return merged
