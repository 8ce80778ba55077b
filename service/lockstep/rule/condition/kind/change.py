"""Change: a value that is not what it was."""

from lockstep.measure.exact import SCALE, Exact, exact, fraction, parts, shown, size
from lockstep.measure.possible_values import values_of
from lockstep.rule.condition.condition_kind import Band, ConditionKind, Figures, NeverMet, When, same_for_all
from lockstep.rule.condition.kinds import Change, Severity
from lockstep.rule.condition.view import UNJUDGED, Instant, Kind, Verdict, View, is_complete, value_of
from lockstep.rule.condition.words import Facts, Words, nothing, usual_in_headline
from lockstep.text.rfc3339 import SECOND


def judge_change(condition: Change, view: View, at: Instant, _firing: Severity | None) -> Verdict:
    """The value now against the value before; a group's first value is no change and is not judged."""
    if condition.window_s is None:
        now = value_of(condition.expression, view, at, at.end, at.end)
        (series,) = condition.series
        moved = view.moved(series)
        if now is None:
            return Verdict(Kind.NO_DATA)
        return UNJUDGED if moved is None else _verdict(condition, now, now - moved, None)
    end, window = at.end, condition.window_s
    span = (end - window, end)
    if not is_complete(condition.flows, view, at, end - 2 * window):
        return UNJUDGED
    now = value_of(condition.expression, view, at, *span)
    before = value_of(condition.expression, view, at, end - 2 * window, end - window)
    if before is None and not condition.flows:
        return UNJUDGED
    if now is None or before is None:
        return Verdict(Kind.NO_DATA, None, None if now is None else shown(now), None, None, *span)
    return _verdict(condition, now, before, span)


def _verdict(condition: Change, now: Exact, before: Exact, span: tuple[int, int] | None) -> Verdict:
    difference = now - before
    moved = size(difference)
    breach = (condition.up if difference > 0 else condition.down) and moved > 0
    breach = breach and (condition.by is None or moved >= exact(condition.by))
    if condition.by_ratio is not None:
        times, over = parts(condition.by_ratio)
        breach = breach and moved * over >= times * size(before)
    kind, severity = (Kind.BREACH, condition.severity) if breach else (Kind.CLEAR, None)
    start, end = span or (None, None)
    counts = {"change": shown(difference)}
    return Verdict(kind, severity, shown(now), shown(before), condition.by, start, end, counts)


def _when(leaf: Change) -> When:
    window = leaf.window_s
    return When(
        offsets=frozenset({0, window or 0, 2 * (window or 0)}),
        level_offsets=frozenset({window or 0}),
        beginnings=frozenset(),
        reach_s=0,
        memory_s=0,
        hours=None,
        hours_window_s=0,
        period=None,
        expected=frozenset(),
        reads_the_past=window is not None,
        baselines=(),
        early_s=0,
        compares_values=window is None,
        restless=False,
    )


def _screen(change: Change) -> Band | None:
    """Of flows, by the ratio to the window before where there is one, else by the difference."""
    window = change.window_s
    if window is None or any(s.is_level for s in change.series):
        return None
    is_by_ratio = change.by_ratio is not None
    moved = fraction(change.by_ratio or change.by or 0.0)

    def read(view: View, end: int) -> Figures | None:
        at = Instant(end, end * SECOND)
        now = value_of(change.expression, view, at, end - window, end)
        before = value_of(change.expression, view, at, end - 2 * window, end - window)
        if now is None or before is None or now == before:
            return None
        if is_by_ratio:
            return (now, before) if before >= 0 else _BEYOND
        return now - before, SCALE

    usual = 1 if is_by_ratio else 0
    low = (usual - moved).as_integer_ratio() if change.down else None
    high = (usual + moved).as_integer_ratio() if change.up else None
    return Band(("change", change.expression, window, is_by_ratio), read, low, high)


_BEYOND: Figures = (0, 0)
"""Of less than nothing no ratio can be taken here: these are in no band."""


def _never_met(change: Change) -> tuple[NeverMet, ...]:
    ratio = change.by_ratio
    if ratio is None or ratio <= 1 or change.up or values_of(change.expression)[0] < 0:
        return ()
    message = f"a fall by {ratio:.0%} can never be, nothing falls by more than 100%"
    return (NeverMet("by", message, "write one like 50%"),)


def _in_line(facts: Facts) -> str:
    """`12.5, 10 before`; `12.5, unchanged` of an end."""
    before = "" if facts.baseline is None else f", {facts.before} before"
    if facts.value is not None and facts.value == facts.baseline:
        before = ", unchanged"
    return f"{facts.number}{facts.within}{before}"


def _headline(facts: Facts) -> str:
    return usual_in_headline(facts) if facts.baseline is None else _in_line(facts)


def _stands(facts: Facts) -> str:
    return "" if facts.baseline is None else f"changed from {facts.before} to {facts.number}"


def _explained(facts: Facts) -> str:
    return "" if facts.baseline is None else f", it was {facts.before} before"


WORDS = Words(
    reason=_in_line,
    headline=_headline,
    stands=_stands,
    compared_with="before",
    explained=_explained,
    compares_nothing=nothing,
    asks=nothing,
    asked_in_words=frozenset(),
    is_instant=True,
)


CHANGE = ConditionKind(
    of=Change,
    identity=("expression", "window_s", "severity", "by", "by_ratio", "up", "down"),
    yaml_words=("change",),
    word=lambda _: "change",
    judge=judge_change,
    when=_when,
    for_group=same_for_all,
    is_alike=lambda _: True,
    may_be_early=lambda _: False,
    clears_early=False,
    only_rises=lambda _: False,
    screen=_screen,
    window=lambda condition: condition.window_s,
    hours=lambda _: (),
    lengths_s=lambda change: () if change.window_s is None else (change.window_s,),
    looks_back_s=lambda change: change.window_s or 0,
    learns_s=lambda change: 2 * (change.window_s or 0),
    severities=lambda change: (change.severity,),
    directions=lambda _: (),
    never_met=_never_met,
    template_names=lambda change: frozenset({"baseline", "ratio", *(["limit"] if change.by is not None else [])}),
    words=WORDS,
)
