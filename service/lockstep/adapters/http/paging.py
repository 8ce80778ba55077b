"""Long lists in pages: each page says where the next one begins, whatever came or went meanwhile."""

import base64
import binascii
from collections.abc import Callable, Iterable
from heapq import nsmallest
from operator import itemgetter
from typing import Any, TypeVar

import msgspec
from pydantic import Field

from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.http.typed_requests import Form

LONGEST_PAGE = 1_000
LONGEST_CURSOR = 4_000

T = TypeVar("T")
Place = tuple[str | int, ...]
"""What a list is sorted by, down to what no two entries share."""

NEXT: dict[str, Any] = {
    "type": ["string", "null"],
    "description": "Ask with it as `cursor` for what follows; null on the last page",
}
"""The schema of `next` in an answer."""


class Page(Form):
    """The part of a query that asks for a page."""

    limit: int = Field(LONGEST_PAGE, ge=1, le=LONGEST_PAGE, description="How many at most")
    cursor: str = Field("", max_length=LONGEST_CURSOR, description="`next` of the page before")


def page_of(entries: Iterable[T], page: Page, place: Callable[[T], Place]) -> tuple[list[T], str | None]:
    """(the entries of a page by their `place`, where the next one begins). entries: in any order. Raises Refusal."""
    placed = [(place(entry), entry) for entry in entries]
    if page.cursor:
        after = _decoded(page.cursor)
        if placed and [*map(type, after)] != [*map(type, placed[0][0])]:
            raise _no_cursor()
        placed = [row for row in placed if row[0] > after]
    first = nsmallest(page.limit + 1, placed, key=itemgetter(0))
    shown = first[: page.limit]
    return [entry for _, entry in shown], _encoded(shown[-1][0]) if len(first) > len(shown) else None


def _encoded(place: Place) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(list(place))).decode().rstrip("=")


def _decoded(cursor: str) -> Place:
    try:
        place = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=list[str | int])
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise _no_cursor() from error
    return tuple(place)


def _no_cursor() -> Refusal:
    return Refusal(400, "cursor: it is none of this list; take `next` of the page before", faults=[_FAULT])


_FAULT = {"field": "cursor", "message": "is none of this list; take `next` of the page before"}
