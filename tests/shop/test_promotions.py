"""Products that campaigns promote, and the answers to plans."""

import itertools
import random
from datetime import date, timedelta
from fractions import Fraction

import pytest
from msgspec.structs import replace
from shop_build import NOON, TODAY, at, capacity, day, days, history, marked, plan, product, receipt, shop_of, today

from lockstep.shop.business import business
from lockstep.shop.plan_answer import answer, assess
from lockstep.shop.plans.plan_words import PlanDay, fullness, sum_text
from lockstep.shop.subjects.promotions import stock_course, units_of_campaign

WEB = {"orders": 100, "sessions": 4_000, "units": 150}
HISTORY = history(web=WEB)
LAST_WEEK = plan("SUMMER", "2026-11-27", "2026-12-03", ["A-1"], orders=0)


def of(*facts, **settings):
    return business(shop_of(*facts, **settings), "product", ("A-1",), NOON)


# ---- measures of a product ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "gap"),
    [
        pytest.param([product(sells=4, stock=10), LAST_WEEK], 1, id="2.5 days of stock, 3.5 days to go"),
        pytest.param([product(sells=4, stock=14), LAST_WEEK], 0, id="just enough"),
        pytest.param(
            [product(sells=4, stock=10, receipts=[receipt(5, "2026-12-02")]), LAST_WEEK], 0, id="more comes in time"
        ),
        pytest.param(
            [product(sells=4, stock=0, receipts=[receipt(99, "2026-12-02")]), LAST_WEEK], 2, id="out until it comes"
        ),
        pytest.param([product(sells=0, stock=0), LAST_WEEK], 4, id="out, whatever it sold"),
        pytest.param([product(sells=0, stock=1), LAST_WEEK], 0, id="there is one, and nobody buys it"),
        pytest.param([product(sells=4, stock=10)], None, id="no campaign"),
        pytest.param(
            [product(sells=4, stock=10), plan("X", "2026-12-09", "2026-12-12", ["A-1"])], None, id="in nine days"
        ),
        pytest.param(
            [product(sells=4, stock=10), plan("X", "2026-12-05", "2026-12-06", ["A-1"])], 2, id="in five days"
        ),
        pytest.param([product(sells=4, stock=10), plan("X", "2026-11-20", "2026-11-28", ["A-1"])], None, id="over"),
        pytest.param([product(sells=4, stock=10), replace(LAST_WEEK, cancelled=True)], None, id="cancelled"),
        pytest.param([product(sells=4, stock=None), LAST_WEEK], None, id="no stock was told"),
    ],
)
def test_cover_of_promoted_products(facts, gap):
    """Days of its campaigns on which it is out, with what comes in between."""
    assert of(*history(web=WEB), *facts)["promoted_cover_gap"].value == gap


def test_what_a_campaign_sells_on_top_counts():
    """40 orders of 1.5 units over four days, shared by two products as they sell: 11.25 a day of A-1."""
    facts = [*history(web=WEB), product(sells=3, stock=30), product("B-1", sells=1, stock=99)]
    coming = plan("X", "2026-12-01", "2026-12-04", ["A-1", "B-1"], orders=40)
    shop = shop_of(*facts, coming)
    assert units_of_campaign(shop, coming, NOON)["A-1"][date(2026, 12, 1)] == Fraction(45, 4)
    assert sum(sum(units.values()) for units in units_of_campaign(shop, coming, NOON).values()) == 60
    assert business(shop, "product", ("A-1",), NOON)["promoted_cover_gap"].value == 2


@pytest.mark.parametrize(
    ("facts", "value"),
    [
        pytest.param([product(stock=9), LAST_WEEK], 9, id="now"),
        pytest.param([product(stock=-2), LAST_WEEK], -2, id="oversold"),
        pytest.param([product(stock=9), plan("X", "2026-12-01", "2026-12-01", ["A-1"])], None, id="tomorrow"),
        pytest.param([product(stock=9), plan("X", "2026-11-27", "2026-12-03", ["B-1"])], None, id="another product"),
    ],
)
def test_promoted_stock(facts, value):
    """Of campaigns that run."""
    assert of(*facts)["promoted_stock"].value == value
    assert of(*facts, backorder=("A-*",))["promoted_stock"].value is None


SPENT = {"SUMMER": {"EUR": 12_000}, "OTHER": {"EUR": 900}}


