"""How a product sells, how long it lasts, what comes next: the edges of each measure."""

from fractions import Fraction

import pytest
from shop_build import NOON, TODAY, lot, product, receipt, shop_of

from lockstep.shop.business import business


def of(facts, **settings):
    return business(shop_of(facts, **settings), "product", (facts.sku,), NOON)


@pytest.mark.parametrize(
    ("facts", "velocity", "days_of_cover"),
    [
        pytest.param(product(sells=4, stock=40), 4, 10, id="a steady seller"),
        pytest.param(
            product(sells=4, stock=40, out_of_stock=range(1, 15)), 4, 10, id="days out of stock do not slow it"
        ),
        pytest.param(product(sells=[*[0] * 56, 90], stock=40), 0, None, id="today is not over, and says nothing yet"),
        pytest.param(product(sells=4, stock=0), 4, 0, id="sold out"),
        pytest.param(product(sells=4, stock=-3), 4, 0, id="oversold is 0 days, not less"),
        pytest.param(product(sells=0, stock=40), 0, None, id="without sales there is no cover"),
        pytest.param(product(sells=0, stock=0), 0, 0, id="but for what is sold out"),
        pytest.param(product(sells=1, stock=10_000), 1, 365, id="a year at most"),
        pytest.param(product(sells=4, stock=None), 4, None, id="no stock was told"),
        pytest.param(product(sells=[3, 3, 3], stock=8), 3, Fraction(8, 3), id="two days and today are known"),
        pytest.param(product(sells=4, stock=40, out_of_stock=range(1, 57)), None, None, id="never in stock"),
    ],
)
def test_velocity_and_cover(facts, velocity, days_of_cover):
    """Units a day on days on which it could be bought; what is available lasts so long."""
    made = of(facts)
    assert (made["velocity"].value, made["days_of_cover"].value) == (velocity, days_of_cover)
    assert all(m.why for m in made.values() if m.value is None)


def test_a_measure_says_what_it_was_made_of():
    """The numbers of explain."""
    assert of(product(sells=4, stock=40))["days_of_cover"].made_of == (
        ("units available", 40),
        ("units sold in the last 28 days, while in stock", 112),
        ("days of them in stock", 28),
    )


@pytest.mark.parametrize(
    ("facts", "settings", "why"),
    [
        pytest.param(product(sells=0, stock=40), {}, "nothing was sold of it in 28 days", id="no sales"),
        pytest.param(product(sells=4, stock=None), {}, "no stock of it was ever told", id="no stock"),
        pytest.param(
            product("B-1", sells=4, stock=40), {"backorder": ("B-*",)}, "it may be sold without stock", id="backorder"
        ),
    ],
)
def test_what_has_no_cover_says_why(facts, settings, why):
    """In words, for texts."""
    assert of(facts, **settings)["days_of_cover"].text == why


@pytest.mark.parametrize(
    ("facts", "gap"),
    [
        pytest.param(product(sells=4, stock=8, receipts=[receipt(500, "2026-12-05")]), 3, id="out for three days"),
        pytest.param(product(sells=4, stock=80, receipts=[receipt(500, "2026-12-05")]), 0, id="comes before"),
        pytest.param(product(sells=4, stock=8), None, id="nothing is planned"),
        pytest.param(product(sells=4, stock=0, receipts=[receipt(500, "2026-11-27")]), 1, id="late: tomorrow at best"),
        pytest.param(
            product(sells=4, stock=0, receipts=[receipt(5, "2026-12-02", status="received")]),
            None,
            id="it is in already",
        ),
        pytest.param(product(sells=0, stock=0, receipts=[receipt(5, "2026-12-02")]), 2, id="sold out without sales"),
    ],
)
def test_gap_days(facts, gap):
    """From the day on which it is sold out to that of the next delivery."""
    assert of(facts)["gap_days"].value == gap


@pytest.mark.parametrize(
    ("lots", "days", "unsold"),
    [
        pytest.param([lot(30, "2026-12-04")], 4, 14, id="four days of four a day"),
        pytest.param([lot(16, "2026-12-04")], 4, 0, id="just enough time"),
        pytest.param([lot(16, "2026-12-04"), lot(40, "2026-12-10", "L-2")], 4, 16, id="the second waits for the first"),
        pytest.param([lot(40, "2026-12-10", "L-2"), lot(16, "2026-12-04")], 4, 16, id="in whatever order"),
        pytest.param([lot(5, "2026-11-20")], 0, 5, id="its last day is over"),
        pytest.param([lot(0, "2026-12-04")], None, 0, id="nothing is left of it"),
    ],
)
def test_lots(lots, days, unsold):
    """Sold one after the other, the earliest first, all at the speed of the product."""
    made = of(product(sells=4, stock=100, lots=lots))
    assert (made["days_to_expiry"].value, made["unsold_at_expiry"].value) == (days, unsold)


def test_what_was_just_listed_is_not_judged():
    """But it is no new product that was there when the shop's facts began."""
    new = product(sells=[5, 5, 5], stock=10)
    assert of(new)["days_of_cover"].value == 2
    shop = shop_of(new, product("OLD", sells=1, stock=9))
    shop.first_day = "2026-01-01"
    assert business(shop, "product", ("A-1",), NOON)["days_of_cover"].why == "it is new, on sale since Sat 28 Nov"
    assert business(shop, "product", ("OLD",), NOON)["days_of_cover"].value == 9
    assert TODAY.isoformat() == new.day
