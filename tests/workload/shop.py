"""Events of a busy shop and twenty rules on them: counts, sums, averages and levels, by product, channel and campaign.

The same arguments give the same bytes. Products sell by rank, now and then one of them, a channel or a campaign sells
several times as much for some minutes, and a few events come late.
"""

import bisect
import json
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

TOPICS = ("orders", "traffic", "inventory")
CHANNELS = ("web", "app", "amazon", "retail", "social", "partner")
CAMPAIGNS = 40
START = datetime(2026, 11, 22, 10, tzinfo=UTC)

_encode = json.JSONEncoder(separators=(",", ":")).encode

MEASURES, RULES = (Path(__file__).parent / "rules.yml").read_text().split("rules:\n")


def rules(times: int = 1, *, per_minute: float = 4_000) -> str:
    """The twenty rules, so many times over: the first as they are, the others with limits that nothing reaches.

    per_minute: events in a minute of the workload; limits of counts and sums go with them.
    """
    scaled = re.sub(r"(above|below|at_least): ([\d.]+)(?=[,}])", lambda m: _scaled(m, per_minute / 4_000), RULES)
    found = [scaled]
    for n in range(1, times):
        further = re.sub(r"name: (\w+)", rf"name: \1x{n}", scaled)
        further = re.sub(r"(above|at_least): ([\d.]+)(x?)", lambda m, n=n: _out_of_reach(m, n), further)
        found.append(re.sub(r"below: ([\d.]+)", lambda m, n=n: f"below: {-float(m[1]) - n:g}", further))
    return MEASURES + "rules:\n" + "".join(found)


def _scaled(match: re.Match[str], factor: float) -> str:
    rule = match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.start()]
    is_rate = "stock" not in rule and "basket" not in rule
    return f"{match[1]}: {float(match[2]) * (factor if is_rate else 1):.4f}"


def _out_of_reach(match: re.Match[str], n: int) -> str:
    return f"{match[1]}: {float(match[2]) * (1 if match[3] else 50 + n):g}{match[3]}"


def events(
    n: int, minutes: int, *, skus: int = 500, seed: int = 20, even: bool = False, start: datetime = START
) -> Iterator[tuple[str, bytes]]:
    """(topic, CloudEvent) in the order of arrival; one in fifty up to 45 s late. even: all products sell the same."""
    dice = random.Random(seed)
    sku = (lambda: dice.randrange(skus)) if even else _chooser(dice, [1 / (i + 15) for i in range(skus)])
    channel = _chooser(dice, [30, 25, 18, 12, 10, 5])
    campaign = _chooser(dice, [1 / (i + 8) for i in range(CAMPAIGNS)])
    kind = _chooser(dice, [30, 60, 10])
    odd = list(_odd_minutes(dice, minutes, skus))
    stock = [dice.randrange(200, 900) for _ in range(skus)]
    found = []
    for i in range(n):
        seconds = minutes * 60.0 * i / n
        topic = TOPICS[kind()]
        product, via, of, factor = sku(), channel(), campaign(), 1.0
        for first, last, which, what, other, share in odd:
            if not first <= seconds // 60 < last or which != topic:
                continue
            if what == "total":
                factor *= 1 + 3 * share
            elif what == "drop":
                factor *= 0.5
            elif dice.random() < share:
                product = other if what == "sku" else product
                via = other % len(CHANNELS) if what == "channel" else via
                of = other % CAMPAIGNS if what == "campaign" else of
        at = start + timedelta(seconds=seconds)
        labels = {"channel": CHANNELS[via], "campaign": f"CMP-{of:02d}"}
        name = f"SKU-{product:06d}"
        if topic == "orders":
            total = round(max(0.5, dice.gauss(60, 18)) * factor, 2)
            data = {"order_id": f"o-{i}", "total": total, "lines": [{"sku": name, "quantity": 1, "unit_price": total}]}
            event_type, data = "order.placed", data | labels
        elif topic == "traffic":
            event_type, data = "traffic.session", {"visitor": f"v-{i % 20_000}", "sku": name} | labels
        else:
            stock[product] -= dice.randrange(0, 40)
            if stock[product] < 0:
                stock[product] = 0 if dice.random() < 0.5 else dice.randrange(300, 1_000)
            event_type, data = "stock.level", {"sku": name, "available": stock[product], "location": f"L-{product % 4}"}
        time = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        event = {
            "specversion": "1.0",
            "id": f"e-{i}",
            "source": "/shop",
            "type": event_type,
            "time": time,
            "data": data,
        }
        late = dice.random() * (45 if dice.random() < 0.02 else 0.2)
        found.append((seconds + late, topic, _encode(event).encode()))
    found.sort(key=lambda row: row[0])
    yield from ((topic, event) for _, topic, event in found)


def _chooser(dice: random.Random, weights: list[float]) -> Callable[[], int]:
    sums = list(accumulate(weights))
    return lambda: bisect.bisect(sums, dice.random() * sums[-1])


def _odd_minutes(dice: random.Random, minutes: int, skus: int) -> Iterator[tuple[int, int, str, str, int, float]]:
    """(first minute, the one after the last, topic, what is odd, which one, share of the events)."""
    for _ in range(max(1, round(minutes / 40))):
        for topic in ("traffic", "orders"):
            for what in ("sku", "channel", "campaign", "total", "drop"):
                first = dice.randrange(12, max(13, minutes - 8))
                length = 6 if what in ("total", "drop") else dice.choice([1, 2, 3])
                other = dice.randrange(10, skus // 2)
                yield first, first + length, topic, what, other, dice.uniform(0.12, 0.3)
