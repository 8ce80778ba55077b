"""/v1/oncall, on a real service: who is on call now and next, shifts ahead, and who stands in."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from shop_api import running_shop, valid
from test_server import _settings

ROUTING = """\
teams: {operations: ["oncall:day"]}
receivers:
  anna: {email: {to: [anna@example.com]}}
  ben: {email: {to: [ben@example.com]}}
  cara: {email: {to: [cara@example.com]}}
schedules:
  day: {zone: UTC, rotations: [{who: [anna, ben], every: 1d, from: 2026-01-01 09:00}]}
  fair: {zone: Europe/London, rotations: [{who: [cara], every: 1w, from: 2020-01-06 09:00, until: 2020-01-13 09:00}]}
"""
FIRST = datetime(2026, 1, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
async def shop(tmp_path):
    """A service whose routing has schedules."""
    settings = _settings(tmp_path)
    (tmp_path / "rules" / "routing.yml").write_text(ROUTING)
    async with running_shop(settings) as shop:
        yield shop


def _turn(moment):
    """(who, until) by the calendar alone: Anna and Ben hand over at nine, each day."""
    days = (moment - FIRST) // DAY
    return ("anna", "ben")[days % 2], FIRST + DAY * (days + 1)


async def test_who_is_on_call_now_and_next(shop):
    """Until the hand-over, and then the other one; the shifts follow each other without a gap."""
    day, fair = valid(await shop.get("/v1/oncall", days=3), "OnCall")["schedules"]
    now = datetime.fromisoformat(day["shifts"][0]["starts"])
    who, hand_over = _turn(now)
    assert (day["name"], day["zone"], day["who"]) == ("day", "UTC", who)
    assert (datetime.fromisoformat(day["until"]), day["next"]) == (hand_over, _turn(hand_over)[0])
    edges = [now, hand_over, hand_over + DAY, hand_over + 2 * DAY, now + 3 * DAY]
    expected = [(_turn(begin)[0], begin, end) for begin, end in pairwise(edges) if begin < end]
    shifts = [(s["who"], *(datetime.fromisoformat(s[edge]) for edge in ("starts", "ends"))) for s in day["shifts"]]
    assert shifts == expected
    # One that has ended has nobody, now and within a year.
    assert (fair["name"], fair["who"], fair["until"], fair["next"]) == ("fair", None, None, None)
    assert [shift["who"] for shift in fair["shifts"]] == [None]


async def test_who_stands_in_is_on_call_and_no_longer(shop):
    """Seen by who asks next; the shift goes back to whose it is."""
    before = (await shop.get("/v1/oncall", days=0))["schedules"][0]
    assert (before["shifts"], before["overrides"]) == ([], [])
    body = {"schedule": "day", "who": "cara", "for": "2h", "by": "Cara"}
    number = (await shop.ask("POST", "/v1/oncall/overrides", body))["override"]["id"]
    taken = (await shop.get("/v1/oncall", days=1))["schedules"][0]
    assert (taken["who"], [o["id"] for o in taken["overrides"]]) == ("cara", [number])
    end = datetime.fromisoformat(taken["overrides"][0]["ends"])
    assert datetime.fromisoformat(taken["until"]) == end
    assert taken["next"] == _turn(end)[0]
    ended = await shop.ask("DELETE", f"/v1/oncall/overrides/{number}")
    assert ended["override"]["ended_at"] is not None
    after = (await shop.get("/v1/oncall", days=0))["schedules"][0]
    assert after["who"] == _turn(datetime.fromisoformat(ended["override"]["ended_at"]))[0]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        pytest.param({"schedule": "day", "who": "anna"}, 400, "until when", id="without an end"),
        pytest.param({"schedule": "dya", "who": "anna", "for": "1h"}, 409, "did you mean 'day'", id="no such schedule"),
        pytest.param({"schedule": "day", "who": "bne", "for": "1h"}, 409, "did you mean 'ben'", id="no such receiver"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_way_out(shop, body, status, words):
    """And nobody stands in."""
    said = await shop.ask("POST", "/v1/oncall/overrides", body, status=status)
    assert words in str(said)
    assert (await shop.get("/v1/oncall"))["schedules"][0]["overrides"] == []


async def test_days_ahead_are_bounded(shop):
    """A year of shifts is not for a request; nor is a stand-in that is not there ended."""
    assert "days" in str(await shop.get("/v1/oncall", days=400, status=400))
    assert "no override" in str(await shop.ask("DELETE", "/v1/oncall/overrides/none", status=404))
