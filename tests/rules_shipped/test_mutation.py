"""Every number of the shipped rules is held by a test: move it a little either way, and one in rules/tests/ fails."""

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from ruamel.yaml import YAML

from lockstep.adapters.rule_files import OTHER_FILES
from lockstep.rule.condition.kinds import series_of_condition
from lockstep.rule.language.load import load_texts
from lockstep.tools.ruletest.coverage import gaps
from lockstep.tools.ruletest.runner import run
from lockstep.tools.ruletest.suite import load_suite

RULES = Path(__file__).parents[2] / "rules"
FILES = {p.name: YAML(typ="safe").load(p.read_text()) for p in sorted(RULES.glob("*.yml")) if p.stem not in OTHER_FILES}
NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
SPOKEN = ("name", "say", "measure", "severity", "teams", "runbook", "owner", "by")
"""Keys whose numbers, if any, are words."""


def _numbers(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """(where, what it becomes) for each number of a rule, a little more and a little less."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in SPOKEN:
                yield from _numbers(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _numbers(inner, (*path, i))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, str(value + 1)
        yield path, str(value - 1)
    elif isinstance(value, str):
        for match in NUMBER.finditer(value):
            if match.start() and value[match.start() - 1] == ":":
                changes = ["00" if match[0] == "30" else "30"]  # the minutes of a time
            elif ":" in value:
                changes = [f"{int(match[0]) + 1:02}", f"{int(match[0]) - 1:02}"]
            else:
                changes = [f"{float(match[0]) * factor:.6g}" for factor in (1.25, 0.75)]
            for changed in changes:
                if changed != match[0]:
                    yield path, _in_seconds(value[: match.start()] + changed + value[match.end() :])


def _in_seconds(text: str) -> str:
    """Durations are whole numbers: 1.25h is 4500s."""
    match = re.fullmatch(r"([0-9.]+)([mh])", text)
    return text if match is None else f"{round(float(match[1]) * {'m': 60, 'h': 3600}[match[2]] / 60) * 60}s"


MUTANTS = [
    pytest.param(file, i, path, changed, id=f"{rule['name']} {'.'.join(map(str, path))} {changed}")
    for file, data in FILES.items()
    for i, rule in enumerate(data["rules"])
    for path, changed in _numbers(rule)
]


@pytest.fixture(scope="module")
def tests():
    """The tests of the shipped rules, by rule."""
    suite = load_suite([RULES / "tests"], ZoneInfo("Europe/London"))
    assert suite.errors == ()
    by_rule: dict[str, list[Any]] = {}
    for test in suite.tests:
        for rule in test.plan.rules:
            by_rule.setdefault(rule.name, []).append(test)
    # The short ones first: any that fails will do.
    return {name: sorted(parts, key=lambda t: len(t.events)) for name, parts in by_rule.items()}


@pytest.mark.parametrize(("file", "index", "path", "changed"), MUTANTS)
def test_a_changed_number_makes_a_test_fail(file, index, path, changed, tests):
    """At least one."""
    data = copy.deepcopy(FILES[file])
    place = data["rules"][index]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = float(changed) if re.fullmatch(r"-?[0-9.]+", changed) else changed
    if path[-1] in ("same_time_of_week", "same_time_of_day"):
        place[path[-1]] = int(changed)
    loaded = load_texts({file: json.dumps(data)})
    rule = next((r for r in loaded.plan.rules if r.name == data["rules"][index]["name"]), None)
    if rule is None:
        assert loaded.errors, "a number that cannot be so is named by check"
        return
    assert any(not run(_with_rule(test, rule)).passed for test in tests[rule.name])


def _with_rule(test, rule):
    """The test with another version of one of its rules."""
    rules = tuple(rule if r.name == rule.name else r for r in test.plan.rules)
    series = dict.fromkeys(s for r in rules for s in series_of_condition(r.condition))
    return replace(test, plan=replace(test.plan, rules=rules, series=tuple(series)))


def test_they_leave_nothing_open():
    """What `lockstep test rules/tests --coverage` would name; stories of packs show that a rule speaks, no more."""
    suite = load_suite([RULES / "tests"], ZoneInfo("Europe/London"))
    assert [str(g) for g in gaps(suite.rules, [run(t) for t in suite.tests])] == []


def test_unchanged_they_pass(tests):
    """Else every mutant would be caught for nothing."""
    assert [t.name for parts in tests.values() for t in parts if not run(t).passed] == []
