"""The answer to a plan of marketing's: can the shop carry it, and its products last as long as it runs?

Yes, no, or yes with a change; with the numbers of each day and product, and what to change. It is made of facts of
whole days, but for stock and today; and who was answered before is answered otherwise only where the numbers are past
the limit by a margin. So an answer does not flap when it is given again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction

from msgspec.structs import replace

from lockstep.shop.day_sums import plan_bounds, plan_days
from lockstep.shop.facts import PlanFacts, PlanNumbers
from lockstep.shop.forecast import Course, Forecast, campaign_course, conversion_of, forecast
from lockstep.shop.plans.plan_words import (
    PlanAnswer,
    PlanDay,
    PlanProduct,
    day_name,
    expected_text,
    fullness,
    get_more_text,
    product_name,
    products_text,
    sold_out_text,
    stock_text,
    too_many_text,
)
from lockstep.shop.subjects.bundles import parts_of_plan, units_from_stock, units_of_part
from lockstep.shop.subjects.capacity import capacity_of
from lockstep.shop.subjects.product import cover, is_named
from lockstep.shop.subjects.promotions import stock_course
from lockstep.shop.subjects.stock_receipts import late_days, next_receipt, open_receipts
from lockstep.shop.whole_shop import Shop, plain
from lockstep.text.days import day_text, list_text, span_text
from lockstep.text.figures import many, measured_text, whole
from lockstep.text.one_line import capital
from lockstep.text.rfc3339 import rfc3339_of

_MARGIN = Fraction(20, 21)
"""An answer that was bad stays so until it is 5 % below the limit."""
_SHORT = Fraction(1, 50)
"""Stock that is short by less than 2 % of what is asked for is enough: no forecast is that good."""
LATEST_START_DAYS = 14
"""A later start is looked for on as many days as the campaign lasts: on a week at least, and on so many at most."""
LEAST_START_DAYS = 7
FEAST_DAYS = 7
"""A holiday so many days after its end is what a campaign is for, if none is on its own days."""
_DATED = (
    *("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY", "WEEKEND"),
    *("XMAS", "CHRISTMAS", "ADVENT", "EASTER", "HALLOWEEN", "VALENTINE", "MOTHER", "FATHER", "NEW YEAR", "NEW-YEAR"),
)
"""Words in the name of a campaign that is bound to its days: nobody runs a Cyber Monday on a Thursday."""


def numbers_of(answer: PlanAnswer, at: datetime) -> PlanNumbers:
    """What is remembered of an answer that both teams are told at an instant."""
    return PlanNumbers(
        at=rfc3339_of(at),
        expected={day.day: day.expected for day in answer.days if day.expected is not None},
        capacity={day.day: day.capacity for day in answer.days if day.capacity is not None},
        out_from={p.sku: p.enough_until for p in answer.products if p.enough_until},
    )


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
        reasons = [f"Campaign {plan.campaign} {over}."]
        when = span_text(*plan_days(plan, shop.zone))
        return PlanAnswer(campaign=plan.campaign, number=plan.number, verdict="yes", reasons=reasons, when=when)
    days = _days(shop, plan, at, bounds)
    products, days_out = _products(shop, plan, at, bounds)
    course = campaign_course(shop, plan, at, "announced")
    seen = _Findings()
    _judge_capacity(days, plan, seen)
    _judge_products(products, plan, days_out, bounds, seen)
    clashes = _clashes(shop, plan, at, days, seen)
    late = _late_receipts(shop, plan, at, products, seen)
    if course is None:
        seen.unknown.append("Nobody knows what it will bring: it says neither orders nor visits.")
        seen.missing["marketing"] = ["Plan it again with the orders or visits that you expect of it."]
    return PlanAnswer(
        campaign=plan.campaign,
        number=plan.number,
        verdict="no" if seen.grave else "change" if seen.light else "yes",
        reasons=[*seen.grave, *seen.light, *seen.details] or _all_right(days, products),
        instead=seen.instead[0] if len(seen.instead) == 1 else "",
        orders=None if course is None else whole(sum(course.by_day.values(), Fraction(0))),
        orders_of="" if course is None else course.of,
        compared=_compared(shop, plan, at, course),
        days=days,
        products=products,
        clashes=clashes,
        late_receipts=late,
        unknown=seen.unknown,
        missing={team: " ".join(sentences) for team, sentences in seen.missing.items()},
        when=span_text(*plan_days(plan, shop.zone)),
    )


@dataclass
class _Findings:
    """Sentences. grave: makes a no; light: a change; details: the numbers of both; unknown: what could not be looked
    at; missing: team → what it is to do about that; instead: what operations would have to do, questions' ends."""

    grave: list[str] = field(default_factory=list)
    light: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    missing: dict[str, list[str]] = field(default_factory=dict)
    instead: list[str] = field(default_factory=list)


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
    theirs = {e.campaign: e.orders for e in expected.extras if e.campaign != plan.campaign and e.orders > 0}
    usual, others = whole(expected.usual.count), whole(sum(theirs.values(), Fraction(0)))
    campaign, rest = whole(ours), expected.orders - usual - others
    # Three numbers that are rounded each may be one off their sum, which is what people add up.
    if abs(rest - campaign) == 1 and rest >= 0:
        campaign = rest
    return PlanDay(
        day=day.isoformat(),
        expected=expected.orders,
        usual=usual,
        campaign=campaign,
        others=others,
        capacity=capacity,
        room=None if capacity is None else capacity - expected.orders,
        other_campaigns=sorted(name for name in theirs if name in shop.plans),
    )


