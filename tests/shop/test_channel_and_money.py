"""What channels come to, and money of several currencies."""

from datetime import timedelta
from fractions import Fraction

import pytest
from shop_build import EUR, NOON, TODAY, day, days, history, shop_of

from lockstep.shop.business import business
from lockstep.shop.exchange import amount_text, total
from lockstep.shop.shop_settings import ShopSettings


def of(*facts, channel="web", **settings):
    return business(shop_of(*facts, **settings), "channel", (channel,), NOON)


@pytest.mark.parametrize(
    ("money", "settings", "minor", "currency", "without"),
    [
        pytest.param({"EUR": 1990}, EUR, 1990, "EUR", {}, id="the shop's own"),
        pytest.param({"none": 5, "EUR": 6}, EUR, 11, "EUR", {}, id="what names none is the shop's"),
        pytest.param({}, EUR, 0, "EUR", {}, id="nothing"),
        pytest.param(
            {"EUR": 100, "USD": 333},
            ShopSettings(currency="EUR", exchange={"USD": Fraction("0.9")}),
            400,
            "EUR",
            {},
            id="rate",
        ),
        pytest.param({"EUR": 100, "USD": 50}, EUR, 100, "EUR", {"USD": 50}, id="no rate: never added"),
        pytest.param(
            {"JPY": 1000},
            ShopSettings(currency="EUR", exchange={"JPY": Fraction("0.006")}),
            600,
            "EUR",
            {},
            id="no decimals",
        ),
        pytest.param(
            {"KWD": 1000},
            ShopSettings(currency="EUR", exchange={"KWD": Fraction(3)}),
            300,
            "EUR",
            {},
            id="three decimals",
        ),
        pytest.param(
            {"USD": 5},
            ShopSettings(currency="EUR", exchange={"USD": Fraction(1, 2)}),
            2,
            "EUR",
            {},
            id="2.5 cents are 2",
        ),
        pytest.param(
            {"USD": 7},
            ShopSettings(currency="EUR", exchange={"USD": Fraction(1, 2)}),
            4,
            "EUR",
            {},
            id="3.5 cents are 4",
        ),
        pytest.param(
            {"USD": 5, "GBP": 5},
            ShopSettings(currency="EUR", exchange={"USD": Fraction(1, 2), "GBP": Fraction(1, 2)}),
            5,
            "EUR",
            {},
            id="rounded once: two halves are a whole",
        ),
        pytest.param({"USD": 5}, ShopSettings(), 5, "USD", {}, id="a shop without a currency has that of its money"),
        pytest.param({"USD": 5, "EUR": 6}, ShopSettings(), 0, "", {"USD": 5, "EUR": 6}, id="unless there are two"),
    ],
)
def test_exchange(money, settings, minor, currency, without):
    """Exact, rounded once, halves to even."""
    summed = total(money, settings)
    assert (summed.minor, summed.currency, summed.without) == (minor, currency, without)


def test_a_currency_without_a_rate_is_said():
    """With the amount that is not in the sum."""
    assert total({"EUR": 100, "USD": -123456}, EUR).why == "without -1,234.56 USD: shop.yml has no rate of USD to EUR"
    assert [amount_text(5, "JPY"), amount_text(1005, "KWD"), amount_text(5, "")] == ["5 JPY", "1.005 KWD", "0.05"]


@pytest.mark.parametrize(
    ("facts", "value", "text"),
    [
        pytest.param(history(web={"orders": 3, "sessions": 100}), Fraction(3, 100), "3%", id="orders over visits"),
        pytest.param(
            history(1, web={"orders": 3, "sessions": 28}),
            None,
            "fewer than 200 visits came in 28 days",
            id="too few visits",
        ),
        pytest.param(
            [*history(1, web={"orders": 3, "sessions": 28}), *days(TODAY, web={"sessions": 4})],
            Fraction(21, 200),
            "11%",
            id="just enough, today among them",
        ),
        pytest.param(
            history(web={"sessions": 100}),
            None,
            "no order was ever told of web; orders may name another channel",
            id="a channel of visits alone",
        ),
        pytest.param(
            [*history(8, web={"orders": 3, "sessions": 100}), *history(4, web={"sessions": 100})],
            0,
            "0%",
            id="it sold once, and does no longer",
        ),
    ],
)
def test_conversion(facts, value, text):
    """Over 28 days."""
    made = of(*facts)["channel_conversion"]
    assert (made.value, made.text) == (value, text)


