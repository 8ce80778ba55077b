"""What the core asks of the world, and the plain values that cross the border.

A stage is pure: it takes batches and the time, and returns what to publish. Adapters own brokers, sockets and clocks.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from lockstep.notification import Body, Item, Picture

Body_co = TypeVar("Body_co", bound=Body, covariant=True)
Body_contra = TypeVar("Body_contra", bound=Body, contravariant=True)

Headers = tuple[tuple[str, bytes], ...]


class Batch(msgspec.Struct, frozen=True):
    """A run of records of one partition, in offset order.

    offsets may have holes (aborted transactions, control records), never repeats.
    timestamps_ms: when the broker got each record, Unix milliseconds.
    previous: the offset handed out before this batch in this assignment (start position - 1 for the first), so that
    a reader sees a gap; a batch that does not follow what was applied must not be applied.
    next: the position after this batch: last offset + 1 or more (control records behind the last one).
    keys: empty where a stage is fed, because none reads them. headers: None when no record has any.
    append_time: whether timestamps_ms are the broker's own (LogAppendTime) and not the producer's.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    values: Sequence[bytes | None]
    keys: Sequence[bytes | None]
    timestamps_ms: Sequence[int]
    previous: int
    next: int
    headers: Sequence[Headers] | None = None
    append_time: bool = True

    def __len__(self) -> int:
        return len(self.values)

    def part(self, begin: int, end: int) -> "Batch":
        """The records begin <= i < end as a batch of their own, which follows the part before it.

        The last part leads to where the whole batch does.
        """
        return Batch(
            topic=self.topic,
            partition=self.partition,
            offsets=self.offsets[begin:end],
            values=self.values[begin:end],
            keys=self.keys[begin:end],
            timestamps_ms=self.timestamps_ms[begin:end],
            previous=self.offsets[begin - 1] if begin else self.previous,
            next=self.offsets[end - 1] + 1 if end < len(self.values) else self.next,
            headers=None if self.headers is None else self.headers[begin:end],
            append_time=self.append_time,
        )


class Record(msgspec.Struct, frozen=True):
    """One record to publish. partition: None lets the broker's key partitioner choose."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    headers: Headers = ()


@dataclass(slots=True)
class Cut:
    """What a stage has decided since its last cut: becomes visible with the input position, together or not at all.

    records: to publish, in order. entries: changed state, key → value (None deletes).
    """

    records: list[Record] = field(default_factory=list)
    entries: dict[bytes, bytes | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.records or self.entries)


class Stage(Protocol):
    """The pure state machine behind one owned partition: judge, notify, deliver. Lives for one assignment."""

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back every entry that earlier cuts stored. Called once, before anything else."""

    def feed(self, batch: Batch) -> None:
        """Fold a batch in. Raises nothing for a bad record: it is dead-lettered through the cut."""

    def tick(self, now: datetime) -> None:
        """Time passes (aware, UTC). The judge ignores it; notify closes groups, deliver makes attempts due."""

    def cut(self) -> Cut:
        """Hand over what changed since the last call, serialised, and forget it. No await happens in between."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it must exist. retention_s: None keeps for ever (compacted topics)."""

    name: str
    partitions: int
    compacted: bool = False
    retention_s: int | None = None


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """A topic as it is. id changes when the topic is deleted and made again under its name."""

    name: str
    id: str
    partitions: int
    compacted: bool
    append_time: bool
    retention_s: int | None


Positions = Mapping[tuple[str, int], int]
"""(topic, partition) → next offset to read."""


def state_topic(stage: str) -> str:
    """Where a stage's state lives on a broker that keeps it in a topic: published, so it never changes."""
    return f"lockstep.{stage}-state"


class Ownership(Protocol):
    """One stage's partition, owned by this worker alone, with its state and input positions.

    Opening it fences every earlier owner and ends or aborts what it left open.
    """

    async def recover(self) -> tuple[Positions, Mapping[bytes, bytes]]:
        """Input positions (empty at the very first start) and all entries of committed cuts."""

    async def cut(self, cut: Cut, positions: Positions) -> None:
        """Make records, entries and positions visible in one transaction. Raises Fenced, BrokerError."""

    async def close(self) -> None: ...


