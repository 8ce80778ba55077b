"""Packed buckets say what unpacked ones say: every form, every window, whatever is taken out, expires or comes late."""

import gc
import sys
from array import array
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.judge.state import Sizes, flow_pages
from lockstep.judge.state.rows import Table
from lockstep.measure.aggregate import merge_all, merger
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.history import FlowHistory, flow, unpack
from lockstep.measure.history.segments import BitPlanes, Encoded, Numbers, Segments, packed
from lockstep.rule.cost import BYTES_A_BUCKET, BYTES_A_SERIES


def series(aggregate: Aggregate, field: str | None) -> SeriesDef:
    return SeriesDef(aggregate, "order.placed", "orders", field=field, quantile=0.9)


def small(rng: Random) -> int:
    return rng.choice((1, 1, 2, 3, 9))


def amount(rng: Random) -> int:
    """Whole things, cents, zero, and what fits the state still when some more of its kind is added."""
    return rng.choice((0, 1, -7, 3_000_000, 250_000, rng.randrange(9_000_000), rng.randrange(-(2**60), 2**61)))


def histogram(rng: Random) -> dict[int, int]:
    return {rng.randrange(-11_000, 11_000): small(rng) for _ in range(rng.randrange(1, 4))}


KINDS: dict[str, tuple[SeriesDef, Callable[[Random], Any]]] = {
    "count": (series(Aggregate.COUNT, None), small),
    "count, sometimes many": (series(Aggregate.COUNT, None), lambda rng: rng.choice((1, 2, rng.randrange(1, 70_000)))),
    "sum": (series(Aggregate.SUM, "lines.quantity"), amount),
    "sum of few things": (series(Aggregate.SUM, "lines.quantity"), lambda rng: small(rng) * 1_000_000),
    "money": (series(Aggregate.SUM, "total"), lambda rng: [amount(rng), "EUR"]),
    "money, mixed": (series(Aggregate.SUM, "total"), lambda rng: [small(rng), rng.choice(("EUR", None, "*"))]),
    "average": (series(Aggregate.AVERAGE, "lines.quantity"), lambda rng: [amount(rng), small(rng)]),
    "minimum": (series(Aggregate.MINIMUM, "total"), amount),
    "maximum, small": (series(Aggregate.MAXIMUM, "lines.quantity"), small),
    "distinct": (series(Aggregate.DISTINCT, "customer"), lambda rng: sorted({rng.getrandbits(63), small(rng)})),
    "percentile": (series(Aggregate.PERCENTILE, "total"), histogram),
}
kinds = pytest.mark.parametrize("kind", KINDS)


class Plain:
    """What `Segments` and `FlowHistory` say, of a dict of start and total."""

    def __init__(self, definition: SeriesDef) -> None:
        self.rows: dict[int, Any] = {}
        self._merge = merger(definition)

    def between(self, start: int, end: int) -> list[tuple[int, Any]]:
        return [(at, self.rows[at]) for at in sorted(self.rows) if start <= at < end]

    def aggregate(self, start: int, end: int) -> Any:
        return merge_all(self._merge, [total for _, total in self.between(start, end)])

    def next_start(self, after: int) -> int | None:
        return min((at for at in self.rows if at > after), default=None)

    def newest_start(self, before: int) -> int | None:
        return max((at for at in self.rows if at < before), default=None)


def rows_of(rng: Random, total: Callable[[Random], Any], *, begin: int, most: int) -> dict[int, Any]:
    """Buckets of a minute from a place on: without gaps, close together, or far apart."""
    gap = rng.choice((1, 1, 3, 400, 30_000))
    rows, at = {}, begin
    for _ in range(rng.randint(1, most)):
        rows[at * 60] = total(rng)
        at += rng.randint(1, gap)
    return rows


def instants(rng: Random, rows: dict[int, Any]) -> tuple[int, int]:
    """Two seconds in, before, between or after the buckets."""
    known = sorted(rows) or [0]
    first, second = (rng.choice(known) + rng.choice((-61, -60, -1, 0, 1, 59, 60, 90)) for _ in "12")
    return first, second


seeds = given(seed=st.integers(0, 1 << 32))


@kinds
@settings(max_examples=40, deadline=None)
@seeds
def test_a_segment_says_what_was_packed(kind, seed):
    (definition, total), rng = KINDS[kind], Random(seed)
    plain = Plain(definition)
    rows = rows_of(rng, total, begin=1_000, most=300)
    plain.rows = {at: total for at, total in rows.items() if at < (1_000 + 65_536) * 60}
    segment = packed(list(plain.rows), list(plain.rows.values()), 60)
    assert (segment.first, segment.last, len(segment)) == (min(plain.rows), max(plain.rows), len(plain.rows))
    for _ in range(5):
        start, end = instants(rng, plain.rows)
        assert list(zip(*segment.rows(start, end), strict=True)) == plain.between(start, end)
        assert segment.merged(start, end, merger(definition)) == plain.aggregate(start, end)
        assert segment.next_start(start) == plain.next_start(start)
        assert segment.newest_start(start) == plain.newest_start(start)


