"""The kinds of conditions that there are; what each says of itself stands in its file."""

from typing import Any, assert_never

from lockstep.rule.condition.condition_kind import ConditionKind
from lockstep.rule.condition.kind.absence import ABSENCE
from lockstep.rule.condition.kind.anomaly import ANOMALY
from lockstep.rule.condition.kind.change import CHANGE
from lockstep.rule.condition.kind.new_value import NEW_VALUE
from lockstep.rule.condition.kind.projection import PROJECTION
from lockstep.rule.condition.kind.share import SHARE
from lockstep.rule.condition.kind.spike import SPIKE
from lockstep.rule.condition.kind.threshold import THRESHOLD
from lockstep.rule.condition.kinds import (
    Absence,
    All,
    Anomaly,
    AnyOf,
    Change,
    Condition,
    Leaf,
    NewValue,
    Not,
    Projection,
    Share,
    Spike,
    Threshold,
)

KINDS: tuple[ConditionKind[Any], ...] = (THRESHOLD, SPIKE, ABSENCE, CHANGE, NEW_VALUE, SHARE, PROJECTION, ANOMALY)


def word_of(condition: Condition) -> str:
    """What its author wrote in the rule file: `new_value`, `ratio`, `all`, …"""
    match condition:
        case All():
            return "all"
        case AnyOf():
            return "any"
        case Not():
            return "not"
        case _:
            return kind_of(condition).word(condition)


_BY_CLASS: dict[type[Leaf], ConditionKind[Any]] = {}


def kind_of(leaf: Leaf) -> ConditionKind[Any]:
    """What the kind of a condition says of itself."""
    kind = _BY_CLASS.get(leaf.__class__)
    if kind is None:  # once a class: it is asked at every verdict
        kind = _BY_CLASS[leaf.__class__] = _looked_up(leaf)
    return kind


def _looked_up(leaf: Leaf) -> ConditionKind[Any]:
    match leaf:
        case Threshold():
            return THRESHOLD
        case Spike():
            return SPIKE
        case Absence():
            return ABSENCE
        case Change():
            return CHANGE
        case NewValue():
            return NEW_VALUE
        case Share():
            return SHARE
        case Projection():
            return PROJECTION
        case Anomaly():
            return ANOMALY
        case _:
            assert_never(leaf)
