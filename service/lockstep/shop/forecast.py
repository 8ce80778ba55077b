"""How many orders a day will have.

A usual day is the median of the same weekday in the eight weeks before, days left out that campaigns or the calendar
mark. Campaigns add to it: as much as earlier campaigns did, or what was announced. Today is shaped by what has come:
where more came so far than is usual by this time, more is expected of the rest as well.

Weakness: a change of level (a new market) is known only after some weeks of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Literal

from lockstep.shop.day_sums import counted, day_bounds, instant, known_at, plan_bounds, plan_days
from lockstep.shop.facts import DayFacts, PlanFacts
from lockstep.shop.whole_shop import Made, Shop, plain
from lockstep.text.days import list_text
from lockstep.text.figures import PERCENT, measured_number, measured_text

WEEKS = 8
LEAST_DAYS = 3
"""Fewer days of one weekday make no usual one; then all days of four weeks do."""
PRIOR_ORDERS = 20
"""What is usual counts as much as so many orders that came: a shop's first three orders of a day say little of it."""

LONGEST_DAYS = 28
"""A campaign that is longer is what is usual after so many days: they mark no other days, and nothing is learned of
it."""

Trust = Literal["learned", "announced"]
"""Which of the two counts first for what a campaign brings, where both are known."""


@dataclass(frozen=True)
class Usual:
    """What a usual day is. days: those that it is the median of; of: which, in words."""

    count: Fraction
    days: tuple[DayFacts, ...]
    of: str


@dataclass(frozen=True)
class Extra:
    """What a campaign adds to a day. so_far: how much of it by now. of: where the number comes from, in words."""

    campaign: str
    orders: Fraction
    so_far: Fraction
    of: str


@dataclass(frozen=True)
class Forecast:
    """Of one day. so_far: orders that came (0 for a day ahead). expected_so_far: how many by now, by what is usual and
    with campaigns, before what came is looked at. orders: by its end."""

    day: date
    orders: int
    usual: Usual
    extras: tuple[Extra, ...]
    so_far: int
    expected_so_far: Fraction
    share_so_far: Fraction
    notes: tuple[str, ...] = ()


def usual_day(shop: Shop, day: date, count_name: str, *, channel: str = "") -> Made:
    """How many of a count of COUNTS such a day usually has, by the days before it (before today for a day ahead)."""
    usual = usual_of(shop, day, count_name, channel)
    if isinstance(usual, str):
        return Made(None, count_name, (), usual)
    return Made(usual.count, count_name, ((usual.of, _figure(usual.count)), ("days", len(usual.days))))


def expected_day(shop: Shop, day: date, at: datetime) -> Made:
    """Orders of a day by its end. Of a day that is over: how many it had. See `forecast`."""
    expected = forecast(shop, day, at)
    if isinstance(expected, str):
        return Made(None, "orders", (), expected)
    made_of: list[tuple[str, int | float | str]] = [(expected.usual.of, _figure(expected.usual.count))]
    made_of += [(f"more by {extra.campaign}, {extra.of}", _figure(extra.orders)) for extra in expected.extras]
    made_of += [("marked", note) for note in expected.notes]
    if day == shop.day_of(at):
        made_of += [("orders so far", expected.so_far), ("expected so far", _figure(expected.expected_so_far))]
    return Made(expected.orders, "orders", tuple(made_of))


def forecast(
    shop: Shop, day: date, at: datetime, *, plans: Mapping[str, PlanFacts] | None = None, trust: Trust = "learned"
) -> Forecast | str:
    """What is expected of a day, or why nothing can be said.

    plans: instead of the shop's. trust: what a campaign brings is what earlier ones did (of at least two), else what
    was announced of it; or the other way round. Closed days bring nothing.
    """
    today = shop.day_of(at)
    so_far = _orders_of(shop, day) if day <= today else 0
    known = shop.calendar.kinds(day) if shop.calendar is not None else frozenset[str]()
    if "closed" in known:
        nothing = Usual(Fraction(0), (), "a closed day")
        return Forecast(day, so_far, nothing, (), so_far, Fraction(0), Fraction(0), ("closed",))
    usual = usual_of(shop, day, "orders", today=today)
    if day < today:
        past = usual if isinstance(usual, Usual) else Usual(Fraction(so_far), (), "what it had")
        return Forecast(day, so_far, past, (), so_far, Fraction(so_far), Fraction(1))
    if isinstance(usual, str):
        return usual
    notes: tuple[str, ...] = ()
    if "holiday" in known:
        usual, note = _holiday(shop, usual, today)
        notes = (note,)
    moment = max(known_at(shop, at), day_bounds(day, shop.zone)[0])
    extras = _extras(shop, usual, day, at, moment, shop.plans if plans is None else plans, trust)
    if "campaign" in known and not extras:
        uplift = learned_uplift(shop, day)
        if uplift is not None:
            more = usual.count * (uplift.factor - 1)
            extras = (
                Extra("a campaign of the calendar", more, more * share_of_day(shop, usual, day, moment), uplift.of),
            )
    share = share_of_day(shop, usual, day, moment)
    whole = usual.count + sum(extra.orders for extra in extras)
    by_now = usual.count * share + sum(extra.so_far for extra in extras)
    expected = whole
    if day == today:
        pace = Fraction(so_far + PRIOR_ORDERS) / (by_now + PRIOR_ORDERS)
        expected = so_far + max(Fraction(0), whole - by_now) * pace
    return Forecast(day, round(expected), usual, extras, so_far, by_now, share, notes)


