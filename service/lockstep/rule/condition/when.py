"""When the verdict of a condition may change: what lets the judge visit a group only then.

`lockstep.judge.group` puts it together for a rule.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never
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
    Leaf,
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
from lockstep.rule.condition.usual import choices, furthest, furthest_back, is_dated, offsets


@dataclass(frozen=True, kw_only=True)
class When:
    """When the verdict of one condition may change. No field has a default, so that a kind of condition says all of it.

    Seconds throughout.
    offsets: how long after a bucket's end that bucket may still change the verdict: borders of window and baseline,
    without those of a baseline that depends on the day, which are looked up on the day.
    level_offsets: how long after a level's value it may still be asked for at bucket ends, beside at once.
    beginnings: how long after its source's beginning something is judged that was not yet, beside what data does then.
    reach_s: how far back flows are read where that is further than any offset.
    memory_s: how long a group's last event is remembered, beyond its history.
    hours: those that have to hold the window, which is `hours_window_s` long; None: it is judged at any time.
    period: the calendar window at whose end it is judged; None: it is judged at every bucket.
    expected: groups that are known from the beginning of their source on, for ever.
    reads_the_past: whether levels are asked for what they were, which makes a rule one that is judged at bucket ends.
    compares_values: whether each value of a level is compared with the one before it, which a bucket end cannot do.
    restless: whether time alone ends a breach: what is left of the day shrinks, until the next one begins.
    """

    offsets: frozenset[int]
    level_offsets: frozenset[int]
    beginnings: frozenset[int]
    reach_s: int
    memory_s: int
    hours: OpenHours | None
    hours_window_s: int
    period: Period | None
    expected: frozenset[tuple[str, ...]]
    reads_the_past: bool
    compares_values: bool
    restless: bool


_NONE: frozenset[int] = frozenset()


def when(leaf: Leaf) -> When:
    """When the verdict of a condition that is no combination may change."""
    match leaf:
        case Threshold() | Share():
            return _of_bounds(leaf)
        case Spike():
            return _of_spike(leaf)
        case Absence(window_s=window):
            period = window if isinstance(window, Period) else None
            length = window if isinstance(window, int) else 0
            return When(
                offsets=frozenset({0, length}),
                level_offsets=_in_period(period),
                beginnings=_NONE,
                reach_s=0 if period is None else 2 * period.longest_s,
                memory_s=0,
                hours=hours_of(leaf) if period is None else None,
                hours_window_s=length,
                period=period,
                expected=frozenset(leaf.expected),
                reads_the_past=False,
                compares_values=False,
                restless=False,
            )
        case Change(window_s=window):
            return When(
                offsets=frozenset({0, window or 0, 2 * (window or 0)}),
                level_offsets=frozenset({window or 0}),
                beginnings=_NONE,
                reach_s=0,
                memory_s=0,
                hours=None,
                hours_window_s=0,
                period=None,
                expected=frozenset(),
                reads_the_past=window is not None,
                compares_values=window is None,
                restless=False,
            )
        case NewValue(window_s=window, in_s=in_s, learn_s=learn_s):
            return When(
                offsets=frozenset({0, window}),
                level_offsets=_NONE,
                beginnings=frozenset({learn_s, learn_s + window}),
                reach_s=0,
                memory_s=in_s + window,
                hours=None,
                hours_window_s=0,
                period=None,
                expected=frozenset(),
                reads_the_past=False,
                compares_values=False,
                restless=False,
            )
        case Projection(window_s=window, within_s=within):
            of_falls = leaf.is_of_level and leaf.pace is None
            return When(
                offsets=frozenset({0, window}),
                level_offsets=frozenset({window}) if of_falls else _NONE,
                beginnings=_NONE,
                reach_s=LONGEST_DAY_S + window if within is None else 0,
                memory_s=0,
                hours=None,
                hours_window_s=0,
                period=None,
                expected=frozenset(),
                reads_the_past=of_falls,
                compares_values=False,
                restless=within is None,
            )
        case Anomaly(buckets_s=buckets):
            return When(
                offsets=frozenset({0, *buckets}),
                level_offsets=_NONE,
                beginnings=_NONE,
                reach_s=0,
                memory_s=0,
                hours=None,
                hours_window_s=0,
                period=None,
                expected=frozenset(),
                reads_the_past=False,
                compares_values=False,
                restless=False,
            )
        case _:
            assert_never(leaf)


def _of_bounds(leaf: Threshold | Share) -> When:
    period = period_of(leaf)
    window = leaf.window_s if isinstance(leaf.window_s, int) else 0
    # What leaves a calendar window does so at its end.
    borders = {window, *leaf.bound_windows} if period is None else set()
    longest = [] if period is None else [period.longest_s, *(longest_s(b.window_s) for b in leaf.of_measures)]
    return When(
        offsets=frozenset({0, *borders}),
        level_offsets=_in_period(period),
        beginnings=_NONE,
        # The last whole one, from anywhere in the next.
        reach_s=0 if period is None else period.longest_s + max(longest),
        memory_s=0,
        hours=None,
        hours_window_s=0,
        period=period,
        expected=frozenset(),
        reads_the_past=False,
        compares_values=False,
        restless=False,
    )


def _of_spike(leaf: Spike) -> When:
    period, window = period_of(leaf), leaf.window_s
    if isinstance(window, Period):
        borders, reach = {0}, 2 * window.longest_s + furthest_back(leaf.baseline)
    else:
        dated = is_dated(leaf.baseline)
        borders = {0, window} if dated else offsets(choices(leaf.baseline, window, None), window)
        reach = furthest(leaf.baseline, window)
    return When(
        offsets=frozenset(borders),
        level_offsets=_in_period(period),
        beginnings=_NONE,
        reach_s=reach,
        memory_s=0,
        hours=hours_of(leaf) if period is None else None,
        hours_window_s=0 if isinstance(window, Period) else window,
        period=period,
        expected=frozenset(),
        reads_the_past=False,
        compares_values=False,
        restless=False,
    )


def _in_period(period: Period | None) -> frozenset[int]:
    """In a combination the verdict of the last calendar window stands until the next."""
    return _NONE if period is None else frozenset({period.longest_s})


def leaves(condition: Condition, *, denied: bool = False) -> Iterator[tuple[Leaf, bool]]:
    """Every condition in a combination, with whether a `not` stands above it."""
    match condition:
        case All(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from leaves(part, denied=denied)
        case Not(part=part):
            yield from leaves(part, denied=True)
        case _:
            yield condition, denied


def whens(condition: Condition) -> list[When]:
    """When each part of a condition may change its verdict."""
    return [when(leaf) for leaf, _ in leaves(condition)]


def anomalies_of(condition: Condition) -> tuple[Anomaly, ...]:
    """What has to see every bucket of a group, each once."""
    return tuple({leaf.key: leaf for leaf, _ in leaves(condition) if isinstance(leaf, Anomaly)}.values())


def reach_s(condition: Condition) -> int:
    """How far back flows are read where that is further than any offset."""
    return max(part.reach_s for part in whens(condition))


def periods_in(condition: Condition) -> tuple[Period, ...]:
    """The calendar windows of its parts, at whose ends they are judged, each once."""
    return tuple(dict.fromkeys(part.period for part in whens(condition) if part.period is not None))


def hours_in(condition: Condition) -> tuple[tuple[OpenHours, int], ...]:
    """Hours that bound a part of a condition, each with the window that has to lie within them, in seconds."""
    found = ((part.hours, part.hours_window_s) for part in whens(condition))
    return tuple(dict.fromkeys((hours, window) for hours, window in found if hours is not None))


def compares_values(condition: Condition) -> bool:
    """Whether each value of a level is compared with the one before it, which a bucket end cannot do."""
    return any(part.compares_values for part in whens(condition))


def is_level_only(condition: Condition) -> bool:
    """Whether a rule is judged at each value of its levels; else at bucket ends."""
    series = series_of_condition(condition)
    reads_the_past = any(part.reads_the_past for part in whens(condition))
    return all(s.is_level for s in series) and len({s.by for s in series}) == 1 and not reads_the_past


def is_restless(condition: Condition) -> bool:
    """Whether time alone ends a breach of one of its parts."""
    return any(part.restless for part in whens(condition))


def is_always_restless(condition: Condition) -> bool:
    """Whether time alone can begin a breach, because a restless condition is denied."""
    return any(denied and when(leaf).restless for leaf, denied in leaves(condition))


def next_day(after: int, zone: ZoneInfo) -> int:
    """The first midnight of the shop at or after a second."""
    return shop_day(after - 1, zone)[1]
