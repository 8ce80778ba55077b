"""The text of a cell as what a field of the contract holds: a number, a time, a flag, a day or a text.

Most columns say the same few things again and again, so each reader keeps what it has read (`Known`): a cell that was
seen before costs one look-up. Amounts are read as decimals and never through binary fractions.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from lockstep.event import YEARS
from lockstep.text.rfc3339 import SECOND, rfc3339

EXACT = "\x00"
"""Before a number of a program (JSON, a workbook): its point is the decimal one, whatever the mapping says."""
MOST_KEPT = 4_096
LONGEST_KEPT = 64
SHOWN = 60
"""Characters of a cell that a message shows."""

Parse = Callable[[str], Any]


class CellFault(Exception):
    """A cell that does not hold what its field needs. column: in the file; text: of the cell; remedy: the way out."""

    def __init__(self, what: str, remedy: str, *, text: str = "", column: str = "") -> None:
        super().__init__(what, remedy)
        self.what, self.remedy, self.text, self.column = what, remedy, text, column

    def __str__(self) -> str:
        shown = self.text if len(self.text) <= SHOWN else f"{self.text[:SHOWN]}…"
        said = f"'{shown}' {self.what}" if self.text.strip() else self.what
        return f"{self.column}: {said}" if self.column else said


class Known(dict[str, Any]):
    """The value of each text of a column, read once; a limited number is kept. Raises CellFault."""

    __slots__ = ("_column", "_parse")

    def __init__(self, column: str, parse: Parse) -> None:
        self._column, self._parse = column, parse

    def __missing__(self, text: str) -> Any:
        try:
            value = self._parse(text)
        except CellFault as fault:
            raise CellFault(fault.what, fault.remedy, text=text.removeprefix(EXACT), column=self._column) from None
        if len(text) <= LONGEST_KEPT:
            if len(self) >= MOST_KEPT:
                self.clear()
            self[text] = value
        return value


# ---- texts -----------------------------------------------------------------------------------------------------------


def text_reader(longest: int) -> Parse:
    """Reads a text without the blanks around it; None for a blank one."""

    def read(text: str) -> str | None:
        text = text.strip().removeprefix(EXACT)
        if not text:
            return None
        if not text.isascii():
            _check_characters(text)
        if len(text) > longest:
            raise CellFault(f"has {len(text):,} characters, at most {longest} are taken", "shorten it")
        return text

    return read


def _check_characters(text: str) -> None:
    """Bytes that are no UTF-8 stand in a text as lone halves of characters."""
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise CellFault("is not UTF-8", "save the file as UTF-8, or name its encoding: file: {encoding: windows-1252}")


def pattern_reader(pattern: str, read: Parse) -> Parse:
    """Reads the first group of a regular expression that fits the whole text; the whole of it where there is none."""
    compiled = re.compile(pattern, re.DOTALL)

    def parse(text: str) -> Any:
        stripped = text.strip()
        if not stripped:
            return read("")
        match = compiled.fullmatch(stripped.removeprefix(EXACT))
        if match is None:
            raise CellFault("does not fit its pattern", "change 'pattern', or leave the row out with 'when'")
        return read((match[1] if compiled.groups else match[0]) or "")

    return parse


def map_reader(words: Mapping[str, Any], otherwise: Any, read: Parse) -> Parse:
    """Reads what a text stands for, whatever its case. words: text → value, None: none."""
    known = {word.strip().casefold(): value for word, value in words.items()}

    def parse(text: str) -> Any:
        word = text.strip().removeprefix(EXACT).casefold()
        if word in known:
            value = known[word]
            return None if value is None else read(text_of(value))
        if not word or otherwise == "keep":
            return read(text)
        if otherwise is None:
            raise CellFault("is not in its map", "add it to 'map', or write otherwise: keep")
        return None if otherwise == "leave_out" else read(text_of(otherwise))

    return parse


def text_of(value: Any) -> str:
    """A value of a mapping as a cell would say it: `true` and not `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def one_of(choices: Sequence[str], read: Parse) -> Parse:
    """Reads one of some words."""

    def parse(text: str) -> Any:
        word = read(text)
        if word is not None and word not in choices:
            raise CellFault(f"is none of {', '.join(choices)}", "say with 'map' which of them it stands for")
        return word

    return parse


def finder(pattern: str) -> Callable[[str], bool]:
    """Whether a regular expression is somewhere in a text, whatever its case."""
    search = re.compile(pattern, re.IGNORECASE).search
    return lambda text: search(text) is not None


def pseudonym_reader(key: bytes, read: Parse) -> Parse:
    """Reads a keyed hash in place of a text, whatever its case: the same customer, and nobody's name."""

    def parse(text: str) -> Any:
        name = read(text)
        if name is None:
            return None
        return hashlib.blake2b(str(name).casefold().encode(), key=key, digest_size=12).hexdigest()

    return parse


def list_reader(separator: str, longest: int, most: int) -> Parse:
    """Reads a list of texts."""
    one = text_reader(longest)

    def parse(text: str) -> list[str] | None:
        parts = [value for part in text.split(separator) if (value := one(part)) is not None]
        if len(parts) > most:
            raise CellFault(f"has {len(parts):,} parts, at most {most:,} are taken", "split the row")
        return parts or None

    return parse


_FLAGS = {
    **dict.fromkeys(("true", "yes", "y", "1", "t", "on", "wahr", "ja", "oui", "vrai", "si", "sí"), True),
    **dict.fromkeys(("false", "no", "n", "0", "f", "off", "falsch", "nein", "non", "faux"), False),
}


def flag(text: str) -> bool | None:
    """Yes or no, in the usual words."""
    word = text.strip().removeprefix(EXACT).lower()
    if not word:
        return None
    if word not in _FLAGS:
        raise CellFault("is neither yes nor no", "write true or false, or say with 'map' what it stands for")
    return _FLAGS[word]


# ---- numbers ---------------------------------------------------------------------------------------------------------

_CURRENCY = re.compile(
    "EUR|USD|GBP|CHF|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|TRY|RUB|UAH|JPY|CNY|RMB|INR|AUD|CAD|NZD|SGD|HKD|TWD|KRW|THB|IDR"
    "|MYR|PHP|VND|ZAR|BRL|MXN|ARS|CLP|COP|PEN|AED|SAR|EGP|ILS|KR|ZŁ|KČ|FT|RS|LEI|US|R|A|C|NZ|HK|S"
)
"""What stands beside an amount, without signs and points: R$ is R, US$ is US, kr. is kr."""
_AMOUNT = re.compile(r"(?P<before>[^\d.,'’(-]*)(?P<number>[\d.,'’\s]*\d)(?P<after>[^\d]*)")
_GROUPED = {
    ",": re.compile(r"\d{1,3}(?:,\d{3})+"),
    ".": re.compile(r"\d{1,3}(?:\.\d{3})+"),
    "'": re.compile(r"\d{1,3}(?:['’]\d{3})+"),
    " ": re.compile(r"\d{1,3}(?:\s\d{3})+"),
}
"""Whole numbers with separators between the thousands."""
_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_BOTH_READINGS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")


def decimal_reader(decimal: str, thousands: str, *, percent: bool = False) -> Callable[[str], Decimal | None]:
    """Reads an amount as people and programs write it: `1,234.50`, `1.234,50 €`, `(12.00)`, `12,00-`; None for blank.

    decimal: `.`, `,`, or `auto`, which refuses what can be read in two ways. thousands: one of `,.' `, auto or none.
    percent: a percent sign may stand behind it.
    """

    def read(text: str) -> Decimal | None:
        text = text.strip()
        if not text:
            return None
        if text[0] == EXACT:
            return _exact(text[1:])
        if text.isascii() and text.isdigit() and len(text) < SHOWN:
            return Decimal(text)
        sign, body = _sign_of(text)
        if body.endswith("%"):
            if not percent:
                raise CellFault("is a percentage", "write {column: …, unit: percent}, which makes 0.25 of 25%")
            body = body[:-1].rstrip()
        match = _AMOUNT.fullmatch(body)
        if match is None or len(body) > SHOWN or not (_is_currency(match["before"]) and _is_currency(match["after"])):
            raise CellFault("is no number", "correct the cell, or leave the row out with 'when'")
        return _plain_number(match["number"], decimal, thousands) * sign

    return read


def _exact(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > SHOWN:
        raise CellFault("is no number", "correct the cell, or leave the row out with 'when'")
    return number


def _sign_of(text: str) -> tuple[int, str]:
    """-1 or 1, and the text without its sign: `-12`, `12-`, `€ -12`, `(12)`; the minus sign proper counts, too."""
    if text[0] == "(" and text[-1] == ")":
        return -1, text[1:-1].strip()
    text = text.replace("\u2212", "-")
    if text.count("-") == 1:
        before, _, after = text.partition("-")
        if not after or not before or _is_currency(before):
            return -1, f"{before}{after}".strip()
    if text[0] == "+":
        text = text[1:].lstrip()
    return 1, text


def _is_currency(text: str) -> bool:
    """Nothing, or the name or sign of a currency."""
    text = text.strip()
    if not text:
        return True
    if len(text) > 6:
        return False
    letters = "".join(c for c in text if c != "." and unicodedata.category(c) != "Sc").strip().upper()
    return not letters or _CURRENCY.fullmatch(letters) is not None


def _plain_number(text: str, decimal: str, thousands: str) -> Decimal:
    """A number without sign and currency."""
    text = text.strip()
    if decimal == "auto":
        decimal = _decimal_of(text, thousands)
    whole, point, fraction = text.rpartition(decimal)
    if not point:
        whole, fraction = text, ""
    between = [thousands] if thousands not in ("auto", "none") else [] if thousands == "none" else [",", ".", "'", " "]
    digits = whole.isascii() and whole.isdigit()
    if not digits and whole and not any(_GROUPED[sign].fullmatch(whole) for sign in between if sign != decimal):
        raise _no_number(decimal)
    whole = re.sub(r"[,.'’\s]", "", whole)
    if not (f"{whole}{fraction}".isascii() and f"{whole}{fraction}".isdigit()) or (point and not fraction):
        raise _no_number(decimal)
    return Decimal(f"{whole or 0}.{fraction}" if fraction else whole)


def _no_number(decimal: str) -> CellFault:
    other = "," if decimal == "." else "."
    return CellFault(
        f"is no number with '{decimal}' before its decimals",
        f'correct the cell, or write numbers: {{decimal: "{other}"}}',
    )


def _decimal_of(text: str, thousands: str) -> str:
    """The sign before the decimals, where the number itself decides it."""
    last = max(text.rfind("."), text.rfind(","))
    if last < 0:
        return "."
    sign = text[last]
    other = "," if sign == "." else "."
    if thousands == sign or text.count(sign) > 1:
        return other  # 1.234.567
    if other not in text and thousands in ("auto", sign) and _BOTH_READINGS.fullmatch(text):
        raise CellFault(
            f"can be read in two ways: is '{sign}' before decimals or thousands?",
            'write numbers: {decimal: "."}, or ","',
        )
    return sign


def number_of(value: Decimal) -> int | float:
    """A decimal as the contract's number: whole ones as whole, others as the nearest that JSON's readers hold."""
    return int(value) if value == value.to_integral_value() else float(value)


def bounded(*, least: float, most: float, whole: bool) -> Callable[[Decimal], int | float]:
    """Makes a field's number of a decimal. whole: it has no decimals. Raises CellFault beyond the bounds."""

    def make(value: Decimal) -> int | float:
        if not least <= value <= most:
            what = "is negative" if value < 0 <= least else f"is not within {least:,.0f} to {most:,.0f}"
            remedy = "take the sign off with absolute: true, or leave the row out with 'when'"
            raise CellFault(what, remedy if value < least else "correct the cell")
        number = number_of(value)
        if whole and not isinstance(number, int):
            raise CellFault("is no whole number", "correct the cell")
        return number

    return make


