"""The rooms of a judge, each by itself: a past that is told, and the state of one rule."""

from collections.abc import Mapping, Sequence

from shorthand import LONDON, clock

from lockstep.judge.group import RuleRuntime
from lockstep.judge.histories import Histories, Past, kept_for
from lockstep.judge.rule_facts import rule_facts
from lockstep.judge.state import JudgeCounts
from lockstep.judge.watermark import Watermarks
from lockstep.measure.definition import SeriesDef
from lockstep.measure.sample import Frame, LevelValue, Partial, Progress
from lockstep.rule.condition.kinds import Rule
from lockstep.text.rfc3339 import SECOND

BEGINS = int(clock("10:00").timestamp())
"""When the first event of every topic was, in seconds."""


def second(text: str) -> int:
    return int(clock(text).timestamp())


def runtime_of(made: Rule) -> RuleRuntime:
    return RuleRuntime(rule_facts(made, LONDON))


def past_of(
    runtime: RuleRuntime,
    *,
    flows: Mapping[SeriesDef, str] | None = None,
    levels: Mapping[SeriesDef, str] | None = None,
    labels: tuple[str, ...] = ("web",),
) -> Past:
    """A past in which the series of a rule are complete from BEGINS on.

    flows: `12:00 12:05`, the minutes in which a group has one event. levels: `12:00=35 12:01:30=30`.
    """
    facts = runtime.facts
    series = (*facts.flows, *facts.levels)
    past = Past(Histories({s.id: s for s in series}, kept_for([facts], {}), JudgeCounts()), Watermarks(), LONDON)
    for role in facts.roles:
        tell_progress(past, role, [s.id for s in series if s.source == role])
    for flow, minutes in (flows or {}).items():
        tell_flow(past, flow, [second(minute) for minute in minutes.split()], labels=labels)
    for level, told in (levels or {}).items():
        for offset, (moment, _, value) in enumerate(item.partition("=") for item in told.split()):
            time_us = int(clock(moment).timestamp() * SECOND)
            sample = LevelValue(level.id, labels, "A", time_us, offset, int(value) * SECOND, "e")
            assert past.histories.take_level((level.source, 0), sample, asked_from_us=0)
    return past


def tell_progress(past: Past, role: str, begins: list[str]) -> None:
    frame = Frame(role=role, partition=0, partitions=1, source="id", chunk_size=16, chunk=0, first=0, upto=0)
    oldest = BEGINS * SECOND
    progress = Progress(oldest, oldest, None, silent=False, begins=begins, complete=True)
    past.watermarks.take((role, 0), (0, 0, 0), frame, progress)


def tell_flow(
    past: Past, series: SeriesDef, starts: Sequence[int], *, labels: tuple[str, ...] = ("web",), upto: int = 9
) -> None:
    """One event in each of these buckets."""
    partial = Partial(series.id, labels, [(start, 1) for start in starts])
    past.histories.take_partial((series.source, 0), (0, 0, upto), partial, closed=None)
