"""Rows that `lockstep convert` turns into events, per second of CPU.

Three files: visits (four columns and a time, an event a row), the same as JSON, one a line, and the lines of orders
(three to an order).
"""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.bench.service import WrongResultError
from tests.bench.session import Session, folder

from lockstep.adapters.convert.conversion import convert_files
from lockstep.adapters.convert.field_values import Setting
from lockstep.adapters.convert.mapping import FileMapping, read_mapping
from lockstep.yaml.document import document_of

VISITS = """\
mapping: visits
time: {zone: UTC}
events:
  - type: traffic.session
    time: time
    data: {visitor: visitor, channel: channel, sku: sku, country: country}
"""
ORDERS = """\
mapping: orders
time: {zone: UTC}
numbers: {decimal: "."}
events:
  - type: order.placed
    one_per: order
    id: order
    time: time
    data:
      order_id: order
      total: total
      channel: channel
      lines: {rows: {sku: sku, quantity: pieces, unit_price: price}}
"""
COUNT = 300_000
COLUMNS = ("time", "visitor", "channel", "sku", "country")


def run(session: Session) -> None:
    rows = session.count(COUNT)
    with folder() as place:
        with session.step(f"making three files of {rows:,} rows"):
            files = _files(place, rows)
        for key, (path, mapping) in files.items():
            with session.step(f"convert {path.name}"):
                for _ in range(session.rounds):
                    session.add(key, rows / _seconds(path, mapping, rows))
            session.say(key)


def _visits(rows: int) -> Iterator[tuple[str, ...]]:
    draw = random.Random(1)
    for i in range(rows):
        second = i // 5
        time_of = (
            f"2026-11-{1 + second // 86_400 % 28:02} {second // 3_600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
        )
        channel, country = draw.choice(("web", "app", "market")), draw.choice(("GB", "DE", "FR"))
        yield time_of, f"v{draw.randrange(100_000)}", channel, f"S{draw.randrange(500)}", country


def _files(place: Path, rows: int) -> dict[str, tuple[Path, FileMapping]]:
    """Key of the figure → the file and its mapping."""
    visits, lines, orders = place / "visits.csv", place / "visits.ndjson", place / "orders.csv"
    with visits.open("w") as table, lines.open("w") as objects:
        table.write(",".join(COLUMNS) + "\n")
        for row in _visits(rows):
            table.write(",".join(row) + "\n")
            objects.write(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n")
    with orders.open("w") as table:
        table.write("order,time,total,channel,sku,pieces,price\n")
        for i, (time_of, _, channel, sku, _) in enumerate(_visits(rows)):
            first = f"{time_of},{i % 90}.50,{channel}" if i % 3 == 0 else ",,"
            table.write(f"A{i // 3},{first},{sku},{1 + i % 4},{i % 30}.25\n")
    of_visits, of_orders = _mapping(VISITS), _mapping(ORDERS)
    return {
        "convert.per_s": (visits, of_visits),
        "convert.json.per_s": (lines, of_visits),
        "convert.orders.per_s": (orders, of_orders),
    }


def _mapping(text: str) -> FileMapping:
    document, _ = document_of("bench.yml", text.encode())
    mapping = None if document is None else read_mapping(document)[0]
    assert mapping is not None
    return mapping


def _seconds(path: Path, mapping: FileMapping, rows: int) -> float:
    """CPU of one conversion. Raises WrongResultError where a row is refused or lost."""
    begun = time.process_time()
    report = convert_files([path], lambda _: None, setting=Setting(ZoneInfo("UTC")), mapping=mapping)
    if (report.rows, report.refused) != (rows, {}):
        raise WrongResultError(f"{report.rows:,} rows of {rows:,}, {report.refused_count:,} refused")
    return time.process_time() - begun
