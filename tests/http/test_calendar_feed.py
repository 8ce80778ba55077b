"""The shop's calendar as iCalendar, read back by the library that calendars are read with."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import recurring_ical_events
from icalendar import Calendar as ICalendar
from icalendar import Event
from msgspec.structs import replace

from lockstep.adapters.http.calendar_feed.ical import DutyShift, calendar_feed
from lockstep.calendar import Day, Entry, calendar_of
from lockstep.calendar.country_holidays import country_holidays
from lockstep.shop.facts import CapacityFacts, PlanFacts, ProductFacts, Receipt
from lockstep.shop.whole_shop import Shop

ZONE = ZoneInfo("Europe/London")
NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
TOLD = "2026-03-01T09:00:00Z"
SPRING = PlanFacts(
    campaign="SPRING",
    starts="2026-03-28T10:00:00Z",
    ends="2026-03-29T19:00:00Z",
    skus=["A-1", "B, 2"],
    channels=["web"],
    expected_orders=300,
    told_at=TOLD,
    upto=TOLD,
)


def receipt(quantity: int = 500, on: str = "2026-03-25", **changed) -> Receipt:
    given = {"first_expected_on": on, "status": "planned", "purchase_order": "PO-7", "told_at": TOLD, **changed}
    return Receipt(quantity=quantity, expected_on=on, **given)


def shop(*facts, entries: tuple[Entry, ...] = ()) -> Shop:
    known = Shop(ZONE, calendar=calendar_of(entries))
    for fact in facts:
        known.put(fact)
    return known


def product(sku: str, *receipts: Receipt) -> ProductFacts:
    return ProductFacts(sku=sku, day="2026-03-20", upto=TOLD, receipts=list(receipts))


def read(known: Shop, now: datetime = NOW, **given) -> list[Event]:
    return list(ICalendar.from_ical(calendar_feed(known, now=now, **given)).walk("VEVENT"))


def the_one(known: Shop, **given) -> Event:
    (event,) = read(known, **given)
    return event


def test_a_campaign_keeps_its_place_on_the_wall_across_a_clock_change():
    """It begins in winter time and ends in summer time, each as the shop's people read it."""
    event = the_one(shop(SPRING))
    assert event["SUMMARY"] == "Campaign: SPRING"
    assert (event.start, event.end) == (
        datetime(2026, 3, 28, 10, tzinfo=ZONE),
        datetime(2026, 3, 29, 20, tzinfo=ZONE),
    )
    assert event["DTSTART"].params["TZID"] == "Europe/London"
    text = calendar_feed(shop(SPRING), now=NOW).decode()
    assert text.count("BEGIN:VTIMEZONE") == 1
    assert event["DESCRIPTION"] == "Expected: 300 orders\nChannels: web\nProducts: A-1, B, 2"


def test_whole_days_are_days():
    """From midnight to the last second: no zone moves them."""
    whole = replace(SPRING, starts="2026-06-01T00:00:00+01:00", ends="2026-06-03T23:59:59+01:00")
    event = the_one(shop(whole))
    assert (event.start, event.end) == (date(2026, 6, 1), date(2026, 6, 4))


def test_what_is_announced_anew_is_the_same_event_with_a_higher_number():
    """Its uid stays, so that a calendar moves it and shows no second one; a cancelled one says so."""
    first = the_one(shop(SPRING))
    later = the_one(
        shop(replace(SPRING, starts="2026-04-02T10:00:00Z", ends="2026-04-03T10:00:00Z", number=2, cancelled=True))
    )
    assert first["UID"] == later["UID"]
    assert (first["SEQUENCE"], later["SEQUENCE"]) == (0, 1)
    assert (first["STATUS"], later["STATUS"]) == ("CONFIRMED", "CANCELLED")
    capacity = CapacityFacts(
        starts="2026-03-28T00:00:00Z", ends="2026-03-28T23:59:59Z", orders_per_day=120, told_at=TOLD, upto=TOLD
    )
    said = the_one(shop(capacity))
    again = the_one(shop(replace(capacity, orders_per_day=80, told_at="2026-03-02T09:00:00Z")))
    assert said["SUMMARY"] == "Capacity: 120 orders a day"
    assert said["UID"] == again["UID"]
    assert said["SEQUENCE"] < again["SEQUENCE"]
    assert said["DTSTAMP"].dt < again["DTSTAMP"].dt


def test_a_delivery_is_one_event_for_its_order_and_moves_with_its_day():
    """It says how much of what, when it was first told for, and that it came in."""
    facts = product("A-1", receipt()), product("B-2", receipt(20))
    first = the_one(shop(*facts))
    assert first["SUMMARY"] == "Delivery: 520 of 2 products (PO-7)"
    assert (first.start, first.end) == (date(2026, 3, 25), date(2026, 3, 26))
    assert "500 of A-1, planned, 2026-03-25" in first["DESCRIPTION"]
    moved = [
        product(
            p.sku,
            *(
                replace(r, expected_on="2026-03-31", status="delayed", told_at="2026-03-10T00:00:00Z")
                for r in p.receipts
            ),
        )
        for p in facts
    ]
    later = the_one(shop(*moved))
    assert later["UID"] == first["UID"]
    assert later.start == date(2026, 3, 31)
    assert "first told for 2026-03-25" in later["SUMMARY"]
    assert later["SEQUENCE"] > first["SEQUENCE"]
    came = the_one(shop(product("A-1", receipt(status="received", received_at="2026-03-25T08:00:00Z"))))
    assert came["SUMMARY"] == "Delivery: 500 of A-1 (PO-7), came in"


