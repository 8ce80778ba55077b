"""The demo's shop: six weeks of real orders, visits and stock simulated from them, and trouble planted in the last two.

Real: orders and returns (see data/NOTICE). Simulated: visits (by channel and by product), shipments of the orders,
prices, and the stock of the bestsellers, which falls with every real sale and is topped up by simulated receipts, each
announced a week before; all of it has the source `simulated` and `simulated: true` in its data. Planted: what TRUTH
lists, one delivery that will be late, and nothing else. The same seed gives the same events, ids included.
"""

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import sqrt
from pathlib import Path
from typing import Any

from lockstep.text.rfc3339 import rfc3339_of
from lockstep.tools.retail import ZONE, convert

ORDERS_FILE = Path(__file__).parent / "data" / "online-retail-6-weeks.csv.gz"
SEED = 2011
SOURCE = "simulated"
BESTSELLERS = 40

Event = dict[str, Any]


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


FIRST = _local("2011-01-31T00:00")
"""A Monday; six weeks begin here."""
SHOWN_FROM = _local("2011-02-28T00:00")
"""What comes before is history, what follows is shown."""
END = _local("2011-03-14T00:00")


@dataclass(frozen=True)
class Planted:
    """One piece of trouble: what the shop went through, and which rules must speak of it between starts and ends.

    daily: rules that speak of the whole day, at its end at the latest, and until the end of the next.
    """

    name: str
    what: str
    starts: datetime
    ends: datetime
    rules: tuple[str, ...]
    labels: tuple[tuple[str, str], ...] = ()
    daily: tuple[str, ...] = ()


LOW, SOLD_OUT, LATE = "22720", "22423", "85099B"
"""A set of cake tins and a cake stand, the best-selling products of these weeks, and a bag."""
MORNING = _local("2011-03-11T06:00")
"""A Friday, the day after the surge: then the show ends, with the report of the day before."""
PLAYED_TO = MORNING - timedelta(minutes=8)
"""What happens later is not sent before the report is due."""
LATENESS = timedelta(seconds=10)
"""Event time stays so far behind what was told."""
TOPICS = ("orders", "traffic", "inventory", "plans")

CHECKOUT = Planted(
    name="checkout dies",
    what="real orders removed while visits go on",
    starts=_local("2011-03-01T11:00"),
    ends=_local("2011-03-01T15:00"),
    rules=("OrderDrop", "NoOrders"),
    daily=("SlowDay",),
)
RUNS_LOW = Planted(
    name="a product runs low",
    what=f"the simulated receipt of {LOW}, a set of cake tins, comes late",
    starts=_local("2011-03-03T12:00"),
    ends=_local("2011-03-04T07:30"),
    rules=("LowStock",),
    labels=(("sku", LOW),),
)
SELLS_OUT = Planted(
    name="a product sells out while a newsletter promotes it",
    what=f"{SOLD_OUT}, a cake stand: no order for it once its simulated stock is gone, more simulated visits to it",
    starts=_local("2011-03-06T10:00"),
    ends=_local("2011-03-08T12:00"),
    rules=("LowStock", "OutOfStock", "SoldOutStillVisited"),
    labels=(("sku", SOLD_OUT),),
)
SURGE = Planted(
    name="orders surge",
    what="real orders copied three times, simulated visits from the newsletter before",
    starts=_local("2011-03-10T12:00"),
    ends=_local("2011-03-10T15:00"),
    rules=("OrderSpike", "TrafficSurge"),
    daily=("BusyDay",),
)
TRUTH = (CHECKOUT, RUNS_LOW, SELLS_OUT, SURGE)
"""Everything that was planted, in the order of time."""

SOLD_OUT_AT = _local("2011-03-07T10:28")
"""The last piece is sold in this minute."""
NEWSLETTER_AT = _local("2011-03-10T11:30")
SURGE_COPIES = 3
LATE_TOLD_AT = _local("2011-03-10T16:00")
"""The supplier of the bag says that the next delivery comes four days later than promised."""


