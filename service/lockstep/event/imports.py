"""Imported events: what a shop's files tell of the time before its service, on a topic of their own.

`lockstep.imports` has a partition for each role of an input topic. What is imported of a role is a run of records
there: a mark that the import begins, its events in the order of time, a mark that it has ended. To the judge the run is
one more source partition of the role, `IMPORTED`. While it lasts, the role's event time is that of the import alone,
and the service leaves the role's own topic unread; so what was imported and what comes live make one sequence, as if
all of it had been live.

What happened before the instant of the end mark is the past: its transitions are published as such, and nobody is told
of them. What still fires when event time gets there is told then.
"""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from lockstep.ports import Record
from lockstep.text.rfc3339 import SECOND, rfc3339

TOPIC = "lockstep.imports"
ROLES = ("orders", "traffic", "inventory", "plans")
"""Role of an input topic, at the number of its partition: stored, so the order never changes."""

IMPORTED = -1
"""The partition under which a role's imported events are told of in samples: no topic has one of this number."""

_BEGUN, _ENDED = "lockstep.import.begun", "lockstep.import.ended"
_HINT = b'"lockstep.import.'


@dataclass(frozen=True, slots=True)
class Mark:
    """Where an import begins or ends. at_us: when that was, microseconds."""

    has_ended: bool
    at_us: int


class _Envelope(msgspec.Struct):
    type: str
    time: datetime


_DECODER = msgspec.json.Decoder(_Envelope)


def mark_record(role: str, mark: Mark) -> Record:
    """The record that marks where an import of a role begins or ends: a CloudEvent of a type that no rule reads."""
    time = rfc3339(mark.at_us)
    name = _ENDED if mark.has_ended else _BEGUN
    value = {"specversion": "1.0", "id": f"{name} {time}", "source": "lockstep", "type": name, "time": time}
    return Record(TOPIC, msgspec.json.encode(value), partition=ROLES.index(role))


def mark_of(value: bytes | None) -> Mark | None:
    """The mark that a record is; None for every other record."""
    if value is None or _HINT not in value:
        return None
    try:
        envelope = _DECODER.decode(value)
    except msgspec.MsgspecError:
        return None
    if envelope.type not in (_BEGUN, _ENDED):
        return None
    return Mark(envelope.type == _ENDED, round(envelope.time.timestamp() * SECOND))
