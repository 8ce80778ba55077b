"""Verdicts: what judging one group at one instant gives, with the numbers that led to it.

Everything here is a pure function of a condition, the histories behind a `View` and an instant. Whole windows are
compared with whole windows; a point never judges itself; missing is not zero and nothing is not missing.
"""

from dataclasses import dataclass, replace
from math import sqrt
from typing import assert_never

import msgspec

from lockstep.event import is_non_negative
from lockstep.measure.definition import Aggregate, Expression, Measured, SeriesDef
from lockstep.measure.exact import SCALE, Exact, exact, part_of, parts, shown, size
from lockstep.rule.condition import usual
from lockstep.rule.condition.bound import matches
from lockstep.rule.condition.bound_values import looked_up, settled, unbound, without
from lockstep.rule.condition.held import Held, held_by
from lockstep.rule.condition.hours import hours_of
from lockstep.rule.condition.kind.anomaly import judge_anomaly
from lockstep.rule.condition.kind.change import judge_change
from lockstep.rule.condition.kind.new_value import judge_new_value
from lockstep.rule.condition.kind.projection import judge_projection
from lockstep.rule.condition.kind.share import judge_share
from lockstep.rule.condition.kinds import (
    Absence,
    All,
    Anomaly,
    AnyOf,
    Change,
    Condition,
    Level,
    NewValue,
    Not,
    Projection,
    Severity,
    Share,
    Spike,
    Threshold,
    period_of,
)
from lockstep.rule.condition.noise import mean_within, noise_of
from lockstep.rule.condition.period import earlier, start_of
from lockstep.rule.condition.usual import Choice
from lockstep.rule.condition.view import CLOSED, UNJUDGED, Instant, Kind, Verdict, View, is_complete, value_of

NOTHING: dict[str, float] = {}
"""No further numbers; one object for all verdicts, which nobody changes."""
MAD_TO_SIGMA = 1.4826
"""The median absolute deviation of a normal distribution times this is its standard deviation."""


def judge(condition: Condition, view: View, at: Instant, firing: Severity | None, held: Held = ()) -> Verdict:
    """The verdict on one group. firing: the severity at which the alert fires now (None: it does not).

    held: what the parts of an `any` remember while it fires.
    """
    period = period_of(condition)
    if period is not None and not period.is_end(at.end, view.zone):
        return _so_far(condition, view, at, firing)
    match condition:
        case Threshold():
            return _threshold(condition, view, at, firing)
        case Spike():
            return _spike(condition, view, at, firing)
        case Absence():
            return _absence(condition, view, at)
        case Change():
            return judge_change(condition, view, at)
        case NewValue():
            return judge_new_value(condition, view, at)
        case Share():
            return judge_share(condition, view, at, firing)
        case Projection():
            return judge_projection(condition, view, at)
        case Anomaly():
            return judge_anomaly(condition, view)
        case All() | AnyOf() if condition.grades:
            return _graded(condition, view, at, firing, held)
        case All():
            return _combine(condition, Kind.CLEAR, view, at, firing, held)
        case AnyOf():
            return _combine(condition, Kind.BREACH, view, at, firing, held)
        case Not():
            inner = standing(condition.part, view, at, None)
            flipped = {Kind.BREACH: Kind.CLEAR, Kind.CLEAR: Kind.BREACH}.get(inner.kind, inner.kind)
            return _as(inner, flipped, condition.severity, (inner,))


def _so_far(condition: Condition, view: View, at: Instant, firing: Severity | None) -> Verdict:
    """The verdict within a calendar window: what nothing that is still to come can undo, else none.

    A breach never lowers the severity at which the alert fires for the window before. An absence is over.
    """
    if isinstance(condition, Absence):
        verdict = _absence(condition, view, at)
        return verdict if verdict.kind is Kind.CLEAR else UNJUDGED
    verdict = UNJUDGED
    if isinstance(condition, Threshold) and may_be_early(condition):
        verdict = _threshold(condition, view, at, None)
    elif isinstance(condition, Spike) and may_be_early(condition):
        verdict = _spike(condition, view, at, None)
    if verdict.kind is not Kind.BREACH or verdict.severity is None:
        return UNJUDGED
    return msgspec.structs.replace(verdict, severity=max(verdict.severity, firing or verdict.severity), so_far=True)


