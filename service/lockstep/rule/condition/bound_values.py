"""Bounds that come from elsewhere, made into numbers: of a table once for a group, of a measure at every verdict."""

from collections.abc import Mapping
from dataclasses import replace

from lockstep.measure.exact import Written, shown
from lockstep.rule.condition.bound import Bounds, OfMeasure, OfTable
from lockstep.rule.condition.kinds import Level, Share, Threshold
from lockstep.rule.condition.period import start_of
from lockstep.rule.condition.view import Instant, Kind, View, is_complete, value_of


def looked_up(levels: tuple[Level, ...], labels: Mapping[str, str]) -> tuple[Level, ...]:
    """The levels of a group, with the numbers of tables put in.

    A level whose breach has no number for the group is left out. Where only its `clear` has none, the group is clear as
    soon as it does not breach.
    """
    of_group = []
    for level in levels:
        breach = _of_tables(level.breach, labels)
        if breach is not None:
            clear = None if level.clear is None else _of_tables(level.clear, labels)
            of_group.append(Level(level.severity, breach, clear))
    return tuple(of_group)


def unbound(condition: Threshold | Share, levels: tuple[Level, ...]) -> str:
    """Where the number of a group would stand to which no table gives one: `at_most in thresholds.csv`.

    levels: those that the group has; "" where it has any.
    """
    tables = () if levels else (s.said for s in condition.sources if isinstance(s, OfTable))
    return " or ".join(dict.fromkeys(tables))


def without(condition: Threshold | Share) -> str:
    """The measures that give a condition its numbers, in words, for a verdict that had none: `1.5 × reorder_point`."""
    return " and ".join(dict.fromkeys(s.said for s in condition.of_measures))


def _of_tables(bounds: Bounds, labels: Mapping[str, str]) -> Bounds | None:
    numbers: dict[str, Written] = {}
    of = list(bounds.of)
    for word, source in bounds.sources:
        if isinstance(source, OfTable):
            number, where = source.number(labels)
            if number is None:
                return None
            numbers[word] = number
            of.append((word, where))
    left = tuple((word, source) for word, source in bounds.sources if word not in numbers)
    return replace(bounds, **numbers, sources=left, of=tuple(of)) if numbers else bounds


def settled(condition: Threshold | Share, view: View, at: Instant) -> tuple[tuple[Level, ...], dict[str, float]] | Kind:
    """The levels of a group's condition with the numbers that measures give at an instant, and these by name.

    UNJUDGED where one of them was not measured long enough, NO_DATA where one has no value: then nothing is known of
    the bound, so nothing of the verdict.
    """
    sources = condition.of_measures
    if not sources:
        return condition.levels, {}
    if not all(is_complete(s.flows, view, at, start_of(s.window_s, at.end, view.zone)) for s in sources):
        return Kind.UNJUDGED
    values: dict[str, float] = {}
    numbers: dict[OfMeasure, Written] = {}
    for source in sources:
        value = value_of(source.expression, view, at, start_of(source.window_s, at.end, view.zone), at.end)
        if value is None:
            return Kind.NO_DATA
        values[source.what], numbers[source] = shown(value), source.number(value)
    return tuple(
        Level(x.severity, _of_measures(x.breach, numbers), None if x.clear is None else _of_measures(x.clear, numbers))
        for x in condition.levels
    ), values


def _of_measures(bounds: Bounds, numbers: Mapping[OfMeasure, Written]) -> Bounds:
    by_word = {word: numbers[source] for word, source in bounds.sources if isinstance(source, OfMeasure)}
    if not by_word:
        return bounds
    of = tuple((word, source.said) for word, source in bounds.sources)
    return replace(bounds, **by_word, sources=(), of=(*bounds.of, *of))
