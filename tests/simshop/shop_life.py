"""Eight weeks of a simulated shop as CloudEvents: what its web shop, warehouses, suppliers and teams would send.

Stock follows sales exactly: an order's lines are what its location still has, and what was sold, received, held or
given back is told as a new level. Each part draws from dice of its own, so that a change of one leaves the others as
they were. The same seed gives the same events.
"""

import heapq
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from tests.simshop import script
from tests.simshop.demand import (
    UNITS_OF_PROMOTED,
    Demand,
    baskets,
    drawn,
    promotion_share,
    slots,
    units_between,
    within,
)
from tests.simshop.real_orders import Basket, profile
from tests.simshop.script import FIRST, MARKETPLACE, OWN, THIRD_PARTY, Promotion, on

from lockstep.text.rfc3339 import rfc3339_of

Event = dict[str, Any]
COVER = timedelta(days=35)
"""A weekly delivery fills a location up to the expected sales of so long; the marketplace is filled every four weeks,
to twice as long."""


def event(kind: str, name: str, time: datetime, data: Event, *, source: str, subject: str | None = None) -> Event:
    """A CloudEvent."""
    said = {"specversion": "1.0", "id": name, "source": source, "type": kind, "time": rfc3339_of(time)}
    if subject is not None:
        said["subject"] = subject
    return {**said, "data": data}


@dataclass
class Order:
    """An order as it could be filled. location: the warehouse that ships it."""

    name: str
    placed: datetime
    channel: str
    lines: list[tuple[str, int]]
    location: str
    campaign: str | None = None


@dataclass
class Truth:
    """What the simulation came to, for those who check what was told. sold_out: sku → when its last unit was sold.

    lost: sku → units that people wanted and that were not there. web_revenue, web_spend: day of the shop → pence.
    """

    orders: int = 0
    sold_out: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    lost: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    web_revenue: dict[date, int] = field(default_factory=lambda: defaultdict(int))
    web_spend: dict[date, int] = field(default_factory=lambda: defaultdict(int))


