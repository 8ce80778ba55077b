"""The noise of counts: how often chance alone takes a count as far from its usual as this.

Orders come at random even when nothing changes. With the usual m known from n windows, the count of the next window has
a negative binomial distribution with mean m and variance φ·m·(1 + 1/n): the Poisson's own m, the uncertainty of m
itself, and φ for what weeks differ beyond chance. For φ = 1 that is exactly the predictive distribution of a Poisson
count under Jeffreys' prior (Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.6). φ is the variance that the
baseline windows show over that of a Poisson count, never below 1 (the quasi-Poisson of McCullagh and Nelder,
Generalized Linear Models, 2nd ed., section 6.2): the smaller of two estimates. The median absolute deviation does not
let one odd week deafen the rule; corrected for few windows (Croux and Rousseeuw, Time-efficient algorithms for two
highly robust estimators of scale, 1992) it makes of 60, 100 and 140 more than twice the scatter that they have, which
the sample variance says.

A negative binomial whose φ is large is mostly zeros: it takes weeks of bursts for proof that a week may bring nothing.
Three or four windows cannot prove that, so for falls the rate is held to differ by half of itself from week to week
at most (a shape of 4). From that follows what a fall needs: see `tellable_from`.

Weakness: from three or four windows φ is a rough estimate, so real alarm rates of counts that scatter strongly lie
above the stated chance (rates that differ by 40 % from week to week: 4 to 8 in 100 for a stated 1 in 1000); and
neighbouring windows share events, so the chance is that of one window, not of a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, lgamma, log, log1p, sqrt

_SMALL_SAMPLE = (1.0, 1.0, 1.196, 1.495, 1.363, 1.206, 1.200, 1.140, 1.129, 1.107)
"""By how much the MAD of so many normal values is too small (Croux and Rousseeuw 1992, table)."""

FEW_WINDOWS = 4
"""So few cannot show how far a count may fall."""
_LEAST_SHAPE = 4.0
"""Of the rate of falls from few windows: a coefficient of variation of 1/√4."""

_TINY = 1e-300
_MOST_STEPS = 5_000


@dataclass(frozen=True)
class Noise:
    """The distribution of a count. mean: what is expected; dispersion: φ; windows: how many that is known from."""

    mean: float
    windows: float
    dispersion: float = 1.0

    def _shape(self) -> tuple[float, float]:
        """(r, p) of the negative binomial."""
        mean = self.mean + 0.5 / self.windows
        ratio = self.dispersion * (1 + 1 / self.windows)  # variance over mean
        return mean / (ratio - 1), 1 / ratio

    def rises(self, count: float) -> float:
        """The chance of this count or a larger one."""
        if count <= 0:
            return 1.0
        r, p = self._shape()
        return beta_tail(count, r, 1 - p)

    def falls(self, count: float) -> float:
        """The chance of this count or a smaller one."""
        r, p = self._shape()
        return beta_tail(r, count + 1, p)


def mean_within(values: list[float], middle: float, sigma: float) -> float:
    """The mean, with values further than three deviations from the middle pulled in to there.

    The median of small counts lies below their mean (of 0, 0, 1 it is 0); of counts an odd week must not move it far.
    """
    reach = 3 * max(sigma, sqrt(max(middle, 1.0)))
    return sum(min(max(v, middle - reach), middle + reach) for v in values) / len(values)


def noise_of(values: Sequence[float], usual: float, sigma: float, windows: float, *, falling: bool) -> Noise:
    """The noise around a usual value; of several windows, their mean.

    values: of the windows; one: it says nothing of their scatter. sigma: 1.4826 · their MAD. windows: how many windows
    long they are together. falling: whether it is to say how rare a fall is.
    """
    dispersion, n = 1.0, len(values)
    if n > 1 and usual > 0:
        correction = _SMALL_SAMPLE[n] if n < len(_SMALL_SAMPLE) else n / (n - 0.8)
        mean = sum(values) / n
        by_median = (correction * sigma) ** 2 / usual
        by_variance = sum((v - mean) ** 2 for v in values) / (n - 1) / mean if mean > 0 else by_median
        dispersion = max(1.0, min(by_median, by_variance))
        if falling and n <= FEW_WINDOWS:
            dispersion = min(dispersion, 1 + usual / _LEAST_SHAPE)
    return Noise(max(usual, 0.0), windows, dispersion)


def tellable_from(chance: float, windows: float) -> float:
    """The usual value from which on not one event is as rare as asked, where windows scatter no more than chance.

    windows: of how many the usual value is known. Below it no fall can be told. The root of (n / (n + 1)) ^ (n·m + ½) =
    chance: the predictive distribution at 0.
    """
    return (log(1 / chance) / log1p(1 / windows) - 0.5) / windows


def beta_tail(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b) (DLMF 8.17.22, by Lentz's method)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_tail(b, a, 1 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    return min(1.0, front * _continued_fraction(a, b, x) / a)


def _continued_fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > _TINY else _TINY)
    result, before = d, inf
    for m in range(1, _MOST_STEPS):
        for factor in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + factor * d
            c = 1 + factor / c
            d = 1 / (d if abs(d) > _TINY else _TINY)
            c = c if abs(c) > _TINY else _TINY
            result *= c * d
        if abs(result - before) <= 1e-13 * abs(result):
            break
        before = result
    return result