# ---- what is usual --------------------------------------------------------------------------------------------------


def usual_of(shop: Shop, day: date, count_name: str, channel: str = "", *, today: date | None = None) -> Usual | str:
    """The median of the same weekday in the weeks before, or why there is none.

    Left out are days that a campaign or the calendar marks, that are not over, and of which nothing is known.
    today: the first day that is not over; by default that of the shop's newest fact.
    """
    if today is None:
        today = shop.day_of(instant(shop.upto)) if shop.upto else day
    end = min(day, today)
    key = ("usual", end, day.weekday(), count_name, channel)
    return shop.once(key, lambda: _usual(shop, end, day, count_name, channel))


def _usual(shop: Shop, end: date, day: date, count_name: str, channel: str) -> Usual | str:
    same = [end - timedelta(n) for n in range(1, 7 * WEEKS + 1) if (end - timedelta(n)).weekday() == day.weekday()]
    weekday = f"{day:%A}"
    last_days = [end - timedelta(n) for n in range(1, 29)]
    choices = (
        (same, True, f"median of {{}} {weekday}s before"),
        (last_days, True, "median of {} days before, of any weekday"),
        (same, False, f"median of {{}} {weekday}s before, campaigns among them"),
        (last_days, False, "median of {} days before, campaigns among them"),
    )
    for days, is_ordinary_only, words in choices:
        known = [
            d for d in days if _is_known(shop, d) and (_is_ordinary(shop, d) if is_ordinary_only else _sells(shop, d))
        ]
        if len(known) >= LEAST_DAYS:
            facts = tuple(shop.day(d, channel) or DayFacts(upto="", day=d.isoformat(), channel=channel) for d in known)
            return Usual(median([f.counts.get(count_name, 0) for f in facts]), facts, words.format(len(known)))
    count = sum(_is_known(shop, d) for d in last_days)
    return f"only {count} whole day{'' if count == 1 else 's'} before it {'is' if count == 1 else 'are'} known"


def median(numbers: Iterable[int | Fraction]) -> Fraction:
    """Of at least one number, exactly."""
    ordered = sorted(numbers)
    middle = len(ordered) // 2
    return Fraction(ordered[middle] + ordered[-1 - middle], 2)


def _is_known(shop: Shop, day: date) -> bool:
    return shop.day(day) is not None


def _sells(shop: Shop, day: date) -> bool:
    return shop.calendar is None or "closed" not in shop.calendar.kinds(day)


def _is_ordinary(shop: Shop, day: date) -> bool:
    return shop.once(("ordinary", day), lambda: _is_unmarked(shop, day))


def _is_unmarked(shop: Shop, day: date) -> bool:
    if shop.calendar is not None and shop.calendar.kinds(day):
        return False
    return not _running(shop, day)


def _running(shop: Shop, day: date) -> int:
    """How many campaigns are of a day, but for those that last so long that they are usual."""
    plans = (plan for plan in shop.plans.values() if _is_of(plan, day, shop) and not _is_long(plan, shop))
    return shop.once(("running", day), lambda: sum(1 for _ in plans))


def _is_of(plan: PlanFacts, day: date, shop: Shop) -> bool:
    first, last = plan_days(plan, shop.zone)
    return not plan.cancelled and first <= day <= min(last, first + timedelta(LONGEST_DAYS - 1))


def _is_long(plan: PlanFacts, shop: Shop) -> bool:
    first, last = plan_days(plan, shop.zone)
    return (last - first).days >= LONGEST_DAYS


def _orders_of(shop: Shop, day: date) -> int:
    facts = shop.day(day)
    return 0 if facts is None else facts.counts.get("orders", 0)


def _holiday(shop: Shop, usual: Usual, today: date) -> tuple[Usual, str]:
    """A usual day times what earlier holidays were of theirs, of at least two."""
    ratios = []
    for n in range(1, 91):
        day = today - timedelta(n)
        if shop.calendar is not None and "holiday" in shop.calendar.kinds(day) and _is_known(shop, day):
            then = usual_of(shop, day, "orders", today=today)
            if isinstance(then, Usual) and then.count:
                ratios.append(_orders_of(shop, day) / then.count)
    if len(ratios) < 2:
        return usual, "a holiday, of which too few earlier ones are known to tell what it changes"
    factor = median(ratios)
    return replace(usual, count=usual.count * factor), f"a holiday; {len(ratios)} earlier ones had {_times(factor)}"


