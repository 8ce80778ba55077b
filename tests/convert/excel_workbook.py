"""A CSV file as the workbook that Excel makes of it: what looks like a number, a day or yes and no becomes one."""

import csv
import io
import re
from datetime import datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from openpyxl import Workbook

_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d{0,14})(?:\.\d+)?")
_TIMES = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%m/%d/%Y %H:%M")
_WHOLE = re.compile(rb'(t="n"><v>-?\d+)(</v>)')


def rows_of(path: Path) -> list[list[str]]:
    """The rows of a file with commas or tabs, in whichever encoding."""
    raw = path.read_bytes()
    if raw.startswith(b"\xff\xfe"):
        text = raw.decode("utf-16")
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("windows-1252")
    separator = "\t" if text.count("\t") > text.count(",") else ","
    return [*csv.reader(io.StringIO(text, newline=""), delimiter=separator)]


def write_workbook(path: Path, sheets: dict[str, list[list[str]]]) -> None:
    """sheets: name → rows. Whole numbers are written with a point, `12345.0`, as some programs do."""
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append([*map(cell_of, row)])
    written = io.BytesIO()
    book.save(written)
    with ZipFile(written) as packed, ZipFile(path, "w") as other:
        for part in packed.namelist():
            raw = packed.read(part)
            other.writestr(part, _WHOLE.sub(rb"\1.0\2", raw) if part.startswith("xl/worksheets/") else raw)


def cell_of(text: str) -> Any:
    if not text:
        return None
    if _NUMBER.fullmatch(text):
        return float(text.replace(",", ""))
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for form in _TIMES:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 # sheets know no zones
        except ValueError:
            continue
    return text
