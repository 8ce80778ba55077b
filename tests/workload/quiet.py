"""Events of a quiet shop and rules with short memories: what a busy one never does.

Products sell nothing for minutes, then some; all events stop for a while; orders begin long after the sessions, and
now and then in another currency. Baselines are ten minutes long, so most of the time enough is known to judge. Or the
shop is open for a quarter of an hour a day, or a week, so that soon there are days to compare with.
"""

import json
import random
from collections.abc import Iterator
from datetime import timedelta

from tests.workload.shop import START

PRODUCTS, CHANNELS = 9, ("web", "app", "social")
ORDERS_BEGIN, PAUSE = 22, (55, 63)
"""Minutes: when the first order comes, and when nothing comes at all."""

RULES = """
measures:
  sessions: {count: traffic.session}
  orders:   {count: order.placed}
  revenue:  {sum: total, of: order.placed}
  stock:    {last: available, of: stock.level}
  by_web:   {count: order.placed, where: {channel: web}}
  basket:   {average: total, of: order.placed}
  largest:  {maximum: total, of: order.placed}
  visitors: {distinct: visitor, of: traffic.session}
  conversion: {formula: orders / sessions}
rules:
  - {name: T1, by: [sku], threshold: {measure: sessions, window: 3m, above: 9.5}}
  - {name: T2, by: [sku], for: 2m, keep_firing_for: 2m, threshold: {measure: sessions, window: 2m, at_least: 5}}
  - {name: T3, by: [sku], cool_down: 3m, threshold: {measure: sessions, window: 1m, at_least: 5}}
  - name: T4
    by: [sku]
    threshold: {measure: sessions, window: 3m, levels: {warning: {above: 6.5}, critical: {above: 11}}}
  - {name: T5, by: [sku], for: 2 of 3 buckets, threshold: {measure: sessions, window: 1m, above: 3}}
  - name: T6
    by: [channel]
    cool_down: 3m
    keep_firing_for: 1m
    threshold: {measure: revenue, window: 2m, above: 300}
  - {name: T7, by: [channel], threshold: {measure: sessions, window: 3m, below: 2}}
  - name: T8
    by: [sku]
    overrides: [{match: {sku: P-1}, above: 1.5}]
    threshold: {measure: orders, window: 2m, above: 2.5}
  - {name: S1, by: [sku], spike: {measure: sessions, window: 3m, baseline: {previous: 10m}, above: 3x, at_least: 6}}
  - name: S2
    by: [sku]
    spike: {measure: sessions, window: 3m, baseline: {previous: 10m}, above: 2x, at_least: 5, usual_at_least: 1.2}
  - name: S3
    by: [sku]
    spike: {measure: sessions, window: 2m, baseline: {previous: 10m}, above: 5 more, at_least: 4}
  - name: S4
    by: [sku]
    for: 1m
    cool_down: 2m
    spike: {measure: orders, window: 3m, baseline: {previous: 10m}, above: 3x, at_least: 5}
  - name: S5
    by: [channel]
    spike: {measure: revenue, window: 2m, baseline: {previous: 10m}, above: 2x, at_least: 90}
  - name: S6
    by: [channel]
    spike: {measure: sessions, window: 3m, baseline: {previous: 10m}, above: 1.5x, at_least: 7, chance: 1 in 20}
  - name: S7
    by: [sku]
    spike: {measure: sessions, window: 3m, baseline: {previous: 10m}, above: 3x, usual_at_least: 0}
  - {name: S8, spike: {measure: orders, window: 3m, baseline: {previous: 10m}, above: 1.5x, at_least: 9}}
  - name: S9
    by: [sku]
    spike: {measure: sessions, window: 3m, baseline: {previous: 10m}, below: 0.4x, usual_at_least: 3}
  - name: S10
    by: [sku]
    spike: {measure: sessions, window: 4m, baseline: {previous: 10m}, above: 1.3x, at_least: 2}
  - name: S11
    by: [channel]
    spike: {measure: basket, window: 3m, baseline: {previous: 10m}, above: 1.3x, below: 0.7x, usual_at_least: 20}
  - name: S12
    by: [sku]
    clear: {above: 0.8x}
    spike: {measure: sessions, window: 4m, baseline: {previous: 8m}, below: 0.5x, deviations: 1, usual_at_least: 2}
  - name: S13
    by: [sku]
    spike: {measure: sessions, window: 3m, baseline: {previous: 10m}, deviations: 2, usual_at_least: 1}
  - {name: C1, by: [sku], change: {measure: sessions, window: 3m, by: 6}}
  - {name: C2, by: [channel], for: 1m, change: {measure: sessions, window: 3m, by: 60%, direction: down}}
  - {name: C3, by: [channel], change: {measure: basket, window: 2m, by: 50%}}
  - {name: A1, by: [sku], absence: {measure: sessions, window: 5m}}
  - {name: A2, by: [channel], for: 1m, absence: {measure: orders, window: 4m, hours: "Sun 10:20-11:00"}}
  - name: L1
    by: [sku]
    all:
      - threshold: {measure: sessions, window: 3m, at_least: 6}
      - threshold: {measure: stock, at_most: 25}
  - name: L2
    by: [sku]
    for: 1m
    all:
      - threshold: {measure: stock, above: 20}
      - threshold: {measure: sessions, window: 4m, below: 3}
  - name: L3
    by: [sku]
    keep_firing_for: 1m
    all:
      - spike: {measure: sessions, window: 3m, baseline: {previous: 10m}, above: 1.2x, at_least: 4}
      - threshold: {measure: orders, window: 5m, at_least: 1}
  - name: L4
    by: [channel]
    all:
      - threshold:
          measure: basket
          window: 4m
          levels: {warning: {above: 40, clear: {below: 30}}, critical: {above: 60}}
      - threshold: {measure: sessions, window: 4m, at_least: 3}
  - {name: K1, by: [sku], threshold: {measure: stock, below: 5}}
  - {name: K2, by: [sku], for: 2m, threshold: {measure: stock, at_most: 12}}
  - {name: K3, by: [sku], threshold: {measure: stock, above: 60}}
  - name: K5
    by: [sku]
    clear: {above: 14}
    overrides: [{match: {sku: P-2}, at_most: 40}, {match: {sku: P-7}, above: 50}]
    threshold: {measure: stock, at_most: 9}
  - {name: K4, by: [sku], no_data: alert, threshold: {measure: sessions, window: 3m, above: 12}}
  - {name: B1, by: [sku], threshold: {measure: sessions, window: 4m, below: 2}}
  - {name: B2, by: [sku], keep_firing_for: 1m, threshold: {measure: sessions, window: 4m, at_least: 3, at_most: 4}}
  - {name: B3, by: [channel], threshold: {measure: basket, window: 2m, below: 30}}
  - {name: B4, by: [channel], clear: {above: 30%}, threshold: {measure: conversion, window: 5m, below: 12%}}
  - {name: B5, by: [channel], threshold: {measure: conversion, window: 5m, above: 90%}}
  - name: B6
    by: [sku]
    for: 2m
    overrides: [{match: {sku: P-2}, below: 7}, {match: {sku: "P-*"}, below: 1}]
    threshold: {measure: sessions, window: 4m, below: 3}
  - name: B7
    by: [sku]
    cool_down: 2m
    threshold: {measure: visitors, window: 4m, levels: {warning: {below: 3}, critical: {at_most: 1}}}
  - {name: B8, by: [sku], no_data: ok, threshold: {measure: largest, window: 3m, above: 80}}
  - {name: B9, by: [sku], threshold: {measure: sessions, window: 4m, below: 1.5}}
  - name: B10
    by: [sku]
    overrides: [{match: {sku: P-3}, above: 2}, {match: {sku: P-4}, above: 19}]
    threshold: {measure: sessions, window: 3m, at_least: 11}
  - {name: V1, by: [channel], ratio: {measure: orders, of: sessions, window: 4m, above: 60%, of_at_least: 4}}
  - {name: V2, by: [channel], ratio: {measure: orders, of: sessions, window: 4m, below: 25%, of_at_least: 6}}
  - name: V3
    by: [sku]
    overrides: [{match: {sku: P-5}, above: 80%}]
    share: {measure: by_web, of: orders, window: 4m, above: 60%, of_at_least: 2}
  - name: V4
    by: [sku]
    share: {measure: by_web, of: orders, window: 6m, below: 60%, confidence: 80%, of_at_least: 3}
"""

