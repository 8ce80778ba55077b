"""Tables beside rule files: numbers by label, as a spreadsheet saves them.

The first row names the columns. Those that are labels of the rule pick a row (`*` stands for anything, anywhere); the
others hold numbers, or, when their name begins with `#`, remarks. Everything that is wrong is said with its line.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO

from lockstep.rule.condition.bound import Row, specificity
from lockstep.rule.language import quantity
from lockstep.yaml.document import Fault, did_you_mean, parted

CODE = "LS221"
LARGEST = 500_000
"""Bytes of one table: all files of a folder together must fit into one record of the broker."""
MOST_ROWS = 10_000
MOST_COLUMNS = 50
MOST_FAULTS = 20
"""Faults of one kind that one table is told: a wrong separator spoils every row."""
NO_BOUND = "none"
"""In a cell of numbers: groups of this row have no bound, whatever a row says that is less specific."""


class BadTable(Exception):
    """The table cannot be used; why has been said."""


@dataclass(frozen=True)
class Line:
    """One row. number: of its line in the file; columns: where its cells begin, from 1."""

    number: int
    cells: tuple[str, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """A table that could be read. name: as rules write it."""

    path: str
    name: str
    header: Line
    lines: tuple[Line, ...]

    def column(self, name: str) -> int | None:
        return self.header.cells.index(name) if name in self.header.cells else None


@dataclass
class Tables:
    """The tables beside rule files, each read once.

    texts: path → text, in which bytes that are no UTF-8 stand as `surrogateescape` reads them. It may read a file when
    it is asked for its text, and raises OSError for one that cannot be read; other files than tables are left alone.
    files: the paths of those that are there. faults: of all of them.
    """

    texts: Mapping[str, str]
    faults: list[Fault] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    _known: dict[str, Table | None] = field(default_factory=dict)
    _rows: dict[tuple[str, str, tuple[str, ...]], tuple[tuple[str, ...], tuple[Row, ...]] | None] = field(
        default_factory=dict
    )

    def has(self, rule_file: str, name: str) -> bool:
        """Whether a rule file has a table of a name beside it."""
        return _folder(rule_file) + name in self.texts

    def beside(self, rule_file: str) -> list[str]:
        """The names of the tables beside a rule file."""
        folder = _folder(rule_file)
        tables = [path for path in self.texts if path.endswith(".csv") and _folder(path) == folder]
        return sorted(path.removeprefix(folder) for path in tables)

    def table(self, rule_file: str, name: str) -> Table:
        """The table of a name beside a rule file, which is there. Raises BadTable."""
        path = _folder(rule_file) + name
        if path not in self._known:
            self.files.append(path)
            self._known[path], faults = self._read(path, name)
            self.faults += faults
        table = self._known[path]
        if table is None:
            raise BadTable
        return table

    def _read(self, path: str, name: str) -> tuple[Table | None, list[Fault]]:
        try:
            text = self.texts[path]
        except OSError as error:
            return None, [Fault(path, 1, 1, f"cannot be read: {error.strerror}", "check its rights", CODE)]
        return table_of(path, name, text.encode("utf-8", "surrogateescape"))

    def rows(self, table: Table, column: str, by: Sequence[str]) -> tuple[tuple[str, ...], tuple[Row, ...]]:
        """The labels that pick a row, and the rows with their numbers. Raises BadTable.

        column: that of the numbers. by: the labels of the rule; those that the table has a column for pick its row.
        """
        key = (table.path, column, tuple(by))
        if key not in self._rows:
            row_numbers, faults = rows_of(table, column, by)
            self.faults += faults
            self._rows[key] = None if any(f.level == "error" for f in faults) else row_numbers
        rows = self._rows[key]
        if rows is None:
            raise BadTable
        return rows


def _folder(path: str) -> str:
    """What stands in a path before the file's name, with its `/`; "" where there is none."""
    return path[: path.rfind("/") + 1]


def table_of(path: str, name: str, raw: bytes) -> tuple[Table | None, list[Fault]]:
    """The table in the bytes of a file, or every fault that keeps it from being one.

    path: as faults name it. name: as rules name it, `thresholds.csv`. raw: all bytes of the file.
    """
    if len(raw) > LARGEST:
        return None, [Fault(path, 1, 1, f"{len(raw):,} bytes; at most {LARGEST:,}", "split the table", CODE)]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        at = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        return None, [Fault(path, *at, "not UTF-8", "save it as CSV UTF-8", CODE)]
    return parse_table(path, name, text)


