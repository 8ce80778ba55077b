"""A value of a cursor column goes back to the database in the form in which it came."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.adapters.sql.cursor_value import NoCursor, cursor_value

MINUTE = 60_000_000
TOKYO = timezone(timedelta(hours=9))
LOCAL = datetime.fromisoformat("2026-11-24T09:30:00")
LONG_AGO = datetime.fromisoformat("1900-01-01T00:00:00")


@pytest.mark.parametrize(
    ("value", "by", "expected"),
    [
        pytest.param(7_000, 1_000, 6_000, id="an id"),
        pytest.param(Decimal("7000"), 1_000, 6_000, id="an id of a database that knows decimals alone"),
        pytest.param(5, 1_000, -995, id="an id of which there are fewer"),
        pytest.param(LOCAL, 5 * MINUTE, LOCAL - timedelta(minutes=5), id="a time without a zone"),
        pytest.param(
            datetime(2026, 11, 24, 9, 30, tzinfo=TOKYO),
            5 * MINUTE,
            datetime(2026, 11, 24, 0, 25, tzinfo=UTC),
            id="a moment",
        ),
        pytest.param(date(2026, 11, 24), 5 * MINUTE, date(2026, 11, 23), id="a day"),
        pytest.param("2026-11-24 09:30:00", 5 * MINUTE, "2026-11-24 09:25:00", id="a text"),
        pytest.param(
            "2026-11-24T09:30:00.250Z", MINUTE // 60_000, "2026-11-24T09:30:00.249Z", id="with fractions, in UTC"
        ),
        pytest.param("2026-11-24 00:02:00+01:00", 5 * MINUTE, "2026-11-23 23:57:00+01:00", id="a text with an offset"),
        pytest.param("2026-11-24", 5 * MINUTE, "2026-11-23", id="a day as a text"),
        pytest.param("0001-01-01 00:00:00", 5 * MINUTE, "0001-01-02 00:00:00", id="there is no time before the first"),
    ],
)
def test_back(value: object, by: int, expected: object) -> None:
    """So much earlier, never later: what is read again is at least the overlap."""
    bound = cursor_value(value).back(by).bound()
    assert (bound, type(bound)) == (expected, type(expected))


@pytest.mark.parametrize(
    "value",
    [None, True, 1.5, Decimal("1.5"), b"x", "yesterday", "24.11.2026", "2026-13-01 00:00:00", "12", 1 << 63, {"a": 1}],
)
def test_what_says_nothing_of_an_order(value: object) -> None:
    """Is refused with the way out."""
    with pytest.raises(NoCursor, match="; "):
        cursor_value(value)


@given(st.datetimes(timezones=st.none() | st.just(UTC) | st.just(TOKYO), min_value=LONG_AGO))
def test_a_time_comes_back_as_it_was(moment: datetime) -> None:
    """As a value and as a text, to the microsecond."""
    assert cursor_value(moment).bound() == moment
    text = moment.isoformat(sep=" ", timespec="microseconds")
    assert cursor_value(text).bound() == text


@given(st.lists(st.datetimes(min_value=LONG_AGO), min_size=2))
def test_the_order_is_that_of_time(moments: list[datetime]) -> None:
    """Of texts that are written alike it is the database's own."""
    texts = [moment.isoformat(sep=" ", timespec="seconds") for moment in moments]
    assert sorted(texts) == sorted(texts, key=lambda text: cursor_value(text).at)
