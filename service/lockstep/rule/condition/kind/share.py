"""Shares and ratios: one measure as a part of another, with a least number of the whole.

Wilson's score interval says how sure a share is: of 2 in 10 the true share may well be 5 %, of 200 in 1,000 hardly
below 18 %. Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22
(1927) 209-212; recommended over the textbook interval for small numbers by Brown, Cai and DasGupta, Statistical
Science 16 (2001) 101-133. One-sided here: only the side of the limit matters.
"""

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from math import sqrt
from statistics import NormalDist

from lockstep.measure.exact import SCALE, Exact, Written, exact, fraction, quotient, shown
from lockstep.rule.condition import levels as by_levels
from lockstep.rule.condition.bound import Bounds
from lockstep.rule.condition.bound_values import settled, without
from lockstep.rule.condition.condition_kind import Band, ConditionKind, Figures
from lockstep.rule.condition.kinds import Level, Severity, Share
from lockstep.rule.condition.period import start_of
from lockstep.rule.condition.view import UNJUDGED, Instant, Kind, Verdict, View, is_complete, value_of
from lockstep.rule.condition.words import USUAL, Facts, usual_in_reason
from lockstep.text.figures import PERCENT, number_text
from lockstep.text.rfc3339 import SECOND


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


def _surely_more(share: Fraction, limit: Fraction, whole: Fraction, confidence: float, *, also_equal: bool) -> bool:
    """Whether the lowest true share lies above a limit (also_equal: or on it); no root is taken.

    The ends of Wilson's interval are the true shares t from which what was seen is z deviations away:
    (share - t)² · whole = z² · t · (1 - t).
    """
    if limit < 0 or limit >= share:
        return limit < 0 or (also_equal and limit == share == 0)
    distance, chance = (share - limit) ** 2 * whole, Fraction(_z(confidence)) ** 2 * limit * (1 - limit)
    return distance > chance or (also_equal and distance == chance)


def surely(bounds: Bounds, share: Fraction, whole: Fraction, confidence: float) -> bool:
    """Whether bounds hold for the end of Wilson's interval on their side, and not only for the share that was seen.

    3 of 10 are not surely `above: 20%`, 300 of 1,000 are. share, whole, confidence: see `wilson_bounds`.
    """
    p = min(max(share, Fraction(0)), Fraction(1))

    def beyond(limit: Written | None, *, up: bool, also_equal: bool) -> bool:
        if limit is None:
            return True
        seen, bound = (p, fraction(limit)) if up else (1 - p, 1 - fraction(limit))
        return _surely_more(seen, bound, whole, confidence, also_equal=also_equal)

    return (
        beyond(bounds.above, up=True, also_equal=False)
        and beyond(bounds.at_least, up=True, also_equal=True)
        and beyond(bounds.below, up=False, also_equal=False)
        and beyond(bounds.at_most, up=False, also_equal=True)
    )


def judge_share(condition: Share, view: View, at: Instant, firing: Severity | None) -> Verdict:
    """Too little of the whole is clear: whatever the share, nobody should act on it."""
    start = start_of(condition.window_s, at.end, view.zone)
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
    counts = {"part": shown(part), "of": shown(whole), "of_at_least": condition.least}
    if whole < exact(condition.least) or whole <= 0:
        return Verdict(Kind.CLEAR, None, None, None, None, opens, closes, counts)
    share = quotient(part, whole)
    value = shown(share)
    if isinstance(bounded, Kind):
        return Verdict(Kind.NO_DATA, None, value, None, None, opens, closes, limit_of=without(condition))
    levels, more = bounded
    counts |= more
    if condition.confidence is not None:
        lowest, highest = wilson_bounds(value, shown(whole), condition.confidence)
        counts |= {"lowest": lowest, "highest": highest}
    level = _reached(condition, levels, share, whole, firing)
    kind, severity = (Kind.CLEAR, None) if level is None else (Kind.BREACH, level.severity)
    bounds = (level or levels[0]).breach
    return Verdict(
        kind=kind,
        severity=severity,
        value=value,
        baseline=None,
        limit=bounds.shown,
        window_start=opens,
        window_end=closes,
        counts=counts,
        baseline_of="",
        limit_of=bounds.shown_of,
    )


def _reached(
    condition: Share, levels: tuple[Level, ...], share: Exact, whole: Exact, firing: Severity | None
) -> Level | None:
    """The highest level that breaches surely, or that fires already and is not clear."""
    confidence = condition.confidence
    for level in reversed(levels):
        if confidence is None:
            breaches = level.breach.hold(share)
        else:
            breaches = surely(level.breach, Fraction(share) / SCALE, Fraction(whole) / SCALE, confidence)
        if breaches:
            return level
        if firing is not None and level.severity <= firing and level.clear is not None and not level.clear.hold(share):
            return level
    return None


def _screen(condition: Share) -> Band | None:
    """By the share that was seen: what is surely beyond a limit has been seen there, too."""
    window_s, levels = condition.window_s, by_levels.loosest(condition)
    if not isinstance(window_s, int) or levels is None or any(s.is_level for s in condition.series):
        return None

    def read(view: View, end: int) -> Figures | None:
        at = Instant(end, end * SECOND)
        part = value_of(condition.part, view, at, end - window_s, end)
        whole = value_of(condition.whole, view, at, end - window_s, end)
        if part is None or whole is None or whole <= 0:
            return None
        # As the interval of probabilities has it, more than all and less than none are all and none.
        return (part if condition.confidence is None else min(max(part, 0), whole)), whole

    low, high = by_levels.clear_between(levels)
    asks = ("share", condition.part, condition.whole, window_s, condition.confidence is None)
    return Band(asks, read, low, high, exact(condition.least))


def _reason(facts: Facts) -> str:
    """`12 of 80 within 1 hour (15%), surely 9.6% to 22.6%`; the quotient alone where neither is known."""
    if "part" not in facts.counts or "of" not in facts.counts:
        return usual_in_reason(facts)
    part, whole = number_text(facts.counts["part"]), number_text(facts.counts["of"])
    share = "" if facts.value is None else f" ({number_text(facts.value, PERCENT)})"
    sure = ""
    if "lowest" in facts.counts:
        lowest, highest = (number_text(facts.counts[end], PERCENT) for end in ("lowest", "highest"))
        sure = f", surely {lowest} to {highest}"
    return f"{part} of {whole}{facts.within}{share}{sure}"


WORDS = replace(USUAL, reason=_reason)


SHARE = ConditionKind(
    of=Share,
    identity=("part", "whole", "window_s", "levels", "least", "confidence", "overrides", "graded", "unbound"),
    yaml_words=("share", "ratio"),
    word=lambda share: share.word,
    judge=judge_share,
    when=by_levels.when_of_levels,
    for_group=by_levels.for_group,
    is_alike=by_levels.is_alike,
    may_be_early=lambda _: False,
    clears_early=False,
    only_rises=lambda _: False,
    screen=_screen,
    window=lambda condition: condition.window_s,
    hours=lambda _: (),
    lengths_s=by_levels.lengths_s,
    looks_back_s=by_levels.looks_back_s,
    learns_s=lambda _: 0,
    severities=by_levels.severities,
    directions=lambda _: (),
    never_met=lambda _: (),
    template_names=lambda _: frozenset({"limit", "baseline"}),
    words=WORDS,
)
