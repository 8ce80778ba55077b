"""Flow histories: what a window says, whatever came twice, late, or after its block was sealed and stored."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.judge.state import Sizes, flow_pages
from lockstep.judge.state.rows import Table
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.history import BUCKETS_PER_BLOCK, FlowHistory, unpack

BLOCK_S = BUCKETS_PER_BLOCK * 60
SOURCES = (("orders", 0), ("orders", 1))
UNITS = SeriesDef(Aggregate.SUM, "order.placed", "orders", field="lines.quantity")


def read_back(history: FlowHistory, series: SeriesDef) -> FlowHistory:
    """The history that a cut and its restore make of it."""
    table, again = Table(series, Sizes()), Table(series, Sizes())
    table.add((), history)
    pieces, _ = flow_pages.written(table, 0, 0)
    for piece in pieces:
        flow_pages.read(again, 0, unpack(piece), FlowHistory(series))
    return again.histories[0]


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("told"),
            st.sampled_from(SOURCES),
            st.lists(st.tuples(st.integers(0, 5), st.integers(-9, 9)), min_size=1, max_size=4),
        ),
        st.tuples(st.just("chunk"), st.sampled_from(SOURCES)),
        st.tuples(st.just("cut")),
        st.tuples(st.just("expire"), st.integers(0, 2)),
    ),
    max_size=25,
)


@given(steps)
def test_a_window_is_the_sum_of_what_was_told(steps):
    """Buckets lie in three blocks; each chunk's partial grows, is told again, and ends."""
    history = FlowHistory(UNITS)
    chunk, upto = dict.fromkeys(SOURCES, 0), dict.fromkeys(SOURCES, 0)
    partial = {s: Counter() for s in SOURCES}
    truth = Counter()
    forgotten = 0
    for step in steps:
        if step[0] == "told":
            _, source, rows = step
            for place, amount in rows:
                bucket = place * BLOCK_S // 2
                partial[source][bucket] += amount
                if bucket >= forgotten:
                    truth[bucket] += amount
                else:
                    del partial[source][bucket]
            upto[source] += 1
            for _ in range(2):  # a replay changes nothing
                history.apply(source, (chunk[source], 0, upto[source]), sorted(partial[source].items()), closed=None)
        elif step[0] == "chunk":
            source = step[1]
            chunk[source] += 1
            upto[source] = 0
            partial[source].clear()
            history.fold(source)
        elif step[0] == "cut":
            history = read_back(history, UNITS)
        else:
            forgotten = max(forgotten, step[1] * BLOCK_S)
            history.expire(forgotten)
            for bucket in [b for b in truth if b < forgotten]:
                del truth[bucket]
                for source in SOURCES:
                    partial[source].pop(bucket, None)
        for start in range(0, 3 * BLOCK_S, BLOCK_S // 2):
            for end in (start + 60, start + BLOCK_S, 3 * BLOCK_S):
                wanted = [truth[b] for b in truth if start <= b < end]
                assert history.aggregate(start, end) == (sum(wanted) if wanted else None)


@pytest.mark.parametrize("stored", [False, True])
def test_a_sum_beyond_64_bits_is_kept_exactly(stored):
    """It has no value, and what leaves the window gives it one again."""
    history = FlowHistory(UNITS)
    history.apply(SOURCES[0], (0, 0, 1), [(0, 2**62), (60, 7)], closed=None)
    history.apply(SOURCES[1], (0, 0, 1), [(0, 2**62)], closed=None)
    if stored:
        history = read_back(history, UNITS)
    assert history.aggregate(0, 120) == 2**63 + 7
    assert history.value(0, 60) is None
    assert history.value(60, 120) == 7


def test_what_a_group_has_open_is_its_own():
    """What groups have none of they share; what one is told, refused or folds, no other knows of."""
    told, other = FlowHistory(UNITS), FlowHistory(UNITS).of_another_group()
    told.apply(SOURCES[0], (0, 0, 1), [(0, 3), (60, 4)], closed=None)
    told.apply(SOURCES[1], (0, 0, 1), [(60, 5)], closed=60)
    told.apply(SOURCES[1], (0, 0, 2), [(0, 6), (60, 5)], closed=60)
    assert told.fold(SOURCES[0])
    assert ([*told.opened()], [*told.refused()]) == ([(SOURCES[1], 60, 5)], [(SOURCES[1], 0, 6)])
    assert (told.base(0, 120), told.value(0, 120)) == (([0, 60], [3, 4]), 12)
    assert other.is_empty
    assert ([*other.opened()], [*other.refused()], other.base(0, 120)) == ([], [], ([], []))
    assert told.fold(SOURCES[1])
    assert ([*told.opened()], [*told.refused()], told.base(0, 120)) == ([], [], ([0, 60], [3, 9]))
