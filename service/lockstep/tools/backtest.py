"""Backtest: the same meter and judge, fed from files as fast as they go, with time taken from the events."""

import gc
import gzip
import heapq
import sys
import tempfile
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial
from itertools import islice
from operator import attrgetter, itemgetter, le
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import msgspec

from lockstep.errors import EventError
from lockstep.event import TYPES, Decoder, Refused, type_of
from lockstep.judge import Judge, in_order
from lockstep.measure.definition import SeriesDef
from lockstep.measure.meter import Meter, MeterSettings, wanted_fields
from lockstep.measure.sample import Frame
from lockstep.ports import Batch, Headers
from lockstep.rule.condition import Plan
from lockstep.tools.watch import Curve, WatchingJudge
from lockstep.transition import Transition, TransitionName

ROLES = ("orders", "traffic", "inventory", "plans")
CHUNK_SIZE = 8_192

Progress = Callable[[int, float | None], None]
"""Told how many events have been judged since the last call, and which part of all is done (None: nobody knows)."""


@dataclass(frozen=True)
class Limits:
    """How many events are held. at_once: judged together; in_memory: sorted in memory, more go through sorted runs on
    disk."""

    at_once: int = 8_192
    in_memory: int = 300_000


LIMITS = Limits()


@dataclass
class Replay:
    """What a replay read and said. refused: (place, reason) of events that could not be read, the first hundred.

    judge: as it was at the end, to be asked why. curves: episode id → the numbers around it, where they were asked for.
    """

    transitions: list[Transition] = field(default_factory=list)
    events: int = 0
    duplicates: int = 0
    unknown: int = 0
    bad: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    curves: dict[str, Curve] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    judge: Judge | None = None


@dataclass(frozen=True)
class Episode:
    """One episode as people look at it. fired, ended: None when it did not (yet)."""

    rule: str
    labels: Mapping[str, str]
    started: str
    fired: str | None
    ended: str | None
    severity: str
    value: float | None
    baseline: float | None
    cancelled: bool
    id: str
    transitions: tuple[Transition, ...]

    @property
    def told(self) -> Transition:
        """The transition that people hear of: the first firing, else how it began."""
        return next((t for t in self.transitions if t.state is TransitionName.FIRING), self.transitions[0])


