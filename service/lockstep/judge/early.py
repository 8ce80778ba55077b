"""Verdicts that more events cannot undo, in the earliest bucket that is still open."""

from collections.abc import Iterable

from lockstep.alert import State, due, would_fire
from lockstep.judge.group import Group, RuleRuntime
from lockstep.judge.group_view import GroupView
from lockstep.judge.histories import Past
from lockstep.judge.next import Schedule
from lockstep.judge.screen.flow_table import has_needed, need_of
from lockstep.judge.visit import Visits
from lockstep.measure.history import FlowHistory
from lockstep.rule.condition.condition_kind import Rise
from lockstep.rule.condition.verdicts import judge
from lockstep.rule.condition.view import Instant, Kind
from lockstep.text.rfc3339 import SECOND


class EarlyVerdicts:
    """Judges the groups of a rule that may breach before their bucket closes (`RuleRuntime.ahead`)."""

    def __init__(self, past: Past, schedule: Schedule, visits: Visits, *, screened: bool) -> None:
        self._screened = screened
        self._flows, self._watermarks = past.histories.flows, past.watermarks
        self._schedule, self._visits = schedule, visits
        self._view = GroupView(past)

    def look_at_all(self, rules: Iterable[RuleRuntime]) -> None:
        for runtime in rules:
            if runtime.fresh or (runtime.ahead and runtime.looked != runtime.closed) or not self._screened:
                self.look_at(runtime)

    def look_at(self, runtime: RuleRuntime) -> None:
        """Judge the earliest open bucket of a rule: once all groups that are ahead, then those that got data."""
        closed = runtime.closed
        if not (runtime.ahead or runtime.fresh) or closed is None or runtime.before is not None or not runtime.begun:
            return
        end = closed + runtime.facts.width
        past_to = self._watermarks.past_to(runtime.facts.roles)
        if end * SECOND > runtime.facts.until or (past_to is not None and runtime.reached < past_to):
            return  # of imported time nobody waits for a verdict; and what fires at its end is told there
        is_new = runtime.looked != closed or not self._screened
        fresh, runtime.fresh = runtime.fresh, set()
        runtime.ahead |= fresh
        runtime.looked = closed
        series = runtime.facts.flows[0]
        for labels in tuple(runtime.ahead) if is_new else fresh:
            history = self._flows.get((series.id, labels))
            group = runtime.groups.get(labels)
            last = None if history is None else history.last_start
            if group is None or history is None or last is None:
                runtime.ahead.discard(labels)
                continue
            is_pending = group.alert.state is State.PENDING
            # A baseline may shrink without new data: once a bucket, those with data in their window.
            if last < closed and last < end - runtime.facts.early_s and not is_pending:
                runtime.ahead.discard(labels)
                continue
            if self._may_breach(group, history, end):
                self._judge_group(group, end)
            if group.alert.state is State.PENDING:
                # What breached already and has still its data in the window breaches without new data, too.
                runtime.fresh.add(labels)

    def _may_breach(self, group: Group, history: FlowHistory, end: int) -> bool:
        screen = group.screen
        if not isinstance(screen, Rise) or group.alert.is_watched or not self._screened:
            return True
        if screen.usual_s:
            begins = end - screen.window_s - screen.usual_s
            if begins < self._watermarks.complete_from(screen.series):
                return False  # nobody knows yet what is usual
        start = end - group.facts.width
        if group.need_until != end:
            group.need_until = end
            group.need = need_of(screen, history, start, end)
        return has_needed(group.need, history, start, end)

    def _judge_group(self, group: Group, end: int) -> None:
        alert = group.alert
        if end * SECOND >= group.facts.expires or _is_told(group, end) or not self._schedule.is_known(group, end):
            return
        self._view.look_at(group)
        verdict = judge(group.condition, self._view, Instant(end, end * SECOND), alert.firing, alert.holding)
        # A lower severity than the highest might still rise before the bucket closes: that one waits.
        if verdict.kind is not Kind.BREACH or verdict.severity != group.top:
            return
        self._visits.run_timers(group, before=end * SECOND)
        self._visits.judge_at(group, end, so_far=True)
        self._visits.run_timers(group, before=end * SECOND + 1)
        group.schedule(end * SECOND)


def _is_told(group: Group, end: int) -> bool:
    """Whether a breach at a bucket end, at the highest severity, would change nothing: it fires, or waits, already."""
    alert, rule = group.alert, group.facts.rule
    if alert.state is State.FIRING:
        return alert.severity == group.top and alert.clear_since is None
    if alert.state not in (State.PENDING, State.COOLING):
        return False
    timer = due(alert, rule)
    return (timer is None or timer > end * SECOND) and not would_fire(alert, rule, end * SECOND)
