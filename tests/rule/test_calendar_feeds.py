"""Calendars that others keep (`feeds:` in calendar.yml): what their events are for the shop's."""

from collections.abc import Iterable
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from lockstep.adapters.rule_files import load_rules
from lockstep.calendar import Calendar, Day, Entry, PlannedCampaign
from lockstep.calendar.feed_entries import MOST_OCCURRENCES, MOST_REMARKS
from lockstep.rule.language.load import load_texts
from lockstep.text.feed_address import FeedAddress

FEEDS = """
feeds:
  - {ical: marketing.ics, as: campaigns}
"""
BERLIN = ZoneInfo("Europe/Berlin")


EVERY_60 = ",".join(map(str, range(60)))


def ical(*events: str, header: str = "") -> str:
    """A calendar; of an event its lines, separated by `|`."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//marketing//EN", *filter(None, [header])]
    for number, event in enumerate(events, 1):
        uid = [] if "UID:" in event else [f"UID:{number}"]
        lines += ["BEGIN:VEVENT", *uid, "DTSTAMP:20261101T000000Z", *event.split("|"), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def read(*events: str, feeds: str = FEEDS, zone: ZoneInfo = BERLIN, header: str = "") -> tuple[Calendar, list[str]]:
    loaded = load_texts({"calendar.yml": feeds, "marketing.ics": ical(*events, header=header)}, zone=zone)
    return loaded.plan.calendar or Calendar("nothing", ()), [str(f) for f in loaded.faults]


def days(entries: Iterable[Entry]) -> list[str]:
    """Every marked day from 2026 to 2030."""
    listed, all_days = list(entries), [date(2026, 1, 1) + timedelta(n) for n in range(5 * 365)]
    return [day.isoformat() for day in all_days if any(entry.is_on(day) for entry in listed)]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            "SUMMARY:A|DTSTART;VALUE=DATE:20261127|DTEND;VALUE=DATE:20261130",
            ["2026-11-27", "2026-11-28", "2026-11-29"],
            id="whole days, of which the end is the day after",
        ),
        pytest.param("SUMMARY:A|DTSTART;VALUE=DATE:20261127", ["2026-11-27"], id="a day without an end"),
        pytest.param(
            "SUMMARY:A|DTSTART:20261127T230000Z|DTEND:20261128T010000Z",
            ["2026-11-28"],
            id="a time is that of the shop: eleven at night in Greenwich is tomorrow in Berlin",
        ),
        pytest.param(
            "SUMMARY:A|DTSTART;TZID=America/New_York:20261127T180000|DTEND;TZID=America/New_York:20261127T200000",
            ["2026-11-28"],
            id="of another zone",
        ),
        pytest.param(
            "SUMMARY:A|DTSTART:20261127T090000|DTEND:20261129T000000",
            ["2026-11-27", "2026-11-28"],
            id="a time without a zone is the shop's; what ends at midnight ends the day before",
        ),
        pytest.param(
            "SUMMARY:A|DTSTART:20261127T000000|DTEND:20261127T000000", ["2026-11-27"], id="a moment, at midnight"
        ),
        pytest.param(
            "SUMMARY:A|DTSTART;VALUE=DATE:20261204|RRULE:FREQ=WEEKLY;COUNT=3|EXDATE;VALUE=DATE:20261211",
            ["2026-12-04", "2026-12-18"],
            id="what recurs, without its exception",
        ),
        pytest.param(
            "SUMMARY:A|DTSTART;VALUE=DATE:20261204|RRULE:FREQ=YEARLY",
            ["2026-12-04", "2027-12-04", "2028-12-04", "2029-12-04"],
            id="what recurs without an end is known for three years",
        ),
        pytest.param("SUMMARY:A|DTSTART;VALUE=DATE:20261127|STATUS:CANCELLED", [], id="what was cancelled is left out"),
        pytest.param("SUMMARY:A|DTSTART;VALUE=DATE:20261127|CLASS:PRIVATE", [], id="what is private is nobody's"),
    ],
)
def test_the_days_of_an_event(event, expected):
    """Days of the shop's time zone that the event touches."""
    calendar, faults = read(event)
    assert (days(calendar.entries), faults) == (expected, [])


