"""A transition carries the verdict behind it, as it was judged, and two plain lines say it."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from comparison import plain
from judge_pipeline import Pipeline, arrivals
from shorthand import LONDON, ORDERS, clock, event, many, orders, plan, rule, sessions, stock, when
from test_handbook_conditions import ORDER, daily, example

from lockstep.notify.message import Writer
from lockstep.notify.message_reason import where_more_is, why_lines
from lockstep.rule.condition.kinds import Plan
from lockstep.rule.language.load import load_texts
from lockstep.tools.backtest.replay import replay_events
from lockstep.transition import Transition, TransitionName, decode, encode

MEASURES = """
measures:
  orders: {count: order.placed}
  stock: {last: available, of: stock.level}
  sessions: {count: traffic.session}
  part: {average: total, of: order.placed}
rules:
"""


def written(text: str) -> Plan:
    """The plan of rules as their authors write them."""
    loaded = load_texts({"example.yml": MEASURES + text})
    assert not loaded.faults, loaded.faults
    return loaded.plan


def told(watched: Plan, events: list[dict[str, Any]], until: str | None = None) -> list[Transition]:
    return replay_events(watched, events, zone=LONDON, until=None if until is None else clock(until))


def weekly(*counts: int, then: int) -> list[dict[str, Any]]:
    """So many orders in the hour from noon of each earlier week, oldest first, and today."""
    first = [event("order.placed", clock("00:00") - timedelta(days=40), "first", **{**ORDER, "channel": "app"})]
    noon, found = clock("12:30"), list(enumerate(reversed((*counts, then))))
    return first + [event("order.placed", noon - timedelta(weeks=w), w, count=n, **ORDER) for w, n in found if n]


SPIKE = """
  - name: OrderSpike
    by: [channel]
    spike: {measure: orders, window: 1h, above: 2x, at_least: 20, usual_at_least: 3, chance: 1 in 1000,
            baseline: {same_time_of_week: 4, otherwise: {previous: 4h}}}
"""


@pytest.mark.parametrize(
    ("text", "events", "until", "expected"),
    [
        pytest.param(
            SPIKE,
            weekly(9, 12, 11, 14, then=41),
            "13:00",
            [
                "orders: 41 within 1 hour, usually 11.5, the median of 9, 12, 11, 14 in the last 4 weeks"
                "; 3.6x the usual",
                "The rule asks for more than 2 times the usual; at least 20; a usual of at least 3; what chance does "
                "less than once in 1,000 (once in 100,000,000)",
            ],
            id="spike: the weeks that it compares with, and every minimum",
        ),
        pytest.param(
            "  - {name: Rush, by: channel, threshold: {measure: orders, window: 15m, above: 20}, clear: {below: 5}}\n",
            orders("web: 12:01 *25"),
            "12:02",
            ["orders: 25 within 15 minutes", "The rule asks for above 20 (warning)"],
            id="threshold: its level, not what ends it",
        ),
        pytest.param(
            "  - {name: LowStock, by: [sku], threshold: {measure: stock, at_most: 5}}\n",
            stock("A: 12:00 3"),
            "12:02",
            ["stock: 3", "The rule asks for at most 5 (warning)"],
            id="a level has no window",
        ),
        pytest.param(
            "  - {name: Conversion, share: {measure: orders, of: sessions, window: 1h, below: 2%, of_at_least: 100}}\n",
            [*orders("web: 10:00, 12:01 *3"), *sessions("-: 10:00, 12:02 *400")],
            "13:00",
            [
                "(orders / sessions): 3 of 400 within 1 hour (0.75%)",
                "The rule asks for below 2% (warning); at least 100 in all",
            ],
            id="ratio: both numbers",
        ),
        pytest.param(
            """
  - name: BusyAndLow
    all:
      - threshold: {measure: sessions, window: 10m, above: 5}
      - any:
          - threshold: {measure: orders, window: 10m, above: 50}
          - threshold: {measure: orders, window: 10m, above: 2}
