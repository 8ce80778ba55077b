"""Bodies of Shopify, WooCommerce and Segment as events of ours: which, with which values, named by what."""

import json
from typing import Any

import pytest
from payloads import (
    BODIES,
    PRIVATE,
    SEGMENT,
    SHOPIFY,
    SHOPIFY_CART,
    SHOPIFY_FULFILLMENT,
    SHOPIFY_ITEM,
    SHOPIFY_LEVEL,
    SHOPIFY_ORDER,
    SHOPIFY_PAYMENT,
    SHOPIFY_PRODUCT,
    SHOPIFY_REFUND,
    WOO_ORDER,
    WOO_PRODUCT,
    call,
    changed,
    money,
)

from lockstep.adapters.inbound.senders import SENDERS
from lockstep.adapters.inbound.translation import BadPayload
from lockstep.event import parse_event

BY_NAME = {sender.name: sender for sender in SENDERS}


def translated(
    sender: str,
    topic: str,
    body: dict[str, Any],
    headers: dict[str, str] | None = None,
    skus: dict[str, str] | None = None,
) -> Any:
    """What comes of a body, held to the contract."""
    found = BY_NAME[sender].translate(topic, body, headers or {}, skus or {})
    for event in found.events:
        parse_event(json.dumps(event).encode())
    return found


def told(sender: str, topic: str, body: dict[str, Any]) -> list[tuple[str, str, str, dict[str, Any]]]:
    """(type, id, time, data) of each event."""
    return [(e["type"], e["id"], e["time"], e["data"]) for e in translated(sender, topic, body).events]


def shopify(topic: str, body: dict[str, Any]) -> list[tuple[str, str, str, dict[str, Any]]]:
    return told("shopify", topic, body)


def woo(topic: str, body: dict[str, Any]) -> list[tuple[str, str, str, dict[str, Any]]]:
    return told("woocommerce", topic, body)


def segment(topic: str) -> list[tuple[str, str, str, dict[str, Any]]]:
    return told("segment", topic, SEGMENT[topic])


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)
def test_each_topic_has_a_body_that_becomes_events(sender: Any) -> None:
    """What is declared is translated, and what is translated is declared."""
    bodies = BODIES[sender.name]
    assert {*bodies} == {*sender.topics}
    for topic, body in bodies.items():
        became = translated(sender.name, topic, body)
        assert became.events or became.skus, topic


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)
def test_of_people_only_a_number_stays(sender: Any) -> None:
    """No name, mail, telephone, address, note or query of a visitor."""
    for topic, body in BODIES[sender.name].items():
        said = json.dumps([dict(e) for e in translated(sender.name, topic, body).events])
        assert [word for word in PRIVATE if word in said] == [], topic


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)
def test_another_topic_is_ignored_with_a_reason(sender: Any) -> None:
    """It says which."""
    found = translated(sender.name, "customers/redact", {"id": 1})
    assert (found.events, "customers/redact" in found.reason) == ((), True)


# ---- Shopify ---------------------------------------------------------------------------------------------------------

MUG = {"sku": "MUG-BLUE", "quantity": 2.0, "unit_price": 12.5}


def test_shopify_order() -> None:
    """Texts are numbers, skus that are null fall back to variant and product, money is the shop's own."""
    assert shopify("orders/create", SHOPIFY_ORDER) == [
        (
            "order.placed",
            "orders/5501234567890/placed",
            "2026-11-24T09:30:00+00:00",
            {
                "order_id": "5501234567890",
                "total": 33.49,
                "lines": [
                    MUG,
                    {"sku": "9102", "quantity": 1.0, "unit_price": 4.99},
                    {"sku": "none", "quantity": 1.0, "unit_price": 0.0},
                ],
                "customer": "7001",
                "channel": "web",
                "campaign": "autumn",
                "country": "GB",
                "currency": "GBP",
                "shipping": 3.5,
            },
        )
    ]


def test_shopify_cancellation() -> None:
    """Named by the order and not by the attempt; an order that is not cancelled is none."""
    assert shopify("orders/cancelled", SHOPIFY["orders/cancelled"]) == [
        (
            "order.cancelled",
            "orders/5501234567890/cancelled",
            "2026-11-24T11:00:00+00:00",
            {
                "order_id": "5501234567890",
                "total": 33.49,
                "channel": "web",
                "reason": "customer",
                "currency": "GBP",
            },
        )
    ]
    with pytest.raises(BadPayload, match="cancelled_at"):
        shopify("orders/cancelled", SHOPIFY_ORDER)


