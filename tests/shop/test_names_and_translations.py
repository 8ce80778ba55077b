"""The names that templates call, and what one team's numbers are to the other."""

import pytest
from shop_build import NOON, capacity, day, days, history, lot, plan, product, receipt, shop_of, today

from lockstep.shop.business import business, things
from lockstep.shop.catalogue import BUSINESS, SUBJECTS
from lockstep.shop.names import NAMES, absent, names
from lockstep.shop.translations import SOLD_OUT, known, sentences

WEB = {"orders": 100, "sessions": 3_000, "units": 150, "revenue": 300_000, "spend": 20_000}


def a_shop(*facts, **settings):
    return shop_of(
        *history(weeks=8, web=WEB),
        *today("12:00", web={"orders": 26, "sessions": 800}),
        product(
            "A-1", sells=4, stock=16, receipts=[receipt(500, "2026-12-07")], price=1990, lots=[lot(16, "2026-12-01")]
        ),
        *facts,
        **settings,
    )


RUNNING = plan("SUMMER", "2026-11-30", "2026-12-03", ["A-1"], orders=0)


def test_every_name_has_a_meaning_an_example_and_words_where_it_is_not_known():
    """Nothing in a message is ever blank."""
    assert all(name.meaning and name.example and name.absent for name in NAMES.values())
    assert BUSINESS.keys() <= NAMES.keys()
    assert {name.of for name in NAMES.values()} <= {"", "sku", "channel", "campaign", "location", "purchase_order"}
    assert absent("room_left") == "no capacity is declared for today"
    assert absent("nonsense") == "nonsense is not known"


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"sku": "A-1"},
        {"channel": "web"},
        {"campaign": "SUMMER"},
        {"location": ""},
        {"sku": "A-1", "purchase_order": "PO-1"},
    ],
)
def test_names_are_listed_and_never_blank(labels):
    """What travels is a number or a text that says something."""
    known_names = names(a_shop(RUNNING, capacity(150, "2026-11-30")), labels, NOON)
    assert known_names.keys() <= NAMES.keys()
    assert all(value != "" for value in known_names.values())
    for name, value in known_names.items():
        assert isinstance(value, str) == (NAMES[name].unit == "text"), name


def test_the_age_of_stock_is_that_of_its_newest_word():
    """A product whose own stock stands still is told only when it moves; of a shop without any, nothing is known."""
    shop = shop_of(
        product("A-1", stock=4, stock_at="2026-11-30T05:00:00Z"),
        product("B-1", stock=9, stock_at="2026-11-29T05:00:00Z"),
    )
    assert names(shop, {"sku": "B-1"}, NOON)["stock_age"] == 6
    assert "stock_age" not in names(shop_of(), {}, NOON)


def test_every_measure_of_the_catalogue_is_made():
    """Of a thing that is known, none is left to `… is not known`."""
    shop = a_shop(RUNNING, shelf_life={"web": 10})
    for subject in SUBJECTS:
        (first, *_) = things(shop, subject)
        made = business(shop, subject, first, NOON)
        assert made.keys() == {b.name for b in BUSINESS.values() if b.subject == subject}
        assert [name for name, m in made.items() if m.why.endswith(" is not known")] == []
        assert {name for name, m in made.items() if m.value is None and not m.why} == set()


def test_what_is_not_known_is_not_there_and_says_why():
    """Of a shop of which nothing is known."""
    shop = shop_of()
    assert names(shop, {"sku": "A-1", "channel": "web", "campaign": "X", "location": "L"}, NOON) == {
        "currency": "EUR",
        "place": "the warehouse L",
    }
    made = business(shop, "product", ("A-1",), NOON)
    assert {m.value for m in made.values()} == {None}
    assert made["velocity"].why == "A-1 is not known"
    assert all(m.why for m in business(shop, "shop", (), NOON).values() if m.value is None)


def test_visits_are_told_as_orders():
    """10,000 visits × the conversion of 28 days."""
    facts = names(a_shop(), {"channel": "web"}, NOON)
    texts = sentences(facts, {"channel": "web"}, "traffic", visits=10_000)
    assert texts["operations"][0] == "10,000 visits × 3.33% ≈ 333 orders."
    assert not any("visits today" in text for text in texts["operations"])
    assert sentences(facts, {"channel": "web"}, "traffic")["operations"][0] == (
        "800 visits of channel web today × 3.33% ≈ 27 orders."
    )


