"""What a mapping says of a field, compiled for the columns of one file: functions from rows to the contract's values.

A function of one row takes the row, one of an event that is made of several takes the list of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin
from zoneinfo import ZoneInfo

from lockstep.adapters.convert import cells
from lockstep.adapters.convert.cells import EXACT, CellFault, Known, Parse
from lockstep.adapters.convert.file_columns import EXPORTED, Columns, Row
from lockstep.adapters.convert.form import Condition, Conditions, NumberForm, TimeForm, Value
from lockstep.event.contract import LARGEST_NUMBER, TYPES
from lockstep.event.fields import bounds_of, field_of, unwrapped
from lockstep.text.time_units import DAY_S
from lockstep.yaml.document import Document, Fault, Pointer, did_you_mean

Get = Callable[[Any], Any]
"""Of a row, or of the rows of an event, the value; None for none. Raises CellFault."""
Test = Callable[[Row], bool]
Kind = Literal["text", "number", "flag", "time", "day", "list"]

ID_LENGTH = 1024
TEXT_LENGTH = 256
_PARTS = {"cents": Decimal("0.01"), "micros": Decimal("0.000001"), "percent": Decimal("0.01")}
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": DAY_S}


@dataclass(frozen=True)
class Target:
    """What a field holds. unit: hours or days where it is a length of time; choices: the words that it may be."""

    kind: Kind
    required: bool = False
    least: float = -LARGEST_NUMBER
    most: float = LARGEST_NUMBER
    whole: bool = False
    longest: int = TEXT_LENGTH
    most_parts: int = 100
    unit: str = ""
    choices: tuple[str, ...] = ()


NAME = Target("text", longest=ID_LENGTH)
TIME = Target("time", required=True)
NUMBER = Target("number")


def target_of(event_type: str, path: str) -> Target | None:
    """What a field of an event's data (or of its lines, `lines.sku`) holds; None where the contract names none."""
    field_model = field_of(event_type, path)
    if field_model is None:
        return None
    required, inner, bounds = field_model.is_required(), unwrapped(field_model.annotation), bounds_of(field_model)
    if get_origin(inner) is Literal:
        return Target("text", required, choices=get_args(inner))
    if get_origin(inner) is list:
        return Target("list", required, most_parts=bounds.get("max_length", 100))
    if inner in (int, float):
        unit = next((unit for unit in ("hours", "days") if unit in path.split("_")), "")
        least, most = bounds.get("ge", -LARGEST_NUMBER), bounds.get("le", LARGEST_NUMBER)
        return Target("number", required, least, most, whole=inner is int, unit=unit)
    if inner is bool or inner is datetime:
        return Target("flag" if inner is bool else "time", required)
    if bounds.get("pattern"):
        return Target("day", required)
    return Target("text", required, longest=bounds.get("max_length", TEXT_LENGTH))


class CellOf:
    """The value of one cell of a row. Who asks for millions looks it up itself: `known[row[place]]`."""

    __slots__ = ("known", "place")

    def __init__(self, place: int, known: Mapping[str, Any]) -> None:
        self.place, self.known = place, known

    def __call__(self, row: Row) -> Any:
        return self.known[row[self.place]]


@dataclass(frozen=True)
class Setting:
    """What a conversion knows besides the file.

    zone: of the shop. exported: when the file was made; None where nobody knows. pseudonym_key: of the keyed hashes
    that stand for people; None: no field is made of them.
    """

    zone: ZoneInfo
    exported: datetime | None = None
    pseudonym_key: bytes | None = None


