"""Dead events: what could not be counted, with its reason, never silently dropped.

A record of `lockstep.dead-events` has the original bytes as its value and says the rest in headers, so that it can be
looked at, mended and sent again.
"""

from dataclasses import dataclass

from lockstep.ports import Headers, Record

TOPIC = "lockstep.dead-events"
FORMAT = b"1"


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """reason: one word, as metrics count it; detail: for people; value: the original bytes, None for a tombstone.

    For reason `late` the value is a JSON note of series, bucket and offsets, as a late event cannot be told apart
    from the sum that it came in; offset is then the last of these offsets.
    """

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    value: bytes | None


def dead_record(dead: DeadEvent) -> Record:
    """The same dead event always makes the same record and key: readers drop repeats."""
    headers: Headers = (
        ("format", FORMAT),
        ("topic", dead.topic.encode()),
        ("partition", str(dead.partition).encode()),
        ("offset", str(dead.offset).encode()),
        ("reason", dead.reason.encode()),
        ("detail", dead.detail[:1000].encode("utf-8", "replace")),
    )
    key = f"{dead.topic}/{dead.partition}/{dead.offset}/{dead.reason}".encode()
    return Record(topic=TOPIC, value=dead.value, key=key, partition=0, headers=headers)


def parse_dead(value: bytes | None, headers: Headers | None) -> DeadEvent:
    """The dead event in a record. Raises KeyError or ValueError for one that we did not write."""
    fields = dict(headers or ())
    if fields["format"] != FORMAT:
        raise ValueError(f"unknown format of a dead event: {fields['format']!r}")
    return DeadEvent(
        topic=fields["topic"].decode(),
        partition=int(fields["partition"]),
        offset=int(fields["offset"]),
        reason=fields["reason"].decode(),
        detail=fields["detail"].decode(),
        value=value,
    )