@contextmanager
def _rare_collections() -> Iterator[None]:
    """A replay makes many objects and few cycles; looking for those as often as usual is a sixth of its time."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Unsorted(Exception):
    """The files are not in the order of time; they must be read whole and sorted."""


class _Decoded:
    """Stands where a decoder does when the events have been decoded already."""

    def decode(self, values: Sequence[Any], headers: Sequence[Headers] | None = None) -> list[Any]:
        return values  # type: ignore[return-value] # the list that the replay made


def backtest(
    plan: Plan,
    files: Sequence[Path],
    *,
    zone: ZoneInfo,
    until: datetime | None = None,
    progress: Progress | None = None,
    watch: bool = False,
    judge: type[Judge] = Judge,
    limits: Limits = LIMITS,
) -> Replay:
    """Replay files of CloudEvents (one a line, `.gz` too, `-` is standard input) through meter and judge.

    Files in the order of time are streamed; others are sorted first, on disk where they are large.
    until: judge everything up to this event time; default: the last event's. watch: keep the numbers around episodes.
    judge: one that takes notes, too; the replay hands it back.
    Raises EventError for a file that cannot be read at all; single bad events are counted and named in the result.
    """
    decoder = Decoder(wanted_fields(plan.series))
    replay = partial(_replay, plan, zone=zone, until=until, watch=watch, judge=judge, at_once=limits.at_once)
    if not any(str(f) == "-" for f in files):
        sources = Sources(files, decoder, limits)
        try:
            if len(files) == 1:
                slices = _in_order(sources.slices(files[0]))
            else:
                merged = heapq.merge(*(_sorted(sources.lines(f)) for f in files), key=_time)
                slices = _sliced(merged, limits.at_once)
            return replay(slices, progress=_of(sources, progress))
        except _Unsorted:
            pass
    sources = Sources(files, decoder, limits)
    with tempfile.TemporaryDirectory(prefix="lockstep-") as folder:
        slices = _sliced(_sorted_outside(sources, Path(folder)), limits.at_once)
        return replay(slices, progress=_of(sources, progress))


def _of(sources: "Sources", progress: Progress | None) -> Progress | None:
    return None if progress is None else lambda count, _: progress(count, sources.done)


def replay_events(
    plan: Plan, events: Iterable[Mapping[str, Any]], *, zone: ZoneInfo, until: datetime | None = None
) -> list[Transition]:
    """The transitions that these events (CloudEvents as dicts, any order) lead to."""
    return replayed(plan, events, zone=zone, until=until).transitions


def replayed(
    plan: Plan,
    events: Iterable[Mapping[str, Any]],
    *,
    zone: ZoneInfo,
    until: datetime | None = None,
    watch: bool = False,
    at_once: int = LIMITS.at_once,
) -> Replay:
    """What these events (CloudEvents as dicts, any order) lead to; see `backtest`."""
    decoder = _decoder(tuple(plan.series))
    values = [msgspec.json.encode(e) for e in events]
    items = [(f"event {i}", event) for i, event in enumerate(decoder.decode(values))]
    items.sort(key=_time)
    return _replay(plan, _sliced(items, at_once), zone=zone, until=until, watch=watch, at_once=at_once)


@lru_cache(maxsize=64)
def _decoder(series: tuple[SeriesDef, ...]) -> Decoder:
    """Making one costs as much as a small replay; tests of rules make hundreds of those."""
    return Decoder(wanted_fields(series))


_EARLIEST = datetime.min.replace(tzinfo=UTC)


def _time(item: tuple[str, Any]) -> datetime:
    event = item[1]
    return _EARLIEST if event is None or event.__class__ is Refused else event.time


class Sources:
    """Files of events as they are read. done: which part of their bytes has been read; None for standard input."""

    def __init__(self, files: Sequence[Path], decoder: Decoder, limits: Limits) -> None:
        self.files = files
        self.decoder = decoder
        self.limits = limits
        self._open: list[BinaryIO] = []
        self._read = 0
        try:
            self._size = sum(f.stat().st_size for f in files if str(f) != "-" and f.is_file())
        except OSError as error:
            raise EventError("file", f"{error.filename}: {error.strerror}") from error
        self._known = all(str(f) != "-" for f in files) and self._size > 0

    @property
    def done(self) -> float | None:
        if not self._known:
            return None
        return min(1.0, (self._read + sum(raw.tell() for raw in self._open)) / self._size)

    def lines(self, file: Path) -> Iterator[tuple[str, Any]]:
        """(place, decoded event) of every line. Raises EventError."""
        for part in self.slices(file):
            yield from zip(part.places(), part.events, strict=True)

    def slices(self, file: Path) -> Iterator["Slice"]:
        """The lines that are not empty, many at a time. Raises EventError."""
        if str(file) == "-":
            yield from self._decoded(sys.stdin.buffer, file)
            return
        try:
            raw = file.open("rb")
        except OSError as error:
            raise EventError("file", f"{file}: {error.strerror}; name a file of CloudEvents, one a line") from error
        self._open.append(raw)
        with raw, _unzipped(raw, file) as stream:
            yield from self._decoded(stream, file)
            self._read += raw.tell()
            self._open.remove(raw)

    def _decoded(self, stream: BinaryIO, file: Path) -> Iterator["Slice"]:
        number = 0
        try:
            while lines := list(islice(stream, self.limits.at_once)):
                values = list(map(bytes.strip, lines))
                numbers: Sequence[int] = range(number + 1, number + 1 + len(values))
                if not all(values):
                    kept = [(n, v) for n, v in zip(numbers, values, strict=True) if v]
                    numbers, values = [n for n, _ in kept], [v for _, v in kept]
                yield Slice(file, numbers, values, self.decoder.decode(values))
                number += len(lines)
        except (OSError, EOFError, zlib.error) as error:
            raise EventError("file", f"{file}: cannot be read to its end: {error}") from error


@dataclass(frozen=True, slots=True)
class Slice:
    """Lines of a file that follow each other: their numbers, what stands there, and the events."""

    file: Path
    numbers: Sequence[int]
    values: Sequence[bytes]
    events: list[Any]

    @property
    def is_plain(self) -> bool:
        """Whether each line is an event that can be counted."""
        return _ODD.isdisjoint(map(type, self.events))

    def places(self) -> Iterator[str]:
        """Where to look for an event that was refused."""
        return (
            f"{self.file}:{n}" if e.__class__ is Refused else "" for n, e in zip(self.numbers, self.events, strict=True)
        )


_ODD = frozenset((Refused, type(None)))


def _unzipped(raw: BinaryIO, file: Path) -> BinaryIO:
    return gzip.GzipFile(fileobj=raw) if file.suffix == ".gz" else raw  # type: ignore[return-value] # it reads like one


def _sorted_outside(sources: Sources, folder: Path) -> Iterator[tuple[str, Any]]:
    """The events of files in any order, in the order of time; equal times in the order of files and lines.

    Odd ones come first, as they have no time. What does not fit into memory lies in sorted runs in `folder`.
    """
    runs: list[Path] = []
    held: list[tuple[datetime, bytes, Any]] = []
    for file in sources.files:
        for part in sources.slices(file):
            for place, line, event in zip(part.places(), part.values, part.events, strict=True):
                if event is None or event.__class__ is Refused:
                    yield place, event
                    continue
                held.append((event.time, line, event))
                if len(held) == sources.limits.in_memory:
                    runs.append(_run(held, folder / f"{len(runs)}.ndjson"))
                    held = []
    held.sort(key=itemgetter(0))
    rest = (("", event) for _, _, event in held)
    if not runs:
        yield from rest
        return
    spilled = Sources(runs, sources.decoder, sources.limits)
    yield from heapq.merge(*(spilled.lines(run) for run in runs), rest, key=_time)


def _run(held: list[tuple[datetime, bytes, Any]], path: Path) -> Path:
    held.sort(key=itemgetter(0))
    path.write_bytes(b"".join(line + b"\n" for _, line, _ in held))
    return path


def _sorted(items: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    before = _EARLIEST
    for item in items:
        event = item[1]
        if event is not None and event.__class__ is not Refused:
            if event.time < before:
                raise _Unsorted
            before = event.time
        yield item


@dataclass(slots=True)
class _Ordered:
    """Events that follow each other in time, and what could not be read beside them, with its place."""

    events: list[Any]
    odd: list[tuple[str, Any]]


def _in_order(slices: Iterator[Slice]) -> Iterator[_Ordered]:
    """The slices of one file. Raises _Unsorted when they are not in the order of time."""
    before = _EARLIEST
    for part in slices:
        odd: list[tuple[str, Any]] = []
        events = part.events
        if not part.is_plain:
            odd = [(p, e) for p, e in zip(part.places(), events, strict=True) if e.__class__ in _ODD]
            events = [e for e in events if e.__class__ not in _ODD]
        times = [before, *(event.time for event in events)]
        if not all(map(le, times, times[1:])):
            raise _Unsorted
        before = times[-1]
        yield _Ordered(events, odd)


def _sliced(items: Iterable[tuple[str, Any]], at_once: int) -> Iterator[_Ordered]:
    """(place, event) in the order of time, many at a time."""
    items = iter(items)
    while part := list(islice(items, at_once)):
        odd = [item for item in part if item[1].__class__ in _ODD]
        yield _Ordered([event for _, event in part if event.__class__ not in _ODD], odd)


_time_of = attrgetter("time")


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


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
        self.events: list[Any] = []
        self._next = 0

    def feed(self) -> None:
        if not self.events:
            return
        size = len(self.events)
        offsets = range(self._next, self._next + size)
        none: Sequence[None] = (None,) * size
        batch = Batch(self.role, 0, offsets, self.events, none, range(size), self._next - 1, self._next + size)
        self._next += size
        self.meter.feed(batch)
        self.events = []


@_rare_collections()
def _replay(
    plan: Plan,
    slices: Iterable[_Ordered],
    *,
    zone: ZoneInfo,
    at_once: int,
    until: datetime | None = None,
    progress: Progress | None = None,
    watch: bool = False,
    judge: type[Judge] = Judge,
) -> Replay:
    result = Replay()
    watching = WatchingJudge(plan, zone=zone, early=False) if watch else None
    judging = watching or judge(plan, zone=zone, early=False)
    feeds = {role: _Feed(role, plan.series) for role in ROLES}
    feed_of: dict[type, _Feed] = {}
    count = 0

    def take(events: Sequence[Any]) -> None:
        nonlocal count
        for event in events:
            feed = feed_of.get(event.__class__)
            if feed is None:
                feed = feed_of[event.__class__] = feeds[TYPES[type_of(event)].role]
            feed.events.append(event)
        count += len(events)

    def advance(time_us: int) -> None:
        nonlocal count
        promises: list[Frame] = []
        for feed in feeds.values():
            feed.feed()
            feed.meter.advance_to(time_us)
            *told, promise = feed.meter.frames(_EPOCH)
            promises.append(promise)
            for frame in told:
                judging.take(frame)
        # Only when all data is there: a topic that begins here would pass for an empty one until its turn.
        for promise in promises:
            judging.take(promise)
        result.transitions.extend(judging.transitions)
        judging.transitions = []
        if progress is not None:
            progress(count, None)
        count = 0

    newest: datetime | None = None
    for part in slices:
        for place, odd in part.odd:
            if odd is None:
                result.unknown += 1
                continue
            result.bad += 1
            if len(result.refused) < 100:
                result.refused.append((place, f"{odd.reason}: {odd.detail}"))
        events = part.events
        if until is not None:
            events = events[: bisect_right(events, until, key=_time_of)]
        if not events:
            continue
        result.first = result.first or events[0].time
        if count >= at_once and newest is not None:
            # Everything before this instant has been fed when what happens at it is, too.
            same = bisect_right(events, newest, key=_time_of)
            if same < len(events):
                take(events[:same])
                advance(_microseconds(newest))
                events = events[same:]
        take(events)
        newest = events[-1].time
    end = until or newest
    if end is not None:
        advance(_microseconds(end))
        judging.judge_open()
        if watching is not None:
            watching.finish()
            result.curves = watching.curves
        result.transitions.extend(judging.transitions)
    result.last, result.judge = newest, judging
    result.transitions.sort(key=in_order)
    for feed in feeds.values():
        result.events += feed.meter.counts.events
        result.duplicates += feed.meter.counts.duplicates
    return result


_EPOCH = datetime.fromtimestamp(0, UTC)

JSON_FIELDS = (
    "rule",
    "labels",
    "alert_id",
    "episode_id",
    "state",
    "at",
    "value",
    "baseline",
    "window_start",
    "window_end",
    "severity",
)


def json_line(transition: Transition) -> str:
    """A transition as `backtest --json` prints it."""
    fields = msgspec.to_builtins(transition)
    shown = {name: fields[name] for name in JSON_FIELDS}
    if transition.baseline_of:
        shown["baseline_of"] = transition.baseline_of
    return msgspec.json.encode(shown).decode()


def episodes(transitions: Iterable[Transition]) -> list[Episode]:
    """Transitions gathered by episode, in the order in which the episodes began."""
    by_id: dict[str, list[Transition]] = {}
    for transition in transitions:
        by_id.setdefault(transition.episode_id, []).append(transition)
    found = []
    for parts in by_id.values():
        fired = next((t for t in parts if t.state is TransitionName.FIRING), None)
        last = parts[-1]
        shown = fired or parts[0]
        ended = last.at if last.state in (TransitionName.RESOLVED, TransitionName.CANCELLED) else None
        severities = [t.severity for t in parts if t.state in (TransitionName.FIRING, TransitionName.SEVERITY)]
        worst = max(severities or [shown.severity], key=["info", "warning", "critical"].index)
        found.append(
            Episode(
                rule=shown.rule,
                labels=shown.labels,
                started=shown.started_at,
                fired=None if fired is None else fired.at,
                ended=ended,
                severity=worst,
                value=shown.value,
                baseline=shown.baseline,
                cancelled=last.state is TransitionName.CANCELLED,
                id=shown.episode_id,
                transitions=tuple(parts),
            )
        )
    return found
