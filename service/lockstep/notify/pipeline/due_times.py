"""When things are due, asked each second: only what is due is looked at, however much waits."""

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class DueTimes(Generic[K]):
    """A due time a key, in seconds since the epoch. Nothing of it is stored: its owner knows each due time, too.

    Keys are compared where two are due at one moment, so that a restart does not change their order.
    """

    def __init__(self) -> None:
        self._due: dict[K, tuple[float, float]] = {}
        self._heap: list[tuple[float, Any]] = []
        self._last = inf  # before the first look nobody knows whether the clock was put back meanwhile

    def set(self, key: K, due: float, *, longest_s: float = inf) -> None:
        """longest_s: how long it may wait from any moment on: a clock that is put back holds nothing longer."""
        if self._due.get(key, (None, 0.0))[0] != due:
            heappush(self._heap, (due, key))
        self._due[key] = due, longest_s

    def drop(self, key: K) -> None:
        """It is due no more; one that is not there is fine."""
        self._due.pop(key, None)

    def get(self, key: K) -> float | None:
        """When it is due."""
        entry = self._due.get(key)
        return None if entry is None else entry[0]

    def put_back(self, moment: float) -> list[K]:
        """The keys that are due earlier than they were, because the clock was put back; empty nearly always."""
        earlier: list[K] = []
        if moment < self._last:
            for key, (due, longest_s) in self._due.items():
                if due > moment + longest_s:
                    self._due[key] = moment + longest_s, longest_s
                    earlier.append(key)
            self._heap = [(due, key) for key, (due, _) in self._due.items()]
            heapify(self._heap)
        self._last = moment
        return earlier

    def take(self, moment: float) -> list[K]:
        """The keys that are due, which are then due no more; in the order of their due times."""
        keys: list[K] = []
        while self._heap and self._heap[0][0] <= moment:
            due, key = heappop(self._heap)
            if self._due.get(key, (None,))[0] == due:
                del self._due[key]
                keys.append(key)
        return keys
