"""Taking a colleague's shift: overrides as commands, refused with a way out, kept over restarts."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from lockstep.notify.oncall.overrides import KEPT_S, StandIns
from lockstep.notify.oncall.schedules import Rotation, Schedule
from lockstep.response.command import EndOverride, PutOverride, TakeBack
from lockstep.response.standing import Override

LONDON = ZoneInfo("Europe/London")
DAY = Schedule("day", LONDON, (Rotation(("anna", "ben"), 604_800, datetime.fromisoformat("2026-11-02 09:00"), LONDON),))
NOW = datetime(2026, 11, 24, 12, tzinfo=LONDON).timestamp()
GIVEN = {"by": "ben", "way": "page", "at": "2026-11-24T12:00:00Z"}


def _part(stored: dict[bytes, bytes] | None = None) -> StandIns:
    part = StandIns({"day": DAY}, {"anna", "ben", "cleo"})
    part.restore(stored or {})
    return part


def _put(number: int = 1, **changed) -> PutOverride:
    row = {"schedule": "day", "who": "ben", "starts": "2026-11-24T18:00:00Z", "ends": "2026-11-25T08:00:00Z"}
    return PutOverride(id=f"c{number}", override=Override(id=f"o{number}", **{**row, **changed}), **GIVEN)


def _on_call(part: StandIns, text: str) -> list[str]:
    return [*part.on_call("day", datetime.fromisoformat(text).replace(tzinfo=LONDON).timestamp())]


def test_somebody_takes_a_shift_and_gives_it_back():
    """In force from its start to its end or until it is ended, also after a restart; the answer says it in words."""
    part = _part()
    assert _on_call(part, "2026-11-24 20:00") == ["ben"]
    taken = part.apply(_put(who="cleo"), NOW)
    assert taken is not None
    assert (taken.applied, taken.why) == (
        True,
        "cleo stands in on day, Tue 24 Nov 2026 18:00 GMT to Wed 25 Nov 2026 08:00 GMT",
    )
    (standing,) = taken.standing
    assert (standing.by, standing.created_at) == ("ben", "2026-11-24T12:00:00Z")
    stored = {key: value for key, value in part.cut().items() if value is not None}
    part = _part(stored)
    assert [_on_call(part, f"2026-11-2{t}") for t in ("4 17:59", "4 18:00", "5 07:59", "5 08:00")] == [
        ["ben"],
        ["cleo"],
        ["cleo"],
        ["ben"],
    ]
    ended = part.apply(EndOverride(id="c2", override_id="o1", **GIVEN), NOW + 8 * 3_600)
    assert ended is not None
    assert (ended.applied, ended.why) == (True, "cleo no longer stands in on day")
    assert _on_call(part, "2026-11-24 21:00") == ["ben"]
    again = part.apply(EndOverride(id="c3", override_id="o1", **GIVEN), NOW + 9 * 3_600)
    assert again is not None
    assert (again.applied, again.why) == (False, "cleo does not stand in on day any more")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"schedule": "dya"}, "there is no schedule 'dya'; did you mean 'day'?"),
        ({"who": "cloe"}, "there is no receiver 'cloe' to stand in; did you mean 'cleo'?"),
        ({"ends": "2026-11-24T18:00:00Z"}, "it ends before it begins; name a later end"),
        (
            {"starts": "2026-11-20T18:00:00Z", "ends": "2026-11-21T18:00:00Z"},
            "it lies in the past; name a later end",
        ),
        ({"ends": "2028-11-24T18:00:00Z"}, "it is longer than a year; change the schedule in routing.yml"),
        (
            {"starts": "9999-12-31T23:59:58Z", "ends": "9999-12-31T23:59:59Z"},
            "it begins more than a year from now; name an earlier start, or change the schedule in routing.yml",
        ),
        ({"ends": "tomorrow"}, "starts and ends are times like 2026-11-20T18:00:00Z"),
        ({"starts": "2026-11-24T18:00:00"}, "starts and ends are times like 2026-11-20T18:00:00Z"),
    ],
)
def test_what_cannot_be_is_refused_with_a_way_out(changed, why):
    """And changes nothing."""
    part = _part()
    refused = part.apply(_put(**changed), NOW)
    assert refused is not None
    assert (refused.applied, refused.why, refused.standing, part.cut()) == (False, why, (), {})


def test_other_commands_are_none_of_its_own():
    """They are for other parts."""
    assert _part().apply(TakeBack(id="c", alert_id="a", **GIVEN), NOW) is None
    unknown = _part().apply(EndOverride(id="c", override_id="o9", **GIVEN), NOW)
    assert unknown is not None
    assert not unknown.applied


def test_what_is_long_over_is_forgotten():
    """In the state, and on the topic that says what stands."""
    part = _part()
    part.apply(_put(), NOW)
    part.cut()
    end = datetime(2026, 11, 25, 8, tzinfo=LONDON).timestamp()
    assert part.tick(end + KEPT_S).gone == []
    assert part.tick(end + KEPT_S + 1).gone == ["override/o1"]
    assert part.cut() == {b"\x1foverride\x1fo1": None}


def test_who_is_no_receiver_any_more_does_not_stand_in():
    """A routing that was edited meanwhile: the rotation counts again."""
    part = _part()
    part.apply(_put(who="cleo"), NOW)
    stored = {key: value for key, value in part.cut().items() if value is not None}
    edited = StandIns({"day": DAY}, {"anna", "ben"})
    edited.restore(stored)
    assert _on_call(edited, "2026-11-24 20:00") == ["ben"]
