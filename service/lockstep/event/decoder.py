"""Decodes whole batches of events into structs; what is odd is shown to the contract."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from lockstep.errors import EventError
from lockstep.event.binary_mode import structured
from lockstep.event.contract import LARGEST_EVENT, LONGEST_CAMPAIGN, TYPES, YEARS, is_day, is_in_years, is_name
from lockstep.event.structs import UNREADABLE, Extra, Refused, reader
from lockstep.event.validation import foreign_type, parse_event
from lockstep.ports import Headers

# msgspec skips what no struct reads and checks less of it than the contract's reader does. An event that could hold
# such a thing is shown to the contract; the tests here are cheap and only ever err towards showing one more.
_NESTED = 150
"""Brackets up to which both readers go; the contract's refuses a depth of 200."""
_LONG_NUMBER = b"0" * 4300
"""Digits at which the contract's reader refuses an integer."""
_DIGITS_AS_ZERO = bytes(48 if 48 <= byte < 58 else 0 for byte in range(256))


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_odd(value: bytes) -> bool:
    size = len(value)
    return (
        (size > 2 * _NESTED and value.count(b"{") + value.count(b"[") > _NESTED)
        or (size > len(_LONG_NUMBER) and _LONG_NUMBER in value.translate(_DIGITS_AS_ZERO))
        or size > LARGEST_EVENT
        or not (value.isascii() or _is_utf8(value))
    )


_MOMENTS, _DAYS = ("starts", "ends"), ("expected_on", "expires_on")
_DATED = frozenset(n for n, t in TYPES.items() if not t.data.model_fields.keys().isdisjoint(_MOMENTS + _DAYS))
"""Types whose data names moments or days: none may be one that cannot be reckoned with."""


def _needs_contract(event: Any) -> bool:
    """Whether the contract has to look at the moments and days that an event names, or at the name of a campaign."""
    if event.__struct_config__.tag not in _DATED:
        return False
    data = event.data
    if any(not is_day(getattr(data, name)) for name in _DAYS if hasattr(data, name)):
        return True
    if hasattr(data, "campaign") and not is_name(data.campaign):
        return True
    moments = [getattr(data, name) for name in _MOMENTS if hasattr(data, name)]
    if any(not is_in_years(moment) for moment in moments):
        return True
    return len(moments) == 2 and moments[1] - moments[0] > LONGEST_CAMPAIGN


class Decoder:
    """Decodes batches into structs. wanted: event type → paths that rules read; those beyond the model are kept.

    An extra field that is no text of at most 256 characters, number or flag is None: what rules read never decides
    what is refused, and no label grows without a limit.
    """

    def __init__(self, wanted: Mapping[str, Iterable[str]] | None = None) -> None:
        self._wanted = wanted or {}
        self._decode = reader(self._wanted)

    @cached_property
    def _raw(self) -> Callable[[bytes], Any]:
        return reader(self._wanted, raw=True)  # for odd events alone

    def decode(self, values: Sequence[bytes | None], headers: Sequence[Headers] | None = None) -> list[Any]:
        """One result a value: an event, None for a type that is not ours, or Refused."""
        given: Sequence[Any] = values
        if headers is not None:
            given = [structured(v, h) if h else v for v, h in zip(values, headers, strict=True)]
        try:
            events = list(map(self._decode, given))
        except (*UNREADABLE, TypeError):  # TypeError: a tombstone, or one that is refused already
            return [self._one(value) for value in given]
        if not events:
            return events
        years = {event.time.year for event in events}
        if min(years) < YEARS[0] or max(years) > YEARS[1]:
            return [self._one(value) for value in given]
        for i, event in enumerate(events):
            if _needs_contract(event):
                events[i] = self._one(given[i])
        if max(map(len, given)) > 2 * _NESTED or not all(map(bytes.isascii, given)):
            for i, value in enumerate(given):
                if _is_odd(value):
                    events[i] = self._one(value)
        return events

    def _one(self, value: bytes | Refused | None) -> Any:
        if isinstance(value, Refused):
            return value
        if value is not None and not _is_odd(value):
            try:
                event = self._decode(value)
                if is_in_years(event.time) and not _needs_contract(event):
                    return event
            except UNREADABLE:
                pass  # the contract says why, or that only an extra field could not be read
        if value is not None and foreign_type(value) is not None:
            return None
        try:
            parse_event(value)
            return _with_extras(self._raw(value or b""))
        except EventError as error:
            return Refused(error.reason, error.detail)


def _with_extras(event: Any) -> Any:
    """The event with its extra fields read one by one; one that cannot be read is None."""
    for part in (event.data, *(getattr(event.data, "lines", None) or ())):
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if value.__class__ is msgspec.Raw:
                setattr(part, name, _any_value(value))
    return event


def _any_value(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw, type=Extra)
    except UNREADABLE:
        return None