def events(*, planted: bool = True, seed: int = SEED) -> list[Event]:
    """Six weeks of the shop in the order of time. planted: false leaves the shop as quiet as it was."""
    orders = list(convert(ORDERS_FILE))
    if planted:
        orders = [o for o in orders if not _lost(o)]
        orders = [kept for o in orders if (kept := _without_sold_out(o)) is not None]
        orders += list(_surge(orders, random.Random(f"{seed} surge")))
    orders.sort(key=lambda o: (o["time"], o["id"]))
    bestsellers = _bestsellers(orders)
    every_event = [
        *orders,
        *_shipments(orders, random.Random(f"{seed} shipments")),
        *_stock(orders, bestsellers, planted=planted),
        *_prices(orders),
        *_visits(bestsellers, random.Random(f"{seed} visits"), planted=planted),
    ]
    every_event += _heartbeats()
    every_event.sort(key=lambda e: e["time"])  # stable: at equal times a product's levels keep their order
    return every_event


def time_of(event: Event) -> datetime:
    return datetime.fromisoformat(event["time"])


def _event(kind: str, name: str, time: datetime, subject: str, data: Event) -> Event:
    return {
        "specversion": "1.0",
        "id": name,
        "source": SOURCE,
        "type": kind,
        "time": rfc3339_of(time),
        "subject": subject,
        "data": {**data, "simulated": True},
    }


def heartbeat(topic: str, time: datetime) -> Event:
    """The shop has told a topic all up to here: event time goes on where a topic is quiet."""
    return _event(
        "source.heartbeat", f"told-{topic}-{time:%Y%m%dT%H%M%S}", time, "shop", {"name": "shop", "topic": topic}
    )


def _heartbeats() -> Iterator[Event]:
    """As a shop that lives faster than the service's clock has to send them: an hour's worth at a time."""
    time = FIRST + timedelta(hours=1)
    while time < END:
        for topic in TOPICS:
            yield heartbeat(topic, time)
        time += timedelta(hours=1)


# ---- orders ---------------------------------------------------------------------------------------------------------


def _lost(order: Event) -> bool:
    """Whether the dead checkout lost it."""
    return order["type"] == "order.placed" and CHECKOUT.starts <= time_of(order) < CHECKOUT.ends


def _without_sold_out(order: Event) -> Event | None:
    """The order as it could be placed while a product was sold out; None when nothing else was in it."""
    if order["type"] != "order.placed" or not SOLD_OUT_AT < time_of(order) < SELLS_OUT.ends:
        return order
    data = order["data"]
    lines = [line for line in data["lines"] if line["sku"] != SOLD_OUT]
    if len(lines) == len(data["lines"]):
        return order
    if not lines:
        return None
    lost = sum(line["quantity"] * line["unit_price"] for line in data["lines"] if line["sku"] == SOLD_OUT)
    return {**order, "data": {**data, "lines": lines, "total": round(data["total"] - lost, 2)}}


def _surge(orders: Iterable[Event], rng: random.Random) -> Iterator[Event]:
    """Copies of the orders of some hours, each at a moment of its own within them."""
    real = [o for o in orders if o["type"] == "order.placed" and SURGE.starts <= time_of(o) < SURGE.ends]
    span = (SURGE.ends - SURGE.starts).total_seconds()
    for copy in range(1, SURGE_COPIES + 1):
        for order in real:
            name = f"surge-{order['id']}-{copy}"
            data = {**deepcopy(order["data"]), "order_id": name, "campaign": "newsletter"}
            data.pop("customer", None)
            yield _event("order.placed", name, SURGE.starts + timedelta(seconds=int(rng.random() * span)), name, data)


