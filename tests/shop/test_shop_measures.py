"""What is of the whole shop and of its places: capacity, room, backlog, late deliveries, held stock."""

from datetime import timedelta
from fractions import Fraction

import pytest
from msgspec.structs import replace
from shop_build import NOON, TODAY, at, capacity, day, days, history, marked, product, receipt, shop_of, today

from lockstep.shop.business import business, things
from lockstep.shop.facts import CapacityFacts, Place
from lockstep.shop.subjects.capacity import capacity_of
from lockstep.shop.subjects.fulfilment import backlog

HUNDRED = {"whole": {"orders": 100}}


def of(*facts, **settings):
    return business(shop_of(*facts, **settings), "shop", (), NOON)


def declared(orders, starts, ends, told_at="2026-11-01T00:00:00Z"):
    return CapacityFacts(upto=told_at, starts=starts, ends=ends, orders_per_day=orders, told_at=told_at)


@pytest.mark.parametrize(
    ("facts", "settings", "expected"),
    [
        pytest.param([], {}, None, id="nobody said"),
        pytest.param([], {"capacity_per_day": 120.0}, 120, id="of any day"),
        pytest.param([], {"capacity_per_day": 120.0, "capacity_by_weekday": {0: 90.0}}, 90, id="of a Monday"),
        pytest.param([], {"capacity_by_weekday": {1: 90.0}}, None, id="of another weekday alone"),
        pytest.param([capacity(150, "2026-11-30")], {"capacity_per_day": 120.0}, 150, id="declared"),
        pytest.param([capacity(150, "2026-12-01")], {"capacity_per_day": 120.0}, 120, id="declared for tomorrow"),
        pytest.param(
            [
                capacity(150, "2026-11-30", told_at=at("09:00")),
                capacity(70, "2026-11-01", "2026-12-24", told_at=at("08:00")),
            ],
            {},
            150,
            id="of two the one that was told later, not the longer one",
        ),
        pytest.param(
            [declared(70, "2026-11-30T14:00:00Z", "2026-11-30T22:59:59Z")], {}, 70, id="for the rest of today"
        ),
        pytest.param(
            [declared(70, "2026-11-29T23:00:00Z", "2026-11-30T23:00:00Z")], {}, 70, id="up to the next midnight"
        ),
        pytest.param(
            [declared(70, "2026-11-30T23:00:00Z", "2026-12-01T22:59:59Z")], {}, None, id="from the next midnight on"
        ),
        pytest.param([declared(70, "2026-11-30T00:00:00Z", "2026-11-30T23:59:59Z")], {}, 70, id="a day of UTC"),
        pytest.param(
            [declared(70, "2026-12-01T00:00:00Z", "2026-12-01T23:59:59Z")], {}, None, id="the next day of UTC"
        ),
        pytest.param([declared(0, "2026-11-29T23:00:00Z", "2026-11-30T22:59:59Z")], {}, 0, id="nothing can be shipped"),
    ],
)
def test_capacity_of_today(facts, settings, expected):
    """Declared for the day, else of its weekday, else of any day."""
    assert of(*facts, **settings)["capacity_today"].value == expected


@pytest.mark.parametrize("of_closed", [True, False])
def test_closed_days_ship_nothing_unless_the_shop_says_so(of_closed):
    """A declaration counts on closed days as well."""
    settings = {"calendar": marked(closed=["2026-11-30"]), "capacity_per_day": 120.0, "closed_capacity": of_closed}
    made = of(*history(**HUNDRED), **settings)
    assert made["capacity_today"].value == (0 if of_closed else 120)
    assert made["room_left"].text == ("today is closed" if of_closed else "120 orders")
    assert of(capacity(50, "2026-11-30"), **settings)["capacity_today"].value == 50


@pytest.mark.parametrize(
    ("orders", "can", "used", "projected", "room"),
    [
        pytest.param(26, 125, Fraction(26, 125), Fraction(100, 125), 25, id="room"),
        pytest.param(52, 125, Fraction(52, 125), Fraction(168, 125), 0, id="too many are expected: no room, not less"),
        pytest.param(0, 0, None, None, 0, id="nothing can be shipped"),
    ],
)
def test_room(orders, can, used, projected, room):
    """Of 100 orders on a usual day 26 come by noon."""
    made = of(*history(**HUNDRED), *today(whole={"orders": orders}), capacity(can, "2026-11-30"))
    measures = [made[name].value for name in ("capacity_used", "capacity_projected", "room_left")]
    assert measures == [used, projected, room]


def test_without_a_capacity_it_says_so():
    made = of(*history(**HUNDRED))
    assert {made[n].text for n in ("capacity_today", "capacity_used", "capacity_projected", "room_left")} == {
        "no capacity is declared for today"
    }


def test_work_units():
    """An order is 1, each line a quarter, gift wrap and special shipping half each."""
    whole = {"orders": 10, "lines": 16, "gift_wrapped": 2, "special_shipping": 4}
    assert of(*today(whole=whole))["work_units_today"].value == 17
    assert of(*today(whole=whole), work={"order": Fraction(2)})["work_units_today"].value == 20