def standing(condition: Condition, view: View, at: Instant, firing: Severity | None, held: Held = ()) -> Verdict:
    """The verdict that holds at an instant: between the ends of a calendar window that of the last one."""
    verdict = judge(condition, view, at, firing, held)
    period = period_of(condition)
    if period is None or verdict.kind is not Kind.UNJUDGED or period.is_end(at.end, view.zone):
        return verdict
    end = period.last_end(at.end, view.zone)
    return judge(condition, view, Instant(end, end * 1_000_000), firing, held)


def _as(verdict: Verdict, kind: Kind, severity: Severity, parts: tuple[Verdict, ...]) -> Verdict:
    return Verdict(
        kind,
        severity if kind is Kind.BREACH else None,
        verdict.value,
        verdict.baseline,
        verdict.limit,
        verdict.window_start,
        verdict.window_end,
        verdict.counts,
        verdict.baseline_of,
        verdict.limit_of,
        parts=parts,
    )


def _combine(
    condition: All | AnyOf, decisive: Kind, view: View, at: Instant, firing: Severity | None, held: Held
) -> Verdict:
    """Kleene logic: `all` is decided by one clear, `any` by one breach; else an unknown part makes it unknown.

    Parts after the one that decides are not looked at, unless they have to be remembered.
    """
    severity = condition.severity
    verdicts: list[Verdict] = []
    decider: Verdict | None = None
    for part, (part_firing, part_held) in zip(condition.parts, firing_of_parts(condition, firing, held), strict=True):
        verdict = standing(part, view, at, part_firing, part_held)
        verdicts.append(verdict)
        if verdict.kind is decisive and decider is None:
            decider = verdict
            if not condition.has_memory:
                break
    if decider is not None:
        return _as(decider, decisive, severity, tuple(verdicts))
    kind = _undecided(verdicts, of_any=decisive is Kind.BREACH) or (
        Kind.BREACH if decisive is Kind.CLEAR else Kind.CLEAR
    )
    return _as(verdicts[0], kind, severity, tuple(verdicts))


def firing_of_parts(condition: All | AnyOf, firing: Severity | None, held: Held) -> Held:
    """The severity at which each part counts as firing while the combination fires at `firing`, with what it holds.

    All parts of an `all` hold then, one without levels of its own at the rule's severity; of an `any` those that
    breached and are not clear.
    """
    parts = [held_by(held, n) for n in range(len(condition.parts))]
    if isinstance(condition, AnyOf):
        return tuple(parts)
    grades = condition.grades or (True,) * len(parts)
    own = None if firing is None else condition.severity
    return tuple((firing if graded else own, inner) for (_, inner), graded in zip(parts, grades, strict=True))


def _graded(condition: All | AnyOf, view: View, at: Instant, firing: Severity | None, held: Held) -> Verdict:
    """Parts with levels of their own say how severe it is: the least severe in an `all`, the most severe in an `any`.

    Less than the least severe is not true of all. A part of an `any` without levels is of the rule's severity.
    """
    own = condition.severity
    is_all = isinstance(condition, All)
    verdicts: list[Verdict] = []
    decider: Verdict | None = None
    for part, (part_firing, part_held) in zip(condition.parts, firing_of_parts(condition, firing, held), strict=True):
        verdict = standing(part, view, at, part_firing, part_held)
        verdicts.append(verdict)
        if is_all and verdict.kind is Kind.CLEAR and decider is None:
            decider = verdict
            if not condition.has_memory:
                break
    if decider is not None:
        return _as(decider, Kind.CLEAR, own, tuple(verdicts))
    told = [
        ((verdict.severity if graded else None) or own, verdict)
        for verdict, graded in zip(verdicts, condition.grades, strict=True)
        if verdict.kind is Kind.BREACH and (graded or not is_all)
    ]
    kind = _undecided(verdicts, of_any=not is_all)
    if is_all:
        worst = own if kind else min(severity for severity, _ in told)
        return _as(verdicts[0], kind or Kind.BREACH, worst, tuple(verdicts))
    if told:
        severity, verdict = max(told, key=lambda found: found[0])
        return _as(verdict, Kind.BREACH, severity, tuple(verdicts))
    return _as(verdicts[0], kind or Kind.CLEAR, own, tuple(verdicts))


