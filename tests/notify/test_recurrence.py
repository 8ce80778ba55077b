"""When silences hold: stretches of the wall clock, over changes of the clocks, by rules that cannot run away."""

import re
import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lockstep.errors import CommandError
from lockstep.notify.quiet.recurrence import aware, recurrence_of
from lockstep.notify.quiet.wall_clock import begins_at, ends_at, shown_at, zone_named

LONDON, BERLIN, APIA, LORD_HOWE = map(
    ZoneInfo, ("Europe/London", "Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe")
)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def at(text: str, zone: ZoneInfo = LONDON, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


def stretches(starts: str, ends: str, rule: str, *, zone: ZoneInfo = LONDON, until: str = "") -> list[str]:
    """The stretches up to an instant, in UTC: `Sat 28 00:00 to Mon 30 00:00`."""
    recurrence = recurrence_of(at(starts, zone), at(ends, zone), rule, zone)
    moment, lines = at(starts, zone).timestamp() - 1, []
    last = at(until or "2027-12-31", zone).timestamp()
    while (stretch := recurrence.at(moment)) is not None and stretch.begin < last:
        ends_in_utc = datetime.fromtimestamp(stretch.end, ZoneInfo("UTC"))
        lines.append(
            f"{datetime.fromtimestamp(stretch.begin, ZoneInfo('UTC')):%d %b %H:%M} to {ends_in_utc:%d %b %H:%M}"
        )
        moment = stretch.end
    return lines


@pytest.mark.parametrize(
    ("starts", "ends", "rule", "expected"),
    [
        pytest.param("2026-11-28", "2026-11-30", "", ["28 Nov 00:00 to 30 Nov 00:00"], id="once"),
        pytest.param(
            "2026-11-28",
            "2026-11-30",
            "FREQ=WEEKLY;COUNT=3",
            ["28 Nov 00:00 to 30 Nov 00:00", "05 Dec 00:00 to 07 Dec 00:00", "12 Dec 00:00 to 14 Dec 00:00"],
            id="three weekends",
        ),
        pytest.param(
            "2026-10-24 22:00",
            "2026-10-25 06:00",
            "FREQ=DAILY;COUNT=2",
            ["24 Oct 21:00 to 25 Oct 06:00", "25 Oct 22:00 to 26 Oct 06:00"],
            id="the night in which clocks go back has nine hours",
        ),
        pytest.param(
            "2027-03-27 22:00",
            "2027-03-28 06:00",
            "FREQ=DAILY;COUNT=2",
            ["27 Mar 22:00 to 28 Mar 05:00", "28 Mar 21:00 to 29 Mar 05:00"],
            id="the night in which they go forward has seven",
        ),
        pytest.param(
            "2027-03-27 01:15",
            "2027-03-27 03:00",
            "FREQ=DAILY;COUNT=2",
            ["27 Mar 01:15 to 27 Mar 03:00", "28 Mar 01:00 to 28 Mar 02:00"],
            id="a begin that the clock skips is when it does",
        ),
        pytest.param(
            "2027-03-27 01:15",
            "2027-03-27 01:45",
            "FREQ=DAILY;COUNT=3",
            ["27 Mar 01:15 to 27 Mar 01:45", "29 Mar 00:15 to 29 Mar 00:45"],
            id="one that the clock skips wholly is none, and counted",
        ),
        pytest.param(
            "2026-10-24 01:15",
            "2026-10-24 01:45",
            "FREQ=DAILY;COUNT=2",
            ["24 Oct 00:15 to 24 Oct 00:45", "25 Oct 00:15 to 25 Oct 01:45"],
            id="what the clock shows twice begins the first time and ends the second",
        ),
        pytest.param(
            "2026-11-30 18:00",
            "2026-12-01 00:00",
            "FREQ=MONTHLY;BYMONTHDAY=-1;UNTIL=20270131",
            ["30 Nov 18:00 to 01 Dec 00:00", "31 Dec 18:00 to 01 Jan 00:00", "31 Jan 18:00 to 01 Feb 00:00"],
            id="the last day of each month, up to a day that is one",
        ),
        pytest.param(
            "2026-11-30 18:00",
            "2026-12-01 00:00",
            "RRULE:freq=monthly;bymonthday=-1;until=20270131T175959Z",
            ["30 Nov 18:00 to 01 Dec 00:00", "31 Dec 18:00 to 01 Jan 00:00"],
            id="up to an instant, in small letters",
        ),
        pytest.param(
            "2026-12-01",
            "2026-12-03",
            "FREQ=DAILY;COUNT=3",
            ["01 Dec 00:00 to 03 Dec 00:00", "03 Dec 00:00 to 05 Dec 00:00"],
            id="of several that hold the last is the one that counts",
        ),
        pytest.param(
            "2028-02-29", "2028-03-01", "FREQ=YEARLY;COUNT=1", ["29 Feb 00:00 to 01 Mar 00:00"], id="a leap day"
        ),
    ],
)
def test_stretches(starts, ends, rule, expected):
    """An occurrence is what clocks in its zone show."""
    assert stretches(starts, ends, rule, until="2029-01-01") == expected


def test_a_day_that_a_zone_left_out():
    """Samoa had no 30 December 2011."""
    assert begins_at(wall("2011-12-30"), APIA) == begins_at(wall("2011-12-31"), APIA)
    assert stretches("2011-12-28 12:00", "2011-12-28 13:00", "FREQ=DAILY;COUNT=4", zone=APIA, until="2012-01-02") == [
        "28 Dec 22:00 to 28 Dec 23:00",
        "29 Dec 22:00 to 29 Dec 23:00",
        "30 Dec 22:00 to 30 Dec 23:00",
    ]


def test_once_is_between_two_instants():
    """Also in an hour that the clock shows twice."""
    starts, ends = at("2026-10-25 01:10", fold=1), at("2026-10-25 01:50", fold=1)
    stretch = recurrence_of(starts, ends, "", LONDON).at(0)
    assert (stretch.begin, stretch.end) == (starts.timestamp(), ends.timestamp())
    assert recurrence_of(starts, ends, "", LONDON).at(ends.timestamp()) is None


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        pytest.param("FREQ=HOURLY", "has no FREQ of DAILY, WEEKLY", id="too often"),
        pytest.param("BYDAY=SA", "has no FREQ", id="no frequency"),
        pytest.param("weekly", "'WEEKLY' is not understood; write one like FREQ=WEEKLY;BYDAY=SA", id="a word"),
        pytest.param("FREQ=DAILY;BYHOUR=3", "the time of day is that of starts", id="hours"),
        pytest.param("FREQ=DAILY;INTERVAL=0", "INTERVAL '0' is no number from 1", id="an interval of nothing"),
        pytest.param("FREQ=DAILY;COUNT=99999", "COUNT '99999' is no number", id="too many"),
        pytest.param("FREQ=DAILY;COUNT=2;UNTIL=20261231", "both COUNT and UNTIL", id="two ends"),
        pytest.param("FREQ=DAILY;UNTIL=soon", "UNTIL 'SOON' is no time", id="no end"),
        pytest.param("FREQ=DAILY;FREQ=DAILY", "says FREQ twice", id="twice"),
        pytest.param("FREQ=WEEKLY;BYDAY=XX", "BYDAY 'XX' is no day", id="no day"),
        pytest.param("FREQ=MONTHLY;BYMONTHDAY=x", "write numbers from 1 to 31", id="no number"),
        pytest.param("FREQ=MONTHLY;BYMONTHDAY=0", "write numbers from 1 to 31", id="no day of a month"),
        pytest.param("FREQ=MONTHLY;BYDAY=6MO", "never comes", id="a sixth Monday"),
        pytest.param("FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=20", "never comes", id="a first Monday on the 20th"),
        pytest.param("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6", "never comes", id="the sixth of the Mondays"),
        pytest.param("FREQ=MONTHLY;BYSETPOS=2", "has BYSETPOS, and names no days", id="the second of no days"),
        pytest.param("FREQ=YEARLY;BYYEARDAY=1;BYMONTH=5", "never comes", id="the first day of the year, in May"),
        pytest.param("FREQ=MONTHLY;BYDAY=1MO,TU", "write all of them with one, or none", id="some days are counted"),
        pytest.param("FREQ=WEEKLY;BYDAY=1SA", "counts days of a month", id="the first Saturday of a week"),
        pytest.param(
            "FREQ=YEARLY;INTERVAL=2;BYYEARDAY=366", "begins at Sun 2028-12-31", id="in years that are no leap"
        ),
        pytest.param("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never comes", id="never"),
        pytest.param("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30", "never comes", id="never, looked for month by month"),
        pytest.param(
            "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
            "BYMONTHDAY says nothing of FREQ=DAILY; write FREQ=MONTHLY",
            id="never, day by day",
        ),
        pytest.param("FREQ=DAILY;INTERVAL=7;BYDAY=MO", "counts days and names some", id="never, week by week"),
        pytest.param("FREQ=DAILY;BYMONTH=13", "BYMONTH '13' is no month", id="no month"),
        pytest.param("FREQ=WEEKLY;BYDAY=SU", "begins at Sun 2026-11-29 00:00 first", id="begins on another day"),
        pytest.param("FREQ=DAILY;UNTIL=20261127", "never comes", id="ends before it begins"),
        pytest.param("FREQ=DAILY\nDTSTART:20200101", "no rule of at most 200 plain", id="another line"),
        pytest.param("FREQ=DAILY;" + "BYDAY=MO," * 40, "no rule of at most 200 plain", id="too long"),
    ],
)
def test_a_rule_that_is_none(rule, says):
    """Told with the way out, within a moment."""
    began = time.process_time()
    with pytest.raises(CommandError) as refused:
        recurrence_of(at("2026-11-28"), at("2026-11-29"), rule, LONDON)
    assert says in str(refused.value)
    assert refused.value.remedy
    assert time.process_time() - began < 0.2


