"""What was promised of a source partition before: found near the end of the samples topic."""

import msgspec

from lockstep.measure.sample import FORMAT, Promise, decode
from lockstep.ports import Broker

FIRST_LOOK, FURTHEST_LOOK = 64, 16_384
"""Records from the end. Every partition is spoken of at least once a second, so the first look mostly finds it."""


async def last_promise(broker: Broker, samples: str, *, source: str, partition: int) -> Promise | None:
    """The newest promise about a partition of the source topic with this id; None where none is near the end.

    Every partition of the samples topic holds it; it is looked for in the first.
    """
    earliest, end = (await broker.bounds(samples))[0]
    seen_from, reach = end, FIRST_LOOK
    while seen_from > earliest and reach <= FURTHEST_LOOK:
        start = max(earliest, end - reach)
        found = None
        async for batch in broker.read(samples, 0, start, seen_from):
            for value in batch.values:
                found = _promise(value, source, partition) or found
        if found is not None:
            return found
        seen_from, reach = start, reach * 4
    return None


def _promise(value: bytes | None, source: str, partition: int) -> Promise | None:
    try:
        frame = decode(value or b"")
    except msgspec.MsgspecError:
        return None  # the judge says what is wrong with it
    if frame.format != FORMAT or (frame.source, frame.partition) != (source, partition) or frame.progress is None:
        return None
    return frame.progress.promise