@pytest.mark.parametrize(
    ("facts", "spend"),
    [
        pytest.param([product(stock=0), LAST_WEEK, day(TODAY, spend_by_campaign=SPENT)], 120, id="of the campaign"),
        pytest.param([product(stock=1), LAST_WEEK, day(TODAY, spend_by_campaign=SPENT)], 0, id="there is one"),
        pytest.param([product(stock=0), day(TODAY, spend_by_campaign=SPENT)], 0, id="no campaign promotes it"),
        pytest.param([product(stock=0), LAST_WEEK, day(TODAY)], 0, id="nothing was spent"),
        pytest.param(
            [
                product(stock=0),
                replace(LAST_WEEK, channels=["ads"]),
                *days(TODAY, ads={"spend": 500}, web={"spend": 7}),
            ],
            5,
            id="spend that names no campaign: that of its channels",
        ),
        pytest.param(
            [product(stock=None), LAST_WEEK, day(TODAY, spend_by_campaign=SPENT)], None, id="no stock was told"
        ),
    ],
)
def test_spend_without_stock(facts, spend):
    """What is spent today on promoting what is sold out."""
    assert of(*facts)["spend_without_stock"].value == spend


def test_the_stock_is_followed_day_by_day():
    """Half of today is left; what is not there is not sold later."""
    shop = shop_of(*today("12:00", whole={"orders": 0}))
    facts = product(sells=4, stock=6, receipts=[receipt(5, "2026-12-03")])
    course = stock_course(shop, facts, NOON, (TODAY, TODAY + timedelta(4)), {})
    assert (course.needed, course.short) == (18, 7)
    assert course.out_on == (date(2026, 12, 2), date(2026, 12, 4))


# ---- answers --------------------------------------------------------------------------------------------------------


def a_shop(*facts, stock=1_000, **settings):
    return shop_of(
        *HISTORY,
        *today("12:00", web={"orders": 26, "sessions": 1_000, "units": 39}),
        product(sells=4, stock=stock),
        *facts,
        **{"capacity_per_day": 150.0, **settings},
    )


def asked(**fields):
    return plan("NEW", "2026-12-02", "2026-12-05", **{"skus": ["A-1"], "orders": 120, **fields})


def test_a_plan_that_fits_is_answered_yes_with_its_numbers():
    given = answer(a_shop(), asked(), NOON)
    assert (given.verdict, given.suggestion) == ("yes", "")
    assert given.reasons == [
        "130 orders are expected on its fullest day, Wed 2 Dec, and 150 can be shipped.",
        "Wed 2 Dec: 100 usual + 30 by this campaign = 130 orders.",
        "Product A-1 lasts until it ends, and longer.",
    ]
    assert given.headline == (
        "Campaign NEW (Wed 2 to Sat 5 Dec) looks possible: 130 orders are expected on its fullest day, Wed 2 Dec, and "
        "150 can be shipped"
    )
    assert given.others == given.reasons[1:]
    assert given.days[0] == PlanDay(
        day="2026-12-02", expected=130, usual=100, campaign=30, others=0, capacity=150, room=20
    )
    (row,) = given.products
    assert (row.sku, row.available, row.days_of_cover, row.needed, row.short, row.enough_until) == (
        ("A-1", 1_000, 250.0, 196, 0, "")
    )
    assert (given.orders, given.orders_of, given.unknown) == (120, "of 120 announced orders", [])


def test_too_many_orders_in_all_are_a_no():
    """No shifting between its days helps; it says what does."""
    given = answer(a_shop(), asked(orders=400), NOON)
    assert given.verdict == "no"
    assert given.reasons == [
        "800 orders are expected in its 4 days, 600 can be shipped.",
        "Wed 2 Dec: 100 usual + 100 by this campaign = 200 orders, 50 more than can be shipped.",
        "Too full as well: Thu 3 Dec, Fri 4 Dec and Sat 5 Dec.",
    ]
    assert given.instead == "can you ship 800 orders in its 4 days"
    assert given.suggestion == "Cap its spend so that it brings at most 50 orders a day (≈ 2,000 visits)."


def test_as_many_orders_as_can_be_shipped_are_none_too_many():
    """150 on each of its four days; with one more it is a no."""
    assert answer(a_shop(), asked(orders=200), NOON).verdict == "yes"
    assert answer(a_shop(), asked(orders=204), NOON).verdict == "no"