def test_visits_without_a_conversion_say_so():
    """Nothing is made up."""
    facts = names(shop_of(*history(weeks=4, whole={"orders": 5})), {}, NOON)
    assert sentences(facts, {}, "traffic", visits=500)["marketing"][0] == (
        "How many orders 500 visits bring is not known: too few visits are known for a conversion."
    )


@pytest.mark.parametrize(
    ("facts", "settings", "marketing"),
    [
        pytest.param(
            [capacity(150, "2026-11-30")],
            {},
            "100 orders are expected today and 150 can be shipped: room for 50 more ≈ 1,500 visits at 3.3%.",
            id="room",
        ),
        pytest.param(
            [capacity(80, "2026-11-30")],
            {},
            "100 orders are expected today and 80 can be shipped: 20 too many.",
            id="too many",
        ),
        pytest.param(
            [capacity(100, "2026-11-30")],
            {},
            "100 orders are expected today and 100 can be shipped: no room for more.",
            id="just full",
        ),
        pytest.param([], {}, "100 orders are expected today; no capacity is declared for today.", id="not declared"),
    ],
)
def test_capacity_is_told_to_marketing_as_visits(facts, settings, marketing):
    """And said in words where nobody declared one."""
    told = sentences(names(a_shop(*facts, **settings), {}, NOON), {})
    assert told["marketing"][0] == marketing
    assert "visits" not in told["operations"][0]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(
            product(sells=4, stock=16, receipts=[receipt(500, "2026-12-07")]),
            [
                "16 units are in stock, enough for 4 days at 4 units a day.",
                "It will be out for 3 days before 500 units arrive on Mon 7 Dec.",
            ],
            id="out before more comes",
        ),
        pytest.param(
            product(sells=4, stock=160, receipts=[receipt(500, "2026-12-07")]),
            [
                "160 units are in stock, enough for 40 days at 4 units a day.",
                "500 units arrive on Mon 7 Dec, before it is sold out.",
            ],
            id="lasts",
        ),
        pytest.param(
            product(sells=4, stock=0),
            ["It is sold out. It sells 4 units a day when there is some.", "No delivery is planned."],
            id="sold out and nothing comes",
        ),
        pytest.param(
            product(sells=0, stock=5),
            ["5 units are in stock; none was sold lately."],
            id="does not sell",
        ),
        pytest.param(
            product(sells=4, stock=None),
            ["No stock of it is known."],
            id="no stock",
        ),
    ],
)
def test_stock_is_told_as_days_and_the_next_delivery(facts, expected):
    """Both teams read how long it lasts and when there is more."""
    labels = {"sku": "A-1"}
    told = sentences(names(shop_of(*history(web=WEB), facts), labels, NOON), labels)
    assert told["marketing"][0] == told["operations"][0] == " ".join(expected)


def test_money_at_stake_is_told_with_what_it_is():
    """12 units at 19.90 that sell in three days."""
    labels = {"sku": "A-1"}
    shop = a_shop()
    shop.put(product("A-1", sells=4, stock=16, receipts=[receipt(500, "2026-12-07")], price=1990))
    texts = sentences(names(shop, labels, NOON), labels)
    assert (
        texts["marketing"][1]
        == "At stake: about 239 EUR (12 units of product A-1 that would sell in the 3 days it is out)."
    )


def test_teams_hear_what_they_can_act_on():
    """A flash sale is marketing's, an order at the supplier operations'."""
    labels = {"sku": "A-1"}
    shop = a_shop()
    shop.put(product("A-1", sells=4, stock=30, lots=[lot(30, "2026-12-04")]))
    told = sentences(names(shop, labels, NOON), labels)
    assert "14 units will be left on the last day of the lot: a flash sale could sell them." in told["marketing"]
    assert "The first lot ends in 4 days." in told["operations"]
    assert "Order 54 units now; a delivery takes 14 days." in told["operations"]


def test_returns_are_told_with_their_reasons():
    """The rate, how it changed, and why."""
    sold = product(sells=10, stock=90, returned=[*[0] * 49, *[1] * 8], reasons={"too small": [0] * 49 + [1] * 8})
    labels = {"sku": "A-1"}
    told = sentences(names(shop_of(*history(web=WEB), sold), labels, NOON), labels, "losses")
    assert told["operations"][0] == (
        "12% of what was sold in a week came back, 11 points more than in the 30 days before. "
        "Reasons given most: too small (7)."
    )