SEASONAL_RULES = """
measures:
  sessions: {count: traffic.session}
  orders:   {count: order.placed}
  revenue:  {sum: total, of: order.placed}
rules:
  - name: D1
    by: [sku]
    spike: {measure: sessions, window: 3m, baseline: {same_time_of_day: 3}, above: 1.5x, at_least: 5, usual_at_least: 1}
  - name: D2
    by: [sku]
    for: 1m
    keep_firing_for: 2m
    spike: {measure: sessions, window: 2m, baseline: {same_time_of_day: 2}, above: 3 more, at_least: 4}
  - name: D3
    by: [channel]
    clear: {below: 1.1x}
    spike: {measure: revenue, window: 3m, baseline: {same_time_of_day: 3}, above: 1.6x, at_least: 90, usual_at_least: 9}
  - name: D4
    by: [channel]
    spike: {measure: sessions, window: 5m, baseline: {same_time_of_day: 4}, above: 1.4x, at_least: 7, chance: 1 in 20}
  - name: D5
    by: [sku]
    spike: {measure: sessions, window: 5m, baseline: {same_time_of_day: 3}, below: 0.4x, usual_at_least: 3}
  - name: W1
    by: [sku]
    spike: {measure: sessions, window: 3m, baseline: {same_time_of_week: 3}, above: 1.5x, at_least: 5}
  - name: W2
    by: [sku]
    cool_down: 3m
    spike:
      measure: sessions
      window: 4m
      baseline: {same_time_of_week: 2, otherwise: {same_time_of_day: 2, otherwise: {previous: 5m}}}
      above: 2x
      at_least: 6
      usual_at_least: 0.5
  - name: W3
    by: [channel]
    forget_after: 1d
    spike: {measure: orders, window: 5m, baseline: {same_time_of_week: 3}, above: 2x, deviations: 1, at_least: 4}
"""


