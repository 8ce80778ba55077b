"""A shop in Berlin at 06:00 on Monday, 30 November 2026, with something of everything that reports tell of."""

from typing import Any

from shop_build import TODAY, at, capacity, days, history, lot, plan, product, receipt, shop_of

from lockstep.reports.news import AlertLine, AlertNews
from lockstep.response.standing import Action
from lockstep.shop.whole_shop import Shop

SIX = at("06:00")


def channel(orders: int, sessions: int, revenue: int, spend: int) -> dict[str, Any]:
    """A day of a channel; money in cents."""
    return {
        "orders": orders,
        "sessions": sessions,
        "units": orders * 2,
        "revenue": revenue,
        "spend": spend,
        "returned_units": orders // 20,
        "refunds": orders // 20 * 3900,
        "shipped": orders,
        "delivered": orders - 2,
        "late": orders // 25,
        "lines": orders * 2,
        "cancelled": 1,
        "shipping_cost": orders * 480,
    }


def sample_shop(*, campaigns: bool = True, **changed: Any) -> Shop:
    """campaigns: whether any is planned. changed: settings."""
    plans = (
        plan("JUMBO-BAGS", "2026-12-02", "2026-12-05", ["85099B", "22086"], orders=300),
        plan("ADVENT", "2026-11-28", "2026-12-24", ["85099B"], sessions=5000),
    )
    settings = {"capacity_per_day": 180.0, "marketplaces": ("amazon-fba",), **changed}
    return shop_of(
        *history(
            weeks=8,
            weekdays=(1, 1.05, 0.95, 1, 1.2, 1.5, 1.3),
            whole={"themes": {"delivery": 3, "sizing": 2}, "hours_to_ship": 20.5},
            web=channel(60, 2000, 390000, 24000),
            app=channel(40, 1000, 240000, 8000),
            amazon=channel(25, 700, 120000, 9000),
        ),
        *days(
            "2026-11-29",
            whole={"themes": {"delivery": 9, "sizing": 2, "damaged": 4}, "hours_to_ship": 31.5},
            web=channel(48, 2600, 300000, 60000),
            app=channel(50, 1200, 300000, 8000),
            amazon=channel(30, 700, 150000, 9000),
        ),
        *days(TODAY, upto=SIX, web={"orders": 2, "sessions": 50}),
        product(
            "85099B",
            sells=9,
            stock=0,
            price=7900,
            upto=SIX,
            receipts=[receipt(500, "2026-12-04", first="2026-12-01")],
        ),
        product("47566", sells=14, stock=30, price=1450, upto=SIX),
        product("21212", sells=3, stock=400, price=690, upto=SIX, lots=[lot(380, "2026-12-20", "L-77")]),
        product(
            "22086",
            sells=8,
            stock=300,
            price=3900,
            upto=SIX,
            returned=[0] * 49 + [1, 2, 3, 2, 3, 2, 2, 0],
            reasons={"too small": [0] * 49 + [1, 1, 2, 2, 2, 2, 1, 0]},
        ),
        product("84879", sells=[5] * 10 + [0] * 47, stock=60, price=5200, upto=SIX),
        product(
            "22720",
            sells=4,
            stock=200,
            price=990,
            upto=SIX,
            held={"amazon-fba": 40},
            held_since="2026-11-20T00:00:00Z",
            supplier="Keymaker",
            lead_time_days=21.0,
            lead_time_before=14.0,
            lead_time_at="2026-11-25T00:00:00Z",
        ),
        *(plans if campaigns else ()),
        capacity(150, "2026-11-30", "2026-12-10"),
        **settings,
    )


def line(number: str, rule: str, severity: str, headline: str, since: str, **more: Any) -> AlertLine:
    labels = more.pop("labels", {})
    return AlertLine(
        alert_id=f"a{number}",
        episode_id=f"e{number}",
        rule=rule,
        labels=labels,
        severity=severity,
        headline=headline,
        since=since,
        **more,
    )


NEWS = AlertNews(
    open=(
        line(
            "1",
            "LowStock",
            "critical",
            "Product 85099B: 0 units left, at most 20 is the limit",
            "2026-11-29T14:05:00Z",
            labels={"sku": "85099B"},
        ),
        line(
            "2",
            "TrafficSurge",
            "warning",
            "The channel web: 2,600 visits, usually 2,000",
            "2026-11-29T16:00:00Z",
            labels={"channel": "web"},
            has_it="Anna",
        ),
    ),
    ended=(line("3", "Backlog", "warning", "220 orders wait", "2026-11-28T14:05:00Z", ended="2026-11-29T10:00:00Z"),),
)
ACTIONS = (
    Action(
        id="x",
        text="ask the supplier of product 85099B for a split delivery",
        assignee="Ben",
        by="Anna",
        created_at="2026-11-25T10:00:00Z",
        due="2026-11-28",
        about="LowStock, sku 85099B",
    ),
    Action(id="y", text="agree on a budget for campaign ADVENT", by="Anna", created_at="2026-11-28T10:00:00Z"),
    Action(
        id="z", text="count the mugs", by="Anna", created_at="2026-11-20T10:00:00Z", closed_at="2026-11-21T10:00:00Z"
    ),
)
