"""The products of a report: sold out, running out, back, slow, expiring, sent back; what to order, what comes late."""

from dataclasses import dataclass
from datetime import date, datetime
from math import ceil

from lockstep.reports.basis import Basis, at_stake, plain
from lockstep.reports.cell_text import money_unit
from lockstep.reports.report_record import Column, Table, Value
from lockstep.shop.facts import Lot, ProductFacts, Receipt
from lockstep.shop.subjects.location import locations
from lockstep.shop.subjects.product import is_named, lead_time, new_for, open_quantity
from lockstep.shop.subjects.returns import returns_ranking
from lockstep.shop.subjects.stock_receipts import late_days, open_receipts

MOST_ROWS = 10
FLASH_DISCOUNTS = ((14, 50), (30, 30), (60, 20), (365, 10))
"""(days that are left at most, percent off): what a flash sale of an expiring lot begins with."""
SLOW_DAYS = 30
"""Without a sale for so long a product is slow."""


@dataclass(frozen=True)
class Running:
    """A product that is sold out or will be before more comes.

    cover: days; 0: it is sold out. gap: days without it, as far as is known. lost: units that are not sold meanwhile.
    worth: these in minor units; None where the price is not known. next: the receipt that ends it; None: none is told.
    """

    product: ProductFacts
    cover: float
    velocity: float
    gap: float
    lost: float
    worth: int | None
    next: Receipt | None

    @property
    def is_out(self) -> bool:
        return (self.product.available or 0) <= 0


def running_out(basis: Basis) -> list[Running]:
    """Products that sell and are sold out, or will be before their next receipt; the costliest first."""
    settings = basis.shop.settings
    rows = []
    for product in basis.products():
        made = basis.made("product", product.sku)
        velocity, cover = plain(made["velocity"].value), plain(made["days_of_cover"].value)
        if product.available is None or not velocity or cover is None or is_named(product.sku, settings.backorder):
            continue
        gap, coming = plain(made["gap_days"].value), open_receipts(product)
        if gap is None:
            # Nobody knows when more comes. Ordered today it would be here in the lead time.
            gap = max(0.0, lead_time(basis.shop, product) - cover)
        is_low = product.available <= 0 or cover <= settings.safety_days
        if not is_low or (gap <= 0 and product.available > 0):
            continue
        lost = gap * velocity
        worth = at_stake(lost, basis.price(product))
        rows.append(Running(product, cover, velocity, gap, lost, worth, coming[0] if coming else None))
    return sorted(rows, key=lambda r: (-(r.worth or 0), r.cover, r.product.sku))


def stock_table(basis: Basis) -> Table:
    """Sold out and running out."""
    rows: list[tuple[Value, ...]] = [
        (
            r.product.sku,
            r.product.available,
            round(r.cover, 1),
            r.next.expected_on if r.next else None,
            r.next.quantity if r.next else None,
            round(r.gap, 1),
            r.worth,
        )
        for r in running_out(basis)
    ]
    return _table(
        "running_out",
        "Sold out or running out",
        (
            Column(name="sku", title="Product", unit="text"),
            Column(name="available", title="Available"),
            Column(name="days_of_cover", title="Cover", unit="days"),
            Column(name="next_receipt", title="Next receipt", unit="day"),
            Column(name="next_quantity", title="Units in it"),
            Column(name="gap_days", title="Missing for", unit="days"),
            Column(name="at_stake", title="At stake", unit=money_unit(basis.currency)),
        ),
        rows,
        empty="Nothing that sells is sold out or running out.",
    )


def back_table(basis: Basis) -> Table:
    """What could not be bought on the day before yesterday or yesterday and can be now, and what came in."""
    since = basis.start_of(basis.yesterday)
    rows: list[tuple[Value, ...]] = []
    for product in basis.products():
        arrived = [
            r for r in product.receipts if r.received_at and since <= datetime.fromisoformat(r.received_at) <= basis.at
        ]
        was_out = len(product.in_stock) >= 2 and not product.in_stock[-2] and (product.available or 0) > 0
        if arrived or was_out:
            units = sum(r.quantity for r in arrived)
            rows.append((product.sku, product.available, units or None, "back in stock" if was_out else "came in"))
    return _table(
        "back",
        "Back in stock, and what came in",
        (
            Column(name="sku", title="Product", unit="text"),
            Column(name="available", title="Available"),
            Column(name="received", title="Units received"),
            Column(name="what", title="", unit="text"),
        ),
        rows,
        empty="Nothing came back and nothing came in.",
    )