def _judge_capacity(days: list[PlanDay], plan: PlanFacts, seen: _Findings) -> None:
    known = [day for day in days if day.expected is not None and day.capacity is not None]
    if len(known) < len(days):
        _note_unknown_days(days, seen)
    if not known:
        _judge_announced(days, plan, seen)
        return
    expected, capacity = sum(d.expected or 0 for d in known), sum(d.capacity or 0 for d in known)
    fullest = max(known, key=fullness)
    full = [d for d in known if (d.expected or 0) > (d.capacity or 0) * _limit(plan, ["change", "no"])]
    if expected > capacity * _limit(plan, ["no"]) and len(known) > 1:
        seen.grave.append(f"{expected:,} orders are expected in its {len(known)} days, {capacity:,} can be shipped.")
        seen.instead.append(f"can you ship {expected:,} orders in its {len(known)} days")
    elif expected > capacity * _limit(plan, ["no"]) or full:
        verdict = seen.grave if expected > capacity * _limit(plan, ["no"]) else seen.light
        verdict.append(f"{expected_text(fullest)}.")
        seen.instead.append(f"can you ship {fullest.expected:,} orders on {day_name(fullest)}")
    else:
        return
    seen.details.append(too_many_text(fullest))
    more = [day_name(d) for d in full if d is not fullest]
    if more:
        seen.details.append(f"Too full as well: {list_text(more)}.")


def _judge_announced(days: list[PlanDay], plan: PlanFacts, seen: _Findings) -> None:
    """What a day usually brings is not known: the orders that marketing announces may be too many by themselves."""
    capacities = [day.capacity for day in days if day.capacity is not None]
    if plan.expected_orders is None or len(capacities) < len(days):
        return
    if plan.expected_orders > sum(capacities) * _limit(plan, ["no"]):
        seen.grave.append(
            f"{measured_text(plan.expected_orders, 'orders')} are announced for its {many(len(days), 'day')}, "
            f"{sum(capacities):,} can be shipped, with nothing else."
        )


def _note_unknown_days(days: list[PlanDay], seen: _Findings) -> None:
    undeclared = [day_name(day) for day in days if day.capacity is None]
    if undeclared:
        on = list_text(undeclared) if len(undeclared) < len(days) else "its days"
        seen.unknown.append(f"Nobody has said how many orders can be shipped on {on}.")
        seen.missing["operations"] = [f"Say how many orders you can ship on {on}."]
    if any(day.expected is None for day in days):
        seen.unknown.append("Too few days of orders are known to say what a usual day brings.")


# ---- products -------------------------------------------------------------------------------------------------------


def _products(
    shop: Shop, plan: PlanFacts, at: datetime, bounds: tuple[date, date]
) -> tuple[list[PlanProduct], dict[str, int]]:
    """The products, bundles as their parts, and on how many of its days each is out."""
    ours = units_from_stock(shop, plan, at)
    products, days_out = [], {}
    for sku, promoted_as in parts_of_plan(shop, plan).items():
        product, days_out[sku] = _product(shop, plan, at, bounds, sku=sku, promoted_as=promoted_as, ours=ours[sku])
        products.append(product)
    return products, days_out