def _undecided(verdicts: list[Verdict], *, of_any: bool) -> Kind | None:
    """What an unknown part makes of a combination that no part has decided.

    A part without a bound for the group, or outside of its hours, is no part of an `any`; an `all` is as that part is.
    """
    kinds = {v.kind for v in verdicts}
    if of_any:
        kinds = kinds - {Kind.NO_BOUND, Kind.CLOSED} or kinds
    order = (Kind.NO_BOUND, Kind.CLOSED, Kind.UNJUDGED, Kind.NO_DATA)
    return next((kind for kind in order if kind in kinds), None)


# ---- threshold -----------------------------------------------------------------------------------------------------


def levels_of(condition: Threshold | Share, labels: dict[str, str]) -> tuple[Level, ...]:
    """The levels that hold for a group: of the first override that matches, else the rule's own; tables looked up."""
    levels = condition.levels
    for override in condition.overrides:
        if all(matches(labels.get(name, ""), pattern) for name, pattern in override.match):
            levels = override.levels
            break
    return looked_up(levels, labels) if condition.has_tables else levels


def resolve(condition: Condition, labels: dict[str, str]) -> Condition:
    """The condition as it stands for one group: overrides applied, tables looked up."""
    match condition:
        case Threshold() | Share() if condition.overrides or condition.has_tables:
            levels = levels_of(condition, labels)
            return replace(condition, levels=levels, overrides=(), unbound=unbound(condition, levels))
        case All(parts=parts, severity=severity):
            return All(tuple(resolve(p, labels) for p in parts), severity)
        case AnyOf(parts=parts, severity=severity):
            return AnyOf(tuple(resolve(p, labels) for p in parts), severity)
        case Not(part=part, severity=severity):
            return Not(resolve(part, labels), severity)
        case Threshold() | Share() | Spike() | Absence() | Change() | NewValue() | Projection() | Anomaly():
            return condition
        case _:
            assert_never(condition)


def _only_grows(series: SeriesDef) -> bool:
    """Whether more events can only add to it: a count, or a sum of what is declared never negative."""
    if series.aggregate is Aggregate.SUM:
        return series.field is not None and is_non_negative(series.event_type, series.field)
    return series.aggregate is Aggregate.COUNT


def may_be_early(condition: Condition) -> bool:
    """Whether more events cannot undo a breach, so that it may be told before its window has closed."""
    match condition:
        case Threshold(expression=Measured(series), levels=levels):
            bounds = bool(levels) and all(level.breach.is_upward for level in levels)
        case Spike(expression=Measured(series)):
            bounds = condition.rises and not condition.falls
        case NewValue(expression=Measured(series)):
            bounds = True
        case Threshold() | Spike() | NewValue():  # of a formula: more events of one of its series may undo it
            return False
        case Absence() | Change() | Share() | Projection() | Anomaly() | All() | AnyOf() | Not():
            return False
        case _:
            assert_never(condition)
    return bounds and _only_grows(series)


def only_rises(condition: Condition) -> bool:
    """Whether data that leaves a window can only end a breach, never begin one (levels aside)."""
    match condition:
        case Threshold(expression=Measured(series), levels=levels):
            up = all(level.breach.is_upward for level in levels)
            if condition.of_measures:
                return False  # what leaves the window of a bound moves the bound
            return series.is_level or (up and _only_grows(series))
        case NewValue():
            return True
        case All(parts=parts) | AnyOf(parts=parts):
            return all(only_rises(p) for p in parts)
        case Threshold() | Spike() | Absence() | Change() | Share() | Projection() | Anomaly() | Not():
            return False
        case _:
            assert_never(condition)


