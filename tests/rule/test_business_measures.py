"""Business measures in rules: used by name, levels on one partition, counted in their units."""

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from lockstep.measure.definition import Aggregate
from lockstep.notify.message import Writer
from lockstep.rule.condition.kinds import Severity, Threshold, series_of_condition
from lockstep.rule.judged_verdict import Judged
from lockstep.rule.language.form import json_schema
from lockstep.rule.language.load import load_texts
from lockstep.rule.versions import Version, in_force
from lockstep.shop.catalogue import BUSINESS, SOURCE, SUBJECTS, business_of
from lockstep.shop.shop_settings import ShopSettings
from lockstep.transition import Transition, TransitionName

HANDBOOK = Path(__file__).parents[2] / "rules" / "README.md"


def _plan(text):
    loaded = load_texts({"r.yml": text})
    assert [str(f) for f in loaded.faults] == []
    return loaded.plan


def _threshold(name, by, bound):
    return f"rules: [{{name: A, by: [{by}], threshold: {{measure: {name}, {bound}}}}}]\n"


def _judged(of, value, limit, unit=""):
    return Judged(
        kind="threshold",
        of=of,
        verdict="breach",
        value=value,
        baseline=None,
        baseline_of="",
        ratio=None,
        limit=limit,
        limit_of="",
        window_start=None,
        window_end=None,
        counts={},
        asked={},
        unit=unit,
    )


def _transition(rule, labels, judged):
    return Transition(
        transition_id="t",
        alert_id="a",
        episode_id="e",
        number=1,
        rule=rule.name,
        labels=labels,
        state=TransitionName.FIRING,
        at="2026-11-30T12:00:00Z",
        started_at="2026-11-30T12:00:00Z",
        severity=Severity.WARNING.word,
        value=judged.value,
        baseline=None,
        ratio=None,
        limit=judged.limit,
        window_start=None,
        window_end=None,
        so_far=False,
        watermark=None,
        rule_version=rule.version,
        explanation=judged,
    )


def test_a_rule_reads_one_by_its_name():
    """No measure is declared; what it reads is a level of the shop on the partition of the constant key."""
    plan = _plan(_threshold("days_of_cover", "sku", "at_most: 7"))
    (rule,) = plan.rules
    (series,) = series_of_condition(rule.condition)
    assert isinstance(rule.condition, Threshold)
    assert (series.aggregate, series.event_type, series.source) == (Aggregate.LAST, "shop.product", SOURCE)
    assert (series.field, series.by, series.key, series.bucket_s) == ("days_of_cover", ("sku",), (), 0)
    assert business_of(series) is BUSINESS["days_of_cover"]
    assert (rule.bucket_s, plan.shop) == (0, ShopSettings())


@pytest.mark.parametrize("name", BUSINESS)
def test_each_is_by_the_labels_of_its_subject(name):
    """And by nothing else, however a rule spells them."""
    labels = SUBJECTS[BUSINESS[name].subject]
    (rule,) = _plan(_threshold(name, ", ".join(labels), "at_least: 0.5")).rules
    (series,) = series_of_condition(rule.condition)
    assert (series.by, series.key) == (tuple(sorted(labels)), ())


def test_what_one_rule_joins_meets_where_the_shop_is():
    """A flow by product beside a measure of the whole shop: both are on the partition of the constant key."""
    plan = _plan(
        """\
measures:
  orders: {count: order.placed}
  stock: {last: available, of: stock.level}
  rest: {formula: capacity_today - expected_today}
rules:
  - name: A
    by: [sku]
    all:
      - threshold: {measure: orders, window: 1h, at_least: 20}
      - threshold: {measure: stock, below: {measure: room_left, by: []}}
      - threshold: {measure: days_of_cover, at_most: 3}
      - threshold: {measure: rest, by: [], at_least: 0}
  - name: B
    by: [sku]
    threshold: {measure: orders, window: 1h, at_least: 50}
"""
    )
    joined, alone = (series_of_condition(rule.condition) for rule in plan.rules)
    keys = {(s.name, s.by): s.key for s in joined if s.source == SOURCE or s.name == "stock"}
    assert keys == {
        ("stock", ("sku",)): (),
        ("room_left", ()): (),
        ("days_of_cover", ("sku",)): (),
        ("capacity_today", ()): (),
        ("expected_today", ()): (),
    }
    assert [s.key for s in (*joined, *alone) if s.name == "orders"] == [(), None]


