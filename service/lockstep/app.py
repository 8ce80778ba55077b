"""The composition root: builds the parts, starts and stops them. The only reader of the clock."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog

from lockstep.adapters.alert_board import AlertBoard
from lockstep.adapters.channel_table import build_channels
from lockstep.adapters.channels import secrets_from
from lockstep.adapters.charts.board import ChartBoard
from lockstep.adapters.charts.painter import Painter
from lockstep.adapters.charts.pictures import DrawnPictures
from lockstep.adapters.command_door import CommandDoor
from lockstep.adapters.convert.pseudonyms import pseudonym_key
from lockstep.adapters.dispatch import Dispatcher
from lockstep.adapters.explain_answer import from_worker
from lockstep.adapters.http.access import Access, check_exposure
from lockstep.adapters.http.calendar_feed.calendar_operations import SHOP, CalendarOperations, shifts_ahead
from lockstep.adapters.http.first_steps import first_steps, page
from lockstep.adapters.http.inbound import Inbound
from lockstep.adapters.http.operations import openapi
from lockstep.adapters.http.operations.action_operations import ActionOperations
from lockstep.adapters.http.operations.alert_charts import AlertCharts
from lockstep.adapters.http.operations.alert_lookup import AlertLookup
from lockstep.adapters.http.operations.alert_operations import AlertOperations
from lockstep.adapters.http.operations.campaigns.campaign_operations import CampaignOperations
from lockstep.adapters.http.operations.chat_buttons import ChatButtons
from lockstep.adapters.http.operations.event_operations import EventOperations
from lockstep.adapters.http.operations.giving import Giver
from lockstep.adapters.http.operations.history_operations import HistoryOperations
from lockstep.adapters.http.operations.on_call_operations import OnCallOperations
from lockstep.adapters.http.operations.rule_operations import RuleOperations
from lockstep.adapters.http.operations.service_operations import ServiceOperations
from lockstep.adapters.http.operations.shop.report_operations import ReportOperations
from lockstep.adapters.http.operations.silence_operations import SilenceOperations
from lockstep.adapters.http.operations.timeline_operations import TimelineOperations
from lockstep.adapters.http.pages.action_pages import ActionPages
from lockstep.adapters.http.pages.alert_pages import AlertPages
from lockstep.adapters.http.pages.known import Known, says_now_of
from lockstep.adapters.http.pages.mute_pages import MutePages
from lockstep.adapters.http.pages.on_call_pages import OnCallPages
from lockstep.adapters.http.pages.pages import Pages
from lockstep.adapters.http.pages.shop.campaign_pages import CampaignPages
from lockstep.adapters.http.pages.shop.report_pages import ReportPages
from lockstep.adapters.http.pages.shop.timeline_pages import TimelinePages
from lockstep.adapters.http.pages.shop.today_pages import ShopSource, TodayPages
from lockstep.adapters.http.pages.silence_pages import SilencePages
from lockstep.adapters.http.pages.visitor import Visitors
from lockstep.adapters.http.server import HttpServer
from lockstep.adapters.http.token_book import TokenBook
from lockstep.adapters.import_log import ImportLog
from lockstep.adapters.ingest.receipts import MOST_BETWEEN, Receipts
from lockstep.adapters.ingest.sku_names import SkuNames
from lockstep.adapters.links import Purpose, SignedLinks, signer_of, why_no_links
from lockstep.adapters.metrics import Metrics
from lockstep.adapters.outbound.ical_feeds import IcalFeeds
from lockstep.adapters.report_views.report_board import ReportBoard
from lockstep.adapters.report_views.report_maker import ReportMaker
from lockstep.adapters.response_board import ResponseBoard
from lockstep.adapters.rulebook import RuleBook, read_folder
from lockstep.adapters.shop_facts.shop_board import ShopBoard
from lockstep.adapters.stopping import EXIT_UNDONE, LastResort, Stopping
from lockstep.adapters.stream import open_broker
from lockstep.adapters.stream.sqlite import path_of
from lockstep.adapters.timeline.topic_reader import AccountReader
from lockstep.notify.message import Writer
from lockstep.ports import NoLinks, NoPictures, Pictures
from lockstep.settings import Settings
from lockstep.worker.attempt_log import AttemptLog
from lockstep.worker.campaigns.plan_answers import PlanAnswers
from lockstep.worker.charting import Charting
from lockstep.worker.collector import Collector
from lockstep.worker.counts import Counts
from lockstep.worker.event_time import EventTime
from lockstep.worker.judging import Judging, faults_from
from lockstep.worker.open_imports import OpenImports
from lockstep.worker.own_alerts import OwnAlertPublisher
from lockstep.worker.polling import Polling
from lockstep.worker.reload import RuleReload
from lockstep.worker.reports.report_writer import ReportWriter
from lockstep.worker.required_topics import SAMPLES, check_sources, prepare
from lockstep.worker.stages import Stages, sizes_from
from lockstep.worker.storage import keep_retention, watch_file

log = structlog.get_logger("lockstep")

EXIT_OK = 0
EXIT_FATAL = 70
"""A worker that cannot heal by itself; its supervisor starts a new one, which goes on from what is durable."""

SOURCES_POLL_S = 2.0
RULES_POLL_S = 0.5
"""How often the folder is looked at while it holds no rules."""

KEEPERS_S, BROKER_S, CHANNEL_S, HTTP_S = 2.0, 5.0, 2.0, 3.0
"""How long the steps of a stop may take: of what hangs, the rest is left undone and said."""

SWITCH_S = 0.001
"""How long the event loop keeps Python's lock while another thread waits for it; Python's own 5 ms add up, because the
thread that writes the SQLite log has to get it several times for each commit."""

AGAIN_S = 1.0
"""A signal that comes so long after the first one ends the process at once."""


def utc_now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)


class Service:
    """One worker: everything between the broker and the channels."""

    def __init__(
        self,
        settings: Settings,
        *,
        dry_run: bool = False,
        environ: Mapping[str, str] | None = None,
        stop_begins: Callable[[], None] | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """stop_begins: called when the first step of stopping is taken. clock: of all of it."""
        self.settings, self._clock = settings, clock
        environ = os.environ if environ is None else environ
        check_exposure(settings)
        read_folder(settings.rules)
        self.fatal: asyncio.Future[str] | None = None
        self.stopping = Stopping(begins=stop_begins)
        self.broker = open_broker(settings, clock=clock)
        self.board = AlertBoard(self.broker, clock=clock)
        self.responses = ResponseBoard(self.broker, clock=clock)
        self.shop_board = ShopBoard(self.broker, settings.zone, plan=lambda: self.judging.plan)
        self.commands = CommandDoor(self.broker, self.responses)
        self.tokens = TokenBook(self.broker)
        self.reports = ReportBoard(self.broker)
        self._pictures: Pictures = NoPictures()
        charting: Charting | None = None
        self._charts = ChartBoard(self.broker) if settings.charts else None
        if self._charts is not None:
            self._pictures = DrawnPictures(self._charts, Painter(), settings.zone)
            charting = Charting(self.broker, plan=lambda: self.judging.plan, currency=settings.currency)
        self._charting = charting
        database = path_of(settings.broker)[0] if settings.is_sqlite else None
        self._signer = signer_of(settings, database=database)
        self.links = SignedLinks(
            self._signer, base_url=settings.public_url or "", life_s=settings.alert_retention, clock=clock
        )
        has_links = not why_no_links(settings)
        self._channels = build_channels(settings, environ, self._pictures, self.links if has_links else NoLinks())
        metrics = Metrics(topics=settings.topics.values(), channels=self._channels, alerts=self.board.open)
        book = RuleBook(self.broker, settings.rules, clock=clock, zone=settings.zone)
        self._attempts = AttemptLog(self.broker)
        dispatcher = Dispatcher(
            self._channels,
            clock=clock,
            jitter=random.random,
            wake=lambda partition: self.judging.wake_deliver(partition),
            observer=metrics,
            note=self._attempts.note,
            dry_run=dry_run,
        )
        self.stages = Stages(
            settings,
            self.broker,
            dispatcher=dispatcher,
            counts=Counts(metrics),
            clock=clock,
            charting=charting,
            sizes=sizes_from(environ),
        )
        event_time = EventTime(self.stages.meters, clock=clock)
        self.judging = Judging(
            settings,
            self.broker,
            book,
            stages=self.stages,
            dispatcher=dispatcher,
            observer=metrics,
            environ=environ,
            clock=clock,
            on_fatal=self._on_fatal,
        )
        imports = OpenImports(ImportLog(self.broker, SAMPLES, clock=clock), settings.topics)
        self._own_alerts = OwnAlertPublisher(
            self.broker,
            self.board,
            book,
            event_time,
            imports,
            alone=settings.is_sqlite,
            zone=settings.zone,
            clock=clock,
        )
        self._feeds = IcalFeeds(secrets_from(environ), clock=clock)
        self.rules = RuleReload(
            settings,
            book,
            self.judging,
            self.stages,
            self._own_alerts,
            self._feeds,
            self.shop_board,
            on_fatal=self._on_fatal,
        )
        self.collector = Collector(
            metrics,
            broker=self.broker,
            book=book,
            stages=self.stages,
            judging=self.judging,
            event_time=event_time,
            imports=imports,
            channels=tuple(self._channels),
            clock=clock,
        )
        self._polling = Polling(
            settings,
            self.broker,
            is_owner=lambda: self.stages.has_alerts,
            secrets=secrets_from(environ),
            pseudonym_key=partial(pseudonym_key, environ),
            observer=metrics,
            clock=clock,
            faults=faults_from(environ),
        )
        maker = ReportMaker(
            lambda: self.shop_board.shop,
            self.board,
            self.responses,
            self.reports,
            writer=Writer(settings.zone, settings.public_url, settings.currency),
            rules=self.judging.rules_now,
        )
        self._report_writer = ReportWriter(
            self.reports, maker, self.commands, is_owner=lambda: self.stages.has_alerts, clock=clock
        )
        access = Access(settings, self.tokens)
        receipts = Receipts(
            self.broker,
            clock=clock,
            chunk_size=settings.chunk_size,
            future_limit_s=settings.future_limit,
            most_between=MOST_BETWEEN,
        )
        inbound = Inbound(
            topics=settings.topics,
            receipts=receipts,
            skus=SkuNames(self.broker),
            secrets=secrets_from(environ),
            secret_names=settings.webhook_secrets,
            count=metrics.webhook_in,
            count_events=metrics.posted,
        )
        self._buttons = ChatButtons(
            self.commands,
            secrets=secrets_from(environ),
            secret_names=settings.slack_signing,
            explain=says_now_of(self._explain),
            base_url=settings.slack_base_url,
            zone=settings.zone,
            clock=clock,
        )
        service = ServiceOperations(
            status=self.judging.status,
            imports=lambda: imports.now,
            metrics=self.collector.text,
            document=openapi,
        )
        giver = Giver(self.commands, self.responses, clock)
        self._alert_charts = AlertCharts(self._charts, Painter(), settings.zone)
        lookup = AlertLookup(self.board, self.responses)
        alert_pages = self._alert_pages(access)
        source = ShopSource(
            shop=lambda: self.shop_board.shop,
            is_kept=lambda: self.shop_board.is_kept,
            changes=lambda: (
                self.board.changes,
                self.responses.changes,
                self.shop_board.changes,
                id(self.judging.plan),
            ),
        )
        self._today = TodayPages(alert_pages, source, calendar_token=self._calendar_token)
        accounts = AccountReader(self.broker, alert_pages.known.rules, alert_pages.known.writer)
        silences = SilenceOperations(
            self.board, self.responses, giver=giver, teams_of=self._teams_of, zone=settings.zone
        )
        campaigns = CampaignOperations(
            self.shop_board,
            self.responses,
            giver=giver,
            topics=settings.topics,
            receipts=receipts,
            clock=clock,
        )
        owners = (
            EventOperations(settings.topics, receipts, metrics.posted),
            AlertOperations(
                self.board,
                self.responses,
                giver=giver,
                charts=self._alert_charts,
                lookup=lookup,
                teams_of=self._teams_of,
                explain=self._explain,
                zone=settings.zone,
            ),
            silences,
            OnCallOperations(self.responses, giver=giver, routing=lambda: book.loaded()[1]),
            ActionOperations(self.responses, giver=giver),
            ReportOperations(self.reports),
            campaigns,
            HistoryOperations(self.broker, self.responses, lookup, giver),
            TimelineOperations(accounts),
            RuleOperations(self.rules.state, lambda: self.rules.reload(again=True), broker=self.broker, clock=clock),
            service,
            inbound,
            alert_pages,
            ActionPages(alert_pages),
            ReportPages(alert_pages, self.reports),
            CampaignPages(alert_pages, campaigns),
            MutePages(alert_pages),
            SilencePages(alert_pages, silences.previewed),
            OnCallPages(alert_pages, lambda: book.loaded()[1]),
            TimelinePages(alert_pages, accounts),
            self._today,
            CalendarOperations(
                lambda: self.shop_board.shop,
                self.links,
                shifts=lambda: shifts_ahead(book.loaded()[1], self.responses.overrides(every=True), clock()),
                clock=clock,
            ),
            self._buttons,
        )
        self.http = HttpServer(settings, access, owners)

    async def run(self, stop: asyncio.Event) -> int:
        """Serve until `stop` is set or nothing can heal; returns the exit code."""
        self.fatal = fatal = asyncio.get_running_loop().create_future()
        stopping = self.stopping
        try:
            async with contextlib.AsyncExitStack() as stack:
                await self.http.start()
                stack.push_async_callback(stopping.step, "ending requests", self.http.stop, at_most_s=HTTP_S)
                stack.push_async_callback(stopping.step, "ending live pages", self._today.live.close, at_most_s=HTTP_S)
                asked = asyncio.create_task(stop.wait())
                stack.callback(asked.cancel)
                starting = asyncio.create_task(self._start(stack))
                await asyncio.wait([starting, asked], return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    await starting
                    await self._keep(asked, fatal)
                else:
                    await stopping.step("starting", partial(_cancelled, starting), at_most_s=KEEPERS_S)
                self.judging.waiting_for = "stopping"
                if not fatal.done():
                    log.info("stopping")
        finally:
            if stopping.undone:
                log.warning(
                    "stopped; left undone, and gone on with at the next start", undone="; ".join(stopping.undone)
                )
        log.info("stopped")
        if fatal.done():
            return EXIT_FATAL
        return EXIT_UNDONE if stopping.undone else EXIT_OK

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        """Each part that has been started is stopped by `stack`, in reverse order."""
        await self.broker.start()
        stack.push_async_callback(self.stopping.step, "leaving the broker", self.broker.stop, at_most_s=BROKER_S)
        self._signer.prepare()
        if why := why_no_links(self.settings):
            log.warning("messages carry no links", reason=why)
        while missing := await prepare(self.settings, self.broker):
            self.judging.waiting_for = f"input topics are missing: {', '.join(missing)}"
            log.warning(self.judging.waiting_for)
            await asyncio.sleep(SOURCES_POLL_S)
        await self.tokens.refresh()
        # Only now: what is posted before is refused.
        log.info(
            "listening",
            url=self.settings.url(self.http.port),
            host=self.settings.http_host,
            token=self._tokens_in_words(),
        )
        await check_sources(self.settings, self.broker)
        stack.push_async_callback(self.stopping.step, "ending drawings", self._pictures.close, at_most_s=CHANNEL_S)
        stack.push_async_callback(self.stopping.step, "ending charts", self._alert_charts.close, at_most_s=CHANNEL_S)
        stack.push_async_callback(self.stopping.step, "closing feeds", self._feeds.close, at_most_s=CHANNEL_S)
        stack.push_async_callback(self.stopping.step, "closing buttons", self._buttons.close, at_most_s=CHANNEL_S)
        for channel in self._channels.values():
            stack.push_async_callback(self.stopping.step, "closing a channel", channel.close, at_most_s=CHANNEL_S)
        await self._wait_for_rules()
        await self.rules.begin()
        stack.push_async_callback(self.stopping.step, "noting attempts", self._attempts.flush, at_most_s=CHANNEL_S)
        stack.push_async_callback(self.judging.end, self.stopping)
        await self.judging.begin()

    async def _wait_for_rules(self) -> None:
        """Where nothing is configured yet: say what to do next, and go on when the first file of rules is there."""
        if await self.rules.are_there():
            return
        for step in first_steps(self.settings.rules, self.settings.url(self.http.port)):
            log.warning(step)
        self.judging.waiting_for = f"there are no rules in {self.settings.rules} yet"
        while True:
            await asyncio.sleep(RULES_POLL_S)
            if await self.rules.are_there():
                return

    async def _keep(self, asked: "asyncio.Task[Any]", fatal: "asyncio.Future[str]") -> None:
        """Look after rules, alerts, retention and metrics until a stop is asked for or nothing can heal."""
        keeping = asyncio.create_task(_all_of(self._keepers()))
        ended: list[asyncio.Future[Any]] = [asked, fatal, keeping]
        await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            await keeping  # it broke
        await self.stopping.step("looking after the rules", partial(_cancelled, keeping), at_most_s=KEEPERS_S)

    def _keepers(self) -> list[Coroutine[Any, Any, None]]:
        return [
            self.rules.follow(),
            self.rules.watch_folder(),
            self.rules.watch_feeds(),
            self.board.follow(),
            self.responses.follow(),
            self.shop_board.follow(),
            self._today.live.keep(),
            self.reports.follow(),
            self._report_writer.keep(),
            PlanAnswers(self.shop_board, self.responses, self.commands, clock=self._clock).keep(),
            self.tokens.follow(),
            self._attempts.keep(),
            keep_retention(self.broker),
            watch_file(self.broker, self._on_fatal),
            self._own_alerts.watch_event_time(),
            self._own_alerts.watch_imports(),
            self.collector.keep(),
            self._polling.keep(),
            *([] if self._charting is None else [self._charting.keep()]),
        ]

    def _teams_of(self, rule: str) -> tuple[str, ...]:
        known = self.judging.rules_now().get(rule)
        return () if known is None else known.teams

    def _tokens_in_words(self) -> str:
        named = len(self.tokens.tokens())
        if self.settings.api_token is None and not named:
            return "none: loopback only"
        return f"{'set' if self.settings.api_token is not None else 'not set'}{f', and {named} named' if named else ''}"

    def _calendar_token(self) -> str:
        """Of the address of the shop's calendar; "" where workers sign with keys of their own."""
        if not self.settings.is_sqlite and not self.settings.link_keys:
            return ""
        return self.links.token(Purpose.CALENDAR, SHOP)

    def _alert_pages(self, access: Access) -> AlertPages:
        s = self.settings
        known = Known(
            board=self.board,
            responses=self.responses,
            charts=self._charts,
            rules=lambda: {rule.name: rule for rule in self.judging.plan.rules},
            writer=Writer(s.zone, s.public_url, s.currency),
            says_now=says_now_of(self._explain),
            clock=self._clock,
            plans=lambda: self.shop_board.shop.plans,
        )
        return AlertPages(
            known,
            pages=Pages(),
            visitors=Visitors(self._signer, public_url=s.public_url, access=access, clock=self._clock),
            links=self.links,
            door=self.commands,
            pictures=self._pictures if isinstance(self._pictures, DrawnPictures) else None,
            first_steps=self._first_steps,
            has_tokens=lambda: access.has_tokens,
        )

    def _first_steps(self) -> str | None:
        if self.rules.state()["rules"]:
            return None
        return page(self.settings.rules, self.settings.url(self.http.port))

    def _explain(self, what: str, wanted: dict[str, str]) -> dict[str, Any]:
        return from_worker(
            what,
            wanted,
            plan=self.judging.plan,
            judges=self.stages.judges,
            partitions=self.stages.judge_partitions,
            published=self.board.alerts(every=True),
            zone=self.settings.zone,
        )

    def _on_fatal(self, reason: str) -> None:
        if self.fatal is not None and not self.fatal.done():
            self.fatal.set_result(reason)


async def _all_of(bodies: list[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for body in bodies:
            group.create_task(body)


async def _cancelled(task: "asyncio.Task[Any]") -> None:
    """Cancel a task and wait until it has ended; raises what it raises instead."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def serve(settings: Settings, *, dry_run: bool = False, clock: Callable[[], datetime] = utc_now) -> int:
    """`lockstep serve`: run until SIGTERM or SIGINT; returns the exit code.

    The process ends by itself in any case, LAST_RESORT_S after the signal, or a second after it at another one.
    clock: of a service that does not live in the present, as that of the demo.
    """
    sys.setswitchinterval(SWITCH_S)
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
    service = Service(settings, dry_run=dry_run, stop_begins=last_resort.arm, clock=clock)
    services.append(service)
    loop.add_signal_handler(signal.SIGHUP, service.rules.ask)
    code = await service.run(stop)
    if service.stopping.hangs:  # the loop's own end would wait for what hangs
        last_resort.end(code)
    return code
