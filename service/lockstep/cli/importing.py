"""`lockstep import`: what happened before the service was there becomes its history."""

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from lockstep.cli.convert import known_mappings, mapping_named, pseudonym_key, say_recognised, say_refused
from lockstep.cli.shared.arguments import BrokerOption
from lockstep.cli.shared.broker_session import with_broker
from lockstep.cli.shared.output import count_bar, err, fail, many, out, share_bar
from lockstep.ports import Broker
from lockstep.settings import Settings, load_settings
from lockstep.text.figures import time_text
from lockstep.text.rfc3339 import SECOND
from lockstep.tools.terminal import styled

RATE = 20_000
SECRET = "secret:"
QUERY = "query.ndjson"
"""The file of the rows of a query; to people its lines are rows."""


def import_files(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="What `lockstep convert` takes, or files of CloudEvents; in any order of time"),
    ] = None,
    mapping: Annotated[
        str | None,
        typer.Option(help="How rows become events, as for `convert`; default: known by the columns"),
    ] = None,
    sql: Annotated[
        str | None,
        typer.Option(
            help="Instead of files: a database, postgresql+psycopg://… or secret:NAME for LOCKSTEP_SECRET_NAME"
        ),
    ] = None,
    query: Annotated[str | None, typer.Option(help="With --sql: SELECT …; its rows become events by a mapping")] = None,
    broker: BrokerOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be imported and refused; do not")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="What is refused is no reason for exit code 1")] = False,
    more: Annotated[
        bool, typer.Option("--more", help="More files of the same kinds are to come later: live events wait for them")
    ] = False,
    end: Annotated[bool, typer.Option("--end", help="End an import that was broken off, or --more; no files")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Say how the imports stand and what waits; no files")
    ] = False,
    rate: Annotated[int, typer.Option(min=0, help="Events a second at most; 0: as fast as it goes")] = RATE,
) -> None:
    """Give a new service its past: baselines know it, nobody is told of it. Again with the same files goes on."""
    settings = load_settings(broker=broker)
    if end or status:
        if files or (end and status):
            fail(f"--{'end' if end else 'status'} stands alone: it takes no files")
        _end(settings) if end else _status(settings)
        return
    if (sql is None) != (query is None):
        fail("--sql and --query go together")
    if not files and sql is None:
        fail("name files of what happened: exports of your shop, or events; --end ends what was broken off")
    from lockstep.app import utc_now
    from lockstep.tools.importing.gathered import Gathered

    with tempfile.TemporaryDirectory(prefix="lockstep-") as folder, Gathered(Path(folder), now=utc_now()) as gathered:
        if sql is not None and query is not None:
            files = [*(files or []), _queried(sql, query, Path(folder))]
        reports = _gather(files or [], gathered, mapping, settings)
        plans = _import(settings, gathered, dry_run=dry_run, ends=not more, rate=rate)
        is_bad = _say(gathered, plans, settings, reports, dry_run=dry_run)
    if more and any(plan.new for plan in plans) and not dry_run:
        out.print("live events of these kinds wait until the import ends: without --more, or with --end")
    if is_bad and not skip_bad:
        raise SystemExit(1)


def _end(settings: Settings) -> None:
    from lockstep.app import utc_now
    from lockstep.tools.importing.publication import Publication
    from lockstep.worker.required_topics import SAMPLES

    async def act(opened: Broker) -> list[str]:
        return await Publication(opened, settings.topics, SAMPLES, clock=utc_now).end()

    ended = with_broker(settings, act, looks=True)
    out.print(f"ended: the import of {', '.join(ended)}" if ended else "no import goes on")


