"""A moment as short as a reader of today needs it."""

from datetime import datetime
from zoneinfo import ZoneInfo

from lockstep.text.days import day_text


def short_time(moment: str, zone: ZoneInfo, now: datetime) -> str:
    """In the shop's zone: `12:05` of today, else `Mon 20 Jul 12:05`, with the year where it is another one."""
    local, today = datetime.fromisoformat(moment).astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    year = "" if local.year == today.year else f" {local.year}"
    return f"{day_text(local.date())}{year} {local:%H:%M}"
