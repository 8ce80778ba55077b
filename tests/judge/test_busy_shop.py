"""A shop is told the same however its events reach the judges: what the judge leaves out makes no difference.

The transitions of recorded workloads are compared, by id, state and instant where flushes differ, byte for byte where
they are the same. `tests/bench/stages.py` measures the same workloads.
"""

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from tests.workload import quiet
from tests.workload.fold import Fold, MakeJudge, plain_judge
from tests.workload.shop import events, rules

from lockstep.adapters.rule_files import load_rules
from lockstep.judge.judge import Judge
from lockstep.judge.state import Sizes
from lockstep.rule.condition.kinds import Plan
from lockstep.rule.language.load import load_texts

MINUTES, PER_MINUTE = 60, 120
GROUPS = 100_000
"""Products of the shop with the name "wide"."""
EVERY_KIND = Path(__file__).parent / "stored"

Told = set[tuple[str, str, datetime]]


@cache
def plan_of(name: str) -> Plan:
    if name == "every kind":
        found = load_rules(EVERY_KIND)
    else:
        by_word = {"quiet": quiet.RULES, "daily": quiet.SEASONAL_RULES, "weekly": quiet.SEASONAL_RULES}
        texts = by_word.get(name.split()[0]) or rules(10 if name == "10" else 1, per_minute=700)
        found = load_texts({"r.yml": texts})
    assert found.plan is not None
    assert not [fault for fault in found.faults if fault.level == "error"]
    return found.plan


