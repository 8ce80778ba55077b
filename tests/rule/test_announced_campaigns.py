"""Campaigns that events announce are days for rules, as those of calendar.yml are."""

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.errors import StateError
from lockstep.rule.announced_campaigns import (
    AFTER_S,
    GRID_S,
    MOST,
    AnnouncedCampaign,
    announced,
    campaign_steps,
    counts_from,
    looks_at_campaigns,
    read_campaigns,
    text_of,
    with_campaigns,
)
from lockstep.rule.language.load import load_texts
from lockstep.shop.facts import PlanFacts, PlanMove

RULES = """
measures: {orders: {count: order.placed}}
rules:
  - name: Spike
    spike: {measure: orders, window: 1h, baseline: {same_time_of_week: 4}, above: 2x, at_least: 20, usual_at_least: 5}
  - name: HolidaysAlone
    spike:
      measure: orders
      window: 1h
      baseline: {same_time_of_week: 4, without: holiday}
      above: 2x
      at_least: 20
      usual_at_least: 5
  - name: Nested
    any:
      - not: {threshold: {measure: orders, window: 1h, above: 5}}
      - spike:
          measure: orders
          window: 1h
          baseline: {same_time_of_week: 8, otherwise: {same_time_of_day: 7}}
          below: 0.5x
          usual_at_least: 5
  - {name: Odd, anomaly: {measure: orders}}
  - {name: Plain, threshold: {measure: orders, window: 1h, above: 500}}
"""
SUMMER = AnnouncedCampaign("SUMMER", date(2026, 6, 4), date(2026, 6, 7))
CALENDAR = "country: DE\ncampaigns: [{name: AUTUMN, from: 2026-09-04, to: 2026-09-05}]\n"


def plan_of(calendar: str = CALENDAR):
    loaded = load_texts({"r.yml": RULES, "calendar.yml": calendar})
    assert loaded.errors == ()
    return loaded.plan


def versions(plan) -> dict[str, str]:
    return {rule.name: rule.version for rule in plan.rules}


@pytest.mark.parametrize(
    "calendar", [pytest.param(CALENDAR, id="a calendar"), pytest.param("{}", id="no calendar at all")]
)
def test_an_announced_campaign_is_as_one_that_is_written(calendar):
    """The rules are the very same ones, with the same names in stored state."""
    written = "campaigns: [{name: SUMMER, from: 2026-06-04, to: 2026-06-07}]\n"
    if "AUTUMN" in calendar:
        written = calendar.replace("}]", "}, {name: SUMMER, from: 2026-06-04, to: 2026-06-07}]")
    made, expected = with_campaigns(plan_of(calendar), [SUMMER]), plan_of(written)
    assert versions(made) == versions(expected)
    assert made.fingerprint == expected.fingerprint
    assert made.rules == expected.rules
    assert made.days is not None
    assert {"campaign"} <= made.days.kinds(date(2026, 6, 5))
    assert made.calendar == plan_of(calendar).calendar


def test_only_rules_that_look_at_campaigns_change():
    before, after = versions(plan_of()), versions(with_campaigns(plan_of(), [SUMMER]))
    assert {name for name in before if before[name] != after[name]} == {"Spike", "Nested", "Odd"}
    assert looks_at_campaigns(plan_of())
    plain = load_texts(
        {
            "r.yml": RULES.partition("  - name: Spike")[0]
            + "  - name: HolidaysAlone"
            + RULES.partition("  - name: HolidaysAlone")[2].partition("  - name: Nested")[0]
        }
    ).plan
    assert [rule.name for rule in plain.rules] == ["HolidaysAlone"]
    assert not looks_at_campaigns(plain)


def test_an_announcement_stands_above_the_calendar():
    """Other days of the same campaign, or none any more."""
    moved = with_campaigns(plan_of(), [AnnouncedCampaign("AUTUMN", date(2026, 9, 8), date(2026, 9, 8))])
    assert moved.days is not None
    assert [moved.days.kinds(date(2026, 9, day)) for day in (4, 5, 8)] == [set(), set(), {"campaign"}]
    gone = with_campaigns(plan_of(), [AnnouncedCampaign("AUTUMN", date(2026, 9, 4), date(2026, 9, 5), cancelled=True)])
    assert versions(gone) == versions(plan_of("country: DE\n"))


