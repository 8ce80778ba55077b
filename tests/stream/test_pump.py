"""When a pump steps: at once, after it has gathered for a while, once more at the end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from lockstep.adapters.stream.pump import GATHERS, LEAST_S, Pump

LONG_S = 3_600.0


class Clock:
    """The loop's time, as the test says."""

    failed = False

    def __init__(self) -> None:
        self.now = 100.0
        self.steps: list[float] = []
        self.took_s = 0.0

    def loop_time(self) -> float:
        return self.now

    async def step(self) -> bool:
        """A step that takes a while."""
        self.steps.append(self.now)
        self.now += self.took_s
        return True


@asynccontextmanager
async def running(
    clock: Clock, *, interval_s: float, can_wait: Callable[[], bool] = lambda: False
) -> AsyncIterator[Pump]:
    pump = Pump(clock, clock.step, interval_s=interval_s, idle_s=LONG_S, can_wait=can_wait)
    task = asyncio.create_task(pump.run())
    try:
        yield pump
    finally:
        pump.close()
        await task


async def settle() -> None:
    """Everything that can go on without time has gone on."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("took_s", "interval_s", "later_s", "stepped"),
    [
        pytest.param(0.0, LONG_S, LEAST_S * 1.1, True, id="after a step that took no time: soon"),
        pytest.param(0.0, LONG_S, LEAST_S * 0.9, False, id="but not at once"),
        pytest.param(0.0, LEAST_S / 5, LEAST_S / 4, True, id="unless the interval is shorter than that"),
        pytest.param(10.0, LONG_S, GATHERS * 10.0, True, id="long after a step: at once"),
        pytest.param(10.0, LONG_S, GATHERS * 10.0 - 1, False, id="soon after a step that took long: gathered"),
        pytest.param(10.0, 30.0, 20.0, True, id="at most for an interval"),
        pytest.param(10.0, 30.0, 19.0, False, id="not before it is over"),
    ],
)
async def test_what_comes_is_gathered_as_long_as_a_step_is_worth(took_s, interval_s, later_s, stepped):
    """Steps take a quarter of the time at most, and nobody waits longer than an interval."""
    clock = Clock()
    clock.took_s = took_s
    async with running(clock, interval_s=interval_s) as pump:
        pump.wake.set()
        await settle()
        assert len(clock.steps) == 1
        clock.now += later_s
        pump.wake.set()
        await settle()
        assert len(clock.steps) == 1 + stepped


async def test_it_ends_with_a_last_step():
    """Also while it gathers, and where nobody would have missed it yet."""
    clock = Clock()
    clock.took_s = 10.0
    async with running(clock, interval_s=LONG_S, can_wait=lambda: len(clock.steps) == 1) as pump:
        pump.wake.set()
        await settle()
        pump.wake.set()
        await settle()
        assert len(clock.steps) == 1
    assert len(clock.steps) == 2


async def test_what_nobody_misses_waits():
    clock = Clock()
    can_wait = [True]
    async with running(clock, interval_s=LONG_S, can_wait=lambda: can_wait[0]) as pump:
        pump.wake.set()
        await settle()
        assert clock.steps == []
        can_wait[0] = False
        pump.wake.set()
        await settle()
        assert len(clock.steps) == 1


async def test_who_can_wait_is_asked_again_before_long():
    """What nobody misses is not left until somebody comes, or until all is quiet."""
    clock = Clock()
    asked: list[float] = []
    twice = asyncio.Event()

    def can_wait() -> bool:
        asked.append(clock.now)
        if len(asked) == 2:
            twice.set()
        return True

    pump = Pump(clock, clock.step, interval_s=LONG_S, idle_s=LONG_S, can_wait=can_wait, asks_every_s=0.0)
    task = asyncio.create_task(pump.run())
    pump.wake.set()
    await twice.wait()
    assert clock.steps == []
    pump.close()
    await task
    assert len(clock.steps) == 1


async def test_nothing_is_published_after_a_stage_broke():
    clock = Clock()
    clock.failed = True
    async with running(clock, interval_s=LONG_S) as pump:
        pump.wake.set()
        await settle()
    assert clock.steps == []
