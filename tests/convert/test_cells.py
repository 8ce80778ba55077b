"""The text of a cell as a number, a time, a flag or a day: what is read, and what is refused with a way out."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.adapters.convert.cells import (
    EXACT,
    CellFault,
    TimeTexts,
    day_reader,
    decimal_reader,
    flag,
    instant,
    map_reader,
    number_of,
    pattern_reader,
    text_reader,
    time_reader,
)

LONDON = ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        pytest.param("12", "auto", "12", id="whole"),
        pytest.param(" 12.5 ", "auto", "12.5", id="blanks around it"),
        pytest.param("1,234.50", "auto", "1234.50", id="English"),
        pytest.param("1.234,50", "auto", "1234.50", id="German"),
        pytest.param("1 234,50", "auto", "1234.50", id="French"),
        pytest.param("1\u202f234,50 €", "auto", "1234.50", id="French, with narrow blanks and a sign"),
        pytest.param("1'234.50", "auto", "1234.50", id="Swiss"),
        pytest.param("1,234,567", "auto", "1234567", id="several thousands"),
        pytest.param("12,34,567.00", ".", None, id="groups of two are no thousands"),
        pytest.param("0.653", "auto", "0.653", id="no thousands begin with nought"),
        pytest.param("1.234", "auto", None, id="two readings"),
        pytest.param("1,234", "auto", None, id="two readings, comma"),
        pytest.param("1.234", ".", "1.234", id="a point before decimals"),
        pytest.param("1.234", ",", "1234", id="a point between thousands"),
        pytest.param("1,234", ".", "1234", id="a comma between thousands"),
        pytest.param("1,23", ".", None, id="a comma before decimals, where a point is"),
        pytest.param("-12.50", ".", "-12.50", id="negative"),
        pytest.param("12.50-", ".", "-12.50", id="the sign behind it"),
        pytest.param("(1,234.50)", ".", "-1234.50", id="in brackets"),
        pytest.param("\u22124.5", ".", "-4.5", id="the sign proper"),
        pytest.param("$-4.50", ".", "-4.50", id="behind the currency"),
        pytest.param("-$4.50", ".", "-4.50", id="before the currency"),
        pytest.param("+3", ".", "3", id="plus"),
        pytest.param("£1,000", ".", "1000", id="pounds"),
        pytest.param("EUR 12.50", ".", "12.50", id="a code"),
        pytest.param("12.50 kr.", ".", "12.50", id="crowns"),
        pytest.param("R$ 9,90", ",", "9.90", id="reais"),
        pytest.param("A12", ".", "12", id="Australian, without its sign"),
        pytest.param("SKU12", ".", None, id="a name"),
        pytest.param("free", ".", None, id="a word"),
        pytest.param("25%", ".", None, id="a percentage, where no unit is named"),
        pytest.param("1e5", ".", None, id="an exponent"),
        pytest.param("١٢", ".", None, id="other digits"),
        pytest.param("--", ".", None, id="no value, as Google Ads writes it"),
        pytest.param(f"{EXACT}1.234", ",", "1.234", id="a program's number"),
        pytest.param(f"{EXACT}1e5", ",", "1e5", id="a program's large number"),
    ],
)
def test_a_number_is_read_exactly(text, decimal, value):
    """None: it is refused, and a way out is named."""
    read = decimal_reader(decimal, "auto")
    if value is None:
        with pytest.raises(CellFault) as refused:
            read(text)
        assert refused.value.remedy
    else:
        assert read(text) == Decimal(value)


def test_nothing_is_no_number():
    """A blank cell is missing, not nought."""
    assert decimal_reader("auto", "auto")("  ") is None


@given(st.decimals(-(10**9), 10**9, places=2))
def test_amounts_keep_their_cents(amount):
    """What people write comes out as the contract's number with the same digits, in any of the usual spellings."""
    english, german = f"{amount:,.2f}", f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))
    assert decimal_reader(".", "auto")(english) == decimal_reader(",", "auto")(german) == amount
    assert Decimal(str(number_of(amount))) == amount