class Broker(Protocol):
    """A log with topics and partitions: SQLite file or Kafka. One contract suite holds both to this."""

    async def start(self) -> None:
        """Wait for the broker with back-off, one clear log line; returns when it answers."""

    async def stop(self) -> None: ...

    async def describe(self, topics: Iterable[str]) -> Mapping[str, TopicInfo]:
        """The topics that exist among these; a missing one is left out."""

    async def declare(self, specs: Sequence[TopicSpec]) -> None:
        """Create what is missing. Raises SettingsError naming topic, what is wrong and the way out for one that
        exists with another partition count or another cleanup policy."""

    async def publish(self, records: Sequence[Record]) -> list[tuple[int, int]]:
        """Append, in order; returns (partition, offset) of each once all are durable."""

    async def bounds(self, topic: str) -> Mapping[int, tuple[int, int]]:
        """partition → (earliest offset kept, end offset = next to be written; committed records only)."""

    async def positions_at(self, topic: str, moment: datetime) -> Mapping[int, int]:
        """partition → offset of the first record that the broker got at or after `moment`; the end where there is
        none. Only for topics with append_time: elsewhere producers write what they like."""

    def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Batch]:
        """Committed records with start <= offset < end, then stops."""

    async def news(self, positions: Positions, *, wait_s: float) -> list[Batch]:
        """What is committed from these positions on, at most a batch of each; [] when none came within `wait_s`.

        One question for all of them, answered as soon as there is something. A batch may be empty and only lead on to
        its `next`: where nothing is left of what was there.
        """

    async def written(self, topic: str) -> Mapping[int, int]:
        """partition → offset behind the last record, committed or not: who has read so far has seen the whole of every
        cut of which anybody saw a part."""

    def own(self, stage: str, partition: int) -> Ownership:
        """The owned partition `partition` of `stage`; its state lives in `state_topic(stage)`."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one kind of message goes. id is stable across restarts and file edits that do not change the target.

    channel: its name in routing.yml, `email`. target: an address, a Slack channel, a URL.
    options: channel settings as plain strings; secrets only by name (`secret:NAME`), resolved by the adapter.
    """

    id: str
    channel: str
    target: str
    receiver: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """A successful attempt. reference: what the channel returned to thread or update by (a Slack ts), or None."""

    reference: str | None = None
    detail: str = ""


class Channel(Protocol[Body_contra]):
    """Carries one delivery to one destination: a message to people, or a document to a program."""

    async def send(self, destination: Destination, delivery: "DeliveryLike[Body_contra]", *, now: datetime) -> Sent:
        """One attempt. Raises DeliveryError for every failure, whatever the library underneath raised."""

    async def close(self) -> None: ...


class Pictures(Protocol):
    """Draws what a message tells of."""

    async def of(self, item: Item) -> Picture | None:
        """The picture of an item; None where there is none to show, or none within a few seconds. Raises nothing."""

    async def of_report(self, document: Mapping[str, Any]) -> Mapping[str, Picture]:
        """The small charts of a report's document, by what it calls them; none where not all come within a few seconds.
        Raises nothing."""

    async def close(self) -> None: ...


class NoPictures:
    """Where nothing is drawn."""

    async def of(self, item: Item) -> Picture | None:
        return None

    async def of_report(self, document: Mapping[str, Any]) -> Mapping[str, Picture]:
        return {}

    async def close(self) -> None:
        pass


class Links(Protocol):
    """Where a message leads its reader, made when it is sent: an address that needs no login, or None."""

    def page(self, item: Item, destination: Destination) -> str | None:
        """Where the item's alert is seen, and acted on as the destination; of a notice the campaign's."""

    def mute(self, rule: str, destination: Destination) -> str | None:
        """Where the destination says that it wants to hear no more of a rule."""

    def chart(self, item: Item) -> str | None:
        """Where the item's picture is fetched from; None where it can have none."""

    def report(self, report_id: str) -> str | None:
        """Where a report is read, by whoever is given the link."""


class NoLinks:
    """Where nothing can be signed, or nobody knows where people reach the service."""

    def page(self, item: Item, destination: Destination) -> str | None:
        return None

    def mute(self, rule: str, destination: Destination) -> str | None:
        return None

    def chart(self, item: Item) -> str | None:
        return None

    def report(self, report_id: str) -> str | None:
        return None


class DeliveryLike(Protocol[Body_co]):
    """What a channel sees of a delivery (lockstep.deliver.Delivery has it)."""

    @property
    def id(self) -> str: ...
    @property
    def body(self) -> Body_co: ...
    @property
    def attempts(self) -> int:
        """How many attempts are known to have ended before this one; after a crash there may have been one more."""

    @property
    def created(self) -> float:
        """When it was decided, Unix seconds."""

    @property
    def thread(self) -> str | None:
        """The reference of the message that this one answers to, if the destination has one."""
