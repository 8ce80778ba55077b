"""Bounds from elsewhere, judged: another measure's value at the time, or the row of a table."""

import pytest
from comparison import judged, plain
from shorthand import LONDON, clock, event, lines, orders, sessions, stock

from lockstep.explanation import explain
from lockstep.notify.message import limit_text
from lockstep.rule.language.load import load_texts
from lockstep.rule.versions import Version, in_force
from lockstep.tools.backtest.replay import replay_events, replayed

MEASURES = """\
measures:
  orders: {count: order.placed}
  sessions: {count: traffic.session}
  sold: {sum: lines.quantity, of: order.placed}
  stock: {last: available, of: stock.level}
  held: {last: held, of: stock.level}
  floor: {last: reserved, of: stock.level, stale_after: 5m}
  kept: {last: reserved, of: stock.level}
rules:
"""
HELD = "- {name: R, by: [sku], threshold: {measure: stock, at_most: {measure: held}}"
SHOP = (
    "- {name: R, by: [channel], threshold: {measure: orders, window: 2m, above: {measure: orders, by: [], times: 0.6}}}"
)
TRAFFIC = "- {name: R, by: [channel], threshold: {measure: orders, window: 2m, at_least: {measure: sessions, plus: 1}}}"
TABLE = "- {name: R, by: [sku], threshold: {measure: stock, at_most: {file: t.csv}}"


def plan_of(rule, table=""):
    loaded = load_texts({"r.yml": MEASURES + rule, **({"t.csv": table} if table else {})})
    assert loaded.errors == ()
    return loaded.plan


def levels(text):
    """`A: 12:00 available=35 held=30, 12:01 held=40`: one event each."""
    sku, _, rest = text.partition(": ")
    found = []
    for n, item in enumerate(rest.split(", ")):
        time, *words = item.split()
        data = {k: float(v) for k, _, v in (w.partition("=") for w in words)}
        found.append(event("stock.level", clock(time), f"{sku}{n}", **{"sku": sku, "available": 99.0, **data}))
    return found


def test_what_comes_after_a_stale_level_is_no_change():
    """A level that was no data is nothing to compare with; the slow judge agrees."""
    rule = "- {name: R, by: [sku], change: {measure: floor}}"
    events = levels("A: 12:00 reserved=4, 12:05 reserved=5, 12:08 reserved=6")
    told = judged(plan_of(rule), events, until=clock("12:20"))
    assert lines(told) == ["12:08 A firing warning"]


def test_each_measure_says_for_itself_what_is_stale():
    """`kept` is the same level as `floor` and never stale: what is stale to one rule is a change to the other."""
    rules = "- {name: R, by: [sku], change: {measure: floor}}\n- {name: S, by: [sku], change: {measure: kept}}"
    events = levels("A: 12:00 reserved=4, 12:05 reserved=5")
    told = judged(plan_of(rules), events, until=clock("12:20"))
    assert [(t["rule"], *lines([t])) for t in told] == [("S", "12:05 A firing warning")]


