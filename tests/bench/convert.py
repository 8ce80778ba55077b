"""How many rows a second `lockstep convert` turns into events: `python -m tests.bench.convert [ROWS]`, in CPU time.

Three files: visits (four columns and a time, an event a row), the same as JSON, one a line, and the lines of orders
(three to an order).
"""

import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from lockstep.tools.convert.conversion import convert_files
from lockstep.tools.convert.field_values import Setting
from lockstep.tools.convert.mapping import FileMapping, read_mapping
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
COLUMNS = ("time", "visitor", "channel", "sku", "country")


def _visits(rows: int) -> Iterator[tuple[str, ...]]:
    draw = random.Random(1)
    for i in range(rows):
        second = i // 5
        time_of = (
            f"2026-11-{1 + second // 86_400 % 28:02} {second // 3_600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
        )
        channel, country = draw.choice(("web", "app", "market")), draw.choice(("GB", "DE", "FR"))
        yield time_of, f"v{draw.randrange(100_000)}", channel, f"S{draw.randrange(500)}", country


def _files(folder: Path, rows: int) -> dict[str, tuple[Path, FileMapping]]:
    """Name → the file and its mapping."""
    visits, lines, orders = folder / "visits.csv", folder / "visits.ndjson", folder / "orders.csv"
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
    by_text = {"visits": VISITS, "orders": ORDERS}
    mappings = {name: read_mapping(_document(text))[0] for name, text in by_text.items()}
    made = {"visits, CSV": (visits, mappings["visits"]), "visits, JSON": (lines, mappings["visits"])}
    made["lines of orders, CSV"] = (orders, mappings["orders"])
    return {name: (path, mapping) for name, (path, mapping) in made.items() if mapping is not None}


def _document(text: str):  # the package has no name for it here
    document, _ = document_of("bench.yml", text.encode())
    assert document is not None
    return document


def rates(rows: int = 300_000) -> dict[str, float]:
    """Rows a second of CPU time, the best of three."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (path, mapping) in _files(Path(folder), rows).items():
            best = min(_seconds(path, mapping, rows) for _ in range(3))
            found[name] = rows / best
    return found


def _seconds(path: Path, mapping: FileMapping, rows: int) -> float:
    begun = time.process_time()
    report = convert_files([path], lambda _: None, setting=Setting(ZoneInfo("UTC")), mapping=mapping)
    assert (report.rows, report.refused) == (rows, {})
    return time.process_time() - begun


if __name__ == "__main__":
    for name, rate in rates(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000).items():
        print(f"{name:24} {rate:10,.0f} rows/s")