# ---- the course of a day --------------------------------------------------------------------------------------------


def share_of_day(shop: Shop, usual: Usual, day: date, moment: datetime, count_name: str = "orders") -> Fraction:
    """Which share of a usual day's orders has come by the wall clock of a moment; 0 before the day, 1 after it.

    count_name: of another count of HOURLY. The hours of the usual days are read by the wall clock, so days of 23 and 25
    hours compare with those of 24. Without numbers by the hour it is the share of the time.
    """
    start, end = day_bounds(day, shop.zone)
    if moment <= start:
        return Fraction(0)
    if moment >= end:
        return Fraction(1)
    clock = moment.astimezone(shop.zone)
    by_now, whole = Fraction(0), 0
    for facts in usual.days:
        hours = facts.by_hour.get(count_name, [])
        then = date.fromisoformat(facts.day)
        begin, over = day_bounds(then, shop.zone)
        same = datetime.combine(then, clock.time(), shop.zone).replace(fold=clock.fold)
        passed = Fraction(int((min(max(same, begin), over) - begin).total_seconds()), 3600)
        full = int(passed)
        by_now += sum(hours[:full])
        if full < len(hours):
            by_now += hours[full] * (passed - full)
        whole += sum(hours)
    if whole <= 0:
        return Fraction(int((moment - start).total_seconds()), int((end - start).total_seconds()))
    return Fraction(by_now, whole)


# ---- campaigns ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Uplift:
    """How many times the usual campaigns brought. factor: 1 at least. campaigns: of which it was learned."""

    factor: Fraction
    campaigns: tuple[str, ...]
    of: str


def learned_uplift(shop: Shop, before: date, *, but: str = "") -> Uplift | None:
    """The median of what earlier campaigns brought on their whole days; None where none is known.

    before: only days before it are looked at. but: a campaign that is left out. Days of two campaigns are left out.
    """
    known = shop.once(("factors", before), lambda: _factors(shop, before))
    factors = {campaign: factor for campaign, factor in known.items() if campaign != but}
    if not factors:
        return None
    factor, names = median(factors.values()), tuple(sorted(factors))
    return Uplift(factor, names, f"as {list_text(list(names))} brought {_times(factor)}")


def _factors(shop: Shop, before: date) -> dict[str, Fraction]:
    """Campaign → how many times the usual it brought."""
    factors: dict[str, Fraction] = {}
    for plan in shop.plans.values():
        if plan.cancelled:
            continue
        ratios = []
        first, last = plan_days(plan, shop.zone)
        if last >= before or _is_long(plan, shop):
            continue
        for n in range((last - first).days + 1):
            day = first + timedelta(n)
            if _running(shop, day) == 1 and _is_known(shop, day) and _sells(shop, day) and _is_whole(plan, day, shop):
                usual = usual_of(shop, day, "orders", today=before)
                if isinstance(usual, Usual) and usual.count:
                    ratios.append(_orders_of(shop, day) / usual.count)
        if ratios:
            factors[plan.campaign] = max(Fraction(1), median(ratios))
    return factors


def _is_whole(plan: PlanFacts, day: date, shop: Shop) -> bool:
    (starts, ends), (begin, over) = plan_bounds(plan), day_bounds(day, shop.zone)
    return starts <= begin and ends >= over


@dataclass(frozen=True)
class Announced:
    """Orders that a campaign is said to bring in all, and how that is known."""

    orders: Fraction
    of: str


def announced_orders(shop: Shop, plan: PlanFacts, at: datetime) -> Announced | None:
    """Orders that marketing expects, or the visits that it expects times the conversion of its channels."""
    if plan.expected_orders is not None:
        orders = Fraction(str(plan.expected_orders))
        return Announced(orders, f"of {measured_number(float(orders))} announced orders")
    if plan.expected_sessions is None:
        return None
    rate = conversion_of(shop, plan.channels, at)
    if rate is None:
        return None
    sessions = Fraction(str(plan.expected_sessions))
    words = f"of {measured_number(float(sessions))} announced visits × {measured_text(plain(rate.share), PERCENT)}"
    return Announced(sessions * rate.share, words)


@dataclass(frozen=True)
class Conversion:
    """share: orders / visits. orders, sessions: of which, over `days` days. of: which channels, in words."""

    share: Fraction
    orders: int
    sessions: int
    days: int
    of: str