def _threshold(condition: Threshold, view: View, at: Instant, firing: Severity | None) -> Verdict:
    start = start_of(condition.window_s, at.end, view.zone)
    flows = condition.flows
    found = value_of(condition.expression, view, at, start, at.end)
    value = None if found is None else shown(found)
    span = (start, at.end) if flows else (None, None)
    if not condition.levels:
        return Verdict(Kind.NO_BOUND, None, value, None, None, span[0], span[1], NOTHING, "", condition.unbound)
    incomplete = not is_complete(flows, view, at, start)
    # What is missing can only add to a count, a sum or a distinct count: a breach from above stands all the same.
    if incomplete and not (isinstance(condition.expression, Measured) and flows[0].is_additive):
        return UNJUDGED
    levels, counts = condition.levels, NOTHING
    if condition.of_measures:
        bounded = settled(condition, view, at)
        if bounded is Kind.UNJUDGED or (incomplete and bounded is Kind.NO_DATA):
            return UNJUDGED
        if isinstance(bounded, Kind):
            return Verdict(Kind.NO_DATA, None, value, None, None, span[0], span[1], NOTHING, "", without(condition))
        levels, counts = bounded
    if found is None:
        return UNJUDGED if incomplete else Verdict(Kind.NO_DATA, None, None, None, None, *span)
    level = _reached(levels, found, firing)
    severity = None if level is None else level.severity
    bounds = (level or levels[0]).breach
    if incomplete and (severity is None or not bounds.is_upward):
        return UNJUDGED
    kind = Kind.CLEAR if severity is None else Kind.BREACH
    return Verdict(kind, severity, value, None, bounds.shown, span[0], span[1], counts, "", bounds.shown_of)


def breached(levels: tuple[Level, ...], value: Exact) -> bool:
    """Whether a value, in millionths, breaches any level."""
    return any(level.breach.hold(value) for level in levels)


def _reached(levels: tuple[Level, ...], value: Exact, firing: Severity | None) -> Level | None:
    """The highest level that breaches, or that fires already and is not clear."""
    for level in reversed(levels):
        if level.breach.hold(value):
            return level
        if firing is not None and level.severity <= firing and level.clear is not None and not level.clear.hold(value):
            return level
    return None


# ---- spike ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Usual:
    """What is usual. value: in millionths; mad: of its windows, in millionths; of: in words.

    values: of the windows; of one stretch before, its mean in the length of a window. lengths: how many windows long
    all of them are together. history: the windows, each (start, end, value).
    """

    value: Exact
    mad: Exact
    values: tuple[Exact, ...]
    lengths: float
    of: str
    history: tuple[tuple[int, int, float | None], ...]

    @property
    def level(self) -> float:
        """The mean of the windows, with what lies far out pulled in, for the noise of counts."""
        if len(self.values) == 1:
            return shown(self.value)
        return mean_within([shown(v) for v in self.values], shown(self.value), self.sigma)

    @property
    def sigma(self) -> float:
        return shown(self.mad) * MAD_TO_SIGMA


def _baseline(condition: Spike, view: View, at: Instant) -> _Usual | Kind:
    """The first choice of which enough is known, or why there is none."""
    baseline, window = condition.baseline, condition.window_s
    dates = usual.dates_of(baseline, window, at.end, view.zone)
    because = ""
    kind = Kind.UNJUDGED
    for choice in usual.choices(baseline, window, dates):
        found = _previous(condition, choice, view, at) if choice.previous_s else _season(condition, choice, view, at)
        if isinstance(found, _Usual):
            return found if not because else replace(found, of=f"{found.of}, because {because}")
        known, reason = found
        if reason is Kind.NO_DATA:
            kind = reason
        because = f"{because} and {choice.shortage(known)}" if because else choice.shortage(known)
    return kind


def _previous(condition: Spike, choice: Choice, view: View, at: Instant) -> _Usual | tuple[int, Kind]:
    window, length = condition.window_s, choice.previous_s
    assert isinstance(window, int)  # before a day is the day before
    end = at.end - window
    if not is_complete(condition.flows, view, at, end - length):
        return 0, Kind.UNJUDGED
    value = value_of(condition.expression, view, at, end - length, end, per=window)
    if value is None:
        return 0, Kind.NO_DATA
    return _Usual(value, 0, (value,), length / window, choice.known(1), ((end - length, end, shown(value)),))


