"""Levels: the numbers that a threshold or a share compares with, one for each severity, as they stand for a group."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from math import floor
from typing import TypeVar

from lockstep.measure.exact import exact, fraction
from lockstep.rule.condition.bound import Bounds, OfTable, matches
from lockstep.rule.condition.bound_values import looked_up, unbound
from lockstep.rule.condition.condition_kind import Times, When, in_period
from lockstep.rule.condition.kinds import Level, Severity, Share, Threshold, period_of
from lockstep.rule.condition.period import longest_s

L = TypeVar("L", Threshold, Share)


def levels_of(condition: Threshold | Share, labels: Mapping[str, str]) -> tuple[Level, ...]:
    """The levels that hold for a group: of the first override that matches, else the rule's own; tables looked up."""
    levels = condition.levels
    for override in condition.overrides:
        if all(matches(labels.get(name, ""), pattern) for name, pattern in override.match):
            levels = override.levels
            break
    return looked_up(levels, labels) if condition.has_tables else levels


def for_group(condition: L, labels: Mapping[str, str]) -> L:
    """The condition as it stands for a group: overrides applied, tables looked up."""
    if not condition.overrides and not condition.has_tables:
        return condition
    levels = levels_of(condition, labels)
    return replace(condition, levels=levels, overrides=(), unbound=unbound(condition, levels))


def is_alike(condition: Threshold | Share) -> bool:
    """Whether all groups have the same numbers."""
    return not condition.overrides and not condition.has_tables


def loosest(condition: Threshold | Share) -> tuple[Bounds, ...] | None:
    """For each level that any group may have the bounds that are the easiest to breach, with the numbers of tables.

    None where a number is a measure's, or there is no level.
    """
    if condition.of_measures:
        return None
    levels = (*condition.levels, *(level for override in condition.overrides for level in override.levels))
    bounds = tuple(_loosest(level.breach) for level in levels)
    return tuple(b for b in bounds if b is not None) or None


def _loosest(bounds: Bounds) -> Bounds | None:
    """None where a table has no number at all."""
    numbers: dict[str, Fraction] = {}
    for word, source in bounds.sources:
        assert isinstance(source, OfTable)
        if not source.numbers:
            return None
        numbers[word] = (min if word in ("above", "at_least") else max)(source.numbers)
    return replace(bounds, **numbers, sources=()) if numbers else bounds  # type: ignore[arg-type] # words are fields


def least_of(levels: tuple[Bounds, ...]) -> int:
    """What a value must be at the least, in millionths, to breach any of these, which are upward."""
    return min(max(0, *(floor(exact(n)) for n in (b.above, b.at_least) if n is not None)) for b in levels)


def clear_between(levels: tuple[Bounds, ...]) -> tuple[Times | None, Times | None]:
    """Between which numbers, in units and both excluded, a value breaches none of these; None: on that side it may.

    Of a level with a lower and an upper end the lower one counts: what is below it is clear.
    """
    lows: list[Fraction] = []
    highs: list[Fraction] = []
    for bounds in levels:
        upward = [fraction(n) for n in (bounds.above, bounds.at_least) if n is not None]
        downward = [fraction(n) for n in (bounds.below, bounds.at_most) if n is not None]
        if upward:
            highs.append(max(upward))
        elif downward:
            lows.append(min(downward))
    return max(lows).as_integer_ratio() if lows else None, min(highs).as_integer_ratio() if highs else None


def lengths_s(condition: Threshold | Share) -> tuple[int, ...]:
    """Its windows in seconds; those of the calendar are whole days."""
    own = (condition.window_s,) if isinstance(condition.window_s, int) else ()
    return (*own, *condition.bound_windows)


def looks_back_s(condition: Threshold | Share) -> int:
    """The longest of its windows, in seconds."""
    return max(longest_s(condition.window_s), *condition.bound_windows, 0)


def severities(condition: Threshold | Share) -> tuple[Severity, ...]:
    """Those of its levels, lowest first."""
    return tuple(dict.fromkeys(level.severity for level in condition.levels))


def when_of_levels(leaf: Threshold | Share) -> When:
    """When the verdict of a condition that compares with numbers may change."""
    period = period_of(leaf)
    window = leaf.window_s if isinstance(leaf.window_s, int) else 0
    # What leaves a calendar window does so at its end.
    borders = {window, *leaf.bound_windows} if period is None else set()
    longest = [] if period is None else [period.longest_s, *(longest_s(b.window_s) for b in leaf.of_measures)]
    return When(
        offsets=frozenset({0, *borders}),
        level_offsets=in_period(period),
        beginnings=frozenset(),
        # The last whole one, from anywhere in the next.
        reach_s=0 if period is None else period.longest_s + max(longest),
        memory_s=0,
        hours=None,
        hours_window_s=0,
        period=period,
        expected=frozenset(),
        reads_the_past=False,
        baselines=(),
        early_s=0,
        compares_values=False,
        restless=False,
    )
