"""Kafka's binary mode of CloudEvents: headers `ce_…` and the data alone as the value."""

import msgspec

from lockstep.event.structs import Refused
from lockstep.ports import Headers


class _Object(msgspec.Struct):
    """Any JSON object."""


_OBJECT = msgspec.json.Decoder(_Object)


def _says_structured(name: str, value: bytes | None) -> bool:
    return name.lower() == "content-type" and (value or b"").strip().lower().startswith(b"application/cloudevents")


def structured(value: bytes | None, headers: Headers) -> bytes | Refused | None:
    """A record in Kafka's binary mode (`ce_` headers, data as the value) as one structured event.

    One that says that it is structured is, whatever headers stand beside it: the bindings of CloudEvents ask for the
    content type first.
    """
    fields = {
        k[3:]: v for k, v in headers if k.startswith("ce_") and v is not None
    }  # Kafka knows headers without value
    if "type" not in fields or value is None or any(_says_structured(k, v) for k, v in headers):
        return value
    try:
        envelope = {name: text.decode() for name, text in fields.items() if name != "data"}
        _OBJECT.decode(value)
    except UnicodeDecodeError as error:
        return Refused("envelope", f"headers: {error}")
    except msgspec.ValidationError as error:
        return Refused("data", f"data: {error}")
    except (msgspec.DecodeError, RecursionError) as error:
        return Refused("json", f"data: {error}")
    return msgspec.json.encode(envelope)[:-1] + b',"data":' + value + b"}"
