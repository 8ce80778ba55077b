"""What the ledger notes beside counts: how far the facts go, and since when a lead time is so."""

import msgspec
from shop_build import NOON, TODAY, at, history, shop_of, today

from lockstep.shop.business import business
from lockstep.shop.facts import DayFacts, key_of
from lockstep.shop.forecast import expected_day
from lockstep.shop.ledger import Ledger


def micros(moment):
    return round(moment.timestamp()) * 1_000_000


def test_a_quiet_afternoon_is_seen():
    """Facts that go on to 18:00 without an order say that none came; before, nothing was known of it."""
    shop = shop_of(*history(whole={"orders": 100}), *today("12:00", whole={"orders": 26}))
    assert expected_day(shop, TODAY, at("18:00")).value == 100
    ledger = Ledger(shop)
    ledger.known_to(round(at("18:00").timestamp()))
    assert ledger.changed == {key_of(shop.day(TODAY)): shop.day(TODAY)}
    assert expected_day(shop, TODAY, at("18:00")).value == 44
    assert shop.day(TODAY).counts == {"orders": 26}


def test_a_day_of_which_nothing_came_is_known_to_be_empty():
    shop = shop_of()
    Ledger(shop).known_to(round(NOON.timestamp()))
    assert shop.days == {("2026-11-30", ""): DayFacts(upto="2026-11-30T11:00:00Z", day="2026-11-30")}


def test_a_lead_time_is_new_for_28_days():
    """Told again it is not newer."""
    shop = shop_of()
    ledger = Ledger(shop)
    for day, lead in (("2026-09-01", 14), ("2026-10-20", 21), ("2026-11-20", 21)):
        data = msgspec.json.encode({"supplier": "S", "sku": "A-1", "lead_time_days": lead}).decode()
        ledger.whole("supplier.updated", data, micros(at("09:00", day)))
    assert business(shop, "product", ("A-1",), at("12:00", "2026-11-10"))["lead_time_change"].value == 7
    assert business(shop, "product", ("A-1",), NOON)["lead_time_change"].value == 0
