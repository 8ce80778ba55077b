"""Segment: events of its e-commerce specification → events.

Each call has an id of its own, `messageId`, which its retries keep: that names the event.

A page is a visit only where it is the first one of it: where its referrer is of another host, or none. The other pages
belong to a visit that is counted already. Of a page only its path stays, of a referrer only of which kind it is.
"""

from collections.abc import Callable, Mapping
from typing import Any

from lockstep.adapters.inbound.foreign_values import (
    NO_SKU,
    amount,
    first_number,
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
)
from lockstep.adapters.inbound.translation import Translation, event, ignored, translated

SOURCE = "/segment"

Body = Mapping[str, Any]

_SEARCH = ("google", "bing", "duckduckgo", "yahoo", "ecosia", "yandex", "baidu", "qwant", "startpage")
_SOCIAL = (
    "facebook",
    "instagram",
    "tiktok",
    "pinterest",
    "twitter",
    "linkedin",
    "youtube",
    "reddit",
    "snapchat",
)


def translate(topic: str, body: Body, headers: Mapping[str, str], skus: Mapping[str, str]) -> Translation:
    """skus: none are asked for. Raises BadPayload."""
    reader = _READERS.get(topic)
    if reader is None:
        return ignored(f"'{topic[:100]}' says nothing that rules read")
    return reader(body)


def topic_of(body: Body) -> str:
    """The name of a track call, else the kind of call, as `page`; both in lower case, `order completed`."""
    call = text(body.get("type")) or ""
    return ((text(body.get("event")) or "") if call == "track" else call).lower()


def _event(body: Body, kind: str, data: Mapping[str, Any]) -> Translation:
    at = needed_time(body, "timestamp", "originalTimestamp", "sentAt", "receivedAt")
    return translated(event(kind, source=SOURCE, id=needed_id(body, "messageId"), time=at, data=data))


def _order_placed(body: Body) -> Translation:
    said = mapping(body, "properties")
    data = {
        "order_id": needed_id(said, "order_id", "orderId"),
        "total": needed_number(said, "total", "revenue", "value"),
        "lines": [{**line, "unit_price": line.get("unit_price", 0)} for line in _lines(said)],
        "customer": _customer(body),
        "channel": first_text(said.get("affiliation"), _channel(body)),
        "campaign": _campaign(body),
        "country": _country(body),
        "currency": text(said.get("currency")),
        "shipping": number(said.get("shipping")),
    }
    return _event(body, "order.placed", data)


def _order_cancelled(body: Body) -> Translation:
    return _event(body, "order.cancelled", _undone(body, _total(mapping(body, "properties"))))


def _order_refunded(body: Body) -> Translation:
    said = mapping(body, "properties")
    lines, total = _lines(said), _total(said)
    data = _undone(body, None if total is None else abs(total))
    if lines:
        back = [{"sku": line["sku"], "quantity": line["quantity"]} for line in lines]
        return _event(body, "order.returned", {**data, "lines": back})
    return (
        _event(body, "order.refunded", data) if total else ignored("it names neither products nor what was paid back")
    )


def _undone(body: Body, total: float | None) -> dict[str, Any]:
    """What is said of an order that is cancelled or paid back. total: what of it is."""
    said = mapping(body, "properties")
    return {
        "order_id": needed_id(said, "order_id", "orderId"),
        "total": total,
        "channel": first_text(said.get("affiliation"), _channel(body)),
        "currency": text(said.get("currency")),
    }


def _checkout(body: Body) -> Translation:
    said = mapping(body, "properties")
    data = {
        "checkout_id": first_text(said.get("checkout_id"), said.get("order_id")),
        "total": amount(_total(said)),
        "lines": _lines(said),
        "visitor": _visitor(body),
        "customer": _customer(body),
        "channel": _channel(body),
        "campaign": _campaign(body),
        "country": _country(body),
        "currency": text(said.get("currency")),
    }
    return _event(body, "checkout.started", data)


