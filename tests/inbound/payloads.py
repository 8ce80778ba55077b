"""Bodies as Shopify, WooCommerce and Segment send them: their fields and forms, our own values.

There are people in them, too, who must not be found again in what comes out.
"""

import copy
from typing import Any

PERSON = {"first_name": "Agnes", "last_name": "Wren", "email": "agnes@mail.example", "phone": "+44 20 7946 0000"}
ADDRESS = {
    "first_name": "Agnes",
    "last_name": "Wren",
    "name": "Agnes Wren",
    "address1": "7 Quay Lane",
    "address2": None,
    "city": "Whitby",
    "zip": "YO21 3PU",
    "country": "United Kingdom",
    "country_code": "GB",
    "phone": "+44 20 7946 0000",
    "company": None,
}
PRIVATE = ("Agnes", "Wren", "mail.example", "7946", "Quay", "Whitby", "YO21", "203.0.113.9", "leave it")
"""What must stay with the sender."""


def changed(body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A copy with other fields."""
    return {**copy.deepcopy(body), **fields}


def money(shop: str, shown: str) -> dict[str, Any]:
    return {
        "shop_money": {"amount": shop, "currency_code": "GBP"},
        "presentment_money": {"amount": shown, "currency_code": "EUR"},
    }


# ---- Shopify ---------------------------------------------------------------------------------------------------------

_LINE = {
    "id": 14001,
    "admin_graphql_api_id": "gid://shopify/LineItem/14001",
    "current_quantity": 2,
    "fulfillable_quantity": 2,
    "fulfillment_status": None,
    "gift_card": False,
    "grams": 400,
    "name": "Mug - blue",
    "price": "12.50",
    "price_set": money("12.50", "14.90"),
    "product_exists": True,
    "product_id": 9001,
    "properties": [{"name": "engraving", "value": "leave it"}],
    "quantity": 2,
    "requires_shipping": True,
    "sku": "MUG-BLUE",
    "taxable": True,
    "title": "Mug",
    "total_discount": "0.00",
    "variant_id": 9101,
    "variant_title": "blue",
    "vendor": "Kiln & Co",
    "tax_lines": [],
    "discount_allocations": [],
}
SHOPIFY_ORDER: dict[str, Any] = {
    "id": 5501234567890,
    "admin_graphql_api_id": "gid://shopify/Order/5501234567890",
    "app_id": 580111,
    "browser_ip": "203.0.113.9",
    "cancel_reason": None,
    "cancelled_at": None,
    "checkout_token": "c0ffee",
    "contact_email": PERSON["email"],
    "created_at": "2026-11-24T10:30:00+01:00",
    "currency": "GBP",
    "current_total_price": "33.49",
    "email": PERSON["email"],
    "financial_status": "paid",
    "fulfillment_status": None,
    "landing_site": "/products/mug?utm_source=news&utm_campaign=autumn&email=agnes%40mail.example",
    "name": "#1042",
    "note": "leave it at the door",
    "number": 42,
    "order_number": 1042,
    "presentment_currency": "EUR",
    "processed_at": "2026-11-24T10:29:58+01:00",
    "referring_site": "https://www.google.com/",
    "source_name": "web",
    "tags": "",
    "test": False,
    "total_price": "33.49",
    "total_price_set": money("33.49", "39.90"),
    "total_shipping_price_set": money("3.50", "4.20"),
    "total_tax": "5.58",
    "updated_at": "2026-11-24T10:30:02+01:00",
    "user_id": None,
    "billing_address": ADDRESS,
    "shipping_address": ADDRESS,
    "customer": {"id": 7001, **PERSON, "default_address": ADDRESS},
    "line_items": [
        _LINE,
        changed(_LINE, id=14002, sku=None, variant_id=9102, quantity=1, price="4.99", price_set=money("4.99", "5.90")),
        changed(_LINE, id=14003, sku="", variant_id=None, product_id=None, quantity=1, price="0.00", price_set=None),
    ],
    "fulfillments": [],
    "refunds": [],
    "shipping_lines": [{"id": 1, "price": "3.50", "title": "Post", "phone": PERSON["phone"]}],
}
SHOPIFY_REFUND: dict[str, Any] = {
    "id": 8801,
    "order_id": 5501234567890,
    "created_at": "2026-11-26T09:00:00Z",
    "note": "Agnes says it was chipped",
    "user_id": 11,
    "processed_at": "2026-11-26T09:00:00Z",
    "restock": True,
    "return": None,
    "admin_graphql_api_id": "gid://shopify/Refund/8801",
    "refund_line_items": [
        {
            "id": 1,
            "quantity": 1,
            "line_item_id": 14001,
            "location_id": 301,
            "restock_type": "return",
            "subtotal": 10.42,
            "subtotal_set": money("10.42", "12.40"),
            "total_tax": 2.08,
            "total_tax_set": money("2.08", "2.50"),
            "line_item": _LINE,
        }
    ],
    "transactions": [
        {
            "id": 1,
            "order_id": 5501234567890,
            "kind": "refund",
            "gateway": "shopify_payments",
            "status": "success",
            "amount": "12.50",
            "currency": "GBP",
            "test": False,
            "created_at": "2026-11-26T09:00:00Z",
        }
    ],
    "order_adjustments": [],
}
SHOPIFY_FULFILLMENT: dict[str, Any] = {
    "id": 6601,
    "order_id": 5501234567890,
    "status": "success",
    "created_at": "2026-11-25T15:00:00+01:00",
    "service": "manual",
    "updated_at": "2026-11-25T15:00:00+01:00",
    "tracking_company": "Royal Mail",
    "shipment_status": None,
    "location_id": 301,
    "email": PERSON["email"],
    "destination": ADDRESS,
    "line_items": [_LINE],
    "tracking_number": "RM1",
    "name": "#1042.1",
}
SHOPIFY_LEVEL: dict[str, Any] = {
    "inventory_item_id": 4401,
    "location_id": 301,
    "available": 12,
    "updated_at": "2026-11-24T10:31:00+01:00",
    "admin_graphql_api_id": "gid://shopify/InventoryLevel/301?inventory_item_id=4401",
}
SHOPIFY_ITEM: dict[str, Any] = {
    "id": 4401,
    "sku": "MUG-BLUE",
    "created_at": "2026-11-20T09:00:00Z",
    "updated_at": "2026-11-20T09:00:00Z",
    "requires_shipping": True,
    "cost": "4.10",
    "tracked": True,
    "admin_graphql_api_id": "gid://shopify/InventoryItem/4401",
}
SHOPIFY_PRODUCT: dict[str, Any] = {
    "id": 9001,
    "title": "Mug",
    "body_html": "<p>Blue</p>",
    "vendor": "Kiln & Co",
    "product_type": "mugs",
    "created_at": "2026-11-20T09:00:00Z",
    "handle": "mug",
    "updated_at": "2026-11-24T10:32:00Z",
    "published_at": "2026-11-20T09:05:00Z",
    "status": "active",
    "tags": "",
    "variants": [
        {
            "id": 9101,
            "product_id": 9001,
            "title": "blue",
            "price": "12.50",
            "compare_at_price": "14.00",
            "sku": "MUG-BLUE",
            "position": 1,
            "inventory_item_id": 4401,
            "inventory_quantity": 12,
            "created_at": "2026-11-20T09:00:00Z",
            "updated_at": "2026-11-24T10:32:00Z",
        },
        {
            "id": 9102,
            "product_id": 9001,
            "title": "green",
            "price": "4.99",
            "sku": None,
            "inventory_item_id": 4402,
            "created_at": "2026-11-20T09:00:00Z",
            "updated_at": "2026-11-23T08:00:00Z",
        },
    ],
}
_CART_LINE = {
    "id": 9101,
    "properties": None,
    "quantity": 3,
    "variant_id": 9101,
    "key": "9101:aa",
    "discounted_price": "12.50",
    "line_price": "44.70",
    "line_price_set": money("37.50", "44.70"),
    "price": "14.90",
    "price_set": money("12.50", "14.90"),
    "product_id": 9001,
    "sku": "MUG-BLUE",
    "title": "Mug - blue",
    "vendor": "Kiln & Co",
}
SHOPIFY_CART: dict[str, Any] = {
    "id": "hWN1",
    "token": "hWN1",
    "line_items": [_CART_LINE],
    "note": "leave it",
    "updated_at": "2026-11-24T09:20:00.000Z",
    "created_at": "2026-11-24T09:15:00.000Z",
}
SHOPIFY_CHECKOUT: dict[str, Any] = {
    "token": "c0ffee",
    "cart_token": "hWN1",
    "email": PERSON["email"],
    "created_at": "2026-11-24T10:25:00+01:00",
    "updated_at": "2026-11-24T10:29:00+01:00",
    "completed_at": None,
    "landing_site": "/?utm_campaign=autumn",
    "currency": "GBP",
    "source_name": "web",
    "total_price": "33.49",
    "phone": PERSON["phone"],
    "line_items": [changed(_LINE, price="12.50", price_set=None)],
    "billing_address": None,
    "shipping_address": ADDRESS,
    "customer": {"id": 7001, **PERSON},
}
SHOPIFY_PAYMENT: dict[str, Any] = {
    "id": 3301,
    "order_id": 5501234567890,
    "kind": "sale",
    "gateway": "shopify_payments",
    "status": "failure",
    "message": "The card of Agnes Wren was declined",
    "created_at": "2026-11-24T10:29:00+01:00",
    "test": False,
    "amount": "33.49",
    "currency": "GBP",
    "error_code": "card_declined",
    "source_name": "web",
}
SHOPIFY = {
    "orders/create": SHOPIFY_ORDER,
    "orders/cancelled": changed(SHOPIFY_ORDER, cancelled_at="2026-11-24T12:00:00+01:00", cancel_reason="customer"),
    "refunds/create": SHOPIFY_REFUND,
    "fulfillments/create": SHOPIFY_FULFILLMENT,
    "inventory_levels/update": SHOPIFY_LEVEL,
    "inventory_items/create": SHOPIFY_ITEM,
    "inventory_items/update": SHOPIFY_ITEM,
    "products/create": SHOPIFY_PRODUCT,
    "products/update": SHOPIFY_PRODUCT,
    "checkouts/create": SHOPIFY_CHECKOUT,
    "checkouts/update": SHOPIFY_CHECKOUT,
    "carts/create": SHOPIFY_CART,
    "carts/update": SHOPIFY_CART,
    "order_transactions/create": SHOPIFY_PAYMENT,
}

# ---- WooCommerce -----------------------------------------------------------------------------------------------------

_LINKS = {
    "self": [{"href": "https://www.mugs.example/wp-json/wc/v3/orders/727"}],
    "collection": [{"href": "https://www.mugs.example/wp-json/wc/v3/orders"}],
}
WOO_ORDER: dict[str, Any] = {
    "id": 727,
    "parent_id": 0,
    "status": "processing",
    "currency": "GBP",
    "version": "9.4.0",
    "prices_include_tax": True,
    "date_created": "2026-11-24T10:30:00",
    "date_modified": "2026-11-24T10:30:01",
    "discount_total": "0.00",
    "shipping_total": "3.50",
    "total": "33.49",
    "total_tax": "5.58",
    "customer_id": 26,
    "order_key": "wc_order_a1",
    "billing": {**{k: v for k, v in ADDRESS.items() if k != "country_code"}, **PERSON, "country": "GB"},
    "shipping": {**{k: v for k, v in ADDRESS.items() if k != "country_code"}, "country": "GB"},
    "payment_method": "stripe",
    "payment_method_title": "Card",
    "transaction_id": "pi_1",
    "customer_ip_address": "203.0.113.9",
    "customer_user_agent": "Mozilla/5.0",
    "created_via": "checkout",
    "customer_note": "leave it at the door",
    "date_completed": None,
    "date_paid": "2026-11-24T10:30:01",
    "number": "727",
    "meta_data": [
        {"id": 1, "key": "_wc_order_attribution_utm_campaign", "value": "autumn"},
        {"id": 2, "key": "_billing_phone_2", "value": PERSON["phone"]},
    ],
    "line_items": [
        {
            "id": 315,
            "name": "Mug",
            "product_id": 93,
            "variation_id": 0,
            "quantity": 2,
            "subtotal": "25.00",
            "total": "25.00",
            "sku": "MUG-BLUE",
            "price": 12.5,
            "meta_data": [{"key": "engraving", "value": "leave it"}],
        },
        {
            "id": 316,
            "name": "Saucer - green",
            "product_id": 22,
            "variation_id": 23,
            "quantity": 1,
            "total": "4.99",
            "sku": "",
            "price": 4.99,
        },
    ],
    "shipping_lines": [{"id": 317, "method_title": "Post", "total": "3.50"}],
    "refunds": [],
    "date_created_gmt": "2026-11-24T09:30:00",
    "date_modified_gmt": "2026-11-24T09:30:01",
    "date_completed_gmt": None,
    "date_paid_gmt": "2026-11-24T09:30:01",
    "_links": _LINKS,
}
WOO_PRODUCT: dict[str, Any] = {
    "id": 93,
    "name": "Mug",
    "slug": "mug",
    "permalink": "https://www.mugs.example/product/mug/",
    "date_created": "2026-11-20T10:00:00",
    "date_created_gmt": "2026-11-20T09:00:00",
    "date_modified": "2026-11-24T10:31:00",
    "date_modified_gmt": "2026-11-24T09:31:00",
    "type": "simple",
    "status": "publish",
    "sku": "MUG-BLUE",
    "price": "12.50",
    "regular_price": "14.00",
    "sale_price": "12.50",
    "manage_stock": True,
    "stock_quantity": 12,
    "stock_status": "instock",
    "backorders": "no",
    "parent_id": 0,
    "categories": [{"id": 9, "name": "mugs", "slug": "mugs"}],
    "_links": {"self": [{"href": "https://www.mugs.example/wp-json/wc/v3/products/93"}]},
}
WOO = {
    "order.created": WOO_ORDER,
    "order.updated": changed(WOO_ORDER, status="cancelled", date_modified_gmt="2026-11-24T13:00:00"),
    "product.created": WOO_PRODUCT,
    "product.updated": WOO_PRODUCT,
}

# ---- Segment ---------------------------------------------------------------------------------------------------------

_CALL: dict[str, Any] = {
    "version": 2,
    "channel": "browser",
    "type": "track",
    "messageId": "ajs-next-1-aaaa",
    "anonymousId": "v-42",
    "userId": "u-7",
    "timestamp": "2026-11-24T09:30:00.123Z",
    "originalTimestamp": "2026-11-24T09:29:59.000Z",
    "sentAt": "2026-11-24T09:30:01.000Z",
    "receivedAt": "2026-11-24T09:30:02.000Z",
    "context": {
        "ip": "203.0.113.9",
        "userAgent": "Mozilla/5.0",
        "locale": "en-GB",
        "campaign": {"name": "autumn", "source": "news", "medium": "email"},
        "location": {"country": "GB", "city": "Whitby"},
        "page": {
            "path": "/products/mug",
            "referrer": "https://www.google.com/",
            "search": "?email=agnes%40mail.example",
            "title": "Mug",
            "url": "https://mugs.example/products/mug?email=agnes%40mail.example",
        },
        "traits": {**PERSON},
    },
    "integrations": {},
}
_PRODUCTS = [
    {"product_id": "93", "sku": "MUG-BLUE", "name": "Mug", "price": 12.5, "quantity": 2, "category": "mugs"},
    {"product_id": "22", "name": "Saucer", "price": "4.99"},
]


def call(event: str | None, properties: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A track call; without an event a page call."""
    named = {"event": event} if event is not None else {"type": "page", "name": "Mug"}
    return changed(_CALL, **named, properties=properties, **fields)


SEGMENT = {
    "order completed": call(
        "Order Completed",
        {
            "order_id": "o-50",
            "affiliation": "Mugs online",
            "total": 33.49,
            "revenue": 24.41,
            "shipping": 3.5,
            "tax": 5.58,
            "coupon": "AUTUMN",
            "currency": "GBP",
            "products": _PRODUCTS,
            "email": PERSON["email"],
        },
    ),
    "order cancelled": call(
        "Order Cancelled", {"order_id": "o-50", "total": "33.49", "currency": "GBP", "products": _PRODUCTS}
    ),
    "order refunded": call(
        "Order Refunded", {"order_id": "o-50", "total": 12.5, "currency": "GBP", "products": _PRODUCTS[:1]}
    ),
    "checkout started": call("Checkout Started", {"order_id": "o-50", "value": 30, "products": _PRODUCTS}),
    "product viewed": call("Product Viewed", _PRODUCTS[0]),
    "product added": call("Product Added", {"cart_id": "k-1", **_PRODUCTS[0]}),
    "product removed": call("Product Removed", {"cart_id": "k-1", **_PRODUCTS[1]}),
    "application opened": call("Application Opened", {"version": "1.2.3", "build": "42"}, channel="mobile"),
    "page": call(None, {"path": "/products/mug", "url": "https://mugs.example/products/mug", "title": "Mug"}),
    "page viewed": call("Page Viewed", {"path": "/products/mug", "referrer": ""}),
}

BODIES = {"shopify": SHOPIFY, "woocommerce": WOO, "segment": SEGMENT}
"""Sender → its topics, each with a body."""
