"""Verdicts: what judging one group at one instant gives, with the numbers that led to it.

Everything here is a pure function of a condition, the histories behind a `View` and an instant. Whole windows are
compared with whole windows; a point never judges itself; missing is not zero and nothing is not missing.
"""

from collections.abc import Mapping

import msgspec

from lockstep.rule.condition.condition_kind import Rise, Screen
from lockstep.rule.condition.held_parts import Held, held_by
from lockstep.rule.condition.kind_table import kind_of
from lockstep.rule.condition.kinds import All, AnyOf, Condition, Leaf, Not, Severity, period_of
from lockstep.rule.condition.period import Period
from lockstep.rule.condition.view import UNJUDGED, Instant, Kind, Verdict, View
from lockstep.text.rfc3339 import SECOND


def judge(condition: Condition, view: View, at: Instant, firing: Severity | None, held: Held = ()) -> Verdict:
    """The verdict on one group. firing: the severity at which the alert fires now (None: it does not).

    held: what the parts of an `any` remember while it fires.
    """
    match condition:
        case All() | AnyOf() if condition.grades:
            return _graded(condition, view, at, firing, held)
        case All():
            return _combine(condition, Kind.CLEAR, view, at, firing, held)
        case AnyOf():
            return _combine(condition, Kind.BREACH, view, at, firing, held)
        case Not():
            inner = standing(condition.part, view, at, None)
            flipped = {Kind.BREACH: Kind.CLEAR, Kind.CLEAR: Kind.BREACH}.get(inner.kind, inner.kind)
            return _as(inner, flipped, condition.severity, (inner,))
        case _:
            kind = kind_of(condition)
            window = kind.window(condition)
            if isinstance(window, Period) and not window.is_end(at.end, view.zone):
                return _so_far(condition, view, at, firing)
            return kind.judge(condition, view, at, firing)


def _so_far(condition: Leaf, view: View, at: Instant, firing: Severity | None) -> Verdict:
    """The verdict within a calendar window: what nothing that is still to come can undo, else none.

    A breach never lowers the severity at which the alert fires for the window before. An absence is over.
    """
    kind = kind_of(condition)
    if not kind.clears_early and not kind.may_be_early(condition):
        return UNJUDGED
    verdict = kind.judge(condition, view, at, None)
    if kind.clears_early and verdict.kind is Kind.CLEAR:
        return verdict
    if verdict.kind is not Kind.BREACH or verdict.severity is None or not kind.may_be_early(condition):
        return UNJUDGED
    return msgspec.structs.replace(verdict, severity=max(verdict.severity, firing or verdict.severity), so_far=True)


def standing(condition: Condition, view: View, at: Instant, firing: Severity | None, held: Held = ()) -> Verdict:
    """The verdict that holds at an instant: between the ends of a calendar window that of the last one."""
    verdict = judge(condition, view, at, firing, held)
    period = period_of(condition)
    if period is None or verdict.kind is not Kind.UNJUDGED or period.is_end(at.end, view.zone):
        return verdict
    end = period.last_end(at.end, view.zone)
    return judge(condition, view, Instant(end, end * SECOND), firing, held)


def _as(verdict: Verdict, kind: Kind, severity: Severity, parts: tuple[Verdict, ...]) -> Verdict:
    return Verdict(
        kind=kind,
        severity=severity if kind is Kind.BREACH else None,
        value=verdict.value,
        baseline=verdict.baseline,
        limit=verdict.limit,
        window_start=verdict.window_start,
        window_end=verdict.window_end,
        counts=verdict.counts,
        baseline_of=verdict.baseline_of,
        limit_of=verdict.limit_of,
        parts=parts,
    )


def _combine(
    condition: All | AnyOf, decisive: Kind, view: View, at: Instant, firing: Severity | None, held: Held
) -> Verdict:
    """Kleene logic: `all` is decided by one clear, `any` by one breach; else an unknown part makes it unknown.

    Parts after the one that decides are not looked at, unless they have to be remembered.
    """
    severity = condition.severity
    verdicts: list[Verdict] = []
    decider: Verdict | None = None
    for part, (part_firing, part_held) in zip(condition.parts, firing_of_parts(condition, firing, held), strict=True):
        verdict = standing(part, view, at, part_firing, part_held)
        verdicts.append(verdict)
        if verdict.kind is decisive and decider is None:
            decider = verdict
            if not condition.has_memory:
                break
    if decider is not None:
        return _as(decider, decisive, severity, tuple(verdicts))
    kind = _undecided(verdicts, of_any=decisive is Kind.BREACH) or (
        Kind.BREACH if decisive is Kind.CLEAR else Kind.CLEAR
    )
    return _as(verdicts[0], kind, severity, tuple(verdicts))


