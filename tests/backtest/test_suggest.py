"""Suggested rules: they pass the check, keep their promise in a backtest, and say why."""

import json
import random
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from lockstep.adapters.rule_files import load_rules
from lockstep.errors import RuleError
from lockstep.rule.condition.period import DAY
from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest import replay as bt
from lockstep.tools.suggest import Asked, CandidateShortcut, expected_hours, repr_hours, suggest, times_text

ZONE = ZoneInfo("UTC")
MEASURES = """\
measures:
  orders: {count: order.placed}
  stock: {last: available, of: stock.level}
rules:
  - {name: Own, threshold: {measure: orders, window: 1h, above: 1000}}
"""
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 24


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Open from 9 to 17 with a few orders an hour; six rushes; one day on which nobody could buy for hours."""
    draw = random.Random(3)
    folder = tmp_path_factory.mktemp("shop")
    (folder / "rules").mkdir()
    (folder / "rules" / "ours.yml").write_text(MEASURES)
    lines = []
    stock = 200
    for hour in range(24 * DAYS):
        day, clock = divmod(hour, 24)
        if not 9 <= clock < 17 or (day == 17 and 11 <= clock < 15):
            continue
        for minute in sorted(draw.sample(range(60), 5 + (20 if (day, clock) in RUSHES else 0))):
            time = (BEGIN + timedelta(hours=hour, minutes=minute)).isoformat()
            data = {"order_id": str(len(lines)), "total": 1, "channel": "web", "lines": []}
            lines.append({"id": f"o{len(lines)}", "source": "/t", "type": "order.placed", "time": time, "data": data})
            stock = 200 if stock < 5 else stock - draw.randrange(3)
            data = {"sku": "A", "available": stock}
            lines.append({"id": f"s{len(lines)}", "source": "/t", "type": "stock.level", "time": time, "data": data})
    (folder / "events.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    early = [line for line in lines if line["time"] < (BEGIN + timedelta(days=9)).isoformat()]
    (folder / "nine-days.ndjson").write_text("".join(json.dumps(line) + "\n" for line in early))
    return folder


RUSHES = {(3, 11), (6, 14), (11, 10), (13, 13), (19, 11), (22, 15)}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param(Asked("orders", ("channel",), "threshold", per_week=2), "threshold: ", id="a flow above"),
        pytest.param(Asked("orders", kind="threshold", direction="below", per_week=9), "below: ", id="a flow below"),
        pytest.param(Asked("stock", ("sku",), per_week=2), "at_most: ", id="a level"),
        pytest.param(Asked("orders", ("channel",), "spike", per_week=2), "same_time_of_day: 7", id="a spike"),
        pytest.param(Asked("orders", kind="threshold", window=DAY, per_week=2), "window: day, above: ", id="a day"),
        pytest.param(Asked("orders", kind="spike", window=DAY, per_week=2), "window: day, base", id="a day's spike"),
        pytest.param(Asked("orders", kind="absence"), "hours: ['Mon-Sun 09:00-17:00']", id="an absence"),
        pytest.param(Asked("orders", per_week=0.3, name="MyRule"), "- name: MyRule", id="hardly ever"),
    ],
)
def test_a_suggestion_keeps_its_promise(shop, asked, said):
    """Pasted beside the rules it has no fault, and tells in a backtest what it said it would, at most so often."""
    events = shop / ("nine-days.ndjson" if asked.kind in ("spike", "absence") else "events.ndjson")
    found = suggest(asked, shop / "rules", [events], zone=ZONE)
    pasted = shop / "rules" / "suggested.yml"
    try:
        pasted.write_text(found.text)
        loaded = load_rules(shop / "rules")
        assert [str(f) for f in loaded.faults] == []
        plan = load_rules(pasted).plan
    finally:
        pasted.unlink()
    assert [r.name for r in plan.rules] == [found.name]
    replay = bt.backtest(plan, [events], zone=ZONE)
    told = [e for e in bt.episodes(replay.transitions) if e.fired is not None]
    assert len(told) == len(found.episodes) <= asked.per_week * found.weeks
    assert f"This would have spoken {times_text(len(told), found.weeks)} " in found.text
    assert said in found.text


CANDIDATES = (
    MEASURES
    + """\
  - name: Rise
    by: [channel]
    spike: {measure: orders, window: 1h, baseline: {same_time_of_day: 3}, above: 2x, at_least: 8, usual_at_least: 2}
    clear: {below: 1.5x}
  - {name: Sum, spike: {measure: orders, window: 2h, baseline: {previous: 6h}, above: 5 more, at_least: 9}}
  - {name: Far, spike: {measure: orders, window: 1h, baseline: {same_time_of_day: 3}, deviations: 2, at_least: 8}}
  - name: Both
    spike: {measure: orders, window: 1h, baseline: {same_time_of_day: 3}, above: 2x, below: 0.5x, at_least: 8}
  - name: Fall
    by: [channel]
    spike: {measure: orders, window: 1h, baseline: {same_time_of_day: 3}, below: 0.6x, usual_at_least: 2}
    clear: {above: 0.8x}
  - name: Deep
    by: [channel]
    spike: {measure: orders, window: 1h, baseline: {same_time_of_day: 3}, below: 0.3x, usual_at_least: 2}
