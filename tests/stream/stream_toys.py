"""The smallest stages that count: a meter of cumulative sums per chunk, and a judge that folds them.

The same scheme as the real ones (sums of the current chunk only, folded when the chunk number rises), small enough to
see that a wrong total is the runtime's fault.
"""

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lockstep.adapters.stream import open_broker, transport_for
from lockstep.adapters.stream.consumer import Faults
from lockstep.adapters.stream.lanes import SourceSpec, StageSpec
from lockstep.adapters.stream.runtime import Runtime
from lockstep.ports import Batch, Broker, Cut, Record, TopicInfo, TopicSpec
from lockstep.settings import Settings

CHUNK = 1024
STEP = 50
"""A total that passes a multiple of this is an alert."""

TOPICS = [
    TopicSpec("orders", 2, retention_s=3600),
    TopicSpec("samples", 1, retention_s=3600),
    TopicSpec("alerts", 1, retention_s=3600),
]


class ToyMeter:
    """lockstep.adapters.stream.lanes.SourceStage."""

    def __init__(self, partition: int, committed: int | None, earliest: int) -> None:
        self._partition = partition
        self.position = max(committed or 0, earliest)
        self.start = max(self.position - self.position % CHUNK, earliest)
        self._chunk = -1
        self._counts: Counter[str] = Counter()
        self._last = -1
        self._dirty = False
        self._done: list[Record] = []
        self.at_end: list[bool] = []

    def feed(self, batch: Batch) -> None:
        for offset, value in zip(batch.offsets, batch.values, strict=True):
            if offset // CHUNK != self._chunk:
                self._close()
                self._chunk, self._counts = offset // CHUNK, Counter()
            self._counts[(value or b"").decode()] += 1
            self._last, self._dirty = offset, True

    def _close(self) -> None:
        if self._dirty:
            body = {"p": self._partition, "c": self._chunk, "u": self._last, "n": dict(self._counts)}
            self._done.append(Record("samples", json.dumps(body).encode(), partition=0))
            self._dirty = False

    def observe(self, *, at_end: bool, now: datetime) -> None:
        self.at_end.append(at_end)

    def flush(self, now: datetime) -> list[Record]:
        self._close()
        records, self._done = self._done, []
        self.position = max(self.position, self._last + 1)
        return records


class ToyJudge:
    """ports.Stage: per key a base, and the open chunk of each source partition."""

    def __init__(self) -> None:
        self.state: dict[str, dict[str, Any]] = {}
        self._dirty: set[str] = set()
        self._alerts: list[Record] = []

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        self.state = {key.decode(): json.loads(value) for key, value in entries.items()}

    def total(self, key: str) -> int:
        entry = self.state[key]
        return int(entry["base"] + sum(n for _, _, n in entry["open"].values()))

    def feed(self, batch: Batch) -> None:
        for value in batch.values:
            sample = json.loads(value or b"{}")
            for key, count in sample["n"].items():
                self._fold(key, str(sample["p"]), sample["c"], sample["u"], count)

    def _fold(self, key: str, partition: str, chunk: int, last: int, count: int) -> None:
        entry = self.state.setdefault(key, {"base": 0, "open": {}, "said": 0})
        old_chunk, old_last, old_count = entry["open"].get(partition, (-1, -1, 0))
        if (chunk, last) <= (old_chunk, old_last):
            return
        if chunk > old_chunk:
            entry["base"] += old_count
        entry["open"][partition] = [chunk, last, count]
        self._dirty.add(key)
        while self.total(key) >= (entry["said"] + 1) * STEP:
            entry["said"] += 1
            self._alerts.append(Record("alerts", f"{key}:{entry['said']}".encode(), partition=0))

    def tick(self, now: datetime) -> None:
        """Time is nothing to a judge."""

    def only_stores(self) -> bool:
        return not self._alerts

    def cut(self) -> Cut:
        cut = Cut(self._alerts, {key.encode(): json.dumps(self.state[key]).encode() for key in self._dirty})
        self._alerts, self._dirty = [], set()
        return cut


def utc_now() -> datetime:
    return datetime.now(UTC)


def toy_runtime(settings: Settings, broker: Broker, *, on_fatal: Any, **options: Any) -> Runtime:
    async def make(info: TopicInfo, partition: int, committed: int | None, earliest: int) -> ToyMeter:
        return ToyMeter(partition, committed, earliest)

    options.setdefault("sources", [SourceSpec("orders", make)])
    options.setdefault("stages", [StageSpec("toy", ("samples",), lambda _: ToyJudge(), can_wait=ToyJudge.only_stores)])
    options.setdefault("transport", transport_for(settings))
    return Runtime(settings, broker, clock=utc_now, on_fatal=on_fatal, **options)


def events(seed: int, count: int) -> list[Record]:
    """Orders of a few keys; each says its own partition."""
    draw = random.Random(seed)
    return [Record("orders", draw.choice("abcde").encode(), partition=draw.randrange(2)) for _ in range(count)]


async def totals(broker: Any) -> dict[str, int]:
    """What the last cut made durable. Becomes the owner: only when no worker runs."""
    judge = ToyJudge()
    owned = broker.own("toy", 0)
    judge.restore((await owned.recover())[1])
    await owned.close()
    return {key: judge.total(key) for key in judge.state}


async def published(broker: Broker, topic: str) -> list[bytes]:
    start, end = (await broker.bounds(topic))[0]
    return [value or b"" async for batch in broker.read(topic, 0, start, end) for value in batch.values]


def truth(records: list[Record]) -> tuple[dict[str, int], list[bytes]]:
    """(totals, alerts in any order) of records counted once each."""
    counts = Counter((r.value or b"").decode() for r in records)
    alerts = [f"{key}:{n}".encode() for key, total in counts.items() for n in range(1, total // STEP + 1)]
    return dict(counts), sorted(alerts)


async def serve(url: str) -> int:
    """A worker of its own process, until SIGTERM. It says `ready` once on its output."""
    settings = Settings(broker=url, flush_interval=0.02)
    broker = open_broker(settings, clock=utc_now)
    await broker.start()
    await broker.declare(TOPICS)
    over = asyncio.get_running_loop().create_future()

    def end(code: int) -> None:
        if not over.done():
            over.set_result(code)

    faults = Faults(**json.loads(os.environ.get("LOCKSTEP_TEST_FAULTS", "{}")))
    runtime = toy_runtime(settings, broker, on_fatal=lambda reason: end(70), faults=faults)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end, 0)
    await runtime.start()
    code: int = await over
    await runtime.stop()
    await broker.stop()
    return code


if __name__ == "__main__":
    sys.exit(asyncio.run(serve(sys.argv[1])))
