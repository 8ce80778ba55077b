"""What follows from a rule alone, worked out once: the series that it reads, and when its verdict can change.

`lockstep.rule.condition.when` says it for each kind of condition; here it is put together for a whole rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeGuard
from zoneinfo import ZoneInfo

from lockstep.measure.definition import Measured, SeriesDef
from lockstep.rule.condition.baseline_windows import Borders, is_seasonal
from lockstep.rule.condition.condition_kind import Band, Rise, Screen
from lockstep.rule.condition.hours import OpenHours
from lockstep.rule.condition.kind_table import kind_of
from lockstep.rule.condition.kinds import (
    Anomaly,
    Condition,
    Leaf,
    NoData,
    Rule,
    Threshold,
    period_of,
    series_of_condition,
)
from lockstep.rule.condition.period import Period
from lockstep.rule.condition.verdicts import screen_of
from lockstep.rule.condition.when import (
    anomalies_of,
    hours_in,
    is_always_restless,
    is_level_only,
    is_restless,
    kept_s,
    leaves,
    periods_in,
    when,
    whens,
)
from lockstep.text.rfc3339 import SECOND
from lockstep.text.time_units import DAY_S

FAR = 1 << 40
"""A second after all events."""
NEVER = FAR * SECOND

Labels = tuple[str, ...]

Stretch = tuple[int, int]
"""The lowest and the highest of some values, in millionths; none where the first is higher."""
ALL_VALUES: Stretch = (-FAR * SECOND, FAR * SECOND)
NO_VALUES: Stretch = (1, 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RuleFacts:
    """What follows from a rule. Seconds, but for `since`, `until` and `expires`, which are microseconds.

    What it reads:
    flows, levels: its series; own_…: those over all labels of the rule; wide_…: those over fewer, which several groups
    have in common (of a rule by channel and sku, the sessions by channel). wide: id of such a series → where its labels
    stand among the rule's. shared_parts: the parts of the condition that say the same of all groups with a series in
    common; empty where one of them speaks of each group by itself.
    roles: the topics of its series. key: the labels by which its groups are spread over the samples partitions;
    key_places: where these stand among the rule's.
    expected: groups that are known from the first event of any of its topics on, and never forgotten.

    When its verdict can change:
    width: of its buckets. is_level_only: it is judged at each value of its levels, else at bucket ends.
    offsets: how long after a bucket's end that bucket may still change the verdict: the borders of all its windows, as
    long as neither the clocks nor the calendar move them. borders: looks them up on the day (and keeps what it found),
    for a rule with seasonal baselines; None for others.
    level_offsets: the same for the values of levels. beginnings: how long after a series is complete something is
    judged that was not yet.
    hours: the hours that bound a part, each with the window that has to lie within them. periods: its calendar windows.
    is_restless: what is left of the day can end a breach; is_always_restless: it can begin one. anomalies: the
    conditions that have to see every bucket. changes_by_time: any of these four. fades: it is judged at values of
    levels that grow stale between two of them.
    is_alike: all groups have the same numbers, without overrides or tables.
    is_alone: nothing beside the data of its own series can change the verdict of a group. is_plain: that of a threshold
    on one series, whose quiet groups are looked at the short way.
    quiet: of a threshold on a level, the values at which the rule's own numbers are clear.
    screen: what its groups must show to be other than clear; of those that are not alike the easiest. is_screened:
    whether that is all there is to know of a group without an open alert, so that it may stay cold (see `screen`).
    closer: of a spike against earlier days or weeks, what a group shows at a bucket end that needs a verdict.
    early_s: how far back the data of a group may lie that breaches early by what its baseline does.

    How long, and between which instants:
    kept_s: how long the buckets of its flows are kept; memory_s: how long their last event is remembered.
    since, until: it judges what lies after the one and up to the other. expires: from then on nothing is judged.
    """

    rule: Rule
    flows: tuple[SeriesDef, ...]
    levels: tuple[SeriesDef, ...]
    own_flows: tuple[SeriesDef, ...]
    own_levels: tuple[SeriesDef, ...]
    wide_flows: tuple[SeriesDef, ...]
    wide_levels: tuple[SeriesDef, ...]
    wide: Mapping[str, tuple[int, ...]]
    shared_parts: tuple[Condition, ...]
    roles: tuple[str, ...]
    key: tuple[str, ...]
    key_places: tuple[int, ...]
    expected: frozenset[Labels]
    width: int
    is_level_only: bool
    offsets: tuple[int, ...]
    borders: Borders | None
    level_offsets: tuple[int, ...]
    beginnings: tuple[int, ...]
    hours: tuple[tuple[OpenHours, int], ...]
    periods: tuple[Period, ...]
    is_restless: bool
    is_always_restless: bool
    anomalies: tuple[Anomaly, ...]
    changes_by_time: bool
    fades: bool
    is_plain: bool
    is_alike: bool
    is_alone: bool
    screen: Screen | None
    quiet: Stretch
    is_screened: bool
    closer: Band | None
    early_s: int
    kept_s: int
    memory_s: int
    since: int
    until: int
    expires: int


def rule_facts(rule: Rule, zone: ZoneInfo) -> RuleFacts:
    """The facts of a rule, in a shop of this time zone."""
    condition = rule.condition
    series = series_of_condition(condition)
    flows, levels = tuple(s for s in series if not s.is_level), tuple(s for s in series if s.is_level)
    wide = {s.id: tuple(rule.by.index(name) for name in s.by) for s in series if s.by != rule.by}
    key = next((s.key for s in series if s.key is not None), rule.by)
    parts = whens(condition)
    width = rule.bucket_s or 60
    fixed = {offset for part in parts for offset in part.offsets}
    offsets = tuple(sorted(fixed))
    level_only, restless = is_level_only(condition), is_restless(condition)
    hours, periods, anomalies = hours_in(condition), periods_in(condition), anomalies_of(condition)
    expected = frozenset(group for part in parts for group in part.expected) if rule.by else frozenset([()])
    screen = screen_of(condition)
    is_alone = _is_alone(rule, expected=expected, wide=wide, width=width)
    return RuleFacts(
        rule=rule,
        flows=flows,
        levels=levels,
        own_flows=tuple(s for s in flows if s.by == rule.by),
        own_levels=tuple(s for s in levels if s.by == rule.by),
        wide_flows=tuple(s for s in flows if s.id in wide),
        wide_levels=tuple(s for s in levels if s.id in wide),
        wide=wide,
        shared_parts=_shared_parts(condition, wide),
        roles=tuple(dict.fromkeys(s.source for s in series)),
        key=key,
        key_places=tuple(rule.by.index(name) for name in key),
        expected=expected,
        width=width,
        is_level_only=level_only,
        offsets=offsets,
        borders=_seasonal_borders(condition, fixed, width),
        level_offsets=tuple(sorted({0, *(offset for part in parts for offset in part.level_offsets)})),
        beginnings=tuple(sorted({*offsets, *(begun for part in parts for begun in part.beginnings)})),
        hours=hours,
        periods=periods,
        is_restless=restless,
        is_always_restless=is_always_restless(condition),
        anomalies=anomalies,
        changes_by_time=bool(hours or periods or restless or anomalies),
        fades=level_only and any(s.stale_after_s is not None for s in levels),
        # A group may be forgotten while its window has data, which the short way does not look for.
        is_plain=is_plain_threshold(condition) and is_alone and offsets[-1] <= rule.forget_after_s,
        is_alike=_is_alike(condition),
        is_alone=is_alone,
        screen=screen,
        quiet=quiet_of(condition) if level_only else NO_VALUES,
        is_screened=is_alone and _is_screened(rule, screen),
        closer=_closer(rule, screen, wide),
        early_s=when(condition).early_s if isinstance(condition, Leaf) else 0,
        kept_s=kept_s(condition, width),
        # Where something may change long after a group's last event, it must be known when that was.
        memory_s=max(
            *(part.memory_s for part in parts),
            rule.forget_after_s if restless or hours or periods or wide else 0,
        ),
        since=-FAR if rule.since_s is None else rule.since_s * SECOND,
        until=NEVER if rule.until_s is None else rule.until_s * SECOND,
        expires=NEVER if rule.expires is None else _end_of(rule.expires, zone),
    )


def is_plain_threshold(condition: Condition) -> TypeGuard[Threshold]:
    """Whether it compares one series, whose values do not grow stale, with numbers that stay what they are."""
    if not isinstance(condition, Threshold) or not isinstance(condition.expression, Measured):
        return False
    if period_of(condition) is not None:
        return False
    return bool(condition.levels) and not condition.of_measures and condition.expression.series.stale_after_s is None


def quiet_of(condition: Condition) -> Stretch:
    """Of which values of a level a threshold on it alone is clear; NO_VALUES where that takes more than the value.

    Of a group to which a table gives no number all values are.
    """
    if not isinstance(condition, Threshold):
        return NO_VALUES
    low, high = ALL_VALUES
    for level in condition.levels:
        upward, downward = level.breach.least, level.breach.most
        if (upward is None) is (downward is None):
            return NO_VALUES
        if upward is not None:
            high = min(high, upward - 1)
        if downward is not None:
            low = max(low, downward + 1)
    return (low, high) if low <= high else NO_VALUES


def _is_alone(rule: Rule, *, expected: frozenset[Labels], wide: Mapping[str, Sequence[int]], width: int) -> bool:
    """Whether nothing beside the data of its own series can change the verdict of a condition."""
    if wide or expected or rule.expires:
        return False
    if is_level_only(rule.condition):
        return True
    # Else a bucket may end at an odd place.
    return all(s.bucket_s == width for s in series_of_condition(rule.condition) if not s.is_level)


def _is_alike(condition: Condition) -> bool:
    return all(kind_of(leaf).is_alike(leaf) for leaf, _ in leaves(condition))


def _is_screened(rule: Rule, screen: Screen | None) -> bool:
    """Whether a table can tell which of its groups to look at; not where one breaches by having no number."""
    if rule.no_data is NoData.ALERT or rule.since_s is not None or rule.until_s is not None:
        return False
    if not isinstance(rule.condition, Leaf) and (anomalies_of(rule.condition) or not _is_alike(rule.condition)):
        return False  # a detector sees every bucket
    if isinstance(screen, Band):
        if screen.is_seasonal:
            return False  # it is asked at each visit
        when_of = whens(rule.condition)
        # The other things that time alone changes; and who had data is remembered for a day at most.
        timed = any(w.period is not None or w.restless for w in when_of)
        return not timed and max(max(w.offsets) for w in when_of) <= DAY_S
    if isinstance(screen, Rise):
        return screen.least > 0
    condition = rule.condition
    if not is_plain_threshold(condition) or not is_level_only(condition):
        return False
    return not _is_alike(condition) or quiet_of(condition) != NO_VALUES


def _closer(rule: Rule, screen: Screen | None, wide: Mapping[str, Sequence[int]]) -> Band | None:
    """Not of a combination, whose parts may have to be remembered, nor where having no number is a breach."""
    if not isinstance(rule.condition, Leaf) or rule.no_data is NoData.ALERT or wide:
        return None
    band = screen.closer if isinstance(screen, Rise) else screen
    return band if band is not None and band.is_seasonal else None


def _seasonal_borders(condition: Condition, fixed: set[int], width: int) -> Borders | None:
    baselines = tuple(compared for part in whens(condition) for compared in part.baselines)
    return Borders(baselines, fixed, width) if any(is_seasonal(baseline) for baseline, _ in baselines) else None


def _shared_parts(condition: Condition, wide: Mapping[str, Sequence[int]]) -> tuple[Condition, ...]:
    over_fewer = [leaf for leaf, _ in leaves(condition) if any(s.id in wide for s in series_of_condition(leaf))]
    return tuple(over_fewer) if all(_is_shared(leaf, wide) for leaf in over_fewer) else ()


def _is_shared(leaf: Leaf, wide: Mapping[str, Sequence[int]]) -> bool:
    """Whether it is about nothing but series over fewer labels, and changes its mind by their data alone."""
    if not kind_of(leaf).is_alike(leaf) or any(s.id not in wide for s in series_of_condition(leaf)):
        return False
    part = when(leaf)
    return part.hours is None and part.period is None and not part.restless


def _end_of(day: date, zone: ZoneInfo) -> int:
    """The microsecond at which a day in the shop's time zone is over."""
    return int(datetime.combine(day + timedelta(days=1), time(), zone).timestamp()) * SECOND
