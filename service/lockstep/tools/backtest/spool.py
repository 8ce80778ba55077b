"""Events from the topics of a broker into files, one a partition: read only, and no member of any consumer group."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from lockstep.errors import SettingsError
from lockstep.event import Refused, structured
from lockstep.ports import Batch, Broker

Progress = Callable[[int, float], None]
"""Told how many events were read since the last call, and which part of all offsets is done."""

AHEAD = timedelta(hours=1)
"""A broker gets an event when it has happened, or this much earlier where the sender's clock is ahead."""


@dataclass(frozen=True)
class Spooled:
    """files: one a partition. events: how many happened since then, the other lines are history. missing: role → topic
    of those that do not exist."""

    files: list[Path]
    events: int
    missing: Mapping[str, str]


async def spool(
    broker: Broker,
    topics: Mapping[str, str],
    folder: Path,
    *,
    since: datetime | None,
    history: timedelta = timedelta(0),
    progress: Progress | None = None,
) -> Spooled:
    """The events that happened at or after `since` (None: all that the broker keeps), as far as it has them now.

    history: those that happened so long before that, too; they are none of the events that there must be.
    topics: role → topic. Raises SettingsError when none exists or there is nothing to replay, BrokerError.
    """
    there = await broker.describe(topics.values())
    names = ", ".join(f"'{name}'" for name in topics.values())
    if not there:
        raise SettingsError(f"none of the topics {names} exists on this broker; see LOCKSTEP_TOPIC_ORDERS and the like")
    parts = []
    oldest = None if since is None else since - history
    for name, info in there.items():
        # Only the broker's own times say from where on to read; what a producer wrote may be any time at all.
        begins = {} if oldest is None or not info.append_time else await broker.positions_at(name, oldest - AHEAD)
        for partition, (start, end) in sorted((await broker.bounds(name)).items()):
            parts.append((name, partition, max(start, begins.get(partition, start)), end))
    total = sum(end - start for *_, start, end in parts) or 1
    done = events = 0
    files: list[Path] = []
    for number, (topic, partition, start, end) in enumerate(parts):
        files.append(folder / f"{number}.ndjson")
        at = start
        with files[-1].open("wb") as out:
            async for batch in broker.read(topic, partition, start, end):
                lines, recent = _lines(batch, oldest, since)
                out.writelines(lines)
                at, events = batch.next, events + recent
                if progress is not None:
                    progress(len(lines), min(1.0, (done + at - start) / total))
        done += end - start
    if not events:
        there_names = ", ".join(f"'{name}'" for name in there)
        raise SettingsError(
            f"the topics {there_names} hold no events"
            + ("" if since is None else f" since {since:%Y-%m-%d %H:%M} UTC; give --since more time, or leave it out")
        )
    return Spooled(files, events, {role: name for role, name in topics.items() if name not in there})


class _When(msgspec.Struct):
    time: Annotated[datetime, msgspec.Meta(tz=True)]


_when = msgspec.json.Decoder(_When)


def _lines(batch: Batch, oldest: datetime | None, since: datetime | None) -> tuple[list[bytes], int]:
    """(one line an event, how many of them happened since then); what cannot be an event stays as it is, so that it is
    refused with its reason."""
    lines: list[bytes] = []
    recent = 0
    for i, value in enumerate(batch.values):
        if value is None:
            continue
        headers = None if batch.headers is None else batch.headers[i]
        whole = structured(value, headers) if headers else value
        if whole is None or isinstance(whole, Refused):
            whole = value
        if oldest is not None and since is not None:
            time = _time_of(whole, batch.timestamps_ms[i])
            if time < oldest:
                continue
            recent += time >= since
        lines.append(whole.replace(b"\n", b" ") + b"\n")  # in JSON a line break is only ever space between things
    return lines, len(lines) if since is None else recent


def _time_of(value: bytes, got_ms: int) -> datetime:
    """The event's own time, by which everything is judged; what says none counts from when the broker got it."""
    try:
        return _when.decode(value).time
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return datetime.fromtimestamp(got_ms / 1000, UTC)
