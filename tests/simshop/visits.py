"""Who comes, what they look at, what brings them and what it costs: counts, as an analytics export would send them."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from tests.simshop import script
from tests.simshop.demand import SLOT, Demand, drawn, promotion_share, slots, units_a_day, week_weight, within
from tests.simshop.real_orders import profile
from tests.simshop.script import CHANNELS, CONVERSION, FIRST, MARKETPLACE, PROMOTIONS
from tests.simshop.shop_life import Event, event

_SENT = timedelta(seconds=1)
"""So long before its end the count of a stretch of time is sent."""
_HOUR = timedelta(hours=1)
_VIEWS = timedelta(hours=4)
LOOKS = 22
"""Looks at a product for each unit that is sold."""


def traffic(seed: int, ends: datetime) -> Iterator[tuple[datetime, Event]]:
    """Visits, looks at products, carts, checkouts, payments that failed, clicks and spend, each with its time."""
    yield from _sessions(seed, ends)
    yield from _views(seed, ends)
    yield from _checkouts(seed, ends)
    yield from _failed_payments(seed, ends)
    yield from _advertising(seed, ends)


def _analytics(kind: str, name: str, at: datetime, data: Event, subject: str) -> tuple[datetime, Event]:
    return at, event(kind, f"{name}-{at:%m%dT%H%M}", at, data, source="/analytics", subject=subject)


def _sessions(seed: int, ends: datetime) -> Iterator[tuple[datetime, Event]]:
    demand, dice = Demand(seed), random.Random(f"{seed} sessions")
    for slot in slots(FIRST, ends):
        at = slot + SLOT - _SENT
        for channel in CHANNELS:
            if count := drawn(demand.sessions(channel, slot), dice):
                yield _analytics(
                    "traffic.session", f"visits-{channel}", at, {"channel": channel, "count": count}, channel
                )
        for promotion in PROMOTIONS:
            for channel in promotion.channels:
                part = CHANNELS[channel] / sum(CHANNELS[c] for c in promotion.channels)
                count = drawn(promotion.sessions * part * promotion_share(promotion, slot), dice)
                if count:
                    sku = promotion.skus[0]
                    data: Event = {"channel": channel, "count": count, "campaign": promotion.name}
                    data |= {"sku": sku, "landing": f"/product/{sku}"}
                    name = f"visits-{channel}-{promotion.name}"
                    yield _analytics("traffic.session", name, at, data, channel)


def _views(seed: int, ends: datetime) -> Iterator[tuple[datetime, Event]]:
    dice = random.Random(f"{seed} views")
    moment = FIRST
    while moment < ends:
        at = moment + _VIEWS - _SENT
        weight = sum(week_weight(slot) for slot in slots(moment, moment + _VIEWS)) / 96
        for sku in profile().skus:
            usual = units_a_day(sku, script.home(sku)) + units_a_day(sku, MARKETPLACE)
            if sku == script.SLOW and moment >= script.SLOW_SINCE:
                usual = 0.5
            if count := drawn(LOOKS * usual * weight, dice):
                data = {"sku": sku, "count": count, "channel": "web"}
                yield _analytics("product.viewed", f"views-{sku}", at, data, sku)
        moment += _VIEWS


def _checkouts(seed: int, ends: datetime) -> Iterator[tuple[datetime, Event]]:
    demand, dice = Demand(seed), random.Random(f"{seed} checkouts")
    moment = FIRST
    while moment < ends:
        for channel in ("web", "app"):
            begun = sum(demand.sessions(channel, slot) * CONVERSION[channel] for slot in slots(moment, moment + _HOUR))
            if count := drawn(begun * 1.5, dice):
                data: Event = {"lines": [], "channel": channel, "count": count}
                yield _analytics("checkout.started", f"checkouts-{channel}", moment + _HOUR - _SENT, data, channel)
            if count := drawn(begun * 4, dice):
                carts: Event = {"lines": [], "action": "added", "channel": channel, "count": count}
                yield _analytics("cart.updated", f"carts-{channel}", moment + _HOUR - _SENT, carts, channel)
        moment += _HOUR


def _failed_payments(seed: int, ends: datetime) -> Iterator[tuple[datetime, Event]]:
    dice = random.Random(f"{seed} payments")
    number = 0
    for slot in slots(FIRST, ends):
        mean = 4 * week_weight(slot) * (SLOT / timedelta(days=1))
        if script.OUTAGE.starts <= slot < script.OUTAGE.ends:
            mean = 6
        for _ in range(drawn(mean, dice)):
            number += 1
            at = within(slot, dice)
            is_outage = script.OUTAGE.starts <= at < script.OUTAGE.ends
            data = {"method": "card", "provider": "paywell", "channel": "web" if dice.random() < 0.7 else "app"}
            data["reason"] = "timeout" if is_outage else dice.choice(["declined", "3ds failed"])
            yield at, event("payment.failed", f"failed-{number}", at, data, source="/shop/checkout")


def _advertising(seed: int, ends: datetime) -> Iterator[tuple[datetime, Event]]:
    """Spend by the hour and clicks by the four: the always-on ads, and those of promotions."""
    dice = random.Random(f"{seed} advertising")
    moment = FIRST
    while moment < ends:
        at = moment + _HOUR - _SENT
        for channel, daily in script.SPEND.items():
            is_jump = channel == "web" and script.SPEND_JUMP[0] <= moment < script.SPEND_JUMP[1]
            pounds = daily / 24 * (script.SPEND_FACTOR if is_jump else 1) * dice.uniform(0.9, 1.1)
            data: Event = {"channel": channel, "amount": round(pounds, 2), "campaign": "always-on"}
            yield _analytics("traffic.spend", f"spend-{channel}", at, data, channel)
            if moment.hour % 4 == 3 and (count := drawn(pounds * 4 / 0.6, dice)):
                clicks = {"channel": channel, "campaign": "always-on", "count": count}
                yield _analytics("ad.clicked", f"clicks-{channel}", at, clicks, channel)
        for promotion in PROMOTIONS:
            if promotion.starts <= moment < promotion.ends:
                amount = round(promotion.spend / 24 * dice.uniform(0.9, 1.1), 2)
                data = {"channel": "web", "amount": amount, "campaign": promotion.name}
                yield _analytics("traffic.spend", f"spend-{promotion.name}", at, data, "web")
        moment += _HOUR
