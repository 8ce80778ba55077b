"""What a judge remembers of the series: the history of each flow and each level, and what of it is not stored yet."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from zoneinfo import ZoneInfo

from lockstep.judge.rule_facts import Labels, RuleFacts
from lockstep.judge.state import (
    BLOCK,
    HEAD,
    LEVEL,
    JudgeCounts,
    SeriesKey,
    block_key,
    head_key,
    level_key,
    series_of_key,
)
from lockstep.judge.watermark import Place, Watermarks
from lockstep.measure.definition import SeriesDef
from lockstep.measure.history import FlowHistory, Late, LevelHistory, Source, pack, unpack
from lockstep.measure.sample import LevelValue, Partial
from lockstep.text.rfc3339 import SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How much of one series its rules need, in seconds.

    buckets_s: how long buckets are kept; memory_s: how long the last event is remembered.
    grain_s: rules ask for a level's past at multiples of this only; 0: they ask for none.
    """

    buckets_s: int = 0
    memory_s: int = 0
    grain_s: int = 0


def kept_for(rules: Iterable[RuleFacts], longer_s: Mapping[str, int]) -> dict[str, Kept]:
    """How much of each series is kept. longer_s: series id → how much longer than its rules need its buckets."""
    kept: dict[str, Kept] = defaultdict(Kept)
    for facts in rules:
        for series in facts.flows:
            known = kept[series.id]
            kept[series.id] = Kept(
                buckets_s=max(known.buckets_s, facts.kept_s + longer_s.get(series.id, 0)),
                memory_s=max(known.memory_s, facts.memory_s),
            )
        for series in () if facts.is_level_only else facts.levels:
            grain_s = kept[series.id].grain_s
            kept[series.id] = Kept(grain_s=min(grain_s or facts.width, facts.width))
    return dict(kept)


class Histories:
    """flows, levels: (series id, labels) → its history. It knows series, and nothing of rules and their alerts."""

    def __init__(self, series: Mapping[str, SeriesDef], kept: Mapping[str, Kept], counts: JudgeCounts) -> None:
        """series: those that may come, by id."""
        self.flows: dict[SeriesKey, FlowHistory] = {}
        self.levels: dict[SeriesKey, LevelHistory] = {}
        self._series, self._kept, self._counts = series, kept, counts
        self._open_by_source: defaultdict[Source, set[SeriesKey]] = defaultdict(set)
        self._changed_flows: set[SeriesKey] = set()
        self._changed_levels: set[SeriesKey] = set()
        self._removed: dict[bytes, None] = {}

    def take_partial(
        self, source: Source, place: Place, partial: Partial, *, closed: int | None
    ) -> tuple[int | None, list[Late]]:
        """Take a partial of a series that is known; as `FlowHistory.apply`."""
        key = (partial.series, partial.labels)
        history = self.flows.get(key)
        if history is None:
            history = self.flows[key] = FlowHistory(self._series[partial.series])
        before = history.places.get(source)
        if before is not None and before[0] == place[0] and place[1] > before[1]:
            self._counts.overlaps += 1
        self._changed_flows.add(key)
        self._open_by_source[source].add(key)
        return history.apply(source, place, partial.buckets, closed=closed)

    def take_level(self, source: Source, value: LevelValue, *, asked_from_us: int | None) -> bool:
        """Take a value of a level; False when it changes nothing.

        asked_from_us: the earliest instant at which a rule may still ask for what the level was; None: none does.
        """
        key = (value.series, value.labels)
        history = self.levels.get(key)
        if history is None:
            history = self.levels[key] = LevelHistory()
        older, kept = history.older, self._kept.get(value.series)
        is_applied = history.apply(
            source,
            value.identity,
            value.time_us,
            value.offset,
            value.value,
            grain_us=0 if kept is None else kept.grain_s * SECOND,
        )
        if history.dirty:
            self._changed_levels.add(key)
        self._counts.older_levels += history.older - older
        if is_applied:
            history.trim(asked_from_us)
        return is_applied

    def newest_level_us(self, series: Iterable[SeriesDef], labels_of: Callable[[SeriesDef], Labels]) -> int:
        """When the newest value of any of these levels was set; 0 while there is none.

        A group that stays clear is not stored with each value: it was judged last when its newest one was set.
        """
        histories = (self.levels.get((one.id, labels_of(one))) for one in series)
        return max((history.newest_us() for history in histories if history is not None), default=0)

    def fold(self, source: Source, place: Place) -> None:
        """A source partition has come to a later chunk: what it has told of the one before is final."""
        for key in self._open_by_source.pop(source, ()):
            history = self.flows.get(key)
            if history is not None and history.places.get(source, place) < place and history.fold(source):
                self._changed_flows.add(key)

    def expire(self, judged_to: Mapping[str, int]) -> None:
        """Drop what no rule needs any more. judged_to: id of a flow → the second up to which all its rules judged."""
        for key, history in list(self.flows.items()):
            upto = judged_to.get(key[0])
            if upto is None:
                continue
            kept = self._kept[key[0]]
            for number in history.expire(upto - kept.buckets_s):
                self._removed[block_key(key, number)] = None
            if history.seen is not None and history.seen + kept.memory_s > upto:
                if history.head_dirty:
                    self._changed_flows.add(key)
            elif history.is_empty:
                del self.flows[key]
                self._changed_flows.discard(key)
                self._removed[head_key(key)] = None

    # ---- state ----------------------------------------------------------------------------------------------------

    def store(self, entries: dict[bytes, bytes | None]) -> None:
        """Add what changed since the last time to the entries of a cut."""
        entries.update(self._removed)
        self._removed = {}
        for key in self._changed_flows:
            history = self.flows[key]
            if history.head_dirty:
                entries[head_key(key)] = pack(history.head())
                history.head_dirty = False
            for number in history.dirty:
                block = history.block(number)
                entries[block_key(key, number)] = None if block is None else pack(block)
            history.dirty.clear()
        self._changed_flows.clear()
        for key in self._changed_levels:
            level = self.levels[key]
            entries[level_key(key)] = pack(level.state())
            level.dirty = False
        self._changed_levels.clear()

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what `store` gave. What is of a series that is no more is removed with the next cut."""
        blocks: list[tuple[int, SeriesKey, bytes]] = []
        for entry, value in entries.items():
            kind = entry[:1]
            if kind not in (HEAD, BLOCK, LEVEL):
                continue
            key, rest = series_of_key(entry)
            if key[0] not in self._series:
                self._removed[entry] = None
            elif kind == HEAD:
                self._restored_flow(key).restore_head(unpack(value))
            elif kind == BLOCK:
                blocks.append((rest[0], key, value))
            else:
                level = self.levels[key] = LevelHistory()
                level.restore(unpack(value))
        # In order of time: what is old is packed as it comes, and not taken apart for what is older still.
        blocks.sort(key=itemgetter(0))
        for number, key, value in blocks:
            self._restored_flow(key).restore_block(number, unpack(value))
        for key, history in self.flows.items():
            for source in history.places:
                self._open_by_source[source].add(key)

    def _restored_flow(self, key: SeriesKey) -> FlowHistory:
        """Its head and its blocks stand in any order."""
        history = self.flows.get(key)
        if history is None:
            history = self.flows[key] = FlowHistory(self._series[key[0]])
        return history


@dataclass(frozen=True, slots=True)
class Past:
    """What a judge knows of the events: their histories, and how far event time has come. zone: the shop's."""

    histories: Histories
    watermarks: Watermarks
    zone: ZoneInfo
