"""Where a backtest's events and rules come from: files in any order, a broker, an earlier version."""

import gzip
import json
import random
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from lockstep.adapters.stream.sqlite import SqliteBroker
from lockstep.errors import EventError, RuleError, SettingsError
from lockstep.ports import Record, TopicSpec
from lockstep.rule.language.lint.warnings import history_s
from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest import replay as bt
from lockstep.tools.backtest.revision import load_version
from lockstep.tools.backtest.spool import spool
from lockstep.tools.retail import ZONE

RULES = """\
measures: {stock: {last: available, of: stock.level}, orders: {count: order.placed}}
rules:
  - {name: Low, by: [sku], threshold: {measure: stock, at_most: 20}}
"""
PLAN = load_texts({"rules.yml": RULES}).plan
BEGIN = datetime(2026, 1, 5, 9, tzinfo=UTC)


def levels(count):
    draw = random.Random(count)
    for i in range(count):
        data = {"sku": draw.choice("AB"), "available": draw.randrange(60)}
        time = (BEGIN + timedelta(minutes=i)).isoformat()
        yield {"id": str(i), "source": "/t", "type": "stock.level", "time": time, "data": data}


def written(path, events):
    text = "".join(json.dumps(e) + "\n" for e in events).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


HERE, ON_DISK, BESIDE = bt.Limits(), bt.Limits(in_memory=7), bt.Limits(beside=0)


@pytest.mark.parametrize(
    "limits", [HERE, ON_DISK, BESIDE], ids=["in memory", "in sorted runs on disk", "in a process beside"]
)
@pytest.mark.parametrize("name", ["events.ndjson", "events.ndjson.gz"])
def test_order_does_not_matter(tmp_path, limits, name):
    """Shuffled lines, bad ones between them, in two files: the same transitions, the same complaints."""
    events = list(levels(100))
    expected = bt.replayed(PLAN, events, zone=ZONE).transitions
    assert len(expected) > 20
    random.Random(1).shuffle(events)
    bad = {**events[0], "data": {"sku": "A"}}
    files = [written(tmp_path / f"1{name}", [*events[:60], bad]), written(tmp_path / f"2{name}", events[60:])]
    found = bt.backtest(PLAN, files, zone=ZONE, limits=limits)
    assert found.transitions == expected
    assert (found.events, found.bad, [r.first for r in found.refused]) == (100, 1, [f"{files[0]}:61"])


@pytest.mark.parametrize("name", ["events.ndjson", "events.ndjson.gz"])
@pytest.mark.parametrize("shuffled", [False, True])
def test_progress_ends_at_all(tmp_path, name, shuffled):
    """It never goes back, and says how many events came."""
    events = list(levels(400))
    if shuffled:
        events.reverse()
    told = []
    path, limits = written(tmp_path / name, events), bt.Limits(at_once=50)
    bt.backtest(PLAN, [path], zone=ZONE, progress=lambda n, done: told.append((n, done)), limits=limits)
    assert sum(n for n, _ in told) == 400
    parts = [done for _, done in told]
    assert parts == sorted(parts)
    assert (len(parts) >= 8, parts[-1]) == (True, 1.0)


@pytest.mark.parametrize("text", [b"\x1f\x8b\x08garbage", gzip.compress(b"{}\n" * 5_000)[:-20]], ids=["odd", "cut off"])
def test_a_broken_archive_is_said(tmp_path, text):
    """One line, no traceback."""
    path = tmp_path / "events.ndjson.gz"
    path.write_bytes(text)
    with pytest.raises(EventError, match="cannot be read to its end"):
        bt.backtest(PLAN, [path], zone=ZONE)


TOPICS = {"inventory": "stock-topic", "orders": "orders"}


async def _filled(tmp_path, events):
    clock = [BEGIN]
    broker = SqliteBroker(f"sqlite:///{tmp_path}/shop.db", group="g", clock=lambda: clock[0])
    await broker.start()
    await broker.declare([TopicSpec("stock-topic", 3)])
    for i, event in enumerate(events):
        clock[0] = datetime.fromisoformat(event["time"])
        value = json.dumps(event, indent=1).encode()
        headers = ()
        if i % 5 == 0:  # binary mode: the envelope is in the headers
            value = json.dumps(event["data"]).encode()
            headers = tuple((f"ce_{k}", v.encode()) for k, v in event.items() if k != "data")
        await broker.publish([Record("stock-topic", value, event["data"]["sku"].encode(), headers=headers)])
    return broker


