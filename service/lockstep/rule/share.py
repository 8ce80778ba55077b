"""Shares and ratios: one measure as a part of another, with a least number of the whole.

Wilson's score interval says how sure a share is: of 2 in 10 the true share may well be 5 %, of 200 in 1,000 hardly
below 18 %. Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22
(1927) 209-212; recommended over the textbook interval for small numbers by Brown, Cai and DasGupta, Statistical
Science 16 (2001) 101-133. One-sided here: only the side of the limit matters.
"""

from functools import lru_cache
from math import sqrt
from statistics import NormalDist

from lockstep.rule.condition import Bounds, Level, Severity, Share
from lockstep.rule.settle import settled, without
from lockstep.rule.view import UNJUDGED, Instant, Kind, Verdict, View, is_complete, value_of


@lru_cache(maxsize=64)
def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(confidence)


def wilson_bounds(share: float, whole: float, confidence: float) -> tuple[float, float]:
    """The lowest and the highest true share, each of which holds with this probability.

    share: 0 to 1, what was seen; beyond that it counts as 0 or 1 (more returns than orders in one window). whole: of
    how many, more than 0. Weakness: it takes every event of the whole for independent of the others; a customer who
    fails ten times is ten failures.
    """
    p, z = min(max(share, 0.0), 1.0), _z(confidence)
    square = z * z
    middle = p + square / (2 * whole)
    margin = z * sqrt(p * (1 - p) / whole + square / (4 * whole * whole))
    scale = 1 + square / whole
    # At the ends the bound is the end itself, which the rounding of the roots might miss.
    return 0.0 if p <= 0 else (middle - margin) / scale, 1.0 if p >= 1 else (middle + margin) / scale


def judge_share(condition: Share, view: View, at: Instant, firing: Severity | None) -> Verdict:
    """Too little of the whole is clear: whatever the share, nobody should act on it."""
    start = at.end - (condition.window_s or 0)
    opens, closes = (start, at.end) if condition.flows else (None, None)
    if not condition.levels:
        return Verdict(Kind.NO_BOUND, None, None, None, None, opens, closes, limit_of=condition.unbound)
    bounded = settled(condition, view, at)
    if bounded is Kind.UNJUDGED or not is_complete(condition.flows, view, at, start):
        return UNJUDGED
    part = value_of(condition.part, view, at, start, at.end)
    whole = value_of(condition.whole, view, at, start, at.end)
    if part is None or whole is None:
        return Verdict(Kind.NO_DATA, None, None, None, None, opens, closes)
    counts = {"part": part, "of": whole, "of_at_least": condition.least}
    if whole < condition.least or whole <= 0:
        return Verdict(Kind.CLEAR, None, None, None, None, opens, closes, counts)
    share = low = high = part / whole
    if isinstance(bounded, Kind):
        return Verdict(Kind.NO_DATA, None, share, None, None, opens, closes, limit_of=without(condition))
    levels, more = bounded
    counts |= more
    if condition.confidence is not None:
        low, high = wilson_bounds(share, whole, condition.confidence)
        counts |= {"lowest": low, "highest": high}
    level = _reached(levels, share, low, high, firing)
    kind, severity = (Kind.CLEAR, None) if level is None else (Kind.BREACH, level.severity)
    bounds = (level or levels[0]).breach
    return Verdict(kind, severity, share, None, bounds.shown, opens, closes, counts, "", bounds.shown_of)


def _reached(levels: tuple[Level, ...], share: float, low: float, high: float, firing: Severity | None) -> Level | None:
    """The highest level that breaches surely, or that fires already and is not clear."""
    for level in reversed(levels):
        breach = level.breach
        if Bounds(above=breach.above, at_least=breach.at_least).hold(low) and (
            Bounds(below=breach.below, at_most=breach.at_most).hold(high)
        ):
            return level
        if firing is not None and level.severity <= firing and level.clear is not None and not level.clear.hold(share):
            return level
    return None