def _refund(**line: Any) -> dict[str, Any]:
    return changed(SHOPIFY_REFUND, refund_line_items=[{**SHOPIFY_REFUND["refund_line_items"][0], **line}])


RETURNED = {
    "order_id": "5501234567890",
    "total": 12.5,
    "currency": "GBP",
    "lines": [{"sku": "MUG-BLUE", "quantity": 1}],
}
REFUNDED = {"order_id": "5501234567890", "total": 12.5, "currency": "GBP"}


@pytest.mark.parametrize(
    ("refund", "kind", "data"),
    [
        pytest.param(SHOPIFY_REFUND, "order.returned", RETURNED, id="what came back is a return"),
        pytest.param(_refund(restock_type="no_restock"), "order.refunded", REFUNDED, id="money alone is none"),
        pytest.param(_refund(restock_type="cancel"), "order.refunded", REFUNDED, id="nor is what never left"),
        pytest.param(
            changed(_refund(restock_type="no_restock"), **{"return": {"id": 5}}),
            "order.returned",
            RETURNED,
            id="a return that was not put back on the shelf is one",
        ),
        pytest.param(
            changed(SHOPIFY_REFUND, transactions=[]), "order.returned", RETURNED, id="without a payment, by the lines"
        ),
        pytest.param(
            changed(SHOPIFY_REFUND, refund_line_items=[]), "order.refunded", REFUNDED, id="a refund of shipping"
        ),
    ],
)
def test_shopify_refund(refund: dict[str, Any], kind: str, data: dict[str, Any]) -> None:
    """A return is products; money is not. Both are named by the refund."""
    assert shopify("refunds/create", refund) == [(kind, "refunds/8801", "2026-11-26T09:00:00+00:00", data)]


def test_shopify_refund_of_nothing_says_nothing() -> None:
    """A cancelled order without payment makes one of them."""
    nothing = changed(SHOPIFY_REFUND, transactions=[], refund_line_items=[])
    assert translated("shopify", "refunds/create", nothing).reason == "nothing was paid back, and nothing came back"


def test_shopify_fulfillment() -> None:
    """What left, by whom and from where; one that failed left nothing."""
    assert shopify("fulfillments/create", SHOPIFY_FULFILLMENT) == [
        (
            "order.shipped",
            "fulfillments/6601",
            "2026-11-25T14:00:00+00:00",
            {"order_id": "5501234567890", "carrier": "Royal Mail", "location": "301"},
        )
    ]
    failed = translated("shopify", "fulfillments/create", changed(SHOPIFY_FULFILLMENT, status="failure"))
    assert failed.reason == "nothing was sent: its status is 'failure'"


def test_shopify_stock() -> None:
    """A retry has the same id, a later level another one."""
    at = "2026-11-24T09:31:00+00:00"
    level = ("stock.level", f"inventory_levels/4401/301/{at}", at, {"sku": "4401", "available": 12, "location": "301"})
    assert shopify("inventory_levels/update", SHOPIFY_LEVEL) == [level]
    (later,) = shopify("inventory_levels/update", changed(SHOPIFY_LEVEL, updated_at="2026-11-24T10:40:00+01:00"))
    assert later[1] != level[1]
    untracked = translated("shopify", "inventory_levels/update", changed(SHOPIFY_LEVEL, available=None))
    assert untracked.reason == "its stock is not tracked"


def test_shopify_stock_is_named_by_what_products_say() -> None:
    """An inventory item is a number; its sku, or that of its variant, stands with the product or with the item."""
    items = {"shopify/inventory_items/4401": "MUG-BLUE", "shopify/inventory_items/4402": "9102"}
    for topic in ("products/create", "products/update"):
        assert translated("shopify", topic, SHOPIFY_PRODUCT).skus == items
    item = translated("shopify", "inventory_items/update", SHOPIFY_ITEM)
    assert (item.skus, item.events, item.reason) == (
        {"shopify/inventory_items/4401": "MUG-BLUE"},
        (),
        "its sku is known now",
    )
    (level,) = translated("shopify", "inventory_levels/update", SHOPIFY_LEVEL, skus=item.skus).events
    assert level["data"]["sku"] == "MUG-BLUE"


