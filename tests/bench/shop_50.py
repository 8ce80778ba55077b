"""Fifty rules in the manner of the shipped ones, and the events of a shop with 20,000 products that they judge.

The shop opens for a quarter of an hour a day, for four weeks and a day: so there are four weeks to compare with,
without the millions of events of the hours between. A few products sell most of what is sold. One event in a hundred
is up to 45 seconds late, one in a thousand is no event. Now and then a product, a channel or a campaign has several
times as many visits or orders as usual, or a channel hardly any.
"""

import bisect
import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import accumulate

from tests.workload.shop import CAMPAIGNS, CHANNELS

DAYS, MINUTES = 29, 15
"""MINUTES a day."""
SKUS = 20_000
BAD_SHARE, LATE_SHARE, LATE_S = 0.001, 0.01, 45.0
MEASURES = """\
measures:
  orders:   {count: order.placed}
  revenue:  {sum: total, of: order.placed}
  basket:   {average: total, of: order.placed}
  sessions: {count: traffic.session}
  stock:    {last: available, of: stock.level}
rules:
"""
SEASONS = ("same_time_of_week: 4", "same_time_of_day: 7")


def rules(per_minute: float) -> str:
    """per_minute: events of the workload while it is open; limits go with them."""
    found = [MEASURES]

    def rule(name: str, by: str, condition: str, clear: str = "") -> None:
        labels = f" by: [{by}]," if by else ""
        band = f" clear: {{{clear}}}," if clear else ""
        found.append(f"  - {{name: {name},{labels}{band} severity: warning, {condition}}}\n")

    def spike(measure: str, window: str, baseline: str, bounds: str) -> str:
        return f"spike: {{measure: {measure}, window: {window}, baseline: {{{baseline}}}, {bounds}}}"

    def threshold(measure: str, window: str, bounds: str) -> str:
        return f"threshold: {{measure: {measure}, window: {window}, {bounds}}}"

    def many(share: float, minutes: int) -> int:
        """At least this many of a group that has such a share of all events."""
        return max(3, round(per_minute * share * minutes))

    for by, part in (("", 1.0), ("channel", 0.15), ("campaign", 0.04), ("sku", 0.02)):
        named = by.capitalize() or "All"
        for season in SEASONS:
            when = "Week" if "week" in season else "Day"
            for measure, share in (("orders", 0.3), ("sessions", 0.6)):
                least = f"at_least: {many(share * part, 5)}, usual_at_least: {many(share * part, 5) // 3}"
                what = f"{named}{measure.capitalize()}"
                rule(f"{what}Rise{when}", by, spike(measure, "5m", season, f"above: 2.5x, {least}"), "below: 1.5x")
                if by != "sku":
                    fall = f"below: 0.3x, usual_at_least: {many(share * part, 5) // 2}"
                    rule(f"{what}Fall{when}", by, spike(measure, "5m", season, fall), "above: 0.6x")
        for measure, share in (("orders", 0.3), ("sessions", 0.6)):
            least = f"at_least: {many(share * part, 2)}, usual_at_least: {max(1, many(share * part, 2) // 4)}"
            sudden = spike(measure, "2m", "previous: 5m", f"above: 3x, {least}")
            rule(f"{named}{measure.capitalize()}Sudden", by, sudden)
    rule("RevenueHigh", "channel", threshold("revenue", "5m", f"above: {per_minute * 0.3 * 5 * 60 * 0.5:.2f}"))
    rule("RevenueLow", "channel", threshold("revenue", "5m", f"below: {per_minute * 0.3 * 60 * 0.05:.2f}"))
    rule("BasketSmall", "", threshold("basket", "10m", "below: 55.5"), "above: 58")
    rule("BasketLarge", "channel", threshold("basket", "10m", "above: 66.5"), "below: 63")
    rule("Bestseller", "sku", threshold("orders", "10m", f"above: {many(0.3 * 0.01, 10)}"))
    rule("Crowd", "sku", threshold("sessions", "10m", f"above: {many(0.6 * 0.01, 10)}"))
    rule("LowStock", "sku", "threshold: {measure: stock, at_most: 20}", "above: 30")
    rule("OutOfStock", "sku", "threshold: {measure: stock, at_most: 0}", "above: 0")
    rule("Overstock", "sku", "threshold: {measure: stock, at_least: 950}", "below: 900")
    rule("Reorder", "sku", "threshold: {measure: stock, below: 100}", "above: 150")
    rule("RevenueSudden", "channel", spike("revenue", "2m", "previous: 10m", "above: 3x, usual_at_least: 50"))
    rule("RevenueRush", "campaign", threshold("revenue", "2m", f"above: {per_minute * 0.3 * 2 * 60 * 0.3:.2f}"))
    rule("RevenueJump", "campaign", spike("revenue", "5m", SEASONS[1], "above: 2.5x, usual_at_least: 500"))
    rule("RevenueDrop", "channel", spike("revenue", "5m", SEASONS[0], "below: 0.4x, usual_at_least: 500"))
    return "".join(found)