def _product(
    shop: Shop,
    plan: PlanFacts,
    at: datetime,
    bounds: tuple[date, date],
    *,
    sku: str,
    promoted_as: list[str],
    ours: Mapping[date, Fraction],
) -> tuple[PlanProduct, int]:
    """A product, and on how many days it is out. promoted_as: of `parts_of_plan`. ours: what the plan takes of it."""
    today, bundles = shop.day_of(at), [name for name in promoted_as if name != sku]
    known = shop.products.get(sku)
    if known is None or known.available is None:
        return _unknown_product(sku, bundles), 0
    more = dict(ours)
    for day, units in _units_of_others(shop, plan, at).get(sku, {}).items():
        more[day] = more.get(day, Fraction(0)) + units
    course = stock_course(shop, known, at, bounds, more)
    coming = next_receipt(known, today)
    days = cover(shop, known, today)
    backorder = shop.settings.backorder
    is_free = is_named(sku, backorder) or all(is_named(name, backorder) for name in promoted_as)
    product = PlanProduct(
        sku=sku,
        available=known.available,
        days_of_cover=plain(days),
        needed=whole(course.needed),
        short=0 if is_free else whole(course.short),
        enough_until="" if is_free or course.first_out is None else course.first_out.isoformat(),
        next_receipt="" if coming is None else coming[0].isoformat(),
        next_receipt_quantity=0 if coming is None else coming[1],
        bundles=bundles,
    )
    return product, 0 if is_free else len(course.out_on)


def _units_of_others(shop: Shop, plan: PlanFacts, at: datetime) -> Mapping[str, Mapping[date, Fraction]]:
    """Product → day → units that all other campaigns take from its stock, which run or begin within a year."""
    return shop.once(("units of others", plan.campaign, at), lambda: _sum_of_others(shop, plan, at))


def _sum_of_others(shop: Shop, plan: PlanFacts, at: datetime) -> dict[str, dict[date, Fraction]]:
    sums: dict[str, dict[date, Fraction]] = {}
    until = at + timedelta(366)
    for other in shop.plans.values():
        starts, ends = plan_bounds(other)
        if other.campaign == plan.campaign or other.cancelled or ends <= at or starts > until:
            continue
        for sku, by_day in units_from_stock(shop, other, at).items():
            of_product = sums.setdefault(sku, {})
            for day, units in by_day.items():
                of_product[day] = of_product.get(day, Fraction(0)) + units
    return sums


def _unknown_product(sku: str, bundles: list[str]) -> PlanProduct:
    return PlanProduct(
        sku=sku,
        available=None,
        days_of_cover=None,
        needed=0,
        short=0,
        enough_until="",
        next_receipt="",
        next_receipt_quantity=0,
        bundles=bundles,
    )


def _judge_products(
    products: list[PlanProduct], plan: PlanFacts, days_out: dict[str, int], bounds: tuple[date, date], seen: _Findings
) -> None:
    out = [p for p in products if _is_out(p, days_out[p.sku], bounds)]
    short = [p for p in products if p not in out and _is_short(p, plan)]
    sentences = [f"{capital(product_name(p))} is sold out on all of its days." for p in out]
    if out and len(_promoted_by(out, plan)) == len(dict.fromkeys(plan.skus)):
        seen.grave += sentences
    else:
        seen.light += sentences
    seen.light += [sold_out_text(p, bounds[1]) for p in short]
    seen.details += [stock_text(p) for p in (*out, *short)]
    seen.instead += [get_more_text(p) for p in (*out, *short)]
    for p in products:
        if p.available is None:
            seen.unknown.append(f"How much of {product_name(p)} there is, is not known.")
    unseen = [p.sku for p in products if p.available is None]
    if unseen:
        seen.missing.setdefault("operations", []).append(f"Say how much of {products_text(unseen)} there is.")


def _is_out(p: PlanProduct, days_out: int, bounds: tuple[date, date]) -> bool:
    """On all days of the plan."""
    return p.available is not None and days_out > (bounds[1] - bounds[0]).days


