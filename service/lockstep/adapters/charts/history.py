"""The chart of a change of an alert, from the history of the judge that told it.

The numbers are those of `lockstep.rule.condition.verdicts`, asked at bucket ends before the change; the last ones are
those that were told. What the judge no longer keeps is left out: never a number of half a window, and no chart where
too little is left, or where the history says something else than was told.
"""

from collections.abc import Mapping

from lockstep.adapters.charts.curve import Chart, NoChart, ToldPast
from lockstep.adapters.charts.marks import days_of, marks
from lockstep.adapters.charts.told_past import told_past
from lockstep.adapters.charts.verdict_past import seconds, shown_s
from lockstep.judge.judge import Judge, Seen
from lockstep.notify.message import facts
from lockstep.notify.message_reason import leaf_of, unit_of
from lockstep.notify.units import with_units
from lockstep.rule.condition.kind_table import word_of
from lockstep.rule.condition.kinds import Leaf, NewValue, Plan, Projection, Rule, series_of_condition
from lockstep.rule.condition.when import leaves
from lockstep.rule.explained_condition import asked_of, said_of
from lockstep.rule.judged_verdict import Judged
from lockstep.rule.sentences import kind_named, reference, reference_word
from lockstep.transition import Transition, TransitionName


def keep_longer_s(plan: Plan) -> dict[str, int]:
    """Series id → for how long after its rules its buckets are kept, so that there is something to show."""
    longer: dict[str, int] = {}
    for rule in plan.rules:
        for leaf, _ in leaves(rule.condition):
            # A projection shows the day that it looks at, or a level.
            length = 0 if isinstance(leaf, Projection | NewValue) else shown_s(leaf)
            for series in series_of_condition(leaf):
                longer[series.id] = max(longer.get(series.id, 0), 0 if series.is_level else length)
    return longer


def shown_levels(plan: Plan) -> Mapping[str, bool]:
    """The ids of the levels that charts show → whether each value counts, as of one that may be stale, or changes."""
    shown: dict[str, bool] = {}
    for rule in plan.rules:
        for series in series_of_condition(rule.condition):
            if series.is_level:
                shown[series.id] = shown.get(series.id, False) or series.stale_after_s is not None
    return shown


def chart_of(
    teller: Judge, transition: Transition, plan: Plan, *, fired_at: str | None, currency: str
) -> Chart | NoChart:
    """What led to a transition that this judge has told, or why there is nothing to show.

    plan: the rules in force, for the days that they know of. fired_at: of an end, when it had fired; None: that is not
    known any more. currency: see `notify.units`.
    """
    rule = teller.about(transition.rule)
    if rule is None or rule.version != transition.rule_version or set(transition.labels) != set(rule.by):
        return NoChart.GONE
    seen = teller.seen(rule.name, tuple(transition.labels[name] for name in rule.by))
    fired = _fired(transition, rule, fired_at)
    if seen is None or fired is None:
        return NoChart.GONE
    past = _told_past(seen, transition)
    if isinstance(past, NoChart):
        return past
    points = tuple(past.points)
    first, end = points[0].at, points[-1].at
    last = end if past.until is None else past.until
    measured = with_units(transition, rule, currency)
    numbers = facts(measured)
    is_over = transition.state is TransitionName.RESOLVED
    return Chart(
        points=points,
        steps=past.steps,
        unit=unit_of(measured),
        severity=transition.severity,
        value=transition.value,
        reference=reference(numbers),
        reference_is=reference_word(numbers),
        limit=numbers.limit,
        told_at=end,
        fired=min(max(fired, first), end),
        ended=seconds(transition.at) if is_over else None,
        window=None if transition.window_start is None else (seconds(transition.window_start), end),
        before=past.before,
        ahead=past.ahead,
        until=past.until,
        marks=marks(days_of(plan.days or plan.calendar, first, last, teller.zone), first, last),
    )


def _fired(transition: Transition, rule: Rule, fired_at: str | None) -> float | None:
    """When it fired; None where that is not known any more: without a `for` it was when the episode began."""
    if transition.state is TransitionName.FIRING:
        return seconds(transition.at)
    if fired_at is None and rule.for_s:
        return None
    return seconds(fired_at or transition.started_at)


def _told_past(seen: Seen, transition: Transition) -> ToldPast | NoChart:
    """Of the condition whose numbers were told: of a combination the part that `{{ value }}` is of."""
    judged = leaf_of(transition)
    past: ToldPast | NoChart = NoChart.GONE
    for leaf, _ in leaves(seen.condition):
        if judged is not None and _is_of(leaf, judged):
            past = told_past(seen, leaf, transition)
            if not isinstance(past, NoChart):
                break
    return past


def _is_of(leaf: Leaf, judged: Judged) -> bool:
    """Whether a verdict may be one of a condition: of its kind, its measure and its numbers."""
    is_named = word_of(leaf) == kind_named(judged.kind) and said_of(leaf.expression) == judged.of
    return is_named and asked_of(leaf) == judged.asked