async def test_topics_are_replayed_like_files(tmp_path):
    """Every partition, structured or binary, from a moment on; the consumer group's positions stay untouched."""
    events = list(levels(60))
    broker = await _filled(tmp_path, events)
    try:
        told = []
        spooled = await spool(broker, TOPICS, tmp_path, since=None, progress=lambda n, done: told.append((n, done)))
        files = spooled.files
        assert (len(files), spooled.events, spooled.missing) == (3, 60, {"orders": "orders"})
        assert (sum(n for n, _ in told), told[-1][1]) == (60, 1.0)
        found = bt.backtest(PLAN, files, zone=ZONE)
        assert (found.events, found.bad) == (60, 0)
        assert found.transitions == bt.replayed(PLAN, events, zone=ZONE).transitions
        later = await spool(broker, TOPICS, tmp_path, since=BEGIN + timedelta(minutes=40))
        assert bt.backtest(PLAN, later.files, zone=ZONE).events == later.events == 20
        assert broker.log.committed("g") == {}
    finally:
        await broker.stop()


async def test_since_is_about_when_things_happened(tmp_path):
    """An old event that was sent today is old; what says no time counts from when it came."""
    events = list(levels(60))
    broker = await _filled(tmp_path, events)
    try:
        late, odd = {**events[0], "id": "late"}, {"id": "odd"}
        await broker.publish([Record("stock-topic", json.dumps(e).encode(), b"A") for e in (late, odd)])
        found = await spool(broker, TOPICS, tmp_path, since=BEGIN + timedelta(minutes=40))
        lines = [json.loads(line) for file in found.files for line in file.read_text().splitlines()]
        assert sorted(e["id"] for e in lines) == sorted([*(e["id"] for e in events[40:]), "odd"])
    finally:
        await broker.stop()


WEEKLY = load_texts(
    {
        "rules.yml": """\
measures: {stock: {last: available, of: stock.level}, orders: {count: order.placed}}
rules:
  - {name: Weekly, spike: {measure: orders, window: 1h, baseline: {same_time_of_week: 4}, above: 2x,
     at_least: 5, usual_at_least: 1}, for: 30m}
  - {name: Many, by: [channel], threshold: {measure: orders, window: 2h, above: 8}, keep_firing_for: 1h}
  - {name: Low, by: [sku], threshold: {measure: stock, at_most: 20}}
"""
    }
).plan


def seven_weeks():
    """An order or three an hour, a rush now and then, one of them across the instant that is asked from."""
    draw = random.Random(5)
    rushes = {*draw.sample(range(7 * 168), 40), SINCE_HOUR - 1, SINCE_HOUR}
    for hour in range(7 * 168):
        for i in range(draw.randrange(9, 14) if hour in rushes else draw.randrange(1, 4)):
            time = BEGIN + timedelta(hours=hour, minutes=4 * i)
            data = {"order_id": f"{hour}-{i}", "total": 1, "channel": "web", "lines": []}
            yield {"id": f"{hour}-{i}", "source": "/t", "type": "order.placed", "time": time.isoformat(), "data": data}


SINCE_HOUR = 6 * 168
SINCE = BEGIN + timedelta(hours=SINCE_HOUR)


@pytest.mark.parametrize("limits", [HERE, ON_DISK, BESIDE], ids=["in memory", "on disk", "beside"])
def test_history_is_judged_and_not_reported(tmp_path, limits):
    """From an instant on a replay says, counts and draws what all of it says of episodes that fired since then."""
    events = list(seven_weeks())
    whole = bt.replayed(WEEKLY, events, zone=ZONE).transitions
    odd = {**events[0], "id": "odd", "data": {}}
    file = written(tmp_path / "events.ndjson", [odd, *events, {**events[-1], "id": "odd too", "data": {}}])
    found = bt.backtest(WEEKLY, [file], zone=ZONE, since=SINCE, limits=limits, watch=True)
    fired = {e.id for e in bt.episodes(whole) if datetime.fromisoformat(e.fired or e.started) >= SINCE}
    assert found.transitions == [t for t in whole if t.episode_id in fired]
    assert {t.rule for t in found.transitions} == {"Weekly", "Many"}
    assert {e.id for e in bt.episodes(whole)} - fired, "some are of before"
    recent = [e for e in events if e["time"] >= SINCE.isoformat()]
    assert (found.events, found.bad) == (len(recent), 2)
    assert (found.first, found.last) == tuple(datetime.fromisoformat(recent[i]["time"]) for i in (0, -1))
    assert found.curves.keys() <= fired


