"""Memory of a judge with many series: `python -m tests.bench.series N` prints their number and the megabytes."""

import gc
import os
import sys
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from tests.bench.run import RULES, rss_mb

from lockstep.judge import Judge
from lockstep.rule.load import load_texts
from lockstep.tools import backtest

kept: list[Judge] = []


class KeptJudge(Judge):
    """A judge that outlives its replay."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        kept.append(self)


def orders(count: int) -> Iterator[dict[str, Any]]:
    """An order for each of so many products, within two hours."""
    for i in range(count):
        line = {"sku": f"S{i}", "quantity": 1, "unit_price": 1}
        data = {"order_id": str(i), "total": 1, "channel": "web", "lines": [line]}
        moment = f"2026-01-05T{10 + i * 2 // count:02d}:00:00Z"
        yield {"id": str(i), "source": "/b", "type": "order.placed", "time": moment, "data": data}


if __name__ == "__main__":
    backtest.Judge = KeptJudge  # type: ignore[misc] # only here, to look into it
    plan = load_texts({"bench.yml": RULES}).plan
    before = rss_mb(os.getpid())
    backtest.replay_events(plan, orders(int(sys.argv[1])), zone=ZoneInfo("Europe/London"))
    gc.collect()
    print(len(kept[0].flows), rss_mb(os.getpid()) - before)