@dataclass
class Compiler:
    """Compiles values against the columns of a file.

    faults: of the mapping; notes: what is left out, and why; absent: columns that may be missing and are.
    """

    document: Document
    columns: Columns
    setting: Setting
    times: TimeForm
    numbers: NumberForm
    zone: ZoneInfo
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)

    def fault(self, pointer: Pointer, message: str, remedy: str, code: str, *, key: bool = False) -> None:
        self.faults.append(self.document.fault(pointer, message, remedy, code, key=key))

    # ---- values --------------------------------------------------------------------------------------------------

    def value(self, value: Value, target: Target, pointer: Pointer, *, grouped: bool) -> Get | None:
        """The function that gives a field's value; None where there is none, with its fault or its note.

        grouped: of the rows of an event; a cell that is blank in the first of them may stand in a later one.
        """
        if value.first_of is not None:
            return self._first_of(value.first_of, target, (*pointer, "first_of"), grouped=grouped)
        if value.between is not None:
            return self._between(value, target, pointer, grouped=grouped)
        if value.sum is not None or value.product is not None or value.quotient is not None:
            return self._reckoned(value, target, pointer, grouped=grouped)
        if value.rows is not None:
            self.fault(pointer, "'rows' are for the lines of an order", "put them to 'lines'", "LS240", key=True)
            return None
        return self._cell(value, target, pointer, grouped=grouped)

    def _cell(self, value: Value, target: Target, pointer: Pointer, *, grouped: bool) -> Get | None:
        """Of one cell, or of what is the same in every row."""
        parse = self._parser(value, target, pointer)
        if parse is None:
            return None
        if isinstance(value.const, list):
            return self._list(value.const, target, pointer)
        if value.const is not None:
            is_number = isinstance(value.const, int | float) and not isinstance(value.const, bool)
            text = f"{EXACT}{value.const}" if is_number else cells.text_of(value.const)
            return self._constant(text, parse, pointer, key="const")
        if value.star is not None:
            starred = self.columns.star(value.star)
            if starred is None:
                self._absent(value.star, value, (*pointer, "star"))
                return None
            return self._constant(starred, parse, pointer, key="star")
        name = value.column or ""
        if name == EXPORTED:
            moment = self.setting.exported
            return self._constant("" if moment is None else moment.isoformat(), parse, pointer, key="column")
        above = self.columns.constant(name)
        if above is not None:
            return self._constant(above, parse, pointer, key="column")
        place = self.columns.index(name)
        if place is None:
            self._absent(name, value, (*pointer, "column"))
            return None
        one: Get
        if target.kind == "time" and not (value.map or value.pattern):
            one = self._time_of_cell(name, place)
        else:
            one = CellOf(place, Known(name, parse))
        return _first_in(one) if grouped else one

    def _list(self, values: Sequence[Any], target: Target, pointer: Pointer) -> Get | None:
        """A list that is always the same."""
        if target.kind != "list":
            self.fault((*pointer, "const"), "a list stands where one value must", "write one value", "LS112")
            return None
        texts = [cells.text_of(value)[:TEXT_LENGTH] for value in values]
        return lambda _: texts

    def _time_of_cell(self, name: str, place: int) -> Get:
        in_parts = all(form.startswith("%Y-%m-%d") and "%H:%M:%S" in form for form in self.times.formats)
        texts = cells.TimeTexts(name, self._time_reader(), in_parts=in_parts)
        return lambda row: texts.of(row[place])

    def _constant(self, text: str, parse: Parse, pointer: Pointer, *, key: str) -> Get | None:
        try:
            value = parse(text)
        except CellFault as fault:
            said = CellFault(fault.what, fault.remedy, text=text.removeprefix(EXACT))
            self.fault((*pointer, key), str(said), fault.remedy, "LS112")
            return None
        return lambda _: value

    def _absent(self, name: str, value: Value, pointer: Pointer) -> None:
        if value.optional:
            self.absent.append(name)
        else:
            self.fault(pointer, f"the file has no column '{name}'", did_you_mean(name, self.columns.names), "LS243")

    def _first_of(self, values: Sequence[Value], target: Target, pointer: Pointer, *, grouped: bool) -> Get | None:
        there = [value for value in values if not self._is_absent(value)]
        if not there:
            optional = next((value for value in values if value.optional), values[0])
            self._absent(values[0].column or "", optional, (*pointer, 0))
            return None
        gets = [self.value(v, target, (*pointer, values.index(v)), grouped=grouped) for v in there]
        given = [get for get in gets if get is not None]
        if len(given) == 1:
            return given[0]

        def first(rows: Any) -> Any:
            for get in given:
                value = get(rows)
                if value is not None:
                    return value
            return None

        return first

    def _is_absent(self, value: Value) -> bool:
        if value.column is None or value.column == EXPORTED:
            return False
        return self.columns.index(value.column) is None and self.columns.constant(value.column) is None

    def _between(self, value: Value, target: Target, pointer: Pointer, *, grouped: bool) -> Get | None:
        if target.kind != "number" or not target.unit:
            self.fault(pointer, "'between' gives hours or days", "put it to a field that holds them", "LS240", key=True)
            return None
        ends = [
            self.value(end, Target("time"), (*pointer, "between", i), grouped=grouped)
            for i, end in enumerate(value.between or ())
        ]
        if len(ends) != 2 or None in ends:
            return None
        begin, end = ends
        make = cells.bounded(least=target.least, most=target.most, whole=target.whole)
        in_hours = 24 if target.unit == "days" else 1

        def length(rows: Any) -> Any:
            first, last = begin(rows), end(rows)  # type: ignore[misc] # neither is None
            if first is None or last is None:
                return None
            return make(cells.hours_between(datetime.fromisoformat(first), datetime.fromisoformat(last)) / in_hours)

        return length

    def _reckoned(self, value: Value, target: Target, pointer: Pointer, *, grouped: bool) -> Get | None:
        """A sum over all rows, a product or a quotient."""
        if target.kind != "number":
            self.fault(pointer, "what is reckoned is a number, this field is none", "name a column", "LS240", key=True)
            return None
        get = self.amount(value, pointer, grouped=grouped)
        if get is None:
            return None
        make = cells.bounded(least=target.least, most=target.most, whole=target.whole)
        factor = self._factor(value, target, pointer)

        def reckoned(rows: Any) -> Any:
            amount = get(rows)
            if amount is None:
                return None
            return make((abs(amount) if value.absolute else amount) * factor)

        return reckoned

    def amount(self, value: Value, pointer: Pointer, *, grouped: bool) -> Get | None:
        """The function that gives a decimal, before it is brought into the form of its field."""
        if value.sum is not None:
            parts = [self.amount(v, (*pointer, "sum", i), grouped=False) for i, v in enumerate(value.sum)]
            test = self.test(value.when or {}, (*pointer, "when"))
            return _sum([part for part in parts if part is not None], test, grouped=grouped)
        if value.product is not None:
            factors = [self.amount(v, (*pointer, "product", i), grouped=grouped) for i, v in enumerate(value.product)]
            return _product([factor for factor in factors if factor is not None])
        if value.quotient is not None:
            parts = [self.amount(v, (*pointer, "quotient", i), grouped=grouped) for i, v in enumerate(value.quotient)]
            given = [part for part in parts if part is not None]
            return _quotient(*given) if len(given) == 2 else None
        if value.first_of is not None or value.between is not None or value.rows is not None:
            get = self.value(value, NUMBER, pointer, grouped=grouped)
            return None if get is None else _as_decimal(get)
        get = self._cell(value, NUMBER, pointer, grouped=grouped)
        return None if get is None else _as_decimal(get)

    # ---- cells ---------------------------------------------------------------------------------------------------

    def _parser(self, value: Value, target: Target, pointer: Pointer) -> Parse | None:
        """Reads the text of a cell as what the field holds, with what the mapping does to it."""
        if value.split is not None and target.kind != "list":
            self.fault(pointer, "'split' makes a list, this field is none", "remove 'split'", "LS240", key=True)
        parse = self._reader(value, target, pointer)
        if value.pseudonym:
            if self.setting.pseudonym_key is None:
                self.notes.append(f"'{value.column}' would be a name: set LOCKSTEP_SECRET_PSEUDONYM for pseudonyms")
                return None
            parse = cells.pseudonym_reader(self.setting.pseudonym_key, parse)
        if value.map is not None:
            parse = cells.map_reader(value.map, value.otherwise, parse)
        if value.pattern is not None:
            parse = cells.pattern_reader(value.pattern, parse)
        return parse

    def _reader(self, value: Value, target: Target, pointer: Pointer) -> Parse:
        match target.kind:
            case "number":
                return self._number_reader(value, target, pointer)
            case "time":
                read = self._time_reader()

                def moment(text: str) -> str | None:
                    time = read(text)
                    return None if time is None else cells.instant(time)

                return moment
            case "day":
                return cells.day_reader(self._time_reader(), self.zone)
            case "flag":
                return cells.flag
            case "list":
                return cells.list_reader(value.split or ",", TEXT_LENGTH, target.most_parts)
            case "text":
                read_text = cells.text_reader(target.longest)
                return cells.one_of(target.choices, read_text) if target.choices else read_text

    def _time_reader(self) -> Callable[[str], datetime | None]:
        return cells.time_reader(self.zone, self.times.formats)

    def _number_reader(self, value: Value, target: Target, pointer: Pointer) -> Parse:
        read = cells.decimal_reader(self.numbers.decimal, self.numbers.thousands, percent=value.unit == "percent")
        make = cells.bounded(least=target.least, most=target.most, whole=target.whole)
        factor, absolute = self._factor(value, target, pointer), value.absolute

        def number(text: str) -> int | float | None:
            amount = read(text)
            if amount is None:
                return None
            return make((abs(amount) if absolute else amount) * factor)

        return number

    def _factor(self, value: Value, target: Target, pointer: Pointer) -> Decimal:
        """What the number in the file is multiplied by."""
        if value.unit is None:
            return Decimal(1)
        if value.unit in _PARTS:
            return _PARTS[value.unit]
        if not target.unit:
            self.fault(
                (*pointer, "unit"),
                f"'{value.unit}' are for a field that holds hours or days",
                "write cents, micros or percent, or remove 'unit'",
                "LS240",
            )
            return Decimal(1)
        return Decimal(_SECONDS[value.unit]) / _SECONDS[target.unit]

    # ---- conditions ----------------------------------------------------------------------------------------------

    def conditions(self, conditions: Conditions, pointer: Pointer) -> list[tuple[int, Mapping[str, bool]]]:
        """The place of each column, and of every text whether it holds there."""
        tested: list[tuple[int, Mapping[str, bool]]] = []
        for name, condition in conditions.items():
            holds = self._holds(condition)
            above = self.columns.constant(name)
            place = None if above is not None else self.columns.index(name)
            if above is not None:
                tested.append((0, _Always(holds(above))))
            elif place is None:
                remedy = did_you_mean(name, self.columns.names)
                self.fault((*pointer, name), f"the file has no column '{name}'", remedy, "LS243", key=True)
            else:
                tested.append((place, Known(name, holds)))
        return tested

    def test(self, conditions: Conditions, pointer: Pointer) -> Test | None:
        """Whether a row fulfils conditions; None where there are none."""
        tested = self.conditions(conditions, pointer)
        if not tested:
            return None
        if len(tested) == 1:
            ((place, holds),) = tested
            return lambda row: holds[row[place]]
        return lambda row: all(holds[row[place]] for place, holds in tested)

    def differ(self, names: Sequence[str] | None, pointer: Pointer) -> Test | None:
        """Whether two columns of a row say different things; None where none are named."""
        if names is None:
            return None
        places = [self.columns.index(name) for name in names]
        for i, (name, place) in enumerate(zip(names, places, strict=True)):
            if place is None:
                remedy = did_you_mean(name, self.columns.names)
                self.fault((*pointer, i), f"the file has no column '{name}'", remedy, "LS243")
        first, second = (place or 0 for place in places)
        return lambda row: bool(row[first].strip() != row[second].strip())

    def _holds(self, condition: Condition) -> Callable[[str], bool]:
        """Whether a text fulfils a condition."""
        within = _words(condition.is_)
        without = _words(condition.not_)
        matches = None if condition.matches is None else cells.finder(condition.matches)
        number = cells.decimal_reader(self.numbers.decimal, self.numbers.thousands, percent=True)
        above, below = condition.above, condition.below

        def holds(text: str) -> bool:
            text = text.strip()
            bare = text.removeprefix(EXACT)
            word = bare.casefold()
            if within is not None and word not in within:
                return False
            if without is not None and word in without:
                return False
            if condition.blank is not None and condition.blank is not (not word):
                return False
            if matches is not None and not matches(bare):
                return False
            if above is not None or below is not None:
                amount = number(text)
                if amount is None or (above is not None and amount <= above) or (below is not None and amount >= below):
                    return False
            return True

        return holds


