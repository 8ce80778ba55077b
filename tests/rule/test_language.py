"""Rule files: what is taken, what is refused, and how it is said."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.rule.condition.kinds import Absence, All, Severity, Spike, Threshold, series_of_condition
from lockstep.rule.language.lint.lint import CODES
from lockstep.rule.language.load import load_texts
from lockstep.yaml.document import parse_document

MEASURES = """\
measures:
  orders: {count: order.placed}
  revenue: {sum: total, of: order.placed}
  units: {sum: lines.quantity, of: order.placed}
  ship_hours: {p90: hours_to_ship, of: order.shipped}
  sessions: {count: traffic.session}
  stock: {last: available, of: stock.level}
  conversion: {formula: orders / sessions}
"""


def _rules(text: str) -> str:
    return MEASURES + "rules:\n" + text


def _said(text: str) -> list[str]:
    return [str(f) for f in load_texts({"r.yml": text}).faults]


def test_the_design_s_example_loads():
    """Measures, a seasonal spike with hysteresis, a level with an override."""
    loaded = load_texts(
        {
            "r.yml": _rules(
                """\
  - name: OrderSpike
    by: [channel]
    spike: {measure: orders, window: 15m, baseline: {same_time_of_week: 4}, above: 2x, at_least: 20, usual_at_least: 5}
    clear: {below: 1.5x}
    for: 5m
    keep_firing_for: 10m
    severity: warning
    say:
      summary: "{{ labels.channel }}: {{ value }} orders in {{ window }}, usually {{ baseline }}"
  - name: LowStock
    by: [sku]
    threshold: {measure: stock, at_most: 20}
    clear: {above: 30}
    overrides:
      - {match: {sku: "KEY-*"}, at_most: 60, severity: critical}
"""
            )
        }
    )
    assert [str(f) for f in loaded.faults] == []
    spike, low = loaded.plan.rules
    assert isinstance(spike.condition, Spike)
    assert (spike.condition.baseline.weeks, spike.condition.above, spike.condition.clear_below) == (4, 2.0, 1.5)
    assert (spike.for_s, spike.keep_firing_for_s, spike.bucket_s) == (300, 600, 60)
    assert isinstance(low.condition, Threshold)
    assert low.bucket_s == 0
    assert low.condition.overrides[0].levels[0].severity is Severity.CRITICAL


def test_labels_reach_into_the_lines():
    """`by: [sku]` means the order's lines for a measure of orders, the event itself for a measure of stock."""
    loaded = load_texts(
        {
            "r.yml": _rules(
                """\
  - name: SoldOut
    by: sku
    all:
      - threshold: {measure: stock, at_most: 0}
      - threshold: {measure: units, window: 1h, at_least: 1}
"""
            )
        }
    )
    assert [str(f) for f in loaded.faults] == []
    (rule,) = loaded.plan.rules
    assert isinstance(rule.condition, All)
    assert {s.event_type: s.line_labels for s in loaded.plan.series} == {"stock.level": (), "order.placed": ("sku",)}


def test_a_window_that_asks_for_it_gets_a_narrow_bucket():
    """One minute, or ten seconds or one second where a rule's windows are no whole minutes."""
    text = "".join(
        f"  - {{name: R{w}, threshold: {{measure: orders, window: {w}, above: 5}}}}\n"
        for w in ("5m", "90s", "7s", "30s")
    )
    plan = load_texts({"r.yml": _rules(text)}).plan
    assert [r.bucket_s for r in plan.rules] == [60, 10, 1, 10]


def test_hours_of_an_absence():
    """Days and times, in lists."""
    loaded = load_texts(
        {"r.yml": _rules("  - {name: Quiet, absence: {measure: orders, window: 2h, hours: [Mon-Fri 8:00-18:00]}}\n")}
    )
    (rule,) = loaded.plan.rules
    assert isinstance(rule.condition, Absence)
    assert rule.condition.hours[0].weekdays == frozenset(range(5))


def test_every_fault_of_a_file_is_said_at_once():
    """Nobody mends a file one error at a time."""
    text = _rules(
        """\
  - {name: A, threshold: {measure: ordrs, window: 1h, above: 5}}
  - {name: B, threshold: {measure: stock, window: 1h, at_most: 5}}
  - {name: B, threshold: {measure: stock, at_most: 5}}
  - {name: B, threshold: {measure: stock, at_most: 5}}
"""
    )
    assert [s.rpartition("[")[2] for s in _said(text)] == ["LS130]", "LS121]", "LS140]", "LS140]"]


