"""What holds of any shop: bounds, sums of parts, no order, one scale."""

import os
import re
from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from shop_build import EUR, NOON, TODAY, capacity, day, days, lot, plan, product, receipt, shop_of

from lockstep.shop.business import business, things
from lockstep.shop.catalogue import SUBJECTS
from lockstep.shop.exchange import total
from lockstep.shop.facts import Place
from lockstep.shop.names import NAMES, names
from lockstep.shop.plan_answer import assess
from lockstep.shop.shop_settings import ShopSettings
from lockstep.shop.subjects.expiry import unsold_units
from lockstep.shop.translations import sentences
from lockstep.text.days import day_text

FACTOR = int(os.environ.get("LOCKSTEP_TEST_FACTOR", "1"))
some = settings(max_examples=20 * FACTOR, deadline=None)

counts = st.integers(0, 400)
near_days = st.integers(-20, 40).map(lambda n: (TODAY + timedelta(n)).isoformat())
receipts = st.builds(
    receipt,
    st.integers(0, 300),
    near_days,
    first=near_days,
    order=st.sampled_from(["", "PO-1", "PO-2"]),
    status=st.sampled_from(["planned", "delayed"]),
)
lots = st.builds(lot, st.integers(0, 200), near_days, st.sampled_from(["L-1", "L-2", "L-3"]))


SKUS = st.sampled_from(["A-1", "B-1", "C-1"])


@st.composite
def products(draw, sku=SKUS):
    length = draw(st.integers(1, 60))
    numbers = st.lists(st.integers(0, 30), min_size=length, max_size=length)
    return product(
        draw(sku),
        sells=draw(numbers),
        stock=draw(st.none() | st.integers(-20, 500)),
        out_of_stock=draw(st.sets(st.integers(0, 60))),
        returned=draw(numbers),
        receipts=draw(st.lists(receipts, max_size=3)),
        lots=draw(st.lists(lots, max_size=3)),
        price=draw(st.none() | st.integers(0, 9_999)),
        held=draw(st.dictionaries(st.sampled_from(["", "MARKET"]), st.integers(0, 9), max_size=2)),
    )


plans = st.builds(
    lambda name, first, length, skus, orders, sessions: plan(
        name,
        first,
        (date.fromisoformat(first) + timedelta(length)).isoformat(),
        skus,
        orders=orders,
        sessions=sessions,
    ),
    st.sampled_from(["SUMMER", "XMAS"]),
    near_days,
    st.integers(0, 12),
    st.lists(st.sampled_from(["A-1", "B-1", "Z-9"]), unique=True),
    st.none() | counts,
    st.none() | counts,
)


@st.composite
def shop_days(draw):
    """One to forty days before today, and today, of two channels."""
    numbers = st.fixed_dictionaries(
        dict.fromkeys(("orders", "sessions", "units", "shipped", "cancelled", "returned_units"), counts)
        | dict.fromkeys(("revenue", "spend", "shipping_cost"), st.integers(0, 10**7))
    )
    facts = []
    for n in range(draw(st.integers(0, 40)), -1, -1):
        upto = NOON if n == 0 else None
        facts += days(TODAY - timedelta(n), upto=upto, web=draw(numbers), app=draw(numbers))
    return facts


shops = st.tuples(
    shop_days(), st.lists(products(), max_size=3), st.lists(plans, max_size=2), st.none() | st.integers(0, 600)
).map(
    lambda parts: [
        *parts[0],
        *parts[1],
        *parts[2],
        *([capacity(parts[3], TODAY.isoformat())] if parts[3] is not None else []),
    ]
)


def measured(shop):
    return {
        (subject, labels): business(shop, subject, labels, NOON)
        for subject in SUBJECTS
        for labels in things(shop, subject)
    }


SAYS = {
    "bundles": {"SET": {"A-1": 2, "B-1": 1}, "C-1": {"A-1": 1}},
    "shelf_life": {"web": 10, "MARKET": 30},
    "cost_of_goods": {"*": Fraction(2, 5)},
    "work_per_day": 300.0,
}
"""What a shop says of itself that has everything."""