def events(count: int, start: datetime, *, seed: int = 50) -> Iterator[tuple[str, bytes]]:
    """(topic, CloudEvent, or what is none) in the order of arrival. start: the first opening."""
    dice = random.Random(seed)
    sku = _chooser(dice, [1 / (rank + 5) for rank in range(SKUS)])
    channel = _chooser(dice, [30, 25, 18, 12, 10, 5])
    campaign = _chooser(dice, [1 / (rank + 8) for rank in range(CAMPAIGNS)])
    stock = [dice.randrange(150, 990) for _ in range(SKUS)]
    odd = [_odd(dice) for _ in range(DAYS)]
    encode = json.JSONEncoder(separators=(",", ":")).encode
    for day in range(DAYS):
        found = []
        of_day = count // DAYS + (day < count % DAYS)
        for n in range(of_day):
            seconds = MINUTES * 60 * n / of_day
            at = start + timedelta(days=day, seconds=seconds)
            topic, product, via, of, total = _drawn(dice, sku(), channel(), campaign(), seconds / 60, odd[day])
            name, number = f"SKU-{product:06d}", f"{day}-{n}"
            labels = {"channel": CHANNELS[via], "campaign": f"CMP-{of:02d}"}
            if topic == "orders":
                lines = [{"sku": name, "quantity": 1, "unit_price": total}]
                kind, data = "order.placed", {"order_id": number, "total": total, "lines": lines} | labels
            elif topic == "traffic":
                kind, data = "traffic.session", {"visitor": number, "sku": name} | labels
            else:
                stock[product] -= dice.randrange(0, 60)
                if stock[product] < 0:
                    stock[product] = 0 if dice.random() < 0.5 else dice.randrange(300, 1_000)
                kind, data = "stock.level", {"sku": name, "available": stock[product], "location": f"L-{product % 4}"}
            event = {
                "specversion": "1.0",
                "id": number,
                "source": "/shop",
                "type": kind,
                "time": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "data": data,
            }
            if dice.random() < BAD_SHARE:
                del event["time"]
            late = dice.random() * (LATE_S if dice.random() < LATE_SHARE else 0.2)
            found.append((seconds + late, topic, encode(event).encode()))
        found.sort(key=lambda row: row[0])
        yield from ((topic, event) for _, topic, event in found)


def _odd(dice: random.Random) -> list[tuple[float, float, str, int, float]]:
    """(first minute, last, what is odd, which one, share of the events that it takes, or is lost) of one day."""
    found = []
    for what, most in (("sku", 300), ("channel", len(CHANNELS)), ("campaign", CAMPAIGNS), ("lost", len(CHANNELS))):
        if dice.random() < 0.4:
            first = dice.uniform(1, MINUTES - 5)
            found.append((first, first + dice.uniform(2, 4), what, dice.randrange(most), dice.uniform(0.15, 0.4)))
    return found


def _drawn(
    dice: random.Random,
    sku: int,
    channel: int,
    campaign: int,
    minute: float,
    odd: list[tuple[float, float, str, int, float]],
) -> tuple[str, int, int, int, float]:
    """(topic, product, channel, campaign, total): what a shop like this has at that minute."""
    draw = dice.random()
    topic = "traffic" if draw < 0.6 else "orders" if draw < 0.9 else "inventory"
    total = round(max(0.5, dice.gauss(60, 18)), 2)
    for first, last, what, which, share in odd:
        if not first <= minute < last:
            continue
        if what == "lost":
            channel = (which + 1) % len(CHANNELS) if channel == which and dice.random() < 0.9 else channel
            total = round(total * 0.8, 2)
        elif dice.random() < share:
            sku = which if what == "sku" else sku
            channel = which if what == "channel" else channel
            campaign = which if what == "campaign" else campaign
    return topic, sku, channel, campaign, total


def _chooser(dice: random.Random, weights: list[float]) -> Callable[[], int]:
    sums = list(accumulate(weights))
    return lambda: bisect.bisect(sums, dice.random() * sums[-1])
