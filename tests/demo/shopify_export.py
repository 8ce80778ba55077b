"""An orders_export.csv as Shopify writes it, of a shop that is made up.

    python tests/demo/shopify_export.py > orders_export.csv

Ten weeks of about fifty orders a day, in the rhythm of day and week, over two channels. Planted are a Wednesday on
which the checkout of the web is dead from eight to nine at night, and a Saturday evening on which one hour brings five
times the usual. The same seed gives the same file.
"""

import csv
import random
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

REAL = Path(__file__).parents[1] / "convert" / "fixtures" / "shopify-orders.csv"
COLUMNS = REAL.read_text(encoding="utf-8").splitlines()[0].split(",")
ZONE = ZoneInfo("Europe/London")
FIRST, DAYS = datetime(2026, 9, 7, tzinfo=ZONE), 70
DEAD = datetime(2026, 11, 4, 8, tzinfo=ZONE), datetime(2026, 11, 4, 21, tzinfo=ZONE)
RUSH = datetime(2026, 11, 7, 19, tzinfo=ZONE), datetime(2026, 11, 7, 20, tzinfo=ZONE)
BY_HOUR = (1, 1, 0, 0, 0, 1, 2, 4, 6, 8, 9, 9, 9, 8, 8, 8, 8, 9, 10, 11, 10, 8, 5, 3)
BY_WEEKDAY = (1.0, 0.95, 0.95, 1.0, 1.05, 1.2, 1.25)
A_DAY = 50
PRODUCTS = [(f"MUG-{n}", f"Mug no. {n}", 12 + n) for n in range(1, 9)] + [("TEA-1", "Tea", 7.5), ("POT-1", "Pot", 39.0)]


def orders(seed: int = 7) -> Iterator[tuple[datetime, str, list[tuple[str, str, float, int]]]]:
    """(when, channel, lines) of every order, in the order of time."""
    drawn = random.Random(seed)
    for hour in range(DAYS * 24):
        start = (FIRST + timedelta(hours=hour)).astimezone(ZONE)
        share = BY_HOUR[start.hour] / sum(BY_HOUR) * BY_WEEKDAY[start.weekday()]
        expected = A_DAY * share * (5 if RUSH[0] <= start < RUSH[1] else 1)
        moments = sorted(drawn.random() for _ in range(_count(drawn, expected)))
        for moment in moments:
            at, channel = start + timedelta(seconds=int(moment * 3_600)), "web" if drawn.random() < 0.8 else "pos"
            lines = [(*drawn.choice(PRODUCTS), drawn.choice((1, 1, 1, 2))) for _ in range(drawn.choice((1, 1, 2, 3)))]
            if channel == "pos" or not DEAD[0] <= at < DEAD[1]:
                yield at, channel, lines


def _count(drawn: random.Random, expected: float) -> int:
    """As many as chance makes of an expected number: exponential pauses within one hour."""
    count, at = 0, drawn.expovariate(expected) if expected else 2.0
    while at < 1:
        count, at = count + 1, at + drawn.expovariate(expected)
    return count


def rows() -> Iterator[dict[str, str]]:
    """The rows of the file: one for each line of an order, the further ones with blank totals; the newest first."""
    for number, (at, channel, lines) in reversed(list(enumerate(orders(), 1001))):
        total = sum(price * quantity for _, _, price, quantity in lines)
        when, shipped = (moment.strftime("%Y-%m-%d %H:%M:%S %z") for moment in (at, at + timedelta(hours=20)))
        whole = {
            "Financial Status": "paid",
            "Paid at": when,
            "Fulfillment Status": "fulfilled",
            "Fulfilled at": shipped,
            "Accepts Marketing": "no",
            "Currency": "GBP",
            "Subtotal": f"{total:.2f}",
            "Shipping": "0.00",
            "Taxes": "0.00",
            "Total": f"{total:.2f}",
            "Created at": when,
            "Shipping Country": "GB",
            "Billing Country": "GB",
            "Id": str(5_000_000 + number),
            "Source": channel,
        }
        for place, (sku, name, price, quantity) in enumerate(lines):
            line = {
                "Lineitem quantity": str(quantity),
                "Lineitem name": name,
                "Lineitem price": f"{price:.2f}",
                "Lineitem sku": sku,
            }
            named = {"Name": f"#{number}", "Email": f"customer{number % 900}@shop.example"}
            yield {**named, **(whole if place == 0 else {}), **line}


def main() -> None:
    """Write the file to standard output."""
    writer = csv.DictWriter(sys.stdout, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows())


if __name__ == "__main__":
    main()
