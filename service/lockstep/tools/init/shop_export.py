"""A file of the shop that `lockstep init` was given: what it is known as, or a draft of a mapping for it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lockstep.adapters.convert.conversion import NotRecognised, convert_files
from lockstep.adapters.convert.field_values import Setting
from lockstep.adapters.convert.mapping import read_mapping
from lockstep.adapters.convert.tables import lines_of, open_table
from lockstep.adapters.ingest.event_text import UNREADABLE, utf8_stream
from lockstep.errors import EventError, LockstepError
from lockstep.tools.foreign_rules.equivalent import flow
from lockstep.yaml.document import document_of

_WORDS = {
    "order": ("order id", "order number", "order no", "orderid", "order", "receipt", "invoice"),
    "time": ("order date", "created at", "ordered at", "purchase date", "datetime", "timestamp", "date", "time"),
    "total": ("order total", "grand total", "total amount", "total", "amount", "revenue"),
    "sku": ("sku", "item sku", "product sku", "product id", "article", "product", "item"),
    "quantity": ("quantity", "qty", "pieces", "units"),
    "price": ("unit price", "item price", "price"),
}
"""What a column may be called, the surer names first."""
LOOKED_AT = 1_000
"""Rows of a file that are tried."""


@dataclass(frozen=True)
class ShopExport:
    """path: of the file. known_as: the ready mapping that knows it. draft: (name, text) of a mapping where none does.

    said: what became of it, for people.
    """

    path: Path
    known_as: str = ""
    draft: tuple[str, str] | None = None
    said: str = ""

    @classmethod
    def of(cls, path: Path, setting: Setting) -> "ShopExport":
        """Looks at the first rows of the file, and writes nothing."""
        try:
            report = convert_files([path], lambda events: None, setting=setting, most_rows=LOOKED_AT)
        except NotRecognised as error:
            draft = _draft(path)
            if draft is None:
                return cls(path, said=str(error))
            said = f"{path}: no ready mapping knows it; look at every line of mappings/{draft[0]}.yml, it is a draft"
            return cls(path, draft=draft, said=said)
        except LockstepError as error:
            return cls(path, said=str(error))
        (_, known_as), *_ = report.recognised
        rows = f"its {report.rows:,} rows" if report.rows < LOOKED_AT else f"its first {LOOKED_AT:,} rows"
        said = f"{path}: {known_as}; {rows} give {report.events:,} events, {report.refused_count:,} refused"
        return cls(path, known_as=known_as, said=said)


def _draft(path: Path) -> tuple[str, str] | None:
    """A mapping of orders for a table whose columns are called as such columns are; None where one is missing."""
    try:
        with path.open("rb") as stream:
            _, header = open_table(lines_of(utf8_stream(stream), str(path)), str(path), [], None)
    except (EventError, *UNREADABLE):
        return None
    columns = {part: _column(header.names, names) for part, names in _WORDS.items()}
    order, time, total = columns["order"], columns["time"], columns["total"]
    if order is None or time is None or total is None:
        return None
    lines = "{const: []} # the file names no products"
    if columns["sku"] is not None and columns["quantity"] is not None and columns["price"] is not None:
        rows = {"sku": columns["sku"], "quantity": columns["quantity"], "unit_price": columns["price"]}
        lines = f"{{rows: {flow(rows)}}}"
    name = re.sub(r"[^a-z0-9]+", "-", path.name.partition(".")[0].lower()).strip("-") or "orders"
    text = f"""\
# Drafted by `lockstep init` from the header of {_plain(path.name)}: look at every line, then `lockstep check mappings`.
mapping: {flow(name)}
about: {flow(path.name)}
recognise: {flow([order, time, total])}
events:
  - type: order.placed
    one_per: {flow(order)} # rows with the same value are one order
    id: {flow(order)}
    time: {flow(time)}
    data:
      order_id: {flow(order)}
      total: {flow(total)}
      lines: {lines}
"""
    document, _ = document_of("mapping.yml", text.encode())
    if document is None or read_mapping(document)[1]:
        return None
    return name, text


def _column(names: Sequence[str], words: Sequence[str]) -> str | None:
    """The column that is called like one of these."""
    plain = {" ".join(re.findall(r"[a-z0-9]+", name.lower())): name for name in names}
    return next((plain[word] for word in words if word in plain), None)


def _plain(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name)
