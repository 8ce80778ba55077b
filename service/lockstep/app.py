"""The composition root: builds the parts, starts and stops them. The only reader of the clock."""

import asyncio
import contextlib
import json
import os
import random
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from watchfiles import awatch

from lockstep.adapters.channel_table import build_channels, check_secrets
from lockstep.adapters.dispatch import Dispatcher
from lockstep.adapters.explain_answer import from_worker
from lockstep.adapters.follow import AlertBoard
from lockstep.adapters.http.server import HttpServer, check_exposure
from lockstep.adapters.ingest.receipts import MOST_BETWEEN, Receipts
from lockstep.adapters.metrics import Growth, Metrics
from lockstep.adapters.promises import last_promise
from lockstep.adapters.rule_files import load_routing
from lockstep.adapters.rulebook import TOPIC as RULES
from lockstep.adapters.rulebook import RuleBook, read_folder
from lockstep.adapters.stopping import EXIT_UNDONE, LastResort, Stopping
from lockstep.adapters.stream import open_broker, transport_for
from lockstep.adapters.stream.consumer import Faults
from lockstep.adapters.stream.runtime import Runtime, SourceSpec, SourceStage, StageSpec
from lockstep.deliver import DEAD_DELIVERIES, Deliver
from lockstep.errors import BrokerError, LockstepError, RuleError, SettingsError
from lockstep.event import Decoder
from lockstep.judge.judge import ALERT_STATE, ALERTS, Judge
from lockstep.measure.dead_events import TOPIC as DEAD_EVENTS
from lockstep.measure.meter import Meter, MeterSettings, wanted_fields
from lockstep.notify.decide import DELIVERIES, Notify
from lockstep.notify.route import NOBODY, Routing
from lockstep.notify.self_alerts import (
    BEHIND,
    REFUSED,
    OwnAlerts,
    Place,
    behind_due,
    behind_text,
    own_rules,
    refusal_of,
)
from lockstep.ports import Record, TopicInfo, TopicSpec, state_topic
from lockstep.rule.condition.kinds import Plan, Rule
from lockstep.settings import Settings
from lockstep.transition import Refusal, TransitionName, encode

log = structlog.get_logger("lockstep")

SAMPLES = "lockstep.samples"
COMMANDS = "lockstep.commands"

EXIT_OK = 0
EXIT_FATAL = 70
"""A worker that cannot heal by itself; its supervisor starts a new one, which goes on from what is durable."""

HOUSEKEEPING_S = 60.0
METRICS_S = 2.0
FEW_S = 0.005
"""Shortest time between two cuts of notify and deliver: there is little to gather there, and people wait."""
SOURCES_POLL_S = 2.0
FILE_POLL_S = 1.0
EVENT_TIME_POLL_S = 2.0

RULES_POLL_S = 0.5
BORDER_MARGIN_S = 30
"""How far ahead of the newest event a change of rules begins, so that every worker has heard of it before."""

KEEPERS_S, SWITCH_S, BROKER_S, CHANNEL_S, HTTP_S = 2.0, 4.0, 5.0, 2.0, 3.0
"""How long other steps of a stop may take: of what hangs, the rest is left undone and said."""

AGAIN_S = 1.0
"""A signal that comes so long after the first one ends the process at once."""

DRAIN_S = 5.0
"""How long a clean stop waits for deliveries that are under way, so that nobody hears them again."""


def utc_now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)


def partitions_of(settings: Settings, setting: int) -> int:
    """A number of partitions, or the broker's default where it is 0."""
    return setting or (1 if settings.is_sqlite else 4)


def topic_specs(settings: Settings) -> list[TopicSpec]:
    """Every topic of ours, as it must exist."""
    keep, keep_alerts = round(settings.retention), round(settings.alert_retention)
    samples = partitions_of(settings, settings.samples_partitions)
    deliveries = partitions_of(settings, settings.delivery_partitions)
    return [
        TopicSpec(SAMPLES, samples, retention_s=keep),
        TopicSpec(ALERTS, 1, retention_s=keep_alerts),
        TopicSpec(ALERT_STATE, 1, compacted=True),
        TopicSpec(DELIVERIES, deliveries, retention_s=keep),
        TopicSpec(COMMANDS, 1, retention_s=keep),
        TopicSpec(DEAD_EVENTS, 1, retention_s=keep),
        TopicSpec(DEAD_DELIVERIES, 1, retention_s=keep),
        TopicSpec(RULES, 1, compacted=True),
        *([] if settings.is_sqlite else _state_specs(samples, deliveries)),
    ]


