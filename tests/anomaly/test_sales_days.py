"""Sales days of a shop of our own making: planned ones are neither told nor learned as ordinary days."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from shop_series import LONDON, orders

from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest.replay import replay_events
from lockstep.transition import TransitionName

RULES = """
measures:
  orders: {count: order.placed}
rules:
  - name: Unusual
    anomaly: {measure: orders}
"""
SALES = (30, 31, 44, 45, 58, 59, 72, 73, 80)
"""Days of four sales of two days, and of one more; two and a half times as much is sold on each."""
DAYS = 90


def _days_told(seed: int, *, is_planned: bool, broken: int | None = None) -> list[int]:
    """The days on which an alert began. broken: the day on which nothing can be bought from 11 to 18."""

    def change(hour: int, local: Any) -> float:
        if hour // 24 == broken and 11 <= local.hour < 18:
            return 0.0
        return 2.5 if hour // 24 in SALES else 1.0

    series = orders(seed, days=DAYS, mean=60, change=change)
    first = series[0][1].date()
    on = ", ".join(str(first + timedelta(days=d)) for d in SALES)
    calendar = {"calendar.yml": f"campaigns:\n  - {{name: Sale, on: [{on}]}}\n"} if is_planned else {}
    events = [
        {
            "specversion": "1.0",
            "id": str(at),
            "source": "/shop",
            "type": "order.placed",
            "time": (local + timedelta(minutes=30)).isoformat(),
            "data": {"order_id": "o", "total": 1.0, "lines": [], "count": int(n)},
        }
        for at, local, n in series
        if n
    ]
    loaded = load_texts({"rules.yml": RULES, **calendar})
    assert not loaded.errors
    said = replay_events(loaded.plan, events, zone=LONDON)
    return [(_day(t.window_start) - first).days for t in said if t.state is TransitionName.FIRING]


def _day(moment: str | None) -> date:
    assert moment is not None
    return datetime.fromisoformat(moment).astimezone(LONDON).date()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_planned_sales_are_silent(seed):
    """No alert on a planned sale nor on the two days after it; without a calendar the very first is told."""
    planned, unplanned = _days_told(seed, is_planned=True), _days_told(seed, is_planned=False)
    near = {d + n for d in SALES for n in range(3)}
    assert [d for d in planned if d in near] == []
    assert len(planned) <= 2
    assert 30 in unplanned


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(80, id="on a sale, once such days are known"),
        pytest.param(50, id="on an ordinary day between sales"),
    ],
)
def test_what_breaks_is_told_all_the_same(seed, broken):
    """Seven hours without an order."""
    assert broken in _days_told(seed, is_planned=True, broken=broken)