def conversion_of(shop: Shop, channels: Iterable[str], at: datetime) -> Conversion | None:
    """Orders / visits of some channels together, of all where none is named; None of too few visits.

    Of all, those count that have both visits and orders: a marketplace sells without visits of ours, and a newsletter
    may bring visits whose orders are said to come from the web. Where no channel has both, it is the whole shop.
    """
    wanted, today = tuple(sorted(set(channels))), shop.day_of(at)
    return shop.once(("conversion", wanted, today), lambda: _conversion(shop, wanted, today))


def _conversion(shop: Shop, wanted: tuple[str, ...], today: date) -> Conversion | None:
    days = shop.settings.conversion_days
    sums = {
        channel: (counted(shop, "orders", today, days, channel), counted(shop, "sessions", today, days, channel))
        for channel in wanted or shop.channels()
    }
    both = {channel: pair for channel, pair in sums.items() if pair[0] and pair[1]}
    orders, sessions = (sum(pair[n] for pair in both.values()) for n in (0, 1))
    of = list_text(sorted(both), 4)
    if not both:
        if wanted:
            return _conversion(shop, (), today)
        orders, sessions = counted(shop, "orders", today, days), counted(shop, "sessions", today, days)
        of = "the whole shop"
    if sessions < max(1, shop.settings.min_sessions):
        return None
    return Conversion(Fraction(orders, sessions), orders, sessions, days, of)


def campaign_weights(shop: Shop, plan: PlanFacts, today: date) -> dict[date, Fraction]:
    """The days of a campaign → what a usual day brings in its hours of that day; closed days are left out.

    Where no usual day is known: the share of the day that it covers.
    """
    first, last = plan_days(plan, shop.zone)
    starts, ends = plan_bounds(plan)
    weights: dict[date, Fraction] = {}
    for n in range(min(366, (last - first).days + 1)):
        day = first + timedelta(n)
        if not _sells(shop, day):
            continue
        usual = usual_of(shop, day, "orders", today=today)
        if isinstance(usual, str):
            usual = Usual(Fraction(1), (), "")
        weights[day] = usual.count * _window_share(shop, usual, day, starts, ends)
    return weights


def _window_share(shop: Shop, usual: Usual, day: date, starts: datetime, ends: datetime) -> Fraction:
    return share_of_day(shop, usual, day, ends) - share_of_day(shop, usual, day, starts)


@dataclass(frozen=True)
class Course:
    """What a campaign adds to each of its days, and how that is known, in words."""

    by_day: dict[date, Fraction]
    of: str


def campaign_course(shop: Shop, plan: PlanFacts, at: datetime, trust: Trust) -> Course | None:
    """None where nothing is known of what it brings. trust: as in `forecast`."""
    said = (plan.starts, plan.ends, plan.expected_orders, plan.expected_sessions, tuple(plan.channels))
    key = ("course", plan.campaign, said, shop.day_of(at), trust)
    return shop.once(key, lambda: _course(shop, plan, at, trust))


def _course(shop: Shop, plan: PlanFacts, at: datetime, trust: Trust) -> Course | None:
    today = shop.day_of(at)
    uplift = learned_uplift(shop, today, but=plan.campaign)
    announced = announced_orders(shop, plan, at)
    weights = campaign_weights(shop, plan, today)
    if uplift is not None and (announced is None or (trust == "learned" and len(uplift.campaigns) >= 2)):
        return Course({day: weight * (uplift.factor - 1) for day, weight in weights.items()}, uplift.of)
    if announced is None:
        return None
    whole = sum(weights.values())
    parts = {day: weight / whole if whole else Fraction(1, len(weights)) for day, weight in weights.items()}
    return Course({day: announced.orders * part for day, part in parts.items()}, announced.of)


def _extras(
    shop: Shop,
    usual: Usual,
    day: date,
    at: datetime,
    moment: datetime,
    plans: Mapping[str, PlanFacts],
    trust: Trust,
) -> tuple[Extra, ...]:
    extras = []
    for plan in sorted(plans.values(), key=lambda plan: plan.campaign):
        if not _is_of(plan, day, shop):
            continue
        course = campaign_course(shop, plan, at, trust)
        if course is None:
            continue
        orders = course.by_day.get(day, Fraction(0))
        starts, ends = plan_bounds(plan)
        window = _window_share(shop, usual, day, starts, ends)
        passed = _window_share(shop, usual, day, starts, max(starts, min(ends, moment)))
        extras.append(Extra(plan.campaign, orders, orders * passed / window if window else Fraction(0), course.of))
    return tuple(extras)


def _figure(number: Fraction) -> int | float:
    """As it is read: whole, or to one decimal below a hundred."""
    return round(number) if number.denominator == 1 or abs(number) >= 100 else round(float(number), 1)


def _times(factor: Fraction) -> str:
    return f"{measured_number(float(factor))} times the usual"
