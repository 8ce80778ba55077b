"""The rules that a judge judges: who reads which series, and which version follows which."""

from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

from lockstep.judge.group import RuleRuntime
from lockstep.judge.rule_facts import FAR, rule_facts
from lockstep.measure.definition import SeriesDef
from lockstep.rule.condition.kinds import Plan, Rule, series_of_condition
from lockstep.text.rfc3339 import SECOND


def _all(_: Rule) -> bool:
    return True


class RuleSet:
    """All versions that are not over yet, in the order of the plan.

    rules: their states. of_series: id → those that read it; one_by_one: those of them that look at each of their
    groups, where the others look at those that their table finds (see `screen`). series: all that are read, by id.
    of_role: topic → those that wait for it, themselves or through a version before them.
    is_changing: whether there are versions to choose between, or were when the state was stored.
    """

    def __init__(self, plan: Plan, zone: ZoneInfo, *, leaves_out: Callable[[Rule], bool] = _all) -> None:
        """leaves_out: of which rules no verdict is given on groups that cannot be other than clear."""
        self.series: Mapping[str, SeriesDef] = {s.id: s for r in plan.rules for s in series_of_condition(r.condition)}
        self.rules: list[RuleRuntime] = []
        self.of_series: dict[str, list[RuleRuntime]] = {}
        self.one_by_one: dict[str, list[RuleRuntime]] = {}
        self.of_role: dict[str, list[RuleRuntime]] = {}
        self._asking: dict[str, list[RuleRuntime]] = {}  # levels → the rules that read them at bucket ends
        for rule in plan.rules:
            facts = rule_facts(rule, zone)
            runtime = RuleRuntime(facts, leaves_out=leaves_out(rule))
            self.rules.append(runtime)
            for s in (*facts.flows, *facts.levels):
                self.of_series.setdefault(s.id, []).append(runtime)
                one_by_one = self.one_by_one.setdefault(s.id, [])
                if not (runtime.leaves_out and facts.is_screened):
                    one_by_one.append(runtime)
                if s.is_level and not facts.is_level_only:
                    self._asking.setdefault(s.id, []).append(runtime)
            runtime.before = self._version_before(runtime)
            if runtime.before is not None:
                runtime.before.after = runtime
            for role in _roles_with_before(runtime):
                self.of_role.setdefault(role, []).append(runtime)
        self.is_changing = any(r.rule.since_s is not None or r.rule.until_s is not None for r in self.rules)
        self._has_fading = any(r.facts.fades for r in self.rules)

    def screened(self) -> list[RuleRuntime]:
        """The rules that look at those groups alone which the table of their series finds."""
        looking = [runtime for readers in self.one_by_one.values() for runtime in readers]
        return [runtime for runtime in self.rules if runtime not in looking]

    @property
    def looks_back(self) -> bool:
        """Whether a level's value may find something that was due before it."""
        return self.is_changing or self._has_fading

    def named(self, name: str) -> RuleRuntime | None:
        """A rule by its name; the earliest of its versions."""
        return next((r for r in self.rules if r.rule.name == name), None)

    def forget(self, runtime: RuleRuntime) -> None:
        """A version is over."""
        runtime.ended = True
        self.rules.remove(runtime)
        lists = (self.of_series, self.one_by_one, self.of_role, self._asking)
        for readers in (readers for by_name in lists for readers in by_name.values()):
            if runtime in readers:
                readers.remove(runtime)

    def look_for_borders(self) -> None:
        """After a restore: a group may still wait at a border that the plan does not know any more."""
        self.is_changing |= any(not group.begun for r in self.rules for group in r.groups.values())

    def asked_from_us(self, series: str) -> int | None:
        """The earliest microsecond at which a rule may still ask for what a level was; None: none does."""
        asking = self._asking.get(series)
        if not asking:
            return None
        earliest = FAR
        for runtime in asking:
            if runtime.closed is None:
                return 0
            earliest = min(earliest, runtime.closed - runtime.facts.level_offsets[-1])
        return earliest * SECOND

    def judged_to(self, role: str, mark: int) -> dict[str, int]:
        """For each series of a topic the second up to which all rules that read it have judged, `mark` at most.

        A rule that waits for another topic too has still to ask for what this topic has long left behind.
        """
        return {
            name: min([mark, *(0 if r.closed is None else r.closed for r in self.of_series[name])])
            for name, series in self.series.items()
            if series.source == role
        }

    def heir(self, name: str, edition: str) -> RuleRuntime | None:
        """Whose the state of a version is: its own, of the same version at another place, or of what came of the rule.

        A version that nobody has to wait for any more counts as having always been in force: its border is forgotten.
        """
        mine = [r for r in self.rules if r.rule.name == name]
        version = edition.partition("@")[0]
        for same in (r for r in mine if r.rule.edition == edition), (r for r in mine if r.rule.version == version):
            if (runtime := next(same, None)) is not None:
                return runtime
        return mine[-1] if mine else next((r for r in reversed(self.rules) if name in r.rule.was), None)

    def _version_before(self, runtime: RuleRuntime) -> RuleRuntime | None:
        """The version of a rule that comes just before one, under its name or one that it had."""
        for name in (runtime.rule.name, *runtime.rule.was):
            earlier = [r for r in self.rules if r.rule.name == name and r is not runtime and r.after is None]
            if earlier and earlier[-1].rule.until_s is not None and earlier[-1].rule.until_s == runtime.rule.since_s:
                return earlier[-1]
        return None


def _roles_with_before(runtime: RuleRuntime) -> dict[str, None]:
    """The topics of a version and of those before it: each may turn out to be empty, and then nobody waits for it."""
    version: RuleRuntime | None = runtime
    roles: dict[str, None] = {}
    while version is not None:
        roles.update(dict.fromkeys(version.facts.roles))
        version = version.before
    return roles