@pytest.mark.parametrize(
    ("section", "kind", "marks"),
    [
        ("campaigns", "campaign", True),
        ("holidays", "holiday", True),
        ("closed", "closed", True),
        ("content", "content", False),
        ("pr", "pr", False),
    ],
)
def test_a_feed_is_of_one_section(section, kind, marks):
    """Its events are what entries of that section are: content and PR mark no day."""
    calendar, _ = read("SUMMARY:A|DTSTART;VALUE=DATE:20261127", feeds=FEEDS.replace("campaigns", section))
    assert calendar.for_people == (Entry(kind, "A", (Day(on=date(2026, 11, 27)),)),)
    assert calendar.kinds(date(2026, 11, 27)) == ({kind} if marks else set())


def test_only_events_of_a_category():
    """One calendar may hold campaigns, content and PR: each section takes its own."""
    feeds = "feeds:\n" + "".join(
        f"  - {{ical: marketing.ics, as: {section}, category: {category}}}\n"
        for section, category in [("campaigns", "sale"), ("pr", "Press")]
    )
    calendar, _ = read(
        "SUMMARY:Spring|DTSTART;VALUE=DATE:20260301|CATEGORIES:Web,Sale",
        "SUMMARY:Fair|DTSTART;VALUE=DATE:20260302|CATEGORIES:PRESS",
        "SUMMARY:Lunch|DTSTART;VALUE=DATE:20260303",
        feeds=feeds,
    )
    assert [(entry.kind, entry.name) for entry in calendar.for_people] == [("campaign", "Spring"), ("pr", "Fair")]


SUMMER = "SUMMARY:SUMMER|DTSTART;VALUE=DATE:20270604|DTEND;VALUE=DATE:20270608"
PLANNED = PlannedCampaign(
    "SUMMER",
    date(2027, 6, 4),
    date(2027, 6, 7),
    skus=("MUG-01", "TEA-02"),
    channels=("web",),
    expected_orders=900,
    expected_sessions=30_000,
    discount=0.2,
    source="marketing",
)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(
            r"DESCRIPTION:Our best yet.\nskus: MUG-01\, TEA-02\nchannels: web\nexpected_orders: 900\n"
            r"expected_sessions: 30000\ndiscount: 20%",
            id="in lines of its description",
        ),
        pytest.param(
            r"DESCRIPTION:SKUs: MUG-01\; TEA-02\, MUG-01\nChannels: web\nExpected orders: 900\n"
            r"Expected-sessions = 30000\nDiscount: 0.2",
            id="as people write",
        ),
        pytest.param(
            r"DESCRIPTION:<p>skus: MUG-01\, TEA-02<br>channels: web</p><ul><li>expected_orders: 900</li>"
            r"<li>expected_sessions: 30000</li></ul>discount: 20&#37;",
            id="as HTML",
        ),
        pytest.param(
            "X-LOCKSTEP-SKUS:MUG-01,TEA-02|X-LOCKSTEP-CHANNELS:web|X-LOCKSTEP-EXPECTED-ORDERS:900|"
            "X-LOCKSTEP-EXPECTED-SESSIONS:30000|X-LOCKSTEP-DISCOUNT:20%",
            id="in properties, by a program",
        ),
    ],
)
def test_a_campaign_says_what_it_promotes_and_expects(said):
    """In the words of calendar.yml; then it is a plan, as one that stands there is."""
    calendar, faults = read(f"{SUMMER}|{said}")
    assert faults == []
    assert calendar.planned == (PLANNED,)
    assert calendar.entries == (Entry("campaign", "SUMMER", first=PLANNED.first, last=PLANNED.last),)


def test_plans_of_one_name_have_their_day_behind_it():
    """What recurs and what has one title several times: an announcement is known by its name."""
    calendar, faults = read(
        r"SUMMARY:Flash Friday|DTSTART;VALUE=DATE:20261204|RRULE:FREQ=WEEKLY;COUNT=2|DESCRIPTION:skus: A-1",
        r"SUMMARY:Sale|DTSTART;VALUE=DATE:20261206|DESCRIPTION:discount: 10%",
        r"SUMMARY:Sale|DTSTART;VALUE=DATE:20261208|DESCRIPTION:discount: 20%",
    )
    names = ["Flash Friday 2026-12-04", "Sale 2026-12-06", "Sale 2026-12-08", "Flash Friday 2026-12-11"]
    assert ([plan.name for plan in calendar.planned], faults) == (names, [])
    assert [entry.name for entry in calendar.entries] == names


