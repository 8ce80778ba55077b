"""No input gives a traceback, and no plan that is accepted surprises those who use it."""

import ast
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import ruamel.yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core._pydantic_core import list_all_errors
from ruamel.yaml import YAML

from lockstep.errors import RuleError
from lockstep.event import TYPES, Decoder
from lockstep.measure.columns import Columns
from lockstep.measure.fold import folder, level_rows
from lockstep.measure.meter import wanted_fields
from lockstep.rule import wording
from lockstep.rule.language import quantity
from lockstep.rule.language.lint.lint import CODES, SAMPLE
from lockstep.rule.language.load import Loaded, load_texts
from lockstep.shop.names import NAMES
from lockstep.tools.check import fault_formats as report
from lockstep.tools.check.check_report import check
from lockstep.yaml.document import Fault, parse_document

OF_THE_SHOP = {name: known.absent for name, known in NAMES.items()}
"""What texts may say of a shop, when nothing of it is known."""


ROOT = Path(__file__).parents[2]
FACTOR = float(os.environ.get("LOCKSTEP_TEST_FACTOR", "1"))
VALID = [
    *re.findall(r"```yaml\n(.*?)```", (ROOT / "rules" / "README.md").read_text(), re.DOTALL),
    *[p.read_text() for p in sorted((ROOT / "rules").glob("*.yml"))],
    *[p.read_text() for p in sorted((Path(__file__).parent / "faults").glob("*.yml"))],
]
ODD = (
    "null", "~", "true", "no", "0", "-1", "1e400", ".nan", ".inf", "0x" + "f" * 5000, "9" * 5000, "007", "''", "[]",
    "{}", "[[]]", "{a: {}}", "2x", "25%", "90", "15m", "0s", "366d", "lines", "lines.sku", "lines.", "__class__",
    "a.b", "class", "order.placed", "stock.level", "count", "p50", "p0", "last", "formula", "sku", "channel",
    "channels", "*", "*a", "&a x", "<<", "? x", "|", ">-", "'", '"', "!!python/object:os.system x", "!!set {a}",
    "2026-01-01", "2026-99-99", "\t", "\x00", "\ud7ff", "🛒", "{{ value }}", "{% if %}", "{{ labels['x'] }}", "\u2028",
    "%YAML 1.1\n---\n", "---", "...", "- " * 200, "[" * 200,
)  # fmt: skip
EVENTS = [
    {"type": "order.placed", "order_id": "1", "total": 9.5, "lines": [{"sku": "A", "quantity": 1, "unit_price": 9.5}]},
    {"type": "order.returned", "order_id": "1", "lines": [{"sku": "A", "quantity": 1}]},
    {"type": "order.shipped", "order_id": "1"},
    {"type": "traffic.session"},
    {"type": "stock.level", "sku": "A", "available": 3},
]


def _words_of_ruamel() -> set[str]:
    """Every piece of text with which the parser tells of a fault."""
    found = set()
    for module in ("scanner", "parser", "composer", "constructor", "reader"):
        tree = ast.parse((Path(ruamel.yaml.__file__).parent / f"{module}.py").read_text())
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id.endswith("Error"):
                found |= {c.value for c in ast.walk(call) if isinstance(c, ast.Constant) and isinstance(c.value, str)}
    return {w for piece in found for w in (piece.strip(" ,:'\"").lower(),) if w.count(" ") and len(w) > 10}


def _words_of_pydantic() -> set[str]:
    """The beginning of every message of pydantic, up to what is filled in."""
    found = {error["message_template_python"].partition("{")[0] for error in list_all_errors()}
    return {w for piece in found for w in (piece.strip(" ,:'\"").lower(),) if w.count(" ") and len(w) > 10}


RAW = (
    *_words_of_ruamel(),
    *_words_of_pydantic(),
    "unicode string",
    "<block",
    "<stream",
    "type=",
    "input_value",
    "codec",
)
"""Words for programmers, which no report may hold."""


def _is_plain(fault: Fault) -> bool:
    said = f"{fault.message} {fault.remedy}".lower()
    return not any(word in said for word in RAW)


def _use(loaded: Loaded) -> None:
    """What the meter does with a plan, and what people do with a report."""
    for fault in loaded.faults:
        assert isinstance(fault, Fault)
        assert fault.code in CODES
        assert fault.message
        assert (fault.line, fault.column) >= (1, 1)
        assert "\n" not in str(fault)
        assert _is_plain(fault), str(fault)
    series = loaded.plan.series
    decoder = Decoder(wanted_fields(series))
    lines = [
        json.dumps({"id": "1", "source": "/t", "time": "2026-11-24T09:00:00Z", "type": e["type"], "data": e}).encode()
        for e in EVENTS
    ]
    for kind, event in zip([e["type"] for e in EVENTS], decoder.decode(lines), strict=True):
        for s in series:
            if s.event_type == kind:
                if s.is_level:
                    list(level_rows(s)(Columns([event.data])))
                else:
                    folder(s)(Columns([event.data]), {})
    for rule in loaded.plan.rules:
        for text in rule.say.values():
            wording.render(text, {**OF_THE_SHOP, **SAMPLE, "labels": dict.fromkeys(rule.by, "x")})


