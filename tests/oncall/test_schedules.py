"""Who is on call: rotations on the wall of their zone, layers, people who stand in, gaps."""

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.notify.oncall.schedules import Rotation, Schedule, instant
from lockstep.response.standing import Override
from lockstep.rule.language.quantity import hours

LONDON, NEW_YORK, LORD_HOWE = (ZoneInfo(n) for n in ("Europe/London", "America/New_York", "Australia/Lord_Howe"))
DAY, WEEK = 86_400, 604_800


def _at(text: str, zone: ZoneInfo = LONDON) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def _rotation(*who: str, every: int = WEEK, start: str = "2026-10-05 09:00", zone=LONDON, until=None, when=()):
    ends = None if until is None else datetime.fromisoformat(until)
    return Rotation(who, every, datetime.fromisoformat(start), zone, ends, tuple(map(hours, when)))


def _shown(schedule: Schedule, begin: str, end: str, overrides=()) -> list[tuple[str | None, str]]:
    shifts = schedule.shifts(_at(begin, schedule.zone), _at(end, schedule.zone), overrides)
    return [(s.who, f"{datetime.fromtimestamp(s.start, schedule.zone):%m-%d %H:%M}") for s in shifts]


def test_a_hand_over_is_a_time_on_the_wall_in_summer_and_in_winter():
    """Mondays at nine: the week in which clocks are put back has 169 hours, the one in spring 167."""
    schedule = Schedule("day", LONDON, (_rotation("anna", "ben"),))
    assert _shown(schedule, "2026-10-18 00:00", "2026-11-03 00:00") == [
        ("ben", "10-18 00:00"),
        ("anna", "10-19 09:00"),
        ("ben", "10-26 09:00"),
        ("anna", "11-02 09:00"),
    ]
    weeks = [s.end - s.start for s in schedule.shifts(_at("2026-10-05 09:00"), _at("2027-04-05 09:00"))]
    assert [round(s / 3600) for s in weeks if s != WEEK] == [169, 167]


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        pytest.param(NEW_YORK, "2026-03-06 02:30", ["03-07 02:30", "03-08 03:00", "03-09 02:30"], id="a time left out"),
        pytest.param(
            NEW_YORK, "2026-10-30 01:30", ["10-31 01:30", "11-01 01:30", "11-02 01:30"], id="a time shown twice"
        ),
        pytest.param(
            LORD_HOWE,
            "2026-10-02 02:15",
            ["10-03 02:15", "10-04 02:30", "10-05 02:15"],
            id="half an hour left out",
        ),
    ],
)
def test_a_hand_over_when_clocks_change(zone, start, expected):
    """At a time left out they hand over when clocks are put forward; at one shown twice, the first time."""
    schedule = Schedule("night", zone, (_rotation("a", "b", every=DAY, start=start, zone=zone),))
    begin = datetime.fromisoformat(start).replace(tzinfo=zone).timestamp()
    shifts = [*schedule.shifts(begin, begin + 3.5 * DAY)][1:]
    assert [f"{datetime.fromtimestamp(s.start, zone):%m-%d %H:%M}" for s in shifts] == expected
    assert all(datetime.fromtimestamp(s.start, zone).fold == 0 for s in shifts)


def test_the_first_rotation_that_has_somebody_counts():
    """Office hours above, the night phone below; before a rotation begins it says nothing."""
    layers = (
        _rotation("anna", "ben", when=["Mon-Fri 09:00-17:00"]),
        _rotation("night", start="2026-10-06 00:00", until="2026-10-08 12:00"),
    )
    assert _shown(Schedule("day", LONDON, layers), "2026-10-05 00:00", "2026-10-09 20:00") == [
        (None, "10-05 00:00"),
        ("anna", "10-05 09:00"),
        (None, "10-05 17:00"),
        ("night", "10-06 00:00"),
        ("anna", "10-06 09:00"),
        ("night", "10-06 17:00"),
        ("anna", "10-07 09:00"),
        ("night", "10-07 17:00"),
        ("anna", "10-08 09:00"),
        (None, "10-08 17:00"),
        ("anna", "10-09 09:00"),
        (None, "10-09 17:00"),
    ]


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin():
    """Friday's night ends on Saturday morning."""
    schedule = Schedule("night", LONDON, (_rotation("anna", when=["Fri 22:00-06:00"]),))
    assert _shown(schedule, "2026-10-09 12:00", "2026-10-11 00:00") == [
        (None, "10-09 12:00"),
        ("anna", "10-09 22:00"),
        (None, "10-10 06:00"),
    ]


