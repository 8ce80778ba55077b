"""Bundles of shop.yml: products that are sold as one and lie on the shelf as their parts.

A bundle has no stock of its own, so all that is asked of its stock is asked of its parts. What is sold of it is sold
of them, which `velocity` of a part counts.
"""

from datetime import date, datetime
from fractions import Fraction

from msgspec.structs import replace

from lockstep.shop.facts import PlanFacts, ProductFacts
from lockstep.shop.subjects.product import cover
from lockstep.shop.subjects.promotions import units_of_product
from lockstep.shop.whole_shop import Made, Shop

MEASURES = ("bundle_cover",)
"""What `measures` makes."""


def product_of(shop: Shop, sku: str) -> ProductFacts | None:
    """The facts of a product; of a bundle with as many available as its parts make. A bundle that was never sold under
    its name is known by its parts; None where none of them is, either."""
    facts = shop.products.get(sku)
    parts = shop.settings.bundles.get(sku)
    if parts is None:
        return facts
    known = [shop.products[part] for part in parts if part in shop.products]
    if facts is None:
        if not known:
            return None
        facts = ProductFacts(upto=max(one.upto for one in known), sku=sku, day=max(one.day for one in known))
    return replace(facts, available=_available(shop, parts))


def bundles_with(shop: Shop, skus: dict[str, None]) -> dict[str, None]:
    """The products themselves, and the bundles that have one of them as a part."""
    bundles = [sku for sku, parts in shop.settings.bundles.items() if not skus.keys().isdisjoint(parts)]
    return {**skus, **dict.fromkeys(bundles)}


def parts_of_plan(shop: Shop, plan: PlanFacts) -> dict[str, list[str]]:
    """Product → as what a campaign promotes it: its own name, or the bundles of which it is a part, or both.

    In the order of the campaign's products, each bundle as its parts; the bundle itself is none.
    """
    promoted: dict[str, list[str]] = {}
    for sku in dict.fromkeys(plan.skus):
        for part in shop.settings.bundles.get(sku, {sku: 1}):
            promoted.setdefault(part, []).append(sku)
    return promoted


def units_from_stock(shop: Shop, plan: PlanFacts, at: datetime) -> dict[str, dict[date, Fraction]]:
    """Product → day → units that a campaign takes from its stock on top of the usual, those in bundles among them."""
    if shop.plans.get(plan.campaign) is plan:
        key = ("units from stock", plan.campaign, shop.day_of(at))
        return shop.once(key, lambda: _units_from_stock(shop, plan, at))
    return _units_from_stock(shop, plan, at)


def _units_from_stock(shop: Shop, plan: PlanFacts, at: datetime) -> dict[str, dict[date, Fraction]]:
    parts = parts_of_plan(shop, plan).items()
    return {part: units_of_part(shop, plan, part, promoted_as, at) for part, promoted_as in parts}


def units_of_part(shop: Shop, plan: PlanFacts, part: str, promoted_as: list[str], at: datetime) -> dict[date, Fraction]:
    """The same of one product. promoted_as: of `parts_of_plan`."""
    if promoted_as == [part]:
        return units_of_product(shop, plan, part, at)
    taken: dict[date, Fraction] = {}
    for sku in promoted_as:
        count = shop.settings.bundles[sku][part] if sku in shop.settings.bundles else 1
        for day, units in units_of_product(shop, plan, sku, at).items():
            taken[day] = taken.get(day, Fraction(0)) + count * units
    return taken


def scarcest_part(shop: Shop, sku: str, today: date) -> str | None:
    """The part of a bundle that lasts shortest; None where no cover of any is known, or where it is no bundle."""
    covers = _covers(shop, sku, today)
    return min(covers, key=lambda part: (covers[part], part)) if covers else None


def measures(shop: Shop, sku: str, today: date) -> dict[str, Made]:
    if sku not in shop.settings.bundles:
        return {"bundle_cover": Made(None, "days", (), "it is no bundle of shop.yml")}
    covers = _covers(shop, sku, today)
    if not covers:
        return {"bundle_cover": Made(None, "days", (), "no cover of any of its parts is known")}
    scarcest = min(covers, key=lambda part: (covers[part], part))
    made_of = (("scarcest part", scarcest), ("units available of it", shop.products[scarcest].available or 0))
    return {"bundle_cover": Made(covers[scarcest], "days", made_of)}


def _covers(shop: Shop, sku: str, today: date) -> dict[str, Fraction]:
    """Part → days that it lasts, of those of which that is known. One that is too few for a single bundle lasts 0."""
    covers = {}
    for part, count in shop.settings.bundles.get(sku, {}).items():
        facts = shop.products.get(part)
        days = None if facts is None else cover(shop, facts, today)
        if facts is not None and days is not None:
            covers[part] = Fraction(0) if (facts.available or 0) < count else days
    return covers


def _available(shop: Shop, parts: dict[str, int]) -> int | None:
    """Whole bundles that the parts make; None while stock of one was never told."""
    makes = []
    for part, count in parts.items():
        facts = shop.products.get(part)
        if facts is None or facts.available is None:
            return None
        makes.append(facts.available // count)
    return min(makes)
