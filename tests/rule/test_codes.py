"""`lockstep explain LSnnn`: every code is explained, and its examples are what they are said to be."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from lockstep.errors import RuleError
from lockstep.rule.language.lint.lint import CODES
from lockstep.tools.check.check_report import check
from lockstep.tools.check.codes import explanation
from lockstep.tools.ruletest.suite import load_text

MEASURES = """\
measures:
  orders: {count: order.placed}
  revenue: {sum: total, of: order.placed}
  units: {sum: lines.quantity, of: order.placed}
  sessions: {count: traffic.session}
  stock: {last: available, of: stock.level}
  conversion: {formula: orders / sessions}
"""
RULE = "rules: [{{name: Any, teams: [{team}], threshold: {{measure: stock, at_most: 20}}}}]\n"
WITHOUT_EXAMPLE = {"LS101", "LS173", "LS195", "LS243"}
"""A file that cannot be read or is not there cannot be shown; nor a file of another shop, which a mapping is for, or a
calendar of somebody else."""


def _codes_of(folder, example):
    """What `lockstep check`, or for tests `lockstep test`, says of an example in the folder of a shop."""
    if "tests:" in example:
        return {f.code for f in load_text(example, MEASURES + RULE.format(team="operations"), ZoneInfo("UTC")).faults}
    if not example.startswith("measures:"):
        (folder / "measures.yml").write_text(MEASURES)
    is_routing = example.startswith("teams:")
    is_calendar = example.startswith(("campaigns:", "holidays:", "closed:", "country:"))
    name = "routing.yml" if is_routing else "calendar.yml" if is_calendar else "rules.yml"
    name = "shop.yml" if example.startswith(("currency:", "packs:")) else name
    name = "sources.yml" if example.startswith("sources:") else name
    (folder / name).write_text(example)
    if is_routing:
        team = "operations" if "operations:" in example else "marketing"
        (folder / "rules.yml").write_text(RULE.format(team=team))
    return {
        f.code
        for f in check(
            [folder], kept_s=7 * 86400 if "same_time" in example else None, now=datetime(2026, 11, 25, tzinfo=UTC)
        ).faults
    }


@pytest.mark.parametrize("code", sorted(CODES))
def test_the_bad_example_gets_the_code_and_the_good_one_nothing(code, tmp_path):
    """Who copies the good one is done; who has the bad one finds it explained."""
    explained = explanation(code)
    if code in WITHOUT_EXAMPLE:
        assert (explained.bad, explained.good) == ("", "")
        return
    assert code in _codes_of(tmp_path, explained.bad)
    assert _codes_of(tmp_path, explained.good) - _beside_the_point(explained.good) == set()


def _beside_the_point(example):
    """LS162 is told of every baseline of weeks when events are kept for seven days, as this test says."""
    return {"LS162"} if "same_time_of_week" in example else set()


@pytest.mark.parametrize("code", sorted(CODES))
def test_an_explanation_is_a_paragraph(code):
    """More than the title, less than a page, and about the reader's file."""
    explained = explanation(code)
    assert explained.title == CODES[code]
    assert 60 < len(explained.text) < 700
    assert "```" not in explained.text
    assert all(part in explained.markdown() for part in (code, explained.text, explained.bad, explained.good))


def test_there_is_no_explanation_of_what_nobody_says(tmp_path):
    """A file for each code, and none besides."""
    from importlib.resources import files

    names = [f.name for f in (files("lockstep.tools.check") / "codes").iterdir()]
    assert sorted(names) == [f"{code}.md" for code in sorted(CODES)]
    with pytest.raises(RuleError, match=re.escape("there is no code 'LS999'; they run from LS101 to LS")):
        explanation("LS999")
