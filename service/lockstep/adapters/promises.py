"""What the end of the samples topic says of a source partition: what was promised of it, and how far it was read."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from lockstep.measure.sample import FORMAT, Frame, Promise, decode
from lockstep.ports import Broker

FIRST_LOOK, FURTHEST_LOOK = 64, 16_384
"""Records from the end. Every partition is spoken of at least once a second, so the first look mostly finds it."""

SILENT_S = 5.0
"""A worker that has said nothing for so long is gone, or does not reach its broker."""


async def last_promise(broker: Broker, samples: str, *, source: str, partition: int) -> Promise | None:
    """The newest promise about a partition of the source topic with this id; None where none is near the end.

    Every partition of the samples topic holds it; it is looked for in the first.
    """
    earliest, end = (await broker.bounds(samples))[0]
    seen_from, reach = end, FIRST_LOOK
    while seen_from > earliest and reach <= FURTHEST_LOOK:
        start = max(earliest, end - reach)
        promise = None
        async for batch in broker.read(samples, 0, start, seen_from):
            for value in batch.values:
                promise = _promise(value, source, partition) or promise
        if promise is not None:
            return promise
        seen_from, reach = start, reach * 4
    return None


async def unread_events(broker: Broker, samples: str, topics: Iterable[str], *, now: datetime) -> int:
    """How many events wait in source topics that no worker reads: none of them can be part of an alert yet.

    samples, topics: the samples topic and the source topics. 0 while a worker speaks up: what it has not read yet is on
    its way.
    """
    known = dict(await broker.describe([samples, *topics]))
    read_to: dict[tuple[str, int], int] = {}
    is_whole = True
    if known.pop(samples, None) is not None:
        earliest, end = (await broker.bounds(samples))[0]
        async for batch in broker.read(samples, 0, max(earliest, end - FIRST_LOOK), end):
            if batch.timestamps_ms[-1] > (now.timestamp() - SILENT_S) * 1000:
                return 0
        start = max(earliest, end - FURTHEST_LOOK)
        is_whole = start == earliest
        async for batch in broker.read(samples, 0, start, end):
            for value in batch.values:
                frame = _frame(value)
                if frame is not None and frame.progress is not None:
                    place = frame.source, frame.partition
                    # A worker that starts reads again from the chunk's head; what was read stays read.
                    read_to[place] = max(frame.upto + 1, read_to.get(place, 0))
    waiting = 0
    for name, info in known.items():
        for partition, (earliest, end) in (await broker.bounds(name)).items():
            place = info.id, partition
            if place not in read_to and not is_whole:
                continue  # it may have been read, long ago
            start = max(earliest, read_to.get(place, 0))
            # What lies before the end may be markers that nobody is handed.
            if start < end and [b async for b in broker.read(name, partition, start, min(end, start + 1_000)) if b]:
                waiting += end - start
    return waiting


def _frame(value: bytes | None) -> Frame | None:
    try:
        frame = decode(value or b"")
    except msgspec.MsgspecError:
        return None  # the judge says what is wrong with it
    return frame if frame.format == FORMAT else None


def _promise(value: bytes | None, source: str, partition: int) -> Promise | None:
    frame = _frame(value)
    if frame is None or (frame.source, frame.partition) != (source, partition) or frame.progress is None:
        return None
    return frame.progress.promise
