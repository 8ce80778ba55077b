"""The products of a report: sold out, running out, back, slow, expiring, sent back; what to order, what comes late."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import ceil

from lockstep.reports.basis import Basis
from lockstep.reports.report_record import Table
from lockstep.reports.tables.short_table import (
    AVAILABLE,
    COVER,
    SKU,
    Ranked,
    Row,
    day_column,
    number_column,
    ranked,
    short_table,
    text_column,
)
from lockstep.shop.day_sums import on_days
from lockstep.shop.exchange import money_unit
from lockstep.shop.facts import Lot, ProductFacts, Receipt
from lockstep.shop.stakes import units_stake, unsold_of
from lockstep.shop.subjects.expiry import lots_for
from lockstep.shop.subjects.location import locations
from lockstep.shop.subjects.product import cover as cover_of
from lockstep.shop.subjects.product import lead_time, new_for, open_quantity, velocity
from lockstep.shop.subjects.promotions import units_of_campaign
from lockstep.shop.subjects.returns import returns_ranking
from lockstep.shop.subjects.stock_receipts import late_days, open_receipts
from lockstep.shop.whole_shop import plain
from lockstep.text.figures import many, whole

FLASH_DISCOUNTS = ((14, 50), (30, 30), (60, 20), (365, 10))
"""(days that are left at most, percent off): what a flash sale of an expiring lot begins with."""
EXPIRY_DAYS = 90
"""A lot that ends later is not told of."""
SHELF_DAYS = 30
"""Nor is one that its channel takes for longer."""
SLOW_DAYS = 30
"""Without a sale for so long a product is slow."""


def worth(basis: Basis, product: ProductFacts, units: int) -> int | None:
    """What so many units sell for, minor units; None where the price is not known."""
    stake = units_stake(basis.shop, product, units, "", basis.at)
    return None if stake is None else stake.minor


def stock_table(basis: Basis) -> Table:
    """Sold out and running out."""
    return short_table(
        "running_out",
        "Sold out or running out",
        (
            SKU,
            AVAILABLE,
            COVER,
            day_column("next_receipt", "Next delivery"),
            number_column("next_quantity", "Units in it"),
            number_column("gap_days", "Missing for", "days"),
            number_column("at_stake", "At stake", money_unit(basis.currency)),
        ),
        (
            (
                one.product.sku,
                one.product.available,
                plain(one.cover),
                one.next.expected_on if one.next else None,
                one.next.quantity if one.next else None,
                plain(one.gap),
                None if one.stake is None else one.stake.minor,
            )
            for one in basis.shortages
        ),
        empty="Nothing that sells is sold out or running out." if basis.shop.products else "No product is known yet.",
    )


def back_table(basis: Basis) -> Table:
    """What could not be bought on the day before yesterday or yesterday and can be now, and what came in."""
    since = basis.start_of(basis.yesterday)
    rows: list[Row] = []
    for product in basis.products():
        arrived = [
            r for r in product.receipts if r.received_at and since <= datetime.fromisoformat(r.received_at) <= basis.at
        ]
        was_out = len(product.in_stock) >= 2 and not product.in_stock[-2] and (product.available or 0) > 0
        if arrived or was_out:
            units = sum(r.quantity for r in arrived)
            rows.append((product.sku, product.available, units or None, "back in stock" if was_out else "came in"))
    return short_table(
        "back",
        "Back in stock, and what came in",
        (SKU, AVAILABLE, number_column("received", "Units received"), text_column("what", "")),
        rows,
        empty="Nothing came back and nothing came in.",
    )


def late_receipts(basis: Basis) -> list[tuple[ProductFacts, Receipt, int]]:
    """Receipts that are past their day or were moved, with by how many days, the latest first."""
    late = [
        (product, receipt, days)
        for product in basis.products()
        if product.receipts
        for receipt in open_receipts(product)
        if (days := late_days(receipt, basis.today)) > 0
    ]
    return sorted(late, key=lambda item: (-item[2], item[0].sku))


def late_table(basis: Basis) -> Table:
    return short_table(
        "late_receipts",
        "Deliveries that are late",
        (
            SKU,
            number_column("quantity", "Units"),
            day_column("expected", "Now expected"),
            number_column("late_days", "Late by", "days"),
            day_column("first_expected", "First told for"),
            text_column("purchase_order", "Purchase order"),
        ),
        (
            (
                product.sku,
                receipt.quantity,
                receipt.expected_on,
                days,
                receipt.first_expected_on,
                receipt.purchase_order or None,
            )
            for product, receipt, days in late_receipts(basis)
        ),
        empty="None is late.",
    )


def reorder_table(basis: Basis) -> Table:
    """What to order now: cover, lead time, suggested quantity; the one that lacks first comes first."""
    listed: list[Ranked] = []
    for product in basis.products():
        lead = lead_time(basis.shop, product)
        # First what most products are: they last longer than an order and the days of safety take.
        lasts = cover_of(basis.shop, product, basis.today)
        if lasts is None or lasts >= Fraction(str(lead)) + Fraction(str(basis.shop.settings.safety_days)):
            continue
        made = basis.made("product", product.sku)
        quantity, cover = plain(made["reorder_quantity"].value), plain(made["days_of_cover"].value)
        if not quantity:
            continue
        row = (
            product.sku,
            ceil(quantity),
            product.available,
            cover,
            lead,
            open_quantity(product),
            product.supplier or None,
        )
        listed.append((cover - lead if cover is not None else 0, product.sku, row))
    return short_table(
        "reorder",
        "Reorder now",
        (
            SKU,
            number_column("quantity", "Order"),
            AVAILABLE,
            COVER,
            number_column("lead_time", "Lead time", "days"),
            number_column("coming", "On its way"),
            text_column("supplier", "Supplier"),
        ),
        ranked(listed),
        empty="Nothing is to be ordered now.",
        most=20,
    )


PACE_DAYS = 7
"""Days ahead for which units are expected, and days back to the expectation that they are compared with."""


def product_forecast_table(basis: Basis) -> Table:
    """What products are expected to sell in the next days, beside what their pace of a week ago came to; those that
    changed most first. Of what has not been on sale for a whole day nobody can know."""
    shop, today = basis.shop, basis.today
    promoted: dict[str, int] = {}
    for plan in basis.plans(PACE_DAYS):
        for sku, by_day in units_of_campaign(shop, plan, basis.at).items():
            units = sum((n for day, n in by_day.items() if 0 <= (day - today).days < PACE_DAYS), Fraction(0))
            promoted[sku] = promoted.get(sku, 0) + whole(units)
    listed: list[Ranked] = []
    unknown = 0
    for product in basis.products():
        pace = velocity(shop, product, today)
        if pace is None:
            unknown += 1
            continue
        then = velocity(shop, product, today - timedelta(PACE_DAYS))
        now, more = whole(pace * PACE_DAYS), promoted.get(product.sku, 0)
        before = None if then is None else whole(then * PACE_DAYS)
        if not (now or more or before):
            continue
        moved = None if before is None else now - before
        row = (
            product.sku,
            now + more,
            before,
            None if moved is None else f"{moved:+,}" if moved else "the same",
            more or None,
        )
        listed.append((-abs(moved if moved is not None else now) - more, product.sku, row))
    note = f"Of {unknown:,} products nothing can be expected: no whole day is known on which they could be bought."
    return short_table(
        "product_forecast",
        "Units expected of products in 7 days, and what changed",
        (
            SKU,
            number_column("expected", "Expected"),
            number_column("before", "By the pace of a week ago"),
            text_column("change", "Change of pace"),
            number_column("campaigns", "Of it by campaigns"),
        ),
        ranked(listed),
        empty="No product sold anything lately.",
        note=note if unknown else "",
    )


@dataclass(frozen=True)
class Expiring:
    """A lot that will not be sold by its last day at today's velocity.

    unsold: units. discount: percent off, suggested. worth: of the unsold ones, minor units.
    """

    product: ProductFacts
    lot: Lot
    days: int
    unsold: int
    discount: int
    worth: int | None


def expiring(basis: Basis) -> list[Expiring]:
    """Lots that end within 90 days with units left, the costliest first."""
    lots = [one for product in basis.products() if product.lots for one in _lots_of(basis, product)]
    return sorted(lots, key=lambda e: (-(e.worth or 0), e.days, e.product.sku))


def _lots_of(basis: Basis, product: ProductFacts) -> Iterator[Expiring]:
    unsold = unsold_of(basis.shop, product, basis.at)
    for lot in sorted((lot for lot in product.lots if lot.quantity > 0), key=lambda lot: lot.expires_on):
        days = (date.fromisoformat(lot.expires_on) - basis.today).days
        units = min(unsold, lot.quantity)
        if days <= EXPIRY_DAYS and units > 0:
            discount = next(percent for most, percent in FLASH_DISCOUNTS if days <= most)
            yield Expiring(product, lot, days, units, discount, worth(basis, product, units))
        unsold -= units


def expiring_table(basis: Basis) -> Table:
    return short_table(
        "expiring",
        "Lots that end before they are sold",
        (
            SKU,
            number_column("unsold", "Unsold then"),
            day_column("expires", "Last day"),
            number_column("at_stake", "At stake", money_unit(basis.currency)),
            text_column("flash_sale", "Flash sale"),
            text_column("lot", "Lot"),
            number_column("quantity", "Left"),
        ),
        (
            (
                e.product.sku,
                e.unsold,
                e.lot.expires_on,
                e.worth,
                f"{many(e.unsold, 'unit')} at {e.discount}% off",
                e.lot.lot,
                e.lot.quantity,
            )
            for e in expiring(basis)
        ),
        empty=f"No lot ends unsold within {EXPIRY_DAYS} days.",
    )


def shelf_table(basis: Basis) -> Table:
    """Lots that a channel takes for at most 30 days more, by shelf_life of shop.yml; what is too old first."""
    rows = []
    for product in basis.products() if basis.shop.settings.shelf_life else ():
        for channel, least in sorted(basis.shop.settings.shelf_life.items()):
            for lot in lots_for(basis.shop, product, channel):
                ends = date.fromisoformat(lot.expires_on) - timedelta(least)
                if (ends - basis.today).days <= SHELF_DAYS:
                    rows.append((ends.isoformat(), product.sku, lot.lot, channel, lot.quantity))
    return short_table(
        "shelf_life",
        "Lots that get too old for a channel",
        (SKU, text_column("lot", "Lot"), text_column("channel", "Channel"), day_column("until", "Sold there until"),
         number_column("quantity", "Left")),
        ((sku, lot, channel, until, quantity) for until, sku, lot, channel, quantity in sorted(rows)),
        empty=f"No lot gets too old for a channel within {SHELF_DAYS} days.",
    )  # fmt: skip


def slow_table(basis: Basis) -> Table:
    """Stock that does not move, with what it would sell for; the most of it first."""
    listed: list[Ranked] = []
    for product in basis.products():
        if (
            not product.available
            or product.available < 0
            or any(on_days(product, product.units, basis.today, SLOW_DAYS))
            or new_for(basis.shop, product, basis.today) is not None
        ):
            continue
        idle = round(plain(basis.made("product", product.sku)["days_without_sale"].value) or 0)
        if idle >= SLOW_DAYS:
            value = worth(basis, product, product.available)
            hint = f"{'30' if idle >= 60 else '20'}% off"
            listed.append((-(value or 0), product.sku, (product.sku, product.available, idle, value, hint)))
    return short_table(
        "slow",
        "Slow stock",
        (
            SKU,
            AVAILABLE,
            number_column("days_without_sale", "No sale for", "days"),
            number_column("worth", "Worth", money_unit(basis.currency)),
            text_column("flash_sale", "Flash sale"),
        ),
        ranked(listed),
        empty=f"Nothing in stock went {SLOW_DAYS} days without a sale.",
    )


def return_table(basis: Basis) -> Table:
    days, least = basis.shop.settings.return_days, basis.shop.settings.min_return_units
    rows: list[Row] = []
    for r in returns_ranking(basis.shop, basis.at):
        rise = basis.number("return_rise", "product", r.sku)
        rows.append((r.sku, r.units, r.returned, plain(r.rate), rise, r.reasons or None))
    return short_table(
        "returns",
        f"Returns of {days} days, by rate × number",
        (
            SKU,
            number_column("sold", "Sold"),
            number_column("returned", "Sent back"),
            number_column("rate", "Rate", "%"),
            number_column("rise", "Against before", "points"),
            text_column("reason", "Commonest reason"),
        ),
        rows,
        empty=f"No product sold the {least} units in {days} days that a rate needs, or none came back.",
    )


def new_table(basis: Basis) -> Table:
    """Products that were listed lately."""
    return short_table(
        "new_products",
        "New products",
        (
            SKU,
            day_column("listed", "Since"),
            AVAILABLE,
            number_column("sold", "Sold so far"),
            number_column("price", "Price", money_unit(basis.currency)),
        ),
        (
            (p.sku, p.listed_on, p.available, sum(p.units), basis.price(p))
            for p in basis.products()
            if new_for(basis.shop, p, basis.today) is not None
        ),
        empty="None is new.",
    )


def supplier_table(basis: Basis) -> Table:
    """Lead times that changed, those that grew most first."""
    changed = [
        (p.lead_time_days - p.lead_time_before, p)
        for p in basis.products()
        if p.lead_time_days is not None and p.lead_time_before is not None and p.lead_time_days != p.lead_time_before
    ]
    return short_table(
        "suppliers",
        "Lead times that changed",
        (
            text_column("supplier", "Supplier"),
            SKU,
            number_column("before", "Before", "days"),
            number_column("now", "Now", "days"),
            number_column("change", "Change", "days"),
        ),
        (
            (p.supplier or None, p.sku, p.lead_time_before, p.lead_time_days, change)
            for change, p in sorted(changed, key=lambda item: (-item[0], item[1].sku))
        ),
        empty="None changed.",
    )


def location_table(basis: Basis) -> Table:
    """3PL and marketplaces: what is held, for how long, and how old their news are; the most held first."""
    listed: list[Ranked] = []
    for place in filter(None, locations(basis.shop)):
        made = basis.made("location", place)
        numbers = [plain(made[n].value) for n in ("held_units", "held_days", "receiving_days", "sync_age")]
        kind = "marketplace" if place in basis.shop.settings.marketplaces else "warehouse"
        listed.append((-(numbers[0] or 0), place, (place, kind, *numbers)))
    return short_table(
        "locations",
        "Warehouses, 3PL and marketplaces",
        (
            text_column("location", "Place"),
            text_column("kind", "What"),
            number_column("held_units", "Held units"),
            number_column("held_days", "Held for", "days"),
            number_column("receiving_days", "Days to receive", "days"),
            number_column("sync_age", "Stock told", "hours"),
        ),
        ranked(listed),
        empty="No stock was told of any place by name.",
    )
