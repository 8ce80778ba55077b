"""The last values of the levels that moved last, for who shows how one came to be what it is.

No verdict reads it and nothing of it is stored: after a restart it begins with the value that the judge knows. A group
that has not moved for long gives way to others, and begins anew with its next value.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence

from lockstep.judge.state import SeriesKey

MOST_GROUPS = 4_000
"""Groups of a partition whose values are remembered, those that moved last."""
MOST_VALUES = 32
"""Values of one group, the last ones: about 3 KB."""


class LevelTrail:
    """series: the ids of those that are remembered."""

    def __init__(self, series: Iterable[str], *, most_groups: int = MOST_GROUPS) -> None:
        self.series = frozenset(series)
        self._most_groups = most_groups
        self._values: OrderedDict[SeriesKey, deque[tuple[int, int]]] = OrderedDict()

    def note(self, key: SeriesKey, time_us: int, value: int, before: tuple[int, int] | None) -> None:
        """A level has a new value, in millionths. before: (when, what) it was until then; None: it is the first."""
        values = self._values.get(key)
        if values is None:
            values = self._values[key] = deque(() if before is None else (before,), maxlen=MOST_VALUES)
            if len(self._values) > self._most_groups:
                self._values.popitem(last=False)
        else:
            self._values.move_to_end(key)
        values.append((time_us, value))

    def of(self, key: SeriesKey) -> Sequence[tuple[int, int]]:
        """(when in microseconds, value in millionths) of each, the oldest first."""
        return tuple(self._values.get(key, ()))
