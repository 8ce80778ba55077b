"""A rule that is being judged, with everything about it that need not be worked out at each verdict, and its groups."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import TypeGuard
from zoneinfo import ZoneInfo

from lockstep.alert import Alert
from lockstep.measure.definition import Measured, SeriesDef
from lockstep.rule.condition.judge import may_be_early, only_rises, resolve
from lockstep.rule.condition.kind.anomaly import Watch
from lockstep.rule.condition.kind_table import kind_of
from lockstep.rule.condition.kinds import (
    All,
    Condition,
    Leaf,
    Rule,
    Severity,
    Spike,
    Threshold,
    period_of,
    series_of_condition,
)
from lockstep.rule.condition.usual import Borders, is_seasonal
from lockstep.rule.condition.view import Kind
from lockstep.rule.condition.when import (
    anomalies_of,
    hours_in,
    is_always_restless,
    is_level_only,
    is_restless,
    leaves,
    periods_in,
    reach_s,
    when,
    whens,
)
from lockstep.transition import SECOND

FAR = 1 << 40
"""A second after all events."""
NEVER = FAR * SECOND

Labels = tuple[str, ...]


class Group:
    """One rule on one group of labels. visit_at: when it is due to be visited, microseconds."""

    __slots__ = (
        "alert",
        "asleep",
        "begun",
        "condition",
        "deaf",
        "early",
        "gates",
        "labels",
        "narrow",
        "plain",
        "rises",
        "runtime",
        "shared",
        "top",
        "visit_at",
        "watches",
        "wide",
    )

    def __init__(self, runtime: "RuleRuntime", labels: Labels, alert: Alert) -> None:
        self.runtime = runtime
        self.labels = labels
        self.alert = alert
        self.condition = resolve(runtime.rule.condition, dict(zip(runtime.rule.by, labels, strict=True)))
        # An override may look the other way than the rule's own levels.
        self.early = may_be_early(self.condition)
        self.rises = only_rises(self.condition)
        self.top = _top_severity(self.condition)
        self.plain = self.condition if runtime.is_plain and is_plain_threshold(self.condition) else None
        self.visit_at: int | None = None
        self.watches: dict[str, Watch] = {}
        # Levels that all of the rule needs: while one of them is clear, no flow can begin an episode.
        parts = self.condition.parts if isinstance(self.condition, All) else ()
        self.narrow = tuple(p for p in parts if all(s.by == runtime.rule.by for s in series_of_condition(p)))
        # A detector has to see every bucket, so its rule never sleeps.
        gates = () if runtime.anomalies else self.narrow
        self.gates = tuple(p for p in gates if all(s.is_level for s in series_of_condition(p)))
        self.asleep = False
        self.begun = runtime.begun
        # The labels of series that are shared with other groups; deaf: a part of its own is clear, whatever they are.
        self.wide = {name: tuple([labels[i] for i in places]) for name, places in runtime.wide.items()}
        self.deaf = False
        self.shared: Shared | None = None

    def labels_of(self, series: SeriesDef) -> Labels:
        """The labels under which the group reads a series."""
        return self.wide.get(series.id, self.labels) if self.wide else self.labels


class Shared:
    """What groups have in common whose values of some labels are the same: the series over those labels alone.

    listeners: the groups to which it makes a difference; open: those of them whose alert is watched. kinds: what the
    shared parts of the rule said last. labels: its name among the groups.
    """

    __slots__ = ("kinds", "labels", "listeners", "open", "runtime", "visit_at", "watches", "wide")

    def __init__(self, runtime: "RuleRuntime", wide: Mapping[str, Labels]) -> None:
        self.runtime, self.wide = runtime, wide
        # Longer than the labels of any group.
        self.labels = ("\0".join(value for values in wide.values() for value in values), *([""] * len(runtime.rule.by)))
        self.listeners: set[Labels] = set()
        self.open: set[Labels] = set()
        self.kinds: tuple[tuple[Kind, Severity | None], ...] | None = None
        self.visit_at: int | None = None
        self.watches: dict[str, Watch] = {}

    def labels_of(self, series: SeriesDef) -> Labels:
        return self.wide[series.id]


class RuleRuntime:
    """A rule with everything about it that need not be worked out per group."""

    __slots__ = (
        "_period_ends",
        "after",
        "ahead",
        "always_restless",
        "anomalies",
        "before",
        "beginnings",
        "begun",
        "borders",
        "closed",
        "early_s",
        "ended",
        "expected",
        "expires",
        "fades",
        "flows",
        "groups",
        "heap",
        "hours",
        "is_plain",
        "key",
        "key_places",
        "level_offsets",
        "level_only",
        "levels",
        "looked",
        "memory_s",
        "offsets",
        "own_flows",
        "own_levels",
        "periods",
        "reach_s",
        "restless",
        "roles",
        "rule",
        "shared",
        "shared_parts",
        "sharing",
        "unmet",
        "wide",
        "wide_flows",
        "wide_levels",
        "width",
    )

    def __init__(self, rule: Rule, zone: ZoneInfo) -> None:
        self.rule = rule
        self.expires = NEVER if rule.expires is None else _end_of(rule.expires, zone)
        series = series_of_condition(rule.condition)
        self.flows = tuple(s for s in series if not s.is_level)
        self.levels = tuple(s for s in series if s.is_level)
        self.roles = tuple(dict.fromkeys(s.source for s in series))
        self.width = rule.bucket_s or 60
        parts = [leaf for leaf, _ in leaves(rule.condition)]
        spikes = tuple(leaf for leaf in parts if isinstance(leaf, Spike) and period_of(leaf) is None)
        when_of_parts = whens(rule.condition)
        fixed = {offset for part in when_of_parts for offset in part.offsets}
        seasonal = any(is_seasonal(s.baseline) for s in spikes)
        self.borders = Borders(spikes, fixed, self.width) if seasonal else None
        self.offsets = tuple(sorted(fixed))
        self.beginnings = tuple(sorted({*self.offsets, *(b for part in when_of_parts for b in part.beginnings)}))
        self.level_offsets = tuple(sorted({0, *(o for part in when_of_parts for o in part.level_offsets)}))
        self.level_only = is_level_only(rule.condition)
        self.fades = self.level_only and any(s.stale_after_s is not None for s in self.levels)
        self.reach_s = max(*self.offsets, reach_s(rule.condition))
        self.restless = is_restless(rule.condition)
        self.always_restless = is_always_restless(rule.condition)
        self.anomalies = anomalies_of(rule.condition)
        # The hours of its parts, each with the window that has to lie within them.
        self.hours = hours_in(rule.condition)
        self.periods = periods_in(rule.condition)
        self._period_ends: tuple[int, int] = (FAR, 0)
        self.own_flows = tuple(s for s in self.flows if s.by == rule.by)
        self.own_levels = tuple(s for s in self.levels if s.by == rule.by)
        # Series over fewer labels than the rule's: id → where these stand among the rule's.
        self.wide = {s.id: tuple(rule.by.index(name) for name in s.by) for s in series if s.by != rule.by}
        self.wide_flows = tuple(s for s in self.flows if s.id in self.wide)
        self.wide_levels = tuple(s for s in self.levels if s.id in self.wide)
        # Parts that say the same of all groups that share a series; empty where one of them says it of each by itself.
        over_fewer = [leaf for leaf in parts if any(s.id in self.wide for s in series_of_condition(leaf))]
        alike = all(_is_shared(leaf, self.wide) for leaf in over_fewer)
        self.shared_parts = tuple(over_fewer) if alike else ()
        self.shared: dict[Labels, Shared] = {}
        self.sharing: dict[tuple[str, Labels], list[Shared]] = {}
        # The labels by which its groups are spread over the partitions.
        self.key = next((s.key for s in series if s.key is not None), rule.by)
        self.key_places = tuple(rule.by.index(name) for name in self.key)
        # Where something may change long after a group's last event, it must be known when that was.
        outlives = self.restless or self.hours or self.periods or self.wide
        # Groups known from the beginning on; unmet: those that have not been made yet.
        expected = frozenset(group for part in when_of_parts for group in part.expected)
        self.expected = expected if rule.by else frozenset([()])
        self.unmet = set(self.expected)
        # A threshold on one series and nothing beside it; see `_stays_clear`.
        self.is_plain = is_plain_threshold(rule.condition) and not (self.wide or self.expected or rule.expires)
        if self.is_plain and not self.level_only:
            # Else a bucket may end at an odd place, or a group be forgotten while its window has data.
            self.is_plain = series[0].bucket_s == self.width and self.offsets[-1] <= rule.forget_after_s
        remembered_s = max(part.memory_s for part in when_of_parts)
        self.memory_s = max(remembered_s, rule.forget_after_s if outlives else 0)
        self.closed: int | None = None
        self.groups: dict[Labels, Group] = {}
        self.heap: list[tuple[int, Labels]] = []
        self.ahead: set[Labels] = set()
        # How far back the data of a group may lie that breaches early by what its baseline does.
        of_spike = rule.condition.window_s if isinstance(rule.condition, Spike) else 0
        self.early_s = of_spike if isinstance(of_spike, int) else 0
        self.looked: int | None = None
        # The version that judges up to `since`, and the one that goes on after `until`.
        self.before: RuleRuntime | None = None
        self.after: RuleRuntime | None = None
        self.begun, self.ended = rule.since_s is None, False
        if rule.since_s is not None:
            self.closed = -(-rule.since_s // self.width) * self.width

    @property
    def since(self) -> int:
        """Microseconds; what lies at or before it is not this version's to judge."""
        return -FAR if self.rule.since_s is None else self.rule.since_s * SECOND

    @property
    def until(self) -> int:
        """Microseconds; what lies after it is not this version's to judge."""
        return FAR * SECOND if self.rule.until_s is None else self.rule.until_s * SECOND

    def period_end(self, last: int, zone: ZoneInfo) -> int:
        """The first end of a calendar window of its parts after a second."""
        since, until = self._period_ends
        if not since <= last < until:
            since, until = last, min(period.next_end(last, zone) for period in self.periods)
            self._period_ends = since, until
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


