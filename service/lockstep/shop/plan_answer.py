"""The answer to a plan of marketing's: can the shop carry it, and its products last as long as it runs?

Yes, no, or yes with a change; with the numbers of each day and product, and what to change. It is made of facts of
whole days, but for stock and today; and who was answered before is answered otherwise only where the numbers are past
the limit by a margin. So an answer does not flap when it is given again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Literal

import msgspec
from msgspec.structs import replace

from lockstep.shop.day_sums import plan_bounds, plan_days
from lockstep.shop.facts import PlanFacts, ProductFacts
from lockstep.shop.forecast import Course, Forecast, campaign_course, conversion_of, forecast
from lockstep.shop.subjects.capacity import capacity_of
from lockstep.shop.subjects.product import NO_STOCK_TOLD, cover, is_named
from lockstep.shop.subjects.promotions import promoting, stock_course, units_of_campaign
from lockstep.shop.subjects.stock_receipts import late_days, next_receipt, open_receipts
from lockstep.shop.whole_shop import Shop, plain
from lockstep.text.days import day_text, list_text
from lockstep.text.figures import many, measured_text, whole

Verdict = Literal["yes", "change", "no"]
VERDICTS: tuple[Verdict, ...] = ("yes", "change", "no")
"""From good to bad."""

_MARGIN = Fraction(20, 21)
"""An answer that was bad stays so until it is 5 % below the limit."""
_SHORT = Fraction(1, 50)
"""Stock that is short by less than 2 % of what is asked for is enough: no forecast is that good."""
LATEST_START_DAYS = 28
"""A later start is looked for on so many days."""


class PlanDay(msgspec.Struct, frozen=True, kw_only=True):
    """One day of a plan. expected: orders of the whole shop; usual: of these, without any campaign; campaign: what this
    one adds; others: what others add. None where it is not known. room: capacity - expected, below 0 where it is too
    little."""

    day: str
    expected: int | None
    usual: int | None
    campaign: int | None
    others: int | None
    capacity: int | None
    room: int | None


class PlanProduct(msgspec.Struct, frozen=True, kw_only=True):
    """One product of a plan. needed: units that are asked for in its days. short: how many of these are not there.
    enough_until: the first day on which it is out; "" when it lasts. next_receipt: day of the next delivery, or ""."""

    sku: str
    available: int | None
    days_of_cover: float | None
    needed: int
    short: int
    enough_until: str
    next_receipt: str
    next_receipt_quantity: int


class PlanAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """reasons: sentences with their numbers, the gravest first; of a `yes`, why it can be done. suggestion: what to
    change, a sentence; "" for a `yes`. orders: that the campaign adds in all, of: where that number comes from.
    compared: what earlier campaigns brought, where that is known and something else was announced, a sentence; "".
    unknown: what could not be looked at, sentences. number: of the announcement that is answered."""

    campaign: str
    number: int
    verdict: Verdict
    reasons: list[str]
    suggestion: str = ""
    orders: int | None = None
    orders_of: str = ""
    compared: str = ""
    days: list[PlanDay] = []
    products: list[PlanProduct] = []
    clashes: list[str] = []
    late_receipts: list[str] = []
    unknown: list[str] = []

    @property
    def fullest(self) -> PlanDay | None:
        """The day with the largest share of its capacity; None where none is known."""
        known = [day for day in self.days if day.capacity is not None and day.expected is not None]
        return max(known, key=fullness, default=None)


def fullness(day: PlanDay) -> float:
    """expected / capacity; infinite where nothing can be shipped and something is expected."""
    if day.expected is None or day.capacity is None:
        return 0.0
    if day.capacity <= 0:
        return float("inf") if day.expected else 0.0
    return day.expected / day.capacity


def answer(shop: Shop, plan: PlanFacts, at: datetime) -> PlanAnswer:
    """To a plan, whether the shop knows it already or not. Days that are over are not looked at.

    `plan.verdict` is what was answered last; "" the first time.
    """
    seen = assess(shop, plan, at)
    suggestion = "" if seen.verdict == "yes" else _suggestion(shop, plan, at, seen)
    return replace(seen, suggestion=suggestion)


def assess(shop: Shop, plan: PlanFacts, at: datetime) -> PlanAnswer:
    """The answer without a suggestion, which takes most of the work."""
    if shop.plans.get(plan.campaign) is plan:
        return shop.once(("assess", plan.campaign, at), lambda: _assess(shop, plan, at))
    return _assess(shop, plan, at)


def _assess(shop: Shop, plan: PlanFacts, at: datetime) -> PlanAnswer:
    bounds = _days_left(shop, plan, at)
    if plan.cancelled or bounds is None:
        over = "is cancelled" if plan.cancelled else "is over"
        reasons = [f"{plan.campaign} {over}."]
        return PlanAnswer(campaign=plan.campaign, number=plan.number, verdict="yes", reasons=reasons)
    days = _days(shop, plan, at, bounds)
    products, days_out = _products(shop, plan, at, bounds)
    course = campaign_course(shop, plan, at, "announced")
    seen = _Findings()
    _judge_capacity(days, plan, seen)
    _judge_products(products, plan, days_out, bounds, seen)
    clashes = _clashes(shop, plan, at, days, seen)
    late = _late_receipts(shop, plan, at, products, seen)
    if course is None:
        seen.unknown.append(
            "What it will bring is not known: it announces neither orders nor visits, and no earlier campaign is known."
        )
    return PlanAnswer(
        campaign=plan.campaign,
        number=plan.number,
        verdict="no" if seen.grave else "change" if seen.light else "yes",
        reasons=[*seen.grave, *seen.light] or [_all_right(days, products)],
        orders=None if course is None else whole(sum(course.by_day.values(), Fraction(0))),
        orders_of="" if course is None else course.of,
        compared=_compared(shop, plan, at, course),
        days=days,
        products=products,
        clashes=clashes,
        late_receipts=late,
        unknown=seen.unknown,
    )


@dataclass
class _Findings:
    """grave: makes a no; light: a change; unknown: what could not be looked at. Sentences."""

    grave: list[str] = field(default_factory=list)
    light: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def _days_left(shop: Shop, plan: PlanFacts, at: datetime) -> tuple[date, date] | None:
    """First and last day of it that are not over; None when it is."""
    first, last = plan_days(plan, shop.zone)
    today = shop.day_of(at)
    return None if plan_bounds(plan)[1] <= at else (max(first, today), max(last, today))


def _limit(plan: PlanFacts, verdicts: Sequence[str]) -> Fraction:
    """How much of the limit is allowed."""
    return _MARGIN if plan.verdict in verdicts else Fraction(1)


# ---- days -----------------------------------------------------------------------------------------------------------


def _days(shop: Shop, plan: PlanFacts, at: datetime, bounds: tuple[date, date]) -> list[PlanDay]:
    plans = {**shop.plans, plan.campaign: plan}
    first, last = bounds
    return [
        _day(shop, plan, forecast(shop, day, at, plans=plans, trust="announced"), day)
        for day in (first + timedelta(n) for n in range(min(366, (last - first).days + 1)))
    ]


def _day(shop: Shop, plan: PlanFacts, expected: Forecast | str, day: date) -> PlanDay:
    can = capacity_of(shop, day)
    capacity = None if can is None else int(can.orders)
    if isinstance(expected, str):
        return PlanDay(
            day=day.isoformat(), expected=None, usual=None, campaign=None, others=None, capacity=capacity, room=None
        )
    ours = sum((e.orders for e in expected.extras if e.campaign == plan.campaign), Fraction(0))
    others = sum((e.orders for e in expected.extras if e.campaign != plan.campaign), Fraction(0))
    return PlanDay(
        day=day.isoformat(),
        expected=expected.orders,
        usual=whole(expected.usual.count),
        campaign=whole(ours),
        others=whole(others),
        capacity=capacity,
        room=None if capacity is None else capacity - expected.orders,
    )


def _judge_capacity(days: list[PlanDay], plan: PlanFacts, seen: _Findings) -> None:
    known = [day for day in days if day.expected is not None and day.capacity is not None]
    if len(known) < len(days):
        seen.unknown += _unknown_days(days)
    if not known:
        _judge_announced(days, plan, seen)
        return
    expected, capacity = sum(d.expected or 0 for d in known), sum(d.capacity or 0 for d in known)
    fullest = max(known, key=fullness)
    others = f", {fullest.others:,} by others" if fullest.others else ""
    words = (
        f"{_day_of(fullest)}: {fullest.expected:,} orders are expected ({fullest.usual:,} usual, {fullest.campaign:,} "
        f"by {plan.campaign}{others}) and {fullest.capacity:,} can be shipped"
    )
    if expected > capacity * _limit(plan, ["no"]):
        seen.grave.append(
            f"In its {len(known)} day{'s' * (len(known) != 1)} {expected:,} orders are expected and {capacity:,} can "
            f"be shipped, {max(0, expected - capacity):,} too many. {words}."
        )
        return
    full = [d for d in known if (d.expected or 0) > (d.capacity or 0) * _limit(plan, ["change", "no"])]
    if full:
        more = f" Too full are {len(full)} days in all." if len(full) > 1 else ""
        seen.light.append(f"{words}, {max(0, -(fullest.room or 0)):,} too many.{more}")


def _judge_announced(days: list[PlanDay], plan: PlanFacts, seen: _Findings) -> None:
    """What a day usually brings is not known: the orders that marketing announces may be too many by themselves."""
    capacities = [day.capacity for day in days if day.capacity is not None]
    if plan.expected_orders is None or len(capacities) < len(days):
        return
    if plan.expected_orders > sum(capacities) * _limit(plan, ["no"]):
        seen.grave.append(
            f"{measured_text(plan.expected_orders, 'orders')} are announced for its {many(len(days), 'day')}, and "
            f"{sum(capacities):,} can be shipped in them with nothing else."
        )


def _unknown_days(days: list[PlanDay]) -> list[str]:
    sentences = []
    undeclared = [_day_of(day) for day in days if day.capacity is None]
    if undeclared:
        sentences.append(f"No capacity is declared for {list_text(undeclared)}.")
    if any(day.expected is None for day in days):
        sentences.append("Too few whole days are known to say what a day usually brings.")
    return sentences


def _day_of(day: PlanDay) -> str:
    return day_text(date.fromisoformat(day.day))


# ---- products -------------------------------------------------------------------------------------------------------


def _products(
    shop: Shop, plan: PlanFacts, at: datetime, bounds: tuple[date, date]
) -> tuple[list[PlanProduct], dict[str, int]]:
    """The products, and on how many of its days each is out."""
    ours = units_of_campaign(shop, plan, at)
    products, days_out = [], {}
    for sku in dict.fromkeys(plan.skus):
        known = shop.products.get(sku)
        if known is None or known.available is None:
            products.append(_unknown_product(sku))
            continue
        product, days_out[sku] = _product(shop, plan, known, at, bounds, ours[sku])
        products.append(product)
    return products, days_out


def _product(
    shop: Shop,
    plan: PlanFacts,
    known: ProductFacts,
    at: datetime,
    bounds: tuple[date, date],
    ours: Mapping[date, Fraction],
) -> tuple[PlanProduct, int]:
    """One whose stock is known, and on how many of the plan's days it is out. ours: units that the plan sells of it."""
    today, sku = shop.day_of(at), known.sku
    more = dict(ours)
    for other in promoting(shop, sku, at, ahead_days=366):
        if other.campaign != plan.campaign:
            for day, units in units_of_campaign(shop, other, at)[sku].items():
                more[day] = more.get(day, Fraction(0)) + units
    course = stock_course(shop, known, at, bounds, more)
    coming = next_receipt(known, today)
    days = cover(shop, known, today)
    is_free = is_named(sku, shop.settings.backorder)
    product = PlanProduct(
        sku=sku,
        available=known.available,
        days_of_cover=plain(days),
        needed=whole(course.needed),
        short=0 if is_free else whole(course.short),
        enough_until="" if is_free or course.first_out is None else course.first_out.isoformat(),
        next_receipt="" if coming is None else coming[0].isoformat(),
        next_receipt_quantity=0 if coming is None else coming[1],
    )
    return product, 0 if is_free else len(course.out_on)