# ---- times -----------------------------------------------------------------------------------------------------------

_EPOCHS = {"epoch_s": SECOND, "epoch_ms": SECOND // 1_000, "epoch_us": 1}
"""Format → microseconds of one."""
USUAL = "usual"
"""Among formats: what is read where none is given."""
_SECONDS = frozenset(f":{second:02}" for second in range(60))
_SLASHES = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4}|\d{2})\b.*", re.DOTALL)
_DOTS = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:,?\s+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_YEAR_FIRST = re.compile(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{2})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WAY_OUT = "write time: {formats: ['%d/%m/%Y %H:%M']}, with the order of the file"


def time_reader(zone: ZoneInfo, formats: Sequence[str]) -> Callable[[str], datetime | None]:
    """Reads an instant; None for a blank text. zone: of times that name none. formats: of strptime, or epoch_…

    A local time that the clock shows twice is the first of the two.
    """

    def read(text: str) -> datetime | None:
        text = text.strip().removeprefix(EXACT)
        if not text:
            return None
        try:
            moment = _by_formats(text, formats, zone) if formats else _usual(text, zone)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=zone)
            moment = moment.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise CellFault("is no time", _WAY_OUT) from error
        if not YEARS[0] <= moment.year <= YEARS[1]:
            raise CellFault(f"is in the year {moment.year}, not within {YEARS[0]} to {YEARS[1]}", "correct the cell")
        return moment

    return read


