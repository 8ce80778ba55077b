"""Lines of a story: the events that they make, and what is said of lines that cannot be read."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from lockstep.rule.language.form import MeasureModel
from lockstep.rule.language.load import load_texts
from lockstep.tools.ruletest.story import BadStory, Shop, events_of
from lockstep.tools.ruletest.written_times import Times, start_of

LONDON = ZoneInfo("Europe/London")
RULES = """
measures:
  orders: {count: order.placed}
  stock: {last: available, of: stock.level}
rules:
  - {name: Many, by: [channel], threshold: {measure: orders, window: 1h, above: 60}}
  - {name: Low, by: [sku], threshold: {measure: stock, at_most: 20}}
"""
MEASURES = {
    "orders": {"count": "order.placed"},
    "web_orders": {"count": "order.placed", "where": {"channel": "web"}},
    "revenue": {"sum": "total", "of": "order.placed"},
    "units_sold": {"sum": "lines.quantity", "of": "order.placed"},
    "customers": {"distinct": "customer", "of": "order.placed"},
    "stock": {"last": "available", "of": "stock.level"},
    "sessions": {"count": "traffic.session"},
    "conversion": {"formula": "orders / sessions"},
}
SHOP = Shop(load_texts({"rules.yml": RULES}).plan, {k: MeasureModel.model_validate(v) for k, v in MEASURES.items()})


def _times(start="2026-03-02 09:00"):
    return Times(start_of(start, LONDON))


def _events(line, *, start="2026-03-02 09:00", until="2026-05-01 00:00"):
    times = _times(start)
    subject, _, steps = line.partition(": ")
    series = SHOP.plan.series
    return events_of(SHOP.line(subject, steps, times), 0, times.moment(until), times, series)


def _at(events, zone=LONDON):
    moments = (datetime.fromisoformat(e["time"]).astimezone(zone) for e in events)
    return [f"{m:%d %H:%M}" + ("" if not m.second else f":{m.second:02}") for m in moments]


@pytest.mark.parametrize(("line", "expected"), [
    pytest.param("orders web: 4/h for 1h", ["02 09:07:30", "02 09:22:30", "02 09:37:30", "02 09:52:30"],
                 id="evenly"),
    pytest.param("orders web: 1/h for 2h, then 2/h for 1h", ["02 09:30", "02 10:30", "02 11:15", "02 11:45"],
                 id="then"),
    pytest.param("orders web: 1/h until 11:00", ["02 09:30", "02 10:30"], id="until a time"),
    pytest.param("orders web: nothing for 1h, 1/h for 1h", ["02 10:30"], id="a pause"),
    pytest.param("orders web: 1/h on Mon 09:00-10:00 and Tue 12:00-13:00 for 2 weeks",
                 ["02 09:30", "03 12:30", "09 09:30", "10 12:30"], id="hours of the week"),
    pytest.param("orders web: 1/day on 10:00-16:00 for 8 days", ["04 10:00", "08 10:00"],
                 id="a pace slower than the hours are long goes on in the next ones"),
    pytest.param("orders web: 0/h to 4/h for 2h", ["02 09:42:25", "02 10:13:29", "02 10:34:52", "02 10:52:14"],
                 id="a pace that rises"),
    pytest.param("stock A-1: 35, 12 at 09:05, 90 at Tue 11:00", ["02 09:00", "02 09:05", "03 11:00"], id="values"),
    pytest.param("stock A-1: 100 to 80 every 1h for 2h", ["02 09:00", "02 10:00", "02 11:00"], id="values fall"),
    pytest.param("orders web: 3 at 08:00", ["03 08:00"], id="a time before the start is the next day's"),
])  # fmt: skip
def test_a_line_makes_events(line, expected):
    """Half a distance from the beginning, then evenly."""
    assert _at(_events(line)) == expected


def test_the_same_line_makes_the_same_events():
    """Nothing is left to chance."""
    line = "orders web: 7/h to 90/h for 3h"
    assert _events(line) == _events(line)


@pytest.mark.parametrize(("line", "expected"), [
    pytest.param("orders web: 90/min for 2m", [90, 90], id="a fast pace comes as one event a bucket"),
    pytest.param("orders web: 1.5/min for 4m", [1, 2, 1, 2], id="and keeps its sum"),
    pytest.param("orders web: 40 at 09:05", [40], id="so many at once"),
])  # fmt: skip
def test_counts(line, expected):
    """Events of a count stand for several."""
    assert [e["data"].get("count", 1) for e in _events(line)] == expected


@pytest.mark.parametrize(("line", "expected"), [
    pytest.param("orders web: 1", {"order_id": "1-1", "total": 49.9, "lines": [], "channel": "web"}, id="by the "
        "rules"),
    pytest.param("web_orders: 1", {"order_id": "1-1", "total": 49.9, "lines": [], "channel": "web"}, id="where"),
    pytest.param("revenue web: 250", {"order_id": "1-1", "total": 250, "lines": [], "channel": "web"}, id="a sum"),
    pytest.param("units_sold sku=B: 3", {"order_id": "1-1", "total": 49.9,
                 "lines": [{"sku": "B", "quantity": 3, "unit_price": 20}]}, id="in the lines"),
    pytest.param("customers web: 1", {"order_id": "1-1", "total": 49.9, "lines": [], "channel": "web",
                 "customer": "1-1"}, id="always another one"),
    pytest.param("orders 'channel=big box' total=5 gift_wrap=true: 1",
                 {"order_id": "1-1", "total": 5, "lines": [], "channel": "big box", "gift_wrap": True}, id="by name"),
    pytest.param("stock A-1 location=WH1: 7", {"sku": "A-1", "available": 7, "location": "WH1"}, id="a level"),
])  # fmt: skip
def test_data(line, expected):
    """A value goes to the field of its measure, a word to the label that the rules are by."""
    (event,) = _events(line)
    assert event["data"] == expected


@pytest.mark.parametrize(("line", "expected"), [
    ("ordres web: 1/h for 2h", "no measure is called 'ordres'; did you mean 'orders'? [LS130]"),
    ("conversion: 0.1", "'conversion' is worked out from orders and sessions; write a line for each of those "
        "[LS191]"),
    ("orders chanel=web: 1", "order.placed has no 'chanel', and no rule asks for it; did you mean 'channel'? "
        "[LS194]"),
    ("orders web GB: 1", "it is not clear which label 'web' is a value of; write channel=web [LS194]"),
    ("orders 'web: 1", "'orders 'web' has a quote that is not closed; close it [LS191]"),
    ("orders web: 10/fortnight", "'10/fortnight' has an unknown unit; write 10/min, 10/h or 10/s [LS191]"),
    ("orders web: ten", "'ten' is no step; write 10/min for 2h, 35 at 09:05 or nothing for 30m [LS191]"),
    ("orders web: 10/min for 2", "'2' is no length; write 2m or 2h [LS104]"),
    ("orders web: 10/min, then 40/min", "the step before 'then 40/min' has no end; add for 2h or until 12:00 to "
        "it [LS191]"),
    ("orders web: 1/h for 2h until 12:00", "a step has one end; keep 'for' or 'until' [LS191]"),
    ("orders web: 1/h at 12:00", "'at' says nothing of a pace; write 10/min for 2h, 35 at 09:05 or nothing for "
        "30m [LS191]"),
    ("orders web: 1/h to 4/h", "a pace that changes needs an end; add for 1h [LS191]"),
    ("orders web: 1/h on Mondo for 2h",
     "'Mondo' are no hours; write it like 'Mon-Fri 08:00-18:00' [LS107]"),
    ("stock A-1: 35/h", "a level has values, not a pace; write 35, 12 at 09:05 or 100 to 20 every 1h for 8h [LS191]"),
    ("stock A-1: 35 at 10:00, 30 at 09:30",
     "'at 09:30' is before 10:00, the step before it; sort them [LS192]"),
    ("stock A-1: 35 at 25:00",
     "'25:00' is no time of a day; write 10:05, Mon 10:05, week 6 Mon 10:05, day 3 10:05, 2026-04-06 10:05 or "
     "+90m [LS192]"),
    ("stock A-1: 5 every 1s for 5 weeks", "'every 1s' makes 3,020,400 values; write a longer one [LS191]"),
    ("orders web: 1/h for", "nothing follows 'for' in '1/h for'; write 10/min for 2h, 35 at 09:05 or nothing "
        "for 30m [LS191]"),
])  # fmt: skip
def test_a_line_that_cannot_be_read(line, expected):
    """What is wrong, the way out, a code."""
    with pytest.raises(BadStory) as raised:
        _events(line)
    assert str(raised.value) == expected


def test_far_too_many_events():
    """A slip of the finger fills no memory."""
    with pytest.raises(BadStory, match="more than 2,000,000 events"):
        _events("customers web: 1000000/s")


@pytest.mark.parametrize(("text", "expected"), [
    ("10:00", "2026-03-25 10:00"),
    ("08:00", "2026-03-26 08:00"),
    ("Wed 10:00", "2026-03-25 10:00"),
    ("wednesday 08:00", "2026-04-01 07:00"),
    ("Mon 10:00", "2026-03-30 09:00"),
    ("week 1 Mon 10:00", "2026-03-30 09:00"),
    ("week 2 Wed 10:00", "2026-04-01 09:00"),
    ("day 1 00:30", "2026-03-25 00:30"),
    ("day 6 12:00", "2026-03-30 11:00"),
    ("2026-04-06", "2026-04-05 23:00"),
    ("2026-04-06 09:30:15", "2026-04-06 08:30:15"),
    ("+90m", "2026-03-25 10:30"),
    ("+1 week", "2026-04-01 08:00"),
])  # fmt: skip
def test_times(text, expected):
    """In the shop's zone, whose clocks change on 29 March; without a date the first from the start on."""
    moment = _times("2026-03-25 09:00").moment(text)
    assert moment == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_weeks_are_the_same_time_on_the_wall():
    """Four weeks of mornings over a change of the clocks: always at nine."""
    at = _at(_events("orders web: 1/h on Mon 09:00-10:00 for 4 weeks", start="2026-03-16 00:00"))
    assert at == ["16 09:30", "23 09:30", "30 09:30", "06 09:30"]
