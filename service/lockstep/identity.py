"""Identity: the text that names a value for ever, made of listed parts.

Stored state and published ids are named by hashes of such texts (`lockstep.labels.stable_id`). A field that a later
version of the program adds to a value says, by its default, that all is as before: it is no part of the text while it
has that default, so an upgrade finds what was stored under the old name.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import date, time
from enum import Enum
from typing import Any

Parts = Mapping[type, tuple[str, ...]]
"""Dataclass → the fields that always are a part of it, in their order. Each dataclass within a value must be listed."""


def identity(value: object, parts: Parts) -> str:
    """The identity of a value: `Number(value=2.0)`, `('sku',)`, `<Severity.WARNING: 2>`, …

    value: dataclasses that `parts` lists, tuples, frozensets of numbers, enums, dates and times of day, and plain
    values. Raises TypeError for anything else: a value whose text could change with a version of Python names nothing.
    """
    match value:
        case Enum():
            return f"<{type(value).__name__}.{value.name}: {value.value!r}>"
        case None | bool() | int() | float() | str():
            return repr(value)
        case time(hour=hour, minute=minute, second=second, microsecond=0):
            return f"datetime.time({', '.join(map(str, (hour, minute, second) if second else (hour, minute)))})"
        case date(year=year, month=month, day=day):
            return f"datetime.date({year}, {month}, {day})"
        case tuple():
            inner = ", ".join(identity(item, parts) for item in value)
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        case frozenset():
            inner = ", ".join(identity(item, parts) for item in sorted(value))
            return f"frozenset({{{inner}}})" if value else "frozenset()"
    listed = parts.get(type(value))
    if listed is None:
        raise TypeError(f"{type(value).__name__} is no part of an identity; list its fields")
    named = {name: getattr(value, name) for name in (*listed, *_added(value, listed))}
    return f"{type(value).__name__}({', '.join(f'{name}={identity(part, parts)}' for name, part in named.items())})"


def _added(value: Any, listed: tuple[str, ...]) -> list[str]:
    """The fields that a later version added and that do not have their default. What is not compared is none."""
    added = []
    for field in fields(value):
        if field.name in listed or not field.compare:
            continue
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if getattr(value, field.name) != default:
            added.append(field.name)
    return added
