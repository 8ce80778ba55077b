"""Products that are sold out, or will be before their next delivery, their campaign's end, or anything is ordered; the
gravest first."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from lockstep.shop.business import business
from lockstep.shop.day_sums import on_days
from lockstep.shop.facts import ProductFacts
from lockstep.shop.subjects.product import is_named
from lockstep.shop.subjects.promotions import promoting
from lockstep.shop.subjects.stock_receipts import next_receipt
from lockstep.shop.whole_shop import Shop
from lockstep.text.days import day_text, list_text
from lockstep.text.one_line import flat

MOST_ROWS = 8
MOST_LOOKED_AT = 50
"""Products whose measures are made, those that last shortest: all of a large catalogue would take seconds."""
NO_DELIVERY = "no delivery is planned"
SHORT_DAYS = 60
"""What lasts longer is not looked at unless a campaign promotes it."""


@dataclass(frozen=True)
class StockRow:
    """available: units; cover: days, in words; gap: what happens before the next delivery; next: when how many come."""

    sku: str
    tone: str
    word: str
    available: str
    cover: str
    gap: str
    next: str
    campaigns: str
    is_out: bool

    @property
    def course(self) -> str:
        """`11 left, lasts 2.8 days; out for 4 days before the next delivery: 300 on Mon 7 Dec`."""
        left = "" if self.is_out else ", ".join(filter(None, (f"{self.available} left", self.cover)))
        then = self.next if self.next == NO_DELIVERY else f"{self.gap or 'next delivery'}: {self.next}"
        return "; ".join(filter(None, (left, then)))


def stock_rows(shop: Shop, now: datetime) -> tuple[list[StockRow], int]:
    """(rows, how many more there are)."""
    chosen = []
    for product in at_risk(shop, now):
        made = business(shop, "product", (product.sku,), now)
        gap, promoted = made["gap_days"].value or 0, made["promoted_cover_gap"].value or 0
        is_out = product.available is not None and product.available <= 0 and bool(_recent(product, shop, now))
        cover = made["days_of_cover"].value
        is_short = cover is not None and cover < shop.settings.safety_days and made["gap_days"].value is None
        if is_out or gap > 0 or promoted > 0 or is_short:
            speed = made["velocity"].value or 0
            weight = (bool(promoting(shop, product.sku, now)), is_out, speed * max(1, gap, promoted))
            chosen.append((weight, product))
    chosen.sort(key=lambda pair: (*(-n for n in pair[0]), pair[1].sku))
    return [_row(shop, product, now) for _, product in chosen[:MOST_ROWS]], max(0, len(chosen) - MOST_ROWS)


def at_risk(shop: Shop, now: datetime) -> list[ProductFacts]:
    """Products that may be at risk: what is promoted, and what a glance says lasts short; so many at most."""
    return shop.once(("at_risk", now), lambda: _at_risk(shop, now))


def _at_risk(shop: Shop, now: datetime) -> list[ProductFacts]:
    promoted = {sku for plan in shop.plans.values() if not plan.cancelled for sku in plan.skus}
    lasting: list[tuple[float, str, ProductFacts]] = []
    for product in shop.products.values():
        if product.available is None or is_named(product.sku, shop.settings.backorder):
            continue
        sold = sum(product.units[-28:])
        if product.sku in promoted and promoting(shop, product.sku, now):
            lasting.append((-1.0, product.sku, product))
        elif sold and product.available * 28 <= SHORT_DAYS * sold:
            lasting.append((max(0, product.available) / sold, product.sku, product))
    return [product for *_, product in sorted(lasting, key=lambda row: row[:2])[:MOST_LOOKED_AT]]


def _recent(product: ProductFacts, shop: Shop, now: datetime) -> int | Fraction:
    """Units sold in four weeks: what nobody bought is not missed."""
    return sum(on_days(product, product.units, shop.day_of(now), 28))


def _row(shop: Shop, product: ProductFacts, now: datetime) -> StockRow:
    made = business(shop, "product", (product.sku,), now)
    today = shop.day_of(now)
    cover, gap = made["days_of_cover"], made["gap_days"]
    plans = promoting(shop, product.sku, now)
    is_out = product.available is not None and product.available <= 0
    coming = next_receipt(product, today)
    next_words = NO_DELIVERY if coming is None else f"{coming[1]:,} on {day_text(coming[0])}"
    lost = f"out for {gap.text} before the next delivery" if gap.value else ""
    return StockRow(
        sku=flat(product.sku),
        tone="critical" if is_out and plans else "warning" if is_out or plans else "info",
        word="sold out" if is_out else "runs out",
        available=f"{max(0, product.available or 0):,}",
        cover="" if is_out or cover.value is None else f"lasts {cover.text}",
        gap=lost,
        next=next_words,
        campaigns=list_text([flat(plan.campaign) for plan in plans], 2),
        is_out=is_out,
    )
