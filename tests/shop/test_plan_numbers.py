"""An answer under the same verdict is told again when its numbers are notably other, and never more than once a day."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from shop_build import NOON, TODAY, at, capacity, history, plan, product, shop_of, today

from lockstep.shop.facts import PlanNumbers, decode, encode
from lockstep.shop.ledger import Ledger
from lockstep.shop.plans.plan_numbers import QUIET, told_next
from lockstep.text.rfc3339 import rfc3339_of

FIRST, LAST = date(2026, 12, 2), date(2026, 12, 5)
TOLD = PlanNumbers(
    at=rfc3339_of(NOON),
    expected=dict.fromkeys(["2026-12-02", "2026-12-03", "2026-12-04", "2026-12-05"], 150),
    capacity=dict.fromkeys(["2026-12-02", "2026-12-03", "2026-12-05"], 200),
    out_from={"A-1": "2026-12-03"},
)
TOMORROW = rfc3339_of(NOON + QUIET)


def numbers(**other):
    """Those of a day later, other by day or product; None: not known any more."""
    fields = {name: {**getattr(TOLD, name), **more} for name, more in other.items()}
    known = {name: {key: n for key, n in of.items() if n is not None} for name, of in fields.items()}
    return replace(TOLD, at=TOMORROW, **known)


@pytest.mark.parametrize(
    ("now", "changed"),
    [
        pytest.param(numbers(), [], id="nothing is other"),
        pytest.param(numbers(expected={"2026-12-04": 180}), [], id="a fifth more"),
        pytest.param(
            numbers(expected={"2026-12-04": 181}),
            ["On Fri 4 Dec 181 orders are expected now, not 150."],
            id="more than a fifth",
        ),
        pytest.param(
            numbers(expected={"2026-12-04": 119}),
            ["On Fri 4 Dec 119 orders are expected now, not 150."],
            id="less by more than a fifth",
        ),
        pytest.param(numbers(expected={"2026-12-01": 900}), [], id="of today other rules tell"),
        pytest.param(numbers(capacity={"2026-12-03": 180}), [], id="a tenth less can be shipped"),
        pytest.param(
            numbers(capacity={"2026-12-03": 179}),
            ["On Thu 3 Dec 179 orders can be shipped now, not 200."],
            id="less by more than a tenth",
        ),
        pytest.param(
            numbers(capacity={"2026-12-04": 200}),
            ["On Fri 4 Dec 200 orders can be shipped; that was not known."],
            id="capacity is declared",
        ),
        pytest.param(numbers(out_from={"A-1": "2026-12-04"}), [], id="out a day later"),
        pytest.param(
            numbers(out_from={"A-1": "2026-12-05"}),
            ["Product A-1 is sold out from Sat 5 Dec now, not from Thu 3 Dec."],
            id="out two days later",
        ),
        pytest.param(
            numbers(out_from={"A-1": None}),
            ["Product A-1 lasts until it ends now; it was to be sold out from Thu 3 Dec."],
            id="no longer out",
        ),
        pytest.param(
            numbers(out_from={"B-1": "2026-12-02"}),
            ["Product B-1 is sold out from Wed 2 Dec now; it was to last until it ends."],
            id="another product is out",
        ),
        pytest.param(numbers(out_from={"B-1": "2026-12-05"}), [], id="another product is out on the last day"),
    ],
)
def test_what_is_told_again(now, changed):
    """By how much a number may be other before somebody would act otherwise."""
    again = told_next(TOLD, now, (FIRST, LAST), today=date(2026, 12, 1))
    assert ([] if again is None else again.changed) == changed
    if again is not None:
        assert (again.revision, again.at) == (1, TOMORROW)


def test_few_orders_are_other_by_chance():
    """Of 4 expected orders 8 are no news, of 400 they would be."""
    small = replace(TOLD, expected={"2026-12-04": 4})
    assert told_next(small, numbers(expected={"2026-12-04": 8}), (FIRST, LAST), today=TODAY) is None
    assert told_next(small, numbers(expected={"2026-12-04": 9}), (FIRST, LAST), today=TODAY) is not None


def test_nothing_is_told_again_within_a_day():
    """And a day later it is compared with what was told, not with what came between."""
    other = replace(numbers(expected={"2026-12-04": 900}), at=rfc3339_of(NOON + QUIET - timedelta(seconds=1)))
    assert told_next(TOLD, other, (FIRST, LAST), today=TODAY) is None
    assert told_next(TOLD, numbers(), (FIRST, LAST), today=TODAY) is None


def test_of_a_campaign_of_one_day_a_day_is_much():
    one = replace(TOLD, out_from={})
    now = replace(one, at=TOMORROW, out_from={"A-1": "2026-12-02"})
    again = told_next(one, now, (FIRST, FIRST), today=date(2026, 12, 1))
    assert again is not None
    assert again.changed == ["Product A-1 is sold out from Wed 2 Dec now; it was to last until it ends."]


def test_a_day_that_is_over_is_no_news():
    """It was to be out from the second on, and is: today is the fourth."""
    told = replace(TOLD, out_from={"A-1": "2026-12-02"})
    now = replace(told, at=TOMORROW, out_from={"A-1": "2026-12-04"})
    assert told_next(told, now, (date(2026, 12, 4), LAST), today=date(2026, 12, 4)) is None


# ---- in the ledger, as facts change ---------------------------------------------------------------------------------


def a_ledger(stock=90):
    planned = plan("NEW", "2026-12-04", "2026-12-12", ["A-1"], orders=120)
    facts = [*history(web={"orders": 100, "sessions": 4_000, "units": 150}), *today(web={"orders": 26})]
    return Ledger(shop_of(*facts, product(sells=4, stock=stock), planned, capacity_per_day=150.0))


def restarted(ledger):
    """As a judge that takes over has it: of the records alone."""
    shop = shop_of(settings=ledger.shop.settings)
    for fact in (*ledger.shop.days.values(), *ledger.shop.products.values(), *ledger.shop.plans.values()):
        shop.put(decode(encode(fact)))
    for one in ledger.shop.capacities.values():
        shop.put(decode(encode(one)))
    return Ledger(shop)


def test_an_answer_is_told_again_under_the_same_verdict():
    """Half of the stock is gone a day later: it is out earlier. Said once, whatever comes within the next day."""
    ledger = a_ledger()
    ledger.answer_plans(NOON)
    (first,) = ledger.shop.plans.values()
    assert (first.verdict, first.revision, first.numbers.out_from) == ("change", 0, {"A-1": "2026-12-07"})
    for hours, stock in ((1, 40), (24, 40), (30, 25)):
        ledger.shop.put(replace(ledger.shop.products["A-1"], available=stock))
        ledger.answer_plans(NOON + timedelta(hours=hours))
        ledger = restarted(ledger)
    (told,) = ledger.shop.plans.values()
    assert (told.verdict, told.revision) == ("change", 1)
    assert told.numbers.changed == ["Product A-1 is sold out from Sat 5 Dec now, not from Mon 7 Dec."]
    assert told.numbers.at == rfc3339_of(NOON + QUIET)


STEPS = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from((0, 40, 90, 150, 160, 300)), st.booleans()), min_size=2, max_size=24
)


@settings(max_examples=30, deadline=None)
@given(steps=STEPS)
def test_an_answer_is_told_again_no_more_than_once_a_day(steps):
    """Whatever stock and capacity do every four hours, and wherever the judge dies: the same is told, under the same
    verdict a day after it was told before or later."""
    ledger, other = a_ledger(), a_ledger()
    seen: list[tuple[datetime, str, int]] = []
    for n, (stock, can, dies) in enumerate(steps):
        moment = NOON + timedelta(hours=4 * n)
        for one in (ledger, other):
            one.shop.put(replace(one.shop.products["A-1"], available=stock))
            one.shop.put(capacity(can, "2026-12-06", told_at=at("08:00")))
            one.answer_plans(moment)
        assert ledger.shop.plans == other.shop.plans
        other = restarted(other) if dies else other
        (planned,) = ledger.shop.plans.values()
        seen.append((moment, planned.verdict, planned.revision))
    last = seen[0]
    for now in seen[1:]:
        if now[2] != last[2]:
            assert now[2] == last[2] + 1
            assert now[1] == last[1], "another verdict is told as such"
            assert now[0] - last[0] >= QUIET
        if now[1:] != last[1:]:
            last = now
