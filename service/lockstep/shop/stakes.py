"""What a thing may cost, as far as the facts tell: to rank what matters, and to say so in words.

Reports and the texts of alerts take every sum of money at stake from here.

Estimates, each said with what it was made of: units that are not sold at their price, orders that are not shipped at
what an order brings, spend that brings nothing. All are of one currency (`shop_currency`) and are whole numbers of its
minor unit. Money that no event told of (a price, a currency's rate) is not guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import ceil

from lockstep.labels import NONE
from lockstep.shop.business import business
from lockstep.shop.day_sums import counted, on_days, paid
from lockstep.shop.exchange import amount, money_unit, own_currency, total, total_in
from lockstep.shop.facts import KEPT_DAYS, Money, ProductFacts, Receipt
from lockstep.shop.forecast import forecast
from lockstep.shop.plan_answer import assess
from lockstep.shop.plans.plan_words import PlanAnswer
from lockstep.shop.subjects import expiry
from lockstep.shop.subjects.capacity import capacity_of
from lockstep.shop.subjects.location import place_text
from lockstep.shop.subjects.product import cover, lead_time, not_judged, velocity
from lockstep.shop.subjects.promotions import promoting
from lockstep.shop.subjects.returns import product_returns
from lockstep.shop.subjects.stock_receipts import gap_days, open_receipts
from lockstep.shop.whole_shop import Made, Shop
from lockstep.text.currency import decimals
from lockstep.text.days import list_text
from lockstep.text.figures import many, measured_text, whole

ORDER_DAYS = 28


@dataclass(frozen=True)
class Stake:
    """minor: in the minor unit of the currency, 0 at least. of: what it is, in words: `12 units of product A-1 that
    would sell in the 3 days it is out`. is_of_orders: whether it is made of orders and not of units of a product."""

    minor: int
    currency: str
    of: str
    is_of_orders: bool = False

    @property
    def amount(self) -> Fraction:
        """In the currency itself."""
        return amount(self.minor, self.currency)

    @property
    def unit(self) -> str:
        return money_unit(self.currency)

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
        lacking = shortage(shop, known, at)
        stakes += [
            None if lacking is None else lacking.stake,
            unsold(shop, known, at),
            sent_back(shop, known, at),
            promotion(shop, known, at),
        ]
    if plan is not None:
        stakes += plan_stakes(shop, assess(shop, plan, at), at)
    if "location" in labels:
        stakes.append(held(shop, named(labels["location"]), at))
    if labels.get("channel"):
        stakes.append(more_spend(shop, labels["channel"], at))
    if not any(label in labels for label in THINGS):
        stakes += [_above_capacity_today(shop, at), _fewer_orders(shop, at)]
    return sorted((s for s in stakes if s is not None and s.minor > 0), key=lambda s: (-s.minor, s.of))


def named(label: str) -> str:
    """A label's value as facts have it: "" where events name none."""
    return "" if label == NONE else label


# ---- money ----------------------------------------------------------------------------------------------------------


def shop_currency(shop: Shop, at: datetime) -> str:
    """The shop's; of a shop that names none the only one that its revenue has, or without revenue that its prices have;
    else "": then nothing that names a currency is added to anything."""
    if shop.settings.currency:
        return shop.settings.currency
    today = shop.day_of(at)
    return shop.once(("currency", today), lambda: _currency_of_facts(shop, today))


def _currency_of_facts(shop: Shop, today: date) -> str:
    revenue = {name: 1 for name in paid(shop, "revenue", today, KEPT_DAYS) if name not in (NONE, "")}
    prices = {product.currency: 1 for product in shop.products.values() if product.price is not None}
    return own_currency(revenue or prices, shop.settings)


def in_shop_currency(shop: Shop, money: Money, at: datetime) -> int | None:
    """Money in the shop's currency, minor units; None where a part of it has no rate."""
    sum_ = total_in(shop_currency(shop, at), money, shop.settings)
    return None if sum_.without else sum_.minor


def order_value(shop: Shop, at: datetime) -> Made:
    """What an order brings: revenue / orders of 28 days."""
    today = shop.day_of(at)
    orders = counted(shop, "orders", today, ORDER_DAYS)
    revenue = total(paid(shop, "revenue", today, ORDER_DAYS), shop.settings)
    made_of = ((f"revenue of {ORDER_DAYS} days", float(revenue.amount)), ("orders of them", orders))
    if not orders or not revenue.minor:
        return Made(None, revenue.unit, made_of, "no revenue is known of orders")
    minor = round(Fraction(revenue.minor, orders))
    return Made(amount(minor, revenue.currency), revenue.unit, made_of, revenue.why)


