"""Files through mappings: events out, refused rows grouped by fault."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from lockstep.adapters.convert.cells import CellFault
from lockstep.adapters.convert.field_values import Setting
from lockstep.adapters.convert.file_columns import Columns, QueryColumns, Row
from lockstep.adapters.convert.form import FileForm
from lockstep.adapters.convert.mapping import Compiled, FileMapping, compile_mapping, ready_mappings
from lockstep.adapters.convert.objects import Objects
from lockstep.adapters.convert.recognition import nearest, recognised
from lockstep.adapters.convert.tables import HEAD_LINES, Header, Table, lines_of, open_table
from lockstep.adapters.convert.workbooks import open_sheet
from lockstep.adapters.ingest.event_text import UNREADABLE, EventText, packed_as, read_ahead, utf8_stream
from lockstep.errors import EventError, LockstepError, RuleError
from lockstep.yaml.document import Fault

WORKBOOK = b"PK\x03\x04"
MOST_PLACES = 3
AT_ONCE = 2_000
"""Rows between two looks at how far it is."""
MOST_FAULTS = 200
"""Kinds of faults that are told apart."""
_COPIED = 1 << 20
_LOOKED_AT = 4_096

RefuseRow = Callable[[int, str, str], None]


class NotRecognised(LockstepError):
    """No mapping knows a file. The user can act: name a mapping, or write one."""


class MappingFaults(RuleError):
    """A mapping that does not fit a file."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


@dataclass
class Refused:
    """What gave no event for one reason: a row, or an order of several rows.

    example: column, cell and what is wrong with the first of them. places: of the first few, `orders.csv:12`.
    """

    example: str
    remedy: str
    count: int = 0
    places: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        more = ", …" if self.count > len(self.places) else ""
        return f"{self.count:,} refused: {self.example}; {self.remedy} ({', '.join(self.places)}{more})"


@dataclass
class Report:
    """What became of the files. rows: read; events: made; held: most rows that were held at once.

    recognised: (file, name of its mapping); notes: what is left out, and why; broken: files that could not be read to
    their end.
    """

    rows: int = 0
    events: int = 0
    held: int = 0
    recognised: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    refused: dict[tuple[str, str, str], Refused] = field(default_factory=dict)

    @property
    def refused_count(self) -> int:
        """How many rows or orders gave no event."""
        return sum(refused.count for refused in self.refused.values())

    def refuse(self, place: str, fault: CellFault) -> None:
        """Count what gives no event."""
        key = (fault.column, fault.what, fault.remedy)
        if key not in self.refused and len(self.refused) >= MOST_FAULTS:
            key = ("", "", "")
            fault = CellFault("there are more kinds of faults", "mend those above first")
        refused = self.refused.setdefault(key, Refused(str(fault), fault.remedy))
        refused.count += 1
        if len(refused.places) < MOST_PLACES and place not in refused.places:
            refused.places.append(place)


@dataclass(frozen=True)
class _Source:
    """A file that was opened: its mapping, its columns and its rows. notes: what of it is left out, and why."""

    mapping: FileMapping
    columns: Columns
    place: Callable[[int], str]
    rows: Callable[[RefuseRow], Iterator[tuple[int, Row]]]
    notes: tuple[str, ...] = ()


def convert_files(
    paths: Sequence[Path],
    write: Callable[[Sequence[bytes]], None],
    *,
    setting: Setting,
    mapping: FileMapping | None = None,
    known: Sequence[FileMapping] | None = None,
    progress: Callable[[int, float | None], None] | None = None,
    most_rows: int | None = None,
) -> Report:
    """Hand the events of files (`-`: standard input) to `write`, as JSON, some at a time.

    mapping: of all of them; None: each has the one of `known` that finds its columns there. known: default: the ready
    ones; of two that find as many columns the earlier is taken. setting.exported: when the files were made; None: when
    each was last changed. progress: told how many events came, and the part of the file that is done. most_rows: of
    each file, to look at it; what follows them is not read. None: all.
    Raises NotRecognised, MappingFaults, and EventError for what cannot be opened.
    """
    report = Report()
    if known is None:
        known = [*ready_mappings().values()]
    for path in paths:
        with ExitStack() as open_files:
            stream = open_files.enter_context(opened(path))
            name = str(path)
            try:
                source = _source(stream, name, mapping, known, open_files)
            except UNREADABLE as error:
                raise EventError("file", f"{name}: cannot be read: {error}") from error
            if mapping is None:
                report.recognised.append((name, source.mapping.name))
            of_file = setting if setting.exported is not None else replace(setting, exported=_changed(path))
            size = path.stat().st_size if path.is_file() else 0

            def hand_over(events: list[bytes], stream: BinaryIO = stream, size: int = size) -> None:
                write(events)
                report.events += len(events)
                if progress is not None:
                    progress(len(events), stream.tell() / size if size else None)

            _convert(source, name, hand_over, report, of_file, most_rows)
    return report


