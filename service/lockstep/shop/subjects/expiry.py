"""Lots with a last day: which is the earliest, and what of them will be left."""

import math
from datetime import date, datetime
from fractions import Fraction

from lockstep.shop.facts import Lot, ProductFacts
from lockstep.shop.subjects.product import velocity, why_no_cover
from lockstep.shop.whole_shop import Made, Shop
from lockstep.text.days import day_text

MEASURES = ("days_to_expiry", "unsold_at_expiry")
"""What `measures` makes."""

NO_LOTS = "no lot of it with a last day is left"


def unsold_units(lots: list[tuple[int, int]], a_day: Fraction) -> Fraction:
    """Units left on the last days of lots that are sold one after the other, the earliest first.

    lots: (days that are left, units), in any order. a_day: units sold a day, of all of them together: what is sold of
    the first is not sold of the second.
    """
    gone, unsold = Fraction(0), Fraction(0)  # gone: days that the lots before take
    for days, units in sorted(lots):
        if a_day <= 0:
            unsold += units
            continue
        sold = min(Fraction(units), max(Fraction(0), days - gone) * a_day)
        gone += sold / a_day
        unsold += units - sold
    return unsold


def lots_for(shop: Shop, product: ProductFacts, channel: str) -> list[Lot]:
    """Lots with something left that a channel may sell: those that do not lie at another marketplace."""
    elsewhere = [place for place in shop.settings.marketplaces if place != channel]
    return [lot for lot in product.lots if lot.quantity > 0 and lot.location not in elsewhere]


def shelf_measures(shop: Shop, product: ProductFacts, channel: str, at: datetime) -> dict[str, Made]:
    """Of a product on a channel."""
    least = shop.settings.shelf_life.get(channel)
    if least is None:
        return {"shelf_days": Made(None, "days", (), f"shop.yml has no shelf_life of {channel}")}
    lots = lots_for(shop, product, channel)
    if not lots:
        return {"shelf_days": Made(None, "days", (), NO_LOTS)}
    first = min(lots, key=lambda lot: (lot.expires_on, lot.lot))
    last = date.fromisoformat(first.expires_on)
    made_of: tuple[tuple[str, int | float | str], ...] = (
        ("earliest lot", first.lot),
        ("its last day", day_text(last)),
        (f"days that {channel} asks for", least),
        ("units of it", first.quantity),
    )
    left = (last - shop.day_of(at)).days - least
    return {"shelf_days": Made(max(0, left), "days", made_of)}


def measures(shop: Shop, product: ProductFacts, at: datetime) -> dict[str, Made]:
    today = shop.day_of(at)
    lots = [
        (max(0, (date.fromisoformat(lot.expires_on) - today).days), lot.quantity)
        for lot in product.lots
        if lot.quantity > 0
    ]
    if not lots:
        return {
            "days_to_expiry": Made(None, "days", (), NO_LOTS),
            "unsold_at_expiry": Made(0, "units", (("lots with a last day", 0),)),
        }
    first = min((lot for lot in product.lots if lot.quantity > 0), key=lambda lot: (lot.expires_on, lot.lot))
    earliest: tuple[tuple[str, int | float | str], ...] = (
        ("earliest lot", first.lot),
        ("its last day", day_text(date.fromisoformat(first.expires_on))),
        ("units of it", first.quantity),
    )
    a_day = velocity(shop, product, today)
    unsold = Made(None, "units", earliest, why_no_cover(shop, product, today))
    if a_day is not None:
        made_of = (*earliest, ("units of all lots", sum(n for _, n in lots)), ("sold a day", round(float(a_day), 2)))
        unsold = Made(math.floor(unsold_units(lots, a_day)), "units", made_of)
    return {"days_to_expiry": Made(min(days for days, _ in lots), "days", earliest), "unsold_at_expiry": unsold}
