"""Values of a foreign body, read as what they are meant to be; None for what is nothing of the kind.

Senders write amounts as texts (`"12.50"`), ids as numbers of 18 digits, skus as null or "", times without a zone; and a
field that was always a list is missing one day. Nothing here raises but the readers that say so.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lockstep.adapters.inbound.translation import BadPayload

LONGEST_TEXT = 256
"""Characters of a text in our events; a longer one is cut."""
LONGEST_ID = 200
"""Characters of a sender's id; a longer one is none."""
LARGEST_ID = 10**30
LARGEST_NUMBER = 9e12

NO_SKU = "none"
"""The sku of a line that has neither a sku nor a product: a custom item, a tip."""

_NUMBER = re.compile(r"[-+]?[0-9]{1,15}(\.[0-9]{1,15})?")
_MAIL = re.compile(r"\S+@\S+")


def text(value: Any) -> str | None:
    """A text or a number as text, `7` of 7.0; None for an empty one. At most LONGEST_TEXT characters."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = int(value) if value.is_integer() else value
    if isinstance(value, int | float):
        return str(value) if abs(value) < LARGEST_ID else None
    if not isinstance(value, str):
        return None
    return value.strip()[:LONGEST_TEXT] or None


def first_text(*values: Any) -> str | None:
    """The first of them that is a text."""
    return next((value for value in map(text, values) if value is not None), None)


def pseudonym(*values: Any) -> str | None:
    """The first of them that is an id; never a mail address, which some shops use as one."""
    return next((id for id in map(text, values) if id is not None and not _MAIL.search(id)), None)


def needed_id(body: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that holds an id. Raises BadPayload."""
    for name in names:
        id = text(body.get(name))
        if id is not None and len(id) <= LONGEST_ID:
            return id
    raise BadPayload(f"{' or '.join(names)}: is missing")


def number(value: Any) -> float | None:
    """A number, also one that is written as a text, `"12.50"`; None for what is none, or beyond what rules count."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # The bound first: an integer of a thousand digits is no float.
    if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
        return None
    return float(value) + 0.0  # of -0.0 a 0.0


def first_number(*values: Any) -> float | None:
    """The first of them that is a number."""
    return next((value for value in map(number, values) if value is not None), None)


def amount(value: Any) -> float | None:
    """A number that is not below zero."""
    read = number(value)
    return None if read is None or read < 0 else read


def counted(sku: str, line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of an order with how many of a product it is about; where it does not say so, none."""
    return {"sku": sku, "quantity": amount(line.get("quantity")) or 0}


def needed_number(body: Mapping[str, Any], *names: str) -> float:
    """The first of these fields that holds a number. Raises BadPayload."""
    for name in names:
        value = number(body.get(name))
        if value is not None:
            return value
    raise BadPayload(f"{' or '.join(names)}: is no number")


def time(value: Any) -> str | None:
    """An RFC 3339 time with a zone; without one it is UTC, so a local time must not be handed in."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return None


def needed_time(body: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that holds a time. Raises BadPayload."""
    for name in names:
        moment = time(body.get(name))
        if moment is not None:
            return moment
    raise BadPayload(f"{' or '.join(names)}: is no time")


def mapping(value: Any, *path: str) -> Mapping[str, Any]:
    """The object at the end of a path; an empty one where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects in a list; nothing of what is no list."""
    if isinstance(value, list):
        yield from (element for element in value if isinstance(element, Mapping))


def host(url: Any) -> str:
    """The host of a URL in lower case, without `www.`; "" for what is no URL."""
    try:
        name = urlsplit(url).hostname if isinstance(url, str) else None
    except ValueError:
        name = None
    return (name or "").removeprefix("www.")


def campaign(url: Any) -> str | None:
    """`utm_campaign` of a URL; nothing else of it, which may hold whatever a visitor typed."""
    try:
        query = parse_qs(urlsplit(url).query, max_num_fields=100) if isinstance(url, str) else {}
    except ValueError:
        return None
    return first_text(*query.get("utm_campaign", ()))
