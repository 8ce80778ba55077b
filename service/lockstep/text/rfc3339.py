"""Instants as the text that goes out and is stored: RFC 3339 in UTC with a Z, in seconds, milli- or microseconds."""

from datetime import UTC, datetime
from functools import lru_cache

SECOND = 1_000_000
"""Microseconds, in which event time is counted."""


@lru_cache(maxsize=1_024)  # of what ends at one bucket end all says the same few instants
def rfc3339(time_us: int) -> str:
    """`2026-11-24T09:30:00Z`, and `2026-11-24T09:30:00.500000Z` where it is no whole second.

    time_us: microseconds since 1970.
    """
    moment = datetime.fromtimestamp(time_us // SECOND, UTC).replace(microsecond=time_us % SECOND)
    return moment.isoformat(timespec="microseconds" if time_us % SECOND else "seconds").replace("+00:00", "Z")


def rfc3339_of(moment: datetime) -> str:
    """The whole second in which an aware moment lies, whatever its zone: `2026-11-24T09:30:00Z`."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def moment_text(moment: float) -> str:
    """`2026-11-24T09:30:00.500Z`: when something was decided or tried. moment: seconds since 1970."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
