"""The meter: reads one source partition and turns events into samples. It has no durable state.

The offsets of a partition are cut in fixed chunks. The meter keeps cumulative partials of the current chunk only, so
after a start or a rebalance it begins again at the chunk's head and builds the same sums: replays can only repeat a
prefix, which the judge ignores. It reads one chunk further back, only to know the ids in it, because an event whose
id and source came before in this chunk or the one before counts once.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Protocol

from msgspec.structs import replace

from lockstep.event import Refused, type_of
from lockstep.event.imports import IMPORTED, MarkKind, last_border
from lockstep.event.seen_ids import SeenIds
from lockstep.labels import partition_of
from lockstep.measure.aggregate import EXACT_DISTINCT, merge_distinct, merger
from lockstep.measure.columns import Columns, Labels
from lockstep.measure.dead_events import DeadEvent, dead_record
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.event_clock import EventClock
from lockstep.measure.fold import Fold, Groups, LevelRows, folder, level_rows
from lockstep.measure.sample import Frame, LevelValue, Partial, Progress, Promise, encode
from lockstep.ports import Batch, Headers, Record
from lockstep.text.rfc3339 import SECOND

ROWS_PER_FRAME = 500
"""Series in one frame; keeps a frame well below a broker's message limit of 1 MiB."""

PROGRESS_EVERY_US = SECOND
"""Progress is told at least this often, also when nothing happens."""