@st.composite
def _mutated(draw: st.DrawFn, valid: Sequence[str] = VALID, odd: Sequence[str] = ODD) -> str:
    text = draw(st.sampled_from(valid))
    for _ in range(draw(st.integers(1, 3))):
        words = list(re.finditer(r"[^\s{}\[\],:#]+", text))
        if not words:
            break
        word = draw(st.sampled_from(words))
        new = draw(st.sampled_from(odd) | st.sampled_from([w[0] for w in words]) | st.text(max_size=5))
        start, end = draw(st.sampled_from([word.span(), (word.start(), word.start()), (word.start(), word.end() + 1)]))
        text = text[:start] + new + text[end:]
    return text


@settings(max_examples=250, deadline=None)
@given(_mutated())
def test_no_mutation_of_a_file_gives_a_traceback(text):
    """One or a few words of a good or bad file replaced, doubled or cut."""
    _use(load_texts({"r.yml": text}))


def _places(document):
    """Every value of a document with its place and that of its key."""
    found, pending = [], [((), document.data)]
    while pending:
        pointer, value = pending.pop()
        found.append((pointer, repr(value), document.place(pointer), document.place(pointer, key=True)))
        steps = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
        pending += [((*pointer, step), inner) for step, inner in steps]
    return found


@settings(max_examples=100, deadline=None)
@given(_mutated([text for text in VALID if "&a" not in text]))
def test_the_quick_parser_reads_what_the_usual_one_reads(text):
    """The same values at the same places, and it refuses what that refuses."""
    quick, _ = parse_document("r.yml", text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lockstep.yaml.document.quick_yaml", _usual_yaml)
        usual, _ = parse_document("r.yml", text)
    assert (quick is None) == (usual is None)
    if quick is not None and usual is not None:
        assert _places(quick) == _places(usual)


def _usual_yaml():
    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = False
    return yaml


ROUTING = """\
teams:
  marketing: [mail, hook]
  operations: slack
receivers:
  mail: {email: {to: [anna@example.com, ben@example.com]}}
  slack: {slack: {channel: "#orders", token: {secret: SLACK_TOKEN}}}
  hook: {webhook: {url: "https://shop.example:8443/hook", secret: {secret: SHOP_HOOK}}}
"""
ODD_ADDRESSES = (
    "a@b@c", "@", "a@[::1]", '"a b"@c.example', "a@b\u2028c", "http://", "http://[", "http://[::1]:99999/", "//x", "http://a:b@c",
)  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_mutated([ROUTING], [*ODD, *ODD_ADDRESSES]))
def test_no_mutation_of_the_routing_gives_a_traceback(tmp_path, text):
    """Looked at as `lockstep check` does, and shown in each format."""
    rule = "rules: [{name: A, teams: [marketing], threshold: {measure: m, window: 1h, above: 5}}]\n"
    (tmp_path / "rules.yml").write_text("measures: {m: {count: order.placed}}\n" + rule)
    (tmp_path / "routing.yml").write_text(text, "utf-8", errors="surrogatepass")
    faults = check([tmp_path]).faults
    for fault in faults:
        assert fault.code in CODES
        assert (fault.line, fault.column) >= (1, 1)
        assert _is_plain(fault), str(fault)
    sources = report.Sources()
    assert all(line.plain.isprintable() for line in report.shown(faults, sources))
    (report.as_json(faults, sources) + report.as_sarif(faults) + report.as_github(faults)).encode()


