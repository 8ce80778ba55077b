"""A report as data: what every rendering shows, and what programs are sent.

There is one of each day, with the same content for both teams. All numbers in it come from one `Shop` at one instant
and the alerts of that instant; nothing is computed anew by whoever shows it. It is kept on `lockstep.reports`.
"""

from typing import Literal

import msgspec

from lockstep.response.report_due import Kind

FORMAT = 1

Value = int | float | str | None
"""A cell: money is a whole number of minor units, a day is `2026-11-30`, an instant RFC 3339; None: not known."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A number, and what it is compared with.

    name: the same in every report. title: as people read it. unit: "" a count, `%` a share, `money EUR` minor units,
    `hours`, `days`, `x`. value: null where it is not known. why: why it is not known, in words. usual: median of the
    same weekdays before. week_before: the same weekday a week ago; of a week or month, the one before. year_before: of
    a month, the same one a year ago. days, before_days, year_before_days: how many days each of these is a sum of, as
    far as is known; 0: it is no sum. forecast: what was expected. good: the direction that is good news, `up` or
    `down`; "": neither. curve: the same of the days before, oldest first, the value itself last; None for a day without
    facts. made_of: (what, value) that it was made of.
    """

    name: str
    title: str
    unit: str = ""
    value: int | float | None = None
    usual: int | float | None = None
    week_before: int | float | None = None
    year_before: int | float | None = None
    days: int = 0
    before_days: int = 0
    year_before_days: int = 0
    forecast: int | float | None = None
    good: Literal["up", "down", ""] = ""
    curve: tuple[int | float | None, ...] = ()
    made_of: tuple[tuple[str, Value], ...] = ()
    why: str = ""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """What each cell of a row is.

    name: the same in every report. title: its head. unit: of its cells, as of figures.
    """

    name: str
    title: str
    unit: str = ""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one kind, the most important first.

    name: the same in every report. title: as people read it. columns: what each cell of a row is. rows: of cells.
    empty: what is said where there are none. more: how many rows were left out. note: what is said below them.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...] = ()
    empty: str = ""
    more: int = 0
    note: str = ""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a report.

    name: the same in every report. title: as people read it. result: the one line of it. note: what is said small at
    its head, as of what its numbers are compared with. share: of a meeting's time, 0.3 is 30 %; 0 where there is no
    meeting. minutes: the same of its length. owner: the team that speaks, and whom the other one listens to; "" for
    both. lines: sentences. figures: numbers with what they are compared with. tables: rows of one kind.
    """

    name: str
    title: str
    result: str = ""
    note: str = ""
    share: float = 0
    minutes: int = 0
    owner: str = ""
    lines: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()


class Matter(msgspec.Struct, frozen=True, kw_only=True):
    """Something that somebody should do something about.

    name: the same for one thing in every report, `stock/A-1`. what: what is so, with its numbers. who: the team, or
    person, that should act. act: what to do. also: what the other team does meanwhile; "": nothing. at_stake: minor
    units of the shop's currency that it may cost; None: nobody knows. due: by when, RFC 3339; "": no hurry. because:
    what at_stake was made of.
    """

    name: str
    what: str
    who: str
    act: str
    also: str = ""
    at_stake: int | None = None
    due: str = ""
    because: str = ""


class Todo(msgspec.Struct, frozen=True, kw_only=True):
    """What one team, or a person, should do: the first that people read.

    who: `marketing`, `operations`, a person's name, or `nobody yet`. act: what to do. what: why. at_stake: minor units,
    as of matters; None: nobody knows. due: by when, RFC 3339; "": no hurry.
    """

    who: str
    act: str
    what: str = ""
    at_stake: int | None = None
    due: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One report.

    id: `daily/2026-11-30`, for ever the same. kind: which report it is. at: the instant as of which all of it is said,
    RFC 3339 in UTC. zone: the shop's. currency: of its money; "" where none is known. title: as people read it. covers:
    the stretch it is of, in words. headline: how it stands, in one line. todo: what each team should do, the most
    important first. matters: three to six, the costliest first, then the most urgent. sections: its parts, in order.
    unknown: what could not be known. late: minutes between the time it was due and `at`, where it comes late.
    """

    id: str
    kind: Kind
    at: str
    zone: str
    currency: str = ""
    title: str
    covers: str
    headline: str
    todo: tuple[Todo, ...] = ()
    matters: tuple[Matter, ...] = ()
    sections: tuple[Section, ...] = ()
    unknown: tuple[str, ...] = ()
    late: int = 0
    format: int = FORMAT


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)


def encode(report: Report) -> bytes:
    """The same bytes for the same report."""
    return _ENCODER.encode(report)


def decode(value: bytes) -> Report:
    """The report in its JSON. Raises msgspec.MsgspecError."""
    return _DECODER.decode(value)
