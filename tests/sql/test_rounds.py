"""Each row of a database counts once: whatever is committed when, wherever a page ends, whenever a worker dies."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from till import BY_ID, MAPPING, QUERY, Reader, Till, numbers, source_of

from lockstep.adapters.sql import source_pages
from lockstep.adapters.sql.source_state import SourceState
from lockstep.errors import EventError, LockstepError, RuleError, StateError


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_pages, "ROWS", 4)


def test_what_is_new_is_given_once(till: Till, tmp_path: Path) -> None:
    """From `from` on, and then what came since."""
    reader = Reader(till, source_of(tmp_path))
    till.order((1, "00:00"), (2, "01:00"))
    till.ask("INSERT INTO orders VALUES (99, '2026-11-24 08:59:59', 1, 'web')")  # before `from`
    assert reader.ask() == ["1", "2"]
    assert reader.ask() == []
    till.order((3, "01:00"), (4, "02:00"))
    assert reader.ask() == ["3", "4"]


def test_what_is_committed_late_is_given_within_the_overlap(till: Till, tmp_path: Path) -> None:
    """Behind what was read already; older than that it is not seen, and no row comes again."""
    reader = Reader(till, source_of(tmp_path, overlap="5m"))
    till.order((1, "00:00"), (2, "10:00"))
    reader.ask()
    till.order((3, "05:00"), (4, "04:59"), (5, "09:59"))
    assert reader.ask() == ["3", "5"]
    till.order((6, "14:00"))
    assert reader.ask() == ["6"]
    till.order((7, "09:30"))
    assert reader.ask() == ["7"]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("survived", [0, 1, 2, 3])
def test_rows_of_one_value_across_a_page(till: Till, tmp_path: Path, survived: int) -> None:
    """A worker that dies between two pages leaves the rest of the value to the next one."""
    reader = Reader(till, source_of(tmp_path))
    till.order(*((number, "00:30") for number in range(1, 12)))
    assert len(reader.ask(at_most=survived)) == min(11, 4 * survived)
    reader.ask()
    assert reader.given == numbers(1, 11)


@pytest.mark.usefixtures("small_pages")
def test_ids(till: Till, tmp_path: Path) -> None:
    """By numbers, of which some are committed late."""
    reader = Reader(till, source_of(tmp_path, query=BY_ID, cursor="number", **{"from": 0}, overlap=16))
    till.order(*((number, "00:00") for number in range(1, 31) if number != 15))
    assert reader.ask() == [n for n in numbers(1, 30) if n != "15"]
    till.order((15, "00:00"), (31, "00:00"))
    assert reader.ask() == ["15", "31"]
    assert b"till/given/0" not in reader.entries  # what is older than the overlap is forgotten


def test_a_time_with_a_zone(postgres_server: Any, tmp_path: Path) -> None:
    """Is compared as the moment that it is, whatever zone the server or its client is in."""
    till = Till(postgres_server.new_database())
    till.ask("ALTER TABLE orders ALTER placed TYPE TIMESTAMP WITH TIME ZONE USING placed AT TIME ZONE 'UTC'")
    till.ask("ALTER ROLE shop SET timezone = 'Asia/Tokyo'")
    try:
        reader = Reader(till, source_of(tmp_path, **{"from": "2026-11-24T10:00:00+01:00"}, overlap="1m"))
        till.ask("INSERT INTO orders VALUES (1, '2026-11-24 08:59:59+00', 1, 'web')")
        till.ask("INSERT INTO orders VALUES (2, '2026-11-24 09:00:00+00', 1, 'web')")
        till.ask("INSERT INTO orders VALUES (3, '2026-11-24 09:05:00+00', 1, 'web')")
        assert reader.ask() == ["2", "3"]
        till.ask("INSERT INTO orders VALUES (4, '2026-11-24 09:04:00+00', 1, 'web')")
        till.ask("INSERT INTO orders VALUES (5, '2026-11-24 09:03:59+00', 1, 'web')")
        assert reader.ask() == ["4"]
    finally:
        till.ask("ALTER ROLE shop RESET timezone")


def test_days(till: Till, tmp_path: Path) -> None:
    """A column of days: what comes later on the same day is read, and no row of it twice."""
    query = (
        "SELECT number, placed, total, shop, date(placed) AS day FROM orders WHERE date(placed) >= :cursor ORDER BY 5"
    )
    reader = Reader(till, source_of(tmp_path, query=query, cursor="day", **{"from": "2026-11-23"}))
    till.ask("INSERT INTO orders VALUES (1, '2026-11-23 10:00:00', 1, 'web')")
    till.order((2, "00:00"), (3, "01:00"))
    assert reader.ask() == ["1", "2", "3"]
    till.order((4, "00:30"))
    assert reader.ask() == ["4"]
    pages = list(reader.pages(SourceState("till", "day", reader.entries)))
    assert [page.odd for page in pages] == [0]  # the day before was asked for


def test_a_row_without_a_value_waits(till: Till, tmp_path: Path) -> None:
    """It is no row yet; when it has one, it counts."""
    every = QUERY.replace("placed >= :cursor", "(placed >= :cursor OR placed IS NULL)")
    reader = Reader(till, source_of(tmp_path, query=every))
    till.order((1, None), (2, "01:00"))
    assert reader.ask() == ["2"]
    till.ask("UPDATE orders SET placed = '2026-11-24 09:02:00' WHERE number = 1")
    assert reader.ask() == ["1"]


def test_rows_from_before_are_left_out(till: Till, tmp_path: Path) -> None:
    """A query that does not heed :cursor gives no row twice either."""
    heedless = "SELECT number, placed, total, shop FROM orders WHERE :cursor IS NOT NULL ORDER BY placed"
    if "postgres" in till.url:
        heedless = heedless.replace(":cursor", "CAST(:cursor AS TIMESTAMP)")
    reader = Reader(till, source_of(tmp_path, query=heedless, overlap="1s"))
    till.order((1, "00:00"), (2, "01:00"), (3, "02:00"))
    assert reader.ask() == ["1", "2", "3"]
    assert reader.ask() == []


def test_an_order_of_several_rows(till: Till, tmp_path: Path) -> None:
    """Is whole, though a page would end within it; also what other orders were placed at the same time."""
    mapping = MAPPING.replace("lines: {const: []}", "lines: {rows: {sku: sku, quantity: quantity, unit_price: price}}")
    (tmp_path / "mappings").mkdir()
    mapping = mapping.replace("    id: number", "    one_per: number\n    id: number")
    (tmp_path / "mappings" / "till.yml").write_text(mapping)
    query = (
        "SELECT number, placed, total, shop, sku, quantity, price FROM orders JOIN lines USING (number) "
        "WHERE placed >= :cursor ORDER BY placed, sku"
    )
    reader = Reader(till, source_of(tmp_path, query=query))
    for number, at in ((1, "00:00"), (2, "00:00"), (3, "01:00")):
        till.order((number, at))
        till.ask(f"INSERT INTO lines VALUES ({number}, 'A', 1, 5), ({number}, 'B', 2, 3.5), ({number}, 'C', 1, 1)")
    original, source_pages.ROWS = source_pages.ROWS, 2
    try:
        state = SourceState("till", "placed", {})
        pages = list(reader.pages(state))
    finally:
        source_pages.ROWS = original
    assert [len(page.records) for page in pages] == [2, 1]
    assert all((record.value or b"").count(b'"sku"') == 3 for page in pages for record in page.records)
    assert reader.ask() == ["1", "2", "3"]
    till.ask("UPDATE orders SET placed = '2026-11-24 09:05:00' WHERE number = 3")
    differing = "SELECT number, total, shop, sku, quantity, price, placed AS at, CASE sku WHEN 'A' THEN 1 ELSE 2 END "
    differing += "AS placed FROM orders JOIN lines USING (number) WHERE number > :cursor ORDER BY 8"
    with pytest.raises(EventError, match=r"the rows of [123] differ in 'placed'"):
        Reader(till, source_of(tmp_path, name="other", query=differing, **{"from": 0})).ask()


def test_a_refused_row_is_said_once(till: Till, tmp_path: Path) -> None:
    """With what is wrong with it; the others go on."""
    reader = Reader(till, source_of(tmp_path))
    till.order((1, "00:00"), (2, "00:30"))
    till.ask("INSERT INTO orders VALUES (3, '2026-11-24 09:01:00', NULL, 'web')")
    assert reader.ask() == ["1", "2"]
    assert [why.partition(",")[0] for why in reader.refused] == ["total: is blank"]
    reader.ask()
    till.order((4, "02:00"))
    assert reader.ask() == ["4"]
    assert len(reader.refused) == 1


def test_where_all_rows_are_refused_nothing_is_left_behind(till: Till, tmp_path: Path) -> None:
    """Rather the mapping is wrong: once it is right, all of them count."""
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "till.yml").write_text(MAPPING.replace("time: placed", "time: shop"))
    reader = Reader(till, source_of(tmp_path))
    till.order(*((number, "00:00") for number in range(20)))
    with pytest.raises(EventError, match=r"all 20 rows are refused, the one with 2026-11-24 09:00:00"):
        reader.ask()
    (tmp_path / "mappings" / "till.yml").write_text(MAPPING)
    reader.source = source_of(tmp_path)
    assert reader.ask() == numbers(0, 19)


@pytest.mark.parametrize(
    ("differs", "error", "said"),
    [
        pytest.param(
            {"cursor": "placd"},
            EventError,
            "the query gives no column 'placd'; it gives number, placed, total, shop: name one of these",
            id="no such column",
        ),
        pytest.param(
            {"query": QUERY.replace("shop FROM", "shop AS place FROM")},
            RuleError,
            "the file has no column 'shop'",
            id="a column of the mapping that the query does not give",
        ),
        pytest.param(
            {"query": QUERY.replace("ORDER BY placed", "ORDER BY -number")},
            EventError,
            "the rows are not in the order of 'placed': 2026-11-24 09:00:00 stands behind 2026-11-24 09:01:00; "
            "end the query with ORDER BY placed",
            id="not in order",
        ),
        pytest.param(
            {"cursor": "shop"},
            EventError,
            "'shop': 'web' is no such time; a text must be a time like 2026-11-24 09:30:00",
            id="no time",
        ),
        pytest.param(
            {"cursor": "number", "query": QUERY.replace("placed, number", "number")},
            EventError,
            "'number' is a number; write 'from' as one, such as 1",
            id="from is of another kind",
        ),
        pytest.param(
            {"query": QUERY.replace("total", "totl")},
            EventError,
            "query: the database says: ",
            id="what the database refuses",
        ),
    ],
)
def test_what_cannot_be_taken(
    till: Till, tmp_path: Path, differs: dict[str, str], error: type[LockstepError], said: str
) -> None:
    """One line with the way out, and nothing is passed over."""
    till.order((1, "00:00"), (2, "01:00"))
    reader = Reader(till, source_of(tmp_path, **differs))
    with pytest.raises(error) as raised:
        reader.ask()
    assert said in str(raised.value)
    assert "secret" not in str(raised.value)
    assert reader.entries == {}


def test_another_column_is_another_source(till: Till, tmp_path: Path) -> None:
    """What was remembered of one says nothing of the other."""
    reader = Reader(till, source_of(tmp_path))
    till.order((1, "00:00"))
    reader.ask()
    reader.source = source_of(tmp_path, query=BY_ID, cursor="number", **{"from": 0})
    with pytest.raises(StateError, match="'till' was read by 'placed' so far, up to 2026-11-24 09:00:00; now"):
        reader.ask()


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_order_of_commits_and_deaths(data: st.DataObject) -> None:
    """Rows are committed at most an overlap late, workers die after any page: each row counts exactly once."""
    original, source_pages.ROWS = source_pages.ROWS, data.draw(st.integers(1, 4), label="rows of a page")
    with TemporaryDirectory(prefix="lockstep-") as name:
        folder = Path(name)
        try:
            (folder / "till.db").touch()
            till = Till(f"sqlite:///{folder}/till.db")
            reader = Reader(till, source_of(folder, query=BY_ID, cursor="number", **{"from": 1}, overlap=5))
            due = list(range(2, 40))
            while due:
                # At most five numbers from the oldest that has not been committed yet: none is later than the overlap.
                number = data.draw(st.sampled_from([n for n in due if n < due[0] + 5]))
                due.remove(number)
                till.order((number, "00:00"))
                if data.draw(st.booleans()):
                    reader.ask(at_most=data.draw(st.integers(0, 3)))
            reader.ask()
        finally:
            source_pages.ROWS = original
    assert sorted(map(int, reader.given)) == list(range(2, 40))