@some
@given(facts=shops, says=st.sampled_from([{}, SAYS]))
def test_every_measure_is_in_its_bounds(facts, says):
    """No cover below 0 or above a year, no share above all, nothing blank."""
    shop = shop_of(*facts, **says)
    for made in measured(shop).values():
        for name, measure in made.items():
            assert (measure.value is not None) or measure.why, name
            assert measure.text, name
            assert not isinstance(measure.value, float), name
        values = {name: m.value for name, m in made.items() if m.value is not None}
        assert 0 <= values.get("days_of_cover", 0) <= 365
        assert 0 <= values.get("bundle_cover", 0) <= 365
        assert 0 <= values.get("sell_through", 0) <= 1
        assert values.get("channel_margin", 0) <= 1
        either = {"return_rise", "channel_return_rise", "forecast_gap", "promoted_stock", "channel_margin"}
        for name in set(values) - either:
            assert values[name] >= 0, name
        assert values.get("plan_trouble", 0) in (0, 1, 2)


@some
@given(facts=shops, shuffled=st.randoms(use_true_random=False))
def test_the_order_of_facts_never_matters(facts, shuffled):
    """Nor which of them came first into a shop that is the same in the end."""
    last = {}
    for fact in facts:
        last[
            type(fact),
            getattr(fact, "sku", ""),
            getattr(fact, "campaign", ""),
            getattr(fact, "day", ""),
            getattr(fact, "channel", ""),
        ] = fact
    others = list(last.values())
    shuffled.shuffle(others)
    one, other = shop_of(*facts, **SAYS), shop_of(*others, **SAYS)
    assert measured(one) == measured(other)
    for labels in (
        {},
        {"sku": "A-1"},
        {"sku": "SET"},
        {"campaign": "SUMMER"},
        {"channel": "web"},
        {"location": "MARKET"},
    ):
        assert names(one, labels, NOON) == names(other, labels, NOON)


_ALL_LABELS = (
    {},
    {"sku": "A-1"},
    {"sku": "A-1", "purchase_order": "PO-1"},
    {"campaign": "SUMMER"},
    {"channel": "web"},
    {"location": "MARKET"},
)


@some
@given(facts=shops)
def test_messages_are_never_blank_and_have_every_name(facts):
    """Whatever is known: names are of NAMES, sentences are sentences, and nothing that is not a number is said."""
    shop = shop_of(*facts)
    for labels in _ALL_LABELS:
        known = names(shop, labels, NOON)
        assert known.keys() <= NAMES.keys()
        for texts in sentences(known, labels).values():
            for text in texts:
                assert text[0] == text[0].upper()
                assert text[-1] in ".!"
                assert "None" not in text
                assert "nan" not in text
                assert "  " not in text


_BAD = re.compile(
    r"nan|None|  |(?<![\d.,])(?:1 (?:days|units|orders|hours|visits|points)|0 (?:more|orders|units|visits))\b|\d\.\d{3}"
)
_ABOUT = ("", "orders", "traffic", "shipping", "spend", "stock", "supply", "losses", "feedback", "expiry", "plan")
_AHEAD = re.compile(r"(?:arrives?|expected(?: now)?) on (\w{3} \d+ \w{3})")
_OVER = {day_text(TODAY - timedelta(n)) for n in range(1, 21)}


@some
@given(facts=shops, visits=st.none() | st.integers(0, 20_000))
def test_every_sentence_is_one_that_people_can_act_on(facts, visits):
    """No blank, no `1 days`, no room for 0 more, no third place, and no day that is over told as one to come."""
    shop = shop_of(*facts)
    for labels in _ALL_LABELS:
        known = names(shop, labels, NOON)
        for about in _ABOUT:
            for texts in sentences(known, labels, about, visits).values():
                for text in texts:
                    assert not _BAD.search(text), text
                    is_answer = text.startswith("SUMMER ") or about == "plan"
                    assert is_answer or all(len(s) <= 170 for s in text.split(". ")), text
                    assert {day for day in _AHEAD.findall(text) if day in _OVER} == set(), text


@some
@given(facts=shop_days(), products_=st.lists(products(), max_size=3))
def test_the_whole_is_the_sum_of_its_parts(facts, products_):
    """Of channels and places."""
    shop = shop_of(*facts, *products_)
    whole, parts = shop.day(TODAY), [shop.day(TODAY, channel) for channel in shop.channels()]
    assert whole.counts["orders"] == sum(part.counts["orders"] for part in parts)
    held = sum(place.held for known in shop.products.values() for place in known.places.values())
    made = [business(shop, "location", labels, NOON)["held_units"].value or 0 for labels in things(shop, "location")]
    assert sum(made) == held
    spent = [total(part.money.get("spend", {}), EUR).minor for part in parts]
    assert total(whole.money.get("spend", {}), EUR).minor == sum(spent)


