"""The facts of the shop: the same whatever order things come in and whoever dies, and what plain addition says."""

import random
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from judge_pipeline import Pipeline, arrivals
from reference import micros
from shorthand import LONDON, Event

from lockstep.rule.condition.kinds import Plan
from lockstep.rule.language.load import load_texts
from lockstep.shop.facts import CapacityFacts, DayFacts, PlanFacts, ProductFacts, decode
from lockstep.shop.series import SHOP_SERIES
from lockstep.shop.shop_settings import ShopSettings
from lockstep.shop.whole_shop import NO_LONGER_KNOWN
from lockstep.transition import decode as read_transition
from lockstep.transition import in_order

START = datetime(2026, 3, 27, 20, tzinfo=LONDON)  # the clocks go forward on the 29th
CHANNELS = ("web", "app", "none")
SKUS = ("A-1", "B-2", "C-3")

RULES = """
rules:
  - name: LowCover
    by: [sku]
    threshold: {measure: days_of_cover, at_most: 9}
    clear: {above: 12}
  - name: NoRoom
    threshold: {measure: room_left, at_most: 40}
"""


@pytest.fixture(scope="module")
def plan() -> Plan:
    loaded = load_texts({"rules.yml": RULES})
    assert not [f for f in loaded.faults if f.level == "error"]
    made = replace(loaded.plan, shop=ShopSettings(currency="GBP", capacity_per_day=60))
    return replace(made, series=tuple(dict.fromkeys((*made.series, *SHOP_SERIES))))


def event(kind: str, at: datetime, number: int, **data: Any) -> Event:
    return {
        "specversion": "1.0",
        "id": f"{kind}-{number}",
        "source": "/shop",
        "type": kind,
        "time": at.isoformat(),
        "data": data,
    }


def life(seed: int, days: float = 3) -> list[Event]:
    """Some days of a small shop."""
    chance = random.Random(seed)
    events: list[Event] = []
    stock = dict.fromkeys(SKUS, 60)
    at = START
    number = 0
    events.append(
        event(
            "campaign.planned",
            at,
            0,
            campaign="EASTER",
            starts="2026-03-28T00:00:00Z",
            ends="2026-03-30T00:00:00Z",
            skus=["A-1", "X"],
        )
    )
    events.append(
        event("capacity.declared", at, 1, starts="2026-03-28T00:00:00Z", ends="2026-03-29T00:00:00Z", orders_per_day=55)
    )
    for sku in SKUS:
        events.append(event("stock.level", at, 10 + SKUS.index(sku), sku=sku, available=stock[sku], location="north"))
    while at < START + timedelta(days=days):
        at += timedelta(seconds=chance.uniform(100, 2400))
        number += 1
        channel = {} if (picked := chance.choice(CHANNELS)) == "none" else {"channel": picked}
        match chance.choice(
            ("order", "order", "order", "visit", "visit", "ship", "return", "spend", "receipt", "theme")
        ):
            case "order":
                bought = chance.sample(SKUS, chance.randint(1, 2))
                lines = [{"sku": sku, "quantity": chance.randint(1, 3), "unit_price": 10} for sku in bought]
                total = round(chance.uniform(5, 90), 2)
                more = {"gift_wrap": True} if chance.random() < 0.2 else {}
                if chance.random() < 0.1:
                    more["currency"] = "EUR"
                events.append(
                    event("order.placed", at, number, order_id=str(number), total=total, lines=lines, **channel, **more)
                )
                for line in lines:
                    stock[line["sku"]] -= line["quantity"]
                    later = at + timedelta(seconds=chance.randint(1, 50))
                    events.append(
                        event(
                            "stock.level",
                            later,
                            number * 10 + bought.index(line["sku"]),
                            sku=line["sku"],
                            available=stock[line["sku"]],
                            location="north",
                        )
                    )
            case "visit":
                events.append(event("traffic.session", at, number, count=chance.randint(1, 9), **channel))
            case "ship":
                events.append(
                    event(
                        "order.shipped",
                        at,
                        number,
                        order_id=str(number),
                        hours_to_ship=chance.randint(1, 40),
                        **channel,
                    )
                )
            case "return":
                sku = chance.choice(SKUS)
                events.append(
                    event(
                        "order.returned",
                        at,
                        number,
                        order_id=str(number),
                        total=9.99,
                        lines=[{"sku": sku, "quantity": 1, "reason": "small"}],
                        **channel,
                    )
                )
            case "spend":
                events.append(
                    event(
                        "traffic.spend",
                        at,
                        number,
                        amount=round(chance.uniform(1, 9), 2),
                        channel="web",
                        campaign="EASTER",
                    )
                )
            case "receipt":
                sku = chance.choice(SKUS)
                day = (at + timedelta(days=chance.randint(0, 9))).date().isoformat()
                events.append(
                    event(
                        "stock.receipt",
                        at,
                        number,
                        sku=sku,
                        quantity=50,
                        expected_on=day,
                        status=chance.choice(("planned", "delayed", "received")),
                        purchase_order=f"PO-{sku}",
                    )
                )
            case "theme":
                events.append(event("feedback.received", at, number, theme="sizing"))
    return sorted(events, key=lambda e: micros(e["time"]))


