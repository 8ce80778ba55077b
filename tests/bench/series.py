"""Memory of a judge with many series: `python -m tests.bench.series N` prints their number and the megabytes."""

import gc
import os
import sys
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from tests.bench.run import RULES, rss_mb

from lockstep.rule.load import load_texts
from lockstep.tools import backtest


def orders(count: int) -> Iterator[dict[str, Any]]:
    """An order for each of so many products, within two hours."""
    for i in range(count):
        line = {"sku": f"S{i}", "quantity": 1, "unit_price": 1}
        data = {"order_id": str(i), "total": 1, "channel": "web", "lines": [line]}
        moment = f"2026-01-05T{10 + i * 2 // count:02d}:00:00Z"
        yield {"id": str(i), "source": "/b", "type": "order.placed", "time": moment, "data": data}


if __name__ == "__main__":
    plan = load_texts({"bench.yml": RULES}).plan
    before = rss_mb(os.getpid())
    replay = backtest.replayed(plan, orders(int(sys.argv[1])), zone=ZoneInfo("Europe/London"))
    gc.collect()
    assert replay.judge is not None
    print(len(replay.judge.flows), rss_mb(os.getpid()) - before)
