"""The history of a level: the values that each thing had, as long as somebody asks for them.

Beside them, where somebody shows how a level came to be what it is, the last changes of the sum of all things. They are
two numbers each, at most `2 * LEAST_CHANGES` of them: no verdict reads them.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lockstep.measure.history.source import Source

LEAST_CHANGES = 16
"""So many changes are kept, where there were so many; twice as many before the older half is dropped: 256 to 512 B."""


@dataclass(slots=True)
class _Identity:
    """One thing's level: its values in time order, the newest one last. Values in millionths, times in µs."""

    values: list[tuple[int, int, int]] = field(default_factory=list)  # (time, offset, value)
    source: Source = ("", 0)


class LevelHistory:
    """One level series: per identity the newest value, and older ones as long as a bucket end may ask for them.

    moved: by how much the newest value changed the sum; None when it was the first of all.
    rested_us: how long the values before it had been as they were; who calls that stale compares it with nothing.
    row: under which number it is stored among the groups of its series; set by who stores it.
    """

    __slots__ = ("_changes", "_identities", "marks", "moved", "older", "rested_us", "row")

    def __init__(self) -> None:
        self._identities: dict[str, _Identity] = {}
        self.marks: dict[Source, int] = {}
        self.row = -1
        self.older = 0
        self.moved: int | None = None
        self.rested_us = 0
        self._changes: array[int] | None = None  # when in µs, what in millionths, when, what, …

    def apply(self, source: Source, identity: str, time_us: int, offset: int, value: int, *, grain_us: int = 0) -> bool:
        """Take a value; False when it changes nothing: seen before, or older than the newest of its identity.

        grain_us: the past is asked for at multiples of this only, so of each such stretch the last value is enough.
        """
        if self.has_seen(source, offset):
            return False
        self.marks[source] = offset
        known = self._identities.get(identity)
        if known is None:
            known = self._identities[identity] = _Identity()
        values = known.values
        if values:
            newest, _, before = values[-1]
            if time_us < newest:
                self.older += 1
                return False
            self.moved = value - before
        else:
            newest, self.moved = time_us, None if len(self._identities) == 1 else value
        if len(self._identities) > 1:
            newest = max(k.values[-1][0] for k in self._identities.values() if k.values)
        self.rested_us = time_us - newest
        known.source = source
        if grain_us and values and values[-1][0] // grain_us == time_us // grain_us:
            values.pop()
        values.append((time_us, offset, value))
        return True

    def has_seen(self, source: Source, offset: int) -> bool:
        """Whether the value at this place has been taken before."""
        mark = self.marks.get(source)
        return mark is not None and offset <= mark

    def trim(self, before_us: int | None) -> None:
        """Forget values that no instant at or after `before_us` can ask for (None: only the newest is asked for)."""
        for known in self._identities.values():
            keep = len(known.values) - 1
            if not keep:
                continue
            if before_us is not None:
                # The newest value strictly before the instant is still in force at it.
                while keep > 0 and known.values[keep][0] >= before_us:
                    keep -= 1
            if keep > 0:
                del known.values[:keep]

    def now(self) -> int:
        """The sum of the newest values, in millionths."""
        return sum(k.values[-1][2] for k in self._identities.values())

    def newest_us(self) -> int:
        """When the newest value was set."""
        return max(k.values[-1][0] for k in self._identities.values())

    def newest_before(self, instant_us: int) -> int | None:
        """When the newest value before an instant was set."""
        times = [t for k in self._identities.values() for t, _, _ in k.values if t < instant_us]
        return max(times, default=None)

    def as_of(self, instant_us: int, stale_us: int | None) -> int | None:
        """The sum of the values in force just before an instant, in millionths.

        None when none is, or the newest is stale.
        """
        total, newest = 0, None
        for known in self._identities.values():
            for time_us, _, value in reversed(known.values):
                if time_us < instant_us:
                    total += value
                    newest = time_us if newest is None else max(newest, time_us)
                    break
        if newest is None or (stale_us is not None and instant_us - newest >= stale_us):
            return None
        return total

    def fallen(self, start_us: int, end_us: int, grain_us: int) -> int:
        """What the identities lost between the multiples of grain_us in [start_us, end_us], in millionths, their rises
        left aside."""
        total = 0
        for known in self._identities.values():
            before: int | None = None  # at the last multiple looked at
            at, newest = start_us, None
            for time_us, _, value in known.values:
                if time_us >= end_us:
                    break
                if time_us >= at:
                    if before is not None and newest is not None and newest < before:
                        total += before - newest
                    before = newest
                    at = time_us // grain_us * grain_us + grain_us
                newest = value
            if before is not None and newest is not None and newest < before:
                total += before - newest
        return total

    def next_time(self, after_us: int) -> int | None:
        """The first kept value that was set at or after an instant."""
        times = [t for k in self._identities.values() for t, _, _ in k.values if t >= after_us]
        return min(times, default=None)

    # ---- how it came to be ----------------------------------------------------------------------------------------

    def note_change(self, time_us: int, *, every_value: bool) -> None:
        """Keep what the sum is since the value that was just applied. every_value: also where it is what it was."""
        changes, moved = self._changes, self.moved
        try:
            if changes is None:
                now, changes = self.now(), array("q")
                if moved is not None:  # it was there before anybody kept its changes
                    changes.extend((time_us - self.rested_us, now - moved))
                if not changes or moved or every_value:
                    changes.extend((max((time_us, *changes[:1])), now))
                self._changes = changes
            elif moved or every_value:
                # Of several things one may be told late: for the sum it counts from when it is known.
                changes.extend((max(time_us, changes[-2]), changes[-1] + (moved or 0)))
                if len(changes) > 4 * LEAST_CHANGES:
                    del changes[: 2 * LEAST_CHANGES]
        except OverflowError:
            self._changes = None  # a sum beyond 64 bits is shown to nobody

    def changes(self) -> Iterator[tuple[int, int]]:
        """(since when, the sum) of the last changes that were noted, oldest first; of what was before nobody knows."""
        kept = self._changes or ()
        return zip(kept[::2], kept[1::2], strict=True)

    def forget_changes(self) -> None:
        """Nobody shows them: what comes now would leave a hole in them."""
        self._changes = None

    # ---- state ----------------------------------------------------------------------------------------------------

    def state(self) -> list[Any]:
        return [
            [[*s, mark] for s, mark in self.marks.items()],
            [[name, *k.source, k.values] for name, k in self._identities.items()],
            self.older,
            self.moved,
            *(() if self._changes is None else (self._changes.tobytes(),)),
        ]

    def restore(self, state: list[Any]) -> None:
        """Take back what `state` gave; before format 5 it had no changes."""
        marks, identities, self.older, self.moved, *changes = state
        self._changes = array("q", changes[0]) if changes else None
        self.marks = {(role, p): mark for role, p, mark in marks}
        self._identities = {
            name: _Identity([(t, o, v) for t, o, v in values], (role, p)) for name, role, p, values in identities
        }
