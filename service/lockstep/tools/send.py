"""Our own doors: bodies and files of CloudEvents become records of the input topics, or are refused with the reason."""

import sys
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

import msgspec

from lockstep.adapters.ingest.event_text import EventText, events_in
from lockstep.adapters.ingest.receipts import Outcome, Receipt, Receipts, unknown_type
from lockstep.errors import EventError, LockstepError
from lockstep.event import LARGEST_EVENT, TYPES, YEARS, Refused, foreign_type, parse_event, structured
from lockstep.ports import Record

AT_ONCE = 2_000
BYTES_AT_ONCE = 8 << 20
MOST_FAULTS = 100
MOST_PLACES = 3

CONTENT_TYPES = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/x-ndjson",
)


class _Timed(msgspec.Struct):
    time: Annotated[datetime, msgspec.Meta(tz=True)]


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

    Keyed by subject, so that what is about one thing stays in order; a stock level without one by its sku, as levels
    are judged in the order of their partition; anything else by id, so that a repeat meets the first one.
    """
    foreign = foreign_type(value)
    if foreign is not None:
        return unknown_type(foreign)
    event: Any = parse_event(value)
    kind = TYPES[event.type]
    key = event.subject or (event.data.sku if event.type == "stock.level" else event.id)
    return Record(topics[kind.role], value, key.encode())


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


@dataclass
class SendReport:
    """sent: events that the broker took. faults: `file:line: reason: field: what is wrong` of those that were refused.

    outcomes: what became of all others. places: where they stood, the first MOST_PLACES of each outcome; details: the
    first reason of each.
    """

    sent: int = 0
    faults: list[str] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    places: dict[Outcome, list[str]] = field(default_factory=dict)
    details: dict[Outcome, str] = field(default_factory=dict)

    def add(self, place: str, receipt: Receipt) -> None:
        self.outcomes[receipt.outcome] += 1
        places = self.places.setdefault(receipt.outcome, [])
        if len(places) < MOST_PLACES:
            places.append(place)
        self.details.setdefault(receipt.outcome, receipt.detail)


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


def shifted(values: Sequence[bytes], *, now: datetime) -> list[bytes]:
    """The events with their times moved together, so that the newest happened now; one without a time stays."""
    times = [_time_of(value) for value in values]
    newest = max((t for t in times if t is not None), default=now)
    return [v if t is None else _at(v, t + (now - newest)) for v, t in zip(values, times, strict=True)]


def _time_of(value: bytes) -> datetime | None:
    try:
        time = msgspec.json.decode(value, type=_Timed).time
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return time if YEARS[0] <= time.year <= YEARS[1] else None


def _at(value: bytes, time: datetime) -> bytes:
    fields = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    fields["time"] = msgspec.Raw(msgspec.json.encode(time))
    return msgspec.json.encode(fields)


async def send_files(
    paths: Sequence[Path],
    receipts: Receipts,
    topics: Mapping[str, str],
    *,
    progress: Callable[[int], None] | None = None,
    skip_bad: bool = False,
    now: datetime | None = None,
) -> SendReport:
    """Publish the events of files (`-`: standard input, `.gz` too). Stops at the first bad one unless skip_bad.

    now: move their times, so that the newest of all happened then; they are read whole before the first is sent.
    """
    report = SendReport()
    waiting: list[tuple[str, Record | Receipt]] = []
    size = 0

    async def publish() -> None:
        if waiting:
            for (place, event), receipt in zip(waiting, await receipts.publish([e for _, e in waiting]), strict=True):
                report.sent += isinstance(event, Record)
                report.add(place, receipt)
            if progress is not None:
                progress(len(waiting))
            waiting.clear()

    found: Iterable[tuple[str, bytes]] = chain.from_iterable(map(_values, paths))
    if now is not None:
        read = list(found)
        moved = shifted([value for _, value in read], now=now)
        found = [(place, value) for (place, _), value in zip(read, moved, strict=True)]
    for place, value in found:
        try:
            waiting.append((place, record_of(value, topics)))
            size += len(value)
        except EventError as error:
            report.faults.append(f"{place}: {error.reason}: {error.detail}")
            if not skip_bad:
                break
        if len(waiting) >= AT_ONCE or size >= BYTES_AT_ONCE:
            await publish()
            size = 0
    await publish()
    return report
