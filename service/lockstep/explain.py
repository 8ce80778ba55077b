"""Why an alert fires, or why it does not: the verdict with every number behind it, and the clock of its lifecycle.

Nothing is judged a second way: the condition is asked again by the code that judges, at the last instant that was
judged, and what it reads is written down.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
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
from lockstep.rule.explained import Explained, explain_condition
from lockstep.rule.language.quantity import duration_text
from lockstep.text.figures import PERCENT, number_text
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
    the verdict that last changed or kept the alert, as it was then.
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
    found: list[Explanation] = []
    for judge in asked:
        for labels in judge.groups_of(rule):
            if len(found) < MOST_GROUPS and all(
                dict(zip(seen.by, labels, strict=True))[n] == v for n, v in wanted.items()
            ):
                found += [e for e in [explain(judge, rule, labels)] if e is not None]
    if not found and asked and set(wanted) == set(seen.by):
        unknown = explain(asked[0], rule, tuple(wanted[name] for name in seen.by))
        found += [unknown] if unknown is not None else []
    return found


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
    """One sentence: the state, and the number that decides it."""
    named = ", ".join(f"{n}={v}" for n, v in zip(seen.rule.by, seen.view.labels, strict=True)) or "the whole shop"
    if verdict is None and (at is None or _is_judged(seen)):
        return f"nothing has been judged yet: no event of {' or '.join(_roles(seen))} has come whose bucket is closed"
    if verdict is None:
        return f"{named} is not known: no event of it was seen (or none within {duration_text(_forget(seen))})"
    alert, because = seen.alert, _because(verdict, zone)
    match alert.state:
        case State.FIRING if alert.clear_since is not None:
            since, next_at = _moment(alert.clear_since, zone), due(alert, seen.rule)
            end = "" if next_at is None else f" until {_moment(next_at, zone)}"
            return f"it is clear since {since} and goes on firing{end} (keep_firing_for): {because}"
        case State.FIRING if verdict.verdict in ("unjudged", "no_data"):
            return f"it fires since {_moment(alert.started_at, zone)}, and nothing ends it: {because}"
        case State.FIRING if verdict.held and "chance" in verdict.counts:
            return (
                f"it goes on firing: chance alone may do this by now, but what else the rule asks for holds: {because}"
            )
        case State.FIRING if verdict.held:
            return f"it goes on firing, in the band between breach and clear: {because}"
        case State.FIRING if seen.rule.for_s:
            return f"it fires, the breach began {_moment(alert.since, zone)}: {because}"
        case State.FIRING:
            return f"it fires since {_moment(alert.started_at, zone)}: {because}"
        case State.PENDING if seen.rule.tolerance is not None:
            asked = seen.rule.tolerance
            count = f"{alert.breaches.bit_count()} of {asked.breaches} breaches in the last {asked.buckets} buckets"
            return f"it is pending since {_moment(alert.started_at, zone)} with {count}: {because}"
        case State.COOLING:
            end = _moment(alert.ended_at + seen.rule.cool_down_s * SECOND, zone)
            return f"it has ended, and nothing begins until {end} (cool_down): {because}"
        case State.PENDING:
            next_at = due(alert, seen.rule)
            end = "when it is seen again" if next_at is None else f"at {_moment(next_at, zone)}"
            return f"it is pending since {_moment(alert.since, zone)} and fires {end} if it still holds: {because}"
        case _:
            return f"it does not fire: {because}"


def _roles(seen: Seen) -> list[str]:
    return sorted({s.source for s in _series(seen)})


def _forget(seen: Seen) -> int:
    return seen.rule.forget_after_s


_COMPARED = {"change": ", it was {} before", "projection": ", at this pace it gets to {}"}
"""kind → what its baseline is; elsewhere it is the usual value."""


_PARTS = {"confidence": PERCENT}
"""Numbers of a rule by name that are parts of one → their unit."""


def _because(e: Explained, zone: ZoneInfo) -> str:
    if e.parts:
        return _combined(e, zone)
    named = e.of
    if e.verdict == "unjudged" and e.baseline_of:
        return f"{named} is not judged, {e.baseline_of}"
    if e.verdict == "unjudged":
        unseen = [name for name, second in e.complete_from.items() if second is None]
        if unseen:
            return f"not judged, {unseen[0]} never had an event"
        since = max((s for s in e.complete_from.values() if s is not None), default=None)
        if "hours" in e.asked and any(g.name == "hours" for g in e.blocked_by):
            return f"not judged, {_not_within(e)}"
        if since is None:
            return "not judged, it looks back to where nothing was measured yet"
        known = _moment(round(since * SECOND), zone)
        return f"not judged, it looks back to before {known}, from where on {named} is known"
    if e.verdict == "closed":
        return f"not judged, {_not_within(e)}"
    if e.verdict == "no_bound":
        return f"not judged, no row of a table gives it a bound ({e.limit_of})"
    if e.verdict == "no_data" and e.limit_of and e.value is not None:
        return f"{named} is {_n(e.value, e.unit)}, but there is no data for its bound, {e.limit_of}"
    if e.verdict == "no_data":
        return f"there is no data for {named}"
    value = f"{named} is {'not told' if e.value is None else _n(e.value, e.unit)}"
    if e.baseline is not None:
        ratio = f" ({e.ratio:.2f}x)" if e.ratio is not None else ""
        value += _COMPARED.get(e.kind, " where {} is usual" + ratio).format(_n(e.baseline, e.unit))
        value += f" ({e.baseline_of})" if ", because" in e.baseline_of else ""
    if e.blocked_by:
        asked = " and ".join(
            f"{g.name} asks for {_n(g.asked)}" + (f", it is {_n(g.got)}" if g.got is not None else "")
            for g in e.blocked_by
        )
        return f"{value}, but {asked}"
    if e.verdict == "clear" and (least := _too_little(e)):
        return f"{value}, {least}"
    told_already = ("baseline", *(_OF_ABSENCE if e.kind == "absence" else ()))
    numbers = ((name, _n(v, _PARTS.get(name, ""))) for name, v in e.asked.items() if name not in told_already)
    asked = "; ".join(f"{name} {number}" for name, number in numbers)
    asked = "; ".join(filter(None, [_absence(e), asked]))
    if e.limit_of and f"({e.limit_of})" not in asked:
        asked += f"; {e.limit_of} is {_n(e.limit, e.unit)}"
    return value + (f" (asked: {asked})" if asked else "")


def _too_little(e: Explained) -> str:
    """Why a spike compares nothing; "" where it does."""
    if e.kind != "spike" or e.baseline is None:
        return ""
    least = e.asked.get("usual_at_least")
    if isinstance(least, float):
        return "" if e.baseline >= least else f"too little to compare with: usual_at_least asks for {_n(least)}"
    is_ratio = "above" in e.asked or "below" in e.asked
    return "" if e.baseline > 0 or not is_ratio else "and nothing is a multiple of nothing"


def _not_within(e: Explained) -> str:
    """Which hours or days do not hold the window."""
    hours = f"the hours {e.asked['hours']}" if "hours" in e.asked else ""
    days = f"the days that {e.asked['closed']} leaves open" if "closed" in e.asked else ""
    return f"the window does not lie within {' and '.join(filter(None, [hours, days]))}"


_OF_ABSENCE = ("hours", "closed", "expected", "window")


def _absence(e: Explained) -> str:
    """What an absence asks for, `nothing for 2h within Mon-Fri 09:30-16:00`; "" for others."""
    if e.kind != "absence" or e.window_start is None or e.window_end is None:
        return ""
    hours = f" within {e.asked['hours']}" if "hours" in e.asked else ""
    closed = f", not on days closed by {e.asked['closed']}" if "closed" in e.asked else ""
    stretch = (
        f"in a {e.asked['window']}" if "window" in e.asked else f"for {duration_text(e.window_end - e.window_start)}"
    )
    return f"nothing {stretch}{hours}{closed}"


def _combined(e: Explained, zone: ZoneInfo) -> str:
    """The part that decides, or all that hold."""
    if e.kind == "not":
        return f"the opposite of: {_because(e.parts[0], zone)}"
    decisive = "clear" if e.kind == "all" else "breach"
    deciding = [p for p in e.parts if p.verdict == decisive]
    unknown = [p for p in e.parts if p.verdict in ("unjudged", "closed", "no_data")]
    unbound = [p for p in e.parts if p.verdict == "no_bound"]
    others = [p for p in e.parts if p.verdict != "no_bound"]
    shown = deciding[:1] or (unbound[:1] if e.verdict == "no_bound" else unknown[:1]) or others
    return " and ".join(_because(p, zone) for p in shown)


def _n(value: float | str | None, unit: str = "") -> str:
    if value is None:
        return "nothing"
    if unit and not isinstance(value, str):
        return number_text(value, unit)
    return value if isinstance(value, str) else f"{value:,.6g}"


def _moment(time_us: int, zone: ZoneInfo) -> str:
    local = datetime.fromtimestamp(time_us / SECOND, UTC).astimezone(zone)
    return local.strftime("%a %d %b %H:%M:%S" if local.second else "%a %d %b %H:%M")


# ---- as others read it -----------------------------------------------------------------------------------------------

_MICROSECONDS = {"at", "watermark", "started_at", "breach_since", "clear_since", "next_at"}
_SECONDS = {"window_start", "window_end", "start", "end"}


def public(explanation: Explanation) -> dict[str, Any]:
    """The explanation as JSON: times in RFC 3339."""
    found: dict[str, Any] = _public(msgspec.to_builtins(explanation))
    return found


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
