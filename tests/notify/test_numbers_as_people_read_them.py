"""How a number is written for people: one writer, which pages, reports, charts and messages share."""

import re
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lockstep.reports.cell_text import cell_text, change_text, money_words
from lockstep.rule.wording import render
from lockstep.shop.translations import known
from lockstep.shop.whole_shop import Made, plain
from lockstep.text.figures import (
    DAYS,
    HOURS,
    LONG_HOURS,
    MONEY,
    PERCENT,
    POINTS,
    THINGS,
    TIMES,
    Figure,
    measured_number,
    measured_text,
    number_text,
    rounded_text,
    signed_text,
    usual_text,
    whole,
)
from lockstep.text.time_units import DAY_S

SHARES, LENGTHS = (PERCENT, POINTS), (HOURS, DAYS, "hours", "days")
UNITS = ("", *SHARES, TIMES, *LENGTHS, *THINGS, MONEY, f"{MONEY} EUR", f"{MONEY} JPY", f"{MONEY} KWD", "rows")
values = st.one_of(
    st.floats(-1e9, 1e9, allow_nan=False),
    st.floats(-20, 20, allow_nan=False),
    st.integers(-(10**9), 10**9).map(float),
    st.integers(-(10**6), 10**6).map(lambda n: n / 1000),  # halves of every place
)
SECONDS = {"day": DAY_S, "hour": 3600, "minute": 60, "second": 1}


def read_back(text: str, unit: str) -> Decimal:
    """The number of a text, in its unit: lengths in seconds, shares in hundredths."""
    if unit in LENGTHS:
        parts = re.findall(r"(-?[\d,.]+) (day|hour|minute|second)s?", text)
        return sum((Decimal(number.replace(",", "")) * SECONDS[name] for number, name in parts), Decimal(0))
    (number,) = re.findall(r"-?[\d,]+(?:\.\d+)?(?:e[-+]\d+)?", text)
    return Decimal(number.replace(",", ""))


def exactly(value: float, unit: str) -> Decimal:
    number = Decimal(repr(value))
    if unit in LENGTHS:
        return number * SECONDS["hour" if unit in (HOURS, "hours") else "day"]
    return number * 100 if unit in SHARES else number


def half_a_place(number: Decimal, unit: str) -> Decimal:
    """How far a text may be from its number."""
    size = abs(number)
    if unit.startswith(MONEY):
        return Decimal("0.5") if size >= 99 or unit.endswith("JPY") else Decimal("0.005")
    if unit in LENGTHS:
        name = "hour" if unit in (HOURS, "hours") else "day"
        if 0 < number < SECONDS[name]:
            return max(Decimal(60), Decimal(1))  # whole minutes, and two units at most
        long = name == "hour" and size >= LONG_HOURS * 3600
        return half_a_place(size / SECONDS["day" if long else name], TIMES) * SECONDS["day" if long else name]
    if unit in (*SHARES, *THINGS, TIMES):
        return (
            Decimal("0.5")
            if size >= Decimal("9.9")
            else Decimal("0.05")
            if size >= Decimal("0.99")
            else Decimal("0.005")
        )
    return Decimal("0.5") if size >= 1000 else Decimal("0.005") if size >= Decimal("0.99") else size / 100


@given(value=values, unit=st.sampled_from(UNITS))
@example(0.285, PERCENT)
@example(-0.0, "orders")
@example(95.999, "hours")
@example(99.996, "money EUR")
def test_what_is_read_back_is_the_number_within_its_places(value, unit):
    """Half a place at most; only what is smaller than the least place is told as that place, never as nothing."""
    text, number = measured_text(value, unit), exactly(value, unit)
    off = abs(read_back(text, unit) - number)
    least = Decimal("0.01") * (1 if unit not in LENGTHS else SECONDS["hour" if unit in (HOURS, "hours") else "day"])
    assert off <= half_a_place(number, unit) or (abs(number) < least and off <= least), text


@given(value=values, unit=st.sampled_from(UNITS))
@example(-0.0, "")
@example(-0.001, "")
@example(-0.001, PERCENT)
@example(-0.4, "money JPY")
def test_no_text_says_less_than_nothing_of_nothing(value, unit):
    """No `-0`, and no `0` of what is there, but for money of less than a half of its smallest coin."""
    for text in (measured_text(value, unit), number_text(value, unit), usual_text(value, unit)):
        assert not re.search(r"-[^\d]*0(?:\.0*)?(?![\d.])", text), text
        is_zero = re.fullmatch(r"-?[^\d]*0(?:\.0+)?(?:[^\d.].*)?", text) is not None
        assert not is_zero or value == 0 or unit.startswith(MONEY), text
    assert not re.fullmatch(r"-0(\.0*)?", rounded_text(value)), value


