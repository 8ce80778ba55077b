"""The first half of a replay: events become what the meters tell the judge, here or in a process beside.

A replay of a large file spends about as long measuring as judging. With a second core the first happens in a process of
its own, which sends the very frames that the samples topic carries between the parts of the service; both ways the
judge is told the same, in the same portions.
"""

import fcntl
import gc
import os
import re
import signal
import subprocess
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from lockstep.errors import EventError
from lockstep.event import TYPES, Decoder, role_of, type_of
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.meter import Meter, MeterSettings, wanted_fields
from lockstep.measure.sample import Frame
from lockstep.ports import Batch, Headers
from lockstep.text.rfc3339 import SECOND
from lockstep.tools.backtest.event_files import EventFiles, Limits, Ordered, Unsorted

ROLES = ("orders", "traffic", "inventory", "plans")
CHUNK_SIZE = 8_192
SHOP_S = 300
"""Where the shop's facts are made, a portion is of so many seconds at most: a cell of the book."""
REFUSED_NAMED = 100
"""Different reasons for which events were refused; of further ones only how many they are is counted."""
PIPE_SIZE = 1 << 20
"""Bytes that the measuring process may be ahead, some portions: else each would wait for the other to be done."""


class Refusal(msgspec.Struct):
    """Events that were refused for one reason. first: where the first of them stands."""

    reason: str
    first: str
    count: int = 1

    def __str__(self) -> str:
        """`2,400 × data: data.lines.0.unit_price: is missing, first in orders.ndjson:1`."""
        if self.count == 1:
            return f"{self.first}: refused: {self.reason}"
        return f"{self.count:,} × refused: {self.reason}, first in {self.first}"


class Tally(msgspec.Struct):
    """What has been read so far. refused: why events could not be read, equal reasons as one, REFUSED_NAMED of them.

    first, last: the event times between which the counted ones lie. What was read as history alone is not counted;
    history: how many events that were.
    """

    events: int = 0
    duplicates: int = 0
    unknown: int = 0
    bad: int = 0
    refused: list[Refusal] = []
    first: datetime | None = None
    last: datetime | None = None
    history: int = 0

    def without_events(self, history: int) -> "Tally":
        """What could not be read alone: it has no time, so it may be of any."""
        return Tally(unknown=self.unknown, bad=self.bad, refused=self.refused, history=history)

    def refuse(self, place: str, reason: str) -> None:
        """Count an event that could not be read."""
        self.bad += 1
        like = _alike(reason)
        same = next((r for r in self.refused if _alike(r.reason) == like), None)
        if same is not None:
            same.count += 1
        elif len(self.refused) < REFUSED_NAMED:
            self.refused.append(Refusal(reason, place))


_VARYING = re.compile(r"'[^']*'|[0-9]+")


def _alike(reason: str) -> str:
    """A reason without what differs from event to event: the number of a line of an order, a value, a byte."""
    return _VARYING.sub("#", reason)


class Portion(msgspec.Struct, tag=True):
    """What a portion of the events came to. frames: for the judge, in this order. count: how many events were in it.

    done: which part of all bytes has been read, None: nobody knows. tally: up to here.
    """

    frames: list[Frame]
    count: int
    done: float | None
    tally: Tally


class _Failed(msgspec.Struct, tag=True):
    """Why the process beside could not go on: an EventError, or that the files are not in the order of time."""

    unsorted: bool = False
    reason: str = ""
    detail: str = ""


class _Order(msgspec.Struct):
    """What the process beside is asked for; see `measured_files`."""

    series: list[SeriesDef]
    files: list[str]
    in_order: bool
    until: datetime | None
    at_once: int
    in_memory: int
    since: datetime | None = None


_ENCODER = msgspec.msgpack.Encoder()
_MESSAGES = msgspec.msgpack.Decoder(Portion | _Failed)
_ORDERS = msgspec.msgpack.Decoder(_Order)
_EPOCH = datetime.fromtimestamp(0, UTC)
_time = attrgetter("time")


@contextmanager
def rare_collections() -> Iterator[None]:
    """A replay makes many objects and few cycles; looking for those as often as usual is a sixth of its time."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


# ---- here ------------------------------------------------------------------------------------------------------------


class _Decoded:
    """Stands where a decoder does when the events have been decoded already."""

    def decode(self, values: Sequence[Any], headers: Sequence[Headers] | None = None) -> list[Any]:
        return values  # type: ignore[return-value] # the list that the replay made


class _Feed:
    """One role's events on their way into its meter."""

    def __init__(self, role: str, series: Sequence[SeriesDef]) -> None:
        settings = MeterSettings(
            role=role,
            topic=role,
            partition=0,
            partitions=1,
            source="replay",
            samples_topic="",
            samples_partitions=1,
            chunk_size=CHUNK_SIZE,
            lateness_us=0,
            future_limit_us=0,
            idle_after_us=0,
            position=None,
            earliest=0,
            live=False,
        )
        self.meter = Meter(settings, series, _Decoded())
        self.role = role
        self._next = 0

    def feed(self, events: list[Any]) -> None:
        size = len(events)
        offsets = range(self._next, self._next + size)
        none: Sequence[None] = (None,) * size
        self.meter.feed(Batch(self.role, 0, offsets, events, none, range(size), self._next - 1, self._next + size))
        self._next += size


