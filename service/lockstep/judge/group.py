"""A rule that is being judged, its groups, and what several of them have in common."""

from collections.abc import Mapping, Sequence
from heapq import heappush
from typing import TypeGuard
from zoneinfo import ZoneInfo

from lockstep.alert import Alert, alert_id
from lockstep.judge.rule_facts import FAR, Labels, RuleFacts, Stretch, is_plain_threshold, quiet_of
from lockstep.measure.bucket import bucket_end
from lockstep.measure.definition import SeriesDef
from lockstep.rule.condition.condition_kind import Screen
from lockstep.rule.condition.kind.anomaly import Watch
from lockstep.rule.condition.kind_table import kind_of
from lockstep.rule.condition.kinds import All, Condition, Leaf, Severity, series_of_condition
from lockstep.rule.condition.verdicts import may_be_early, only_rises, resolve, screen_of
from lockstep.rule.condition.view import Kind
from lockstep.shop.catalogue import SOURCE
from lockstep.text.rfc3339 import SECOND


class Group:
    """One rule on one group of labels.

    condition: the rule's, with its overrides and the rows of its tables for these labels. plain: the same where the
    short way may do. early: whether it can breach before a bucket closes, at `top` severity; rises: whether it breaches
    by what comes alone, never by what leaves a window.
    screen: what it must reach to be other than clear. need: what the bucket that ends at the second `need_until` must
    have for that while it is open, in millionths.
    visit_at: when it is due to be visited, microseconds; None: only its next event can change its verdict.
    watches: what the detectors of its anomalies have learned, by the condition's key.
    begun: whether its rule's version judges it already.
    narrow: the parts of an `all` that speak of this group alone, gates: those of them that are on levels alone.
    asleep: one of the gates is clear, so no flow can begin an episode (of "stock below 10 and sales fall" no sale is
    looked at while there is stock). gate_quiet: id of a level → at which of its values the gate on it alone is clear.
    wide: series that it has in common with other groups → their labels. deaf: one of
    `narrow` is clear, whatever these say. shared: what it has in common, while it listens to it.
    """

    __slots__ = (
        "alert",
        "asleep",
        "begun",
        "condition",
        "deaf",
        "early",
        "facts",
        "gate_quiet",
        "gates",
        "labels",
        "narrow",
        "need",
        "need_until",
        "plain",
        "rises",
        "runtime",
        "screen",
        "shared",
        "top",
        "visit_at",
        "watches",
        "wide",
    )

    def __init__(self, runtime: "RuleRuntime", labels: Labels, alert: Alert) -> None:
        self.runtime = runtime
        self.facts = facts = runtime.facts
        self.labels = labels
        self.alert = alert
        self.condition = resolve(runtime.rule.condition, dict(zip(runtime.rule.by, labels, strict=True)))
        # An override may look the other way than the rule's own levels.
        self.early = may_be_early(self.condition)
        self.rises = only_rises(self.condition)
        self.top = _top_severity(self.condition)
        self.plain = self.condition if facts.is_plain and is_plain_threshold(self.condition) else None
        self.screen = facts.screen if facts.is_alike else screen_of(self.condition)
        self.need = 0
        self.need_until: int | None = None
        self.visit_at: int | None = None
        self.watches: dict[str, Watch] = {}
        parts = self.condition.parts if isinstance(self.condition, All) else ()
        self.narrow = tuple(p for p in parts if all(s.by == runtime.rule.by for s in series_of_condition(p)))
        # A detector has to see every bucket, so its rule never sleeps.
        gates = () if facts.anomalies else self.narrow
        self.gates = tuple(p for p in gates if all(s.is_level for s in series_of_condition(p)))
        self.gate_quiet = {s.id: quiet_of(p) for p in self.gates if is_plain_threshold(p) for s in p.series}
        self.asleep = False
        self.begun = runtime.begun
        self.wide = {name: tuple([labels[i] for i in places]) for name, places in facts.wide.items()}
        self.deaf = False
        self.shared: Shared | None = None

    def labels_of(self, series: SeriesDef) -> Labels:
        """The labels under which the group reads a series."""
        return self.wide.get(series.id, self.labels) if self.wide else self.labels

    def business(self) -> list[tuple[SeriesDef, Labels]]:
        """The business measures that it reads, each with the labels under which it does."""
        return [(s, self.labels_of(s)) for s in self.facts.levels if s.source == SOURCE]

    def schedule(self, instant: int) -> None:
        """Have it visited at this microsecond, unless it is earlier."""
        if self.visit_at is None or instant < self.visit_at:
            self.visit_at = instant
            heappush(self.runtime.heap, (instant, self.labels))

    def listen(self, end: int, *, deaf: bool) -> None:
        """Hear what it shares with others from this bucket end on, or not: `deaf`, it cannot make a difference."""
        self.deaf = deaf
        if deaf or not self.wide:
            self.turn_away()
            return
        shared = self.shared or self.runtime.share(self)
        shared.listeners.add(self.labels)
        if self.alert.is_watched:
            shared.open.add(self.labels)
        else:
            shared.open.discard(self.labels)
        if shared.kinds is None and self.facts.shared_parts:
            shared.schedule(end * SECOND)

    def turn_away(self) -> None:
        """Hear no more of what it shares with others."""
        shared, self.shared = self.shared, None
        if shared is not None:
            shared.listeners.discard(self.labels)
            shared.open.discard(self.labels)
            if not shared.listeners:
                self.runtime.forget(shared)


