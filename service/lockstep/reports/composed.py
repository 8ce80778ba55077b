"""What all reports have alike: as of when, of what, what matters, and what could not be known."""

from collections.abc import Sequence
from datetime import datetime

from lockstep.reports.basis import Basis, say_gaps
from lockstep.reports.cell_text import SAME, change_text, figure_text
from lockstep.reports.matters import MOST, matters
from lockstep.reports.report_record import Figure, Report, Section, Todo
from lockstep.reports.todo import todos
from lockstep.response.report_due import Kind
from lockstep.text.rfc3339 import rfc3339_of


def composed(
    basis: Basis,
    kind: Kind,
    *,
    id: str,
    title: str,
    covers: str,
    headline: str,
    sections: Sequence[Section],
    late: int = 0,
    until: datetime | None = None,
    also: Sequence[Todo] = (),
) -> Report:
    """A report of these parts, as of the instant of its basis. Made last: by then all that is not known was said.

    until: what has time until later is no matter of it. also: what is to be done beside what matters.
    """
    say_gaps(basis)
    ranked = matters(basis, most=MOST, until=until)
    return Report(
        id=id,
        kind=kind,
        at=rfc3339_of(basis.at),
        zone=basis.shop.zone.key,
        currency=basis.currency,
        title=title,
        covers=covers,
        headline=headline,
        todo=(*todos(ranked), *also),
        matters=ranked,
        sections=tuple(sections),
        unknown=basis.all_unknown(),
        late=late,
    )


def than(figure: Figure, other: int | float | None, of: str) -> str:
    """`, 12% more than a usual Sunday`, `, as many as a usual Sunday`; "" where they cannot be compared. of: what the
    other one is."""
    return _than(change_text(figure.value, other, figure.unit), of)


def by_the_day(figure: Figure, other: int | float | None, days: int, of: str) -> str:
    """The same of two sums, of so many days each: `, 6% more a day than October`."""
    if figure.value is None or other is None or not (figure.days and days):
        return ""
    by = "" if figure.days == days else " a day"
    return _than(change_text(figure.value / figure.days, other / days, figure.unit), of, by)


def _than(change: str, of: str, by: str = "") -> str:
    if not change:
        return ""
    if change == SAME:
        return f", as many{by} as {of}"
    if change.endswith("x"):
        return f", {change.removesuffix('x')} times {of}{by}"
    return f", {change.lstrip('+-')} {'fewer' if change.startswith('-') else 'more'}{by} than {of}"


def today_words(basis: Basis, now: Sequence[Figure]) -> str:
    """` Today 125 are expected, 150 can be shipped.`; "" where nothing can be expected."""
    figures = {figure.name: figure for figure in now}
    expected, capacity = figures["expected_today"], figures["capacity_today"]
    if expected.value is None:
        return ""
    said = f" Today {figure_text(expected, basis.shop.zone)} are expected"
    if capacity.value is None:
        return f"{said}."
    only = " and only" if expected.value > capacity.value else ","
    return f"{said}{only} {figure_text(capacity, basis.shop.zone)} can be shipped."
