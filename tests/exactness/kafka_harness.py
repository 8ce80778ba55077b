"""A shop on a real Kafka whose workers and brokers are killed, and the truth to compare with.

Two `lockstep serve` processes read four partitions of orders and of stock while they, and the brokers, are hurt. At the
end every count and sum of every series and bucket is compared with what was sent, once in the samples (read by a
reader of its own) and once in the judges' durable state, and every transition with a backtest of the same events.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiokafka import TopicPartition

from lockstep.adapters.rule_files import load_rules
from lockstep.adapters.stream.kafka.broker import KafkaBroker
from lockstep.adapters.stream.kafka.ownership import POSITION
from lockstep.errors import LockstepError
from lockstep.judge.judge import Judge
from lockstep.judge.publish import ALERTS
from lockstep.judge.state import Sizes
from lockstep.judge.state.rows import PAGE
from lockstep.measure.definition import SeriesDef
from lockstep.measure.sample import decode as decode_frame
from lockstep.ports import Record
from lockstep.settings import Settings
from lockstep.tools.backtest.replay import replay_events
from lockstep.transition import decode as decode_transition
from lockstep.worker.required_topics import SAMPLES, prepare

RULES = """\
measures:
  orders: {count: order.placed}
  revenue: {sum: total, of: order.placed}
  units: {sum: lines.quantity, of: order.placed}
  stock: {last: available, of: stock.level}

rules:
  - name: Busy
    by: [channel]
    threshold: {measure: orders, window: 10s, at_least: 45}
    clear: {below: 40}
  - name: Quiet
    by: [channel]
    threshold: {measure: orders, window: 10s, below: 30}
  - name: Rich
    by: [channel]
    threshold: {measure: revenue, window: 1m, above: 12500}
    for: 1m
  - name: LowStock
    by: [sku]
    threshold: {measure: stock, at_most: 20}
    clear: {above: 30}
  - name: SellingOut
    by: [sku]
    all:
      - threshold: {measure: units, window: 1m, at_least: 160}
      - threshold: {measure: stock, at_most: 40}
