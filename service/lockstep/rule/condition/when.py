"""When the verdict of a condition may change: what lets the judge visit a group only then.

`lockstep.judge.group` puts it together for a rule.
"""

from collections.abc import Iterator
from typing import TypeGuard
from zoneinfo import ZoneInfo

from lockstep.rule.condition.hours import OpenHours, hours_of
from lockstep.rule.condition.kind.projection import LONGEST_DAY_S, shop_day
from lockstep.rule.condition.kinds import (
    Absence,
    All,
    Anomaly,
    AnyOf,
    Change,
    Condition,
    NewValue,
    Not,
    Projection,
    Share,
    Spike,
    Threshold,
    period_of,
    series_of_condition,
)
from lockstep.rule.condition.period import Period, longest_s
from lockstep.rule.condition.usual import choices, furthest_back, is_dated, offsets


def leaves(condition: Condition, *, denied: bool = False) -> Iterator[tuple[Condition, bool]]:
    """Every condition in a combination, with whether a `not` stands above it."""
    match condition:
        case All(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from leaves(part, denied=denied)
        case Not(part=part):
            yield from leaves(part, denied=True)
        case _:
            yield condition, denied


def flow_offsets(leaf: Condition) -> set[int]:
    """How long after a bucket's end it may still change the verdict, each in seconds: window and baseline borders.

    Without those of a baseline that depends on the day: they are looked up on the day.
    """
    if period_of(leaf) is not None:
        return {0}  # what leaves the window does so at the period's end
    match leaf:
        case Threshold(window_s=int(window)) | Share(window_s=int(window)):
            return {0, window, *leaf.bound_windows}
        case Threshold() | Share():
            return {0, *leaf.bound_windows}
        case Spike(window_s=int(window), baseline=baseline):
            return {0, window} if is_dated(baseline) else offsets(choices(baseline, window, None), window)
        case Change(window_s=window):
            return {0, window or 0, 2 * (window or 0)}
        case Absence(window_s=int(window)) | NewValue(window_s=window) | Projection(window_s=window):
            return {0, window}
        case Anomaly(bucket_s=bucket):
            return {0, bucket}
        case _:
            return {0}  # a combination: each of its parts has its own


def anomalies_of(condition: Condition) -> tuple[Anomaly, ...]:
    """What has to see every bucket of a group, each once."""
    return tuple({leaf.key: leaf for leaf, _ in leaves(condition) if isinstance(leaf, Anomaly)}.values())


def level_offsets(condition: Condition) -> set[int]:
    """How long after a level's value it may still be asked for at bucket ends, each in seconds."""
    found = {0}.union(leaf.window_s or 0 for leaf, _ in leaves(condition) if _reads_the_past(leaf))
    # In a combination the verdict of the last day stands until the next.
    return found.union(period.longest_s for period in periods_in(condition))


def beginning_offsets(condition: Condition) -> set[int]:
    """How long after a source's beginning something is judged that was not yet, beside what data does then."""
    found: set[int] = set()
    for leaf, _ in leaves(condition):
        if isinstance(leaf, NewValue):
            found |= {leaf.learn_s, leaf.learn_s + leaf.window_s}
    return found


def hours_in(condition: Condition) -> tuple[tuple[OpenHours, int], ...]:
    """Hours that bound a part of a condition, each with the window that has to lie within them, in seconds."""
    found = []
    for leaf, _ in leaves(condition):
        hours = hours_of(leaf)
        if hours is not None and isinstance(leaf, Absence | Spike) and isinstance(leaf.window_s, int):
            found.append((hours, leaf.window_s))
    return tuple(dict.fromkeys(found))


def periods_in(condition: Condition) -> tuple[Period, ...]:
    """The calendar windows of its parts, at whose ends they are judged, each once."""
    found = (period_of(leaf) for leaf, _ in leaves(condition))
    return tuple(dict.fromkeys(period for period in found if period is not None))


def expected_groups(condition: Condition) -> frozenset[tuple[str, ...]]:
    """The groups that are known from the beginning of their source on, for ever."""
    return frozenset(g for leaf, _ in leaves(condition) if isinstance(leaf, Absence) for g in leaf.expected)


def reach_s(condition: Condition) -> int:
    """How far back flows are read where that is further than any offset."""
    found = [0]
    for leaf, _ in leaves(condition):
        if isinstance(leaf, Projection) and leaf.within_s is None:
            found.append(LONGEST_DAY_S + leaf.window_s)
        elif (period := period_of(leaf)) is not None:
            # The last whole one, from anywhere in the next.
            back = furthest_back(leaf.baseline) if isinstance(leaf, Spike) else 0
            bounds = leaf.of_measures if isinstance(leaf, Threshold | Share) else ()
            found.append(period.longest_s + max([period.longest_s, *(longest_s(b.window_s) for b in bounds)]) + back)
    return max(found)


def memory_s(condition: Condition) -> int:
    """How long a group's last event is remembered, beyond its history."""
    return max((leaf.in_s + leaf.window_s for leaf, _ in leaves(condition) if isinstance(leaf, NewValue)), default=0)


def _reads_the_past(leaf: Condition) -> TypeGuard[Change | Projection]:
    if isinstance(leaf, Projection):
        return leaf.is_of_level and leaf.pace is None
    return isinstance(leaf, Change) and leaf.window_s is not None


def reads_the_past(condition: Condition) -> bool:
    """Whether levels are asked for what they were, so that the rule is judged at bucket ends."""
    return any(_reads_the_past(leaf) for leaf, _ in leaves(condition))


def compares_values(condition: Condition) -> bool:
    """Whether each value of a level is compared with the one before it, which a bucket end cannot do."""
    return any(isinstance(leaf, Change) and leaf.window_s is None for leaf, _ in leaves(condition))


def is_level_only(condition: Condition) -> bool:
    """Whether a rule is judged at each value of its levels; else at bucket ends."""
    series = series_of_condition(condition)
    return all(s.is_level for s in series) and len({s.by for s in series}) == 1 and not reads_the_past(condition)


def is_restless(condition: Condition) -> bool:
    """Whether time alone ends a breach: what is left of the day shrinks, until the next one begins."""
    return any(isinstance(leaf, Projection) and leaf.within_s is None for leaf, _ in leaves(condition))


def is_always_restless(condition: Condition) -> bool:
    """Whether time alone can begin a breach, because a restless condition is denied."""
    return any(denied and is_restless(leaf) for leaf, denied in leaves(condition))


def next_day(after: int, zone: ZoneInfo) -> int:
    """The first midnight of the shop at or after a second."""
    return shop_day(after - 1, zone)[1]
