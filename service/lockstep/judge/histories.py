"""What a judge remembers of the series: the history of each flow and each level."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never
from zoneinfo import ZoneInfo

from lockstep.judge.rule_facts import Labels, RuleFacts
from lockstep.judge.state import JudgeCounts, Sizes
from lockstep.judge.state.journal import ChunkOver, Moved, Told
from lockstep.judge.state.store import Store
from lockstep.judge.watermark import Place, Watermarks
from lockstep.measure.definition import SeriesDef
from lockstep.measure.history import FlowHistory, Late, Source
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

    def __init__(
        self,
        series: Mapping[str, SeriesDef],
        kept: Mapping[str, Kept],
        counts: JudgeCounts,
        sizes: Sizes | None = None,
        *,
        stores: bool = True,
        shown_levels: Mapping[str, bool] | None = None,
    ) -> None:
        """series: those that may come, by id. sizes: of what is stored. stores: whether `store` will be asked.
        shown_levels: ids of the levels whose last changes are kept → whether each value counts as one."""
        self._store = Store(series, sizes or Sizes(), stores=stores)
        self.flows, self.levels = self._store.flows, self._store.levels
        self._series, self._kept, self._counts = series, kept, counts
        self._shown_levels = shown_levels or {}
        self._open_by_source: defaultdict[Source, dict[FlowHistory, str]] = defaultdict(dict)  # → its series

    def groups_of(self, series: SeriesDef) -> list[Labels]:
        """The groups of a series."""
        groups = self._store.levels_of(series.id) if series.is_level else self._store.flows_of(series.id)
        return [labels for labels, _ in groups]

    def flows_of(self, series: str) -> Iterator[tuple[Labels, FlowHistory]]:
        """The groups of a flow with their histories."""
        return self._store.flows_of(series)

    def take_partial(
        self, source: Source, place: Place, partial: Partial, *, closed: int | None
    ) -> tuple[int | None, list[Late]]:
        """Take a partial of a series that is known; as `FlowHistory.apply`."""
        series = partial.series
        history = self.flows.get((series, partial.labels)) or self._store.begin_flow((series, partial.labels))
        before = history.places.get(source)
        if before is not None:
            if place <= before:
                return None, []
            if before[0] == place[0] and place[1] > before[1]:
                self._counts.overlaps += 1
        self._open_by_source[source][history] = series
        self._store.tell(series, history, source, place, partial.buckets, closed)
        return history.apply(source, place, partial.buckets, closed=closed)

    def take_level(self, source: Source, value: LevelValue, *, asked_from_us: int | None) -> bool:
        """Take a value of a level; False when it changes nothing.

        asked_from_us: the earliest instant at which a rule may still ask for what the level was; None: none does.
        """
        key = (value.series, value.labels)
        history = self.levels.get(key) or self._store.begin_level(key)
        if history.has_seen(source, value.offset):
            return False
        older = history.older
        arguments = (value.identity, value.time_us, value.offset, value.value)
        self._store.move(value.series, history, source, arguments, asked_from_us)
        is_applied = history.apply(source, *arguments, grain_us=self._grain_us(value.series))
        self._counts.older_levels += history.older - older
        if is_applied:
            history.trim(asked_from_us)
            if (every_value := self._shown_levels.get(value.series)) is not None:
                history.note_change(value.time_us, every_value=every_value)
        return is_applied

    def _grain_us(self, series: str) -> int:
        kept = self._kept.get(series)
        return 0 if kept is None else kept.grain_s * SECOND

    def newest_level_us(self, series: Iterable[SeriesDef], labels_of: Callable[[SeriesDef], Labels]) -> int:
        """When the newest value of any of these levels was set; 0 while there is none.

        A group that stays clear is not stored with each value: it was judged last when its newest one was set.
        """
        histories = (self.levels.get((one.id, labels_of(one))) for one in series)
        return max((history.newest_us() for history in histories if history is not None), default=0)

    def fold(self, source: Source, place: Place) -> None:
        """A source partition has come to a later chunk: what it has told of the one before is final."""
        self._store.end_chunk(source, place, self._folded(source, place))

    def _folded(self, source: Source, place: Place) -> dict[FlowHistory, str]:
        """Fold what a source has told up to a place; returns the histories that had any → series."""
        opened = self._open_by_source.pop(source, {})
        stays, changed = self._open_by_source[source], {}
        for history, series in opened.items():
            if history.places[source] >= place:
                stays[history] = series
            elif history.fold(source):
                changed[history] = series
        return changed

    def expire(self, judged_to: Mapping[str, int]) -> None:
        """Drop what no rule needs any more. judged_to: series id → the second up to which all its rules judged."""
        for series, upto in judged_to.items():
            if self._series[series].is_level:
                continue
            kept = self._kept[series]
            changed, forgotten = [], []
            for labels, history in self._store.flows_of(series):
                if history.expire(upto - kept.buckets_s):
                    changed.append(history)
                if history.is_empty and (history.seen is None or history.seen + kept.memory_s <= upto):
                    changed.append(history)
                    forgotten.append((series, labels))
            self._store.expired(series, upto - kept.buckets_s, changed)
            for key in forgotten:
                self._store.forget(key)

    # ---- state ----------------------------------------------------------------------------------------------------

    def store(self, entries: dict[bytes, bytes | None]) -> None:
        """Add what changed since the last time to the entries of a cut."""
        self._store.cut(entries)

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what `store` gave. What is of a series that is no more is removed with the next cut."""
        is_first = True
        for again in self._store.restore(entries):
            if is_first:
                self._begin_again()  # all pages have been read, and nothing that came since was taken
                is_first = False
            step = again.step
            match step:
                case Told():
                    open_of_source = self._open_by_source[step.source]
                    for history, buckets in again.rows:
                        open_of_source[history] = step.series
                        history.apply(step.source, step.place, buckets, closed=step.closed)
                case Moved():
                    grain_us, every_value = self._grain_us(step.series), self._shown_levels.get(step.series)
                    for level, value in again.rows:
                        if level.apply(step.source, *value, grain_us=grain_us):
                            level.trim(step.asked_from_us)
                            if every_value is not None:
                                level.note_change(value[1], every_value=every_value)
                case ChunkOver():
                    changed = self._folded(step.source, step.place)
                    self._store.had_chunk(again.entry, changed)
                case _:
                    assert_never(step)
        if is_first:
            self._begin_again()

    def _begin_again(self) -> None:
        for (series, _), history in self.flows.items():
            if history.unsealed:
                for source in history.places:
                    self._open_by_source[source][history] = series
        for (series, _), level in self.levels.items():
            if series not in self._shown_levels:
                level.forget_changes()


@dataclass(frozen=True, slots=True)
class Past:
    """What a judge knows of the events: their histories, and how far event time has come. zone: the shop's."""

    histories: Histories
    watermarks: Watermarks
    zone: ZoneInfo