def test_complex_orders():
    """Those with several lines, gift wrap or special shipping, of seven days."""
    assert of(*history(web={"orders": 20, "complex": 7}))["complex_share"].value == Fraction(7, 20)
    assert of(*history(web={"sessions": 20}))["complex_share"].why == "no order came in 7 days"


@pytest.mark.parametrize(
    ("numbers", "value"),
    [
        pytest.param(
            {"revenue": 10_000, "shipping_cost": 1_000, "spend": 500}, Fraction(9, 20), id="of 100 45 are left"
        ),
        pytest.param({"revenue": 10_000, "refunds": 5_000, "spend": 1_000}, Fraction(2, 5), id="refunds earn nothing"),
        pytest.param({"revenue": 10_000, "spend": 9_000}, Fraction(-3, 10), id="it may be a loss"),
        pytest.param({"revenue": 1_000, "refunds": 1_000}, None, id="nothing was earned"),
        pytest.param({"orders": 10}, None, id="no revenue was told"),
        pytest.param(
            {"revenue": {"EUR": 10_000}, "spend": {"USD": 500}}, Fraction(3, 5), id="spend without a rate is not in it"
        ),
    ],
)
def test_margin(numbers, value):
    """Of totals: what goods at 40 % of revenue, shipping and advertising leave."""
    made = of(*history(web=numbers), cost_of_goods={"*": Fraction(2, 5)})["channel_margin"]
    assert made.value == value
    assert value is not None or made.why


def test_margin_is_known_where_the_shop_says_what_goods_cost():
    """Of the channel itself, else of all; else it is not known, which breaches nothing."""
    numbers = {"revenue": 10_000}
    assert of(*history(web=numbers))["channel_margin"].why == "shop.yml has no cost_of_goods of web"
    costs = {"web": Fraction(7, 10), "*": Fraction(2, 5)}
    assert of(*history(web=numbers), cost_of_goods=costs)["channel_margin"].value == Fraction(3, 10)


@pytest.mark.parametrize(
    ("numbers", "value"),
    [
        pytest.param(
            {"orders": 10, "lines": 10, "shipped": 10, "shipping_cost": 5_000}, Fraction(5), id="plain orders"
        ),
        pytest.param(
            {"orders": 10, "lines": 60, "shipped": 10, "shipping_cost": 5_000}, Fraction(10), id="twice the work"
        ),
        pytest.param({"orders": 10, "lines": 10, "shipping_cost": 5_000}, None, id="nothing was shipped"),
        pytest.param({"orders": 10, "shipped": 10}, None, id="no cost was told"),
    ],
)
def test_cost_to_serve(numbers, value):
    """Of totals: what shipping costs an order, times how much more work its channel's orders are."""
    made = of(*history(web=numbers))["cost_to_serve"]
    assert made.value == value
    assert made.unit == "money EUR"
    assert value is not None or made.why


@pytest.mark.parametrize(
    ("facts", "value"),
    [
        pytest.param(history(web={"revenue": 100_000, "spend": 20_000}), 5, id="five times"),
        pytest.param(history(web={"revenue": 100_000, "spend": 1_428}), None, id="99.96 EUR are too little"),
        pytest.param(history(web={"spend": 20_000}), 0, id="spend that brought nothing"),
        pytest.param(
            [*history(web={"revenue": 100_000, "spend": 20_000}), *days(TODAY, web={"spend": 900_000})],
            5,
            id="today is not over",
        ),
        pytest.param(
            history(web={"revenue": {"EUR": 60_000, "USD": 50_000}, "spend": 20_000}), 3, id="what has no rate"
        ),
    ],
)
def test_roas(facts, value):
    """Of seven whole days, of at least 100 EUR."""
    assert of(*facts)["roas"].value == value