def _cart(action: str) -> Callable[[Body], Translation]:
    def reader(body: Body) -> Translation:
        said = mapping(body, "properties")
        data = {
            "cart_id": text(said.get("cart_id")),
            "action": action,
            "lines": [_line(said)],
            "visitor": _visitor(body),
            "customer": _customer(body),
            "channel": _channel(body),
            "campaign": _campaign(body),
            "country": _country(body),
            "currency": text(said.get("currency")),
        }
        return _event(body, "cart.updated", data)

    return reader


def _product_viewed(body: Body) -> Translation:
    data = {
        "sku": _sku(mapping(body, "properties")),
        "visitor": _visitor(body),
        "channel": _channel(body),
        "campaign": _campaign(body),
        "country": _country(body),
    }
    return _event(body, "product.viewed", data)


def _page(body: Body) -> Translation:
    page, said = mapping(body, "context", "page"), mapping(body, "properties")
    here = host(first_text(said.get("url"), page.get("url")))
    referrer = host(first_text(said.get("referrer"), page.get("referrer")))
    if here and referrer == here:
        return ignored("a page within a visit that is counted already")
    data = {
        "visitor": _visitor(body),
        "channel": _came_from(body, referrer),
        "campaign": _campaign(body),
        "landing": first_text(said.get("path"), page.get("path")),
        "country": _country(body),
    }
    return _event(body, "traffic.session", data)


def _app_opened(body: Body) -> Translation:
    data = {"visitor": _visitor(body), "channel": "app", "campaign": _campaign(body), "country": _country(body)}
    return _event(body, "traffic.session", data)


_READERS: Mapping[str, Callable[[Body], Translation]] = {
    "order completed": _order_placed,
    "order cancelled": _order_cancelled,
    "order refunded": _order_refunded,
    "checkout started": _checkout,
    "product viewed": _product_viewed,
    "product added": _cart("added"),
    "product removed": _cart("removed"),
    "application opened": _app_opened,
    "page": _page,
    "page viewed": _page,
}
TOPICS = tuple(_READERS)


# ---- parts of its calls ----------------------------------------------------------------------------------------------


def _total(said: Body) -> float | None:
    return first_number(said.get("total"), said.get("revenue"), said.get("value"))


def _lines(said: Body) -> list[dict[str, Any]]:
    return [_line(product) for product in objects(said.get("products"))]


def _line(product: Body) -> dict[str, Any]:
    """A product of a call; one without a quantity is one piece."""
    quantity, price = amount(product.get("quantity")), number(product.get("price"))
    priced = {} if price is None else {"unit_price": price}
    return {"sku": _sku(product), "quantity": 1 if quantity is None else quantity, **priced}


def _sku(product: Body) -> str:
    return first_text(product.get("sku"), product.get("product_id"), product.get("id")) or NO_SKU


def _visitor(body: Body) -> str | None:
    return pseudonym(body.get("anonymousId"), body.get("userId"))


def _customer(body: Body) -> str | None:
    return pseudonym(body.get("userId"), body.get("anonymousId"))


def _campaign(body: Body) -> str | None:
    return text(mapping(body, "context", "campaign").get("name"))


def _country(body: Body) -> str | None:
    return text(mapping(body, "context", "location").get("country"))


def _channel(body: Body) -> str | None:
    """Where somebody shops: on the web or in the app; what a server sends on its own says neither."""
    return {"browser": "web", "client": "web", "mobile": "app"}.get(text(body.get("channel")) or "")


def _came_from(body: Body, referrer: str) -> str:
    """What brought a visit here, in few words, as rules are by it: the campaign's source, or the kind of referrer."""
    source = text(mapping(body, "context", "campaign").get("source"))
    if source is not None:
        return source
    if not referrer:
        return "direct"
    names = set(referrer.split("."))
    if names.intersection(_SEARCH):
        return "search"
    return "social" if names.intersection(_SOCIAL) else "referral"
