"""Deliveries to the shop: the next one, how late one is, and how long a product is out before it comes."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from lockstep.shop.facts import ProductFacts, Receipt
from lockstep.shop.subjects.product import cover, not_judged, why_no_cover
from lockstep.shop.whole_shop import Made, Shop
from lockstep.text.days import day_text
from lockstep.text.time_units import DAY_S


def open_receipts(product: ProductFacts) -> list[Receipt]:
    """Deliveries that are still to come, the earliest first."""
    still = [one for one in product.receipts if one.status != "received" and one.quantity > 0]
    return sorted(still, key=lambda one: (one.expected_on, one.purchase_order, one.location, one.quantity))


def comes_on(receipt: Receipt, today: date) -> date:
    """The earliest day on which it can come: its own, or tomorrow when that is over."""
    expected = date.fromisoformat(receipt.expected_on)
    return expected if expected >= today else today + timedelta(1)


def next_receipt(product: ProductFacts, today: date) -> tuple[date, int] | None:
    """(day, units) of what comes next, all deliveries of that day together; None while none is open."""
    still = [(comes_on(one, today), one.quantity) for one in open_receipts(product)]
    if not still:
        return None
    first = min(day for day, _ in still)
    return first, sum(quantity for day, quantity in still if day == first)


def sold_out_on(shop: Shop, product: ProductFacts, at: datetime) -> date | None:
    """The day on which its last unit is sold at today's velocity; None where that is not known, or a year away."""
    today = shop.day_of(at)
    days = cover(shop, product, today)
    if days is None or days >= 365:
        return None
    return shop.day_of(at.astimezone(UTC) + timedelta(seconds=float(days * DAY_S)))


def gap_days(shop: Shop, product: ProductFacts, at: datetime) -> Made:
    """Whole days from the day on which it is sold out to that of the next delivery. One that is late counts as of
    tomorrow, so then it is at least so long."""
    today = shop.day_of(at)
    why = not_judged(shop, product, today)
    if why or product.available is None:
        return Made(None, "days", (), why or why_no_cover(shop, product, today))
    coming = next_receipt(product, today)
    if coming is None:
        return Made(None, "days", (("units available", product.available),), "no delivery of it is planned")
    day, quantity = coming
    out = sold_out_on(shop, product, at)
    made_of: tuple[tuple[str, int | float | str], ...] = (
        ("units available", product.available),
        ("sold out on", "not within a year" if out is None else day_text(out)),
        ("next delivery on", day_text(day)),
        ("units of it", quantity),
    )
    return Made(0 if out is None else max(0, (day - out).days), "days", made_of)


def late_days(receipt: Receipt, today: date) -> int:
    """Days by which one that is still open is later than was told first, so far."""
    if receipt.status == "received":
        return 0
    comes = max(today, date.fromisoformat(receipt.expected_on))
    return max(0, (comes - date.fromisoformat(receipt.first_expected_on)).days)


def receipt_measures(shop: Shop, product: ProductFacts, purchase_order: str, at: datetime) -> dict[str, Made]:
    """Of all deliveries of a product that an order at the supplier has; the latest counts."""
    today = shop.day_of(at)
    ours = [one for one in product.receipts if one.purchase_order == purchase_order]
    if not ours:
        return {"receipt_late_days": Made(None, "days", (), "no such delivery is known")}
    worst = max(ours, key=lambda one: (late_days(one, today), one.expected_on, one.quantity))
    made_of = (
        ("expected first on", worst.first_expected_on),
        ("expected now on", worst.expected_on),
        ("units", worst.quantity),
        ("it is", worst.status),
    )
    return {"receipt_late_days": Made(late_days(worst, today), "days", made_of)}


def receiving_days(shop: Shop, location: str, at: datetime) -> Made:
    """Median days from the expected day to receipt, of what came in 28 days; what came early counts 0.

    What is overdue and still open counts with its days so far once they are more than that median: else a place that
    takes in nothing any more would look quick.
    """
    today = shop.day_of(at)
    since = today - timedelta(28)
    taken, still = [], []
    for product in shop.products.values():
        for one in product.receipts:
            if one.location != location:
                continue
            expected = date.fromisoformat(one.expected_on)
            if one.status == "received" and one.received_at:
                day = shop.day_of(datetime.fromisoformat(one.received_at))
                if since < day <= today:
                    taken.append(max(0, (day - expected).days))
            elif expected < today:
                still.append((today - expected).days)
    usual = _median(taken)
    slow = [days for days in still if usual is None or days > usual]
    made_of = (("deliveries of 28 days", len(taken)), ("overdue ones", len(still)))
    median = _median([*taken, *slow])
    if median is None:
        return Made(None, "days", made_of, "nothing came there in 28 days, and nothing is overdue")
    return Made(median, "days", made_of)


def _median(numbers: list[int]) -> Fraction | None:
    if not numbers:
        return None
    ordered, middle = sorted(numbers), len(numbers) // 2
    return Fraction(ordered[middle] + ordered[-1 - middle], 2)
