"""All business measures of a thing: what `lockstep.shop.catalogue` names, made of a shop's facts."""

from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction

from lockstep.shop.catalogue import BUSINESS
from lockstep.shop.day_sums import plan_bounds
from lockstep.shop.facts import PlanFacts
from lockstep.shop.forecast import expected_day
from lockstep.shop.plan_answer import assess
from lockstep.shop.plans.plan_words import VERDICTS, fullness
from lockstep.shop.subjects import (
    bundles,
    capacity,
    channel,
    expiry,
    fulfilment,
    location,
    product,
    promotions,
    returns,
    stock_receipts,
)
from lockstep.shop.whole_shop import Made, Shop
from lockstep.text.days import list_text

_ALL_OF = {
    subject: [b for b in BUSINESS.values() if b.subject == subject]
    for subject in {b.subject for b in BUSINESS.values()}
}


def business(
    shop: Shop, subject: str, labels: tuple[str, ...], at: datetime, *, only: frozenset[str] | None = None
) -> dict[str, Made]:
    """name → measure, of everything that the catalogue has of a subject.

    labels: the values of SUBJECTS[subject], in that order; () for the whole shop. Of a thing that the shop does not
    know, every measure is None and says so. only: those that are asked for, as all of them are much work; None: all.
    """
    if subject in ("shop", "plan"):  # which every message needs, and which take most of the work
        key = ("business", subject, labels, at, only)
        return dict(shop.once(key, lambda: _business(shop, subject, labels, at, only)))
    return _business(shop, subject, labels, at, only)


def _business(
    shop: Shop, subject: str, labels: tuple[str, ...], at: datetime, only: frozenset[str] | None
) -> dict[str, Made]:
    def asks(*names: str) -> bool:
        return only is None or not only.isdisjoint(names)

    made: dict[str, Made] = {}
    match subject, labels:
        case "shop", ():
            if asks("expected_today"):
                made["expected_today"] = expected_day(shop, shop.day_of(at), at)
            if asks(*capacity.MEASURES):
                made |= capacity.measures(shop, at)
            if asks(*fulfilment.MEASURES):
                made |= fulfilment.measures(shop, at)
        case "product", (sku,) if (facts := bundles.product_of(shop, sku)) is not None:
            if asks(*bundles.MEASURES):
                made |= bundles.measures(shop, sku, shop.day_of(at))
            if asks(*product.MEASURES):
                made |= product.measures(shop, facts, at)
            if asks(*returns.MEASURES):
                made |= returns.product_returns(shop, facts, at)
            if asks("gap_days"):
                made["gap_days"] = stock_receipts.gap_days(shop, facts, at)
            if asks(*expiry.MEASURES):
                made |= expiry.measures(shop, facts, at)
            if asks(*promotions.MEASURES):
                made |= promotions.measures(shop, facts, at)
        case "receipt", (sku, purchase_order) if sku in shop.products:
            made = stock_receipts.receipt_measures(shop, shop.products[sku], purchase_order, at)
        case "shelf", (sku, name) if sku in shop.products:
            made = expiry.shelf_measures(shop, shop.products[sku], name, at)
        case "channel", (name,):
            made = channel.measures(shop, name, at)
        case "plan", (campaign,) if campaign in shop.plans:
            made = _of_plan(shop, campaign, at)
        case "location", (name,):
            made = location.measures(shop, name, at)
        case _:
            pass
    unknown = f"{' '.join(labels) or subject} is not known"
    asked = (b for b in _ALL_OF.get(subject, ()) if asks(b.name))
    return {b.name: made.get(b.name, Made(None, b.unit, (), unknown)) for b in asked}


def things(shop: Shop, subject: str) -> Iterable[tuple[str, ...]]:
    """The labels of everything of a subject that the shop knows, sorted. Of deliveries those that are open."""
    match subject:
        case "shop":
            return [()]
        case "product":
            return [(sku,) for sku in sorted(bundles.bundles_with(shop, dict.fromkeys(shop.products)))]
        case "shelf":
            lots = sorted(sku for sku, product in shop.products.items() if product.lots)
            return [(sku, channel) for sku in lots for channel in sorted(shop.settings.shelf_life)]
        case "receipt":
            return sorted(
                {
                    (sku, one.purchase_order)
                    for sku, p in shop.products.items()
                    for one in stock_receipts.open_receipts(p)
                }
            )
        case "channel":
            return [(name,) for name in shop.channels()]
        case "plan":
            return [(campaign,) for campaign in sorted(shop.plans)]
        case "location":
            return [(place,) for place in location.locations(shop)]
        case _:
            return []


def _of_plan(shop: Shop, campaign: str, at: datetime) -> dict[str, Made]:
    plan = shop.plans[campaign]
    return {**_answered(shop, plan, at), "plan_unknown_products": _unknown_products(shop, plan, at)}


def _unknown_products(shop: Shop, plan: PlanFacts, at: datetime) -> Made:
    if plan.cancelled or plan_bounds(plan)[1] <= at:
        return Made(0, "", (("it is", "cancelled" if plan.cancelled else "over"),))
    unknown = promotions.unknown_products(shop, plan)
    return Made(
        len(unknown),
        "",
        (("products that it promotes", len(plan.skus)), ("of them unknown", list_text(unknown) or "none")),
    )


def _answered(shop: Shop, plan: PlanFacts, at: datetime) -> dict[str, Made]:
    seen = assess(shop, plan, at)
    trouble = Made(VERDICTS.index(seen.verdict), "", (("answer", seen.verdict), ("why", " ".join(seen.reasons))))
    fullest = seen.fullest
    if fullest is None or fullest.expected is None or fullest.capacity is None:
        why = " ".join(seen.unknown) or "it is over"
        return {"plan_trouble": trouble, "plan_over_capacity": Made(None, "%", (), why)}
    made_of = (
        ("day", fullest.day),
        ("orders expected", fullest.expected),
        ("orders that can be shipped", fullest.capacity),
    )
    if not fullest.capacity:
        # Of a closed day with something to ship any share is too little; it is told as twice what is possible.
        share = Fraction(2 if fullness(fullest) else 0)
    else:
        share = Fraction(fullest.expected, fullest.capacity)
    return {"plan_trouble": trouble, "plan_over_capacity": Made(share, "%", made_of)}
