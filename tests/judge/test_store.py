"""How histories are stored: cut and restored anywhere, they are what they would be without, and little is written."""

from collections import defaultdict
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.workload.fold import remembered

from lockstep.judge.histories import Histories, Kept
from lockstep.judge.state import JudgeCounts, Sizes
from lockstep.judge.state.journal import JOURNAL, steps_of
from lockstep.judge.state.rows import PAGE, PART
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.history import unpack
from lockstep.measure.sample import LevelValue, Partial

SMALL = Sizes(rows=3, journal=12, bytes=300, old_entries=2, buckets=4)
"""So that a few dozen steps fill pages, blocks and journal, and divide entries."""

ORDERS = SeriesDef(Aggregate.COUNT, "order.placed", "orders", by=("channel",))
REVENUE = SeriesDef(Aggregate.SUM, "order.placed", "orders", field="total")
UNITS = SeriesDef(Aggregate.SUM, "order.placed", "orders", field="lines.quantity", by=("sku",), line_labels=("sku",))
HOURS = SeriesDef(Aggregate.PERCENTILE, "order.shipped", "orders", field="hours_to_ship", quantile=0.9)
STOCK = SeriesDef(Aggregate.LAST, "stock.level", "inventory", field="available", by=("sku",), bucket_s=0)
FLOWS = (ORDERS, REVENUE, UNITS, HOURS)
SOURCES = (("orders", 0), ("orders", 1))
NAMES = tuple("abcdefgh")


def histories_of(*series: SeriesDef, sizes: Sizes = SMALL, stores: bool = True) -> Histories:
    kept = {s.id: Kept(buckets_s=900, memory_s=3_600) for s in series if not s.is_level}
    return Histories({s.id: s for s in series}, kept, JudgeCounts(), sizes, stores=stores)


