"""What a metric or an index of a shop counts, known by its name or said by its owner.

A name is known only where every word of it says something: `shop_orders_total` are the orders, but
`orders_processing_seconds` is not, nor is `orders_failed_total`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lockstep.event import TYPES
from lockstep.tools.foreign_rules.equivalent import Definition, NoEquivalent
from lockstep.yaml.document import parse_document

_NEUTRAL = frozenset(
    {
        "shop",
        "store",
        "webshop",
        "ecommerce",
        "commerce",
        "total",
        "count",
        "counter",
        "number",
        "of",
        "the",
        "event",
        "events",
        "current",
        "business",
        "kpi",
        "log",
        "logs",
        "logstash",
        "filebeat",
        "index",
        "idx",
        "prod",
        "production",
        "eur",
        "euro",
        "euros",
        "usd",
        "dollars",
        "gbp",
    }
)
"""Words that say nothing of what is counted."""

_SAME = {
    "orders": "order", "purchase": "order", "purchases": "order", "created": "placed", "received": "placed",
    "canceled": "cancelled", "returns": "return", "returned": "return", "refunds": "refund", "refunded": "refund",
    "units": "unit", "items": "unit", "item": "unit", "products": "product", "payments": "payment",
    "failures": "failed", "failure": "failed", "declined": "failed", "rejected": "failed", "sessions": "session",
    "visits": "session", "visit": "session", "views": "view", "viewed": "view", "carts": "cart", "updates": "updated",
    "update": "updated", "added": "add", "additions": "add", "addition": "add", "checkouts": "checkout",
    "initiated": "started", "start": "started", "clicks": "click", "clicked": "click", "ads": "ad",
    "inventory": "stock", "level": "available", "levels": "available", "quantity": "available", "prices": "price",
    "sales": "revenue", "turnover": "revenue", "gmv": "revenue", "amount": "revenue", "value": "revenue",
    "complaints": "complaint",
}  # fmt: skip
"""A word → the one that stands for it below."""

_KNOWN: Sequence[tuple[str, str, Definition]] = (
    ("order", "orders", {"count": "order.placed"}),
    ("order placed", "orders", {"count": "order.placed"}),
    ("order cancelled", "cancellations", {"count": "order.cancelled"}),
    ("order shipped", "shipments", {"count": "order.shipped"}),
    ("order delivered", "deliveries", {"count": "order.delivered"}),
    ("return", "returns", {"count": "order.returned"}),
    ("order return", "returns", {"count": "order.returned"}),
    ("refund", "refunds", {"count": "order.refunded"}),
    ("order refund", "refunds", {"count": "order.refunded"}),
    ("refund revenue", "refunded", {"sum": "total", "of": "order.refunded"}),
    ("revenue", "revenue", {"sum": "total", "of": "order.placed"}),
    ("order revenue", "revenue", {"sum": "total", "of": "order.placed"}),
    ("unit sold", "units_sold", {"sum": "lines.quantity", "of": "order.placed"}),
    ("payment failed", "payment_failures", {"count": "payment.failed"}),
    ("order payment failed", "payment_failures", {"count": "payment.failed"}),
    ("session", "sessions", {"count": "traffic.session"}),
    ("product view", "product_views", {"count": "product.viewed"}),
    ("cart updated", "cart_updates", {"count": "cart.updated"}),
    ("cart add", "put_in_cart", {"count": "cart.updated", "where": {"action": "added"}}),
    ("add to cart", "put_in_cart", {"count": "cart.updated", "where": {"action": "added"}}),
    ("checkout", "checkouts", {"count": "checkout.started"}),
    ("checkout started", "checkouts", {"count": "checkout.started"}),
    ("ad click", "ad_clicks", {"count": "ad.clicked"}),
    ("ad spend", "spend", {"sum": "amount", "of": "traffic.spend"}),
    ("spend", "spend", {"sum": "amount", "of": "traffic.spend"}),
    ("feedback", "feedback", {"count": "feedback.received"}),
    ("complaint", "complaints", {"count": "feedback.received"}),
    ("stock", "stock", {"last": "available", "of": "stock.level"}),
    ("stock available", "stock", {"last": "available", "of": "stock.level"}),
    ("product stock", "stock", {"last": "available", "of": "stock.level"}),
    ("product stock available", "stock", {"last": "available", "of": "stock.level"}),
    ("price", "price", {"last": "price", "of": "price.changed"}),
    ("product price", "price", {"last": "price", "of": "price.changed"}),
)
_BY_WORDS = {frozenset(words.split()): (name, definition) for words, name, definition in _KNOWN}


@dataclass(frozen=True)
class ShopMeasure:
    """What a foreign name stands for. name: of the measure; is_said: its owner has said so, it is not in the name."""

    name: str
    definition: Definition
    is_said: bool

    @property
    def is_level(self) -> bool:
        return "last" in self.definition

    @property
    def event_type(self) -> str:
        return str(self.definition.get("count") or self.definition.get("of"))

    def events(self) -> Definition:
        """The count of its events."""
        where = self.definition.get("where")
        return {"count": self.event_type, **({"where": where} if where else {})}


class ShopMeasures:
    """What foreign names stand for. said: name → definition, by their owner."""

    def __init__(self, said: Mapping[str, Definition] | None = None) -> None:
        self._said = dict(said or {})

    def find(self, name: str) -> ShopMeasure | None:
        """What a metric or an index counts; None where nobody knows."""
        said = self._said.get(name)
        if said is not None:
            return ShopMeasure(name, said, is_said=True)
        words = [word for word in re.split(r"[^a-z]+", re.sub(r"%[A-Za-z]", " ", name.lower())) if word]
        ends_in_count, ends_in_sum = words[-1:] == ["count"], words[-1:] == ["sum"]
        if ends_in_sum:
            words.pop()
        known = _BY_WORDS.get(frozenset(_SAME.get(word, word) for word in words if word not in _NEUTRAL))
        if known is None:
            return None
        measure = ShopMeasure(*known, is_said=False)
        if "sum" in measure.definition and ends_in_count:  # of a histogram of amounts: how many there were
            return ShopMeasure(f"{measure.name}_count", measure.events(), is_said=False)
        return None if ends_in_sum and "sum" not in measure.definition else measure

    def of_metric(self, name: str) -> ShopMeasure:
        """Raises NoEquivalent where nobody knows what a metric counts."""
        measure = self.find(name)
        if measure is None:
            raise NoEquivalent(
                f"it is not known which events of a shop the metric '{name[:100]}' counts; "
                f"where it does, say so: --measure '{name[:100]}=count: order.placed'"
            )
        return measure


def said_measure(text: str) -> tuple[str, Definition]:
    """`sold=count: order.placed` as name and definition; `sold=order.placed` is a count. Raises ValueError."""
    name, equals, written = text.partition("=")
    way_out = "write one like 'orders_total=count: order.placed' or 'stock=last: available, of: stock.level'"
    if not equals or not name.strip() or not written.strip():
        raise ValueError(f"'{text[:100]}' is no measure; {way_out}")
    written = written.strip()
    if written in TYPES:
        return name.strip(), {"count": written}
    document, _ = parse_document("--measure", written if written.startswith("{") else f"{{{written}}}")
    if document is None or not isinstance(document.data, dict) or not {"count", "of"} & document.data.keys():
        raise ValueError(f"'{text[:100]}' is no measure; {way_out}")
    return name.strip(), document.data