def firing_of_parts(condition: All | AnyOf, firing: Severity | None, held: Held) -> Held:
    """The severity at which each part counts as firing while the combination fires at `firing`, with what it holds.

    All parts of an `all` hold then, one without levels of its own at the rule's severity; of an `any` those that
    breached and are not clear.
    """
    parts = [held_by(held, n) for n in range(len(condition.parts))]
    if isinstance(condition, AnyOf):
        return tuple(parts)
    grades = condition.grades or (True,) * len(parts)
    own = None if firing is None else condition.severity
    return tuple((firing if graded else own, inner) for (_, inner), graded in zip(parts, grades, strict=True))


def _graded(condition: All | AnyOf, view: View, at: Instant, firing: Severity | None, held: Held) -> Verdict:
    """Parts with levels of their own say how severe it is: the least severe in an `all`, the most severe in an `any`.

    Less than the least severe is not true of all. A part of an `any` without levels is of the rule's severity.
    """
    own = condition.severity
    is_all = isinstance(condition, All)
    verdicts: list[Verdict] = []
    decider: Verdict | None = None
    for part, (part_firing, part_held) in zip(condition.parts, firing_of_parts(condition, firing, held), strict=True):
        verdict = standing(part, view, at, part_firing, part_held)
        verdicts.append(verdict)
        if is_all and verdict.kind is Kind.CLEAR and decider is None:
            decider = verdict
            if not condition.has_memory:
                break
    if decider is not None:
        return _as(decider, Kind.CLEAR, own, tuple(verdicts))
    breaching = [
        ((verdict.severity if graded else None) or own, verdict)
        for verdict, graded in zip(verdicts, condition.grades, strict=True)
        if verdict.kind is Kind.BREACH and (graded or not is_all)
    ]
    kind = _undecided(verdicts, of_any=not is_all)
    if is_all:
        worst = own if kind else min(severity for severity, _ in breaching)
        return _as(verdicts[0], kind or Kind.BREACH, worst, tuple(verdicts))
    if breaching:
        severity, verdict = max(breaching, key=lambda pair: pair[0])
        return _as(verdict, Kind.BREACH, severity, tuple(verdicts))
    return _as(verdicts[0], kind or Kind.CLEAR, own, tuple(verdicts))


def _undecided(verdicts: list[Verdict], *, of_any: bool) -> Kind | None:
    """What an unknown part makes of a combination that no part has decided.

    A part without a bound for the group, or outside of its hours, is no part of an `any`; an `all` is as that part is.
    """
    kinds = {v.kind for v in verdicts}
    if of_any:
        kinds = kinds - {Kind.NO_BOUND, Kind.CLOSED} or kinds
    order = (Kind.NO_BOUND, Kind.CLOSED, Kind.UNJUDGED, Kind.NO_DATA)
    return next((kind for kind in order if kind in kinds), None)


def resolve(condition: Condition, labels: Mapping[str, str]) -> Condition:
    """The condition as it stands for one group: overrides applied, tables looked up."""
    match condition:
        case All(parts=parts, severity=severity):
            return All(tuple(resolve(p, labels) for p in parts), severity)
        case AnyOf(parts=parts, severity=severity):
            return AnyOf(tuple(resolve(p, labels) for p in parts), severity)
        case Not(part=part, severity=severity):
            return Not(resolve(part, labels), severity)
        case _:
            return _for_group(condition, labels)


def _for_group(leaf: Leaf, labels: Mapping[str, str]) -> Leaf:
    own: Leaf = kind_of(leaf).for_group(leaf, labels)
    return own


def may_be_early(condition: Condition) -> bool:
    """Whether more events cannot undo a breach, so that it may be told before its window has closed."""
    return isinstance(condition, Leaf) and kind_of(condition).may_be_early(condition)


def screen_of(condition: Condition) -> Screen | None:
    """What a group must show to be other than clear; None where that takes a verdict.

    An `all` is clear where one of its parts is, so the screen of any will do: best one that looks at open buckets.
    """
    if isinstance(condition, All):
        of_parts = [screen for screen in map(screen_of, condition.parts) if screen is not None]
        screens = [screen for screen in of_parts if isinstance(screen, Rise) or not screen.is_seasonal]
        rises = (screen for screen in screens if isinstance(screen, Rise) and screen.least > 0)
        return next(rises, next(iter(screens), None))
    return kind_of(condition).screen(condition) if isinstance(condition, Leaf) else None


def only_rises(condition: Condition) -> bool:
    """Whether data that leaves a window can only end a breach, never begin one (levels aside)."""
    match condition:
        case All(parts=parts) | AnyOf(parts=parts):
            return all(only_rises(p) for p in parts)
        case Not():
            return False
        case _:
            return kind_of(condition).only_rises(condition)
