"""What a chart shows, in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

LEAST_POINTS = 4
"""Points with a value, without which there is nothing to see."""
LEAST_STEPS = 3
"""The same of a level; of a change what it was and what it is."""


class Point(msgspec.Struct, frozen=True, array_like=True):
    """A verdict's numbers at one instant (seconds).

    sigma: the usual scatter around the baseline, where it is known. low, high: between which a value is usual, where
    that is known and is no scatter around the baseline.
    """

    at: float
    value: float | None
    baseline: float | None
    sigma: float | None
    limit: float | None
    low: float | None = None
    high: float | None = None

    @property
    def usual(self) -> tuple[float, float] | None:
        """Between which a value is usual; None where nobody knows."""
        if self.low is not None and self.high is not None:
            return self.low, self.high
        if self.baseline is None or not self.sigma:
            return None
        return self.baseline - self.sigma, self.baseline + self.sigma


@dataclass
class Curve:
    """The numbers around one episode, in the order of time. steps: values hold until the next one (a level)."""

    points: list[Point] = field(default_factory=list)
    steps: bool = False


class Marked(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of the calendar, in seconds: a campaign, a holiday or closed days, by their name.

    kind: of `lockstep.calendar.KINDS`.
    """

    name: str
    start: float
    end: float
    kind: str = "campaign"


class Spot(msgspec.Struct, frozen=True, array_like=True):
    """An instant, in seconds, and a value."""

    at: float
    value: float


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """What a chart shows. Times in seconds since the epoch.

    points: in the order of time. steps: values hold until the next one. unit: see `text.figures.number_text`. value,
    reference: what was told, of `told_at`, beside `reference_is` (`usual`, `before` or `limit`). limit: that the value
    must not look equal to, as in the message. fired: when it fired.
    ended: when it was over; None while it goes on. window: the stretch that the value is of; None for a level.
    before: what the value is compared with, where that is what it was. ahead: where the value gets to at its pace,
    which ends at its limit or where the rule looks no further; until: up to when it looks ahead. marks: what the
    calendar says of that time.
    """

    points: tuple[Point, ...]
    steps: bool = False
    unit: str = ""
    severity: str
    value: float | None
    reference: float | None
    reference_is: str
    limit: float | None = None
    told_at: float
    fired: float
    ended: float | None = None
    window: tuple[float, float] | None = None
    before: Spot | None = None
    ahead: Spot | None = None
    until: float | None = None
    marks: tuple[Marked, ...] = msgspec.field(default=(), name="campaigns")


class NoChart(StrEnum):
    """Why a change has no chart, in words."""

    NEW = "what is seen for the first time has no past that could be drawn"
    SHORT = "too little had been measured before it to draw a line"
    NO_DATA = "there was no data"
    GONE = "the history that it was judged by is not there any more"


@dataclass(frozen=True)
class ToldPast:
    """points: of a curve, the last of which is what was told. least: of a chart. The others are as those of `Chart`."""

    points: Sequence[Point]
    steps: bool = False
    before: Spot | None = None
    ahead: Spot | None = None
    until: float | None = None
    least: int = LEAST_POINTS
