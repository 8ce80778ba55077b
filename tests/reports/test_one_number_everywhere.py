"""One number, one text: what the page of today, the daily report, alerts, answers to campaigns and measures by name say
of the same thing at the same instant, field by field."""

import re
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

import pytest
from shop_build import NOON, TODAY, capacity, history, lot, plan, product, receipt, shop_of, today

from lockstep.adapters.http.pages.board_view import BoardView
from lockstep.adapters.http.pages.shop.today_view import Firing, today_view
from lockstep.reports.cell_text import cell_text, figure_text
from lockstep.reports.daily import daily
from lockstep.reports.news import AlertNews
from lockstep.reports.renderings.report_words import stake_words
from lockstep.shop.business import business
from lockstep.shop.exchange import decimals
from lockstep.shop.names import names
from lockstep.shop.plan_answer import answer
from lockstep.shop.subjects.returns import channel_returns
from lockstep.shop.translations import known, sentences
from lockstep.shop.whole_shop import Shop, plain
from lockstep.text.days import day_text
from lockstep.text.figures import PERCENT, measured_text, rounded_figure, whole


def odd_numbers() -> Shop:
    """Halves and thirds wherever a rounding can go astray: 28.5 orders a usual day, a conversion of 1.73…%."""
    weeks = history(
        8,
        web={"orders": 17, "sessions": 983, "units": 23, "shipped": 16, "returned_units": 2, "revenue": 101_335},
        app={"orders": 11, "sessions": 631, "units": 14, "shipped": 11, "returned_units": 1, "revenue": 77_777},
    )
    later = [of for of in weeks if of.day >= "2026-11-02"]
    for facts in later:  # four Mondays of eight have one order more, so that the median lies between two numbers
        if not facts.channel or facts.channel == "web":
            facts.counts["orders"] += 1
    return shop_of(
        *weeks,
        *today(web={"orders": 8, "sessions": 401, "units": 9}, app={"orders": 3, "sessions": 167, "units": 4}),
        product("22423", sells=[3, 4] * 28 + [0], stock=9, price=1_295, receipts=[receipt(150, "2026-12-04")]),
        product("KEY-1", sells=[9] * 49 + [5] * 7 + [0], returned=[0] * 49 + [1, 2, 1, 2, 1, 2, 1] + [0], stock=400),
        plan("CYBER", "2026-11-30", "2026-11-30", ["22423"], orders=7),
        capacity(61, "2026-11-30"),
    )


def too_many() -> Shop:
    """More than can be shipped, a conversion above a tenth, a product that is out."""
    return shop_of(
        *history(
            8,
            web={
                "orders": 207,
                "sessions": 1_649,
                "units": 260,
                "shipped": 205,
                "returned_units": 31,
                "revenue": 9_999,
            },
            app={"orders": 99, "sessions": 2_001, "units": 120, "shipped": 97, "returned_units": 5, "revenue": 5_001},
        ),
        *today(web={"orders": 91, "sessions": 700, "units": 99}, app={"orders": 44, "sessions": 900, "units": 51}),
        product("22423", sells=31, stock=0, price=999_50, receipts=[receipt(2_000, "2026-12-03")]),
        product("KEY-1", sells=12, returned=[0] * 49 + [4] * 7 + [0], stock=15, lots=[lot(9, "2027-11-30")]),
        plan("CYBER", "2026-11-30", "2026-12-01", ["22423", "KEY-1"], orders=120),
        capacity(287, "2026-11-30", "2026-12-02"),
    )


def quiet() -> Shop:
    """Little of everything: a conversion below one percent, one order that waits, cover of a part of a day."""
    return shop_of(
        *history(
            8,
            web={"orders": 7, "sessions": 1_003, "units": 8, "shipped": 7, "returned_units": 1, "revenue": 7_007},
            app={"orders": 5, "sessions": 777, "units": 6, "shipped": 5, "revenue": 5_555},
        ),
        *today(web={"orders": 1, "sessions": 260}, app={"orders": 0, "sessions": 120}),
        product("22423", sells=5, stock=3, price=1_05, receipts=[receipt(20, "2026-12-03", order="")]),
        product("KEY-1", sells=6, returned=[0] * 49 + [0, 0, 1, 0, 0, 0, 0] + [0], stock=90),
        plan("CYBER", "2026-11-30", "2026-11-30", ["22423"], orders=1),
        capacity_per_day=40,
    )


