"""What a day is expected to bring: usual days, what has come, campaigns, closed days, days of 23 and 25 hours."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from shop_build import BERLIN, NOON, TODAY, at, day, history, marked, plan, shop_of, today

from lockstep.shop.business import business
from lockstep.shop.forecast import (
    Usual,
    announced_orders,
    conversion_of,
    expected_day,
    learned_uplift,
    share_of_day,
    usual_day,
    usual_of,
)

HUNDRED = {"whole": {"orders": 100}}
ALL_THE_TIME = [("10-01", "10-20"), ("10-21", "11-10"), ("11-11", "11-29")]


def expected(shop, of=TODAY, now=NOON):
    return expected_day(shop, of, now).value


def test_a_usual_day_is_the_median_of_the_same_weekdays():
    """One Monday that was another does not move it."""
    shop = shop_of(*history(**HUNDRED, weekdays=(2, 1, 1, 1, 1, 0.5, 0.5)), day("2026-11-02", orders=900))
    assert usual_day(shop, TODAY, "orders").value == 200
    assert usual_day(shop, TODAY, "orders").made_of == (("median of 8 Mondays before", 200), ("days", 8))
    assert usual_day(shop, date(2026, 12, 5), "orders").value == 50
    assert usual_day(shop, TODAY, "orders", channel="web").value == 0


def test_a_usual_day_leaves_out_today_and_what_came_later():
    """Of a day that is over only what was before it counts."""
    shop = shop_of(*history(**HUNDRED), *today(whole={"orders": 900}))
    assert usual_day(shop, TODAY, "orders").value == 100
    assert usual_day(shop, TODAY + timedelta(7), "orders").value == 100
    later = shop_of(*history(weeks=4, until="2026-11-02", **HUNDRED), *history(weeks=4, whole={"orders": 900}))
    assert usual_day(later, date(2026, 11, 2), "orders").value == 100


@pytest.mark.parametrize(
    ("facts", "calendar", "value", "of"),
    [
        pytest.param(
            history(1, **HUNDRED), None, 100, "median of 7 days before, of any weekday", id="one week is known"
        ),
        pytest.param(
            [*history(8, **HUNDRED), day("2026-11-23", orders=900), day("2026-11-16", orders=900)],
            marked(campaigns=["2026-11-23"], holidays=["2026-11-16"]),
            100,
            "median of 6 Mondays before",
            id="marked days are left out",
        ),
        pytest.param(
            [*history(8, **HUNDRED), plan("ALWAYS", "2026-09-01", "2026-11-29")],
            None,
            100,
            "median of 8 Mondays before",
            id="a campaign that runs all the time",
        ),
        pytest.param(
            [
                *history(8, **HUNDRED),
                *(plan(f"C{n}", f"2026-{m}", f"2026-{e}") for n, (m, e) in enumerate(ALL_THE_TIME)),
            ],
            None,
            100,
            "median of 8 Mondays before, campaigns among them",
            id="one campaign after the other",
        ),
    ],
)
def test_which_days_are_usual(facts, calendar, value, of):
    """As good as it can be told, and it says how."""
    made = usual_day(shop_of(*facts, calendar=calendar), TODAY, "orders")
    assert (made.value, made.made_of[0][0]) == (value, of)


def test_too_few_days_make_no_usual_one():
    """Said in words, here and of all that is made of it."""
    shop = shop_of(day("2026-11-28", orders=5), day("2026-11-29", orders=5))
    assert usual_day(shop, TODAY, "orders").why == "only 2 whole days before it are known"
    assert expected_day(shop, TODAY, NOON).text == "only 2 whole days before it are known"
    assert business(shop, "shop", (), NOON)["expected_today"].value is None


@pytest.mark.parametrize(
    ("clock", "orders", "value"),
    [
        pytest.param("00:00", 0, 100, id="as the day begins: what is usual"),
        pytest.param("12:00", 26, 100, id="as usual"),
        pytest.param("12:00", 0, 32, id="nothing has come"),
        pytest.param("12:00", 52, 168, id="twice the usual"),
        pytest.param("23:00", 150, 150, id="late: what came"),
        pytest.param("08:00", 3, 118, id="three orders before the first usual one say little"),
    ],
)
def test_today_is_shaped_by_what_has_come(clock, orders, value):
    """What still comes is expected at today's pace, the usual one counting as 20 orders."""
    shop = shop_of(*history(**HUNDRED), *today(clock, whole={"orders": orders}))
    assert expected(shop, now=at(clock)) == value


def test_of_a_day_that_is_over_it_is_what_came():
    """And of a day ahead what is usual."""
    shop = shop_of(*history(**HUNDRED), day("2026-11-28", orders=77))
    assert expected(shop, date(2026, 11, 28)) == 77
    assert expected(shop, date(2026, 12, 1)) == 100


