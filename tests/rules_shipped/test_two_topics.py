"""A rule that reads two topics waits for the slower one, and what it still has to ask for is kept so long."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest.replay import replay_events, replayed

RULE = """
measures:
  stock: {last: available, of: stock.level}
  views: {count: traffic.session}
rules:
  - name: SoldOutStillVisited
    by: [sku]
    all:
      - threshold: {measure: views, window: 2h, at_least: 60}
      - threshold: {measure: stock, at_most: 0}
"""


def _event(number, kind, time, **data):
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": "test",
        "type": kind,
        "time": time,
        "data": {"sku": "A", **data},
    }


@pytest.mark.parametrize("last_visit", ["2011-03-07T15:59:00Z", "2011-03-20T15:59:00Z"])
def test_a_topic_far_ahead_keeps_what_a_waiting_rule_needs(last_visit):
    """Visits are read days ahead of the stock: the window in which both met is judged all the same."""
    events = [
        _event(0, "traffic.session", "2011-03-07T07:00:00Z", count=1),
        _event(1, "stock.level", "2011-03-07T08:00:00Z", available=3),
        _event(2, "stock.level", "2011-03-07T10:28:00Z", available=0),
        _event(3, "traffic.session", "2011-03-07T10:59:00Z", count=70),
        _event(4, "traffic.session", last_visit, count=1),
        _event(5, "stock.level", "2011-03-20T16:59:00Z", available=0),
    ]
    found = replay_events(load_texts({"rules.yml": RULE}).plan, events, zone=ZoneInfo("UTC"))
    assert [(t.state.value, t.at, t.value) for t in found] == [
        ("firing", "2011-03-07T11:00:00Z", 70.0),
        ("resolved", "2011-03-07T13:00:00Z", 0.0),
    ]


LATER = """
measures:
  orders: {count: order.placed}
  visits: {count: traffic.session}
rules:
  - name: OrdersWithoutVisits
    all:
      - threshold: {measure: orders, window: 1m, at_least: 1}
      - threshold: {measure: visits, window: 5m, at_most: 0}
"""


@pytest.mark.parametrize("at_once", [1, 7, 50, 100, 1_000])
def test_a_topic_that_begins_later_is_not_taken_for_an_empty_one(at_once):
    """However many events are judged at once: from its first visit on, no visits are zero visits."""
    begin = datetime(2026, 1, 5, tzinfo=UTC)

    def event(number, kind, minute):
        order = {"order_id": str(number), "total": 1, "lines": [{"sku": "A", "quantity": 1, "unit_price": 1}]}
        data = order if kind == "order.placed" else {"count": 1}
        return _event(number, kind, (begin + timedelta(minutes=minute)).isoformat(), **data)

    events = [event(i, "order.placed", i) for i in range(300)]
    events += [event(300 + i, "traffic.session", 120 + i) for i in range(5)]
    found = replayed(load_texts({"rules.yml": LATER}).plan, events, zone=ZoneInfo("UTC"), at_once=at_once)
    assert [(t.state.value, t.at) for t in found.transitions] == [("firing", "2026-01-05T02:10:00Z")]
