"""Our own doors: bodies and files of CloudEvents become records of the input topics, or are refused with the reason."""

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes

import msgspec

from lockstep.errors import EventError, LockstepError
from lockstep.event import TYPES, Refused, parse_event, structured
from lockstep.ports import Broker, Record

AT_ONCE = 2_000
BYTES_AT_ONCE = 8 << 20
MOST_FAULTS = 100
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Some editors and exports begin a text with it."""

CONTENT_TYPES = ("application/json", "application/cloudevents+json", "application/cloudevents-batch+json")


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
    """The records of an HTTP body: structured, batch, or binary mode with `ce-` headers. Raises BadEvents."""
    raw = raw.removeprefix(BYTE_ORDER_MARK)
    content_type = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    is_structured = content_type.startswith("application/cloudevents")
    if "ce-type" in headers and not is_structured and content_type.endswith(("/json", "+json")):
        # HTTP headers hold ASCII: what is more is percent-encoded, as the binding of CloudEvents says.
        attributes = tuple(
            (f"ce_{name.removeprefix('ce-')}", unquote_to_bytes(value.encode("utf-8", "surrogateescape")))
            for name, value in headers.items()
            if name.startswith("ce-")
        )
        event = structured(raw, attributes)
        if isinstance(event, Refused):
            raise BadEvents(_faults(0, EventError(event.reason, event.detail)))
        return _all([event or b""], topics)
    if content_type not in CONTENT_TYPES:
        fault = {"element": 0, "field": "", "reason": "envelope", "message": f"send one of {', '.join(CONTENT_TYPES)}"}
        raise BadEvents([fault], wrong_type=True)
    if not raw.lstrip().startswith(b"["):
        return _all([raw], topics)
    try:
        elements = msgspec.json.decode(raw, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadEvents(_faults(0, EventError("json", f"not a JSON array: {error}"))) from error
    return _all([bytes(e) for e in elements], topics)


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


def _open(path: Path) -> BinaryIO:
    if str(path) == "-":
        return sys.stdin.buffer
    try:
        return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value] # GzipFile reads like one
    except OSError as error:
        raise EventError("file", f"{path}: {error.strerror}; name a file of CloudEvents") from error


def _values(path: Path) -> Iterator[tuple[str, bytes]]:
    """(`file:line`, event) of a file: one event a line, or one JSON array (`file: element 1`). Raises EventError."""
    try:
        with _open(path) as stream:
            for number, line in enumerate(stream, 1):
                text = (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).strip()
                if number == 1 and text.startswith(b"["):
                    for i, element in enumerate(msgspec.json.decode(text + stream.read(), type=list[msgspec.Raw]), 1):
                        yield f"{path}: element {i}", bytes(element)
                elif text:
                    yield f"{path}:{number}", text
    except (msgspec.MsgspecError, RecursionError) as error:
        raise EventError("json", f"{path}: not a JSON array: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise EventError("file", f"{path}: cannot be read to its end: {error}") from error


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
