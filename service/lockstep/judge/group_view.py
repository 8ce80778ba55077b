"""The histories of one group, as the verdicts of its rule read them."""

from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

from lockstep.judge.group import Group, Shared
from lockstep.judge.histories import Past
from lockstep.judge.rule_facts import Labels
from lockstep.judge.state import SeriesKey
from lockstep.measure.definition import SeriesDef
from lockstep.measure.exact import Exact
from lockstep.rule.condition.kind.anomaly import Watch
from lockstep.rule.condition.kinds import Anomaly
from lockstep.rule.condition.view import Verdict
from lockstep.text.rfc3339 import SECOND


class GroupView:
    """What `lockstep.rule.condition.view.View` asks for, of the group that it looks at."""

    __slots__ = ("_flows", "_levels", "_past", "_watermarks", "labels", "watches", "wide", "width")

    def __init__(self, past: Past) -> None:
        self._past = past
        self._flows, self._levels, self._watermarks = past.histories.flows, past.histories.levels, past.watermarks
        self.labels: Labels = ()
        self.wide: Mapping[str, Labels] = {}
        self.watches: dict[str, Watch] = {}
        self.width = 60

    def look_at(self, group: Group | Shared) -> None:
        self.labels, self.wide, self.width = group.labels, group.wide, group.facts.width
        self.watches = group.watches

    def look_at_labels(self, labels: Labels) -> None:
        """Look at the group of these labels of a rule whose series are all over the same."""
        self.labels, self.wide = labels, {}

    def of(self, group: Group) -> "GroupView":
        """A view of the same past that looks at a group, and stays with it."""
        view = GroupView(self._past)
        view.look_at(group)
        return view

    def _key(self, series: SeriesDef) -> SeriesKey:
        return series.id, self.wide.get(series.id, self.labels) if self.wide else self.labels

    @property
    def zone(self) -> ZoneInfo:
        return self._past.zone

    def flow(self, series: SeriesDef, start: int, end: int) -> Exact | None:
        history = self._flows.get(self._key(series))
        value = None if history is None else history.value(start, end)
        if value is not None or not series.is_additive:
            return value
        if history is not None and history.aggregate(start, end) is not None:
            return None  # there is something, but it has no value: mixed currencies, a sum beyond 64 bits
        return 0 if self.has_events(series, end) else None

    def level(self, series: SeriesDef, instant_us: int, *, newest: bool = False) -> int | None:
        history = self._levels.get(self._key(series))
        if history is None:
            return None
        stale_us = None if series.stale_after_s is None else series.stale_after_s * SECOND
        if not newest:
            return history.as_of(instant_us, stale_us)
        # The value that has just come may be another level's: this one can be stale all the same.
        return None if stale_us is not None and instant_us - history.newest_us() >= stale_us else history.now()

    def moved(self, series: SeriesDef) -> int | None:
        history = self._levels.get(self._key(series))
        if history is None or history.moved is None:
            return None
        # Measures that differ in `stale_after` alone share one history; each says for itself what was stale.
        if series.stale_after_s is not None and history.rested_us >= series.stale_after_s * SECOND:
            return None
        return history.moved

    def changes(self, series: SeriesDef) -> Iterator[tuple[int, int]]:
        """The last changes of a level, see `LevelHistory.changes`; none where nobody shows them."""
        history = self._levels.get(self._key(series))
        return iter(()) if history is None else history.changes()

    def fallen(self, series: SeriesDef, start: int, end: int) -> int | None:
        history = self._levels.get(self._key(series))
        return None if history is None else history.fallen(start * SECOND, end * SECOND, self.width * SECOND)

    def first_seen(self, series: SeriesDef, start: int, end: int) -> int | None:
        history = self._flows.get(self._key(series))
        first = None if history is None else history.next_start(start - 1)
        return first if first is not None and first < end else None

    def last_seen(self, series: SeriesDef, before: int) -> int | None:
        history = self._flows.get(self._key(series))
        return None if history is None else history.last_seen(before)

    def watched(self, condition: Anomaly) -> Verdict | None:
        watch = self.watches.get(condition.key)
        return None if watch is None else watch.verdict(condition)

    def complete_from(self, series: SeriesDef) -> float:
        return self._watermarks.complete_from(series)

    def has_events(self, series: SeriesDef, before: int) -> bool:
        first = self._watermarks.first((series.source,))
        return first is not None and first < before * SECOND