def _shipments(orders: Iterable[Event], rng: random.Random) -> Iterator[Event]:
    """Each order leaves on the next working day."""
    for order in orders:
        if order["type"] != "order.placed":
            continue
        placed = time_of(order)
        day = placed.astimezone(ZONE).replace(hour=8, minute=0) + timedelta(days=1)
        while day.weekday() > 4:
            day += timedelta(days=1)
        sent = day + timedelta(minutes=int(rng.random() * 540))
        if sent < END:
            hours = round((sent - placed).total_seconds() / 3600, 1)
            data = {"order_id": order["id"], "hours_to_ship": hours, "channel": order["data"]["channel"]}
            yield _event("order.shipped", f"shipped-{order['id']}", sent, order["id"], data)


def _bestsellers(orders: Iterable[Event]) -> list[str]:
    """The products that stand in most orders, most first."""
    lines = Counter(
        s for o in orders if o["type"] == "order.placed" for s in {line["sku"] for line in o["data"]["lines"]}
    )
    return [sku for sku, _ in sorted(lines.items(), key=lambda item: (-item[1], item[0]))[:BESTSELLERS]]


# ---- stock ----------------------------------------------------------------------------------------------------------

_SAFETY = 60
"""What is left of a product when its next receipt comes."""


@dataclass(frozen=True)
class _Receipt:
    """A delivery to the shop. promised: the day that its supplier named first. left: of the product, just before the
    next one. told_late: when the supplier took that day back; None where it was kept."""

    time: datetime
    left: int
    promised: date
    told_late: datetime | None = None


def _on_time(time: datetime, left: int) -> _Receipt:
    return _Receipt(time, left, time.date())


def _receipts(sku: str, *, planted: bool) -> list[_Receipt]:
    """When a product is topped up, the last time beyond the end of these weeks."""
    mondays = [_on_time(FIRST + timedelta(weeks=week, hours=7), _SAFETY) for week in range(7)]
    if planted and sku == LOW:
        mondays[4] = _on_time(mondays[4].time, 8)
        mondays.insert(5, _late(RUNS_LOW.ends, known_at=RUNS_LOW.starts - timedelta(hours=2)))
    if planted and sku == SOLD_OUT:
        mondays[4] = _on_time(mondays[4].time, 0)
        mondays[5] = _late(SELLS_OUT.ends, known_at=SELLS_OUT.starts)
    if planted and sku == LATE:
        mondays[6] = _Receipt(mondays[6].time + timedelta(days=4), _SAFETY, mondays[6].promised, LATE_TOLD_AT)
    return mondays


def _late(time: datetime, *, known_at: datetime) -> _Receipt:
    """A day later than promised."""
    return _Receipt(time, _SAFETY, time.date() - timedelta(days=1), known_at)


def _stock(orders: Iterable[Event], bestsellers: Iterable[str], *, planted: bool) -> Iterator[Event]:
    sales: dict[str, list[tuple[datetime, int]]] = {sku: [] for sku in bestsellers}
    for order in orders:
        if order["type"] == "order.placed":
            time = time_of(order)
            for line in order["data"]["lines"]:
                if line["sku"] in sales:
                    sales[line["sku"]].append((time, line["quantity"]))
    for sku, sold in sales.items():
        receipts = _receipts(sku, planted=planted)
        left = quantity = 0
        for number, (receipt, following) in enumerate(itertools.pairwise(receipts)):
            during = [(t, quantity) for t, quantity in sold if receipt.time <= t < min(following.time, END)]
            level = sum(quantity for _, quantity in during) + receipt.left
            quantity = level - left
            if number:
                yield from _announced(sku, receipt, receipts[number - 1].time, quantity)
            yield _receipt(sku, receipt, receipt.time, quantity, "received")
            day = receipt.time.date().isoformat()
            yield _level(sku, receipt.time, level, f"received-{day}")
            for sale, (sold_at, units) in enumerate(during, start=1):
                level -= units
                yield _level(sku, sold_at, level, f"{day}-{sale}")
            left = level
        yield from _announced(sku, receipts[-1], receipts[-2].time, quantity)


def _announced(sku: str, receipt: _Receipt, before: datetime, quantity: int) -> Iterator[Event]:
    """What is said of a delivery before it comes. before: when the one before it came."""
    yield _receipt(sku, receipt, before + timedelta(hours=1), quantity, "planned")
    if receipt.told_late is not None:
        yield _receipt(sku, receipt, receipt.told_late, quantity, "delayed")


