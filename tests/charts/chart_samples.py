"""Charts that the tests of this folder share: stories of events, judged as the service does it."""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from lockstep.adapters.charts.curve import Chart, NoChart
from lockstep.adapters.charts.history import chart_of, keep_longer_s, shown_levels
from lockstep.event import Decoder
from lockstep.judge.judge import Judge
from lockstep.measure.meter import wanted_fields
from lockstep.measure.sample import Frame
from lockstep.rule.condition.kinds import Plan
from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest.event_files import sliced, time_of
from lockstep.tools.backtest.metering import measured
from lockstep.tools.ruletest.suite import load_text
from lockstep.transition import Transition

LONDON = ZoneInfo("Europe/London")
MEASURES = """\
measures:
  orders:   {count: order.placed}
  revenue:  {sum: total, of: order.placed}
  returns:  {count: order.returned}
  sessions: {count: traffic.session}
  stock:    {last: available, of: stock.level}
  fresh:    {last: on_hand, of: stock.level, stale_after: 2h}
  reserved: {last: reserved, of: stock.level}
  units:    {sum: lines.quantity, of: order.placed}
  conversion: {formula: orders / sessions}
  cover:    {formula: stock / units}
  free:     {formula: stock - reserved}
rules:
"""
SPIKE = (
    "by: [channel], spike: {measure: orders, window: 15m, baseline: {previous: 1h}, above: 3x, at_least: 20, "
    "usual_at_least: 2}",
    "orders web: 20/h for 3h, then 2/min for 15m, then 20/h for 3h",
)
STOCK = (
    "by: [sku], threshold: {measure: stock, at_most: 20}, clear: {above: 30}",
    "stock A-1: 60, 45 at 08:30, 30 at 09:00, 20 at 09:30, 12 at 10:00, 90 at 11:00",
)
FEW = ("threshold: {measure: orders, window: 1h, below: 20}", "orders: 1/min for 9h, then 10/h for 4h")
DAYS = (
    "severity: critical, by: [channel], spike: {measure: orders, window: 1h, baseline: {same_time_of_day: 4}, "
    "below: 0.5x, usual_at_least: 5}",
    "orders web: 20/h for 5d, then 7/h for 50m",
)
RETURNS = (
    "share: {measure: returns, of: orders, window: 1h, of_at_least: 50, above: 10%}",
    "orders: 1/min for 10h; returns: 1 at 08:05, then 1/h for 8h, then 20/h for 1h",
)


PROJECTION = (
    "by: [sku], projection: {measure: stock, reaches: 0, within: 1d, window: 4h}",
    "stock A-1: 100, 90 at 10:00, 80 at 11:00, 70 at 12:00, 40 at 13:00, 38 at 20:00",
)
TODAY = (
    "projection: {measure: orders, reaches: 400, within: day, window: 2h}",
    "orders: 10/h for 30h, then 1/min for 5h",
)
COVER = (
    "by: [sku], projection: {measure: stock, pace: units, reaches: 0, within: 3d, window: 1d}",
    "stock A-1: 300, 290 at 12:00, 280 at Tue 09:00, 270 at Tue 12:00; orders sku=A-1: 6/h for 3d",
)
CHANGE = (
    "by: [sku], change: {measure: stock, by: 10}",
    "stock A-1: 35, 33 at 09:10, 90 at 09:30, 30 at 09:40",
)
FALL = ("change: {measure: orders, window: 1h, by: 60%, direction: down}", "orders: 1/min for 9h, then 10/h for 4h")
SINCE = (
    "by: [sku], change: {measure: stock, window: 2h, by: 30}",
    "stock A-1: 95, 90 at 09:30, 85 at 10:30, 50 at 11:30, 48 at 13:00, 45 at 15:00",
)
MIXED = (
    "by: [sku], threshold: {measure: cover, window: 1h, below: 5}",
    "stock A-1: 100, 90 at 09:00, 60 at 13:00, 30 at 17:00, 20 at 18:30; orders sku=A-1: 6/h for 12h",
)


def unusual(
    rule: str = "anomaly: {measure: orders, bucket: 1h}", *, days: int = 13
) -> tuple[Plan, list[dict[str, Any]]]:
    """A rule on orders, and events: days like each other, in the last of them four times as many from noon to three."""
    chance, begin = random.Random(7), datetime(2026, 3, 2, tzinfo=UTC)
    events = []
    for n in range(days * 144 - 48):
        at = begin + timedelta(minutes=10 * n)
        count = 2 + at.hour // 2 + chance.randrange(3)
        if n // 144 == days - 1 and 12 <= at.hour < 15:
            count *= 4
        data = {"order_id": f"o-{n}", "total": 10, "lines": [], "count": count, "currency": "EUR"}
        events.append({"id": f"o-{n}", "source": "/s", "type": "order.placed", "time": at.isoformat(), "data": data})
    return plan_of(rule), events


