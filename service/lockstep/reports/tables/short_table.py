"""A table of a report that is short: its most important rows, and how many were left out. And the columns of many."""

from collections.abc import Iterable, Iterator

from lockstep.reports.cell_text import SENTENCE
from lockstep.reports.report_record import Column, Table, Value

MOST_ROWS = 10

Row = tuple[Value, ...]
Ranked = tuple[float, str, Row]
"""A row behind what puts it in order: a number, the smallest first, and where two are equal a name."""


def short_table(
    name: str, title: str, columns: Iterable[Column], rows: Iterable[Row], *, empty: str, most: int = MOST_ROWS,
    note: str = "",
) -> Table:  # fmt: skip
    """rows: all of them, the most important first. empty: what is said where there are none. most: rows that are kept.
    note: what is said below them."""
    listed = tuple(rows)
    return Table(
        name=name,
        title=title,
        columns=tuple(columns),
        rows=listed[:most],
        empty=empty,
        more=max(0, len(listed) - most),
        note=note,
    )


def ranked(rows: Iterable[Ranked]) -> Iterator[Row]:
    """Rows in their order."""
    return (row for *_, row in sorted(rows, key=lambda one: one[:2]))


def text_column(name: str, title: str) -> Column:
    """A column of words."""
    return Column(name=name, title=title, unit="text")


def sentence_column(name: str, title: str) -> Column:
    """A column of sentences; the first one of its table, whose rows are no cells side by side then."""
    return Column(name=name, title=title, unit=SENTENCE)


def number_column(name: str, title: str, unit: str = "") -> Column:
    """A column of numbers. unit: of its cells; "" a count."""
    return Column(name=name, title=title, unit=unit)


def day_column(name: str, title: str) -> Column:
    """A column of days."""
    return Column(name=name, title=title, unit="day")


def moment_column(name: str, title: str) -> Column:
    """A column of instants."""
    return Column(name=name, title=title, unit="moment")


SKU = text_column("sku", "Product")
AVAILABLE = number_column("available", "In stock")
COVER = number_column("days_of_cover", "Lasts", "days")
