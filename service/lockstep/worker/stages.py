"""The stages of a worker, made as partitions are assigned to it, and those that it holds now."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime

from lockstep.adapters.charts.history import keep_longer_s, shown_levels
from lockstep.adapters.dispatch import Dispatcher
from lockstep.adapters.import_log import ImportGate, ImportLog, LiveGate
from lockstep.adapters.promises import last_promise
from lockstep.adapters.stream.lanes import SourceSpec, StageSpec
from lockstep.deliver import Deliver
from lockstep.event import Decoder
from lockstep.event.imports import ROLES
from lockstep.event.imports import TOPIC as IMPORTS
from lockstep.judge.judge import Judge
from lockstep.judge.publish import ALERTS
from lockstep.judge.state import Sizes
from lockstep.measure.meter import Meter, MeterSettings, wanted_fields
from lockstep.notify.decide import DELIVERIES, Notify
from lockstep.notify.route import Routing
from lockstep.notify.self_alerts import own_rules
from lockstep.ports import Broker, TopicInfo
from lockstep.response.command import COMMANDS
from lockstep.rule.condition.kinds import Plan
from lockstep.settings import Settings
from lockstep.text.rfc3339 import SECOND
from lockstep.worker.alert_log import log_last_news, log_news
from lockstep.worker.charting import Charting
from lockstep.worker.counts import Counts
from lockstep.worker.required_topics import SAMPLES, partitions_of

FEW_S = 0.005
"""Shortest time between two cuts of notify and deliver: there is little to gather there, and people wait."""
ATTEMPTS_STORED_EVERY_S = 0.2
"""How attempts at programs ended is stored this often, unless there is news to be stored: what was sent since is sent
again, under the same id, where a worker dies before it."""


def sizes_from(environ: Mapping[str, str]) -> Sizes:
    """LOCKSTEP_TEST_SIZES: how much judges store together, as JSON, for tests that kill them; never set in service."""
    return Sizes(**json.loads(environ.get("LOCKSTEP_TEST_SIZES", "{}")))


class Stages:
    """Makes meters, judges, notify and deliver stages for the runtime.

    meters: by (topic, partition), judges and delivers: by partition; those of the assignments that last. has_alerts:
    whether the alerts are this worker's, of which there is one partition, so that one worker at a time has them.
    """

    def __init__(
        self,
        settings: Settings,
        broker: Broker,
        *,
        dispatcher: Dispatcher,
        counts: Counts,
        clock: Callable[[], datetime],
        charting: Charting | None = None,
        sizes: Sizes | None = None,
    ) -> None:
        """charting: shows what judges tell; None: nobody does. sizes: of what judges store."""
        self._settings, self._broker, self._sizes = settings, broker, sizes
        self._dispatcher, self._counts, self._charting = dispatcher, counts, charting
        self._imports = ImportLog(broker, SAMPLES, clock=clock)
        self.judge_partitions = partitions_of(settings, settings.samples_partitions)
        self.meters: dict[tuple[str, int], Meter] = {}
        self.judges: dict[int, Judge] = {}
        self.delivers: dict[int, Deliver] = {}
        self.has_alerts = False

    def sources(self, plan: Plan) -> list[SourceSpec]:
        """A meter for each input topic, of the series that the plan reads, and for what was imported of its role."""
        decoder = Decoder(wanted_fields(plan.series))
        live = [
            SourceSpec(name, self.meter_maker(role, plan, decoder), LiveGate(self._imports, role))
            for role, name in self._settings.topics.items()
        ]
        return [
            *live,
            SourceSpec(IMPORTS, self.meter_maker(None, plan, decoder), ImportGate(self._imports, self._ends_from)),
        ]

    def _ends_from(self, partition: int, offset: int) -> None:
        self.meters[IMPORTS, partition].ends_from = offset

    def meter_maker(
        self, role_of_topic: str | None, plan: Plan, decoder: Decoder
    ) -> Callable[[TopicInfo, int, int | None, int], Awaitable[Meter]]:
        """(topic as it is, partition, committed position or None, earliest offset kept) → the meter of a partition.

        role_of_topic: None for the topic of imports, where each partition has a role. decoder: of events of which the
        plan reads fields; all meters of a plan may have the same.
        """
        s = self._settings

        async def make(info: TopicInfo, partition: int, committed: int | None, earliest: int) -> Meter:
            role = ROLES[partition] if role_of_topic is None else role_of_topic
            is_import = role_of_topic is None  # one that goes on waits for its next event, one that ended says when
            before = (
                None if is_import else await last_promise(self._broker, SAMPLES, source=info.id, partition=partition)
            )
            settings = MeterSettings(
                role=role,
                topic=info.name,
                partition=partition,
                partitions=info.partitions,
                source=info.id,
                samples_topic=SAMPLES,
                samples_partitions=self.judge_partitions,
                chunk_size=s.chunk_size,
                lateness_us=round(s.lateness_of(role) * SECOND),
                future_limit_us=round(s.future_limit * SECOND),
                idle_after_us=round(s.idle_after * SECOND),
                position=committed,
                earliest=earliest,
                fresh=plan.fresh,
                before=before,
                counted=self._count_events(info.name, partition),
                imported=is_import,
            )
            meter = Meter(settings, plan.series, decoder)
            self.meters[info.name, partition] = meter
            return meter

        return make

    def specs(self, plan: Plan, routing: Routing) -> list[StageSpec]:
        """Judge, notify and deliver, in the order in which the data flows."""
        s = self._settings
        deliveries = partitions_of(s, s.delivery_partitions)

        has_charts = self._charting is not None
        keep_longer, levels = (keep_longer_s(plan), shown_levels(plan)) if has_charts else ({}, {})

        def make_judge(partition: int) -> Judge:
            judge = self.judges[partition] = Judge(
                plan,
                zone=s.zone,
                partition=partition,
                partitions=self.judge_partitions,
                topics=s.topics,
                keep_longer_s=keep_longer,
                shown_levels=levels,
                sizes=self._sizes,
            )
            return judge

        def make_notify(_: int) -> Notify:
            self.has_alerts = True
            return Notify(
                replace(plan, rules=(*plan.rules, *own_rules(tuple(routing.teams)))),
                routing,
                zone=s.zone,
                delivery_partitions=deliveries,
                group_wait_s=s.group_wait,
                public_url=s.public_url,
                currency=s.currency,
            )

        return [
            StageSpec(
                "judge",
                (SAMPLES,),
                make_judge,
                released=self._judge_released,
                can_wait=Judge.only_stores,
                goes_on=Judge.goes_on,
                after_cut=None if self._charting is None else self._charting.note,
            ),
            StageSpec(
                "notify",
                (ALERTS, COMMANDS),
                make_notify,
                after_cut=log_news,
                released=self._notify_released,
                tick_s=min(1.0, max(0.05, s.group_wait)),
                interval_s=FEW_S,
            ),
            StageSpec(
                "deliver",
                (DELIVERIES,),
                self._make_deliver,
                interval_s=FEW_S,
                can_wait=Deliver.only_stores,
                store_every_s=ATTEMPTS_STORED_EVERY_S,
                after_cut=self._dispatcher.dispatch,
                released=self._deliver_released,
            ),
        ]

    def _make_deliver(self, partition: int) -> Deliver:
        stage = self.delivers[partition] = Deliver()
        return stage

    async def _judge_released(self, partition: int, stage: Judge) -> None:
        """Another worker has the partition, and tells its numbers."""
        self._counts.count_judged(partition, stage)
        if self.judges.get(partition) is stage:
            del self.judges[partition]

    async def _notify_released(self, partition: int, stage: Notify) -> None:
        self.has_alerts = False
        await log_last_news(partition, stage)

    async def _deliver_released(self, partition: int, stage: Deliver) -> None:
        self.delivers.pop(partition, None)
        await self._dispatcher.release(partition, stage)

    def _count_events(self, topic: str, partition: int) -> int:
        return self._counts.count_events(topic, partition, self.meters.get((topic, partition)))

    def count(self) -> None:
        """Bring the counts of meters and judges up to date."""
        for topic, partition in self.meters:
            self._count_events(topic, partition)
        for partition, judge in self.judges.items():
            self._counts.count_judged(partition, judge)

    def forget(self) -> None:
        """The assignments are over; what was counted stays."""
        self.count()
        if self._charting is not None:
            self._charting.forget()
        self.meters.clear()
        self.judges.clear()
        self.delivers.clear()
        self.has_alerts = False

    def newest_us(self) -> int:
        """The newest event time or watermark of the judges, microseconds; 0 when there is none."""
        marks = [
            at
            for judge in self.judges.values()
            for at in (
                *(s.newest for s in judge.watermarks.sources.values()),
                *(t.mark for t in judge.watermarks.topics.values()),
            )
            if at is not None
        ]
        return max(marks, default=0)