def _season(condition: Spike, choice: Choice, view: View, at: Instant) -> _Usual | tuple[int, Kind]:
    window, expression = condition.window_s, condition.expression
    windows = 0
    values: list[Exact] = []
    history: list[tuple[int, int, float | None]] = []
    for back in choice.backs:
        start, end = earlier(window, at.end, back, view.zone)
        if not is_complete(condition.flows, view, at, start):
            continue
        windows += 1
        value = value_of(expression, view, at, start, end)
        history.append((start, end, None if value is None else shown(value)))
        if value is not None:
            values.append(value)
    if windows < choice.least:
        return windows, Kind.UNJUDGED
    if len(values) < choice.least:
        return len(values), Kind.NO_DATA
    middle = _median(values)
    mad = _median([size(v - middle) for v in values])
    known = len(values)
    return _Usual(middle, mad, tuple(values), known, choice.known(known), tuple(history))


def _median(values: list[Exact]) -> Exact:
    ranked, half = sorted(values), len(values) // 2
    return ranked[half] if len(values) % 2 else part_of(ranked[half - 1] + ranked[half], 1, 2)


def _is_count(expression: Expression) -> bool:
    return isinstance(expression, Measured) and expression.series.aggregate is Aggregate.COUNT


def _spike(condition: Spike, view: View, at: Instant, firing: Severity | None) -> Verdict:
    start = start_of(condition.window_s, at.end, view.zone)
    hours = hours_of(condition)
    if hours is not None and not hours.hold(start, at.end, view.zone):
        # Closed days bound falls; what rises on them is compared with days like them, unless hours say otherwise.
        rise = condition.rising if not condition.hours else None
        verdict = CLOSED if rise is None else _spike(rise, view, at, firing)
        return verdict if verdict.kind is Kind.BREACH else CLOSED
    if not is_complete(condition.flows, view, at, start):
        return UNJUDGED
    found = _baseline(condition, view, at)
    if found is Kind.UNJUDGED:
        return UNJUDGED
    value = value_of(condition.expression, view, at, start, at.end)
    if isinstance(found, Kind) or value is None:
        return Verdict(Kind.NO_DATA, None, None if value is None else shown(value), None, None, start, at.end)
    baseline = found.value
    is_count = _is_count(condition.expression)
    counts: dict[str, float] = {"windows": len(found.values)}
    if condition.deviations is not None or not condition.baseline.previous_s:
        counts["sigma"] = max(found.sigma, sqrt(max(shown(baseline), 0.0)) if is_count else 0.0)
    far = breach = _spike_breaches(condition, value, baseline, found.mad, is_count=is_count)
    if far and is_count and condition.chance is not None:
        falling = value < baseline
        noise = noise_of([shown(v) for v in found.values], found.level, found.sigma, found.lengths, falling=falling)
        counts["dispersion"] = noise.dispersion
        counts["chance"] = noise.falls(shown(value)) if falling else noise.rises(shown(value))
        breach = counts["chance"] <= condition.chance
    # Chance says what begins: with every window it wavers around its limit, and would end what has not changed.
    held = firing is not None and not breach and (far or _spike_holds(condition, value, baseline))
    kind = Kind.BREACH if breach or held else Kind.CLEAR
    severity = condition.severity if kind is Kind.BREACH else None
    limit = _spike_limit(condition, baseline, up=value >= baseline)
    return Verdict(
        kind, severity, shown(value), shown(baseline), limit, start, at.end, counts, found.of, history=found.history
    )


def _spike_limit(condition: Spike, baseline: Exact, *, up: bool) -> float | None:
    """The number that a value in this direction is compared with."""
    if up and condition.rises:
        ratio, difference, furthest = condition.above, condition.above_by, max
    elif condition.falls:
        ratio, difference, furthest = condition.below, condition.below_by, min
        difference = None if difference is None else -difference
    else:
        return None
    limits = [part_of(baseline, *parts(ratio))] if ratio is not None else []
    limits += [baseline + exact(difference)] if difference is not None else []
    return shown(furthest(limits))