def _is_short(p: PlanProduct, plan: PlanFacts) -> bool:
    limit = _SHORT if plan.verdict not in ("change", "no") else Fraction(0)
    return p.available is not None and p.short > p.needed * limit and p.short >= 1


def _promoted_by(products: list[PlanProduct], plan: PlanFacts) -> list[str]:
    """What a plan promotes and cannot sell without these: the products that it names, and bundles for their parts."""
    needed = {name for p in products for name in (p.sku, *p.bundles)}
    return [sku for sku in dict.fromkeys(plan.skus) if sku in needed]


def _clashes(shop: Shop, plan: PlanFacts, at: datetime, days: list[PlanDay], seen: _Findings) -> list[str]:
    """Other campaigns of the same days: with the same products, or without which the days were not too full.

    Products are compared as campaigns name them: a part that two bundles share stands in nobody's way while it lasts.
    """
    first, last = date.fromisoformat(days[0].day), date.fromisoformat(days[-1].day)
    clashes = []
    for other in sorted(shop.plans.values(), key=lambda one: (one.starts, one.campaign)):
        if other.campaign == plan.campaign or other.cancelled or plan_bounds(other)[1] <= at:
            continue
        begins, ends = plan_days(other, shop.zone)
        common = max(first, begins), min(last, ends)
        if common[0] > common[1]:
            continue
        span = span_text(*common)
        same = sorted(set(plan.skus) & set(other.skus))
        if same:
            clashes.append(f"Campaign {other.campaign} promotes {products_text(same)} as well, on {span}.")
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
                f"Campaign {other.campaign} runs at the same time: without other campaigns there would be room for "
                f"this one on {list_text([day_name(d) for d in full])}."
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
    """Deliveries of its products that are late; of products that do not last they say why."""
    today = shop.day_of(at)
    short = {p.sku for p in products if p.short or p.enough_until}
    sentences = []
    for sku in parts_of_plan(shop, plan):
        known = shop.products.get(sku)
        for one in open_receipts(known) if known is not None else ():
            days = late_days(one, today)
            if days:
                order = f" of {one.purchase_order}" if one.purchase_order else ""
                sentences.append(
                    f"{many(one.quantity, 'unit')} of product {sku}{order} are {many(days, 'day')} late: they were to "
                    f"come on {day_text(date.fromisoformat(one.first_expected_on))}, now on "
                    f"{day_text(date.fromisoformat(one.expected_on))}."
                )
                if sku in short:
                    seen.details.append(sentences[-1])
    return sentences


def _all_right(days: list[PlanDay], products: list[PlanProduct]) -> list[str]:
    """Why it can be done; nothing where nothing is known."""
    known = [day for day in days if day.capacity is not None and day.expected is not None]
    sentences = []
    if known:
        fullest = max(known, key=fullness)
        on = day_name(fullest) if len(known) == 1 else f"its fullest day, {day_name(fullest)}"
        can = f"{fullest.expected:,} orders are expected on {on}, and {fullest.capacity:,} can be shipped."
        sentences = [can, too_many_text(fullest)]
    lasting = [p.sku for p in products if p.available is not None]
    if lasting:
        lasts = "lasts" if len(lasting) == 1 else "last"
        sentences.append(f"{capital(products_text(lasting))} {lasts} until it ends, and longer.")
    return sentences


# ---- what to change -------------------------------------------------------------------------------------------------


def _suggestion(shop: Shop, plan: PlanFacts, at: datetime, seen: PlanAnswer) -> str:
    """A later start if one is good; else fewer products, less of it, or both."""
    later = _later_start(shop, plan, at, seen)
    short = [p for p in seen.products if p.enough_until or p.short]
    if later is not None:
        start, fine = later
        better, fullest = [], fine.fullest
        if short:
            better.append(f"{products_text([p.sku for p in short])} last{'s' * (len(short) == 1)}")
        if fullest is not None:
            orders = f"{fullest.expected:,} orders are expected on its fullest day, {fullest.capacity:,} can be shipped"
            better.append(orders)
        first, last = plan_days(plan, shop.zone)
        days = span_text(start, start + (last - first))
        return f"Move it to {days}: then {', and '.join(better) or 'it can be done'}."
    parts = []
    lacking = _promoted_by(short, plan)
    if short and len(lacking) < len(dict.fromkeys(plan.skus)):
        parts.append(f"leave out {products_text(lacking)}")
    elif short:
        skus = products_text([p.sku for p in short])
        parts.append(f"promote something else than {skus}, or wait until more of it is ordered")
    cap = _cap(shop, plan, at, seen)
    if cap:
        parts.append(cap)
    shared = [clash for clash in seen.clashes if " promotes " in clash]
    if shared and not parts:
        parts.append("give each of the campaigns its own products or days")
    text = ", and ".join(parts) or "make it smaller, or agree with operations on days on which more can be shipped"
    return capital(f"{text}.")


