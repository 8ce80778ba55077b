"""The shipped packs, all switched on: they load clean, speak to both teams, and say how often to expect them."""

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from lockstep.adapters.rule_files import load_rules, shipped_packs
from lockstep.notify.route import routing_of
from lockstep.tools.ruletest.suite import load_suite
from lockstep.yaml.document import parse_document

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


@pytest.mark.parametrize("name", PACKS)
def test_every_rule_of_a_pack_has_a_story_in_which_it_speaks_and_one_in_which_it_does_not(name):
    """In packs/tests, in the file of the pack's name; `lockstep test rules` runs them."""
    suite = load_suite([PACKS[name]], ZoneInfo("UTC"))
    assert [str(fault) for fault in suite.errors] == []
    rules = re.findall(r"^  - name: (\w+)$", PACKS[name].read_text(), re.MULTILINE)
    spoken = {awaited.rule for test in suite.tests for awaited in test.awaited if awaited.said.alert is not None}
    silent = {rule for test in suite.tests for rule in test.rules if rule not in {a.rule for a in test.awaited}}
    assert (spoken, silent & set(rules)) == (set(rules), set(rules))


HANDBOOK = Path(__file__).parents[2] / "rules" / "README.md"


def test_leadership_hears_of_stock_by_the_route_of_the_handbook():
    """Of low and of too much stock, beside the teams; of nothing else."""
    text = HANDBOOK.read_text().partition("# routing: leadership hears of stock\n")[2].partition("```")[0]
    document, faults = parse_document("routing.yml", text)
    assert document is not None
    routing, wrong = routing_of(document)
    assert routing is not None
    assert [*faults, *wrong] == []
    teams = ("marketing", "operations")
    both = ["marketing-mail", "ops-mail"]
    for rule, hear in (("LowCover", [*both, "leadership"]), ("Overstock", [*both, "leadership"]), ("PoorRoas", both)):
        facts = {"sku": "A-1", "rule": rule, "severity": "warning"}
        assert sorted(routing.receivers_heard(teams, facts, moment=0)) == sorted(hear), rule


@pytest.mark.parametrize("name", PACKS)
def test_what_ends_an_alert_can_be_changed_where_what_begins_it_can(name):
    """Else a shop that changes the one has a fault in a file that is not its own."""
    document, _ = parse_document(f"packs/{name}.yml", PACKS[name].read_text())
    assert document is not None
    for rule in document.data["rules"]:
        threshold = rule.get("threshold", {})
        if any(isinstance(bound, dict) and "setting" in bound for bound in threshold.values()):
            assert all(isinstance(bound, dict) for bound in rule.get("clear", {}).values()), rule["name"]


def test_a_shop_that_is_told_earlier_writes_both_numbers(tmp_path):
    """The other one by its own name in shop.yml, and not in the pack."""
    (tmp_path / "shop.yml").write_text(
        "packs: [capacity, spend]\n"
        "capacity: {warn_at: 80%, full_at: 90%, enough_room_at: 85%}\n"
        "spend: {spend_jump: 1.4, spend_as_usual: 1.2, complex: 40%, plain_again: 35%}\n"
    )
    assert [str(fault) for fault in load_rules(tmp_path).errors] == []