def order_worth(shop: Shop, at: datetime) -> int | None:
    """The same in minor units of the shop's currency; None where no revenue is known in it."""
    return minor_of(shop, order_value(shop, at), at)


def minor_of(shop: Shop, made: Made, at: datetime) -> int | None:
    """A measure that is money, in minor units of the shop's currency; None where it is not known, or of another one."""
    currency = shop_currency(shop, at)
    if made.value is None or made.unit != money_unit(currency):
        return None
    cents: int = 10 ** decimals(currency)
    return round(Fraction(made.value) * cents)


def price_of(shop: Shop, product: ProductFacts, at: datetime) -> int | None:
    """Of one unit, in minor units of the shop's currency; None where none was told, or it has no rate."""
    return None if product.price is None else in_shop_currency(shop, {product.currency: product.price}, at)


def units_stake(shop: Shop, product: ProductFacts, units: Fraction | int, words: str, at: datetime) -> Stake | None:
    """Units at the product's price, parts of one among them; None where there are none, or the price is not known."""
    if product.price is None or units <= 0:
        return None
    minor = in_shop_currency(shop, {product.currency: round(product.price * units)}, at)
    of = f"{many(ceil(units), 'unit')} of product {product.sku} {words}".rstrip()
    return None if minor is None else Stake(minor, shop_currency(shop, at), of)


def orders_stake(shop: Shop, orders: int, words: str, at: datetime) -> Stake | None:
    """Orders at what an order brings; None where there are none, or that is not known."""
    worth = order_worth(shop, at)
    if worth is None or orders <= 0:
        return None
    of = f"{many(orders, 'order')} {words}".rstrip()
    return Stake(worth * orders, shop_currency(shop, at), of, is_of_orders=True)


# ---- products -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shortage:
    """A product that is sold out, or will be before more comes.

    cover: days; 0: it is sold out. a_day: units that it sells. gap: days without it. units: that are not sold
    meanwhile. next: the receipt that ends it; None: none is told, and the gap is what it is at least if it is ordered
    today. stake: None where the price is not known.
    """

    product: ProductFacts
    cover: Fraction
    a_day: Fraction
    gap: Fraction
    units: Fraction
    next: Receipt | None
    stake: Stake | None

    @property
    def is_out(self) -> bool:
        return (self.product.available or 0) <= 0


def shortage(shop: Shop, product: ProductFacts, at: datetime) -> Shortage | None:
    """None for what lasts, does not sell, may be sold without stock, or is not known."""
    today = shop.day_of(at)
    if product.available is None:
        return None
    lasts = cover(shop, product, today)
    coming = open_receipts(product)
    # First what most products are: enough is there, and nothing that is on its way has to be waited for.
    if lasts is None or (not coming and lasts > Fraction(str(shop.settings.safety_days))):
        return None
    a_day = velocity(shop, product, today)
    if not a_day or not_judged(shop, product, today):
        return None
    if coming:
        gap = Fraction(gap_days(shop, product, at).value or 0)
        words = f"that would sell in the {measured_text(float(gap), 'days')} it is out"
    else:
        gap = max(Fraction(0), Fraction(str(lead_time(shop, product))) - lasts)
        words = f"that would sell in the {measured_text(float(gap), 'days')} it is out at least, if it is ordered today"
    if gap <= 0:
        return None
    units = a_day * gap
    stake = units_stake(shop, product, units, words, at)
    return Shortage(product, lasts, a_day, gap, units, coming[0] if coming else None, stake)


def unsold(shop: Shop, product: ProductFacts, at: datetime) -> Stake | None:
    """What will be left of its lots on their last days."""
    units = unsold_of(shop, product, at)
    return units_stake(shop, product, units, "that will be left on the last day of their lot", at)


def unsold_of(shop: Shop, product: ProductFacts, at: datetime) -> int:
    """Whole units likewise; 0 where that is not known."""
    return int(expiry.measures(shop, product, at)["unsold_at_expiry"].value or 0) if product.lots else 0


def sent_back(shop: Shop, product: ProductFacts, at: datetime) -> Stake | None:
    """What came back in the days of returns: above the rate of before, or all of it where that rate is not known."""
    days, today = shop.settings.return_days, shop.day_of(at)
    returned = sum(on_days(product, product.returned, today, days))
    if returned <= 0:
        return None
    rise = product_returns(shop, product, at)["return_rise"].value
    if rise is None:
        return units_stake(shop, product, returned, f"that came back in {days} days", at)
    more = Fraction(rise) * sum(on_days(product, product.units, today, days))
    return units_stake(shop, product, more, f"more than usual that came back in {days} days", at)


