"""Rules of Prometheus: what each form becomes, what has none, and what is judged otherwise."""

import pytest
from converted_rules import document, only_rule, prometheus, reason, translate

ORDERS = {"orders": {"count": "order.placed"}}
STOCK = {"stock": {"last": "available", "of": "stock.level"}}
VIEWS = {"product_views": {"count": "product.viewed"}}


@pytest.mark.parametrize(
    ("expression", "rule", "measures"),
    [
        pytest.param(
            "sum by (channel) (increase(shop_orders_total[1h])) > 100",
            {"by": ["channel"], "threshold": {"measure": "orders", "window": "1h", "above": 100}},
            ORDERS,
            id="an increase above a number",
        ),
        pytest.param(
            "100 <= sum(increase(orders_total[90m])) by (channel, instance)",
            {"by": ["channel"], "threshold": {"measure": "orders", "window": "1h30m", "at_least": 100}},
            ORDERS,
            id="a number first, and a label of scraping",
        ),
        pytest.param(
            "sum(rate(orders_total[5m])) < 0.1",
            {"threshold": {"measure": "orders", "window": "5m", "below": 30}},
            ORDERS,
            id="a rate is one per second",
        ),
        pytest.param(
            "sum(rate(orders_total[5m])) * 60 > 12",
            {"threshold": {"measure": "orders", "window": "5m", "above": 60}},
            ORDERS,
            id="a rate per minute",
        ),
        pytest.param(
            "(sum(increase(orders_total[1h])) or vector(0)) < 5",
            {"threshold": {"measure": "orders", "window": "1h", "below": 5}},
            ORDERS,
            id="nothing is 0 without being asked",
        ),
        pytest.param(
            'sum(increase(orders_total{channel=~"web|app.*", country="DE", job="x"}[1h])) > 1',
            {"threshold": {"measure": "orders_web_app_DE", "window": "1h", "above": 1}},
            {
                "orders_web_app_DE": {
                    "count": "order.placed",
                    "where": {"channel": ["web", "app*"], "country": "DE"},
                }
            },
            id="matchers are where",
        ),
        pytest.param(
            "sum by (sku) (shop_stock_available) < 20",
            {"by": ["sku"], "threshold": {"measure": "stock", "below": 20}},
            STOCK,
            id="a gauge is a level",
        ),
        pytest.param(
            "absent(orders_total)",
            {"absence": {"measure": "orders", "window": "5m"}},
            ORDERS,
            id="absent looks back five minutes",
        ),
        pytest.param(
            "absent_over_time(orders_total[2h]) == 1",
            {"absence": {"measure": "orders", "window": "2h"}},
            ORDERS,
            id="absent over time",
        ),
        pytest.param(
            "sum by (channel) (increase(orders_total[2h])) == 0",
            {"by": ["channel"], "absence": {"measure": "orders", "window": "2h"}},
            ORDERS,
            id="an increase of nothing is an absence",
        ),
        pytest.param(
            "sum(rate(payments_failed_total[15m])) / sum(rate(orders_total[15m])) * 100 > 5",
            {
                "ratio": {
                    "measure": "payment_failures",
                    "of": "orders",
                    "window": "15m",
                    "of_at_least": 1,
                    "above": 0.05,
                }
            },
            {"payment_failures": {"count": "payment.failed"}, **ORDERS},
            id="a ratio in percent",
        ),
        pytest.param(
            "sum(increase(orders_total[1h])) < 0.5 * sum(increase(orders_total[1h] offset 1w))",
            {
                "spike": {
                    "measure": "orders",
                    "window": "1h",
                    "baseline": {"same_time_of_week": 1},
                    "below": "0.5x",
                    "usual_at_least": 1,
                }
            },
            ORDERS,
            id="less than half of a week ago",
        ),
        pytest.param(
            "sum(increase(orders_total[1h])) / sum(increase(orders_total[1h] offset 1h)) > 3",
            {
                "spike": {
                    "measure": "orders",
                    "window": "1h",
                    "baseline": "previous",
                    "above": "3x",
                    "at_least": 1,
                    "usual_at_least": 1,
                }
            },
            ORDERS,
            id="three times the hour before",
        ),
        pytest.param(
            "sum by (sku) (stock_available) < 2 * sum by (sku) (increase(product_views_total[1h]))",
            {
                "by": ["sku"],
                "threshold": {"measure": "stock", "below": {"measure": "product_views", "window": "1h", "times": 2}},
            },
            {**STOCK, **VIEWS},
            id="a number that is another measure",
        ),
        pytest.param(
            "sum by (sku) (stock_available) == 0 and on (sku) sum by (sku) (increase(product_views_total[1h])) > 20",
            {
                "by": ["sku"],
                "all": [
                    {"threshold": {"measure": "stock", "at_most": 0}},
                    {"threshold": {"measure": "product_views", "window": "1h", "above": 20}},
                ],
            },
            {**STOCK, **VIEWS},
            id="and",
        ),
        pytest.param(
            "sum(increase(orders_total[1h])) < 5 unless sum(increase(sessions_total[1h])) < 100",
            {
                "all": [
                    {"threshold": {"measure": "orders", "window": "1h", "below": 5}},
                    {"not": {"threshold": {"measure": "sessions", "window": "1h", "below": 100}}},
                ]
            },
            {**ORDERS, "sessions": {"count": "traffic.session"}},
            id="unless",
        ),
        pytest.param(
            "predict_linear(stock_available[7d], 3 * 86400) < 0",
            {"projection": {"measure": "stock", "reaches": 0, "within": "3d", "window": "7d"}},
            STOCK,
            id="predict_linear",
        ),
        pytest.param(
            "delta(stock_available[1h]) < -50",
            {"change": {"measure": "stock", "by": 50, "window": "1h", "direction": "down"}},
            STOCK,
            id="delta",
        ),
    ],
)
def test_a_form_becomes(expression, rule, measures):
    """The same condition, with its measures; and `check` takes it."""
    assert only_rule(translate([prometheus(expression)])) == (rule, measures)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("node_load1 > 4", "not known which events of a shop the metric 'node_load1' counts"),
        ("orders_failed_total > 4", "not known which events"),
        ("increase(orders_processing_seconds_count[1h]) > 4", "not known which events"),
        ("orders_total > 100", "as it stands grows until its process ends"),
        ("rate(stock_available[5m]) > 1", "which is a level here"),
        ("histogram_quantile(0.9, sum(rate(x_bucket[5m])) by (le)) > 1", "histogram_quantile() has no equivalent"),
        ("max(stock_available) < 1", "`max` over series has no equivalent"),
        ("sum without (sku) (stock_available) < 1", "`sum without` leaves labels"),
        ('increase(orders_total{channel!="web"}[1h]) > 1', '`channel!="web"` has no equivalent'),
        ('increase(orders_total{channel=~"w.b"}[1h]) > 1', "`where` takes values and beginnings"),
        ("increase(orders_total[1h]) > bool 1", "`bool` makes its comparison 0 or 1"),
        ("increase(orders_total[1h:5m]) > 1", "a subquery has no equivalent"),
        ("increase(orders_total[1h] @ 100) > 1", "`@` has no equivalent"),
        ("increase(orders_total[1h])", "it compares nothing"),
        ("increase(orders_total[1h]) != 3", "`!= 3` has no equivalent"),
        ("increase(orders_total[1h]) > increase(orders_total[1h] offset 3h)", "an offset of 3h is no baseline"),
        ("sum by (sku) (stock_available) < 1 and sum(increase(orders_total[1h])) > 1", "different labels"),
        ("orders:rate5m > 1", "not known which events"),
        ("sum(stock_available) * sum(price) > 1", "`sum(stock_available) * sum(price)` has no equivalent"),
        ("sum(2 / stock_available) > 1", "`2 / stock_available` has no equivalent"),
        ("-stock_available > 1", "has no equivalent"),
        ("sum(((", "is no PromQL: unclosed left parenthesis"),
        ("a" + " + a" * 2000 + " > 1", "at most 2,000 are read"),
    ],
)
def test_what_has_no_equivalent_says_why(expression, why):
    """And nothing is written in its place."""
    assert why in reason(translate([prometheus(expression)]))