"""
)


def test_what_is_not_looked_at_would_have_said_nothing(shop):
    """A judge that leaves out instants at which nothing is far, or looks once for all, says what the judge says."""
    plan = load_texts({"rules.yml": CANDIDATES}).plan
    events = [shop / "events.ndjson"]
    said = bt.backtest(plan, events, zone=ZONE)
    assert {t.rule for t in said.transitions} == {"Rise", "Sum", "Far", "Both", "Fall", "Deep"}
    tried = bt.backtest(plan, events, zone=ZONE, attach=partial(CandidateShortcut.attached, plan))
    assert tried.transitions == said.transitions
    assert tried.judge.counts.visits < said.judge.counts.visits * 0.8


def test_rushes_are_what_a_threshold_finds(shop):
    """Two a week are asked for; the six rushes are among what it would have told."""
    found = suggest(Asked("orders", kind="threshold", per_week=2), shop / "rules", [shop / "events.ndjson"], zone=ZONE)
    fired = [datetime.fromisoformat(e.fired) for e in found.episodes]
    assert {((t - BEGIN).days, t.hour) for t in fired} == RUSHES
    assert re.search(r"because otherwise the same with `above: [0-9.]+` .* in 3 weeks", found.text)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param(Asked("order"), "did you mean 'orders'", id="an unknown measure"),
        pytest.param(Asked("stock", kind="spike"), "a level has no spike", id="a spike of a level"),
        pytest.param(Asked("orders", by=("chanel",)), "says its 'chanel'; did you mean 'channel'", id="a label"),
    ],
)
def test_what_cannot_be_suggested_is_said(shop, asked, said):
    """One line."""
    with pytest.raises(RuleError, match=said):
        suggest(asked, shop / "rules", [shop / "events.ndjson"], zone=ZONE)


def test_expected_hours_are_those_of_most_weeks():
    """Once in four weeks is no habit; days that are alike are one stretch."""
    seen = bt.Replay(first=BEGIN, last=BEGIN + timedelta(days=28))
    hours = {int((BEGIN + timedelta(days=d, hours=h)).timestamp()) // 3600 for d in range(28) for h in range(9, 17)}
    hours.add(int((BEGIN + timedelta(days=2, hours=17)).timestamp()) // 3600)
    hours -= {int((BEGIN + timedelta(days=d, hours=h)).timestamp()) // 3600 for d in (6, 13, 20, 27) for h in range(24)}
    assert [repr_hours(h) for h in expected_hours(hours, seen, ZONE)] == ["'Mon-Sat 09:00-17:00'"]
    always = set(range(int(BEGIN.timestamp()) // 3600, int(seen.last.timestamp()) // 3600 + 1))
    assert expected_hours(always, seen, ZONE) == []
