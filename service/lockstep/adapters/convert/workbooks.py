"""The rows of a sheet of an Excel workbook (`.xlsx`), one after the other: a sheet of a million rows is not held."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, BinaryIO

from lockstep.adapters.convert.objects import cell
from lockstep.errors import EventError

MOST_UNPACKED = 4 << 30
"""Bytes of a workbook when it is unpacked: what is more would be a bomb."""


@dataclass(frozen=True)
class Sheet:
    """rows: (number, cells) of those in which anything stands. others: the names of the other sheets."""

    rows: Iterator[tuple[int, Sequence[str]]]
    others: Sequence[str]


def open_sheet(stream: BinaryIO, name: str, sheet: int | str) -> Sheet:
    """A sheet by its number or its name. Raises EventError for what is no workbook, also while its rows are read."""
    from openpyxl import load_workbook

    with _readable(name):
        _check_size(stream)
        book = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
    names = book.sheetnames
    if isinstance(sheet, int) and not sheet <= len(names):
        raise EventError("file", f"{name}: it has {len(names)} sheets, sheet {sheet} is asked for; name another")
    if isinstance(sheet, str) and sheet not in names:
        raise EventError("file", f"{name}: there is no sheet '{sheet}'; there are {', '.join(names)}")
    chosen = names[sheet - 1] if isinstance(sheet, int) else sheet
    return Sheet(_rows(book, name, chosen), [other for other in names if other != chosen])


def _rows(book: Any, name: str, sheet: str) -> Iterator[tuple[int, Sequence[str]]]:
    with _readable(name):
        for number, row in enumerate(book[sheet].iter_rows(values_only=True), start=1):
            cells = [_text(value) for value in row]
            if any(cells):
                yield number, cells


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Whatever a damaged part of a workbook leads to becomes an EventError."""
    try:
        with warnings.catch_warnings():
            # Styles and extensions that the library leaves out: cells alone are asked for.
            warnings.simplefilter("ignore")
            yield
    except EventError:
        raise
    except Exception as error:
        said = f"{name}: cannot be read as an Excel workbook ({type(error).__name__}); save the sheet as CSV"
        raise EventError("file", said) from error


def _check_size(stream: BinaryIO) -> None:
    from zipfile import ZipFile

    with ZipFile(stream) as packed:
        size = sum(part.file_size for part in packed.infolist())
    if size > MOST_UNPACKED:
        raise ValueError(f"{size} bytes when it is unpacked")
    stream.seek(0)


def _text(value: Any) -> str:
    match value:
        case datetime():
            # Excel keeps times as days and fractions of them, which are seldom whole microseconds.
            return value.replace(microsecond=0).isoformat(" ") if not value.microsecond else _rounded(value)
        case date() | time():
            return value.isoformat()
        case _:
            return cell(value) if isinstance(value, bool | int | float | str | None) else str(value)


def _rounded(value: datetime) -> str:
    from datetime import timedelta

    return (value + timedelta(milliseconds=500)).replace(microsecond=0).isoformat(" ")
