"""Instants of what clocks on a wall show: a night that begins at 22:00 does so in winter and in summer.

Where clocks are put forward, a time that they skip is the instant at which they do. Where they are put back and show
an hour twice, what begins in it begins the first time and what ends in it ends the second time: a stretch of the
wall clock is one stretch of time, without a hole and never reversed.
"""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def begins_at(wall: datetime, zone: ZoneInfo) -> float:
    """When the clock shows `wall` for the first time, in seconds since 1970. wall: without a zone, in whole seconds."""
    return _instant(wall, zone, 0)


def ends_at(wall: datetime, zone: ZoneInfo) -> float:
    """When the clock shows `wall` for the last time, in seconds since 1970."""
    return _instant(wall, zone, 1)


def shown_at(moment: float, zone: ZoneInfo) -> datetime:
    """What the clock shows at a moment, without a zone."""
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=None)


def zone_named(name: str) -> ZoneInfo | None:
    """The time zone of an IANA name; None for what is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # as a path out of its folder, or a folder of it, is
        return None


@lru_cache(maxsize=4_096)
def _instant(wall: datetime, zone: ZoneInfo, fold: int) -> float:
    moment = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC).timestamp()
    if shown_at(moment, zone) == wall:
        return moment
    # It is skipped. By the offset from after the jump it is before it, by that from before it is after it.
    before = wall.replace(tzinfo=zone, fold=1).timestamp()
    after = wall.replace(tzinfo=zone, fold=0).timestamp()
    while after - before > 1:
        middle = (before + after) // 2
        if shown_at(middle, zone) < wall:
            before = middle
        else:
            after = middle
    return after
