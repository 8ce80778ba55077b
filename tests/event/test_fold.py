"""Folding many events into the groups of one bucket: which of them count, for whom, and how much."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.event import Decoder
from lockstep.measure.aggregate import valuer
from lockstep.measure.columns import Columns
from lockstep.measure.definition import Aggregate, SeriesDef
from lockstep.measure.exact import SCALE
from lockstep.measure.fold import folder, level_rows
from lockstep.measure.meter import wanted_fields

ENVELOPE = {"specversion": "1.0", "source": "/shop", "time": "2026-01-14T12:00:00Z"}


def series(aggregate: str, of: str = "order.placed", field: str | None = None, **more: Any) -> SeriesDef:
    return SeriesDef(Aggregate(aggregate), of, "orders", field, **more)


def columns(of: SeriesDef, *given: dict[str, Any]) -> Columns:
    """What the hot path hands to a fold."""
    events = [{**ENVELOPE, "id": str(n), "type": of.event_type, "data": data} for n, data in enumerate(given)]
    return Columns([e.data for e in Decoder(wanted_fields([of])).decode([json.dumps(e).encode() for e in events])])


def order(total: float = 10.0, *lines: tuple[str, int], **more: Any) -> dict[str, Any]:
    rows = [{"sku": sku, "quantity": quantity, "unit_price": 1.0} for sku, quantity in lines]
    return {"order_id": "o", "total": total, "lines": rows, **more}


def shipped(**more: Any) -> dict[str, Any]:
    return {"order_id": "o", **more}


OF_LINES: dict[str, Any] = {"by": ("sku",), "line_labels": ("sku",)}


@pytest.mark.parametrize(
    ("of", "events", "expected"),
    [
        pytest.param(series("count"), [order(), order(count=3)], {(): 4}, id="a count is weighed"),
        pytest.param(
            series("count", by=("channel",)),
            [order(channel="web"), order(), order(channel="")],
            {("web",): 1, ("none",): 2},
            id="without the label it belongs to none",
        ),
        pytest.param(
            series("count", by=("channel", "country")),
            [order(channel="web", country="GB"), order(channel="", country="GB"), order(country="GB")],
            {("web", "GB"): 1, ("none", "GB"): 2},
            id="or to none of the one and some of the other",
        ),
        pytest.param(
            series("count", by=("till",)),
            [order(till=7), order(till="7"), order(till=True)],
            {("7",): 2, ("true",): 1},
            id="labels are text",
        ),
        pytest.param(
            series("count", **OF_LINES),
            [order(1, ("A", 1), ("A", 2), ("B", 1))],
            {("A",): 1, ("B",): 1},
            id="an order counts once for each sku in it",
        ),
        pytest.param(
            series("count", by=("channel", "sku"), line_labels=("sku",)),
            [order(1, ("A", 1), channel="web"), order(1, ("A", 1), channel="app"), order(1, channel="web")],
            {("web", "A"): 1, ("app", "A"): 1},
            id="labels of the order and of its lines",
        ),
        pytest.param(
            series("sum", field="lines.quantity", **OF_LINES),
            [order(1, ("A", 1), ("A", 2)), order(1, ("B", 5))],
            {("A",): 3, ("B",): 5},
            id="a sum of the lines",
        ),
        pytest.param(
            series("count", where=(("lines.sku", ("A",)),)),
            [order(1, ("A", 1)), order(1, ("B", 1)), order(1, ("A", 1), ("B", 1)), order(1)],
            {(): 2},
            id="orders that have such a line",
        ),
        pytest.param(
            series("sum", field="lines.quantity", where=(("sku", ("A*",)),), line_labels=("sku",)),
            [order(1, ("A-1", 1), ("B-1", 2)), order(1, ("A-2", 4))],
            {(): 5},
            id="lines of such a sku",
        ),
        pytest.param(
            series("count", where=(("channel", ("web", "app*")),)),
            [order(channel="web"), order(channel="app-ios"), order(channel="web-2"), order()],
            {(): 2},
            id="whole names and beginnings of names",
        ),
        pytest.param(
            series("count", where=(("channel", ("web", "app")), ("country", ("GB",)))),
            [order(channel="web", country="GB"), order(channel="app", country="FR"), order(country="GB")],
            {(): 1},
            id="all filters hold",
        ),
        pytest.param(
            series("average", "order.shipped", "hours_to_ship"),
            [shipped(hours_to_ship=10), shipped(), shipped(hours_to_ship=40, count=2)],
            {(): 30},
            id="an average is of those that say it, weighed",
        ),
        pytest.param(
            series("sum", "order.shipped", "hours_to_ship"),
            [shipped(hours_to_ship=10), shipped()],
            {(): 10},
            id="a sum takes what is missing as nothing",
        ),
        pytest.param(
            series("minimum", "order.shipped", "hours_to_ship"),
            [shipped(hours_to_ship=10), shipped(), shipped(hours_to_ship=4), shipped(hours_to_ship=7)],
            {(): 4},
            id="the least",
        ),
        pytest.param(
            series("maximum", "order.shipped", "hours_to_ship"),
            [shipped(hours_to_ship=4), shipped(), shipped(hours_to_ship=10), shipped(hours_to_ship=7)],
            {(): 10},
            id="the most",
        ),
        pytest.param(
            series("minimum", "order.shipped", "hours_to_ship"),
            [shipped()],
            {},
            id="the least of those that do not say",
        ),
        pytest.param(
            series("distinct", "order.placed", "customer"),
            [order(customer="a"), order(customer="b"), order(), order(customer="a")],
            {(): 2},
            id="different ones",
        ),
        pytest.param(
            series("sum", field="total"),
            [order(8), order(1, currency="GBP"), order(2, currency="GBP"), order(4)],
            {(): 15},
            id="money of one currency, or of none",
        ),
        pytest.param(
            series("sum", "order.cancelled", "total"),
            [{"order_id": "a"}, {"order_id": "b", "total": 5}],
            {(): 5},
            id="no money is nothing",
        ),
        pytest.param(
            series("sum", field="total"),
            [order(1), order(2, currency="EUR"), order(4, currency="GBP"), order(8, currency="EUR")],
            {(): None},
            id="money of two currencies has no sum",
        ),
        pytest.param(
            series("sum", "order.refunded", "total"),
            [{"order_id": "a", "total": 5, "currency": "GBP"}, {"order_id": "b", "total": 5, "currency": "EUR"}],
            {(): None},
            id="whatever type of event speaks of money",
        ),
        *(
            pytest.param(
                series("sum", kind, "total", by=by),
                [
                    {"order_id": "a", "lines": [], "total": 5, "currency": "GBP"},
                    {"order_id": "b", "lines": [], "total": 7, "currency": "EUR"},
                ],
                expected,
                id=f"what is taken back is money, too: {kind} by {by}",
            )
            for kind in ("order.cancelled", "order.returned")
            for by, expected in (((), {(): None}), (("currency",), {("GBP",): 5, ("EUR",): 7}))
        ),
        pytest.param(
            series("count", "cart.updated", where=(("action", ("added",)),), **OF_LINES),
            [
                {"action": "added", "lines": [{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 2}]},
                {"action": "removed", "lines": [{"sku": "A", "quantity": 1}]},
                {"lines": []},
            ],
            {("A",): 1, ("B",): 1},
            id="a cart, too, counts once for each sku in it",
        ),
    ],
)
def test_a_fold(of, events, expected):
    """All at once, or one after the other."""
    fold, value = folder(of), valuer(of)
    millionths = {labels: None if number is None else number * SCALE for labels, number in expected.items()}
    for parts in ([events], [[event] for event in events]):
        groups: dict[Any, Any] = {}
        for part in parts:
            fold(columns(of, *part), groups)
        assert {labels: value(found) for labels, found in groups.items()} == millionths


def test_a_percentile_counts_those_that_say_it():
    """Ninety fast ones, ten slow ones, and some that say nothing."""
    of = series("percentile", "order.shipped", "hours_to_ship", quantile=0.95)
    groups: dict[Any, Any] = {}
    events = [shipped(hours_to_ship=2)] * 90 + [shipped(hours_to_ship=50)] * 10 + [shipped()] * 900
    folder(of)(columns(of, *events), groups)
    assert sum(groups[()].values()) == 100
    assert float(valuer(of)(groups[()]) or 0) == pytest.approx(50 * SCALE, rel=0.01)


@pytest.mark.parametrize(
    ("of", "data", "expected"),
    [
        pytest.param(
            series("last", "stock.level", "available", by=("sku",)),
            {"sku": "A", "available": 5, "location": "WH1"},
            [(("A",), "A\x1fWH1", 5_000_000, 0)],
            id="stock is that of a sku at a place",
        ),
        pytest.param(
            series("last", "price.changed", "price", by=("sku",)),
            {"sku": "A", "price": 5, "channel": "web", "currency": "EUR"},
            [(("A",), "A", 5_000_000, 0)],
            id="a price is that of a sku: those of two channels are no sum",
        ),
        pytest.param(
            series("last", "order.shipped", "hours_to_ship", by=("channel",)),
            {"order_id": "o", "hours_to_ship": 3, "channel": "web"},
            [(("web",), "web", 3_000_000, 0)],
            id="what says of no thing in particular is one for its labels",
        ),
        pytest.param(
            series("last", "order.shipped", "hours_to_ship"), {"order_id": "o"}, [], id="nothing said, nothing set"
        ),
    ],
)
def test_a_level(of, data, expected):
    """(labels, whose level it is, value in millionths, which event says it)."""
    assert list(level_rows(of)(columns(of, data))) == expected


SKUS, CURRENCIES = st.sampled_from("ABC"), st.sampled_from(["EUR", "GBP", None])
ORDERS = st.builds(
    lambda total, lines, **more: order(total, *lines, **{name: v for name, v in more.items() if v is not None}),
    st.integers(0, 50),
    st.lists(st.tuples(SKUS, st.integers(1, 4)), max_size=3),
    channel=st.sampled_from(["web", "app", "", None]),
    currency=CURRENCIES,
    customer=st.sampled_from(["a", "b", None]),
    shipping=st.sampled_from([1, 2.5, None]),
    count=st.sampled_from([1, 1, 3]),
)
READ = [
    series("count", by=("channel",)),
    series("count", by=("channel", "sku"), line_labels=("sku",)),
    series("count", by=("sku",), line_labels=("sku",), where=(("channel", ("web",)), ("sku", ("A", "B*")))),
    series("sum", field="total", by=("channel", "customer")),
    series("sum", field="total", **OF_LINES),
    series("sum", field="lines.quantity", where=(("channel", ("a*",)),), **OF_LINES),
    series("average", field="shipping", by=("channel",)),
    series("minimum", field="shipping", by=("customer",)),
    series("distinct", field="customer", by=("channel",)),
    series("percentile", field="total", by=("customer",), quantile=0.5),
]


@given(st.lists(ORDERS, max_size=60), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_many_events_are_folded_as_each_alone(orders, dice):
    """Also with columns that another series has asked for before, and in another order."""
    datas = columns(series("count"), *orders).rows
    whole, shuffled = Columns(datas), dice.sample(datas, len(datas))
    for of in READ:
        fold, value = folder(of), valuer(of)
        at_once: dict[Any, Any] = {}
        fold(whole, at_once)
        one_by_one: dict[Any, Any] = {}
        for one in shuffled:
            fold(Columns([one]), one_by_one)
        sets = [{k: sorted(v) if isinstance(v, set) else v for k, v in g.items()} for g in (at_once, one_by_one)]
        assert {k: value(v) for k, v in sets[0].items()} == {k: value(v) for k, v in sets[1].items()}, of
