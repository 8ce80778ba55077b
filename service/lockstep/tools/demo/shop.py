"""The demo's shop: six weeks of real orders, visits and stock simulated from them, and trouble planted in the last two.

Real: orders and returns (see data/NOTICE). Simulated: visits (by channel and by product), shipments of the orders, and
the stock of the bestsellers, which falls with every real sale and is topped up by simulated receipts; all of it has the
source `simulated` and `simulated: true` in its data. Planted: what TRUTH lists and nothing else. The same seed gives
the same events, ids included.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
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


LOW, SOLD_OUT = "22720", "22423"
"""A set of cake tins and a cake stand, the best-selling products of these weeks."""

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
        *_visits(bestsellers, random.Random(f"{seed} visits"), planted=planted),
    ]
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


def _receipts(sku: str, *, planted: bool) -> list[tuple[datetime, int]]:
    """When a product is topped up, and what of it will be left just before the next time."""
    mondays = [(FIRST + timedelta(weeks=w, hours=7), _SAFETY) for w in range(6)]
    if planted and sku == LOW:
        mondays[4] = (mondays[4][0], 8)
        mondays.insert(5, (RUNS_LOW.ends, _SAFETY))
    if planted and sku == SOLD_OUT:
        mondays[4] = (mondays[4][0], 0)
        mondays[5] = (SELLS_OUT.ends, _SAFETY)
    return mondays


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
        ends = [time for time, _ in receipts[1:]] + [END]
        left = 0
        for (time, rest), end in zip(receipts, ends, strict=True):
            during = [(t, quantity) for t, quantity in sold if time <= t < end]
            level = sum(quantity for _, quantity in during) + rest
            received = level - left
            day = time.date().isoformat()
            yield _event(
                "stock.receipt",
                f"receipt-{sku}-{day}",
                time,
                sku,
                {"sku": sku, "quantity": received, "expected_on": day, "status": "received"},
            )
            yield _level(sku, time, level, f"received-{day}")
            for number, (sold_at, quantity) in enumerate(during, start=1):
                level -= quantity
                yield _level(sku, sold_at, level, f"{day}-{number}")
            left = level


def _level(sku: str, time: datetime, available: int, name: str) -> Event:
    return _event("stock.level", f"stock-{sku}-{name}", time, sku, {"sku": sku, "available": available})


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
