"""Meters and judges in one process without a broker: what they say of a workload, and what each stage costs."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.workload.shop import TOPICS

from lockstep.event import Decoder
from lockstep.judge.histories import Histories
from lockstep.judge.judge import Judge
from lockstep.judge.publish import ALERTS
from lockstep.measure.definition import SeriesDef
from lockstep.measure.meter import Meter, MeterSettings, wanted_fields
from lockstep.measure.sample import decode
from lockstep.ports import Batch, Cut
from lockstep.rule.condition.kinds import Plan, series_of_condition

SECOND = 1_000_000
SAMPLES = "lockstep.samples"
NOW = datetime(2028, 1, 1, tzinfo=UTC)
"""After all events: none of them is ahead of its time."""

AFTER_US = 120 * SECOND
"""By then every bucket with an event has closed."""

MakeJudge = Callable[[Plan, int, int], Judge]
"""(plan, partition, partitions) → a judge of that samples partition."""


def plain_judge(plan: Plan, partition: int, partitions: int) -> Judge:
    return Judge(plan, zone=ZoneInfo("Europe/London"), partition=partition, partitions=partitions)


class Fold:
    """One worker's meters and judges.

    spent: stage → seconds of CPU; counted: what happened how often; published: the transitions of each cut.
    """

    def __init__(self, plan: Plan, *, samples: int = 1, make: MakeJudge = plain_judge, chunk_size: int = 8_192) -> None:
        self._plan, self._samples, self._make = plan, samples, make
        series = list({s.id: s for rule in plan.rules for s in series_of_condition(rule.condition)}.values())
        self._meters = {topic: _meter(topic, samples, series, chunk_size) for topic in TOPICS}
        self.judges = [make(plan, n, samples) for n in range(samples)]
        self._entries: list[dict[bytes, bytes]] = [{} for _ in range(samples)]
        self._waiting: dict[str, list[bytes]] = defaultdict(list)
        self._offsets = Counter[str]()
        self._begun = 0.0
        self.spent: dict[str, float] = defaultdict(float)
        self.counted = Counter[str]()
        self.published: list[list[bytes]] = []

    def run(
        self,
        events: Iterable[tuple[str, bytes]],
        per_flush: int,
        *,
        cut_every: int = 1,
        again: int = 0,
        store_every: int = 1,
    ) -> None:
        """Feed events, so many a flush, and let time pass until every bucket with one has closed.

        cut_every: flushes a cut; again: cuts after which the judges are restored. store_every: cuts after which also a
        judge is cut that has nothing to publish.
        """
        flushes = 0
        for n, (topic, value) in enumerate(events, 1):
            self._waiting[topic].append(value)
            if n % per_flush == 0:
                self._flush()
                flushes += 1
                if flushes % cut_every == 0:
                    self._cut(stores=flushes // cut_every % store_every == 0)
                    if again and flushes // cut_every % again == 0:
                        self._restore()
        self._flush()
        for topic in TOPICS:
            newest = self._meters[topic].clock.newest
            assert newest is not None
            self._meters[topic].advance_to(newest + AFTER_US)
        self._flush()
        self._cut()

    def _flush(self) -> None:
        # Each look at the clock costs as much as some partials do: few of them.
        self._begin()
        for topic in TOPICS:
            values, self._waiting[topic] = self._waiting[topic], []
            if values:
                self._meters[topic].feed(self._batch(topic, values))
        self._spend("meter: decode and fold")
        records = [record for topic in TOPICS for record in self._meters[topic].flush(NOW)]
        self._spend("meter: flush")
        sent = [record for record in records if record.topic == SAMPLES]
        frames = [(self.judges[record.partition or 0], decode(record.value)) for record in sent]
        self._spend("judge: decode")
        for judge, frame in frames:
            judge.take(frame)
        self._spend("judge: take")
        self.counted["frames"] += len(frames)
        self.counted["partials"] += sum(len(frame.partials) for _, frame in frames)

    def _batch(self, topic: str, values: Sequence[bytes]) -> Batch:
        first, none = self._offsets[topic], [None] * len(values)
        self._offsets[topic] += len(values)
        arrived = [int(NOW.timestamp() * 1000)] * len(values)
        return Batch(topic, 0, range(first, first + len(values)), values, none, arrived, first - 1, first + len(values))

    def _cut(self, *, stores: bool = True) -> None:
        transitions: list[bytes] = []
        self.published.append(transitions)
        self._begin()
        cuts = [Cut() if judge.only_stores() and not stores else judge.cut() for judge in self.judges]
        self._spend("judge: cut")
        for cut, kept in zip(cuts, self._entries, strict=True):
            self.counted["entries"] += len(cut.entries)
            transitions += [record.value for record in cut.records if record.topic == ALERTS]
            for key, value in cut.entries.items():
                if value is None:
                    kept.pop(key, None)
                else:
                    kept[key] = value

    def _restore(self) -> None:
        for n, kept in enumerate(self._entries):
            self.judges[n] = self._make(self._plan, n, self._samples)
            self.judges[n].restore(kept)

    def _begin(self) -> None:
        self._begun = time.process_time()

    def _spend(self, stage: str) -> None:
        """What was done since the last look at the clock was a stage's."""
        now = time.process_time()
        self.spent[stage] += now - self._begun
        self._begun = now


def _meter(topic: str, samples: int, series: Sequence[SeriesDef], chunk_size: int) -> Meter:
    settings = MeterSettings(
        role=topic,
        topic=topic,
        partition=0,
        partitions=1,
        source=f"id-{topic}",
        samples_topic=SAMPLES,
        samples_partitions=samples,
        chunk_size=chunk_size,
        lateness_us=60 * SECOND,
        future_limit_us=300 * SECOND,
        idle_after_us=30 * SECOND,
        position=None,
        earliest=0,
    )
    return Meter(settings, series, Decoder(wanted_fields(s for s in series if s.source == topic)))


def remembered(histories: Histories) -> dict[Any, Any]:
    """All that is remembered of the series."""
    flows = {
        key: (
            list(history.rows(-(1 << 62), 1 << 62)),
            history.places,
            history.seen,
            sorted(history.opened(), key=str),
            sorted(history.refused(), key=str),
        )
        for key, history in histories.flows.items()
    }
    return flows | {key: level.state() for key, level in histories.levels.items()}
