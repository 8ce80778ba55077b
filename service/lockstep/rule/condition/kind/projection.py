"""Projections: where a measure gets at its present pace.

The method is a straight line, nothing cleverer. A level falls by its pace: 30 in stock and 70 sold in the last 7 days
are 10 a day and 3 days of cover. Without a measure for the pace it is what the level itself lost, rises (a receipt)
left aside. A flow grows: what came since the shop's midnight, and until the next one as much an hour as in the last
window. Its weakness: a pace that was measured in a rush or at night goes on for ever; take a window that holds the
rhythm (whole days or weeks for a level, an hour or two for the rest of a day).
"""

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from lockstep.measure.exact import exact, part_of, quotient, shown
from lockstep.measure.possible_values import values_of
from lockstep.rule.condition.condition_kind import ConditionKind, NeverMet, When, no_screen, same_for_all
from lockstep.rule.condition.kinds import Projection, Severity
from lockstep.rule.condition.view import UNJUDGED, Instant, Kind, Verdict, View, is_complete, value_of
from lockstep.rule.condition.words import Facts, Words, nothing, usual_in_headline
from lockstep.text.figures import duration_words, number_text
from lockstep.text.rfc3339 import SECOND
from lockstep.text.time_units import DAY_S

LONGEST_DAY_S = DAY_S + 7_200
"""A day on which the clocks go back, with an hour to spare."""


@lru_cache(maxsize=4096)
def shop_day(second: int, zone: ZoneInfo) -> tuple[int, int]:
    """The shop's day that holds a second: its midnight and the next one; 23 or 25 hours where the clocks change."""
    day = datetime.fromtimestamp(second, zone).date()
    begins = datetime(day.year, day.month, day.day, tzinfo=zone)
    following = day + timedelta(days=1)
    ends = datetime(following.year, following.month, following.day, tzinfo=zone)
    return int(begins.timestamp()), int(ends.timestamp())


def judge_projection(condition: Projection, view: View, at: Instant, _firing: Severity | None) -> Verdict:
    """What is reached already is a breach, whatever the pace."""
    end, window, limit = at.end, condition.window_s, condition.reaches
    begins, ends = shop_day(end - 1, view.zone)
    ahead = ends - end if condition.within_s is None else condition.within_s
    start = end - window
    is_level = condition.is_of_level
    if not is_complete(condition.flows, view, at, start if is_level else min(start, begins)):
        return UNJUDGED
    now = value_of(condition.measure, view, at, start if is_level else begins, end)
    if is_level and condition.pace is None:
        (series,) = condition.series
        if view.level(series, start * SECOND) is None:
            return UNJUDGED
        moved = view.fallen(series, start, end)
    else:
        moved = value_of(condition.pace or condition.measure, view, at, start, end)
    if now is None or moved is None:
        return Verdict(Kind.NO_DATA, None, None if now is None else shown(now), None, limit, start, end)
    moved = max(moved, 0)
    left = now - exact(limit) if is_level else exact(limit) - now
    breach = left <= 0 or (moved > 0 and left * window <= moved * ahead)
    counts = {"pace_per_day": shown(part_of(moved, DAY_S, window))}
    if left <= 0:
        counts["days_left"] = 0.0
    elif moved > 0:
        counts["days_left"] = shown(quotient(left * window, moved * DAY_S))
    step = part_of(moved, ahead, window)
    then = now - step if is_level else now + step
    kind, severity = (Kind.BREACH, condition.severity) if breach else (Kind.CLEAR, None)
    return Verdict(kind, severity, shown(now), shown(then), limit, start, end, counts)


def _when(leaf: Projection) -> When:
    window, within = leaf.window_s, leaf.within_s
    of_falls = leaf.is_of_level and leaf.pace is None
    return When(
        offsets=frozenset({0, window}),
        level_offsets=frozenset({window}) if of_falls else frozenset(),
        beginnings=frozenset(),
        reach_s=LONGEST_DAY_S + window if within is None else 0,
        memory_s=0,
        hours=None,
        hours_window_s=0,
        period=None,
        expected=frozenset(),
        reads_the_past=of_falls,
        baselines=(),
        early_s=0,
        compares_values=False,
        restless=within is None,
    )


def _never_met(projection: Projection) -> tuple[NeverMet, ...]:
    low = values_of(projection.measure)[0]
    if not projection.is_of_level or projection.reaches >= low:
        return ()
    message = f"it is never less than {low:g}, so it never reaches {projection.reaches:g}"
    return (NeverMet("reaches", message, f"write {low:g} or more"),)


def _reason(facts: Facts) -> str:
    """`30 at 10 a day, 3 days from 0`. The window is that of the pace: the value is as it stands now."""
    if facts.baseline is None:
        return facts.number
    pace, days = facts.counts.get("pace_per_day"), facts.counts.get("days_left")
    at = "" if pace is None else f" at {number_text(round(pace, 1))} a day"
    left = "" if days is None else f", {number_text(round(days, 1))} days from {number_text(facts.limit)}"
    return f"{facts.number}{at}{left}"


def _headline(facts: Facts) -> str:
    """`30, reaches 0 in 3 days at this pace`."""
    days = facts.counts.get("days_left")
    if facts.limit is None or facts.baseline is None:
        return usual_in_headline(facts)
    if days is None:
        return f"{facts.number}, not on its way to {facts.limit_text}"
    if days <= 0:
        return f"{facts.number}, has reached {facts.limit_text}"
    return f"{facts.number}, reaches {facts.limit_text} in {duration_words(days * DAY_S)} at this pace"


def _stands(facts: Facts) -> str:
    if facts.limit is None:
        return ""
    return f"{'on its way to' if facts.counts.get('days_left') != 0 else 'at or past'} {facts.limit_text}"


def _explained(facts: Facts) -> str:
    return "" if facts.baseline is None else f", at this pace it gets to {number_text(facts.baseline, facts.unit)}"


WORDS = Words(
    reason=_reason,
    headline=_headline,
    stands=_stands,
    compared_with="limit",
    explained=_explained,
    compares_nothing=nothing,
    asks=nothing,
    asked_in_words=frozenset(),
    is_instant=False,
)


PROJECTION = ConditionKind(
    of=Projection,
    identity=("measure", "pace", "reaches", "within_s", "window_s", "severity"),
    yaml_words=("projection",),
    word=lambda _: "projection",
    judge=judge_projection,
    when=_when,
    for_group=same_for_all,
    is_alike=lambda _: True,
    may_be_early=lambda _: False,
    clears_early=False,
    only_rises=lambda _: False,
    screen=no_screen,
    window=lambda condition: condition.window_s,
    hours=lambda _: (),
    lengths_s=lambda projection: (projection.window_s,),
    looks_back_s=lambda projection: projection.window_s,
    learns_s=lambda _: 0,
    severities=lambda projection: (projection.severity,),
    directions=lambda _: (),
    never_met=_never_met,
    template_names=lambda _: frozenset({"limit", "baseline", "ratio"}),
    words=WORDS,
)
