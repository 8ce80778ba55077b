"""The little picture of a day: bars for what came in each hour, a line for what is usual; points, without markup."""

from collections.abc import Sequence
from dataclasses import dataclass

from lockstep.shop.subjects.day_course import HOURS, DayCourse
from lockstep.text.figures import measured_number

WIDTH, HEIGHT = 240, 48
"""Of the picture, in its own units: ten a hour."""
_SLOT = WIDTH / HOURS


@dataclass(frozen=True)
class Bar:
    """A rectangle. x, y: of its upper left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class DayPicture:
    """usual: points of a line, as SVG has them; "" for none. words: what the picture shows, for who does not see it."""

    bars: Sequence[Bar]
    usual: str
    words: str


def day_picture(course: DayCourse, what: str) -> DayPicture | None:
    """what: is counted, `orders`. None where nothing came and nothing is usual."""
    most = max([*map(float, course.came), *map(float, course.usual)], default=0.0)
    if not most:
        return None
    scale = (HEIGHT - 2) / most
    bars = [
        Bar(round(hour * _SLOT + 1.5, 1), round(HEIGHT - number * scale, 1), _SLOT - 3, round(number * scale, 1))
        for hour, number in enumerate(course.came)
        if number
    ]
    points = [
        f"{edge:g},{round(HEIGHT - float(number) * scale, 1):g}"
        for hour, number in enumerate(course.usual)
        for edge in (hour * _SLOT, (hour + 1) * _SLOT)
    ]
    return DayPicture(bars, " ".join(points), _words(course, what))


def _words(course: DayCourse, what: str) -> str:
    """`Most came at 12:00: 31 orders, usually 24. By the hour: …`."""
    parts = []
    for hour, number in enumerate(course.came):
        usual = f" (usually {measured_number(float(course.usual[hour]))})" if course.usual else ""
        if number or (course.usual and course.usual[hour]):
            parts.append(f"{hour}:00 {measured_number(number)}{usual}")
    return f"{what.capitalize()} by the hour: {', '.join(parts) or 'none yet'}."
