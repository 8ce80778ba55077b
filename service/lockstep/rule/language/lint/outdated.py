"""What time and renaming make of rules: a day that has passed, a name that was another's."""

from collections.abc import Iterable
from datetime import date

from lockstep.rule.condition.kinds import Rule
from lockstep.yaml.document import Document, Fault


def past_their_day(rules: Iterable[Rule], *, today: date) -> list[Fault]:
    """Rules that are judged no longer. today: in the shop's time zone."""
    faults = []
    for rule in rules:
        if rule.expires is not None and rule.expires < today:
            file, _, line = rule.place.rpartition(":")
            message = f"rule '{rule.name}': it expired on {rule.expires}, nothing is judged any more"
            faults.append(Fault(file, int(line), 1, message, "remove it, or give it another day", "LS202", "warning"))
    return faults


def doubtful_names(rules: Iterable[tuple[Document, int, Rule]], names: Iterable[str]) -> list[Fault]:
    """Earlier names (`was`) that cannot be told apart from rules that stand. names: of all rules, also broken ones."""
    faults: list[Fault] = []
    standing, heirs = set(names), dict[str, str]()
    for document, index, rule in rules:
        for old in rule.was:
            remedy = "name what the rule was called before it was renamed, or remove 'was'"
            if old == rule.name:
                message = f"'was' names the rule itself, '{old}'"
            elif old in standing:
                message = f"'was' names the rule '{old}', which still stands"
            elif old in heirs:
                message = f"rule '{heirs[old]}' was '{old}', too"
                remedy = "the alerts of one name go to one rule: remove one 'was'"
            else:
                heirs[old] = rule.name
                continue
            faults.append(document.fault(("rules", index, "was"), message, remedy, "LS203"))
    return faults
