"""What names a rule's version and what an anomaly has learned: the parts of every condition.

A part that stands here stays here, in its place. A field that is added to one of these classes needs a default that
means what was before and no entry here; a new class needs an entry with all its fields.
"""

from lockstep.calendar import Calendar
from lockstep.identity import Parts, identity
from lockstep.labels import stable_id
from lockstep.measure.definition import EXPRESSION_PARTS
from lockstep.rule.condition.bound import OfMeasure, OfTable
from lockstep.rule.condition.kinds import (
    Absence,
    All,
    Anomaly,
    AnyOf,
    Baseline,
    Bounds,
    Change,
    Hours,
    Level,
    NewValue,
    Not,
    Override,
    Projection,
    Rule,
    Share,
    Spike,
    Threshold,
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
    Threshold: ("expression", "window_s", "levels", "overrides", "graded", "unbound"),
    Share: ("part", "whole", "window_s", "levels", "least", "confidence", "overrides", "graded", "unbound"),
    Baseline: ("previous_s", "weeks", "days", "known_at_least", "calendar", "otherwise"),
    Spike: (
        *("expression", "window_s", "baseline", "severity", "above", "below", "deviations", "at_least"),
        *("usual_at_least", "clear_below", "clear_above", "above_by", "below_by", "clear_below_by", "clear_above_by"),
        "chance",
    ),
    Hours: ("weekdays", "start", "end"),
    Period: ("word", "by"),
    Absence: ("expression", "window_s", "severity", "hours", "expected", "closed"),
    Change: ("expression", "window_s", "severity", "by", "by_ratio", "up", "down"),
    NewValue: ("expression", "window_s", "in_s", "learn_s", "severity"),
    Projection: ("measure", "pace", "reaches", "within_s", "window_s", "severity"),
    Anomaly: ("expression", "bucket_s", "severity", "sensitivity", "rises", "falls", "calendar", "learn_from"),
    All: ("parts", "severity"),
    AnyOf: ("parts", "severity"),
    Not: ("part", "severity"),
    Tolerance: ("breaches", "buckets"),
}


def version_of(rule: Rule) -> str:
    """Changes whenever anything changes that a rule judges by; its texts, teams and limits of messages are no part."""
    judged_by = (
        *(rule.by, rule.condition, rule.for_s, rule.keep_firing_for_s, rule.no_data, rule.forget_after_s),
        *(rule.tolerance, rule.cool_down_s, rule.expires),
    )
    return stable_id("rule-1", rule.name, identity(judged_by, PARTS))[:12]
