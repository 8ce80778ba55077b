"""Measuring in a process beside: the judge is told the very same, and neither process outlives the other."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from lockstep.errors import EventError
from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest import metering
from lockstep.tools.backtest.event_files import Limits
from lockstep.tools.backtest.replay import backtest, replay_events
from lockstep.tools.retail import ZONE
from lockstep.transition import TransitionName

RULES = """\
measures:
  orders: {count: order.placed}
  revenue: {sum: total, of: order.placed}
  dearest: {maximum: total, of: order.placed}
  usual_basket: {percentile: 50, field: total, of: order.placed}
  products: {distinct: lines.sku, of: order.placed}
  stock: {last: available, of: stock.level}
rules:
  - {name: Rush, by: [channel], threshold: {measure: orders, window: 10m, above: 4}}
  - {name: Rich, threshold: {measure: revenue, window: 10m, above: 300}}
  - {name: Dear, threshold: {measure: dearest, window: 5m, above: 95}}
  - {name: Basket, threshold: {measure: usual_basket, window: 10m, above: 60}}
  - {name: Wide, threshold: {measure: products, window: 10m, above: 3}}
  - {name: Low, by: [sku], threshold: {measure: stock, at_most: 20}}
  - {name: Surge, spike: {measure: orders, window: 10m, up: 2x, baseline: previous, previous: 1h, minimum: 3}}
"""
PLAN = load_texts({"rules.yml": RULES}).plan
BEGIN = datetime(2026, 1, 5, 9, tzinfo=UTC)
HERE, BESIDE = Limits(at_once=50), Limits(at_once=50, beside=0)


@pytest.fixture
def events(tmp_path):
    draw = random.Random(7)
    path = tmp_path / "events.ndjson"
    with path.open("w") as file:
        for i in range(600):
            event = {"id": str(i), "source": "/t", "time": (BEGIN + timedelta(seconds=30 * i)).isoformat()}
            if i % 3:
                price = draw.randrange(1, 100)
                lines = [{"sku": draw.choice("ABCDE"), "quantity": 1, "unit_price": price}]
                event["type"] = "order.placed"
                event["data"] = {"order_id": str(i), "channel": draw.choice(["web", "app"]), "currency": "GBP"}
                event["data"] |= {"total": price, "lines": lines}
            else:
                event["type"] = "stock.level"
                event["data"] = {"sku": draw.choice("ABC"), "available": draw.randrange(60)}
            file.write(json.dumps(event) + "\n")
            if i % 100 == 0:
                file.write('{"type": "order.placed"}\n{"type": "no.such", "id": "1"}\n\n')
    return path


@pytest.mark.parametrize("until", [None, BEGIN + timedelta(hours=2)], ids=["to the end", "until"])
def test_the_judge_is_told_the_same(events, until):
    """Every kind of aggregate crosses; transitions, curves, complaints and counts are equal, also the progress."""

    def replayed(limits):
        told = []
        progress = {"progress": lambda count, done: told.append((count, done))}
        found = backtest(PLAN, [events], zone=ZONE, until=until, watch=True, limits=limits, **progress)
        return replace(found, judge=None), told

    here, told = replayed(HERE)
    assert {t.rule for t in here.transitions} == {rule.name for rule in PLAN.rules}
    assert (here.bad, [r.count for r in here.refused]) == (6, [6])
    assert len(told) > 2
    assert replayed(BESIDE) == (here, told)


def test_a_file_that_cannot_be_read_is_said(tmp_path, events):
    """The other process hears the error as if it had read the file itself."""
    missing = tmp_path / "nowhere.ndjson"
    with pytest.raises(EventError, match=r"nowhere\.ndjson: No such file"):
        backtest(PLAN, [events, missing], zone=ZONE, limits=BESIDE)


def _children():
    found = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-f", "lockstep.tools.backtest.metering"], stdout=subprocess.PIPE
    )
    return [int(pid) for pid in found.stdout.split()]


def test_a_killed_process_is_said(tmp_path, events):
    """The machine ran out of memory, say: an error and no half result."""
    waiting = tmp_path / "fifo.ndjson"
    os.mkfifo(waiting)

    def kill():
        with waiting.open("wb"):  # opens when the other process reads from it
            os.kill(_children()[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(EventError, match="ended by signal 9: is there enough memory"):
            backtest(PLAN, [events, waiting], zone=ZONE, limits=BESIDE)
    finally:
        killer.join()


def test_it_ends_with_the_one_that_judges(events):
    """Left alone it goes quietly; and it is ended when the judge has had enough."""
    some = metering.measured_files(PLAN.series, [events], in_order=True, until=None, limits=BESIDE)
    next(some)
    assert _children()
    some.close()
    assert not _children()
    many = [str(events)] * 20  # more than a pipe holds when nobody reads
    order = metering._Order(list(PLAN.series), many, False, None, 50, 300_000)
    command = [sys.executable, "-P", "-m", "lockstep.tools.backtest.metering"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as alone:
        alone.stdin.write(msgspec.msgpack.encode(order))
        alone.stdin.close()
        alone.stdout.read(8)
        alone.stdout.close()
        assert alone.stderr.read() == b""
        assert alone.wait() == 0


@pytest.mark.parametrize(("topic", "fired"), [(None, ["Beats"]), ("traffic", ["Beats"]), ("plans", [])])
def test_rules_count_the_heartbeats_of_traffic(topic, fired):
    """Those of another topic move its event time, in a backtest as in the service; beside them all is counted."""
    rules = "measures: {beats: {count: source.heartbeat}}\n"
    rules += "rules: [{name: Beats, threshold: {measure: beats, window: 10m, at_least: 3}}]\n"
    named = {} if topic is None else {"topic": topic}
    beats = [
        {
            "specversion": "1.0",
            "id": f"b-{i}",
            "source": "/erp",
            "type": "source.heartbeat",
            "time": (BEGIN + timedelta(minutes=i)).isoformat(),
            "data": {"name": "erp", **(named if i else {"topic": "orders"})},
        }
        for i in range(5)
    ]
    told = replay_events(load_texts({"rules.yml": rules}).plan, beats, zone=ZONE, until=BEGIN + timedelta(minutes=5))
    assert [t.rule for t in told if t.state is TransitionName.FIRING] == fired
