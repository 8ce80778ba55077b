"""`lockstep sources`: the databases that are asked for new rows, how they do, and what one of them would give."""

import os
from collections.abc import Mapping
from contextlib import closing
from typing import Annotated, Any

import typer
from rich.table import Table

from lockstep.cli.convert import SHOWN, event_table, pseudonym_key
from lockstep.cli.shared.arguments import BrokerOption, RulesOption
from lockstep.cli.shared.broker_session import with_broker
from lockstep.cli.shared.output import err, fail, many, out
from lockstep.settings import Settings, load_settings
from lockstep.text.figures import time_text
from lockstep.tools.terminal import styled

MOST_TRIED = 10_000
"""Rows that are read of a source to try it."""


def sources(
    name: Annotated[str | None, typer.Argument(help="One source; default: all")] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help=f"Ask from `from` on: show the first {SHOWN} events and what would be refused; publish nothing",
        ),
    ] = False,
    rules: RulesOption = None,
    broker: BrokerOption = None,
) -> None:
    """List the databases of sources.yml and how they do; with --dry-run try what they give."""
    from lockstep.adapters.sql.source_file import FILE, load_sources
    from lockstep.yaml.document import did_you_mean

    settings = load_settings(broker=broker, rules=rules)
    path = settings.rules / FILE
    loaded = load_sources(path)
    for fault in loaded.faults:
        err.print(str(fault), soft_wrap=True)
    if not path.exists():
        fail(f"{path}: there is no such file; 'A database that is asked' in rules/README.md says what stands in it")
    chosen = [source for source in loaded.sources if name in (None, source.name)]
    if not chosen and name is not None:
        fail(f"there is no source '{name}' without a fault; {did_you_mean(name, [s.name for s in loaded.sources])}")
    is_bad = bool(loaded.faults)
    if dry_run:
        for source in chosen:
            is_bad |= _try(source, settings)
    else:
        is_bad |= _list(chosen, settings)
    if is_bad:
        raise SystemExit(1)


def _try(source: Any, settings: Settings) -> bool:
    """Show what a source gives from its beginning on; whether anything is wrong with it."""
    from lockstep.adapters.channels import secrets_from
    from lockstep.adapters.convert.field_values import Setting
    from lockstep.adapters.sql.source_pages import Round, opened
    from lockstep.adapters.sql.source_state import SourceState
    from lockstep.errors import EventError, LockstepError

    events: list[bytes] = []
    refused, rows, pending, made = [], 0, 0, 0
    setting = Setting(settings.zone, None, pseudonym_key())
    state = SourceState(source.name, source.column, {})
    why = ""
    try:
        with closing(opened(source, secrets_from(os.environ))) as database:
            asked = Round(source, state, database, topics=settings.topics, setting=setting)
            with closing(asked.pages()) as pages:
                for page in pages:
                    rows, pending, made = rows + page.rows, pending + page.pending, made + len(page.records)
                    events += [record.value or b"" for record in page.records[: SHOWN - len(events)]]
                    refused += page.refused
                    if page.reached is not None:
                        state.take(state.step(page.reached, page.digests, refused=0, overlap=source.overlap))
                    if rows >= MOST_TRIED:
                        break
    except EventError as error:
        why = error.detail
    except LockstepError as error:
        why = str(error)
    out.print(styled((source.name, "bold")), f"from {source.column} {source.start_text} on")
    if events:
        out.print(event_table(events))
    for row in refused[:SHOWN]:
        err.print(styled((f"refused: {source.column} {row.cursor}: {row.why}", "yellow")), soft_wrap=True)
    if pending:
        err.print(f"{many(pending, 'row')} without a value in {source.column}: left until they have one")
    if why:
        err.print(styled((why, "red")), soft_wrap=True)
    more = f"; no more than {MOST_TRIED:,} rows are looked at" if rows >= MOST_TRIED else ""
    said = f"{many(made, 'event')} of {many(rows, 'row')}, {len(refused):,} refused{more}"
    err.print(styled((said, "yellow" if refused or why else "green")), soft_wrap=True)
    return bool(refused or why)


def _list(chosen: list[Any], settings: Settings) -> bool:
    """Show how the sources do; whether one of them fails."""
    from lockstep.adapters.sql.source_status import SourceStatus, statuses
    from lockstep.adapters.stream.sqlite import path_of
    from lockstep.rule.language.quantity import duration_text

    known: Mapping[str, SourceStatus] = {}
    if not settings.is_sqlite or path_of(settings.broker)[0].exists():
        known = with_broker(settings, statuses, looks=True)
    table = Table(box=None)
    for column in ("source", "mapping", "every", "answered", "read up to", "refused", "state"):
        table.add_column(column, justify="right" if column == "refused" else "left", overflow="fold")
    for source in chosen:
        status = known.get(source.name)
        row = (source.name, source.mapping.name, duration_text(source.every_s))
        if status is None:
            table.add_row(*row, "", "", "", "not asked yet: `lockstep serve` does")
            continue
        answered = "" if status.answered_at is None else time_text(status.answered_at, settings.zone)
        state = f"fails since {time_text(status.since or status.at, settings.zone)}: {status.why}"
        table.add_row(*row, answered, status.cursor, f"{status.refused:,}", state if status.is_failing else "answers")
    out.print(table)
    return any(known[source.name].is_failing for source in chosen if source.name in known)
