"""The ledger: facts of a shop as they become known, stretch by stretch of event time.

Whoever drives it (the judge) says what was measured in stretches that are over, and hands it events in the order of
their time. It knows nothing of logs, and remembers which facts have changed.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from lockstep.calendar import CALENDAR, Calendar, PlannedCampaign
from lockstep.labels import NONE
from lockstep.measure.exact import SCALE, Exact
from lockstep.shop.day_sums import plan_days
from lockstep.shop.facts import (
    HOURLY,
    KEPT_DAYS,
    MONEY,
    CapacityFacts,
    DayFacts,
    Fact,
    Lot,
    Money,
    Place,
    PlanFacts,
    PlanNumbers,
    ProductFacts,
    Receipt,
    announced_plan,
    instant_text,
    key_of,
)
from lockstep.shop.plan_answer import assess, numbers_of
from lockstep.shop.plans.plan_numbers import changes, told_next
from lockstep.shop.plans.plan_words import PlanAnswer
from lockstep.shop.series import FLOWS
from lockstep.shop.whole_shop import Shop
from lockstep.text.currency import decimals
from lockstep.text.rfc3339 import SECOND, rfc3339

MOST_RECEIPTS = 60
MOST_LOTS = 200
MOST_REASONS = 20
"""Of one product; of more the oldest receipts that are in, the latest lots, the rarest reasons are not kept."""
MOST_THEMES = 100
EVENT = "event"
"""The source of what events say; of plans every other one is the calendar, or a calendar that it is fed by."""

_PAID = {name: name for name in MONEY} | {"paid_back": "refunds"}
"""What is measured → what of `DayFacts.money` it is."""


class _DayWork:
    """What is added to one day of one channel."""

    __slots__ = ("counts", "hourly", "money", "ship_millionths", "spent", "themes")

    def __init__(self) -> None:
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.money: defaultdict[tuple[str, str], int] = defaultdict(int)  # in millionths
        self.hourly: defaultdict[str, int] = defaultdict(int)
        self.themes: defaultdict[str, int] = defaultdict(int)
        self.spent: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.ship_millionths = 0


class Ledger:
    """shop: what is known. changed: keys of facts that have changed since they were last taken, None: is gone."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.changed: dict[str, Fact | None] = {}
        # Of each open day: money in millionths, so that nothing is rounded before the day is whole.
        self.millionths: dict[str, dict[str, int]] = {}
        self.touched_products: dict[str, None] = {}
        self.touched_places: dict[str, None] = {}
        self.touched_plans: dict[str, None] = {}

    # ---- what calendar.yml says ---------------------------------------------------------------------------------

    def from_calendar(self, calendar: Calendar | None, second: int) -> None:
        """Take what the calendar plans, as announced at a second of event time. What it says as before stays as it is.

        An event of the same campaign, or of capacity from the same moment, stands: it is not written over. What the
        calendar no longer says and is not over is cancelled; of calendars that feed it only when each of them was read.
        """
        at = rfc3339(second * SECOND)
        planned = calendar.planned if calendar is not None else ()
        for campaign in planned:
            self._planned(campaign, at)
        names = {campaign.name for campaign in planned}
        is_whole = calendar is None or calendar.is_whole
        for plan in list(self.shop.plans.values()):
            is_ours = plan.source == CALENDAR or (is_whole and plan.source != EVENT)
            if is_ours and plan.campaign not in names and not plan.cancelled and _is_ahead(plan, at):
                self._put(replace(plan, upto=at, told_at=at, cancelled=True, number=plan.number + 1))
                self.touched_plans[plan.campaign] = None
        declared: dict[str, CapacityFacts] = {}
        for one in calendar.capacity if calendar is not None else ():
            starts, ends = self._stretch(one.first, one.last)
            declared[starts] = CapacityFacts(
                upto=at, starts=starts, ends=ends, orders_per_day=one.orders_per_day, told_at=at, source=CALENDAR
            )
        for gone in [one for one in self.shop.capacities.values() if one.source == CALENDAR]:
            if gone.starts not in declared and _is_ahead(gone, at):
                self.shop.remove(key_of(gone))
                self.changed[key_of(gone)] = None
        for starts, fact in declared.items():
            known = self.shop.capacities.get(starts)
            if known is None or (known.source == CALENDAR and _said(fact) != _said(known)):
                self._put(fact)
        self.touched_plans.update(dict.fromkeys(self.shop.plans))

    def _planned(self, campaign: PlannedCampaign, at: str) -> None:
        before = self.shop.plans.get(campaign.name)
        if before is not None and before.source == EVENT:
            return
        starts, ends = self._stretch(campaign.first, campaign.last)
        plan = PlanFacts(
            upto=at,
            campaign=campaign.name,
            starts=starts,
            ends=ends,
            skus=list(campaign.skus),
            channels=list(campaign.channels),
            expected_sessions=campaign.expected_sessions,
            expected_orders=campaign.expected_orders,
            discount=campaign.discount,
            told_at=at,
            number=1 if before is None else before.number + 1,
            source=campaign.source,
        )
        if before is not None and _said(plan) == _said(before):
            return
        self._put(plan)
        self.touched_products.update(dict.fromkeys(sku for sku in plan.skus if sku in self.shop.products))

    def _stretch(self, first: date, last: date) -> tuple[str, str]:
        """First and last moment of whole days of the shop."""
        over = _day_start(last + timedelta(1), self.shop)
        return rfc3339(_day_start(first, self.shop) * SECOND), rfc3339((over - 1) * SECOND)

    # ---- what was measured in a stretch -----------------------------------------------------------------------------

    def measured(self, start: int, end: int, values: Iterable[tuple[str, tuple[str, ...], Exact]]) -> None:
        """Add what came in [start, end), seconds within one hour of one day: (name of FLOWS, labels, millionths)."""
        day = self.shop.day_of(_moment(start))
        first = _day_start(day, self.shop)
        hour = (start - first) // 3600
        upto = rfc3339(end * SECOND)
        works: defaultdict[str, _DayWork] = defaultdict(_DayWork)
        products: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        for name, labels, millionths in values:
            self._note(name, dict(zip(FLOWS[name].by, labels, strict=True)), int(millionths), works, products)
        for channel, work in works.items():
            self._add_to_day(day, channel, work, hour, upto)
        for sku, added in products.items():
            self._add_to_product(sku, day, added, upto)

    def _note(
        self,
        name: str,
        named: dict[str, str],
        millionths: int,
        works: defaultdict[str, _DayWork],
        products: defaultdict[str, dict[str, Any]],
    ) -> None:
        whole = works[""]
        if name.startswith("product_"):
            added = products[named["sku"]]
            count = _whole(millionths)
            if name == "product_returned":
                reasons = added.setdefault("reasons", defaultdict(int))
                reasons[named["reason"]] += count
            kind = name.removeprefix("product_")
            added[kind] = added.get(kind, 0) + count
            return
        if name == "themes":
            whole.themes[named["theme"]] += _whole(millionths)
            return
        if name == "ship_hours":
            whole.ship_millionths += millionths
            return
        if name == "spend_by_campaign":
            whole.spent[named["campaign"], self._currency(named)] += millionths
            return
        both = (whole, works[named["channel"]])
        for work in both:
            if name in _PAID:
                work.money[_PAID[name], self._currency(named)] += millionths
            elif name == "orders":
                self._note_orders(work, named, _whole(millionths))
            else:
                work.counts[name] += _whole(millionths)
            if name in HOURLY:
                work.hourly[name] += _whole(millionths)

    def _note_orders(self, work: _DayWork, named: dict[str, str], count: int) -> None:
        lines = int(named["lines"]) if named["lines"].isdecimal() else 0
        is_wrapped = named["gift_wrap"] == "true"
        is_special = named["shipping_method"] not in self.shop.settings.standard_shipping
        work.counts["orders"] += count
        work.counts["lines"] += count * lines
        work.counts["gift_wrapped"] += count * is_wrapped
        work.counts["special_shipping"] += count * is_special
        work.counts["complex"] += count * (lines > 1 or is_wrapped or is_special)

    def _currency(self, named: dict[str, str]) -> str:
        """What an event names no currency in is in the shop's."""
        currency = named["currency"]
        return self.shop.settings.currency or NONE if currency == NONE else currency

    def _add_to_day(self, day: date, channel: str, work: _DayWork, hour: int, upto: str) -> None:
        known = self.shop.day(day, channel) or DayFacts(upto=upto, day=day.isoformat(), channel=channel)
        counts = dict(known.counts)
        for name, count in work.counts.items():
            if count:
                counts[name] = counts.get(name, 0) + count
        by_hour = {name: list(numbers) for name, numbers in known.by_hour.items()}
        for name, count in work.hourly.items():
            numbers = by_hour.setdefault(name, [])
            numbers += [0] * (hour + 1 - len(numbers))
            numbers[hour] += count
        themes = dict(known.themes)
        for theme, count in work.themes.items():
            if theme in themes or len(themes) < MOST_THEMES:
                themes[theme] = themes.get(theme, 0) + count
        key = f"{day.isoformat()}/{channel}"
        sums = self.millionths.setdefault(key, {})
        for (name, currency), amount in work.money.items():
            _add(sums, f"{name}/{currency}", amount)
        for (campaign, currency), amount in work.spent.items():
            _add(sums, f"campaign {campaign}/{currency}", amount)
        if work.ship_millionths:
            _add(sums, "ship_hours", work.ship_millionths)
        money: dict[str, Money] = {}
        spent: dict[str, Money] = {}
        for name, amount in sums.items():
            what, _, currency = name.rpartition("/")
            if what.startswith("campaign "):
                spent.setdefault(what.removeprefix("campaign "), {})[currency] = minor_units(amount, currency)
            elif what:
                money.setdefault(what, {})[currency] = minor_units(amount, currency)
        shipped = counts.get("shipped", 0)
        hours = sums.get("ship_hours")
        self._put(
            replace(
                known,
                upto=upto,
                counts=counts,
                by_hour=by_hour,
                themes=themes,
                money=money,
                spend_by_campaign=spent,
                hours_to_ship=round(hours / SCALE / shipped, 3) if hours and shipped else None,
            )
        )

    def _add_to_product(self, sku: str, day: date, added: dict[str, Any], upto: str) -> None:
        known = self._product(sku, day, upto)
        lists: dict[str, Any] = {}
        for name in ("units", "returned", "views"):
            if added.get(name):
                numbers = list(getattr(known, name)) or [0]
                numbers[-1] += added[name]
                lists[name] = numbers
        if "reasons" in added:
            reasons = {reason: list(numbers) for reason, numbers in known.reasons.items()}
            for reason, count in added["reasons"].items():
                numbers = reasons.setdefault(reason, [0])
                numbers[-1] += count
            if len(reasons) > MOST_REASONS:
                reasons = dict(sorted(reasons.items(), key=lambda item: -sum(item[1]))[:MOST_REASONS])
            lists["reasons"] = reasons
        self._put_product(replace(known, upto=upto, **lists))

    def known_to(self, second: int) -> None:
        """All up to a second is in. It stands in the facts of its day, so that who reads them can tell a quiet hour
        from one of which nothing is known yet."""
        upto, day = rfc3339(second * SECOND), self.shop.day_of(_moment(second))
        self._put(replace(self.shop.day(day) or DayFacts(upto=upto, day=day.isoformat()), upto=upto))

    # ---- events, in the order of their time -------------------------------------------------------------------------

    def level(self, name: str, sku: str, location: str, value: int, at_us: int) -> None:
        """A value of a level of LEVELS, in millionths. location: of a price its currency."""
        at = rfc3339(at_us)
        known = self._product(sku, self.shop.day_of(_moment(at_us // SECOND)), at)
        if name == "price":
            currency = location if location != NONE else self.shop.settings.currency
            self._put_product(replace(known, upto=at, price=minor_units(value, currency), currency=currency))
            return
        location = "" if location == NONE else location
        place = known.places.get(location) or Place()
        number = _whole(value)
        if name == "held":
            since = place.held_since if place.held > 0 and number > 0 else (at if number > 0 else "")
            place = replace(place, held=number, held_since=since, at=at)
        else:
            place = replace(place, available=number, at=at)
        places = {**known.places, location: place}
        available = sum(one.available for one in places.values())
        in_stock = list(known.in_stock) or [0]
        if available > 0:
            in_stock[-1] = 1
        stock_at = at if name == "available" else known.stock_at
        self._put_product(
            replace(
                known,
                upto=at,
                places=places,
                available=available if name == "available" else known.available,
                in_stock=in_stock,
                stock_at=stock_at,
                listed_on=known.listed_on or known.day,
            )
        )
        self.touched_places[location] = None

    def whole(self, event_type: str, data: str, at_us: int) -> None:
        """An event that travels as it is; data: its JSON."""
        said = msgspec.json.decode(data)
        at = rfc3339(at_us)
        match event_type:
            case "campaign.planned":
                self._campaign(said, at)
            case "capacity.declared":
                starts, ends = instant_text(said["starts"]), instant_text(said["ends"])
                fact = CapacityFacts(
                    upto=at,
                    starts=starts,
                    ends=ends,
                    orders_per_day=said["orders_per_day"],
                    work_units_per_day=said.get("work_units_per_day"),
                    told_at=at,
                )
                self._put(fact)
                self.touched_plans.update(dict.fromkeys(self.shop.plans))
            case "stock.receipt":
                self._receipt(said, at, at_us)
            case "stock.lot":
                self._lot(said, at, at_us)
            case "supplier.updated":
                self._supplier(said, at, at_us)
            case "product.listed":
                known = self._product(said["sku"], self.shop.day_of(_moment(at_us // SECOND)), at)
                self._put_product(replace(known, upto=at, listed_on=known.listed_on or known.day))

    def _campaign(self, said: dict[str, Any], at: str) -> None:
        plan = announced_plan(said, at=at, before=self.shop.plans.get(said["campaign"]))
        self._put(plan)
        self.touched_plans[plan.campaign] = None
        self.touched_products.update(dict.fromkeys(sku for sku in plan.skus if sku in self.shop.products))

    def _receipt(self, said: dict[str, Any], at: str, at_us: int) -> None:
        known = self._product(said["sku"], self.shop.day_of(_moment(at_us // SECOND)), at)
        order, location = said.get("purchase_order") or "", said.get("location") or ""
        before = _receipt_before(known.receipts, order, location, said["expected_on"])
        receipt = Receipt(
            quantity=round(said["quantity"]),
            expected_on=said["expected_on"],
            first_expected_on=said["expected_on"] if before is None else before.first_expected_on,
            status=said["status"],
            purchase_order=order,
            location=location,
            told_at=at,
            received_at=at if said["status"] == "received" else "",
        )
        others = [one for one in known.receipts if one is not before]
        kept = sorted([*others, receipt], key=lambda one: (one.status != "received", one.expected_on, one.told_at))
        self._put_product(replace(known, upto=at, receipts=kept[-MOST_RECEIPTS:]))
        self.touched_places[location] = None

    def _lot(self, said: dict[str, Any], at: str, at_us: int) -> None:
        known = self._product(said["sku"], self.shop.day_of(_moment(at_us // SECOND)), at)
        location = said.get("location") or ""
        lot = Lot(lot=said["lot"], quantity=round(said["quantity"]), expires_on=said["expires_on"], location=location)
        others = [one for one in known.lots if (one.lot, one.location) != (lot.lot, lot.location)]
        lots = [*others, lot] if lot.quantity > 0 else others
        lots.sort(key=lambda one: (one.expires_on, one.lot, one.location))
        self._put_product(replace(known, upto=at, lots=lots[:MOST_LOTS]))

    def _supplier(self, said: dict[str, Any], at: str, at_us: int) -> None:
        day, supplier, days = self.shop.day_of(_moment(at_us // SECOND)), said["supplier"], said["lead_time_days"]
        sku = said.get("sku")
        skus = [sku] if sku else [p.sku for p in self.shop.products.values() if p.supplier == supplier]
        for one in skus:
            known = self._product(one, day, at)
            before = known.lead_time_before if known.lead_time_days == days else known.lead_time_days
            since = known.lead_time_at if known.lead_time_days == days else at
            changed = replace(known, upto=at, supplier=supplier, lead_time_days=days)
            self._put_product(replace(changed, lead_time_before=before, lead_time_at=since))

    def answer_plans(self, at: datetime) -> None:
        """Note what the answer to each plan that is not over is now: the next one leans on it, so it does not flap.

        Its numbers are those that both teams are told: of another verdict, or where they are notably other.
        """
        for plan in list(self.shop.plans.values()):
            if datetime.fromisoformat(plan.ends) < at or plan.cancelled:
                continue
            answer = assess(self.shop, plan, at)
            numbers = self._numbers_told(plan, answer, at)
            if numbers is not plan.numbers or answer.verdict != plan.verdict:
                upto = rfc3339(round(at.timestamp()) * SECOND)
                self._put(replace(plan, upto=upto, verdict=answer.verdict, numbers=numbers))
                self.touched_plans[plan.campaign] = None

    def _numbers_told(self, plan: PlanFacts, answer: PlanAnswer, at: datetime) -> PlanNumbers | None:
        """The numbers of a plan's answer that both teams were told last, those of now where they are to be told."""
        now = numbers_of(answer, at)
        if plan.numbers is None:
            return replace(now, revision=plan.revision)
        today, (first, last) = self.shop.day_of(at), plan_days(plan, self.shop.zone)
        stretch = max(first, today), max(last, today)
        if answer.verdict != plan.verdict:
            return replace(now, revision=plan.revision, changed=changes(plan.numbers, now, stretch, today=today))
        return told_next(plan.numbers, now, stretch, today=today) or plan.numbers

    # ---- days begin -------------------------------------------------------------------------------------------------

    def begin_day(self, day: date) -> None:
        """A day begins: each product has an entry for it, and what is too old is gone."""
        upto = rfc3339(_day_start(day, self.shop) * SECOND)
        oldest = (day - timedelta(KEPT_DAYS - 1)).isoformat()
        for key in [key for key in self.shop.days if key[0] < oldest]:
            self.changed[key_of(self.shop.days.pop(key))] = None
        for sku in list(self.shop.products):
            known = self._product(sku, day, upto)
            if known.available is not None and known.available > 0:
                known = replace(known, in_stock=[*known.in_stock[:-1], 1])
            self._put_product(known)
        today = day.isoformat()
        for name in [name for name in self.millionths if name < today]:
            del self.millionths[name]
        for ended in [f for f in self.shop.capacities.values() if f.ends[:10] < oldest]:
            del self.shop.capacities[ended.starts]
            self.changed[key_of(ended)] = None
        self.touched_plans.update(dict.fromkeys(self.shop.plans))
        self.touched_places.update(dict.fromkeys(p for f in self.shop.products.values() for p in f.places))

    def _product(self, sku: str, day: date, upto: str) -> ProductFacts:
        """A product with its lists up to a day."""
        today = day.isoformat()
        known = self.shop.products.get(sku)
        if known is None:
            zeros: dict[str, Any] = {name: [0] for name in ("units", "returned", "views", "in_stock")}
            return ProductFacts(upto=upto, sku=sku, day=today, listed_on=today, **zeros)
        if known.day >= today:
            return known
        more = (day - date.fromisoformat(known.day)).days

        def rolled(numbers: list[int]) -> list[int]:
            return [*numbers, *[0] * min(more, KEPT_DAYS)][-KEPT_DAYS:]

        in_stock = rolled(known.in_stock)
        if known.available is not None and known.available > 0:
            in_stock[-min(more, KEPT_DAYS) :] = [1] * min(more, KEPT_DAYS)
        reasons = {reason: rolled(numbers) for reason, numbers in known.reasons.items()}
        return replace(
            known,
            upto=upto,
            day=today,
            units=rolled(known.units),
            returned=rolled(known.returned),
            views=rolled(known.views),
            in_stock=in_stock,
            reasons={reason: numbers for reason, numbers in reasons.items() if any(numbers)},
        )

    def _put_product(self, fact: ProductFacts) -> None:
        self._put(fact)
        self.touched_products[fact.sku] = None

    def _put(self, fact: Fact) -> None:
        self.shop.put(fact)
        self.changed[key_of(fact)] = fact


def minor_units(millionths: int, currency: str) -> int:
    """An amount in millionths of a currency, in its minor unit; half a unit goes to the even one."""
    divisor: int = SCALE // 10 ** decimals(currency)
    whole, rest = divmod(millionths, divisor)
    return whole + (2 * rest > divisor or (2 * rest == divisor and whole % 2 == 1))


def _receipt_before(receipts: list[Receipt], order: str, location: str, expected_on: str) -> Receipt | None:
    """The receipt that an event speaks of again: by its purchase order, else an open one, best of the same day."""
    if order:
        return next((one for one in receipts if (one.purchase_order, one.location) == (order, location)), None)
    still = [one for one in receipts if not one.purchase_order and one.location == location and not one.received_at]
    return next((one for one in still if one.expected_on == expected_on), still[0] if still else None)


def _add(sums: dict[str, int], name: str, amount: int) -> None:
    sums[name] = sums.get(name, 0) + amount


def _whole(millionths: int) -> int:
    return round(millionths / SCALE) if millionths % SCALE else millionths // SCALE


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def _said(fact: PlanFacts | CapacityFacts) -> PlanFacts | CapacityFacts:
    """What is said, whenever and however often it was."""
    if isinstance(fact, PlanFacts):
        return replace(fact, upto="", told_at="", number=0, verdict="", moves=[], numbers=None)
    return replace(fact, upto="", told_at="")


def _is_ahead(fact: PlanFacts | CapacityFacts, at: str) -> bool:
    """Whether it is not over at an instant."""
    return datetime.fromisoformat(fact.ends) >= datetime.fromisoformat(at)


def _day_start(day: date, shop: Shop) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=shop.zone).timestamp())
