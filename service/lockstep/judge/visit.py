"""Judging one group at one instant: its verdict, what that makes of its alert, and when to look at it again.

Groups are visited only when their verdict could change (see `next`), so the result is that of judging all of them at
every bucket end.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from lockstep.alert import Alert, Change, alert_id, apply_verdict, due, remove, run_timer
from lockstep.judge.group import Group, RuleRuntime, Shared, has_gone_on
from lockstep.judge.group_view import GroupView
from lockstep.judge.histories import Past
from lockstep.judge.next import Schedule
from lockstep.judge.publish import OpenCut, dressed
from lockstep.judge.screen.band_table import BandTable
from lockstep.judge.screen.flow_table import FlowTable
from lockstep.judge.screen.screening import Tables
from lockstep.judge.state import JudgeCounts
from lockstep.rule.condition.kind.anomaly import Watch
from lockstep.rule.condition.kind.threshold import breached
from lockstep.rule.condition.kinds import Rule, Threshold
from lockstep.rule.condition.period import start_of
from lockstep.rule.condition.verdicts import judge
from lockstep.rule.condition.view import Instant, Kind
from lockstep.rule.judged_verdict import judged
from lockstep.text.rfc3339 import SECOND
from lockstep.transition import Transition, TransitionName


class Observer(Protocol):
    """Is told what a judge does, and has no say in it."""

    def sees_every_verdict(self, rule: Rule) -> bool:
        """Whether each verdict of a rule is shown to it, also those that can only be clear; they are given for it."""

    def judging(self, group: Group, at: Instant, view: GroupView) -> None:
        """A group is judged next: its alert is as it was, and its detectors have seen what has closed.

        Of a rule of which it does not see every verdict, it sees those that are given all the same.

        view: looks at the group during this call; `view.of(group)` gives one to keep.
        """

    def emitted(self, group: Group, transition: Transition, view: GroupView) -> None:
        """An alert of a rule that is there has changed. view: of the group, to keep."""

    def expiring(self) -> None:
        """Buckets that no rule needs any more are removed next."""


class Shortcut(Protocol):
    """Knows of a group that is clear that it stays so, for less than a verdict costs."""

    def quiet_until(self, group: Group, end: int, view: GroupView, schedule: Schedule) -> int | None:
        """The next microsecond at which the group is to be looked at, where a verdict at the bucket end `end` would be
        clear; None: give one. view: looks at the group."""


class Visits:
    """Visits groups: judges them, steps their alerts, publishes what changed and schedules the next visit."""

    def __init__(
        self,
        past: Past,
        schedule: Schedule,
        cut: OpenCut,
        counts: JudgeCounts,
        *,
        tables: Tables,
        observer: Observer | None = None,
        shortcut: Shortcut | None = None,
    ) -> None:
        """tables: find the groups to look at, of those rules that are screened."""
        self._histories = past.histories
        self._flows, self._levels = past.histories.flows, past.histories.levels
        self._watermarks, self._zone = past.watermarks, past.zone
        self._schedule, self._cut, self._counts = schedule, cut, counts
        self._observer, self._shortcut, self._tables = observer, shortcut, tables
        self._view = GroupView(past)

    # ---- at bucket ends -------------------------------------------------------------------------------------------

    def visit(self, group: Group, instant: int) -> None:
        """Look at a group of a rule that is judged at bucket ends, at the microsecond that it was scheduled for."""
        facts = group.facts
        table = self._tables.of_flow(group)
        if table is not None:
            if self._cools(table, group, instant):
                return
        elif group.plain and group.runtime.leaves_out and self._stays_clear(group, group.plain, instant):
            return
        if instant >= facts.expires:
            self.end_expired(group)
            return
        second = instant // SECOND
        if instant % SECOND == 0 and second % facts.width == 0:
            if self._shortcut is not None and self._is_cut_short(self._shortcut, group, second):
                return
            if not self._is_as_usual(group, second):
                self.run_timers(group, before=instant)
                if self._schedule.is_known(group, second):
                    self.judge_at(group, second)
                    self.run_timers(group, before=instant + 1)
            last = second
        else:
            self.run_timers(group, before=instant + 1)
            last = second - second % facts.width
            if group.early:
                group.runtime.fresh.add(group.labels)  # a timer may have ended what its open bucket begins anew
        after = self._schedule.after(group, last)
        if after is not None:
            group.schedule(after)
        else:
            self._forget(group, last)

    def _is_cut_short(self, shortcut: Shortcut, group: Group, end: int) -> bool:
        if group.alert.kind is not Kind.CLEAR or group.alert.is_watched or group.facts.periods:
            return False
        self._view.look_at(group)
        until = shortcut.quiet_until(group, end, self._view, self._schedule)
        if until is None:
            return False
        group.schedule(until)
        return True

    def _is_as_usual(self, group: Group, end: int) -> bool:
        """Whether a group without an open alert is so near to what earlier days or weeks had that nothing begins."""
        band, alert = group.facts.closer, group.alert
        if band is None or alert.is_watched or not group.runtime.leaves_out:
            return False
        self._view.look_at(group)
        figures = band.read(self._view, end)
        if figures is not None:
            if band.is_met(figures):
                return False
            alert.kind = Kind.CLEAR
        self._counts.visits += 1
        alert.at = max(alert.at, end * SECOND)
        return True

    def _stays_clear(self, group: Group, threshold: Threshold, instant: int) -> bool:
        """Judge a bucket end at which a quiet group of a plain threshold stays quiet, as nearly all of them do.

        The outcome is that of the long way, of which nothing else can matter then; False sends the caller there.
        """
        alert, facts, end = group.alert, group.facts, instant // SECOND
        if alert.kind is not Kind.CLEAR or alert.is_watched:
            return False
        series = facts.flows[0]
        start = start_of(threshold.window_s, end, self._zone)
        history = self._flows.get((series.id, group.labels))
        if history is None or start < self._watermarks.complete_from(series):
            return False
        value = history.value(start, end)
        if value is None or breached(threshold.levels, value):
            return False
        soonest: int | None = None
        for offset in (0,) if group.rises else facts.offsets:
            coming = history.next_start(end - facts.width - offset)
            if coming is not None and (soonest is None or coming + offset < soonest):
                soonest = coming + offset
        if soonest is None:
            return False
        self._counts.visits += 1
        alert.at = max(alert.at, instant)
        group.schedule((soonest + facts.width) * SECOND)
        return True

    def _cools(self, table: FlowTable | BandTable, group: Group, instant: int) -> bool:
        """Whether a group is below what its rule asks for, so that its table alone looks at it from now on.

        One that had an episode is told of until its data has left all windows.
        """
        end = instant // SECOND
        if group.alert.is_watched or not table.cools(group, end):
            return False
        self._counts.visits += 1
        leaves_at = table.leaves_at(group)
        if group.alert.episode_id and leaves_at is not None and leaves_at > end:
            group.alert.at = max(group.alert.at, instant)
            group.schedule(leaves_at * SECOND)
        else:
            self._drop(group)
        return True

    def judge_at(self, group: Group, end: int, *, so_far: bool = False) -> None:
        """Judge a group at a bucket end, in seconds. so_far: the bucket has not closed yet."""
        self._counts.visits += 1
        facts, view = group.facts, self._view
        view.look_at(group)
        if facts.anomalies:
            self._watch(group, end)
        alert = group.alert
        at = Instant(end, end * SECOND)
        if self._observer is not None:
            self._observer.judging(group, at, view)
        group.asleep = not alert.is_watched and any(
            judge(gate, view, at, None).kind is Kind.CLEAR for gate in group.gates
        )
        if group.asleep:
            alert.kind, alert.at = Kind.CLEAR, max(alert.at, end * SECOND)
            group.listen(end, deaf=True)
            return
        verdict = judge(group.condition, view, at, alert.firing, alert.holding)
        if verdict.kind is Kind.CLOSED and not facts.periods:
            _look_at_last_bucket(alert, end - facts.width)  # the last one within the hours
        kind, shown = alert.kind, alert.verdict
        changes = apply_verdict(
            alert,
            facts.rule,
            verdict,
            end * SECOND,
            condition=group.condition,
            so_far=so_far or verdict.so_far,
        )
        if changes or alert.is_watched or alert.kind is not kind or shown.kind is not alert.verdict.kind:
            self._cut.alert_changed(group)
        self.publish(group, changes)
        if group.wide:
            clear = any(judge(part, view, at, None).kind is Kind.CLEAR for part in group.narrow)
            group.listen(end, deaf=clear and not alert.is_watched)

    def _watch(self, group: Group, end: int) -> None:
        """Show the buckets that have closed to the detectors of a group.

        Which buckets they see depends on the group's events alone, not on when it is visited: each until the group has
        been silent for `forget_after`. After that one that has labels is not known any more, and is learned anew.
        """
        for condition in group.facts.anomalies:
            watch = group.watches.get(condition.key)
            bucket_s = condition.bucket_s if watch is None else watch.bucket_s
            closed = end // bucket_s * bucket_s
            if watch is not None and closed <= watch.upto:
                continue
            if not self._schedule.is_heard(group, closed, closed):
                continue
            if watch is None or (group.labels and closed - bucket_s != watch.upto):
                watch = group.watches[condition.key] = Watch(condition)
            watch.see(condition, self._view, closed)
            self._cut.watches_changed(group)

    def visit_shared(self, shared: Shared, end: int) -> None:
        """Judge once what is the same for many groups; those that are not open are visited when its kind changes.

        Nothing else of it can change what they are: whether their rule holds depends on what its parts say, not on the
        numbers.
        """
        shared.visit_at = None
        self._view.look_at(shared)
        at = Instant(end, end * SECOND)
        verdicts = (judge(part, self._view, at, None) for part in shared.facts.shared_parts)
        before, shared.kinds = shared.kinds, tuple((v.kind, v.severity) for v in verdicts)
        if before is not None and before != shared.kinds:
            for name in shared.listeners:
                shared.runtime.groups[name].schedule(end * SECOND)
        after = self._schedule.after_shared(shared, end)
        if after is not None:
            shared.schedule(after * SECOND)

    # ---- at values of levels --------------------------------------------------------------------------------------

    def judge_level(self, group: Group, instant: int, event: str, *, newest: bool) -> None:
        """Judge a group of a rule on levels alone, at a microsecond.

        newest: by the newest values, one of which has just come with an event; else as of the instant.
        """
        if newest and group.plain and group.runtime.leaves_out and self._level_stays_clear(group, group.plain):
            group.alert.at = max(group.alert.at, instant)
            return
        at = Instant(0, instant, newest)
        if self._observer is not None:
            self._view.look_at(group)
            self._observer.judging(group, at, self._view)
        if instant >= group.facts.expires:
            self.end_expired(group)
            return
        self._leave_the_past(group, instant)
        self.run_timers(group, before=instant)
        self._view.look_at(group)
        firing, held = group.alert.firing, group.alert.holding
        verdict = judge(group.condition, self._view, at, firing, held)
        changes = apply_verdict(group.alert, group.facts.rule, verdict, instant, condition=group.condition, event=event)
        self._cut.alert_changed(group)
        self.publish(group, changes)
        self.run_timers(group, before=instant + 1)
        self._plan_level(group)

    def _level_stays_clear(self, group: Group, threshold: Threshold) -> bool:
        """As `_stays_clear`, for the newest value of a level."""
        if group.alert.kind is not Kind.CLEAR or group.alert.is_watched:
            return False
        return not breached(threshold.levels, self._levels[group.facts.levels[0].id, group.labels].now())

    def visit_level(self, group: Group, instant: int) -> None:
        """Look at a group of a rule on levels alone, at the microsecond that it was scheduled for."""
        if instant >= group.facts.expires:
            self.end_expired(group)
            return
        stale = self._schedule.stale_at(group)
        if stale is not None and stale <= instant:
            self.judge_level(group, stale, "", newest=False)
        else:
            self.run_timers(group, before=instant + 1)
            self._plan_level(group)

    def _plan_level(self, group: Group) -> None:
        if (table := self._tables.of_level(group)) is not None:
            table.settle(group)
        after = self._schedule.after_value(group)
        if after is not None:
            group.schedule(after)

    # ---- alerts ---------------------------------------------------------------------------------------------------

    def run_timers(self, group: Group, *, before: int) -> None:
        """Run the timers that are due before an instant."""
        facts, alert = group.facts, group.alert
        rule = facts.rule
        while (instant := due(alert, rule)) is not None and instant < before:
            if not facts.is_level_only and not facts.periods:
                _look_at_last_bucket(alert, instant // SECOND // facts.width * facts.width)
            changes = run_timer(alert, rule, instant, condition=group.condition)
            alert.at = max(alert.at, instant)
            self._cut.alert_changed(group)
            self.publish(group, changes)

    def end_expired(self, group: Group) -> None:
        """The rule is judged no longer: what was due before happens, and what is open then ends."""
        alert, facts = group.alert, group.facts
        if alert.is_watched:
            self.run_timers(group, before=facts.expires)
            self._cut.alert_changed(group)
            self.publish(group, remove(alert, max(facts.expires, alert.at), "expired"))
        if facts.is_level_only and not group.runtime.begun:
            self._cut.alert_changed(group)  # that it has begun must be known until all have
        elif group.labels not in facts.expected:
            self._drop(group)

    def tell_standing(self, group: Group, border: int) -> None:
        """Tell of an alert of imported time that still fires at its end, which nobody has heard of: as it is now."""
        alert = group.alert
        if alert.firing is None or alert.started_at >= border:
            return
        standing = Change(
            name=TransitionName.FIRING,
            at=border,
            number=alert.number,
            started_at=alert.started_at,
            episode_id=alert.episode_id,
            severity=alert.severity,
            previous_severity=None,
            verdict=alert.verdict,
            so_far=alert.so_far,
        )
        self.publish(group, [standing])

    def _leave_the_past(self, group: Group, instant: int) -> None:
        """Before a group of levels is judged at an instant: values come before event time gets to the border."""
        border = self._watermarks.past_to(group.facts.roles)
        if border is not None and group.alert.at < border <= instant:
            self.run_timers(group, before=border)
            self.tell_standing(group, border)

    def publish(self, group: Group, changes: Sequence[Change]) -> None:
        """Publish what has become of a group's alert."""
        rule = group.facts.rule
        labels = dict(zip(rule.by, group.labels, strict=True))
        for change in changes:
            self._counts.transitions += 1
            condition = group.condition if group.alert.judged_by == rule.version else None
            transition = dressed(
                change,
                rule=rule.name,
                version=rule.version,
                labels=labels,
                alert=group.alert.id,
                watermark=self._watermarks.as_shown(group.facts.roles),
                explanation=judged(condition, change.verdict),
                past_to=self._watermarks.past_to(group.facts.roles),
                shop=self._cut.names_of(labels),
                made_of=self._cut.made_of(group.business(), change.at),
            )
            self._cut.transitions.append(transition)
            if self._observer is not None:
                self._observer.emitted(group, transition, self._view.of(group))
        if changes and rule.was and not group.alert.is_open:
            # Carried over from a rule of another name: the next episode has the ids of this one.
            group.alert.id = alert_id(rule.name, rule.by, group.labels)

    # ---- groups come and go ---------------------------------------------------------------------------------------

    def wake(self, runtime: RuleRuntime) -> None:
        """Make and schedule every group of a rule that begins or goes on, from where it has been judged."""
        facts = runtime.facts
        # Where there is a table, it finds those that need a look.
        for series in () if self._tables.has(runtime) else (*facts.own_flows, *facts.own_levels):
            if facts.is_level_only and not runtime.begun:
                continue
            for labels in self._histories.groups_of(series):
                if not (self._schedule.is_forgotten(runtime, labels) or has_gone_on(runtime, labels)):
                    runtime.group(labels)
        for labels, group in list(runtime.groups.items()):
            if facts.is_level_only:
                self._plan_level(group)
            elif runtime.closed is None:
                first = self._schedule.first_event(group)
                if first is not None:
                    group.schedule(first * SECOND)
            else:
                # Nothing happens before what was judged already.
                group.alert.at = max(group.alert.at, runtime.closed * SECOND)
                # Judging the next bucket end again is harmless, and finds what a changed rule makes of the history.
                timer = due(group.alert, facts.rule)
                end = (runtime.closed + facts.width) * SECOND
                group.schedule(end if timer is None else min(end, timer))
            if group.early:
                runtime.ahead.add(labels)
            if (table := self._tables.of_flow(group)) is not None:
                table.keep_warm(group)

    def _forget(self, group: Group, last: int) -> None:
        """Nothing can change until the next event: a group that is not open is known no longer."""
        if group.alert.is_watched or group.labels in group.facts.expected:
            return
        # What it shares with others may still change, or a level that wakes it; when it is silent for too long that is
        # over.
        over = self._schedule.forgotten_at(group, last) if group.shared is not None or group.asleep else None
        if over is None:
            self._drop(group)
            return
        group.schedule(over * SECOND)
        if (table := self._tables.of_flow(group)) is not None:
            table.keep_warm(group)  # also one that was cold, so that its level wakes it

    def _drop(self, group: Group) -> None:
        group.turn_away()
        del group.runtime.groups[group.labels]
        group.runtime.ahead.discard(group.labels)
        if (table := self._tables.of_flow(group)) is not None:
            table.forget(group)
        self._cut.forget_alert(group)
        self._cut.forget_watches(group)


def _look_at_last_bucket(alert: Alert, end: int) -> None:
    """Move the last verdict's window to the bucket end that precedes a timer, or the end of the hours.

    Buckets in between were not visited because their numbers are the same; that must not show.
    """
    verdict = alert.verdict
    if verdict.window_start is not None and verdict.window_end is not None and verdict.window_end < end:
        begun = verdict.window_start + end - verdict.window_end
        alert.verdict = msgspec.structs.replace(verdict, window_start=begun, window_end=end)