def test_facts_that_end_earlier_are_not_taken_for_a_quiet_hour():
    """At 18:00, of a shop that is known up to 12:00, what came by 12:00 is compared with that of usual days."""
    shop = shop_of(*history(**HUNDRED), *today("12:00", whole={"orders": 26}))
    assert expected(shop, now=at("18:00")) == 100


def test_closed_days_bring_nothing():
    """Nor are they usual days of others."""
    sundays = [(TODAY - timedelta(1 + 7 * n)).isoformat() for n in range(9)] + ["2026-12-06"]
    shop = shop_of(*history(**HUNDRED, weekdays=(1, 1, 1, 1, 1, 1, 0)), calendar=marked(closed=sundays))
    assert expected(shop, date(2026, 12, 6)) == 0
    assert expected_day(shop, date(2026, 12, 6), NOON).made_of == (("a closed day", 0), ("marked", "closed"))
    assert expected(shop, date(2026, 12, 7)) == 100


def test_a_holiday_is_as_earlier_ones_were():
    """Half a usual day on two earlier ones; of a single one nothing is learned."""
    facts = [*history(**HUNDRED), day("2026-11-11", orders=50), day("2026-10-31", orders=50)]
    both = marked(holidays=["2026-10-31", "2026-11-11", "2026-12-08"])
    assert expected(shop_of(*facts, calendar=both), date(2026, 12, 8)) == 50
    one = shop_of(*facts, calendar=marked(holidays=["2026-11-11", "2026-12-08"]))
    assert expected(one, date(2026, 12, 8)) == 100
    assert expected_day(one, date(2026, 12, 8), NOON).made_of[1][1].startswith("a holiday, of which too few earlier")


# ---- days of 23 and 25 hours ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [date(2026, 10, 25), date(2026, 3, 29), date(2026, 10, 26)])
def test_the_course_of_a_day_goes_by_the_wall_clock(of):
    """By noon 26 of 100 orders have come, also on days and among days of 23 and 25 hours."""
    facts = tuple(day(of - timedelta(7 * n), orders=100) for n in range(9))
    for n, compared in enumerate(facts):
        usual = Usual(Fraction(100), facts[:n] + facts[n + 1 :], "")
        share = share_of_day(shop_of(), usual, date.fromisoformat(compared.day), at("12:00", compared.day))
        assert share == Fraction(26, 100)


def test_a_day_of_25_hours_is_no_slower():
    """25 October 2026: at noon 13 hours have passed."""
    now = at("12:00", "2026-10-25")
    shop = shop_of(*history(until="2026-10-25", **HUNDRED), day("2026-10-25", orders=26, upto=now))
    assert expected(shop, date(2026, 10, 25), now) == 100


def test_without_hours_a_day_goes_evenly():
    """Where facts have none."""
    usual = Usual(Fraction(100), (day("2026-11-23", by_hour={}),), "")
    assert share_of_day(shop_of(), usual, TODAY, NOON) == Fraction(1, 2)
    assert share_of_day(shop_of(), usual, TODAY, at("00:00")) == 0
    assert share_of_day(shop_of(), usual, TODAY, at("00:00", "2026-12-01")) == 1


def test_the_repeated_hour_is_read_once_each():
    """02:30 comes twice on 25 October; the second is later in the day."""
    usual = Usual(Fraction(96), (day("2026-10-18", by_hour={"orders": [4] * 24}),), "")
    first, second = (at("02:30", "2026-10-25").replace(fold=fold) for fold in (0, 1))
    assert share_of_day(shop_of(), usual, date(2026, 10, 25), first) <= share_of_day(
        shop_of(), usual, date(2026, 10, 25), second
    )
    assert first.astimezone(BERLIN).utcoffset() != second.astimezone(BERLIN).utcoffset()


# ---- campaigns ------------------------------------------------------------------------------------------------------

EARLIER = [
    plan("ONE", "2026-10-20", "2026-10-21"),
    *(day(f"2026-10-{n}", orders=150) for n in (20, 21)),
    plan("TWO", "2026-11-10", "2026-11-11"),
    *(day(f"2026-11-{n}", orders=190) for n in (10, 11)),
]


def test_uplift_is_learned_from_earlier_campaigns():
    """1.5 and 1.9 times the usual; the days of each are no usual ones of the other."""
    shop = shop_of(*history(**HUNDRED), *EARLIER)
    uplift = learned_uplift(shop, TODAY)
    assert (uplift.factor, uplift.campaigns) == (Fraction(17, 10), ("ONE", "TWO"))
    assert uplift.of == "as ONE and TWO brought 1.7 times the usual"
    assert learned_uplift(shop, TODAY, but="TWO").factor == Fraction(3, 2)
    assert learned_uplift(shop_of(*history(**HUNDRED)), TODAY) is None
    both = shop_of(*history(**HUNDRED), *EARLIER, plan("ALL", "2026-10-20", "2026-11-11"))
    assert learned_uplift(both, TODAY).campaigns == ("ALL",)