@pytest.mark.parametrize(
    ("events", "says"),
    [
        pytest.param(
            [r"SUMMARY:A|DTSTART;VALUE=DATE:20261204|DESCRIPTION:expected_orders: many"],
            "marketing.ics:8:1: warning: 'A' says expected_orders: many, which is no number; write one like "
            "expected_orders: 900 [LS173]",
            id="a number that is none",
        ),
        pytest.param(
            ["SUMMARY:A|DTSTART;VALUE=DATE:20260101|DTEND;VALUE=DATE:20280101"],
            "marketing.ics:7:1: warning: 'A' is longer than a year, and is left out; make it at most 366 days [LS173]",
            id="longer than a year",
        ),
        pytest.param(
            ["DTSTART;VALUE=DATE:20260101"],
            "marketing.ics:4:1: warning: an event on 2026-01-01 has no title; give it one [LS173]",
            id="no title",
        ),
    ],
)
def test_what_is_left_out_is_said(events, says):
    """An event costs only itself, and the calendar is used."""
    calendar, faults = read(*events)
    assert [fault.replace(":8:", ":7:") for fault in faults] == [says.replace(":8:", ":7:")]
    assert calendar.planned == ()


@pytest.mark.parametrize(("ends", "is_kept"), [("20270102", True), ("20270103", False)])
def test_a_year_is_the_longest_event(ends, is_kept):
    """Of 366 days, as in a leap year."""
    calendar, faults = read(f"SUMMARY:A|DTSTART;VALUE=DATE:20260101|DTEND;VALUE=DATE:{ends}")
    assert (len(days(calendar.entries)), len(faults)) == ((366, 0) if is_kept else (0, 1))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<html>", "this is no calendar: it has no BEGIN:VCALENDAR"),
        (ical("SUMMARY:A|DTSTART;VALUE=DATE:20260101|RRULE:FREQ=MINUTELY"), "an event recurs MINUTELY"),
        (
            ical("SUMMARY:A|DTSTART;VALUE=DATE:20260101|RRULE:FREQ=DAILY;INTERVAL=0"),
            "an event recurs with an INTERVAL below 1; write 1 or more",
        ),
        (
            ical(f"SUMMARY:A|DTSTART:20260101T000000Z|RRULE:FREQ=DAILY;BYMINUTE={EVERY_60};BYSECOND={EVERY_60}"),
            "an event recurs at 3,600 times of a day; let it be 24 at most",
        ),
        (ical("SUMMARY:A"), "event 'A' has no start; give it a DTSTART"),
        (
            ical("SUMMARY:A|DTSTART:20200101T000000Z|RRULE:FREQ=DAILY"),
            f"its events are more than {MOST_OCCURRENCES:,} times, until 2029; offer the coming months alone",
        ),
    ],
)
def test_a_calendar_that_cannot_be_used(text, says):
    """Is refused with the way out; the entries of calendar.yml are there."""
    loaded = load_texts({"calendar.yml": FEEDS + "closed: [{name: Saturday, on: Sat}]\n", "marketing.ics": text})
    assert [says in str(fault) and fault.level == "error" for fault in loaded.faults] == [True]
    assert loaded.plan.calendar is not None
    assert [entry.name for entry in loaded.plan.calendar.entries] == ["Saturday"]


def test_a_calendar_of_the_wrong_kind_says_so_few_times():
    """And not once for each of its events."""
    _, faults = read(*(f"DTSTART;VALUE=DATE:202601{day:02}" for day in range(1, 28)))
    assert len(faults) == MOST_REMARKS


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("https://calendar.example.com/a.ics", FeedAddress("https://calendar.example.com/a.ics")),
        ("webcal://calendar.example.com/a.ics", FeedAddress("https://calendar.example.com/a.ics")),
        ("{secret: MARKETING_CALENDAR}", FeedAddress(secret="MARKETING_CALENDAR")),
    ],
)
def test_what_is_fetched_is_a_file_of_the_rules(written, address):
    """Until it has been, nothing is known of it and nothing is at fault."""
    calendar_yml = f"feeds:\n  - {{ical: {written if '{' in written else repr(written)}, as: campaigns}}\n"
    before = load_texts({"rules/calendar.yml": calendar_yml})
    assert before.faults == ()
    assert before.plan.calendar is not None
    assert (before.plan.calendar.feeds, before.plan.calendar.is_whole) == ({address}, False)
    after = load_texts({"rules/calendar.yml": calendar_yml, f"rules/{address.file}": ical(SUMMER)})
    assert after.plan.calendar is not None
    assert (after.plan.calendar.is_whole, after.plan.calendar.kinds(date(2027, 6, 5))) == (True, {"campaign"})


