"""Shopify: topics of its webhooks → events.

**What names an event** stands in the signed body, never in a header, which nobody signed. A fact (an order is placed, a
refund made) is named by the thing and what became of it, `orders/820982911946154508/placed`: sent again, by a retry, a
second subscription or by hand, it counts once. How something is (stock, a price, a cart) is named by the thing and the
sender's `updated_at`: a retry counts once, a later change counts again.

**A stock level** names an inventory item and no sku. Which sku that is, products and inventory items say: it is learned
from their webhooks. Until one of them has come the item's number stands in its place.

Amounts are those of the shop's own currency (`shop_money`), whatever the customer paid in. Of a customer only the
number stays.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lockstep.adapters.inbound.foreign_values import (
    NO_SKU,
    amount,
    campaign,
    counted,
    first_text,
    mapping,
    needed_id,
    needed_time,
    number,
    objects,
    pseudonym,
    text,
)
from lockstep.adapters.inbound.translation import BadPayload, Translation, event, ignored, translated

TOPIC_IN = "X-Shopify-Topic"
SOURCE = "/shopify"
"""Its ids are unique over all shops."""

Body = Mapping[str, Any]


def translate(topic: str, body: Body, headers: Mapping[str, str], skus: Mapping[str, str]) -> Translation:
    """headers: in lower case. skus: of inventory items, by `item_name`. Raises BadPayload."""
    reader = _READERS.get(topic)
    if reader is None and topic not in _LEVELS:
        return ignored(f"topic '{topic[:100]}' says nothing that rules read")
    if body.get("test") is True or headers.get("x-shopify-test", "").lower() == "true":
        return ignored("it is a test, and nobody ordered anything")
    return _inventory_level(body, skus) if reader is None else reader(body)


def item_name(item: str) -> str:
    """What an inventory item is called where its sku is kept."""
    return f"shopify/inventory_items/{item}"


def _order_placed(body: Body) -> Translation:
    order = needed_id(body, "id")
    total = _money(body, "total_price")
    if total is None:
        raise BadPayload("total_price: is no number")
    return translated(
        event(
            "order.placed",
            source=SOURCE,
            id=f"orders/{order}/placed",
            time=needed_time(body, "created_at", "processed_at"),
            data={
                "order_id": order,
                "total": total,
                "lines": [_priced(line) for line in objects(body.get("line_items"))],
                "customer": _customer(body),
                "channel": text(body.get("source_name")),
                "campaign": campaign(body.get("landing_site")),
                "country": _country(body),
                "currency": text(body.get("currency")),
                "shipping": _money(body, "total_shipping_price"),
            },
        )
    )


def _order_cancelled(body: Body) -> Translation:
    order = needed_id(body, "id")
    return translated(
        event(
            "order.cancelled",
            source=SOURCE,
            id=f"orders/{order}/cancelled",
            time=needed_time(body, "cancelled_at"),
            data={
                "order_id": order,
                "total": _money(body, "total_price"),
                "channel": text(body.get("source_name")),
                "reason": text(body.get("cancel_reason")),
                "currency": text(body.get("currency")),
            },
        )
    )


_CAME_BACK = ("return", "legacy_restock")
"""`restock_type` of products that came back; `cancel` is one that never left, `no_restock` money alone, unless the
refund belongs to a return."""


def _refund(body: Body) -> Translation:
    refund, order = needed_id(body, "id"), needed_id(body, "order_id")
    payments = [*objects(body.get("transactions"))]
    if payments and all(payment.get("test") is True for payment in payments):
        return ignored("it is a test, and nothing was paid back")
    refunded = [*objects(body.get("refund_line_items"))]
    of_return = bool(mapping(body, "return"))
    returned = [line for line in refunded if of_return or line.get("restock_type") in _CAME_BACK]
    given_back = [p for p in payments if p.get("kind") == "refund" and p.get("status") == "success"]
    total, currency = _paid_back(given_back, refunded)
    named = {"source": SOURCE, "id": f"refunds/{refund}", "time": needed_time(body, "created_at", "processed_at")}
    data = {"order_id": order, "total": total, "currency": currency}
    if returned:
        return translated(event("order.returned", **named, data={**data, "lines": [*map(_returned, returned)]}))
    if not total:
        return ignored("nothing was paid back, and nothing came back")
    return translated(event("order.refunded", **named, data=data))


def _paid_back(payments: Iterable[Body], lines: Iterable[Body]) -> tuple[float | None, str | None]:
    """What was paid back in the shop's currency, and which that is: by the payments, or by the lines without any."""
    of_payments = [(_money(p, "amount"), first_text(_currency_of(p, "amount"), p.get("currency"))) for p in payments]
    of_lines = [(_money(line, name), _currency_of(line, name)) for line in lines for name in ("subtotal", "total_tax")]
    parts = [(part, currency) for part, currency in of_payments or of_lines if part is not None]
    total = round(sum(part for part, _ in parts), 6)
    return (abs(total) if parts else None), next((currency for _, currency in parts if currency), None)


