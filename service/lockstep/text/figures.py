"""Numbers, times and lengths of time as people read them."""

import operator
from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from lockstep.text.time_units import DAY_S

PERCENT = "%"
"""The unit of a share: 0.125 is read as 12.5%."""
HOURS, DAYS = "h", "d"
"""Units of lengths of time, which are read as `40.05 hours`, `3.5 days` and, below one of them, `30 minutes`. Those of
a shop call them by their names, `hours` and `days`."""
MONEY = "money"
"""The unit of money, alone or before its currency (`money EUR`): 1234.5 is read as `1,235 EUR`."""
TIMES = "x"
"""The unit of a multiple: 1.8 is read as `1.8x`."""
THINGS = ("orders", "units", "visits")
"""Units of numbers of things: 180 is read as `180 orders`."""
_LENGTHS = {HOURS: ("hour", 3600), DAYS: ("day", DAY_S), "hours": ("hour", 3600), "days": ("day", DAY_S)}


class Figure(str):
    """A number as people read it, which knows the number. number: None where there is none. unit: see `number_text`.

    Beside a number it is that number: `{% if value > 20 %}`. One that is not known is neither more nor less.
    """

    __slots__ = ("number", "unit")
    number: float | None
    unit: str

    def __new__(cls, text: str, number: float | None = None, unit: str = "") -> "Figure":
        figure = super().__new__(cls, text)
        figure.number, figure.unit = number, unit
        return figure

    def _beside(self, other: object, compare: Callable[[Any, Any], bool]) -> bool:
        if isinstance(other, Figure) and other.number is not None:
            other = other.number
        if isinstance(other, int | float):
            return self.number is not None and compare(self.number, other)
        return NotImplemented if not isinstance(other, str) else compare(str(self), str(other))

    def __lt__(self, other: object) -> bool:
        return self._beside(other, operator.lt)

    def __le__(self, other: object) -> bool:
        return self._beside(other, operator.le)

    def __gt__(self, other: object) -> bool:
        return self._beside(other, operator.gt)

    def __ge__(self, other: object) -> bool:
        return self._beside(other, operator.ge)

    def __eq__(self, other: object) -> bool:
        is_number = isinstance(other, int | float)
        return self.number == other if is_number else super().__eq__(other)

    __hash__ = str.__hash__


def number_text(value: float | None, unit: str = "") -> str:
    """A number without noise: 42, 1,234, 12.5, 0.25; as a share 25%, as money €19.90, as hours `36 hours`.

    unit: "", PERCENT, TIMES, HOURS, DAYS, one of THINGS, or MONEY with or without a currency; any other word is said
    behind the number.
    """
    if value is None:
        return "no data"
    if unit in _LENGTHS:
        name, seconds = _LENGTHS[unit]
        if 0 < value < 1:
            return duration_words(value * seconds)
        return f"{number_text(value)} {name}{'' if value == 1 else 's'}"
    if unit.startswith(MONEY):
        is_whole = value == round(value, 0)
        return money_text(value, unit.removeprefix(MONEY).strip(), digits=0 if is_whole or abs(value) >= 1000 else 2)
    if unit == PERCENT:
        return f"{number_text(value * 100)}%"
    if unit == TIMES:
        return f"{number_text(value)}x"
    if unit in THINGS:
        text = number_text(value)
        return f"{text} {unit[:-1] if text == '1' else unit}"
    if unit:
        return f"{number_text(value)} {unit}"
    if abs(value) >= 1e15 or value != value:
        return f"{value:.3g}"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 1:
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{value:.3g}"


def measured_text(value: float | None, unit: str = "", beside: float | None = None) -> str:
    """A measured number as people use it: more digits than they act on are left out. What a rule asks for is written
    as its author wrote it, by `number_text`.

    Shares, hours and days, numbers of things and multiples are whole from 10 on (`85%`, `12 hours`), have one place
    from 1 on (`4.5 days`, `2.3x`) and two below. Money and plain numbers are as `number_text` has them. beside: a
    number that it must not look equal to unless it is: 85.26% beside 85% is 85.3%, as far as two places tell.
    """
    if value is None:
        return "no data"
    if not abs(value) < 1e15:
        return number_text(value, unit)
    text = number_text(_rounded(value, unit), unit)
    if beside is None or value == beside or text != number_text(beside, unit):
        return text
    scale = 100 if unit == PERCENT else 1
    closer = (number_text(round(value * scale, digits) / scale, unit) for digits in (1, 2))
    return next((one for one in closer if one != text), text)