def promotion(shop: Shop, product: ProductFacts, at: datetime) -> Stake | None:
    """What campaigns of these days could sell of it and cannot, and what is spent today on one that is sold out."""
    plans = promoting(shop, product.sku, at)
    if not plans or product.available is None:
        return None
    spend = business(shop, "product", (product.sku,), at, only=frozenset(("spend_without_stock",)))
    spent = minor_of(shop, spend["spend_without_stock"], at) or 0
    missing = promoted_short(shop, product, at)
    sales = units_stake(
        shop, product, missing, f"that campaign {list_text([p.campaign for p in plans])} could sell", at
    )
    minor, words = spent + (0 if sales is None else sales.minor), []
    if sales is not None:
        words.append(sales.of)
    if spent:
        words.append("what was spent on ads for it today" if sales else f"spent today on ads for product {product.sku}")
    return Stake(minor, shop_currency(shop, at), " and ".join(words)) if minor else None


def promoted_short(shop: Shop, product: ProductFacts, at: datetime) -> int:
    """Units that the campaign of these days that lacks most could sell and are not there, as its answer counts them."""
    answers = [assess(shop, plan, at) for plan in promoting(shop, product.sku, at)]
    return max((row.short for seen in answers for row in seen.products if row.sku == product.sku), default=0)


# ---- campaigns and the whole shop -----------------------------------------------------------------------------------


def plan_stakes(shop: Shop, answer: PlanAnswer, at: datetime) -> list[Stake]:
    """What a campaign brings and cannot be shipped, and what it could sell of each product and is not there; the
    largest first."""
    orders = sum(-day.room for day in answer.days if day.room is not None and day.room < 0)
    stakes = [orders_stake(shop, orders, f"more than can be shipped in the days of campaign {answer.campaign}", at)]
    for row in answer.products:
        if row.sku in shop.products:
            words = f"that campaign {answer.campaign} could sell and are not there"
            stakes.append(units_stake(shop, shop.products[row.sku], row.short, words, at))
    return sorted((s for s in stakes if s is not None), key=lambda s: (-s.minor, s.of))


@dataclass(frozen=True)
class FullDay:
    """A day on which more is expected than can be shipped: orders, likewise."""

    day: date
    expected: int
    capacity: int


def full_days(shop: Shop, at: datetime, count: int) -> list[FullDay]:
    """Those of the `count` days from today on; none where forecast or capacity is not known."""
    days = []
    for n in range(count):
        day = shop.day_of(at) + timedelta(n)
        expected, capacity = forecast(shop, day, at), capacity_of(shop, day)
        if not isinstance(expected, str) and capacity is not None and expected.orders > capacity.orders:
            days.append(FullDay(day, expected.orders, int(capacity.orders)))
    return days


def above_capacity(shop: Shop, days: list[FullDay], words: str, at: datetime) -> Stake | None:
    """Orders of these days that cannot be shipped on them."""
    return orders_stake(shop, sum(day.expected - day.capacity for day in days), words, at)


def _above_capacity_today(shop: Shop, at: datetime) -> Stake | None:
    return above_capacity(shop, full_days(shop, at, 1), "more than can be shipped today", at)


def _fewer_orders(shop: Shop, at: datetime) -> Stake | None:
    gap = business(shop, "shop", (), at)["forecast_gap"]
    if gap.value is None or gap.value >= 0:
        return None
    so_far, by_now = (Fraction(str(number)) for _, number in gap.made_of)
    return orders_stake(shop, whole(by_now - so_far), "fewer than were expected by now", at)


# ---- places and channels --------------------------------------------------------------------------------------------


def held(shop: Shop, location: str, at: datetime) -> Stake | None:
    """What cannot be sold there, at the prices that are known."""
    units = {sku: p.places[location].held for sku, p in sorted(shop.products.items()) if location in p.places}
    rows = [units_stake(shop, shop.products[sku], count, "", at) for sku, count in units.items()]
    minor = sum(row.minor for row in rows if row is not None)
    skus = [sku for sku, count in units.items() if count > 0]
    if not minor:
        return None
    return Stake(minor, shop_currency(shop, at), f"what {place_text(shop, location)} holds of {list_text(skus)}")


def more_spend(shop: Shop, channel: str, at: datetime) -> Stake | None:
    """Spend of the last day above a usual one."""
    change = business(shop, "channel", (channel,), at)["spend_change"]
    if change.value is None or change.value <= 1:
        return None
    today = shop.day_of(at)
    spends = [in_shop_currency(shop, paid(shop, "spend", d, 1, channel), at) for d in (today - timedelta(1), today)]
    spend = max((one for one in spends if one is not None), default=0)
    more = round(spend * (1 - 1 / Fraction(change.value)))
    return Stake(more, shop_currency(shop, at), f"spent on channel {channel} above a usual day")