def test_shopify_product() -> None:
    """Each variant is a product; its price is named by when the variant changed, so what did not change is a repeat."""
    prices = [
        (
            "price.changed",
            "variants/9101/price/2026-11-24T10:32:00+00:00",
            "2026-11-24T10:32:00+00:00",
            {"sku": "MUG-BLUE", "price": 12.5},
        ),
        (
            "price.changed",
            "variants/9102/price/2026-11-23T08:00:00+00:00",
            "2026-11-23T08:00:00+00:00",
            {"sku": "9102", "price": 4.99},
        ),
    ]
    listed = {"category": "mugs", "supplier": "Kiln & Co"}
    at = "2026-11-20T09:05:00+00:00"
    assert shopify("products/update", SHOPIFY_PRODUCT) == prices
    assert shopify("products/create", SHOPIFY_PRODUCT) == [
        ("product.listed", "variants/9101/listed", at, {"sku": "MUG-BLUE", "price": 12.5, **listed}),
        ("product.listed", "variants/9102/listed", at, {"sku": "9102", "price": 4.99, **listed}),
        *prices,
    ]
    draft = translated("shopify", "products/create", changed(SHOPIFY_PRODUCT, status="draft", published_at=None))
    assert draft.reason == "the product is not on sale yet"


def test_shopify_cart_and_checkout() -> None:
    """The whole cart, in the shop's currency, as often as it changes; a checkout once."""
    in_cart = {"sku": "MUG-BLUE", "quantity": 3, "unit_price": 12.5}
    at = "2026-11-24T09:20:00+00:00"
    cart = {"cart_id": "hWN1", "lines": [in_cart], "total": 37.5, "currency": "GBP"}
    assert shopify("carts/update", SHOPIFY_CART) == [("cart.updated", f"carts/hWN1/{at}", at, cart)]
    assert shopify("carts/update", changed(SHOPIFY_CART, line_items=[]))[0][3] == {
        "cart_id": "hWN1",
        "lines": [],
        "total": 0,
    }
    (created,) = shopify("checkouts/create", SHOPIFY["checkouts/create"])
    later = changed(SHOPIFY["checkouts/create"], updated_at="2026-11-24T11:00:00+01:00", total_price="40.00")
    (updated,) = shopify("checkouts/update", later)
    assert created[:3] == updated[:3] == ("checkout.started", "checkouts/c0ffee", "2026-11-24T09:25:00+00:00")
    assert created[3] == {
        "checkout_id": "c0ffee",
        "total": 33.49,
        "lines": [MUG],
        "customer": "7001",
        "channel": "web",
        "campaign": "autumn",
        "country": "GB",
        "currency": "GBP",
    }


def test_shopify_payment() -> None:
    """One that fails is told, one that works is none of ours."""
    assert shopify("order_transactions/create", SHOPIFY_PAYMENT) == [
        (
            "payment.failed",
            "transactions/3301",
            "2026-11-24T09:29:00+00:00",
            {
                "order_id": "5501234567890",
                "total": 33.49,
                "provider": "shopify_payments",
                "reason": "card_declined",
                "channel": "web",
                "currency": "GBP",
            },
        )
    ]
    worked = translated("shopify", "order_transactions/create", changed(SHOPIFY_PAYMENT, status="success"))
    assert worked.reason == "no payment failed"


@pytest.mark.parametrize(
    ("topic", "body", "headers"),
    [
        pytest.param("orders/create", changed(SHOPIFY_ORDER, test=True), {}, id="an order of the bogus gateway"),
        pytest.param("orders/create", SHOPIFY_ORDER, {"x-shopify-test": "true"}, id="a test notification"),
        pytest.param(
            "refunds/create",
            changed(SHOPIFY_REFUND, transactions=[{**SHOPIFY_REFUND["transactions"][0], "test": True}]),
            {},
            id="a refund of a test order",
        ),
    ],
)
def test_shopify_tests_count_nowhere(topic: str, body: dict[str, Any], headers: dict[str, str]) -> None:
    """Nobody ordered anything."""
    found = translated("shopify", topic, body, headers)
    assert (found.events, "test" in found.reason) == ((), True)


def test_shown_and_paid_in_two_currencies() -> None:
    """What a customer saw in euros is told in the shop's pounds, whatever the field beside it says."""
    order = changed(SHOPIFY_ORDER, total_price="39.90", total_price_set=money("33.49", "39.90"))
    assert shopify("orders/create", order)[0][3]["total"] == 33.49


# ---- WooCommerce -----------------------------------------------------------------------------------------------------

PLACED = {
    "order_id": "727",
    "total": 33.49,
    "lines": [MUG, {"sku": "23", "quantity": 1, "unit_price": 4.99}],
    "customer": "26",
    "channel": "web",
    "campaign": "autumn",
    "country": "GB",
    "currency": "GBP",
    "shipping": 3.5,
}