def lost(text):
    """`A: 12:00 x3`: one order of three pieces."""
    return [
        event("order.placed", clock(t), f"{sku}{t}", order_id="o", total=1.0,
              lines=[{"sku": sku, "quantity": int(n[1:]), "unit_price": 1}])
        for sku, t, n in ((text.partition(": ")[0], *item.split()) for item in text.partition(": ")[2].split(", "))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "events", "expected"),
    [
        pytest.param(
            HELD + "}",
            levels("A: 12:00 available=30 held=20, 12:01 available=30 held=30, 12:02 available=30 held=29"),
            ["12:01 A firing warning", "12:02 A resolved warning"],
            id="the level stays, its bound moves",
        ),
        pytest.param(
            HELD + "}",
            levels("A: 12:00 available=15 held=10, 12:01 available=8 held=5, 12:02 available=25 held=30"),
            ["12:02 A firing warning"],
            id="two levels of one event are one fact: 8 is never compared with the 10 before",
        ),
        pytest.param(
            HELD + ", clear: {above: {measure: held, times: 1.5}}}",
            levels("A: 12:00 available=10 held=10, 12:01 available=15 held=10, 12:02 available=15 held=9.9"),
            ["12:00 A firing warning", "12:02 A resolved warning"],
            id="a clear that moves with it",
        ),
        pytest.param(
            HELD + "}", levels("A: 12:00 available=0, 12:01 available=0 held=0"), ["12:01 A firing warning"],
            id="without a value of the bound nobody knows",
        ),
        pytest.param(
            HELD + ", no_data: alert}", levels("A: 12:00 available=0"), ["12:00 A firing warning"],
            id="which is no data, and has its policy",
        ),
        pytest.param(
            SHOP, orders("web: 12:00 x1, 12:05 x6; app: 12:05 x5, 12:07 x4"), [
                "12:02 web firing warning", "12:03 web resolved warning",
                "12:08 app firing warning", "12:10 app resolved warning",
            ],
            id="a part of the whole shop",
        ),
        pytest.param(
            TRAFFIC,
            [*orders("web: 12:00 x1, 12:05 x3"), *sessions("web: 12:00 x1, 12:05 x2, 12:06 x1")],
            ["12:06 web firing warning", "12:07 web resolved warning"],
            id="a flow that grows when its own value does not",
        ),
        pytest.param(
            TRAFFIC,
            [*orders("web: 12:00 x1, 12:05 x3"), *sessions("web: 12:00 x1, 12:04 x5")],
            ["12:07 web firing warning", "12:08 web resolved warning"],
            id="what leaves the window of the bound begins a breach",
        ),
        pytest.param(
            "- {name: R, by: [sku], threshold: {measure: stock, at_most: {measure: sold, window: 5m}}}",
            [*stock("A: 12:00 9, 12:20 9"), *lost("A: 12:00 x1, 12:08 x9")],
            ["12:09 A firing warning", "12:14 A resolved warning"],
            id="a level against a flow: judged at bucket ends",
        ),
        pytest.param(
            "- {name: R, by: [sku], threshold: {measure: stock, levels: {warning: {at_most: 20}, "
            "critical: {at_most: {measure: held}}}}}",
            levels("A: 12:00 available=20 held=10, 12:01 available=10 held=10, 12:02 available=10 held=9"),
            ["12:00 A firing warning", "12:01 A severity critical", "12:02 A severity warning"],
            id="one of two levels",
        ),
        pytest.param(
            "- {name: R, by: [sku], threshold: {measure: stock, at_most: 1}, overrides: [{match: {sku: A}, at_most: "
            "{measure: held}}]}",
            [*levels("A: 12:00 available=5 held=5"), *levels("B: 12:00 available=5 held=5")],
            ["12:00 A firing warning"],
            id="in an override",
        ),
        pytest.param(
            "- {name: R, by: [sku], threshold: {measure: stock, at_most: {measure: floor}}}",
            levels("A: 12:00 available=20 reserved=10, 12:10 available=5"), [],
            id="a bound that is stale when the value comes",
        ),
        pytest.param(
            "- {name: R, by: [sku], threshold: {measure: stock, at_most: {measure: floor}}}",
            levels("A: 12:00 available=20 reserved=10, 12:05 available=5"), [],
            id="a bound that becomes stale at the moment at which the value comes",
        ),
        pytest.param(
            "- {name: R, by: [sku], threshold: {measure: stock, at_most: {measure: floor}}}",
            levels("A: 12:00:01 available=20 reserved=10, 12:05 available=5"), ["12:05 A firing warning"],
            id="a bound that is not stale yet when the value comes",
        ),
        pytest.param(
            "- {name: R, by: [sku], threshold: {measure: sold, window: 1m, above: {measure: floor}}}",
            [*levels("A: 12:00 reserved=2"), *lost("A: 12:04:30 x3")], [],
            id="a bound that becomes stale with the end of the bucket",
        ),
        pytest.param(
            "- {name: R, by: [sku], threshold: {measure: sold, window: 1m, above: {measure: floor}}, no_data: ok}",
            [*levels("A: 12:00:01 reserved=2"), *lost("A: 12:04:30 x3")],
            ["12:05 A firing warning", "12:06 A resolved warning"],
            id="a bound that becomes stale after it",
        ),
        pytest.param(
            "- {name: R, by: [sku], threshold: {measure: stock, at_most: {measure: floor}}, no_data: ok}",
            levels("A: 12:00 available=3 reserved=4, 12:20 available=9 reserved=1"),
            ["12:00 A firing warning", "12:05 A resolved warning"],
            id="a bound that becomes stale",
        ),
        pytest.param(
            "- {name: R, by: [channel], share: {measure: orders, of: sessions, window: 2m, of_at_least: 1, "
            "above: {measure: orders, by: [], window: 5m, times: 0.1}}}",
            [*orders("web: 12:00 x1, 12:07 x2"), *sessions("web: 12:00 x1, 12:07 x4")],
            ["12:08 web firing warning", "12:10 web resolved warning"],
            id="of a share",
        ),
    ],
)  # fmt: skip
def test_another_measure_is_the_bound(rule, events, expected):
    """Judged anew whenever either of the two changes; the slow judge agrees."""
    until = max(clock("12:15"), max(clock(e["time"][11:19]) for e in events))
    assert lines(judged(plan_of(rule), events, until=until)) == expected


