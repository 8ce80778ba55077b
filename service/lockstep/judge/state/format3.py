"""Format 3, in which series were stored at first: an entry a group and block. It is read, and written no more.

key               value
s series labels   how far each source partition has told a flow: [[role, partition, chunk, first, upto] …], seen
b series labels n its block of buckets number n: base, open, refused
l series labels   a level
"""

from typing import Any

from lockstep.judge.state.rows import SeriesKey
from lockstep.measure.history import FlowHistory, unpack

HEAD, BLOCK, LEVEL = b"s", b"b", b"l"
"""What the keys begin with."""


def series_of_key(key: bytes) -> tuple[SeriesKey, list[Any]]:
    """The series that a key speaks of, and what follows it there: a block's number."""
    series, labels, *rest = unpack(key[1:])
    return (series, tuple(labels)), rest


def read_head(history: FlowHistory, value: bytes) -> None:
    rows, history.seen = unpack(value)
    history.places = {(role, p): (chunk, first, upto) for role, p, chunk, first, upto in rows}


def read_block(history: FlowHistory, value: bytes) -> None:
    """In the order of their numbers."""
    base, opened, refused = unpack(value)
    rows = sorted(base, key=lambda row: row[0])
    history.put([bucket for bucket, _ in rows], [total for _, total in rows])
    for columns, put in ((opened, history.put_open), (refused, history.put_refused)):
        for role, partition, part in columns:
            for bucket, aggregate in part:
                put((role, partition), bucket, aggregate)
