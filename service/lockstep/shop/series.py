"""What the facts of a shop are measured by: series that the meter keeps for them, beside those of the rules.

All of them have the constant key, so they live on one samples partition and one judge makes the facts.
"""

from lockstep.measure.definition import Aggregate, SeriesDef

_SUM, _COUNT = Aggregate.SUM, Aggregate.COUNT


def _flow(
    aggregate: Aggregate,
    event_type: str,
    *by: str,
    field: str | None = None,
    role: str = "orders",
    where: tuple[tuple[str, tuple[str, ...]], ...] = (),
    of_lines: tuple[str, ...] = (),
) -> SeriesDef:
    return SeriesDef(
        aggregate, event_type, role, field=field, where=where, by=tuple(sorted(by)), line_labels=of_lines, key=()
    )


_OF_CHANNEL = ("channel",)
_OF_MONEY = ("channel", "currency")

FLOWS: dict[str, SeriesDef] = {
    # Orders by what makes them work: `lines` as a label is how many lines an order has.
    "orders": _flow(_COUNT, "order.placed", "channel", "gift_wrap", "lines", "shipping_method"),
    "units": _flow(_SUM, "order.placed", *_OF_CHANNEL, field="lines.quantity"),
    "revenue": _flow(_SUM, "order.placed", *_OF_MONEY, field="total"),
    "cancelled": _flow(_COUNT, "order.cancelled", *_OF_CHANNEL),
    "shipped": _flow(_COUNT, "order.shipped", *_OF_CHANNEL),
    "ship_hours": _flow(_SUM, "order.shipped", field="hours_to_ship"),
    "shipping_cost": _flow(_SUM, "order.shipped", *_OF_MONEY, field="cost"),
    "delivered": _flow(_COUNT, "order.delivered", *_OF_CHANNEL),
    "late": _flow(_COUNT, "order.delivered", *_OF_CHANNEL, where=(("late", ("true",)),)),
    "returned_units": _flow(_SUM, "order.returned", *_OF_CHANNEL, field="lines.quantity"),
    "refunds": _flow(_SUM, "order.returned", *_OF_MONEY, field="total"),
    "paid_back": _flow(_SUM, "order.refunded", *_OF_MONEY, field="total"),
    "themes": _flow(_COUNT, "feedback.received", "theme"),
    "sessions": _flow(_COUNT, "traffic.session", *_OF_CHANNEL, role="traffic"),
    "spend": _flow(_SUM, "traffic.spend", *_OF_MONEY, field="amount", role="traffic"),
    "spend_by_campaign": _flow(_SUM, "traffic.spend", "campaign", "currency", field="amount", role="traffic"),
    "product_units": _flow(_SUM, "order.placed", "sku", field="lines.quantity", of_lines=("sku",)),
    "product_returned": _flow(
        _SUM, "order.returned", "sku", "reason", field="lines.quantity", of_lines=("reason", "sku")
    ),
    "product_views": _flow(_COUNT, "product.viewed", "sku", role="traffic"),
}
"""name → the flow. Its buckets are a minute wide."""


def _level(event_type: str, field: str, *by: str) -> SeriesDef:
    return SeriesDef(Aggregate.LAST, event_type, "inventory", field=field, by=tuple(sorted(by)), key=())


LEVELS: dict[str, SeriesDef] = {
    "available": _level("stock.level", "available", "location", "sku"),
    "held": _level("stock.level", "held", "location", "sku"),
    "price": _level("price.changed", "price", "currency", "sku"),
}
"""name → the level, of each sku at each location."""

WHOLE_EVENTS: dict[str, SeriesDef] = {
    event_type: SeriesDef(Aggregate.WHOLE, event_type, role, key=())
    for event_type, role in (
        ("campaign.planned", "plans"),
        ("capacity.declared", "plans"),
        ("stock.receipt", "inventory"),
        ("stock.lot", "inventory"),
        ("supplier.updated", "inventory"),
        ("product.listed", "inventory"),
    )
}
"""event type → the series that carries its events as they are. There are few of them, and none speaks of a person."""

SHOP_SERIES: tuple[SeriesDef, ...] = (*FLOWS.values(), *LEVELS.values(), *WHOLE_EVENTS.values())
