"""The alert lifecycle: which state follows which signal, and nothing else changes a state.

            breach    clear     no_data   tolerated closed    held      quiet     cooled    removed
inactive    start     -         -         -         -         -         -         -         -
pending     -         cancel    -         -         cancel    fire      -         -         cancel
firing      burn      cool      -         -         resolve   -         resolve   -         resolve
cooling     -         -         -         -         -         -         -         reopen    rest
resolved    start     -         -         -         -         -         -         -         -

breach, clear and no_data are verdicts; tolerated is a clear that `for: 3 of 4 buckets` forgives; closed is the verdict
that nothing is judged at this hour or on this day, for which no `keep_firing_for` waits. held: a breach has
lasted for `for`, or breached as often as it asks. quiet: it has been clear for `keep_firing_for`. cooled: `cool_down`
has passed since the end. removed: the rule is gone or has expired.

An action of "-" changes nothing. start: an episode begins, pending or, with `for: 0`, firing at once. burn: it fires
on, the quiet clock stops, the severity may change. cool: the quiet clock starts and, with `keep_firing_for: 0`, has run
out. What was firing ends in cooling, with `cool_down: 0` in resolved. reopen: what breaches still begins an episode
now. rest: it is resolved.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lockstep.labels import stable_id
from lockstep.rule.condition.held_parts import Held, remembered
from lockstep.rule.condition.kinds import Condition, NoData, Rule, Severity, Tolerance
from lockstep.rule.condition.view import Kind, Verdict
from lockstep.text.rfc3339 import SECOND
from lockstep.transition import TransitionName


class State(StrEnum):
    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    COOLING = "cooling"
    RESOLVED = "resolved"


class Signal(StrEnum):
    BREACH = "breach"
    CLEAR = "clear"
    NO_DATA = "no_data"
    TOLERATED = "tolerated"
    CLOSED = "closed"
    HELD = "held"
    QUIET = "quiet"
    COOLED = "cooled"
    REMOVED = "removed"


class Action(StrEnum):
    NOTHING = "-"
    START = "start"
    CANCEL = "cancel"
    FIRE = "fire"
    BURN = "burn"
    COOL = "cool"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    REST = "rest"


TABLE: dict[State, dict[Signal, Action]] = {
    State.INACTIVE: {
        Signal.BREACH: Action.START,
        Signal.CLEAR: Action.NOTHING,
        Signal.NO_DATA: Action.NOTHING,
        Signal.TOLERATED: Action.NOTHING,
        Signal.CLOSED: Action.NOTHING,
        Signal.HELD: Action.NOTHING,
        Signal.QUIET: Action.NOTHING,
        Signal.COOLED: Action.NOTHING,
        Signal.REMOVED: Action.NOTHING,
    },
    State.PENDING: {
        Signal.BREACH: Action.NOTHING,
        Signal.CLEAR: Action.CANCEL,
        Signal.NO_DATA: Action.NOTHING,
        Signal.TOLERATED: Action.NOTHING,
        Signal.CLOSED: Action.CANCEL,
        Signal.HELD: Action.FIRE,
        Signal.QUIET: Action.NOTHING,
        Signal.COOLED: Action.NOTHING,
        Signal.REMOVED: Action.CANCEL,
    },
    State.FIRING: {
        Signal.BREACH: Action.BURN,
        Signal.CLEAR: Action.COOL,
        Signal.NO_DATA: Action.NOTHING,
        Signal.TOLERATED: Action.NOTHING,
        Signal.CLOSED: Action.RESOLVE,
        Signal.HELD: Action.NOTHING,
        Signal.QUIET: Action.RESOLVE,
        Signal.COOLED: Action.NOTHING,
        Signal.REMOVED: Action.RESOLVE,
    },
    State.COOLING: {
        Signal.BREACH: Action.NOTHING,
        Signal.CLEAR: Action.NOTHING,
        Signal.NO_DATA: Action.NOTHING,
        Signal.TOLERATED: Action.NOTHING,
        Signal.CLOSED: Action.NOTHING,
        Signal.HELD: Action.NOTHING,
        Signal.QUIET: Action.NOTHING,
        Signal.COOLED: Action.REOPEN,
        Signal.REMOVED: Action.REST,
    },
    State.RESOLVED: {
        Signal.BREACH: Action.START,
        Signal.CLEAR: Action.NOTHING,
        Signal.NO_DATA: Action.NOTHING,
        Signal.TOLERATED: Action.NOTHING,
        Signal.CLOSED: Action.NOTHING,
        Signal.HELD: Action.NOTHING,
        Signal.QUIET: Action.NOTHING,
        Signal.COOLED: Action.NOTHING,
        Signal.REMOVED: Action.NOTHING,
    },
}


def drawn() -> str:
    """The table as this module's docstring shows it."""
    rows = ["".join([" " * 12, *(str(s).ljust(10) for s in Signal)]).rstrip()]
    for state, actions in TABLE.items():
        rows.append("".join([str(state).ljust(12), *(str(actions[s]).ljust(10) for s in Signal)]).rstrip())
    return "\n".join(rows)


