"""The tables of a judge: which of them screens a rule, and which hear of a series or of how far a topic has come."""

from collections.abc import Callable, Iterable, Sequence

from lockstep.judge.group import Group, RuleRuntime
from lockstep.judge.histories import Past
from lockstep.judge.screen.band_table import BandTable
from lockstep.judge.screen.flow_table import FlowTable
from lockstep.judge.screen.level_table import LevelTable
from lockstep.measure.definition import SeriesDef
from lockstep.rule.condition.condition_kind import Rise
from lockstep.text.rfc3339 import SECOND


class Tables:
    """A table for the rules on one level, for the rises on one flow, and for the bands on the same flows.

    of_series: id of a flow, or of a level that its rules read as well → the tables that hear of its data. levels: id of
    a level → the table of the rules on it alone.
    """

    def __init__(self, rules: Iterable[RuleRuntime], past: Past) -> None:
        """rules: those that are screened."""
        rules = tuple(rules)
        self._screened = frozenset(rules)
        self.levels: dict[str, LevelTable] = {}
        self.of_series: dict[str, list[FlowTable | BandTable]] = {}
        self._of_rule: dict[RuleRuntime, FlowTable | BandTable] = {}
        alike: dict[tuple[type, tuple[SeriesDef, ...], tuple[str, ...]], list[RuleRuntime]] = {}
        for runtime in rules:
            screen = runtime.facts.screen
            read = (screen.series,) if isinstance(screen, Rise) else runtime.facts.flows or runtime.facts.levels
            alike.setdefault((type(screen), read, runtime.facts.roles), []).append(runtime)
        for (kind, read, _), readers in alike.items():
            if read[0].is_level:
                self.levels[read[0].id] = LevelTable(read[0], readers, past.histories.levels)
                continue
            table = FlowTable(read[0], readers, past.histories) if kind is Rise else BandTable(readers, past)
            self._of_rule.update(dict.fromkeys(readers, table))
            levels = (level for runtime in readers for level in runtime.facts.levels)
            for name in dict.fromkeys(series.id for series in (*read, *levels)):
                self.of_series.setdefault(name, []).append(table)
        self._flows = tuple(dict.fromkeys(self._of_rule.values()))

    def advance_to(self, role: str, mark_of: Callable[[Sequence[str]], int | None]) -> None:
        """A topic's event time may have advanced. mark_of: topics → their watermark, microseconds; None: unknown."""
        for table in self._flows:
            if role in table.roles and (mark := mark_of(table.roles)) is not None:
                table.advance_to(mark // SECOND // table.bucket_s * table.bucket_s)

    def begin(self) -> None:
        """After a restore."""
        for table in self._flows:
            table.begin()

    def has(self, runtime: RuleRuntime) -> bool:
        """Whether a rule looks at those groups alone that a table finds."""
        return runtime in self._screened

    def of_flow(self, group: Group) -> FlowTable | BandTable | None:
        """The table that a group of a rule on flows is screened by."""
        return self._of_rule.get(group.runtime)

    def of_level(self, group: Group) -> LevelTable | None:
        levels = group.facts.levels
        return self.levels.get(levels[0].id) if levels and group.runtime in self._screened else None
