"""What a report is made of: one shop, its alerts and actions at one instant, and what could not be known of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cached_property

from lockstep.reports.cell_text import short_moment
from lockstep.reports.news import AlertNews
from lockstep.response.standing import Action
from lockstep.shop.business import business
from lockstep.shop.day_sums import day_bounds, instant, is_running, plan_bounds
from lockstep.shop.exchange import total_in
from lockstep.shop.facts import Money, PlanFacts, ProductFacts
from lockstep.shop.forecast import Usual, forecast, usual_of
from lockstep.shop.plan_answer import answer
from lockstep.shop.plans.plan_words import PlanAnswer
from lockstep.shop.stakes import Shortage, minor_of, order_worth, price_of, shop_currency, shortage
from lockstep.shop.whole_shop import Made, Shop, plain

HEARD_DAYS = 28
"""What no event told of for so long is not known; that it is 0 nobody has said."""
FACTS_BEHIND = timedelta(hours=1)
"""Facts that end longer ago than this are said to."""


@dataclass
class Basis:
    """at: as of when, aware. unknown: what could not be known, in words, each once and in the order of its coming."""

    shop: Shop
    at: datetime
    news: AlertNews = field(default_factory=AlertNews)
    actions: Sequence[Action] = ()
    unknown: dict[str, None] = field(default_factory=dict)
    _answers: dict[str, PlanAnswer] = field(default_factory=dict)
    _usual: dict[date, list[date]] = field(default_factory=dict)
    _made: dict[tuple[str, tuple[str, ...]], dict[str, Made]] = field(default_factory=dict)

    def not_known(self, text: str) -> None:
        """Say that something cannot be known, `what: why`."""
        self.unknown[text] = None

    def all_unknown(self) -> tuple[str, ...]:
        """All that cannot be known; what cannot for one reason is said once: `visits, conversion: nothing was told`."""
        by_reason: dict[str, list[str]] = {}
        for text in self.unknown:
            what, _, why = text.partition(": ")
            by_reason.setdefault(why, []).append(what)
        return tuple(f"{', '.join(named)}: {why}" if why else "; ".join(named) for why, named in by_reason.items())

    @cached_property
    def today(self) -> date:
        return self.shop.day_of(self.at)

    @property
    def yesterday(self) -> date:
        return self.today - timedelta(1)

    @cached_property
    def currency(self) -> str:
        """In which all money of the report is told; "" where nobody knows one (`lockstep.shop.stakes`)."""
        return shop_currency(self.shop, self.at)

    def start_of(self, day: date) -> datetime:
        """The first moment of a day of the shop."""
        return day_bounds(day, self.shop.zone)[0]

    def known_until(self, day: date) -> datetime | None:
        """Where what is known of a day ends, of which a part is missing; None: all of it is known, or nothing."""
        facts = self.shop.day(day)
        upto = None if facts is None else instant(facts.upto)
        return upto if upto is not None and upto < self.start_of(day + timedelta(1)) else None

    # ---- business measures ------------------------------------------------------------------------------------------

    def made(self, subject: str, *labels: str) -> dict[str, Made]:
        """All business measures of one thing at the instant, each computed once for the whole report."""
        key = subject, labels
        if key not in self._made:
            self._made[key] = business(self.shop, subject, labels, self.at)
        return self._made[key]

    def number(self, name: str, subject: str, *labels: str) -> int | float | None:
        """One of them as a number; None where it is not known."""
        return plain(self.made(subject, *labels)[name].value)

    def minor(self, name: str, subject: str, *labels: str) -> int | None:
        """One that is money, in minor units of the report's currency; None where it is of another one."""
        return minor_of(self.shop, self.made(subject, *labels)[name], self.at)

    # ---- days -------------------------------------------------------------------------------------------------------

    def usual_days(self, day: date) -> list[date]:
        """The days before that a day is compared with: of its weekday, not marked; none while too few are known."""
        if day not in self._usual:
            usual = usual_of(self.shop, day, "orders")
            self._usual[day] = [date.fromisoformat(f.day) for f in usual.days] if isinstance(usual, Usual) else []
        return self._usual[day]

    def expected_at_start(self, day: date) -> int | None:
        """How many orders were expected of a day at its first moment, by what was known then; None: nothing was."""
        then = Shop(self.shop.zone, self.shop.settings, self.shop.calendar)
        for plan in self.shop.plans.values():
            then.put(plan)
        for facts in self.shop.days.values():
            if facts.day < day.isoformat():
                then.put(facts)
        expected = forecast(then, day, self.start_of(day))
        return None if isinstance(expected, str) else expected.orders

    # ---- things -----------------------------------------------------------------------------------------------------

    def products(self) -> list[ProductFacts]:
        return [self.shop.products[sku] for sku in sorted(self.shop.products)]

    def plans(self, within_days: int) -> list[PlanFacts]:
        """The campaigns that run now or begin within so many days, by their start."""
        until = self.start_of(self.today + timedelta(within_days))
        plans = [
            p
            for p in self.shop.plans.values()
            if is_running(p, self.at) or (not p.cancelled and self.at <= plan_bounds(p)[0] < until)
        ]
        return sorted(plans, key=lambda p: (p.starts, p.campaign))

    def answer(self, plan: PlanFacts) -> PlanAnswer:
        """Whether a campaign can be served; made once for the whole report, as it takes the most work."""
        if plan.campaign not in self._answers:
            self._answers[plan.campaign] = answer(self.shop, plan, self.at)
        return self._answers[plan.campaign]

    @cached_property
    def _heard_of(self) -> frozenset[str]:
        """The counts and sums that any event of the last days told of: of the others nobody knows that they are 0."""
        first = (self.today - timedelta(HEARD_DAYS)).isoformat()
        last = [facts for facts in self.shop.days.values() if facts.day >= first]
        return frozenset(("orders", "revenue", "cancelled")).union(*(f.counts.keys() | f.money.keys() for f in last))

    # ---- money ------------------------------------------------------------------------------------------------------

    def money(self, day: date, name: str, channel: str = "") -> int | None:
        """A sum of a day in the shop's currency, minor units; None where nothing is known of the day."""
        facts = self.shop.day(day, channel)
        if facts is None or name not in self._heard_of:
            return None
        return self._exchanged(facts.money.get(name, {}))

    def _exchanged(self, money: Money) -> int | None:
        """In the report's currency; what has no rate is not in it, and is said not to be known. None: all has none."""
        amount = total_in(self.currency, money, self.shop.settings)
        for currency in sorted(amount.without):
            remedy = f"no rate of it to {self.currency}" if self.currency else "no currency in which totals are told"
            self.not_known(f"what is in {currency}: {remedy} is set")
        return None if amount.is_unknown else amount.minor

    def count(self, day: date, name: str, channel: str = "") -> int | None:
        """A count of a day; None where nothing is known of the day."""
        facts = self.shop.day(day, channel)
        return None if facts is None or name not in self._heard_of else facts.counts.get(name, 0)

    @cached_property
    def order_worth(self) -> int | None:
        """What an order brings on average, minor units; None where no revenue is known."""
        return order_worth(self.shop, self.at)

    def price(self, product: ProductFacts) -> int | None:
        """Of one unit, minor units of the report's currency; None where it is not known."""
        if product.price is not None:
            self._exchanged({product.currency: product.price})
        return price_of(self.shop, product, self.at)

    @cached_property
    def shortages(self) -> list[Shortage]:
        """Products that sell and are sold out, or will be within the days of safety and before more comes; the
        costliest first."""
        safety = Fraction(str(self.shop.settings.safety_days))
        known = [shortage(self.shop, product, self.at) for product in self.products()]
        rows = [one for one in known if one is not None and (one.is_out or one.cover <= safety)]
        return sorted(rows, key=lambda one: (-(one.stake.minor if one.stake else 0), one.cover, one.product.sku))


