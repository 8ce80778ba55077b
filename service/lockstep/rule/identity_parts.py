"""What names a rule's version and what an anomaly has learned: the parts of every condition.

A part that stands here, or in the `identity` of a kind of condition, stays there, in its place. A field that is added
to one of these classes needs a default that means what was before and no entry; a new class needs an entry with all its
fields.
"""

from lockstep.calendar import Calendar
from lockstep.identity import Parts, identity
from lockstep.labels import stable_id
from lockstep.measure.definition import EXPRESSION_PARTS
from lockstep.rule.condition.bound import Bounds, OfMeasure, OfTable
from lockstep.rule.condition.kind_table import KINDS
from lockstep.rule.condition.kinds import (
    All,
    AnyOf,
    Baseline,
    Hours,
    Level,
    Not,
    Override,
    Rule,
    Tolerance,
)
from lockstep.rule.condition.period import Period

PARTS: Parts = {
    **EXPRESSION_PARTS,
    Calendar: ("fingerprint",),
    OfMeasure: ("expression", "window_s", "times", "plus"),
    OfTable: ("file", "column", "labels", "rows", "otherwise", "times", "plus"),
    Bounds: ("above", "below", "at_least", "at_most", "sources", "of"),
    Level: ("severity", "breach", "clear"),
    Override: ("match", "levels"),
    Baseline: ("previous_s", "weeks", "days", "known_at_least", "calendar", "otherwise"),
    Hours: ("weekdays", "start", "end"),
    Period: ("word", "by"),
    All: ("parts", "severity"),
    AnyOf: ("parts", "severity"),
    Not: ("part", "severity"),
    Tolerance: ("breaches", "buckets"),
    **{kind.of: kind.identity for kind in KINDS},
}


def version_of(rule: Rule) -> str:
    """Changes whenever anything changes that a rule judges by; its texts, teams and limits of messages are no part."""
    judged_by = (
        *(rule.by, rule.condition, rule.for_s, rule.keep_firing_for_s, rule.no_data, rule.forget_after_s),
        *(rule.tolerance, rule.cool_down_s, rule.expires),
    )
    return stable_id("rule-1", rule.name, identity(judged_by, PARTS))[:12]
