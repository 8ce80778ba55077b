"""Filters of ElastAlert as `where`: fields with the values that are wanted. Anything else has no equivalent."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lockstep.event import TYPES
from lockstep.tools.foreign_rules.equivalent import NoEquivalent

_TYPE_FIELDS = frozenset({"type", "event_type", "event.type", "ce_type", "event_name"})
"""Fields that say of which type an event is."""
_LABEL = re.compile(r"(lines\.)?[A-Za-z][A-Za-z0-9_]{0,99}")
_TERM = re.compile(
    r"""(?P<field>[A-Za-z_@][\w.@]*)\s*:\s*(?:"(?P<quoted>[^"*\\]*)"|\((?P<any>[^()]*)\)|(?P<word>[\w.\-]+\*?))"""
)
DEEPEST = 50


def label_of(field: Any) -> str:
    """A field of a document as a label: without `.keyword` and `data.`. Raises NoEquivalent."""
    name = str(field).removesuffix(".keyword").removesuffix(".raw").removeprefix("data.")
    if not _LABEL.fullmatch(name):
        raise NoEquivalent(f"the field '{str(field)[:100]}' is no label of ours: letters, digits and _")
    return name


def where_of(filters: Any) -> tuple[str | None, dict[str, Any]]:
    """(the event type that filters ask for, label → the value or values). Raises NoEquivalent."""
    event_type: str | None = None
    where: dict[str, Any] = {}
    for field, values in _wanted(filters, 0):
        plain = str(field).removesuffix(".keyword")
        if plain in _TYPE_FIELDS and len(values) == 1 and values[0] in TYPES:
            if event_type not in (None, values[0]):
                raise NoEquivalent("its filter asks for two types of events at a time")
            event_type = values[0]
            continue
        label = label_of(field)
        if label in where and where[label] != values:
            raise NoEquivalent(f"its filter asks for '{label}' twice")
        where[label] = values
    return event_type, {label: values[0] if len(values) == 1 else values for label, values in where.items()}


def _wanted(filters: Any, depth: int) -> Iterator[tuple[str, list[str]]]:
    """(field, the values of which one is wanted) of filters that must all hold."""
    if depth > DEEPEST:
        raise NoEquivalent("its filter is nested too deeply")
    if filters is None:
        return
    if isinstance(filters, list):
        for one in filters:
            yield from _wanted(one, depth + 1)
        return
    if not isinstance(filters, dict):
        raise NoEquivalent(f"a filter is no text: '{str(filters)[:100]}'")
    for word, inner in filters.items():
        match word, inner:
            case (("query" | "bool" | "must" | "filter" | "constant_score"), (dict() | list())):
                yield from _wanted(inner, depth + 1)
            case (("term" | "match" | "match_phrase" | "terms"), dict()):
                yield from ((str(field), _values(value)) for field, value in inner.items() if field != "boost")
            case "prefix", dict():
                yield from ((str(field), [f"{_values(value)[0]}*"]) for field, value in inner.items())
            case "query_string", dict():
                yield from _of_query(str(inner.get("query", "")))
            case "match_all", _:
                continue
            case _:
                raise NoEquivalent(f"its filter `{str(word)[:60]}` has no equivalent: `where` names wanted values")


def _values(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        value = next((value[key] for key in ("value", "query") if key in value), None)
    values = value if isinstance(value, list) else [value]
    if not values or len(values) > 200 or any(isinstance(one, dict | list) or one in (None, "") for one in values):
        raise NoEquivalent("its filter has no value that `where` could name")
    texts = [str(one).lower() if isinstance(one, bool) else str(one) for one in values]
    if any("*" in text or "?" in text for text in texts):
        raise NoEquivalent(f"`{texts[0][:60]}` in its filter has no equivalent: `where` takes values and beginnings")
    return texts


def _of_query(query: str) -> Iterator[tuple[str, list[str]]]:
    """`type:order.placed AND channel:(web OR app)`."""
    query = query.strip()
    if query in ("", "*", "*:*"):
        return
    at = 0
    while True:
        match = _TERM.match(query, at)
        if match is None or match["field"] == "_exists_":
            raise NoEquivalent(f"the query `{query[:100]}` has no equivalent: `where` names wanted values, all of them")
        if match["any"] is not None:
            values = [part.strip().strip('"') for part in re.split(r"\s+OR\s+", match["any"].strip())]
            if not all(re.fullmatch(r"[\w.\-]+", value) for value in values):
                raise NoEquivalent(f"the query `{query[:100]}` has no equivalent")
            yield match["field"], values
        else:
            yield match["field"], [match["word"] or match["quoted"]]
        at = match.end()
        if at == len(query):
            return
        joined = re.compile(r"\s+(?:AND|&&)\s+").match(query, at)
        if joined is None:
            raise NoEquivalent(f"the query `{query[:100]}` has no equivalent: `where` names wanted values, all of them")
        at = joined.end()
