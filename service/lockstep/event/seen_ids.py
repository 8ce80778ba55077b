"""Which events came before: an event is one by its source and its id."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

_SOURCE, _ID = attrgetter("source"), attrgetter("id")


class SeenIds:
    """The ids of events by source: a topic has few, and to look up an id alone takes half of what a pair takes."""

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        self._ids: dict[str, set[str]] = {}

    @classmethod
    def of(cls, events: Sequence[Any]) -> "SeenIds":
        """Those of decoded events."""
        made = cls()
        sources = set(map(_SOURCE, events))
        if len(sources) == 1:
            made._ids[sources.pop()] = set(map(_ID, events))
        else:
            for event in events:
                made.add(event)
        return made

    def __len__(self) -> int:
        return sum(map(len, self._ids.values()))

    def __contains__(self, event: Any) -> bool:
        return event.id in self._ids.get(event.source, ())

    def add(self, event: Any) -> None:
        self._ids.setdefault(event.source, set()).add(event.id)

    def update(self, other: "SeenIds") -> None:
        """Add those of another, which is not used any more."""
        for source, ids in other._ids.items():
            known = self._ids.setdefault(source, ids)
            if known is not ids:
                known |= ids

    def is_disjoint(self, other: "SeenIds") -> bool:
        """Whether they have no event in common."""
        return all(ids.isdisjoint(other._ids.get(source, ())) for source, ids in self._ids.items())