def test_a_bound_in_an_open_bucket_is_waited_for():
    """More orders cannot undo 3, but more sessions could move the bound: nothing is told before the bucket closes."""
    fixed, moving = plan_of(TRAFFIC.replace("{measure: sessions, plus: 1}", "3")), plan_of(TRAFFIC)
    events = [*orders("web: 11:50 x1, 12:05:01 x3"), *sessions("web: 11:50 x1")]
    until = clock("12:05:30")
    assert [t.so_far for t in replay_events(fixed, events, zone=LONDON, until=until)] == [True]
    assert replay_events(moving, events, zone=LONDON, until=until) == []


@pytest.mark.parametrize(
    ("rule", "events", "table", "expected"),
    [
        pytest.param(TABLE + "}", stock("A: 12:00 20; B: 12:00 20"), "sku,at_most\nA,20\nB,19\n",
                     ["12:00 A firing warning"], id="each its own"),
        pytest.param(TABLE + ", no_data: alert}", stock("A: 12:00 0"), "sku,at_most\nB,19\n", [],
                     id="without a row it is no breach, and no missing data either"),
        pytest.param(TABLE.replace("t.csv}", "t.csv, otherwise: 5}") + "}", stock("A: 12:00 5; B: 12:00 6"),
                     "sku,at_most\nB,none\n", ["12:00 A firing warning"], id="otherwise is for those without a row"),
        pytest.param(
            "- {name: R, by: [sku], any: [{threshold: {measure: stock, at_most: {file: t.csv}}}, "
            "{threshold: {measure: held, at_least: 3}}]}",
            levels("A: 12:00 available=0 held=3, 12:01 available=0 held=2"), "sku,at_most\nB,1\n",
            ["12:00 A firing warning", "12:01 A resolved warning"], id="an any goes on without that part"),
        pytest.param(
            "- {name: R, by: [sku], all: [{threshold: {measure: stock, at_most: {file: t.csv}}}, "
            "{threshold: {measure: held, at_least: 3}}]}",
            levels("A: 12:00 available=0 held=3"), "sku,at_most\nB,1\n", [], id="an all is not judged"),
        pytest.param(
            "- {name: R, by: [sku], not: {threshold: {measure: stock, at_most: {file: t.csv}}}}",
            levels("A: 12:00 available=0 held=3"), "sku,at_most\nB,1\n", [], id="nor is a not"),
        pytest.param(
            "- {name: R, by: [sku], threshold: {measure: stock, levels: {warning: {at_most: {file: t.csv, column: w}}, "
            "critical: {at_most: {file: t.csv, column: c}}}}}",
            stock("A: 12:00 1; B: 12:00 1"), "sku,w,c\nA,5,1\nB,5,\n",
            ["12:00 A firing critical", "12:00 B firing warning"], id="a level without a number is none"),
        pytest.param(
            "- {name: R, by: [sku], no_data: alert, threshold: {measure: floor, levels: {warning: {at_most: "
            "{file: t.csv, column: w, otherwise: 5}}, critical: {at_most: 1}}}}",
            levels("A: 12:00 reserved=9") + levels("B: 12:08 reserved=9"), "sku,w\nA,none\n",
            ["12:05 A firing critical"],
            id="missing data starts at the lowest level that there is",
        ),
        pytest.param(TABLE.replace("t.csv}", "t.csv, times: 1.1}") + "}", stock("A: 12:00 11"), "sku,at_most\nA,10\n",
                     ["12:00 A firing warning"], id="1.1 times 10 is 11"),
    ],
)  # fmt: skip
def test_a_table_is_the_bound(rule, events, table, expected):
    """Each group has its own number, or none."""
    assert lines(judged(plan_of(rule, table), events)) == expected


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param("sku,at_most\nA,20\nB,25\n", ["12:01 A firing warning", "12:10 B firing warning"],
                     id="a number that rises begins an alert, and leaves the other alone"),
        pytest.param("sku,at_most\nA,10\nB,20\n", ["12:01 A firing warning", "12:10 A resolved warning"],
                     id="one that falls ends it"),
        pytest.param("sku,at_most\nB,20\n", ["12:01 A firing warning", "12:10 A resolved warning"],
                     id="so does a row that goes"),
        pytest.param("sku,at_most\nB,20\nA,19\n", ["12:01 A firing warning"],
                     id="a number on the same side changes nothing"),
    ],
)  # fmt: skip
def test_an_edit_of_the_table_alone(new, expected):
    """From the border on, for the groups whose number it changes; the episode of the others goes on."""
    rule = TABLE + "}"
    border = int(clock("12:10").timestamp())
    plans = [plan_of(rule, "sku,at_most\nA,20\nB,20\n"), plan_of(rule, new)]
    watched = in_force([Version(plans[0], None), Version(plans[1], border)])
    events = stock("A: 12:01 15, 12:12 15; B: 12:02 23, 12:12 23")
    assert lines(plain(t) for t in replay_events(watched, events, zone=LONDON, until=clock("12:20"))) == expected