def events(
    seed: int, minutes: int = 90, *, open_for: int | None = None, every: timedelta = timedelta(days=1)
) -> Iterator[tuple[str, bytes]]:
    """(topic, CloudEvent) in the order of arrival; one in ten up to 50 s late. The same seed gives the same bytes.

    open_for: how many minutes the shop is open in each stretch of time `every`; None: without an end.
    """
    dice = random.Random(seed)
    found = []
    for product in range(PRODUCTS):
        stock, minute = dice.randrange(5, 60), 0
        while minute < minutes:
            pace = dice.choice([0, 0, 0, 0.2, 1, 2, 4, 7])
            until = minute + dice.choice([1, 1, 2, 3, 5, 13])
            while minute < min(until, minutes):
                for _ in range(0 if PAUSE[0] <= minute < PAUSE[1] else round(dice.expovariate(1) * pace)):
                    stock = min(70, max(0, stock + dice.choice([-6, -3, -1, 1, 5])))
                    topic, kind, data = _event(dice, product, stock)
                    at = minute * 60 + dice.random() * 60
                    if topic == "orders" and minute < ORDERS_BEGIN:
                        continue
                    late = dice.random() * (50 if dice.random() < 0.1 else 0.2)
                    found.append((at + late, at, topic, kind, data))
                minute += 1
    found.sort(key=lambda row: row[0])
    for n, (_, at, topic, kind, data) in enumerate(found):
        stretches, since = (0, at) if open_for is None else divmod(at, open_for * 60)
        time = (START + stretches * every + timedelta(seconds=since)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        event = {"specversion": "1.0", "id": f"q-{n}", "source": "/shop", "type": kind, "time": time, "data": data}
        yield topic, json.dumps(event, separators=(",", ":")).encode()


def _event(dice: random.Random, product: int, stock: int) -> tuple[str, str, dict[str, object]]:
    sku, channel = f"P-{product}", dice.choice(CHANNELS)
    which = dice.random()
    if which < 0.55:
        return "traffic", "traffic.session", {"visitor": f"v-{dice.randrange(500)}", "sku": sku, "channel": channel}
    if which < 0.8:
        total = round(dice.uniform(5, 90), 2)
        lines = [{"sku": sku, "quantity": 1, "unit_price": total}]
        data = {"order_id": f"o-{dice.randrange(10**9)}", "total": total, "lines": lines, "channel": channel}
        return "orders", "order.placed", data | {"currency": "GBP" if dice.random() < 0.98 else "EUR"}
    return "inventory", "stock.level", {"sku": sku, "available": stock, "location": f"L-{dice.randrange(2)}"}