def _later_start(shop: Shop, plan: PlanFacts, at: datetime, now: PlanAnswer) -> tuple[date, PlanAnswer] | None:
    """The first later day on which the answer is a yes, of a plan that has not begun; without more that is not known of
    it than of `now`, the answer to the plan as it is.

    Not of a campaign that its name binds to its days, and not past the holiday that it is for.
    """
    starts, ends = plan_bounds(plan)
    if starts <= at or any(word in plan.campaign.upper() for word in _DATED):
        return None
    first, last = plan_days(plan, shop.zone)
    feast = _feast(shop, first, last)
    parts = parts_of_plan(shop, plan)
    # What does not last now is what will not last then, most likely.
    lacking = [p.sku for p in now.products if p.short or p.enough_until]
    in_turn = {sku: parts[sku] for sku in (*lacking, *parts)}
    for n in range(1, min(LATEST_START_DAYS, max(LEAST_START_DAYS, (last - first).days + 1)) + 1):
        if feast is not None and (first if feast <= last else last) + timedelta(n) > feast:
            return None
        moved = replace(
            plan, starts=_moved(starts, n, shop).isoformat(), ends=_moved(ends, n, shop).isoformat(), verdict=""
        )
        bounds = plan_days(moved, shop.zone)
        if any(day.room is not None and day.room < 0 for day in _days(shop, moved, at, bounds)):
            continue
        if not _lasts(shop, moved, at, bounds, in_turn):
            continue
        seen = assess(shop, moved, at)
        is_open = seen.fullest is None or bool(seen.fullest.capacity)
        if seen.verdict == "yes" and is_open and len(seen.unknown) <= len(now.unknown):
            return first + timedelta(n), seen
    return None


def _feast(shop: Shop, first: date, last: date) -> date | None:
    """The holiday that a campaign is for: the last one on its days, else the first in the week after them."""
    holidays = [
        first + timedelta(n)
        for n in range((last - first).days + FEAST_DAYS + 1)
        if shop.calendar is not None and "holiday" in shop.calendar.kinds(first + timedelta(n))
    ]
    within = [day for day in holidays if day <= last]
    return within[-1] if within else next(iter(holidays), None)


def _lasts(
    shop: Shop, plan: PlanFacts, at: datetime, bounds: tuple[date, date], parts: Mapping[str, list[str]]
) -> bool:
    """Whether none of its products makes the answer other than a yes; the first that does ends it.

    parts: of `parts_of_plan`, in the order in which they are looked at.
    """
    for sku, promoted_as in parts.items():
        ours = units_of_part(shop, plan, sku, promoted_as, at)
        product, days_out = _product(shop, plan, at, bounds, sku=sku, promoted_as=promoted_as, ours=ours)
        if _is_out(product, days_out, bounds) or _is_short(product, plan):
            return False
    return True


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
        full = [day_name(d) for d in known if (d.room or 0) + (d.campaign or 0) <= 0]
        if len(full) == len(known):
            return "run it on other days: on these there is no room for any of it"
        return f"leave out {list_text(full)}, on which there is no room for any of it"
    rate = conversion_of(shop, plan.channels, at)
    visits = "" if rate is None or not rate.share else f" (≈ {rough(room / rate.share):,} visits)"
    return f"cap its spend so that it brings at most {room:,} orders a day{visits}"


def rough(number: Fraction) -> int:
    """To two figures: more is not known of it."""
    scale: int = 10 ** max(0, len(str(abs(whole(number)))) - 2)
    return whole(number / scale) * scale