WRAPPED = {"orders": 26, "lines": 26, "gift_wrapped": 26}


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"work_per_day": 200.0}, id="of any day in shop.yml"),
        pytest.param({"capacity": 200.0}, id="declared for the day, whatever it says of orders"),
    ],
)
def test_capacity_in_work_units(said):
    """Usual orders are 1.25 each, so 200 units are 160 of them; today's 26 are wrapped, 1.75 each."""
    declared = [replace(capacity(999, "2026-11-30"), work_units_per_day=200.0)] if "capacity" in said else []
    settings = {name: value for name, value in said.items() if name != "capacity"}
    usual = history(whole={"orders": 100, "lines": 100})
    made = of(*usual, *today(whole=WRAPPED), *declared, **settings)
    assert made["capacity_today"].value == 160
    assert made["capacity_used"].value == Fraction(26 * 7, 4 * 200)
    # 74 more are expected: 45.5 + 74 x 1.25 = 138 units, and the 62 that are left are 49 orders.
    assert made["capacity_projected"].value == Fraction(138, 200)
    assert made["room_left"].value == 49
    assert "1.25 an order" in str(made["room_left"].made_of)


def test_work_is_counted_only_where_somebody_does():
    """A later declaration in orders counts, and a shop without orders takes one of a single line."""
    assert of(*today(whole={"sessions": 1}), work_per_day=100.0)["capacity_today"].value == 80
    assert of(capacity(50, "2026-11-30"), work_per_day=100.0)["capacity_today"].value == 50


@pytest.mark.parametrize(
    ("clock", "orders", "gap"),
    [
        pytest.param("12:00", 39, Fraction(1, 2), id="half as many again"),
        pytest.param("12:00", 13, Fraction(-1, 2), id="half as many"),
        pytest.param("09:00", 40, None, id="only 4 are expected by 9"),
    ],
)
def test_forecast_gap(clock, orders, gap):
    """Against what was expected by now."""
    shop = shop_of(*history(**HUNDRED), *today(clock, whole={"orders": orders}))
    assert business(shop, "shop", (), at(clock))["forecast_gap"].value == gap


# ---- orders that wait -----------------------------------------------------------------------------------------------


def hourly(of, **hours):
    """A day whose counts come in the hours named: `orders={9: 10}`."""
    lists = {name: [numbers.get(hour, 0) for hour in range(24)] for name, numbers in hours.items()}
    return day(of, by_hour=lists)


@pytest.mark.parametrize(
    ("facts", "orders", "hours"),
    [
        pytest.param([hourly(TODAY, orders={8: 10}, shipped={10: 10})], 0, 0, id="all are shipped"),
        pytest.param([hourly(TODAY, orders={8: 10}, shipped={10: 4})], 6, 4, id="six wait since 8"),
        pytest.param([hourly(TODAY, orders={8: 10, 9: 5}, shipped={10: 12})], 3, 3, id="the oldest go first"),
        pytest.param(
            [hourly(TODAY, orders={8: 10, 9: 5}, shipped={10: 4}, cancelled={11: 8})],
            3,
            3,
            id="cancelled ones are gone, too",
        ),
        pytest.param([hourly("2026-11-28", orders={12: 5}), hourly(TODAY, shipped={8: 4})], 1, 48, id="over days"),
        pytest.param([hourly(TODAY, orders={8: 5}, shipped={7: 9, 10: 1})], 4, 4, id="shipped before the facts began"),
        pytest.param([hourly(TODAY, orders={8: 5})], None, None, id="no shipping is told of"),
        pytest.param([], None, None, id="nothing is known"),
    ],
)
def test_backlog(facts, orders, hours):
    """First in, first out, by the hour."""
    made = of(*facts, *([today("12:00")[-1]] if not facts else []))
    assert (made["backlog"].value, made["backlog_age"].value) == (orders, hours)
    assert made["backlog"].value is not None or made["backlog"].why


def test_a_shop_that_ships_the_next_day_has_a_backlog_of_a_day():
    """What waited when the 28 days began is told by how long orders took: else its shipping would eat newer orders."""
    facts = [hourly(TODAY - timedelta(n), orders={12: 100}, shipped={12: 100}) for n in range(60, 0, -1)]
    steady = [day(f.day, by_hour=f.by_hour, hours_to_ship=36.0) for f in facts]
    known = backlog(shop_of(*steady, *today("12:00", whole={"orders": 0})), NOON)
    assert known.at_the_start == 150
    assert (known.orders, known.hours) == (150, 48)
    assert backlog(shop_of(*facts, *today("12:00", whole={"orders": 0})), NOON).orders == 0


def test_a_day_of_25_hours_is_an_hour_longer():
    """An order of noon before the clocks go back is 25 hours old at the next noon."""
    now = at("12:00", "2026-10-25")
    shop = shop_of(hourly("2026-10-24", orders={12: 2}, shipped={13: 1}), day("2026-10-25", upto=now))
    assert backlog(shop, now).hours == 25


