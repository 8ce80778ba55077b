"""A till with a table of orders, on SQLite and on a real PostgreSQL, and sources.yml that asks it."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy

from lockstep.adapters.convert.field_values import Setting
from lockstep.adapters.sql.database import Database
from lockstep.adapters.sql.source_file import Source, load_sources
from lockstep.adapters.sql.source_pages import Page, Round
from lockstep.adapters.sql.source_state import SourceState

TABLES = """\
CREATE TABLE orders (number INTEGER PRIMARY KEY, placed TIMESTAMP, total NUMERIC(10, 2), shop VARCHAR(20));
CREATE TABLE lines (number INTEGER, sku VARCHAR(20), quantity INTEGER, price NUMERIC(10, 2));
"""
MAPPING = """\
mapping: till
about: The till's table of orders
time: {zone: UTC}
events:
  - type: order.placed
    id: number
    source: /till
    time: placed
    data: {order_id: number, total: total, channel: shop, lines: {const: []}}
"""
QUERY = "SELECT number, placed, total, shop FROM orders WHERE placed >= :cursor ORDER BY placed, number"
BY_ID = "SELECT number, placed, total, shop FROM orders WHERE number > :cursor ORDER BY number"
START = "2026-11-24 09:00:00"
SETTING = Setting(ZoneInfo("UTC"))
TOPICS = {"orders": "orders", "traffic": "traffic", "inventory": "inventory", "plans": "plans"}


def source_of(folder: Path, **differs: Any) -> Source:
    """The source of a file with one, which differs from the usual one in these keys."""
    (folder / "mappings").mkdir(exist_ok=True)
    if not (folder / "mappings" / "till.yml").exists():
        (folder / "mappings" / "till.yml").write_text(MAPPING)
    usual = {
        "name": "till",
        "url": {"secret": "TILL"},
        "query": QUERY,
        "cursor": "placed",
        "from": START,
        "mapping": "till",
        "every": "1s",
    }
    path = folder / "sources.yml"
    path.write_text(json.dumps({"sources": [{**usual, **differs}]}))
    sources = load_sources(path)
    assert not sources.faults, [*map(str, sources.faults)]
    (source,) = sources.sources
    return source


class Till:
    """url: of its database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        self.ask(*TABLES.split(";\n")[:-1])

    def ask(self, *statements: str) -> None:
        with self._engine.begin() as connection:
            for statement in statements:
                connection.execute(sqlalchemy.text(statement.replace(":", r"\:")))

    def order(self, *orders: tuple[int, str | None]) -> None:
        """Commit orders: (number, time within the hour from START on, `05:30`, or None)."""
        times = {number: "NULL" if at is None else f"'2026-11-24 09:{at}'" for number, at in orders}
        rows = [f"({number}, {placed}, 12.50, 'web')" for number, placed in times.items()]
        for i in range(0, len(rows), 500):
            self.ask(f"INSERT INTO orders VALUES {', '.join(rows[i : i + 500])}")


class Reader:
    """Asks as a worker does. entries: what is durable; given: the ids of events that were published with it."""

    def __init__(self, till: Till, source: Source) -> None:
        self.till, self.source = till, source
        self.entries: dict[bytes, bytes] = {}
        self.given: list[str] = []
        self.refused: list[str] = []

    def pages(self, state: SourceState) -> Iterable[Page]:
        database = Database(self.till.url, named="till", asked="query")
        try:
            yield from Round(self.source, state, database, topics=TOPICS, setting=SETTING).pages()
        finally:
            database.close()

    def ask(self, *, at_most: int = 1_000_000) -> list[str]:
        """The ids of what one round gives, of which so many pages become durable until the worker dies."""
        state = SourceState(self.source.name, self.source.column, self.entries)
        before = len(self.given)
        for count, page in enumerate(self.pages(state)):
            if count == at_most:
                break
            if page.reached is None:
                continue
            step = state.step(page.reached, page.digests, refused=len(page.refused), overlap=self.source.overlap)
            for key, value in step.entries.items():
                if value is None:
                    del self.entries[key]
                else:
                    self.entries[key] = value
            state.take(step)
            self.given += [json.loads(record.value or b"")["id"] for record in page.records]
            self.refused += [row.why for row in page.refused]
        return self.given[before:]


def numbers(first: int, last: int) -> Sequence[str]:
    return [str(number) for number in range(first, last + 1)]
