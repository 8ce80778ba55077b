"""The read model of the shop: follows lockstep.shop into memory, so that every worker says the same numbers."""

import asyncio
from collections.abc import Callable
from zoneinfo import ZoneInfo

import msgspec
import structlog

from lockstep.adapters.stream.follower import Follower
from lockstep.ports import Batch, Broker
from lockstep.rule.condition.kinds import Plan
from lockstep.shop.facts import SHOP, decode
from lockstep.shop.shop_settings import ShopSettings
from lockstep.shop.whole_shop import Shop

log = structlog.get_logger("lockstep.follow")


class ShopBoard:
    """What the shop's days, products and plans came to. `follow` keeps it up to date.

    plan: the rules in force, for what the shop says of itself. changes: grows with each record that was read.
    """

    def __init__(self, broker: Broker, zone: ZoneInfo, *, plan: Callable[[], Plan]) -> None:
        self._plan = plan
        self._shop = Shop(zone)
        self._follower = Follower(broker, {SHOP: None}, self._take)
        self.changes = 0
        self._is_news = asyncio.Event()

    async def changed_since(self, changes: int) -> int:
        """`changes` as it is, once it is another one than this."""
        while self.changes == changes:
            self._is_news.clear()
            await self._is_news.wait()
        return self.changes

    @property
    def shop(self) -> Shop:
        """The shop as it is known now; whoever reads it changes nothing in it and keeps it for no later moment."""
        plan = self._plan()
        self._shop.settings = plan.shop or ShopSettings()
        self._shop.calendar = plan.calendar
        return self._shop

    @property
    def is_kept(self) -> bool:
        """Whether facts are made: a shop.yml is there, a rule reads a business measure, or a text names one."""
        return self._plan().shop is not None

    async def refresh(self) -> None:
        """Read on to the end of the topic. Raises BrokerError."""
        await self._follower.refresh()

    async def follow(self) -> None:
        """Read on for ever."""
        await self._follower.follow("the shop's facts")

    def _take(self, batch: Batch) -> None:
        for key, value in zip(batch.keys, batch.values, strict=True):
            if key is None:
                continue
            self.changes += 1
            self._is_news.set()
            if value is None:
                self._shop.remove(key.decode())
                continue
            try:
                self._shop.put(decode(value))
            except msgspec.MsgspecError as error:
                log.warning("a fact of the shop cannot be read; update this worker", key=key.decode(), error=str(error))
