"""One job of a peer, watched from outside, and what it told compared with the reference."""

import asyncio
import json
import os
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from tests.bench import process
from tests.bench.brokers import connected, settings_for, values_of
from tests.bench.peers.install import HERE, kafka_connector, python_of
from tests.bench.reference import Asked, Breach, asked_of
from tests.bench.workloads import Workload

from lockstep.ports import TopicSpec

LIMIT_S = 400.0
LOOK_EVERY_S = 0.25
WARM_FROM, WARM_TO = 0.5, 0.999
GROUP_OF_ALL = "*"


class PeerError(Exception):
    """A peer that cannot be measured here, and why."""


@dataclass(frozen=True)
class Measured:
    """us: CPU per event from its first event on; warm_us: of the second half of the events, where that is known.

    wrong: what its breaches are not, in words; empty where they are those of the reference.
    """

    us: float
    per_s: float
    peak_mb: float
    wrong: str
    warm_us: float | None = None


def rules_for_peers(workload: Workload) -> str:
    """The rules in numbers, as peers/job.py reads them."""
    return json.dumps([_for_peers(rule) for rule in asked_of(workload.rules)])


def _for_peers(rule: Asked) -> dict[str, object]:
    ((word, limit),) = rule.bounds.items()
    return {
        "name": rule.name,
        "event": rule.kind,
        "how": rule.how,
        "by": rule.by[0] if rule.by else "",
        "window": rule.window,
        "previous": rule.previous,
        "word": word,
        "limit": limit.as_integer_ratio(),
        "at_least": rule.at_least.as_integer_ratio(),
    }


def measured(peer: str, workload: Workload, url: str, place: Path, count: int) -> Measured:
    """A job on a broker that holds so many events: the workload, or more that come after it and are not compared.

    Raises PeerError, LookupError.
    """
    place.mkdir(parents=True, exist_ok=True)
    (place / "rules.json").write_text(rules_for_peers(workload))
    topic = f"peer-{peer}-{time.time_ns()}"
    asyncio.run(_make(topic, url))
    address = url.removeprefix("kafka://")
    command = [str(python_of(peer)), str(HERE / f"{peer}_job.py"), address, str(count), str(place), topic]
    environment = dict(os.environ)
    environment.pop("VIRTUAL_ENV", None)
    if peer == "flink":
        environment["FLINK_KAFKA_JAR"] = str(kafka_connector())
    job = _Job(command, environment, place)
    try:
        looks = asyncio.run(_watched(job, peer, address))
    finally:
        job.end()
    begun, ended = job.marks["begun"], job.marks["done"]
    file = place / "breaches.json"
    told: Iterable[tuple[str, str, int]] = (
        _from_file(file) if file.exists() else _from_rows(asyncio.run(values_of(url, topic)), workload)
    )
    found = Measured(
        (ended.cpu_s - begun.cpu_s) / count * 1e6,
        count / (ended.at - begun.at),
        job.peak_mb,
        wrong(frozenset(told), workload),
    )
    warm = _warm_us(looks, ended.cpu_s, count)
    return found if warm is None else Measured(found.us, found.per_s, found.peak_mb, found.wrong, warm)


async def _make(topic: str, url: str) -> None:
    async with connected(settings_for(url)) as broker:
        await broker.declare([TopicSpec(topic, 1, retention_s=86_400)])


@dataclass(frozen=True)
class _Mark:
    at: float
    cpu_s: float


class _Job:
    """The process of a job and the lines with which it tells that it has begun and is done."""

    def __init__(self, command: list[str], environment: dict[str, str], place: Path) -> None:
        self.marks: dict[str, _Mark] = {}
        self.peak_mb = 0.0
        self._errors = place / "errors.txt"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                word = line.decode(errors="replace").strip()
                if word in ("begun", "done"):
                    self.marks[word] = _Mark(time.perf_counter(), self.cpu_s)
                    self.peak_mb = max(self.peak_mb, process.peak_mb(self._process.pid))

    @property
    def cpu_s(self) -> float:
        return process.cpu_s(self._process.pid)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def said(self) -> str:
        return self._errors.read_text(errors="replace").strip()[-400:]

    def end(self) -> None:
        for child in reversed(process.tree(self._process.pid)[1:]):
            process.end_pid(child)
        process.end(self._process)
        self._reader.join(5)


