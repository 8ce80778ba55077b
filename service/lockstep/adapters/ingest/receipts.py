"""What became of each event at our own doors: read back from the log, and decided as the meter decides.

An event that the broker has may still count for nothing: its id came before, or its time is ahead of the broker's
clock. Both follow from the records of its partition alone, so whoever reads them gives the meter's answer; a test holds
the two together. What comes too late for a closed bucket only the judge knows, later.

What this door published itself is known without reading it back: only what others wrote in between is read.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lockstep.errors import BrokerError
from lockstep.event import TYPES, Decoder, Refused
from lockstep.ports import Batch, Broker, Record
from lockstep.text.figures import duration_words
from lockstep.text.rfc3339 import SECOND
from lockstep.yaml.document import did_you_mean

READ_BACK_S = 2.0
"""How long is read at most: the events are safe already, and their sender waits for the answer."""
MOST_BETWEEN = 1_000
"""Records of others between two POSTs that are read; of more of them only the last so many, or a door beside a busy
producer would read its whole topic. A repeat of what was skipped is said to be accepted."""


class Outcome(StrEnum):
    """The words are those of the metrics and of `lockstep.dead-events`."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    FUTURE = "future"
    UNKNOWN = "unknown"


IN_WORDS = {
    Outcome.ACCEPTED: "accepted",
    Outcome.DUPLICATE: "known already",
    Outcome.FUTURE: "ahead of the clock",
    Outcome.UNKNOWN: "unknown type",
}


@dataclass(frozen=True)
class Receipt:
    """detail: why it does not count, and what to do; "" where it does."""

    outcome: Outcome
    detail: str = ""


ACCEPTED = Receipt(Outcome.ACCEPTED)
_DUPLICATE = Receipt(Outcome.DUPLICATE, "its id and source came before; only the first of them is looked at")


def unknown_type(name: str) -> Receipt:
    """The receipt of an event whose type is not ours: it is counted and ignored, no topic is meant for it."""
    return Receipt(Outcome.UNKNOWN, f"type '{name[:100]}' is none that rules read; {did_you_mean(name, TYPES)}")