def _by_formats(text: str, formats: Sequence[str], zone: ZoneInfo) -> datetime:
    for form in formats:
        try:
            if form == USUAL:
                return _usual(text, zone)
            if form in _EPOCHS:
                return _EPOCH + timedelta(microseconds=int(Decimal(text) * _EPOCHS[form]))
            return datetime.strptime(text, form)  # noqa: DTZ007 # the caller sets the zone where the text has none
        except (ValueError, OverflowError, InvalidOperation, CellFault):
            continue
    raise CellFault("is no time of its formats", "add how it is written to time: {formats: [...]}")


def _usual(text: str, zone: ZoneInfo) -> datetime:
    """A time in a form that has one reading."""
    head, _, name = text.rpartition(" ")
    if name in ("UTC", "GMT", "Z"):
        text = f"{head}+00:00"
    elif head and name[:1] in "+-" and name[1:3].isdigit():
        text = f"{head}{name}"  # 2026-11-24 09:30:00 +0100
    if compact := _COMPACT.fullmatch(text):  # 20261124, and with the hour 2026112409
        year, month, day, hour = compact.groups()
        return datetime(int(year), int(month), int(day), int(hour or 0), tzinfo=zone)
    if match := _DOTS.fullmatch(text):
        day, month, year, hour, minute, second = match.groups()
        return datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=zone
        )
    if _SLASHES.fullmatch(text):
        raise CellFault("can be read in two ways: which is the month?", _WAY_OUT)
    if match := _YEAR_FIRST.fullmatch(text):
        year, month, day, hour, minute, second = match.groups()
        return datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=zone
        )
    if text.isdigit():
        raise CellFault(
            "can be a number of seconds or of milliseconds", "write time: {formats: [epoch_s]}, or epoch_ms"
        )
    return datetime.fromisoformat(text)


