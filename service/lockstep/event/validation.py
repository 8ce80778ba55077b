"""An event by the contract, slowly and with the whole reason why it is refused."""

from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic import BaseModel, ValidationError

from lockstep.errors import EventError
from lockstep.event.contract import LARGEST_EVENT, MODELS, TYPES
from lockstep.event.structs import UNREADABLE, reader
from lockstep.text.requirement import must, must_in_msgspec


class _Header(msgspec.Struct):
    type: str


class _Base64(msgspec.Struct):
    data_base64: str


_HEADER = msgspec.json.Decoder(_Header)
_BASE64 = msgspec.json.Decoder(_Base64)
_STRUCTS = reader({})


def foreign_type(value: bytes) -> str | None:
    """The type of an event that is not ours: such events are counted and ignored. None: ours, or no event."""
    try:
        name = _HEADER.decode(value).type
    except UNREADABLE:
        return None
    return None if name in TYPES else name


def _holds_base64(value: bytes) -> bool:
    try:
        _BASE64.decode(value)
    except UNREADABLE:
        return False
    return True


def parse_event(value: bytes | None) -> BaseModel:
    """The event by the contract, slowly and with the whole reason. Raises EventError."""
    if value is None:
        raise EventError("tombstone", "a record without a value")
    if len(value) > LARGEST_EVENT:
        raise EventError("json", f"{len(value)} bytes; at most {LARGEST_EVENT} are taken")
    try:
        kind = _HEADER.decode(value).type
    except msgspec.ValidationError as error:
        what = str(error)
        is_object = "$.type" in what or "required field" in what
        raise _wrong_type(must_in_msgspec(what) if is_object else "an event is a JSON object, this is none") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError("json", f"not a JSON object: {not_json(error)}") from error
    model = MODELS.get(kind)
    if model is None:
        raise _wrong_type(f"'{kind[:100]}' is not one of {', '.join(TYPES)}")
    try:
        event = model.model_validate_json(value)
    except ValidationError as error:
        faults = [_fault(e["type"], ".".join(map(str, e["loc"])), e["msg"], e.get("ctx", {})) for e in error.errors()]
        if _holds_base64(value):
            said = "has to be JSON in `data`; `data_base64` is not taken"
            faults = [(f, reason, said if f == "data" else message) for f, reason, message in faults]
        reasons = {reason for _, reason, _ in faults}
        reason = next(reason for reason in ("number", "json", "data", "envelope") if reason in reasons)
        detail = "; ".join(f"{field}: {message}" if field else message for field, _, message in faults[:5])
        raise EventError(reason, detail, faults) from error
    try:
        # The hot path has the last word: a name that stands twice, first wrong and then right, is refused by both.
        _STRUCTS(value)
    except UNREADABLE as error:
        said, _, place = str(error).partition(" - at `$.")
        message, field = must_in_msgspec(said), place.rstrip("`")
        raise EventError("data", f"{field}: {message}", [(field, "data", message)]) from error
    return event


def data_fault(event_type: str, data: str) -> str | None:
    """Why the contract refuses an event's data that have been on the log since before it did; None: it takes them.

    data: JSON, as an event that travels whole carries it.
    """
    try:
        TYPES[event_type].data.model_validate_json(data)
    except ValidationError as error:
        faults = [_fault(e["type"], ".".join(map(str, e["loc"])), e["msg"], e.get("ctx", {})) for e in error.errors()]
        return "; ".join(f"{field}: {message}" if field else message for field, _, message in faults[:5])
    return None


def _wrong_type(message: str) -> EventError:
    return EventError("envelope", f"type: {message}", [("type", "envelope", message)])


def not_json(error: Exception) -> str:
    """Why bytes are no JSON, in plain words. error: one of msgspec, or of reading them as UTF-8, or RecursionError."""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    said = str(error).removeprefix("JSON is malformed: ")
    return "it ends too early" if said == "Input data was truncated" else said


def _fault(kind: str, field: str, message: str, context: Mapping[str, Any]) -> tuple[str, str, str]:
    """(field, reason, message) of an error of pydantic."""
    if kind in ("greater_than_equal", "less_than_equal", "finite_number"):
        reason = "number"
    elif kind == "json_invalid":
        reason = "json"
    else:
        reason = "data" if field.startswith("data.") else "envelope"
    if kind == "value_error":
        said = message.removeprefix("Value error, ")
    elif kind == "json_invalid":
        said = message.replace("Invalid JSON:", "not JSON:")
    elif kind == "missing":
        said = "is missing"
    elif kind == "string_pattern_mismatch":
        said = "must be a day such as 2026-11-24"
    else:
        said = f"must {must(kind, context)}"
    return field, reason, said
