"""What brings more of a product soonest: to ask for the delivery that is planned, or to order some."""

from datetime import date, datetime

from lockstep.shop.facts import ProductFacts
from lockstep.shop.subjects.product import lead_time, measures, velocity
from lockstep.shop.subjects.stock_receipts import comes_on, open_receipts, sold_out_on
from lockstep.shop.whole_shop import Shop
from lockstep.text.days import day_text
from lockstep.text.figures import many, measured_text

ORDER_MORE = "Order more of it"
"""Where nothing says how much."""


def supplier_text(product: ProductFacts) -> str:
    """`supplier lyon-textiles`."""
    return f"supplier {product.supplier}" if product.supplier else "the supplier"


def restock(shop: Shop, product: ProductFacts, at: datetime) -> str:
    """What operations does to have more of it, a sentence without its full stop; one thing, that a person can do today.

    A delivery that comes too late is asked for earlier, one that is overdue is asked after, and where none helps the
    quantity to order is named. Less than what sells in a day is no help.
    """
    today, supplier = shop.day_of(at), supplier_text(product)
    late = overdue(product, today)
    if late is not None:
        since, units = late
        return f"Ask {supplier} when {_goods(product, units)} due on {day_text(since)} {_verb(units, 'come')}"
    coming = _helping(shop, product, today)
    out = sold_out_on(shop, product, at)
    if coming is not None and coming[0] == today:
        return f"Book in {_goods(product, coming[1])} due today as soon as {_verb(coming[1], 'arrive', 'they', 'it')}"
    if coming is not None and out is not None and out < coming[0]:
        return f"Ask {supplier} to deliver {_goods(product, coming[1])} due on {day_text(coming[0])} earlier"
    quantity = measures(shop, product, at)["reorder_quantity"].value
    if quantity:
        takes = measured_text(lead_time(shop, product), "days")
        return f"Order {many(int(quantity), 'unit')} of product {product.sku} today (a delivery takes {takes})"
    if coming is not None:
        day, units = coming
        return f"Make sure that {_goods(product, units)} due on {day_text(day)} {_verb(units, 'arrive')} on time"
    return f"Order more of product {product.sku} today"


def _helping(shop: Shop, product: ProductFacts, today: date) -> tuple[date, int] | None:
    """(day, units) of the first delivery that lasts a day at least."""
    a_day = velocity(shop, product, today) or 0
    days: dict[date, int] = {}
    for one in open_receipts(product):
        day = comes_on(one, today)
        days[day] = days.get(day, 0) + one.quantity
    return next(((day, units) for day, units in sorted(days.items()) if units >= a_day), None)


def _goods(product: ProductFacts, units: int) -> str:
    return f"the {many(units, 'unit')} of product {product.sku}"


def _verb(units: int, verb: str, many_are: str = "", one_is: str = "") -> str:
    """`arrive`, `arrives`; with a pronoun `they arrive`, `it arrives`."""
    return f"{one_is} {verb}s".strip() if units == 1 else f"{many_are} {verb}".strip()


def overdue(product: ProductFacts, today: date) -> tuple[date, int] | None:
    """(since when, units) of deliveries that should be there already; None where none should, or one is due today."""
    days = {one: date.fromisoformat(one.expected_on) for one in open_receipts(product)}
    late = [one for one, due in days.items() if due < today]
    if not late or today in days.values():
        return None
    return days[late[0]], sum(one.quantity for one in late)