def test_what_has_no_rate_is_said_with_the_roas():
    """The number is of the rest."""
    made = of(*history(web={"revenue": {"EUR": 60_000, "USD": 50_000}, "spend": 20_000}))["roas"]
    assert made.why == "without 3,500.00 USD: shop.yml has no rate of USD to EUR"


@pytest.mark.parametrize(
    ("name", "numbers", "yesterday"),
    [
        pytest.param("roas", {"revenue": {"USD": 50_000}, "spend": 20_000}, {}, id="revenue is not 0x of spend"),
        pytest.param("cost_to_serve", {"shipped": 10, "shipping_cost": {"USD": 500}}, {}, id="shipping is not free"),
        pytest.param("channel_margin", {"revenue": {"USD": 500}}, {}, id="something was earned"),
        pytest.param("spend_change", {"spend": 20_000}, {"spend": {"USD": 20_000}}, id="spend did not end"),
    ],
)
def test_money_of_which_none_has_a_rate_is_not_known(name, numbers, yesterday):
    """It is not 0, which would be told as a loss, and the reason names the rate."""
    facts = [*history(web=numbers), *days(TODAY - timedelta(1), web=yesterday or numbers)]
    made = of(*facts, cost_of_goods={"*": Fraction(2, 5)})[name]
    assert made.value is None
    assert made.why.endswith("shop.yml has no rate of USD to EUR")


@pytest.mark.parametrize(
    ("facts", "value"),
    [
        pytest.param([], 1, id="as usual"),
        pytest.param(days(TODAY - timedelta(1), web={"spend": 40_000}), 2, id="twice, yesterday"),
        pytest.param(days(TODAY, web={"spend": 50_000}), Fraction(5, 2), id="today already"),
        pytest.param(days(TODAY, web={"spend": 5_000}), 1, id="today is not over: no fall yet"),
        pytest.param(
            days(TODAY - timedelta(1), web={"spend": 5_000}), Fraction(1, 4), id="a fall, once its day is over"
        ),
        pytest.param(
            days(TODAY - timedelta(3), web={"spend": 900_000}), 1, id="one day before does not move the usual"
        ),
    ],
)
def test_spend_change(facts, value):
    """Against the median of the seven days before."""
    assert of(*history(web={"spend": 20_000}), *facts)["spend_change"].value == value


def test_spend_in_another_currency_is_no_change_of_spend():
    """Of a shop that names no currency: 200 dollars after days of 200 euros are neither as much nor more."""
    facts = (*history(web={"spend": {"EUR": 20_000}}), day(TODAY, "web", spend={"USD": 20_000}))
    assert of(*facts, currency="")["spend_change"].text == "money in EUR and USD, which shop.yml has no rate between"
    rate = {"exchange": {"USD": Fraction("0.9")}}
    assert of(*facts, **rate)["spend_change"].value == 1


def test_spend_that_is_new_has_nothing_to_compare_with():
    assert of(*history(web={"orders": 1}), *days(TODAY, web={"spend": 5}))["spend_change"].text == (
        "nothing was usually spent on web in the days before"
    )
    assert of(day(TODAY, "web", spend=5))["spend_change"].text == "only 0 days before are known"


@pytest.mark.parametrize(
    ("facts", "rate", "rise"),
    [
        pytest.param(history(web={"units": 50, "returned_units": 4}), Fraction(2, 25), 0, id="as before"),
        pytest.param(history(web={"units": 3, "returned_units": 3}), None, None, id="21 units are too few"),
        pytest.param(days(TODAY, web={"units": 50, "returned_units": 5}), Fraction(1, 10), None, id="nothing before"),
    ],
)
def test_returns_of_a_channel(facts, rate, rise):
    """Of seven days, against the thirty before."""
    made = of(*facts)
    assert (made["channel_return_rate"].value, made["channel_return_rise"].value) == (rate, rise)
