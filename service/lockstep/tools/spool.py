"""Events from the topics of a broker into files, one a partition: read only, and no member of any consumer group."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from lockstep.errors import SettingsError
from lockstep.event import Refused, structured
from lockstep.ports import Batch, Broker

Progress = Callable[[int, float], None]
"""Told how many events were read since the last call, and which part of all offsets is done."""


async def spool(
    broker: Broker, topics: Mapping[str, str], folder: Path, *, since: datetime | None, progress: Progress | None = None
) -> list[Path]:
    """Files of the events that the broker got at or after `since` (None: all that it keeps), as far as it has them now.

    topics: role → topic; one that does not exist is left out. Raises SettingsError when none does, BrokerError.
    """
    there = await broker.describe(topics.values())
    if not there:
        names = ", ".join(f"'{name}'" for name in topics.values())
        raise SettingsError(f"none of the topics {names} exists on this broker; see LOCKSTEP_TOPIC_ORDERS and the like")
    parts = [
        (name, partition, start, end)
        for name in there
        for partition, (start, end) in sorted((await broker.bounds(name)).items())
    ]
    total = sum(end - start for *_, start, end in parts) or 1
    oldest_ms = None if since is None else since.timestamp() * 1000
    done = 0
    files: list[Path] = []
    for number, (topic, partition, start, end) in enumerate(parts):
        files.append(folder / f"{number}.ndjson")
        at = start
        with files[-1].open("wb") as out:
            async for batch in broker.read(topic, partition, start, end):
                lines = _lines(batch, oldest_ms)
                out.writelines(lines)
                at = batch.next
                if progress is not None:
                    progress(len(lines), min(1.0, (done + at - start) / total))
        done += end - start
    return files


def _lines(batch: Batch, oldest_ms: float | None) -> list[bytes]:
    """One line an event; what cannot be one stays as it is, so that it is refused with its reason."""
    found: list[bytes] = []
    for i, value in enumerate(batch.values):
        if value is None or (oldest_ms is not None and batch.timestamps_ms[i] < oldest_ms):
            continue
        headers = None if batch.headers is None else batch.headers[i]
        whole = structured(value, headers) if headers else value
        if whole is None or isinstance(whole, Refused):
            whole = value
        found.append(whole.replace(b"\n", b" ") + b"\n")  # in JSON a line break is only ever space between things
    return found
