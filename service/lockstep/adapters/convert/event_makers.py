"""The events of a mapping, compiled for the columns of one file: rows go in, events come out as JSON.

What comes out is accepted by every door of ours: each field is read within the bounds of the contract.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec

from lockstep.adapters.convert.cells import CellFault
from lockstep.adapters.convert.field_values import NAME, TIME, CellOf, Compiler, Get, Kind, Target, fields_of, target_of
from lockstep.adapters.convert.file_columns import (
    CellColumns,
    Columns,
    PackedColumns,
    Row,
    TableColumns,
    fits,
    normal,
)
from lockstep.adapters.convert.form import Event, Packed, PerColumn, Value
from lockstep.adapters.convert.groups import Group, KeyOf, Near, Scattered
from lockstep.event import LARGEST_EVENT
from lockstep.event.contract import MOST_LINES
from lockstep.event.fields import line_fields
from lockstep.yaml.document import Pointer, did_you_mean

MOST_REPORTED = 1_000_000
"""Events of a report of which it is known what they say, to tell equal ones apart."""

_encode = msgspec.json.Encoder().encode

Make = Callable[[Any], bytes | None]
"""Of a row or of the rows of an event: the event; None where it gives none. Raises CellFault."""
Emit = Callable[[bytes], None]
Elements = Callable[[Row], Iterable[Row]]
"""The rows that stand within a row."""
Refuse = Callable[[int, CellFault], None]
"""Told the line of a row that gives no event, and why."""


@dataclass(frozen=True)
class _Part:
    """A field of the data, or of a line. absent: what its absence means."""

    name: str
    get: Get
    required: bool
    needed: bool
    of: str


class RowEvents:
    """Events of one row each."""

    held = 0

    def __init__(self, make: Make, holds: Callable[[Row], bool] | None) -> None:
        self._make, self._holds = make, holds

    def add(self, number: int, row: Row, emit: Emit, refuse: Refuse) -> None:
        """Hand over the event of a row, if it gives one."""
        try:
            if self._holds is not None and not self._holds(row):
                return
            event = self._make(row)
        except CellFault as fault:
            refuse(number, fault)
            return
        if event is not None:
            emit(event)

    def rest(self, emit: Emit, refuse: Refuse) -> Iterator[None]:
        """Nothing is left at the end of a file."""
        yield from ()


class ColumnEvents:
    """Events of one cell each: the row is made longer by the cell and the name of its column."""

    held = 0

    def __init__(self, rows: RowEvents, places: Sequence[tuple[int, str]]) -> None:
        self._rows, self._places = rows, places

    def add(self, number: int, row: Row, emit: Emit, refuse: Refuse) -> None:
        """Hand over the events of a row's cells."""
        for place, name in self._places:
            self._rows.add(number, [*row, row[place], name], emit, refuse)

    def rest(self, emit: Emit, refuse: Refuse) -> Iterator[None]:
        """Nothing is left at the end of a file."""
        yield from ()


class GroupEvents:
    """Events of several rows each. conditions: the place of each column, and of every text whether it holds there."""

    def __init__(
        self,
        make: Make,
        key_of: KeyOf,
        gathered: Near | Scattered,
        conditions: Sequence[tuple[int, Mapping[str, bool]]],
    ) -> None:
        self._make, self._key_of, self._gathered, self._conditions = make, key_of, gathered, conditions

    @property
    def held(self) -> int:
        """Rows that are held now."""
        return self._gathered.held

    def add(self, number: int, row: Row, emit: Emit, refuse: Refuse) -> None:
        """Take a row, and hand over the events that are complete."""
        try:
            # Also a row that does not count: what stands in it may be meant by blank cells of the rows below.
            groups = self._gathered.add(number, row, self._key_of(row))
        except CellFault as fault:
            refuse(number, fault)
            return
        for group in groups:
            self._hand_over(group, emit, refuse)

    def rest(self, emit: Emit, refuse: Refuse) -> Iterator[None]:
        """Hand over what the end of the file completes, one event after the other."""
        for group in self._gathered.rest():
            self._hand_over(group, emit, refuse)
            yield

    def _hand_over(self, group: Group, emit: Emit, refuse: Refuse) -> None:
        try:
            rows = [*self._that_count(group.rows)] if self._conditions else group.rows
            event = self._make(rows) if rows else None
        except CellFault as fault:
            refuse(_line_of(fault, group), fault)
            return
        if event is not None:
            emit(event)

    def _that_count(self, rows: Sequence[Row]) -> Iterator[Row]:
        """The rows that fulfil the conditions; where a cell is blank, the one above it in the same event is meant."""
        above = [""] * len(self._conditions)
        for row in rows:
            counts = True
            for i, (place, holds) in enumerate(self._conditions):
                above[i] = text = row[place] if row[place].strip() else above[i]
                counts &= holds[text]
            if counts:
                yield row