""",
            [*sessions("-: 12:01 *9"), *orders("web: 12:01 *4")],
            "12:05",
            [
                "sessions: 9 within 10 minutes and orders: 4 within 10 minutes",
                "The rule asks for above 5 (warning); above 2 (warning)",
            ],
            id="all and any: what holds, not what does not",
        ),
    ],
)
def test_why_it_fires(text, events, until, expected):
    """Value, window, what is usual with its weeks, and what the rule asks for."""
    fired = next(t for t in told(written(text), events, until) if t.state is TransitionName.FIRING)
    assert why_lines(fired) == expected


@pytest.mark.parametrize(
    ("name", "events", "until", "expected"),
    [
        pytest.param(
            "StockDropped",
            stock("A: 12:00 100, 13:10 80, 13:20 50, 14:30 50"),
            "15:00",
            "stock: 50 within 1 hour, 100 before",
            id="change",
        ),
        pytest.param(
            "NewCampaign",
            [
                *daily("order.placed", 1, 40, **ORDER, campaign="always"),
                *many("order.placed", "june: 12:30", label="campaign", **ORDER),
            ],
            "14:00",
            "orders: 1 within 1 hour",
            id="new value",
        ),
    ],
)
def test_of_other_conditions(name, events, until, expected):
    """Each kind says what it compares with, in its own words."""
    assert why_lines(told(example(name), events, until)[0])[0] == expected


def test_a_number_is_rounded_once():
    """The headline, the words beside the bars, the reason and a text of the rule show one number for what is usual."""
    text = """\
  - name: R
    spike: {measure: orders, window: 15m, baseline: {previous: 1h}, above: 2x, at_least: 10, usual_at_least: 2}
    say: {marketing: "usually {{ baseline }}"}
"""
    events = orders("-: 11:05 *15, 12:05 *20")
    fired = next(t for t in told(written(text), events, "12:30") if t.state is TransitionName.FIRING)
    rule = written(text).rules[0]
    item = Writer(LONDON).item(fired, rule, ["marketing"])
    assert fired.baseline == 3.75
    assert item.headline == "R, the whole shop: 20 within 15 minutes, usually 3.8"
    assert (item.usual, item.texts["marketing"]) == ("3.8", "usually 3.8")
    assert "usually 3.8, as in the 1 hour before" in item.why[0]


IN_PERCENT = [
    pytest.param("threshold: {measure: part, window: 10m, above: 25%}", id="its own number"),
    pytest.param("threshold: {measure: part, window: 10m, levels: {warning: {above: 25%}}}", id="a level's"),
    pytest.param("condition: high", id="a named condition's"),
    pytest.param("threshold: {measure: part, window: 10m, above: $most}", id="a variable's"),
    pytest.param(
        "threshold: {measure: part, window: 10m, above: 0.9}, overrides: [{match: {channel: web}, above: 25%}]",
        id="an override's alone",
    ),
    pytest.param(
        "threshold: {measure: part, window: 10m, above: 0.9}, "
        "overrides: [{match: {channel: web}, levels: {warning: {above: 0.25, clear: {below: 10%}}}}]",
        id="that of an override's level at which it ends",
    ),
    pytest.param(
        "threshold: {measure: part, window: 10m, above: 0.25}, clear: {below: 20%}", id="that at which it ends"
    ),
]
PERCENT_NAMES = """
variables: {most: 25%}
conditions:
  high: {threshold: {measure: part, window: 10m, above: 25%}}
  higher: {threshold: {measure: part, window: 10m, above: $most}}
"""


@pytest.mark.parametrize("condition", IN_PERCENT)
def test_percents_of_a_rule_stay_percents(condition):
    """`25%` of an average is told as 25%, and so is what was measured, wherever its author wrote a percent."""
    plan_in_percent = written(f"  - {{name: R, by: channel, {condition}}}\n{PERCENT_NAMES}")
    events = [{**event, "data": {**event["data"], "total": 0.5}} for event in orders("web: 12:01 *4")]
    fired = next(t for t in told(plan_in_percent, events, "12:15") if t.state is TransitionName.FIRING)
    assert why_lines(fired) == ["part: 50% within 10 minutes", "The rule asks for above 25% (warning)"]
    assert Writer(LONDON).headline(fired, None) == "R, web: 50% within 10 minutes, the limit is 25%"


@pytest.mark.parametrize("condition", IN_PERCENT)
def test_a_percent_is_no_other_rule(condition):
    """How a number is written is no part of what is judged: nothing that was stored is forgotten for it."""
    in_percent = f"  - {{name: R, by: channel, {condition}}}\n{PERCENT_NAMES}"
    in_numbers = in_percent.replace("25%", "0.25").replace("20%", "0.2").replace("10%", "0.1")
    assert written(in_percent).rules[0].version == written(in_numbers).rules[0].version


def test_the_end_says_its_own_numbers():
    """Resolved: what it is by then, and nothing of what the rule asks for at its beginning."""
    said = told(written(SPIKE), weekly(9, 12, 11, 14, then=41), "16:00")
    (line,) = why_lines(said[-1])
    assert said[-1].state is TransitionName.RESOLVED
    assert line.startswith("orders: 0 within 1 hour, usually ")


def test_a_rule_that_ends_needs_no_numbers():
    """The rule's own end is the reason; its last verdict would mislead."""
    said = told(written(SPIKE.rstrip() + "\n    expires: 2026-01-14\n"), weekly(9, 12, 11, 14, then=41), "23:00")
    ended = msgspec.structs.replace(said[0], state=TransitionName.RESOLVED, reason="expired")
    assert why_lines(ended) == []


