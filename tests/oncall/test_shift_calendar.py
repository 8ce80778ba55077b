"""Shifts of a calendar file: what recurs, exceptions, whole days, titles; and files that are none."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from lockstep.adapters.rule_files import load_routing
from lockstep.adapters.rulebook import load_files, read_folder, take
from lockstep.calendar.ical_text import CalendarFault
from lockstep.notify.oncall.schedules import Schedule
from lockstep.notify.oncall.shift_calendar import ShiftCalendar
from lockstep.tools.check.check_report import check

LONDON = ZoneInfo("Europe/London")


def _event(uid: str, title: str, *lines: str) -> str:
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}@x", f"SUMMARY:{title}", *lines, "END:VEVENT", ""])


def _file(*events: str) -> str:
    return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//shop//EN\r\n" + "".join(events) + "END:VCALENDAR\r\n"


def _weeks(start: str, end: str, *more: str) -> tuple[str, ...]:
    return (f"DTSTART;TZID=Europe/London:{start}", f"DTEND;TZID=Europe/London:{end}", *more)


ANNA = _event("1", "Anna Smith", *_weeks("20261005T090000", "20261012T090000", "RRULE:FREQ=WEEKLY;INTERVAL=2"))
BEN = _event("2", "ben", *_weeks("20261012T090000", "20261019T090000", "RRULE:FREQ=WEEKLY;INTERVAL=2"))


def _shown(*events: str, begin: str = "2026-10-12", end: str = "2026-11-10") -> list[tuple[str | None, str]]:
    schedule = Schedule("day", LONDON, (ShiftCalendar(_file(*events), LONDON, {"anna smith": "anna"}),))
    stretch = (datetime.fromisoformat(t).replace(tzinfo=LONDON).timestamp() for t in (begin, end))
    return [(s.who, f"{datetime.fromtimestamp(s.start, LONDON):%m-%d %H:%M}") for s in schedule.shifts(*stretch)]


def test_a_rotation_that_recurs_hands_over_at_nine_in_winter_too():
    """By the zone of the file; a title is found whatever its capitals."""
    assert _shown(ANNA, BEN) == [
        ("anna", "10-12 00:00"),
        ("ben", "10-12 09:00"),
        ("anna", "10-19 09:00"),
        ("ben", "10-26 09:00"),
        ("anna", "11-02 09:00"),
        ("ben", "11-09 09:00"),
    ]


def test_an_exception_moves_one_shift_and_a_cancelled_one_is_a_gap():
    """EXDATE and RECURRENCE-ID are read by the library."""
    anna = ANNA.replace("END:VEVENT", "EXDATE;TZID=Europe/London:20261102T090000\r\nEND:VEVENT")
    moved = _event(
        "2",
        "Anna Smith",
        *_weeks("20261026T090000", "20261102T090000", "RECURRENCE-ID;TZID=Europe/London:20261026T090000"),
    )
    assert _shown(anna, BEN, moved) == [
        ("anna", "10-12 00:00"),
        ("ben", "10-12 09:00"),
        ("anna", "10-19 09:00"),
        (None, "11-02 09:00"),
        ("ben", "11-09 09:00"),
    ]


def test_a_shift_that_was_taken_over_lies_above_the_longer_one():
    """The one that began last counts; whole days are those of the schedule's zone, and what was cancelled is none."""
    swap = _event("3", "ben", "DTSTART;VALUE=DATE:20261021", "DTEND;VALUE=DATE:20261022")
    off = _event("4", "ben", "DTSTART;VALUE=DATE:20261023", "DTEND;VALUE=DATE:20261024", "STATUS:CANCELLED")
    assert _shown(ANNA, BEN, swap, off, begin="2026-10-20", end="2026-10-25") == [
        ("anna", "10-20 00:00"),
        ("ben", "10-21 00:00"),
        ("anna", "10-22 00:00"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("BEGIN:VCARD", "this is no calendar: it has no BEGIN:VCALENDAR", id="another kind of file"),
        pytest.param("", "this is no calendar: it has no BEGIN:VCALENDAR", id="empty"),
        pytest.param(
            _file(_event("1", "a", "DTSTART:20261005T090000Z", "RRULE:FREQ=SECONDLY")),
            "a shift recurs SECONDLY",
            id="half a million shifts a week",
        ),
        pytest.param(_file(_event("1", "a", "DTSTART:2026")), "no calendar that can be read: ", id="no time"),
        pytest.param(_file(_event("1", "a")), "event 'a' has no start", id="no start"),
        pytest.param("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR", "no calendar that can be read: ", id="cut off"),
        pytest.param(_file(*[_event(str(n), "a") for n in range(5_001)]), "5,001 events; at most 5,000", id="too many"),
    ],
)
def test_a_file_that_is_no_calendar_is_a_fault(text, said):
    """Never an error of a library."""
    with pytest.raises(CalendarFault) as raised:
        ShiftCalendar(text, LONDON, {})
    assert raised.value.message.startswith(said)
    assert raised.value.remedy