def test_what_its_owner_says_a_metric_counts():
    """Is taken, whatever the metric is called."""
    said = {"sold_things": {"sum": "lines.quantity", "of": "order.placed"}}
    rule, measures = only_rule(translate([prometheus("sum by (sku) (increase(sold_things[1d])) > 9")], said))
    assert rule == {"by": ["sku"], "threshold": {"measure": "sold_things", "window": "1d", "above": 9}}
    assert measures == said


def test_name_labels_annotations_and_lengths_are_kept():
    """Each where ours has a place for it; what has none is a comment."""
    text = """\
groups:
  - name: shop
    limit: 3
    labels: {team: shop}
    rules:
      - alert: Low stock!
        expr: stock_available < 20
        for: 5m
        keep_firing_for: 1h30m
        labels: {severity: page, tier: "1"}
        annotations:
          summary: '{{ $labels.sku }} at {{ $labels.instance }}: {{ $value | humanize }} {% raw %} {{ "{{" }}'
          description: 'of {{ printf "%.1f" $value }}, {{ $value | humanizePercentage }}'
          runbook_url: https://wiki.example.com/low
          dashboard: https://grafana.example.com/d/1
"""
    translation = translate([document(text)])
    rule, _ = only_rule(translation)
    assert rule == {
        "by": ["sku"],
        "threshold": {"measure": "stock", "below": 20},
        "for": "5m",
        "keep_firing_for": "1h30m",
        "severity": "critical",
        "owner": "shop",
        "max_alerts": 3,
        "runbook": "https://wiki.example.com/low",
        "say": {
            "summary": "{{ labels.sku }} at …: {{ value }} { % raw %} …",
            "operations": "of {{ value | round(1) }}, {{ value | percent }}",
        },
    }
    assert translation.rules == ("Low_stock",)
    for kept in (
        "its name there is 'Low stock!'",
        "team: shop, tier: 1",
        "grafana.example.com/d/1",
        "$labels.instance",
    ):
        assert kept in translation.text