@dataclass(frozen=True, slots=True)
class Change:
    """One transition of one alert, before it is dressed for publication. Times in microseconds.

    at: when it happened; started_at: when its episode began. number: its place in the episode, from 1. verdict: the one
    that led to it. so_far: it came early, while the window of that verdict was still open.
    """

    name: TransitionName
    at: int
    number: int
    started_at: int
    episode_id: str
    severity: Severity
    previous_severity: Severity | None
    verdict: Verdict
    so_far: bool
    reason: str = ""


_WATCHED = (State.PENDING, State.FIRING, State.COOLING)


@dataclass(slots=True)
class Alert:
    """One rule on one group. Times in microseconds of event time.

    at: when it last was judged or changed. since: when the breach began that `for` counts from. clear_since: when the
    quiet clock started, None while it stands. kind: the last verdict's, as the policy for no_data turned it.
    ended_at: when it ended that `cool_down` counts from. breaches: of a pending alert whose rule says `for: 3 of 4
    buckets`, its last verdicts as bits, the newest lowest; counted_at: when that one was given. judged_by: the rule's
    version that the last verdict is of. held: of an open alert of an `any`, what its parts remember.
    """

    id: str
    state: State = State.INACTIVE
    severity: Severity = Severity.WARNING
    episode_id: str = ""
    number: int = 0
    started_at: int = 0
    since: int = 0
    clear_since: int | None = None
    at: int = 0
    kind: Kind = Kind.UNJUDGED
    verdict: Verdict = field(default_factory=lambda: Verdict(Kind.UNJUDGED))
    so_far: bool = False
    ended_at: int = 0
    breaches: int = 0
    counted_at: int = 0
    judged_by: str = ""
    held: Held = ()

    @property
    def firing(self) -> Severity | None:
        """The severity at which it fires now; None where it does not fire."""
        return self.severity if self.state is State.FIRING else None

    @property
    def holding(self) -> Held:
        """What counts as held in the next verdict."""
        return self.held if self.state is State.FIRING else ()

    @property
    def is_open(self) -> bool:
        return self.state in (State.PENDING, State.FIRING)

    @property
    def is_watched(self) -> bool:
        """Whether its verdicts matter whatever the group's events do: it is open, or it may reopen."""
        return self.state in _WATCHED