def test_numbers_are_those_of_the_verdict_that_led_to_it():
    """A `for` that ends much later tells what was judged last, with its own window."""
    watched = plan(rule(when(ORDERS, "above 5", window=3_600), hold=1_200))
    fired = told(watched, orders("web: 12:01 *9"), "13:30")[1]
    assert (fired.state, fired.at, fired.value) == (TransitionName.FIRING, "2026-01-14T12:22:00Z", 9.0)
    assert fired.explanation is not None
    assert fired.explanation.window_end == fired.window_end
    assert fired.explanation.asked == {"warning": "above 5"}


def test_it_survives_the_log():
    """What is read from `lockstep.alerts` is what was written."""
    (fired,) = told(written(SPIKE), weekly(9, 12, 11, 14, then=41), "13:00")
    assert decode(encode(fired)) == fired
    assert [s.value for s in fired.explanation.history] == [9, 12, 11, 14]
    assert [s.start for s in fired.explanation.history][-1] == "2026-01-07T11:31:00Z"


def test_cut_between_the_verdict_and_its_timer():
    """A judge that is restored from its state tells the same: history and parts come back with the verdict."""
    text = (
        SPIKE.rstrip()
        + "\n    for: 20m\n"
        + """
  - name: Both
    for: 20m
    all:
      - threshold: {measure: orders, window: 1h, above: 5}
      - not: {threshold: {measure: sessions, window: 1h, above: 5}}
"""
    )
    watched = written(text)
    events = weekly(9, 12, 11, 14, then=41) + orders("app: 12:59, 13:40") + sessions("-: 12:00, 13:40")
    whole = [t for t in map(plain, told(watched, events, "13:30")) if t["state"] != "resolved"]
    pipeline = Pipeline(watched, sources=1, samples=1)
    for item in arrivals(
        watched, sorted(events, key=lambda e: e["time"]), sources=1, jitter=[0.0], spread=[0], again=[]
    ):
        pipeline.arrive(*item)
        for role in ("orders", "traffic"):
            pipeline.measure((role, 0))
            pipeline.commit_source((role, 0))
        pipeline.judge(0)
        pipeline.cut(0)
        pipeline.crash_judge(0)
    said = [t for t in pipeline.finish(clock("13:30")) if t["state"] != "resolved"]
    assert [(t["rule"], t["state"], t["explanation"]) for t in said] == [
        (t["rule"], t["state"], t["explanation"]) for t in whole
    ]
    assert [(t["rule"], len(t["explanation"].parts), len(t["explanation"].history)) for t in said] == [
        ("OrderSpike", 0, 4),
        ("OrderSpike", 0, 4),
        ("Both", 2, 0),
        ("Both", 2, 0),
    ]


@pytest.mark.parametrize(
    ("public_url", "expected"),
    [
        pytest.param(None, "lockstep explain {id}", id="the command"),
        pytest.param("https://l.shop.example/", "https://l.shop.example/v1/explain?what={id}", id="a link"),
    ],
)
def test_where_more_is(public_url, expected):
    """Where all numbers are: a link where people reach the service, else what to type."""
    (fired,) = told(written(SPIKE), weekly(9, 12, 11, 14, then=41), "13:00")
    assert where_more_is(fired, public_url) == expected.format(id=fired.alert_id)
    item = Writer(LONDON, public_url).item(fired, None, ("marketing",))
    assert item.more == expected.format(id=fired.alert_id)
    assert item.why == tuple(why_lines(fired))