def of(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[str]:
    return st.lists(numbers, min_size=1, max_size=3, unique=True).map(lambda few: ",".join(map(str, few)))


DAYS = st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"])
PARTS = {
    "BYMONTH": of(st.integers(1, 12)),
    "BYMONTHDAY": of(st.integers(1, 31) | st.integers(-31, -1)),
    "BYYEARDAY": of(st.integers(1, 366) | st.integers(-366, -1)),
    "BYSETPOS": of(st.integers(1, 6) | st.integers(-6, -1)),
    "BYDAY": of(DAYS) | of(st.builds("{}{}".format, st.integers(1, 6) | st.integers(-6, -1), DAYS)),
}


@settings(deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # a fault takes a second a try
@given(
    frequency=st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    parts=st.fixed_dictionaries({}, optional=PARTS),
    starts=st.dates(wall("2026-01-01").date(), wall("2034-12-31").date()),
)
def test_days_are_those_of_the_library(frequency, parts, starts):
    """Where a rule is said to begin, dateutil begins; what is said never to come is not asked of it."""
    rule = ";".join([f"FREQ={frequency}", *(f"{key}={value}" for key, value in parts.items())])
    first = datetime.combine(starts, datetime.min.time(), LONDON)
    try:
        recurrence_of(first, first + timedelta(hours=1), rule, LONDON)
        begins = starts
    except CommandError as refused:
        match = re.search(r"begins at \w+ (\S+)", str(refused))
        if match is None:
            return
        begins = datetime.fromisoformat(match[1]).date()
    found = next(iter(rrulestr(rule, dtstart=datetime.combine(begins, datetime.min.time()))))
    assert found.date() == begins
    if begins != starts and (parts.keys() - {"BYMONTH"} or frequency == "DAILY"):
        # From a day on which it does not hold, the library finds the same one.
        assert next(iter(rrulestr(rule, dtstart=datetime.combine(starts, datetime.min.time())))).date() == begins


@pytest.mark.parametrize(
    ("ends", "rule", "says"),
    [
        ("2026-11-28", "", "it ends before it begins"),
        ("2028-01-01", "", "longer than a year"),
        ("2027-01-01", "FREQ=YEARLY", "longer than 31 days"),
    ],
)
def test_no_such_stretch(ends, rule, says):
    """Bounds of one stretch."""
    with pytest.raises(CommandError, match=says):
        recurrence_of(at("2026-11-28"), at(ends), rule, LONDON)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Europe", "\0", "x" * 5_000])
def test_no_zone(name):
    """Whatever somebody writes is no file that is opened."""
    assert zone_named(name) is None


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-11-28T09:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-11:00"]
)
def test_no_instant(text):
    """An instant has its offset, and lies where clocks can be asked."""
    assert aware(text) is None


@given(
    st.integers(0, 730 * 86_400).map(lambda s: wall("2026-01-01") + timedelta(seconds=s)),
    st.sampled_from([LONDON, BERLIN, LORD_HOWE, ZoneInfo("America/New_York"), ZoneInfo("UTC")]),
)
def test_instants_of_the_wall_clock(shown, zone):
    """The first and the last instant at which it is: at the first it comes there, after the last it is beyond."""
    first, last = begins_at(shown, zone), ends_at(shown, zone)
    assert first <= last
    assert shown_at(first, zone) >= shown
    assert shown_at(last, zone) >= shown
    assert shown_at(first - 1, zone) < shown
    assert shown_at(last + 1, zone) > shown


@given(
    starts=st.integers(0, 730 * 86_400).map(lambda s: wall("2026-01-01") + timedelta(seconds=s)),
    length=st.integers(1, 3 * 86_400),
    rule=st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=DAILY;INTERVAL=3", "FREQ=YEARLY"]),
    later=st.integers(-86_400, 900 * 86_400),
    zone=st.sampled_from([LONDON, LORD_HOWE, ZoneInfo("America/New_York")]),
)
def test_a_stretch_holds_or_comes_next(starts, length, rule, later, zone):
    """At any moment: it ends later than now; it is as long as the wall clock says; none lies between now and it."""
    first = datetime.fromtimestamp(begins_at(starts, zone), zone)
    begins = first.replace(tzinfo=None)
    end = datetime.fromtimestamp(ends_at(begins + timedelta(seconds=length), zone), zone)
    recurrence = recurrence_of(first, end, rule, zone)
    moment = first.timestamp() + later
    stretch = recurrence.at(moment)
    assert stretch.end > moment
    shown = shown_at(stretch.begin, zone).time()
    assert shown == begins.time() or shown_at(stretch.begin - 1, zone).time() < begins.time() <= shown
    if stretch.begin > moment:
        assert recurrence.at(stretch.begin - 1) == stretch
        assert recurrence.at((moment + stretch.begin) / 2) == stretch
    assert recurrence.at(stretch.begin).end >= stretch.end