def _returned(line: Body) -> dict[str, Any]:
    return counted(_sku(mapping(line, "line_item")), line)


def _fulfillment(body: Body) -> Translation:
    status = text(body.get("status"))
    if status in ("cancelled", "error", "failure"):
        return ignored(f"nothing was sent: its status is '{status}'")
    return translated(
        event(
            "order.shipped",
            source=SOURCE,
            id=f"fulfillments/{needed_id(body, 'id')}",
            time=needed_time(body, "created_at"),
            data={
                "order_id": needed_id(body, "order_id"),
                "carrier": text(body.get("tracking_company")),
                "location": text(body.get("location_id")),
            },
        )
    )


def _inventory_level(body: Body, skus: Mapping[str, str]) -> Translation:
    item, available = needed_id(body, "inventory_item_id"), number(body.get("available"))
    if available is None:
        return ignored("its stock is not tracked")
    location = text(body.get("location_id"))
    changed = needed_time(body, "updated_at")
    return translated(
        event(
            "stock.level",
            source=SOURCE,
            id=f"inventory_levels/{item}/{location or ''}/{changed}",
            time=changed,
            data={"sku": skus.get(item_name(item), item), "available": available, "location": location},
        )
    )


def _product_listed(body: Body) -> Translation:
    if text(body.get("status")) not in (None, "active"):
        return ignored("the product is not on sale yet")
    product, created = needed_id(body, "id"), needed_time(body, "published_at", "created_at", "updated_at")
    listed = [
        event(
            "product.listed",
            source=SOURCE,
            id=f"variants/{needed_id(variant, 'id')}/listed",
            time=created,
            data={
                "sku": _sku_of_variant(variant, product),
                "price": amount(variant.get("price")),
                "category": text(body.get("product_type")),
                "supplier": text(body.get("vendor")),
            },
        )
        for variant in objects(body.get("variants"))
    ]
    if not listed:
        return ignored("it has no variants")
    return Translation((*listed, *_prices(body)), skus=_skus(body))


def _product_updated(body: Body) -> Translation:
    prices = _prices(body)
    return Translation(tuple(prices), "" if prices else "no variant of it has a price", _skus(body))


def _inventory_item(body: Body) -> Translation:
    item, sku = needed_id(body, "id"), text(body.get("sku"))
    if sku is None:
        return ignored("it has no sku")
    return Translation(reason="its sku is known now", skus={item_name(item): sku})


def _skus(body: Body) -> dict[str, str]:
    """What the inventory items of a product's variants are called elsewhere."""
    product = body.get("id")
    items = ((text(v.get("inventory_item_id")), _sku_of_variant(v, product)) for v in objects(body.get("variants")))
    return {item_name(item): sku for item, sku in items if item is not None}


def _sku_of_variant(variant: Body, product: Any) -> str:
    return _sku({"product_id": product, "variant_id": variant.get("id"), **variant})


def _prices(body: Body) -> list[dict[str, Any]]:
    """The prices of a product's variants as they are now; which of them changed it does not say."""
    product, prices = needed_id(body, "id"), []
    for variant in objects(body.get("variants")):
        price = amount(variant.get("price"))
        if price is None:
            continue
        changed = needed_time({"updated_at": variant.get("updated_at") or body.get("updated_at")}, "updated_at")
        number_of_variant = needed_id(variant, "id")
        data = {"sku": _sku_of_variant(variant, product), "price": price}
        of = f"variants/{number_of_variant}/price/{changed}"
        prices.append(event("price.changed", source=SOURCE, id=of, time=changed, data=data))
    return prices


