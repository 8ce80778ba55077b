"""Samples: what the meter tells the judge. One frame speaks of one source partition up to one offset.

A frame carries, for every series that changed, the cumulative aggregates of the current chunk in the buckets that
changed, and each level value one by one. The last one of a flush has `progress` set, which is also a promise:
everything up to `upto` has been sent. All frames of a samples partition are in the order in which they were published.
"""

from typing import Any

import msgspec

FORMAT = 1


class Partial(msgspec.Struct, array_like=True, frozen=True):
    """One series' aggregates within the chunk: cumulative from its first offset to the frame's `upto`.

    buckets: (start in seconds since the epoch, aggregate) of those that changed.
    """

    series: str
    labels: tuple[str, ...]
    buckets: list[tuple[int, Any]]


class LevelValue(msgspec.Struct, array_like=True, frozen=True):
    """One value of a level. identity: which thing it is the level of (stock: sku and location).

    time_us: event time in microseconds; offset: place in the source partition; value in millionths;
    event: the source and id of the event that set it.
    """

    series: str
    labels: tuple[str, ...]
    identity: str
    time_us: int
    offset: int
    value: int
    event: str


class Promise(msgspec.Struct, array_like=True, frozen=True):
    """What has been promised of a source partition, over all assignments; microseconds.

    watermark: the highest. event, wall: the event time that its event clock was set to last, and when that was.
    """

    watermark: int
    event: int
    wall: int


class Progress(msgspec.Struct, array_like=True, frozen=True):
    """How far a source partition has been read. Times in microseconds, None before its first event.

    newest: its newest event time; oldest: the oldest event time that this meter saw; watermark: event time up to which
    everything is believed to be in. silent: it never had an event and was read to its end for `idle_after`.
    begins: set on the first progress of an assignment: the ids of all series that the meter measures from here on.
    complete: with `begins`, whether the meter began at the partition's very first record.
    counted: with `begins`, the event time from which on nothing is missing in what the meter counts; None: unknown.
    promise: what the meter of the next assignment has to hold; None before the first event.
    ended: of imported events (`lockstep.event.imports`), when their import ended; None while it goes on.
    """

    newest: int | None
    oldest: int | None
    watermark: int | None
    silent: bool
    begins: list[str] | None = None
    complete: bool = False
    counted: int | None = None
    promise: Promise | None = None
    ended: int | None = None


class Frame(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """role: orders, traffic, … ; partitions: how many the source topic has; source: the topic's id.

    chunk: offset // chunk_size; first: the first offset of the chunk that is included (later than the chunk's head
    when retention removed it); upto: the last one included, first - 1 when none is.
    """

    format: int = FORMAT
    role: str
    partition: int
    partitions: int
    source: str
    chunk_size: int
    chunk: int
    first: int
    upto: int
    partials: list[Partial] = []
    levels: list[LevelValue] = []
    progress: Progress | None = None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Frame)


def encode(frame: Frame) -> bytes:
    return _ENCODER.encode(frame)


def decode(value: bytes) -> Frame:
    """Raises msgspec.MsgspecError for anything that is no frame; the caller looks at `format`."""
    return _DECODER.decode(value)
