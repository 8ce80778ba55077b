"""Mute and active times: when they hold by the clock on the wall, until when exactly, and what passes."""

from datetime import datetime, timedelta
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from alert_samples import LONDON
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lockstep.notify.quiet.mute_time_form import MuteTimeModel, mute_times_of
from lockstep.notify.quiet.mute_times import MuteTime, MuteTimes
from lockstep.notify.quiet.wall_clock import shown_at
from lockstep.notify.routing.route_options import RouteOptions
from lockstep.rule.condition.kinds import Severity

UTC, NEW_YORK, LORD_HOWE = map(ZoneInfo, ("UTC", "America/New_York", "Australia/Lord_Howe"))
FORM: TypeAdapter[Any] = TypeAdapter(dict[str, MuteTimeModel])


def mute_time(written: Any, zone: ZoneInfo = LONDON) -> MuteTime:
    return mute_times_of(FORM.validate_python({"it": written}))["it"].in_zone(zone)


def seconds(text: str, zone: ZoneInfo = UTC) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def utc(moment: float) -> str:
    return "never" if moment == inf else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("written", "moment", "expected"),
    [
        pytest.param(
            {"times": "22:00-06:00"}, "2026-11-24 12:00", "2026-11-24 22:00 to 2026-11-25 06:00", id="next night"
        ),
        pytest.param(
            {"times": "22:00-06:00"}, "2026-11-25 05:59", "2026-11-24 22:00 to 2026-11-25 06:00", id="this night"
        ),
        pytest.param(
            {"times": "22:00-06:00"}, "2026-11-25 06:00", "2026-11-25 22:00 to 2026-11-26 06:00", id="it has ended"
        ),
        pytest.param(
            {"times": ["22:00-24:00", "00:00-06:00"]},
            "2026-11-24 23:00",
            "2026-11-24 22:00 to 2026-11-25 06:00",
            id="stretches that touch are one",
        ),
        pytest.param(
            {"times": "22:00-06:00", "weekdays": "Fri-Sat"},
            "2026-11-29 05:00",
            "2026-11-28 22:00 to 2026-11-29 06:00",
            id="a night belongs to the day on which it begins",
        ),
        pytest.param(
            [{"weekdays": ["Sat", "Sun"]}, {"weekdays": "Mon-Fri", "times": "18:00-08:00"}],
            "2026-11-27 19:00",
            "2026-11-27 18:00 to 2026-11-30 00:00",
            id="a Friday's evening and its weekend, but not the night to Monday",
        ),
        pytest.param(
            {"weekdays": "Fri-Mon"}, "2026-11-24 12:00", "2026-11-27 00:00 to 2026-12-01 00:00", id="over Sunday"
        ),
        pytest.param(
            {"days_of_month": -1}, "2026-11-24 12:00", "2026-11-30 00:00 to 2026-12-01 00:00", id="the last day"
        ),
        pytest.param(
            {"days_of_month": -1}, "2027-02-01 12:00", "2027-02-28 00:00 to 2027-03-01 00:00", id="of February"
        ),
        pytest.param(
            {"days_of_month": -1}, "2028-02-01 12:00", "2028-02-29 00:00 to 2028-03-01 00:00", id="of a leap year"
        ),
        pytest.param(
            {"days_of_month": -1},
            "2026-10-27 12:00",
            "2026-10-31 00:00 to 2026-11-01 00:00",
            id="of a month in which clocks change",
        ),
        pytest.param(
            {"days_of_month": "-3:-1"}, "2027-03-29 12:00", "2027-03-28 23:00 to 2027-03-31 23:00", id="the last three"
        ),
        pytest.param(
            {"days_of_month": 31}, "2026-11-01 12:00", "2026-12-31 00:00 to 2027-01-01 00:00", id="months without"
        ),
        pytest.param(
            {"days_of_month": -31},
            "2026-11-01 12:00",
            "2026-12-01 00:00 to 2026-12-02 00:00",
            id="31 days before the end",
        ),
        pytest.param(
            {"days_of_month": ["28:31"]},
            "2027-02-01 00:00",
            "2027-02-28 00:00 to 2027-03-01 00:00",
            id="as many as the month has",
        ),
        pytest.param(
            {"months": "Nov-Feb", "years": 2026},
            "2026-11-01 00:00",
            "2026-11-01 00:00 to 2027-01-01 00:00",
            id="months over the end of a year, of one year",
        ),
        pytest.param(
            {"days_of_month": 29, "months": "February"},
            "2096-03-01 00:00",
            "2104-02-29 00:00 to 2104-03-01 00:00",
            id="2100 is no leap year",
        ),
        pytest.param({"years": "2020:2024"}, "2026-11-01 00:00", None, id="years that have passed"),
        pytest.param({"days_of_month": 31, "months": "Feb"}, "2026-11-01 00:00", None, id="a day that there is not"),
        pytest.param({"weekdays": "Mon-Sun"}, "2026-11-01 00:00", "2026-11-01 00:00 to never", id="always"),
        pytest.param({"times": "00:00-24:00"}, "2026-11-01 00:00", "2026-11-01 00:00 to never", id="all day"),
        pytest.param(
            {"years": "2026:2027"}, "2026-11-01 00:00", "2026-11-01 00:00 to 2028-01-01 00:00", id="two years"
        ),
        pytest.param(
            {"times": "09:00-17:00", "zone": "America/New_York"},
            "2026-11-24 12:00",
            "2026-11-24 14:00 to 2026-11-24 22:00",
            id="of another zone",
        ),
        # Clocks in London go back on 25 October 2026 at 02:00 BST, forward on 28 March 2027 at 01:00 GMT.
        pytest.param(
            {"times": "22:00-06:00"},
            "2026-10-25 03:00",
            "2026-10-24 21:00 to 2026-10-25 06:00",
            id="a night of nine hours",
        ),
        pytest.param(
            {"times": "22:00-06:00"},
            "2027-03-28 03:00",
            "2027-03-27 22:00 to 2027-03-28 05:00",
            id="a night of seven hours",
        ),
        pytest.param(
            {"weekdays": "Sun"}, "2026-10-25 12:00", "2026-10-24 23:00 to 2026-10-26 00:00", id="a Sunday of 25 hours"
        ),
        pytest.param(
            {"weekdays": "Sun"}, "2027-03-28 12:00", "2027-03-28 00:00 to 2027-03-28 23:00", id="a Sunday of 23 hours"
        ),
        pytest.param(
            {"times": "23:00-01:30"},
            "2026-10-25 00:45",
            "2026-10-24 22:00 to 2026-10-25 01:30",
            id="what ends in the hour that comes twice ends the second time",
        ),
        pytest.param(
            {"times": "01:30-03:00"},
            "2026-10-24 23:59",
            "2026-10-25 00:30 to 2026-10-25 03:00",
            id="what begins in it begins the first time",
        ),
        pytest.param(
            {"times": "23:00-01:30"},
            "2027-03-28 00:30",
            "2027-03-27 23:00 to 2027-03-28 01:00",
            id="what ends in the hour that is skipped ends with its beginning",
        ),
        pytest.param(
            {"times": "01:15-01:45"},
            "2027-03-28 00:59",
            "2027-03-29 00:15 to 2027-03-29 00:45",
            id="what lies in it is not",
        ),
        pytest.param(
            {"times": "01:30-02:15", "zone": "Australia/Lord_Howe"},
            "2026-10-03 12:00",
            "2026-10-03 15:00 to 2026-10-03 15:30",
            id="half an hour is skipped elsewhere",
        ),
    ],
)
def test_the_stretch_that_holds_or_comes_next(written, moment, expected):
    """Exact to the minute, in UTC."""
    stretch = mute_time(written).at(seconds(moment))
    assert (None if stretch is None else f"{utc(stretch.begin)} to {utc(stretch.end)}") == expected


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({}, "it does not say when it is; add times"),
        ({"zone": "Europe/London"}, "it does not say when it is"),
        ({"times": "10pm-6am"}, "'10pm-6am' are no times of day; write one like 22:00-06:00"),
        ({"times": "24:00-06:00"}, "'24:00-06:00' are no times of day"),
        ({"times": "22:00-22:00"}, "ends where it begins; write 00:00-24:00"),
        ({"times": "22:75-23:00"}, "are no times of day"),
        ({"times": "22:00-06:00", "zone": "Mars"}, "'Mars' is no time zone; write one like Europe/London"),
        ({"weekdays": "Funday"}, "'Funday' is no weekday; write one like Sat or Mon-Fri"),
        ({"weekdays": [1]}, "'1' is no weekday"),
        ({"days_of_month": 0}, "'0' is no day of a month; write one like 1, 1:5, -1"),
        ({"days_of_month": 32}, "'32' is no day of a month"),
        ({"days_of_month": "5:1"}, "'5:1' is no day of a month"),
        ({"days_of_month": "-1:5"}, "'-1:5' is no day of a month"),
        ({"months": 13}, "'13' is no month; write one like Dec, Nov-Feb or 12"),
        ({"years": "26"}, "'26' is no year; write one like 2026"),
        ({"years": "2028:2026"}, "'2028:2026' is no year"),
        ({"weekdays": [True]}, "this is no text"),
        ({"weekday": "Sat"}, "Extra inputs are not permitted"),
        ([], "at least 1 item"),
    ],
)
def test_what_is_no_mute_time(written, says):
    """Each with the way out."""
    with pytest.raises(ValidationError) as refused:
        mute_time(written)
    assert says in str(refused.value)


