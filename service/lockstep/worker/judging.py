"""What a worker judges by, from the start of its runtime to the end, and anew whenever the rules change."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial

import structlog

from lockstep.adapters.channel_table import check_secrets
from lockstep.adapters.dispatch import Dispatcher
from lockstep.adapters.rulebook import RuleBook
from lockstep.adapters.stopping import Stopping
from lockstep.adapters.stream import WorkerBroker, transport_for
from lockstep.adapters.stream.consumer import Faults
from lockstep.adapters.stream.lanes import Observer
from lockstep.adapters.stream.runtime import Runtime, RuntimeStatus
from lockstep.errors import LockstepError
from lockstep.notify.route import NOBODY
from lockstep.rule.condition.kinds import Plan, Rule
from lockstep.settings import Settings
from lockstep.worker.stages import Stages

log = structlog.get_logger("lockstep")

SWITCH_S = 4.0
"""How long a stop waits for new rules that are being taken."""
DRAIN_S = 5.0
"""How long a clean stop waits for deliveries that are under way, so that nobody hears them again."""


def faults_from(environ: Mapping[str, str]) -> Faults:
    """LOCKSTEP_TEST_FAULTS: the switches of the kill tests as JSON; never set in service."""
    return Faults(**json.loads(environ.get("LOCKSTEP_TEST_FAULTS", "{}")))


class Judging:
    """The runtime of a worker by the newest version of its rules.

    plan, routing: what is judged, and who is told. runtime: None while nothing is judged; then waiting_for says why.
    """

    def __init__(
        self,
        settings: Settings,
        broker: WorkerBroker,
        book: RuleBook,
        *,
        stages: Stages,
        dispatcher: Dispatcher,
        observer: Observer,
        environ: Mapping[str, str],
        clock: Callable[[], datetime],
        on_fatal: Callable[[str], None],
    ) -> None:
        """on_fatal: called when this process cannot go on."""
        self._settings, self._broker, self._book = settings, broker, book
        self._stages, self._dispatcher, self._observer = stages, dispatcher, observer
        self._environ, self._clock, self._on_fatal = environ, clock, on_fatal
        self._switching: asyncio.Task[None] | None = None
        self.plan, self.routing = Plan((), ()), NOBODY
        self.runtime: Runtime | None = None
        self.waiting_for = "the broker has not answered yet"

    async def begin(self) -> None:
        """Judge by the versions of the rules that the book holds."""
        self.plan, self.routing = self._book.loaded()
        for said in check_secrets(self.routing, self._environ):
            log.warning(said)
        if not any(self.routing.destinations.values()):
            log.warning(f"nobody is told: {self._settings.rules / 'routing.yml'} names no receiver")
        if self.plan.shop is not None and self.plan.shop.reports_wait:
            log.warning("no report is sent before the 'report' of shop.yml can be read; `lockstep check` says why not")
        self.runtime = Runtime(
            self._settings,
            self._broker,
            transport=transport_for(self._settings),
            sources=self._stages.sources(self.plan),
            stages=self._stages.specs(self.plan, self.routing),
            clock=self._clock,
            on_fatal=self._on_fatal,
            observer=self._observer,
            faults=faults_from(self._environ),
            options=self._broker.faust_options(),
        )
        self._dispatcher.resume()  # it was drained when the rules before these ended
        await self.runtime.start()
        log.info("serving", rules=len(self.rules_now()), plan=self.plan.fingerprint)

    async def end(self, stopping: Stopping) -> None:
        """Stop judging, cleanly, after new rules that are being taken."""
        if self._switching is not None:
            await stopping.step("taking new rules", partial(asyncio.wait, [self._switching]), at_most_s=SWITCH_S)
        await self._end(stopping)

    async def _end(self, stopping: Stopping) -> None:
        runtime, self.runtime = self.runtime, None
        if runtime is None:
            return
        await stopping.step("ending deliveries", partial(self._dispatcher.drain, DRAIN_S), at_most_s=DRAIN_S + 1)
        await runtime.stop(stopping)
        self._stages.forget()

    async def switch(self) -> None:
        """Go on with the newest version: judges and meters begin anew, as after a restart, and lose nothing."""
        current = self._book.current
        since = None if current is None or current.since_s is None else datetime.fromtimestamp(current.since_s, UTC)
        log.info("new rules", version=current and current.id, since=since and since.isoformat())
        self.waiting_for = "taking new rules"
        self._switching = asyncio.create_task(self._anew())
        await asyncio.shield(self._switching)  # Faust that is stopped while it starts leaves tasks behind

    async def _anew(self) -> None:
        stopping = Stopping()
        await self._end(stopping)
        if stopping.hangs:  # what is still running would judge beside what begins
            self._on_fatal(f"the rules before did not end: {'; '.join(stopping.undone)}")
            return
        try:
            await self.begin()
        except LockstepError as error:
            self._on_fatal(str(error))

    def wake_deliver(self, partition: int) -> None:
        """An attempt has ended: the deliver stage of the partition has something to do."""
        if self.runtime is not None:  # else it is ending, and the last cut takes what became of the attempt
            self.runtime.wake("deliver", partition)

    def rules_now(self) -> dict[str, Rule]:
        """The newest version of each rule."""
        return {r.name: r for r in self.plan.rules if r.until_s is None}

    def status(self) -> RuntimeStatus:
        """What /healthz and /readyz say."""
        if self.runtime is None:
            return RuntimeStatus(ready=False, ready_reason=self.waiting_for, live=True, live_reason="")
        return self.runtime.status()
