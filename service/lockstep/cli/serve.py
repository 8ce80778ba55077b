"""`lockstep serve`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from lockstep.cli.shared.arguments import BrokerOption, RulesOption
from lockstep.cli.shared.output import fail
from lockstep.cli.shared.process import collect_rarely
from lockstep.settings import load_settings


def serve(
    broker: BrokerOption = None,
    rules: RulesOption = None,
    http_host: Annotated[str | None, typer.Option(help="Address to listen on")] = None,
    http_port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide everything, send nothing")] = False,
) -> None:
    """Watch the shop: read events, judge rules, tell the teams."""
    collect_rarely()  # first: to import all of it makes many objects, too
    from lockstep.adapters import logs
    from lockstep.app import serve as run

    settings = load_settings(broker=broker, rules=rules, http_host=http_host, http_port=http_port)
    if "rules" not in settings.model_fields_set:
        _make_folder(settings.rules)
    logs.configure(settings.log_format, settings.log_level)
    raise SystemExit(asyncio.run(run(settings, dry_run=dry_run)))


def _make_folder(rules: Path) -> None:
    """The folder of rules that nobody named is made where it is missing: what is put there later is noticed."""
    try:
        rules.mkdir(exist_ok=True)
    except OSError as error:
        fail(f"{rules}: there is no such folder, and it cannot be made: {error.strerror}; name one with --rules")