def _spike_breaches(condition: Spike, value: Exact, baseline: Exact, mad: Exact, *, is_count: bool) -> bool:
    far = condition.deviations
    alone = far is not None and not condition.rises and not condition.falls
    has_ratio = _is_comparable(condition, baseline)
    if condition.usual_at_least is not None and not has_ratio:
        return False
    # A difference needs no baseline.
    rise = (alone and has_ratio) or (condition.rises and (has_ratio or condition.above is None))
    rise = rise and (condition.above is None or _is_more(value, condition.above, baseline))
    rise = rise and (condition.above_by is None or value > baseline + exact(condition.above_by))
    rise = rise and (condition.at_least is None or value >= exact(condition.at_least))
    rise = rise and (far is None or _is_far(value - baseline, far, baseline, mad, is_count=is_count))
    fall = (alone and has_ratio) or (condition.falls and (has_ratio or condition.below is None))
    fall = fall and (condition.below is None or _is_less(value, condition.below, baseline))
    fall = fall and (condition.below_by is None or value < baseline - exact(condition.below_by))
    fall = fall and (far is None or _is_far(baseline - value, far, baseline, mad, is_count=is_count))
    return rise or fall


def _is_comparable(condition: Spike, baseline: Exact) -> bool:
    """Whether a ratio to this usual value says anything: nothing is a multiple of nothing."""
    least = condition.usual_at_least
    return baseline > 0 if least is None else baseline >= exact(least)


def _is_more(value: Exact, ratio: float, baseline: Exact) -> bool:
    """value > ratio × baseline, multiplied out."""
    times, over = parts(ratio)
    return value * over > times * baseline


def _is_less(value: Exact, ratio: float, baseline: Exact) -> bool:
    times, over = parts(ratio)
    return value * over < times * baseline


def _is_far(distance: Exact, deviations: float, baseline: Exact, mad: Exact, *, is_count: bool) -> bool:
    """Whether a distance is more than so many deviations; for counts a deviation is √baseline at least."""
    times, over = parts(deviations)
    sigma_times, sigma_over = parts(MAD_TO_SIGMA)
    if distance * over * sigma_over <= times * sigma_times * mad:
        return False
    # Squared, so that no root is taken: of millionths, hence the scale.
    return not is_count or (distance * over) ** 2 > times * times * baseline * SCALE


def _spike_holds(condition: Spike, value: Exact, baseline: Exact) -> bool:
    """Inside the band between breach and clear.

    A ratio to too little says nothing, so it keeps nothing open; a difference does. Nothing where nothing is usual is
    as usual as can be, and in no band.
    """
    below, above = condition.clear_below, condition.clear_above
    below_by, above_by = condition.clear_below_by, condition.clear_above_by
    if not _is_comparable(condition, baseline):
        below = above = None
    if (below is None and above is None and below_by is None and above_by is None) or (not value and not baseline):
        return False
    return not (
        (below is None or _is_less(value, below, baseline))
        and (above is None or _is_more(value, above, baseline))
        and (below_by is None or value < baseline + exact(below_by))
        and (above_by is None or value > baseline + exact(above_by))
    )


# ---- absence -------------------------------------------------------------------------------------------------------


def _absence(condition: Absence, view: View, at: Instant) -> Verdict:
    start = start_of(condition.window_s, at.end, view.zone)
    value = value_of(condition.expression, view, at, start, at.end)
    if value:
        return Verdict(Kind.CLEAR, None, shown(value), None, None, start, at.end)
    if not is_complete(condition.flows, view, at, start):
        return UNJUDGED
    if value is None and any(s.is_additive or not view.has_events(s, at.end) for s in condition.flows):
        return Verdict(Kind.NO_DATA, None, None, None, None, start, at.end)
    hours = hours_of(condition)
    if hours is not None and not hours.hold(start, at.end, view.zone):
        return UNJUDGED
    return Verdict(Kind.BREACH, condition.severity, 0.0, None, None, start, at.end)