"""
CHANNELS = ("web", "app", "store")
SKUS = tuple(f"SKU-{i}" for i in range(8))
PARTITIONS = 4
SPAN = timedelta(minutes=40)
CLOSING = timedelta(minutes=2)
ZONE = ZoneInfo("UTC")
SETTLE_S = 60.0


@dataclass
class Outcome:
    """What was found. wrong: places where a number differs; missing, spurious, repeated: transitions by id.

    pages: how many pages the judges have stored, so that their journals could be given up.
    """

    events: int
    wrong: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    spurious: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    transitions: int = 0
    pages: int = 0
    hurt: Counter[str] = field(default_factory=Counter)
    exits: Counter[int] = field(default_factory=Counter)

    @property
    def exact(self) -> bool:
        return not (self.wrong or self.missing or self.spurious or self.repeated)

    def __str__(self) -> str:
        return (
            f"{'exact' if self.exact else 'NOT EXACT'}: {self.events} events, {self.transitions} transitions, "
            f"hurt {dict(self.hurt)}, exits {dict(self.exits)}; {len(self.wrong)} numbers wrong {self.wrong[:4]}, "
            f"{len(self.missing)} missing {self.missing[:3]}, {len(self.spurious)} spurious {self.spurious[:3]}, "
            f"{len(self.repeated)} repeated"
        )


class Shop:
    """Events with their truth, workers, and what is done to them."""

    def __init__(
        self,
        folder: Path,
        address: str,
        *,
        seed: int,
        events: int,
        faults: Mapping[str, Any],
        sizes: Sizes | None = None,
        chunk_size: int = 500,
    ) -> None:
        """sizes: of what judges store; None: as in service."""
        self._sizes = sizes or Sizes()
        self.folder, self.random = folder, random.Random(seed)
        self.rules = folder / "rules"
        self.rules.mkdir(parents=True)
        (self.rules / "ours.yml").write_text(RULES)
        loaded = load_rules(self.rules)
        assert not loaded.faults, loaded.faults
        self.plan = loaded.plan
        self.settings = Settings(
            broker=f"kafka://{address}",
            rules=self.rules,
            timezone="UTC",
            chunk_size=chunk_size,
            idle_after=86_400,
            kafka_session_timeout=3,
            kafka_heartbeat_interval=0.5,
            http_port=0,
        )
        names = ("broker", "rules", "timezone", "chunk_size", "idle_after", "http_port")
        names += ("kafka_session_timeout", "kafka_heartbeat_interval")
        self._environ = {
            **os.environ,
            **{f"LOCKSTEP_{n.upper()}": str(getattr(self.settings, n)) for n in names},
            "LOCKSTEP_TEST_FAULTS": json.dumps(faults),
            "LOCKSTEP_TEST_SIZES": json.dumps(asdict(self._sizes)),
        }
        self.start = (datetime.now(UTC) - timedelta(hours=2)).replace(second=0, microsecond=0)
        self.events = self._make(events)
        self.broker = KafkaBroker(self.settings, clock=lambda: datetime.now(UTC))
        self.workers: list[subprocess.Popen[bytes]] = []
        self.outcome = Outcome(len(self.events))
        self._log = folder / "workers.log"

    # ---- events ---------------------------------------------------------------------------------------------------

    def _make(self, count: int) -> list[tuple[str, int, dict[str, Any]]]:
        """(topic, partition, event) in the order of time. The last ones close every bucket that is compared."""
        made = []
        for i in range(count):
            at = self.start + SPAN * (i / count)
            if self.random.random() < 0.1:
                made.append(self._stock(i, at, self.random.randrange(len(SKUS))))
            else:
                made.append(self._order(i, at, self.random.randrange(PARTITIONS)))
        end = self.start + SPAN + CLOSING
        for i in range(PARTITIONS):
            made += [self._order(count + i, end, i), self._stock(count + i, end, i)]
        return made

    def _order(self, i: int, at: datetime, partition: int) -> tuple[str, int, dict[str, Any]]:
        lines = [
            {"sku": sku, "quantity": self.random.randrange(1, 6), "unit_price": 2.5}
            for sku in self.random.sample(SKUS, self.random.randrange(1, 3))
        ]
        data = {
            "order_id": f"o{i}",
            "total": self.random.randrange(1, 10_000) / 100,
            "channel": self.random.choice(CHANNELS),
            "lines": lines,
        }
        return "orders", partition, _event(f"order-{i}", "order.placed", at, data)

    def _stock(self, i: int, at: datetime, sku: int) -> tuple[str, int, dict[str, Any]]:
        data = {"sku": SKUS[sku], "available": self.random.randrange(0, 80)}
        return "inventory", sku % PARTITIONS, _event(f"stock-{i}", "stock.level", at, data)

    # ---- life -----------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def open(self, *, workers: int = 2) -> AsyncIterator["Shop"]:
        await self.broker.start()
        try:
            await prepare(self.settings, self.broker)
            self.workers = [self._worker() for _ in range(workers)]
            yield self
        finally:
            for worker in self.workers:
                worker.kill()
                worker.wait()
            await self.broker.stop()

    def _worker(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as out:
            return subprocess.Popen(
                [str(Path(sys.executable).with_name("lockstep")), "serve"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self._environ,
                cwd=self.folder,
            )

    def revive(self) -> None:
        """What a supervisor does: a worker that gave up is started again."""
        for i, worker in enumerate(self.workers):
            code = worker.poll()
            if code is not None:
                self.outcome.exits[code] += 1
                self.workers[i] = self._worker()

    async def pause(self, seconds: float) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            self.revive()
            await asyncio.sleep(min(left, 0.2))

    async def hurt(self, kind: str, i: int | None = None) -> None:
        """kill: kill -9; term: SIGTERM; freeze: SIGSTOP for longer than the session."""
        i = self.random.randrange(len(self.workers)) if i is None else i
        worker = self.workers[i]
        if worker.poll() is not None:
            self.revive()
            worker = self.workers[i]
        self.outcome.hurt[kind] += 1
        if kind == "freeze":
            worker.send_signal(signal.SIGSTOP)
            await asyncio.sleep(self.random.uniform(4, 6))
            worker.send_signal(signal.SIGCONT)
            return
        worker.send_signal(signal.SIGKILL if kind == "kill" else signal.SIGTERM)
        try:
            code = await asyncio.to_thread(worker.wait, 20)
        except subprocess.TimeoutExpired:
            worker.kill()
            code = worker.wait()
            self.outcome.hurt["hung on SIGTERM"] += 1
        self.outcome.exits[code] += 1
        self.workers[i] = self._worker()

    async def told(self) -> None:
        """Until a worker has published a transition."""
        _, before = (await self.broker.bounds(ALERTS))[0]
        while (await self.broker.bounds(ALERTS))[0][1] == before:
            await self.pause(0.02)

    async def leader(self, topic: str, partition: int) -> int:
        """The node that leads this partition; any node's number while none does."""
        with contextlib.suppress(LockstepError):
            await self.broker.bounds(topic)
        leader = self.broker.client.cluster.leader_for_partition(TopicPartition(topic, partition))
        return leader if leader in (1, 2, 3) else self.random.randrange(1, 4)

    async def publish(self, seconds: float) -> None:
        """All events, spread over this time, each once."""
        loop = asyncio.get_running_loop()
        began, step = loop.time(), max(1, len(self.events) // round(seconds * 20))
        for first in range(0, len(self.events), step):
            part = self.events[first : first + step]
            await self.broker.publish([Record(t, json.dumps(e).encode(), partition=p) for t, p, e in part])
            ahead = seconds * (first + step) / len(self.events) - (loop.time() - began)
            if ahead > 0:
                await asyncio.sleep(ahead)

    # ---- the truth, and what was found ----------------------------------------------------------------------------

    def _truth(self, series: SeriesDef) -> Counter[tuple[tuple[str, ...], int]]:
        """(labels, bucket) → count, or sum in millionths: worked out here from the events alone."""
        truth: Counter[tuple[tuple[str, ...], int]] = Counter()
        for _, _, event in self.events:
            if event["type"] != series.event_type:
                continue
            second = int(datetime.fromisoformat(event["time"]).timestamp())
            bucket, data = second - second % series.bucket_s, event["data"]
            if series.by == ("channel",):
                amount = 1 if series.field is None else round(data["total"] * 1_000_000)
                truth[(data["channel"],), bucket] += amount
            else:
                for line in data["lines"]:
                    truth[(line["sku"],), bucket] += line["quantity"] * 1_000_000
        return truth

    @property
    def _flows(self) -> list[SeriesDef]:
        return [s for s in self.plan.series if not s.is_level]

    async def _samples(self) -> dict[tuple[str, tuple[str, ...], int], int] | None:
        """Every series and bucket as the samples tell it; None while they do not cover every event."""
        latest: dict[tuple[Any, ...], tuple[int, int]] = {}
        reached: dict[tuple[str, int], int] = {}
        for partition, (start, end) in (await self.broker.bounds(SAMPLES)).items():
            async for batch in self.broker.read(SAMPLES, partition, start, end):
                for value in batch.values:
                    frame = decode_frame(value or b"")
                    source = (frame.role, frame.partition)
                    if frame.progress is not None:
                        reached[source] = max(reached.get(source, 0), frame.upto + 1)
                    for p in frame.partials:
                        for bucket, aggregate in p.buckets:
                            key = (*source, frame.chunk, p.series, p.labels, bucket)
                            amount = aggregate[0] if isinstance(aggregate, list) else aggregate
                            if key not in latest or latest[key][0] < frame.upto:
                                latest[key] = (frame.upto, amount)
        wanted = Counter((topic, partition) for topic, partition, _ in self.events)
        if any(reached.get(source, 0) < count for source, count in wanted.items()):
            return None
        found: Counter[tuple[str, tuple[str, ...], int]] = Counter()
        for (_, _, _, series, labels, bucket), (_, amount) in latest.items():
            found[series, labels, bucket] += amount
        return found

    async def _state(self, partition: int) -> tuple[int, dict[bytes, bytes]]:
        """(samples position, entries) of a judge as committed, read without taking the partition over."""
        topic, entries = "lockstep.judge-state", {}
        start, end = (await self.broker.bounds(topic))[partition]
        async for batch in self.broker.read(topic, partition, start, end):
            entries.update(zip(batch.keys, batch.values, strict=True))
        position = json.loads(entries.pop(POSITION, None) or b'{"positions": [["", 0, 0]]}')
        return position["positions"][0][2], {k: v for k, v in entries.items() if v is not None}

    async def settle(self) -> Outcome:
        """Wait until everything has been judged, end the workers, compare."""
        loop = asyncio.get_running_loop()
        end, samples = loop.time() + SETTLE_S, None
        while samples is None and loop.time() < end:
            await self.pause(0.5)
            with contextlib.suppress(LockstepError):
                samples = await self._samples()
        ends = {p: last for p, (_, last) in (await self.broker.bounds(SAMPLES)).items()}
        while loop.time() < end:
            if all([(await self._state(p))[0] >= last for p, last in ends.items()]):
                break
            await self.pause(0.5)
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            await asyncio.to_thread(worker.wait, 30)
        await self._compare(await self._samples() or {})
        return self.outcome

    async def _compare(self, samples: Mapping[tuple[str, tuple[str, ...], int], int]) -> None:
        wrong = self.outcome.wrong
        judges = []
        for partition in range(PARTITIONS):
            judge = Judge(self.plan, zone=ZONE, partition=partition, partitions=PARTITIONS, sizes=self._sizes)
            entries = (await self._state(partition))[1]
            judge.restore(entries)
            self.outcome.pages += sum(key[:1] == PAGE for key in entries)
            judges.append(judge)
        for series in self._flows:
            truth = self._truth(series)
            told = {(labels, bucket): n for (id_, labels, bucket), n in samples.items() if id_ == series.id}
            kept = {}
            for judge in judges:
                for (id_, labels), history in judge.histories.flows.items():
                    if id_ == series.id:
                        for bucket, total in history.rows(-(1 << 62), 1 << 62):
                            kept[labels, bucket] = total[0] if isinstance(total, list) else total
            for where, found in (("samples", told), ("state", kept)):
                for key in truth.keys() | found.keys():
                    if truth.get(key) != found.get(key):
                        wrong.append(
                            f"{where}: {series.aggregate} by {series.by} {key}: "
                            f"{found.get(key)} instead of {truth.get(key)}"
                        )
        await self._compare_transitions()

    async def _compare_transitions(self) -> None:
        until = self.start + SPAN + CLOSING / 2
        expected = {
            t.transition_id: f"{t.rule} {dict(t.labels)} {t.state} {t.at}"
            for t in replay_events(self.plan, [e for _, _, e in self.events], zone=ZONE)
            if datetime.fromisoformat(t.at) <= until
        }
        seen: Counter[str] = Counter()
        found = {}
        start, end = (await self.broker.bounds(ALERTS))[0]
        async for batch in self.broker.read(ALERTS, 0, start, end):
            for value in batch.values:
                t = decode_transition(value or b"")
                if datetime.fromisoformat(t.at) <= until:
                    seen[t.transition_id] += 1
                    found[t.transition_id] = f"{t.rule} {dict(t.labels)} {t.state} {t.at}"
        outcome = self.outcome
        outcome.transitions = len(expected)
        outcome.missing = sorted(said for id_, said in expected.items() if found.get(id_) != said)
        outcome.spurious = sorted(said for id_, said in found.items() if expected.get(id_) != said)
        outcome.repeated = sorted(found[id_] for id_, times in seen.items() if times > 1)

    def log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-4000:] if self._log.exists() else ""


def _event(id_: str, kind: str, at: datetime, data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id_,
        "source": "/shop",
        "type": kind,
        "time": at.isoformat().replace("+00:00", "Z"),
        "data": data,
    }