def instant(moment: datetime) -> str:
    """`2026-11-24T09:30:00Z`; with the microseconds where there are any."""
    return rfc3339((moment - _EPOCH) // timedelta(microseconds=1))


class TimeTexts(dict[str, str]):
    """The instants of a column as text in UTC: what stands before and behind the seconds is read once a minute.

    in_parts: the seconds stand where RFC 3339 has them, so that a minute may be read without them.
    """

    __slots__ = ("_column", "_in_parts", "_read")

    def __init__(self, column: str, read: Callable[[str], datetime | None], *, in_parts: bool) -> None:
        self._column, self._read, self._in_parts = column, read, in_parts

    def of(self, text: str) -> str | None:
        """The instant of a text: `2026-11-24 09:30:15 +0100` is `2026-11-24T08:30:15Z`. Raises CellFault."""
        seconds = text[16:19]
        if self._in_parts and seconds in _SECONDS and text[10:11] in " T" and text[4:5] == "-":
            minute = self[text[:16] + text[19:]]
            if minute:
                return f"{minute}{seconds}Z"
        return self._whole(text)

    def __missing__(self, text: str) -> str:
        """The minute of a text without its seconds; "" for one that cannot be taken apart so."""
        if len(self) >= MOST_KEPT:
            self.clear()
        try:
            moment = self._read(f"{text[:16]}:00{text[16:]}")
        except CellFault:
            moment = None
        whole = moment is not None and not moment.microsecond and not moment.second and len(text) <= LONGEST_KEPT
        self[text] = minute = moment.isoformat(timespec="minutes")[:16] if moment is not None and whole else ""
        return minute

    def _whole(self, text: str) -> str | None:
        try:
            moment = self._read(text)
        except CellFault as fault:
            raise CellFault(fault.what, fault.remedy, text=text.removeprefix(EXACT), column=self._column) from None
        return None if moment is None else instant(moment)


def day_reader(read: Callable[[str], datetime | None], zone: ZoneInfo) -> Parse:
    """Reads a day of the shop, `2026-11-24`. read: reads the instant."""

    def parse(text: str) -> str | None:
        moment = read(text)
        return None if moment is None else date.isoformat(moment.astimezone(zone).date())

    return parse


def hours_between(start: datetime, end: datetime) -> Decimal:
    """Hours from start to end, to the millionth."""
    us = (end - start) // timedelta(microseconds=1)
    return round(Decimal(us) / (3_600 * SECOND), 6)
