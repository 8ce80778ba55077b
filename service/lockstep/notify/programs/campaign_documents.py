"""Campaigns between the teams as programs hear of them: what a plan is answered, and what operations say to it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, Field, TypeAdapter

from lockstep.response.standing import PlanStanding
from lockstep.shop.facts import PlanFacts
from lockstep.shop.plans.plan_words import PlanAnswer, is_as_planned

MOST_DAYS, MOST_PRODUCTS = 92, 50
"""Of a plan that a document holds: more would be larger than receivers of webhooks take."""


class CampaignDay(BaseModel):
    """One day of a plan. Orders are of the whole shop; what is not known is null."""

    day: str = Field(description="`2026-12-02`, of the shop's time zone")
    expected: int | None = Field(description="Orders that are expected")
    usual: int | None = Field(description="Of these, without any campaign")
    campaign: int | None = Field(description="Of these, by this campaign")
    others: int | None = Field(description="Of these, by other campaigns")
    capacity: int | None = Field(description="Orders that can be shipped")
    room: int | None = Field(description="capacity - expected; below 0 where it is too little")
    other_campaigns: list[str] = Field(description="Names of those that `others` come by", default=[])


class CampaignProduct(BaseModel):
    """One product of a plan, or a part of a bundle that it promotes."""

    sku: str = Field(description="Which")
    available: int | None = Field(description="Units that can be sold; null: nobody told")
    days_of_cover: float | None = Field(description="Days that they last at the usual speed")
    needed: int = Field(description="Units that are asked for in the plan's days")
    short: int = Field(description="Of these, units that are not there")
    enough_until: str = Field(description="The first day on which it is out; empty where it lasts")
    next_receipt: str = Field(description="The day of the next delivery; empty for none")
    next_receipt_quantity: int = Field(description="Units of it")
    bundles: list[str] = Field(description="Bundles of the plan of which it is a part", default=[])


class CampaignAnsweredData(BaseModel):
    """The answer, with the numbers that it is made of."""

    campaign: str = Field(description="Its name")
    number: int = Field(description="Of the announcement that is answered; grows when it is announced anew")
    verdict: Literal["yes", "change", "no", "cancelled"] = Field(
        description="Whether the shop can carry it; `cancelled`: marketing has withdrawn it"
    )
    previous_verdict: str = Field(description="What the same announcement was answered before; empty the first time")
    headline: str = Field(description="The answer in one line, with the campaign's days and why", default="")
    why: str = Field(description="What both teams are told below it, in sentences")
    starts: str | None = Field(description="First moment, RFC 3339")
    ends: str | None = Field(description="Last moment, RFC 3339")
    reasons: list[str] = Field(description="Sentences with their numbers, the gravest first")
    suggestion: str = Field(description="What to change; empty for a yes")
    reply_by: str = Field(
        description="Until when operations are asked to reply, RFC 3339; empty where it runs already", default=""
    )
    missing: dict[str, str] = Field(
        description="Of each team what it is to do so that what is unknown can be looked at", default={}
    )
    orders: int | None = Field(description="Orders that the campaign adds in all")
    orders_of: str = Field(description="Where that number comes from, in words")
    days: list[CampaignDay] = Field(description=f"Its days that are not over, the first {MOST_DAYS}")
    products: list[CampaignProduct] = Field(description=f"Its products, those that are short first, {MOST_PRODUCTS}")
    clashes: list[str] = Field(description="Other campaigns that stand in its way, sentences")
    late_receipts: list[str] = Field(description="Deliveries of its products that are late, sentences")
    unknown: list[str] = Field(description="What could not be looked at, sentences")
    revision: int = Field(description="How often the same announcement was told again with other numbers", default=0)
    changed: list[str] = Field(description="What is other than it was told before, sentences", default=[])


class CampaignAnswered(BaseModel):
    """A plan is answered: the first time, when it is announced anew, when the verdict is another one now, and when its
    numbers are notably other."""

    type: Literal["campaign.answered"] = Field(description="That a plan is answered")
    timestamp: str = Field(description="When both teams were told, RFC 3339")
    data: CampaignAnsweredData = Field(description="The answer")


class CampaignRepliedData(BaseModel):
    """What was replied, and to what."""

    campaign: str = Field(description="Its name")
    number: int = Field(description="Of the announcement that was replied to")
    verdict: str = Field(description="The answer that was replied to")
    reply: Literal["confirmed", "objected"] = Field(
        description="Whether operations find the answer right: of a yes that they can do it, of a change or a no that "
        "the campaign is to be changed as proposed"
    )
    as_planned: bool = Field(
        description="Whether operations carry the campaign as it is planned: a yes that is confirmed, another answer "
        "that is objected to"
    )
    headline: str = Field(description="The reply in one line")
    by: str = Field(description="Who replied")
    note: str = Field(description="What they said with it; an objection says why")


class CampaignReplied(BaseModel):
    """Operations confirm a plan or object to it."""

    type: Literal["campaign.replied"] = Field(description="That operations replied to a plan")
    timestamp: str = Field(description="When, RFC 3339")
    data: CampaignRepliedData = Field(description="The reply")


def campaign_json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of what webhooks get of campaigns."""
    either: TypeAdapter[Any] = TypeAdapter(Annotated[CampaignAnswered | CampaignReplied, Field(discriminator="type")])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/campaign.schema.json",
        **either.json_schema(mode="serialization"),
        "title": "Lockstep campaign webhook",
        "examples": [EXAMPLE],
    }


