"""Backtest: the same meter and judge, fed from files as fast as they go, with time taken from the events."""

import gzip
import heapq
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import msgspec

from lockstep.errors import EventError
from lockstep.event import TYPES, Decoder, Refused, type_of
from lockstep.judge import Judge, in_order
from lockstep.measure.definition import SeriesDef
from lockstep.measure.meter import Meter, MeterSettings, wanted_fields
from lockstep.ports import Batch, Headers
from lockstep.rule.condition import Plan
from lockstep.transition import Transition, TransitionName

SLICE = 8_192
ROLES = ("orders", "traffic", "inventory", "plans")
CHUNK_SIZE = 8_192

Progress = Callable[[int], None]
"""Told how many events have been read since the last call."""


@dataclass
class Replay:
    """What a replay read and said. refused: (place, reason) of events that could not be read, the first hundred.

    judge: as it was at the end, to be asked why.
    """

    transitions: list[Transition] = field(default_factory=list)
    events: int = 0
    duplicates: int = 0
    unknown: int = 0
    bad: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
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


class _Unsorted(Exception):
    """The files are not in the order of time; they must be read whole and sorted."""


class _Decoded:
    """Stands where a decoder does when the events have been decoded already."""

    def decode(self, values: Sequence[Any], headers: Sequence[Headers] | None = None) -> list[Any]:
        return list(values)


def backtest(
    plan: Plan,
    files: Sequence[Path],
    *,
    zone: ZoneInfo,
    until: datetime | None = None,
    progress: Progress | None = None,
) -> Replay:
    """Replay files of CloudEvents (one a line, `.gz` too, `-` is standard input) through meter and judge.

    until: judge everything up to this event time; default: the last event's. Raises EventError for a file that
    cannot be read at all; single bad events are counted and named in the result.
    """
    decoder = Decoder(wanted_fields(plan.series))
    standard_input = any(str(f) == "-" for f in files)
    if not standard_input:
        try:
            return _replay(plan, _merged(files, decoder, strict=True), zone=zone, until=until, progress=progress)
        except _Unsorted:
            pass
    events = [item for file in files for item in _lines(file, decoder)]
    events.sort(key=_time)
    return _replay(plan, events, zone=zone, until=until, progress=progress)


def replay_events(
    plan: Plan, events: Iterable[Mapping[str, Any]], *, zone: ZoneInfo, until: datetime | None = None
) -> list[Transition]:
    """The transitions that these events (CloudEvents as dicts, any order) lead to."""
    return replayed(plan, events, zone=zone, until=until).transitions


def replayed(
    plan: Plan, events: Iterable[Mapping[str, Any]], *, zone: ZoneInfo, until: datetime | None = None
) -> Replay:
    """What a replay of these events (CloudEvents as dicts, any order) reads and says."""
    decoder = Decoder(wanted_fields(plan.series))
    values = [msgspec.json.encode(e) for e in events]
    items = [(f"event {i}", event) for i, event in enumerate(decoder.decode(values))]
    items.sort(key=_time)
    return _replay(plan, items, zone=zone, until=until)


_EARLIEST = datetime.min.replace(tzinfo=UTC)


def _time(item: tuple[str, Any]) -> datetime:
    event = item[1]
    return _EARLIEST if event is None or event.__class__ is Refused else event.time


def _open(file: Path) -> BinaryIO:
    if str(file) == "-":
        return sys.stdin.buffer
    try:
        return gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb")  # type: ignore[return-value] # GzipFile reads like one
    except OSError as error:
        raise EventError("file", f"{file}: {error.strerror}; name a file of CloudEvents, one a line") from error


def _lines(file: Path, decoder: Decoder) -> Iterator[tuple[str, Any]]:
    """(place, decoded event) of every line."""
    with _open(file) as stream:
        number = 0
        pending: list[bytes] = []
        try:
            for line in stream:
                pending.append(line)
                if len(pending) == SLICE:
                    yield from _placed(file, number, decoder, pending)
                    number += len(pending)
                    pending = []
        except (OSError, EOFError) as error:
            raise EventError("file", f"{file}: cannot be read to its end: {error}") from error
        yield from _placed(file, number, decoder, pending)


def _placed(file: Path, before: int, decoder: Decoder, lines: list[bytes]) -> Iterator[tuple[str, Any]]:
    values = [line.strip() for line in lines]
    if not all(values):
        kept = [(i, v) for i, v in enumerate(values) if v]
        numbers, values = [i for i, _ in kept], [v for _, v in kept]
    else:
        numbers = list(range(len(values)))
    for i, event in zip(numbers, decoder.decode(values), strict=True):
        yield (f"{file}:{before + i + 1}" if event.__class__ is Refused else "", event)


def _merged(files: Sequence[Path], decoder: Decoder, *, strict: bool) -> Iterator[tuple[str, Any]]:
    streams = [_sorted(_lines(file, decoder)) if strict else _lines(file, decoder) for file in files]
    return streams[0] if len(streams) == 1 else heapq.merge(*streams, key=_time)


def _sorted(items: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    before = _EARLIEST
    for item in items:
        event = item[1]
        if event is not None and event.__class__ is not Refused:
            if event.time < before:
                raise _Unsorted
            before = event.time
        yield item


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


def _replay(
    plan: Plan,
    items: Iterable[tuple[str, Any]],
    *,
    zone: ZoneInfo,
    until: datetime | None = None,
    progress: Progress | None = None,
) -> Replay:
    result = Replay()
    judge = Judge(plan, zone=zone, early=False)
    feeds = {role: _Feed(role, plan.series) for role in ROLES}
    role_of = {name: kind.role for name, kind in TYPES.items()}
    count = 0

    def advance(time_us: int) -> None:
        nonlocal count
        for feed in feeds.values():
            feed.feed()
            feed.meter.advance_to(time_us)
            for frame in feed.meter.frames(_EPOCH):
                judge.take(frame)
        result.transitions.extend(judge.transitions)
        judge.transitions = []
        if progress is not None:
            progress(count)
        count = 0

    newest: datetime | None = None
    for place, event in items:
        if event is None:
            result.unknown += 1
            continue
        if event.__class__ is Refused:
            result.bad += 1
            if len(result.refused) < 100:
                result.refused.append((place, f"{event.reason}: {event.detail}"))
            continue
        if until is not None and event.time > until:
            continue
        if count >= SLICE and newest is not None and event.time > newest:
            # Everything before this instant has been fed; what happens at it may still come.
            advance(_microseconds(newest))
        result.first = result.first or event.time
        newest = event.time
        feeds[role_of[type_of(event)]].events.append(event)
        count += 1
    end = until or newest
    if end is not None:
        advance(_microseconds(end))
        judge.judge_open()
        result.transitions.extend(judge.transitions)
    result.last, result.judge = newest, judge
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
    return msgspec.json.encode({name: fields[name] for name in JSON_FIELDS}).decode()


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
            )
        )
    return found
