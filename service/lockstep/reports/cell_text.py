"""The values of a report as people read them; every rendering takes the texts from here.

Units: "" a count, `%` a share (0.125 is 13%), `points` a difference of shares (0.05 is +5 points), `money GBP` minor
units of a currency, `hours`, `days`, `x`, `day` a date, `moment` an instant, `text`, `sentence`: what has a line of its
own.
"""

from datetime import date, datetime
from typing import assert_never
from zoneinfo import ZoneInfo

from lockstep.reports.report_record import Figure, Section, Value
from lockstep.shop.exchange import money_unit
from lockstep.text.currency import decimals
from lockstep.text.figures import (
    MONEY,
    PERCENT,
    POINTS,
    TIMES,
    estimated_text,
    measured_number,
    measured_text,
    ratio_text,
    signed_text,
    time_text,
)

NOT_KNOWN = "not known"
SENTENCE = "sentence"
SAME = "the same"
SAME_PART = 0.005
"""Two numbers that are no further apart than this share of the second are told as the same."""
SAME_POINTS = 0.0005
"""The same of two shares."""


def money_words(minor: int | float, currency: str) -> str:
    """`1,235 EUR`; below 100 of it with its cents. minor: minor units."""
    return measured_text(minor / 10 ** decimals(currency), money_unit(currency))


def stake_money(minor: int | float, currency: str) -> str:
    """What is at stake: an estimate, without cents from 10 of it on."""
    return estimated_text(minor / 10 ** decimals(currency), money_unit(currency))


def day_words(day: date, *, year: bool = False) -> str:
    """`Mon 30 Nov`."""
    return f"{day:%a} {day.day} {day:%b}{f' {day.year}' if year else ''}"


def cell_text(value: Value, unit: str, zone: ZoneInfo) -> str:
    """A value as people read it; `not known` for None."""
    match value:
        case None:
            return NOT_KNOWN
        case str():
            if unit == "day" and value:
                return day_words(date.fromisoformat(value))
            if unit == "moment" and value:
                return short_moment(value, zone)
            return value
        case int() | float():
            return _number(value, unit)
        case _:
            assert_never(value)


def _number(value: int | float, unit: str) -> str:
    """What is counted stands in the head of a figure or column, and not in its cell."""
    if unit.startswith(MONEY):
        return money_words(value, unit.removeprefix(MONEY).strip())
    if unit == POINTS:
        return signed_text(value, POINTS)
    return measured_text(value, unit) if unit in (PERCENT, TIMES, "hours", "days") else measured_number(value)


def short_moment(moment: str, zone: ZoneInfo) -> str:
    """`Mon 30 Nov 14:05`, in the shop's time."""
    local = datetime.fromisoformat(moment).astimezone(zone)
    return f"{day_words(local)} {local:%H:%M}"


def long_moment(moment: str, zone: ZoneInfo) -> str:
    """The same with year and zone."""
    return time_text(moment, zone)


def figure_text(figure: Figure, zone: ZoneInfo) -> str:
    """The value of a figure."""
    return cell_text(figure.value, figure.unit, zone)


def curve_words(figure: Figure, zone: ZoneInfo) -> str:
    """What a small chart shows, for whoever does not see it: `Orders, the oldest first: 96, 98, not known, 128`."""
    return f"{figure.title}, the oldest first: {', '.join(cell_text(n, figure.unit, zone) for n in figure.curve)}"


def curve_name(section: Section, figure: Figure) -> str:
    """What the small chart of a figure is called: no two of a report alike."""
    return f"{section.name}/{figure.name}"


def change_text(value: int | float | None, other: int | float | None, unit: str) -> str:
    """How a value differs from another: `+12%`, `the same`; of shares in points, `-1.2 points`; "" where one is not
    known or the other is 0."""
    if value is None or other is None:
        return ""
    if unit == PERCENT:
        text = signed_text(value - other, POINTS)
        return SAME if abs(value - other) < SAME_POINTS else text
    if other == 0:
        return ""
    change = (value - other) / abs(other)
    if abs(change) < SAME_PART:
        return SAME
    if change > 4:
        return ratio_text(value / other)
    return signed_text(change, PERCENT)


def is_better(value: int | float | None, other: int | float | None, good: str) -> bool | None:
    """Whether a value is better than the other; None where it is neither or nobody says what is good (`up`, `down`)."""
    if value is None or other is None or not good:
        return None
    change = value - other
    if abs(change) <= SAME_PART * abs(other):
        return None
    return (change > 0) == (good == "up")
