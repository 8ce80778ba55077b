"""Change: a value that is not what it was."""

from lockstep.measure.exact import Exact, exact, parts, shown, size
from lockstep.rule.condition.kinds import Change
from lockstep.rule.condition.view import UNJUDGED, Instant, Kind, Verdict, View, is_complete, value_of


def judge_change(condition: Change, view: View, at: Instant) -> Verdict:
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
