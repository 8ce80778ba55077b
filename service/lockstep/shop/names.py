"""Numbers of a shop by the names that templates call: `{{ room_left }}`, `{{ next_receipt }}`.

Beside these, every business measure of the catalogue has its own name. What is known of them when an alert changes
travels with it, so that all its messages say the same; what is not is said in words, never left blank.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from lockstep.shop.business import business
from lockstep.shop.catalogue import BUSINESS
from lockstep.shop.day_sums import instant, is_running, plan_bounds, plan_days
from lockstep.shop.exchange import total
from lockstep.shop.facts import DayFacts, PlanFacts, ProductFacts
from lockstep.shop.forecast import conversion_of, usual_day
from lockstep.shop.plan_answer import answer, rough
from lockstep.shop.stakes import at_stake, named, order_value
from lockstep.shop.subjects import bundles
from lockstep.shop.subjects.location import held_products, place_text
from lockstep.shop.subjects.product import is_named, lead_time
from lockstep.shop.subjects.promotions import unknown_products
from lockstep.shop.subjects.restock import ORDER_MORE, overdue, restock, supplier_text
from lockstep.shop.subjects.returns import reasons_text
from lockstep.shop.subjects.stock_receipts import next_receipt, sold_out_on
from lockstep.shop.whole_shop import Made, Shop, plain
from lockstep.text.days import day_text, list_text, span_text
from lockstep.text.figures import MONEY, whole

AHEAD_DAYS = 14
MOST_REASONS = 2
"""Of an answer to a plan; its page has all."""


@dataclass(frozen=True)
class Name:
    """What a template may call. unit: as in `Made.unit`; `text` for words; money is in the shop's currency (`money`).
    example: as it is read in a message. absent: said where it is not known, a part of a sentence. of: the label that
    it is of, "" for the whole shop."""

    name: str
    meaning: str
    unit: str
    example: str
    absent: str
    of: str = ""


_LABEL_OF = {
    "product": "sku",
    "shelf": "sku",
    "receipt": "purchase_order",
    "channel": "channel",
    "plan": "campaign",
    "location": "location",
}
_EXAMPLES: dict[str, tuple[str, str]] = {
    "days_of_cover": ("4.5 days", "its days of cover are not known"),
    "velocity": ("12 units", "how it sells is not known"),
    "sell_through": ("72%", "its sell-through is not known"),
    "days_without_sale": ("34 days", "when it was sold last is not known"),
    "return_rate": ("8.5%", "too few were sold for a return rate"),
    "return_rise": ("5.2%", "too few were sold to compare returns"),
    "gap_days": ("3 days", "no delivery of it is planned"),
    "days_to_expiry": ("30 days", "no lot of it has a last day"),
    "unsold_at_expiry": ("36 units", "how much of it will be left is not known"),
    "promoted_cover_gap": ("2 days", "no campaign promotes it"),
    "promoted_stock": ("40 units", "no campaign promotes it now"),
    "bundle_cover": ("4.5 days", "the cover of its parts is not known"),
    "shelf_days": ("12 days", "no lot of it has a last day"),
    "key_cover": ("4.5 days", "it is no key product"),
    "reorder_quantity": ("96 units", "how many to order is not known"),
    "lead_time_change": ("7 days", "no change of its lead time is known"),
    "spend_without_stock": ("120 EUR", "no spend on it is known"),
    "receipt_late_days": ("3 days", "no such delivery is known"),
    "channel_conversion": ("3.1%", "too few visits are known for a conversion"),
    "channel_return_rate": ("8.5%", "too few were sold for a return rate"),
    "channel_return_rise": ("5.2%", "too few were sold to compare returns"),
    "complex_share": ("35%", "no order came lately"),
    "cost_to_serve": ("6.40 EUR", "no cost of shipping is known"),
    "channel_margin": ("18%", "what its goods cost is not known"),
    "roas": ("5.2x", "too little was spent for a return on it"),
    "spend_change": ("2x", "what is usually spent is not known"),
    "expected_today": ("310 orders", "how many orders to expect today is not known yet"),
    "capacity_today": ("500 orders", "no capacity is declared for today"),
    "capacity_used": ("62%", "no capacity is declared for today"),
    "capacity_projected": ("84%", "no capacity is declared for today"),
    "room_left": ("180 orders", "no capacity is declared for today"),
    "work_units_today": ("412 units", "how much work today's orders are is not known"),
    "forecast_gap": ("25%", "too few orders are expected by now to compare"),
    "backlog": ("85 orders", "no shipping was told of"),
    "backlog_age": ("26 hours", "no shipping was told of"),
    "late_rate": ("4%", "too few deliveries are known"),
    "plan_trouble": ("1", "no such campaign is known"),
    "plan_over_capacity": ("115%", "no capacity is declared for its days"),
    "plan_unknown_products": ("2", "no such campaign is known"),
    "held_units": ("60 units", "no stock there is known"),
    "held_days": ("4 days", "since when it is held is not known"),
    "receiving_days": ("2 days", "nothing was received there lately"),
    "sync_age": ("3 hours", "no stock there was ever reported"),
}
"""Business measure → (example, said where it is not known)."""

_OWN = (
    Name("stock_age", "Hours since the stock of any product was told", "hours", "3 hours", "no stock was ever told"),
    Name("orders_today", "Orders of today so far", "orders", "146 orders", "no order of today is known"),
    Name(
        "usual_today",
        "Orders that such a day usually has, without campaigns",
        "orders",
        "240 orders",
        "what is usual is not known yet",
    ),
    Name(
        "expected_by_now",
        "Orders that were expected by this hour of today",
        "orders",
        "112 orders",
        "how many orders to expect by now is not known yet",
    ),
    Name(
        "too_many_today",
        "Orders expected today that cannot be shipped today; 0 when all can",
        "orders",
        "26 orders",
        "no capacity is declared for today",
    ),
    Name(
        "visits_today",
        "Visits of today so far; of a channel where the alert names one",
        "visits",
        "4,200 visits",
        "no visit of today is known",
    ),
    Name(
        "orders_from_visits",
        "Orders that the visits of today so far bring, at the conversion",
        "orders",
        "130 orders",
        "too few visits are known for a conversion",
    ),
    Name(
        "conversion",
        "Orders / visits over 28 days; of a channel where the alert names one",
        "%",
        "3.1%",
        "too few visits are known for a conversion",
    ),
    Name(
        "conversion_of",
        "Which channels `conversion` is of",
        "text",
        "app and web",
        "too few visits are known for a conversion",
    ),
    Name(
        "visits_for_room",
        "Visits that bring as many orders as there is room for, to two figures",
        "visits",
        "5,800 visits",
        "no capacity is declared for today",
    ),
    Name(
        "campaigns",
        "Campaigns that run now; of a product where the alert names one",
        "text",
        "SUMMER until Sat 5 Dec",
        "no campaign runs now",
    ),
    Name(
        "campaigns_ahead",
        "Campaigns that begin in the next 14 days, likewise",
        "text",
        "XMAS from Mon 14 Dec",
        "no campaign is planned in the next 14 days",
    ),
    Name("order_value", "What an order brings, over 28 days", "money", "34.50 EUR", "no revenue is known"),
    Name("currency", "The shop's currency", "text", "EUR", "the shop names no currency"),
    Name(
        "money_at_stake",
        "What it may cost, estimated",
        "money",
        "1,200 EUR",
        "what is at stake cannot be told in money",
    ),
    Name(
        "money_at_stake_of",
        "What money_at_stake is",
        "text",
        "60 units of A-1 that would sell in the 3 days it is out",
        "what is at stake cannot be told in money",
    ),
    Name("available", "Units that can be sold, at all places", "units", "40 units", "no stock of it is known", "sku"),
    Name(
        "scarcest_part",
        "The part of a bundle that lasts shortest",
        "text",
        "A-1",
        "it is no bundle of which the parts are known",
        "sku",
    ),
    Name("price", "What a unit costs", "money", "19.90 EUR", "no price of it was told", "sku"),
    Name(
        "sold_out_on",
        "The day on which it is sold out",
        "text",
        "Thu 10 Dec",
        "when it is sold out is not known",
        "sku",
    ),
    Name(
        "next_receipt",
        "The day of its next delivery; of one that should be there, since when",
        "text",
        "Fri 4 Dec",
        "no delivery of it is planned",
        "sku",
    ),
    Name(
        "next_receipt_quantity",
        "Units of its next delivery",
        "units",
        "500 units",
        "no delivery of it is planned",
        "sku",
    ),
    Name(
        "overdue_days",
        "Days since its next delivery should have come",
        "days",
        "2 days",
        "no delivery of it is overdue",
        "sku",
    ),
    Name(
        "lead_time",
        "Days from an order at the supplier to its delivery",
        "days",
        "14 days",
        "its lead time is not known",
        "sku",
    ),
    Name(
        "supplier",
        "Who delivers it, as a sentence names it",
        "text",
        "supplier lyon-textiles",
        "the supplier",
        "sku",
    ),
    Name(
        "restock",
        "What brings more of it soonest, as a sentence: to ask for the delivery that is planned, or to order some",
        "text",
        "Order 510 units of product A-1 today (a delivery takes 14 days)",
        ORDER_MORE,
        "sku",
    ),
    Name(
        "return_reasons",
        "Why it came back, the reasons given most",
        "text",
        "too small (8), torn (3) and faded (1)",
        "no reason was given",
        "sku",
    ),
    Name(
        "plan_answer",
        "The answer to a campaign: yes, change or no",
        "text",
        "change",
        "no such campaign is known",
        "campaign",
    ),
    Name(
        "plan_reasons",
        "What else is to be said, with the numbers",
        "text",
        "Wed 2 Dec: 100 usual + 75 by this campaign = 175 orders, 15 more than can be shipped.",
        "no such campaign is known",
        "campaign",
    ),
    Name(
        "plan_cause",
        "The gravest reason, as the end of a sentence",
        "text",
        "175 orders are expected on Wed 2 Dec, 160 can be shipped",
        "no such campaign is known",
        "campaign",
    ),
    Name(
        "plan_suggestion",
        "What to change of it",
        "text",
        "Move it to Mon 7 to Tue 8 Dec: then it can be done.",
        "nothing has to be changed",
        "campaign",
    ),
    Name(
        "plan_orders",
        "Orders that it adds in all",
        "orders",
        "300 orders",
        "what it will bring is not known",
        "campaign",
    ),
    Name(
        "unknown_products",
        "Products that it promotes and that the shop does not know",
        "text",
        "A-9 and B-7",
        "all its products are known",
        "campaign",
    ),
    Name("plan_days", "When it runs", "text", "Wed 2 to Sat 5 Dec", "no such campaign is known", "campaign"),
    Name(
        "place",
        "A location as people call it: a marketplace of shop.yml, or a warehouse",
        "text",
        "the warehouse 3pl-north",
        "the warehouse",
        "location",
    ),
    Name(
        "held_products",
        "What may not be sold there, the most first",
        "text",
        "product A-1 (60 units) and product B-2 (12 units)",
        "the products that it holds",
        "location",
    ),
    Name(
        "receipt_due",
        "The day on which a delivery is expected now",
        "text",
        "Fri 4 Dec",
        "no such delivery is known",
        "purchase_order",
    ),
    Name(
        "receipt_overdue_days",
        "Days since a delivery should have come, by the day that was told last",
        "days",
        "2 days",
        "that day is not over",
        "purchase_order",
    ),
    Name(
        "receipt_quantity", "Units of a delivery", "units", "500 units", "no such delivery is known", "purchase_order"
    ),
)

NAMES: dict[str, Name] = {
    **{
        b.name: Name(b.name, b.meaning, b.unit, *_EXAMPLES[b.name], _LABEL_OF.get(b.subject, ""))
        for b in BUSINESS.values()
    },
    **{name.name: name for name in _OWN},
}
"""name → what it is, an example, and what is said where it is not known."""


def names(shop: Shop, labels: Mapping[str, str], at: datetime) -> dict[str, float | str]:
    """What is known of NAMES for what these labels are about: a product by `sku`, a channel, a campaign, a location,
    a delivery by `sku` and `purchase_order`; and always of the whole shop.

    Numbers are in the unit that NAMES has of them, money in the shop's currency, shares as 0.031.
    """
    known: dict[str, float | str | None] = {**_of_shop(shop, labels, at)}
    sku, channel, campaign = (labels.get(label, "") for label in ("sku", "channel", "campaign"))
    product = bundles.product_of(shop, sku)
    if product is not None:
        known |= _of_product(shop, product, labels, at)
        if channel:
            known |= _numbers(business(shop, "shelf", (sku, channel), at))
    if channel:
        known |= _numbers(business(shop, "channel", (channel,), at))
    if campaign in shop.plans:
        known |= _of_plan(shop, shop.plans[campaign], at)
    if "location" in labels:
        location = named(labels["location"])
        known |= _numbers(business(shop, "location", (location,), at))
        known |= {"place": place_text(shop, location), "held_products": held_products(shop, location)}
    return {name: value for name, value in known.items() if value is not None and value != ""}


def absent(name: str) -> str:
    """What is said in place of a name that is not known: a part of a sentence, never blank."""
    return NAMES[name].absent if name in NAMES else f"{name} is not known"


def _numbers(made: Mapping[str, Made]) -> dict[str, float | str | None]:
    return {name: plain(one.value) for name, one in made.items()}


def _of_shop(shop: Shop, labels: Mapping[str, str], at: datetime) -> dict[str, float | str | None]:
    today = shop.day_of(at)
    channel = labels.get("channel", "")
    facts = shop.day(today) or DayFacts(upto="", day=today.isoformat())
    visited = facts if not channel else shop.day(today, channel)
    made = business(shop, "shop", (), at)
    rate = conversion_of(shop, [channel] if channel else [], at)
    visits = None if visited is None else visited.counts.get("sessions")
    room = made["room_left"].value
    stake = next(iter(at_stake(shop, labels, at)), None)
    value = order_value(shop, at)
    known = _numbers(made)
    known |= {
        "stock_age": _stock_age(shop, at),
        "orders_today": facts.counts.get("orders", 0) if shop.days else None,
        "expected_by_now": _expected_by_now(made["forecast_gap"]),
        "too_many_today": _too_many(made["expected_today"].value, made["capacity_today"].value),
        "usual_today": plain(usual_day(shop, today, "orders").value),
        "visits_today": visits,
        "order_value": plain(value.value),
        "currency": value.unit.removeprefix(MONEY).strip(),
        "campaigns": _campaigns_text(shop, labels, at),
        "campaigns_ahead": _campaigns_ahead_text(shop, labels, at),
        "money_at_stake": None if stake is None else plain(stake.amount),
        "money_at_stake_of": None if stake is None else stake.of,
    }
    if rate is not None:
        known |= {
            "conversion": plain(rate.share),
            "conversion_of": rate.of,
            "orders_from_visits": None if visits is None else whole(visits * rate.share),
            "visits_for_room": None if room is None or not rate.share else rough(Fraction(room) / rate.share),
        }
    return known


def _expected_by_now(gap: Made) -> int | None:
    expected = dict(gap.made_of).get("expected so far")
    return whole(expected) if isinstance(expected, int | float) else None


def _too_many(expected: float | Fraction | None, capacity: float | Fraction | None) -> int | None:
    """Orders that are expected and cannot be shipped."""
    return None if expected is None or capacity is None else max(0, int(expected) - int(capacity))


def _stock_age(shop: Shop, at: datetime) -> float | None:
    """Of the newest word of any stock: a product whose own stands still may be told only when it moves."""
    newest = shop.once(
        ("newest stock",),
        lambda: max((instant(one.stock_at) for one in shop.products.values() if one.stock_at), default=None),
    )
    return None if newest is None else round(max(0.0, (at - newest).total_seconds()) / 3600, 1)


def _about(shop: Shop, labels: Mapping[str, str]) -> list[PlanFacts]:
    """Campaigns that are of what the labels name: that promote a product, run on a channel, or are named."""
    sku, channel, campaign = (labels.get(label, "") for label in ("sku", "channel", "campaign"))
    plans = [
        plan
        for plan in shop.plans.values()
        if not plan.cancelled
        and (not sku or sku in plan.skus)
        and (not channel or not plan.channels or channel in plan.channels)
        and (not campaign or campaign == plan.campaign)
    ]
    return sorted(plans, key=lambda plan: (plan_bounds(plan), plan.campaign))


def _campaigns_text(shop: Shop, labels: Mapping[str, str], at: datetime) -> str:
    running = [plan for plan in _about(shop, labels) if is_running(plan, at)]
    return list_text([f"{plan.campaign} until {day_text(plan_days(plan, shop.zone)[1])}" for plan in running])


def _campaigns_ahead_text(shop: Shop, labels: Mapping[str, str], at: datetime) -> str:
    until = at + timedelta(days=AHEAD_DAYS)
    coming = [plan for plan in _about(shop, labels) if at < plan_bounds(plan)[0] <= until]
    return list_text([f"{plan.campaign} from {day_text(plan_days(plan, shop.zone)[0])}" for plan in coming])


def _of_product(
    shop: Shop, product: ProductFacts, labels: Mapping[str, str], at: datetime
) -> dict[str, float | str | None]:
    today = shop.day_of(at)
    scarcest = bundles.scarcest_part(shop, product.sku, today)
    # A bundle comes in when the part comes in that it lacks.
    part = product if scarcest is None else shop.products[scarcest]
    coming = next_receipt(part, today)
    out = sold_out_on(shop, product, at)
    known = _numbers(business(shop, "product", (product.sku,), at))
    known |= {
        "available": product.available,
        "scarcest_part": scarcest or "",
        "price": None if product.price is None else plain(_price(shop, product.price, product.currency).value),
        "sold_out_on": "" if out is None or is_named(product.sku, shop.settings.backorder) else day_text(out),
        "next_receipt": "" if coming is None else day_text(coming[0]),
        "next_receipt_quantity": None if coming is None else coming[1],
        **_overdue(product, today),
        "lead_time": lead_time(shop, product),
        "supplier": supplier_text(part),
        "restock": restock(shop, part, at),
        "return_reasons": reasons_text(shop, product, today),
    }
    if "purchase_order" in labels:
        order = named(labels["purchase_order"])
        made = business(shop, "receipt", (product.sku, order), at)
        known |= _numbers(made)
        ours = [one for one in product.receipts if one.purchase_order == order]
        if ours:
            latest = max(ours, key=lambda one: (one.expected_on, one.quantity))
            due = date.fromisoformat(latest.expected_on)
            known["receipt_due"] = day_text(due)
            known["receipt_overdue_days"] = (today - due).days if latest.status != "received" and due < today else None
            known["receipt_quantity"] = sum(one.quantity for one in ours)
    return known


def _overdue(product: ProductFacts, today: date) -> dict[str, float | str | None]:
    """Of a next delivery that should be there already: since when, instead of a day on which it may come at best."""
    late = overdue(product, today)
    if late is None:
        return {}
    since, units = late
    return {
        "next_receipt": f"overdue since {day_text(since)}",
        "next_receipt_quantity": units,
        "overdue_days": (today - since).days,
    }


def _of_plan(shop: Shop, plan: PlanFacts, at: datetime) -> dict[str, float | str | None]:
    given = answer(shop, plan, at)
    first, last = plan_days(plan, shop.zone)
    return {
        **_numbers(business(shop, "plan", (plan.campaign,), at)),
        "plan_answer": given.verdict,
        "plan_cause": given.cause,
        "plan_reasons": " ".join(given.others[:MOST_REASONS]),
        "plan_suggestion": given.suggestion,
        "plan_orders": given.orders,
        "unknown_products": list_text(unknown_products(shop, plan)),
        "plan_days": span_text(first, last),
    }


def _price(shop: Shop, minor: int, currency: str) -> Made:
    """In the shop's currency; not known where there is no rate."""
    price = total({currency: minor}, shop.settings)
    return Made(None if price.without else price.amount, price.unit)
