"""Products that campaigns promote: whether they last as long as these run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from lockstep.measure.exact import SCALE
from lockstep.shop.day_sums import add_money, counted, day_bounds, is_running, known_at, paid, plan_bounds, plan_days
from lockstep.shop.exchange import total
from lockstep.shop.facts import DayFacts, Money, PlanFacts, ProductFacts
from lockstep.shop.forecast import campaign_course
from lockstep.shop.subjects.product import NO_STOCK_TOLD, is_named, velocity
from lockstep.shop.subjects.stock_receipts import comes_on, open_receipts
from lockstep.shop.whole_shop import Made, Shop
from lockstep.text.days import day_text, list_text
from lockstep.text.figures import whole

MEASURES = ("promoted_cover_gap", "promoted_stock", "spend_without_stock")
"""What `measures` makes."""

AHEAD_DAYS = 7
"""Campaigns that begin in so many days are looked at, too."""
UNITS_DAYS = 28


def promoting(shop: Shop, sku: str, at: datetime, *, ahead_days: int = AHEAD_DAYS) -> list[PlanFacts]:
    """Campaigns with a product that run, or will within so many days, the next to end first."""
    until = at + timedelta(days=ahead_days)
    plans = [plan for plan in _naming(shop, sku) if plan_bounds(plan)[1] > at and plan_bounds(plan)[0] <= until]
    return sorted(plans, key=lambda plan: (plan_bounds(plan)[1], plan.campaign))


def _naming(shop: Shop, sku: str) -> list[PlanFacts]:
    """Campaigns that name a product and are not cancelled; a shop with many of both asks thousands of times."""
    return shop.once(("plans of products",), lambda: _plans_of_products(shop)).get(sku, [])


def _plans_of_products(shop: Shop) -> dict[str, list[PlanFacts]]:
    plans: dict[str, list[PlanFacts]] = {}
    for plan in shop.plans.values():
        for sku in dict.fromkeys(plan.skus) if not plan.cancelled else ():
            plans.setdefault(sku, []).append(plan)
    return plans


def unknown_products(shop: Shop, plan: PlanFacts) -> list[str]:
    """Products that a campaign promotes and of which no event ever told: not listed, stocked or sold."""
    return [sku for sku in dict.fromkeys(plan.skus) if sku not in shop.products and sku not in shop.settings.bundles]


def units_of_campaign(shop: Shop, plan: PlanFacts, at: datetime) -> dict[str, dict[date, Fraction]]:
    """Product → day → units that a campaign sells of it on top of the usual.

    Its orders (announced, else as earlier campaigns) times the units that an order has, shared by its products as they
    sell; one of which no sales are known gets as much as the others do on average.
    """
    if shop.plans.get(plan.campaign) is plan:
        key = ("units", plan.campaign, shop.day_of(at))
        return shop.once(key, lambda: _units_of_campaign(shop, plan, at))
    return _units_of_campaign(shop, plan, at)


def _units_of_campaign(shop: Shop, plan: PlanFacts, at: datetime) -> dict[str, dict[date, Fraction]]:
    return {sku: units_of_product(shop, plan, sku, at) for sku in dict.fromkeys(plan.skus)}


def units_of_product(shop: Shop, plan: PlanFacts, sku: str, at: datetime) -> dict[date, Fraction]:
    """The same of one product that a campaign promotes."""
    course = campaign_course(shop, plan, at, "announced")
    if course is None:
        return {}
    skus, today = tuple(dict.fromkeys(plan.skus)), shop.day_of(at)
    an_order = shop.once(("units an order", skus, today), lambda: _units_an_order(shop, skus, today))[sku]
    return {day: more * an_order for day, more in course.by_day.items()}


def _units_an_order(shop: Shop, skus: tuple[str, ...], today: date) -> dict[str, Fraction]:
    """Product → units of it in an order of a campaign that promotes these."""
    orders = counted(shop, "orders", today, UNITS_DAYS)
    units = counted(shop, "units", today, UNITS_DAYS)
    an_order = max(Fraction(1), Fraction(units, orders)) if orders else Fraction(1)
    speeds = {sku: velocity(shop, shop.products[sku], today) or Fraction(0) for sku in skus if sku in shop.products}
    sold = {sku: speed for sku, speed in speeds.items() if speed > 0}
    average = sum(sold.values(), Fraction(0)) / len(sold) if sold else Fraction(1)
    weights = {sku: sold.get(sku, average) for sku in skus}
    whole = sum(weights.values())
    return {sku: an_order * weights[sku] / whole for sku in skus}


@dataclass(frozen=True)
class StockCourse:
    """How the stock of a product goes through a stretch of days.

    needed: units that are asked for in it. short: units of these that are not there. out_on: days of it on which half
    of what is asked for, or more, is not there. first_out: the first of them, or None.
    """

    needed: Fraction
    short: Fraction
    out_on: tuple[date, ...]

    @property
    def first_out(self) -> date | None:
        return self.out_on[0] if self.out_on else None


def stock_course(
    shop: Shop, product: ProductFacts, at: datetime, stretch: tuple[date, date], more: Mapping[date, Fraction]
) -> StockCourse:
    """Day by day from now: what is open comes in, then the usual and `more` is sold, as long as there is stock.

    Of today only what is left of it is asked for. A late delivery counts as of tomorrow.
    """
    today = shop.day_of(at)
    first, last = stretch
    a_day = _millionths(velocity(shop, product, today) or Fraction(0))
    coming: dict[date, int] = {}
    for one in open_receipts(product):
        day = comes_on(one, today)
        coming[day] = coming.get(day, 0) + one.quantity * SCALE
    begin, over = day_bounds(today, shop.zone)
    stock = (product.available or 0) * SCALE
    needed, short, out_on = 0, 0, []
    for n in range((last - today).days + 1):
        day = today + timedelta(n)
        stock += coming.get(day, 0)
        asked = a_day + _millionths(more[day] if day in more else Fraction(0))
        if n == 0:
            asked = asked * int((over - known_at(shop, at)).total_seconds()) // int((over - begin).total_seconds())
        sold = min(max(stock, 0), asked)
        is_out = 2 * (asked - sold) >= asked if asked else stock <= 0
        stock -= sold
        if day >= first:
            needed += asked
            short += asked - sold
            if is_out:
                out_on.append(day)
    return StockCourse(Fraction(needed, SCALE), Fraction(short, SCALE), tuple(out_on))


def _millionths(units: Fraction) -> int:
    """As exact as is needed, the same everywhere, and quick: halves to the even one, as round has them."""
    whole, rest = divmod(units.numerator * SCALE, units.denominator)
    half = 2 * rest - units.denominator
    return whole + (half > 0 or (half == 0 and whole % 2))


def measures(shop: Shop, product: ProductFacts, at: datetime) -> dict[str, Made]:
    return {
        "promoted_cover_gap": _cover_gap(shop, product, at),
        "promoted_stock": _promoted_stock(shop, product, at),
        "spend_without_stock": _spend_without_stock(shop, product, at),
    }


def _cover_gap(shop: Shop, product: ProductFacts, at: datetime) -> Made:
    why = _not_looked_at(shop, product)
    plans = promoting(shop, product.sku, at)
    if why or not plans:
        return Made(None, "days", (), why or "no campaign promotes it now or in the next 7 days")
    today = shop.day_of(at)
    more: dict[date, Fraction] = {}
    for plan in plans:
        for day, units in units_of_campaign(shop, plan, at)[product.sku].items():
            more[day] = more.get(day, Fraction(0)) + units
    worst = Made(0, "days", (("units available", product.available or 0), ("campaigns", _names(plans))))
    for plan in plans:
        first, last = plan_days(plan, shop.zone)
        course = stock_course(shop, product, at, (max(first, today), last), more)
        if len(course.out_on) > (worst.value or 0) and course.first_out is not None:
            made_of = (
                ("units available", product.available or 0),
                (f"units asked for until {day_text(last)}, the end of {plan.campaign}", whole(course.needed)),
                ("units of them that are not there", whole(course.short)),
                ("out from", day_text(course.first_out)),
            )
            worst = Made(len(course.out_on), "days", made_of)
    return worst


def _promoted_stock(shop: Shop, product: ProductFacts, at: datetime) -> Made:
    why = _not_looked_at(shop, product)
    running = [plan for plan in promoting(shop, product.sku, at, ahead_days=0) if is_running(plan, at)]
    if why or not running:
        return Made(None, "units", (), why or "no campaign promotes it now")
    return Made(
        product.available, "units", (("units available", product.available or 0), ("campaigns", _names(running)))
    )


def _not_looked_at(shop: Shop, product: ProductFacts) -> str:
    if is_named(product.sku, shop.settings.backorder):
        return "it may be sold without stock"
    return NO_STOCK_TOLD if product.available is None else ""


def _spend_without_stock(shop: Shop, product: ProductFacts, at: datetime) -> Made:
    """Spend that names a campaign counts for it; of a campaign that no spend of today names, that of its channels.

    All of a campaign's spend counts, also where it promotes other products that there are.
    """
    why = _not_looked_at(shop, product)
    currency = total({}, shop.settings).unit
    running = [plan for plan in promoting(shop, product.sku, at, ahead_days=0) if is_running(plan, at)]
    if why or (product.available or 0) > 0 or not running:
        return Made(0 if not why else None, currency, (("campaigns that promote it now", len(running)),), why)
    today = shop.day_of(at)
    whole = shop.day(today) or DayFacts(upto="", day=today.isoformat())
    sums: Money = {}
    channels: dict[str, None] = {}
    for plan in running:
        if plan.campaign in whole.spend_by_campaign:
            add_money(sums, whole.spend_by_campaign[plan.campaign])
        else:
            channels.update(dict.fromkeys(plan.channels))
    for channel in channels:
        add_money(sums, paid(shop, "spend", today, 1, channel))
    spend = total(sums, shop.settings)
    made_of: list[tuple[str, int | float | str]] = [
        ("campaigns that promote it now", _names(running)),
        ("units available", product.available or 0),
    ]
    if channels:
        made_of.append(("spend of today that names no campaign of these, on", list_text(list(channels))))
    return Made(spend.amount, spend.unit, tuple(made_of), spend.why)


def _names(plans: list[PlanFacts]) -> str:
    return list_text([plan.campaign for plan in plans])