@cache
def shop(name: str) -> list[tuple[str, bytes]]:
    """The events on which the rules of this name are judged: of a busy shop, or of a quiet one with a seed.

    daily, weekly: it is open for a quarter of an hour of each day or week.
    """
    word, _, seed = name.partition(" ")
    if word == "quiet":
        return list(quiet.events(int(seed)))
    if word in ("daily", "weekly"):
        days = 1 if word == "daily" else 7
        return list(quiet.events(int(seed), minutes=150, open_for=15, every=timedelta(days=days)))
    if name == "wide":
        return list(events(GROUPS + GROUPS // 5, MINUTES // 3, skus=GROUPS, even=True))
    minutes = MINUTES // 2 if name == "10" else MINUTES  # the slow twin takes long over two hundred rules
    return list(events(minutes * PER_MINUTE, minutes, skus=40))


def late_judge(plan: Plan, partition: int, partitions: int) -> Judge:
    """One that gives no verdict before its bucket has closed."""
    return Judge(plan, zone=ZoneInfo("Europe/London"), partition=partition, partitions=partitions, early=False)


def small_pages(plan: Plan, partition: int, partitions: int) -> Judge:
    """One that writes pages, parts and a divided journal all the time."""
    sizes = Sizes(rows=8, journal=50, bytes=2_000, buckets=6)
    return Judge(plan, zone=ZoneInfo("Europe/London"), partition=partition, partitions=partitions, sizes=sizes)


def slow_twin(plan: Plan, partition: int, partitions: int, *, early: bool = True) -> Judge:
    """One that gives a verdict on everything."""
    zone = ZoneInfo("Europe/London")
    return Judge(plan, zone=zone, partition=partition, partitions=partitions, early=early, screened=False)


def late_twin(plan: Plan, partition: int, partitions: int) -> Judge:
    return slow_twin(plan, partition, partitions, early=False)


def published(name: str, per_flush: int, make: MakeJudge, **more: Any) -> list[list[bytes]]:
    made = {key: more.pop(key) for key in ("samples", "chunk_size") if key in more}
    fold = Fold(plan_of(name), make=make, **made)
    fold.run(shop(name), per_flush, **more)
    return fold.published


def told(name: str, per_flush: int, *, samples: int = 1, **more: Any) -> Told:
    made = {key: more.pop(key) for key in ("make", "chunk_size") if key in more}
    fold = Fold(plan_of(name), samples=samples, **made)
    fold.run(shop(name), per_flush, **more)
    read = [msgspec.json.decode(value)["data"] for cut in fold.published for value in cut]
    return {(t["transition_id"], t["state"], t["at"]) for t in read}


@cache
def expected(name: str) -> Told:
    return told(name, 2_000)


@pytest.mark.parametrize("name", ["1", "10", "every kind", "quiet 1", "daily 1", "weekly 1"])
def test_the_workload_says_something(name):
    """Of every state, so that a difference would be seen."""
    assert len(expected(name)) > 100
    assert {state for _, state, _ in expected(name)} >= {"firing", "resolved"}


@pytest.mark.parametrize(
    ("name", "per_flush", "more"),
    [
        pytest.param("1", 20, {}, id="few events a flush"),
        pytest.param("1", 4_000, {"samples": 4}, id="many events a flush, four judges"),
        pytest.param("1", 150, {"samples": 2, "cut_every": 3, "again": 2}, id="restored again and again"),
        pytest.param(
            "1",
            100,
            {"make": small_pages, "cut_every": 2, "again": 7, "chunk_size": 99},
            id="restored from small pages",
        ),
        pytest.param("1", 200, {"make": late_judge}, id="nothing before its bucket has closed"),
        pytest.param("10", 700, {"samples": 2}, id="two hundred rules"),
        pytest.param("every kind", 25, {}, id="every kind, few events a flush"),
        pytest.param("every kind", 200, {"cut_every": 2, "again": 3}, id="every kind, restored again and again"),
        pytest.param(
            "every kind",
            90,
            {"make": small_pages, "samples": 2, "again": 4, "chunk_size": 50},
            id="every kind, restored from small pages",
        ),
        pytest.param("every kind", 300, {"make": late_judge}, id="every kind, nothing early"),
    ],
)
def test_it_is_told_the_same(name, per_flush, more):
    """Flushes, partitions, restarts and early verdicts change what is said when, never what."""
    assert told(name, per_flush, **more) == expected(name)


@pytest.mark.parametrize(
    ("name", "per_flush", "more"),
    [
        pytest.param("1", 15, {}, id="few events a flush"),
        pytest.param("1", 400, {"again": 3}, id="many events a flush, restored"),
        pytest.param("10", 1_500, {}, id="two hundred rules"),
        pytest.param("every kind", 40, {"again": 5}, id="every kind, restored"),
        pytest.param("quiet 1", 4, {}, id="quiet, few events a flush"),
        pytest.param("quiet 2", 12, {"samples": 2, "again": 9}, id="quiet, two judges, restored"),
        pytest.param("quiet 3", 60, {"again": 2}, id="quiet, restored"),
        pytest.param("quiet 4", 450, {}, id="quiet, many minutes at once"),
        pytest.param("daily 1", 5, {"again": 9}, id="daily, few events a flush, restored"),
        pytest.param("daily 2", 90, {"samples": 2}, id="daily, many events a flush"),
        pytest.param("weekly 1", 7, {}, id="weekly, few events a flush"),
        pytest.param("weekly 2", 60, {"again": 3}, id="weekly, many events a flush, restored"),
    ],
)
@pytest.mark.parametrize(
    ("fast", "slow"),
    [pytest.param(plain_judge, slow_twin, id="early"), pytest.param(late_judge, late_twin, id="after the close")],
)
def test_what_is_left_out_says_nothing(name, per_flush, more, fast, slow):
    """Byte for byte what a judge says that gives a verdict on everything, with the same flush."""
    assert published(name, per_flush, fast, **dict(more)) == published(name, per_flush, slow, **dict(more))


@pytest.mark.soak
@pytest.mark.parametrize(
    ("fast", "slow"),
    [pytest.param(plain_judge, slow_twin, id="early"), pytest.param(late_judge, late_twin, id="after the close")],
)
def test_a_hundred_thousand_groups_are_told_the_same(fast, slow):
    """As above, with more products than fit into any shortcut of a small shop, and restored half way."""
    assert published("wide", 12_000, fast, again=5) == published("wide", 12_000, slow, again=5)


@pytest.mark.parametrize(("name", "per_flush"), [("1", 150), ("every kind", 100), ("quiet 5", 30)])
def test_a_restart_says_nothing_else(name, per_flush):
    """Byte for byte what a judge says that goes on, whatever is in pages, parts and journal."""
    more = {"samples": 2, "chunk_size": 99}
    went_on = published(name, per_flush, plain_judge, **more)
    for make, again in ((small_pages, 3), (small_pages, 16), (plain_judge, 5)):
        assert published(name, per_flush, make, **more, again=again) == went_on
