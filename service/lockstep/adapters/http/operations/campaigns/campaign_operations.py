"""/v1/campaigns: marketing plans one and is answered at once; operations confirm that or object."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Literal

import msgspec
from aiohttp import web
from pydantic import Field, model_validator

from lockstep.adapters.http.caller import Role, path_value
from lockstep.adapters.http.openapi import NO_ROLE, NO_TOKEN, Operation, answer, answers, error, list_of, object_of
from lockstep.adapters.http.operations.giving import KEY_PARAMETER, CommandForm, Giver, Instant, answered, responses
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.http.typed_requests import Form, body_of
from lockstep.adapters.ingest.receipts import Outcome, Receipts
from lockstep.adapters.ingest.records import BadEvents, to_records
from lockstep.adapters.response_board import ResponseBoard
from lockstep.adapters.shop_facts.shop_board import ShopBoard
from lockstep.errors import BrokerError
from lockstep.event.contract import CampaignName
from lockstep.labels import stable_id
from lockstep.response.command import ReplyToPlan
from lockstep.response.standing import LONGEST_COMMENT, PlanStanding
from lockstep.shop.facts import PlanFacts, announced_plan
from lockstep.shop.plan_answer import answer as answer_to
from lockstep.shop.plans.plan_words import PlanAnswer
from lockstep.text.personal_data import looks_personal
from lockstep.text.rfc3339 import rfc3339_of

MOST_SKUS = 1_000
MOST_ANNOUNCED = 100
"""Campaigns that were announced here and are not in the shop's facts yet; of more the first ones are forgotten."""
FACTS_S = 30
"""When to reply again to a campaign that is not in the facts yet: they are a minute or two behind."""

PLANNED = object_of(
    "A campaign, what it is answered, and how it stands between the teams",
    {
        "plan": {
            "type": "object",
            "description": "As marketing announced it last: `campaign`, `starts`, `ends`, `skus`, `channels`, what is "
            "expected of it, and `number`, which grows with each announcement that says something new",
        },
        "answer": {
            "type": "object",
            "description": "`verdict` (yes, change or no), `reasons` and `suggestion` in sentences, `days` (orders "
            "expected against capacity), `products` (available, needed, short), `clashes`, `late_receipts`, "
            "`unknown`: what could not be looked at, and `missing`: what each team is to do about that",
        },
        "standing": {
            "anyOf": [{"$ref": "#/components/schemas/PlanStanding"}, {"type": "null"}],
            "description": "What both teams were told of it and what was replied; null before they were",
        },
    },
)
CAMPAIGNS = object_of(
    "Campaigns", {"campaigns": list_of("By their first moment", {"$ref": "#/components/schemas/Campaign"})}
)


class ShownCampaign(msgspec.Struct, frozen=True):
    """A campaign, and what it is answered now. standing: how it stands between the teams; None before they were
    told."""

    plan: PlanFacts
    answer: PlanAnswer
    standing: PlanStanding | None


class CampaignForm(Form):
    """A campaign as marketing plans it. The same name again announces it anew."""

    campaign: CampaignName = Field(description="Its name, on one line")
    starts: Instant = Field(description="First moment, RFC 3339")
    ends: Instant = Field(description="Last moment, RFC 3339")
    skus: list[str] = Field(min_length=0, max_length=MOST_SKUS, description="The products that it promotes")
    channels: list[str] = Field(default_factory=list, max_length=100, description="Where it runs; empty: everywhere")
    expected_sessions: float | None = Field(
        None, ge=0, le=1e9, allow_inf_nan=False, description="Visits that marketing expects of it"
    )
    expected_orders: float | None = Field(
        None, ge=0, le=1e9, allow_inf_nan=False, description="Orders that marketing expects of it"
    )
    discount: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="As a part of the price: 0.2 is 20 %"
    )
    cancelled: bool = Field(False, description="Whether it will not take place after all")

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "CampaignForm":
        if self.ends <= self.starts:
            raise ValueError("ends before it starts; swap `starts` and `ends`")
        if any(map(looks_personal, (self.campaign, *self.skus, *self.channels))):
            raise ValueError("both teams read this, and it looks like somebody's address or number; leave that out")
        return self


