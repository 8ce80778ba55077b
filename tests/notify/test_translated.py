"""What an alert means in the other team's numbers follows a team's own words, and only what is known is said."""

from dataclasses import replace

import msgspec
import pytest
from alert_samples import LONDON, rule, transition

from lockstep.measure.definition import Aggregate, Measured, SeriesDef
from lockstep.notification import ACKNOWLEDGED, HANDLED, Item, TeamPart
from lockstep.notify.message import Writer
from lockstep.rule.condition.bound import Bounds
from lockstep.rule.condition.kinds import Level, Severity, Threshold
from lockstep.rule.condition.view import Kind, Verdict
from lockstep.rule.judged_verdict import Judged, judged

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
    first, second, both = item.team_parts
    assert (first.team, first.to_do, first.stands_out) == ("Marketing", "Add no budget.", True)
    assert (second.team, second.to_do, second.stands_out) == ("Operations", "Call in hands.", True)
    assert (both.team, both.to_do, both.stands_out) == ("", "", False)
    assert both.meaning.startswith("310 orders are expected today and 490 can be shipped: room for 180 more ≈ 5,")


def test_one_team_hears_what_it_is_to_do_and_nothing_of_another():
    """Its part is the message: it needs no title, and stands out also where nothing else is said."""
    alone = Writer(LONDON).item(transition(), replace(rule(), say={"operations": "Call in hands."}), ("operations",))
    assert alone.team_parts == [TeamPart("", "Call in hands.", stands_out=True)]
    assert (alone.audience, alone.in_short) == ("operations", "Operations: Call in hands.")


def test_a_sentence_that_goes_on_for_one_team_is_said_once():
    """The longer one, behind what each team is to do; what only one of them is told stays with it."""
    texts = {"marketing": "Stop. Room for 68 more ≈ 2,000 visits. Coming: TEA.", "operations": "Go. Room for 68 more."}
    item = msgspec.structs.replace(told({}), texts=texts, to_do={"marketing": "Stop.", "operations": "Go."})
    first, second, both = item.team_parts
    assert (first.meaning, second.meaning, both.meaning) == ("Coming: TEA.", "", "Room for 68 more ≈ 2,000 visits.")


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
    assert (part.to_do, part.meaning, part.stands_out) == (item.texts["marketing"], "", text != "Add no budget.")


def test_built_in_words_say_first_what_to_do():
    """Of a rule without words of its own how the alert stands is the same for both teams, and stands below."""
    first, second, stands = told({}, {}).team_parts
    assert (first.team, first.to_do.startswith("Find out whether a campaign"), first.stands_out) == (
        "Marketing",
        True,
        True,
    )
    assert (second.team, second.meaning) == ("Operations", "")
    assert stands.meaning.startswith("Above the usual 20 since")


def test_an_end_says_first_what_is_left_to_do():
    """And then how things stand; what is far from usual still is no news of an end."""
    for value, stands in ((22.0, "Now 22 within 15 minutes, usually 20."), (62.0, "")):
        over = Writer(LONDON).item(transition("resolved", value=value), rule(), ("marketing", "operations"))
        to_do = "If you paused or changed something for it, you can undo that now."
        assert over.team_parts == [TeamPart("", to_do, stands, stands_out=True)]


def test_an_end_says_what_was_told_and_how_long_it_lasted():
    """In the words in which people heard of it; why nobody looks any more is no end."""
    say = {"summary": "{{ labels.channel }}: {{ value }} orders", "operations": "Call in hands."}
    own, fired = replace(rule(), say=say), transition()
    for reason, said, badge in (
        ("", "All clear after 2 hours. It was: web: 62 orders", "over"),
        ("no_data", "No data any more. It was: web: 62 orders", "ended"),
        ("rule_removed", "Not watched any more. It was: web: 62 orders", "ended"),
        ("closed", "Not watched outside its hours. It was: web: 62 orders", "ended"),
    ):
        end = transition("resolved", minute=120, value=22.0, reason=reason)
        item = Writer(LONDON).item(end, own, ("operations",), begun=fired)
        assert (item.line, item.title, item.badge) == (said, said, badge)


def test_of_what_somebody_has_nothing_is_left_to_do():
    """Whoever took it on knows what to do; a note alone takes nothing on."""
    has = msgspec.structs.replace(
        told({"operations": "Call in hands."}), state=HANDLED, handled="Anna has it since 12:05"
    )
    taken = msgspec.structs.replace(has, standing=ACKNOWLEDGED)
    assert (taken.badge, taken.in_short) == ("in hand", "Nothing is left for you to do.")
    assert taken.line == f"Anna has it since 12:05: {taken.headline}"
    assert not any(part.stands_out for part in taken.team_parts)
    assert all(part.stands_out for part in has.team_parts if part.team)


@pytest.mark.parametrize(
    ("summary", "changed", "bars", "because"),
    [
        ("{{ value }} orders, usually {{ baseline }}", {}, False, ""),
        ("more orders than usual", {}, True, ""),
        ("more orders than usual", {"value": 20.4, "ratio": 1.0}, False, ""),
        ("{{ value }} left", {"baseline": None, "limit": 5.0, "value": 4.0}, False, "You are told at 5 or less."),
        ("few are left", {"baseline": None, "limit": 5.0, "value": 4.0}, False, ""),
        ("{{ value }} of {{ limit }} left", {"baseline": None, "limit": 5.0, "value": 4.0}, False, ""),
        ("{{ value }} left", {"baseline": None, "limit": 0.0, "value": 0.0}, False, ""),
    ],
    ids=[
        "the title says both",
        "it does not",
        "of one length",
        "a limit",
        "a value that is not said",
        "the title says the limit",
        "sold out",
    ],
)
def test_numbers_are_shown_where_they_say_more_than_the_title(summary, changed, bars, because):
    """Two bars of what the title says, or of one length, say nothing; a limit is told in words."""
    leaf = Judged(
        kind="threshold",
        of="stock",
        verdict="breach",
        limit=None,
        limit_of="",
        counts={},
        value=62.0,
        baseline=20.0,
        baseline_of="",
        ratio=3.1,
        asked={"warning": "at_most 5"},
        window_start=None,
        window_end=None,
    )
    fired = transition(explanation=msgspec.structs.replace(leaf, **changed) if "limit" in changed else None, **changed)
    item = Writer(LONDON).item(fired, replace(rule(), say={"summary": summary}), ("operations",))
    assert (bool(item.value_bar), item.because or "") == (bars, because)


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