@dataclass
class Live:
    """A judge that has judged a story so far, under its rules."""

    judge: Judge
    plan: Plan


def plan_of(rule: str, *, beside: Mapping[str, str] | None = None) -> Plan:
    """Of one rule, R. beside: name → text of the files beside the rules."""
    loaded = load_texts({"rules.yml": f"{MEASURES}  - {{name: R, {rule}}}\n", **(beside or {})})
    assert loaded.errors == ()
    return loaded.plan


def told(
    rule: str, story: str, *, beside: Mapping[str, str] | None = None, **how: Any
) -> Iterator[tuple[Transition, Live]]:
    """Each change that a story leads to, when the judge has just told it. how: see `judged`."""
    lines = "".join(f"      - {line.strip()}\n" for line in story.split(";"))
    suite = load_text(
        f"start: 2026-03-02 08:00\ntests:\n  - name: t\n    events:\n{lines}    expect: nothing\n",
        f"{MEASURES}  - {{name: R, {rule}}}\n",
        LONDON,
        beside=beside,
    )
    assert [str(f) for f in suite.faults if f.level == "error"] == []
    (test,) = suite.tests
    for news, live in judged(test.plan, test.events, until=test.until, **how):
        yield from ((transition, live) for transition in news)


def judged(
    plan: Plan,
    events: Iterable[Mapping[str, Any]],
    *,
    until: datetime | None = None,
    kept: bool = True,
    early: bool = False,
    at_once: int = 8,
    restarts: bool = False,
) -> Iterator[tuple[list[Transition], Live]]:
    """What a judge tells of events, frame by frame.

    kept: whether it keeps as much as charts show. early: as the service does. at_once: events of a frame. restarts:
    after each frame another judge takes over what it stored.
    """

    def another() -> Judge:
        longer, levels = (keep_longer_s(plan), shown_levels(plan)) if kept else ({}, {})
        return Judge(plan, zone=LONDON, early=early, keep_longer_s=longer, shown_levels=levels)

    live, entries = Live(another(), plan), {}
    for frame in frames(plan, events, until=until, at_once=at_once):
        live.judge.take(frame)
        entries |= live.judge.cut().entries
        yield live.judge.take_news(), live
        if restarts:
            live.judge = another()
            live.judge.restore({key: value for key, value in entries.items() if value is not None})


def frames(
    plan: Plan, events: Iterable[Mapping[str, Any]], *, until: datetime | None = None, at_once: int = 1
) -> Iterator[Frame]:
    """What meters tell of events."""
    decoder = Decoder(wanted_fields(plan.series))
    decoded = enumerate(decoder.decode([msgspec.json.encode(event) for event in events]))
    items = sorted(((str(n), event) for n, event in decoded), key=time_of)
    for portion in measured(plan.series, sliced(items, at_once), at_once=at_once, until=until):
        yield from portion.frames


def stock_events(*said: tuple[str, int, int]) -> list[dict[str, Any]]:
    """What is said of one product: (time of the day, available, reserved)."""
    return [
        {
            "id": f"l-{n}",
            "source": "/s",
            "type": "stock.level",
            "time": f"2026-03-02T{at}:00Z",
            "data": {"sku": "A-1", "available": available, "reserved": reserved},
        }
        for n, (at, available, reserved) in enumerate(said)
    ]


def charts(rule: str, story: str, **how: Any) -> Iterator[tuple[Transition, Chart | NoChart]]:
    """Each change that people hear of, with its chart or why it has none."""
    return charted(told(rule, story, **how))


def charted(changes: Iterator[tuple[Transition, Live]]) -> Iterator[tuple[Transition, Chart | NoChart]]:
    """Those of them that people hear of, likewise."""
    fired_at: dict[str, str] = {}
    for transition, live in changes:
        if transition.state == "firing":
            fired_at[transition.episode_id] = transition.at
        if transition.state in ("firing", "severity", "resolved"):
            fired = fired_at.get(transition.episode_id)
            yield transition, chart_of(live.judge, transition, live.plan, fired_at=fired, currency="EUR")


def first_chart(rule: str, story: str, **how: Any) -> Chart:
    """Of the first change that has one."""
    return next(chart for _, chart in charts(rule, story, **how) if isinstance(chart, Chart))
