"""What people read of a rule without texts of its own: fit for its kind, its direction and what it is about."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from lockstep.notify.message import Writer
from lockstep.tools.backtest.replay import replayed
from lockstep.tools.ruletest.suite import load_text

GOLDEN = Path(__file__).parent / "golden"
LONDON = ZoneInfo("Europe/London")
TEAMS = ("marketing", "operations", "finance")

MEASURES = """\
measures:
  orders:     {count: order.placed}
  returns:    {count: order.returned}
  sessions:   {count: traffic.session}
  stock:      {last: available, of: stock.level}
  ship_hours: {p90: hours_to_ship, of: order.shipped}
  conversion: {formula: orders / sessions}
  sold:       {sum: lines.quantity, of: order.placed}
  revenue:    {sum: total, of: order.placed}
rules:
"""
KINDS = {
    "stock-low": (
        "by: [sku], threshold: {measure: stock, at_most: 20}, clear: {above: 30}",
        "stock A-1: 35, 20 at 09:30, 90 at Tue 07:30",
    ),
    "stock-high": ("by: [sku], threshold: {measure: stock, above: 500}", "stock A-1: 35, 900 at 09:30"),
    "orders-many": (
        "threshold: {measure: orders, window: 1h, above: 60}, runbook: https://shop.example/r",
        "orders: 1/min for 2h, then 2/min for 1h",
    ),
    "orders-few": ("threshold: {measure: orders, window: 1h, below: 20}", "orders: 1/min for 2h, then 10/h for 4h"),
    "orders-spike": (
        "by: [channel], spike: {measure: orders, window: 15m, baseline: {previous: 1h}, above: 3x, at_least: 20, "
        "usual_at_least: 2}",
        "orders web: 20/h for 2h, then 2/min for 1h",
    ),
    "orders-absent": (
        "absence: {measure: orders, window: 2h}",
        "orders: 1/min for 1h, then nothing for 6h, then 1/min for 1h",
    ),
    "returns-share": (
        "share: {measure: returns, of: orders, window: 1h, of_at_least: 50, above: 10%}",
        "orders: 1/min for 4h; returns: nothing until 10:30, then 20 at 10:30",
    ),
    "conversion-low": (
        "threshold: {measure: conversion, window: 1h, below: 2%}",
        "sessions: 100/h for 4h; orders: 5/h for 1h, then 1/h for 3h",
    ),
    "traffic-low": (
        "threshold: {measure: sessions, window: 1h, below: 30}",
        "sessions: 1/min for 2h, then 10/h for 4h",
    ),
    "shipping-slow": (
        "threshold: {measure: ship_hours, window: 1h, above: 24}",
        "ship_hours: 30 at 09:00, 40 at 09:10",
    ),
    "new-channel": (
        "by: [channel], new_value: {label: channel, measure: orders, in: 1d}",
        "orders web: 1/h for 3 days; orders tiktok: 1 at Wed 20:00",
    ),
    "stock-changed": ("by: [sku], change: {measure: stock, by: 10}", "stock A-1: 35, 90 at 09:30"),
    "stock-runs-out": (
        "by: [sku], projection: {measure: stock, reaches: 0, within: 1d, window: 4h}",
        "stock A-1: 100, 90 at 10:00, 80 at 11:00, 70 at 12:00, 40 at 13:00",
    ),
    "cover-short": (
        "by: [sku], projection: {measure: stock, reaches: 0, within: 1d, pace: sold, window: 4h}",
        "stock A-1: 100 at 08:01, 900 at Tue 09:00; sold A-1: 5/h for 26h",
    ),
    "cover-sold-no-more": (
        "by: [sku], projection: {measure: stock, reaches: 0, within: 1d, pace: sold, window: 4h}",
        "stock A-1: 100 at 08:01; sold A-1: 50 at 09:00; orders: 1/h for 8h",
    ),
    "cover-gone": (
        "by: [sku], projection: {measure: stock, reaches: 0, within: 1d, pace: sold, window: 4h}",
        "stock A-1: 100 at 08:01, 0 at 13:00; sold A-1: 0 at 09:00; orders: 1/h for 8h",
    ),
    "day-full": (
        "projection: {measure: orders, reaches: 500, within: day, window: 1h}",
        "orders: 1/min for 18h",
    ),
    "conversion-ratio": (
        "ratio: {measure: orders, of: sessions, window: 1h, of_at_least: 50, below: 0.02}",
        "sessions: 100/h for 4h; orders: 5/h for 1h, then 1/h for 3h",
    ),
    "revenue-low": ("threshold: {measure: revenue, window: 1h, below: 500}", "orders: 10/h for 4h, then 2/h for 2h"),
    "stock-changed-and-not": ("by: [sku], change: {measure: stock}", "stock A-1: 35, 90 at 09:30, 90 at 10:00"),
    "no-data": (
        "no_data: alert, by: [sku], threshold: {measure: fresh, at_most: 20}",
        "stock A-1: 35 at 08:10, 36 at 15:00",
    ),
}
"""name → rule, story of its events (one line each, with semicolons between)."""


def _items(name):
    return _items_of(*KINDS[name])


def _items_of(rule, story, *, currency="EUR"):
    measures = MEASURES.replace("rules:", "  fresh: {last: available, of: stock.level, stale_after: 1h}\nrules:")
    rules = f"{measures}  - {{name: R, {rule}}}\n"
    lines = "".join(f"      - {line.strip()}\n" for line in story.split(";"))
    suite = load_text(
        f"start: 2026-03-02 08:00\ntests:\n  - name: t\n    events:\n{lines}    expect: nothing\n", rules, LONDON
    )
    assert [str(f) for f in suite.faults if f.level == "error"] == []
    (test,) = suite.tests
    (compiled,) = test.plan.rules
    told = replayed(test.plan, test.events, zone=LONDON, until=test.until).transitions
    writer = Writer(LONDON, currency=currency)
    for t in told:
        if t.state not in ("pending", "cancelled"):
            yield t.state, writer.item(t, compiled, TEAMS)


def _said(name):
    for state, item in _items(name):
        yield from [f"{state}: {item.headline}", *(f"  {team}: {x}" for team, x in item.texts.items())]


@pytest.mark.parametrize("name", KINDS)
def test_what_people_read(name):
    """Headline and texts of the whole episode."""
    said = "\n".join(_said(name)) + "\n"
    assert said == (GOLDEN / f"kind-{name}.txt").read_text()


def test_what_a_rule_asks_for_is_said_in_words():
    """`at_most` is a key of a file, and no word of a message."""
    why = {name: " ".join(line for _, item in _items(name) for line in item.why) for name in KINDS}
    assert "The rule asks for at most 20 (warning)" in why["stock-low"]
    assert [name for name, said in why.items() if "at_" in said or "_at" in said] == []


def test_the_hours_of_a_rule_are_when_it_is_judged():
    """They are nothing that it asks for."""
    rule = "absence: {measure: orders, window: 2h, hours: Mon-Sun 06:00-22:00}"
    ((_, item),) = _items_of(rule, "orders: 1/min for 1h, then nothing for 6h")
    assert item.why == ("orders: 0 within 2 hours", "It is judged in the hours Mon-Sun 06:00-22:00")


def test_money_without_a_currency_is_told_without():
    """Nobody knows which it is."""
    texts = [item.usual for _, item in _items_of(*KINDS["revenue-low"], currency="")]
    assert texts
    assert set(texts) == {"500"}


def test_the_currency_of_a_label_is_the_one_that_is_told():
    """Whatever the shop counts in elsewhere."""
    rule = "by: [currency], threshold: {measure: revenue, window: 1h, above: 500}"
    shown = [(i.value, i.usual) for _, i in _items_of(rule, "revenue SEK: 1200.5 at 09:00")]
    assert shown[0] == ("1,201 SEK", "500 SEK")


def test_a_projection_is_about_what_there_is_now():
    """Its window is that of the pace."""
    assert {item.span for name in ("cover-short", "stock-runs-out", "day-full") for _, item in _items(name)} == {"now"}


def test_low_stock_is_no_matter_of_landing_pages():
    """What a team can do depends on what is low."""
    low_stock, few_orders, few_visits = (" ".join(_said(name)) for name in ("stock-low", "orders-few", "traffic-low"))
    assert "landing pages" not in low_stock
    assert "landing pages" in few_orders
    assert "order or move more" in low_stock.lower()
    assert "tracking" in few_visits


def test_nobody_is_told_that_there_is_nothing_to_do_after_22_hours():
    """Trouble of a day leaves something behind."""
    said = " ".join(_said("stock-low"))
    assert "all clear after 22 hours" in said
    assert "If you paused or changed something for it, you can undo that now." in said
    assert "nothing" not in said.lower()
