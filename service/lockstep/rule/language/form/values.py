"""What may be written where one value stands: lengths, ratios, limits, labels, days."""

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from typing_extensions import TypeAliasType

from lockstep.rule.condition.kinds import Hours
from lockstep.rule.condition.period import Period
from lockstep.rule.language import quantity
from lockstep.shop.catalogue import BUSINESS
from lockstep.text.personal_data import names_a_person

Duration = Annotated[
    int,
    BeforeValidator(quantity.duration_s),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["90s", "15m", "1h30m", "7d"]}),
]
CalendarWindow = Annotated[
    int | Period,
    BeforeValidator(quantity.window),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["15m", "1h30m", "day", "week"]}),
]
"""A length, or a day or week of the shop's calendar."""
Ratio = Annotated[
    float,
    BeforeValidator(quantity.ratio),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9.]+(x|%)$", "examples": ["2x", "0.5x"]}),
]
Away = Annotated[
    tuple[float | None, float | None],
    BeforeValidator(quantity.away),
    WithJsonSchema({"type": "string", "examples": ["2x", "0.5x", "20 more", "20 less", "2x and 20 more"]}),
]
"""(ratio, signed difference): how far from the usual."""
Chance = Annotated[
    float,
    BeforeValidator(quantity.chance),
    WithJsonSchema({"type": "string", "examples": ["1 in 1000", "0.1%"]}),
]
Limit = Annotated[
    float,
    BeforeValidator(quantity.number),
    WithJsonSchema({"type": ["number", "string"], "pattern": r"^-?[0-9.]+%?$", "examples": [20, "25%"]}),
]
By = Annotated[
    tuple[float | None, float | None],
    BeforeValidator(quantity.difference),
    WithJsonSchema({"type": ["number", "string"], "pattern": r"^[0-9.]+%?$", "examples": [5, "20%"]}),
]
"""A difference: as a number, or as a part of what was before."""
Stretch = Annotated[
    Hours,
    BeforeValidator(quantity.hours),
]
DayKind = Literal["campaign", "holiday", "closed"]
SeverityWord = Literal["info", "warning", "critical"]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]

MeasureName = TypeAliasType(
    "MeasureName",
    Annotated[
        str,
        WithJsonSchema(
            {
                "anyOf": [
                    *({"const": b.name, "description": f"{b.meaning}. By {list(b.labels)}"} for b in BUSINESS.values()),
                    {"type": "string"},
                ]
            }
        ),
    ],
)
"""The name of a declared measure, or of a business measure, which editors complete and explain."""


def _label(value: Any) -> Any:
    if isinstance(value, str) and not _LABEL.fullmatch(value):
        parts = [part for part in re.split(r"[,;\s]+", value) if part != "and"]
        if 1 < len(parts) < 10 and all(map(_LABEL.fullmatch, parts)) and re.search(r"[,;]|\band\b", value):
            raise ValueError(f"'{value[:100]}' are several labels; write [{', '.join(parts)}] [LS135]")
        raise ValueError(f"'{value[:100]}' cannot be a label; write a field's name: letters, digits and _ [LS135]")
    if isinstance(value, str) and names_a_person(value):
        message = f"'{value}' may name a person or a single order, and labels are read by many"
        raise ValueError(f"{message}; leave it out, or count it with {{distinct: {value}, of: …}} [LS136]")
    return value


_LABEL = re.compile(r"(lines\.)?[A-Za-z][A-Za-z0-9_]{0,99}")

Label = Annotated[
    str, BeforeValidator(_label), WithJsonSchema({"type": "string", "examples": ["channel", "sku", "lines.sku"]})
]
"""A label of the event, or of its lines."""


def one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def listed(items: dict[str, Any]) -> WithJsonSchema:
    """What may be written once or as a list."""
    return WithJsonSchema({"anyOf": [items, {"type": "array", "items": items}]})


TEXT = {"type": "string"}
HOURS = {"type": "string", "examples": ["Mon-Fri 08:00-18:00", "Sun 10:00-16:00", "Mon-Sat"]}
VALUE = {"type": ["string", "number", "boolean"]}


def label_values(value: Any) -> Any:
    """Label values may be written as numbers or flags; they are compared as text."""
    if isinstance(value, dict):
        return {k: [label_value(v) for v in (vs if isinstance(vs, list) else [vs])] for k, vs in value.items()}
    return value


def label_value(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, arbitrary_types_allowed=True)


def day(value: Any) -> Any:
    try:
        return value if value is None else date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"'{str(value)[:100]}' is no day; write one like 2026-12-31 [LS201]") from None
