"""A source that is silent alone is told with since when, and with what that means for the numbers."""

from datetime import timedelta

import pytest
from shop_build import HOURS, NOON, TODAY, at, day, days, history, marked, product, shop_of

from lockstep.shop.subjects.silent_sources import silent_sources

WEB = {"orders": 100, "sessions": 4_000}
AT = at("16:30")
CAME = list(HOURS[:17])
"""Of today up to 16:30, as on all days."""


def a_day(orders=CAME, sessions=tuple(40 * n for n in CAME)):
    return days(TODAY, upto=AT, web={"by_hour": {"orders": list(orders), "sessions": list(sessions)}})


def said(*facts, **settings):
    shop = shop_of(*history(web=WEB), *facts, **settings)
    return [one.sentence(shop, AT) for one in silent_sources(shop, AT)]


def until(hour, numbers=CAME):
    return [n if of < hour else 0 for of, n in enumerate(numbers)]


@pytest.mark.parametrize(
    ("facts", "sentences"),
    [
        pytest.param(a_day(), [], id="all goes on"),
        pytest.param(
            a_day(sessions=until(12, [40 * n for n in CAME])),
            [
                "No visits came since 12:00, where 1,040 are usual: visits and conversion are as of then. "
                "Operations: ask IT why no visits come from the shop."
            ],
            id="no visits since noon",
        ),
        pytest.param(a_day(orders=until(15)), [], id="six orders less than usual may be chance"),
        pytest.param(
            a_day(orders=until(14)),
            [
                "No orders came since 14:00, where 12 are usual: orders, revenue and the room that is left are as "
                "of then. Operations: ask IT why no orders come from the shop."
            ],
            id="twelve are none",
        ),
        pytest.param(
            a_day(orders=[]),
            [
                "No orders came since Sun 29 Nov 22:00, where 52 are usual by now: orders, revenue and the room "
                "that is left are as of then. Operations: ask IT why no orders come from the shop."
            ],
            id="none today",
        ),
        pytest.param(
            [*a_day(), product(stock=9, upto=AT - timedelta(hours=24))],
            [
                "No stock levels came since Sun 29 Nov 16:30: what is available and how long it lasts are as of then. "
                "Operations: ask IT why no stock levels come from the shop."
            ],
            id="no stock for a day",
        ),
        pytest.param([*a_day(), product(stock=9, upto=AT - timedelta(hours=23))], [], id="stock of this day"),
    ],
)
def test_what_is_silent(facts, sentences):
    assert said(*facts) == sentences


def test_a_closed_day_is_silent_by_itself():
    assert said(*a_day(orders=until(9)), calendar=marked(closed=[TODAY.isoformat()])) == []


def test_without_a_past_nothing_is_usual():
    shop = shop_of(*a_day(orders=[], sessions=[]))
    assert silent_sources(shop, AT) == []
    assert silent_sources(shop_of(), NOON) == []


def test_facts_that_end_earlier_say_nothing_of_now():
    """That all of them are old is told by itself."""
    shop = shop_of(*history(web=WEB), day(TODAY - timedelta(1), upto=at("09:00", TODAY - timedelta(1))))
    assert silent_sources(shop, AT) == []
