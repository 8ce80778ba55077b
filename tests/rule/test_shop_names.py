"""Names of the shop in texts: with their units, in words where they are not known, found where they are mistyped."""

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from test_business_measures import _judged, _transition

from lockstep.notify.message import Writer
from lockstep.rule.condition.kinds import series_of_condition
from lockstep.rule.language.load import load_texts
from lockstep.shop.names import NAMES
from lockstep.shop.shop_settings import ShopSettings

HANDBOOK = Path(__file__).parents[2] / "rules" / "README.md"
RULE = """\
measures: {stock: {last: available, of: stock.level}, orders: {count: order.placed}}
rules:
  - name: A
    by: [sku, channel, campaign, location, purchase_order]
    threshold: {measure: orders, window: 1h, above: 9}
    say: {summary: 'TEXT'}
"""
FACTS = {
    "room_left": 180,
    "days_of_cover": 4.5,
    "conversion": 0.0312,
    "order_value": 34.5,
    "currency": "EUR",
    "campaigns": "SUMMER until Sat 5 Dec",
    "visits_for_room": 5800,
    "expected_today": 1,
}


def _plan(text):
    loaded = load_texts({"r.yml": RULE.replace("TEXT", text)})
    assert [str(f) for f in loaded.faults if f.level == "error"] == []
    return loaded.plan


def _said(text, facts):
    (rule,) = _plan(text).rules
    transition = msgspec.structs.replace(_transition(rule, {"sku": "A-1"}, _judged("orders", 12, 9)), shop=facts)
    writer = Writer(ZoneInfo("UTC"))
    said = writer.headline(transition, rule)
    assert writer.reports == {}
    return said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("room for {{ room_left }}", "room for 180 orders"),
        ("{{ expected_today }} comes", "1 order comes"),
        ("{{ room_left | number }} of {{ visits_for_room | number }}, {{ conversion | number }}", "180 of 5,800, 3.1%"),
        ("{{ next_receipt_quantity | number }}", "no delivery of it is planned"),
        ("lasts {{ days_of_cover }}, about {{ days_of_cover | round }}", "lasts 4.5 days, about 5 days"),
        ("{{ conversion }} buy, {{ conversion | percent(1) }}", "3.1% buy, 3.1%"),
        ("an order is {{ order_value }}, {{ order_value | round }}", "an order is 34.50 EUR, 35 EUR"),
        ("{{ campaigns }}", "SUMMER until Sat 5 Dec"),
        ("{% if room_left %}≈ {{ visits_for_room }}{% endif %}", "≈ 5,800 visits"),
        ("{{ labels.sku }}: {{ next_receipt }}", "A-1: no delivery of it is planned"),
        ("{{ gap_days | round }}", "no delivery of it is planned"),
        ('{{ money_at_stake | money("€") }}', "what is at stake cannot be told in money"),
    ],
)
def test_a_text_names_the_shop_s_numbers(text, said):
    """As the alert carries them; what it does not know is said in words, filtered or not."""
    assert _said(text, FACTS) == said


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_that_knows_nothing_of_the_shop_has_words_for_each_name(name):
    """One of an older program, or of before there was a shop: never blank, never a fault."""
    assert _said(f"x {{{{ {name} }}}}", {}) == f"x {NAMES[name].absent}"


def test_a_rule_whose_texts_name_the_shop_is_judged_where_its_facts_are():
    """All that it reads is on the partition of the constant key, and the shop's facts are kept."""
    plan = _plan("room for {{ room_left }}")
    assert [s.key for s in series_of_condition(plan.rules[0].condition)] == [()]
    assert plan.shop == ShopSettings()
    plan = _plan("none for {{ value }}")
    assert [s.key for s in series_of_condition(plan.rules[0].condition)] == [None]
    assert plan.shop is None


def test_the_handbook_names_each():
    """With what it is of, an example, and the words for when it is not known."""
    section = HANDBOOK.read_text().partition("### What it means for the shop\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \| (.*) \| (.*) \|$", section, re.MULTILINE)
    expected = [(n.name, n.of and f"`{n.of}`", n.meaning, n.example, n.absent) for n in NAMES.values()]
    assert rows == expected