def test_a_plan_without_them_knows_no_shop():
    """Nobody keeps the shop's facts for a rule that does not ask for them."""
    plan = _plan("measures: {orders: {count: order.placed}}\n" + _threshold("orders", "", "window: 1h, above: 9"))
    assert plan.shop is None


def test_a_version_keeps_its_shop_until_its_border():
    """Business measures before the border are those of the settings that were in force."""
    old = _plan(_threshold("days_of_cover", "sku", "at_most: 7"))
    new = _plan("measures: {orders: {count: order.placed}}\n" + _threshold("orders", "", "window: 1h, above: 9"))
    plan = in_force([Version(new, None), Version(old, 600), Version(new, 1200)])
    assert [plan.shop_at(second) for second in (60, 600, 660, 1200, 1260)] == [
        *(None, None),
        *(ShopSettings(), ShopSettings()),
        None,
    ]
    assert plan.shop is None


@pytest.mark.parametrize(
    ("name", "by", "labels", "value", "said"),
    [
        ("days_of_cover", "sku", {"sku": "A-1"}, 6.4, "A, A-1: 6.4 days, the limit is 365 days"),
        ("channel_conversion", "channel", {"channel": "web"}, 0.031, "A, web: 3.1%, the limit is 36,500%"),
        ("cost_to_serve", "channel", {"channel": "web"}, 7.25, "A, web: 7.25 EUR, the limit is 365 EUR"),
        ("spend_change", "channel", {"channel": "web"}, 3.5, "A, web: 3.5x, the limit is 365x"),
        ("backlog_age", "", {}, 30, "A, the whole shop: 30 hours, the limit is 365 hours"),
        ("room_left", "", {}, 180, "A, the whole shop: 180 orders, the limit is 365 orders"),
    ],
)
def test_a_message_counts_it_in_its_unit(name, by, labels, value, said):
    """Days, money, percents, multiples and numbers of things say what they are."""
    (rule,) = _plan(_threshold(name, by, "at_most: 365")).rules
    judged = _judged(name, value, 365, "%" if name == "channel_conversion" else "")
    assert Writer(ZoneInfo("UTC"), currency="EUR").headline(_transition(rule, labels, judged), rule) == said


def test_a_text_says_the_unit():
    """`{{ value }}` of a business measure is read as it is counted."""
    text = 'rules: [{name: A, by: [sku], threshold: {measure: days_of_cover, at_most: 7}, say: {summary: "%s"}}]\n'
    (rule,) = _plan(text % "{{ labels.sku }}: {{ value }}, of {{ limit | round }}").rules
    judged = _judged("days_of_cover", 6.4, 7)
    writer = Writer(ZoneInfo("UTC"), currency="EUR")
    assert writer.headline(_transition(rule, {"sku": "A-1"}, judged), rule) == "A-1: 6.4 days, of 7 days"


def test_money_of_the_shop_is_in_its_currency():
    """As the alert carries it; the service's own is for what events say."""
    (rule,) = _plan(_threshold("cost_to_serve", "channel", "at_most: 365")).rules
    transition = _transition(rule, {"channel": "web"}, _judged("cost_to_serve", 7.25, 365))
    told = msgspec.structs.replace(transition, shop={"currency": "USD"})
    assert Writer(ZoneInfo("UTC"), currency="EUR").headline(told, rule) == "A, web: 7.25 USD, the limit is 365 USD"


def test_the_handbook_names_each():
    """With its labels, its unit and its sentence."""
    section = HANDBOOK.read_text().partition("## Business measures\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \| (.*) \|$", section, re.MULTILINE)
    expected = [
        (b.name, f"`[{', '.join(b.labels)}]`" if b.labels else "the whole shop", b.unit or "a number", b.meaning)
        for b in BUSINESS.values()
    ]
    assert rows == expected


def test_editors_complete_and_explain_them():
    """The schema names each with its sentence and its labels, and allows any other name."""
    choices = json_schema()["$defs"]["MeasureName"]["anyOf"]
    assert choices[-1] == {"type": "string"}
    said = {choice["const"]: choice["description"] for choice in choices[:-1]}
    assert said.keys() == BUSINESS.keys()
    assert said["days_of_cover"].startswith("Days until it is sold out")
    assert said["days_of_cover"].endswith("By ['sku']")
