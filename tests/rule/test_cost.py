"""What a rule is estimated to cost is what it keeps: no less, and not a multiple of it."""

from zoneinfo import ZoneInfo

import pytest

from lockstep.judge.judge import EXPIRE_EVERY_US
from lockstep.judge.rule_facts import rule_facts
from lockstep.measure.history import BUCKETS_PER_BLOCK
from lockstep.rule import cost
from lockstep.rule.language.load import load_texts
from lockstep.text.rfc3339 import SECOND

MEASURES = """\
measures:
  orders: {count: order.placed}
  sessions: {count: traffic.session}
  stock: {last: available, of: stock.level}
rules:
  - name: R
    by: [channel]
    """
HOUR, DAY, WEEK = 3_600, 86_400, 7 * 86_400


@pytest.mark.parametrize(
    ("condition", "read_s", "looks"),
    [
        pytest.param("threshold: {measure: orders, window: 15m, above: 5}", 900, 2, id="a threshold: its window"),
        pytest.param("absence: {measure: orders, window: 2h}", 2 * HOUR, 2, id="an absence: its window"),
        pytest.param(
            "spike: {measure: orders, window: 15m, above: 3x, at_least: 5, usual_at_least: 1,"
            " baseline: {previous: 6h}}",
            900 + 6 * HOUR, 3, id="a spike: its window and the stretch before",
        ),
        pytest.param(
            "spike: {measure: orders, window: 15m, above: 3x, at_least: 5, usual_at_least: 1,"
            " baseline: {same_time_of_week: 6}}",
            6 * WEEK + HOUR + 900, 14, id="the same time of six weeks, and a change of clocks",
        ),
        pytest.param(
            "change: {measure: orders, by: 40%, window: 1h}", 2 * HOUR, 3, id="a change: two windows",
        ),
        pytest.param(
            "ratio: {measure: orders, of: sessions, window: 1h, below: 1%, of_at_least: 50}", HOUR, 2, id="a ratio",
        ),
        pytest.param(
            "all: [{threshold: {measure: orders, window: 15m, above: 5}},"
            " {threshold: {measure: sessions, window: 1h, above: 5}}]",
            HOUR, 3, id="of several conditions the furthest",
        ),
    ],
)  # fmt: skip
def test_kept_is_what_is_read(condition, read_s, looks):
    """And an hour for a change of the clocks, and the bucket itself."""
    plan = load_texts({"r.yml": MEASURES + condition + "\n"}).plan
    assert plan is not None
    (rule,) = plan.rules
    facts = rule_facts(rule, ZoneInfo("Europe/London"))
    estimated = cost.cost(rule)
    assert facts.kept_s == estimated.kept_s == read_s + HOUR + 60
    assert (estimated.looks_an_hour, estimated.looks_an_event) == (60, looks)
    assert estimated.buckets == len(facts.flows) * ((estimated.kept_s + 6 * HOUR) // 60 + 240)


def test_what_is_forgotten_when():
    """The estimate knows the judge's rhythm and the size of a block."""
    assert cost.EXPIRED_EVERY_S * SECOND == EXPIRE_EVERY_US
    assert cost.BUCKETS_A_BLOCK == BUCKETS_PER_BLOCK
