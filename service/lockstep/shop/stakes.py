"""What a thing may cost, as far as the facts tell: to rank what matters, and to say so in words.

Estimates, each said with what it was made of. Money that no event told of (a price, a currency's rate) is not guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil

from lockstep.labels import NONE
from lockstep.shop.business import business
from lockstep.shop.day_sums import counted, on_days, paid
from lockstep.shop.exchange import decimals, total
from lockstep.shop.facts import ProductFacts
from lockstep.shop.plan_answer import PlanAnswer, assess
from lockstep.shop.subjects.product import lead_time, velocity
from lockstep.shop.whole_shop import Made, Shop
from lockstep.text.days import list_text

ORDER_DAYS = 28


@dataclass(frozen=True)
class Stake:
    """amount: in the shop's currency, 0 at least. unit: `money EUR`. of: what it is, in words: `sales of 12 A-1 that
    cannot be sold before more arrive`."""

    amount: Fraction
    unit: str
    of: str

    @property
    def text(self) -> str:
        """`5,800 EUR`."""
        return Made(self.amount, self.unit).text


THINGS = ("sku", "channel", "campaign", "location")
"""Labels that name a thing; without any of them an alert is about the whole shop."""


def at_stake(shop: Shop, labels: Mapping[str, str], at: datetime) -> list[Stake]:
    """All that is at stake about what these labels name, the largest first."""
    stakes: list[Stake | None] = []
    known = shop.products.get(labels.get("sku", ""))
    plan = shop.plans.get(labels.get("campaign", ""))
    if known is not None:
        stakes += _of_product(shop, known, at)
    if plan is not None:
        stakes += _of_plan(shop, assess(shop, plan, at), at)
    if "location" in labels:
        stakes.append(_held(shop, named(labels["location"])))
    if labels.get("channel"):
        stakes.append(_more_spend(shop, labels["channel"], at))
    if not any(label in labels for label in THINGS):
        stakes += _of_shop(shop, at)
    return sorted((s for s in stakes if s is not None and s.amount > 0), key=lambda s: (-s.amount, s.of))


def order_value(shop: Shop, at: datetime) -> Made:
    """What an order brings: revenue / orders of 28 days."""
    today = shop.day_of(at)
    orders = counted(shop, "orders", today, ORDER_DAYS)
    revenue = total(paid(shop, "revenue", today, ORDER_DAYS), shop.settings)
    made_of = ((f"revenue of {ORDER_DAYS} days", float(revenue.amount)), ("orders of them", orders))
    if not orders or not revenue.minor:
        return Made(None, revenue.unit, made_of, "no revenue is known of orders")
    return Made(_in_cents(revenue.amount / orders, revenue.currency), revenue.unit, made_of, revenue.why)


def _days(count: int | float | Fraction) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


def named(label: str) -> str:
    """A label's value as facts have it: "" where events name none."""
    return "" if label == NONE else label


def _in_cents(amount: Fraction, currency: str) -> Fraction:
    cents = 10 ** decimals(currency)
    return Fraction(round(amount * cents), cents)


def _of_units(shop: Shop, product: ProductFacts, units: Fraction | int, words: str) -> Stake | None:
    """Units at the product's price, parts of one among them; None where no price was told, or it has no rate."""
    if product.price is None or units <= 0:
        return None
    worth = total({product.currency: round(product.price * units)}, shop.settings)
    return None if worth.without else Stake(worth.amount, worth.unit, f"{ceil(units):,} {product.sku} {words}")


def _of_orders(shop: Shop, orders: int, words: str, at: datetime) -> Stake | None:
    value = order_value(shop, at)
    if value.value is None or orders <= 0:
        return None
    return Stake(Fraction(value.value) * orders, value.unit, f"{orders:,} {words}")


def _of_product(shop: Shop, product: ProductFacts, at: datetime) -> list[Stake | None]:
    today = shop.day_of(at)
    made = business(shop, "product", (product.sku,), at)
    a_day = velocity(shop, product, today) or Fraction(0)
    gap, unsold, spend = made["gap_days"].value, made["unsold_at_expiry"].value, made["spend_without_stock"]
    days_left = made["days_of_cover"].value
    stakes: list[Stake | None] = []
    if gap:
        stakes.append(_of_units(shop, product, a_day * Fraction(gap), f"that sell in the {_days(gap)} it is out"))
    elif gap is None and days_left is not None and days_left <= shop.settings.safety_days:
        # Nothing is on its way: ordered today it would be here in the lead time.
        out = max(Fraction(0), Fraction(str(lead_time(shop, product))) - Fraction(days_left))
        words = f"that sell in the {_days(round(out))} it is out at least, if it is ordered today"
        stakes.append(_of_units(shop, product, a_day * out, words))
    if unsold:
        stakes.append(_of_units(shop, product, Fraction(unsold), "that will be left on the last day of their lot"))
    returned = sum(on_days(product, product.returned, today, shop.settings.return_days))
    stakes.append(_of_units(shop, product, returned, f"that came back in {shop.settings.return_days} days"))
    if spend.value:
        stakes.append(
            Stake(Fraction(spend.value), spend.unit, f"spent today on what promotes {product.sku}, which is out")
        )
    return stakes


def _of_plan(shop: Shop, answer: PlanAnswer, at: datetime) -> list[Stake | None]:
    orders = sum(-day.room for day in answer.days if day.room is not None and day.room < 0)
    stakes = [_of_orders(shop, orders, f"orders more than can be shipped in the days of {answer.campaign}", at)]
    for row in answer.products:
        if row.sku in shop.products:
            words = f"that {answer.campaign} could sell and are not there"
            stakes.append(_of_units(shop, shop.products[row.sku], row.short, words))
    return stakes


def _of_shop(shop: Shop, at: datetime) -> list[Stake | None]:
    made = business(shop, "shop", (), at)
    expected, capacity = made["expected_today"].value, made["capacity_today"].value
    gap = made["forecast_gap"]
    stakes: list[Stake | None] = []
    if expected is not None and capacity is not None:
        stakes.append(_of_orders(shop, int(expected - capacity), "orders more than can be shipped today", at))
    if gap.value is not None and gap.value < 0:
        so_far, by_now = (Fraction(str(number)) for _, number in gap.made_of)
        stakes.append(_of_orders(shop, round(by_now - so_far), "orders fewer than were expected by now", at))
    return stakes


def _held(shop: Shop, location: str) -> Stake | None:
    """What cannot be sold there, at the prices that are known."""
    held = {p.sku: (p, p.places[location].held) for p in shop.products.values() if location in p.places}
    rows = [s for p, units in held.values() if (s := _of_units(shop, p, units, "")) is not None]
    if not rows:
        return None
    skus = sorted(sku for sku, (_, units) in held.items() if units > 0)
    return Stake(
        sum((row.amount for row in rows), Fraction(0)),
        rows[0].unit,
        f"held at {location or 'one place'}: {list_text(skus)}",
    )


def _more_spend(shop: Shop, channel: str, at: datetime) -> Stake | None:
    """Spend of the last day above a usual one."""
    change = business(shop, "channel", (channel,), at)["spend_change"]
    if change.value is None or change.value <= 1:
        return None
    yesterday = shop.day_of(at) - timedelta(1)
    spend = max(
        (total(paid(shop, "spend", day, 1, channel), shop.settings) for day in (yesterday, yesterday + timedelta(1))),
        key=lambda one: one.minor,
    )
    more = _in_cents(spend.amount * (1 - 1 / Fraction(change.value)), spend.currency)
    return Stake(more, spend.unit, f"spent on {channel} above a usual day")
