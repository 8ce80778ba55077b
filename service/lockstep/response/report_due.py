"""A report that is due and not written yet: a record of `lockstep.reports`, under `due/` and the report's id.

Under the id itself stands the report, once it is written.
"""

from typing import Literal

import msgspec

REPORTS = "lockstep.reports"
FORMAT = 1

Kind = Literal["daily", "weekly", "monthly", "hourly"]
KINDS: tuple[Kind, ...] = ("daily", "weekly", "monthly", "hourly")


class ReportDue(msgspec.Struct, frozen=True, kw_only=True):
    """id: the report's, `daily/2026-11-30`. due_at: when it was due. decided_at: when that was noticed. RFC 3339."""

    id: str
    kind: Kind
    due_at: str
    decided_at: str
    format: int = FORMAT


_DECODER = msgspec.json.Decoder(ReportDue)


def due_key(number: str) -> str:
    """The key of its record."""
    return f"due/{number}"


def decode_due(value: bytes) -> ReportDue:
    """The record. Raises msgspec.MsgspecError."""
    return _DECODER.decode(value)
