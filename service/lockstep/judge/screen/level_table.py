"""Level tables: which groups have a value that some rule on the level does not call clear."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from lockstep.judge.group import Group, RuleRuntime
from lockstep.judge.rule_facts import Labels, Stretch
from lockstep.judge.state import SeriesKey
from lockstep.measure.definition import SeriesDef
from lockstep.measure.history import LevelHistory

OWN_STRETCHES = 16_384
"""Groups of which it is remembered which numbers an override or a table gives them."""

_Stretches = tuple[Stretch, tuple[tuple[RuleRuntime, Stretch], ...]]
"""Where the values are quiet for all rules, and for each."""


class LevelTable:
    """One level over labels, for the rules that compare it alone with numbers.

    A value between the limits of all of them changes nothing of a group without an open alert: of stock, with rules
    below 20 and above 900, any from 20 to 900: that stretch is quiet. With an override some groups have another.
    """

    def __init__(
        self, series: SeriesDef, rules: Iterable[RuleRuntime], levels: Mapping[SeriesKey, LevelHistory]
    ) -> None:
        self._series, self._levels = series, levels
        self._rules = tuple(rules)
        self._are_alike = all(runtime.facts.is_alike for runtime in self._rules)
        self._own = lru_cache(OWN_STRETCHES)(self._stretches)
        self._all = self._stretches(None) if self._are_alike else None
        self._warm: dict[Labels, dict[Group, None]] = {}

    def _stretches(self, labels: Labels | None) -> _Stretches:
        """Those of a group; labels: None: of any, where all have the same."""
        quiet = [(r, r.facts.quiet if r.facts.is_alike or labels is None else r.quiet_of(labels)) for r in self._rules]
        return (max(low for _, (low, _) in quiet), min(high for _, (_, high) in quiet)), tuple(quiet)

    def moved(self, labels: Labels) -> Iterable[Group]:
        """The groups that are to be judged by the newest value."""
        warm = self._warm.get(labels, {})
        history = self._levels[self._series.id, labels]
        value = history.now()
        (low, high), rules = self._all or self._own(labels)
        if low <= value <= high:
            return tuple(warm)
        moved = dict(warm)
        for runtime, (low, high) in rules:
            if not low <= value <= high:
                group = runtime.group(labels)
                if group not in warm:
                    # It was judged last, and found clear, when its newest value was set.
                    group.alert.at = max(group.alert.at, history.newest_us())
                moved[group] = None
        return moved

    def settle(self, group: Group) -> None:
        """A group has been judged: while its alert is watched, each value is looked at."""
        if group.alert.is_watched:
            self._warm.setdefault(group.labels, {})[group] = None
            return
        warm = self._warm.get(group.labels, {})
        if group in warm:
            del warm[group]
            if not warm:
                del self._warm[group.labels]
