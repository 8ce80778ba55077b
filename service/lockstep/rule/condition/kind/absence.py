"""Absence: nothing where something is expected."""

from lockstep.measure.exact import SCALE, shown
from lockstep.rule.condition.condition_kind import Band, ConditionKind, Figures, When, in_period, same_for_all
from lockstep.rule.condition.hours import hours_of
from lockstep.rule.condition.kinds import Absence, Severity
from lockstep.rule.condition.period import Period, longest_s, start_of
from lockstep.rule.condition.view import UNJUDGED, Instant, Kind, Verdict, View, is_complete, value_of
from lockstep.rule.condition.words import Facts, Words, nothing, usual_explained, usual_in_headline, usual_in_reason
from lockstep.rule.language.quantity import duration_text
from lockstep.text.rfc3339 import SECOND


def judge_absence(condition: Absence, view: View, at: Instant, _firing: Severity | None) -> Verdict:
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


def _when(leaf: Absence) -> When:
    window = leaf.window_s
    period = window if isinstance(window, Period) else None
    length = window if isinstance(window, int) else 0
    return When(
        offsets=frozenset({0, length}),
        level_offsets=in_period(period),
        beginnings=frozenset(),
        reach_s=0 if period is None else 2 * period.longest_s,
        memory_s=0,
        hours=hours_of(leaf) if period is None else None,
        hours_window_s=length,
        period=period,
        expected=frozenset(leaf.expected),
        reads_the_past=False,
        baselines=(),
        early_s=0,
        compares_values=False,
        restless=False,
    )


def _screen(absence: Absence) -> Band | None:
    """Whatever the hours say: clear is who has anything in the window."""
    window_s = absence.window_s
    if not isinstance(window_s, int) or any(s.is_level for s in absence.series):
        return None

    def read(view: View, end: int) -> Figures | None:
        value = value_of(absence.expression, view, Instant(end, end * SECOND), end - window_s, end)
        return None if value else _NOTHING

    return Band(("absence", absence.expression, window_s), read, low=(0, 1))


_NOTHING: Figures = (0, SCALE)


def _nothing_of(facts: Facts) -> str:
    """`no orders within 2 hours`; `nothing within 2 hours` of a formula."""
    of = facts.of.replace("_", " ")
    return f"no {of}{facts.within or ' now'}" if facts.of.isidentifier() else f"nothing{facts.within or ' now'}"


def _headline(facts: Facts) -> str:
    return _nothing_of(facts) if facts.value == 0 else usual_in_headline(facts)


def _asks(facts: Facts) -> str:
    """`nothing for 2h within Mon-Fri 09:30-16:00`."""
    if facts.span_s is None:
        return ""
    hours = f" within {facts.asked['hours']}" if "hours" in facts.asked else ""
    closed = f", not on days closed by {facts.asked['closed']}" if "closed" in facts.asked else ""
    stretch = (
        f"in a {facts.asked['window']}" if "window" in facts.asked else f"for {duration_text(round(facts.span_s))}"
    )
    return f"nothing {stretch}{hours}{closed}"


WORDS = Words(
    reason=usual_in_reason,
    headline=_headline,
    stands=_nothing_of,
    compared_with="usual",
    explained=usual_explained,
    compares_nothing=nothing,
    asks=_asks,
    asked_in_words=frozenset({"hours", "closed", "expected", "window"}),
    is_instant=False,
)


ABSENCE = ConditionKind(
    of=Absence,
    identity=("expression", "window_s", "severity", "hours", "expected", "closed"),
    yaml_words=("absence",),
    word=lambda _: "absence",
    judge=judge_absence,
    when=_when,
    for_group=same_for_all,
    is_alike=lambda _: True,
    may_be_early=lambda _: False,
    clears_early=True,
    only_rises=lambda _: False,
    screen=_screen,
    window=lambda condition: condition.window_s,
    hours=lambda absence: absence.hours,
    lengths_s=lambda absence: (absence.window_s,) if isinstance(absence.window_s, int) else (),
    looks_back_s=lambda absence: longest_s(absence.window_s),
    learns_s=lambda _: 0,
    severities=lambda absence: (absence.severity,),
    directions=lambda _: (),
    never_met=lambda _: (),
    template_names=lambda _: frozenset(),
    words=WORDS,
)