def _checkout(body: Body) -> Translation:
    checkout = needed_id(body, "token", "id")
    return translated(
        event(
            "checkout.started",
            source=SOURCE,
            id=f"checkouts/{checkout}",
            time=needed_time(body, "created_at"),
            data={
                "checkout_id": checkout,
                "total": amount(body.get("total_price")),
                "lines": [_in_cart(line) for line in objects(body.get("line_items"))],
                "customer": _customer(body),
                "channel": text(body.get("source_name")),
                "campaign": campaign(body.get("landing_site")),
                "country": _country(body),
                "currency": text(body.get("currency")),
            },
        )
    )


def _cart(body: Body) -> Translation:
    cart, changed = needed_id(body, "token", "id"), needed_time(body, "updated_at", "created_at")
    held = [*objects(body.get("line_items"))]
    worth = [part for line in held if (part := _money(line, "line_price")) is not None]
    return translated(
        event(
            "cart.updated",
            source=SOURCE,
            id=f"carts/{cart}/{changed}",
            time=changed,
            data={
                "cart_id": cart,
                "lines": [_in_cart(line) for line in held],
                "total": max(0.0, round(sum(worth), 6)),
                "currency": first_text(*(_currency_of(line, "line_price") for line in held)),
            },
        )
    )


def _payment(body: Body) -> Translation:
    status = text(body.get("status"))
    if status not in ("failure", "error"):
        return ignored("no payment failed")
    return translated(
        event(
            "payment.failed",
            source=SOURCE,
            id=f"transactions/{needed_id(body, 'id')}",
            time=needed_time(body, "created_at", "processed_at"),
            data={
                "order_id": text(body.get("order_id")),
                "total": amount(body.get("amount")),
                "provider": text(body.get("gateway")),
                "reason": text(body.get("error_code")),
                "channel": text(body.get("source_name")),
                "currency": text(body.get("currency")),
            },
        )
    )


_READERS: Mapping[str, Callable[[Body], Translation]] = {
    "orders/create": _order_placed,
    "orders/cancelled": _order_cancelled,
    "refunds/create": _refund,
    "fulfillments/create": _fulfillment,
    "inventory_items/create": _inventory_item,
    "inventory_items/update": _inventory_item,
    "products/create": _product_listed,
    "products/update": _product_updated,
    "checkouts/create": _checkout,
    "checkouts/update": _checkout,
    "carts/create": _cart,
    "carts/update": _cart,
    "order_transactions/create": _payment,
}
_LEVELS = ("inventory_levels/update",)
TOPICS = (*_READERS, *_LEVELS)
WITHOUT_SKU = frozenset(_LEVELS)
"""Topics that name an inventory item, whose sku the others tell."""


# ---- parts of its bodies ---------------------------------------------------------------------------------------------


def _sku(line: Body) -> str:
    """The sku; without one the number of the variant or the product, so that the same product has always the same."""
    return first_text(line.get("sku"), line.get("variant_id"), line.get("product_id")) or NO_SKU


def _priced(line: Body) -> dict[str, Any]:
    return {**counted(_sku(line), line), "unit_price": _money(line, "price") or 0}


def _in_cart(line: Body) -> dict[str, Any]:
    price = _money(line, "price")
    priced = {} if price is None else {"unit_price": price}
    return {**counted(_sku(line), line), **priced}


def _money(body: Body, name: str) -> float | None:
    """An amount in the shop's currency: of `total_price` that is `total_price_set.shop_money`, or else the field."""
    amount_of_shop = number(mapping(body, f"{name}_set", "shop_money").get("amount"))
    return number(body.get(name)) if amount_of_shop is None else amount_of_shop


def _currency_of(body: Body, name: str) -> str | None:
    return text(mapping(body, f"{name}_set", "shop_money").get("currency_code"))


def _customer(body: Body) -> str | None:
    return pseudonym(mapping(body, "customer").get("id"))


def _country(body: Body) -> str | None:
    addresses = (mapping(body, name) for name in ("shipping_address", "billing_address"))
    return first_text(*(address.get("country_code") for address in addresses))