class _Always(dict[str, bool]):
    """The same answer for every text."""

    def __init__(self, answer: bool) -> None:
        self._answer = answer

    def __missing__(self, text: str) -> bool:
        return self._answer


def _words(values: Sequence[Any] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(cells.text_of(value).strip().casefold() for value in values)


def _first_in(one: Get) -> Get:
    """Of several rows the first value that is not blank."""

    def first(rows: Sequence[Row]) -> Any:
        for row in rows:
            value = one(row)
            if value is not None:
                return value
        return None

    return first


def _as_decimal(get: Get) -> Get:
    """The exact decimal of a number: what was read from a text has the shortest digits that make it."""

    def amount(rows: Any) -> Decimal | None:
        value = get(rows)
        return None if value is None else Decimal(str(value))

    return amount


def _sum(parts: Sequence[Get], test: Test | None, *, grouped: bool) -> Get:
    def total(rows: Any) -> Decimal | None:
        amounts: Decimal | None = None
        for row in rows if grouped else (rows,):
            if test is not None and not test(row):
                continue
            for part in parts:
                amount = part(row)
                if amount is not None:
                    amounts = amount if amounts is None else amounts + amount
        return amounts

    return total


def _product(factors: Sequence[Get]) -> Get:
    def product(rows: Any) -> Decimal | None:
        result = Decimal(1)
        for factor in factors:
            amount = factor(rows)
            if amount is None:
                return None
            result *= amount
        return result

    return product


def _quotient(whole: Get, count: Get) -> Get:
    """The one by the other, to the millionth; None where the other is nought."""

    def quotient(rows: Any) -> Decimal | None:
        amount, parts = whole(rows), count(rows)
        if amount is None or not parts:
            return None
        share: Decimal = amount / parts
        # One by next to nothing has more digits than a decimal keeps: no field takes it, and it says so itself.
        return round(share, 6) if abs(share) <= LARGEST_NUMBER else share

    return quotient


def fields_of(event_type: str) -> list[str]:
    """The fields of an event type's data."""
    return list(TYPES[event_type].data.model_fields)
