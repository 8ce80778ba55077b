"""A fault of form hides no other fault of its rule, and makes none up."""

import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from lockstep.rule.language.form import RuleFile
from lockstep.rule.language.load import load_documents, load_texts
from lockstep.yaml.document import parse_document, validate

ROOT = Path(__file__).parents[2]
FILES = [
    *re.findall(r"```yaml\n(.*?)```", (ROOT / "rules" / "README.md").read_text(), re.DOTALL),
    *[p.read_text() for p in sorted((Path(__file__).parent / "faults").glob("LS1[23468]*.yml"))],
    *[p.read_text() for p in sorted((Path(__file__).parent / "faults").glob("LS200*.yml"))],
]
TABLES = dict(re.findall(r"```csv (\S+)\n(.*?)```", (ROOT / "rules" / "README.md").read_text(), re.DOTALL))
HEAD = """\
measures:
  orders: {count: order.placed}
  stock: {last: available, of: stock.level}
rules:
  - """


def _keys(node, pointer=()):
    """Every key in a rule, with what leads to it."""
    steps = node.items() if isinstance(node, dict) else enumerate(node if isinstance(node, list) else ())
    for step, inner in steps:
        if isinstance(step, str):
            yield (*pointer, step)
        yield from _keys(inner, (*pointer, step))


def _broken(data, pointer, *, misspelled):
    """The data with another value at a key, or another key."""
    found = deepcopy(data)
    parent = found
    for step in pointer[:-1]:
        parent = parent[step]
    value = parent.pop(pointer[-1])
    parent[f"{pointer[-1]}x" if misspelled else pointer[-1]] = value if misspelled else [["?"]]
    return found


def _said(faults):
    """What is said, whatever the rule is called."""
    return {(f.code, re.sub(r"^rule '[^']*': ", "", f.message)) for f in faults}


def _faults(document):
    return load_documents([document], [], ["r.yml"], texts=TABLES).faults


@pytest.mark.parametrize("misspelled", [False, True], ids=["a value of the wrong form", "a key misspelled"])
def test_what_is_told_beside_a_fault_of_form_is_there_without_it(misspelled):
    """Every key of every rule of the handbook and of the bad examples, one at a time."""
    looked_at, made_up = 0, []
    for text in FILES:
        whole, _ = parse_document("r.yml", text)
        if whole is None or not isinstance(whole.data, dict) or validate(whole, RuleFile)[1]:
            continue
        for index, rule in enumerate(whole.data.get("rules") or ()):
            alone = {k: v for k, v in whole.data.items() if k in ("measures", "conditions", "variables", "defaults")}
            one = replace(whole, data={**alone, "rules": [*([None] * index), rule]})
            before = _said(_faults(one))
            for pointer in _keys(rule):
                bad = replace(one, data=_broken(one.data, ("rules", index, *pointer), misspelled=misspelled))
                form = validate(bad, RuleFile)[1]
                if _said(form) <= before:
                    continue
                looked_at += 1
                # A variable that the broken key used is one that no rule uses.
                told = {f for f in _said(_faults(bad)) - _said(form) - before if f[0] != "LS210"}
                made_up += [(rule, pointer, told)] if told else []
    assert made_up == []
    assert looked_at > 500


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param(
            "{name: D, threshold: {measure: orders, window: 1h, above: 5}, clear: {below: 7}, for: 5}",
            ["LS125", "LS104"],
            id="a clear that begins where it breaches, beside for: 5",
        ),
        pytest.param(
            "{name: D, spike: {measure: orders, window: 90, above: 2x}}",
            ["LS127", "LS127", "LS104"],
            id="no minimums, beside a window without a unit",
        ),
        pytest.param(
            "{name: D, by: [colour], threshold: {measure: orders, window: 1h, above: many}}",
            ["LS135", "LS106"],
            id="a label of nothing, beside a number that is none",
        ),
        pytest.param(
            "{name: D, spike: {measure: orders, window: 1h, above: 2x}, clear: {belw: 1x, abve: 1x}, teams: [1, 2]}",
            ["LS127", "LS127", "LS110", "LS110", "LS114", "LS114"],
            id="several faults of one key",
        ),
        pytest.param(
            "{name: D, spike: {measure: orders, window: 90}}", ["LS117", "LS104"], id="no direction, beside a window"
        ),
        pytest.param(
            "{name: D, threshold: {measure: stock, at_most: 1}, absence: {measure: orders, window: 1h}, severty: info}",
            ["LS110"],
            id="two conditions, beside a key that may have been meant to be anything",
        ),
        pytest.param(
            "{name: D, threshold: {measure: stock, at_most: 1}, absence: {measure: orders, window: 1h}, for: 5}",
            ["LS118", "LS104"],
            id="two conditions, beside for: 5",
        ),
        pytest.param(
            "{name: D, threshold: {measure: orders, windw: 1h, above: 5}}", ["LS110"], id="a window misspelled is one"
        ),
        pytest.param(
            "{name: D, bye: [sku], threshold: {measure: stock, at_most: 5}, say: {summary: '{{ labels.sku }}'}}",
            ["LS110"],
            id="labels misspelled are labels",
        ),
        pytest.param(
            "{name: D, teems: [shop], threshold: {measure: stock, at_most: 5}, say: {shop: hello}}",
            ["LS110"],
            id="teams misspelled are teams",
        ),
        pytest.param(
            "{name: D, by: [lines.sku], threshold: {measure: stock, at_most: x}, say: {summary: '{{ labels.sku }}'}}",
            ["LS106"],
            id="a label of lines is called by its own name",
        ),
    ],
)
def test_a_fault_of_form_hides_no_other(rule, expected):
    """In the order of places; the rule stays refused."""
    loaded = load_texts({"r.yml": f"{HEAD}{rule}\n"})
    assert [f.code for f in loaded.faults] == expected
    assert not loaded.plan.rules
