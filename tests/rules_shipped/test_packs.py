"""The shipped packs, all switched on: they load clean, speak to both teams, and say how often to expect them."""

import re

import pytest

from lockstep.adapters.rule_files import load_rules, shipped_packs

PACKS = shipped_packs()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rules")
    (folder / "shop.yml").write_text(f"currency: EUR\npacks: [{', '.join(PACKS)}]\n")
    return load_rules(folder)


def test_all_packs_together_load_clean(loaded):
    """None takes the name of another's rule or measure; not even a warning."""
    assert [str(f) for f in loaded.faults] == []
    written = sum(text.count("  - name: ") for text in (path.read_text() for path in PACKS.values()))
    assert len({rule.name for rule in loaded.plan.rules}) == written > 30


def test_every_rule_of_a_pack_speaks_to_both_teams(loaded):
    """In a summary and in words of its own for each."""
    for rule in loaded.plan.rules:
        assert rule.say.keys() == {"summary", "marketing", "operations"}, rule.name
        assert len(set(rule.say.values())) == 3, rule.name
        assert set(rule.teams) == {"marketing", "operations"}, rule.name


@pytest.mark.parametrize("name", PACKS)
def test_every_rule_of_a_pack_says_its_promise_and_how_often_it_is_expected(name):
    """In the comment just above it."""
    above = re.findall(r"((?:^  # .*\n)+)?^  - name: (\w+)\n", PACKS[name].read_text(), re.MULTILINE)
    assert above
    for comment, rule in above:
        assert re.match(r"  # [SM]\d+\b", comment), rule
        assert "Expected: " in comment, rule