def _line_of(fault: CellFault, group: Group) -> int:
    """The line with the cell that a fault is about, else the first of the event."""
    pairs = zip(group.numbers, group.rows, strict=True)
    return next((number for number, row in pairs if fault.text and fault.text in row), group.numbers[0])


EventsOfRows = RowEvents | ColumnEvents | GroupEvents


class EventCompiler:
    """Compiles the events of a mapping with a compiler of their fields, which keeps the faults."""

    def __init__(self, fields: Compiler, mapping: str) -> None:
        self._fields, self._mapping = fields, mapping

    def events(self, event: Event, pointer: Pointer) -> EventsOfRows | None:
        """What makes the events of one kind; None where a fault is in the way."""
        columns = self._fields.columns
        if event.per_column is not None and isinstance(columns, TableColumns):
            self._fields.columns = CellColumns(columns, columns.width)
        before = len(self._fields.faults)
        try:
            made = self._compiled(event, pointer)
        finally:
            self._fields.columns = columns
        faults = self._fields.faults[before:]
        if event.optional and faults and all(fault.code == "LS243" for fault in faults):
            del self._fields.faults[before:]
            self._fields.notes.append(f"{event.type}: {faults[0].message}")
        return made

    def _compiled(self, event: Event, pointer: Pointer) -> EventsOfRows | None:
        grouped = event.one_per is not None
        before = len(self._fields.faults)
        data = self._data(event, pointer, grouped=grouped)
        time = self._fields.value(event.time, TIME, (*pointer, "time"), grouped=grouped)
        subject = self._named([event.subject] if event.subject else None, (*pointer, "subject"), grouped=grouped)
        ident = self._named(event.id, (*pointer, "id"), grouped=grouped)
        conditions = self._fields.conditions(event.when, (*pointer, "when"))
        if time is None and len(self._fields.faults) == before:
            self._fields.fault((*pointer, "time"), "nothing gives its time", "name a column", "LS242")
        places = self._keys(event, pointer)
        if len(self._fields.faults) > before or time is None:
            return None
        make = _event_maker(
            event,
            event.source or f"/{self._mapping}",
            data,
            time=time,
            ident=ident,
            subject=subject,
        )
        if event.one_per is not None:
            name = " and ".join(event.one_per)
            key_of = KeyOf(places, name)
            gathered = Scattered() if event.scattered else Near(name)
            return GroupEvents(make, key_of, gathered, conditions)
        rows = RowEvents(make, _all_hold(conditions))
        return (
            rows
            if event.per_column is None
            else ColumnEvents(rows, _columns_but(event.per_column, self._fields.columns))
        )

    def _keys(self, event: Event, pointer: Pointer) -> list[int]:
        places = []
        for name in event.one_per or ():
            place = self._fields.columns.index(name)
            if place is None:
                remedy = did_you_mean(name, self._fields.columns.names)
                self._fields.fault((*pointer, "one_per"), f"the file has no column '{name}'", remedy, "LS243")
            else:
                places.append(place)
        if event.one_per is not None and event.per_column is not None:
            message = "'per_column' makes an event of a cell, 'one_per' one of several rows"
            self._fields.fault((*pointer, "per_column"), message, "remove one of them", "LS240", key=True)
        return places

    def _data(self, event: Event, pointer: Pointer, *, grouped: bool) -> list[_Part]:
        """The functions of all fields, with faults for those that are unknown or missing."""
        parts = []
        for name, value in event.data.items():
            at = (*pointer, "data", name)
            target = target_of(event.type, name)
            if target is None:
                remedy = f"{did_you_mean(name, fields_of(event.type))}; a field of your own goes below 'more'"
                self._fields.fault(at, f"{event.type} has no field '{name}'", remedy, "LS241", key=True)
                continue
            lines = bool(name == "lines" and line_fields(event.type))
            get = (
                self._lines(event, value, at, grouped=grouped)
                if lines
                else self._fields.value(value, target, at, grouped=grouped)
            )
            if get is not None:
                parts.append(_Part(name, get, target.required, name in event.needs, _named_in(value)))
        for name, value in event.more.items():
            at = (*pointer, "more", name)
            if name in fields_of(event.type):
                self._fields.fault(at, f"'{name}' is a field of {event.type}", "put it to 'data'", "LS241", key=True)
                continue
            get = self._fields.value(value, Target(_kind_of(value)), at, grouped=grouped)
            if get is not None:
                parts.append(_Part(name, get, False, name in event.needs, _named_in(value)))
        self._check_required(event, pointer, {part.name for part in parts})
        return parts

    def _check_required(self, event: Event, pointer: Pointer, given: set[str]) -> None:
        for name in fields_of(event.type):
            target = target_of(event.type, name)
            if target is not None and target.required and name not in given | event.data.keys():
                message, remedy = f"nothing gives '{name}', which {event.type} needs", f"add '{name}: <column>'"
                self._fields.fault((*pointer, "data"), message, remedy, "LS242", key=True)
        for i, name in enumerate(event.needs):
            if name not in event.data.keys() | event.more.keys():
                remedy = did_you_mean(name, [*event.data, *event.more])
                self._fields.fault((*pointer, "needs", i), f"there is no field '{name}'", remedy, "LS241")

    def _lines(self, event: Event, value: Value, pointer: Pointer, *, grouped: bool) -> Get | None:
        """The lines of an order: each row of the event, or each element of a list, is one."""
        if value.const == []:
            return lambda _: []
        if value.rows is None:
            remedy = "write lines: {rows: {sku: …, quantity: …}}"
            self._fields.fault(pointer, "lines are made of rows", remedy, "LS240")
            return None
        outer = self._fields.columns
        elements: Elements | None = None
        if value.each is not None:
            within = self._each(value.each, value.packed, (*pointer, "each"))
            if within is None:
                return None
            elements, self._fields.columns = within
        try:
            test = self._fields.test(value.when or {}, (*pointer, "when"))
            parts = self._line_parts(event, value.rows, (*pointer, "rows"))
        finally:
            self._fields.columns = outer
        return _lines_of(parts, test, elements, grouped=grouped)

    def _each(self, name: str, packed: Packed | None, pointer: Pointer) -> tuple[Elements, Columns] | None:
        """What gives the elements that stand in a row, and their columns; None with a fault."""
        outer = self._fields.columns
        if packed is not None:
            places = outer.indexes(name)
            if not places:
                remedy = did_you_mean(name, outer.names)
                self._fields.fault(pointer, f"the file has no column '{name}'", remedy, "LS243")
                return None
            columns = PackedColumns(places, packed.separator, packed.colon)
            return columns.rows, columns
        listed = outer.each(name)
        if listed is None:
            remedy = "remove 'each': a row of a table is a line of its own; or write packed: {} for cells with several"
            self._fields.fault(pointer, "only JSON has lists", remedy, "LS240", key=True)
            return None
        place, of_elements = listed
        return itemgetter(place), of_elements

    def _line_parts(self, event: Event, rows: Mapping[str, Value], pointer: Pointer) -> list[_Part]:
        parts = []
        known = line_fields(event.type)
        for name, value in rows.items():
            target = target_of(event.type, f"lines.{name}")
            get = self._fields.value(value, target or Target(_kind_of(value)), (*pointer, name), grouped=False)
            if get is not None:
                parts.append(_Part(name, get, target is not None and target.required, False, _named_in(value)))
        for name in known:
            target = target_of(event.type, f"lines.{name}")
            if target is not None and target.required and name not in rows:
                message = f"nothing gives '{name}', which every line needs"
                self._fields.fault(pointer, message, f"add '{name}: <column>'", "LS242", key=True)
        return parts

    def _named(self, values: Sequence[Value] | None, pointer: Pointer, *, grouped: bool) -> Get | None:
        """A name of several parts, all of which must be there: `1001/cancelled`."""
        if values is None:
            return None
        gets = [self._fields.value(v, NAME, (*pointer, i), grouped=grouped) for i, v in enumerate(values)]
        parts = [(get, _named_in(value)) for get, value in zip(gets, values, strict=True) if get is not None]

        def name(rows: Any) -> str:
            texts = []
            for get, of in parts:
                text = get(rows)
                if text is None:
                    raise CellFault("is blank, but names the event", "leave such rows out with 'when'", column=of)
                texts.append(text)
            return "/".join(texts)

        return name