@pytest.mark.parametrize(
    ("delivered", "late", "rate"),
    [pytest.param(20, 1, Fraction(1, 20), id="enough"), pytest.param(19, 19, None, id="too few")],
)
def test_late_rate(delivered, late, rate):
    """Of at least 20 deliveries in seven days."""
    assert of(day(TODAY, delivered=delivered, late=late))["late_rate"].value == rate


# ---- places ---------------------------------------------------------------------------------------------------------


def at_place(location, *facts):
    return business(shop_of(*facts), "location", (location,), NOON)


def test_held_stock():
    """Of all products at a place, and since when the longest."""
    made = at_place(
        "MARKET",
        product("A-1", held={"MARKET": 5}, held_since="2026-11-28T11:00:00Z"),
        product("B-1", held={"MARKET": 7}, held_since="2026-11-26T11:00:00Z"),
        product("C-1", held={"OTHER": 9}, held_since="2026-11-01T11:00:00Z"),
    )
    assert (made["held_units"].value, made["held_days"].value) == (12, 4)
    assert ("held longest", "B-1") in made["held_days"].made_of


def test_a_place_that_is_not_known_says_so():
    made = at_place("NOWHERE", product("A-1"))
    assert {m.value for m in made.values()} == {None}
    assert made["held_units"].why == made["sync_age"].why == "no stock of it is known"


def test_sync_age_is_of_the_newest_stock_there():
    """One silent product does not make a place silent."""
    old, new = Place(available=1, at="2026-11-20T00:00:00Z"), Place(available=1, at="2026-11-30T08:00:00Z")
    made = at_place("L", product("A-1", places={"L": old}), product("B-1", places={"L": new}))
    assert made["sync_age"].value == 3


@pytest.mark.parametrize(
    ("receipts", "days_taken"),
    [
        pytest.param(
            [("2026-11-20", "2026-11-22"), ("2026-11-20", "2026-11-24"), ("2026-11-20", "2026-11-21")], 2, id="median"
        ),
        pytest.param([("2026-11-20", "2026-11-18")], 0, id="early"),
        pytest.param([("2026-10-01", "2026-10-09")], None, id="longer ago than 28 days"),
        pytest.param([("2026-11-20", "")], 10, id="nothing is taken in: the open one counts"),
        pytest.param([("2026-11-20", "2026-11-21"), ("2026-11-29", "")], 1, id="one of yesterday is not slow yet"),
        pytest.param([("2026-11-20", "2026-11-21"), ("2026-11-21", "")], 5, id="one of nine days is"),
        pytest.param([("2026-12-05", "")], None, id="still to come"),
    ],
)
def test_receiving_speed(receipts, days_taken):
    """Days from the expected day to receipt, at a place."""
    known = [
        receipt(
            5,
            due,
            order=f"PO-{n}",
            location="L",
            status="received" if on else "planned",
            received_at=f"{on}T10:00:00Z" if on else "",
        )
        for n, (due, on) in enumerate(receipts)
    ]
    assert at_place("L", product("A-1", receipts=known))["receiving_days"].value == days_taken


@pytest.mark.parametrize(
    ("given", "late"),
    [
        pytest.param(receipt(5, "2026-12-04"), 0, id="in time"),
        pytest.param(receipt(5, "2026-11-27"), 3, id="overdue"),
        pytest.param(receipt(5, "2026-12-04", first="2026-12-01", status="delayed"), 3, id="moved to a later day"),
        pytest.param(receipt(5, "2026-11-28", first="2026-11-25", status="delayed"), 5, id="moved, and overdue again"),
        pytest.param(receipt(5, "2026-12-01", first="2026-12-04"), 0, id="moved to an earlier day"),
        pytest.param(receipt(5, "2026-11-20", status="received"), 0, id="in, however late"),
    ],
)
def test_late_receipts(given, late):
    """Against the day that was told first."""
    shop = shop_of(product("A-1", receipts=[given]))
    assert business(shop, "receipt", ("A-1", "PO-1"), NOON)["receipt_late_days"].value == late
    assert business(shop, "receipt", ("A-1", "PO-2"), NOON)["receipt_late_days"].why == "no such delivery is known"


def test_all_things_are_listed():
    """What the judge makes measures of."""
    shop = shop_of(
        *days(TODAY, web={"orders": 1}),
        product(
            "A-1",
            stock=1,
            receipts=[receipt(5, "2026-12-04", location="L"), receipt(5, "2026-11-04", status="received")],
        ),
    )
    assert {
        subject: [*things(shop, subject)] for subject in ("shop", "product", "receipt", "channel", "plan", "location")
    } == {
        "shop": [()],
        "product": [("A-1",)],
        "receipt": [("A-1", "PO-1")],
        "channel": [("web",)],
        "plan": [],
        "location": [("",), ("L",)],
    }
    assert capacity_of(shop, TODAY) is None
