"""`lockstep convert FILE`: a shop's own files become events on standard output, or in a file."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.table import Table
from typer.core import TyperGroup

from lockstep.cli.shared.arguments import moment
from lockstep.cli.shared.output import err, fail, many, out, share_bar
from lockstep.settings import load_settings
from lockstep.tools.terminal import styled

FILES = "files"
"""The command that `lockstep convert` is without the name of another one."""
SHOWN = 10
OWN_MAPPINGS = Path("mappings")


class FilesOrCommand(TyperGroup):
    """`lockstep convert FILE…` is short for `lockstep convert files FILE…`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the command before its files and options."""
        first = args[0] if args else "--help"
        return super().parse_args(ctx, args if first in self.commands else [FILES, *args])


def convert_files(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="CSV, TSV, Excel, JSON, one object a line or an array; .gz too; - is stdin"),
    ] = None,
    mapping: Annotated[
        str | None,
        typer.Option(help="How rows become events: a file, or a ready one by its name; default: known by the columns"),
    ] = None,
    to: Annotated[Path, typer.Option("--out", help="File of the events, one a line; - is stdout")] = Path("-"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=f"Show the first {SHOWN} events and what would be refused; write nothing")
    ] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="What is refused is no reason for exit code 1")] = False,
    exported: Annotated[
        str | None, typer.Option(help="When the files were made, where their rows do not say; default: last changed")
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List the ready mappings, and where their files come from")
    ] = False,
) -> None:
    """Turn a shop's own files into events: exports of shops, analytics and ads are known by their columns."""
    from lockstep.adapters.convert import conversion
    from lockstep.adapters.convert.field_values import Setting

    if list_:
        _list_mappings()
        return
    if not files:
        fail("name a file of your shop, or - for standard input; --list says which are known")
    yaml = next((file for file in files if file.suffix in (".yml", ".yaml")), None)
    if yaml is not None:
        way_out = f"rules of Prometheus and ElastAlert become ours by `lockstep convert rules {yaml}`"
        fail(f"{yaml}: YAML holds no rows; {way_out}")
    settings = load_settings()
    setting = Setting(settings.zone, moment(exported, "--exported"), pseudonym_key())
    chosen = None if mapping is None else mapping_named(mapping)
    known = [] if chosen is not None else known_mappings()
    first: list[bytes] = []

    with _writer(to, dry_run=dry_run) as write, share_bar("converting") as progress:

        def take(events: Sequence[bytes]) -> None:
            if len(first) < SHOWN:
                first.extend(events[: SHOWN - len(first)])
            write(events)

        try:
            report = conversion.convert_files(
                files, take, setting=setting, mapping=chosen, known=known, progress=progress
            )
        except conversion.MappingFaults as error:
            for fault in error.faults:
                err.print(str(fault), soft_wrap=True)
            fail("the mapping does not fit the file; correct it where it is said")
    _say(report, first if dry_run else None)
    if (report.refused and not skip_bad) or report.broken:
        raise SystemExit(1)


def pseudonym_key() -> bytes | None:
    """The key of the hashes that stand for people: the secret PSEUDONYM, where it is set."""
    from lockstep.adapters.convert.pseudonyms import pseudonym_key as key_in
    from lockstep.errors import DeliveryError

    try:
        return key_in(os.environ)
    except DeliveryError as error:
        fail(str(error))


def _say(report: Any, first: Sequence[bytes] | None) -> None:
    """Say on standard error what was recognised, left out and refused. first: events to show."""
    say_recognised(report)
    if first is not None:
        out.print(event_table(first))
    say_refused(report)
    said = f"{many(report.events, 'event')} of {many(report.rows, 'row')}, {report.refused_count:,} refused"
    err.print(styled((said, "yellow" if report.refused or report.broken else "green")), soft_wrap=True)


def say_recognised(report: Any) -> None:
    """Say which mapping knew a file, and what it leaves out."""
    for name, known_as in report.recognised:
        err.print(f"{name}: {known_as}", soft_wrap=True)
    for note in report.notes:
        err.print(styled((f"left out: {note}", "dim")), soft_wrap=True)


