"""What the ledger notes beside counts: how far the facts go, and since when a lead time is so."""

import dataclasses
from datetime import date

import msgspec
from msgspec.structs import replace
from shop_build import NOON, TODAY, at, history, shop_of, today

from lockstep.calendar import PlannedCampaign, PlannedCapacity, calendar_of
from lockstep.shop.business import business
from lockstep.shop.facts import DayFacts, key_of
from lockstep.shop.forecast import expected_day
from lockstep.shop.ledger import Ledger
from lockstep.shop.subjects.capacity import capacity_of
from lockstep.text.feed_address import FeedAddress


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


# ---- what calendar.yml says -----------------------------------------------------------------------------------------

SECOND_SHIFT = PlannedCapacity("second shift", date(2026, 12, 4), date(2026, 12, 5), 420)
WINTER = PlannedCampaign("WINTER", date(2026, 12, 4), date(2026, 12, 5), skus=("A-1",), expected_orders=90)
SECOND = round(NOON.timestamp())


def taken(ledger, *, planned=(), capacity=(), second=SECOND):
    """The keys of what has changed by a calendar with these."""
    ledger.changed.clear()
    ledger.from_calendar(calendar_of((), planned=planned, capacity=capacity), second)
    return set(ledger.changed)


def test_the_calendar_announces_campaigns_and_capacity():
    """Whole days of the shop's time zone, told at the instant at which it was taken; a second time changes nothing."""
    ledger = Ledger(shop_of())
    assert taken(ledger, planned=[WINTER], capacity=[SECOND_SHIFT]) == {
        "plan/WINTER",
        "capacity/2026-12-03T23:00:00Z",
    }
    plan, shift = ledger.shop.plans["WINTER"], ledger.shop.capacities["2026-12-03T23:00:00Z"]
    assert (plan.starts, plan.ends, plan.told_at) == (
        "2026-12-03T23:00:00Z",
        "2026-12-05T22:59:59Z",
        "2026-11-30T11:00:00Z",
    )
    assert (plan.skus, plan.expected_orders, plan.number, plan.source) == (["A-1"], 90, 1, "calendar")
    assert (shift.ends, shift.orders_per_day, shift.source) == ("2026-12-05T22:59:59Z", 420, "calendar")
    for day, expected in ((date(2026, 12, 3), None), (date(2026, 12, 4), 420), (date(2026, 12, 5), 420)):
        known = capacity_of(ledger.shop, day)
        assert (known and known.orders) == expected
    ledger.shop.put(replace(plan, verdict="yes"))
    assert taken(ledger, planned=[WINTER], capacity=[SECOND_SHIFT], second=SECOND + 3600) == set()


def test_another_calendar_announces_again_what_differs():
    ledger = Ledger(shop_of())
    taken(ledger, planned=[WINTER], capacity=[SECOND_SHIFT])
    more = dataclasses.replace(WINTER, expected_orders=120)
    assert taken(ledger, planned=[more], capacity=[SECOND_SHIFT], second=SECOND + 60) == {"plan/WINTER"}
    plan = ledger.shop.plans["WINTER"]
    assert (plan.number, plan.expected_orders, plan.told_at) == (2, 120, "2026-11-30T11:01:00Z")


def test_what_the_calendar_says_no_more_is_cancelled_while_it_is_not_over():
    """A campaign that is over teaches what campaigns bring, so it stays."""
    ledger = Ledger(shop_of())
    over = PlannedCampaign("OCTOBER", date(2026, 10, 4), date(2026, 10, 5), skus=("A-1",))
    taken(ledger, planned=[WINTER, over], capacity=[SECOND_SHIFT])
    ledger.changed.clear()
    ledger.from_calendar(None, SECOND + 60)
    assert ledger.changed.keys() == {"plan/WINTER", "capacity/2026-12-03T23:00:00Z"}
    assert ledger.changed["capacity/2026-12-03T23:00:00Z"] is None
    assert not ledger.shop.capacities
    assert {p.campaign: p.cancelled for p in ledger.shop.plans.values()} == {"WINTER": True, "OCTOBER": False}
    assert taken(ledger, planned=[WINTER], second=SECOND + 120) == {"plan/WINTER"}
    assert not ledger.shop.plans["WINTER"].cancelled


def test_a_plan_of_a_feed_is_cancelled_when_the_feed_has_been_read_and_no_longer_has_it():
    """Not while a calendar has not been fetched: nobody knows what it says."""
    ledger = Ledger(shop_of())
    fed = dataclasses.replace(WINTER, source="feed-calendar.example.com-1")
    taken(ledger, planned=[fed])
    assert ledger.shop.plans["WINTER"].source == "feed-calendar.example.com-1"
    unread = calendar_of((), feeds=[FeedAddress("https://calendar.example.com/a.ics")], is_whole=False)
    ledger.from_calendar(unread, SECOND + 60)
    assert not ledger.shop.plans["WINTER"].cancelled
    ledger.from_calendar(calendar_of((), feeds=[FeedAddress("https://calendar.example.com/a.ics")]), SECOND + 120)
    assert ledger.shop.plans["WINTER"].cancelled
    assert ledger.shop.plans["WINTER"].number == 2


def test_an_event_stands_above_the_calendar():
    """Whether it comes before the calendar is taken or after it."""
    said = msgspec.json.encode(
        {"campaign": "WINTER", "starts": "2026-12-06T00:00:00Z", "ends": "2026-12-07T00:00:00Z", "skus": ["B-2"]}
    ).decode()
    declared = msgspec.json.encode(
        {"starts": "2026-12-03T23:00:00Z", "ends": "2026-12-04T22:59:59Z", "orders_per_day": 7}
    ).decode()
    for calendar_first in (True, False):
        ledger = Ledger(shop_of())
        if calendar_first:
            taken(ledger, planned=[WINTER], capacity=[SECOND_SHIFT])
        ledger.whole("campaign.planned", said, micros(NOON))
        ledger.whole("capacity.declared", declared, micros(NOON))
        assert taken(ledger, planned=[WINTER], capacity=[SECOND_SHIFT], second=SECOND + 60) == set()
        ledger.from_calendar(None, SECOND + 120)
        assert (ledger.shop.plans["WINTER"].skus, ledger.shop.plans["WINTER"].cancelled) == (["B-2"], False)
        assert ledger.shop.capacities["2026-12-03T23:00:00Z"].orders_per_day == 7
