"""Promotion hooks: programs of marketing hear when to pause what promotes a product, and when to resume it.

A product is paused with the first alert about it of the rules that are named, and resumed when all of them have been
over for `resume_after`: so both come in pairs, and stock that comes and goes pauses once. Where nothing has been told
of any stock for STALE_H, an alert pauses nothing: its level may be long past. What people have silenced or muted makes
no difference to a program.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, Field

from lockstep.errors import StateError
from lockstep.notify.pipeline.hooks import Applied, Happened
from lockstep.notify.programs.program_receivers import program_documents, programs_of
from lockstep.notify.receivers import Texts
from lockstep.ports import Destination
from lockstep.response.command import Command
from lockstep.rule.language.form.values import Duration, Strict
from lockstep.text.rfc3339 import moment_text
from lockstep.transition import Transition, TransitionName
from lockstep.yaml.document import Document, Fault, Pointer, did_you_mean

KEY = b"\x1fpromotion\x1f"
"""Begins the keys of entries in the state of notify; no rule's name begins so."""
FORMAT = 1
RULES = ("PromotedOutOfStock", "PromotedRunsLow")
RESUME_AFTER_S = 1_800
STALE_H = 48.0
"""Hours without a word of any stock after which no level is believed."""


class PromotionsModel(Strict):
    """Which webhooks hear when to pause and resume what promotes a product."""

    to: Texts = Field(min_length=1, description="Receivers with a webhook")
    rules: Texts = Field(
        list(RULES), min_length=1, description="Rules by sku whose alerts pause; default: those of the pack promotions"
    )
    resume_after: Duration = Field(
        RESUME_AFTER_S,
        ge=0,
        description="For how long all alerts about a product are over before it is resumed; default 30m",
    )


def unmet_hooks(document: Document, model: PromotionsModel, rules: Collection[str]) -> Iterator[Fault]:
    """Rules whose alerts should pause and that are not there. rules: the names of all that are."""
    if "rules" not in model.model_fields_set:
        if not any(name in rules for name in RULES):
            message = f"neither {RULES[0]} nor {RULES[1]} is there, so nothing is ever paused"
            remedy = "write packs: [promotions] in shop.yml, or name other rules here"
            yield document.fault(("promotions",), message, remedy, "LS281", level="warning", key=True)
        return
    several = isinstance(document.find(("promotions", "rules")), list)
    for n, name in enumerate(model.rules):
        if name not in rules:
            at: Pointer = ("promotions", "rules", n) if several else ("promotions", "rules")
            yield document.fault(at, f"there is no rule '{name}'", did_you_mean(name, rules), "LS281", level="warning")


class PromotionData(BaseModel):
    """Which product, and how it stands. What is not known is null."""

    sku: str = Field(description="The product")
    number: int = Field(description="Counts pauses of the product: a pause and its resume have the same")
    rule: str = Field(description="Of the alert that began or ended it; empty where nobody saw it end")
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
    timestamp: str = Field(description="When the alert changed, RFC 3339; a resume is told `resume_after` later")
    data: PromotionData = Field(description="Which product, and how it stands")


EXAMPLE: dict[str, Any] = {
    "type": "promotion.pause",
    "timestamp": "2026-11-30T09:05:00Z",
    "data": {
        "sku": "A-1",
        "number": 3,
        "rule": "PromotedOutOfStock",
        "campaigns": "SUMMER until Fri 4 Dec",
        "available": 0,
        "days_of_cover": 0,
        "next_receipt": "Wed 2 Dec",
        "next_receipt_quantity": 500,
    },
}
"""A pause, as a program gets it."""


def promotion_json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of promotion hooks."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lockstep.example/schemas/promotion.schema.json",
        **PromotionPayload.model_json_schema(mode="serialization"),
        "title": "Lockstep promotion hook",
        "examples": [EXAMPLE],
    }


@dataclass(frozen=True)
class PromotionPlan:
    """to: destinations of programs. rules: whose alerts pause. resume_after_s: how long they have to be over."""

    to: tuple[Destination, ...]
    rules: frozenset[str]
    resume_after_s: float = RESUME_AFTER_S


class _Product(msgspec.Struct):
    """open: alerts that keep it paused. number: of its pauses. untold: documents that no tick has handed on. resume:
    the document that resumes it, and due: when that is told unless it is paused again before, seconds since 1970."""

    open: list[str] = []
    number: int = 0
    untold: list[dict[str, Any]] = []
    resume: dict[str, Any] | None = None
    due: float = 0.0
    format: int = FORMAT