@dataclass(frozen=True)
class Said:
    """What every surface says of one shop at noon."""

    shop: Shop

    def __post_init__(self):
        made = daily(self.shop, AlertNews(), (), NOON)
        board = BoardView(())
        page = today_view(self.shop, Firing(board), now=NOON)
        planned = self.shop.plans["CYBER"]
        put = object.__setattr__
        put(self, "report", made)
        put(self, "figures", {f.name: f for s in made.sections for f in s.figures})
        put(self, "tiles", {tile.key: tile for tile in page.tiles})
        put(self, "stock", {row.sku: row for row in page.stock})
        put(self, "answer", answer(self.shop, planned, NOON))
        put(self, "whole", business(self.shop, "shop", (), NOON))
        put(self, "names", names(self.shop, {}, NOON))

    def of(self, subject: str, label: str, value: str):
        """(measures, what an alert carries) of one thing."""
        return business(self.shop, subject, (value,), NOON), names(self.shop, {label: value}, NOON)

    def cells(self, table: str, key: str) -> dict[str, tuple[object, str]]:
        """Column → (value, text) of the row that begins with a key; {} where there is none."""
        found = next(t for s in self.report.sections for t in s.tables if t.name == table)
        rows = [row for row in found.rows if row[0] == key]
        return {
            column.name: (value, cell_text(value, column.unit, self.shop.zone))
            for row in rows
            for column, value in zip(found.columns, row, strict=True)
        }

    def figure(self, name: str) -> tuple[object, str]:
        figure = self.figures[name]
        return figure.value, figure_text(figure, self.shop.zone)

    def matter(self, name: str):
        return next((m for m in self.report.matters if m.name == name), None)


@pytest.fixture(params=[odd_numbers, too_many, quiet], ids=lambda shop: shop.__name__)
def said(request) -> Said:
    return Said(request.param())


def bare(text: str) -> str:
    """A text without what is counted, which stands in the head of a figure or column."""
    return re.sub(r" (?:orders?|units?|visits?)$", "", text)


def carried(facts, name: str) -> tuple[object, str]:
    """(value, text) of a name of an alert."""
    return facts.get(name), known(facts, name)


def made_as(made) -> tuple[object, str]:
    return plain(made.value), made.text


@pytest.mark.parametrize("name", ["expected_today", "capacity_today", "capacity_projected", "room_left", "backlog"])
def test_a_measure_of_the_shop(said, name):
    """In the report's figure, in an alert, and by name in a rule."""
    value, text = made_as(said.whole[name])
    assert value is not None
    assert carried(said.names, name) == (value, text)
    assert said.figure(name) == (value, bare(text))


def test_the_day_on_the_page(said):
    """The tiles: what is expected, usual, possible, taken, left, and waits."""
    whole_shop, tiles = said.whole, said.tiles
    expected, can = whole_shop["expected_today"], whole_shop["capacity_today"]
    assert f"expected by tonight: {bare(expected.text)}" in tiles["orders"].lines
    assert f"a usual Monday: {known(said.names, 'usual_today')}" in tiles["orders"].lines
    assert f"{can.text} can be shipped today" in tiles["capacity"].lines
    assert tiles["capacity"].value == whole_shop["capacity_projected"].text
    assert f"{whole_shop['capacity_used'].text} taken so far" in tiles["capacity"].lines
    assert tiles["ship"].value == bare(whole_shop["backlog"].text)
    assert f"the oldest waits {whole_shop['backlog_age'].text}" in tiles["ship"].lines
    first = tiles["capacity"].lines[0]
    if expected.value > can.value:
        assert first.startswith(f"{measured_text(expected.value - can.value, 'orders')} too many")
        assert f": {expected.value - can.value} too many." in sentences(said.names, {})["marketing"][0]
    else:
        room = bare(whole_shop["room_left"].text)
        assert first == f"room for {room} more orders today ≈ {known(said.names, 'visits_for_room')}"
        assert (
            f"room for {room} more ≈ {known(said.names, 'visits_for_room')}"
            in sentences(said.names, {})["marketing"][0]
        )


def test_what_is_usual(said):
    """Of the day's orders: in the report, in an alert and on the page; an answer counts whole orders."""
    value, text = carried(said.names, "usual_today")
    expected = said.figures["expected_today"]
    assert expected.usual == value
    assert cell_text(expected.usual, expected.unit, said.shop.zone) == bare(text)
    assert said.answer.days[0].usual == whole(value)
    assert f"{whole(value):,}" == bare(text) or value < 10