def _is_shared(leaf: Leaf, wide: Mapping[str, Sequence[int]]) -> bool:
    """Whether it is about nothing but series over fewer labels, and changes its mind by their data alone."""
    if not kind_of(leaf).is_alike(leaf) or any(s.id not in wide for s in series_of_condition(leaf)):
        return False
    part = when(leaf)
    return part.hours is None and part.period is None and not part.restless


def is_plain_threshold(condition: Condition) -> TypeGuard[Threshold]:
    """Whether it compares one series, whose values do not grow stale, with numbers that stay what they are."""
    if not isinstance(condition, Threshold) or not isinstance(condition.expression, Measured):
        return False
    if period_of(condition) is not None:
        return False
    return bool(condition.levels) and not condition.of_measures and condition.expression.series.stale_after_s is None


def continues(new: RuleRuntime | None, old: RuleRuntime) -> TypeGuard[RuleRuntime]:
    """Whether the alerts of a version go on under the next one: identity is rule and labels.

    Values of levels are judged as they come; they cannot wait until what is judged at bucket ends has got there. And
    what a group shares with others brings it to their partition, where nothing is known of its alert.
    """
    return new is not None and goes_on(new, old.rule.by, old.key, level_only=old.level_only)


def goes_on(new: RuleRuntime, by: Sequence[str], key: Sequence[str], *, level_only: bool) -> bool:
    """The same for a version of which no more is known than its labels, its key and whether it was on levels alone."""
    same = list(new.rule.by) == list(by) and list(new.key) == list(key)
    return same and (level_only or not new.level_only)


def _end_of(day: date, zone: ZoneInfo) -> int:
    """The microsecond at which a day in the shop's time zone is over."""
    return int(datetime.combine(day + timedelta(days=1), time(), zone).timestamp()) * SECOND


def _top_severity(condition: Condition) -> Severity:
    if not isinstance(condition, Leaf):
        return condition.severity
    severities = kind_of(condition).severities(condition)
    return severities[-1] if severities else Severity.CRITICAL
