"""Our own doors: bodies and files of CloudEvents become records of the input topics, or are refused with the reason."""

import gzip
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from lockstep.errors import EventError
from lockstep.event import TYPES, parse_event
from lockstep.ports import Broker, Record

AT_ONCE = 2_000
MOST_FAULTS = 100

CONTENT_TYPES = ("application/json", "application/cloudevents+json", "application/cloudevents-batch+json")


class BadEvents(EventError):
    """faults: element, field, reason and message of each. wrong_type: the content type is not one of ours."""

    def __init__(self, faults: Sequence[Mapping[str, Any]], *, wrong_type: bool = False) -> None:
        super().__init__("data", "; ".join(str(f["message"]) for f in faults[:3]))
        self.faults = list(faults)
        self.wrong_type = wrong_type


def _fault(element: int, error: EventError) -> dict[str, Any]:
    place, _, _ = error.detail.partition(": ")
    named = place if error.reason in ("data", "number", "envelope") and " " not in place else ""
    return {"element": element, "field": named, "reason": error.reason, "message": error.detail}


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
    if "ce-type" in headers:
        envelope = {k.removeprefix("ce-"): v for k, v in headers.items() if k.startswith("ce-")}
        try:
            data = msgspec.json.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BadEvents([_fault(0, EventError("json", f"data: {error}"))]) from error
        return _all([msgspec.json.encode({**envelope, "data": data})], topics)
    content_type = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if content_type not in CONTENT_TYPES:
        fault = {"element": 0, "field": "", "reason": "envelope", "message": f"send one of {', '.join(CONTENT_TYPES)}"}
        raise BadEvents([fault], wrong_type=True)
    if not raw.lstrip().startswith(b"["):
        return _all([raw], topics)
    try:
        elements = msgspec.json.decode(raw, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadEvents([_fault(0, EventError("json", f"not a JSON array: {error}"))]) from error
    return _all([bytes(e) for e in elements], topics)


def _all(values: Sequence[bytes], topics: Mapping[str, str]) -> list[Record]:
    records, faults = [], []
    for element, value in enumerate(values):
        try:
            records.append(record_of(value, topics))
        except EventError as error:
            faults.append(_fault(element, error))
    if faults:
        raise BadEvents(faults[:MOST_FAULTS])
    return records


@dataclass
class SendReport:
    """faults: `file:line: reason` of the events that were refused."""

    sent: int = 0
    faults: list[str] = field(default_factory=list)


def _open(path: Path) -> BinaryIO:
    if str(path) == "-":
        return sys.stdin.buffer
    try:
        return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value] # GzipFile reads like one
    except OSError as error:
        raise EventError("file", f"{path}: {error.strerror}; name a file of CloudEvents") from error


def _values(path: Path) -> Iterator[tuple[int, bytes]]:
    """(line, event) of a file: one event a line, or one JSON array."""
    with _open(path) as stream:
        first = stream.readline()
        if first.lstrip().startswith(b"["):
            try:
                for i, element in enumerate(msgspec.json.decode(first + stream.read(), type=list[msgspec.Raw])):
                    yield i + 1, bytes(element)
            except msgspec.MsgspecError as error:
                raise EventError("json", f"{path}: not a JSON array: {error}") from error
            return
        number = 1
        line = first
        while line:
            if line.strip():
                yield number, line.strip()
            line = stream.readline()
            number += 1


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

    async def publish() -> None:
        if waiting:
            await broker.publish(waiting)
            report.sent += len(waiting)
            if progress is not None:
                progress(len(waiting))
            waiting.clear()

    for path in paths:
        for line, value in _values(path):
            try:
                waiting.append(record_of(value, topics))
            except EventError as error:
                report.faults.append(f"{path}:{line}: {error.reason}: {error.detail}")
                if not skip_bad:
                    await publish()
                    return report
            if len(waiting) >= AT_ONCE:
                await publish()
    await publish()
    return report