def parse_table(path: str, name: str, text: str) -> tuple[Table | None, list[Fault]]:
    """The table in a text, or every fault that keeps it from being one."""

    def fault(line: int, column: int, message: str, remedy: str) -> Fault:
        return Fault(path, line, column, message, remedy, CODE)

    try:
        lines_read = _lines(text)
    except _NotCsv as error:
        return None, [
            fault(error.line, 1, "not CSV: a quote is not closed", "close it, and double a quote within quotes")
        ]
    if not lines_read:
        return None, [fault(1, 1, "the table is empty", "write the names of its columns first: sku,at_most")]
    header, *lines = lines_read
    if len(lines) > MOST_ROWS:
        message = f"{len(lines):,} rows; at most {MOST_ROWS:,} are possible"
        return None, [fault(lines[MOST_ROWS].number, 1, message, "use * for rows that say the same")]
    if len(header.cells) > MOST_COLUMNS:
        return None, [fault(header.number, 1, f"more than {MOST_COLUMNS} columns", "remove what no rule needs")]
    faults = []
    for i, column in enumerate(header.cells):
        if column in header.cells[:i]:
            message = f"the column '{column}' stands twice" if column else "a column has no name"
            faults.append(fault(header.number, header.columns[i], message, "name each column differently"))
        elif not column:
            faults.append(fault(header.number, header.columns[i], "a column has no name", "name it, or remove it"))
    width = len(header.cells)
    ragged = [line for line in lines if len(line.cells) != width]
    for line in ragged[:MOST_FAULTS]:
        message = f"{_many(len(line.cells))}, the first row has {width}"
        at = line.columns[width] if len(line.cells) > width else line.columns[-1]
        faults.append(fault(line.number, at, message, "write one cell a column; quote what holds a comma"))
    if not lines:
        faults.append(fault(header.number, 1, "the table has no rows", "add one like A-1,20"))
    return (None, faults) if faults else (Table(path, name, header, tuple(lines)), [])


def _lines(text: str) -> list[Line]:
    """The rows that say anything, cells without blanks around them. Raises _NotCsv."""
    raw = text.split("\n")
    # Excel asks for it where its separator is not that of the reader's country.
    said = _SEPARATOR.fullmatch(raw[0])
    begins = 1
    if said is not None:
        text, begins = "\n".join(raw[1:]), 2
    first = text.lstrip("\r\n").partition("\n")[0]
    # Where a comma is the decimal sign, spreadsheets separate by semicolon.
    separator = said[1] if said is not None else next((s for s in (",", ";", "\t") if s in first), ",")
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    skipped = begins - 1
    lines: list[Line] = []
    try:
        for row in reader:
            cells = tuple(cell.strip() for cell in row)
            if any(cells):
                lines.append(Line(begins, cells, _columns(raw[begins - 1], separator, len(cells))))
            begins = skipped + reader.line_num + 1
    except csv.Error as error:
        raise _NotCsv(begins, str(error)) from error
    return lines


_SEPARATOR = re.compile(r"\"?sep=([,;\t|])\"?\s*", re.IGNORECASE)


