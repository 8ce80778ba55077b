"""The chart of a change of an alert, from the history of the judge that told it.

The numbers are those of `lockstep.rule.condition.verdicts`, asked at bucket ends before the change; the last ones are
those that were told. What the judge no longer keeps is left out: never a number of half a window, and no chart where
too little is left, or where the history says something else than was told.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from lockstep.adapters.charts.curve import Chart, Marked, Point
from lockstep.calendar import Entry
from lockstep.judge.judge import Judge, Seen
from lockstep.measure.definition import Measured, SeriesDef
from lockstep.measure.exact import shown
from lockstep.notify.message import facts
from lockstep.notify.message_reason import leaf_of, unit_of
from lockstep.notify.units import with_units
from lockstep.rule.condition.kind_table import kind_of, word_of
from lockstep.rule.condition.kinds import (
    Absence,
    Leaf,
    Plan,
    Rule,
    Share,
    Spike,
    Threshold,
    series_of_condition,
)
from lockstep.rule.condition.period import Period, longest_s, start_of
from lockstep.rule.condition.verdicts import judge
from lockstep.rule.condition.view import Instant, Kind, Verdict, value_of
from lockstep.rule.condition.when import leaves
from lockstep.rule.explained_condition import said_of
from lockstep.rule.sentences import kind_named, reference, reference_word
from lockstep.text.rfc3339 import SECOND
from lockstep.text.time_units import DAY_S
from lockstep.transition import Transition, TransitionName

MOST_POINTS = 48
LEAST_POINTS = 4
"""Points with a value, without which there is nothing to see."""
LEAST_VALUES = 3
"""The same of a level, whose every value is a step."""
MOST_CAMPAIGNS = 5

_Drawn = Threshold | Spike | Share | Absence
"""Kinds of which past verdicts can be asked: what a detector expected is not kept, nor where a projection led."""


def shown_s(rule: Rule) -> int:
    """How much a chart shows, in seconds: eight windows, of long ones fewer, never less than three; 0 for levels."""
    window_s = max(longest_s(kind_of(leaf).window(leaf)) for leaf, _ in leaves(rule.condition))
    return min(8 * window_s, max(3 * window_s, DAY_S))


def keep_longer_s(plan: Plan) -> dict[str, int]:
    """Series id → for how long after its rules its buckets are kept, so that there is something to show."""
    longer: dict[str, int] = {}
    for rule in plan.rules:
        for series in series_of_condition(rule.condition):
            longer[series.id] = max(longer.get(series.id, 0), shown_s(rule))
    return longer


def levels_shown(plan: Plan) -> set[str]:
    """The ids of the levels whose values charts show: those that a threshold looks at by themselves."""
    several = (leaf for rule in plan.rules for leaf, _ in leaves(rule.condition))
    return {level.id for leaf in several if (level := _level_of(leaf)) is not None}


def _level_of(leaf: Leaf) -> SeriesDef | None:
    """The level that a threshold looks at by itself; None where it looks at something else."""
    if not isinstance(leaf, Threshold) or not isinstance(leaf.expression, Measured):
        return None
    return leaf.expression.series if leaf.expression.series.is_level else None


def chart_of(teller: Judge, transition: Transition, plan: Plan, *, fired_at: str | None, currency: str) -> Chart | None:
    """What led to a transition that this judge has told; None where there is too little to show.

    plan: the rules in force, for the days that they know of. fired_at: of an end, when it had fired; None: that is not
    known any more. currency: see `notify.units`.
    """
    rule = teller.about(transition.rule)
    if rule is None or rule.version != transition.rule_version or set(transition.labels) != set(rule.by):
        return None
    seen = teller.seen(rule.name, tuple(transition.labels[name] for name in rule.by))
    fired = _fired(transition, rule, fired_at)
    if seen is None or transition.value is None or fired is None:
        return None
    is_level = transition.window_end is None
    points = _level_points(teller, seen, transition) if is_level else _flow_points(seen, rule, transition)
    if sum(p.value is not None for p in points) < (LEAST_VALUES if is_level else LEAST_POINTS):
        return None
    end = points[-1].at
    measured = with_units(transition, rule, currency)
    numbers = facts(measured)
    is_over = transition.state is TransitionName.RESOLVED
    return Chart(
        points=tuple(points),
        steps=is_level,
        unit=unit_of(measured),
        severity=transition.severity,
        value=transition.value,
        reference=reference(numbers),
        reference_is=reference_word(numbers),
        told_at=end,
        fired=min(max(fired, points[0].at), end),
        ended=_seconds(transition.at) if is_over else None,
        window=None if transition.window_start is None else (_seconds(transition.window_start), end),
        campaigns=tuple(_campaigns(plan, points[0].at, end, teller.zone))[:MOST_CAMPAIGNS],
    )


def _fired(transition: Transition, rule: Rule, fired_at: str | None) -> float | None:
    """When it fired; None where that is not known any more: without a `for` it was when the episode began."""
    if transition.state is TransitionName.FIRING:
        return _seconds(transition.at)
    if fired_at is None and rule.for_s:
        return None
    return _seconds(fired_at or transition.started_at)


def _flow_points(seen: Seen, rule: Rule, transition: Transition) -> list[Point]:
    """The verdicts before a change that is judged at bucket ends, and the one that was told; none where that is another
    one."""
    leaf = _told_leaf(seen, transition)
    if leaf is None or transition.window_end is None:
        return []
    past, end = _Past(seen, leaf, transition), round(_seconds(transition.window_end))
    return [*past.points(rule, end), past.told(end)]


def _level_points(teller: Judge, seen: Seen, transition: Transition) -> list[Point]:
    """The values of a level up to a change that it led to; none where the last one is another than was told."""
    judged, at_us = leaf_of(transition), round(_seconds(transition.at) * SECOND)
    for leaf, _ in leaves(seen.condition):
        level = _level_of(leaf)
        if judged is None or teller.trail is None or level is None or said_of(leaf.expression) != judged.of:
            continue
        values = [(t, v) for t, v in teller.trail.of((level.id, seen.view.labels)) if t <= at_us]
        if level.id in seen.view.wide or not values or shown(values[-1][1]) != transition.value:
            continue
        limit = None if transition.limit_of else transition.limit
        points = [Point(t / SECOND, shown(v), None, None, limit) for t, v in values]
        if values[-1][0] < at_us:  # it fires later than the value came
            points.append(Point(at_us / SECOND, transition.value, None, None, limit))
        return points
    return []


def _told_leaf(seen: Seen, transition: Transition) -> _Drawn | None:
    """The condition whose numbers were told, where the history still says them."""
    judged = leaf_of(transition)
    if judged is None or transition.window_end is None:
        return None
    end = round(_seconds(transition.window_end))
    for leaf, _ in leaves(seen.condition):
        if word_of(leaf) != kind_named(judged.kind) or said_of(leaf.expression) != judged.of:
            continue
        if not isinstance(leaf, _Drawn) or any(s.is_level for s in series_of_condition(leaf)):
            continue
        verdict = judge(leaf, seen.view, Instant(end, end * SECOND), None)
        if transition.so_far or verdict.value == transition.value:
            return leaf
    return None


@dataclass(frozen=True)
class _Past:
    """The past of the condition that was told."""

    seen: Seen
    leaf: _Drawn
    transition: Transition

    def points(self, rule: Rule, end: int) -> Iterator[Point]:
        """The verdicts before the bucket end `end`, the oldest first, as far back as all of their windows is kept."""
        since = self._kept_since(end)
        for instant in self._instants(rule, end):
            point = self._point(instant, since)
            if point is not None:
                yield point

    def told(self, end: int) -> Point:
        """What was told."""
        t = self.transition
        return Point(float(end), t.value, t.baseline, t.counts.get("sigma"), t.limit)

    def _instants(self, rule: Rule, end: int) -> list[int]:
        window = kind_of(self.leaf).window(self.leaf)
        if isinstance(window, Period):
            zone = self.seen.view.zone
            ends = [window.bounds(end, zone, n * window.days)[1] for n in range(1, 9)]
            return sorted(e for e in ends if e < end)
        width, length = rule.bucket_s or 60, shown_s(rule)
        step = max(1, length // MOST_POINTS // width) * width
        return list(range(end - length // step * step, end, step))

    def _kept_since(self, end: int) -> float:
        """From which second on all buckets of its series are there: those before it may have been removed."""
        firsts = [self.seen.view.first_seen(s, 0, end) for s in series_of_condition(self.leaf)]
        return max((float("inf") if first is None else float(first) for first in firsts), default=float("inf"))

    def _point(self, end: int, since: float) -> Point | None:
        view, at, window = self.seen.view, Instant(end, end * SECOND), kind_of(self.leaf).window(self.leaf)
        start = start_of(window, end, view.zone)
        if start < since:
            return None
        verdict = judge(self.leaf, view, at, None)
        value = verdict.value
        if verdict.kind is Kind.UNJUDGED and not isinstance(self.leaf, Share):
            exact = value_of(self.leaf.expression, view, at, start, end)
            value = None if exact is None else shown(exact)
        is_whole = all(begins >= since for begins, _, _ in verdict.history)
        baseline = verdict.baseline if is_whole else None
        sigma = verdict.counts.get("sigma") if is_whole else None
        return Point(float(end), value, baseline, sigma, self._limit(verdict, baseline))

    def _limit(self, verdict: Verdict, baseline: float | None) -> float | None:
        """The limit that was told, as it would have been: the same number, or as many times what was usual."""
        announced = self.transition
        if announced.limit is None or announced.limit_of:
            return None
        if announced.baseline is None:
            return announced.limit
        is_multiple = isinstance(self.leaf, Spike) and self.leaf.above_by is None and self.leaf.below_by is None
        return (
            baseline * announced.limit / announced.baseline if is_multiple and baseline and announced.baseline else None
        )


def _campaigns(plan: Plan, first: float, last: float, zone: ZoneInfo) -> Iterator[Marked]:
    """The days of campaigns that the rules know of, as far as they lie in [first, last]."""
    day, end = (datetime.fromtimestamp(t, zone).date() for t in (first, last))
    entries = {entry.name: entry for rule in plan.rules for entry in _entries(rule)}
    for name, entry in sorted(entries.items()):
        days = [d for n in range((end - day).days + 1) if entry.is_on(d := day + timedelta(n))]
        if days:
            begins, ends = (datetime.combine(d, time(), zone) for d in (days[0], days[-1] + timedelta(1)))
            yield Marked(name, max(first, begins.timestamp()), min(last, ends.timestamp()))


def _entries(rule: Rule) -> Iterator[Entry]:
    for leaf, _ in leaves(rule.condition):
        baseline = leaf.baseline if isinstance(leaf, Spike) else None
        calendar = None if baseline is None else baseline.calendar
        for entry in () if calendar is None else calendar.entries:
            if entry.kind == "campaign":
                yield entry


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
