"""Tests of rules can state who hears of an alert."""

from pathlib import Path
from zoneinfo import ZoneInfo

from lockstep.tools.ruletest.runner import run
from lockstep.tools.ruletest.suite import load_suite

FILES = {
    "stock.yml": """\
measures: {stock: {last: available, of: stock.level}}
rules:
  - {name: LowStock, by: [sku], threshold: {measure: stock, at_most: 20}}
""",
    "routing.yml": """\
teams: {marketing: [mail], operations: [chat]}
receivers:
  mail: {email: {to: [anna@example.com]}}
  chat: {slack: {channel: "#ops", token: {secret: SLACK_TOKEN}}}
  lead: {email: {to: [lead@example.com]}}
routes:
  - {match: ['sku=~"KEY-.*"', team=operations], to: [chat, lead]}
""",
    "tests/stock.yml": """\
start: 2026-03-02 09:00
tests:
  - name: key skus are the lead's business
    events: [{stock KEY-1: "35, 12 at 09:05"}, {stock A-1: "35, 12 at 09:06"}]
    expect:
      - {alert: LowStock, of: KEY-1, hears: [mail, chat, lead]}
      - {alert: LowStock, of: A-1, hears: HEARS}
""",
}


def _suite(folder: Path, hears: str):
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text.replace("HEARS", hears))
    return load_suite([folder], ZoneInfo("Europe/London"))


def test_who_hears_is_compared(tmp_path):
    """By the routes of routing.yml: all of them and no others."""
    (test,) = _suite(tmp_path, "[mail, chat]").tests
    assert run(test).passed


def test_what_differs_is_said(tmp_path):
    """What was expected, and who hears."""
    (test,) = _suite(tmp_path, "[lead]").tests
    (difference,) = run(test).differences
    assert difference.parts == (("hears", "lead", "mail, chat"),)


def test_an_unknown_receiver_is_a_fault(tmp_path):
    """A typo is no difference."""
    (fault,) = _suite(tmp_path, "[mial]").faults
    assert str(fault).endswith("routing.yml has no receiver 'mial'; did you mean 'mail'? [LS193]")