def _unknown_product(sku: str) -> PlanProduct:
    return PlanProduct(
        sku=sku,
        available=None,
        days_of_cover=None,
        needed=0,
        short=0,
        enough_until="",
        next_receipt="",
        next_receipt_quantity=0,
    )


def _judge_products(
    products: list[PlanProduct], plan: PlanFacts, days_out: dict[str, int], bounds: tuple[date, date], seen: _Findings
) -> None:
    length = (bounds[1] - bounds[0]).days + 1
    out = [p for p in products if p.available is not None and days_out[p.sku] >= length]
    short = [p for p in products if p not in out and p.available is not None and _is_short(p, plan)]
    sentences = [f"{p.sku} is out on all of its days: {_stock(p)}." for p in out]
    if out and len(out) == len(products):
        seen.grave += sentences
    else:
        seen.light += sentences
    for p in short:
        day = f", and it is out from {day_text(date.fromisoformat(p.enough_until))}" if p.enough_until else ""
        seen.light.append(f"{p.sku}: {p.needed:,} are asked for, {p.short:,} more than there are{day}; {_stock(p)}.")
    for p in products:
        if p.available is None:
            seen.unknown.append(f"{p.sku}: {NO_STOCK_TOLD}.")


def _is_short(p: PlanProduct, plan: PlanFacts) -> bool:
    limit = _SHORT if plan.verdict not in ("change", "no") else Fraction(0)
    return p.short > p.needed * limit and p.short >= 1


