"""Spike: a value against what is usual (`rule.condition.baseline_windows`), for counts beyond their `measure.noise`."""

from dataclasses import dataclass, replace
from math import floor, inf, sqrt

from lockstep.measure.definition import Aggregate, Expression, Measured
from lockstep.measure.exact import SCALE, Exact, exact, part_of, parts, shown, size
from lockstep.measure.noise import mean_within, noise_of
from lockstep.measure.possible_values import only_grows
from lockstep.rule.condition import baseline_windows
from lockstep.rule.condition.baseline_windows import Choice
from lockstep.rule.condition.condition_kind import (
    Band,
    ConditionKind,
    Figures,
    NeverMet,
    Rise,
    Screen,
    When,
    in_period,
    same_for_all,
)
from lockstep.rule.condition.hours import hours_of
from lockstep.rule.condition.kinds import Severity, Spike, period_of
from lockstep.rule.condition.period import Period, earlier, longest_s, start_of
from lockstep.rule.condition.view import CLOSED, UNJUDGED, Instant, Kind, Verdict, View, is_complete, value_of
from lockstep.rule.condition.words import USUAL, Facts
from lockstep.text.figures import number_text
from lockstep.text.rfc3339 import SECOND
from lockstep.text.time_units import DAY_S

Stretch = tuple[int, int]
"""[start, end) in seconds."""

MAD_TO_SIGMA = 1.4826
"""The median absolute deviation of a normal distribution times this is its standard deviation."""


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
    dates = baseline_windows.dates_of(baseline, window, at.end, view.zone)
    because = ""
    kind = Kind.UNJUDGED
    for choice in baseline_windows.choices(baseline, window, dates):
        attempt = _previous(condition, choice, view, at) if choice.previous_s else _season(condition, choice, view, at)
        if isinstance(attempt, _Usual):
            return attempt if not because else replace(attempt, of=f"{attempt.of}, because {because}")
        known, reason = attempt
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