def test_what_was_written_is_read():
    told = (SUMMER, replace(SUMMER, name='"quoted"\n', cancelled=True))
    assert set(read_campaigns(text_of(told))) == set(told)


def test_campaigns_of_a_later_version_are_refused():
    """A worker that left them out would judge by other rules than those beside it."""
    with pytest.raises(StateError, match=r"lockstep\.rules: announced campaigns of format 2, this program knows 1"):
        read_campaigns('{"format": 2, "campaigns": []}')


def test_only_plans_of_events_are_announced():
    """On whole days of the shop: those of the calendar and of feeds are in the rules already."""
    plans = [
        PlanFacts(
            upto="",
            campaign=source,
            starts="2026-06-03T23:30:00Z",
            ends="2026-06-05T21:59:59Z",
            told_at="2026-05-01T10:10:00Z",
            source=source,
            moves=[
                PlanMove(told_at="2026-05-01T10:00:00Z", starts="2026-06-03T23:30:00Z", ends="2026-06-05T21:59:59Z")
            ],
        )
        for source in ("event", "calendar", "feed-calendar.example.com")
    ]
    (one,) = announced(plans, ZoneInfo("Europe/Berlin"))
    assert (one.name, one.first, one.last) == ("event", date(2026, 6, 4), date(2026, 6, 5))
    assert one.told_s == datetime.fromisoformat("2026-05-01T10:00:00Z").timestamp()


@pytest.mark.parametrize(
    ("told", "counts"), [("10:00:00", "10:15"), ("10:00:01", "10:30"), ("10:14:59", "10:30"), ("10:15:00", "10:30")]
)
def test_when_an_announcement_counts(told, counts):
    """From the first quarter of an hour that is a quarter behind it."""
    told_s = int(datetime.fromisoformat(f"2026-05-01T{told}+00:00").timestamp())
    assert counts_from(told_s) == datetime.fromisoformat(f"2026-05-01T{counts}:00+00:00").timestamp()


NAMES = st.sampled_from(["A", "B", "C"])
DAYS = st.integers(1, 5)
TOLD = st.lists(st.tuples(NAMES, DAYS, st.integers(0, 10_000), st.booleans()), max_size=8, unique_by=lambda t: t[2])


@given(TOLD, st.randoms(use_true_random=False))
def test_the_borders_do_not_depend_on_the_order_or_on_who_looks_when(told, chance):
    """All at once in any order, or one after the other as a service hears of them: the same at each second."""
    listed = [
        AnnouncedCampaign(name, date(2026, 6, day), date(2026, 6, day), cancelled, told_s=at)
        for name, day, at, cancelled in sorted(told, key=lambda t: t[2])
    ]
    in_order = campaign_steps((), listed)
    shuffled = list(listed)
    chance.shuffle(shuffled)
    assert campaign_steps((), shuffled) == in_order
    known, heard = (), []
    for now in range(0, 10_000 + AFTER_S + 2 * GRID_S, GRID_S // 3):
        for border, campaigns in campaign_steps(known, [one for one in listed if one.told_s <= now]):
            if border <= now:
                heard.append((border, campaigns))
                known = campaigns
    at = range(0, 10_000 + AFTER_S + GRID_S, GRID_S)
    assert [_known_at(heard, second) for second in at] == [_known_at(in_order, second) for second in at]


def _known_at(steps, second):
    return next((campaigns for border, campaigns in reversed(steps) if border <= second), ())


def test_many_campaigns_are_bounded_and_told_once():
    told = [AnnouncedCampaign(f"C{n}", date(2026, 1, 1), date(2026, 1, 1 + n % 28), told_s=n) for n in range(MOST + 50)]
    ((_, kept),) = campaign_steps((), told)[-1:]
    assert len(kept) == MOST
    by_end = sorted(one.last for one in told)
    assert sorted(one.last for one in kept) == by_end[-MOST:]  # those that end last
    assert campaign_steps(kept, told) == []