class PromotionHooks:
    """hooks.Part."""

    def __init__(self, plan: PromotionPlan, open_alerts: Callable[[], Iterable[Transition]]) -> None:
        """open_alerts: the last transition of each alert that fires: what began or ended while routing.yml asked for no
        hooks is made up for."""
        self._plan, self._open_alerts = plan, open_alerts
        self._products: dict[str, _Product] = {}
        self._dirty: set[str] = set()
        self._waiting: set[str] = set()
        self._has_begun = False

    def hear(self, transition: Transition) -> None:
        sku = transition.labels.get("sku", "")
        if not sku or transition.past:
            return
        product = self._products.get(sku, _Product())
        if transition.state is TransitionName.RESOLVED:
            if transition.alert_id in product.open:
                resume = _body("promotion.resume", sku, product.number, transition)
                self._over(sku, product, transition.alert_id, resume)
        elif transition.rule in self._plan.rules and transition.alert_id not in product.open:
            self._begin(sku, product, transition)

    def _begin(self, sku: str, product: _Product, transition: Transition) -> None:
        """An alert about a product fires."""
        is_paused = bool(product.open) or product.resume is not None
        if not is_paused and _is_stale(transition):
            return
        product.open.append(transition.alert_id)
        product.resume = None
        if not is_paused:
            product.number += 1
            product.untold.append(_body("promotion.pause", sku, product.number, transition))
        self._keep(sku, product)

    def _over(self, sku: str, product: _Product, alert_id: str, resume: dict[str, Any]) -> None:
        """An alert about a product is over."""
        product.open.remove(alert_id)
        if not product.open:
            product.resume = resume
            product.due = datetime.fromisoformat(resume["timestamp"]).timestamp() + self._plan.resume_after_s
        self._keep(sku, product)

    def _keep(self, sku: str, product: _Product) -> None:
        self._products[sku] = product
        self._dirty.add(sku)
        self._waiting.add(sku)

    def _make_up(self, moment: float) -> None:
        """What began or ended while nobody listened."""
        firing = {t.alert_id: t for t in self._open_alerts() if t.state is not TransitionName.RESOLVED}
        for transition in firing.values():
            self.hear(transition)
        for sku, product in self._products.items():
            for alert_id in [alert for alert in product.open if alert not in firing]:
                data = {"sku": sku, "number": product.number, "rule": "", **dict.fromkeys(_NAMES)}
                resume = {"type": "promotion.resume", "timestamp": moment_text(moment), "data": data}
                self._over(sku, product, alert_id, resume)

    def apply(self, command: Command, moment: float) -> Applied | None:
        return None

    def tick(self, moment: float) -> Happened:
        if not self._has_begun:
            self._has_begun = True
            self._make_up(moment)
        happened = Happened()
        for sku in sorted(self._waiting):
            product = self._products[sku]
            if product.resume is not None and product.due <= moment:
                product.untold.append(product.resume)
                product.resume = None
            if product.untold:
                for body in product.untold:
                    happened.documents += program_documents(
                        self._plan.to, body, sku, body["data"]["number"], subject=f"promotion/{sku}"
                    )
                product.untold = []
                self._dirty.add(sku)
            if product.resume is None:
                self._waiting.discard(sku)
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
                sku, product = key[len(KEY) :].decode(), msgspec.json.decode(value, type=_Product)
                if product.format != FORMAT:
                    said = f"a promotion hook of format {product.format}, this version reads {FORMAT}"
                    raise StateError(f"lockstep.notify-state: {said}")
                self._products[sku] = product
                if product.untold or product.resume is not None:
                    self._waiting.add(sku)


_NAMES = ("campaigns", "available", "days_of_cover", "next_receipt", "next_receipt_quantity")


def _is_stale(transition: Transition) -> bool:
    """Whether nothing has been told of any stock for so long that the level behind an alert may be long past."""
    age_h = transition.shop.get("stock_age")
    return isinstance(age_h, int | float) and age_h > STALE_H


def _body(
    type: Literal["promotion.pause", "promotion.resume"], sku: str, number: int, transition: Transition
) -> dict[str, Any]:
    """A PromotionPayload, with how the product stood at the transition."""
    stock = {name: transition.shop.get(name) for name in _NAMES}
    data = {"sku": sku, "number": number, "rule": transition.rule, **stock}
    return {"type": type, "timestamp": transition.at, "data": data}


def promotion_plan(model: PromotionsModel, destinations: Mapping[str, Sequence[Destination]]) -> PromotionPlan:
    """The plan that a model writes. destinations: of each receiver; only those of programs hear them."""
    return PromotionPlan(
        programs_of(model.to, destinations), frozenset(model.rules), resume_after_s=float(model.resume_after)
    )