def test_days_of_the_calendar_recur_as_they_are_written():
    """A weekday every week, a day of the year every year, a stretch once; a campaign that is a plan, too, once."""
    entries = (
        Entry("closed", "Sunday", on=(Day(weekday=6),)),
        Entry("holiday", "Christmas", on=(Day(yearly=(12, 25)),)),
        Entry("holiday", "Leap day", on=(Day(yearly=(2, 29)),)),
        Entry("campaign", "SPRING", first=date(2026, 3, 28), last=date(2026, 3, 29)),
        Entry("campaign", "SALE", first=date(2026, 6, 1), last=date(2026, 6, 2)),
        Entry("campaign", "SALE", first=date(2026, 12, 1), last=date(2026, 12, 2)),
    )
    text = calendar_feed(shop(SPRING, entries=entries), now=NOW)
    parsed = ICalendar.from_ical(text)
    uids = [str(event["UID"]) for event in parsed.walk("VEVENT")]
    assert len(uids) == len(set(uids)) == 6
    in_a_year = recurring_ical_events.of(parsed).between(date(2026, 4, 1), date(2027, 4, 1))
    titles = [str(event["SUMMARY"]) for event in in_a_year]
    assert titles.count("Closed: Sunday") == 52
    assert titles.count("Holiday: Christmas") == 1
    sales = [(event.start, event.end) for event in in_a_year if event["SUMMARY"] == "Campaign: SALE"]
    assert sales == [(date(2026, 6, 1), date(2026, 6, 3)), (date(2026, 12, 1), date(2026, 12, 3))]
    (leap,) = [event for event in parsed.walk("VEVENT") if "Leap" in event["SUMMARY"]]
    assert leap.start == date(2028, 2, 29)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("A\r\nEND:VEVENT\r\nBEGIN:VALARM", id="lines"),
        pytest.param("50 % off; shoes, \\n", id="marks"),
        pytest.param("قميص " * 40, id="long, and from right to left"),
    ],
)
def test_no_name_becomes_a_line_of_its_own(name):
    """It is read back as it was said, on one line."""
    parsed = ICalendar.from_ical(calendar_feed(shop(replace(SPRING, campaign=name)), now=NOW))
    (event,) = parsed.walk("VEVENT")
    assert event["SUMMARY"] == f"Campaign: {' '.join(name.split())}"
    assert parsed.walk("VALARM") == []


@pytest.mark.parametrize(("days", "is_there"), [(31, True), (32, False)])
def test_what_was_over_a_month_ago_is_left_out(days, is_there):
    """A campaign, a capacity, a delivery and a stretch of calendar.yml alike."""
    starts, ends = "2026-03-29T08:00:00Z", "2026-03-29T12:00:00Z"
    known = shop(
        replace(SPRING, starts=starts, ends=ends),
        CapacityFacts(upto=TOLD, starts=starts, ends=ends, orders_per_day=80.0, told_at=TOLD),
        product("A-1", receipt(on="2026-03-29")),
        entries=(Entry("closed", "Inventory", first=date(2026, 3, 29), last=date(2026, 3, 29)),),
    )
    events = read(known, now=datetime(2026, 3, 29, 12, tzinfo=UTC) + timedelta(days=days))
    assert len(events) == (4 if is_there else 0)


def test_a_delivery_of_several_products_is_on_the_day_of_the_first_that_still_comes():
    lines = [product("A-1", receipt(on="2026-03-25")), product("B-2", replace(receipt(), expected_on="2026-03-31"))]
    assert the_one(shop(*lines)).start == date(2026, 3, 25)
    came = product("A-1", receipt(on="2026-03-25", status="received", received_at="2026-03-25T08:00:00Z"))
    assert the_one(shop(came, lines[1])).start == date(2026, 3, 31)


def test_who_is_on_call_is_there_where_asked():
    shift = DutyShift("night", "ben", datetime(2026, 3, 20, 20, tzinfo=UTC), datetime(2026, 3, 21, 8, tzinfo=UTC))
    event = the_one(shop(), shifts=[shift])
    assert event["SUMMARY"] == "On call: ben (night)"
    assert event.start == shift.starts


def test_the_same_shop_makes_the_same_bytes():
    """So that who asks again is told that nothing changed."""
    assert calendar_feed(shop(SPRING), now=NOW) == calendar_feed(shop(SPRING), now=NOW)


def test_the_holidays_of_a_country_are_there_for_two_years():
    """Those of every year recur; the others are known for decades, and the calendar is asked for again each hour."""
    known = Shop(ZONE, calendar=calendar_of((), public=country_holidays("DE-BY")))
    events = read(known)
    days = sorted(event.start for event in events if event["SUMMARY"] == "Holiday: Good Friday")
    assert days == [date(2026, 4, 3), date(2027, 3, 26)]
    (christmas,) = [event for event in events if event["SUMMARY"] == "Holiday: Christmas Day"]
    assert (christmas.start, christmas["RRULE"]["FREQ"]) == (date(2026, 12, 25), ["YEARLY"])
    assert all(event["CATEGORIES"].cats == ["Holiday"] for event in events)
