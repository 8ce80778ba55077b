"""Has both teams told what a campaign was answered, when the shop's facts say something new of it."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import msgspec
import structlog
from msgspec.structs import replace

from lockstep.adapters.command_door import CommandDoor
from lockstep.adapters.response_board import ResponseBoard
from lockstep.adapters.shop_facts.shop_board import ShopBoard
from lockstep.errors import BrokerError, CommandUnanswered
from lockstep.labels import stable_id
from lockstep.notify.programs.campaign_documents import FOR_PEOPLE, AnswerWords, answer_facts
from lockstep.notify.reporting.plan_replies import CANCELLED
from lockstep.response.command import AnswerPlan
from lockstep.shop.facts import PlanFacts
from lockstep.shop.plan_answer import answer
from lockstep.shop.plans.plan_words import PlanAnswer, answer_by
from lockstep.text.rfc3339 import rfc3339_of

log = structlog.get_logger("lockstep.plans")

RETRY_S = 1.0


class PlanAnswers:
    """Every worker says it; notify applies it once."""

    def __init__(
        self, shop: ShopBoard, responses: ResponseBoard, door: CommandDoor, *, clock: Callable[[], datetime]
    ) -> None:
        self._shop, self._responses, self._door, self._clock = shop, responses, door, clock

    async def keep(self) -> None:
        """Look for ever at what has changed."""
        seen = -1
        while True:
            seen = await self._shop.changed_since(seen)
            try:
                # Half of the facts of one step would give another answer than all of them.
                await self._shop.refresh()
                await self._responses.refresh()
                await self.tell_new()
            except (BrokerError, CommandUnanswered) as error:
                log.warning("a campaign's answer is not told yet; tried again", error=str(error))
                seen = -1
                await asyncio.sleep(RETRY_S)

    async def tell_new(self) -> None:
        """Give the answers that nobody has been words. Raises BrokerError or CommandUnanswered."""
        shop, now = self._shop.shop, self._clock()
        for plan in list(shop.plans.values()):
            verdict = CANCELLED if plan.cancelled else plan.verdict
            if not verdict or datetime.fromisoformat(plan.ends) < now:
                continue
            standing = self._responses.plan(plan.campaign)
            if plan.cancelled and standing is None:
                continue  # nobody has heard of it
            now_said = (plan.number, verdict, plan.revision)
            if standing is None or (standing.number, standing.verdict, standing.revision) != now_said:
                await self._door.give(command_of(plan, answer(shop, plan, now), plan.upto, now))


def command_of(plan: PlanFacts, answered: PlanAnswer, since: str, now: datetime) -> AnswerPlan:
    """The command that has both teams words. since: when the shop's facts came to say so; of one answer one command."""
    verdict = CANCELLED if plan.cancelled else answered.verdict
    numbers = plan.numbers
    changed = numbers.changed if numbers is not None and not plan.cancelled else []
    if plan.cancelled:
        answered = replace(answered, reasons=[])
    words = AnswerWords(when=answered.when, cause=answered.cause, instead=answered.instead, lines=answered.others)
    return AnswerPlan(
        id=stable_id("plan answer", answered.campaign, answered.number, verdict, since),
        by="Lockstep",
        way="lockstep",
        at=rfc3339_of(now),
        campaign=answered.campaign,
        number=answered.number,
        verdict=verdict,
        revision=plan.revision,
        why="\n".join(filter(None, [answered.suggestion, *changed, *answered.others])),
        facts={
            **answer_facts(plan, answered, reply_by=answer_by(plan.starts, now)),
            "changed": changed,
            FOR_PEOPLE: msgspec.to_builtins(words),
        },
    )
