"""A YAML file with places: every fault can say where it is, what is wrong and what to do."""

import difflib
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLWarning

from lockstep.text import requirement
from lockstep.yaml.masking import KEYS, masked
from lockstep.yaml.quick_yaml import Constructor, quick_yaml
from lockstep.yaml.syntax_faults import (
    PARSER_FAULTS,
    YamlFault,
    glued_key,
    template_fault,
    unprintable_fault,
    yaml_fault,
)

LARGEST_FILE = 1 << 20
"""Bytes of one rule file."""
MOST_VALUES = 200_000
"""Keys, items and scalars of one file, with its aliases written out."""
DEEPEST = 100
"""Brackets within brackets."""

Pointer = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong in a file. remedy: the way out; code: LSnnn, explained in rules/README.md.

    What is or may be a secret in the message is masked, whoever prints it.
    """

    path: str
    line: int
    column: int
    message: str
    remedy: str
    code: str
    level: Literal["error", "warning"] = "error"

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", masked(self.message))

    def __str__(self) -> str:
        way_out = f"; {self.remedy}" if self.remedy else ""
        mark = "" if self.level == "error" else "warning: "
        return f"{self.path}:{self.line}:{self.column}: {mark}{self.message}{way_out} [{self.code}]"


@dataclass(frozen=True)
class Document:
    """A file that could be read. data: plain dicts, lists and scalars.

    twice: the keys that stand twice, with what leads to them. Such a file is refused, but looked at with the first of
    the two values, or for a section with both.
    """

    path: str
    data: Any
    _node: Any
    text: str = ""
    twice: tuple[tuple[Pointer, Fault], ...] = ()

    def place(self, pointer: Pointer, *, key: bool = False) -> tuple[int, int]:
        """Line and column (from 1) of what a pointer leads to; of the nearest parent where it leads nowhere.

        key: of the key itself and not of its value.
        """
        node, at = self._node, (1, 1)
        for depth, step in enumerate(pointer):
            last = depth == len(pointer) - 1
            try:
                if isinstance(node, CommentedMap) and step not in node and str(step).isdecimal():
                    step = int(step)  # a key that is a number is a word in `data`
                if isinstance(node, CommentedMap) and step in node:
                    line, column = node.lc.key(step) if last and (key or node[step] is None) else node.lc.value(step)
                elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
                    line, column = node.lc.item(step)
                else:
                    return at
            except (KeyError, TypeError, AttributeError):
                return at
            at = (line + 1, column + 1)
            node = node[step]
        return at

    def at(self, pointer: Pointer) -> Any:
        """The data that a pointer leads to. Raises LookupError where it leads nowhere."""
        return _data_at(self.data, pointer)

    def find(self, pointer: Pointer) -> Any:
        """What stands at a place; None where nothing does, also where a key has no value: it says nothing."""
        node = self.data
        for step in pointer:
            inside = isinstance(node, list) and isinstance(step, int) and step < len(node)
            if not inside and not (isinstance(node, dict) and step in node):
                return None
            node = node[step]
        return node

    def stands(self, pointer: Pointer) -> bool:
        """Whether a place of the document says something."""
        return self.find(pointer) is not None

    def fault(
        self,
        pointer: Pointer,
        message: str,
        remedy: str,
        code: str,
        *,
        level: Literal["error", "warning"] = "error",
        key: bool = False,
    ) -> Fault:
        """A fault of what a pointer leads to, with its line and column and what it is part of (`rule 'LowStock': `).

        message: what is wrong, without a subject. remedy: the way out. code: `LS104`. key: the fault is at the key and
        not at its value.
        """
        line, column = self.place(pointer, key=key)
        return Fault(self.path, line, column, f"{self._subject(pointer)}{message}", remedy, code, level)

    def _subject(self, pointer: Pointer) -> str:
        """`rule 'OrderDrop': ` or `measure 'orders': `: a line in a log must say it without the file at hand."""
        match pointer[:2]:
            case ("measures", str(name)):
                return f"measure '{name}': "
            case ("rules", int(index)):
                rule = self.data["rules"][index]
                named = rule.get("name") if isinstance(rule, dict) else None
                return f"rule '{named}': " if isinstance(named, str) and pointer[2:] != ("name",) else ""
            case _:
                return ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'window'?`, or the list of what is known when nothing is near."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known are {', '.join(names)}" if names else "none are known"


class _Odd(Exception):
    """Something that YAML allows and no file of ours needs. at: line and column from 0, where known."""

    def __init__(self, message: str, remedy: str, code: str, at: tuple[int, int] = (0, 0)) -> None:
        super().__init__(message)
        self.message, self.remedy, self.code, self.at = message, remedy, code, at


_Twice = tuple[Any, Any, int, int, Any]
"""A mapping, a key that it has already, line and column from 0 of where that stands again, and its value there."""


class _Plain:
    """Makes plain dicts, lists and scalars of what the parser gives, at most MOST_VALUES of them."""

    def __init__(self) -> None:
        self._left = MOST_VALUES
        self.twice: list[_Twice] = []

    def of(self, node: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            # Aliases of aliases: a few lines can stand for billions of values.
            raise _Odd(f"more than {MOST_VALUES:,} values", "write aliases (*name) out, or split the file", "LS102")
        if isinstance(node, dict):
            return self._mapping(node)
        if isinstance(node, list):
            return [self.of(v) for v in node]
        if isinstance(node, bool) or node is None:
            return node
        if isinstance(node, int):
            width = getattr(node, "_width", None)
            if width:
                return f"{int(node):0{width}d}"  # 010002 is a name that looks like a number
            # Larger ones are no number that anybody means, and have no text either.
            return int(node) if node.bit_length() <= 64 else float("inf")
        if isinstance(node, float):
            return float(node)
        return _text(str(node))

    def _mapping(self, node: dict[Any, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in node.items():
            at = node.lc.key(key) if isinstance(node, CommentedMap) and key in (node.lc.data or {}) else (0, 0)
            if not isinstance(key, str | int | float | None):
                raise _Odd("a key that is no word", "write keys as plain words", "LS102", at)
            word = _text(str(key), at)
            if word in result:
                self.twice.append((node, word, *at, value))
                continue
            result[word] = self.of(value)
        return result


def _text(text: str, at: tuple[int, int] = (0, 0)) -> str:
    r"""The text with the two halves of a character (`\ud83d\ude00`, as JSON writes it) put together."""
    if text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text):
        return text
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        shown = text.encode("ascii", "backslashreplace").decode()[:100]
        raise _Odd(f"'{shown}' holds half a character", "write the character itself", "LS102", at) from None


def _is_deep(text: str) -> bool:
    """Whether a text nests so deeply that the parser would only find it out slowly."""
    depth = 0
    for bracket in re.finditer(r"[\[\]{}]|(?:- ){100}", text):
        if len(bracket[0]) > 1:
            return True
        depth += 1 if bracket[0] in "[{" else -1
        if depth > DEEPEST:
            return True
    return False


def _parsed(text: str) -> tuple[Any, list[_Twice]]:
    """The node in a text, and the keys that stand twice. Raises one of PARSER_FAULTS, or RecursionError."""
    try:
        return quick_yaml().load(text), []
    except PARSER_FAULTS:
        # Told by the parser as it comes, which names the place that an author looks at.
        yaml = YAML(typ="rt")
        yaml.allow_duplicate_keys = False
        yaml.Constructor = Constructor
        yaml.constructor.twice = []
        node = yaml.load(text)
        twice: list[_Twice] = yaml.constructor.twice
        for mapping, key, *_, value in list(twice):
            if mapping is node and node[key] is not value:
                twice += _joined(node[key], value)
        return node, twice


def _joined(section: Any, again: Any) -> list[_Twice]:
    """Put the second half of a section that stands twice (`rules:` and further down `rules:`) behind the first.

    Returns the keys that both have.
    """
    places = getattr(getattr(again, "lc", None), "data", None) or {}
    both: list[_Twice] = []
    if isinstance(section, CommentedMap) and isinstance(again, CommentedMap):
        for key, place in places.items():
            if key in section:
                both.append((section, key, place[0], place[1], again[key]))
            else:
                section[key] = again[key]
                section.lc.add_kv_line_col(key, place)
    elif isinstance(section, CommentedSeq) and isinstance(again, CommentedSeq):
        for index, place in places.items():
            section.lc.add_idx_line_col(len(section), place)
            section.append(again[index])
    return both


def _keys_twice(document: Document, node: Any, twice: list[_Twice]) -> tuple[tuple[Pointer, Fault], ...]:
    """The faults of keys that stand twice, in the order of places, with what leads to the keys."""
    if not twice:
        return ()
    pointers: dict[int, Pointer] = {}
    pending: list[tuple[Pointer, Any]] = [((), node)]
    while pending:
        pointer, inner = pending.pop()
        if id(inner) in pointers or not isinstance(inner, dict | list):
            continue
        pointers[id(inner)] = pointer
        steps = inner.items() if isinstance(inner, dict) else enumerate(inner)
        pending += [((*pointer, step if isinstance(step, int) else str(step)), value) for step, value in steps]
    faults = []
    with_comma: dict[Pointer, Fault | None] = {}
    for mapping, key, line, column, value in twice:
        message = f"the key '{str(key)[:100]}' stands twice"
        is_section = mapping is node and isinstance(value, dict | list)
        remedy = "put what is under both under one of them" if is_section else "remove one of them"
        fault = Fault(document.path, line + 1, column + 1, message, remedy, "LS103")
        pointer = (*pointers.get(id(mapping), ()), str(key))
        if pointer not in with_comma:
            with_comma[pointer] = _number_with_comma(document, pointer)
        faults.append((pointer, with_comma[pointer] or fault))
    return tuple(sorted(faults, key=lambda one: one[1]))


def parse_document(path: str, text: str) -> tuple[Document | None, list[Fault]]:
    """The document in a text, or the fault that keeps it from being one."""
    if _is_deep(text):
        return None, [Fault(path, 1, 1, "nested too deeply", "write it flat", "LS102")]
    unprintable = unprintable_fault(text)
    if unprintable is not None:
        return None, [Fault(path, *unprintable)]
    try:
        with warnings.catch_warnings():
            # An anchor set twice and an old form of a float are YAML; what they mean is said by what uses them.
            warnings.simplefilter("ignore", YAMLWarning)
            node, twice = _parsed(text)
        plain = _Plain()
        data = plain.of(node)
    except _Odd as odd:
        fault = template_fault(text, *odd.at) if odd.code == "LS102" else None
        fault = fault or YamlFault(odd.at[0] + 1, odd.at[1] + 1, odd.message, odd.remedy, odd.code)
        return None, [Fault(path, *fault)]
    except RecursionError:
        return None, [Fault(path, 1, 1, "nested too deeply", "write it flat", "LS102")]
    except PARSER_FAULTS as error:
        return None, [Fault(path, *yaml_fault(text, error))]
    document = Document(path, data, node, text)
    return replace(document, twice=_keys_twice(document, node, twice + plain.twice)), []


def document_of(name: str, raw: bytes) -> tuple[Document | None, list[Fault]]:
    """The document in the bytes of a file, or why there is none."""
    if len(raw) > LARGEST_FILE:
        return None, [Fault(name, 1, 1, f"{len(raw)} bytes; at most {LARGEST_FILE}", "split the file", "LS101")]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return None, [Fault(name, line, 1, "not UTF-8", "save the file as UTF-8", "LS101")]
    return parse_document(name, text)


def validate(document: Document, model: type[M]) -> tuple[M | None, list[Fault]]:
    """The document as a model, or every fault in it at once."""
    twice = {fault for _, fault in document.twice}
    try:
        value = model.model_validate(document.data if document.data is not None else {})
    except ValidationError as error:
        beside, covered = _unindented(document, model, error.errors())
        glued, holders = _glued(document, error.errors())
        left = (
            e
            for e in error.errors()
            if tuple(e["loc"]) not in covered and holders.isdisjoint({(loc := tuple(e["loc"])), loc[:-1]})
        )
        return None, sorted({*twice, *beside, *glued, *(fault_of(document, model, e) for e in left)})
    return (None, sorted(twice)) if twice else (value, [])


def _glued(document: Document, errors: Iterable[Any]) -> tuple[list[Fault], set[Pointer]]:
    """The faults of keys such as `measure:stock`, one for each mapping that has some, and the places of these mappings,
    of which nothing else is known."""
    by_mapping: dict[Pointer, Fault] = {}
    for error in errors:
        location = tuple(error["loc"])
        if error["type"] != "extra_forbidden" or error.get("input") is not None or location[:-1] in by_mapping:
            continue
        fault = glued_key(str(location[-1]))
        if fault is not None:
            pointer = pointer_in(document.data, location)
            by_mapping[location[:-1]] = document.fault(pointer, *fault, "LS110", key=True)
    return list(by_mapping.values()), set(by_mapping)


def _unindented(document: Document, model: type[BaseModel], errors: Iterable[Any]) -> tuple[list[Fault], set[Pointer]]:
    """The faults of keys that stand beside the empty key below which they belong, one for each such key, and the
    places that pydantic would tell of them one by one."""
    misplaced: dict[Pointer, list[str]] = {}
    covered: set[Pointer] = set()
    for location in (tuple(error["loc"]) for error in errors if error["loc"]):
        pointer, key = pointer_in(document.data, location), str(location[-1])
        parent = _data_at(document.data, pointer[:-1]) if pointer else None
        if not isinstance(parent, dict) or pointer[-1] != key or isinstance(parent[key], dict):
            continue
        before = list(parent)[: list(parent).index(key)]
        above = next((name for name in reversed(before) if parent[name] is None), None)
        if above is not None and _belongs(model, location, key, above):
            misplaced.setdefault((*pointer[:-1], above), []).append(key)
            covered |= {location, (*location[:-1], above)}
    faults = []
    for pointer, beside in misplaced.items():
        names = " and ".join(f"'{key}'" for key in beside) if len(beside) < 4 else f"{len(beside)} keys"
        message = f"'{pointer[-1]}' is empty, {names} stand{'s' if len(beside) == 1 else ''} beside it and not below it"
        faults.append(document.fault(pointer, message, "indent what belongs to it further", "LS111", key=True))
    return faults, covered


def _belongs(model: type[BaseModel], location: Pointer, key: str, above: str) -> bool:
    """Whether a key is one of those that stand below another one, and none of its own place."""
    if _holds_names(model, location[:-1]):
        return key in keys(_model_at(model, location))  # measures: orders: (nothing), count: order.placed
    owner = _model_at(model, location[:-1])
    fields = getattr(owner, "model_fields", {})
    field = next((f for n, f in fields.items() if above in (n, f.alias)), None)
    if field is None or key in keys(owner):
        return False
    return key in keys(_model_in(field.annotation)) or get_origin(field.annotation) is dict


def fault_of(document: Document, model: type[BaseModel], error: Any) -> Fault:
    """An error of pydantic about a document, as its author can use it."""
    location: Pointer = tuple(error["loc"])
    pointer = pointer_in(document.data, location)
    comma = _number_with_comma(document, pointer)
    if comma is not None:
        return comma
    kind, message, context = error["type"], error["msg"], error.get("ctx", {})
    is_of_secret = any(str(step).lower() in KEYS for step in pointer[:-1])
    name = "this key" if is_of_secret else _called(pointer)  # which may be the secret itself
    owner = _model_at(model, location[:-1])
    if kind == "extra_forbidden":
        explain = getattr(owner, "unknown_key", None)
        explained = explain(str(location[-1]), _data_at(document.data, pointer[:-1])) if explain else None
        if explained is not None:
            return document.fault(pointer, *explained, key=True)
        return document.fault(
            pointer, f"unknown key {name}", did_you_mean(str(location[-1]), keys(owner)), "LS110", key=True
        )
    if kind == "missing":
        missing = str(location[-1])
        return document.fault(pointer, f"'{missing}' is missing", f"add '{missing}: …'", "LS111")
    if kind in ("value_error", "assertion_error"):
        text, remedy, code = parted(message.removeprefix("Value error, ").removeprefix("Assertion failed, "))
        if text.startswith("'"):  # a value: of which key?
            text = f"{next((s for s in reversed(pointer) if isinstance(s, str)), '')} {text}".lstrip()
        return document.fault(pointer, text, remedy, code)
    if kind in ("literal_error", "enum"):
        words = [w.strip(" '") for w in str(context.get("expected", "")).replace(" or ", ",").split(",")]
        value = error.get("input")
        what = f"{name} is empty" if value is None else f"{name} cannot be '{str(value)[:100]}'"
        return document.fault(pointer, what, did_you_mean(str(value)[:100], words), "LS113")
    if kind == "string_pattern_mismatch" and (location[-1] == "[key]" or name in ("'name'", "'was'")):
        given = str(error.get("input"))[:100]
        remedy = "write letters, digits, _ and -, with a letter first"
        return document.fault(pointer, f"'{given}' is no name", remedy, "LS114", key=location[-1] == "[key]")
    value = requirement.kind_of_value(kind)
    if value is not None:
        if value == "keys and values" and _holds_names(model, location):
            return document.fault(
                pointer, f"{name} must be names and what they stand for", "write `a_name: …` below it", "LS114"
            )
        inner = _model_at(model, location) if value == "keys and values" else None
        remedy = f"known are {', '.join(sorted(keys(inner)))}" if keys(inner) else f"write {value} here"
        return document.fault(pointer, f"{name} must be {value}", remedy, "LS114")
    must = requirement.limit(kind, context)
    if must is not None:
        return document.fault(pointer, f"{name} must {must}", "change it", "LS112")
    return document.fault(pointer, f"{name} has not the form that is needed", "see rules/README.md", "LS114")


WITH_COMMA = re.compile(r"-?[0-9]+(?:,[0-9]+)+(?:\.[0-9]+)?[%x]?(?![^\s,}])")
"""A number such as `1,000` or `2,5`, which is no number to YAML."""
MOST_KEYS = 100
"""Of a mapping that is looked through for such a number."""


def _number_with_comma(document: Document, pointer: Pointer) -> Fault | None:
    """The fault of `{above: 1,000}`, where a pointer leads to the `000`, which is a key to YAML."""
    parent = _data_at(document.data, pointer[:-1]) if pointer else None
    key = pointer[-1] if pointer else None
    if not isinstance(key, str) or not isinstance(parent, dict) or parent.get(key, key) is not None:
        return None
    if len(parent) > MOST_KEYS:
        return None
    before = [k for k in list(parent)[: list(parent).index(key)] if parent[k] is not None]
    line, column = document.place(pointer, key=True)
    row = document.text.splitlines()[line - 1 : line]
    for number in WITH_COMMA.finditer(row[0]) if row and before else ():
        if number.start() < column - 1 < number.end():
            message = f"{before[-1]} '{number[0]}' is no number, it has a comma"
            fault = document.fault(pointer, message, without_comma(number[0]), "LS106")
            return replace(fault, line=line, column=number.start() + 1)
    return None


def without_comma(number: str) -> str:
    """The way out for a number with commas, `1,000` or `2,5`."""
    is_decimal = re.fullmatch(r"-?[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})[%x]?", number)
    return f"write {number.replace(',', '.' if is_decimal else '')}"


def parted(text: str) -> tuple[str, str, str]:
    """(what is wrong, the way out, code) of a message such as `'90' has no unit; write 90s [LS104]`."""
    message, _, rest = text.partition("; ")
    remedy, _, code = rest.rpartition(" [")
    return (message, remedy, code[:-1]) if code.startswith("LS") else (message, rest, "LS112")


def _called(pointer: Pointer) -> str:
    """How a message names what a pointer leads to."""
    if not pointer:
        return "the file"
    last = pointer[-1]
    if isinstance(last, str):
        return f"'{last}'"
    return f"item {last + 1} of '{pointer[-2]}'" if len(pointer) > 1 else f"item {last + 1}"


def pointer_in(root: Any, location: Pointer) -> Pointer:
    """The steps of a pydantic location that are steps in the document (it names models of unions, too)."""
    steps: list[str | int] = []
    data: Any = root
    for step in location:
        inside = step in data if isinstance(data, dict) else isinstance(data, list) and isinstance(step, int)
        if inside:
            data = data[step]
            steps.append(step)
    return tuple(steps)


def _data_at(root: Any, pointer: Pointer) -> Any:
    for step in pointer:
        root = root[step]
    return root


def keys(model: Any) -> list[str]:
    """The keys that a model of a file knows."""
    fields = getattr(model, "model_fields", {})
    return [f.alias or name for name, f in fields.items() if f.exclude is not True]


def _model_at(model: type[BaseModel], location: Pointer) -> Any:
    """The model at a place, or the one around it; None where there is no model."""
    current: Any = model
    names_come = False
    for step in location:
        if names_come:
            names_come = False  # a name that somebody gave, which may be the name of a field, too
            continue
        field = next((f for n, f in getattr(current, "model_fields", {}).items() if step in (n, f.alias)), None)
        # No field: a list's index, a key of a mapping of such models, or the model's own name within a union.
        if field is not None:
            current, names_come = _model_in(field.annotation), get_origin(field.annotation) is dict
    return current


def _holds_names(model: type[BaseModel], location: Pointer) -> bool:
    """Whether the keys at a place are names that its author gives to what stands under them."""
    owner = _model_at(model, location[:-1])
    field = getattr(owner, "model_fields", {}).get(location[-1]) if location else None
    return field is not None and get_origin(field.annotation) is dict and _model_in(field.annotation) is not None


def _model_in(annotation: Any) -> Any:
    """The model that an annotation is about: itself, or what a list, dict or union of it holds."""
    if hasattr(annotation, "model_fields"):
        return annotation
    return next((inner for inner in map(_model_in, get_args(annotation)) if inner is not None), None)