def test_a_number_is_read_in_its_unit():
    """As in the examples of NAMES."""
    facts = {"room_left": 1, "conversion": 0.031, "money_at_stake": 1200.0, "currency": "EUR", "campaigns": "SUMMER"}
    assert [known(facts, name) for name in (*facts, "backlog")] == [
        "1 order",
        "3.1%",
        "1,200 EUR",
        "EUR",
        "SUMMER",
        "no shipping was told of",
    ]


def test_nothing_known_says_nothing():
    """An alert of before there were names has no sentences."""
    assert sentences({}, {"sku": "A-1"}) == {"marketing": [], "operations": []}


def test_a_channel_is_read_by_its_own_conversion():
    """A marketplace without visits has that of all."""
    shop = shop_of(*history(web=WEB, market={"orders": 40}), *days("2026-11-30", web={"orders": 1}))
    assert names(shop, {"channel": "web"}, NOON)["conversion_of"] == "web"
    assert names(shop, {"channel": "market"}, NOON)["conversion_of"] == "web"
    assert "channel_conversion" not in names(shop, {"channel": "market"}, NOON)


LATE = receipt(500, "2026-12-07", first="2026-12-01", status="delayed")


@pytest.mark.parametrize(
    ("labels", "facts", "operations"),
    [
        pytest.param(
            {"sku": "A-1", "purchase_order": "PO-1"},
            [product("A-1", sells=4, stock=160, receipts=[LATE])],
            [
                "500 units of PO-1 are 6 days late, expected now on Mon 7 Dec.",
                "160 units are in stock, enough for 40 days at 4 units a day.",
            ],
            id="a late delivery",
        ),
        pytest.param(
            {"location": "MARKET"},
            [product("A-1", stock=5, price=1990, held={"MARKET": 12}, held_since="2026-11-26T11:00:00Z")],
            [
                "12 units there are held and cannot be sold, the longest for 4 days.",
                "At stake: about 239 EUR (what the warehouse MARKET holds of A-1).",
            ],
            id="held stock",
        ),
        pytest.param(
            {"location": "none"},
            [product("A-1", stock=5)],
            [],
            id="place",
        ),
        pytest.param(
            {"campaign": "SUMMER"},
            [plan("SUMMER", "2026-12-01", "2026-12-02", orders=20), capacity(100, "2026-12-01", "2026-12-02")],
            [
                "Campaign SUMMER (Tue 1 to Wed 2 Dec) cannot be done as planned: 220 orders are expected in its 2 "
                "days, 200 can be shipped. Tue 1 Dec: 100 usual + 10 by this campaign = 110 orders, 10 more than can "
                "be shipped. Too full as well: Wed 2 Dec.",
                "At stake: about 594 EUR (20 orders more than can be shipped in the days of campaign SUMMER).",
            ],
            id="a plan",
        ),
        pytest.param({"campaign": "OTHER"}, [], ["No such campaign is known."], id="no plan"),
        pytest.param(
            {},
            [day("2026-11-29", by_hour={"orders": [0] * 12 + [100], "shipped": [0] * 13 + [60]})],
            [
                "103 orders are expected today; no capacity is declared for today.",
            ],
            id="a backlog that is not in the room of today",
        ),
    ],
)
def test_operations_reads(labels, facts, operations):
    """Everything else that there is to say."""
    shop = shop_of(
        *history(web={"orders": 100, "shipped": 100, "revenue": 300_000}), *today(whole={"orders": 27}), *facts
    )
    assert sentences(names(shop, labels, NOON), labels)["operations"] == operations


def test_what_waits_is_told_without_the_room_of_today():
    """Nobody is to read that there is room beside a queue that is not in it."""
    facts = {"backlog": 248, "backlog_age": 80.0, "expected_today": 243, "capacity_today": 260, "room_left": 17}
    assert sentences(facts, {}, "shipping")["operations"] == ["248 orders wait to be shipped, the oldest for 80 hours."]


