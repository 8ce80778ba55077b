"""Order lines of a CSV file → CloudEvents: the UCI "Online Retail" files, or your own shop's with the same columns.

What the file says and what we make of it:
- Lines of one invoice become one `order.placed`, at the time of its first line, read in Europe/London.
- An invoice whose number begins with C is a cancellation. The file does not say which order it undoes, and nearly all
  come after the goods have left, so it becomes `order.returned` with positive quantities and the money paid back.
- Codes that are no products (postage, manual entries, discounts, bank and marketplace charges, samples) are money, not
  goods: they count in `total`, postage also in `shipping`, and never in `lines`.
- Lines without a price or with a quantity of the wrong sign are corrections of the stock and are left out. An invoice
  without any product left (a bank charge, a discount, found stock) is no order and gives no event.
- `channel` is `web`, `currency` is GBP. A customer's number is a pseudonym already; without one, no `customer`.
"""

import csv
import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from lockstep.errors import EventError
from lockstep.text.rfc3339 import rfc3339_of

ZONE = ZoneInfo("Europe/London")
SOURCE = "/online-retail"
POSTAGE = frozenset({"POST", "DOT", "C2"})
"""Codes of what the customer pays for shipping."""

_PRODUCT = re.compile(r"\d|DCGS|GIFT_")
_COLUMNS = {
    "invoice": ("InvoiceNo", "Invoice"),
    "code": ("StockCode",),
    "quantity": ("Quantity",),
    "time": ("InvoiceDate",),
    "price": ("UnitPrice", "Price"),
    "customer": ("CustomerID", "Customer ID"),
    "country": ("Country",),
}
"""Ours → theirs: both editions of the data set are read."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an invoice. place: `file.csv:12`. time: aware, in UTC."""

    place: str
    invoice: str
    code: str
    quantity: int
    time: datetime
    price: Decimal
    customer: str | None
    country: str | None

    @property
    def is_product(self) -> bool:
        return _PRODUCT.match(self.code.upper()) is not None

    @property
    def money(self) -> Decimal:
        return self.price * self.quantity


def convert(csv_path: Path) -> Iterator[dict[str, Any]]:
    """The CloudEvents of a CSV file (`.gz` too) in the order of time, ids the invoice numbers.

    The file is read whole first, as the lines of an invoice may stand apart: half a million lines take 300 MB.
    Raises EventError, naming file and line, for what cannot be read.
    """
    invoices: dict[str, list[Line]] = {}
    with _open(csv_path) as stream:
        for line in _lines(csv_path.name, stream):
            invoices.setdefault(line.invoice, []).append(line)
    for lines in sorted(invoices.values(), key=lambda lines: lines[0].time):
        event = event_of(lines)
        if event is not None:
            yield event


def write_events(csv_path: Path, out: TextIO) -> int:
    """Write a CSV file's events, one a line; returns how many."""
    count = 0
    for event in convert(csv_path):
        out.write(json.dumps(event, separators=(",", ":")) + "\n")
        count += 1
    return count


def event_of(lines: list[Line]) -> dict[str, Any] | None:
    """The event of one invoice's lines (at least one); None when it holds no product."""
    first = lines[0]
    returned = first.invoice.upper().startswith("C")
    sign = -1 if returned else 1
    goods = [line for line in lines if line.is_product and line.quantity * sign > 0 and line.price > 0]
    if not goods:
        return None
    charges = [line for line in lines if not line.is_product]
    items: list[dict[str, Any]] = [{"sku": g.code, "quantity": g.quantity * sign} for g in goods]
    data: dict[str, Any] = {
        "order_id": first.invoice,
        "channel": "web",
        "total": _pounds(sum((line.money for line in [*goods, *charges]), Decimal()) * sign),
        "lines": items,
    }
    if returned:
        return _event("order.returned", first, data)
    for item, line in zip(items, goods, strict=True):
        item["unit_price"] = float(line.price)
    data["currency"] = "GBP"
    if first.country:
        data["country"] = first.country
    if first.customer:
        data["customer"] = first.customer
    shipping = [line.money for line in charges if line.code.upper() in POSTAGE]
    if shipping:
        data["shipping"] = _pounds(sum(shipping, Decimal()))
    return _event("order.placed", first, data)


def _event(kind: str, line: Line, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": line.invoice,
        "source": SOURCE,
        "type": kind,
        "time": rfc3339_of(line.time),
        "subject": line.invoice,
        "data": data,
    }


def _pounds(amount: Decimal) -> float:
    return float(round(amount, 2))


def _open(path: Path) -> TextIO:
    try:
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise EventError("file", f"{path}: {error.strerror}; name a CSV file of order lines") from error


def _lines(name: str, stream: Iterable[str]) -> Iterator[Line]:
    rows = csv.DictReader(stream)
    columns = _columns(name, rows.fieldnames or ())
    number = 1
    try:
        for number, row in enumerate(rows, start=2):
            yield _line(f"{name}:{number}", row, columns)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise EventError("file", f"{name}:{number + 1}: cannot be read on: {error}") from error


def _columns(name: str, header: Iterable[str]) -> dict[str, str]:
    given = {title.strip().lower(): title for title in header}
    columns = {
        ours: next((given[t.lower()] for t in theirs if t.lower() in given), "") for ours, theirs in _COLUMNS.items()
    }
    missing = [_COLUMNS[ours][0] for ours in ("invoice", "code", "quantity", "time", "price") if not columns[ours]]
    if missing:
        raise EventError("file", f"{name}:1: no column {', '.join(missing)}; the first line must name the columns")
    return columns


def _line(place: str, row: Mapping[str, str | None], columns: Mapping[str, str]) -> Line:
    def text(ours: str) -> str:
        return (row.get(columns[ours]) or "").strip() if columns[ours] else ""

    try:
        price = Decimal(text("price"))
        if not price.is_finite():
            raise InvalidOperation
        return Line(
            place=place,
            invoice=text("invoice"),
            code=text("code"),
            quantity=int(text("quantity")),
            time=_moment(text("time")),
            price=price,
            customer=text("customer").removesuffix(".0") or None,
            country=text("country") or None,
        )
    except (InvalidOperation, ValueError) as error:
        what = str(error) if isinstance(error, ValueError) else f"'{text('price')}' is no price"
        raise EventError("file", f"{place}: {what}; correct the line or remove it") from error


def _moment(text: str) -> datetime:
    """`2010-12-01 08:26:00` or `12/1/2010 8:26` (month first), the shop's local time, as UTC."""
    local = datetime.strptime(text, "%m/%d/%Y %H:%M").replace(tzinfo=ZONE) if "/" in text else _iso(text)
    return local.astimezone(UTC)


def _iso(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZONE)
