"""The structs of the hot path, made from the contract's models, and the msgspec readers into them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel

from lockstep.event.contract import TYPES, EventType, Moment
from lockstep.event.fields import bounds_of, unwrapped

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a reader raises for bytes that are no event of ours."""


class Refused(msgspec.Struct, frozen=True):
    """An event that cannot be counted. reason: one word for metrics and dead letters; detail names the field."""

    reason: str
    detail: str


def _struct_type(field: Any, lines: Mapping[type[BaseModel], type[msgspec.Struct]]) -> Any:
    """The msgspec type that accepts what a field of a model accepts."""
    inner, bounds = unwrapped(field.annotation), bounds_of(field)
    if get_origin(inner) is list:
        item = get_args(inner)[0]
        element: Any = lines[item] if item in lines else Annotated[str, msgspec.Meta(max_length=256)]
        kind: Any = Annotated[list[element], msgspec.Meta(max_length=bounds.get("max_length"))]
    elif inner is datetime:
        kind = Moment
    elif bounds:
        kind = Annotated[inner, msgspec.Meta(**bounds)]
    else:
        kind = inner
    return kind if field.is_required() or field.default is not None else kind | None


def _struct_of(
    model: type[BaseModel],
    extras: Iterable[tuple[str, Any, Any]],
    lines: Mapping[type[BaseModel], type[msgspec.Struct]],
) -> type[msgspec.Struct]:
    required: list[Any] = []
    optional: list[Any] = []
    for name, field in model.model_fields.items():
        kind = _struct_type(field, lines)
        if field.is_required():
            required.append((name, kind))
        else:
            optional.append((name, kind, field.default))
    optional += [extra for extra in extras if extra[0] not in model.model_fields]
    return msgspec.defstruct(model.__name__, required + optional, gc=False)


Extra = Annotated[str, msgspec.Meta(max_length=256)] | int | float | bool | None
"""What a rule can use of a field that the contract does not name, as a label or a number."""


def _event_struct(kind: EventType, wanted: Iterable[str], raw: bool) -> type[msgspec.Struct]:
    extra_type = (msgspec.Raw, msgspec.Raw(b"null")) if raw else (Extra, None)
    names = list(wanted)
    lines: dict[type[BaseModel], type[msgspec.Struct]] = {}
    field = kind.data.model_fields.get("lines")
    if field is not None:
        line = get_args(unwrapped(field.annotation))[0]
        extras = [(n.removeprefix("lines."), *extra_type) for n in names if n.startswith("lines.")]
        lines[line] = _struct_of(line, extras, {})
    data = _struct_of(kind.data, [(n, *extra_type) for n in names if "." not in n], lines)
    text = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    return msgspec.defstruct(
        f"{kind.data.__name__}Event",
        [
            ("id", text),
            ("source", text),
            ("time", Moment),
            ("data", data),
            ("subject", text | None, None),
            ("specversion", Literal["1.0"], "1.0"),
        ],
        tag_field="type",
        tag=kind.name,
        gc=False,
    )


def reader(wanted: Mapping[str, Iterable[str]], *, raw: bool = False) -> Callable[[bytes], Any]:
    """Reads one event into its struct. raw: extra fields as the bytes that they are."""
    structs = [_event_struct(kind, wanted.get(name, ()), raw) for name, kind in TYPES.items()]
    return msgspec.json.Decoder(Union[tuple(structs)]).decode  # noqa: UP007 # made of a list


def type_of(event: Any) -> str:
    """The event type of a decoded event."""
    return event.__struct_config__.tag  # type: ignore[no-any-return] # the classes are made at run time