def test_a_day_that_is_too_full_is_a_change():
    """Operations has fewer people on one of its days."""
    given = answer(a_shop(capacity(110, "2026-12-03")), asked(), NOON)
    assert given.verdict == "change"
    assert given.reasons == [
        "130 orders are expected on Thu 3 Dec, 110 can be shipped.",
        "Thu 3 Dec: 100 usual + 30 by this campaign = 130 orders, 20 more than can be shipped.",
    ]
    assert given.headline == (
        "Campaign NEW (Wed 2 to Sat 5 Dec) needs a change: 130 orders are expected on Thu 3 Dec, 110 can be shipped"
    )
    assert given.suggestion == (
        "Move it to Fri 4 to Mon 7 Dec: then 130 orders are expected on its fullest day, 150 can be shipped."
    )
    assert given.instead == "can you ship 130 orders on Thu 3 Dec"
    assert answer(a_shop(capacity(140, "2026-12-03")), asked(), NOON).verdict == "yes"


def test_stock_that_does_not_last_is_a_change():
    given = answer(a_shop(stock=90), asked(), NOON)
    assert given.verdict == "change"
    assert given.reasons == [
        "Product A-1 is sold out from Fri 4 Dec, 1 day before it ends.",
        "Product A-1: 196 are needed, 112 more than there will be; 90 are left, enough for 23 days at the usual speed; "
        "no delivery is planned.",
    ]
    assert given.suggestion == "Promote something else than product A-1, or wait until more of it is ordered."
    assert given.instead == "can you get 112 more of product A-1 by Fri 4 Dec"
    assert given.products[0].enough_until == "2026-12-04"


def test_a_later_start_is_found_after_the_next_delivery():
    """500 come on the seventh, and what there is lasts until then."""
    given = answer(a_shop(product(sells=4, stock=90, receipts=[receipt(500, "2026-12-07")])), asked(), NOON)
    assert given.verdict == "change"
    assert given.suggestion == (
        "Move it to Sun 6 to Wed 9 Dec: then product A-1 lasts, and 130 orders are expected on its fullest day, 150 "
        "can be shipped."
    )


def test_one_of_many_products_is_left_out():
    facts = [product("B-1", sells=4, stock=0), product("C-1", sells=4, stock=900)]
    planned = plan("NEW", "2026-12-02", "2026-12-05", ["A-1", "B-1", "C-1"], orders=120)
    given = answer(a_shop(*facts), planned, NOON)
    assert given.verdict == "change"
    assert given.suggestion == "Leave out product B-1."
    assert given.reasons[0] == "Product B-1 is sold out on all of its days."
    assert given.reasons[1].endswith("; none is left; no delivery is planned.")


def test_all_products_out_are_a_no():
    assert answer(a_shop(stock=0), asked(), NOON).verdict == "no"
    assert answer(a_shop(stock=0, backorder=("A-*",)), asked(), NOON).verdict == "yes"


BUNDLES = {"SET": {"A-1": 2, "B-1": 1}, "PAIR": {"B-1": 2}}


def test_a_bundle_that_is_promoted_is_answered_by_its_parts():
    """120 orders of 1.5 units: 180 sets take 360 A-1 and 180 B-1, beside the 4 of each that are sold a day."""
    shop = a_shop(product("B-1", sells=4, stock=900), stock=90, bundles=BUNDLES)
    given = answer(shop, asked(skus=["SET"]), NOON)
    assert given.verdict == "change"
    assert given.reasons == [
        "Product A-1 (part of SET) is sold out from Thu 3 Dec, 2 days before it ends.",
        "Product A-1 (part of SET): 376 are needed, 292 more than there will be; 90 are left, enough for 23 days "
        "at the usual speed; no delivery is planned.",
    ]
    assert given.suggestion == "Promote something else than product A-1, or wait until more of it is ordered."
    assert [(p.sku, p.bundles, p.needed, p.short, p.enough_until) for p in given.products] == [
        ("A-1", ["SET"], 376, 292, "2026-12-03"),
        ("B-1", ["SET"], 196, 0, ""),
    ]
    enough = a_shop(product("B-1", sells=4, stock=900), stock=400, bundles=BUNDLES)
    assert answer(enough, asked(skus=["SET"]), NOON).verdict == "yes"