class _Meters:
    """A meter for each role, all with one clock."""

    def __init__(self, series: Sequence[SeriesDef]) -> None:
        self._feeds = {role: _Feed(role, series) for role in ROLES}
        self._always: dict[type, _Feed] = {}  # of types whose events all go to one topic
        self.waiting = 0
        self._history = (0, 0)

    def take(self, events: list[Any]) -> None:
        """Measure events that follow those before. Few at a time: what was just decoded is read for less."""
        types_of: dict[_Feed, set[type]] = {}
        split: set[type] = set()  # types whose events go to several topics
        for kind in set(map(type, events)):
            feeds = self._feeds_of(kind, events)
            if len(feeds) > 1:
                split.add(kind)
            for feed in feeds:
                types_of.setdefault(feed, set()).add(kind)
        for feed, types in types_of.items():
            its = events if len(types_of) == 1 else [event for event in events if event.__class__ in types]
            if not split.isdisjoint(types):
                its = [event for event in its if event.__class__ not in split or self._feed_of(event) is feed]
            feed.feed(its)
        self.waiting += len(events)

    def _feeds_of(self, kind: type, events: list[Any]) -> set[_Feed]:
        """Where the events of a type go."""
        always = self._always.get(kind)
        if always is not None:
            return {always}
        feeds = {self._feed_of(event) for event in events if event.__class__ is kind}
        if "topic" not in TYPES[type_of(kind)].data.model_fields:
            (self._always[kind],) = feeds
        return feeds

    def _feed_of(self, event: Any) -> _Feed:
        return self._feeds[role_of(type_of(event), event.data)]

    def tell(self, until: datetime, tally: Tally, done: float | None) -> Portion:
        """All that the meters measured since the last call; every event before and at `until` has been taken.

        tally, done: of the portion, see `Portion`.
        """
        frames: list[Frame] = []
        promises: list[Frame] = []
        for feed in self._feeds.values():
            feed.meter.advance_to(round(until.timestamp() * SECOND))
            *samples, promise = feed.meter.frames(_EPOCH)
            frames += samples
            promises.append(promise)
        events, duplicates = self._counts()
        tally.events, tally.duplicates = events - self._history[0], duplicates - self._history[1]
        count, self.waiting = self.waiting, 0
        # Only when all data is there: a topic that begins here would pass for an empty one until its turn.
        return Portion(frames + promises, count, done, tally)

    def count_anew(self) -> None:
        """All that was told so far is history."""
        self._history = self._counts()

    @property
    def history(self) -> int:
        """How many events counted before `count_anew`."""
        return self._history[0]

    def _counts(self) -> tuple[int, int]:
        """Events that counted, and those that came twice."""
        counts = [feed.meter.counts for feed in self._feeds.values()]
        return sum(c.events for c in counts), sum(c.duplicates for c in counts)


def _cell(moment: datetime) -> int:
    return int(moment.timestamp()) // SHOP_S


def _stretches(events: list[Any]) -> Iterator[list[Any]]:
    """Events in the order of time, cut where a cell of SHOP_S ends."""
    for _, stretch in groupby(events, key=lambda event: _cell(event.time)):
        yield list(stretch)


