"""What all reports have alike: as of when, of what, what matters, and what could not be known."""

from collections.abc import Sequence

from lockstep.reports.basis import Basis, say_gaps
from lockstep.reports.cell_text import SAME, change_text
from lockstep.reports.matters import matters
from lockstep.reports.report_record import Figure, Report, Section
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
) -> Report:
    """A report of these parts, as of the instant of its basis. Made last: by then all that is not known was said."""
    say_gaps(basis)
    ranked = matters(basis)
    return Report(
        id=id,
        kind=kind,
        at=rfc3339_of(basis.at),
        zone=basis.shop.zone.key,
        currency=basis.currency,
        title=title,
        covers=covers,
        headline=headline,
        matters=ranked,
        sections=tuple(sections),
        unknown=tuple(basis.unknown),
        late=late,
    )


def against(figure: Figure, other: int | float | None, than: str) -> str:
    """`, +12% against usual`, `, as many as usual`; "" where they cannot be compared. than: what the other is."""
    change = change_text(figure.value, other, figure.unit)
    if not change:
        return ""
    return f", as many as {than}" if change == SAME else f", {change} against {than}"
