"""The bytes of stored state."""

from typing import Any

import msgspec

from lockstep.errors import StateError

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder().decode


def pack(state: Any) -> bytes:
    return _ENCODE(state)


def unpack(value: bytes) -> Any:
    """Raises StateError for bytes that are no state of ours."""
    try:
        return _DECODE(value)
    except msgspec.MsgspecError as error:
        raise StateError(f"stored state cannot be read: {error}") from error
