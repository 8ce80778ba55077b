"""Bodies of CloudEvents become records of the input topics, or are refused with the reason of each fault."""

from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from lockstep.adapters.ingest.event_text import events_in
from lockstep.adapters.ingest.receipts import Receipt, unknown_type
from lockstep.errors import EventError, LockstepError
from lockstep.event import LARGEST_EVENT, TYPES, Refused, foreign_type, parse_event, role_of, structured
from lockstep.ports import Record

MOST_FAULTS = 100

CONTENT_TYPES = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/x-ndjson",
)


class BadEvents(LockstepError):
    """faults: element, field, reason and message of each. wrong_type: the content type is not one of ours."""

    def __init__(self, faults: Sequence[Mapping[str, Any]], *, wrong_type: bool = False) -> None:
        said = faults[0]["message"] if wrong_type else "; ".join(map(_in_words, faults[:3]))
        super().__init__(said + (f"; and {len(faults) - 3} more" if len(faults) > 3 else ""))
        self.faults = list(faults)
        self.wrong_type = wrong_type


def _in_words(fault: Mapping[str, Any]) -> str:
    field = f"{fault['field']}: " if fault["field"] else ""
    return f"element {fault['element']}: {field}{fault['message']}"


def _faults(element: int, error: EventError) -> list[dict[str, Any]]:
    return [
        {"element": element, "field": field, "reason": reason, "message": message}
        for field, reason, message in error.faults
    ]


def record_of(value: bytes, topics: Mapping[str, str]) -> Record | Receipt:
    """The record of one event; the receipt of one whose type is not ours, which is ignored. Raises EventError.

    Keyed by subject, so that what is about one thing stays in order; a level (stock, a price) without one by its sku,
    as levels are judged in the order of their partition; anything else by id, so that a repeat meets the first one.
    """
    foreign = foreign_type(value)
    if foreign is not None:
        return unknown_type(foreign)
    event: Any = parse_event(value)
    kind = TYPES[event.type]
    key = event.subject or (event.id if kind.level is None else getattr(event.data, kind.identity[0]))
    return Record(topics[role_of(event.type, event.data)], value, key.encode())


def to_records(raw: bytes, headers: Mapping[str, str], topics: Mapping[str, str]) -> list[Record | Receipt]:
    """The events of an HTTP body: what a file of events may be, or binary mode (`ce-` headers). Raises BadEvents."""
    content_type = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    is_structured = content_type.startswith("application/cloudevents")
    if "ce-type" in headers and not is_structured and content_type.endswith(("/json", "+json")):
        # HTTP headers hold ASCII: what is more is percent-encoded, as the binding of CloudEvents says.
        attributes = tuple(
            (f"ce_{name.removeprefix('ce-')}", unquote_to_bytes(value.encode("utf-8", "surrogateescape")))
            for name, value in headers.items()
            if name.startswith("ce-")
        )
        event = structured(raw.removeprefix(BOM_UTF8), attributes)
        if isinstance(event, Refused):
            raise BadEvents(_faults(0, EventError(event.reason, event.detail)))
        return _all([event or b""], topics)
    if content_type not in CONTENT_TYPES:
        fault = {"element": 0, "field": "", "reason": "envelope", "message": f"send one of {', '.join(CONTENT_TYPES)}"}
        raise BadEvents([fault], wrong_type=True)
    try:
        values = events_in(raw, largest=LARGEST_EVENT)
    except EventError as error:
        raise BadEvents(_faults(0, error)) from error
    return _all(values, topics)


def _all(values: Sequence[bytes], topics: Mapping[str, str]) -> list[Record | Receipt]:
    records: list[Record | Receipt] = []
    faults: list[dict[str, Any]] = []
    for element, value in enumerate(values):
        try:
            records.append(record_of(value, topics))
        except EventError as error:
            faults += _faults(element, error)
    if faults:
        raise BadEvents(faults[:MOST_FAULTS])
    return records
