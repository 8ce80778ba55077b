"""Why an alert fires, or why it does not: the verdict with every number behind it, and the clock of its lifecycle.

Nothing is judged a second way: the condition is asked again by the code that judges, at the last instant that was
judged, and what it reads is written down.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from lockstep.alert import Alert, State, due
from lockstep.errors import RuleError
from lockstep.judge.judge import Judge, Seen
from lockstep.judge.rule_facts import Labels
from lockstep.measure.definition import SeriesDef
from lockstep.rule.condition.kinds import Rule, series_of_condition
from lockstep.rule.condition.view import Instant
from lockstep.rule.explained_condition import Explained, explain_condition
from lockstep.rule.language.quantity import duration_text
from lockstep.rule.sentences import because, moment_text
from lockstep.shop.whole_shop import MadeOf
from lockstep.text.rfc3339 import SECOND, rfc3339
from lockstep.yaml.document import did_you_mean


class Clock(msgspec.Struct, frozen=True):
    """Where an alert stands in its lifecycle; times in microseconds, None where nothing runs.

    breach_since: what `for` counts from. clear_since: what `keep_firing_for` counts from. next_at: when the clock that
    runs is over, if nothing changes before; then is what it does: `fires`, `resolves` or
    `may begin again`.
    """

    state: str
    severity: str | None
    episode_id: str
    started_at: int | None
    breach_since: int | None
    clear_since: int | None
    next_at: int | None
    then: str
    for_s: int
    keep_firing_for_s: int
    no_data: str


class Explanation(msgspec.Struct, frozen=True):
    """One rule on one group of labels.

    at: the instant that is explained, microseconds; None before anything was judged. known: whether the group ever had
    an event; one that has labels and had none is not judged, and has no verdict. why: one sentence for people. last:
    the verdict that last changed or kept the alert, as it was then. made_of: what each business measure that the rule
    reads is made of now.
    """

    rule: str
    rule_version: str
    place: str
    by: tuple[str, ...]
    labels: dict[str, str]
    alert_id: str
    known: bool
    at: int | None
    watermark: int | None
    clock: Clock
    why: str
    verdict: Explained | None
    last: dict[str, Any]
    made_of: tuple[MadeOf, ...] = ()


MOST_GROUPS = 100
"""Groups that one question is answered for."""


def ask(judges: Iterable[Judge], rule: str, wanted: Mapping[str, str]) -> list[Explanation]:
    """The groups of a rule that have these labels, as far as these judges hold them, at most MOST_GROUPS.

    A group that none of them knows is explained as unknown when all its labels are given, else the list is empty.
    Raises RuleError for an unknown rule or label.
    """
    asked = list(judges)
    seen = next((s for judge in asked for s in [judge.about(rule)] if s is not None), None)
    if seen is None:
        names = {name for judge in asked for name in judge.rule_names()}
        raise RuleError(f"there is no rule '{rule}'; {did_you_mean(rule, names)}")
    for name in wanted:
        if name not in seen.by:
            remedy = did_you_mean(name, seen.by) if seen.by else "it has no 'by'"
            raise RuleError(f"rule '{rule}' is not by '{name}'; {remedy}")
    explanations: list[Explanation] = []
    for judge in asked:
        for labels in judge.groups_of(rule):
            if len(explanations) < MOST_GROUPS and all(
                dict(zip(seen.by, labels, strict=True))[n] == v for n, v in wanted.items()
            ):
                explanations += [e for e in [explain(judge, rule, labels)] if e is not None]
    if not explanations and asked and set(wanted) == set(seen.by):
        unknown = explain(asked[0], rule, tuple(wanted[name] for name in seen.by))
        explanations += [unknown] if unknown is not None else []
    return explanations


def explain(judge: Judge, rule: str, labels: Labels) -> Explanation | None:
    """The explanation of a group as of the last instant judged; None for a rule that is not there.

    labels: values in the order of the rule's `by`.
    """
    seen = judge.seen(rule, labels)
    if seen is None:
        return None
    instant = _instant(seen)
    alert = seen.alert
    verdict = None
    if instant is not None and _is_judged(seen):
        verdict = explain_condition(seen.condition, seen.view, instant, alert.firing, alert.holding)
    at = None if instant is None else (instant.end * SECOND if seen.judged_to is not None else instant.us - 1)
    return Explanation(
        rule=seen.rule.name,
        rule_version=seen.rule.version,
        place=seen.rule.place,
        by=seen.rule.by,
        labels=dict(zip(seen.rule.by, labels, strict=True)),
        alert_id=alert.id,
        known=seen.known,
        at=at,
        watermark=seen.watermark,
        clock=_clock(alert, seen.rule),
        why=why(seen, verdict, at, judge.zone),
        verdict=verdict,
        last={} if alert.state is State.INACTIVE and not alert.episode_id else _last(alert),
        made_of=seen.made_of if _is_judged(seen) else (),
    )


def _is_judged(seen: Seen) -> bool:
    """Whether the rule looks at the group at all: the zeros of a mistyped label must not read like a verdict."""
    return seen.known or not seen.view.labels


def _instant(seen: Seen) -> Instant | None:
    """The last instant that was judged, early verdicts included."""
    if seen.judged_to is None:
        if not all(s.is_level for s in _series(seen)):
            return None
        newest = max(seen.alert.at, seen.watermark or 0)
        # Just after it: a level counts from its own instant on.
        return Instant(0, newest + 1) if newest else None
    end = max(seen.judged_to, seen.alert.at // SECOND) if seen.alert.so_far else seen.judged_to
    return Instant(end, end * SECOND)


def _series(seen: Seen) -> Sequence[SeriesDef]:
    return series_of_condition(seen.condition)


_THEN = {State.PENDING: "fires", State.FIRING: "resolves", State.COOLING: "may begin again"}


def _clock(alert: Alert, rule: Rule) -> Clock:
    next_at = due(alert, rule)
    is_open = alert.is_open
    return Clock(
        state=alert.state.value,
        severity=alert.severity.word if is_open else None,
        episode_id=alert.episode_id,
        started_at=alert.started_at if alert.episode_id else None,
        breach_since=alert.since if is_open else None,
        clear_since=alert.clear_since,
        next_at=next_at,
        then="" if next_at is None else _THEN[alert.state],
        for_s=rule.for_s,
        keep_firing_for_s=rule.keep_firing_for_s,
        no_data=rule.no_data.value,
    )


def _last(alert: Alert) -> dict[str, Any]:
    v = alert.verdict
    return {
        "verdict": v.kind.value,
        "value": v.value,
        "baseline": v.baseline,
        "limit": v.limit,
        "limit_of": v.limit_of,
        "window_start": v.window_start,
        "window_end": v.window_end,
        "counts": dict(v.counts),
        "so_far": alert.so_far,
    }


# ---- in words --------------------------------------------------------------------------------------------------------


def why(seen: Seen, verdict: Explained | None, at: int | None, zone: ZoneInfo) -> str:
    """One sentence: the state, and the number that decides it.

    seen: what the judge holds of the group. verdict: what was judged last, at `at`; None: nothing was.
    """
    named = ", ".join(f"{n}={v}" for n, v in zip(seen.rule.by, seen.view.labels, strict=True)) or "the whole shop"
    if verdict is None and (at is None or _is_judged(seen)):
        return f"nothing has been judged yet: no event of {' or '.join(_roles(seen))} has come whose bucket is closed"
    if verdict is None:
        return f"{named} is not known: no event of it was seen (or none within {duration_text(_forget(seen))})"
    alert, reason = seen.alert, because(verdict, zone)
    match alert.state:
        case State.FIRING if alert.clear_since is not None:
            since, next_at = moment_text(alert.clear_since, zone), due(alert, seen.rule)
            end = "" if next_at is None else f" until {moment_text(next_at, zone)}"
            return f"it is clear since {since} and goes on firing{end} (keep_firing_for): {reason}"
        case State.FIRING if verdict.verdict in ("unjudged", "no_data"):
            return f"it fires since {moment_text(alert.started_at, zone)}, and nothing ends it: {reason}"
        case State.FIRING if verdict.held and "chance" in verdict.counts:
            return (
                f"it goes on firing: chance alone may do this by now, but what else the rule asks for holds: {reason}"
            )
        case State.FIRING if verdict.held:
            return f"it goes on firing, in the band between breach and clear: {reason}"
        case State.FIRING if seen.rule.for_s:
            return f"it fires, the breach began {moment_text(alert.since, zone)}: {reason}"
        case State.FIRING:
            return f"it fires since {moment_text(alert.started_at, zone)}: {reason}"
        case State.PENDING if seen.rule.tolerance is not None:
            asked = seen.rule.tolerance
            count = f"{alert.breaches.bit_count()} of {asked.breaches} breaches in the last {asked.buckets} buckets"
            return f"it is pending since {moment_text(alert.started_at, zone)} with {count}: {reason}"
        case State.COOLING:
            end = moment_text(alert.ended_at + seen.rule.cool_down_s * SECOND, zone)
            return f"it has ended, and nothing begins until {end} (cool_down): {reason}"
        case State.PENDING:
            next_at = due(alert, seen.rule)
            end = "when it is seen again" if next_at is None else f"at {moment_text(next_at, zone)}"
            return f"it is pending since {moment_text(alert.since, zone)} and fires {end} if it still holds: {reason}"
        case _:
            return f"it does not fire: {reason}"


def _roles(seen: Seen) -> list[str]:
    return sorted({s.source for s in _series(seen)})


def _forget(seen: Seen) -> int:
    return seen.rule.forget_after_s


# ---- as others read it -----------------------------------------------------------------------------------------------

_MICROSECONDS = {"at", "watermark", "started_at", "breach_since", "clear_since", "next_at"}
_SECONDS = {"window_start", "window_end", "start", "end"}


def public(explanation: Explanation) -> dict[str, Any]:
    """The explanation as JSON: times in RFC 3339."""
    answer: dict[str, Any] = _public(msgspec.to_builtins(explanation))
    return answer


def _public(node: Any) -> Any:
    if isinstance(node, list | tuple):
        return [_public(item) for item in node]
    if not isinstance(node, dict):
        return node
    result: dict[str, Any] = {}
    for key, value in node.items():
        if key == "complete_from":
            result[key] = {n: None if s is None else rfc3339(round(s * SECOND)) for n, s in value.items()}
        elif isinstance(value, int) and key in _MICROSECONDS:
            result[key] = rfc3339(value)
        elif isinstance(value, int) and key in _SECONDS:
            result[key] = rfc3339(value * SECOND)
        else:
            result[key] = _public(value)
    return result
