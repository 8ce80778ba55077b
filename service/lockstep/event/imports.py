"""Imported events: what a shop's files tell of the time before its service, on a topic of their own.

`lockstep.imports` has a partition for each role of an input topic. What is imported of a role is a run of records
there: a mark that the import begins, its events in the order of time, a mark that it has ended. To the judge the run is
one more source partition of the role, `IMPORTED`. While it lasts, the role's event time is that of the import alone,
and the service leaves the role's own topic unread; so what was imported and what comes live make one sequence, as if
all of it had been live.

Whether a past may still come is decided by the order of two further marks in the same partition. Who imports asks first
(`ASKED`); a service says that it reads the role before it judges its first event, live or imported (`SERVED`). What
was said first counts: behind `SERVED` no import begins, one that is open may go on, and one that was asked for before
makes live events wait.

What happened before the instant of the end mark is the past: its transitions are published as such, and nobody is told
of them. What still fires when event time gets there is told then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never

import msgspec

from lockstep.ports import Record
from lockstep.text.rfc3339 import SECOND, rfc3339

TOPIC = "lockstep.imports"
ROLES = ("orders", "traffic", "inventory", "plans")
"""Role of an input topic, at the number of its partition: stored, so the order never changes."""

IMPORTED = -1
"""The partition under which a role's imported events are told of in samples: no topic has one of this number."""


class MarkKind(StrEnum):
    """What a mark says, by the type of its record: stored, so these never change."""

    ASKED = "lockstep.import.asked"
    BEGUN = "lockstep.import.begun"
    ENDED = "lockstep.import.ended"
    SERVED = "lockstep.import.served"


_HINT = b'"lockstep.import.'


@dataclass(frozen=True, slots=True)
class Mark:
    """A record of an import that is no event. at_us: when it was written, microseconds."""

    kind: MarkKind
    at_us: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How the imports of a role stand after some of its records.

    is_open: an import was asked for in time, or has begun, and has not ended: live events wait for it.
    has_begun: it has begun. is_served: a service reads the role, so no other import of it begins.
    """

    is_open: bool = False
    has_begun: bool = False
    is_served: bool = False

    def after(self, record: Mark | None) -> "Standing":
        """After one more record. None: an event."""
        if record is None:
            return replace(self, is_open=True, has_begun=True)
        match record.kind:
            case MarkKind.ASKED:
                return replace(self, is_open=self.is_open or not self.is_served)
            case MarkKind.BEGUN:
                # It is written where asking was in time, and always was where nobody asked: before there was a mark.
                return replace(self, is_open=True, has_begun=True)
            case MarkKind.ENDED:
                return replace(self, is_open=False, has_begun=False)
            case MarkKind.SERVED:
                return replace(self, is_served=True)
        assert_never(record.kind)


@dataclass(frozen=True, slots=True)
class OpenImport:
    """An import that has not ended.

    topic: of the live events that wait for it, waiting: how many these are. written_at: when its last record came.
    reached: the time of its last event; None where it has none yet.
    """

    role: str
    topic: str
    waiting: int
    written_at: datetime
    reached: datetime | None


class _Envelope(msgspec.Struct):
    type: str
    time: datetime


_DECODER = msgspec.json.Decoder(_Envelope)


def mark_record(role: str, mark: Mark) -> Record:
    """The record of a mark: a CloudEvent of a type that no rule reads."""
    time = rfc3339(mark.at_us)
    value = {
        "specversion": "1.0",
        "id": f"{mark.kind} {time}",
        "source": "lockstep",
        "type": str(mark.kind),
        "time": time,
    }
    return Record(TOPIC, msgspec.json.encode(value), partition=ROLES.index(role))


def last_border(offsets: Sequence[int], values: Sequence[bytes | None], *, ends_from: int) -> Mark | None:
    """The last begin or end mark among records that counts; None where there is none.

    ends_from: offset before which end marks do not count, because another import followed before anybody read them.
    """
    for offset, value in zip(reversed(offsets), reversed(values), strict=True):
        mark = mark_of(value)
        if mark is None:
            continue
        if mark.kind is MarkKind.BEGUN or (mark.kind is MarkKind.ENDED and offset >= ends_from):
            return mark
    return None


def mark_of(value: bytes | None) -> Mark | None:
    """The mark that a record is; None for every other record."""
    if value is None or _HINT not in value:
        return None
    try:
        envelope = _DECODER.decode(value)
        kind = MarkKind(envelope.type)
    except (msgspec.MsgspecError, ValueError):
        return None
    return Mark(kind, round(envelope.time.timestamp() * SECOND))