def test_what_all_is_history_is_not_counted(tmp_path):
    """Nothing happened since then, so nothing is told."""
    found = bt.backtest(WEEKLY, [written(tmp_path / "e.ndjson", levels(9))], zone=ZONE, since=SINCE)
    assert (found.events, found.first, found.transitions) == (0, None, [])


def test_so_much_history_is_enough(tmp_path):
    """With what rules say that they need, they say the same as with all that there is."""
    events = list(seven_weeks())
    history = timedelta(seconds=max(history_s(rule) for rule in WEEKLY.rules))
    assert timedelta(days=29) < history < timedelta(days=30)
    whole, part = (
        bt.backtest(WEEKLY, [written(tmp_path / "e.ndjson", chosen)], zone=ZONE, since=SINCE)
        for chosen in (events, [e for e in events if datetime.fromisoformat(e["time"]) >= SINCE - history])
    )
    assert part.transitions == whole.transitions
    assert any(t.rule == "Weekly" for t in whole.transitions)


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        pytest.param("threshold: {measure: stock, at_most: 20}", 0, id="a level"),
        pytest.param("threshold: {measure: orders, window: 12h, above: 2}", 1, id="a window, twice"),
        pytest.param("change: {measure: orders, window: 2d, by: 3}", 5, id="a change: two windows and a day"),
        pytest.param("anomaly: {measure: orders}", 36, id="an anomaly learns for weeks"),
        pytest.param("threshold: {measure: stock, at_most: 20}, for: 1d, cool_down: 2d", 4, id="clocks that run"),
    ],
)
def test_how_much_history_a_rule_needs(rule, days):
    """What it looks back and what its clocks take, and at most a day more."""
    text = RULES.partition("rules:")[0] + f"rules: [{{name: R, {rule}}}]\n"
    (compiled,) = load_texts({"r.yml": text}).plan.rules
    assert history_s(compiled) == days * 86_400


async def test_history_is_read_from_a_broker(tmp_path):
    """It is in the files and none of the events that there must be."""
    events = list(levels(60))
    broker = await _filled(tmp_path, events)
    try:
        since, history = BEGIN + timedelta(minutes=40), timedelta(minutes=15)
        found = await spool(broker, TOPICS, tmp_path, since=since, history=history)
        lines = [line for file in found.files for line in file.read_text().splitlines()]
        assert (found.events, len(lines)) == (20, 35)
        with pytest.raises(SettingsError, match="give --since more time"):
            await spool(broker, TOPICS, tmp_path, since=BEGIN + timedelta(days=1), history=timedelta(days=2))
    finally:
        await broker.stop()


async def test_a_broker_without_our_topics_is_said(tmp_path):
    """Nothing to read is no quiet success."""
    broker = await _filled(tmp_path, [])
    try:
        with pytest.raises(SettingsError, match=r"the topics 'stock-topic' hold no events$"):
            await spool(broker, TOPICS, tmp_path, since=None)
        with pytest.raises(SettingsError, match="hold no events since 2026-01-05 09:00 UTC; give --since more time"):
            await spool(broker, TOPICS, tmp_path, since=BEGIN)
        with pytest.raises(SettingsError, match="none of the topics 'orders' exists"):
            await spool(broker, {"orders": "orders"}, tmp_path, since=None)
    finally:
        await broker.stop()


@pytest.fixture
def repository(tmp_path):
    def git(*arguments):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    folder = tmp_path / "shop" / "rules"
    folder.mkdir(parents=True)
    (folder / "stock.yml").write_text(RULES)
    git("init", "-q")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first")
    (folder / "stock.yml").write_text(RULES.replace("at_most: 20", "at_most: 50"))
    return folder


def test_a_version_is_a_commit_or_a_path(repository):
    """The folder, or one file in it, as it was."""
    now = load_version(str(repository), repository).plan
    for path in (repository, repository / "stock.yml"):
        before = load_version("HEAD", path).plan
        assert before.fingerprint == PLAN.fingerprint != now.fingerprint


@pytest.mark.parametrize("version", ["nowhere", "--output=x", "HEAD~9", ""])
def test_what_is_no_version_is_said(repository, version):
    """Neither a path nor a commit."""
    with pytest.raises(RuleError, match=r"name a folder|commit"):
        load_version(version, repository)
