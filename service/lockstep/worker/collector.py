"""The metrics of a worker, collected from its parts whenever somebody asks, and every other second."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from lockstep.adapters.metrics import Metrics
from lockstep.adapters.rulebook import RuleBook
from lockstep.adapters.stream import WorkerBroker
from lockstep.text.rfc3339 import SECOND
from lockstep.worker.event_time import EventTime
from lockstep.worker.judging import Judging
from lockstep.worker.open_imports import OpenImports
from lockstep.worker.stages import Stages

METRICS_S = 2.0


class Collector:
    """Sets the gauges, and brings the counts of the stages up to date."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        broker: WorkerBroker,
        book: RuleBook,
        stages: Stages,
        judging: Judging,
        event_time: EventTime,
        imports: OpenImports,
        channels: tuple[str, ...],
        clock: Callable[[], datetime],
    ) -> None:
        """channels: the names of all by which people are told."""
        self._metrics, self._broker, self._book = metrics, broker, book
        self._stages, self._judging, self._event_time = stages, judging, event_time
        self._imports, self._channels, self._clock = imports, channels, clock

    async def text(self) -> bytes:
        """What /metrics answers."""
        self.collect()
        return await self._metrics.text()

    async def keep(self) -> None:
        """Collect for ever, so that counts do not wait for a scrape."""
        while True:
            await asyncio.sleep(METRICS_S)
            self.collect()

    def collect(self) -> None:
        """Bring all metrics up to date."""
        self._stages.count()
        self._collect_watermarks()
        self._collect_deliveries()
        self._collect_event_time()
        self._collect_imports()
        m, status = self._metrics, self._judging.status()
        m.ready.set(int(status.ready))
        m.lag.clear()  # of partitions that another worker has now, too
        for lane in status.lanes:
            m.lag.labels(lane.topic, str(lane.partition)).set(lane.lag)
        m.refused_files.set(len(self._book.refused))
        if self._judging.runtime is not None and (size := self._broker.size_bytes()) is not None:
            m.storage.set(size)

    def _collect_watermarks(self) -> None:
        m, now = self._metrics, self._clock().timestamp()
        m.watermark_delay.clear()
        for judge in self._stages.judges.values():
            for role, state in judge.watermarks.topics.items():
                if state.mark is not None:
                    m.watermark_delay.labels(role).set(now - state.mark / SECOND)

    def _collect_deliveries(self) -> None:
        m, now, delivers = self._metrics, self._clock(), self._stages.delivers.values()
        for channel in self._channels:
            m.pending.labels(channel).set(sum(d.pending.get(channel, 0) for d in delivers))
            m.breakers.labels(channel).set(sum(d.paused.get(channel, 0) for d in delivers))
            m.oldest.labels(channel).set(max((d.oldest(now).get(channel, 0.0) for d in delivers), default=0.0))

    def _collect_imports(self) -> None:
        m, now = self._metrics, self._clock()
        unfinished = {i.topic: i for i in self._imports.now}
        for topic in self._imports.topics.values():
            still = unfinished.get(topic)
            since_s = 0.0 if still is None else max(0.0, (now - still.written_at).total_seconds())
            m.import_stands_still.labels(topic).set(since_s)
            m.waiting_for_import.labels(topic).set(0 if still is None else still.waiting)

    def _collect_event_time(self) -> None:
        m, behind = self._metrics, self._event_time.behind_s()
        m.event_time_behind.clear()
        for topic, partition in self._event_time.read_to_end():
            m.event_time_behind.labels(topic, str(partition)).set(behind.get((topic, partition), 0.0))