def _override(n: int, who: str, starts: str, ends: str, schedule: str = "day", ended: str | None = None) -> Override:
    return Override(id=f"o{n}", schedule=schedule, who=who, starts=starts, ends=ends, ended_at=ended)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        pytest.param([], [("anna", "10-06 00:00")], id="nobody stands in"),
        pytest.param(
            [_override(1, "cleo", "2026-10-06T09:00:00Z", "2026-10-06T12:00:00Z")],
            [("anna", "10-06 00:00"), ("cleo", "10-06 10:00"), ("anna", "10-06 13:00")],
            id="for three hours",
        ),
        pytest.param(
            [
                _override(1, "cleo", "2026-10-06T09:00:00Z", "2026-10-06T15:00:00Z"),
                _override(2, "ben", "2026-10-06T11:00:00Z", "2026-10-06T12:00:00Z"),
            ],
            [
                ("anna", "10-06 00:00"),
                ("cleo", "10-06 10:00"),
                ("ben", "10-06 12:00"),
                ("cleo", "10-06 13:00"),
                ("anna", "10-06 16:00"),
            ],
            id="of two at one time the later one",
        ),
        pytest.param(
            [_override(1, "cleo", "2026-10-06T09:00:00Z", "2026-10-06T12:00:00Z", ended="2026-10-06T10:00:00Z")],
            [("anna", "10-06 00:00"), ("cleo", "10-06 10:00"), ("anna", "10-06 11:00")],
            id="ended early",
        ),
        pytest.param(
            [_override(1, "cleo", "2026-10-06T09:00:00Z", "2026-10-06T12:00:00Z", ended="2026-10-06T08:00:00Z")],
            [("anna", "10-06 00:00")],
            id="ended before it began",
        ),
        pytest.param(
            [_override(1, "cleo", "2026-10-06T09:00:00Z", "2026-10-06T12:00:00Z", schedule="night")],
            [("anna", "10-06 00:00")],
            id="of another schedule",
        ),
    ],
)
def test_who_stands_in(overrides, expected):
    """An override lies above every rotation, the latest one above the others."""
    schedule = Schedule("day", LONDON, (_rotation("anna", "ben"),))
    assert _shown(schedule, "2026-10-06 00:00", "2026-10-07 00:00", overrides) == expected


WHO = ("a", "b", "c")
_ZONES = st.sampled_from([LONDON, NEW_YORK, LORD_HOWE, ZoneInfo("UTC")])
_DAY_ONE = datetime.fromisoformat("2026-01-01")
_STARTS = st.integers(0, 365 * 24 * 60).map(lambda minutes: _DAY_ONE + timedelta(minutes=minutes))


@st.composite
def _schedules(draw) -> tuple[Schedule, list[Override]]:
    zone = draw(_ZONES)
    layers = tuple(
        Rotation(
            tuple(draw(st.lists(st.sampled_from(WHO), min_size=1, max_size=3))),
            draw(st.sampled_from([3600, 5400, 12 * 3600, DAY, WEEK])),
            draw(_STARTS),
            zone,
            None,
            tuple(map(hours, draw(st.sampled_from([[], ["Mon-Fri 08:00-18:00"], ["22:00-02:30"], ["Sat,Sun"]])))),
        )
        for _ in range(draw(st.integers(1, 3)))
    )
    overrides = []
    for n in range(draw(st.integers(0, 3))):
        start = draw(_STARTS).replace(tzinfo=zone)
        end = start + timedelta(minutes=draw(st.integers(1, 3_000)))
        overrides.append(_override(n, draw(st.sampled_from(WHO)), start.isoformat(), end.isoformat()))
    return Schedule("day", zone, layers), overrides


@settings(deadline=None)
@given(_schedules(), _STARTS)
def test_shifts_say_what_is_so_at_each_moment(drawn, begin):
    """They cover a stretch without a hole, change at each border, and agree with asking at any moment in them."""
    schedule, overrides = drawn
    start = instant(begin, schedule.zone)
    end = start + 10 * DAY
    shifts = [*schedule.shifts(start, end, overrides)]
    assert [s.start for s in shifts] == [start, *(s.end for s in shifts[:-1])]
    assert shifts[-1].end == end
    assert all(a.who != b.who for a, b in pairwise(shifts))
    for shift in shifts:
        for moment in (shift.start, (shift.start + shift.end) / 2, shift.end - 1):
            assert schedule.on_call(moment, overrides) == shift.who
    assert schedule.gaps(start, end, overrides) == [s for s in shifts if s.who is None]


@given(_ZONES, st.lists(_STARTS, min_size=2, max_size=20))
def test_a_later_time_on_the_wall_is_never_an_earlier_instant(zone, times):
    """Or turns of an hour would go back and forth in the night in which clocks change."""
    instants = [instant(time, zone) for time in sorted(times)]
    assert instants == sorted(instants)


@given(_ZONES, _STARTS, st.integers(0, 40), st.sampled_from([DAY, WEEK]))
def test_turns_of_days_begin_at_one_time_of_day(zone, start, turn, every):
    """Whatever the clocks do in between; but where that time is left out."""
    rotation = Rotation(("a", "b"), every, start, zone)
    moment = instant(start + timedelta(seconds=turn * every), zone)
    change = rotation.next_edge(moment)
    assert change is not None
    local = datetime.fromtimestamp(change, zone).replace(tzinfo=None)
    expected = start + timedelta(seconds=(turn + 1) * every)
    assert local == expected or (expected < local <= expected + timedelta(hours=1))
    assert (rotation.at(change - 1), rotation.at(change)) == (("a", "b")[turn % 2], ("b", "a")[turn % 2])