# ---- what is not known ----------------------------------------------------------------------------------------------

_COUNTS = (
    (
        "sessions",
        "visits",
        "no traffic event came in 28 days, so conversion and what traffic means in orders are unknown",
    ),
    ("orders", "orders", "no order came in 28 days"),
    ("shipped", "shipping", "no shipped order was told in 28 days, so backlog and hours to ship are unknown"),
    ("delivered", "deliveries", "no delivery was told in 28 days, so nobody knows how many came late"),
    ("returned_units", "returns", "no return was told in 28 days"),
)
_MONEY = (
    ("spend", "spend", "no spend was told in 28 days, so nothing can be said of revenue per spend"),
    ("shipping_cost", "shipping cost", "no cost of shipping was told in 28 days, so cost to serve is unknown"),
)


def say_gaps(basis: Basis) -> None:
    """Note what the facts do not have."""
    shop = basis.shop
    days = [shop.day(basis.today - timedelta(n)) for n in range(HEARD_DAYS + 1)]
    known = [day for day in days if day is not None]
    if not known:
        basis.not_known("sales: no order has come in yet")
    if known and shop.day(basis.yesterday) is None:
        basis.not_known("yesterday: nothing was told of it")
    for name, what, why in _COUNTS if known else ():
        if not any(day.counts.get(name) for day in known):
            basis.not_known(f"{what}: {why}")
    for name, what, why in _MONEY if known else ():
        if not any(day.money.get(name) for day in known):
            basis.not_known(f"{what}: {why}")
    if known and not any(day.themes for day in known):
        basis.not_known("feedback: none was told in 28 days")
    products = basis.products()
    if not products:
        basis.not_known("products: none is known")
    silent = [p.sku for p in products if p.available is None]
    if silent:
        basis.not_known(f"stock of {_named(silent)}: it was never told")
    unpriced = [p.sku for p in products if p.price is None and any(p.units[-HEARD_DAYS:])]
    if unpriced:
        basis.not_known(f"money at stake of {_named(unpriced)}: no price is known")
    if not shop.capacities and shop.settings.capacity_per_day is None:
        basis.not_known("capacity: nobody has said how many orders can be shipped in a day")
    upto = max((day.upto for day in known), default="")
    if upto and basis.at - instant(upto) > FACTS_BEHIND:
        since = short_moment(upto, shop.zone)
        basis.not_known(f"what came after {since}: nothing that was told later is known")
    if basis.news.why:
        basis.not_known(f"alerts: {basis.news.why}")


def _named(skus: list[str]) -> str:
    shown = ", ".join(skus[:3])
    return shown if len(skus) <= 3 else f"{shown} and {len(skus) - 3:,} more products"