def _rounded(value: float, unit: str) -> float:
    if unit == PERCENT:
        return float(_acted_on(value * 100)) / 100
    if unit in _LENGTHS and 0 < value < 1:
        return value  # told in the next smaller unit
    return float(_acted_on(value)) if unit in _LENGTHS or unit in THINGS or unit == TIMES else value


def _acted_on(value: float) -> Decimal:
    """Whole from 10 on, with one place from 1 on, with two below; what is there is never told as nothing."""
    places = 0 if abs(value) >= 10 else 1 if abs(value) >= 1 else 2
    rounded = Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return rounded if rounded or not value else Decimal("0.01").copy_sign(Decimal(repr(value)))


def ratio_text(value: float | None) -> str:
    """`3.1x`; "" for None."""
    return "" if value is None else f"{number_text(round(value, 1 if abs(value) >= 1 else 2))}x"


def rounded_text(value: float, digits: int = 0) -> str:
    """Rounded as people do it, halves away from zero: 2.5 is 3, 1234.565 with two digits 1,234.57."""
    try:
        return f"{Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):,f}"
    except InvalidOperation:  # beyond 28 digits there is nothing to round
        return number_text(value)


def rounded_figure(number: float, digits: int, unit: str) -> str:
    """A number with so many digits in its unit, see `number_text`: `6 days`, `25%`, `20 EUR`."""
    if unit.startswith(MONEY):
        return money_text(number, unit.removeprefix(MONEY).strip(), digits=digits)
    text = rounded_text(number * 100 if unit == PERCENT else number, digits)
    if unit in _LENGTHS:
        return f"{text} {_LENGTHS[unit][0]}{'' if text.lstrip('-') == '1' else 's'}"
    return f"{text} {unit}" if unit in THINGS else text + unit


def money_text(value: float, currency: str = "", *, digits: int = 2) -> str:
    """`1,234.50`, `€1,234.50` with a sign of a currency, `1,234.50 EUR` with its letters."""
    text = rounded_text(abs(value), digits)
    minus = "-" if value < 0 and text.strip("0.,") else ""
    if currency.isalpha():
        return f"{minus}{text} {currency}"
    return f"{minus}{currency}{text}"


def time_text(moment: str, zone: ZoneInfo) -> str:
    """A moment in the shop's zone, with the zone: `Tue 24 Nov 2026 09:30 GMT`."""
    local = datetime.fromisoformat(moment).astimezone(zone)
    name = local.strftime("%Z")
    return f"{local:%a} {local.day} {local:%b %Y %H:%M} {name if name[:1].isalpha() else 'UTC' + name}"


def duration_words(seconds: float) -> str:
    """`90 seconds`, `15 minutes`, `2 hours 5 minutes`, `3 days`; never more than two units."""
    left = max(0, round(seconds))
    if left < 60 or (left < 120 and left % 60):
        return many(left, "second")
    left -= left % (60 if left >= 600 else 1)
    words: list[str] = []
    for unit, size in (("day", DAY_S), ("hour", 3600), ("minute", 60), ("second", 1)):
        if left >= size and len(words) < 2:
            words.append(many(left // size, unit))
            left %= size
    return " ".join(words)


def many(count: int, noun: str) -> str:
    """`1 order`, `1,200 orders`: so many of a thing whose plural has an s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def usual_text(value: float, unit: str = "") -> str:
    """What is usual, to one place or to the whole number: more is not known of it. 3.75 is 3.8, 412.5 is 412."""
    if unit:
        return measured_text(value, unit)
    return number_text(round(value) if abs(value) >= 100 else round(value, 1))
