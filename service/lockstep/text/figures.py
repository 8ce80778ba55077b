"""Numbers, times and lengths of time as people read them."""

import operator
import re
from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

from lockstep.text.currency import decimals
from lockstep.text.time_units import DAY_S

PERCENT = "%"
"""The unit of a share: 0.125 is read as 12.5%."""
POINTS = "points"
"""The unit of a difference of shares: 0.05 is read as `5 points`."""
HOURS, DAYS = "h", "d"
"""Units of lengths of time, which are read as `40.05 hours`, `3.5 days` and, below one of them, `30 minutes`. Those of
a shop call them by their names, `hours` and `days`."""
MONEY = "money"
"""The unit of money, alone or before its currency (`money EUR`): 1234.5 is read as `1,235 EUR`."""
TIMES = "x"
"""The unit of a multiple: 1.8 is read as `1.8x`."""
THINGS = ("orders", "units", "visits")
"""Units of numbers of things: 180 is read as `180 orders`."""
LONG_HOURS = 96
"""So many hours that were measured and more are told as days."""
_HOURS = (HOURS, "hours")
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

    unit: "", PERCENT, POINTS, TIMES, HOURS, DAYS, one of THINGS, or MONEY with or without a currency; any other word
    is said behind the number. For what somebody wrote (a limit of a rule); what was measured is `measured_text`.
    """
    if value is None:
        return "no data"
    if unit in _LENGTHS:
        name, seconds = _LENGTHS[unit]
        if 0 < value < 1:
            return duration_words(max(1, value * seconds))
        return _counted(number_text(value), name)
    if unit.startswith(MONEY):
        is_whole = value == round(value, 0)
        return _money(value, unit, digits=0 if is_whole or abs(value) >= 1000 else None)
    if unit in (PERCENT, POINTS):
        text = _digits(_exact(value).scaleb(2)) if _is_ordinary(value) else number_text(value * 100)
        return f"{text}%" if unit == PERCENT else _counted(text, "point")
    text = _digits(_exact(value)) if _is_ordinary(value) else f"{value:.3g}"
    return _in_unit(text, unit)


def measured_text(value: float | None, unit: str = "", beside: float | None = None) -> str:
    """A measured number as people use it: more digits than they act on are left out. Every tile, report, chart and
    alert writes what was measured with this, so that all of them say the same.

    Shares, points, hours and days, numbers of things and multiples are as `measured_number` has them: `85%`, `2.3x`,
    `4.5 days`, `12 hours`; part of an hour or a day is told in the next smaller unit, hours from LONG_HOURS on as days.
    Money has its cents below 100 of it, unless it is whole. Plain numbers are as `number_text` has them: what they
    count nobody knows. beside: a number that it must not look equal to unless it is: 85.26% beside 85% is 85.3%, as far
    as two places tell.
    """
    if value is None:
        return "no data"
    if not _is_ordinary(value):
        return number_text(value, unit)
    if unit in _HOURS and abs(value) >= LONG_HOURS:
        return measured_text(value / 24, DAYS, None if beside is None else beside / 24)
    text = _rounded_text(value, unit)
    if beside is None or value == beside or text != number_text(beside, unit):
        return text
    scale = 2 if unit in (PERCENT, POINTS) else 0
    closer = (number_text(float(_half_up(_exact(value), digits + scale)), unit) for digits in (1, 2))
    return next((one for one in closer if one != text), text)


def estimated_text(value: float, unit: str) -> str:
    """Money that is estimated, such as what is at stake: whole from 10 of it on, as nobody knows its cents."""
    return measured_text(float(whole(value)) if abs(value) >= 10 else value, unit)


def measured_number(value: float) -> str:
    """A measured number without its unit: whole from 10 on, with one place from 1 on, with two below; what is there is
    never told as nothing: 0.001 is 0.01."""
    return _digits(_acted_on(_exact(value))) if _is_ordinary(value) else number_text(value)


def signed_text(value: float, unit: str = "") -> str:
    """A measured change, with a sign also where it is more: `+28 points`, `-6.4%`."""
    return f"{'+' if value > 0 else ''}{measured_text(value, unit)}"


def _rounded_text(value: float, unit: str) -> str:
    if unit in (PERCENT, POINTS):
        text = _digits(_acted_on(_exact(value).scaleb(2)))
        return f"{text}%" if unit == PERCENT else _counted(text, "point")
    if unit in _LENGTHS and not 0 < value < 1:
        return _counted(measured_number(value), _LENGTHS[unit][0])
    if unit.startswith(MONEY):
        cents = _half_up(_exact(value), decimals(unit.removeprefix(MONEY).strip()))
        return _money(value, unit, digits=0 if abs(cents) >= 100 or cents == int(cents) else None)
    if unit in THINGS or unit == TIMES:
        return _in_unit(measured_number(value), unit)
    return number_text(value, unit)


def whole(value: float | Fraction) -> int:
    """The nearest whole number, of two the one farther from 0: 2.5 is 3."""
    exact = value if isinstance(value, Fraction) else Fraction(_exact(value))
    return floor(abs(exact) + Fraction(1, 2)) * (-1 if exact < 0 else 1)


def _is_ordinary(value: float) -> bool:
    """Whether it has digits that anybody reads: neither beyond all measure nor no number."""
    return abs(value) < 1e15


def _exact(value: float | Decimal) -> Decimal:
    """As it is written: the hundredfold of 0.285 is 28.5, and not a little less."""
    return value if isinstance(value, Decimal) else Decimal(repr(float(value)))


def _half_up(number: Decimal, places: int) -> Decimal:
    """Rounded as people do it, halves away from zero."""
    return number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def _acted_on(number: Decimal) -> Decimal:
    places = 0 if abs(number) >= 10 else 1 if abs(number) >= 1 else 2
    rounded = _half_up(number, places)
    return rounded if rounded or not number else Decimal("0.01").copy_sign(number)


def _digits(number: Decimal) -> str:
    """Whole numbers and thousands without places, others with two, below 1 with three figures."""
    if not number:
        return "0"
    if number == int(number) or abs(number) >= 1000:
        return f"{_half_up(number, 0):,f}"
    if abs(number) >= 1:
        return f"{_half_up(number, 2):f}".rstrip("0").rstrip(".")
    return f"{float(_half_up(number, 2 - number.adjusted())):.3g}"


def _counted(text: str, noun: str) -> str:
    return f"{text} {noun}{'' if text.lstrip('-') == '1' else 's'}"


def _in_unit(text: str, unit: str) -> str:
    if unit in THINGS:
        return _counted(text, unit[:-1])
    return f"{text}{unit}" if unit == TIMES else f"{text} {unit}".rstrip()


def ratio_text(value: float | None) -> str:
    """`3.1x`; "" for None."""
    return "" if value is None else measured_text(value, TIMES)


def rounded_text(value: float | Decimal, digits: int = 0) -> str:
    """Rounded as people do it, halves away from zero: 2.5 is 3, 1234.565 with two digits 1,234.57."""
    try:
        rounded = _half_up(_exact(value), digits)
        return f"{rounded or abs(rounded):,f}"
    except InvalidOperation:  # beyond 28 digits there is nothing to round
        return number_text(float(value))


def rounded_figure(number: float, digits: int, unit: str) -> str:
    """A number with so many digits in its unit, see `number_text`: `6 days`, `25%`, `20 EUR`."""
    if unit.startswith(MONEY):
        return _money(number, unit, digits=digits)
    text = rounded_text(_exact(number).scaleb(2) if unit == PERCENT else number, digits)
    if unit in _LENGTHS:
        return _counted(text, _LENGTHS[unit][0])
    return f"{text} {unit}" if unit in THINGS else text + unit


def _money(value: float, unit: str, *, digits: int | None) -> str:
    currency = unit.removeprefix(MONEY).strip()
    return money_text(value, currency, digits=decimals(currency) if digits is None else digits)


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


def clock_text(moment: str, zone: ZoneInfo) -> str:
    """A moment in the shop's time as people say it: `Tue 24 Nov 09:30`."""
    local = datetime.fromisoformat(moment).astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %H:%M}"


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
    """What is usual, to one place or to the whole number: more is not known of it. 3.75 is 3.8, 412.5 is 413; of less
    than that three figures are told."""
    if unit:
        return measured_text(value, unit)
    if not _is_ordinary(value):
        return number_text(value)
    rounded = _half_up(_exact(value), 0 if abs(value) >= 100 else 1)
    return _digits(rounded or _exact(value))


def stands_in(number: str, text: str) -> bool:
    """Whether a text says a number, and not one that only begins or ends with its digits."""
    return re.search(rf"(?<![\w.,]){re.escape(number)}(?![\w%]|[.,]\d)", text) is not None
