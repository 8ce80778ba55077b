"""Instants as text, and the bucket ends around them."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

import lockstep
from lockstep.measure.bucket import bucket_end, ceil_div
from lockstep.text.rfc3339 import SECOND, rfc3339, rfc3339_of

HALF_PAST_NINE = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
AT_US = int(HALF_PAST_NINE.timestamp()) * SECOND


@pytest.mark.parametrize(
    ("time_us", "text"),
    [
        pytest.param(AT_US, "2026-11-24T09:30:00Z", id="a whole second has no fraction"),
        pytest.param(AT_US + 500_000, "2026-11-24T09:30:00.500000Z", id="half a second has six digits"),
        pytest.param(AT_US + 1, "2026-11-24T09:30:00.000001Z", id="one microsecond"),
        pytest.param(-1, "1969-12-31T23:59:59.999999Z", id="before 1970"),
    ],
)
def test_an_instant_of_event_time_is_exact(time_us, text):
    """What is written names the microsecond, and reads back as the same."""
    assert rfc3339(time_us) == text
    read = datetime.fromisoformat(text)
    assert read - datetime(1970, 1, 1, tzinfo=UTC) == timedelta(microseconds=time_us)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        pytest.param(HALF_PAST_NINE, "2026-11-24T09:30:00Z", id="in UTC"),
        pytest.param(HALF_PAST_NINE.astimezone(timezone(timedelta(hours=1))), "2026-11-24T09:30:00Z", id="in Berlin"),
        pytest.param(HALF_PAST_NINE.replace(microsecond=999_999), "2026-11-24T09:30:00Z", id="never the next second"),
    ],
)
def test_a_moment_is_its_whole_second(moment, text):
    """The zone that it came in does not show."""
    assert rfc3339_of(moment) == text


def test_there_is_one_writer():
    """No other module makes a text with a Z; two writers differ in their digits one day."""
    code = Path(lockstep.__file__).parent
    writers = [p for p in code.rglob("*.py") if '"+00:00", "Z"' in p.read_text() or "%H:%M:%SZ" in p.read_text()]
    assert [str(p.relative_to(code)) for p in writers] == ["text/rfc3339.py"]


@pytest.mark.parametrize(
    ("second", "width", "end"),
    [
        pytest.param(241, 60, 300, id="within a bucket"),
        pytest.param(300, 60, 300, id="the end itself"),
        pytest.param(301, 60, 360, id="just after an end"),
        pytest.param(-1, 60, 0, id="before 1970"),
    ],
)
def test_bucket_end(second, width, end):
    """The first end that is not before the second."""
    assert bucket_end(second, width) == end


@pytest.mark.parametrize(("number", "size", "pieces"), [(60, 25, 3), (75, 25, 3), (0, 25, 0), (1, 25, 1), (-1, 25, 0)])
def test_ceil_div(number, size, pieces):
    """As many pieces as it takes, the last one perhaps not full."""
    assert ceil_div(number, size) == pieces
