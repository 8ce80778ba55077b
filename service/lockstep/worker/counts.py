"""What meters and judges have counted, added up into the metrics of this process."""

from lockstep.adapters.metrics import Growth, Metrics
from lockstep.judge.judge import Judge
from lockstep.measure.meter import Meter


class Counts:
    """Counts that outlive the meter or judge that made them: a rebalance or new rules take nothing away."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._growth = Growth()
        self._counted: dict[tuple[str, int], int] = {}

    def count_events(self, topic: str, partition: int, meter: Meter | None) -> int:
        """Count what the partition's meter has seen; returns the offset up to which that is done in this process.

        meter: None when there is none (yet); then nothing is added.
        """
        if meter is None:
            return self._counted.get((topic, partition), 0)
        m, counts = self._metrics, meter.take_counts()
        m.events.labels(topic).inc(counts.events)
        m.duplicates.labels(topic).inc(counts.duplicates)
        m.unknown.labels(topic).inc(counts.unknown)
        m.dead.labels(topic).inc(counts.dead)
        self._counted[topic, partition] = meter.counted
        return meter.counted

    def count_judged(self, partition: int, judge: Judge) -> None:
        """A judge's counts are part of its state: they come back after a restart, and with another owner's."""
        m, now, restored = self._metrics, judge.counts, judge.counts_restored
        for counter, total, before in (
            (m.late, now.late, restored.late),
            (m.older, now.older_levels, restored.older_levels),
            (m.overlaps, now.overlaps, restored.overlaps),
            (m.transitions, now.transitions, restored.transitions),
        ):
            counter.inc(self._growth.by((partition, counter), total, restored=before))
        if judge.book is not None:
            for topic, count in judge.book.take_dead_counts().items():
                m.dead.labels(topic).inc(count)
