"""What an alert means in the other team's numbers follows a team's own words, and only what is known is said."""

from dataclasses import replace

import pytest
from alert_samples import LONDON, rule, transition

from lockstep.measure.definition import Aggregate, Measured, SeriesDef
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
    assert (
        "20 units of A-1 are available, enough for 2 days at 10 units a day. It will be out for 5 days before" in said
    )


def test_an_end_says_only_that_it_is_over():
    """What is left to do when it is over has no numbers of the shop."""
    said = Writer(LONDON).team_text(transition("resolved", shop=KNOWN), rule(), "marketing")
    assert "expected today" not in said


def test_webhooks_say_the_same():
    """Programs are told the same words, within the bounds of a body."""
    body = Writer(LONDON).webhook(transition(shop=KNOWN), rule(), ("marketing", "operations"))
    assert "310 orders are expected today" in str(body)
