"""The time zone that most of a country has."""

from functools import cache
from importlib.resources import files


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