@given(count=st.integers(0, 10**6), unit=st.sampled_from(THINGS))
def test_what_is_counted_is_one_of_a_thing_or_several(count, unit):
    """`1 order`, `2 orders`, and from thousands on with a comma."""
    assert measured_text(count, unit) == f"{count:,} {unit[:-1] if count == 1 else unit}"


HALVES = st.integers(10, 10**6).map(lambda n: n + 0.5)


@given(half=HALVES, sign=st.sampled_from((1, -1)))
@example(28.5, 1)
def test_a_half_is_rounded_away_from_zero_everywhere(half, sign):
    """By whatever way it comes to a text: 28.5 is 29 on a tile, in a report, a translation and a rule's own text."""
    number = sign * half
    up = int(Decimal(repr(number)).quantize(Decimal(1), ROUND_HALF_UP))
    said, share = f"{up:,}", number / 100
    assert whole(number) == whole(Fraction(number)) == up
    assert [measured_number(number), rounded_text(number), cell_text(number, "", None)] == [said] * 3
    assert measured_text(number, "orders") == Made(Fraction(number), "orders").text == f"{said} orders"
    assert measured_text(share, PERCENT) == cell_text(share, PERCENT, None) == Made(share, PERCENT).text == f"{said}%"
    assert signed_text(share, POINTS) == f"{'+' if sign > 0 else ''}{said} points"
    assert known({"return_rate": share}, "return_rate") == f"{said}%"
    assert render("{{ value | round }}", {"labels": {}, "value": Figure("", number)}) == said
    assert render("{{ value | percent(0) }}", {"labels": {}, "value": Figure("", share)}) == f"{said}%"
    if half >= 100:
        assert usual_text(number) == said
        assert money_words(sign * int(half * 100), "EUR") == Made(Fraction(number), "money EUR").text == f"{said} EUR"
    if half < 400:
        assert change_text(100 + number, 100, "") == (f"+{said}%" if sign > 0 else f"{said}%")


@given(numerator=st.integers(0, 10**7), denominator=st.integers(1, 10**7), unit=st.sampled_from(UNITS))
def test_a_number_is_told_alike_before_and_after_it_travelled(numerator, denominator, unit):
    """A tile writes the exact fraction, an alert and a report what they carry of it, six places: that is one text."""
    exact = Fraction(numerator, denominator)
    assert Made(exact, unit).text == Made(plain(exact), unit).text


@pytest.mark.parametrize(
    ("value", "unit", "beside", "text"),
    [
        pytest.param(0.8526, PERCENT, None, "85%", id="a share is whole from ten on"),
        pytest.param(0.8526, PERCENT, 0.85, "85.3%", id="but not equal to the limit that it is beyond"),
        pytest.param(0.0173, PERCENT, None, "1.7%", id="with a place below"),
        pytest.param(0.0052, PERCENT, None, "0.52%", id="with two below one"),
        pytest.param(0.00001, PERCENT, None, "0.01%", id="what is there is never nothing"),
        pytest.param(0.05, POINTS, None, "5 points", id="points"),
        pytest.param(0.01, POINTS, None, "1 point", id="one point"),
        pytest.param(13.24, TIMES, None, "13x", id="a multiple"),
        pytest.param(11.86, "days", None, "12 days", id="days"),
        pytest.param(0.5, "days", None, "12 hours", id="half a day"),
        pytest.param(1e-9, "days", None, "1 second", id="never no time at all"),
        pytest.param(95.0, "hours", None, "95 hours", id="hours"),
        pytest.param(120.0, "hours", None, "5 days", id="hours of many days"),
        pytest.param(120.5, "hours", 120.0, "5.02 days", id="hours of many days beside a limit"),
        pytest.param(538.4, "money EUR", None, "538 EUR", id="money"),
        pytest.param(58.591, "money EUR", None, "58.59 EUR", id="money with its cents"),
        pytest.param(99.996, "money EUR", None, "100 EUR", id="cents that make it whole"),
        pytest.param(5.5, "money JPY", None, "6 JPY", id="a currency without cents"),
        pytest.param(5.5, "money KWD", None, "5.500 KWD", id="a currency with a thousand"),
        pytest.param(float("nan"), "orders", None, "nan orders", id="no number"),
        pytest.param(None, "orders", None, "no data", id="nothing"),
    ],
)  # fmt: skip
def test_a_measured_number(value, unit, beside, text):
    """As people act on it."""
    assert measured_text(value, unit, beside) == text
