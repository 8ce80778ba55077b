"""How a product sells, how long it lasts, what comes next: the edges of each measure."""

from fractions import Fraction

import pytest
from shop_build import NOON, TODAY, at, lot, product, receipt, shop_of

from lockstep.shop.business import business
from lockstep.shop.names import names
from lockstep.shop.subjects.returns import returns_ranking


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
        ("units sold a day", 4.0),
        ("units sold in the last 28 days, while in stock", 112),
        ("days of them in stock", 28),
    )


@pytest.mark.parametrize(
    ("facts", "settings", "why"),
    [
        pytest.param(product(sells=0, stock=40), {}, "nothing was sold of it in 28 days", id="no sales"),
        pytest.param(product(sells=4, stock=None), {}, "no stock of it is known", id="no stock"),
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


@pytest.mark.parametrize(
    ("lots", "days"),
    [
        pytest.param([lot(30, "2027-03-10")], 10, id="100 days are left, and 90 are asked for"),
        pytest.param([lot(30, "2027-03-10"), lot(5, "2027-02-01", "L-2")], 0, id="the oldest is too old"),
        pytest.param(
            [lot(30, "2027-03-10", location="ebay")], None, id="what lies at another marketplace is not its own"
        ),
        pytest.param([lot(30, "2027-03-10", location="amazon")], 10, id="what lies at its own is"),
        pytest.param([lot(0, "2027-03-10")], None, id="nothing is left of it"),
    ],
)
def test_a_lot_gets_too_old_for_a_channel(lots, days):
    """Its last day is less days away than shop.yml says that the channel asks for."""
    shop = shop_of(product(lots=lots), shelf_life={"amazon": 90}, marketplaces=("amazon", "ebay"))
    assert business(shop, "shelf", ("A-1", "amazon"), NOON)["shelf_days"].value == days
    other = business(shop, "shelf", ("A-1", "web"), NOON)["shelf_days"]
    assert (other.value, other.why) == (None, "shop.yml has no shelf_life of web")


def part(sku, stock):
    return product(sku, sells=4, stock=stock)


SET = {"bundles": {"SET": {"A-1": 2, "B-1": 1}}}


@pytest.mark.parametrize(
    ("facts", "cover", "available", "scarcest"),
    [
        pytest.param([part("A-1", 40), part("B-1", 80)], 10, 20, "A-1", id="of two"),
        pytest.param([part("A-1", 40), part("B-1", 0)], 0, 0, "B-1", id="one is out"),
        pytest.param([part("A-1", 1), part("B-1", 80)], 0, 0, "A-1", id="half a set"),
        pytest.param([part("A-1", 40)], 10, None, "A-1", id="of the other nothing is known"),
        pytest.param(
            [part("A-1", 40), part("B-1", 80), product("SET", sells=2, stock=None)],
            5,
            20,
            "A-1",
            id="bundles that were sold took two of it each",
        ),
    ],
)
def test_a_bundle_lasts_as_long_as_its_scarcest_part(facts, cover, available, scarcest):
    """And there are as many as its parts make; it has no cover or order of its own."""
    shop = shop_of(*facts, **SET)
    made = business(shop, "product", ("SET",), NOON)
    assert made["bundle_cover"].value == cover
    assert made["days_of_cover"].why == "it is a bundle, which lasts as long as its scarcest part"
    assert made["reorder_quantity"].value is None
    known = names(shop, {"sku": "SET"}, NOON)
    assert (known.get("available"), known["scarcest_part"]) == (available, scarcest)


def test_what_is_no_bundle_has_no_bundle_cover():
    """Nor a bundle of which no part was ever told."""
    shop = shop_of(product("A-1", sells=4, stock=40), bundles={"SET": {"X": 1}})
    assert business(shop, "product", ("A-1",), NOON)["bundle_cover"].why == "it is no bundle of shop.yml"
    assert business(shop, "product", ("SET",), NOON)["bundle_cover"].value is None


def test_what_was_just_listed_is_not_judged():
    """But it is no new product that was there when the shop's facts began."""
    new = product(sells=[5, 5, 5], stock=10)
    assert of(new)["days_of_cover"].value == 2
    shop = shop_of(new, product("OLD", sells=1, stock=9))
    shop.first_day = "2026-01-01"
    assert business(shop, "product", ("A-1",), NOON)["days_of_cover"].why == "it is new, on sale since Sat 28 Nov"
    assert business(shop, "product", ("OLD",), NOON)["days_of_cover"].value == 9
    assert TODAY.isoformat() == new.day


@pytest.mark.parametrize(
    ("facts", "sell_through"),
    [
        pytest.param(product(sells=[*[2] * 28], stock=18), Fraction(56, 74), id="56 of 74"),
        pytest.param(product(sells=4, stock=0), 1, id="all"),
        pytest.param(product(sells=4, stock=-5), 1, id="oversold is not more than all"),
        pytest.param(product(sells=0, stock=5), 0, id="nothing"),
        pytest.param(product(sells=0, stock=0), None, id="nothing of nothing"),
        pytest.param(product(sells=4, stock=None), None, id="no stock was told"),
    ],
)
def test_sell_through(facts, sell_through):
    """Units sold in 28 days of these and what is left; today is among them."""
    assert of(facts)["sell_through"].value == sell_through


@pytest.mark.parametrize(
    ("facts", "days"),
    [
        pytest.param(product(sells=[1, 0, 0, 0], stock=9), 2, id="yesterday and the day before"),
        pytest.param(product(sells=[1, 0, 0, 1], stock=9), 0, id="sold today"),
        pytest.param(product(sells=[1, 0, 0, 0], stock=9, out_of_stock=[1]), 1, id="nobody could buy it yesterday"),
        pytest.param(product(sells=[1, 0, 0, 0], stock=0), 0, id="without stock"),
        pytest.param(product(sells=[0] * 91, stock=9), 90, id="as far as is known"),
        pytest.param(product(sells=[1, 0], stock=None), None, id="no stock was told"),
    ],
)
def test_days_without_sale(facts, days):
    """Days in stock since the last one; today may still bring one."""
    assert of(facts)["days_without_sale"].value == days


@pytest.mark.parametrize(
    ("facts", "settings", "quantity"),
    [
        pytest.param(product(sells=4, stock=30), {}, 54, id="4 x (14 + 7) - 30"),
        pytest.param(product(sells=4, stock=30, lead_time_days=30.0), {}, 118, id="the supplier's lead time"),
        pytest.param(product(sells=4, stock=30, receipts=[receipt(50, "2026-12-04")]), {}, 4, id="50 are on order"),
        pytest.param(product(sells=4, stock=30, receipts=[receipt(50, "2026-11-04")]), {}, 4, id="late ones as well"),
        pytest.param(
            product(sells=4, stock=30, receipts=[receipt(50, "2026-11-04", status="received")]),
            {},
            54,
            id="not what is in",
        ),
        pytest.param(product(sells=4, stock=84), {}, 0, id="just enough"),
        pytest.param(product(sells=4, stock=400), {}, 0, id="never less than 0"),
        pytest.param(product(sells=4, stock=-6), {}, 90, id="what is owed to customers is ordered, too"),
        pytest.param(product(sells=[1, 0, 0, 0], stock=0), {}, 7, id="a part of a unit is a whole one"),
        pytest.param(product(sells=4, stock=30), {"lead_time_days": 1.5, "safety_days": 0.5}, 0, id="settings"),
        pytest.param(product(sells=4, stock=None), {}, None, id="no stock was told"),
    ],
)
def test_reorder_quantity(facts, settings, quantity):
    """velocity x (lead time + safety) - available - on order."""
    assert of(facts, **settings)["reorder_quantity"].value == quantity


@pytest.mark.parametrize(
    ("fields", "days"),
    [
        pytest.param({"lead_time_days": 21.0, "lead_time_before": 14.0}, 7, id="longer"),
        pytest.param({"lead_time_days": 7.0, "lead_time_before": 14.0}, 0, id="shorter is no trouble"),
        pytest.param({"lead_time_days": 21.0}, None, id="told once"),
        pytest.param({}, None, id="never told"),
        pytest.param(
            {"lead_time_days": 21.0, "lead_time_before": 14.0, "lead_time_at": "2026-10-01T00:00:00Z"}, 0, id="long ago"
        ),
        pytest.param(
            {"lead_time_days": 21.0, "lead_time_before": 14.0, "lead_time_at": "2026-11-20T00:00:00Z"}, 7, id="lately"
        ),
    ],
)
def test_lead_time_change(fields, days):
    assert of(product(sells=4, stock=30, **fields))["lead_time_change"].value == days


def test_key_products_alone_have_a_key_cover():
    assert of(product("KEY-1", sells=4, stock=40), key_skus=("KEY-*",))["key_cover"].value == 10
    assert of(product("A-1", sells=4, stock=40), key_skus=("KEY-*",))["key_cover"].text == "it is no key product"


WEEK_BEFORE = [0] * 50


@pytest.mark.parametrize(
    ("facts", "rate", "rise"),
    [
        pytest.param(
            product(sells=10, stock=9, returned=[*WEEK_BEFORE, *[1] * 7]), Fraction(7, 60), Fraction(7, 60), id="new"
        ),
        pytest.param(
            product(sells=10, stock=9, returned=[1] * 57),
            Fraction(7, 60),
            Fraction(7, 60) - Fraction(1, 10),
            id="as before",
        ),
        pytest.param(product(sells=10, stock=9, returned=[*[3] * 50, *[0] * 7]), 0, Fraction(-3, 10), id="fewer"),
        pytest.param(product(sells=4, stock=9, returned=[1] * 57), None, None, id="24 units are too few"),
        pytest.param(
            product(sells=[0] * 7 + [9] * 7, stock=9, returned=[1] * 14), Fraction(7, 63), None, id="too few before"
        ),
    ],
)
def test_returns(facts, rate, rise):
    """Of seven days with today, against the thirty before; of at least 25 units."""
    made = of(facts)
    assert (made["return_rate"].value, made["return_rise"].value) == (rate, rise)
    assert all(made[name].why for name in ("return_rate", "return_rise") if made[name].value is None)


def test_the_ranking_of_returns_is_rate_times_number():
    """Neither one unit of a slow product leads, nor a best seller with a low rate."""
    reasons = {"too small": [0] * 7 + [8] * 7, "torn": [0] * 7 + [2] * 7}
    shop = shop_of(
        product("BEST", sells=[90] * 14, returned=[4] * 14),
        product("BAD", sells=[9] * 14, returned=[5] * 14, reasons=reasons),
        product("SLOW", sells=[1] * 14, returned=[1] * 14),
        product("FINE", sells=[9] * 14),
    )
    ranking = returns_ranking(shop, NOON)
    assert [(row.sku, row.returned, row.units) for row in ranking] == [("BAD", 35, 63), ("BEST", 28, 630)]
    assert ranking[0].score == Fraction(35 * 35, 63)
    assert ranking[0].reasons == "too small (56) and torn (14)"
    assert returns_ranking(shop, NOON, most=1) == ranking[:1]


def test_lists_that_end_earlier_are_read_on():
    """A product of which nothing came for two days: nothing was sold of it, its stock is as it was."""
    facts = product(sells=4, stock=40, upto=at("12:00", "2026-11-28"), known_days=10)
    made = of(facts)
    assert made["velocity"].value == Fraction(10 * 4, 12)
    assert made["days_without_sale"].value == 2
