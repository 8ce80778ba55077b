"""What a table remembers of groups (see `screen`): who has data in which bucket, and who is warm."""

from collections.abc import Collection, Iterable

from lockstep.judge.group import Group
from lockstep.judge.rule_facts import NO_VALUES, Labels
from lockstep.measure.definition import SeriesDef
from lockstep.measure.history import LevelHistory
from lockstep.text.rfc3339 import SECOND


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

    def schedule(self, labels: Labels, end: int) -> Iterable[Group]:
        """Have the groups of these labels visited at a bucket end, in seconds, or the next that their rules come to.

        Not one that sleeps: what comes makes no difference to it. Returns all of them.
        """
        groups = self._warm.get(labels)
        if groups is None:
            return ()
        for group in groups:
            _schedule(group, end)
        return groups

    def wake(self, labels: Labels, level: SeriesDef, history: LevelHistory, time_us: int) -> None:
        """The same where a level has been set that they read as well, for the bucket end after this microsecond.

        One that sleeps goes on to do so where the value keeps it asleep: of "sold out, and many visits", any above 0.
        """
        for group in self._warm.get(labels, ()):
            if level in group.facts.levels:
                width = group.facts.width
                end = time_us // SECOND // width * width + width
                if not (group.asleep and _stays_asleep(group, level, history, end)):
                    _schedule(group, end, asleep=True)

    def begin(self, group: Group, end: int) -> None:
        """Look at a group from a bucket end on, whatever it has."""
        self.add(group)
        _schedule(group, end)

    def add(self, group: Group) -> None:
        self._warm.setdefault(group.labels, {})[group] = None

    def discard(self, group: Group) -> None:
        """A group is gone, or cold. What it slept through is asked anew when it is warm again."""
        group.asleep = False
        groups = self._warm.get(group.labels, {})
        if group in groups:
            del groups[group]
            if not groups:
                del self._warm[group.labels]


def _stays_asleep(group: Group, level: SeriesDef, history: LevelHistory, end: int) -> bool:
    """Whether a gate is clear at a bucket end and after it; not known where a value has come that is set later."""
    low, high = group.gate_quiet.get(level.id, NO_VALUES)
    return low <= history.now() <= high and history.newest_us() < end * SECOND


def _schedule(group: Group, end: int, *, asleep: bool = False) -> None:
    """asleep: also where it sleeps."""
    closed = group.runtime.closed
    if asleep or not group.asleep:
        group.schedule((end if closed is None else max(end, closed + group.facts.width)) * SECOND)
