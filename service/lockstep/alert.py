"""The alert lifecycle: which state follows which signal, and nothing else changes a state.

            breach            clear             no_data       held              quiet             removed
inactive    start             -                 -             -                 -                 -
pending     -                 cancel            -             fire              -                 cancel
firing      burn              cool              -             -                 resolve           resolve
resolved    start             -                 -             -                 -                 -

breach, clear and no_data are verdicts. held: a breach has lasted for `for`. quiet: it has been clear for
`keep_firing_for`. removed: the rule is gone. An action of "-" changes nothing. start: an episode begins, pending or,
with `for: 0`, firing at once. burn: it fires on, the quiet clock stops, the severity may change. cool: the quiet clock
starts and, with `keep_firing_for: 0`, has run out.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lockstep.labels import stable_id
from lockstep.rule.condition import NoData, Rule, Severity
from lockstep.rule.view import Kind, Verdict
from lockstep.transition import TransitionName


class State(StrEnum):
    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Signal(StrEnum):
    BREACH = "breach"
    CLEAR = "clear"
    NO_DATA = "no_data"
    HELD = "held"
    QUIET = "quiet"
    REMOVED = "removed"


class Action(StrEnum):
    NOTHING = "-"
    START = "start"
    CANCEL = "cancel"
    FIRE = "fire"
    BURN = "burn"
    COOL = "cool"
    RESOLVE = "resolve"


TABLE: dict[State, dict[Signal, Action]] = {
    State.INACTIVE: {
        Signal.BREACH: Action.START,
        Signal.CLEAR: Action.NOTHING,
        Signal.NO_DATA: Action.NOTHING,
        Signal.HELD: Action.NOTHING,
        Signal.QUIET: Action.NOTHING,
        Signal.REMOVED: Action.NOTHING,
    },
    State.PENDING: {
        Signal.BREACH: Action.NOTHING,
        Signal.CLEAR: Action.CANCEL,
        Signal.NO_DATA: Action.NOTHING,
        Signal.HELD: Action.FIRE,
        Signal.QUIET: Action.NOTHING,
        Signal.REMOVED: Action.CANCEL,
    },
    State.FIRING: {
        Signal.BREACH: Action.BURN,
        Signal.CLEAR: Action.COOL,
        Signal.NO_DATA: Action.NOTHING,
        Signal.HELD: Action.NOTHING,
        Signal.QUIET: Action.RESOLVE,
        Signal.REMOVED: Action.RESOLVE,
    },
    State.RESOLVED: {
        Signal.BREACH: Action.START,
        Signal.CLEAR: Action.NOTHING,
        Signal.NO_DATA: Action.NOTHING,
        Signal.HELD: Action.NOTHING,
        Signal.QUIET: Action.NOTHING,
        Signal.REMOVED: Action.NOTHING,
    },
}


def drawn() -> str:
    """The table as this module's docstring shows it."""
    width = {s: 14 if s is Signal.NO_DATA else 18 for s in Signal}
    rows = ["".join([" " * 12, *(str(s).ljust(width[s]) for s in Signal)]).rstrip()]
    for state, actions in TABLE.items():
        rows.append("".join([str(state).ljust(12), *(str(actions[s]).ljust(width[s]) for s in Signal)]).rstrip())
    return "\n".join(rows)


@dataclass(frozen=True, slots=True)
class Change:
    """One transition of one alert, before it is dressed for publication. Times in microseconds."""

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