class ShopLife:
    """One seed's life, played from the first moment to the last. `events` are in the order of time."""

    def __init__(self, seed: int, *, ends: datetime) -> None:
        self.truth = Truth()
        self._seed = seed
        self._ends = ends
        self._demand = Demand(seed)
        self._events: list[tuple[datetime, Event]] = []
        self._queue: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._number = 0
        self._stock: dict[tuple[str, str], int] = {}
        self._held: dict[tuple[str, str], int] = {}
        self._levels = 0
        self._lot_sold: int | None = None
        self._shipped_on: dict[tuple[date, str], int] = defaultdict(int)
        self._play()

    @property
    def events(self) -> list[Event]:
        """Those up to the end, in the order of time; at equal times as they happened."""
        told = [(time, e) for time, e in self._events if time < self._ends]
        told.sort(key=lambda item: item[0])
        return [e for _, e in told]

    # ---- the play ---------------------------------------------------------------------------------------------------

    def _play(self) -> None:
        self._open()
        self._plan_deliveries()
        self._draw_orders()
        for moment in slots(FIRST, self._ends):
            if moment.hour % 6 == 0 and moment.minute == 0:
                self._at(moment + timedelta(minutes=10), self._tell_all_stock)
        self._hold()
        self._at(script.STUCK[1], lambda at: self._tell_all_stock(at, THIRD_PARTY))
        while self._queue:
            moment, _, act = heapq.heappop(self._queue)
            if moment < self._ends:
                act(moment)

    def _at(self, moment: datetime, act: Callable[[datetime], None]) -> None:
        self._number += 1
        heapq.heappush(self._queue, (moment, self._number, act))

    def _dice(self, what: str) -> random.Random:
        return random.Random(f"{self._seed} {what}")

    def _tell(self, kind: str, name: str, time: datetime, data: Event, *, source: str, subject: str = "") -> None:
        self._events.append((time, event(kind, name, time, data, source=source, subject=subject or None)))

    def _open(self) -> None:
        """The first minutes: what is on sale, from whom, and what is there of it."""
        for sku in profile().skus:
            for location in locations(sku):
                self._stock[sku, location] = round(units_between(sku, location, FIRST, FIRST + self._cover(location)))
        for n, sku in enumerate(profile().skus):
            at = FIRST + timedelta(seconds=n)
            data = {"sku": sku, "price": profile().prices[sku] / 100, "currency": "GBP"}
            data |= {"category": "gifts", "supplier": script.supplier(sku)}
            self._tell("product.listed", f"listed-{sku}", at, data, source="/shop/catalogue", subject=sku)
            for location in locations(sku):
                self._tell_level(sku, location, at)

    @staticmethod
    def _cover(location: str) -> timedelta:
        return COVER * 2 if location == MARKETPLACE else COVER

    # ---- stock ------------------------------------------------------------------------------------------------------

    def _tell_level(self, sku: str, location: str, at: datetime) -> None:
        if location == THIRD_PARTY and script.STUCK[0] <= at < script.STUCK[1]:
            return
        self._levels += 1
        available, held = self._stock[sku, location], self._held.get((sku, location), 0)
        data = {"sku": sku, "available": available, "location": location, "on_hand": available + held}
        if location == MARKETPLACE:
            data["held"] = held
        self._tell("stock.level", f"level-{self._levels}", at, data, source=f"/stock/{location}", subject=sku)

    def _tell_all_stock(self, at: datetime, only: str | None = None) -> None:
        """The full list that each location sends four times a day, and a warehouse that works again."""
        for sku, location in sorted(self._stock):
            if only in (None, location):
                self._tell_level(sku, location, at)

    def _change(self, sku: str, location: str, units: int, at: datetime) -> None:
        self._stock[sku, location] = self._stock.get((sku, location), 0) + units
        if units < 0 and self._stock[sku, location] == 0:
            self.truth.sold_out[sku].append(at)
        self._tell_level(sku, location, at)

    def _hold(self) -> None:
        begins, ends = script.HOLD
        place = script.HELD, MARKETPLACE

        def take(at: datetime) -> None:
            self._held[place] = round(self._stock[place] * script.HELD_PART)
            self._change(*place, -self._held[place], at)

        def give_back(at: datetime) -> None:
            self._change(*place, self._held.pop(place), at)

        self._at(begins, take)
        self._at(ends, give_back)

    # ---- deliveries to the shop -------------------------------------------------------------------------------------

    def _plan_deliveries(self) -> None:
        for place, (sku, location) in enumerate(sorted(self._stock)):
            if location == MARKETPLACE:
                first, every = on(-28) if place % 2 else on(-27), timedelta(weeks=4)
            else:
                first, every = FIRST + timedelta(days=2 + place % 5), timedelta(weeks=1)
            due = first
            while due < self._ends:
                self._deliver(sku, location, due, 8 * 60 + 30 + 4 * place)
                due += every
        self._special_deliveries()

    def _special_deliveries(self) -> None:
        """Those of the script."""

        def back(at: datetime) -> None:
            self._receive(script.SOLD_OUT, 500, at, po="PO-BACK", location=script.home(script.SOLD_OUT))

        self._announce(script.SOLD_OUT, 500, on(0, 10), script.SOLD_OUT_BACK, po="PO-BACK")
        self._at(script.SOLD_OUT_BACK, back)

        self._announce(script.LATE, 400, on(-7, 10), script.LATE_DUE, po="PO-LATE")
        self._announce(script.LATE, 400, script.LATE_SAID, script.LATE_NEW, po="PO-LATE", status="delayed")

        def late(at: datetime) -> None:
            self._receive(script.LATE, 400, at, po="PO-LATE", location=script.home(script.LATE))

        self._at(script.LATE_NEW + timedelta(hours=8, minutes=30), late)

        self._announce(script.PROMOTED_OUT, 450, on(4, 10), on(11), po="PO-BAGS")

        def bags(at: datetime) -> None:
            self._receive(script.PROMOTED_OUT, 450, at, po="PO-BAGS", location=script.home(script.PROMOTED_OUT))

        self._at(on(11, 9), bags)

        def lot(at: datetime) -> None:
            self._receive(script.LOT, script.LOT_QUANTITY, at, po="PO-LOT", location=script.home(script.LOT))
            self._lot_sold = 0

        self._announce(script.LOT, script.LOT_QUANTITY, on(-2, 10), script.LOT_TOLD, po="PO-LOT")
        self._at(script.LOT_TOLD, lot)
        for day in range(-42, 14):
            self._at(on(day, 5, 20), self._tell_lots)
        self._at(script.LOT_TOLD + timedelta(minutes=2), self._tell_lots)

        def new(at: datetime) -> None:
            self._tell(
                "product.listed",
                f"listed-{script.NEW}",
                at,
                {"sku": script.NEW, "price": 14.5, "currency": "GBP", "supplier": "hart-ceramics"},
                source="/shop/catalogue",
                subject=script.NEW,
            )
            self._receive(script.NEW, 300, at, po="PO-NEW", location=OWN)

        self._announce(script.NEW, 300, on(-6, 10), script.NEW_LISTED, po="PO-NEW")
        self._at(script.NEW_LISTED, new)

    def _deliver(self, sku: str, location: str, due: datetime, minute: int) -> None:
        """One delivery: ordered a week before, in on its day; where the script says so late or not at all."""
        po = f"PO-{sku}-{location}-{due:%m%d}"
        ordered_at = due - timedelta(days=7) + timedelta(hours=10)
        arrives = due + timedelta(minutes=minute)
        if location == MARKETPLACE and due >= on(0):
            due = script.INBOUND_DUE
            arrives = due + timedelta(days=script.INBOUND_DAYS, minutes=minute)

        def order(at: datetime) -> None:
            quantity = self._quantity(sku, location, at, arrives)
            if quantity <= 0:
                return
            self._announce(sku, quantity, at, due, po=po, location=location)
            self._at(arrives, lambda later: self._receive(sku, quantity, later, po=po, location=location))

        self._at(max(ordered_at, FIRST + timedelta(hours=1)), order)

    def _quantity(self, sku: str, location: str, at: datetime, arrives: datetime) -> int:
        """What is ordered so that it is full on arrival; of what the script lets run out only what lasts until then."""
        here = self._stock[sku, location]
        until = arrives + self._cover(location)
        stops = _STOPS.get(sku)
        if sku == script.SLOW and arrives > on(-35):
            return 0
        if stops is not None and location != MARKETPLACE:
            if arrives >= stops:
                return 0
            wanted = units_between(sku, location, at, min(until, stops))
            if until >= stops and sku == script.PROMOTED_OUT:
                wanted = units_between(sku, location, at, script.RUNS_OUT.starts)
                wanted += script.OUT_PART * units_between(sku, location, script.RUNS_OUT.starts, script.RUNS_OUT.ends)
            return round(wanted) - here
        return round(units_between(sku, location, at, until)) - here

    def _announce(
        self,
        sku: str,
        quantity: int,
        at: datetime,
        due: datetime,
        *,
        po: str,
        location: str = "",
        status: str = "planned",
    ) -> None:
        location = location or script.home(sku)
        data = {"sku": sku, "quantity": quantity, "expected_on": due.date().isoformat(), "status": status}
        data |= {"location": location, "purchase_order": po}
        self._at(
            at, lambda _: self._tell("stock.receipt", f"{status}-{po}", at, data, source="/erp/purchasing", subject=sku)
        )

    def _receive(self, sku: str, quantity: int, at: datetime, *, po: str, location: str) -> None:
        data = {"sku": sku, "quantity": quantity, "expected_on": at.date().isoformat(), "status": "received"}
        data |= {"location": location, "purchase_order": po}
        self._tell("stock.receipt", f"received-{po}", at, data, source="/erp/purchasing", subject=sku)
        self._change(sku, location, quantity, at)

    def _tell_lots(self, at: datetime) -> None:
        """The lots of the one product that has a last day; the earlier one is sold first."""
        location = script.home(script.LOT)
        if location == THIRD_PARTY and script.STUCK[0] <= at < script.STUCK[1]:
            return
        stock = self._stock[script.LOT, location]
        short = 0 if self._lot_sold is None else max(0, min(script.LOT_QUANTITY - self._lot_sold, stock))
        last_day = (script.LOT_TOLD + timedelta(days=script.LOT_DAYS)).date()
        lots = [("L-2027", stock - short, date(2027, 9, 30))]
        if self._lot_sold is not None:
            lots.append(("L-SHORT", short, last_day))
        for lot, quantity, day in lots:
            data = {"sku": script.LOT, "lot": lot, "quantity": quantity, "expires_on": day.isoformat()}
            data["location"] = location
            name = f"lot-{lot}-{at:%m%d%H}"
            self._tell("stock.lot", name, at, data, source=f"/stock/{location}", subject=script.LOT)

    # ---- orders -----------------------------------------------------------------------------------------------------

    def _draw_orders(self) -> None:
        for channel in script.CHANNELS:
            dice = self._dice(f"orders {channel}")
            for slot in slots(FIRST, self._ends):
                for _ in range(drawn(self._demand.orders(channel, slot), dice)):
                    self._buy(within(slot, dice), channel, dice.choice(baskets(channel)), None, dice.random())
        for promotion in script.PROMOTIONS:
            dice = self._dice(f"orders of {promotion.name}")
            for slot in slots(promotion.starts, promotion.ends):
                for _ in range(drawn(promotion.orders * promotion_share(promotion, slot), dice)):
                    channel = dice.choices(promotion.channels, [script.CHANNELS[c] for c in promotion.channels])[0]
                    quantity = 1 if dice.random() < 2 - UNITS_OF_PROMOTED else 2
                    basket = ((promotion.skus[0], quantity),)
                    self._buy(within(slot, dice), channel, basket, promotion, dice.random())

    def _buy(self, at: datetime, channel: str, basket: Basket, promotion: Promotion | None, chance: float) -> None:
        """chance: a draw from [0, 1) that decides what else belongs to this order."""
        if at >= script.NEW_LISTED + timedelta(hours=2) and channel != MARKETPLACE and chance < 0.04:
            basket = (*basket, (script.NEW, 1))
        self._at(at, lambda moment: self._place(moment, channel, basket, promotion, chance))

    def _place(self, at: datetime, channel: str, basket: Basket, promotion: Promotion | None, chance: float) -> None:
        lines = []
        for sku, wanted in basket:
            if sku == script.SLOW and at >= script.SLOW_SINCE:
                continue
            location = MARKETPLACE if channel == MARKETPLACE else script.home(sku)
            units = min(wanted, self._stock.get((sku, location), 0))
            self.truth.lost[sku] += wanted - units
            if units:
                lines.append((sku, units))
                self._change(sku, location, -units, at)
                if sku == script.LOT and self._lot_sold is not None:
                    self._lot_sold += units
        if not lines:
            return
        self.truth.orders += 1
        location = MARKETPLACE if channel == MARKETPLACE else script.home(lines[0][0])
        name = f"o-{self.truth.orders:06}"
        order = Order(name, at, channel, lines, location, None if promotion is None else promotion.name)
        self._tell_order(order, promotion)
        self._follow(order, random.Random(f"{self._seed} {name} {chance}"))

    def _tell_order(self, order: Order, promotion: Promotion | None) -> None:
        dice = random.Random(f"{self._seed} {order.name}")
        lines = []
        pence = 0
        for sku, quantity in order.lines:
            price = profile().prices.get(sku, 1_450)
            if promotion is not None and sku in promotion.skus:
                price = round(price * (1 - promotion.discount))
            lines.append({"sku": sku, "quantity": quantity, "unit_price": price / 100})
            pence += price * quantity
        shipping = 990 if dice.random() < 0.08 else 0 if pence > 4_000 or order.channel == MARKETPLACE else 390
        data: Event = {
            "order_id": order.name,
            "total": (pence + shipping) / 100,
            "lines": lines,
            "customer": f"c-{dice.randrange(40_000)}",
            "channel": order.channel,
            "country": dice.choices(["GB", "IE", "DE", "FR"], [90, 4, 3, 3])[0],
            "currency": "GBP",
            "gift_wrap": dice.random() < 0.12,
            "shipping": shipping / 100,
        }
        if order.campaign is not None:
            data["campaign"] = order.campaign
        self._tell("order.placed", order.name, order.placed, data, source="/shop/checkout", subject=order.name)

    # ---- what follows an order --------------------------------------------------------------------------------------

    def _follow(self, order: Order, dice: random.Random) -> None:
        """Cancelled at once, or shipped and delivered; some of it comes back, and some people say something."""
        if dice.random() < 0.012:
            self._at(order.placed + timedelta(minutes=5 + 50 * dice.random()), lambda at: self._cancel(order, at))
            return
        sent = self._sent(order, dice)
        hours = round((sent - order.placed) / timedelta(hours=1), 1)
        days = dice.choices([1, 2, 3, 4], [20, 45, 25, 10])[0]
        reached = (sent + timedelta(days=days)).replace(hour=9) + timedelta(minutes=int(540 * dice.random()))
        carrier = "royal-mail" if dice.random() < 0.7 else "dpd"
        cost = round(2.9 + 0.5 * len(order.lines) + (0.8 if order.channel == MARKETPLACE else 0) + dice.random(), 2)
        data: Event = {"order_id": order.name, "hours_to_ship": hours, "cost": cost, "channel": order.channel}
        data |= {"carrier": carrier, "location": order.location}
        self._tell(
            "order.shipped", f"s-{order.name}", sent, data, source=f"/stock/{order.location}", subject=order.name
        )
        days_taken = round((reached - order.placed) / timedelta(days=1), 1)
        is_late = dice.random() < 0.03 or days_taken > 5.5
        data = {"order_id": order.name, "days": days_taken, "late": is_late, "channel": order.channel}
        data["carrier"] = carrier
        self._tell("order.delivered", f"d-{order.name}", reached, data, source="/carriers", subject=order.name)
        self._send_back(order, reached, dice)
        if dice.random() < 0.008:
            data = {"order_id": order.name, "total": round(2 + 4 * dice.random(), 2), "channel": order.channel}
            data |= {"reason": "late parcel" if is_late else "price match", "currency": "GBP"}
            when = reached + timedelta(hours=20)
            self._tell("order.refunded", f"m-{order.name}", when, data, source="/shop/service", subject=order.name)

    def _cancel(self, order: Order, at: datetime) -> None:
        for sku, units in order.lines:
            self._change(sku, MARKETPLACE if order.channel == MARKETPLACE else script.home(sku), units, at)
        data = {"order_id": order.name, "channel": order.channel, "reason": "changed mind", "currency": "GBP"}
        self._tell("order.cancelled", f"x-{order.name}", at, data, source="/shop/service", subject=order.name)

    def _sent(self, order: Order, dice: random.Random) -> datetime:
        """Before two in the afternoon it leaves the same day, else the next morning; the marketplace takes hours."""
        placed = order.placed
        if order.location == MARKETPLACE:
            return placed + timedelta(hours=2 + 5 * dice.random())
        day = placed.replace(hour=0, minute=0, second=0)
        if placed.hour < 14:
            sent = day + timedelta(hours=14, minutes=15 + int(150 * dice.random()))
        else:
            sent = day + timedelta(days=1, hours=8, minutes=30 + int(150 * dice.random()))
        if sent.date() == script.SHORT_DAY.date():
            # The warehouses share a day's capacity as they share its orders; what is beyond it leaves the next morning.
            key = sent.date(), order.location
            self._shipped_on[key] += 1
            if self._shipped_on[key] > script.SHORT_CAPACITY * 0.45:
                sent = day + timedelta(days=2 if placed.hour >= 14 else 1, hours=8, minutes=int(150 * dice.random()))
        begins, ends = script.STUCK
        if order.location == THIRD_PARTY and begins <= sent < ends:
            sent = ends + timedelta(minutes=10 + int(200 * dice.random()))
        return sent

    def _send_back(self, order: Order, reached: datetime, dice: random.Random) -> None:
        reasons = ["changed mind", "damaged", "not as described", "too small"]
        begins, ends = script.RETURN_WAVE
        for sku, quantity in order.lines:
            chance, when = 0.035, reached + timedelta(days=2 + 8 * dice.random())
            reason = dice.choices(reasons, [45, 25, 25, 5])[0]
            if sku == script.RETURNED and begins - timedelta(days=8) <= reached < ends - timedelta(days=2):
                chance, reason = script.RETURN_PART, script.RETURN_REASON
                when = max(begins, reached) + timedelta(hours=30 * dice.random() + 8)
            if dice.random() >= chance:
                continue
            price = profile().prices.get(sku, 1_450) * quantity / 100
            data = {
                "order_id": order.name,
                "lines": [{"sku": sku, "quantity": quantity, "reason": reason}],
                "total": price,
                "channel": order.channel,
                "currency": "GBP",
            }
            name = f"r-{order.name}-{sku}"
            self._tell("order.returned", name, when, data, source="/shop/returns", subject=order.name)


_STOPS = {
    script.SOLD_OUT: script.SOLD_OUT_ABOUT,
    script.LATE: script.LATE_OUT_ABOUT,
    script.PROMOTED_OUT: script.RUNS_OUT.ends,
}
"""Product → when it is to be sold out."""


def locations(sku: str) -> Iterator[str]:
    """Where a product lies."""
    yield script.home(sku)
    if sku in script.AT_MARKETPLACE:
        yield MARKETPLACE
