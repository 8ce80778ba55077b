"""A transition: one change of an alert, the only thing that later stages hear of. Also its public form."""

from enum import StrEnum
from typing import Any

import msgspec

from lockstep.rule.judged_verdict import Judged
from lockstep.shop.whole_shop import MadeOf


class TransitionName(StrEnum):
    PENDING = "pending"
    FIRING = "firing"
    SEVERITY = "severity"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"


class Refusal(msgspec.Struct, frozen=True):
    """Why a rule file was refused, and whom it concerns.

    faults: as `lockstep check` says them, with place and remedy. owners: of the rules of its last good version, as they
    are written there. teams: who hears of these rules, () where the file had none. in_force: what holds instead, in
    words.
    """

    faults: tuple[str, ...]
    owners: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    in_force: str = ""


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """As published on `lockstep.alerts` (in a CloudEvent's data) and printed by `backtest --json`.

    The published schema takes the fields' descriptions from here:

    transition_id: the same however often it is published. alert_id: the rule on these labels, for ever the same.
    episode_id: from the alert's first pending or firing instant until it is resolved or cancelled.
    number: 1, 2, … within the episode. rule: the rule's name.
    labels: what it is about, by name; empty for the whole shop. state: the transition's name.
    at: when it happened, RFC 3339 in UTC, event time. started_at: when the episode began, likewise.
    severity: one of info, warning, critical. previous_severity: before a change of it; else None.
    value: what was measured; None when there was no data. baseline: what is usual; None for thresholds on numbers.
    ratio: the value over the baseline, or None. limit: the number that was crossed; None for a condition that has none.
    window_start, window_end: the stretch that was measured; None for a level.
    so_far: decided before the window had closed. watermark: event time up to which everything had been seen.
    rule_version: changes whenever anything that the rule judges by changes.
    baseline_of: which stretches the baseline is of, and why not better ones: `the last 7 days, because only 2 weeks are
    known`; "" where there is none.
    limit_of: where the limit comes from when it is no number of the rule itself: `1.5 × reorder_point`,
    `at_most of KEY-* in thresholds.csv`; else "".
    counts: further numbers that led to the verdict (events, weeks used, deviations, …), by name.
    reason: why, where it is not the verdict itself (`rule_removed`, `closed`, `no_data`), else "".
    explanation: the verdict behind it as it was judged; None for what no rule judged.
    fault: what is wrong with the rule file that an alert of Lockstep's own is about, else "".
    refusal: all that is wrong with it, whom it concerns and what is in force instead; None for every other alert.
    past: whether it is of imported time, of which nobody is told; only there where it is so.
    shop: what is known of the shop beside it, for texts: numbers and words by the names that `lockstep.shop.names`
    describes; only there where anything is.
    made_of: what each business measure that the rule reads was made of; only there where it reads any.
    """

    transition_id: str
    alert_id: str
    episode_id: str
    number: int
    rule: str
    labels: dict[str, str]
    state: TransitionName
    at: str
    started_at: str
    severity: str
    value: float | None
    baseline: float | None
    ratio: float | None
    limit: float | None
    window_start: str | None
    window_end: str | None
    so_far: bool
    watermark: str | None
    rule_version: str
    previous_severity: str | None = None
    counts: dict[str, float] = {}
    baseline_of: str = ""
    limit_of: str = ""
    reason: str = ""
    explanation: Judged | None = None
    fault: str = ""
    refusal: Refusal | None = None
    past: bool = False
    shop: dict[str, float | str] = {}
    made_of: tuple[MadeOf, ...] = ()


def as_cloudevent(transition: Transition) -> dict[str, Any]:
    """The form on `lockstep.alerts`: a CloudEvent whose id is the transition's."""
    data = msgspec.to_builtins(transition)
    if not transition.past:
        del data["past"]
    if not transition.shop:
        del data["shop"]
    if not transition.made_of:
        del data["made_of"]
    return {
        "specversion": "1.0",
        "id": transition.transition_id,
        "source": "lockstep",
        "type": f"lockstep.alert.{transition.state}",
        "time": transition.at,
        "subject": transition.alert_id,
        "datacontenttype": "application/json",
        "data": data,
    }


def encode(transition: Transition) -> bytes:
    return msgspec.json.encode(as_cloudevent(transition))


class _Envelope(msgspec.Struct):
    data: Transition


_DECODER = msgspec.json.Decoder(_Envelope)


def decode(value: bytes) -> Transition:
    """The transition in a record of `lockstep.alerts` or `lockstep.alert-state`. Raises msgspec.MsgspecError."""
    return _DECODER.decode(value).data


def fires_otherwise(transition: Transition) -> bool:
    """Whether an alert that fires already says something else: a file that is refused for other faults."""
    return transition.state is TransitionName.FIRING and transition.refusal is not None and transition.number > 1


def in_order(transition: Transition) -> tuple[str, str, list[tuple[str, str]], int]:
    """Sorts transitions by instant, rule, labels and number."""
    # Without the Z: 12:00:00.5Z comes before 12:00:00Z as text.
    return transition.at.removesuffix("Z"), transition.rule, sorted(transition.labels.items()), transition.number
