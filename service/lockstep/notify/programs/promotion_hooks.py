"""Promotion hooks: programs of marketing hear when to pause what promotes a product, and when to resume it.

A product is paused with the first alert about it of the rules that are named, and resumed when the last of these is
over: so both come in pairs, and as seldom as the alerts do, whose `clear` and `keep_firing_for` keep them from
flapping. What people have silenced or muted makes no difference to a program.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, Field

from lockstep.labels import stable_id
from lockstep.notify.pipeline.hooks import Applied, Happened, ProgramDocument
from lockstep.notify.programs.program_receivers import programs_of
from lockstep.notify.receivers import Texts
from lockstep.ports import Destination
from lockstep.response.command import Command
from lockstep.rule.language.form.values import Strict
from lockstep.text.time_units import DAY_S
from lockstep.transition import Transition, TransitionName

KEY = b"\x1fpromotion\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
RULES = ("PromotedOutOfStock", "PromotedRunsLow")


class PromotionsModel(Strict):
    """Which webhooks hear when to pause and resume what promotes a product."""

    to: Texts = Field(min_length=1, description="Receivers with a webhook")
    rules: Texts = Field(
        list(RULES), min_length=1, description="Rules by sku whose alerts pause; default: those of the pack promotions"
    )


class PromotionData(BaseModel):
    """Which product, and how it stands. What is not known is null."""

    sku: str = Field(description="The product")
    number: int = Field(description="Counts pauses of the product: a pause and its resume have the same")
    rule: str = Field(description="Of the alert that began or ended it")
    campaigns: str | None = Field(description="What promotes it now, in words")
    available: float | None = Field(description="Units that can be sold")
    days_of_cover: float | None = Field(description="Days that they last")
    next_receipt: str | None = Field(description="When the next delivery is expected, in words")
    next_receipt_quantity: float | None = Field(description="Units of it")


class PromotionPayload(BaseModel):
    """The body of a promotion hook, signed like every delivery."""

    type: Literal["promotion.pause", "promotion.resume"] = Field(
        description="What to do with what promotes the product"
    )
    timestamp: str = Field(description="When the alert changed, RFC 3339")
    data: PromotionData = Field(description="Which product, and how it stands")


def promotion_json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of promotion hooks."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/promotion.schema.json",
        **PromotionPayload.model_json_schema(mode="serialization"),
        "title": "Lockstep promotion hook",
    }


@dataclass(frozen=True)
class PromotionPlan:
    """to: destinations of programs. rules: whose alerts pause."""

    to: tuple[Destination, ...]
    rules: frozenset[str]


class _Product(msgspec.Struct):
    """open: alerts that keep it paused. number: of its pauses. untold: documents that no tick has handed on."""

    open: list[str] = []
    number: int = 0
    untold: list[dict[str, Any]] = []


class PromotionHooks:
    """hooks.Part."""

    def __init__(self, plan: PromotionPlan) -> None:
        self._plan = plan
        self._products: dict[str, _Product] = {}
        self._dirty: set[str] = set()

    def hear(self, transition: Transition) -> None:
        sku = transition.labels.get("sku", "")
        if not sku or transition.past:
            return
        product = self._products.get(sku, _Product())
        if transition.state is TransitionName.FIRING and transition.rule in self._plan.rules:
            if transition.alert_id not in product.open:
                product.open.append(transition.alert_id)
                if len(product.open) == 1:
                    product.number += 1
                    product.untold.append(_body("promotion.pause", sku, product.number, transition))
                self._keep(sku, product)
        elif transition.state is TransitionName.RESOLVED and transition.alert_id in product.open:
            product.open.remove(transition.alert_id)
            if not product.open:
                product.untold.append(_body("promotion.resume", sku, product.number, transition))
            self._keep(sku, product)

    def _keep(self, sku: str, product: _Product) -> None:
        self._products[sku] = product
        self._dirty.add(sku)

    def apply(self, command: Command, moment: float) -> Applied | None:
        return None

    def tick(self, moment: float) -> Happened:
        happened = Happened()
        for sku in sorted(sku for sku, product in self._products.items() if product.untold):
            product = self._products[sku]
            for body in product.untold:
                happened.documents += [
                    ProgramDocument(
                        id=stable_id("delivery", to.id, body["type"], sku, body["data"]["number"]),
                        destination=to,
                        state=body["type"],
                        body=body,
                        life_s=float(DAY_S),
                    )
                    for to in self._plan.to
                ]
            product.untold = []
            self._dirty.add(sku)
        return happened

    def cut(self) -> dict[bytes, bytes | None]:
        entries: dict[bytes, bytes | None] = {
            KEY + sku.encode(): msgspec.json.encode(self._products[sku]) for sku in self._dirty
        }
        self._dirty.clear()
        return entries

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        for key, value in entries.items():
            if key.startswith(KEY):
                self._products[key[len(KEY) :].decode()] = msgspec.json.decode(value, type=_Product)


def _body(word: str, sku: str, number: int, transition: Transition) -> dict[str, Any]:
    known = transition.shop
    names = ("campaigns", "available", "days_of_cover", "next_receipt", "next_receipt_quantity")
    data = {"sku": sku, "number": number, "rule": transition.rule, **{name: known.get(name) for name in names}}
    return {"type": word, "timestamp": transition.at, "data": data}


def promotion_plan(model: PromotionsModel, destinations: Mapping[str, Sequence[Destination]]) -> PromotionPlan:
    """The plan that a model writes. destinations: of each receiver; only those of programs hear them."""
    return PromotionPlan(programs_of(model.to, destinations), frozenset(model.rules))
