"""Every export that is known: its real header with rows of our own, and the events that come of it."""

import json
from pathlib import Path

import pytest
from converting import FIXTURES, SETTING, converted

from lockstep.adapters.convert.conversion import convert_files
from lockstep.adapters.convert.mapping import ready_mappings

EVENTS = Path(__file__).parent / "events"
"""What comes of each fixture, whole, in order, ids included."""
KNOWN_AS = {
    "amazon-fba-inventory.txt": "amazon-fba-inventory",
    "amazon-orders.txt": "amazon-orders",
    "ga4-bigquery.ndjson": "ga4-bigquery",
    "ga4-sessions-by-hour.csv": "ga4-sessions",
    "ga4-sessions.csv": "ga4-sessions",
    "google-ads-utf16.csv": "google-ads",
    "google-ads.csv": "google-ads",
    "magento-orders.csv": "magento-orders",
    "meta-ads-period.csv": "meta-ads-period",
    "meta-ads.csv": "meta-ads",
    "online-retail-ii.csv": "online-retail",
    "online-retail.csv": "online-retail",
    "shop-events.csv": "shop-events",
    "shopify-inventory-2023.csv": "shopify-inventory",
    "shopify-inventory-by-location.csv": "shopify-inventory-by-location",
    "shopify-inventory.csv": "shopify-inventory",
    "shopify-orders-older.csv": "shopify-orders",
    "shopify-orders.csv": "shopify-orders",
    "shopify-products-older.csv": "shopify-products",
    "shopify-products.csv": "shopify-products",
    "woocommerce-orders-webtoffee-older.csv": "woocommerce-orders-webtoffee",
    "woocommerce-orders-webtoffee-rows.csv": "woocommerce-orders-webtoffee-rows",
    "woocommerce-orders-webtoffee.csv": "woocommerce-orders-webtoffee",
    "woocommerce-orders.csv": "woocommerce-orders",
    "woocommerce-products.csv": "woocommerce-products",
}
"""Fixture → the mapping that knows it."""


@pytest.mark.parametrize("name", KNOWN_AS)
def test_an_export_becomes_events(name):
    """Each is one that the contract accepts, and none of its rows is refused."""
    events, refused = converted(FIXTURES / name)
    assert events == [json.loads(line) for line in (EVENTS / f"{name}.ndjson").read_text("utf-8").splitlines()]
    assert refused == []


@pytest.mark.parametrize("name", KNOWN_AS)
def test_an_export_is_known_by_its_columns(name):
    """No other mapping takes it."""
    report = convert_files([FIXTURES / name], lambda _: None, setting=SETTING)
    assert [known_as for _, known_as in report.recognised] == [KNOWN_AS[name]]


WITHOUT_CURRENCY = {"magento-orders", "shop-events"}
"""Files that name none."""


def test_money_has_its_currency():
    """Wherever a total is taken from a file, so is what it is in."""
    with_total = {
        (name, event.type, "currency" in event.data)
        for name, mapping in ready_mappings().items()
        for event in mapping.form.events
        if "total" in event.data
    }
    assert {name for name, _, has_currency in with_total if not has_currency} == WITHOUT_CURRENCY


def test_every_ready_mapping_has_an_export():
    """None is shipped that nobody has seen work."""
    assert {*KNOWN_AS.values()} == {*ready_mappings()}
    assert {path.name for path in FIXTURES.iterdir()} == {*KNOWN_AS}
    assert {path.name for path in EVENTS.iterdir()} == {f"{name}.ndjson" for name in KNOWN_AS}


@pytest.mark.parametrize("name", KNOWN_AS)
def test_nobody_is_named(name):
    """Names, addresses and telephone numbers stand in the exports, and in no event."""
    text = str(converted(FIXTURES / name)[0])
    assert not any(said in text for said in ("@", "Ada", "Bob", "Person", "Street 1", "10115", "Berlin"))


@pytest.mark.parametrize("name", KNOWN_AS)
def test_no_id_stands_twice(name):
    """Of two events with one id and source only the first would count."""
    ids = [(event["source"], event["id"]) for event in converted(FIXTURES / name)[0]]
    assert len(set(ids)) == len(ids)


def test_what_is_of_several_days_is_refused(tmp_path):
    """A month of spend in one minute would be a spike in every rule."""
    path = tmp_path / "month.csv"
    path.write_text(
        (FIXTURES / "meta-ads-period.csv").read_text().replace("2026-11-01,2026-11-01", "2026-11-01,2026-11-30")
    )
    assert converted(path) == (
        [],
        [
            "2 refused: it is of several days together; export it with the breakdown Day, or one day at a time "
            "(month.csv:2, month.csv:3)"
        ],
    )
