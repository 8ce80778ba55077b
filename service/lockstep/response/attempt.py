"""What became of attempts to deliver: records of `lockstep.attempts`, written beside the work and not part of it.

A worker that dies may have made an attempt that is not here; what is here was made.
"""

from typing import Literal

import msgspec

ATTEMPTS = "lockstep.attempts"
FORMAT = 1


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try of one delivery.

    delivery_id: of which. number: 1 for the first. at: when it had ended, RFC 3339 in UTC. outcome: whether it arrived.
    error: what its destination said, or why it did not get there; "" where it arrived.
    """

    delivery_id: str
    number: int
    at: str
    outcome: Literal["sent", "failed"]
    error: str = ""
    format: int = FORMAT


_DECODER = msgspec.json.Decoder(Attempt)


def decode_attempt(value: bytes) -> Attempt:
    """The attempt in a record of `lockstep.attempts`. Raises msgspec.MsgspecError."""
    return _DECODER.decode(value)
