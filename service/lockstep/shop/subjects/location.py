"""A warehouse or marketplace: what it holds back, how quickly it takes in, and when it was heard of last."""

from datetime import datetime
from fractions import Fraction

from lockstep.shop.day_sums import instant
from lockstep.shop.subjects.stock_receipts import receiving_days
from lockstep.shop.whole_shop import Made, Shop
from lockstep.text.days import list_text
from lockstep.text.figures import many


def measures(shop: Shop, location: str, at: datetime) -> dict[str, Made]:
    places = [(sku, p.places[location]) for sku, p in shop.products.items() if location in p.places]
    held = [(sku, place) for sku, place in places if place.held > 0]
    units = sum(place.held for _, place in held)
    of = (("units held", units), ("products of them", len(held)))
    days = Made(0, "days", of)
    since = [(instant(place.held_since), sku) for sku, place in held if place.held_since]
    if since:
        first, sku = min(since)
        days = Made(_hours_between(first, at) / 24, "days", (*of, ("held longest", sku), ("since", first.isoformat())))
    elif held:
        days = Made(None, "days", of, "it was not told since when")
    heard = [instant(place.at) for _, place in places if place.at]
    why = "" if places else "no stock of it is known"
    return {
        "held_units": Made(units if places else None, "units", of, why),
        "held_days": days if places else Made(None, "days", (), why),
        "receiving_days": receiving_days(shop, location, at),
        "sync_age": Made(_hours_between(max(heard), at), "hours", (("told last", max(heard).isoformat()),))
        if heard
        else Made(None, "hours", (), "no stock of it is known"),
    }


def place_text(shop: Shop, location: str) -> str:
    """`the warehouse 3pl-north`, `the marketplace amazon`: a place as people call it. location: "" for one without a
    name."""
    kind = "the marketplace" if location in shop.settings.marketplaces else "the warehouse"
    return f"{kind} {location}".rstrip()


def held_products(shop: Shop, location: str) -> str:
    """`product A-1 (60 units) and product B-2 (12 units)`: what may not be sold there, the most first; "" for
    nothing."""
    held = [(p.places[location].held, sku) for sku, p in shop.products.items() if location in p.places]
    most = sorted(((units, sku) for units, sku in held if units > 0), key=lambda one: (-one[0], one[1]))
    return list_text([f"product {sku} ({many(units, 'unit')})" for units, sku in most])


def _hours_between(first: datetime, at: datetime) -> Fraction:
    return Fraction(max(0, int((at - first).total_seconds())), 3600)


def locations(shop: Shop) -> list[str]:
    """All that any product is at, or is delivered to; "" is what names none."""
    known = {place for product in shop.products.values() for place in product.places}
    known |= {receipt.location for product in shop.products.values() for receipt in product.receipts}
    return sorted(known)
