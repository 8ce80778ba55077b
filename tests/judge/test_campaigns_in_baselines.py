"""Campaigns that events announce are left out of what is usual, in any order of events and whoever dies."""

import gzip
import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from judge_pipeline import Pipeline, arrivals
from reference import micros
from shorthand import LONDON, Event, event

from lockstep.rule.announced_campaigns import announced, campaign_steps
from lockstep.rule.condition.kinds import Plan
from lockstep.rule.language.load import load_texts
from lockstep.shop.facts import PlanFacts, decode
from lockstep.tools.backtest.campaign_events import plan_over_time
from lockstep.tools.backtest.replay import backtest, replayed

RULES = """
measures: {orders: {count: order.placed}}
rules:
  - name: Fall
    by: [channel]
    spike:
      measure: orders
      window: 1h
      baseline: {same_time_of_day: 3, known_at_least: 1}
      below: 0.6x
      usual_at_least: 5
"""
MONDAY = datetime(2026, 1, 12, tzinfo=UTC)  # London is at UTC
COUNTS = (20, 60, 60, 22, 20, 20)
"""Orders in the hour from noon on: a campaign on the second and third day, then as before."""
FALSE_ALARMS = ["2026-01-15", "2026-01-16"]
"""Days that are as before the campaign, and look like a fall beside its days."""
ANNOUNCED = {"starts": "2026-01-13T00:00:00Z", "ends": "2026-01-14T23:59:59Z", "skus": ["A-1"]}


def at(day: int, hour: float) -> datetime:
    return MONDAY + timedelta(days=day, hours=hour)


def orders() -> list[Event]:
    events = []
    for day, count in enumerate(COUNTS):
        for channel in ("web", "app"):
            for n in range(count):
                placed = at(day, 12) + timedelta(seconds=n * 3500 / count)
                name = f"{day}-{channel}-{n}"
                events.append(event("order.placed", placed, name, order_id=name, total=9.5, lines=[], channel=channel))
    return events


def planned(day: int, hour: float, **said: Any) -> Event:
    told = at(day, hour)
    return event("campaign.planned", told, f"plan-{told.isoformat()}", **{"campaign": "SALE", **ANNOUNCED, **said})


def plan_of(calendar: str = "{}") -> Plan:
    loaded = load_texts({"rules.yml": RULES, "calendar.yml": calendar, "shop.yml": "currency: GBP\n"})
    assert loaded.errors == ()
    return loaded.plan


def fell(events: Iterable[Event], calendar: str = "{}") -> list[str]:
    """On which days a fall was told of, of either channel."""
    told = replayed(plan_of(calendar), [*orders(), *events], zone=LONDON).transitions
    return sorted({t.at[:10] for t in told if t.state == "firing"})


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([], FALSE_ALARMS, id="nobody said anything: as if the days after it fell"),
        pytest.param([planned(0, 9)], [], id="announced the day before"),
        pytest.param([planned(2, 15)], [], id="announced when it had begun: its days are left out from then on"),
        pytest.param([planned(0, 9), planned(0, 15, cancelled=True)], FALSE_ALARMS, id="cancelled again"),
        pytest.param(
            [planned(0, 9), planned(0, 15, starts="2026-02-01T00:00:00Z", ends="2026-02-02T00:00:00Z")],
            FALSE_ALARMS,
            id="moved to other days",
        ),
        pytest.param([planned(3, 12.5)], FALSE_ALARMS[:1], id="announced too late for the first day after it"),
    ],
)
def test_days_of_an_announced_campaign_are_no_part_of_what_is_usual(events, expected):
    """From the quarter of an hour on that follows the announcement, in event time."""
    assert fell(events) == expected


def test_an_announced_campaign_is_as_one_of_the_calendar():
    """The same transitions, with the same numbers."""
    written = "campaigns: [{name: SALE, from: 2026-01-13, to: 2026-01-14}]\n"
    by_event = replayed(plan_of(), [*orders(), planned(-1, 9)], zone=LONDON).transitions
    by_file = replayed(plan_of(written), orders(), zone=LONDON).transitions
    assert [(t.state, t.at, t.value, t.baseline) for t in by_event] == [
        (t.state, t.at, t.value, t.baseline) for t in by_file
    ]