async def _watched(job: _Job, peer: str, address: str) -> list[tuple[int, float]]:
    """Until it is done: (events that its group has committed, seconds of CPU), where it commits any.

    Raises PeerError when it ends before, or takes too long.
    """
    looks: list[tuple[int, float]] = []
    end = time.perf_counter() + LIMIT_S
    client = AIOKafkaAdminClient(bootstrap_servers=address)
    await client.start()
    try:
        while job.is_running and time.perf_counter() < end:
            if peer == "flink" and "begun" in job.marks:
                try:
                    committed = await client.list_consumer_group_offsets("flink")
                except GroupCoordinatorNotAvailableError:
                    committed = {}  # on a broker that nobody has committed to yet there is no topic for it
                looks.append((sum(max(0, found.offset) for found in committed.values()), job.cpu_s))
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        await client.close()
    if "done" not in job.marks:
        took_too_long = f"was not done within {LIMIT_S:.0f} s"
        raise PeerError(took_too_long if job.is_running else f"ended before it was done: {job.said()}")
    return looks


def _warm_us(looks: list[tuple[int, float]], cpu_s: float, count: int) -> float | None:
    """CPU per event from the first look at half of the events to the end."""
    begun = next((look for look in looks if look[0] >= count * WARM_FROM), None)
    if begun is None or begun[0] > count * WARM_TO:
        return None
    return (cpu_s - begun[1]) / (count - begun[0]) * 1e6


# ---- what it told ---------------------------------------------------------------------------------------------------


def _group(rule: Asked, group: str) -> tuple[str, ...]:
    return (group,) if rule.by else ()


def _from_file(file: Path) -> Iterator[tuple[str, str, int]]:
    yield from (tuple(row) for row in json.loads(file.read_text()))


def _from_rows(rows: Iterable[bytes], workload: Workload) -> Iterator[tuple[str, str, int]]:
    """Breaches from the rows of a topic: (rule, g, m, holds); rows that were taken back (diff -1) are none.

    A level's rows tell what holds from their minute on; a flow's are its breaches.
    """
    net: dict[tuple[str, str, int, bool], int] = defaultdict(int)
    for value in rows:
        row = json.loads(value)
        moment = datetime.fromisoformat(row["m"].replace("Z", "").replace(" ", "T").partition(".")[0])
        minute = int(moment.replace(tzinfo=UTC).timestamp()) // 60
        net[row["rule"], row["g"], minute, row["holds"]] += row.get("diff", 1)
    levels = {rule.name for rule in asked_of(workload.rules) if rule.how == "last"}
    changes: dict[tuple[str, str], dict[int, bool]] = defaultdict(dict)
    for (rule, group, minute, holds), times in net.items():
        if times > 0 and rule in levels:
            changes[rule, group][minute] = holds
        elif times > 0:
            yield rule, group, minute
    for (rule, group), of_minute in changes.items():
        holds = False
        for minute in range(min(of_minute), workload.right.until // 60_000_000 + 1):
            holds = of_minute.get(minute, holds)
            if holds:
                yield rule, group, minute


def wrong(told: Iterable[tuple[str, str, int]], workload: Workload) -> str:
    """How many breaches are missing and too many, but for the first minutes, which peers judge without history."""
    right = workload.right
    until = right.until // 60_000_000
    rules = {rule.name: rule for rule in asked_of(workload.rules)}
    begin = {name: right.begins + rule.window + rule.previous for name, rule in rules.items()}
    found = {(name, _group(rules[name], group), minute) for name, group, minute in told}

    def compared(breaches: Iterable[Breach]) -> set[Breach]:
        return {b for b in breaches if begin[b[0]] <= b[2] < until}

    is_, should_be = compared(found), compared(right.breaches)
    missing, extra = len(should_be - is_), len(is_ - should_be)
    return "" if not missing and not extra else f"of {len(should_be)} breaches {missing} missing, {extra} too many"