@some
@given(one=products(st.just("A-1")), factor=st.integers(2, 9))
def test_a_shop_that_is_so_many_times_as_large_lasts_as_long(one, factor):
    """Units and stock times n: the same days, n times the units."""
    large = product(
        "A-1",
        sells=[n * factor for n in one.units],
        stock=None if one.available is None else one.available * factor,
        receipts=[receipt(r.quantity * factor, r.expected_on, first=r.first_expected_on) for r in one.receipts],
        lots=[lot(entry.quantity * factor, entry.expires_on, entry.lot) for entry in one.lots],
        in_stock=one.in_stock,
    )
    made, times = (business(shop_of(facts), "product", ("A-1",), NOON) for facts in (one, large))
    cover = made["days_of_cover"].value, times["days_of_cover"].value
    assert cover[0] == cover[1]
    assert made["gap_days"].value == times["gap_days"].value
    assert made["sell_through"].value == times["sell_through"].value
    if made["velocity"].value is not None:
        assert times["velocity"].value == made["velocity"].value * factor


@some
@given(
    left=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 100)), max_size=5),
    a_day=st.fractions(0, 20, max_denominator=28),
)
def test_what_is_left_of_lots(left, a_day):
    """Never more than there is, never less than what is too much for the time in all; faster sales leave no more."""
    whole = sum(units for _, units in left)
    unsold = unsold_units(left, a_day)
    assert 0 <= unsold <= whole
    assert unsold >= whole - a_day * max((days for days, _ in left), default=0)
    assert unsold_units(left, a_day + 1) <= unsold
    assert unsold_units(left, Fraction(0)) == whole


@some
@given(
    amounts=st.lists(
        st.tuples(st.sampled_from(["EUR", "USD", "JPY", "none"]), st.integers(-(10**9), 10**9)), max_size=6
    ),
    rate=st.fractions(Fraction(1, 1000), 10, max_denominator=10_000),
)
def test_sums_of_money_are_exact_in_any_order(amounts, rate):
    """Rounded once, at the end: what is split among currencies' records sums to the same."""
    of = ShopSettings(currency="EUR", exchange={"USD": rate})
    sums: dict[str, int] = {}
    for currency, minor in amounts:
        sums[currency] = sums.get(currency, 0) + minor
    backwards = dict(reversed(list(sums.items())))
    assert total(sums, of) == total(backwards, of)
    exact = Fraction(sums.get("EUR", 0) + sums.get("none", 0)) + sums.get("USD", 0) * rate
    assert abs(total(sums, of).minor - exact) <= Fraction(1, 2)
    assert total(sums, of).without.keys() <= {"JPY"}


@some
@given(facts=shops, more=st.integers(0, 2_000))
def test_more_capacity_and_more_stock_never_make_an_answer_worse(facts, more):
    """A day's capacity, and the stock of every product."""
    shop, better = shop_of(*facts, capacity_per_day=300.0), shop_of(*facts, capacity_per_day=300.0 + more)
    better.capacities.clear()
    shop.capacities.clear()
    for known in shop.products.values():
        if known.available is not None:
            stock = known.available + more
            better.put(
                product(known.sku, sells=known.units, stock=stock, in_stock=known.in_stock, receipts=known.receipts)
            )
            shop.put(
                product(
                    known.sku,
                    sells=known.units,
                    stock=known.available,
                    in_stock=known.in_stock,
                    receipts=known.receipts,
                )
            )
    order = ["yes", "change", "no"]
    for planned in shop.plans.values():
        before, after = (order.index(assess(one, planned, NOON).verdict) for one in (shop, better))
        assert after <= before


def test_places_are_as_they_were_built():
    """The builder's own control: held stock stands where the test put it."""
    assert product(stock=4, held={"M": 2}).places["M"] == Place(held=2, at="2026-11-30T11:00:00Z")
    assert day(TODAY, orders=100).by_hour["orders"][:10] == [0, 0, 0, 0, 0, 0, 0, 0, 4, 6]
