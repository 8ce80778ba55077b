"""The judge: a fold of one samples partition. Frames in, transitions out; it reads no clock.

Here frames are taken in, event time advances, and rules are judged up to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop
from zoneinfo import ZoneInfo

import msgspec

from lockstep.alert import Alert, alert_id
from lockstep.errors import StateError
from lockstep.event.imports import IMPORTED, ROLES
from lockstep.event.imports import TOPIC as IMPORTS
from lockstep.judge.book import FLOW_IDS, Book, kept_with_shop
from lockstep.judge.early import EarlyVerdicts
from lockstep.judge.group import Group, RuleRuntime
from lockstep.judge.group_view import GroupView
from lockstep.judge.handover import Handover, is_judged_by
from lockstep.judge.histories import Histories, Past, kept_for
from lockstep.judge.next import Schedule
from lockstep.judge.publish import OpenCut
from lockstep.judge.rule_facts import NEVER, Labels
from lockstep.judge.rule_set import RuleSet
from lockstep.judge.screen.screening import Tables
from lockstep.judge.state import META, JudgeCounts, Meta
from lockstep.judge.state.entries import STATE_FORMAT
from lockstep.judge.state.rows import Sizes
from lockstep.judge.visit import Observer, Shortcut, Visits
from lockstep.judge.watermark import Place, SourceState, Topic, Watermarks
from lockstep.labels import partition_of
from lockstep.measure.definition import SeriesDef
from lockstep.measure.history import Source
from lockstep.measure.sample import FORMAT, Frame, LevelValue, Partial, Progress, decode
from lockstep.ports import Batch, Cut
from lockstep.rule.condition.kinds import Condition, Plan, Rule
from lockstep.shop.catalogue import SOURCE
from lockstep.shop.series import FLOWS
from lockstep.shop.whole_shop import MadeOf, Shop
from lockstep.text.rfc3339 import SECOND
from lockstep.transition import Transition

EXPIRE_EVERY_US = 6 * 3600 * SECOND
"""How far event time advances between two removals of old buckets."""


@dataclass(frozen=True)
class Seen:
    """What a judge knows of one group of one rule, for explaining it; see `lockstep.explanation`.

    known: whether the group ever had an event or an alert and is not forgotten. judged_to: the bucket end up to which
    all was judged, in seconds; None before the first, and for a rule on levels alone. watermark: microseconds. made_of:
    what the business measures that it reads are made of now.
    """

    rule: Rule
    condition: Condition
    alert: Alert
    known: bool
    view: GroupView
    judged_to: int | None
    watermark: int | None
    made_of: tuple[MadeOf, ...] = ()


class Judge:
    """One samples partition.

    histories, watermarks: what it knows of the events. book: makes the facts of the shop; None where another judge
    does, or none. counts: what happened; counts_restored: as of the last start.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        zone: ZoneInfo,
        partition: int = 0,
        partitions: int = 1,
        topics: Mapping[str, str] | None = None,
        early: bool = True,
        observer: Observer | None = None,
        shortcut: Shortcut | None = None,
        keep_longer_s: Mapping[str, int] | None = None,
        screened: bool = True,
        sizes: Sizes | None = None,
        stores: bool = True,
        shown_levels: Mapping[str, bool] | None = None,
    ) -> None:
        """topics: role → topic name, for dead events. early: whether verdicts that more events cannot undo are given
        before a bucket closes. keep_longer_s: series id → for how long after its rules its buckets are kept. screened:
        False gives a verdict on everything, which is slow and says the same. sizes: of what is stored. stores: False
        for one that makes no cuts: it remembers nothing for them. shown_levels: see `Histories`.
        """
        self.zone = zone
        self._partition, self._partitions = partition, partitions
        self._topic_names = dict(topics or {})
        self._early, self._observer = early, observer
        self.counts, self.counts_restored = JudgeCounts(), JudgeCounts()

        def leaves_out(rule: Rule) -> bool:
            return screened and (observer is None or not observer.sees_every_verdict(rule))

        self._rules = RuleSet(plan, zone, leaves_out=leaves_out)
        kept = kept_for([r.facts for r in self._rules.rules], keep_longer_s or {})
        has_book = plan.shop is not None and partition_of((), partitions) == partition
        series = {**self._rules.series, **({s.id: s for s in FLOWS.values()} if has_book else {})}
        if has_book:
            kept = kept_with_shop(kept)
        self.histories = Histories(series, kept, self.counts, sizes, stores=stores, shown_levels=shown_levels)
        self.watermarks = Watermarks()
        self.book: Book | None = None
        past = Past(self.histories, self.watermarks, zone)
        self._tables = Tables(self._rules.screened(), past)
        # Series id → what it is, its tables, and the rules that look at each of its groups themselves.
        self._reading = {
            name: (series, self._tables.of_series.get(name, []), self._rules.one_by_one[name])
            for name, series in self._rules.series.items()
        }
        self._cut = OpenCut()
        if plan.shop is not None and has_book:
            reads = [s for s in self._rules.series.values() if s.source == SOURCE]
            shop = Shop(zone, calendar=plan.calendar)
            self.book = Book(
                shop,
                reads,
                self.histories,
                self.watermarks,
                settings_at=plan.shop_at,
                place_of=self._place_of,
            )
            self._cut.names_of, self._cut.made_of = self.book.names, self.book.made_of
            self._reading = {**{s.id: (s, [], []) for s in FLOWS.values()}, **self._reading}
        self._schedule = Schedule(past)
        self._visits = Visits(
            past,
            self._schedule,
            self._cut,
            self.counts,
            tables=self._tables,
            observer=observer,
            shortcut=shortcut,
        )
        self._early_verdicts = EarlyVerdicts(past, self._schedule, self._visits, screened=screened)
        self._handover = Handover(self._rules, past, self._schedule, self._visits, self._cut)
        self._view = GroupView(past)
        self._level_moved: dict[Group, None] = {}
        self._screened = screened
        # Role → its topic when all its rules advanced last, and the ends of imports.
        self._advanced: dict[str, tuple[int | None, bool, list[int]]] = {}
        self._due_us: dict[str, int] = {}  # role → the watermark at which all of them advance next
        self._chunk_size: int | None = None
        self._source_ids: dict[str, str] = {}

    # ---- in: ports.Stage ------------------------------------------------------------------------------------------

    def feed(self, batch: Batch) -> None:
        """Fold samples records in; what the last of them means for the shop is left to `goes_on`, or to the next
        record. Raises StateError when they do not fit what was stored."""
        for value in batch.values:
            if value is None:
                continue
            try:
                frame = decode(value)
            except msgspec.MsgspecError as error:
                raise StateError(f"{batch.topic}: a record is no frame of samples: {error}") from error
            self._take_in(frame)

    def tick(self, now: datetime) -> None:
        """The judge has no clock; time comes with the samples."""

    def take(self, frame: Frame) -> None:
        """Fold one frame in, with all that it means for the shop."""
        self._take_in(frame)
        self._finish()

    def goes_on(self) -> bool:
        """Take one more step of the shop towards where event time is; whether there was one to take.

        A jump of event time (a backlog, a night without events) may bring thousands of them. Between two of them state
        may be cut: those that are left are taken before anything else is folded in, after a restart, too.
        """
        step = None if self.book is None else self.book.step()
        if step is not None:
            self._fold(step)
        return step is not None

    def _finish(self) -> None:
        while self.goes_on():
            pass

    def _take_in(self, frame: Frame) -> None:
        self._finish()
        self._check(frame)
        self._fold(frame)
        if self.book is not None and frame.progress is not None:
            self.book.time_moved()

    def _fold(self, frame: Frame) -> None:
        begun = len(self._cut.transitions)
        source: Source = (frame.role, frame.partition)
        place = (frame.chunk, frame.first, frame.upto)
        topic = self.watermarks.topic(frame.role)
        if topic.silent and (frame.partials or frame.levels):
            topic.silent = False  # nobody goes on without it any more, though its watermark is yet to come
            self._cut.meta_changed()
        if frame.partition == IMPORTED and self.watermarks.begin_import(source, place):
            self._cut.meta_changed()
        state = self.watermarks.sources.get(source)
        closed = None if topic.mark is None else topic.mark // SECOND
        for partial in frame.partials:
            self._take_partial(source, place, partial, state, closed)
        for n, value in enumerate(frame.levels, 1):
            self._take_level(source, value, topic)
            if self._level_moved and (n == len(frame.levels) or frame.levels[n].offset != value.offset):
                self._judge_moved(value)
        if self._early and frame.partials:
            self._early_verdicts.look_at_all(self._rules.of_role.get(frame.role, ()))
        self._cut.sort_since(begun)
        if frame.progress is not None:
            begun = len(self._cut.transitions)
            self._take_progress(source, place, frame, frame.progress)
            self._advance_rules(frame.role)
            self._cut.sort_since(begun)

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
        is_import = frame.partition == IMPORTED
        known = self._source_ids.setdefault(f"imported {frame.role}" if is_import else frame.role, frame.source)
        if known != frame.source:
            name = IMPORTS if is_import else self._topic_names.get(frame.role, frame.role)
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
        reading = self._reading.get(partial.series)
        if reading is None:
            return
        series, tables, one_by_one = reading
        if state is not None and place <= state.place:
            if partial.series in state.since and partial.series not in state.filling:
                return  # told and promised before: a replay
            closed = None  # what a new series is told of the past comes late for nobody
        changed, late = self.histories.take_partial(source, place, partial, closed=closed)
        for refused in late:
            self.counts.late += 1
            self._cut.refuse(refused, *self._place_of(source), series, partial.labels)
        if changed is None:
            return
        if self.book is not None and partial.series in FLOW_IDS:
            self.book.touch(partial.series, partial.labels, [start for start, _ in partial.buckets])
        if tables:
            starts = [start for start, _ in partial.buckets]
            for table in tables:
                table.take(partial.labels, starts, changed)
        end = changed + series.bucket_s
        for runtime in one_by_one:
            facts, judged_to = runtime.facts, runtime.closed
            if series.id in facts.wide:
                _tell_listeners(runtime, series, partial.labels, end)
                continue
            group = runtime.groups.get(partial.labels) or runtime.group(partial.labels)
            if group.asleep:
                continue
            group.schedule((end if judged_to is None or end > judged_to else judged_to + facts.width) * SECOND)
            if group.early:
                if judged_to is None or changed >= judged_to:
                    runtime.fresh.add(partial.labels)
                else:
                    runtime.forget_need(group)

    def _place_of(self, source: Source) -> tuple[str, int]:
        """(topic, partition) of a source."""
        role, partition = source
        if partition == IMPORTED:
            return IMPORTS, ROLES.index(role)
        return self._topic_names.get(role, role), partition

    def _take_level(self, source: Source, value: LevelValue, topic: Topic) -> None:
        if self.book is not None:
            self.book.take(source, value)
        reading = self._reading.get(value.series)
        if reading is None:
            return
        series, tables, one_by_one = reading
        if self._rules.looks_back:
            history = self.histories.levels.get((value.series, value.labels))
            if history is None or not history.has_seen(source, value.offset):
                self._judge_before(series, value)
        if not self.histories.take_level(source, value, asked_from_us=self._rules.asked_from_us(series.id)):
            return
        if self.watermarks.begins(topic, value.time_us):
            self._cut.meta_changed()
        for flow_table in tables:
            history = self.histories.levels[value.series, value.labels]
            flow_table.take_level(value.labels, series, history, value.time_us)
        table = self._tables.levels.get(series.id)
        if table is not None:
            for moved in table.moved(value.labels):
                self._level_moved[moved] = None
        for runtime in one_by_one:
            facts = runtime.facts
            second = value.time_us // SECOND
            end = second - second % facts.width + facts.width
            if series.id in facts.wide:
                _tell_listeners(runtime, series, value.labels, end)
                continue
            is_changing = self._rules.is_changing and facts.is_level_only
            if is_changing and not is_judged_by(runtime, value.labels, value.time_us):
                continue
            group = runtime.group(value.labels)
            if facts.is_level_only:
                self._level_moved[group] = None
            else:
                judged_to = runtime.closed
                group.schedule((end if judged_to is None else max(end, judged_to + facts.width)) * SECOND)

    def _judge_before(self, series: SeriesDef, value: LevelValue) -> None:
        """Judge what was due before a value that has just come: a version's beginning, a level that was stale."""
        for runtime in self._rules.of_series[series.id]:
            facts = runtime.facts
            crosses = not runtime.begun and value.time_us > facts.since
            if crosses and facts.is_level_only and series.id not in facts.wide:
                self._handover.begin_level(runtime, value.labels)
            if facts.fades and (group := runtime.groups.get(value.labels)) is not None:
                # A level that was stale before this value came was so whenever somebody looked.
                stale = self._schedule.stale_at(group)
                if stale is not None and stale < value.time_us and stale <= facts.until and group.begun:
                    self._visits.judge_level(group, stale, "", newest=False)

    def _judge_moved(self, value: LevelValue) -> None:
        """Judge by levels when all that their event says is known: a stock and its reorder point are one fact."""
        for group in self._level_moved:
            self._visits.judge_level(group, max(value.time_us, group.alert.at), value.event, newest=True)
        self._level_moved.clear()

    def _take_progress(self, source: Source, place: Place, frame: Frame, progress: Progress) -> None:
        if self.watermarks.take(source, place, frame, progress):
            self.histories.fold(source, place)
        self._cut.meta_changed()

    # ---- event time advances --------------------------------------------------------------------------------------

    def _advance_rules(self, role: str) -> None:
        topic = self.watermarks.topics[role]
        mark = None if self.watermarks.is_empty(role) else topic.mark
        ends = self.watermarks.import_ends
        state = (topic.first, topic.silent, ends)
        # Before the next bucket end only what has come since, and visits that are due by now, make a difference.
        stands = self._screened and self._advanced.get(role) == state and (mark or 0) < self._due_us[role]
        if not stands:
            self._tables.advance_to(role, self.watermarks.of)
        rules = self._rules.of_role.get(role, [])
        for runtime in tuple(rules):
            has_news = runtime.fresh or (mark is not None and runtime.heap and runtime.heap[0][0] <= mark)
            if (has_news or not stands) and not runtime.ended:
                self._advance(runtime)
        if not stands:
            self._advanced[role] = state
            coming = (end for end in ends if end > (mark or 0))
            self._due_us[role] = min((*(runtime.due_us for runtime in rules), *coming), default=NEVER)
        if topic.mark is not None and topic.mark - topic.swept > EXPIRE_EVERY_US:
            topic.swept = topic.mark
            if self._observer is not None:
                self._observer.expiring()
            judged_to = self._rules.judged_to(role, topic.mark // SECOND)
            if self.book is not None:
                self.book.needs(role, judged_to)
            self.histories.expire(judged_to)

    def _advance(self, runtime: RuleRuntime) -> None:
        mark = self.watermarks.of(runtime.facts.roles)
        if mark is None:
            return
        if runtime.unmet:
            self._know_expected(runtime)
        if runtime.before is not None:
            # A version whose topics never had an event has no watermark of its own to wait for.
            before = runtime.before.facts
            if mark >= before.until and all(self.watermarks.is_empty(role) for role in before.roles):
                self._hand_over(runtime.before)
            return
        self._leave_the_past(runtime, mark)
        if runtime.facts.is_level_only:
            # A value may still come that is set at the watermark itself, and decides what is due then.
            mark -= 1
        if runtime.facts.until <= mark:
            self._advance_to(runtime, runtime.facts.until)
            self._hand_over(runtime)
            return
        self._advance_to(runtime, mark)

    def _leave_the_past(self, runtime: RuleRuntime, mark: int) -> None:
        """Where the watermark comes to the end of imported time: tell of what fires there."""
        border = self.watermarks.past_to(runtime.facts.roles)
        if border is not None and runtime.reached < border <= mark:
            self._advance_to(runtime, border - 1)
            for group in list(runtime.groups.values()):
                # A group of levels that had a value since was told of then.
                if not runtime.facts.is_level_only or group.alert.at < border:
                    self._visits.tell_standing(group, border)
        runtime.reached = mark

    def _hand_over(self, old: RuleRuntime) -> None:
        new = self._handover.hand_over(old)
        if new is not None:
            self._advance(new)

    def _advance_to(self, runtime: RuleRuntime, mark: int) -> None:
        facts, heap, visits = runtime.facts, runtime.heap, self._visits
        if not runtime.begun and facts.since <= mark:
            self._handover.begin(runtime)
        while heap and heap[0][0] <= mark:
            instant, labels = heappop(heap)
            group = runtime.groups.get(labels)
            if group is None:
                shared = runtime.shared.get(labels)
                if shared is not None and shared.visit_at == instant:
                    visits.visit_shared(shared, instant // SECOND)
                continue
            if group.visit_at != instant:
                continue
            group.visit_at = None
            if facts.is_level_only:
                visits.visit_level(group, instant)
            else:
                visits.visit(group, instant)
        closed = mark // SECOND // facts.width * facts.width
        if runtime.closed is None or closed > runtime.closed:
            runtime.closed = closed
            self._cut.meta_changed()
        if self._early:
            self._early_verdicts.look_at(runtime)

    def judge_open(self) -> None:
        """Give the verdicts of the earliest open buckets that more events cannot undo."""
        begun = len(self._cut.transitions)
        self._early_verdicts.look_at_all(self._rules.rules)
        self._cut.sort_since(begun)

    def _know_expected(self, runtime: RuleRuntime) -> None:
        """Groups that need no event of theirs are known from the first event of any topic that the rule reads.

        The one group of a rule without labels is such a group.
        """
        facts = runtime.facts
        end = self._schedule.first_end(facts)
        if end is None or facts.is_level_only:
            return
        for labels in runtime.unmet:
            home = partition_of([labels[i] for i in facts.key_places], self._partitions)
            if home == self._partition:
                second = end if runtime.closed is None else max(end, runtime.closed + facts.width)
                runtime.group(labels).schedule(second * SECOND)
        runtime.unmet.clear()

    # ---- out, and back --------------------------------------------------------------------------------------------

    def drain(self) -> list[Transition]:
        """The transitions since the last call, of one that makes no cuts."""
        return self._cut.drain()

    def only_stores(self) -> bool:
        """Whether the next cut would publish nothing: nobody waits for it."""
        return not self._cut.publishes

    def take_news(self) -> list[Transition]:
        """The last transitions of the cuts since the last call: for who shows them when they are durable."""
        news = list(self._cut.news)
        self._cut.news.clear()
        return news

    def cut(self) -> Cut:
        """Records and entries since the last cut; see ports.Stage."""
        cut = self._cut.close(self.histories, self._meta)
        if self.book is not None:
            self.book.cut(cut.records, cut.entries)
        return cut

    def _meta(self) -> Meta:
        sources, topics = self.watermarks.state()
        return Meta(
            chunk_size=self._chunk_size,
            partitions=self._partitions,
            source_ids=self._source_ids,
            sources=sources,
            topics=topics,
            known={(r.rule.name, r.rule.edition): (r.closed, r.begun) for r in self._rules.rules},
            counts=self.counts,
        )

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what cuts stored. Alerts whose rule is gone end; new rules begin with the next bucket."""
        stored = entries.get(META)
        if stored is None:
            return
        meta = Meta.decode(stored)
        if meta.partitions != self._partitions:
            raise StateError(
                f"lockstep.samples has {self._partitions} partitions, the stored state was made with "
                f"{meta.partitions}; set LOCKSTEP_SAMPLES_PARTITIONS back, or begin anew under another LOCKSTEP_APP_ID"
            )
        self._chunk_size, self._source_ids = meta.chunk_size, dict(meta.source_ids)
        self.watermarks.restore(meta.sources, meta.topics)
        if meta.format != STATE_FORMAT:
            self._cut.meta_changed()  # what is written from now on, earlier programs cannot read
        self.counts.begin_from(meta.counts)
        self.counts_restored = meta.counts
        self.histories.restore(entries)
        if self.book is not None:
            self.book.restore(entries)
        self._handover.restore(entries, meta.known)
        self._tables.begin()
        self._rules.look_for_borders()
        for runtime in self._rules.rules:
            runtime.reached = self.watermarks.of(runtime.facts.roles) or 0

    # ---- being asked ----------------------------------------------------------------------------------------------

    def seen(self, rule: str, labels: Labels) -> Seen | None:
        """What is known of a group, in the order of the rule's `by`; None for a rule that is not there."""
        runtime = self._rules.named(rule)
        if runtime is None:
            return None
        group = runtime.groups.get(labels)
        shown = group or Group(runtime, labels, Alert(alert_id(rule, runtime.rule.by, labels)))
        if runtime.facts.is_level_only:
            # One that stays clear was judged last when its newest value was set.
            newest_us = self.histories.newest_level_us(runtime.facts.levels, shown.labels_of)
            shown.alert.at = max(shown.alert.at, newest_us)
        # A group of which nothing can change until its next event is not kept; its history still is.
        active = bool(labels) and self._schedule.is_remembered(shown, runtime.closed)
        return Seen(
            rule=runtime.rule,
            condition=shown.condition,
            alert=shown.alert,
            known=group is not None or active,
            view=self._view.of(shown),
            judged_to=None if runtime.facts.is_level_only else runtime.closed,
            watermark=self.watermarks.as_shown(runtime.facts.roles),
            made_of=() if self.book is None else self.book.made_of(shown.business()),
        )

    def about(self, rule: str) -> Rule | None:
        """A rule by its name."""
        runtime = self._rules.named(rule)
        return None if runtime is None else runtime.rule

    def rule_names(self) -> list[str]:
        return [r.rule.name for r in self._rules.rules]

    def groups_of(self, rule: str) -> list[Labels]:
        """The groups of a rule that have a history or an alert here, sorted."""
        runtime = self._rules.named(rule)
        if runtime is None:
            return []
        read = {s.id for s in (*runtime.facts.flows, *runtime.facts.levels)}
        remembered = (*self.histories.flows, *self.histories.levels)
        return sorted({*runtime.groups, *(labels for name, labels in remembered if name in read)})


def _tell_listeners(runtime: RuleRuntime, series: SeriesDef, labels: Labels, end: int) -> None:
    """What several groups share has changed: those are visited that it can make any difference to."""
    if runtime.closed is not None:
        end = max(end, runtime.closed + runtime.facts.width)
    for shared in runtime.sharing.get((series.id, labels), ()):
        if runtime.facts.shared_parts:
            shared.schedule(end * SECOND)
        for name in shared.open if runtime.facts.shared_parts else shared.listeners:
            runtime.groups[name].schedule(end * SECOND)