class ReplyForm(CommandForm):
    """What operations say to a plan."""

    number: int = Field(ge=1, description="Of the announcement that was seen: `plan.number`")
    verdict: Literal["", "yes", "change", "no"] = Field(
        "", description="The answer that was seen: where another one stands by now nothing is replied"
    )
    note: str = Field("", max_length=LONGEST_COMMENT, description="What to say with it; an objection needs one")


NOT_YET = {
    503: error(
        "Nobody has answered yet: it is kept and will be applied; or the campaign has just been announced: nothing was "
        "replied, `detail` says so",
        Retry_After="Seconds",
    )
}


class CampaignOperations:
    """The hand-off between the teams."""

    def __init__(
        self,
        shop: ShopBoard,
        board: ResponseBoard,
        *,
        giver: Giver,
        topics: Mapping[str, str],
        receipts: Receipts,
        clock: Callable[[], datetime],
    ) -> None:
        """topics: role → topic. receipts: the door through which events go to the broker."""
        self._shop, self._board, self._giver = shop, board, giver
        self._topics, self._receipts, self._clock = topics, receipts, clock
        self._announced: dict[str, PlanFacts] = {}  # by name, the newest last

    @answers(
        Operation(
            "POST",
            "/v1/campaigns",
            "Plan a campaign, or announce it anew: answered at once (yes, no, or what to change), and both teams hear",
            {
                200: answer("It is announced; what it is answered", {"$ref": "#/components/schemas/Campaign"}),
                400: error("Which field is wrong; nothing was announced"),
                401: NO_TOKEN,
                403: NO_ROLE,
                408: error("The body has not come whole within a minute"),
                413: error("More than is taken"),
                415: error("No JSON, or packed in another way", Accept_Encoding="What is taken"),
                503: error("The broker does not answer"),
            },
            form=CampaignForm,
            role=Role.RESPONDER,
        )
    )
    async def _plan(self, request: web.BaseRequest) -> web.Response:
        form = await body_of(request, CampaignForm)
        return web.json_response(msgspec.to_builtins(await self.announce(form)))

    async def announce(self, form: CampaignForm) -> ShownCampaign:
        """Publish the event and answer it. Raises Refusal where the broker does not take it."""
        now = self._clock()
        said = form.model_dump(mode="json", exclude_none=True)
        sent = {name: value for name, value in said.items() if value not in ([], False)}
        data = {**sent, "skus": form.skus, "starts": rfc3339_of(form.starts), "ends": rfc3339_of(form.ends)}
        event = {
            "specversion": "1.0",
            "id": stable_id("campaign", json.dumps(data, sort_keys=True), rfc3339_of(now)),
            "source": "/lockstep/campaigns",
            "type": "campaign.planned",
            "time": rfc3339_of(now),
            "subject": form.campaign,
            "data": data,
        }
        headers = {"content-type": "application/cloudevents+json"}
        try:
            receipts = await self._receipts.publish(to_records(json.dumps(event).encode(), headers, self._topics))
        except BadEvents as error:
            raise Refusal(400, str(error), faults=error.faults) from error
        except BrokerError as error:
            raise Refusal(503, str(error)) from error
        if any(receipt.outcome is not Outcome.ACCEPTED for receipt in receipts):
            raise Refusal(503, "; ".join(receipt.detail for receipt in receipts))
        # As the shop's facts will have it in a minute or two.
        plan = announced_plan(data, at=rfc3339_of(now), before=self._plans().get(form.campaign))
        if self._shop.is_kept:
            self._announced.pop(form.campaign, None)
            self._announced[form.campaign] = plan
            if len(self._announced) > MOST_ANNOUNCED:
                del self._announced[next(iter(self._announced))]
        return self._shown(plan, now)

    def _plans(self) -> dict[str, PlanFacts]:
        """By name, as they are in the shop's facts or, where these have not come so far, were announced here."""
        known = self._shop.shop.plans
        for name, plan in list(self._announced.items()):
            if name in known and known[name].number >= plan.number:
                del self._announced[name]
        return {**known, **self._announced}

    @answers(
        Operation(
            "GET",
            "/v1/campaigns",
            "Campaigns that are coming or running, each with what it is answered now",
            {200: answer("They", {"$ref": "#/components/schemas/Campaigns"}), 401: NO_TOKEN},
        )
    )
    async def _list(self, request: web.BaseRequest) -> web.Response:
        return web.json_response({"campaigns": msgspec.to_builtins(self.shown())})

    def shown(self) -> list[ShownCampaign]:
        """What is coming or running, by their first moment."""
        now = self._clock()
        plans = [p for p in self._plans().values() if datetime.fromisoformat(p.ends) >= now]
        return [self._shown(plan, now) for plan in sorted(plans, key=lambda p: (p.starts, p.campaign))]

    def shown_of(self, campaign: str) -> ShownCampaign | None:
        """A campaign by its name, also one that is over; None where none is known."""
        plan = self._plans().get(campaign)
        return None if plan is None else self._shown(plan, self._clock())

    @answers(
        Operation(
            "GET",
            "/v1/campaigns/{campaign}",
            "A campaign, and what it is answered now",
            {
                200: answer("It", {"$ref": "#/components/schemas/Campaign"}),
                401: NO_TOKEN,
                404: error("No such campaign"),
            },
        )
    )
    async def _one(self, request: web.BaseRequest) -> web.Response:
        return web.json_response(msgspec.to_builtins(self._shown(self._known(request), self._clock())))

    @answers(
        Operation(
            "POST",
            "/v1/campaigns/{campaign}/confirm",
            "Operations say that the answer is right: a yes can be done, another one has it changed as proposed",
            {**responses(s404="No such campaign"), **NOT_YET},
            parameters=[KEY_PARAMETER],
            form=ReplyForm,
            role=Role.RESPONDER,
        )
    )
    async def _confirm(self, request: web.BaseRequest) -> web.Response:
        return await self._reply(request, "confirmed")

    @answers(
        Operation(
            "POST",
            "/v1/campaigns/{campaign}/object",
            "Operations say that the answer is wrong: a yes cannot be done, another one runs as planned all the same",
            {**responses(s404="No such campaign"), **NOT_YET},
            parameters=[KEY_PARAMETER],
            form=ReplyForm,
            role=Role.RESPONDER,
        )
    )
    async def _object(self, request: web.BaseRequest) -> web.Response:
        return await self._reply(request, "objected")

    async def _reply(self, request: web.BaseRequest, reply: Literal["confirmed", "objected"]) -> web.Response:
        form, plan = await body_of(request, ReplyForm), self._known(request)
        self._check_known(plan, form.number)
        said = partial(
            ReplyToPlan, campaign=plan.campaign, number=form.number, reply=reply, note=form.note, seen=form.verdict
        )
        applied = await self._giver.applied(request, form, said)
        return answered(applied, standing=self._board.plan(plan.campaign))

    def _check_known(self, plan: PlanFacts, number: int) -> None:
        """Raises Refusal while the announcement that a reply is to is not in the facts, so that it is known to nobody
        else. Which number it has is sure only then: somebody else may announce it, too."""
        if plan.campaign in self._announced and number >= plan.number:
            raise Refusal(
                503,
                f"campaign '{plan.campaign[:100]}' has just been announced, and is not in the shop's facts yet; "
                f"nothing was replied, do it again in {FACTS_S} s",
                headers={"Retry-After": str(FACTS_S)},
            )

    def _known(self, request: web.BaseRequest) -> PlanFacts:
        """The campaign that a request is about. Raises Refusal where there is none."""
        name = path_value(request, "campaign")
        plan = self._plans().get(name)
        if plan is None:
            said = "/v1/campaigns lists those that are, a minute or two after they were announced"
            raise Refusal(404, f"no campaign '{name[:100]}' is known; {said}")
        return plan

    def _shown(self, plan: PlanFacts, now: datetime) -> ShownCampaign:
        return ShownCampaign(plan, answer_to(self._shop.shop, plan, now), self._board.plan(plan.campaign))
