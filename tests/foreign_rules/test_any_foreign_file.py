"""Whatever a foreign rule file holds: rules of ours that `check` takes, or a reason, never a traceback."""

import json
import os

from converted_rules import translate
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lockstep.rule.language.lint.other_programs import foreign_fault
from lockstep.rule.language.load import load_texts
from lockstep.yaml.document import document_of

FACTOR = float(os.environ.get("LOCKSTEP_TEST_FACTOR", "1"))
METRICS = st.sampled_from(
    ["orders_total", "stock_available", "revenue_total", "x", "up", "rec:a", "payments_failed_total"]
)
LENGTHS = st.sampled_from(["1s", "30s", "5m", "1h", "1d", "1w", "3y"])
NUMBERS = st.sampled_from(["0", "1", "-3", "0.5", "1e9", "1e300", "NaN", "Inf", "(2*3)", "vector(1)", "1/0"])
LABELS = st.sampled_from(["channel", "sku", "instance", "le", "a_b"])
MATCHERS = st.builds(
    "{}{}{}".format,
    LABELS,
    st.sampled_from(["=", "!=", "=~", "!~"]),
    st.sampled_from(['"web"', '""', '"a|b"', '"a.*"', '"*"', '"(x"', '"é"']),
)
SELECTORS = st.builds(lambda name, matchers: f"{name}{{{','.join(matchers)}}}", METRICS, st.lists(MATCHERS, max_size=2))
RANGES = st.builds(
    "{}[{}]{}".format, SELECTORS, LENGTHS, st.sampled_from(["", " offset 1h", " offset 1w", " offset -1d"])
)
CALLS = st.builds("{}({})".format, st.sampled_from(["increase", "rate", "delta", "irate", "absent_over_time"]), RANGES)


def _larger(inner):
    return st.one_of(
        st.builds("sum by ({}) ({})".format, LABELS, inner),
        st.builds("{} ({})".format, st.sampled_from(["sum", "max", "count", "absent", "abs", "-"]), inner),
        st.builds(
            "({}) {} ({})".format,
            inner,
            st.sampled_from(
                [">", "<=", "==", "> bool", "*", "/", "+", "and", "or", "unless", "and on (sku)", "/ ignoring (a)"]
            ),
            inner,
        ),
        st.builds("predict_linear({}, {})".format, RANGES, NUMBERS),
    )


EXPRESSIONS = st.recursive(SELECTORS | CALLS | NUMBERS, _larger, max_leaves=6)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | LABELS, inner, max_size=3),
    max_leaves=6,
)


def _are_sound(translation, count):
    """Each rule is written or has a reason, and what is written has no error."""
    assert len(translation.rules) + len(translation.left) >= count
    if translation.rules:
        assert load_texts({"converted.yml": translation.text}).errors == ()


@settings(deadline=None, max_examples=round(150 * FACTOR))
@given(
    st.lists(
        st.tuples(EXPRESSIONS | st.text(max_size=20), st.sampled_from(["", "5m", "x", "0", "9y", "1h30m"])), max_size=3
    ),
    st.text(max_size=30)
    | st.sampled_from(["{{ $value }}", "{{ $labels.sku }}", "{{", "}}", "{% if %}", "{{ $x | y }}"]),
)
def test_any_expression(rules, text):
    """Of the language, or no expression at all."""
    written = [
        {"alert": f"A{i}", "expr": expression, "for": hold, "annotations": {"summary": text, "other": text}}
        for i, (expression, hold) in enumerate(rules)
    ]
    _are_sound(translate([_as_document({"groups": [{"name": "g", "rules": written}]})]), len(rules))


ELASTALERT_KEYS = st.sampled_from(
    ["timeframe", "num_events", "query_key", "filter", "threshold", "threshold_cur", "spike_height", "spike_type",
     "fields", "compare_key", "blacklist", "metric_agg_key", "metric_agg_type", "max_threshold", "min_percentage",
     "match_bucket_filter", "cardinality_field", "max_cardinality", "realert", "alert_text", "alert_text_args",
     "alert_subject", "buffer_time", "terms_window_size", "owner", "alert", "description", "is_enabled", "name"]
)  # fmt: skip
LIKELY = st.sampled_from(
    [{"hours": 1}, {"minutes": 0}, {"years": 1}, {"hours": "x"}, 5, 1.5, "channel", ["sku"], "total", "avg", "both",
     [{"term": {"channel": "web"}}], [{"query_string": {"query": "a:b OR c"}}], [{"terms": {"sku": []}}], "{0} {} {x}"]
)  # fmt: skip


@settings(deadline=None, max_examples=round(150 * FACTOR))
@given(
    st.sampled_from(
        [
            "any",
            "frequency",
            "spike",
            "spike_aggregation",
            "flatline",
            "new_term",
            "cardinality",
            "percentage_match",
            "metric_aggregation",
            "change",
            "blacklist",
            "x",
        ]
    ),
    st.sampled_from(["orders", "prices", "logs-*", ["a"], 3]),
    st.dictionaries(ELASTALERT_KEYS, LIKELY | VALUES, max_size=10),
)
def test_any_rule_of_elastalert(kind, index, keys):
    """Whatever its keys hold."""
    _are_sound(translate([_as_document({"name": "A", "type": kind, "index": index, "alert": [], **keys})]), 1)


@settings(deadline=None, max_examples=round(150 * FACTOR))
@given(VALUES)
def test_any_document(value):
    """Whatever a file of YAML holds, beside keys that make it look like one of these programs."""
    for data in (value, {"groups": value}, {"groups": [{"rules": value}]}, [{"alert": value, "expr": value}],
                 {"type": "any", "index": value, "filter": value, "alert": value}):  # fmt: skip
        read = _as_document(data)
        foreign_fault(read)
        _are_sound(translate([read]), 0)


def _as_document(data):
    read, _ = document_of("any.yml", json.dumps(data).encode())
    assume(read is not None)
    return read
