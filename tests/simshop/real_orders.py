"""What the simulated shop takes from the real orders that the demo ships: products, baskets, and when people buy."""

import csv
import gzip
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from statistics import median

from lockstep.tools.demo.shop import ORDERS_FILE

PRODUCTS = 24
MOST_LINES = 5
"""A basket of more of these products is a reseller's; the simulated shop has none."""
NO_PRODUCTS = frozenset({"POST", "DOT", "C2", "D", "M", "S", "CRUK", "BANK CHARGES", "AMAZONFEE", "PADS", "B"})


Basket = tuple[tuple[str, int], ...]
"""Lines of (sku, quantity)."""


@dataclass(frozen=True)
class Profile:
    """skus: the bestsellers, most wanted first. prices: of each, in pence. baskets: the real ones.

    hours: weight of each hour of the week, Monday 00:00 first; they have a mean of 1.
    """

    skus: tuple[str, ...]
    prices: dict[str, int]
    baskets: tuple[Basket, ...]
    hours: tuple[float, ...]


@lru_cache
def profile() -> Profile:
    """The file is a wholesaler's, open on six days from eight to six. A basket here has a household's part of what was
    ordered, and to the real hours comes what a web shop sells on evenings and Saturdays."""
    lines: dict[str, dict[str, int]] = {}
    times: dict[str, datetime] = {}
    prices: dict[str, list[float]] = {}
    with gzip.open(ORDERS_FILE, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name, sku, quantity = row["InvoiceNo"], row["StockCode"], int(row["Quantity"])
            if name.startswith("C") or quantity <= 0 or sku in NO_PRODUCTS:
                continue
            times[name] = datetime.fromisoformat(row["InvoiceDate"])
            lines.setdefault(name, {})[sku] = quantity
            prices.setdefault(sku, []).append(float(row["UnitPrice"]))
    in_orders = Counter(sku for basket in lines.values() for sku in basket)
    skus = tuple(sku for sku, _ in sorted(in_orders.items(), key=lambda item: (-item[1], item[0]))[:PRODUCTS])
    of_these = [tuple((sku, quantity) for sku, quantity in sorted(b.items()) if sku in skus) for b in lines.values()]
    return Profile(
        skus=skus,
        # Wholesale prices: the shop asks four times as much.
        prices={sku: round(median(prices[sku]) * 100) * 4 for sku in skus},
        baskets=tuple(
            tuple((sku, min(4, 1 + quantity // 12)) for sku, quantity in basket)
            for basket in of_these
            if 1 <= len(basket) <= MOST_LINES
        ),
        hours=_hours(times.values()),
    )


def _hours(times: Iterable[datetime]) -> tuple[float, ...]:
    bought = Counter((t.weekday(), t.hour) for t in times)
    mean = sum(bought.values()) / 168
    evening = [
        0.2,
        0.1,
        0,
        0,
        0,
        0.2,
        0.6,
        1,
        1.2,
        1.2,
        1.2,
        1.2,
        1.2,
        1.2,
        1.2,
        1.2,
        1.3,
        1.5,
        1.8,
        2,
        2,
        1.8,
        1.2,
        0.6,
    ]
    at_home = sum(evening) / 24
    return tuple(
        0.55 * bought[day, hour] / mean + 0.45 * evening[hour] / at_home for day in range(7) for hour in range(24)
    )
