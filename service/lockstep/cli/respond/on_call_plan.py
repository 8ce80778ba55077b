"""`lockstep oncall plan`: who is on call when, by the files alone."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.cli.shared.arguments import RulesOption, moment
from lockstep.cli.shared.output import err, fail, many, out
from lockstep.tools.terminal import styled

if TYPE_CHECKING:
    from lockstep.notify.oncall.schedules import Schedule

ON_CALL_NAME = Annotated[str | None, typer.Argument(help="A schedule of routing.yml; default: all of them")]


def plan(
    name: ON_CALL_NAME = None,
    at: Annotated[str | None, typer.Option("--at", help="From when on, 2026-11-24T09:30:00Z; default: now")] = None,
    weeks: Annotated[int, typer.Option("--weeks", min=1, max=52, help="For how many weeks")] = 4,
    rules: RulesOption = None,
) -> None:
    """Say who is on call when, by routing.yml and its calendar files: without the service, so without who stands in."""
    from lockstep.app import utc_now
    from lockstep.settings import load_settings

    schedules = _schedules(load_settings(rules=rules).rules)
    if name is not None and name not in schedules:
        fail(f"there is no schedule '{name}'; routing.yml has {', '.join(sorted(schedules)) or 'none'}")
    begin = moment(at, "--at") or utc_now()
    chosen = [schedules[name]] if name is not None else [schedules[key] for key in sorted(schedules)]
    if not chosen:
        out.print("routing.yml has no schedules; rules/README.md says how they are written")
    for schedule in chosen:
        _print(schedule, begin, weeks)


def _schedules(folder: Path) -> "dict[str, Schedule]":
    from lockstep.adapters.rule_files import load_routing

    routing, faults = load_routing(folder / "routing.yml")
    for fault in faults:
        err.print(str(fault), soft_wrap=True)
    if routing is None:
        fail("routing.yml cannot be used; see `lockstep check`", 1)
    return dict(routing.schedules)


def _print(schedule: "Schedule", begin: datetime, weeks: int) -> None:
    """One schedule as a table: who, from, to; gaps marked."""
    from rich.table import Table

    from lockstep.notify.oncall.schedules import local_text
    from lockstep.text.figures import duration_words
    from lockstep.text.time_units import WEEK_S

    start = begin.astimezone(UTC).timestamp()
    table = Table(title=f"{schedule.name} ({schedule.zone.key})", title_justify="left", box=None)
    for column in ("who", "from", "to"):
        table.add_column(column)
    gaps_s = 0.0
    for shift in schedule.shifts(start, start + weeks * WEEK_S):
        who = styled(("nobody", "red")) if shift.who is None else shift.who
        table.add_row(who, local_text(shift.start, schedule.zone), local_text(shift.end, schedule.zone))
        gaps_s += shift.end - shift.start if shift.who is None else 0.0
    out.print(table)
    if gaps_s:
        out.print(styled((f"nobody is on call for {duration_words(gaps_s)} of {many(weeks, 'week')}", "red")))
