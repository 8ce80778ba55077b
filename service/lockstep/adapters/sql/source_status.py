"""Whether a source answers: told on `lockstep.sources`, so that every worker and the command line know it."""

from collections.abc import Mapping

import msgspec

from lockstep.ports import Broker, Record

TOPIC = "lockstep.sources"
"""One partition, compacted. Key: the source's name; value: what is newest of it."""
FORMAT = 1


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """at: when this was so, RFC 3339. answered_at: when it answered last; None: never since this worker asks it.

    cursor: where it was read to, as the database has it; "" before its first row. events, refused: since this worker
    asks it, and since it was first asked. why: it fails; "" where it does not. since: since when it fails.
    """

    at: str
    answered_at: str | None = None
    cursor: str = ""
    events: int = 0
    refused: int = 0
    why: str = ""
    since: str | None = None
    format: int = FORMAT

    @property
    def is_failing(self) -> bool:
        return bool(self.why)


def status_record(name: str, status: SourceStatus) -> Record:
    """What is newest of a source."""
    return Record(TOPIC, msgspec.json.encode(status), name.encode())


async def statuses(broker: Broker) -> Mapping[str, SourceStatus]:
    """The newest status of each source that was ever asked. Raises BrokerError."""
    newest: dict[str, SourceStatus] = {}
    if not await broker.describe([TOPIC]):
        return newest
    start, end = (await broker.bounds(TOPIC))[0]
    async for batch in broker.read(TOPIC, 0, start, end):
        for key, value in zip(batch.keys, batch.values, strict=True):
            if key is not None and value is not None:
                newest[key.decode(errors="replace")] = msgspec.json.decode(value, type=SourceStatus)
    return newest
