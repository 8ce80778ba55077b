"""Meters and judges on logs that are plain lists: everything a broker does, in the order that a test asks for."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import msgspec
from comparison import plain
from reference import EPOCH, ROLES, micros
from shorthand import LONDON, Event

from lockstep.event import Decoder
from lockstep.event.imports import IMPORTED, Mark, MarkKind, mark_record
from lockstep.event.imports import ROLES as IMPORT_ROLES
from lockstep.event.imports import TOPIC as IMPORTS
from lockstep.judge.judge import Judge
from lockstep.judge.publish import ALERTS
from lockstep.measure.dead_events import TOPIC as DEAD
from lockstep.measure.dead_events import DeadEvent, parse_dead
from lockstep.measure.meter import Meter, MeterSettings, wanted_fields
from lockstep.ports import Batch
from lockstep.rule.condition.kinds import Plan
from lockstep.shop.facts import SHOP
from lockstep.transition import decode

SAMPLES = "lockstep.samples"
CHUNK = 16
LATENESS_S = 60

Source = tuple[str, int]


def role_of(event: Event) -> str:
    return ROLES[event["type"].split(".")[0]]


@dataclass
class Log:
    """One partition: values and the times at which they were appended, and how far its reader is."""

    values: list[bytes] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)
    at: int = 0
    committed: int = 0

    def batch(self, topic: str, partition: int, size: int) -> Batch:
        begin, end = self.at, min(self.at + size, len(self.values))
        self.at = end
        none = (None,) * (end - begin)
        values, times = self.values[begin:end], self.times_ms[begin:end]
        return Batch(topic, partition, range(begin, end), values, none, times, begin - 1, end)


class Pipeline:
    """`sources` partitions of every topic, `samples` judges. Two switches break it: a comparison must notice.

    rewinds: False reads on from the committed offset after a crash instead of the chunk's head.
    remembers: False restores a judge from nothing.
    """

    def __init__(
        self, plan: Plan, *, sources: int = 1, samples: int = 1, rewinds: bool = True, remembers: bool = True
    ) -> None:
        self._plan = plan
        self._rewinds, self._remembers = rewinds, remembers
        self._count = sources
        self.now = EPOCH
        self.logs = {(role, p): Log() for role in dict.fromkeys(ROLES.values()) for p in range(sources)}
        self.samples = [Log() for _ in range(samples)]
        self._entries: list[dict[bytes, bytes]] = [{} for _ in range(samples)]
        self.said: list[dict[str, Any]] = []
        self.published: list[bytes] = []
        self.dead: list[DeadEvent] = []
        self.facts: dict[str, bytes] = {}  # what a reader of the compacted topic has
        self.earliest: dict[Source, int] = {}  # what retention has left of a source, where not all
        self.ends_from: dict[Source, int] = {}  # from where on ends of imports count, where not from the first record
        self._meters = {source: self._meter(source, None) for source in self.logs}
        self.judges = [self._judge(n) for n in range(samples)]

    def _meter(self, source: Source, position: int | None) -> Meter:
        is_import = source[1] == IMPORTED
        settings = MeterSettings(
            role=source[0],
            topic=IMPORTS if is_import else source[0],
            partition=IMPORT_ROLES.index(source[0]) if is_import else source[1],
            partitions=len(IMPORT_ROLES) if is_import else self._count,
            source="id-imports" if is_import else f"id-{source[0]}",
            samples_topic=SAMPLES,
            samples_partitions=len(self.samples),
            chunk_size=CHUNK,
            lateness_us=LATENESS_S * 1_000_000,
            future_limit_us=300_000_000,
            idle_after_us=30_000_000,
            position=position,
            earliest=self.earliest.get(source, 0),
            fresh=self._plan.fresh,
            imported=is_import,
        )
        meter = Meter(settings, self._plan.series, Decoder(wanted_fields(self._plan.series)))
        meter.ends_from = self.ends_from.get(source, 0)
        return meter

    def _judge(self, n: int) -> Judge:
        levels = {s.id: s.stale_after_s is not None for s in self._plan.series if s.is_level}
        judge = Judge(self._plan, zone=LONDON, partition=n, partitions=len(self.samples), shown_levels=levels)
        judge.restore(self._entries[n])
        return judge

    # ---- what may happen ------------------------------------------------------------------------------------------

    def arrive(self, event: Event, partition: int = 0, late_s: float = 0) -> None:
        """The broker gets an event, `late_s` after it happened."""
        log = self.logs[role_of(event), partition]
        at = EPOCH + timedelta(microseconds=micros(event["time"])) + timedelta(seconds=late_s)
        self.now = max(self.now, at)
        log.values.append(msgspec.json.encode(event))
        log.times_ms.append(int(self.now.timestamp() * 1000))

    def append_import(self, events: Iterable[Event], *, ended: datetime | None) -> None:
        """Events are imported, in the order of time; then the import ends, or goes on."""
        at_us = micros(max([self.now, *([] if ended is None else [ended])]).isoformat())
        at_ms = at_us // 1000
        for role, of_role in groupby(sorted(events, key=lambda e: (role_of(e), micros(e["time"]))), key=role_of):
            source = role, IMPORTED
            if source not in self.logs:
                self.logs[source] = Log()
                self._meters[source] = self._meter(source, None)
            marks = [mark_record(role, Mark(kind, at_us)).value or b"" for kind in (MarkKind.BEGUN, MarkKind.ENDED)]
            values = [marks[0], *map(msgspec.json.encode, of_role), *([] if ended is None else marks[1:])]
            self.logs[source].values += values
            self.logs[source].times_ms += [at_ms] * len(values)

    def meter(self, role: str, partition: int) -> Meter:
        """The meter of a source that lives now."""
        return self._meters[role, partition]

    def measure(self, source: Source, size: int = 1_000_000) -> None:
        """A meter reads on and flushes."""
        log, meter = self.logs[source], self._meters[source]
        batch = log.batch(source[0], source[1], size)
        if len(batch):
            meter.feed(batch)
        self._flush(source)

    def _flush(self, source: Source) -> None:
        for record in self._meters[source].flush(self.now):
            if record.topic == DEAD:
                self.dead.append(parse_dead(record.value, record.headers))
                continue
            assert record.topic == SAMPLES, record
            assert record.partition is not None
            assert record.value is not None
            self.samples[record.partition].values.append(record.value)
            self.samples[record.partition].times_ms.append(0)

    def step(self, *sources: Source) -> None:
        """These meters (else all) read on and flush, all judges read on and cut."""
        for source in sources or self.logs:
            self.measure(source)
        for n in range(len(self.samples)):
            self.judge(n)
            self.cut(n)

    def learn(self, plan: Plan, *sources: Source) -> None:
        """Another plan: every judge has it at once, and the meters of these sources (else all)."""
        self._plan = plan
        for source in sources or self.logs:
            self.commit_source(source)
            self.crash_meter(source)
        for n in range(len(self.samples)):
            self.crash_judge(n)

    def total(self, name: str) -> int:
        """A count of the judges that are at work."""
        return sum(getattr(judge.counts, name) for judge in self.judges)

    def commit_source(self, source: Source) -> None:
        self.logs[source].committed = self._meters[source].position

    def crash_meter(self, source: Source) -> None:
        """The meter is gone; another one takes over from what was committed."""
        log = self.logs[source]
        meter = self._meters[source] = self._meter(source, log.committed)
        log.at = meter.start if self._rewinds else log.committed

    def change_plan(self, plan: Plan) -> None:
        """Every worker begins anew with another plan, and what it had not cut is decided again."""
        self._plan = plan
        for source in self.logs:
            self.crash_meter(source)
        for n in range(len(self.samples)):
            self.crash_judge(n)

    def judge(self, n: int, size: int = 1_000_000, *, at_most: int | None = None) -> None:
        """A judge reads on. at_most: steps of the shop that it goes then, which may leave some; None: all."""
        judge, gone = self.judges[n], 0
        judge.feed(self.samples[n].batch(SAMPLES, n, size))
        while gone != at_most and judge.goes_on():
            gone += 1

    def cut(self, n: int) -> None:
        """Everything that a judge decided becomes visible together with its position."""
        cut = self.judges[n].cut()
        for key, value in cut.entries.items():
            if value is None:
                self._entries[n].pop(key, None)
            else:
                self._entries[n][key] = value
        alerts = [r.value for r in cut.records if r.topic == ALERTS and r.value is not None]
        self.published += alerts
        self.said += [plain(decode(value)) for value in alerts]
        self.dead += [parse_dead(r.value, r.headers) for r in cut.records if r.topic == DEAD]
        for record in (r for r in cut.records if r.topic == SHOP):
            assert record.key is not None
            if record.value is None:
                self.facts.pop(record.key.decode(), None)
            else:
                self.facts[record.key.decode()] = record.value
        self.samples[n].committed = self.samples[n].at

    def crash_judge(self, n: int) -> None:
        """The judge is gone with what it had not cut; another one takes over."""
        if not self._remembers:
            self._entries[n] = {}
        self.judges[n] = self._judge(n)
        self.samples[n].at = self.samples[n].committed

    @property
    def stored(self) -> list[dict[bytes, bytes]]:
        """What the cuts of every judge have left."""
        return self._entries

    def take_back(self, stored: list[dict[bytes, bytes]]) -> None:
        """Every judge begins anew with what was stored, perhaps by another version of the program."""
        self._entries = stored
        for n in range(len(self.samples)):
            self.crash_judge(n)

    @property
    def visits(self) -> int:
        """How often the judges that live now have looked at a group."""
        return sum(judge.counts.visits for judge in self.judges)

    def edit(self, plan: Plan) -> None:
        """The rules change: everything is cut, and starts anew with what it had."""
        for source in self.logs:
            self.measure(source)
            self.commit_source(source)
        for n in range(len(self.samples)):
            self.judge(n)
            self.cut(n)
        self._plan = plan
        for source in self.logs:
            self.crash_meter(source)
        for n in range(len(self.samples)):
            self.crash_judge(n)

    # ---- a whole run ----------------------------------------------------------------------------------------------

    def finish(self, until: datetime) -> list[dict[str, Any]]:
        """Read everything to its end, with time at `until`; all transitions, sorted."""
        self.measure_to_the_end(until)
        for n in range(len(self.samples)):
            self.judge(n)
            self.cut(n)
        return sorted(self.said, key=lambda t: (t["at"], t["rule"], sorted(t["labels"].items()), t["number"]))

    def measure_to_the_end(self, until: datetime) -> None:
        """All meters read everything to its end, with time at `until`."""
        for source, meter in self._meters.items():
            self.measure(source)
            if self.logs[source].values:
                meter.advance_to(micros(until.isoformat()))
            else:
                meter.observe(at_end=True, now=self.now)
                meter.observe(at_end=True, now=self.now + timedelta(seconds=31))
            self._flush(source)


def arrivals(
    watched: Plan, events: Iterable[Event], *, sources: int, jitter: list[float], spread: list[int], again: list[int]
) -> list[tuple[Event, int, float]]:
    """(event, partition, seconds late) in an order within lateness; levels keep the order of each series.

    jitter, spread, again: how late each is, where it goes, which come a second time (soon after, at the same place).
    """
    levels = [set(s.by) for s in watched.series if s.is_level]
    keys = sorted(set.intersection(*levels)) if levels else ["sku"]  # as the text asks of producers
    found = []
    for i, event in enumerate(sorted(events, key=lambda e: micros(e["time"]))):
        is_level = event["type"] == "stock.level"
        late = 0.0 if is_level else jitter[i % len(jitter)]
        key = sum("".join(event["data"].get(k, "none") for k in keys).encode()) if is_level else spread[i % len(spread)]
        found.append((micros(event["time"]) + int(late * 1e6), i, (event, key % sources, late)))
    ordered = [item for _, _, item in sorted(found, key=lambda f: f[:2])]
    for place in sorted((a % len(ordered) for a in again), reverse=True):
        ordered.insert(min(place + 3, len(ordered)), ordered[place])
    return ordered
