"""What works and will still disappoint: rules that say the same, windows that cost too much, baselines out of reach."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from math import ceil, floor
from typing import Any

from lockstep.calendar import Calendar
from lockstep.measure.definition import Aggregate, Measured
from lockstep.measure.noise import tellable_from
from lockstep.rule.condition.kind_table import kind_of
from lockstep.rule.condition.kinds import Condition, Rule, Severity, Spike
from lockstep.rule.condition.period import longest_s
from lockstep.rule.condition.when import leaves, whens
from lockstep.rule.cost import MEGABYTE, cost
from lockstep.rule.language.quantity import duration_text
from lockstep.text.time_units import DAY_S
from lockstep.yaml.document import Document, Fault

LONG_ENOUGH = 10
"""A window of so many slices needs no finer ones: 10 minutes, 100 seconds."""

MUCH_A_GROUP = MEGABYTE
"""A thousand such groups are a gigabyte."""


def advice(document: Document, rule: Rule, index: int) -> list[Fault]:
    """What a compiled rule costs or misses without need.

    document: the file that the rule stands in. index: its place in that file's `rules`.
    """
    pointer = ("rules", index)
    faults: list[Fault] = []

    def warn(message: str, remedy: str, code: str) -> None:
        faults.append(document.fault(pointer, message, remedy, code, level="warning"))

    for length in sorted(set(lengths(rule.condition))):
        wide = next((w for w in (60, 10) if length >= LONG_ENOUGH * w and rule.bucket_s < w and length % w), None)
        if wide is not None:
            down, up = duration_text(length // wide * wide), duration_text((length // wide + 1) * wide)
            warn(
                f"{duration_text(length)} is no multiple of {duration_text(wide)}, so everything is kept in slices of "
                f"{rule.bucket_s} s",
                f"write {down} or {up}",
                "LS161",
            )
    for window, previous in _stretches(rule.condition):
        if previous < window:
            warn(
                f"its baseline of {duration_text(previous)} is shorter than its window of {duration_text(window)}",
                f"write one like previous: {duration_text(6 * window)}",
                "LS163",
            )
    costs = cost(rule)
    if rule.by and costs.bytes >= MUCH_A_GROUP:
        finer = rule.bucket_s < 60
        warn(
            f"each of its groups keeps up to {costs.buckets:,} buckets, about {costs.bytes / MEGABYTE:.1f} MB of "
            "memory",
            "write windows of whole minutes" if finer else "look back less far, or watch fewer groups",
            "LS164",
        )
    for leaf, _ in leaves(rule.condition):
        needed = least_usual(leaf) if isinstance(leaf, Spike) else 0
        if isinstance(leaf, Spike) and leaf.usual_at_least is not None and leaf.usual_at_least < needed:
            asked = "as rare as 'chance'" if leaf.chance is not None else "as far as 'deviations'"
            warn(
                f"where fewer than {needed} are usual no fall is told: not even 0 is {asked} asks",
                f"write usual_at_least: {needed}, or ask for less",
                "LS188",
            )
    return faults


def least_usual(spike: Spike) -> int:
    """From which usual value on a count can fall as far as its `chance` and `deviations` ask; 0 where it always can.

    0 is the furthest it falls; windows that scatter more than chance does need more. A spike that rises, too, can be
    told there all the same.
    """
    counted = isinstance(spike.expression, Measured) and spike.expression.series.aggregate is Aggregate.COUNT
    if not counted or not spike.falls or spike.rises:
        return 0
    needed = 0.0
    if spike.chance is not None:
        baseline = spike.baseline
        window = longest_s(spike.window_s)
        asked = baseline.weeks or baseline.days or (baseline.previous_s or window) / window
        needed = tellable_from(spike.chance, asked)
    if spike.deviations is not None:
        needed = max(needed, floor(spike.deviations**2) + 1)
    return ceil(needed)


def equal_rules(rules: Iterable[tuple[Document, int, Rule]]) -> list[Fault]:
    """Rules that judge what an earlier one judges already, for a team that hears of both."""
    faults: list[Fault] = []
    first: dict[Any, list[Rule]] = {}
    for document, index, rule in rules:
        clocks = (rule.for_s, rule.tolerance, rule.keep_firing_for_s, rule.cool_down_s, rule.expires)
        judged = (rule.by, _unranked(rule.condition), clocks, rule.no_data)
        same = first.setdefault(judged, [])
        twin = next((r for r in same if set(r.teams) & set(rule.teams)), None)
        if twin is not None:
            message = f"it judges the same as rule '{twin.name}' ({twin.place})"
            remedy = "keep one; two severities are 'levels', two texts are keys of 'say'"
            faults.append(document.fault(("rules", index), message, remedy, "LS160", level="warning"))
        same.append(rule)
    return faults


def out_of_reach(rules: Iterable[Rule], *, kept_s: int) -> list[Fault]:
    """Rules whose baseline reaches further back than events are kept."""
    faults = []
    for rule in rules:
        reach = reach_s(rule.condition)
        if reach > kept_s:
            file, _, line = rule.place.rpartition(":")
            message = f"rule '{rule.name}': it looks {duration_text(reach)} back, events are kept for " + duration_text(
                kept_s
            )
            remedy = "until it has watched for so long itself it says nothing; keep events longer or compare with less"
            faults.append(Fault(file, int(line), 1, message, remedy, "LS162", "warning"))
    return faults


def reach_s(condition: Condition) -> int:
    """How far back from the end of a window a condition looks, in seconds."""
    return max(kind_of(leaf).looks_back_s(leaf) for leaf, _ in leaves(condition))


def history_s(rule: Rule) -> int:
    """How far back before an instant events must be read so that a rule is judged as if it had always watched, in
    seconds; 0 where it reads levels alone and no clock runs.

    A detector of anomalies learns without end: it gets five weeks. What a rule reads is read twice as far back, at most
    a day more, as its first window counts from the first event there is.
    """
    condition = rule.condition
    reaches = [reach_s(condition)]
    reaches += [part.reach_s for part in whens(condition) if part.restless or part.period is not None]
    reaches += [kind_of(leaf).learns_s(leaf) for leaf, _ in leaves(condition)]
    held = rule.for_s if rule.tolerance is None else rule.tolerance.buckets * (rule.bucket_s or 60)
    needed = max(reaches) + held + rule.keep_firing_for_s + rule.cool_down_s
    return needed + min(needed, DAY_S)


def lengths(condition: Condition) -> list[int]:
    """Every window and previous stretch of a condition, in seconds."""
    return [length for leaf, _ in leaves(condition) for length in kind_of(leaf).lengths_s(leaf)]


def _stretches(condition: Condition) -> list[tuple[int, int]]:
    """(window, previous stretch) of every spike that is compared with the stretch before it."""
    spikes = [leaf for leaf, _ in leaves(condition) if isinstance(leaf, Spike)]
    return [
        (spike.window_s, spike.baseline.previous_s)
        for spike in spikes
        if spike.baseline.previous_s and isinstance(spike.window_s, int)
    ]


def _unranked(value: Any) -> Any:
    """A condition with all severities alike."""
    if isinstance(value, Severity):
        return Severity.WARNING
    if isinstance(value, Calendar):
        return value
    if isinstance(value, tuple):
        return tuple(_unranked(v) for v in value)
    if isinstance(value, Mapping):
        return tuple(sorted((k, _unranked(v)) for k, v in value.items()))
    if is_dataclass(value) and not isinstance(value, type):
        inner = {f.name: getattr(value, f.name) for f in fields(value) if f.name != "expression"}
        return replace(value, **{name: _unranked(v) for name, v in inner.items()})
    return value