def _state_specs(samples: int, deliveries: int) -> list[TopicSpec]:
    return [
        TopicSpec(state_topic("judge"), samples, compacted=True),
        TopicSpec(state_topic("notify"), 1, compacted=True),
        TopicSpec(state_topic("deliver"), deliveries, compacted=True),
    ]


def source_specs(settings: Settings) -> list[TopicSpec]:
    """The input topics, as Lockstep makes them where they are missing."""
    count = partitions_of(settings, settings.source_partitions)
    return [TopicSpec(name, count, retention_s=round(settings.retention)) for name in settings.topics.values()]


async def prepare(settings: Settings, broker: Any) -> list[str]:
    """Make our topics, and the input topics that are missing; returns the names of those still missing."""
    await broker.declare(topic_specs(settings))
    names = list(settings.topics.values())
    known = await broker.describe(names)
    if settings.create_source_topics:
        await broker.declare([s for s in source_specs(settings) if s.name not in known])
        return []
    return [name for name in names if name not in known]


def faults_from(environ: Mapping[str, str]) -> Faults:
    """LOCKSTEP_TEST_FAULTS: the switches of the kill tests as JSON; never set in service."""
    return Faults(**json.loads(environ.get("LOCKSTEP_TEST_FAULTS", "{}")))


def load_routes(folder: Path) -> Routing:
    """The routing of a folder. Raises RuleError for one that cannot be used: nobody would be told."""
    if not folder.exists():
        raise RuleError(f"{folder}: there is no such folder; name one with --rules")
    routing, faults = load_routing(folder / "routing.yml")
    for fault in faults:
        (log.error if fault.level == "error" else log.warning)(str(fault))
    if routing is None:
        raise RuleError("; ".join(str(f) for f in faults if f.level == "error"))
    if not any(routing.destinations.values()):
        log.warning(f"nobody is told: {folder / 'routing.yml'} names no receiver")
    return routing


_NEWS = {TransitionName.FIRING: "alert fires", TransitionName.RESOLVED: "alert ends"}


def _say_news(_: int, notify: Notify) -> None:
    """One line for each alert that fires or ends: what on-call staff search the log for."""
    for said in notify.take_reports():
        log.warning(said)
    for t in notify.take_news():
        log.info(
            _NEWS.get(t.state, "alert gets worse"),
            rule=t.rule,
            labels=t.labels,
            severity=t.severity,
            value=t.value,
            at=t.at,
            alert=t.alert_id,
            **({"reason": t.reason} if t.reason else {}),
        )


async def _say_last_news(partition: int, notify: Notify) -> None:
    _say_news(partition, notify)