def say_refused(report: Any) -> bool:
    """Say which rows gave no event, and which files could not be read to their end; whether there are any."""
    for refused in sorted(report.refused.values(), key=lambda refused: -refused.count):
        err.print(styled((str(refused), "yellow")), soft_wrap=True)
    for broken in report.broken:
        err.print(styled((broken, "red")), soft_wrap=True)
    return bool(report.refused or report.broken)


def event_table(events: Sequence[bytes]) -> Table:
    """The first events, for people."""
    table = Table(box=None)
    for name in ("time", "type", "id", "data"):
        table.add_column(name, overflow="fold", no_wrap=name == "time")
    for event in map(json.loads, events):
        data = ", ".join(f"{name}: {_short(value)}" for name, value in event["data"].items())
        table.add_row(event["time"], event["type"], event["id"], data)
    return table


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"[{'; '.join(_short(part) for part in value)}]"
    if isinstance(value, dict):
        return " ".join(f"{name} {_short(part)}" for name, part in value.items())
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _list_mappings() -> None:
    table = Table(box=None)
    for name in ("mapping", "gives", "where such a file comes from"):
        table.add_column(name, overflow="fold")
    for mapping in [*_own_mappings(), *_ready()]:
        types = dict.fromkeys(event.type for event in mapping.form.events)
        table.add_row(mapping.name, ", ".join(types), mapping.form.about)
    out.print(table)


def known_mappings() -> list[Any]:
    """Those that a file is recognised by: of the folder where the command is run, and the ready ones."""
    return [*_own_mappings(), *_ready()]


def _ready() -> list[Any]:
    from lockstep.adapters.convert.mapping import ready_mappings

    return list(ready_mappings().values())


def _own_mappings() -> Iterator[Any]:
    """The mappings in mappings/ where the command is run; one with a fault is named and left out."""
    from lockstep.adapters.convert.mapping import is_mapping, read_mapping
    from lockstep.adapters.rule_files import read_document, rule_files

    for path in rule_files([OWN_MAPPINGS]) if OWN_MAPPINGS.is_dir() else ():
        document, faults = read_document(path)
        if document is None or is_mapping(document):
            mapping, faults = (None, faults) if document is None else read_mapping(document)
            if mapping is not None:
                yield mapping
            for fault in faults:
                err.print(f"{fault}; the file is left out", soft_wrap=True)


def mapping_named(name: str) -> Any:
    """A ready mapping by its name, or that of a file; ends the command where there is none without faults."""
    from lockstep.adapters.convert.mapping import is_mapping, read_mapping, ready_mappings
    from lockstep.adapters.rule_files import read_document
    from lockstep.yaml.document import did_you_mean

    ready = ready_mappings()
    if name in ready:
        return ready[name]
    path = next((path for path in (Path(name), OWN_MAPPINGS / f"{name}.yml") if path.is_file()), None)
    if path is None:
        fail(f"--mapping: there is no file and no ready mapping '{name}'; {did_you_mean(name, ready)}")
    document, faults = read_document(path)
    if document is not None:
        if not is_mapping(document):
            fail(f"--mapping: {path} is no mapping; its first line is 'mapping: NAME'")
        mapping, faults = read_mapping(document)
        if mapping is not None:
            return mapping
    for fault in faults:
        err.print(str(fault), soft_wrap=True)
    return fail(f"{path} cannot be used; `lockstep check {path}` shows the lines")


@contextmanager
def _writer(path: Path, *, dry_run: bool) -> Iterator[Any]:
    """What writes events, one a line."""
    if dry_run:
        yield lambda _: None
        return
    if str(path) == "-":
        yield _to(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    try:
        stream = path.open("wb")
    except OSError as error:
        fail(f"--out: {path}: {error.strerror}; name a file that can be written")
    with stream:
        yield _to(stream)


def _to(stream: BinaryIO) -> Any:
    def write(events: Sequence[bytes]) -> None:
        if events:
            stream.write(b"\n".join(events) + b"\n")

    return write
