"""Days that there are not, from events that were taken before the door refused them: put aside, and nothing stops."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from judge_pipeline import Pipeline
from test_book import RULES, START, event

from lockstep.event import TYPES
from lockstep.rule.condition.kinds import Plan
from lockstep.rule.language.load import load_texts
from lockstep.shop.facts import ProductFacts, decode
from lockstep.shop.series import SHOP_SERIES
from lockstep.shop.shop_settings import ShopSettings

MORE = """
  - name: LateReceipt
    by: [sku, purchase_order]
    threshold: {measure: receipt_late_days, at_least: 2}
  - name: Expiring
    by: [sku]
    threshold: {measure: days_to_expiry, at_most: 7}
  - name: PlanInTrouble
    by: [campaign]
    threshold: {measure: plan_trouble, at_least: 1}
"""
IMPOSSIBLE = {
    "a receipt": (b"2026-04-24", b"2026-02-30"),
    "the last day of a lot": (b"2026-05-25", b"2027-02-29"),
    "the start of a campaign": (b"2026-04-07T00:00:00Z", b"0001-01-01T00:00:00Z"),
    "the end of a campaign": (b"2026-04-08T00:00:00Z", b"9999-12-31T23:59:59Z"),
    "the end of a capacity": (b"2026-04-09T00:00:00Z", b"9999-12-31T23:59:59Z"),
}
"""What an event named, as all of this program name it → what an older program let through, of the same length."""


@pytest.fixture(scope="module")
def plan() -> Plan:
    loaded = load_texts({"rules.yml": RULES + MORE})
    assert not [f for f in loaded.faults if f.level == "error"], loaded.faults
    made = replace(loaded.plan, shop=ShopSettings(currency="GBP", capacity_per_day=60))
    return replace(made, series=tuple(dict.fromkeys((*made.series, *SHOP_SERIES))))


def begin(pipeline: Pipeline) -> None:
    """A shop that names a day of each kind, as samples that no judge has read."""
    told: list[tuple[str, dict[str, Any]]] = [
        ("stock.level", {"sku": "A-1", "available": 9, "location": "north"}),
        (
            "stock.receipt",
            {"sku": "A-1", "quantity": 5, "expected_on": "2026-04-24", "status": "planned", "purchase_order": "PO-1"},
        ),
        ("stock.lot", {"sku": "A-1", "lot": "L-1", "quantity": 5, "expires_on": "2026-05-25"}),
        (
            "campaign.planned",
            {"campaign": "SPRING", "starts": "2026-04-07T00:00:00Z", "ends": "2026-04-08T00:00:00Z", "skus": ["A-1"]},
        ),
        (
            "capacity.declared",
            {"starts": "2026-04-06T00:00:00Z", "ends": "2026-04-09T00:00:00Z", "orders_per_day": 55},
        ),
    ]
    for number, (kind, data) in enumerate(told):
        assert kind in TYPES
        pipeline.arrive(event(kind, START + timedelta(minutes=2 + number), number, **data))
    pipeline.arrive(event("traffic.session", START, 10))
    line = {"sku": "A-1", "quantity": 1, "unit_price": 10}
    pipeline.arrive(event("order.placed", START, 11, order_id="1", total=10, lines=[line]))
    for source in pipeline.logs:
        pipeline.measure(source)


def end(pipeline: Pipeline) -> ProductFacts:
    """A day later."""
    pipeline.finish(START + timedelta(days=1))
    product = decode(pipeline.facts["product/A-1"])
    assert isinstance(product, ProductFacts)
    assert product.day == "2026-03-28"
    assert product.available == 9
    return product


def say(values: dict[Any, bytes], before: bytes, after: bytes) -> int:
    """Have stored values say something else; of how many."""
    named = [key for key, value in values.items() if before in value]
    for key in named:
        values[key] = values[key].replace(before, after)
    return len(named)


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_samples_that_name_an_impossible_day_are_put_aside(plan, what):
    """Once, with their topic, place and reason, whoever dies; what else the shop says is counted."""
    pipeline = Pipeline(plan)
    begin(pipeline)
    log = pipeline.samples[0]
    samples = dict(enumerate(log.values))
    assert say(samples, *IMPOSSIBLE[what]) == 1
    log.values = list(samples.values())
    pipeline.judge(0)
    pipeline.crash_judge(0)
    pipeline.judge(0)
    pipeline.cut(0)
    (dead,) = pipeline.dead
    assert (dead.topic, dead.reason) == (
        "inventory" if "campaign" not in what and "capacity" not in what else "plans",
        "data",
    )
    assert IMPOSSIBLE[what][1] in (dead.value or b"")
    assert dead.detail
    end(pipeline)
    assert len(pipeline.dead) == 1


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_impossible_days_that_wait_in_a_stored_state_are_put_aside(plan, what):
    """An older judge had taken the event, and died before its time came."""
    pipeline = Pipeline(plan)
    begin(pipeline)
    pipeline.judge(0)
    pipeline.cut(0)
    (entries,) = pipeline.stored
    assert say(entries, *IMPOSSIBLE[what]) == 1
    pipeline.take_back([entries])
    pipeline.step()
    (dead,) = pipeline.dead
    assert IMPOSSIBLE[what][1] in (dead.value or b"")
    pipeline.crash_judge(0)
    end(pipeline)
    assert len(pipeline.dead) == 1


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_impossible_days_in_stored_facts_are_left_out(plan, what):
    """An older judge had them in its facts: they are gone from its state and from the topic, all else stays."""
    pipeline = Pipeline(plan)
    begin(pipeline)
    pipeline.finish(START + timedelta(hours=2))
    (entries,) = pipeline.stored
    before = {key: decode(value) for key, value in pipeline.facts.items()}
    assert say(entries, *IMPOSSIBLE[what]) == 1
    assert say(pipeline.facts, *IMPOSSIBLE[what]) == 1
    pipeline.take_back([entries])
    end(pipeline)
    assert not [value for value in pipeline.facts.values() if IMPOSSIBLE[what][1] in value]
    assert {key.partition("/")[0] for key in before} == {"day", "product", "plan", "capacity"}
