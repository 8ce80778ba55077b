"""Files of CloudEvents, read in the order of time: streamed where they are in it, else sorted first."""

import heapq
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from operator import attrgetter, itemgetter, le
from pathlib import Path
from typing import Any, BinaryIO

from lockstep.adapters.ingest.event_text import EventText
from lockstep.errors import EventError
from lockstep.event import Decoder, Refused

READ_AT_ONCE = 8_192
"""Events that are read and measured together: as objects they take a hundred times what is judged of them."""


@dataclass(frozen=True)
class Limits:
    """How much is held. at_once: events judged together; in_memory: sorted in memory, more go through sorted runs on
    disk. beside: bytes of files from which on they are measured in a process beside the one that judges."""

    at_once: int = 32_768
    in_memory: int = 300_000
    beside: int = 32_000_000

    @property
    def read_at_once(self) -> int:
        return min(self.at_once, READ_AT_ONCE)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


LIMITS = Limits() if _cores() > 1 else Limits(beside=sys.maxsize)
"""A process beside is worth its start where there is a core for it."""


class Unsorted(Exception):
    """The files are not in the order of time; they must be read whole and sorted."""


class EventFiles:
    """Files to be read once, `-` is standard input. Each way to read them raises EventError for one that cannot be."""

    def __init__(self, files: Sequence[Path], decoder: Decoder, limits: Limits) -> None:
        self._files = files
        self._decoder = decoder
        self._limits = limits
        self._open: list[BinaryIO] = []
        self._read = 0
        try:
            self._size = sum(f.stat().st_size for f in files if str(f) != "-" and f.is_file())
        except OSError as error:
            raise EventError("file", f"{error.filename}: {error.strerror}") from error
        self._known = all(str(f) != "-" for f in files) and self._size > 0

    @property
    def size(self) -> int | None:
        """Roughly how many bytes of text they are; None for standard input."""
        if not self._known:
            return None
        return sum(f.stat().st_size * (_GZIP if f.suffix == ".gz" else 1) for f in self._files if f.is_file())

    @property
    def done(self) -> float | None:
        """Which part of their bytes has been read; None for standard input."""
        if not self._known:
            return None
        return min(1.0, (self._read + sum(raw.tell() for raw in self._open)) / self._size)

    def in_order(self) -> Iterator["Ordered"]:
        """All events, as they stand. Raises Unsorted when the order of time does not allow that."""
        if len(self._files) == 1:
            return _checked(self._slices(self._files[0]))
        lines = heapq.merge(*(_sorted(self._lines(f)) for f in self._files), key=time_of)
        return sliced(lines, self._limits.read_at_once)

    def in_any_order(self) -> Iterator["Ordered"]:
        """All events in the order of time, whatever theirs is; equal times in the order of files and lines."""
        with tempfile.TemporaryDirectory(prefix="lockstep-") as folder:
            yield from sliced(self._sorted_outside(Path(folder)), self._limits.read_at_once)

    def _sorted_outside(self, folder: Path) -> Iterator[tuple[str, Any]]:
        """Odd ones come first, as they have no time. What does not fit into memory lies in sorted runs in `folder`."""
        runs: list[Path] = []
        held: list[tuple[datetime, bytes, Any]] = []
        for file in self._files:
            for part in self._slices(file):
                for place, line, event in zip(part.places(), part.values, part.events, strict=True):
                    if event.__class__ in _ODD:
                        yield place, event
                        continue
                    held.append((event.time, line, event))
                    if len(held) == self._limits.in_memory:
                        runs.append(_run(held, folder / f"{len(runs)}.ndjson"))
                        held = []
        held.sort(key=itemgetter(0))
        rest = (("", event) for _, _, event in held)
        if not runs:
            yield from rest
            return
        spilled = EventFiles(runs, self._decoder, self._limits)
        yield from heapq.merge(*(spilled._lines(run) for run in runs), rest, key=time_of)

    def _lines(self, file: Path) -> Iterator[tuple[str, Any]]:
        """(place, decoded event) of every line."""
        for part in self._slices(file):
            yield from zip(part.places(), part.events, strict=True)

    def _slices(self, file: Path) -> Iterator["_Slice"]:
        """The lines that are not empty, many at a time."""
        if str(file) == "-":
            yield from self._decoded(sys.stdin.buffer, file)
            return
        try:
            raw = file.open("rb")
        except OSError as error:
            raise EventError("file", f"{file}: {error.strerror}; name a file of CloudEvents") from error
        self._open.append(raw)
        with raw:
            yield from self._decoded(raw, file)
            self._read += raw.tell()
            self._open.remove(raw)

    def _decoded(self, stream: BinaryIO, file: Path) -> Iterator["_Slice"]:
        text = EventText(stream, str(file))
        for numbers, values in text.portions(self._limits.read_at_once):
            yield _Slice(text, numbers, values, self._decoder.decode(values))


@dataclass(frozen=True, slots=True)
class _Slice:
    """Lines of a file that follow each other: their numbers, what stands there, and the events."""

    text: EventText
    numbers: Sequence[int]
    values: Sequence[bytes]
    events: list[Any]

    @property
    def is_plain(self) -> bool:
        """Whether each line is an event that can be counted."""
        return _ODD.isdisjoint(map(type, self.events))

    def places(self) -> Iterator[str]:
        """Where to look for an event that was refused."""
        place = self.text.place
        return (place(n) if e.__class__ is Refused else "" for n, e in zip(self.numbers, self.events, strict=True))


_GZIP = 10  # times smaller, about, events become
_ODD = frozenset((Refused, type(None)))
_TIME = attrgetter("time")
_EARLIEST = datetime.min.replace(tzinfo=UTC)


def time_of(item: tuple[str, Any]) -> datetime:
    """The event time of a (place, event); the odd have none and come first."""
    event = item[1]
    return _EARLIEST if event.__class__ in _ODD else event.time


def _run(held: list[tuple[datetime, bytes, Any]], path: Path) -> Path:
    held.sort(key=itemgetter(0))
    path.write_bytes(b"".join(line + b"\n" for _, line, _ in held))
    return path


def _sorted(items: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    before = _EARLIEST
    for item in items:
        event = item[1]
        if event.__class__ not in _ODD:
            if event.time < before:
                raise Unsorted
            before = event.time
        yield item


@dataclass(slots=True)
class Ordered:
    """Events that follow each other in time, and what could not be read beside them, with its place."""

    events: list[Any]
    odd: list[tuple[str, Any]]


def _checked(slices: Iterator[_Slice]) -> Iterator[Ordered]:
    """The slices of one file. Raises Unsorted when they are not in the order of time."""
    before = _EARLIEST
    for part in slices:
        odd: list[tuple[str, Any]] = []
        events = part.events
        if not part.is_plain:
            odd = [(p, e) for p, e in zip(part.places(), events, strict=True) if e.__class__ in _ODD]
            events = [e for e in events if e.__class__ not in _ODD]
        times = [before, *map(_TIME, events)]
        if not all(map(le, times, times[1:])):
            raise Unsorted
        before = times[-1]
        yield Ordered(events, odd)


def sliced(items: Iterable[tuple[str, Any]], at_once: int) -> Iterator[Ordered]:
    """(place, event) in the order of time, many at a time."""
    items = iter(items)
    while part := list(islice(items, at_once)):
        odd = [item for item in part if item[1].__class__ in _ODD]
        yield Ordered([event for _, event in part if event.__class__ not in _ODD], odd)
