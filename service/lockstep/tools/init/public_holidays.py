"""The public holidays of a country, as entries of calendar.yml; and the time zone that most of it has."""

from collections.abc import Iterable
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from lockstep.errors import RuleError


def holiday_entries(country: str, years: Iterable[int]) -> list[dict[str, Any]]:
    """`{name, on}` of each holiday: `12-25` where it is on that day in every year, else the days, in their order.

    country: `DE`, or a part of one, `DE-BY`. Raises RuleError for one that is not known.
    """
    # Takes half a second to import; this command alone needs it.
    import holidays

    code, _, part = country.upper().partition("-")
    years = sorted(years)
    if code not in holidays.list_supported_countries():
        raise RuleError(f"the holidays of '{country[:40]}' are not known; write two letters, DE, or with a part, DE-BY")
    try:
        known = holidays.country_holidays(code, subdiv=part or None, years=years)
    except NotImplementedError as error:
        parts = ", ".join(holidays.list_supported_countries()[code])
        raise RuleError(f"{code} has no part '{part[:40]}'; write one of {parts or 'none'}") from error
    by_name: dict[str, list[date]] = {}
    for day, names in sorted(known.items()):
        for name in names.split("; "):
            by_name.setdefault(name, []).append(day)
    entries = [{"name": name, "on": _written(days, years)} for name, days in by_name.items()]
    return sorted(entries, key=lambda entry: str(entry["on"][0])[-5:])


def _written(days: list[date], years: list[int]) -> list[str]:
    """The days as a calendar has them: `12-25` for that day of every year."""
    yearly = {(day.month, day.day) for day in days}
    if len(yearly) == 1 and [day.year for day in days] == years:
        ((month, day_of_month),) = yearly
        return [f"{month:02}-{day_of_month:02}"]
    return [day.isoformat() for day in days]


@cache
def _zones() -> dict[str, str]:
    """Country → its first zone in the table of the time zone database, as a rule the one of most people."""
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8")
    rows = [line.split("\t") for line in table.splitlines() if line and not line.startswith("#")]
    zones: dict[str, str] = {}
    for code, _, zone, *_ in rows:
        zones.setdefault(code, zone)
    return zones


def zone_of(country: str) -> str | None:
    """`Europe/Berlin` of `DE`; None where nobody knows."""
    return _zones().get(country.upper().partition("-")[0])
