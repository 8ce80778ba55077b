"""A YAML file with places: every fault can say where it is, what is wrong and what to do."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

LARGEST_FILE = 1 << 20
"""Bytes of one rule file."""

Pointer = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong in a file. remedy: the way out; code: LSnnn, explained in rules/README.md."""

    path: str
    line: int
    column: int
    message: str
    remedy: str
    code: str
    level: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        way_out = f"; {self.remedy}" if self.remedy else ""
        mark = "" if self.level == "error" else "warning: "
        return f"{self.path}:{self.line}:{self.column}: {mark}{self.message}{way_out} [{self.code}]"


@dataclass(frozen=True)
class Document:
    """A file that could be read. data: plain dicts, lists and scalars."""

    path: str
    data: Any
    _node: Any

    def place(self, pointer: Pointer, *, key: bool = False) -> tuple[int, int]:
        """Line and column (from 1) of what a pointer leads to; of the nearest parent where it leads nowhere.

        key: of the key itself and not of its value.
        """
        node, at = self._node, (1, 1)
        for depth, step in enumerate(pointer):
            last = depth == len(pointer) - 1
            try:
                if isinstance(node, CommentedMap) and step in node:
                    line, column = node.lc.key(step) if key and last else node.lc.value(step)
                elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
                    line, column = node.lc.item(step)
                else:
                    return at
            except (KeyError, TypeError, AttributeError):
                return at
            at = (line + 1, column + 1)
            node = node[step]
        return at

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
        line, column = self.place(pointer, key=key)
        return Fault(self.path, line, column, message, remedy, code, level)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'window'?`, or the list of what is known when nothing is near."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known are {', '.join(names)}" if names else "none are known"


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {str(k): _plain(v) for k, v in node.items()}
    if isinstance(node, list):
        return [_plain(v) for v in node]
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, int):
        return int(node)
    if isinstance(node, float):
        return float(node)
    return str(node)


def parse_document(path: str, text: str) -> tuple[Document | None, list[Fault]]:
    """The document in a text, or the fault that keeps it from being one."""
    if "&" in text and text.count("*") > 200:
        return None, [Fault(path, 1, 1, "more than 200 aliases", "write the values out", "LS102")]
    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = False
    try:
        node = yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = " ".join(str(error.problem or error.context or "not YAML").split())
        if "duplicate key" in problem:
            key = problem.split('"')[1] if '"' in problem else "?"
            return None, [Fault(path, line, column, f"the key '{key}' stands twice", "remove one of them", "LS103")]
        if "\\t" in problem or "'\\t'" in problem:
            problem, remedy = "a tab where spaces must be", "indent with spaces"
        else:
            remedy = "check indentation, colons and quotes on this line and the one above"
        return None, [Fault(path, line, column, f"not YAML: {problem}", remedy, "LS102")]
    except (YAMLError, ValueError, RecursionError, TypeError, AttributeError, KeyError, IndexError) as error:
        # The parser lets a few errors of its own insides out for odd input; to the author they are all one thing.
        problem = " ".join(str(error).split())[:200]
        return None, [Fault(path, 1, 1, f"not YAML: {problem}", "check the file with a YAML editor", "LS102")]
    try:
        data = _plain(node)
    except RecursionError:
        return None, [Fault(path, 1, 1, "nested too deeply", "write it flat", "LS102")]
    return Document(path, data, node), []


def read_document(path: Path) -> tuple[Document | None, list[Fault]]:
    """The document in a file, or why it cannot be read."""
    name = str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        return None, [Fault(name, 1, 1, f"cannot be read: {error.strerror}", "check the path and its rights", "LS101")]
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
    try:
        return model.model_validate(document.data if document.data is not None else {}), []
    except ValidationError as error:
        return None, sorted({_fault(document, model, e) for e in error.errors()})


def _fault(document: Document, model: type[BaseModel], error: Any) -> Fault:
    location: Pointer = tuple(error["loc"])
    pointer = _in_document(document.data, location)
    kind, message = error["type"], error["msg"]
    name = str(pointer[-1]) if pointer else "the file"
    if kind == "extra_forbidden":
        known = error.get("ctx", {}).get("known") or _keys_at(model, location[:-1])
        return document.fault(pointer, f"unknown key '{name}'", did_you_mean(name, known), "LS110", key=True)
    if kind == "missing":
        missing = str(location[-1])
        return document.fault(pointer, f"'{missing}' is missing", f"add '{missing}: …'", "LS111")
    if kind in ("value_error", "assertion_error"):
        text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
        text, _, rest = text.partition("; ")
        remedy, code = rest, "LS112"
        if remedy.endswith("]") and "[LS" in remedy:
            remedy, _, tail = remedy.rpartition(" [")
            code = tail[:-1]
        return document.fault(pointer, text, remedy, code)
    if kind in ("literal_error", "enum"):
        expected = str(error.get("ctx", {}).get("expected", ""))
        words = [w.strip(" '") for w in expected.replace(" or ", ",").split(",")]
        given = str(error.get("input"))
        return document.fault(pointer, f"'{given}' is no {name}", did_you_mean(given, words), "LS113")
    wanted = {
        "string_type": "a text",
        "int_type": "a whole number",
        "float_type": "a number",
        "bool_type": "true or false",
        "list_type": "a list",
        "dict_type": "keys and values",
        "model_type": "keys and values",
        "model_attributes_type": "keys and values",
    }.get(kind)
    if wanted:
        return document.fault(pointer, f"'{name}' must be {wanted}", f"write {wanted} here", "LS114")
    return document.fault(pointer, f"'{name}': {message[:1].lower()}{message[1:]}", "see rules/README.md", "LS114")


def _in_document(root: Any, location: Pointer) -> Pointer:
    """The steps of a pydantic location that are steps in the document (it names models of unions, too)."""
    data: Any = root
    found: list[str | int] = []
    for step in location:
        children: dict[str | int, Any] = {}
        if isinstance(data, dict):
            children = data
        elif isinstance(data, list):
            children = dict(enumerate(data))
        if step in children:
            data = children[step]
            found.append(step)
    return tuple(found)


def _keys_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The keys that a model knows at a place."""
    current: Any = model
    for step in location:
        current = _inside(current, step)
        if current is None:
            return []
    fields = getattr(current, "model_fields", {})
    return [f.alias or name for name, f in fields.items()]


def _inside(model: Any, step: str | int) -> Any:
    """The model at a step inside another; a list's index stays with the model of its items."""
    if isinstance(step, int):
        return model
    for name, info in getattr(model, "model_fields", {}).items():
        if step in (name, info.alias):
            return _model_in(info.annotation)
    # No field: a key of a mapping of such models, or the model's own name within a union.
    return model


def _model_in(annotation: Any) -> Any:
    """The model that an annotation is about: itself, or what a list, dict or union of it holds."""

    if hasattr(annotation, "model_fields"):
        return annotation
    for arg in get_args(annotation):
        found = _model_in(arg)
        if found is not None:
            return found
    return None