def wanted_fields(series: Iterable[SeriesDef]) -> dict[str, set[str]]:
    """event type → every path in its data that the series read: what a decoder must keep of extra fields."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for s in series:
        lines = set(s.line_labels)
        names = {*s.by, *(name for name, _ in s.where)}
        wanted[s.event_type] |= {f"lines.{n}" if n in lines else n for n in names}
        if s.field:
            wanted[s.event_type].add(s.field)
    return dict(wanted)


@dataclass(frozen=True)
class MeterSettings:
    """What a meter needs to know beside its series. Times in microseconds.

    position: the committed offset (None: never), earliest: the oldest offset that the broker still has.
    live: False in a replay of files, where arrival times mean nothing and no event is ahead of its time.
    fresh: ids of series that are new: they are told from the oldest record on.
    before: what was promised of the partition before this assignment; None: nothing, or nobody knows.
    counted: the offset up to which this process has counted for metrics already; what is read again counts once.
    imported: whether these are imported events of the role (`lockstep.event.imports`).
    """

    role: str
    topic: str
    partition: int
    partitions: int
    source: str
    samples_topic: str
    samples_partitions: int
    chunk_size: int
    lateness_us: int
    future_limit_us: int
    idle_after_us: int
    position: int | None
    earliest: int
    live: bool = True
    fresh: frozenset[str] = frozenset()
    before: Promise | None = None
    counted: int = 0
    imported: bool = False


@dataclass
class MeterCounts:
    """What happened since the last `take_counts`, for metrics."""

    events: int = 0
    duplicates: int = 0
    unknown: int = 0
    dead: int = 0


class EventDecoder(Protocol):
    """What turns values into events, None or Refused (lockstep.event.Decoder does)."""

    def decode(self, values: Sequence[bytes | None], headers: Sequence[Headers] | None = None) -> list[Any]: ...


class _Work:
    """What an event type has to be read for: the flows by the width of their buckets, and the levels."""

    __slots__ = ("feeds", "reads")

    def __init__(self) -> None:
        self.feeds: dict[int, list[tuple[str, Fold]]] = defaultdict(list)
        self.reads: list[tuple[str, LevelRows]] = []


_OFFSET = attrgetter("offset")
_EPOCH = datetime.fromtimestamp(0, UTC)
_NOTHING = timedelta()


def _works(series: Iterable[SeriesDef]) -> dict[str, _Work]:
    works: dict[str, _Work] = defaultdict(_Work)
    for s in series:
        if s.is_level:
            works[s.event_type].reads.append((s.id, level_rows(s)))
        else:
            works[s.event_type].feeds[s.bucket_s].append((s.id, folder(s)))
    return dict(works)


def _microseconds(moments: Sequence[datetime]) -> list[int]:
    """Since 1970, of moments with a zone."""
    first = min(moments, default=_EPOCH)
    base = round(first.timestamp() * SECOND)
    since = [moment - first for moment in moments]  # cheaper than so many timestamps
    if max(since, default=_NOTHING).days:
        return [base + (d.days * 86_400 + d.seconds) * SECOND + d.microseconds for d in since]
    return [base + d.seconds * SECOND + d.microseconds for d in since]


def _by_bucket(seconds: Sequence[int], columns: Columns, width: int) -> Iterable[tuple[int, Columns]]:
    """(start of a bucket, the data of its events)."""
    if sorted(seconds) == seconds:
        return _stretches(seconds, columns, width)
    first, last = min(seconds) // width, max(seconds) // width
    if first == last:
        return ((first * width, columns),)
    buckets: dict[int, list[Any]] = defaultdict(list)
    for second, data in zip(seconds, columns.rows, strict=True):
        buckets[second - second % width].append(data)
    return [(start, Columns(rows)) for start, rows in buckets.items()]


def _stretches(seconds: Sequence[int], columns: Columns, width: int) -> Iterator[tuple[int, Columns]]:
    """As `_by_bucket`, of events in the order of time, of which each bucket has one stretch."""
    if seconds[-1] // width == seconds[0] // width:
        yield seconds[0] // width * width, columns
        return
    begin = 0
    while begin < len(seconds):
        start = seconds[begin] // width * width
        end = bisect_left(seconds, start + width, begin)
        yield start, Columns(columns.rows[begin:end])
        begin = end


def _cumulation(series: SeriesDef) -> Callable[[Any, Any], Any]:
    """(the aggregate so far in its working form, what is new) → both."""

    def union(old: set[int], new: set[int]) -> set[int]:
        old |= new
        return old

    return union if series.aggregate is Aggregate.DISTINCT else merger(series)


def _sent_form(aggregate: Any) -> Any:
    """What is sent of an aggregate in its working form, which goes on to change."""
    if aggregate.__class__ is set:
        items = sorted(aggregate)
        return items if len(items) <= EXACT_DISTINCT else merge_distinct(items, [])
    return aggregate.copy() if aggregate.__class__ in (list, dict) else aggregate


def _is_at_one_place(frame: Frame, other: Frame) -> bool:
    """Whether two frames of a meter reach up to the same offset of the same chunk."""
    return (frame.chunk, frame.first, frame.upto) == (other.chunk, other.first, other.upto)


class Meter:
    """One source partition in one assignment.

    start: the offset to seek to. position: the next offset whose effects `flush` has handed out. ends_from: of imported
    events, see `last_border`; told before the first of them is fed.
    """

    ends_from = 0

    def __init__(self, settings: MeterSettings, series: Sequence[SeriesDef], decoder: EventDecoder) -> None:
        self._settings = settings
        self._series = {s.id: s for s in series if s.source == settings.role}
        self._decoder = decoder
        size = settings.chunk_size
        committed = settings.earliest if settings.position is None else settings.position
        head = committed // size * size
        self.start = max(settings.earliest, head - size)
        # Retention took the chunk's head: what was counted there is gone for us, so a new partial begins after it.
        self._first = head if settings.earliest <= head else max(committed, settings.earliest)
        self.position = committed
        self._told_before = committed  # an earlier assignment published what comes before this, dead letters too
        self._count_from = max(self._told_before, settings.counted)
        self._regular = self._first // size  # the chunk from which on every series is told
        fresh = settings.fresh & self._series.keys()
        if fresh and settings.earliest < self._first:
            self.start = settings.earliest
            self._first = settings.earliest
        self._complete = self._first == 0
        self._counted: int | None = None
        self._begun = False

        self._chunk = self._first // size
        self._upto = self._first - 1
        self._totals: dict[tuple[str, int], Groups] = {}
        self._delta: dict[tuple[str, int], Groups] = {}
        self._levels: list[LevelValue] = []
        self._ids, self._ids_before = SeenIds(), SeenIds()
        self._ids_chunk = self.start // size
        self._sealed: dict[int, list[Frame]] = defaultdict(list)
        self._dead: list[DeadEvent] = []

        self.clock = EventClock(
            lateness_us=settings.lateness_us, idle_after_us=settings.idle_after_us, before=settings.before
        )
        self._oldest: int | None = None
        self._ended: int | None = None  # when the import ended, of imported events
        self._promised: tuple[int | None, bool, int] | None = None
        self._promised_to_all: tuple[int | None, bool, bool, int | None] | None = None
        self._promised_to_all_at_us = 0
        self.counts = MeterCounts()

        self._blank = Frame(
            role=settings.role,
            partition=IMPORTED if settings.imported else settings.partition,
            partitions=1 if settings.imported else settings.partitions,
            source=settings.source,
            chunk_size=settings.chunk_size,
            chunk=self._chunk,
            first=self._first,
            upto=self._upto,
        )
        self._key = f"{settings.topic}/{settings.partition}".encode()
        self._cumulate = {s.id: _cumulation(s) for s in self._series.values() if not s.is_level}
        # Series with the same key share what is remembered of the groups.
        homes: dict[tuple[int, ...] | None, dict[Labels, int]] = defaultdict(dict)
        self._homes = {s.id: homes[s.key_places] for s in self._series.values()}
        self._works = _works(self._series.values())
        self._fresh_works = _works(s for s in self._series.values() if s.id in fresh)

    # ---- in -------------------------------------------------------------------------------------------------------

    def feed(self, batch: Batch) -> None:
        """Fold a batch that follows what was fed before (its `previous` is the caller's to check)."""
        size = self._settings.chunk_size
        events = self._decoder.decode(batch.values, batch.headers)
        begin = 0
        offsets = batch.offsets
        while begin < len(offsets):
            chunk = offsets[begin] // size
            border = (chunk + 1) * size
            if offsets[begin] < self._told_before:
                # What was told before this assignment is told again apart from what is new: so it is known as such.
                border = min(border, self._told_before)
            end = bisect_left(offsets, border, begin)
            self._enter(chunk)
            self._fold(batch, events, begin, end)
            if border == self._told_before:
                self._seal()
            begin = end
        self._upto = max(self._upto, batch.next - 1)
        self._enter_upto()
        if self._settings.imported:
            self._look_for_marks(batch)
        self.clock.interrupt()

    def _look_for_marks(self, batch: Batch) -> None:
        """Note whether the import has ended: then event time has come to where it did."""
        mark = last_border(batch.offsets, batch.values, ends_from=self.ends_from)
        if mark is not None:
            self._ended = mark.at_us if mark.kind is MarkKind.ENDED else None
        if self._ended is not None:
            self.clock.advance(self._ended, self._ended)

    def _enter(self, chunk: int) -> None:
        if chunk != self._ids_chunk:
            self._ids_before = self._ids if chunk == self._ids_chunk + 1 else SeenIds()
            self._ids = SeenIds()
            self._ids_chunk = chunk
        if chunk > self._chunk:
            self._seal()
            self._chunk = chunk
            self._first = chunk * self._settings.chunk_size
            self._upto = self._first - 1
            self._totals = {}

    def _enter_upto(self) -> None:
        """Control records behind the last event may lead into the next chunk."""
        chunk = self._upto // self._settings.chunk_size
        if chunk > self._chunk:
            upto = self._upto
            self._enter(chunk)
            self._upto = upto

    def _fold(self, batch: Batch, events: Sequence[Any], begin: int, end: int) -> None:
        """Fold events of one chunk, all of them told before this assignment or none of them."""
        offsets, first, settings = batch.offsets, self._first, self._settings
        chosen = events[begin:end]
        at: Sequence[int] = range(begin, end)  # where each of them stands in the batch
        classes = set(map(type, chosen))
        if Refused in classes or None.__class__ in classes:
            chosen, at = self._readable(batch, chosen, at)
        fresh = SeenIds.of(chosen)
        if len(fresh) < len(chosen) or not (fresh.is_disjoint(self._ids) and fresh.is_disjoint(self._ids_before)):
            chosen, at = self._unseen(offsets, chosen, at)
        self._ids.update(fresh)
        times = clocks = _microseconds([event.time for event in chosen])
        arrivals: Sequence[int] = ()
        if settings.live and times:
            arrived_ms = batch.timestamps_ms
            arrivals = [arrived_ms[i] * 1000 for i in at]
            latest, first_arrival = max(times), min(arrivals)
            if latest > first_arrival + settings.future_limit_us:
                chosen, at, times, arrivals = self._possible(batch, chosen, at, times, arrivals)
                clocks = times
            if latest > first_arrival:
                # Arrival is known to the millisecond.
                clocks = [t if t <= a + 999 else a + 999 for t, a in zip(times, arrivals, strict=True)]
        newest = self.clock.newest
        if times:
            highest, lowest = max(clocks), min(times)
            has_arrival = settings.live and batch.append_time
            self.clock.advance(highest, arrivals[clocks.index(highest)] if has_arrival else None)
            self._oldest = lowest if self._oldest is None else min(self._oldest, lowest)
        skipped = bisect_left(at, bisect_left(offsets, first, begin, end))  # read for their ids only
        if skipped:
            chosen, times, at = chosen[skipped:], times[skipped:], at[skipped:]
        if chosen:
            if self._counted is None:
                # What lies before the first record may be as young as lateness allows.
                before = clocks[: skipped + 1] if newest is None else [newest, *clocks[: skipped + 1]]
                self._counted = max(clocks[skipped] + settings.lateness_us, *before)
            self.counts.events += len(at) - bisect_left(at, bisect_left(offsets, self._count_from, begin, end))
            self._count(offsets, chosen, times, at)
        self._upto = max(self._upto, offsets[end - 1])

    def _readable(self, batch: Batch, events: Sequence[Any], at: Sequence[int]) -> tuple[Sequence[Any], Sequence[int]]:
        """The events among what was decoded, and where they stand; what is none is counted or refused."""
        kept, places = [], []
        for event, i in zip(events, at, strict=True):
            if event is None:
                self.counts.unknown += batch.offsets[i] >= self._count_from
            elif event.__class__ is Refused:
                self._refuse(batch, i, event.reason, event.detail)
            else:
                kept.append(event)
                places.append(i)
        return kept, places

    def _unseen(
        self, offsets: Sequence[int], events: Sequence[Any], at: Sequence[int]
    ) -> tuple[Sequence[Any], Sequence[int]]:
        """The events that did not come before in this chunk or the one before it, and where they stand.

        Seen means seen, also what is a duplicate itself: a meter that starts with this chunk knows it, so all must.
        """
        kept, places = [], []
        seen = SeenIds()
        for event, i in zip(events, at, strict=True):
            if event in seen or event in self._ids or event in self._ids_before:
                self.counts.duplicates += offsets[i] >= self._count_from
                continue
            seen.add(event)
            kept.append(event)
            places.append(i)
        return kept, places

    def _possible(
        self, batch: Batch, events: Sequence[Any], at: Sequence[int], times: list[int], arrivals: list[int]
    ) -> tuple[Sequence[Any], Sequence[int], list[int], list[int]]:
        """What does not come from the future; the rest is refused."""
        kept: list[tuple[Any, int, int, int]] = []
        for event, i, time_us, arrived in zip(events, at, times, arrivals, strict=True):
            if time_us > arrived + self._settings.future_limit_us:
                ahead = (time_us - arrived) // SECOND
                self._refuse(batch, i, "future", f"time is {ahead} s ahead of its arrival; check the sender's clock")
            else:
                kept.append((event, i, time_us, arrived))
        return [k[0] for k in kept], [k[1] for k in kept], [k[2] for k in kept], [k[3] for k in kept]

    def _count(self, offsets: Sequence[int], events: Sequence[Any], times: Sequence[int], at: Sequence[int]) -> None:
        """Fold what is new into the series: by event type and bucket, many events at a time."""
        works = self._fresh_works if self._chunk < self._regular else self._works  # the rest was told long ago
        levels: list[LevelValue] = []
        kinds = set(map(type, events))
        for kind in kinds:
            work = works.get(type_of(kind))
            if work is None:
                continue
            places: Sequence[int] = range(len(events))
            if len(kinds) > 1:
                places = [n for n in places if events[n].__class__ is kind]
            columns = Columns([events[n].data for n in places])
            for series, read in work.reads:
                for labels, identity, value, place in read(columns):
                    n = places[place]
                    told_by = f"{events[n].source} {events[n].id}"
                    levels.append(LevelValue(series, labels, identity, times[n], offsets[at[n]], value, told_by))
            if not work.feeds:
                continue
            seconds = [times[n] // SECOND for n in places]
            for width, feeds in work.feeds.items():
                for bucket, within in _by_bucket(seconds, columns, width):
                    for feed, fold in feeds:
                        fold(within, self._delta.setdefault((feed, bucket), {}))
        levels.sort(key=_OFFSET)  # what one event says stands together, in the order of the series
        self._levels += levels

    def _refuse(self, batch: Batch, i: int, reason: str, detail: str) -> None:
        if batch.offsets[i] < self._told_before:
            return
        self.counts.dead += batch.offsets[i] >= self._count_from
        dead = DeadEvent(batch.topic, batch.partition, batch.offsets[i], reason, detail, batch.values[i])
        self._dead.append(dead)

    def _take_dead(self) -> list[Record]:
        """In the order of their offsets, however the batches were cut."""
        dead, self._dead = sorted(self._dead, key=_OFFSET), []
        return [dead_record(d) for d in dead]

    @property
    def counted(self) -> int:
        """The offset up to which `take_counts` has counted, with this meter or one before it."""
        return max(self._count_from, self._upto + 1)

    def take_counts(self) -> MeterCounts:
        """What happened since the last call."""
        counts, self.counts = self.counts, MeterCounts()
        return counts

    def observe(self, *, at_end: bool, now: datetime) -> None:
        """Whether a fetch that succeeded found the log's end; False also when a fetch failed."""
        # The end of an import that goes on says nothing of the time: its next event is as old as its last one.
        goes_on = self._settings.imported and self._ended is None and self.clock.newest is not None
        self.clock.observe(at_end=at_end and not goes_on, now_us=round(now.timestamp() * SECOND))

    # ---- out ------------------------------------------------------------------------------------------------------

    def flush(self, now: datetime) -> list[Record]:
        """Everything that changed since the last flush, and how far that goes; often nothing.

        A samples partition is told of progress with what changed there. Nobody can miss more of it than a second of
        event time, or of ours: then all of them are told. The first is told of every flush that says anything new,
        because the next assignment looks there for what was promised.
        """
        now_us = round(now.timestamp() * SECOND)
        if self._settings.imported and self.clock.newest is None:
            self.position = max(self.position, self._upto + 1)
            return self._take_dead()  # nothing was imported: to the judge there is no such source
        self._advance(now_us)
        self._seal()
        frames, self._sealed = self._sealed, defaultdict(list)
        promise = (self.clock.watermark, self.clock.idle, self._upto)
        tells_all = self._tells_all(now_us)
        if not (frames or promise != self._promised or tells_all):
            return self._take_dead()
        records = self._take_dead()
        progress = self._progress(now_us)
        promised = self._frame([], [], progress)
        for partition in range(self._settings.samples_partitions):
            own = frames[partition]
            if own and _is_at_one_place(own[-1], promised):
                own[-1] = replace(own[-1], progress=progress)
            elif own or tells_all or partition == 0:
                own.append(promised)
            records += [self._record(encode(frame), partition) for frame in own]
        self._promised = promise
        self.position = max(self.position, self._upto + 1)
        return records

    def _tells_all(self, now_us: int) -> bool:
        """Whether every samples partition is to be told how far this one has come; if so, that is noted."""
        clock = self.clock
        second = None if clock.watermark is None else clock.watermark // SECOND
        promise = (second, clock.idle, clock.silent, self._ended)
        since_us = now_us - self._promised_to_all_at_us
        if promise == self._promised_to_all and 0 <= since_us < PROGRESS_EVERY_US:
            return False
        self._promised_to_all, self._promised_to_all_at_us = promise, now_us
        return True

    def frames(self, now: datetime) -> list[Frame]:
        """What `flush` would publish to a single samples partition, as it is: for replays in one process."""
        now_us = round(now.timestamp() * SECOND)
        self._advance(now_us)
        self._seal()
        frames, self._sealed = self._sealed, defaultdict(list)
        return [*frames[0], self._frame([], [], self._progress(now_us))]

    def advance_to(self, time_us: int) -> None:
        """A replay's clock: everything before and at this event time has been fed."""
        self.clock.advance_to(time_us + 1)

    def _advance(self, now_us: int) -> None:
        if self._settings.live:
            self.clock.read(now_us)

    def _progress(self, now_us: int) -> Progress:
        begins, complete = None, False
        if not self._begun:
            begins, complete, self._begun = sorted(self._series), self._complete, True
        clock = self.clock
        silent = clock.silent or (clock.newest is None and not self._settings.live)
        counted = None if begins is None else self._counted
        return Progress(
            clock.newest,
            self._oldest,
            clock.watermark,
            silent,
            begins,
            complete,
            counted,
            clock.promise(now_us),
            self._ended,
        )

    def _seal(self) -> None:
        """Move what changed into frames of the current chunk, for each samples partition those of its groups."""
        if not self._delta and not self._levels:
            return
        partials: dict[int, list[Partial]] = defaultdict(list)
        for series, parts in self._changes().items():
            homes, cumulate = self._homes[series], self._cumulate[series]
            # A series has several buckets in one flush where a batch crosses the border of one, or comes late.
            partial_of: dict[Labels, Partial] | None = {} if len(parts) > 1 else None
            for bucket, groups in parts:
                total = self._totals.setdefault((series, bucket), {})
                get = total.get
                for labels, change in groups.items():
                    old = get(labels)
                    total[labels] = merged = change if old is None else cumulate(old, change)
                    sent = merged if merged.__class__ is int else _sent_form(merged)
                    if partial_of is not None:
                        known = partial_of.get(labels)
                        if known is not None:
                            known.buckets.append((bucket, sent))
                            continue
                    partial = Partial(series, labels, [(bucket, sent)])
                    if partial_of is not None:
                        partial_of[labels] = partial
                    home = homes.get(labels)
                    partials[self._home(series, labels) if home is None else home].append(partial)
        levels: dict[int, list[LevelValue]] = defaultdict(list)
        for value in self._levels:
            home = self._homes[value.series].get(value.labels)
            levels[self._home(value.series, value.labels) if home is None else home].append(value)
        self._levels = []
        for partition in partials.keys() | levels.keys():
            self._sealed[partition] += self._frames(partials[partition], levels[partition])

    def _changes(self) -> Mapping[str, list[tuple[int, Groups]]]:
        """Series → its buckets with what is new in them; the next ones begin with nothing."""
        changes: dict[str, list[tuple[int, Groups]]] = defaultdict(list)
        for (series, bucket), groups in self._delta.items():
            changes[series].append((bucket, groups))
        self._delta.clear()
        return changes

    def _frames(self, partials: list[Partial], levels: list[LevelValue]) -> Iterator[Frame]:
        """Frames of a size that a broker takes."""
        while partials or levels:
            cut = ROWS_PER_FRAME
            while cut < len(levels) and levels[cut].offset == levels[cut - 1].offset:
                cut += 1  # what one event says is judged as one
            yield self._frame(partials[:ROWS_PER_FRAME], levels[:cut])
            partials, levels = partials[ROWS_PER_FRAME:], levels[cut:]

    def _frame(self, partials: list[Partial], levels: list[LevelValue], progress: Progress | None = None) -> Frame:
        """A frame that reaches up to where this meter has read."""
        return replace(
            self._blank,
            chunk=self._chunk,
            first=self._first,
            upto=self._upto,
            partials=partials,
            levels=levels,
            progress=progress,
        )

    def _home(self, series: str, labels: Labels) -> int:
        """The samples partition of a group; remembered."""
        places = self._series[series].key_places
        key = labels if places is None else [labels[place] for place in places]
        home = self._homes[series][labels] = partition_of(key, self._settings.samples_partitions)
        return home

    def _record(self, value: bytes, partition: int) -> Record:
        return Record(self._settings.samples_topic, value, self._key, partition)