NIGHTS = {"nights": {"times": "22:00-06:00"}, "office-hours": {"weekdays": "Mon-Fri", "times": "09:00-17:00"}}


def muted(moment: str, *, severity: Severity = Severity.WARNING, times: Any = NIGHTS, **options: Any) -> str | None:
    """Why nothing is told at that time in London."""
    part = MuteTimes(mute_times_of(FORM.validate_python(times)), LONDON)
    hush = part.hushed({}, severity, seconds(moment, LONDON), RouteOptions(**options))
    assert hush is None or hush.until is None or utc(hush.until)[-5:] in hush.why
    return None if hush is None else hush.why


@pytest.mark.parametrize(
    ("moment", "options", "why"),
    [
        ("2026-11-24 21:59", {"mute": ("nights",)}, None),
        (
            "2026-11-24 22:00",
            {"mute": ("nights",)},
            "muted until Wed 25 Nov 2026 06:00 GMT (mute time nights)",
        ),
        ("2026-11-25 06:00", {"mute": ("nights",)}, None),
        ("2026-11-24 12:00", {"active": ("office-hours",)}, None),
        (
            "2026-11-27 17:00",
            {"active": ("office-hours",)},
            "muted until Mon 30 Nov 2026 09:00 GMT (outside of office-hours)",
        ),
        (
            "2026-11-24 23:00",
            {"mute": ("nights",), "active": ("office-hours",)},
            "muted until Wed 25 Nov 2026 09:00 GMT (outside of office-hours)",
        ),
        pytest.param("2026-11-24 23:00", {"mute": ("gone",), "active": ("gone",)}, None, id="names that are gone"),
        pytest.param("2026-11-24 23:00", {}, None, id="a route without"),
    ],
)
def test_muted(moment, options, why):
    """Within a mute time, or outside of every active one; until nothing holds any more."""
    assert muted(moment, **options) == why


