"""The past of levels: what a level, or a formula of levels, was after each of its changes."""

from bisect import bisect_right
from collections.abc import Sequence

from msgspec.structs import replace

from lockstep.adapters.charts.curve import Point
from lockstep.adapters.charts.past_view import PastView
from lockstep.measure.definition import Expression, Measured, SeriesDef, series_of
from lockstep.measure.exact import shown
from lockstep.rule.condition.view import Instant, value_of
from lockstep.text.rfc3339 import SECOND

Step = tuple[int, float | None]
"""Since when, in microseconds, and what; None: it was stale, or one of the formula's levels was not known."""


def steps_to(view: PastView, expression: Expression, last_us: int, value: float) -> list[Step]:
    """The steps up to an instant, itself included, the last of which has a value that was told; none where it has not.

    Of several changes at one instant it is that with the value that was told then.
    """
    steps = [step for step in _steps(view, expression) if step[0] <= last_us]
    while steps and steps[-1][1] != value and steps[-1][0] == last_us:
        del steps[-1]
    known = next((n for n, (_, what) in enumerate(steps) if what is not None), len(steps))
    return steps[known:] if steps and steps[-1][1] == value else []


def _steps(view: PastView, expression: Expression) -> list[Step]:
    if isinstance(expression, Measured):
        level = expression.series
        steps: list[Step] = [(since, shown(total)) for since, total in view.changes(level)]
        return sorted([*steps, *((at, None) for at in _stale_at(view, level))], key=lambda step: step[0])
    instants: set[int] = set()
    for level in series_of(expression):
        instants.update(since for since, _ in view.changes(level))
        instants.update(_stale_at(view, level))
    return [(at, _value(view, expression, at)) for at in sorted(instants)]


def _value(view: PastView, expression: Expression, at_us: int) -> float | None:
    """What it was from an instant on: levels count from their own instant."""
    exact = value_of(expression, view, Instant(0, at_us + 1), 0, 0)
    return None if exact is None else shown(exact)


def _stale_at(view: PastView, level: SeriesDef) -> list[int]:
    """When a level grew stale, because no value came."""
    if level.stale_after_s is None:
        return []
    stale_us = level.stale_after_s * SECOND
    changes = view.changes(level)
    following = [since for since, _ in changes[1:]]
    return [since + stale_us for (since, _), after in zip(changes, following, strict=False) if since + stale_us < after]


def points_since(points: Sequence[Point], first: float) -> list[Point]:
    """The points from a second on, with what held then."""
    held = bisect_right(points, first, key=lambda point: point.at)
    if not held:
        return list(points)
    return [replace(points[held - 1], at=first), *points[held:]]
