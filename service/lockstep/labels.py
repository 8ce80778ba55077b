"""Labels: the names and values of a group, and what identifies it."""

import hashlib
from collections.abc import Sequence
from zlib import crc32

NONE = "none"
"""The value of a label that an event does not carry."""

SEPARATOR = "\x1f"

_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_TWO_DIGITS = tuple(first + second for first in _DIGITS for second in _DIGITS)
"""Of base32 (RFC 4648), for each ten bits; `base64.b32encode` takes three times as long."""


def partition_of(values: Sequence[str], partitions: int) -> int:
    """Where a group lives among `partitions`: by its label values alone, so that all measures of a group meet."""
    return crc32(SEPARATOR.join(values).encode("utf-8", "surrogatepass")) % partitions


def stable_id(*parts: object) -> str:
    """A short id that is the same in every process and run for the same parts.

    parts: strings, numbers or None, in a fixed order. Returns 26 lower-case base32 characters (128 bits of SHA-256).
    """
    text = "\x1e".join("" if part is None else str(part) for part in parts)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    bits = int.from_bytes(digest[:16], "big") << 2  # 130 of them: 26 digits
    return "".join([_TWO_DIGITS[bits >> shift & 1023] for shift in range(120, -10, -10)])