def test_of_several_that_end_together_the_same_is_named():
    """Whenever it is asked for: a restart must not find another reason for the same quiet."""
    times = {"before": {"times": "08:00-09:00"}, "office-hours": {"times": "09:00-17:00"}}
    early, late = (
        muted(moment, times=times, mute=("before",), active=("office-hours",))
        for moment in ("2026-11-24 07:00", "2026-11-24 08:30")
    )
    assert early == late == "muted until Tue 24 Nov 2026 09:00 GMT (mute time before)"


def test_what_is_critical_passes():
    """Unless the route says otherwise."""
    assert muted("2026-11-24 23:00", mute=("nights",), severity=Severity.CRITICAL) is None
    assert muted("2026-11-24 23:00", mute=("nights",), severity=Severity.CRITICAL, mutes_critical=True)


def test_muted_for_good():
    """What never ends is said so, and no moment to ask again."""
    times = {
        "always": {"weekdays": "Mon-Sun"},
        "nights": {"times": "20:00-08:00"},
        "evenings": {"times": "20:00-22:00"},
    }
    assert (
        muted("2026-11-24 23:00", times=times, mute=("always",))
        == "muted for good, by the mute and active times of its route"
    )
    assert muted("2026-11-24 12:00", times=times, mute=("nights",), active=("evenings",)) == (
        "muted for good, by the mute and active times of its route"
    )