class _NotCsv(csv.Error):
    """line: at which the row begins that is not CSV."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def _columns(line: str, separator: str, cells: int) -> tuple[int, ...]:
    """Where the cells of a line begin, as a person counts; of a row over several lines all begin at 1."""
    columns, quoted = [1], False
    for at, character in enumerate(line, 1):
        quoted ^= character == '"'
        if character == separator and not quoted:
            columns.append(at + 1)
    return tuple(columns) if len(columns) == cells else (1,) * cells


def _many(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def rows_of(
    table: Table, column: str, by: Sequence[str]
) -> tuple[tuple[tuple[str, ...], tuple[Row, ...]], list[Fault]]:
    """(labels, rows with the most specific first) of a column for a rule by some labels, and every fault in them.

    An empty cell says nothing: what is less specific counts.
    """
    faults: list[Fault] = []
    header = table.header

    def fault(line: Line, cell: int, message: str, remedy: str) -> None:
        faults.append(Fault(table.path, line.number, line.columns[cell], message, remedy, CODE))

    labels = tuple(name for name in header.cells if name in by and name != column)
    for i, name in enumerate(header.cells):
        if name in labels or name == column or name.startswith("#"):
            continue
        missing = [label for label in by if label not in labels]
        meant = did_you_mean(name, missing) if missing else ""
        meant = meant if meant.startswith("did") else ""
        if meant or not all(_is_number(line.cells[i]) for line in table.lines):
            whole = f"by {' and '.join(by)}" if by else "for the whole shop"
            remedy = meant or f"a column of remarks begins with #: '#{name}'"
            fault(header, i, f"column '{name}' is no label of the rule, which is {whole}, and holds no numbers", remedy)
    if by and not labels and not faults:
        fault(header, 0, f"no column is a label of the rule: {', '.join(by)}", f"add a column '{by[0]}'")
    place = header.cells.index(column)
    picks = [header.cells.index(name) for name in labels]
    rows: dict[tuple[str, ...], float | None] = {}
    first: dict[tuple[str, ...], int] = {}
    for line in table.lines:
        match = tuple(line.cells[i] or "*" for i in picks)
        if match in first:
            said = ", ".join(match) or "the one row of a rule without labels"
            fault(line, picks[0] if picks else 0, f"'{said}' stands also in line {first[match]}", "keep one of them")
            continue
        first[match] = line.number
        for i in picks:
            if _ROUNDED.fullmatch(line.cells[i]):
                message = f"'{line.cells[i]}' is what a spreadsheet makes of a long number, whose digits are lost"
                remedy = "format the column as text, enter the numbers again and save"
                faults.append(Fault(table.path, line.number, line.columns[i], message, remedy, CODE, "warning"))
        cell = line.cells[place]
        if cell in ("", NO_BOUND):
            rows |= {} if not cell else {match: None}
            continue
        try:
            rows[match] = quantity.number(cell)
            unclear = quantity.readings(cell)
            if unclear is not None:
                faults.append(Fault(table.path, line.number, line.columns[place], *unclear, CODE, "warning"))
        except ValueError as error:
            message, remedy, _ = parted(str(error))
            fault(line, place, message, remedy)
    # Rows that name their values are in an order of their own: a table that was only sorted says the same.
    ordered = sorted(rows.items(), key=lambda row: (specificity(row[0]), () if "*" in "".join(row[0]) else row[0]))
    return (labels, tuple(ordered)), faults[:MOST_FAULTS]


def _is_number(cell: str) -> bool:
    if cell in ("", NO_BOUND):
        return True
    try:
        quantity.number(cell)
    except ValueError:
        return False
    return True


_ROUNDED = re.compile(r"[0-9](?:[.,][0-9]+)?E\+[0-9]{1,3}", re.IGNORECASE)
"""`1.23457E+12`: an article number that a spreadsheet took for a number."""

MOST_CHANGES = 5
"""Rows of one table that are named when it was edited; of the others, how many they are."""


def table_changes(name: str, old: str, new: str, rules: Iterable[str]) -> list[str]:
    """What differs between two texts of a table, a line each: `LowStock: thresholds.csv: S1 20 → 25`.

    name: of the table. old, new: its texts, "" for one that is not there. rules: the names of those that use it.
    """
    before, after = _cells(name, old), _cells(name, new)
    whose = ", ".join(sorted(rules))
    start = f"{whose}: {name}" if whose else name
    changes = []
    one = len({column for _, column in (*before, *after)}) == 1
    for row, column in {**before, **after}:
        was, now = before.get((row, column), ""), after.get((row, column), "")
        if was != now:
            what = row if one else f"{row} {column}".strip()
            changes.append(f"{start}: {what} {was or 'none'} → {now or 'none'}"[:200])
    more = len(changes) - MOST_CHANGES
    if more > 0:
        changes[MOST_CHANGES:] = [f"{start}: and {more} more"]
    return changes


def _cells(name: str, text: str) -> dict[tuple[str, str], str]:
    """(row, column) → cell of all columns of numbers, with what else stands in the row as its name."""
    table, _ = parse_table(name, name, text)
    if table is None:
        return {}
    columns = [i for i, c in enumerate(table.header.cells) if not c.startswith("#")]
    numbers = [i for i in columns if all(_is_number(line.cells[i]) for line in table.lines)]
    numbers = numbers if len(numbers) < len(columns) or len(columns) == 1 else numbers[1:]
    return {
        (" ".join(line.cells[i] for i in columns if i not in numbers), table.header.cells[n]): line.cells[n]
        for line in table.lines
        for n in numbers
    }
