"""Has both teams told what a campaign was answered, when the shop's facts say something new of it."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from lockstep.adapters.command_door import CommandDoor
from lockstep.adapters.response_board import ResponseBoard
from lockstep.adapters.shop_facts.shop_board import ShopBoard
from lockstep.errors import BrokerError, CommandUnanswered
from lockstep.labels import stable_id
from lockstep.response.command import AnswerPlan
from lockstep.shop.plan_answer import PlanAnswer, answer
from lockstep.text.rfc3339 import rfc3339_of

log = structlog.get_logger("lockstep.plans")

EVERY_S = 1.0


class PlanAnswers:
    """Every worker says it; notify applies it once."""

    def __init__(
        self, shop: ShopBoard, responses: ResponseBoard, door: CommandDoor, *, clock: Callable[[], datetime]
    ) -> None:
        self._shop, self._responses, self._door, self._clock = shop, responses, door, clock
        self._seen = -1

    async def keep(self) -> None:
        """Look for ever at what has changed."""
        while True:
            if self._shop.changes != self._seen:
                seen = self._shop.changes
                try:
                    await self.tell_new()
                    self._seen = seen
                except (BrokerError, CommandUnanswered) as error:
                    log.warning("a campaign's answer is not told yet; tried again", error=str(error))
            await asyncio.sleep(EVERY_S)

    async def tell_new(self) -> None:
        """Give the answers that nobody has been told. Raises BrokerError or CommandUnanswered."""
        shop, now = self._shop.shop, self._clock()
        for plan in list(shop.plans.values()):
            if not plan.verdict or plan.cancelled or datetime.fromisoformat(plan.ends) < now:
                continue
            standing = self._responses.plan(plan.campaign)
            if standing is None or (standing.number, standing.verdict) != (plan.number, plan.verdict):
                await self._door.give(command_of(answer(shop, plan, now), plan.upto, now))


def command_of(answered: PlanAnswer, since: str, now: datetime) -> AnswerPlan:
    """The command that has both teams told. since: when the shop's facts came to say so; of one answer one command."""
    return AnswerPlan(
        id=stable_id("plan answer", answered.campaign, answered.number, answered.verdict, since),
        by="Lockstep",
        way="lockstep",
        at=rfc3339_of(now),
        campaign=answered.campaign,
        number=answered.number,
        verdict=answered.verdict,
        why=" ".join([*answered.reasons, *([answered.suggestion] if answered.suggestion else [])]),
    )
