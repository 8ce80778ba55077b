"""What a rule costs, estimated from the rule alone: the memory of each of its groups, and how often it looks at one.

Memory is buckets × bytes: the buckets that are kept of each flow, for as far back as the rule reads, and what a bucket
of its aggregate takes (`BYTES_A_BUCKET`). Assumption: the group has data in every bucket, of a handful of events. One
that has it in 1 % of them takes a few percent of it; a sketch of hundreds of different values takes many times as much.
What a detector of anomalies learns is not counted.
"""

from dataclasses import dataclass

from lockstep.measure.definition import Aggregate
from lockstep.rule.condition.baseline_windows import choices, offsets
from lockstep.rule.condition.kinds import Rule, series_of_condition
from lockstep.rule.condition.when import is_level_only, kept_s, whens

BYTES_A_BUCKET = {
    Aggregate.COUNT: 0.5,
    Aggregate.SUM: 5,
    Aggregate.AVERAGE: 6,
    Aggregate.MINIMUM: 5,
    Aggregate.MAXIMUM: 5,
    Aggregate.DISTINCT: 20,
    Aggregate.PERCENTILE: 14,
}
"""Of an old bucket in memory, packed."""

MEGABYTE = 10**6
"""In bytes."""

BYTES_A_SERIES = 3_000
"""What a series takes beside its old buckets: the newest ones, which are not packed, and how far it has been told."""

BYTES_A_LEVEL = 1_000
"""What a level takes: its newest value and where it came from."""

EXPIRED_EVERY_S = 6 * 3_600
"""What is not needed any more is forgotten so often, in whole blocks."""
BUCKETS_A_BLOCK = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one group of a rule costs at most.

    kept_s: how long buckets of its flows are kept. buckets: how many, over all its flows. bytes: what they take.
    looks_an_hour: how often it is judged where something happens in every bucket. looks_an_event: how often after one
    event, where nothing else happens: when its bucket closes, and whenever that enters or leaves a window.
    """

    kept_s: int
    buckets: int
    bytes: int
    looks_an_hour: int
    looks_an_event: int


def cost(rule: Rule) -> Cost:
    """The cost of one group of a rule; a measure that several rules read is counted for each of them."""
    condition = rule.condition
    series = series_of_condition(condition)
    flows = [one for one in series if not one.is_level]
    kept = kept_s(condition, rule.bucket_s or 60) if flows else 0
    buckets = [(kept + EXPIRED_EVERY_S) // flow.bucket_s + BUCKETS_A_BLOCK for flow in flows]
    taken = sum(count * BYTES_A_BUCKET[flow.aggregate] for count, flow in zip(buckets, flows, strict=True))
    looks = len(_borders(rule))
    return Cost(
        kept_s=kept,
        buckets=sum(buckets),
        bytes=round(taken) + BYTES_A_SERIES * len(flows) + BYTES_A_LEVEL * (len(series) - len(flows)),
        looks_an_hour=0 if is_level_only(condition) else 3_600 // (rule.bucket_s or 60),
        looks_an_event=1 if is_level_only(condition) else looks,
    )


def _borders(rule: Rule) -> set[int]:
    """How long after a bucket's end it may still change the verdict, on a day like any other."""
    parts = whens(rule.condition)
    borders = {offset for part in parts for offset in part.offsets}
    for part in parts:
        for baseline, window_s in part.baselines:
            borders |= offsets(choices(baseline, window_s, None), window_s)
    return borders
