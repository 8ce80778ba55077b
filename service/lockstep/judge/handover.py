"""From one version of a rule to the next: alerts and detectors go on under it, in event time or over a restart."""

from collections.abc import Mapping

from lockstep.alert import Alert, alert_id, remove
from lockstep.judge.group import Group, RuleRuntime, continues, goes_on, has_gone_on
from lockstep.judge.histories import Past
from lockstep.judge.next import Schedule
from lockstep.judge.publish import OpenCut, dressed
from lockstep.judge.rule_facts import Labels
from lockstep.judge.rule_set import RuleSet
from lockstep.judge.state import ALERT, WATCHES, Known, StoredAlert, StoredWatches
from lockstep.judge.visit import Visits
from lockstep.measure.bucket import bucket_end, ceil_div
from lockstep.rule.condition.held_parts import carried, fitting
from lockstep.rule.condition.kind.anomaly import Watch
from lockstep.rule.judged_verdict import judged
from lockstep.text.rfc3339 import SECOND

AT_BORDER = "border"
"""Stands for the event that begins an episode where a version begins, so that its id is not that of one which the
version before, on flows, begins and ends at that very instant."""


class Handover:
    """Versions begin and end; what is open goes on under the next one, where that is about the same things.

    On flows all groups go over at the border at once, when the version before has judged up to it (`hand_over`). On
    levels each goes over by itself at its first value after the border (`begin_level`), the others when the watermark
    has got there (`begin`).
    """

    def __init__(self, rules: RuleSet, past: Past, schedule: Schedule, visits: Visits, cut: OpenCut) -> None:
        self._rules, self._schedule, self._visits, self._cut = rules, schedule, visits, cut
        self._histories, self._watermarks = past.histories, past.watermarks

    # ---- in event time --------------------------------------------------------------------------------------------

    def begin(self, runtime: RuleRuntime) -> None:
        """The watermark has reached the instant from which a version judges."""
        if runtime.facts.is_level_only:
            for series in runtime.facts.own_levels:
                for labels in self._histories.groups_of(series):
                    self.begin_level(runtime, labels)
        runtime.begun = True
        for group in runtime.groups.values():
            group.begun = True
        self._cut.meta_changed()

    def begin_level(self, runtime: RuleRuntime, labels: Labels) -> None:
        """Judge a group, once, by what its levels are at the border, with the alert that the version before left."""
        if has_gone_on(runtime, labels):
            return
        group = runtime.group(labels)
        if group.begun:
            return
        since, before = runtime.facts.since, runtime.before
        old = None if before is None else before.groups.get(labels)
        if before is not None and old is not None and continues(runtime, before):
            if before.facts.expires <= since:
                self._visits.end_expired(old)  # values come before the watermark does
            self._visits.run_timers(old, before=since + 1)
            before.groups.pop(labels, None)
            group.alert = self._take_over(runtime, old)
        group.begun = True
        self._cut.alert_changed(group)  # also one of which nothing was known: what comes later is not of the border
        if any((s.id, labels) in self._histories.levels for s in runtime.facts.own_levels):
            self._visits.judge_level(group, max(since, group.alert.at), AT_BORDER, newest=True)

    def hand_over(self, old: RuleRuntime) -> RuleRuntime | None:
        """A version has judged up to its end: its alerts go on under the next one, or end with it.

        Returns the next one, which may have something to judge now; None: there is none.
        """
        new, end = old.after, old.facts.until
        self._end(old)
        for labels, group in old.groups.items():
            if continues(new, old):
                taken = new.groups[labels] = Group(new, labels, self._take_over(new, group))
                self._hand_watches(group, taken)
                self._cut.alert_changed(taken)
                continue
            self._cut.forget_watches(group)
            self._cut.forget_alert(group)
            self._visits.publish(group, remove(group.alert, max(end, group.alert.at)))
        old.groups = {}
        if new is None:
            return None
        new.before = None
        width = new.facts.width
        reached = bucket_end(ceil_div(max(end, (old.closed or 0) * SECOND), SECOND), width)
        new.closed = reached if new.closed is None else max(new.closed, reached)
        self._visits.wake(new)
        return new

    def _take_over(self, new: RuleRuntime, group: Group) -> Alert:
        """The alert that a version leaves to the next one: what is open keeps its ids until it ends."""
        alert = group.alert
        self._cut.forget_alert(group)
        if not alert.is_open:
            alert.id = alert_id(new.rule.name, new.rule.by, group.labels)
        alert.held = carried(group.facts.rule.condition, new.rule.condition, alert.held)
        _wait_for_verdict(alert, new)
        return alert

    def _hand_watches(self, old: Group, new: Group) -> None:
        """What was learned belongs to the series and to what is asked of it, not to the name of a rule."""
        self._cut.forget_watches(old)
        kept = [c for c in new.facts.anomalies if c.key in old.watches]
        new.watches = {c.key: old.watches[c.key].under(c) for c in kept}
        if kept:
            self._cut.watches_changed(new)

    def _end(self, version: RuleRuntime) -> None:
        self._rules.forget(version)
        self._cut.meta_changed()

    # ---- over a restart -------------------------------------------------------------------------------------------

    def restore(self, entries: Mapping[bytes, bytes], known: Known) -> None:
        """Take back alerts and detectors, perhaps of other versions, and go on from where each rule had got.

        Alerts whose rule is gone end; new rules begin with the next bucket.
        """
        self._restore_alerts(entries)
        self._restore_watches(entries)
        for runtime in tuple(self._rules.rules):
            self._wake(runtime, known)

    def _restore_alerts(self, entries: Mapping[bytes, bytes]) -> None:
        """What is open under a rule that is gone, or is about something else now, ends."""
        alerts = []
        for key, value in entries.items():
            if key[:1] == ALERT:
                old = StoredAlert.decode(key, value)
                heir = self._rules.heir(old.rule, old.edition)
                if heir is not None and not goes_on(heir, old.names, old.key, level_only=old.level_only):
                    heir = None
                distance = 0
                if heir is not None:
                    distance = (heir.rule.edition != old.edition) + 2 * (heir.rule.name != old.rule)
                alerts.append((distance, key, heir, old))
        # A version's own alerts come first; those of one that nobody knows any more may go on beside them.
        for distance, key, heir, old in sorted(alerts, key=lambda a: a[:2]):
            alert, labels = old.alert, old.labels
            if heir is not None and labels not in heir.groups:
                group = heir.groups[labels] = Group(heir, labels, alert)
                if heir.facts.is_level_only:
                    alert.at = max(alert.at, self._histories.newest_level_us(heir.facts.levels, group.labels_of))
                if distance:
                    alert.held = fitting(group.condition, alert.held)
                    self._cut.remove(key)
                    self._cut.alert_changed(group)
                    if not alert.is_open:
                        alert.id = alert_id(heir.rule.name, heir.rule.by, labels)
                else:
                    group.begun = old.begun
                continue
            self._cut.remove(key)
            self._end_without_rule(old)

    def _end_without_rule(self, old: StoredAlert) -> None:
        marks = [t.mark for t in self._watermarks.topics.values() if t.mark is not None]
        for change in remove(old.alert, max([old.alert.at, *marks])):
            self._cut.transitions.append(
                dressed(
                    change,
                    rule=old.rule,
                    version="",
                    labels=dict(zip(old.names, old.labels, strict=True)),
                    alert=old.alert.id,
                    watermark=None,
                    explanation=judged(None, change.verdict),
                )
            )

    def _restore_watches(self, entries: Mapping[bytes, bytes]) -> None:
        """What an earlier version or name has learned goes to all that came of it: each goes on where it judges."""
        for key, value in entries.items():
            if key[:1] != WATCHES:
                continue
            old = StoredWatches.decode(key, value)
            users = [
                r for r in self._rules.rules if old.rule in (r.rule.name, *r.rule.was) and list(r.rule.by) == old.names
            ]
            own = [r for r in users if r.rule.name == old.rule and r.rule.edition == old.edition]
            if not own:
                self._cut.remove(key)
            for runtime in own or users:
                group = runtime.group(old.labels)
                for condition in runtime.facts.anomalies:
                    if condition.key in old.states and (own or condition.key not in group.watches):
                        watch = group.watches[condition.key] = Watch(condition)
                        watch.restore(condition, old.states[condition.key])
                        if not own:
                            self._cut.watches_changed(group)

    def _wake(self, runtime: RuleRuntime, known: Known) -> None:
        """Schedule every group after the instant up to which its rule was judged."""
        rule = runtime.rule
        edition = (rule.name, rule.edition)
        if edition in known:
            runtime.closed, runtime.begun = known[edition]
        elif rule.since_s is None:
            names = (rule.name, *rule.was)
            judged_to = [at for (name, _), (at, _) in known.items() if name in names and at is not None]
            mark = self._watermarks.of(runtime.facts.roles)
            if judged_to:
                runtime.closed = max(judged_to)
            else:
                width = runtime.facts.width
                runtime.closed = None if mark is None else mark // SECOND // width * width
        while (old := runtime.before) is not None and edition in known:
            if (old.rule.name, old.rule.edition) in known:
                break
            self._end(old)  # the state says that it has ended
            runtime.before = old.before
        if not any(name == rule.name and e.partition("@")[0] == rule.version for name, e in known):
            for group in runtime.groups.values():
                _wait_for_verdict(group.alert, runtime)
        self._visits.wake(runtime)


def is_judged_by(runtime: RuleRuntime, labels: Labels, time_us: int) -> bool:
    """Whether this version judges a value of a level: a group goes over at its first value after the border."""
    group, after = runtime.groups.get(labels), runtime.after
    if not (runtime.begun if group is None else group.begun):
        return False
    if continues(after, runtime) and (next_one := after.groups.get(labels)) is not None and next_one.begun:
        return not after.facts.is_level_only
    return time_us <= runtime.facts.until


def _wait_for_verdict(alert: Alert, runtime: RuleRuntime) -> None:
    """No clock ends before the first verdict of an edited rule: what it waits for may not be so any more.

    That is at the border for levels, else at the next bucket end.
    """
    if runtime.closed is not None:
        first = runtime.closed if runtime.facts.is_level_only else runtime.closed + runtime.facts.width
        alert.at = max(alert.at, first * SECOND)