class Shared:
    """What groups have in common whose values of some labels are the same: the series over those labels alone.

    listeners: the groups to which it makes a difference; open: those of them whose alert is watched. kinds: what the
    shared parts of the rule said last. labels: its name among the groups.
    """

    __slots__ = ("facts", "kinds", "labels", "listeners", "open", "runtime", "visit_at", "watches", "wide")

    def __init__(self, runtime: "RuleRuntime", wide: Mapping[str, Labels]) -> None:
        self.runtime, self.facts, self.wide = runtime, runtime.facts, wide
        # Longer than the labels of any group.
        self.labels = ("\0".join(value for values in wide.values() for value in values), *([""] * len(runtime.rule.by)))
        self.listeners: set[Labels] = set()
        self.open: set[Labels] = set()
        self.kinds: tuple[tuple[Kind, Severity | None], ...] | None = None
        self.visit_at: int | None = None
        self.watches: dict[str, Watch] = {}

    def labels_of(self, series: SeriesDef) -> Labels:
        return self.wide[series.id]

    def schedule(self, instant: int) -> None:
        """Have it visited at this microsecond, unless it is earlier."""
        if self.visit_at is None or instant < self.visit_at:
            self.visit_at = instant
            heappush(self.runtime.heap, (instant, self.labels))


