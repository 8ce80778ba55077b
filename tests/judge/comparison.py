"""What must be the same in two tellings of the same events, and how one differs from the other."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import isclose
from typing import Any
from zoneinfo import ZoneInfo

from reference import micros, reference_transitions
from shorthand import LONDON, Event, lines

from lockstep.rule.condition.kinds import Absence, Change, NewValue, Plan, Projection, Share, Spike, Threshold
from lockstep.tools.backtest.replay import replay_events
from lockstep.transition import Transition

SAME = ("rule", "labels", "alert_id", "episode_id", "transition_id", "number", "state", "at", "started_at", "severity")
NUMBERS = ("value", "baseline", "limit")
WORDS = ("baseline_of",)


def plain(transition: Transition) -> dict[str, Any]:
    """A published transition in the reference's form: instants in microseconds."""
    found = {
        name: getattr(transition, name) for name in (*SAME, *NUMBERS, *WORDS, "window_start", "window_end", "so_far")
    }
    for name in ("at", "started_at", "window_start", "window_end"):
        found[name] = None if found[name] is None else micros(found[name])
    return {**found, "state": str(found["state"]), "explanation": transition.explanation}


def differences(
    expected: Iterable[Mapping[str, Any]],
    actual: Iterable[Mapping[str, Any]],
    *,
    numbers_of: frozenset[str] = frozenset(),
    tolerance: float = 1e-9,
) -> list[str]:
    """One line for each thing in which two tellings differ. numbers_of: the rules whose numbers are compared too."""
    left, right = sorted(expected, key=_in_order), sorted(actual, key=_in_order)
    found = []
    for i in range(max(len(left), len(right))):
        if i >= len(right):
            found.append(f"missing: {lines([left[i]])[0]}")
            continue
        if i >= len(left):
            found.append(f"too many: {lines([right[i]])[0]}")
            continue
        a, b = left[i], right[i]
        unequal = [n for n in SAME if a[n] != b[n]]
        if not unequal and a["rule"] in numbers_of and not b["so_far"]:
            told = ("window_start", "window_end", *WORDS)
            unequal = [n for n in told if a.get("window_known", True) and a[n] != b[n]]
            unequal += [
                n
                for n in NUMBERS
                if n != "limit" or a[n] is not None  # other conditions have limits of their own
                if (a[n] is None) != (b[n] is None)
                or (a[n] is not None and not isclose(a[n], b[n], rel_tol=tolerance, abs_tol=tolerance))
            ]
        if unequal:
            told = ", ".join(f"{n} {a[n]} is not {b[n]}" for n in unequal)
            found.append(f"{lines([a])[0]} | {lines([b])[0]}: {told}")
    return found


def _in_order(transition: Mapping[str, Any]) -> tuple[Any, ...]:
    """By instant; two episodes that begin at one have no order between them."""
    labels = sorted(transition["labels"].items())
    return transition["at"], transition["rule"], labels, transition["number"], transition["episode_id"]


def with_numbers(plan: Plan) -> frozenset[str]:
    """Rules that look at one thing: of a combination the text does not say whose numbers are shown."""
    told = Threshold | Spike | Absence | Change | NewValue | Share | Projection
    return frozenset(r.name for r in plan.rules if isinstance(r.condition, told))


def judged(
    plan: Plan, events: list[Event], *, zone: ZoneInfo = LONDON, until: datetime | None = None, tolerance: float = 1e-9
) -> list[dict[str, Any]]:
    """What the service says of these events, after the reference was asked to say the same."""
    expected = reference_transitions(plan, events, zone=zone, until=until)
    actual = [plain(t) for t in replay_events(plan, events, zone=zone, until=until)]
    found = differences(expected, actual, numbers_of=with_numbers(plan), tolerance=tolerance)
    assert not found, "the service does not say what the reference says:\n" + "\n".join(found)
    return actual
