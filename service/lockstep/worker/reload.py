"""Rules that change while a worker runs: its folder is watched, versions of other workers are followed."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from watchfiles import awatch

from lockstep.adapters.outbound.ical_feeds import IcalFeeds
from lockstep.adapters.rulebook import RuleBook, since_text
from lockstep.adapters.shop_facts.shop_board import ShopBoard
from lockstep.errors import BrokerError, LockstepError, RuleError
from lockstep.measure.bucket import bucket_end
from lockstep.rule.announced_campaigns import announced
from lockstep.settings import Settings
from lockstep.text.rfc3339 import SECOND
from lockstep.worker.judging import Judging
from lockstep.worker.own_alerts import OwnAlertPublisher
from lockstep.worker.stages import Stages

log = structlog.get_logger("lockstep")

RULES_POLL_S = 0.5
FEEDS_POLL_S = 2.0
BORDER_MARGIN_S = 30
"""How far ahead of the newest event a change of rules begins, so that every worker has heard of it before."""


class RuleReload:
    """Brings the versions of the rule book into force, one change at a time."""

    def __init__(
        self,
        settings: Settings,
        book: RuleBook,
        judging: Judging,
        stages: Stages,
        own_alerts: OwnAlertPublisher,
        feeds: IcalFeeds,
        shop: ShopBoard,
        *,
        on_fatal: Callable[[str], None],
    ) -> None:
        """feeds: fetches calendars. shop: knows the campaigns that events announced. on_fatal: called when this process
        cannot go on."""
        self._feeds, self._shop = feeds, shop
        self._settings, self._book, self._judging = settings, book, judging
        self._stages, self._own_alerts, self._on_fatal = stages, own_alerts, on_fatal
        self._one_at_a_time = asyncio.Lock()
        self._asked: asyncio.Task[None] | None = None

    async def are_there(self) -> bool:
        """Whether there is anything to begin with. Raises RuleError, BrokerError."""
        return await self._book.has_any()

    async def begin(self) -> None:
        """Read the book, and propose what was edited while nobody watched: in force where the judges stand."""
        await self._book.begin()
        try:
            await self._propose(0)
        except RuleError as error:
            log.error("the rules in force stay", reason=str(error))

    async def follow(self) -> None:
        """Take every version that is announced, by whichever worker."""
        while True:
            await asyncio.sleep(RULES_POLL_S)
            try:
                async with self._one_at_a_time:
                    if await self._book.refresh():
                        await self._judging.switch()
            except BrokerError as error:
                log.warning("the rules stand still", reason=str(error))
            except LockstepError as error:
                self._on_fatal(str(error))

    async def watch_folder(self) -> None:
        """Reload when a file of the folder changes."""
        # It also yields when nothing happened: for what was edited before the watch began, and for file systems
        # that tell nothing.
        async for _ in awatch(
            self._settings.rules, recursive=False, debounce=200, rust_timeout=2000, yield_on_timeout=True
        ):
            await self._try_reload()

    async def watch_feeds(self) -> None:
        """Fetch the calendars that the rules name, and look at campaigns that were announced, where the alerts are this
        worker's; a new one is a new version."""
        while True:
            await asyncio.sleep(FEEDS_POLL_S)
            try:
                await self.look_at_feeds()
                await self.look_at_campaigns()
            except (RuleError, BrokerError) as error:
                log.error("the rules in force stay", reason=str(error))
            except LockstepError as error:
                self._on_fatal(str(error))

    async def look_at_feeds(self) -> None:
        """Fetch those that are due now. Raises RuleError, BrokerError."""
        if not self._stages.has_alerts:
            self._feeds.forget()
            self._book.forget_feeds()
            return
        addresses = self._book.feeds()
        fetched = await self._feeds.look(addresses) if addresses else {}
        said = set(self._book.refused)
        if not (fetched or said or self._feeds.faults):
            return
        async with self._one_at_a_time:
            has_news = await self._book.propose_feeds(fetched, self._feeds.faults, self._next_border_s())
            if has_news:
                log.info("a calendar has changed", feeds=sorted(fetched))
                await self._judging.switch()
        self._feeds.ask_whole(self._book.refused)
        if said != set(self._book.refused):
            await self._own_alerts.publish_refusals()

    async def look_at_campaigns(self) -> None:
        """Judge by the campaigns that events have announced, from their borders on. Raises RuleError, BrokerError."""
        if not self._stages.has_alerts or not self._shop.is_kept:
            return
        announcements = announced(self._shop.shop.plans.values(), self._settings.zone)
        if not announcements:
            return
        async with self._one_at_a_time:
            if await self._book.propose_campaigns(announcements, self._next_border_s):
                log.info("announced campaigns have changed", campaigns=len(announcements))
                await self._judging.switch()

    def ask(self) -> None:
        """Reload soon: for a signal."""
        self._asked = asyncio.create_task(self._try_reload(again=True))

    async def _try_reload(self, *, again: bool = False) -> None:
        try:
            await self.reload(again=again)
        except (RuleError, BrokerError) as error:
            log.error("the rules in force stay", reason=str(error))
        except LockstepError as error:
            self._on_fatal(str(error))

    async def reload(self, *, again: bool = False) -> dict[str, Any]:
        """Look at the folder now; what came of it. Raises RuleError, BrokerError."""
        async with self._one_at_a_time:
            before = self._book.current
            changes = await self._propose(self._next_border_s(), again=again)
            if self._book.current is not before:
                await self._judging.switch()
        return {"changes": changes, **self.state()}

    async def _propose(self, since_s: int, *, again: bool = False) -> list[str]:
        try:
            changes = await self._book.propose(since_s, again=again)
        finally:  # a folder that cannot be read now still holds what was refused
            await self._own_alerts.publish_refusals()
        for line in changes:
            log.info("rule changed", change=line)
        return changes

    def _next_border_s(self) -> int:
        """A bucket end ahead of every watermark, in seconds of event time."""
        # One worker switches when it has decided; several must have heard of it before their watermarks get there.
        margin = 0 if self._settings.is_sqlite else BORDER_MARGIN_S
        border = bucket_end(self._stages.newest_us() // SECOND + margin, 60)
        # Never before that of the newest version, which may be ahead.
        current = self._book.current
        return border if current is None or current.since_s is None else max(border, current.since_s)

    def state(self) -> dict[str, Any]:
        """Which rules are in force since when, and which files were refused why, for the API."""
        current, refused = self._book.current, self._book.refused
        files = sorted({*(current.files if current else ()), *refused})
        return {
            "version": current and current.id,
            "since": None if current is None else since_text(current.since_s),
            "announced": current and current.at.isoformat(timespec="seconds"),
            "rules": [
                {"name": r.name, "version": r.version, "place": r.place, "since": since_text(r.since_s)}
                for r in self._judging.rules_now().values()
            ],
            "files": [
                {
                    "name": name,
                    "state": "refused" if name in refused else "in force",
                    "faults": [str(f) for f in refused.get(name, ())],
                }
                for name in files
            ],
        }
