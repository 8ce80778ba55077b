"""The names that templates call, and what one team's numbers are to the other."""

import pytest
from shop_build import NOON, capacity, day, days, history, lot, plan, product, receipt, shop_of, today

from lockstep.shop.business import business, things
from lockstep.shop.catalogue import BUSINESS, SUBJECTS
from lockstep.shop.names import NAMES, absent, names
from lockstep.shop.translations import known, sentences

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
    }
    made = business(shop, "product", ("A-1",), NOON)
    assert {m.value for m in made.values()} == {None}
    assert made["velocity"].why == "A-1 is not known"
    assert all(m.why for m in business(shop, "shop", (), NOON).values() if m.value is None)


def test_visits_are_told_as_orders():
    """10,000 visits × the conversion of 28 days."""
    facts = names(a_shop(), {"channel": "web"}, NOON)
    texts = sentences(facts, {"channel": "web"}, "traffic", visits=10_000)
    assert texts["operations"][0] == "10,000 visits × 3.3% ≈ 333 orders."
    assert not any("visits today" in text for text in texts["operations"])
    assert sentences(facts, {"channel": "web"}, "traffic")["operations"][0] == (
        "800 visits of web today × 3.3% ≈ 27 orders."
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
            "100 orders are expected today and 100 can be shipped: there is no room for more.",
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
                "16 units of A-1 are available, enough for 4 days at 4 units a day.",
                "It will be out for 3 days before 500 units arrive on Mon 7 Dec.",
            ],
            id="out before more comes",
        ),
        pytest.param(
            product(sells=4, stock=160, receipts=[receipt(500, "2026-12-07")]),
            [
                "160 units of A-1 are available, enough for 40 days at 4 units a day.",
                "500 units arrive on Mon 7 Dec, before it is sold out.",
            ],
            id="lasts",
        ),
        pytest.param(
            product(sells=4, stock=0),
            ["A-1 is sold out; it sells 4 units a day when there is some.", "No delivery is planned."],
            id="sold out and nothing comes",
        ),
        pytest.param(
            product(sells=0, stock=5),
            ["5 units of A-1 are available; none was sold lately.", "No delivery is planned."],
            id="does not sell",
        ),
        pytest.param(
            product(sells=4, stock=None),
            ["No stock of it is known.", "No delivery is planned."],
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
    assert texts["marketing"][1] == "At stake: about 239 EUR (12 units of A-1 that would sell in the 3 days it is out)."


def test_teams_hear_what_they_can_act_on():
    """A flash sale is marketing's, an order at the supplier operations'."""
    labels = {"sku": "A-1"}
    shop = a_shop()
    shop.put(product("A-1", sells=4, stock=30, lots=[lot(30, "2026-12-04")]))
    told = sentences(names(shop, labels, NOON), labels)
    assert (
        "14 units will be left on the last day of the lot; the first lot ends in 4 days. A flash sale could sell them."
        in told["marketing"]
    )
    assert "Order 54 units now; a delivery takes 14 days." in told["operations"]


def test_returns_are_told_with_their_reasons():
    """The rate, how it changed, and why."""
    sold = product(sells=10, stock=90, returned=[*[0] * 49, *[1] * 8], reasons={"too small": [0] * 49 + [1] * 8})
    labels = {"sku": "A-1"}
    told = sentences(names(shop_of(*history(web=WEB), sold), labels, NOON), labels, "losses")
    assert told["operations"][0] == (
        "12% of what was sold in a week came back, 11 points more than in the 30 days before; reasons given most: "
        "too small (7)."
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
                "160 units of A-1 are available, enough for 40 days at 4 units a day.",
            ],
            id="a late delivery",
        ),
        pytest.param(
            {"location": "MARKET"},
            [product("A-1", stock=5, price=1990, held={"MARKET": 12}, held_since="2026-11-26T11:00:00Z")],
            [
                "12 units at MARKET may not be sold, the longest for 4 days.",
                "At stake: about 239 EUR (held at MARKET: A-1).",
                "MARKET last reported its stock just now.",
            ],
            id="held stock",
        ),
        pytest.param(
            {"location": "none"},
            [product("A-1", stock=5)],
            ["The warehouse last reported its stock just now."],
            id="place",
        ),
        pytest.param(
            {"campaign": "SUMMER"},
            [plan("SUMMER", "2026-12-01", "2026-12-02", orders=20), capacity(100, "2026-12-01", "2026-12-02")],
            [
                "SUMMER (Tue 1 Dec to Wed 2 Dec) cannot be done as planned. "
                "In its 2 days 220 orders are expected and 200 can be shipped, 20 too many. Tue 1 Dec: 110 orders are "
                "expected (100 usual, 10 by SUMMER) and 100 can be shipped.",
                "Leave out Tue 1 Dec and Wed 2 Dec, on which there is no room for any of it.",
                "At stake: about 594 EUR (20 orders more than can be shipped in the days of SUMMER).",
            ],
            id="a plan",
        ),
        pytest.param({"campaign": "OTHER"}, [], ["No such campaign is known."], id="no plan"),
        pytest.param(
            {},
            [day("2026-11-29", by_hour={"orders": [0] * 12 + [100], "shipped": [0] * 13 + [60]})],
            [
                "103 orders are expected today; no capacity is declared for today.",
                "67 orders wait to be shipped, the oldest for 24 hours.",
            ],
            id="a backlog",
        ),
    ],
)
def test_operations_reads(labels, facts, operations):
    """Everything else that there is to say."""
    shop = shop_of(
        *history(web={"orders": 100, "shipped": 100, "revenue": 300_000}), *today(whole={"orders": 27}), *facts
    )
    assert sentences(names(shop, labels, NOON), labels)["operations"] == operations