def test_a_bundle_without_one_of_its_parts_cannot_be_promoted():
    """Others of the campaign can, and are kept; with none left it is a no. Sold without stock it needs none."""
    shop = a_shop(product("B-1", sells=4, stock=0), product("C-1", sells=4, stock=900), bundles=BUNDLES)
    given = answer(shop, asked(skus=["SET", "C-1"]), NOON)
    assert (given.verdict, given.suggestion) == ("change", "Leave out product SET.")
    assert given.reasons[0] == "Product B-1 (part of SET) is sold out on all of its days."
    assert answer(shop, asked(skus=["SET", "PAIR"]), NOON).verdict == "no"
    free = a_shop(product("B-1", sells=4, stock=0), bundles=BUNDLES, backorder=("SET",))
    assert answer(free, asked(skus=["SET"]), NOON).verdict == "yes"


def test_a_product_and_the_bundles_that_it_is_in_draw_on_one_stock():
    """In one campaign, and in two: 60 units of A-1 itself and 60 sets with two each, or 120 of it by another."""
    alone = asked(skus=["A-1", "PAIR"])
    stock = product("B-1", sells=4, stock=900)
    (a_1, _) = answer(a_shop(stock, bundles=BUNDLES), alone, NOON).products
    (both, _) = answer(a_shop(stock, bundles=BUNDLES), asked(skus=["A-1", "SET"]), NOON).products
    assert (a_1.bundles, both.bundles) == ([], ["SET"])
    assert (a_1.needed, both.needed) == (16 + 90, 16 + 90 + 2 * 90)
    other = plan("OLD", "2026-12-02", "2026-12-05", ["SET"], orders=40)
    (beside,) = answer(a_shop(stock, other, bundles=BUNDLES), asked(orders=40), NOON).products
    assert beside.needed == 16 + 60 + 2 * 60
    (by_itself,) = answer(
        a_shop(stock, replace(other, cancelled=True), bundles=BUNDLES), asked(orders=40), NOON
    ).products
    assert by_itself.needed == 16 + 60


def test_another_campaign_with_the_same_product_is_a_clash():
    other = plan("OLD", "2026-12-04", "2026-12-08", ["A-1"], orders=10)
    given = answer(a_shop(other), asked(), NOON)
    assert given.clashes == ["Campaign OLD promotes product A-1 as well, on Fri 4 to Sat 5 Dec."]
    assert given.verdict == "change"


def test_another_campaign_that_takes_the_room_is_a_clash():
    """Without it there would be room."""
    other = plan("OLD", "2026-12-05", "2026-12-05", ["Z-9"], orders=40)
    given = answer(a_shop(other), asked(), NOON)
    assert given.clashes == [
        "Campaign OLD runs at the same time: without other campaigns there would be room for this one on Sat 5 Dec."
    ]
    assert given.reasons[1] == (
        "Sat 5 Dec: 100 usual + 30 by this campaign + 40 by campaign OLD = 170 orders, 20 more than can be shipped."
    )
    assert given.verdict == "change"
    assert [d.others for d in given.days] == [0, 0, 0, 40]


def test_late_receipts_are_told_and_count_where_stock_is_short():
    late = receipt(500, "2026-12-10", first="2026-12-01", status="delayed")
    fine = answer(a_shop(product(sells=4, stock=900, receipts=[late])), asked(), NOON)
    words = "500 units of product A-1 of PO-1 are 9 days late: they were to come on Tue 1 Dec, now on Thu 10 Dec."
    assert (fine.verdict, fine.late_receipts) == ("yes", [words])
    short = answer(a_shop(product(sells=4, stock=90, receipts=[late])), asked(), NOON)
    assert (short.verdict, short.reasons[-1]) == ("change", words)


def test_what_is_not_known_is_said():
    """Capacity, products, orders."""
    given = answer(a_shop(capacity_per_day=None), plan("NEW", "2026-12-02", "2026-12-03", ["A-1", "X-9"]), NOON)
    assert given.verdict == "yes"
    assert given.unknown == [
        "Nobody has said how many orders can be shipped on its days.",
        "How much of product X-9 there is, is not known.",
        "Nobody knows what it will bring: it says neither orders nor visits.",
    ]
    assert given.missing == {
        "operations": "Say how many orders you can ship on its days. Say how much of product X-9 there is.",
        "marketing": "Plan it again with the orders or visits that you expect of it.",
    }
    assert given.headline == (
        "Campaign NEW (Wed 2 to Thu 3 Dec) cannot be judged yet: nobody has said how many orders can be shipped on its "
        "days"
    )
    assert given.others == [*given.unknown[1:], "Product A-1 lasts until it ends, and longer."]
    unknown = answer(shop_of(), asked(), NOON).unknown
    assert unknown[1] == "Too few days of orders are known to say what a usual day brings."