def _status(settings: Settings) -> None:
    from lockstep.app import utc_now
    from lockstep.tools.importing.status import RoleStatus, role_statuses
    from lockstep.worker.required_topics import SAMPLES

    async def act(opened: Broker) -> list[RoleStatus]:
        return await role_statuses(opened, settings.topics, SAMPLES, clock=utc_now)

    statuses = with_broker(settings, act, looks=True)
    table = Table(box=None)
    for name in ("kind", "import", "last event", "live events that wait"):
        table.add_column(name, justify="right" if name == "live events that wait" else "left", overflow="fold")
    for each in statuses:
        reached = "" if each.reached is None else time_text(each.reached.isoformat(), settings.zone)
        table.add_row(each.role, each.sentence, reached, f"{each.waiting:,}" if each.is_open else "")
    out.print(table)
    if any(each.is_open for each in statuses):
        out.print(
            "an open import goes on with the same `lockstep import` command, or ends with `lockstep import --end`: "
            "then what was imported counts, and live events are judged from there"
        )


# ---- files -----------------------------------------------------------------------------------------------------------


def _queried(url: str, query: str, folder: Path) -> Path:
    """A file of the rows of a query."""
    from lockstep.adapters.channels import read_secret
    from lockstep.errors import DeliveryError
    from lockstep.tools.importing.sql_rows import sql_lines

    if url.startswith(SECRET):
        try:
            url = read_secret(url.removeprefix(SECRET), os.environ)
        except DeliveryError as error:
            fail(f"--sql: {error}")
    path = folder / QUERY
    with share_bar("asking the database") as progress, path.open("wb") as rows:
        for line in sql_lines(url, query):
            rows.write(line)
            progress(1, None)
    return path


def _gather(files: Sequence[Path], gathered: Any, mapping: str | None, settings: Settings) -> list[Any]:
    """Read all files; returns the reports of those that were converted."""
    from lockstep.adapters.convert import conversion
    from lockstep.adapters.convert.field_values import Setting

    chosen = None if mapping is None else mapping_named(mapping)
    known = [] if chosen is not None else known_mappings()
    setting = Setting(settings.zone, None, pseudonym_key())
    reports = []
    with share_bar("reading") as progress:
        for path in files:
            if chosen is None and _holds_events(path):
                _read_events(path, gathered, progress)
                continue

            def take(events: Sequence[bytes], name: str = str(path)) -> None:
                gathered.add(events, [name] * len(events))

            try:
                report = conversion.convert_files(
                    [path], take, setting=setting, mapping=chosen, known=known, progress=progress
                )
                if path.name == QUERY:
                    _name_rows(report, str(path))
                reports.append(report)
            except conversion.MappingFaults as error:
                for fault in error.faults:
                    err.print(str(fault), soft_wrap=True)
                fail("the mapping does not fit the file; correct it where it is said")
    return reports


def _name_rows(report: Any, name: str) -> None:
    """Say rows of a query as `query:12`, not by the file that holds them for a moment."""
    report.recognised = [(shown.replace(name, "query"), known_as) for shown, known_as in report.recognised]
    report.notes = [note.replace(name, "query") for note in report.notes]
    report.broken = [broken.replace(name, "query") for broken in report.broken]
    for refused in report.refused.values():
        refused.places = [place.replace(name, "query") for place in refused.places]


def _holds_events(path: Path) -> bool:
    """Whether a file has CloudEvents, not a shop's own objects or rows."""
    from lockstep.adapters.convert.conversion import opened
    from lockstep.adapters.ingest.event_text import UNREADABLE, read_ahead, utf8_stream

    if str(path) == "-":
        head = sys.stdin.buffer.peek(4_096)  # type: ignore[union-attr] # a buffered reader
    else:
        with opened(path) as stream:
            try:
                head, _ = read_ahead(utf8_stream(stream), 4_096)
            except UNREADABLE:
                return False  # who converts it says why
    return head.lstrip()[:1] in (b"{", b"[") and b'"specversion"' in head


def _read_events(path: Path, gathered: Any, progress: Callable[[int, float | None], None]) -> None:
    from lockstep.adapters.convert.conversion import opened
    from lockstep.adapters.ingest.event_text import EventText
    from lockstep.tools.send import AT_ONCE

    with opened(path) as stream:
        text = EventText(stream, str(path))
        size = path.stat().st_size if path.is_file() else 0
        for numbers, values in text.portions(AT_ONCE):
            gathered.add(values, [text.place(number) for number in numbers])
            progress(len(values), stream.tell() / size if size else None)