EXAMPLE: dict[str, Any] = {
    "type": "campaign.answered",
    "timestamp": "2026-11-30T09:05:00Z",
    "data": {
        "campaign": "SUMMER",
        "number": 1,
        "verdict": "change",
        "previous_verdict": "",
        "headline": "Campaign SUMMER (Wed 2 Dec) needs a change: product A-1 is sold out on Wed 2 Dec, its last day",
        "why": "Product A-1: 120 are needed, 80 more than there will be; 40 are left; the next 500 come on Fri 4 Dec.",
        "starts": "2026-12-02T08:00:00Z",
        "ends": "2026-12-02T22:00:00Z",
        "reasons": [
            "Product A-1 is sold out on Wed 2 Dec, its last day.",
            "Product A-1: 120 are needed, 80 more than there will be; 40 are left; the next 500 come on Fri 4 Dec.",
        ],
        "suggestion": "Move it to Fri 4 to Sat 5 Dec: then it can be done.",
        "reply_by": "2026-12-02T08:00:00Z",
        "missing": {},
        "orders": 100,
        "orders_of": "as marketing announced",
        "days": [
            {
                "day": "2026-12-02",
                "expected": 310,
                "usual": 210,
                "campaign": 100,
                "others": 0,
                "capacity": 490,
                "room": 180,
            }
        ],
        "products": [
            {
                "sku": "A-1",
                "available": 40,
                "days_of_cover": 10.0,
                "needed": 120,
                "short": 80,
                "enough_until": "2026-12-02",
                "next_receipt": "2026-12-04",
                "next_receipt_quantity": 500,
            }
        ],
        "clashes": [],
        "late_receipts": [],
        "unknown": [],
        "revision": 0,
        "changed": [],
    },
}
"""An answer, as a program gets it."""


def answer_facts(plan: PlanFacts, answered: PlanAnswer, *, reply_by: str) -> dict[str, Any]:
    """What an answer is made of, as far as a document holds it: travels with the command that has both teams words.

    reply_by: until when operations are asked to reply, RFC 3339; "" where it runs already.
    """
    short_first = sorted(answered.products, key=lambda p: (-p.short, not p.enough_until))
    return {
        "starts": plan.starts,
        "ends": plan.ends,
        "reasons": answered.reasons,
        "suggestion": answered.suggestion,
        "reply_by": reply_by,
        "missing": answered.missing,
        "orders": answered.orders,
        "orders_of": answered.orders_of,
        "days": msgspec.to_builtins(answered.days[:MOST_DAYS]),
        "products": msgspec.to_builtins(short_first[:MOST_PRODUCTS]),
        "clashes": answered.clashes,
        "late_receipts": answered.late_receipts,
        "unknown": answered.unknown,
    }


FOR_PEOPLE = "in_words"
"""Of facts: what people read, `AnswerWords`, and no document has."""


class AnswerWords(msgspec.Struct, frozen=True, kw_only=True):
    """How an answer reads. when, cause, instead: of the answer. lines: what stands below the headline."""

    when: str = ""
    cause: str = ""
    instead: str = ""
    lines: list[str] = []


_NO_FACTS: Mapping[str, Any] = {
    **dict.fromkeys(("starts", "ends", "orders")),
    **dict.fromkeys(("suggestion", "orders_of", "reply_by"), ""),
    "missing": {},
    **{name: [] for name in ("reasons", "days", "products", "clashes", "late_receipts", "unknown", "changed")},
}
"""Of a command that a version before this one gave."""


def answered_document(standing: PlanStanding, facts: Mapping[str, Any], *, previous_verdict: str) -> dict[str, Any]:
    """What programs get of an answer. facts: of `answer_facts`, and FOR_PEOPLE; {} where the command had
    none."""
    data = {
        "campaign": standing.campaign,
        "number": standing.number,
        "verdict": standing.verdict,
        "previous_verdict": previous_verdict,
        "why": standing.why,
        "headline": standing.headline,
        "revision": standing.revision,
        **_NO_FACTS,
        **{name: value for name, value in facts.items() if name != FOR_PEOPLE},
    }
    return {"type": "campaign.answered", "timestamp": standing.answered_at, "data": data}


def replied_document(standing: PlanStanding, *, headline: str) -> dict[str, Any]:
    """What programs get of a reply."""
    data = {
        "campaign": standing.campaign,
        "number": standing.number,
        "verdict": standing.verdict,
        "reply": standing.reply,
        "as_planned": is_as_planned(standing.verdict, standing.reply),
        "headline": headline,
        "by": standing.by,
        "note": standing.note,
    }
    return {"type": "campaign.replied", "timestamp": standing.at, "data": data}