def test_a_bad_file_costs_only_itself():
    """The rules of the others are used."""
    loaded = load_texts(
        {
            "a.yml": MEASURES + "rules:\n  - {name: A, threshold: {measure: stock, at_most: 5}}\n",
            "b.yml": "rules:\n  - {name: B, treshold: 5}\n",
            "c.yml": "rules: [",
        }
    )
    assert [r.name for r in loaded.plan.rules] == ["A"]
    assert {f.path for f in loaded.errors} == {"b.yml", "c.yml"}


def test_a_spike_without_minimums_is_a_warning():
    """1 to 3 is no spike; the file is taken all the same."""
    loaded = load_texts({"r.yml": _rules("  - {name: A, spike: {measure: orders, window: 1h, above: 2x}}\n")})
    assert [(f.code, f.level) for f in loaded.faults] == [("LS127", "warning")] * 2
    assert len(loaded.plan.rules) == 1


def test_every_code_is_explained():
    """Each code that the source uses stands in the table, and none is left over."""
    package = Path(__file__).parents[2] / "service" / "lockstep"
    table = package / "rule" / "language" / "lint" / "lint.py"
    sources = [f.read_text() for f in package.rglob("*.py") if f != table] + [table.read_text().split("SAMPLE =")[1]]
    used = {code for text in sources for code in re.findall(r"LS[1-9][0-9]{2}", text)}
    assert used == set(CODES)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_no_text_gives_a_traceback(text):
    """Whatever a file holds, its author gets faults."""
    load_texts({"r.yml": text})


_WORDS = st.sampled_from(
    [
        "measures",
        "rules",
        "name",
        "by",
        "threshold",
        "spike",
        "absence",
        "all",
        "any",
        "not",
        "clear",
        "for",
        "levels",
        "measure",
        "window",
        "above",
        "below",
        "orders",
        "stock",
        "1h",
        "2x",
        "count",
        "order.placed",
        "formula",
        "of",
        "say",
        "where",
        "overrides",
        "match",
        "baseline",
        "same_time_of_week",
        "hours",
        "severity",
        "teams",
        "p90",
        "sum",
    ]
)
_SCALARS = _WORDS | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
_TREES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS, inner, max_size=5), max_leaves=25
)


@settings(max_examples=150, deadline=None)
@given(_TREES)
def test_no_structure_gives_a_traceback(tree):
    """Any nesting of our own words is taken or refused with a fault."""
    text = json.dumps({"measures": {"orders": {"count": "order.placed"}}, "rules": [tree]})
    load_texts({"r.yml": text, "s.yml": json.dumps(tree)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"say": "\\ud83d\\ude00"}', {"say": "😀"}, id="two halves, as JSON writes them"),
        pytest.param('{"\\ud83d\\ude00": 1}', {"😀": 1}, id="in a key, too"),
        pytest.param(
            "a: &x 1\nb: &x 2\nc: *x\n", {"a": 1, "b": 2, "c": 2}, id="an anchor set twice: the last one counts"
        ),
    ],
)
def test_odd_but_right(text, expected):
    """What YAML allows is read, without a word on the terminal."""
    document, faults = parse_document("r.yml", text)
    assert document is not None, faults
    assert document.data == expected


def test_half_a_character_is_a_fault():
    """It could not be sent to anybody."""
    _, faults = parse_document("r.yml", '{"say": "\\ud83d"}')
    assert [str(f) for f in faults] == [
        "r.yml:1:1: '\\ud83d' holds half a character; write the character itself [LS102]"
    ]


def test_a_document_knows_its_places():
    """Line and column of keys and values, from 1."""
    document, _ = parse_document("r.yml", "rules:\n  - name: A\n    for: 5m\n")
    assert document is not None
    assert document.place(("rules", 0, "for")) == (3, 10)
    assert document.place(("rules", 0, "for"), key=True) == (3, 5)


def test_a_part_over_the_whole_shop_meets_the_rest_on_one_partition():
    """What a rule joins is published under the labels that all of it has; what stands alone keeps its own."""
    loaded = load_texts(
        {
            "r.yml": _rules(
                """\
  - name: Alone
    by: [sku]
    threshold: {measure: stock, at_most: 0}
  - name: Joined
    by: [sku]
    all:
      - threshold: {measure: stock, at_most: 0}
      - threshold: {measure: sessions, by: [], window: 1h, at_least: 1000}
  - name: Partly
    by: [lines.sku, channel]
    all:
      - threshold: {measure: units, window: 1h, at_least: 1}
      - share: {measure: orders, of: sessions, by: channel, window: 1h, of_at_least: 50, below: 1%}
"""
            )
        }
    )
    assert [str(f) for f in loaded.faults] == []
    assert [(r.name, [(s.by, s.key) for s in series_of_condition(r.condition)]) for r in loaded.plan.rules] == [
        ("Alone", [(("sku",), None)]),
        ("Joined", [(("sku",), ()), ((), None)]),
        ("Partly", [(("channel", "sku"), ("channel",)), (("channel",), None), (("channel",), None)]),
    ]
    assert len({s.id for s in loaded.plan.series}) == 6
    assert [r.bucket_s for r in loaded.plan.rules] == [0, 60, 60]