def _kind_of(value: Value) -> Kind:
    """What a field is that the contract does not name."""
    if value.as_ is not None:
        return value.as_
    if value.split is not None:
        return "list"
    if isinstance(value.const, bool):
        return "flag"
    reckoned = value.sum or value.product or value.quotient
    is_number = isinstance(value.const, int | float) or reckoned is not None
    return "number" if is_number or value.unit is not None else "text"


def _named_in(value: Value) -> str:
    """The columns that a value names, for messages: `Lineitem sku or Lineitem name`."""
    if value.column is not None:
        return value.column
    inner = value.first_of or value.sum or value.product or value.quotient or value.between or ()
    word = " or " if value.first_of else " and "
    return word.join(filter(None, map(_named_in, inner)))


def _all_hold(conditions: Sequence[tuple[int, Mapping[str, bool]]]) -> Callable[[Row], bool] | None:
    if not conditions:
        return None
    if len(conditions) == 1:
        ((place, holds),) = conditions
        return lambda row: holds[row[place]]
    return lambda row: all(holds[row[place]] for place, holds in conditions)


def _columns_but(per_column: PerColumn, columns: Columns) -> list[tuple[int, str]]:
    """The places and names of the columns that are events of their own."""
    names = [normal(name) for name in columns.names]
    left_out = {name for pattern in per_column.but for name in fits(pattern, names)}
    places = []
    for name in columns.names:
        place = columns.index(name)
        if place is not None and normal(name) not in left_out:
            places.append((place, " ".join(name.split())))
    return places


