"""Rules of ElastAlert: each type, and what has no equivalent."""

import pytest
from converted_rules import document, only_rule, reason, translate

HEAD = "name: A\nindex: orders-*\nalert: [debug]\n"
PLACED = {"order_placed": {"count": "order.placed"}}


def _rule(text, head=HEAD):
    return only_rule(translate([document(head + text, "a.yaml")]))


@pytest.mark.parametrize(
    ("text", "rule", "measures"),
    [
        pytest.param(
            "type: any",
            {"threshold": {"measure": "order_placed", "window": "1m", "at_least": 1}},
            PLACED,
            id="any",
        ),
        pytest.param(
            "type: frequency\nnum_events: 10\ntimeframe: {hours: 1, minutes: 30}\nquery_key: channel.keyword",
            {"by": ["channel"], "threshold": {"measure": "order_placed", "window": "1h30m", "at_least": 10}},
            PLACED,
            id="frequency",
        ),
        pytest.param(
            "type: spike\nspike_height: 3\nspike_type: both\ntimeframe: {hours: 2}\nthreshold_cur: 20\n"
            "threshold_ref: 5",
            {
                "spike": {
                    "measure": "order_placed",
                    "window": "2h",
                    "baseline": "previous",
                    "above": "3x",
                    "below": "0.333333333x",
                    "at_least": 20,
                    "usual_at_least": 5,
                }
            },
            PLACED,
            id="spike",
        ),
        pytest.param(
            "type: flatline\nthreshold: 1\ntimeframe: {hours: 2}",
            {"absence": {"measure": "order_placed", "window": "2h"}},
            PLACED,
            id="flatline",
        ),
        pytest.param(
            "type: flatline\nthreshold: 5\ntimeframe: {hours: 2}",
            {"threshold": {"measure": "order_placed", "window": "2h", "below": 5}},
            PLACED,
            id="flatline of several",
        ),
        pytest.param(
            "type: new_term\nfields: [campaign]\nterms_window_size: {days: 14}",
            {"by": ["campaign"], "new_value": {"label": "campaign", "measure": "order_placed", "in": "14d"}},
            PLACED,
            id="new_term",
        ),
        pytest.param(
            "type: cardinality\ncardinality_field: customer\nmax_cardinality: 500\ntimeframe: {days: 1}",
            {"threshold": {"measure": "customer_values", "window": "1d", "above": 500}},
            {"customer_values": {"distinct": "customer", "of": "order.placed"}},
            id="cardinality",
        ),
        pytest.param(
            "type: percentage_match\nmatch_bucket_filter: [{term: {channel: app}}]\nmax_percentage: 60\n"
            "min_denominator: 50\nbuffer_time: {minutes: 10}",
            {
                "share": {
                    "measure": "order_placed_app",
                    "of": "order_placed",
                    "window": "10m",
                    "of_at_least": 50,
                    "above": "60%",
                }
            },
            {**PLACED, "order_placed_app": {"count": "order.placed", "where": {"channel": "app"}}},
            id="percentage_match",
        ),
        pytest.param(
            "type: metric_aggregation\nmetric_agg_key: total\nmetric_agg_type: avg\nmin_threshold: 20\n"
            "max_threshold: 200\nbuffer_time: {hours: 1}",
            {
                "any": [
                    {"threshold": {"measure": "total_average", "window": "1h", "above": 200}},
                    {"threshold": {"measure": "total_average", "window": "1h", "below": 20}},
                ]
            },
            {"total_average": {"average": "total", "of": "order.placed"}},
            id="metric_aggregation",
        ),
        pytest.param(
            "type: blacklist\ncompare_key: country\nblacklist: [XX, YY]",
            {"threshold": {"measure": "order_placed", "window": "1m", "at_least": 1}},
            {"order_placed": {"count": "order.placed", "where": {"country": ["XX", "YY"]}}},
            id="blacklist",
        ),
    ],
)
def test_a_type_becomes(text, rule, measures):
    """The same condition, with its measures; and `check` takes it."""
    written, of_it = _rule(text)
    assert written == rule
    assert of_it == measures


