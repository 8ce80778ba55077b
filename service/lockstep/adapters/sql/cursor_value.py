"""How far a source was read: a value of its cursor column, which goes back to the database in the form it came in.

Such a column has times (with a zone, without one, or as text, as SQLite has them), days, or ids that grow.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from lockstep.text.rfc3339 import SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = (datetime(1, 1, 2, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LARGEST = 1 << 63
_TEXT = re.compile(r"(\d{4}-\d\d-\d\d)(?:([T ])(\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII)
WAY_OUT = "name a column of times or of whole numbers that grow, which is never changed later"


class NoCursor(ValueError):
    """A value that says nothing of an order. The message has what it is, and the way out."""


@dataclass(frozen=True, slots=True)
class CursorValue:
    """at: the id; or microseconds since 1970, of a time without a zone as if it were UTC, of a day its midnight.

    form: how the database has it: `id`, `time` (with a zone), `local` (without), `day`, or `text|sep|digits|zone`, a
    text with what stands between day and time, the digits of a second's fraction and the zone.
    """

    at: int
    form: str

    @property
    def kind(self) -> str:
        """Values of one kind can be compared."""
        return self.form.partition("|")[0]

    @property
    def has_zone(self) -> bool:
        """Whether it says which moment it is."""
        return self.kind == "time" or (self.kind == "text" and not self.form.endswith("|"))

    def back(self, by: int) -> "CursorValue":
        """So much earlier: ids, or microseconds."""
        return replace(self, at=self.at - by if self.kind == "id" else max(_EARLIEST, self.at - by))

    def bound(self) -> int | str | datetime | date:
        """What is given to the database; of a form that holds less than microseconds the last value before it."""
        if self.kind == "id":
            return self.at
        moment = _EPOCH + timedelta(microseconds=self.at)
        match self.kind:
            case "time":
                return moment
            case "local":
                return moment.replace(tzinfo=None)
            case "day":
                return moment.date()
            case _:
                return _as_text(moment, self.form)

    def __str__(self) -> str:
        return str(self.bound())


def cursor_value(value: object) -> CursorValue:
    """A value as it came from the database. Raises NoCursor."""
    match value:
        case bool() | float():
            raise NoCursor(f"'{value}' is neither a time nor a whole number; {WAY_OUT}")
        case int():
            return _id(value)
        case Decimal() if value == value.to_integral_value():
            return _id(int(value))
        case datetime(tzinfo=None):
            return CursorValue(_microseconds(value.replace(tzinfo=UTC)), "local")
        case datetime():
            return CursorValue(_microseconds(value), "time")
        case date():
            return CursorValue(_microseconds(datetime(value.year, value.month, value.day, tzinfo=UTC)), "day")
        case str():
            return _of_text(value)
        case _:
            raise NoCursor(f"'{str(value)[:100]}' is neither a time nor a whole number; {WAY_OUT}")


def _id(value: int) -> CursorValue:
    if not -_LARGEST <= value < _LARGEST:
        raise NoCursor(f"'{str(value)[:100]}' is too large a number; {WAY_OUT}")
    return CursorValue(value, "id")


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _of_text(text: str) -> CursorValue:
    match = _TEXT.fullmatch(text)
    way_out = "a text must be a time like 2026-11-24 09:30:00, all written alike, so that they sort by time"
    if match is None:
        raise NoCursor(f"'{text[:100]}' is no such time; {way_out}")
    _, between, _, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NoCursor(f"'{text[:100]}' is no such time; {way_out}") from None
    at = _microseconds(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
    return CursorValue(at, f"text|{between or ''}|{len(fraction or '')}|{zone or ''}")


def _as_text(moment: datetime, form: str) -> str:
    _, between, digits, zone = form.split("|")
    if zone not in ("", "Z"):
        offset = datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").tzinfo
        moment = moment.astimezone(offset)
    text = moment.replace(tzinfo=None).isoformat(sep=between or " ", timespec="microseconds")
    if not between:
        return text[:10]
    fraction = f".{text[20 : 20 + int(digits)]}" if digits != "0" else ""
    return f"{text[:19]}{fraction}{zone}"


def overlap_text(kind: str, overlap: int) -> str:
    """An overlap for people: `300 s`, or `1,000`."""
    return f"{overlap:,}" if kind == "id" else f"{overlap / SECOND:g} s"