@pytest.mark.parametrize(
    ("facts", "value", "of"),
    [
        pytest.param([], 175, "more by NOW, of 300 announced orders", id="what was announced"),
        pytest.param(EARLIER, 170, "more by NOW, as ONE and TWO brought 1.7 times the usual", id="two earlier ones"),
        pytest.param(EARLIER[:3], 175, "more by NOW, of 300 announced orders", id="a single one is not enough"),
    ],
)
def test_a_campaign_is_expected_as_earlier_ones_else_as_announced(facts, value, of):
    """300 orders over four days are 75 a day."""
    shop = shop_of(*history(**HUNDRED), *facts, plan("NOW", "2026-12-01", "2026-12-04", orders=300))
    made = expected_day(shop, date(2026, 12, 1), NOON)
    assert (made.value, made.made_of[1][0]) == (value, of)


def test_announced_orders_follow_the_weekdays():
    """Of 300 orders a day with twice the usual gets twice as many."""
    shop = shop_of(
        *history(**HUNDRED, weekdays=(1, 2, 1, 1, 1, 1, 1)), plan("NOW", "2026-11-30", "2026-12-01", orders=300)
    )
    assert (expected(shop, now=at("00:00")), expected(shop, date(2026, 12, 1), at("00:00"))) == (200, 400)


def test_a_campaign_of_some_hours_adds_to_these():
    """From 18:00 to midnight: by noon nothing of it is expected yet."""
    evening = plan("EVE", "2026-11-30", "2026-11-30", orders=50, starts="2026-11-30T17:00:00Z")
    shop = shop_of(*history(**HUNDRED), *today("12:00", whole={"orders": 26}), evening)
    made = expected_day(shop, TODAY, NOON)
    assert made.value == 150
    assert dict(made.made_of)["expected so far"] == 26


def test_visits_that_are_announced_become_orders():
    """At the conversion of the campaign's channels."""
    web, app = {"orders": 60, "sessions": 2_000}, {"orders": 40, "sessions": 1_000}
    shop = shop_of(*history(web=web, app=app))
    of = {"web": 30, "app": 40}
    for channel, orders in of.items():
        planned = plan("NOW", "2026-12-01", "2026-12-01", sessions=1_000, channels=[channel])
        assert announced_orders(shop, planned, NOON).orders == orders
    assert announced_orders(shop, plan("NOW", "2026-12-01", "2026-12-01"), NOON) is None


def test_the_conversion_of_all_is_of_those_that_have_visits():
    """A marketplace has none; a newsletter's visits buy on the web."""
    web = {"orders": 60, "sessions": 2_000}
    shop = shop_of(*history(web=web, market={"orders": 900}, letter={"sessions": 5_000}))
    rate = conversion_of(shop, (), NOON)
    assert (rate.share, rate.of) == (Fraction(3, 100), "web")
    assert conversion_of(shop, ["letter"], NOON).of == "web"
    apart = shop_of(*history(market={"orders": 50}, letter={"sessions": 5_000}))
    assert (conversion_of(apart, (), NOON).share, conversion_of(apart, (), NOON).of) == (
        Fraction(1, 100),
        "the whole shop",
    )
    assert conversion_of(shop_of(*history(1, web={"orders": 1, "sessions": 10})), (), NOON) is None


def test_a_marked_campaign_without_a_plan_is_expected_as_earlier_ones():
    """calendar.yml may only mark its days."""
    shop = shop_of(*history(**HUNDRED), *EARLIER, calendar=marked(campaigns=["2026-12-08"]))
    assert expected(shop, date(2026, 12, 8)) == 170


def test_a_campaign_that_is_longer_than_four_weeks_becomes_usual():
    """What it was said to bring is on top of its first 28 days alone."""
    shop = shop_of(*history(**HUNDRED), plan("LONG", "2026-11-30", "2027-01-28", orders=6_000))
    assert expected(shop, date(2026, 12, 27)) == 200
    assert expected(shop, date(2026, 12, 28)) == 100


def test_a_cancelled_campaign_brings_nothing():
    shop = shop_of(*history(**HUNDRED), plan("NOW", "2026-12-01", "2026-12-01", orders=300, cancelled=True))
    assert expected(shop, date(2026, 12, 1)) == 100


def test_usual_days_are_the_same_in_any_order_of_facts():
    facts = [*history(**HUNDRED), *EARLIER]
    assert usual_of(shop_of(*facts), TODAY, "orders") == usual_of(shop_of(*reversed(facts)), TODAY, "orders")
