"""Shop series of our own making: orders an hour with the shape of a day and a week, trends, gaps and noise."""

import math
import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from lockstep.measure.anomaly_detector import SENSITIVITY, Detector, Incidents, Reading

HOUR = 3_600
LONDON = ZoneInfo("Europe/London")
START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday


def usual(local: datetime) -> float:
    """How busy a shop is: asleep at night, busiest at noon and in the evening, quiet on Sundays."""
    hour = local.hour + local.minute / 60
    day = 0.05 + math.exp(-(((hour - 12) / 3) ** 2)) + 0.7 * math.exp(-(((hour - 20) / 2) ** 2))
    return day * (0.5 if local.weekday() == 6 else 1.0)


def poisson(draw: random.Random, mean: float) -> int:
    """One draw (Knuth for small means, a rounded normal for large ones)."""
    if mean > 60:
        return max(0, round(draw.gauss(mean, math.sqrt(mean))))
    limit, product, n = math.exp(-mean), draw.random(), 0
    while product > limit:
        product *= draw.random()
        n += 1
    return n


def bursty(draw: random.Random, mean: float, shape: float = 8.0) -> int:
    """Negative-binomial: the mean itself wavers, as with campaigns and weather. shape: the smaller, the more."""
    return poisson(draw, mean * draw.gammavariate(shape, 1 / shape))


def hours(days: int, step_s: int = HOUR) -> Iterator[tuple[int, datetime]]:
    """(start in seconds since the epoch, the same in the shop's zone)."""
    for i in range(days * 86_400 // step_s):
        at = START + timedelta(seconds=i * step_s)
        yield int(at.timestamp()), at.astimezone(LONDON)


def wall_s(local: datetime) -> int:
    """Seconds since 1970-01-01 00:00 on the wall."""
    return int(local.replace(tzinfo=UTC).timestamp())


def orders(
    seed: int,
    *,
    days: int = 60,
    mean: float = 20,
    change: Callable[[int, datetime], float] = lambda hour, local: 1.0,
    noise: Callable[[random.Random, float], int] = poisson,
) -> list[tuple[int, datetime, float]]:
    """Orders an hour; `change` multiplies what is usual, by the number of the hour and its local time."""
    draw = random.Random(seed)
    return [
        (at, local, float(noise(draw, mean * usual(local) * change(i, local))))
        for i, (at, local) in enumerate(hours(days))
    ]


def readings(values: Iterable[tuple[int, datetime, float | None]], *, is_count: bool = True) -> list[Reading]:
    """What a detector makes of a series; a bucket of None is missing."""
    detector = Detector(is_count=is_count)
    return [detector.observe(at, wall_s(local), v) for at, local, v in values if v is not None]


def alarms(read: Iterable[Reading], bar: float = SENSITIVITY["medium"]) -> list[int]:
    """The places at which an alarm begins."""
    return [i for i, (before, now) in enumerate(pairwise([False, *open_at(read, bar)])) if now > before]


def open_at(read: Iterable[Reading], bar: float) -> list[bool]:
    """Whether an alarm is open, at each reading."""
    incidents, found = Incidents(), []
    for reading in read:
        incidents.take(reading)
        found.append(incidents.worth >= bar)
    return found