def run(plan: Plan, events: list[Event], seed: int, *, sources: int, samples: int, deaths: float) -> Pipeline:
    """The events in some order within lateness, while meters and judges die."""
    chance = random.Random(seed)
    pipeline = Pipeline(plan, sources=sources, samples=samples)
    order = arrivals(
        plan,
        events,
        sources=sources,
        jitter=[chance.uniform(0, 50) for _ in range(7)],
        spread=[chance.randint(0, 9) for _ in range(5)],
        again=[3, 50],
    )
    for one, partition, late in order:
        pipeline.arrive(one, partition, late)
        if chance.random() < 0.15:
            pipeline.step()
        if chance.random() < deaths:
            source, judge = chance.choice(list(pipeline.logs)), chance.randrange(samples)
            pipeline.crash_meter(source)
            pipeline.judge(judge)
            pipeline.crash_judge(judge)
    pipeline.finish(at(5, 20))
    return pipeline


def told(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    return sorted((t["transition_id"], t["state"], t["at"], t["value"], t["baseline"]) for t in pipeline.said)


@pytest.mark.parametrize("seed", range(4))
def test_baselines_are_the_same_in_any_order_within_lateness(seed):
    """On one partition or four, with deaths of meters and judges; and what events announced is what the facts of the
    shop say of it, so a service that hears of it in time judges as a backtest does."""
    chance = random.Random(seed)
    moves = [planned(chance.randrange(4), chance.uniform(0, 24), cancelled=chance.random() < 0.3) for _ in range(3)]
    events = sorted([*orders(), planned(0, 9), *moves], key=lambda e: micros(e["time"]))
    plan = plan_of()
    over_time = plan_over_time(plan, map(msgspec.json.encode, events), zone=LONDON)
    plain = run(over_time, events, seed, sources=1, samples=1, deaths=0)
    other = run(over_time, events, seed + 100, sources=2, samples=4, deaths=0.02)
    assert told(other) == told(plain)
    facts = [fact for fact in map(decode, other.facts.values()) if isinstance(fact, PlanFacts)]
    steps = campaign_steps((), announced(facts, LONDON))
    borders = [border for border, _ in steps]
    assert borders == sorted({rule.since_s for rule in over_time.rules if rule.since_s is not None})


def test_the_comparison_notices_campaigns_that_are_forgotten():
    """Without the announcement other alerts are told."""
    events = [*orders(), planned(0, 9)]
    plan = plan_of()
    over_time = plan_over_time(plan, map(msgspec.json.encode, events), zone=LONDON)
    known, forgotten = (run(p, events, 1, sources=1, samples=1, deaths=0) for p in (over_time, plan))
    assert not [t for t in known.said if t["state"] == "firing"]
    assert [t for t in forgotten.said if t["state"] == "firing"]


def test_a_shop_that_keeps_no_facts_knows_no_campaigns():
    """As in service: without shop.yml and without a rule or text that speaks of the shop nobody keeps them."""
    plan = replace(plan_of(), shop=None)
    assert plan_over_time(plan, [msgspec.json.encode(planned(0, 9))], zone=LONDON) is plan


def test_a_backtest_looks_through_its_files_for_campaigns(tmp_path):
    """As a test of rules does: packed or not, several, in any order, while the numbers around alerts are kept."""
    events = [planned(0, 9), *orders()]
    expected = replayed(plan_of(), events, zone=LONDON).transitions
    plain, packed = tmp_path / "orders.ndjson", tmp_path / "plans.ndjson.gz"
    plain.write_bytes(b"\n".join(map(msgspec.json.encode, reversed(orders()))))
    packed.write_bytes(gzip.compress(msgspec.json.encode(planned(0, 9))))
    result = backtest(plan_of(), [plain, packed], zone=LONDON, watch=True)
    assert result.transitions == expected
    assert not [t for t in result.transitions if t.state == "firing"]
    forgotten = backtest(plan_of(), [plain], zone=LONDON, watch=True)
    assert sorted({t.at[:10] for t in forgotten.transitions if t.state == "firing"}) == FALSE_ALARMS


def test_a_bad_announcement_is_counted_and_marks_nothing(tmp_path):
    """Its reason stands in the result, as that of any event."""
    bad = planned(0, 9)
    del bad["data"]["ends"]
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join(map(msgspec.json.encode, [bad, *orders()])))
    result = backtest(plan_of(), [file], zone=LONDON)
    assert result.bad == 1
    assert sorted({t.at[:10] for t in result.transitions if t.state == "firing"}) == FALSE_ALARMS
