"""rules/README.md is executed: every example loads clean, every code stands in its table."""

import re
from pathlib import Path

import pytest

from lockstep.notify.route import load_routing
from lockstep.rule.lint import CODES
from lockstep.rule.load import load_texts

HANDBOOK = Path(__file__).parents[2] / "rules" / "README.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", HANDBOOK.read_text(), re.DOTALL)


@pytest.mark.parametrize("text", [e for e in EXAMPLES if not e.startswith(("# routing", "# calendar"))])
def test_an_example_loads_clean(text):
    """A reader may copy any of them."""
    loaded = load_texts({"example.yml": text})
    assert [str(f) for f in loaded.faults] == []
    assert len(loaded.plan.rules) == text.count("- name:")


def test_the_routing_example_loads_clean(tmp_path):
    """The example of routing.yml."""
    (example,) = [e for e in EXAMPLES if e.startswith("# routing")]
    path = tmp_path / "routing.yml"
    path.write_text(example)
    routing, faults = load_routing(path)
    assert (routing is not None, [str(f) for f in faults]) == (True, [])


def test_the_calendar_example_loads_clean():
    """The example of calendar.yml."""
    (example,) = [e for e in EXAMPLES if e.startswith("# calendar")]
    assert [str(f) for f in load_texts({"calendar.yml": example}).faults] == []


def test_the_table_of_codes_is_complete():
    """What `check` may say is explained."""
    table = dict(re.findall(r"^\| (LS[0-9]{3}) \| (.*) \|$", HANDBOOK.read_text(), re.MULTILINE))
    assert table == CODES