def _receipt(sku: str, receipt: _Receipt, time: datetime, quantity: int, status: str) -> Event:
    expected = receipt.promised if status == "planned" else receipt.time.date()
    order = f"{sku}-{receipt.promised.isoformat()}"
    data = {"sku": sku, "quantity": quantity, "expected_on": expected.isoformat(), "status": status}
    return _event("stock.receipt", f"receipt-{order}-{status}", time, sku, {**data, "purchase_order": order})


def _level(sku: str, time: datetime, available: int, name: str) -> Event:
    return _event("stock.level", f"stock-{sku}-{name}", time, sku, {"sku": sku, "available": available})


def _prices(orders: Iterable[Event]) -> Iterator[Event]:
    """What each product costs, from the first day on: what it costs in most of its orders."""
    asked: dict[str, Counter[float]] = {}
    for order in orders:
        if order["type"] == "order.placed":
            for line in order["data"]["lines"]:
                asked.setdefault(line["sku"], Counter())[line["unit_price"]] += 1
    for sku, prices in sorted(asked.items()):
        price = min(prices, key=lambda p: (-prices[p], p))
        yield _event("price.changed", f"price-{sku}", FIRST, sku, {"sku": sku, "price": price, "currency": "GBP"})


# ---- visits ---------------------------------------------------------------------------------------------------------

_CHANNELS = {"search": 1_300, "direct": 1_500, "newsletter": 700, "social": 700}
"""Visits on a working day that do not land on a bestseller."""
_DAYS = (1.0, 1.0, 1.0, 1.0, 0.95, 0.55, 0.75)
"""Monday to Sunday."""
_HOURS = (1, 1, 0.5, 0.5, 0.5, 1, 2, 4, 7, 9, 10, 10, 11, 10, 10, 9, 8, 7, 6, 6, 6, 5, 4, 2)
"""Weights of the hours of a day."""
_SLOT = timedelta(minutes=30)


def _share(local: datetime) -> float:
    """The part of a working day's visits that an hour has."""
    return _DAYS[local.weekday()] * _HOURS[local.hour] / sum(_HOURS)


def _drawn(mean: float, rng: random.Random) -> int:
    """A count around its mean, as independent visitors give it."""
    return max(0, round(mean + sqrt(mean) * rng.gauss(0, 1)))


def _visits(bestsellers: list[str], rng: random.Random, *, planted: bool) -> Iterator[Event]:
    """Counts of visits as an analytics export would send them: by channel each half hour, by product every two."""
    slot = FIRST
    while slot < END:
        stamp, sent = slot.strftime("%Y%m%dT%H%M"), slot + _SLOT - timedelta(seconds=1)
        for channel, daily in _CHANNELS.items():
            mean = daily * _share(slot) / 2
            if planted and channel == "newsletter" and NEWSLETTER_AT <= slot < SURGE.ends:
                mean *= 7
            yield from _session(channel, None, _drawn(mean, rng), sent, stamp)
        if slot.minute and slot.hour % 2:
            for place, sku in enumerate(bestsellers):
                mean = 180 / (1 + place / 12) * _share(slot)
                yield from _session("search", sku, _drawn(mean, rng), sent, stamp)
        if planted and slot.minute and SELLS_OUT.starts + timedelta(days=1) <= slot < SELLS_OUT.ends:
            yield from _session("newsletter", SOLD_OUT, _drawn(420 * _share(slot), rng), sent, stamp)
        slot += _SLOT


def _session(channel: str, sku: str | None, count: int, time: datetime, stamp: str) -> Iterator[Event]:
    if count:
        data: Event = {"channel": channel, "count": count}
        if sku is not None:
            data |= {"sku": sku, "landing": f"/product/{sku}"}
        yield _event("traffic.session", f"visits-{stamp}-{channel}-{sku or 'shop'}", time, channel, data)