def run(plan: Plan, events: list[Event], seed: int, *, sources: int, samples: int, deaths: float) -> Pipeline:
    """The events in some order within lateness, while meters and judges die."""
    chance = random.Random(seed)
    pipeline = Pipeline(plan, sources=sources, samples=samples)
    jitter = [chance.uniform(0, 50) for _ in range(7)]
    order = arrivals(
        plan, events, sources=sources, jitter=jitter, spread=[chance.randint(0, 9) for _ in range(5)], again=[3, 50]
    )
    for one, partition, late in order:
        pipeline.arrive(one, partition, late)
        if chance.random() < 0.15:
            pipeline.step()
        if chance.random() < deaths:
            if chance.random() < 0.5:
                source = chance.choice(list(pipeline.logs))
                pipeline.crash_meter(source)
            else:
                n = chance.randrange(samples)
                pipeline.judge(n, at_most=chance.randint(0, 9))
                if chance.random() < 0.5:
                    pipeline.cut(n)  # between two steps of a jump in time
                pipeline.crash_judge(n)
        if chance.random() < 0.05:
            for source in pipeline.logs:
                pipeline.measure(source)
                pipeline.commit_source(source)
    pipeline.finish(START + timedelta(days=4))
    return pipeline


@pytest.mark.parametrize("seed", range(3))
def test_facts_are_the_same_whatever_happens(plan, seed):
    """In any order within lateness, on one partition or four, with deaths: the same facts and the same alerts."""
    events = life(seed)
    plain = run(plan, events, seed, sources=1, samples=1, deaths=0)
    other = run(plan, events, seed + 100, sources=2, samples=4, deaths=0.05)
    assert {k: decode(v) for k, v in other.facts.items()} == {k: decode(v) for k, v in plain.facts.items()}
    keys = ("rule", "labels", "state", "at", "value", "transition_id")
    assert [{k: t[k] for k in keys} for t in sorted_said(other)] == [
        {k: t[k] for k in keys} for t in sorted_said(plain)
    ]
    assert {t["rule"] for t in plain.said} == {"LowCover", "NoRoom"}


def test_a_long_jump_in_time_may_be_cut_anywhere(plan):
    """A backlog of days that comes at once: the judge may be cut, and may die, after each step of the shop."""
    events = life(3)
    whole, pieces = Pipeline(plan), Pipeline(plan)
    for pipeline in (whole, pieces):
        for one in events:
            pipeline.arrive(one)
        pipeline.measure_to_the_end(START + timedelta(days=4))
    whole.judge(0)
    whole.cut(0)
    pieces.judge(0, at_most=0)
    cuts = 0
    while True:
        pieces.cut(0)
        pieces.crash_judge(0)
        if not pieces.judges[0].goes_on():
            break
        cuts += 1
    assert cuts > 100
    assert pieces.facts == whole.facts
    assert pieces.published == whole.published


