"""calendar.yml: which days are marked, and that rules are judged by it."""

from datetime import date

import pytest

from lockstep.adapters.rule_files import load_rules
from lockstep.calendar import Calendar, PlannedCampaign, PlannedCapacity, PublicHolidays, calendar_of
from lockstep.calendar.country_holidays import country_holidays
from lockstep.rule.condition.kinds import Baseline, Spike
from lockstep.rule.language.load import load_texts
from lockstep.tools.check.check_report import check

RULE = """
measures:
  orders: {count: order.placed}
rules:
  - name: A
    spike:
      measure: orders
      window: 1h
      baseline: BASELINE
      above: 2x
      at_least: 20
      usual_at_least: 5
"""
CALENDAR = """
campaigns:
  - {name: Black Friday, from: 2026-11-27, to: 2026-11-30}
holidays:
  - {name: Christmas, on: [12-25, 12-26]}
  - {name: Easter Monday, on: 2027-03-29}
closed:
  - {name: no dispatch, on: Sat}
"""


def _baseline(text: str, calendar: str = CALENDAR) -> Baseline:
    loaded = load_texts({"r.yml": RULE.replace("BASELINE", text), "calendar.yml": calendar})
    assert [str(f) for f in loaded.faults] == []
    (rule,) = loaded.plan.rules
    assert isinstance(rule.condition, Spike)
    return rule.condition.baseline


def _marked(calendar: Calendar | None, day: str) -> set[str]:
    return set() if calendar is None else set(calendar.kinds(date.fromisoformat(day)))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        pytest.param("2026-11-26", set(), id="the day before a campaign"),
        pytest.param("2026-11-27", {"campaign"}, id="its first day"),
        pytest.param("2026-11-28", {"campaign", "closed"}, id="a Saturday in it"),
        pytest.param("2026-11-30", {"campaign"}, id="its last day"),
        pytest.param("2026-12-01", set(), id="the day after it"),
        pytest.param("2026-12-25", {"holiday"}, id="a day of every year"),
        pytest.param("2031-12-26", {"holiday"}, id="the same in another year"),
        pytest.param("2027-03-29", {"holiday"}, id="a date"),
        pytest.param("2028-03-29", set(), id="not the same date a year later"),
        pytest.param("2026-12-05", {"closed"}, id="a weekday"),
    ],
)
def test_which_days_are_marked(day, expected):
    """Dates, days of every year, weekdays, stretches with both ends."""
    assert _marked(_baseline("{same_time_of_week: 4}").calendar, day) == expected


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        pytest.param("{same_time_of_week: 4}", {"campaign", "closed"}, id="all kinds, when nothing is said"),
        pytest.param("{same_time_of_week: 4, without: campaign}", {"campaign"}, id="one kind"),
        pytest.param("{same_time_of_day: 7, without: [closed, holiday]}", {"closed"}, id="two kinds"),
        pytest.param("{same_time_of_week: 4, without: []}", set(), id="none"),
        pytest.param("previous", set(), id="the stretch before has no days"),
    ],
)
def test_a_rule_says_which_days_matter(baseline, expected):
    """`without` names the kinds of days that are not part of what is usual."""
    assert _marked(_baseline(baseline).calendar, "2026-11-28") == expected


def test_otherwise_may_be_chained():
    """From weeks to days to the stretch before, each with its own words."""
    found = _baseline(
        "{same_time_of_week: 4, known_at_least: 2, otherwise: {same_time_of_day: 7, otherwise: {previous: 6h}}}"
    )
    assert found.otherwise is not None
    assert (found.weeks, found.known_at_least, found.otherwise.days) == (4, 2, 7)
    assert found.otherwise.otherwise == Baseline(previous_s=6 * 3600)


def test_the_calendar_is_part_of_the_rule_version():
    """Another day marked is another version of the rules that look at it, and of the plan."""
    texts = {"r.yml": RULE.replace("BASELINE", "{same_time_of_week: 4}"), "calendar.yml": CALENDAR}
    plans = [load_texts({**texts, "calendar.yml": c}).plan for c in (CALENDAR, CALENDAR.replace("12-26", "12-27"))]
    assert plans[0].fingerprint != plans[1].fingerprint
    assert plans[0].rules[0].version != plans[1].rules[0].version
    assert load_texts(texts).plan.fingerprint == plans[0].fingerprint


def test_a_rule_that_looks_at_no_day_keeps_its_version():
    """A day marked changes nothing for it."""
    text = RULE.replace("BASELINE", "{previous: 6h}")
    plans = [load_texts({"r.yml": text, "calendar.yml": c}).plan for c in (CALENDAR, "{}")]
    assert plans[0].fingerprint == plans[1].fingerprint


def test_a_bad_entry_costs_only_itself(tmp_path):
    """The other days are marked, the fault is told by `check`, and a file alone finds the calendar beside it."""
    (tmp_path / "r.yml").write_text(RULE.replace("BASELINE", "{same_time_of_week: 4}"))
    (tmp_path / "calendar.yml").write_text(CALENDAR.replace("2027-03-29", "soon"))
    for path in (tmp_path, tmp_path / "r.yml"):
        (fault,) = check([path]).faults
        assert str(fault).removeprefix(f"{tmp_path}/") == (
            "calendar.yml:6:31: on 'soon' is no day; write one like 2026-12-25, 12-25 (every year) or Sat (every week) "
            "[LS170]"
        )
        (rule,) = load_rules(path).plan.rules
        assert isinstance(rule.condition, Spike)
        assert _marked(rule.condition.baseline.calendar, "2026-12-25") == {"holiday"}