def test_a_start_with_another_file_looks_again_once():
    """What is held may be held no more; with the same file all is as it was."""
    entries: dict[bytes, bytes] = {}

    def start(times: Any, held_by: tuple[str, ...] = ()) -> list[int]:
        part = MuteTimes(mute_times_of(FORM.validate_python(times)), LONDON, held_by)
        part.restore(entries)
        looked = [len(part.tick(moment).ended) for moment in (0.0, 1.0)]
        for key, value in part.cut().items():
            if value is None:
                del entries[key]
            else:
                entries[key] = value
        return looked

    assert start({}) == [0, 0]
    assert entries == {}
    assert start(NIGHTS) == [0, 0]
    assert start(NIGHTS) == [0, 0]
    assert start({"nights": {"times": "22:00-05:00"}}) == [1, 0]
    assert start({"nights": {"times": "22:00-05:00"}}, ("rule=A inhibits rule=B",)) == [1, 0]
    assert start({}) == [1, 0]
    assert entries == {}


WRITTEN = st.fixed_dictionaries(
    {},
    optional={
        "times": st.lists(st.sampled_from(["22:00-06:00", "09:00-17:30", "00:00-24:00", "23:30-00:15"]), min_size=1),
        "weekdays": st.lists(st.sampled_from(["Mon-Fri", "Sat", "Sun-Mon"]), min_size=1),
        "days_of_month": st.lists(st.sampled_from([1, -1, "1:15", "-7:-1", "10:-10"]), min_size=1),
        "months": st.lists(st.sampled_from(["Nov-Feb", "Mar", 10]), min_size=1),
        "years": st.lists(st.sampled_from([2026, "2027:2028"]), min_size=1),
    },
).filter(bool)
ZONES = st.sampled_from([LONDON, NEW_YORK, LORD_HOWE, UTC])
MOMENTS = st.integers(0, 3 * 366 * 24 * 60).map(lambda minute: seconds("2026-01-01 00:00") + 60.0 * minute)


def _is_on(model: Any, wall: datetime) -> bool:
    """By the clock alone: a day and a time of it, or the night of the day before."""
    minute = wall.hour * 60 + wall.minute
    today, yesterday = (
        mute_times_of({"it": [model]})["it"].intervals[0].is_on((wall - timedelta(d)).date()) for d in (0, 1)
    )
    return any(
        (today and begin <= minute and (minute < end or end <= begin)) or (yesterday and end <= begin and minute < end)
        for begin, end in model.times or [(0, 24 * 60)]
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(WRITTEN, min_size=1, max_size=3), ZONES, MOMENTS)
def test_it_holds_as_the_clock_says(written, zone, moment):
    """On every day on which clocks do not change; on the others the table above says what happens."""
    wall = shown_at(moment, zone)
    clocks = {datetime.fromtimestamp(moment + hours * 3_600, zone).utcoffset() for hours in range(-30, 31)}
    if len(clocks) > 1:
        return
    models = FORM.validate_python({"it": written})["it"]
    stretch = mute_time(written, zone).at(moment)
    assert (stretch is not None and stretch.begin <= moment) is any(_is_on(model, wall) for model in models)


@settings(max_examples=60, deadline=None)
@given(st.lists(WRITTEN, min_size=1, max_size=3), ZONES, MOMENTS, st.floats(0, 1))
def test_until_is_exact(written, zone, moment, part):
    """All through a stretch it holds, with the same end; at its end it does not, nor between two stretches."""
    timed = mute_time(written, zone)
    stretch = timed.at(moment)
    if stretch is None:
        return
    assert stretch.end > moment
    inside = max(moment, stretch.begin)
    if stretch.end < inf:
        within = timed.at(inside + (stretch.end - inside) * part * 0.999)
        assert within is not None
        assert within.end == stretch.end
        after = timed.at(stretch.end)
        assert after is None or after.begin > stretch.end
    if stretch.begin > moment:
        assert timed.at(moment + (stretch.begin - moment) * part * 0.999) == stretch


@settings(max_examples=5, deadline=None, derandomize=True)
@given(
    WRITTEN,
    WRITTEN,
    st.sampled_from([("a",), ("a", "b"), ()]),
    st.sampled_from([("b",), ("a",), ()]),
    st.lists(MOMENTS, min_size=1, max_size=2),
)
def test_what_is_asked_again_at_its_end_is_free(first, second, mute, active, moments):
    """`until` is when nothing holds any more, the same is said at each moment before it."""
    times = mute_times_of(FORM.validate_python({"a": first, "b": second}))
    options = RouteOptions(mute=mute, active=active)
    for moment in moments:
        part = MuteTimes(times, LONDON)
        hush = part.hushed({}, Severity.WARNING, moment, options)
        if hush is not None and hush.until is not None:
            assert part.hushed({}, Severity.WARNING, hush.until, options) is None
            assert part.hushed({}, Severity.WARNING, (moment + hush.until) / 2, options) == hush