def test_a_change_is_one_of_a_number():
    """A price is a level; who bought where is a text, and has no change."""
    rule, measures = _rule("type: change\ncompare_key: price\nquery_key: sku", "name: A\nindex: prices\nalert: []\n")
    assert rule == {"by": ["sku"], "change": {"measure": "price"}}
    assert measures == {"price": {"last": "price", "of": "price.changed"}}
    text = HEAD + "type: change\ncompare_key: country\nquery_key: customer"
    assert "no number" in reason(translate([document(text)]))


@pytest.mark.parametrize(
    ("filters", "where"),
    [
        ("[{term: {channel.keyword: web}}]", {"channel": "web"}),
        ("[{terms: {channel: [web, app]}}, {term: {event_type: order.placed}}]", {"channel": ["web", "app"]}),
        (
            "[{query: {query_string: {query: 'type:order.placed AND channel:(web OR app)'}}}]",
            {"channel": ["web", "app"]},
        ),
        ("[{query_string: {query: 'country: DE && channel:\"web\"'}}]", {"country": "DE", "channel": "web"}),
        ("[{bool: {must: [{match: {channel: {query: we}}}]}}]", {"channel": "we"}),
        ("[{query_string: {query: 'channel:we*'}}]", {"channel": "we*"}),
        ("[{query_string: {query: '*'}}]", None),
    ],
)
def test_filters_are_where(filters, where):
    """Values that are wanted, all of them."""
    _, measures = _rule(f"type: any\nfilter: {filters}")
    (measure,) = measures.values()
    assert measure == {"count": "order.placed", **({"where": where} if where else {})}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("type: whitelist\ncompare_key: channel\nwhitelist: [web]", "type 'whitelist' has no equivalent"),
        ("type: any\nfilter: [{range: {total: {gt: 5}}}]", "filter `range` has no equivalent"),
        ("type: any\nfilter: [{bool: {must_not: [{term: {channel: web}}]}}]", "filter `must_not` has no equivalent"),
        ("type: any\nfilter: [{query_string: {query: 'channel:web OR country:DE'}}]", "has no equivalent"),
        ("type: frequency\nnum_events: 3\ntimeframe: 5m", "`timeframe` is written like {hours: 2}"),
        ("type: frequency\ntimeframe: {hours: 1}", "it has no `num_events`"),
        ("type: frequency\ntimeframe: {hours: 1}\nimport: base.yaml", "it may stand in what it imports"),
        ("type: any\nquery_key: geo.ip", "'geo.ip' is no label of ours"),
        ("type: new_term\nfields: [[campaign, channel]]", "several fields together"),
        ("type: blacklist\ncompare_key: channel\nblacklist: ['!file x.txt']", "stands in a file"),
    ],
)
def test_what_has_no_equivalent_says_why(text, why):
    """And nothing is written in its place."""
    assert why in reason(translate([document(HEAD + text)]))


def test_which_events_an_index_holds_is_known_or_said():
    """By the filter, by the index alone, or by its owner; of a machine's log nobody knows."""
    text = "name: A\nindex: machine-*\nalert: []\ntype: any\nfilter: []\n"
    assert "not known which events of a shop 'machine-*' holds" in reason(translate([document(text)]))
    rule, measures = only_rule(translate([document(text)], {"machine-*": {"count": "order.shipped"}}))
    assert measures == {"order_shipped": {"count": "order.shipped"}}
    assert rule["threshold"]["measure"] == "order_shipped"


def test_texts_and_the_rest():
    """Texts with their arguments, `realert` as `cool_down`, what is switched off; what is left out is a comment."""
    translation = translate([document(
        HEAD + "type: any\nquery_key: sku\nrealert: {hours: 4}\nis_enabled: false\nowner: Ann\n"
        "limit_execution: '* 8 * * *'\nalert_subject: '{0} sold {1} {{x}}'\nalert_subject_args: [sku, num_hits]\n"
        "alert_text: 'by {}'\nalert_text_args: [customer]\n"
    )])  # fmt: skip
    rule, _ = only_rule(translation)
    assert {key: rule[key] for key in ("cool_down", "enabled", "owner", "say")} == {
        "cool_down": "4h",
        "enabled": False,
        "owner": "Ann",
        "say": {"summary": "{{ labels.sku }} sold {{ value }} { {x} }", "operations": "by …"},
    }
    for said in ("limit_execution", "left out of alert_text: customer", "told there by debug"):
        assert said in translation.text
