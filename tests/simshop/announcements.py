"""What people and systems say beside sales and visits: plans, capacity, lead times, prices, complaints, heartbeats."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from tests.simshop import script
from tests.simshop.demand import drawn
from tests.simshop.real_orders import profile
from tests.simshop.script import FIRST, IMPOSSIBLE, PROMOTIONS, Promotion
from tests.simshop.shop_life import Event, event

from lockstep.text.rfc3339 import rfc3339_of

THEMES = {"delivery": 3.0, "quality": 2.0, "packaging": 1.2, "price": 1.0, "sizing": 0.8}
"""What customers speak of → how often a day."""
_OF_NEW_THEME = (9, 6, 6, 5)
"""How often of the one that nobody had spoken of, on its first days."""


def announcements(seed: int, ends: datetime) -> Iterator[tuple[datetime, Event]]:
    """All of it, each with its time; what lies beyond the end is left to the caller."""
    yield from _plans()
    yield from _capacity(ends)
    yield from _suppliers()
    yield from _prices()
    yield from _feedback(seed, ends)
    yield from _heartbeats(ends)
    yield from _unknown_product()


def _plan(promotion: Promotion, at: datetime, number: int) -> tuple[datetime, Event]:
    data: Event = {
        "campaign": promotion.name,
        "starts": rfc3339_of(promotion.starts),
        "ends": rfc3339_of(promotion.ends),
        "skus": list(promotion.skus),
        "channels": list(promotion.channels),
        "expected_sessions": promotion.sessions * promotion.days,
        "expected_orders": promotion.orders * promotion.days,
        "discount": promotion.discount,
    }
    name = f"plan-{promotion.name}-{number}"
    return at, event("campaign.planned", name, at, data, source="/marketing", subject=promotion.name)


def _plans() -> Iterator[tuple[datetime, Event]]:
    for promotion in (*PROMOTIONS, IMPOSSIBLE):
        yield _plan(promotion, promotion.planned, 1)
    small = Promotion(
        IMPOSSIBLE.name,
        (script.PROMOTED,),
        script.IMPOSSIBLE_CHANGED,
        IMPOSSIBLE.starts,
        IMPOSSIBLE.ends,
        orders=30,
        sessions=1_200,
        discount=0.1,
        spend=0,
    )
    yield _plan(small, script.IMPOSSIBLE_CHANGED, 2)


def _declared(at: datetime, starts: datetime, ends: datetime, orders: float) -> tuple[datetime, Event]:
    data = {"starts": rfc3339_of(starts), "ends": rfc3339_of(ends), "orders_per_day": orders}
    return at, event("capacity.declared", f"capacity-{at:%m%d}", at, data, source="/operations")


def _capacity(ends: datetime) -> Iterator[tuple[datetime, Event]]:
    yield _declared(FIRST + timedelta(minutes=1), FIRST, ends + timedelta(weeks=4), script.CAPACITY)
    next_day = script.SHORT_DAY + timedelta(days=1)
    yield _declared(script.SHORT_DAY_TOLD, script.SHORT_DAY, next_day, script.SHORT_CAPACITY)


def _suppliers() -> Iterator[tuple[datetime, Event]]:
    told = [(FIRST + timedelta(minutes=2), sku, script.SUPPLIERS[script.supplier(sku)]) for sku in profile().skus]
    longer = [(script.LONGER_LEAD, sku, script.LONGER_DAYS) for sku in script.LENGTHENED_FOR]
    for at, sku, days in (*told, *longer):
        data = {"supplier": script.supplier(sku), "lead_time_days": days, "sku": sku}
        yield at, event("supplier.updated", f"lead-{sku}-{days}", at, data, source="/erp/purchasing", subject=sku)


def _prices() -> Iterator[tuple[datetime, Event]]:
    for promotion in PROMOTIONS:
        for sku in promotion.skus:
            price = profile().prices[sku]
            lower = round(price * (1 - promotion.discount))
            for at, now, before in ((promotion.starts, lower, price), (promotion.ends, price, lower)):
                data = {"sku": sku, "price": now / 100, "previous": before / 100, "currency": "GBP"}
                name = f"price-{sku}-{at:%m%d}"
                yield at, event("price.changed", name, at, data, source="/shop/catalogue", subject=sku)


def _feedback(seed: int, ends: datetime) -> Iterator[tuple[datetime, Event]]:
    dice = random.Random(f"{seed} feedback")
    number = 0
    day = FIRST
    while day < ends:
        for theme, mean in THEMES.items():
            is_wave = theme == "sizing" and script.RETURN_WAVE[0] <= day < script.RETURN_WAVE[1]
            for _ in range(drawn(6.0 if is_wave else mean, dice)):
                number += 1
                at = day + timedelta(hours=8, seconds=int(50_000 * dice.random()))
                data: Event = {"theme": theme, "channel": dice.choice(["email", "chat", "review"])}
                data["rating"] = dice.choice([1, 2, 2, 3])
                if is_wave:
                    data["sku"] = script.RETURNED
                yield at, event("feedback.received", f"feedback-{number}", at, data, source="/service-desk")
        day += timedelta(days=1)
    for n, count in enumerate(_OF_NEW_THEME):
        for _ in range(count):
            number += 1
            at = script.NEW_THEME_FROM + timedelta(days=n, seconds=int(36_000 * dice.random()))
            data = {"theme": script.NEW_THEME, "channel": "email", "rating": 1, "sku": profile().skus[14]}
            yield at, event("feedback.received", f"feedback-{number}", at, data, source="/service-desk")


def _heartbeats(ends: datetime) -> Iterator[tuple[datetime, Event]]:
    at = FIRST + timedelta(minutes=5)
    while at < ends:
        for name in ("shop", "erp", script.THIRD_PARTY):
            if name != script.THIRD_PARTY or not script.STUCK[0] <= at < script.STUCK[1]:
                beat = event("source.heartbeat", f"alive-{name}-{at:%m%d%H}", at, {"name": name}, source=f"/{name}")
                yield at, beat
        at += timedelta(hours=1)


def _unknown_product() -> Iterator[tuple[datetime, Event]]:
    """An order of two products, one of which nobody has ever listed or counted."""
    at = script.UNKNOWN_AT
    data = {
        "order_id": "o-typo",
        "total": 21.9,
        "lines": [{"sku": script.UNKNOWN, "quantity": 1, "unit_price": 18.0}],
        "customer": "c-77",
        "channel": "web",
        "country": "GB",
        "currency": "GBP",
        "gift_wrap": False,
        "shipping": 3.9,
    }
    yield at, event("order.placed", "o-typo", at, data, source="/shop/checkout", subject="o-typo")
    sent = at + timedelta(hours=19)
    shipped = {"order_id": "o-typo", "hours_to_ship": 19.0, "cost": 3.4, "channel": "web", "location": script.OWN}
    yield sent, event("order.shipped", "s-o-typo", sent, shipped, source=f"/stock/{script.OWN}", subject="o-typo")
