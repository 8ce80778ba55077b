"""Absence: nothing where something is expected."""

from lockstep.measure.exact import shown
from lockstep.rule.condition.hours import hours_of
from lockstep.rule.condition.kinds import Absence
from lockstep.rule.condition.period import start_of
from lockstep.rule.condition.view import UNJUDGED, Instant, Kind, Verdict, View, is_complete, value_of


def judge_absence(condition: Absence, view: View, at: Instant) -> Verdict:
    """Breach where the whole window was seen, lies within the hours and holds nothing; one event is clear at once."""
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