def test_the_answer_to_a_campaign_of_today(said):
    """Counts the day as the report and alerts do, and writes its products as they do."""
    (day, *_) = said.answer.days
    assert day.day == TODAY.isoformat()
    assert day.expected == said.whole["expected_today"].value
    assert day.capacity == said.whole["capacity_today"].value
    assert max(0, day.room) == said.whole["room_left"].value
    for row in said.answer.products:
        facts = names(said.shop, {"sku": row.sku}, NOON)
        assert row.available == facts["available"]
        assert row.days_of_cover == facts["days_of_cover"]
        coming = day_text(date.fromisoformat(row.next_receipt)) if row.next_receipt else None
        assert (coming, row.next_receipt_quantity or None) == (
            facts.get("next_receipt"),
            facts.get("next_receipt_quantity"),
        )
        reasons = " ".join(said.answer.reasons)
        if (row.available or 0) > 0 and f"{row.sku}:" in reasons:
            assert f"enough for {known(facts, 'days_of_cover')} at the usual speed" in reasons


def test_the_conversion(said):
    """Of the shop on the page and in alerts; of each channel in the report, too."""
    value, text = carried(said.names, "conversion")
    assert said.tiles["conversion"].value == text
    for channel in ("web", "app"):
        made, facts = said.of("channel", "channel", channel)
        assert carried(facts, "channel_conversion") == made_as(made["channel_conversion"])
        assert carried(facts, "conversion") == made_as(made["channel_conversion"])
        assert said.cells("channels", channel)["conversion"] == made_as(made["channel_conversion"])
        assert f"{channel} {made['channel_conversion'].text}" in said.tiles["conversion"].lines
    texts = sentences(said.names, {}, "traffic", visits=10_000)
    orders = whole(Fraction(str(value)) * 10_000)
    rate = text if whole(Fraction(text.rstrip("%")) * 100) == orders else rounded_figure(value, 2, PERCENT)
    assert texts["marketing"][0] == f"10,000 visits × {rate} ≈ {orders} orders."


def test_the_stock_of_a_product(said):
    """Cover, the gap, the next delivery: on the page, in the report, in an alert, by name in a rule."""
    made, facts = said.of("product", "sku", "22423")
    row, cells = said.stock["22423"], said.cells("running_out", "22423")
    for name, column in (("days_of_cover", "days_of_cover"), ("gap_days", "gap_days")):
        assert carried(facts, name) == made_as(made[name]) == cells[column]
    assert cells["next_receipt"][1] == facts["next_receipt"]
    assert cells["next_quantity"] == (facts["next_receipt_quantity"], bare(known(facts, "next_receipt_quantity")))
    assert row.next == f"{bare(known(facts, 'next_receipt_quantity'))} on {facts['next_receipt']}"
    assert row.cover == ("" if row.is_out else f"lasts {known(facts, 'days_of_cover')}")
    assert row.gap == f"out for {known(facts, 'gap_days')} before the next delivery"
    matter = said.matter("stock/22423")
    assert f"{known(facts, 'gap_days')} before {known(facts, 'next_receipt_quantity')} arrive on" in matter.what


def test_the_return_rate(said):
    """Of a product in the report, in an alert and in a rule; of a channel; of the shop on the page."""
    made, facts = said.of("product", "sku", "KEY-1")
    assert carried(facts, "return_rate") == made_as(made["return_rate"]) == said.cells("returns", "KEY-1")["rate"]
    matter = said.matter("returns/KEY-1")
    if matter is not None:
        rise = measured_text(facts["return_rise"], "points")
        assert matter.what.startswith(
            f"{known(facts, 'return_rate')} of product KEY-1 come back, {rise} more than before"
        )
        (text, *_) = sentences(facts, {"sku": "KEY-1"}, "returns")["marketing"]
        assert text.startswith(f"{known(facts, 'return_rate')} of what was sold in a week came back, {rise} more")
    for channel in ("web", "app"):
        made, facts = said.of("channel", "channel", channel)
        if made["channel_return_rate"].value is not None:
            assert carried(facts, "channel_return_rate") == made_as(made["channel_return_rate"])
            assert said.cells("channels", channel)["return_rate"] == made_as(made["channel_return_rate"])
    assert said.tiles["returns"].value == channel_returns(said.shop, "", NOON)["channel_return_rate"].text


def test_the_money_at_stake(said):
    """What matters in the report is worth what the alert says, to the cent and in the same words."""
    _, facts = said.of("product", "sku", "22423")
    matters = [m for name in ("stock/22423", "promotion/22423") if (m := said.matter(name)) is not None]
    matter = max(matters, key=lambda m: m.at_stake)
    assert Fraction(str(facts["money_at_stake"])) * 10 ** decimals("EUR") == matter.at_stake
    text = known(facts, "money_at_stake")
    assert stake_words(matter, said.report) == f"{text} at stake"
    told = " ".join(sentences(facts, {"sku": "22423"}, "stock")["marketing"])
    assert f"At stake: about {text} (" in told
    assert re.search(r"\d units? of product 22423 that ", told)
    assert not re.search(r"\d 22423", told)
