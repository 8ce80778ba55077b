"""`lockstep send FILE`: the events of files are published, and what became of each is said."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Annotated

import msgspec

from lockstep.adapters.ingest.event_text import EventText
from lockstep.adapters.ingest.receipts import Outcome, Receipt, Receipts
from lockstep.adapters.ingest.records import record_of
from lockstep.errors import EventError
from lockstep.event import YEARS
from lockstep.ports import Record

AT_ONCE = 2_000
BYTES_AT_ONCE = 8 << 20
MOST_PLACES = 3


class _Timed(msgspec.Struct):
    time: Annotated[datetime, msgspec.Meta(tz=True)]


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

    receipts: publishes and says what became of each. topics: role → topic. progress: told how many were sent since the
    last call. now: move their times, so that the newest of all happened then; they are read whole before the first is
    sent.
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

    items: Iterable[tuple[str, bytes]] = chain.from_iterable(map(_values, paths))
    if now is not None:
        read = list(items)
        moved = shifted([value for _, value in read], now=now)
        items = [(place, value) for (place, _), value in zip(read, moved, strict=True)]
    for place, value in items:
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
