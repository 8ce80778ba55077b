"""Fetched Kafka records as lists, without one Python object handed on per record.

The client builds a record object for each record, which costs more than decoding and counting the event in it. Here
a fetched run becomes columns. The client's own rules stay: checksums, aborted transactions, control batches, holes of
compaction, the position after the last batch. It reads private parts of aiokafka.consumer.fetcher.PartitionRecords;
a randomised test compares it with that class, and LOCKSTEP_KAFKA_LEAN=false does without it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import CorruptRecordException

from lockstep.ports import Batch, Headers

LOG_APPEND_TIME = 1


_VALUE, _KEY, _TIMESTAMP, _HEADERS = map(attrgetter, ("value", "key", "timestamp", "headers"))


@dataclass(slots=True)
class Run:
    """Records of one partition in columns. headers: as long as the others, or None when no record has any.

    keyed: whether keys are read; they are as long as the others then, and empty otherwise.
    """

    offsets: list[int] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    timestamps_ms: list[int] = field(default_factory=list)
    headers: list[Headers] | None = None
    append_time: bool = True
    keyed: bool = True

    def add(self, records: Iterable[Any]) -> None:
        """Records of the client, as it iterates them."""
        rows = list(records)
        if not rows:
            return
        before = len(self.offsets)
        first, last = rows[0].offset, rows[-1].offset
        # Offsets only rise: where the ends are so far apart, none is missing between them.
        self.offsets += range(first, last + 1) if last - first + 1 == len(rows) else [r.offset for r in rows]
        self.values += map(_VALUE, rows)
        if self.keyed:
            self.keys += map(_KEY, rows)
        self.timestamps_ms += map(_TIMESTAMP, rows)
        if self.headers is not None or any(map(_HEADERS, rows)):
            if self.headers is None:
                self.headers = [()] * before
            self.headers += [tuple((k, v or b"") for k, v in row.headers) for row in rows]

    def batch(self, topic: str, partition: int, *, start: int, next_: int, end: int | None = None) -> Batch:
        """As ports.Batch. start: the position it was read from; next_: the one after it; end: cut off from there on."""
        keep = len(self.offsets)
        if end is not None and next_ > end:
            next_ = end
            while keep and self.offsets[keep - 1] >= end:
                keep -= 1
        return Batch(
            topic=topic,
            partition=partition,
            offsets=self.offsets[:keep],
            values=self.values[:keep],
            keys=self.keys[:keep],
            timestamps_ms=self.timestamps_ms[:keep],
            previous=start - 1,
            next=next_,
            headers=None if self.headers is None else self.headers[:keep],
            append_time=self.append_time,
        )


def take(records: Any, most: int, *, keyed: bool = True) -> tuple[Run, bool]:
    """Whole record batches from a PartitionRecords until `most` records are reached; whether any are left.

    keyed: whether to read keys. records.next_fetch_offset is the position afterwards. Raises CorruptRecordException.
    """
    run = Run(keyed=keyed)
    source = records._records
    while source.has_next():
        batch = source.next_batch()
        if records._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"invalid checksum in {records._tp}")
        if records._isolation_level == READ_COMMITTED and batch.producer_id is not None:
            records._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and records._contains_abort_marker(batch):
                records._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in records._aborted_producers:
                records.next_fetch_offset = batch.next_offset
                continue
        if batch.is_control_batch:
            records.next_fetch_offset = batch.next_offset
            continue
        position = records.next_fetch_offset
        # The broker sends whole batches, so the first may begin before the position asked for.
        whole = getattr(batch, "base_offset", -1) >= position  # batches of before Kafka 0.11 do not say
        run.add(batch if whole else (r for r in batch if r.offset >= position))
        if getattr(batch, "timestamp_type", None) != LOG_APPEND_TIME:
            run.append_time = False
        records.next_fetch_offset = batch.next_offset
        if len(run.offsets) >= most:
            break
    return run, source.has_next()
