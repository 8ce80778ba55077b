"""rules/README.md is executed: every example loads clean, every code stands in its table."""

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from lockstep.adapters.convert.mapping import read_mapping
from lockstep.adapters.rule_files import load_routing
from lockstep.adapters.sql.source_file import load_sources
from lockstep.rule.language.lint.lint import CODES
from lockstep.rule.language.load import load_texts
from lockstep.tools.ruletest.results import explained
from lockstep.tools.ruletest.runner import run
from lockstep.tools.ruletest.suite import load_text
from lockstep.yaml.document import document_of

HANDBOOK = Path(__file__).parents[2] / "rules" / "README.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", HANDBOOK.read_text(), re.DOTALL)
TESTED = re.findall(r"```yaml\n((?:(?!```).)*)```(?:(?!```).)*```yaml test\n(.*?)```", HANDBOOK.read_text(), re.DOTALL)
"""The rules that stand before tests, and these tests."""
TABLES = dict(re.findall(r"```csv (\S+)\n(.*?)```", HANDBOOK.read_text(), re.DOTALL))
"""name → text of the tables that stand beside them."""
CALENDAR, PLANNED, FED = [e for e in EXAMPLES if e.startswith("# calendar")]


NO_RULES = ("# routing", "# calendar", "# sources", "# shop", "# of shop.yml", "# pack")
MAPPINGS = [e for e in EXAMPLES if "\nmapping: " in e]


@pytest.mark.parametrize("text", [e for e in EXAMPLES if not e.startswith(NO_RULES) and e not in MAPPINGS])
def test_an_example_loads_clean(text):
    """A reader may copy any of them."""
    loaded = load_texts({"example.yml": text, **TABLES})
    assert [str(f) for f in loaded.faults] == []
    assert len(loaded.plan.rules) == text.count("- name:")


@pytest.mark.parametrize("text", MAPPINGS)
def test_a_mapping_loads_clean(text):
    """A reader may copy it; what it makes of a file is tested in tests/convert."""
    document, _ = document_of("till.yml", text.encode())
    assert [str(f) for f in read_mapping(document)[1]] == []


@pytest.mark.parametrize(("rules", "tests"), TESTED)
def test_the_tests_of_an_example_pass(rules, tests):
    """A reader may run any of them; what is not true is not written."""
    calendar = {"calendar.yml": CALENDAR} if tests.startswith("# with the calendar above") else {}
    suite = load_text(tests, rules, ZoneInfo("Europe/London"), beside={**TABLES, **calendar})
    assert [str(f) for f in suite.faults] == []
    assert [explained(o) for o in map(run, suite.tests) if not o.passed] == []
    assert len(suite.tests) == tests.count("- name:")


def test_every_test_in_the_handbook_is_run():
    """None stands where no rules come before it."""
    assert len(TESTED) == HANDBOOK.read_text().count("```yaml test\n") > 0


def test_the_routing_example_loads_clean(tmp_path):
    """The examples of routing.yml."""
    examples = [e for e in EXAMPLES if e.startswith("# routing")]
    path = tmp_path / "routing.yml"
    for example in examples:
        path.write_text(example)
        routing, faults = load_routing(path)
        assert (routing is not None, [str(f) for f in faults]) == (True, [])
    assert examples


def test_the_sources_example_loads_clean(tmp_path):
    """The example of sources.yml, with the mapping that stands beside it."""
    (example,) = [e for e in EXAMPLES if e.startswith("# sources")]
    (mapping,) = [m for m in MAPPINGS if "\nmapping: orders\n" in m]
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "orders.yml").write_text(mapping)
    (tmp_path / "sources.yml").write_text(example)
    loaded = load_sources(tmp_path / "sources.yml")
    assert ([s.name for s in loaded.sources], [str(f) for f in loaded.faults]) == (["shop"], [])


@pytest.mark.parametrize("text", [CALENDAR, PLANNED, FED], ids=["days", "plans", "feeds"])
def test_a_calendar_example_loads_clean(text):
    """The examples of calendar.yml."""
    assert [str(f) for f in load_texts({"calendar.yml": text}).faults] == []


def test_the_examples_of_a_shop_and_a_pack_load_clean():
    """The pack's setting is the one that shop.yml changes."""
    (shop,) = [e for e in EXAMPLES if e.startswith("# shop")]
    (pack,) = [e for e in EXAMPLES if e.startswith("# pack")]
    loaded = load_texts({"shop.yml": shop, "packs/stock.yml": pack})
    assert [str(f) for f in loaded.faults] == []
    assert [rule.condition.levels[0].breach.at_most for rule in loaded.plan.rules] == [10]


def test_a_part_of_a_shop_loads_clean():
    """Receivers are those of routing.yml, which is not here."""
    parts = [e for e in EXAMPLES if e.startswith("# of shop.yml")]
    assert parts
    for part in parts:
        assert [str(f) for f in load_texts({"shop.yml": part}).faults] == []


def test_the_table_of_codes_is_complete():
    """What `check` may say is explained."""
    table = dict(re.findall(r"^\| (LS[0-9]{3}) \| (.*) \|$", HANDBOOK.read_text(), re.MULTILINE))
    assert table == CODES


PROMISES = re.findall(r"^\| ([SM]\d+) \| (.+) \| (.+) \| (.+) \|$", HANDBOOK.read_text(), re.MULTILINE)
"""Number, what was promised, what delivers it, what shows it."""


def test_every_promise_to_the_two_teams_has_its_row():
    """In order, each once."""
    assert [row[0] for row in PROMISES] == [*(f"S{n}" for n in range(1, 30)), *(f"M{n}" for n in range(1, 22))]


@pytest.mark.parametrize(("number", "delivers", "shows"), [(row[0], *row[2:]) for row in PROMISES])
def test_what_delivers_and_shows_a_promise_is_there(number, delivers, shows):
    """The pack has the rule that is named, under this number; the test exists."""
    for pack in re.findall(r"\]\((packs/\w+\.yml)\)", delivers):
        assert re.search(rf"\b{number}\b", (HANDBOOK.parent / pack).read_text()), pack
    packs = "".join(path.read_text() for path in HANDBOOK.parent.glob("packs/*.yml"))
    rules = set(re.findall(r"- name: (\w+)", packs))
    named = set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", delivers))
    assert named <= rules
    tests = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", shows)
    assert tests
    for path, name in tests:
        text = (HANDBOOK.parents[1] / path).read_text()
        assert not name or f"def {name}(" in text, f"{path}::{name}"