def _stock(p: PlanProduct) -> str:
    days = (
        "" if p.days_of_cover is None else f", enough for {measured_text(p.days_of_cover, 'days')} at the usual speed"
    )
    coming = "no delivery is planned"
    if p.next_receipt:
        coming = f"{p.next_receipt_quantity:,} come on {day_text(date.fromisoformat(p.next_receipt))}"
    if not p.available or p.available <= 0:
        return f"none is available; {coming}"
    return f"{p.available:,} available{days}; {coming}"


def _clashes(shop: Shop, plan: PlanFacts, at: datetime, days: list[PlanDay], seen: _Findings) -> list[str]:
    """Other campaigns of the same days: with the same products, or without which the days were not too full."""
    first, last = date.fromisoformat(days[0].day), date.fromisoformat(days[-1].day)
    clashes = []
    for other in sorted(shop.plans.values(), key=lambda one: (one.starts, one.campaign)):
        if other.campaign == plan.campaign or other.cancelled or plan_bounds(other)[1] <= at:
            continue
        begins, ends = plan_days(other, shop.zone)
        common = max(first, begins), min(last, ends)
        if common[0] > common[1]:
            continue
        span = day_text(common[0]) if common[0] == common[1] else f"{day_text(common[0])} to {day_text(common[1])}"
        same = sorted(set(plan.skus) & set(other.skus))
        if same:
            clashes.append(f"{other.campaign} promotes {list_text(same)} as well, on {span}.")
            seen.light.append(clashes[-1])
        full = [
            d
            for d in days
            if d.others
            and d.room is not None
            and d.room < 0 <= d.room + d.others
            and common[0] <= date.fromisoformat(d.day) <= common[1]
        ]
        if full:
            clashes.append(
                f"{other.campaign} runs at the same time: without others there would be room for it on "
                f"{list_text([_day_of(d) for d in full])}."
            )
    return clashes


