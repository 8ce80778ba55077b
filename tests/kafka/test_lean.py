"""Columns instead of record objects: the same records and the same positions as the client's own path."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from lockstep.adapters.stream.kafka.lean import Run, take

TP = TopicPartition("orders", 0)
ABORT, COMMIT = b"\x00\x00\x00\x00", b"\x00\x00\x00\x01"
LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 0x08, 0x10, 0x20


class Log:
    """Record batches as a broker stores them: plain ones, transactions with their markers, holes of compaction."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.parts: list[tuple[int, int, bytes]] = []  # first offset, the one after the last, bytes
        self.next = chance.randrange(50)
        self.aborted: list[tuple[int, int, int]] = []  # producer, first offset, its marker
        self._open: dict[int, int] = {}
        self._batch(-1)
        for _ in range(chance.randrange(12)):
            self._add()
        for producer in list(self._open):
            self._end(producer)

    def _add(self) -> None:
        kind = self.chance.random()
        if kind < 0.5:
            self._batch(-1)
        elif kind < 0.8:
            producer = self.chance.randrange(1, 4)
            self._open.setdefault(producer, self.next)
            self._batch(producer)
        elif self._open:
            self._end(self.chance.choice(list(self._open)))

    def _end(self, producer: int) -> None:
        begun = self._open.pop(producer)
        abort = self.chance.random() < 0.5
        if abort:
            self.aborted.append((producer, begun, self.next))
        self._batch(producer, marker=ABORT if abort else COMMIT)

    def _batch(self, producer: int, *, marker: bytes | None = None) -> None:
        chance = self.chance
        codec = 0 if marker else chance.choice([0, 1, 3, 4])
        builder = DefaultRecordBatchBuilder(2, codec, producer >= 0, producer, 0, 0, 1 << 20)
        offset = last = 0
        if marker is not None:
            builder.append(0, 1, marker, b"\x00\x00\x00\x00\x00\x00", [])
            last = 0
        else:
            holes = chance.random() < 0.3
            for _ in range(chance.randrange(1, 12)):
                value = b"v%d" % chance.randrange(10**6) if chance.random() > 0.1 else None
                headers = [("ce_id", b"%d" % chance.randrange(9))] if chance.random() < 0.2 else []
                builder.append(offset, 1_000 + offset, chance.choice([None, b"k"]), value, headers)
                last, offset = offset, offset + 1 + (chance.randrange(3) if holes else 0)
        raw = bytearray(builder.build())
        raw[0:8] = self.next.to_bytes(8, "big")
        attributes = int.from_bytes(raw[21:23], "big")
        if marker is not None:
            attributes |= CONTROL
        if chance.random() < 0.5:
            attributes |= LOG_APPEND_TIME
        raw[21:23] = attributes.to_bytes(2, "big")
        end = self.next + last + 1
        self.parts.append((self.next, end, bytes(raw)))
        self.next = end + chance.choice([0, 0, 0, 2])

    def start(self) -> int:
        """Any offset within any batch."""
        first, end, _ = self.chance.choice(self.parts)
        return self.chance.randrange(first, end)

    def records(self, start: int) -> Any:
        """What a broker sends for this offset: from the batch that holds it on, and the aborted ones still to end."""
        raw = b"".join(part for _, end, part in self.parts if end > start)
        aborted = [(producer, first) for producer, first, marker in self.aborted if marker >= start]
        # Not checked, for the checksums are those of before the attributes were set.
        return PartitionRecords(TP, MemoryRecords(raw), aborted, start, None, None, False, READ_COMMITTED)


def rows(run: Run) -> Iterator[tuple[Any, ...]]:
    headers = run.headers or [()] * len(run.offsets)
    keys = run.keys if run.keyed else [None] * len(run.offsets)
    return zip(run.offsets, keys, run.values, run.timestamps_ms, headers, strict=True)


@pytest.mark.parametrize("seed", range(20))
def test_the_same_as_the_client(seed: int) -> None:
    """100 random logs a seed, read from any offset, in pieces of any size, compared record by record."""
    chance = random.Random(seed)
    for _ in range(100):
        log = Log(chance)
        start = log.start()
        stock = log.records(start)
        keyed = chance.random() < 0.5
        expected = [(r.offset, r.key if keyed else None, r.value, r.timestamp, tuple(r.headers)) for r in stock]
        most = chance.choice([1, 2, 3, 7, 20, 1_000])
        lean, found, more = log.records(start), [], True
        while more:
            position = lean.next_fetch_offset
            run, more = take(lean, most, keyed=keyed)
            assert keyed or not run.keys
            taken = list(rows(run))
            assert all(position <= row[0] < lean.next_fetch_offset for row in taken)
            assert not more or len(taken) >= most
            found += taken
        assert found == expected
        assert lean.next_fetch_offset == stock.next_fetch_offset == log.parts[-1][1]


def test_a_damaged_batch_is_refused() -> None:
    """The checksum is looked at before anything is taken from a batch."""
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 20)
    builder.append(0, 1, None, b"value", [])
    raw = bytearray(builder.build())
    raw[-3] ^= 1
    records = PartitionRecords(TP, MemoryRecords(bytes(raw)), None, 0, None, None, True, READ_COMMITTED)
    with pytest.raises(CorruptRecordException):
        take(records, 10)


@pytest.mark.parametrize(("end", "offsets", "next_"), [(None, [3, 4, 9], 12), (12, [3, 4, 9], 12), (9, [3, 4], 9)])
def test_a_run_as_a_batch(end: int | None, offsets: list[int], next_: int) -> None:
    """Cut off at the end that was asked for, and going on where it was cut."""
    run = Run([3, 4, 9], [b"a", None, b"c"], [None, b"k", None], [1, 2, 3])
    batch = run.batch("orders", 0, start=2, next_=12, end=end)
    assert (list(batch.offsets), batch.previous, batch.next) == (offsets, 1, next_)
    assert len(batch.values) == len(batch.keys) == len(batch.timestamps_ms) == len(offsets)
