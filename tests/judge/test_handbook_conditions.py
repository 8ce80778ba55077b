"""The handbook's examples of conditions do on events what their sections say."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from comparison import plain
from shorthand import LONDON, clock, event, lines, many, orders, sessions, stock

from lockstep.rule.condition.kinds import Plan
from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest.replay import replay_events

HANDBOOK = Path(__file__).parents[2] / "rules" / "README.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", HANDBOOK.read_text(), re.DOTALL)


def example(name: str) -> Plan:
    """The plan with the handbook's rule of this name alone."""
    text = next(e for e in EXAMPLES if f"- name: {name}\n" in e)
    loaded = load_texts({"example.yml": text}).plan
    rules = tuple(r for r in loaded.rules if r.name == name)
    return Plan(rules, loaded.series, "test")


def daily(kind, count, days, **data):
    """So many of a kind at noon of each day, the last on the 14th."""
    last = clock("12:00")
    return [event(kind, last - timedelta(days=d), f"{kind}/{d}/{data}", count=count, **data) for d in range(days)]


def sold(sku, quantity, days):
    found = daily("order.placed", 1, days, order_id="o", total=1.0)
    for e in found:
        e["data"]["lines"] = [{"sku": sku, "quantity": quantity, "unit_price": 1.0}]
    return found


ORDER = {"order_id": "o", "total": 10.0, "lines": [], "channel": "web"}


@pytest.mark.parametrize(
    ("name", "events", "until", "expected"),
    [
        pytest.param(
            "StockMoved",
            stock("A: 12:00 5, 12:01 4, 12:02 4"),
            "12:10",
            ["12:01 A firing warning", "12:02 A resolved warning"],
            id="change: each value against the one before",
        ),
        pytest.param(
            "StockDropped",
            stock("A: 12:00 100, 13:10 80, 13:20 50, 14:30 50; B: 12:00 10, 13:10 90"),
            "15:00",
            ["13:21 A firing warning", "14:11 A resolved warning"],
            id="change: 50 less than an hour ago",
        ),
        pytest.param(
            "TrafficJumped",
            sessions("web: 12:00 *50, 12:30 *50, 13:00 *70"),
            "13:01",
            ["13:01 firing warning"],
            id="change: 40 % from half an hour to the next",
        ),
        pytest.param(
            "NewCampaign",
            [
                *daily("order.placed", 1, 40, **ORDER, campaign="always"),
                *many("order.placed", "june: 12:30", label="campaign", **ORDER),
            ],
            "14:00",
            ["12:31 june firing warning", "13:31 june resolved warning"],
            id="new_value: nothing while it learns, then the new one, for an hour",
        ),
        pytest.param(
            "ManyReturns",
            [
                *daily("order.placed", 50, 9, **ORDER),
                *daily("order.returned", 1, 9, order_id="o", channel="web", lines=[]),
                event("order.returned", clock("12:20"), "r", order_id="o", channel="web", lines=[], count=60),
            ],
            "12:30",
            ["12:21 web firing warning"],
            id="share: 67 returns of 350 orders are surely more than 15 %",
        ),
        pytest.param(
            "FewDaysOfCover",
            [*sold("A", 10, 8), *stock("A: 11:00 40, 12:10 30")],
            "12:20",
            ["12:11 A firing warning"],
            id="projection: 10 a day, 30 left, 3 days of cover",
        ),
        pytest.param(
            "CapacityToday",
            orders("web: 2026-01-13 09:00, 10:30 *20, 11:30 *70"),
            "11:40",
            ["11:31 firing warning"],
            id="projection: 45 an hour until midnight are too many",
        ),
        pytest.param(
            "QuietChannel",
            orders("web: " + ", ".join(f"{h}:00" for h in range(10, 15))),
            "14:00",
            ["12:00 app firing warning"],
            id="absence: a channel that never had an order",
        ),
        pytest.param(
            "SoldOutWhileTheShopIsFull",
            [*stock("A: 11:00 0; B: 11:00 5"), *sessions("web: 10:00; web: 11:30 *600; app: 12:00 *400")],
            "12:10",
            ["12:01 A firing critical"],
            id="all: sold out, by product, while the whole shop is full",
        ),
    ],
)
def test_an_example_does_what_its_section_says(name, events, until, expected):
    """A reader who copies it gets these alerts."""
    moment = clock(until)
    events = [e for e in events if e["time"] <= moment.isoformat()]
    assert lines(plain(t) for t in replay_events(example(name), events, zone=LONDON, until=moment)) == expected