# ---- what becomes of them --------------------------------------------------------------------------------------------


def _import(settings: Settings, gathered: Any, *, dry_run: bool, ends: bool, rate: int) -> list[Any]:
    from lockstep.adapters.stream.sqlite import path_of
    from lockstep.app import utc_now
    from lockstep.tools.importing.publication import ANEW_ON_A_FILE, ANEW_ON_KAFKA, Publication, RolePlan
    from lockstep.worker.required_topics import SAMPLES, prepare

    async def act(opened: Broker) -> list[Any]:
        if not dry_run:
            await prepare(settings, opened)
        anew = ANEW_ON_A_FILE if settings.is_sqlite else ANEW_ON_KAFKA
        publication = Publication(opened, settings.topics, SAMPLES, clock=utc_now, anew=anew)
        plans = await publication.plan(gathered)
        if not dry_run:
            with count_bar("importing") as bar:
                task = bar.add_task("", total=sum(plan.new for plan in plans))
                await publication.publish(
                    gathered,
                    plans,
                    rate=rate,
                    ends=ends,
                    progress=lambda n: bar.update(task, advance=n),
                )
        return plans

    if dry_run and settings.is_sqlite and not path_of(settings.broker)[0].exists():
        return [
            RolePlan(role, new=gathered.between(role, None, None), stretches=gathered.stretches(role, None, None))
            for role in gathered.roles()
        ]
    return with_broker(settings, act)


def _say(gathered: Any, plans: Sequence[Any], settings: Settings, reports: Sequence[Any], *, dry_run: bool) -> bool:
    """Say what was imported, what was there, and what was refused; whether anything was refused."""

    def when(time_us: int) -> str:
        return time_text(datetime.fromtimestamp(time_us / SECOND, UTC).isoformat(), settings.zone)

    is_bad = False
    for report in reports:
        say_recognised(report)
        is_bad |= say_refused(report)
    for refused in sorted(gathered.refused.values(), key=lambda refused: -refused.count):
        err.print(styled((str(refused), "yellow")), soft_wrap=True)
        is_bad = True
    for plan in plans:
        if plan.refused:
            err.print(
                styled((f"{many(plan.refused, 'event')} of {plan.role} refused: {plan.why}", "yellow")), soft_wrap=True
            )
            is_bad = True
        if plan.live:
            note = f"{many(plan.live, 'event')} of {plan.role} left out: the topic has events of its own since then"
            err.print(styled((note, "dim")), soft_wrap=True)
    table = Table(box=None)
    for name in ("would be imported" if dry_run else "imported", "events", "from", "to"):
        table.add_column(name, justify="right" if name == "events" else "left", overflow="fold")
    stretches = [stretch for plan in plans for stretch in plan.stretches]
    for stretch in stretches:
        table.add_row(stretch.type, f"{stretch.count:,}", when(stretch.first_us), when(stretch.last_us))
    if stretches:
        out.print(table)
    there = sum(plan.there for plan in plans)
    notes = [f"{many(sum(plan.new for plan in plans), 'event')} {'to be imported' if dry_run else 'imported'}"]
    notes += [f"{there:,} there already"] if there else []
    notes += [f"{gathered.twice:,} came twice"] if gathered.twice else []
    notes += [f"{gathered.unknown:,} of an unknown type"] if gathered.unknown else []
    out.print(", ".join(notes))
    if stretches and not dry_run:
        first = when(min(stretch.first_us for stretch in stretches))
        last = when(max(stretch.last_us for stretch in stretches))
        out.print(
            f"baselines reach from {first} to {last}, as soon as `lockstep serve` has read it; "
            "of the time from then until live events come it counts that nothing happened"
        )
    return is_bad