class Shop:
    """What meters tell, of a few groups: cumulative in each chunk, some of it late, some of it again."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.minute = 1_000
        self.closed: int | None = None
        self._chunk = dict.fromkeys(SOURCES, 0)
        self._upto = dict.fromkeys(SOURCES, 0)
        self._told: defaultdict[Any, dict[int, Any]] = defaultdict(dict)
        self._offset = 0

    def partials(self) -> tuple[tuple[str, int], tuple[int, int, int], list[Partial], int | None]:
        rng, source = self.rng, self.rng.choice(SOURCES)
        self._upto[source] += 1
        partials = []
        for series in rng.sample(FLOWS, 2):
            labels = (rng.choice(NAMES),) if series.by else ()
            told = self._told[source, series.id, labels]
            changed = sorted(
                {(self.minute - rng.choice((0, 0, 0, 1, 1, 2, 9))) * 60 for _ in range(rng.choice((1, 2)))}
            )
            for bucket in changed:
                told[bucket] = _more(series, told.get(bucket), rng.randrange(1, 9))
            partials.append(Partial(series.id, labels, [(bucket, told[bucket]) for bucket in changed]))
        # What a series that has just been defined is told of the past comes late for nobody.
        closed = None if rng.random() < 0.1 else self.closed
        return source, (self._chunk[source], 0, self._upto[source]), partials, closed

    def next_chunk(self) -> tuple[tuple[str, int], tuple[int, int, int]]:
        source = self.rng.choice(SOURCES)
        self._chunk[source] += 1
        self._upto[source] = 0
        for key in [key for key in self._told if key[0] == source]:
            del self._told[key]
        return source, (self._chunk[source], 0, 0)

    def level(self) -> LevelValue:
        self._offset += 1
        at = self.minute * 60_000_000 - self.rng.choice((0, 0, 90_000_000))
        return LevelValue(STOCK.id, (self.rng.choice(NAMES),), self.rng.choice("xy"), at, self._offset, 7, "e")


def _more(series: SeriesDef, old: Any, amount: int) -> Any:
    if series is HOURS:
        return {**(old or {}), 10_000 + amount: 1 + (old or {}).get(10_000 + amount, 0)}
    if series is REVENUE:
        return [(old[0] if old else 0) + amount * 10_000, "EUR"]
    return (old or 0) + amount * (1_000_000 if series is UNITS else 1)


def play(shop: Shop, all_of_it: list[Histories], step: str) -> None:
    if step == "tell":
        source, place, partials, closed = shop.partials()
        for histories in all_of_it:
            for partial in partials:
                histories.take_partial(source, place, partial, closed=closed)
    elif step == "level":
        value = shop.level()
        for histories in all_of_it:
            histories.take_level(("inventory", 0), value, asked_from_us=0)
    elif step == "chunk":
        source, place = shop.next_chunk()
        for histories in all_of_it:
            histories.fold(source, place)
    elif step == "time":
        shop.minute += shop.rng.choice((1, 1, 3, 8))
        shop.closed = (shop.minute - 2) * 60
    elif step == "expire" and shop.closed is not None:
        for histories in all_of_it:
            histories.expire({s.id: shop.closed for s in (*FLOWS, STOCK)})


def kept_after(histories: Histories, stored: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """What is stored after a cut."""
    entries: dict[bytes, bytes | None] = {**stored}
    histories.store(entries)
    return {key: value for key, value in entries.items() if value is not None}


STEPS = {"tell": 30, "level": 6, "time": 8, "chunk": 2, "expire": 1, "cut": 8, "restart": 4}


@pytest.mark.parametrize("sizes", [SMALL, replace(SMALL, journal=0), replace(SMALL, rows=1, journal=60), Sizes()])
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_a_restart_changes_nothing(sizes, seed):
    """Partials in and out of order, refused and repeated, chunks that end, groups that come, go and come back."""
    shop = Shop(seed)
    whole, other = (histories_of(*FLOWS, STOCK, sizes=sizes) for _ in range(2))
    stored: dict[bytes, bytes] = {}
    for step in shop.rng.choices(tuple(STEPS), weights=tuple(STEPS.values()), k=150):
        if step in ("cut", "restart"):
            stored = kept_after(other, stored)
            # Entries of nobody pile up where one is not given up.
            assert remembered(other) == remembered(whole)
        if step == "restart":
            other = histories_of(*FLOWS, STOCK, sizes=sizes)
            other.restore(stored)
            assert remembered(other) == remembered(whole)
            assert kept_after(other, stored) == stored
        else:
            play(shop, [whole, other], step)


def run(histories: Histories, shop: Shop, steps: int, *, cut_every: int = 3) -> dict[bytes, bytes]:
    """What is stored after so many steps."""
    stored: dict[bytes, bytes] = {}
    for number in range(steps):
        play(shop, [histories], "time" if number % 5 == 0 else "tell")
        if number % 97 == 0:
            play(shop, [histories], "chunk")
        if number % cut_every == 0:
            stored = kept_after(histories, stored)
    return kept_after(histories, stored)


def test_a_cut_writes_one_entry():
    """For all series that were told something, however many groups; nothing, where nothing came."""
    histories, shop = histories_of(*FLOWS, STOCK, sizes=Sizes()), Shop(1)
    for _ in range(20):
        play(shop, [histories], "tell")
        play(shop, [histories], "level")
    entries: dict[bytes, bytes | None] = {}
    histories.store(entries)
    assert [key[:1] for key in entries] == [JOURNAL]
    entries.clear()
    histories.store(entries)
    assert entries == {}


def test_the_journal_is_shortened_and_blocks_are_written_once():
    """It stays about as long as all pages are; a part, once written, is written no more."""
    histories, shop = histories_of(*FLOWS), Shop(2)
    parts: dict[bytes, bytes] = {}
    longest, stored = 0, dict[bytes, bytes]()
    for number in range(400):
        play(shop, [histories], "time" if number % 5 == 0 else "tell")
        if number % 20 == 0:
            play(shop, [histories], "chunk")
        entries: dict[bytes, bytes | None] = {}
        histories.store(entries)
        for key, value in entries.items():
            if key[:1] == PART and value is not None:
                assert key not in parts
                parts[key] = value
        stored = {key: value for key, value in {**stored, **entries}.items() if value is not None}
        longest = max(longest, sum(len(steps_of(stored[key])) for key in stored if key[:1] == JOURNAL))
    assert len(parts) > 20
    assert longest < 100
    assert {key[:1] for key in stored} == {PAGE, PART, JOURNAL}


def test_a_part_is_small():
    """A byte for where a bucket lies and one or two for its number, in whole things."""
    sizes = Sizes(journal=0)
    units = histories_of(UNITS, sizes=sizes)
    for minute in range(500):
        partial = Partial(UNITS.id, ("a",), [(minute * 60, (1 + minute % 100) * 1_000_000)])
        units.take_partial(SOURCES[0], (minute, 0, 0), partial, closed=minute * 60)
    stored = kept_after(units, {})
    first = min((key for key in stored if key[:1] == PART), key=lambda key: unpack(key[1:]))
    assert len(stored[first]) < 240 * 2.2 + 40


def test_what_expires_is_removed():
    histories, shop = histories_of(*FLOWS), Shop(3)
    stored = run(histories, shop, 200)
    shop.minute += 10_000
    shop.closed = shop.minute * 60
    play(shop, [histories], "chunk")
    histories.expire({s.id: shop.closed for s in FLOWS})
    stored = kept_after(histories, stored)
    assert histories.flows == {}
    assert not [key for key in stored if key[:1] == PART]
    again = histories_of(*FLOWS)
    again.restore(stored)
    assert again.flows == {}


def test_what_is_of_a_series_that_is_no_more_is_removed():
    """Also from the journal: measured again one day, it begins with nothing."""
    stored = run(histories_of(*FLOWS), Shop(4), 100)
    without = histories_of(ORDERS)
    without.restore(stored)
    expected = remembered(without)
    stored = kept_after(without, stored)
    assert {unpack(key[1:])[0] for key in stored if key[:1] in (PAGE, PART)} == {ORDERS.id}
    again = histories_of(*FLOWS)
    again.restore(stored)
    assert remembered(again) == expected
    again.take_partial(SOURCES[0], (9, 0, 1), Partial(UNITS.id, ("z",), [(60, 5)]), closed=None)
    stored = kept_after(again, stored)
    last = histories_of(*FLOWS)
    last.restore(stored)
    assert remembered(last) == remembered(again)
    assert [labels for name, labels in last.flows if name == UNITS.id] == [("z",)]


def test_who_stores_nothing_keeps_nothing():
    """A replay makes no cuts."""
    stores, stores_nothing = histories_of(*FLOWS), histories_of(*FLOWS, stores=False)
    shop = Shop(5)
    for _ in range(10):
        play(shop, [stores, stores_nothing], "tell")
    assert remembered(stores_nothing) == remembered(stores)
    assert kept_after(stores, {})
    assert kept_after(stores_nothing, {}) == {}