def events_of(path: Path, *, setting: Setting, mapping: FileMapping | None = None) -> tuple[list[bytes], Report]:
    """All events of one file, for those that are held anyway."""
    events: list[bytes] = []
    return events, convert_files([path], events.extend, setting=setting, mapping=mapping)


def events_of_objects(
    lines: Sequence[bytes],
    columns: Sequence[str],
    mapping: FileMapping,
    setting: Setting,
    refuse: Callable[[int, CellFault], None],
) -> list[bytes]:
    """The events of JSON objects, of which each is a row with these columns.

    Rows of one event are all among them. refuse: told the place in `lines` of what gives none. Raises MappingFaults.
    """
    objects = Objects(EventText(BytesIO(), mapping.name))
    compiled, faults = compile_mapping(mapping, QueryColumns(columns, objects.columns), setting)
    if faults:
        raise MappingFaults(faults)
    events: list[bytes] = []

    def refuse_row(number: int, what: str, remedy: str) -> None:
        refuse(number, CellFault(what, remedy))

    for number, row in objects.rows(iter(enumerate(lines)), refuse_row):
        fault = _refusal(compiled, row) if compiled.refusals else None
        if fault is not None:
            refuse(number, fault)
            continue
        for made in compiled.events:
            made.add(number, row, events.append, refuse)
    for made in compiled.events:
        for _ in made.rest(events.append, refuse):
            pass
    return events


def _convert(
    source: _Source,
    name: str,
    hand_over: Callable[[list[bytes]], None],
    report: Report,
    setting: Setting,
    most_rows: int | None,
) -> None:
    """Convert one file."""
    compiled, faults = compile_mapping(source.mapping, source.columns, setting)
    if faults:
        raise MappingFaults(faults)
    report.notes += [
        f"{name}: {note}" for note in (*source.notes, *compiled.notes) if f"{name}: {note}" not in report.notes
    ]
    events: list[bytes] = []
    try:
        for _ in _worked(source, compiled, report, events, most_rows):
            hand_over(events)
            events.clear()
    except EventError as error:
        report.broken.append(error.detail)
    except UNREADABLE as error:
        report.broken.append(f"{name}: cannot be read to its end: {error}")
    hand_over(events)


def _worked(
    source: _Source, compiled: Compiled, report: Report, events: list[bytes], most_rows: int | None
) -> Iterator[None]:
    """Go through the rows; now and then a moment to hand over the events that are there."""
    emit = events.append
    place = source.place

    def refuse(number: int, fault: CellFault) -> None:
        report.refuse(place(number), fault)

    def refuse_row(number: int, what: str, remedy: str) -> None:
        report.refuse(place(number), CellFault(what, remedy))

    adders = [made.add for made in compiled.events]
    left = AT_ONCE
    for number, row in islice(source.rows(refuse_row), most_rows):
        if compiled.refusals and (fault := _refusal(compiled, row)) is not None:
            refuse(number, fault)
            continue
        for add in adders:
            add(number, row, emit, refuse)
        left -= 1
        if not left:
            left = AT_ONCE
            report.rows += AT_ONCE
            report.held = max(report.held, sum(made.held for made in compiled.events))
            yield
    report.rows += AT_ONCE - left
    report.held = max(report.held, sum(made.held for made in compiled.events))
    for made in compiled.events:
        for _ in made.rest(emit, refuse):
            if len(events) >= AT_ONCE:
                yield


def _refusal(compiled: Compiled, row: Row) -> CellFault | None:
    """Why a row must not become an event; None where nothing speaks against it."""
    try:
        said = next((say for test, say in compiled.refusals if test(row)), None)
    except CellFault as fault:
        return fault
    if said is None:
        return None
    what, _, remedy = said.partition("; ")
    return CellFault(what, remedy or "leave the row out")