class Service:
    """One worker: everything between the broker and the channels."""

    def __init__(
        self,
        settings: Settings,
        *,
        dry_run: bool = False,
        environ: Mapping[str, str] | None = None,
        stop_begins: Callable[[], None] | None = None,
    ) -> None:
        """stop_begins: called when the first step of stopping is taken."""
        self.settings = settings
        self._environ = os.environ if environ is None else environ
        check_exposure(settings)
        read_folder(settings.rules)
        self.plan, self.routing = Plan((), ()), NOBODY
        self.broker: Any = open_broker(settings, clock=utc_now)
        self.board = AlertBoard(self.broker, clock=utc_now)
        self._channels = build_channels(settings, self._environ)
        self.metrics = Metrics(topics=settings.topics.values(), channels=self._channels, alerts=self.board.alerts)
        self._growth = Growth()
        self._counted: dict[tuple[str, int], int] = {}
        self.book = RuleBook(self.broker, settings.rules, clock=utc_now)
        self._own = OwnAlerts(alone=settings.is_sqlite)
        self._reload = asyncio.Lock()
        self._switching: asyncio.Task[None] | None = None
        self._asked: asyncio.Task[None] | None = None
        self.fatal: asyncio.Future[str] | None = None
        self.runtime: Runtime | None = None
        self.stopping = Stopping(begins=stop_begins)
        self._reason = "the broker has not answered yet"
        self._meters: dict[tuple[str, int], Meter] = {}
        self._judges: dict[int, Judge] = {}
        self._delivers: dict[int, Deliver] = {}
        self._dispatcher = Dispatcher(
            self._channels,
            clock=utc_now,
            jitter=random.random,
            wake=lambda partition: self._runtime.wake("deliver", partition),
            observer=self.metrics,
            dry_run=dry_run,
        )
        self.http = HttpServer(
            settings,
            receipts=Receipts(
                self.broker,
                clock=utc_now,
                chunk_size=settings.chunk_size,
                future_limit_s=settings.future_limit,
                most_between=MOST_BETWEEN,
            ),
            board=self.board,
            status=self.status,
            metrics=self._metrics_text,
            explain=self._explain,
            rules=self.rules_state,
            reload=lambda: self.reload_rules(again=True),
            count_events=self.metrics.posted,
        )

    @property
    def _runtime(self) -> Runtime:
        if self.runtime is None:
            raise RuntimeError("the service has not been started")
        return self.runtime

    # ---- life -----------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> int:
        """Serve until `stop` is set or nothing can heal; returns the exit code."""
        self.fatal = asyncio.get_running_loop().create_future()
        stopping = self.stopping
        try:
            async with contextlib.AsyncExitStack() as stack:
                await self.http.start()
                stack.push_async_callback(stopping.step, "ending requests", self.http.stop, at_most_s=HTTP_S)
                asked = asyncio.create_task(stop.wait())
                stack.callback(asked.cancel)
                starting = asyncio.create_task(self._start(stack))
                await asyncio.wait([starting, asked], return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    await starting
                    await self._keep(asked)
                else:
                    await stopping.step("starting", partial(_cancelled, starting), at_most_s=KEEPERS_S)
                self._reason = "stopping"
                if not self.fatal.done():
                    log.info("stopping")
        finally:
            if stopping.undone:
                log.warning(
                    "stopped; left undone, and gone on with at the next start", undone="; ".join(stopping.undone)
                )
        log.info("stopped")
        if self.fatal.done():
            return EXIT_FATAL
        return EXIT_UNDONE if stopping.undone else EXIT_OK

    async def _keep(self, asked: "asyncio.Task[Any]") -> None:
        """Look after rules, alerts, retention and metrics until a stop is asked for or nothing can heal."""
        if self.fatal is None:
            raise RuntimeError("the service has not been started")
        keeping = asyncio.create_task(self._keepers())
        ended: list[asyncio.Future[Any]] = [asked, self.fatal, keeping]
        await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            await keeping  # it broke
        await self.stopping.step("looking after the rules", partial(_cancelled, keeping), at_most_s=KEEPERS_S)

    async def _keepers(self) -> None:
        async with asyncio.TaskGroup() as group:
            for body in (
                self._follow_rules,
                self._watch_folder,
                self.board.follow,
                self._housekeep,
                self._watch_file,
                self._watch_event_time,
                self._measure_self,
            ):
                group.create_task(body())

    def _token_said(self) -> str:
        return "none: loopback only" if self.settings.api_token is None else "set"

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        await self.broker.start()
        stack.push_async_callback(self.stopping.step, "leaving the broker", self.broker.stop, at_most_s=BROKER_S)
        while missing := await prepare(self.settings, self.broker):
            self._reason = f"input topics are missing: {', '.join(missing)}"
            log.warning(self._reason)
            await asyncio.sleep(SOURCES_POLL_S)
        # Only now: what is posted before is refused.
        log.info(
            "listening",
            url=self.settings.url(self.http.port),
            host=self.settings.http_host,
            token=self._token_said(),
        )
        await self._check_sources()
        for channel in self._channels.values():
            stack.push_async_callback(self.stopping.step, "closing a channel", channel.close, at_most_s=CHANNEL_S)
        await self.book.begin()
        try:
            await self._propose(0)  # what was edited while nobody watched is in force where the judges stand
        except RuleError as error:
            log.error("the rules in force stay", reason=str(error))
        stack.push_async_callback(self._end_at_last)
        await self._begin()

    async def _end_at_last(self) -> None:
        if self._switching is not None:
            await self.stopping.step("taking new rules", partial(asyncio.wait, [self._switching]), at_most_s=SWITCH_S)
        await self._end(self.stopping)

    async def _end(self, stopping: Stopping) -> None:
        """Stop judging, cleanly."""
        runtime, self.runtime = self.runtime, None
        if runtime is None:
            return
        await stopping.step("ending deliveries", partial(self._dispatcher.drain, DRAIN_S), at_most_s=DRAIN_S + 1)
        await runtime.stop(stopping)
        self._collect()
        self._meters, self._judges, self._delivers = {}, {}, {}

    async def _begin(self) -> None:
        """Judge by the versions of the rules that the book holds."""
        self.plan, self.routing = self.book.loaded()
        for said in check_secrets(self.routing, self._environ):
            log.warning(said)
        if not any(self.routing.destinations.values()):
            log.warning(f"nobody is told: {self.settings.rules / 'routing.yml'} names no receiver")
        self.runtime = Runtime(
            self.settings,
            self.broker,
            transport=transport_for(self.settings),
            sources=[SourceSpec(name, self._meter_for(role)) for role, name in self.settings.topics.items()],
            stages=self._stages(),
            clock=utc_now,
            on_fatal=self._on_fatal,
            observer=self.metrics,
            faults=faults_from(self._environ),
            options=self.broker.faust_options(),
        )
        self._dispatcher.resume()  # it was drained when the rules before these ended
        await self.runtime.start()
        log.info("serving", rules=len(self._rules_now()), plan=self.plan.fingerprint)

    # ---- rules that change ----------------------------------------------------------------------------------------

    def _rules_now(self) -> dict[str, Rule]:
        """The newest version of each rule."""
        return {r.name: r for r in self.plan.rules if r.until_s is None}

    async def _follow_rules(self) -> None:
        """Take every version that is announced, by whichever worker."""
        while True:
            await asyncio.sleep(RULES_POLL_S)
            try:
                await self._take_versions()
            except BrokerError as error:
                log.warning("the rules stand still", reason=str(error))
            except LockstepError as error:
                self._on_fatal(str(error))

    async def _take_versions(self) -> None:
        async with self._reload:
            if await self.book.refresh():
                await self._switch()

    async def _switch(self) -> None:
        """Go on with the newest version: judges and meters begin anew, as after a restart, and lose nothing."""
        current = self.book.current
        since = None if current is None or current.since_s is None else datetime.fromtimestamp(current.since_s, UTC)
        log.info("new rules", version=current and current.id, since=since and since.isoformat())
        self._reason = "taking new rules"
        self._switching = asyncio.create_task(self._anew())
        await asyncio.shield(self._switching)  # Faust that is stopped while it starts leaves tasks behind

    async def _anew(self) -> None:
        stopping = Stopping()
        await self._end(stopping)
        if stopping.hangs:  # what is still running would judge beside what begins
            self._on_fatal(f"the rules before did not end: {'; '.join(stopping.undone)}")
            return
        try:
            await self._begin()
        except LockstepError as error:
            self._on_fatal(str(error))

    async def reload_rules(self, *, again: bool = False) -> dict[str, Any]:
        """Look at the folder now; what came of it. Raises RuleError, BrokerError."""
        async with self._reload:
            before = self.book.current
            changes = await self._propose(self._next_border(), again=again)
            if self.book.current is not before:
                await self._switch()
        return {"changes": changes, **self.rules_state()}

    async def _propose(self, since_s: int, *, again: bool = False) -> list[str]:
        try:
            changes = await self.book.propose(since_s, again=again)
        finally:  # a folder that cannot be read now still holds what was refused
            await self._tell_owners()
        for line in changes:
            log.info("rule changed", change=line)
        return changes

    def _next_border(self) -> int:
        """A bucket end ahead of every watermark, in seconds of event time."""
        marks = [
            at
            for judge in self._judges.values()
            for at in (
                *(s.newest for s in judge.watermarks.sources.values()),
                *(t.mark for t in judge.watermarks.topics.values()),
            )
            if at is not None
        ]
        # One worker switches when it has decided; several must have heard of it before their watermarks get there.
        margin = 0 if self.settings.is_sqlite else BORDER_MARGIN_S
        return -(-(max(marks, default=0) // 1_000_000 + margin) // 60) * 60

    async def _watch_folder(self) -> None:
        """Reload when a file of the folder changes."""
        # It also yields when nothing happened: for what was edited before the watch began, and for file systems
        # that tell nothing.
        async for _ in awatch(
            self.settings.rules, recursive=False, debounce=200, rust_timeout=2000, yield_on_timeout=True
        ):
            await self._try_reload()

    async def _try_reload(self, *, again: bool = False) -> None:
        try:
            await self.reload_rules(again=again)
        except (RuleError, BrokerError) as error:
            log.error("the rules in force stay", reason=str(error))
        except LockstepError as error:
            self._on_fatal(str(error))

    def ask_reload(self) -> None:
        """Reload soon: for a signal."""
        self._asked = asyncio.create_task(self._try_reload(again=True))

    def rules_state(self) -> dict[str, Any]:
        """Which rules are in force since when, and which files were refused why, for the API."""
        current = self.book.current
        files = sorted({*(current.files if current else ()), *self.book.refused})
        return {
            "version": current and current.id,
            "since": None if current is None or current.since_s is None else _moment(current.since_s),
            "announced": current and current.at.isoformat(timespec="seconds"),
            "rules": [
                {"name": r.name, "version": r.version, "place": r.place, "since": _moment(r.since_s)}
                for r in self._rules_now().values()
            ],
            "files": [
                {
                    "name": name,
                    "state": "refused" if name in self.book.refused else "in force",
                    "faults": [str(f) for f in self.book.refused.get(name, ())],
                }
                for name in files
            ],
        }

    async def _tell_owners(self) -> None:
        """An alert for each file that is refused, over when it is taken: whoever edits rules may not read logs."""
        await self.board.refresh()
        new, again = self._own.due(
            self._refusals(),
            self.board.alerts(rule=REFUSED, every=True),
            self.board.heard,
            looked=self.book.has_looked,
            now=utc_now(),
        )
        records = [Record(ALERTS, encode(t), t.alert_id.encode(), 0) for t in new]
        records += [Record(ALERT_STATE, encode(t), t.alert_id.encode()) for t in (*new, *again)]
        if records:
            await self.broker.publish(records)

    def _refusals(self) -> dict[str, Refusal]:
        current, refused = self.book.current, self.book.refused
        if current is None or not refused:
            return {}
        rules, part = self.book.rules_in_force(), self.book.faulty()
        since = None if current.since_s is None else _moment(current.since_s)
        return {
            name: refusal_of(
                name, [*map(str, faults)], rules, is_new=name not in current.files, is_part=name in part, since=since
            )
            for name, faults in refused.items()
        }

    async def _check_sources(self) -> None:
        for info in (await self.broker.describe(self.settings.topics.values())).values():
            if info.compacted and info.name != self.settings.topic_plans:
                raise SettingsError(
                    f"topic '{info.name}' is compacted: counts over it would be wrong; set cleanup.policy=delete"
                )
            if not info.append_time:
                log.warning(
                    "the topic carries its producers' times; set message.timestamp.type=LogAppendTime", topic=info.name
                )

    def _on_fatal(self, reason: str) -> None:
        if self.fatal is not None and not self.fatal.done():
            self.fatal.set_result(reason)

    # ---- stages ---------------------------------------------------------------------------------------------------

    def _meter_for(self, role: str) -> Callable[[TopicInfo, int, int | None, int], Awaitable[SourceStage]]:
        s = self.settings

        async def make(info: TopicInfo, partition: int, committed: int | None, earliest: int) -> SourceStage:
            settings = MeterSettings(
                role=role,
                topic=info.name,
                partition=partition,
                partitions=info.partitions,
                source=info.id,
                samples_topic=SAMPLES,
                samples_partitions=partitions_of(s, s.samples_partitions),
                chunk_size=s.chunk_size,
                lateness_us=round(s.lateness_of(role) * 1e6),
                future_limit_us=round(s.future_limit * 1e6),
                idle_after_us=round(s.idle_after * 1e6),
                position=committed,
                earliest=earliest,
                fresh=self.plan.fresh,
                before=await last_promise(self.broker, SAMPLES, source=info.id, partition=partition),
                counted=self._count_events(info.name, partition),
            )
            meter = Meter(settings, self.plan.series, Decoder(wanted_fields(self.plan.series)))
            self._meters[info.name, partition] = meter
            return meter

        return make

    def _stages(self) -> list[StageSpec]:
        s = self.settings
        deliveries = partitions_of(s, s.delivery_partitions)
        return [
            StageSpec("judge", (SAMPLES,), self._make_judge, released=self._judge_released),
            StageSpec(
                "notify",
                (ALERTS, COMMANDS),
                lambda _: Notify(
                    replace(self.plan, rules=(*self.plan.rules, *own_rules(tuple(self.routing.teams)))),
                    self.routing,
                    zone=s.zone,
                    delivery_partitions=deliveries,
                    group_wait_s=s.group_wait,
                    public_url=s.public_url,
                ),
                after_cut=_say_news,
                released=_say_last_news,
                tick_s=min(1.0, max(0.05, s.group_wait)),
                interval_s=FEW_S,
            ),
            StageSpec(
                "deliver",
                (DELIVERIES,),
                self._make_deliver,
                interval_s=FEW_S,
                after_cut=self._dispatcher.dispatch,
                released=self._deliver_released,
            ),
        ]

    def _make_judge(self, partition: int) -> Judge:
        judge = Judge(
            self.plan,
            zone=self.settings.zone,
            partition=partition,
            partitions=partitions_of(self.settings, self.settings.samples_partitions),
            topics=self.settings.topics,
        )
        self._judges[partition] = judge
        return judge

    def _explain(self, what: str, wanted: dict[str, str]) -> dict[str, Any]:
        """The answer of /v1/explain: of the groups that this worker judges; of others what was published last."""
        return from_worker(
            what,
            wanted,
            plan=self.plan,
            judges=self._judges,
            partitions=partitions_of(self.settings, self.settings.samples_partitions),
            published=self.board.alerts(every=True),
            zone=self.settings.zone,
        )

    def _make_deliver(self, partition: int) -> Deliver:
        stage = self._delivers[partition] = Deliver()
        return stage

    async def _judge_released(self, partition: int, stage: Judge) -> None:
        """Another worker has the partition, and tells its numbers."""
        self._count_judged(partition, stage)
        if self._judges.get(partition) is stage:
            del self._judges[partition]

    async def _deliver_released(self, partition: int, stage: Deliver) -> None:
        self._delivers.pop(partition, None)
        await self._dispatcher.release(partition, stage)

    # ---- looking at itself ----------------------------------------------------------------------------------------

    def status(self) -> Any:
        """What /healthz and /readyz say."""
        if self.runtime is None:
            return _NotYet(self._reason)
        return self.runtime.status()

    def _metrics_text(self) -> bytes:
        self._collect()
        return self.metrics.text()

    def _collect(self) -> None:
        m = self.metrics
        for topic, partition in self._meters:
            self._count_events(topic, partition)
        for partition, judge in self._judges.items():
            self._count_judged(partition, judge)
        judges = self._judges.values()
        now = utc_now().timestamp()
        m.watermark_delay.clear()
        for judge in judges:
            for role, state in judge.watermarks.topics.items():
                if state.mark is not None:
                    m.watermark_delay.labels(role).set(now - state.mark / 1e6)
        delivers, moment = self._delivers.values(), utc_now()
        for channel in self._channels:
            m.pending.labels(channel).set(sum(d.pending.get(channel, 0) for d in delivers))
            m.breakers.labels(channel).set(sum(d.paused.get(channel, 0) for d in delivers))
            m.oldest.labels(channel).set(max((d.oldest(moment).get(channel, 0.0) for d in delivers), default=0.0))
        behind, known = self._event_time()
        m.event_time_behind.clear()
        for topic, partition in known:
            m.event_time_behind.labels(topic, str(partition)).set(behind.get((topic, partition), 0.0))
        status = self.status()
        m.ready.set(int(status.ready))
        m.lag.clear()  # of partitions that another worker has now, too
        m.refused_files.set(len(self.book.refused))
        for lane in getattr(status, "lanes", ()):
            m.lag.labels(lane.topic, str(lane.partition)).set(lane.lag)
        size = getattr(self.broker, "size_bytes", None)
        if size is not None and self.runtime is not None:
            m.storage.set(size())

    def _count_events(self, topic: str, partition: int) -> int:
        """Count what the partition's meter has seen; returns the offset up to which that is done in this process."""
        meter = self._meters.get((topic, partition))
        if meter is None:
            return self._counted.get((topic, partition), 0)
        m, counts = self.metrics, meter.take_counts()
        m.events.labels(topic).inc(counts.events)
        m.duplicates.labels(topic).inc(counts.duplicates)
        m.unknown.labels(topic).inc(counts.unknown)
        m.dead.labels(topic).inc(counts.dead)
        self._counted[topic, partition] = meter.counted
        return meter.counted

    def _count_judged(self, partition: int, judge: Judge) -> None:
        """Its counts are part of its state: they come back after a restart, and with another owner's."""
        m, now, restored = self.metrics, judge.counts, judge.counts_restored
        for counter, total, before in (
            (m.late, now.late, restored.late),
            (m.older, now.older_levels, restored.older_levels),
            (m.overlaps, now.overlaps, restored.overlaps),
            (m.transitions, now.transitions, restored.transitions),
        ):
            counter.inc(self._growth.by((partition, counter), total, restored=before))

    async def _measure_self(self) -> None:
        while True:
            await asyncio.sleep(METRICS_S)
            self._collect()

    def _event_time(self) -> tuple[dict[Place, float], set[Place]]:
        """(how many seconds event time is behind where it stays too far behind, partitions read to their end)."""
        now_us = round(utc_now().timestamp() * 1e6)
        known = {place: m.clock for place, m in self._meters.items() if m.clock.has_read_to_end}
        behind = {
            place: (now_us - clock.watermark) / 1e6
            for place, clock in known.items()
            if clock.watermark is not None and clock.is_behind(now_us)
        }
        return behind, set(known)

    async def _watch_event_time(self) -> None:
        """An alert for each source partition whose event time stays behind though it was read to its end."""
        while True:
            await asyncio.sleep(EVENT_TIME_POLL_S)
            behind, _ = self._event_time()
            caught_up = {place for place, m in self._meters.items() if m.clock.is_caught_up}
            now = utc_now()
            said = {place: behind_text(place, seconds, now) for place, seconds in behind.items()}
            try:
                await self.board.refresh()
                new = behind_due(said, caught_up, self.board.alerts(rule=BEHIND, every=True), now=now)
                records = [Record(ALERTS, encode(t), t.alert_id.encode(), 0) for t in new]
                records += [Record(ALERT_STATE, encode(t), t.alert_id.encode()) for t in new]
                if records:
                    await self.broker.publish(records)
            except BrokerError as error:
                log.warning("nothing was said of event time", reason=str(error))

    async def _watch_file(self) -> None:
        """Give up when the embedded broker's file is not the one at its path any more; Kafka has none."""
        verify = getattr(self.broker, "verify", None)
        while verify is not None:
            await asyncio.sleep(FILE_POLL_S)
            try:
                verify()
            except BrokerError as error:
                log.error("this worker gives up", reason=str(error))
                self._on_fatal(str(error))
                return

    async def _housekeep(self) -> None:
        """What is older than its retention goes; Kafka does this itself."""
        retain = getattr(self.broker, "retain", None)
        while retain is not None:
            try:
                await retain()
            except BrokerError as error:
                log.warning("retention did not run", reason=str(error))
            await asyncio.sleep(HOUSEKEEPING_S)


def _moment(second: int | None) -> str | None:
    return None if not second else datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", "Z")


class _NotYet:
    """The status of a service that is starting."""

    ready = False
    live = True
    live_reason = ""

    def __init__(self, reason: str) -> None:
        self.ready_reason = reason


async def _cancelled(task: "asyncio.Task[Any]") -> None:
    """Cancel a task and wait until it has ended; raises what it raises instead."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def serve(settings: Settings, *, dry_run: bool = False) -> int:
    """`lockstep serve`: run until SIGTERM or SIGINT; returns the exit code.

    The process ends by itself in any case, LAST_RESORT_S after the signal, or a second after it at another one.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    services: list[Service] = []
    last_resort = LastResort(lambda: services[0].stopping if services else None)
    first_s: list[float] = []

    def ask(number: int, frame: object) -> None:
        # Not the loop's own handler: that one waits until the loop is free, and it may never be.
        first_s.append(loop.time())
        if first_s[-1] - first_s[0] > AGAIN_S:  # terminals and wrappers send two at once
            last_resort.leave("asked again")
        last_resort.arm()
        loop.call_soon_threadsafe(stop.set)

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, ask)
    service = Service(settings, dry_run=dry_run, stop_begins=last_resort.arm)
    services.append(service)
    loop.add_signal_handler(signal.SIGHUP, service.ask_reload)
    code = await service.run(stop)
    if service.stopping.hangs:  # the loop's own end would wait for what hangs
        last_resort.end(code)
    return code
