"""What a chart draws is what `explain` said at that instant."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from chart_samples import judged, plan_of

from lockstep.adapters.charts.curve import Chart
from lockstep.adapters.charts.history import chart_of
from lockstep.explanation import explain
from lockstep.notify.message_reason import leaf_of
from lockstep.rule.condition.kind_table import word_of
from lockstep.rule.condition.when import leaves
from lockstep.rule.explained_condition import said_of
from lockstep.text.rfc3339 import SECOND

BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)
RULES = {
    "threshold": "threshold: {measure: orders, window: 15m, above: 12}",
    "fall": "threshold: {measure: orders, window: 15m, below: 6}",
    "spike": "spike: {measure: orders, window: 10m, baseline: {previous: 30m}, above: 1.5x, usual_at_least: 2, "
    "at_least: 5}",
    "share": "share: {measure: returns, of: orders, window: 20m, of_at_least: 5, above: 25%}",
    "change": "change: {measure: orders, window: 15m, by: 40%}",
    "formula": "threshold: {measure: conversion, window: 15m, above: 70%}",
    "level": "by: [sku], threshold: {measure: stock, at_most: 20}, clear: {above: 30}",
    "levels": "by: [sku], threshold: {measure: free, at_most: 15}",
    "level change": "by: [sku], change: {measure: stock, by: 9}",
    "level an hour ago": "by: [sku], change: {measure: stock, window: 1h, by: 9}",
    "projection": "by: [sku], projection: {measure: stock, reaches: 0, within: 2h, window: 30m}",
    "cover": "by: [sku], threshold: {measure: cover, window: 30m, below: 2}",
    "all": "all: [{threshold: {measure: orders, window: 15m, above: 10}}, "
    "{threshold: {measure: sessions, window: 5m, above: 1}}]",
    "any": "any: [{threshold: {measure: orders, window: 15m, above: 14}}, "
    "{threshold: {measure: returns, window: 15m, above: 4}}]",
    "not": "not: {threshold: {measure: orders, window: 15m, above: 7}}",
    "for": "for: 3m, keep_firing_for: 5m, threshold: {measure: orders, window: 15m, above: 10}",
}


def _events(seed: int) -> list[dict]:
    """Four hours, a minute each: orders in waves, some come back, a stock that is sold and filled up."""
    chance, stock, events = random.Random(seed), 60, []
    pace = 0.5
    for minute in range(240):
        # Never at a bucket's end, where a level is told as what it was just before.
        at = (BEGIN + timedelta(minutes=minute, seconds=chance.randrange(1, 60))).isoformat()
        if minute % 20 == 0:
            pace = chance.choice([0.1, 0.4, 0.8, 1.5])
        said = [
            (
                "order.placed",
                {"order_id": f"o{minute}", "total": 10, "lines": [{"sku": "A-1", "quantity": 1, "unit_price": 10}]},
            )
        ]
        said = said * int(chance.random() < pace) + said * int(chance.random() < pace - 1)
        if chance.random() < 0.5:
            said.append(("traffic.session", {}))
        if chance.random() < 0.12:
            said.append(("order.returned", {"order_id": f"o{minute}", "lines": []}))
        if chance.random() < 0.25:
            stock = stock + 50 if stock < 15 else stock - chance.randrange(12)
            said.append(("stock.level", {"sku": "A-1", "available": stock, "reserved": chance.randrange(8)}))
        for n, (kind, data) in enumerate(said):
            events.append({"id": f"{minute}-{n}", "source": "/s", "type": kind, "time": at, "data": data})
    return events


def _numbers(judge, labels, wanted):
    """(instant, value, baseline) of the part that is drawn, as `explain` tells it now; None where it is not judged."""
    explanation = explain(judge, "R", labels)
    if explanation is None or explanation.verdict is None or explanation.at is None:
        return None
    parts = [explanation.verdict]
    for part in parts:
        parts.extend(part.parts)
    part = next((p for p in parts if (p.kind, p.of) == wanted), None)
    if part is None or part.verdict == "unjudged":
        return None
    return explanation.at / SECOND, part.value, part.baseline


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", RULES)
def test_each_point_is_what_explain_said_then(name, seed):
    """At the instant that was told value, baseline and limit; at each earlier one that was explained the value, and the
    baseline where it is drawn."""
    plan = plan_of(RULES[name])
    first, _ = next(leaves(plan.rules[0].condition))
    wanted = (word_of(first), said_of(first.expression))
    said: dict[tuple[str, ...], dict[float, tuple[float | None, float | None]]] = {}
    compared = 0
    for news, live in judged(plan, _events(seed), at_once=1):
        for labels in live.judge.groups_of("R"):
            numbers = _numbers(live.judge, labels, wanted)
            if numbers is not None:
                said.setdefault(labels, {})[numbers[0]] = numbers[1:]
        for transition in news:
            leaf = leaf_of(transition)
            chart = chart_of(live.judge, transition, plan, fired_at=None, currency="")
            if isinstance(chart, Chart) and leaf is not None and (leaf.kind, leaf.of) == wanted:
                labels = tuple(transition.labels[name] for name in plan.rules[0].by)
                compared += _compared(chart, transition, said.get(labels, {}))
    assert compared


def _compared(chart, transition, said):
    """How many points were the same as what was said."""
    *earlier, last = chart.points
    assert last.value == transition.value
    if last.at in said:
        value, baseline = said[last.at]
        assert value == transition.value
        assert transition.baseline is None or baseline == transition.baseline
    known = [point for point in earlier if point.at in said and point.value is not None]
    for point in known:
        value, baseline = said[point.at]
        assert point.value == pytest.approx(value, rel=1e-6)
        if point.baseline is not None:
            assert point.baseline == pytest.approx(baseline, rel=1e-6)
    return len(known) + (last.at in said)