# ---- files -----------------------------------------------------------------------------------------------------------


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, `-`: of standard input. Raises EventError for what cannot be opened."""
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = path.open("rb")
    except OSError as error:
        raise EventError(
            "file", f"{path}: {error.strerror}; name a file of your shop, or - for standard input"
        ) from error
    with stream:
        yield stream


def _changed(path: Path) -> datetime | None:
    """When a file was last changed, in whole seconds; None for a stream."""
    return datetime.fromtimestamp(int(path.stat().st_mtime), UTC) if path.is_file() else None


def _source(
    stream: BinaryIO,
    name: str,
    mapping: FileMapping | None,
    known: Sequence[FileMapping],
    open_files: ExitStack,
) -> _Source:
    """A file's rows and the mapping for them: the given one, or the one that knows its columns.

    open_files: closes what is opened besides the stream.
    """
    mappings = known if mapping is None else [mapping]
    form = None if mapping is None else mapping.form.file
    head, plain = read_ahead(utf8_stream(stream), _LOOKED_AT)
    if head.startswith(WORKBOOK):
        copy = open_files.enter_context(closing(SpooledTemporaryFile(max_size=_COPIED)))  # noqa: SIM115 # it is closed
        sheet = open_sheet(_copied(plain, copy), name, 1 if form is None else form.sheet)
        table, header = _sheet_table(sheet.rows, name, mappings)
        source = _table_source(table, header, name, mapping, known)
        if form is None and sheet.others:
            others = ", ".join(f"'{other}'" for other in sheet.others)
            way_out = "save one as a file of its own, or name it in a mapping, file: {sheet: 2}"
            source = replace(source, notes=(f"other sheets, {others}; {way_out}",))
        return source
    packed = packed_as(head)
    if packed is not None:
        what, way_out = packed
        raise EventError("file", f"{name}: no table: it is {what}; {way_out}")
    if head.lstrip()[:1] in (b"{", b"["):
        return _json_source(plain, name, mappings, mapping)
    table, header = open_table(lines_of(plain, name), name, mappings, form)
    return _table_source(table, header, name, mapping, known)


def _table_source(
    table: Table, header: Header, name: str, mapping: FileMapping | None, known: Sequence[FileMapping]
) -> _Source:
    chosen = header.mapping or mapping
    if chosen is None:
        raise NotRecognised(_unknown(f"{name}:{header.line}", [*header.names, *header.above], known))
    return _Source(chosen, table.columns, table.place, table.rows)


def _sheet_table(
    rows: Iterator[tuple[int, Sequence[str]]], name: str, mappings: Sequence[FileMapping]
) -> tuple[Table, Header]:
    """The table of a sheet: its header is the row by which a mapping knows it, else the widest of the first."""
    head = list(islice(rows, HEAD_LINES))
    if not head:
        raise EventError("file", f"{name}: the sheet is empty; name another with file: {{sheet: 2}}")
    known = ((i, recognised(mappings, cells)) for i, (_, cells) in enumerate(head))
    widest = max(range(len(head)), key=lambda i: sum(1 for cell in head[i][1] if cell.strip()))
    index, mapping = next(((i, m) for i, m in known if m is not None), (widest, None))
    line, names = head[index]
    header = Header(mapping, names, "", line, {})
    form = FileForm.model_construct() if mapping is None else mapping.form.file
    return Table(name, header, chain(head[index + 1 :], rows), form), header


def _json_source(stream: Any, name: str, mappings: Sequence[FileMapping], mapping: FileMapping | None) -> _Source:
    objects = Objects(EventText(stream, name))
    names, values = objects.first()
    chosen = mapping or recognised(mappings, names)
    if chosen is None:
        raise NotRecognised(_unknown(name, names, mappings))
    return _Source(chosen, objects.columns, objects.place, lambda refuse: objects.rows(values, refuse))


def _copied(stream: Any, copy: Any) -> BinaryIO:
    """A copy of a stream in a temporary file: a workbook is read from its end."""
    while chunk := stream.read(_COPIED):
        copy.write(chunk)
    copy.seek(0)
    return cast(BinaryIO, copy)


def _unknown(place: str, names: Sequence[str], known: Sequence[FileMapping]) -> str:
    """That no mapping knows a file, which comes nearest, and the way out."""
    columns = [" ".join(column.split())[:60] for column in names if column.strip()]
    shown = ", ".join(columns[:12]) + (", …" if len(columns) > 12 else "")
    near = nearest(known, names)
    if len(columns) < 2:
        return f"{place}: it is no table: no line has two columns; save it as CSV, with the names of the columns above"
    said = f"{place}: no mapping knows these columns: {shown or 'none'}"
    if near is not None:
        mapping, missing = near
        lacking = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        said += f"; it is nearest to '{mapping.name}' ({mapping.form.about}), but lacks {lacking}"
    return f"{said}; write a mapping and name it with --mapping FILE (see 'Your own history' in rules/README.md)"