@dataclass(slots=True)
class Alert:
    """One rule on one group. Times in microseconds of event time.

    at: when it last was judged or changed. since: when the breach began that `for` counts from. clear_since: when the
    quiet clock started, None while it stands. kind: the last verdict's, as the policy for no_data turned it.
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

    @property
    def firing(self) -> Severity | None:
        return self.severity if self.state is State.FIRING else None

    @property
    def is_open(self) -> bool:
        return self.state in (State.PENDING, State.FIRING)


def alert_id(rule: str, names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """The same for the same rule and labels, for ever."""
    return stable_id("alert", rule, *(part for pair in zip(names, values, strict=True) for part in pair))


def due(alert: Alert, rule: Rule) -> int | None:
    """The instant of the next timer of this alert, if one runs."""
    if alert.state is State.PENDING and alert.kind is Kind.BREACH:
        return max(alert.since + rule.for_s * 1_000_000, alert.at)
    if alert.state is State.FIRING and alert.clear_since is not None:
        return alert.clear_since + rule.keep_firing_for_s * 1_000_000
    return None


def apply_verdict(
    alert: Alert, rule: Rule, verdict: Verdict, at: int, *, event: str = "", so_far: bool = False
) -> list[Change]:
    """Step by a verdict at an instant. event: for levels, source and id of the event that set the value."""
    kind = verdict.kind
    if kind is Kind.UNJUDGED:  # nobody is to conclude anything: a `for` that runs goes on
        alert.at = max(alert.at, at)
        return []
    if kind is Kind.CLEAR and not alert.is_open:  # the common case, without a look at the table: see its first row
        alert.kind, alert.at = kind, max(alert.at, at)
        return []
    if kind is Kind.NO_DATA and rule.no_data is not NoData.KEEP:
        kind = Kind.CLEAR if rule.no_data is NoData.OK else Kind.BREACH
    alert.kind, alert.at = kind, max(alert.at, at)
    if kind in (Kind.BREACH, Kind.CLEAR):  # what changes nothing leaves the last numbers in place
        alert.verdict, alert.so_far = verdict, so_far
    signal = {Kind.BREACH: Signal.BREACH, Kind.CLEAR: Signal.CLEAR}.get(kind, Signal.NO_DATA)
    return _step(alert, signal, at, rule=rule, severity=verdict.severity, event=event)


def run_timer(alert: Alert, rule: Rule, at: int) -> list[Change]:
    """Step by the timer that is due at `at` (see `due`)."""
    signal = Signal.HELD if alert.state is State.PENDING else Signal.QUIET
    return _step(alert, signal, at, rule=rule)


def remove(alert: Alert, at: int) -> list[Change]:
    """The rule is gone: whatever is open ends."""
    return _step(alert, Signal.REMOVED, at, reason="rule_removed")


def _lowest(rule: Rule) -> Severity:
    """The severity of an alert that no_data starts."""
    condition = rule.condition
    levels = getattr(condition, "levels", None)
    return levels[0].severity if levels else condition.severity  # type: ignore[union-attr] # only Threshold has levels


def _step(
    alert: Alert,
    signal: Signal,
    at: int,
    *,
    rule: Rule | None = None,
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
            alert.started_at = alert.since = at
            alert.episode_id = stable_id("episode", alert.id, at, event)
            alert.number = 0
            alert.clear_since = None
            alert.severity = severity or (Severity.WARNING if rule is None else _lowest(rule))
            if rule is not None and rule.for_s:
                alert.state = State.PENDING
                return [_change(alert, TransitionName.PENDING, at)]
            alert.state = State.FIRING
            return [_change(alert, TransitionName.FIRING, at)]
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
            return _resolve(alert, at, reason)
        case Action.RESOLVE:
            return _resolve(alert, at, reason)


def _resolve(alert: Alert, at: int, reason: str) -> list[Change]:
    alert.state = State.RESOLVED
    alert.clear_since = None
    return [_change(alert, TransitionName.RESOLVED, at, reason=reason)]


def _change(
    alert: Alert, name: TransitionName, at: int, *, previous: Severity | None = None, reason: str = ""
) -> Change:
    alert.number += 1
    if not reason and alert.verdict.kind is Kind.NO_DATA:
        reason = "no_data"
    return Change(
        name,
        at,
        alert.number,
        alert.started_at,
        alert.episode_id,
        alert.severity,
        previous,
        alert.verdict,
        alert.so_far,
        reason,
    )


def stored(alert: Alert) -> list[Any]:
    """The alert as a plain list, for the state of the judge."""
    v = alert.verdict
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
        [
            v.kind.value,
            None if v.severity is None else int(v.severity),
            v.value,
            v.baseline,
            v.limit,
            v.window_start,
            v.window_end,
            v.counts,
            v.baseline_of,
        ],
        alert.so_far,
    ]


def restored(row: list[Any]) -> Alert:
    """The alert that `stored` wrote."""
    kind, severity, *numbers = row[10]
    verdict = Verdict(Kind(kind), None if severity is None else Severity(severity), *numbers)
    return Alert(
        row[0],
        State(row[1]),
        Severity(row[2]),
        row[3],
        row[4],
        row[5],
        row[6],
        row[7],
        row[8],
        Kind(row[9]),
        verdict,
        row[11],
    )