def _compared(shop: Shop, plan: PlanFacts, at: datetime, course: Course | None) -> str:
    """The forecast goes by earlier campaigns, of at least two; the answer by what was announced."""
    learned = campaign_course(shop, plan, at, "learned")
    if course is None or learned is None or learned.of == course.of:
        return ""
    orders = whole(sum(learned.by_day.values(), Fraction(0)))
    return f"{learned.of[0].upper()}{learned.of[1:]}, it would bring {orders:,} orders; the forecast goes by that."


def _late_receipts(
    shop: Shop, plan: PlanFacts, at: datetime, products: list[PlanProduct], seen: _Findings
) -> list[str]:
    """Deliveries of its products that are late; those of products that do not last are a reason to change."""
    today = shop.day_of(at)
    short = {p.sku for p in products if p.short or p.enough_until}
    sentences = []
    for sku in dict.fromkeys(plan.skus):
        known = shop.products.get(sku)
        for one in open_receipts(known) if known is not None else ():
            days = late_days(one, today)
            if days:
                order = f" of {one.purchase_order}" if one.purchase_order else ""
                sentences.append(
                    f"{many(one.quantity, 'unit')} of {sku}{order} are {many(days, 'day')} late: they were to come on "
                    f"{day_text(date.fromisoformat(one.first_expected_on))}, now on "
                    f"{day_text(date.fromisoformat(one.expected_on))}."
                )
                if sku in short:
                    seen.light.append(sentences[-1])
    return sentences


def _all_right(days: list[PlanDay], products: list[PlanProduct]) -> str:
    known = [day for day in days if day.capacity is not None and day.expected is not None]
    sentences = []
    if known:
        fullest = max(known, key=fullness)
        sentences.append(
            f"The fullest day is {_day_of(fullest)}: {fullest.expected:,} orders are expected and "
            f"{fullest.capacity:,} can be shipped."
        )
    lasting = [p for p in products if p.available is not None]
    if lasting:
        sentences.append(f"{list_text([p.sku for p in lasting])} last{'s' * (len(lasting) == 1)} to its end.")
    return " ".join(sentences) or "Nothing that is known speaks against it."


