"""New values: the first event of a group after a long time without one."""

from lockstep.measure.exact import shown
from lockstep.measure.possible_values import only_grows
from lockstep.rule.condition.condition_kind import ConditionKind, When, no_screen, same_for_all
from lockstep.rule.condition.kinds import NewValue, Severity
from lockstep.rule.condition.view import UNJUDGED, Instant, Kind, Verdict, View
from lockstep.rule.condition.words import Facts, Words, nothing, usual_explained, usual_in_headline
from lockstep.text.figures import number_text
from lockstep.text.time_units import DAY_S


def judge_new_value(condition: NewValue, view: View, at: Instant, _firing: Severity | None) -> Verdict:
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
    measured = view.flow(series, start, end)
    value = None if measured is None else shown(measured)
    if before is not None and before >= first - condition.in_s:
        return Verdict(Kind.CLEAR, None, value, None, None, start, end)
    counts = {} if before is None else {"days_since": (first - before) / DAY_S}
    return Verdict(Kind.BREACH, condition.severity, value, None, None, start, end, counts)


def _when(leaf: NewValue) -> When:
    window, in_s, learn_s = leaf.window_s, leaf.in_s, leaf.learn_s
    return When(
        offsets=frozenset({0, window}),
        level_offsets=frozenset(),
        beginnings=frozenset({learn_s, learn_s + window}),
        reach_s=0,
        memory_s=in_s + window,
        hours=None,
        hours_window_s=0,
        period=None,
        expected=frozenset(),
        reads_the_past=False,
        baselines=(),
        early_s=0,
        compares_values=False,
        restless=False,
    )


def _reason(facts: Facts) -> str:
    """`3 within 1 hour; the last one came 40.2 days before`."""
    days = facts.counts.get("days_since")
    last = "" if days is None else f"; the last one came {number_text(round(days, 1))} days before"
    return f"{facts.number}{facts.within}{last}"


def _stands(_facts: Facts) -> str:
    return "seen for the first time, or again after long"


WORDS = Words(
    reason=_reason,
    headline=usual_in_headline,
    stands=_stands,
    compared_with="usual",
    explained=usual_explained,
    compares_nothing=nothing,
    asks=nothing,
    asked_in_words=frozenset(),
    is_instant=True,
)


NEW_VALUE = ConditionKind(
    of=NewValue,
    identity=("expression", "window_s", "in_s", "learn_s", "severity"),
    yaml_words=("new_value",),
    word=lambda _: "new_value",
    judge=judge_new_value,
    when=_when,
    for_group=same_for_all,
    is_alike=lambda _: True,
    may_be_early=lambda new: all(only_grows(series) for series in new.series),
    clears_early=False,
    only_rises=lambda _: True,
    screen=no_screen,
    window=lambda condition: condition.window_s,
    hours=lambda _: (),
    lengths_s=lambda new: (new.window_s,),
    looks_back_s=lambda new: new.window_s + max(new.in_s, new.learn_s),
    learns_s=lambda _: 0,
    severities=lambda new: (new.severity,),
    directions=lambda _: (),
    never_met=lambda _: (),
    template_names=lambda _: frozenset(),
    words=WORDS,
)