def judge_spike(condition: Spike, view: View, at: Instant, firing: Severity | None) -> Verdict:
    """The value of the window against the first baseline of which enough is known."""
    start = start_of(condition.window_s, at.end, view.zone)
    hours = hours_of(condition)
    if hours is not None and not hours.hold(start, at.end, view.zone):
        # Closed days bound falls; what rises on them is compared with days like them, unless hours say otherwise.
        rise = condition.rising if not condition.hours else None
        verdict = CLOSED if rise is None else judge_spike(rise, view, at, firing)
        return verdict if verdict.kind is Kind.BREACH else CLOSED
    if not is_complete(condition.flows, view, at, start):
        return UNJUDGED
    reference = _baseline(condition, view, at)
    if reference is Kind.UNJUDGED:
        return UNJUDGED
    value = value_of(condition.expression, view, at, start, at.end)
    if isinstance(reference, Kind) or value is None:
        return Verdict(Kind.NO_DATA, None, None if value is None else shown(value), None, None, start, at.end)
    baseline = reference.value
    is_count = _is_count(condition.expression)
    counts: dict[str, float] = {"windows": len(reference.values)}
    if condition.deviations is not None or not condition.baseline.previous_s:
        counts["sigma"] = max(reference.sigma, sqrt(max(shown(baseline), 0.0)) if is_count else 0.0)
    far = breach = _spike_breaches(condition, value, baseline, reference.mad, is_count=is_count)
    if far and is_count and condition.chance is not None:
        falling = value < baseline
        noise = noise_of(
            [shown(v) for v in reference.values], reference.level, reference.sigma, reference.lengths, falling=falling
        )
        counts["dispersion"] = noise.dispersion
        counts["chance"] = noise.falls(shown(value)) if falling else noise.rises(shown(value))
        breach = counts["chance"] <= condition.chance
    # Chance says what begins: with every window it wavers around its limit, and would end what has not changed.
    held = firing is not None and not breach and (far or _spike_holds(condition, value, baseline))
    kind = Kind.BREACH if breach or held else Kind.CLEAR
    severity = condition.severity if kind is Kind.BREACH else None
    limit = _spike_limit(condition, baseline, up=value >= baseline)
    return Verdict(
        kind,
        severity,
        shown(value),
        shown(baseline),
        limit,
        start,
        at.end,
        counts,
        reference.of,
        history=reference.history,
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


def _when(leaf: Spike) -> When:
    period, window = period_of(leaf), leaf.window_s
    if isinstance(window, Period):
        borders, reach = {0}, 2 * window.longest_s + baseline_windows.furthest_back(leaf.baseline)
    else:
        dated = baseline_windows.is_dated(leaf.baseline)
        choices = baseline_windows.choices(leaf.baseline, window, None)
        borders = {0, window} if dated else baseline_windows.offsets(choices, window)
        reach = baseline_windows.furthest(leaf.baseline, window)
    return When(
        offsets=frozenset(borders),
        level_offsets=in_period(period),
        beginnings=frozenset(),
        reach_s=reach,
        memory_s=0,
        hours=hours_of(leaf) if period is None else None,
        hours_window_s=0 if isinstance(window, Period) else window,
        period=period,
        expected=frozenset(),
        reads_the_past=False,
        baselines=() if isinstance(window, Period) else ((leaf.baseline, window),),
        early_s=0 if isinstance(window, Period) else window,
        compares_values=False,
        restless=False,
    )


def _may_be_early(spike: Spike) -> bool:
    """Not of a formula: more events of one of its series may undo it."""
    expression = spike.expression
    return spike.rises and not spike.falls and isinstance(expression, Measured) and only_grows(expression.series)


def _lengths_s(spike: Spike) -> tuple[int, ...]:
    window = (spike.window_s,) if isinstance(spike.window_s, int) else ()
    return (*window, *([spike.baseline.previous_s] if spike.baseline.previous_s else []))


def _looks_back_s(spike: Spike) -> int:
    window = longest_s(spike.window_s)
    links = baseline_windows.chain(spike.baseline)
    return max(
        window + max(link.previous_s or 0, 7 * DAY_S * (link.weeks or 0), DAY_S * (link.days or 0)) for link in links
    )


def _directions(spike: Spike) -> tuple[tuple[str, Spike], ...]:
    if spike.above is None or spike.below is None:
        return ()
    rise, fall = replace(spike, below=None, clear_above=None), replace(spike, above=None, clear_below=None)
    return ("above", rise), ("below", fall)


def _never_met(spike: Spike) -> tuple[NeverMet, ...]:
    if spike.below != 0 or spike.below_by is not None or spike.rises:
        return ()
    message = "nothing is less than 0 times its usual value"
    return (NeverMet("below", message, "write one like 0.5x, or an absence"),)


def _template_names(spike: Spike) -> frozenset[str]:
    limit = ["limit"] if spike.rises or spike.falls else []
    return frozenset({"baseline", "baseline_of", "ratio", *limit})


def _compares_nothing(facts: Facts) -> str:
    if facts.baseline is None:
        return ""
    least = facts.asked.get("usual_at_least")
    if isinstance(least, float):
        asks = f"too little to compare with: usual_at_least asks for {number_text(least)}"
        return "" if facts.baseline >= least else asks
    is_ratio = "above" in facts.asked or "below" in facts.asked
    return "" if facts.baseline > 0 or not is_ratio else "and nothing is a multiple of nothing"


WORDS = replace(USUAL, compares_nothing=_compares_nothing)


def _screen(spike: Spike) -> Screen | None:
    if not isinstance(spike.window_s, int) or any(s.is_level for s in spike.series):
        return None
    return _rise(spike, spike.window_s) if _may_be_early(spike) else _band(spike, spike.window_s)


def _rise(spike: Spike, window_s: int) -> Rise:
    """What is usual at the same time of other days is looked at where a bucket end has the least number."""
    (series,) = spike.series
    least = 0 if spike.at_least is None else max(0, floor(exact(spike.at_least)))
    usual_s = spike.baseline.previous_s
    if usual_s is None or spike.baseline.otherwise is not None:
        return Rise(series, window_s, least, closer=_band(spike, window_s))
    times, over = (0, 1) if spike.above is None else parts(spike.above)
    more = None if spike.above_by is None else floor(exact(spike.above_by))
    return Rise(series, window_s, least, usual_s, times, over, more)


def _band(spike: Spike, window_s: int) -> Band | None:
    """By the ratios to the stretch before: deviations, chance and differences only make a breach rarer."""
    previous_s = spike.baseline.previous_s
    has_ratios = (spike.falls or spike.rises) and not (
        (spike.falls and spike.below is None) or (spike.rises and spike.above is None)
    )
    if not has_ratios:
        return _far(spike, window_s) if not spike.rises and not spike.falls else None
    least = None if spike.usual_at_least is None else exact(spike.usual_at_least)
    low, high = (None if ratio is None else parts(ratio) for ratio in (spike.below, spike.above))
    if previous_s is None or spike.baseline.otherwise is not None:
        asks = ("spike", spike.expression, window_s, spike.baseline)
        return Band(asks, _Season(spike, window_s).figures, low, high, least, is_seasonal=True)

    def read(view: View, end: int) -> Figures | None:
        at, begins = Instant(end, end * SECOND), end - window_s
        value = value_of(spike.expression, view, at, begins, end)
        usual = value_of(spike.expression, view, at, begins - previous_s, begins, per=window_s)
        if value is None or usual is None or (not value and not usual) or (least is None and usual <= 0):
            return None  # nothing is a multiple of nothing
        return value, usual

    return Band(("spike", spike.expression, window_s, previous_s, least is None), read, low, high, least)


def _far(spike: Spike, window_s: int) -> Band | None:
    """Of a count that may be far from usual in both directions: the square of its distance against what is usual."""
    if spike.deviations is None or not _is_count(spike.expression):
        return None
    season = _Season(spike, window_s)

    def read(view: View, end: int) -> Figures | None:
        figures = season.figures(view, end)
        return None if figures is None else ((figures[0] - figures[1]) ** 2, figures[1] * SCALE)

    times, over = parts(spike.deviations)
    least = None if spike.usual_at_least is None else exact(spike.usual_at_least) * SCALE
    is_seasonal = spike.baseline.previous_s is None or spike.baseline.otherwise is not None
    asks = ("far", spike.expression, window_s, spike.baseline, least is None)
    return Band(asks, read, None, (times * times, over * over), least, is_seasonal)


class _Season:
    """What is usual of a window by earlier days or weeks, as `_baseline` has it, and without all that a verdict shows.

    The windows of one bucket end are looked up once for all groups.
    """

    def __init__(self, spike: Spike, window_s: int) -> None:
        self._spike, self._window_s = spike, window_s
        self._at: tuple[int, tuple[tuple[Choice, tuple[Stretch, ...]], ...]] = (-1, ())

    def figures(self, view: View, end: int) -> Figures | None:
        """The value of the window and what is usual; None where that cannot lead to a breach."""
        spike, at = self._spike, Instant(end, end * SECOND)
        value = value_of(spike.expression, view, at, end - self._window_s, end)
        if value is None:
            return None
        usual = self._usual(view, at)
        if usual is None or (not value and not usual) or (spike.usual_at_least is None and usual <= 0):
            return None  # nothing is a multiple of nothing
        return value, usual

    def _usual(self, view: View, at: Instant) -> Exact | None:
        known, choices = self._at
        if known != at.end:
            choices = self._looked_up(view, at.end)
            self._at = at.end, choices
        spike = self._spike
        since = max((view.complete_from(s) for s in spike.flows if view.has_events(s, at.end)), default=-inf)
        for choice, stretches in choices:
            if choice.previous_s:
                before = _previous(spike, choice, view, at)
                if isinstance(before, _Usual):
                    return before.value
                continue
            complete = [stretch for stretch in stretches if stretch[0] >= since]
            if len(complete) < choice.least:
                continue
            each = (value_of(spike.expression, view, at, start, end) for start, end in complete)
            values = [value for value in each if value is not None]
            if len(values) >= choice.least:
                return _median(values)
        return None

    def _looked_up(self, view: View, end: int) -> tuple[tuple[Choice, tuple[Stretch, ...]], ...]:
        """The choices at a bucket end, each with the windows that it is of."""
        baseline, window, zone = self._spike.baseline, self._window_s, view.zone
        chosen = baseline_windows.choices(baseline, window, baseline_windows.dates_of(baseline, window, end, zone))
        return tuple((choice, tuple(earlier(window, end, back, zone) for back in choice.backs)) for choice in chosen)


SPIKE = ConditionKind(
    of=Spike,
    identity=(
        *("expression", "window_s", "baseline", "severity", "above", "below", "deviations", "at_least"),
        *("usual_at_least", "clear_below", "clear_above", "above_by", "below_by", "clear_below_by", "clear_above_by"),
        "chance",
    ),
    yaml_words=("spike",),
    word=lambda _: "spike",
    judge=judge_spike,
    when=_when,
    for_group=same_for_all,
    is_alike=lambda _: True,
    may_be_early=_may_be_early,
    clears_early=False,
    only_rises=lambda _: False,
    screen=_screen,
    window=lambda condition: condition.window_s,
    hours=lambda spike: spike.hours,
    lengths_s=_lengths_s,
    looks_back_s=_looks_back_s,
    learns_s=lambda _: 0,
    severities=lambda spike: (spike.severity,),
    directions=_directions,
    never_met=_never_met,
    template_names=_template_names,
    words=WORDS,
)
