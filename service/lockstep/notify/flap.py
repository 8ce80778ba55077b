"""Flapping: an alert that fires again and again is told once, when it begins to, and once more when it has settled.

It flaps from the firing that makes `fires` of them within `within_s` of event time. From then on people hear only of a
severity above all that they were told; when it has kept one state for half of that time, by the clock, they hear which.
Every transition stands on `lockstep.alerts` all the same, and webhooks get each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from lockstep.errors import StateError
from lockstep.rule.condition.kinds import Flapping
from lockstep.text.figures import duration_words
from lockstep.transition import Transition, TransitionName

KEY = b"\x1fflap\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
FORMAT = 1


class Heard(StrEnum):
    """What people hear of a transition: of itself, that its alert flaps from here on, or nothing."""

    TELL = "tell"
    BEGINS = "begins"
    HUSH = "hush"


@dataclass
class _Flap:
    """What is remembered of an alert that fired lately.

    fires: seconds of event time, oldest first. count: firings since it flaps. rank: the worst that people were told.
    due: when it has settled, or is forgotten; None until the next tick sets it. last: its last transition, encoded.
    """

    alert_id: str
    within_s: int
    fires: list[float] = field(default_factory=list)
    flaps: bool = False
    count: int = 0
    rank: int = 0
    due: float | None = None
    last: dict[str, Any] | None = None


@dataclass(frozen=True)
class Settled:
    """An alert that flapped and has kept its last transition's state for settled_s."""

    last: Transition
    count: int
    settled_s: float


class Flaps:
    """The alerts of all rules that fired lately; a part of notify's state."""

    def __init__(self) -> None:
        self._flaps: dict[str, _Flap] = {}
        self._dirty: set[str] = set()
        self._undated: set[str] = set()  # those whose end the next tick sets
        self._ticked_at, self._first_due = float("inf"), float("-inf")  # the last tick, and when one of them is due

    def hear(self, transition: Transition, rank: int, flapping: Flapping | None) -> Heard:
        """What people are to hear of a transition to firing, severity or resolved.

        rank: of its severity, a higher one is worse. flapping: when the rule's alerts flap; None: never.
        """
        flap = self._flaps.get(transition.alert_id)
        if flapping is None:
            if flap is not None:
                self._drop(flap)
            return Heard.TELL
        fires = transition.state is TransitionName.FIRING
        if flap is None:
            if not fires:
                return Heard.TELL
            flap = self._flaps[transition.alert_id] = _Flap(transition.alert_id, flapping.within_s)
        self._dirty.add(flap.alert_id)
        flap.due = None
        self._undated.add(flap.alert_id)
        if fires:
            at = datetime.fromisoformat(transition.at).timestamp()
            lately = [t for t in flap.fires if t > at - flapping.within_s]
            flap.fires = [*lately[-flapping.fires + 1 :], at]
        if flap.flaps:
            flap.count += fires
            flap.last = msgspec.to_builtins(transition)
            if transition.state is not TransitionName.RESOLVED and rank > flap.rank:
                flap.rank = rank
                return Heard.TELL
            return Heard.HUSH
        if fires and len(flap.fires) >= flapping.fires:
            flap.flaps, flap.count, flap.rank, flap.within_s = True, len(flap.fires), rank, flapping.within_s
            flap.last = msgspec.to_builtins(transition)
            return Heard.BEGINS
        return Heard.TELL

    def tick(self, moment: float) -> list[Settled]:
        """Those that have settled, in an order that a restart does not change."""
        settled: list[Settled] = []
        # Only where time went back, or one of them is due, is there anything to be done of those that have an end.
        is_quiet = self._ticked_at <= moment < self._first_due
        first_due = self._first_due if is_quiet else float("inf")
        for key in sorted(self._undated if is_quiet else self._flaps):
            flap = self._flaps[key]
            longest = flap.within_s / 2 if flap.flaps else float(flap.within_s)
            if flap.due is None:
                flap.due = moment + longest
                self._dirty.add(key)
            # A clock that was put back must not hold it for longer than it could ever have waited.
            if flap.due > moment + longest:
                flap.due = moment + longest
                self._dirty.add(key)
            if flap.due <= moment:
                if flap.flaps and flap.last is not None:
                    settled.append(Settled(msgspec.convert(flap.last, Transition), flap.count, longest))
                self._drop(flap)
            else:
                first_due = min(first_due, flap.due)
        self._undated.clear()
        self._ticked_at, self._first_due = moment, first_due
        return settled

    def _drop(self, flap: _Flap) -> None:
        del self._flaps[flap.alert_id]
        self._undated.discard(flap.alert_id)
        self._dirty.add(flap.alert_id)

    def cut(self) -> dict[bytes, bytes | None]:
        """The entries that changed since the last cut."""
        entries: dict[bytes, bytes | None] = {}
        for key in self._dirty:
            flap = self._flaps.get(key)
            value = None if flap is None else msgspec.json.encode({"format": FORMAT, **vars(flap)})
            entries[KEY + key.encode()] = value
        self._dirty.clear()
        return entries

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what cuts stored; other entries are left alone."""
        for key, value in entries.items():
            if key.startswith(KEY):
                row = msgspec.json.decode(value)
                stored = row.pop("format", None)
                if stored != FORMAT:
                    raise StateError(f"lockstep.notify-state: flapping of format {stored}, this version reads {FORMAT}")
                self._flaps[row["alert_id"]] = _Flap(**row)


def flapping_note(flapping: Flapping) -> str:
    """Said when an alert begins to flap."""
    times, stretch = flapping.fires, duration_words(flapping.within_s)
    settled = duration_words(flapping.within_s / 2)
    return (
        f"it is flapping, it fired {times} times within {stretch}; you hear of it again when it gets worse, "
        f"or when it has kept one state for {settled}"
    )


def settled_note(settled: Settled) -> str:
    """Said when it has settled."""
    state = "over" if settled.last.state is TransitionName.RESOLVED else "firing"
    lasted = duration_words(settled.settled_s)
    return f"it has stopped flapping: it fired {settled.count} times, and is {state} for {lasted}"