@pytest.mark.parametrize(
    "text",
    [
        "a: [", "a: b: c", "%x", "%YAML 2.0\n---\n", "%YAML 1.1\n%YAML 1.1\n---\n", "? [a]: b", "[a]: b", "{[a]: b}",
        "a: !x y", "a: !<x", "a: !!int x", "a: !!float x", "a: !!binary '*'", "a: !!set [b]", "a: !!omap {b: c}",
        "a: !!python/name:x y", "a: !!timestamp x", "<<: 5", "a: {<<: [5]}", "a: |0\n  b", "a: |\n    b\n  c\n d",
        "a: |x", "a: > x", 'a: "\\q"', 'a: "\\xz"', "a: *b", "a: &\n", "a: @b", "a: `b", "a:\n\t- b", "a: 'b",
        'a: "b\n---\n"', "- a\nb: c", "a\nb: c", "a: b\n c: d", "a: - b", "...\na: b\n...\nb", "a: 'b' c", "{a: b}}",
        "a: {b: c]", "a: [b: c: d]", "a: b\n---\nc: d", "\x01", "a: \ufffe", "!", "&a", "?", ": ", "- - ? -",
        "a: !!merge b", "\ufeffa: \ufeffb",
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_told_in_plain_words(text):
    """Each kind of fault that the parser knows, with none of its words."""
    for whole in (text, f"rules:\n  - name: A\n    say: {{summary: x}}\n{text}\n"):
        faults = load_texts({"r.yml": whole}).faults
        assert all(map(_is_plain, faults)), list(map(str, faults))


@pytest.mark.parametrize("odd", ODD)
def test_no_odd_value_anywhere_gives_a_traceback(odd):
    """Odd values at the places of a rule."""
    whole = """\
measures:
  orders: {count: order.placed, where: {channel: web}}
  stock: {last: available, of: stock.level, stale_after: 2d}
  rate: {formula: orders / orders}
rules:
  - name: A
    by: [sku]
    threshold: {measure: orders, window: 1h, above: 5}
    clear: {below: 3}
    overrides: [{match: {sku: A}, above: 7, severity: info}]
    for: 5m
    say: {summary: hello}
  - name: B
    spike: {measure: orders, window: 1h, baseline: {previous: 6h}, above: 2x, at_least: 5, usual_at_least: 3}
    clear: {below: 1.5x}
  - name: C
    all:
      - threshold: {measure: stock, at_most: 3}
      - {not: {absence: {measure: orders, window: 1h, hours: 08:00-09:00}}}
"""
    words = list(re.finditer(r"[^\s{}\[\],:]+", whole))
    # Every fourth place for each value, so that every place and every value has its turn; all of them by the factor.
    step = 4 if FACTOR == 1 else 1
    for word in words[ODD.index(odd) % step :: step]:
        _use(load_texts({"r.yml": whole[: word.start()] + odd + whole[word.end() :]}))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="{}%| .'\"()[]~-+*/abvluelsfornidt01#\n", max_size=60) | st.text(max_size=40))
def test_no_text_of_a_template_gives_a_traceback(text):
    """A text is filled in or refused."""
    for function in (wording.unknown_names, wording.labels_in, lambda t: wording.render(t, {**SAMPLE, "labels": {}})):
        try:
            assert len(function(text)) <= wording.LONGEST_TEXT
        except RuleError as refused:
            said = str(refused)
        else:
            continue
        assert said


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'x' * 1000000000 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ '%01000000000d' % 5 }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ value|center(1000000000) }}",
        "{{ value|replace('', value)|replace('', value) }}",
        "{% for a in value %}{% for b in value %}{% endfor %}{% endfor %}",
        "{% for a in value recursive %}{{ loop(value) }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set x = value ~ value %}{{ x }}",
        "{% include 'secret' %}",
        "{{ value.__class__.__mro__ }}",
        "{{ labels.pop('sku') }}",
    ],
)
def test_a_template_cannot_run_away(text):
    """Nothing in a text takes memory, time or anything that it was not given."""
    with pytest.raises(RuleError):
        wording.render(text, {**SAMPLE, "labels": {"sku": "A"}})


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 366 * 86400))
def test_a_duration_reads_as_it_was_written(seconds):
    """What we write about a duration can be put into a rule file."""
    assert quantity.duration_s(quantity.duration_text(seconds)) == seconds


_READERS = (quantity.duration_s, quantity.ratio, quantity.number, quantity.hours)
_VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.none(), max_size=1)
)


@settings(max_examples=300, deadline=None)
@given(_VALUES | st.sampled_from(ODD), st.sampled_from(_READERS))
def test_a_quantity_is_read_or_refused_with_a_way_out(value, read):
    """Every refusal names what to write, and a code."""
    try:
        read(value)
    except ValueError as refused:
        said = str(refused)
    else:
        return
    assert re.fullmatch(r"(?s).+; .+ \[LS10[4-7]\]", said)


@pytest.mark.parametrize("kind", list(TYPES))
@pytest.mark.parametrize("spelled", ["sku", "lines.sku", "colour", "lines.colour", "channel"])
def test_any_label_of_any_event_type_can_be_read(kind, spelled):
    """A label that a type does not have is `none`, whether it was looked for in lines or not."""
    text = f"measures: {{m: {{count: {kind}}}}}\n"
    text += f"rules: [{{name: A, by: [{spelled}], threshold: {{measure: m, window: 1h, above: 5}}}}]\n"
    loaded = load_texts({"r.yml": text})
    assert len(loaded.plan.rules) == 1
    _use(loaded)
