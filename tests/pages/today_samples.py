"""A shop on a Monday at noon: a campaign whose product runs out, too many orders for the day, a return wave; and one
on which all is well."""

from datetime import timedelta

from page_samples import decided, decision, records, rule, transition
from shop_build import NOON, capacity, history, marked, plan, product, receipt, shop_of, today

from lockstep.ports import Record
from lockstep.response.decision import Reason
from lockstep.rule.condition.kinds import Rule
from lockstep.shop.whole_shop import Shop
from lockstep.text.rfc3339 import rfc3339_of


def busy_shop() -> Shop:
    """More comes than can be shipped; KEY-1 is promoted and gone, SHIRT-9 will be."""
    return shop_of(
        *history(
            weeks=8,
            web={"orders": 60, "sessions": 2_000, "units": 70, "returned_units": 4, "shipped": 58, "delivered": 50},
            app={"orders": 40, "sessions": 1_000, "units": 50, "returned_units": 3, "shipped": 41, "delivered": 40},
        ),
        *today(
            web={"orders": 44, "sessions": 1_480, "units": 50, "shipped": 5, "returned_units": 9},
            app={"orders": 21, "sessions": 420, "units": 24, "shipped": 2},
        ),
        product("KEY-1", sells=9, stock=0, receipts=[receipt(500, "2026-12-04", first="2026-12-01", status="delayed")]),
        product("SHIRT-9", sells=4, stock=11, receipts=[receipt(300, "2026-12-07", order="PO-2")]),
        product("MUG-2", sells=1, stock=400),
        product("SOCKS-3", sells=6, stock=6),
        plan("CYBER MONDAY", "2026-11-30", "2026-12-01", ["KEY-1", "MUG-2"], orders=120),
        plan("SAINT NICHOLAS", "2026-12-04", "2026-12-06", ["SHIRT-9"], orders=90),
        plan("ADVENT", "2026-12-10", "2026-12-12", ["MUG-2"], orders=20),
        capacity(120, "2026-11-30", "2026-12-03"),
        calendar=marked(holidays=["2026-12-06"]),
        capacity_per_day=150,
    )


def quiet_shop() -> Shop:
    """As on any Monday."""
    return shop_of(
        *history(weeks=8, web={"orders": 100, "sessions": 3_000, "units": 120, "returned_units": 5, "shipped": 100}),
        *today(web={"orders": 26, "sessions": 780, "units": 31}),
        product("MUG-2", sells=1, stock=400),
        capacity_per_day=150,
    )


RULES: dict[str, Rule] = {
    one.name: one
    for one in (
        rule(
            "PromoOutOfStock",
            say={
                "summary": "{{ labels.sku }} is sold out while CYBER MONDAY promotes it",
                "marketing": "Pause the ads for {{ labels.sku }} now, or lead them to MUG-2; 500 come on Friday.",
                "operations": "Ask the supplier of {{ labels.sku }} for a part of PO-1 before Friday.",
            },
        ),
        rule(
            "CapacityProjected",
            say={
                "summary": "165 orders expected today, 120 can be shipped",
                "marketing": "Add no budget today: 45 orders too many are expected.",
                "operations": "Call two people for the late shift, or tell customers that it ships tomorrow.",
            },
        ),
        rule("ReturnWave", say={"summary": "Returns of web rose to 11%"}),
    )
}
_AT = {"at": rfc3339_of(NOON - timedelta(minutes=8)), "started_at": rfc3339_of(NOON - timedelta(minutes=20))}
OUT = transition("PromoOutOfStock", labels={"sku": "KEY-1"}, value=0.0, **_AT)
FULL = transition("CapacityProjected", labels={}, severity="warning", value=1.38, **_AT)
RETURNS = transition("ReturnWave", labels={"channel": "web"}, severity="warning", value=0.11, **_AT)


def busy_records() -> list[Record]:
    """What fires in the busy shop."""
    told = [
        decision(of, receiver, "email", "told", Reason.FIRST, "it is the first of its group")
        for of in (OUT, FULL, RETURNS)
        for receiver in ("marketing-mail", "operations-mail")
    ]
    return [*records([OUT, FULL, RETURNS]), *decided(*told)]
