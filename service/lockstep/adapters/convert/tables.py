"""CSV, TSV and semicolon files: the header, wherever it stands, and the rows with their lines.

A header is looked for among the first lines, with every separator there is: exports put titles, comments or a `sep=;`
above it. Nothing of a file is held but its first lines.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from lockstep.adapters.convert.file_columns import TableColumns
from lockstep.adapters.convert.form import FileForm
from lockstep.adapters.convert.mapping import FileMapping
from lockstep.adapters.convert.recognition import recognised
from lockstep.errors import EventError

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
HEAD_LINES = 60
"""Lines among which a header is looked for."""
LONGEST_LINE = 16 << 20
MOST_COLUMNS = 10_000

Lines = Iterator[str]


@dataclass(frozen=True)
class Header:
    """names: the cells of the header. line: of it. above: what the lines above it say, `# Start date` → `20261101`."""

    mapping: FileMapping | None
    names: Sequence[str]
    separator: str
    line: int
    above: Mapping[str, str]


class Table:
    """The rows of a table below its header, each with its line.

    Raises EventError for what cannot be read on.
    """

    def __init__(self, name: str, header: Header, rows: Iterator[tuple[int, Sequence[str]]], form: FileForm) -> None:
        self._name, self._header, self._rows, self._form = name, header, rows, form
        self.columns = TableColumns(header.names, header.above)

    def place(self, number: int) -> str:
        """`orders.csv:12`."""
        return f"{self._name}:{number}"

    def rows(self, refuse: Callable[[int, str, str], None]) -> Iterator[tuple[int, Sequence[str]]]:
        """(line, cells) as many as the header has. refuse: told line, fault and way out of rows that do not fit."""
        width, comments = len(self._header.names), self._form.comments
        begun = False
        for number, cells in self._rows:
            if len(cells) != width:
                cells = [*cells, *[""] * (width - len(cells))]
                if any(cell.strip() for cell in cells[width:]):
                    what = f"has {len(cells)} cells, the header has {width}"
                    refuse(number, what, "put a text that holds a separator in quotes")
                    continue
                cells = cells[:width]
            if comments is not None and cells[0].startswith(comments):
                if begun:
                    return
                continue
            begun = begun or any(cells)
            yield number, cells


def open_table(lines: Lines, name: str, mappings: Sequence[FileMapping], form: FileForm | None) -> tuple[Table, Header]:
    """The table in the lines of a file. mappings: of which one is looked for; form: of the only one that may be meant.

    Raises EventError where there is no table.
    """
    head = list(islice(lines, HEAD_LINES))
    header = _header(head, name, mappings, form)
    form = form if header.mapping is None else header.mapping.form.file
    rest: Iterator[str] = chain(head[header.line :], lines)
    if form is not None and form.encoding is not None:
        rest = _recoded(rest, form.encoding)
        header = _header([*_recoded(head, form.encoding)], name, mappings, form)
    return Table(name, header, _rows(rest, name, header), form or FileForm.model_construct()), header


def lines_of(stream: io.BufferedIOBase, name: str) -> Lines:
    """The lines of a stream of UTF-8; bytes that are none stand in them as halves of characters."""
    text = io.TextIOWrapper(
        io.BufferedReader(_ShortLines(stream, name), 1 << 18), "utf-8", "surrogateescape", newline=""
    )
    return iter(text)


class _ShortLines(io.RawIOBase):
    """A stream whose lines are bounded: a file of another kind would be held whole."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream, self._name, self._since = stream, name, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = int(self._stream.readinto1(buffer))
        last = bytes(buffer[:count]).rfind(b"\n")
        self._since = self._since + count if last < 0 else count - last
        if self._since > LONGEST_LINE:
            message = f"{self._name}: a line of more than {LONGEST_LINE >> 20} MiB; is it a table? Save it as CSV"
            raise EventError("file", message)
        return count


def _header(head: Sequence[str], name: str, mappings: Sequence[FileMapping], form: FileForm | None) -> Header:
    """The header among the first lines: the one by which a mapping knows its file, else the widest row."""
    above = _above(head, form.comments if form is not None else "#")
    separators = list(SEPARATORS.values())
    if form is not None and form.separator != "auto":
        separators = [SEPARATORS[form.separator]]
    widest: Header | None = None
    for separator in separators:
        for line, names in _parsed(head, separator):
            if not any(cell.strip() for cell in names) or len(names) > MOST_COLUMNS:
                continue
            mapping = recognised(mappings, [*names, *above])
            if mapping is not None:
                comments = mapping.form.file.comments
                return Header(mapping, names, separator, line, _above(head[: line - 1], comments))
            if widest is None or len(names) > len(widest.names):
                widest = Header(None, names, separator, line, above)
    if widest is None:
        raise EventError("file", f"{name}: it is empty; name a file with a header and rows")
    return widest


def _parsed(head: Sequence[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(head, delimiter=separator)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error:
        return


def _above(head: Iterable[str], comments: str | None) -> dict[str, str]:
    """What comment lines say: `# Start date: 20261101` → `# Start date`: `20261101`."""
    if comments is None:
        return {}
    said = {}
    for line in head:
        name, colon, text = line.strip().partition(":")
        if line.startswith(comments) and colon:
            said[name.strip()] = text.strip().rstrip(",;\t")
    return said


def _recoded(lines: Iterable[str], encoding: str) -> Iterator[str]:
    """Lines that were read as UTF-8, in the encoding that they have."""
    for line in lines:
        yield line if line.isascii() else line.encode("utf-8", "surrogateescape").decode(encoding, "surrogateescape")


def _rows(lines: Iterable[str], name: str, header: Header) -> Iterator[tuple[int, Sequence[str]]]:
    reader = csv.reader(lines, delimiter=header.separator)
    before = header.line
    number = before + 1
    try:
        for cells in reader:
            if cells:
                yield number, cells
            number = before + reader.line_num + 1
    except csv.Error as error:
        why = "a quote is opened and not closed" if "field larger" in str(error) else str(error)
        raise EventError("file", f"{name}:{number}: cannot be read on: {why}; mend the line") from error
