"""Kinds of conditions: each is called what its author wrote, and says all of itself."""

from typing import get_args

import pytest

from lockstep.rule.condition.kind_table import KINDS, kind_of, word_of
from lockstep.rule.condition.kinds import Leaf
from lockstep.rule.language.form import CONDITIONS
from lockstep.rule.language.load import load_texts
from lockstep.rule.sentences import kind_named

MEASURES = """\
measures:
  orders: {count: order.placed}
  returns: {count: order.returned}
  stock: {last: available, of: stock.level}
"""
OF_PARTS = ("all", "any", "not")
RULES = {
    "threshold": "{measure: stock, at_most: 20}",
    "spike": "{measure: orders, window: 15m, above: 2x, at_least: 10, usual_at_least: 5}",
    "absence": "{measure: orders, window: 2h}",
    "change": "{measure: stock}",
    "new_value": "{label: campaign, measure: orders, in: 30d}",
    "share": "{measure: returns, of: orders, window: 1h, of_at_least: 20, above: 10%}",
    "ratio": "{measure: returns, of: orders, window: 1h, of_at_least: 20, above: 10%}",
    "projection": "{measure: stock, reaches: 0, within: 3d}",
    "anomaly": "{measure: orders}",
    "all": "[{threshold: {measure: stock, at_most: 20}}]",
    "any": "[{threshold: {measure: stock, at_most: 20}}]",
    "not": "{threshold: {measure: stock, at_most: 20}}",
}
"""word → one condition of that kind."""


def _condition(word):
    by = "campaign" if word == "new_value" else "sku"
    rule = f"rules:\n  - {{name: R, by: [{by}], {word}: {RULES[word]}}}\n"
    (compiled,) = load_texts({"r.yml": MEASURES + rule}).plan.rules
    return compiled.condition


@pytest.mark.parametrize("word", CONDITIONS)
def test_a_condition_is_called_what_its_author_wrote(word):
    """In webhooks, in the API and in reasons: `new_value`, not a class's name; a ratio is no share."""
    assert word_of(_condition(word)) == word


def test_the_table_has_every_kind_once():
    """What a rule file may say is what the table knows, and what the table knows is what is judged."""
    words = [word for kind in KINDS for word in kind.yaml_words]
    assert sorted([*words, *OF_PARTS]) == sorted(CONDITIONS)
    assert {kind.of for kind in KINDS} == set(get_args(Leaf))
    assert all(kind_of(_condition(word)) is kind for kind in KINDS for word in kind.yaml_words)


def test_a_ratio_and_a_share_of_the_same_numbers_are_the_same():
    """What its author calls it is no part of what a condition is: no version and no id changes with it."""
    assert _condition("ratio") == _condition("share")


def test_what_an_earlier_version_stored_has_its_words():
    """It called a new value `newvalue`."""
    assert (kind_named("newvalue"), kind_named("new_value"), kind_named("")) == ("new_value", "new_value", "")