@pytest.mark.parametrize(
    ("visits", "rate", "said"),
    [
        pytest.param(10_000, 0.031, "10,000 visits × 3.1% ≈ 310 orders.", id="as it is read"),
        pytest.param(10_000, 0.0314, "10,000 visits × 3.14% ≈ 314 orders.", id="a digit more"),
        pytest.param(30, 0.0314, "30 visits × 3.1% ≈ 1 order.", id="of few visits none"),
    ],
)
def test_who_multiplies_gets_the_orders_that_are_told(visits, rate, said):
    """The rate has as many digits as that takes."""
    assert sentences({"conversion": rate}, {}, "traffic", visits=visits)["operations"][0] == said


@pytest.mark.parametrize(
    ("said", "rest"),
    [
        pytest.param(
            (), ["It is sold out. It sells 4 units a day when there is some. No delivery is planned."], id="nothing"
        ),
        pytest.param(
            (SOLD_OUT,), ["It sells 4 units a day when there is some. No delivery is planned."], id="sold out"
        ),
        pytest.param(("available",), ["No delivery is planned."], id="its stock"),
    ],
)
def test_what_a_text_has_said_is_not_said_again(said, rest):
    """A title that says "sold out" is not followed by a sentence that does."""
    facts = {"available": 0, "days_of_cover": 0, "velocity": 4}
    assert sentences(facts, {"sku": "A-1"}, said=said)["marketing"] == rest


PLANNED = receipt(500, "2026-12-07")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        pytest.param(
            product(sells=4, stock=16, receipts=[PLANNED]),
            "Ask the supplier to deliver the 500 units of product A-1 due on Mon 7 Dec earlier",
            id="a delivery that comes too late",
        ),
        pytest.param(
            product(sells=4, stock=160, receipts=[PLANNED]),
            "Make sure that the 500 units of product A-1 due on Mon 7 Dec arrive on time",
            id="a delivery that comes in time",
        ),
        pytest.param(
            product(sells=4, stock=16, receipts=[receipt(500, "2026-11-28")], supplier="lyon-textiles"),
            "Ask supplier lyon-textiles when the 500 units of product A-1 due on Sat 28 Nov come",
            id="a delivery that is overdue",
        ),
        pytest.param(
            product(sells=4, stock=0, receipts=[receipt(500, "2026-11-30")]),
            "Book in the 500 units of product A-1 due today as soon as they arrive",
            id="a delivery of today",
        ),
        pytest.param(
            product(sells=4, stock=16),
            "Order 68 units of product A-1 today (a delivery takes 14 days)",
            id="no delivery",
        ),
        pytest.param(
            product(sells=4, stock=16, receipts=[receipt(1, "2026-12-07")]),
            "Order 67 units of product A-1 today (a delivery takes 14 days)",
            id="a delivery that is no help",
        ),
        pytest.param(product(sells=0, stock=0), "Order more of product A-1 today", id="nobody knows how much"),
    ],
)
def test_what_brings_more_is_one_thing_to_do(facts, said):
    """Nobody is asked to hurry a delivery that is not planned, or to order what is on its way."""
    labels = {"sku": "A-1"}
    assert names(shop_of(*history(web=WEB), facts), labels, NOON)["restock"] == said


def test_a_place_is_called_what_it_is():
    """A marketplace of shop.yml, and what it holds; where none has a name it is the warehouse."""
    held = product("A-1", stock=5, held={"amazon": 12}, held_since="2026-11-26T11:00:00Z")
    shop = shop_of(held, marketplaces=("amazon",))
    facts = names(shop, {"location": "amazon"}, NOON)
    assert (facts["place"], facts["held_products"]) == ("the marketplace amazon", "product A-1 (12 units)")
    assert names(shop, {"location": "3pl-north"}, NOON)["place"] == "the warehouse 3pl-north"
    assert names(shop, {"location": "none"}, NOON)["place"] == "the warehouse"


def test_orders_that_are_too_many_and_those_expected_by_now():
    """As the capacity and the gap to the forecast are made of them."""
    facts = names(a_shop(capacity(80, "2026-11-30")), {}, NOON)
    assert (facts["expected_today"], facts["too_many_today"], facts["orders_today"]) == (100, 20, 26)
    assert facts["expected_by_now"] == 26
    assert names(a_shop(capacity(150, "2026-11-30")), {}, NOON)["too_many_today"] == 0