CALENDAR = """
campaigns:
  - {name: SPRING, from: 2026-03-30, to: 2026-04-02, skus: [B-2], expected_orders: 40}
capacity:
  - {name: second shift, from: 2026-03-30, to: 2026-03-31, orders_per_day: 80}
"""


def test_the_calendar_is_in_the_facts_whatever_happens(plan):
    """What calendar.yml plans is announced once, at the first moment, however often judges die."""
    planned = replace(plan, calendar=load_texts({"calendar.yml": CALENDAR}).plan.calendar)
    events = life(1)
    plain = run(planned, events, 1, sources=1, samples=1, deaths=0)
    other = run(planned, events, 101, sources=2, samples=4, deaths=0.05)
    facts = {k: decode(v) for k, v in plain.facts.items()}
    assert {k: decode(v) for k, v in other.facts.items()} == facts
    plans = {f.campaign: f for f in facts.values() if isinstance(f, PlanFacts)}
    assert {name: (f.source, f.number) for name, f in plans.items()} == {
        "EASTER": ("event", 1),
        "SPRING": ("calendar", 1),
    }
    assert plans["SPRING"].told_at == "2026-03-27T20:00:00Z"
    (shift,) = [f for f in facts.values() if isinstance(f, CapacityFacts) and f.source == "calendar"]
    assert (shift.starts, shift.ends, shift.orders_per_day) == ("2026-03-29T23:00:00Z", "2026-03-31T22:59:59Z", 80)


def sorted_said(pipeline: Pipeline) -> list[dict[str, Any]]:
    return sorted(pipeline.said, key=lambda t: (t["at"], t["rule"], sorted(t["labels"].items()), t["number"]))