def alert_id(rule: str, names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """The alert of a rule's name on one group, the same for ever. names, values: its labels, in the same order."""
    return stable_id("alert", rule, *(part for pair in zip(names, values, strict=True) for part in pair))


def due(alert: Alert, rule: Rule) -> int | None:
    """The instant of the next timer of this alert, if one runs."""
    if alert.state is State.PENDING and alert.kind is Kind.BREACH and rule.tolerance is None:
        return max(alert.since + rule.for_s * SECOND, alert.at)
    if alert.state is State.FIRING and alert.clear_since is not None:
        return max(alert.clear_since + rule.keep_firing_for_s * SECOND, alert.at)
    if alert.state is State.COOLING:
        return max(alert.ended_at + rule.cool_down_s * SECOND, alert.at)
    return None


def counts_buckets(alert: Alert, rule: Rule) -> bool:
    """Whether each bucket's verdict moves this alert on, also one that says the same as the last."""
    return rule.tolerance is not None and alert.state is State.PENDING and alert.kind is not Kind.NO_DATA


def would_fire(alert: Alert, rule: Rule, at: int) -> bool:
    """Whether a breach at an instant makes a pending alert of `for: 3 of 4 buckets` fire."""
    if rule.tolerance is None or alert.state is not State.PENDING:
        return False
    return _counted(alert, rule.tolerance, breach=True, at=at).bit_count() >= rule.tolerance.breaches


def _counted(alert: Alert, tolerance: Tolerance, *, breach: bool, at: int) -> int:
    """The last verdicts as bits with one more; a bucket that is judged again, after an early look, counts once."""
    before = alert.breaches >> 1 if at <= alert.counted_at else alert.breaches
    return (before << 1 | breach) & ((1 << tolerance.buckets) - 1)


def apply_verdict(
    alert: Alert,
    rule: Rule,
    verdict: Verdict,
    at: int,
    *,
    condition: Condition | None = None,
    event: str = "",
    so_far: bool = False,
) -> list[Change]:
    """Step by a verdict at an instant. Returns what people may hear of, nothing where the alert stays as it is.

    event: for levels, source and id of the event that set the value. so_far: its window is still open.
    condition: the rule's as it is for this group, with its overrides and the rows of its tables; None: as it stands.
    """
    kind = verdict.kind
    if alert.is_open or kind in (Kind.BREACH, Kind.NO_DATA):
        alert.held = remembered(condition or rule.condition, verdict, alert.held if alert.is_open else ())
    if kind is Kind.UNJUDGED:  # nobody is to conclude anything: a `for` that runs goes on
        alert.at = max(alert.at, at)
        return []
    if kind is Kind.NO_BOUND:  # nothing to compare with any more: what is open ends
        kind = Kind.CLEAR
    if kind is Kind.CLOSED:
        alert.kind, alert.at = kind, max(alert.at, at)
        return _step(alert, Signal.CLOSED, at, rule=rule, reason="closed")
    if kind is Kind.CLEAR and not alert.is_open:  # the common case, without a look at the table: see its first row
        alert.kind, alert.at = kind, max(alert.at, at)
        return []
    if kind is Kind.NO_DATA and rule.no_data is not NoData.KEEP:
        kind = Kind.CLEAR if rule.no_data is NoData.OK else Kind.BREACH
    alert.kind, alert.at = kind, max(alert.at, at)
    if kind in (Kind.BREACH, Kind.CLEAR):  # what changes nothing leaves the last numbers in place
        alert.verdict, alert.so_far, alert.judged_by = verdict, so_far, rule.version
    signal = {Kind.BREACH: Signal.BREACH, Kind.CLEAR: Signal.CLEAR}.get(kind, Signal.NO_DATA)
    if rule.tolerance is not None and alert.state is State.PENDING and kind in (Kind.BREACH, Kind.CLEAR):
        alert.breaches = _counted(alert, rule.tolerance, breach=kind is Kind.BREACH, at=at)
        alert.counted_at = at
        if signal is Signal.CLEAR and alert.breaches:
            signal = Signal.TOLERATED
        elif alert.breaches.bit_count() >= rule.tolerance.breaches:
            _step(alert, signal, at, rule=rule, severity=verdict.severity)
            signal = Signal.HELD
    return _step(alert, signal, at, rule=rule, condition=condition, severity=verdict.severity, event=event)


def run_timer(alert: Alert, rule: Rule, at: int, *, condition: Condition | None = None) -> list[Change]:
    """Step by the timer that is due at `at` (see `due`). condition: as for `apply_verdict`."""
    signal = {State.PENDING: Signal.HELD, State.FIRING: Signal.QUIET}.get(alert.state, Signal.COOLED)
    return _step(alert, signal, at, rule=rule, condition=condition)


def remove(alert: Alert, at: int, reason: str = "rule_removed") -> list[Change]:
    """The rule is gone or has expired: whatever is open ends, with this reason."""
    return _step(alert, Signal.REMOVED, at, reason=reason)


def _lowest(rule: Rule, condition: Condition | None) -> Severity:
    """The severity of an alert that no_data starts: of the lowest level that the group has."""
    if not getattr(condition, "levels", None):
        condition = rule.condition
    levels = getattr(condition, "levels", None)
    return levels[0].severity if levels else condition.severity  # type: ignore[union-attr] # only Threshold has levels


def _step(
    alert: Alert,
    signal: Signal,
    at: int,
    *,
    rule: Rule | None = None,
    condition: Condition | None = None,
    severity: Severity | None = None,
    event: str = "",
    reason: str = "",
) -> list[Change]:
    match TABLE[alert.state][signal]:
        case Action.NOTHING:
            if alert.state is State.PENDING and severity is not None and signal is Signal.BREACH:
                alert.severity = severity
            return []
        case Action.START:
            return _start(alert, at, rule=rule, condition=condition, severity=severity, event=event)
        case Action.REOPEN:
            alert.state = State.RESOLVED
            if alert.kind is not Kind.BREACH:
                return []
            return _start(alert, at, rule=rule, condition=condition, severity=alert.verdict.severity)
        case Action.REST:
            alert.state = State.RESOLVED
            return []
        case Action.CANCEL:
            alert.state = State.INACTIVE
            return [_change(alert, TransitionName.CANCELLED, at, reason=reason)]
        case Action.FIRE:
            alert.state = State.FIRING
            return [_change(alert, TransitionName.FIRING, at)]
        case Action.BURN:
            alert.clear_since = None
            if severity is None or severity == alert.severity:
                return []
            before, alert.severity = alert.severity, severity
            return [_change(alert, TransitionName.SEVERITY, at, previous=before)]
        case Action.COOL:
            if alert.clear_since is None:
                alert.clear_since = at
            if rule is not None and rule.keep_firing_for_s:
                return []
            return _resolve(alert, at, rule=rule, reason=reason)
        case Action.RESOLVE:
            return _resolve(alert, at, rule=rule, reason=reason)


def _start(
    alert: Alert,
    at: int,
    *,
    rule: Rule | None,
    condition: Condition | None,
    severity: Severity | None = None,
    event: str = "",
) -> list[Change]:
    alert.started_at = alert.since = alert.counted_at = at
    alert.episode_id = stable_id("episode", alert.id, at, event)
    alert.number = 0
    alert.breaches = 1
    alert.clear_since = None
    alert.severity = severity or (Severity.WARNING if rule is None else _lowest(rule, condition))
    if rule is not None and (rule.for_s or rule.tolerance is not None):
        alert.state = State.PENDING
        return [_change(alert, TransitionName.PENDING, at)]
    alert.state = State.FIRING
    return [_change(alert, TransitionName.FIRING, at)]


def _resolve(alert: Alert, at: int, *, rule: Rule | None, reason: str) -> list[Change]:
    # A rule that is gone has no cool-down: `rule` is None then.
    alert.state = State.COOLING if rule is not None and rule.cool_down_s else State.RESOLVED
    alert.ended_at = at
    alert.clear_since = None
    return [_change(alert, TransitionName.RESOLVED, at, reason=reason)]


def _change(
    alert: Alert, name: TransitionName, at: int, *, previous: Severity | None = None, reason: str = ""
) -> Change:
    alert.number += 1
    if not reason and alert.verdict.kind is Kind.NO_DATA:
        reason = "no_data"
    return Change(
        name=name,
        at=at,
        number=alert.number,
        started_at=alert.started_at,
        episode_id=alert.episode_id,
        severity=alert.severity,
        previous_severity=previous,
        verdict=alert.verdict,
        so_far=alert.so_far,
        reason=reason,
    )


def stored(alert: Alert) -> list[Any]:
    """The alert as a plain list, for the state of the judge."""
    return [
        alert.id,
        alert.state.value,
        int(alert.severity),
        alert.episode_id,
        alert.number,
        alert.started_at,
        alert.since,
        alert.clear_since,
        alert.at,
        alert.kind.value,
        _stored_verdict(alert.verdict),
        alert.so_far,
        alert.ended_at,
        alert.breaches,
        alert.counted_at,
        alert.judged_by,
        alert.held,
    ]


def _stored_verdict(v: Verdict) -> list[Any]:
    return [
        v.kind.value,
        None if v.severity is None else int(v.severity),
        v.value,
        v.baseline,
        v.limit,
        v.window_start,
        v.window_end,
        v.counts,
        v.baseline_of,
        v.limit_of,
        v.history,
        [_stored_verdict(part) for part in v.parts],
    ]


def _restored_verdict(row: list[Any]) -> Verdict:
    kind, severity, value, baseline, limit, start, end, counts, baseline_of, limit_of, history, parts = row
    return Verdict(
        kind=Kind(kind),
        severity=None if severity is None else Severity(severity),
        value=value,
        baseline=baseline,
        limit=limit,
        window_start=start,
        window_end=end,
        counts=counts,
        baseline_of=baseline_of,
        limit_of=limit_of,
        history=tuple((since, until, was) for since, until, was in history),
        parts=tuple(_restored_verdict(part) for part in parts),
    )


def restored(row: list[Any]) -> Alert:
    """The alert that `stored` wrote."""
    return Alert(
        id=row[0],
        state=State(row[1]),
        severity=Severity(row[2]),
        episode_id=row[3],
        number=row[4],
        started_at=row[5],
        since=row[6],
        clear_since=row[7],
        at=row[8],
        kind=Kind(row[9]),
        verdict=_restored_verdict(row[10]),
        so_far=row[11],
        ended_at=row[12],
        breaches=row[13],
        counted_at=row[14],
        judged_by=row[15],
        held=_restored_held(row[16]),
    )


def _restored_held(rows: list[Any]) -> Held:
    return tuple((None if held is None else Severity(held), _restored_held(inner)) for held, inner in rows)