def test_a_recording_rule_is_written_out():
    """An alert that names what it records asks for its expression; one that names itself for ever is refused."""
    text = """\
groups:
  - name: shop
    rules:
      - {record: "channel:orders:rate5m", expr: "sum by (channel) (rate(orders_total[5m]))"}
      - {alert: Many, expr: "channel:orders:rate5m > 1"}
"""
    rule, _ = only_rule(translate([document(text)]))
    assert rule == {"by": ["channel"], "threshold": {"measure": "orders", "window": "5m", "above": 300}}
    circle = "rules: [{record: a, expr: b}, {record: b, expr: a}, {alert: C, expr: a > 1}]"
    assert "without an end" in reason(translate([document(circle)]))


def test_two_rules_of_one_name_get_a_name_each():
    """As people write them for two severities."""
    text = """\
groups:
  - name: shop
    rules:
      - {alert: Low, expr: stock_available < 20, labels: {severity: warning}}
      - {alert: Low, expr: stock_available < 5, labels: {severity: critical}}
      - {alert: Low, expr: stock_available < 1, labels: {severity: critical}}
"""
    assert translate([document(text)]).rules == ("Low", "Low_critical", "Low_2")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("groups: [{name: a, rules: [{alert: A, expr: stock_available < 1}]}]", id="groups"),
        pytest.param("[{alert: A, expr: stock_available < 1}]", id="rules as they are copied"),
        pytest.param("{alert: A, expr: stock_available < 1}", id="one rule"),
        pytest.param("name: a\nrules: [{alert: A, expr: stock_available < 1}]", id="a group"),
        pytest.param(
            "apiVersion: v1\nkind: PrometheusRule\nspec: {groups: [{rules: [{alert: A, expr: stock_available < 1}]}]}",
            id="Kubernetes",
        ),
    ],
)
def test_every_shape_of_a_file(text):
    """Whichever of its shapes a file of Prometheus has."""
    assert translate([document(text)]).rules == ("A",)
