"""What the shipped packs say of five quiet weeks and a bad Monday: each trouble is told under its rule's name."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lockstep.adapters.rule_files import load_rules, shipped_packs
from lockstep.tools.backtest.replay import episodes, replay_events

MONDAY = datetime(2026, 11, 30, tzinfo=UTC)
FIRST = MONDAY - timedelta(weeks=5)
QUIET_DAYS = [FIRST + timedelta(days=day) for day in range(35)]
TROUBLE = MONDAY - timedelta(weeks=1)
STUCK = MONDAY - timedelta(days=4)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SHOP = """
currency: EUR
key_products: [KEY-1]
marketplaces: {names: [amazon]}
packs: [PACKS]
"""


def _event(kind: str, at: datetime, **data: Any) -> dict[str, Any]:
    return {"type": kind, "time": at.isoformat().replace("+00:00", "Z"), "data": data}


def _sold(at: datetime, sku: str, quantity: int = 1, **more: Any) -> dict[str, Any]:
    lines = [{"sku": sku, "quantity": quantity, "unit_price": 10}]
    more = {"channel": "web", **more}
    return _event("order.placed", at, order_id=f"{sku}-{at:%m%d%H%M%S}", total=10 * quantity, lines=lines, **more)


def _usual(day: datetime) -> Iterator[dict[str, Any]]:
    """Two orders an hour, shipped and delivered, 500 visits a half hour, and what else is as on every day.

    In the last week one of four deliveries is late; Monday's parcels leave after 60 hours.
    """
    hours = 60 if day == MONDAY else 9
    for half in range(48):
        at = day + half * HOUR / 2
        yield _event("traffic.session", at, channel="web", count=500)
        yield _sold(at + timedelta(minutes=5), "CALM")
        if day < STUCK or day == MONDAY:
            yield _event(
                "order.shipped", at + 9 * HOUR, order_id=f"s-{half}", hours_to_ship=hours, cost=4, channel="web"
            )
        is_late = day >= TROUBLE and half % 4 == 0
        yield _event("order.delivered", at + 30 * HOUR, order_id=f"d-{half}", late=is_late, channel="web")
    noon = day + 12 * HOUR
    for number, (sku, quantity) in enumerate(
        (("LOW", 10), ("KEY-1", 10), ("RET", 10), ("MUCH", 1), ("LOT", 1), ("OUT", 1))
    ):
        yield _sold(noon, sku, quantity)
        if day < STUCK:
            yield _event(
                "order.shipped", noon + 9 * HOUR, order_id=f"n-{number}", hours_to_ship=9, cost=4, channel="web"
            )
    yield _sold(noon, "CALM", 5, channel="tv", gift_wrap=day >= TROUBLE)
    yield _event(
        "order.shipped",
        noon + 9 * HOUR,
        order_id="tv",
        hours_to_ship=9,
        cost=100 if day >= TROUBLE else 4,
        channel="tv",
    )
    for hour in (1, 7, 13, 19):
        yield _event("stock.level", day + hour * HOUR, sku="CALM", available=1500, location="home")
        yield _event("stock.level", day + hour * HOUR, sku="MUCH", available=300, location="home")
    for theme_hour in (9, 15):
        yield _event("feedback.received", day + theme_hour * HOUR, theme="sizing")
    yield _event("traffic.spend", day + 8 * HOUR, amount=20, channel="web")


def _monday() -> Iterator[dict[str, Any]]:
    for minute in range(40):
        yield _sold(MONDAY + 10 * HOUR + timedelta(minutes=minute), "CALM")
    yield _event("traffic.session", MONDAY + 10 * HOUR, channel="web", count=1500)
    yield _event(
        "capacity.declared", FIRST, starts="2026-10-26T00:00:00Z", ends="2027-01-01T00:00:00Z", orders_per_day=95
    )
    for minute in range(15):
        yield _event("feedback.received", MONDAY + 11 * HOUR + timedelta(minutes=minute), theme="sizing")
        yield _event("feedback.received", MONDAY + 11 * HOUR + timedelta(minutes=minute), theme="smell")
    yield _event("product.listed", MONDAY + 9 * HOUR, sku="NEW-1", price=5)
    yield _sold(MONDAY + 9 * HOUR, "TYPO-1")
    yield _event("traffic.spend", MONDAY + 9 * HOUR, amount=400, channel="web")


def _stock() -> Iterator[dict[str, Any]]:
    for sku in ("LOW", "KEY-1", "RET", "MUCH", "SLOW", "OUT", "LOT"):
        yield _event("product.listed", FIRST, sku=sku, price=10)
    yield _event("product.listed", FIRST, sku="CALM", price=10)
    for sku, before, now in (
        ("LOW", 900, 40),
        ("KEY-1", 900, 120),
        ("RET", 900, 400),
        ("SLOW", 60, 60),
        ("OUT", 40, 0),
        ("LOT", 500, 500),
    ):
        yield _event("stock.level", FIRST + HOUR, sku=sku, available=before, location="home")
        yield _event("stock.level", MONDAY + HOUR, sku=sku, available=now, location="home")
    yield _sold(FIRST + 2 * HOUR, "SLOW")
    yield _event(
        "stock.lot", FIRST + HOUR, sku="LOT", lot="L-1", quantity=400, expires_on="2026-12-20", location="home"
    )
    yield _event(
        "stock.receipt",
        FIRST,
        sku="LOW",
        quantity=500,
        expected_on="2026-11-27",
        status="planned",
        purchase_order="PO-1",
        location="home",
    )
    yield _event("supplier.updated", FIRST, supplier="s", lead_time_days=14, sku="LOW")
    yield _event("supplier.updated", MONDAY + HOUR, supplier="s", lead_time_days=28, sku="LOW")
    for hour in range(0, 36 * 24, 6):
        held = 5 if hour > 30 * 24 else 0
        yield _event("stock.level", FIRST + hour * HOUR, sku="CALM", available=10, location="amazon", held=held)
        if hour < 34 * 24:
            yield _event("stock.level", FIRST + hour * HOUR, sku="CALM", available=10, location="3pl")


def _campaigns() -> Iterator[dict[str, Any]]:
    yield _event(
        "campaign.planned",
        MONDAY - DAY,
        campaign="NOW",
        starts="2026-11-30T00:00:00Z",
        ends="2026-12-03T00:00:00Z",
        skus=["OUT", "LOW"],
        expected_orders=10,
    )
    yield _event(
        "campaign.planned",
        MONDAY,
        campaign="LATER",
        starts="2026-12-07T00:00:00Z",
        ends="2026-12-09T00:00:00Z",
        skus=["CALM"],
        expected_orders=5000,
    )
    yield _event("traffic.spend", MONDAY + 9 * HOUR, amount=30, channel="web", campaign="NOW")


def _last_week() -> Iterator[dict[str, Any]]:
    for day in QUIET_DAYS[-7:]:
        lines = [{"sku": "RET", "quantity": 3, "reason": "too small"}]
        yield _event("order.returned", day + 14 * HOUR, order_id=f"r-{day:%m%d}", lines=lines, total=30, channel="tv")
        yield _event("traffic.spend", day + 8 * HOUR, amount=50, channel="tv")


TOLD = {
    "OrderVolumeSpike": [{}],
    "TrafficAboveUsual": [{}],
    "ForecastMissed": [{}],
    "CapacityUsed": [{}],
    "CapacityWillNotDo": [{}],
    "LowCover": [{"sku": "LOW"}, {"sku": "OUT"}],
    "SoldOut": [{"sku": "OUT"}],
    "KeyProductLow": [{"sku": "KEY-1"}],
    "SlowMoving": [{"sku": "SLOW"}],
    "PromotedRunsLow": [{"sku": "CALM"}, {"sku": "OUT"}],
    "PromotedOutOfStock": [{"sku": "OUT"}],
    "SpendWithoutStock": [{"sku": "OUT"}],
    "PlanInTrouble": [{"campaign": "LATER"}, {"campaign": "NOW"}],
    "ReturnRate": [{"sku": "RET"}],
    "ChannelReturnRate": [{"channel": "tv"}],
    "ComplaintTheme": [{"theme": "sizing"}],
    "NewComplaint": [{"theme": "smell"}],
    "SlowToShip": [{}],
    "BacklogAges": [{}],
    "BacklogGrows": [{}],
    "LateDeliveries": [{}],
    "LocationSilent": [{"location": "3pl"}],
    "StockHeld": [{"location": "amazon"}],
    "SlowReceiving": [{"location": "home"}],
    "UnknownProduct": [{"sku": "TYPO-1"}],
    "NewProduct": [{"sku": "NEW-1"}],
    "PoorRoas": [{"channel": "tv"}],
    "SpendJump": [{"channel": "web"}],
    "CostToServe": [{"channel": "tv"}],
    "ComplexOrders": [{"channel": "tv"}],
    "LateReceipt": [{"purchase_order": "PO-1", "sku": "LOW"}],
    "LongerLeadTime": [{"sku": "LOW"}],
}
"""Rule → whom of the last week's trouble it has to name: these and no others."""
OF_THE_WHOLE_TIME = {"Expiring", "UnsoldAtExpiry"}
"""The lot is there from the first day on."""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rules")
    (folder / "shop.yml").write_text(SHOP.replace("PACKS", ", ".join(shipped_packs())))
    loaded = load_rules(folder)
    assert [str(f) for f in loaded.faults] == []
    events = [e for day in [*QUIET_DAYS, MONDAY] for e in _usual(day)]
    events += [*_monday(), *_stock(), *_campaigns(), *_last_week()]
    whole = [{"specversion": "1.0", "source": "/shop", "id": f"e{number}", **e} for number, e in enumerate(events)]
    whole = [e for e in whole if e["time"] < "2026-12-01T12"]
    transitions = replay_events(loaded.plan, whole, zone=ZoneInfo("UTC"), until=MONDAY + DAY)
    return [e for e in episodes(transitions) if e.fired is not None]


@pytest.mark.parametrize("rule", TOLD)
def test_a_rule_names_its_trouble_and_nothing_else(told, rule):
    """Once each, in the week in which it happened."""
    labels = [e.labels for e in told if e.rule == rule and datetime.fromisoformat(e.fired) >= TROUBLE]
    assert sorted(labels, key=str) == TOLD[rule]


def test_quiet_weeks_say_nothing(told):
    """But that all products are new on the first day, that there is too much of two, and what is said of the lot."""
    before = {e.rule for e in told if datetime.fromisoformat(e.fired) < TROUBLE}
    assert before == {"NewProduct", "Overstock", *OF_THE_WHOLE_TIME}
    assert sorted(e.labels["sku"] for e in told if e.rule == "Overstock") == ["MUCH", "SLOW"]
    assert {e.labels["sku"] for e in told if e.rule in OF_THE_WHOLE_TIME} == {"LOT"}
    assert {e.fired[:10] for e in told if e.rule == "NewProduct"} == {"2026-10-26", "2026-11-30"}
    assert {e.rule for e in told} == {*TOLD, "Overstock", *OF_THE_WHOLE_TIME}
