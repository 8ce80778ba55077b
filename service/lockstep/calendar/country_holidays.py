"""The public holidays of a country or of a part of one, as a library reckons them."""

import difflib
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from lockstep.calendar import Day, Entry, PublicHolidays

YEARS = range(2000, 2061)
"""The years whose holidays are known; of some countries fewer are, as their holidays are announced."""
_CODE = re.compile(r"([A-Za-z]{2})(?:[-_ ](.{1,40}))?")
LANGUAGE = "en_US"
"""Of the names, where the library has it: else they would be in that of whoever starts the program."""


@lru_cache(maxsize=32)
def country_holidays(country: str) -> PublicHolidays:
    """Those of `DE`, or of a part of it, `DE-BY`; in small letters, too.

    Raises ValueError, in words with the way out, for one that is not known.
    """
    # Takes a tenth of a second to import; only who names a country needs it.
    import holidays

    written = " ".join(country.split())[:60]
    match = _CODE.fullmatch(written)
    code = match[1].upper() if match is not None else ""
    names = _names()
    if match is None or code not in names:
        raise ValueError(f"the holidays of '{written}' are not known; {_meant(written, names)}")
    known = holidays.country_holidays(code)
    part = _part(code, match[2] or "", known.subdivisions, known.get_subdivision_aliases())
    language = LANGUAGE if LANGUAGE in known.supported_languages else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that of some countries fewer years are known
        days = holidays.country_holidays(code, subdiv=part or None, years=YEARS, language=language)
    return PublicHolidays(f"{code}-{part}" if part else code, tuple(_entries(days.items())))


def _part(code: str, written: str, parts: Iterable[str], aliases: Mapping[str, Iterable[str]]) -> str:
    """The part of a country as the library calls it; "" for all of the country."""
    if not written:
        return ""
    by_name = {part.casefold(): part for part in parts}
    if written.casefold() in by_name:
        return by_name[written.casefold()]
    called = {name.casefold(): part for part, names in aliases.items() for name in names}
    near = difflib.get_close_matches(written.casefold(), [*called, *by_name], n=1, cutoff=0.6)
    if near:
        hint = f"did you mean '{code}-{called.get(near[0]) or by_name[near[0]]}'?"
    else:
        hint = f"known are {', '.join(sorted(by_name.values()))}" if by_name else f"it has none, write {code}"
    raise ValueError(f"{code} has no part '{written}'; {hint}")


def _names() -> dict[str, tuple[str, ...]]:
    """Code of two letters → what else the library knows the country by, in small letters: name, three letters."""
    from holidays.registry import COUNTRIES

    return {
        row[1]: (name.replace("_", " "), *(other.casefold() for other in row[2:])) for name, row in COUNTRIES.items()
    }


def _meant(written: str, names: Mapping[str, tuple[str, ...]]) -> str:
    """The country that somebody meant who wrote a name, three letters, or letters that are none."""
    code, _, part = written.partition("-")
    called = {name: code for code, names_of in names.items() for name in names_of}
    near = difflib.get_close_matches(code.casefold(), called, n=1, cutoff=0.75)
    if not near:
        return "write its two letters, DE, or a part of it, DE-BY"
    return f"did you mean '{called[near[0]]}{part and '-'}{part}'?"


def _entries(days: Iterable[tuple[date, str]]) -> Iterator[Entry]:
    """An entry for each holiday: of every year where it is on one day of all, else with its dates."""
    by_name: dict[str, list[date]] = {}
    for day, names in sorted(days):
        for name in dict.fromkeys(names.split("; ")):
            by_name.setdefault(name, []).append(day)
    for name, dates in sorted(by_name.items(), key=lambda item: (item[1][0].month, item[1][0].day, item[0])):
        yield Entry("holiday", name, _days(dates))


def _days(dates: list[date]) -> tuple[Day, ...]:
    same = {(day.month, day.day) for day in dates}
    if len(same) == 1 and [day.year for day in dates] == list(YEARS):
        return (Day(yearly=same.pop()),)
    return tuple(Day(on=day) for day in dates)


def known_country(value: Any) -> str:
    """What names a country in a file, as the library knows it. Raises ValueError as `country_holidays` does."""
    if not isinstance(value, str):
        raise ValueError("this is no country; write its two letters, DE, or a part of it, DE-BY [LS172]")
    try:
        return country_holidays(value).country
    except ValueError as error:
        raise ValueError(f"{error} [LS172]") from None