def test_closed_days_take_no_part():
    """Its orders come on the others."""
    given = answer(a_shop(calendar=marked(closed=["2026-12-03"])), asked(), NOON)
    assert [(d.expected, d.capacity) for d in given.days] == [(140, 150), (0, 0), (140, 150), (140, 150)]
    assert given.verdict == "yes"


@pytest.mark.parametrize(
    ("now", "count"),
    [pytest.param("2026-12-04", 2, id="half of it is over"), pytest.param("2026-12-06", 0, id="all of it is")],
)
def test_days_that_are_over_are_not_looked_at(now, count):
    given = answer(a_shop(), asked(orders=4_000), at("00:00", now))
    assert len(given.days) == count
    assert given.verdict == ("no" if count else "yes")


def test_a_cancelled_plan_is_no_trouble():
    given = answer(a_shop(), asked(cancelled=True, orders=9_000), NOON)
    assert (given.verdict, given.reasons) == ("yes", ["Campaign NEW is cancelled."])


def test_the_answer_does_not_flap():
    """Stock and capacity at the limit, moved a little every five minutes: one change of mind at most, where each answer
    knows the one before; the control does not."""
    draw = random.Random(16)
    shops = [
        a_shop(capacity_per_day=float(130 + draw.randint(-3, 3)), stock=210 + draw.randint(-3, 3)) for _ in range(60)
    ]
    verdicts, forgetful = [""], []
    for shop in shops:
        verdicts.append(assess(shop, asked(verdict=verdicts[-1]), NOON).verdict)
        forgetful.append(assess(shop, asked(), NOON).verdict)
    assert _changes(verdicts[1:]) <= 1
    assert _changes(forgetful) > 10


def _changes(verdicts):
    return sum(a != b for a, b in itertools.pairwise(verdicts))


def test_an_answer_changes_when_facts_do():
    """More capacity is declared: the plan that was refused is fine."""
    refused = asked(orders=400, verdict="no")
    assert answer(a_shop(), refused, NOON).verdict == "no"
    assert answer(a_shop(capacity_per_day=220.0), refused, NOON).verdict == "yes"


def test_measures_of_a_plan():
    """What rules read of it is what was answered."""
    shop = a_shop(asked(orders=400))
    made = business(shop, "plan", ("NEW",), NOON)
    assert (made["plan_trouble"].value, made["plan_over_capacity"].value) == (2, Fraction(200, 150))
    assert made["plan_trouble"].made_of[0] == ("answer", "no")
    closed = a_shop(asked(), capacity(0, "2026-12-03"))
    assert business(closed, "plan", ("NEW",), NOON)["plan_over_capacity"].value == 2
    assert fullness(answer(closed, asked(), NOON).days[1]) == float("inf")
    assert business(a_shop(asked(), capacity_per_day=None), "plan", ("NEW",), NOON)["plan_over_capacity"].value is None


def test_earlier_campaigns_are_compared_with_what_is_announced():
    """The answer goes by what marketing says, the forecast by what was; it says so where they differ."""
    earlier = [
        plan("ONE", "2026-10-20", "2026-10-20"),
        *days("2026-10-20", web={"orders": 150}),
        plan("TWO", "2026-11-10", "2026-11-10"),
        *days("2026-11-10", web={"orders": 150}),
    ]
    given = answer(a_shop(*earlier, capacity_per_day=900.0), asked(orders=800), NOON)
    assert given.orders == 800
    assert given.compared == (
        "As ONE and TWO brought 1.5 times the usual, it would bring 200 orders; the forecast goes by that."
    )
    assert answer(a_shop(), asked(), NOON).compared == ""


def test_a_later_start_is_found_where_no_capacity_is_declared():
    """Stock is the trouble; what is not known stays so."""
    shop = a_shop(product(sells=4, stock=90, receipts=[receipt(500, "2026-12-07")]), capacity_per_day=None)
    assert answer(shop, asked(), NOON).suggestion == "Move it to Sun 6 to Wed 9 Dec: then product A-1 lasts."