def measured(
    series: Sequence[SeriesDef],
    slices: Iterable[Ordered],
    *,
    at_once: int,
    since: datetime | None = None,
    until: datetime | None = None,
    done: Callable[[], float | None] = lambda: None,
) -> Iterator[Portion]:
    """What the meters tell of these events, in portions of about `at_once`; the last one reaches up to `until`.

    There is always at least one, so that what was refused is told where nothing was counted. Where the shop's facts are
    made, a portion is no longer than these go forward at a time: rules and texts find them as they would live.
    series: what is measured. slices: the events in the order of time. since: what happened before is told, too, and
    counts for nothing. done: which part of all has been read, asked with every portion; None: nobody knows.
    """
    meters = _Meters(series)
    tally = Tally()
    is_history = since is not None
    is_of_shop = any(s.aggregate is Aggregate.WHOLE for s in series)
    for part in slices:
        events = part.events
        if until is not None:
            events = events[: bisect_right(events, until, key=_time)]
        if is_history and since is not None and events and events[-1].time >= since:
            before = bisect_left(events, since, key=_time)
            meters.take(events[:before])
            last = events[before - 1].time if before else tally.last
            if last is not None:
                yield meters.tell(last, tally, done())
            meters.count_anew()
            is_history, tally, events = False, tally.without_events(meters.history), events[before:]
        for place, odd in part.odd:
            if odd is None:
                tally.unknown += 1
                continue
            tally.refuse(place, f"{odd.reason}: {odd.detail}")
        if not events:
            continue
        tally.first = tally.first or events[0].time
        if meters.waiting >= at_once and tally.last is not None:
            # Everything before this instant has been fed when what happens at it is, too.
            same = bisect_right(events, tally.last, key=_time)
            if same < len(events):
                meters.take(events[:same])
                yield meters.tell(tally.last, tally, done())
                events = events[same:]
        for stretch in _stretches(events) if is_of_shop else (events,):
            if is_of_shop and meters.waiting and tally.last is not None and _cell(tally.last) != _cell(stretch[0].time):
                yield meters.tell(tally.last, tally, done())
            meters.take(stretch)
            tally.last = stretch[-1].time
    end = until or tally.last
    last_portion = Portion([], 0, done(), tally) if end is None else meters.tell(end, tally, done())
    if is_history:
        last_portion.tally = tally.without_events(tally.events)
    yield last_portion


def measured_files(
    series: Sequence[SeriesDef],
    files: Sequence[Path],
    *,
    in_order: bool,
    since: datetime | None = None,
    until: datetime | None,
    limits: Limits,
) -> Iterator[Portion]:
    """The same for files of events; for large ones (`limits.beside`) in a process beside.

    in_order: stream them, and raise Unsorted where that cannot be; else sort them first.
    Raises EventError for a file that cannot be read.
    """
    source = EventFiles(files, Decoder(wanted_fields(series)), limits)
    if source.size is not None and source.size >= limits.beside:
        order = _Order(list(series), [str(f) for f in files], in_order, until, limits.at_once, limits.in_memory, since)
        return _beside(order)
    slices = source.in_order() if in_order else source.in_any_order()
    return measured(series, slices, at_once=limits.at_once, since=since, until=until, done=lambda: source.done)


# ---- beside ----------------------------------------------------------------------------------------------------------


def _beside(order: _Order) -> Iterator[Portion]:
    # A program, not a fork, as this process may have threads; -P, as a `lockstep` in the user's folder is not ours.
    command = [sys.executable, "-P", "-m", "lockstep.tools.backtest.metering"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError, AttributeError):  # a longer pipe is an offer of Linux, and may be refused
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        try:
            process.stdin.write(_ENCODER.encode(order))
            process.stdin.close()
            while message := _received(process):
                portion = _MESSAGES.decode(message)
                if isinstance(portion, Portion):
                    yield portion
                elif portion.unsorted:
                    raise Unsorted
                else:
                    raise EventError(portion.reason, portion.detail)
        finally:
            process.kill()


def _received(process: "subprocess.Popen[bytes]") -> bytes:
    """The next message; b"" after the last one. Raises EventError when the process ends before that one."""
    assert process.stdout is not None
    head = process.stdout.read(8)
    size = int.from_bytes(head, "big")
    message = process.stdout.read(size)
    if len(head) < 8 or len(message) < size:
        code = process.wait()
        how = (
            f"ended by signal {-code}: is there enough memory?"
            if code < 0
            else f"ended with {code}: what did it print?"
        )
        raise EventError("process", f"the process that reads the events {how}")
    return message


def _send(message: bytes) -> None:
    left = memoryview(len(message).to_bytes(8, "big") + message)
    while left:
        left = left[os.write(sys.stdout.fileno(), left) :]


@rare_collections()
def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that judges hears of it, too, and ends this one
    order = _ORDERS.decode(sys.stdin.buffer.read())
    limits = Limits(at_once=order.at_once, in_memory=order.in_memory, beside=sys.maxsize)
    files = [Path(f) for f in order.files]
    with suppress(BrokenPipeError):  # nobody listens any more
        try:
            for portion in measured_files(
                order.series, files, in_order=order.in_order, since=order.since, until=order.until, limits=limits
            ):
                _send(_ENCODER.encode(portion))
        except Unsorted:
            _send(_ENCODER.encode(_Failed(unsorted=True)))
        except EventError as error:
            _send(_ENCODER.encode(_Failed(reason=error.reason, detail=error.detail)))
        _send(b"")


if __name__ == "__main__":
    _main()