PLANS = """
campaigns:
  - {name: SUMMER, from: 2026-06-04, to: 2026-06-07, skus: [A-1, B-2, A-1], channels: [web],
     expected_orders: 900, discount: 0.2}
  - {name: AUTUMN, from: 2026-09-04, to: 2026-09-07}
capacity:
  - {name: second shift, from: 2026-06-04, to: 2026-06-08, orders_per_day: 420}
content:
  - {name: Newsletter, on: Tue}
pr:
  - {name: Fair, from: 2026-09-03, to: 2026-09-04}
"""


def test_what_is_planned_is_read():
    """Only a campaign that says more than its days is a plan; content and PR mark no day."""
    loaded = load_texts({"calendar.yml": PLANS})
    assert [str(f) for f in loaded.faults] == []
    calendar = loaded.plan.calendar
    assert calendar is not None
    assert calendar.planned == (
        PlannedCampaign(
            "SUMMER",
            date(2026, 6, 4),
            date(2026, 6, 7),
            skus=("A-1", "B-2"),
            channels=("web",),
            expected_orders=900,
            discount=0.2,
        ),
    )
    assert calendar.capacity == (PlannedCapacity("second shift", date(2026, 6, 4), date(2026, 6, 8), 420),)
    assert [entry.name for entry in calendar.for_people] == ["SUMMER", "AUTUMN", "Newsletter", "Fair"]
    assert _marked(calendar, "2026-06-04") == {"campaign"}
    assert _marked(calendar, "2026-09-03") == _marked(calendar, "2026-06-09") == set()


def test_what_is_planned_begins_no_rule_anew():
    """Rules are judged by the marked days alone, so what else the calendar says is no part of their versions."""
    texts = {"r.yml": RULE.replace("BASELINE", "{same_time_of_week: 4}")}
    marks = PLANS.partition("capacity:")[0]
    marks = marks.replace(", skus: [A-1, B-2, A-1], channels: [web],\n     expected_orders: 900, discount: 0.2", "")
    plain, planned = (load_texts({**texts, "calendar.yml": c}).plan for c in (marks, PLANS))
    assert plain.calendar is not None
    assert not plain.calendar.planned
    assert planned.calendar is not None
    assert planned.calendar.planned
    assert planned.calendar.capacity
    assert plain.fingerprint == planned.fingerprint
    # A calendar that marks no day is none for rules.
    without, shown = (load_texts({**texts, "calendar.yml": c}).plan for c in ("{}", "pr:\n  - {name: Fair, on: Sat}\n"))
    assert without.fingerprint == shown.fingerprint


HOLIDAYS = """
country: COUNTRY
holidays:
  - {name: Halloween, on: 10-31}
"""


@pytest.mark.parametrize(
    ("country", "day", "expected"),
    [
        pytest.param("DE", "2026-04-03", {"holiday"}, id="Good Friday, which moves"),
        pytest.param("DE", "2027-03-26", {"holiday"}, id="in another year on another day"),
        pytest.param("DE", "2027-04-03", set(), id="where it was the year before there is nothing"),
        pytest.param("DE", "2041-12-25", {"holiday"}, id="Christmas of every year"),
        pytest.param("DE", "2026-06-04", set(), id="Corpus Christi is none in all of Germany"),
        pytest.param("DE-BY", "2026-06-04", {"holiday"}, id="in Bavaria it is"),
        pytest.param("US-CA", "2026-11-26", {"holiday"}, id="Thanksgiving"),
        pytest.param("DE", "2026-10-31", {"holiday"}, id="those that are written count beside them"),
    ],
)
def test_the_holidays_of_a_country_are_marked(country, day, expected):
    """Of a country or of a part of it, for rules that leave holidays out and for people."""
    text = HOLIDAYS.replace("COUNTRY", country)
    assert _marked(_baseline("{same_time_of_week: 4}", text).calendar, day) == expected
    assert _marked(_baseline("{same_time_of_week: 4, without: holiday}", text).calendar, day) == expected
    assert _marked(_baseline("{same_time_of_week: 4, without: [closed, campaign]}", text).calendar, day) == set()
    calendar = load_texts({"calendar.yml": text}).plan.calendar
    assert calendar is not None
    assert any(entry.is_on(date.fromisoformat(day)) for entry in calendar.for_people) == bool(expected)


def test_a_country_is_part_of_the_rule_version_and_its_days_are_not():
    """A library that knows a day better begins no rule anew; another country, or none, does."""
    texts = {"r.yml": RULE.replace("BASELINE", "{same_time_of_week: 4}")}
    fingerprints = {
        country: load_texts({**texts, "calendar.yml": HOLIDAYS.replace("COUNTRY", country)}).plan.fingerprint
        for country in ("DE", "de", "DE-BY", "GB")
    }
    assert fingerprints.pop("de") == fingerprints["DE"]
    assert len({*fingerprints.values(), load_texts(texts).plan.fingerprint}) == 4
    (public,) = [load_texts({"calendar.yml": "country: DE"}).plan.calendar]
    assert public is not None
    assert public.public is not None
    assert calendar_of((), public=PublicHolidays("DE", ())) == public


def test_names_of_holidays_are_the_same_in_any_language_of_the_machine(monkeypatch):
    """Two workers must mark one day by one name."""
    names = []
    for language in ("de_DE.UTF-8", "en_US.UTF-8"):
        monkeypatch.setenv("LANGUAGE", language)
        monkeypatch.setenv("LANG", language)
        country_holidays.cache_clear()
        names.append([entry.name for entry in country_holidays("DE").entries])
    assert names[0] == names[1]
    assert "Good Friday" in names[0]