def _looked_up(part: _Part) -> tuple[str, Mapping[str, Any] | None, int, Get, _Part]:
    """A field with the texts that are known of its cell, where it is one cell of a row: no call for each."""
    get = part.get
    if isinstance(get, CellOf):
        return part.name, get.known, get.place, get, part
    return part.name, None, 0, get, part


def _blank(part: _Part) -> CellFault:
    remedy = "fill it in, leave such rows out with 'when', or name what stands for it with 'first_of'"
    return CellFault(f"is blank, but gives '{part.name}', which is needed", remedy, column=part.of)


def _lines_of(
    parts: Sequence[_Part], test: Callable[[Row], bool] | None, elements: Elements | None, *, grouped: bool
) -> Get:
    """elements: gives what stands in a row, each of which is a line; None: the row is one."""

    fields = [_looked_up(part) for part in parts]
    required = {part.name for part in parts if part.required}

    def lines(source: Any) -> list[dict[str, Any]]:
        rows = source if grouped else (source,)
        if elements is not None:
            rows = [element for row in rows for element in elements(row)]
        made = []
        for row in rows:
            if test is not None and not test(row):
                continue
            line = {
                name: value
                for name, known, cell, get, _ in fields
                if (value := get(row) if known is None else known[row[cell]]) is not None
            }
            if not line:
                continue  # a row that says something of the order alone
            if not required <= line.keys():
                raise _blank(next(part for part in parts if part.required and part.name not in line))
            made.append(line)
        if len(made) > MOST_LINES:
            raise CellFault(f"has more than {MOST_LINES:,} lines", "split it", column="lines")
        return made

    return lines


def _event_maker(
    event: Event, source: str, parts: Sequence[_Part], *, time: Get, ident: Get | None, subject: Get | None
) -> Make:
    """Makes the JSON of an event. Its id is a hash of all that it says where the mapping names none."""
    head = b'{"specversion":"1.0","type":' + _encode(event.type) + b',"source":' + _encode(source) + b',"time":"'
    needed = [part.get for part in parts if part.needed]
    fields = [_looked_up(part) for part in parts]
    time_of = _named_in(event.time)
    hashed = _Repeats() if event.repeats else _hash

    def make(rows: Any) -> bytes | None:
        for get in needed:
            if not get(rows):
                return None
        data: dict[str, Any] = {}
        for name, known, place, get, part in fields:
            value = get(rows) if known is None else known[rows[place]]
            if value is not None:
                data[name] = value
            elif part.required:
                raise _blank(part)
        moment = time(rows)
        if moment is None:
            raise CellFault("is blank, but says when it happened", "leave such rows out with 'when'", column=time_of)
        about = b"" if subject is None else b',"subject":' + _encode(subject(rows))
        said = b"".join((head, moment.encode(), b'"', about, b',"data":', _encode(data)))
        name_of_it = b'"' + hashed(said) + b'"' if ident is None else _encode(ident(rows))
        if len(said) + len(name_of_it) + 8 > LARGEST_EVENT:
            raise CellFault(f"makes an event of more than {LARGEST_EVENT:,} bytes", "map fewer fields", column=time_of)
        return b"".join((said, b',"id":', name_of_it, b"}"))

    return make


def _hash(said: bytes) -> bytes:
    return hashlib.blake2b(said, digest_size=16).hexdigest().encode()


class _Repeats:
    """Ids of events of which several may say the same: the second is the hash with a 2 behind it, whichever it is."""

    def __init__(self) -> None:
        self._counts: dict[bytes, int] = {}

    def __call__(self, said: bytes) -> bytes:
        ident = _hash(said)
        count = self._counts[ident] = self._counts.get(ident, 0) + 1
        if len(self._counts) > MOST_REPORTED:
            raise CellFault(f"is row {MOST_REPORTED:,} of a report", "split the file, by month", column="the file")
        return ident if count == 1 else b"%b-%d" % (ident, count)
