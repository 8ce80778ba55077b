"""What a chart shows, in numbers."""

from dataclasses import dataclass, field

import msgspec


class Point(msgspec.Struct, frozen=True, array_like=True):
    """A verdict's numbers at one instant (seconds). sigma: the usual scatter around the baseline, where it is known."""

    at: float
    value: float | None
    baseline: float | None
    sigma: float | None
    limit: float | None


@dataclass
class Curve:
    """The numbers around one episode, in the order of time. steps: values hold until the next one (a level)."""

    points: list[Point] = field(default_factory=list)
    steps: bool = False


class Marked(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of the calendar, in seconds: a campaign by its name."""

    name: str
    start: float
    end: float


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """What a chart shows. Times in seconds since the epoch.

    points: in the order of time. steps: values hold until the next one. unit: see `text.figures.number_text`. value,
    reference: what was told, of `told_at`, beside `reference_is` (`usual` or `limit`). fired: when it fired. ended:
    when it was over; None while it goes on. window: the stretch that the value is of; None for a level.
    """

    points: tuple[Point, ...]
    steps: bool = False
    unit: str = ""
    severity: str
    value: float | None
    reference: float | None
    reference_is: str
    told_at: float
    fired: float
    ended: float | None = None
    window: tuple[float, float] | None = None
    campaigns: tuple[Marked, ...] = ()