WRITTEN_OUT = """\
measures: {stock: {last: available, of: stock.level}, orders: {count: order.placed}}
rules:
  - name: A
    by: [sku]
    for: 10m
    teams: [operations]
    owner: Ann
    threshold: {measure: stock, at_most: 20}
    clear: {above: 30}
  - name: B
    by: [sku]
    for: 3 of 4 buckets
    teams: [operations]
    owner: Ann
    all:
      - {threshold: {measure: stock, at_most: 20}}
      - not: {any: [{threshold: {measure: stock, at_most: 20}}, {threshold: {measure: orders, window: 1h, above: 30}}]}
"""
SAID_ONCE = """\
measures: {stock: {last: available, of: stock.level}, orders: {count: order.placed}}
variables: {low: 20, part: 30, hour: 1h, wait: 10m}
defaults: {by: sku, for: $wait, teams: operations, owner: Ann}
conditions:
  low: {threshold: {measure: stock, at_most: $low}, clear: {above: 30}}
  lower: {threshold: {measure: stock, at_most: $low}}
  busy: {threshold: {measure: orders, window: $hour, above: $part}}
  either: {any: [lower, busy]}
rules:
  - {name: A, condition: low}
  - {name: B, for: 3 of 4 buckets, all: [lower, {not: either}]}
"""


def test_what_is_said_once_is_the_same_rule():
    """Variables, defaults and named conditions make the rules that somebody would have written out, of one version."""
    written, said = load_texts({"r.yml": WRITTEN_OUT}), load_texts({"r.yml": SAID_ONCE})
    assert [str(f) for f in (*written.faults, *said.faults)] == []
    assert [replace(r, place="") for r in said.plan.rules] == [replace(r, place="") for r in written.plan.rules]


def test_a_dollar_in_a_text_is_a_dollar():
    """Only whole values are variables, and never words for people or labels."""
    text = """\
measures: {orders: {count: order.placed}}
variables: {web: 60}
rules:
  - name: A
    by: [channel]
    threshold: {measure: orders, window: 1h, above: $web}
    overrides: [{match: {channel: $web}, above: 5}]
    say: {summary: $web}
    owner: $web
"""
    loaded = load_texts({"r.yml": text})
    assert [str(f) for f in loaded.faults] == []
    (rule,) = loaded.plan.rules
    assert (rule.say, rule.owner) == ({"summary": "$web"}, "$web")
    assert rule.condition.overrides[0].match == (("channel", "$web"),)


RENAMED = """\
  - {name: Low, by: [sku], threshold: {measure: stock, at_most: {measure: units, window: 7d, times: 1.5}}}
  - {name: Odd, anomaly: {measure: orders}}
  - {name: Few, ratio: {measure: orders, of: sessions, window: 1h, of_at_least: 20, below: 1%}}
  - {name: Rate, threshold: {measure: conversion, window: 1h, below: 0.1}}
"""


def test_a_measure_s_name_is_no_part_of_what_is_judged():
    """With all measures renamed the rules are of the same versions, their series and what they have learned, too."""
    before, text = load_texts({"r.yml": _rules(RENAMED)}).plan, _rules(RENAMED)
    for name in ("orders", "units", "sessions", "stock", "conversion"):
        text = re.sub(rf"(?m)\b{name}\b(?!\.)", f"my_{name}", text)
    after = load_texts({"r.yml": text})
    assert after.errors == ()
    assert [r.version for r in after.plan.rules] == [r.version for r in before.rules]
    assert [s.id for s in after.plan.series] == [s.id for s in before.series]
    assert after.plan.rules[1].condition.key == before.rules[1].condition.key
    named = [[s.name for s in r.condition.series] for r in after.plan.rules]
    assert named == [["my_stock"], ["my_orders"], ["my_orders", "my_sessions"], ["my_orders", "my_sessions"]]


def test_conditions_of_conditions_end():
    """A few lines could stand for a million: they are refused, soon and with a fault."""
    named = "\n".join(f"  c{n}: {{all: [{', '.join([f'c{n - 1}'] * 9)}]}}" for n in range(1, 12))
    text = f"""\
measures: {{stock: {{last: available, of: stock.level}}}}
conditions:
  c0: {{threshold: {{measure: stock, at_most: 0}}}}
{named}
rules:
  - {{name: A, condition: c11}}
"""
    loaded = load_texts({"r.yml": text})
    assert {f.code for f in loaded.faults} == {"LS211"}
    assert loaded.plan.rules == ()
