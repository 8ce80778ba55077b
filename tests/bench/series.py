"""Memory of a judge with many series: `python -m tests.bench.series WHAT N` prints their number and the megabytes."""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from tests.bench.process import rss_mb

from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest.replay import backtest

PLAIN = """\
measures:
  orders:   {count: order.placed}
  revenue:  {sum: total, of: order.placed}
  units:    {sum: lines.quantity, of: order.placed}
  basket:   {average: total, of: order.placed}
  sessions: {count: traffic.session}
  stock:    {last: available, of: stock.level}
rules:
  - {name: OrderSpike, by: [channel], spike: {measure: orders, window: 15m, above: 3x, at_least: 50, usual_at_least: 5}}
  - {name: Rush, by: [channel], spike: {measure: sessions, window: 15m, above: 3x, at_least: 50, usual_at_least: 5}}
  - {name: Revenue, by: [channel], threshold: {measure: revenue, window: 1h, above: 100000000}}
  - {name: Basket, by: [channel], threshold: {measure: basket, window: 1h, above: 100000}}
  - {name: Bestseller, by: [sku], threshold: {measure: units, window: 1h, above: 100000}}
  - {name: LowStock, by: [sku], threshold: {measure: stock, at_most: 3}, clear: {above: 30}}
  - {name: NoOrders, absence: {measure: orders, window: 2h}}
"""
SEASONAL = """\
measures: {orders: {count: order.placed}}
rules:
  - name: Surge
    by: [sku]
    spike: {measure: orders, window: 1h, above: 3x, at_least: 20, usual_at_least: 5,
            baseline: {same_time_of_week: 6, known_at_least: 4}}
"""


def order(number: int, sku: int, moment: datetime) -> dict[str, Any]:
    line = {"sku": f"S{sku}", "quantity": 1, "unit_price": 1}
    data = {"order_id": str(number), "total": 1, "channel": "web", "lines": [line]}
    return {"id": str(number), "source": "/b", "type": "order.placed", "time": moment.isoformat(), "data": data}


def within_two_hours(count: int) -> Iterator[dict[str, Any]]:
    """An order for each of so many products."""
    begin = datetime(2026, 1, 5, 10, tzinfo=UTC)
    for i in range(count):
        yield order(i, i, begin + timedelta(hours=i * 2 // count))


def six_weeks(count: int) -> Iterator[dict[str, Any]]:
    """An order an hour for each of so many products, for as long as the baseline reaches."""
    begin = datetime(2026, 1, 5, tzinfo=UTC)
    for i in range(43 * 24 * count):
        yield order(i, i % count, begin + timedelta(hours=i // count))


WHAT = {"plain": (PLAIN, within_two_hours), "seasonal": (SEASONAL, six_weeks)}

if __name__ == "__main__":
    rules, orders = WHAT[sys.argv[1]]
    plan = load_texts({"bench.yml": rules}).plan
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.ndjson"  # read as a stream, so that the events themselves are not in memory
        with path.open("wb") as out:
            for event in orders(int(sys.argv[2])):
                out.write(msgspec.json.encode(event) + b"\n")
        before = rss_mb(os.getpid())
        replay = backtest(plan, [path], zone=ZoneInfo("Europe/London"))
    gc.collect()
    assert replay.judge is not None
    print(len(replay.judge.histories.flows), rss_mb(os.getpid()) - before)