@pytest.mark.parametrize(
    ("rule", "table", "events", "limit", "why"),
    [
        pytest.param(
            HELD.replace("{measure: held}", "{measure: held, times: 1.5, plus: 1}") + "}", "",
            levels("A: 12:00 available=30 held=20"), "31 (1.5 × held + 1)",
            "it fires since Wed 14 Jan 12:00: stock is 30 (asked: warning at_most 1.5 × held + 1; "
            "1.5 × held + 1 is 31)",
            id="a measure"),
        pytest.param(
            TABLE + "}", "sku,at_most\nA*,20\n", stock("A: 12:00 20"), "20 (at_most of A* in t.csv)",
            "it fires since Wed 14 Jan 12:00: stock is 20 (asked: warning at_most 20 (at_most of A* "
            "in t.csv))",
            id="a table"),
        pytest.param(
            TABLE + "}", "sku,at_most\nB,20\n", stock("A: 12:00 20"), None,
            "it does not fire: not judged, no row of a table gives it a bound (at_most in t.csv)",
            id="no row"),
        pytest.param(
            HELD + "}", "", levels("A: 12:00 available=30"), None,
            "it does not fire: stock is 30, but there is no data for its bound, held",
            id="no data"),
    ],
)  # fmt: skip
def test_what_is_said_of_the_bound(rule, table, events, limit, why):
    """The number that was used, and where it came from: in messages and in explanations."""
    watched = plan_of(rule, table)
    told = replay_events(watched, events, zone=LONDON)
    assert [limit_text(t) for t in told] == ([] if limit is None else [limit])
    found = explain(replayed(watched, events, zone=LONDON, until=clock("12:01")).judge, "R", ("A",))
    assert found.why == why


def test_the_numbers_of_a_verdict_name_the_measure():
    """So that a person can do the sum."""
    (told,) = replay_events(plan_of(HELD + "}"), levels("A: 12:00 available=5 held=7"), zone=LONDON)
    assert (told.value, told.limit, told.limit_of, told.counts) == (5, 7, "held", {"held": 7})
