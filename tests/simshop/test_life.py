"""The simulated life is a shop's: the same each time, within the contract, and its stock follows its sales exactly."""

import gzip
from collections import Counter
from datetime import datetime
from statistics import mean, variance

import pytest
from tests.simshop import script
from tests.simshop.planted import planted
from tests.simshop.script import MARKETPLACE, ZONE
from tests.simshop.shop_life import ShopLife
from tests.simshop.whole_life import life, write

from lockstep.event import TYPES
from lockstep.event.contract import MODELS

SEEDS = (1, 2)


def time_of(event):
    return datetime.fromisoformat(event["time"])


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    """Also in a second run within one process, where nothing is remembered."""
    ends = script.on(-40)
    assert ShopLife(1, ends=ends).events == ShopLife(1, ends=ends).events
    assert ShopLife(1, ends=ends).events != ShopLife(2, ends=ends).events
    for name in ("a.ndjson.gz", "b.ndjson.gz"):
        write(life(1)[0][:1_000], tmp_path / name)
    assert (tmp_path / "a.ndjson.gz").read_bytes() == (tmp_path / "b.ndjson.gz").read_bytes()
    assert len(gzip.decompress((tmp_path / "a.ndjson.gz").read_bytes()).splitlines()) == 1_000


@pytest.mark.parametrize("seed", SEEDS)
def test_it_has_events_of_every_type_and_all_are_valid(seed):
    """Each twentieth is held against the published contract; ids come once, times never go back."""
    events, _ = life(seed)
    assert {e["type"] for e in events} == set(TYPES)
    for event in events[::20]:
        MODELS[event["type"]].model_validate(event)
    assert max(Counter((e["source"], e["id"]) for e in events).values()) == 1
    times = [e["time"] for e in events]
    assert times == sorted(times)


@pytest.mark.parametrize("seed", SEEDS)
def test_stock_follows_sales_exactly(seed):
    """Added up from orders, cancellations, receipts and holds alone, each level is the one that was told."""
    events, _ = life(seed)
    stock, orders, told = {}, {}, 0
    pending = Counter()
    for event in events:
        data = event["data"]
        if event["type"] == "order.placed" and data["order_id"] != "o-typo":
            orders[data["order_id"]] = data
            for line in data["lines"]:
                pending[place(data["channel"], line["sku"])] -= line["quantity"]
        elif event["type"] == "order.cancelled":
            for line in orders[data["order_id"]]["lines"]:
                pending[place(data["channel"], line["sku"])] += line["quantity"]
        elif event["type"] == "stock.receipt" and data["status"] == "received":
            pending[data["location"], data["sku"]] += data["quantity"]
    ends = dict.fromkeys(pending, 0)
    for event in events:
        if event["type"] != "stock.level":
            continue
        data, key = event["data"], (event["data"]["location"], event["data"]["sku"])
        told += 1
        assert data["available"] >= 0, event
        assert data["on_hand"] == data["available"] + data.get("held", 0)
        stock.setdefault(key, 0 if data["sku"] == script.NEW else data["on_hand"])
        ends[key] = data["on_hand"]
    assert {key: stock[key] + change for key, change in pending.items()} == ends
    assert told > 10_000


def place(channel, sku):
    return (MARKETPLACE if channel == MARKETPLACE else script.home(sku)), sku


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_script_lets_run_out_runs_out_in_its_days(seed):
    """And nothing else ever does."""
    _, truth = life(seed)
    assert set(truth.sold_out) == {script.SOLD_OUT, script.LATE, script.PROMOTED_OUT}
    assert script.on(4) < truth.sold_out[script.SOLD_OUT][0] < script.SOLD_OUT_BACK
    assert script.LATE_DUE < truth.sold_out[script.LATE][0] < script.LATE_NEW
    assert script.RUNS_OUT.starts < truth.sold_out[script.PROMOTED_OUT][0] < script.RUNS_OUT.ends
    assert {sku for sku, units in truth.lost.items() if units} == set(truth.sold_out)


@pytest.mark.parametrize("seed", SEEDS)
def test_people_come_by_chance_and_by_the_week(seed):
    """Orders of a Wednesday's noon hour in the history swing as independent buyers do; nights are quiet."""
    orders = [time_of(e).astimezone(ZONE) for e in life(seed)[0] if e["type"] == "order.placed"]
    history = [t for t in orders if t < script.LIVED_FROM]
    by_hour = Counter((t.date(), t.hour) for t in history)
    noons = [n for (day, hour), n in by_hour.items() if hour == 12 and day.weekday() < 5]
    assert 0.5 < variance(noons) / mean(noons) < 2
    assert sum(1 for t in history if t.hour in (2, 3, 4)) == 0
    assert 130 < len(history) / 42 < 170


def test_what_was_planted_is_there():
    """Without looking at any rule: each piece of trouble stands out in the raw events."""
    events, _ = life(1)
    lived = [e for e in events if time_of(e) >= script.LIVED_FROM]
    placed = [e for e in lived if e["type"] == "order.placed"]
    begins, ends = script.OUTAGE.starts, script.OUTAGE.ends
    assert {e["data"]["channel"] for e in placed if begins <= time_of(e) < ends} == {MARKETPLACE}
    begins, ends = script.STUCK
    silent = [e for e in lived if begins <= time_of(e) < ends]
    assert not [e for e in silent if e["data"].get("location") == script.THIRD_PARTY and e["type"] != "stock.receipt"]
    on_short_day = sum(1 for e in placed if time_of(e).astimezone(ZONE).date() == script.SHORT_DAY.date())
    assert on_short_day > script.SHORT_CAPACITY
    small = [
        line["sku"]
        for e in lived
        if e["type"] == "order.returned"
        for line in e["data"]["lines"]
        if line["reason"] == script.RETURN_REASON and time_of(e) >= script.RETURN_WAVE[0]
    ]
    assert small.count(script.RETURNED) > 20
    themes = Counter(e["data"]["theme"] for e in events if e["type"] == "feedback.received")
    assert themes[script.NEW_THEME] > 20
    holds = [e for e in lived if e["type"] == "stock.level" and e["data"].get("held")]
    assert {e["data"]["sku"] for e in holds} == {script.HELD}


@pytest.mark.parametrize(("seed", "is_poor"), [(1, True), (3, False)])
def test_money_that_brings_nobody_is_poor_where_too_little_was_sold(seed, is_poor):
    """Who sells enough beside it brings its money back three times all the same, and nobody is to hear of it."""
    _, truth = life(seed)
    (jump,) = [one for one in planted(truth) if one.name == "money for ads that bring nobody"]
    assert [heard.rules for heard in jump.hears] == [("SpendJump",), *([("PoorRoas",)] if is_poor else [])]