@pytest.mark.parametrize("seed", range(2))
def test_facts_are_what_addition_says(plan, seed):
    """Counted again from the events alone: by day and channel, product and hour."""
    events = life(seed)
    facts = [decode(value) for value in run(plan, events, seed, sources=2, samples=1, deaths=0).facts.values()]
    days = {(f.day, f.channel): f for f in facts if isinstance(f, DayFacts)}
    products = {f.sku: f for f in facts if isinstance(f, ProductFacts)}
    orders: Counter[tuple[str, str]] = Counter()
    hours: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    cents: Counter[tuple[str, str, str]] = Counter()
    units: Counter[tuple[str, str]] = Counter()
    visits: Counter[tuple[str, str]] = Counter()
    for one in events:
        at, data = datetime.fromisoformat(one["time"]).astimezone(LONDON), one["data"]
        day = at.date().isoformat()
        for channel in ("", data.get("channel", "none")):
            if one["type"] == "order.placed":
                orders[day, channel] += 1
                midnight = datetime(at.year, at.month, at.day, tzinfo=LONDON)
                hours[day, channel][int((at.timestamp() - midnight.timestamp()) // 3600)] += 1
                cents[day, channel, data.get("currency", "GBP")] += round(data["total"] * 100)
            if one["type"] == "traffic.session":
                visits[day, channel] += data["count"]
        if one["type"] == "order.placed":
            for line in data["lines"]:
                units[line["sku"], day] += line["quantity"]
    assert {key: f.counts["orders"] for key, f in days.items() if "orders" in f.counts} == orders
    assert {key: f.counts["sessions"] for key, f in days.items() if "sessions" in f.counts} == visits
    assert {(*key, c): n for key, f in days.items() for c, n in f.money.get("revenue", {}).items()} == cents
    assert {
        key: {h: n for h, n in enumerate(f.by_hour["orders"]) if n} for key, f in days.items() if "orders" in f.by_hour
    } == hours
    for sku, product in products.items():
        last = datetime.fromisoformat(product.day).date()
        sold = {
            (sku, (last - timedelta(n)).isoformat()): count for n, count in enumerate(reversed(product.units)) if count
        }
        assert sold == {key: n for key, n in units.items() if key[0] == sku}
    easter = next(f for f in facts if isinstance(f, PlanFacts))
    assert (easter.campaign, easter.skus, easter.number) == ("EASTER", ["A-1", "X"], 1)
    assert easter.verdict in ("yes", "change", "no")
    web = days["2026-03-28", ""]
    assert set(web.spend_by_campaign) <= {"EASTER"}
    assert web.themes == {} or set(web.themes) == {"sizing"}


def test_what_a_text_may_say_travels_with_the_transition(plan):
    """Each transition of the judge that has the facts names what is known of the shop."""
    pipeline = run(plan, life(1), 1, sources=1, samples=1, deaths=0)
    late = [t for t in map(read_transition, pipeline.published) if t.at > "2026-03-28"]
    assert late
    assert all(t.shop for t in late)


def test_each_change_says_what_its_business_measures_were_made_of(plan):
    """As of the instant that is spoken of: the parts give the value of the verdict, whoever dies and in any order."""
    events = life(1)
    plain = made_of(run(plan, events, 1, sources=1, samples=1, deaths=0))
    assert plain == made_of(run(plan, events, 101, sources=2, samples=4, deaths=0.05))
    covers = [(t, parts) for t, measure, parts in plain if measure == "days_of_cover"]
    assert covers
    for t, parts in covers:
        if "units sold a day" in parts and t.value is not None and 0 < t.value < 365:
            sold, days = parts["units sold in the last 28 days, while in stock"], parts["days of them in stock"]
            assert t.value == pytest.approx(parts["units available"] * days / sold)
    rooms = [(t, parts) for t, measure, parts in plain if measure == "room_left"]
    assert rooms
    assert all("orders expected today" in parts for _, parts in rooms)


def made_of(pipeline: Pipeline) -> list[tuple[Any, str, dict[str, Any]]]:
    """(transition, measure, its parts) of all that rules read, in the order of time."""
    said = sorted(map(read_transition, pipeline.published), key=in_order)
    latest = {t.transition_id: t for t in said}
    return [(t, m.measure, {p.what: p.value for p in m.parts}) for t in latest.values() for m in t.made_of]


def test_facts_that_have_moved_on_are_not_taken_for_those_of_then(plan):
    """Asked of an instant at which the level was another, the book says that it does not know."""
    pipeline = run(plan, life(1), 1, sources=1, samples=1, deaths=0)
    (judge,) = pipeline.judges
    (series,) = [s for s in plan.series if s.field == "days_of_cover"]
    assert judge.book is not None
    reads = [(series, ("A-1",))]
    (now,) = judge.book.made_of(reads)
    newest_us = judge.histories.newest_level_us((series,), lambda _: ("A-1",))
    assert judge.book.made_of(reads, newest_us) == (now,)
    assert now.parts
    (then,) = judge.book.made_of(reads, newest_us - 1)
    assert (then.text, then.parts) == (NO_LONGER_KNOWN, ())


def test_the_comparison_notices_a_book_that_forgets(plan):
    """The control: without its state a book says something else."""
    events = life(2)
    plain = run(plan, events, 2, sources=1, samples=1, deaths=0)
    forgetful = Pipeline(plan, remembers=False)
    for number, one in enumerate(events):
        forgetful.arrive(one)
        if number % 40 == 0:
            forgetful.step()
            for source in forgetful.logs:
                forgetful.commit_source(source)
            forgetful.crash_judge(0)
    forgetful.finish(START + timedelta(days=4))
    assert {k: decode(v) for k, v in forgetful.facts.items()} != {k: decode(v) for k, v in plain.facts.items()}
