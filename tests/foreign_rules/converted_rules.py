"""Rules of other programs, converted: helpers of these tests."""

from pathlib import Path

from ruamel.yaml import YAML

from lockstep.rule.language.load import load_texts
from lockstep.tools.foreign_rules.foreign_files import translate
from lockstep.yaml.document import document_of

FIXTURES = Path(__file__).parent / "fixtures"
GOLDEN = Path(__file__).parent / "golden"


def document(text, name="alerts.yml"):
    """The document of a text that is YAML."""
    read, faults = document_of(name, text.encode())
    assert read is not None, faults
    return read


def prometheus(expression, **rule):
    """A file with one alerting rule."""
    return document(f"groups: [{{name: shop, rules: [{{alert: A, expr: {expression!r}, {_flow(rule)}}}]}}]")


def _flow(rule):
    return ", ".join(f"{key}: {value}" for key, value in rule.items())


def only_rule(translation):
    """What the one rule of a translation says, without name and remarks, and its measures."""
    assert translation.left == (), translation.left
    written = YAML(typ="safe").load(translation.text)
    (rule,) = written["rules"]
    assert load_texts({"converted.yml": translation.text}).errors == ()
    return {key: value for key, value in rule.items() if key != "name"}, written["measures"]


def reason(translation):
    """Why the one rule has no equivalent."""
    assert translation.rules == ()
    (left,) = translation.left
    return left.reason


__all__ = ["FIXTURES", "GOLDEN", "document", "only_rule", "prometheus", "reason", "translate"]
