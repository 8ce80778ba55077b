"""When the verdict of a condition may change: what lets the judge visit a group only then.

`lockstep.judge.group` puts it together for a rule.
"""

from collections.abc import Iterator
from typing import assert_never
from zoneinfo import ZoneInfo

from lockstep.rule.condition.condition_kind import When
from lockstep.rule.condition.hours import OpenHours
from lockstep.rule.condition.kind.projection import shop_day
from lockstep.rule.condition.kind_table import kind_of
from lockstep.rule.condition.kinds import (
    All,
    Anomaly,
    AnyOf,
    Condition,
    Leaf,
    Not,
    series_of_condition,
)
from lockstep.rule.condition.period import CLOCK_CHANGE_S, Period


def when(leaf: Leaf) -> When:
    """When the verdict of a condition that is no combination may change."""
    return kind_of(leaf).when(leaf)


Steps = tuple[str] | tuple[str, int]
"""Where a part stands in a combination, as its author wrote it: `("all", 0)` or `("not",)`."""


def parts_of(condition: Condition) -> tuple[tuple[Steps, Condition], ...]:
    """The parts of a combination with where they stand in it; () for a condition that is none."""
    if isinstance(condition, Leaf):
        return ()
    match condition:
        case All(parts=parts):
            return tuple((("all", i), part) for i, part in enumerate(parts))
        case AnyOf(parts=parts):
            return tuple((("any", i), part) for i, part in enumerate(parts))
        case Not(part=part):
            return ((("not",), part),)
        case _:
            assert_never(condition)


def leaves(condition: Condition, *, denied: bool = False) -> Iterator[tuple[Leaf, bool]]:
    """Every condition in a combination, with whether a `not` stands above it."""
    if isinstance(condition, Leaf):
        yield condition, denied
    for _, part in parts_of(condition):
        yield from leaves(part, denied=denied or isinstance(condition, Not))


def whens(condition: Condition) -> list[When]:
    """When each part of a condition may change its verdict."""
    return [when(leaf) for leaf, _ in leaves(condition)]


def anomalies_of(condition: Condition) -> tuple[Anomaly, ...]:
    """What has to see every bucket of a group, each once."""
    return tuple({leaf.key: leaf for leaf, _ in leaves(condition) if isinstance(leaf, Anomaly)}.values())


def reach_s(condition: Condition) -> int:
    """How far back flows are read where that is further than any offset."""
    return max(part.reach_s for part in whens(condition))


def kept_s(condition: Condition, width: int) -> int:
    """How long the buckets of its flows are kept, so that all of its windows can be read. width: of its buckets."""
    furthest = max(max(*part.offsets, part.reach_s) for part in whens(condition))
    return furthest + CLOCK_CHANGE_S + width


def periods_in(condition: Condition) -> tuple[Period, ...]:
    """The calendar windows of its parts, at whose ends they are judged, each once."""
    return tuple(dict.fromkeys(part.period for part in whens(condition) if part.period is not None))


def hours_in(condition: Condition) -> tuple[tuple[OpenHours, int], ...]:
    """Hours that bound a part of a condition, each with the window that has to lie within them, in seconds."""
    pairs = ((part.hours, part.hours_window_s) for part in whens(condition))
    return tuple(dict.fromkeys((hours, window) for hours, window in pairs if hours is not None))


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