@pytest.mark.parametrize(
    ("text", "formats", "said"),
    [
        pytest.param("2026-11-24T09:30:00Z", [], "2026-11-24T09:30:00Z", id="RFC 3339"),
        pytest.param("2026-11-24 10:30:00 +0100", [], "2026-11-24T09:30:00Z", id="Shopify"),
        pytest.param("2026-11-24 09:30:00 UTC", [], "2026-11-24T09:30:00Z", id="UTC in letters"),
        pytest.param("2026-07-01 09:30:15", [], "2026-07-01T08:30:15Z", id="summer time of the shop"),
        pytest.param("2026-11-24T09:30:00.250Z", [], "2026-11-24T09:30:00.250000Z", id="parts of a second"),
        pytest.param("2026-11-24", [], "2026-11-24T00:00:00Z", id="a day"),
        pytest.param("20261124", [], "2026-11-24T00:00:00Z", id="a day without signs"),
        pytest.param("2026112409", [], "2026-11-24T09:00:00Z", id="with the hour"),
        pytest.param("24.11.2026 9:30", [], "2026-11-24T09:30:00Z", id="points are days first"),
        pytest.param("2026/11/24 09:30", [], "2026-11-24T09:30:00Z", id="slashes, year first"),
        pytest.param("3/4/2026", [], None, id="which is the month?"),
        pytest.param("03-04-2026", [], None, id="with dashes"),
        pytest.param("3/4/2026", ["%d/%m/%Y"], "2026-04-02T23:00:00Z", id="day first"),
        pytest.param("12/1/2010 8:26", ["%m/%d/%Y %H:%M"], "2010-12-01T08:26:00Z", id="month first"),
        pytest.param("1763976600", [], None, id="seconds or milliseconds?"),
        pytest.param("1763976600", ["epoch_s"], "2025-11-24T09:30:00Z", id="seconds"),
        pytest.param("1763976600000", ["epoch_ms"], "2025-11-24T09:30:00Z", id="milliseconds"),
        pytest.param("1763976600000001", ["epoch_us"], "2025-11-24T09:30:00.000001Z", id="microseconds"),
        pytest.param("2026-11-24", ["%d/%m/%Y", "usual"], "2026-11-24T00:00:00Z", id="the usual among others"),
        pytest.param("24/11/2026", ["usual", "%d/%m/%Y"], "2026-11-24T00:00:00Z", id="others beside the usual"),
        pytest.param("yesterday", [], None, id="a word"),
        pytest.param("2026-02-30", [], None, id="no day"),
        pytest.param("0001-01-01", [], None, id="before all clocks"),
        pytest.param("9999-12-31T23:59:59-14:00", [], None, id="after the calendar"),
    ],
)
def test_a_time_is_read_where_it_has_one_reading(text, formats, said):
    """None: it is refused, and a way out is named."""
    read = time_reader(LONDON, formats)
    if said is None:
        with pytest.raises(CellFault) as refused:
            read(text)
        assert refused.value.remedy
    else:
        assert instant(read(text)) == said


@given(
    st.datetimes(min_value=__import__("datetime").datetime(1971, 1, 1)), st.sampled_from(["", " UTC", " +0530", "Z"])
)
def test_a_minute_is_read_once_and_for_all(moment, zone):
    """The short way, over the minute, gives what the whole text gives."""
    text = f"{moment.replace(microsecond=0):%Y-%m-%d %H:%M:%S}{zone}"
    read = time_reader(LONDON, [])
    texts = TimeTexts("when", read, in_parts=True)
    try:
        expected = instant(read(text))
    except CellFault:
        return
    assert [texts.of(text), texts.of(text)] == [expected, expected]


def test_a_day_is_the_shops():
    """Not that of UTC."""
    assert day_reader(time_reader(LONDON, []), LONDON)("2026-07-01T23:30:00Z") == "2026-07-02"


@pytest.mark.parametrize(("text", "value"), [("Yes", True), ("0", False), ("ja", True), (" ", None)])
def test_a_flag(text, value):
    """In the usual words."""
    assert flag(text) is value


def test_texts():
    """Blanks go, what is too long or no UTF-8 is refused, a map and a pattern find their words."""
    read = text_reader(5)
    assert [read(" ab "), read(" ")] == ["ab", None]
    for text in ("abcdef", "a\udcff"):
        with pytest.raises(CellFault):
            read(text)
    stands_for = map_reader({"Web": "web", "junk": None}, None, read)
    assert [stands_for("WEB"), stands_for("junk"), stands_for("")] == ["web", None, None]
    with pytest.raises(CellFault, match="is not in its map"):
        stands_for("pos")
    assert map_reader({}, "keep", read)("pos") == "pos"
    assert map_reader({}, "leave_out", read)("pos") is None
    assert pattern_reader("(.*) / .*", read)("a / b") == "a"
    with pytest.raises(CellFault, match="does not fit"):
        pattern_reader("[0-9]+", read)("a")
