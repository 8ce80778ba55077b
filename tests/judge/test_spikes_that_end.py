"""A ratio to next to nothing says nothing: it begins no spike and keeps none open, so none swallows the next one."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from comparison import judged
from shorthand import clock, event, lines

from lockstep.explanation import ask
from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest.replay import replayed

UTC = ZoneInfo("UTC")
FIRST = clock("09:00", "2026-01-12")
RULES = """
measures:
  orders: {count: order.placed}
  sessions: {count: traffic.session}
rules:
  - {name: R, by: [channel], CONDITION}
"""
RISE = "spike: {measure: orders, window: 1h, baseline: {same_time_of_day: 3}, above: 2.5x, at_least: 20 MORE}"
FALL = "spike: {measure: orders, window: 1h, baseline: {same_time_of_day: 3}, below: 0.5x MORE}"
LEAST = ", usual_at_least: 2"


def plan_of(condition):
    loaded = load_texts({"r.yml": RULES.replace("CONDITION", condition)})
    assert loaded.errors == ()
    return loaded.plan


def shop(changed):
    """Six orders an hour, every ten minutes from nine to noon, on five days. changed: (day, hour) → orders in it."""
    found = []
    for day in range(1, 6):
        for hour in range(9, 12):
            count = changed.get((day, hour), 6)
            for i in range(count):
                at = FIRST + timedelta(days=day - 1, hours=hour - 9, minutes=60 * i // count)
                found.append(
                    event("order.placed", at, f"{day}/{hour}/{i}", order_id="o", total=1.0, lines=[], channel="web")
                )
    for (day, hour), count in changed.items():
        for i in range(count if hour >= 12 else 0):
            at = FIRST + timedelta(days=day - 1, hours=hour - 9, minutes=60 * i // count)
            found.append(
                event("order.placed", at, f"{day}/{hour}/{i}", order_id="o", total=1.0, lines=[], channel="web")
            )
    return found


TWO = {(4, 11): 60, (5, 9): 60}
DAY_4, DAY_5 = "2026-01-15", "2026-01-16"


@pytest.mark.parametrize(
    ("condition", "changed", "expected"),
    [
        pytest.param(
            RISE.replace("MORE", LEAST) + ", clear: {below: 1.5x}, keep_firing_for: 30m",
            TWO,
            [
                f"{DAY_4} 11:16 web firing",
                f"{DAY_4} 13:11 web resolved",
                f"{DAY_5} 09:20 web firing",
                f"{DAY_5} 11:28 web resolved",
            ],
            id="the shop closes: the spike of the day before is over, today's is an alert of its own",
        ),
        pytest.param(
            RISE.replace("MORE", LEAST) + ", clear: {below: 1.5x}",
            TWO,
            [
                f"{DAY_4} 11:16 web firing",
                f"{DAY_4} 12:41 web resolved",
                f"{DAY_5} 09:20 web firing",
                f"{DAY_5} 10:58 web resolved",
            ],
            id="at once, where nothing keeps it firing",
        ),
        pytest.param(
            RISE.replace("MORE", "") + ", clear: {below: 1.5x}",
            TWO,
            [
                f"{DAY_4} 11:16 web firing",
                f"{DAY_4} 12:51 web resolved",
                f"{DAY_5} 09:20 web firing",
                f"{DAY_5} 10:58 web resolved",
            ],
            id="without a minimum: nothing is a multiple of nothing",
        ),
        pytest.param(
            RISE.replace("MORE", ", usual_at_least: 0") + ", clear: {below: 1.5x}",
            TWO,
            [
                f"{DAY_4} 11:16 web firing",
                f"{DAY_4} 13:00 web resolved",
                f"{DAY_5} 09:20 web firing",
                f"{DAY_5} 10:58 web resolved",
            ],
            id="where nothing is a usual value, 0 where 0 is usual is in no band",
        ),
        pytest.param(
            RISE.replace("MORE", ", deviations: 3" + LEAST) + ", clear: {below: 1.5x}",
            TWO,
            [
                f"{DAY_4} 11:16 web firing",
                f"{DAY_4} 12:41 web resolved",
                f"{DAY_5} 09:20 web firing",
                f"{DAY_5} 10:58 web resolved",
            ],
            id="with deviations, too",
        ),
        pytest.param(
            RISE.replace("MORE", LEAST) + ", clear: {below: 4 more}",
            {(4, 11): 60, (4, 12): 60},
            [f"{DAY_4} 11:16 web firing", f"{DAY_4} 13:57 web resolved"],
            id="a number in clear needs no usual value: it goes on until less than 4 are left",
        ),
        pytest.param(
            RISE.replace("MORE", LEAST) + ", clear: {below: 1.5x and 4 more}",
            {(4, 11): 60, (4, 12): 60},
            [f"{DAY_4} 11:16 web firing", f"{DAY_4} 13:57 web resolved"],
            id="of a clear with both, the number is left",
        ),
        pytest.param(
            FALL.replace("MORE", LEAST) + ", clear: {above: 0.8x}",
            {(4, 11): 0},
            [f"{DAY_4} 11:31 web firing", f"{DAY_4} 12:41 web resolved"],
            id="a fall is over when the shop closes",
        ),
        pytest.param(
            FALL.replace("MORE", ", usual_at_least: 0") + ", clear: {above: 0.8x}",
            {(4, 11): 0},
            [f"{DAY_4} 11:31 web firing", f"{DAY_4} 12:51 web resolved"],
            id="and where nothing is a usual value, when nothing is usual",
        ),
        pytest.param(
            "any: [{" + RISE.replace("MORE", LEAST) + ", clear: {below: 1.5x}}, "
            "{threshold: {measure: orders, window: 1h, above: 1000}}]",
            TWO,
            [
                f"{DAY_4} 11:16 web firing",
                f"{DAY_4} 12:41 web resolved",
                f"{DAY_5} 09:20 web firing",
                f"{DAY_5} 10:58 web resolved",
            ],
            id="a part of any does not go on either",
        ),
        pytest.param(
            "all: [{" + RISE.replace("MORE", LEAST) + ", clear: {below: 1.5x}}, "
            "{threshold: {measure: orders, window: 1h, at_least: 0}}]",
            TWO,
            [
                f"{DAY_4} 11:16 web firing",
                f"{DAY_4} 12:41 web resolved",
                f"{DAY_5} 09:20 web firing",
                f"{DAY_5} 10:58 web resolved",
            ],
            id="nor one of all",
        ),
    ],
)
def test_a_spike_ends_where_its_usual_value_does(condition, changed, expected):
    """The first days are what is usual; the slow judge agrees."""
    found = judged(plan_of(condition), shop(changed), zone=UTC, until=clock("18:00", DAY_5))
    assert [line.removesuffix(" warning") for line in lines(found)] == expected


KEEP = RISE.replace("MORE", LEAST) + ", clear: {below: 1.5x}, keep_firing_for: 30m"


@pytest.mark.parametrize(
    ("condition", "changed", "at", "expected"),
    [
        pytest.param(
            KEEP,
            TWO,
            "12:50",
            "it is clear since Thu 15 Jan 12:41 and goes on firing until Thu 15 Jan 13:11 (keep_firing_for): "
            "orders is 10 where 1 is usual (10x), but usual_at_least asks for 2, it is 1",
            id="it waits for keep_firing_for",
        ),
        pytest.param(
            KEEP,
            TWO,
            "13:30",
            "it does not fire: orders is 0 where 0 is usual, too little to compare with: usual_at_least asks for 2",
            id="at night",
        ),
        pytest.param(
            RISE.replace("MORE", ""),
            {},
            "13:30",
            "it does not fire: orders is 0 where 0 is usual, and nothing is a multiple of nothing",
            id="at night, without a minimum",
        ),
        pytest.param(
            RISE.replace("MORE", LEAST) + ", clear: {below: 4 more}",
            {(4, 11): 60, (4, 12): 60},
            "13:50",
            "it goes on firing, in the band between breach and clear: orders is 10 where 0 is usual (asked: above 2.5; "
            "at_least 20; usual_at_least 2; clear below the usual by 4)",
            id="a number in clear says why it goes on",
        ),
    ],
)
def test_a_spike_says_why_it_is_over(condition, changed, at, expected):
    """Nobody is told that 0 goes on firing where 0 is usual."""
    replay = replayed(plan_of(condition), shop(changed), zone=UTC, until=clock(at, DAY_4))
    (found,) = ask([replay.judge], "R", {"channel": "web"})
    assert found.why == expected
