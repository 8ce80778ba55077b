"""What looks like a person: labels by their names, and values by their shapes. No label of an alert may hold one.

A name is looked at where rules are loaded, a value where it becomes a label. Weakness: a plain name (`Anna Smith`) has
no shape, so it is seen only where it stands in a sentence; addresses are known by the English, German, French, Spanish
and Italian words for a street; and a product number that is written as a telephone number (`555-123-4567`) is taken for
one.
"""

import re
from typing import Any

PERSONAL = "personal"
"""What stands in place of a value that looks like a person's."""

_WORD = re.compile(
    r"customer|client|buyer|user|username|visitor|person|recipient|email|mail|phone|telephone|tel|mobile|fax|address|"
    r"street|ip|firstname|lastname|surname|fullname|birthday|birthdate|iban"
)
_WHOLE = frozenset({"first_name", "last_name", "full_name", "order_id", "session_id", "cookie_id", "device_id"})
_KINDS = frozenset({"group", "segment", "type", "kind", "tier", "status", "country", "region", "language", "domain"})
"""`customer_group` says what kind of customer it is, not who."""

_EMAIL = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+\.[^\W\d_]{2,}")
_PHONES = (
    re.compile(r"(?<![\w+])\+[1-9](?:[ ()./-]{0,2}[0-9]){7,14}(?![0-9])"),
    re.compile(r"(?<![\w.-])00[1-9][0-9]{0,2}[ /-](?:[ ()./-]?[0-9]){6,13}(?![0-9])"),
    re.compile(r"(?<![\w.-])\(?0[1-9][0-9]{0,4}\)?[ /-](?:[ -]?[0-9]){6,10}(?![\w-])"),
    re.compile(r"(?<![\w.-])(?:\([0-9]{3}\) ?|[0-9]{3}[ .-])[0-9]{3}[ .-][0-9]{4}(?![\w-])"),
)
_CARD = re.compile(
    r"(?<![\w-])(?:[0-9]{4}([ -]?)[0-9]{4}\1[0-9]{4}\1[0-9]{4}|3[47][0-9]{2}([ -]?)[0-9]{6}\2[0-9]{5})(?![\w-])"
)
_IBAN = re.compile(r"(?<!\w)([A-Za-z]{2})[0-9]{2}(?: ?[A-Za-z0-9]){11,30}")
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI NL", 19: "SI", 20: "AT EE LT LU", 21: "CH HR LI LV", 22: "BG DE GB IE RS",
        23: "AE IL", 24: "AD CZ ES RO SA SE SK", 25: "PT", 26: "TR", 27: "FR GR IT MC SM", 28: "CY HU PL", 29: "UA",
        31: "MT",
    }.items()
    for country in countries.split()
}  # fmt: skip
_NUMBER = r"[0-9]{1,4} ?[a-zA-Z]?"
_STREETS = (
    # Heidestraße 17, Feldweg 5a; a Lagerplatz or Stellplatz is in a warehouse
    re.compile(
        r"(?i)\b[^\W\d_]*(?:stra(?:ß|ss)e|str\.|gasse|allee|[^\W\d_]weg|(?:markt|kirch|bahnhofs)platz|straat)"
        rf"[ ,]+{_NUMBER}\b"
    ),
    # 12 Baker Street, 221b Old Mill Road; no `2 parcels lost on the road` and no `24 Karat Road Show`
    re.compile(
        rf"(?i)\b{_NUMBER},? (?:(?!(?:on|the|of|in|at|for|to|by|and)\b)[^\W\d_][\w'.-]* ){{1,3}}"
        r"(?:street|road|avenue|lane)(?= *[,.;\n]|$)"
    ),
    re.compile(rf"(?i)\b{_NUMBER},? rue [^\W\d_]"),
    re.compile(rf"(?i)\b(?:calle|avenida|piazza|viale) (?:[^\W\d_][\w'.-]* ){{0,3}}[^\W\d_][\w'.-]*,? {_NUMBER}\b"),
)
_DIGITS_OF_PHONE = 9
"""A national number has as many; `01-23-45-67` is no number of anybody."""
_DIGITS_OF_CARD = 15


FREE_TEXT = "free text"
"""What stands in place of what a customer wrote."""
_WRITTEN = re.compile(r"theme|reason|comments?|messages?|notes?|text|review|feedback|description|remarks?|subject")
LONGEST_REASON = (80, 12)
"""Letters and words of what may be a theme or a reason: `arrived damaged`. What is longer is somebody's own text."""


def names_a_person(label: str) -> bool:
    """Whether a label's name says that its values are of persons or of single orders: `customer`, `billing_email`."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", label.rpartition(".")[2]).lower()
    words = plain.split("_")
    return words[-1] not in _KINDS and (plain in _WHOLE or any(map(_WORD.fullmatch, words)))


def is_written(label: str) -> bool:
    """Whether a label's values may be sentences that a customer wrote, where a sender does not sort them first."""
    return _WRITTEN.fullmatch(label.rpartition(".")[2].lower().rpartition("_")[2]) is not None


def is_free_text(text: str) -> bool:
    """Whether a theme or a reason is not said of many cases but is what one person wrote: longer than LONGEST_REASON,
    or of several lines."""
    letters, words = LONGEST_REASON
    return len(text) > letters or "\n" in text or text.count(" ") >= words


def looks_personal(text: str) -> bool:
    """Whether a mail address, a telephone number, a bank account, a card or the address of a house stands in a text."""
    if "@" in text and _EMAIL.search(text):
        return True
    digits = sum(map(str.isdigit, text))
    if not digits:
        return False
    if digits >= _DIGITS_OF_PHONE and any(shape.search(text) for shape in _PHONES):
        return True
    if digits >= _DIGITS_OF_CARD and any(_adds_up(one[0]) for one in _CARD.finditer(text)):
        return True
    if any(_is_account(one[0], one[1]) for one in _IBAN.finditer(text)):
        return True
    return " " in text and any(street.search(text) for street in _STREETS)


def _adds_up(card: str) -> bool:
    """Whether the last digit of a card's number is the check of the others (Luhn). Articles are counted by GTINs, which
    have 8, 12, 13 or 14 digits and another check."""
    digits = [int(c) for c in card if c.isdigit()]
    doubled = [2 * d - 9 if d > 4 else 2 * d for d in digits[-2::-2]]
    return digits[0] in (2, 3, 4, 5, 6) and (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def _is_account(text: str, country: str) -> bool:
    """Whether a text begins with an account's number that is as long as its country's are and whose check is right
    (ISO 13616)."""
    length = _IBAN_LENGTHS.get(country.upper())
    iban = text.replace(" ", "")[:length].upper()
    if length is None or len(iban) != length:
        return False
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1


def without_personal(value: Any) -> Any:
    """JSON with PERSONAL in place of every text that looks personal."""
    if isinstance(value, str):
        return PERSONAL if looks_personal(value) else value
    if isinstance(value, list):
        return [without_personal(item) for item in value]
    if isinstance(value, dict):
        return {without_personal(key): without_personal(item) for key, item in value.items()}
    return value
