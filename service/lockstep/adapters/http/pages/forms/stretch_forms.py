"""A stretch of time as a form asks for it, in local time, and as commands have it."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from lockstep.adapters.http.pages.forms.alert_forms import FormFault, moment_text
from lockstep.text.figures import time_text


def stretch_from(given: Mapping[str, str], zone: ZoneInfo, now: datetime, *, is_past: bool = False) -> tuple[str, str]:
    """(start, end), RFC 3339, of the fields `starts` (empty: now) and `ends`. is_past: whether it may be over.

    Raises FormFault.
    """
    starts = _instant(given.get("starts", ""), zone) or now
    ends = _instant(given.get("ends", ""), zone)
    if ends is None:
        raise FormFault("Say until when.")
    if ends <= starts or (ends <= now and not is_past):
        raise FormFault(f"It has to end after it begins{'' if is_past else ', and after now'}.")
    return moment_text(starts), moment_text(ends)


def _instant(text: str, zone: ZoneInfo) -> datetime | None:
    """An instant as browsers write local time, `2026-11-24T07:00`; None for nothing. Raises FormFault."""
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as fault:
        raise FormFault("Write a time like 2026-11-24T07:00.") from fault
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment


def stretch_words(starts: str, ends: str, zone: ZoneInfo) -> str:
    """`Tue 24 Nov 2026 03:12 GMT to Tue 24 Nov 2026 07:00 GMT`."""
    return f"{time_text(starts, zone)} to {time_text(ends, zone)}"
