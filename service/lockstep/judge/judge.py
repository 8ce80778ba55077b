"""The judge: a fold of one samples partition. Frames in, transitions out; it reads no clock.

A group is visited only when its verdict could change: when a bucket with data enters or leaves one of its windows, when
its history becomes long enough, when a level changed, or when a timer of its alert runs out. Between those instants the
verdict is the same at every bucket end, so the result is that of judging every one of them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from lockstep.alert import (
    Alert,
    Change,
    State,
    alert_id,
    apply_verdict,
    counts_buckets,
    due,
    remove,
    restored,
    run_timer,
    stored,
    would_fire,
)
from lockstep.errors import StateError
from lockstep.judge.group import FAR, NEVER, Group, Labels, RuleRuntime, Shared, continues, goes_on
from lockstep.judge.watermark import Place, SourceState, Topic, Watermarks
from lockstep.labels import partition_of, stable_id
from lockstep.measure.dead_events import DeadEvent, dead_record
from lockstep.measure.definition import SeriesDef
from lockstep.measure.exact import Exact
from lockstep.measure.history import FlowHistory, Late, LevelHistory, Source, pack, unpack
from lockstep.measure.sample import FORMAT, Frame, LevelValue, Partial, Progress, decode
from lockstep.ports import Batch, Cut, Record
from lockstep.rule.condition.held import carried, fitting
from lockstep.rule.condition.judge import judge
from lockstep.rule.condition.kind.anomaly import Watch
from lockstep.rule.condition.kind.threshold import breached
from lockstep.rule.condition.kinds import (
    Anomaly,
    Condition,
    Plan,
    Rule,
    Threshold,
    series_of_condition,
)
from lockstep.rule.condition.period import start_of
from lockstep.rule.condition.usual import CLOCK_CHANGE
from lockstep.rule.condition.view import Instant, Kind, Verdict
from lockstep.rule.condition.when import (
    next_day,
)
from lockstep.rule.judged import Judged, judged
from lockstep.transition import SECOND, Transition, TransitionName, encode, in_order, rfc3339

STATE_FORMAT = 3

ALERTS = "lockstep.alerts"
ALERT_STATE = "lockstep.alert-state"
AT_BORDER = "border"
"""Stands for the event that begins an episode where a version begins, so that its id is not that of one which the
version before, on flows, begins and ends at that very instant."""

SeriesKey = tuple[str, Labels]
_Known = dict[tuple[str, str], tuple[int | None, bool]]
"""(rule, edition) → up to which second it has been judged, and whether it has begun."""


class _View:
    """The histories of one group; what `lockstep.rule.condition.view.View` asks for."""

    __slots__ = ("_judge", "labels", "watches", "wide", "width")

    def __init__(self, judge: "Judge") -> None:
        self._judge = judge
        self.labels: Labels = ()
        self.wide: Mapping[str, Labels] = {}
        self.watches: dict[str, Watch] = {}
        self.width = 60

    def look_at(self, group: Group | Shared) -> None:
        self.labels, self.wide, self.width = group.labels, group.wide, group.runtime.width
        self.watches = group.watches

    def _key(self, series: SeriesDef) -> SeriesKey:
        return series.id, self.wide.get(series.id, self.labels) if self.wide else self.labels

    @property
    def zone(self) -> ZoneInfo:
        return self._judge.zone

    def flow(self, series: SeriesDef, start: int, end: int) -> Exact | None:
        history = self._judge.flows.get(self._key(series))
        value = None if history is None else history.value(start, end)
        if value is not None or not series.is_additive:
            return value
        if history is not None and history.aggregate(start, end) is not None:
            return None  # there is something, but it has no value: mixed currencies, a sum beyond 64 bits
        return 0 if self.has_events(series, end) else None

    def level(self, series: SeriesDef, instant_us: int, *, newest: bool = False) -> int | None:
        history = self._judge.levels.get(self._key(series))
        if history is None:
            return None
        stale_us = None if series.stale_after_s is None else series.stale_after_s * SECOND
        if not newest:
            return history.as_of(instant_us, stale_us)
        # The value that has just come may be another level's: this one can be stale all the same.
        return None if stale_us is not None and instant_us - history.newest_us() >= stale_us else history.now()

    def moved(self, series: SeriesDef) -> int | None:
        history = self._judge.levels.get(self._key(series))
        if history is None or history.moved is None:
            return None
        # Measures that differ in `stale_after` alone share one history; each says for itself what was stale.
        if series.stale_after_s is not None and history.rested_us >= series.stale_after_s * SECOND:
            return None
        return history.moved

    def fallen(self, series: SeriesDef, start: int, end: int) -> int | None:
        history = self._judge.levels.get(self._key(series))
        return None if history is None else history.fallen(start * SECOND, end * SECOND, self.width * SECOND)

    def first_seen(self, series: SeriesDef, start: int, end: int) -> int | None:
        history = self._judge.flows.get(self._key(series))
        found = None if history is None else history.next_start(start - 1)
        return found if found is not None and found < end else None

    def last_seen(self, series: SeriesDef, before: int) -> int | None:
        history = self._judge.flows.get(self._key(series))
        return None if history is None else history.last_seen(before)

    def watched(self, condition: Anomaly) -> Verdict | None:
        watch = self.watches.get(condition.key)
        return None if watch is None else watch.verdict(condition)

    def complete_from(self, series: SeriesDef) -> float:
        return self._judge.watermarks.complete_from(series)

    def has_events(self, series: SeriesDef, before: int) -> bool:
        first = self._judge.watermarks.first((series.source,))
        return first is not None and first < before * SECOND


@dataclass(frozen=True)
class Seen:
    """What a judge knows of one group of one rule, for explaining it; see `lockstep.explain`.

    known: whether the group ever had an event or an alert and is not forgotten. judged_to: the bucket end up to which
    all was judged, in seconds; None before the first, and for a rule on levels alone. watermark: microseconds.
    """

    rule: Rule
    condition: Condition
    alert: Alert
    known: bool
    view: _View
    judged_to: int | None
    watermark: int | None


@dataclass
class JudgeCounts:
    """What happened since the judge began, for metrics. overlaps: chunks whose head retention had removed.

    visits: how often a group was judged at a bucket end, since the last start.
    """

    late: int = 0
    older_levels: int = 0
    overlaps: int = 0
    transitions: int = 0
    visits: int = 0


class Judge:
    """One samples partition. early: whether verdicts that more events cannot undo are given before a bucket closes."""

    def __init__(
        self,
        plan: Plan,
        *,
        zone: ZoneInfo,
        partition: int = 0,
        partitions: int = 1,
        topics: Mapping[str, str] | None = None,
        early: bool = True,
    ) -> None:
        """topics: role → topic name, for dead events."""
        self.zone = zone
        self._partition, self._partitions = partition, partitions
        self._topic_names = dict(topics or {})
        self._early = early
        self.flows: dict[SeriesKey, FlowHistory] = {}
        self.levels: dict[SeriesKey, LevelHistory] = {}
        self.watermarks = Watermarks()
        self.counts, self.counts_restored = JudgeCounts(), JudgeCounts()
        self.transitions: list[Transition] = []
        self._open_by_source: dict[Source, set[SeriesKey]] = {}
        self._records: list[Record] = []
        self._gone: dict[bytes, None] = {}
        self._dirty_flows: set[SeriesKey] = set()
        self._dirty_levels: set[SeriesKey] = set()
        self._dirty_alerts: dict[Group, None] = {}
        self._dirty_watches: dict[Group, None] = {}
        self._dirty_meta = False
        self._moved: dict[Group, None] = {}
        self._chunk_size: int | None = None
        self._source_ids: dict[str, str] = {}

        self._series = {s.id: s for r in plan.rules for s in series_of_condition(r.condition)}
        self._rules: list[RuleRuntime] = []
        self._rules_of: dict[str, list[RuleRuntime]] = {}
        self._reach: dict[str, int] = {}
        self._memory: dict[str, int] = {}  # flows → how long their last event is remembered
        self._asked: dict[str, list[RuleRuntime]] = {}  # levels → the rules that read them at bucket ends
        self._grain: dict[str, int] = {}  # and the narrowest of their buckets, in microseconds
        for rule in plan.rules:
            runtime = RuleRuntime(rule, zone)
            self._rules.append(runtime)
            for s in (*runtime.flows, *runtime.levels):
                self._rules_of.setdefault(s.id, []).append(runtime)
                if s.is_level and not runtime.level_only:
                    self._asked.setdefault(s.id, []).append(runtime)
                    grain = runtime.width * SECOND
                    self._grain[s.id] = min(self._grain.get(s.id, grain), grain)
            runtime.before = self._version_before(runtime)
            if runtime.before is not None:
                runtime.before.after = runtime
            for s in runtime.flows:
                reach = runtime.reach_s + CLOCK_CHANGE + runtime.width
                self._reach[s.id] = max(self._reach.get(s.id, 0), reach)
                self._memory[s.id] = max(self._memory.get(s.id, 0), runtime.memory_s)
        # Whether there are versions of rules to choose between.
        self._is_changing = any(r.rule.since_s is not None or r.rule.until_s is not None for r in self._rules)
        # Whether a level's value may find something that was due before it.
        self._looks_back = self._is_changing or any(r.fades for r in self._rules)
        self._view = _View(self)

    # ---- in: ports.Stage ------------------------------------------------------------------------------------------

    def feed(self, batch: Batch) -> None:
        """Fold samples records in. Raises StateError when they do not fit what was stored."""
        for value in batch.values:
            if value is None:
                continue
            try:
                frame = decode(value)
            except msgspec.MsgspecError as error:
                raise StateError(f"{batch.topic}: a record is no frame of samples: {error}") from error
            self.take(frame)

    def tick(self, now: datetime) -> None:
        """The judge has no clock; time comes with the samples."""

    def take(self, frame: Frame) -> None:
        """Fold one frame in."""
        self._check(frame)
        begun = len(self.transitions)
        source: Source = (frame.role, frame.partition)
        place = (frame.chunk, frame.first, frame.upto)
        topic = self.watermarks.topic(frame.role)
        if topic.silent and (frame.partials or frame.levels):
            topic.silent = False  # nobody goes on without it any more, though its watermark is yet to come
            self._dirty_meta = True
        state = self.watermarks.sources.get(source)
        closed = None if topic.mark is None else topic.mark // SECOND
        for partial in frame.partials:
            self._take_partial(source, place, partial, state, closed)
        for n, value in enumerate(frame.levels, 1):
            self._take_level(source, value, topic)
            if n == len(frame.levels) or frame.levels[n].offset != value.offset:
                self._judge_moved(value)
        if frame.progress is not None:
            self._take_progress(source, place, frame, frame.progress)
            self._advance_rules(frame.role)
        elif self._early and frame.partials:
            self._judge_early(frame.role)
        new = self.transitions[begun:]
        if len(new) > 1:
            new.sort(key=in_order)
            self.transitions[begun:] = new

    def _check(self, frame: Frame) -> None:
        if frame.format != FORMAT:
            raise StateError(f"samples of format {frame.format}, this program knows {FORMAT}; update the older worker")
        if self._chunk_size is None:
            self._chunk_size = frame.chunk_size
        if frame.chunk_size != self._chunk_size:
            raise StateError(
                f"LOCKSTEP_CHUNK_SIZE is {frame.chunk_size}, the stored state was made with {self._chunk_size}; "
                "set it back, or begin anew under another LOCKSTEP_APP_ID"
            )
        known = self._source_ids.setdefault(frame.role, frame.source)
        if known != frame.source:
            name = self._topic_names.get(frame.role, frame.role)
            raise StateError(
                f"topic '{name}' was deleted and made again: its offsets mean other events than the stored state; "
                "begin anew under another LOCKSTEP_APP_ID"
            )

    def _take_partial(
        self,
        source: Source,
        place: Place,
        partial: Partial,
        state: SourceState | None,
        closed: int | None,
    ) -> None:
        series = self._series.get(partial.series)
        if series is None:
            return
        if state is not None and place <= state.place:
            if partial.series in state.since and partial.series not in state.filling:
                return  # told and promised before: a replay
            closed = None  # what a new series is told of the past comes late for nobody
        key = (partial.series, partial.labels)
        history = self.flows.get(key)
        if history is None:
            history = self.flows[key] = FlowHistory(series)
        before = history.places.get(source)
        if before is not None and before[0] == place[0] and place[1] > before[1]:
            self.counts.overlaps += 1
        changed, late = history.apply(source, place, partial.buckets, closed=closed)
        self._dirty_flows.add(key)
        self._open_by_source.setdefault(source, set()).add(key)
        for refused in late:
            self._refuse_late(source, series, partial.labels, refused)
        if changed is None:
            return
        end = changed + series.bucket_s
        for runtime in self._rules_of[series.id]:
            if series.id in runtime.wide:
                self._tell_listeners(runtime, series, partial.labels, end)
                continue
            group = self._group(runtime, partial.labels)
            if group.asleep:
                continue
            closed_here = runtime.closed
            self._schedule(group, (end if closed_here is None or end > closed_here else closed_here + runtime.width))
            if group.early and (closed_here is None or changed >= closed_here):
                runtime.ahead.add(partial.labels)

    def _refuse_late(self, source: Source, series: SeriesDef, labels: Labels, late: Late) -> None:
        self.counts.late += 1
        topic = self._topic_names.get(source[0], source[0])
        named = dict(zip(series.by, labels, strict=True))
        note = {
            "series": series.id,
            "measure": f"{series.aggregate.value} of {series.field or series.event_type}",
            "labels": named,
            "bucket": rfc3339(late.bucket * SECOND),
            "first_offset": late.first_offset,
            "last_offset": late.last_offset,
        }
        detail = f"came after {rfc3339(late.bucket * SECOND)} had been judged for {named or 'the whole shop'}"
        dead = DeadEvent(topic, source[1], late.last_offset, "late", detail, json.dumps(note).encode())
        self._records.append(dead_record(dead))

    def _take_level(self, source: Source, value: LevelValue, topic: Topic) -> None:
        series = self._series.get(value.series)
        if series is None:
            return
        key = (value.series, value.labels)
        history = self.levels.get(key)
        if self._looks_back and (history is None or not history.has_seen(source, value.offset)):
            for runtime in self._rules_of[series.id]:
                crosses = not runtime.begun and value.time_us > runtime.since
                if crosses and runtime.level_only and series.id not in runtime.wide:
                    self._begin_level(runtime, value.labels)
                if runtime.fades and (group := runtime.groups.get(value.labels)) is not None:
                    # A level that was stale before this value came was so whenever somebody looked.
                    stale = self._stale_at(group)
                    if stale is not None and stale < value.time_us and stale <= runtime.until and group.begun:
                        self._judge_level(group, stale, "", newest=False)
        if history is None:
            history = self.levels[key] = LevelHistory()
        older = history.older
        applied = history.apply(
            source,
            value.identity,
            value.time_us,
            value.offset,
            value.value,
            grain_us=self._grain.get(series.id, 0),
        )
        if history.dirty:
            self._dirty_levels.add(key)
        self.counts.older_levels += history.older - older
        if not applied:
            return
        if self.watermarks.begins(topic, value.time_us):
            self._dirty_meta = True
        history.trim(self._asked_from(series))
        for runtime in self._rules_of[series.id]:
            second = value.time_us // SECOND
            end = second - second % runtime.width + runtime.width
            if series.id in runtime.wide:
                self._tell_listeners(runtime, series, value.labels, end)
                continue
            changing = self._is_changing and runtime.level_only
            if changing and not self._is_judged_by(runtime, value.labels, value.time_us):
                continue
            group = self._group(runtime, value.labels)
            if runtime.level_only:
                self._moved[group] = None
            else:
                self._schedule(group, end if runtime.closed is None else max(end, runtime.closed + runtime.width))

    def _judge_moved(self, value: LevelValue) -> None:
        """Judge by levels when all that their event says is known: a stock and its reorder point are one fact."""
        for group in self._moved:
            self._judge_level(group, max(value.time_us, group.alert.at), value.event, newest=True)
        self._moved.clear()

    def _tell_listeners(self, runtime: RuleRuntime, series: SeriesDef, labels: Labels, end: int) -> None:
        """What several groups share has changed: those are visited that it can make any difference to."""
        if runtime.closed is not None:
            end = max(end, runtime.closed + runtime.width)
        for shared in runtime.sharing.get((series.id, labels), ()):
            if runtime.shared_parts:
                self._schedule(shared, end)
            for name in shared.open if runtime.shared_parts else shared.listeners:
                self._schedule(runtime.groups[name], end)

    def _asked_from(self, series: SeriesDef) -> int | None:
        """The earliest instant at which a rule may still ask for this level's past; None: nobody asks."""
        asked = self._asked.get(series.id)
        if not asked:
            return None
        closed = [None if r.closed is None else r.closed - r.level_offsets[-1] for r in asked]
        return 0 if None in closed else min(c for c in closed if c is not None) * SECOND

    def _take_progress(self, source: Source, place: Place, frame: Frame, progress: Progress) -> None:
        if self.watermarks.take(source, place, frame, progress):
            for key in self._open_by_source.pop(source, ()):
                history = self.flows.get(key)
                if history is not None and history.places.get(source, place) < place and history.fold(source):
                    self._dirty_flows.add(key)
        self._dirty_meta = True

    # ---- judging --------------------------------------------------------------------------------------------------

    def _group(self, runtime: RuleRuntime, labels: Labels) -> Group:
        group = runtime.groups.get(labels)
        if group is None:
            alert = Alert(alert_id(runtime.rule.name, runtime.rule.by, labels))
            group = runtime.groups[labels] = Group(runtime, labels, alert)
        return group

    def _schedule(self, group: Group | Shared, second: int) -> None:
        self._schedule_us(group, second * SECOND)

    def _schedule_us(self, group: Group | Shared, instant: int) -> None:
        if group.visit_at is None or instant < group.visit_at:
            group.visit_at = instant
            heappush(group.runtime.heap, (instant, group.labels))

    def _advance_rules(self, role: str) -> None:
        for runtime in tuple(self._rules):
            # One that waits for a version before it is woken by that one's topics, too: they may turn out to be empty.
            waits = runtime.before is not None and role in runtime.before.roles
            if (role in runtime.roles or waits) and not runtime.ended:
                self._advance(runtime)
        topic = self.watermarks.topics[role]
        if topic.mark is not None and topic.mark - topic.swept > 6 * 3600 * SECOND:
            topic.swept = topic.mark
            self._expire(role, topic.mark // SECOND)

    def _advance(self, runtime: RuleRuntime) -> None:
        mark = self.watermarks.of(runtime.roles)
        if mark is None:
            return
        if runtime.unmet:
            self._know_expected(runtime)
        if runtime.before is not None:
            # A version whose topics never had an event has no watermark of its own to wait for.
            if mark >= runtime.before.until and all(self.watermarks.is_empty(role) for role in runtime.before.roles):
                self._hand_over(runtime.before)
            return
        if runtime.level_only:
            # A value may still come that is set at the watermark itself, and decides what is due then.
            mark -= 1
        if runtime.until <= mark:
            self._advance_to(runtime, runtime.until)
            self._hand_over(runtime)
            return
        self._advance_to(runtime, mark)

    def _advance_to(self, runtime: RuleRuntime, mark: int) -> None:
        if not runtime.begun and runtime.since <= mark:
            self._begin_version(runtime)
        heap = runtime.heap
        width = runtime.width
        while heap and heap[0][0] <= mark:
            instant, labels = heappop(heap)
            group = runtime.groups.get(labels)
            if group is None:
                shared = runtime.shared.get(labels)
                if shared is not None and shared.visit_at == instant:
                    self._visit_shared(shared, instant // SECOND)
                continue
            if group.visit_at != instant:
                continue
            group.visit_at = None
            if runtime.level_only:
                self._visit_level(group, instant)
            else:
                self._visit(group, instant)
        closed = mark // SECOND // width * width
        if runtime.closed is None or closed > runtime.closed:
            runtime.closed = closed
            self._dirty_meta = True
        if self._early:
            self._judge_ahead(runtime)

    # ---- versions of a rule -----------------------------------------------------------------------------------------

    def _version_before(self, runtime: RuleRuntime) -> RuleRuntime | None:
        """The version of a rule that comes just before one, under its name or one that it had."""
        for name in (runtime.rule.name, *runtime.rule.was):
            found = [r for r in self._rules if r.rule.name == name and r is not runtime and r.after is None]
            if found and found[-1].rule.until_s is not None and found[-1].rule.until_s == runtime.rule.since_s:
                return found[-1]
        return None

    def _take_over(self, new: RuleRuntime, group: Group) -> Alert:
        """The alert that a version leaves to the next one: what is open keeps its ids until it ends."""
        alert = group.alert
        self._forget_alert(group)
        if not alert.is_open:
            alert.id = alert_id(new.rule.name, new.rule.by, group.labels)
        alert.held = carried(group.runtime.rule.condition, new.rule.condition, alert.held)
        _wait_for_verdict(alert, new)
        return alert

    def _is_judged_by(self, runtime: RuleRuntime, labels: Labels, time_us: int) -> bool:
        """Which of two versions judges a value of a level: a group goes over at its first value after the border."""
        group, after = runtime.groups.get(labels), runtime.after
        if not (runtime.begun if group is None else group.begun):
            return False
        if continues(after, runtime) and (next_one := after.groups.get(labels)) is not None and next_one.begun:
            return not after.level_only
        return time_us <= runtime.until

    def _has_gone_on(self, runtime: RuleRuntime, labels: Labels) -> bool:
        """Whether a later version judges a group already, perhaps one after the next."""
        after = runtime.after
        if not continues(after, runtime):
            return False
        group = after.groups.get(labels)
        return (group is not None and group.begun) or self._has_gone_on(after, labels)

    def _begin_version(self, runtime: RuleRuntime) -> None:
        """The watermark has reached the instant from which a version judges."""
        if runtime.level_only:
            for series in runtime.own_levels:
                for name, labels in tuple(self.levels):
                    if name == series.id:
                        self._begin_level(runtime, labels)
        runtime.begun = True
        for group in runtime.groups.values():
            group.begun = True
        self._dirty_meta = True

    def _begin_level(self, runtime: RuleRuntime, labels: Labels) -> None:
        """Judge a group, once, by what its levels are at the border, with the alert that the version before left."""
        if self._has_gone_on(runtime, labels):
            return
        group = self._group(runtime, labels)
        if group.begun:
            return
        before = runtime.before
        old = None if before is None else before.groups.get(labels)
        if before is not None and old is not None and continues(runtime, before):
            if before.expires <= runtime.since:
                self._end_expired(old)  # values come before the watermark does
            self._timers(old, before=runtime.since + 1)
            before.groups.pop(labels, None)
            group.alert = self._take_over(runtime, old)
        group.begun = True
        self._dirty_alerts[group] = None  # also one of which nothing was known: what comes later is not of the border
        if any((s.id, labels) in self.levels for s in runtime.own_levels):
            self._judge_level(group, max(runtime.since, group.alert.at), AT_BORDER, newest=True)

    def _hand_over(self, old: RuleRuntime) -> None:
        """A version has judged up to its end: its alerts go on under the next one, or end with it."""
        new, end = old.after, old.until
        self._forget_version(old)
        for labels, group in old.groups.items():
            if continues(new, old):
                taken = new.groups[labels] = Group(new, labels, self._take_over(new, group))
                self._hand_watches(group, taken)
                self._dirty_alerts[taken] = None
                continue
            self._forget_watches(group)
            self._forget_alert(group)
            self._publish(group, remove(group.alert, max(end, group.alert.at)))
        old.groups = {}
        if new is None:
            return
        new.before = None
        reached = -(-max(end, (old.closed or 0) * SECOND) // SECOND // new.width) * new.width
        new.closed = reached if new.closed is None else max(new.closed, reached)
        self._wake_rule(new)
        self._advance(new)

    def _hand_watches(self, old: Group, new: Group) -> None:
        """What was learned belongs to the series and to what is asked of it, not to the name of a rule."""
        self._forget_watches(old)
        kept = [c for c in new.runtime.anomalies if c.key in old.watches]
        new.watches = {c.key: old.watches[c.key].under(c) for c in kept}
        if kept:
            self._dirty_watches[new] = None

    def _forget_watches(self, group: Group) -> None:
        if group.runtime.anomalies:
            self._dirty_watches.pop(group, None)
            self._gone[_watch_key(group.runtime.rule, group.labels)] = None

    def _forget_alert(self, group: Group) -> None:
        self._dirty_alerts.pop(group, None)
        self._gone[_alert_key(group.runtime.rule, group.labels)] = None

    def _forget_version(self, old: RuleRuntime) -> None:
        old.ended = True
        self._rules.remove(old)
        for runtimes in (*self._rules_of.values(), *self._asked.values()):
            if old in runtimes:
                runtimes.remove(old)
        self._dirty_meta = True

    def _know_expected(self, runtime: RuleRuntime) -> None:
        """Groups that need no event of theirs are known from the first event of any topic that the rule reads.

        The one group of a rule without labels is such a group.
        """
        end = self._first_end(runtime)
        if end is None or runtime.level_only:
            return
        for labels in runtime.unmet:
            if self._home(runtime, labels) == self._partition:
                group = self._group(runtime, labels)
                self._schedule(group, end if runtime.closed is None else max(end, runtime.closed + runtime.width))
        runtime.unmet.clear()

    def _home(self, runtime: RuleRuntime, labels: Labels) -> int:
        """The samples partition on which a group lives."""
        return partition_of([labels[i] for i in runtime.key_places], self._partitions)

    def _first_end(self, runtime: RuleRuntime) -> int | None:
        """The end of the bucket of the first event of any topic that a rule reads."""
        first = self.watermarks.first(runtime.roles)
        return None if first is None else first // SECOND // runtime.width * runtime.width + runtime.width

    def _stays_clear(self, group: Group, threshold: Threshold, instant: int) -> bool:
        """Judge a bucket end at which a quiet group of a plain threshold stays quiet, as nearly all of them do.

        The outcome is that of the long way, of which nothing else can matter then; False sends the caller there.
        """
        alert, runtime, end = group.alert, group.runtime, instant // SECOND
        if alert.kind is not Kind.CLEAR or alert.is_watched:
            return False
        series = runtime.flows[0]
        start = start_of(threshold.window_s, end, self.zone)
        history = self.flows.get((series.id, group.labels))
        if history is None or start < self.watermarks.complete_from(series):
            return False
        value = history.value(start, end)
        if value is None or breached(threshold.levels, value):
            return False
        soonest: int | None = None
        for offset in (0,) if group.rises else runtime.offsets:
            coming = history.next_start(end - runtime.width - offset)
            if coming is not None and (soonest is None or coming + offset < soonest):
                soonest = coming + offset
        if soonest is None:
            return False
        self.counts.visits += 1
        alert.at = max(alert.at, instant)
        self._schedule(group, soonest + runtime.width)
        return True

    def _level_stays_clear(self, group: Group, threshold: Threshold) -> bool:
        """The same for the newest value of a level."""
        if group.alert.kind is not Kind.CLEAR or group.alert.is_watched:
            return False
        return not breached(threshold.levels, self.levels[group.runtime.levels[0].id, group.labels].now())

    def _visit(self, group: Group, instant: int) -> None:
        runtime = group.runtime
        second = instant // SECOND
        if group.plain and self._stays_clear(group, group.plain, instant):
            return
        if instant >= runtime.expires:
            self._end_expired(group)
            return
        if instant % SECOND == 0 and second % runtime.width == 0:
            self._timers(group, before=instant)
            if self._is_known(group, second):
                self._judge_at(group, second)
                self._timers(group, before=instant + 1)
            last = second
        else:
            self._timers(group, before=instant + 1)
            last = second - second % runtime.width
        self._plan_next(group, last)

    def _end_expired(self, group: Group) -> None:
        """The rule is judged no longer: what was due before happens, and what is open then ends."""
        alert, expires = group.alert, group.runtime.expires
        if alert.is_watched:
            self._timers(group, before=expires)
            self._dirty_alerts[group] = None
            self._publish(group, remove(alert, max(expires, alert.at), "expired"))
        if group.runtime.level_only and not group.runtime.begun:
            self._dirty_alerts[group] = None  # that it has begun must be known until all have
        elif group.labels not in group.runtime.expected:
            self._drop(group)

    def _judge_at(self, group: Group, end: int, *, so_far: bool = False) -> None:
        self.counts.visits += 1
        self._view.look_at(group)
        if group.runtime.anomalies:
            self._watch(group, end)
        alert = group.alert
        at = Instant(end, end * SECOND)
        group.asleep = not alert.is_watched and any(
            judge(gate, self._view, at, None).kind is Kind.CLEAR for gate in group.gates
        )
        if group.asleep:
            alert.kind, alert.at = Kind.CLEAR, max(alert.at, end * SECOND)
            self._listen(group, end, deaf=True)
            return
        verdict = judge(group.condition, self._view, at, alert.firing, alert.holding)
        if verdict.kind is Kind.CLOSED and not group.runtime.periods:
            _look_at_last_bucket(alert, end - group.runtime.width)  # the last one within the hours
        kind, shown = alert.kind, alert.verdict
        changes = apply_verdict(
            alert,
            group.runtime.rule,
            verdict,
            end * SECOND,
            condition=group.condition,
            so_far=so_far or verdict.so_far,
        )
        if changes or alert.is_watched or alert.kind is not kind or shown.kind is not alert.verdict.kind:
            self._dirty_alerts[group] = None
        self._publish(group, changes)
        if group.wide:
            clear = any(judge(part, self._view, at, None).kind is Kind.CLEAR for part in group.narrow)
            self._listen(group, end, deaf=clear and not alert.is_watched)

    def _listen(self, group: Group, end: int, *, deaf: bool) -> None:
        """Whether a group hears what it shares with others: not while a part of its own keeps all of it clear."""
        group.deaf = deaf
        if deaf or not group.wide:
            self._turn_away(group)
            return
        shared = group.shared or group.runtime.share(group)
        shared.listeners.add(group.labels)
        if group.alert.is_watched:
            shared.open.add(group.labels)
        else:
            shared.open.discard(group.labels)
        if shared.kinds is None and shared.runtime.shared_parts:
            self._schedule(shared, end)

    def _turn_away(self, group: Group) -> None:
        shared, group.shared = group.shared, None
        if shared is not None:
            shared.listeners.discard(group.labels)
            shared.open.discard(group.labels)
            if not shared.listeners:
                shared.runtime.forget(shared)

    def _visit_shared(self, shared: Shared, end: int) -> None:
        """Judge once what is the same for many groups; those that are not open are visited when its kind changes.

        Nothing else of it can change what they are: whether their rule holds depends on what its parts say, not on the
        numbers.
        """
        shared.visit_at = None
        runtime = shared.runtime
        self._view.look_at(shared)
        at = Instant(end, end * SECOND)
        verdicts = (judge(part, self._view, at, None) for part in runtime.shared_parts)
        before, shared.kinds = shared.kinds, tuple((v.kind, v.severity) for v in verdicts)
        if before is not None and before != shared.kinds:
            for name in shared.listeners:
                self._schedule(runtime.groups[name], end)
        borders, beginnings, soonest = runtime.offsets, runtime.beginnings, None
        if runtime.borders is not None:
            borders, soonest = runtime.borders.at(end, self.zone)
            beginnings = (*borders, *beginnings)
        for after in (
            soonest,
            self._next_of_flows(shared, runtime.wide_flows, borders, beginnings, end),
            self._next_of_levels(shared, runtime.wide_levels, end),
        ):
            if after is not None:
                self._schedule(shared, after)

    def _watch(self, group: Group, end: int) -> None:
        """Show the buckets that have closed to the detectors of a group.

        Which buckets they see depends on the group's events alone, not on when it is visited: each until the group has
        been silent for `forget_after`. After that one that has labels is not known any more, and is learned anew.
        """
        runtime = group.runtime
        for condition in runtime.anomalies:
            watch = group.watches.get(condition.key)
            bucket_s = condition.bucket_s if watch is None else watch.bucket_s
            closed = end // bucket_s * bucket_s
            if watch is not None and closed <= watch.upto:
                continue
            if not self._is_heard(group, closed, closed):
                continue
            if watch is None or (group.labels and closed - bucket_s != watch.upto):
                watch = group.watches[condition.key] = Watch(condition)
            watch.see(condition, self._view, closed)
            self._dirty_watches[group] = None

    def _is_heard(self, group: Group, before: int, end: int) -> bool:
        """Whether a group had an event before a second, and not longer than `forget_after` before another one."""
        active = self._active(group.runtime, group.labels, before)
        return active is not None and end <= active + group.runtime.rule.forget_after_s

    def _timers(self, group: Group, *, before: int) -> None:
        """Run the timers that are due before an instant."""
        rule, alert = group.runtime.rule, group.alert
        while (instant := due(alert, rule)) is not None and instant < before:
            if not group.runtime.level_only and not group.runtime.periods:
                _look_at_last_bucket(alert, instant // SECOND // group.runtime.width * group.runtime.width)
            changes = run_timer(alert, rule, instant, condition=group.condition)
            alert.at = max(alert.at, instant)
            self._dirty_alerts[group] = None
            self._publish(group, changes)

    def _plan_next(self, group: Group, last: int) -> None:
        """Schedule the next instant after the bucket end `last` at which anything may change."""
        runtime = group.runtime
        after = self._next_change(group, last)
        if counts_buckets(group.alert, runtime.rule):
            after = last + runtime.width
        timer = due(group.alert, runtime.rule)
        soonest = None if after is None else after * SECOND
        if timer is not None and (soonest is None or timer < soonest):
            soonest = timer
        if soonest is None or soonest >= runtime.expires:
            soonest = runtime.expires if group.alert.is_watched and runtime.expires != NEVER else None
        if soonest is not None:
            self._schedule_us(group, soonest)
        else:
            self._forget(group, last)

    def _next_change(self, group: Group, last: int) -> int | None:
        runtime = group.runtime
        width = runtime.width
        if not self._is_known(group, last + width):
            return self._next_event(group, last)
        soonest: int | None = None
        # What leaves a window cannot begin a breach of a rule that only rises: then only new data matters.
        borders = (0,) if group.rises and not group.alert.is_watched else runtime.offsets
        beginnings = runtime.beginnings
        if runtime.borders is not None and not group.asleep:
            borders, soonest = runtime.borders.at(last, self.zone)
            beginnings = (*borders, *beginnings)
        # What is shared is visited by itself, for all that are not open.
        alone = group.deaf or (bool(runtime.shared_parts) and not group.alert.is_watched)
        ends = [self._next_of_levels(group, runtime.own_levels if alone else runtime.levels, last)]
        if not group.asleep:
            flows = runtime.own_flows if alone else runtime.flows
            ends.append(self._next_of_flows(group, flows, borders, beginnings, last))
        soonest = min((end for end in (soonest, *ends) if end is not None), default=None)
        if runtime.restless:
            awake = runtime.always_restless or group.alert.is_watched
            end = last + width if awake else -(-next_day(last, self.zone) // width) * width + width
            soonest = end if soonest is None else min(soonest, end)
        for anomaly in runtime.anomalies:
            watch = group.watches.get(anomaly.key)
            bucket_s = anomaly.bucket_s if watch is None else watch.bucket_s
            end = last // bucket_s * bucket_s + bucket_s
            if (soonest is None or end < soonest) and self._is_heard(group, last, end):
                soonest = end
        if runtime.periods and (group.alert.is_watched or not group.rises):
            # What only rises has been told before, in the bucket that made it so.
            end = runtime.period_end(last, self.zone)
            soonest = end if soonest is None else min(soonest, end)
        for hours, window_s in runtime.hours:
            for end in hours.changes(window_s, last, self.zone):
                end = -(-end // width) * width
                if last < end and (soonest is None or end < soonest):
                    soonest = end
        return soonest

    def _next_of_flows(
        self,
        group: Group | Shared,
        flows: Sequence[SeriesDef],
        borders: Sequence[int],
        beginnings: Sequence[int],
        last: int,
    ) -> int | None:
        """The next bucket end at which a bucket of these enters or leaves a window, or enough of one is known."""
        soonest: int | None = None
        width = group.runtime.width
        for series in flows:
            history = self.flows.get((series.id, group.labels_of(series)))
            if history is not None and history.starts:
                for offset in borders:
                    start = history.next_start(last - width - offset)
                    if start is not None:
                        end = start + width + offset
                        if soonest is None or end < soonest:
                            soonest = end
            complete = self.watermarks.complete_from(series)
            if complete != inf:
                for offset in beginnings:
                    end = -int(-(complete + offset) // width) * width
                    if last < end and (soonest is None or end < soonest):
                        soonest = end
        return soonest

    def _next_of_levels(self, group: Group | Shared, levels: Sequence[SeriesDef], last: int) -> int | None:
        """The next bucket end that sees a new value of these, or that one of them has become stale."""
        soonest: int | None = None
        width = group.runtime.width
        for series in levels:
            level = self.levels.get((series.id, group.labels_of(series)))
            if level is None:
                continue
            for offset in group.runtime.level_offsets:
                instant = (last - offset) * SECOND
                times = [level.next_time(instant)]
                newest = level.newest_before(instant)
                if series.stale_after_s is not None and newest is not None:
                    # Stale from this instant on, so the bucket end at or after it sees it.
                    times.append(newest + series.stale_after_s * SECOND - 1)
                for time_us in times:
                    if time_us is not None:
                        end = time_us // SECOND // width * width + width + offset
                        if last < end and (soonest is None or end < soonest):
                            soonest = end
        return soonest

    def _active(self, runtime: RuleRuntime, labels: Labels, before: int) -> int | None:
        """The second of a group's newest event before a second; of a flow's, its bucket's start."""
        newest: int | None = None
        for series in runtime.own_flows:
            history = self.flows.get((series.id, labels))
            start = None if history is None else history.last_seen(before)
            if start is not None and (newest is None or start > newest):
                newest = start
        for series in runtime.own_levels:
            level = self.levels.get((series.id, labels))
            set_at = None if level is None else level.newest_before(before * SECOND)
            if set_at is not None and (newest is None or set_at // SECOND > newest):
                newest = set_at // SECOND
        return newest

    def _is_known(self, group: Group, end: int) -> bool:
        """Whether a group is judged at a bucket end: what fires, cools or had an event within `forget_after`."""
        if group.alert.is_watched:
            return True
        if group.labels in group.runtime.expected:
            first = self._first_end(group.runtime)
            return first is not None and first <= end
        active = self._active(group.runtime, group.labels, end)
        return active is not None and end <= active + group.runtime.rule.forget_after_s

    def _next_event(self, group: Group, last: int) -> int | None:
        """The end of the first bucket from `last` on in which a group has an event, as far as is known."""
        runtime = group.runtime
        if group.labels in runtime.expected:
            return self._first_end(runtime)
        width = runtime.width
        starts: list[int] = []
        for series in runtime.own_flows:
            history = self.flows.get((series.id, group.labels))
            start = None if history is None else history.next_start(last - 1)
            if start is not None:
                starts.append(start)
        for series in runtime.own_levels:
            level = self.levels.get((series.id, group.labels))
            set_at = None if level is None else level.next_time(last * SECOND)
            if set_at is not None:
                starts.append(set_at // SECOND // width * width)
        return min(starts) + width if starts else None

    def _forget(self, group: Group, last: int) -> None:
        """Nothing can change until the next event: a group that is not open is known no longer."""
        runtime = group.runtime
        if group.alert.is_watched or group.labels in runtime.expected:
            return
        if group.shared is not None and self._is_known(group, last + runtime.width):
            # What it shares with others may still change; when it is silent for too long that is over.
            active = self._active(runtime, group.labels, last + runtime.width)
            if active is not None:
                over = active + runtime.rule.forget_after_s + 1
                self._schedule(group, -(-over // runtime.width) * runtime.width)
                return
        self._drop(group)

    def _drop(self, group: Group) -> None:
        runtime = group.runtime
        self._turn_away(group)
        del runtime.groups[group.labels]
        runtime.ahead.discard(group.labels)
        self._forget_alert(group)
        self._forget_watches(group)

    def _judge_level(self, group: Group, instant: int, event: str, *, newest: bool) -> None:
        if newest and group.plain and self._level_stays_clear(group, group.plain):
            group.alert.at = max(group.alert.at, instant)
            self._dirty_alerts[group] = None
            return
        if instant >= group.runtime.expires:
            self._end_expired(group)
            return
        self._timers(group, before=instant)
        self._view.look_at(group)
        firing, held = group.alert.firing, group.alert.holding
        verdict = judge(group.condition, self._view, Instant(0, instant, newest), firing, held)
        changes = apply_verdict(
            group.alert, group.runtime.rule, verdict, instant, condition=group.condition, event=event
        )
        self._dirty_alerts[group] = None
        self._publish(group, changes)
        self._timers(group, before=instant + 1)
        self._plan_level(group)

    def _visit_level(self, group: Group, instant: int) -> None:
        if instant >= group.runtime.expires:
            self._end_expired(group)
            return
        stale = self._stale_at(group)
        if stale is not None and stale <= instant:
            self._judge_level(group, stale, "", newest=False)
        else:
            self._timers(group, before=instant + 1)
            self._plan_level(group)

    def _plan_level(self, group: Group) -> None:
        instants = [due(group.alert, group.runtime.rule), self._stale_at(group)]
        if group.alert.is_watched and group.runtime.expires != NEVER:
            instants.append(group.runtime.expires)
        soonest = min((i for i in instants if i is not None), default=None)
        if soonest is not None:
            self._schedule_us(group, soonest)

    def _stale_at(self, group: Group) -> int | None:
        """When the first of the group's levels becomes stale, unless it was judged then."""
        found: int | None = None
        for series in group.runtime.levels:
            level = self.levels.get((series.id, group.labels))
            if level is not None and series.stale_after_s is not None:
                instant = level.newest_us() + series.stale_after_s * SECOND
                if instant > group.alert.at and (found is None or instant < found):
                    found = instant
        return found

    # ---- being asked ----------------------------------------------------------------------------------------------

    def seen(self, rule: str, labels: Labels) -> Seen | None:
        """What is known of a group, in the order of the rule's `by`; None for a rule that is not there."""
        runtime = next((r for r in self._rules if r.rule.name == rule), None)
        if runtime is None:
            return None
        group = runtime.groups.get(labels)
        shown = group or Group(runtime, labels, Alert(alert_id(rule, runtime.rule.by, labels)))
        view = _View(self)
        view.look_at(shown)
        # A group of which nothing can change until its next event is not kept; its history still is.
        active = bool(labels) and runtime.closed is not None and self._is_known(shown, runtime.closed)
        return Seen(
            runtime.rule,
            shown.condition,
            shown.alert,
            group is not None or active,
            view,
            None if runtime.level_only else runtime.closed,
            self.watermarks.as_shown(runtime.roles),
        )

    def about(self, rule: str) -> Rule | None:
        """A rule by its name."""
        return next((r.rule for r in self._rules if r.rule.name == rule), None)

    def rule_names(self) -> list[str]:
        return [r.rule.name for r in self._rules]

    def groups_of(self, rule: str) -> list[Labels]:
        """The groups of a rule that have a history or an alert here, sorted."""
        runtime = next((r for r in self._rules if r.rule.name == rule), None)
        if runtime is None:
            return []
        read = {s.id for s in (*runtime.flows, *runtime.levels)}
        return sorted({*runtime.groups, *(labels for s, labels in (*self.flows, *self.levels) if s in read)})

    # ---- early verdicts -------------------------------------------------------------------------------------------

    def judge_open(self) -> None:
        """Give the verdicts of the earliest open buckets that more events cannot undo."""
        begun = len(self.transitions)
        for runtime in self._rules:
            self._judge_ahead(runtime)
        self.transitions[begun:] = sorted(self.transitions[begun:], key=in_order)

    def _judge_early(self, role: str) -> None:
        for runtime in self._rules:
            if role in runtime.roles:
                self._judge_ahead(runtime)

    def _judge_ahead(self, runtime: RuleRuntime) -> None:
        if not runtime.ahead or runtime.closed is None or runtime.before is not None or not runtime.begun:
            return
        if (runtime.closed + runtime.width) * SECOND > runtime.until:
            return
        series = runtime.flows[0]
        end = runtime.closed + runtime.width
        gone: list[Labels] = []
        for labels in runtime.ahead:
            history = self.flows.get((series.id, labels))
            group = runtime.groups.get(labels)
            last = None if history is None else history.last_start
            has_data = last is not None and last >= runtime.closed
            # A baseline may shrink without new data: once a bucket, those with data in their window.
            slides = last is not None and last >= end - runtime.early_s
            if group is not None and (has_data or group.alert.state is State.PENDING):
                # What breached already and has still its data in the window breaches without new data, too.
                self._judge_group_early(group, end)
            elif group is not None and slides:
                if runtime.looked != runtime.closed:
                    self._judge_group_early(group, end)
            else:
                gone.append(labels)
        runtime.looked = runtime.closed
        runtime.ahead.difference_update(gone)

    def _judge_group_early(self, group: Group, end: int) -> None:
        alert, runtime = group.alert, group.runtime
        if end * SECOND >= runtime.expires or not self._is_known(group, end):
            return
        self._view.look_at(group)
        verdict = judge(group.condition, self._view, Instant(end, end * SECOND), alert.firing, alert.holding)
        # A lower severity than the highest might still rise before the bucket closes: that one waits.
        if verdict.kind is not Kind.BREACH or verdict.severity != group.top:
            return
        timer = due(alert, runtime.rule)
        burning = alert.state is State.FIRING and alert.severity == group.top and alert.clear_since is None
        waiting = alert.state in (State.PENDING, State.COOLING) and (timer is None or timer > end * SECOND)
        waiting = waiting and not would_fire(alert, runtime.rule, end * SECOND)
        if burning or waiting:
            return
        self._timers(group, before=end * SECOND)
        self._judge_at(group, end, so_far=True)
        self._timers(group, before=end * SECOND + 1)
        self._schedule(group, end)

    # ---- out ------------------------------------------------------------------------------------------------------

    def _publish(self, group: Group, changes: list[Change]) -> None:
        for change in changes:
            self.counts.transitions += 1
            rule = group.runtime.rule
            mark = self.watermarks.as_shown(group.runtime.roles)
            labels = dict(zip(rule.by, group.labels, strict=True))
            condition = group.condition if group.alert.judged_by == rule.version else None
            why = judged(condition, change.verdict)
            transition = _transition(change, rule.name, labels, group.alert.id, rule.version, mark, why)
            self._emit(transition)
        if changes and group.runtime.rule.was and not group.alert.is_open:
            # Carried over from a rule of another name: the next episode has the ids of this one.
            group.alert.id = alert_id(group.runtime.rule.name, group.runtime.rule.by, group.labels)

    def _emit(self, transition: Transition) -> None:
        self.transitions.append(transition)

    def cut(self) -> Cut:
        """Records and entries since the last cut; see ports.Stage."""
        cut = Cut(records=self._records)
        self._records = []
        for transition in self.transitions:
            value = encode(transition)
            key = transition.alert_id.encode()
            cut.records.append(Record(topic=ALERTS, value=value, key=key, partition=0))
            cut.records.append(Record(topic=ALERT_STATE, value=value, key=key))
        self.transitions = []
        entries = cut.entries
        for key in self._gone:
            entries[key] = None
        self._gone = {}
        for series_key in self._dirty_flows:
            self._store_flow(series_key, entries)
        self._dirty_flows.clear()
        for series_key in self._dirty_levels:
            level = self.levels[series_key]
            entries[b"l" + pack(series_key)] = pack(level.state())
            level.dirty = False
        self._dirty_levels.clear()
        for group in self._dirty_alerts:
            runtime = group.runtime
            row = [runtime.rule.by, runtime.key, runtime.level_only, group.begun, stored(group.alert)]
            entries[_alert_key(runtime.rule, group.labels)] = pack(row)
        self._dirty_alerts.clear()
        for group in self._dirty_watches:
            watches = [[key, watch.state()] for key, watch in group.watches.items()]
            entries[_watch_key(group.runtime.rule, group.labels)] = pack([group.runtime.rule.by, watches])
        self._dirty_watches.clear()
        if self._dirty_meta:
            entries[b"m"] = pack(self._meta())
            self._dirty_meta = False
        return cut

    def _store_flow(self, key: SeriesKey, entries: dict[bytes, bytes | None]) -> None:
        history = self.flows[key]
        if history.head_dirty:
            entries[b"s" + pack(key)] = pack(history.head())
            history.head_dirty = False
        for number in history.dirty:
            block = history.block(number)
            entries[b"b" + pack([*key, number])] = None if block is None else pack(block)
        history.dirty.clear()

    def _meta(self) -> list[Any]:
        return [
            STATE_FORMAT,
            self._chunk_size,
            self._partitions,
            list(self._source_ids.items()),
            *self.watermarks.state(),
            [[r.rule.name, r.rule.edition, r.closed, r.begun] for r in self._rules],
            [self.counts.late, self.counts.older_levels, self.counts.overlaps, self.counts.transitions],
        ]

    def _expire(self, role: str, mark: int) -> None:
        for key, history in list(self.flows.items()):
            series = self._series.get(key[0])
            if series is None or series.source != role:
                continue
            # A rule that waits for another topic too has still to ask for what this topic has long left behind.
            judged = min(
                (0 if runtime.closed is None else runtime.closed for runtime in self._rules_of[series.id]), default=FAR
            )
            for number in history.expire(min(mark, judged) - self._reach[series.id]):
                self._gone[b"b" + pack([*key, number])] = None
            if history.seen is not None and history.seen + self._memory[series.id] > min(mark, judged):
                if history.head_dirty:
                    self._dirty_flows.add(key)
            elif history.is_empty:
                del self.flows[key]
                self._dirty_flows.discard(key)
                self._gone[b"s" + pack(key)] = None

    # ---- state ----------------------------------------------------------------------------------------------------

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what cuts stored. Alerts whose rule is gone end; new rules begin with the next bucket."""
        meta = entries.get(b"m")
        if meta is None:
            return
        known_rules = self._restore_meta(unpack(meta))
        removed: list[bytes] = []
        for key, value in entries.items():
            if key[:1] == b"s":
                series, labels = unpack(key[1:])
                if series in self._series:
                    history = self._history(series, tuple(labels))
                    history.restore_head(unpack(value))
                else:
                    removed.append(key)
            elif key[:1] == b"b":
                series, labels, number = unpack(key[1:])
                if series in self._series:
                    self._history(series, tuple(labels)).restore_block(number, unpack(value))
                else:
                    removed.append(key)
            elif key[:1] == b"l":
                series, labels = unpack(key[1:])
                if series in self._series:
                    level = self.levels[series, tuple(labels)] = LevelHistory()
                    level.restore(unpack(value))
                else:
                    removed.append(key)
        for (series_id, labels), history in self.flows.items():
            for source in history.places:
                self._open_by_source.setdefault(source, set()).add((series_id, labels))
        self._restore_alerts(entries, removed)
        self._restore_watches(entries, removed)
        self._wake(known_rules)
        self._is_changing |= any(not group.begun for r in self._rules for group in r.groups.values())
        self._looks_back |= self._is_changing
        for key in removed:
            self._gone[key] = None

    def _history(self, series: str, labels: Labels) -> FlowHistory:
        history = self.flows.get((series, labels))
        if history is None:
            history = self.flows[series, labels] = FlowHistory(self._series[series])
        return history

    def _restore_meta(self, meta: list[Any]) -> "_Known":
        if meta[0] != STATE_FORMAT:
            raise StateError(
                f"stored state has format {meta[0]}, this program knows {STATE_FORMAT}; use the version that wrote it, "
                "or begin anew under another LOCKSTEP_APP_ID"
            )
        _, self._chunk_size, partitions, source_ids, sources, topics, rules, counts = meta
        if partitions != self._partitions:
            raise StateError(
                f"lockstep.samples has {self._partitions} partitions, the stored state was made with {partitions}; "
                "set LOCKSTEP_SAMPLES_PARTITIONS back, or begin anew under another LOCKSTEP_APP_ID"
            )
        self._source_ids = dict(source_ids)
        self.watermarks.restore(sources, topics)
        self.counts, self.counts_restored = JudgeCounts(*counts), JudgeCounts(*counts)
        return {(name, edition): (closed, begun) for name, edition, closed, begun in rules}

    def _restore_alerts(self, entries: Mapping[bytes, bytes], removed: list[bytes]) -> None:
        """What is open under a rule that is gone, or is about something else now, ends."""
        found = []
        for key, value in entries.items():
            if key[:1] == b"a":
                name, edition, labels = unpack(key[1:])
                names, by_key, level_only, begun, row = unpack(value)
                runtime = self._heir(name, edition)
                if runtime is not None and not goes_on(runtime, names, by_key, level_only=level_only):
                    runtime = None
                far = 0
                if runtime is not None:
                    far = (runtime.rule.edition != edition) + 2 * (runtime.rule.name != name)
                found.append((far, key, runtime, (name, tuple(labels), names), restored(row), begun))
        # A version's own alerts come first; those of one that nobody knows any more may go on beside them.
        for far, key, runtime, (name, labels, names), alert, begun in sorted(found, key=lambda f: f[:2]):
            if runtime is not None and labels not in runtime.groups:
                group = runtime.groups[labels] = Group(runtime, labels, alert)
                if far:
                    alert.held = fitting(group.condition, alert.held)
                    removed.append(key)
                    self._dirty_alerts[group] = None
                    if not alert.is_open:
                        alert.id = alert_id(runtime.rule.name, runtime.rule.by, labels)
                else:
                    group.begun = begun
                continue
            removed.append(key)
            marks = [t.mark for t in self.watermarks.topics.values() if t.mark is not None]
            for change in remove(alert, max([alert.at, *marks])):
                named = dict(zip(names, labels, strict=True))
                self._emit(_transition(change, name, named, alert.id, "", None, judged(None, change.verdict)))

    def _heir(self, name: str, edition: str) -> RuleRuntime | None:
        """Whose the state of a version is: its own, of the same version at another place, or of what came of the rule.

        A version that nobody has to wait for any more counts as having always been in force: its border is forgotten.
        """
        mine = [r for r in self._rules if r.rule.name == name]
        version = edition.partition("@")[0]
        for found in (r for r in mine if r.rule.edition == edition), (r for r in mine if r.rule.version == version):
            if (runtime := next(found, None)) is not None:
                return runtime
        return mine[-1] if mine else next((r for r in reversed(self._rules) if name in r.rule.was), None)

    def _restore_watches(self, entries: Mapping[bytes, bytes], removed: list[bytes]) -> None:
        """What an earlier version or name has learned goes to all that came of it: each goes on where it judges."""
        for key, value in entries.items():
            if key[:1] != b"w":
                continue
            name, edition, labels = unpack(key[1:])
            names, rows = unpack(value)
            states = dict(rows)
            users = [r for r in self._rules if name in (r.rule.name, *r.rule.was) and list(r.rule.by) == names]
            own = [r for r in users if r.rule.name == name and r.rule.edition == edition]
            if not own:
                removed.append(key)
            for runtime in own or users:
                group = self._group(runtime, tuple(labels))
                for condition in runtime.anomalies:
                    if condition.key in states and (own or condition.key not in group.watches):
                        watch = group.watches[condition.key] = Watch(condition)
                        watch.restore(condition, states[condition.key])
                        if not own:
                            self._dirty_watches[group] = None

    def _wake(self, known: "_Known") -> None:
        """Schedule every group after the instant up to which its rule was judged."""
        for runtime in tuple(self._rules):
            edition = (runtime.rule.name, runtime.rule.edition)
            if edition in known:
                runtime.closed, runtime.begun = known[edition]
            elif runtime.rule.since_s is None:
                names = (runtime.rule.name, *runtime.rule.was)
                judged = [at for (name, _), (at, _) in known.items() if name in names and at is not None]
                mark = self.watermarks.of(runtime.roles)
                if judged:
                    runtime.closed = max(judged)
                else:
                    runtime.closed = None if mark is None else mark // SECOND // runtime.width * runtime.width
            while (old := runtime.before) is not None and edition in known:
                if (old.rule.name, old.rule.edition) in known:
                    break
                self._forget_version(old)  # the state says that it has ended
                runtime.before = old.before
            if not any(n == runtime.rule.name and e.partition("@")[0] == runtime.rule.version for n, e in known):
                for group in runtime.groups.values():
                    _wait_for_verdict(group.alert, runtime)
            self._wake_rule(runtime)

    def _wake_rule(self, runtime: RuleRuntime) -> None:
        for series in (*runtime.own_flows, *runtime.own_levels):
            for name, labels in (*self.flows, *self.levels):
                if name != series.id or (runtime.level_only and not runtime.begun):
                    continue
                if not self._is_forgotten(runtime, labels):
                    self._group(runtime, labels)
        for labels, group in list(runtime.groups.items()):
            if runtime.level_only:
                self._plan_level(group)
            elif runtime.closed is None:
                self._schedule_first(group)
            else:
                # Nothing happens before what was judged already.
                group.alert.at = max(group.alert.at, runtime.closed * SECOND)
                # Judging the next bucket end again is harmless, and finds what a changed rule makes of the history.
                timer = due(group.alert, runtime.rule)
                end = (runtime.closed + runtime.width) * SECOND
                self._schedule_us(group, end if timer is None else min(end, timer))
            if group.early:
                runtime.ahead.add(labels)

    def _is_forgotten(self, runtime: RuleRuntime, labels: Labels) -> bool:
        if labels in runtime.expected or runtime.level_only or runtime.closed is None:
            return False
        active = self._active(runtime, labels, FAR)
        return active is None or active + runtime.rule.forget_after_s <= runtime.closed

    def _schedule_first(self, group: Group) -> None:
        """Nothing of this rule has been judged yet: begin at the group's first data."""
        width = group.runtime.width
        ends: list[int] = []
        for series in group.runtime.own_flows:
            history = self.flows.get((series.id, group.labels))
            if history is not None and history.starts:
                ends.append(history.starts[0] + width)
        for series in group.runtime.own_levels:
            level = self.levels.get((series.id, group.labels))
            first = None if level is None else level.next_time(0)
            if first is not None:
                ends.append(first // SECOND // width * width + width)
        if ends:
            self._schedule(group, min(ends))


def _wait_for_verdict(alert: Alert, runtime: RuleRuntime) -> None:
    """No clock ends before the first verdict of an edited rule: what it waits for may not be so any more.

    That is at the border for levels, else at the next bucket end.
    """
    if runtime.closed is not None:
        first = runtime.closed if runtime.level_only else runtime.closed + runtime.width
        alert.at = max(alert.at, first * SECOND)


def _look_at_last_bucket(alert: Alert, end: int) -> None:
    """Move the last verdict's window to the bucket end that precedes a timer, or the end of the hours.

    Buckets in between were not visited because their numbers are the same; that must not show.
    """
    verdict = alert.verdict
    if verdict.window_start is not None and verdict.window_end is not None and verdict.window_end < end:
        begun = verdict.window_start + end - verdict.window_end
        alert.verdict = msgspec.structs.replace(verdict, window_start=begun, window_end=end)


def _watch_key(rule: Rule, labels: Labels) -> bytes:
    return b"w" + pack([rule.name, rule.edition, labels])


def _alert_key(rule: Rule, labels: Labels) -> bytes:
    """Two versions of a rule may be at work at once, about different things whose labels have the same values."""
    return b"a" + pack([rule.name, rule.edition, labels])


def _transition(
    change: Change, rule: str, labels: dict[str, str], alert: str, version: str, mark: int | None, why: Judged
) -> Transition:
    v = change.verdict
    return Transition(
        transition_id=stable_id("transition", change.episode_id, change.number),
        alert_id=alert,
        episode_id=change.episode_id,
        number=change.number,
        rule=rule,
        labels=labels,
        state=TransitionName(change.name),
        at=rfc3339(change.at),
        started_at=rfc3339(change.started_at),
        severity=change.severity.word,
        previous_severity=None if change.previous_severity is None else change.previous_severity.word,
        value=v.value,
        baseline=v.baseline,
        ratio=v.ratio,
        limit=v.limit,
        window_start=None if v.window_start is None else rfc3339(v.window_start * SECOND),
        window_end=None if v.window_end is None else rfc3339(v.window_end * SECOND),
        so_far=change.so_far,
        watermark=None if mark is None else rfc3339(mark),
        rule_version=version,
        counts=v.counts,
        baseline_of=v.baseline_of,
        limit_of=v.limit_of,
        reason=change.reason,
        explanation=why,
    )
