"""WooCommerce: topics of its webhooks → events.

It sends the whole order whenever anything of it changes, and never says what: the state that it is in has to do.

- An order is placed when it has left its draft. A shop with the block checkout makes a draft as soon as somebody looks
  at the checkout (that is a `checkout.started`), and the order itself comes as `order.updated`. So both topics tell of
  it, named alike, `orders/727/placed`: it counts once. An update tells of it for an hour from the order's beginning:
  who edits an order weeks later places nothing.
- `orders/727/cancelled` and the like are named by the order and its state: edits of a cancelled order count nothing. (A
  repeat is known for 8,192 records of its partition at least; an edit long after that would count again.)
- How something is (stock, a price) is named by the product and `date_modified_gmt`: a retry counts once, a later change
  counts again.

Its local times have no zone and are not read; `…_gmt` are.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from lockstep.adapters.inbound.foreign_values import (
    NO_SKU,
    amount,
    counted,
    first_text,
    host,
    mapping,
    needed_id,
    needed_number,
    needed_time,
    number,
    objects,
    pseudonym,
    text,
    time,
)
from lockstep.adapters.inbound.translation import Translation, event, ignored, translated

TOPIC_IN = "X-WC-Webhook-Topic"
TOLD_OF = timedelta(hours=1)
"""For so long from its beginning an update of an order still says that it was placed."""

Body = Mapping[str, Any]
Event = Mapping[str, Any]

_DRAFTS = ("auto-draft", "draft", "checkout-draft", "new", "trash")
_NOT_PLACED = ("cancelled", "refunded", "failed")
_WITHOUT_A_PRICE = ("variable", "grouped")
"""Types of products whose price is that of the least of their parts."""


def translate(topic: str, body: Body, headers: Mapping[str, str], skus: Mapping[str, str]) -> Translation:
    """headers: in lower case. skus: none are asked for. Raises BadPayload."""
    reader = _READERS.get(topic)
    if reader is None:
        return ignored(f"topic '{topic[:100]}' says nothing that rules read")
    return reader(body, _source(body, headers))


def _source(body: Body, headers: Mapping[str, str]) -> str:
    """The shop, as its ids are its own: by the links in the signed body, which all its answers carry."""
    links = [*objects(mapping(body, "_links").get("self"))]
    shop = host(links[0].get("href")) if links else ""
    return f"/woocommerce/{shop or host(headers.get('x-wc-webhook-source'))}"


def _order_created(body: Body, source: str) -> Translation:
    order, status = needed_id(body, "id"), text(body.get("status")) or ""
    if status == "checkout-draft":
        return translated(_checkout(body, source, order))
    if status in _DRAFTS:
        return ignored("it is a draft")
    if status in _NOT_PLACED:
        return _order_updated(body, source)
    return translated(_placed(body, source, order, needed_time(body, "date_created_gmt")))


def _order_updated(body: Body, source: str) -> Translation:
    order, status = needed_id(body, "id"), text(body.get("status")) or ""
    if status == "checkout-draft":
        return translated(_checkout(body, source, order))
    if status in _DRAFTS:
        return ignored("it is a draft")
    changed = needed_time(body, "date_modified_gmt", "date_created_gmt")
    events: list[Event] = []
    if status not in _NOT_PLACED and _is_young(body, changed):
        events.append(_placed(body, source, order, changed))
    events += [_refund(body, source, order, part, changed) for part in _refunds(body) if status != "refunded"]
    if status == "completed":
        events.append(_shipped(body, source, order, changed))
    elif status in _ENDS:
        events.append(_ENDS[status](body, source, order, changed))
    return Translation(tuple(events)) if events else ignored(f"nothing of it has come to an end: it is '{status}'")


def _is_young(body: Body, changed: str) -> bool:
    created = time(body.get("date_created_gmt"))
    return created is None or datetime.fromisoformat(changed) - datetime.fromisoformat(created) <= TOLD_OF


def _placed(body: Body, source: str, order: str, at: str) -> Event:
    return event(
        "order.placed",
        source=source,
        id=f"orders/{order}/placed",
        time=at,
        data={
            "order_id": order,
            "total": needed_number(body, "total"),
            "lines": [_priced(line) for line in objects(body.get("line_items"))],
            "customer": _customer(body),
            "channel": _channel(body),
            "campaign": _meta(body, "_wc_order_attribution_utm_campaign"),
            "country": _country(body),
            "currency": text(body.get("currency")),
            "shipping": number(body.get("shipping_total")),
        },
    )


def _checkout(body: Body, source: str, order: str) -> Event:
    return event(
        "checkout.started",
        source=source,
        id=f"orders/{order}/checkout",
        time=needed_time(body, "date_created_gmt"),
        data={
            "checkout_id": order,
            "total": amount(body.get("total")),
            "lines": [_priced(line) for line in objects(body.get("line_items"))],
            "customer": _customer(body),
            "country": _country(body),
            "currency": text(body.get("currency")),
        },
    )


def _shipped(body: Body, source: str, order: str, changed: str) -> Event:
    """`completed` is what WooCommerce calls an order of which nothing is left to do."""
    sent, placed = time(body.get("date_completed_gmt")) or changed, time(body.get("date_created_gmt"))
    took = None
    if placed is not None:
        took = (datetime.fromisoformat(sent) - datetime.fromisoformat(placed)).total_seconds() / 3600
    data = {"order_id": order, "hours_to_ship": None if took is None or took < 0 else round(took, 4)}
    return event("order.shipped", source=source, id=f"orders/{order}/completed", time=sent, data=data)


def _cancelled(body: Body, source: str, order: str, changed: str) -> Event:
    data = {
        "order_id": order,
        "total": number(body.get("total")),
        "channel": _channel(body),
        "currency": text(body.get("currency")),
    }
    return event("order.cancelled", source=source, id=f"orders/{order}/cancelled", time=changed, data=data)


def _returned(body: Body, source: str, order: str, changed: str) -> Event:
    """An order that is wholly refunded; whether every product of it came back, WooCommerce does not know."""
    back = [part for refund in _refunds(body) if (part := number(refund.get("total"))) is not None]
    data = {
        "order_id": order,
        "lines": [counted(_of_line(line), line) for line in objects(body.get("line_items"))],
        "total": abs(round(sum(back), 6)) if back else number(body.get("total")),
        "channel": _channel(body),
        "currency": text(body.get("currency")),
    }
    return event("order.returned", source=source, id=f"orders/{order}/refunded", time=changed, data=data)


def _failed(body: Body, source: str, order: str, changed: str) -> Event:
    """Each try to pay that fails is one: the order is the same, the time is not."""
    data = {
        "order_id": order,
        "total": amount(body.get("total")),
        "method": text(body.get("payment_method")),
        "customer": _customer(body),
        "channel": _channel(body),
        "country": _country(body),
        "currency": text(body.get("currency")),
    }
    return event("payment.failed", source=source, id=f"orders/{order}/failed/{changed}", time=changed, data=data)


_ENDS: Mapping[str, Callable[[Body, str, str, str], Event]] = {
    "cancelled": _cancelled,
    "refunded": _returned,
    "failed": _failed,
}
"""Status of an order → what has become of it."""


def _refunds(body: Body) -> list[Body]:
    return [*objects(body.get("refunds"))]


def _refund(body: Body, source: str, order: str, refund: Body, changed: str) -> Event:
    """A part of the money; of what it is, the order does not say."""
    data = {
        "order_id": order,
        "total": abs(needed_number(refund, "total")),
        "channel": _channel(body),
        "currency": text(body.get("currency")),
    }
    of = f"orders/{order}/refunds/{needed_id(refund, 'id')}"
    return event("order.refunded", source=source, id=of, time=changed, data=data)


def _product_created(body: Body, source: str) -> Translation:
    product, status = needed_id(body, "id"), text(body.get("status"))
    if status not in (None, "publish"):
        return ignored("the product is not on sale yet")
    data = {
        "sku": _sku(body),
        "price": amount(body.get("price")),
        "category": first_text(*(part.get("name") for part in objects(body.get("categories")))),
    }
    created = needed_time(body, "date_created_gmt", "date_modified_gmt")
    listed = event("product.listed", source=source, id=f"products/{product}/listed", time=created, data=data)
    return translated(listed, *_levels(body, source, product))


def _product_updated(body: Body, source: str) -> Translation:
    levels = _levels(body, source, needed_id(body, "id"))
    return translated(*levels) if levels else ignored("it has neither a stock that is counted nor a price of its own")


def _levels(body: Body, source: str, product: str) -> list[Event]:
    """What a product costs and how much of it can be sold, as it is now."""
    sku = _sku(body)
    levels: list[Event] = []
    changed = needed_time(body, "date_modified_gmt", "date_created_gmt")
    price, stock = amount(body.get("price")), number(body.get("stock_quantity"))
    if price is not None and text(body.get("type")) not in _WITHOUT_A_PRICE:
        of = f"products/{product}/price/{changed}"
        levels.append(event("price.changed", source=source, id=of, time=changed, data={"sku": sku, "price": price}))
    # `manage_stock` is "parent" where a variation sells from the stock of its product, which tells of it itself.
    if stock is not None and body.get("manage_stock") is True:
        of = f"products/{product}/stock/{changed}"
        levels.append(event("stock.level", source=source, id=of, time=changed, data={"sku": sku, "available": stock}))
    return levels


_READERS: Mapping[str, Callable[[Body, str], Translation]] = {
    "order.created": _order_created,
    "order.updated": _order_updated,
    "product.created": _product_created,
    "product.updated": _product_updated,
}
TOPICS = tuple(_READERS)


# ---- parts of its bodies ---------------------------------------------------------------------------------------------


def _sku(product: Body) -> str:
    """The sku; without one the product's number, so that the same product has always the same."""
    return first_text(product.get("sku"), product.get("id")) or NO_SKU


def _of_line(line: Body) -> str:
    # A variation that is none is 0 there.
    return first_text(line.get("sku"), line.get("variation_id") or None, line.get("product_id") or None) or NO_SKU


def _priced(line: Body) -> dict[str, Any]:
    return {**counted(_of_line(line), line), "unit_price": number(line.get("price")) or 0}


def _channel(body: Body) -> str | None:
    """Where it was sold: both kinds of checkout are the web; else what made the order, `admin` or a program."""
    via = text(body.get("created_via"))
    return "web" if via in ("checkout", "store-api") else via


def _customer(body: Body) -> str | None:
    return pseudonym(body.get("customer_id") or None)  # 0: a guest


def _country(body: Body) -> str | None:
    return first_text(*(mapping(body, name).get("country") for name in ("shipping", "billing")))


def _meta(body: Body, key: str) -> str | None:
    return first_text(*(entry.get("value") for entry in objects(body.get("meta_data")) if entry.get("key") == key))
