"""Level tables: which groups have a value that some rule on the level does not call clear."""

from collections.abc import Iterable, Mapping

from lockstep.judge.group import Group, RuleRuntime
from lockstep.judge.rule_facts import Labels, quiet_of
from lockstep.judge.state import SeriesKey
from lockstep.measure.definition import SeriesDef
from lockstep.measure.history import LevelHistory


class LevelTable:
    """One level over labels, for the rules that compare it alone with numbers.

    A value between the limits of all of them changes nothing of a group without an open alert: of stock, with rules
    below 20 and above 900, any from 20 to 900. quiet: that stretch, in millionths, both ends included.
    """

    def __init__(
        self, series: SeriesDef, rules: Iterable[RuleRuntime], levels: Mapping[SeriesKey, LevelHistory]
    ) -> None:
        self._series, self._levels = series, levels
        quiet = [(runtime, quiet_of(runtime.rule.condition)) for runtime in rules]
        self._rules = [(runtime, stretch) for runtime, stretch in quiet if stretch is not None]
        self.quiet = max(low for _, (low, _) in self._rules), min(high for _, (_, high) in self._rules)
        self._warm: dict[Labels, dict[Group, None]] = {}

    def moved(self, labels: Labels) -> Iterable[Group]:
        """The groups that are to be judged by the newest value."""
        warm = self._warm.get(labels, {})
        history = self._levels[self._series.id, labels]
        value = history.now()
        low, high = self.quiet
        if low <= value <= high:
            return tuple(warm)
        moved = dict(warm)
        for runtime, (low, high) in self._rules:
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
