"""What looks like a person: labels by their names, and values by their shapes. No label of an alert may hold one.

A name is looked at where rules are loaded, a value where it becomes a label. Weakness: a plain name (`Anna Smith`) has
no shape, and a product number that is written as a telephone number (`555-123-4567`) is taken for one.
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
_DIGITS_OF_PHONE = 9
"""A national number has as many; `01-23-45-67` is no number of anybody."""


def names_a_person(label: str) -> bool:
    """Whether a label's name says that its values are of persons or of single orders: `customer`, `billing_email`."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", label.rpartition(".")[2]).lower()
    words = plain.split("_")
    return words[-1] not in _KINDS and (plain in _WHOLE or any(map(_WORD.fullmatch, words)))


def looks_personal(text: str) -> bool:
    """Whether an email address or a telephone number stands in a text."""
    if "@" in text and _EMAIL.search(text):
        return True
    return sum(map(str.isdigit, text)) >= _DIGITS_OF_PHONE and any(shape.search(text) for shape in _PHONES)


def without_personal(value: Any) -> Any:
    """JSON with PERSONAL in place of every text that looks personal."""
    if isinstance(value, str):
        return PERSONAL if looks_personal(value) else value
    if isinstance(value, list):
        return [without_personal(item) for item in value]
    if isinstance(value, dict):
        return {without_personal(key): without_personal(item) for key, item in value.items()}
    return value