@pytest.mark.parametrize(
    ("feed", "says"),
    [
        ("{ical: marketing.ics, as: campaign}", "'as' cannot be 'campaign'; did you mean 'campaigns'?"),
        ("{ical: 'http://calendar.example.com/a.ics', as: pr}", "a calendar is fetched by https alone"),
        ("{ical: ../a.ics, as: pr}", "'../a.ics' is no calendar; write an https:// address, or the name of a file"),
        (
            "{ical: marketng.ics, as: pr}",
            "there is no 'marketng.ics'; put it beside this file; did you mean 'marketing",
        ),
        ("{ical: {secret: small}, as: pr}", "this is no secret's name; write capitals, digits and _"),
        ("{as: pr}", "'ical' is missing"),
    ],
)
def test_a_feed_that_is_written_wrongly(feed, says):
    """Says where, what and the way out."""
    loaded = load_texts({"calendar.yml": f"feeds:\n  - {feed}\n", "marketing.ics": ical()})
    assert [says in str(fault) for fault in loaded.faults if fault.level == "error"] == [True]


def test_the_calendar_itself_counts_before_a_feed():
    """Two plans of one name: what calendar.yml says."""
    feeds = FEEDS + "campaigns: [{name: SUMMER, from: 2027-06-04, to: 2027-06-05, skus: [A-1]}]\n"
    calendar, faults = read(f"{SUMMER}|DESCRIPTION:skus: B-2", feeds=feeds)
    assert [(plan.skus, plan.source) for plan in calendar.planned] == [(("A-1",), "calendar")]
    assert ["'SUMMER' is planned elsewhere in the calendar, too" in fault for fault in faults] == [True]


def test_nothing_of_a_feed_is_of_a_person_or_goes_on_in_the_next_line():
    """What looks personal is replaced, in a title, a product and what a remark repeats; control characters are gone."""
    calendar, faults = read(
        r"SUMMARY:Call anna@example.com|DTSTART;VALUE=DATE:20261204|DESCRIPTION:skus: bob@example.com\, A-1\n"
        r"channels: +49 170 1234567\nexpected_orders: ask eve@example.com",
        "SUMMARY:Two\\nlines\x1b[31m|DTSTART;VALUE=DATE:20261205",
    )
    assert [entry.name for entry in calendar.entries] == ["personal", "Two lines [31m"]
    assert [(plan.skus, plan.channels) for plan in calendar.planned] == [(("personal", "A-1"), ("personal",))]
    assert [("example.com" in fault, "'personal' says expected_orders: personal" in fault) for fault in faults] == [
        (False, True)
    ]


def test_only_days_are_part_of_the_rule_version():
    """Another day begins the rules that look at it anew, another product or description does not."""
    rule = """
measures: {orders: {count: order.placed}}
rules:
  - name: A
    spike: {measure: orders, window: 1h, baseline: {same_time_of_week: 4}, above: 2x, at_least: 20, usual_at_least: 5}
"""
    versions = [
        load_texts({"r.yml": rule, "calendar.yml": FEEDS, "marketing.ics": ical(event)}).plan.rules[0].version
        for event in (
            f"{SUMMER}|DESCRIPTION:skus: A-1",
            f"{SUMMER}|DESCRIPTION:skus: A-2",
            SUMMER.replace("0608", "0609"),
        )
    ]
    assert versions[0] == versions[1] != versions[2]


def test_a_file_beside_the_calendar_is_read_from_the_folder(tmp_path):
    """As `lockstep check` and a backtest read it, with times of the shop's zone."""
    (tmp_path / "calendar.yml").write_text(FEEDS)
    (tmp_path / "marketing.ics").write_text(ical("SUMMARY:A|DTSTART:20261127T230000Z|DTEND:20261128T010000Z"))
    calendar = load_rules(tmp_path, zone=BERLIN).plan.calendar
    assert calendar is not None
    assert days(calendar.entries) == ["2026-11-28"]
