"""A `lockstep serve` process, watched from outside: through its metrics, its topics and /proc."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from tests.bench import process
from tests.bench.brokers import Progress, no_progress, values_of
from tests.bench.reference import Expected, differences, moves_of
from tests.kafka.broker import held_ports

from lockstep.judge.publish import ALERTS

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LATENESS_S = 60
"""Later than any event of the workloads."""
READY_S, CAUGHT_UP_S, PUBLISHED_S = 90.0, 300.0, 60.0
LOOK_EVERY_S = 0.2
WARMED_UP = 0.1
"""CPU is counted from the last look on at which no more than this share was read: the start is not part of it."""
BYTECODE = Path(__file__).parents[2] / ".venv" / "bench" / "bytecode"
"""An installed package has its bytecode, and a start does not compile it; ours lies here, away from the sources."""
NO_HOOK = 0
"""The `hook` of a service that tells nobody."""


class WrongResultError(Exception):
    """A run whose alerts are not those of the reference: its figures are worth nothing."""


@dataclass(frozen=True)
class Taken:
    """How far a worker is.

    counted, refused: events. events_waiting: of its input partition in which most wait; inputs: how many of these it
    has. longest_queue: records of the topic of Lockstep's own in which most wait.
    """

    counted: int
    refused: int
    events_waiting: int
    inputs: int
    longest_queue: int


class Service:
    """One worker. Its files lie in `folder`; webhooks go to `hook`, a port of this machine."""

    def __init__(self, folder: Path, url: str, rules: str, *, hook: int = NO_HOOK, **settings: str) -> None:
        """settings: by their names in the environment without LOCKSTEP_, in lower case."""
        written = folder / "rules"
        written.mkdir(parents=True, exist_ok=True)
        (written / "bench.yml").write_text(rules)
        receiver = f'{{webhook: {{url: "http://127.0.0.1:{hook}/", secret: {{secret: HOOK}}}}}}'
        routing = f"teams: {{marketing: [hook], operations: [hook]}}\nreceivers:\n  hook: {receiver}\n"
        (written / "routing.yml").write_text(routing if hook != NO_HOOK else "teams: {}\nreceivers: {}\n")
        (self.port,) = held_ports(1)
        own = {
            "broker": url,
            "rules": str(written),
            "http_port": str(self.port),
            "lateness": str(LATENESS_S),
            "log_level": "warning",
            "source_partitions": "1",
            "timezone": "Europe/London",
            "secret_hook": SECRET,
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCKSTEP_")}
        kept |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(BYTECODE)}
        env = kept | {f"LOCKSTEP_{name.upper()}": value for name, value in (own | settings).items()}
        self.began = time.perf_counter()
        with (folder / "serve.log").open("ab") as out:
            command = [sys.executable, "-m", "lockstep", "serve"]
            self._process = subprocess.Popen(command, env=env, cwd=folder, stdout=out, stderr=out)
        self._log = folder / "serve.log"

    @property
    def pid(self) -> int:
        return self._process.pid

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def ready(self) -> float:
        """Seconds from its start to ready. Raises RuntimeError when it ends or takes too long."""
        async with aiohttp.ClientSession() as session:
            while time.perf_counter() - self.began < READY_S:
                if self._process.poll() is not None:
                    break
                try:
                    async with session.get(self.url("/readyz")) as answer:
                        if answer.status == 200:
                            return time.perf_counter() - self.began
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.02)
        raise RuntimeError(f"lockstep serve was never ready: {self._log.read_text()[-2_000:]}")

    async def progress(self, session: aiohttp.ClientSession) -> "Taken":
        """How far it is, from its metrics."""
        async with session.get(self.url("/metrics")) as answer:
            return taken_of(await answer.text())

    def stop(self) -> None:
        process.end(self._process)


def taken_of(metrics: str) -> Taken:
    """How far a worker is, of what /metrics answers."""
    numbers: dict[str, list[float]] = {}
    for line in metrics.splitlines():
        if line.startswith("lockstep_"):
            name, value = line.rsplit(" ", 1)
            kind = name.partition("{")[0]
            if kind == "lockstep_lag_records":
                kind += " of ours" if 'topic="lockstep.' in name else " of inputs"
            numbers.setdefault(kind, []).append(float(value))
    counted, refused = (round(sum(numbers.get(f"lockstep_events_{what}", ()))) for what in ("total", "dead_total"))
    inputs, ours = (numbers.get(f"lockstep_lag_records of {whose}", []) for whose in ("inputs", "ours"))
    return Taken(counted, refused, round(max(inputs, default=0)), len(inputs), round(max(ours, default=0)))


def is_caught_up(workers: Sequence[Taken], count: int) -> bool:
    """Whether so many events are counted and nothing waits anywhere.

    Once a second each input partition says in each partition of the samples that it is quiet, whichever worker has it;
    so many records may wait while nothing happens.
    """
    return (
        sum(t.counted + t.refused for t in workers) >= count
        and all(t.events_waiting == 0 for t in workers)
        and max(t.longest_queue for t in workers) <= sum(t.inputs for t in workers)
    )


@dataclass(frozen=True)
class CatchUp:
    """A backlog, read to its end. us: CPU of all workers per event; per_s: events a second by the clock."""

    us: float
    per_s: float
    peak_mb: float


async def catch_up(services: Sequence[Service], count: int, *, progress: Progress = no_progress) -> CatchUp:
    """Wait until so many events are counted and nothing waits anywhere; the start is left out of what is measured.

    Raises RuntimeError when that takes too long.
    """
    began = time.perf_counter()
    begun = (0, began, 0.0)
    async with aiohttp.ClientSession() as session:
        while time.perf_counter() - began < CAUGHT_UP_S:
            told = [await service.progress(session) for service in services]
            taken = sum(t.counted + t.refused for t in told)
            now = (taken, time.perf_counter(), sum(process.cpu_s(service.pid) for service in services))
            progress(taken / count)
            if taken <= count * WARMED_UP:
                begun = now
            if is_caught_up(told, count):
                events = now[0] - begun[0]
                peak = max(process.peak_mb(service.pid) for service in services)
                return CatchUp((now[2] - begun[2]) / events * 1e6, events / (now[1] - begun[1]), peak)
            await asyncio.sleep(LOOK_EVERY_S)
    raise RuntimeError(f"{count} events were not read within {CAUGHT_UP_S:.0f} s: {told}")


async def check(url: str, right: Expected, *, within_s: float = PUBLISHED_S) -> int:
    """Wait until the published transitions are those of the reference; how many there are.

    within_s: for how long they are waited for. Raises WrongResultError when they are not by then.
    """
    end = time.perf_counter() + within_s
    while True:
        told = list(moves_of(await values_of(url, ALERTS)))
        wrong = differences(told, right)
        if len(told) != len(set(told)):
            wrong = [*wrong, f"{len(told) - len(set(told))} told twice"]
        if not wrong:
            return len(told)
        if time.perf_counter() > end:
            raise WrongResultError("; ".join(wrong))
        await asyncio.sleep(LOOK_EVERY_S)
