"""The numbers of the page of today by themselves: which way they differ, and when a tile is red."""

from datetime import timedelta

import pytest
from shop_build import NOON, TODAY, capacity, days, history, product, shop_of, today

from lockstep.adapters.http.pages.shop.stock_rows import StockRow
from lockstep.adapters.http.pages.shop.today_tiles import Tile, tiles
from lockstep.shop.whole_shop import Shop

USUAL = history(weeks=8, whole={"orders": 100, "lines": 100})
"""A hundred orders a day, of which 26 have come by noon."""


def tile(shop: Shop, key: str, *rows: StockRow) -> Tile:
    (one,) = [tile for tile in tiles(shop, NOON, {}, rows, 0) if tile.key == key]
    return one


def row(sku: str, *, is_out: bool, campaigns: str = "") -> StockRow:
    return StockRow(
        sku=sku, tone="", word="", available="", cover="", gap="", next="", campaigns=campaigns, is_out=is_out
    )


@pytest.mark.parametrize(
    ("orders", "more", "above"),
    [
        pytest.param(39, "50% more than usual by now (26)", "50% more than was expected by now", id="more"),
        pytest.param(13, "50% less than usual by now (26)", "50% less than was expected by now", id="less"),
        pytest.param(26, "as usual by now (26)", "", id="as usual"),
    ],
)
def test_orders_say_which_way_they_differ(orders, more, above):
    lines = tile(shop_of(*USUAL, *today(whole={"orders": orders, "lines": orders})), "orders").lines
    assert more in lines
    assert [line for line in lines if "expected by now" in line] == ([above] if above else [])


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        pytest.param(20, "10 points more than the month before", id="more"),
        pytest.param(5, "5 points less than the month before", id="less"),
        pytest.param(10, "as in the month before", id="the same"),
    ],
)
def test_returns_say_which_way_they_differ(returned, says):
    """Of a hundred units a day ten came back, until the days that are looked at."""
    before = history(weeks=12, until="2026-11-24", whole={"units": 100, "returned_units": 10})
    lately = [
        of for n in range(1, 7) for of in days(TODAY - timedelta(n), whole={"units": 100, "returned_units": returned})
    ]
    assert tile(shop_of(*before, *lately), "returns").lines[0] == says


@pytest.mark.parametrize(
    ("can_ship", "tone", "says"),
    [
        pytest.param(60, "critical", "40 orders too many: add no budget, move work to tomorrow", id="too many"),
        pytest.param(100, "over", "room for 0 more orders today", id="just enough"),
        pytest.param(180, "over", "room for 80 more orders today", id="room is left"),
    ],
)
def test_capacity_is_red_where_more_is_expected_than_can_be_shipped(can_ship, tone, says):
    shop = shop_of(*USUAL, *today(whole={"orders": 26, "lines": 26}), capacity(can_ship, "2026-11-30"))
    shown = tile(shop, "capacity")
    assert (shown.tone, shown.lines[0]) == (tone, says)


@pytest.mark.parametrize(
    ("rows", "tone", "word", "line"),
    [
        pytest.param(
            [row("A", is_out=True, campaigns="SUMMER"), row("B", is_out=False)],
            "critical",
            "sold out, promoted",
            "products, 1 of them sold out",
            id="promoted and out",
        ),
        pytest.param(
            [row("A", is_out=True), row("B", is_out=False, campaigns="SUMMER")],
            "warning",
            "sold out",
            "products, 1 of them sold out",
            id="one is out, and another is promoted",
        ),
        pytest.param([row("A", is_out=False)], "warning", "run out", "product", id="one runs out"),
    ],
)
def test_stock_is_red_where_something_promoted_is_sold_out(rows, tone, word, line):
    shown = tile(shop_of(product("A", stock=5)), "stock", *rows)
    assert (shown.value, shown.tone, shown.word, shown.lines[0]) == (str(len(rows)), tone, word, line)