def late_receipts(basis: Basis) -> list[tuple[ProductFacts, Receipt, int]]:
    """Receipts that are past their day or were moved, with by how many days, the latest first."""
    late = []
    for product in basis.products():
        for receipt in open_receipts(product):
            days = late_days(receipt, basis.today)
            if days > 0:
                late.append((product, receipt, days))
    return sorted(late, key=lambda item: (-item[2], item[0].sku))


def late_table(basis: Basis) -> Table:
    rows: list[tuple[Value, ...]] = [
        (
            product.sku,
            receipt.purchase_order or None,
            receipt.quantity,
            receipt.first_expected_on,
            receipt.expected_on,
            days,
        )
        for product, receipt, days in late_receipts(basis)
    ]
    return _table(
        "late_receipts",
        "Receipts that are late",
        (
            Column(name="sku", title="Product", unit="text"),
            Column(name="purchase_order", title="Purchase order", unit="text"),
            Column(name="quantity", title="Units"),
            Column(name="first_expected", title="First told for", unit="day"),
            Column(name="expected", title="Now expected", unit="day"),
            Column(name="late_days", title="Late by", unit="days"),
        ),
        rows,
        empty="None is late.",
    )


def reorder_table(basis: Basis) -> Table:
    """What to order now: cover, lead time, suggested quantity."""
    listed: list[tuple[float, tuple[Value, ...]]] = []
    for product in basis.products():
        made = basis.made("product", product.sku)
        quantity = plain(made["reorder_quantity"].value)
        if not quantity:
            continue
        cover = plain(made["days_of_cover"].value)
        lead = lead_time(basis.shop, product)
        coming = open_quantity(product)
        row = (
            product.sku,
            product.available,
            None if cover is None else round(cover, 1),
            round(lead, 1),
            coming,
            ceil(quantity),
            product.supplier or None,
        )
        listed.append((cover - lead if cover is not None else 0, row))
    rows = [row for _, row in sorted(listed, key=lambda item: (item[0], str(item[1][0])))]
    return _table(
        "reorder",
        "Reorder now",
        (
            Column(name="sku", title="Product", unit="text"),
            Column(name="available", title="Available"),
            Column(name="days_of_cover", title="Cover", unit="days"),
            Column(name="lead_time", title="Lead time", unit="days"),
            Column(name="coming", title="On its way"),
            Column(name="quantity", title="Order"),
            Column(name="supplier", title="Supplier", unit="text"),
        ),
        rows,
        empty="Nothing is to be ordered now.",
        most=20,
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
    rows = []
    for product in basis.products():
        unsold = plain(basis.made("product", product.sku)["unsold_at_expiry"].value) or 0
        lots = sorted((lot for lot in product.lots if lot.quantity > 0), key=lambda lot: lot.expires_on)
        for lot in lots if unsold > 0 else ():
            days = (date.fromisoformat(lot.expires_on) - basis.today).days
            units = min(ceil(unsold), lot.quantity)
            if days > 90 or units <= 0:
                continue
            discount = next(percent for most, percent in FLASH_DISCOUNTS if days <= most)
            rows.append(Expiring(product, lot, days, units, discount, at_stake(units, basis.price(product))))
            unsold -= units
    return sorted(rows, key=lambda e: (-(e.worth or 0), e.days, e.product.sku))


def expiring_table(basis: Basis) -> Table:
    rows: list[tuple[Value, ...]] = [
        (
            e.product.sku,
            e.lot.lot,
            e.lot.quantity,
            e.lot.expires_on,
            e.unsold,
            f"{e.unsold} units at {e.discount}% off",
            e.worth,
        )
        for e in expiring(basis)
    ]
    return _table(
        "expiring",
        "Lots that end before they are sold",
        (
            Column(name="sku", title="Product", unit="text"),
            Column(name="lot", title="Lot", unit="text"),
            Column(name="quantity", title="Left"),
            Column(name="expires", title="Last day", unit="day"),
            Column(name="unsold", title="Unsold then"),
            Column(name="flash_sale", title="Flash sale", unit="text"),
            Column(name="at_stake", title="At stake", unit=money_unit(basis.currency)),
        ),
        rows,
        empty="No lot ends unsold within 90 days.",
    )


def slow_table(basis: Basis) -> Table:
    """Stock that does not move, with what it would sell for."""
    listed: list[tuple[int, tuple[Value, ...]]] = []
    for product in basis.products():
        idle = plain(basis.made("product", product.sku)["days_without_sale"].value) or 0
        if (
            idle < SLOW_DAYS
            or not product.available
            or product.available < 0
            or new_for(basis.shop, product, basis.today) is not None
        ):
            continue
        worth = at_stake(product.available, basis.price(product))
        hint = f"{'30' if idle >= 60 else '20'}% off"
        listed.append((worth or 0, (product.sku, product.available, round(idle), worth, hint)))
    rows = [row for _, row in sorted(listed, key=lambda item: (-item[0], str(item[1][0])))]
    return _table(
        "slow",
        "Slow stock",
        (
            Column(name="sku", title="Product", unit="text"),
            Column(name="available", title="Available"),
            Column(name="days_without_sale", title="No sale for", unit="days"),
            Column(name="worth", title="Worth", unit=money_unit(basis.currency)),
            Column(name="flash_sale", title="Flash sale", unit="text"),
        ),
        rows,
        empty=f"Nothing in stock went {SLOW_DAYS} days without a sale.",
    )


def return_table(basis: Basis) -> Table:
    rows: list[tuple[Value, ...]] = [
        (r.sku, r.units, r.returned, plain(r.rate), basis.number("return_rise", "product", r.sku), r.reasons or None)
        for r in returns_ranking(basis.shop, basis.at)
    ]
    days = basis.shop.settings.return_days
    return _table(
        "returns",
        f"Returns of {days} days, by rate × number",
        (
            Column(name="sku", title="Product", unit="text"),
            Column(name="sold", title="Sold"),
            Column(name="returned", title="Sent back"),
            Column(name="rate", title="Rate", unit="%"),
            Column(name="rise", title="Against before", unit="points"),
            Column(name="reason", title="Commonest reason", unit="text"),
        ),
        rows,
        empty=f"No product sold the {basis.shop.settings.min_return_units} units in {days} days that a rate needs, "
        "or none came back.",
    )


def new_table(basis: Basis) -> Table:
    """Products that were listed lately."""
    rows: list[tuple[Value, ...]] = [
        (p.sku, p.listed_on, p.available, sum(p.units), basis.price(p))
        for p in basis.products()
        if new_for(basis.shop, p, basis.today) is not None
    ]
    return _table(
        "new_products",
        "New products",
        (
            Column(name="sku", title="Product", unit="text"),
            Column(name="listed", title="Since", unit="day"),
            Column(name="available", title="Available"),
            Column(name="sold", title="Sold so far"),
            Column(name="price", title="Price", unit=money_unit(basis.currency)),
        ),
        rows,
        empty="None is new.",
    )


def supplier_table(basis: Basis) -> Table:
    """Lead times that changed."""
    rows: list[tuple[Value, ...]] = []
    for product in basis.products():
        if product.lead_time_days is not None and product.lead_time_before is not None:
            change = product.lead_time_days - product.lead_time_before
            if change:
                rows.append(
                    (product.supplier or None, product.sku, product.lead_time_before, product.lead_time_days, change)
                )
    return _table(
        "suppliers",
        "Lead times that changed",
        (
            Column(name="supplier", title="Supplier", unit="text"),
            Column(name="sku", title="Product", unit="text"),
            Column(name="before", title="Before", unit="days"),
            Column(name="now", title="Now", unit="days"),
            Column(name="change", title="Change", unit="days"),
        ),
        sorted(rows, key=lambda row: (-float(row[4] or 0), str(row[1]))),
        empty="None changed.",
    )


def location_table(basis: Basis) -> Table:
    """3PL and marketplaces: what is held, for how long, and how old their news are."""
    rows: list[tuple[Value, ...]] = []
    for place in filter(None, locations(basis.shop)):
        made = basis.made("location", place)
        numbers = {n: plain(made[n].value) for n in ("held_units", "held_days", "receiving_days", "sync_age")}
        kind = "marketplace" if place in basis.shop.settings.marketplaces else "warehouse"
        rows.append((place, kind, *(None if v is None else round(v, 1) for v in numbers.values())))
    return _table(
        "locations",
        "Warehouses, 3PL and marketplaces",
        (
            Column(name="location", title="Place", unit="text"),
            Column(name="kind", title="What", unit="text"),
            Column(name="held_units", title="Held units"),
            Column(name="held_days", title="Held for", unit="days"),
            Column(name="receiving_days", title="Days to receive", unit="days"),
            Column(name="sync_age", title="Stock told", unit="hours"),
        ),
        sorted(rows, key=lambda row: (-float(row[2] or 0), str(row[0]))),
        empty="No stock was told of any place by name.",
    )


def _table(
    name: str,
    title: str,
    columns: tuple[Column, ...],
    rows: list[tuple[Value, ...]],
    *,
    empty: str,
    most: int = MOST_ROWS,
) -> Table:
    return Table(
        name=name, title=title, columns=columns, rows=tuple(rows[:most]), empty=empty, more=max(0, len(rows) - most)
    )
