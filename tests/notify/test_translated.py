"""What an alert means in the other team's numbers follows a team's own words, and only what is known is said."""

from dataclasses import replace

import msgspec
import pytest
from alert_samples import LONDON, rule, transition

from lockstep.measure.definition import Aggregate, Measured, SeriesDef
from lockstep.notification import Item
from lockstep.notify.message import Writer
from lockstep.rule.condition.bound import Bounds
from lockstep.rule.condition.kinds import Level, Severity, Threshold
from lockstep.rule.condition.view import Kind, Verdict
from lockstep.rule.judged_verdict import judged

KNOWN = {
    "orders_today": 130,
    "expected_today": 310,
    "capacity_today": 490,
    "room_left": 180,
    "conversion": 0.031,
    "visits_for_room": 5806,
    "visits_today": 4000,
    "orders_from_visits": 124,
}


def text(team: str, *, say: dict[str, str] | None = None, shop: dict[str, float | str] | None = None) -> str:
    spoken = replace(rule(), say=say or {})
    return Writer(LONDON).team_text(transition(shop=KNOWN if shop is None else shop), spoken, team)


def test_capacity_is_told_to_marketing_as_visits():
    """Operations' room for orders, in marketing's visits, with the numbers that it came from."""
    said = text("marketing", say={"marketing": "Look at what runs."})
    assert said.startswith("Look at what runs. 310 orders are expected today and 490 can be shipped")
    assert "room for 180 more ≈ 5,806 visits at 3.1%." in said


def test_operations_hears_the_same_room_without_visits():
    """The same numbers; visits are marketing's."""
    said = text("operations")
    assert "310 orders are expected today and 490 can be shipped: room for 180 more" in said
    assert "visits" not in said


@pytest.mark.parametrize("team", ["marketing", "operations"])
def test_of_an_unknown_shop_nothing_is_said(team):
    """Without facts the text is the rule's own, and no sentence about what is not known."""
    assert text(team, say={team: "Do this."}, shop={}) == "Do this."


def test_a_text_that_speaks_of_the_shop_itself_is_left_alone():
    """Nobody reads the same numbers twice."""
    said = text("marketing", say={"marketing": "Room for {{ room_left }} orders."})
    assert "expected today" not in said


def test_the_stock_that_an_alert_is_of_is_the_stock_that_is_told():
    """The shop's facts are of some minutes ago; what depends on the stock goes along with it, as far as it is known."""
    shop = {
        "available": 40.0,
        "velocity": 10.0,
        "days_of_cover": 4.0,
        "gap_days": 3.0,
        "next_receipt": "Fri 4 Dec",
        "next_receipt_quantity": 500.0,
    }
    stock = SeriesDef(Aggregate.LAST, "stock.level", "inventory", field="available", by=("sku",))
    least = Threshold(Measured(stock), 0, (Level(Severity.WARNING, Bounds(at_most=20)),))
    low = rule(by=("sku",), condition=least)
    verdict = judged(least, Verdict(Kind.BREACH, Severity.WARNING, value=20.0, limit=20.0))
    fired = transition(labels={"sku": "A-1"}, value=20.0, shop=shop, explanation=verdict)
    said = Writer(LONDON).team_text(fired, low, "marketing")
    assert "20 units are in stock, enough for 2 days at 10 units a day. It will be out for 5 days before" in said


def test_an_end_says_only_that_it_is_over():
    """What is left to do when it is over has no numbers of the shop."""
    said = Writer(LONDON).team_text(transition("resolved", shop=KNOWN), rule(), "marketing")
    assert "expected today" not in said


def test_webhooks_say_the_same():
    """Programs are told the same words, within the bounds of a body."""
    body = Writer(LONDON).webhook(transition(shop=KNOWN), rule(), ("marketing", "operations"))
    assert "310 orders are expected today" in str(body)


def told(say: dict[str, str], shop: dict[str, float | str] | None = None) -> Item:
    known = KNOWN if shop is None else shop
    return Writer(LONDON).item(transition(shop=known), replace(rule(), say=say), ("marketing", "operations"))


def test_what_to_do_stands_apart_from_what_it_means():
    """So that channels can show the first so that it stands out; together they are the whole text, as before."""
    item = told({"marketing": "Add no budget.", "operations": "Call in hands."})
    assert [(part.team, part.to_do) for part in item.team_parts] == [
        ("Marketing", "Add no budget."),
        ("Operations", "Call in hands."),
    ]
    assert all(part.meaning.startswith("310 orders are expected today") for part in item.team_parts)
    assert all(part.stands_out for part in item.team_parts)
    assert [part.whole for part in item.team_parts] == [*item.texts.values()]


def test_what_means_the_same_to_both_teams_is_said_once():
    """Behind what each of them is to do."""
    say = {"marketing": "Add no budget.", "operations": "Call in hands."}
    item = told(say, {"campaigns": "SUMMER until Thu 3 Dec"})
    first, second, both = item.team_parts
    assert (first.whole, second.whole) == ("Add no budget.", "Call in hands.")
    assert (both.team, both.to_do, both.meaning.endswith("Campaigns now: SUMMER until Thu 3 Dec.")) == ("", "", True)


@pytest.mark.parametrize("text", ["W" * 2_000, "Add no budget."], ids=["a text that is cut", "another text by now"])
def test_a_text_that_does_not_have_what_to_do_is_told_whole(text):
    """What was cut, or replaced since it was written, such as by that the alert came and went."""
    item = told({"marketing": text, "operations": "Call in hands."})
    if text == "Add no budget.":
        item = msgspec.structs.replace(item, texts={"marketing": "It was over again."})
    part = item.team_parts[0]
    assert (part.to_do, part.meaning, part.stands_out) == (item.texts["marketing"], "", False)


def test_built_in_words_say_first_what_to_do():
    """Of a rule without words of its own how the alert stands is the same for both teams, and stands below."""
    first, second, stands = told({}, {}).team_parts
    assert (first.team, first.to_do.startswith("Find out whether a campaign"), first.stands_out) == (
        "Marketing",
        True,
        True,
    )
    assert (second.team, second.meaning) == ("Operations", "")
    assert stands.meaning.startswith("OrderSpike, channel web: above the usual 20 since")


def test_an_end_says_first_what_is_left_to_do():
    """And then when it ended."""
    over = Writer(LONDON).item(transition("resolved"), rule(), ("marketing", "operations"))
    (part,) = over.team_parts
    assert (part.team, part.to_do.startswith("Take back what was changed")) == ("", True)
    assert "over since" in part.meaning


@pytest.mark.parametrize(
    ("headline", "title"),
    [
        ("today will be nearly full", "Today will be nearly full"),
        ("web spends 23x the usual", "web spends 23x the usual"),
        ("a-1 is sold out", "a-1 is sold out"),
        ("20 orders within 1 hour", "20 orders within 1 hour"),
    ],
    ids=["a sentence", "a label's value", "what may be a name", "a number"],
)
def test_a_title_begins_with_a_capital_unless_with_a_name(headline, title):
    """A name is as it is written."""
    assert msgspec.structs.replace(told({}), headline=headline).title == title
