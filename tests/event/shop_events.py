"""Events as tests need them: one valid example of every type, and ways to spoil it."""

import json
from typing import Any

DATA: dict[str, dict[str, Any]] = {
    "order.placed": {
        "order_id": "o-1",
        "total": 49.9,
        "lines": [{"sku": "A-1", "quantity": 2, "unit_price": 20}, {"sku": "B-2", "quantity": 1, "unit_price": 9.9}],
        "customer": "c-7",
        "channel": "web",
        "campaign": "spring",
        "country": "GB",
        "currency": "GBP",
        "gift_wrap": True,
        "shipping": 0,
    },
    "order.cancelled": {"order_id": "o-1", "total": 49.9, "channel": "web", "reason": "too slow"},
    "order.shipped": {
        "order_id": "o-1",
        "hours_to_ship": 7.5,
        "cost": 3.2,
        "channel": "web",
        "carrier": "post",
        "location": "WH1",
    },
    "order.delivered": {"order_id": "o-1", "days": 2, "late": False, "channel": "web", "carrier": "post"},
    "order.returned": {
        "order_id": "o-1",
        "lines": [{"sku": "A-1", "quantity": 1, "reason": "too small"}],
        "total": 20,
        "channel": "web",
        "campaign": "spring",
    },
    "feedback.received": {"theme": "sizing", "sku": "A-1", "order_id": "o-1", "channel": "mail", "rating": 2},
    "traffic.session": {
        "visitor": "v-1",
        "channel": "search",
        "campaign": "spring",
        "landing": "/a-1",
        "sku": "A-1",
        "country": "GB",
        "count": 3,
    },
    "traffic.spend": {"amount": 12.5, "channel": "search", "campaign": "spring"},
    "stock.level": {"sku": "A-1", "available": -2, "location": "WH1", "on_hand": 3, "reserved": 5, "held": 0},
    "stock.receipt": {
        "sku": "A-1",
        "quantity": 100,
        "expected_on": "2026-12-01",
        "status": "delayed",
        "location": "WH1",
        "purchase_order": "po-3",
    },
    "stock.lot": {"sku": "A-1", "lot": "L-9", "quantity": 12, "expires_on": "2027-01-31", "location": "WH1"},
    "supplier.updated": {"supplier": "s-1", "lead_time_days": 14, "sku": "A-1"},
    "campaign.planned": {
        "campaign": "spring",
        "starts": "2026-11-27T00:00:00+00:00",
        "ends": "2026-11-30T23:59:59Z",
        "skus": ["A-1", "B-2"],
        "channels": ["web"],
        "expected_sessions": 9000,
        "expected_orders": 300,
        "discount": 0.2,
    },
    "capacity.declared": {"starts": "2026-11-24T00:00:00Z", "ends": "2026-11-25T00:00:00Z", "orders_per_day": 400},
}
"""event type → data with every field that the contract names."""

TIME = "2026-11-24T09:30:00Z"


def event(kind: str = "order.placed", **envelope: Any) -> dict[str, Any]:
    """A valid event of a type; `envelope` replaces what it names, `data` included."""
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/shop",
        "type": kind,
        "time": TIME,
        "data": DATA.get(kind, {}),
        **envelope,
    }


def raw(kind: str = "order.placed", **envelope: Any) -> bytes:
    return json.dumps(event(kind, **envelope)).encode()
