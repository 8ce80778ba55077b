"""New values: the first event of a group after a long time without one."""

from lockstep.measure.exact import shown
from lockstep.rule.condition.kinds import NewValue
from lockstep.rule.condition.view import UNJUDGED, Instant, Kind, Verdict, View


def judge_new_value(condition: NewValue, view: View, at: Instant) -> Verdict:
    """Breach from the first event on for as long as `window_s`; while the source is being learnt nothing is new."""
    (series,) = condition.series
    start, end = at.end - condition.window_s, at.end
    learnt = view.complete_from(series) + condition.learn_s
    first = view.first_seen(series, start, end)
    if (start if first is None else first) < learnt:
        return UNJUDGED
    if first is None:
        return Verdict(Kind.CLEAR, None, 0.0, None, None, start, end)
    before = view.last_seen(series, first)
    found = view.flow(series, start, end)
    value = None if found is None else shown(found)
    if before is not None and before >= first - condition.in_s:
        return Verdict(Kind.CLEAR, None, value, None, None, start, end)
    counts = {} if before is None else {"days_since": (first - before) / 86_400}
    return Verdict(Kind.BREACH, condition.severity, value, None, None, start, end, counts)