class RuleRuntime:
    """A rule that is being judged: its groups, and how far it has been judged.

    facts: what follows from the rule alone. closed: the bucket end up to which all was judged, in seconds; None before
    the first. heap: (microseconds, labels) at which a group or what several share is to be visited, those that were
    put off since included. ahead: groups whose open bucket may breach early; fresh: those that got data since they were
    looked at; looked: `closed` when all of them were looked at last. shared: what several groups have in common, by
    name; sharing: by each series of it.
    unmet: expected groups that have not been made yet.
    before, after: the version that judges up to its beginning, and the one that goes on after its end. begun: whether
    event time has come to its beginning; ended: whether it has come to its end. reached: the watermark up to which it
    was advanced last, in microseconds.
    leaves_out: whether no verdict is given on groups that cannot be other than clear; not where an observer is shown
    every verdict.
    """

    __slots__ = (
        "_hours_change",
        "_period_ends",
        "after",
        "ahead",
        "before",
        "begun",
        "closed",
        "ended",
        "facts",
        "fresh",
        "groups",
        "heap",
        "leaves_out",
        "looked",
        "reached",
        "rule",
        "shared",
        "sharing",
        "unmet",
    )

    def __init__(self, facts: RuleFacts, *, leaves_out: bool = True) -> None:
        self.facts = facts
        self.rule = rule = facts.rule
        self.leaves_out = leaves_out
        self.closed: int | None = None
        self.groups: dict[Labels, Group] = {}
        self.shared: dict[Labels, Shared] = {}
        self.sharing: dict[tuple[str, Labels], list[Shared]] = {}
        self.heap: list[tuple[int, Labels]] = []
        self.ahead: set[Labels] = set()
        self.fresh: set[Labels] = set()
        self.looked: int | None = None
        self.unmet = set(facts.expected)
        self.before: RuleRuntime | None = None
        self.after: RuleRuntime | None = None
        self.begun, self.ended = rule.since_s is None, False
        self.reached = 0
        if rule.since_s is not None:
            self.closed = bucket_end(rule.since_s, facts.width)
        self._period_ends: tuple[int, int] = (FAR, 0)
        self._hours_change: tuple[int, int] = (FAR, 0)

    def group(self, labels: Labels) -> Group:
        """The group of these labels; made, with an alert that nothing is known of, when it is new."""
        group = self.groups.get(labels)
        if group is None:
            group = self.groups[labels] = Group(self, labels, Alert(alert_id(self.rule.name, self.rule.by, labels)))
        return group

    def screen_of(self, labels: Labels) -> Screen | None:
        """What a group of these labels must show to be other than clear; None: a table has no number for it."""
        if self.facts.is_alike:
            return self.facts.screen
        return screen_of(resolve(self.rule.condition, dict(zip(self.rule.by, labels, strict=True))))

    def quiet_of(self, labels: Labels) -> Stretch:
        """At which values of its level a group of these labels is clear."""
        return quiet_of(resolve(self.rule.condition, dict(zip(self.rule.by, labels, strict=True))))

    def forget_need(self, group: Group) -> None:
        """Buckets that were judged have changed, so what its open bucket needs is another number."""
        group.need_until = None
        if group.labels in self.ahead:
            self.fresh.add(group.labels)

    @property
    def due_us(self) -> int:
        """The watermark from which on time itself asks something of it, beside the visits in `heap`, in microseconds.

        That is the end of its next bucket, its beginning or its end; 0 while it waits for something else.
        """
        facts, closed = self.facts, self.closed
        if closed is None or self.unmet or self.before is not None:
            return 0
        return min((closed + facts.width) * SECOND, facts.until, FAR * SECOND if self.begun else facts.since)

    def period_end(self, last: int, zone: ZoneInfo) -> int:
        """The first end of a calendar window of its parts after a second."""
        since, until = self._period_ends
        if not since <= last < until:
            since, until = last, min(period.next_end(last, zone) for period in self.facts.periods)
            self._period_ends = since, until
        return until

    def hours_change(self, last: int, zone: ZoneInfo) -> int:
        """The first second after `last` from which on the window of a part lies within its hours, or does no longer."""
        since, until = self._hours_change
        if not since <= last < until:
            coming = (end for hours, window_s in self.facts.hours for end in hours.changes(window_s, last, zone))
            since, until = last, min((end for end in coming if end > last), default=FAR)
            self._hours_change = since, until
        return until

    def share(self, group: Group) -> Shared:
        """What a group shares with others; made when it is the first."""
        new = Shared(self, group.wide)
        shared = group.shared = self.shared.setdefault(new.labels, new)
        if shared is new:
            for key in new.wide.items():
                self.sharing.setdefault(key, []).append(new)
        return shared

    def forget(self, shared: Shared) -> None:
        del self.shared[shared.labels]
        for key in shared.wide.items():
            self.sharing[key].remove(shared)


def continues(new: RuleRuntime | None, old: RuleRuntime) -> TypeGuard[RuleRuntime]:
    """Whether the alerts of a version go on under the next one: identity is rule and labels.

    Values of levels are judged as they come; they cannot wait until what is judged at bucket ends has got there. And
    what a group shares with others brings it to their partition, where nothing is known of its alert.
    """
    return new is not None and goes_on(new, old.rule.by, old.facts.key, level_only=old.facts.is_level_only)


def has_gone_on(runtime: RuleRuntime, labels: Labels) -> bool:
    """Whether a later version judges a group already, perhaps one after the next."""
    after = runtime.after
    if not continues(after, runtime):
        return False
    group = after.groups.get(labels)
    return (group is not None and group.begun) or has_gone_on(after, labels)


def goes_on(new: RuleRuntime, by: Sequence[str], key: Sequence[str], *, level_only: bool) -> bool:
    """The same for a version of which no more is known than its labels, its key and whether it was on levels alone."""
    same = list(new.rule.by) == list(by) and list(new.facts.key) == list(key)
    return same and (level_only or not new.facts.is_level_only)


def _top_severity(condition: Condition) -> Severity:
    if not isinstance(condition, Leaf):
        return condition.severity
    severities = kind_of(condition).severities(condition)
    return severities[-1] if severities else Severity.CRITICAL