class _Window:
    """The ids in the last two chunks of a partition, and which records since `start` count for nothing.

    start: where reading began, the head of a chunk.
    """

    def __init__(self, start: int, decoder: Decoder, *, chunk_size: int, future_limit_us: int) -> None:
        self.start = self.next = start
        self._size, self._limit_us = chunk_size, future_limit_us
        self._decoder = decoder
        self._chunk = start // chunk_size
        self._ids: set[tuple[str, str]] = set()
        self._ids_before: set[tuple[str, str]] = set()
        self._odd: dict[int, Receipt] = {}
        self._own: dict[int, Batch] = {}

    def publish(self, batch: Batch) -> None:
        """What this door has published is taken from here when its turn comes, not read back."""
        if batch.next > self.next:
            self._own[batch.offsets[0]] = batch

    def take_own(self) -> bool:
        """Feed the batch of our own that comes next, if one does."""
        batch = self._own.pop(self.next, None)
        if batch is not None:
            self.feed(batch)
        return batch is not None

    def skip_to(self, offset: int) -> None:
        """Look no further back than this; what lies before it and was not read yet is not known."""
        own = [first for first in self._own if first >= self.next]
        self.next = max(self.next, min([offset, *own]))

    def gap(self, end: int) -> tuple[int, int]:
        """[start, end) of the records that have to be read before the next of our own, or `end`."""
        self._own = {first: batch for first, batch in self._own.items() if first >= self.next}
        return self.next, min([end, *(first for first in self._own)])

    def feed(self, batch: Batch) -> None:
        events = self._decoder.decode(batch.values, batch.headers)
        for offset, event, at_ms in zip(batch.offsets, events, batch.timestamps_ms, strict=True):
            self._enter(offset // self._size)
            if event is None or event.__class__ is Refused:
                continue
            key = (event.source, event.id)
            came_before = key in self._ids or key in self._ids_before
            self._ids.add(key)  # also what is a duplicate itself: a meter that starts with this chunk knows no other
            if came_before:
                self._odd[offset] = _DUPLICATE
                continue
            ahead_us = round(event.time.timestamp() * SECOND) - at_ms * 1000
            if ahead_us > self._limit_us:
                self._odd[offset] = Receipt(
                    Outcome.FUTURE,
                    f"its time is {duration_words(ahead_us / SECOND)} ahead of the broker's clock; it is not "
                    "counted, `lockstep dead events` lists it",
                )
        self.next = max(self.next, batch.next)

    def _enter(self, chunk: int) -> None:
        if chunk == self._chunk:
            return
        self._ids_before = self._ids if chunk == self._chunk + 1 else set()
        self._ids = set()
        self._chunk = chunk
        oldest = (chunk - 1) * self._size
        self._odd = {offset: receipt for offset, receipt in self._odd.items() if offset >= oldest}
        self.start = max(self.start, oldest)

    def receipt(self, offset: int) -> Receipt:
        return self._odd.get(offset, ACCEPTED)


class Receipts:
    """Publishes, and says of each event what became of it. Remembers the ids of two chunks of each partition in use."""

    def __init__(
        self,
        broker: Broker,
        *,
        clock: Callable[[], datetime],
        chunk_size: int,
        future_limit_s: float,
        decoder: Decoder | None = None,
        most_between: int | None = None,
    ) -> None:
        """clock: says when the broker gets what is published now. most_between: see MOST_BETWEEN; None reads all."""
        self._broker, self._clock, self._most_between = broker, clock, most_between
        self._decoder = decoder or Decoder()
        self._size, self._limit_us = chunk_size, round(future_limit_s * SECOND)
        self._windows: dict[tuple[str, int], _Window] = {}
        self._locks: dict[tuple[str, int], asyncio.Lock] = {}

    async def publish(self, events: Sequence[Record | Receipt]) -> list[Receipt]:
        """The receipt of each, in order; what has one already is not published. Raises BrokerError: none was taken.

        Where the broker cannot be read back in time, what it took is said to be accepted, which it is.
        """
        records = [event for event in events if isinstance(event, Record)]
        places = await self._broker.publish(records) if records else []
        offsets: dict[tuple[str, int], list[int]] = {}
        for record, (partition, offset) in zip(records, places, strict=True):
            offsets.setdefault((record.topic, partition), []).append(offset)
        self._remember(records, places, offsets)
        by_place: dict[tuple[str, int, int], Receipt] = {}
        unread = {}
        for tp, wanted in offsets.items():
            if not self._read_own(tp, wanted, by_place):
                unread[tp] = wanted
        if unread:
            with contextlib.suppress(BrokerError, TimeoutError):
                async with asyncio.timeout(READ_BACK_S):
                    for tp, wanted in unread.items():
                        await self._read(tp, wanted, by_place)
        given = iter(
            by_place.get((record.topic, *place), ACCEPTED) for record, place in zip(records, places, strict=True)
        )
        return [next(given) if isinstance(event, Record) else event for event in events]

    def _remember(
        self,
        records: Sequence[Record],
        places: Sequence[tuple[int, int]],
        offsets: dict[tuple[str, int], list[int]],
    ) -> None:
        """Keep what was published for the windows that are there, in runs without a hole."""
        at_ms = round(self._clock().timestamp() * 1000)
        by_place = {(r.topic, *place): r for r, place in zip(records, places, strict=True)}
        for (topic, partition), of_partition in offsets.items():
            window = self._windows.get((topic, partition))
            if window is None:
                continue
            for run in _runs(sorted(of_partition)):
                published = [by_place[topic, partition, offset] for offset in run]
                window.publish(
                    Batch(
                        topic=topic,
                        partition=partition,
                        offsets=run,
                        values=[r.value for r in published],
                        keys=[r.key for r in published],
                        timestamps_ms=[at_ms] * len(run),
                        previous=run[0] - 1,
                        next=run[-1] + 1,
                        headers=[r.headers for r in published],
                    )
                )

    def _head(self, offsets: Sequence[int]) -> int:
        """Where a window must begin that knows what became of these."""
        return max(0, min(offsets) // self._size - 1) * self._size

    def _read_own(
        self, tp: tuple[str, int], offsets: Sequence[int], receipts: dict[tuple[str, int, int], Receipt]
    ) -> bool:
        """Add the receipts of these offsets where nobody else wrote before them; whether that is so.

        Then nothing is read and nothing waited for, as with every POST but those beside other producers.
        """
        window, lock = self._windows.get(tp), self._locks.get(tp)
        if window is None or lock is None or lock.locked() or not window.start <= self._head(offsets) <= window.next:
            return False
        end = max(offsets) + 1
        while window.next < end:
            if not window.take_own():
                return False
        receipts.update(((*tp, offset), window.receipt(offset)) for offset in offsets)
        return True

    async def _read(
        self, tp: tuple[str, int], offsets: Sequence[int], receipts: dict[tuple[str, int, int], Receipt]
    ) -> None:
        """Read on to the last of these offsets, and add their receipts."""
        topic, partition = tp
        head = self._head(offsets)
        async with self._locks.setdefault(tp, asyncio.Lock()):
            window = self._windows.get(tp)
            if window is None or window.next < head or window.start > head:
                window = _Window(head, self._decoder, chunk_size=self._size, future_limit_us=self._limit_us)
                self._windows[tp] = window
            elif self._most_between is not None:
                window.skip_to(min(offsets) - self._most_between)
            end = max(offsets) + 1
            while window.next < end:
                if window.take_own():
                    continue
                start, stop = window.gap(end)
                async for batch in self._broker.read(topic, partition, start, stop):
                    window.feed(batch)
                window.next = max(window.next, stop)  # control records may end a log
            receipts.update(((*tp, offset), window.receipt(offset)) for offset in offsets)


def _runs(offsets: Sequence[int]) -> Iterator[range]:
    """The offsets, which are sorted, in runs without a hole."""
    start = 0
    for place in range(1, len(offsets) + 1):
        if place == len(offsets) or offsets[place] != offsets[place - 1] + 1:
            yield range(offsets[start], offsets[place - 1] + 1)
            start = place
