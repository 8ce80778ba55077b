"""What the calendar says of the time of a chart."""

from datetime import UTC, date, datetime

import pytest
from chart_samples import COVER, LONDON, SPIKE, first_chart

from lockstep.adapters.charts.curve import Marked
from lockstep.adapters.charts.marks import MOST_MARKS, days_of, marks
from lockstep.calendar.calendar_file import read_calendar
from lockstep.rule.announced_campaigns import AnnouncedCampaign, with_campaigns
from lockstep.rule.language.load import load_texts
from lockstep.rule.versions import Version, in_force
from lockstep.yaml.document import parse_document

CALENDAR = """\
campaigns:
  - {name: Spring sale, from: 2026-03-02, to: 2026-03-03}
  - {name: Saturdays, on: Sat}
holidays:
  - {name: Clocks change, on: 2026-03-29}
closed:
  - {name: Inventory, on: [03-04, 2026-03-06]}
"""


def _at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _days(first: str, last: str) -> list[tuple[str, str, str, str]]:
    document, _ = parse_document("calendar.yml", CALENDAR)
    calendar, faults = read_calendar(document)
    assert faults == []
    return sorted(
        (m.name, m.kind, f"{datetime.fromtimestamp(m.start, UTC):%d %H}", f"{datetime.fromtimestamp(m.end, UTC):%d %H}")
        for m in days_of(calendar, _at(first), _at(last), LONDON)
    )


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        pytest.param(
            "2026-03-02 08:00",
            "2026-03-05 12:00",
            [("Inventory", "closed", "04 00", "05 00"), ("Spring sale", "campaign", "02 00", "04 00")],
            id="each stretch of days as one",
        ),
        pytest.param(
            "2026-03-06 12:00",
            "2026-03-14 12:00",
            [
                ("Inventory", "closed", "06 00", "07 00"),
                ("Saturdays", "campaign", "07 00", "08 00"),
                ("Saturdays", "campaign", "14 00", "15 00"),
            ],
            id="days that come again are not one stretch",
        ),
        pytest.param(
            "2026-03-29 12:00",
            "2026-03-29 18:00",
            [("Clocks change", "holiday", "29 00", "29 23")],
            id="a day of 23 hours, in the shop's time",
        ),
        pytest.param("2026-03-09 08:00", "2026-03-10 12:00", [], id="ordinary days"),
    ],
)
def test_days_of_a_calendar(first, last, expected):
    assert _days(first, last) == expected


def test_without_a_calendar_nothing_is_marked():
    assert list(days_of(None, 0.0, 86_400.0, LONDON)) == []


def test_spans_are_cut_to_the_chart():
    """Whoever they come from; what only touches it is no part of it."""
    spans = [Marked("before", 0, 100), Marked("over", 50, 250), Marked("in", 120, 130), Marked("after", 200, 300)]
    assert marks(spans, 100, 200) == (Marked("over", 100, 200), Marked("in", 120, 130))


def test_of_too_many_campaigns_come_first_then_what_is_long():
    spans = [Marked(f"h{n}", n, 100 + n * 10, "holiday") for n in range(9)] + [Marked("sale", 40, 41)]
    shown = marks(spans, 0, 1_000)
    assert len(shown) == MOST_MARKS
    assert {span.name for span in shown} == {"sale", "h8", "h7", "h6", "h5"}
    assert [span.start for span in shown] == sorted(span.start for span in shown)


def test_the_days_of_the_shop_are_in_the_chart_whatever_its_rule_asks_for():
    """A rule without a word of the calendar; and where a projection gets to, too."""
    chart = first_chart(*COVER, beside={"calendar.yml": CALENDAR})
    assert [(m.name, m.kind) for m in chart.marks] == [
        ("Spring sale", "campaign"),
        ("Inventory", "closed"),
        ("Inventory", "closed"),
    ]
    assert chart.marks[1].start > chart.told_at
    assert first_chart(*SPIKE).marks == ()


def test_the_calendar_is_that_of_the_newest_version():
    """Also where no rule changes with it."""
    rule = "{name: R, threshold: {measure: orders, window: 1h, above: 1}}"
    rules = f"measures:\n  orders: {{count: order.placed}}\nrules:\n  - {rule}\n"
    old = load_texts({"rules.yml": rules}).plan
    new = load_texts({"rules.yml": rules, "calendar.yml": CALENDAR}).plan
    assert old.fingerprint == new.fingerprint
    both = in_force([Version(old, None), Version(new, 1_000)])
    assert both.calendar == new.calendar is not None


def test_public_holidays_are_marked_in_charts():
    """Like those that are written."""
    calendar = load_texts({"calendar.yml": "country: GB-ENG"}).plan.calendar
    begin, end = _at("2026-04-01 00:00"), _at("2026-04-30 00:00")
    assert {(m.name, m.kind) for m in days_of(calendar, begin, end, LONDON)} == {
        ("Easter Monday", "holiday"),
        ("Good Friday", "holiday"),
    }


def test_campaigns_that_events_announced_are_marked_in_charts():
    """Beside what the calendar has; one that was cancelled is not."""
    plan = load_texts({"calendar.yml": CALENDAR}).plan
    told = [
        AnnouncedCampaign("SALE", date(2026, 4, 1), date(2026, 4, 2)),
        AnnouncedCampaign("Spring sale", date(2026, 3, 2), date(2026, 3, 3), cancelled=True),
    ]
    days = with_campaigns(plan, told).days
    shown = list(days_of(days, _at("2026-03-01 00:00"), _at("2026-04-30 00:00"), LONDON))
    assert {m.name for m in shown} == {"SALE", "Saturdays", "Clocks change", "Inventory"}
