"""Series that are wild by nature: heavy tails, batches that recur, bursts, and counts that are nearly always zero.

Nothing in them is news after a while. A year of hours each; `WILD` names them all.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from shop_series import HOUR, LONDON, START, poisson, usual, wall_s

MONTH_S = 30 * 86_400

Draw = Callable[[random.Random, int, float], float]
"""(dice, number of the bucket, how busy the shop is at that time) → value."""


@dataclass(frozen=True)
class Wild:
    """A kind of series. is_count: whether its values are counts."""

    draw: Callable[[], Draw]
    is_count: bool = False
    step_s: int = HOUR

    def buckets(self, seed: int, months: int) -> Iterator[tuple[int, int, float]]:
        """(start in seconds since the epoch, the same on the shop's wall, value)."""
        dice, value = random.Random(seed), self.draw()
        for i in range(months * MONTH_S // self.step_s):
            at = START + timedelta(seconds=i * self.step_s)
            local = at.astimezone(LONDON)
            yield int(at.timestamp()), wall_s(local), value(dice, i, usual(local))


def _each(draw: Draw) -> Callable[[], Draw]:
    return lambda: draw


def _student(freedom: float) -> Draw:
    return lambda dice, i, busy: dice.gauss(0, 1) / math.sqrt(dice.gammavariate(freedom / 2, 2 / freedom))


def _revenue(order: Callable[[random.Random], float], orders: float = 5) -> Draw:
    """What so many orders an hour of the busiest time bring in."""
    return lambda dice, i, busy: sum(order(dice) for _ in range(poisson(dice, orders * busy)))


def _batch(every: float, height: float, *, spread: float = 0.05, usually: float = 100, jitter: int = 0) -> Draw:
    """A batch order every so many buckets, first after 500."""

    def draw(dice: random.Random, i: int, busy: float) -> float:
        number = round((i - 500) / every)
        at = 500 + round(number * every) + (random.Random(number).randint(-jitter, jitter) if jitter else 0)
        return (
            usually
            + dice.gauss(0, usually / 10)
            + (height * (1 + dice.gauss(0, spread)) if i == at >= 500 - jitter else 0)
        )

    return draw


def _at_random(mean_gap: float, height: Callable[[random.Random], float]) -> Draw:
    return lambda dice, i, busy: 100 + dice.gauss(0, 10) + (height(dice) if dice.random() < 1 / mean_gap else 0)


def _bursts(gap: float, length: float, times: float) -> Callable[[], Draw]:
    """Orders that come in bursts of a geometric length, `times` as many as otherwise."""

    def start() -> Draw:
        left = 0

        def draw(dice: random.Random, i: int, busy: float) -> float:
            nonlocal left
            if left:
                left -= 1
            elif dice.random() < 1 / gap:
                left = 1 + int(dice.expovariate(1 / length))
            return float(poisson(dice, 10 * busy * (times if left else 1)))

        return draw

    return start


def _wavering(shape: float, mean: float) -> Draw:
    return lambda dice, i, busy: float(poisson(dice, mean * busy * dice.gammavariate(shape, 1 / shape)))


def _sparse(mean: float, batch: Callable[[random.Random], int]) -> Draw:
    return lambda dice, i, busy: float(sum(batch(dice) for _ in range(poisson(dice, mean * busy))))


def _walk() -> Draw:
    """The volatility itself wanders, as of prices."""
    log_scale = 0.0

    def draw(dice: random.Random, i: int, busy: float) -> float:
        nonlocal log_scale
        log_scale = 0.98 * log_scale + dice.gauss(0, 0.25)
        return 100 + math.exp(log_scale) * dice.gauss(0, 1)

    return draw


WILD = {
    "log-normal, sigma 1": Wild(_each(lambda d, i, busy: d.lognormvariate(3, 1))),
    "log-normal, sigma 2": Wild(_each(lambda d, i, busy: d.lognormvariate(3, 2))),
    "Pareto, alpha 3": Wild(_each(lambda d, i, busy: d.paretovariate(3))),
    "Pareto, alpha 1.5": Wild(_each(lambda d, i, busy: d.paretovariate(1.5))),
    "Pareto, alpha 1": Wild(_each(lambda d, i, busy: d.paretovariate(1))),
    "Student, 4 degrees": Wild(_each(_student(4))),
    "Student, 2 degrees": Wild(_each(_student(2))),
    "Cauchy": Wild(_each(_student(1))),
    "exponential": Wild(_each(lambda d, i, busy: d.expovariate(0.1))),
    "revenue of log-normal orders": Wild(_each(_revenue(lambda d: d.lognormvariate(3, 1)))),
    "revenue of Pareto orders": Wild(_each(_revenue(lambda d: 20 * d.paretovariate(1.5)))),
    "volatility that wanders": Wild(_walk),
    "a batch every 10 hours": Wild(_each(_batch(10, 10_000))),
    "a batch every 26 hours": Wild(_each(_batch(26, 10_000))),
    "a batch every 50 hours": Wild(_each(_batch(50, 10_000))),
    "a batch every 50 hours, of tenfold": Wild(_each(_batch(50, 1_000))),
    "a batch every 50 hours, of any size": Wild(_each(_batch(50, 10_000, spread=0.4))),
    "a batch every 100 hours": Wild(_each(_batch(100, 2_000))),
    "a batch every 5 days": Wild(_each(_batch(121, 5_000, jitter=12))),
    "a batch every 10 days": Wild(_each(_batch(243, 3_000, jitter=24))),
    "a batch every 20 days": Wild(_each(_batch(483, 3_000, jitter=24))),
    "a batch at random, of 5": Wild(_each(_at_random(60, lambda d: 500 + d.gauss(0, 50)))),
    "a batch at random, Pareto": Wild(_each(_at_random(60, lambda d: 500 * d.paretovariate(1)))),
    "bursts": Wild(_bursts(60, 5, 6), is_count=True),
    "rare bursts": Wild(_bursts(200, 10, 20), is_count=True),
    "wavering, shape 2": Wild(_each(_wavering(2, 20)), is_count=True),
    "wavering, shape 0.5": Wild(_each(_wavering(0.5, 20)), is_count=True),
    "wavering, of 200": Wild(_each(_wavering(2, 200)), is_count=True),
    "sparse": Wild(_each(_sparse(0.05, lambda d: 1)), is_count=True),
    "sparse, in batches": Wild(_each(_sparse(0.05, lambda d: int(d.paretovariate(1)))), is_count=True),
    "sparse, twenty at once": Wild(_each(_sparse(0.02, lambda d: 20)), is_count=True),
    "log-normal in five minutes": Wild(_each(lambda d, i, busy: d.lognormvariate(3, 1)), step_s=300),
    "Pareto in five minutes": Wild(_each(lambda d, i, busy: d.paretovariate(1.5)), step_s=300),
    "a batch every 300 buckets of five minutes": Wild(_each(_batch(300, 10_000)), step_s=300),
}