# ---- what to change -------------------------------------------------------------------------------------------------


def _suggestion(shop: Shop, plan: PlanFacts, at: datetime, seen: PlanAnswer) -> str:
    """A later start if one is good; else fewer products, less of it, or both."""
    later = _later_start(shop, plan, at, seen)
    if later is not None:
        start, fine = later
        words = f"Start it on {day_text(start)} instead"
        fullest = fine.fullest
        if fullest is not None:
            words += f": its fullest day then has {fullest.expected:,} of {fullest.capacity:,} orders"
        return f"{words}."
    parts = []
    short = [p.sku for p in seen.products if p.enough_until or p.short]
    if short and len(short) < len(seen.products):
        parts.append(f"leave out {list_text(short)}")
    elif short:
        parts.append(f"wait until more of {list_text(short)} is planned, or promote something else")
    cap = _cap(shop, plan, at, seen)
    if cap:
        parts.append(cap)
    shared = [clash for clash in seen.clashes if " promotes " in clash]
    if shared and not parts:
        parts.append("give each of the campaigns its own products or days")
    text = ", and ".join(parts) or "move it to days on which more can be shipped, or make it smaller"
    return f"{text[0].upper()}{text[1:]}."


def _later_start(shop: Shop, plan: PlanFacts, at: datetime, seen: PlanAnswer) -> tuple[date, PlanAnswer] | None:
    """The first later day on which the answer is a yes, of a plan that has not begun; without more that is not known of
    it than there is as it is planned. seen: the answer as it is planned."""
    starts, ends = plan_bounds(plan)
    if starts <= at:
        return None
    first = plan_days(plan, shop.zone)[0]
    # What is short as it is planned is looked at first: most often it is short on the later days as well, and the rest
    # of a hundred products need not be reckoned.
    scarce = [p.sku for p in seen.products if p.enough_until or p.short]
    for n in range(1, LATEST_START_DAYS + 1):
        moved = replace(
            plan, starts=_moved(starts, n, shop).isoformat(), ends=_moved(ends, n, shop).isoformat(), verdict=""
        )
        bounds = plan_days(moved, shop.zone)
        if any(day.room is not None and day.room < 0 for day in _days(shop, moved, at, bounds)):
            continue
        ours = units_of_campaign(shop, moved, at) if scarce else {}
        if any(_stops(shop, moved, shop.products[sku], at, bounds, ours[sku]) for sku in scarce):
            continue
        later = assess(shop, moved, at)
        is_open = later.fullest is None or bool(later.fullest.capacity)
        if later.verdict == "yes" and is_open and len(later.unknown) <= len(seen.unknown):
            return first + timedelta(n), later
    return None


def _stops(
    shop: Shop,
    plan: PlanFacts,
    known: ProductFacts,
    at: datetime,
    bounds: tuple[date, date],
    ours: Mapping[date, Fraction],
) -> bool:
    """Whether a product keeps a plan from a yes. ours: as in `_product`."""
    product, days_out = _product(shop, plan, known, at, bounds, ours)
    return days_out > (bounds[1] - bounds[0]).days or _is_short(product, plan)


def _moved(moment: datetime, days: int, shop: Shop) -> datetime:
    """So many days later by the wall clock."""
    local = moment.astimezone(shop.zone)
    return datetime.combine(local.date() + timedelta(days), local.time(), shop.zone)


def _cap(shop: Shop, plan: PlanFacts, at: datetime, seen: PlanAnswer) -> str:
    """How many orders a day there is room for, in visits too; "" where its days are not too full."""
    known = [d for d in seen.days if d.room is not None and d.campaign is not None]
    if not any((d.room or 0) < 0 for d in known):
        return ""
    room = min(max(0, (d.room or 0) + (d.campaign or 0)) for d in known)
    if not room:
        full = [_day_of(d) for d in known if (d.room or 0) + (d.campaign or 0) <= 0]
        return f"leave out {list_text(full)}, on which there is no room for any of it"
    rate = conversion_of(shop, plan.channels, at)
    visits = "" if rate is None or not rate.share else f" (≈ {rough(room / rate.share):,} visits)"
    return f"cap its spend so that it brings at most {room:,} orders a day{visits}"


def rough(number: Fraction) -> int:
    """To two figures: more is not known of it."""
    scale: int = 10 ** max(0, len(str(abs(whole(number)))) - 2)
    return whole(number / scale) * scale