ROUTING = """\
teams: {operations: ["oncall:day"]}
receivers:
  anna: {email: {to: [anna@example.com]}}
  ben: {email: {to: [ben@example.com]}}
schedules:
  day: {zone: Europe/London, ical: shift.ics, names: {Anna Smith: anna}}
"""


def test_a_calendar_lies_beside_the_routing_and_its_titles_are_people(tmp_path):
    """An unknown title has its place in the calendar, and the way out."""
    (tmp_path / "routing.yml").write_text(ROUTING)
    (tmp_path / "shift.ics").write_text(_file(ANNA, BEN.replace("SUMMARY:ben", "SUMMARY:Cleo")))
    routing, faults = load_routing(tmp_path / "routing.yml")
    assert routing is None
    assert [str(f) for f in faults if f.level == "error"] == [
        f"{tmp_path}/shift.ics:13:1: schedule 'day': the shift 'Cleo' is of no receiver; say whose it is under names: "
        '{"Cleo": RECEIVER}; known are anna, ben [LS150]'
    ]
    (tmp_path / "shift.ics").write_text(_file(ANNA, BEN))
    routing, faults = load_routing(tmp_path / "routing.yml")
    assert (routing is not None, [str(f) for f in faults]) == (True, [])


RULE = """\
measures: {stock: {last: available, of: stock.level}}
rules:
  - {name: Low, by: [sku], teams: [operations], threshold: {measure: stock, at_most: 20}}
"""


def test_a_calendar_travels_with_the_rules_and_is_refused_by_itself(tmp_path):
    """A folder's version has it; a broken edit of it leaves the last good one in force, like any file of rules."""
    (tmp_path / "routing.yml").write_text(ROUTING)
    (tmp_path / "rules.yml").write_text(RULE)
    (tmp_path / "shift.ics").write_text(_file(ANNA, BEN))
    good = read_folder(tmp_path)
    assert {*good} == {"routing.yml", "rules.yml", "shift.ics"}
    loaded = load_files(good, tmp_path)
    assert [str(f) for f in loaded.faults] == []
    assert loaded.routing is not None
    moment = datetime(2026, 10, 20, 12, tzinfo=LONDON).timestamp()
    assert loaded.routing.schedules["day"].on_call(moment) == "anna"
    taken = take(good, {**good, "shift.ics": "BEGIN:VCALENDAR"}, tmp_path)
    assert {*taken.refused} == {"shift.ics"}
    assert taken.files == good
    taken = take(good, {**good, "shift.ics": _file(BEN)}, tmp_path)
    assert taken.refused == {}
    assert taken.files["shift.ics"] == _file(BEN)
    removed = take(good, {name: text for name, text in good.items() if name != "shift.ics"}, tmp_path)
    assert removed.files == good


def test_check_names_the_gaps_of_the_next_52_weeks(tmp_path):
    """With dates in the schedule's zone, the first five and how much it is in all."""
    (tmp_path / "routing.yml").write_text(ROUTING)
    (tmp_path / "rules.yml").write_text(RULE)
    (tmp_path / "shift.ics").write_text(_file(ANNA, BEN.replace("INTERVAL=2", "INTERVAL=4")))
    (said,) = [str(f) for f in check([tmp_path], now=datetime(2026, 11, 25, tzinfo=UTC)).faults]
    first = "Wed 25 Nov 2026 00:00 GMT to Mon 30 Nov 2026 09:00 GMT, Mon 21 Dec 2026 09:00 GMT to Mon 28 Dec"
    assert said.startswith(f"{tmp_path}/routing.yml:6:3: warning: schedule 'day': nobody is on call {first}")
    assert said.endswith(
        " and 9 more (91 days 1 hour of the next 52 weeks); add a rotation without hours below the others, or a "
        "receiver beside `oncall:` where it is named [LS271]"
    )


def test_a_gap_that_is_over_is_none(tmp_path):
    """It is looked from now on, and not from this morning."""
    turn = "{zone: Europe/London, rotations: [{who: [anna, ben], from: 2026-11-25 09:00}]}"
    receivers = "{anna: {email: {to: [anna@example.com]}}, ben: {email: {to: [ben@example.com]}}}"
    text = f"teams: {{operations: ['oncall:day']}}\nreceivers: {receivers}\nschedules: {{day: {turn}}}\n"
    (tmp_path / "routing.yml").write_text(text)
    (tmp_path / "rules.yml").write_text(RULE)
    at = datetime(2026, 11, 25, 8, tzinfo=UTC)
    (said,) = [str(f) for f in check([tmp_path], now=at).faults if f.code == "LS271"]
    assert "nobody is on call Wed 25 Nov 2026 08:00 GMT to Wed 25 Nov 2026 09:00 GMT (1 hour of" in said
    assert [f for f in check([tmp_path], now=at + timedelta(hours=1)).faults if f.code == "LS271"] == []