@pytest.mark.parametrize(
    ("starts", "totals", "form"),
    [
        pytest.param(range(0, 6_000, 60), [1] * 100, BitPlanes, id="an order a minute"),
        pytest.param(range(0, 6_000, 60), [0] * 100, Numbers, id="zero is a total, not the absence of one"),
        pytest.param(range(0, 600_000, 6_000), [1] * 100, BitPlanes, id="an order now and then"),
        pytest.param(range(0, 600_000, 6_000), [255] * 100, Numbers, id="many orders now and then"),
        pytest.param(range(0, 6_000, 60), [256] * 100, Numbers, id="many orders a minute"),
        pytest.param(range(0, 6_000, 60), [256_000_000] * 100, Numbers, id="units, in millionths"),
        pytest.param(range(0, 6_000, 60), [3_000_000] * 100, BitPlanes, id="few units"),
        pytest.param(range(0, 6_000, 60), [[5, "EUR"]] * 100, Numbers, id="money"),
        pytest.param(range(0, 6_000, 60), [[5, "EUR"], [5, "GBP"]] * 50, Encoded, id="money of two currencies"),
        pytest.param(range(0, 6_000, 60), [{10_300: 1}] * 100, Encoded, id="a histogram"),
    ],
)
def test_which_form(starts, totals, form):
    """The smallest that says all of it."""
    segment = packed(list(starts), totals, 60)
    assert type(segment) is form
    assert segment.rows(0, 1 << 40) == (list(starts), totals)


@kinds
@settings(max_examples=40, deadline=None)
@seeds
def test_segments_grow_expire_and_give_back(kind, seed):
    """Like a dict of all that is in them."""
    (definition, total), rng = KINDS[kind], Random(seed)
    segments, plain = Segments(60), Plain(definition)
    for step in rng.choices(("add", "expire", "take"), weights=(4, 1, 1), k=15):
        if step == "add":
            rows = rows_of(rng, total, begin=max(plain.rows, default=0) // 60 + rng.choice((1, 1, 50, 2_000)), most=100)
            segments.add(array("q", rows), list(rows.values()))
            plain.rows.update(rows)
        elif step == "expire":
            before, _ = instants(rng, plain.rows)
            assert segments.expire(before) == [at for at, _ in plain.between(-(1 << 62), before)]
            plain.rows = dict(plain.between(before, 1 << 62))
        else:
            start, _ = instants(rng, plain.rows)
            taken = dict(zip(*segments.taken_from(start), strict=True))
            assert taken.items() <= plain.rows.items()
            assert {at for at in plain.rows if at >= start} <= taken.keys()
            plain.rows = {at: total for at, total in plain.rows.items() if at not in taken}
        assert segments.last == max(plain.rows, default=-(1 << 62))
        for _ in range(4):
            start, end = instants(rng, plain.rows)
            assert list(zip(*segments.rows(start, end), strict=True)) == plain.between(start, end)
            assert segments.merged(start, end, merger(definition)) == plain.aggregate(start, end)
            assert segments.next_start(start) == plain.next_start(start)
            assert segments.newest_start(start) == plain.newest_start(start)


class Unpacked(FlowHistory):
    """The slow twin: it keeps all buckets as they are."""

    __slots__ = ()

    def _pack(self, before: int) -> None:
        pass


SOURCES = (("orders", 0), ("orders", 1))


@kinds
@pytest.mark.parametrize("recent", [1, 3])
@settings(max_examples=25, deadline=None)
@seeds
def test_a_packed_history_answers_like_an_unpacked_one(kind, recent, seed):
    """Over partials in and out of order, refused late ones, chunks that end, expiry, cuts and restores."""
    (definition, total), rng = KINDS[kind], Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "RECENT_BUCKETS", recent)
        patch.setattr(flow, "PACKED_AT_ONCE", recent)
        _compare(definition, total, rng)


