"""What is known of the fields in an event's data: which there are, what each holds, whether it can be below zero."""

from datetime import datetime
from functools import lru_cache
from types import NoneType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from lockstep.event.contract import TYPES


def unwrapped(annotation: Any) -> Any:
    """The annotation without Optional and Annotated."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, type(int | str)):
            annotation = next(a for a in get_args(annotation) if a is not NoneType)
        else:
            return annotation


def field_of(event_type: str, path: str) -> Any | None:
    kind = TYPES.get(event_type)
    if kind is None:
        return None
    model: Any = kind.data
    if path.startswith("lines."):
        lines = model.model_fields.get("lines")
        if lines is None:
            return None
        model, path = get_args(unwrapped(lines.annotation))[0], path.removeprefix("lines.")
    return model.model_fields.get(path)


def field_kind(event_type: str, path: str) -> Literal["number", "text", "flag", "time", "list", "unknown"]:
    """What a field in an event's data is; `unknown` for one that the model does not name (an extra field)."""
    field = field_of(event_type, path)
    if field is None:
        return "unknown"
    inner = unwrapped(field.annotation)
    if inner in (int, float):
        return "number"
    if inner is bool:
        return "flag"
    if inner is datetime:
        return "time"
    return "list" if get_origin(inner) is list else "text"


def known_paths(event_type: str) -> list[str]:
    """Every path in an event's data that the model names, `lines.sku` among them."""
    kind = TYPES.get(event_type)
    if kind is None:
        return []
    paths = list(kind.data.model_fields)
    lines = kind.data.model_fields.get("lines")
    if lines is not None:
        paths += [f"lines.{name}" for name in get_args(unwrapped(lines.annotation))[0].model_fields]
    return paths


def line_fields(event_type: str) -> tuple[str, ...]:
    """The fields of an event type's lines; empty when it has none."""
    return tuple(p.removeprefix("lines.") for p in known_paths(event_type) if p.startswith("lines."))


def bounds_of(field: Any) -> dict[str, Any]:
    """ge, le, lengths and pattern of a model's field, wherever its annotation carries them."""
    bounds: dict[str, Any] = {}
    pending = [field.annotation, *field.metadata]
    while pending:
        item = pending.pop()
        if get_origin(item) is Annotated:
            inner, *metadata = get_args(item)
            pending += [inner, *metadata]
        elif get_origin(item) in (Union, type(int | str)):
            pending += get_args(item)
        elif type(item).__name__ == "FieldInfo":
            pending += item.metadata
        else:
            for name in ("ge", "le", "min_length", "max_length", "pattern"):
                value = getattr(item, name, None)
                if value is not None:
                    bounds[name] = value
    return bounds


@lru_cache(maxsize=1024)
def is_non_negative(event_type: str, path: str) -> bool:
    """Whether the event model declares a number never below zero, so that its sum can only grow."""
    field = field_of(event_type, path)
    return field is not None and bounds_of(field).get("ge", -1) >= 0


def is_known_field(event_type: str, path: str) -> bool:
    """Whether the event model has a field of this path; any other one is an extra of the shop's own."""
    return field_of(event_type, path) is not None
