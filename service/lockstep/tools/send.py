"""Our own doors: bodies and files of CloudEvents become records of the input topics, or are refused with the reason."""

import sys
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from lockstep.errors import EventError, LockstepError
from lockstep.event import LARGEST_EVENT, TYPES, Refused, parse_event, structured
from lockstep.ports import Broker, Record
from lockstep.tools.event_text import EventText, events_in

AT_ONCE = 2_000
BYTES_AT_ONCE = 8 << 20
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
        super().__init__("; ".join(f"element {f['element']}: {f['field']}: {f['message']}" for f in faults[:3]))
        self.faults = list(faults)
        self.wrong_type = wrong_type


def _faults(element: int, error: EventError) -> list[dict[str, Any]]:
    return [
        {"element": element, "field": field, "reason": reason, "message": message}
        for field, reason, message in error.faults
    ]


def record_of(value: bytes, topics: Mapping[str, str]) -> Record:
    """The record of one event. Raises EventError.

    Keyed by subject, so that what is about one thing stays in order; a stock level without one by its sku, as levels
    are judged in the order of their partition; anything else by id, so that a repeat meets the first one.
    """
    event: Any = parse_event(value)
    kind = TYPES[event.type]
    key = event.subject or (event.data.sku if event.type == "stock.level" else event.id)
    return Record(topics[kind.role], value, key.encode())


def to_records(raw: bytes, headers: Mapping[str, str], topics: Mapping[str, str]) -> list[Record]:
    """The records of an HTTP body: what a file of events may be, or binary mode (`ce-` headers). Raises BadEvents."""
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


def _all(values: Sequence[bytes], topics: Mapping[str, str]) -> list[Record]:
    records: list[Record] = []
    faults: list[dict[str, Any]] = []
    for element, value in enumerate(values):
        try:
            records.append(record_of(value, topics))
        except EventError as error:
            faults += _faults(element, error)
    if faults:
        raise BadEvents(faults[:MOST_FAULTS])
    return records


@dataclass
class SendReport:
    """faults: `file:line: reason: field: what is wrong` of the events that were refused."""

    sent: int = 0
    faults: list[str] = field(default_factory=list)


def _values(path: Path) -> Iterator[tuple[str, bytes]]:
    """(place, event) of a file. Raises EventError."""
    try:
        stream = sys.stdin.buffer if str(path) == "-" else path.open("rb")
    except OSError as error:
        raise EventError("file", f"{path}: {error.strerror}; name a file of CloudEvents") from error
    with stream:
        text = EventText(stream, str(path))
        for numbers, values in text.portions(AT_ONCE):
            yield from zip(map(text.place, numbers), values, strict=True)


async def send_files(
    paths: Sequence[Path],
    broker: Broker,
    topics: Mapping[str, str],
    *,
    progress: Callable[[int], None] | None = None,
    skip_bad: bool = False,
) -> SendReport:
    """Publish the events of files (`-`: standard input, `.gz` too). Stops at the first bad one unless skip_bad."""
    report = SendReport()
    waiting: list[Record] = []
    size = 0

    async def publish() -> None:
        if waiting:
            await broker.publish(waiting)
            report.sent += len(waiting)
            if progress is not None:
                progress(len(waiting))
            waiting.clear()

    for path in paths:
        for place, value in _values(path):
            try:
                waiting.append(record_of(value, topics))
                size += len(value)
            except EventError as error:
                report.faults.append(f"{place}: {error.reason}: {error.detail}")
                if not skip_bad:
                    await publish()
                    return report
            if len(waiting) >= AT_ONCE or size >= BYTES_AT_ONCE:
                await publish()
                size = 0
    await publish()
    return report