def _compare(definition: SeriesDef, total: Callable[[Random], Any], rng: Random) -> None:
    both: tuple[FlowHistory, FlowHistory] = FlowHistory(definition), Unpacked(definition)
    chunk, upto = dict.fromkeys(SOURCES, 0), dict.fromkeys(SOURCES, 0)
    newest, closed = 1_000, None
    for step in rng.choices(("tell", "close", "chunk", "cut", "expire"), weights=(8, 4, 1, 2, 1), k=30):
        if step == "tell":
            source = rng.choice(SOURCES)
            rows = rows_of(rng, total, begin=max(0, newest - rng.randint(-20, 60)), most=12)
            newest = max(newest, max(rows) // 60)
            upto[source] += 1
            place = (chunk[source], 0, upto[source])
            said = [history.apply(source, place, list(rows.items()), closed=closed) for history in both]
            assert said[0] == said[1]
        elif step == "close":
            closed = max(closed or 0, (newest - rng.randint(0, 30)) * 60)
        elif step == "chunk":
            source = rng.choice(SOURCES)
            chunk[source], upto[source] = chunk[source] + 1, 0
            assert both[0].fold(source) == both[1].fold(source)
        elif step == "cut":
            written = [_stored(history, definition, closed) for history in both]
            assert written[0] == written[1]
            if rng.random() < 0.5:
                both = (
                    _read(written[0], definition, FlowHistory(definition)),
                    _read(written[1], definition, Unpacked(definition)),
                )
        else:
            before = (newest - rng.randint(0, 1_500)) * 60
            assert both[0].expire(before) == both[1].expire(before)
        assert list(both[0].rows(0, 1 << 62)) == list(both[1].rows(0, 1 << 62))
        assert (both[0].is_empty, both[0].last_start, both[0].seen) == (
            both[1].is_empty,
            both[1].last_start,
            both[1].seen,
        )
        assert bool(both[0].starts) == bool(both[1].starts)
        known = dict(both[1].rows(0, 1 << 62))
        for _ in range(3):
            start, end = instants(rng, known)
            for asked in ("aggregate", "value"):
                assert getattr(both[0], asked)(start, end) == getattr(both[1], asked)(start, end)
            for asked in ("next_start", "newest_start", "last_seen"):
                assert getattr(both[0], asked)(start) == getattr(both[1], asked)(start)


def _stored(history: FlowHistory, definition: SeriesDef, closed: int | None) -> list[bytes]:
    """What is written of it alone: its parts in order, and its page."""
    table = Table(definition, Sizes())
    table.closed = closed
    table.add((), history)
    parts = flow_pages.parts(table, 0)
    pieces, _ = flow_pages.written(table, 0, 0)
    return [*(part for block in sorted(parts) for part in parts[block]), *pieces]


def _read(stored: list[bytes], definition: SeriesDef, empty: FlowHistory) -> FlowHistory:
    table = Table(definition, Sizes())
    for part in stored[:-1]:
        flow_pages.read_part(table, unpack(part), empty)
    flow_pages.read(table, 0, unpack(stored[-1]), empty)
    return table.histories[0]


SIX_WEEKS = 6 * 7 * 24 * 60


@pytest.mark.parametrize(
    ("aggregate", "total", "share", "most_kb"),
    [
        pytest.param(Aggregate.COUNT, lambda rng: 1, 1, 15, id="an order a minute"),
        pytest.param(Aggregate.COUNT, lambda rng: sum(rng.random() < 0.02 for _ in range(50)), 1, 30, id="on average"),
        pytest.param(Aggregate.COUNT, lambda rng: 1, 0.01, 3, id="an order in 1 % of the minutes"),
        pytest.param(
            Aggregate.SUM, lambda rng: [rng.randrange(90_000) * 10_000, "EUR"], 1, 270, id="money every minute"
        ),
        pytest.param(Aggregate.AVERAGE, lambda rng: [rng.randrange(90_000) * 10_000, 3], 1, 340, id="an average"),
        pytest.param(Aggregate.PERCENTILE, lambda rng: {rng.randrange(10_200, 10_500): 2}, 1, 700, id="a percentile"),
    ],
)
def test_what_six_weeks_of_minutes_take(aggregate, total, share, most_kb):
    """In memory, beside what the history itself takes: unpacked it is 970 KB for counts, 7 MB for money."""
    rng = Random(5)
    history = FlowHistory(series(aggregate, "total"))
    empty = bytes_of(history)
    for minute in range(SIX_WEEKS):
        told = total(rng) if rng.random() < share else 0
        if told:
            history.apply(SOURCES[0], (minute // 240, 0, minute), [(minute * 60, told)], closed=minute * 60 - 300)
    history.fold(SOURCES[0])
    assert history.next_start(-1) is not None
    taken = bytes_of(history) - empty
    assert taken <= most_kb * 1_024
    if share == 1:  # as `lockstep rules --cost` estimates it
        assert taken <= BYTES_A_BUCKET[aggregate] * SIX_WEEKS + BYTES_A_SERIES


def bytes_of(history: FlowHistory) -> int:
    """The bytes of an object and of all that it holds, but for code."""
    seen: dict[int, int] = {}
    to_see: list[Any] = [history]
    while to_see:
        held = to_see.pop()
        if id(held) not in seen and not isinstance(held, type) and not callable(held):
            seen[id(held)] = sys.getsizeof(held)
            to_see += gc.get_referents(held)
    return sum(seen.values())
