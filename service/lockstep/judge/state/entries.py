"""Entries of a judge that stand by themselves: meta, alerts, and what detectors have learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lockstep.alert import Alert, restored, stored
from lockstep.errors import StateError
from lockstep.judge.rule_facts import Labels
from lockstep.measure.history import pack, unpack
from lockstep.rule.condition.kinds import Rule

STATE_FORMAT = 5
READ_FORMATS = (3, 4, STATE_FORMAT)
"""Of 3 it is the series that were stored otherwise, see `format3`; before 5 levels had no changes."""

META, ALERT, WATCHES = b"m", b"a", b"w"
"""What the keys begin with."""

Known = dict[tuple[str, str], tuple[int | None, bool]]
"""(rule, edition) → up to which second it has been judged, and whether it has begun."""


def alert_key(rule: Rule, labels: Labels) -> bytes:
    return ALERT + pack([rule.name, rule.edition, labels])


def watches_key(rule: Rule, labels: Labels) -> bytes:
    return WATCHES + pack([rule.name, rule.edition, labels])


@dataclass(slots=True)
class JudgeCounts:
    """What happened since the judge began, for metrics. overlaps: chunks whose head retention had removed.

    visits: how often a group was judged at a bucket end, since the last start.
    """

    late: int = 0
    older_levels: int = 0
    overlaps: int = 0
    transitions: int = 0
    visits: int = 0

    def begin_from(self, stored: "JudgeCounts") -> None:
        """Count on from what was stored."""
        self.late, self.older_levels = stored.late, stored.older_levels
        self.overlaps, self.transitions = stored.overlaps, stored.transitions


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """How far a judge has come, and of which logs.

    chunk_size, partitions, source_ids (role → id of the topic): what must not change under a stored state. sources,
    topics: see `Watermarks.state`. known: the versions that it judges. format: as it was read; written is the newest.
    """

    chunk_size: int | None
    partitions: int
    source_ids: dict[str, str]
    sources: list[Any]
    topics: list[Any]
    known: Known
    counts: JudgeCounts
    format: int = STATE_FORMAT

    def encode(self) -> bytes:
        return pack(
            [
                STATE_FORMAT,
                self.chunk_size,
                self.partitions,
                list(self.source_ids.items()),
                self.sources,
                self.topics,
                [[rule, edition, closed, begun] for (rule, edition), (closed, begun) in self.known.items()],
                [self.counts.late, self.counts.older_levels, self.counts.overlaps, self.counts.transitions],
            ]
        )

    @classmethod
    def decode(cls, value: bytes) -> "Meta":
        """Raises StateError for another format."""
        parts = unpack(value)
        if parts[0] not in READ_FORMATS:
            raise StateError(
                f"stored state has format {parts[0]}, this program knows {STATE_FORMAT}; use the version that wrote "
                "it, or begin anew under another LOCKSTEP_APP_ID"
            )
        read_format, chunk_size, partitions, source_ids, sources, topics, rules, counts = parts
        return cls(
            chunk_size=chunk_size,
            partitions=partitions,
            source_ids=dict(source_ids),
            sources=sources,
            topics=topics,
            known={(name, edition): (closed, begun) for name, edition, closed, begun in rules},
            counts=JudgeCounts(*counts),
            format=read_format,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAlert:
    """An alert with what its rule was like: names of its labels, its key and whether it was on levels alone.

    begun: whether the version of its rule judged the group already.
    """

    rule: str
    edition: str
    labels: Labels
    names: Sequence[str]
    key: Sequence[str]
    level_only: bool
    begun: bool
    alert: Alert

    def encode(self) -> bytes:
        return pack([self.names, self.key, self.level_only, self.begun, stored(self.alert)])

    @classmethod
    def decode(cls, key: bytes, value: bytes) -> "StoredAlert":
        rule, edition, labels = unpack(key[1:])
        names, spread_by, level_only, begun, row = unpack(value)
        return cls(
            rule=rule,
            edition=edition,
            labels=tuple(labels),
            names=names,
            key=spread_by,
            level_only=level_only,
            begun=begun,
            alert=restored(row),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWatches:
    """What the detectors of a group have learned: the key of an anomaly → `Watch.state`. names: of its labels."""

    rule: str
    edition: str
    labels: Labels
    names: Sequence[str]
    states: dict[str, Any]

    def encode(self) -> bytes:
        return pack([self.names, [[key, state] for key, state in self.states.items()]])

    @classmethod
    def decode(cls, key: bytes, value: bytes) -> "StoredWatches":
        rule, edition, labels = unpack(key[1:])
        names, rows = unpack(value)
        return cls(rule=rule, edition=edition, labels=tuple(labels), names=names, states=dict(rows))
