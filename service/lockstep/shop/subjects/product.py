"""How a product sells and how long it lasts.

Sales are looked at on days that are over and on which it could be bought: a stock-out must not make a product look
slow, nor the morning of a day.
"""

import math
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from fnmatch import fnmatchcase
from fractions import Fraction

from lockstep.shop.day_sums import on_days
from lockstep.shop.facts import ProductFacts
from lockstep.shop.whole_shop import Made, Shop
from lockstep.text.days import day_text

MEASURES = (
    "velocity",
    "days_of_cover",
    "key_cover",
    "sell_through",
    "days_without_sale",
    "reorder_quantity",
    "lead_time_change",
)
"""What `measures` makes."""

MOST_COVER = 365
NO_STOCK_TOLD = "no stock of it is known"


def is_named(sku: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns, `KEY-*`, names a product."""
    return any(fnmatchcase(sku, pattern) for pattern in patterns)


def new_for(shop: Shop, product: ProductFacts, today: date) -> int | None:
    """For how many days it has been on sale, while that is new; None for all others.

    What was there when the shop's facts began is not new: it was only seen first then.
    """
    if not product.listed_on or not shop.first_day or product.listed_on <= shop.first_day:
        return None
    age = (today - date.fromisoformat(product.listed_on)).days
    return age if 0 <= age < shop.settings.new_days else None


def not_judged(shop: Shop, product: ProductFacts, today: date) -> str:
    """Why no cover of it is judged; "" where it is."""
    if product.sku in shop.settings.bundles:
        return "it is a bundle, which lasts as long as its scarcest part"
    if is_named(product.sku, shop.settings.backorder):
        return "it may be sold without stock"
    age = new_for(shop, product, today)
    return "" if age is None else f"it is new, on sale since {day_text(today - timedelta(age))}"


def sold(shop: Shop, product: ProductFacts, today: date) -> tuple[int, int]:
    """(units, days): sold on the days of `velocity_days` before today on which it could be bought.

    A day with a sale is one, whatever its stock said. Days before it was listed, and such of which nothing is known,
    are none. Where no stock was ever told, all others are.
    """
    count, yesterday = shop.settings.velocity_days, today - timedelta(1)
    units = on_days(product, product.units, yesterday, count)
    units = _with_bundles(shop, product, units, yesterday)
    if product.available is None:
        in_stock = [1] * len(units)
    else:
        in_stock = on_days(product, product.in_stock, yesterday, count, since=int(product.available > 0))
    length = max(len(units), len(in_stock))
    units = [0] * (length - len(units)) + units
    # A list of stock that began later than that of sales says nothing of the days before.
    in_stock = [1] * (length - len(in_stock)) + in_stock
    if product.listed_on:
        on_sale = max(0, (today - date.fromisoformat(product.listed_on)).days)
        units, in_stock = units[-on_sale:] if on_sale else [], in_stock[-on_sale:] if on_sale else []
    on_sale_days = [n for n, stocked in zip(units, in_stock, strict=True) if stocked or n > 0]
    return sum(on_sale_days), len(on_sale_days)


def _with_bundles(shop: Shop, product: ProductFacts, units: list[int], last: date) -> list[int]:
    """Units sold by day up to `last`, those in bundles of shop.yml among them."""
    for bundle, parts in shop.settings.bundles.items():
        facts = shop.products.get(bundle)
        count = parts.get(product.sku, 0)
        if facts is None or not count or bundle == product.sku:
            continue
        more = on_days(facts, facts.units, last, shop.settings.velocity_days)
        length = max(len(units), len(more))
        units, more = ([0] * (length - len(one)) + one for one in (units, more))
        units = [own + count * of_bundle for own, of_bundle in zip(units, more, strict=True)]
    return units


def velocity(shop: Shop, product: ProductFacts, today: date) -> Fraction | None:
    """Units sold a day; None while no day is known on which it could be bought."""
    units, days = sold(shop, product, today)
    return Fraction(max(0, units), days) if days else None


def cover(shop: Shop, product: ProductFacts, today: date) -> Fraction | None:
    """available / velocity in days, between 0 and 365; None without stock that was told or without sales.

    What is sold out has a cover of 0 however it sold.
    """
    return _cover(product, velocity(shop, product, today))


def _cover(product: ProductFacts, a_day: Fraction | None) -> Fraction | None:
    if product.available is None:
        return None
    if product.available <= 0:
        return Fraction(0)
    return min(Fraction(MOST_COVER), product.available / a_day) if a_day else None


def why_no_cover(shop: Shop, product: ProductFacts, today: date) -> str:
    if product.available is None:
        return NO_STOCK_TOLD
    if velocity(shop, product, today) is None:
        return "no whole day is known yet on which it could be bought"
    return f"nothing was sold of it in {shop.settings.velocity_days} days"


def open_quantity(product: ProductFacts) -> int:
    """Units of deliveries that are not in yet, late ones among them."""
    return sum(one.quantity for one in product.receipts if one.status != "received")


def measures(shop: Shop, product: ProductFacts, at: datetime) -> dict[str, Made]:
    today = shop.day_of(at)
    units, days = sold(shop, product, today)
    a_day = Fraction(max(0, units), days) if days else None
    sales: tuple[tuple[str, int | float | str], ...] = (
        (f"units sold in the last {shop.settings.velocity_days} days, while in stock", units),
        ("days of them in stock", days),
    )
    days_of_cover = _cover_made(shop, product, today, a_day, sales)
    is_key = is_named(product.sku, shop.settings.key_skus)
    return {
        "velocity": Made(a_day, "units", sales, "" if a_day is not None else why_no_cover(shop, product, today)),
        "days_of_cover": days_of_cover,
        "key_cover": days_of_cover if is_key else Made(None, "days", (), "it is no key product"),
        "sell_through": _sell_through(shop, product, today),
        "days_without_sale": _days_without_sale(shop, product, today),
        "reorder_quantity": _reorder_quantity(shop, product, today, a_day),
        "lead_time_change": _lead_time_change(product, at),
    }


def _cover_made(
    shop: Shop,
    product: ProductFacts,
    today: date,
    a_day: Fraction | None,
    sales: tuple[tuple[str, int | float | str], ...],
) -> Made:
    why = not_judged(shop, product, today)
    days = None if why else _cover(product, a_day)
    if days is None:
        return Made(None, "days", (), why or why_no_cover(shop, product, today))
    available = ("units available", product.available or 0)
    sold_a_day = () if a_day is None else (("units sold a day", round(float(a_day), 2)),)
    return Made(days, "days", (available, *sold_a_day, *sales))


def _sell_through(shop: Shop, product: ProductFacts, today: date) -> Made:
    if product.available is None:
        return Made(None, "%", (), NO_STOCK_TOLD)
    age = new_for(shop, product, today)
    if age is not None:
        return Made(None, "%", (), not_judged(shop, product, today) or f"it is new, on sale for {age} days")
    count = shop.settings.velocity_days
    units = sum(on_days(product, product.units, today, count))
    left = max(0, product.available)
    made_of = ((f"units sold in the last {count} days", units), ("units available", left))
    if units + left <= 0:
        return Made(None, "%", made_of, "nothing was sold of it and nothing is left")
    return Made(Fraction(units, units + left), "%", made_of)


def _days_without_sale(shop: Shop, product: ProductFacts, today: date) -> Made:
    """Only days in stock are counted: nobody could buy it on the others."""
    if product.available is None:
        return Made(None, "days", (), NO_STOCK_TOLD)
    if product.available <= 0:
        return Made(0, "days", (("units available", product.available),))
    known = max(len(product.units), len(product.in_stock))
    units = on_days(product, product.units, today, known)
    in_stock = on_days(product, product.in_stock, today, known, since=1)
    days, is_sold = 0, False
    for ago in range(max(len(units), len(in_stock))):
        if ago < len(units) and units[-1 - ago] > 0:
            is_sold = True
            break
        if ago and (ago >= len(in_stock) or in_stock[-1 - ago]):  # today may still bring one
            days += 1
    what = "days in stock since its last sale" if is_sold else "days in stock that are known, all without a sale"
    return Made(days, "days", ((what, days), ("units available", product.available)))


def lead_time(shop: Shop, product: ProductFacts) -> float:
    """Days from an order to its delivery: what the supplier told, else what the shop takes for usual."""
    return shop.settings.lead_time_days if product.lead_time_days is None else product.lead_time_days


def _reorder_quantity(shop: Shop, product: ProductFacts, today: date, a_day: Fraction | None) -> Made:
    why = not_judged(shop, product, today)
    if why or product.available is None or a_day is None:
        return Made(None, "units", (), why or why_no_cover(shop, product, today))
    days = Fraction(str(lead_time(shop, product))) + Fraction(str(shop.settings.safety_days))
    on_order = open_quantity(product)
    needed = a_day * days - product.available - on_order
    made_of = (
        ("units sold a day", round(float(a_day), 2)),
        ("days of lead time", lead_time(shop, product)),
        ("days of safety", shop.settings.safety_days),
        ("units available", product.available),
        ("units on order", on_order),
    )
    return Made(max(0, math.ceil(needed)), "units", made_of)


def _lead_time_change(product: ProductFacts, at: datetime) -> Made:
    now, before = product.lead_time_days, product.lead_time_before
    if now is None or before is None:
        return Made(None, "days", (), "no change of its lead time is known")
    if product.lead_time_at and datetime.fromisoformat(product.lead_time_at) < at - timedelta(days=28):
        return Made(0, "days", (("lead time in days, for more than 28 days", now),))
    made_of = (("lead time in days", now), ("before that", before), ("supplier", product.supplier or "not named"))
    return Made(max(Fraction(0), Fraction(str(now)) - Fraction(str(before))), "days", made_of)