def _at(status: str, modified: str, **fields: Any) -> dict[str, Any]:
    return changed(WOO_ORDER, status=status, date_modified_gmt=modified, **fields)


def _kinds(topic: str, body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(kind, of) for kind, of, *_ in woo(topic, body)]


def test_woocommerce_order() -> None:
    """Times are those in UTC, ids those of the shop, a line without a sku is its variation."""
    (found,) = translated("woocommerce", "order.created", WOO_ORDER).events
    assert found["source"] == "/woocommerce/mugs.example"
    assert woo("order.created", WOO_ORDER) == [
        ("order.placed", "orders/727/placed", "2026-11-24T09:30:00+00:00", PLACED)
    ]
    assert "customer" not in woo("order.created", changed(WOO_ORDER, customer_id=0))[0][3]


@pytest.mark.parametrize(
    ("topic", "body", "expected"),
    [
        pytest.param(
            "order.created",
            _at("checkout-draft", "2026-11-24T09:30:00"),
            [("checkout.started", "orders/727/checkout")],
            id="a draft of the block checkout is a checkout",
        ),
        pytest.param(
            "order.updated",
            _at("pending", "2026-11-24T09:41:00"),
            [("order.placed", "orders/727/placed")],
            id="and becomes an order by an update",
        ),
        pytest.param(
            "order.updated", _at("processing", "2026-11-24T11:00:00"), [], id="an edit after an hour places nothing"
        ),
        pytest.param(
            "order.updated",
            _at("completed", "2026-11-26T09:30:00", date_completed_gmt="2026-11-25T09:30:00"),
            [("order.shipped", "orders/727/completed")],
            id="completed",
        ),
        pytest.param(
            "order.updated",
            _at("cancelled", "2026-11-26T09:30:00"),
            [("order.cancelled", "orders/727/cancelled")],
            id="cancelled",
        ),
        pytest.param(
            "order.updated",
            _at("refunded", "2026-11-26T09:30:00", refunds=[{"id": 9, "total": "-33.49"}]),
            [("order.returned", "orders/727/refunded")],
            id="refunded as a whole",
        ),
        pytest.param(
            "order.updated",
            _at("processing", "2026-11-26T09:30:00", refunds=[{"id": 9, "total": "-5.00"}]),
            [("order.refunded", "orders/727/refunds/9")],
            id="refunded in part",
        ),
        pytest.param(
            "order.created",
            _at("failed", "2026-11-24T09:30:05"),
            [("payment.failed", "orders/727/failed/2026-11-24T09:30:05+00:00")],
            id="a payment that failed is no order",
        ),
        pytest.param("order.updated", _at("trash", "2026-11-26T09:30:00"), [], id="thrown away"),
    ],
)
def test_woocommerce_states(topic: str, body: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """It sends the whole order each time: its state says what happened, once for each state; money has a currency."""
    assert _kinds(topic, body) == expected
    assert all("total" not in data or data["currency"] == "GBP" for _, _, _, data in woo(topic, body))
    assert bool(translated("woocommerce", topic, body).reason) == (not expected)


def test_woocommerce_amounts() -> None:
    """What is paid back is negative there, and how long it took is reckoned."""
    paid = _at("processing", "2026-11-26T09:30:00", refunds=[{"id": 9, "reason": "Agnes", "total": "-5.00"}])
    assert woo("order.updated", paid)[0][3] == {
        "order_id": "727",
        "total": 5,
        "channel": "web",
        "currency": "GBP",
    }
    sent = _at("completed", "2026-11-26T09:30:00", date_completed_gmt="2026-11-25T09:30:00")
    assert woo("order.updated", sent)[0][2:] == (
        "2026-11-25T09:30:00+00:00",
        {"order_id": "727", "hours_to_ship": 24},
    )


def test_woocommerce_product() -> None:
    """Price and stock as they are now; a variable product has neither of its own."""
    at = "2026-11-24T09:31:00+00:00"
    levels = [
        ("price.changed", f"products/93/price/{at}", at, {"sku": "MUG-BLUE", "price": 12.5}),
        ("stock.level", f"products/93/stock/{at}", at, {"sku": "MUG-BLUE", "available": 12}),
    ]
    listed = {"sku": "MUG-BLUE", "price": 12.5, "category": "mugs"}
    assert woo("product.updated", WOO_PRODUCT) == levels
    assert woo("product.created", WOO_PRODUCT) == [
        ("product.listed", "products/93/listed", "2026-11-20T09:00:00+00:00", listed),
        *levels,
    ]
    variable = changed(WOO_PRODUCT, type="variable", manage_stock=False, stock_quantity=None)
    assert translated("woocommerce", "product.updated", variable).reason
    of_its_parent = changed(WOO_PRODUCT, type="variation", manage_stock="parent", sku="")
    assert [(kind, data) for kind, _, _, data in woo("product.updated", of_its_parent)] == [
        ("price.changed", {"sku": "93", "price": 12.5})
    ]


# ---- Segment ---------------------------------------------------------------------------------------------------------


def test_segment_order() -> None:
    """Its specification's names, texts for numbers, one piece where no quantity stands."""
    assert segment("order completed") == [
        (
            "order.placed",
            "ajs-next-1-aaaa",
            "2026-11-24T09:30:00.123000+00:00",
            {
                "order_id": "o-50",
                "total": 33.49,
                "lines": [MUG, {"sku": "22", "quantity": 1, "unit_price": 4.99}],
                "customer": "u-7",
                "channel": "Mugs online",
                "campaign": "autumn",
                "country": "GB",
                "currency": "GBP",
                "shipping": 3.5,
            },
        )
    ]
    assert segment("order cancelled")[0][3] == {
        "order_id": "o-50",
        "total": 33.49,
        "channel": "web",
        "currency": "GBP",
    }
    assert segment("order refunded")[0][::3] == (
        "order.returned",
        {
            "order_id": "o-50",
            "total": 12.5,
            "channel": "web",
            "currency": "GBP",
            "lines": [{"sku": "MUG-BLUE", "quantity": 2}],
        },
    )
    money_alone = call("Order Refunded", {"order_id": "o-50", "total": 5, "currency": "GBP"})
    assert told("segment", "order refunded", money_alone)[0][::3] == (
        "order.refunded",
        {"order_id": "o-50", "total": 5, "channel": "web", "currency": "GBP"},
    )


WHO = {"visitor": "v-42", "customer": "u-7", "channel": "web", "campaign": "autumn", "country": "GB"}


def test_segment_carts() -> None:
    """What was put in, what was taken out, and who went on to pay."""
    lines = {topic: segment(topic)[0][::3] for topic in ("product added", "product removed", "checkout started")}
    assert lines == {
        "product added": ("cart.updated", {"cart_id": "k-1", "action": "added", "lines": [MUG], **WHO}),
        "product removed": (
            "cart.updated",
            {
                "cart_id": "k-1",
                "action": "removed",
                "lines": [{"sku": "22", "quantity": 1, "unit_price": 4.99}],
                **WHO,
            },
        ),
        "checkout started": (
            "checkout.started",
            {
                "checkout_id": "o-50",
                "total": 30,
                "lines": [MUG, {"sku": "22", "quantity": 1, "unit_price": 4.99}],
                **WHO,
            },
        ),
    }


def _page(**context: Any) -> dict[str, Any]:
    body = call(None, {"path": "/a", "url": "https://mugs.example/a"})
    body["context"] = {**body["context"], **context}
    return body


@pytest.mark.parametrize(
    ("context", "channel"),
    [
        pytest.param({}, "news", id="the campaign's source"),
        pytest.param({"campaign": {}}, "search", id="a search engine"),
        pytest.param({"campaign": {}, "page": {"referrer": "https://m.facebook.com/x"}}, "social", id="a network"),
        pytest.param({"campaign": {}, "page": {"referrer": "https://blog.example/?q=a@b.c"}}, "referral", id="a link"),
        pytest.param({"campaign": {}, "page": {"referrer": ""}}, "direct", id="nobody says"),
        pytest.param({"campaign": {}, "page": {"referrer": "https://www.mugs.example/"}}, None, id="the shop itself"),
    ],
)
def test_segment_pages(context: dict[str, Any], channel: str | None) -> None:
    """The first page of a visit is the visit, the others are within it."""
    found = translated("segment", "page", _page(**context))
    assert [event["data"]["channel"] for event in found.events] == ([] if channel is None else [channel])
    assert all(event["data"]["landing"] == "/a" for event in found.events)


def test_segment_mail_is_no_pseudonym() -> None:
    """Some shops name users by their address."""
    body = changed(SEGMENT["order completed"], userId="agnes@mail.example")
    assert told("segment", "order completed", body)[0][3]["customer"] == "v-42"