def test_what_is_announced_may_be_too_many_by_itself():
    """Nothing is known of usual days, but 900 orders are more than three days can ship; no later start is made up."""
    new_shop = shop_of(product(sells=0, stock=5_000), capacity_per_day=60)
    given = answer(new_shop, plan("FAIR", "2026-12-03", "2026-12-05", ["A-1"], orders=900), NOON)
    assert given.verdict == "no"
    assert "900 orders are announced for its 3 days, 180 can be shipped, with nothing else." in given.reasons[0]
    assert "0 of 0" not in given.suggestion


def test_an_answer_is_the_same_whatever_was_asked_before():
    """What is reckoned once for a shop is of just these days and numbers: not of the same campaign on other days."""
    facts = [
        *history(weeks=8, web={"orders": 40, "sessions": 1_000}),
        *today("12:00", web={"orders": 10}),
        *(product(sku, sells=4, stock=stock) for sku, stock in (("A-1", 400), ("B-2", 3), ("C-3", 0))),
        capacity(60, "2026-11-30"),
        plan("SUMMER", "2026-12-02", "2026-12-04", ["A-1", "B-2"], orders=60),
        plan("SALE", "2026-12-03", "2026-12-06", ["A-1", "C-3"], orders=90),
    ]
    asked = [
        plan(name, starts, "2026-12-08", skus, orders=orders)
        for name in ("SUMMER", "SALE", "NEW")
        for starts, skus, orders in (
            ("2026-12-03", ["A-1"], 60),
            ("2026-12-05", ["A-1"], 60),
            ("2026-12-05", ["A-1", "B-2"], 10),
            ("2026-12-05", ["A-1", "C-3"], 500),
        )
    ]
    shop = shop_of(*facts, capacity_per_day=60)
    for at_once in (asked, asked[::-1]):
        for one in at_once:
            assert answer(shop, one, NOON) == answer(shop_of(*facts, capacity_per_day=60), one, NOON)


@pytest.mark.parametrize(
    ("name", "holidays", "start"),
    [
        pytest.param("NEW", [], "Sun 6 to Wed 9 Dec", id="four days later"),
        pytest.param("CYBER MONDAY", [], "", id="its name has a day in it"),
        pytest.param("Xmas gifts", [], "", id="or a feast"),
        pytest.param("NEW", ["2026-12-04"], "", id="past the holiday on its days"),
        pytest.param("NEW", ["2026-12-08"], "", id="it would end after the holiday that follows"),
        pytest.param("NEW", ["2026-12-09"], "Sun 6 to Wed 9 Dec", id="it ends on that day"),
        pytest.param("NEW", ["2026-12-14"], "Sun 6 to Wed 9 Dec", id="it is for no holiday so far away"),
    ],
)
def test_a_later_start_is_none_after_what_the_campaign_is_for(name, holidays, start):
    """There is stock for it from the sixth on."""
    facts = product(sells=4, stock=90, receipts=[receipt(500, "2026-12-07")])
    planned = replace(asked(), campaign=name)
    said = answer(a_shop(facts, calendar=marked(holidays=holidays) if holidays else None), planned, NOON).suggestion
    assert said.startswith(f"Move it to {start}" if start else "Promote something else")


def test_a_later_start_is_looked_for_a_week_or_as_long_as_the_campaign():
    """A delivery in nine days is none for a campaign of four, and one for a campaign of ten."""
    facts = product(sells=4, stock=50, receipts=[receipt(2_000, "2026-12-12")])
    short, long = asked(), plan("LONG", "2026-12-02", "2026-12-11", ["A-1"], orders=120)
    assert not answer(a_shop(facts), short, NOON).suggestion.startswith("Start it")
    assert answer(a_shop(facts), long, NOON).suggestion.startswith("Move it to")


def test_the_parts_of_a_day_are_its_sum():
    """Whatever a third of an order is rounded to: of all other campaigns, too, which are named or counted."""
    others = [plan(f"OLD-{n}", "2026-12-02", "2026-12-04", ["Z-9"], orders=10 + n) for n in range(3)]
    seen = answer(a_shop(*others), asked(orders=101), NOON)
    assert [d.expected == (d.usual or 0) + (d.campaign or 0) + (d.others or 0) for d in seen.days] == [True] * 4
    assert sum_text(seen.days[0]) == "100 usual + 25 by this campaign + 11 by 3 other campaigns = 136 orders"
    two = answer(a_shop(*others[:2]), asked(), NOON).days[0]
    assert "by campaigns OLD-0 and OLD-1 = " in sum_text(two)
