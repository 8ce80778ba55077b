"""What a table remembers of groups (see `screen`): who has data in which bucket, and who is warm."""

from collections.abc import Collection, Iterable

from lockstep.judge.group import Group
from lockstep.judge.rule_facts import Labels


class Entries:
    """Who has data in which bucket: of those that are open, and of those whose data may yet leave a window."""

    def __init__(self) -> None:
        self._groups: dict[int, Collection[Labels]] = {}

    def __len__(self) -> int:
        """In how many buckets there is any."""
        return len(self._groups)

    def add(self, start: int, labels: Labels) -> None:
        groups = self._groups.get(start)
        if groups is None:
            groups = self._groups[start] = set()
        if isinstance(groups, set):
            groups.add(labels)
        elif labels not in groups:
            self._groups[start] = (*groups, labels)

    def at(self, start: int) -> Collection[Labels]:
        """The groups with data in a bucket."""
        return self._groups.get(start, ())

    def starts(self) -> Iterable[int]:
        return self._groups.keys()

    def close(self, closed: int) -> None:
        """Buckets that start before this second get hardly anything more: keep them small."""
        for start, groups in self._groups.items():
            if start < closed and isinstance(groups, set):
                self._groups[start] = tuple(groups)

    def drop(self, before: int) -> None:
        """Forget the buckets that start before this second."""
        for start in [start for start in self._groups if start < before]:
            del self._groups[start]

    def clear(self) -> None:
        self._groups.clear()


class WarmGroups:
    """The groups that are looked at whatever they have, of all rules of a table."""

    def __init__(self) -> None:
        self._warm: dict[Labels, dict[Group, None]] = {}

    def of(self, labels: Labels) -> Iterable[Group]:
        return self._warm.get(labels, ())

    def add(self, group: Group) -> None:
        self._warm.setdefault(group.labels, {})[group] = None

    def discard(self, group: Group) -> None:
        """A group is gone, or cold."""
        groups = self._warm.get(group.labels, {})
        if group in groups:
            del groups[group]
            if not groups:
                del self._warm[group.labels]
