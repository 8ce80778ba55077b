"""The rows of JSON: one object a line, an array or a single object; each cell is what stands at the end of a path.

A path is names with dots between them, `geo.country`; `items[0].id` is in the first element of a list,
`params[key=source].value` in the first whose `key` is `source`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from lockstep.adapters.convert.cells import EXACT
from lockstep.adapters.convert.file_columns import ObjectColumns, Row
from lockstep.adapters.ingest.event_text import EventText
from lockstep.event import not_json

AT_ONCE = 1_000
_STEP = re.compile(r"([^.\[\]]+)(?:\[(?:([^=\]]+)=)?([^\]]*)\])?(?:\.|$)")
_WRONG = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Objects:
    """The objects of a file as rows of the cells that a mapping asks for. Raises EventError for what cannot be read."""

    def __init__(self, text: EventText) -> None:
        self._text = text
        self.columns = ObjectColumns()

    def place(self, number: int) -> str:
        """`events.ndjson:3`, or `events.json: element 3`."""
        return self._text.place(number)

    def first(self) -> tuple[list[str], Iterator[tuple[int, bytes]]]:
        """The paths of the first object, to know the file by, and all values from the first on."""
        values = self._values()
        head = next(values, None)
        if head is None:
            return [], values
        value = _decoded(head[1])
        names = paths_of(value) if isinstance(value, dict) else []
        return names, _and_then(head, values)

    def _values(self) -> Iterator[tuple[int, bytes]]:
        for numbers, values in self._text.portions(AT_ONCE):
            yield from zip(numbers, values, strict=True)

    def rows(
        self, values: Iterator[tuple[int, bytes]], refuse: Callable[[int, str, str], None]
    ) -> Iterator[tuple[int, Row]]:
        """(number, cells) of the paths that were asked for. refuse: told number, fault and way out of what is none."""
        row_of = _row_reader(self.columns)
        decode = msgspec.json.Decoder().decode
        for number, text in values:
            try:
                value = decode(text)
            except _WRONG as error:
                refuse(number, f"not JSON: {not_json(error)}", "write one object a line, or one array")
                continue
            if not isinstance(value, dict):
                refuse(number, "is no JSON object", "write one object a line, or one array of them")
                continue
            yield number, row_of(value)


def _and_then(first: tuple[int, bytes], rest: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    yield first
    yield from rest


def _decoded(value: bytes) -> Any:
    try:
        return msgspec.json.decode(value)
    except _WRONG:
        return None


def paths_of(value: Mapping[str, Any], *, before: str = "", deepest: int = 4) -> list[str]:
    """The paths of all that an object holds, of inner objects and of those that hold them."""
    paths = []
    for name, inner in value.items():
        path = f"{before}{name}"
        paths.append(path)
        if isinstance(inner, dict) and deepest:
            paths += paths_of(inner, before=f"{path}.", deepest=deepest - 1)
    return paths


def _row_reader(columns: ObjectColumns) -> Callable[[Any], list[Any]]:
    readers = [
        _cell_reader(path) if elements is None else _list_reader(path, _row_reader(elements))
        for path, elements in columns.paths
    ]
    return lambda value: [read(value) for read in readers]


def _cell_reader(path: str) -> Callable[[Any], str]:
    get = _getter(path)

    def read(value: Any) -> str:
        inner = get(value)
        return inner if inner.__class__ is str else cell(inner)

    return read


def _list_reader(path: str, row_of: Callable[[Any], list[Any]]) -> Callable[[Any], list[list[Any]]]:
    get = _getter(path)

    def rows(value: Any) -> list[list[Any]]:
        elements = get(value)
        return [row_of(e) for e in elements if isinstance(e, dict)] if isinstance(elements, list) else []

    return rows


def _getter(path: str) -> Callable[[Any], Any]:
    """What a path leads to; None where it leads nowhere."""
    steps: Sequence[tuple[str, str | None, str | None]] = [(m[1], m[2], m[3]) for m in _STEP.finditer(path)]
    if len(steps) == 1 and steps[0][2] is None:
        name = steps[0][0]
        return lambda value: value.get(name) if isinstance(value, dict) else None

    def get(value: Any) -> Any:
        for name, key, wanted in steps:
            value = value.get(name) if isinstance(value, dict) else None
            if wanted is not None:
                value = _element(value if isinstance(value, list) else (), key, wanted)
        return value

    return get


def _element(elements: Sequence[Any], key: str | None, wanted: str) -> Any:
    """The element of a number, or the first whose key has a value; None where there is none."""
    if key is not None:
        return next((e for e in elements if isinstance(e, dict) and str(e.get(key)) == wanted), None)
    place = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 6 else len(elements)
    return elements[place] if place < len(elements) else None


def cell(value: Any) -> str:
    """A value of a program as the text of a cell. A number keeps its decimal point, whatever the mapping says."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{EXACT}{value!r}"
        case _:
            return msgspec.json.encode(value).decode()
