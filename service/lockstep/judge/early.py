"""Verdicts that more events cannot undo, in the earliest bucket that is still open."""

from collections.abc import Iterable

from lockstep.alert import State, due, would_fire
from lockstep.judge.group import Group, RuleRuntime
from lockstep.judge.group_view import GroupView
from lockstep.judge.histories import Past
from lockstep.judge.next import Schedule
from lockstep.judge.rule_facts import Labels
from lockstep.judge.visit import Visits
from lockstep.rule.condition.judge import judge
from lockstep.rule.condition.view import Instant, Kind
from lockstep.text.rfc3339 import SECOND


class EarlyVerdicts:
    """Judges the groups of a rule that may breach before their bucket closes (`RuleRuntime.ahead`)."""

    def __init__(self, past: Past, schedule: Schedule, visits: Visits) -> None:
        self._flows = past.histories.flows
        self._schedule, self._visits = schedule, visits
        self._view = GroupView(past)

    def look_at_all(self, rules: Iterable[RuleRuntime]) -> None:
        for runtime in rules:
            self.look_at(runtime)

    def look_at(self, runtime: RuleRuntime) -> None:
        """Judge the earliest open bucket of a rule."""
        if not runtime.ahead or runtime.closed is None or runtime.before is not None or not runtime.begun:
            return
        facts = runtime.facts
        end = runtime.closed + facts.width
        if end * SECOND > facts.until:
            return
        series = facts.flows[0]
        gone: list[Labels] = []
        for labels in runtime.ahead:
            history = self._flows.get((series.id, labels))
            group = runtime.groups.get(labels)
            last = None if history is None else history.last_start
            has_data = last is not None and last >= runtime.closed
            # A baseline may shrink without new data: once a bucket, those with data in their window.
            slides = last is not None and last >= end - facts.early_s
            if group is not None and (has_data or group.alert.state is State.PENDING):
                # What breached already and has still its data in the window breaches without new data, too.
                self._judge_group(group, end)
            elif group is not None and slides:
                if runtime.looked != runtime.closed:
                    self._judge_group(group, end)
            else:
                gone.append(labels)
        runtime.looked = runtime.closed
        runtime.ahead.difference_update(gone)

    def _judge_group(self, group: Group, end: int) -> None:
        alert, rule = group.alert, group.facts.rule
        if end * SECOND >= group.facts.expires or not self._schedule.is_known(group, end):
            return
        self._view.look_at(group)
        verdict = judge(group.condition, self._view, Instant(end, end * SECOND), alert.firing, alert.holding)
        # A lower severity than the highest might still rise before the bucket closes: that one waits.
        if verdict.kind is not Kind.BREACH or verdict.severity != group.top:
            return
        timer = due(alert, rule)
        burning = alert.state is State.FIRING and alert.severity == group.top and alert.clear_since is None
        waiting = alert.state in (State.PENDING, State.COOLING) and (timer is None or timer > end * SECOND)
        waiting = waiting and not would_fire(alert, rule, end * SECOND)
        if burning or waiting:
            return
        self._visits.run_timers(group, before=end * SECOND)
        self._visits.judge_at(group, end, so_far=True)
        self._visits.run_timers(group, before=end * SECOND + 1)
        group.schedule(end * SECOND)
