"""The demo's shop: real orders, honest simulation, and trouble only where it is listed."""

import json
from pathlib import Path

import pytest

from lockstep.event import MODELS
from lockstep.tools.demo import shop
from lockstep.tools.retail import convert


@pytest.fixture(scope="module")
def planted():
    return shop.events()


@pytest.fixture(scope="module")
def quiet():
    return shop.events(planted=False)


def test_the_same_seed_gives_the_same_shop(planted):
    """Ids included."""
    assert shop.events() == planted
    assert shop.events(seed=1) != planted


def test_every_event_is_valid_and_none_comes_twice(planted):
    """The contract accepts all, in the order of time, each with an id of its own."""
    for event in planted:
        MODELS[event["type"]].model_validate_json(json.dumps(event))
    assert len({(e["source"], e["id"]) for e in planted}) == len(planted)
    assert [e["time"] for e in planted] == sorted(e["time"] for e in planted)


def test_what_is_simulated_says_so(planted, quiet):
    """By source and by data; the rest are the file's own events."""
    real = {e["id"] for e in convert(shop.ORDERS_FILE)}
    for event in [*planted, *quiet]:
        simulated = event["source"] == "simulated"
        assert event["data"].get("simulated", False) == simulated
        assert (event["id"] in real) != simulated
    assert {e["id"] for e in quiet if e["source"] != "simulated"} == real


def test_no_sold_out_product_is_sold(planted):
    """No stock ever falls below zero, and no order holds what is sold out."""
    assert min(e["data"]["available"] for e in planted if e["type"] == "stock.level") == 0
    for event in planted:
        if event["type"] == "order.placed" and shop.SOLD_OUT_AT < shop.time_of(event) < shop.SELLS_OUT.ends:
            assert shop.SOLD_OUT not in {line["sku"] for line in event["data"]["lines"]}


def test_history_is_untouched(planted, quiet):
    """Planted trouble begins with the weeks that are shown."""

    def orders(events):
        return [e for e in events if e["type"].startswith("order.") and shop.time_of(e) < shop.SHOWN_FROM]

    assert orders(planted) == orders(quiet)
    assert all(t.starts >= shop.SHOWN_FROM for t in shop.TRUTH)


def test_the_data_is_small_and_attributed():
    """At most a megabyte in the package, with its source and licence beside it."""
    assert shop.ORDERS_FILE.stat().st_size <= 1_000_000
    notice = Path(shop.ORDERS_FILE.parent / "NOTICE").read_text()
    assert all(words in notice for words in ("Chen", "UCI Machine Learning Repository", "CC BY 4.0", "Changes:"))
