"""What a figure is compared with, in words: every rendering says it with these."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from lockstep.reports.cell_text import SAME, cell_text, change_text, is_better
from lockstep.reports.report_record import Figure, Report


@dataclass(frozen=True)
class Comparison:
    """name: what the other number is, `usual`, `October`. other: the number. change: how the figure differs from it,
    `+12%`; "" where that cannot be said. is_good: whether it is better; None: neither, or nobody knows."""

    name: str
    other: str
    change: str
    is_good: bool | None

    @property
    def text(self) -> str:
        """`usual 162 (-21%)`."""
        return f"{self.name} {self.other}{f' ({self.change})' if self.change else ''}"


def comparisons(figure: Figure, report: Report) -> list[Comparison]:
    """All that is known, in reading order. Sums of months and of weeks with gaps are compared by the day: a month of 31
    days has more of everything."""
    zone = ZoneInfo(report.zone)
    return [
        _compared(figure, name, other, days, zone) for name, other, days in _others(figure, report) if other is not None
    ]


def comparison_names(report: Report) -> tuple[str, str, str, str]:
    """What `usual`, `week_before`, `year_before` and `forecast` of a report's figures are."""
    before, year_before = "week before", "a year before"
    if report.kind == "monthly":
        month = date.fromisoformat(f"{report.id.partition('/')[2]}-01")
        before, year_before = f"{month - timedelta(1):%B}", f"{month:%B} {month.year - 1}"
    return "usual", before, year_before, "expected"


def _others(figure: Figure, report: Report) -> Iterator[tuple[str, int | float | None, int]]:
    usual, before, year_before, forecast = comparison_names(report)
    yield usual, figure.usual, figure.days
    yield before, figure.week_before, figure.before_days
    yield year_before, figure.year_before, figure.year_before_days
    yield forecast, figure.forecast, figure.days


def _compared(figure: Figure, name: str, other: int | float | None, days: int, zone: ZoneInfo) -> Comparison:
    value, than = figure.value, other
    is_by_day = bool(figure.days and days and figure.days != days)
    if is_by_day and value is not None and than is not None:
        value, than = value / figure.days, than / days
    change = change_text(value, than, figure.unit)
    said = f"{change} a day" if is_by_day and change else change
    is_good = None if change == SAME else is_better(value, than, figure.good)
    return Comparison(name, cell_text(other, figure.unit, zone), said, is_good)
