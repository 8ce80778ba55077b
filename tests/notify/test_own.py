"""Alerts about Lockstep itself: a refused rule file is told with its fault, and named by its file alone."""

import pytest
from alert_samples import LONDON, NOON
from jsonschema import Draft202012Validator

from lockstep.labels import stable_id
from lockstep.notify.message import Writer, webhook_json_schema
from lockstep.notify.own import REFUSED, own_rule, refused_transition
from lockstep.transition import Transition, decode, encode

TEAMS = ("marketing", "operations")
FAULT = "rules/stock.yml:4:7: rule 'LowStock': unknown key 'at_mots'; did you mean 'at_most'? [LS110]"


def refused(*faults: str, over: bool = False) -> Transition:
    return refused_transition("rules/stock.yml", faults or (FAULT,), over=over, now=NOON)


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        pytest.param((FAULT,), FAULT, id="one"),
        pytest.param((FAULT, "b", "c"), f"{FAULT} (and 2 more)", id="three"),
    ],
)
def test_the_fault_is_told_and_no_label(faults, told):
    """Every team reads what is wrong; who groups, routes or silences by labels sees the file alone."""
    transition = decode(encode(refused(*faults)))
    assert transition.labels == {"file": "rules/stock.yml"}
    assert transition.fault == told
    item = Writer(LONDON).item(transition, own_rule(TEAMS), TEAMS)
    assert item["headline"] == "rules/stock.yml was refused"
    assert set(item["texts"].values()) == {
        f"The rules in force stay as they were. Mend the file and save it: {told}",
    }
    assert (item["why"], item["more"]) == ([], "")


def test_ids_are_of_the_file_and_its_faults():
    """The same alert whatever is wrong with the file, another episode for another fault, one that its end shares."""
    one, other, over = refused(), refused("another"), refused(over=True)
    assert one.alert_id == other.alert_id == over.alert_id == stable_id("alert", REFUSED, "rules/stock.yml")
    assert one.episode_id == over.episode_id == stable_id("episode", one.alert_id, FAULT)
    assert one.episode_id != other.episode_id
    assert one.transition_id == stable_id("transition", one.episode_id, 1)


def test_a_webhook_has_no_explanation_of_it():
    """No rule judged: `explanation` is null."""
    body = Writer(LONDON).webhook(refused(), own_rule(TEAMS), TEAMS)
    Draft202012Validator(webhook_json_schema()).validate(body)
    assert body["data"]["explanation"] is None
    assert FAULT in body["data"]["text"]
