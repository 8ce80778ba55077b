"""A shop on a Monday at noon: a campaign whose product runs out, too many orders for the day, a return wave; and one
on which all is well."""

from datetime import date, timedelta

from page_samples import decided, decision, records, rule, transition
from shop_build import NOON, capacity, history, plan, product, receipt, shop_of, today

from lockstep.calendar import Entry, calendar_of
from lockstep.ports import Record
from lockstep.response.decision import Reason
from lockstep.rule.condition.kinds import Rule
from lockstep.shop.business import business
from lockstep.shop.subjects.returns import channel_returns
from lockstep.shop.whole_shop import Shop
from lockstep.text.figures import measured_text
from lockstep.text.rfc3339 import rfc3339_of


def busy_shop() -> Shop:
    """More comes than can be shipped; 85099B is promoted and gone, 85123A will be."""
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
        product(
            "85099B", sells=9, stock=0, receipts=[receipt(500, "2026-12-04", first="2026-12-01", status="delayed")]
        ),
        product("85123A", sells=4, stock=11, receipts=[receipt(300, "2026-12-07", order="PO-2")]),
        product("47566", sells=1, stock=400),
        product("20725", sells=6, stock=6),
        plan("CYBER MONDAY", "2026-11-30", "2026-12-01", ["85099B", "47566"], orders=120),
        plan("SAINT NICHOLAS", "2026-12-04", "2026-12-06", ["85123A"], orders=90),
        plan("ADVENT", "2026-12-10", "2026-12-12", ["47566"], orders=20),
        capacity(120, "2026-11-30", "2026-12-03"),
        calendar=calendar_of([Entry("holiday", "St Nicholas’ Day", first=date(2026, 12, 6), last=date(2026, 12, 6))]),
        capacity_per_day=150,
    )


def quiet_shop() -> Shop:
    """As on any Monday."""
    return shop_of(
        *history(weeks=8, web={"orders": 100, "sessions": 3_000, "units": 120, "returned_units": 5, "shipped": 100}),
        *today(web={"orders": 26, "sessions": 780, "units": 31}),
        product("47566", sells=1, stock=400),
        capacity_per_day=150,
    )


def _busy_words() -> dict[str, dict[str, str]]:
    """Rule → what it says, in the numbers of the busy shop: those that its page shows."""
    shop = busy_shop()
    whole, web = business(shop, "shop", (), NOON), channel_returns(shop, "web", NOON)
    expected, capacity = whole["expected_today"].value, whole["capacity_today"].value
    assert expected is not None
    assert capacity is not None
    too_many = measured_text(float(expected - capacity), "orders")
    return {
        "PromoOutOfStock": {
            "summary": "product {{ labels.sku }} is sold out while campaign CYBER MONDAY promotes it",
            "marketing": "Pause the ads for product {{ labels.sku }} now, or lead them to product 47566.",
            "operations": "Ask the supplier of product {{ labels.sku }} for a part of the 500 before Fri 4 Dec.",
        },
        "CapacityProjected": {
            "summary": f"{too_many} more are expected today than can be shipped",
            "marketing": f"Add no budget today: {too_many} too many are expected.",
            "operations": "Call two people for the late shift, or tell customers that it ships tomorrow.",
        },
        "ReturnWave": {
            "summary": f"returns of the channel web rose to {web['channel_return_rate'].text}",
            "marketing": "Check what the pages of the products that come back promise.",
            "operations": "Look at what came back this week, and find what it has in common.",
        },
    }


RULES: dict[str, Rule] = {name: rule(name, say=words) for name, words in _busy_words().items()}
_AT = {"at": rfc3339_of(NOON - timedelta(minutes=8)), "started_at": rfc3339_of(NOON - timedelta(minutes=20))}
OUT = transition("PromoOutOfStock", labels={"sku": "85099B"}, value=0.0, **_AT)
FULL = transition("CapacityProjected", labels={}, severity="warning", value=1.38, **_AT)
RETURNS = transition("ReturnWave", labels={"channel": "web"}, severity="warning", value=0.06, **_AT)


def busy_records() -> list[Record]:
    """What fires in the busy shop."""
    told = [
        decision(of, receiver, "email", "told", Reason.FIRST, "it is the first of its group")
        for of in (OUT, FULL, RETURNS)
        for receiver in ("marketing-mail", "operations-mail")
    ]
    return [*records([OUT, FULL, RETURNS]), *decided(*told)]
